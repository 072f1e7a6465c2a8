//! Resharings as the coordinator knows them: running → done, or failed on the word of a party that never
//! signs. A cut-over is one transaction: the new charter takes the old one's place, and what was approved
//! under the old one waits for approval again.

use cohold_model::handover::Dealt;
use cohold_model::reshare::Abandonment;
use cohold_model::{
    AccountId, Charter, Consent, Digest, Document as _, IdentityKey, RequestId, Resharing, Signed,
};
use rusqlite::{Connection, Row, params};

use super::{AccountState, ServerStore, accounts, all, change, first, number};
use crate::crash_point;
use crate::database::{Fail, StoreError, from_text, parse, seconds, to_text};

/// The most that are listed of an account, or said to a party at once.
const LISTED_MAX: u32 = 200;

/// How far a resharing has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReshareState {
    /// Its parties are at it, or may be.
    Running,
    /// All parties to come signed this charter.
    Done(Box<Signed<Charter>>),
    /// It will not come into force, by the word of a party that never signs where there is one.
    Failed(Option<Box<Signed<Abandonment>>>),
}

/// A resharing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReshareRow {
    /// The resharing.
    pub resharing: Signed<Resharing>,
    /// The user's consent, where one was given.
    pub consent: Option<Signed<Consent>>,
    /// How far it has come.
    pub state: ReshareState,
    /// The dealers' words as they came.
    pub dealt: Vec<Signed<Dealt>>,
    /// Why it failed, or is about to.
    pub reason: Option<String>,
    /// Seconds since 1970.
    pub created_at: u64,
    /// Seconds since 1970.
    pub updated_at: u64,
}

/// What became of a proposed resharing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReshareInsert {
    /// It is stored.
    New(Box<ReshareRow>),
    /// It was stored before.
    Same(Box<ReshareRow>),
    /// Another one of the account runs.
    Running(Box<ReshareRow>),
    /// The account is not under the charter that it is made for.
    Stale,
}

impl ServerStore {
    /// Stores a resharing, which the caller has checked against the charter in force.
    pub fn reshare_insert(
        &self,
        resharing: &Signed<Resharing>,
        consent: Option<&Signed<Consent>>,
        now: u64,
    ) -> Result<ReshareInsert, StoreError> {
        let Resharing { terms, charter: previous, .. } = &resharing.document;
        let (account, digest) = (terms.account, resharing.document.digest());
        let inserted = self.database.write(|tx| {
            if let Some(row) = show(tx, &digest)? {
                return Ok(ReshareInsert::Same(Box::new(row)));
            }
            if let Some(row) = running(tx, account)? {
                return Ok(ReshareInsert::Running(Box::new(row)));
            }
            if in_force(tx, account)?.is_none_or(|charter| charter.document.digest() != *previous) {
                return Ok(ReshareInsert::Stale);
            }
            let consent = consent.map(|consent| to_text("reshares", consent)).transpose()?;
            change(
                tx,
                "INSERT INTO reshares (resharing, account, previous, state, document, consent, created_at, updated_at)
                 VALUES (?1, ?2, ?3, 'running', ?4, ?5, ?6, ?6)",
                params![
                    digest.to_string(),
                    account.to_string(),
                    previous.to_string(),
                    to_text("reshares", resharing)?,
                    consent,
                    seconds(now)
                ],
            )?;
            crash_point!("server.reshare-insert.before");
            let row = show(tx, &digest)?;
            Ok::<_, Fail<StoreError>>(row.map_or(ReshareInsert::Stale, |row| ReshareInsert::New(Box::new(row))))
        })?;
        crash_point!("server.reshare-insert.after");
        Ok(inserted)
    }

    /// Keeps a dealer's word. It may come after all have signed.
    pub fn reshare_dealt(&self, resharing: &Digest, word: &Signed<Dealt>) -> Result<(), StoreError> {
        self.database.write(|tx| {
            let Some(row) = show(tx, resharing)? else { return Ok(()) };
            if row.dealt.contains(word) {
                return Ok(());
            }
            let words: Vec<_> = row.dealt.iter().chain([word]).collect();
            let text = to_text("reshares", &words)?;
            change(
                tx,
                "UPDATE reshares SET dealt = ?2 WHERE resharing = ?1",
                params![resharing.to_string(), text],
            )?;
            Ok::<_, Fail<StoreError>>(())
        })
    }

    /// Notes why a resharing is about to fail; the first reason stays.
    pub fn reshare_note(&self, resharing: &Digest, reason: &str, now: u64) -> Result<(), StoreError> {
        self.database.write(|tx| {
            let sql = "UPDATE reshares SET reason = ?2, updated_at = ?3
                 WHERE resharing = ?1 AND state = 'running' AND reason IS NULL";
            change(tx, sql, params![resharing.to_string(), reason, seconds(now)])?;
            Ok::<_, Fail<StoreError>>(())
        })
    }

