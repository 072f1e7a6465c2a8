//! Explanations and thefts by their definitions: every set that could be added, every set of others.

use std::collections::BTreeMap;

use cohold_custody::{Answer, Model, explain, what_if};
use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};

use crate::models::model_strategy;
use crate::naive::{Brute, Set, head, minimal, subsets};

fn open_atoms(model: &Model) -> Set {
    model.atoms().iter().filter(|(_, atom)| !atom.guessable).map(|(name, _)| name.clone()).collect()
}

fn account_powers(model: &Model) -> Vec<String> {
    let limits = model.limits().keys().map(|limit| format!("move[{limit}]"));
    ["move", "rule", "recover"].map(str::to_owned).into_iter().chain(limits).collect()
}

/// Some of the atoms, by the bits of a number.
fn chosen(model: &Model, bits: u16) -> Set {
    let atoms = open_atoms(model);
    atoms.iter().zip(0..).filter(|(_, bit)| bits >> bit & 1 == 1).map(|(name, _)| name.clone()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn explanations_agree_with_brute_force(model in model_strategy(), bits in any::<u16>()) {
        let brute = Brute::new(&model);
        let by = chosen(&model, bits);
        let names: Vec<String> = by.iter().cloned().collect();
        let times = brute.times(&by);
        let all: BTreeMap<Set, _> = subsets(&open_atoms(&model)).into_iter().map(|set| (set.clone(), brute.times(&set))).collect();
        let own = model.rules().iter().map(head);
        for power in account_powers(&model).into_iter().chain(own) {
            let explained = explain(&model, &power, &names).expect("a power and its atoms");
            match explained.answer {
                Answer::Yes { seconds, evidence, trace } => {
                    prop_assert_eq!(seconds, times.get(&power).copied());
                    prop_assert!(evidence.is_some() && trace.last().expect("a proof").starts_with(&power));
                }
                Answer::No { missing, .. } => {
                    prop_assert_eq!(times.get(&power), None);
                    let rest: Set = open_atoms(&model).difference(&by).cloned().collect();
                    let completing: Vec<Set> = subsets(&rest)
                        .into_iter()
                        .filter(|set| all[&by.union(set).cloned().collect()].contains_key(&power))
                        .collect();
                    let listed: Vec<Set> = missing.iter().map(|missing| missing.atoms.iter().cloned().collect()).collect();
                    prop_assert_eq!(listed, minimal(completing.iter()));
                    for missing in missing {
                        let whole: Set = by.iter().chain(&missing.atoms).cloned().collect();
                        prop_assert_eq!(all[&whole].get(&power).copied(), missing.seconds);
                    }
                }
            }
        }
        let frozen = |set: &Set| !all[&brute.solid.difference(set).cloned().collect()].contains_key("move");
        match explain(&model, "freeze", &names).expect("a question").answer {
            Answer::Yes { .. } => prop_assert!(frozen(&by)),
            Answer::No { missing, .. } => {
                prop_assert!(!frozen(&by));
                let rest: Set = brute.solid.difference(&by).cloned().collect();
                let sets: Vec<Set> =
                    subsets(&rest).into_iter().filter(|set| frozen(&by.union(set).cloned().collect())).collect();
                let listed: Vec<Set> = missing.iter().map(|missing| missing.atoms.iter().cloned().collect()).collect();
                prop_assert_eq!(listed, minimal(sets.iter()));
            }
        }
    }

    #[test]
    fn thefts_agree_with_brute_force(model in model_strategy(), bits in any::<u16>()) {
        let brute = Brute::new(&model);
        let stolen = chosen(&model, bits);
        let names: Vec<String> = stolen.iter().cloned().collect();
        let answer = what_if(&model, &names).expect("its atoms");
        let times = brute.times(&stolen);
        let bounded = |power: &str| power.starts_with("move[");
        let all_by = |at: u64| times.get("move").is_some_and(|all| *all <= at);

        let can: BTreeMap<String, u64> = answer.can.iter().map(|can| (can.power.clone(), can.seconds)).collect();
        let mut expected = times.clone();
        expected.retain(|power, at| account_powers(&model).contains(power) && !(bounded(power) && all_by(*at)));
        prop_assert_eq!(can, expected);

        let others: Set = brute.solid.difference(&stolen).cloned().collect();
        let opposing: Vec<(Set, BTreeMap<String, u64>)> =
            subsets(&others).into_iter().map(|set| (set.clone(), brute.times_against(&stolen, &set))).collect();
        let freely = &opposing[0].1;
        // What everybody can cancel is cancelled even by nobody.
        for attempt in &answer.unless_stopped {
            let opposed = times.get(&attempt.power).copied();
            prop_assert_eq!(attempt.opposed_seconds, opposed);
            let at = freely.get(&attempt.power).copied();
            prop_assert!(at.is_none_or(|at| at >= attempt.seconds));
            let holding: Vec<&Set> = opposing
                .iter()
                .filter(|(_, times)| match (times.get(&attempt.power), opposed) {
                    (None, _) => true,
                    (Some(at), Some(opposed)) => *at >= opposed,
                    (Some(_), None) => false,
                })
                .map(|(set, _)| set)
                .collect();
            let listed: Vec<Set> = attempt.stops.iter().map(|stop| stop.who.iter().cloned().collect()).collect();
            prop_assert_eq!(listed, minimal(holding.into_iter()));
        }
        for power in ["move", "rule", "recover"] {
            let held = freely.get(power) != times.get(power);
            prop_assert!(!held || answer.unless_stopped.iter().any(|attempt| attempt.power == power));
        }

        let rescuing: Vec<Set> =
            subsets(&others).into_iter().filter(|set| brute.times(set).contains_key("move")).collect();
        let mut expected: Vec<(Set, u64)> =
            minimal(rescuing.iter()).into_iter().map(|set| (set.clone(), brute.times(&set)["move"])).collect();
        expected.sort_by_key(|(_, at)| *at);
        let listed: Vec<(Set, u64)> =
            answer.rescue.iter().map(|rescue| (rescue.who.iter().cloned().collect(), rescue.seconds)).collect();
        prop_assert_eq!(listed, expected);

        let freezing: Vec<Set> = subsets(&others)
            .into_iter()
            .filter(|set| !brute.times(&brute.solid.difference(set).cloned().collect()).contains_key("move"))
            .collect();
        let mut expected = minimal(freezing.iter());
        expected.retain(|set| !set.is_empty());
        let listed: Vec<Set> = answer.freeze.iter().map(|set| set.iter().cloned().collect()).collect();
        prop_assert_eq!(listed, expected);
    }
}
