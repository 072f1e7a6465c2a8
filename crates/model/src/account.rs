//! Before the charter: the cards that parties hand out, and the proposal that they answer with a key.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::canonical::{Digest, Document, Signed};
use crate::guardians::{Guardians, GuardiansError};
use crate::identity::{IdentityKey, SealKey};
use crate::ids::{AccountId, EntityName, PartyIndex, PartyName, SessionId};
use crate::import::Import;

/// The most parties of an account.
pub const PARTIES_MAX: u8 = 9;

/// What an entity is to the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Whose money it is. An enterprise is the user of its own accounts.
    User,
    /// Who offers the service.
    Provider,
    /// Who helps to recover.
    Guardian,
}

/// What a party is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartyKind {
    /// The user's own party: phone, browser, command line.
    Device,
    /// A share sealed in a file, asleep until it is needed.
    Recovery,
    /// A node that signs along within its own rules.
    Cosigner,
    /// A node that guards: it signs within rules of its own, apart from the co-signer.
    Guardian,
}

impl PartyKind {
    /// Whether it runs by itself, apart from its user.
    #[must_use]
    pub fn is_node(self) -> bool {
        match self {
            Self::Cosigner | Self::Guardian => true,
            Self::Device | Self::Recovery => false,
        }
    }

    /// What people call it.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Recovery => "recovery share",
            Self::Cosigner => "co-signer",
            Self::Guardian => "guardian node",
        }
    }
}

/// Ready-made shapes of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Template {
    /// 2-of-3: the user's device, the user's recovery share, the provider's co-signer.
    Personal,
    /// 2-of-3: operator device, co-signer node, guardian node, all of one enterprise.
    Enterprise,
    /// 2-of-2: device and co-signer.
    Shared,
    /// Any threshold and parties.
    Free,
}

/// A party as an account knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// The party's name within the account.
    pub party: PartyName,
    /// Who controls it.
    pub entity: EntityName,
    /// What it is.
    pub kind: PartyKind,
    /// Signs its documents.
    pub identity: IdentityKey,
    /// Its messages are sealed to this key.
    pub seal: SealKey,
}

impl Document for Card {
    const TAG: &'static str = "cohold/card/v1";
}

/// The terms of an account: everything that is agreed before a key exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// The account, chosen at random by the proposer.
    pub account: AccountId,
    /// The shape it was made from.
    pub template: Template,
    /// Every entity and what it is to the account.
    pub entities: BTreeMap<EntityName, Role>,
    /// The parties; the party at position i has the Shamir point i + 1.
    pub parties: Vec<Card>,
    /// How many parties sign together.
    pub threshold: u8,
    /// Parties of which one must approve every plan with its identity key.
    pub approvers: BTreeSet<PartyName>,
    /// People who hold the share of a recovery party together, where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guardians: Option<Guardians>,
}

/// Why terms were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TermsError {
    /// Too few or too many parties.
    #[error("an account has 2 to {max} parties, not {0}", max = PARTIES_MAX)]
    PartyCount(usize),
    /// Threshold out of range.
    #[error(
        "threshold {threshold} of {parties} parties: use 2 to {parties}{}", one(*.threshold)
    )]
    Threshold {
        /// What was asked for.
        threshold: u8,
        /// How many parties there are.
        parties: usize,
    },
    /// Two parties of one name or key.
    #[error("party `{0}` appears twice, by name or by key: give each party its own")]
    Duplicate(PartyName),
    /// A party of an entity that is not named, or an entity without a party.
    #[error("entity `{0}` is not both named and in control of a party")]
    Entity(EntityName),
    /// An approver that is no party, or no approver at all.
    #[error("approvers must be parties of the account, at least one of them")]
    Approvers,
    /// The guardians do not fit.
    #[error(transparent)]
    Guardians(#[from] GuardiansError),
}

