//! What a fault becomes: a notice that its finder signs, and what anybody else makes of it.
//!
//! Deals of a resharing are signed by who deals, so their evidence convinces everybody. The messages of all
//! other runs are sealed, not signed; of what went wrong there, the finder's word is all that there is. A
//! word bans nobody but at the finder: else one liar could stop an account.

use cohold_model::case::{CaseError, FaultKind, Sentence};
use cohold_model::charter::Charter;
use cohold_model::{
    BanNotice, Case, Document as _, HexBytes, PartyIndex, PartyName, Resharing, SessionId, Signed,
};
use cohold_mpc::{Consequence, Fault, PartyKeys, Reason};
use cohold_mpc_ecdsa::{AccountKey, AccountKeyError, Acquittal, ProofError, Verdict, judge_proof};

/// What a case comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The offender signed what convicts it: anybody can see that, whoever shows it.
    Convicted,
    /// The finder's word. It binds the finder, and nobody else.
    Accused,
}

impl Standing {
    /// One word for programs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Convicted => "convicted",
            Self::Accused => "accused",
        }
    }
}

/// Why a case is worth nothing.
#[derive(Debug, thiserror::Error)]
pub enum CaseRefused {
    /// Its documents do not belong together, or are not signed.
    #[error(transparent)]
    Case(#[from] CaseError),
    /// Evidence of a run that leaves none.
    #[error(
        "only a resharing leaves evidence that others can judge, and the case has none beside its evidence"
    )]
    Run,
    /// The charter's key is none.
    #[error("the charter's key is refused: {0}")]
    Key(#[from] AccountKeyError),
    /// The evidence cannot be judged.
    #[error("the evidence cannot be judged: {0}")]
    Proof(#[from] ProofError),
    /// The evidence shows nothing.
    #[error("the evidence convicts nobody: {0}")]
    Acquitted(Acquittal),
    /// The evidence is against somebody else than the notice.
    #[error("the evidence is not against `{0}`, whom the notice names")]
    Another(PartyName),
}

/// Looks into a case, from its own documents alone. Whether they are those of the account that one has in
/// mind, only who knows one of its parties can tell.
pub fn weigh(case: &Case) -> Result<Standing, CaseRefused> {
    case.check()?;
    let notice = &case.notice.document;
    let Some(HexBytes(evidence)) = &notice.evidence else { return Ok(Standing::Accused) };
    let Some(Signed { document: resharing, .. }) = &case.resharing else { return Err(CaseRefused::Run) };
    let Sentence::Ban(offender) = &notice.sentence else { return Err(CaseRefused::Run) };
    let charter = &case.charter.document;
    let key = AccountKey::from_binding(&charter.key, charter.terms.threshold)?;
    let seats = resharing.seats(charter);
    match judge_proof(evidence, &key, &seats, resharing.terms.threshold, notice.session)? {
        Verdict::Acquitted(why) => Err(CaseRefused::Acquitted(why)),
        Verdict::Guilty(seat) => {
            let guilty = seats.get(&seat).map(|seat| seat.card.identity);
            let named = case.offender().map(|card| card.identity);
            if guilty.is_some() && guilty == named {
                Ok(Standing::Convicted)
            } else {
                Err(CaseRefused::Another(offender.clone()))
            }
        }
    }
}

/// The run in which a fault was found.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// The charter in force.
    pub charter: &'a Signed<Charter>,
    /// The run.
    pub session: SessionId,
    /// The resharing that it was a run of.
    pub resharing: Option<&'a Signed<Resharing>>,
}

/// What `me` says of a fault that demands a ban of the party at point `offender`, or a freeze; none where a
/// new session may do, or where the finder is no party of the charter.
#[must_use]
pub fn accuse(
    scene: Scene<'_>,
    fault: &Fault,
    offender: Option<PartyIndex>,
    keys: &PartyKeys,
    now: u64,
) -> Option<Case> {
    let Scene { charter, session, resharing } = scene;
    let Charter { terms, version, epoch, .. } = &charter.document;
    let (_, me) = terms.party_by_identity(&keys.identity())?;
    let (sentence, round, message) = match &fault.consequence {
        Consequence::Retry => return None,
        Consequence::Ban { evidence, .. } => {
            let offender = terms.party_at(offender?)?.party.clone();
            (Sentence::Ban(offender), Some(evidence.round), Some(evidence.message))
        }
        Consequence::FreezeKey => (Sentence::Freeze, None, None),
    };
    let notice = BanNotice {
        account: terms.account,
        charter: charter.document.digest(),
        version: *version,
        epoch: *epoch,
        finder: me.party.clone(),
        sentence,
        session,
        kind: kind(fault.reason),
        round,
        message,
        evidence: fault.proof.clone().map(HexBytes),
        found_at: now,
    };
    let notice = Signed::by(notice, me.party.clone(), &keys.identity);
    Some(Case { notice, charter: charter.clone(), resharing: resharing.cloned() })
}

/// The document's word for each finding.
fn kind(reason: Reason) -> FaultKind {
    match reason {
        Reason::ObliviousTransfer { .. } => FaultKind::ObliviousTransfer,
        Reason::Proof { .. } => FaultKind::Proof,
        Reason::Parameters { .. } => FaultKind::Parameters,
        Reason::Commitment { .. } => FaultKind::Commitment,
        Reason::TrivialPoint { .. } => FaultKind::TrivialPoint,
        Reason::Malformed { .. } => FaultKind::Malformed,
        Reason::InnerSender { .. } => FaultKind::InnerSender,
        Reason::Deal { .. } => FaultKind::Deal,
        Reason::Accusation { .. } => FaultKind::Accusation,
        Reason::Equivocation { .. } => FaultKind::Equivocation,
        Reason::Dispute { .. } => FaultKind::Dispute,
        Reason::Disagreement { .. } => FaultKind::Disagreement,
        Reason::Polynomial => FaultKind::Polynomial,
        Reason::Degenerate => FaultKind::Degenerate,
        Reason::Signature => FaultKind::Signature,
        Reason::LocalState => FaultKind::LocalState,
        Reason::Engine => FaultKind::Engine,
        Reason::OutOfOrder => FaultKind::OutOfOrder,
    }
}
