//! The folder that an attacker gets, and what it hands back. There is one folder per atom of the
//! coalition, with exactly what lies at that place, and one file with what everybody may know.

use std::path::Path;

use anyhow::Context as _;
use cohold_model::charter::Charter;
use cohold_model::intent::Asset;
use cohold_model::statement::{Allowance, FeeBound};
use cohold_model::{Amount, PartyName, Signed};
use cohold_vault::file::private_create;
use serde::{Deserialize, Serialize};

use super::strategy::Strategy;

/// What everybody may know, in the attacker's folder.
pub(crate) const KNOWN: &str = "known.json";
/// A secret in the open: a PIN, a passphrase.
pub(crate) const SECRET: &str = "secret";
/// Guesses at secrets, a line each.
pub(crate) const GUESSES: &str = "guesses";
/// Beside a node's things: its hardware token is at hand, and can be asked. Holds the party's name.
pub(crate) const TOKEN: &str = "token";
/// A share in the open, with its party's seed.
pub(crate) const OPEN: &str = "open";

/// What everybody may know: nothing of it is an atom of the model.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Known {
    pub(crate) charter: Signed<Charter>,
    pub(crate) chain_id: u64,
    pub(crate) rpc: String,
    /// What the model says that the coalition can do.
    pub(crate) goals: Vec<Goal>,
    /// Whether to try what it should not be able to do.
    pub(crate) beyond: bool,
    /// The server that runs, and a token as any customer has one.
    pub(crate) server: Option<Reach>,
    /// Where a coalition that has the server is the coordinator.
    pub(crate) coordinator: Option<Coordinator>,
    /// Where a resharing can be asked for: copies of the real server and nodes.
    pub(crate) mirror: Option<Mirror>,
}

/// Real programs on copies of their folders, which a resharing may change for good.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Mirror {
    pub(crate) url: String,
    pub(crate) token: String,
    /// The nodes there, those first that say that they join.
    pub(crate) nodes: Vec<PartyName>,
}

/// A server's API.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Reach {
    pub(crate) url: String,
    pub(crate) token: String,
    /// The rules that the nodes run, as they have said themselves.
    pub(crate) allowances: Vec<(PartyName, Allowance)>,
    pub(crate) fees: Vec<(PartyName, FeeBound)>,
}

/// The coordinator's address, and the honest parties that will come there.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Coordinator {
    pub(crate) address: String,
    pub(crate) honest: Vec<PartyName>,
}

/// A power to use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum Goal {
    /// Everything, by the coalition's own shares.
    Move,
    /// Within what an honest node lets through, with its share.
    Within { power: String, lender: PartyName, allowance: Box<Allowance> },
    /// What an honest node lets go in fees: a payment of next to nothing, whose fee is gone.
    Burn { power: String, lender: PartyName, fees: FeeBound },
    /// Everything, after a resharing to parties of the thief's own, in which an honest node deals after its
    /// wait.
    Reshare { power: String, lender: PartyName, delay_seconds: u64 },
}

/// What an attacker hands back. Its word is not taken: the chain is asked.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Spoils {
    pub(crate) opened: Vec<Opened>,
    pub(crate) taken: Vec<Taken>,
    pub(crate) tried: Vec<Tried>,
    /// Goals that no program that exists can be led to, and why.
    pub(crate) unplayable: Vec<(String, String)>,
    /// Goals that take longer than anybody waits here, and how long.
    pub(crate) waits: Vec<(String, String)>,
    /// Goals that failed, and why.
    pub(crate) failed: Vec<(String, String)>,
}

/// A share that was opened.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Opened {
    pub(crate) party: PartyName,
    pub(crate) how: String,
}

/// A transaction that the attacker had mined.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Taken {
    pub(crate) power: String,
    pub(crate) hash: String,
    pub(crate) asset: Asset,
    pub(crate) amount: Amount,
    pub(crate) to: String,
}

/// One thing that was tried, against whom, and what came of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Tried {
    pub(crate) strategy: Strategy,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) against: Option<PartyName>,
    pub(crate) tries: u32,
    /// Whether it came to nothing, as it should.
    pub(crate) stopped: bool,
    pub(crate) outcome: String,
}

impl Known {
    pub(crate) fn read(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join(KNOWN);
        let bytes = std::fs::read(&path).with_context(|| format!("`{}` cannot be read", path.display()))?;
        serde_json::from_slice(&bytes).with_context(|| format!("`{}` is not understood", path.display()))
    }

    pub(crate) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        Ok(private_create(&folder.join(KNOWN), &serde_json::to_vec(self)?)?)
    }
}

impl Goal {
    /// The power's name in the model.
    pub(crate) fn power(&self) -> &str {
        match self {
            Self::Move => "move",
            Self::Within { power, .. } | Self::Burn { power, .. } | Self::Reshare { power, .. } => power,
        }
    }

    /// The node whose signature it takes, if it takes one.
    pub(crate) fn lender(&self) -> Option<&PartyName> {
        match self {
            Self::Move | Self::Reshare { .. } => None,
            Self::Within { lender, .. } | Self::Burn { lender, .. } => Some(lender),
        }
    }

    /// Whether nothing bounds it.
    pub(crate) fn is_everything(&self) -> bool {
        matches!(self, Self::Move | Self::Reshare { .. })
    }
}

impl Tried {
    pub(crate) fn stopped(strategy: Strategy, tries: u32, outcome: impl Into<String>) -> Self {
        Self { strategy, against: None, tries, stopped: true, outcome: outcome.into() }
    }

    pub(crate) fn against(self, party: &PartyName) -> Self {
        Self { against: Some(party.clone()), ..self }
    }
}
