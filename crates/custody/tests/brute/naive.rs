//! The definition of the format word for word: plain sets of names, every coalition by itself.

use std::collections::{BTreeMap, BTreeSet};

use cohold_custody::{Atom, Kind, Model, Needs, Rule};
use serde_json::{Value, json};

pub(crate) type Set = BTreeSet<String>;

/// A model under the naive definition.
pub(crate) struct Brute<'a> {
    model: &'a Model,
    pub(crate) guessable: Set,
    pub(crate) solid: Set,
}

impl<'a> Brute<'a> {
    pub(crate) fn new(model: &'a Model) -> Self {
        let pick = |test: fn(&Atom) -> bool| {
            model.atoms().iter().filter(|(_, atom)| test(atom)).map(|(name, _)| name.clone()).collect()
        };
        Self {
            model,
            guessable: pick(|atom| atom.guessable),
            solid: pick(|atom| atom.kind != Kind::Doubt && !atom.guessable),
        }
    }

    /// T of every power for one coalition, by repeating all rules until nothing changes.
    pub(crate) fn times(&self, coalition: &Set) -> BTreeMap<String, u64> {
        self.times_by(coalition, &self.model.rules().iter().collect::<Vec<_>>())
    }

    /// The same by some of the rules. Cancels do not lead back to the power that they cancel, so of
    /// the defenders only the rules below the cancel are asked.
    fn times_by(&self, coalition: &Set, rules: &[&Rule]) -> BTreeMap<String, u64> {
        self.times_of(coalition, &self.solid.difference(coalition).cloned().collect(), rules)
    }

    /// T of every power for one coalition of which only these others cancel anything.
    pub(crate) fn times_against(&self, coalition: &Set, defenders: &Set) -> BTreeMap<String, u64> {
        self.times_of(coalition, defenders, &self.model.rules().iter().collect::<Vec<_>>())
    }

    fn times_of(&self, coalition: &Set, defenders: &Set, rules: &[&Rule]) -> BTreeMap<String, u64> {
        let counting: Vec<&Rule> = rules
            .iter()
            .copied()
            .filter(|rule| match &rule.cancel {
                None => true,
                Some(cancel) => {
                    let times = self.times_by(defenders, &self.below(cancel));
                    let needs = Needs::Name(cancel.clone());
                    self.time(&needs, defenders, &times).is_none_or(|seconds| seconds > rule.after_seconds)
                }
            })
            .collect();

        let mut times: BTreeMap<String, u64> = BTreeMap::new();
        loop {
            let before = times.clone();
            for rule in &counting {
                let head = head(rule);
                if let Some(seconds) = self.time(&rule.needs, coalition, &times) {
                    lower(&mut times, &head, seconds + rule.after_seconds);
                }
            }
            for from in ["rule", "recover"] {
                if let Some(seconds) = times.get(from).copied() {
                    lower(&mut times, "move", seconds);
                }
            }
            if let Some(seconds) = times.get("move").copied() {
                for limit in self.model.limits().keys() {
                    lower(&mut times, &format!("move[{limit}]"), seconds);
                }
            }
            if times == before {
                return times;
            }
        }
    }

