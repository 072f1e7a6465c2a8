use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cohold_model::account::{Card, PartyKind, Proposal, Role, Template, Terms};
use cohold_model::charter::KeyBinding;
use cohold_model::intent::{Action, Approval, Asset, Intent, Plan};
use cohold_model::receipt::Status;
use cohold_model::statement::{Sealing, Statement};
use cohold_model::{
    AccountId, Amount, Charter, Digest, Document as _, Epoch, HexBytes, IdentitySecret, KeyPath, PartyIndex,
    PartyName, RequestId, Signed,
};

use super::*;

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

const HOLD_SECONDS: u64 = 5;

#[derive(Debug, thiserror::Error)]
enum PlanError {
    #[error("no plan")]
    None,
    #[error(transparent)]
    Store(#[from] StoreError),
}

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

fn charter(proposal: &Signed<Proposal>) -> Result<Signed<Charter>> {
    let key = KeyBinding {
        public_key: HexBytes(vec![2; 33]),
        public_shares: vec![HexBytes(vec![2; 33]), HexBytes(vec![3; 33])],
        chain_code: Digest([0; 32]),
        transcript: Digest([1; 32]),
    };
    let charter = Charter::first(proposal.document.terms.clone(), key, 1);
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
        path: KeyPath::ROOT,
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

/// A request that is planned long before anybody approves.
fn submit(store: &ServerStore, n: u32, chain_nonce: u64) -> Result<RequestRow> {
    submit_at(store, n, chain_nonce, 1)
}

fn submit_at(store: &ServerStore, n: u32, chain_nonce: u64, now: u64) -> Result<RequestRow> {
    let intent = intent(n)?;
    let planned = |nonce| Ok::<_, PlanError>(plan(&intent, nonce));
    match store.request_insert(&intent, chain_nonce, HOLD_SECONDS, now, planned)? {
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

fn names() -> Result<Vec<PartyName>> {
    Ok(vec!["device".parse()?, "other".parse()?])
}

fn submitted(store: &ServerStore, n: u32) -> Result<bool> {
    Ok(store.request_submitted(request(n)?, &names()?, 13)?)
}

fn found(store: &ServerStore, n: u32, found: Found, now: u64) -> Result<bool> {
    Ok(!store.request_found(vec![(request(n)?, found)], now)?.is_empty())
}

fn mined(store: &ServerStore, n: u32, block: u64, now: u64) -> Result<bool> {
    found(store, n, Found::Mined { block, signers: names()? }, now)
}

fn settle(store: &ServerStore, n: u32, block: u64) -> Result<bool> {
    let settlement = Settlement { status: Status::Final, block, reason: None, signers: names()? };
    found(store, n, Found::Settled(settlement), 15)
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
    assert_eq!(store.account_list_creating()?.len(), 2);
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
    let order: Vec<_> = store.party_list()?.into_iter().map(|card| card.document.identity).collect();
    assert_eq!(order, [2, 3, 4].map(|seed| secret(seed).public()));
    Ok(())
}

#[test]
fn a_request_is_stored_once_and_another_body_is_noticed() -> Result {
    let (_folder, store) = store()?;
    let row = submit(&store, 1, 7)?;
    assert_eq!((row.nonce, row.status, row.attempt), (7, Status::Pending, 0));
    let same = intent(1)?;
    let again = store.request_insert(&same, 9, HOLD_SECONDS, 20, |_| Err(PlanError::None))?;
    assert_eq!(again, Submission::Same(Box::new(row)), "nothing is planned again");
    let other = Intent { chain_id: 2, ..same };
    let other = store.request_insert(&other, 9, HOLD_SECONDS, 20, |_| Err(PlanError::None))?;
    assert_eq!(other, Submission::Other);
    let failed = store.request_insert(&intent(2)?, 9, HOLD_SECONDS, 20, |_| Err(PlanError::None));
    assert!(matches!(failed, Err(PlanError::None)));
    assert!(store.request_show(request(2)?)?.is_none(), "without a plan nothing is stored");
    Ok(())
}

#[test]
fn each_address_of_an_account_has_its_own_nonces() -> Result {
    let (_folder, store) = store()?;
    let submit = |n: u32, path: &str| -> Result<u64> {
        let intent = Intent { path: path.parse()?, ..intent(n)? };
        let planned = |nonce| Ok::<_, PlanError>(plan(&intent, nonce));
        match store.request_insert(&intent, 7, HOLD_SECONDS, 1, planned)? {
            Submission::New(row) => Ok(row.nonce),
            other => Err(format!("{other:?}").into()),
        }
    };
    let nonces =
        [(1, "m"), (2, "m/0/5"), (3, "m/0/6"), (4, "m/0/5"), (5, "m")].map(|(n, path)| submit(n, path));
    assert_eq!(nonces.into_iter().collect::<Result<Vec<_>>>()?, [7, 7, 7, 8, 8]);
    // Nor do they wait for each other.
    for n in [2, 1, 4, 3, 5] {
        assert!(
            matches!(approve(&store, n)?, ApproveOutcome::Approved(row) if row.attempt == 1),
            "request {n}"
        );
    }
    // The same id for another address is another wish.
    let moved = Intent { path: "m/0/5".parse()?, ..intent(1)? };
    let moved = store.request_insert(&moved, 7, HOLD_SECONDS, 20, |_| Err(PlanError::None))?;
    assert_eq!(moved, Submission::Other);
    Ok(())
}

#[test]
fn an_abandoned_request_blocks_no_other_and_a_nonce_has_one_holder() -> Result {
    let (_folder, store) = store()?;
    for n in [1, 2] {
        assert_eq!(submit(&store, n, 7)?.nonce, if n == 1 { 7 } else { 8 }, "both were just planned");
    }
    assert_eq!(submit_at(&store, 3, 7, 6)?.nonce, 7, "nobody approved the first in time");
    assert_eq!(approve(&store, 2)?, ApproveOutcome::NonceTaken, "8 would wait for 7");
    assert!(matches!(approve(&store, 3)?, ApproveOutcome::Approved(_)));
    assert_eq!(approve(&store, 1)?, ApproveOutcome::NonceTaken);
    assert_eq!(approve(&store, 3)?, ApproveOutcome::NotPending(Status::Approved));
    assert!(matches!(approve(&store, 2)?, ApproveOutcome::Approved(_)), "in its turn now");
    assert_eq!(submit(&store, 4, 7)?.nonce, 9);

    assert!(store.request_end(request(3)?, Status::Refused, "rules", 12)?);
    assert_eq!(approve(&store, 4)?, ApproveOutcome::NonceTaken, "7 is free: 9 would wait for ever");
    assert_eq!(submit_at(&store, 5, 7, 20)?.nonce, 7, "the lowest free nonce comes first");
    assert!(matches!(approve(&store, 5)?, ApproveOutcome::Approved(_)));
    assert!(matches!(approve(&store, 4)?, ApproveOutcome::Approved(_)));
    Ok(())
}

#[test]
fn requests_side_by_side_have_their_own_nonces() -> Result {
    let (_folder, store) = store()?;
    for n in 0..4 {
        assert_eq!(submit_at(&store, n, 0, 10)?.nonce, u64::from(n));
    }
    for n in [2, 0, 3, 1] {
        assert!(matches!(approve(&store, n)?, ApproveOutcome::Approved(_)), "in any order, in time");
    }
    Ok(())
}

#[test]
fn an_endpoint_that_lags_and_one_that_is_ahead_give_no_nonce_twice() -> Result {
    let (_folder, store) = store()?;
    submit(&store, 1, 5)?;
    approve(&store, 1)?;
    assert!(sign(&store, 1)?);
    assert!(mined(&store, 1, 3, 13)?);
    assert_eq!(submit(&store, 2, 5)?.nonce, 6, "an endpoint behind the chain");
    assert_eq!(submit(&store, 3, 9)?.nonce, 9, "transactions from elsewhere");
    assert!(settle(&store, 1, 3)?);
    assert!(matches!(approve(&store, 2)?, ApproveOutcome::Approved(_)), "5 is used, not free");
    assert_eq!(submit(&store, 4, 5)?.nonce, 7, "an endpoint was asked just before 5 was final");
    Ok(())
}

#[test]
fn sessions_are_counted_one_by_one() -> Result {
    let (_folder, store) = store()?;
    submit_at(&store, 1, 0, 10)?;
    assert!(!store.request_attempt(request(1)?, 1, &signers(), 12)?, "nothing is signed unapproved");
    submit_at(&store, 2, 0, 10)?;
    let ApproveOutcome::Approved(row) = approve(&store, 2)? else { return Err("not approved".into()) };
    assert_eq!((row.nonce, row.attempt), (1, 0), "the request before may be approved yet");
    assert!(store.request_attempt(request(2)?, 1, &signers(), 12)?);
    let ApproveOutcome::Approved(row) = approve(&store, 1)? else { return Err("not approved".into()) };
    assert_eq!(Some(&*row), store.request_show(request(1)?)?.as_ref());
    assert_eq!(row.attempt, 1, "its first session is counted with the approval");
    assert!(!store.request_attempt(request(1)?, 1, &signers(), 12)?);
    assert!(!store.request_attempt(request(1)?, 3, &signers(), 12)?);
    store.request_note(request(1)?, "no answer", 12)?;
    assert!(store.request_attempt(request(1)?, 2, &signers(), 12)?);
    let row = store.request_show(request(1)?)?.ok_or("lost")?;
    assert_eq!((row.attempt, row.reason.as_deref()), (2, Some("no answer")));
    assert!(sign(&store, 1)? && !sign(&store, 1)?);
    assert!(!store.request_attempt(request(1)?, 3, &signers(), 12)?, "nothing is signed twice");
    assert!(!store.request_end(request(1)?, Status::Expired, "late", 13)?, "a signed one may be mined");
    Ok(())
}

#[test]
fn requests_only_move_forward_and_leave_receipts() -> Result {
    let (_folder, store) = store()?;
    submit(&store, 1, 0)?;
    let id = request(1)?;
    assert!(!submitted(&store, 1)? && !mined(&store, 1, 4, 12)?, "nothing is signed");
    assert!(!settle(&store, 1, 5)?);
    approve(&store, 1)?;
    sign(&store, 1)?;
    assert!(submitted(&store, 1)? && !submitted(&store, 1)?);
    assert!(mined(&store, 1, 4, 13)? && !mined(&store, 1, 4, 13)?);
    assert!(!submitted(&store, 1)?, "nothing moves back but by the chain");
    assert!(store.request_unmined(id, 14)? && !store.request_unmined(id, 14)?);
    assert!(mined(&store, 1, 5, 15)?);
    assert!(!store.request_end(id, Status::Refused, "gone", 15)?);
    assert!(settle(&store, 1, 5)? && !settle(&store, 1, 5)?);
    assert!(!store.request_unmined(id, 16)? && !mined(&store, 1, 6, 16)?);

    let receipts = store.receipt_list(None, 0, 10)?;
    let told: Vec<_> =
        receipts.iter().map(|receipt| (receipt.number, receipt.status, receipt.block)).collect();
    let expected = [
        (1, Status::Submitted, None),
        (2, Status::Mined, Some(4)),
        (3, Status::Mined, Some(5)),
        (4, Status::Final, Some(5)),
    ];
    assert_eq!(told, expected);
    assert_eq!(receipts[0].previous, Digest([0; 32]));
    assert_eq!(receipts[3].previous, receipts[2].digest());
    for receipt in &receipts {
        assert_eq!(receipt.approvers, vec!["device".parse()?]);
        assert_eq!(receipt.signers, vec!["device".parse()?, "other".parse()?]);
    }
    assert_eq!(store.receipt_list(Some(account(1)?), 2, 10)?.len(), 2);
    assert!(store.receipt_list(Some(account(2)?), 0, 10)?.is_empty());
    assert_eq!(store.ledger_check()?, 4);
    Ok(())
}

#[test]
fn what_a_block_has_is_noted_together_and_news_is_told_apart() -> Result {
    let (_folder, store) = store()?;
    for n in 1..=3 {
        submit(&store, n, 0)?;
        approve(&store, n)?;
        sign(&store, n)?;
        submitted(&store, n)?;
    }
    mined(&store, 2, 7, 14)?;
    let in_block = |n| -> Result<_> { Ok((request(n)?, Found::Mined { block: 7, signers: names()? })) };
    let news = store.request_found(vec![in_block(1)?, in_block(2)?, in_block(3)?], 15)?;
    assert_eq!(news, [in_block(1)?, in_block(3)?]);
    assert_eq!(store.ledger_check()?, 6);
    Ok(())
}

#[test]
fn a_signed_request_beyond_hope_ends_with_a_receipt() -> Result {
    let (_folder, store) = store()?;
    submit(&store, 1, 0)?;
    approve(&store, 1)?;
    sign(&store, 1)?;
    submitted(&store, 1)?;
    assert!(store.request_end(request(1)?, Status::Refused, "its nonce was used elsewhere", 14)?);
    let statuses: Vec<_> =
        store.receipt_list(None, 0, 10)?.into_iter().map(|receipt| receipt.status).collect();
    assert_eq!(statuses, [Status::Submitted, Status::Refused]);
    Ok(())
}

#[test]
fn the_ledger_never_changes_and_tampering_is_noticed() -> Result {
    let (folder, store) = store()?;
    submit(&store, 1, 0)?;
    approve(&store, 1)?;
    sign(&store, 1)?;
    submitted(&store, 1)?;
    mined(&store, 1, 4, 13)?;
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
    submit_at(&store, 2, 0, 6)?;
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
    let numbers = |rows: Vec<RequestRow>| rows.into_iter().map(|row| row.number).collect::<Vec<_>>();
    assert_eq!(numbers(store.request_list(None, None, 2)?), [5, 4]);
    assert_eq!(numbers(store.request_list(Some(account(1)?), Some(4), 2)?), [3, 2]);
    assert!(store.request_list(Some(account(2)?), None, 2)?.is_empty());
    assert!(store.request_list_approved(10)?.is_empty());
    approve(&store, 1)?;
    assert_eq!(store.request_list_approved(10)?, [request(1)?]);
    assert!(store.request_list_settling(1, 10)?.is_empty());
    sign(&store, 1)?;
    assert_eq!(numbers(store.request_list_settling(1, 10)?), [1]);
    assert!(store.request_list_settling(2, 10)?.is_empty() && store.request_list_approved(10)?.is_empty());
    Ok(())
}

#[test]
fn an_account_has_a_bounded_number_of_open_requests() -> Result {
    let (_folder, store) = store()?;
    for n in 0..OPEN_REQUESTS_MAX {
        submit(&store, n, 0)?;
    }
    let one_more = intent(OPEN_REQUESTS_MAX)?;
    let full = store.request_insert(&one_more, 0, HOLD_SECONDS, 10, |_| Err(PlanError::None))?;
    assert_eq!(full, Submission::Full);
    let later = Intent { expires_at: 2_000, ..one_more };
    let planned = |nonce| Ok::<_, PlanError>(plan(&later, nonce));
    let made = store.request_insert(&later, 0, HOLD_SECONDS, 1_000, planned)?;
    assert!(matches!(made, Submission::New(_)), "what expired is not open");
    Ok(())
}

#[test]
fn parallel_approvals_give_each_nonce_to_one() -> Result {
    let (_folder, store) = store()?;
    let store = Arc::new(store);
    for n in 0..16 {
        // Each is planned when the hold of the one before has lapsed.
        assert_eq!(submit_at(&store, n, 0, 10 * u64::from(n))?.nonce, 0);
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
fn tokens_are_kept_as_digests_only() -> Result {
    let (folder, store) = store()?;
    let secret = "5d41402abc4b2a76b9719d911017c592".repeat(2);
    let token = format!("cohold_{secret}");
    assert!(!store.token_check(&token)?);
    store.token_insert(&token)?;
    store.token_insert(&token)?;
    assert!(store.token_check(&token)?);
    for wrong in ["", "cohold_", &secret, &token[..token.len() - 1], &"cohold_".repeat(100)] {
        assert!(!store.token_check(wrong)?, "{wrong}");
    }
    for file in std::fs::read_dir(folder.path())? {
        let bytes = std::fs::read(file?.path())?;
        let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!found, "the token lies on the disk");
    }
    Ok(())
}

#[test]
fn the_last_statement_of_each_party_is_kept_over_a_restart() -> Result {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("server.sqlite");
    let said = |party: &str, seed: u8, issued_at: u64| -> Result<Signed<Statement>> {
        let statement = Statement {
            account: account(1)?,
            party: party.parse()?,
            charter: Digest([1; 32]),
            epoch: Epoch::FIRST,
            sealing: Sealing::KeyFile,
            token: None,
            held_since: 1,
            requires_approval: true,
            allowances: Vec::new(),
            fees: Vec::new(),
            vouches: Vec::new(),
            receipts: Vec::new(),
            deleted: Vec::new(),
            exported_at: None,
            imported: false,
            drilled_at: None,
            resharing_delay: None,
            rules: Digest([2; 32]),
            issued_at,
            expires_at: issued_at + 10,
        };
        Ok(Signed::by(statement, party.parse()?, &secret(seed)))
    };
    let (device, older, newer) = (said("device", 1, 5)?, said("other", 2, 7)?, said("other", 2, 8)?);
    {
        let store = ServerStore::open(&path)?;
        store.account_insert(&proposal(account(1)?)?, 1)?;
        store.statement_put(&[older.clone(), device.clone()])?;
        store.statement_put(std::slice::from_ref(&newer))?;
        store.statement_put(&[older])?;
        // Of an account that is not there, nothing is kept.
        let mut foreign = newer.clone();
        foreign.document.account = account(2)?;
        assert!(store.statement_put(&[foreign]).is_err());
    }
    let store = ServerStore::open(&path)?;
    assert_eq!(store.statement_list(account(1)?)?, [device, newer]);
    assert!(store.statement_list(account(2)?)?.is_empty());
    Ok(())
}

#[test]
fn certificates_are_a_chain_in_which_nothing_changes() -> Result {
    let folder = tempfile::tempdir()?;
    let store = ServerStore::open(&folder.path().join("server.sqlite"))?;
    store.account_insert(&proposal(account(1)?)?, 1)?;
    let issue = |last: Option<CertificateRow>| {
        let number = last.map_or(1, |row| row.number + 1);
        let row = CertificateRow { number, digest: Digest([number as u8; 32]), issued_at: number * 10 };
        Ok::<_, StoreError>(Issued { row, text: format!("{{\"number\":{number}}}") })
    };
    for number in 1..=3 {
        assert_eq!(store.certificate_append(account(1)?, issue)?.row.number, number);
    }
    // The same number again, and one of an account that is not there.
    let again = store.certificate_append(account(1)?, |_| issue(None));
    assert!(again.is_err() && store.certificate_append(account(2)?, issue).is_err());
    assert_eq!(store.certificate_show(account(1)?, 2)?.as_deref(), Some("{\"number\":2}"));
    assert_eq!(store.certificate_show(account(1)?, 4)?, None);
    let numbers = |after, limit| -> Result<Vec<u64>> {
        Ok(store.certificate_list(account(1)?, after, limit)?.iter().map(|row| row.number).collect())
    };
    assert_eq!((numbers(0, 2)?, numbers(2, 2)?, numbers(3, 2)?), (vec![1, 2], vec![3], vec![]));
    assert_eq!(
        (store.certificate_count(account(1)?, 20)?, store.certificate_count(account(1)?, 31)?),
        (2, 0)
    );
    let changed = |sql: &str| store.database.write::<usize, StoreError>(|tx| change(tx, sql, []));
    assert!(changed("UPDATE certificates SET issued_at = 1").is_err());
    assert!(changed("DELETE FROM certificates").is_err());
    Ok(())
}
