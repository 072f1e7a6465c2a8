//! One direction between two parties in one run, confidential and authenticated by sender.
//!
//! A [`Sealer`] exports one key from what sender and receiver agreed upon by HPKE in auth mode
//! (`contacts.rs`), and seals one message per round under it with AES-256-GCM; the round is the
//! nonce. Every message carries the encapsulated key and a salt of the sealer's own, so that each opens on
//! its own whatever the relay loses or reorders, and no two sealers ever have the same key.
//!
//! The key's label binds account, epoch, session, sender, receiver and salt; the additional data of each
//! message binds the round as well. So a message that is moved anywhere else does not open.
//!
//! As in every protocol that authenticates by Diffie–Hellman (RFC 9180 §9.1.1), who steals a party's
//! sealing key can forge messages *to* that party from anyone.

use aes_gcm::aead::{Aead as _, AeadInOut as _, KeyInit as _};
use aes_gcm::{Aes256Gcm, Nonce};
use cohold_model::canonical::{Digest, digest_parts};
use cohold_model::identity::SealKey;
use cohold_model::ids::{AccountId, Epoch, PartyIndex, SessionId};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::contacts::{ENCAPSULATED_BYTES, Encapsulated};
use crate::envelope::Envelope;
use crate::keys::SealSecret;

const SALT_BYTES: usize = 32;
/// What each message begins with: encapsulated key and salt.
const PREFIX_BYTES: usize = ENCAPSULATED_BYTES + SALT_BYTES;

/// Where a channel belongs. Two channels that differ in anything share no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Direction {
    /// The account that the run is about.
    pub account: AccountId,
    /// The generation of its shares.
    pub epoch: Epoch,
    /// The run.
    pub session: SessionId,
    /// Who seals.
    pub from: PartyIndex,
    /// Who opens.
    pub to: PartyIndex,
}

impl Direction {
    fn digest(&self, tag: &str, extra: &[u8]) -> Digest {
        let account = self.account.to_string();
        let epoch = self.epoch.0.to_be_bytes();
        let parties = [self.from.get(), self.to.get()];
        digest_parts(tag, &[account.as_bytes(), &epoch, &self.session.0.0, &parties, extra])
    }

    fn label(&self, salt: &[u8]) -> Digest {
        self.digest("cohold/mpc/channel/v2", salt)
    }

    fn additional_data(&self, round: u16) -> Digest {
        self.digest("cohold/mpc/envelope/v2", &round.to_be_bytes())
    }

    fn matches(&self, envelope: &Envelope) -> bool {
        let Self { account, epoch, session, from, to } = *self;
        (account, epoch, session, from, to)
            == (envelope.account, envelope.epoch, envelope.session, envelope.from, envelope.to)
    }
}

/// Why a message could not be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The receiver's key is of small order.
    #[error("the sealing key `{0}` is not usable: ask its party for a new card")]
    Key(SealKey),
    /// The round was sealed already; a second message would reuse a nonce.
    #[error("round `{0}` was already sealed: start a new session")]
    Round(u16),
    /// The cipher refused.
    #[error("the message is too long to be sealed")]
    Cipher,
}

/// The sending end.
pub struct Sealer {
    direction: Direction,
    prefix: [u8; PREFIX_BYTES],
    cipher: Aes256Gcm,
    round_last: u16,
}

