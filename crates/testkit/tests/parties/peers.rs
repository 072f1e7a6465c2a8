//! A hostile peer, or a relay that plays with envelopes. Party 2 lies, or is lied about; party 1 is honest.

use std::sync::{Arc, Mutex};

use cohold_model::PartyIndex;
use cohold_model::account::sign_session;
use cohold_model::canonical::Digest;
use cohold_party::refusal::Code;
use cohold_party::wire::{SignOrder, ToParty};
use cohold_testkit::account::{Wish, index};
use cohold_testkit::cluster::{Answer, points};
use cohold_testkit::{Account, Cluster, Delivery, Interceptor, Passing, TwoFaced, Words};

pub(crate) fn order(cluster: &Cluster, account: &Account, signers: &[u8], attempt: u32) -> SignOrder {
    let wish = Wish { request: request(), ..Wish::new() };
    account.order(&wish, cluster.party(1), signers, attempt)
}

/// One request for all orders of a test, so that nothing but the session differs.
fn request() -> cohold_model::RequestId {
    "req_00000000000000000000000000000001".parse().unwrap()
}

pub(crate) fn check_signs(cluster: &Cluster, account: &Account, signers: &[u8], attempt: u32) {
    let order = order(cluster, account, signers, attempt);
    for (i, answer) in cluster.sign(&order) {
        let signature = answer.signature().unwrap_or_else(|| panic!("party {i}: {answer:?}"));
        account.assemble(&order.plan, signature).unwrap();
    }
}

fn no_bans(cluster: &Cluster, account: &Account) {
    for i in cluster.indices() {
        assert_eq!(cluster.banned(i, account.id()), [], "party {i}");
    }
}

/// Party 2 says what `rewrite` makes of its words in the session of this order.
pub(crate) fn lying(
    cluster: &Cluster,
    account: &Account,
    order: &SignOrder,
    rewrite: impl FnMut(&mut Words) + Send + 'static,
) -> usize {
    let terms = &account.charter.document.terms;
    let peer = TwoFaced::new(terms, order.session(), index(2), &cluster.keys());
    cluster.relay.intercept(order.session(), peer.saying(rewrite));
    let mark = cluster.relay.mail().mark();
    for i in [1, 2] {
        cluster.order(i, order);
    }
    mark
}

/// Row 8: the offender is banned in the honest party's database, its other sessions die, and a restart
/// forgets nothing.
#[test]
fn row_08_a_tampered_oblivious_transfer_bans_for_ever() {
    let mut cluster = Cluster::start(3);
    let account = cluster.account(2);
    // A second session with the same peer, under way: its envelopes are held back.
    let parallel = order(&cluster, &account, &[1, 2], 1);
    let held: Interceptor =
        Box::new(|passing| if passing.envelope.from == index(2) { Vec::new() } else { vec![passing.into()] });
    cluster.relay.intercept(parallel.session(), held);
    let started = Arc::new(Mutex::new(false));
    let parallel_mark = cluster.order(1, &parallel);

    let attacked = order(&cluster, &account, &[1, 2], 2);
    let seen = Arc::clone(&started);
    let mark = lying(&cluster, &account, &attacked, move |words| {
        *seen.lock().unwrap() = true;
        if let (1, Some(direct)) = (words.round, &mut words.direct) {
            // The bulk of the first message is the matrix of the extension.
            let middle = direct.len() / 2;
            direct[middle] ^= 1;
        }
    });
    let Answer::Broken { reason, banned } = cluster.answer(1, mark, attacked.session()) else {
        panic!("party 1 signed with a cheat")
    };
    assert!(*started.lock().unwrap());
    assert!(reason.contains("oblivious-transfer"), "{reason}");
    assert_eq!(banned, points(&[2]));
    match cluster.answer(1, parallel_mark, parallel.session()) {
        Answer::Broken { reason, banned } => assert!(reason.contains("cancelled") && banned.is_empty()),
        // It was refused where the ban came before the share was opened.
        Answer::Refused(refusal) => assert_eq!(refusal.code, Code::Banned),
        Answer::Signature(_) => panic!("a session with a banned party went on"),
    }

    assert_eq!(cluster.banned(1, account.id()), points(&[2]));
    let refuses = |cluster: &Cluster, attempt| {
        let order = order(cluster, &account, &[1, 2], attempt);
        let mark = cluster.order(1, &order);
        let answer = cluster.answer(1, mark, order.session());
        assert_eq!(answer.refusal().map(|refusal| refusal.code), Some(Code::Banned), "{answer:?}");
    };
    refuses(&cluster, 3);
    cluster.stop(1);
    cluster.start_again(1);
    assert_eq!(cluster.banned(1, account.id()), points(&[2]));
    refuses(&cluster, 3);
    refuses(&cluster, 4);
    check_signs(&cluster, &account, &[1, 3], 5);
    // Nobody else took over the ban: it convinces only the party that found it (what the others do with it
    // is in `bans.rs`).
    assert_eq!(cluster.banned(3, account.id()), []);
}

