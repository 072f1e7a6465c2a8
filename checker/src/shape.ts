/** What a value must be: a check returns what it read, or refuses with the place. */
import { refuse, type Json } from "#json";

export type Check<T> = (value: Json | undefined, at: string) => T;
export type Is<C> = C extends Check<infer T> ? T : never;

const check = <T>(what: string, read: (value: Json | undefined, at: string) => T | undefined): Check<T> => {
  return (value, at) => read(value, at) ?? refuse(`${at} is not ${what}`);
};
/** Printable, on one line. */
export const text = (pattern = /^[^\p{Cc}\u2028-\u202e\u2066-\u2069]{1,1000}$/u) =>
  check("the text that it must be", value => (typeof value === "string" && pattern.test(value) ? value : undefined));
export const whole = (min: number, max: number) =>
  check(`${min} to ${max}`, value => (typeof value === "number" && value >= min && value <= max ? value : undefined));
export const any: Check<Json> = check("there", value => value ?? undefined);
export const flag = check("true or false", value => (typeof value === "boolean" ? value : undefined));
/** What may be left out, or be null where nothing stands in its place. */
export const or = <T>(other: T, check: Check<T>): Check<T> => {
  return (value, at) => (value === undefined || (value === null && other === undefined) ? other : check(value, at));
};
export const list = <T>(max: number, item: Check<T>) =>
  check(`a list of at most ${max}`, (value, at) =>
    Array.isArray(value) && value.length <= max ? value.map((value, i) => item(value, `${at}[${i}]`)) : undefined,
  );
/** An object from names to things. */
export const named = <T>(max: number, name: RegExp, thing: Check<T>) =>
  check(`an object of at most ${max}`, (value, at) => {
    if (!(value instanceof Map) || value.size > max) return undefined;
    return new Map([...value].map(([key, value]) => [text(name)(key, `a name in ${at}`), thing(value, `${at}.${key}`)]));
  });
/** An object with these fields, and no others unless it is open. */
export const shape = <T>(fields: { [K in keyof T]: Check<T[K]> }, isOpen = false) =>
  check("an object", (value, at): T | undefined => {
    if (!(value instanceof Map)) return undefined;
    const unknown = [...value.keys()].find(key => !isOpen && !Object.hasOwn(fields, key));
    if (unknown !== undefined) refuse(`${at} has the unknown field \`${unknown}\``);
    const read = ([key, field]: [string, Check<unknown>]) => [key, field(value.get(key), `${at}.${key}`)];
    return Object.fromEntries(Object.entries<Check<unknown>>(fields).map(read)) as T;
  });
