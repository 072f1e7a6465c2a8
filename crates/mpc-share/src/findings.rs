//! What a party makes of the deals that it got, and what it tells the others about it.

use std::collections::BTreeMap;

use cohold_model::canonical::{Digest, digest_parts};
use cohold_model::ids::{PartyIndex, SessionId};
use cohold_mpc::{Fault, Reason};
use serde::{Deserialize, Serialize};

use crate::ceremony::Ceremony;
use crate::curve::Curve;
use crate::evidence::{Evidence, Verdict, judge};

/// What is wrong with a deal.
pub(crate) enum Finding {
    /// The dealer cheated, and anybody can see it.
    Cheated(Box<Evidence>),
    /// What a peer sent cannot be used, and nobody else can tell who is to blame.
    Unusable(PartyIndex, Reason),
}

impl Finding {
    pub(crate) fn unusable(from: PartyIndex, reason: fn(PartyIndex) -> Reason) -> Self {
        Self::Unusable(from, reason(from))
    }
}

/// A broadcast of round 2.
#[derive(Serialize, Deserialize)]
pub(crate) enum Word {
    /// All is well, and the new public shares have this digest.
    Agreed([u8; 32]),
    /// A dealer cheated: the evidence.
    Cheated(#[serde(with = "serde_bytes")] Vec<u8>),
    /// What this peer sent cannot be used.
    Unusable(PartyIndex),
}

impl Word {
    pub(crate) fn of(finding: &Finding) -> Self {
        match finding {
            Finding::Cheated(evidence) => Self::Cheated(evidence.to_bytes()),
            Finding::Unusable(from, _) => Self::Unusable(*from),
        }
    }
}

/// What everybody's words come to, ours included: a dealer that anybody found out is banned, by all and
/// by the same evidence; whatever cannot be proved ends the run without a ban.
pub(crate) fn weigh<G: Curve>(
    ceremony: &Ceremony<G>,
    session: SessionId,
    own: Result<Digest, Finding>,
    words: &BTreeMap<PartyIndex, Word>,
) -> Result<(), Fault> {
    let own_evidence = match &own {
        Err(Finding::Cheated(evidence)) => Some(Evidence::clone(evidence)),
        Err(Finding::Unusable(..)) | Ok(_) => None,
    };
    let shown = words.values().filter_map(|word| match word {
        Word::Cheated(bytes) => Evidence::from_bytes(bytes).ok(),
        Word::Agreed(_) | Word::Unusable(_) => None,
    });
    for evidence in own_evidence.into_iter().chain(shown) {
        if let Verdict::Guilty(dealer) = judge(&evidence, ceremony, session) {
            return Err(ban(dealer, &evidence, session));
        }
    }
    let own = match own {
        Ok(digest) => digest,
        Err(Finding::Unusable(_, reason)) => return Err(Fault::retry(reason)),
        // Our own evidence convicts nobody: then we are not right in our mind.
        Err(Finding::Cheated(_)) => return Err(Fault::freeze(Reason::Engine)),
    };
    for (&from, word) in words {
        match *word {
            Word::Agreed(digest) if digest == own.0 => {}
            Word::Agreed(_) => return Err(Fault::retry(Reason::Disagreement { from })),
            Word::Cheated(_) => return Err(Fault::retry(Reason::Accusation { from })),
            Word::Unusable(accused) => return Err(Fault::retry(Reason::Dispute { from, accused })),
        }
    }
    Ok(())
}

fn ban(dealer: PartyIndex, evidence: &Evidence, session: SessionId) -> Fault {
    let proof = evidence.to_bytes();
    let message = digest_parts("cohold/reshare/evidence/v1", &[&proof]);
    let reason = Reason::Deal { from: dealer };
    let finding = cohold_mpc::Evidence { session, round: 1, message, reason };
    Fault::ban(dealer, finding).with_proof(proof)
}
