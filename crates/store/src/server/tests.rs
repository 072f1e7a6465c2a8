use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cohold_model::account::{Card, PartyKind, Proposal, Role, Template, Terms};
use cohold_model::charter::KeyBinding;
use cohold_model::intent::{Action, Approval, Asset, Intent, Plan};
use cohold_model::receipt::Status;
use cohold_model::{
    AccountId, Amount, Charter, Digest, Document as _, Epoch, HexBytes, IdentitySecret, PartyIndex,
    RequestId, Signed,
};

use super::*;

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
#[error("no plan")]
struct NoPlan;

fn secret(seed: u8) -> IdentitySecret {
    IdentitySecret::from_seed(&mut [seed; 32])
}

fn card(name: &str, seed: u8) -> Result<Card> {
    Ok(Card {
        party: name.parse()?,
        entity: "me".parse()?,
        kind: PartyKind::Device,
        identity: secret(seed).public(),
        seal: Digest([seed; 32]),
    })
}

fn account(n: u8) -> Result<AccountId> {
    Ok(format!("acc_{n:032x}").parse()?)
}

fn request(n: u32) -> Result<RequestId> {
    Ok(format!("req_{n:032x}").parse()?)
}

fn proposal(account: AccountId) -> Result<Signed<Proposal>> {
    let terms = Terms {
        account,
        template: Template::Free,
        entities: BTreeMap::from([("me".parse()?, Role::User)]),
        parties: vec![card("device", 1)?, card("other", 2)?],
        threshold: 2,
        approvers: BTreeSet::from(["device".parse()?]),
    };
    let proposal = Proposal { terms, proposer: "device".parse()?, created_at: 1 };
    Ok(Signed::by(proposal, "device".parse()?, &secret(1)))
}

fn charter(proposal: &Signed<Proposal>) -> Result<Signed<Charter>> {
    let key = KeyBinding {
        public_key: HexBytes(vec![2; 33]),
        public_shares: vec![HexBytes(vec![2; 33]), HexBytes(vec![3; 33])],
        chain_code: Digest([0; 32]),
        transcript: Digest([1; 32]),
    };
    let terms = proposal.document.terms.clone();
    let charter = Charter { version: 1, terms, epoch: Epoch::FIRST, key, created_at: 1 };
    Ok(Signed::by(charter, "device".parse()?, &secret(1)))
}

fn intent(n: u32) -> Result<Intent> {
    let action = Action::Transfer { asset: Asset::Native, to: "0x1".into(), amount: Amount::from(5) };
    Ok(Intent {
        request: request(n)?,
        account: account(1)?,
        chain_id: 1,
        action,
        requester: "device".parse()?,
        expires_at: 1_000,
    })
}

fn plan(intent: &Intent, nonce: u64) -> Plan {
    Plan { intent: intent.digest(), payload: HexBytes(nonce.to_be_bytes().to_vec()) }
}

fn signers() -> Vec<PartyIndex> {
    [1, 2].into_iter().filter_map(|index| PartyIndex::try_from(index).ok()).collect()
}

/// A store in a folder, with one active account.
fn store() -> Result<(tempfile::TempDir, ServerStore)> {
    let folder = tempfile::tempdir()?;
    let store = ServerStore::open(&folder.path().join("server.sqlite"))?;
    let proposal = proposal(account(1)?)?;
    store.account_insert(&proposal, 1)?;
    assert!(store.account_activate(&charter(&proposal)?, 2)?);
    Ok((folder, store))
}

fn submit(store: &ServerStore, n: u32, chain_nonce: u64) -> Result<RequestRow> {
    let intent = intent(n)?;
    let made = store.request_insert(&intent, chain_nonce, 10, |nonce| Ok::<_, NoPlan>(plan(&intent, nonce)));
    match made? {
        Submission::New(row) => Ok(*row),
        other => Err(format!("{other:?}").into()),
    }
}

fn approve(store: &ServerStore, n: u32) -> Result<ApproveOutcome> {
    let row = store.request_show(request(n)?)?.ok_or("no request")?;
    let approval = Approval {
        account: account(1)?,
        charter: Digest([0; 32]),
        plan: row.plan.digest(),
        approver: "device".parse()?,
        expires_at: 1_000,
    };
    let approval = Signed::by(approval, "device".parse()?, &secret(1));
    Ok(store.request_approve(request(n)?, &approval, &signers(), 11)?)
}

