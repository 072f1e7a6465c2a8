//! The relay and the coordinator's end of it, in the hands of the test. Logins and mailboxes are the
//! real ones; what happens to an envelope on its way is up to an [`Interceptor`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::WebSocketUpgrade;
use axum::extract::ws::{Message as Frame, WebSocket};
use axum::routing::get;
use cohold_model::{IdentityKey, SessionId};
use cohold_mpc::Envelope;
use cohold_party::wire::{FromParty, Message, ToParty};
use cohold_relay::frame::{WELCOME, check_login};
use cohold_relay::{Address, Hub, Parcel, socket};
use tokio::net::TcpListener;
use tokio::runtime;

use crate::mail::{Letter, Mail};

/// An envelope on its way between two parties.
#[derive(Debug, Clone)]
pub struct Passing {
    /// Who handed it in, by its login.
    pub from: IdentityKey,
    /// Who is to get it.
    pub to: IdentityKey,
    /// The envelope.
    pub envelope: Envelope,
}

/// Something that arrives, and when.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// How long it is under way.
    pub after: Duration,
    /// What arrives.
    pub passing: Passing,
}

impl From<Passing> for Delivery {
    fn from(passing: Passing) -> Self {
        Self { after: Duration::ZERO, passing }
    }
}

/// Decides what arrives instead of an envelope: nothing, itself, others, later.
pub type Interceptor = Box<dyn FnMut(Passing) -> Vec<Delivery> + Send>;

/// A relay on a loopback port.
pub struct Relay {
    switch: Arc<Switch>,
    url: String,
    runtime: Option<runtime::Runtime>,
}

struct Switch {
    hub: Arc<Hub>,
    mail: Mail,
    interceptors: Mutex<BTreeMap<SessionId, Interceptor>>,
}

impl Relay {
    /// Opens a relay on a free port.
    #[must_use]
    pub fn open() -> Self {
        let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime starts");
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).expect("a port is free");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let (hub, _) = Hub::new();
        let switch = Arc::new(Switch { hub, mail: Mail::default(), interceptors: Mutex::default() });
        runtime.spawn(listen(Arc::clone(&switch), listener));
        Self { switch, url: format!("ws://127.0.0.1:{port}/"), runtime: Some(runtime) }
    }

    /// Where parties connect.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What the coordinator was told.
    #[must_use]
    pub fn mail(&self) -> &Mail {
        &self.switch.mail
    }

    /// Says something as the coordinator.
    pub fn say(&self, to: IdentityKey, words: &ToParty) {
        let body = Message::encode_plain(words).expect("words are plain data");
        self.post(Address::Coordinator, to, body);
    }

    /// Puts any bytes in a party's mailbox, from whomever.
    pub fn post(&self, from: Address, to: IdentityKey, body: Vec<u8>) {
        let runtime = self.runtime.as_ref().expect("open until dropped");
        runtime.block_on(self.switch.hub.post(from, Address::Party(to), body));
    }

    /// From now on, `interceptor` decides on the envelopes of `session`.
    pub fn intercept(&self, session: SessionId, interceptor: Interceptor) {
        self.switch.interceptors().insert(session, interceptor);
    }

    /// From now on, the envelopes of `session` pass.
    pub fn let_pass(&self, session: SessionId) {
        self.switch.interceptors().remove(&session);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Switch {
    fn interceptors(&self) -> MutexGuard<'_, BTreeMap<SessionId, Interceptor>> {
        self.interceptors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A parcel that `from` handed in.
    async fn take(self: &Arc<Self>, from: IdentityKey, parcel: Parcel) {
        match (parcel.address, Message::<FromParty>::decode(&parcel.body)) {
            (Address::Coordinator, Ok(Message::Plain(words))) => {
                self.mail.push(Letter { from, words: *words });
            }
            (Address::Coordinator, _) => panic!("a party sends junk to the coordinator"),
            (Address::Party(to), Ok(Message::Sealed(envelope))) => {
                self.pass(Passing { from, to, envelope: *envelope });
            }
            (to @ Address::Party(_), _) => self.hub.post(Address::Party(from), to, parcel.body).await,
        }
    }

    fn pass(self: &Arc<Self>, passing: Passing) {
        let deliveries = match self.interceptors().get_mut(&passing.envelope.session) {
            Some(interceptor) => interceptor(passing),
            None => vec![passing.into()],
        };
        for Delivery { after, passing } in deliveries {
            let switch = Arc::clone(self);
            let deliver = async move {
                tokio::time::sleep(after).await;
                let body = Message::<FromParty>::encode_sealed(&passing.envelope);
                let body = body.expect("an envelope that was read can be written");
                switch.hub.post(Address::Party(passing.from), Address::Party(passing.to), body).await;
            };
            tokio::spawn(deliver);
        }
    }
}

async fn listen(switch: Arc<Switch>, listener: TcpListener) {
    let upgrade = move |upgrade: WebSocketUpgrade| {
        let switch = Arc::clone(&switch);
        let serve = move |socket| serve(socket, switch);
        async move { socket::bounded(upgrade).on_upgrade(serve) }
    };
    let served = axum::serve(listener, Router::new().route("/", get(upgrade))).await;
    served.expect("the relay serves until it is dropped");
}

async fn serve(mut socket: WebSocket, switch: Arc<Switch>) {
    // The challenge of a hostile relay need not be random.
    let challenge = [7; 32];
    if socket.send(Frame::Binary(challenge.to_vec().into())).await.is_err() {
        return;
    }
    let Some(Ok(Frame::Binary(answer))) = socket.recv().await else { return };
    let Ok(identity) = check_login(&challenge, &answer) else { return };
    let mailbox = switch.hub.connect(identity);
    if socket.send(Frame::Binary(WELCOME.into())).await.is_err() {
        return;
    }
    loop {
        tokio::select! {
            parcel = mailbox.recv() => {
                let Some(parcel) = parcel else { return };
                if socket.send(Frame::Binary(parcel.encode().into())).await.is_err() {
                    return;
                }
            }
            frame = socket.recv() => {
                let Some(Ok(frame)) = frame else { return };
                if let Frame::Binary(bytes) = frame {
                    let parcel = Parcel::decode(&bytes).expect("parties send well-formed frames");
                    switch.take(identity, parcel).await;
                }
            }
        }
    }
}
