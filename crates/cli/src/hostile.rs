//! A coordinator that serves a thief: it has the relay to itself, and says to parties what it likes.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use cohold_api::route;
use cohold_model::{HexBytes, IdentityKey};
use cohold_party::Refusal;
use cohold_party::wire::{FromParty, Message, SignOrder, ToParty};
use cohold_relay::{Address as Mail, Hub, Parcel, socket};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Longer than a party waits in a signing session that the others leave alone.
const PATIENCE: Duration = Duration::from_secs(40);

/// A relay without a coordinator's manners.
pub(crate) struct Hostile {
    hub: Arc<Hub>,
    mail: mpsc::Receiver<Parcel>,
    served: tokio::task::JoinHandle<()>,
}

/// What came of an order.
#[derive(Debug)]
pub(crate) enum Answer {
    Refused(Refusal),
    /// The party took part, and the session broke off.
    Broken(String),
    Signed(HexBytes),
}

impl Hostile {
    /// Serves parties at `address`, `HOST:PORT`.
    pub(crate) async fn listen(address: &str) -> anyhow::Result<Self> {
        let (hub, mail) = Hub::new();
        let listener = tokio::net::TcpListener::bind(address).await;
        let listener = listener.with_context(|| format!("`{address}` is not free"))?;
        let routes = socket::router(route::RELAY, Arc::clone(&hub));
        let served = tokio::spawn(async move { drop(axum::serve(listener, routes).await) });
        Ok(Self { hub, mail, served })
    }

    /// Waits until a party has said hello.
    pub(crate) async fn wait_for(&mut self, party: IdentityKey) -> anyhow::Result<()> {
        loop {
            if let (from, FromParty::Hello { .. }) = self.hear().await?
                && from == party
            {
                return Ok(());
            }
        }
    }

    /// Says something to a party.
    pub(crate) async fn say(&self, party: IdentityKey, words: &ToParty) -> anyhow::Result<()> {
        let body = Message::encode_plain(words)?;
        self.hub.post(Mail::Coordinator, Mail::Party(party), body).await;
        Ok(())
    }

    /// Orders a signature and waits for what the party says to it.
    pub(crate) async fn ask(&mut self, party: IdentityKey, order: SignOrder) -> anyhow::Result<Answer> {
        let session = order.session();
        self.say(party, &ToParty::Sign(Box::new(order))).await?;
        loop {
            let (from, words) = self.hear().await?;
            match words {
                _ if from != party => {}
                FromParty::Refused { session: of, refusal, .. } if of == session => {
                    return Ok(Answer::Refused(refusal));
                }
                FromParty::Broken { session: of, reason, .. } if of == session => {
                    return Ok(Answer::Broken(reason));
                }
                FromParty::Signature { session: of, signature, .. } if of == session => {
                    return Ok(Answer::Signed(signature));
                }
                _ => {}
            }
        }
    }

    /// The next words of any party to the coordinator.
    pub(crate) async fn hear(&mut self) -> anyhow::Result<(IdentityKey, FromParty)> {
        loop {
            let parcel = timeout(PATIENCE, self.mail.recv()).await.context("the parties are silent")?;
            let parcel = parcel.context("the hub is gone")?;
            if let (Mail::Party(from), Ok(Message::Plain(words))) =
                (parcel.address, Message::<FromParty>::decode(&parcel.body))
            {
                return Ok((from, *words));
            }
        }
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.served.abort();
    }
}
