//! Secrets at rest: shares, auxiliary data of engines, identity seeds.
//!
//! Everything is sealed by AES-256-GCM under a data key of its own, derived from a key-encryption key
//! that a [`Vault`] holds. The additional data names account, epoch, party and purpose, so that a blob
//! opens in no other place ([`seal`] has the format).
//!
//! | vault | the key-encryption key lies | whoever has … opens it |
//! |---|---|---|
//! | [`SoftwareVault`] with a key file | in a file of mode 0600 | the disk |
//! | [`SoftwareVault`] with a passphrase | wrapped under Argon2id(passphrase) | the disk and the passphrase |
//! | [`DeviceVault`] | wrapped under HKDF(device secret, Argon2id(PIN)) | the device secret and the PIN, never one alone |
//! | [`TokenVault`] | within a hardware token, which never gives it out | the disk, the token and its PIN |
//! | [`RecoveryFile`] | nowhere: sealed under Argon2id(passphrase) | the paper and the passphrase |

pub mod attempts;
pub mod device;
pub mod file;
pub mod harden;
pub mod passphrase;
pub mod recovery;
pub mod seal;
pub mod software;
pub mod stretch;
pub mod token;
mod wrapped;

pub use attempts::{AttemptFile, Attempts};
pub use device::DeviceVault;
pub use harden::harden_process;
pub use passphrase::{Passphrase, Pin};
pub use recovery::{RecoveryFile, RecoveryPublic};
pub use seal::{Purpose, SealContext, Sealed, Vault, VaultError};
pub use software::SoftwareVault;
pub use stretch::StretchCost;
pub use token::{TokenError, TokenName, TokenPin, TokenPlace, TokenVault};