/// Row 9: the coordinator sends two honest parties into different sessions. Neither blames the other.
#[test]
fn row_09_parties_in_different_sessions_blame_nobody() {
    let cluster = Cluster::start(2);
    let account = cluster.account(2);
    let orders = [(1, order(&cluster, &account, &[1, 2], 1)), (2, order(&cluster, &account, &[1, 2], 2))];
    // Their envelopes reach each other under the session that the other is in.
    let (one, two) = (orders[0].1.session(), orders[1].1.session());
    let (moved, wait) = std::sync::mpsc::channel();
    for (own, other) in [(one, two), (two, one)] {
        let moved = moved.clone();
        let interceptor: Interceptor = Box::new(move |mut passing| {
            passing.envelope.session = other;
            let _ = moved.send(own);
            vec![passing.into()]
        });
        cluster.relay.intercept(own, interceptor);
    }
    let marks = orders.clone().map(|(i, order)| (i, cluster.order(i, &order), order.session()));
    // Each hears the other, twice at least, and does not know what to make of it.
    let mut heard = std::collections::BTreeMap::new();
    while heard.len() < 2 || heard.values().any(|count| *count < 2) {
        *heard.entry(wait.recv_timeout(cohold_testkit::PATIENCE).unwrap()).or_insert(0) += 1;
    }
    // The sessions cannot end by themselves before their time is over; the coordinator ends them.
    for i in [1, 2] {
        cluster.say(i, &ToParty::Abandon { account: account.id() });
    }
    for (i, mark, session) in marks {
        let answer = cluster.answer(i, mark, session);
        assert!(matches!(&answer, Answer::Broken { banned, .. } if banned.is_empty()), "{answer:?}");
    }
    no_bans(&cluster, &account);
    check_signs(&cluster, &account, &[1, 2], 3);
}

/// Row 5: envelopes of other sessions, parties and accounts, moved here: ignored, and the honest run goes on.
#[test]
fn row_05_transplanted_envelopes_are_ignored() {
    let cluster = Cluster::start(2);
    let (account, other) = (cluster.account(2), cluster.account(2));
    let recorded: Arc<Mutex<Vec<Passing>>> = Arc::default();
    let sources = [
        (order(&cluster, &account, &[1, 2], 1), &account),
        (order(&cluster, &account, &[1, 2], 2), &account),
        (order(&cluster, &other, &[1, 2], 1), &other),
    ];
    for (source, account) in &sources {
        let recorded = Arc::clone(&recorded);
        let record: Interceptor = Box::new(move |passing| {
            recorded.lock().unwrap().push(passing.clone());
            vec![passing.into()]
        });
        cluster.relay.intercept(source.session(), record);
        for answer in cluster.sign(source).values() {
            account.assemble(&source.plan, answer.signature().unwrap()).unwrap();
        }
    }
    let target = order(&cluster, &account, &[1, 2], 7);
    let (session, id, foreign) = (target.session(), account.id(), other.id());
    let recorded = std::mem::take(&mut *recorded.lock().unwrap());
    assert!(recorded.len() >= 18, "three sessions of three rounds, two ways");
    let parties = [1, 2].map(|i| cluster.identity(i));
    let transplant: Interceptor = Box::new(move |passing| {
        let (from, to) = (passing.envelope.from, passing.envelope.to);
        let here = recorded.iter().filter(|old| old.envelope.round == passing.envelope.round);
        let moved = here.map(|old| {
            let mut moved = Passing { to: passing.to, ..old.clone() };
            let header = &mut moved.envelope;
            (header.account, header.session, header.from, header.to) = (id, session, from, to);
            moved
        });
        let mut arriving: Vec<Delivery> = moved.map(Delivery::from).collect();
        // This very envelope for another account, epoch, round, and back to its sender.
        for change in 0..4 {
            let mut changed = passing.clone();
            let header = &mut changed.envelope;
            match change {
                0 => header.account = foreign,
                1 => header.epoch = cohold_model::Epoch(2),
                2 => header.round += 1,
                _ => {
                    (header.from, header.to) = (to, from);
                    changed.to = parties[usize::from(from.get()) - 1];
                }
            }
            arriving.push(changed.into());
        }
        arriving.push(passing.into());
        arriving
    });
    cluster.relay.intercept(session, transplant);
    check_signs(&cluster, &account, &[1, 2], 7);
    no_bans(&cluster, &account);
}

