//! From one epoch to the next: the new share works, the old one is gone, and nobody is talked into
//! another successor, or out of its share.

use std::collections::BTreeSet;

use cohold_model::account::Terms;
use cohold_model::handover::Handover;
use cohold_model::{Digest, Document as _, Resharing, Signed};
use cohold_node::Keeper as _;
use cohold_party::refusal::Code;
use cohold_party::reshare::abandonment;
use cohold_party::wire::{FromParty, ReshareOrder, ToParty};
use cohold_testkit::account::index;
use cohold_testkit::cluster::eventually;
use cohold_testkit::{Account, Cluster, Interceptor, Letter, Wish};

use crate::expect::assert_signs;

fn assert_refused(cluster: &Cluster, account: &Account, signers: &[u8], nonce: u64, i: u8) {
    let order = account.order(&Wish { nonce, ..Wish::new() }, cluster.party(1), signers, 1);
    let mark = cluster.order(i, &order);
    let answer = cluster.answer(i, mark, order.session());
    assert!(answer.refusal().is_some(), "party {i}: {answer:?}");
}

#[test]
fn a_refresh_gives_other_shares_of_the_same_key() {
    let cluster = Cluster::start_joining(3);
    let first = cluster.account(2);
    assert_signs(&cluster, &first, &[1, 2], 0);
    let resharing = cluster.resharing(&first, first.charter.document.terms.clone(), &[1, 2]);
    let order = cluster.reshare_order(&first, &resharing);
    assert!(order.consent.is_none(), "other shares for the same parties take no consent");
    let handover = cluster.reshare(&order, &[1, 2, 3], &[1, 2, 3], &[1, 2]);
    // Until all have it, the old epoch signs.
    assert_signs(&cluster, &first, &[1, 3], 1);
    let second = cluster.hand_over(&handover, &[1, 2, 3]);
    let (old, new) = (&first.charter.document, &second.charter.document);
    assert_eq!((&new.key.public_key, new.key.chain_code), (&old.key.public_key, old.key.chain_code));
    assert_ne!(new.key.public_shares, old.key.public_shares);
    for (signers, nonce) in [([1, 2], 2), ([1, 3], 3), ([2, 3], 4)] {
        assert_signs(&cluster, &second, &signers, nonce);
    }
    for i in [1, 2] {
        assert_refused(&cluster, &first, &[1, 2], 5, i);
    }
    for i in [1, 2, 3] {
        let store = cluster.party(i).store();
        assert!(store.key_show(first.id(), 1, "dkls23").expect("read").is_none(), "the old share is gone");
        assert!(store.key_show(first.id(), 2, "dkls23").expect("read").is_some());
        assert_eq!(store.epoch_list(first.id()).expect("read"), vec![first.charter.clone()]);
    }
    // Said again, it changes nothing; a third epoch follows.
    let _ = cluster.hand_over(&handover, &[1, 2, 3]);
    let resharing = cluster.resharing(&second, new.terms.clone(), &[1, 3]);
    let order = cluster.reshare_order(&second, &resharing);
    let handover = cluster.reshare(&order, &[1, 2, 3], &[1, 2, 3], &[1, 3]);
    let third = cluster.hand_over(&handover, &[1, 2, 3]);
    assert_signs(&cluster, &third, &[2, 3], 6);
}

/// Everything but the named points of the account's terms.
fn without(account: &Account, i: u8) -> Terms {
    let mut terms = account.charter.document.terms.clone();
    let card = terms.parties.remove(usize::from(i) - 1);
    terms.entities.remove(&card.entity);
    terms
}

