//! Stored forms: round trips, a snapshot, damaged bytes.

use cohold_mpc_ecdsa::{AccountKeyError, Auxiliary, AuxiliaryError, GeneratedKey, Share, ShareError};
use k256::elliptic_curve::PrimeField as _;
use k256::elliptic_curve::group::GroupEncoding as _;
use k256::{ProjectivePoint, Scalar};
use proptest::prelude::{any, prop, proptest};

use crate::network::{check_signing, index, wallet};

const ORDER: &str = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";

/// Version 1 of the share of party `me` in a 2-of-3 sharing of 7 + 5x.
fn sample(me: u8) -> Vec<u8> {
    let point = |secret: u64| (ProjectivePoint::GENERATOR * Scalar::from(secret)).to_bytes();
    let mut bytes = vec![1, me, 2, 3];
    bytes.extend(Scalar::from(7 + 5 * u64::from(me)).to_repr());
    bytes.extend(point(7));
    bytes.extend([0xcc; 32]);
    bytes.extend([12, 17, 22].into_iter().flat_map(point));
    bytes
}

#[test]
fn version_one_of_a_share_stays_readable() {
    let bytes = sample(2);
    assert_eq!(bytes.len(), 200);
    let expected = "010202030000000000000000000000000000000000000000000000000000000000000011\
        025cbdf0646e5db4eaa398f365f2ea7a0e3d419b7e0330e39ce92bddedcac4f9bc\
        cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc\
        03d01115d548e7561b15c38f004d734633687cf4419620095bc5b0f47070afe85a\
        03defdea4cdb677750a420fee807eacf21eb9898ae79b9768766e4faa04a2d4a34\
        03421f5fc9a21065445c96fdb91c0c1e2f2431741c72713b4b99ddcb316f31e9fc";
    assert_eq!(hex::encode(&bytes), expected);
    let share = Share::from_secret_bytes(&bytes).unwrap();
    assert_eq!(share.index(), index(2));
    assert_eq!((share.key().threshold(), share.key().parties()), (2, 3));
    assert_eq!(*share.to_secret_bytes(), bytes);
    assert_eq!(format!("{share:?}"), "Share(2 of 3, threshold 2)");
}

#[test]
fn damaged_shares_are_refused() {
    let good = sample(2);
    let with = |at: usize, bytes: &[u8]| {
        let mut bad = good.clone();
        bad[at..at + bytes.len()].copy_from_slice(bytes);
        Share::from_secret_bytes(&bad).unwrap_err()
    };
    let order = hex::decode(ORDER).unwrap();
    assert_eq!(with(0, &[2]), ShareError::Version { found: 2 });
    assert_eq!(with(1, &[0]), ShareError::Malformed);
    assert_eq!(with(1, &[10]), ShareError::Malformed);
    assert_eq!(with(1, &[4]), ShareError::Malformed);
    assert_eq!(with(1, &[1]), ShareError::Secret(index(1)));
    assert!(matches!(with(2, &[1]), ShareError::Key(AccountKeyError::Parameters { .. })));
    assert!(matches!(with(2, &[4]), ShareError::Key(AccountKeyError::Parameters { .. })));
    assert_eq!(with(3, &[2]), ShareError::Malformed);
    assert_eq!(with(4, &[0; 32]), ShareError::Secret(index(2)));
    assert_eq!(with(4, &order), ShareError::Secret(index(2)), "row 12: q is not 0");
    assert_eq!(with(35, &[18]), ShareError::Secret(index(2)));
    assert_eq!(with(36, &[0; 33]), ShareError::Key(AccountKeyError::Point), "row 22: the identity");
    assert_eq!(with(36, &[0xff; 33]), ShareError::Key(AccountKeyError::Point), "row 22: off the curve");
    assert_eq!(with(36, &[3]), ShareError::Key(AccountKeyError::Polynomial));
    assert_eq!(with(101, &[2]), ShareError::Key(AccountKeyError::Polynomial));
    assert_eq!(with(167, &[2]), ShareError::Key(AccountKeyError::Polynomial), "row 11: a raised degree");
    for length in [0, 3, 4, 199] {
        assert_eq!(Share::from_secret_bytes(&good[..length]).unwrap_err(), ShareError::Malformed);
    }
    let trailing = [good.as_slice(), &[0]].concat();
    assert_eq!(Share::from_secret_bytes(&trailing).unwrap_err(), ShareError::Malformed);
}

#[test]
fn what_was_stored_signs() {
    let wallet: crate::network::Wallet = wallet(2, 3)
        .into_iter()
        .map(|(i, key)| {
            let (share, auxiliary) = (key.share.to_secret_bytes(), key.auxiliary.to_secret_bytes());
            assert!(share.len() == 200 && auxiliary.len() < 120_000, "{}", auxiliary.len());
            let share = Share::from_secret_bytes(&share).unwrap();
            let auxiliary = Auxiliary::from_secret_bytes(&auxiliary).unwrap();
            assert!(auxiliary.belongs_to(&share));
            (i, GeneratedKey { share, auxiliary })
        })
        .collect();
    check_signing(&wallet, &[1, 3], 2);
    assert!(!wallet[&1].auxiliary.belongs_to(&wallet[&2].share));
    assert_eq!(format!("{:?}", wallet[&1].auxiliary), "Auxiliary(1 with [PartyIndex(2), PartyIndex(3)])");
}

#[test]
fn damaged_auxiliary_data_is_refused() {
    let good = wallet(2, 2)[&1].auxiliary.to_secret_bytes();
    let read = |bytes: &[u8]| Auxiliary::from_secret_bytes(bytes).err();
    assert_eq!(read(&good), None);
    assert_eq!(read(&[]), Some(AuxiliaryError::Malformed));
    assert_eq!(read(&[&[2], &good[1..]].concat()), Some(AuxiliaryError::Version { found: 2 }));
    assert_eq!(read(&good[..good.len() - 1]), Some(AuxiliaryError::Malformed));
    assert_eq!(read(&[good.as_slice(), &[0]].concat()), Some(AuxiliaryError::Malformed));
    let swapped = [&[1, 2], &good[2..]].concat();
    assert_eq!(read(&swapped), Some(AuxiliaryError::Malformed), "another index");
}

#[test]
fn a_raised_threshold_is_refused() {
    let mut bytes = sample(2);
    bytes[2] = 3;
    assert!(Share::from_secret_bytes(&bytes).is_err(), "2-of-3 shares do not pass as 3-of-3");
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let versioned = [&[1, 2, 2, 3], bytes.as_slice()].concat();
        for input in [&bytes, &versioned] {
            let _ = Share::from_secret_bytes(input);
            let _ = Auxiliary::from_secret_bytes(input);
        }
    }

    #[test]
    fn a_flipped_bit_is_found_outside_the_chain_code(at in 0_usize..200, bit in 0_u8..8) {
        let mut bytes = sample(2);
        bytes[at] ^= 1 << bit;
        let chain_code = 69..101;
        assert_eq!(Share::from_secret_bytes(&bytes).is_ok(), chain_code.contains(&at));
    }
}
