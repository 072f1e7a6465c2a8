//! The loop of a party: words of the coordinator become jobs, envelopes find their sessions.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use cohold_model::account::Card;
use cohold_model::charter::Charter;
use cohold_model::{AccountId, IdentityKey, Signed};
use cohold_mpc::{Envelope, PartyKeys};
use cohold_party::statement::{Held, Memory};
use cohold_party::wire::{FromParty, Message, ToParty};
use cohold_party::{Rules, create, statement, unread};
use cohold_relay::{Address, Link, Parcel, RelayClient};
use tokio::sync::{Semaphore, watch};

use crate::cases::Casebook;
use crate::inbox::Inboxes;
use crate::keeper::{KeepError, Keeper};

/// The most words of the coordinator that are worked on at once; more are dropped.
const WORDS_MAX: usize = 1024;
/// The most words of peers outside of runs that are worked on at once; more are dropped.
const PEERS_MAX: usize = 64;

/// A party at work.
pub struct Runtime {
    pub(crate) card: Card,
    pub(crate) keys: Arc<PartyKeys>,
    /// For accounts to come, and for all where this party keeps no rulebook.
    pub(crate) rules: Arc<Rules>,
    pub(crate) keeper: Arc<dyn Keeper>,
    pub(crate) link: Link,
    pub(crate) inboxes: Inboxes,
    pub(crate) casebook: Casebook,
    words: Arc<Semaphore>,
    peers: Arc<Semaphore>,
    /// Changes of rules are weighed one after the other: it is work, and each builds on the one before.
    pub(crate) weighing: Arc<Semaphore>,
}

/// Ends a runtime.
pub type Shutdown = watch::Receiver<bool>;

/// Sends a session's envelopes to their receivers.
pub(crate) struct Post {
    link: Link,
    receivers: HashMap<u8, IdentityKey>,
}

impl Post {
    pub(crate) async fn envelopes(&self, envelopes: Vec<Envelope>) {
        for envelope in envelopes {
            let Some(identity) = self.receivers.get(&envelope.to.get()) else { continue };
            let Ok(body) = Message::<FromParty>::encode_sealed(&envelope) else { continue };
            if let Err(error) = self.link.send(Address::Party(*identity), body).await {
                tracing::debug!(%error, "an envelope was not sent");
            }
        }
    }
}

impl Runtime {
    /// A party with this card, these keys and rules, over this relay.
    #[must_use]
    pub fn new(
        card: Card,
        keys: Arc<PartyKeys>,
        rules: Rules,
        keeper: Arc<dyn Keeper>,
        link: Link,
    ) -> Arc<Self> {
        let inboxes = Inboxes::default();
        let words = Arc::new(Semaphore::new(WORDS_MAX));
        let peers = Arc::new(Semaphore::new(PEERS_MAX));
        let casebook = Casebook::new(card.identity);
        let weighing = Arc::new(Semaphore::new(1));
        let rules = Arc::new(rules);
        Arc::new(Self { card, keys, rules, keeper, link, inboxes, casebook, words, peers, weighing })
    }

    /// Returns once the relay is reached, or `false` after `patience`.
    pub async fn ready(&self, patience: Duration) -> bool {
        self.link.ready(patience).await
    }

    /// Serves until told to end or the relay is gone.
    pub async fn run(self: Arc<Self>, mut relay: RelayClient, mut shutdown: Shutdown) {
        let mut connections = self.link.connections();
        connections.mark_changed();
        self.cases_load().await;
        tokio::spawn(Arc::clone(&self).weigh_file());
        let mut idle = tokio::time::interval(crate::opened::IDLE_MAX / 2);
        loop {
            tokio::select! {
                parcel = relay.recv() => match parcel {
                    Some(parcel) => Arc::clone(&self).on_parcel(parcel),
                    None => return,
                },
                changed = connections.changed() => {
                    if changed.is_err() { return }
                    if *connections.borrow_and_update() > 0 {
                        tokio::spawn(Arc::clone(&self).say_hello());
                    }
                }
                _ = idle.tick() => {
                    self.keeper.forget_idle();
                    tokio::spawn(Arc::clone(&self).cases_tell(None));
                }
                ended = shutdown.wait_for(|end| *end) => {
                    drop(ended);
                    return;
                }
            }
        }
    }

    fn on_parcel(self: Arc<Self>, parcel: Parcel) {
        match (parcel.address, Message::<ToParty>::decode(&parcel.body)) {
            (Address::Coordinator, Ok(Message::Plain(words))) => {
                let Ok(permit) = Arc::clone(&self.words).try_acquire_owned() else {
                    return tracing::warn!("the coordinator asks for too much at once: dropped");
                };
                tokio::spawn(async move {
                    self.on_words(*words).await;
                    drop(permit);
                });
            }
            (_, Ok(Message::Sealed(envelope))) => self.inboxes.route(*envelope),
            (Address::Party(from), Ok(Message::Peer(envelope))) => {
                let Ok(permit) = Arc::clone(&self.peers).try_acquire_owned() else { return };
                tokio::spawn(async move {
                    self.on_peer(from, *envelope).await;
                    drop(permit);
                });
            }
            (Address::Coordinator, Ok(Message::Peer(_))) => {
                tracing::debug!("the coordinator speaks as a party: ignored")
            }
            (Address::Party(_), Ok(Message::Plain(_))) => {
                tracing::debug!("a party speaks as coordinator: ignored")
            }
            (address, Err(error)) => {
                tracing::debug!(%error, "ignored");
                let answer = unread::answer(&parcel.body).filter(|_| address == Address::Coordinator);
                let permit = Arc::clone(&self.words).try_acquire_owned();
                if let (Some(answer), Ok(permit)) = (answer, permit) {
                    tracing::warn!(%error, "an order of another version cannot be followed");
                    tokio::spawn(async move {
                        self.tell(answer).await;
                        drop(permit);
                    });
                }
            }
        }
    }

