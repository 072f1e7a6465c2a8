//! What a deployment declares and no code can see: who runs, administers, backs up, delivers and
//! resets what. It comes from `custody.toml` at the server and stands in the certificate.
//!
//! A declaration is the issuer's word and nothing more: evidence `asserted`. What is not declared is
//! assumed against the provider; [`crate::extract`] says how each field counts.

use std::collections::BTreeSet;

use cohold_model::account::{Card, Terms};
use cohold_model::{EntityName, PartyName};
use serde::{Deserialize, Serialize};

/// The most entries of one list.
const ENTRIES_MAX: usize = 64;
/// The most entities, beside those of the charter, that a declaration may name.
pub const HOLDERS_MAX: usize = 6;

/// Everything that was declared; empty where nothing was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declared {
    /// Who runs the coordinator and the relay. Not declared: the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coordinator: Option<Operator>,
    /// Who builds and delivers the program that runs on the devices. Not declared: who runs the
    /// coordinator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<Program>,
    /// Who issues API tokens and who can reset them. Not declared: who runs the coordinator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Tokens>,
    /// Who administers the machine of a party, beside the entity that controls it: the cloud account,
    /// the hypervisor, the fleet of company phones. A node without an entry is assumed to be
    /// administered by any other outsider.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub machine: Vec<Machine>,
    /// Who holds copies of what lies on a party's disk, or of a recovery file. A node without an entry
    /// is assumed to be backed up by any other outsider.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backup: Vec<Backup>,
    /// Who else can come to a PIN or passphrase: a password manager, whoever can reset it by mail. Of
    /// what is the user's own, the device has spoken; entries add to that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub factor: Vec<Factor>,
    /// Who administers the hardware token of a node: may set another PIN, use the key, load firmware. A
    /// node without an entry is assumed to have a token that any other outsider administers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hsm: Vec<Hsm>,
}

/// Who runs something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operator {
    /// The entity.
    pub entity: EntityName,
}

/// Where the devices' program comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// Who builds it, and so profits if it is hostile.
    pub entity: EntityName,
    /// How it gets to the device.
    pub delivery: Delivery,
}

/// How a program gets to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Delivery {
    /// Built from source by who uses it.
    SelfBuilt,
    /// Installed from a store or a package, the same for everybody.
    Store,
    /// Served at each use, to each user as the server likes.
    Served,
}

impl Delivery {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::SelfBuilt => "built from source",
            Self::Store => "delivered by a store",
            Self::Served => "served at each use",
        }
    }
}

/// Who can come to API tokens. None of them moves money; whoever has one can ask the nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tokens {
    /// Who issues them.
    pub issuer: EntityName,
    /// Who can reset them: mail host, identity provider.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reset: Vec<EntityName>,
}

/// Who administers a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// The party that runs on it.
    pub party: PartyName,
    /// Beside the party's own entity; empty: nobody.
    pub administrators: Vec<EntityName>,
}

/// Who holds copies of a disk or file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backup {
    /// The party whose disk, folder or recovery file it is.
    pub party: PartyName,
    /// Beside the party's own entity; empty: nobody.
    pub holders: Vec<EntityName>,
}

/// Who else can come to a PIN or passphrase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Factor {
    /// The party whose PIN or passphrase it is.
    pub party: PartyName,
    /// Beside the party's own entity.
    pub holders: Vec<EntityName>,
}

/// Who administers a hardware token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hsm {
    /// The party whose secrets it seals.
    pub party: PartyName,
    /// Beside the party's own entity; empty: nobody.
    pub administrators: Vec<EntityName>,
}

/// Why a declaration was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeclaredError {
    /// Too much.
    #[error("{count} entries of `{list}` are more than {ENTRIES_MAX}: declare each party once")]
    Entries {
        /// The list.
        list: &'static str,
        /// How many there are.
        count: usize,
    },
    /// A party twice.
    #[error("`{list}` names party `{party}` twice: put all of its entities into one entry")]
    Twice {
        /// The list.
        list: &'static str,
        /// The party.
        party: PartyName,
    },
    /// Too many entities to be told apart.
    #[error(
        "{count} entities are declared, more than {HOLDERS_MAX}: leave out those that administer, hold and reset nothing"
    )]
    Holders {
        /// How many there are.
        count: usize,
    },
}

impl Declared {
    /// That every node of an account is administered and backed up by its own entity alone: what is left
    /// are the facts that its parties sign. For questions beside which nobody's silence shall weigh.
    #[must_use]
    pub fn own_alone(terms: &Terms) -> Self {
        let is_node = |card: &&Card| card.kind.is_node();
        let nodes = || terms.parties.iter().filter(is_node).map(|card| card.party.clone());
        Self {
            machine: nodes().map(|party| Machine { party, administrators: Vec::new() }).collect(),
            backup: nodes().map(|party| Backup { party, holders: Vec::new() }).collect(),
            hsm: nodes().map(|party| Hsm { party, administrators: Vec::new() }).collect(),
            ..Self::default()
        }
    }

    /// Whether nothing was declared.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Checks what the form alone does not.
    pub fn check(&self) -> Result<(), DeclaredError> {
        once("machine", self.machine.iter().map(|entry| &entry.party))?;
        once("backup", self.backup.iter().map(|entry| &entry.party))?;
        once("factor", self.factor.iter().map(|entry| &entry.party))?;
        once("hsm", self.hsm.iter().map(|entry| &entry.party))?;
        let listed = (self.machine.iter().map(|entry| &entry.administrators))
            .chain(self.backup.iter().map(|entry| &entry.holders))
            .chain(self.factor.iter().map(|entry| &entry.holders))
            .chain(self.hsm.iter().map(|entry| &entry.administrators));
        let tokens = self.tokens.iter().flat_map(|tokens| tokens.reset.iter().chain([&tokens.issuer]));
        let entities: BTreeSet<&EntityName> = listed.flatten().chain(tokens).collect();
        match entities.len() {
            count if count > HOLDERS_MAX => Err(DeclaredError::Holders { count }),
            _ => Ok(()),
        }
    }
}

fn once<'a>(list: &'static str, parties: impl Iterator<Item = &'a PartyName>) -> Result<(), DeclaredError> {
    let mut seen = BTreeSet::new();
    let mut count = 0_usize;
    for party in parties {
        count = count.saturating_add(1);
        if !seen.insert(party) {
            return Err(DeclaredError::Twice { list, party: party.clone() });
        }
    }
    if count > ENTRIES_MAX { Err(DeclaredError::Entries { list, count }) } else { Ok(()) }
}
