//! Keys that existed whole: mnemonics, hexadecimal digits, wallet import format.

use std::collections::BTreeMap;

use cohold_import::phrase::{self, ETHEREUM_FIRST, PhraseError};
use cohold_import::raw::{self, RawKeyError};
use cohold_import::{Origin, WholeKey};
use cohold_mpc_ecdsa::ForeignKey;
use k256::elliptic_curve::sec1::ToSec1Point as _;

use crate::real::import;

fn public(key: WholeKey) -> String {
    hex::encode(key.into_shared().unwrap().0.public_key())
}

const ABOUT: &str =
    "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";

/// BIP-39's own words, whose first Ethereum address is in the tests of every wallet.
#[test]
fn a_mnemonic_gives_the_key_that_wallets_have() {
    let key = phrase::key(ABOUT, "", ETHEREUM_FIRST).unwrap();
    assert_eq!(key.origin(), Origin::Mnemonic);
    let (foreign, share) = key.into_shared().unwrap();
    assert_eq!((foreign.threshold(), foreign.parties(), share.party().get()), (1, 1, 1));
    let address = "9858effd232b4033e47d90003d41ec34ecaeda94";
    assert_eq!(hex::encode(ethereum(&foreign)), address);
    let shouted = ABOUT.split(' ').collect::<Vec<_>>().join("   ");
    assert_eq!(public(phrase::key(&shouted, "", ETHEREUM_FIRST).unwrap()), hex::encode(foreign.public_key()));
    let other = public(phrase::key(ABOUT, "TREZOR", ETHEREUM_FIRST).unwrap());
    assert_ne!(other, hex::encode(foreign.public_key()));
}

/// The last twenty bytes of the Keccak-256 of the point.
fn ethereum(key: &ForeignKey) -> Vec<u8> {
    let point = k256::PublicKey::from_sec1_bytes(&key.public_key()).unwrap().to_sec1_point(false);
    alloy_primitives::keccak256(&point.as_bytes()[1..])[12..].to_vec()
}

#[test]
fn mnemonics_with_errors_are_refused_without_their_words() {
    let with = |words: &str, path: &str| phrase::key(words, "", path).unwrap_err();
    let swapped = ABOUT.replace("about", "abandon");
    assert_eq!(with(&swapped, ETHEREUM_FIRST), PhraseError::Checksum);
    assert_eq!(with(&ABOUT.replace("about", "abuot"), ETHEREUM_FIRST), PhraseError::Word(12));
    assert_eq!(with("abandon about", ETHEREUM_FIRST), PhraseError::Length);
    assert_eq!(with("", ETHEREUM_FIRST), PhraseError::Length);
    assert_eq!(with(&"abandon ".repeat(100), ETHEREUM_FIRST), PhraseError::Length);
    for path in ["", "44'/60'", "m/x", "m/4294967296", "m/0/0/0/0/0/0/0/0/0/0/0"] {
        assert_eq!(with(ABOUT, path), PhraseError::Path, "{path}");
    }
}

#[test]
fn raw_keys_are_read_in_all_their_forms() {
    // The first example of the wallet import format's own documentation.
    let digits = "0c28fca386c7a227600b2fe50b7cae11ec86d3bf1fbe471be89827e19d72aa1d";
    let forms = [
        digits,
        "0x0C28FCA386C7A227600B2FE50B7CAE11EC86D3BF1FBE471BE89827E19D72AA1D",
        "5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ",
        " KwdMAjGmerYanjeui5SHS7JkmpZvVipYvB2LJGU1ZxJwYvP98617\n",
    ];
    let expected = "02d0de0aaeaefad02b8bdc8a01a1b8b11c696bd3d66a2c5f10780d95b7df42645c";
    for form in forms {
        let key = raw::parse(form).unwrap();
        assert_eq!(key.origin(), Origin::Raw);
        assert_eq!(format!("{key:?}"), "WholeKey(Raw)");
        assert_eq!(public(key), expected, "{form}");
    }
}

#[test]
fn what_is_no_key_is_refused() {
    let order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
    let cases = [
        ("", RawKeyError::Form),
        ("0x", RawKeyError::Form),
        ("zz28fca386c7a227600b2fe50b7cae11ec86d3bf1fbe471be89827e19d72aa1d", RawKeyError::Form),
        (&"0".repeat(64), RawKeyError::Range),
        (order, RawKeyError::Range),
        (&"f".repeat(64), RawKeyError::Range),
        ("5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTK", RawKeyError::Checksum),
        ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", RawKeyError::Form),
        (&"1".repeat(129), RawKeyError::Form),
    ];
    for (text, expected) in cases {
        assert_eq!(raw::parse(text).unwrap_err(), expected, "{text}");
    }
}

/// The holder of a whole key deals it to three parties, itself one of them, and two of them sign.
#[test]
fn a_whole_key_becomes_an_account_at_the_same_address() {
    let (key, share) = raw::parse(&"07".repeat(32)).unwrap().into_shared().unwrap();
    import(&key, &BTreeMap::from([(1, share)]), 3);
}

#[test]
fn every_origin_has_its_advice() {
    for origin in [Origin::Mnemonic, Origin::Raw, Origin::TssLib] {
        assert!(origin.advice().contains("move"), "{}", origin.advice());
    }
    assert!(Origin::TssLib.advice().contains("a suspect key must be moved, not refreshed"));
}
