//! Waiting for a request: whoever asks is told as soon as there is something new, and need not ask
//! again and again.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use cohold_api::RequestView;
use cohold_model::RequestId;
use cohold_model::receipt::Status;
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::coordinator::Coordinator;
use crate::error::Error;

/// The most that wait at a time; who comes after them is answered at once.
const WAITING_MAX: usize = 256;
/// Requests share bells: who hears one rung for another looks once in vain.
const BELLS: usize = 256;

/// Rung whenever a request has come further.
#[derive(Debug)]
pub(crate) struct Bells {
    bells: Vec<Notify>,
    places: Semaphore,
}

impl Default for Bells {
    fn default() -> Self {
        Self { bells: (0..BELLS).map(|_| Notify::new()).collect(), places: Semaphore::new(WAITING_MAX) }
    }
}

impl Bells {
    /// Tells whoever waits for this request to look again.
    pub(crate) fn ring(&self, request: RequestId) {
        if let Some(bell) = self.bell(request) {
            bell.notify_waiters();
        }
    }

    fn bell(&self, request: RequestId) -> Option<&Notify> {
        let mut hasher = DefaultHasher::new();
        request.hash(&mut hasher);
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
            let Some(bell) = self.bells.bell(request) else { return self.request_show(request).await };
            let rung = bell.notified();
            tokio::pin!(rung);
            // Registered before the look, so that nothing that comes between is missed.
            rung.as_mut().enable();
            let view = self.request_show(request).await?;
            let there = view.status >= wanted || view.status.is_end();
            if there || place.is_err() || timeout_at(deadline, rung).await.is_err() {
                return Ok(view);
            }
        }
    }
}
