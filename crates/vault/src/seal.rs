//! What every vault does: seal and open blobs under a key-encryption key.
//!
//! A sealed blob, version 1:
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version, `1` |
//! | 32 | salt, random for each blob |
//! | 12 | nonce, random for each blob |
//! | rest | AES-256-GCM ciphertext and its 16 byte tag |
//!
//! The data key is `HKDF-SHA-256(key-encryption key, salt, "cohold/data-key/v1")` (RFC 5869): every blob
//! has its own, so that a nonce that repeats by chance meets another key. The additional data is the
//! digest of the length-delimited [`SealContext`] under the tag `cohold/seal/v1`.
//!
//! A key-encryption key within a hardware token derives nothing outside of it: version 2, in
//! [`crate::token`].

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use cohold_model::canonical::digest_parts;
use cohold_model::statement::Sealing;
use cohold_model::{AccountId, Digest, Epoch, PartyName, Token};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::token::Envelope;

/// The most bytes that one blob seals.
pub const PLAINTEXT_BYTES_MAX: usize = 16 * 1024 * 1024;

const VERSION: u8 = 1;
/// The version of what a token seals.
pub(crate) const VERSION_OF_TOKENS: u8 = 2;
const SALT_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
const HEADER_BYTES: usize = 1 + SALT_BYTES + NONCE_BYTES;

/// Seals secrets and opens them again, in the same place only.
pub trait Vault: Send + Sync {
    /// Seals a secret for one place.
    fn seal(&self, context: &SealContext, plaintext: &[u8]) -> Result<Sealed, VaultError>;

    /// Opens what was sealed for this very place.
    fn open(&self, context: &SealContext, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, VaultError>;

    /// How the custody model calls this way of sealing.
    fn sealing(&self) -> Sealing;

    /// The hardware token that holds the key, where one does.
    fn token(&self) -> Option<&Token> {
        None
    }
}

/// What a secret is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// A Shamir share.
    Share,
    /// What an engine needs beside the share.
    Auxiliary,
    /// A seed of identity or sealing keys.
    Seed,
    /// A share of a key that was made elsewhere, until it is dealt.
    Foreign,
}

impl Purpose {
    fn tag(self) -> &'static [u8] {
        match self {
            Self::Share => b"share",
            Self::Auxiliary => b"auxiliary",
            Self::Seed => b"seed",
            Self::Foreign => b"foreign",
        }
    }
}

/// The place that a secret belongs to; a blob opens in no other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SealContext {
    /// The account; none for what a party has apart from any account, such as its identity.
    pub account: Option<AccountId>,
    /// The generation of shares.
    pub epoch: Epoch,
    /// Whose secret it is.
    pub party: PartyName,
    /// What it is.
    pub purpose: Purpose,
}

impl SealContext {
    /// The place of a secret that belongs to an account.
    #[must_use]
    pub fn of_account(account: AccountId, epoch: Epoch, party: PartyName, purpose: Purpose) -> Self {
        Self { account: Some(account), epoch, party, purpose }
    }

    /// The place of a party's own seed.
    #[must_use]
    pub fn of_party(party: PartyName) -> Self {
        Self { account: None, epoch: Epoch::FIRST, party, purpose: Purpose::Seed }
    }

    pub(crate) fn additional_data(&self) -> Digest {
        let account = self.account.map(|account| account.to_string()).unwrap_or_default();
        digest_parts(
            "cohold/seal/v1",
            &[
                account.as_bytes(),
                &self.epoch.0.to_be_bytes(),
                self.party.as_str().as_bytes(),
                self.purpose.tag(),
            ],
        )
    }
}

