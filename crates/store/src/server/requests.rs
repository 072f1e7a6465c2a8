//! Requests and their nonces.
//!
//! A plan gets its nonce in the transaction that stores it, and keeps it for ever: the lowest one, from
//! the chain's own count upwards, that no other request from the same address holds. Approved requests hold theirs until the
//! chain has settled them, pending ones for some seconds only, so that an abandoned request blocks no
//! other; if two come to share a nonce, the first approval takes it, and the other must be asked for
//! anew. What was refused or expired without a signature gives its nonce back.

use std::collections::BTreeSet;

use cohold_model::intent::{Approval, Intent, Plan};
use cohold_model::receipt::Status;
use cohold_model::{AccountId, HexBytes, PartyIndex, RequestId, Signed};
use rusqlite::{Connection, Row, params};

use super::{ServerStore, all, change, first, integer, number};
use crate::crash_point;
use crate::database::{Fail, StoreError, from_text, parse, seconds, to_text};

/// The most requests of one account that may be open at a time.
pub const OPEN_REQUESTS_MAX: u32 = 1_000;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRow {
    /// Counts all requests, from 1; the cursor of lists.
    pub number: u64,
    /// What somebody wants.
    pub intent: Intent,
    /// The bytes that would do it.
    pub plan: Plan,
    /// The nonce in the plan, of the address that pays.
    pub nonce: u64,
    /// Who approved.
    pub approvals: Vec<Signed<Approval>>,
    /// How far it has come.
    pub status: Status,
    /// Signing sessions so far.
    pub attempt: u32,
    /// Who signs in the current session.
    pub signers: Vec<PartyIndex>,
    /// Why it was refused, expired or reverted, or why the last attempt broke off.
    pub reason: Option<String>,
    /// The signed transaction.
    pub transaction: Option<HexBytes>,
    /// Its hash.
    pub transaction_hash: Option<HexBytes>,
    /// The block that has it.
    pub block: Option<u64>,
    /// Seconds since 1970.
    pub created_at: u64,
    /// Seconds since 1970.
    pub updated_at: u64,
}

/// What became of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submission {
    /// It is stored.
    New(Box<RequestRow>),
    /// It was stored before, with this very intent.
    Same(Box<RequestRow>),
    /// Its id was used before, with another intent.
    Other,
    /// The account has [`OPEN_REQUESTS_MAX`] open requests.
    Full,
}

/// What became of an approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApproveOutcome {
    /// It is stored, and the request may be signed. Where it is its turn at once, its first session is
    /// counted with it, and the row says so.
    Approved(Box<RequestRow>),
    /// Another request holds the plan's nonce by now, or one before it was given back: this plan would
    /// not be mined in its turn.
    NonceTaken,
    /// The request is not pending.
    NotPending(Status),
    /// The account came to its next epoch: the approval is under a charter that is past.
    Past,
}

/// Whether an approved request may be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Every nonce before its own belongs to an approved request.
    Now,
    /// One before it is held by a request that may be approved yet.
    Later,
    /// One before it was given up: this plan would wait for ever.
    Lost,
}

impl ServerStore {
    /// Stores an intent with the plan that `plan` makes for its nonce, in one transaction.
    /// `chain_nonce` is how many transactions of the paying address the chain knows; the nonce is kept from
    /// other requests for `hold_seconds` without an approval.
    pub fn request_insert<E: From<StoreError>>(
        &self,
        intent: &Intent,
        chain_nonce: u64,
        hold_seconds: u64,
        now: u64,
        plan: impl FnOnce(u64) -> Result<Plan, E>,
    ) -> Result<Submission, E> {
        let submission = self.database.write(|tx| {
            if let Some(row) = request_show(tx, intent.request)? {
                let same = row.intent == *intent;
                return Ok(if same { Submission::Same(Box::new(row)) } else { Submission::Other });
            }
            if open_count(tx, intent.account, now)? >= OPEN_REQUESTS_MAX {
                return Ok(Submission::Full);
            }
            let nonce = nonce_free(tx, intent, chain_nonce, now)?;
            let plan = plan(nonce).map_err(Fail::Refused)?;
            let held_until = now.saturating_add(hold_seconds);
            insert(tx, &Planned { intent, plan: &plan, nonce, chain_nonce, held_until, now })?;
            crash_point!("server.request-insert.before");
            Ok(Submission::New(Box::new(expect(tx, intent.request)?)))
        })?;
        crash_point!("server.request-insert.after");
        Ok(submission)
    }

