//! Atoms: seals, names, and what is left out.

use cohold_custody::Class;
use cohold_custody::extract::{ATOMS_MAX, Own};
use cohold_model::account::{PartyKind, Role};
use cohold_model::statement::Sealing;

use crate::account::{Account, Party, device, ether, node, party, personal, solid, tokens_to_one, verdict};

#[test]
fn a_passphrase_keeps_a_stolen_disk_shut() {
    let mut account = personal();
    account.parties[2].sealing = Some(Sealing::Passphrase);
    let evaluation = verdict(&account.model());
    let ways = solid(&evaluation, "move");
    assert!(ways.contains(&"cosigner device pin".into()));
    assert!(ways.contains(&"cosigner-disk cosigner-passphrase device pin".into()));
    assert!(!ways.contains(&"cosigner-disk device pin".into()));
}

#[test]
fn names_of_parties_take_no_power_and_clash_with_nothing() {
    let mut account = personal();
    for (party, name) in account.parties.iter_mut().zip(["move", "pin", "server"]) {
        party.name = name;
    }
    account.approvers = vec!["move"];
    account.entities[1].0 = "provider";
    account.parties[2].entity = "provider";
    let model = account.model();
    let names: Vec<_> = model.atoms().keys().map(String::as_str).collect();
    for name in ["move-party", "pin-2", "pin-file", "pin-passphrase", "server", "server-2", "server-disk"] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
    assert_eq!(verdict(&model).class, Class::MpcSelfCustody);
}

#[test]
fn nine_parties_of_any_kind_fit_the_table() {
    let names = ["p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9"];
    let kinds = [
        (PartyKind::Device, Sealing::DeviceAndPin),
        (PartyKind::Recovery, Sealing::SealedFile),
        (PartyKind::Cosigner, Sealing::Passphrase),
        (PartyKind::Guardian, Sealing::KeyFile),
    ];
    let check = |kinds: &[(PartyKind, Sealing)]| {
        let parties = names.iter().zip(kinds.iter().cycle());
        let parties = parties.map(|(name, (kind, sealing))| Party {
            allowances: vec![ether(Some(5)), tokens_to_one()],
            ..party(name, "ana", *kind, *sealing)
        });
        let account = Account {
            guardians: Vec::new(),
            threshold: 5,
            entities: vec![("ana", Role::User)],
            parties: parties.collect(),
            approvers: vec!["p1"],
            own: Own::default(),
            before: Vec::new(),
            origin: None,
            engine: cohold_model::Engine::Dkls23,
        }
        .declared_own();
        let model = account.model();
        assert!(model.atoms().len() <= ATOMS_MAX, "{:?}", model.atoms().keys());
        assert_eq!(verdict(&model).class, Class::MpcSelfCustody);
        model
    };
    for kind in &kinds {
        check(&[*kind]);
    }
    let model = check(&kinds);
    // disks and passphrases of nodes go first
    assert!(!model.atoms().contains_key("p3-disk") && !model.atoms().contains_key("p4-disk"));
}

#[test]
fn what_is_left_out_only_makes_coalitions_smaller() {
    // seven devices with PINs beside two nodes with disks do not fit
    let parties = ["p1", "p2", "p3", "p4", "p5", "p6", "p7"].map(|name| device("ana").named(name));
    let nodes = ["p8", "p9"].map(|name| node(name, "ana", vec![]));
    let account = Account {
        guardians: Vec::new(),
        threshold: 2,
        entities: vec![("ana", Role::User)],
        parties: parties.into_iter().chain(nodes).collect(),
        approvers: vec!["p1"],
        own: Own::default(),
        before: Vec::new(),
        origin: None,
        engine: cohold_model::Engine::Dkls23,
    }
    .declared_own();
    let model = account.model();
    assert!(!model.atoms().contains_key("p1-pin"));
    assert!(solid(&verdict(&model), "move").contains(&"p1 p2".into()));
}
