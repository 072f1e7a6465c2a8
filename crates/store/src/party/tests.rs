use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cohold_model::account::{Card, PartyKind, Role, Template, Terms, keygen_session};
use cohold_model::charter::KeyBinding;
use cohold_model::intent::{Action, Asset};
use cohold_model::{Amount, HexBytes, IdentitySecret, KeyPath, RequestId};

use super::*;

pub(super) type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

pub(super) fn secret(seed: u8) -> IdentitySecret {
    IdentitySecret::from_seed(&mut [seed; 32])
}

pub(super) fn proposal(account: AccountId) -> Result<Signed<Proposal>> {
    let card = |name: &str, seed: u8| -> Result<Card> {
        Ok(Card {
            party: name.parse()?,
            entity: "me".parse()?,
            kind: PartyKind::Device,
            identity: secret(seed).public(),
            seal: Digest([seed; 32]),
        })
    };
    let terms = Terms {
        guardians: None,
        account,
        template: Template::Free,
        entities: BTreeMap::from([("me".parse()?, Role::User)]),
        parties: vec![card("device", 1)?, card("other", 2)?],
        threshold: 2,
        approvers: BTreeSet::from(["device".parse()?]),
    };
    let proposal = Proposal { terms, proposer: "device".parse()?, created_at: 1, import: None };
    Ok(Signed::by(proposal, "device".parse()?, &secret(1)))
}

pub(super) fn charter(proposal: &Signed<Proposal>) -> Charter {
    let key = KeyBinding {
        public_key: HexBytes(vec![2; 33]),
        public_shares: vec![HexBytes(vec![2; 33]), HexBytes(vec![3; 33])],
        chain_code: Digest([0; 32]),
        transcript: Digest([1; 32]),
    };
    Charter::first(proposal.document.terms.clone(), key, 1)
}

pub(super) fn signed(charter: &Charter) -> Result<Signed<Charter>> {
    let mut signed = Signed::by(charter.clone(), "device".parse()?, &secret(1));
    signed.signatures.insert("other".parse()?, secret(2).sign(&charter.digest()));
    signed.check()?;
    Ok(signed)
}

pub(super) fn account(n: u8) -> Result<AccountId> {
    Ok(format!("acc_{n:032x}").parse()?)
}

fn request(n: u32) -> Result<RequestId> {
    Ok(format!("req_{n:032x}").parse()?)
}

pub(super) fn spending(n: u32, session: u32, amount: u128, per_day: u128) -> Result<Spending<'static>> {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&session.to_be_bytes());
    Ok(Spending {
        account: account(1)?,
        request: request(n)?,
        plan: Digest([1; 32]),
        session: SessionId(Digest(bytes)),
        chain_id: 1,
        path: KeyPath::ROOT,
        nonce: 7,
        asset: &Asset::Native,
        amount: Amount::from(amount),
        per_day: Some(Amount::from(per_day)),
        fee: Amount::from(3u128),
        fees_per_day: None,
        presignature: None,
    })
}

#[test]
fn one_limit_counts_all_addresses_of_an_account() -> Result {
    let folder = tempfile::tempdir()?;
    let store = PartyStore::open(&folder.path().join("party.sqlite"))?;
    let at = |text: &str| text.parse::<KeyPath>();
    let pay = |n: u32, session: u32, path: KeyPath, amount: u128| -> Result<_> {
        Ok(store.reserve(&Spending { path, ..spending(n, session, amount, 100)? }, 1_000))
    };
    assert_eq!(pay(1, 1, KeyPath::ROOT, 40)??, Reserved::New);
    assert_eq!(pay(2, 2, at("m/0/5")?, 40)??, Reserved::New);
    let above = pay(3, 3, at("m/0/6")?, 21)?;
    assert!(matches!(above, Err(ReserveError::Limit { .. })), "{above:?}");
    // The same request at another address is not the same payment.
    for (session, path) in [(4, at("m/0/6")?), (5, KeyPath::ROOT)] {
        let moved = pay(2, session, path, 40)?;
        assert!(matches!(moved, Err(ReserveError::Nonce { .. })), "{moved:?}");
    }
    assert_eq!(pay(2, 6, at("m/0/5")?, 40)??, Reserved::Again);
    assert_eq!(pay(3, 7, at("m/0/6")?, 20)??, Reserved::New);
    Ok(())
}

