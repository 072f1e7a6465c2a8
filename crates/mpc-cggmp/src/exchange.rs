//! From the engine's messages to the session's rounds and back.

use std::collections::BTreeMap;

use cggmp24::round_based::{Incoming, MessageDestination, MessageType, Outgoing as EngineOutgoing};
use cohold_model::ids::PartyIndex;
use cohold_mpc::{Fault, Inbox, Outgoing, Reason};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::committee::Committee;
use crate::wire;

/// What every party sends in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kinds<K> {
    pub(crate) broadcast: Option<K>,
    pub(crate) direct: Option<K>,
}

/// A message of the engine whose kind can be told.
pub(crate) trait Kinded {
    type Kind: PartialEq;
    fn kind(&self) -> Self::Kind;
}

/// One broadcast at most, behind `prefix`, and one message to each at most.
pub(crate) fn outgoing<M: Serialize>(
    messages: Vec<EngineOutgoing<M>>,
    committee: &Committee,
    prefix: &[u8],
) -> Result<Outgoing, Fault> {
    let broken = || Fault::freeze(Reason::Engine);
    let (mut broadcast, mut direct) = (None, BTreeMap::new());
    for message in messages {
        let bytes = wire::encode(&message.msg)?;
        let before = match message.recipient {
            MessageDestination::AllParties => broadcast.replace([prefix, &bytes].concat()).is_some(),
            MessageDestination::OneParty(number) => {
                let to = committee.party(number).ok_or_else(broken)?;
                direct.insert(to, Zeroizing::new(bytes)).is_some()
            }
        };
        if before {
            return Err(broken());
        }
    }
    Ok(Outgoing { broadcast, direct })
}

/// The messages of a round, each of the kind that it asks for and nothing beside. `broadcasts` are those of
/// `inbox` without their prefix.
pub(crate) fn incoming<M: DeserializeOwned + Kinded>(
    inbox: &Inbox,
    broadcasts: &BTreeMap<PartyIndex, &[u8]>,
    committee: &Committee,
    kinds: &Kinds<M::Kind>,
) -> Result<Vec<Incoming<M>>, Fault> {
    let mut messages = Vec::new();
    for from in inbox.peers() {
        let malformed = || Fault::retry(Reason::Malformed { from });
        let sender = committee.number(from).ok_or_else(|| Fault::retry(Reason::LocalState))?;
        let direct = inbox.message(from).and_then(|message| message.direct.as_ref());
        let parts = [
            (&kinds.broadcast, broadcasts.get(&from).copied(), MessageType::Broadcast),
            (&kinds.direct, direct.map(|bytes| bytes.as_slice()), MessageType::P2P),
        ];
        for (kind, bytes, msg_type) in parts {
            let (kind, bytes) = match (kind, bytes) {
                (None, None) => continue,
                (Some(kind), Some(bytes)) => (kind, bytes),
                (None, Some(_)) | (Some(_), None) => return Err(malformed()),
            };
            let msg: M = wire::decode(from, bytes)?;
            if msg.kind() != *kind {
                return Err(malformed());
            }
            let id = u64::try_from(messages.len()).unwrap_or(u64::MAX);
            messages.push(Incoming { id, sender, msg_type, msg });
        }
    }
    // All of one kind first, as the engine asks for them.
    messages.sort_by_key(|message| message.msg_type == MessageType::P2P);
    Ok(messages)
}

/// The broadcast of each peer as it came; nothing of who sent none.
pub(crate) fn broadcasts(inbox: &Inbox) -> BTreeMap<PartyIndex, &[u8]> {
    let each = inbox.peers().filter_map(|from| {
        let broadcast = inbox.message(from)?.broadcast.as_deref()?;
        Some((from, broadcast))
    });
    each.collect()
}

/// The same behind a prefix that must be our own; a party with another one works on something else.
pub(crate) fn broadcasts_behind<'a>(
    inbox: &'a Inbox,
    prefix: &[u8],
) -> Result<BTreeMap<PartyIndex, &'a [u8]>, Fault> {
    let mut stripped = broadcasts(inbox);
    for (&from, bytes) in &mut stripped {
        let rest = bytes.strip_prefix(prefix);
        *bytes = rest.ok_or_else(|| Fault::retry(Reason::Disagreement { from }))?;
    }
    Ok(stripped)
}
