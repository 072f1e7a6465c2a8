//! Changes of what an account is under, and the user's consent to those that cross the red line.
//!
//! A change is named by its content and by the revision that it replaces, so a consent fits one change
//! once: after any change of the same thing, it fits none.

use serde::{Deserialize, Serialize};

use crate::canonical::{Digest, Document, digest};
use crate::ids::{AccountId, ChangeId, PartyName};

/// What changes. Every kind passes the same gate in the party that it concerns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Change {
    /// The rules that a party runs for the account.
    Rules {
        /// Whose rules.
        party: PartyName,
        /// The revision that is replaced: counts the rules of this account at this party from 1.
        revision: u64,
        /// Digest of the rules in force.
        before: Digest,
        /// Digest of the rules that take their place.
        after: Digest,
    },
    /// The parties of the account, their threshold, its approvers: other shares of the same key. It
    /// replaces the charter that the consent names.
    Resharing {
        /// Digest of the [`crate::Resharing`].
        resharing: Digest,
    },
}

impl Change {
    /// The one party that takes the change into force, or does not; none where all do.
    #[must_use]
    pub fn party(&self) -> Option<&PartyName> {
        match self {
            Self::Rules { party, .. } => Some(party),
            Self::Resharing { .. } => None,
        }
    }

    /// The change's name, of account, charter and content.
    #[must_use]
    pub fn id(&self, account: AccountId, charter: &Digest) -> ChangeId {
        ChangeId::of(&digest("cohold/change/v1", &(account, charter, self)))
    }
}

/// The user's word for one change: signed by a device that read the same sentences.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// The account.
    pub account: AccountId,
    /// Digest of its charter.
    pub charter: Digest,
    /// What changes.
    pub change: Change,
    /// What becomes looser or is lost, in sentences.
    pub conditions: Vec<String>,
    /// Who gains and who loses: the difference of the custody models in canonical JSON (RFC 8785).
    pub difference: String,
    /// Who consents.
    pub consenter: PartyName,
    /// Seconds since 1970 when this was signed.
    pub issued_at: u64,
    /// Seconds since 1970 after which it is void.
    pub expires_at: u64,
}

impl Document for Consent {
    const TAG: &'static str = "cohold/consent/v1";
}

/// A party's word about the rules that it runs for an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RulesReport {
    /// The account that it speaks of.
    pub account: AccountId,
    /// Who speaks.
    pub party: PartyName,
    /// Digest of the charter that it keeps.
    pub charter: Digest,
    /// Counts the rules of this account at this party from 1.
    pub revision: u64,
    /// The rules in force, as text.
    pub in_force: String,
    /// Rules that wait for the user's consent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposed: Option<ProposedRules>,
    /// Who has asked for a resharing that this party waits to join in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asked: Vec<Asked>,
    /// Seconds since 1970 when this was said.
    pub issued_at: u64,
}

/// A wait before a resharing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Who consented to it.
    pub by: PartyName,
    /// Seconds since 1970 when this party first heard of it.
    pub since: u64,
    /// Seconds since 1970 from which it joins, by its rules; none if it does not.
    pub joins_at: Option<u64>,
    /// Who objected: then it never joins, under this charter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vetoed_by: Option<PartyName>,
}

impl Document for RulesReport {
    const TAG: &'static str = "cohold/rules-report/v1";
}

/// Rules that are not in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProposedRules {
    /// The rules, as text.
    pub rules: String,
    /// Who wants them.
    pub by: Proposer,
    /// Seconds since 1970 when they were proposed.
    pub since: u64,
}

/// Who proposes rules to a party.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proposer {
    /// The party's own rules file, by its operator.
    File,
    /// The coordinator.
    Coordinator,
}
