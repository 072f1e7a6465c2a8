//! A secret given to guardians: Shamir's sharing with Feldman's commitments (1987). Who knows the secret's
//! public value can check any piece against the commitments, without the secret and without the others.
//! Fewer pieces than are needed say nothing of it.

use rand_core::CryptoRng;

use crate::curve::{Curve, Secret};
use crate::polynomial::{Polynomial, committed_at, weights};

/// What a secret was made into.
pub struct Pieces<G: Curve> {
    /// Commitments to the polynomial, as many as pieces are needed; the first is to the secret.
    pub commitments: Vec<G>,
    /// The pieces, at the points 1, 2, 3, …
    pub pieces: Vec<Secret<G>>,
}

/// Why pieces did not make the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CombineError {
    /// The same point twice, or none.
    #[error("each piece has a point of its own, from 1 on")]
    Points,
    /// Pieces that do not lie where the commitments say: by their points.
    #[error("the pieces at {0:?} are not those that were given")]
    Wrong(Vec<u8>),
    /// Not enough.
    #[error("{found} pieces, and it takes {needed}")]
    Few {
        /// Pieces at hand.
        found: usize,
        /// How many it takes.
        needed: usize,
    },
}

/// Makes a secret into `count` pieces, of which `needed` make it again. Nothing unless 2 ≤ needed ≤ count.
pub fn entrust<G: Curve>(
    secret: &Secret<G>,
    needed: u8,
    count: u8,
    rng: &mut impl CryptoRng,
) -> Option<Pieces<G>> {
    if !(2..=count).contains(&needed) {
        return None;
    }
    let polynomial = Polynomial::<G>::random(secret.expose(), needed, rng);
    let pieces = (1..=count).map(|x| polynomial.at(x)).collect();
    Some(Pieces { commitments: polynomial.commitments(), pieces })
}

/// Whether a piece is the one at `x` of what the commitments commit to.
#[must_use]
pub fn is_piece<G: Curve>(commitments: &[G], x: u8, piece: &Secret<G>) -> bool {
    x != 0 && piece.public() == committed_at(commitments, x)
}

/// Makes the secret again. Every piece is checked, also those beyond what is needed: a wrong one is named.
pub fn combine<G: Curve>(commitments: &[G], pieces: &[(u8, Secret<G>)]) -> Result<Secret<G>, CombineError> {
    let points: std::collections::BTreeSet<u8> = pieces.iter().map(|(x, _)| *x).collect();
    if points.len() != pieces.len() || points.contains(&0) {
        return Err(CombineError::Points);
    }
    let is_wrong = |(x, piece): &&(u8, Secret<G>)| !is_piece(commitments, *x, piece);
    let wrong: Vec<u8> = pieces.iter().filter(is_wrong).map(|(x, _)| *x).collect();
    if !wrong.is_empty() {
        return Err(CombineError::Wrong(wrong));
    }
    let needed = commitments.len();
    let few = CombineError::Few { found: pieces.len(), needed };
    let Some(enough) = pieces.get(..needed).filter(|enough| enough.len() >= 2) else { return Err(few) };
    let points: Vec<G::Scalar> = enough.iter().map(|(x, _)| G::Scalar::from(u64::from(*x))).collect();
    let weights = weights::<G>(&points).ok_or(CombineError::Points)?;
    let parts = weights.into_iter().zip(enough);
    let zero = <G::Scalar as k256::elliptic_curve::Field>::ZERO;
    let mut secret = parts.fold(zero, |sum, (weight, (_, piece))| sum + weight * piece.expose());
    Ok(Secret::take(&mut secret))
}