#[test]
fn an_account_comes_into_force_step_by_step_and_survives_reopening() -> Result {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("party.sqlite");
    let id = account(1)?;
    let proposal = proposal(id)?;
    let session = keygen_session(&proposal);
    let charter = charter(&proposal);
    let key = SealedKey { share: vec![1], auxiliary: vec![2] };

    let store = PartyStore::open(&path)?;
    assert!(store.account_keep(&charter, "dkls23", &key, None, 5).is_err(), "nothing was begun");
    store.account_begin(&proposal, session, 1)?;
    assert!(matches!(store.account_begin(&proposal, session, 1), Err(AccountError::Used(_))));
    assert!(store.account_list(None, 10)?.is_empty(), "no half account is listed");
    drop(store);

    let store = PartyStore::open(&path)?;
    store.account_keep(&charter, "dkls23", &key, None, 5)?;
    assert!(store.account_drop(id).is_err(), "a kept share is not dropped");
    assert!(store.account_drop_unfinished()?.is_empty());
    assert_eq!(store.account_pending()?, vec![charter.clone()]);
    assert!(store.account_show(id)?.is_none() && store.account_list(None, 10)?.is_empty());

    let mut other = charter.clone();
    other.created_at = 2;
    assert!(matches!(store.account_activate(&signed(&other)?), Err(AccountError::Unknown(_))));
    store.account_activate(&signed(&charter)?)?;
    store.account_activate(&signed(&charter)?)?;
    store.ban_insert(id, PartyIndex::try_from(2)?, "evidence", 9)?;
    drop(store);

    let store = PartyStore::open(&path)?;
    let active = store.account_show(id)?.ok_or("not active")?;
    assert_eq!((active.charter.document, active.held_since), (charter, 5));
    assert_eq!(active.banned, vec![PartyIndex::try_from(2)?]);
    assert_eq!(store.account_list(None, 10)?.len(), 1);
    assert!(store.account_list(Some(id), 10)?.is_empty());
    let found = store.key_show(id, 1, "dkls23")?.ok_or("no key")?;
    assert_eq!((found.share, found.auxiliary), (vec![1], vec![2]));
    Ok(())
}

#[test]
fn a_cut_off_key_generation_is_forgotten_but_its_session_is_not() -> Result {
    let folder = tempfile::tempdir()?;
    let store = PartyStore::open(&folder.path().join("party.sqlite"))?;
    let proposal = proposal(account(1)?)?;
    store.account_begin(&proposal, keygen_session(&proposal), 1)?;
    assert_eq!(store.account_drop_unfinished()?, vec![account(1)?]);
    let again = store.account_begin(&proposal, keygen_session(&proposal), 1);
    assert!(matches!(again, Err(AccountError::Used(_))));
    Ok(())
}

#[test]
fn a_request_is_counted_once_and_never_gets_a_second_nonce() -> Result {
    let folder = tempfile::tempdir()?;
    let store = PartyStore::open(&folder.path().join("party.sqlite"))?;
    assert_eq!(store.reserve(&spending(1, 1, 60, 100)?, 1000)?, Reserved::New);
    assert_eq!(store.reserve(&spending(1, 2, 60, 100)?, 1000)?, Reserved::Again);
    assert!(matches!(store.reserve(&spending(1, 2, 60, 100)?, 1000), Err(ReserveError::Session(_))));
    let other_nonce = Spending { plan: Digest([2; 32]), nonce: 8, ..spending(1, 3, 60, 100)? };
    assert!(matches!(store.reserve(&other_nonce, 1000), Err(ReserveError::Nonce { .. })));
    let bump = Spending { plan: Digest([2; 32]), ..spending(1, 4, 60, 100)? };
    assert_eq!(store.reserve(&bump, 1000)?, Reserved::Again);
    let over = store.reserve(&spending(2, 5, 41, 100)?, 1000);
    assert!(matches!(over, Err(ReserveError::Limit { used, .. }) if used == Amount::from(60)));
    assert_eq!(store.reserve(&spending(2, 6, 40, 100)?, 1000)?, Reserved::New);
    Ok(())
}

