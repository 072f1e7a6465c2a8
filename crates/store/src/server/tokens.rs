//! API tokens: shown once, stored as a digest.

use rusqlite::params;
use sha2::Digest as _;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::{ServerStore, all, change, first, number};
use crate::crash_point;
use crate::database::{Fail, StoreError, seconds};

/// How every token begins.
const PREFIX: &str = "cohold_";
/// The longest name of a token.
const NAME_LENGTH_MAX: usize = 64;

/// A token that was just made; its text is nowhere else.
pub struct NewToken(Zeroizing<String>);

/// What is kept of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    /// What its maker called it.
    pub name: String,
    /// Seconds since 1970.
    pub created_at: u64,
}

/// Why no token was made.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The name is taken.
    #[error("there is a token `{0}` already: choose another name, or revoke that one first")]
    Taken(String),
    /// Not a name.
    #[error("`{0}` is not a name for a token: use 1 to 64 printable characters")]
    Name(String),
    /// The system gives no randomness.
    #[error("the system's source of randomness failed: {0}")]
    Randomness(#[from] getrandom::Error),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl NewToken {
    /// The token itself, to be shown once.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for NewToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NewToken(…)")
    }
}

impl ServerStore {
    /// Makes a token of 256 random bits.
    pub fn token_create(&self, name: &str, now: u64) -> Result<NewToken, TokenError> {
        let printable = name.chars().all(|c| !c.is_control());
        if name.is_empty() || name.len() > NAME_LENGTH_MAX || !printable {
            return Err(TokenError::Name(cohold_model::ids::excerpt(name)));
        }
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(secret.as_mut())?;
        let digits = Zeroizing::new(hex::encode(secret.as_ref()));
        let token = NewToken(Zeroizing::new(format!("{PREFIX}{}", digits.as_str())));
        self.database.write(|tx| {
            let sql = "INSERT INTO tokens VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
            match change(tx, sql, params![name, hash(&token.0), seconds(now)])? {
                1 => Ok(()),
                _ => Err(Fail::Refused(TokenError::Taken(name.into()))),
            }?;
            crash_point!("server.token-create.before");
            Ok(())
        })?;
        crash_point!("server.token-create.after");
        Ok(token)
    }

    /// Whether a token was made here and is not revoked. The digest leads to the row, so that time says
    /// nothing of other tokens; the last comparison is constant.
    pub fn token_check(&self, token: &str) -> Result<bool, StoreError> {
        if !token.starts_with(PREFIX) || token.len() > 128 {
            return Ok(false);
        }
        let hash = hash(token);
        self.database.read(|tx| {
            let sql = "SELECT hash FROM tokens WHERE hash = ?1";
            let found: Option<[u8; 32]> = first(tx, sql, params![hash], |row| Ok(row.get("hash")?))?;
            Ok(found.is_some_and(|found| bool::from(found.ct_eq(&hash))))
        })
    }

    /// All tokens, by name.
    pub fn token_list(&self) -> Result<Vec<TokenRow>, StoreError> {
        self.database.read(|tx| {
            all(tx, "SELECT name, created_at FROM tokens ORDER BY name LIMIT 1000", [], |row| {
                Ok(TokenRow { name: row.get("name")?, created_at: number(row, "tokens", "created_at")? })
            })
        })
    }

    /// Revokes a token; whether there was one.
    pub fn token_revoke(&self, name: &str) -> Result<bool, StoreError> {
        let revoked = self.database.write(|tx| {
            let revoked = change(tx, "DELETE FROM tokens WHERE name = ?1", [name])?;
            crash_point!("server.token-revoke.before");
            Ok::<_, Fail<StoreError>>(revoked == 1)
        })?;
        crash_point!("server.token-revoke.after");
        Ok(revoked)
    }
}

fn hash(token: &str) -> [u8; 32] {
    sha2::Sha256::digest(token.as_bytes()).into()
}
