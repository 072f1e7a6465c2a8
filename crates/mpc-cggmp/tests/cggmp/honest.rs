//! Keys that the first engine's key generation made, signed by both engines, reshared, and signed again.

use std::collections::BTreeSet;

use cohold_mpc_cggmp::{AuxiliarySetup, SetupError, Signing, SigningError};

use crate::network::{
    DIGEST, Shares, check_pair_signing, check_signing, context, generate, index, primes, reshare, set_up,
    two_of_three,
};

/// Both engines, resharing, both engines; one public key all the way.
fn check(from: (u8, u8), committee: &[u8], signers: &[u8], to: (u8, u8), again: &[u8]) {
    let old = generate(from.0, from.1);
    let data = set_up(&old, committee, 2);
    check_signing(&old, &data, signers, 3);
    check_pair_signing(&old, signers, 4);
    let new = reshare(&old, signers, to.0, to.1, 6);
    assert_eq!(new[&1].key().public_key(), old[&1].key().public_key());
    // The data of before serves no share of after.
    let stale = |me: u8, shares: &Shares| {
        let context = context(me, again, 7);
        Signing::new(&context, &shares[&me], &data[&me], &BTreeSet::new(), DIGEST).err()
    };
    assert_eq!(stale(again[0], &new), Some(SigningError::Foreign));
    let data = set_up(&new, again, 8);
    check_signing(&new, &data, again, 9);
    check_pair_signing(&new, again, 10);
}

#[test]
fn two_of_two() {
    check((2, 2), &[1, 2], &[1, 2], (2, 2), &[1, 2]);
}

#[test]
fn two_of_three_with_a_committee_of_all() {
    check((2, 3), &[1, 2, 3], &[3, 1], (2, 3), &[2, 1]);
}

#[test]
fn three_of_five_with_a_committee_of_a_quorum() {
    check((3, 5), &[2, 3, 4], &[4, 3, 2], (2, 3), &[3, 1]);
}

/// What cannot be begun, and why.
#[test]
fn a_run_that_cannot_end_well_does_not_begin() {
    let (shares, data) = two_of_three();
    let begin =
        |me: u8, parties: &[u8]| AuxiliarySetup::new(&context(me, parties, 2), &shares[&1], primes(1)).err();
    assert_eq!(begin(2, &[1, 2]), Some(SetupError::Index { share: index(1), session: index(2) }));
    assert_eq!(begin(1, &[1, 4]), Some(SetupError::Stranger(index(4))));
    let three = generate(3, 3);
    let few = AuxiliarySetup::new(&context(1, &[1, 2], 2), &three[&1], primes(1)).err();
    assert_eq!(few, Some(SetupError::Quorum { found: 2, threshold: 3 }));

    let begin = |me: u8, share: u8, signers: &[u8], banned: &[u8]| {
        let banned = banned.iter().map(|party| index(*party)).collect();
        Signing::new(&context(me, signers, 4), &shares[&share], &data[&1], &banned, DIGEST).err()
    };
    assert_eq!(begin(1, 1, &[1, 2], &[]), None);
    assert_eq!(begin(1, 1, &[1, 2], &[2]), Some(SigningError::Banned(index(2))));
    assert_eq!(begin(1, 1, &[1, 3], &[]), Some(SigningError::Unpaired(index(3))));
    assert_eq!(begin(1, 1, &[1, 2, 3], &[]), Some(SigningError::Quorum { found: 3, threshold: 2 }));
    assert_eq!(begin(2, 2, &[1, 2], &[]), Some(SigningError::Foreign));
    assert_eq!(begin(2, 1, &[1, 2], &[]), Some(SigningError::Index { share: index(1), session: index(2) }));
}
