/** JSON as these documents use it: whole numbers, no key twice, no broken Unicode, a bounded depth. */
export type Json = null | boolean | number | string | Json[] | Map<string, Json>;

/** Why a file is not accepted; the message names the place. */
export class Refused extends Error {}

export function refuse(why: string): never {
  throw new Refused(why);
}

const DEPTH_MAX = 64;
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"\s*(:?)|-?\d[-+.\deE]*|[[\]{}]/gs;

/** `JSON.parse` lets keys stand twice, rounds numbers and nests without end, so the text is looked through first. */
export function parse(text: string): Json {
  let [keys, depth] = [0, 0];
  for (const [token, colon] of text.matchAll(TOKEN)) {
    if (colon) keys++;
    if (/^[-\d]/.test(token) && !/^\d{1,15}$/.test(token)) refuse(`${token} is not a whole number below 10^15`);
    depth += token === "{" || token === "[" ? 1 : token === "}" || token === "]" ? -1 : 0;
    if (depth > DEPTH_MAX) refuse(`the file is nested more than ${DEPTH_MAX} deep`);
  }
  const read = (value: unknown): Json => {
    if (typeof value === "string" && /\p{Surrogate}/u.test(value)) refuse("a string is not Unicode");
    if (typeof value !== "object" || value === null) return value as Json;
    if (Array.isArray(value)) return value.map(read);
    keys -= Object.keys(value).length;
    return new Map(Object.entries(value).map(([key, item]) => [read(key) as string, read(item)]));
  };
  const value = read(attempt("JSON", () => JSON.parse(text)));
  return keys === 0 ? value : refuse("a key stands twice in one object");
}

/** What `read` returns; whatever it throws is a refusal. */
export function attempt<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    return refuse(`the file is not ${what}: ${(error as Error).message}`);
  }
}

/** RFC 8785: keys sorted by UTF-16 unit, no space. `JSON.stringify` writes strings and whole numbers as it asks. */
export function canonical(value: unknown, without?: string): string {
  if (Array.isArray(value)) return `[${value.map(item => canonical(item, without))}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const fields: Map<string, unknown> = value instanceof Map ? value : new Map(Object.entries(value));
  const keys = [...fields.keys()].filter(key => key !== without).sort();
  return `{${keys.map(key => `${JSON.stringify(key)}:${canonical(fields.get(key), without)}`)}}`;
}
