//! Keys that were opened a moment ago, for the next signature.
//!
//! Opening a key costs more than half a millisecond: 105 kB are decrypted and parsed, and the share is
//! checked against the public ones. A party whose vault is open has the key-encryption key in memory,
//! and the sealed shares on its disk: whoever reads its memory and its disk has every share of it. What
//! is kept here adds, for who reads the memory alone, the shares of the accounts that signed last: few,
//! for a minute, wiped when dropped. Bans are not kept here; they are read from the store each time.
//!
//! A hardware token never shows its key to this process, so there these few shares are all that memory and
//! disk together give. A token that is taken away stops signatures within that minute, not at once
//! (`docs/adr/0016-hardware-token.md`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cohold_model::{AccountId, Engine, Epoch};

use crate::keeper::OpenedKey;

/// The most keys that are kept; whichever was used longest ago goes first.
const KEPT_MAX: usize = 64;
/// How long a key is kept after its last use.
pub(crate) const IDLE_MAX: Duration = Duration::from_secs(60);

/// Opened keys by their places, and when each was used last.
#[derive(Default)]
pub(crate) struct OpenedKeys(Mutex<Kept>);

/// Account, epoch, and the engine whose data lies beside the share.
type Place = (AccountId, Epoch, Engine);
type Kept = HashMap<Place, (Instant, Arc<OpenedKey>)>;

impl OpenedKeys {
    /// A key that was opened a moment ago.
    pub(crate) fn find(&self, place: Place, now: Instant) -> Option<Arc<OpenedKey>> {
        let mut kept = self.kept(now);
        let (used, key) = kept.get_mut(&place)?;
        *used = now;
        Some(Arc::clone(key))
    }

    /// Keeps a key for a while.
    pub(crate) fn keep(&self, place: Place, key: &Arc<OpenedKey>, now: Instant) {
        let mut kept = self.kept(now);
        if kept.len() >= KEPT_MAX
            && let Some(oldest) = kept.iter().min_by_key(|(_, (used, _))| *used).map(|(place, _)| *place)
        {
            kept.remove(&oldest);
        }
        kept.insert(place, (now, Arc::clone(key)));
    }

    /// Drops an account's keys at once.
    pub(crate) fn forget(&self, account: AccountId) {
        self.kept(Instant::now()).retain(|(of, ..), _| *of != account);
    }

    /// Drops what was not used for [`IDLE_MAX`].
    pub(crate) fn forget_idle(&self, now: Instant) {
        drop(self.kept(now));
    }

    fn kept(&self, now: Instant) -> MutexGuard<'_, Kept> {
        // No code panics while it holds this lock; if it did, the map would still be whole.
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, (used, _)| now.saturating_duration_since(*used) < IDLE_MAX);
        kept
    }
}
