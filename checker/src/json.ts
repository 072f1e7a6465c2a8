/** JSON as these documents use it, and what a value in it must be. A refusal names the place. */
export const refuse = (why: string): never => { throw new Error(why); };
export const must = (holds: unknown, why: string): true => (holds ? true : refuse(why));
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"(?=\s*(:?))|-?\d[-+.\deE]*|[[\]{}]/gs;
/** `JSON.parse` lets keys stand twice, rounds numbers, nests without end: each token is looked at as well. */
export function parse(text: string): unknown {
  const [value, open]: [unknown, Set<string>[]] = [JSON.parse(text), []];
  for (const { 0: token, 1: colon, index } of text.matchAll(TOKEN)) {
    const wrong = (why: string) => refuse(`at character ${index}: ${why}`);
    if (/^[[{]/.test(token) && open.push(new Set()) > 64) wrong("nested more than 64 deep");
    if (/^[\]}]/.test(token)) open.pop();
    if (/^[-\d]/.test(token) && !/^\d{1,15}$/.test(token)) wrong(`${token} is no whole number below 10^15`);
    const string: string = token.startsWith('"') ? JSON.parse(token) : "";
    if (/\p{Surrogate}/u.test(string)) wrong("a string is not Unicode");
    if (colon && open.at(-1)?.size === open.at(-1)?.add(string).size) wrong(`the key ${token} stands twice`);
  }
  return value;
}
/** RFC 8785: keys sorted by UTF-16 unit, no space. `JSON.stringify` writes texts and numbers as it asks. */
export function canonical(value: any, without?: string): string {
  if (Array.isArray(value)) return `[${value.map(item => canonical(item, without))}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const keys = Object.keys(value).filter(key => key !== without).sort();
  return `{${keys.map(key => `${JSON.stringify(key)}:${canonical(value[key], without)}`)}}`;
}
type Read = (value: any, at: string) => any;
/** A text by its pattern, a number by its bounds, an object by its fields, or what a function makes of it. */
export type Form = RegExp | number[] | { [field: string]: Form } | Read;
export function read(form: Form, value: any, at: string): any {
  const like = (holds: boolean) => must(holds, `${at} is not like ${form}`) && value;
  if (typeof form === "function") return form(value, at);
  if (form instanceof RegExp) return like(typeof value === "string" && form.test(value));
  if (Array.isArray(form)) return like(typeof value === "number" && form[0]! <= value && value <= form[1]!);
  const unknown = Object.keys(object(value, at)).find(key => !Object.hasOwn(form, key));
  must(unknown === undefined, `${at} has the unknown field \`${unknown}\``);
  return Object.fromEntries(Object.entries(form).map(([k, it]) => [k, read(it, value[k], `${at}.${k}`)]));
}
export const object: Read = (value, at) =>
  must(value instanceof Object && !Array.isArray(value), `${at} is not an object`) && value;
export const oneOf = (all: any[]): Read => (it, at) => must(all.includes(it), `${at} is not in ${all}`) && it;
export const or = (other: any, form: Form): Read => (it, at) => it === undefined ? other : read(form, it, at);
export const maybe = (form: Form): Read => (value, at) => or(undefined, form)(value ?? undefined, at);
export const list = (max: number, item: Form, min = 0): Read => (all, at) =>
  must(Array.isArray(all) && all.length >= min && all.length <= max, `${at} is no list of ${min}-${max}`) &&
  all.map((it: unknown, i: number) => read(item, it, `${at}[${i}]`));
export const named = (max: number, name: RegExp, thing: Form): Read => (value, at) =>
  new Map(list(max, it => it)(Object.entries(object(value, at)), at).map(([key, value]: [string, unknown]) =>
    [read(name, key, `a name in ${at}`), read(thing, value, `${at}.${key}`)]));
