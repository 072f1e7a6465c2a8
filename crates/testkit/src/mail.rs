//! What parties told the coordinator, in the order in which it came, for ever.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cohold_model::IdentityKey;
use cohold_party::wire::FromParty;

/// One message of a party.
#[derive(Debug, Clone)]
pub struct Letter {
    /// Who sent it, by its login.
    pub from: IdentityKey,
    /// What it said.
    pub words: FromParty,
}

/// All that came so far.
#[derive(Debug, Default)]
pub struct Mail {
    letters: Mutex<Vec<Letter>>,
    arrived: Condvar,
}

impl Mail {
    pub(crate) fn push(&self, letter: Letter) {
        self.lock().push(letter);
        self.arrived.notify_all();
    }

    /// How many letters came so far: a place to wait from.
    #[must_use]
    pub fn mark(&self) -> usize {
        self.lock().len()
    }

    /// Everything since `mark`.
    #[must_use]
    pub fn since(&self, mark: usize) -> Vec<Letter> {
        self.lock().get(mark..).unwrap_or_default().to_vec()
    }

    /// The first letter since `mark` in which `find` finds something; none after `patience`.
    pub fn wait<T>(
        &self,
        mark: usize,
        patience: Duration,
        mut find: impl FnMut(&Letter) -> Option<T>,
    ) -> Option<T> {
        let deadline = Instant::now() + patience;
        let (mut letters, mut seen) = (self.lock(), mark);
        loop {
            if let Some(found) = letters.iter().skip(seen).find_map(&mut find) {
                return Some(found);
            }
            seen = letters.len();
            let left = deadline.checked_duration_since(Instant::now())?;
            letters = self.arrived.wait_timeout(letters, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Letter>> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
