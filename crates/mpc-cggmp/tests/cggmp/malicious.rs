//! Attacks on setup and signing. Each rewrites messages of an otherwise honest run and asserts: refused, for
//! the right reason, with the right culprit, and honest runs still work. The rows are those of the list of
//! published attacks; what concerns single numbers is in `src/parameters.rs` and `src/wire.rs`.

use std::collections::{BTreeMap, BTreeSet};

use cggmp24::backend::Integer;
use cohold_mpc::{Consequence, Fault, Reason};
use cohold_mpc_cggmp::{Auxiliary, RecoverableSignature, Signing, SigningDigest, SigningError};
use serde_json::{Value, json};

use crate::network::{
    Corrupt, DIGEST, End, Ends, Inside, check_signing, context, honest, index, prime, run, session,
    session_id, setup_sessions, sign_sessions, two_of_three,
};

/// Before the engine's message in the broadcast of round 1: a digest of what the run is about.
const ABOUT: usize = 32;

fn edit(bytes: &mut Option<Vec<u8>>, skip: usize, change: impl FnOnce(&mut Value)) {
    let bytes = bytes.as_mut().unwrap();
    let mut value = serde_json::from_slice(&bytes[skip..]).unwrap();
    change(&mut value);
    bytes.truncate(skip);
    bytes.extend(serde_json::to_vec(&value).unwrap());
}

/// Sets what is at a place of a message.
fn put(bytes: &mut Option<Vec<u8>>, skip: usize, place: &str, new: Value) {
    edit(bytes, skip, |value| *value.pointer_mut(place).expect("the place is there") = new);
}

fn integer(n: &Integer) -> Value {
    json!({ "radix": 16, "value": n.to_str_radix(16) })
}

/// The Paillier modulus of party 2 in the fixed set.
fn modulus() -> Integer {
    Integer::from_bytes_msf(&prime(4)) * Integer::from_bytes_msf(&prime(5))
}

/// Signing by 1 and 2 in which party 2 rewrites what it sends in one round, and echoes what party 1 echoes.
fn sign(round: u16, tamper: impl Fn(&mut Inside)) -> Ends<RecoverableSignature> {
    let (shares, data) = two_of_three();
    let mut corrupt = Corrupt::new(&context(2, &[1, 2], 7));
    run(sign_sessions(shares, data, &[1, 2], 7), |envelope| {
        corrupt.relay(envelope, |now, _, inside| {
            if now == 2 {
                inside.broadcast = inside.heard.clone();
            }
            if now == round {
                tamper(inside);
            }
        })
    })
}

fn check_banned(round: u16, tamper: impl Fn(&mut Inside)) {
    let mut ends = sign(round, tamper);
    assert!(!matches!(ends[&2], End::Done(_)));
    let fault = ends.remove(&1).unwrap().fault();
    let Consequence::Ban { party, evidence } = fault.consequence else { panic!("no ban: {fault}") };
    assert_eq!(party, index(2));
    assert_eq!((evidence.session, evidence.round), (session_id(7), round));
    assert_eq!(evidence.reason, Reason::Proof { from: index(2) });
}

fn check_retry(round: u16, reason: Reason, tamper: impl Fn(&mut Inside)) {
    let fault = sign(round, tamper).remove(&1).unwrap().fault();
    assert_eq!(fault, Fault::retry(reason));
}

