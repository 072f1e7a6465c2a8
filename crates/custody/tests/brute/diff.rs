//! The difference by its definition: every coalition, every point in time, every assignment of limits.

use std::collections::{BTreeMap, BTreeSet};

use cohold_custody::{Difference, Entity, Kind, Limit, Model, Verdict, difference};
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, prop_assert, prop_assert_eq, proptest};

use crate::models::{limited_strategy, model_strategy, mutated, mutation_strategy};
use crate::naive::{Brute, Set, subsets};

type Times = BTreeMap<String, u64>;

/// Both models over atoms that are told apart by their owners.
struct Pair<'a> {
    old: Half<'a>,
    new: Half<'a>,
    all: BTreeSet<String>,
    user: Set,
    solid: Set,
}

struct Half<'a> {
    model: &'a Model,
    /// Names by identity.
    names: BTreeMap<String, String>,
    times: BTreeMap<Set, Times>,
}

impl<'a> Half<'a> {
    fn new(model: &'a Model) -> Self {
        let open = model.atoms().iter().filter(|(_, atom)| !atom.guessable);
        let names: BTreeMap<_, _> = open.map(|(name, _)| (identity(model, name), name.clone())).collect();
        let brute = Brute::new(model);
        let sets = subsets(&names.values().cloned().collect());
        let times = sets.into_iter().map(|set| (set.clone(), brute.times(&set))).collect();
        Self { model, names, times }
    }

    fn times(&self, coalition: &Set) -> &Times {
        &self.times[&coalition.iter().filter_map(|identity| self.names.get(identity)).cloned().collect()]
    }

    fn limits(&self, coalition: &Set, by: u64) -> Vec<&'a Limit> {
        let times = self.times(coalition);
        let reached = |name: &str| times.get(&format!("move[{name}]")).is_some_and(|at| *at <= by);
        self.model.limits().iter().filter(|(name, _)| reached(name)).map(|(_, limit)| limit).collect()
    }

    fn freezes(&self, solid: &Set, set: &Set) -> bool {
        !self.times(&solid.difference(set).cloned().collect()).contains_key("move")
    }
}

fn is_user(model: &Model, name: &str) -> bool {
    let atom = &model.atoms()[name];
    atom.kind != Kind::Doubt
        && model.entities().get(atom.entity.as_ref().expect("owned")).is_some_and(Entity::is_user)
}

fn identity(model: &Model, name: &str) -> String {
    let atom = &model.atoms()[name];
    match atom.kind {
        Kind::Doubt => format!("{name} ? {:?}", atom.says),
        _ => format!("{name} @ {:?}", atom.entity),
    }
}

fn amount(limit: &Limit) -> Option<u64> {
    limit.amount.as_ref().map(|amount| amount.parse().expect("small amounts"))
}

fn covers(wide: &Limit, tight: &Limit) -> bool {
    let receivers = wide.receivers.is_empty()
        || !tight.receivers.is_empty() && tight.receivers.iter().all(|to| wide.receivers.contains(to));
    let amount = match (amount(wide), amount(tight)) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(most), Some(amount)) => match (wide.window_seconds, tight.window_seconds) {
            (_, None) => amount <= most,
            (None, Some(_)) => amount == 0,
            // as often as the small window begins within the large one
            (Some(wide), Some(tight)) => {
                (0..wide).filter(|at| at % tight == 0).count() as u64 * amount <= most
            }
        },
    };
    receivers && amount
}

/// Whether each limit can be given one that covers it, bounded ones once.
fn assignable(tight: &[&Limit], wide: &[&Limit]) -> bool {
    let Some((first, rest)) = tight.split_first() else { return true };
    (0..wide.len()).any(|index| {
        let mut left = wide.to_vec();
        let limit = left.remove(index);
        covers(limit, first) && assignable(rest, if amount(limit).is_none() { wide } else { &left })
    })
}

impl<'a> Pair<'a> {
    fn new(old: &'a Model, new: &'a Model) -> Self {
        let (mut all, mut user, mut solid) = (Set::new(), Set::new(), Set::new());
        for model in [old, new] {
            for (name, atom) in model.atoms().iter().filter(|(_, atom)| !atom.guessable) {
                all.insert(identity(model, name));
                if atom.kind != Kind::Doubt {
                    solid.insert(identity(model, name));
                }
                if is_user(model, name) {
                    user.insert(identity(model, name));
                }
            }
        }
        Self { old: Half::new(old), new: Half::new(new), all, user, solid }
    }

    /// Whether there is a time by which the coalition has in `one` what it has not in `other`.
    fn exceeds(one: &Half<'_>, other: &Half<'_>, coalition: &Set) -> bool {
        let (ours, theirs) = (one.times(coalition), other.times(coalition));
        let has = |times: &Times, power: &str, by: u64| times.get(power).is_some_and(|at| *at <= by);
        ours.values().any(|by| {
            let plain = ["move", "rule", "recover"]
                .iter()
                .any(|power| has(ours, power, *by) && !has(theirs, power, *by));
            let mut limits = one.limits(coalition, *by);
            limits.retain(|limit| amount(limit) != Some(0));
            plain || !has(theirs, "move", *by) && !assignable(&limits, &other.limits(coalition, *by))
        })
    }

