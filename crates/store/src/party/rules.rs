//! Under which rules each account is, and which ones wait.
//!
//! Rules count up per account, and only the last ones are in force. A step from one to the next is one
//! transaction that names the rules it replaces, so of two steps that race, one finds that the other
//! came first.

use std::collections::BTreeSet;

use cohold_model::change::{Consent, Proposer};
use cohold_model::{AccountId, Digest, Signed};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{PartyStore, column};
use crate::crash_point;
use crate::database::{Fail, StoreError, from_text, parse, seconds, to_text};

pub(super) const MIGRATION: &str = "
CREATE TABLE rule_texts (
    digest TEXT PRIMARY KEY,
    text   TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE rules (
    account  TEXT NOT NULL,
    revision INTEGER NOT NULL,
    digest   TEXT NOT NULL REFERENCES rule_texts,
    consent  TEXT,
    at       INTEGER NOT NULL,
    PRIMARY KEY (account, revision)
) STRICT, WITHOUT ROWID;
CREATE INDEX rules_by_text ON rules (digest);
CREATE TABLE rules_waiting (
    account TEXT PRIMARY KEY,
    digest  TEXT NOT NULL REFERENCES rule_texts,
    by      TEXT NOT NULL,
    at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX rules_waiting_by_text ON rules_waiting (digest);
CREATE TABLE rules_file (
    only_one INTEGER PRIMARY KEY CHECK (only_one = 1),
    digest   TEXT NOT NULL
) STRICT;
";

/// As many revisions of an account's rules are kept; the numbers go on.
const REVISIONS_KEPT: u64 = 64;

/// Rules as text, and the digest that names them.
#[derive(Debug, Clone, Copy)]
pub struct RulesText<'a> {
    /// Their name.
    pub digest: Digest,
    /// The text.
    pub text: &'a str,
}

/// Which rules an account is under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InForce {
    /// Counts the account's rules from 1.
    pub revision: u64,
    /// The rules' name.
    pub digest: Digest,
}

/// The rules of an account, in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulesRow {
    /// Which are in force.
    pub in_force: InForce,
    /// Their text.
    pub text: String,
    /// By whose consent, where they needed it.
    pub consent: Option<Signed<Consent>>,
    /// Which wait.
    pub waiting: Option<Waiting>,
}

/// Rules that wait for the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Their name.
    pub digest: Digest,
    /// The text.
    pub text: String,
    /// Who wants them.
    pub by: Proposer,
    /// Seconds since 1970.
    pub since: u64,
}

/// Why rules were not noted.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An account without rules of its own.
    #[error("account `{0}` has no rules here")]
    Unknown(AccountId),
    /// Another change came first.
    #[error("other rules came into force meanwhile: look again")]
    Overtaken,
    /// Another change waits.
    #[error("another change waits for the user: have it accepted or rejected first")]
    Waits,
}

