//! A party's part in taking an account to its next epoch. Payments go on meanwhile: the old share stays
//! where it is until all parties to come have signed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cohold_model::charter::Charter;
use cohold_model::handover::Handover;
use cohold_model::ids::PartyIndex;
use cohold_model::reshare::{Abandonment, Seat};
use cohold_model::{Digest, Document as _, Engine, Resharing, Signed};
use cohold_mpc_ecdsa::Share;
use cohold_party::case::Scene;
use cohold_party::create::Made;
use cohold_party::refusal::Code;
use cohold_party::reshare::{self, Accepted, Reshared};
use cohold_party::verify::Standing;
use cohold_party::wire::{FromParty, ReshareOrder};
use cohold_party::{Refusal, Rules, wait};

use crate::drive::{Broken, Pace, at_pace, drive, linger_behind};
use crate::epochs::{Epochs, Said};
use crate::inbox::Inbox;
use crate::keeper::{KeepError, Keeper, Kept};
use crate::preparing::{Setup, disabled};
use crate::runtime::{Runtime, blocking};

/// How long each of the two runs may take, but for an engine that needs longer.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long to answer peers that are behind.
pub(crate) const LINGER: Duration = Duration::from_secs(20);

/// How a resharing ended without this party's signature.
pub(crate) enum Ended {
    /// Before anything was noted.
    Refused(String),
    /// It was taken up here before; what became of it stands.
    Known,
    /// After the run had begun.
    Broken(String),
}

impl From<Refusal> for Ended {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal.message)
    }
}

impl From<KeepError> for Ended {
    fn from(error: KeepError) -> Self {
        Self::Broken(told(error))
    }
}

/// What others may know of what failed here.
fn told(error: KeepError) -> String {
    if let KeepError::Failed(detail) = &error {
        tracing::error!(detail, "a step of a resharing cannot be kept");
    }
    Refusal::from(error).message
}

impl Runtime {
    /// Checks a resharing, deals or receives with the others, keeps the new share, signs the charter.
    pub(crate) async fn reshare(self: Arc<Self>, order: ReshareOrder) {
        let (account, digest) = (order.charter.document.terms.account, order.resharing.document.digest());
        let session = cohold_model::reshare::reshare_session(&order.resharing);
        let Some(inbox) = self.inboxes.seat(session, account) else { return };
        // Who deals with whom hangs on whom this party has banned.
        self.peers_asked(account).await;
        let reason = match self.reshare_in(order.clone(), inbox).await {
            Ok(()) => return,
            Err(Ended::Known) => return self.reshare_say(Some(digest)).await,
            Err(Ended::Refused(reason)) => reason,
            Err(Ended::Broken(reason)) => {
                tracing::warn!(%account, %reason, "a resharing broke off");
                return self.reshare_give_up(order, reason).await;
            }
        };
        tracing::info!(%account, %reason, "resharing refused");
        self.tell(FromParty::ReshareFailed { account, resharing: digest, reason }).await;
    }

    async fn reshare_in(self: &Arc<Self>, order: ReshareOrder, inbox: Inbox) -> Result<(), Ended> {
        let party = Arc::clone(self);
        let begin = move || -> Result<_, Ended> {
            let (accepted, kept) = party.reshare_review(order)?;
            let keeper = epochs(party.keeper.as_ref())?;
            if accepted.engine() == Some(Engine::Cggmp24) && party.keeper.primes().is_none() {
                return Err(Ended::Refused(disabled()));
            }
            let places = kept.as_ref().map(|kept| places(&accepted, &kept.charter)).unwrap_or_default();
            let gives = accepted.deals() || accepted.sets_engine();
            let share = kept.filter(|_| gives).map(|kept| keeper.share(&kept)).transpose();
            let share = share.map_err(|error| Ended::Refused(told(error)))?;
            match keeper.begin(&accepted, crate::now()) {
                Ok(()) => {}
                // The coordinator repeats itself: whatever became of the first run stands.
                Err(KeepError::Used(_)) => return Err(Ended::Known),
                Err(error) => return Err(Ended::Refused(told(error))),
            }
            Ok((accepted, share, places))
        };
        let (accepted, share, places) = blocking(begin).await?;
        let digest = accepted.digest();
        let patience = match accepted.engine() {
            Some(Engine::Dkls23) | None => PATIENCE,
            Some(Engine::Cggmp24) => Duration::from_secs(reshare::seconds_max(Engine::Cggmp24)),
        };
        let setup = self.setup_ready(&accepted).await?;
        if accepted.sets_engine() {
            let nothing = || Ended::Broken("this party holds no share of the account".into());
            let (share, charter) = share.zip(accepted.engine_charter()).ok_or_else(nothing)?;
            self.prepare(accepted, charter, share, setup, patience).await?;
        } else {
            self.deal(accepted, share, setup, inbox, places, patience).await?;
        }
        self.reshare_say(Some(digest)).await;
        Ok(())
    }

