//! What every multi-party protocol of Cohold stands on: a party's keys, sealed envelopes, the
//! machine that drives a protocol over a relay that nobody trusts, and faults that name their culprit.
//!
//! Nothing here does IO, reads a clock or draws randomness of its own. A [`Session`] takes one
//! envelope and returns the envelopes to send; the shell persists first and then sends.

pub mod channel;
mod contacts;
pub mod envelope;
pub mod fault;
pub mod keys;
pub mod letter;
pub mod protocol;
pub mod session;
mod transcript;

pub use envelope::Envelope;
pub use fault::{Consequence, Evidence, Fault, Reason};
pub use keys::{PartyKeys, SealSecret};
pub use protocol::{Inbox, Message, Outgoing, Protocol, Step};
pub use session::{Outcome, Session, SessionContext};
