//! A request only ever moves forward, and each step that the world can see leaves a receipt, in the same
//! transaction.

use cohold_model::receipt::Status;
use cohold_model::{HexBytes, RequestId};
use rusqlite::{Transaction, params};

use super::requests::{RequestRow, expect};
use super::{ServerStore, change, integer, ledger};
use crate::crash_point;
use crate::database::{Fail, StoreError, seconds};

/// What became of a signed request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// A chain endpoint has it.
    Submitted,
    /// It is in this block, which says that it succeeded.
    Mined {
        /// The block's number.
        block: u64,
    },
    /// It is in this block, deep enough.
    Final {
        /// The block's number.
        block: u64,
    },
    /// It is in this block, which says that it failed.
    Reverted {
        /// The block's number.
        block: u64,
        /// Why.
        reason: String,
    },
}

impl Progress {
    /// The status that it leads to.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::Submitted => Status::Submitted,
            Self::Mined { .. } => Status::Mined,
            Self::Final { .. } => Status::Final,
            Self::Reverted { .. } => Status::Reverted,
        }
    }
}

/// Whether one status may follow another.
fn may_follow(from: Status, to: Status) -> bool {
    match to {
        Status::Pending => false,
        Status::Approved => from == Status::Pending,
        Status::Signed => from == Status::Approved,
        Status::Submitted => from == Status::Signed,
        // A reorganised chain may mine it again, in another block.
        Status::Mined => matches!(from, Status::Signed | Status::Submitted | Status::Mined),
        Status::Final | Status::Reverted => {
            matches!(from, Status::Signed | Status::Submitted | Status::Mined)
        }
        Status::Refused | Status::Expired => matches!(from, Status::Pending | Status::Approved),
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

    /// Moves a signed request forward and writes the receipt. The request where this moved it; none
    /// where it was there or further already.
    pub fn request_progress(
        &self,
        request: RequestId,
        progress: &Progress,
        now: u64,
    ) -> Result<Option<RequestRow>, StoreError> {
        let moved = self.database.write(|tx| {
            let row = expect(tx, request)?;
            if !may_follow(row.status, progress.status()) || is_news_of_old(&row, progress) {
                return Ok(None);
            }
            progress_store(tx, request, progress, now)?;
            let row = expect(tx, request)?;
            ledger::receipt_append(tx, &row)?;
            crash_point!("server.request-progress.before");
            Ok::<_, Fail<StoreError>>(Some(row))
        })?;
        crash_point!("server.request-progress.after");
        Ok(moved)
    }

    /// Ends a request without a signature, as refused or expired; its nonce is free again. The request
    /// where this did it; none where it was signed or ended before.
    pub fn request_end(
        &self,
        request: RequestId,
        status: Status,
        reason: &str,
        now: u64,
    ) -> Result<Option<RequestRow>, StoreError> {
        let ended = self.database.write(|tx| {
            let row = expect(tx, request)?;
            let without_signature = matches!(status, Status::Refused | Status::Expired);
            if !without_signature || !may_follow(row.status, status) {
                return Ok(None);
            }
            change(
                tx,
                "UPDATE requests SET status = ?2, reason = ?3, updated_at = ?4 WHERE request = ?1",
                params![request.to_string(), status.to_string(), reason, seconds(now)],
            )?;
            crash_point!("server.request-end.before");
            Ok::<_, Fail<StoreError>>(Some(expect(tx, request)?))
        })?;
        crash_point!("server.request-end.after");
        Ok(ended)
    }

    /// Ends all pending requests whose intents expired, at most 1,000 at a time; how many.
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

/// The same block once more is no news.
fn is_news_of_old(row: &RequestRow, progress: &Progress) -> bool {
    matches!(progress, Progress::Mined { block } if row.status == Status::Mined && row.block == Some(*block))
}

fn progress_store(
    tx: &Transaction<'_>,
    request: RequestId,
    progress: &Progress,
    now: u64,
) -> Result<(), Fail<StoreError>> {
    let (block, reason) = match progress {
        Progress::Submitted => (None, None),
        Progress::Mined { block } | Progress::Final { block } => (Some(*block), None),
        Progress::Reverted { block, reason } => (Some(*block), Some(reason.as_str())),
    };
    let block = block.map(|block| integer("requests", block)).transpose()?;
    change(
        tx,
        "UPDATE requests SET status = ?2, block = ?3, reason = ?4, updated_at = ?5 WHERE request = ?1",
        params![request.to_string(), progress.status().to_string(), block, reason, seconds(now)],
    )?;
    Ok(())
}

/// A status as it is written.
pub(super) fn status_parse<E: From<StoreError>>(text: &str) -> Result<Status, Fail<E>> {
    let value = serde_json::Value::String(text.into());
    serde_json::from_value(value)
        .map_err(|e| Fail::Refused(StoreError::Row { table: "requests", detail: e.to_string() }.into()))
}