    /// Stores an approval and who shall sign; the plan's nonce is the request's alone from now on.
    /// The caller has checked the approval.
    pub fn request_approve(
        &self,
        request: RequestId,
        approval: &Signed<Approval>,
        signers: &[PartyIndex],
        now: u64,
    ) -> Result<ApproveOutcome, StoreError> {
        let outcome = self.database.write(|tx| {
            let row = expect(tx, request)?;
            if row.status != Status::Pending {
                return Ok(ApproveOutcome::NotPending(row.status));
            }
            if is_past(tx, &approval.document)? {
                return Ok(ApproveOutcome::Past);
            }
            let attempt = match turn(tx, request, now)? {
                None | Some(Turn::Lost) => return Ok(ApproveOutcome::NonceTaken),
                Some(Turn::Later) => 0,
                Some(Turn::Now) => 1,
            };
            let approvals: Vec<_> = row.approvals.iter().chain([approval]).cloned().collect();
            change(
                tx,
                "UPDATE requests SET status = 'approved', approvals = ?2, signers = ?3, attempt = ?4,
                        updated_at = ?5 WHERE request = ?1",
                params![
                    request.to_string(),
                    to_text("requests", &approvals)?,
                    to_text("requests", &signers)?,
                    attempt,
                    seconds(now)
                ],
            )?;
            crash_point!("server.request-approve.before");
            let (status, signers, updated_at) = (Status::Approved, signers.to_vec(), now);
            let row = RequestRow { status, approvals, signers, attempt, updated_at, ..row };
            Ok::<_, Fail<StoreError>>(ApproveOutcome::Approved(Box::new(row)))
        })?;
        crash_point!("server.request-approve.after");
        Ok(outcome)
    }

    /// Whether an approved request may be signed now: a transaction before its turn would wait on the
    /// chain for a nonce that nobody may ever use.
    pub fn request_turn(&self, request: RequestId, now: u64) -> Result<Turn, StoreError> {
        self.database.look(|tx| Ok(turn(tx, request, now)?.unwrap_or(Turn::Lost)))
    }

    /// Counts a signing session before its order leaves. False where the request is not approved any
    /// more, or another session was counted meanwhile: then no order may leave.
    pub fn request_attempt(
        &self,
        request: RequestId,
        attempt: u32,
        signers: &[PartyIndex],
        now: u64,
    ) -> Result<bool, StoreError> {
        let counted = self.database.write(|tx| {
            let changed = change(
                tx,
                "UPDATE requests SET attempt = ?2, signers = ?3, updated_at = ?4
                 WHERE request = ?1 AND status = 'approved' AND attempt = ?2 - 1",
                params![request.to_string(), attempt, to_text("requests", &signers)?, seconds(now)],
            )?;
            crash_point!("server.request-attempt.before");
            Ok::<_, Fail<StoreError>>(changed == 1)
        })?;
        crash_point!("server.request-attempt.after");
        Ok(counted)
    }

    /// Notes why a request that goes on does not go on at once.
    pub fn request_note(&self, request: RequestId, reason: &str, now: u64) -> Result<(), StoreError> {
        self.database.write(|tx| {
            change(
                tx,
                "UPDATE requests SET reason = ?2, updated_at = ?3 WHERE request = ?1
                   AND status IN ('approved', 'signed', 'submitted', 'mined')",
                params![request.to_string(), reason, seconds(now)],
            )?;
            Ok(())
        })
    }

    /// One request.
    pub fn request_show(&self, request: RequestId) -> Result<Option<RequestRow>, StoreError> {
        self.database.look(|tx| request_show(tx, request))
    }