/// What there is to say to somebody who wants one party to sign alone.
fn one(threshold: u8) -> &'static str {
    match threshold {
        1 => "; one party alone would have the whole key, and the engines sign with two or more only",
        _ => "",
    }
}

impl Terms {
    /// Checks what any party can check without knowing the others.
    pub fn check(&self) -> Result<(), TermsError> {
        let n = self.parties.len();
        if !(2..=usize::from(PARTIES_MAX)).contains(&n) {
            return Err(TermsError::PartyCount(n));
        }
        if self.threshold < 2 || usize::from(self.threshold) > n {
            return Err(TermsError::Threshold { threshold: self.threshold, parties: n });
        }
        for (position, card) in self.parties.iter().enumerate() {
            let twin = |other: &Card| {
                other.party == card.party || other.identity == card.identity || other.seal == card.seal
            };
            if self.parties.iter().take(position).any(twin) {
                return Err(TermsError::Duplicate(card.party.clone()));
            }
            if !self.entities.contains_key(&card.entity) {
                return Err(TermsError::Entity(card.entity.clone()));
            }
        }
        let people = || self.guardians.iter().flat_map(|guardians| &guardians.people);
        let is_idle = |entity: &&EntityName| {
            !self.parties.iter().any(|card| card.entity == **entity)
                && !people().any(|person| person.entity == **entity)
        };
        if let Some(idle) = self.entities.keys().find(is_idle) {
            return Err(TermsError::Entity(idle.clone()));
        }
        if let Some(guardians) = &self.guardians {
            guardians.check(self)?;
        }
        if self.approvers.is_empty() || !self.approvers.iter().all(|name| self.party(name).is_some()) {
            return Err(TermsError::Approvers);
        }
        Ok(())
    }

    /// The parties with their Shamir points.
    pub fn indexed(&self) -> impl Iterator<Item = (PartyIndex, &Card)> {
        (1..=PARTIES_MAX).filter_map(|i| PartyIndex::try_from(i).ok()).zip(&self.parties)
    }

    /// The party with this name.
    #[must_use]
    pub fn party(&self, name: &PartyName) -> Option<(PartyIndex, &Card)> {
        self.indexed().find(|(_, card)| card.party == *name)
    }

    /// The party with this identity.
    #[must_use]
    pub fn party_by_identity(&self, identity: &IdentityKey) -> Option<(PartyIndex, &Card)> {
        self.indexed().find(|(_, card)| card.identity == *identity)
    }

    /// Whether a party is the user's own.
    #[must_use]
    pub fn is_of_user(&self, card: &Card) -> bool {
        self.entities.get(&card.entity) == Some(&Role::User)
    }

    /// The party at this Shamir point.
    #[must_use]
    pub fn party_at(&self, index: PartyIndex) -> Option<&Card> {
        self.parties.get(usize::from(index.get()).checked_sub(1)?)
    }
}

/// A request to make an account, signed by its proposer, who is one of the parties.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    /// The account as proposed.
    pub terms: Terms,
    /// Who proposes it.
    pub proposer: PartyName,
    /// Seconds since 1970 when it was made.
    pub created_at: u64,
    /// The key that the account gets, where it was made elsewhere; else the parties make one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import: Option<Import>,
}

impl Document for Proposal {
    const TAG: &'static str = "cohold/proposal/v1";
}

/// The session in which the parties of a proposal make their key.
#[must_use]
pub fn keygen_session(proposal: &Signed<Proposal>) -> SessionId {
    SessionId(crate::canonical::digest("cohold/session/keygen/v1", &proposal.document))
}

/// The session in which `signers` sign a plan; `attempt` counts up, so that no session repeats.
#[must_use]
pub fn sign_session(charter: &Digest, plan: &Digest, signers: &[PartyIndex], attempt: u32) -> SessionId {
    SessionId(crate::canonical::digest("cohold/session/sign/v1", &(charter, plan, signers, attempt)))
}
