//! Identities: an Ed25519 key that signs documents and an X25519 key that messages are sealed to.

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::canonical::{Digest, digest_parts};

/// A party's Ed25519 public key (RFC 8032). Parsing refuses points off the curve and of small order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Digest", into = "Digest")]
pub struct IdentityKey(VerifyingKey);

/// The key is not a point of the prime-order group.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an Ed25519 identity key")]
pub struct IdentityKeyError(Digest);

impl IdentityKey {
    /// The 32 bytes of the key.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// The same, where they lie.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// Strict verification (RFC 8032 §5.1.7, small-order points refused) over a digest.
    #[must_use]
    pub fn verify(&self, digest: &Digest, signature: &Signature) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        self.0.verify_strict(&digest.0, &signature).is_ok()
    }

    /// Thirty-two hexadecimal digits (128 bits) to compare by eye or to pin in a configuration file: a
    /// second key with the same ones is out of reach.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let digest = digest_parts("cohold/identity-fingerprint/v1", &[&self.to_bytes()]);
        digest.to_string().chars().take(32).collect()
    }
}

impl TryFrom<Digest> for IdentityKey {
    type Error = IdentityKeyError;
    fn try_from(bytes: Digest) -> Result<Self, IdentityKeyError> {
        VerifyingKey::from_bytes(&bytes.0)
            .ok()
            .filter(|key| !key.is_weak())
            .map(Self)
            .ok_or(IdentityKeyError(bytes))
    }
}

impl From<IdentityKey> for Digest {
    fn from(key: IdentityKey) -> Digest {
        Digest(key.to_bytes())
    }
}

impl std::fmt::Display for IdentityKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.to_bytes()))
    }
}

impl std::fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// A party's X25519 public key: 32 bytes that HPKE seals to (RFC 9180).
pub type SealKey = Digest;

/// An Ed25519 signature, 128 hexadecimal digits in JSON.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Signature(#[serde(with = "hex")] pub [u8; 64]);

impl std::fmt::Debug for Signature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// A party's secret identity. Not `Clone`, not printable, wiped on drop.
pub struct IdentitySecret(SigningKey);

impl IdentitySecret {
    /// A new identity.
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(seed.as_mut());
        Self(SigningKey::from_bytes(&seed))
    }

    /// An identity from its 32 byte seed, which is wiped.
    pub fn from_seed(seed: &mut [u8; 32]) -> Self {
        let key = SigningKey::from_bytes(seed);
        seed.zeroize();
        Self(key)
    }

    /// The seed, for sealing at rest only.
    #[must_use]
    pub fn expose_seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> IdentityKey {
        IdentityKey(self.0.verifying_key())
    }

    /// Signs the digest of a tagged document.
    #[must_use]
    pub fn sign(&self, digest: &Digest) -> Signature {
        Signature(self.0.sign(&digest.0).to_bytes())
    }
}

impl std::fmt::Debug for IdentitySecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IdentitySecret({})", self.public())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_order_keys_are_refused() {
        let mut identity_point = [0; 32];
        if let Some(first) = identity_point.first_mut() {
            *first = 1;
        }
        assert!(IdentityKey::try_from(Digest(identity_point)).is_err());
        assert!(IdentityKey::try_from(Digest([0; 32])).is_err());
    }

    #[test]
    fn signatures_verify_under_their_key_only() {
        let (a, b) = (IdentitySecret::from_seed(&mut [1; 32]), IdentitySecret::from_seed(&mut [2; 32]));
        let digest = digest_parts("t", &[b"x"]);
        let signature = a.sign(&digest);
        assert!(a.public().verify(&digest, &signature));
        assert!(!b.public().verify(&digest, &signature));
        assert!(!a.public().verify(&digest_parts("t", &[b"y"]), &signature));
    }
}
