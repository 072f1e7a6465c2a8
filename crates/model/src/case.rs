//! A case: what a party found against another one, or against its own key, signed by the finder, with the
//! documents that anybody needs to look into it.
//!
//! The notice alone is the finder's word. Where it has evidence that the offender signed itself, the word is
//! not needed; what evidence shows is judged above this crate, as it takes the curve.

use serde::{Deserialize, Serialize};

use crate::account::Card;
use crate::canonical::{Digest, Document, HexBytes, Signed};
use crate::charter::{Charter, CharterError};
use crate::handover::HandoverError;
use crate::ids::{AccountId, Epoch, PartyName, SessionId};
use crate::reshare::{Resharing, reshare_session};

/// The longest case, in bytes of its JSON: a charter and a resharing of nine parties, with room.
pub const CASE_BYTES_MAX: usize = 64 * 1024;
/// The longest evidence within a notice, in bytes.
pub const EVIDENCE_BYTES_MAX: usize = 4096;

/// What must follow, for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sentence {
    /// The finder signs with this party never again; it leaves by a resharing alone.
    Ban(PartyName),
    /// The finder signs with nobody any more: it does not trust what it has.
    Freeze,
}

/// What was found. A word that this version does not know is refused, not guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// An oblivious-transfer or multiplication check failed.
    ObliviousTransfer,
    /// A zero-knowledge proof does not verify.
    Proof,
    /// Moduli or bases that no honest software makes.
    Parameters,
    /// An opening does not fit its commitment.
    Commitment,
    /// The point at infinity, where it must not be.
    TrivialPoint,
    /// An authenticated message is not what its round asks for.
    Malformed,
    /// An authenticated message names another sender inside.
    InnerSender,
    /// A deal that contradicts itself, the key, or the sub-share that was given.
    Deal,
    /// An accusation by evidence that shows nothing.
    Accusation,
    /// Two parties saw different broadcasts.
    Equivocation,
    /// A party says that it cannot use what another sent to it alone.
    Dispute,
    /// A party works on something else.
    Disagreement,
    /// Shares that do not lie on one polynomial.
    Polynomial,
    /// What came out is degenerate.
    Degenerate,
    /// A signature that does not verify under the account's key.
    Signature,
    /// The finder's own stored state does not serve the run.
    LocalState,
    /// The engine said something that is not understood.
    Engine,
    /// The run was driven out of order.
    OutOfOrder,
}

impl FaultKind {
    /// What happened, in words that begin after the offender's name or stand alone.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::ObliviousTransfer => "an oblivious-transfer check failed",
            Self::Proof => "a zero-knowledge proof does not verify",
            Self::Parameters => "its parameters are such as no honest software makes",
            Self::Commitment => "an opening does not fit its commitment",
            Self::TrivialPoint => "it sent the point at infinity",
            Self::Malformed => "a message is not what its round asks for",
            Self::InnerSender => "a message names another sender inside",
            Self::Deal => "it dealt wrongly and signed it",
            Self::Accusation => "it accused another without evidence",
            Self::Equivocation => "broadcasts differ",
            Self::Dispute => "parties contradict each other about a message",
            Self::Disagreement => "a party works on something else",
            Self::Polynomial => "shares do not fit together",
            Self::Degenerate => "the run gave a degenerate value",
            Self::Signature => "a signature does not verify under the account's key",
            Self::LocalState => "the finder's own stored state does not serve the run",
            Self::Engine => "the engine failed in a way that is not understood",
            Self::OutOfOrder => "the run was driven out of order",
        }
    }
}

/// What one party found in one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BanNotice {
    /// The account.
    pub account: AccountId,
    /// Digest of the charter under which it was found.
    pub charter: Digest,
    /// That charter's version.
    pub version: u32,
    /// That charter's epoch.
    pub epoch: Epoch,
    /// Who found it and signs this.
    pub finder: PartyName,
    /// What follows, and for whom.
    pub sentence: Sentence,
    /// The run in which it happened.
    pub session: SessionId,
    /// What happened.
    pub kind: FaultKind,
    /// The round of the offending message; none where no message is to blame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<u16>,
    /// Digest of the offending message as it came out of its envelope, or of the evidence. It holds the
    /// finder to what it saw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Digest>,
    /// What the offender signed itself, in the protocol's own encoding; none where the finder's word is all
    /// there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<HexBytes>,
    /// Seconds since 1970 when it was found.
    pub found_at: u64,
}

