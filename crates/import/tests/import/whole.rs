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

/// BIP-39's English vectors (passphrase `TREZOR`): words, and the extended private key of the root.
const VECTORS: [(&str, &str); 4] = [
    (
        ABOUT,
        "xprv9s21ZrQH143K3h3fDYiay8mocZ3afhfULfb5GX8kCBdno77K4HiA15Tg23wpbeF1pLfs1c5SPmYHrEpTuuRhxMwvKDwqdKiGJS9XFKzUsAF",
    ),
    (
        "legal winner thank year wave sausage worth useful legal winner thank yellow",
        "xprv9s21ZrQH143K2gA81bYFHqU68xz1cX2APaSq5tt6MFSLeXnCKV1RVUJt9FWNTbrrryem4ZckN8k4Ls1H6nwdvDTvnV7zEXs2HgPezuVccsq",
    ),
    (
        "letter advice cage absurd amount doctor acoustic avoid letter advice cage above",
        "xprv9s21ZrQH143K2shfP28KM3nr5Ap1SXjz8gc2rAqqMEynmjt6o1qboCDpxckqXavCwdnYds6yBHZGKHv7ef2eTXy461PXUjBFQg6PrwY4Gzq",
    ),
    (
        "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong",
        "xprv9s21ZrQH143K2V4oox4M8Zmhi2Fjx5XK4Lf7GKRvPSgydU3mjZuKGCTg7UPiBUD7ydVPvSLtg9hjp7MQTYsW67rZHAXeccqYqrsx8LcXnyd",
    ),
];

#[test]
fn the_vectors_of_bip_39_and_bip_32_hold() {
    for (words, expected) in VECTORS {
        let root = bs58::decode(expected).with_check(None).into_vec().unwrap();
        let (foreign, _) = phrase::key(words, "TREZOR", "m").unwrap().into_shared().unwrap();
        assert_eq!(foreign.chain_code().0, root[13..45]);
        let secret = <[u8; 32]>::try_from(&root[46..]).unwrap();
        let (expected, _) = ForeignKey::whole(&mut secret.clone(), None).unwrap();
        assert_eq!(foreign.public_key(), expected.public_key(), "{words}");
    }
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
