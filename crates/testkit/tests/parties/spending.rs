//! What parties count, and what they never sign twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cohold_model::intent::Asset;
use cohold_model::{Document as _, RequestId};
use cohold_node::Keeper as _;
use cohold_party::refusal::Code;
use cohold_party::verify::{Standing, review};
use cohold_party::wire::{FromParty, SignOrder, ToParty};
use cohold_party::{Refusal, Rules};
use cohold_store::party::{ApproveError, Approving};
use cohold_testkit::account::{BOB, COIN, RULES, TOKEN, Wish};
use cohold_testkit::cluster::{Answer, eventually};
use cohold_testkit::{Account, Cluster};

fn code(answer: &Answer) -> Option<Code> {
    answer.refusal().map(|refusal| refusal.code)
}

/// Both sign, or both refuse for this reason.
fn check(cluster: &Cluster, order: &SignOrder, expected: Option<Code>) {
    for (i, answer) in cluster.sign(order) {
        assert_eq!(code(&answer), expected, "party {i}: {answer:?}");
        assert_eq!(answer.signature().is_some(), expected.is_none(), "party {i}: {answer:?}");
    }
}

/// An old order, as it was, again and changed as little as possible.
#[test]
fn replayed_orders_are_signed_and_counted_once() {
    let mut cluster = Cluster::start(2);
    let account = cluster.account(2);
    let device =
        |cluster: &Cluster, wish: &Wish, attempt| account.order(wish, cluster.party(1), &[1, 2], attempt);
    let wish = Wish { amount: COIN, ..Wish::new() };
    let first = device(&cluster, &wish, 1);
    check(&cluster, &first, None);

    // The very same order, even after a restart: its session is used up.
    for i in [1, 2] {
        cluster.stop(i);
        cluster.start_again(i);
    }
    check(&cluster, &first, Some(Code::Order));
    // New attempts are new sessions for the same bytes, and count once.
    check(&cluster, &device(&cluster, &wish, 2), None);
    check(&cluster, &device(&cluster, &wish, 9), None);

    // The same request with another nonce or another asset, which would pay twice.
    check(&cluster, &device(&cluster, &Wish { nonce: 1, ..wish.clone() }, 1), Some(Code::Nonce));
    let token = Wish { asset: Asset::Token(TOKEN.into()), amount: 1, ..wish.clone() };
    check(&cluster, &device(&cluster, &token, 1), Some(Code::Nonce));
    // With the same nonce it replaces: only one of both can be mined, so only one counts.
    let dearer = Wish { base_fee_per_gas: 2_000_000_000, ..wish.clone() };
    check(&cluster, &device(&cluster, &dearer, 1), None);
    let elsewhere = Wish { to: BOB.into(), ..wish.clone() };
    check(&cluster, &device(&cluster, &elsewhere, 1), None);

    // One coin of three is used, whatever was tried.
    for nonce in [1, 2] {
        check(&cluster, &device(&cluster, &Wish { amount: COIN, nonce, ..Wish::new() }, 1), None);
    }
    let last = Wish { amount: 1, nonce: 3, ..Wish::new() };
    check(&cluster, &device(&cluster, &last, 1), Some(Code::Limit));
    // A replacement may not grow beyond the limit either.
    let small = Wish { amount: COIN / 2, nonce: 4, ..Wish::new() };
    check(&cluster, &device(&cluster, &small, 1), Some(Code::Limit));
    // What was signed before may be signed again, as it was counted.
    check(&cluster, &device(&cluster, &wish, 10), None);
}

