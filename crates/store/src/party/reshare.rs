//! From one epoch to the next: what this party prepares while the old share stays, and the one
//! transaction in which the new one takes its place.
//!
//! A row goes `running` → `prepared` → `done` at a party that will hold a share, and `running` → `dealt` →
//! `done` at one that only gives. `refused` is this party's own and final word that it never signs the
//! charter of a resharing; `abandoned` is what another party's such word makes of any row.

use std::collections::BTreeMap;

use cohold_model::charter::Charter;
use cohold_model::ids::SessionId;
use cohold_model::{AccountId, Digest, Document as _, PartyName, Resharing, Signature, Signed};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{PartyStore, RulesText, SealedKey, cases, column, parse_index, rules, session_claim};
use crate::crash_point;
use crate::database::{Fail, StoreError, from_text, seconds, to_text};

pub(super) const MIGRATION: &str = include_str!("reshares.sql");
pub(super) const MIGRATION_PAST: &str = include_str!("past.sql");

/// The most rows that are said again to a coordinator; those of older resharings concern nobody any more.
const SAID_AGAIN_MAX: u32 = 200;

/// How far a resharing has come at this party.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReshareState {
    /// The run goes on, or was cut off.
    Running,
    /// This party gave its sub-shares and will hold none: bound until the charter is in force or abandoned.
    Dealt,
    /// The new share is kept: this party may have signed the charter.
    Prepared,
    /// This party will never sign the charter.
    Refused,
    /// Another party will never sign the charter.
    Abandoned,
    /// The charter is in force.
    Done,
}

/// A resharing as this party keeps it.
#[derive(Debug, Clone)]
pub struct ReshareRow {
    /// How far it has come.
    pub state: ReshareState,
    /// Whether this party holds a share afterwards.
    pub holds: bool,
    /// The resharing.
    pub resharing: Signed<Resharing>,
    /// The charter that it is made for.
    pub old: Signed<Charter>,
    /// The charter to come as this party computed it, once it did.
    pub charter: Option<Charter>,
    /// Signatures of parties that sleep in files and cannot send theirs again.
    pub companions: BTreeMap<PartyName, Signature>,
}

/// A resharing that begins.
#[derive(Debug, Clone, Copy)]
pub struct ReshareBegin<'a> {
    /// The charter that it is made for.
    pub old: &'a Signed<Charter>,
    /// The resharing.
    pub resharing: &'a Signed<Resharing>,
    /// Whether this party holds a share afterwards.
    pub holds: bool,
    /// The sessions that it uses up.
    pub sessions: [SessionId; 2],
    /// Digests of resharings of which another party will never sign the charter; the caller has checked its
    /// word.
    pub abandoned: &'a [Digest],
}

/// What a party prepared.
#[derive(Debug, Clone, Copy)]
pub struct Prepared<'a> {
    /// The charter to come, as this party computed it.
    pub charter: &'a Charter,
    /// For which engine the auxiliary data is.
    pub engine: &'a str,
    /// Share and auxiliary data, sealed.
    pub key: &'a SealedKey,
    /// Signatures of parties that sleep in files and cannot send theirs again.
    pub companions: &'a BTreeMap<PartyName, Signature>,
}

/// Why a step of a resharing was refused.
#[derive(Debug, thiserror::Error)]
pub enum ReshareError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Taken part in or refused before.
    #[error("resharing `{0}` was taken up here before: propose a new one")]
    Used(Digest),
    /// Another one may still come into force.
    #[error(
        "another resharing of this charter, `{0}`, may still come into force: finish it, or have one of its parties give it up"
    )]
    Open(Digest),
    /// No such resharing in this state.
    #[error("resharing `{0}` is not here, or not in the state that this step needs")]
    Unknown(Digest),
    /// The charter in force is not the one that the resharing is made for.
    #[error("account `{0}` is not under the charter that the resharing is made for")]
    Stale(AccountId),
}

impl PartyStore {
    /// Notes that a resharing begins, and uses up its sessions.
    pub fn reshare_begin(&self, begin: &ReshareBegin<'_>, now: u64) -> Result<(), ReshareError> {
        let digest = begin.resharing.document.digest();
        crash_point!("party.reshare-begin.before");
        self.database.write(|tx| {
            begin.abandoned.iter().try_for_each(|other| abandon(tx, other))?;
            insert(tx, begin, "running", now)?;
            for session in begin.sessions {
                if !session_claim(tx, session, begin.old.document.terms.account, now)? {
                    return Err(Fail::Refused(ReshareError::Used(digest)));
                }
            }
            Ok(())
        })?;
        crash_point!("party.reshare-begin.after");
        Ok(())
    }

