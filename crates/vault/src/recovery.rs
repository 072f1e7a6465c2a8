//! The recovery file: a share on paper, sealed under a passphrase, useless alone.
//!
//! Above the mark, lines for people. Below it, lines of Bech32m (BIP-350), each with its own checksum,
//! so that a typing error names its line ([`lines`]). Their payload, version 1, numbers big-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version, `1` |
//! | 4 + n | length, then the public part as JSON ([`RecoveryPublic`]) |
//! | 12 | cost of Argon2id: memory in KiB, passes, lanes |
//! | 32 | salt |
//! | 4 + n | length, then a sealed blob ([`crate::seal`]) under the key from the passphrase |
//! | 8 | start of a digest of all before |
//!
//! The blob's additional data is the digest of the public part and the cost, so that account, epoch,
//! party and charter cannot be exchanged. The lines for people must agree with the public part.

pub mod lines;
mod payload;
mod people;

use std::path::Path;

use cohold_model::{AccountId, Digest, Epoch, PartyName};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::file::{FileError, private_create};
use crate::passphrase::Passphrase;
use crate::recovery::lines::LineError;
use crate::recovery::payload::{Payload, PayloadError};
use crate::seal::{KeyEncryptionKey, VaultError};
use crate::stretch::{StretchCost, StretchError};

/// The longest recovery file in bytes.
pub const FILE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The longest secret in a recovery file.
pub const SECRET_BYTES_MAX: usize = 1024 * 1024;

/// What a recovery file says openly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoveryPublic {
    /// The account.
    pub account: AccountId,
    /// The account's address on a chain, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The generation of shares.
    pub epoch: Epoch,
    /// Whose share it is.
    pub party: PartyName,
    /// Digest of the charter.
    pub charter: Digest,
    /// Seconds since 1970 when the file was written.
    pub created_at: u64,
}

/// A recovery file, sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryFile {
    public: RecoveryPublic,
    payload: Payload,
}

/// Why no recovery file was made.
#[derive(Debug, thiserror::Error)]
pub enum RecoverySealError {
    /// Too much to print.
    #[error("a secret of {0} bytes is too long for a recovery file: the most is {max}", max = SECRET_BYTES_MAX)]
    Length(usize),
    /// The address would break the lines.
    #[error("`{0}` is not an address: use up to 128 printable characters")]
    Address(String),
    /// Argon2id.
    #[error(transparent)]
    Stretch(#[from] StretchError),
    /// Sealing.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// Why a text is not a recovery file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecoveryParseError {
    /// Larger than any.
    #[error("more than {max} bytes are no recovery file", max = FILE_BYTES_MAX)]
    Length,
    /// A line below the mark.
    #[error(transparent)]
    Line(#[from] LineError),
    /// Every line is right, but they do not belong together.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// A line above the mark is not what the sealed lines say.
    #[error("line {line}: `{found}` is not what the file says below: it should read `{expected}`")]
    People {
        /// The line's number in the text.
        line: usize,
        /// What it says.
        found: String,
        /// What it should say.
        expected: String,
    },
}

/// Why a recovery file did not open.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryOpenError {
    /// Not the passphrase, or a forged file.
    #[error("the passphrase does not open this file: check it and try again")]
    Refused,
    /// Argon2id.
    #[error(transparent)]
    Stretch(#[from] StretchError),
}

impl RecoveryFile {
    /// Seals a secret under a passphrase.
    pub fn seal(
        public: RecoveryPublic,
        secret: &[u8],
        passphrase: &Passphrase,
        cost: StretchCost,
    ) -> Result<Self, RecoverySealError> {
        if secret.len() > SECRET_BYTES_MAX {
            return Err(RecoverySealError::Length(secret.len()));
        }
        if let Some(address) = public.address.as_deref().filter(|text| !people::is_printable(text)) {
            return Err(RecoverySealError::Address(cohold_model::ids::excerpt(address)));
        }
        let mut salt = [0; 32];
        getrandom::fill(&mut salt).map_err(VaultError::from)?;
        let key = KeyEncryptionKey::from_bytes(cost.stretch(passphrase.expose(), &salt)?);
        let sealed = key.seal_under(&payload::additional_data(&public, cost), secret)?;
        let payload = Payload { cost, salt, sealed };
        Ok(Self { public, payload })
    }

    /// The file as text, to be printed or kept.
    #[must_use]
    pub fn write(&self) -> String {
        let mut text = people::heading(&self.public);
        lines::write(&self.payload.encode(&self.public), &mut text);
        text
    }

    /// Writes the text into a new file of mode 0600; an existing one is never overwritten.
    pub fn save(&self, path: &Path) -> Result<(), FileError> {
        private_create(path, self.write().as_bytes())
    }

    /// Reads the text and checks every line, without the passphrase.
    pub fn parse(text: &str) -> Result<Self, RecoveryParseError> {
        if text.len() > FILE_BYTES_MAX {
            return Err(RecoveryParseError::Length);
        }
        let (public, payload) = Payload::decode(&lines::parse(text)?)?;
        people::check(text, &public)?;
        Ok(Self { public, payload })
    }

    /// What the file says openly. It is bound to the secret, but only opening proves that.
    #[must_use]
    pub fn public(&self) -> &RecoveryPublic {
        &self.public
    }

    /// Opens the file. Takes as long as Argon2id does.
    pub fn open(&self, passphrase: &Passphrase) -> Result<Zeroizing<Vec<u8>>, RecoveryOpenError> {
        let Payload { cost, salt, sealed } = &self.payload;
        let key = KeyEncryptionKey::from_bytes(cost.stretch(passphrase.expose(), salt)?);
        key.open_under(&payload::additional_data(&self.public, *cost), sealed)
            .map_err(|_| RecoveryOpenError::Refused)
    }
}