impl PartyStore {
    /// Puts every account that has no rules of its own under these; how many there were.
    pub fn rules_begin(&self, rules: &RulesText<'_>, now: u64) -> Result<usize, StoreError> {
        let none = "SELECT NOT EXISTS (SELECT 1 FROM accounts a WHERE state <> 'making'
             AND NOT EXISTS (SELECT 1 FROM rules r WHERE r.account = a.account))";
        if self.database.read(|tx| Ok::<bool, Fail<StoreError>>(tx.query_row(none, [], |row| row.get(0))?))? {
            return Ok(0);
        }
        crash_point!("party.rules-begin.before");
        let begun = self.database.write(|tx| {
            text_put(tx, rules)?;
            let sql = "INSERT INTO rules SELECT account, 1, ?1, NULL, ?2 FROM accounts a
                 WHERE state <> 'making' AND NOT EXISTS (SELECT 1 FROM rules r WHERE r.account = a.account)";
            Ok::<_, Fail<StoreError>>(tx.execute(sql, params![column(&rules.digest), seconds(now)])?)
        })?;
        crash_point!("party.rules-begin.after");
        Ok(begun)
    }

    /// Which rules an account is under.
    pub fn rules_in_force(&self, account: AccountId) -> Result<Option<InForce>, StoreError> {
        self.database.look(|tx| in_force(tx, account))
    }

    /// The text of rules.
    pub fn rules_text(&self, digest: &Digest) -> Result<Option<String>, StoreError> {
        self.database.look(|tx| text_show(tx, digest))
    }

    /// The rules of an account, and those that wait.
    pub fn rules_show(&self, account: AccountId) -> Result<Option<RulesRow>, StoreError> {
        self.database.look(|tx| {
            let Some(in_force) = in_force(tx, account)? else { return Ok(None) };
            let sql = "SELECT consent FROM rules WHERE account = ?1 AND revision = ?2";
            let key = params![account.to_string(), number(in_force.revision)];
            let consent: Option<String> = tx.query_row(sql, key, |row| row.get(0))?;
            let consent = consent.map(|text| from_text("rules", &text)).transpose()?;
            let text = text_show(tx, &in_force.digest)?.ok_or_else(lost)?;
            Ok(Some(RulesRow { in_force, text, consent, waiting: waiting(tx, account)? }))
        })
    }

    /// Accounts that are under other rules than these, by id, after `after`, at most `limit`.
    pub fn rules_list_others(
        &self,
        digest: &Digest,
        after: Option<AccountId>,
        limit: u32,
    ) -> Result<Vec<AccountId>, StoreError> {
        self.database.read(|tx| {
            let sql = "SELECT account FROM rules r WHERE account > ?1 AND digest <> ?2
                 AND revision = (SELECT max(revision) FROM rules o WHERE o.account = r.account)
                 ORDER BY account LIMIT ?3";
            let after = after.map(|account| account.to_string()).unwrap_or_default();
            let mut query = tx.prepare_cached(sql)?;
            let rows =
                query.query_map(params![after, column(digest), limit], |row| row.get::<_, String>(0))?;
            rows.map(|account| parse("rules", &account?)).collect()
        })
    }

    /// Notes rules that wait for the user. One change waits at a time: the coordinator's takes no other's
    /// place, the operator's own file takes any.
    pub fn rules_propose(
        &self,
        account: AccountId,
        rules: &RulesText<'_>,
        by: Proposer,
        now: u64,
    ) -> Result<(), RulesError> {
        crash_point!("party.rules-propose.before");
        self.database.write(|tx| {
            if in_force(tx, account)?.is_none() {
                return Err(Fail::Refused(RulesError::Unknown(account)));
            }
            let old: Option<Waiting> = waiting(tx, account)?;
            match &old {
                Some(old) if old.digest == rules.digest => return Ok(()),
                Some(_) if by == Proposer::Coordinator => return Err(Fail::Refused(RulesError::Waits)),
                _ => {}
            }
            text_put(tx, rules)?;
            let sql = "INSERT INTO rules_waiting VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE
                 SET digest = excluded.digest, by = excluded.by, at = excluded.at";
            let by = to_text("rules_waiting", &by)?;
            tx.execute(sql, params![account.to_string(), column(&rules.digest), by, seconds(now)])?;
            old.map_or(Ok(()), |old| text_drop(tx, &old.digest))
        })?;
        crash_point!("party.rules-propose.after");
        Ok(())
    }

    /// Takes rules into force in place of those that are `replaced`, and keeps the consent that they
    /// needed; the revision that they are.
    pub fn rules_adopt(
        &self,
        account: AccountId,
        replaced: InForce,
        rules: &RulesText<'_>,
        consent: Option<&Signed<Consent>>,
        now: u64,
    ) -> Result<u64, RulesError> {
        crash_point!("party.rules-adopt.before");
        let revision = self.database.write(|tx| {
            match in_force(tx, account)? {
                Some(current) if current == replaced => {}
                Some(_) => return Err(Fail::Refused(RulesError::Overtaken)),
                None => return Err(Fail::Refused(RulesError::Unknown(account))),
            }
            text_put(tx, rules)?;
            let consent = consent.map(|consent| to_text("rules", consent)).transpose()?;
            let revision = replaced.revision.saturating_add(1);
            tx.execute(
                "INSERT INTO rules VALUES (?1, ?2, ?3, ?4, ?5)",
                params![account.to_string(), number(revision), column(&rules.digest), consent, seconds(now)],
            )?;
            waiting_drop(tx, account, &rules.digest)?;
            forget_old(tx, account, revision)?;
            Ok::<_, Fail<RulesError>>(revision)
        })?;
        crash_point!("party.rules-adopt.after");
        Ok(revision)
    }

    /// Forgets rules that wait; whether they did.
    pub fn rules_reject(&self, account: AccountId, digest: &Digest) -> Result<bool, StoreError> {
        crash_point!("party.rules-reject.before");
        let rejected = self.database.write(|tx| {
            let rejected = waiting_drop(tx, account, digest)?;
            text_drop(tx, digest)?;
            Ok::<_, Fail<StoreError>>(rejected)
        })?;
        crash_point!("party.rules-reject.after");
        Ok(rejected)
    }

    /// The rules file that all accounts were last asked to be under.
    pub fn rules_file_show(&self) -> Result<Option<Digest>, StoreError> {
        self.database.look(|tx| {
            let row = tx.query_row("SELECT digest FROM rules_file", [], |row| row.get::<_, String>(0));
            row.optional()?.map(|text| digest_of(&text)).transpose()
        })
    }

    /// Notes that all accounts were asked to be under this rules file. What an earlier file proposed waits
    /// no longer.
    pub fn rules_file_put(&self, digest: &Digest) -> Result<(), StoreError> {
        crash_point!("party.rules-file.before");
        self.database.write(|tx| {
            let sql =
                "INSERT INTO rules_file VALUES (1, ?1) ON CONFLICT DO UPDATE SET digest = excluded.digest";
            tx.execute(sql, [column(digest)])?;
            let stale = "DELETE FROM rules_waiting WHERE by = ?1 AND digest <> ?2 RETURNING digest";
            let by = to_text("rules_waiting", &Proposer::File)?;
            let mut query = tx.prepare_cached(stale)?;
            let digests = query.query_map(params![by, column(digest)], |row| row.get::<_, String>(0))?;
            let digests: BTreeSet<String> = digests.collect::<Result<_, _>>()?;
            digests.iter().try_for_each(|digest| text_drop(tx, &digest_of::<StoreError>(digest)?))
        })?;
        crash_point!("party.rules-file.after");
        Ok(())
    }
}

