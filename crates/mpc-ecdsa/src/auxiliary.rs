//! Auxiliary data: what the engine keeps with each peer (oblivious-transfer setup and a common seed).
//! Secret, but no asset: it can be made again from shares alone.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use cohold_model::canonical::Digest;
use cohold_model::ids::PartyIndex;
use dkls23_secp256k1::Party;
use dkls23_secp256k1::utilities::multiplication::{MulReceiver, MulSender};
use dkls23_secp256k1::utilities::zero_shares::SeedPair;
use k256::Secp256k1;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::engine::assemble;
use crate::share::Share;

/// The version that [`Auxiliary::to_secret_bytes`] writes. Older ones stay readable for ever.
const VERSION: u8 = 1;

/// More than what one pair takes, so that the buffer never moves and leaves no copy behind.
const PAIR_BYTES_MAX: usize = 64 * 1024;

/// The engine's data for one party of one key. Not `Clone`, not printable; its parts are wiped on drop.
#[derive(Serialize, Deserialize)]
pub struct Auxiliary {
    index: PartyIndex,
    key: [u8; 32],
    pairs: BTreeMap<PartyIndex, Pair>,
    /// The engine's party with these pairs, once it was needed: it is a copy of them all.
    #[serde(skip)]
    assembled: OnceLock<Arc<Party>>,
}

/// What is kept with one peer. All parts wipe themselves on drop.
#[derive(Serialize, Deserialize)]
pub(crate) struct Pair {
    pub(crate) seed: SeedPair,
    pub(crate) sender: MulSender<Secp256k1>,
    pub(crate) receiver: MulReceiver<Secp256k1>,
}

/// Why bytes are not auxiliary data, or not the right ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuxiliaryError {
    /// A version that this build does not read.
    #[error("auxiliary data version `{found}` is not known: update this party")]
    Version {
        /// Version found.
        found: u8,
    },
    /// Not auxiliary data.
    #[error("the bytes are not auxiliary data: set the pairs up again")]
    Malformed,
    /// Made for another party or for other shares.
    #[error("the auxiliary data belongs to another share: set the pairs up again")]
    Foreign,
}

impl Auxiliary {
    pub(crate) fn new(index: PartyIndex, key: Digest, pairs: BTreeMap<PartyIndex, Pair>) -> Self {
        Self { index, key: key.0, pairs, assembled: OnceLock::new() }
    }

    /// Takes the pairs out of a party that key generation made.
    pub(crate) fn from_party(share: &Share, party: &Party) -> Option<Self> {
        let pairs = party.zero_share.seeds.iter().map(|seed| {
            let sender = party.mul_senders.get(&seed.index_counterparty)?.clone();
            let receiver = party.mul_receivers.get(&seed.index_counterparty)?.clone();
            let peer = PartyIndex::try_from(seed.index_counterparty.as_u8()).ok()?;
            Some((peer, Pair { seed: seed.clone(), sender, receiver }))
        });
        Some(Self::new(share.index(), share.key().digest(), pairs.collect::<Option<_>>()?))
    }

    /// The peers that this data serves, in order.
    pub fn peers(&self) -> impl Iterator<Item = PartyIndex> {
        self.pairs.keys().copied()
    }

    /// Whether it was made for this very share.
    #[must_use]
    pub fn belongs_to(&self, share: &Share) -> bool {
        (self.index, Digest(self.key)) == (share.index(), share.key().digest())
    }

    /// Takes in newer data for the same share: pairs that both have are replaced.
    pub fn merge(&mut self, newer: Self) -> Result<(), AuxiliaryError> {
        if (self.index, self.key) != (newer.index, newer.key) {
            return Err(AuxiliaryError::Foreign);
        }
        self.pairs.extend(newer.pairs);
        self.assembled = OnceLock::new();
        Ok(())
    }

    /// Drops what is kept with one peer, as after a ban.
    pub fn forget(&mut self, peer: PartyIndex) {
        self.pairs.remove(&peer);
        self.assembled = OnceLock::new();
    }

    /// The engine's party from the share that this belongs to and all pairs.
    pub(crate) fn party(&self, share: &Share) -> Result<Arc<Party>, AuxiliaryError> {
        if !self.belongs_to(share) {
            return Err(AuxiliaryError::Foreign);
        }
        if let Some(party) = self.assembled.get() {
            return Ok(Arc::clone(party));
        }
        let party = assemble(share, &self.pairs).map_err(|_| AuxiliaryError::Malformed)?;
        Ok(Arc::clone(self.assembled.get_or_init(|| Arc::new(party))))
    }

    pub(crate) fn pair(&self, peer: PartyIndex) -> Option<&Pair> {
        self.pairs.get(&peer)
    }

    /// The data as bytes, to be sealed apart from the share: a version byte, then postcard.
    #[must_use]
    pub fn to_secret_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut buffer = Vec::with_capacity(64 + self.pairs.len() * PAIR_BYTES_MAX);
        buffer.push(VERSION);
        // Serialising plain data into memory does not fail; empty bytes would be refused on reading.
        Zeroizing::new(postcard::to_extend(self, buffer).unwrap_or_default())
    }

    /// Reads what [`Auxiliary::to_secret_bytes`] wrote and checks its dimensions. Whether it serves a
    /// share, [`Auxiliary::belongs_to`] tells.
    pub fn from_secret_bytes(bytes: &[u8]) -> Result<Self, AuxiliaryError> {
        let auxiliary = match bytes.split_first() {
            None => return Err(AuxiliaryError::Malformed),
            Some((&VERSION, body)) => match postcard::take_from_bytes::<Self>(body) {
                Ok((auxiliary, [])) => auxiliary,
                Ok(_) | Err(_) => return Err(AuxiliaryError::Malformed),
            },
            Some((&found, _)) => return Err(AuxiliaryError::Version { found }),
        };
        let index = auxiliary.index;
        if auxiliary.pairs.iter().all(|(peer, pair)| pair.is_sound(index, *peer)) {
            Ok(auxiliary)
        } else {
            Err(AuxiliaryError::Malformed)
        }
    }
}

impl Pair {
    /// Dimensions and direction; what is inside shows when signing.
    pub(crate) fn is_sound(&self, index: PartyIndex, peer: PartyIndex) -> bool {
        index != peer
            && self.seed.index_counterparty.as_u8() == peer.get()
            && self.seed.lowest_index == (index < peer)
            && self.sender.check_state().is_ok()
            && self.receiver.check_state(None).is_ok()
    }
}

impl std::fmt::Debug for Auxiliary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let peers: Vec<PartyIndex> = self.peers().collect();
        write!(f, "Auxiliary({} with {peers:?})", self.index)
    }
}