/// Two quorums that do not meet, and a request that is planned twice: the device approves one nonce, and
/// signs no other, whoever else approved it.
#[test]
fn a_request_is_not_paid_by_two_quorums_that_do_not_meet() {
    let cluster = Cluster::start(4);
    let mut terms = cluster.terms(2);
    terms.approvers.insert(cluster.party(4).spec.party.clone());
    let proposal = cluster.proposal(terms);
    cluster.keygen(&proposal);
    let charter = cluster.charter(&proposal);
    cluster.activate(&charter);
    let account = Account { charter };

    let first = Wish::new();
    let second = Wish { nonce: 1, ..first.clone() };
    let store = cluster.party(1).store();
    let note = |wish: &Wish| {
        let (intent, plan) = (account.intent(wish), account.plan(wish));
        let (account, request, now) = (account.id(), wish.request, cohold_node::now());
        let (chain_id, path, nonce) = (wish.chain_id, wish.path, wish.nonce);
        let action = &intent.action;
        let plan = plan.digest();
        store.approval_note(&Approving { account, request, action, plan, chain_id, path, nonce }, now)
    };
    note(&first).unwrap();
    check(&cluster, &account.order(&first, cluster.party(1), &[2, 3], 1), None);
    assert!(matches!(note(&second), Err(ApproveError::Nonce { .. })));
    // With the other approver's word the others would pay again; the device does not join them, and its
    // own word would not help either.
    for (attempt, approver, refused) in [(1, 4, Code::Approval), (2, 1, Code::Nonce)] {
        let again = account.order(&second, cluster.party(approver), &[1, 4], attempt);
        let mark = cluster.order(1, &again);
        assert_eq!(code(&cluster.answer(1, mark, again.session())), Some(refused));
    }
}

/// Row 24: a thousand orders at once meet a cap of one hundred: exactly one hundred are counted.
#[test]
fn row_24_a_thousand_orders_at_once_share_one_limit() {
    let cluster = Cluster::start(2);
    let account = cluster.account(2);
    let keeper = Arc::clone(cluster.party(2).keeper());
    let (rules, kept) = (Rules::parse(RULES).unwrap(), keeper.kept(account.id()).unwrap());
    // 3 coins a day, 0.03 each.
    let wish = |nonce| Wish { amount: 3 * COIN / 100, nonce, ..Wish::new() };
    let order = |nonce| account.order(&wish(nonce), cluster.party(1), &[1, 2], 1);
    let orders: Vec<SignOrder> = (0..1000).map(order).collect();
    let (counted, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let one = |order: SignOrder| {
        let me = &cluster.party(2).spec.party;
        let standing = Standing { charter: &kept.charter, me, banned: &kept.banned };
        let now = cohold_node::now();
        let reviewed = review(order, standing, &rules, now).unwrap();
        match reviewed.authorize(|reservation| keeper.reserve(reservation, now)) {
            Ok(_) => counted.fetch_add(1, Ordering::SeqCst),
            Err(Refusal { code: Code::Limit, .. }) => refused.fetch_add(1, Ordering::SeqCst),
            Err(other) => panic!("{other}"),
        };
    };
    std::thread::scope(|scope| {
        for order in orders {
            scope.spawn(|| one(order));
        }
    });
    assert_eq!((counted.into_inner(), refused.into_inner()), (100, 900));
}

/// Row 24 through the relay: the party that is asked counts before it signs, however many ask.
#[test]
fn row_24_orders_over_the_relay_share_one_limit() {
    let mut cluster = Cluster::start(2);
    let account = cluster.account(2);
    // Nobody signs with it: what it lets through is what it counted.
    cluster.stop(1);
    let mark = cluster.relay.mail().mark();
    let all = 300;
    for nonce in 0..all {
        let wish = Wish { amount: 3 * COIN / 50, nonce, ..Wish::new() };
        cluster.order(2, &account.order(&wish, cluster.party(1), &[1, 2], 1));
    }
    let refused = |cluster: &Cluster| {
        let letters = cluster.relay.mail().since(mark);
        let codes = letters.iter().filter_map(|letter| match &letter.words {
            FromParty::Refused { refusal, .. } => Some(refusal.code),
            _ => None,
        });
        codes.inspect(|code| assert_eq!(*code, Code::Limit)).count()
    };
    assert!(eventually(|| refused(&cluster) == 250));
    cluster.say(2, &ToParty::Abandon { account: account.id() });
    let broken = |cluster: &Cluster| {
        let letters = cluster.relay.mail().since(mark);
        letters.iter().filter(|letter| matches!(letter.words, FromParty::Broken { .. })).count()
    };
    assert!(eventually(|| broken(&cluster) == 50));
    assert_eq!((refused(&cluster), cluster.signatures().len()), (250, 0));
    check_full(&cluster, &account);
}

fn check_full(cluster: &Cluster, account: &Account) {
    let wish =
        Wish { amount: 1, nonce: 999, request: RequestId::random(&mut cohold_node::rng()), ..Wish::new() };
    let order = account.order(&wish, cluster.party(1), &[1, 2], 1);
    let mark = cluster.order(2, &order);
    assert_eq!(code(&cluster.answer(2, mark, order.session())), Some(Code::Limit));
}
