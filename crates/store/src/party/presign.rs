//! How far presignatures are used. They themselves are in memory only; what lies here is one number for each
//! signing set: the highest presignature that this party used, or granted to the others, whichever was
//! later. Both happen with one order, so one number stands for the party itself and for each of its peers.

use cohold_model::{PresignatureIndex, PresignatureUse, SessionId, SigningSet};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{PartyStore, session_claim};
use crate::crash_point;
use crate::database::{Fail, StoreError};

pub(super) const MIGRATION: &str = "
CREATE TABLE presignatures (
    account TEXT NOT NULL,
    epoch   INTEGER NOT NULL,
    signers TEXT NOT NULL,
    counted INTEGER NOT NULL,
    PRIMARY KEY (account, epoch, signers)
) STRICT, WITHOUT ROWID;
";

/// Why no presignature is begun.
#[derive(Debug, thiserror::Error)]
pub enum PresignError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The session was used before.
    #[error("session `{0}` was used before: ask for another run")]
    Session(SessionId),
    /// All numbers are used.
    #[error("these parties have no number left for another presignature: sign without one")]
    Numbers,
}

impl PartyStore {
    /// Uses up a session in which a presignature is made; the lowest number that is free among its parties,
    /// by what this one knows.
    pub fn presign_begin(
        &self,
        set: &SigningSet,
        session: SessionId,
        now: u64,
    ) -> Result<PresignatureIndex, PresignError> {
        crash_point!("party.presign-begin.before");
        let counted = self.database.write(|tx| {
            if !session_claim(tx, session, set.account, now)? {
                return Err(Fail::Refused(PresignError::Session(session)));
            }
            counted(tx, set)
        })?;
        crash_point!("party.presign-begin.after");
        match counted {
            Some(last) => last.next().ok_or(PresignError::Numbers),
            None => Ok(PresignatureIndex::FIRST),
        }
    }
}

fn counted<E: From<StoreError>>(
    tx: &Connection,
    set: &SigningSet,
) -> Result<Option<PresignatureIndex>, Fail<E>> {
    let sql = "SELECT counted FROM presignatures WHERE account = ?1 AND epoch = ?2 AND signers = ?3";
    let key = params![set.account.to_string(), set.epoch.0, points(set)];
    let row = tx.prepare_cached(sql)?.query_row(key, |row| row.get::<_, i64>(0)).optional()?;
    let index = row.map(|row| PresignatureIndex::try_from(u64::try_from(row).unwrap_or(0))).transpose();
    index.map_err(|e| Fail::Refused(StoreError::Row { table: "presignatures", detail: e.to_string() }.into()))
}

/// Counts up to a presignature; `false` where it was counted before, or one after it.
pub(super) fn count<E>(tx: &Connection, used: &PresignatureUse) -> Result<bool, Fail<E>> {
    let PresignatureUse { set, index } = used;
    let sql = "INSERT INTO presignatures VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET counted = excluded.counted WHERE counted < excluded.counted";
    // At most 2^53 − 1.
    let number = i64::try_from(index.get()).unwrap_or(i64::MAX);
    let row = params![set.account.to_string(), set.epoch.0, points(set), number];
    Ok(tx.prepare_cached(sql)?.execute(row)? == 1)
}

fn points(set: &SigningSet) -> String {
    let points: Vec<String> = set.signers.iter().map(ToString::to_string).collect();
    points.join(",")
}
