//! A party's side: one connection that comes back by itself.

use std::sync::Arc;
use std::time::Duration;

use cohold_model::PartyName;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::frame::{Address, BODY_BYTES_MAX, KnownKeys, Parcel, READ_BYTES_MAX, WELCOME};

const BACKOFF_FIRST: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longer than the hub's keepalive interval: silence means that the connection is dead.
const SILENCE_MAX: Duration = Duration::from_secs(45);
const QUEUE: usize = 256;

/// Answers the hub's challenge with a login, see [`crate::frame::login`].
pub type Login = Arc<dyn Fn(&[u8; 32]) -> Vec<u8> + Send + Sync>;

/// The sending half. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Link {
    outgoing: mpsc::Sender<Parcel>,
    connected: watch::Receiver<u64>,
}

/// A connection to a relay that reconnects until it is dropped.
#[derive(Debug)]
pub struct RelayClient {
    link: Link,
    incoming: mpsc::Receiver<Parcel>,
    task: tokio::task::JoinHandle<()>,
}

/// Why a body was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The body is longer than the relay takes.
    #[error("a message of {0} bytes is more than the relay takes")]
    Size(usize),
    /// The connection was given up.
    #[error("the relay connection is closed")]
    Closed,
}

impl RelayClient {
    /// Connects in the background, as `who` in logs.
    #[must_use]
    pub fn connect(url: String, who: PartyName, login: Login) -> Self {
        let (outgoing, queue) = mpsc::channel(QUEUE);
        let (deliver, incoming) = mpsc::channel(QUEUE);
        let (generation, connected) = watch::channel(0);
        let task = tokio::spawn(run(Endpoint { url, who, login, queue, deliver, generation }));
        Self { link: Link { outgoing, connected }, incoming, task }
    }

    /// The sending half.
    #[must_use]
    pub fn link(&self) -> Link {
        self.link.clone()
    }

    /// The next parcel; none once the client is closed.
    pub async fn recv(&mut self) -> Option<Parcel> {
        self.incoming.recv().await
    }
}

impl Drop for RelayClient {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Link {
    /// Hands a body to the relay; while the connection is down, a bounded number waits.
    pub async fn send(&self, to: Address, body: Vec<u8>) -> Result<(), SendError> {
        if body.len() > BODY_BYTES_MAX - 64 {
            return Err(SendError::Size(body.len()));
        }
        self.outgoing.send(Parcel { address: to, body }).await.map_err(|_| SendError::Closed)
    }

    /// Counts the connections made so far; changes whenever the party has come back.
    #[must_use]
    pub fn connections(&self) -> watch::Receiver<u64> {
        self.connected.clone()
    }

    /// Returns once connected, or `false` after `patience`.
    pub async fn ready(&self, patience: Duration) -> bool {
        let mut connected = self.connected.clone();
        matches!(timeout(patience, connected.wait_for(|n| *n > 0)).await, Ok(Ok(_)))
    }
}

struct Endpoint {
    url: String,
    who: PartyName,
    login: Login,
    queue: mpsc::Receiver<Parcel>,
    deliver: mpsc::Sender<Parcel>,
    generation: watch::Sender<u64>,
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn run(mut endpoint: Endpoint) {
    let mut backoff = BACKOFF_FIRST;
    loop {
        match timeout(CONNECT_TIMEOUT, open(&endpoint)).await {
            Ok(Some(socket)) => {
                backoff = BACKOFF_FIRST;
                endpoint.generation.send_modify(|n| *n = n.wrapping_add(1));
                if pump(socket, &mut endpoint).await.is_none() {
                    return;
                }
                tracing::info!(party = %endpoint.who, "relay connection lost");
            }
            _ => tracing::debug!(party = %endpoint.who, "relay not reached, trying again"),
        }
        tokio::time::sleep(jittered(backoff)).await;
        backoff = backoff.saturating_mul(2).min(BACKOFF_MAX);
    }
}

async fn open(endpoint: &Endpoint) -> Option<Socket> {
    let config = WebSocketConfig::default()
        .max_message_size(Some(BODY_BYTES_MAX))
        .max_frame_size(Some(BODY_BYTES_MAX))
        .read_buffer_size(READ_BYTES_MAX);
    // The third argument switches Nagle's algorithm off: rounds are small and wait for each other.
    let (mut socket, _) =
        tokio_tungstenite::connect_async_with_config(&endpoint.url, Some(config), true).await.ok()?;
    let Some(Ok(Message::Binary(challenge))) = socket.next().await else { return None };
    let answer = (endpoint.login)(challenge.as_ref().try_into().ok()?);
    socket.send(Message::Binary(answer.into())).await.ok()?;
    // Only now do others see this party.
    match socket.next().await {
        Some(Ok(Message::Binary(welcome))) if welcome == WELCOME => Some(socket),
        _ => None,
    }
}

/// Carries parcels both ways; `None` once nobody listens any more, `Some` to reconnect.
async fn pump(mut socket: Socket, endpoint: &mut Endpoint) -> Option<()> {
    let mut known = KnownKeys::default();
    loop {
        tokio::select! {
            parcel = endpoint.queue.recv() => {
                let bytes = parcel?.encode();
                if socket.send(Message::Binary(bytes.into())).await.is_err() {
                    return Some(());
                }
            }
            message = timeout(SILENCE_MAX, socket.next()) => {
                let Ok(Some(Ok(message))) = message else { return Some(()) };
                if let Message::Binary(bytes) = message {
                    match Parcel::decode_among(&bytes, &mut known) {
                        Ok(parcel) => endpoint.deliver.send(parcel).await.ok()?,
                        Err(error) => tracing::debug!(%error, "relay sent junk"),
                    }
                }
            }
        }
    }
}

fn jittered(base: Duration) -> Duration {
    let mut random = [0; 1];
    // Without randomness the pause is merely less spread.
    let _ = getrandom::fill(&mut random);
    let share = random.first().map_or(0, |b| u32::from(*b));
    base / 2 + base * share / 512
}
