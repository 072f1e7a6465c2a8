//! A hostile dealer that writes, hashes and signs its deals itself, a hostile holder, and a relay.
//! Each rewrites messages of an otherwise honest run: refused, for the right reason, with the right
//! culprit, by everybody who is honest; and the next honest run works. Rows are those of the attack list.

use std::collections::BTreeMap;

use cohold_model::canonical::{Digest, digest_parts};
use cohold_mpc::{Consequence, Fault, Reason};
use cohold_mpc_share::{Curve, Ed25519, Evidence, Reshared, Secp256k1, Verdict, judge};
use k256::elliptic_curve::{Field as _, PrimeField as _};
use serde::Serialize;

use crate::corrupt::{Corrupt, Inside};
use crate::points::Foreign;
use crate::support::{End, Ends, context, honest, index, keys, rng, run, session_id};
use crate::world::{SESSION, World, at};

/// The shape of a broadcast of round 2.
#[derive(Serialize)]
pub(crate) enum Word {
    Agreed([u8; 32]),
    Cheated(Vec<u8>),
    Unusable(u8),
}

/// A deal that its dealer writes by hand.
#[derive(Clone)]
pub(crate) struct Forged {
    ceremony: Digest,
    session: u8,
    seat: u8,
    /// Whose identity signs.
    signer: u8,
    pub(crate) commitments: Vec<Vec<u8>>,
    /// By holder: salt and value.
    pub(crate) sub_shares: BTreeMap<u8, ([u8; 32], Vec<u8>)>,
    pub(crate) hashes: Vec<[u8; 32]>,
    /// Behind the body.
    tail: Vec<u8>,
}

type Bend = fn(&mut Forged);

impl Forged {
    /// As an honest dealer would, but for what `polynomial` makes of the constant and the degree.
    pub(crate) fn dealt<G: Curve>(world: &World<G>, seat: u8, polynomial: &[G::Scalar]) -> Self {
        let commitments = polynomial.iter().map(|c| G::mul_by_generator(c).to_bytes().as_ref().to_vec());
        let sub_share = |holder: u8| {
            let value = at::<G>(polynomial, G::Scalar::from(u64::from(holder)));
            (holder, ([holder; 32], value.to_repr().as_ref().to_vec()))
        };
        let mut forged = Self {
            ceremony: world.ceremony().digest(),
            session: SESSION,
            seat,
            signer: seat,
            commitments: commitments.collect(),
            sub_shares: (1..=world.holders).map(sub_share).collect(),
            hashes: Vec::new(),
            tail: Vec::new(),
        };
        forged.hash();
        forged
    }

    pub(crate) fn new<G: Curve>(world: &World<G>, seat: u8) -> Self {
        Self::dealt(world, seat, &[world.constant(seat), G::Scalar::random(&mut rng())])
    }

    /// Hashes what is given out, as it now is.
    pub(crate) fn hash(&mut self) {
        let hash = |(holder, (salt, value)): (&u8, &([u8; 32], Vec<u8>))| {
            let seats = [self.seat, *holder];
            let parts: [&[u8]; 5] = [&self.ceremony.0, &[self.session; 32], &seats, salt, value];
            digest_parts("cohold/reshare/sub-share/v1", &parts).0
        };
        self.hashes = self.sub_shares.iter().map(hash).collect();
    }

    /// The signed deal.
    pub(crate) fn signed(&self) -> (Vec<u8>, Vec<u8>) {
        let mut body = postcard::to_extend(&(&self.commitments, &self.hashes), Vec::new()).unwrap();
        body.extend(&self.tail);
        let parts: [&[u8]; 4] = [&self.ceremony.0, &[self.session; 32], &[self.seat], &body];
        let digest = digest_parts("cohold/reshare/deal/v1", &parts);
        (body, keys(index(self.signer)).identity.sign(&digest).0.to_vec())
    }

