//! What regimes of several countries ask about control, computed for each outside entity: a vector
//! beside the class, because what one regime calls custody another does not.
//!
//! Each regime's words are turned into one criterion over the truth table ([`Regime::criterion`]); the
//! criterion is exact, that it is what the regime means is this crate's reading. **None of it is legal
//! advice**: whether a law applies also turns on contracts, places and persons that no model knows.
//! `docs/regimes.md` gives the words, the sources and the reasons.
//!
//! - Like the class, criteria are decided **without doubts**. Where a doubt would change the answer,
//!   the least sets of them stand beside it ([`Finding::assuming`]).
//! - An entity stands for all its parties and objects together. All users count as one person.
//! - CCSS speaks of the account, not of an entity. What it asks beyond the model is *not computed*,
//!   never guessed.

mod ccss;
mod page;
mod standing;
mod words;

use serde::{Deserialize, Serialize};

use crate::evaluate::EvaluateError;
use crate::model::Model;
use standing::World;

pub use page::render;
pub(crate) use page::section;

/// What stands on every page and in every JSON of regimes.
pub const NOTICE: &str = "computed criteria, not legal advice: whether a law applies also turns on facts \
     that are not in the model";

/// A regime that asks about control over somebody else's assets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Regime {
    /// United States, FinCEN's guidance of 2019.
    #[serde(rename = "fincen-2019")]
    Fincen2019,
    /// FATF's updated guidance of 2021.
    #[serde(rename = "fatf-2021")]
    Fatf2021,
    /// European Union, Markets in Crypto-Assets Regulation.
    #[serde(rename = "mica")]
    Mica,
    /// Switzerland, Anti-Money Laundering Ordinance.
    #[serde(rename = "swiss-amlo")]
    SwissAmlo,
    /// Switzerland, Debt Enforcement and Bankruptcy Act.
    #[serde(rename = "swiss-deba")]
    SwissDeba,
    /// United States, Uniform Commercial Code.
    #[serde(rename = "ucc-12-105")]
    Ucc12105,
    /// United States, the bill of a Blockchain Regulatory Certainty Act.
    #[serde(rename = "brca")]
    Brca,
}

/// Whether a criterion is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Verdict {
    /// It is.
    #[serde(rename = "met")]
    Met,
    /// It is not.
    #[serde(rename = "not met")]
    NotMet,
    /// It needs facts that are not in the model.
    #[serde(rename = "not computed")]
    NotComputed,
}

impl Verdict {
    /// The words of the JSON.
    pub fn words(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::NotMet => "not met",
            Self::NotComputed => "not computed",
        }
    }

    fn of(met: bool) -> Self {
        if met { Self::Met } else { Self::NotMet }
    }
}

/// The vector of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Regimes {
    /// The account.
    pub account: String,
    /// [`NOTICE`].
    pub notice: String,
    /// The regimes, each with its source and its criterion.
    pub regimes: Vec<Described>,
    /// The outside entities by name, each with a finding for each regime, in the same order.
    pub entities: Vec<EntityFindings>,
    /// What the CryptoCurrency Security Standard asks about the account.
    pub ccss: Vec<AspectFinding>,
}

/// A regime as it is written to JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Described {
    /// Which.
    pub regime: Regime,
    /// Its name for people.
    pub title: String,
    /// Where its words are found: document, article or paragraph.
    pub source: String,
    /// What is computed.
    pub criterion: String,
}

/// What the regimes say of one outside entity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntityFindings {
    /// The entity.
    pub entity: String,
    /// Its role in the model.
    pub role: String,
    /// One for each regime.
    pub findings: Vec<Finding>,
}

/// What a regime says of an entity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// Which.
    pub regime: Regime,
    /// Whether the criterion is met.
    pub verdict: Verdict,
    /// Why, in a sentence.
    pub because: String,
    /// Where it is not met: the least sets of doubts with which the entity alone would meet it.
    pub assuming: Vec<Vec<String>>,
}

/// What CCSS asks of the account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AspectFinding {
    /// The aspect or its control: `1.01`, `1.02.1`.
    pub aspect: String,
    /// Its title.
    pub title: String,
    /// The document.
    pub source: String,
    /// What is computed, or what would have to be known.
    pub criterion: String,
    /// Whether it is met.
    pub verdict: Verdict,
    /// Why, in a sentence.
    pub because: String,
}

/// Computes the vector, by the full truth table.
///
/// # Errors
/// Whatever [`evaluate`](crate::evaluate) refuses.
pub fn regimes(model: &Model) -> Result<Regimes, EvaluateError> {
    let mut world = World::new(model)?;
    let mut entities = Vec::new();
    for (name, entity) in model.entities().iter().filter(|(_, entity)| !entity.is_user()) {
        let standing = world.standing(name)?;
        let findings = Regime::ALL.map(|regime| standing.finding(regime)).to_vec();
        entities.push(EntityFindings { entity: name.clone(), role: entity.role.clone(), findings });
    }
    Ok(Regimes {
        account: model.account().to_owned(),
        notice: NOTICE.to_owned(),
        regimes: Regime::ALL.map(Regime::described).to_vec(),
        entities,
        ccss: ccss::findings(&world),
    })
}
