//! The session: drives one protocol among fixed parties over a relay that may read headers, lose,
//! repeat, reorder, forge and transplant.
//!
//! - What does not open under the sender's key for exactly this place is ignored, and so is what was
//!   already received: it aborts nothing.
//! - Each message carries an echo: the sender's digest over all broadcasts so far. Two parties that
//!   saw different broadcasts, or mean different participants, find out in the next round.
//! - At most one message per peer is held for the current round and one for the next.

use std::collections::BTreeMap;

use cohold_model::canonical::Digest;
use cohold_model::identity::SealKey;
use cohold_model::ids::{AccountId, Epoch, PartyIndex, SessionId};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::channel::{Direction, Opener, Payload, SealError, Sealer};
use crate::envelope::Envelope;
use crate::fault::{Fault, Reason};
use crate::keys::SealSecret;
use crate::protocol::{Inbox, Message, Outgoing, Protocol, Step};
use crate::transcript::Transcript;

/// The most rounds that a run may have.
pub const ROUNDS_MAX: u16 = 16;

/// What a run is about and who takes part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionContext {
    /// The account.
    pub account: AccountId,
    /// The generation of its shares.
    pub epoch: Epoch,
    /// The run; never used for two.
    pub session: SessionId,
    /// Which party we are.
    pub me: PartyIndex,
    /// The other parties of the run, with the keys on their cards.
    pub peers: BTreeMap<PartyIndex, SealKey>,
}

/// Why a session could not be set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ContextError {
    /// Nobody else takes part.
    #[error("a session needs at least one other party")]
    Alone,
    /// We are our own peer.
    #[error("party `{0}` cannot be its own peer")]
    SelfAmongPeers(PartyIndex),
    /// A peer's key does not work.
    #[error("the card of party `{party}` is refused: {source}")]
    Peer {
        /// Whose key.
        party: PartyIndex,
        /// Why.
        source: SealError,
    },
}

/// What a finished run leaves.
#[derive(Debug)]
pub struct Outcome<T> {
    /// What the protocol gave.
    pub output: T,
    /// Digest over the participants and all broadcasts of the run: the same for all parties, or
    /// somebody equivocated.
    pub transcript: Digest,
}

/// One run of `P` at one party.
pub struct Session<P: Protocol> {
    context: SessionContext,
    peers: BTreeMap<PartyIndex, Peer>,
    state: State<P>,
    /// The round whose messages are awaited; 0 before the start.
    round: u16,
    transcript: Transcript,
    own_broadcast: Option<Vec<u8>>,
    sent_before: Vec<Envelope>,
    sent_last: Vec<Envelope>,
}

struct Peer {
    sealer: Sealer,
    opener: Opener,
    now: Option<Received>,
    next: Option<Received>,
}

struct Received {
    echo: Vec<u8>,
    message: Message,
}

enum State<P: Protocol> {
    Ready(P),
    Running(P),
    Confirming(P::Output),
    Done(P::Output),
    Collected,
    Failed(Fault),
}

