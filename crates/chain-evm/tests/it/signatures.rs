//! The signature's way into the transaction, and every signature that must not go in.

use cohold_chain_evm::assemble::{AssembleError, OpenError, RawSignature};
use cohold_chain_evm::decode::DecodeError;
use cohold_chain_evm::{Address, assemble, open, plan, signing_digest};
use k256::ecdsa::{RecoveryId, Signature, SigningKey, VerifyingKey};
use k256::elliptic_curve::PrimeField;

use crate::fixtures::{facts, native, token};

fn key(byte: u8) -> (SigningKey, Vec<u8>) {
    let key = SigningKey::from_bytes(&[byte; 32].into()).unwrap();
    let public = key.verifying_key().to_sec1_point(true).as_bytes().to_vec();
    (key, public)
}

fn sign(key: &SigningKey, payload: &[u8]) -> RawSignature {
    let (signature, id) = key.sign_prehash_recoverable(&signing_digest(payload));
    let (r, s) = signature.split_bytes();
    RawSignature { r: r.into(), s: s.into(), recovery_id: id.to_byte() }
}

/// A payment signed by go-ethereum, from the end-to-end tests of web3.js (`personal.signTransaction`).
#[test]
fn a_transaction_of_go_ethereum_is_made_byte_for_byte() {
    let raw = hex::decode(
        "02f86e82053980841dcd65008459682f0082520894962f9a9c2a6c092474d24def35eccb3d9363265e82271080c0\
         01a02661e510e0a64d65694808278f11dacbee33f3d8bcb589d37a168e911ba5f97f\
         a0488b98a76e25487e28d393757b25d22f7272e0a0b39da4c1b8c8cd45e3173819",
    )
    .unwrap();
    let opened = open(&raw).unwrap();
    assert_eq!(opened.from.to_string(), "0x1337C75FdF978ABABaACC038A1dCd580FeC28ab2");
    assert_eq!((opened.decoded.chain_id, opened.decoded.nonce), (1337, 0));
    assert_eq!(opened.decoded.effect.amount(), 10_000.into());

    // The same fields unsigned, joined with the signature's numbers.
    let payload = hex::decode(
        "02eb82053980841dcd65008459682f0082520894962f9a9c2a6c092474d24def35eccb3d9363265e82271080c0",
    )
    .unwrap();
    let (r, s) = (&raw[raw.len() - 65..raw.len() - 33], &raw[raw.len() - 32..]);
    let signature = RawSignature { r: r.try_into().unwrap(), s: s.try_into().unwrap(), recovery_id: 1 };
    let public = VerifyingKey::recover_from_prehash(
        &signing_digest(&payload),
        &Signature::from_scalars(signature.r, signature.s).unwrap(),
        RecoveryId::new(true, false),
    )
    .unwrap();
    let signed = assemble(&payload, &signature, public.to_sec1_point(true).as_bytes()).unwrap();
    assert_eq!(signed, opened);
}

#[test]
fn what_is_assembled_can_be_opened() {
    let (key, public) = key(7);
    for wish in [native(5), token(5)] {
        let payload = plan(&wish, &facts()).unwrap().payload.0;
        let signed = assemble(&payload, &sign(&key, &payload), &public).unwrap();
        assert_eq!(open(&signed.raw), Ok(signed.clone()));
        assert!(cohold_chain_evm::decode(&signed.raw).is_err(), "signed bytes are no payload");
        assert_eq!(signed.hash, alloy_primitives::keccak256(&signed.raw).0);
        for index in 0..signed.raw.len() {
            let mut bad = signed.raw.clone();
            bad[index] ^= 1;
            let same_payer = open(&bad).is_ok_and(|other| other.from == signed.from);
            assert!(!same_payer, "byte {index}");
        }
    }
}

#[test]
fn wrong_signatures_are_refused() {
    let (secret, public) = key(7);
    let (other_secret, other_public) = key(8);
    let payload = plan(&native(5), &facts()).unwrap().payload.0;
    let other_payload = plan(&native(6), &facts()).unwrap().payload.0;
    let good = sign(&secret, &payload);
    let check = |signature: RawSignature, expected: AssembleError| {
        assert_eq!(assemble(&payload, &signature, &public), Err(expected));
    };
    assert!(assemble(&payload, &good, &public).is_ok());

    check(sign(&other_secret, &payload), AssembleError::Invalid);
    check(sign(&secret, &other_payload), AssembleError::Invalid);
    let account = Address::of_public_key(&public).unwrap();
    check(RawSignature { recovery_id: 1 - good.recovery_id, ..good }, AssembleError::OtherAccount(account));
    for id in [2, 3, 27, 28, 255] {
        check(RawSignature { recovery_id: id, ..good }, AssembleError::RecoveryId(id));
    }
    for bad in [[0; 32], [0xff; 32]] {
        check(RawSignature { r: bad, ..good }, AssembleError::Range);
        check(RawSignature { s: bad, ..good }, AssembleError::Range);
    }
    let s = k256::Scalar::from_repr(good.s.into()).unwrap();
    let twin = RawSignature { s: (-s).to_repr().into(), recovery_id: 1 - good.recovery_id, ..good };
    check(twin, AssembleError::HighS);

    assert_eq!(assemble(&payload, &good, &other_public), Err(AssembleError::Invalid));
    assert!(matches!(assemble(&payload, &good, &[]), Err(AssembleError::PublicKey(_))));
    assert_eq!(assemble(&payload[1..], &good, &public), Err(AssembleError::Payload(DecodeError::Type)));
}

#[test]
fn bytes_that_are_no_signed_transfer_are_not_opened() {
    let payload = plan(&native(5), &facts()).unwrap().payload.0;
    assert_eq!(open(&payload), Err(OpenError::Form), "unsigned");
    assert_eq!(open(&[]), Err(OpenError::Form));
    assert_eq!(open(&[0x02; 1000]), Err(OpenError::TooLong(1000)));
    // setApprovalForAll, signed on the main chain (from the tests of alloy-consensus).
    let approval = hex::decode(
        "02f8b00142843b9aca008504a817c80082ad62946069a6c32cf691f5982febae4faf8a6f3ab2f0f680b844a22cb465\
         0000000000000000000000005eee75727d804a2b13038928d36f8b188945a57a\
         0000000000000000000000000000000000000000000000000000000000000000c0\
         80a0840cfc572845f5786e702984c2a582528cad4b49b2a10b9db1be7fca90058565\
         a025e7109ceb98168d95b09b18bbf6b685130e0562f233877d492b94eee0c5b6d1",
    )
    .unwrap();
    let hash = "0ec0b6a2df4d87424e5f6ad2a654e27aaeb7dac20ae9e8385cc09087ad532ee0";
    assert_eq!(hex::encode(alloy_primitives::keccak256(&approval)), hash, "the vector is whole");
    assert!(matches!(open(&approval), Err(OpenError::Payload(DecodeError::Call(_)))));
}
