//! Envelopes: what a relay sees. The header is in the clear and authenticated, the rest is sealed.

use cohold_model::ids::{AccountId, Epoch, PartyIndex, SessionId};
use serde::{Deserialize, Serialize};

/// The most bytes that an encoded envelope may have.
pub const ENVELOPE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// More than an envelope has beside its sealed part.
const HEADER_BYTES_MAX: usize = 160;

/// The version that is written and read. No envelope outlives its session.
const VERSION: u8 = 2;

/// One message from one party to another. Its sealed part opens only for the receiver, and only if
/// the sender sealed it for exactly this header.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// The account that the run is about.
    pub account: AccountId,
    /// The generation of its shares.
    pub epoch: Epoch,
    /// The run.
    pub session: SessionId,
    /// The round within the run, from 1.
    pub round: u16,
    /// Who sealed it.
    pub from: PartyIndex,
    /// Who opens it.
    pub to: PartyIndex,
    /// Encapsulated key, salt and ciphertext ([`crate::channel`]).
    #[serde(with = "serde_bytes")]
    pub sealed: Vec<u8>,
}

/// Why bytes are not an envelope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Too long.
    #[error("an envelope of `{bytes}` bytes is over the limit of {ENVELOPE_BYTES_MAX}")]
    Size {
        /// Length found.
        bytes: usize,
    },
    /// A version that this build does not read.
    #[error("envelope version `{found}` is not spoken here: run the same release at all parties")]
    Version {
        /// Version found.
        found: u8,
    },
    /// Not an envelope at all.
    #[error("the bytes are not an envelope")]
    Malformed,
}

impl Envelope {
    /// The bytes to send: a version byte, then the fields in postcard encoding.
    pub fn encode(&self) -> Result<Vec<u8>, EnvelopeError> {
        self.encode_after(&[])
    }

    /// The same bytes behind a prefix, in one piece.
    pub fn encode_after(&self, prefix: &[u8]) -> Result<Vec<u8>, EnvelopeError> {
        let mut bytes = Vec::with_capacity(prefix.len() + HEADER_BYTES_MAX + self.sealed.len());
        bytes.extend_from_slice(prefix);
        bytes.push(VERSION);
        let bytes = postcard::to_extend(self, bytes).map_err(|_| EnvelopeError::Malformed)?;
        let length = bytes.len() - prefix.len();
        if length > ENVELOPE_BYTES_MAX {
            return Err(EnvelopeError::Size { bytes: length });
        }
        Ok(bytes)
    }

    /// Reads what [`Envelope::encode`] wrote. Only its form is checked; whether it is genuine shows
    /// when it is opened.
    pub fn decode(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        if bytes.len() > ENVELOPE_BYTES_MAX {
            return Err(EnvelopeError::Size { bytes: bytes.len() });
        }
        match bytes.split_first() {
            None => Err(EnvelopeError::Malformed),
            Some((&VERSION, body)) => match postcard::take_from_bytes(body) {
                Ok((envelope, [])) => Ok(envelope),
                Ok(_) | Err(_) => Err(EnvelopeError::Malformed),
            },
            Some((&found, _)) => Err(EnvelopeError::Version { found }),
        }
    }
}

impl std::fmt::Debug for Envelope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { account, epoch, session, round, from, to, sealed } = self;
        let bytes = sealed.len();
        write!(
            f,
            "Envelope({account} epoch {epoch} session {session} round {round} {from}→{to}, {bytes} bytes)"
        )
    }
}
