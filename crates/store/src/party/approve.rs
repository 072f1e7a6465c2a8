//! What a device approved: one request, one wish, one nonce, for ever. Where two quorums of an account
//! need not meet, no signer can see to that; whoever approves can.

use cohold_model::intent::Action;
use cohold_model::{AccountId, Digest, KeyPath, RequestId};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::reserve::{self, VOID};
use super::{PartyStore, column};
use crate::crash_point;
use crate::database::{Fail, StoreError, from_text, seconds, to_text};

/// A plan that a device is about to approve.
#[derive(Debug, Clone, Copy)]
pub struct Approving<'a> {
    /// The account.
    pub account: AccountId,
    /// The request.
    pub request: RequestId,
    /// What somebody wants.
    pub action: &'a Action,
    /// The plan.
    pub plan: Digest,
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// From which address of the account.
    pub path: KeyPath,
    /// The transaction's nonce at that address.
    pub nonce: u64,
}

/// Why a plan must not be approved.
#[derive(Debug, thiserror::Error)]
pub enum ApproveError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Approved or signed before with another chain or nonce: both could be mined.
    #[error(
        "request `{request}` was approved with nonce {nonce} on chain {chain_id} before, and with another it could be paid twice: look whether it was paid before you pay again without `--request`"
    )]
    Nonce {
        /// The request.
        request: RequestId,
        /// The chain of the first plan.
        chain_id: String,
        /// The nonce of the first plan, and of which address unless it is the account's own.
        nonce: String,
    },
    /// Approved before, for something else.
    #[error("request `{0}` was approved for something else before: leave --request out to make a new one")]
    Wish(RequestId),
    /// Made void: this device promised that it is never signed.
    #[error("request `{0}` was given up on this device, for ever: leave --request out to make a new one")]
    Void(RequestId),
}

impl PartyStore {
    /// Notes that a plan is approved. When this returns, and not before, the approval may leave; for
    /// another nonce, chain or wish of the same request it never returns well again.
    pub fn approval_note(&self, approving: &Approving<'_>, now: u64) -> Result<(), ApproveError> {
        crash_point!("party.approve.before");
        self.database.write(|tx| {
            check_counted(tx, approving)?;
            check_approved(tx, approving)?;
            tx.execute(
                "INSERT INTO approvals (account, request, chain_id, nonce, action, plan, at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                 ON CONFLICT DO UPDATE SET plan = excluded.plan, at = excluded.at",
                params![
                    approving.account.to_string(),
                    approving.request.to_string(),
                    approving.chain_id.to_string(),
                    reserve::place(approving.path, approving.nonce),
                    to_text::<_, ApproveError>("approvals", approving.action)?,
                    column(&approving.plan),
                    seconds(now),
                ],
            )?;
            Ok::<_, Fail<ApproveError>>(())
        })?;
        crash_point!("party.approve.after");
        Ok(())
    }

    /// Whether this device ever approved a plan of a request. A request that it signed, it approved.
    pub fn approval_exists(&self, account: AccountId, request: RequestId) -> Result<bool, StoreError> {
        self.database.look(|tx| {
            let sql = "SELECT EXISTS (SELECT 1 FROM approvals WHERE account = ?1 AND request = ?2)
                 OR EXISTS (SELECT 1 FROM reservations
                            WHERE account = ?1 AND request = ?2 AND chain_id <> ?3)";
            let key = params![account.to_string(), request.to_string(), VOID];
            Ok(tx.query_row(sql, key, |row| row.get(0))?)
        })
    }
}

/// What this device itself counted, or made void, under the request's id.
fn check_counted(tx: &Connection, approving: &Approving<'_>) -> Result<(), Fail<ApproveError>> {
    let sql = "SELECT chain_id, nonce FROM reservations WHERE account = ?1 AND request = ?2";
    let Some((chain_id, nonce)) = place(tx, sql, approving.account, approving.request)? else {
        return Ok(());
    };
    if chain_id == VOID {
        return Err(Fail::Refused(ApproveError::Void(approving.request)));
    }
    check_place(approving, chain_id, nonce)
}

/// What this device approved under the request's id.
fn check_approved(tx: &Connection, approving: &Approving<'_>) -> Result<(), Fail<ApproveError>> {
    let Some((chain_id, nonce)) = approved_place(tx, approving.account, approving.request)? else {
        return Ok(());
    };
    check_place(approving, chain_id, nonce)?;
    let sql = "SELECT action FROM approvals WHERE account = ?1 AND request = ?2";
    let key = params![approving.account.to_string(), approving.request.to_string()];
    let text: String = tx.query_row(sql, key, |row| row.get(0))?;
    let action: Action = from_text::<_, ApproveError>("approvals", &text)?;
    if action == *approving.action {
        return Ok(());
    }
    Err(Fail::Refused(ApproveError::Wish(approving.request)))
}

fn check_place(approving: &Approving<'_>, chain_id: String, nonce: String) -> Result<(), Fail<ApproveError>> {
    if chain_id == approving.chain_id.to_string() && nonce == reserve::place(approving.path, approving.nonce)
    {
        return Ok(());
    }
    Err(Fail::Refused(ApproveError::Nonce { request: approving.request, chain_id, nonce }))
}

/// Chain and nonce with which this device approved a request.
pub(super) fn approved_place(
    tx: &Connection,
    account: AccountId,
    request: RequestId,
) -> rusqlite::Result<Option<(String, String)>> {
    let sql = "SELECT chain_id, nonce FROM approvals WHERE account = ?1 AND request = ?2";
    place(tx, sql, account, request)
}

fn place(
    tx: &Connection,
    sql: &str,
    account: AccountId,
    request: RequestId,
) -> rusqlite::Result<Option<(String, String)>> {
    let key = params![account.to_string(), request.to_string()];
    tx.prepare_cached(sql)?.query_row(key, |row| Ok((row.get(0)?, row.get(1)?))).optional()
}
