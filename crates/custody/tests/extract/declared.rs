//! What a deployment declares, and what its silence costs.

use cohold_custody::declared::{Backup, Declared, Delivery, Factor, Machine, Operator, Program, Tokens};
use cohold_custody::{Class, Evidence, Model, sheet};
use cohold_model::account::Role;
use cohold_model::statement::Sealing;
use cohold_model::{EntityName, PartyName};

use crate::account::{Account, blast, device, enterprise, ether, node, personal, shared, solid, verdict};

pub(crate) fn party(name: &str) -> PartyName {
    name.parse().expect("a name")
}

pub(crate) fn entities(names: &[&str]) -> Vec<EntityName> {
    names.iter().map(|name| name.parse().expect("a name")).collect()
}

pub(crate) fn machine(name: &str, administrators: &[&str]) -> Machine {
    Machine { party: party(name), administrators: entities(administrators) }
}

pub(crate) fn backup(name: &str, holders: &[&str]) -> Backup {
    Backup { party: party(name), holders: entities(holders) }
}

pub(crate) fn factor(name: &str, holders: &[&str]) -> Factor {
    Factor { party: party(name), holders: entities(holders) }
}

pub(crate) fn declared(account: Account, declared: Declared) -> Model {
    let own = cohold_custody::extract::Own { declared, ..account.own.clone() };
    Account { own, ..account }.model()
}

/// Two nodes of different outsiders beside the user's device and file, 2 of 4.
pub(crate) fn two_outsiders() -> Account {
    let mut account = personal();
    account.parties.push(node("guardian", "bo", vec![]));
    account.entities.push(("bo", Role::Guardian));
    account.approvers = vec!["device"];
    account
}

#[test]
fn silence_about_machines_is_held_against_the_account() {
    // pattern 3: one administrator of two parties; nobody says that there is none
    let mut silent = enterprise();
    silent.own.declared = Declared::default();
    let evaluation = verdict(&silent.model());
    assert_eq!(evaluation.class, Class::Custodial);
    assert_eq!(solid(&evaluation, "move")[0], "server");
    assert_eq!(
        evaluation.powers["move"].iter().find(|way| way.coalition == ["server"]).expect("listed").evidence,
        Evidence::Unknown
    );
    let page = sheet::render(&silent.model(), &evaluation);
    assert!(page.contains("nobody has declared who administers the machine"), "{page}");
    // who is the only outsider anyway gains nothing by it
    assert_eq!(verdict(&personal().model()).class, Class::MpcSelfCustody);
    assert_eq!(personal().declared_own().model(), personal().model());
    // backups as well as machines
    let mut half = enterprise();
    half.own.declared.backup.clear();
    assert_eq!(verdict(&half.model()).class, Class::Custodial);
    // where only users are known, the unknown holder is a provider that nobody named
    silent.own.declared.coordinator = Some(Operator { entity: "corp".parse().expect("a name") });
    let model = silent.model();
    assert_eq!(model.atoms()["unknown-holder"].entity.as_deref(), Some("provider"));
    assert_eq!(verdict(&model).class, Class::Custodial);
}

#[test]
fn what_rests_on_a_declaration_is_asserted() {
    let evaluation = verdict(&enterprise().model());
    assert_eq!(evaluation.class, Class::MpcSelfCustody);
    let way = evaluation.powers["move"].iter().find(|way| way.coalition == ["cosigner", "guardian"]);
    assert_eq!(way.expect("listed").evidence, Evidence::Asserted);
    // of who gains nothing by it, the word stands
    let way = verdict(&personal().declared_own().model()).powers["move"].clone();
    assert!(
        way.iter()
            .any(|way| way.coalition == ["cosigner", "device", "pin"] && way.evidence == Evidence::Signed)
    );
}

/// Patterns 3 and 24: administrators of clouds, hypervisors and modules.
#[test]
fn an_administrator_of_machines_is_an_outsider_like_others() {
    let cloud = |of: &[&str]| {
        let mut declaration = two_outsiders().declared_own().own.declared;
        for entry in &mut declaration.machine {
            if of.contains(&entry.party.as_str()) {
                entry.administrators = entities(&["bigcloud"]);
            }
        }
        declared(two_outsiders(), declaration)
    };
    let one = verdict(&cloud(&["cosigner"]));
    assert_eq!(one.class, Class::Collusive);
    assert!(solid(&one, "move").contains(&"bigcloud-machines guardian".into()));
    let both = cloud(&["cosigner", "guardian"]);
    assert_eq!(both.entities()["bigcloud"].role, "cloud");
    let evaluation = verdict(&both);
    assert_eq!(evaluation.class, Class::Custodial);
    assert_eq!(blast(&evaluation, "bigcloud-machines")[0], "move");
    // the fleet's administrator of a device watches its PIN
    let mut managed = personal();
    managed.own.declared.machine = vec![machine("device", &["fleet-co"])];
    let evaluation = verdict(&managed.model());
    assert_eq!(solid(&evaluation, "move[cosigner-eth]")[0], "fleet-co-machines");
    // fleet-co has one share, acme the other: two outsiders together
    assert_eq!(evaluation.class, Class::Custodial, "fleet-co alone moves within the limit, to anybody");
}

