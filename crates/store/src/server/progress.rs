//! What becomes of an approved request: signed, handed over, mined, settled, or ended without a
//! signature. Each step that the world can see leaves a receipt, in the same transaction.
//!
//! Steps go forward only, with one exception: a chain that undoes a block takes its transactions back to
//! `submitted`. A step that does not follow changes nothing, so that whoever repeats one after a crash
//! does no harm.

use cohold_model::receipt::Status;
use cohold_model::{HexBytes, PartyName, RequestId};
use rusqlite::{Connection, params};

use super::requests::{RequestRow, expect};
use super::{ServerStore, change, integer, ledger};
use crate::crash_point;
use crate::database::{Fail, StoreError, seconds};

/// How a transaction ended on its chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// [`Status::Final`] or [`Status::Reverted`].
    pub status: Status,
    /// The block that has it.
    pub block: u64,
    /// Why it was reverted.
    pub reason: Option<String>,
    /// Who signed together, for the receipt.
    pub signers: Vec<PartyName>,
}

/// What a chain says of a transaction that it has in a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It succeeded, in a block that may be undone yet.
    Mined {
        /// The block.
        block: u64,
        /// Who signed together, for the receipt.
        signers: Vec<PartyName>,
    },
    /// It ended.
    Settled(Settlement),
}

/// One step; what is none is cleared.
struct Step<'a> {
    to: Status,
    block: Option<u64>,
    reason: Option<&'a str>,
    now: u64,
}

/// Whether one status may follow another.
fn may_follow(from: Status, to: Status) -> bool {
    match to {
        Status::Pending => false,
        Status::Approved => from == Status::Pending,
        Status::Signed => from == Status::Approved,
        Status::Submitted => matches!(from, Status::Signed | Status::Mined),
        // It may be mined again, in another block.
        Status::Mined => matches!(from, Status::Signed | Status::Submitted | Status::Mined),
        Status::Final | Status::Reverted => {
            matches!(from, Status::Signed | Status::Submitted | Status::Mined)
        }
        Status::Refused => !matches!(from, Status::Mined) && !from.is_end(),
        Status::Expired => matches!(from, Status::Pending | Status::Approved),
    }
}

impl ServerStore {
    /// Stores the signed transaction, before anybody broadcasts it. Whether this did it; false where the
    /// request is not approved, as when a signature came before.
    pub fn request_signed(
        &self,
        request: RequestId,
        transaction: &HexBytes,
        hash: &HexBytes,
        now: u64,
    ) -> Result<bool, StoreError> {
        let signed = self.database.write(|tx| {
            let changed = change(
                tx,
                "UPDATE requests SET status = 'signed', signed_transaction = ?2, transaction_hash = ?3,
                        reason = NULL, updated_at = ?4 WHERE request = ?1 AND status = 'approved'",
                params![request.to_string(), transaction.0, hash.0, seconds(now)],
            )?;
            crash_point!("server.request-signed.before");
            Ok::<_, Fail<StoreError>>(changed == 1)
        })?;
        crash_point!("server.request-signed.after");
        Ok(signed)
    }

    /// A chain endpoint has the transaction. Whether this was news; `signers` are for the receipt.
    pub fn request_submitted(
        &self,
        request: RequestId,
        signers: &[PartyName],
        now: u64,
    ) -> Result<bool, StoreError> {
        let moved = self.database.write(|tx| {
            let row = expect(tx, request)?;
            if row.status != Status::Signed {
                return Ok(false);
            }
            let row = step(tx, row, &Step { to: Status::Submitted, block: None, reason: None, now })?;
            ledger::receipt_append(tx, &row, signers)?;
            crash_point!("server.request-submitted.before");
            Ok::<_, Fail<StoreError>>(true)
        })?;
        crash_point!("server.request-submitted.after");
        Ok(moved)
    }

    /// Blocks have these transactions. Returns those of which this was news.
    pub fn request_found(
        &self,
        found: Vec<(RequestId, Found)>,
        now: u64,
    ) -> Result<Vec<(RequestId, Found)>, StoreError> {
        let news = self.database.write(|tx| {
            let mut news = Vec::new();
            for (request, found) in found {
                let moved = match &found {
                    Found::Mined { block, signers } => mined(tx, request, *block, signers, now)?,
                    Found::Settled(settlement) => settle(tx, request, settlement, now)?,
                };
                news.extend(moved.then_some((request, found)));
            }
            Ok::<_, Fail<StoreError>>(news)
        })?;
        for (_, found) in &news {
            match found {
                Found::Mined { .. } => {
                    crash_point!("server.request-mined.after");
                }
                Found::Settled(_) => {
                    crash_point!("server.request-settle.after");
                }
            }
        }
        Ok(news)
    }

