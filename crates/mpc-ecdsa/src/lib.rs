//! Threshold ECDSA over secp256k1 by DKLs23 (<https://eprint.iacr.org/2023/765>), as protocols that
//! [`cohold_mpc::Session`] drives.
//!
//! - [`KeyGeneration`]: t-of-n, up to nine parties, gives each a [`Share`] and [`Auxiliary`] data.
//! - [`AuxiliarySetup`]: fresh auxiliary data for existing shares, with no change to them.
//! - [`KeyResharing`]: a quorum gives new shares of the same key to other parties, at another threshold.
//!   [`KeyResharing::import`] begins from a key that was made elsewhere, a [`ForeignKey`].
//! - [`Signing`]: exactly t parties sign one digest.
//! - [`Share::entrust`] makes pieces of a share for guardians, [`Commitments`] checks them and makes it again.
//!
//! **The share is the asset, the auxiliary data is the engine's.** A share is a few hundred bytes,
//! serves any engine that takes Shamir shares, and is what is sealed, printed and recovered. Auxiliary
//! data is tens of kilobytes per peer, serves this engine only, and can be made again. Both are
//! secret; they are stored apart, and [`Signing`] puts them together.
//!
//! The engine is the crate `dkls23-secp256k1`, pinned to one version, without a third-party audit. It
//! draws its randomness from the operating system (`rand::rng()`, in browsers
//! `crypto.getRandomValues`), not from the `rng` that the session passes in; only what this crate adds
//! comes from that one. All else here is a function of its inputs.

mod auxiliary;
mod encryptions;
mod engine;
mod entrust;
mod export;
mod foreign;
mod key;
mod keygen;
mod resharing;
mod setup;
mod share;
mod signing;
mod wire;

pub use cohold_mpc_share::{Acquittal, CombineError, Verdict};

pub use auxiliary::{Auxiliary, AuxiliaryError};
pub use entrust::{Commitments, CommitmentsError, Entrusted, RestoreError};
pub use export::{ExportError, PrivateKey, reconstruct};
pub use foreign::{ForeignKey, ForeignKeyError, ForeignParty, ForeignShare};
pub use key::{AccountKey, AccountKeyError};
pub use keygen::{GeneratedKey, KeyGeneration, ParametersError};
pub use resharing::{
    DealtFrom, ImportedFrom, KeyResharing, KeyResharingError, KeySource, ProofError, ReshareOutcome,
    judge_proof,
};
pub use setup::{AuxiliarySetup, SetupError};
pub use share::{Share, ShareError};
pub use signing::{RecoverableSignature, Signing, SigningDigest, SigningError};
