//! The groups that secrets are shared in, and their values as bytes.

use k256::elliptic_curve::PrimeField;
use k256::elliptic_curve::group::prime::PrimeGroup;
use zeroize::{Zeroize, Zeroizing};

/// A group of prime order: all of its elements can be held, none of small order. Arithmetic with
/// secrets is in constant time; parsing refuses what is not in the group.
pub trait Curve: PrimeGroup<Scalar: PrimeField + Zeroize> {
    /// Names the group in everything that is hashed.
    const NAME: &'static str;
}

/// secp256k1, in compressed SEC 1 form.
pub type Secp256k1 = k256::ProjectivePoint;

/// The prime-order subgroup of edwards25519, in the form of RFC 8032.
pub type Ed25519 = curve25519_dalek::edwards::SubgroupPoint;

impl Curve for Secp256k1 {
    const NAME: &'static str = "secp256k1";
}

impl Curve for Ed25519 {
    const NAME: &'static str = "ed25519";
}

/// Parses a point in its one canonical form; the identity, points off the curve or outside of the
/// prime-order group, and other encodings of good points are refused.
#[must_use]
pub fn point<G: Curve>(bytes: &[u8]) -> Option<G> {
    let mut form = G::Repr::default();
    if form.as_ref().len() != bytes.len() {
        return None;
    }
    form.as_mut().copy_from_slice(bytes);
    let point = Option::<G>::from(G::from_bytes(&form))?;
    let canonical = point.to_bytes().as_ref() == bytes;
    (canonical && !bool::from(point.is_identity())).then_some(point)
}

/// Parses a scalar in its curve's own byte order; anything not below the group order is refused.
#[must_use]
pub fn scalar<G: Curve>(bytes: &[u8]) -> Option<G::Scalar> {
    let mut form = <G::Scalar as PrimeField>::Repr::default();
    if form.as_ref().len() != bytes.len() {
        return None;
    }
    form.as_mut().copy_from_slice(bytes);
    let scalar = Option::from(G::Scalar::from_repr(form));
    form.as_mut().zeroize();
    scalar
}

pub(crate) fn bytes<G: Curve>(point: &G) -> Vec<u8> {
    point.to_bytes().as_ref().to_vec()
}

pub(crate) fn scalar_bytes<G: Curve>(scalar: &G::Scalar) -> Zeroizing<Vec<u8>> {
    let mut form = scalar.to_repr();
    let bytes = Zeroizing::new(form.as_ref().to_vec());
    form.as_mut().zeroize();
    bytes
}

/// A secret scalar: a share, or a part of one. Not `Clone`, not printable, wiped on drop.
pub struct Secret<G: Curve>(G::Scalar);

impl<G: Curve> Secret<G> {
    /// Takes a scalar over and wipes its source.
    pub fn take(source: &mut G::Scalar) -> Self {
        let secret = Self(*source);
        source.zeroize();
        secret
    }

    /// Parses a scalar in its curve's own byte order.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        scalar::<G>(bytes).map(Self)
    }

    /// The scalar itself.
    #[must_use]
    pub fn expose(&self) -> &G::Scalar {
        &self.0
    }

    /// What the world may know of it: the multiple of the generator.
    #[must_use]
    pub fn public(&self) -> G {
        G::mul_by_generator(&self.0)
    }
}

impl<G: Curve> Drop for Secret<G> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<G: Curve> std::fmt::Debug for Secret<G> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secret({})", G::NAME)
    }
}
