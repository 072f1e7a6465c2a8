//! Honest runs over relays that are honest, lossy or confused.

use std::collections::{BTreeMap, BTreeSet};

use cohold_mpc_ecdsa::{
    AccountKey, AuxiliaryError, AuxiliarySetup, KeyGeneration, ParametersError, SetupError, Signing,
    SigningError,
};

use crate::network::{
    DIGEST, check_signature, check_signing, context, honest, index, keygen_sessions, run, session,
    setup_sessions, sign_sessions, signer, wallet,
};

#[test]
fn every_size_generates_and_signs() {
    for (t, n, signers) in
        [(2, 2, &[1, 2][..]), (3, 3, &[1, 2, 3]), (3, 5, &[1, 3, 5]), (5, 9, &[9, 1, 8, 2, 5])]
    {
        let wallet = wallet(t, n);
        assert_eq!(wallet.len(), usize::from(n));
        check_signing(&wallet, signers, 2);
    }
}

#[test]
fn every_quorum_of_two_of_three_signs() {
    let wallet = wallet(2, 3);
    for (id, signers) in [(2, [1, 2]), (3, [1, 3]), (4, [2, 3])] {
        check_signing(&wallet, &signers, id);
    }
}

#[test]
fn all_parties_get_the_same_key_binding() {
    let ends = run(keygen_sessions(2, 3, 1), honest);
    let bindings: Vec<_> = ends
        .into_values()
        .map(|end| {
            let outcome = end.done();
            outcome.output.share.key().binding(outcome.transcript)
        })
        .collect();
    assert!(bindings.iter().all(|binding| *binding == bindings[0]));
    assert_eq!(bindings[0].public_shares.len(), 3);
    let key = AccountKey::from_binding(&bindings[0], 2).unwrap();
    assert_eq!(key.public_key().to_vec(), bindings[0].public_key.0);
    assert!(AccountKey::from_binding(&bindings[0], 3).is_err(), "a line does not pass as a parabola");
    let mut wrong = bindings[0].clone();
    wrong.public_shares.swap(0, 1);
    assert!(AccountKey::from_binding(&wrong, 2).is_err());
}

/// A share that carries no auxiliary data, as from a recovery file, signs after a pair setup.
#[test]
fn shares_alone_can_sign_again() {
    let mut wallet = wallet(2, 3);
    let before = wallet[&1].share.key().clone();
    let fresh: BTreeMap<_, _> = run(setup_sessions(&wallet, &[1, 3], 2), honest)
        .into_iter()
        .map(|(i, end)| (i, end.done().output))
        .collect();
    assert_eq!(fresh[&1].peers().collect::<Vec<_>>(), vec![index(3)]);
    let sessions = [1, 3].map(|i| signer(&wallet[&i].share, &fresh[&i], &[1, 3], 3, DIGEST));
    for end in run(sessions.into(), honest).into_values() {
        check_signature(&before.public_key(), &end.done().output);
    }
    for (i, newer) in fresh {
        wallet.get_mut(&i).unwrap().auxiliary.merge(newer).unwrap();
    }
    for (id, signers) in [(4, [1, 2]), (5, [1, 3]), (6, [2, 3])] {
        check_signing(&wallet, &signers, id);
    }
}

#[test]
fn all_parties_can_set_up_anew() {
    let mut wallet = wallet(3, 5);
    for (i, end) in run(setup_sessions(&wallet, &[1, 2, 3, 4, 5], 2), honest) {
        wallet.get_mut(&i).unwrap().auxiliary = end.done().output;
    }
    check_signing(&wallet, &[2, 3, 4], 3);
}

#[test]
fn a_bad_relay_changes_nothing() {
    for seed in 0..3_u64 {
        let mut state = seed;
        let mut held = Vec::new();
        let mut relay = |envelope: cohold_mpc::Envelope| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            match (state >> 33) % 5 {
                0 => Vec::new(),
                1 => vec![envelope.clone(), envelope],
                2 => {
                    held.push(envelope);
                    Vec::new()
                }
                3 => std::mem::take(&mut held).into_iter().rev().chain([envelope]).collect(),
                _ => vec![envelope],
            }
        };
        let ends = run(keygen_sessions(2, 3, 1), &mut relay);
        let wallet: crate::network::Wallet =
            ends.into_iter().map(|(i, end)| (i, end.done().output)).collect();
        for (i, end) in run(sign_sessions(&wallet, &[2, 3], 2), &mut relay) {
            check_signature(&wallet[&i].share.key().public_key(), &end.done().output);
        }
    }
}