fn sign(store: &ServerStore, n: u32) -> Result<bool> {
    Ok(store.request_signed(request(n)?, &HexBytes(vec![9]), &HexBytes(vec![8; 32]), 12)?)
}

#[test]
fn an_account_is_active_or_failed_once_and_survives_reopening() -> Result {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("server.sqlite");
    let store = ServerStore::open(&path)?;
    let (first, second) = (proposal(account(1)?)?, proposal(account(2)?)?);
    assert_eq!(store.account_insert(&first, 1)?.state, AccountState::Creating);
    assert_eq!(store.account_insert(&first, 9)?.created_at, 1, "a repetition changes nothing");
    store.account_insert(&second, 1)?;
    assert_eq!(store.account_list_creating(None, 10)?.len(), 2);
    assert!(store.account_activate(&charter(&first)?, 2)?);
    assert!(!store.account_activate(&charter(&first)?, 3)?);
    assert!(store.account_fail(account(1)?, "too late", 3)?.is_none(), "an active account never fails");
    assert!(store.account_fail(account(2)?, "nobody came", 3)?.is_some());
    assert!(!store.account_activate(&charter(&second)?, 4)?);
    drop(store);

    let store = ServerStore::open(&path)?;
    let listed = store.account_list(None, 10)?;
    assert_eq!(listed.len(), 1, "only full accounts are listed");
    assert_eq!(listed[0].state, AccountState::Active(Box::new(charter(&first)?)));
    assert!(store.account_list(Some(account(1)?), 10)?.is_empty());
    let failed = store.account_show(account(2)?)?.map(|row| row.state);
    assert_eq!(failed, Some(AccountState::Failed("nobody came".into())));
    Ok(())
}

#[test]
fn parties_are_remembered_up_to_a_bound() -> Result {
    let (_folder, store) = store()?;
    for (seed, now) in [(1, 10), (2, 30), (3, 20)] {
        store.party_put(&Signed::by(card("p", seed)?, "p".parse()?, &secret(seed)), 3, now)?;
    }
    let newcomer = Signed::by(card("p", 4)?, "p".parse()?, &secret(4));
    store.party_put(&newcomer, 3, 5)?;
    assert_eq!(store.party_show(&secret(4).public())?, Some(newcomer), "who is here now stays");
    assert_eq!(store.party_show(&secret(1).public())?, None, "who was away longest goes");
    let order: Vec<_> = store.party_list(10)?.into_iter().map(|card| card.document.identity).collect();
    assert_eq!(order, [2, 3, 4].map(|seed| secret(seed).public()));
    Ok(())
}

#[test]
fn a_request_is_stored_once_and_another_body_is_noticed() -> Result {
    let (_folder, store) = store()?;
    let row = submit(&store, 1, 7)?;
    assert_eq!((row.nonce, row.status, row.attempt), (7, Status::Pending, 0));
    let same = intent(1)?;
    let again = store.request_insert(&same, 9, 20, |_| Err(NoPlan))?;
    assert_eq!(again, Submission::Same(Box::new(row)), "nothing is planned again");
    let other = Intent { chain_id: 2, ..same };
    assert_eq!(store.request_insert(&other, 9, 20, |_| Err(NoPlan))?, Submission::Other);
    let failed = store.request_insert(&intent(2)?, 9, 20, |_| Err(NoPlan));
    assert!(matches!(failed, Err(InsertError::Plan(NoPlan))));
    assert!(store.request_show(request(2)?)?.is_none(), "without a plan nothing is stored");
    Ok(())
}

#[test]
fn an_abandoned_request_blocks_no_other_and_a_nonce_has_one_holder() -> Result {
    let (_folder, store) = store()?;
    for n in [1, 2] {
        assert_eq!(submit(&store, n, 7)?.nonce, 7, "nobody approved the first");
    }
    assert!(matches!(approve(&store, 2)?, ApproveOutcome::Approved(_)));
    assert_eq!(approve(&store, 1)?, ApproveOutcome::NonceTaken);
    assert_eq!(approve(&store, 2)?, ApproveOutcome::NotPending(Status::Approved));
    for (n, nonce) in [(3, 8), (4, 8)] {
        assert_eq!(submit(&store, n, 7)?.nonce, nonce);
    }
    assert!(matches!(approve(&store, 3)?, ApproveOutcome::Approved(_)));
    assert_eq!(submit(&store, 5, 7)?.nonce, 9);

    store.request_end(request(2)?, Status::Refused, "rules", 12)?;
    assert_eq!(approve(&store, 5)?, ApproveOutcome::NonceTaken, "7 is free: 9 would wait for ever");
    assert_eq!(submit(&store, 6, 7)?.nonce, 7, "the lowest free nonce comes first");
    assert!(matches!(approve(&store, 6)?, ApproveOutcome::Approved(_)));
    assert!(matches!(approve(&store, 5)?, ApproveOutcome::Approved(_)));
    Ok(())
}

