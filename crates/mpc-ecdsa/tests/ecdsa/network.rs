//! An in-memory network whose relay does what it likes, and a party whose messages are rewritten
//! before they are sealed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use cohold_model::canonical::Digest;
use cohold_model::ids::{AccountId, Epoch, PartyIndex, SessionId};
use cohold_mpc::channel::{Direction, Opener, Payload, Sealer};
use cohold_mpc::{Envelope, Fault, Outcome, PartyKeys, Protocol, Session, SessionContext};
use cohold_mpc_ecdsa::{
    Auxiliary, AuxiliarySetup, GeneratedKey, KeyGeneration, RecoverableSignature, Share, Signing,
    SigningDigest,
};
use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use k256::ecdsa::signature::hazmat::PrehashVerifier as _;
use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};

pub(crate) const DIGEST: SigningDigest = SigningDigest([0x5a; 32]);

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

/// What is inside an envelope, to be rewritten.
pub(crate) struct Inside {
    pub(crate) broadcast: Option<Vec<u8>>,
    pub(crate) direct: Option<Vec<u8>>,
    /// The broadcast of an honest party in the same round.
    pub(crate) heard: Option<Vec<u8>>,
}

/// A corrupt party: runs the protocol, but waits for an honest message of each round before it sends its
/// own, rewritten and sealed anew with its own keys. It echoes what the honest party echoed, so that only
/// an equivocation is found by the echo.
pub(crate) struct Corrupt {
    from: PartyIndex,
    ends: BTreeMap<PartyIndex, (Opener, Sealer)>,
    ears: BTreeMap<PartyIndex, Opener>,
    heard: BTreeMap<u16, (Vec<u8>, Option<Vec<u8>>)>,
    held: Vec<Envelope>,
    sent: BTreeMap<(PartyIndex, u16), Envelope>,
}

impl Corrupt {
    pub(crate) fn new(context: &SessionContext) -> Self {
        let SessionContext { account, epoch, session, me: from, ref peers } = *context;
        let (mut ends, mut ears) = (BTreeMap::new(), BTreeMap::new());
        for &to in peers.keys() {
            let out = Direction { account, epoch, session, from, to };
            let back = Direction { from: to, to: from, ..out };
            let opener = Opener::new(out, &keys(to).seal, keys(from).seal_key());
            let sealer = Sealer::new(out, &keys(from).seal, &keys(to).seal_key(), &mut rng()).unwrap();
            ends.insert(to, (opener, sealer));
            ears.insert(to, Opener::new(back, &keys(from).seal, keys(to).seal_key()));
        }
        Self { from, ends, ears, heard: BTreeMap::new(), held: Vec::new(), sent: BTreeMap::new() }
    }

    /// What arrives instead of `envelope`; the others' envelopes pass.
    pub(crate) fn relay(
        &mut self,
        envelope: Envelope,
        mut rewrite: impl FnMut(u16, u8, &mut Inside),
    ) -> Vec<Envelope> {
        let mut arriving = Vec::new();
        if envelope.from == self.from {
            self.held.push(envelope);
        } else {
            self.listen(&envelope);
            arriving.push(envelope);
        }
        let (ready, held): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.held).into_iter().partition(|e| self.heard.contains_key(&e.round));
        self.held = held;
        arriving.extend(ready.into_iter().map(|envelope| self.forge(&envelope, &mut rewrite)));
        arriving
    }

    fn listen(&mut self, envelope: &Envelope) {
        if envelope.to == self.from && !self.heard.contains_key(&envelope.round) {
            let plain = self.ears.get_mut(&envelope.from).unwrap().open(envelope).unwrap();
            let payload = Payload::decode(&plain).unwrap();
            let heard = (payload.echo.to_vec(), payload.broadcast.map(<[u8]>::to_vec));
            self.heard.insert(envelope.round, heard);
        }
    }

    fn forge(&mut self, envelope: &Envelope, rewrite: &mut impl FnMut(u16, u8, &mut Inside)) -> Envelope {
        let place = (envelope.to, envelope.round);
        if let Some(before) = self.sent.get(&place) {
            return before.clone();
        }
        let (opener, sealer) = self.ends.get_mut(&envelope.to).unwrap();
        let plain = opener.open(envelope).unwrap();
        let payload = Payload::decode(&plain).unwrap();
        let own = |part: Option<&[u8]>| part.map(<[u8]>::to_vec);
        let (echo, heard) = self.heard[&envelope.round].clone();
        let mut inside = Inside { broadcast: own(payload.broadcast), direct: own(payload.direct), heard };
        rewrite(envelope.round, envelope.to.get(), &mut inside);
        let payload = Payload {
            from: self.from,
            echo: &echo,
            broadcast: inside.broadcast.as_deref(),
            direct: inside.direct.as_deref(),
        };
        let sealed = sealer.seal(envelope.round, &payload).unwrap();
        self.sent.insert(place, sealed.clone());
        sealed
    }
}