    /// Gives and receives sub-shares, and goes on to what the next charter takes.
    async fn deal(
        self: &Arc<Self>,
        accepted: Accepted,
        share: Option<Arc<Share>>,
        setup: Option<Setup>,
        mut inbox: Inbox,
        places: BTreeMap<PartyIndex, PartyIndex>,
        patience: Duration,
    ) -> Result<(), Ended> {
        let broken = |broken: Broken| Ended::Broken(broken.to_string());
        let (keys, known) = (Arc::clone(&self.keys), accepted.clone());
        let begin = move || known.begin(share.as_deref(), &keys, &mut crate::rng());
        let begun = at_pace(Pace::Spare, begin).await.map_err(broken)?;
        let (dealing, first) = begun.map_err(|refusal| Ended::Broken(refusal.message))?;
        let seats = accepted.seats().iter();
        let post = self.post_to(seats.map(|(number, seat)| (number.get(), seat.card.identity)).collect());
        let account = accepted.order().charter.document.terms.account;
        let [session, _] = accepted.sessions();
        let (reshared, dealing) = match drive(dealing, first, &mut inbox, &post, patience).await {
            Ok(done) => done,
            Err(error) => {
                let order = accepted.order();
                let scene = Scene { charter: &order.charter, session, resharing: Some(&order.resharing) };
                self.punish_seat(account, &error, &places, scene).await;
                return Err(broken(error));
            }
        };
        // Peers that are a round behind still need this run, while the next one goes on.
        linger_behind(dealing, inbox, post, LINGER);
        let Reshared { charter, share } = reshared;
        let (digest, deals, name) = (accepted.digest(), accepted.deals(), accepted.name_before().cloned());
        let Some(share) = share else {
            let (party, known) = (Arc::clone(self), charter.clone());
            blocking(move || epochs(party.keeper.as_ref())?.dealt(&digest, &known).map_err(Ended::from))
                .await?;
            self.say_dealt(&charter).await;
            return Ok(());
        };
        self.prepare(accepted, charter.clone(), Arc::new(share), setup, patience).await?;
        if let Some(name) = name.filter(|_| deals) {
            self.tell(FromParty::ReshareDealt(reshare::dealt(&charter, &name, &self.keys))).await;
        }
        Ok(())
    }

    /// Reviews an order as a party under the charter in force, or as one that comes in.
    fn reshare_review(&self, order: ReshareOrder) -> Result<(Accepted, Option<Kept>), Refusal> {
        epochs(self.keeper.as_ref())?;
        let account = order.charter.document.terms.account;
        let kept = match self.keeper.kept(account) {
            Ok(kept) => Some(kept),
            Err(KeepError::Unknown(_)) => None,
            Err(error) => return Err(error.into()),
        };
        let standing = kept.as_ref().map(|kept| Standing {
            charter: &kept.charter,
            me: &self.card.party,
            banned: &kept.banned,
        });
        let rules: &Rules = &self.rules;
        let accepted = reshare::review(order, &self.card, standing, rules, crate::now())?;
        if let Some(kept) = kept.as_ref().filter(|_| accepted.deals()) {
            self.reshare_wait(&accepted, &kept.charter)?;
        }
        Ok((accepted, kept))
    }

    /// A node gives sub-shares by the user's consent only after its wait; others' rules bind nobody else.
    fn reshare_wait(&self, accepted: &Accepted, charter: &Charter) -> Result<(), Refusal> {
        let (Some(book), Some(by)) = (self.keeper.rulebook(), accepted.consenter()) else { return Ok(()) };
        let rules = book.in_force(charter.terms.account)?;
        let delay = wait::check_joins(&rules, charter)?;
        let now = crate::now();
        let notice = book.asked(charter, by, now)?;
        wait::check_waited(delay, &notice, now)
    }

    /// Makes sure that this party never signs, and says so; where it may have signed, or was only to deal,
    /// it stays bound.
    async fn reshare_give_up(&self, order: ReshareOrder, reason: String) {
        let resharing = order.resharing.document.clone();
        let (account, digest) = (resharing.terms.account, resharing.digest());
        let me = resharing.terms.party_by_identity(&self.card.identity);
        let holds = me.is_some_and(|(_, card)| *card == self.card);
        let keeper = Arc::clone(&self.keeper);
        let refused = blocking(move || match keeper.epochs() {
            Some(epochs) => epochs.refuse(&order, holds, crate::now()),
            None => Ok(false),
        });
        match refused.await {
            Ok(true) => self.say_refused(&resharing, reason).await,
            Ok(false) => self.tell(FromParty::ReshareFailed { account, resharing: digest, reason }).await,
            Err(error) => tracing::error!(%account, %error, "that a resharing is refused cannot be noted"),
        }
    }

