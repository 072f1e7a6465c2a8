//! How an account comes to be: a proposal that this party checks, a key generation among its
//! parties, and the charter that every party computes for itself and signs.
//!
//! The order is what makes it safe against a crash anywhere: the share is durable before this
//! party's signature under the charter leaves it, and an account exists once all have signed.

use cohold_model::account::{Card, Proposal, keygen_session};
use cohold_model::charter::{Charter, CharterError, KeyBinding};
use cohold_model::ids::PartyIndex;
use cohold_model::{Document as _, PartyName, SessionId, Signature, Signed};
use cohold_mpc::{Envelope, Fault, Outcome, PartyKeys, Session};
use cohold_mpc_ecdsa::{GeneratedKey, KeyGeneration, Share};
use rand_core::CryptoRng;

use crate::engine::Auxiliary;
use crate::refusal::{Code, Refusal};
use crate::rules::Rules;
use crate::verify::HORIZON_SECONDS_MAX;

/// A proposal that this party agrees to.
#[derive(Debug)]
pub struct Accepted {
    proposal: Signed<Proposal>,
    me: PartyIndex,
}

/// A key generation in progress.
pub struct Making {
    proposal: Signed<Proposal>,
    run: Session<KeyGeneration>,
}

/// What this party made: to be stored durably before the charter is signed.
pub struct Made {
    /// The charter as this party computed it.
    pub charter: Charter,
    /// Its share: the asset.
    pub share: Share,
    /// Its engine data, stored apart.
    pub auxiliary: Auxiliary,
}

/// Checks a proposal: the terms, the proposer's signature, this party's own card, its rules, the time.
pub fn review(proposal: Signed<Proposal>, me: &Card, rules: &Rules, now: u64) -> Result<Accepted, Refusal> {
    let Proposal { terms, proposer, created_at, import } = &proposal.document;
    let refuse = |message: String| Refusal::new(Code::Order, message);
    terms.check().map_err(|e| refuse(e.to_string()))?;
    if let Some(import) = import {
        import.check(terms).map_err(|e| refuse(e.to_string()))?;
    }
    let Some((_, proposed_by)) = terms.party(proposer) else {
        return Err(refuse(format!("proposer `{proposer}` is no party of the account")));
    };
    if !proposal.is_signed_by(proposer, &proposed_by.identity) {
        return Err(refuse(format!("the proposal is not signed by `{proposer}`")));
    }
    if created_at.abs_diff(now) > HORIZON_SECONDS_MAX {
        return Err(Refusal::new(
            Code::Expired,
            format!(
                "the proposal was made at {created_at}, this party's clock says {now}: propose again, or set the clock"
            ),
        ));
    }
    rules.check_proposer(&proposed_by.identity)?;
    match terms.party(&me.party) {
        Some((index, card)) if card == me => Ok(Accepted { me: index, proposal }),
        _ => Err(refuse(format!(
            "the proposal does not show `{}` as it is: use the card that it handed out",
            me.party
        ))),
    }
}

impl Accepted {
    /// The session in which the key is made.
    #[must_use]
    pub fn session(&self) -> SessionId {
        keygen_session(&self.proposal)
    }

    pub(crate) fn me(&self) -> PartyIndex {
        self.me
    }

    /// The first charter of the account, with the key that was made or brought along.
    pub(crate) fn charter(&self, key: KeyBinding) -> Charter {
        first_charter(&self.proposal.document, key)
    }

    /// The proposal.
    #[must_use]
    pub fn proposal(&self) -> &Signed<Proposal> {
        &self.proposal
    }

    /// Starts the key generation.
    pub fn begin(
        self,
        keys: &PartyKeys,
        rng: &mut impl CryptoRng,
    ) -> Result<(Making, Vec<Envelope>), Refusal> {
        let terms = &self.proposal.document.terms;
        let refuse = |e: &dyn std::fmt::Display| Refusal::new(Code::Order, e.to_string());
        if self.import().is_some() {
            return Err(refuse(&"the proposal brings a key along: none is made"));
        }
        let context = self.context(self.session());
        let protocol = KeyGeneration::new(&context, terms.threshold).map_err(|e| refuse(&e))?;
        let mut run = Session::new(context, &keys.seal, protocol, rng).map_err(|e| refuse(&e))?;
        let envelopes = run.start(rng).map_err(|e| refuse(&e))?;
        Ok((Making { proposal: self.proposal, run }, envelopes))
    }
}

impl Making {
    /// Takes in one envelope and returns what to send.
    pub fn receive(&mut self, envelope: &Envelope, rng: &mut impl CryptoRng) -> Result<Vec<Envelope>, Fault> {
        self.run.receive(envelope, rng)
    }

    /// What to send again when nothing comes.
    #[must_use]
    pub fn resend(&self) -> Vec<Envelope> {
        self.run.resend()
    }

    /// The result, once.
    pub fn made(&mut self) -> Option<Made> {
        let Outcome { output, transcript } = self.run.outcome()?;
        let GeneratedKey { share, auxiliary } = output;
        let charter = first_charter(&self.proposal.document, share.key().binding(transcript));
        Some(Made { charter, share, auxiliary: Auxiliary::Dkls23(auxiliary) })
    }
}

/// What a proposal becomes with its key.
fn first_charter(proposal: &Proposal, key: KeyBinding) -> Charter {
    Charter {
        origin: proposal.import.as_ref().map(|import| import.origin),
        ..Charter::first(proposal.terms.clone(), key, proposal.created_at)
    }
}

impl Made {
    /// This party's signature under the charter. Only after share and charter are durable.
    #[must_use]
    pub fn sign(charter: &Charter, keys: &PartyKeys) -> Signature {
        keys.identity.sign(&charter.digest())
    }
}

/// Why a charter was not taken into force.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActivateError {
    /// Not signed by all, or against its own terms.
    #[error(transparent)]
    Charter(#[from] CharterError),
    /// Not the charter that this party computed and signed.
    #[error("`{0}` was given another charter than the one that it signed")]
    Other(PartyName),
}

/// Checks that a fully signed charter is the very one that this party computed.
pub fn check_activation(
    signed: &Signed<Charter>,
    own: &Charter,
    me: &PartyName,
) -> Result<(), ActivateError> {
    if signed.document != *own {
        return Err(ActivateError::Other(me.clone()));
    }
    Ok(signed.check()?)
}
