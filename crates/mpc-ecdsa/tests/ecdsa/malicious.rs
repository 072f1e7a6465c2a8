//! Attacks on key generation, pair setup and signing. Each rewrites messages of an otherwise honest run
//! and asserts: refused, for the right reason, with the right culprit, and honest runs still work.
//! The rows are those of the attack list; rows 20 and 21 at the envelope are `cohold-mpc`'s own tests.

use std::collections::{BTreeMap, BTreeSet};

use cohold_model::canonical::{Digest, digest_parts};
use cohold_mpc::{Consequence, Envelope, Fault, Reason};
use cohold_mpc_ecdsa::{AccountKey, Auxiliary, Signing, SigningDigest, SigningError};
use dkls23_secp256k1::protocols::signing::{Broadcast3to4, TransmitPhase1to2, TransmitPhase2to3};
use dkls23_secp256k1::utilities::proofs::DLogProof;
use k256::elliptic_curve::group::GroupEncoding as _;
use k256::elliptic_curve::{Group as _, PrimeField as _};
use k256::{AffinePoint, ProjectivePoint, Scalar, Secp256k1};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::network::{
    Corrupt, DIGEST, End, Ends, Inside, Wallet, check_signing, context, honest, index, keygen_sessions, run,
    session_id, setup_sessions, sign_sessions, signer, wallet,
};

/// The shape of key generation's third broadcast.
type Opening = ([u8; 32], DLogProof<Secp256k1>, [u8; 32], Vec<u8>);

fn edit<T: Serialize + DeserializeOwned>(bytes: &mut Option<Vec<u8>>, change: impl FnOnce(&mut T)) {
    let mut message = postcard::from_bytes(bytes.as_deref().unwrap()).unwrap();
    change(&mut message);
    *bytes = Some(postcard::to_extend(&message, Vec::new()).unwrap());
}

/// Key generation 2-of-3 in which party 3 rewrites what it sends.
fn keygen(mut rewrite: impl FnMut(u16, u8, &mut Inside)) -> Ends<cohold_mpc_ecdsa::GeneratedKey> {
    let mut corrupt = Corrupt::new(&context(3, &[1, 2, 3], 1));
    run(keygen_sessions(2, 3, 1), |envelope| corrupt.relay(envelope, &mut rewrite))
}

/// Signing by 1 and 2 in which party 2 rewrites what it sends.
fn sign(
    wallet: &Wallet,
    mut rewrite: impl FnMut(u16, u8, &mut Inside),
) -> Ends<cohold_mpc_ecdsa::RecoverableSignature> {
    let mut corrupt = Corrupt::new(&context(2, &[1, 2], 7));
    run(sign_sessions(wallet, &[1, 2], 7), |envelope| corrupt.relay(envelope, &mut rewrite))
}

fn retry(fault: Fault, reason: Reason, culprit: Option<u8>) {
    assert_eq!(fault.culprit(), culprit.map(index), "{fault}");
    assert_eq!(fault, Fault::retry(reason));
}

fn check_keygen_fails(
    rewrite: impl FnMut(u16, u8, &mut Inside),
    victims: &[u8],
    reason: Reason,
    culprit: Option<u8>,
) {
    let mut ends = keygen(rewrite);
    for victim in victims {
        retry(ends.remove(victim).unwrap().fault(), reason, culprit);
    }
    let finished = ends.iter().any(|(i, end)| *i != 3 && matches!(end, End::Done(_)));
    assert!(!finished, "no honest party has a key");
}

/// Row 5: what was made for one session or party is worth nothing in another.
#[test]
fn envelopes_and_proofs_do_not_transplant() {
    let wallet = wallet(2, 3);
    // Whole envelopes, moved to another session, party or account: ignored, and the run goes on.
    let mut recorded = Vec::new();
    run(sign_sessions(&wallet, &[1, 2], 2), |envelope| {
        recorded.push(envelope.clone());
        vec![envelope]
    });
    run(sign_sessions(&wallet, &[1, 3], 3), |envelope| {
        recorded.push(envelope.clone());
        vec![envelope]
    });
    let account = "acc_ffffffffffffffffffffffffffffffff".parse().unwrap();
    let ends = run(sign_sessions(&wallet, &[1, 2], 4), |envelope| {
        let moved = recorded.iter().flat_map(|old| {
            let old = Envelope { session: session_id(4), ..old.clone() };
            let other = if old.from == index(1) { index(2) } else { index(1) };
            [Envelope { from: index(2), ..old.clone() }, Envelope { to: other, ..old.clone() }, old]
        });
        let foreign = Envelope { account, ..envelope.clone() };
        moved.chain([foreign, envelope]).collect()
    });
    assert!(ends.values().all(|end| matches!(end, End::Done(_))));

    // The commitment and proof of another session, made by the party itself: both bind the session.
    let mut old: BTreeMap<u16, Vec<u8>> = BTreeMap::new();
    keygen(|round, _, inside| {
        old.insert(round, inside.broadcast.clone().unwrap_or_default());
    });
    let mut corrupt = Corrupt::new(&context(3, &[1, 2, 3], 9));
    let mut ends = run(keygen_sessions(2, 3, 9), |envelope| {
        corrupt.relay(envelope, |round, _, inside| {
            if round == 2 || round == 3 {
                inside.broadcast = old.get(&round).cloned();
            }
        })
    });
    for victim in [1, 2] {
        let fault = ends.remove(&victim).unwrap().fault();
        retry(fault, Reason::Commitment { from: index(3) }, Some(3));
    }
}