    /// Requests, the newest first, before number `before`, at most `limit`.
    pub fn request_list(
        &self,
        account: Option<AccountId>,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<RequestRow>, StoreError> {
        let before = before.map_or(i64::MAX, seconds);
        self.database.read(|tx| match account {
            Some(account) => all(
                tx,
                "SELECT * FROM requests WHERE account = ?1 AND number < ?2 ORDER BY number DESC LIMIT ?3",
                params![account.to_string(), before, limit],
                request_row,
            ),
            None => all(
                tx,
                "SELECT * FROM requests WHERE number < ?1 ORDER BY number DESC LIMIT ?2",
                params![before, limit],
                request_row,
            ),
        })
    }

    /// Approved requests, the oldest first, at most `limit`.
    pub fn request_list_approved(&self, limit: u32) -> Result<Vec<RequestId>, StoreError> {
        self.database.read(|tx| {
            let sql = "SELECT request FROM requests WHERE status = 'approved' ORDER BY number LIMIT ?1";
            all(tx, sql, [limit], |row| parse("requests", &row.get::<_, String>("request")?))
        })
    }

    /// Requests of a chain that are signed and not settled, those changed longest ago first, at most
    /// `limit`.
    pub fn request_list_settling(&self, chain_id: u64, limit: u32) -> Result<Vec<RequestRow>, StoreError> {
        self.database.read(|tx| {
            let sql =
                "SELECT * FROM requests WHERE chain_id = ?1 AND status IN ('signed', 'submitted', 'mined')
                 ORDER BY updated_at, number LIMIT ?2";
            all(tx, sql, params![chain_id.to_string(), limit], request_row)
        })
    }
}

pub(super) fn request_show<E: From<StoreError>>(
    tx: &Connection,
    request: RequestId,
) -> Result<Option<RequestRow>, Fail<E>> {
    first(tx, "SELECT * FROM requests WHERE request = ?1", [request.to_string()], request_row)
}

/// A request that is known to be there.
pub(super) fn expect<E: From<StoreError>>(
    tx: &Connection,
    request: RequestId,
) -> Result<RequestRow, Fail<E>> {
    let lost = || StoreError::Row { table: "requests", detail: format!("request `{request}` is missing") };
    request_show(tx, request)?.ok_or_else(|| Fail::Refused(lost().into()))
}

fn open_count<E>(tx: &Connection, account: AccountId, now: u64) -> Result<u32, Fail<E>> {
    let sql = "SELECT count(*) AS n FROM requests WHERE account = ?1
         AND status IN ('pending', 'approved', 'signed', 'submitted', 'mined')
         AND (status <> 'pending' OR expires_at > ?2)";
    let count = first(tx, sql, params![account.to_string(), seconds(now)], |row| Ok(row.get("n")?))?;
    Ok(count.unwrap_or_default())
}

/// The lowest nonce, from the chain's count upwards, that nobody holds. Settled requests hold theirs too:
/// the count may have been asked for just before they were mined.
fn nonce_free<E: From<StoreError>>(
    tx: &Connection,
    intent: &Intent,
    chain_nonce: u64,
    now: u64,
) -> Result<u64, Fail<E>> {
    let held = all(
        tx,
        "SELECT DISTINCT nonce FROM requests WHERE account = ?1 AND path = ?5 AND chain_id = ?2 AND nonce >= ?3
           AND (status NOT IN ('pending', 'refused', 'expired')
                OR (status = 'pending' AND held_until > ?4)) ORDER BY nonce",
        params![
            intent.account.to_string(),
            intent.chain_id.to_string(),
            integer("requests", chain_nonce)?,
            seconds(now),
            intent.path.to_string()
        ],
        |row| number(row, "requests", "nonce"),
    )?;
    Ok(held
        .into_iter()
        .fold(chain_nonce, |free, held| if held == free { free.saturating_add(1) } else { free }))
}

/// Whether a request's turn has come, by the nonces from the chain's count at planning up to its own; none
/// where another request was approved with this very nonce.
fn turn<E: From<StoreError>>(tx: &Connection, request: RequestId, now: u64) -> Result<Option<Turn>, Fail<E>> {
    let sql = "SELECT r.nonce - r.chain_nonce AS own, o.nonce - r.chain_nonce AS other,
                      o.status <> 'pending' AS used, o.held_until > ?2 AS held
               FROM requests r LEFT JOIN requests o
                 ON o.account = r.account AND o.path = r.path AND o.chain_id = r.chain_id
                    AND o.nonce BETWEEN r.chain_nonce AND r.nonce
                    AND o.request <> r.request AND o.status NOT IN ('refused', 'expired')
               WHERE r.request = ?1";
    let others = all(tx, sql, params![request.to_string(), seconds(now)], |row| {
        let own: i64 = row.get("own")?;
        let other: Option<(i64, bool, bool)> = match row.get("other")? {
            Some(other) => Some((other, row.get("used")?, row.get("held")?)),
            None => None,
        };
        Ok((own, other))
    })?;
    let Some((own, _)) = others.first().copied() else { return Ok(None) };
    let (mut used, mut held) = (BTreeSet::new(), BTreeSet::new());
    for (place, is_used, is_held) in others.into_iter().filter_map(|(_, other)| other) {
        match (place == own, is_used) {
            (true, true) => return Ok(None),
            (true, false) => {}
            (false, true) => drop(used.insert(place)),
            (false, false) if is_held => drop(held.insert(place)),
            (false, false) => {}
        }
    }
    let all = |count: usize| i64::try_from(count).is_ok_and(|count| count == own);
    Ok(Some(if all(used.len()) {
        Turn::Now
    } else if all(used.union(&held).count()) {
        Turn::Later
    } else {
        Turn::Lost
    }))
}

struct Planned<'a> {
    intent: &'a Intent,
    plan: &'a Plan,
    nonce: u64,
    chain_nonce: u64,
    held_until: u64,
    now: u64,
}

