//! A party as a process: a folder that outlives it, and a runtime that can be cut off at any moment.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cohold_model::account::{Card, PartyKind, Role};
use cohold_model::{EntityName, PartyName};
use cohold_mpc::PartyKeys;
use cohold_mpc_cggmp::SafePrimes;
use cohold_node::config::{NodeHome, Proposals, open_keys};
use cohold_node::presignatures::Presignatures;
use cohold_node::primes::PrimePool;
use cohold_node::vaulted::VaultedKeeper;
use cohold_node::{Runtime, service};
use cohold_party::Rules;
use cohold_store::PartyStore;
use cohold_vault::{DeviceVault, Pin, SealContext, Sealed, SoftwareVault, StretchCost, Vault};
use tokio::sync::watch;

/// Who a party is to be.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Its name.
    pub party: PartyName,
    /// Who controls it.
    pub entity: EntityName,
    /// What that entity is to the account.
    pub role: Role,
    /// What it is.
    pub kind: PartyKind,
    /// Its rules file.
    pub rules: String,
    /// How it seals what it keeps.
    pub seal: Seal,
    /// Which primes of the fixed set it takes part in the second engine with, from 1; making some takes
    /// minutes.
    pub primes: Option<u8>,
}

/// How many presignatures a party of the tests has ready, where it takes part in the second engine.
pub const PRESIGNATURES: u8 = 3;

/// How a party of the tests seals what it keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seal {
    /// Under a key file: fast.
    KeyFile,
    /// As in earnest: a device under secret and [`PIN`], a node under [`PASSPHRASE`].
    Memorised,
}

/// The PIN of sealed devices.
pub const PIN: &str = "correct-horse-pin-7391";
/// The passphrase of sealed nodes.
pub const PASSPHRASE: &str = "battery-staple-passphrase-2846";

/// A party.
pub struct Party {
    /// Who it was set up to be.
    pub spec: Spec,
    /// The card that it hands out.
    pub card: Card,
    /// Its keys: the test may be anybody.
    pub keys: Arc<PartyKeys>,
    folder: PathBuf,
    process: Option<Process>,
}

struct Process {
    runtime: tokio::runtime::Runtime,
    keeper: Arc<VaultedKeeper>,
    /// Dropping it would end the party in good order.
    _shutdown: watch::Sender<bool>,
}

/// What a folder holds once opened.
struct Opened {
    keys: PartyKeys,
    vault: Arc<dyn Vault>,
    rules: Rules,
    proposals: Option<Proposals>,
    database: PathBuf,
}

impl Party {
    /// Makes the party's folder. Nothing runs yet.
    #[must_use]
    pub fn new(folder: PathBuf, spec: Spec) -> Self {
        cohold_vault::file::private_folder(&folder).expect("a folder can be made");
        let config = format!(
            "party = \"{}\"\nentity = \"{}\"\nkind = \"{}\"\nrelay = \"ws://127.0.0.1:1/\"\nvault = \"{}\"\n\
             proposals = \"coordinator\"\n",
            spec.party,
            spec.entity,
            if spec.kind == PartyKind::Guardian { "guardian" } else { "cosigner" },
            if spec.seal == Seal::KeyFile { "key-file" } else { "passphrase" },
        );
        write(&folder.join("node.toml"), &config);
        write(&folder.join("rules.toml"), &spec.rules);
        let keys = Arc::new(open(&folder, &spec).keys);
        let card = Card {
            party: spec.party.clone(),
            entity: spec.entity.clone(),
            kind: spec.kind,
            identity: keys.identity(),
            seal: keys.seal_key(),
        };
        Self { spec, card, keys, folder, process: None }
    }

    /// Starts the party from what is in its folder.
    pub fn start(&mut self, relay: &str) {
        let Opened { keys, vault, rules, proposals, database } = open(&self.folder, &self.spec);
        let store = PartyStore::open(&database).expect("the database opens");
        let keeper =
            VaultedKeeper::new(store, vault, self.spec.party.clone()).expect("the database is whole");
        let keeper = match proposals {
            Some(proposals) => keeper.under(rules.clone(), proposals).expect("the database is whole"),
            None => keeper,
        };
        let keeper = match self.spec.primes.map(primes) {
            Some(primes) => {
                let pool = Presignatures::new(PRESIGNATURES);
                keeper.with_primes(PrimePool::of([primes])).with_presignatures(pool)
            }
            None => keeper,
        };
        let keeper = Arc::new(keeper);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime starts");
        let (shutdown, ended) = watch::channel(false);
        let (card, url, kept) = (self.card.clone(), relay.to_owned(), Arc::clone(&keeper));
        runtime.spawn(async move {
            let relay = service::connect(url, &card, &keys);
            let party = Runtime::new(card, Arc::new(keys), rules, kept, relay.link());
            party.run(relay, ended).await;
        });
        self.process = Some(Process { runtime, keeper, _shutdown: shutdown });
    }

