//! Presignatures: made ahead, granted for one message each, and gone.

use std::collections::{BTreeMap, BTreeSet};

use cggmp24::backend::Integer;
use cohold_model::ids::{Epoch, PresignatureIndex};
use cohold_mpc::{Consequence, Envelope, Fault, Reason, Session};
use cohold_mpc_cggmp::{
    OnlineError, OnlineSigning, Presignature, Presigning, RecoverableSignature, SigningError,
};
use k256::ecdsa::signature::hazmat::PrehashVerifier as _;
use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
use serde_json::{Value, json};
use sha3_engine::{Digest as _, Keccak256};

use crate::network::{
    Corrupt, End, Ends, context, generate, honest, index, run, session, set_up, two_of_three,
};

const MESSAGE: &[u8] = b"the bytes of a plan";
const OTHER: &[u8] = b"the bytes of another plan";

type Presignatures = BTreeMap<u8, Presignature>;

fn free(number: u64) -> PresignatureIndex {
    PresignatureIndex::try_from(number).unwrap()
}

/// Sessions of 1 and 2 that presign, from these numbers on.
fn presign_sessions(id: u8, frees: [u64; 2]) -> Vec<Session<Presigning>> {
    let (shares, data) = two_of_three();
    let make = |(me, number): (u8, u64)| {
        let context = context(me, &[1, 2], id);
        let made = Presigning::new(&context, &shares[&me], &data[&me], &BTreeSet::new(), free(number));
        session(context, made.unwrap())
    };
    [1, 2].into_iter().zip(frees).map(make).collect()
}

fn done(ends: Ends<Presignature>) -> Presignatures {
    ends.into_iter().map(|(i, end)| (i, end.done().output)).collect()
}

fn presign(id: u8, frees: [u64; 2]) -> Presignatures {
    done(run(presign_sessions(id, frees), honest))
}

/// Each party signs its message by its presignature.
fn online(id: u8, mut by: Presignatures, messages: [&[u8]; 2]) -> Vec<Session<OnlineSigning>> {
    let make = |(me, message): (u8, &[u8])| {
        let context = context(me, &[1, 2], id);
        let presignature = by.remove(&me).unwrap();
        session(
            context.clone(),
            OnlineSigning::new(&context, presignature, &BTreeSet::new(), message).unwrap(),
        )
    };
    [1, 2].into_iter().zip(messages).map(make).collect()
}

fn check_signature(public_key: &[u8; 33], message: &[u8], signature: &RecoverableSignature) {
    let hash = Keccak256::digest(message);
    let key = VerifyingKey::from_sec1_bytes(public_key).unwrap();
    let parsed = Signature::from_scalars(signature.r, signature.s).unwrap();
    key.verify_prehash(&hash, &parsed).unwrap();
    assert_eq!(parsed.normalize_s(), parsed, "low s");
    let recovery_id = RecoveryId::from_byte(signature.recovery_id).unwrap();
    assert_eq!(VerifyingKey::recover_from_prehash(&hash, &parsed, recovery_id).unwrap(), key);
}

#[test]
fn what_is_made_ahead_signs_one_message() {
    let made = presign(50, [1, 7]);
    assert!(made.values().all(|presignature| presignature.index() == free(7)), "the highest number counts");
    assert_eq!(format!("{:?}", made[&1]), "Presignature(7 of [PartyIndex(1), PartyIndex(2)])");
    let public_key = two_of_three().0[&1].key().public_key();
    let mut envelopes = 0;
    let ends = run(online(51, made, [MESSAGE, MESSAGE]), |envelope| {
        envelopes += 1;
        vec![envelope]
    });
    for (_, end) in ends {
        check_signature(&public_key, MESSAGE, &end.done().output);
    }
    assert_eq!(envelopes, 4, "a grant and a part to each other");
}

