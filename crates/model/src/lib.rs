//! The documents that carry everything: charter, intent, plan, receipt, and the ids, amounts and
//! signatures that they are made of.
//!
//! Whatever is signed or hashed is encoded by [`canonical`] (RFC 8785 canonical JSON under a tag).
//! This crate never does IO, reads no clock and draws no randomness of its own.

pub mod account;
pub mod amount;
pub mod canonical;
pub mod case;
pub mod change;
pub mod charter;
pub mod child;
pub mod civil;
pub mod engine;
pub mod guardians;
pub mod handover;
pub mod identity;
pub mod ids;
pub mod import;
pub mod intent;
pub mod lineage;
pub mod path;
pub mod presignature;
pub mod receipt;
pub mod reshare;
pub mod statement;
pub mod token;

pub use amount::Amount;
pub use canonical::{Digest, Document, Hashed, HexBytes, Signed};
pub use case::{BanNotice, Case};
pub use change::{Change, Consent};
pub use charter::Charter;
pub use engine::Engine;
pub use guardians::{Guardians, RecoveryAsk, RecoveryRequest};
pub use handover::{Dealt, Handover};
pub use identity::{IdentityKey, IdentitySecret, SealKey, Signature};
pub use ids::{
    AccountId, ChangeId, EntityName, Epoch, PartyIndex, PartyName, PresignatureIndex, RequestId, SessionId,
};
pub use import::{Import, Origin};
pub use intent::{Approval, Intent, Plan};
pub use lineage::Lineage;
pub use path::KeyPath;
pub use presignature::{PresignatureUse, SigningSet};
pub use reshare::Resharing;
pub use token::Token;