    fn broadcast(&self) -> Vec<u8> {
        postcard::to_extend(&(self.ceremony.0, Some(self.signed())), Vec::new()).unwrap()
    }

    fn direct(&self, to: u8) -> Option<Vec<u8>> {
        self.sub_shares.get(&to).map(|(salt, value)| [salt.as_slice(), value].concat())
    }

    /// Evidence by one sub-share, as a holder would bring it.
    pub(crate) fn evidence(&self, holder: u8) -> Vec<u8> {
        let (salt, value) = &self.sub_shares[&holder];
        let value: [u8; 32] = value.as_slice().try_into().unwrap();
        postcard::to_extend(&(self.seat, self.signed(), Some((holder, salt, value))), vec![1]).unwrap()
    }
}

/// A run in which `seat` rewrites what it sends.
fn corrupt<G: Curve>(
    world: &World<G>,
    seat: u8,
    mut rewrite: impl FnMut(u16, u8, &mut Inside),
) -> Ends<Reshared<G>> {
    let mut corrupt = Corrupt::new(&context(seat, &world.seats(), SESSION));
    let mut ends = run(world.sessions(SESSION), |envelope| corrupt.relay(envelope, &mut rewrite));
    ends.remove(&seat);
    ends
}

/// A run in which the dealer at `seat` sends `forged`, and later says what an honest party says.
fn deal<G: Curve>(world: &World<G>, forged: &Forged) -> Ends<Reshared<G>> {
    corrupt(world, forged.seat, |round, to, inside| match round {
        1 => (inside.broadcast, inside.direct) = (Some(forged.broadcast()), forged.direct(to)),
        _ => inside.broadcast = inside.heard.clone(),
    })
}

/// All who are honest ban the dealer, by evidence that convicts it before a third party.
fn convicted<G: Curve>(world: &World<G>, forged: &Forged, what: &str) {
    let from = index(forged.seat);
    for (seat, end) in deal(world, forged) {
        let End::Fault(fault) = end else { panic!("{what}: seat {seat} {end:?}") };
        assert_eq!(fault.culprit(), Some(from), "{what}");
        assert_eq!(fault.reason, Reason::Deal { from }, "{what}");
        assert!(matches!(fault.consequence, Consequence::Ban { party, .. } if party == from), "{what}");
        let evidence = Evidence::from_bytes(&fault.proof.unwrap()).unwrap();
        let ceremony = world.ceremony();
        assert_eq!(judge(&evidence, &ceremony, session_id(SESSION)), Verdict::Guilty(from), "{what}");
        assert!(matches!(judge(&evidence, &ceremony, session_id(8)), Verdict::Acquitted(_)), "{what}");
    }
}

/// `victims` know the culprit; the others know only that two parties disagree.
fn disputed<G: Curve>(ends: Ends<Reshared<G>>, victims: &[u8], reason: Reason, what: &str) {
    for (seat, end) in ends {
        let End::Fault(fault) = end else { panic!("{what}: seat {seat} {end:?}") };
        if victims.contains(&seat) {
            assert_eq!(fault, Fault::retry(reason), "{what}");
            assert!(fault.culprit().is_some(), "{what}");
        } else {
            assert!(matches!(fault.reason, Reason::Dispute { .. }), "{what}: {fault}");
            assert_eq!((fault.culprit(), fault.consequence), (None, Consequence::Retry));
        }
    }
}

/// Both curves, and a dealer that leaves (seat 4) as well as one that stays (seat 2).
fn everywhere(check: impl Fn(&World<Secp256k1>, u8), same: impl Fn(&World<Ed25519>, u8)) {
    for seat in [2, 4] {
        let world = World::small();
        check(&world, seat);
        world.check(run(world.sessions(SESSION + 1), honest));
        let world = World::small();
        same(&world, seat);
        world.check(run(world.sessions(SESSION + 1), honest));
    }
}

