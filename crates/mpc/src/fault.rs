//! Faults: what went wrong in a run, who did it where that can be known, and what must follow.

use cohold_model::canonical::Digest;
use cohold_model::ids::{PartyIndex, SessionId};
use serde::{Deserialize, Serialize};

/// The end of a run. [`Fault::consequence`] is not advice: a caller that retries after a ban loses
/// the key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[must_use = "a fault may demand a durable ban or a frozen key"]
#[error("{reason}; {consequence}")]
pub struct Fault {
    /// What must follow.
    pub consequence: Consequence,
    /// What was found.
    pub reason: Reason,
    /// What a third party can judge, in the protocol's own encoding; none where only the finder can know.
    pub proof: Option<Vec<u8>>,
}

impl Fault {
    /// A fault after which a new session may be tried.
    pub fn retry(reason: Reason) -> Self {
        Self { consequence: Consequence::Retry, reason, proof: None }
    }

    /// A fault after which this key must not be used until a human has looked.
    pub fn freeze(reason: Reason) -> Self {
        Self { consequence: Consequence::FreezeKey, reason, proof: None }
    }

    /// A fault after which `party` is out of this key for ever.
    pub fn ban(party: PartyIndex, evidence: Evidence) -> Self {
        Self { reason: evidence.reason, consequence: Consequence::Ban { party, evidence }, proof: None }
    }

    /// The same fault with what a third party can judge it by.
    pub fn with_proof(self, proof: Vec<u8>) -> Self {
        Self { proof: Some(proof), ..self }
    }

    /// The party at fault, where it can be known.
    #[must_use]
    pub fn culprit(&self) -> Option<PartyIndex> {
        match &self.consequence {
            Consequence::Ban { party, .. } => Some(*party),
            Consequence::Retry | Consequence::FreezeKey => self.reason.culprit(),
        }
    }
}

/// What must follow a fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[must_use = "a ban must be stored before anything else is done with this key"]
pub enum Consequence {
    /// Nothing of lasting value leaked: a new session, under a new id, may be tried.
    Retry,
    /// The party cheated in a way that leaks long-lived secrets bit by bit. It must be excluded from
    /// every session of this key for ever: stored durably before anything else happens, kept across
    /// restart, restore and refresh; its other sessions with this key are dropped at once.
    Ban {
        /// Who is banned.
        party: PartyIndex,
        /// What was found. It convinces only the party that found it, as messages are sealed, not signed,
        /// unless the fault has a proof.
        evidence: Evidence,
    },
    /// The key must not be used until a human has looked.
    FreezeKey,
}

impl std::fmt::Display for Consequence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Retry => f.write_str("a new session may be tried"),
            Self::Ban { party, .. } => write!(f, "party `{party}` is banned from this key"),
            Self::FreezeKey => f.write_str("this key is frozen until somebody has looked"),
        }
    }
}

/// What a ban rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The run in which it happened.
    pub session: SessionId,
    /// The round of the offending message.
    pub round: u16,
    /// Digest of the offending message as it came out of its envelope, or of the fault's proof.
    pub message: Digest,
    /// The check that failed.
    pub reason: Reason,
}

/// What was found. Never holds a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Reason {
    /// Two parties saw different broadcasts, or disagree on who takes part. Either of them, or a
    /// third, may have lied.
    #[error("party `{reporter}` saw other broadcasts than this one")]
    Equivocation {
        /// Whose echo differs from ours.
        reporter: PartyIndex,
    },
    /// An authenticated message names another sender inside.
    #[error("a message of party `{from}` claims another sender inside")]
    InnerSender {
        /// Who sealed it.
        from: PartyIndex,
    },
    /// An authenticated message is not what this round asks for.
    #[error("a message of party `{from}` cannot be read")]
    Malformed {
        /// Who sealed it.
        from: PartyIndex,
    },
    /// A zero-knowledge proof does not verify.
    #[error("a proof of party `{from}` does not verify")]
    Proof {
        /// Who sent it.
        from: PartyIndex,
    },
    /// An opening does not fit its commitment.
    #[error("party `{from}` opened something else than it committed to")]
    Commitment {
        /// Who sent it.
        from: PartyIndex,
    },
    /// A point is the identity where it must not be.
    #[error("party `{from}` sent the point at infinity")]
    TrivialPoint {
        /// Who sent it.
        from: PartyIndex,
    },
    /// An oblivious-transfer or multiplication check failed.
    #[error("an oblivious-transfer check against party `{from}` failed")]
    ObliviousTransfer {
        /// Who sent it.
        from: PartyIndex,
    },
    /// A party works on another message, key, signer set or setup; nobody cheated necessarily.
    #[error("party `{from}` takes part in something else: set the pair up again or agree first")]
    Disagreement {
        /// Who differs.
        from: PartyIndex,
    },
    /// A party signed a deal that contradicts itself, the key, or the sub-share that it gave.
    #[error("party `{from}` dealt wrongly and signed it")]
    Deal {
        /// Who dealt.
        from: PartyIndex,
    },
    /// A party accused another by evidence that shows nothing.
    #[error("party `{from}` accused another without evidence")]
    Accusation {
        /// Who accused.
        from: PartyIndex,
    },
    /// A party says that it cannot use what another sent to it alone; nobody else can tell who is right.
    #[error("party `{from}` cannot use what party `{accused}` sent to it, or says so")]
    Dispute {
        /// Who says so.
        from: PartyIndex,
        /// Of whom.
        accused: PartyIndex,
    },
    /// The shares do not lie on one polynomial of the agreed degree, or do not make the account's key.
    #[error("the shares do not fit together")]
    Polynomial,
    /// What came out is degenerate (negligible with honest randomness).
    #[error("the run gave a degenerate value")]
    Degenerate,
    /// The signature does not verify under the account's key.
    #[error("the signature does not verify under the account's key")]
    Signature,
    /// Our own stored state does not serve this run.
    #[error("the stored share or auxiliary data does not serve this run")]
    LocalState,
    /// The engine contradicts itself or says something that this version does not know.
    #[error("the engine failed in a way that is not understood")]
    Engine,
    /// A step was asked for out of order, or the protocol ran longer than any protocol may.
    #[error("the run was driven out of order")]
    OutOfOrder,
    /// Moduli or bases that no honest software makes.
    #[error("the parameters of party `{from}` are unsafe")]
    Parameters {
        /// Who sent them.
        from: PartyIndex,
    },
}

impl Reason {
    /// The party at fault, where the finding names one.
    #[must_use]
    pub fn culprit(&self) -> Option<PartyIndex> {
        match *self {
            Self::InnerSender { from }
            | Self::Malformed { from }
            | Self::Proof { from }
            | Self::Parameters { from }
            | Self::Commitment { from }
            | Self::TrivialPoint { from }
            | Self::ObliviousTransfer { from }
            | Self::Deal { from }
            | Self::Accusation { from } => Some(from),
            Self::Equivocation { .. }
            | Self::Dispute { .. }
            | Self::Disagreement { .. }
            | Self::Polynomial
            | Self::Degenerate
            | Self::Signature
            | Self::LocalState
            | Self::Engine
            | Self::OutOfOrder => None,
        }
    }
}
