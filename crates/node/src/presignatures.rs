//! Presignatures that wait for what they will sign, in memory only: a process that ends loses its own, and
//! no copy of a disk holds any (docs/adr/0018).

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cohold_model::{AccountId, Digest, PresignatureIndex, PresignatureUse, SigningSet};
use cohold_mpc_cggmp::Presignature;

/// The most that a signing set may have ready.
pub const PRESIGNATURES_MAX: u8 = 64;
/// The most signing sets that have any.
const SETS_MAX: usize = 256;

/// The presignatures of a party, by signing set.
#[derive(Default)]
pub struct Presignatures {
    /// How many a signing set has ready.
    room: u8,
    pools: Mutex<Pools>,
}

#[derive(Default)]
struct Pools {
    /// How many pools there ever were.
    begun: u64,
    pools: HashMap<SigningSet, Pool>,
}

struct Pool {
    /// No other has it: what was begun for a pool is not kept in the one that follows a flush.
    id: u64,
    /// Digest of the charter that they were made under.
    charter: Digest,
    ready: BTreeMap<PresignatureIndex, Presignature>,
    making: bool,
}

/// What a party has ready of a signing set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) set: SigningSet,
    pub(crate) charter: Digest,
    pub(crate) indices: Vec<PresignatureIndex>,
}

/// A presignature that is being made; the only one of its set, until dropped.
pub(crate) struct Making {
    of: Arc<Presignatures>,
    set: SigningSet,
    pool: u64,
}

impl Presignatures {
    /// Room for so many ready in each signing set, at most [`PRESIGNATURES_MAX`].
    #[must_use]
    pub fn new(room: u8) -> Arc<Self> {
        Arc::new(Self { room: room.min(PRESIGNATURES_MAX), ..Self::default() })
    }

    /// How many a signing set has ready at most.
    pub(crate) fn room(&self) -> u8 {
        self.room
    }

    /// Whether there is this one.
    pub(crate) fn holds(&self, wanted: &PresignatureUse) -> bool {
        let pools = self.lock();
        pools.pools.get(&wanted.set).is_some_and(|pool| pool.ready.contains_key(&wanted.index))
    }

    /// Gives one out, once. The caller has counted it durably.
    pub(crate) fn take(&self, counted: &PresignatureUse) -> Option<Presignature> {
        let mut pools = self.lock();
        let pool = pools.pools.get_mut(&counted.set)?;
        // Lower ones are counted as well by now: nobody grants them any more.
        let later = pool.ready.split_off(&counted.index);
        pool.ready = later;
        pool.ready.remove(&counted.index)
    }

    /// Takes the place of whoever makes a presignature of a set; none where it is taken, or there are too
    /// many sets. The number that follows all that are ready.
    pub(crate) fn begin(
        self: &Arc<Self>,
        set: &SigningSet,
        charter: Digest,
    ) -> Option<(Making, Option<PresignatureIndex>)> {
        let mut pools = self.lock();
        if !pools.pools.contains_key(set) && pools.pools.len() >= SETS_MAX {
            return None;
        }
        pools.begun = pools.begun.wrapping_add(1);
        let id = pools.begun;
        let new = || Pool { id, charter, ready: BTreeMap::new(), making: false };
        let pool = pools.pools.entry(set.clone()).or_insert_with(new);
        if pool.making {
            return None;
        }
        if pool.charter != charter {
            *pool = new();
        }
        pool.making = true;
        let id = pool.id;
        let after = pool.ready.last_key_value().and_then(|(index, _)| index.next());
        Some((Making { of: Arc::clone(self), set: set.clone(), pool: id }, after))
    }

    /// Drops all of an account.
    pub(crate) fn flush(&self, account: AccountId) {
        self.lock().pools.retain(|set, _| set.account != account);
    }

    /// All that are ready.
    pub(crate) fn ready(&self) -> Vec<Ready> {
        let pools = self.lock();
        let ready = pools.pools.iter().map(|(set, pool)| Ready {
            set: set.clone(),
            charter: pool.charter,
            indices: pool.ready.keys().copied().collect(),
        });
        ready.collect()
    }

    fn lock(&self) -> MutexGuard<'_, Pools> {
        // No code panics while it holds this lock; if it did, the pools would still be whole.
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Making {
    /// Keeps what was made, instead of the oldest where there are enough; not after a flush.
    pub(crate) fn keep(self, presignature: Presignature) -> bool {
        let mut pools = self.of.lock();
        let pool = pools.pools.get_mut(&self.set).filter(|pool| pool.id == self.pool);
        let Some(pool) = pool else { return false };
        while pool.ready.len() >= usize::from(self.of.room) {
            if pool.ready.pop_first().is_none() {
                return false;
            }
        }
        pool.ready.insert(presignature.index(), presignature).is_none()
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        let mut pools = self.of.lock();
        if let Some(pool) = pools.pools.get_mut(&self.set).filter(|pool| pool.id == self.pool) {
            pool.making = false;
        }
    }
}

impl std::fmt::Debug for Presignatures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ready: usize = self.lock().pools.values().map(|pool| pool.ready.len()).sum();
        write!(f, "Presignatures({ready} ready)")
    }
}
