//! The custody model: from facts and rules to *who can move, rule, recover and freeze*.
//!
//! A [`Model`] is the model file, parsed and checked (or built in code by an extractor, through
//! [`ModelBuilder`], with the same checks). [`evaluate`] tries every coalition of its atoms and
//! returns an [`Evaluation`], which serialises to the result format; [`sheet::render`] turns both
//! into a page for people.
//!
//! On the same truth table rest three questions:
//!
//! - [`difference`]: who gains and who loses from one model to another, and does that cross the red
//!   line? ([`diff`] defines every word of it);
//! - [`explain`](fn@explain): has this coalition that power? With the proof, or with what is missing;
//! - [`what_if`](fn@what_if): these things are stolen; what can move, to whom, how soon, and who can
//!   stop it and how?
//!
//! ```
//! use cohold_custody::{Atom, Class, Evidence, ModelBuilder, Needs, Rule, evaluate};
//!
//! let model = ModelBuilder::new("eip155:1:0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed")
//!     .entity("ana", "user")
//!     .entity("acme", "provider")
//!     .atom("phone", Atom::party("ana"))
//!     .atom("paper", Atom::party("ana"))
//!     .atom("cosigner", Atom::party("acme"))
//!     .rule(Rule::new("move", Needs::k(2, ["phone", "paper", "cosigner"])).because("2 of 3 sign").evidence(Evidence::Signed))
//!     .build()?;
//! let evaluation = evaluate(&model)?;
//! assert_eq!(evaluation.class, Class::MpcSelfCustody);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Where the text of the format leaves a choice, this crate takes the careful one:
//!
//! - names are 1 to 128 characters of printable ASCII without space, comma, quotes, backtick,
//!   backslash, brackets and braces; roles are `[a-z-]+`, and every role but `user` is an outsider;
//! - an atom may not be called `move`, `rule` or `recover`, nor like the head of a rule; no rule may
//!   have the head `move[limit]` (write `move` with that `limit`), but `needs` and `cancel` may name it;
//! - `all` and `any` of nothing are refused; a name that stands twice in `of` counts twice;
//! - a limit without receivers lets any receiver be paid; `limit` belongs to rules for `move` only;
//! - a rule without `evidence` is `unknown`; a guessable doubt has come true for everybody.

pub mod certificate;
mod check;
pub mod declared;
pub mod diff;
pub mod draw;
mod evaluate;
mod evaluation;
pub mod explain;
pub mod extract;
pub mod fleet;
mod graph;
mod model;
mod names;
mod needs;
mod oppose;
mod parse;
mod program;
mod reach;
pub mod regimes;
pub mod sheet;
pub mod specimen;
mod table;
mod trace;
pub mod what_if;
mod who;
mod words;

pub use check::ModelError;
pub use diff::{Difference, DifferenceError, Verdict, difference};
pub use draw::draw;
pub use evaluate::{EvaluateError, evaluate};
pub use evaluation::{Blast, Class, Evaluation, Way};
pub use explain::{Answer, ExplainError, Explanation, Missing, explain};
pub use model::{Atom, Entity, Evidence, Kind, Limit, Model, ModelBuilder, Rule};
pub use names::{Names, Sentences};
pub use needs::Needs;
pub use oppose::{Attempt, Stop};
pub use regimes::{Regime, Regimes, regimes};
pub use what_if::{Can, Rescue, WhatIf, WhatIfError, what_if};
pub use who::WhoError;