/// Puts a new account under its first rules.
pub(super) fn begin<E: From<StoreError>>(
    tx: &Connection,
    account: AccountId,
    rules: &RulesText<'_>,
    now: u64,
) -> Result<(), Fail<E>> {
    text_put(tx, rules)?;
    let sql = "INSERT INTO rules VALUES (?1, 1, ?2, NULL, ?3)";
    tx.execute(sql, params![account.to_string(), column(&rules.digest), seconds(now)])?;
    Ok(())
}

/// Puts an account that comes back to this party, or comes for the first time, under rules: those that it
/// was under, or these.
pub(super) fn begin_unless_there<E: From<StoreError>>(
    tx: &Connection,
    account: AccountId,
    rules: &RulesText<'_>,
    now: u64,
) -> Result<(), Fail<E>> {
    if in_force::<E>(tx, account)?.is_some() { Ok(()) } else { begin(tx, account, rules, now) }
}

fn in_force<E: From<StoreError>>(tx: &Connection, account: AccountId) -> Result<Option<InForce>, Fail<E>> {
    let sql = "SELECT revision, digest FROM rules WHERE account = ?1 ORDER BY revision DESC LIMIT 1";
    let row = tx
        .prepare_cached(sql)?
        .query_row([account.to_string()], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)));
    let Some((revision, digest)) = row.optional()? else { return Ok(None) };
    let revision = u64::try_from(revision).unwrap_or_default();
    Ok(Some(InForce { revision, digest: digest_of(&digest)? }))
}

