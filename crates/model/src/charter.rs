//! The charter: who the parties of an account are and which key they hold together. Every party
//! signs it, keeps its own copy, and refuses whatever is not under it.

use serde::{Deserialize, Serialize};

use crate::account::Terms;
use crate::canonical::{Digest, Document, HexBytes, Signed};
use crate::engine::Engine;
use crate::ids::{Epoch, PartyName};
use crate::import::Origin;

/// What key generation agreed on; every party computes the same, or there is no account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyBinding {
    /// The account's secp256k1 public key, compressed SEC 1, 33 bytes.
    pub public_key: HexBytes,
    /// The public share xᵢ·G of each party in order, compressed SEC 1.
    pub public_shares: Vec<HexBytes>,
    /// The BIP-32 chain code of the account's root.
    pub chain_code: Digest,
    /// Digest over all broadcasts of the key generation: an equivocation changes it.
    pub transcript: Digest,
}

/// One version of an account's charter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Charter {
    /// 1 for the first.
    pub version: u32,
    /// Who is in the account and on which terms.
    pub terms: Terms,
    /// The generation of shares that is in force.
    pub epoch: Epoch,
    /// The key.
    pub key: KeyBinding,
    /// Seconds since 1970 of the proposal that this version was made from.
    pub created_at: u64,
    /// Digest of the charter that this one replaces; none for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Digest>,
    /// How the key existed before the account did; none where its parties made it. It never changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// By which protocol its parties sign.
    #[serde(default, skip_serializing_if = "Engine::is_default")]
    pub engine: Engine,
}

impl Document for Charter {
    const TAG: &'static str = "cohold/charter/v1";
}

/// Why a signed charter was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CharterError {
    /// The terms contradict themselves.
    #[error("the charter's terms are refused: {0}")]
    Terms(#[from] crate::account::TermsError),
    /// A party's signature is missing or wrong.
    #[error("party `{0}` has not signed this charter")]
    Unsigned(PartyName),
    /// As many public shares as parties are needed.
    #[error("the charter has {shares} public shares for {parties} parties")]
    Shares {
        /// Public shares found.
        shares: usize,
        /// Parties found.
        parties: usize,
    },
    /// The first version replaces none, every other one does.
    #[error("the charter says version {0} and does not name the charter before it as that version should")]
    Version(u32),
    /// It does not come after the charter that it was compared with.
    #[error("the charter does not follow the one in force: its {0} is another")]
    Successor(&'static str),
}

impl Charter {
    /// The first charter of an account whose parties made the key themselves.
    #[must_use]
    pub fn first(terms: Terms, key: KeyBinding, created_at: u64) -> Self {
        Self {
            version: 1,
            terms,
            epoch: Epoch::FIRST,
            key,
            created_at,
            previous: None,
            origin: None,
            engine: Engine::default(),
        }
    }

    /// Checks that this charter comes right after `old`: the next version and epoch of the same account
    /// and key; or the next version of the same epoch, with another engine and nothing else new.
    pub fn follows(&self, old: &Self) -> Result<(), CharterError> {
        let keeps_shares = self.engine != old.engine;
        let epoch = if keeps_shares { Some(old.epoch.0) } else { old.epoch.0.checked_add(1) };
        let same = [
            ("account", self.terms.account == old.terms.account),
            ("version", Some(self.version) == old.version.checked_add(1)),
            ("epoch", Some(self.epoch.0) == epoch),
            ("terms", !keeps_shares || self.terms == old.terms),
            ("shares", !keeps_shares || self.key == old.key),
            ("predecessor", self.previous == Some(old.digest())),
            ("public key", self.key.public_key == old.key.public_key),
            ("chain code", self.key.chain_code == old.key.chain_code),
            ("origin", self.origin == old.origin),
        ];
        match same.into_iter().find(|(_, holds)| !holds) {
            Some((what, _)) => Err(CharterError::Successor(what)),
            None => Ok(()),
        }
    }
}

impl Signed<Charter> {
    /// Checks the terms and that every party signed.
    pub fn check(&self) -> Result<(), CharterError> {
        let charter = &self.document;
        charter.terms.check()?;
        if (charter.version == 1) != charter.previous.is_none() || charter.version == 0 {
            return Err(CharterError::Version(charter.version));
        }
        let (shares, parties) = (charter.key.public_shares.len(), charter.terms.parties.len());
        if shares != parties {
            return Err(CharterError::Shares { shares, parties });
        }
        match charter.terms.parties.iter().find(|card| !self.is_signed_by(&card.party, &card.identity)) {
            Some(card) => Err(CharterError::Unsigned(card.party.clone())),
            None => Ok(()),
        }
    }
}
