//! What an abort of the engine means. Its error types are private, so its debug text is read: the crate is
//! pinned to one version, the attack tests drive every check that another party can make fail, and a text
//! that is not known freezes the key.

use std::fmt::Debug;

use cohold_model::ids::PartyIndex;
use cohold_mpc::{Evidence, Fault, Reason};

use crate::committee::Committee;

/// A check of the engine that another party can make fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    /// Setup: the opening of the commitment of round 1.
    Decommitment,
    /// Setup: sizes, and the proof that s is a power of t (Π-prm).
    RingPedersen,
    /// Setup: the proof that N is a Paillier–Blum modulus (Π-mod).
    Modulus,
    /// Setup: the proof that N has no small factor (Π-fac).
    Factors,
    /// Signing: the proofs of the ciphertexts of round 1 (Π-enc-elg).
    Encryption,
    /// Signing: the proofs of the multiplication (Π-aff-g, Π-elog).
    Multiplication,
    /// Signing: the proof of Δ (Π-elog).
    Inversion,
    /// Either: the broadcasts of round 1 differ.
    Broadcast,
    /// Signing: δ or χ do not add up; the proofs that would name who lied are not in the crate.
    Sum,
    /// Signing: a part of the signature does not fit.
    Partial,
}

/// How the engine ended without a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Abort {
    /// A check failed against these parties, by their numbers in the run.
    Check(Check, Vec<u16>),
    /// Something else.
    Unknown,
}

/// The engine's names, and ours.
const CHECKS: [(&str, Check); 11] = [
    ("KeyRefreshError(Aborted(ProtocolAborted { reason: InvalidDecommitment,", Check::Decommitment),
    ("KeyRefreshError(Aborted(ProtocolAborted { reason: InvalidRingPedersenParameters,", Check::RingPedersen),
    ("KeyRefreshError(Aborted(ProtocolAborted { reason: InvalidModProof,", Check::Modulus),
    ("KeyRefreshError(Aborted(ProtocolAborted { reason: InvalidFacProof,", Check::Factors),
    ("KeyRefreshError(Aborted(ProtocolAborted { reason: Round1NotReliable,", Check::Broadcast),
    ("SigningError(Aborted(Round1aNotReliable(", Check::Broadcast),
    ("SigningError(Aborted(EncProofOfK(", Check::Encryption),
    ("SigningError(Aborted(InvalidPsi(", Check::Multiplication),
    ("SigningError(Aborted(InvalidPsiPrimePrime(", Check::Inversion),
    ("SigningError(Aborted(MismatchedDelta", Check::Sum),
    ("SigningError(Aborted(SignatureInvalid", Check::Partial),
];

const CULPRIT: &str = "AbortBlame { faulty_party: ";

impl Abort {
    pub(crate) fn read(error: &impl Debug) -> Self {
        let text = format!("{error:?}");
        let known = CHECKS.iter().find(|(prefix, _)| text.starts_with(prefix));
        match known {
            Some((_, check)) => Self::Check(*check, culprits(&text)),
            None => Self::Unknown,
        }
    }

    /// What must follow, in a run among `committee`.
    ///
    /// While parameters are being set up, all that a failure touched is thrown away: nobody is banned. A proof
    /// that fails while signing does not leak by the paper's argument, which holds for the proofs as they
    /// are implemented here or it does not: honest software never sends one, so its sender is banned, and
    /// nobody can try twice. `evidence` makes the evidence, from the round of the message.
    pub(crate) fn fault(
        &self,
        committee: &Committee,
        evidence: impl Fn(PartyIndex, u16, Reason) -> Evidence,
    ) -> Fault {
        let Self::Check(check, parties) = self else { return Fault::freeze(Reason::Engine) };
        let Some(from) = parties.first().and_then(|number| committee.party(*number)) else {
            return match check {
                Check::Sum | Check::Partial => Fault::retry(Reason::Signature),
                // Every other check names somebody.
                _ => Fault::freeze(Reason::Engine),
            };
        };
        let ban = |round| Fault::ban(from, evidence(from, round, Reason::Proof { from }));
        match check {
            Check::Decommitment => Fault::retry(Reason::Commitment { from }),
            Check::RingPedersen | Check::Modulus | Check::Factors => Fault::retry(Reason::Proof { from }),
            Check::Broadcast => Fault::retry(Reason::Equivocation { reporter: from }),
            Check::Encryption => ban(1),
            Check::Multiplication => ban(3),
            Check::Inversion => ban(4),
            Check::Sum | Check::Partial => Fault::retry(Reason::Signature),
        }
    }
}

fn culprits(text: &str) -> Vec<u16> {
    let after = text.split(CULPRIT).skip(1);
    after.filter_map(|rest| rest.split(',').next()?.parse().ok()).collect()
}
