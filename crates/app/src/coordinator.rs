//! What every operation of the coordinator stands on: the database, the hub, the chains, the clock.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cohold_api::ChainView;
use cohold_chain_io::Chain;
use cohold_model::account::Terms;
use cohold_model::{IdentityKey, PartyIndex};
use cohold_party::wire::{FromParty, Message, ToParty};
use cohold_relay::{Address, Hub, Parcel};
use cohold_store::ServerStore;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinSet;

use crate::account_create::Creations;
use crate::account_reshare::Successions;
use crate::certificates::Issuer;
use crate::charters::Charters;
use crate::error::Error;
use crate::follow::Follower;
use crate::presign::Presigned;
use crate::request_sign::Sessions;
use crate::rules_change::RulesAnswers;
use crate::statements::StatementBook;
use crate::wait::Bells;

/// Seconds since 1970.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// How far into the future anything that expires may reach, and how far a proposal's time may be off,
/// in seconds; parties refuse more.
pub(crate) const HORIZON_SECONDS_MAX: u64 = cohold_party::verify::HORIZON_SECONDS_MAX;

/// The most hellos that wait to be noticed.
const HELLOS_WAITING_MAX: usize = 256;

/// The system's clock.
#[must_use]
pub fn system_clock() -> Clock {
    Arc::new(|| {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |time| time.as_secs())
    })
}

/// A chain that can be reached.
#[derive(Debug, Clone)]
pub struct ChainEntry {
    /// What clients see of it.
    pub view: ChainView,
    /// How it is asked.
    pub chain: Chain,
}

/// The coordinator.
pub struct Coordinator {
    store: Arc<ServerStore>,
    hub: Arc<Hub>,
    chains: BTreeMap<u64, ChainEntry>,
    clock: Clock,
    pub(crate) issuer: Arc<Issuer>,
    /// Who said hello, for those who wait for a party.
    hellos: broadcast::Sender<IdentityKey>,
    stopped: watch::Sender<bool>,
    tasks: Mutex<JoinSet<()>>,
    pub(crate) creations: Creations,
    pub(crate) successions: Successions,
    pub(crate) sessions: Sessions,
    pub(crate) statements: StatementBook,
    pub(crate) rules: RulesAnswers,
    pub(crate) follower: Follower,
    pub(crate) bells: Bells,
    pub(crate) charters: Charters,
    pub(crate) presigned: Presigned,
}

impl Coordinator {
    /// A coordinator that does nothing yet; [`Coordinator::start`] sets it to work.
    #[must_use]
    pub fn new(
        store: ServerStore,
        hub: Arc<Hub>,
        chains: Vec<ChainEntry>,
        clock: Clock,
        issuer: Issuer,
    ) -> Arc<Self> {
        let follower = Follower::new(chains.iter().map(|entry| entry.view.chain_id));
        Arc::new(Self {
            issuer: Arc::new(issuer),
            store: Arc::new(store),
            hub,
            chains: chains.into_iter().map(|entry| (entry.view.chain_id, entry)).collect(),
            clock,
            hellos: broadcast::Sender::new(HELLOS_WAITING_MAX),
            stopped: watch::Sender::new(false),
            tasks: Mutex::default(),
            creations: Creations::default(),
            successions: Successions::default(),
            sessions: Sessions::default(),
            statements: StatementBook::default(),
            rules: RulesAnswers::default(),
            follower,
            bells: Bells::default(),
            charters: Charters::default(),
            presigned: Presigned::default(),
        })
    }

    /// Takes up what a stop cut off, reads the parties' mail, follows the chains; until
    /// [`Coordinator::stop`].
    pub async fn start(self: &Arc<Self>, mail: mpsc::Receiver<Parcel>) -> Result<(), Error> {
        self.resume().await?;
        let this = Arc::clone(self);
        self.spawn(async move { this.mail_read(mail).await });
        let this = Arc::clone(self);
        self.spawn(async move { this.tend().await });
        for chain_id in self.chains.keys().copied() {
            let this = Arc::clone(self);
            self.spawn(async move { this.follow(chain_id).await });
        }
        Ok(())
    }

    /// Ends all that runs in the background. Everything durable stays as it is.
    pub async fn stop(&self) {
        self.stopped.send_replace(true);
        let mut tasks = std::mem::take(&mut *lock(&self.tasks));
        tasks.shutdown().await;
    }

