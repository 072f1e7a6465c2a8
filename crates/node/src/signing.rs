//! A party's part in a signature: one order down the stair.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cohold_model::ids::PartyIndex;
use cohold_model::{AccountId, Case, Engine, HexBytes, SessionId};
use cohold_mpc::{Consequence, Evidence};
use cohold_mpc_cggmp::Presignature;
use cohold_party::case::{self, Scene};
use cohold_party::refusal::Refusal;
use cohold_party::sign::SigningRun;
use cohold_party::verify::{self, Standing};
use cohold_party::wire::{FromParty, SignOrder};
use cohold_store::party::NewCase;

use crate::drive::{Broken, Pace, at_pace, drive, linger};
use crate::inbox::Inbox;
use crate::keeper::{KeepError, Kept, OpenedKey};
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

/// How long the last step by a presignature may take: who does not have it says so at once.
const PATIENCE_ONLINE: Duration = Duration::from_secs(10);

/// What an order is signed by.
enum By {
    Key(Arc<OpenedKey>),
    Presignature(Box<Presignature>),
}

/// How an order ended without a signature, or a presignature.
pub(crate) enum Ended {
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
                let banned = self.punish(account, session, &broken).await;
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
        let (party, account) = (Arc::clone(self), order.intent.account);
        let authorize = move || -> Result<_, Ended> {
            let now = crate::now();
            let kept = party.keeper.kept(order.intent.account)?;
            let Kept { charter, banned, .. } = &kept;
            if let Some(refusal) = party.casebook.bars(&charter.terms, &order.signers) {
                return Err(refusal.into());
            }
            let standing = Standing { charter, me: &party.card.party, banned };
            let rules = party.rules_of(charter.terms.account)?;
            let reviewed = verify::review(order, standing, &rules, now)?;
            let presigned = reviewed.presignature().cloned();
            presigned.as_ref().map(|wanted| party.presignature_find(wanted)).transpose()?;
            let authorized = reviewed.authorize(|reservation| party.keeper.reserve(reservation, now))?;
            let by = match presigned {
                Some(counted) => By::Presignature(Box::new(party.presignature_take(&counted)?)),
                None => By::Key(party.keeper.open(&kept)?),
            };
            Ok((authorized, kept, by))
        };
        // Whoever was restored from an old copy hears now whom it has banned; that ends this session.
        let ((), authorized) = tokio::join!(self.peers_asked(account), blocking(authorize));
        let (authorized, kept, by) = authorized?;
        // From here on it is arithmetic, on as many threads as there are processors.
        let post = self.post(&kept.charter.terms);
        let (pace, patience) = match (&by, kept.charter.engine) {
            (By::Presignature(_), _) => (Pace::Quick, PATIENCE_ONLINE),
            (By::Key(_), Engine::Dkls23) => (Pace::Quick, PATIENCE),
            (By::Key(_), Engine::Cggmp24) => (Pace::Apart, PATIENCE_HEAVY),
        };
        let keys = Arc::clone(&self.keys);
        let begin = move || {
            let Kept { charter, banned, .. } = &kept;
            let rng = &mut crate::rng();
            match by {
                By::Key(key) => authorized.begin(charter, banned, &key.share, &key.auxiliary, &keys, rng),
                By::Presignature(by) => authorized.begin_presigned(charter, banned, *by, &keys, rng),
            }
        };
        let (run, first) = at_pace(pace, begin).await.map_err(Ended::Broken)??;
        let (signature, run) = drive(run, first, inbox, &post, patience).await.map_err(Ended::Broken)?;
        Ok((signature, run, post))
    }

    /// Does what a fault demands, durably, before anything else is done with the key. Returns whom
    /// this party will never sign with again; itself, where it has frozen the key.
    pub(crate) async fn punish(
        self: &Arc<Self>,
        account: AccountId,
        session: SessionId,
        broken: &Broken,
    ) -> Vec<PartyIndex> {
        let Some((culprit, evidence)) = judged(broken) else { return Vec::new() };
        // At once, before the disk is asked for anything.
        self.inboxes.cancel_account(account);
        let keeper = Arc::clone(&self.keeper);
        let charter = move || keeper.cases().map(|cases| cases.charter(account)).transpose();
        let charter = blocking::<_, KeepError>(charter).await.ok().flatten();
        let scene = charter.as_ref().map(|charter| Scene { charter, session, resharing: None });
        let case = scene.and_then(|scene| self.accuse(scene, broken, culprit));
        self.ban(account, culprit, evidence, case).await
    }

    /// The same for a run whose parties sit at seats of their own: `places` are their points in the account.
    /// Who has none holds no share of the key in force, and is not banned from it.
    pub(crate) async fn punish_seat(
        self: &Arc<Self>,
        account: AccountId,
        broken: &Broken,
        places: &BTreeMap<PartyIndex, PartyIndex>,
        scene: Scene<'_>,
    ) {
        let Some((culprit, evidence)) = judged(broken) else { return };
        let party = culprit.and_then(|seat| places.get(&seat)).copied();
        if party.is_some() || (culprit.is_none() && !places.is_empty()) {
            self.inboxes.cancel_account(account);
            let case = self.accuse(scene, broken, party);
            drop(self.ban(account, party, evidence, case).await);
        }
    }

    fn accuse(&self, scene: Scene<'_>, broken: &Broken, culprit: Option<PartyIndex>) -> Option<Case> {
        let Broken::Fault(fault) = broken else { return None };
        let case = case::accuse(scene, fault, culprit, &self.keys, crate::now())?;
        match case::weigh(&case).map(|_| case.to_text()) {
            Ok(Ok(_)) => Some(case),
            // The ban stands without it.
            Ok(Err(error)) => {
                tracing::error!(%error, "a case cannot be written");
                None
            }
            Err(error) => {
                tracing::error!(%error, "a case does not convince its own finder");
                None
            }
        }
    }

    /// Bans a party, or freezes the key, and tells the peers.
    async fn ban(
        self: &Arc<Self>,
        account: AccountId,
        culprit: Option<PartyIndex>,
        evidence: String,
        case: Option<Case>,
    ) -> Vec<PartyIndex> {
        self.inboxes.cancel_account(account);
        let (keeper, me) = (Arc::clone(&self.keeper), self.card.party.clone());
        let noted = move || {
            let itself =
                || keeper.kept(account).map(|kept| kept.charter.terms.party(&me).map(|(index, _)| index));
            let party = culprit.map_or_else(itself, |party| Ok(Some(party)))?;
            let party = party.ok_or(KeepError::Unknown(account))?;
            let proved = case.as_ref().is_some_and(|case| case.notice.document.evidence.is_some());
            let new = case.as_ref().map(|case| NewCase { case, proved });
            match keeper.cases() {
                Some(cases) => cases.ban_with(account, party, &evidence, new, crate::now()),
                None => keeper.ban(account, party, &evidence, crate::now()),
            }
            .map(|()| party)
        };
        match blocking(noted).await {
            Ok(party) => {
                // Whoever took a seat meanwhile may have looked before the ban was there.
                self.inboxes.cancel_account(account);
                tracing::error!(%account, %party, "banned for ever from this key");
                self.cases_load().await;
                tokio::spawn(Arc::clone(self).cases_tell(Some(account)));
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
