//! What a multi-party protocol is to the session that drives it: rounds of messages, then an output.

use std::collections::BTreeMap;

use cohold_model::canonical::{Digest, digest_parts};
use cohold_model::ids::PartyIndex;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::fault::{Fault, Reason};

/// A protocol among a fixed set of parties, run by [`Session`](crate::Session). It never sees
/// envelopes: what reaches it is authenticated, complete for its round, and echoed.
pub trait Protocol {
    /// What the run is for.
    type Output;

    /// Whether the output is withheld until every party has confirmed that it saw the same
    /// broadcasts. Needed wherever a broadcast of the last round enters the output unchecked.
    const CONFIRMED: bool;

    /// The first step.
    fn start(&mut self, rng: &mut impl CryptoRng) -> Result<Step<Self::Output>, Fault>;

    /// The next step, given the messages of all peers of the round that was sent last.
    fn round(&mut self, inbox: Inbox, rng: &mut impl CryptoRng) -> Result<Step<Self::Output>, Fault>;
}

/// What a protocol does next.
pub enum Step<T> {
    /// Sends, and waits for the same round of all peers.
    Send(Outgoing),
    /// Is done.
    Done(T),
}

/// The messages of one round.
#[derive(Default)]
pub struct Outgoing {
    /// The same for all peers, and echoed: a party that sends different ones aborts the run.
    pub broadcast: Option<Vec<u8>>,
    /// For one peer each.
    pub direct: BTreeMap<PartyIndex, Zeroizing<Vec<u8>>>,
}

/// What one peer sent in a round.
#[derive(Default)]
pub struct Message {
    /// To all.
    pub broadcast: Option<Vec<u8>>,
    /// To us.
    pub direct: Option<Zeroizing<Vec<u8>>>,
}

/// The messages of all peers for one round.
#[derive(Default)]
pub struct Inbox(pub(crate) BTreeMap<PartyIndex, Message>);

impl Inbox {
    /// The peers, in order.
    pub fn peers(&self) -> impl Iterator<Item = PartyIndex> {
        self.0.keys().copied()
    }

    /// What one peer sent, where not all send the same kinds of message.
    #[must_use]
    pub fn message(&self, from: PartyIndex) -> Option<&Message> {
        self.0.get(&from)
    }

    /// The broadcast of each peer, in order; a peer without one is at fault.
    pub fn broadcasts(&self) -> impl Iterator<Item = Result<(PartyIndex, &[u8]), Fault>> {
        self.0.iter().map(|(&from, message)| {
            let broadcast = message.broadcast.as_deref();
            broadcast.map(|bytes| (from, bytes)).ok_or_else(|| Fault::retry(Reason::Malformed { from }))
        })
    }

    /// The direct message of each peer, in order; a peer without one is at fault.
    pub fn directs(&self) -> impl Iterator<Item = Result<(PartyIndex, &[u8]), Fault>> {
        self.0.iter().map(|(&from, message)| {
            let direct = message.direct.as_ref().map(|bytes| bytes.as_slice());
            direct.map(|bytes| (from, bytes)).ok_or_else(|| Fault::retry(Reason::Malformed { from }))
        })
    }

    /// Digest of what `from` sent, for [`Evidence`](crate::Evidence).
    #[must_use]
    pub fn digest(&self, from: PartyIndex) -> Digest {
        let message = self.0.get(&from);
        let broadcast = message.and_then(|m| m.broadcast.as_deref()).unwrap_or_default();
        let direct = message.and_then(|m| m.direct.as_deref()).map(Vec::as_slice).unwrap_or_default();
        digest_parts("cohold/mpc/message/v1", &[broadcast, direct])
    }
}
