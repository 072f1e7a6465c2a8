//! Certificates as they were issued: a chain for each account.

use cohold_model::{AccountId, Digest};
use rusqlite::{Connection, Row, params};

use super::{ServerStore, all, change, first, integer, number};
use crate::crash_point;
use crate::database::{Fail, StoreError, seconds};

/// Where a certificate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CertificateRow {
    /// Counts the certificates of an account from 1.
    pub number: u64,
    /// Its digest.
    pub digest: Digest,
    /// Seconds since 1970.
    pub issued_at: u64,
}

/// A certificate that is to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// Where it stands.
    pub row: CertificateRow,
    /// The file.
    pub text: String,
}

impl ServerStore {
    /// Puts a certificate after the last one of its account: `issue` gets that one, and no other comes
    /// between. What it makes has the next number.
    pub fn certificate_append<E: From<StoreError>>(
        &self,
        account: AccountId,
        issue: impl FnOnce(Option<CertificateRow>) -> Result<Issued, E>,
    ) -> Result<Issued, E> {
        let issued = self.database.write(|tx| {
            let last = last(tx, account)?;
            let issued = issue(last).map_err(Fail::Refused)?;
            let CertificateRow { number, digest, issued_at } = issued.row;
            change(
                tx,
                "INSERT INTO certificates VALUES (?1, ?2, ?3, ?4, ?5)",
                params![
                    account.to_string(),
                    integer::<E>("certificates", number)?,
                    digest.0,
                    seconds(issued_at),
                    issued.text
                ],
            )?;
            crash_point!("server.certificate-append.before");
            Ok(issued)
        })?;
        crash_point!("server.certificate-append.after");
        Ok(issued)
    }

    /// One certificate, byte for byte.
    pub fn certificate_show(&self, account: AccountId, number: u64) -> Result<Option<String>, StoreError> {
        self.database.read(|tx| {
            let sql = "SELECT certificate FROM certificates WHERE account = ?1 AND number = ?2";
            first(tx, sql, params![account.to_string(), seconds(number)], |row| Ok(row.get("certificate")?))
        })
    }

    /// Certificates of an account, the oldest first, after number `after`, at most `limit`.
    pub fn certificate_list(
        &self,
        account: AccountId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<CertificateRow>, StoreError> {
        self.database.read(|tx| {
            let sql = "SELECT number, digest, issued_at FROM certificates
                       WHERE account = ?1 AND number > ?2 ORDER BY number LIMIT ?3";
            all(tx, sql, params![account.to_string(), seconds(after), limit], certificate_row)
        })
    }

    /// How many certificates of an account were issued since a moment.
    pub fn certificate_count(&self, account: AccountId, since: u64) -> Result<u64, StoreError> {
        self.database.read(|tx| {
            let sql = "SELECT count(*) AS count FROM (SELECT issued_at FROM certificates
                       WHERE account = ?1 ORDER BY number DESC LIMIT 10000) WHERE issued_at >= ?2";
            let count = first(tx, sql, params![account.to_string(), seconds(since)], |row| {
                number(row, "certificates", "count")
            })?;
            Ok(count.unwrap_or(0))
        })
    }
}

fn last<E: From<StoreError>>(tx: &Connection, account: AccountId) -> Result<Option<CertificateRow>, Fail<E>> {
    let sql = "SELECT number, digest, issued_at FROM certificates
               WHERE account = ?1 ORDER BY number DESC LIMIT 1";
    first(tx, sql, [account.to_string()], certificate_row)
}

fn certificate_row<E: From<StoreError>>(row: &Row<'_>) -> Result<CertificateRow, Fail<E>> {
    Ok(CertificateRow {
        number: number(row, "certificates", "number")?,
        digest: Digest(row.get("digest")?),
        issued_at: number(row, "certificates", "issued_at")?,
    })
}
