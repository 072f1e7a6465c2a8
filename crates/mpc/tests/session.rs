//! The session machine with a toy protocol: loss, repetition, reordering, forgery, equivocation.

use std::collections::BTreeMap;

use cohold_model::canonical::{Digest, digest_parts};
use cohold_model::ids::{AccountId, Epoch, PartyIndex, SessionId};
use cohold_mpc::channel::{Direction, Payload, Sealer};
use cohold_mpc::{
    Envelope, Fault, Inbox, Outgoing, PartyKeys, Protocol, Reason, Session, SessionContext, Step,
};
use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// Each party broadcasts a value and whispers another to each peer, twice; the sum is the output.
struct Sum<const CONFIRMED: bool> {
    value: u8,
    peers: Vec<PartyIndex>,
    rounds_left: u8,
    total: u64,
}

impl<const C: bool> Sum<C> {
    fn send<T>(&self) -> Step<T> {
        let direct = self.peers.iter().map(|&to| (to, Zeroizing::new(vec![to.get()])));
        Step::Send(Outgoing { broadcast: Some(vec![self.value]), direct: direct.collect() })
    }
}

impl<const C: bool> Protocol for Sum<C> {
    type Output = u64;
    const CONFIRMED: bool = C;

    fn start(&mut self, _: &mut impl CryptoRng) -> Result<Step<u64>, Fault> {
        Ok(self.send())
    }

    fn round(&mut self, inbox: Inbox, _: &mut impl CryptoRng) -> Result<Step<u64>, Fault> {
        for message in inbox.broadcasts().chain(inbox.directs()) {
            self.total += message?.1.iter().map(|&byte| u64::from(byte)).sum::<u64>();
        }
        self.rounds_left -= 1;
        Ok(if self.rounds_left == 0 { Step::Done(self.total) } else { self.send() })
    }
}

type Honest = Session<Sum<true>>;

fn rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

fn index(i: u8) -> PartyIndex {
    PartyIndex::try_from(i).unwrap()
}

fn keys(i: u8) -> PartyKeys {
    PartyKeys::from_seed(&[i; 32])
}

fn account() -> AccountId {
    "acc_000102030405060708090a0b0c0d0e0f".parse().unwrap()
}

fn id(session: u8) -> SessionId {
    SessionId(Digest([session; 32]))
}

fn context(me: u8, n: u8, session: u8) -> SessionContext {
    let peers = (1..=n).filter(|&i| i != me).map(|i| (index(i), keys(i).seal_key())).collect();
    SessionContext { account: account(), epoch: Epoch::FIRST, session: id(session), me: index(me), peers }
}

fn party<const C: bool>(me: u8, n: u8, session: u8, value: u8) -> Session<Sum<C>> {
    let context = context(me, n, session);
    let peers = context.peers.keys().copied().collect();
    let protocol = Sum { value, peers, rounds_left: 2, total: 0 };
    Session::new(context, &keys(me).seal, protocol, &mut rng()).unwrap()
}

fn committee(n: u8, session: u8) -> BTreeMap<PartyIndex, Honest> {
    (1..=n).map(|i| (index(i), party(i, n, session, 10 * i))).collect()
}

/// Delivers until nothing is left; `mangle` maps each envelope to what arrives.
fn run(
    parties: &mut BTreeMap<PartyIndex, Honest>,
    mut mangle: impl FnMut(Envelope) -> Vec<Envelope>,
) -> Result<(), Fault> {
    let mut queue = Vec::new();
    for party in parties.values_mut() {
        queue.extend(party.start(&mut rng())?);
    }
    for _ in 0..10_000 {
        if queue.is_empty() {
            if parties.values().all(Session::is_over) {
                return Ok(());
            }
            queue.extend(parties.values().flat_map(Session::resend));
        }
        let envelope = queue.remove(0);
        for arrived in mangle(envelope) {
            let wire = arrived.encode().unwrap();
            let arrived = Envelope::decode(&wire).unwrap();
            if let Some(party) = parties.get_mut(&arrived.to) {
                queue.extend(party.receive(&arrived, &mut rng())?);
            }
        }
    }
    panic!("the run does not end");
}

fn check_outcomes(parties: &mut BTreeMap<PartyIndex, Honest>) {
    let n = parties.len() as u64;
    let outcomes: Vec<_> = parties.iter_mut().map(|(i, p)| (*i, p.outcome().unwrap())).collect();
    for (i, outcome) in &outcomes {
        let i = u64::from(i.get());
        let others = 10 * (n * (n + 1) / 2 - i);
        assert_eq!(outcome.output, 2 * (others + i * (n - 1)));
        assert_eq!(outcome.transcript, outcomes[0].1.transcript);
    }
    assert!(parties.values_mut().all(|party| party.outcome().is_none()), "an output is given once");
}

#[test]
fn honest_runs_end_with_one_transcript() {
    for n in [2, 3, 9] {
        let mut parties = committee(n, 1);
        run(&mut parties, |envelope| vec![envelope]).unwrap();
        check_outcomes(&mut parties);
    }
}

