//! Polynomials: secret ones, committed ones, and the weights that interpolate at zero.

use k256::elliptic_curve::Field as _;
use rand_core::CryptoRng;
use zeroize::Zeroize as _;

use crate::curve::{Curve, Secret};

/// A secret polynomial, lowest coefficient first; wiped on drop.
pub(crate) struct Polynomial<G: Curve>(Vec<G::Scalar>);

impl<G: Curve> Polynomial<G> {
    /// A random one with `coefficients` coefficients whose value at zero is `constant`.
    pub(crate) fn random(constant: &G::Scalar, coefficients: u8, rng: &mut impl CryptoRng) -> Self {
        let mut all = Vec::with_capacity(usize::from(coefficients));
        all.push(*constant);
        all.extend((1..coefficients).map(|_| G::Scalar::random(rng)));
        Self(all)
    }

    /// The value at `x`, by Horner's rule.
    pub(crate) fn at(&self, x: u8) -> Secret<G> {
        let x = G::Scalar::from(u64::from(x));
        let mut value = self.0.iter().rev().fold(G::Scalar::ZERO, |value, next| value * x + next);
        Secret::take(&mut value)
    }

    /// Feldman's commitments: each coefficient times the generator.
    pub(crate) fn commitments(&self) -> Vec<G> {
        self.0.iter().map(G::mul_by_generator).collect()
    }
}

impl<G: Curve> Drop for Polynomial<G> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// The value at `x` of the polynomial that `commitments` commit to, in the exponent. Both are public.
pub(crate) fn committed_at<G: Curve>(commitments: &[G], x: u8) -> G {
    commitments.iter().rev().fold(G::identity(), |value, next| small_multiple(&value, x) + next)
}

/// A public point times a small public number: three doublings for a share's point in place of 256.
fn small_multiple<G: Curve>(point: &G, factor: u8) -> G {
    let bits = (0..u8::BITS).rev().skip_while(|bit| factor >> bit == 0);
    bits.fold(G::identity(), |sum, bit| {
        let doubled = sum.double();
        if factor >> bit & 1 == 1 { doubled + point } else { doubled }
    })
}

/// The Lagrange weights at zero of `points`, in their order: the values there of any polynomial of a
/// lower degree than there are points, each times its weight, add up to its value at zero. Nothing for
/// points that are zero or not distinct.
#[must_use]
pub fn weights<G: Curve>(points: &[G::Scalar]) -> Option<Vec<G::Scalar>> {
    if points.iter().any(|point| point.is_zero().into()) {
        return None;
    }
    let weight = |(i, point): (usize, &G::Scalar)| {
        let others = points.iter().enumerate().filter(|(j, _)| *j != i);
        let (above, below) = others.fold((G::Scalar::ONE, G::Scalar::ONE), |(above, below), (_, other)| {
            (above * other, below * (*other - point))
        });
        Option::from(below.invert()).map(|inverse: G::Scalar| above * inverse)
    };
    points.iter().enumerate().map(weight).collect()
}