#[test]
fn the_window_slides_and_a_clock_set_back_frees_nothing() -> Result {
    let folder = tempfile::tempdir()?;
    let store = PartyStore::open(&folder.path().join("party.sqlite"))?;
    let day = budget::WINDOW_SECONDS;
    store.reserve(&spending(1, 1, 100, 100)?, 10 * day)?;
    assert!(store.reserve(&spending(2, 2, 1, 100)?, 11 * day - 1).is_err());
    assert!(store.reserve(&spending(2, 3, 1, 100)?, 5 * day).is_err(), "an hour or a week back");
    store.reserve(&spending(2, 4, 1, 100)?, 11 * day)?;
    let most = Spending { amount: Amount::MAX, per_day: None, ..spending(3, 5, 0, 0)? };
    store.reserve(&most, 11 * day)?;
    assert!(store.reserve(&spending(4, 6, 1, u128::MAX)?, 11 * day).is_err(), "sums never wrap");
    Ok(())
}

#[test]
fn what_was_reserved_yesterday_and_is_signed_today_counts_today() -> Result {
    let folder = tempfile::tempdir()?;
    let store = PartyStore::open(&folder.path().join("party.sqlite"))?;
    let day = budget::WINDOW_SECONDS;
    store.reserve(&spending(1, 1, 100, 100)?, 10 * day)?;
    store.reserve(&spending(2, 2, 100, 100)?, 11 * day)?;
    let hoarded = store.reserve(&spending(1, 3, 100, 100)?, 11 * day);
    assert!(matches!(hoarded, Err(ReserveError::Limit { .. })), "{hoarded:?}");
    assert_eq!(store.reserve(&spending(1, 4, 100, 100)?, 12 * day)?, Reserved::Again);
    assert!(store.reserve(&spending(3, 5, 1, 100)?, 13 * day - 1).is_err());
    Ok(())
}

#[test]
fn what_is_reserved_under_a_clock_set_back_leaves_the_window_no_sooner() -> Result {
    let folder = tempfile::tempdir()?;
    let store = PartyStore::open(&folder.path().join("party.sqlite"))?;
    let day = budget::WINDOW_SECONDS;
    store.reserve(&spending(1, 1, 50, 100)?, 10 * day)?;
    store.reserve(&spending(2, 2, 50, 100)?, 9 * day)?;
    assert!(store.reserve(&spending(3, 3, 1, 100)?, 10 * day + 1).is_err());
    store.reserve(&spending(3, 4, 100, 100)?, 11 * day)?;
    Ok(())
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(24))]

    /// Against the plain way to count: every request's last time and largest amount, summed anew.
    #[test]
    fn the_running_sum_is_the_sum(
        steps in proptest::collection::vec((0u32..12, 1u128..60, 0u64..90_000, 0u64..4), 1..60)
    ) {
        let counted = || -> Result {
            let folder = tempfile::tempdir()?;
            let store = PartyStore::open(&folder.path().join("party.sqlite"))?;
            let mut plain: BTreeMap<u32, (u64, u128)> = BTreeMap::new();
            let (mut clock, mut latest) = (1_000_000, 0);
            for (session, (n, amount, later, back)) in (0u32..).zip(steps) {
                clock = clock + later / 4 - back * 3_600;
                // A refusal leaves no trace, not even of its time.
                let now = clock.max(latest);
                let amount = amount.max(plain.get(&n).map_or(0, |(_, amount)| *amount));
                let others = plain.iter().filter(|(other, (at, _))| {
                    **other != n && *at + budget::WINDOW_SECONDS > now
                });
                let fits = others.map(|(_, (_, amount))| amount).sum::<u128>() + amount <= 100;
                let plan = Digest([u8::try_from(session)?; 32]);
                let found = store.reserve(&Spending { plan, ..spending(n, session, amount, 100)? }, clock);
                assert_eq!(found.is_ok(), fits, "step {session}: {found:?}");
                if fits {
                    latest = now;
                    plain.insert(n, (now, amount));
                }
            }
            Ok(())
        };
        counted().map_err(|error| proptest::test_runner::TestCaseError::fail(error.to_string()))?;
    }
}

#[test]
fn a_thousand_requests_at_once_stay_within_the_limit_exactly() -> Result {
    let folder = tempfile::tempdir()?;
    let store = Arc::new(PartyStore::open(&folder.path().join("party.sqlite"))?);
    let threads: Vec<_> = (0..20u32)
        .map(|thread| {
            let store = Arc::clone(&store);
            std::thread::spawn(move || {
                let granted = |n: u32| match spending(n, n, 7, 700) {
                    Ok(spending) => store.reserve(&spending, 1000).is_ok(),
                    Err(_) => false,
                };
                (0..50).filter(|i| granted(thread * 50 + i)).count()
            })
        })
        .collect();
    let granted: usize = threads.into_iter().map(|thread| thread.join().unwrap_or(0)).sum();
    assert_eq!(granted, 100);
    Ok(())
}

