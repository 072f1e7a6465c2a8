//! What a node or a device keeps: its accounts, its sealed shares, what it counted, whom it banned.
//!
//! Shares and the engine's auxiliary data are sealed before they come here, and lie in tables of
//! their own.

use std::path::Path;

use cohold_model::account::Proposal;
use cohold_model::charter::Charter;
use cohold_model::ids::{PartyIndex, SessionId};
use cohold_model::{AccountId, Digest, Document as _, Signed};
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::crash_point;
use crate::database::{Database, Fail, StoreError, from_text, seconds, to_text};

mod approve;
mod budget;
mod cases;
mod notices;
mod presign;
mod reserve;
mod reshare;
mod rules;

pub use approve::{ApproveError, Approving};
pub use cases::{CaseRow, NewCase};
pub use notices::NoticeRow;
pub use presign::PresignError;
pub use reserve::{ReserveError, Reserved, Spending};
pub use reshare::{Prepared, ReshareBegin, ReshareError, ReshareRow, ReshareState};
pub use rules::{InForce, RulesError, RulesRow, RulesText, Waiting};

const MIGRATIONS: &[&str] = &[
    "
CREATE TABLE accounts (
    account    TEXT PRIMARY KEY,
    state      TEXT NOT NULL CHECK (state IN ('making', 'pending', 'active')),
    proposal   TEXT NOT NULL,
    charter    TEXT,
    digest     TEXT,
    held_since INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX accounts_unfinished ON accounts (state) WHERE state <> 'active';
CREATE TABLE shares (
    account TEXT NOT NULL REFERENCES accounts ON DELETE CASCADE,
    epoch   INTEGER NOT NULL,
    sealed  BLOB NOT NULL,
    PRIMARY KEY (account, epoch)
) STRICT, WITHOUT ROWID;
CREATE TABLE auxiliaries (
    account TEXT NOT NULL REFERENCES accounts ON DELETE CASCADE,
    epoch   INTEGER NOT NULL,
    engine  TEXT NOT NULL,
    sealed  BLOB NOT NULL,
    PRIMARY KEY (account, epoch, engine)
) STRICT;
CREATE TABLE sessions (
    session TEXT PRIMARY KEY,
    account TEXT NOT NULL,
    at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE bans (
    account  TEXT NOT NULL,
    party    INTEGER NOT NULL,
    evidence TEXT NOT NULL,
    at       INTEGER NOT NULL,
    PRIMARY KEY (account, party)
) STRICT, WITHOUT ROWID;
CREATE TABLE reservations (
    request  TEXT NOT NULL,
    account  TEXT NOT NULL,
    plan     TEXT NOT NULL,
    chain_id TEXT NOT NULL,
    nonce    TEXT NOT NULL,
    asset    TEXT NOT NULL,
    amount   TEXT NOT NULL,
    at       INTEGER NOT NULL,
    PRIMARY KEY (account, request)
) STRICT, WITHOUT ROWID;
CREATE INDEX reservations_by_time ON reservations (account, chain_id, asset, at);
CREATE TABLE budgets (
    account  TEXT NOT NULL,
    chain_id TEXT NOT NULL,
    asset    TEXT NOT NULL,
    horizon  INTEGER NOT NULL,
    latest   INTEGER NOT NULL,
    low      TEXT NOT NULL,
    carry    INTEGER NOT NULL,
    PRIMARY KEY (account, chain_id, asset)
) STRICT, WITHOUT ROWID;
",
    "
CREATE TABLE approvals (
    account  TEXT NOT NULL,
    request  TEXT NOT NULL,
    chain_id TEXT NOT NULL,
    nonce    TEXT NOT NULL,
    action   TEXT NOT NULL,
    plan     TEXT NOT NULL,
    at       INTEGER NOT NULL,
    PRIMARY KEY (account, request)
) STRICT, WITHOUT ROWID;
",
    rules::MIGRATION,
    reshare::MIGRATION,
    notices::MIGRATION,
    reshare::MIGRATION_PAST,
    cases::MIGRATION,
    presign::MIGRATION,
];

/// The database of a party.
#[derive(Debug)]
pub struct PartyStore {
    pub(crate) database: Database,
}

/// Why an account step was refused.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Account or session was seen before.
    #[error("account `{0}` or its session was used before: propose a new account")]
    Used(AccountId),
    /// No such account in this state.
    #[error("account `{0}` is not here, or not in the state that this step needs")]
    Unknown(AccountId),
}

/// An account in force.
#[derive(Debug, Clone)]
pub struct Active {
    /// The charter that every party signed.
    pub charter: Signed<Charter>,
    /// Seconds since 1970 when the share was stored.
    pub held_since: u64,
    /// Parties that this party never signs with again for this key.
    pub banned: Vec<PartyIndex>,
}

/// What can change about an account in force.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Digest of its charter, in hexadecimal digits.
    pub charter: String,
    /// Seconds since 1970 when the share was stored.
    pub held_since: u64,
    /// Parties that this party never signs with again for this key.
    pub banned: Vec<PartyIndex>,
}