/// Patterns 7 and 25: copies that somebody can read.
#[test]
fn a_backup_is_a_holding_as_good_as_its_seal() {
    let kept = |sealing: Sealing| {
        let mut account = two_outsiders();
        account.parties[3].sealing = Some(sealing);
        account = account.declared_own();
        account.own.declared.backup.retain(|entry| entry.party.as_str() != "guardian");
        account.own.declared.backup.push(backup("guardian", &["acme"]));
        verdict(&account.model())
    };
    // readable: acme has two shares
    assert_eq!(kept(Sealing::KeyFile).class, Class::Custodial);
    // behind a passphrase: only by a guess
    let evaluation = kept(Sealing::Passphrase);
    assert_eq!(evaluation.class, Class::Collusive);
    let ways = &evaluation.powers["move"];
    assert!(ways.iter().any(|way| way.coalition == ["acme-backups", "cosigner", "weak-secret"]));
    // a cloud with the recovery file is one half of that share
    let mut account = personal().declared_own();
    account.own.declared.backup.push(backup("recovery", &["photo-cloud"]));
    let evaluation = verdict(&account.model());
    assert!(solid(&evaluation, "move").contains(&"cosigner photo-cloud-backups recovery-passphrase".into()));
    assert_eq!(evaluation.class, Class::MpcSelfCustody);
}

/// Patterns 5, 6 and 10: whoever has the box and can reset what opens it.
#[test]
fn resets_are_held_by_whoever_sends_them() {
    let kept = |backups: &[&str], resets: &[&str]| {
        let mut account = personal().declared_own();
        account.own.declared.backup.push(backup("recovery", backups));
        account.own.declared.factor = vec![factor("recovery", resets)];
        verdict(&account.model())
    };
    // mail alone opens nothing
    let mail = kept(&[], &["mailhost"]);
    assert_eq!(mail.class, Class::MpcSelfCustody);
    assert!(blast(&mail, "mailhost-resets").is_empty());
    assert!(solid(&mail, "move").contains(&"cosigner mailhost-resets recovery-file".into()));
    // ciphertext and passphrase both with the provider
    assert_eq!(kept(&["acme"], &["acme"]).class, Class::Custodial);
    // the provider has the file, the mail host the passphrase
    assert_eq!(kept(&["acme"], &["mailhost"]).class, Class::Collusive);
}

/// Patterns 11, 12 and 13: the program that shows and signs.
#[test]
fn who_delivers_the_program_profits_from_its_hostility() {
    let delivered = |entity: &str, delivery: Delivery| {
        let mut account = personal();
        let entity = entity.parse().expect("a name");
        account.own.declared.program = Some(Program { entity, delivery });
        account.model()
    };
    let doubt = |model: &Model| model.atoms()["hostile-program"].clone();
    assert_eq!(doubt(&personal().model()).entity.as_deref(), Some("acme"));
    let model = delivered("ana", Delivery::SelfBuilt);
    assert_eq!(
        doubt(&model).says.as_deref(),
        Some("the program run on device, made by ana and built from source, is hostile")
    );
    // whoever profits, the doubt stays
    assert_eq!(verdict(&model).assuming, verdict(&personal().model()).assuming);
    let model = delivered("app-shop", Delivery::Store);
    assert_eq!(
        (doubt(&model).entity.as_deref(), model.entities()["app-shop"].role.as_str()),
        (Some("app-shop"), "developer")
    );
}

/// Pattern 9: tokens move nothing, unless a node asks for no approval.
#[test]
fn who_issues_tokens_can_ask() {
    let mut account = shared();
    let tokens = Tokens { issuer: "acme".parse().expect("a name"), reset: entities(&["mailhost"]) };
    account.own.declared.tokens = Some(tokens);
    assert!(blast(&verdict(&account.declared_own().model()), "mailhost-tokens").is_empty());
    let mut account = enterprise();
    for node in &mut account.parties[1..] {
        node.requires_approval = false;
    }
    let issuer = "corp".parse().expect("a name");
    account.own.declared.tokens = Some(Tokens { issuer, reset: entities(&["mailhost"]) });
    let evaluation = verdict(&account.model());
    assert!(blast(&evaluation, "mailhost-tokens").contains(&"move[cosigner-eth]"));
}

#[test]
fn a_declaration_gives_nothing_to_users() {
    let mut account = shared().declared_own();
    account.own.declared.machine = vec![machine("cosigner", &["ana"])];
    let evaluation = verdict(&account.model());
    assert_eq!((evaluation.class, evaluation.exit_seconds), (Class::Hostage, None));
    account.own.declared.backup = vec![backup("cosigner", &["ana"])];
    assert_eq!(verdict(&account.model()).class, Class::Hostage);
}

#[test]
fn many_holders_fit_the_table() {
    let names = ["p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9"];
    let parties = names.map(|name| {
        if name == "p1" { device("ana").named(name) } else { node(name, "ana", vec![ether(Some(5))]) }
    });
    let holders = ["h1", "h2", "h3", "h4", "h5", "h6"];
    let mut account =
        Account { threshold: 5, parties: parties.to_vec(), approvers: vec!["p1"], ..enterprise() };
    account.entities = vec![("ana", Role::User)];
    account.own.declared = Declared {
        machine: names.iter().map(|name| machine(name, &holders)).collect(),
        backup: names.iter().map(|name| backup(name, &holders)).collect(),
        factor: names.iter().map(|name| factor(name, &holders)).collect(),
        ..Declared::default()
    };
    let model = account.model();
    assert!(model.atoms().len() <= 24, "{:?}", model.atoms().keys());
    assert!(model.atoms().contains_key("h1-holdings"));
    assert_eq!(verdict(&model).class, Class::Custodial);
}
