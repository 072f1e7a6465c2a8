//! A vault in software: its key lies in a file, or is wrapped under a passphrase.

use std::path::{Path, PathBuf};

use cohold_model::canonical::digest_parts;
use cohold_model::statement::Sealing;
use zeroize::Zeroizing;

use crate::file::{FileError, private_create, private_read, private_replace};
use crate::passphrase::Passphrase;
use crate::seal::{KeyEncryptionKey, SealContext, Sealed, Vault, VaultError};
use crate::stretch::StretchCost;
use crate::wrapped::{Kind, WrappedKey};
pub use crate::wrapped::{WrapError, WrappedKeyError};

const KEY_FILE_HEAD: &str = "cohold-key-v1";
const KEY_FILE_BYTES_MAX: u64 = 256;

/// A vault whose key is in this process's memory.
#[derive(Debug)]
pub struct SoftwareVault {
    key: KeyEncryptionKey,
    sealing: Sealing,
}

/// Why a key file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file itself.
    #[error(transparent)]
    File(#[from] FileError),
    /// Not a key file, or a damaged one.
    #[error(
        "`{}` is damaged or not a key file: restore it from a backup, or what it sealed is lost", path.display()
    )]
    Content {
        /// The file.
        path: PathBuf,
    },
    /// The system gives no randomness.
    #[error("the system's source of randomness failed: {0}")]
    Randomness(#[from] getrandom::Error),
}

/// Why a passphrase opened no vault.
#[derive(Debug, thiserror::Error)]
pub enum PassphraseError {
    /// The file beside it.
    #[error(transparent)]
    File(#[from] WrappedKeyError),
    /// Not the passphrase.
    #[error("the passphrase does not open the vault: check it and try again")]
    Wrong,
    /// Nothing was tried.
    #[error(transparent)]
    Wrap(#[from] WrapError),
}

impl SoftwareVault {
    /// A new random key in a new file of mode 0600. An existing file is never overwritten.
    pub fn key_file_create(path: &Path) -> Result<Self, KeyFileError> {
        Ok(Self { key: key_file_create(path)?, sealing: Sealing::KeyFile })
    }

    /// The key in a file, which nobody but its owner may read.
    pub fn key_file_open(path: &Path) -> Result<Self, KeyFileError> {
        Ok(Self { key: key_file_read(path)?, sealing: Sealing::KeyFile })
    }

    /// A new random key, wrapped under a passphrase into a new file.
    pub fn passphrase_create(
        path: &Path,
        passphrase: &Passphrase,
        cost: StretchCost,
    ) -> Result<Self, PassphraseError> {
        let key = KeyEncryptionKey::random().map_err(|error| WrapError::Vault(error.into()))?;
        let wrapped = WrappedKey::wrap(Kind::Passphrase, &key, passphrase.expose(), None, cost)?;
        private_create(path, &wrapped.to_bytes()).map_err(WrappedKeyError::from)?;
        Ok(Self { key, sealing: Sealing::Passphrase })
    }

    /// The key in a file, unwrapped by a passphrase. Takes as long as Argon2id does.
    pub fn passphrase_open(path: &Path, passphrase: &Passphrase) -> Result<Self, PassphraseError> {
        let wrapped = WrappedKey::read(path, Kind::Passphrase)?;
        let key = wrapped.unwrap(passphrase.expose(), None)?.ok_or(PassphraseError::Wrong)?;
        Ok(Self { key, sealing: Sealing::Passphrase })
    }

    /// Wraps the key under another passphrase. What is sealed stays as it is; an old copy of the file
    /// still opens with the old passphrase.
    pub fn passphrase_change(
        path: &Path,
        old: &Passphrase,
        new: &Passphrase,
        cost: StretchCost,
    ) -> Result<(), PassphraseError> {
        let vault = Self::passphrase_open(path, old)?;
        let wrapped = WrappedKey::wrap(Kind::Passphrase, &vault.key, new.expose(), None, cost)?;
        private_replace(path, &wrapped.to_bytes()).map_err(WrappedKeyError::from)?;
        Ok(())
    }
}

impl Vault for SoftwareVault {
    fn seal(&self, context: &SealContext, plaintext: &[u8]) -> Result<Sealed, VaultError> {
        self.key.seal(context, plaintext)
    }

    fn open(&self, context: &SealContext, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        self.key.open(context, sealed)
    }

    fn sealing(&self) -> Sealing {
        self.sealing
    }
}

/// `cohold-key-v1 KEY CHECK` in hexadecimal digits; the check is the start of a digest of the key.
pub(crate) fn key_file_create(path: &Path) -> Result<KeyEncryptionKey, KeyFileError> {
    let key = KeyEncryptionKey::random()?;
    let digits = Zeroizing::new(hex::encode(key.expose()));
    let line = Zeroizing::new(format!("{KEY_FILE_HEAD} {} {}\n", digits.as_str(), key_check(&key)));
    private_create(path, line.as_bytes())?;
    Ok(key)
}

pub(crate) fn key_file_read(path: &Path) -> Result<KeyEncryptionKey, KeyFileError> {
    let bytes = private_read(path, KEY_FILE_BYTES_MAX)?;
    key_file_parse(&bytes).ok_or_else(|| KeyFileError::Content { path: path.into() })
}

fn key_file_parse(bytes: &[u8]) -> Option<KeyEncryptionKey> {
    let mut words = std::str::from_utf8(bytes).ok()?.split_ascii_whitespace();
    let (head, digits, check) = (words.next()?, words.next()?, words.next()?);
    let mut key = Zeroizing::new([0; 32]);
    hex::decode_to_slice(digits, key.as_mut()).ok()?;
    let key = KeyEncryptionKey::from_bytes(key);
    let whole = head == KEY_FILE_HEAD && check == key_check(&key) && words.next().is_none();
    whole.then_some(key)
}

fn key_check(key: &KeyEncryptionKey) -> String {
    digest_parts("cohold/key-file/v1", &[key.expose()]).to_string().chars().take(16).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

    fn place() -> Result<SealContext> {
        Ok(SealContext::of_party("node".parse()?))
    }

    #[test]
    fn a_key_file_opens_again_and_damage_is_named() -> Result {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("vault.key");
        let sealed = SoftwareVault::key_file_create(&path)?.seal(&place()?, b"seed")?;
        assert_eq!(SoftwareVault::key_file_open(&path)?.open(&place()?, &sealed)?.as_slice(), b"seed");
        assert!(matches!(
            SoftwareVault::key_file_create(&path),
            Err(KeyFileError::File(FileError::Exists { .. }))
        ));

        let whole = fs::read_to_string(&path)?;
        for damaged in [whole.replacen(' ', " 0", 1), whole.chars().take(40).collect(), String::new()] {
            fs::write(&path, damaged)?;
            assert!(matches!(SoftwareVault::key_file_open(&path), Err(KeyFileError::Content { .. })));
        }
        fs::write(&path, whole)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o604))?;
        assert!(matches!(
            SoftwareVault::key_file_open(&path),
            Err(KeyFileError::File(FileError::Exposed { mode: 0o604, .. }))
        ));
        Ok(())
    }

