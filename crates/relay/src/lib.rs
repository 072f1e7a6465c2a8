//! The relay: parties connect outwards to it and reach each other and the coordinator through it.
//!
//! It adds no trust. Bodies are opaque; what parties say to each other is sealed and authenticated
//! before it comes here. A relay may drop, delay, repeat and reorder; whoever needs more resends.

pub mod client;
pub mod frame;
pub mod hub;
pub mod socket;

pub use client::{Link, RelayClient};
pub use frame::{Address, BODY_BYTES_MAX, Parcel};
pub use hub::{Hub, Mailbox};
