//! A party's part in a signature: one order down the stair.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cohold_model::ids::PartyIndex;
use cohold_model::{AccountId, Engine, HexBytes};
use cohold_mpc::{Consequence, Evidence};
use cohold_party::refusal::Refusal;
use cohold_party::sign::SigningRun;
use cohold_party::verify::{self, Standing};
use cohold_party::wire::{FromParty, SignOrder};

use crate::drive::{Broken, Pace, at_pace, drive, linger};
use crate::inbox::Inbox;
use crate::keeper::{KeepError, Kept};
use crate::runtime::{Post, Runtime, blocking};

/// How long a session may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// The same by the second engine, whose rounds are half a second of a core each where nothing else runs.
const PATIENCE_HEAVY: Duration = Duration::from_secs(60);
/// How long to answer peers that are a round behind: longer than their second resending takes.
const LINGER: Duration = Duration::from_secs(5);
/// The most finished sessions that are kept for that.
const LINGERING_MAX: usize = 64;
static LINGERING: AtomicUsize = AtomicUsize::new(0);

/// How an order ended without a signature.
enum Ended {
    Refused(Refusal),
    Broken(Broken),
}

impl From<Refusal> for Ended {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<KeepError> for Ended {
    fn from(error: KeepError) -> Self {
        tracing::warn!(%error, "an order found its account or share wanting");
        Self::Refused(error.into())
    }
}

impl Runtime {
    /// Verifies an order, reserves, signs with the others, and tells what came of it.
    pub(crate) async fn sign(self: Arc<Self>, order: SignOrder) {
        let (session, request, account) = (order.session(), order.intent.request, order.intent.account);
        let Some(mut inbox) = self.inboxes.seat(session, account) else {
            tracing::debug!(%request, "the session is running already, or too many are");
            return;
        };
        match self.sign_in(order, &mut inbox).await {
            Ok((signature, run, post)) => {
                self.tell(FromParty::Signature { session, request, signature }).await;
                if LINGERING.fetch_add(1, Ordering::Relaxed) < LINGERING_MAX {
                    linger(run, &mut inbox, &post, LINGER).await;
                }
                LINGERING.fetch_sub(1, Ordering::Relaxed);
            }
            Err(Ended::Refused(refusal)) => {
                tracing::info!(%request, code = ?refusal.code, %refusal, "refused");
                self.tell(FromParty::Refused { session, request, refusal }).await;
            }
            Err(Ended::Broken(broken)) => {
                tracing::warn!(%request, %broken, "session broke off");
                let banned = self.punish(account, &broken).await;
                let reason = broken.to_string();
                self.tell(FromParty::Broken { session, request, reason, banned }).await;
            }
        }
    }

    async fn sign_in(
        self: &Arc<Self>,
        order: SignOrder,
        inbox: &mut Inbox,
    ) -> Result<(HexBytes, SigningRun, Post), Ended> {
        let party = Arc::clone(self);
        let authorize = move || -> Result<_, Ended> {
            let now = crate::now();
            let kept = party.keeper.kept(order.intent.account)?;
            let Kept { charter, banned, .. } = &kept;
            let standing = Standing { charter, me: &party.card.party, banned };
            let rules = party.rules_of(charter.terms.account)?;
            let reviewed = verify::review(order, standing, &rules, now)?;
            let authorized = reviewed.authorize(|reservation| party.keeper.reserve(reservation, now))?;
            let key = party.keeper.open(&kept)?;
            Ok((authorized, kept, key))
        };
        let (authorized, kept, key) = blocking(authorize).await?;
        // From here on it is arithmetic, on as many threads as there are processors.
        let post = self.post(&kept.charter.terms);
        let (pace, patience) = match kept.charter.engine {
            Engine::Dkls23 => (Pace::Quick, PATIENCE),
            Engine::Cggmp24 => (Pace::Apart, PATIENCE_HEAVY),
        };
        let keys = Arc::clone(&self.keys);
        let begin = move || {
            let Kept { charter, banned, .. } = &kept;
            authorized.begin(charter, banned, &key.share, &key.auxiliary, &keys, &mut crate::rng())
        };
        let (run, first) = at_pace(pace, begin).await.map_err(Ended::Broken)??;
        let (signature, run) = drive(run, first, inbox, &post, patience).await.map_err(Ended::Broken)?;
        Ok((signature, run, post))
    }

    /// Does what a fault demands, durably, before anything else is done with the key. Returns whom
    /// this party will never sign with again; itself, where it has frozen the key.
    async fn punish(&self, account: AccountId, broken: &Broken) -> Vec<PartyIndex> {
        match judged(broken) {
            Some((culprit, evidence)) => self.ban(account, culprit, evidence).await,
            None => Vec::new(),
        }
    }

    /// The same for a run whose parties sit at seats of their own: `places` are their points in the account.
    /// Who has none holds no share of the key in force, and is not banned from it.
    pub(crate) async fn punish_seat(
        &self,
        account: AccountId,
        broken: &Broken,
        places: &BTreeMap<PartyIndex, PartyIndex>,
    ) {
        match judged(broken) {
            Some((Some(seat), evidence)) => {
                if let Some(party) = places.get(&seat) {
                    self.ban(account, Some(*party), evidence).await;
                }
            }
            Some((None, evidence)) if !places.is_empty() => drop(self.ban(account, None, evidence).await),
            Some((None, _)) | None => {}
        }
    }

    /// Bans a party, or freezes the key.
    async fn ban(
        &self,
        account: AccountId,
        culprit: Option<PartyIndex>,
        evidence: String,
    ) -> Vec<PartyIndex> {
        self.inboxes.cancel_account(account);
        let (keeper, me) = (Arc::clone(&self.keeper), self.card.party.clone());
        let noted = move || {
            let itself =
                || keeper.kept(account).map(|kept| kept.charter.terms.party(&me).map(|(index, _)| index));
            let party = culprit.map_or_else(itself, |party| Ok(Some(party)))?;
            let party = party.ok_or(KeepError::Unknown(account))?;
            keeper.ban(account, party, &evidence, crate::now()).map(|()| party)
        };
        match blocking(noted).await {
            Ok(party) => {
                // Whoever took a seat meanwhile may have looked before the ban was there.
                self.inboxes.cancel_account(account);
                tracing::error!(%account, %party, "banned for ever from this key");
                vec![party]
            }
            Err(error) => {
                // Without a durable ban the key must not be used: the process ends, and its operator
                // finds this line.
                tracing::error!(%error, "a ban cannot be stored; ending, so that the key is not used");
                std::process::abort();
            }
        }
    }
}

/// Whom a fault bans, or nobody by name where it freezes the key, and the evidence; none where a new
/// session may do.
fn judged(broken: &Broken) -> Option<(Option<PartyIndex>, String)> {
    let Broken::Fault(fault) = broken else { return None };
    match &fault.consequence {
        Consequence::Retry => None,
        Consequence::Ban { party, evidence } => {
            let Evidence { session, round, message, reason } = evidence;
            Some((Some(*party), format!("session {session}, round {round}, message {message}: {reason}")))
        }
        Consequence::FreezeKey => Some((None, format!("frozen: {}", fault.reason))),
    }
}