    /// Keeps what a party that will hold a share prepared. When this returns, it may sign the charter.
    pub fn reshare_keep(
        &self,
        resharing: &Digest,
        prepared: &Prepared<'_>,
        now: u64,
    ) -> Result<(), ReshareError> {
        let Prepared { charter, engine, key, companions } = prepared;
        crash_point!("party.reshare-keep.before");
        self.database.write(|tx| {
            let kept = tx.execute(
                "UPDATE reshares SET state = 'prepared', charter = ?2, companions = ?3, share = ?4,
                        auxiliary = ?5, engine = ?6, held_since = ?7
                 WHERE resharing = ?1 AND state = 'running' AND holds = 1",
                params![
                    column(resharing),
                    to_text("reshares", charter)?,
                    to_text("reshares", companions)?,
                    key.share,
                    key.auxiliary,
                    engine,
                    seconds(now)
                ],
            )?;
            one(kept, resharing)
        })?;
        crash_point!("party.reshare-keep.after");
        Ok(())
    }

    /// Notes that a party that will hold no share gave its sub-shares for this charter.
    pub fn reshare_dealt(&self, resharing: &Digest, charter: &Charter) -> Result<(), ReshareError> {
        crash_point!("party.reshare-dealt.before");
        self.database.write(|tx| {
            let sql = "UPDATE reshares SET state = 'dealt', charter = ?2
                 WHERE resharing = ?1 AND state = 'running' AND holds = 0";
            one(tx.execute(sql, params![column(resharing), to_text("reshares", charter)?])?, resharing)
        })?;
        crash_point!("party.reshare-dealt.after");
        Ok(())
    }

    /// Makes sure that this party never signs the charter of a resharing; `false` where it may have. One
    /// that it never heard of is noted as refused.
    pub fn reshare_refuse(&self, refused: &ReshareBegin<'_>, now: u64) -> Result<bool, StoreError> {
        let digest = column(&refused.resharing.document.digest());
        crash_point!("party.reshare-refuse.before");
        let refused = self.database.write(|tx| {
            let state: Option<String> = tx
                .query_row("SELECT state FROM reshares WHERE resharing = ?1", [&digest], |row| row.get(0))
                .optional()?;
            match state.as_deref() {
                None if refused.holds => {
                    put(tx, refused, "refused", now)?;
                    Ok(true)
                }
                Some("refused") => Ok(true),
                Some("running") => {
                    let sql = "UPDATE reshares SET state = 'refused' WHERE resharing = ?1 AND holds = 1";
                    Ok(tx.execute(sql, [&digest])? == 1)
                }
                _ => Ok::<_, Fail<StoreError>>(false),
            }
        })?;
        crash_point!("party.reshare-refuse.after");
        Ok(refused)
    }

    /// Drops what was prepared for a resharing of which another party will never sign the charter; the
    /// caller has checked that party's word. Whether there was anything.
    pub fn reshare_abandon(&self, resharing: &Digest) -> Result<bool, StoreError> {
        crash_point!("party.reshare-abandon.before");
        let dropped = self.database.write(|tx| abandon_open::<StoreError>(tx, resharing))?;
        crash_point!("party.reshare-abandon.after");
        Ok(dropped)
    }

    /// Takes the new charter into force: the new share takes the old one's place, bans go along with those
    /// whom they name, and who is not in the charter keeps nothing. The caller has checked everything.
    pub fn reshare_commit(
        &self,
        resharing: &Digest,
        charter: &Signed<Charter>,
        rules: Option<&RulesText<'_>>,
        now: u64,
    ) -> Result<(), ReshareError> {
        crash_point!("party.reshare-commit.before");
        self.database.write(|tx| {
            let row = show(tx, resharing)?.ok_or(Fail::Refused(ReshareError::Unknown(*resharing)))?;
            match (row.state, row.holds) {
                (ReshareState::Done, _) => return Ok(()),
                (ReshareState::Prepared, true) => take_over(tx, &row, charter, rules, now)?,
                (ReshareState::Dealt | ReshareState::Running | ReshareState::Abandoned, false) => {
                    leave(tx, &row.old, charter, now)?;
                }
                _ => return Err(Fail::Refused(ReshareError::Unknown(*resharing))),
            }
            let sql = "UPDATE reshares SET state = 'done', charter = coalesce(charter, ?2), share = NULL,
                 auxiliary = NULL, engine = NULL WHERE resharing = ?1";
            let text = to_text::<_, ReshareError>("reshares", &charter.document)?;
            one(tx.execute(sql, params![column(resharing), text])?, resharing)
        })?;
        crash_point!("party.reshare-commit.after");
        // The new epoch is in force whether or not this succeeds; a start does it again.
        drop(self.scrub());
        Ok(())
    }