#[test]
fn loss_repetition_and_reordering_change_nothing() {
    for seed in 0..20_u64 {
        let mut state = seed;
        let mut held = Vec::new();
        let mut parties = committee(3, 1);
        run(&mut parties, |envelope| {
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
        })
        .unwrap();
        check_outcomes(&mut parties);
    }
}

#[test]
fn resent_envelopes_are_the_same_bytes() {
    let mut party = party::<true>(1, 2, 1, 5);
    let sent = party.start(&mut rng()).unwrap();
    assert_eq!(party.resend(), sent);
    assert_eq!(party.awaited().collect::<Vec<_>>(), vec![index(2)]);
}

/// Rows 5 and 20: whatever does not open in its very place is ignored.
#[test]
fn transplanted_forged_and_broken_envelopes_are_ignored() {
    let mut victim = party::<true>(1, 2, 1, 5);
    victim.start(&mut rng()).unwrap();
    let genuine = |session| party::<true>(2, 2, session, 7).start(&mut rng()).unwrap().remove(0);
    let stranger = {
        let direction = Direction {
            account: account(),
            epoch: Epoch::FIRST,
            session: id(1),
            from: index(2),
            to: index(1),
        };
        let mut sealer = Sealer::new(direction, &keys(9).seal, &keys(1).seal_key(), &mut rng()).unwrap();
        let echo = [0; 32];
        sealer.seal(1, &Payload { from: index(2), echo: &echo, broadcast: None, direct: None }).unwrap()
    };
    let reflected = {
        let own = victim.resend().remove(0);
        Envelope { from: index(2), to: index(1), ..own }
    };
    let base = genuine(1);
    let other = "acc_ffffffffffffffffffffffffffffffff".parse().unwrap();
    let mut flipped = base.clone();
    *flipped.sealed.last_mut().unwrap() ^= 1;
    let hostile = [
        Envelope { session: id(1), ..genuine(2) },
        Envelope { round: 2, ..base.clone() },
        Envelope { round: 3, ..base.clone() },
        Envelope { round: 0, ..base.clone() },
        Envelope { epoch: Epoch(2), ..base.clone() },
        Envelope { account: other, ..base.clone() },
        Envelope { from: index(1), ..base.clone() },
        Envelope { from: index(3), ..base.clone() },
        Envelope { to: index(3), ..base.clone() },
        Envelope { sealed: Vec::new(), ..base.clone() },
        Envelope { sealed: vec![0; 31], ..base.clone() },
        Envelope { sealed: vec![0; 32], ..base.clone() },
        Envelope { sealed: vec![0; 1000], ..base.clone() },
        flipped,
        reflected,
        stranger,
    ];
    for envelope in &hostile {
        assert_eq!(victim.receive(envelope, &mut rng()), Ok(Vec::new()), "{envelope:?}");
        assert_eq!(victim.awaited().count(), 1, "{envelope:?}");
    }
    assert_eq!(victim.receive(&base, &mut rng()).unwrap().len(), 1, "the genuine one still counts");
    assert_eq!(victim.round(), 2);
    assert_eq!(victim.receive(&base, &mut rng()), Ok(Vec::new()), "a replay is ignored");
}

/// Row 20: a sender that starts over within a session is not mixed with its former self.
#[test]
fn a_restarted_sender_is_not_mixed_with_its_former_self() {
    let mut victim = party::<true>(1, 2, 1, 5);
    victim.start(&mut rng()).unwrap();
    let mut first = party::<true>(2, 2, 1, 7);
    let mut second = party::<true>(2, 2, 1, 7);
    let one = first.start(&mut rng()).unwrap().remove(0);
    second.start(&mut rng()).unwrap();
    victim.receive(&one, &mut rng()).unwrap();
    let round_one = victim.resend().into_iter().find(|e| e.round == 1).unwrap();
    let two = second.receive(&round_one, &mut rng()).unwrap().remove(0);
    assert_eq!(two.round, 2);
    assert_eq!(victim.receive(&two, &mut rng()), Ok(Vec::new()));
    assert_eq!(victim.awaited().count(), 1);
}