    async fn on_words(self: Arc<Self>, words: ToParty) {
        match words {
            ToParty::Keygen { proposal } => self.make_account(proposal).await,
            ToParty::Charter { charter } => self.activate(charter).await,
            ToParty::Abandon { account } => self.abandon(account).await,
            ToParty::Sign(order) => self.sign(*order).await,
            ToParty::Presign(order) => self.presign(order).await,
            ToParty::Statement { account } => self.state(account).await,
            ToParty::Rules { .. }
            | ToParty::RulesPropose { .. }
            | ToParty::RulesConsent { .. }
            | ToParty::RulesReject { .. }
            | ToParty::Veto { .. }
            | ToParty::Recovery { .. } => self.on_rules(words).await,
            ToParty::Reshare(order) => self.reshare(*order).await,
            ToParty::ReshareCancel(order) => self.reshare_cancel(*order).await,
            ToParty::ReshareAbandon { abandonment } => self.reshare_abandon(*abandonment).await,
            ToParty::Reshared(handover) => self.reshare_take(*handover).await,
        }
    }

    /// On every new connection: who we are, which accounts the last stop cut off, and every charter
    /// that still waits for others.
    async fn say_hello(self: Arc<Self>) {
        let card = Signed::by(self.card.clone(), self.card.party.clone(), &self.keys.identity);
        self.tell(FromParty::Hello { card }).await;
        for account in self.keeper.abandoned() {
            let reason = "this party stopped before it kept its share".into();
            self.tell(FromParty::KeygenFailed { account, reason }).await;
        }
        let keeper = Arc::clone(&self.keeper);
        match blocking(move || keeper.pending()).await {
            Ok(pending) => {
                for charter in pending {
                    self.sign_charter(charter).await;
                }
            }
            Err(error) => tracing::error!(%error, "pending charters cannot be read"),
        }
        self.presigned_say().await;
        self.reshare_say(None).await;
        self.cases_tell(None).await;
    }

    /// Signs a charter that is kept durably, and says so.
    pub(crate) async fn sign_charter(&self, charter: Charter) {
        let signature = create::Made::sign(&charter, &self.keys);
        self.tell(FromParty::CharterSigned { charter, signature }).await;
    }

    async fn activate(self: Arc<Self>, charter: Signed<Charter>) {
        let account = charter.document.terms.account;
        let keeper = Arc::clone(&self.keeper);
        match blocking(move || keeper.activate(&charter, crate::now())).await {
            Ok(()) => tracing::info!(%account, "account in force"),
            Err(error) => tracing::warn!(%account, %error, "charter refused"),
        }
    }

    /// The coordinator gives an account up. What this party signed stays: the others may hold a
    /// complete charter, and then so must this party.
    async fn abandon(self: Arc<Self>, account: AccountId) {
        let keeper = Arc::clone(&self.keeper);
        self.inboxes.cancel_account(account);
        if let Err(error) = blocking(move || keeper.keygen_drop(account)).await {
            tracing::debug!(%account, %error, "nothing to abandon");
        }
    }

    async fn state(self: Arc<Self>, account: AccountId) {
        let keeper = Arc::clone(&self.keeper);
        let party = Arc::clone(&self);
        let known = move || {
            let deleted = keeper.epochs().map(|epochs| epochs.deleted(account)).transpose()?;
            let memory = Memory { deleted: deleted.unwrap_or_default(), ..Memory::default() };
            Ok::<_, KeepError>((keeper.kept(account)?, party.rules_of(account)?, memory))
        };
        let Ok((kept, rules, memory)) = blocking(known).await else { return };
        let (sealing, token) = (self.keeper.sealing(), self.keeper.token());
        let held = Held { sealing, token, since: kept.held_since };
        let me = &self.card.party;
        let said = statement::state(&kept.charter, me, held, &rules, &self.keys.identity, crate::now());
        let said = statement::remembering(said, memory, &self.keys.identity);
        self.tell(FromParty::Statement(said)).await;
    }

    pub(crate) async fn tell(&self, words: FromParty) {
        match Message::encode_plain(&words) {
            Ok(body) => drop(self.link.send(Address::Coordinator, body).await),
            Err(error) => tracing::error!(%error, "words that cannot be written"),
        }
    }

    pub(crate) fn post(&self, terms: &cohold_model::account::Terms) -> Post {
        self.post_to(terms.indexed().map(|(index, card)| (index.get(), card.identity)).collect())
    }

    /// Sends to these identities, by their numbers in a session.
    pub(crate) fn post_to(&self, receivers: HashMap<u8, IdentityKey>) -> Post {
        Post { link: self.link.clone(), receivers }
    }
}

/// Runs blocking work off the loop.
pub(crate) async fn blocking<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: Send + 'static + From<crate::KeepError>,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(_) => Err(crate::KeepError::Failed("the work was cut off".into()).into()),
    }
}