/// Row 2: ciphertexts that are no ciphertexts. Row 6: values out of range. Row 7: every input of a proof
/// changed alone. Each is a ban, since honest software never sends it.
#[test]
fn a_proof_that_fails_while_signing_bans() {
    let (zero, n) = (Integer::zero(), modulus());
    for (name, bad) in [("K", &zero), ("G", &n), ("K", &(&n * &n)), ("G", &Integer::one())] {
        check_banned(1, |m| put(&mut m.broadcast, ABOUT, &format!("/Round1a/{name}"), integer(bad)));
    }
    for name in ["A1", "B2", "Y"] {
        check_banned(1, |m| {
            edit(&mut m.broadcast, ABOUT, |value| {
                let other = value["Round1a"]["A2"].clone();
                value["Round1a"][name] = other;
            });
        });
    }
    // One bad proof is enough, whichever of the two it is.
    let huge = Integer::one() << 7_000u32;
    for place in ["/Round1b/psi0/proof/z1", "/Round1b/psi1/proof/z3", "/Round1b/psi1/commitment/s"] {
        check_banned(1, |m| put(&mut m.direct, 0, place, integer(&huge)));
    }
    for (name, bad) in [("D", &zero), ("hat_F", &n)] {
        check_banned(3, |m| put(&mut m.direct, 0, &format!("/Round2/{name}"), integer(bad)));
    }
    for place in ["/Round2/psi_j/proof/z2", "/Round2/hat_psi_j/proof/z1"] {
        check_banned(3, |m| put(&mut m.direct, 0, place, integer(&huge)));
    }
    check_banned(4, |m| {
        edit(&mut m.broadcast, 0, |value| {
            let other = value["Round3"]["S"].clone();
            value["Round3"]["Delta"] = other;
        });
    });
    let (shares, data) = two_of_three();
    check_signing(shares, data, &[1, 2], 8);
    let banned = BTreeSet::from([index(2)]);
    let begun = Signing::new(&context(1, &[1, 2], 9), &shares[&1], &data[&1], &banned, DIGEST).err();
    assert_eq!(begun, Some(SigningError::Banned(index(2))));
}

/// Row 5: a proof of another session, or in another role, is worth nothing.
#[test]
fn proofs_do_not_transplant() {
    let (shares, data) = two_of_three();
    let mut old = BTreeMap::new();
    let mut corrupt = Corrupt::new(&context(2, &[1, 2], 20));
    run(sign_sessions(shares, data, &[1, 2], 20), |envelope| {
        corrupt.relay(envelope, |round, _, inside| {
            old.insert(round, (inside.broadcast.clone(), inside.direct.clone()));
        })
    });
    // Ciphertexts and proofs of round 1 together: the proofs bind the session.
    check_banned(1, |m| (m.broadcast, m.direct) = old[&1].clone());
    // Another party's ciphertexts as one's own: the proofs bind the prover.
    check_banned(1, |m| m.broadcast = m.heard.clone());
    // Of one role for the other.
    check_banned(1, |m| {
        edit(&mut m.direct, 0, |value| {
            let proofs = &mut value["Round1b"];
            let (one, other) = (proofs["psi0"].take(), proofs["psi1"].take());
            (proofs["psi0"], proofs["psi1"]) = (other, one);
        });
    });
    check_banned(3, |m| {
        edit(&mut m.direct, 0, |value| {
            let message = &mut value["Round2"];
            let (one, other) = (message["psi_j"].take(), message["hat_psi_j"].take());
            (message["psi_j"], message["hat_psi_j"]) = (other, one);
        });
    });
}

/// Row 9: honest parties that mean different things, and lies that the crate cannot pin on anybody, ban nobody.
#[test]
fn nobody_is_banned_by_mistake() {
    let (shares, data) = two_of_three();
    let begin = |me: u8, data: &Auxiliary, digest| {
        let context = context(me, &[1, 2], 30);
        session(
            context.clone(),
            Signing::new(&context, &shares[&me], data, &BTreeSet::new(), digest).unwrap(),
        )
    };
    let other = SigningDigest([0x5b; 32]);
    let mut ends = run(vec![begin(1, &data[&1], DIGEST), begin(2, &data[&2], other)], honest);
    for (me, peer) in [(1, 2), (2, 1)] {
        let fault = ends.remove(&me).unwrap().fault();
        assert_eq!(fault, Fault::retry(Reason::Disagreement { from: index(peer) }));
    }
    let scalar = json!("01".repeat(32));
    for (round, place) in [(4, "/Round3/delta/scalar"), (5, "/Round4/partial_sig/sigma/scalar")] {
        check_retry(round, Reason::Signature, |m| put(&mut m.broadcast, 0, place, scalar.clone()));
    }
    // A party that echoes something else than it saw is only said to differ.
    let differs = Reason::Equivocation { reporter: index(2) };
    check_retry(2, differs, |m| {
        put(&mut m.broadcast, 0, "/ReliabilityCheck", json!(vec![7; 32]));
    });
}

