//! The coordinator: what happens between the API and the parties. It holds no share, and no party
//! trusts what it says; it plans, asks, assembles, broadcasts and keeps the ledger.
//!
//! One payment walks through one file per step:
//! [`request_submit`] → [`approval_add`] → [`request_sign`] → [`request_settle`] → [`follow`].
//! One account walks through [`account_create`], to its next epoch through [`account_reshare`], to other rules
//! through [`rules_change`]. [`resume`] takes up what a stop cut off. Every step is durable before anything is sent
//! because of it.

pub mod account_create;
pub mod account_list;
pub mod account_reshare;
pub mod approval_add;
pub mod certificates;
pub mod charters;
mod coordinator;
pub mod error;
pub mod follow;
pub mod mail;
mod presign;
pub mod request_list;
pub mod request_settle;
pub mod request_sign;
pub mod request_submit;
pub mod resume;
pub mod rules_change;
pub mod signers;
pub mod statements;
mod view;
mod wait;

pub use certificates::Issuer;
pub use coordinator::{ChainEntry, Clock, Coordinator, system_clock};
pub use error::{ApprovalFault, Class, Error, StatementFault};