    /// Ends a resharing, on the word of a party that never signs, which the caller has checked, or before any
    /// party can have signed; the resharing where this was news.
    pub fn reshare_fail(
        &self,
        resharing: Digest,
        word: Option<&Signed<Abandonment>>,
        reason: &str,
        now: u64,
    ) -> Result<Option<ReshareRow>, StoreError> {
        let word = word.map(serde_json::to_string).transpose();
        let word = word.map_err(|e| StoreError::Row { table: "reshares", detail: e.to_string() })?;
        let failed = self.database.write(|tx| {
            let changed = change(
                tx,
                "UPDATE reshares SET state = 'failed', abandoned = ?2, reason = coalesce(reason, ?3), updated_at = ?4
                 WHERE resharing = ?1
                   AND (state = 'running' OR (state = 'failed' AND abandoned IS NULL AND ?2 IS NOT NULL))",
                params![resharing.to_string(), word, reason, seconds(now)],
            )?;
            crash_point!("server.reshare-fail.before");
            if changed == 1 { show(tx, &resharing) } else { Ok(None) }
        })?;
        crash_point!("server.reshare-fail.after");
        Ok(failed)
    }

    /// Puts the charter that all parties to come signed in the place of the one in force, which is kept as
    /// past. What was approved and not signed waits for approval again. The caller has checked the charter;
    /// none where the account is not under the one before, or the resharing does not run.
    pub fn reshare_commit(
        &self,
        resharing: &Digest,
        charter: &Signed<Charter>,
        now: u64,
    ) -> Result<Option<(ReshareRow, Vec<RequestId>)>, StoreError> {
        let committed = self.database.write(|tx| {
            let account = charter.document.terms.account;
            let Some(old) = in_force(tx, account)? else { return Ok(None) };
            if charter.document.previous != Some(old.document.digest()) {
                return Ok(None);
            }
            let text = to_text("reshares", charter)?;
            let changed = change(
                tx,
                "UPDATE reshares SET state = 'done', charter = ?2, reason = NULL, updated_at = ?3
                 WHERE resharing = ?1 AND state = 'running'",
                params![resharing.to_string(), text, seconds(now)],
            )?;
            if changed != 1 {
                return Ok(None);
            }
            let id = account.to_string();
            change(
                tx,
                "INSERT INTO past_charters VALUES (?1, ?2, ?3)",
                params![id, old.document.version, to_text("past_charters", &old)?],
            )?;
            change(
                tx,
                "UPDATE accounts SET charter = ?2, updated_at = ?3 WHERE account = ?1",
                params![id, text, seconds(now)],
            )?;
            untold(tx, resharing, &old.document, &charter.document)?;
            let reopened = reopen(tx, account, now)?;
            crash_point!("server.reshare-commit.before");
            let row = show(tx, resharing)?;
            Ok::<_, Fail<StoreError>>(row.map(|row| (row, reopened)))
        })?;
        crash_point!("server.reshare-commit.after");
        Ok(committed)
    }

    /// A party said that it is under a charter, or out by it.
    pub fn reshare_told(&self, identity: &IdentityKey, charter: &Digest) -> Result<(), StoreError> {
        self.database.write(|tx| {
            // Few wait for one party at a time.
            let sql = "SELECT number, charter FROM reshares WHERE number IN
                 (SELECT number FROM reshares_untold WHERE identity = ?1 ORDER BY number LIMIT ?2)";
            let waiting = all(tx, sql, params![identity.to_string(), LISTED_MAX], |row| {
                let text: String = row.get("charter")?;
                let charter: Signed<Charter> = from_text("reshares", &text)?;
                Ok((row.get::<_, i64>("number")?, charter.document.digest()))
            })?;
            for (number, _) in waiting.iter().filter(|(_, digest)| digest == charter) {
                change(
                    tx,
                    "DELETE FROM reshares_untold WHERE identity = ?1 AND number = ?2",
                    params![identity.to_string(), number],
                )?;
            }
            Ok::<_, Fail<StoreError>>(())
        })
    }

    /// Resharings that are done and that a party has not taken yet, the oldest first.
    pub fn reshare_list_untold(&self, identity: &IdentityKey) -> Result<Vec<ReshareRow>, StoreError> {
        self.database.read(|tx| {
            let sql = "SELECT r.* FROM reshares r JOIN reshares_untold u USING (number)
                 WHERE u.identity = ?1 ORDER BY number LIMIT ?2";
            all(tx, sql, params![identity.to_string(), LISTED_MAX], reshare_row)
        })
    }

