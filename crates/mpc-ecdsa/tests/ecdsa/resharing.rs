//! Resharing of a key: sizes, what comes out, and that the engine signs over it.

use std::collections::BTreeMap;

use cohold_model::account::{Card, PartyKind};
use cohold_model::canonical::digest_parts;
use cohold_model::ids::PartyIndex;
use cohold_model::reshare::Seat;
use cohold_mpc::{Consequence, Session};
use cohold_mpc_ecdsa::{
    AuxiliarySetup, DealtFrom, GeneratedKey, KeyResharing, KeyResharingError, ReshareOutcome, Share, Verdict,
    judge_proof,
};

use crate::network::{
    Corrupt, DIGEST, Ends, Wallet, check_signature, check_signing, context, honest, index, keys, rng, run,
    session, session_id, sign_sessions, signer, wallet,
};

/// Seats 1 to `holders` at those points; each of `dealers` is a seat and the old index that deals there.
pub(crate) fn seats(dealers: &[(u8, u8)], holders: u8) -> BTreeMap<PartyIndex, Seat> {
    let last = dealers.iter().map(|(seat, _)| *seat).max().unwrap_or(0).max(holders);
    let seat = |number: u8| {
        let party = keys(index(number));
        let card = Card {
            party: format!("party-{number}").parse().unwrap(),
            entity: "acme".parse().unwrap(),
            kind: PartyKind::Cosigner,
            identity: party.identity(),
            seal: party.seal_key(),
        };
        let deals = dealers.iter().find(|(seat, _)| *seat == number).map(|(_, old)| index(*old));
        (index(number), Seat { card, deals, holds: (number <= holders).then(|| index(number)) })
    };
    (1..=last).map(seat).collect()
}

/// One session for each seat.
pub(crate) fn sessions(
    shares: &BTreeMap<u8, Share>,
    dealers: &[(u8, u8)],
    holders: u8,
    threshold: u8,
    id: u8,
) -> Vec<Session<KeyResharing>> {
    let seats = seats(dealers, holders);
    let all: Vec<u8> = seats.keys().map(|seat| seat.get()).collect();
    let old = shares.values().next().unwrap().key();
    let make = |(number, seat): (&PartyIndex, &Seat)| {
        let context = context(number.get(), &all, id);
        let identity = keys(*number).identity;
        let own = seat.deals.map(|old| DealtFrom { share: &shares[&old.get()], identity: &identity });
        let protocol = KeyResharing::new(&context, old, &seats, threshold, own, &mut rng()).unwrap();
        session(context, protocol)
    };
    seats.iter().map(make).collect()
}

fn shares(wallet: Wallet) -> BTreeMap<u8, Share> {
    wallet.into_iter().map(|(i, key)| (i, key.share)).collect()
}

/// Checks that all agree, and returns the new shares.
fn new_shares(ends: Ends<ReshareOutcome>) -> BTreeMap<u8, Share> {
    let outcomes: BTreeMap<u8, _> = ends.into_iter().map(|(seat, end)| (seat, end.done())).collect();
    let (first, transcript) = outcomes.values().next().map(|o| (o.output.key.clone(), o.transcript)).unwrap();
    assert!(outcomes.values().all(|o| o.output.key == first && o.transcript == transcript));
    outcomes.into_iter().filter_map(|(seat, o)| Some((seat, o.output.share?))).collect()
}

/// Fresh auxiliary data among those of `parties` who hold a share.
fn set_up(mut shares: BTreeMap<u8, Share>, parties: &[u8], id: u8) -> Wallet {
    shares.retain(|i, _| parties.contains(i));
    let make = |(&me, share): (&u8, &Share)| {
        let context = context(me, parties, id);
        let protocol = AuxiliarySetup::new(&context, share).unwrap();
        session(context, protocol)
    };
    let mut ends = run(shares.iter().map(make).collect(), honest);
    let whole = |(i, share)| (i, GeneratedKey { share, auxiliary: ends.remove(&i).unwrap().done().output });
    shares.into_iter().map(whole).collect()
}

