//! What parties of an account say to each other outside of every run: which cases they have. Each word is
//! sealed for its receiver and authenticated by its sender, like the messages of a run, in a session of its
//! own that is drawn at random.

use cohold_model::account::Card;
use cohold_model::{AccountId, Case, Digest, Epoch, PartyIndex, SessionId};
use cohold_mpc::channel::{Direction, Opener, Payload, SealError, Sealer};
use cohold_mpc::{Envelope, PartyKeys};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

/// The most cases in one word.
pub const CASES_MAX: usize = 16;
/// The longest word, in bytes of its JSON.
const WORD_BYTES_MAX: usize = 1024 * 1024;
/// Words are one message each.
const ROUND: u16 = 1;

/// One party to another of the same account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum PeerWord {
    /// Which cases of mine do you have? I may have been restored from an old copy.
    Ask {
        /// Names the question.
        question: Digest,
    },
    /// These are yours.
    Yours {
        /// The question that it answers.
        question: Digest,
        /// What you once signed.
        cases: Vec<Case>,
    },
    /// I found this: keep it.
    Mine {
        /// What I signed.
        cases: Vec<Case>,
    },
    /// I keep these of yours, durably.
    Kept {
        /// Digests of the notices.
        notices: Vec<Digest>,
    },
}

/// Who speaks, to whom, about what.
#[derive(Debug, Clone, Copy)]
pub struct Between<'a> {
    /// The account.
    pub account: AccountId,
    /// The speaker's epoch of it.
    pub epoch: Epoch,
    /// The speaker's point.
    pub from: PartyIndex,
    /// The receiver's point, as the speaker knows it.
    pub to: PartyIndex,
    /// The receiver.
    pub receiver: &'a Card,
}

/// Why a word was not sealed.
#[derive(Debug, thiserror::Error)]
pub enum WordError {
    /// It cannot be written.
    #[error("a word for a peer cannot be written: {0}")]
    Json(#[from] serde_json::Error),
    /// It cannot be sealed.
    #[error("a word for a peer cannot be sealed: {0}")]
    Seal(#[from] SealError),
}

/// Seals a word.
pub fn seal(
    word: &PeerWord,
    between: Between<'_>,
    keys: &PartyKeys,
    rng: &mut impl CryptoRng,
) -> Result<Envelope, WordError> {
    let Between { account, epoch, from, to, receiver } = between;
    let direction = Direction { account, epoch, session: SessionId(random(rng)), from, to };
    let json = serde_json::to_vec(word)?;
    let payload = Payload { from, echo: &[], broadcast: None, direct: Some(&json) };
    Ok(Sealer::new(direction, &keys.seal, &receiver.seal, rng)?.seal(ROUND, &payload)?)
}

/// Opens a word of `sender`; none if it is not of that party, or not a word.
#[must_use]
pub fn open(envelope: &Envelope, sender: &Card, keys: &PartyKeys) -> Option<PeerWord> {
    let Envelope { account, epoch, session, from, to, .. } = *envelope;
    let direction = Direction { account, epoch, session, from, to };
    let plain = Opener::new(direction, &keys.seal, sender.seal).open(envelope)?;
    let direct = Payload::decode(&plain)?.direct.filter(|json| json.len() <= WORD_BYTES_MAX)?;
    let word: PeerWord = serde_json::from_slice(direct).ok()?;
    (word.cases().len() <= CASES_MAX).then_some(word)
}

/// Names a question that nobody can guess.
#[must_use]
pub fn random(rng: &mut impl CryptoRng) -> Digest {
    let mut bytes = [0; 32];
    rng.fill_bytes(&mut bytes);
    Digest(bytes)
}

impl PeerWord {
    /// The cases in it.
    #[must_use]
    pub fn cases(&self) -> &[Case] {
        match self {
            Self::Yours { cases, .. } | Self::Mine { cases } => cases,
            Self::Ask { .. } | Self::Kept { .. } => &[],
        }
    }
}
