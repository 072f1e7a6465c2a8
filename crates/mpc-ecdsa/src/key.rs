//! The public side of an account's key: what all parties know and must agree on.

use cohold_model::account::PARTIES_MAX;
use cohold_model::canonical::{Digest, HexBytes, digest_parts};
use cohold_model::charter::KeyBinding;
use cohold_model::child::{self, ChildError};
use cohold_model::ids::PartyIndex;
use cohold_model::path::KeyPath;
use k256::elliptic_curve::group::{Group as _, GroupEncoding as _};
use k256::{AffinePoint, CompressedPoint, ProjectivePoint, Scalar};

/// An account's public key, the public shares xᵢ·G that make it, the threshold and the chain code.
///
/// Invariant: 2 ≤ t ≤ n ≤ 9; no point is the identity; the public shares lie on one polynomial of
/// degree t − 1 in the exponent, whose value at zero is the public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountKey {
    threshold: u8,
    public_key: AffinePoint,
    public_shares: Vec<AffinePoint>,
    chain_code: Digest,
}

/// Why public values do not make a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AccountKeyError {
    /// Too few or too many parties, or a threshold out of range.
    #[error("threshold {threshold} of {parties} parties is out of range: use 2 of 2 to 9 of 9")]
    Parameters {
        /// Threshold found.
        threshold: u8,
        /// Number of public shares found.
        parties: usize,
    },
    /// Not a point of the curve, or the point at infinity.
    #[error("a public value is not a point of secp256k1 in compressed form")]
    Point,
    /// The public shares contradict one another or the public key.
    #[error("the public shares do not make the public key at this threshold")]
    Polynomial,
}

impl AccountKey {
    pub(crate) fn new(
        threshold: u8,
        public_key: AffinePoint,
        public_shares: Vec<AffinePoint>,
        chain_code: Digest,
    ) -> Result<Self, AccountKeyError> {
        let parties = public_shares.len();
        let fits = (2..=usize::from(PARTIES_MAX)).contains(&parties)
            && (2..=parties).contains(&usize::from(threshold));
        if !fits {
            return Err(AccountKeyError::Parameters { threshold, parties });
        }
        if public_shares.iter().chain([&public_key]).any(|point| *point == AffinePoint::IDENTITY) {
            return Err(AccountKeyError::Point);
        }
        let key = Self { threshold, public_key, public_shares, chain_code };
        if key.interpolates() { Ok(key) } else { Err(AccountKeyError::Polynomial) }
    }

    /// The key that a charter names, at the threshold of its terms.
    pub fn from_binding(binding: &KeyBinding, threshold: u8) -> Result<Self, AccountKeyError> {
        let shares: Result<_, _> = binding.public_shares.iter().map(|share| point(&share.0)).collect();
        Self::new(threshold, point(&binding.public_key.0)?, shares?, binding.chain_code)
    }

    /// What goes into the charter; `transcript` is that of the key generation's session.
    #[must_use]
    pub fn binding(&self, transcript: Digest) -> KeyBinding {
        KeyBinding {
            public_key: HexBytes(self.public_key().to_vec()),
            public_shares: self.public_shares.iter().map(|p| HexBytes(compressed(p).to_vec())).collect(),
            chain_code: self.chain_code,
            transcript,
        }
    }

    /// How many parties sign together.
    #[must_use]
    pub fn threshold(&self) -> u8 {
        self.threshold
    }

    /// How many parties hold a share.
    #[must_use]
    pub fn parties(&self) -> u8 {
        // At most nine by the invariant.
        u8::try_from(self.public_shares.len()).unwrap_or(PARTIES_MAX)
    }

    /// The public key, compressed SEC 1.
    #[must_use]
    pub fn public_key(&self) -> [u8; 33] {
        compressed(&self.public_key)
    }

    /// The public share of one party, compressed SEC 1.
    #[must_use]
    pub fn public_share(&self, party: PartyIndex) -> Option<[u8; 33]> {
        self.share_point(party).map(compressed)
    }

    /// The BIP-32 chain code of the root, bound when the key was made, so that children need no ceremony.
    #[must_use]
    pub fn chain_code(&self) -> Digest {
        self.chain_code
    }

    /// The public key at `path` below this one, compressed SEC 1.
    pub fn child(&self, path: &KeyPath) -> Result<[u8; 33], ChildError> {
        child::public_key(&self.public_key(), &self.chain_code, path)
    }

    /// Names this key with these shares, for whatever must not be mixed with another.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let public_key = self.public_key();
        let shares: Vec<[u8; 33]> = self.public_shares.iter().map(compressed).collect();
        let threshold = [self.threshold];
        let mut parts: Vec<&[u8]> = vec![&threshold, &public_key, &self.chain_code.0];
        parts.extend(shares.iter().map(<[u8; 33]>::as_slice));
        digest_parts("cohold/ecdsa/account-key/v1", &parts)
    }

    pub(crate) fn public_key_point(&self) -> &AffinePoint {
        &self.public_key
    }

    pub(crate) fn share_point(&self, party: PartyIndex) -> Option<&AffinePoint> {
        self.public_shares.get(usize::from(party.get()).checked_sub(1)?)
    }

    pub(crate) fn share_points(&self) -> &[AffinePoint] {
        &self.public_shares
    }

    /// The first t shares determine the polynomial; zero and every further share are checked (Feldman's
    /// check in the exponent, so that a raised degree does not pass). Fewer than t must not do: a lower
    /// degree would mean a lower threshold than the one that is written.
    fn interpolates(&self) -> bool {
        let beyond = usize::from(self.threshold);
        let further = (self.threshold + 1..=self.parties()).map(u64::from);
        let expected = further.zip(self.public_shares.iter().skip(beyond)).chain([(0, &self.public_key)]);
        let fits = expected.into_iter().all(|(x, point)| self.at(self.threshold, x) == *point);
        fits && self.at(self.threshold - 1, 0) != self.public_key
    }

    /// The value at `x` of the polynomial through the first `count` public shares.
    fn at(&self, count: u8, x: u64) -> AffinePoint {
        let nodes: Vec<u64> = (1..=u64::from(count)).collect();
        let weights = nodes.iter().map(|&node| lagrange(&nodes, node, x));
        let terms = weights.zip(&self.public_shares);
        terms.fold(ProjectivePoint::identity(), |sum, (weight, share)| sum + *share * weight).to_affine()
    }
}

/// The Lagrange coefficient of `node` among `nodes`, at `x`. Nodes are distinct, so the denominator
/// is never zero.
pub(crate) fn lagrange(nodes: &[u64], node: u64, x: u64) -> Scalar {
    let (x, node) = (Scalar::from(x), Scalar::from(node));
    let others = nodes.iter().map(|&other| Scalar::from(other)).filter(|other| *other != node);
    let (above, below) = others.fold((Scalar::ONE, Scalar::ONE), |(above, below), other| {
        (above * (x - other), below * (node - other))
    });
    above * below.invert().unwrap_or(Scalar::ZERO)
}

pub(crate) fn compressed(point: &AffinePoint) -> [u8; 33] {
    point.to_bytes().into()
}

/// Parses a compressed point; the identity and points off the curve are refused.
pub(crate) fn point(bytes: &[u8]) -> Result<AffinePoint, AccountKeyError> {
    let bytes: [u8; 33] = bytes.try_into().map_err(|_| AccountKeyError::Point)?;
    let point = Option::<AffinePoint>::from(AffinePoint::from_bytes(&CompressedPoint::from(bytes)));
    point.filter(|point| *point != AffinePoint::IDENTITY).ok_or(AccountKeyError::Point)
}