fn insert<E: From<StoreError>>(tx: &Connection, planned: &Planned<'_>) -> Result<(), Fail<E>> {
    let intent = planned.intent;
    change(
        tx,
        "INSERT INTO requests (request, account, chain_id, nonce, chain_nonce, intent, plan, held_until,
                               expires_at, created_at, updated_at, path)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10, ?11)",
        params![
            intent.request.to_string(),
            intent.account.to_string(),
            intent.chain_id.to_string(),
            integer("requests", planned.nonce)?,
            integer("requests", planned.chain_nonce)?,
            to_text("requests", intent)?,
            to_text("requests", planned.plan)?,
            seconds(planned.held_until),
            seconds(intent.expires_at),
            seconds(planned.now),
            intent.path.to_string()
        ],
    )?;
    Ok(())
}

fn request_row<E: From<StoreError>>(row: &Row<'_>) -> Result<RequestRow, Fail<E>> {
    let text = |column: &str| row.get::<_, String>(column);
    let bytes = |column: &str| row.get::<_, Option<Vec<u8>>>(column).map(|bytes| bytes.map(HexBytes));
    let block: Option<i64> = row.get("block")?;
    Ok(RequestRow {
        number: number(row, "requests", "number")?,
        intent: from_text("requests", &text("intent")?)?,
        plan: from_text("requests", &text("plan")?)?,
        nonce: number(row, "requests", "nonce")?,
        approvals: from_text("requests", &text("approvals")?)?,
        status: super::progress::status_parse(&text("status")?)?,
        attempt: row.get("attempt")?,
        signers: from_text("requests", &text("signers")?)?,
        reason: row.get("reason")?,
        transaction: bytes("signed_transaction")?,
        transaction_hash: bytes("transaction_hash")?,
        block: block.map(i64::unsigned_abs),
        created_at: number(row, "requests", "created_at")?,
        updated_at: number(row, "requests", "updated_at")?,
    })
}

/// Whether another charter has taken the place of the one that an approval is under. Whoever checked that
/// before the transaction may have been overtaken.
fn is_past<E: From<StoreError>>(tx: &Connection, approval: &Approval) -> Result<bool, Fail<E>> {
    let sql =
        "SELECT EXISTS (SELECT 1 FROM reshares WHERE account = ?1 AND previous = ?2 AND state = 'done')";
    let key = params![approval.account.to_string(), approval.charter.to_string()];
    Ok(tx.prepare_cached(sql)?.query_row(key, |row| row.get(0))?)
}