/// Row 4: what names a session cannot be split in two ways, at any place where parties name one.
#[test]
fn row_04_distinct_sessions_have_distinct_names() {
    let (a, b) = (Digest([1; 32]), Digest([2; 32]));
    let mut names = std::collections::BTreeSet::new();
    let mut count = 0;
    for (charter, plan) in [(a, b), (b, a), (a, a), (b, b)] {
        for signers in [&[][..], &[1], &[2], &[1, 2], &[2, 1], &[1, 2, 3], &[1, 1], &[1, 2, 1]] {
            for attempt in [0, 1, 2, 3, 11, 12, 21, 121] {
                count += 1;
                names.insert(sign_session(&charter, &plan, &points(signers), attempt));
            }
        }
    }
    assert_eq!(names.len(), count);
    // A golden name: another encoding would be another protocol.
    let name = sign_session(&a, &b, &points(&[1, 2]), 1).to_string();
    assert_eq!(name, GOLDEN_SESSION);
}

const GOLDEN_SESSION: &str = "81d9f3fca9ef73691f91538a6552d36ca294579600d87f5f055996513a5e73a9";

/// Row 13: a party that tells two peers different things while the key is made. Nobody keeps an account.
#[test]
fn row_13_an_equivocated_key_generation_leaves_no_account() {
    let cluster = Cluster::start(3);
    // In each round that has a broadcast, the last byte of what party 1 hears is changed.
    let rounds = [
        (1, "takes part in something else"),
        (2, "saw other broadcasts"),
        (3, "opened something else than it committed to"),
    ];
    for (equivocated, found) in rounds {
        let proposal = cluster.proposal(cluster.terms(2));
        let terms = &proposal.document.terms;
        let peer = TwoFaced::new(terms, Cluster::keygen_session(&proposal), index(2), &cluster.keys());
        let interceptor = peer.saying(move |words| {
            if words.round == equivocated
                && words.to == index(1)
                && let Some(last) = words.broadcast.as_mut().and_then(|body| body.last_mut())
            {
                *last ^= 1;
            }
        });
        cluster.relay.intercept(Cluster::keygen_session(&proposal), interceptor);
        check_no_key(&cluster, &proposal, found);
    }
    for i in 1..=3 {
        assert_eq!(cluster.listed(i), 0);
        assert_eq!(cluster.party(i).keeper().store().account_pending().unwrap(), []);
    }
}

/// Row 19: another chain code than the one that was committed to, to all or to one.
#[test]
fn row_19_a_chain_code_that_was_not_committed_to_aborts() {
    let cluster = Cluster::start(3);
    for to in [None, Some(index(1))] {
        let proposal = cluster.proposal(cluster.terms(2));
        let terms = &proposal.document.terms;
        let peer = TwoFaced::new(terms, Cluster::keygen_session(&proposal), index(2), &cluster.keys());
        let interceptor = peer.saying(move |words| {
            if words.round == 3
                && to.is_none_or(|to: PartyIndex| to == words.to)
                && let Some(body) = &mut words.broadcast
            {
                // The opening ends with the chain code, 32 bytes, and its salt of 16 or 32.
                let at = body.len() - 40;
                body[at] ^= 1;
            }
        });
        cluster.relay.intercept(Cluster::keygen_session(&proposal), interceptor);
        check_no_key(&cluster, &proposal, "opened something else than it committed to");
    }
}

/// Party 1 finds out, nobody is confirmed by everybody, and nobody has an account.
fn check_no_key(
    cluster: &Cluster,
    proposal: &cohold_model::Signed<cohold_model::account::Proposal>,
    found: &str,
) {
    let account = proposal.document.terms.account;
    let mark = cluster.relay.mail().mark();
    cluster.keygen(proposal);
    let reason = cluster.made(1, mark, account).unwrap_err();
    assert!(reason.contains(found), "{reason}");
    for i in [2, 3] {
        cluster.say(i, &ToParty::Abandon { account });
        cluster.made(i, mark, account).unwrap_err();
    }
    for i in 1..=3 {
        let store = cluster.party(i).store();
        assert!(store.account_show(account).unwrap().is_none());
        assert!(store.account_pending_show(account).unwrap().is_none());
    }
}