fn waiting<E: From<StoreError>>(tx: &Connection, account: AccountId) -> Result<Option<Waiting>, Fail<E>> {
    let sql = "SELECT digest, by, at FROM rules_waiting WHERE account = ?1";
    let row = tx.prepare_cached(sql)?.query_row([account.to_string()], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?))
    });
    let Some((digest, by, since)) = row.optional()? else { return Ok(None) };
    let (digest, by) = (digest_of(&digest)?, from_text("rules_waiting", &by)?);
    let text = text_show(tx, &digest)?.ok_or_else(lost)?;
    Ok(Some(Waiting { digest, text, by, since: u64::try_from(since).unwrap_or_default() }))
}

fn waiting_drop<E: From<StoreError>>(
    tx: &Connection,
    account: AccountId,
    digest: &Digest,
) -> Result<bool, Fail<E>> {
    let sql = "DELETE FROM rules_waiting WHERE account = ?1 AND digest = ?2";
    Ok(tx.execute(sql, params![account.to_string(), column(digest)])? == 1)
}

/// Drops all but the last revisions, so that nobody fills the disk with rules that change nothing.
fn forget_old<E: From<StoreError>>(
    tx: &Connection,
    account: AccountId,
    revision: u64,
) -> Result<(), Fail<E>> {
    let oldest = number(revision.saturating_sub(REVISIONS_KEPT));
    let mut query =
        tx.prepare_cached("DELETE FROM rules WHERE account = ?1 AND revision <= ?2 RETURNING digest")?;
    let digests = query.query_map(params![account.to_string(), oldest], |row| row.get::<_, String>(0))?;
    let digests: Vec<String> = digests.collect::<Result<_, _>>()?;
    digests.iter().try_for_each(|digest| text_drop(tx, &digest_of(digest)?))
}

fn text_put<E: From<StoreError>>(tx: &Connection, rules: &RulesText<'_>) -> Result<(), Fail<E>> {
    let sql = "INSERT INTO rule_texts VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    tx.prepare_cached(sql)?.execute(params![column(&rules.digest), rules.text])?;
    Ok(())
}

fn text_show<E: From<StoreError>>(tx: &Connection, digest: &Digest) -> Result<Option<String>, Fail<E>> {
    let sql = "SELECT text FROM rule_texts WHERE digest = ?1";
    Ok(tx.prepare_cached(sql)?.query_row([column(digest)], |row| row.get(0)).optional()?)
}

/// Drops a text that nothing needs.
fn text_drop<E: From<StoreError>>(tx: &Connection, digest: &Digest) -> Result<(), Fail<E>> {
    let sql = "DELETE FROM rule_texts WHERE digest = ?1
         AND NOT EXISTS (SELECT 1 FROM rules r WHERE r.digest = ?1)
         AND NOT EXISTS (SELECT 1 FROM rules_waiting w WHERE w.digest = ?1)";
    tx.prepare_cached(sql)?.execute([column(digest)])?;
    Ok(())
}

fn digest_of<E: From<StoreError>>(text: &str) -> Result<Digest, Fail<E>> {
    from_text("rules", &format!("\"{text}\""))
}

/// Revisions stay far below what SQLite holds.
fn number(revision: u64) -> i64 {
    i64::try_from(revision).unwrap_or(i64::MAX)
}

fn lost<E: From<StoreError>>() -> Fail<E> {
    Fail::Refused(StoreError::Row { table: "rule_texts", detail: "a text is missing".into() }.into())
}
