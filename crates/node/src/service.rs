//! A node as a service.

use std::sync::Arc;

use cohold_relay::{RelayClient, frame};
use cohold_store::{PartyStore, StoreError};

use crate::config::NodeHome;
use crate::presignatures::Presignatures;
use crate::primes::PrimePool;
use crate::runtime::{Runtime, Shutdown};
use crate::vaulted::VaultedKeeper;

/// Runs a node until `shutdown`. `ready` is called with the node's fingerprint once it serves.
pub async fn serve(home: NodeHome, shutdown: Shutdown, ready: impl FnOnce(&str)) -> Result<(), StoreError> {
    let card = home.card();
    let fingerprint = card.identity.fingerprint();
    let store = PartyStore::open(&home.database)?;
    let keeper = VaultedKeeper::new(store, home.vault, card.party.clone())?;
    let keeper = keeper.under(home.rules.clone(), home.config.proposals)?.importing_from(home.imports);
    let keeper = match home.config.cggmp24 {
        Some(engine) => keeper.with_primes(PrimePool::new(engine.setups_ahead.into())),
        None => keeper,
    };
    let keeper = match home.config.cggmp24.map(|engine| engine.presignatures) {
        Some(ready) if ready > 0 => keeper.with_presignatures(Presignatures::new(ready)),
        Some(_) | None => keeper,
    };
    let keeper = keeper.notifying(&home.config.notify);
    tracing::info!(party = %card.party, entity = %card.entity, %fingerprint, "node starts");
    let relay = connect(home.config.relay, &card, &home.keys);
    let runtime = Runtime::new(card, Arc::new(home.keys), home.rules, Arc::new(keeper), relay.link());
    ready(&fingerprint);
    runtime.run(relay, shutdown).await;
    tracing::info!("node ends");
    Ok(())
}

/// Connects a party to a relay, as itself.
#[must_use]
pub fn connect(url: String, card: &cohold_model::account::Card, keys: &cohold_mpc::PartyKeys) -> RelayClient {
    // The login key is the identity; the closure keeps a second handle of it for reconnections.
    let identity = cohold_model::IdentitySecret::from_seed(&mut keys.identity.expose_seed());
    let login = move |challenge: &[u8; 32]| frame::login(challenge, &identity);
    RelayClient::connect(url, card.party.clone(), Arc::new(login))
}
