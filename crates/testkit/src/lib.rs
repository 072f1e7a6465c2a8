//! Real parties on a relay that the test owns.
//!
//! A [`Cluster`] runs parties as a node runs them (folder, vault, database, WebSocket), each in a
//! runtime of its own that can be cut off and started again from its folder. The coordinator and the
//! relay are the test: it says what it likes to whom it likes, and decides on every envelope between
//! parties ([`relay::Interceptor`]). A [`reseal::TwoFaced`] peer lies with its own keys.
//!
//! This crate is for tests only: what cannot be set up panics.

pub mod account;
pub mod cluster;
pub mod mail;
pub mod party;
pub mod relay;
pub mod reseal;
pub mod weather;

pub use account::{Account, Wish};
pub use cluster::{Answer, Cluster};
pub use mail::{Letter, Mail};
pub use party::Party;
pub use relay::{Delivery, Interceptor, Passing, Relay};
pub use reseal::{TwoFaced, Words};
pub use weather::Weather;

/// How long a test waits for what must come. Longer than any step takes, so that only a defect meets it.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);
