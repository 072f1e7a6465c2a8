//! Honest runs over relays that are honest or not.

use cohold_mpc::Envelope;
use cohold_mpc_share::{Curve, Ed25519, Secp256k1};
use proptest::prelude::{Strategy, any, prop, proptest};
use proptest::test_runner::Config;

use crate::support::{End, honest, run};
use crate::world::{Held, SESSION, World, combine};

fn reshare<G: Curve>(seats: &[u8], holders: u8, threshold: u8) {
    let world = World::<G>::new(seats, holders, threshold);
    world.check(run(world.sessions(SESSION), honest));
}

/// Dealers' seats (leaving ones after the holders), holders, threshold.
fn shapes() -> impl Strategy<Value = (Vec<u8>, u8, u8)> {
    (2_u8..=9)
        .prop_flat_map(|holders| (proptest::prelude::Just(holders), 2..=holders, any::<u16>(), 0_u8..=9))
        .prop_map(|(holders, threshold, staying, leaving)| {
            let staying = (1..=holders).filter(|seat| staying >> seat & 1 == 1);
            let seats: Vec<u8> = staying.chain(holders + 1..=holders + leaving).take(9).collect();
            (if seats.is_empty() { vec![1] } else { seats }, holders, threshold)
        })
}

proptest! {
    #![proptest_config(Config { cases: 24, ..Config::default() })]

    #[test]
    fn any_quorum_reshares_to_any_holders((seats, holders, threshold) in shapes()) {
        // Seats are numbered without gaps by whoever makes them, but the protocol does not need it.
        reshare::<Secp256k1>(&seats, holders, threshold);
        reshare::<Ed25519>(&seats, holders, threshold);
    }

    #[test]
    fn a_relay_that_loses_repeats_and_reorders_changes_nothing(seed in any::<u64>()) {
        let world = World::<Secp256k1>::small();
        let (mut state, mut held) = (seed, Vec::new());
        let relay = |envelope: Envelope| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            match (state >> 33) % 5 {
                0 => Vec::new(),
                1 => vec![envelope.clone(), envelope],
                2 => {
                    held.push(envelope);
                    Vec::new()
                }
                3 => std::mem::take(&mut held).into_iter().rev().chain([envelope]).collect(),
                _ => vec![envelope],
            }
        };
        world.check(run(world.sessions(SESSION), relay));
    }

    #[test]
    fn any_order_of_holders_takes_the_shares(order in prop::sample::subsequence(vec![1_u8, 2, 3, 4, 5], 3)) {
        let world = World::<Ed25519>::new(&[6, 7, 8], 5, 3);
        let shares = world.check(run(world.sessions(SESSION), honest));
        let points: Vec<_> = order.iter().map(|i| (*i).into()).collect();
        let weights = cohold_mpc_share::weights::<Ed25519>(&points).unwrap();
        let sum = order.iter().zip(weights).map(|(i, weight)| weight * shares[usize::from(*i) - 1]);
        assert_eq!(sum.sum::<curve25519_dalek::Scalar>(), world.secret);
    }
}

/// The import of a raw key: one dealer that holds all of it, whatever its point.
#[test]
fn a_whole_key_is_shared_by_its_holder() {
    reshare::<Secp256k1>(&[1], 3, 2);
    reshare::<Ed25519>(&[1], 2, 2);
}

/// Shares that were made one after the other, the new points reshared again.
#[test]
fn a_sharing_lives_through_many_resharings() {
    let mut world = World::<Secp256k1>::new(&[1, 2], 3, 2);
    for (holders, threshold, next) in [(3, 2, vec![2, 3]), (5, 3, vec![1, 4, 5]), (2, 2, vec![1, 2])] {
        (world.holders, world.threshold) = (holders, threshold);
        let shares = world.check(run(world.sessions(SESSION), honest));
        let held = |i: &u8| {
            let point = k256::Scalar::from(u64::from(*i));
            (*i, Held { point, share: shares[usize::from(*i) - 1] })
        };
        world.dealers = next.iter().map(held).collect();
    }
}

/// Row 14: a quorum made of old and new shares gives another secret.
#[test]
fn old_and_new_shares_do_not_mix() {
    let mut world = World::<Secp256k1>::new(&[1, 2], 2, 2);
    let old = world.check(run(world.sessions(SESSION), honest));
    let held = |i: u8| Held { point: k256::Scalar::from(u64::from(i)), share: old[usize::from(i) - 1] };
    world.dealers = [(1, held(1)), (2, held(2))].into();
    let new = world.check(run(world.sessions(SESSION), honest));
    for mixed in [[old[0], new[1]], [new[0], old[1]]] {
        assert_ne!(combine::<Secp256k1>(&mixed, 0..2), world.secret);
    }
    assert!(old.iter().zip(&new).all(|(old, new)| old != new));
}

/// Nobody needs more than one honest delivery: without a dealer the run waits and gives nothing.
#[test]
fn without_a_dealer_nothing_comes_out() {
    let world = World::<Secp256k1>::small();
    let silent = crate::support::index(4);
    let ends =
        run(
            world.sessions(SESSION),
            |envelope| {
                if envelope.from == silent { Vec::new() } else { vec![envelope] }
            },
        );
    assert!(ends.values().all(|end| matches!(end, End::Stuck)));
}

/// Two resharings of the same shares have nothing in common but the key.
#[test]
fn every_resharing_is_random() {
    let world = World::<Secp256k1>::small();
    let one = world.check(run(world.sessions(SESSION), honest));
    let two = world.check(run(world.sessions(SESSION + 1), honest));
    assert!(one.iter().zip(&two).all(|(one, two)| one != two && !bool::from(one.is_zero())));
}
