//! Bytes that are no words, and words from those who have no say.

use cohold_model::{Digest, Document as _, Epoch, IdentitySecret, RequestId, SessionId};
use cohold_mpc::Envelope;
use cohold_party::wire::{FromParty, Message, PLAIN_BYTES_MAX, ToParty};
use cohold_relay::{Address, BODY_BYTES_MAX};
use cohold_testkit::account::{Wish, index};
use cohold_testkit::{Account, Cluster};

/// Nothing that was said so far was signed, and an honest order is.
fn check_unmoved(cluster: &Cluster, account: &Account) {
    assert_eq!(cluster.signatures(), []);
    let order = account.order(&Wish::new(), cluster.party(1), &[1, 2], 1);
    for (i, answer) in cluster.sign(&order) {
        let signature = answer.signature().unwrap_or_else(|| panic!("party {i}: {answer:?}"));
        account.assemble(&order.plan, signature).unwrap();
    }
    for i in 1..=2 {
        assert_eq!(cluster.banned(i, account.id()), []);
    }
}

#[test]
fn junk_is_ignored() {
    let cluster = Cluster::start(2);
    let account = cluster.account(2);
    let plain = |text: &str| [&[0], text.as_bytes()].concat();
    let id = account.id();
    let deep = "[".repeat(200_000);
    let junk = [
        Vec::new(),
        vec![0],
        vec![1],
        vec![2, 1, 2, 3],
        vec![255; 1000],
        plain("{"),
        plain("null"),
        plain("\u{0}"),
        plain("{\"type\":\"pay-me\"}"),
        plain("{\"type\":\"statement\"}"),
        plain("{\"type\":\"statement\",\"account\":\"acc_1\"}"),
        plain(&format!("{{\"type\":\"statement\",\"account\":\"{id}\",\"also\":1}}")),
        plain(&deep),
        plain(&"{\"type\":".repeat(20_000)),
        plain(&" ".repeat(PLAIN_BYTES_MAX + 1)),
        vec![1; 2 * 1024 * 1024],
        vec![0; BODY_BYTES_MAX - 64],
        vec![1; BODY_BYTES_MAX - 64],
    ];
    let mark = cluster.relay.mail().mark();
    for body in &junk {
        for from in [Address::Coordinator, Address::Party(cluster.identity(2))] {
            for to in [1, 2] {
                cluster.relay.post(from, cluster.identity(to), body.clone());
            }
        }
    }
    // More than the relay's protocol allows: the connection ends, and the party comes back by itself.
    cluster.relay.post(Address::Coordinator, cluster.identity(1), vec![0; BODY_BYTES_MAX + 1]);
    let hello = cluster.hear(1, mark, |letter| matches!(letter.words, FromParty::Hello { .. }).then_some(()));
    assert!(hello.is_some());
    assert_eq!(cluster.relay.mail().since(mark).len(), 1, "nobody else said anything");
    check_unmoved(&cluster, &account);
}

/// What only the coordinator may ask, asked by a party of the account: a good order included. Had it
/// been heard, its session would be used, and the coordinator's own order refused.
#[test]
fn a_party_is_not_the_coordinator() {
    let cluster = Cluster::start(2);
    let account = cluster.account(2);
    let order = account.order(&Wish::new(), cluster.party(1), &[1, 2], 1);
    let mark = cluster.relay.mail().mark();
    let pretended = Address::Party(cluster.identity(2));
    for words in [
        ToParty::Statement { account: account.id() },
        ToParty::Abandon { account: account.id() },
        ToParty::Keygen { proposal: cluster.proposal(cluster.terms(2)) },
        ToParty::Sign(Box::new(order)),
    ] {
        let body = Message::encode_plain(&words).unwrap();
        cluster.relay.post(pretended, cluster.identity(1), body);
    }
    for i in [1, 2] {
        cluster.say(i, &ToParty::Statement { account: account.id() });
        let stated = |letter: &cohold_testkit::Letter| match &letter.words {
            FromParty::Statement(statement) => Some(statement.clone()),
            _ => None,
        };
        let statement = cluster.hear(i, mark, stated).unwrap();
        let party = cluster.party(i);
        assert!(statement.is_signed_by(&party.spec.party, &party.card.identity));
    }
    assert_eq!(cluster.relay.mail().since(mark).len(), 2, "one statement each, to the coordinator");
    check_unmoved(&cluster, &account);
}

#[test]
fn a_party_speaks_of_its_own_accounts_only() {
    let cluster = Cluster::start(2);
    let account = cluster.account(2);
    let mark = cluster.relay.mail().mark();
    for _ in 0..20 {
        let foreign = cohold_model::AccountId::random(&mut cohold_node::rng());
        cluster.say(2, &ToParty::Statement { account: foreign });
    }
    cluster.say(2, &ToParty::Statement { account: account.id() });
    let stated = |letter: &cohold_testkit::Letter| match &letter.words {
        FromParty::Statement(statement) => Some(statement.document.clone()),
        _ => None,
    };
    let statement = cluster.hear(2, mark, stated).unwrap();
    assert_eq!(statement.account, account.id());
    assert_eq!(statement.charter, account.charter.document.digest());
    assert!(statement.requires_approval);
    check_unmoved(&cluster, &account);
    let said = cluster.relay.mail().since(mark);
    let statements = said.iter().filter(|letter| stated(letter).is_some()).count();
    assert_eq!(statements, 1);
}

/// A word that ends sessions ends no account.
#[test]
fn an_account_in_force_is_not_abandoned() {
    let cluster = Cluster::start(2);
    let account = cluster.account(2);
    for i in 1..=2 {
        cluster.say(i, &ToParty::Abandon { account: account.id() });
        let request = RequestId::random(&mut cohold_node::rng());
        let order = account.order(&Wish { request, ..Wish::new() }, cluster.party(2), &[1, 2], 1);
        assert!(cluster.sign(&order).values().all(|answer| answer.refusal().is_some()));
        assert_eq!(cluster.listed(i), 1);
    }
    check_unmoved(&cluster, &account);
}

/// Somebody who is in no account floods the parties with envelopes, most of them for the very session
/// that is about to begin: honest envelopes are lost, sent again, and the session ends well.
#[test]
fn a_flood_of_strays_only_delays() {
    let cluster = Cluster::start(2);
    let account = cluster.account(2);
    let order = account.order(&Wish::new(), cluster.party(1), &[1, 2], 1);
    let stranger = IdentitySecret::random(&mut cohold_node::rng()).public();
    for (to, from) in [(1, 2), (2, 1)] {
        for i in 0..600_u16 {
            let session = if i % 4 == 0 { SessionId(Digest([7; 32])) } else { order.session() };
            let envelope = Envelope {
                account: account.id(),
                epoch: Epoch::FIRST,
                session,
                round: 1 + i % 3,
                from: index(from),
                to: index(to),
                sealed: vec![7; 5000],
            };
            let body = Message::<FromParty>::encode_sealed(&envelope).unwrap();
            cluster.relay.post(Address::Party(stranger), cluster.identity(to), body);
        }
    }
    for answer in cluster.sign(&order).values() {
        account.assemble(&order.plan, answer.signature().unwrap()).unwrap();
    }
    for i in [1, 2] {
        assert_eq!(cluster.banned(i, account.id()), []);
    }
}
