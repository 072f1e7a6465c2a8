//! A random key-encryption key, wrapped under something that people remember. Changing the PIN or the
//! passphrase wraps the same key anew; nothing that it sealed is touched. Whether the wrapping opens is
//! also the check of the PIN or passphrase.

use std::path::Path;

use cohold_model::canonical::digest_parts;
use cohold_model::{Digest, HexBytes};
use hkdf::Hkdf;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::file::{FileError, private_read};
use crate::seal::{KeyEncryptionKey, Sealed, VaultError};
use crate::stretch::{StretchCost, StretchError};

const VERSION: u32 = 1;
const FILE_BYTES_MAX: u64 = 4096;

/// What a wrapped key is for; bound into the wrapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// Opened by a passphrase alone.
    Passphrase,
    /// Opened by a device's secret and a PIN together.
    DeviceAndPin,
}

/// The file, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrappedKey {
    version: u32,
    kind: Kind,
    cost: StretchCost,
    salt: Digest,
    key: HexBytes,
}

/// Why a file with a wrapped key is of no use.
#[derive(Debug, thiserror::Error)]
pub enum WrappedKeyError {
    /// The file itself.
    #[error(transparent)]
    File(#[from] FileError),
    /// Not such a file, or a damaged one.
    #[error("`{path}` is damaged or not a vault of this kind ({detail}): restore it from a backup")]
    Content {
        /// The file.
        path: String,
        /// What is wrong with it.
        detail: String,
    },
}

impl WrappedKey {
    /// Wraps a key under a text, and under a device's secret where there is one.
    pub(crate) fn wrap(
        kind: Kind,
        key: &KeyEncryptionKey,
        text: &str,
        device: Option<&[u8; 32]>,
        cost: StretchCost,
    ) -> Result<Self, WrapError> {
        let mut salt = Digest([0; 32]);
        getrandom::fill(&mut salt.0).map_err(VaultError::from)?;
        let wrapping = wrapping_key(text, device, cost, &salt)?;
        let sealed = wrapping.seal_under(&additional_data(kind), key.expose())?;
        Ok(Self { version: VERSION, kind, cost, salt, key: HexBytes(sealed.into_bytes()) })
    }

    /// The key; none where text or device's secret are not those that it was wrapped under.
    pub(crate) fn unwrap(
        &self,
        text: &str,
        device: Option<&[u8; 32]>,
    ) -> Result<Option<KeyEncryptionKey>, WrapError> {
        let sealed = Sealed::from_bytes(self.key.0.clone())?;
        let wrapping = wrapping_key(text, device, self.cost, &self.salt)?;
        let Ok(opened) = wrapping.open_under(&additional_data(self.kind), &sealed) else {
            return Ok(None);
        };
        let bytes = <[u8; 32]>::try_from(opened.as_slice()).map_err(|_| VaultError::Refused)?;
        Ok(Some(KeyEncryptionKey::from_bytes(Zeroizing::new(bytes))))
    }

    pub(crate) fn read(path: &Path, kind: Kind) -> Result<Self, WrappedKeyError> {
        let content = |detail: String| WrappedKeyError::Content { path: path.display().to_string(), detail };
        let bytes = private_read(path, FILE_BYTES_MAX)?;
        let wrapped: Self = serde_json::from_slice(&bytes).map_err(|error| content(error.to_string()))?;
        if wrapped.version != VERSION {
            return Err(content(format!("version `{}` is not known", wrapped.version)));
        }
        if wrapped.kind != kind {
            return Err(content("it is opened in another way".into()));
        }
        wrapped.cost.check().map_err(|error| content(error.to_string()))?;
        Ok(wrapped)
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        // Plain data always serialises; an empty file would be refused on reading.
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }
}

/// Why wrapping or unwrapping failed before the text was even tried.
#[derive(Debug, thiserror::Error)]
pub enum WrapError {
    /// Argon2id.
    #[error(transparent)]
    Stretch(#[from] StretchError),
    /// Sealing.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// `HKDF-SHA-256(salt, len ‖ device secret ‖ len ‖ Argon2id(text, salt))`: without both inputs there is
/// no key.
fn wrapping_key(
    text: &str,
    device: Option<&[u8; 32]>,
    cost: StretchCost,
    salt: &Digest,
) -> Result<KeyEncryptionKey, WrapError> {
    let stretched = cost.stretch(text, &salt.0)?;
    let device = device.map(<[u8; 32]>::as_slice).unwrap_or_default();
    let mut material = Zeroizing::new(Vec::with_capacity(16 + 64));
    for part in [device, stretched.as_slice()] {
        material.extend_from_slice(&(part.len() as u64).to_be_bytes());
        material.extend_from_slice(part);
    }
    let mut key = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(Some(&salt.0), &material)
        .expand(b"cohold/wrapping-key/v1", key.as_mut())
        .map_err(|_| VaultError::Refused)?;
    Ok(KeyEncryptionKey::from_bytes(key))
}

fn additional_data(kind: Kind) -> Digest {
    let kind: &[u8] = match kind {
        Kind::Passphrase => b"passphrase",
        Kind::DeviceAndPin => b"device-and-pin",
    };
    digest_parts("cohold/wrapped-key/v1", &[kind])
}