    /// Lets go of an account whose new charter this party is not in and took no part in making. The caller
    /// has checked everything.
    pub fn account_leave(&self, charter: &Signed<Charter>, now: u64) -> Result<(), ReshareError> {
        let account = charter.document.terms.account;
        crash_point!("party.reshare-leave.before");
        self.database.write(|tx| {
            let stale = Fail::Refused(ReshareError::Stale(account));
            match in_force::<ReshareError>(tx, account)? {
                Some(old) if charter.document.previous == Some(old.document.digest()) => {
                    leave(tx, &old, charter, now)
                }
                // Told twice at the same time.
                None if left(tx, account)?.is_some_and(|known| known.document == charter.document) => Ok(()),
                Some(_) | None => Err(stale),
            }
        })?;
        crash_point!("party.reshare-leave.after");
        // The new epoch is in force whether or not this succeeds; a start does it again.
        drop(self.scrub());
        Ok(())
    }

    /// Moves everything out of the write-ahead log, so that no copy of a deleted share stays there. Another
    /// process that reads keeps it for a while; the next start does it again.
    pub fn scrub(&self) -> Result<(), StoreError> {
        self.database.checkpoint()
    }

    /// One resharing.
    pub fn reshare_show(&self, resharing: &Digest) -> Result<Option<ReshareRow>, StoreError> {
        self.database.read(|tx| show(tx, resharing))
    }

    /// The resharing of a charter that may still come into force.
    pub fn reshare_open(
        &self,
        account: AccountId,
        previous: &Digest,
    ) -> Result<Option<ReshareRow>, StoreError> {
        self.database.read(|tx| {
            let sql = "SELECT * FROM reshares WHERE account = ?1 AND previous = ?2
                 AND state IN ('running', 'dealt', 'prepared')";
            let mut query = tx.prepare_cached(sql)?;
            let mut rows = query.query(params![account.to_string(), column(previous)])?;
            rows.next()?.map(read).transpose()
        })
    }

    /// What a coordinator may have missed, newest first: what is prepared, dealt or refused.
    pub fn reshare_list_said(&self) -> Result<Vec<ReshareRow>, StoreError> {
        self.database.read(|tx| {
            let sql = "SELECT * FROM reshares r WHERE state IN ('prepared', 'dealt')
                 OR (state = 'refused' AND NOT EXISTS
                     (SELECT 1 FROM epochs e WHERE e.account = r.account
                      AND e.version >= json_extract(r.old, '$.document.version')))
                 ORDER BY number DESC LIMIT ?1";
            let mut query = tx.prepare_cached(sql)?;
            let mut rows = query.query([SAID_AGAIN_MAX])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(read(row)?);
            }
            Ok(found)
        })
    }

    /// Refuses every resharing whose run a stop cut off before a share was kept. A party that only gives
    /// stays bound: what it gave may be with the others.
    pub fn reshare_refuse_unfinished(&self) -> Result<usize, StoreError> {
        self.database.write(|tx| {
            let sql = "UPDATE reshares SET state = 'refused' WHERE state = 'running' AND holds = 1";
            Ok(tx.execute(sql, [])?)
        })
    }

    /// Charters that were in force here before, oldest first.
    pub fn epoch_list(&self, account: AccountId) -> Result<Vec<Signed<Charter>>, StoreError> {
        self.database.read(|tx| {
            let sql = "SELECT charter FROM epochs WHERE account = ?1 ORDER BY version";
            let mut query = tx.prepare_cached(sql)?;
            let texts = query.query_map([account.to_string()], |row| row.get::<_, String>(0))?;
            texts.map(|text| from_text("epochs", &text?)).collect()
        })
    }

    /// The charter that let this party go from an account that it is not in any more.
    pub fn account_left(&self, account: AccountId) -> Result<Option<Signed<Charter>>, StoreError> {
        self.database.look(|tx| left(tx, account))
    }
}

fn left<E: From<StoreError>>(
    tx: &Connection,
    account: AccountId,
) -> Result<Option<Signed<Charter>>, Fail<E>> {
    let sql = "SELECT charter FROM left_accounts WHERE account = ?1";
    let text = tx.query_row(sql, [account.to_string()], |row| row.get::<_, String>(0)).optional()?;
    text.map(|text| from_text("left_accounts", &text)).transpose()
}