#[test]
fn a_damaged_file_is_said_to_be_damaged() -> Result {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("party.sqlite");
    std::fs::write(&path, vec![7; 8192])?;
    assert!(matches!(PartyStore::open(&path), Err(StoreError::Damaged { .. })));
    std::fs::remove_file(&path)?;
    drop(PartyStore::open(&path)?);
    let mut bytes = std::fs::read(&path)?;
    for byte in bytes.iter_mut().skip(4096) {
        *byte = 0xff;
    }
    std::fs::write(&path, bytes)?;
    let found = PartyStore::open(&path).map(|_| ());
    assert!(matches!(found, Err(StoreError::Damaged { .. })), "{found:?}");
    Ok(())
}

#[test]
fn a_void_request_is_never_counted_and_a_counted_one_never_void() -> Result {
    let folder = tempfile::tempdir()?;
    let store = PartyStore::open(&folder.path().join("party.sqlite"))?;
    assert!(store.request_void(account(1)?, request(1)?, 100)?);
    assert!(store.request_void(account(1)?, request(1)?, 100)?, "it stays void");
    let refused = store.reserve(&spending(1, 1, 5, 10)?, 100);
    assert!(matches!(refused, Err(ReserveError::Nonce { .. })), "{refused:?}");

    assert_eq!(store.reserve(&spending(2, 2, 5, 10)?, 100)?, Reserved::New);
    assert!(!store.request_void(account(1)?, request(2)?, 100)?);
    assert_eq!(store.reserve(&spending(2, 3, 5, 10)?, 100)?, Reserved::Again);
    assert_eq!(store.reserve(&spending(3, 4, 5, 10)?, 100)?, Reserved::New, "a void request counts nothing");
    Ok(())
}

/// As `docs/operations.md` has an operator enter a ban that a restored database has forgotten.
#[test]
fn a_ban_can_be_entered_by_hand() -> Result {
    let manual = include_str!("../../../../docs/operations.md");
    let start = manual.find("INSERT INTO bans").ok_or("the manual has no such line")?;
    let sql = manual[start..].split('`').next().unwrap_or_default();
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("party.sqlite");
    let (id, proposal) = (account(1)?, proposal(account(1)?)?);
    let charter = charter(&proposal);
    let store = PartyStore::open(&path)?;
    store.account_begin(&proposal, keygen_session(&proposal), 1)?;
    store.account_keep(&charter, "dkls23", &SealedKey { share: vec![1], auxiliary: vec![2] }, None, 5)?;
    store.account_activate(&signed(&charter)?)?;
    drop(store);
    Connection::open(&path)?.execute_batch(&sql.replace("acc_…", &id.to_string()))?;
    let active = PartyStore::open(&path)?.account_show(id)?.ok_or("not active")?;
    assert_eq!(active.banned, vec![PartyIndex::try_from(2)?]);
    Ok(())
}

fn pay(amount: u128) -> Action {
    Action::Transfer { asset: Asset::Native, to: "bo".into(), amount: Amount::from(amount) }
}

/// At the account's own address.
fn approving(wish: &Action, n: u32, plan: u8, nonce: u64) -> Result<Approving<'_>> {
    Ok(Approving {
        account: account(1)?,
        request: request(n)?,
        action: wish,
        plan: Digest([plan; 32]),
        chain_id: 1,
        path: KeyPath::ROOT,
        nonce,
    })
}

