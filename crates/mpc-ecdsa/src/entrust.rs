//! A share given to guardians, and made again from their pieces. What is checked is checked against the
//! account's own public shares, so that nobody has to be believed.

use cohold_model::canonical::HexBytes;
use cohold_model::ids::PartyIndex;
use cohold_mpc_share::{CombineError, Secp256k1, Secret, combine, entrust, is_piece, point};
use k256::ProjectivePoint;
use k256::elliptic_curve::PrimeField as _;
use rand_core::CryptoRng;
use zeroize::{Zeroize as _, Zeroizing};

use crate::key::{AccountKey, compressed};
use crate::share::{Share, ShareError};

/// A share in pieces.
pub struct Entrusted {
    /// Feldman's commitments, compressed SEC 1; the first is the public share.
    pub commitments: Vec<HexBytes>,
    /// The pieces, 32 bytes each, for the points 1, 2, 3, …
    pub pieces: Vec<Zeroizing<[u8; 32]>>,
}

/// Commitments that fit a party's public share.
#[derive(Debug, Clone)]
pub struct Commitments {
    key: AccountKey,
    party: PartyIndex,
    points: Vec<ProjectivePoint>,
}

/// Why commitments are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the commitments do not commit to the account's public share of party `{0}`")]
pub struct CommitmentsError(PartyIndex);

/// Why pieces made no share.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// Bytes that are no scalar.
    #[error("the piece at {0} is no number of the curve")]
    Piece(PartyIndex),
    /// The pieces do not fit.
    #[error(transparent)]
    Combine(#[from] CombineError),
    /// The share does not fit the account.
    #[error(transparent)]
    Share(#[from] ShareError),
}

impl Share {
    /// Makes pieces of it for `count` guardians, of whom `needed` make it again. Nothing unless
    /// 2 ≤ needed ≤ count.
    pub fn entrust(&self, needed: u8, count: u8, rng: &mut impl CryptoRng) -> Option<Entrusted> {
        let secret = Secret::<Secp256k1>::take(&mut { *self.secret() });
        let made = entrust(&secret, needed, count, rng)?;
        let commitment = |point: &ProjectivePoint| HexBytes(compressed(&point.to_affine()).to_vec());
        let piece = |piece: &Secret<Secp256k1>| {
            let mut form = piece.expose().to_repr();
            let bytes = Zeroizing::new(form.into());
            form.as_mut_slice().zeroize();
            bytes
        };
        Some(Entrusted {
            commitments: made.commitments.iter().map(commitment).collect(),
            pieces: made.pieces.iter().map(piece).collect(),
        })
    }
}

impl Commitments {
    /// Reads commitments to the share of `party`, of which `needed` pieces make it.
    pub fn read(
        key: &AccountKey,
        party: PartyIndex,
        needed: u8,
        bytes: &[HexBytes],
    ) -> Result<Self, CommitmentsError> {
        let refused = CommitmentsError(party);
        let points: Option<Vec<ProjectivePoint>> = bytes.iter().map(|b| point::<Secp256k1>(&b.0)).collect();
        let points = points.filter(|points| points.len() == usize::from(needed)).ok_or(refused)?;
        let first = points.first().map(ProjectivePoint::to_affine);
        match first.is_some() && first.as_ref() == key.share_point(party) {
            true => Ok(Self { key: key.clone(), party, points }),
            false => Err(refused),
        }
    }

    /// Whether bytes are the piece of the guardian at this point.
    #[must_use]
    pub fn is_piece(&self, guardian: PartyIndex, bytes: &[u8]) -> bool {
        Secret::from_bytes(bytes).is_some_and(|piece| is_piece(&self.points, guardian.get(), &piece))
    }

    /// Makes the share again, and checks it against the account.
    pub fn restore(&self, pieces: &[(PartyIndex, Zeroizing<Vec<u8>>)]) -> Result<Share, RestoreError> {
        let read = |(at, bytes): &(PartyIndex, Zeroizing<Vec<u8>>)| {
            Secret::<Secp256k1>::from_bytes(bytes)
                .map(|piece| (at.get(), piece))
                .ok_or(RestoreError::Piece(*at))
        };
        let pieces: Vec<_> = pieces.iter().map(read).collect::<Result<_, _>>()?;
        let secret = combine(&self.points, &pieces)?;
        Ok(Share::new(self.party, *secret.expose(), self.key.clone())?)
    }
}