    /// Who has not taken a resharing that is done: identities as they are written.
    pub fn reshare_untold(&self, resharing: &Digest) -> Result<Vec<String>, StoreError> {
        self.database.read(|tx| {
            let sql = "SELECT u.identity FROM reshares_untold u JOIN reshares r USING (number)
                 WHERE r.resharing = ?1 ORDER BY u.identity";
            all(tx, sql, [resharing.to_string()], |row| Ok(row.get(0)?))
        })
    }

    /// One resharing.
    pub fn reshare_show(&self, resharing: &Digest) -> Result<Option<ReshareRow>, StoreError> {
        self.database.look(|tx| show(tx, resharing))
    }

    /// Resharings of an account, the newest first.
    pub fn reshare_list(&self, account: AccountId) -> Result<Vec<ReshareRow>, StoreError> {
        self.database.read(|tx| {
            let sql = "SELECT * FROM reshares WHERE account = ?1 ORDER BY number DESC LIMIT ?2";
            all(tx, sql, params![account.to_string(), LISTED_MAX], reshare_row)
        })
    }

    /// Resharings that run, at most 1,000.
    pub fn reshare_list_running(&self) -> Result<Vec<ReshareRow>, StoreError> {
        self.database
            .read(|tx| all(tx, "SELECT * FROM reshares WHERE state = 'running' LIMIT 1000", [], reshare_row))
    }

    /// Charters of an account that were in force before, the oldest first.
    pub fn charter_list_past(&self, account: AccountId) -> Result<Vec<Signed<Charter>>, StoreError> {
        self.database.read(|tx| {
            let sql = "SELECT charter FROM past_charters WHERE account = ?1 ORDER BY version";
            all(tx, sql, [account.to_string()], |row| {
                from_text("past_charters", &row.get::<_, String>("charter")?)
            })
        })
    }
}

/// Whoever is in either charter has yet to say that it took the new one.
fn untold(tx: &Connection, resharing: &Digest, old: &Charter, new: &Charter) -> Result<(), Fail<StoreError>> {
    for card in old.terms.parties.iter().chain(&new.terms.parties) {
        change(
            tx,
            "INSERT INTO reshares_untold SELECT ?2, number FROM reshares WHERE resharing = ?1
             ON CONFLICT DO NOTHING",
            params![resharing.to_string(), card.identity.to_string()],
        )?;
    }
    Ok(())
}

/// An approval is for one charter, and a session as well: what was not signed under the old one is asked
/// for again, with the same plan and so the same nonce.
fn reopen(tx: &Connection, account: AccountId, now: u64) -> Result<Vec<RequestId>, Fail<StoreError>> {
    let sql = "UPDATE requests SET status = 'pending', approvals = '[]', signers = '[]', attempt = 0,
                reason = 'the account came to its next epoch: approve it again', held_until = ?2 + 60,
                updated_at = ?2
         WHERE account = ?1 AND status = 'approved' RETURNING request";
    all(tx, sql, params![account.to_string(), seconds(now)], |row| {
        parse("requests", &row.get::<_, String>("request")?)
    })
}

fn in_force(tx: &Connection, account: AccountId) -> Result<Option<Signed<Charter>>, Fail<StoreError>> {
    let row = accounts::account_show::<StoreError>(tx, account)?;
    Ok(row.and_then(|row| match row.state {
        AccountState::Active(charter) => Some(*charter),
        AccountState::Creating | AccountState::Failed(_) => None,
    }))
}

fn running(tx: &Connection, account: AccountId) -> Result<Option<ReshareRow>, Fail<StoreError>> {
    let sql = "SELECT * FROM reshares WHERE account = ?1 AND state = 'running'";
    first(tx, sql, [account.to_string()], reshare_row)
}

fn show(tx: &Connection, resharing: &Digest) -> Result<Option<ReshareRow>, Fail<StoreError>> {
    first(tx, "SELECT * FROM reshares WHERE resharing = ?1", [resharing.to_string()], reshare_row)
}

fn reshare_row(row: &Row<'_>) -> Result<ReshareRow, Fail<StoreError>> {
    let text = |name: &str| row.get::<_, String>(name);
    let optional = |name: &str| row.get::<_, Option<String>>(name);
    let abandoned =
        optional("abandoned")?.map(|word| from_text("reshares", &word).map(Box::new)).transpose()?;
    let state = match (optional("charter")?, text("state")?.as_str()) {
        (Some(charter), _) => ReshareState::Done(Box::new(from_text("reshares", &charter)?)),
        (None, "failed") => ReshareState::Failed(abandoned),
        (None, _) => ReshareState::Running,
    };
    let consent = optional("consent")?.map(|text| from_text("reshares", &text)).transpose()?;
    Ok(ReshareRow {
        resharing: from_text("reshares", &text("document")?)?,
        consent,
        state,
        dealt: from_text("reshares", &text("dealt")?)?,
        reason: optional("reason")?,
        created_at: number(row, "reshares", "created_at")?,
        updated_at: number(row, "reshares", "updated_at")?,
    })
}
