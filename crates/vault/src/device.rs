//! The user's device: a secret on the device and a PIN open the vault together, neither alone.
//!
//! The folder holds `device.key` (the device's secret), `device.json` (the wrapped key-encryption key)
//! and `device.attempts` (the counter of tries, where [`AttemptFile`] keeps it).

use std::path::{Path, PathBuf};

use cohold_model::statement::Sealing;
use zeroize::Zeroizing;

use crate::attempts::{AttemptError, AttemptFile, Attempts};
use crate::file::{FileError, private_create, private_folder, private_replace};
use crate::passphrase::Pin;
use crate::seal::{KeyEncryptionKey, SealContext, Sealed, Vault, VaultError};
use crate::software::{KeyFileError, key_file_create, key_file_read};
use crate::stretch::StretchCost;
use crate::wrapped::{Kind, WrapError, WrappedKey, WrappedKeyError};

/// An open device vault.
#[derive(Debug)]
pub struct DeviceVault {
    key: KeyEncryptionKey,
}

/// Why a device vault did not open or come to be.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// The device's secret.
    #[error(transparent)]
    Secret(#[from] KeyFileError),
    /// The wrapped key.
    #[error(transparent)]
    Wrapped(#[from] WrappedKeyError),
    /// Not tried.
    #[error(transparent)]
    Attempt(#[from] AttemptError),
    /// Tried, and wrong; which half was wrong is not said.
    #[error("the device and this PIN do not open the vault together: check the PIN and try again")]
    Refused,
    /// Not tried for lack of memory or randomness.
    #[error(transparent)]
    Wrap(#[from] WrapError),
}

impl DeviceVault {
    /// Makes a vault in a folder that has none. A start that was broken off may be repeated.
    pub fn create(folder: &Path, pin: &Pin, cost: StretchCost) -> Result<Self, DeviceError> {
        if Self::exists(folder) {
            return Err(WrappedKeyError::from(FileError::Exists { path: wrapped_path(folder) }).into());
        }
        private_folder(folder).map_err(KeyFileError::from)?;
        Self::attempts(folder).create()?;
        let secret = match key_file_create(&secret_path(folder)) {
            // Without the wrapped key nothing was ever sealed under this secret.
            Err(KeyFileError::File(FileError::Exists { .. })) => key_file_read(&secret_path(folder))?,
            secret => secret?,
        };
        let key = KeyEncryptionKey::random().map_err(|error| WrapError::Vault(error.into()))?;
        let wrapped = WrappedKey::wrap(Kind::DeviceAndPin, &key, pin.expose(), Some(secret.expose()), cost)?;
        private_create(&wrapped_path(folder), &wrapped.to_bytes()).map_err(WrappedKeyError::from)?;
        Ok(Self { key })
    }

    /// Whether a folder has a vault.
    #[must_use]
    pub fn exists(folder: &Path) -> bool {
        wrapped_path(folder).exists()
    }

    /// The counter of tries that belongs to a folder.
    #[must_use]
    pub fn attempts(folder: &Path) -> AttemptFile {
        AttemptFile::at(folder.join("device.attempts"))
    }

    /// Opens the vault with a PIN. The try is counted before it is made.
    pub fn open(folder: &Path, pin: &Pin, attempts: &impl Attempts, now: u64) -> Result<Self, DeviceError> {
        let secret = key_file_read(&secret_path(folder))?;
        let wrapped = WrappedKey::read(&wrapped_path(folder), Kind::DeviceAndPin)?;
        attempts.begin(now)?;
        let key = wrapped.unwrap(pin.expose(), Some(secret.expose()))?.ok_or(DeviceError::Refused)?;
        attempts.succeeded()?;
        Ok(Self { key })
    }

    /// Wraps the key under another PIN. What is sealed stays as it is; an old copy of the folder still
    /// opens with the old PIN.
    pub fn pin_change(
        folder: &Path,
        old: &Pin,
        new: &Pin,
        cost: StretchCost,
        attempts: &impl Attempts,
        now: u64,
    ) -> Result<(), DeviceError> {
        let vault = Self::open(folder, old, attempts, now)?;
        let secret = key_file_read(&secret_path(folder))?;
        let wrapped =
            WrappedKey::wrap(Kind::DeviceAndPin, &vault.key, new.expose(), Some(secret.expose()), cost)?;
        private_replace(&wrapped_path(folder), &wrapped.to_bytes()).map_err(WrappedKeyError::from)?;
        Ok(())
    }
}

impl Vault for DeviceVault {
    fn seal(&self, context: &SealContext, plaintext: &[u8]) -> Result<Sealed, VaultError> {
        self.key.seal(context, plaintext)
    }

    fn open(&self, context: &SealContext, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        self.key.open(context, sealed)
    }

    fn sealing(&self) -> Sealing {
        Sealing::DeviceAndPin
    }
}

fn secret_path(folder: &Path) -> PathBuf {
    folder.join("device.key")
}

fn wrapped_path(folder: &Path) -> PathBuf {
    folder.join("device.json")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

    fn pin(text: &str) -> Result<Pin> {
        Ok(Pin::chosen(text.into())?)
    }

    #[test]
    fn device_and_pin_open_together_only() -> Result {
        let (home, other) = (tempfile::tempdir()?, tempfile::tempdir()?);
        let (home, other) = (home.path(), other.path());
        let place = SealContext::of_party("device".parse()?);
        let sealed = DeviceVault::create(home, &pin("271828")?, StretchCost::FLOOR)?.seal(&place, b"seed")?;
        DeviceVault::create(other, &pin("271828")?, StretchCost::FLOOR)?;
        let attempts = DeviceVault::attempts(home);

        let vault = DeviceVault::open(home, &pin("271828")?, &attempts, 0)?;
        assert_eq!(Vault::open(&vault, &place, &sealed)?.as_slice(), b"seed");

        let wrong_pin = DeviceVault::open(home, &pin("314159")?, &attempts, 0).err();
        fs::copy(other.join("device.key"), home.join("device.key"))?;
        let wrong_device = DeviceVault::open(home, &pin("271828")?, &attempts, 0).err();
        assert!(matches!(wrong_pin, Some(DeviceError::Refused)));
        assert_eq!(
            wrong_pin.map(|error| error.to_string()),
            wrong_device.map(|error| error.to_string()),
            "the same words whichever half is wrong"
        );
        Ok(())
    }

    #[test]
    fn wrong_pins_are_slowed_down_and_the_right_one_still_opens() -> Result {
        let home = tempfile::tempdir()?;
        let home = home.path();
        DeviceVault::create(home, &pin("271828")?, StretchCost::FLOOR)?;
        let attempts = DeviceVault::attempts(home);
        for _ in 0..3 {
            let refused = DeviceVault::open(home, &pin("314159")?, &attempts, 1_000);
            assert!(matches!(refused, Err(DeviceError::Refused)));
        }
        let early = DeviceVault::open(home, &pin("271828")?, &attempts, 1_004);
        assert!(matches!(early, Err(DeviceError::Attempt(AttemptError::Wait { seconds: 1 }))));
        DeviceVault::open(home, &pin("271828")?, &attempts, 1_005)?;
        Ok(())
    }

    #[test]
    fn the_pin_changes_and_the_vault_is_never_made_twice() -> Result {
        let home = tempfile::tempdir()?;
        let home = home.path();
        let place = SealContext::of_party("device".parse()?);
        let sealed = DeviceVault::create(home, &pin("271828")?, StretchCost::FLOOR)?.seal(&place, b"seed")?;
        assert!(DeviceVault::create(home, &pin("271828")?, StretchCost::FLOOR).is_err());
        let attempts = DeviceVault::attempts(home);
        let new = pin("long words work too")?;
        DeviceVault::pin_change(home, &pin("271828")?, &new, StretchCost::FLOOR, &attempts, 0)?;
        assert!(DeviceVault::open(home, &pin("271828")?, &attempts, 0).is_err());
        let vault = DeviceVault::open(home, &new, &attempts, 0)?;
        assert_eq!(Vault::open(&vault, &place, &sealed)?.as_slice(), b"seed");
        Ok(())
    }
}