#[test]
fn three_of_five_sign_by_one() {
    let shares = generate(3, 5);
    let data = set_up(&shares, &[2, 3, 5], 2);
    let make = |me: &u8| {
        let context = context(*me, &[2, 3, 5], 3);
        let number = free(u64::from(*me));
        let made = Presigning::new(&context, &shares[me], &data[me], &BTreeSet::new(), number);
        session(context, made.unwrap())
    };
    let made = done(run([2, 3, 5].iter().map(make).collect(), honest));
    let sign = |(me, presignature): (u8, Presignature)| {
        assert_eq!(presignature.index(), free(5));
        let context = context(me, &[2, 3, 5], 4);
        let signing = OnlineSigning::new(&context, presignature, &BTreeSet::new(), MESSAGE);
        session(context, signing.unwrap())
    };
    for (i, end) in run(made.into_iter().map(sign).collect(), honest) {
        check_signature(&shares[&i].key().public_key(), MESSAGE, &end.done().output);
    }
}

/// Whether anybody's part left.
fn leaves(envelopes: &[Envelope]) -> bool {
    envelopes.iter().any(|envelope| envelope.round > 1)
}

fn check_ungranted(sessions: Vec<Session<OnlineSigning>>) {
    let mut sent = Vec::new();
    let mut ends = run(sessions, |envelope| {
        sent.push(envelope.clone());
        vec![envelope]
    });
    for (me, peer) in [(1, 2), (2, 1)] {
        let fault = ends.remove(&me).unwrap().fault();
        assert_eq!(fault, Fault::retry(Reason::Disagreement { from: index(peer) }));
    }
    assert!(!leaves(&sent), "nobody gives its part");
}

/// Row 15: two messages at once, by whichever presignatures: no part leaves that is not granted.
#[test]
fn row_15_no_part_leaves_without_a_grant_for_this_very_message() {
    check_ungranted(online(53, presign(52, [1, 1]), [MESSAGE, OTHER]));
    let (mut one, mut other) = (presign(54, [2, 2]), presign(55, [3, 3]));
    one.insert(2, other.remove(&2).unwrap());
    check_ungranted(online(56, one, [MESSAGE, MESSAGE]));
    // Of the same number, as where a number was put back.
    let (mut one, mut other) = (presign(57, [4, 4]), presign(58, [4, 4]));
    one.insert(2, other.remove(&2).unwrap());
    check_ungranted(online(59, one, [MESSAGE, MESSAGE]));
}

/// Row 17: neither another account's or epoch's, nor with others, nor with who is banned.
#[test]
fn row_17_a_presignature_serves_its_own_place_only() {
    let (shares, data) = two_of_three();
    let place = context(1, &[1, 2], 61);
    let mut elsewhere = vec![context(1, &[1, 3], 61), context(1, &[1, 2, 3], 61), context(2, &[1, 2], 61)];
    elsewhere.push(cohold_mpc::SessionContext { epoch: Epoch(2), ..place.clone() });
    let account = "acc_100102030405060708090a0b0c0d0e0f".parse().unwrap();
    elsewhere.push(cohold_mpc::SessionContext { account, ..place.clone() });
    let (nobody, banned) = (BTreeSet::new(), BTreeSet::from([index(2)]));
    let begin = |place, presignature, banned| OnlineSigning::new(place, presignature, banned, MESSAGE).err();
    for (n, place) in (0..).zip(&elsewhere) {
        let mut made = presign(60, [9 + n, 1]);
        let refused = begin(place, made.remove(&1).unwrap(), &nobody);
        assert_eq!(refused, Some(OnlineError::Foreign(free(9 + n))), "{place:?}");
    }
    let refused = begin(&place, presign(60, [1, 1]).remove(&1).unwrap(), &banned);
    assert_eq!(refused, Some(OnlineError::Banned(index(2))));
    let refused = Presigning::new(&place, &shares[&1], &data[&1], &banned, PresignatureIndex::FIRST).err();
    assert_eq!(refused, Some(SigningError::Banned(index(2))));
}