    /// Returns once the coordinator is told to stop.
    pub async fn stopped(&self) {
        // The sender lives as long as this does.
        let _ = self.stopped.subscribe().wait_for(|stopped| *stopped).await;
    }

    /// The hub, for the relay's endpoint.
    #[must_use]
    pub fn hub(&self) -> Arc<Hub> {
        Arc::clone(&self.hub)
    }

    /// The chains that can be reached.
    #[must_use]
    pub fn chain_list(&self) -> Vec<ChainView> {
        self.chains.values().map(|entry| entry.view.clone()).collect()
    }

    /// Whether a token was issued here, in constant time.
    pub fn token_check(&self, token: &str) -> Result<bool, Error> {
        self.looked(|store| store.token_check(token))
    }

    pub(crate) fn now(&self) -> u64 {
        (self.clock)()
    }

    pub(crate) fn chain(&self, chain_id: u64) -> Result<&ChainEntry, Error> {
        self.chains.get(&chain_id).ok_or_else(|| {
            let known: Vec<String> = self.chains.keys().map(u64::to_string).collect();
            let known = if known.is_empty() { "none".into() } else { known.join(", ") };
            Error::ChainUnknown { wanted: chain_id, known }
        })
    }

    /// Works on the database, off the event loop.
    pub(crate) async fn stored<T: Send + 'static, E: Into<Error> + Send + 'static>(
        &self,
        work: impl FnOnce(&ServerStore) -> Result<T, E> + Send + 'static,
    ) -> Result<T, Error> {
        let store = Arc::clone(&self.store);
        match tokio::task::spawn_blocking(move || work(&store)).await {
            Ok(result) => result.map_err(Into::into),
            Err(_) => Err(Error::Stopping),
        }
    }

    /// Looks up single rows, on the event loop: they are read on a connection of their own and from
    /// memory mostly, in less time than going elsewhere for them would take.
    pub(crate) fn looked<T, E: Into<Error>>(
        &self,
        work: impl FnOnce(&ServerStore) -> Result<T, E>,
    ) -> Result<T, Error> {
        work(&self.store).map_err(Into::into)
    }

    /// Runs something in the background until it ends or the coordinator stops.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = lock(&self.tasks);
        while tasks.try_join_next().is_some() {}
        if !*self.stopped.borrow() {
            tasks.spawn(work);
        }
    }

    /// Says something to a party; whether it hears is another matter.
    pub(crate) async fn tell(&self, identity: &IdentityKey, words: &ToParty) {
        match Message::encode_plain(words) {
            Ok(body) => self.hub.post(Address::Coordinator, Address::Party(*identity), body).await,
            Err(error) => tracing::error!(%error, "words to a party cannot be written"),
        }
    }

    /// Says something to every party of an account.
    pub(crate) async fn tell_all(&self, terms: &Terms, words: &ToParty) {
        for card in &terms.parties {
            self.tell(&card.identity, words).await;
        }
    }

    pub(crate) fn is_online(&self, identity: &IdentityKey) -> bool {
        self.hub.is_online(identity)
    }

    /// Whether the party at this point is connected.
    pub(crate) fn is_there(&self, terms: &Terms, index: PartyIndex) -> bool {
        terms.party_at(index).is_some_and(|card| self.is_online(&card.identity))
    }

    pub(crate) fn hello_heard(&self, identity: IdentityKey) {
        // Nobody may be waiting for it.
        let _ = self.hellos.send(identity);
    }

    /// Yields whoever says hello from now on.
    pub(crate) fn hellos(&self) -> broadcast::Receiver<IdentityKey> {
        self.hellos.subscribe()
    }
}

impl std::fmt::Debug for Coordinator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Coordinator").field("chains", &self.chains.keys()).finish_non_exhaustive()
    }
}

/// What parties say, as bytes from the relay.
pub(crate) fn words_of(body: &[u8]) -> Option<FromParty> {
    match Message::<FromParty>::decode(body) {
        Ok(Message::Plain(words)) => Some(*words),
        Ok(Message::Sealed(_) | Message::Peer(_)) => {
            tracing::debug!("a sealed envelope came to the coordinator, who cannot open it");
            None
        }
        Err(error) => {
            tracing::info!(%error, "a party's message was not understood");
            None
        }
    }
}

/// No code panics while it holds these locks; if it did, the maps would still be whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