#[test]
fn a_request_is_approved_for_one_wish_and_one_nonce_for_ever() -> Result {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("party.sqlite");
    let store = PartyStore::open(&path)?;
    let (wish, other) = (pay(5), pay(6));
    let approving = |n, plan, nonce| approving(&wish, n, plan, nonce);
    assert!(!store.approval_exists(account(1)?, request(1)?)?);
    store.approval_note(&approving(1, 1, 7)?, 100)?;
    drop(store);

    let store = PartyStore::open(&path)?;
    assert!(store.approval_exists(account(1)?, request(1)?)?);
    store.approval_note(&approving(1, 1, 7)?, 100)?;
    // The same nonce with another fee replaces: only one of both can be mined.
    store.approval_note(&approving(1, 2, 7)?, 100)?;
    for second in [approving(1, 3, 8)?, Approving { chain_id: 2, ..approving(1, 3, 7)? }] {
        let refused = store.approval_note(&second, 100);
        assert!(matches!(refused, Err(ApproveError::Nonce { .. })), "{refused:?}");
    }
    // Nor the same nonce of another address: both could be mined.
    let below: KeyPath = "m/0/5".parse()?;
    let refused = store.approval_note(&Approving { path: below, ..approving(1, 3, 7)? }, 100);
    assert!(matches!(refused, Err(ApproveError::Nonce { .. })), "{refused:?}");
    let refused = store.approval_note(&Approving { action: &other, ..approving(1, 4, 7)? }, 100);
    assert!(matches!(refused, Err(ApproveError::Wish(_))), "{refused:?}");
    store.approval_note(&Approving { path: below, ..approving(3, 1, 7)? }, 100)?;
    let refused = store.approval_note(&approving(3, 1, 7)?, 100).unwrap_err().to_string();
    assert!(refused.contains("nonce 7 of m/0/5 on chain 1"), "{refused}");
    // Other requests and other accounts have their own.
    store.approval_note(&approving(2, 1, 8)?, 100)?;
    store.approval_note(&Approving { account: account(2)?, ..approving(1, 1, 9)? }, 100)?;

    // What was approved with one nonce is not signed with another, whoever else approved that.
    let signed = store.reserve(&Spending { nonce: 8, ..spending(1, 1, 5, 10)? }, 100);
    assert!(matches!(signed, Err(ReserveError::Nonce { .. })), "{signed:?}");
    let signed = store.reserve(&Spending { path: below, ..spending(1, 3, 5, 10)? }, 100);
    assert!(matches!(signed, Err(ReserveError::Nonce { .. })), "{signed:?}");
    assert_eq!(store.reserve(&spending(1, 2, 5, 10)?, 100)?, Reserved::New);
    Ok(())
}

#[test]
fn what_was_signed_or_given_up_is_not_approved_anew() -> Result {
    let folder = tempfile::tempdir()?;
    let store = PartyStore::open(&folder.path().join("party.sqlite"))?;
    let wish = pay(5);
    let approving = |n, nonce| approving(&wish, n, 1, nonce);
    store.reserve(&spending(1, 1, 5, 10)?, 100)?;
    assert!(store.approval_exists(account(1)?, request(1)?)?);
    assert!(matches!(store.approval_note(&approving(1, 8)?, 100), Err(ApproveError::Nonce { .. })));
    store.approval_note(&approving(1, 7)?, 100)?;

    assert!(store.request_void(account(1)?, request(2)?, 100)?);
    assert!(!store.approval_exists(account(1)?, request(2)?)?);
    assert!(matches!(store.approval_note(&approving(2, 7)?, 100), Err(ApproveError::Void(_))));
    Ok(())
}

#[test]
fn fees_have_a_limit_of_their_own_however_little_is_paid() -> Result {
    let folder = tempfile::tempdir()?;
    let store = PartyStore::open(&folder.path().join("party.sqlite"))?;
    let pay = |n: u32, session: u32, fee: u128, at: u64| -> Result<_> {
        let fees_per_day = Some(Amount::from(10u128));
        Ok(store
            .reserve(&Spending { fee: Amount::from(fee), fees_per_day, ..spending(n, session, 1, 100)? }, at))
    };
    assert_eq!(pay(1, 1, 4, 100)??, Reserved::New);
    assert_eq!(pay(2, 2, 4, 100)??, Reserved::New);
    assert!(matches!(pay(3, 3, 4, 100)?, Err(ReserveError::Fees { .. })));
    assert_eq!(pay(3, 3, 2, 100)??, Reserved::New, "what was refused counts nothing and uses up no session");
    // A raised fee counts once, with the most.
    assert!(matches!(pay(1, 4, 5, 100)?, Err(ReserveError::Fees { .. })));
    assert_eq!(pay(1, 4, 3, 100)??, Reserved::Again);
    assert_eq!(pay(4, 5, 10, 100 + 24 * 3600)??, Reserved::New, "the day is over");
    Ok(())
}
