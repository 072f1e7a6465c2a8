//! Whatever is declared and whatever is left out: silence pays nobody, and no word makes things better than
//! the parties' own.

use std::collections::BTreeSet;

use cohold_custody::declared::{Declared, Operator};
use cohold_custody::{Class, Kind, Model};
use cohold_model::PartyName;
use cohold_model::account::Role;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{ProptestConfig, Strategy, prop_assert, proptest};
use proptest::sample::{select, subsequence};

use crate::account::{Account, device, enterprise, node, personal, recovery, shared, verdict};
use crate::declared::{backup, declared, factor, machine, two_outsiders};

/// How bad a class is for who has the money: outsiders first, then the way out.
fn rank(class: Class) -> u8 {
    match class {
        Class::Custodial => 6,
        Class::RestrictedCustody => 5,
        Class::Collusive => 4,
        Class::Hostage => 3,
        Class::SemiCustodial => 2,
        Class::NonCustodial => 1,
        Class::MpcSelfCustody => 0,
    }
}

fn accounts() -> impl Strategy<Value = Account> {
    let three = Account {
        guardians: Vec::new(),
        threshold: 2,
        entities: vec![("ana", Role::User), ("acme", Role::Provider), ("bo", Role::Guardian)],
        parties: vec![
            device("ana"),
            recovery("ana"),
            node("cosigner", "acme", vec![]),
            node("guardian", "bo", vec![]),
        ],
        approvers: vec!["device"],
        own: cohold_custody::extract::Own::default(),
        before: Vec::new(),
        origin: None,
        engine: cohold_model::Engine::Dkls23,
    };
    select(vec![personal(), shared(), enterprise(), two_outsiders(), three])
}

fn holders() -> impl Strategy<Value = Option<Vec<&'static str>>> {
    option::of(subsequence(vec!["acme", "bo", "ana", "corp", "cloud"], 0..=3))
}

fn declarations() -> impl Strategy<Value = Declared> {
    let names = ["device", "recovery", "cosigner", "guardian"];
    (vec(holders(), 4), vec(holders(), 4), vec(holders(), 4), option::of(select(vec!["acme", "bo", "cloud"])))
        .prop_map(move |(machines, backups, factors, coordinator)| {
            let named = || names.into_iter();
            Declared {
                coordinator: coordinator.map(|entity| Operator { entity: entity.parse().expect("a name") }),
                machine: named()
                    .zip(&machines)
                    .filter_map(|(name, who)| Some(machine(name, who.as_ref()?)))
                    .collect(),
                backup: named()
                    .zip(&backups)
                    .filter_map(|(name, who)| Some(backup(name, who.as_ref()?)))
                    .collect(),
                factor: named()
                    .zip(&factors)
                    .filter_map(|(name, who)| Some(factor(name, who.as_ref()?)))
                    .collect(),
                ..Declared::default()
            }
        })
}

/// What all outsiders together, and each alone, reach without doubts.
fn reached(model: &Model) -> BTreeSet<Vec<String>> {
    let evaluation = verdict(model);
    let solid = |name: &String| model.atoms()[name].kind != Kind::Doubt;
    let of = |name: &String| model.atoms()[name].entity.clone().unwrap_or_default();
    let user = |name: &String| model.entities().get(&of(name)).is_some_and(|entity| entity.is_user());
    let ways = evaluation.powers["move"].iter().filter(|way| way.coalition.to_vec().iter().all(solid));
    let by_entity = ways.map(|way| {
        let who: BTreeSet<String> = way
            .coalition
            .to_vec()
            .into_iter()
            .map(|name| if user(&name) { name } else { of(&name) })
            .collect();
        who.into_iter().collect()
    });
    by_entity.collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever is left out of a declaration about nodes, the verdict becomes no better.
    #[test]
    fn silence_never_improves_a_verdict(account in accounts(), said in declarations(), left_out in 0_usize..8) {
        let full = verdict(&declared(account.clone(), said.clone()));
        let mut silent = said.clone();
        let goes = |name: &PartyName| match name.as_str() {
            "cosigner" => left_out & 1 != 0,
            "guardian" => left_out & 2 != 0,
            _ => false,
        };
        if left_out & 4 == 0 {
            silent.machine.retain(|entry| !goes(&entry.party));
        } else {
            silent.backup.retain(|entry| !goes(&entry.party));
        }
        let found = verdict(&declared(account, silent));
        prop_assert!(rank(found.class) >= rank(full.class), "{:?} after {:?}", found.class, full.class);
    }

    /// No declaration makes an account better than its parties' own words and entities allow.
    #[test]
    fn no_declaration_is_better_than_the_signed_facts_alone(account in accounts(), said in declarations()) {
        let mut best = account.clone();
        best.own = cohold_custody::extract::Own::default();
        let best = best.declared_own();
        let alone = verdict(&best.model());
        let found = declared(account, Declared { coordinator: None, ..said });
        prop_assert!(rank(verdict(&found).class) >= rank(alone.class));
        // whoever could move still can
        let before = reached(&best.model());
        let after = reached(&found);
        for way in &before {
            let covered = after.iter().any(|other| other.iter().all(|name| way.contains(name)));
            prop_assert!(covered, "{way:?} is not among {after:?}");
        }
    }
}