    fn verdict(&self) -> (Verdict, bool, bool) {
        let without = |set: &Set| set.is_disjoint(&self.user);
        let sets = subsets(&self.all);
        let gained = sets.iter().any(|set| Self::exceeds(&self.new, &self.old, set));
        let lost = sets.iter().any(|set| Self::exceeds(&self.old, &self.new, set));
        let crosses = sets.iter().any(|set| without(set) && Self::exceeds(&self.new, &self.old, set))
            || Self::exceeds(&self.old, &self.new, &self.user)
            || subsets(&self.solid).iter().any(|set| {
                without(set) && self.new.freezes(&self.solid, set) && !self.old.freezes(&self.solid, set)
            });
        let verdict = match (crosses, gained, lost) {
            (true, _, _) => Verdict::CrossesTheRedLine,
            (false, false, false) => Verdict::Equal,
            (false, false, true) => Verdict::Safer,
            (false, true, _) => Verdict::Incomparable,
        };
        (verdict, gained, lost)
    }
}

fn verdict(old: &Model, new: &Model) -> Verdict {
    compared(old, new).verdict
}

fn compared(old: &Model, new: &Model) -> Difference {
    difference(old, new).expect("small models are compared")
}

/// The frontier of every plain power of the new model, as far as the old one does not have it.
fn frontier(pair: &Pair<'_>, power: &str) -> BTreeSet<(Vec<String>, u64)> {
    let time = |half: &Half<'_>, set: &Set| half.times(set).get(power).copied();
    let sets = subsets(&pair.all);
    let reached: Vec<_> = sets.iter().filter_map(|set| Some((set, time(&pair.new, set)?))).collect();
    let least = |(set, at): &&(&Set, u64)| {
        let smaller =
            |(other, time): &(&Set, u64)| other.len() < set.len() && other.is_subset(set) && time <= at;
        !reached.iter().any(smaller) && time(&pair.old, set).is_none_or(|old| old > *at)
    };
    let name = |identity: &String| pair.new.names[identity].clone();
    reached.iter().filter(least).map(|(set, at)| (set.iter().map(name).collect(), *at)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 800, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn difference_agrees_with_brute_force(model in model_strategy(), mutations in vec(mutation_strategy(), 0..6), more in vec(mutation_strategy(), 0..3)) {
        let old = mutated(&model, &mutations);
        let new = mutated(&old, &more);
        let pair = Pair::new(&old, &new);
        let difference = compared(&old, &new);
        let (expected, gained, lost) = pair.verdict();
        prop_assert_eq!(difference.verdict, expected);
        prop_assert_eq!(!difference.gained.is_empty(), gained);
        prop_assert_eq!(!difference.lost.is_empty(), lost);
        for power in ["move", "rule", "recover"] {
            let listed = difference.gained.iter().filter(|change| change.powers == [power]);
            let listed: BTreeSet<_> = listed.map(|change| (change.coalition.clone(), change.seconds)).collect();
            prop_assert_eq!(listed, frontier(&pair, power));
        }
    }

    #[test]
    fn limits_add_up((old, new) in limited_strategy()) {
        let difference = compared(&old, &new);
        let (expected, gained, lost) = Pair::new(&old, &new).verdict();
        prop_assert_eq!(difference.verdict, expected);
        prop_assert_eq!(!difference.gained.is_empty(), gained);
        prop_assert_eq!(!difference.lost.is_empty(), lost);
    }

    #[test]
    fn relations(model in model_strategy(), first in vec(mutation_strategy(), 0..4), second in vec(mutation_strategy(), 0..3)) {
        let one = model;
        let two = mutated(&one, &first);
        let three = mutated(&two, &second);
        prop_assert_eq!(verdict(&one, &one), Verdict::Equal);
        prop_assert!(compared(&one, &one).crossings().is_empty());

        let (there, back) = (compared(&one, &two), compared(&two, &one));
        prop_assert_eq!(there.verdict == Verdict::Equal, back.verdict == Verdict::Equal);
        prop_assert!(there.verdict != Verdict::Safer || !back.verdict.needs_no_signature());
        prop_assert_eq!(there.keeps_to_the_red_line(), there.verdict != Verdict::CrossesTheRedLine);
        let pairs = |changes: &[cohold_custody::diff::Change]| -> Vec<_> {
            changes.iter().map(|change| (change.powers.clone(), change.coalition.clone(), change.seconds, change.other_seconds)).collect()
        };
        prop_assert_eq!(pairs(&there.gained), pairs(&back.lost));
        prop_assert_eq!(pairs(&there.lost), pairs(&back.gained));
        prop_assert_eq!(there.freeze_gained.len(), back.freeze_lost.len());
        prop_assert_eq!(there.class, (back.class.1, back.class.0));

        let (on, whole) = (compared(&two, &three), compared(&one, &three));
        if there.keeps_to_the_red_line() && on.keeps_to_the_red_line() {
            prop_assert!(whole.keeps_to_the_red_line());
        }
        match (there.verdict, on.verdict) {
            (Verdict::Equal, verdict) | (verdict, Verdict::Equal) => prop_assert_eq!(whole.verdict, verdict),
            (Verdict::Safer, Verdict::Safer) => prop_assert_eq!(whole.verdict, Verdict::Safer),
            _ => {}
        }
    }
}