impl Document for BanNotice {
    const TAG: &'static str = "cohold/ban-notice/v1";
}

/// A notice with the documents that it speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What was found, signed by the finder.
    pub notice: Signed<BanNotice>,
    /// The charter under which it was found, signed by all its parties.
    pub charter: Signed<Charter>,
    /// The resharing in whose run it was found, where it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resharing: Option<Signed<Resharing>>,
}

/// Why a case is none.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// Too long.
    #[error("a case of `{0}` bytes is over the limit of {max}", max = CASE_BYTES_MAX)]
    Size(usize),
    /// Not the JSON of a case.
    #[error("the case is not understood: {0}")]
    Json(#[from] serde_json::Error),
    /// The charter is not one.
    #[error("the charter of the case is refused: {0}")]
    Charter(#[from] CharterError),
    /// The resharing does not fit the charter.
    #[error("the resharing of the case is refused: {0}")]
    Resharing(#[from] HandoverError),
    /// The notice speaks of another charter, run or account.
    #[error("the notice speaks of another {0} than the documents beside it")]
    Other(&'static str),
    /// A party that is not in the charter, or accuses itself.
    #[error("`{0}` is no party of the charter that the notice could name here")]
    Party(PartyName),
    /// Not signed, or not by the finder alone.
    #[error("the notice is not signed by its finder `{0}`, or not by it alone")]
    Unsigned(PartyName),
    /// More evidence than any has.
    #[error("the evidence has `{0}` bytes, more than {max}", max = EVIDENCE_BYTES_MAX)]
    Evidence(usize),
}

impl Case {
    /// Reads a case; see [`Case::check`] for whether it is one.
    pub fn parse(bytes: &[u8]) -> Result<Self, CaseError> {
        if bytes.len() > CASE_BYTES_MAX {
            return Err(CaseError::Size(bytes.len()));
        }
        Ok(serde_json::from_slice(bytes)?)
    }

    /// As text, to be stored and shown: what [`Case::parse`] reads.
    pub fn to_text(&self) -> Result<String, CaseError> {
        let text = serde_json::to_string(self)?;
        if text.len() > CASE_BYTES_MAX {
            return Err(CaseError::Size(text.len()));
        }
        Ok(text)
    }

    /// Checks every signature, and that the documents belong together. What the evidence shows is not
    /// looked at.
    pub fn check(&self) -> Result<(), CaseError> {
        let (notice, charter) = (&self.notice.document, &self.charter.document);
        self.charter.check()?;
        let same = [
            ("charter", notice.charter == charter.digest()),
            ("account", notice.account == charter.terms.account),
            ("version", notice.version == charter.version),
            ("epoch", notice.epoch == charter.epoch),
        ];
        if let Some((what, _)) = same.into_iter().find(|(_, holds)| !holds) {
            return Err(CaseError::Other(what));
        }
        if let Some(resharing) = &self.resharing {
            resharing.check(charter)?;
            if reshare_session(resharing) != notice.session {
                return Err(CaseError::Other("run"));
            }
        }
        if let Some(evidence) = notice.evidence.as_ref().filter(|it| it.0.len() > EVIDENCE_BYTES_MAX) {
            return Err(CaseError::Evidence(evidence.0.len()));
        }
        if let Sentence::Ban(offender) = &notice.sentence
            && (*offender == notice.finder || charter.terms.party(offender).is_none())
        {
            return Err(CaseError::Party(offender.clone()));
        }
        let finder = self.finder().ok_or_else(|| CaseError::Party(notice.finder.clone()))?;
        if self.notice.signatures.len() != 1 || !self.notice.is_signed_by(&notice.finder, &finder.identity) {
            return Err(CaseError::Unsigned(notice.finder.clone()));
        }
        Ok(())
    }

    /// Who found it.
    #[must_use]
    pub fn finder(&self) -> Option<&Card> {
        self.card(&self.notice.document.finder)
    }

    /// Who is banned; the finder itself where it froze its key.
    #[must_use]
    pub fn offender(&self) -> Option<&Card> {
        match &self.notice.document.sentence {
            Sentence::Ban(offender) => self.card(offender),
            Sentence::Freeze => self.finder(),
        }
    }

    fn card(&self, name: &PartyName) -> Option<&Card> {
        self.charter.document.terms.party(name).map(|(_, card)| card)
    }
}
