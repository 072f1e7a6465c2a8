//! Accounts as the coordinator knows them: creating → active, or failed.

use cohold_model::account::Proposal;
use cohold_model::{AccountId, Charter, Signed};
use rusqlite::{Connection, Row, params};

use super::{ServerStore, all, change, first, number};
use crate::crash_point;
use crate::database::{Fail, StoreError, from_text, seconds, to_text};

/// How far an account has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountState {
    /// The parties are making the key.
    Creating,
    /// Every party signed this charter.
    Active(Box<Signed<Charter>>),
    /// It will not come to be, for this reason.
    Failed(String),
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRow {
    /// What it was made from.
    pub proposal: Signed<Proposal>,
    /// How far it has come.
    pub state: AccountState,
    /// Seconds since 1970.
    pub created_at: u64,
    /// Seconds since 1970.
    pub updated_at: u64,
}

impl ServerStore {
    /// Stores a proposal, or returns what is stored under its account id already, which may differ.
    pub fn account_insert(&self, proposal: &Signed<Proposal>, now: u64) -> Result<AccountRow, StoreError> {
        let account = proposal.document.terms.account;
        let row = self.database.write(|tx| {
            let text = to_text("accounts", proposal)?;
            change(
                tx,
                "INSERT INTO accounts (account, state, proposal, created_at, updated_at)
                 VALUES (?1, 'creating', ?2, ?3, ?3) ON CONFLICT DO NOTHING",
                params![account.to_string(), text, seconds(now)],
            )?;
            crash_point!("server.account-insert.before");
            let lost = || StoreError::Row { table: "accounts", detail: "an inserted row is missing".into() };
            account_show(tx, account)?.ok_or_else(|| Fail::Refused(lost()))
        })?;
        crash_point!("server.account-insert.after");
        Ok(row)
    }

    /// Stores the charter that every party signed, which the caller has checked. Whether the account
    /// became active by this; false where it was active or failed before.
    pub fn account_activate(&self, charter: &Signed<Charter>, now: u64) -> Result<bool, StoreError> {
        let activated = self.database.write(|tx| {
            let text = to_text("accounts", charter)?;
            let account = charter.document.terms.account.to_string();
            let changed = change(
                tx,
                "UPDATE accounts SET state = 'active', charter = ?2, updated_at = ?3
                 WHERE account = ?1 AND state = 'creating'",
                params![account, text, seconds(now)],
            )?;
            crash_point!("server.account-activate.before");
            Ok::<_, Fail<StoreError>>(changed == 1)
        })?;
        crash_point!("server.account-activate.after");
        Ok(activated)
    }

    /// Gives up an account that is being made; the account where this did it, none where it was active,
    /// failed or unknown.
    pub fn account_fail(
        &self,
        account: AccountId,
        reason: &str,
        now: u64,
    ) -> Result<Option<AccountRow>, StoreError> {
        let failed = self.database.write(|tx| {
            let changed = change(
                tx,
                "UPDATE accounts SET state = 'failed', reason = ?2, updated_at = ?3
                 WHERE account = ?1 AND state = 'creating'",
                params![account.to_string(), reason, seconds(now)],
            )?;
            crash_point!("server.account-fail.before");
            if changed == 1 { account_show(tx, account) } else { Ok(None) }
        })?;
        crash_point!("server.account-fail.after");
        Ok(failed)
    }

    /// One account, whatever its state.
    pub fn account_show(&self, account: AccountId) -> Result<Option<AccountRow>, StoreError> {
        self.database.look(|tx| account_show(tx, account))
    }

    /// Active accounts, by id, after `after`, at most `limit`.
    pub fn account_list(&self, after: Option<AccountId>, limit: u32) -> Result<Vec<AccountRow>, StoreError> {
        self.database.read(|tx| account_list(tx, "active", after, limit))
    }

    /// Accounts that are being made, at most 1,000.
    pub fn account_list_creating(&self) -> Result<Vec<AccountRow>, StoreError> {
        self.database.read(|tx| account_list(tx, "creating", None, 1_000))
    }
}

pub(super) fn account_show<E: From<StoreError>>(
    tx: &Connection,
    account: AccountId,
) -> Result<Option<AccountRow>, Fail<E>> {
    first(tx, "SELECT * FROM accounts WHERE account = ?1", [account.to_string()], account_row)
}

fn account_list(
    tx: &Connection,
    state: &str,
    after: Option<AccountId>,
    limit: u32,
) -> Result<Vec<AccountRow>, Fail<StoreError>> {
    let after = after.map(|account| account.to_string()).unwrap_or_default();
    let sql = "SELECT * FROM accounts WHERE state = ?1 AND account > ?2 ORDER BY account LIMIT ?3";
    all(tx, sql, params![state, after, limit], account_row)
}

fn account_row<E: From<StoreError>>(row: &Row<'_>) -> Result<AccountRow, Fail<E>> {
    let charter: Option<String> = row.get("charter")?;
    let reason: Option<String> = row.get("reason")?;
    let state = match (charter, reason) {
        (Some(charter), _) => AccountState::Active(Box::new(from_text("accounts", &charter)?)),
        (None, Some(reason)) => AccountState::Failed(reason),
        (None, None) => AccountState::Creating,
    };
    Ok(AccountRow {
        proposal: from_text("accounts", &row.get::<_, String>("proposal")?)?,
        state,
        created_at: number(row, "accounts", "created_at")?,
        updated_at: number(row, "accounts", "updated_at")?,
    })
}
