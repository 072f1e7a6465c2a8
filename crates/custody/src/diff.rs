//! The difference between two models of one account, and whether it keeps to the red line.
//!
//! The red line: *custody emerges when a service can unilaterally change withdrawal conditions, move
//! funds, or recover control without the user.* A change keeps to it if nobody without the user gains
//! a power, or has one sooner or for more, and the user's own powers do not shrink. [`difference`]
//! decides that over every coalition of the atoms of both models, by their truth tables.
//!
//! # What is compared
//! - **Powers**: those of the account, `move`, each `move[limit]`, `rule`, `recover`, and freezing.
//! - **Coalitions** over the atoms of both models. A party or object is the same in both if its name
//!   and its entity are, and the entity is the user in both or in neither: what comes into other
//!   hands is lost by the one and gained by the other. A doubt is the same if its name and what it
//!   says are. An atom that only one model has is nothing in the other. One that is guessable in one
//!   model only belongs there to everybody. Together they are no more than 24.
//! - **Without the user** is a coalition with no party and no object of the user's; doubts may come
//!   true for it. **The user's own powers** are those of all parties and objects of the user together,
//!   without any doubt.
//! - **Limits** by what they let through, not by name: one covers another if its asset is the same or
//!   any, its receivers include the other's or are anybody, and its amount is no less, counted in
//!   sliding windows. An amount that is not given is unbounded; amounts are exact at any length.
//!   A coalition has as much as before if, at every time, it had `move`, or if each of its limits is
//!   covered by one that it had, and no two of them by the same bounded one: limits add up. Two
//!   halves of an old limit are therefore taken to be more than it: careful, never too lenient.
//! - **Freezing** sets matter without the user only; with the user's things they are the other side
//!   of moving. That gaining them crosses the line as well is this crate's choice: holding funds back
//!   without the user is power over them.
//!
//! # The verdict
//! | verdict | if |
//! |---|---|
//! | `equal` | every coalition has the same powers, as soon and for as much |
//! | `safer` | not so, but no coalition at all gains, and the user's own powers do not shrink |
//! | `crosses the red line` | a coalition without the user gains, or the user's own powers shrink |
//! | `incomparable` | none of these: only coalitions with something of the user's gain |
//!
//! The last keeps to the red line too, but what lets the user act with less lets a thief do so: the
//! user weighs that, and nobody else. So `equal` and `safer` can be taken without asking. `equal` is
//! an equivalence, `safer` a strict order; the way back from `safer` is never `safer` or `equal`.

mod cover;
mod gains;
mod page;
mod told;
mod union;

use serde::{Deserialize, Serialize};

use crate::evaluate::{EvaluateError, Lists, class_and_exit};
use crate::evaluation::Class;
use crate::model::Model;
use crate::table::Table;
use gains::{Gain, Versus, gains};
use told::Told;
use union::{Side, Union};

pub use page::render;

/// How a change stands to the red line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Verdict {
    /// Every coalition has the same powers.
    #[serde(rename = "equal")]
    Equal,
    /// Some coalitions lose, none gains, and the user's own powers stay.
    #[serde(rename = "safer")]
    Safer,
    /// Somebody gains without the user, or the user's own powers shrink.
    #[serde(rename = "crosses the red line")]
    CrossesTheRedLine,
    /// It keeps to the red line, but coalitions with something of the user's gain.
    #[serde(rename = "incomparable")]
    Incomparable,
}

impl Verdict {
    /// The words of the result format.
    pub fn words(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::Safer => "safer",
            Self::CrossesTheRedLine => "crosses the red line",
            Self::Incomparable => "incomparable",
        }
    }

    /// Whether the change can be taken without asking the user: `equal` or `safer`.
    pub fn needs_no_signature(self) -> bool {
        match self {
            Self::Equal | Self::Safer => true,
            Self::CrossesTheRedLine | Self::Incomparable => false,
        }
    }
}

/// Why two models were not compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DifferenceError {
    /// Models of two accounts.
    #[error("the models are of different accounts, `{old}` and `{new}`; compare two of one account")]
    Account {
        /// That of the old model.
        old: String,
        /// That of the new one.
        new: String,
    },
    /// Too many atoms together.
    #[error(
        "the two models together have {count} atoms that are not guessable, more than {max} (one that changed hands counts twice); go in two steps"
    )]
    Atoms {
        /// How many there are.
        count: usize,
        /// How many there may be.
        max: usize,
    },
    /// Too many limits at too many times.
    #[error("adding up the limits needs more steps than are allowed; merge limits, or leave out atoms")]
    Work,
    /// One of them cannot be evaluated.
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
}

/// What changes from one model to another, in lists and in sentences.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// The account of both.
    pub account: String,
    /// How the change stands to the red line.
    pub verdict: Verdict,
    /// The class before and after.
    pub class: (Class, Class),
    /// What coalitions have after the change and had not, not as soon or not for as much: the least
    /// coalitions and times, by power, then by size and name.
    pub gained: Vec<Change>,
    /// Likewise what they had before and have no longer.
    pub lost: Vec<Change>,
    /// What becomes of the user's own powers.
    pub user: Vec<UserChange>,
    /// The least sets without the user that freeze after the change and did not.
    pub freeze_gained: Vec<Freeze>,
    /// Likewise those that did and no longer do.
    pub freeze_lost: Vec<Freeze>,
}