/// Row 5: a party that repeats another's commitment cannot repeat its opening.
#[test]
fn one_party_cannot_echo_anothers_opening() {
    let copy = |round: u16, _: u8, inside: &mut Inside| {
        if round == 2 || round == 3 {
            inside.broadcast = inside.heard.clone();
        }
    };
    check_keygen_fails(copy, &[1, 2], Reason::Commitment { from: index(3) }, Some(3));
}

/// Row 5: an opening of another session under a commitment of this one is stopped by the engine's proof,
/// which binds the session too.
#[test]
fn a_proof_binds_its_session() {
    let mut old = None;
    keygen(|round, _, inside| {
        if round == 3 {
            old = inside.broadcast.clone();
        }
    });
    let opening = old.unwrap();
    let own = digest_parts("cohold/ecdsa/keygen/opening/v1", &[&[9; 32], &[3], &opening]);
    let mut corrupt = Corrupt::new(&context(3, &[1, 2, 3], 9));
    let mut ends = run(keygen_sessions(2, 3, 9), |envelope| {
        corrupt.relay(envelope, |round, _, inside| match round {
            2 => edit::<[[u8; 32]; 3]>(&mut inside.broadcast, |commitment| commitment[0] = own.0),
            3 => inside.broadcast = Some(opening.clone()),
            _ => {}
        })
    });
    let fault = ends.remove(&1).unwrap().fault();
    retry(fault, Reason::Proof { from: index(3) }, Some(3));
}

/// The key cannot be steered: nobody opens before everybody is committed.
#[test]
fn nobody_opens_before_everybody_is_committed() {
    let mut opened = false;
    let ends = run(keygen_sessions(2, 3, 1), |envelope| {
        opened |= envelope.round == 3 && envelope.from != index(3);
        let withheld = envelope.from == index(3) && envelope.round == 2;
        if withheld { Vec::new() } else { vec![envelope] }
    });
    assert!(!opened);
    assert!(ends.values().all(|end| matches!(end, End::Stuck)));
}

/// Row 8: a failed oblivious-transfer check bans the offender for ever, whichever message was touched.
#[test]
fn tampered_oblivious_transfer_bans() {
    type Tamper = fn(&mut Inside);
    type First = TransmitPhase1to2;
    type Second = TransmitPhase2to3<Secp256k1>;
    let mut wallet = wallet(2, 3);
    let tampers: [(u16, Tamper); 9] = [
        (1, |m| edit::<First>(&mut m.direct, |m| m.mul_transmit.u[0][0] ^= 1)),
        (1, |m| edit::<First>(&mut m.direct, |m| m.mul_transmit.verify_x[0] ^= 1)),
        (1, |m| edit::<First>(&mut m.direct, |m| m.mul_transmit.verify_t[9][3] ^= 1)),
        (1, |m| edit::<First>(&mut m.direct, |m| m.mul_transmit.verify_t.truncate(255))),
        (2, |m| edit::<Second>(&mut m.direct, |m| m.mul_transmit.vector_of_tau[0][0] += Scalar::ONE)),
        (2, |m| edit::<Second>(&mut m.direct, |m| m.mul_transmit.verify_u[0] += Scalar::ONE)),
        (2, |m| edit::<Second>(&mut m.direct, |m| m.mul_transmit.gamma_sender[0] += Scalar::ONE)),
        (2, |m| edit::<Second>(&mut m.direct, |m| m.mul_transmit.verify_u.clear())),
        (2, |m| edit::<Second>(&mut m.direct, |m| drop(m.mul_transmit.vector_of_tau.pop()))),
    ];
    for (tampered, tamper) in tampers {
        let mut ends = sign(&wallet, |round, _, inside| {
            if round == tampered {
                tamper(inside);
            }
        });
        let fault = ends.remove(&1).unwrap().fault();
        assert_eq!(fault.culprit(), Some(index(2)));
        let Consequence::Ban { party, evidence } = fault.consequence else { panic!("no ban: {fault}") };
        assert_eq!(party, index(2));
        assert_eq!((evidence.session, evidence.round), (session_id(7), tampered));
        assert_eq!(evidence.reason, Reason::ObliviousTransfer { from: index(2) });
        assert!(!matches!(ends[&2], End::Done(_)));
    }
    // From then on, refused: by the list, and by having forgotten the pair.
    let banned = BTreeSet::from([index(2)]);
    let one = wallet.get_mut(&1).unwrap();
    one.auxiliary.forget(index(2));
    let begin = |banned: &BTreeSet<_>, auxiliary: &Auxiliary| {
        Signing::new(&context(1, &[1, 2], 8), &one.share, auxiliary, banned, DIGEST).err()
    };
    assert_eq!(begin(&banned, &one.auxiliary), Some(SigningError::Banned(index(2))));
    assert_eq!(begin(&BTreeSet::new(), &one.auxiliary), Some(SigningError::Unpaired(index(2))));
    check_signing(&wallet, &[1, 3], 9);
}

