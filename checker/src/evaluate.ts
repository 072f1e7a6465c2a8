/** Brute force: every coalition by itself, word for word as the format defines it. */
import { EVIDENCE, type Atom, type Model, type Needs, type Rule } from "#model";

export type Evaluation = ReturnType<typeof evaluate>;
type Time = (coalition: number, reached: Float64Array) => number;
type Compiled = Rule & { goal: number; time: Time; cancels: Time; restsOnPowers: boolean };
const never = Infinity;

/** The k-th smallest of several times: they are put in order as they come, and no more than `k` are kept. */
function kth(k: number, of: Time[]): Time {
  const least = new Float64Array(k);
  if (k === of.length) return (coalition, reached) => of.reduce((most, time) => Math.max(most, time(coalition, reached)), 0);
  return (coalition, reached) => {
    least.fill(never);
    for (const time of of) {
      const seconds = time(coalition, reached);
      let place = k - 1;
      if (seconds >= least[place]!) continue;
      for (; place > 0 && least[place - 1]! > seconds; place--) least[place] = least[place - 1]!;
      least[place] = seconds;
    }
    return least[k - 1]!;
  };
}

/** A coalition is a number whose bit `i` is the atom at place `i` of the names that are not guessable. */
export function evaluate(model: Model) {
  const names = [...model.atoms.keys()].filter(name => !model.atoms.get(name)!.guessable).sort();
  const set = (test: (atom: Atom, name: string) => boolean) =>
    names.reduce((set, name, place) => set | (+test(model.atoms.get(name)!, name) << place), 0);
  const listed = (set: number) => names.filter((_, place) => set & (1 << place));
  const [everything, doubts] = [set(() => true), set(atom => atom.kind === "doubt")];
  const solid = everything & ~doubts;

  const account = ["move", "rule", "recover", ...[...model.limits.keys()].map(limit => `move[${limit}]`)];
  const powers = [...new Set([...account, ...model.levels.keys()])];
  const time = (needs: Needs): Time => {
    if (typeof needs !== "string") return kth(needs.k, needs.of.map(time));
    const [power, atom] = [powers.indexOf(needs), set((_, name) => name === needs)];
    if (power >= 0) return (_, reached) => reached[power]!;
    return atom === 0 ? () => 0 : coalition => (coalition & atom ? 0 : never);
  };
  const rules = model.rules.map((rule): Compiled => {
    const cancels = rule.cancel === undefined ? () => never : time(rule.cancel);
    const restsOnPowers = rule.names.some(name => model.levels.has(name));
    return { ...rule, goal: powers.indexOf(rule.power), time: time(rule.needs), cancels, restsOnPowers };
  });
  const top = Math.max(...model.levels.values());
  /** What cancels, and all that it rests on: of those outside of a coalition no other power is asked for. */
  const asked = new Set(rules.flatMap(rule => rule.cancel ?? []));
  for (const power of asked) for (const rule of rules) if (rule.power === power) rule.names.forEach(name => asked.add(name));
  const matters = (power: string, level: number) => model.levels.get(power)! <= level && (level === top || asked.has(power));
  const levels = [...Array(top + 1).keys()].map(level => rules.filter(rule => matters(rule.power, level)));
  const tables = levels.map(() => new Float64Array(powers.length));

  /** The rules of powers up to this level that those outside of the coalition cannot cancel in time. */
  const holding = (coalition: number, level: number) => {
    const others = solid & ~coalition;
    const reached = level > 0 ? reach(others, level - 1) : tables[0]!;
    const all = levels[level]!;
    return all.every(rule => rule.cancel === undefined) ? all : all.filter(rule => rule.cancels(others, reached) > rule.after_seconds);
  };
  /** Applies rules until nothing changes; with `soonest`, only where they reach a power that soon. */
  const settle = (holds: Compiled[], coalition: number, reached: Float64Array, soonest?: Float64Array) => {
    reached.fill(never);
    for (let changed = true, isFirst = true; changed; isFirst = false) {
      changed = false;
      for (const { goal, time, after_seconds, restsOnPowers } of holds) {
        if (!isFirst && !restsOnPowers) continue;
        const seconds = time(coalition, reached) + after_seconds;
        if (seconds >= reached[goal]! || (soonest && seconds > soonest[goal]!)) continue;
        reached[goal] = seconds;
        changed = true;
      }
    }
    return reached;
  };
  const reach = (coalition: number, level = top): Float64Array => settle(holding(coalition, level), coalition, tables[level]!);
  /** The weakest rule of the strongest proof in which each power is reached as soon as can be. */
  const evidence = (coalition: number, goal: number) => {
    const [soonest, holds] = [reach(coalition).slice(), holding(coalition, top)];
    return EVIDENCE.find((_, weakest) => {
      const usable = holds.filter(rule => EVIDENCE.indexOf(rule.evidence) <= weakest);
      return settle(usable, coalition, new Float64Array(powers.length), soonest)[goal]! < never;
    })!;
  };

  const can = account.map(() => new Uint8Array(everything + 1));
  for (let coalition = 0; coalition <= everything; coalition++) {
    const reached = reach(coalition);
    can.forEach((can, power) => (can[coalition] = +(reached[power]! < never)));
  }
  const reaches = (set: number, some = account.map((_, power) => power)) => some.some(power => can[power]![set]);
  /** The minimal sets within `all` that pass, by size and then by name: whatever contains one passes too. */
  const minimal = (all: number, passes: (set: number) => boolean): number[] => {
    const found: number[] = [];
    for (let set = 0, more = true; more; set = (set - all) & all, more = set !== 0) {
      let least = passes(set);
      for (let rest = set; least && rest !== 0; rest &= rest - 1) least = !passes(set ^ (rest & -rest));
      if (least) found.push(set);
    }
    const key = (set: number) => `${String.fromCharCode(listed(set).length)} ${listed(set).join(" ")}`;
    return found.sort((one, other) => (key(one) < key(other) ? -1 : 1));
  };

  const owned = (test: (role: string, entity: string) => boolean) =>
    set(({ kind, entity }) => kind !== "doubt" && !!entity && test(model.entities.get(entity)!.role, entity));
  const [user, together] = [owned(role => role === "user"), owned(role => role !== "user")];
  const outside = [...model.entities.keys()].filter(entity => model.entities.get(entity)!.role !== "user");
  const outsiders = outside.map(entity => owned((_, own) => own === entity));
  const limits = (bound: boolean) =>
    [...model.limits.values()].flatMap(({ receivers }, i) => (receivers.length > 0 === bound ? [3 + i] : []));
  const exit = reach(user)[0]!;
  const alone = names.some((_, place) => user & (1 << place) && reaches(1 << place, [0]));
  const verdict = (): string => {
    if (outsiders.some(set => reaches(set, [0, 1, 2, ...limits(false)]))) return "custodial";
    if (outsiders.some(set => reaches(set, limits(true)))) return "restricted custody";
    if (reaches(together)) return "collusive";
    if (exit === 0) return alone ? "non-custodial" : "mpc self-custody";
    return exit < never ? "semi-custodial" : "hostage";
  };
  const way = (set: number, power: number) => {
    const seconds = reach(set)[power]!;
    return { coalition: listed(set), seconds, doubts: listed(set & doubts), evidence: evidence(set, power) };
  };
  const ways = (power: number) => minimal(everything, set => reaches(set, [power])).map(set => way(set, power));
  const blast = (atom: string) => {
    const reached = reach(set((_, name) => name === atom));
    const powers = account.map((power, i): [string, number] => [power, reached[i]!]);
    return { atom, reaches: new Map(powers.filter(([, seconds]) => seconds < never)) };
  };
  return {
    class: verdict(),
    exit_seconds: exit < never ? exit : null,
    assuming: reaches(together) ? [] : minimal(doubts, set => reaches(together | set)).map(listed),
    powers: new Map(account.map((power, i) => [power, ways(i)])),
    freeze: minimal(solid, set => !reaches(solid & ~set, [0])).map(listed),
    blast: names.map(blast),
  };
}
