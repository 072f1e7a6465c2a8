//! Sessions of this engine on the network of all protocols.

use std::collections::{BTreeMap, BTreeSet};

use cohold_mpc::Session;
use cohold_mpc_ecdsa::{
    Auxiliary, AuxiliarySetup, GeneratedKey, KeyGeneration, RecoverableSignature, Share, Signing,
    SigningDigest,
};
use k256::ecdsa::signature::hazmat::PrehashVerifier as _;
use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};

pub(crate) use crate::corrupt::{Corrupt, Inside};
pub(crate) use crate::support::{End, Ends, context, honest, index, keys, rng, run, session, session_id};

pub(crate) const DIGEST: SigningDigest = SigningDigest([0x5a; 32]);

pub(crate) fn keygen_sessions(t: u8, n: u8, id: u8) -> Vec<Session<KeyGeneration>> {
    let parties: Vec<u8> = (1..=n).collect();
    let make = |me| {
        let context = context(me, &parties, id);
        let protocol = KeyGeneration::new(&context, t).unwrap();
        session(context, protocol)
    };
    parties.iter().map(|&me| make(me)).collect()
}

/// What each party keeps.
pub(crate) type Wallet = BTreeMap<u8, GeneratedKey>;

pub(crate) fn wallet(t: u8, n: u8) -> Wallet {
    let ends = run(keygen_sessions(t, n, 1), honest);
    ends.into_iter().map(|(i, end)| (i, end.done().output)).collect()
}

pub(crate) fn setup_sessions(wallet: &Wallet, parties: &[u8], id: u8) -> Vec<Session<AuxiliarySetup>> {
    let make = |me| {
        let context = context(me, parties, id);
        let protocol = AuxiliarySetup::new(&context, &wallet[&me].share).unwrap();
        session(context, protocol)
    };
    parties.iter().map(|&me| make(me)).collect()
}

pub(crate) fn signer(
    share: &Share,
    auxiliary: &Auxiliary,
    signers: &[u8],
    id: u8,
    digest: SigningDigest,
) -> Session<Signing> {
    let context = context(share.index().get(), signers, id);
    let protocol = Signing::new(&context, share, auxiliary, &BTreeSet::new(), digest).unwrap();
    session(context, protocol)
}

pub(crate) fn sign_sessions(wallet: &Wallet, signers: &[u8], id: u8) -> Vec<Session<Signing>> {
    let make = |me: &u8| signer(&wallet[me].share, &wallet[me].auxiliary, signers, id, DIGEST);
    signers.iter().map(make).collect()
}

/// Signs honestly and checks the result.
pub(crate) fn check_signing(wallet: &Wallet, signers: &[u8], id: u8) {
    for (i, end) in run(sign_sessions(wallet, signers, id), honest) {
        check_signature(&wallet[&i].share.key().public_key(), &end.done().output);
    }
}

pub(crate) fn check_signature(public_key: &[u8; 33], signature: &RecoverableSignature) {
    let key = VerifyingKey::from_sec1_bytes(public_key).unwrap();
    let parsed = Signature::from_scalars(signature.r, signature.s).unwrap();
    key.verify_prehash(&DIGEST.0, &parsed).unwrap();
    assert_eq!(parsed.normalize_s(), parsed, "low s");
    let recovery_id = RecoveryId::from_byte(signature.recovery_id).unwrap();
    assert_eq!(VerifyingKey::recover_from_prehash(&DIGEST.0, &parsed, recovery_id).unwrap(), key);
}