/// Row 9: honest parties that mean different things never blame one another.
#[test]
fn honest_parties_that_disagree_are_not_banned() {
    let mut wallet = wallet(2, 2);
    let sign = |wallet: &Wallet, ids: [u8; 2], digests: [SigningDigest; 2]| {
        let make = |i: u8, at: usize| {
            let key = &wallet[&i];
            signer(&key.share, &key.auxiliary, &[1, 2], ids[at], digests[at])
        };
        run(vec![make(1, 0), make(2, 1)], honest)
    };
    // Different sessions: nothing arrives at all.
    assert!(sign(&wallet, [2, 3], [DIGEST; 2]).values().all(|end| matches!(end, End::Stuck)));
    // One session, different digests: told apart before any oblivious transfer.
    for (i, end) in sign(&wallet, [4, 4], [DIGEST, SigningDigest([1; 32])]) {
        retry(end.fault(), Reason::Disagreement { from: index(3 - i) }, None);
    }
    // One has stored a newer pair setup than the other.
    let newer = run(setup_sessions(&wallet, &[1, 2], 5), honest).remove(&1).unwrap().done().output;
    wallet.get_mut(&1).unwrap().auxiliary.merge(newer).unwrap();
    for (i, end) in sign(&wallet, [6, 6], [DIGEST; 2]) {
        retry(end.fault(), Reason::Disagreement { from: index(3 - i) }, None);
    }
    // Setting the pair up again mends it.
    for (i, end) in run(setup_sessions(&wallet, &[1, 2], 7), honest) {
        wallet.get_mut(&i).unwrap().auxiliary.merge(end.done().output).unwrap();
    }
    check_signing(&wallet, &[1, 2], 8);
    // Shares of different keys do not set up.
    let other = crate::network::wallet(2, 2);
    let mut sessions = setup_sessions(&wallet, &[1, 2], 9);
    sessions.truncate(1);
    sessions.extend(setup_sessions(&other, &[1, 2], 9).pop());
    for (i, end) in run(sessions, honest) {
        retry(end.fault(), Reason::Disagreement { from: index(3 - i) }, None);
    }
}

/// Row 11: a polynomial of too high a degree, or thresholds that differ by one.
#[test]
fn raised_degrees_are_refused() {
    let raise = |round: u16, to: u8, inside: &mut Inside| {
        if round == 1 && to == 2 {
            let bytes: [u8; 32] = inside.direct.take().unwrap().try_into().unwrap();
            let raised = Scalar::from_repr(bytes.into()).unwrap() + Scalar::ONE;
            inside.direct = Some(raised.to_repr().to_vec());
        }
    };
    check_keygen_fails(raise, &[1, 2], Reason::Polynomial, None);
    for announced in [[1, 3], [3, 3], [2, 2], [2, 4]] {
        let announce = |round: u16, _: u8, inside: &mut Inside| {
            if round == 1 {
                inside.broadcast = Some(announced.to_vec());
            }
        };
        check_keygen_fails(announce, &[1, 2], Reason::Disagreement { from: index(3) }, None);
    }
    for body in [None, Some(Vec::new()), Some(vec![2; 3])] {
        let mut ends = keygen(|round, _, inside| {
            if round == 1 {
                inside.broadcast = body.clone();
            }
        });
        let fault = ends.remove(&1).unwrap().fault();
        let reason = match body {
            None => Reason::Malformed { from: index(3) },
            Some(_) => Reason::Disagreement { from: index(3) },
        };
        assert_eq!(fault, Fault::retry(reason));
    }
}

