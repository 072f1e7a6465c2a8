//! How an account goes from one charter to the next: the documents that take the new one into force at
//! every party, and let those go that are not in it.

use serde::{Deserialize, Serialize};

use crate::canonical::{Digest, Document, Signed};
use crate::charter::{Charter, CharterError};
use crate::ids::{AccountId, PartyName};
use crate::reshare::{Resharing, ResharingError};

/// A dealer's word that it gave sub-shares of its share for this very charter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dealt {
    /// The account.
    pub account: AccountId,
    /// Digest of the charter that comes, as the dealer computed it.
    pub charter: Digest,
    /// Who dealt, by the name in the charter before.
    pub party: PartyName,
}

impl Document for Dealt {
    const TAG: &'static str = "cohold/dealt/v1";
}

/// Everything that proves to a party of the old charter that the new one is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Handover {
    /// The resharing, signed by its proposer.
    pub resharing: Signed<Resharing>,
    /// The new charter, signed by all its parties: the commit certificate.
    pub charter: Signed<Charter>,
    /// The dealers' words. Whoever took part needs none of them; whoever did not needs all.
    pub dealt: Vec<Signed<Dealt>>,
}

/// Why a handover does not prove that the charter in force is replaced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HandoverError {
    /// The new charter does not hold.
    #[error(transparent)]
    Charter(#[from] CharterError),
    /// The resharing does not fit.
    #[error(transparent)]
    Resharing(#[from] ResharingError),
    /// Not the proposer's.
    #[error("the resharing is not signed by `{0}`, who is said to propose it")]
    Proposer(PartyName),
    /// The charter is on other terms than were proposed.
    #[error("the new charter is on other terms than the resharing proposed")]
    Terms,
    /// A dealer's word is missing or wrong.
    #[error("there is no word of `{0}` that it dealt for this charter")]
    Dealer(PartyName),
}

impl Signed<Resharing> {
    /// Checks the resharing against the charter in force, and its proposer's signature.
    pub fn check(&self, old: &Charter) -> Result<(), HandoverError> {
        self.document.check(old)?;
        let proposer = &self.document.proposer;
        let by = old.terms.party(proposer);
        match by.is_some_and(|(_, card)| self.is_signed_by(proposer, &card.identity)) {
            true => Ok(()),
            false => Err(HandoverError::Proposer(proposer.clone())),
        }
    }
}

impl Handover {
    /// Checks that the new charter is the one that this resharing makes of `old`, and that all its parties
    /// signed it. Enough for whoever took part in that resharing.
    pub fn check(&self, old: &Charter) -> Result<(), HandoverError> {
        self.resharing.check(old)?;
        self.charter.check()?;
        let (new, resharing) = (&self.charter.document, &self.resharing.document);
        new.follows(old)?;
        let same = (&new.terms, new.created_at, new.engine);
        if same != (&resharing.terms, resharing.created_at, resharing.engine) {
            return Err(HandoverError::Terms);
        }
        Ok(())
    }

    /// Checks besides that a quorum of the old parties dealt for this charter. Anybody can make a charter
    /// of own parties and sign it for all of them; whoever took no part lets go of nothing without this.
    pub fn check_dealt(&self, old: &Charter) -> Result<(), HandoverError> {
        self.check(old)?;
        let word = |name: &PartyName| Dealt {
            account: old.terms.account,
            charter: self.charter.document.digest(),
            party: name.clone(),
        };
        let has_dealt = |name: &PartyName| {
            let (word, card) = (word(name), old.terms.party(name).map(|(_, card)| card));
            let by = |said: &Signed<Dealt>, card: &crate::account::Card| {
                said.document == word && said.is_signed_by(name, &card.identity)
            };
            card.is_some_and(|card| self.dealt.iter().any(|said| by(said, card)))
        };
        match self.resharing.document.dealers.iter().find(|name| !has_dealt(name)) {
            Some(name) => Err(HandoverError::Dealer(name.clone())),
            None => Ok(()),
        }
    }
}