    /// Cuts the party off, wherever it is: nothing that waits goes on. Returns once nothing of it runs.
    pub fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            process.runtime.shutdown_timeout(Duration::from_secs(30));
        }
    }

    /// The keeper of the running party.
    #[must_use]
    pub fn keeper(&self) -> &Arc<VaultedKeeper> {
        &self.process.as_ref().expect("the party runs").keeper
    }

    /// The party's database, beside the party.
    #[must_use]
    pub fn store(&self) -> PartyStore {
        PartyStore::open(&open(&self.folder, &self.spec).database).expect("the database opens")
    }

    /// The party's seed, out of its folder: what all its keys are made from.
    #[must_use]
    pub fn seed(&self) -> Vec<u8> {
        let bytes = std::fs::read(self.folder.join("identity.sealed")).expect("a party has an identity");
        let sealed = Sealed::from_bytes(bytes).expect("the seed is sealed");
        let place = SealContext::of_party(self.spec.party.clone());
        let seed = open(&self.folder, &self.spec).vault.open(&place, &sealed);
        seed.expect("the vault opens the seed").to_vec()
    }

    /// The party's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Party {
    fn drop(&mut self) {
        if let Some(process) = self.process.take() {
            process.runtime.shutdown_background();
        }
    }
}

/// A node's folder as a node opens it, a device's as a device does.
fn open(folder: &Path, spec: &Spec) -> Opened {
    let home = folder.join("node.toml");
    if spec.kind != PartyKind::Device {
        let home = NodeHome::open(&home, |_| match spec.seal {
            Seal::KeyFile => Err("no passphrase is needed".into()),
            Seal::Memorised => Ok(PASSPHRASE.into()),
        });
        let NodeHome { config, keys, vault, rules, database, .. } = home.expect("the folder opens");
        return Opened { keys, vault, rules, proposals: Some(config.proposals), database };
    }
    let vault = open_device(folder, spec.seal);
    let keys = open_keys(folder, vault.as_ref(), &spec.party).expect("the identity opens");
    let rules = Rules::parse(&spec.rules).expect("the rules are read");
    Opened { keys, vault, rules, proposals: None, database: folder.join("device.sqlite") }
}

fn open_device(folder: &Path, seal: Seal) -> Arc<dyn Vault> {
    let (path, pin) = (folder.join("device.key"), || Pin::entered(PIN.into()).expect("a PIN that fits"));
    let (attempts, now) = (DeviceVault::attempts(folder), cohold_node::now());
    match (seal, path.exists()) {
        (Seal::KeyFile, true) => Arc::new(SoftwareVault::key_file_open(&path).expect("the key file opens")),
        (Seal::KeyFile, false) => Arc::new(SoftwareVault::key_file_create(&path).expect("a new key file")),
        (Seal::Memorised, true) => {
            Arc::new(DeviceVault::open(folder, &pin(), &attempts, now).expect("the device opens"))
        }
        (Seal::Memorised, false) => {
            Arc::new(DeviceVault::create(folder, &pin(), StretchCost::FLOOR).expect("a new device"))
        }
    }
}

/// Four primes of the fixed set.
fn primes(of: u8) -> SafePrimes {
    let lines = include_str!("../../mpc-cggmp/tests/primes.hex").lines();
    let number = |line: &str| hex::decode(line).expect("the fixed set is in hexadecimal digits");
    let four: Vec<Vec<u8>> = lines.skip((usize::from(of) - 1) * 4).take(4).map(number).collect();
    let [p, q, hat_p, hat_q] = four.as_slice() else { panic!("the fixed set is for five parties") };
    SafePrimes::from_secret_bytes([p, q, hat_p, hat_q], &mut cohold_node::rng()).expect("safe primes")
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).expect("a file can be written");
}
