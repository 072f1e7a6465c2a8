//! Charters in force, read and hashed once: each signature needs one, and none ever changes. Whether it
//! is in force, and who is banned from it, the store says each time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cohold_model::charter::Charter;
use cohold_model::{AccountId, Hashed};

/// The most that are kept, some kilobytes each; when they are too many, all are forgotten.
const KEPT_MAX: usize = 1024;

/// Charters that were looked at.
#[derive(Default)]
pub(crate) struct Charters(Mutex<HashMap<AccountId, Arc<Hashed<Charter>>>>);

impl Charters {
    /// The account's charter, if it is the one with this digest.
    pub(crate) fn find(&self, account: AccountId, digest: &str) -> Option<Arc<Hashed<Charter>>> {
        let charter = self.kept().get(&account).map(Arc::clone)?;
        (charter.digest().to_string() == digest).then_some(charter)
    }

    /// Keeps a charter that the store has in force.
    pub(crate) fn keep(&self, charter: Charter) -> Arc<Hashed<Charter>> {
        let charter = Arc::new(Hashed::new(charter));
        let mut kept = self.kept();
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(charter.terms.account, Arc::clone(&charter));
        charter
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<AccountId, Arc<Hashed<Charter>>>> {
        // No code panics while it holds this lock; if it did, the map would still be whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
