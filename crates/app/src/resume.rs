//! What a stop cut off is taken up again, and what ran out of time is ended. Signed and submitted
//! requests are taken up by [`crate::follow`].

use std::sync::Arc;
use std::time::Duration;

use crate::account_create::CREATION_SECONDS_MAX;
use crate::coordinator::Coordinator;
use crate::error::Error;

/// How often to look for requests that nobody tends.
const PERIOD: Duration = Duration::from_secs(2);
/// The most that are taken up in one turn.
const TURN_MAX: u32 = 1000;

impl Coordinator {
    /// At the start: accounts that were being made go on or are given up, and so do resharings.
    pub(crate) async fn resume(self: &Arc<Self>) -> Result<(), Error> {
        for row in self.stored(|store| store.account_list_creating()).await? {
            let account = row.proposal.document.terms.account;
            if row.created_at.saturating_add(CREATION_SECONDS_MAX) <= self.now() {
                self.account_fail(account, "the coordinator stopped while the key was made".into()).await?;
            } else {
                self.create_begin(row.proposal, row.created_at).await;
            }
        }
        for row in self.stored(|store| store.reshare_list_running()).await? {
            self.reshare_begin(&row).await?;
        }
        self.tend_turn().await
    }

    /// For ever: requests past their time end, approved ones are signed.
    pub(crate) async fn tend(self: Arc<Self>) {
        loop {
            tokio::time::sleep(PERIOD).await;
            if let Err(error) = self.tend_turn().await {
                let detail = error.internal();
                tracing::error!(%error, detail, "requests cannot be tended");
            }
        }
    }

    async fn tend_turn(self: &Arc<Self>) -> Result<(), Error> {
        let now = self.now();
        let expired = self.stored(move |store| store.request_expire(now)).await?;
        if expired > 0 {
            tracing::info!(expired, "requests expired without approval");
        }
        for request in self.stored(|store| store.request_list_approved(TURN_MAX)).await? {
            self.sign_begin(request, None);
        }
        Ok(())
    }
}
