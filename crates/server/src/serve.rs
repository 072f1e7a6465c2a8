//! The process: open, listen, serve, drain.

use std::net::SocketAddr;
use std::time::Duration;

use axum::serve::ListenerExt as _;
use cohold_api::ChainView;
use cohold_app::{ChainEntry, Coordinator, Issuer, system_clock};
use cohold_chain_io::{Chain, RpcError};
use cohold_relay::Hub;
use cohold_store::{ServerStore, StoreError};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::http::router;
use crate::issuer::{self, IssuerError};

/// How long open requests have to finish when the server stops.
const DRAIN: Duration = Duration::from_secs(5);

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The server's identity cannot be opened.
    #[error(transparent)]
    Issuer(#[from] IssuerError),
    /// A chain's client cannot be made.
    #[error("chain {0} cannot be asked: {1}")]
    Chain(u64, RpcError),
    /// The address is taken or not ours.
    #[error("cannot listen on `{address}`: {source}; stop what listens there, or change `listen`")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// What a stop cut off cannot be taken up.
    #[error("cannot take up where the last run stopped: {0}")]
    Resume(cohold_app::Error),
    /// The listener broke.
    #[error("the server stopped by itself: {0}; see its log")]
    Broken(std::io::Error),
    /// No token could be made.
    #[error("no token can be made: the system gives no randomness")]
    Randomness,
}

/// A server at work.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// The fingerprint of the key that signs certificates.
    pub fingerprint: String,
    stop: watch::Sender<bool>,
    served: JoinHandle<Result<(), ServeError>>,
}

impl Running {
    /// Ends it: open requests finish, new ones are not taken.
    pub async fn stop(self) -> Result<(), ServeError> {
        // If nobody listens any more it has ended by itself.
        let _ = self.stop.send(true);
        self.ended().await
    }

    /// Waits until it ends by itself.
    pub async fn ended(self) -> Result<(), ServeError> {
        match self.served.await {
            Ok(ended) => ended,
            Err(error) => Err(ServeError::Broken(std::io::Error::other(error))),
        }
    }
}

/// Serves until SIGINT or SIGTERM. `ready` gets the address and the fingerprint of the key that signs
/// certificates, once it answers.
pub async fn serve(config: Config, ready: oneshot::Sender<(SocketAddr, String)>) -> Result<(), ServeError> {
    let mut running = spawn(config).await?;
    // Whoever started us may not care.
    let _ = ready.send((running.address, running.fingerprint.clone()));
    tokio::select! {
        () = told_to_stop() => {}
        ended = &mut running.served => {
            return ended.unwrap_or_else(|error| Err(ServeError::Broken(std::io::Error::other(error))));
        }
    }
    tracing::info!("stopping");
    running.stop().await
}

/// Starts a server in the background; it answers when this returns.
pub async fn spawn(config: Config) -> Result<Running, ServeError> {
    let store = ServerStore::open(&config.database)?;
    let issuer = Issuer { identity: issuer::open(&config.database)?, declared: config.declared };
    let fingerprint = issuer.identity.public().fingerprint();
    if issuer.declared.is_empty() {
        tracing::warn!("there is no custody.toml: certificates assume against the provider who runs what");
    }
    let mut chains = Vec::with_capacity(config.chains.len());
    for chain in config.chains {
        let client = Chain::new(chain.endpoint).map_err(|error| ServeError::Chain(chain.id, error))?;
        let view = ChainView {
            chain_id: chain.id,
            name: chain.name,
            coin: chain.coin,
            confirmations: chain.confirmations,
        };
        chains.push(ChainEntry { view, chain: client });
    }
    let listen = |source| ServeError::Listen { address: config.listen, source };
    let listener = TcpListener::bind(config.listen).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let (hub, mail) = Hub::new();
    let coordinator = Coordinator::new(store, hub, chains, system_clock(), issuer);
    coordinator.start(mail).await.map_err(ServeError::Resume)?;
    let app = router(std::sync::Arc::clone(&coordinator));
    let (stop, mut stopped) = watch::channel(false);
    let served = tokio::spawn(async move {
        let mut draining = stopped.clone();
        // Rounds between parties are small and wait for each other: Nagle's algorithm is switched off.
        let listener = listener.tap_io(|socket| drop(socket.set_nodelay(true)));
        let server = axum::serve(listener, app).with_graceful_shutdown(async move {
            // A dropped handle means the same.
            let _ = draining.wait_for(|stop| *stop).await;
        });
        let drained = async {
            let _ = stopped.wait_for(|stop| *stop).await;
            tokio::time::sleep(DRAIN).await;
        };
        let ended = tokio::select! {
            ended = server.into_future() => ended.map_err(ServeError::Broken),
            () = drained => Ok(()),
        };
        coordinator.stop().await;
        ended
    });
    tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "serving");
    Ok(Running { address, fingerprint, stop, served })
}

/// Makes a token for the API. It is shown once; the database has its hash only. The server may be
/// running meanwhile.
pub fn token_create(config: &Config) -> Result<String, ServeError> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|_| ServeError::Randomness)?;
    let token = format!("cohold_{}", hex::encode(secret));
    ServerStore::open(&config.database)?.token_insert(&token)?;
    Ok(token)
}

async fn told_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => drop(terminate.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = terminated => {}
        interrupted = tokio::signal::ctrl_c() => {
            if interrupted.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}
