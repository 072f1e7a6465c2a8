/** Brute force: every coalition by itself, word for word as the format defines it. */
import { must } from "#json";
import { EVIDENCE, type Atom, type Needs, type model } from "#model";
/** When a coalition meets needs, if place `i` of each table tells when it reaches that power. */
type Time = (coalition: number, i: number, tables: Float64Array[]) => number;
/** A coalition is a number: bit `i` is name `i` from behind, so of two the greater comes first by name. */
export function evaluate({ atoms, entities, limits, rules, levels }: ReturnType<typeof model>) {
  const names = [...atoms.keys()].filter(name => !atoms.get(name)!.guessable).sort().reverse();
  const set = (test: (atom: Atom, name: string) => boolean) =>
    names.reduce((set, name, i) => set | (+test(atoms.get(name)!, name) << i), 0);
  const listed = (set: number) => names.filter((_, i) => set & (1 << i)).reverse();
  const [whole, solid, powers] = [set(() => true), set(({ kind }) => kind !== "doubt"), [...levels.keys()]];
  must(powers.length * (whole + 1) <= 2 ** 28, "the model has too many powers for so many atoms");
  const time = (needs: Needs): Time => {
    const [power, atom] = [powers.indexOf(`${needs}`), set((_, name) => name === needs)];
    if (power >= 0) return (_, i, tables) => tables[power]![i]!;
    if (typeof needs === "string") return set => (atom === 0 || set & atom ? 0 : Infinity);
    const [of, least, times] = [needs.of.map(time), needs.k - 1, new Float64Array(needs.of.length)];
    return (set, i, all) => (of.forEach((time, n) => (times[n] = time(set, i, all))), times.sort()[least]!);
  };
  const steps = rules.map(({ power, needs, cancel, evidence, after_seconds: after }) => {
    const cancels = cancel === undefined ? () => Infinity : time(cancel);
    const may = (set: number) => cancels(solid & ~set, solid & ~set, reached) > after;
    return { level: levels.get(power), goal: powers.indexOf(power), time: time(needs), after, evidence, may };
  });
  const reached = powers.map(() => new Float64Array(whole + 1).fill(Infinity));
  /** Applies rules to the coalitions from `first` to `last` until nothing changes. */
  const settle = (rules: typeof steps, first: number, last: number, tables: Float64Array[]) => {
    const speeds = ({ goal, time, after, may }: (typeof steps)[0]) => {
      let [changes, table, least] = [0, tables[goal]!, reached[goal]!];
      for (let set = first, i = 0; set <= last; set++, i++) {
        const seconds = table[i]! > after ? time(set, i, tables) + after : Infinity;
        if (seconds < table[i]! && seconds <= least[set]! && may(set)) [changes, table[i]] = [1, seconds];
      }
      return changes;
    };
    while (rules.filter(speeds).length > 0);
    return tables;
  };
  powers.forEach((_, level) => settle(steps.filter(step => step.level === level), 0, whole, reached));
  /** The weakest rule of the strongest proof in which each power is reached as soon as can be. */
  const evidence = (set: number, goal: number) => EVIDENCE.find((_, weakest) => {
    const usable = steps.filter(({ evidence }) => EVIDENCE.indexOf(evidence) <= weakest);
    return settle(usable, set, set, powers.map(() => Float64Array.of(Infinity)))[goal]![0]! < Infinity;
  })!;
  const [account, goals] = [powers.slice(0, 3 + limits.size), [...Array(3 + limits.size).keys()]];
  const reaches = (set: number, some = goals) => some.some(goal => reached[goal]![set]! < Infinity);
  /** The minimal sets within `all` that pass, by size and then by name: whatever contains one passes. */
  const minimal = (all: number, passes: (set: number) => boolean) =>
    [...Array(all + 1).keys()].filter(set => !(set & ~all) && passes(set) &&
      names.every((_, i) => !(set & (1 << i)) || !passes(set ^ (1 << i)))
    ).sort((one, other) => listed(one).length - listed(other).length || other - one);
  const way = (set: number, goal: number) => ({ coalition: listed(set), seconds: reached[goal]![set]!,
    doubts: listed(set & ~solid), evidence: evidence(set, goal) });
  const outside = [...entities.keys()].filter(name => entities.get(name)!.role !== "user");
  const owned = (owners: string[]) => solid & set(({ entity }) => owners.includes(entity!));
  const [user, together] = [solid & ~owned(outside), owned(outside)];
  const isBound = (goal: number) => ([...limits.values()][goal - 3]?.receivers ?? []).length > 0;
  const one = (goals: number[]) => outside.some(name => reaches(owned([name]), goals));
  const exit = reached[0]![user]!;
  return {
    class: one(goals.filter(goal => !isBound(goal))) ? "custodial" : one(goals) ? "restricted custody"
      : reaches(together) ? "collusive" : exit === Infinity ? "hostage" : exit > 0 ? "semi-custodial"
      : names.some((_, i) => user & (1 << i) && reaches(1 << i, [0])) ? "non-custodial" : "mpc self-custody",
    exit_seconds: exit < Infinity ? exit : null,
    assuming: reaches(together) ? [] : minimal(whole & ~solid, set => reaches(together | set)).map(listed),
    powers: Object.fromEntries(account.map((power, goal) =>
      [power, minimal(whole, set => reaches(set, [goal])).map(set => way(set, goal))])),
    freeze: minimal(solid, set => !reaches(solid & ~set, [0])).map(listed),
    blast: names.map((atom, i) => ({ atom, reaches: Object.fromEntries(goals.flatMap(goal =>
      reaches(1 << i, [goal]) ? [[account[goal]!, reached[goal]![1 << i]!]] : [])) })).reverse(),
  };
}
