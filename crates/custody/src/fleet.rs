//! Many accounts at once: who has which class, and what changed since the last time.
//!
//! This module is the part without IO: the [`Fingerprint`] by which models are evaluated once, the
//! [`Standing`] that is kept of each, the lines of a [`state`] between two runs, and the [`Report`].
//! Whoever drives it reads models one by one, from a database or a file, on as many threads as it
//! likes; what is kept of an account is its name, a fingerprint and a class.
//!
//! Two models are the same if they differ in the account's name and in the order of rules and needs
//! only. `all`, `any` and `k` of the same things are the same where they ask for as many.

mod page;
mod report;
pub mod state;

use cohold_model::canonical::{Digest, digest_parts};
use serde::{Deserialize, Serialize};

use crate::evaluate::{EvaluateError, class_and_exit};
use crate::evaluation::Class;
use crate::model::{Model, Rule};
use crate::needs::Needs;

pub use page::render;
pub use report::{Change, ClassGroup, Comparison, Failed, Named, Report, compare};

const TAG: &str = "cohold/fleet-model/v1";

/// What a model is, account name and order aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(Digest);

impl Fingerprint {
    /// The fingerprint of a model.
    pub fn of(model: &Model) -> Self {
        let mut rules: Vec<String> = model.rules().iter().map(rule_key).collect();
        rules.sort_unstable();
        let entities = text(model.entities());
        let (atoms, limits) = (text(model.atoms()), text(model.limits()));
        let head = [entities.as_bytes(), atoms.as_bytes(), limits.as_bytes()];
        let parts: Vec<&[u8]> = head.into_iter().chain(rules.iter().map(String::as_bytes)).collect();
        Self(digest_parts(TAG, &parts))
    }
}

/// A rule as a text that depends on no order.
fn rule_key(rule: &Rule) -> String {
    let Rule { power, limit, needs, after_seconds, cancel, because, evidence } = rule;
    text(&(power, limit, needs_key(needs), after_seconds, cancel, because, evidence))
}

/// Names have neither commas nor brackets, so different needs have different keys.
fn needs_key(needs: &Needs) -> String {
    let (k, of) = match needs {
        Needs::Name(name) => return name.clone(),
        Needs::All { all } => (all.len() as u64, all),
        Needs::Any { any } => (1, any),
        Needs::K { k, of } => (*k, of),
    };
    let mut keys: Vec<String> = of.iter().map(needs_key).collect();
    keys.sort_unstable();
    format!("{k}[{}]", keys.join(","))
}

/// Plain data is always JSON; an empty text would only mean that a model is evaluated again.
fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// What is kept of an evaluated model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standing {
    /// Its class.
    pub class: Class,
    /// When the user alone can move; none is never.
    pub exit_seconds: Option<u64>,
}

impl Standing {
    /// Evaluates a model as far as its class needs it.
    ///
    /// # Errors
    /// Whatever [`evaluate`](crate::evaluate) refuses, but for long lists: none are made.
    pub fn of(model: &Model) -> Result<Self, EvaluateError> {
        let (class, exit_seconds) = class_and_exit(model)?;
        Ok(Self { class, exit_seconds })
    }
}
