//! Who has asked this party to join in a resharing, since when, and who objected.

use cohold_model::{AccountId, Digest, PartyName};
use rusqlite::{Row, params};

use super::{PartyStore, column};
use crate::crash_point;
use crate::database::{Fail, StoreError, parse, seconds};

pub(super) const MIGRATION: &str = "
-- One row for each party that asked under a charter: what it asks for later is measured from the first time.
CREATE TABLE notices (
    account   TEXT NOT NULL,
    charter   TEXT NOT NULL,
    asked_by  TEXT NOT NULL,
    since     INTEGER NOT NULL,
    vetoed_by TEXT,
    PRIMARY KEY (account, charter, asked_by)
) STRICT, WITHOUT ROWID;
";

/// Somebody's asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeRow {
    /// Who asked.
    pub asked_by: PartyName,
    /// Seconds since 1970 when it first did.
    pub since: u64,
    /// Who objected.
    pub vetoed_by: Option<PartyName>,
}

impl PartyStore {
    /// Notes that somebody asks, and says since when it does, and whether that is new.
    pub fn notice_see(
        &self,
        account: AccountId,
        charter: &Digest,
        asked_by: &PartyName,
        now: u64,
    ) -> Result<(NoticeRow, bool), StoreError> {
        let seen = self.database.write(|tx| {
            crash_point!("party.notice.before");
            let added = tx.execute(
                "INSERT INTO notices VALUES (?1, ?2, ?3, ?4, NULL) ON CONFLICT DO NOTHING",
                params![account.to_string(), column(charter), asked_by.as_str(), seconds(now)],
            )?;
            // In the same transaction: an objection may have come first.
            let sql = "SELECT asked_by, since, vetoed_by FROM notices
                       WHERE account = ?1 AND charter = ?2 AND asked_by = ?3";
            let mut query = tx.prepare_cached(sql)?;
            let mut rows = query.query(params![account.to_string(), column(charter), asked_by.as_str()])?;
            let row = rows.next()?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
            notice_row(row).map(|row| (row, added > 0))
        })?;
        crash_point!("party.notice.after");
        Ok(seen)
    }

    /// Notes an objection to what somebody asked for, also to what it has not asked for yet.
    pub fn notice_veto(
        &self,
        account: AccountId,
        charter: &Digest,
        asked_by: &PartyName,
        vetoed_by: &PartyName,
        now: u64,
    ) -> Result<(), StoreError> {
        self.database.write(|tx| {
            tx.execute(
                "INSERT INTO notices VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO UPDATE SET vetoed_by = coalesce(vetoed_by, excluded.vetoed_by)",
                params![
                    account.to_string(),
                    column(charter),
                    asked_by.as_str(),
                    seconds(now),
                    vetoed_by.as_str()
                ],
            )?;
            Ok::<_, Fail<StoreError>>(())
        })
    }

    /// Who asked under this charter, by name.
    pub fn notice_list(&self, account: AccountId, charter: &Digest) -> Result<Vec<NoticeRow>, StoreError> {
        self.database.read(|tx| {
            let sql = "SELECT asked_by, since, vetoed_by FROM notices WHERE account = ?1 AND charter = ?2
                       ORDER BY asked_by";
            let mut query = tx.prepare_cached(sql)?;
            let mut rows = query.query(params![account.to_string(), column(charter)])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(notice_row(row)?);
            }
            Ok(found)
        })
    }
}

fn notice_row(row: &Row<'_>) -> Result<NoticeRow, Fail<StoreError>> {
    let vetoed_by: Option<String> = row.get("vetoed_by")?;
    Ok(NoticeRow {
        asked_by: parse("notices", &row.get::<_, String>("asked_by")?)?,
        since: u64::try_from(row.get::<_, i64>("since")?).unwrap_or_default(),
        vetoed_by: vetoed_by.map(|name| parse("notices", &name)).transpose()?,
    })
}