/// Sealed secrets of an account.
#[derive(Debug, Clone)]
pub struct SealedKey {
    /// The Shamir share: the asset.
    pub share: Vec<u8>,
    /// The engine's auxiliary data.
    pub auxiliary: Vec<u8>,
}

impl PartyStore {
    /// Opens or makes the database.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Database::open(path, MIGRATIONS).map(|database| Self { database })
    }

    /// Notes that a key is being made, and uses up its session.
    pub fn account_begin(
        &self,
        proposal: &Signed<Proposal>,
        session: SessionId,
        now: u64,
    ) -> Result<(), AccountError> {
        let account = proposal.document.terms.account;
        self.database.write(|tx| {
            let text = to_text("accounts", proposal)?;
            let new = tx.execute(
                "INSERT INTO accounts (account, state, proposal) VALUES (?1, 'making', ?2) ON CONFLICT DO NOTHING",
                params![account.to_string(), text],
            )?;
            if new == 1 && session_claim(tx, session, account, now)? {
                Ok(())
            } else {
                Err(Fail::Refused(AccountError::Used(account)))
            }
        })
    }

    /// Keeps what was made, and under which rules it is from now on, where it has rules of its own. When
    /// this returns, the party may sign the charter.
    pub fn account_keep(
        &self,
        charter: &Charter,
        engine: &str,
        key: &SealedKey,
        rules: Option<&RulesText<'_>>,
        now: u64,
    ) -> Result<(), AccountError> {
        let account = charter.terms.account;
        crash_point!("party.keep.before");
        self.database.write(|tx| {
            let text = to_text("accounts", charter)?;
            let kept = tx.execute(
                "UPDATE accounts SET state = 'pending', charter = ?2, digest = ?3, held_since = ?4
                 WHERE account = ?1 AND state = 'making'",
                params![account.to_string(), text, charter.digest().to_string(), seconds(now)],
            )?;
            if kept != 1 {
                return Err(Fail::Refused(AccountError::Unknown(account)));
            }
            let epoch = charter.epoch.0;
            tx.execute(
                "INSERT INTO shares VALUES (?1, ?2, ?3)",
                params![account.to_string(), epoch, key.share],
            )?;
            tx.execute(
                "INSERT INTO auxiliaries VALUES (?1, ?2, ?3, ?4)",
                params![account.to_string(), epoch, engine, key.auxiliary],
            )?;
            if let Some(rules) = rules {
                rules::begin(tx, account, rules, now)?;
            }
            Ok(())
        })?;
        crash_point!("party.keep.after");
        Ok(())
    }

    /// Forgets a key generation that ended before this party kept a share. What was kept stays.
    pub fn account_drop(&self, account: AccountId) -> Result<(), AccountError> {
        self.database.write(|tx| {
            let sql = "DELETE FROM accounts WHERE account = ?1 AND state = 'making'";
            match tx.execute(sql, [account.to_string()])? {
                1 => Ok(()),
                _ => Err(Fail::Refused(AccountError::Unknown(account))),
            }
        })
    }

    /// Forgets all key generations that a crash or a stop cut off before a share was kept, and says
    /// which.
    pub fn account_drop_unfinished(&self) -> Result<Vec<AccountId>, StoreError> {
        self.database.write(|tx| {
            let mut query = tx.prepare("DELETE FROM accounts WHERE state = 'making' RETURNING account")?;
            let ids = query.query_map([], |row| row.get::<_, String>(0))?;
            let parse = |text: String| {
                text.parse().map_err(|e: cohold_model::ids::IdError| {
                    Fail::Refused(StoreError::Row { table: "accounts", detail: e.to_string() })
                })
            };
            ids.map(|id| parse(id?)).collect()
        })
    }

    /// Charters whose share is kept, but which not all parties are known to have signed.
    pub fn account_pending(&self) -> Result<Vec<Charter>, StoreError> {
        self.database.read(|tx| {
            let mut query = tx.prepare("SELECT charter FROM accounts WHERE state = 'pending' LIMIT 1000")?;
            let texts = query.query_map([], |row| row.get::<_, String>(0))?;
            texts.map(|text| from_text("accounts", &text?)).collect()
        })
    }

    /// One charter that is kept and not in force yet.
    pub fn account_pending_show(&self, account: AccountId) -> Result<Option<Charter>, StoreError> {
        self.database.read(|tx| {
            let sql = "SELECT charter FROM accounts WHERE account = ?1 AND state = 'pending'";
            let text: Option<String> =
                tx.query_row(sql, [account.to_string()], |row| row.get(0)).optional()?;
            text.map(|text| from_text("accounts", &text)).transpose()
        })
    }

    /// Takes a charter into force that equals, byte for byte, the one that was kept. The caller has
    /// checked the signatures.
    pub fn account_activate(&self, charter: &Signed<Charter>) -> Result<(), AccountError> {
        let account = charter.document.terms.account;
        let digest = charter.document.digest().to_string();
        crash_point!("party.activate.before");
        self.database.write(|tx| {
            let text = to_text("accounts", charter)?;
            let known = tx.execute(
                "UPDATE accounts SET state = 'active', charter = CASE state WHEN 'active' THEN charter ELSE ?2 END
                 WHERE account = ?1 AND digest = ?3 AND state IN ('pending', 'active')",
                params![account.to_string(), text, digest],
            )?;
            if known == 1 { Ok(()) } else { Err(Fail::Refused(AccountError::Unknown(account))) }
        })?;
        crash_point!("party.activate.after");
        Ok(())
    }

    /// How an account in force stands, without its charter.
    pub fn account_standing(&self, account: AccountId) -> Result<Option<Standing>, StoreError> {
        self.database.look(|tx| {
            let sql = "SELECT digest, held_since FROM accounts WHERE account = ?1 AND state = 'active'";
            let row = tx.prepare_cached(sql)?.query_row([account.to_string()], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
            });
            let Some((charter, since)) = row.optional()? else { return Ok(None) };
            let held_since = u64::try_from(since).unwrap_or(0);
            Ok(Some(Standing { charter, held_since, banned: banned(tx, account)? }))
        })
    }

    /// An account in force.
    pub fn account_show(&self, account: AccountId) -> Result<Option<Active>, StoreError> {
        self.database.look(|tx| {
            let sql = "SELECT charter, held_since FROM accounts WHERE account = ?1 AND state = 'active'";
            let row = tx.prepare_cached(sql)?.query_row([account.to_string()], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
            });
            let Some((text, since)) = row.optional()? else { return Ok(None) };
            let held_since = u64::try_from(since).unwrap_or(0);
            let (charter, banned) = (from_text("accounts", &text)?, banned(tx, account)?);
            Ok(Some(Active { charter, held_since, banned }))
        })
    }

    /// Accounts in force, by id, after `after`, at most `limit`.
    pub fn account_list(
        &self,
        after: Option<AccountId>,
        limit: u32,
    ) -> Result<Vec<Signed<Charter>>, StoreError> {
        self.database.read(|tx| {
            let mut query = tx.prepare(
                "SELECT charter FROM accounts WHERE state = 'active' AND account > ?1 ORDER BY account LIMIT ?2",
            )?;
            let after = after.map(|id| id.to_string()).unwrap_or_default();
            let texts = query.query_map(params![after, limit], |row| row.get::<_, String>(0))?;
            texts.map(|text| from_text("accounts", &text?)).collect()
        })
    }

    /// The sealed share and auxiliary data of an account's epoch.
    pub fn key_show(
        &self,
        account: AccountId,
        epoch: u32,
        engine: &str,
    ) -> Result<Option<SealedKey>, StoreError> {
        self.database.look(|tx| {
            let sql = "SELECT s.sealed, a.sealed FROM shares s JOIN auxiliaries a USING (account, epoch)
                 WHERE s.account = ?1 AND s.epoch = ?2 AND a.engine = ?3";
            let row = tx.prepare_cached(sql)?.query_row(params![account.to_string(), epoch, engine], |row| {
                Ok(SealedKey { share: row.get(0)?, auxiliary: row.get(1)? })
            });
            Ok(row.optional()?)
        })
    }

    /// Bans a party from a key, for ever. The first evidence stays.
    pub fn ban_insert(
        &self,
        account: AccountId,
        party: PartyIndex,
        evidence: &str,
        now: u64,
    ) -> Result<(), StoreError> {
        self.ban_insert_with(account, party, evidence, None, now)
    }
}

