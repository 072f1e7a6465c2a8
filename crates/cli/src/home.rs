//! The device's folder: settings, rules, pins, and the device's party.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use cohold_model::account::{Card, PartyKind};
use cohold_model::charter::Charter;
use cohold_model::{AccountId, EntityName, PartyName, Signed};
use cohold_mpc::PartyKeys;
use cohold_node::primes::PrimePool;
use cohold_node::vaulted::VaultedKeeper;
use cohold_node::{Runtime, service};
use cohold_party::Rules;
use cohold_store::PartyStore;
use cohold_vault::file::{private_folder, private_replace};
use cohold_vault::{DeviceVault, Pin, StretchCost, Vault};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::args::Global;
use crate::client::Client;
use crate::output::{Exit, Failure, secret};

/// The device's party is called this in every account.
pub(crate) const DEVICE: &str = "device";

/// `config.toml` of the device.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeviceConfig {
    /// The coordinator's URL.
    pub(crate) server: String,
    /// The coordinator's API token.
    pub(crate) token: String,
    /// Who you are in your accounts.
    #[serde(default = "me")]
    pub(crate) entity: EntityName,
}

/// Reads settings. The parser's own words would repeat the line, and a line holds the token.
fn parse_config(text: &str) -> anyhow::Result<DeviceConfig> {
    toml::from_str(text).map_err(|error: toml::de::Error| {
        let before = text.bytes().take(error.span().map_or(0, |span| span.start));
        let line = before.filter(|byte| *byte == b'\n').count() + 1;
        anyhow::anyhow!("line {line} is not understood: the settings are `server`, `token` and `entity`, each a text in quotes")
    })
}

fn me() -> EntityName {
    #[expect(clippy::expect_used, reason = "a literal of the right form")]
    "me".parse().expect("a name")
}

/// The folder, not yet unlocked.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    pub(crate) folder: PathBuf,
    global: Global,
}

/// The device's party, unlocked by its PIN.
pub(crate) struct Device {
    pub(crate) card: Card,
    pub(crate) keys: Arc<PartyKeys>,
    pub(crate) keeper: Arc<VaultedKeeper>,
    pub(crate) rules: Rules,
    /// Held as long as the device is open: two processes would displace each other on the relay.
    _lock: std::fs::File,
}

/// A party of this process at work on the relay; ends when dropped.
pub(crate) struct Online {
    _stop: watch::Sender<bool>,
}

impl Home {
    pub(crate) fn locate(global: &Global) -> anyhow::Result<Self> {
        let folder = match &global.home {
            Some(folder) => folder.clone(),
            None => PathBuf::from(
                std::env::var_os("HOME").context("HOME is not set: name the device's folder with --home")?,
            )
            .join(".cohold"),
        };
        Ok(Self { folder, global: global.clone() })
    }

    /// The same device's folder, copied elsewhere.
    pub(crate) fn moved(&self, folder: PathBuf) -> Self {
        Self { folder, global: self.global.clone() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Settings from `config.toml`, overridden by `--server`, `COHOLD_SERVER` and `COHOLD_TOKEN`.
    pub(crate) fn config(&self) -> anyhow::Result<DeviceConfig> {
        let path = self.path("config.toml");
        let mut config = match std::fs::read_to_string(&path) {
            Ok(text) => parse_config(&text).with_context(|| format!("`{}`", path.display()))?,
            Err(_) => match (&self.global.server, std::env::var("COHOLD_TOKEN")) {
                (Some(server), Ok(token)) => DeviceConfig { server: server.clone(), token, entity: me() },
                _ => {
                    return Err(Failure::error(
                        Exit::Usage,
                        "no-config",
                        format!(
                            "`{}` is missing: run `cohold dev`, or set COHOLD_SERVER and COHOLD_TOKEN",
                            path.display()
                        ),
                    ));
                }
            },
        };
        if let Some(server) = &self.global.server {
            config.server.clone_from(server);
        }
        if let Ok(token) = std::env::var("COHOLD_TOKEN") {
            config.token = token;
        }
        Ok(config)
    }

    pub(crate) fn config_write(&self, config: &DeviceConfig) -> anyhow::Result<()> {
        private_folder(&self.folder)?;
        Ok(private_replace(&self.path("config.toml"), toml::to_string(config)?.as_bytes())?)
    }

    pub(crate) fn client(&self) -> anyhow::Result<Client> {
        let config = self.config()?;
        Client::new(&config.server, &config.token)
    }

    /// The device's own rules file.
    pub(crate) fn rules(&self) -> anyhow::Result<Rules> {
        let path = self.path("rules.toml");
        let text = std::fs::read_to_string(&path).with_context(|| {
            format!("`{}` is missing: it says which chains and tokens this device knows", path.display())
        })?;
        Rules::parse(&text).with_context(|| format!("`{}`", path.display()))
    }

    /// Fingerprints that the user pinned, by party.
    pub(crate) fn pins(&self) -> anyhow::Result<BTreeMap<PartyName, String>> {
        let path = self.path("pins.toml");
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                toml::from_str(&text).with_context(|| format!("`{}` is not understood", path.display()))
            }
            Err(_) => Ok(BTreeMap::new()),
        }
    }