/// Row 20: replays, junk and forgeries around an honest session abort nothing and ban nobody.
#[test]
fn row_20_replays_and_junk_abort_nothing() {
    let cluster = Cluster::start(2);
    let account = cluster.account(2);
    let target = order(&cluster, &account, &[1, 2], 1);
    let mut before: Vec<Passing> = Vec::new();
    let stranger = cluster.identity(2);
    let noise: Interceptor = Box::new(move |passing| {
        let mut arriving: Vec<Delivery> = before.iter().cloned().map(Delivery::from).collect();
        let sealed = &passing.envelope.sealed;
        let mut flipped = sealed.clone();
        *flipped.last_mut().unwrap() ^= 1;
        let mut other_key = sealed.clone();
        other_key[0] ^= 1;
        let junk = [flipped, other_key, Vec::new(), vec![0; 31], vec![7; 100], sealed[..40].to_vec()];
        for sealed in junk {
            let mut forged = passing.clone();
            forged.envelope.sealed = sealed;
            forged.from = stranger;
            arriving.push(forged.into());
        }
        arriving.extend([passing.clone().into(), passing.clone().into()]);
        before.push(passing);
        arriving
    });
    cluster.relay.intercept(target.session(), noise);
    check_signs(&cluster, &account, &[1, 2], 1);
    no_bans(&cluster, &account);
}

/// Row 20: each direction of each session has a key of its own.
#[test]
fn row_20_no_two_envelopes_share_a_key_and_nonce() {
    let cluster = Cluster::start(2);
    let account = cluster.account(2);
    let sealed: Arc<Mutex<std::collections::BTreeMap<_, Vec<u8>>>> = Arc::default();
    for attempt in [1, 2] {
        let order = order(&cluster, &account, &[1, 2], attempt);
        let seen = Arc::clone(&sealed);
        let watch: Interceptor = Box::new(move |passing| {
            let envelope = &passing.envelope;
            // Encapsulated key and salt name the key; the round is the nonce.
            let place = (envelope.sealed[..64].to_vec(), envelope.round);
            let mut seen = seen.lock().unwrap();
            let before = seen.insert(place, envelope.sealed.clone());
            assert!(before.is_none_or(|before| before == envelope.sealed), "two messages under one nonce");
            vec![passing.into()]
        });
        cluster.relay.intercept(order.session(), watch);
        for answer in cluster.sign(&order).values() {
            account.assemble(&order.plan, answer.signature().unwrap()).unwrap();
        }
    }
    let keys: std::collections::BTreeSet<_> =
        sealed.lock().unwrap().keys().map(|(key, _)| key.clone()).collect();
    assert_eq!(keys.len(), 4, "two sessions, two directions");
    let of = |part: std::ops::Range<usize>| {
        keys.iter().map(|key| &key[part.clone()]).collect::<std::collections::BTreeSet<_>>().len()
    };
    assert_eq!(of(0..32), 2, "one key exchange a direction");
    assert_eq!(of(32..64), 4, "a salt for each session and direction");
}

/// Row 21: a peer that names another party inside its own envelope. It is found out, and as this leaks
/// nothing, a new session may be tried.
#[test]
fn row_21_a_forged_inner_sender_is_named() {
    let cluster = Cluster::start(2);
    let account = cluster.account(2);
    for (attempt, round) in [(1, 1), (2, 2), (3, 3)] {
        let order = order(&cluster, &account, &[1, 2], attempt);
        let mark = lying(&cluster, &account, &order, move |words| {
            if words.round == round {
                words.from = index(3);
            }
        });
        let Answer::Broken { reason, banned } = cluster.answer(1, mark, order.session()) else {
            panic!("round {round}: not found out")
        };
        assert!(reason.contains("another sender") && reason.contains("`2`"), "{reason}");
        assert_eq!(banned, []);
    }
    no_bans(&cluster, &account);
    check_signs(&cluster, &account, &[1, 2], 4);
    // Nor does an envelope that names another sender outside open.
    let target = order(&cluster, &account, &[1, 2], 5);
    let renamed: Interceptor = Box::new(|passing| {
        let mut renamed = passing.clone();
        renamed.envelope.from = index(3);
        vec![renamed.into(), passing.into()]
    });
    cluster.relay.intercept(target.session(), renamed);
    check_signs(&cluster, &account, &[1, 2], 5);
}
