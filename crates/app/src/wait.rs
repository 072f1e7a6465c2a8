//! Waiting for a request: whoever asks is told as soon as there is something new, and need not ask
//! again and again.

use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use cohold_api::RequestView;
use cohold_model::RequestId;
use cohold_model::receipt::Status;
use tokio::sync::futures::OwnedNotified;
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::coordinator::Coordinator;
use crate::error::Error;

/// The most that wait at a time; who comes after them is answered at once.
const WAITING_MAX: usize = 256;
/// Requests share bells: who hears one rung for another looks once in vain.
const BELLS: usize = 256;

/// Rung whenever a request has come further, or an account's requests have.
#[derive(Debug)]
pub(crate) struct Bells {
    bells: Vec<Arc<Notify>>,
    places: Semaphore,
}

impl Default for Bells {
    fn default() -> Self {
        Self { bells: (0..BELLS).map(|_| Arc::default()).collect(), places: Semaphore::new(WAITING_MAX) }
    }
}

impl Bells {
    /// Tells whoever waits for this request or account to look again.
    pub(crate) fn ring(&self, what: impl Hash) {
        if let Some(bell) = self.bell(what) {
            bell.notify_waiters();
        }
    }

    /// Comes true when it rings for this request or account; whatever rings from now on counts.
    pub(crate) fn hear(&self, what: impl Hash) -> Pin<Box<OwnedNotified>> {
        let bell = self.bell(what).map_or_else(Arc::default, Arc::clone);
        let mut rung = Box::pin(bell.notified_owned());
        rung.as_mut().enable();
        rung
    }

    fn bell(&self, what: impl Hash) -> Option<&Arc<Notify>> {
        let mut hasher = DefaultHasher::new();
        what.hash(&mut hasher);
        let last_byte = hasher.finish().to_be_bytes().last().copied().unwrap_or_default();
        self.bells.get(usize::from(last_byte) % BELLS)
    }
}

impl Coordinator {
    /// One request, as soon as it has come to `wanted` or beyond, or has ended; at the latest after
    /// `patience`, wherever it stands then.
    pub async fn request_wait(
        &self,
        request: RequestId,
        wanted: Status,
        patience: Duration,
    ) -> Result<RequestView, Error> {
        let deadline = Instant::now() + patience;
        let place = self.bells.places.try_acquire();
        loop {
            // Heard from before the look, so that nothing that comes between is missed.
            let rung = self.bells.hear(request);
            let view = self.request_show(request).await?;
            let there = view.status >= wanted || view.status.is_end();
            if there || place.is_err() || timeout_at(deadline, rung).await.is_err() {
                return Ok(view);
            }
        }
    }
}