/// A coalition for which a power changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The power. Several: limits of which each is no more than on the other side of the change, but
    /// all of them together are.
    pub powers: Vec<String>,
    /// Parties, objects and doubts, by name.
    pub coalition: Vec<String>,
    /// Those of them that are doubts.
    pub doubts: Vec<String>,
    /// When the coalition has it, on this side of the change.
    pub seconds: u64,
    /// When it has as much on the other side; `None` is never.
    pub other_seconds: Option<u64>,
    /// Whether it has no party and no object of the user's.
    pub without_user: bool,
    /// The change in words.
    pub sentence: String,
}

/// A change of what the user can do with all that is theirs and nobody's help.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserChange {
    /// The power, or limits together.
    pub powers: Vec<String>,
    /// Whether it shrinks.
    pub shrinks: bool,
    /// When the user has as much before the change; `None` is never.
    pub before: Option<u64>,
    /// When after it.
    pub after: Option<u64>,
    /// The change in words.
    pub sentence: String,
}

/// A set of outsiders' parties and objects without which nobody moves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Freeze {
    /// By name; none where nobody can move at all.
    pub set: Vec<String>,
    /// The change in words.
    pub sentence: String,
}

impl Difference {
    /// The sentences for which the red line is crossed: who gains without the user, and what the user
    /// loses. Empty exactly if the change keeps to it.
    pub fn crossings(&self) -> Vec<&str> {
        let gained = self.gained.iter().filter(|change| change.without_user).map(|change| &change.sentence);
        let shrunk = self.user.iter().filter(|change| change.shrinks).map(|change| &change.sentence);
        let frozen = self.freeze_gained.iter().map(|freeze| &freeze.sentence);
        gained.chain(shrunk).chain(frozen).map(String::as_str).collect()
    }

    /// Whether nobody without the user gains and the user's own powers do not shrink.
    pub fn keeps_to_the_red_line(&self) -> bool {
        self.crossings().is_empty()
    }

    /// The difference in canonical JSON (RFC 8785), for the user's signature. It names neither model:
    /// sign it together with what is changed.
    ///
    /// # Errors
    /// Never for a difference that was computed; the serialiser's error is passed on all the same.
    pub fn to_canonical_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json_canonicalizer::to_vec(self)
    }
}

/// Compares two models of one account, over every coalition.
///
/// # Errors
/// Where they are not of one account, or a bound does not suffice; never a wrong answer.
pub fn difference(old: &Model, new: &Model) -> Result<Difference, DifferenceError> {
    if old.account() != new.account() {
        let (old, new) = (old.account().to_owned(), new.account().to_owned());
        return Err(DifferenceError::Account { old, new });
    }
    let class = (class_and_exit(old)?.0, class_and_exit(new)?.0);
    let union = Union::new(old, new)?;
    let user = union.user();
    let (old, new) = (Side::new(old, &union)?, Side::new(new, &union)?);
    let mut lists = Lists::new(&new.program);

    let gained = gains(&new, &old, &mut lists)?;
    let lost = gains(&old, &new, &mut lists)?;
    let freeze_gained = freezes(&new.freeze, &old.freeze, user, &mut lists)?;
    let freeze_lost = freezes(&old.freeze, &new.freeze, user, &mut lists)?;

    let told = Told { old: &old, new: &new, lists: &lists, user };
    let user = told.user_changes(&own_powers(&old, &new, user), &own_powers(&new, &old, user));
    let mut difference = Difference {
        account: old.model.account().to_owned(),
        verdict: Verdict::Equal,
        class,
        gained: gained.iter().map(|gain| told.gained(gain)).collect(),
        lost: lost.iter().map(|gain| told.lost(gain)).collect(),
        user,
        freeze_gained: freeze_gained.into_iter().map(|set| told.freeze_gained(set)).collect(),
        freeze_lost: freeze_lost.into_iter().map(|set| told.freeze_lost(set)).collect(),
    };
    difference.verdict = verdict(&difference);
    Ok(difference)
}

fn verdict(difference: &Difference) -> Verdict {
    if !difference.keeps_to_the_red_line() {
        return Verdict::CrossesTheRedLine;
    }
    match (difference.gained.is_empty(), difference.lost.is_empty()) {
        (true, true) => Verdict::Equal,
        (true, false) => Verdict::Safer,
        (false, _) => Verdict::Incomparable,
    }
}

/// The sets without the user that freeze here and not there.
fn freezes(here: &Table, there: &Table, user: u32, lists: &mut Lists<'_>) -> Result<Vec<u32>, EvaluateError> {
    let sets = lists.minimal(here)?;
    Ok(sets.into_iter().filter(|set| set & user == 0 && !there.has(*set)).collect())
}

/// What the user alone has in `one` and not, not as soon or not for as much, in `other`.
fn own_powers(one: &Side<'_>, other: &Side<'_>, user: u32) -> Vec<Gain> {
    let versus = Versus::new(one, other);
    let mut gains = Vec::new();
    for power in gains::order(one.limits()) {
        let Some(seconds) = one.reach.seconds(power, user) else { continue };
        let gain =
            |powers: Vec<usize>, other_seconds| Gain { powers, coalition: user, seconds, other_seconds };
        if versus.is_gain(power, user, seconds) {
            gains.push(gain(vec![power], versus.other_seconds(power, user)));
        } else if let Some(powers) = versus.sum(user, seconds)
            && !gains.iter().any(|gain: &Gain| gain.powers == powers)
        {
            gains.push(gain(powers, None));
        }
    }
    gains
}
