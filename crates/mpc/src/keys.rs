//! A party's secret: one seed of 32 bytes, from which its identity (Ed25519) and its sealing key
//! (X25519) are derived by HKDF-SHA256 under distinct labels.

use std::sync::Arc;

use cohold_model::canonical::Digest;
use cohold_model::identity::{IdentityKey, IdentitySecret, SealKey};
use hkdf::Hkdf;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable as _, Kem, Serializable as _};
use rand_core::CryptoRng;
use sha2::Sha256;
use zeroize::{Zeroize as _, Zeroizing};

use crate::contacts::{Contacts, Encapsulated, Inward};

const IDENTITY_LABEL: &[u8] = b"cohold/party/identity/v1";
const SEAL_LABEL: &[u8] = b"cohold/party/seal/v1";

/// A party's X25519 private key, to which others seal and by which it authenticates what it seals
/// (RFC 9180, auth mode). Not `Clone`, not printable, wiped on drop.
pub struct SealSecret {
    secret: <X25519HkdfSha256 as Kem>::PrivateKey,
    public: <X25519HkdfSha256 as Kem>::PublicKey,
    contacts: Arc<Contacts>,
}

impl SealSecret {
    /// The key from its 32 bytes, which are wiped.
    fn from_bytes(bytes: &mut [u8; 32]) -> Self {
        let secret = <X25519HkdfSha256 as Kem>::PrivateKey::from_bytes(bytes);
        // Any 32 bytes are an X25519 private key (RFC 7748 §5); the other arm is never taken, and
        // is sound all the same.
        let secret = secret.unwrap_or_else(|_| X25519HkdfSha256::derive_keypair(bytes).0);
        bytes.zeroize();
        let public = X25519HkdfSha256::sk_to_pk(&secret);
        Self { secret, public, contacts: Arc::default() }
    }

    /// The public key, to be put on the party's card.
    #[must_use]
    pub fn public(&self) -> SealKey {
        Digest(self.public.to_bytes().into())
    }

    /// The key pair in the shape that HPKE takes. The private half wipes itself on drop.
    pub(crate) fn pair(
        &self,
    ) -> (<X25519HkdfSha256 as Kem>::PrivateKey, <X25519HkdfSha256 as Kem>::PublicKey) {
        (self.secret.clone(), self.public.clone())
    }

    /// A second handle for a session that outlives the borrow.
    pub(crate) fn duplicate(&self) -> Self {
        let (secret, public) = self.pair();
        Self { secret, public, contacts: Arc::clone(&self.contacts) }
    }

    /// A key for one session with `receiver`, and what the receiver finds it by.
    pub(crate) fn towards(
        &self,
        receiver: &SealKey,
        label: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Option<(Encapsulated, Zeroizing<[u8; 32]>)> {
        self.contacts.towards(|| self.pair(), receiver, label, rng)
    }

    /// What the keys of `sender`'s sessions come from.
    pub(crate) fn from(&self, sender: &SealKey, encapsulated: &Encapsulated) -> Option<Arc<Inward>> {
        self.contacts.from(&self.secret, sender, encapsulated)
    }

    /// Remembers what a genuine message came under.
    pub(crate) fn remember(&self, sender: SealKey, encapsulated: Encapsulated, agreed: Arc<Inward>) {
        self.contacts.keep(sender, encapsulated, agreed);
    }
}

impl std::fmt::Debug for SealSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealSecret({})", self.public())
    }
}

/// Everything that makes a party itself.
#[derive(Debug)]
pub struct PartyKeys {
    /// Signs documents.
    pub identity: IdentitySecret,
    /// Opens and seals messages.
    pub seal: SealSecret,
}

impl PartyKeys {
    /// The keys of the party with this seed. The seed is the party's whole secret: 32 uniformly
    /// random bytes, kept by the caller.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let mut identity = derive(seed, IDENTITY_LABEL);
        let mut seal = derive(seed, SEAL_LABEL);
        Self { identity: IdentitySecret::from_seed(&mut identity), seal: SealSecret::from_bytes(&mut seal) }
    }

    /// The public identity key.
    #[must_use]
    pub fn identity(&self) -> IdentityKey {
        self.identity.public()
    }

    /// The public key that others seal to.
    #[must_use]
    pub fn seal_key(&self) -> SealKey {
        self.seal.public()
    }
}

/// HKDF-SHA256 (RFC 5869) without salt, 32 bytes. One output block is
/// `T(1) = HMAC(PRK, info ‖ 0x01)` (§2.3), which is an extract with the PRK as salt, and so cannot fail.
fn derive(seed: &[u8; 32], label: &[u8]) -> Zeroizing<[u8; 32]> {
    let (mut key, _) = Hkdf::<Sha256>::extract(None, seed);
    let (mut block, _) = Hkdf::<Sha256>::extract(Some(&key), &[label, &[1]].concat());
    let okm = Zeroizing::new(block.into());
    key.as_mut_slice().zeroize();
    block.as_mut_slice().zeroize();
    okm
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_block_of_hkdf_is_what_the_library_expands() {
        let seed = [7; 32];
        let mut expected = [0; 32];
        let expand = Hkdf::<Sha256>::new(None, &seed).expand(SEAL_LABEL, &mut expected);
        assert!(expand.is_ok());
        assert_eq!(*derive(&seed, SEAL_LABEL), expected);
    }

    #[test]
    fn keys_are_a_function_of_the_seed_and_distinct() {
        let (a, again, b) =
            (PartyKeys::from_seed(&[1; 32]), PartyKeys::from_seed(&[1; 32]), PartyKeys::from_seed(&[2; 32]));
        assert_eq!((a.identity(), a.seal_key()), (again.identity(), again.seal_key()));
        assert_ne!(a.identity(), b.identity());
        assert_ne!(a.seal_key(), b.seal_key());
        assert_ne!(a.identity().to_bytes(), a.seal_key().0);
    }

    #[test]
    fn a_seed_keeps_its_keys_for_ever() {
        let keys = PartyKeys::from_seed(&[1; 32]);
        assert_eq!(
            keys.identity().to_string(),
            "21f293b8b009c692225d1df230ac226819a8cd510b1182bcacd961634f295a79"
        );
        assert_eq!(
            keys.seal_key().to_string(),
            "960df43d9ba3997d49b91a9a7daff1632edc217697df35fc525b83115e884543"
        );
    }

    #[test]
    fn secrets_do_not_print() {
        let keys = PartyKeys::from_seed(&[1; 32]);
        let printed = format!("{keys:?}");
        assert_eq!(
            printed,
            format!(
                "PartyKeys {{ identity: IdentitySecret({}), seal: SealSecret({}) }}",
                keys.identity(),
                keys.seal_key()
            )
        );
    }
}
