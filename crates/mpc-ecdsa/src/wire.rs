//! Engine messages as bytes: postcard, read whole or not at all.

use std::collections::BTreeMap;

use cohold_model::ids::PartyIndex;
use cohold_mpc::{Fault, Inbox, Reason};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

/// Room for a message. The buffer never moves, so that no copy is left behind, and it is wiped whole,
/// which takes time: so it is not much larger than what goes in.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Room {
    /// Commitments, and what is opened of them: 5 kB at most.
    Small,
    /// The multiplication of one signature: 54 kB.
    Signing,
    /// The setup of a pair: 153 kB.
    Setup,
}

/// Serialising plain data into memory does not fail; if it did, our own state would be at fault.
pub(crate) fn encode<T: Serialize>(message: &T, room: Room) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let capacity = match room {
        Room::Small => 6 * 1024,
        Room::Signing => 56 * 1024,
        Room::Setup => 160 * 1024,
    };
    let mut bytes = Zeroizing::new(Vec::with_capacity(capacity));
    let buffer = std::mem::take(&mut *bytes);
    *bytes = postcard::to_extend(message, buffer).map_err(|_| Fault::retry(Reason::LocalState))?;
    debug_assert!(bytes.len() <= capacity, "{} bytes do not fit {room:?}", bytes.len());
    Ok(bytes)
}

pub(crate) fn decode<T: DeserializeOwned>(from: PartyIndex, bytes: &[u8]) -> Result<T, Fault> {
    match postcard::take_from_bytes(bytes) {
        Ok((message, [])) => Ok(message),
        Ok(_) | Err(_) => Err(Fault::retry(Reason::Malformed { from })),
    }
}

/// The direct message of every peer.
pub(crate) fn directs<T: DeserializeOwned>(inbox: &Inbox) -> Result<BTreeMap<PartyIndex, T>, Fault> {
    inbox
        .directs()
        .map(|message| message.and_then(|(from, bytes)| Ok((from, decode(from, bytes)?))))
        .collect()
}

/// The broadcast of every peer.
pub(crate) fn broadcasts<T: DeserializeOwned>(inbox: &Inbox) -> Result<BTreeMap<PartyIndex, T>, Fault> {
    inbox
        .broadcasts()
        .map(|message| message.and_then(|(from, bytes)| Ok((from, decode(from, bytes)?))))
        .collect()
}