#[test]
fn a_charter_has_one_successor_at_most() {
    let cluster = Cluster::start_joining(3);
    let account = cluster.account(2);
    let terms = account.charter.document.terms.clone();
    let first = cluster.resharing(&account, terms.clone(), &[1, 2]);
    let order = cluster.reshare_order(&account, &first);
    let handover = cluster.reshare(&order, &[1, 2, 3], &[1, 2, 3], &[1, 2]);

    // All signed, nobody was told: whoever signed takes part in no other resharing of that charter.
    let second = cluster.resharing(&account, without(&account, 3), &[1, 2]);
    let other = cluster.reshare_order(&account, &second);
    for i in [1, 2] {
        let mark = cluster.relay.mail().mark();
        cluster.say(i, &ToParty::Reshare(Box::new(other.clone())));
        let reason = cluster.reshared(i, mark, &second).expect_err("one at a time");
        assert!(reason.contains("may still come into force"), "{reason}");
    }
    // A word that the first one is given up counts from one of its parties only.
    let forged = |signer: u8, name: u8| {
        let party = cluster.party(name).spec.party.clone();
        let keys = &cluster.party(signer).keys;
        let said = abandonment(&first.document, &party, keys, cohold_node::now());
        Signed::by(said.document, party, &keys.identity)
    };
    let mut bent = other.clone();
    bent.abandoned = vec![forged(2, 3), forged(3, 2)];
    let mark = cluster.relay.mail().mark();
    cluster.say(1, &ToParty::Reshare(Box::new(bent)));
    assert!(cluster.reshared(1, mark, &second).expect_err("forged").contains("may still come into force"));
    // Told to give up, a party that signed stays bound: it gives no word that it never will.
    let mark = cluster.relay.mail().mark();
    cluster.say(1, &ToParty::ReshareCancel(Box::new(order.clone())));
    assert!(cluster.reshared(1, mark, &first).expect_err("no word").contains("cancelled"));
    let gave_up = |letter: &Letter| matches!(letter.words, FromParty::ReshareAbandoned { .. });
    assert!(!cluster.relay.mail().since(mark).iter().any(gave_up));
    // The certificate, shown late, still brings all of them over.
    let next = cluster.hand_over(&handover, &[1, 2, 3]);
    assert_signs(&cluster, &next, &[2, 3], 0);
}

#[test]
fn a_resharing_that_was_cut_off_is_given_up_and_another_takes_its_place() {
    let mut cluster = Cluster::start_joining(3);
    let account = cluster.account(2);
    let terms = account.charter.document.terms.clone();
    let first = cluster.resharing(&account, terms.clone(), &[1, 2]);
    let order = cluster.reshare_order(&account, &first);
    // The third party never hears of it; the first two have begun, and the second one is cut off.
    let (begun, wait) = std::sync::mpsc::channel();
    let session = cohold_model::reshare::reshare_session(&first);
    let silence: Interceptor = Box::new(move |passing| {
        let _ = begun.send(passing.envelope.from);
        Vec::new()
    });
    cluster.relay.intercept(session, silence);
    for i in [1, 2] {
        cluster.say(i, &ToParty::Reshare(Box::new(order.clone())));
    }
    let mut heard = BTreeSet::new();
    while heard.len() < 2 {
        heard.insert(wait.recv_timeout(cohold_testkit::PATIENCE).expect("both begin"));
    }
    let mark = cluster.relay.mail().mark();
    cluster.stop(2);
    cluster.start_again(2);
    // It is back, and says of itself that it never signs; asked again, it takes no part.
    let word = cluster.abandonment(2, mark);
    let mark = cluster.relay.mail().mark();
    cluster.say(2, &ToParty::Reshare(Box::new(order.clone())));
    assert_eq!(cluster.abandonment(2, mark).document.resharing, first.document.digest());
    // The first party is bound until it is shown that word. Meanwhile all pay as before.
    let second = cluster.resharing(&account, terms, &[1, 3]);
    let mut other = cluster.reshare_order(&account, &second);
    let mark = cluster.relay.mail().mark();
    cluster.say(1, &ToParty::Reshare(Box::new(other.clone())));
    assert!(cluster.reshared(1, mark, &second).is_err());
    assert_signs(&cluster, &account, &[1, 2], 0);
    other.abandoned.push(word);
    let handover = cluster.reshare(&other, &[1, 2, 3], &[1, 2, 3], &[1, 3]);
    let next = cluster.hand_over(&handover, &[1, 2, 3]);
    assert_signs(&cluster, &next, &[1, 2], 1);
}