impl Sealer {
    /// Opens the channel towards `receiver`, authenticated by `sender`.
    pub fn new(
        direction: Direction,
        sender: &SealSecret,
        receiver: &SealKey,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, SealError> {
        let mut salt = [0; SALT_BYTES];
        rng.fill_bytes(&mut salt);
        let label = direction.label(&salt).0;
        let (encapsulated, key) = sender.towards(receiver, &label, rng).ok_or(SealError::Key(*receiver))?;
        let mut prefix = [0; PREFIX_BYTES];
        let (left, right) = prefix.split_at_mut(ENCAPSULATED_BYTES);
        left.copy_from_slice(&encapsulated);
        right.copy_from_slice(&salt);
        Ok(Self { direction, prefix, cipher: Aes256Gcm::new((&*key).into()), round_last: 0 })
    }

    /// Seals the message of one round. Rounds count up; none is sealed twice.
    pub fn seal(&mut self, round: u16, payload: &Payload<'_>) -> Result<Envelope, SealError> {
        if round <= self.round_last {
            return Err(SealError::Round(round));
        }
        self.round_last = round;
        let aad = self.direction.additional_data(round).0;
        // Encrypted where it lies: no copy of what is inside is left.
        let mut bytes = Zeroizing::new(payload.encode_after(&self.prefix).ok_or(SealError::Cipher)?);
        let (_, message) = bytes.split_at_mut_checked(PREFIX_BYTES).ok_or(SealError::Cipher)?;
        let tag = self
            .cipher
            .encrypt_inout_detached(&nonce(round), &aad, message.into())
            .map_err(|_| SealError::Cipher)?;
        bytes.extend_from_slice(&tag);
        let (Direction { account, epoch, session, from, to }, sealed) =
            (self.direction, std::mem::take(&mut *bytes));
        Ok(Envelope { account, epoch, session, round, from, to, sealed })
    }
}

/// The receiving end. It keeps to the key under which the first genuine message came: a sender that
/// starts afresh needs a new session.
pub struct Opener {
    direction: Direction,
    receiver: SealSecret,
    sender: SealKey,
    pinned: Option<([u8; PREFIX_BYTES], Aes256Gcm)>,
}

impl Opener {
    /// The channel from the party with the key `sender`.
    #[must_use]
    pub fn new(direction: Direction, receiver: &SealSecret, sender: SealKey) -> Self {
        Self { direction, receiver: receiver.duplicate(), sender, pinned: None }
    }

    /// The bytes inside, or nothing if the envelope was not sealed by the sender for this very place.
    pub fn open(&mut self, envelope: &Envelope) -> Option<Zeroizing<Vec<u8>>> {
        if !self.direction.matches(envelope) {
            return None;
        }
        let (prefix, ciphertext) = envelope.sealed.split_first_chunk::<PREFIX_BYTES>()?;
        let aad = self.direction.additional_data(envelope.round).0;
        let message = aes_gcm::aead::Payload { msg: ciphertext, aad: &aad };
        let nonce = nonce(envelope.round);
        if let Some((known, cipher)) = &self.pinned {
            let plain = (known == prefix).then(|| cipher.decrypt(&nonce, message).ok());
            return plain.flatten().map(Zeroizing::new);
        }
        let (encapsulated, salt): (&Encapsulated, _) = prefix.split_first_chunk()?;
        let agreed = self.receiver.from(&self.sender, encapsulated)?;
        let cipher = Aes256Gcm::new((&*agreed.key(&self.direction.label(salt).0)?).into());
        let plain = cipher.decrypt(&nonce, message).ok()?;
        self.receiver.remember(self.sender, *encapsulated, agreed);
        self.pinned = Some((*prefix, cipher));
        Some(Zeroizing::new(plain))
    }
}

/// The key is each sealer's own, and a sealer seals a round once, so the round is a nonce.
fn nonce(round: u16) -> Nonce<aes_gcm::aead::consts::U12> {
    let [high, low] = round.to_be_bytes();
    Nonce::from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, high, low])
}

/// What an envelope holds inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload<'a> {
    /// The sender once more: it must be the one on the envelope.
    pub from: PartyIndex,
    /// The sender's transcript before this round: what it saw of everybody's broadcasts.
    #[serde(with = "serde_bytes")]
    pub echo: &'a [u8],
    /// To all.
    #[serde(with = "serde_bytes")]
    pub broadcast: Option<&'a [u8]>,
    /// To the receiver alone.
    #[serde(with = "serde_bytes")]
    pub direct: Option<&'a [u8]>,
}

impl<'a> Payload<'a> {
    /// In postcard encoding behind a prefix, into a buffer that never moves, with room for the tag, so that
    /// no copy is left behind.
    fn encode_after(&self, prefix: &[u8]) -> Option<Vec<u8>> {
        let length = |part: Option<&[u8]>| part.map_or(0, <[u8]>::len);
        let capacity = prefix.len() + 128 + length(self.broadcast) + length(self.direct);
        let mut bytes = Vec::with_capacity(capacity);
        bytes.extend_from_slice(prefix);
        postcard::to_extend(self, bytes).ok()
    }

    /// Reads what [`Sealer::seal`] sealed.
    #[must_use]
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        match postcard::take_from_bytes(bytes) {
            Ok((payload, [])) => Some(payload),
            Ok(_) | Err(_) => None,
        }
    }
}
