//! What the coordinator keeps: accounts, the parties that said hello, what they said of themselves,
//! requests on their way, the ledger of receipts, its API tokens. Nothing here is secret, and nothing here moves money.

mod accounts;
mod certificates;
mod ledger;
mod parties;
mod progress;
mod requests;
mod reshares;
mod statements;
mod tokens;

use std::path::Path;

use rusqlite::{Connection, Params, Row};

pub use accounts::{AccountRow, AccountState};
pub use certificates::{CertificateRow, Issued};
pub use ledger::LedgerError;
pub use progress::{Found, Settlement};
pub use requests::{ApproveOutcome, OPEN_REQUESTS_MAX, RequestRow, Submission, Turn};
pub use reshares::{ReshareInsert, ReshareRow, ReshareState};

use crate::database::{Database, Fail, StoreError};

const MIGRATIONS: &[&str] = &[
    include_str!("server/001.sql"),
    include_str!("server/002.sql"),
    include_str!("server/003.sql"),
    include_str!("server/004.sql"),
    include_str!("server/005.sql"),
];

/// The database of a coordinator.
#[derive(Debug)]
pub struct ServerStore {
    database: Database,
}

impl ServerStore {
    /// Opens or makes the database.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Database::open(path, MIGRATIONS).map(|database| Self { database })
    }

    /// Opens a database that is there for reading only, beside the server that has it.
    pub fn open_reading(path: &Path) -> Result<Self, StoreError> {
        Database::open_reading(path, MIGRATIONS).map(|database| Self { database })
    }
}

/// The first row, if there is one.
fn first<T, E>(
    tx: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> Result<T, Fail<E>>,
) -> Result<Option<T>, Fail<E>> {
    let mut query = tx.prepare_cached(sql)?;
    let mut rows = query.query(params)?;
    rows.next()?.map(read).transpose()
}

/// All rows; the query bounds them.
fn all<T, E>(
    tx: &Connection,
    sql: &str,
    params: impl Params,
    mut read: impl FnMut(&Row<'_>) -> Result<T, Fail<E>>,
) -> Result<Vec<T>, Fail<E>> {
    let mut query = tx.prepare_cached(sql)?;
    let mut rows = query.query(params)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

/// Runs a statement; how many rows it changed.
fn change<E>(tx: &Connection, sql: &str, params: impl Params) -> Result<usize, Fail<E>> {
    Ok(tx.prepare_cached(sql)?.execute(params)?)
}

/// A number that SQLite can hold.
fn integer<E: From<StoreError>>(table: &'static str, number: u64) -> Result<i64, Fail<E>> {
    let too_large = |_| StoreError::Row { table, detail: format!("`{number}` is more than can be stored") };
    i64::try_from(number).map_err(|error| Fail::Refused(too_large(error).into()))
}

/// A number that was stored.
fn number<E: From<StoreError>>(row: &Row<'_>, table: &'static str, column: &str) -> Result<u64, Fail<E>> {
    let stored: i64 = row.get(column)?;
    let negative = |_| StoreError::Row { table, detail: format!("`{column}` is negative") };
    u64::try_from(stored).map_err(|error| Fail::Refused(negative(error).into()))
}

#[cfg(test)]
mod tests;
