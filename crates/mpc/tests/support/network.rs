//! An in-memory network whose relay does what it likes, for the tests of every protocol.

use std::collections::{BTreeMap, VecDeque};

use cohold_model::canonical::Digest;
use cohold_model::ids::{AccountId, Epoch, PartyIndex, SessionId};
use cohold_mpc::{Envelope, Fault, Outcome, PartyKeys, Protocol, Session, SessionContext};
use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;

pub(crate) fn rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

pub(crate) fn index(i: u8) -> PartyIndex {
    PartyIndex::try_from(i).unwrap()
}

pub(crate) fn keys(party: PartyIndex) -> PartyKeys {
    PartyKeys::from_seed(&[party.get(); 32])
}

pub(crate) fn session_id(session: u8) -> SessionId {
    SessionId(Digest([session; 32]))
}

pub(crate) fn account() -> AccountId {
    "acc_000102030405060708090a0b0c0d0e0f".parse().unwrap()
}

pub(crate) fn context(me: u8, parties: &[u8], session: u8) -> SessionContext {
    let others = parties.iter().filter(|i| **i != me).map(|&i| index(i));
    SessionContext {
        account: account(),
        epoch: Epoch::FIRST,
        session: session_id(session),
        me: index(me),
        peers: others.map(|i| (i, keys(i).seal_key())).collect(),
    }
}

pub(crate) fn session<P: Protocol>(context: SessionContext, protocol: P) -> Session<P> {
    let secret = keys(context.me).seal;
    Session::new(context, &secret, protocol, &mut rng()).unwrap()
}

/// How a run ended for one party.
#[derive(Debug)]
pub(crate) enum End<T> {
    Done(Outcome<T>),
    Fault(Fault),
    Stuck,
}

impl<T: std::fmt::Debug> End<T> {
    pub(crate) fn done(self) -> Outcome<T> {
        match self {
            Self::Done(outcome) => outcome,
            other => panic!("not done: {other:?}"),
        }
    }

    pub(crate) fn fault(self) -> Fault {
        match self {
            Self::Fault(fault) => fault,
            other => panic!("no fault: {other:?}"),
        }
    }
}

pub(crate) type Ends<T> = BTreeMap<u8, End<T>>;

/// Runs sessions until all are over or nothing helps any more. `relay` maps what was sent to what arrives.
pub(crate) fn run<P: Protocol>(
    sessions: Vec<Session<P>>,
    mut relay: impl FnMut(Envelope) -> Vec<Envelope>,
) -> Ends<P::Output> {
    let mut faults = BTreeMap::new();
    let mut queue = VecDeque::new();
    let mut sessions: BTreeMap<PartyIndex, Session<P>> =
        sessions.into_iter().map(|session| (session.context().me, session)).collect();
    let mut take =
        |me: PartyIndex, sent: Result<Vec<Envelope>, Fault>, queue: &mut VecDeque<Envelope>| match sent {
            Ok(sent) => queue.extend(sent),
            Err(fault) => drop(faults.insert(me, fault)),
        };
    for (me, session) in &mut sessions {
        take(*me, session.start(&mut rng()), &mut queue);
    }
    let mut patience = 60;
    loop {
        while let Some(envelope) = queue.pop_front() {
            for arrived in relay(envelope) {
                let arrived = Envelope::decode(&arrived.encode().unwrap()).unwrap();
                if let Some(session) = sessions.get_mut(&arrived.to) {
                    let sent = session.receive(&arrived, &mut rng());
                    take(arrived.to, sent, &mut queue);
                }
            }
        }
        if patience == 0 || sessions.values().all(Session::is_over) {
            break;
        }
        patience -= 1;
        queue.extend(sessions.values().flat_map(Session::resend));
    }
    sessions
        .into_iter()
        .map(|(me, mut session)| {
            let end = match (session.outcome(), faults.remove(&me)) {
                (_, Some(fault)) => End::Fault(fault),
                (Some(outcome), None) => End::Done(outcome),
                (None, None) => End::Stuck,
            };
            (me.get(), end)
        })
        .collect()
}

pub(crate) fn honest(envelope: Envelope) -> Vec<Envelope> {
    vec![envelope]
}
