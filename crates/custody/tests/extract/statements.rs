//! Which charters and statements count, and silence.

use std::collections::BTreeMap;

use cohold_custody::extract::{ExtractError, STATEMENTS_MAX, extract};
use cohold_custody::{Class, Evidence, Model};
use cohold_model::account::Role;
use cohold_model::charter::Charter;
use cohold_model::intent::Asset;
use cohold_model::lineage::LineageError;
use cohold_model::statement::{Allowance, Receivers, Sealing, Statement, Vouch};
use cohold_model::{Digest, Epoch, Lineage, Signed};

use crate::account::{
    Account, CREATED_AT, NOW, TOKEN, blast, enterprise, ether, personal, shared, solid, verdict,
};

#[test]
fn silence_is_held_against_the_account() {
    let silent = |mut account: Account, names: &[&str]| {
        for party in account.parties.iter_mut().filter(|party| names.contains(&party.name)) {
            party.sealing = None;
        }
        account.model()
    };
    // one silent node: whoever opens the device moves anything, the class stands
    let model = silent(personal(), &["cosigner"]);
    let evaluation = verdict(&model);
    assert_eq!(evaluation.class, Class::MpcSelfCustody);
    assert_eq!(
        solid(&evaluation, "move[cosigner-anything]"),
        ["device pin", "recovery-file recovery-passphrase"]
    );
    assert_eq!(model.limits()["cosigner-anything"], cohold_custody::Limit::default());
    assert_eq!(evaluation.powers["move[cosigner-anything]"][0].evidence, Evidence::Unknown);
    // two silent nodes make the threshold for whoever asks
    let evaluation = verdict(&silent(enterprise(), &["cosigner", "guardian"]));
    assert_eq!(evaluation.class, Class::Custodial);
    assert_eq!(blast(&evaluation, "server"), ["move[cosigner-anything]", "move[guardian-anything]"]);
    // no exit is read into silence
    let evaluation = verdict(&silent(shared(), &["cosigner"]));
    assert_eq!((evaluation.class, evaluation.exit_seconds), (Class::Hostage, None));
    assert!(evaluation.freeze.iter().any(|set| *set == ["cosigner"]));
    // a device and a file whose seals are unknown open alone
    let evaluation = verdict(&silent(personal(), &["device", "recovery"]));
    assert!(solid(&evaluation, "move").contains(&"device recovery-file".into()));
}

#[test]
fn a_device_vouches_for_its_own_seals_only() {
    let mut account = personal();
    let vouched = [
        ("device", Sealing::DeviceAndPin),
        ("recovery", Sealing::SealedFile),
        ("cosigner", Sealing::Passphrase),
    ];
    account.own.seals =
        vouched.map(|(name, sealing)| (name.parse().expect("a name"), sealing)).into_iter().collect();
    let cosigner = account.statements().remove(2);
    let evaluation = verdict(&account.model_of(&[cosigner]));
    assert_eq!(solid(&evaluation, "move[cosigner-eth]"), ["device pin", "recovery-file recovery-passphrase"]);
    assert_eq!(evaluation.powers["move"][0].evidence, Evidence::Asserted);
    // for a node it cannot
    let model = account.model_of(&[]);
    assert!(!model.atoms().contains_key("cosigner-passphrase"));
    assert!(model.limits().contains_key("cosigner-anything"));
}