    pub(crate) fn pin(&self, party: &PartyName, fingerprint: &str) -> anyhow::Result<()> {
        let digits = fingerprint.len() == 32 && fingerprint.bytes().all(|b| b.is_ascii_hexdigit());
        if !digits {
            return Err(Failure::error(
                Exit::Usage,
                "fingerprint",
                format!("`{}` is not thirty-two hexadecimal digits", cohold_model::ids::excerpt(fingerprint)),
            ));
        }
        let mut pins = self.pins()?;
        pins.insert(party.clone(), fingerprint.to_ascii_lowercase());
        private_folder(&self.folder)?;
        Ok(private_replace(&self.path("pins.toml"), toml::to_string(&pins)?.as_bytes())?)
    }

    /// The accounts in force on this device; needs no PIN.
    pub(crate) fn accounts(&self) -> anyhow::Result<Vec<Signed<Charter>>> {
        let path = self.path("device.sqlite");
        if !path.exists() {
            return Ok(Vec::new());
        }
        let store = PartyStore::open(&path)?;
        let mut accounts = Vec::new();
        loop {
            let after = accounts.last().map(|charter: &Signed<Charter>| charter.document.terms.account);
            let page = store.account_list(after, 200)?;
            if page.is_empty() {
                return Ok(accounts);
            }
            accounts.extend(page);
        }
    }

    /// One account in force on this device, as its own copy of the charter has it.
    pub(crate) fn account(&self, account: AccountId) -> anyhow::Result<Signed<Charter>> {
        let path = self.path("device.sqlite");
        let store = if path.exists() { Some(PartyStore::open(&path)?) } else { None };
        let Some(store) = store else { return Err(unknown(account)) };
        match store.account_show(account)? {
            Some(active) => Ok(active.charter),
            None if store.account_pending_show(account)?.is_some() => Err(Failure::error(
                Exit::Waiting,
                "account-pending",
                format!("`{account}` is not in force yet: its making was cut off, or a party is away"),
            )),
            None => match store.account_left(account)? {
                Some(charter) => Err(crate::succession::out(&charter.document)),
                None => Err(unknown(account)),
            },
        }
    }

    /// Charters of an account that this device was under before, oldest first.
    pub(crate) fn past(&self, account: AccountId) -> anyhow::Result<Vec<Signed<Charter>>> {
        let path = self.path("device.sqlite");
        if !path.exists() {
            return Ok(Vec::new());
        }
        Ok(PartyStore::open(&path)?.epoch_list(account)?)
    }

