//! Parties that are cut off in the middle and start again from their folders.

use cohold_model::Document as _;
use cohold_party::refusal::Code;
use cohold_party::wire::FromParty;
use cohold_testkit::account::Wish;
use cohold_testkit::{Account, Cluster, Interceptor};

fn check_signs(cluster: &Cluster, account: &Account, signers: &[u8]) {
    let order = account.order(&Wish::new(), cluster.party(1), signers, 1);
    for (i, answer) in cluster.sign(&order) {
        let signature = answer.signature().unwrap_or_else(|| panic!("party {i}: {answer:?}"));
        account.assemble(&order.plan, signature).unwrap();
    }
}

/// Between the kept share and the charter in force: the signature is said again, and the account lives.
#[test]
fn a_kept_share_survives_until_the_charter_comes() {
    let mut cluster = Cluster::start(2);
    let proposal = cluster.proposal(cluster.terms(2));
    cluster.keygen(&proposal);
    let charter = cluster.charter(&proposal);
    let id = charter.document.terms.account;
    for i in 1..=2 {
        assert_eq!(cluster.listed(i), 0);
        let mark = cluster.relay.mail().mark();
        cluster.stop(i);
        cluster.start_again(i);
        let (again, signature) = cluster.made(i, mark, id).unwrap();
        assert_eq!(again, charter.document);
        let party = cluster.party(i);
        assert!(party.card.identity.verify(&charter.document.digest(), &signature));
        assert_eq!(cluster.listed(i), 0);
    }
    cluster.activate(&charter);
    let account = Account { charter };
    // In force, it is silent about the charter, and keeps it.
    let mark = cluster.relay.mail().mark();
    cluster.stop(2);
    cluster.start_again(2);
    check_signs(&cluster, &account, &[1, 2]);
    let said = cluster.relay.mail().since(mark);
    assert!(!said.iter().any(|letter| matches!(letter.words, FromParty::CharterSigned { .. })));
    assert_eq!(cluster.listed(2), 1);
}

/// A key generation that is cut off is forgotten; no half account is left, and its session never runs again.
#[test]
fn a_key_generation_that_was_cut_off_is_abandoned() {
    let mut cluster = Cluster::start(2);
    let proposal = cluster.proposal(cluster.terms(2));
    let (begun, wait) = std::sync::mpsc::channel();
    let silence: Interceptor = Box::new(move |passing| {
        let _ = begun.send(passing.envelope.from);
        Vec::new()
    });
    let session = Cluster::keygen_session(&proposal);
    cluster.relay.intercept(session, silence);
    cluster.keygen(&proposal);
    let id = proposal.document.terms.account;
    // Whoever sends has noted before that it began.
    let mut begun = std::collections::BTreeSet::new();
    while begun.len() < 2 {
        begun.insert(wait.recv_timeout(cohold_testkit::PATIENCE).unwrap());
    }
    for i in 1..=2 {
        cluster.stop(i);
    }
    for i in 1..=2 {
        cluster.start_again(i);
        let store = cluster.party(i).keeper().store();
        let reason = cluster.made(i, 0, id).unwrap_err();
        assert!(reason.contains("before it kept its share"), "{reason}");
        assert_eq!(store.account_pending().unwrap(), []);
        assert!(store.account_show(id).unwrap().is_none());
        assert_eq!(cluster.listed(i), 0);
    }
    // The session is used up: nobody can make the parties run it with other randomness.
    cluster.relay.let_pass(session);
    let mark = cluster.relay.mail().mark();
    cluster.keygen(&proposal);
    for i in 1..=2 {
        let begin = cluster.party(i).store().account_begin(&proposal, session, 0);
        assert!(begin.unwrap_err().to_string().contains("used before"));
    }
    let account = cluster.account(2);
    check_signs(&cluster, &account, &[1, 2]);
    assert_eq!([1, 2].map(|i| cluster.listed(i)), [1; 2]);
    let made = cluster.relay.mail().since(mark).into_iter().any(|letter| {
        matches!(letter.words, FromParty::CharterSigned { charter, .. } if charter.terms.account == id)
    });
    assert!(!made);
}

/// A party that is cut off while it signs: its session is used up, the payment counts once, and a new
/// attempt signs.
#[test]
fn a_signing_that_was_cut_off_is_tried_again() {
    let mut cluster = Cluster::start(2);
    let account = cluster.account(2);
    let order = |cluster: &Cluster, attempt| {
        let wish = Wish { request: "req_00000000000000000000000000000002".parse().unwrap(), ..Wish::new() };
        account.order(&wish, cluster.party(1), &[1, 2], attempt)
    };
    let first = order(&cluster, 1);
    let (started, go_on) = std::sync::mpsc::channel();
    let tell: Interceptor = Box::new(move |_| {
        let _ = started.send(());
        Vec::new()
    });
    cluster.relay.intercept(first.session(), tell);
    for i in [1, 2] {
        cluster.order(i, &first);
    }
    for _ in 0..2 {
        go_on.recv_timeout(cohold_testkit::PATIENCE).unwrap();
    }
    for i in [1, 2] {
        cluster.stop(i);
        cluster.start_again(i);
    }
    cluster.relay.let_pass(first.session());
    for answer in cluster.sign(&first).values() {
        assert_eq!(answer.refusal().map(|refusal| refusal.code), Some(Code::Order), "{answer:?}");
    }
    let second = order(&cluster, 2);
    for answer in cluster.sign(&second).values() {
        account.assemble(&second.plan, answer.signature().unwrap()).unwrap();
    }
}