#[test]
fn a_device_speaks_for_the_recovery_shares_of_its_own_entity() {
    let vouch = |sealing| Vouch {
        party: "recovery".parse().expect("a name"),
        sealing,
        held_since: CREATED_AT + 10,
        opened_at: None,
    };
    let told = |position: usize, change: &dyn Fn(&mut Account)| {
        let mut account = personal();
        account.parties[1].sealing = None;
        account.parties[position].vouches = vec![vouch(Sealing::SealedFile)];
        change(&mut account);
        let evaluation = verdict(&account.model());
        let ways = evaluation.powers["move"].iter();
        let way = ways.filter(|way| way.doubts.is_empty() && way.coalition.contains("recovery-file"));
        let way = way.clone().find(|way| way.coalition.contains("device")).expect("listed").clone();
        (way.coalition.contains("recovery-passphrase"), way.evidence)
    };
    assert_eq!(told(0, &|_| ()), (true, Evidence::Signed));
    // not a node, not a device of somebody else, not where the recovery party speaks itself
    assert_eq!(told(2, &|_| ()), (false, Evidence::Unknown));
    let foreign = |account: &mut Account| {
        account.entities.push(("bo", Role::Guardian));
        account.parties[0].entity = "bo";
    };
    assert_eq!(told(0, &foreign), (false, Evidence::Unknown));
    let own = |account: &mut Account| account.parties[1].sealing = Some(Sealing::KeyFile);
    assert_eq!(told_alone(&own), ["recovery", "recovery-disk"]);
    // twice for one party: the whole statement counts as none
    let twice = |account: &mut Account| {
        account.parties[0].vouches = vec![vouch(Sealing::SealedFile), vouch(Sealing::KeyFile)];
    };
    assert_eq!(told(0, &twice), (false, Evidence::Unknown));
}

/// Who has the recovery share of a personal account alone.
fn told_alone(change: &dyn Fn(&mut Account)) -> Vec<String> {
    let mut account = personal();
    change(&mut account);
    let model = account.model();
    let atoms = model.atoms().keys().filter(|name| name.starts_with("recovery") && !name.contains("copy"));
    atoms.cloned().collect()
}

#[test]
fn what_has_expired_or_cannot_be_is_only_asserted() {
    let evidence = |change: fn(&mut Statement)| {
        let evaluation = verdict(&personal().restated(2, change));
        let ways = &evaluation.powers["move[cosigner-eth]"];
        ways.iter().find(|way| way.coalition == ["device", "pin"]).expect("listed").evidence
    };
    assert_eq!(evidence(|_| ()), Evidence::Signed);
    assert_eq!(evidence(|said| said.expires_at = NOW), Evidence::Asserted);
    assert_eq!(evidence(|said| said.issued_at = NOW + 7200), Evidence::Asserted);
    assert_eq!(evidence(|said| said.expires_at = NOW + 365 * 86_400), Evidence::Asserted);
    assert_eq!(evidence(|said| said.held_since = CREATED_AT - 86_400), Evidence::Asserted);
    assert_eq!(evidence(|said| said.held_since = NOW + 86_400), Evidence::Asserted);
}

#[test]
fn a_statement_counts_only_for_this_account_under_this_charter_by_its_party() {
    let says_nothing = |model: &Model| model.limits().contains_key("cosigner-anything");
    assert!(!says_nothing(&personal().model()));
    let changes: [fn(&mut Statement); 3] = [
        |said| said.account = "acc_ff0102030405060708090a0b0c0d0e0f".parse().expect("an id"),
        |said| said.charter = Digest([1; 32]),
        |said| said.epoch = Epoch(2),
    ];
    for change in changes {
        assert!(says_nothing(&personal().restated(2, change)));
    }
    // signed by another key, or by nobody
    let mut statements = personal().statements();
    let Signed { document, .. } = statements[2].clone();
    statements[2] = Signed::by(document.clone(), document.party.clone(), &personal().secret(0));
    assert!(says_nothing(&personal().model_of(&statements)));
    statements[2] = Signed { document, signatures: BTreeMap::new() };
    assert!(says_nothing(&personal().model_of(&statements)));
    // of a party that is not in the account
    let mut statements = personal().statements();
    statements[0].document.party = "stranger".parse().expect("a name");
    assert_eq!(personal().model_of(&statements), personal().model_of(&statements[1..]));
}

