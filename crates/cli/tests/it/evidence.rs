//! A co-signer that cheats, across processes: the device bans it, the guardian keeps the device's word, and
//! gives it back to a device that was restored from an old copy. Anybody can look into the case.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cohold_model::charter::Charter;
use cohold_model::{IdentityKey, Signed};
use cohold_mpc::{Fault, Inbox, PartyKeys, Protocol, Session, SessionContext, Step};
use cohold_mpc_ecdsa::{Signing, SigningDigest};
use cohold_node::vaulted::VaultedKeeper;
use cohold_node::{Keeper as _, OpenedKey};
use cohold_party::engine::Auxiliary;
use cohold_party::wire::{FromParty, Message, SignOrder, ToParty};
use cohold_relay::{Address, RelayClient};
use cohold_vault::SoftwareVault;
use k256::elliptic_curve::rand_core::CryptoRng;
use serde_json::Value;

use crate::chain::new_address;
use crate::process::{Cli, until};
use crate::world::{Account, World, new_request};

/// The co-signer's share and keys under a program of the thief's, at the real server's relay.
struct Cheat {
    runtime: tokio::runtime::Runtime,
    relay: RelayClient,
    keys: PartyKeys,
    key: Arc<OpenedKey>,
    charter: Charter,
}

/// A protocol whose first messages to others are not what they should be.
struct Tampered(Signing);

impl Protocol for Tampered {
    type Output = <Signing as Protocol>::Output;
    const CONFIRMED: bool = Signing::CONFIRMED;

    fn start(&mut self, rng: &mut impl CryptoRng) -> Result<Step<Self::Output>, Fault> {
        let mut step = self.0.start(rng)?;
        if let Step::Send(out) = &mut step {
            for message in out.direct.values_mut() {
                // The bulk of it is the matrix of the oblivious-transfer extension.
                let middle = message.len() / 2;
                message[middle] ^= 1;
            }
        }
        Ok(step)
    }

    fn round(&mut self, inbox: Inbox, rng: &mut impl CryptoRng) -> Result<Step<Self::Output>, Fault> {
        self.0.round(inbox, rng)
    }
}

impl Cheat {
    /// Opens the co-signer's folder, while its node is off, and logs in as that node.
    fn new(world: &World, charter: &Charter) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let (runtime, folder) = (runtime.unwrap(), world.path("cosigner"));
        let party = "cosigner".parse().unwrap();
        let vault = SoftwareVault::key_file_open(&folder.join("node.key")).unwrap();
        let keys = cohold_node::config::open_keys(&folder, &vault, &party).unwrap();
        let store = cohold_store::PartyStore::open(&folder.join("node.sqlite")).unwrap();
        let keeper = VaultedKeeper::new(store, Arc::new(vault), party.clone()).unwrap();
        let key = keeper.open(&keeper.kept(charter.terms.account).unwrap()).unwrap();
        let (_, card) = charter.terms.party(&party).unwrap();
        let url = format!("ws{}{}", world.url().trim_start_matches("http"), cohold_api::route::RELAY);
        let relay = {
            let _inside = runtime.enter();
            cohold_node::service::connect(url, card, &keys)
        };
        let card = Signed::by(card.clone(), party, &keys.identity);
        let hello = Message::encode_plain(&FromParty::Hello { card }).unwrap();
        runtime.block_on(async {
            assert!(relay.link().ready(std::time::Duration::from_secs(20)).await);
            relay.link().send(Address::Coordinator, hello).await.unwrap();
        });
        Self { runtime, relay, keys, key, charter: charter.clone() }
    }

    /// Answers every order with a tampered first round, until `stop` says so.
    fn serve(mut self, stop: Arc<std::sync::atomic::AtomicBool>) -> std::thread::JoinHandle<Self> {
        std::thread::spawn(move || {
            let mut runs = std::collections::HashMap::new();
            while !stop.load(std::sync::atomic::Ordering::SeqCst) {
                let wait = std::time::Duration::from_millis(50);
                let relay = &mut self.relay;
                let heard = self.runtime.block_on(async { tokio::time::timeout(wait, relay.recv()).await });
                let Ok(Some(parcel)) = heard else { continue };
                let sent = match Message::<ToParty>::decode(&parcel.body) {
                    Ok(Message::Plain(words)) => match *words {
                        ToParty::Sign(order) => {
                            let mut run = self.begin(&order);
                            let sent = run.start(&mut cohold_node::rng()).unwrap();
                            runs.insert(order.session(), run);
                            sent
                        }
                        _ => continue,
                    },
                    Ok(Message::Sealed(envelope)) => {
                        let run = runs.get_mut(&envelope.session);
                        let answer = run.map(|run| run.receive(&envelope, &mut cohold_node::rng()));
                        answer.and_then(Result::ok).unwrap_or_default()
                    }
                    _ => continue,
                };
                for envelope in sent {
                    let to = self.charter.terms.party_at(envelope.to).unwrap().identity;
                    let body = Message::<FromParty>::encode_sealed(&envelope).unwrap();
                    self.send(to, body);
                }
            }
            self
        })
    }

    fn send(&self, to: IdentityKey, body: Vec<u8>) {
        let link = self.relay.link();
        self.runtime.block_on(link.send(Address::Party(to), body)).unwrap();
    }

    fn begin(&self, order: &SignOrder) -> Session<Tampered> {
        let terms = &self.charter.terms;
        let (me, _) = terms.party_by_identity(&self.keys.identity()).unwrap();
        let peers = order.signers.iter().filter(|peer| **peer != me);
        let context = SessionContext {
            account: terms.account,
            epoch: self.charter.epoch,
            session: order.session(),
            me,
            peers: peers.map(|peer| (*peer, terms.party_at(*peer).unwrap().seal)).collect(),
        };
        let OpenedKey { share, auxiliary: Auxiliary::Dkls23(auxiliary) } = self.key.as_ref() else {
            panic!("the account signs by the first engine")
        };
        let digest = SigningDigest(cohold_chain_evm::signing_digest(&order.plan.payload.0));
        let signing = Signing::new(&context, share, auxiliary, &BTreeSet::new(), digest).unwrap();
        Session::new(context, &self.keys.seal, Tampered(signing), &mut cohold_node::rng()).unwrap()
    }
}

