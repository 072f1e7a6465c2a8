//! Shares behind hardware tokens: who opens them, who administers the tokens, and what is believed of them.
//! Pattern 24 of the list of silent patterns.

use cohold_custody::declared::Hsm;
use cohold_custody::{Class, Evidence, sheet, what_if};
use cohold_model::Token;
use cohold_model::statement::Sealing;
use cohold_model::token::{PinSource, TokenText};

use crate::account::{Account, blast, personal, solid, verdict};
use crate::declared::{backup, entities, factor, machine, party, two_outsiders};

fn token(pin: PinSource) -> Token {
    Token {
        manufacturer: TokenText::cleaned("SoftHSM project"),
        model: TokenText::cleaned("SoftHSM v2"),
        serial: TokenText::cleaned("5a1f"),
        key_never_left: true,
        pin,
    }
}

/// The same account, with one party's share behind a token.
fn behind(mut account: Account, position: usize, pin: PinSource) -> Account {
    account.parties[position].sealing = Some(Sealing::Hardware);
    account.parties[position].token = Some(token(pin));
    account
}

fn hsm(name: &str, administrators: &[&str]) -> Hsm {
    Hsm { party: party(name), administrators: entities(administrators) }
}

#[test]
fn a_token_keeps_a_stolen_disk_shut() {
    let check = |pin: PinSource, opens: &str, shut: &[&str]| {
        let evaluation = verdict(&behind(personal(), 2, pin).declared_own().model());
        let ways = solid(&evaluation, "move");
        let with = |things: &str| {
            let mut way: Vec<_> = things.split(' ').chain(["device", "pin"]).collect();
            way.sort_unstable();
            way.join(" ")
        };
        assert!(ways.contains(&with("cosigner")), "{ways:?}");
        assert!(ways.contains(&with(opens)), "{ways:?}");
        for things in shut {
            assert!(!ways.contains(&with(things)), "{things}: {ways:?}");
        }
        let broken = evaluation.powers["move"]
            .iter()
            .find(|way| ["broken-token", "cosigner-disk"].iter().all(|atom| way.coalition.contains(atom)));
        assert!(broken.is_some_and(|way| !way.doubts.is_empty()), "a broken token is a doubt");
    };
    check(
        PinSource::Entered,
        "cosigner-disk cosigner-pin cosigner-token",
        &[
            "cosigner-disk",
            "cosigner-disk cosigner-token",
            "cosigner-disk cosigner-pin",
            "cosigner-pin cosigner-token",
        ],
    );
    check(PinSource::File, "cosigner-disk cosigner-token", &["cosigner-disk", "cosigner-token"]);
}

/// What a stolen disk gives, and what it gives with the token.
#[test]
fn a_theft_without_the_token_gives_nothing() {
    let model = behind(personal(), 2, PinSource::Entered).declared_own().model();
    let moved = |stolen: &[&str]| {
        let stolen: Vec<_> = stolen.iter().map(|name| (*name).to_owned()).collect();
        let told = what_if(&model, &stolen).expect("things of the model");
        told.can.iter().any(|can| can.power == "move")
    };
    assert!(!moved(&["phone", "pin", "disk"]));
    assert!(!moved(&["phone", "pin", "disk", "cosigner-pin"]));
    assert!(moved(&["phone", "pin", "disk", "hsm", "cosigner-pin"]));
}

/// A key that could leave, or of which nothing is said, is as good as one in a file.
#[test]
fn a_token_of_which_too_little_is_said_protects_nothing() {
    let mut plain = personal();
    plain.parties[2].sealing = Some(Sealing::KeyFile);
    let plain = solid(&verdict(&plain.declared_own().model()), "move");
    let mut silent = behind(personal(), 2, PinSource::File);
    silent.parties[2].token = None;
    assert_eq!(solid(&verdict(&silent.declared_own().model()), "move"), plain);
    let mut readable = behind(personal(), 2, PinSource::File);
    readable.parties[2].token = Some(Token { key_never_left: false, ..token(PinSource::File) });
    assert_eq!(solid(&verdict(&readable.declared_own().model()), "move"), plain);
    // Nor does a device's word about a token of its own count: it runs where its PIN is entered.
    let mut device = personal();
    device.parties[0].sealing = Some(Sealing::KeyFile);
    let mut with = behind(personal(), 0, PinSource::Entered);
    with.parties[0].allowances = device.parties[0].allowances.clone();
    let ways = |account: Account| solid(&verdict(&account.declared_own().model()), "move");
    assert_eq!(ways(with), ways(device));
}