/// What cannot be read, or is not what the round asks for, reaches no engine.
#[test]
fn junk_is_refused_at_the_door() {
    let malformed = Reason::Malformed { from: index(2) };
    check_retry(1, malformed, |m| put(&mut m.broadcast, ABOUT, "/Round1a/K/radix", json!(0)));
    check_retry(1, malformed, |m| put(&mut m.broadcast, ABOUT, "/Round1a/K", json!([0, "1"])));
    check_retry(1, malformed, |m| put(&mut m.broadcast, ABOUT, "/Round1a/Y", json!("02".repeat(33))));
    check_retry(1, malformed, |m| m.direct = None);
    check_retry(2, malformed, |m| m.direct = Some(vec![1]));
    check_retry(2, malformed, |m| m.broadcast = Some(vec![b'['; 400_000]));
    check_retry(2, malformed, |m| {
        m.broadcast = Some(br#"{"Round4":{"partial_sig":{"sigma":"01"}}}"#.to_vec());
    });
    check_retry(1, Reason::Disagreement { from: index(2) }, |m| m.broadcast = Some(vec![0; ABOUT]));
}

/// Setup by 1 and 2 in which party 2 rewrites what it sends.
fn set_up(id: u8, mut rewrite: impl FnMut(u16, &mut Inside)) -> Ends<Auxiliary> {
    let (shares, _) = two_of_three();
    let mut corrupt = Corrupt::new(&context(2, &[1, 2], id));
    run(setup_sessions(shares, &[1, 2], id), |envelope| {
        corrupt.relay(envelope, |round, _, inside| rewrite(round, inside))
    })
}

fn check_setup_fails(round: u16, reason: Reason, tamper: impl Fn(&mut Inside)) {
    let mut ends = set_up(40, |now, inside| {
        if now == round {
            tamper(inside);
        }
    });
    let fault = ends.remove(&1).unwrap().fault();
    assert_eq!(fault, Fault::retry(reason));
    assert_eq!(fault.culprit(), Some(index(2)));
    assert!(!matches!(ends[&2], End::Done(_)), "nobody keeps what somebody refused");
}

/// Row 1: a modulus with a factor of sixteen bits (BitForge). Row 3: bases s = t; too few iterations of
/// their proof, and none. All refused before the engine sees them, and nothing is kept.
#[test]
fn unsafe_parameters_are_refused() {
    let parameters = Reason::Parameters { from: index(2) };
    let smooth = (&modulus() / 65_521u32) * &Integer::from(65_521);
    check_setup_fails(3, parameters, |m| put(&mut m.broadcast, 0, "/Round2/N", integer(&smooth)));
    check_setup_fails(3, parameters, |m| {
        edit(&mut m.broadcast, 0, |value| {
            let s = value["Round2"]["s"].clone();
            value["Round2"]["t"] = s;
        });
    });
    let malformed = Reason::Malformed { from: index(2) };
    check_setup_fails(3, malformed, |m| {
        edit(&mut m.broadcast, 0, |value| {
            value["Round2"]["params_proof"]["zs"].as_array_mut().unwrap().truncate(127);
        });
    });
    check_setup_fails(3, malformed, |m| put(&mut m.broadcast, 0, "/Round2/params_proof/zs", json!([])));
}

/// What is opened must be what was committed to before anybody else opened.
#[test]
fn parameters_cannot_be_chosen_after_the_others() {
    let commitment = Reason::Commitment { from: index(2) };
    check_setup_fails(3, commitment, |m| {
        put(&mut m.broadcast, 0, "/Round2/rho_bytes", json!("00".repeat(32)));
    });
}

/// Row 2: a proof of the modulus that begins with another number than a non-residue. Row 5: proofs of an
/// earlier setup of the same moduli, in this one.
#[test]
fn proofs_of_moduli_do_not_transplant() {
    let mut old = None;
    set_up(41, |round, inside| {
        if round == 4 {
            old = inside.direct.clone();
        }
    });
    let old: Value = serde_json::from_slice(&old.unwrap()).unwrap();
    let proof = Reason::Proof { from: index(2) };
    for name in ["mod_proof", "fac_proof"] {
        check_setup_fails(4, proof, |m| {
            let place = format!("/Round3/{name}");
            put(&mut m.direct, 0, &place, old.pointer(&place).unwrap().clone());
        });
    }
    let parameters = Reason::Parameters { from: index(2) };
    check_setup_fails(4, parameters, |m| {
        put(&mut m.direct, 0, "/Round3/mod_proof/commitment/w", integer(&Integer::from(4)));
    });
}