/// The files of the device's database.
fn database(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let named = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("device.sqlite");
    entries.filter(named).collect()
}

fn copy(from: &Path, to: &Path) {
    database(to).iter().for_each(|old| std::fs::remove_file(old).unwrap());
    for file in database(from) {
        std::fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
    }
}

/// Asks for the co-signer's signature; the guardian signs in the end. What the device said meanwhile.
fn pay_with_cosigner(world: &World, account: &Account) -> String {
    let (to, request) = (new_address(), new_request());
    let nonce = world.chain.nonce(&account.address);
    let ran = world.pay(account, &to, &request).args(["--with", "device,cosigner"]).run();
    let said = ran.stderr.clone();
    world.assert_paid_once(account, &to, nonce, &ran.done());
    said
}

fn device_cases(world: &World) -> Vec<Value> {
    let listed = world.device(["evidence", "list"]).run().done();
    listed["cases"].as_array().unwrap().clone()
}

fn guardian_cases(world: &World) -> Vec<Value> {
    let node = world.path("guardian/node.toml");
    let listed = world.device(["evidence", "list"]).arg("--node").arg(node).run().done();
    listed["cases"].as_array().unwrap().clone()
}

#[test]
fn a_cheat_is_banned_told_and_remembered() {
    let Some(mut world) = World::start() else { return };
    let account = world.create(&["--template", "enterprise"]);
    world.fund(&account);
    world.wait_for_statements(&account);
    assert!(device_cases(&world).is_empty());
    let shown = world.device(["account", "show", &account.id]).run().done();
    let charter: Signed<Charter> = serde_json::from_value(shown["charter"].clone()).unwrap();
    let (device, backup) = (world.path("device"), tempfile::tempdir().unwrap());
    copy(&device, backup.path());
    world.node_stop("cosigner");
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let cheat = Cheat::new(&world, &charter.document).serve(Arc::clone(&stop));

    assert!(pay_with_cosigner(&world, &account).contains("banned for ever"));
    let cases = device_cases(&world);
    let [case] = &cases[..] else { panic!("the device bans the co-signer: {cases:?}") };
    assert_eq!((&case["verdict"], &case["kind"]), (&"accused".into(), &"oblivious-transfer".into()));
    assert_eq!(
        (&case["finder"]["party"], &case["offender"]["party"]),
        (&"device".into(), &"cosigner".into())
    );
    // The command may have ended before the guardian heard of it; the next one tells it.
    world.assert_spendable(&account);
    until("the guardian keeps the case", || (guardian_cases(&world).len() == 1).then_some(()));
    assert_eq!(guardian_cases(&world)[0]["case"], case["case"]);

    // The device's folder is lost; an old copy of its database knows nothing of the ban.
    copy(backup.path(), &device);
    assert!(device_cases(&world).is_empty());
    let said = pay_with_cosigner(&world, &account);
    let again = device_cases(&world);
    assert_eq!(again.len(), 1, "the guardian gave it back: {said}");
    assert!(said.contains("a peer gave back a ban"), "{said}");
    assert!(!said.contains("oblivious-transfer"), "no message of the cheat was looked at again: {said}");
    assert_eq!(again[0]["case"], case["case"]);
    world.assert_spendable(&account);

    // Anybody can look into it, with nothing but the file.
    let file = world.path("case.json");
    let name = &case["case"].as_str().unwrap()[..12];
    let node = world.path("guardian/node.toml");
    world.device(["evidence", "export", name]).arg("--out").arg(&file).arg("--node").arg(node).run().done();
    let check = |file: &Path| Cli::offline(["evidence", "check", "--json"]).arg(file).run();
    let accused = check(&file);
    assert_eq!((accused.status.code(), &accused.json()["verdict"]), (Some(5), &"accused".into()));
    let text = std::fs::read_to_string(&file).unwrap();
    let other = world.path("other.json");
    for (from, to) in
        [("\"ban\":\"cosigner\"", "\"ban\":\"guardian\""), ("\"round\":1", "\"round\":2"), ("{", "[")]
    {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        std::fs::write(&other, changed).unwrap();
        let invalid = check(&other);
        assert_eq!((invalid.status.code(), &invalid.json()["verdict"]), (Some(1), &"invalid".into()), "{to}");
    }
    stop.store(true, std::sync::atomic::Ordering::SeqCst);
    drop(cheat.join().unwrap());
}
