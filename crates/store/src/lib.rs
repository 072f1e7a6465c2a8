//! Databases of coordinator, nodes and devices, on SQLite.
//!
//! Every call returns only after what it says is on the disk (`synchronous = FULL`): callers persist,
//! then send. Calls block; a service makes them off its loop.

pub mod crash;
pub mod database;
mod group;
pub mod party;
pub mod server;

pub use database::{Database, StoreError};
pub use party::PartyStore;
pub use server::ServerStore;
