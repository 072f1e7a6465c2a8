//! Engine messages as bytes: postcard, read whole or not at all.

use std::collections::BTreeMap;

use cohold_model::ids::PartyIndex;
use cohold_mpc::{Fault, Inbox, Reason};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

/// The largest engine message has 153 kB; a buffer that never moves leaves no copies behind.
const CAPACITY: usize = 160 * 1024;

/// Serialising plain data into memory does not fail; if it did, our own state would be at fault.
pub(crate) fn encode<T: Serialize>(message: &T) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(CAPACITY));
    let buffer = std::mem::take(&mut *bytes);
    *bytes = postcard::to_extend(message, buffer).map_err(|_| Fault::retry(Reason::LocalState))?;
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
