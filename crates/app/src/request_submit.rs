//! From a wish to a stored plan: the chain's facts, a nonce of its own, the exact bytes.

use cohold_api::RequestView;
use cohold_chain_evm::{Effect, Facts, plan};
use cohold_model::Intent;
use cohold_store::crash_point;
use cohold_store::server::Submission;

use crate::account_list::address_at;
use crate::coordinator::{Coordinator, HORIZON_SECONDS_MAX};
use crate::error::Error;
use crate::view::request_view;

/// How long a request that nobody approved yet keeps its nonce from others. Not longer, since whoever
/// asked may never approve, and a gap would stop everything after it; where two come to share a nonce,
/// the first approval has it.
const NONCE_HOLD_SECONDS: u64 = 5;

impl Coordinator {
    /// Plans an intent and stores both. Asked again with the same intent, it returns what is stored.
    pub async fn request_submit(&self, intent: Intent) -> Result<RequestView, Error> {
        let request = intent.request;
        if let Some(row) = self.looked(|store| store.request_show(request))? {
            return if row.intent == intent {
                Ok(request_view(row))
            } else {
                Err(Error::IdempotencyMismatch(request.to_string()))
            };
        }
        let charter = self.charter(intent.account)?;
        if charter.document.terms.party(&intent.requester).is_none() {
            return Err(Error::Requester(intent.requester));
        }
        self.check_expiry("the intent", intent.expires_at)?;
        Effect::wanted(&intent)?;
        let chain = &self.chain(intent.chain_id)?.chain;
        let from = address_at(&charter.document, &intent.path)?;
        let facts =
            chain.gather_facts(from, &intent).await.map_err(|error| Error::facts(intent.chain_id, error))?;
        let now = self.now();
        let submission = self
            .stored(move |store| {
                store.request_insert(&intent, facts.nonce, NONCE_HOLD_SECONDS, now, |nonce| {
                    plan(&intent, &Facts { nonce, ..facts }).map_err(Error::from)
                })
            })
            .await?;
        crash_point!("server.request-stored");
        match submission {
            Submission::New(row) | Submission::Same(row) => Ok(request_view(*row)),
            Submission::Other => Err(Error::IdempotencyMismatch(request.to_string())),
            Submission::Full => Err(Error::Busy),
        }
    }

    /// Refuses what is past, and what reaches so far that parties would refuse it.
    pub(crate) fn check_expiry(&self, what: &'static str, expires_at: u64) -> Result<(), Error> {
        let now = self.now();
        if expires_at <= now {
            return Err(Error::Expired { what, late_seconds: now.saturating_sub(expires_at) });
        }
        if expires_at.saturating_sub(now) > HORIZON_SECONDS_MAX {
            return Err(Error::Horizon(what));
        }
        Ok(())
    }
}