    /// The rules that a power can rest on, through needs (cancels are asked for anew).
    fn below(&self, power: &str) -> Vec<&'a Rule> {
        let mut names = Set::from([power.to_owned()]);
        loop {
            let before = names.len();
            for rule in self.model.rules() {
                if names.contains(&head(rule)) {
                    named(&rule.needs, &mut names);
                }
            }
            if names.iter().any(|name| name.starts_with("move[")) {
                names.insert("move".to_owned());
            }
            if names.contains("move") {
                names.extend(["rule".to_owned(), "recover".to_owned()]);
            }
            if names.len() == before {
                return self.model.rules().iter().filter(|rule| names.contains(&head(rule))).collect();
            }
        }
    }

    pub(crate) fn time(&self, needs: &Needs, coalition: &Set, times: &BTreeMap<String, u64>) -> Option<u64> {
        let (k, list) = match needs {
            Needs::Name(name) if coalition.contains(name) || self.guessable.contains(name) => return Some(0),
            Needs::Name(name) => return times.get(name).copied(),
            Needs::All { all } => (all.len(), all),
            Needs::Any { any } => (1, any),
            Needs::K { k, of } => (*k as usize, of),
        };
        let mut seconds: Vec<u64> =
            list.iter().filter_map(|needs| self.time(needs, coalition, times)).collect();
        seconds.sort_unstable();
        seconds.get(k - 1).copied()
    }

    pub(crate) fn evaluation(&self) -> Value {
        let model = self.model;
        let doubts: Set = names(model, |atom| atom.kind == Kind::Doubt && !atom.guessable);
        let everything: Set = self.solid.union(&doubts).cloned().collect();
        let all: BTreeMap<Set, BTreeMap<String, u64>> =
            subsets(&everything).into_iter().map(|set| (set.clone(), self.times(&set))).collect();

        let limits = model.limits();
        let mut account = vec!["move".to_owned(), "rule".to_owned(), "recover".to_owned()];
        account.extend(limits.keys().map(|limit| format!("move[{limit}]")));

        let mut powers = BTreeMap::new();
        for power in &account {
            let sets = minimal(all.iter().filter(|(_, times)| times.contains_key(power)).map(|(set, _)| set));
            let ways = sets.iter().map(|set| {
                let doubts: Vec<_> = set.iter().filter(|name| doubts.contains(*name)).collect();
                json!({"coalition": set, "seconds": all[set][power], "doubts": doubts})
            });
            powers.insert(power.clone(), ways.collect::<Vec<_>>());
        }

        let can_move = |set: &Set| all[set].contains_key("move");
        let freezing: Vec<Set> = subsets(&self.solid)
            .into_iter()
            .filter(|set| !can_move(&self.solid.difference(set).cloned().collect()))
            .collect();

        let of = |entity: &str| -> Set {
            let own = |name: &&String| model.atoms()[*name].entity.as_deref() == Some(entity);
            self.solid.iter().filter(own).cloned().collect()
        };
        let (mut user, mut outsiders) = (Set::new(), Vec::new());
        for (name, entity) in model.entities() {
            if entity.role == "user" { user.extend(of(name)) } else { outsiders.push(of(name)) }
        }
        let together: Set = outsiders.iter().flatten().cloned().collect();
        let reaches = |set: &Set, power: &str| all[set].contains_key(power);
        let full = |set: &Set| ["move", "rule", "recover"].iter().any(|power| reaches(set, power));
        let bounded = |set: &Set, anybody: bool| {
            limits.iter().any(|(name, limit)| {
                limit.receivers.is_empty() == anybody && reaches(set, &format!("move[{name}]"))
            })
        };
        let some = |set: &Set| account.iter().any(|power| reaches(set, power));
        let exit = all[&user].get("move").copied();
        let alone = user.iter().any(|name| can_move(&Set::from([name.clone()])));
        let class = if outsiders.iter().any(|set| full(set) || bounded(set, true)) {
            "custodial"
        } else if outsiders.iter().any(|set| bounded(set, false)) {
            "restricted custody"
        } else if some(&together) {
            "collusive"
        } else {
            match exit {
                Some(0) if alone => "non-custodial",
                Some(0) => "mpc self-custody",
                Some(_) => "semi-custodial",
                None => "hostage",
            }
        };
        let assuming = if ["custodial", "restricted custody", "collusive"].contains(&class) {
            Vec::new()
        } else {
            let sets: Vec<Set> = subsets(&doubts)
                .into_iter()
                .filter(|set| some(&together.union(set).cloned().collect()))
                .collect();
            minimal(sets.iter())
        };
        let blast = everything.iter().map(|atom| {
            let mut reaches = all[&Set::from([atom.clone()])].clone();
            reaches.retain(|power, _| account.contains(power));
            json!({"atom": atom, "reaches": reaches})
        });
        json!({
            "class": class,
            "exit_seconds": exit,
            "assuming": assuming,
            "powers": powers,
            "freeze": minimal(freezing.iter()),
            "blast": blast.collect::<Vec<_>>(),
        })
    }
}

pub(crate) fn head(rule: &Rule) -> String {
    rule.limit.as_ref().map_or_else(|| rule.power.clone(), |limit| format!("move[{limit}]"))
}

fn lower(times: &mut BTreeMap<String, u64>, power: &str, seconds: u64) {
    let least = times.get(power).map_or(seconds, |old| seconds.min(*old));
    times.insert(power.to_owned(), least);
}

fn named(needs: &Needs, names: &mut Set) {
    match needs {
        Needs::Name(name) => {
            names.insert(name.clone());
        }
        Needs::All { all: list } | Needs::Any { any: list } | Needs::K { of: list, .. } => {
            list.iter().for_each(|needs| named(needs, names));
        }
    }
}

fn names(model: &Model, test: impl Fn(&Atom) -> bool) -> Set {
    model.atoms().iter().filter(|(_, atom)| test(atom)).map(|(name, _)| name.clone()).collect()
}

pub(crate) fn subsets(set: &Set) -> Vec<Set> {
    let mut subsets = vec![Set::new()];
    for name in set {
        for mut subset in subsets.clone() {
            subset.insert(name.clone());
            subsets.push(subset);
        }
    }
    subsets
}

pub(crate) fn minimal<'a>(sets: impl Iterator<Item = &'a Set>) -> Vec<Set> {
    let mut sets: Vec<&Set> = sets.collect();
    sets.sort_by_key(|set| (set.len(), set.iter().collect::<Vec<_>>()));
    let mut minimal: Vec<Set> = Vec::new();
    for set in sets {
        if !minimal.iter().any(|part| part.is_subset(set)) {
            minimal.push(set.clone());
        }
    }
    minimal
}