    /// Asks for the PIN and opens the device; on the first call it makes the device.
    pub(crate) fn unlock(&self) -> anyhow::Result<Device> {
        private_folder(&self.folder)?;
        let rules = self.rules()?;
        let lock = self.lock()?;
        let vault = self.vault()?;
        let party: PartyName = DEVICE.parse()?;
        let keys = Arc::new(cohold_node::config::open_keys(&self.folder, &vault, &party)?);
        let entity = self.config().map_or_else(|_| me(), |config| config.entity);
        let card = Card {
            party: party.clone(),
            entity,
            kind: PartyKind::Device,
            identity: keys.identity(),
            seal: keys.seal_key(),
        };
        let store = PartyStore::open(&self.path("device.sqlite"))?;
        let vault: Arc<dyn Vault> = Arc::new(vault);
        let keeper = Arc::new(VaultedKeeper::new(store, vault, party)?.with_primes(PrimePool::new(0)));
        let rules = rules.accepting(&card.identity);
        Ok(Device { card, keys, keeper, rules, _lock: lock })
    }

    /// What seals everything in this folder, opened by the PIN; made on the first call.
    pub(crate) fn vault(&self) -> anyhow::Result<DeviceVault> {
        if DeviceVault::exists(&self.folder) { self.open() } else { self.make() }
    }

    /// Waits until no other command has the device open.
    pub(crate) fn lock(&self) -> anyhow::Result<std::fs::File> {
        let path = self.path("device.lock");
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&path);
        let file = file.with_context(|| format!("`{}` cannot be opened", path.display()))?;
        if file.try_lock().is_err() {
            eprintln!("another command has this device open; waiting for it …");
            file.lock().with_context(|| format!("`{}` cannot be locked", path.display()))?;
        }
        Ok(file)
    }

    fn open(&self) -> anyhow::Result<DeviceVault> {
        let text = self.pin_text("PIN of this device")?;
        let attempts = DeviceVault::attempts(&self.folder);
        let pin = Pin::entered(text)?;
        DeviceVault::open(&self.folder, &pin, &attempts, cohold_node::now())
            .map_err(|error| Failure::error(Exit::Failed, "device-locked", error.to_string()))
    }

    fn make(&self) -> anyhow::Result<DeviceVault> {
        let text = self.pin_text("choose a PIN for this device (6 characters or more)")?;
        let pin = Pin::chosen(text).map_err(|error| Failure::error(Exit::Usage, "pin", error.to_string()))?;
        Ok(DeviceVault::create(&self.folder, &pin, StretchCost::default())?)
    }

    pub(crate) fn pin_text(&self, prompt: &str) -> anyhow::Result<String> {
        let pin = secret(self.global.pin_file.as_deref(), "COHOLD_PIN", prompt)?;
        Ok(String::clone(&pin))
    }
}

fn unknown(account: AccountId) -> anyhow::Error {
    Failure::error(
        Exit::Failed,
        "unknown-account",
        format!("`{account}` is not an account of this device: see `cohold account list`"),
    )
}

impl Device {
    /// Puts the device's party to work on the relay, and says hello.
    pub(crate) fn online(&self, client: &Client, card: Card) -> (Arc<Runtime>, Online) {
        let keeper = Arc::clone(&self.keeper) as Arc<dyn cohold_node::Keeper>;
        start(client, card, Arc::clone(&self.keys), self.rules.clone(), keeper)
    }
}

/// Puts a party of this process to work on the relay.
pub(crate) fn start(
    client: &Client,
    card: Card,
    keys: Arc<PartyKeys>,
    rules: Rules,
    keeper: Arc<dyn cohold_node::Keeper>,
) -> (Arc<Runtime>, Online) {
    let relay = service::connect(client.relay_url(), &card, &keys);
    let runtime = Runtime::new(card, keys, rules, keeper, relay.link());
    let (stop, shutdown) = watch::channel(false);
    tokio::spawn(Arc::clone(&runtime).run(relay, shutdown));
    (runtime, Online { _stop: stop })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_setting_is_named_by_its_line_and_never_repeated() {
        for text in ["server = \"http://x\"\ntoken = cohold_s3cr3t\n", "\ntoken = [\"cohold_s3cr3t\"]\n"] {
            let error = parse_config(text).map(|_| ()).map_err(|error| format!("{error:#}"));
            let said = error.err().unwrap_or_default();
            assert!(said.contains("line 2") && !said.contains("s3cr3t"), "{said}");
        }
    }
}
