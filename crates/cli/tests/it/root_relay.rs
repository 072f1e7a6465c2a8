//! A relay and coordinator that the test owns, in this process.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cohold_model::IdentityKey;
use cohold_model::charter::Charter;
use cohold_model::ids::PartyIndex;
use cohold_mpc::{PartyKeys, Session, SessionContext};
use cohold_mpc_ecdsa::{Signing, SigningDigest};
use cohold_node::vaulted::VaultedKeeper;
use cohold_node::{Keeper as _, OpenedKey};
use cohold_party::engine::Auxiliary;
use cohold_party::wire::{FromParty, Message, SignOrder, ToParty};
use cohold_relay::{Address, Hub, Parcel, RelayClient, socket};
use cohold_vault::SoftwareVault;
use tokio::sync::mpsc;

pub(crate) struct Coordinator {
    runtime: tokio::runtime::Runtime,
    hub: Arc<Hub>,
    mail: mpsc::Receiver<Parcel>,
    /// `HOST:PORT`.
    pub(crate) address: String,
}

impl Coordinator {
    pub(crate) fn start() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (hub, mail) = Hub::new();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let routes = socket::router(cohold_api::route::RELAY, Arc::clone(&hub));
        runtime.spawn(async move { axum::serve(listener, routes).await });
        Self { runtime, hub, mail, address }
    }

    pub(crate) fn say(&self, to: IdentityKey, words: &ToParty) {
        self.raw(to, Message::encode_plain(words).unwrap());
    }

    /// Any bytes.
    pub(crate) fn raw(&self, to: IdentityKey, bytes: Vec<u8>) {
        self.runtime.block_on(self.hub.post(Address::Coordinator, Address::Party(to), bytes));
    }

    /// The next words of a party, unless it is silent.
    pub(crate) fn hear(&mut self, from: IdentityKey, patience: Duration) -> Option<FromParty> {
        let mail = &mut self.mail;
        self.runtime.block_on(async {
            let heard = async {
                loop {
                    let parcel = mail.recv().await?;
                    if parcel.address == Address::Party(from)
                        && let Ok(Message::Plain(words)) = Message::<FromParty>::decode(&parcel.body)
                    {
                        return Some(*words);
                    }
                }
            };
            tokio::time::timeout(patience, heard).await.ok().flatten()
        })
    }
}

/// A node's share and keys in the thief's hands, and its place on the thief's relay.
pub(crate) struct Seat {
    relay: RelayClient,
    keys: PartyKeys,
    key: Arc<OpenedKey>,
    index: PartyIndex,
    charter: Charter,
}

/// What came of a session with a node that cheats.
pub(crate) struct Cheated {
    /// The other party's last word on the session.
    pub(crate) said: Option<FromParty>,
    /// Whether the node got a signature on what it wanted signed.
    pub(crate) signed: bool,
}

impl Coordinator {
    /// Opens a node's folder, as root does, and logs in as that node.
    pub(crate) fn seat(&self, charter: &Charter, folder: &Path, party: &str) -> Seat {
        let party = party.parse().unwrap();
        let copy = tempfile::tempdir().unwrap();
        for name in ["node.sqlite", "node.sqlite-wal"] {
            if folder.join(name).is_file() {
                std::fs::copy(folder.join(name), copy.path().join(name)).unwrap();
            }
        }
        let vault = SoftwareVault::key_file_open(&folder.join("node.key")).unwrap();
        let keys = cohold_node::config::open_keys(folder, &vault, &party).unwrap();
        let store = cohold_store::PartyStore::open(&copy.path().join("node.sqlite")).unwrap();
        let keeper = VaultedKeeper::new(store, Arc::new(vault), party.clone()).unwrap();
        let key = keeper.open(&keeper.kept(charter.terms.account).unwrap()).unwrap();
        let (index, card) = charter.terms.party(&party).unwrap();
        let url = format!("ws://{}{}", self.address, cohold_api::route::RELAY);
        let _inside = self.runtime.enter();
        let relay = cohold_node::service::connect(url, card, &keys);
        Seat { relay, keys, key, index, charter: charter.clone() }
    }

    /// Has `with` sign an order, and takes part under the node's share: on `digest`, whatever the order
    /// says, each message after noise in its name, and each of them three times.
    pub(crate) fn cheat(
        &mut self,
        seat: &mut Seat,
        with: IdentityKey,
        order: &SignOrder,
        digest: [u8; 32],
    ) -> Cheated {
        let terms = &seat.charter.terms;
        let peers = order.signers.iter().filter(|peer| **peer != seat.index);
        let context = SessionContext {
            account: terms.account,
            epoch: seat.charter.epoch,
            session: order.session(),
            me: seat.index,
            peers: peers.map(|peer| (*peer, terms.party_at(*peer).unwrap().seal)).collect(),
        };
        let OpenedKey { share, auxiliary: Auxiliary::Dkls23(auxiliary) } = seat.key.as_ref() else {
            panic!("the account signs by the first engine")
        };
        let signing =
            Signing::new(&context, share, auxiliary, &BTreeSet::new(), SigningDigest(digest)).unwrap();
        let mut run = Session::new(context, &seat.keys.seal, signing, &mut cohold_node::rng()).unwrap();
        let mut out = run.start(&mut cohold_node::rng()).unwrap();
        self.say(with, &ToParty::Sign(Box::new(order.clone())));
        let (mail, relay) = (&mut self.mail, &mut seat.relay);
        let session = order.session();
        let said = self.runtime.block_on(async {
            let talk = async {
                loop {
                    for envelope in out.drain(..) {
                        let mut noise = envelope.clone();
                        noise.sealed.iter_mut().rev().take(40).for_each(|byte| *byte ^= 0x5a);
                        for envelope in [&noise, &envelope, &envelope, &envelope] {
                            let body = Message::<FromParty>::encode_sealed(envelope).unwrap();
                            relay.link().send(Address::Party(with), body).await.unwrap();
                        }
                    }
                    tokio::select! {
                        parcel = mail.recv() => {
                            let parcel = parcel?;
                            let Ok(Message::<FromParty>::Plain(words)) = Message::decode(&parcel.body) else {
                                continue;
                            };
                            match *words {
                                FromParty::Signature { session: of, .. }
                                | FromParty::Broken { session: of, .. }
                                | FromParty::Refused { session: of, .. } if of == session => {
                                    return Some(*words);
                                }
                                _ => {}
                            }
                        }
                        parcel = relay.recv() => {
                            if let Ok(Message::<ToParty>::Sealed(envelope)) = Message::decode(&parcel?.body)
                                && let Ok(answer) = run.receive(&envelope, &mut cohold_node::rng())
                            {
                                out = answer;
                            }
                        }
                    }
                }
            };
            tokio::time::timeout(Duration::from_secs(40), talk).await.ok().flatten()
        });
        Cheated { said, signed: run.outcome().is_some() }
    }
}
