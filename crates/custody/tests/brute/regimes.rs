//! The criteria of the regimes, by their words: every coalition of sets of names by itself.

use std::collections::BTreeSet;

use cohold_custody::regimes::Verdict;
use cohold_custody::{Model, Regime, regimes};
use proptest::prelude::{ProptestConfig, prop_assert_eq, proptest};

use crate::models::model_strategy;
use crate::naive::{Brute, Set, subsets};

struct Naive<'a> {
    model: &'a Model,
    brute: Brute<'a>,
}

impl Naive<'_> {
    fn of(&self, entities: &BTreeSet<&str>) -> Set {
        let owned = |name: &String| {
            self.model.atoms()[name].entity.as_deref().is_some_and(|by| entities.contains(by))
        };
        self.brute.solid.iter().filter(|name| owned(name)).cloned().collect()
    }

    fn user(&self) -> Set {
        let users = self.model.entities().iter().filter(|(_, entity)| entity.is_user());
        self.of(&users.map(|(name, _)| name.as_str()).collect())
    }

    fn can(&self, set: &Set, power: &str) -> bool {
        self.brute.times(set).contains_key(power)
    }

    fn pays(&self, set: &Set) -> bool {
        self.paying().iter().any(|power| self.can(set, power))
    }

    /// The random limits have no amount, so one without receivers is any amount to anybody.
    fn pays_all(&self, set: &Set) -> bool {
        let anybody = |power: &&String| *power == "move" || *power == "move[gift]";
        self.paying().iter().filter(anybody).any(|power| self.can(set, power))
    }

    fn paying(&self) -> Vec<String> {
        let limits = self.model.limits().keys().map(|limit| format!("move[{limit}]"));
        ["move".to_owned()].into_iter().chain(limits).collect()
    }

    fn needed(&self, own: &Set) -> bool {
        let others: Set = self.brute.solid.difference(own).cloned().collect();
        self.can(&self.brute.solid, "move") && !self.can(&others, "move")
    }

    /// Some group without it gains one of the powers when it joins.
    fn part(&self, own: &Set, among: &Set, powers: &[String]) -> bool {
        let rest: Set = among.difference(own).cloned().collect();
        let joins = |group: &Set, power: &str| {
            let with: Set = group.union(own).cloned().collect();
            !self.can(group, power) && self.can(&with, power)
        };
        subsets(&rest).iter().any(|group| powers.iter().any(|power| joins(group, power)))
    }

    /// Section 12-105(b) and (c): some least set of persons, of whom no other moves without it.
    fn shared(&self, entity: &str) -> bool {
        let mut persons: Vec<(String, Set)> = vec![("(user)".to_owned(), self.user())];
        let outside = self.model.entities().iter().filter(|(_, entity)| !entity.is_user());
        persons.extend(outside.map(|(name, _)| (name.clone(), self.of(&BTreeSet::from([name.as_str()])))));
        let things = |set: &Set| -> Set {
            persons.iter().filter(|(name, _)| set.contains(name)).flat_map(|(_, own)| own.clone()).collect()
        };
        let all: Set = persons.iter().map(|(name, _)| name.clone()).collect();
        let moving: Vec<Set> =
            subsets(&all).into_iter().filter(|set| self.can(&things(set), "move")).collect();
        let least = |set: &&Set| !moving.iter().any(|other| other.is_subset(set) && other != *set);
        let least: Vec<&Set> = moving.iter().filter(least).collect();
        let without_it =
            |other: &String| least.iter().any(|set| set.contains(other) && !set.contains(entity));
        least
            .iter()
            .any(|set| set.contains(entity) && !set.iter().filter(|other| *other != entity).any(&without_it))
    }

    fn met(&self, regime: Regime, entity: &str) -> bool {
        let own = self.of(&BTreeSet::from([entity]));
        let user = self.user();
        match regime {
            Regime::Fincen2019 => self.pays_all(&own),
            Regime::Brca => self.pays(&own),
            Regime::Mica => self.pays(&own) || self.needed(&own),
            Regime::Fatf2021 => {
                let powers = [self.paying(), vec!["rule".to_owned(), "recover".to_owned()]].concat();
                self.pays(&own) || self.needed(&own) || self.part(&own, &self.brute.solid, &powers)
            }
            Regime::SwissAmlo => {
                let beside: Set = user.union(&own).cloned().collect();
                self.pays(&own) || self.needed(&own) || self.part(&own, &beside, &self.paying())
            }
            Regime::SwissDeba => self.pays(&own) && self.brute.times(&user).get("move") != Some(&0),
            Regime::Ucc12105 => self.pays_all(&own) || self.shared(entity),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 800, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn regimes_agree_with_brute_force(model in model_strategy()) {
        let naive = Naive { model: &model, brute: Brute::new(&model) };
        let found = regimes(&model).expect("small models are evaluated");
        for entity in &found.entities {
            for finding in &entity.findings {
                let met = finding.verdict == Verdict::Met;
                prop_assert_eq!(met, naive.met(finding.regime, &entity.entity), "{:?} of {}", finding, entity.entity);
            }
        }
        let outside = model.entities().values().filter(|entity| !entity.is_user()).count();
        prop_assert_eq!(found.entities.len(), outside);
    }
}