impl<P: Protocol> Session<P> {
    /// Sets the run up. Nothing is sent before [`Session::start`].
    pub fn new(
        context: SessionContext,
        secret: &SealSecret,
        protocol: P,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, ContextError> {
        let SessionContext { account, epoch, session, me, ref peers } = context;
        if peers.is_empty() {
            return Err(ContextError::Alone);
        }
        if peers.contains_key(&me) {
            return Err(ContextError::SelfAmongPeers(me));
        }
        let mut participants = peers.clone();
        participants.insert(me, secret.public());
        let transcript = Transcript::new(account, epoch, session, &participants);
        let mut ends = BTreeMap::new();
        for (&party, key) in peers {
            let outward = Direction { account, epoch, session, from: me, to: party };
            let inward = Direction { from: party, to: me, ..outward };
            let sealer = Sealer::new(outward, secret, key, rng)
                .map_err(|source| ContextError::Peer { party, source })?;
            let opener = Opener::new(inward, secret, *key);
            ends.insert(party, Peer { sealer, opener, now: None, next: None });
        }
        Ok(Self {
            context,
            peers: ends,
            state: State::Ready(protocol),
            round: 0,
            transcript,
            own_broadcast: None,
            sent_before: Vec::new(),
            sent_last: Vec::new(),
        })
    }

    /// What the run is about.
    #[must_use]
    pub fn context(&self) -> &SessionContext {
        &self.context
    }

    /// The round whose messages are awaited, from 1; 0 before the start.
    #[must_use]
    pub fn round(&self) -> u16 {
        self.round
    }

    /// The peers whose message of this round has not come.
    pub fn awaited(&self) -> impl Iterator<Item = PartyIndex> {
        self.peers.iter().filter(|(_, peer)| peer.now.is_none()).map(|(party, _)| *party)
    }

    /// Takes the first step; envelopes that came before are taken into account.
    pub fn start(&mut self, rng: &mut impl CryptoRng) -> Result<Vec<Envelope>, Fault> {
        let State::Ready(mut protocol) = self.take_state() else {
            return Err(self.fail(Fault::retry(Reason::OutOfOrder)));
        };
        let step = protocol.start(rng);
        self.state = State::Running(protocol);
        let mut envelopes = step.and_then(|step| self.follow(step)).map_err(|fault| self.fail(fault))?;
        envelopes.extend(self.advance(rng)?);
        Ok(envelopes)
    }

    /// Takes in one envelope and returns what is to be sent in answer, mostly nothing. An error ends
    /// the run, and is returned again for whatever comes later.
    pub fn receive(&mut self, envelope: &Envelope, rng: &mut impl CryptoRng) -> Result<Vec<Envelope>, Fault> {
        match &self.state {
            State::Failed(fault) => return Err(fault.clone()),
            State::Done(_) | State::Collected => return Ok(Vec::new()),
            State::Ready(_) | State::Running(_) | State::Confirming(_) => {}
        }
        let round = self.round;
        let Some(peer) = self.peers.get_mut(&envelope.from) else { return Ok(Vec::new()) };
        let slot = if envelope.round == round && round > 0 {
            &mut peer.now
        } else if envelope.round == round.saturating_add(1) {
            &mut peer.next
        } else {
            return Ok(Vec::new());
        };
        if slot.is_some() {
            return Ok(Vec::new());
        }
        let Some(plain) = peer.opener.open(envelope) else { return Ok(Vec::new()) };
        match read(envelope.from, &plain) {
            Ok(received) => *slot = Some(received),
            Err(reason) => return Err(self.fail(Fault::retry(reason))),
        }
        self.advance(rng)
    }

    /// The output, once: after the last round and, where the protocol asks for it, the confirmation
    /// of all peers.
    pub fn outcome(&mut self) -> Option<Outcome<P::Output>> {
        match std::mem::replace(&mut self.state, State::Collected) {
            State::Done(output) => Some(Outcome { output, transcript: self.transcript.digest() }),
            other => {
                self.state = other;
                None
            }
        }
    }

    /// Whether the run is over for this party, well or badly. Peers may still need [`Session::resend`].
    #[must_use]
    pub fn is_over(&self) -> bool {
        match &self.state {
            State::Done(_) | State::Collected | State::Failed(_) => true,
            State::Ready(_) | State::Running(_) | State::Confirming(_) => false,
        }
    }

    /// The envelopes of the last two rounds, byte for byte, for relays that lose messages. A peer can
    /// be one round behind, never two. Keep a finished session for this until its peers are done.
    #[must_use]
    pub fn resend(&self) -> Vec<Envelope> {
        match &self.state {
            State::Failed(_) => Vec::new(),
            _ => self.sent_before.iter().chain(&self.sent_last).cloned().collect(),
        }
    }

    /// Goes on as long as the messages of the awaited round are all there.
    fn advance(&mut self, rng: &mut impl CryptoRng) -> Result<Vec<Envelope>, Fault> {
        let mut envelopes = Vec::new();
        while self.round > 0 && !self.is_over() && self.peers.values().all(|peer| peer.now.is_some()) {
            let sent = self.turn(rng).map_err(|fault| self.fail(fault))?;
            envelopes.extend(sent);
        }
        Ok(envelopes)
    }

    /// One round whose messages are complete.
    fn turn(&mut self, rng: &mut impl CryptoRng) -> Result<Vec<Envelope>, Fault> {
        let inbox = self.collect()?;
        match self.take_state() {
            State::Running(mut protocol) => {
                let step = protocol.round(inbox, rng)?;
                self.state = State::Running(protocol);
                self.follow(step)
            }
            State::Confirming(output) => {
                self.state = State::Done(output);
                Ok(Vec::new())
            }
            State::Ready(_) | State::Done(_) | State::Collected | State::Failed(_) => {
                Err(Fault::retry(Reason::OutOfOrder))
            }
        }
    }

    /// Takes the messages of the round, compares the echoes, and extends the transcript.
    fn collect(&mut self) -> Result<Inbox, Fault> {
        let expected = self.transcript.digest();
        let mut broadcasts = BTreeMap::from([(self.context.me, self.own_broadcast.take())]);
        let mut inbox = Inbox::default();
        for (&from, peer) in &mut self.peers {
            let Some(Received { echo, message }) = peer.now.take() else {
                return Err(Fault::retry(Reason::OutOfOrder));
            };
            peer.now = peer.next.take();
            if echo != expected.0 {
                return Err(Fault::retry(Reason::Equivocation { reporter: from }));
            }
            broadcasts.insert(from, message.broadcast.clone());
            inbox.0.insert(from, message);
        }
        self.transcript.absorb(self.round, &broadcasts);
        Ok(inbox)
    }

    fn follow(&mut self, step: Step<P::Output>) -> Result<Vec<Envelope>, Fault> {
        match step {
            Step::Send(outgoing) => self.send(outgoing),
            Step::Done(output) if P::CONFIRMED => {
                let envelopes = self.send(Outgoing::default())?;
                self.state = State::Confirming(output);
                Ok(envelopes)
            }
            Step::Done(output) => {
                self.state = State::Done(output);
                Ok(Vec::new())
            }
        }
    }

    fn send(&mut self, outgoing: Outgoing) -> Result<Vec<Envelope>, Fault> {
        let first = self.round == 0;
        self.round += 1;
        if self.round > ROUNDS_MAX || outgoing.direct.keys().any(|to| !self.peers.contains_key(to)) {
            return Err(Fault::retry(Reason::OutOfOrder));
        }
        let echo = self.transcript.digest();
        let mut envelopes = Vec::with_capacity(self.peers.len());
        for (to, peer) in &mut self.peers {
            if first {
                peer.now = peer.next.take();
            }
            let payload = Payload {
                from: self.context.me,
                echo: &echo.0,
                broadcast: outgoing.broadcast.as_deref(),
                direct: outgoing.direct.get(to).map(|bytes| bytes.as_slice()),
            };
            let sealed = peer.sealer.seal(self.round, &payload);
            envelopes.push(sealed.map_err(|_| Fault::retry(Reason::OutOfOrder))?);
        }
        self.own_broadcast = outgoing.broadcast;
        self.sent_before = std::mem::replace(&mut self.sent_last, envelopes.clone());
        Ok(envelopes)
    }

    fn take_state(&mut self) -> State<P> {
        std::mem::replace(&mut self.state, State::Collected)
    }

    /// Ends the run: the protocol and what was received are dropped.
    fn fail(&mut self, fault: Fault) -> Fault {
        self.state = State::Failed(fault.clone());
        for peer in self.peers.values_mut() {
            peer.now = None;
            peer.next = None;
        }
        fault
    }
}

/// Reads what an authenticated envelope held; whoever sealed it answers for it.
fn read(from: PartyIndex, plain: &[u8]) -> Result<Received, Reason> {
    let payload = Payload::decode(plain).ok_or(Reason::Malformed { from })?;
    if payload.from != from {
        return Err(Reason::InnerSender { from });
    }
    Ok(Received {
        echo: payload.echo.to_vec(),
        message: Message {
            broadcast: payload.broadcast.map(<[u8]>::to_vec),
            direct: payload.direct.map(|bytes| Zeroizing::new(bytes.to_vec())),
        },
    })
}