/// Row 12: fragments at or over the group order; an index that is another's.
#[test]
fn values_modulo_the_order_are_refused() {
    let order = hex::decode("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141").unwrap();
    let malformed = Reason::Malformed { from: index(3) };
    for body in [Some(order), Some(vec![0xff; 32]), Some(vec![1; 31]), Some(vec![1; 33]), None] {
        let replace = |round: u16, _: u8, inside: &mut Inside| {
            if round == 1 {
                inside.direct = body.clone();
            }
        };
        check_keygen_fails(replace, &[1, 2], malformed, Some(3));
    }
}

/// Row 13: a commitment that differs from peer to peer is echoed, and nobody gets a key.
#[test]
fn equivocated_commitments_are_echoed() {
    let mut ends = keygen(|round, to, inside| {
        if round == 2 && to == 1 {
            inside.broadcast.as_mut().unwrap()[5] ^= 1;
        }
    });
    for victim in [1, 2] {
        let fault = ends.remove(&victim).unwrap().fault();
        assert!(matches!(fault.reason, Reason::Equivocation { .. }), "{fault}");
        assert_eq!((fault.culprit(), fault.consequence), (None, Consequence::Retry));
    }
}

/// Row 19: a chain code other than the one committed to, to all or to one.
#[test]
fn a_changed_chain_code_aborts() {
    let commitment = Reason::Commitment { from: index(3) };
    let change = |inside: &mut Inside| edit::<Opening>(&mut inside.broadcast, |opening| opening.2[0] ^= 1);
    let to_all = |round: u16, _: u8, inside: &mut Inside| {
        if round == 3 {
            change(inside);
        }
    };
    check_keygen_fails(to_all, &[1, 2], commitment, Some(3));
    let to_one = |round: u16, to: u8, inside: &mut Inside| {
        if round == 3 && to == 1 {
            change(inside);
        }
    };
    // Party 2 saw nothing wrong, but is never confirmed by party 1.
    check_keygen_fails(to_one, &[1], commitment, Some(3));
}

/// Row 21: the sender that a message names inside is the one that sealed it.
#[test]
fn inner_senders_are_checked() {
    let wallet = wallet(2, 3);
    let forged = Reason::InnerSender { from: index(2) };
    let three = dkls23_secp256k1::protocols::PartyIndex::new(3).unwrap();
    for tampered in [1, 2] {
        for receiver in [false, true] {
            let mut ends = sign(&wallet, |round, _, inside| {
                let forge = |parties: &mut dkls23_secp256k1::protocols::PartiesMessage| {
                    if receiver { parties.receiver = three } else { parties.sender = three }
                };
                match (round, tampered) {
                    (1, 1) => edit::<TransmitPhase1to2>(&mut inside.direct, |m| forge(&mut m.parties)),
                    (2, 2) => {
                        edit::<TransmitPhase2to3<Secp256k1>>(&mut inside.direct, |m| forge(&mut m.parties));
                    }
                    _ => {}
                }
            });
            retry(ends.remove(&1).unwrap().fault(), forged, Some(2));
        }
    }
    check_signing(&wallet, &[1, 2], 9);
}

