//! What parties found against each other: this party's own notices, which are made durable with the ban
//! that they tell of, and those of its peers.

use cohold_model::account::Terms;
use cohold_model::{AccountId, Case, Digest, Document as _, IdentityKey, PartyIndex};
use rusqlite::{Connection, Row, params};

use super::{PartyStore, column};
use crate::crash_point;
use crate::database::{Fail, StoreError, from_text, seconds, to_text};

pub(super) const MIGRATION: &str = "
-- What was found by a party that is in the account, against one that is: closed once either has left.
CREATE TABLE cases (
    notice   TEXT PRIMARY KEY,
    account  TEXT NOT NULL,
    finder   TEXT NOT NULL,
    offender TEXT NOT NULL,
    proved   INTEGER NOT NULL,
    closed   INTEGER NOT NULL DEFAULT 0,
    document TEXT NOT NULL,
    at       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- One for each pair and kind of ground, whatever a liar sends; the first stays.
CREATE UNIQUE INDEX cases_open ON cases (account, finder, offender, proved) WHERE closed = 0;
-- Peers who said that they keep one of this party's own.
CREATE TABLE case_keepers (
    notice TEXT NOT NULL,
    peer   TEXT NOT NULL,
    at     INTEGER NOT NULL,
    PRIMARY KEY (notice, peer)
) STRICT, WITHOUT ROWID;
";

/// The most cases that one list has.
const LISTED_MAX: u32 = 10_000;

/// A case as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseRow {
    /// The notice and its documents.
    pub case: Case,
    /// Digest of the notice.
    pub notice: Digest,
    /// Whether its evidence convicted the offender when it came.
    pub proved: bool,
    /// Whether finder or offender has left the account since: it says nothing of the parties of today.
    pub closed: bool,
    /// Seconds since 1970 when it came.
    pub at: u64,
    /// The peers that keep it too, as far as they said so.
    pub kept_by: Vec<IdentityKey>,
}

/// A case on its way into the database.
#[derive(Debug, Clone, Copy)]
pub struct NewCase<'a> {
    /// The case, checked.
    pub case: &'a Case,
    /// Whether its evidence convicts the offender.
    pub proved: bool,
}

impl PartyStore {
    /// Bans a party from a key, for ever, and keeps the case for it, in one step. The first evidence stays.
    pub fn ban_insert_with(
        &self,
        account: AccountId,
        party: PartyIndex,
        evidence: &str,
        case: Option<NewCase<'_>>,
        now: u64,
    ) -> Result<(), StoreError> {
        crash_point!("party.ban.before");
        self.database.write(|tx| {
            // Whoever left and came back since is judged by what it does since.
            if let Some(NewCase { case, .. }) = case
                && is_closed(tx, &case.notice.document.digest())?
            {
                return Ok(());
            }
            tx.execute(
                "INSERT INTO bans VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
                params![account.to_string(), party.get(), evidence, seconds(now)],
            )?;
            case.map_or(Ok(false), |case| insert(tx, case, now)).map(|_| ())
        })?;
        crash_point!("party.ban.after");
        Ok(())
    }

    /// Keeps a case that bans nobody here; whether it is new.
    pub fn case_insert(&self, case: NewCase<'_>, now: u64) -> Result<bool, StoreError> {
        crash_point!("party.case.before");
        let new = self.database.write(|tx| insert(tx, case, now))?;
        crash_point!("party.case.after");
        Ok(new)
    }

    /// Notes that a peer keeps a case of this party's.
    pub fn case_kept(&self, notice: &Digest, peer: &IdentityKey, now: u64) -> Result<(), StoreError> {
        crash_point!("party.case-kept.before");
        self.database.write(|tx| {
            // Of a case that is not here, nobody is told.
            let sql = "INSERT INTO case_keepers SELECT notice, ?2, ?3 FROM cases WHERE notice = ?1
                 ON CONFLICT DO NOTHING";
            tx.execute(sql, params![column(notice), peer.to_string(), seconds(now)])?;
            Ok::<_, Fail<StoreError>>(())
        })?;
        crash_point!("party.case-kept.after");
        Ok(())
    }

    /// The cases of one account, or of all, oldest first.
    pub fn case_list(&self, account: Option<AccountId>) -> Result<Vec<CaseRow>, StoreError> {
        self.database.read(|tx| {
            let sql = "SELECT * FROM cases WHERE ?1 IS NULL OR account = ?1 ORDER BY at, notice LIMIT ?2";
            let mut query = tx.prepare(sql)?;
            let mut rows = query.query(params![account.map(|id| id.to_string()), LISTED_MAX])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(read(tx, row)?);
            }
            Ok(found)
        })
    }

    /// One case, by the digest of its notice.
    pub fn case_show(&self, notice: &Digest) -> Result<Option<CaseRow>, StoreError> {
        self.database.read(|tx| {
            let mut query = tx.prepare("SELECT * FROM cases WHERE notice = ?1")?;
            let mut rows = query.query([column(notice)])?;
            rows.next()?.map(|row| read(tx, row)).transpose()
        })
    }
}

fn insert(tx: &Connection, new: NewCase<'_>, now: u64) -> Result<bool, Fail<StoreError>> {
    let NewCase { case, proved } = new;
    let (Some(finder), Some(offender)) = (case.finder(), case.offender()) else { return Ok(false) };
    let notice = &case.notice.document;
    let added = tx.execute(
        "INSERT INTO cases VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?7) ON CONFLICT DO NOTHING",
        params![
            column(&notice.digest()),
            notice.account.to_string(),
            finder.identity.to_string(),
            offender.identity.to_string(),
            proved,
            to_text("cases", case)?,
            seconds(now)
        ],
    )?;
    Ok(added == 1)
}

fn is_closed<E>(tx: &Connection, notice: &Digest) -> Result<bool, Fail<E>> {
    let sql = "SELECT EXISTS (SELECT 1 FROM cases WHERE notice = ?1 AND closed = 1)";
    Ok(tx.query_row(sql, [column(notice)], |row| row.get(0))?)
}

fn read(tx: &Connection, row: &Row<'_>) -> Result<CaseRow, Fail<StoreError>> {
    let case: Case = from_text("cases", &row.get::<_, String>("document")?)?;
    let notice = case.notice.document.digest();
    let mut query = tx.prepare_cached("SELECT peer FROM case_keepers WHERE notice = ?1 ORDER BY peer")?;
    let peers = query.query_map([column(&notice)], |row| row.get::<_, String>(0))?;
    let kept_by = peers.map(|peer| from_text("case_keepers", &format!("\"{}\"", peer?)));
    let kept_by = kept_by.collect::<Result<_, Fail<StoreError>>>()?;
    let at = u64::try_from(row.get::<_, i64>("at")?).unwrap_or_default();
    Ok(CaseRow { notice, case, proved: row.get("proved")?, closed: row.get("closed")?, at, kept_by })
}

/// Closes the cases whose finder or offender a charter has no more.
pub(super) fn close<E>(tx: &Connection, terms: &Terms) -> Result<(), Fail<E>> {
    let identities: Vec<String> = terms.parties.iter().map(|card| card.identity.to_string()).collect();
    let inside = serde_json::Value::from(identities).to_string();
    let sql = "UPDATE cases SET closed = 1 WHERE account = ?1 AND closed = 0
         AND (finder NOT IN (SELECT value FROM json_each(?2))
              OR offender NOT IN (SELECT value FROM json_each(?2)))";
    tx.execute(sql, params![terms.account.to_string(), inside])?;
    Ok(())
}
