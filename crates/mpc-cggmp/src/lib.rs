//! Threshold ECDSA over secp256k1 by CGGMP24 (<https://eprint.iacr.org/2021/060>, revision of 2024), as
//! protocols that [`cohold_mpc::Session`] drives.
//!
//! - [`SafePrimes`]: what a party makes ahead, for half a minute, and uses once.
//! - [`AuxiliarySetup`]: Paillier and ring-Pedersen parameters of a committee, with all proofs, for shares
//!   that exist: no share changes, and no address.
//! - [`Signing`]: exactly t parties of a committee sign one digest.
//! - [`Presigning`]: they do all of that work before it is known what is signed; [`OnlineSigning`] signs the
//!   bytes of one message by what it gave, within a millisecond, and uses it up.
//!
//! **The share is that of [`cohold_mpc_ecdsa`]**: the same points, the same bytes, the same public key. The
//! auxiliary data here takes the place of that engine's, and lies beside it. A committee may leave parties
//! out, as one whose share sleeps in a file; they sign by the other engine.
//!
//! The engine is the crate `cggmp24`, pinned to one version: an alpha, not constant-time by its own word,
//! with big integers that are not wiped from memory. docs/adr/0015 says what bounds the damage. All its
//! randomness comes from a seed that the session's source gives.

mod abort;
mod auxiliary;
mod committee;
mod exchange;
mod machine;
mod online;
mod parameters;
mod presign;
mod primes;
mod proofs;
mod setup;
mod signing;
mod wire;

pub use cohold_mpc_ecdsa::{RecoverableSignature, SigningDigest, SigningError};

pub use auxiliary::{Auxiliary, AuxiliaryError};
pub use online::{OnlineError, OnlineSigning};
pub use presign::{Presignature, Presigning};
pub use primes::{PrimesError, SafePrimes};
pub use setup::{AuxiliarySetup, SetupError};
pub use signing::Signing;

use cggmp24_keygen as _;
