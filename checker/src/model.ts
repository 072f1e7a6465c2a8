/** The model file, read and checked as its format says. */
import { refuse, type Json } from "#json";
import { flag, list, named, or, shape, text, whole, type Check, type Is } from "#shape";

/** A name, or at least `k` of several needs. */
export type Needs = string | { k: number; of: Needs[] };
/** `names` are all in `needs`; `power` is the head, `move[limit]` where there is a limit. */
export type Rule = Omit<Is<typeof RULE>, "limit" | "because"> & { names: string[] };
/** `levels` tells for each power how many cancels lie one below the other under it. */
export type Model = Omit<Is<typeof FILE>, "rules"> & { rules: Rule[]; levels: Map<string, number> };
export type Atom = Is<typeof ATOM>;

export const EVIDENCE = ["proved", "attested", "signed", "asserted", "unknown"];
const NAME = /^(?!.*["'`\\,[\]{}])[!-~]{1,128}$/;
const [SECONDS_MAX, NEEDS_MAX, DEPTH_MAX] = [2 ** 42, 16_384, 16];
const maybeText = or(undefined, text());

const NEEDS: Check<Needs> = (value, at) => {
  if (typeof value === "string") return value;
  const { all, any, k, of } = FORMS(value, at);
  const given = [all, any, of].filter(list => list !== undefined);
  const [list, least] = [given[0] ?? [], k ?? (all ? all.length : 1)];
  if (given.length !== 1 || (k === undefined) !== (of === undefined)) refuse(`${at} is none of the forms of needs`);
  return least >= 1 && least <= list.length ? { k: least, of: list } : refuse(`${at} wants ${least} of ${list.length}`);
};
const SOME = or(
  undefined,
  list(NEEDS_MAX, (value, at) => NEEDS(value, at)),
);
const FORMS = shape({ all: SOME, any: SOME, k: or(undefined, whole(1, NEEDS_MAX)), of: SOME });
const KIND = text(/^(party|object|doubt)$/);
const ATOM = shape({ entity: maybeText, kind: KIND, guessable: or(false, flag), says: maybeText });
const LIMIT = shape({
  asset: maybeText,
  amount: or(undefined, text(/^(?=.{1,100}$)\d+(\.\d+)?$/)),
  window_seconds: or(undefined, whole(1, SECONDS_MAX)),
  receivers: or([], list(256, text())),
});
const RULE = shape({
  power: text(NAME),
  limit: maybeText,
  needs: NEEDS,
  after_seconds: or(0, whole(0, SECONDS_MAX)),
  cancel: maybeText,
  because: or("", text(/^[^\p{Cc}\u2028-\u202e\u2066-\u2069]{0,1000}$/u)),
  evidence: or("unknown", text(/^(proved|attested|signed|asserted|unknown)$/)),
});
const FILE = shape({
  version: whole(1, 1),
  account: text(),
  entities: named(256, NAME, shape({ role: text(/^[a-z-]{1,128}$/) })),
  atoms: named(24, NAME, ATOM),
  limits: or(new Map(), named(64, NAME, LIMIT)),
  rules: list(1024, RULE),
});

export function model(value: Json): Model {
  const file = FILE(value, "model");
  for (const [name, { entity, kind }] of file.atoms) {
    const isOwned = entity === undefined ? kind === "doubt" : file.entities.has(entity);
    if (!isOwned) refuse(`model.atoms.${name} is of no known entity`);
  }
  let left = NEEDS_MAX;
  const names = (needs: Needs, depth = 0): string[] => {
    if (left-- === 0 || depth > DEPTH_MAX) refuse(`needs are more than ${NEEDS_MAX} or more than ${DEPTH_MAX} deep`);
    return typeof needs === "string" ? [needs] : needs.of.flatMap(part => names(part, depth + 1));
  };
  const rules = file.rules.map((rule, i): Rule => {
    const { limit, power } = rule;
    const isMove = power === "move" && file.limits.has(limit ?? "");
    if (limit !== undefined && !isMove) refuse(`model.rules[${i}].limit is not a limit of move`);
    return { ...rule, power: limit === undefined ? power : `move[${limit}]`, names: names(rule.needs) };
  });
  const implied = (power: string, needs: string) =>
    rules.push({ power, needs, names: [needs], after_seconds: 0, cancel: undefined, evidence: "proved" });
  for (const power of ["rule", "recover"]) implied("move", power);
  for (const limit of file.limits.keys()) implied(`move[${limit}]`, "move");
  return { ...file, rules, levels: levels(rules, file.atoms) };
}

/** Every name must be known, and no power may rest on what it cancels: only then do the numbers exist. */
function levels(rules: Rule[], atoms: Map<string, Atom>): Map<string, number> {
  const levels = new Map(["rule", "recover", ...rules.map(rule => rule.power)].map(power => [power, 0]));
  for (const power of levels.keys()) if (atoms.has(power)) refuse(`\`${power}\` is both an atom and a power`);
  const level = (name: string): number =>
    levels.get(name) ?? (atoms.has(name) ? -1 : refuse(`\`${name}\` in model.rules is neither an atom nor a power`));
  for (let changed = true; changed;) {
    changed = false;
    for (const { power, names, cancel } of rules) {
      const least = Math.max(...names.map(level), cancel === undefined ? 0 : level(cancel) + 1);
      if (least > levels.size) refuse(`\`${power}\` rests on what it cancels`);
      if (least > level(power)) changed = levels.set(power, least).size > 0;
    }
  }
  return levels;
}
