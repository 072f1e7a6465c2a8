//! Resharings that make no sense, at the door of every party: each is refused with what is wrong, nothing is
//! noted, and the account goes on. Every one is signed as it should be, by the right proposer.

use cohold_model::account::Terms;
use cohold_model::{Document as _, Resharing, Signed};
use cohold_party::wire::{FromParty, Message, ReshareOrder, ToParty};
use cohold_relay::Address;
use cohold_testkit::{Account, Cluster};

use crate::expect::{assert_refused, assert_signs};

/// The order as a coordinator would send it that checks nothing.
fn unchecked(account: &Account, resharing: Signed<Resharing>) -> ReshareOrder {
    ReshareOrder { charter: account.charter.clone(), resharing, consent: None, abandoned: Vec::new() }
}

#[test]
fn each_resharing_that_cannot_be_is_refused_and_the_account_goes_on() {
    let cluster = Cluster::start_joining(3);
    let account = cluster.account(2);
    let good = account.charter.document.terms.clone();
    let bent = |bend: fn(&mut Terms)| {
        let mut terms = good.clone();
        bend(&mut terms);
        unchecked(&account, cluster.resharing(&account, terms, &[1, 2]))
    };
    // To nobody, to one alone, and to one party twice.
    assert_refused(&cluster, &bent(|terms| terms.parties.clear()), "2 to 9 parties, not 0");
    assert_refused(&cluster, &bent(|terms| terms.parties.truncate(1)), "2 to 9 parties, not 1");
    let twice = |terms: &mut Terms| {
        let first = terms.parties[0].clone();
        terms.parties[2] = first;
    };
    assert_refused(&cluster, &bent(twice), "appears twice");
    // More signers than parties, one alone, and none. No option lets one party sign alone: the engine makes
    // no key that one share opens, and that would be a key, not an account.
    assert_refused(&cluster, &bent(|terms| terms.threshold = 4), "threshold 4 of 3 parties: use 2 to 3");
    assert_refused(&cluster, &bent(|terms| terms.threshold = 1), "threshold 1 of 3 parties: use 2 to 3");
    assert_refused(&cluster, &bent(|terms| terms.threshold = 0), "threshold 0 of 3 parties: use 2 to 3");
    // Without a quorum, and with more than one.
    for (dealers, says) in [
        (&[1][..], "1 parties of the charter deal: name exactly 2"),
        (&[1, 2, 3], "3 parties of the charter deal: name exactly 2"),
        (&[], "0 parties of the charter deal: name exactly 2"),
    ] {
        let resharing = cluster.resharing(&account, good.clone(), dealers);
        assert_refused(&cluster, &unchecked(&account, resharing), says);
    }
    assert_signs(&cluster, &account, &[1, 2], 0);
    // None of that stands in the way of one that can be; and while its charter may still come into force,
    // there is no other.
    let resharing = cluster.resharing(&account, good.clone(), &[1, 2]);
    let order = cluster.reshare_order(&account, &resharing);
    let handover = cluster.reshare(&order, &[1, 2, 3], &[1, 2, 3], &[1, 2]);
    let during = cluster.resharing(&account, good.clone(), &[1, 3]);
    assert_refused(&cluster, &cluster.reshare_order(&account, &during), "may still come into force");
    assert_signs(&cluster, &account, &[1, 2], 1);
    let next = cluster.hand_over(&handover, &[1, 2, 3]);
    // Of the epoch before: the account has gone on.
    let stale = cluster.resharing(&account, good, &[2, 3]);
    assert_refused(&cluster, &unchecked(&account, stale), "another charter than version 2");
    assert_signs(&cluster, &next, &[1, 2], 2);
}

/// A party of one version and an order of another: it says so at once, and nobody waits for it.
#[test]
fn an_order_of_another_version_is_answered_and_the_account_goes_on() {
    let cluster = Cluster::start_joining(3);
    let account = cluster.account(2);
    let terms = account.charter.document.terms.clone();
    let resharing = cluster.resharing(&account, terms, &[1, 2]);
    let order = cluster.reshare_order(&account, &resharing);
    let body = Message::encode_plain(&ToParty::Reshare(Box::new(order))).expect("plain data");
    let mut words: serde_json::Value = serde_json::from_slice(&body[1..]).expect("JSON");
    words["charter"]["document"]["weights"] = serde_json::json!([1, 1, 1]);
    let later = [&[0][..], words.to_string().as_bytes()].concat();
    for i in [1, 2, 3] {
        let mark = cluster.relay.mail().mark();
        cluster.relay.post(Address::Coordinator, cluster.identity(i), later.clone());
        let reason = cluster.reshared(i, mark, &resharing).expect_err("it cannot be read");
        assert!(reason.contains("does not understand the order"), "party {i}: {reason}");
        assert!(reason.contains("one version"), "party {i}: {reason}");
    }
    // A peer has no say in it.
    let mark = cluster.relay.mail().mark();
    cluster.relay.post(Address::Party(cluster.identity(2)), cluster.identity(1), later);
    assert_signs(&cluster, &account, &[1, 2], 0);
    let failed = |letter: &cohold_testkit::Letter| matches!(letter.words, FromParty::ReshareFailed { .. });
    assert!(!cluster.relay.mail().since(mark).iter().any(failed));
    // With all at one version it goes through.
    let order = cluster.reshare_order(&account, &resharing);
    let handover = cluster.reshare(&order, &[1, 2, 3], &[1, 2, 3], &[1, 2]);
    let next = cluster.hand_over(&handover, &[1, 2, 3]);
    assert_eq!(next.charter.document.previous, Some(account.charter.document.digest()));
    assert_signs(&cluster, &next, &[1, 2], 1);
}