    /// The chain undid the block that had the transaction. Whether this was news.
    pub fn request_unmined(&self, request: RequestId, now: u64) -> Result<bool, StoreError> {
        self.database.write(|tx| {
            let row = expect(tx, request)?;
            if row.status != Status::Mined {
                return Ok(false);
            }
            step(tx, row, &Step { to: Status::Submitted, block: None, reason: None, now })?;
            Ok::<_, Fail<StoreError>>(true)
        })
    }

    /// Ends a request as refused or expired; its nonce is free again. A signed one can only end as
    /// refused, which the caller has seen to be beyond hope. Whether this did it.
    pub fn request_end(
        &self,
        request: RequestId,
        status: Status,
        reason: &str,
        now: u64,
    ) -> Result<bool, StoreError> {
        let ended = self.database.write(|tx| {
            let row = expect(tx, request)?;
            let is_end = matches!(status, Status::Refused | Status::Expired);
            if !is_end || !may_follow(row.status, status) {
                return Ok(false);
            }
            let row = step(tx, row, &Step { to: status, block: None, reason: Some(reason), now })?;
            if row.transaction.is_some() {
                let signers = ledger::signer_names(tx, &row)?;
                ledger::receipt_append(tx, &row, &signers)?;
            }
            crash_point!("server.request-end.before");
            Ok::<_, Fail<StoreError>>(true)
        })?;
        crash_point!("server.request-end.after");
        Ok(ended)
    }

    /// Ends pending requests whose intents expired, at most 1,000 at a time; how many.
    pub fn request_expire(&self, now: u64) -> Result<usize, StoreError> {
        self.database.write(|tx| {
            change(
                tx,
                "UPDATE requests SET status = 'expired', reason = 'nobody approved it in time', updated_at = ?1
                 WHERE number IN (SELECT number FROM requests
                                  WHERE status = 'pending' AND expires_at <= ?1 LIMIT 1000)",
                [seconds(now)],
            )
        })
    }
}

fn mined(
    tx: &Connection,
    request: RequestId,
    block: u64,
    signers: &[PartyName],
    now: u64,
) -> Result<bool, Fail<StoreError>> {
    let row = expect(tx, request)?;
    let known = row.status == Status::Mined && row.block == Some(block);
    if known || !may_follow(row.status, Status::Mined) {
        return Ok(false);
    }
    let row = step(tx, row, &Step { to: Status::Mined, block: Some(block), reason: None, now })?;
    ledger::receipt_append(tx, &row, signers)?;
    crash_point!("server.request-mined.before");
    Ok(true)
}

fn settle(
    tx: &Connection,
    request: RequestId,
    settlement: &Settlement,
    now: u64,
) -> Result<bool, Fail<StoreError>> {
    let row = expect(tx, request)?;
    let Settlement { status: to, block, reason, signers } = settlement;
    let is_settled = matches!(to, Status::Final | Status::Reverted);
    if !is_settled || !may_follow(row.status, *to) {
        return Ok(false);
    }
    let row = step(tx, row, &Step { to: *to, block: Some(*block), reason: reason.as_deref(), now })?;
    ledger::receipt_append(tx, &row, signers)?;
    crash_point!("server.request-settle.before");
    Ok(true)
}

/// Takes the step, and returns the row as it is from now on.
fn step(tx: &Connection, row: RequestRow, step: &Step<'_>) -> Result<RequestRow, Fail<StoreError>> {
    let block = step.block.map(|block| integer("requests", block)).transpose()?;
    let request = row.intent.request.to_string();
    change(
        tx,
        "UPDATE requests SET status = ?2, block = ?3, reason = ?4, updated_at = ?5 WHERE request = ?1",
        params![request, step.to.to_string(), block, step.reason, seconds(step.now)],
    )?;
    let Step { to: status, block, reason, now } = *step;
    Ok(RequestRow { status, block, reason: reason.map(str::to_owned), updated_at: now, ..row })
}

/// A status as it is written.
pub(super) fn status_parse<E: From<StoreError>>(text: &str) -> Result<Status, Fail<E>> {
    let value = serde_json::Value::String(text.into());
    serde_json::from_value(value)
        .map_err(|e| Fail::Refused(StoreError::Row { table: "requests", detail: e.to_string() }.into()))
}