/// Row 22: the identity and points off the curve, in every slot of signing and key generation.
#[test]
fn bad_points_are_refused() {
    type Second = TransmitPhase2to3<Secp256k1>;
    let wallet = wallet(2, 3);
    let slots: [fn(&mut Second) -> &mut AffinePoint; 4] =
        [|m| &mut m.gamma_u, |m| &mut m.gamma_v, |m| &mut m.public_share, |m| &mut m.instance_point];
    for (number, slot) in slots.into_iter().enumerate() {
        let mut ends = sign(&wallet, |round, _, inside| {
            if round == 2 {
                edit::<Second>(&mut inside.direct, |m| *slot(m) = AffinePoint::IDENTITY);
            }
        });
        let fault = ends.remove(&1).unwrap().fault();
        assert_eq!(fault.culprit(), Some(index(2)));
        match number {
            3 => assert_eq!(fault, Fault::retry(Reason::TrivialPoint { from: index(2) })),
            _ => assert!(matches!(fault.consequence, Consequence::Ban { .. })),
        }
        let mut ends = sign(&wallet, |round, _, inside| {
            if round == 2 {
                let mut message = postcard::from_bytes(inside.direct.as_deref().unwrap()).unwrap();
                let point = slot(&mut message).to_bytes();
                let bytes = inside.direct.as_mut().unwrap();
                let at = bytes.windows(33).position(|window| window == point.as_slice()).unwrap();
                bytes[at + 1..at + 33].fill(0xff);
            }
        });
        retry(ends.remove(&1).unwrap().fault(), Reason::Malformed { from: index(2) }, Some(2));
    }
    // In key generation, whatever is opened must be what was committed to.
    for point in [AffinePoint::IDENTITY, ProjectivePoint::generator().to_affine()] {
        let rewrite = |round: u16, _: u8, inside: &mut Inside| {
            if round == 3 {
                edit::<Opening>(&mut inside.broadcast, |opening| opening.1.point = point);
            }
        };
        check_keygen_fails(rewrite, &[1, 2], Reason::Commitment { from: index(3) }, Some(3));
    }
    let mut binding = wallet[&1].share.key().binding(TRANSCRIPT);
    for bad in [vec![0; 33], vec![0xff; 33], vec![0], Vec::new()] {
        binding.public_shares[0].0 = bad;
        assert!(AccountKey::from_binding(&binding, 2).is_err());
    }
    check_signing(&wallet, &[1, 2], 9);
}

const TRANSCRIPT: Digest = Digest([0; 32]);

/// A wrong last message spoils the signature and nothing else.
#[test]
fn a_wrong_partial_signature_gives_no_signature() {
    let wallet = wallet(2, 3);
    let tampers: [fn(&mut Broadcast3to4<Secp256k1>); 3] =
        [|m| m.u += Scalar::ONE, |m| m.w += Scalar::ONE, |m| (m.u, m.w) = (Scalar::ZERO, Scalar::ZERO)];
    for tamper in tampers {
        let mut ends = sign(&wallet, |round, _, inside| {
            if round == 3 {
                edit(&mut inside.broadcast, tamper);
            }
        });
        retry(ends.remove(&1).unwrap().fault(), Reason::Signature, None);
    }
    check_signing(&wallet, &[1, 2], 9);
}

/// A commitment that does not fit, and messages cut short or with something behind, in every round.
#[test]
fn malformed_messages_name_their_sender() {
    let wallet = wallet(2, 3);
    let malformed = Reason::Malformed { from: index(2) };
    for tampered in [1, 2, 3] {
        for cut in [None, Some(0), Some(1)] {
            let mut ends = sign(&wallet, |round, _, inside| {
                if round == tampered {
                    let part = if round == 3 { &mut inside.broadcast } else { &mut inside.direct };
                    let bytes = part.as_mut().unwrap();
                    match cut {
                        None => *part = None,
                        Some(0) => bytes.push(0),
                        Some(_) => drop(bytes.pop()),
                    }
                }
            });
            retry(ends.remove(&1).unwrap().fault(), malformed, Some(2));
        }
    }
    let mut ends = sign(&wallet, |round, _, inside| {
        if round == 2 {
            edit::<TransmitPhase2to3<Secp256k1>>(&mut inside.direct, |m| m.psi += Scalar::ONE);
        }
    });
    retry(ends.remove(&1).unwrap().fault(), Reason::Commitment { from: index(2) }, Some(2));
    check_signing(&wallet, &[1, 2], 9);
}

/// Any byte of key generation's or the pair setup's long messages changed: a fault, never a panic and
/// never a key that only one side believes in.
#[test]
fn flipped_bytes_in_setup_are_faults() {
    let wallet = wallet(2, 2);
    for (step, position) in (0..24).map(|i| (i, i * 31_337 + 11)) {
        let mut corrupt = Corrupt::new(&context(2, &[1, 2], 3));
        let mut ends = run(setup_sessions(&wallet, &[1, 2], 3), |envelope| {
            corrupt.relay(envelope, |round, _, inside| {
                if round == 2 {
                    let bytes = inside.direct.as_mut().unwrap();
                    match step % 4 {
                        3 => bytes.truncate(position % bytes.len()),
                        _ => {
                            let at = position % bytes.len();
                            bytes[at] ^= 1 << (step % 8);
                        }
                    }
                }
            })
        });
        match ends.remove(&1).unwrap() {
            End::Fault(fault) => {
                assert_eq!(fault.consequence, Consequence::Retry, "byte {position}: {fault}")
            }
            // The nonce of the public gadget is not proved: pairs then differ, and signing tells.
            End::Done(_) | End::Stuck => {}
        }
    }
    check_signing(&wallet, &[1, 2], 9);
}