/// The harness deals well where it means to: nobody finds a fault, and all that is missing is the
/// confirmation of the dealer's own session, which knows nothing of the deal that was put in.
#[test]
fn a_deal_by_hand_is_taken() {
    fn check<G: Curve>(world: &World<G>, seat: u8) {
        let ends = deal(world, &Forged::new(world, seat));
        assert!(ends.len() == 3 && ends.values().all(|end| matches!(end, End::Stuck)));
    }
    everywhere(check, check);
}

/// Rows 11 and 14: a degree that is higher or lower, another constant, no commitments, zero.
#[test]
fn rows_11_and_14_a_deal_of_another_degree_or_key_convicts() {
    fn check<G: Curve>(world: &World<G>, seat: u8) {
        let constant = world.constant(seat);
        let (one, zero) = (G::Scalar::ONE, G::Scalar::ZERO);
        let random = G::Scalar::random(&mut rng());
        let polynomials = [
            ("degree raised", vec![constant, random, random]),
            ("degree raised by zero", vec![constant, random, zero]),
            ("degree lowered", vec![constant]),
            ("degree lowered in place", vec![constant, zero]),
            ("another key", vec![constant + one, random]),
            ("the key zeroed", vec![zero, random]),
            ("the share not weighted", vec![world.dealers[&seat].share, random]),
            ("nothing", vec![]),
        ];
        for (what, polynomial) in polynomials {
            convicted(world, &Forged::dealt(world, seat, &polynomial), what);
        }
    }
    everywhere(check, check);
}

/// Row 22: what is no point of the group, in every slot.
#[test]
fn row_22_foreign_points_convict() {
    fn check<G: Foreign>(world: &World<G>, seat: u8) {
        for bad in G::bad_points() {
            for slot in [0, 1] {
                let mut forged = Forged::new(world, seat);
                forged.commitments[slot] = bad.clone();
                convicted(world, &forged, &format!("slot {slot}: {bad:02x?}"));
            }
        }
    }
    everywhere(check, check);
}

/// A signed body that cannot be read, with too few or too many hashes, or too long.
#[test]
fn unreadable_deals_convict() {
    fn check<G: Curve>(world: &World<G>, seat: u8) {
        let bends: [(&str, Bend); 5] = [
            ("a hash too few", |forged| forged.hashes.truncate(2)),
            ("a hash too many", |forged| forged.hashes.push([0; 32])),
            ("no hashes", |forged| forged.hashes.clear()),
            ("a tail", |forged| forged.tail.push(0)),
            ("long", |forged| forged.tail.resize(600, 0)),
        ];
        for (what, bend) in bends {
            let mut forged = Forged::new(world, seat);
            bend(&mut forged);
            convicted(world, &forged, what);
        }
    }
    everywhere(check, check);
}

/// A sub-share that opens the signed hash and does not fit the signed commitments, to one holder alone:
/// that holder proves it to the others. Row 12: values at or above the order among them.
#[test]
fn a_wrong_sub_share_convicts() {
    fn check<G: Foreign>(world: &World<G>, seat: u8) {
        let wrong = [G::Scalar::ZERO, G::Scalar::ONE].map(|scalar| scalar.to_repr().as_ref().to_vec());
        for value in G::bad_scalars().into_iter().chain(wrong) {
            let mut forged = Forged::new(world, seat);
            forged.sub_shares.insert(3, ([9; 32], value.clone()));
            forged.hash();
            convicted(world, &forged, &format!("{value:02x?}"));
        }
        let mut swapped = Forged::new(world, seat);
        let (one, three) = (swapped.sub_shares[&1].clone(), swapped.sub_shares[&3].clone());
        swapped.sub_shares.extend([(1, three), (3, one)]);
        swapped.hash();
        convicted(world, &swapped, "shares of two holders exchanged");
    }
    everywhere(check, check);
}