#[test]
fn what_cannot_work_is_not_begun() {
    let wallet = wallet(2, 3);
    let (one, other) = (&wallet[&1], &crate::network::wallet(2, 3)[&1]);
    let begin = |parties: &[u8], me, auxiliary, banned: &[u8]| {
        let banned: BTreeSet<_> = banned.iter().map(|&i| index(i)).collect();
        Signing::new(&context(me, parties, 2), &one.share, auxiliary, &banned, DIGEST).err()
    };
    let empty = run(setup_sessions(&wallet, &[1, 2], 2), honest).remove(&1).unwrap().done().output;
    let cases = [
        (begin(&[1, 2], 1, &one.auxiliary, &[]), None),
        (begin(&[1, 2], 1, &one.auxiliary, &[3]), None),
        (begin(&[1, 2], 1, &one.auxiliary, &[2]), Some(SigningError::Banned(index(2)))),
        (begin(&[1, 2], 1, &one.auxiliary, &[1]), Some(SigningError::Banned(index(1)))),
        (begin(&[1, 2, 3], 1, &one.auxiliary, &[]), Some(SigningError::Quorum { found: 3, threshold: 2 })),
        (begin(&[1], 1, &one.auxiliary, &[]), Some(SigningError::Quorum { found: 1, threshold: 2 })),
        (
            begin(&[1, 2], 2, &one.auxiliary, &[]),
            Some(SigningError::Index { share: index(1), session: index(2) }),
        ),
        (begin(&[1, 2], 1, &other.auxiliary, &[]), Some(SigningError::Foreign)),
        (begin(&[1, 3], 1, &empty, &[]), Some(SigningError::Unpaired(index(3)))),
        (begin(&[1, 4], 1, &one.auxiliary, &[]), Some(SigningError::Unpaired(index(4)))),
    ];
    for (found, expected) in cases {
        assert_eq!(found, expected);
    }
    let setup = |me, parties: &[u8]| AuxiliarySetup::new(&context(me, parties, 2), &one.share).err();
    assert_eq!(setup(1, &[1, 4]), Some(SetupError::Stranger(index(4))));
    assert_eq!(setup(2, &[1, 2]), Some(SetupError::Index { share: index(1), session: index(2) }));
    let generate = |t, parties: &[u8]| KeyGeneration::new(&context(1, parties, 2), t).err();
    assert_eq!(generate(1, &[1, 2]), Some(ParametersError::Threshold { threshold: 1, parties: 2 }));
    assert_eq!(generate(3, &[1, 2]), Some(ParametersError::Threshold { threshold: 3, parties: 2 }));
    assert_eq!(generate(2, &[1, 3]), Some(ParametersError::Indices { parties: 2 }));
    let mut mine = run(setup_sessions(&wallet, &[1, 2], 3), honest).remove(&1).unwrap().done().output;
    let foreign = run(setup_sessions(&wallet, &[1, 2], 3), honest).remove(&2).unwrap().done().output;
    assert_eq!(mine.merge(foreign), Err(AuxiliaryError::Foreign));
    mine.forget(index(2));
    assert_eq!(mine.peers().count(), 0);
}

#[test]
fn a_session_is_driven_in_order_only() {
    let parties = context(1, &[1, 2], 1);
    let protocol = KeyGeneration::new(&parties, 2).unwrap();
    let mut session = session(parties, protocol);
    session.start(&mut crate::network::rng()).unwrap();
    assert!(session.start(&mut crate::network::rng()).is_err());
}

/// Sessions move between the threads of a shell.
#[test]
fn sessions_can_be_sent() {
    fn check<T: Send>() {}
    check::<cohold_mpc::Session<KeyGeneration>>();
    check::<cohold_mpc::Session<AuxiliarySetup>>();
    check::<cohold_mpc::Session<Signing>>();
}
