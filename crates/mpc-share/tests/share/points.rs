//! Bytes that are no points or scalars of a curve, and that parsing refuses them. Rows 12 and 22.

use cohold_mpc_share::{Curve, Ed25519, Secp256k1, Secret, point, scalar};
use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::EdwardsPoint;
use k256::elliptic_curve::PrimeField as _;
use k256::elliptic_curve::group::{Group as _, GroupEncoding as _};

/// What an attacker may send in place of a value of the curve.
pub(crate) trait Foreign: Curve {
    /// In place of a point.
    fn bad_points() -> Vec<Vec<u8>>;
    /// In place of a scalar; the first is the group order.
    fn bad_scalars() -> Vec<Vec<u8>>;
}

impl Foreign for Secp256k1 {
    fn bad_points() -> Vec<Vec<u8>> {
        let good = Self::generator().to_bytes().to_vec();
        let tagged = |tag: u8, rest: &[u8]| [&[tag], rest].concat();
        let mut off_curve = [0; 32];
        off_curve[31] = 5;
        assert!(point::<Self>(&good).is_some());
        vec![
            vec![0; 33],
            vec![0],
            Vec::new(),
            vec![0xff; 33],
            tagged(2, &off_curve),
            tagged(2, &[0xff; 32]),
            tagged(5, &good[1..]),
            good[..32].to_vec(),
            [&good[..], &[0]].concat(),
            tagged(4, &[1; 64]),
        ]
    }

    fn bad_scalars() -> Vec<Vec<u8>> {
        let order = hex::decode("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141").unwrap();
        let mut more = order.clone();
        more[31] += 1;
        vec![order, more, vec![0xff; 32]]
    }
}

impl Foreign for Ed25519 {
    fn bad_points() -> Vec<Vec<u8>> {
        let good = Self::generator().to_bytes();
        let encoded = |point: EdwardsPoint| point.compress().to_bytes().to_vec();
        let generator = EdwardsPoint::from(Self::generator());
        let small = EIGHT_TORSION.iter().map(|torsion| encoded(*torsion));
        let mixed = EIGHT_TORSION.iter().skip(1).map(|torsion| encoded(generator + torsion));
        // The identity in its other encodings: y = p + 1, and with the sign of an x that is zero.
        let mut beyond = [0xff; 32];
        (beyond[0], beyond[31]) = (0xee, 0x7f);
        let mut signed = [0; 32];
        (signed[0], signed[31]) = (1, 0x80);
        let mut off_curve = [0; 32];
        off_curve[0] = 2;
        assert!(point::<Self>(&good).is_some());
        let others = [beyond, signed, off_curve, [0xff; 32]].map(|bytes| bytes.to_vec());
        let lengths = [Vec::new(), good[..31].to_vec(), [&good[..], &[0]].concat()];
        small.chain(mixed).chain(others).chain(lengths).collect()
    }

    fn bad_scalars() -> Vec<Vec<u8>> {
        let order = hex::decode("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010").unwrap();
        let mut more = order.clone();
        more[0] += 1;
        vec![order, more, vec![0xff; 32]]
    }
}

fn check<G: Foreign>() {
    for bad in G::bad_points() {
        assert!(point::<G>(&bad).is_none(), "{bad:02x?}");
    }
    for bad in G::bad_scalars().into_iter().chain([Vec::new(), vec![1; 31], vec![1; 33]]) {
        assert!(scalar::<G>(&bad).is_none(), "{bad:02x?}");
        assert!(Secret::<G>::from_bytes(&bad).is_none());
    }
    let one = G::Scalar::from(1).to_repr();
    assert_eq!(scalar::<G>(one.as_ref()), Some(G::Scalar::from(1)));
    let mut source = G::Scalar::from(5);
    let secret = Secret::<G>::take(&mut source);
    assert_eq!(source, G::Scalar::from(0), "the source is wiped");
    assert_eq!(secret.public(), G::generator() * G::Scalar::from(5));
    assert_eq!(format!("{secret:?}"), format!("Secret({})", G::NAME));
}

#[test]
fn foreign_points_and_scalars_are_refused() {
    check::<Secp256k1>();
    check::<Ed25519>();
}