/// What cannot be proved names its sender to the one who knows, and nobody is banned.
#[test]
fn what_does_not_open_is_disputed() {
    fn check<G: Curve>(world: &World<G>, seat: u8) {
        let from = index(seat);
        let bends: [(&str, Bend, Reason); 4] = [
            ("another value", |f| f.sub_shares.get_mut(&3).unwrap().1[7] ^= 1, Reason::Commitment { from }),
            ("another salt", |f| f.sub_shares.get_mut(&3).unwrap().0[7] ^= 1, Reason::Commitment { from }),
            ("too short", |f| f.sub_shares.get_mut(&3).unwrap().1.truncate(31), Reason::Malformed { from }),
            ("nothing", |f| drop(f.sub_shares.remove(&3)), Reason::Malformed { from }),
        ];
        for (what, bend, reason) in bends {
            let mut forged = Forged::new(world, seat);
            bend(&mut forged);
            disputed(deal(world, &forged), &[3], reason, what);
        }
        let ends = corrupt(world, seat, |round, to, inside| {
            if round == 1 && to == 3 {
                inside.direct.as_mut().unwrap().push(0);
            }
        });
        disputed(ends, &[3], Reason::Malformed { from }, "too long");
    }
    everywhere(check, check);
}

/// Row 5: another's signature, another session's deal, another dealer's deal.
#[test]
fn row_05_transplanted_deals_are_refused() {
    fn check<G: Curve>(world: &World<G>, seat: u8) {
        let (from, other) = (index(seat), 6 - seat);
        let bends: [(&str, Bend); 2] =
            [("another's signature", |f| f.signer = 6 - f.seat), ("another session", |f| f.session = 8)];
        for (what, bend) in bends {
            let mut forged = Forged::new(world, seat);
            bend(&mut forged);
            forged.hash();
            disputed(deal(world, &forged), &world.seats(), Reason::Proof { from }, what);
        }
        let others = Forged::new(world, other).broadcast();
        let copied = corrupt(world, seat, |round, _, inside| {
            if round == 1 {
                inside.broadcast = Some(others.clone());
            }
        });
        disputed(copied, &world.seats(), Reason::Proof { from }, "another dealer's");
        for body in [None, Some(Vec::new()), Some(vec![0; 33]), Some(vec![0xff; 900])] {
            let rewrite = |round: u16, _: u8, inside: &mut Inside| {
                if round == 1 {
                    inside.broadcast = body.clone();
                }
            };
            for (seat, end) in corrupt(world, seat, rewrite) {
                let End::Fault(fault) = end else { panic!("seat {seat} {end:?}") };
                assert_eq!(fault.consequence, Consequence::Retry);
                let named = matches!(fault.reason, Reason::Malformed { .. } | Reason::Disagreement { .. });
                assert!(named, "{fault}");
            }
        }
    }
    everywhere(check, check);
}

/// Row 13: two good deals, one for each half of the peers, and two good sub-shares: nobody has a share.
#[test]
fn row_13_an_equivocated_deal_leaves_no_share() {
    fn check<G: Curve>(world: &World<G>, seat: u8) {
        let deals = [Forged::new(world, seat), Forged::new(world, seat)];
        let ends = corrupt(world, seat, |round, to, inside| {
            let forged = &deals[usize::from(to == 3)];
            match round {
                1 => (inside.broadcast, inside.direct) = (Some(forged.broadcast()), forged.direct(to)),
                _ => inside.broadcast = inside.heard.clone(),
            }
        });
        for (_, end) in ends {
            let fault = end.fault();
            assert!(matches!(fault.reason, Reason::Equivocation { .. }), "{fault}");
            assert_eq!((fault.culprit(), fault.consequence), (None, Consequence::Retry));
        }
    }
    everywhere(check, check);
}

