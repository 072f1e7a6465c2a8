//! The encryption proofs of the base oblivious transfers on the wire: 256 with each peer, most of what
//! key generation sends. Each names twelve points, of which six tell the rest; and a point that comes
//! with both coordinates costs a check where a compressed one costs a square root.
//!
//! One proof is `h, u, v, rc0.g, rc0.h, rc1.g, rc1.h` (64 bytes each, big-endian x ‖ y), then the
//! challenges and the responses of both halves (32 bytes each). The first half is about (g, h, v, u), the
//! second about (g, h, v − h, u); see §3 of <https://eprint.iacr.org/2022/1525>.

use dkls23_secp256k1::utilities::proofs::{CPProof, EncProof, RandomCommitments};
use k256::elliptic_curve::PrimeField as _;
use k256::elliptic_curve::sec1::{FromSec1Point as _, ToSec1Point as _};
use k256::{AffinePoint, ProjectivePoint, Scalar, Sec1Point, Secp256k1};
use serde::de::Error as _;
use serde::{Deserialize as _, Deserializer, Serializer};

use crate::share::scalar;

type Proof = EncProof<Secp256k1>;

const POINTS: usize = 7;
const SCALARS: usize = 4;
const PROOF_BYTES: usize = POINTS * 64 + SCALARS * 32;
/// More than any setup has.
const PROOFS_MAX: usize = 1024;

pub(crate) fn serialize<S: Serializer>(proofs: &[Proof], serializer: S) -> Result<S::Ok, S::Error> {
    let mut bytes = Vec::with_capacity(proofs.len() * PROOF_BYTES);
    for proof in proofs {
        write(proof, &mut bytes);
    }
    serializer.serialize_bytes(&bytes)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Proof>, D::Error> {
    let bytes = <&[u8]>::deserialize(deserializer)?;
    let (proofs, rest) = bytes.as_chunks::<PROOF_BYTES>();
    if !rest.is_empty() || proofs.len() > PROOFS_MAX {
        return Err(D::Error::custom("not a whole number of proofs"));
    }
    let proofs: Option<Vec<Proof>> = proofs.iter().map(read).collect();
    proofs.ok_or_else(|| D::Error::custom("a point off the curve or a scalar out of range"))
}

fn write(proof: &Proof, bytes: &mut Vec<u8>) {
    let EncProof { proof0, proof1, commitments0, commitments1, challenge0, challenge1 } = proof;
    let points = [
        &proof0.base_h,
        &proof0.point_v,
        &proof0.point_u,
        &commitments0.rc_g,
        &commitments0.rc_h,
        &commitments1.rc_g,
        &commitments1.rc_h,
    ];
    for point in points {
        // The point at infinity comes out too short, and so the whole will be refused; it has no place here.
        bytes.extend_from_slice(point.to_sec1_point(false).as_bytes().get(1..).unwrap_or_default());
    }
    for scalar in [challenge0, challenge1, &proof0.challenge_response, &proof1.challenge_response] {
        bytes.extend_from_slice(&scalar.to_repr());
    }
}

fn read(bytes: &[u8; PROOF_BYTES]) -> Option<Proof> {
    let (points, rest) = bytes.split_first_chunk::<{ POINTS * 64 }>()?;
    let (points, _) = points.as_chunks::<64>();
    let (scalars, _) = rest.as_chunks::<32>();
    let mut points = points.iter().map(point);
    let mut next = || points.next().flatten();
    let (base_h, point_v, point_u) = (next()?, next()?, next()?);
    let commitments0 = RandomCommitments { rc_g: next()?, rc_h: next()? };
    let commitments1 = RandomCommitments { rc_g: next()?, rc_h: next()? };
    let mut scalars = scalars.iter().map(scalar);
    let mut next = || scalars.next().flatten();
    let (challenge0, challenge1): (Scalar, Scalar) = (next()?, next()?);
    let other_u = (ProjectivePoint::from(point_u) - base_h).to_affine();
    let half = |point_u, challenge_response| CPProof {
        base_g: AffinePoint::GENERATOR,
        base_h,
        point_u,
        point_v,
        challenge_response,
    };
    let (proof0, proof1) = (half(point_u, next()?), half(other_u, next()?));
    Some(EncProof { proof0, proof1, commitments0, commitments1, challenge0, challenge1 })
}

/// A point of the curve by its coordinates; never the one at infinity.
fn point(coordinates: &[u8; 64]) -> Option<AffinePoint> {
    let encoded = Sec1Point::from_untagged_bytes(coordinates.into());
    AffinePoint::from_sec1_point(&encoded).into_option()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    struct Message(#[serde(with = "super")] Vec<Proof>);

    fn proof(bit: bool) -> Proof {
        let h = (ProjectivePoint::GENERATOR * Scalar::from(7_u64)).to_affine();
        Proof::prove(b"session", &h, &(Scalar::ONE + Scalar::from(41_u64)), bit)
    }

    #[test]
    fn proofs_are_read_back_and_still_prove() {
        let proofs = vec![proof(false), proof(true)];
        let bytes = postcard::to_allocvec(&Message(proofs.clone())).unwrap();
        assert_eq!(bytes.len(), 2 + 2 * PROOF_BYTES);
        let Message(read) = postcard::from_bytes(&bytes).unwrap();
        assert!(read.iter().all(|proof| proof.verify(b"session")));
        assert_eq!(format!("{read:?}"), format!("{proofs:?}"));
    }

    #[test]
    fn whatever_is_off_the_curve_or_out_of_range_is_refused() {
        let bytes = postcard::to_allocvec(&Message(vec![proof(true)])).unwrap();
        let check = |bytes: &[u8]| postcard::from_bytes::<Message>(bytes).map(drop).is_err();
        for at in (2..2 + POINTS * 64).step_by(32) {
            let mut off = bytes.clone();
            off[at + 31] ^= 1;
            assert!(check(&off), "coordinate at {at}");
        }
        for at in (2 + POINTS * 64..bytes.len()).step_by(32) {
            let mut large = bytes.clone();
            large[at..at + 32].fill(0xff);
            assert!(check(&large), "scalar at {at}");
        }
        assert!(check(&bytes[..bytes.len() - 1]));
        let infinity = [&bytes[..2], &[0; 64], &bytes[66..]].concat();
        assert!(check(&infinity));
    }
}
