//! From charters and statements to models, and from models to verdicts.

mod account;
mod certificate;
mod declared;
mod guardians;
mod history;
mod joining;
mod lending;
mod patterns;
mod places;
mod silence;
mod statements;
mod tokens;

use std::fs;
use std::path::Path;

use cohold_custody::declared::{Declared, Operator};
use cohold_custody::extract::Own;
use cohold_custody::{Class, Model, sheet};
use cohold_model::account::Role;

use account::{Account, blast, doubted, enterprise, golden, node, personal, shared, solid, verdict};

#[test]
fn personal_is_self_custody() {
    let evaluation = verdict(&personal().model());
    assert_eq!((evaluation.class, evaluation.exit_seconds), (Class::MpcSelfCustody, Some(0)));
    assert_eq!(evaluation.assuming, [["engine-leak"], ["hostile-program"]]);
    assert_eq!(
        solid(&evaluation, "move"),
        [
            "cosigner device pin",
            "cosigner recovery-file recovery-passphrase",
            "cosigner-disk device pin",
            "cosigner-disk recovery-file recovery-passphrase",
            "device pin recovery-file recovery-passphrase",
        ]
    );
    for limit in ["move[cosigner-eth]", "move[cosigner-tst]"] {
        assert_eq!(solid(&evaluation, limit), ["device pin", "recovery-file recovery-passphrase"]);
    }
    for none in ["rule", "recover"] {
        assert!(evaluation.powers[none].is_empty());
    }
    assert_eq!(
        doubted(&evaluation, "move"),
        [
            "cosigner engine-leak",
            "cosigner hostile-program",
            "cosigner-disk engine-leak",
            "cosigner-disk hostile-program",
            "engine-leak hostile-program",
            "hostile-program recovery-copy",
            "cosigner device recovery-copy",
            "cosigner device weak-secret",
            "cosigner recovery-file weak-secret",
            "cosigner-disk device recovery-copy",
            "cosigner-disk device weak-secret",
            "cosigner-disk recovery-file weak-secret",
            "device engine-leak pin",
            "device engine-leak recovery-copy",
            "device engine-leak weak-secret",
            "device pin recovery-copy",
            "device recovery-copy weak-secret",
            "device recovery-file weak-secret",
            "engine-leak recovery-file recovery-passphrase",
            "engine-leak recovery-file weak-secret",
            "hostile-program recovery-file recovery-passphrase",
            "hostile-program recovery-file weak-secret",
        ]
    );
}

#[test]
fn one_thing_alone_moves_nothing() {
    let evaluation = verdict(&personal().model());
    for atom in
        ["server", "device", "pin", "cosigner", "cosigner-disk", "recovery-file", "recovery-passphrase"]
    {
        assert!(blast(&evaluation, atom).is_empty(), "{atom}");
    }
    let lent = ["move[cosigner-eth-fees]", "move[cosigner-eth]", "move[cosigner-tst]"];
    assert_eq!(blast(&evaluation, "hostile-program"), lent);
    assert!(blast(&evaluation, "engine-leak").is_empty());
}

/// Written by `COHOLD_BLESS=1 cargo test -p cohold-custody --test extract`, read by people.
#[test]
fn personal_model_and_sheet_are_pinned() {
    let model = personal().model();
    golden("personal.json", serde_json::to_string_pretty(&model).expect("json") + "\n");
    golden("personal.sheet.txt", sheet::render(&model, &verdict(&model)));
    let bytes = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/extract/personal.json"));
    assert_eq!(Model::parse(&bytes.expect("there")).expect("the format"), model);
}

#[test]
fn enterprise_is_self_custody_and_its_coordinator_has_nothing() {
    let evaluation = verdict(&enterprise().model());
    assert_eq!((evaluation.class, evaluation.exit_seconds), (Class::MpcSelfCustody, Some(0)));
    assert!(blast(&evaluation, "server").is_empty());
    let model = enterprise().model();
    assert_eq!(model.atoms()["server"].entity.as_deref(), Some("provider"));
    assert_eq!(model.entities()["provider"].role, "provider");
}

#[test]
fn the_coordinator_is_whom_the_device_names() {
    let entity = |account: Account, name: &str| {
        let coordinator = Some(Operator { entity: name.parse().expect("a name") });
        let own = Own { declared: Declared { coordinator, ..Declared::default() }, ..Own::default() };
        let model = Account { own, ..account }.model();
        let entity = model.atoms()["server"].entity.clone().expect("an entity");
        (model.entities()[&entity].role.clone(), entity)
    };
    assert_eq!(entity(enterprise(), "corp"), ("user".into(), "corp".into()));
    assert_eq!(entity(enterprise(), "relay-co"), ("provider".into(), "relay-co".into()));
    assert_eq!(entity(personal(), "acme"), ("provider".into(), "acme".into()));
}

#[test]
fn shared_is_a_hostage_with_bounded_moves() {
    let evaluation = verdict(&shared().model());
    assert_eq!((evaluation.class, evaluation.exit_seconds), (Class::Hostage, None));
    assert_eq!(solid(&evaluation, "move"), ["cosigner device pin", "cosigner-disk device pin"]);
    assert_eq!(solid(&evaluation, "move[cosigner-eth]"), ["device pin"]);
    assert!(evaluation.freeze.iter().any(|set| *set == ["cosigner", "cosigner-disk"]));
}

#[test]
fn two_nodes_of_one_outsider_are_custody() {
    let two = |second: &'static str, role: Role| {
        let mut account = personal();
        account.parties[1] = node("guardian", second, vec![]);
        account.approvers = vec!["device"];
        if second != "acme" {
            account.entities.push((second, role));
        }
        verdict(&account.declared_own().model())
    };
    assert_eq!(two("acme", Role::Provider).class, Class::Custodial);
    let collusive = two("bo", Role::Guardian);
    assert_eq!(collusive.class, Class::Collusive);
    assert!(solid(&collusive, "move").contains(&"cosigner guardian".into()));
}
