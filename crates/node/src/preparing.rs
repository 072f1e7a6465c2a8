//! The last steps to another charter: the engine's data over the share that this party is to hold, both kept
//! durably, and only then this party's signature.

use std::sync::Arc;
use std::time::Duration;

use cohold_model::Engine;
use cohold_model::charter::Charter;
use cohold_mpc_ecdsa::Share;
use cohold_party::engine::{Auxiliary, Ready};
use cohold_party::reshare::{Accepted, Prepared};
use cohold_party::wire::FromParty;

use crate::drive::{Broken, at_pace, drive, linger_behind, setup_pace};
use crate::inbox::Inbox;
use crate::primes::PRIMES;
use crate::resharing::{Ended, LINGER, epochs};
use crate::runtime::{Runtime, blocking};

/// A setup that this party has a place in, and what it takes.
pub(crate) struct Setup {
    inbox: Inbox,
    ready: Ready,
}

impl Runtime {
    /// Takes the place in the setup, so that nothing that comes early is lost, and makes ready for it; none
    /// where the engine to come does not serve this party.
    pub(crate) async fn setup_ready(self: &Arc<Self>, accepted: &Accepted) -> Result<Option<Setup>, Ended> {
        let (Some(engine), Some(me)) = (accepted.engine(), accepted.point()) else { return Ok(None) };
        let [_, setup] = accepted.sessions();
        let account = accepted.order().charter.document.terms.account;
        let busy = || Ended::Broken("this party has too much at once: try again".into());
        let inbox = self.inboxes.seat(setup, account).ok_or_else(busy)?;
        let ready = match engine {
            Engine::Dkls23 => Ready::Dkls23,
            Engine::Cggmp24 => {
                let pool = self.keeper.primes().ok_or_else(|| Ended::Broken(disabled()))?;
                let resharing = accepted.digest();
                let told = |made: usize| {
                    tracing::info!(%account, "{made} of {PRIMES} primes are made");
                    let party = Arc::clone(self);
                    let made = u8::try_from(made).unwrap_or(u8::MAX);
                    let word = FromParty::ResharePrimes { account, resharing, made };
                    tokio::spawn(async move { party.tell(word).await });
                };
                Ready::Cggmp24(pool.take(me, told).await)
            }
        };
        Ok(Some(Setup { inbox, ready }))
    }

    /// Makes the engine's data with the others, keeps it with the share, and signs the charter.
    pub(crate) async fn prepare(
        self: &Arc<Self>,
        accepted: Accepted,
        charter: Charter,
        share: Arc<Share>,
        setup: Option<Setup>,
        patience: Duration,
    ) -> Result<(), Ended> {
        let auxiliary = match setup {
            Some(setup) => Some(self.set_up(&accepted, &charter, &share, setup, patience).await?),
            None => None,
        };
        let (resharing, account, epoch) = (accepted.digest(), charter.terms.account, charter.epoch);
        let engine = charter.engine;
        let prepared = Prepared { resharing, charter, share, auxiliary };
        let party = Arc::clone(self);
        let keep = move || {
            let keeper = epochs(party.keeper.as_ref())?;
            keeper.keep(&prepared, crate::now()).map_err(Ended::from)
        };
        blocking(keep).await?;
        tracing::info!(%account, %epoch, %engine, "what the next charter takes is kept");
        Ok(())
    }

    async fn set_up(
        self: &Arc<Self>,
        accepted: &Accepted,
        charter: &Charter,
        share: &Arc<Share>,
        setup: Setup,
        patience: Duration,
    ) -> Result<Auxiliary, Ended> {
        let Setup { mut inbox, ready } = setup;
        let broken = |broken: Broken| Ended::Broken(broken.to_string());
        let (keys, share) = (Arc::clone(&self.keys), Arc::clone(share));
        let (accepted, known) = (accepted.clone(), charter.clone());
        let begin = move || accepted.set_up(&known, &share, ready, &keys, &mut crate::rng());
        let begun = at_pace(setup_pace(charter.engine), begin).await.map_err(broken)?;
        let (run, first) = begun.map_err(|refusal| Ended::Broken(refusal.message))?;
        let post = self.post(&charter.terms);
        let (auxiliary, run) = drive(run, first, &mut inbox, &post, patience).await.map_err(broken)?;
        linger_behind(run, inbox, post, LINGER);
        Ok(auxiliary)
    }
}

/// Why a node makes no data of the second engine.
pub(crate) fn disabled() -> String {
    "this party does not sign by cggmp24: its operator allows it by a table `[cggmp24]` in node.toml".into()
}