    /// The coordinator gives a resharing up. What this party may have signed stays.
    pub(crate) async fn reshare_cancel(self: Arc<Self>, order: ReshareOrder) {
        let account = order.charter.document.terms.account;
        self.inboxes.cancel(cohold_model::reshare::reshare_session(&order.resharing));
        self.inboxes.cancel(cohold_model::reshare::reshare_setup_session(&order.resharing));
        let (party, reviewed) = (Arc::clone(&self), order.clone());
        let digest = order.resharing.document.digest();
        let known = blocking(move || {
            let said = party.keeper.epochs().map(|epochs| epochs.said(Some(&digest)));
            let known = said.transpose()?.is_some_and(|said| !said.is_empty());
            Ok::<_, KeepError>(known || party.reshare_review(reviewed).is_ok())
        });
        match known.await {
            // Nobody fills this party's disk with resharings that it would not take part in.
            Ok(true) => self.reshare_give_up(order, "the resharing was cancelled".into()).await,
            Ok(false) => tracing::debug!(%account, "a resharing that is none of this party's is cancelled"),
            Err(error) => tracing::warn!(%account, %error, "a resharing cannot be cancelled"),
        }
    }

    /// Another party never signs: what was prepared is of no use.
    pub(crate) async fn reshare_abandon(self: Arc<Self>, said: Signed<Abandonment>) {
        let account = said.document.account;
        let keeper = Arc::clone(&self.keeper);
        let dropped = blocking(move || match keeper.epochs() {
            Some(epochs) => epochs.abandon(&said),
            None => Ok(false),
        });
        match dropped.await {
            Ok(true) => tracing::info!(%account, "a resharing was given up by one of its parties"),
            Ok(false) => {}
            Err(error) => tracing::warn!(%account, %error, "an abandonment was refused"),
        }
    }

    /// Takes another charter into force, or lets go by it.
    pub(crate) async fn reshare_take(self: Arc<Self>, handover: Handover) {
        let charter = &handover.charter.document;
        let (account, epoch, digest) = (charter.terms.account, charter.epoch, charter.digest());
        let keeper = Arc::clone(&self.keeper);
        let taken = blocking(move || match keeper.epochs() {
            Some(epochs) => epochs.take(&handover, crate::now()),
            None => Ok(()),
        });
        match taken.await {
            Ok(()) => {
                tracing::info!(%account, %epoch, "the account is in its next epoch");
                // Cases of who left are closed.
                self.cases_load().await;
                self.tell(FromParty::ReshareTaken { account, charter: digest }).await;
            }
            Err(error) => tracing::warn!(%account, %error, "another charter was refused"),
        }
    }

    /// Says again what the coordinator may have missed: of all resharings, or of one.
    pub(crate) async fn reshare_say(&self, only: Option<Digest>) {
        let keeper = Arc::clone(&self.keeper);
        let said = blocking(move || match keeper.epochs() {
            Some(epochs) => epochs.said(only.as_ref()),
            None => Ok(Vec::new()),
        });
        let said = match said.await {
            Ok(said) => said,
            Err(error) => return tracing::error!(%error, "resharings cannot be read"),
        };
        for said in said {
            match said {
                Said::Signed(charter, companions) => self.say_signed(charter, companions).await,
                Said::Dealt(charter) => self.say_dealt(&charter).await,
                Said::Refused(resharing) => {
                    self.say_refused(&resharing, "this party's run of it was cut off".into()).await;
                }
            }
        }
    }

    /// Signs a charter whose share is kept durably, and says so.
    async fn say_signed(
        &self,
        charter: Charter,
        companions: BTreeMap<cohold_model::PartyName, cohold_model::Signature>,
    ) {
        let mut signatures = companions;
        signatures.insert(self.card.party.clone(), Made::sign(&charter, &self.keys));
        self.tell(FromParty::ReshareSigned { charter: Box::new(charter), signatures }).await;
    }

    async fn say_dealt(&self, charter: &Charter) {
        let word = reshare::dealt(charter, &self.card.party, &self.keys);
        self.tell(FromParty::ReshareDealt(word)).await;
    }

    async fn say_refused(&self, resharing: &Resharing, reason: String) {
        let word = reshare::abandonment(resharing, &self.card.party, &self.keys, crate::now());
        self.tell(FromParty::ReshareAbandoned { abandonment: Box::new(word), reason }).await;
    }
}

/// The points in the charter in force of those who sit in a run.
fn places(accepted: &Accepted, old: &Charter) -> BTreeMap<PartyIndex, PartyIndex> {
    let point = |seat: &Seat| old.terms.party_by_identity(&seat.card.identity).map(|(index, _)| index);
    accepted.seats().iter().filter_map(|(number, seat)| Some((*number, point(seat)?))).collect()
}

pub(crate) fn epochs(keeper: &dyn Keeper) -> Result<&dyn Epochs, Refusal> {
    keeper.epochs().ok_or_else(|| Refusal::new(Code::Order, "this party takes no part in resharings"))
}