#[test]
fn who_administers_a_token_needs_the_disk_and_no_pin() {
    let account = |administrators: &[&str], copies: &[&str]| {
        let mut account = behind(two_outsiders(), 3, PinSource::Entered).declared_own();
        let declared = &mut account.own.declared;
        declared.hsm = vec![hsm("guardian", administrators)];
        declared.backup.retain(|entry| entry.party.as_str() != "guardian");
        declared.backup.push(backup("guardian", copies));
        account
    };
    // The administrator has the token and not the disk.
    let evaluation = verdict(&account(&["hsmco"], &[]).model());
    assert_eq!(evaluation.class, Class::Collusive);
    assert!(blast(&evaluation, "hsmco-hsms").is_empty());
    assert!(solid(&evaluation, "move").contains(&"cosigner guardian-disk hsmco-hsms".into()));
    // Row 24: acme has copies of the disk, and administers the token.
    let model = account(&["acme"], &["acme"]).model();
    let evaluation = verdict(&model);
    assert_eq!(evaluation.class, Class::Custodial);
    let way = evaluation.powers["move"]
        .iter()
        .find(|way| way.coalition == ["acme-backups", "acme-hsms", "cosigner"]);
    assert_eq!(way.expect("it moves").evidence, Evidence::Asserted);
    let page = sheet::render(&model, &evaluation).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        page.contains(
            "what opens the share of `guardian` lies with acme-backups and acme-hsms too, as declared"
        ),
        "{page}"
    );
    // Copies alone are nothing, but by doubts.
    let evaluation = verdict(&account(&[], &["acme"]).model());
    assert_eq!(evaluation.class, Class::Collusive);
    let doubted = evaluation.powers["move"]
        .iter()
        .find(|way| way.coalition == ["acme-backups", "broken-token", "cosigner"]);
    assert_eq!(doubted.expect("a doubt").doubts, ["broken-token"]);
    // Who resets the PIN still needs disk and token.
    let mut resets = account(&[], &["acme"]);
    resets.own.declared.factor = vec![factor("guardian", &["acme"])];
    assert_eq!(verdict(&resets.model()).class, Class::Collusive);
    let cloud = resets.own.declared.machine.iter().position(|entry| entry.party.as_str() == "guardian");
    resets.own.declared.machine[cloud.expect("declared")] = machine("guardian", &["acme"]);
    assert_eq!(verdict(&resets.model()).class, Class::Custodial, "the machine asks its token");
}

/// Pattern 24, by silence: an administrator of a token whom nobody named is any other outsider.
#[test]
fn silence_about_a_tokens_administrator_is_held_against_the_account() {
    let account = |hsm: Vec<Hsm>, copies: Option<&[&str]>| {
        let mut account = behind(two_outsiders(), 3, PinSource::Entered).declared_own();
        account.own.declared.hsm = hsm;
        account.own.declared.backup.retain(|entry| entry.party.as_str() != "guardian");
        account.own.declared.backup.extend(copies.map(|copies| backup("guardian", copies)));
        account.model()
    };
    let none: &[&str] = &[];
    assert_eq!(verdict(&account(vec![hsm("guardian", &[])], Some(none))).class, Class::Collusive);
    // Undeclared, acme may administer the token; the disk is not declared to be anybody else's.
    let model = account(Vec::new(), Some(none));
    let evaluation = verdict(&model);
    assert_eq!(evaluation.class, Class::Collusive);
    assert!(solid(&evaluation, "move").contains(&"cosigner guardian-disk".into()));
    let says = "nobody has declared who administers the token of `guardian`";
    assert!(model.rules().iter().any(|rule| rule.because.contains(says)));
    // With copies of the disk, it has both halves.
    assert_eq!(verdict(&account(Vec::new(), Some(&["acme"]))).class, Class::Custodial);
    assert_eq!(verdict(&account(Vec::new(), None)).class, Class::Custodial);
    // Whose disk nobody declared, while the token is nobody else's: disk and a guess are not enough.
    let evaluation = verdict(&account(vec![hsm("guardian", &[])], None));
    assert_eq!(evaluation.class, Class::Collusive);
    // A node without a token has no use for the entry, and none is held against it.
    let mut plain = two_outsiders().declared_own();
    let before = plain.model();
    plain.own.declared.hsm.clear();
    assert_eq!(plain.model(), before);
}
