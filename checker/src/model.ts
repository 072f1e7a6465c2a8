/** The model file, read and checked as its format says. */
import { list, maybe, must, named, oneOf, or, read, refuse } from "#json";
/** A name, or at least `k` of several needs. */
export type Needs = string | { k: number; of: Needs[] };
export type Atom = { kind: string; entity?: string; guessable: boolean };
type Rule = { power: string; needs: Needs; after_seconds: number; evidence: string; [more: string]: any };
type Owned = { account: string; entities: Map<string, { role: string }>; atoms: Map<string, Atom> };
type Ruled = { limits: Map<string, { receivers: string[] }>; rules: Rule[]; levels: Map<string, number> };
export const EVIDENCE = ["proved", "attested", "signed", "asserted", "unknown"];
const [NAME, LINE] = [/^(?!.*["'`\\,[\]{}])[!-~]{1,128}$/, /^[^\p{Cc}\u2028-\u202e\u2066-\u2069]{1,1000}$/u];
const [TEXT, FLAG, KIND] = [maybe(LINE), oneOf([true, false]), oneOf(["party", "object", "doubt"])];
const ATOM = { entity: TEXT, kind: KIND, guessable: or(false, FLAG), says: TEXT };
const PAY = { asset: TEXT, amount: maybe(/^(?=.{1,100}$)\d+(\.\d+)?$/), window_seconds: maybe([1, 2 ** 42]) };
const LIMIT = { ...PAY, receivers: or([], list(256, LINE)) };
const HEAD = { power: NAME, limit: TEXT, needs, after_seconds: or(0, [0, 2 ** 42]), cancel: TEXT };
const WHY = { because: or("", RegExp(`^$|${LINE.source}`, "u")), evidence: or("unknown", oneOf(EVIDENCE)) };
const MAPS = { entities: named(256, NAME, { role: /^[a-z-]{1,128}$/ }), atoms: named(24, NAME, ATOM) };
const MORE = { limits: or(new Map(), named(64, NAME, LIMIT)), rules: list(1024, { ...HEAD, ...WHY }) };
function needs(value: any, at: string): Needs {
  must(at.split("]").length <= 18, `${at} is more than 16 deep`);
  if (typeof value === "string") return value;
  const some = maybe(list(16_384, needs));
  const { all, any, of, k } = read({ all: some, any: some, of: some, k: maybe([1, 16_384]) }, value, at);
  const [parts, least] = [all ?? any ?? of ?? [], k ?? (all ? all.length : 1)];
  must(+!all + +!any + +!of === 2 && !of === !k, `${at} is none of the forms of needs`);
  return must(parts[least - 1], `${at} wants ${least} of ${parts.length}`) && { k: least, of: parts };
}
const within = (it: Needs): Needs[] => (typeof it === "string" ? [it] : [it, ...it.of.flatMap(within)]);
export function model(value: unknown): Owned & Ruled {
  const file: Owned & Ruled = read({ version: [1, 1], account: LINE, ...MAPS, ...MORE }, value, "model");
  const { atoms, entities, limits, rules } = file;
  for (const [name, { entity, kind }] of atoms)
    must(entity ? entities.has(entity) : kind === "doubt", `model.atoms.${name} is of no known entity`);
  must(rules.flatMap(({ needs }) => within(needs)).length <= 16_384, "model.rules: over 16384 needs");
  const bounded = [...limits.keys()].map(limit => `move[${limit}]`);
  for (const [i, rule] of rules.entries()) {
    if (rule.limit !== undefined) rule.power += `[${rule.limit}]`;
    must(!rule.limit || bounded.includes(rule.power), `model.rules[${i}].limit is not a limit of move`);
  }
  const implied = { after_seconds: 0, evidence: "proved" };
  for (const needs of ["rule", "recover"]) rules.push({ ...implied, power: "move", needs });
  for (const power of bounded) rules.push({ ...implied, power, needs: "move" });
  /** How many cancels lie one below the other under each power, those of the account first. */
  const powers = ["move", "rule", "recover", ...bounded, ...rules.map(({ power }) => power)];
  const levels = new Map(powers.map(power => [power, 0]));
  for (const power of levels.keys()) must(!atoms.has(power), `\`${power}\` is both an atom and a power`);
  const level = (name: Needs): number => typeof name !== "string" ? 0 : levels.get(name) ??
    (atoms.has(name) ? -1 : refuse(`\`${name}\` in model.rules is neither an atom nor a power`));
  const rises = ({ power, needs, cancel }: Rule) => {
    const least = Math.max(...within(needs).map(level), cancel === undefined ? 0 : level(cancel) + 1);
    must(least <= levels.size, `\`${power}\` rests on what it cancels`);
    return least > level(power) && levels.set(power, least);
  };
  while (rules.filter(rises).length > 0);
  return { ...file, levels };
}