/// Row 13: a split acknowledgement of the last broadcast is found by the confirmation.
#[test]
fn row_13_a_split_word_leaves_no_share() {
    let world = World::<Secp256k1>::small();
    let ends = corrupt(&world, 4, |round, to, inside| {
        if round == 2 && to == 3 {
            inside.broadcast = Some(postcard::to_extend(&Word::Unusable(2), Vec::new()).unwrap());
        }
    });
    // Seat 3 ends with the dispute, and so never confirms to the others.
    assert!(!ends.values().any(|end| matches!(end, End::Done(_))));
}

/// Whoever accuses without evidence, lies about what came, or about the result, excludes nobody.
#[test]
fn false_accusations_ban_nobody() {
    fn check<G: Curve>(world: &World<G>, _: u8) {
        let (from, accused) = (index(3), index(4));
        let regular = Forged::new(world, 4);
        let mut unsigned = Forged::new(world, 4);
        unsigned.signer = 3;
        unsigned.commitments.clear();
        let deal_alone = postcard::to_extend(&(4_u8, regular.signed(), None::<()>), vec![1]).unwrap();
        let words = [
            (Word::Cheated(Vec::new()), Reason::Accusation { from }),
            (Word::Cheated(vec![1; 200]), Reason::Accusation { from }),
            (Word::Cheated(regular.evidence(3)), Reason::Accusation { from }),
            (Word::Cheated(unsigned.evidence(3)), Reason::Accusation { from }),
            (Word::Cheated(deal_alone), Reason::Accusation { from }),
            (Word::Unusable(4), Reason::Dispute { from, accused }),
            (Word::Agreed([7; 32]), Reason::Disagreement { from }),
        ];
        for (word, reason) in words {
            let word = postcard::to_extend(&word, Vec::new()).unwrap();
            let ends = corrupt(world, 3, |round, _, inside| {
                if round == 2 {
                    inside.broadcast = Some(word.clone());
                }
            });
            for end in ends.into_values() {
                assert_eq!(end.fault(), Fault::retry(reason));
            }
        }
    }
    everywhere(check, check);
}

/// A seat that does not deal deals, or sends something to one alone; a holder gets nothing it asked for.
#[test]
fn who_may_not_deal_is_refused() {
    let world = World::<Secp256k1>::small();
    let from = index(3);
    let signed = Forged { seat: 3, signer: 3, ..Forged::new(&world, 4) };
    let ends = corrupt(&world, 3, |round, _, inside| {
        if round == 1 {
            inside.broadcast = Some(signed.broadcast());
        }
    });
    disputed(ends, &[1, 2, 4], Reason::Malformed { from }, "a deal");
    let ends = corrupt(&world, 3, |round, to, inside| {
        if round == 1 && to == 1 {
            inside.direct = Some(vec![0; 64]);
        }
    });
    disputed(ends, &[1], Reason::Malformed { from }, "a sub-share");
}

/// Row 9: honest parties that mean different resharings blame nobody.
#[test]
fn row_09_parties_with_other_terms_disagree() {
    let mut world = World::<Secp256k1>::small();
    let mut sessions = world.sessions(SESSION);
    world.threshold = 3;
    sessions[2] = world.session(3, SESSION);
    for end in run(sessions, honest).into_values() {
        let fault = end.fault();
        let disputed = matches!(fault.reason, Reason::Disagreement { .. } | Reason::Dispute { .. });
        assert!(disputed, "{fault}");
        assert_eq!((fault.culprit(), fault.consequence), (None, Consequence::Retry));
    }
}

/// Row 20: everything twice, and everything of another session moved into this one.
#[test]
fn row_20_replays_and_transplants_abort_nothing() {
    let world = World::<Ed25519>::small();
    let mut recorded = Vec::new();
    run(world.sessions(8), |envelope| {
        recorded.push(envelope.clone());
        vec![envelope]
    });
    let ends = run(world.sessions(SESSION), |envelope| {
        let moved =
            recorded.iter().map(|old| cohold_mpc::Envelope { session: session_id(SESSION), ..old.clone() });
        moved.chain([envelope.clone(), envelope]).collect()
    });
    world.check(ends);
}