fn insert(
    tx: &Connection,
    begin: &ReshareBegin<'_>,
    state: &str,
    now: u64,
) -> Result<(), Fail<ReshareError>> {
    let digest = begin.resharing.document.digest();
    if show(tx, &digest)?.is_some() {
        return Err(Fail::Refused(ReshareError::Used(digest)));
    }
    let (account, previous) = (begin.old.document.terms.account, begin.old.document.digest());
    let sql = "SELECT resharing FROM reshares WHERE account = ?1 AND previous = ?2
         AND state IN ('running', 'dealt', 'prepared')";
    let open =
        tx.query_row(sql, params![account.to_string(), column(&previous)], |row| row.get::<_, String>(0));
    if let Some(open) = open.optional()? {
        let open = from_text::<_, ReshareError>("reshares", &format!("\"{open}\""))?;
        return Err(Fail::Refused(ReshareError::Open(open)));
    }
    put(tx, begin, state, now)
}

fn put<E: From<StoreError>>(
    tx: &Connection,
    begin: &ReshareBegin<'_>,
    state: &str,
    now: u64,
) -> Result<(), Fail<E>> {
    let (account, previous) = (begin.old.document.terms.account, begin.old.document.digest());
    tx.execute(
        "INSERT INTO reshares (resharing, account, previous, state, holds, document, old, at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            column(&begin.resharing.document.digest()),
            account.to_string(),
            column(&previous),
            state,
            begin.holds,
            to_text("reshares", begin.resharing)?,
            to_text("reshares", begin.old)?,
            seconds(now)
        ],
    )?;
    Ok(())
}

fn abandon(tx: &Connection, resharing: &Digest) -> Result<(), Fail<ReshareError>> {
    abandon_open(tx, resharing).map(|_| ())
}

fn abandon_open<E>(tx: &Connection, resharing: &Digest) -> Result<bool, Fail<E>> {
    let sql = "UPDATE reshares SET state = 'abandoned', share = NULL, auxiliary = NULL, engine = NULL
         WHERE resharing = ?1 AND state IN ('running', 'dealt', 'prepared')";
    Ok(tx.execute(sql, [column(resharing)])? == 1)
}

/// The prepared share takes the place of whatever is here of the account.
fn take_over(
    tx: &Connection,
    row: &ReshareRow,
    charter: &Signed<Charter>,
    rules: Option<&RulesText<'_>>,
    now: u64,
) -> Result<(), Fail<ReshareError>> {
    let (account, new) = (charter.document.terms.account, &charter.document);
    let id = account.to_string();
    match in_force(tx, account)? {
        Some(old) if old.document.digest() == row.old.document.digest() => {
            epoch_end(tx, &old, now)?;
            bans_follow(tx, &old.document, new)?;
        }
        Some(_) => return Err(Fail::Refused(ReshareError::Stale(account))),
        None => {
            // Who holds no share was given none where only the engine changed.
            if row.old.document.epoch == new.epoch {
                return Err(Fail::Refused(ReshareError::Stale(account)));
            }
            // What an earlier stay left behind says nothing of the parties of today.
            tx.execute("DELETE FROM bans WHERE account = ?1", [&id])?;
            epoch_end(tx, &row.old, now)?;
        }
    }
    let resharing = column(&row.resharing.document.digest());
    tx.execute("DELETE FROM shares WHERE account = ?1", [&id])?;
    tx.execute("DELETE FROM auxiliaries WHERE account = ?1", [&id])?;
    tx.execute("DELETE FROM left_accounts WHERE account = ?1", [&id])?;
    // A party that joins was brought in by the resharing, as others were by a proposal.
    tx.execute(
        "INSERT INTO accounts (account, state, proposal, charter, digest, held_since)
         SELECT account, 'active', document, ?2, ?3, held_since FROM reshares WHERE resharing = ?1
         ON CONFLICT DO UPDATE SET charter = excluded.charter, digest = excluded.digest,
             held_since = excluded.held_since",
        params![resharing, to_text("accounts", charter)?, column(&new.digest())],
    )?;
    let epoch = new.epoch.0;
    tx.execute(
        "INSERT INTO shares SELECT account, ?2, share FROM reshares WHERE resharing = ?1",
        params![resharing, epoch],
    )?;
    tx.execute(
        "INSERT INTO auxiliaries SELECT account, ?2, engine, auxiliary FROM reshares WHERE resharing = ?1",
        params![resharing, epoch],
    )?;
    cases::close(tx, &new.terms)?;
    match rules {
        Some(first) => rules::begin_unless_there(tx, account, first, now),
        None => Ok(()),
    }
}

