//! The hub's side of a WebSocket connection.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::WebSocketUpgrade;
use axum::extract::ws::{Message, WebSocket};
use axum::routing::get;
use tokio::time::timeout;

use crate::frame::{Address, BODY_BYTES_MAX, KnownKeys, Parcel, READ_BYTES_MAX, WELCOME, check_login};
use crate::hub::Hub;

/// How long a new connection may take to prove itself.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one frame may take to leave.
const SEND_TIMEOUT: Duration = Duration::from_secs(20);
/// How often the hub asks whether the other end is still there, and half of how long it waits.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// The largest WebSocket message that the endpoint accepts.
const MESSAGE_BYTES_MAX: usize = BODY_BYTES_MAX;

/// A router with nothing but a hub at `path`.
pub fn router(path: &str, hub: Arc<Hub>) -> Router {
    let upgrade = move |upgrade: WebSocketUpgrade| {
        let hub = Arc::clone(&hub);
        async move { bounded(upgrade).on_upgrade(move |stream| serve(stream, hub)) }
    };
    Router::new().route(path, get(upgrade))
}

/// A connection that takes no more than frames of the relay.
pub fn bounded(upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
    upgrade
        .max_message_size(MESSAGE_BYTES_MAX)
        .max_frame_size(MESSAGE_BYTES_MAX)
        .read_buffer_size(READ_BYTES_MAX)
}

/// Serves one connection until either side closes it.
pub async fn serve(mut socket: WebSocket, hub: Arc<Hub>) {
    let mut challenge = [0; 32];
    if getrandom::fill(&mut challenge).is_err()
        || socket.send(Message::Binary(challenge.to_vec().into())).await.is_err()
    {
        return;
    }
    let answer = match timeout(LOGIN_TIMEOUT, socket.recv()).await {
        Ok(Some(Ok(Message::Binary(answer)))) => answer,
        _ => return,
    };
    let identity = match check_login(&challenge, &answer) {
        Ok(identity) => identity,
        Err(error) => {
            tracing::info!(%error, "relay login refused");
            return;
        }
    };
    tracing::debug!(party = %identity.fingerprint(), "connected");
    let mailbox = hub.connect(identity);
    if socket.send(Message::Binary(WELCOME.into())).await.is_err() {
        return;
    }
    let mut keepalive = tokio::time::interval(KEEPALIVE);
    let (mut silent, mut known) = (0, KnownKeys::default());
    loop {
        let outgoing = tokio::select! {
            parcel = mailbox.recv() => match parcel {
                Some(parcel) => Message::Binary(parcel.encode().into()),
                None => break,
            },
            incoming = socket.recv() => {
                let Some(Ok(message)) = incoming else { break };
                silent = 0;
                if let Message::Binary(bytes) = message {
                    match Parcel::decode_among(&bytes, &mut known) {
                        Ok(parcel) => hub.post(Address::Party(identity), parcel.address, parcel.body).await,
                        Err(error) => {
                            tracing::info!(%error, "relay frame refused");
                            break;
                        }
                    }
                }
                continue;
            }
            _ = keepalive.tick() => {
                silent += 1;
                if silent > 2 { break }
                Message::Ping(Vec::new().into())
            }
        };
        if !matches!(timeout(SEND_TIMEOUT, socket.send(outgoing)).await, Ok(Ok(()))) {
            break;
        }
    }
    tracing::debug!(party = %identity.fingerprint(), "disconnected");
}