    #[test]
    fn a_passphrase_opens_and_can_be_changed() -> Result {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("vault.json");
        let (old, new) =
            (Passphrase::chosen("correct horse".into())?, Passphrase::chosen("battery staple".into())?);
        let sealed =
            SoftwareVault::passphrase_create(&path, &old, StretchCost::FLOOR)?.seal(&place()?, b"seed")?;
        assert!(matches!(SoftwareVault::passphrase_open(&path, &new), Err(PassphraseError::Wrong)));
        SoftwareVault::passphrase_change(&path, &old, &new, StretchCost::FLOOR)?;
        assert!(matches!(SoftwareVault::passphrase_open(&path, &old), Err(PassphraseError::Wrong)));
        let vault = SoftwareVault::passphrase_open(&path, &new)?;
        assert_eq!(vault.open(&place()?, &sealed)?.as_slice(), b"seed");
        assert_eq!(vault.sealing(), Sealing::Passphrase);
        Ok(())
    }

    #[test]
    fn a_hostile_file_demands_no_memory() -> Result {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("vault.json");
        let passphrase = Passphrase::chosen("correct horse".into())?;
        SoftwareVault::passphrase_create(&path, &passphrase, StretchCost::FLOOR)?;
        for memory in ["104857600", "8"] {
            let hostile = fs::read_to_string(&path)?.replace("19456", memory);
            let other = folder.path().join(memory);
            private_create(&other, hostile.as_bytes())?;
            assert!(matches!(
                SoftwareVault::passphrase_open(&other, &passphrase),
                Err(PassphraseError::File(WrappedKeyError::Content { .. }))
            ));
        }
        Ok(())
    }
}
