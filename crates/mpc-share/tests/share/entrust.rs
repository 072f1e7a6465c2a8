//! A secret among guardians, on every curve: any enough of the pieces make it, fewer do not, wrong ones are
//! named.

use cohold_mpc_share::{
    CombineError, Curve, Ed25519, Secp256k1, Secret, combine, entrust, is_piece, weights,
};
use k256::elliptic_curve::Field as _;

use crate::support::rng;

fn copy<G: Curve>(secret: &Secret<G>) -> Secret<G> {
    Secret::take(&mut { *secret.expose() })
}

/// Every set of the pieces at 1..=count.
fn sets(count: u8) -> impl Iterator<Item = Vec<u8>> {
    (0_u32..1 << count).map(move |set| (1..=count).filter(|x| set >> (x - 1) & 1 == 1).collect())
}

fn any_enough<G: Curve>() {
    for (needed, count) in [(2, 2), (2, 3), (3, 3), (3, 5), (5, 5)] {
        let secret = Secret::<G>::take(&mut G::Scalar::random(&mut rng()));
        let made = entrust(&secret, needed, count, &mut rng()).unwrap();
        assert_eq!(made.commitments.len(), usize::from(needed));
        assert_eq!(made.commitments[0], secret.public());
        for set in sets(count) {
            let pieces: Vec<_> = set.iter().map(|x| (*x, copy(&made.pieces[usize::from(*x) - 1]))).collect();
            assert!(pieces.iter().all(|(x, piece)| is_piece(&made.commitments, *x, piece)));
            let found = combine(&made.commitments, &pieces);
            if set.len() >= usize::from(needed) {
                assert_eq!(found.unwrap().expose(), secret.expose());
                continue;
            }
            let few = CombineError::Few { found: set.len(), needed: usize::from(needed) };
            assert_eq!(found.err(), Some(few));
            // What they interpolate to is not the secret either.
            let points: Vec<_> = set.iter().map(|x| G::Scalar::from(u64::from(*x))).collect();
            let parts = weights::<G>(&points).unwrap().into_iter().zip(&pieces);
            let sum = parts.fold(G::Scalar::ZERO, |sum, (weight, (_, piece))| sum + weight * piece.expose());
            assert_ne!(sum, *secret.expose());
        }
    }
}

fn wrong_ones_are_named<G: Curve>() {
    let secret = Secret::<G>::take(&mut G::Scalar::random(&mut rng()));
    let [made, other] = [1, 2].map(|_| entrust(&secret, 3, 5, &mut rng()).unwrap());
    let piece = |x: u8| (x, copy(&made.pieces[usize::from(x) - 1]));
    // From another sharing of the same secret, at another point, shifted by one.
    let foreign = (4, copy(&other.pieces[3]));
    let moved = (5, piece(1).1);
    let shifted = (2, Secret::take(&mut (*piece(2).1.expose() + G::Scalar::ONE)));
    let wrong = |pieces: &[(u8, Secret<G>)]| combine(&made.commitments, pieces).err();
    assert_eq!(wrong(&[piece(1), piece(2), piece(3), foreign]), Some(CombineError::Wrong(vec![4])));
    assert_eq!(wrong(&[piece(3), shifted, moved]), Some(CombineError::Wrong(vec![2, 5])));
    assert_eq!(wrong(&[piece(1), piece(1), piece(2)]), Some(CombineError::Points));
    assert_eq!(wrong(&[(0, copy(&secret)), piece(1), piece(2)]), Some(CombineError::Points));
    assert!(!is_piece(&made.commitments, 0, &secret), "the secret is no piece");
    for (needed, count) in [(0, 3), (1, 3), (4, 3), (1, 1)] {
        assert!(entrust(&secret, needed, count, &mut rng()).is_none());
    }
}

#[test]
fn any_enough_of_the_pieces_make_the_secret_and_fewer_do_not() {
    any_enough::<Secp256k1>();
    any_enough::<Ed25519>();
}

#[test]
fn a_wrong_piece_is_named() {
    wrong_ones_are_named::<Secp256k1>();
    wrong_ones_are_named::<Ed25519>();
}