/// Generates at `from`, reshares, and signs with `signers` under the same public key.
fn check(from: (u8, u8), dealers: &[(u8, u8)], to: (u8, u8), signers: &[u8]) {
    let old = shares(wallet(from.0, from.1));
    let before = old[&1].key().clone();
    let new = new_shares(run(sessions(&old, dealers, to.1, to.0, 2), honest));
    assert_eq!(new.keys().copied().collect::<Vec<_>>(), (1..=to.1).collect::<Vec<_>>());
    let after = new[&1].key();
    assert_eq!((after.threshold(), after.parties()), to);
    assert_eq!(after.public_key(), before.public_key());
    assert_eq!(after.chain_code(), before.chain_code());
    assert_ne!(after.digest(), before.digest());
    check_signing(&set_up(new, signers, 3), signers, 4);
}

#[test]
fn the_same_parties_refresh() {
    check((2, 3), &[(1, 1), (2, 2)], (2, 3), &[1, 3]);
}

#[test]
fn a_lost_party_is_left_out() {
    check((2, 3), &[(2, 2), (3, 3)], (2, 3), &[1, 2]);
}

#[test]
fn other_parties_and_another_threshold_take_over() {
    check((2, 3), &[(6, 1), (7, 3)], (3, 5), &[2, 4, 5]);
}

#[test]
fn an_account_shrinks() {
    check((2, 3), &[(1, 3), (3, 1)], (2, 2), &[1, 2]);
}

#[test]
fn nine_disjoint_parties_follow_nine() {
    let dealers = [(10, 1), (11, 3), (12, 5), (13, 7), (14, 9)];
    check((5, 9), &dealers, (5, 9), &[9, 1, 8, 2, 5]);
}

/// Row 14: shares of two epochs make no signature, whoever brings them together.
#[test]
fn old_and_new_shares_do_not_mix() {
    let old = wallet(2, 3);
    let mut shares = BTreeMap::new();
    for (i, key) in &old {
        shares.insert(*i, Share::from_secret_bytes(&key.share.to_secret_bytes()).unwrap());
    }
    let new = new_shares(run(sessions(&shares, &[(1, 1), (2, 2)], 3, 2, 2), honest));
    let new = set_up(new, &[1, 2, 3], 3);
    // Auxiliary data of one epoch does not serve the other's share.
    assert!(!old[&1].auxiliary.belongs_to(&new[&1].share));
    assert!(!new[&1].auxiliary.belongs_to(&old[&1].share));
    // The parties find out in the pair setup that they mean different keys.
    let one = AuxiliarySetup::new(&context(1, &[1, 2], 5), &old[&1].share).unwrap();
    let two = AuxiliarySetup::new(&context(2, &[1, 2], 5), &new[&2].share).unwrap();
    let ends = run(vec![session(context(1, &[1, 2], 5), one), session(context(2, &[1, 2], 5), two)], honest);
    for (i, end) in ends {
        let from = index(3 - i);
        assert_eq!(end.fault().reason, cohold_mpc::Reason::Disagreement { from });
    }
    // And in a signing run, each with working auxiliary data of its own epoch.
    let mixed = vec![
        signer(&old[&1].share, &old[&1].auxiliary, &[1, 2], 6, DIGEST),
        signer(&new[&2].share, &new[&2].auxiliary, &[1, 2], 6, DIGEST),
    ];
    assert!(run(mixed, honest).values().all(|end| !matches!(end, crate::network::End::Done(_))));
    // Each epoch by itself still signs: nothing was lost.
    for (i, end) in run(sign_sessions(&old, &[1, 2], 7), honest) {
        check_signature(&old[&i].share.key().public_key(), &end.done().output);
    }
    check_signing(&new, &[1, 2], 8);
}

