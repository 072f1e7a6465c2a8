//! API tokens: the shell makes and shows them once, here lie their digests.

use rusqlite::params;
use sha2::Digest as _;
use subtle::ConstantTimeEq as _;

use super::{ServerStore, change, first};
use crate::crash_point;
use crate::database::StoreError;

/// How every token begins.
const PREFIX: &str = "cohold_";
/// The longest text that can be a token.
const LENGTH_MAX: usize = 128;

impl ServerStore {
    /// Lets a token in from now on. Only its digest is kept; 256 random bits need no salt.
    pub fn token_insert(&self, token: &str) -> Result<(), StoreError> {
        self.database.write(|tx| {
            change(tx, "INSERT INTO tokens (hash) VALUES (?1) ON CONFLICT DO NOTHING", params![hash(token)])?;
            crash_point!("server.token-insert.before");
            Ok(())
        })?;
        crash_point!("server.token-insert.after");
        Ok(())
    }

    /// Whether a token was let in. Its digest leads to the row, so that time says nothing of other
    /// tokens; the last comparison is constant.
    pub fn token_check(&self, token: &str) -> Result<bool, StoreError> {
        if !token.starts_with(PREFIX) || token.len() > LENGTH_MAX {
            return Ok(false);
        }
        let hash = hash(token);
        self.database.look(|tx| {
            let sql = "SELECT hash FROM tokens WHERE hash = ?1";
            let found: Option<[u8; 32]> = first(tx, sql, params![hash], |row| Ok(row.get("hash")?))?;
            Ok(found.is_some_and(|found| bool::from(found.ct_eq(&hash))))
        })
    }
}

fn hash(token: &str) -> [u8; 32] {
    sha2::Sha256::digest(token.as_bytes()).into()
}