/// Uses up a session; `false` if it was used before.
fn session_claim<E: From<StoreError>>(
    tx: &Connection,
    session: SessionId,
    account: AccountId,
    now: u64,
) -> Result<bool, Fail<E>> {
    let sql = "INSERT INTO sessions VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    let new =
        tx.prepare_cached(sql)?.execute(params![session.to_string(), account.to_string(), seconds(now)])?;
    Ok(new == 1)
}

fn banned<E: From<StoreError>>(tx: &Connection, account: AccountId) -> Result<Vec<PartyIndex>, Fail<E>> {
    tx.prepare_cached("SELECT party FROM bans WHERE account = ?1 ORDER BY party")?
        .query_map([account.to_string()], |row| row.get::<_, u8>(0))?
        .map(|party| parse_index(party?))
        .collect()
}

fn parse_index<E: From<StoreError>>(party: u8) -> Result<PartyIndex, Fail<E>> {
    PartyIndex::try_from(party)
        .map_err(|e| Fail::Refused(StoreError::Row { table: "bans", detail: e.to_string() }.into()))
}

/// A digest as text for a column.
fn column(digest: &Digest) -> String {
    digest.to_string()
}

#[cfg(test)]
mod case_tests;
#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod presign_tests;
#[cfg(test)]
mod reshare_tests;
#[cfg(test)]
mod tests;
