//! The file beside what a token has sealed: which of its keys it was, and a sealed nothing by which another
//! key of the same name is told apart. It is no secret.

use std::path::Path;

use cohold_model::Digest;
use cohold_model::canonical::digest_parts;
use serde::{Deserialize, Serialize};

use super::envelope::NONCE_BYTES;
use super::error::TokenError;
use crate::file::{private_create, private_read};

const VERSION: u8 = 1;
const FILE_BYTES_MAX: u64 = 1024;
const ID_BYTES_MAX: usize = 255;
/// What the token seals for the check: it is the tag that counts.
pub(super) const CHECKED: &[u8; 16] = b"cohold/token/v1\0";
const CHECK_BYTES: usize = CHECKED.len() + 16;

/// Which key seals a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) id: Vec<u8>,
    pub(super) nonce: [u8; NONCE_BYTES],
    pub(super) check: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u8,
    #[serde(with = "hex::serde")]
    key_id: Vec<u8>,
    #[serde(with = "hex::serde")]
    nonce: [u8; NONCE_BYTES],
    #[serde(with = "hex::serde")]
    check: Vec<u8>,
}

impl Record {
    /// What the check is bound to.
    pub(super) fn additional_data(id: &[u8]) -> Digest {
        digest_parts("cohold/token-check/v1", &[id])
    }

    pub(super) fn read(path: &Path) -> Result<Self, TokenError> {
        let bytes = private_read(path, FILE_BYTES_MAX)?;
        let stored: Option<Stored> = serde_json::from_slice(&bytes).ok();
        let good = stored.filter(|stored| {
            stored.version == VERSION
                && (1..=ID_BYTES_MAX).contains(&stored.key_id.len())
                && stored.check.len() == CHECK_BYTES
        });
        let Stored { key_id: id, nonce, check, .. } =
            good.ok_or_else(|| TokenError::RecordContent { path: path.into() })?;
        Ok(Self { id, nonce, check })
    }

    /// Writes it where there is none.
    pub(super) fn create(&self, path: &Path) -> Result<(), TokenError> {
        let Self { id, nonce, check } = self.clone();
        let stored = Stored { version: VERSION, key_id: id, nonce, check };
        let mut text = serde_json::to_vec(&stored).unwrap_or_default();
        text.push(b'\n');
        Ok(private_create(path, &text)?)
    }
}