#[test]
fn a_statement_that_is_not_understood_counts_as_none() {
    let changes: [fn(&mut Statement); 10] = [
        |said| said.allowances[0].symbol = "E".repeat(33),
        |said| said.fees.push(said.fees[0].clone()),
        |said| said.fees[0].decimals = 6,
        |said| said.fees[0].coin = "ETH\u{202e}".into(),
        |said| said.allowances.push(ether(Some(7))),
        |said| said.allowances[0].decimals = 30,
        |said| said.allowances[0].symbol = "ETH, never".into(),
        |said| said.allowances[1].decimals = 78,
        |said| said.allowances[1].receivers = Receivers::Only(vec!["\u{202e}".into()]),
        |said| {
            let twin = Asset::Token(TOKEN.to_ascii_lowercase());
            said.allowances.push(Allowance { asset: twin, ..said.allowances[1].clone() });
        },
    ];
    for change in changes {
        assert!(personal().restated(2, change).limits().contains_key("cosigner-anything"));
    }
}

#[test]
fn the_last_statement_counts() {
    let says = |issued_at: u64, per_day: u128| {
        let mut statement = personal().statement(2).expect("it states");
        statement.issued_at = issued_at;
        statement.allowances = vec![ether(Some(per_day))];
        Signed::by(statement.clone(), statement.party, &personal().secret(2))
    };
    let amount = |said: &[Signed<Statement>]| {
        let model = personal().model_of(said);
        model.limits().get("cosigner-eth").and_then(|limit| limit.amount.clone())
    };
    assert_eq!(amount(&[says(NOW - 50, 2), says(NOW - 60, 1)]).as_deref(), Some("2"));
    assert_eq!(amount(&[says(NOW - 60, 1), says(NOW - 50, 2)]).as_deref(), Some("2"));
    assert_eq!(amount(&[says(NOW - 60, 1), says(NOW - 60, 1)]).as_deref(), Some("1"));
    // two of the same second that differ cancel each other
    assert_eq!(amount(&[says(NOW - 60, 1), says(NOW - 60, 2)]), None);
    assert_eq!(amount(&[says(NOW - 60, 1), says(NOW - 60, 2), says(NOW - 50, 3)]).as_deref(), Some("3"));
    // one from the future does not displace one that can be
    assert_eq!(amount(&[says(NOW - 60, 1), says(NOW + 86_400, 9)]).as_deref(), Some("1"));
}

#[test]
fn charters_that_are_not_signed_or_do_not_follow_are_refused() {
    let account = personal();
    let first = account.sign(account.charter());
    let refused = |charters: Vec<Signed<Charter>>| Lineage::new(charters).expect_err("refused");
    let mut unsigned = first.clone();
    unsigned.signatures.pop_last();
    assert!(matches!(refused(vec![unsigned.clone()]), LineageError::Charter { version: 1, .. }));
    assert_eq!(refused(Vec::new()), LineageError::Empty);
    let second = personal().after(&account);
    let second = second.sign(second.charter());
    assert!(matches!(refused(vec![second.clone()]), LineageError::First { version: 2, .. }));
    assert!(matches!(refused(vec![unsigned, second.clone()]), LineageError::Charter { version: 1, .. }));
    assert!(matches!(refused(vec![first.clone(), first.clone()]), LineageError::Charter { version: 1, .. }));
    let reshared = account.sign(Charter { epoch: Epoch(2), ..account.charter() });
    assert!(matches!(refused(vec![reshared]), LineageError::First { epoch: Epoch(2), .. }));
    let lineage = Lineage::new(vec![first.clone()]).expect("a line").followed_by(second.clone());
    let lineage = lineage.expect("a line");
    assert_eq!((lineage.past(), lineage.current()), (&[first][..], &second));

    let many = vec![account.statements().remove(0); STATEMENTS_MAX + 1];
    let error = extract(&account.lineage(), &many, &account.own, NOW).expect_err("refused");
    assert!(matches!(error, ExtractError::Statements { .. }));
}