/// Row 13: a party that tells each peer something else is found out before any output.
#[test]
fn equivocated_broadcasts_abort_before_any_output() {
    let (mut a, mut b) = (party::<true>(1, 3, 1, 10), party::<true>(2, 3, 1, 20));
    let (mut to_a, mut to_b) = (party::<true>(3, 3, 1, 30), party::<true>(3, 3, 1, 31));
    let mut faults = Vec::new();
    let mut queue: Vec<(bool, Envelope)> = Vec::new();
    queue.extend(a.start(&mut rng()).unwrap().into_iter().map(|e| (false, e)));
    queue.extend(b.start(&mut rng()).unwrap().into_iter().map(|e| (false, e)));
    queue.extend(to_a.start(&mut rng()).unwrap().into_iter().filter(|e| e.to == index(1)).map(|e| (true, e)));
    queue.extend(to_b.start(&mut rng()).unwrap().into_iter().filter(|e| e.to == index(2)).map(|e| (true, e)));
    while let Some((_, envelope)) = queue.pop() {
        let receiver = match envelope.to.get() {
            1 => &mut a,
            2 => &mut b,
            _ => {
                for (twin, victim) in [(&mut to_a, 1), (&mut to_b, 2)] {
                    let sent = twin.receive(&envelope, &mut rng()).unwrap_or_default();
                    queue.extend(sent.into_iter().filter(|e| e.to == index(victim)).map(|e| (true, e)));
                }
                continue;
            }
        };
        match receiver.receive(&envelope, &mut rng()) {
            Ok(sent) => queue.extend(sent.into_iter().map(|e| (false, e))),
            Err(fault) => faults.push(fault),
        }
    }
    assert!(!faults.is_empty());
    for fault in &faults {
        assert!(matches!(fault.reason, Reason::Equivocation { .. }), "{fault}");
        assert_eq!(fault.culprit(), None);
    }
    assert!(a.outcome().is_none() && b.outcome().is_none());
    assert!(a.resend().is_empty() || b.resend().is_empty(), "a failed run sends nothing more");
}

/// An equivocation in the last round is caught by the confirmation, and only by it.
#[test]
fn the_confirmation_covers_the_last_round() {
    fn last_round<const C: bool>() -> (bool, bool) {
        let mut a = party::<C>(1, 2, 1, 10);
        let mut b = party::<C>(2, 2, 1, 20);
        let sent_a = a.start(&mut rng()).unwrap();
        let sent_b = b.start(&mut rng()).unwrap();
        let two_a = a.receive(&sent_b[0], &mut rng()).unwrap();
        let two_b = b.receive(&sent_a[0], &mut rng()).unwrap();
        let three_a = a.receive(&two_b[0], &mut rng()).unwrap();
        let three_b = b.receive(&two_a[0], &mut rng()).unwrap();
        let before = a.outcome().is_some();
        if C {
            assert!(!before, "withheld until confirmed");
            a.receive(&three_b[0], &mut rng()).unwrap();
            b.receive(&three_a[0], &mut rng()).unwrap();
        }
        (before || a.outcome().is_some(), b.outcome().is_some())
    }
    assert_eq!(last_round::<true>(), (true, true));
    assert_eq!(last_round::<false>(), (true, true));
}

/// Row 21: the sender inside is the sender outside.
#[test]
fn a_forged_inner_sender_names_its_culprit() {
    let seal = |payload: &Payload<'_>| {
        let direction = Direction {
            account: account(),
            epoch: Epoch::FIRST,
            session: id(1),
            from: index(2),
            to: index(1),
        };
        let mut sealer = Sealer::new(direction, &keys(2).seal, &keys(1).seal_key(), &mut rng()).unwrap();
        sealer.seal(1, payload).unwrap()
    };
    let echo = [0; 32];
    let honest = Payload { from: index(2), echo: &echo, broadcast: Some(&[1]), direct: Some(&[1]) };
    let cases = [
        (Payload { from: index(3), ..honest }, Reason::InnerSender { from: index(2) }, Some(index(2))),
        (honest, Reason::Equivocation { reporter: index(2) }, None),
    ];
    for (payload, reason, culprit) in cases {
        let mut victim = party::<true>(1, 2, 1, 5);
        victim.start(&mut rng()).unwrap();
        let fault = victim.receive(&seal(&payload), &mut rng()).unwrap_err();
        assert_eq!((fault.reason, fault.culprit()), (reason, culprit));
        assert_eq!(victim.receive(&seal(&honest), &mut rng()), Err(fault), "the run stays dead");
        assert!(victim.resend().is_empty());
    }
}

/// Parties that mean different participants find out in the first round.
#[test]
fn participants_are_part_of_the_transcript() {
    let mut a = party::<true>(1, 2, 1, 10);
    let mut b = party::<true>(2, 3, 1, 20);
    a.start(&mut rng()).unwrap();
    let sent = b.start(&mut rng()).unwrap();
    let fault = a.receive(&sent[0], &mut rng()).unwrap_err();
    assert_eq!(fault.reason, Reason::Equivocation { reporter: index(2) });
}

#[test]
fn a_round_is_sealed_once() {
    let direction =
        Direction { account: account(), epoch: Epoch::FIRST, session: id(1), from: index(1), to: index(2) };
    let mut sealer = Sealer::new(direction, &keys(1).seal, &keys(2).seal_key(), &mut rng()).unwrap();
    let echo = digest_parts("t", &[]);
    let payload = Payload { from: index(1), echo: &echo.0, broadcast: None, direct: None };
    assert!(sealer.seal(2, &payload).is_ok());
    assert!(sealer.seal(2, &payload).is_err());
    assert!(sealer.seal(1, &payload).is_err());
    assert!(Sealer::new(direction, &keys(1).seal, &Digest([0; 32]), &mut rng()).is_err(), "small order");
}
