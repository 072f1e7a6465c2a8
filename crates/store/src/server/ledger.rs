//! The ledger: receipts, each bound to the one before by its digest, never changed.

use cohold_model::intent::Approval;
use cohold_model::receipt::Receipt;
use cohold_model::{AccountId, Digest, Document as _, PartyName, Signed};
use rusqlite::{Connection, Row, params};

use super::accounts::{AccountState, account_show};
use super::requests::RequestRow;
use super::{ServerStore, all, change, first, integer, number};
use crate::database::{Fail, StoreError, from_text, seconds, to_text};

/// Why the ledger is not whole.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// A receipt is missing, changed or out of place.
    #[error("receipt {0} of the ledger does not follow the one before it: restore the last backup")]
    Broken(u64),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ServerStore {
    /// Receipts of an account, or of all, the oldest first, after number `after`, at most `limit`.
    pub fn receipt_list(
        &self,
        account: Option<AccountId>,
        after: u64,
        limit: u32,
    ) -> Result<Vec<Receipt>, StoreError> {
        self.database.read(|tx| match account {
            None => all(
                tx,
                "SELECT receipt FROM receipts WHERE number > ?1 ORDER BY number LIMIT ?2",
                params![seconds(after), limit],
                receipt_row,
            ),
            Some(account) => all(
                tx,
                "SELECT receipt FROM receipts WHERE account = ?3 AND number > ?1 ORDER BY number LIMIT ?2",
                params![seconds(after), limit, account.to_string()],
                receipt_row,
            ),
        })
    }

    /// Walks the whole ledger and checks that each receipt follows the one before; how many there are.
    pub fn ledger_check(&self) -> Result<u64, LedgerError> {
        const STRIDE: u32 = 1_000;
        let (mut count, mut previous) = (0, Digest([0; 32]));
        loop {
            let receipts = self.receipt_list(None, count, STRIDE)?;
            if receipts.is_empty() {
                return Ok(count);
            }
            for receipt in receipts {
                let next = count.saturating_add(1);
                if receipt.number != next || receipt.previous != previous {
                    return Err(LedgerError::Broken(next));
                }
                (count, previous) = (next, receipt.digest());
            }
            let stored = self.database.read(|tx| head(tx, Some(count)))?;
            if stored.is_none_or(|(_, digest)| digest != previous) {
                return Err(LedgerError::Broken(count));
            }
        }
    }
}

/// Appends the receipt of what a request came to.
pub(super) fn receipt_append(
    tx: &Connection,
    row: &RequestRow,
    signers: &[PartyName],
) -> Result<(), Fail<StoreError>> {
    let (last, previous) = head(tx, None)?.unwrap_or((0, Digest([0; 32])));
    let receipt = Receipt {
        number: last.saturating_add(1),
        previous,
        request: row.intent.request,
        account: row.intent.account,
        plan: row.plan.digest(),
        approvers: approvers(&row.approvals),
        signers: signers.to_vec(),
        transaction: row.transaction.clone().unwrap_or_default(),
        transaction_hash: row.transaction_hash.clone().unwrap_or_default(),
        status: row.status,
        block: row.block,
    };
    change(
        tx,
        "INSERT INTO receipts (number, request, account, status, digest, receipt)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            integer("receipts", receipt.number)?,
            receipt.request.to_string(),
            receipt.account.to_string(),
            receipt.status.to_string(),
            receipt.digest().0,
            to_text("receipts", &receipt)?
        ],
    )?;
    Ok(())
}

/// Number and digest of one receipt, or of the last.
fn head(tx: &Connection, number_of: Option<u64>) -> Result<Option<(u64, Digest)>, Fail<StoreError>> {
    first(
        tx,
        "SELECT number, digest FROM receipts WHERE number = coalesce(?1, (SELECT max(number) FROM receipts))",
        [number_of.map(seconds)],
        |row| Ok((number(row, "receipts", "number")?, Digest(row.get("digest")?))),
    )
}

fn receipt_row(row: &Row<'_>) -> Result<Receipt, Fail<StoreError>> {
    from_text("receipts", &row.get::<_, String>("receipt")?)
}

fn approvers(approvals: &[Signed<Approval>]) -> Vec<PartyName> {
    approvals.iter().map(|approval| approval.document.approver.clone()).collect()
}

/// The signers' names, as the charter has them.
pub(super) fn signer_names(tx: &Connection, row: &RequestRow) -> Result<Vec<PartyName>, Fail<StoreError>> {
    let account = account_show(tx, row.intent.account)?;
    let Some(AccountState::Active(charter)) = account.map(|account| account.state) else {
        return Ok(Vec::new());
    };
    let terms = charter.document.terms;
    Ok(row.signers.iter().filter_map(|index| terms.party_at(*index)).map(|card| card.party.clone()).collect())
}