#[test]
fn an_endpoint_that_lags_and_one_that_is_ahead_give_no_nonce_twice() -> Result {
    let (_folder, store) = store()?;
    submit(&store, 1, 5)?;
    approve(&store, 1)?;
    assert!(sign(&store, 1)?);
    store.request_progress(request(1)?, &Progress::Mined { block: 3 }, 13)?;
    assert_eq!(submit(&store, 2, 5)?.nonce, 6, "an endpoint behind the chain");
    assert_eq!(submit(&store, 3, 9)?.nonce, 9, "transactions from elsewhere");
    store.request_progress(request(1)?, &Progress::Final { block: 3 }, 14)?;
    assert!(matches!(approve(&store, 2)?, ApproveOutcome::Approved(_)), "5 is used, not free");
    Ok(())
}

#[test]
fn sessions_are_counted_one_by_one() -> Result {
    let (_folder, store) = store()?;
    submit(&store, 1, 0)?;
    assert!(!store.request_attempt(request(1)?, 1, &signers(), 12)?, "nothing is signed unapproved");
    approve(&store, 1)?;
    assert!(store.request_attempt(request(1)?, 1, &signers(), 12)?);
    assert!(!store.request_attempt(request(1)?, 1, &signers(), 12)?);
    assert!(!store.request_attempt(request(1)?, 3, &signers(), 12)?);
    store.request_note(request(1)?, "no answer", 12)?;
    assert!(store.request_attempt(request(1)?, 2, &signers(), 12)?);
    let row = store.request_show(request(1)?)?.ok_or("lost")?;
    assert_eq!((row.attempt, row.reason.as_deref()), (2, Some("no answer")));
    assert!(sign(&store, 1)? && !sign(&store, 1)?);
    assert!(!store.request_attempt(request(1)?, 3, &signers(), 12)?, "nothing is signed twice");
    assert!(store.request_end(request(1)?, Status::Refused, "late", 13)?.is_none());
    Ok(())
}

#[test]
fn requests_only_move_forward_and_leave_receipts() -> Result {
    let (_folder, store) = store()?;
    submit(&store, 1, 0)?;
    assert!(store.request_progress(request(1)?, &Progress::Submitted, 12)?.is_none());
    approve(&store, 1)?;
    sign(&store, 1)?;
    for progress in [
        Progress::Submitted,
        Progress::Mined { block: 4 },
        Progress::Mined { block: 5 },
        Progress::Final { block: 5 },
    ] {
        assert!(store.request_progress(request(1)?, &progress, 13)?.is_some(), "{progress:?}");
        assert!(store.request_progress(request(1)?, &progress, 13)?.is_none(), "{progress:?} again");
    }
    let back = store.request_progress(request(1)?, &Progress::Submitted, 14)?;
    assert!(back.is_none(), "nothing moves back");

    let receipts = store.receipt_list(0, 10)?;
    let told: Vec<_> =
        receipts.iter().map(|receipt| (receipt.number, receipt.status, receipt.block)).collect();
    let expected = [(1, Status::Submitted, None), (2, Status::Mined, Some(4)), (3, Status::Final, Some(5))];
    assert_eq!(told, expected);
    assert_eq!(receipts[0].previous, Digest([0; 32]));
    assert_eq!(receipts[2].previous, receipts[1].digest());
    assert_eq!(receipts[0].approvers, vec!["device".parse()?]);
    assert_eq!(receipts[0].signers, vec!["device".parse()?, "other".parse()?]);
    assert_eq!(store.receipt_list(2, 10)?.len(), 1);
    assert_eq!(store.ledger_check()?, 3);
    Ok(())
}

#[test]
fn the_ledger_never_changes_and_tampering_is_noticed() -> Result {
    let (folder, store) = store()?;
    submit(&store, 1, 0)?;
    approve(&store, 1)?;
    sign(&store, 1)?;
    store.request_progress(request(1)?, &Progress::Submitted, 13)?;
    store.request_progress(request(1)?, &Progress::Mined { block: 4 }, 13)?;
    let other = rusqlite::Connection::open(folder.path().join("server.sqlite"))?;
    assert!(other.execute("UPDATE receipts SET status = 'final'", []).is_err());
    assert!(other.execute("DELETE FROM receipts", []).is_err());
    other.execute_batch(
        "DROP TRIGGER receipts_stay;
         UPDATE receipts SET receipt = replace(receipt, '\"block\":4', '\"block\":5') WHERE number = 2;",
    )?;
    assert!(matches!(store.ledger_check(), Err(LedgerError::Broken(2))));
    Ok(())
}

