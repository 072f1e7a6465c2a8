//! What is refused before anything is sent.

use std::collections::BTreeMap;

use cohold_mpc_share::{
    Ceremony, CeremonyError, Curve, Dealing, Ed25519, Resharing, ResharingError, Secp256k1, Secret, weights,
};
use k256::elliptic_curve::Field as _;

use crate::support::{context, index, keys, rng};
use crate::world::{SESSION, World};

fn refused<G: Curve>(bend: impl FnOnce(&mut World<G>)) -> CeremonyError {
    let mut world = World::small();
    let key = world.public_key();
    bend(&mut world);
    Ceremony::new(key, &world.dealer_table(), world.holder_table(), world.threshold).unwrap_err()
}

/// Rows 12, 14 and 22: points that are zero or twice there, shares of another key, a threshold that
/// is out of range, the identity.
fn check<G: Curve>() {
    assert_eq!(refused::<G>(|w| w.threshold = 1), CeremonyError::Threshold { threshold: 1, holders: 3 });
    assert_eq!(refused::<G>(|w| w.threshold = 4), CeremonyError::Threshold { threshold: 4, holders: 3 });
    assert_eq!(refused::<G>(|w| w.holders = 1), CeremonyError::Threshold { threshold: 2, holders: 1 });
    assert_eq!(refused::<G>(|w| w.holders = 10), CeremonyError::Threshold { threshold: 2, holders: 10 });
    assert_eq!(refused::<G>(|w| w.dealers.clear()), CeremonyError::Dealers(0));
    let zero = |w: &mut World<G>| w.dealers.get_mut(&2).unwrap().point = G::Scalar::ZERO;
    assert_eq!(refused::<G>(zero), CeremonyError::DealerPoints);
    let twice = |w: &mut World<G>| w.dealers.get_mut(&2).unwrap().point = w.dealers[&4].point;
    assert_eq!(refused::<G>(twice), CeremonyError::DealerPoints);
    let share = |w: &mut World<G>| w.dealers.get_mut(&2).unwrap().share += G::Scalar::ONE;
    assert_eq!(refused::<G>(share), CeremonyError::Key);
    assert_eq!(refused::<G>(|w| w.dealers.retain(|seat, _| *seat != 2)), CeremonyError::Key, "too few");
    let none = |w: &mut World<G>| w.dealers.get_mut(&2).unwrap().share = G::Scalar::ZERO;
    assert_eq!(refused::<G>(none), CeremonyError::Identity);
    let world = World::<G>::small();
    let identity = Ceremony::new(G::identity(), &world.dealer_table(), world.holder_table(), 2);
    assert_eq!(identity.unwrap_err(), CeremonyError::Identity);
    for points in [[1, 2, 4], [1, 1, 2], [2, 3, 4]] {
        let holders: BTreeMap<_, _> = (1..=3).map(index).zip(points.map(index)).collect();
        let error = Ceremony::new(world.public_key(), &world.dealer_table(), holders, 2).unwrap_err();
        assert_eq!(error, CeremonyError::Points { holders: 3 });
    }
    assert_eq!(weights::<G>(&[G::Scalar::ONE, G::Scalar::ONE]), None);
    assert_eq!(weights::<G>(&[G::Scalar::ZERO]), None);
    assert_eq!(weights::<G>(&[G::Scalar::from(9)]), Some(vec![G::Scalar::ONE]));
    assert!(world.ceremony().digest() != World::<G>::small().ceremony().digest());
}

#[test]
fn public_values_that_make_no_resharing_are_refused() {
    check::<Secp256k1>();
    check::<Ed25519>();
}

#[test]
fn a_seat_brings_what_it_needs_and_nothing_else() {
    let world = World::<Secp256k1>::small();
    let begin = |me: u8, seats: &[u8], share: Option<u8>, identity: u8| {
        let secret = share.map(|seat| Secret::take(&mut { world.dealers[&seat].share }));
        let identity = keys(index(identity)).identity;
        let dealing = secret.as_ref().map(|share| Dealing { share, identity: &identity });
        Resharing::new(&context(me, seats, SESSION), world.ceremony(), dealing, &mut rng()).err()
    };
    let all = [1, 2, 3, 4];
    assert_eq!(begin(4, &all, Some(4), 4), None);
    assert_eq!(begin(1, &all, None, 1), None);
    assert_eq!(begin(1, &[1, 2, 4], None, 1), Some(ResharingError::Seats));
    assert_eq!(begin(1, &[1, 2, 3, 4, 5], None, 1), Some(ResharingError::Seats));
    assert_eq!(begin(4, &all, None, 4), Some(ResharingError::Share(index(4))));
    assert_eq!(begin(1, &all, Some(4), 1), Some(ResharingError::Share(index(1))));
    assert_eq!(begin(4, &all, Some(2), 4), Some(ResharingError::Secret(index(4))));
    assert_eq!(begin(4, &all, Some(4), 3), Some(ResharingError::Identity(index(4))));
}

/// Sessions move between the threads of a shell.
#[test]
fn sessions_can_be_sent() {
    fn check<T: Send>() {}
    check::<cohold_mpc::Session<Resharing<Secp256k1>>>();
    check::<cohold_mpc::Session<Resharing<Ed25519>>>();
}
