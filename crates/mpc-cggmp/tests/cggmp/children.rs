//! Keys below an account's key: the same under both engines and under private derivation, and nothing is
//! signed where signers mean different ones.

use std::collections::{BTreeMap, BTreeSet};

use bip32::{ChildNumber, ExtendedKey, ExtendedKeyAttrs, Prefix, XPrv};
use cohold_model::KeyPath;
use cohold_mpc::Consequence;
use cohold_mpc_cggmp::Signing;
use cohold_mpc_ecdsa::{
    Auxiliary as Pairs, AuxiliarySetup as PairSetup, RecoverableSignature, Share, Signing as PairSigning,
    reconstruct,
};
use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};

use crate::network::{DIGEST, End, Shares, context, honest, run, session, two_of_three};

const SIGNERS: [u8; 2] = [1, 2];

fn path(text: &str) -> KeyPath {
    text.parse().unwrap()
}

/// Whose signature it is.
fn signer(signature: &RecoverableSignature) -> Vec<u8> {
    let parsed = Signature::from_scalars(signature.r, signature.s).unwrap();
    assert_eq!(parsed.normalize_s(), parsed, "low s");
    let recovery_id = RecoveryId::from_byte(signature.recovery_id).unwrap();
    let key = VerifyingKey::recover_from_prehash(&DIGEST.0, &parsed, recovery_id).unwrap();
    key.to_sec1_point(true).as_bytes().to_vec()
}

/// The public key at a path, from the private key that the shares make: what no party ever does.
fn by_private_key(shares: &Shares, path: &KeyPath) -> Vec<u8> {
    let quorum: Vec<&Share> = SIGNERS.iter().map(|party| &shares[party]).collect();
    let key_bytes = [&[0], reconstruct(&quorum).unwrap().secret_bytes().as_slice()].concat();
    let attrs = ExtendedKeyAttrs {
        depth: 0,
        parent_fingerprint: [0; 4],
        child_number: ChildNumber::default(),
        chain_code: shares[&1].key().chain_code().0,
    };
    let below = |key: XPrv, step: &u32| key.derive_child(ChildNumber(*step)).unwrap();
    let root = ExtendedKey { prefix: Prefix::XPRV, attrs, key_bytes: key_bytes.try_into().unwrap() };
    let child = path.steps().iter().fold(XPrv::try_from(root).unwrap(), below);
    child.public_key().to_bytes().to_vec()
}

fn pairs(shares: &Shares) -> BTreeMap<u8, Pairs> {
    let set_up = |me: &u8| {
        let context = context(*me, &SIGNERS, 20);
        session(context.clone(), PairSetup::new(&context, &shares[me]).unwrap())
    };
    let ends = run(SIGNERS.iter().map(set_up).collect(), honest);
    ends.into_iter().map(|(i, end)| (i, end.done().output)).collect()
}

/// Both signers' ends by the first engine, each at its own path.
fn by_pairs(
    shares: &Shares,
    data: &BTreeMap<u8, Pairs>,
    at: [&KeyPath; 2],
) -> Vec<End<RecoverableSignature>> {
    let sessions = SIGNERS.iter().zip(at).map(|(me, path)| {
        let context = context(*me, &SIGNERS, 21);
        let run = PairSigning::new(&context, &shares[me], &data[me], &BTreeSet::new(), DIGEST).unwrap();
        session(context, run.below(path).unwrap())
    });
    run(sessions.collect(), honest).into_values().collect()
}

/// The same by the second.
fn by_paillier(at: [&KeyPath; 2]) -> Vec<End<RecoverableSignature>> {
    let (shares, data) = two_of_three();
    let sessions = SIGNERS.iter().zip(at).map(|(me, path)| {
        let context = context(*me, &SIGNERS, 22);
        let run = Signing::new(&context, &shares[me], &data[me], &BTreeSet::new(), DIGEST).unwrap();
        session(context, run.below(path).unwrap())
    });
    run(sessions.collect(), honest).into_values().collect()
}

#[test]
fn children_are_equal_under_both_engines() {
    let (shares, _) = two_of_three();
    let pairs = pairs(shares);
    let root = shares[&1].key().public_key().to_vec();
    for at in ["m", "m/0", "m/0/5", "m/1/2/3/4/2147483647"].map(path) {
        let child = shares[&1].key().child(&at).unwrap().to_vec();
        assert_eq!(child, by_private_key(shares, &at), "{at}");
        assert_eq!(child == root, at.is_root(), "{at}");
        let ends = by_pairs(shares, &pairs, [&at, &at]).into_iter().chain(by_paillier([&at, &at]));
        let signers: Vec<Vec<u8>> = ends.map(|end| signer(&end.done().output)).collect();
        // All four are the child's, and so none is the root's.
        assert_eq!(signers, vec![child; 4], "{at}");
    }
}

#[test]
fn signers_who_mean_different_children_sign_for_none() {
    let (shares, _) = two_of_three();
    let (one, other, root) = (path("m/0"), path("m/1"), KeyPath::ROOT);
    let pairs = pairs(shares);
    for at in [[&one, &other], [&root, &one], [&one, &root]] {
        let ends = by_pairs(shares, &pairs, at).into_iter().chain(by_paillier(at));
        for end in ends {
            let fault = end.fault();
            assert_eq!(fault.consequence, Consequence::Retry, "{fault}");
        }
    }
}