/// Deletes the share with all that hangs on it; what was counted stays.
fn leave(
    tx: &Connection,
    old: &Signed<Charter>,
    charter: &Signed<Charter>,
    now: u64,
) -> Result<(), Fail<ReshareError>> {
    let account = charter.document.terms.account;
    let current = in_force(tx, account)?.filter(|current| current.document == old.document);
    epoch_end(tx, &current.ok_or(Fail::Refused(ReshareError::Stale(account)))?, now)?;
    let id = account.to_string();
    for table in ["shares", "auxiliaries", "bans", "accounts"] {
        tx.execute(&format!("DELETE FROM {table} WHERE account = ?1"), [&id])?;
    }
    cases::close(tx, &charter.document.terms)?;
    let sql = "INSERT INTO left_accounts VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET charter = excluded.charter, at = excluded.at";
    tx.execute(sql, params![id, to_text("left_accounts", charter)?, seconds(now)])?;
    Ok(())
}

fn epoch_end(tx: &Connection, old: &Signed<Charter>, now: u64) -> Result<(), Fail<ReshareError>> {
    let Charter { terms, version, epoch, .. } = &old.document;
    tx.execute(
        "INSERT INTO epochs VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
        params![terms.account.to_string(), version, epoch.0, to_text("epochs", old)?, seconds(now)],
    )?;
    Ok(())
}

/// Who was banned stays banned at its new point; who left the account is nobody's matter any more.
fn bans_follow(tx: &Connection, old: &Charter, new: &Charter) -> Result<(), Fail<ReshareError>> {
    let account = old.terms.account.to_string();
    let mut query = tx.prepare("DELETE FROM bans WHERE account = ?1 RETURNING party, evidence, at")?;
    let bans = query.query_map([&account], |row| {
        Ok((row.get::<_, u8>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?))
    })?;
    let bans: Vec<(u8, String, i64)> = bans.collect::<Result<_, _>>()?;
    for (party, evidence, at) in bans {
        let before = old.terms.party_at(parse_index::<ReshareError>(party)?);
        let after = before.and_then(|card| new.terms.party_by_identity(&card.identity));
        if let Some((index, _)) = after {
            tx.execute(
                "INSERT INTO bans VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
                params![account, index.get(), evidence, at],
            )?;
        }
    }
    Ok(())
}

fn in_force<E: From<StoreError>>(
    tx: &Connection,
    account: AccountId,
) -> Result<Option<Signed<Charter>>, Fail<E>> {
    let sql = "SELECT charter FROM accounts WHERE account = ?1 AND state = 'active'";
    let text = tx.query_row(sql, [account.to_string()], |row| row.get::<_, String>(0)).optional()?;
    text.map(|text| from_text("accounts", &text)).transpose()
}

fn show<E: From<StoreError>>(tx: &Connection, resharing: &Digest) -> Result<Option<ReshareRow>, Fail<E>> {
    let mut query = tx.prepare_cached("SELECT * FROM reshares WHERE resharing = ?1")?;
    let mut rows = query.query([column(resharing)])?;
    rows.next()?.map(read).transpose()
}

fn read<E: From<StoreError>>(row: &Row<'_>) -> Result<ReshareRow, Fail<E>> {
    let text = |name: &str| row.get::<_, String>(name);
    let optional = |name: &str| row.get::<_, Option<String>>(name);
    let state = match text("state")?.as_str() {
        "running" => ReshareState::Running,
        "dealt" => ReshareState::Dealt,
        "prepared" => ReshareState::Prepared,
        "refused" => ReshareState::Refused,
        "done" => ReshareState::Done,
        _ => ReshareState::Abandoned,
    };
    let charter = optional("charter")?.map(|text| from_text("reshares", &text)).transpose()?;
    let companions = optional("companions")?.map(|text| from_text("reshares", &text)).transpose()?;
    Ok(ReshareRow {
        state,
        holds: row.get("holds")?,
        resharing: from_text("reshares", &text("document")?)?,
        old: from_text("reshares", &text("old")?)?,
        charter,
        companions: companions.unwrap_or_default(),
    })
}

fn one(changed: usize, resharing: &Digest) -> Result<(), Fail<ReshareError>> {
    if changed == 1 { Ok(()) } else { Err(Fail::Refused(ReshareError::Unknown(*resharing))) }
}
