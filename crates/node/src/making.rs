//! A party's part in making an account.

use std::sync::Arc;
use std::time::Duration;

use cohold_model::Signed;
use cohold_model::account::Proposal;
use cohold_party::create::{self, Accepted, Made};
use cohold_party::wire::FromParty;

use crate::drive::{Pace, at_pace, drive, linger_behind};
use crate::inbox::Inbox;
use crate::keeper::KeepError;
use crate::runtime::{Post, Runtime, blocking};

/// How long a key generation may take, and each of the two runs of an import.
pub(crate) const PATIENCE: Duration = Duration::from_secs(110);
/// How long to answer peers that are behind.
pub(crate) const LINGER: Duration = Duration::from_secs(20);

impl Runtime {
    /// Checks a proposal, makes the key with the others or takes over the one that it brings along, keeps
    /// the share, signs the charter.
    pub(crate) async fn make_account(self: Arc<Self>, proposal: Signed<Proposal>) {
        let account = proposal.document.terms.account;
        let accepted = match create::review(proposal, &self.card, &self.rules, crate::now()) {
            Ok(accepted) => accepted,
            Err(refusal) => {
                tracing::info!(%account, %refusal, "proposal refused");
                return self.tell(FromParty::KeygenFailed { account, reason: refusal.message }).await;
            }
        };
        let session = accepted.session();
        let Some(inbox) = self.inboxes.seat(session, account) else { return };
        if let Err(reason) = self.make(accepted, inbox).await {
            tracing::warn!(%account, %reason, "no key was made");
            let keeper = Arc::clone(&self.keeper);
            if let Err(error) = blocking(move || keeper.keygen_drop(account)).await {
                tracing::debug!(%account, %error, "nothing to drop");
            }
            self.tell(FromParty::KeygenFailed { account, reason }).await;
        }
    }

    async fn make(self: &Arc<Self>, accepted: Accepted, inbox: Inbox) -> Result<(), String> {
        let (keeper, proposal, session) =
            (Arc::clone(&self.keeper), accepted.proposal().clone(), accepted.session());
        let post = self.post(&proposal.document.terms);
        match blocking(move || keeper.keygen_begin(&proposal, session, crate::now())).await {
            Ok(()) => {}
            // The coordinator repeats itself: whatever became of the first run stands.
            Err(KeepError::Used(_)) => return Ok(()),
            Err(error) => {
                tracing::error!(%error, "a key generation cannot be noted");
                return Err("this party could not reach its store".into());
            }
        }
        let made = match accepted.import() {
            Some(_) => self.import(accepted, inbox, post).await?,
            None => self.generate(accepted, inbox, post).await?,
        };
        let keeper = Arc::clone(&self.keeper);
        let charter = made.charter.clone();
        blocking(move || keeper.keygen_keep(&made, crate::now())).await.map_err(|error| {
            tracing::error!(%error, "a share cannot be kept");
            String::from("this party could not keep its share")
        })?;
        self.sign_charter(charter).await;
        Ok(())
    }

    /// Makes the key with the others. Peers that are behind are answered in the background.
    async fn generate(
        self: &Arc<Self>,
        accepted: Accepted,
        mut inbox: Inbox,
        post: Post,
    ) -> Result<Made, String> {
        let keys = Arc::clone(&self.keys);
        let begin = move || accepted.begin(&keys, &mut crate::rng());
        let begun = at_pace(Pace::Heavy, begin).await.map_err(|broken| broken.to_string())?;
        let (making, first) = begun.map_err(|refusal| refusal.message)?;
        let driven = drive(making, first, &mut inbox, &post, PATIENCE).await;
        let (made, run) = driven.map_err(|broken| broken.to_string())?;
        linger_behind(run, inbox, post, LINGER);
        Ok(made)
    }
}