/// Rows 11 and 14: a dealer that signs one commitment too few is banned, and the proof of it convinces
/// whoever has the account's public documents.
#[test]
fn a_dealer_that_cheats_is_convicted() {
    type Announcement = ([u8; 32], Option<(Vec<u8>, Vec<u8>)>);
    let old = shares(wallet(2, 3));
    let (dealers, key) = ([(2, 2), (4, 3)], old[&1].key().clone());
    let other = wallet(2, 3)[&1].share.key().clone();
    let all = [1, 2, 3, 4];
    let mut corrupt = Corrupt::new(&context(4, &all, 2));
    let mut ends = run(sessions(&old, &dealers, 3, 2, 2), |envelope| {
        corrupt.relay(envelope, |round, _, inside| {
            if round != 1 {
                return;
            }
            let (ceremony, deal): Announcement =
                postcard::from_bytes(inside.broadcast.as_deref().unwrap()).unwrap();
            let (mut commitments, hashes): (Vec<Vec<u8>>, Vec<[u8; 32]>) =
                postcard::from_bytes(&deal.unwrap().0).unwrap();
            commitments.pop();
            let body = postcard::to_extend(&(commitments, hashes), Vec::new()).unwrap();
            let parts: [&[u8]; 4] = [&ceremony, &[2; 32], &[4], &body];
            let signature = keys(index(4)).identity.sign(&digest_parts("cohold/reshare/deal/v1", &parts));
            let forged: Announcement = (ceremony, Some((body, signature.0.to_vec())));
            inside.broadcast = Some(postcard::to_extend(&forged, Vec::new()).unwrap());
        })
    });
    let seats = seats(&dealers, 3);
    let judge = |proof: &[u8], key, id| judge_proof(proof, key, &seats, 2, session_id(id));
    for seat in [1, 2, 3] {
        let fault = ends.remove(&seat).unwrap().fault();
        assert!(matches!(fault.consequence, Consequence::Ban { party, .. } if party == index(4)), "{fault}");
        let proof = fault.proof.unwrap();
        assert_eq!(judge(&proof, &key, 2), Ok(Verdict::Guilty(index(4))));
        assert!(matches!(judge(&proof, &key, 3), Ok(Verdict::Acquitted(_))), "in another session");
        assert!(matches!(judge(&proof, &other, 2), Ok(Verdict::Acquitted(_))), "of another key");
    }
    assert!(judge(&[], &key, 2).is_err());
    new_shares(run(sessions(&old, &[(1, 1), (2, 2)], 3, 2, 3), honest));
}

#[test]
fn what_cannot_work_is_not_begun() {
    let old = shares(wallet(2, 3));
    let other = shares(wallet(2, 3));
    let key = old[&1].key();
    let begin = |me: u8, dealers: &[(u8, u8)], holders: u8, threshold: u8, share: Option<(&Share, u8)>| {
        let seats = seats(dealers, holders);
        let all: Vec<u8> = seats.keys().map(|seat| seat.get()).collect();
        let identity = share.map(|(_, seat)| keys(index(seat)).identity);
        let own = share.zip(identity.as_ref());
        let own = own.map(|((share, _), identity)| DealtFrom { share, identity });
        KeyResharing::new(&context(me, &all, 2), key, &seats, threshold, own, &mut rng())
            .err()
            .map(|error| error.to_string())
    };
    let good = [(1, 1), (2, 2)];
    assert_eq!(begin(1, &good, 3, 2, Some((&old[&1], 1))), None);
    assert_eq!(begin(3, &good, 3, 2, None), None);
    let cases = [
        (begin(1, &[(1, 1)], 3, 2, Some((&old[&1], 1))), "1 parties deal"),
        (begin(1, &[(1, 1), (2, 2), (3, 3)], 3, 2, Some((&old[&1], 1))), "3 parties deal"),
        (begin(1, &[(1, 1), (2, 4)], 3, 2, Some((&old[&1], 1))), "party `4` deals"),
        (begin(1, &[(1, 1), (2, 1)], 3, 2, Some((&old[&1], 1))), "not distinct"),
        (begin(1, &good, 3, 1, Some((&old[&1], 1))), "threshold 1 of 3"),
        (begin(1, &good, 3, 4, Some((&old[&1], 1))), "threshold 4 of 3"),
        (begin(1, &good, 1, 1, Some((&old[&1], 1))), "threshold 1 of 1"),
        (begin(1, &good, 10, 2, Some((&old[&1], 1))), "threshold 2 of 10"),
        (begin(1, &good, 3, 2, Some((&old[&2], 1))), "party `2`'s"),
        (begin(1, &good, 3, 2, Some((&other[&1], 1))), "not of the key in force"),
        (begin(1, &good, 3, 2, Some((&old[&1], 2))), "identity"),
        (begin(1, &good, 3, 2, None), "must bring its old share"),
        (begin(3, &good, 3, 2, Some((&old[&3], 3))), "only then"),
    ];
    for (found, expected) in cases {
        let found = found.unwrap_or_default();
        assert!(found.contains(expected), "{expected}: {found}");
    }
    let seats = seats(&good, 3);
    let alone = KeyResharing::new(&context(3, &[1, 3], 2), key, &seats, 2, None, &mut rng());
    assert!(matches!(alone.err(), Some(KeyResharingError::Run(_))));
}