#[test]
fn nobody_is_talked_out_of_a_share() {
    let cluster = Cluster::start_joining(4);
    let account = cluster.account(2);
    let terms = without(&account, 4);
    let resharing = cluster.resharing(&account, terms, &[1, 2]);
    let order = cluster.reshare_order(&account, &resharing);
    let refuses = |i: u8, words: &ToParty| {
        let mark = cluster.relay.mail().mark();
        cluster.say(i, words);
        // Whatever is said after it is heard after it was weighed.
        cluster.say(i, &ToParty::Statement { account: account.id() });
        let said = |letter: &Letter| matches!(letter.words, FromParty::Statement(_)).then_some(());
        cluster.hear(i, mark, said).expect("the party answers");
        assert_eq!(cluster.epoch(i, &account), Some(1), "party {i}");
    };
    // A resharing without a proposer's signature, by a stranger, for another charter, without the consent.
    let unsigned = |resharing: Resharing, signer: u8| {
        let proposer = resharing.proposer.clone();
        ReshareOrder {
            resharing: Signed::by(resharing, proposer, &cluster.party(signer).keys.identity),
            ..order.clone()
        }
    };
    let other_charter = Resharing { charter: Digest([7; 32]), ..resharing.document.clone() };
    let by_other = Resharing { proposer: cluster.party(2).spec.party.clone(), ..resharing.document.clone() };
    for bent in [unsigned(resharing.document.clone(), 2), unsigned(other_charter, 1), unsigned(by_other, 2)] {
        let mark = cluster.relay.mail().mark();
        cluster.say(2, &ToParty::Reshare(Box::new(bent.clone())));
        assert!(cluster.reshared(2, mark, &bent.resharing).is_err());
    }
    if order.consent.is_some() {
        let mark = cluster.relay.mail().mark();
        cluster.say(2, &ToParty::Reshare(Box::new(ReshareOrder { consent: None, ..order.clone() })));
        assert!(cluster.reshared(2, mark, &resharing).expect_err("red line").contains("only the user"));
    }
    // A charter that its own parties signed, while nobody dealt: the fourth party keeps its share.
    let handover = cluster.reshare(&order, &[1, 2, 3], &[1, 2, 3], &[1, 2]);
    let without_words = Handover { dealt: Vec::new(), ..handover.clone() };
    let one_word = Handover { dealt: handover.dealt[..1].to_vec(), ..handover.clone() };
    for forged in [without_words, one_word] {
        refuses(4, &ToParty::Reshared(Box::new(forged)));
    }
    // A certificate in which a signature is missing brings nobody over.
    let mut incomplete = handover.clone();
    incomplete.charter.signatures.pop_last();
    for i in 1..=4 {
        refuses(i, &ToParty::Reshared(Box::new(incomplete.clone())));
    }
    // The whole of it does, also where it comes late and twice.
    let next = cluster.hand_over(&handover, &[1, 2, 3]);
    for _ in 0..2 {
        cluster.say(4, &ToParty::Reshared(Box::new(handover.clone())));
        assert!(eventually(|| cluster.epoch(4, &account).is_none()), "the fourth party lets go");
    }
    let left = cluster.party(4).store().account_left(account.id()).expect("read");
    assert_eq!(left.map(|charter| charter.document), Some(next.charter.document.clone()));
    assert!(cluster.party(4).store().key_show(account.id(), 1, "dkls23").expect("read").is_none());
    assert_signs(&cluster, &next, &[2, 3], 0);
}

#[test]
fn different_orders_to_different_parties_make_no_epoch() {
    let cluster = Cluster::start_joining(3);
    let account = cluster.account(2);
    let terms = account.charter.document.terms.clone();
    let first = cluster.reshare_order(&account, &cluster.resharing(&account, terms.clone(), &[1, 2]));
    let second = cluster.reshare_order(&account, &cluster.resharing(&account, terms, &[1, 3]));
    for (i, order) in [(1, &first), (2, &second), (3, &second)] {
        cluster.say(i, &ToParty::Reshare(Box::new(order.clone())));
    }
    // Nobody finds the others in its session; told to give up, each says that it never signs.
    for (i, order) in [(1, &first), (2, &second), (3, &second)] {
        let mark = cluster.relay.mail().mark();
        cluster.say(i, &ToParty::ReshareCancel(Box::new(order.clone())));
        assert_eq!(cluster.abandonment(i, mark).document.resharing, order.resharing.document.digest());
        assert_eq!(cluster.epoch(i, &account), Some(1));
    }
    assert_signs(&cluster, &account, &[1, 2], 0);
}

#[test]
fn who_was_banned_stays_banned() {
    let cluster = Cluster::start_joining(3);
    let account = cluster.account(2);
    let evidence = "for the test";
    cluster.party(1).keeper().ban(account.id(), index(3), evidence, 1).expect("the ban is noted");
    // A banned party deals for nobody who banned it.
    let terms = account.charter.document.terms.clone();
    let order = cluster.reshare_order(&account, &cluster.resharing(&account, terms.clone(), &[1, 3]));
    let mark = cluster.relay.mail().mark();
    cluster.say(1, &ToParty::Reshare(Box::new(order.clone())));
    assert!(cluster.reshared(1, mark, &order.resharing).expect_err("banned").contains("banned"));
    // At another point than before: the second party leaves, the third one moves up.
    let moved = without(&account, 2);
    let order = cluster.reshare_order(&account, &cluster.resharing(&account, moved, &[1, 2]));
    let handover = cluster.reshare(&order, &[1, 2, 3], &[1, 3], &[1, 2]);
    let next = cluster.hand_over(&handover, &[1, 3]);
    assert_eq!(cluster.banned(1, account.id()), vec![index(2)]);
    let order = next.order(&Wish::new(), cluster.party(1), &[1, 2], 1);
    let mark = cluster.order(1, &order);
    let answer = cluster.answer(1, mark, order.session());
    assert_eq!(answer.refusal().map(|refusal| refusal.code), Some(Code::Banned), "{answer:?}");
}
