//! Presignatures are made in the background, beside whatever else the party does, and taken for one order
//! each.

use std::sync::Arc;
use std::time::Duration;

use cohold_model::{PresignatureIndex, PresignatureUse};
use cohold_mpc_cggmp::Presignature;
use cohold_party::presign;
use cohold_party::refusal::{Code, Refusal};
use cohold_party::verify::Standing;
use cohold_party::wire::{FromParty, PresignOrder};

use crate::drive::{Broken, Pace, at_pace, drive, linger_behind};
use crate::keeper::Kept;
use crate::presignatures::{Presignatures, Ready};
use crate::runtime::{Runtime, blocking};
use crate::signing::Ended;

/// How long making one may take; it gives way to all else.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long to answer peers that are a round behind.
const LINGER: Duration = Duration::from_secs(5);

impl Runtime {
    /// Makes a presignature with others, keeps it in memory, and tells what came of it.
    pub(crate) async fn presign(self: Arc<Self>, order: PresignOrder) {
        let PresignOrder { account, charter, signers, .. } = order.clone();
        let session = order.session();
        let words = match self.presign_in(order).await {
            Ok((index, room)) => FromParty::Presigned { account, charter, signers, index, room },
            Err(ended) => {
                let reason = match ended {
                    Ended::Refused(refusal) => refusal.message,
                    Ended::Broken(broken) => {
                        self.punish(account, session, &broken).await;
                        broken.to_string()
                    }
                };
                tracing::info!(%account, reason, "no presignature was made");
                FromParty::PresignFailed { session, account, reason }
            }
        };
        self.tell(words).await;
    }

    async fn presign_in(self: &Arc<Self>, order: PresignOrder) -> Result<(PresignatureIndex, u8), Ended> {
        let pool = Arc::clone(self.presignatures()?);
        let room = pool.room();
        let (session, account, charter) = (order.session(), order.account, order.charter);
        let busy = || Refusal::new(Code::Unavailable, "this party has too much at once: ask again later");
        let mut inbox = self.inboxes.seat(session, account).ok_or_else(busy)?;
        let party = Arc::clone(self);
        let ready = move || -> Result<_, Ended> {
            let kept = party.keeper.kept(account)?;
            let Kept { charter: known, banned, .. } = &kept;
            if let Some(refusal) = party.casebook.bars(&known.terms, &order.signers) {
                return Err(refusal.into());
            }
            let presignable =
                presign::review(&order, Standing { charter: known, me: &party.card.party, banned })?;
            let (making, after) = pool.begin(presignable.set(), charter).ok_or_else(busy)?;
            let key = party.keeper.open(&kept)?;
            let free = party.keeper.presign_begin(presignable.set(), session, crate::now())?;
            Ok((presignable, kept, key, making, after.map_or(free, |after| after.max(free))))
        };
        self.peers_asked(account).await;
        let (presignable, kept, key, making, free) = blocking(ready).await?;
        let post = self.post(&kept.charter.terms);
        let keys = Arc::clone(&self.keys);
        let begin = move || {
            let Kept { charter, banned, .. } = &kept;
            let opened = (key.share.as_ref(), &key.auxiliary);
            presignable.begin(charter, banned, opened, free, (&keys, &mut crate::rng()))
        };
        let (run, first) = at_pace(Pace::Spare, begin).await.map_err(Ended::Broken)??;
        let (presignature, run) =
            drive(run, first, &mut inbox, &post, PATIENCE).await.map_err(Ended::Broken)?;
        let index = presignature.index();
        linger_behind(run, inbox, post, LINGER);
        if making.keep(presignature) { Ok((index, room)) } else { Err(Ended::Broken(Broken::Cancelled)) }
    }

    fn presignatures(&self) -> Result<&Arc<Presignatures>, Refusal> {
        let message = "this party keeps no presignatures: its operator allows them by `presignatures` in `[cggmp24]` of node.toml";
        self.keeper.presignatures().ok_or_else(|| Refusal::new(Code::Presignature, message))
    }

    /// Whether an order can be signed by the presignature that it names, before anything is counted for it.
    pub(crate) fn presignature_find(&self, wanted: &PresignatureUse) -> Result<(), Refusal> {
        if self.presignatures()?.holds(wanted) { Ok(()) } else { Err(gone(wanted)) }
    }

    /// The presignature that an order names, once it is counted.
    pub(crate) fn presignature_take(&self, counted: &PresignatureUse) -> Result<Presignature, Refusal> {
        self.presignatures()?.take(counted).ok_or_else(|| gone(counted))
    }

    /// Tells what is ready, so that a coordinator that was away knows.
    pub(crate) async fn presigned_say(&self) {
        let Some(pool) = self.keeper.presignatures() else { return };
        for Ready { set, charter, indices } in pool.ready() {
            for index in indices {
                let (account, signers, room) = (set.account, set.signers.clone(), pool.room());
                self.tell(FromParty::Presigned { account, charter, signers, index, room }).await;
            }
        }
    }
}

fn gone(wanted: &PresignatureUse) -> Refusal {
    let message = format!("this party has no presignature `{}` of these signers: sign without", wanted.index);
    Refusal::new(Code::Presignature, message)
}
