//! What a party has agreed upon with others, so that a session costs no key exchange.
//!
//! Towards each receiver a sender runs HPKE (RFC 9180: DHKEM X25519, HKDF-SHA256, export-only) once in
//! auth mode and exports a key for each session from it (§5.3). Both keep what they can export from, in
//! memory only: the sender until it has opened [`SESSIONS_MAX`] sessions, the receiver after the first
//! genuine message, so that nobody else fills its memory. What was forgotten is agreed upon again.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cohold_model::identity::SealKey;
use hpke::aead::{AeadCtxR, AeadCtxS, ExportOnlyAead};
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable as _, Kem, OpModeR, OpModeS, Serializable as _};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

type PrivateKey = <X25519HkdfSha256 as Kem>::PrivateKey;
type PublicKey = <X25519HkdfSha256 as Kem>::PublicKey;

/// Length of an encapsulated key.
pub(crate) const ENCAPSULATED_BYTES: usize = 32;
/// What the sender encapsulated.
pub(crate) type Encapsulated = [u8; ENCAPSULATED_BYTES];

const INFO: &[u8] = b"cohold/mpc/contact/v2";
/// After so many sessions a sender agrees with the receiver anew.
const SESSIONS_MAX: u32 = 4096;
/// Parties that are remembered, in each direction. There are as many as the party has accounts with.
const REMEMBERED_MAX: usize = 4096;

/// What a party can export keys from.
#[derive(Default)]
pub(crate) struct Contacts {
    outward: Mutex<Remembered<SealKey, Outward>>,
    inward: Mutex<Remembered<(SealKey, Encapsulated), Arc<Inward>>>,
}

struct Outward {
    encapsulated: Encapsulated,
    context: AeadCtxS<ExportOnlyAead, HkdfSha256, X25519HkdfSha256>,
    sessions: u32,
}

/// What a sender's messages of many sessions are opened by.
pub(crate) struct Inward(AeadCtxR<ExportOnlyAead, HkdfSha256, X25519HkdfSha256>);

/// The last ones that came.
struct Remembered<K, V> {
    known: BTreeMap<K, V>,
    order: VecDeque<K>,
}

impl Contacts {
    /// The key that `label` names, for a session with `receiver`, and what the receiver finds it by. Nothing
    /// where the receiver's key is not usable.
    pub(crate) fn towards(
        &self,
        own: impl FnOnce() -> (PrivateKey, PublicKey),
        receiver: &SealKey,
        label: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Option<(Encapsulated, Zeroizing<[u8; 32]>)> {
        let mut outward = lock(&self.outward);
        if outward.known.get(receiver).is_none_or(|known| known.sessions >= SESSIONS_MAX) {
            let to = PublicKey::from_bytes(&receiver.0).ok()?;
            let mode = OpModeS::Auth(own());
            let agreed = hpke::setup_sender_with_rng::<_, _, X25519HkdfSha256>(&mode, &to, INFO, rng);
            let (encapsulated, context) = agreed.ok()?;
            let encapsulated = encapsulated.to_bytes().into();
            outward.keep(*receiver, Outward { encapsulated, context, sessions: 0 });
        }
        let known = outward.known.get_mut(receiver)?;
        known.sessions += 1;
        let mut key = Zeroizing::new([0; 32]);
        known.context.export(label, key.as_mut_slice()).ok()?;
        Some((known.encapsulated, key))
    }

    /// What `sender` encapsulated for the holder of `secret`.
    pub(crate) fn from(
        &self,
        secret: &PrivateKey,
        sender: &SealKey,
        encapsulated: &Encapsulated,
    ) -> Option<Arc<Inward>> {
        if let Some(known) = lock(&self.inward).known.get(&(*sender, *encapsulated)) {
            return Some(Arc::clone(known));
        }
        let from = PublicKey::from_bytes(&sender.0).ok()?;
        let encapsulated = <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(encapsulated).ok()?;
        let context = hpke::setup_receiver(&OpModeR::Auth(from), secret, &encapsulated, INFO).ok()?;
        Some(Arc::new(Inward(context)))
    }

    /// Remembers what a genuine message came under.
    pub(crate) fn keep(&self, sender: SealKey, encapsulated: Encapsulated, agreed: Arc<Inward>) {
        lock(&self.inward).keep((sender, encapsulated), agreed);
    }
}

impl Inward {
    /// The key that `label` names.
    pub(crate) fn key(&self, label: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
        let mut key = Zeroizing::new([0; 32]);
        self.0.export(label, key.as_mut_slice()).ok()?;
        Some(key)
    }
}

impl<K: Ord + Clone, V> Remembered<K, V> {
    fn keep(&mut self, key: K, value: V) {
        if self.known.insert(key.clone(), value).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > REMEMBERED_MAX {
            self.order.pop_front().map(|oldest| self.known.remove(&oldest));
        }
    }
}

impl<K, V> Default for Remembered<K, V> {
    fn default() -> Self {
        Self { known: BTreeMap::new(), order: VecDeque::new() }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::PartyKeys;

    fn rng() -> impl CryptoRng {
        rand_core::UnwrapErr(getrandom::SysRng)
    }

    #[test]
    fn both_sides_export_the_same_and_each_label_is_its_own_key() {
        let (alice, bob) = (PartyKeys::from_seed(&[1; 32]).seal, PartyKeys::from_seed(&[2; 32]).seal);
        let (sent, received) = (Contacts::default(), Contacts::default());
        let (first, one) = sent.towards(|| alice.pair(), &bob.public(), b"one", &mut rng()).unwrap();
        let (again, two) = sent.towards(|| alice.pair(), &bob.public(), b"two", &mut rng()).unwrap();
        assert_eq!(first, again);
        assert_ne!(one, two);
        let agreed = received.from(&bob.pair().0, &alice.public(), &first).unwrap();
        assert_eq!((agreed.key(b"one").unwrap(), agreed.key(b"two").unwrap()), (one.clone(), two));
        let mallory = PartyKeys::from_seed(&[3; 32]).seal.public();
        let other = received.from(&bob.pair().0, &mallory, &first).unwrap();
        assert_ne!(other.key(b"one").unwrap(), one, "auth mode binds the sender");
    }

    #[test]
    fn a_sender_agrees_anew_after_a_while() {
        let (alice, bob) = (PartyKeys::from_seed(&[1; 32]).seal, PartyKeys::from_seed(&[2; 32]).seal);
        let sent = Contacts::default();
        let exchange = || sent.towards(|| alice.pair(), &bob.public(), b"", &mut rng()).unwrap().0;
        let first = exchange();
        assert!((1..SESSIONS_MAX).all(|_| exchange() == first));
        assert_ne!(exchange(), first);
    }

    #[test]
    fn the_last_ones_are_remembered() {
        let mut remembered = Remembered::default();
        for key in 0..REMEMBERED_MAX + 3 {
            remembered.keep(key, ());
            remembered.keep(key, ());
        }
        assert_eq!((remembered.known.len(), remembered.order.len()), (REMEMBERED_MAX, REMEMBERED_MAX));
        assert_eq!(remembered.known.keys().next(), Some(&3));
    }
}
