//! What a token seals, version 2: a data key of its own for each blob, wrapped by the token.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version, `2` |
//! | 12 | nonce of the token, random for each blob |
//! | 48 | the blob's random data key, AES-256-GCM under the token's key, and its 16 byte tag |
//! | 12 | nonce of the blob, random |
//! | rest | AES-256-GCM ciphertext under the data key, and its 16 byte tag |
//!
//! The additional data of both is the digest of the place that the secret belongs to. A token sees 32
//! bytes for a blob of any length: shares with their auxiliary data have 100 kB, which some take seconds
//! for. Nonces of the token are random, so one key must not wrap more than 2³² data keys.

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use cohold_model::Digest;
use zeroize::Zeroizing;

use crate::seal::{PLAINTEXT_BYTES_MAX, Sealed, VERSION_OF_TOKENS, VaultError};

pub(super) const NONCE_BYTES: usize = 12;
const DATA_KEY_BYTES: usize = 32;
const TAG_BYTES: usize = 16;
pub(super) const WRAPPED_BYTES: usize = DATA_KEY_BYTES + TAG_BYTES;

/// A data key, wiped on drop.
pub(super) type DataKey = Zeroizing<[u8; DATA_KEY_BYTES]>;

/// The parts of a blob.
pub(crate) struct Envelope<'a> {
    pub(super) token_nonce: &'a [u8; NONCE_BYTES],
    pub(super) wrapped: &'a [u8; WRAPPED_BYTES],
    nonce: &'a [u8; NONCE_BYTES],
    ciphertext: &'a [u8],
}

impl<'a> Envelope<'a> {
    pub(crate) const BYTES_MIN: usize = 1 + NONCE_BYTES + WRAPPED_BYTES + NONCE_BYTES + TAG_BYTES;

    /// The parts of a blob, if it is one of this version.
    pub(super) fn of(sealed: &'a Sealed) -> Option<Self> {
        let (version, rest) = sealed.as_bytes().split_first()?;
        let (token_nonce, rest) = rest.split_first_chunk()?;
        let (wrapped, rest) = rest.split_first_chunk()?;
        let (nonce, ciphertext) = rest.split_first_chunk()?;
        (*version == VERSION_OF_TOKENS).then_some(Self { token_nonce, wrapped, nonce, ciphertext })
    }

    /// Opens what the data key seals.
    pub(super) fn open(&self, key: &DataKey, aad: &Digest) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let payload = Payload { msg: self.ciphertext, aad: &aad.0 };
        let opened = cipher(key).and_then(|cipher| cipher.decrypt(&Nonce::from(*self.nonce), payload).ok());
        opened.map(Zeroizing::new).ok_or(VaultError::Refused)
    }
}

/// A new data key.
pub(super) fn data_key() -> Result<DataKey, getrandom::Error> {
    let mut key = Zeroizing::new([0; DATA_KEY_BYTES]);
    getrandom::fill(key.as_mut())?;
    Ok(key)
}

/// A new nonce.
pub(super) fn nonce() -> Result<[u8; NONCE_BYTES], getrandom::Error> {
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut nonce)?;
    Ok(nonce)
}

/// Seals under a data key that the token has wrapped.
pub(super) fn seal(
    key: &DataKey,
    (token_nonce, wrapped): (&[u8; NONCE_BYTES], &[u8; WRAPPED_BYTES]),
    aad: &Digest,
    plaintext: &[u8],
) -> Result<Sealed, VaultError> {
    let bytes = plaintext.len();
    if bytes > PLAINTEXT_BYTES_MAX {
        return Err(VaultError::Length { bytes });
    }
    let nonce = nonce()?;
    let payload = Payload { msg: plaintext, aad: &aad.0 };
    let ciphertext = cipher(key)
        .and_then(|cipher| cipher.encrypt(&Nonce::from(nonce), payload).ok())
        .ok_or(VaultError::Length { bytes })?;
    let mut blob = Vec::with_capacity(Envelope::BYTES_MIN.saturating_add(bytes));
    blob.push(VERSION_OF_TOKENS);
    blob.extend_from_slice(token_nonce);
    blob.extend_from_slice(wrapped);
    blob.extend_from_slice(&nonce);
    blob.extend_from_slice(&ciphertext);
    Sealed::from_bytes(blob)
}

/// Always there, since 32 bytes are a valid length.
fn cipher(key: &DataKey) -> Option<Aes256Gcm> {
    Aes256Gcm::new_from_slice(key.as_ref()).ok()
}
