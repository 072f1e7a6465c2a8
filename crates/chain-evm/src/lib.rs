//! EVM chains, pure: addresses, the bytes of a transaction, what those bytes do, and the signature
//! that finishes them.
//!
//! The way of a transfer: an [`Intent`](cohold_model::Intent) and the chain's [`Facts`] become a
//! [`Plan`](cohold_model::Plan) by [`plan()`]; whoever looks at the plan calls [`decode()`] on its
//! bytes, [`matches()`] them with the intent and reads them aloud with [`describe`]; the parties sign
//! [`signing_digest`]; [`assemble()`] checks their signature and yields the raw transaction.
//!
//! This crate never does IO, reads no clock and draws no randomness.

pub mod address;
pub mod assemble;
pub mod decode;
pub mod effect;
pub mod matches;
pub mod message;
pub mod plan;
pub mod token;
pub mod words;

pub use address::Address;
pub use assemble::{Signed, assemble, open, signing_digest};
pub use decode::{Decoded, decode};
pub use effect::Effect;
pub use matches::matches;
pub use message::{message_digest, message_signature, message_signer};
pub use plan::{Facts, GAS_TRANSFER, plan};
pub use token::{Symbol, Token, TokenBook};
pub use words::describe;