#[test]
fn what_nobody_approves_expires() -> Result {
    let (_folder, store) = store()?;
    submit(&store, 1, 0)?;
    submit(&store, 2, 0)?;
    approve(&store, 2)?;
    assert_eq!(store.request_expire(999)?, 0);
    assert_eq!(store.request_expire(1_000)?, 1);
    let status = |n| -> Result<_> { Ok(store.request_show(request(n)?)?.map(|row| row.status)) };
    assert_eq!((status(1)?, status(2)?), (Some(Status::Expired), Some(Status::Approved)));
    Ok(())
}

#[test]
fn lists_go_on_where_they_stopped() -> Result {
    let (_folder, store) = store()?;
    for n in 1..=5 {
        submit(&store, n, 0)?;
    }
    approve(&store, 3)?;
    let numbers = |rows: Vec<RequestRow>| rows.into_iter().map(|row| row.number).collect::<Vec<_>>();
    assert_eq!(numbers(store.request_list(None, None, 2)?), [5, 4]);
    assert_eq!(numbers(store.request_list(Some(account(1)?), Some(4), 2)?), [3, 2]);
    assert!(store.request_list(Some(account(2)?), None, 2)?.is_empty());
    assert_eq!(numbers(store.request_list_in(Status::Approved, 0, 10)?), [3]);
    assert_eq!(numbers(store.request_list_in(Status::Pending, 2, 10)?), [4, 5]);
    Ok(())
}

#[test]
fn an_account_has_a_bounded_number_of_open_requests() -> Result {
    let (_folder, store) = store()?;
    for n in 0..OPEN_REQUESTS_MAX {
        submit(&store, n, 0)?;
    }
    let one_more = intent(OPEN_REQUESTS_MAX)?;
    let full = store.request_insert(&one_more, 0, 10, |_| Err(NoPlan))?;
    assert_eq!(full, Submission::Full);
    let later = Intent { expires_at: 2_000, ..one_more };
    let made = store.request_insert(&later, 0, 1_000, |nonce| Ok::<_, NoPlan>(plan(&later, nonce)))?;
    assert!(matches!(made, Submission::New(_)), "what expired is not open");
    Ok(())
}

#[test]
fn parallel_approvals_give_each_nonce_to_one() -> Result {
    let (_folder, store) = store()?;
    let store = Arc::new(store);
    for n in 0..16 {
        submit(&store, n, 0)?;
    }
    let threads: Vec<_> = (0..16)
        .map(|n| {
            let store = Arc::clone(&store);
            std::thread::spawn(move || matches!(approve(&store, n), Ok(ApproveOutcome::Approved(_))))
        })
        .collect();
    let won = threads.into_iter().filter_map(|thread| thread.join().ok()).filter(|won| *won).count();
    assert_eq!(won, 1);
    Ok(())
}

#[test]
fn tokens_are_shown_once_and_stored_as_digests() -> Result {
    let (folder, store) = store()?;
    let token = store.token_create("console", 5)?;
    assert!(token.expose().starts_with("cohold_") && token.expose().len() == 71);
    assert!(store.token_check(token.expose())?);
    let mut wrong = token.expose().to_owned();
    wrong.pop();
    for wrong in [wrong.as_str(), "cohold_", "", "console", &"cohold_".repeat(100)] {
        assert!(!store.token_check(wrong)?, "{wrong}");
    }
    assert!(matches!(store.token_create("console", 6), Err(TokenError::Taken(_))));
    assert!(matches!(store.token_create("", 6), Err(TokenError::Name(_))));
    assert_eq!(store.token_list()?, [TokenRow { name: "console".into(), created_at: 5 }]);
    let secret = token.expose().trim_start_matches("cohold_").as_bytes().to_vec();
    for file in std::fs::read_dir(folder.path())? {
        let bytes = std::fs::read(file?.path())?;
        assert!(!bytes.windows(secret.len()).any(|window| window == secret), "the token lies on the disk");
    }
    assert!(store.token_revoke("console")? && !store.token_revoke("console")?);
    assert!(!store.token_check(token.expose())?);
    Ok(())
}
