//! A party's part in making an account whose key was made elsewhere.

use std::sync::Arc;

use cohold_party::create::{Accepted, Made};
use cohold_party::import::Imported;

use crate::drive::{Pace, at_pace, drive, linger_behind};
use crate::inbox::Inbox;
use crate::making::{LINGER, PATIENCE};
use crate::runtime::{Post, Runtime, blocking};

impl Runtime {
    /// Deals or receives with the others, and sets the engine up. Peers that are behind in either run are
    /// answered in the background.
    pub(crate) async fn import(
        self: &Arc<Self>,
        accepted: Accepted,
        mut inbox: Inbox,
        post: Post,
    ) -> Result<Made, String> {
        let (keeper, proposal) = (Arc::clone(&self.keeper), accepted.proposal().clone());
        let account = proposal.document.terms.account;
        let share = blocking(move || keeper.foreign_take(&proposal)).await.map_err(|error| {
            tracing::error!(%error, "a share that shall be dealt cannot be had");
            String::from("this party could not reach its share of the key")
        })?;
        let keys = Arc::clone(&self.keys);
        let begin = move || accepted.begin_import(share.as_ref(), &keys, &mut crate::rng());
        let begun = at_pace(Pace::Heavy, begin).await.map_err(|broken| broken.to_string())?;
        let (importing, first) = begun.map_err(|refusal| refusal.message)?;
        let dealt = drive(importing, first, &mut inbox, &post, PATIENCE).await;
        let (Imported { charter, share }, importing) = dealt.map_err(|broken| broken.to_string())?;

        let setup = importing.setup_session();
        let mut setup_inbox = self.inboxes.seat(setup, account).ok_or("this party has too much to do")?;
        let keys = Arc::clone(&self.keys);
        let begin = move || (importing.set_up(&share, &keys, &mut crate::rng()), importing, share);
        let (begun, importing, share) =
            at_pace(Pace::Heavy, begin).await.map_err(|broken| broken.to_string())?;
        let setup_post = self.post(&charter.terms);
        linger_behind(importing, inbox, post, LINGER);
        let (run, first) = begun.map_err(|refusal| refusal.message)?;
        let set_up = drive(run, first, &mut setup_inbox, &setup_post, PATIENCE).await;
        let (auxiliary, run) = set_up.map_err(|broken| broken.to_string())?;
        linger_behind(run, setup_inbox, setup_post, LINGER);
        Ok(Made { charter, share, auxiliary })
    }
}