/// Signing by 1 and 2 in which party 2 rewrites what it broadcasts in a round.
fn sign_with(round: u16, number: u64, tamper: impl Fn(&mut Option<Vec<u8>>)) -> Fault {
    let made = presign(62, [number, number]);
    let mut corrupt = Corrupt::new(&context(2, &[1, 2], 63));
    let mut ends = run(online(63, made, [MESSAGE, MESSAGE]), |envelope| {
        corrupt.relay(envelope, |now, _, inside| {
            if now == round {
                tamper(&mut inside.broadcast);
            }
        })
    });
    ends.remove(&1).unwrap().fault()
}

/// A wrong part names its sender, and costs nothing but the presignature.
#[test]
fn a_wrong_part_is_its_senders() {
    let proof = Fault::retry(Reason::Proof { from: index(2) });
    let fault = sign_with(2, 1, |part| part.as_mut().unwrap()[31] ^= 1);
    assert_eq!((fault.culprit(), fault), (Some(index(2)), proof));
    let malformed = Fault::retry(Reason::Malformed { from: index(2) });
    assert_eq!(sign_with(2, 2, |part| *part = Some(vec![0xff; 32])), malformed);
    assert_eq!(sign_with(2, 3, |part| *part = None), malformed);
    assert_eq!(sign_with(1, 4, |grant| *grant = None), malformed);
    let other = Fault::retry(Reason::Disagreement { from: index(2) });
    assert_eq!(sign_with(1, 5, |grant| *grant = Some(vec![0; 32])), other);
}

/// Presigning in which party 2 rewrites its broadcast of a round, behind `skip` bytes.
fn presign_with(round: u16, tamper: impl Fn(&mut Vec<u8>)) -> Ends<Presignature> {
    let mut corrupt = Corrupt::new(&context(2, &[1, 2], 64));
    run(presign_sessions(64, [1, 1]), |envelope| {
        corrupt.relay(envelope, |now, _, inside| {
            if now == 2 {
                inside.broadcast = inside.heard.clone();
            }
            if now == round {
                tamper(inside.broadcast.as_mut().unwrap());
            }
        })
    })
}

/// The same judgement as while signing at once: a proof that fails bans, a number that cannot be is nothing.
#[test]
fn who_cheats_while_presigning_is_judged_as_while_signing() {
    const ABOUT: usize = 32;
    const PREFIX: usize = ABOUT + 8;
    let edit = |bytes: &mut Vec<u8>, change: fn(&mut Value)| {
        let mut value = serde_json::from_slice(&bytes[PREFIX..]).unwrap();
        change(&mut value);
        bytes.truncate(PREFIX);
        bytes.extend(serde_json::to_vec(&value).unwrap());
    };
    let mut ends = presign_with(1, |bytes| {
        edit(bytes, |value| {
            let one = json!({ "radix": 16, "value": Integer::one().to_str_radix(16) });
            value["Round1a"]["K"] = one;
        });
    });
    let fault = ends.remove(&1).unwrap().fault();
    let Consequence::Ban { party, evidence } = fault.consequence else { panic!("no ban: {fault}") };
    assert_eq!((party, evidence.round), (index(2), 1));
    assert!(!matches!(ends[&2], End::Done(_)));
    for number in [0, PresignatureIndex::MAX + 1, u64::MAX] {
        let mut ends = presign_with(1, |bytes| bytes[ABOUT..PREFIX].copy_from_slice(&number.to_be_bytes()));
        let fault = ends.remove(&1).unwrap().fault();
        assert_eq!(fault, Fault::retry(Reason::Malformed { from: index(2) }), "{number}");
    }
    let mut ends = presign_with(1, |bytes| bytes[0] ^= 1);
    assert_eq!(ends.remove(&1).unwrap().fault(), Fault::retry(Reason::Disagreement { from: index(2) }));
}