/// A sealed blob of a version that this build reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    /// Reads a blob; whether it opens is another question.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, VaultError> {
        match bytes.first() {
            Some(&VERSION) if bytes.len() >= HEADER_BYTES + TAG_BYTES => Ok(Self(bytes)),
            Some(&VERSION_OF_TOKENS) if bytes.len() >= Envelope::BYTES_MIN => Ok(Self(bytes)),
            Some(&(VERSION | VERSION_OF_TOKENS)) | None => Err(VaultError::Truncated { bytes: bytes.len() }),
            Some(&version) => Err(VaultError::Version { version }),
        }
    }

    /// The blob, to be stored.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The blob, to be stored.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// Why sealing or opening failed.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The system gives no randomness.
    #[error("the system's source of randomness failed: {0}")]
    Randomness(#[from] getrandom::Error),
    /// Too much for one blob.
    #[error("a secret of {bytes} bytes is too long to be sealed: the most is {max}", max = PLAINTEXT_BYTES_MAX)]
    Length {
        /// How many bytes were given.
        bytes: usize,
    },
    /// Not even the header is there.
    #[error("a sealed blob of {bytes} bytes is cut short: restore it from a backup")]
    Truncated {
        /// How many bytes there are.
        bytes: usize,
    },
    /// From a later build, or no blob at all.
    #[error(
        "a sealed blob of version `{version}` is not known: use a newer build, or restore it from a backup"
    )]
    Version {
        /// The version found.
        version: u8,
    },
    /// A blob of the other kind of vault.
    #[error("the secret was sealed by {by}, which node.toml does not name: name that vault again")]
    OtherVault {
        /// The kind of vault that sealed it.
        by: &'static str,
    },
    /// The token that holds the key.
    #[error(transparent)]
    Token(#[from] Box<crate::token::TokenError>),
    /// Another key, another place, or damage; nobody can tell which.
    #[error(
        "the sealed secret does not open: it is damaged, or belongs to another key, account, epoch or party"
    )]
    Refused,
}

/// A key-encryption key. Not `Clone`, not printable, wiped on drop.
pub(crate) struct KeyEncryptionKey(Zeroizing<[u8; 32]>);

impl KeyEncryptionKey {
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(bytes.as_mut())?;
        Ok(Self(bytes))
    }

    pub(crate) fn from_bytes(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    pub(crate) fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn seal(&self, context: &SealContext, plaintext: &[u8]) -> Result<Sealed, VaultError> {
        self.seal_under(&context.additional_data(), plaintext)
    }

    pub(crate) fn open(
        &self,
        context: &SealContext,
        sealed: &Sealed,
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        self.open_under(&context.additional_data(), sealed)
    }

    /// Seals under additional data other than a [`SealContext`]; its digest must carry its own tag.
    pub(crate) fn seal_under(&self, aad: &Digest, plaintext: &[u8]) -> Result<Sealed, VaultError> {
        let bytes = plaintext.len();
        if bytes > PLAINTEXT_BYTES_MAX {
            return Err(VaultError::Length { bytes });
        }
        let (mut salt, mut nonce) = ([0; SALT_BYTES], [0; NONCE_BYTES]);
        getrandom::fill(&mut salt)?;
        getrandom::fill(&mut nonce)?;
        let payload = Payload { msg: plaintext, aad: &aad.0 };
        let ciphertext = self
            .cipher(&salt)
            .and_then(|cipher| cipher.encrypt(&Nonce::from(nonce), payload).ok())
            .ok_or(VaultError::Length { bytes })?;
        let mut blob = Vec::with_capacity(HEADER_BYTES.saturating_add(ciphertext.len()));
        blob.push(VERSION);
        blob.extend_from_slice(&salt);
        blob.extend_from_slice(&nonce);
        blob.extend_from_slice(&ciphertext);
        Ok(Sealed(blob))
    }

    pub(crate) fn open_under(&self, aad: &Digest, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        if sealed.0.first() == Some(&VERSION_OF_TOKENS) {
            return Err(VaultError::OtherVault { by: "a hardware token" });
        }
        let (salt, rest) = sealed
            .0
            .get(1..)
            .and_then(|body| body.split_first_chunk::<SALT_BYTES>())
            .ok_or(VaultError::Refused)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(VaultError::Refused)?;
        let payload = Payload { msg: ciphertext, aad: &aad.0 };
        self.cipher(salt)
            .and_then(|cipher| cipher.decrypt(&Nonce::from(*nonce), payload).ok())
            .map(Zeroizing::new)
            .ok_or(VaultError::Refused)
    }

    /// The cipher under the data key of one salt; always there, since 32 bytes are a valid length.
    fn cipher(&self, salt: &[u8; SALT_BYTES]) -> Option<Aes256Gcm> {
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(Some(salt), self.0.as_ref()).expand(b"cohold/data-key/v1", key.as_mut()).ok()?;
        Aes256Gcm::new_from_slice(key.as_ref()).ok()
    }
}

