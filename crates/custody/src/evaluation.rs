//! The result of an evaluation, exactly as it is written to JSON.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::Evidence;
use crate::names::{Names, Sentences};

/// Who holds custody, by two questions: can outsiders act without the user, and can the user act
/// without them?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Class {
    /// One outside entity moves, rules or recovers.
    #[serde(rename = "custodial")]
    Custodial,
    /// One outside entity moves, but only to receivers agreed in advance.
    #[serde(rename = "restricted custody")]
    RestrictedCustody,
    /// Several outside entities together can.
    #[serde(rename = "collusive")]
    Collusive,
    /// Outsiders cannot, the user alone can at once.
    #[serde(rename = "non-custodial")]
    NonCustodial,
    /// As non-custodial, and no single party or object of the user's suffices.
    #[serde(rename = "mpc self-custody")]
    MpcSelfCustody,
    /// Outsiders cannot, the user alone can after some time.
    #[serde(rename = "semi-custodial")]
    SemiCustodial,
    /// Outsiders cannot, and neither can the user alone.
    #[serde(rename = "hostage")]
    Hostage,
}

impl Class {
    /// The words of the result format.
    pub fn words(self) -> &'static str {
        match self {
            Self::Custodial => "custodial",
            Self::RestrictedCustody => "restricted custody",
            Self::Collusive => "collusive",
            Self::NonCustodial => "non-custodial",
            Self::MpcSelfCustody => "mpc self-custody",
            Self::SemiCustodial => "semi-custodial",
            Self::Hostage => "hostage",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.words())
    }
}

/// What an evaluation found. Every list is sorted: names by name, sets by size and then by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// Decided without doubts.
    pub class: Class,
    /// When the user alone can move; `None` is never.
    pub exit_seconds: Option<u64>,
    /// Where the class is none of the first three: the minimal sets of doubts with which all
    /// outsiders together would reach a power of the account.
    pub assuming: Vec<Vec<String>>,
    /// For `move`, `rule`, `recover` and each `move[limit]`: the minimal coalitions that reach it.
    pub powers: BTreeMap<String, Vec<Way>>,
    /// The minimal sets of parties and objects without which nobody ever moves.
    pub freeze: Vec<Names>,
    /// What each atom that is not guessable reaches alone, by name.
    pub blast: Vec<Blast>,
}

/// A minimal coalition that reaches a power.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Way {
    /// Names of parties, objects and doubts.
    pub coalition: Names,
    /// When this very coalition reaches the power.
    pub seconds: u64,
    /// Those of the coalition that are doubts.
    pub doubts: Names,
    /// The weakest evidence that the trace rests on.
    pub evidence: Evidence,
    /// The proof in sentences, from what the coalition has to the power.
    pub trace: Sentences,
}

/// What one atom reaches alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blast {
    /// The atom.
    pub atom: String,
    /// Powers of the account that it reaches, with the seconds; empty if none.
    pub reaches: BTreeMap<String, u64>,
}
