//! The way out of threshold signing: a quorum of shares, all in one place, put together into the key.
//!
//! Nothing in normal operation calls this. Whoever does has the key whole from then on, and whoever
//! read it there can move the funds for ever: no resharing makes that undone.

use k256::elliptic_curve::PrimeField as _;
use k256::{ProjectivePoint, Scalar};
use zeroize::{Zeroize as _, Zeroizing};

use crate::key::lagrange;
use crate::share::Share;

/// An account's whole private key. Not `Clone`, not printable, wiped on drop.
pub struct PrivateKey(Zeroizing<[u8; 32]>);

impl PrivateKey {
    /// The secret scalar, big-endian.
    #[must_use]
    pub fn secret_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PrivateKey")
    }
}

/// Why shares were not put together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// Fewer than the threshold.
    #[error("{given} shares are here, the key needs {threshold}")]
    Few {
        /// How many different shares were given.
        given: usize,
        /// How many it takes.
        threshold: u8,
    },
    /// Shares of another key, or of another epoch of the same.
    #[error("the shares are not of one key and one epoch: shares of different epochs never work together")]
    Mixed,
    /// The sum is another key.
    #[error("the shares do not make the account's key: a share is damaged")]
    Wrong,
}

/// Puts a quorum of shares together (Lagrange at zero) and checks the key against the public one.
pub fn reconstruct(shares: &[&Share]) -> Result<PrivateKey, ExportError> {
    let key = shares.first().map(|share| share.key()).ok_or(ExportError::Few { given: 0, threshold: 2 })?;
    if shares.iter().any(|share| share.key() != key) {
        return Err(ExportError::Mixed);
    }
    let mut quorum: Vec<&Share> = shares.to_vec();
    quorum.sort_by_key(|share| share.index());
    quorum.dedup_by_key(|share| share.index());
    let (given, threshold) = (quorum.len(), key.threshold());
    if given < usize::from(threshold) {
        return Err(ExportError::Few { given, threshold });
    }
    quorum.truncate(usize::from(threshold));
    let nodes: Vec<u64> = quorum.iter().map(|share| share.index().get().into()).collect();
    let mut secret = Scalar::ZERO;
    for (share, &node) in quorum.iter().zip(&nodes) {
        secret += lagrange(&nodes, node, 0) * share.secret();
    }
    let public = (ProjectivePoint::GENERATOR * secret).to_affine();
    let mut bytes = secret.to_repr();
    let private = PrivateKey(Zeroizing::new(bytes.into()));
    bytes.as_mut_slice().zeroize();
    secret.zeroize();
    if public == *key.public_key_point() { Ok(private) } else { Err(ExportError::Wrong) }
}