impl std::fmt::Debug for KeyEncryptionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyEncryptionKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

    fn context(account: u8, epoch: u32, party: &str, purpose: Purpose) -> Result<SealContext> {
        let account = format!("acc_{}", hex::encode([account; 16])).parse()?;
        Ok(SealContext::of_account(account, Epoch(epoch), party.parse()?, purpose))
    }

    #[test]
    fn a_blob_opens_in_its_own_place_only() -> Result {
        let key = KeyEncryptionKey::random()?;
        let home = context(1, 1, "device", Purpose::Share)?;
        let sealed = key.seal(&home, b"share")?;
        assert_eq!(key.open(&home, &sealed)?.as_slice(), b"share");
        let foreign = [
            context(2, 1, "device", Purpose::Share)?,
            context(1, 2, "device", Purpose::Share)?,
            context(1, 1, "devicf", Purpose::Share)?,
            context(1, 1, "device", Purpose::Auxiliary)?,
            SealContext::of_party("device".parse()?),
        ];
        for place in foreign {
            assert!(matches!(key.open(&place, &sealed), Err(VaultError::Refused)), "{place:?}");
        }
        assert!(KeyEncryptionKey::random()?.open(&home, &sealed).is_err());
        Ok(())
    }

    #[test]
    fn equal_secrets_give_unequal_blobs_of_known_length() -> Result {
        let key = KeyEncryptionKey::random()?;
        let home = context(1, 1, "device", Purpose::Share)?;
        let (a, b) = (key.seal(&home, b"s")?, key.seal(&home, b"s")?);
        assert_ne!(a, b);
        assert_eq!(a.as_bytes().len(), HEADER_BYTES + 1 + TAG_BYTES);
        Ok(())
    }

    #[test]
    fn blobs_of_version_1_stay_readable() -> Result {
        let key = KeyEncryptionKey::from_bytes(Zeroizing::new([7; 32]));
        let blob = hex::decode(include_str!("../tests/sealed_v1.hex").trim())?;
        let opened = key.open(&context(1, 1, "device", Purpose::Share)?, &Sealed::from_bytes(blob)?)?;
        assert_eq!(opened.as_slice(), b"the share of version 1");
        Ok(())
    }

    proptest! {
        #[test]
        fn every_changed_or_missing_byte_is_noticed(
            secret in proptest::collection::vec(any::<u8>(), 0..40), at in any::<usize>(), change in 1u8..,
        ) {
            let key = KeyEncryptionKey::from_bytes(Zeroizing::new([7; 32]));
            let aad = digest_parts("t", &[]);
            let blob = key.seal_under(&aad, &secret).map(Sealed::into_bytes).unwrap_or_default();
            prop_assert_eq!(blob.len(), HEADER_BYTES + secret.len() + TAG_BYTES);
            let at = at % blob.len();
            let mut changed = blob.clone();
            changed.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= change);
            let opens = |bytes: Vec<u8>| Sealed::from_bytes(bytes).and_then(|s| key.open_under(&aad, &s)).is_ok();
            prop_assert!(!opens(changed));
            prop_assert!(!opens(blob.iter().copied().take(at).collect()));
            prop_assert!(opens(blob));
        }
    }
}
