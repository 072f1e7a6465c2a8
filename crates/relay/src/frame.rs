//! What crosses a relay connection: the hub's challenge, the login, the hub's welcome, then frames.
//!
//! A frame is `version (1) ‖ kind ‖ [identity key, 32 bytes] ‖ body`; kind 0 is the coordinator, kind
//! 1 a party. Towards the hub it names the receiver, from the hub the sender.

use std::collections::VecDeque;

use cohold_model::canonical::{Digest, digest_parts};
use cohold_model::{IdentityKey, IdentitySecret, Signature};

/// The longest body: an envelope between parties and what is around it.
pub const BODY_BYTES_MAX: usize = 3 * 1024 * 1024;
/// What the hub answers to a login once the party can be reached by others.
pub const WELCOME: &[u8] = b"cohold/relay/welcome/v1";
/// What one read from a connection brings at most: the longest message of a signature, which comes most
/// often, and some more. The buffer is cleared before each read, so a larger one costs more.
pub(crate) const READ_BYTES_MAX: usize = 64 * 1024;
/// The most keys of a connection that are known without parsing them again.
const KNOWN_KEYS_MAX: usize = 16;
const VERSION: u8 = 1;
const COORDINATOR: u8 = 0;
const PARTY: u8 = 1;

/// Who sends or receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Address {
    /// The coordinator itself.
    Coordinator,
    /// A party, by its identity.
    Party(IdentityKey),
}

/// A body and its other end: the receiver on the way in, the sender on the way out. The sender is
/// the relay's claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// The other end.
    pub address: Address,
    /// Opaque bytes.
    pub body: Vec<u8>,
}

/// Why bytes are not a frame or a login.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Another version or cut short.
    #[error("the frame is cut short or of another version")]
    Form,
    /// More than a frame may hold.
    #[error("the frame has {0} bytes, more than {BODY_BYTES_MAX}")]
    Size(usize),
    /// Not a key.
    #[error("the frame names no identity key")]
    Key,
    /// The challenge was not signed by the key that was named.
    #[error("the login is not signed by the identity that it names")]
    Login,
}

impl Parcel {
    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.body.len().saturating_add(34));
        bytes.push(VERSION);
        match self.address {
            Address::Coordinator => bytes.push(COORDINATOR),
            Address::Party(key) => {
                bytes.push(PARTY);
                bytes.extend(key.to_bytes());
            }
        }
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// From bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        Self::decode_among(bytes, &mut KnownKeys::default())
    }

    /// The same, where the frames of a connection name the same few parties again and again.
    pub fn decode_among(bytes: &[u8], known: &mut KnownKeys) -> Result<Self, FrameError> {
        if bytes.len() > BODY_BYTES_MAX {
            return Err(FrameError::Size(bytes.len()));
        }
        let ([VERSION, kind], rest) = bytes.split_first_chunk().ok_or(FrameError::Form)? else {
            return Err(FrameError::Form);
        };
        let (address, body) = match *kind {
            COORDINATOR => (Address::Coordinator, rest),
            PARTY => {
                let (key, body) = rest.split_first_chunk().ok_or(FrameError::Form)?;
                (Address::Party(known.key_of(key)?), body)
            }
            _ => return Err(FrameError::Form),
        };
        Ok(Self { address, body: body.to_vec() })
    }
}

/// The parties that a connection named last. Whether 32 bytes are a key takes longer to find out than
/// all else about a frame.
#[derive(Debug, Default)]
pub struct KnownKeys(VecDeque<IdentityKey>);

impl KnownKeys {
    fn key_of(&mut self, bytes: &[u8; 32]) -> Result<IdentityKey, FrameError> {
        if let Some(known) = self.0.iter().find(|key| key.as_bytes() == bytes) {
            return Ok(*known);
        }
        let key = key_of(bytes)?;
        if self.0.len() >= KNOWN_KEYS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(key);
        Ok(key)
    }
}

/// What a party answers to the hub's 32 random bytes: its key and a signature.
#[must_use]
pub fn login(challenge: &[u8; 32], identity: &IdentitySecret) -> Vec<u8> {
    let signature = identity.sign(&login_digest(challenge));
    [identity.public().to_bytes().as_slice(), signature.0.as_slice()].concat()
}

/// The identity that answered the challenge.
pub fn check_login(challenge: &[u8; 32], answer: &[u8]) -> Result<IdentityKey, FrameError> {
    let (key, signature) = answer.split_first_chunk().ok_or(FrameError::Form)?;
    let key = key_of(key)?;
    let signature = Signature(signature.try_into().map_err(|_| FrameError::Form)?);
    if key.verify(&login_digest(challenge), &signature) { Ok(key) } else { Err(FrameError::Login) }
}

fn login_digest(challenge: &[u8; 32]) -> Digest {
    digest_parts("cohold/relay/login/v1", &[challenge])
}

fn key_of(bytes: &[u8; 32]) -> Result<IdentityKey, FrameError> {
    IdentityKey::try_from(Digest(*bytes)).map_err(|_| FrameError::Key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(seed: u8) -> IdentitySecret {
        IdentitySecret::from_seed(&mut [seed; 32])
    }

    #[test]
    fn frames_are_read_back_and_junk_refused() {
        for address in [Address::Coordinator, Address::Party(secret(1).public())] {
            let parcel = Parcel { address, body: b"sealed".to_vec() };
            assert_eq!(Parcel::decode(&parcel.encode()), Ok(parcel));
        }
        for junk in [&[][..], &[1], &[2, 0], &[1, 2], &[1, 1, 0], &[[1; 2].as_slice(), &[0; 40]].concat()] {
            assert!(Parcel::decode(junk).is_err());
        }
        assert_eq!(Parcel::decode(&vec![1; BODY_BYTES_MAX + 1]), Err(FrameError::Size(BODY_BYTES_MAX + 1)));
    }

    #[test]
    fn a_login_counts_for_its_challenge_and_key_only() {
        let answer = login(&[7; 32], &secret(1));
        assert_eq!(check_login(&[7; 32], &answer), Ok(secret(1).public()));
        assert_eq!(check_login(&[8; 32], &answer), Err(FrameError::Login));
        let forged = [secret(2).public().to_bytes().as_slice(), &answer[32..]].concat();
        assert_eq!(check_login(&[7; 32], &forged), Err(FrameError::Login));
        assert_eq!(check_login(&[7; 32], &answer[..95]), Err(FrameError::Form));
    }
}
