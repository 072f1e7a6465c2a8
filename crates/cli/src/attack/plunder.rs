//! Opening what was stolen, with everything else that was stolen. The thief runs programs of its own:
//! no waiting between guesses, no counters, no rules.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cohold_model::PartyName;
use cohold_model::charter::Charter;
use cohold_model::ids::PartyIndex;
use cohold_model::token::PinSource;
use cohold_mpc::PartyKeys;
use cohold_mpc_ecdsa::Share;
use cohold_node::config::{NodeConfig, TokenSettings, VaultChoice, open_keys};
use cohold_node::vaulted::VaultedKeeper;
use cohold_node::vaults::TOKEN_FILE;
use cohold_node::{Keeper as _, OpenedKey};
use cohold_store::PartyStore;
use cohold_vault::attempts::{AttemptError, Attempts};
use cohold_vault::token::PinTries;
use cohold_vault::{
    DeviceVault, Passphrase, Pin, RecoveryFile, SoftwareVault, TokenError, TokenPin, TokenVault, Vault,
};

use super::loot::{GUESSES, OPEN, SECRET, TOKEN};
use crate::home::DEVICE;
use crate::quorum::Local;
use crate::recovery::{self, Opened};

/// How deep, and how many files, a thief looks.
const DEPTH_MAX: u32 = 4;
const FILES_MAX: usize = 4096;
/// The largest text that is looked at as a secret or a recovery file.
const TEXT_BYTES_MAX: u64 = 64 * 1024;

/// Everything in the thief's folder.
#[derive(Debug, Default)]
pub(crate) struct Loot {
    pub(crate) files: Vec<PathBuf>,
    pub(crate) containers: Vec<Container>,
    pub(crate) secrets: Vec<String>,
    /// The nodes whose hardware tokens are at hand.
    pub(crate) tokens: Vec<PartyName>,
}

/// Something that holds a share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Container {
    /// A device's folder.
    Device(PathBuf),
    /// A node's folder, or its disk.
    Node { folder: PathBuf, party: PartyName, vault: VaultChoice },
    /// A node's folder, sealed by a hardware token that is at hand.
    WithToken { folder: PathBuf, party: PartyName, settings: TokenSettings },
    /// A recovery file.
    Recovery(PathBuf),
    /// A share in the open.
    Open(PathBuf),
}

/// A party whose share and keys the thief has.
#[derive(Debug)]
pub(crate) struct Stolen {
    pub(crate) index: PartyIndex,
    pub(crate) party: PartyName,
    pub(crate) keys: Arc<PartyKeys>,
    pub(crate) share: Arc<Share>,
    /// Share and engine data together; none where the place holds the share only.
    pub(crate) key: Option<Arc<OpenedKey>>,
    pub(crate) how: String,
}

/// Who guesses on a copy does not wait.
struct NoWaits;

impl Attempts for NoWaits {
    fn begin(&self, _: u64) -> Result<(), AttemptError> {
        Ok(())
    }

    fn succeeded(&self) -> Result<(), AttemptError> {
        Ok(())
    }
}

impl Loot {
    /// Looks through a folder.
    pub(crate) fn survey(folder: &Path) -> std::io::Result<Self> {
        let mut loot = Self::default();
        loot.look(folder, 0)?;
        loot.secrets.dedup();
        let tokens = std::mem::take(&mut loot.tokens);
        loot.containers = loot.containers.into_iter().map(|container| container.beside(&tokens)).collect();
        loot.tokens = tokens;
        Ok(loot)
    }

    fn look(&mut self, folder: &Path, depth: u32) -> std::io::Result<()> {
        let mut paths: Vec<PathBuf> =
            std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
        paths.sort();
        if folder.join("device.json").is_file() && folder.join("device.key").is_file() {
            self.containers.push(Container::Device(folder.into()));
        }
        if let Ok(text) = std::fs::read_to_string(folder.join("node.toml"))
            && let Ok(config) = toml::from_str::<NodeConfig>(&text)
        {
            let NodeConfig { party, vault, .. } = config;
            self.containers.push(Container::Node { folder: folder.into(), party, vault });
        }
        for path in paths {
            if path.is_dir() && depth < DEPTH_MAX {
                self.look(&path, depth + 1)?;
            } else if path.is_file() && self.files.len() < FILES_MAX {
                self.file(&path);
                self.files.push(path);
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path) {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let short = path.metadata().is_ok_and(|meta| meta.len() <= TEXT_BYTES_MAX);
        let text = || std::fs::read_to_string(path).ok().filter(|_| short);
        match name {
            TOKEN => self.tokens.extend(text().and_then(|party| party.parse().ok())),
            OPEN => self.containers.push(Container::Open(path.into())),
            SECRET | GUESSES => {
                let lines = text().unwrap_or_default();
                let new = lines.lines().map(str::trim).filter(|line| !line.is_empty());
                self.secrets.extend(new.map(str::to_owned));
            }
            _ if text().is_some_and(|text| RecoveryFile::parse(&text).is_ok()) => {
                self.containers.push(Container::Recovery(path.into()));
            }
            _ => {}
        }
    }

    /// Opens what opens; the rest is told apart.
    pub(crate) fn open(&self, charter: &Charter) -> (BTreeMap<PartyIndex, Stolen>, Vec<Container>) {
        let (mut stolen, mut shut) = (BTreeMap::new(), Vec::new());
        for container in &self.containers {
            match container.open(charter, &self.secrets) {
                Some(party) => drop(stolen.entry(party.index).or_insert(party)),
                None => shut.push(container.clone()),
            }
        }
        (stolen, shut)
    }
}

impl Container {
    /// What it is, in words.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Device(_) => "a device's folder".into(),
            Self::Node { party, .. } | Self::WithToken { party, .. } => format!("the folder of `{party}`"),
            Self::Recovery(_) => "a recovery file".into(),
            Self::Open(_) => "a kept copy".into(),
        }
    }

    /// The same, where a token that is at hand is the node's.
    fn beside(self, tokens: &[PartyName]) -> Self {
        match self {
            Self::Node { folder, party, vault: VaultChoice::Pkcs11(settings) } if tokens.contains(&party) => {
                Self::WithToken { folder, party, settings }
            }
            other => other,
        }
    }

    /// Opens it with the first of these secrets that does.
    pub(crate) fn open(&self, charter: &Charter, secrets: &[String]) -> Option<Stolen> {
        match self {
            Self::Device(folder) => {
                let vault = secrets.iter().find_map(|text| {
                    let pin = Pin::entered(text.clone()).ok()?;
                    DeviceVault::open(folder, &pin, &NoWaits, cohold_node::now()).ok()
                })?;
                let party = DEVICE.parse().ok()?;
                vaulted(charter, folder, "device.sqlite", &party, Arc::new(vault), "with its PIN")
            }
            Self::Node { folder, party, vault } => {
                let (vault, how) = match vault {
                    VaultChoice::KeyFile => {
                        (SoftwareVault::key_file_open(&folder.join("node.key")).ok()?, "with its key file")
                    }
                    VaultChoice::Passphrase => {
                        let path = folder.join("node.key.json");
                        let opened = secrets.iter().find_map(|text| {
                            let passphrase = Passphrase::entered(text.clone()).ok()?;
                            SoftwareVault::passphrase_open(&path, &passphrase).ok()
                        });
                        (opened?, "with its passphrase")
                    }
                    // Without the token nothing on the disk opens it.
                    VaultChoice::Pkcs11(_) => return None,
                };
                vaulted(charter, folder, "node.sqlite", party, Arc::new(vault), how)
            }
            Self::WithToken { folder, party, settings } => {
                let vault = token_vault(folder, settings, secrets)?;
                vaulted(charter, folder, "node.sqlite", party, Arc::new(vault), "with its token")
            }
            Self::Recovery(path) => {
                let file = RecoveryFile::parse(&std::fs::read_to_string(path).ok()?).ok()?;
                let opened = secrets.iter().find_map(|text| {
                    recovery::open_with(&file, &Passphrase::entered(text.clone()).ok()?).ok()
                })?;
                bare(charter, opened, "the file with its passphrase")
            }
            Self::Open(path) => {
                let bytes = std::fs::read(path).ok()?;
                bare(charter, recovery::opened(&bytes).ok()?, "it lay open")
            }
        }
    }
}

/// The token's vault, by the first secret that is its PIN. It stops where the next wrong one would lock the
/// token: that one belongs to somebody.
fn token_vault(folder: &Path, settings: &TokenSettings, secrets: &[String]) -> Option<TokenVault> {
    let place = settings.place(folder).ok()?;
    for text in secrets {
        let pin = TokenPin::new(text.clone(), PinSource::File).ok()?;
        match TokenVault::open(place.clone(), pin, &folder.join(TOKEN_FILE)) {
            Ok(vault) => return Some(vault),
            Err(TokenError::Pin(PinTries::Untold | PinTries::Low)) => {}
            Err(_) => return None,
        }
    }
    None
}

/// A party with a vault and a database.
fn vaulted(
    charter: &Charter,
    folder: &Path,
    database: &str,
    party: &PartyName,
    vault: Arc<dyn Vault>,
    how: &str,
) -> Option<Stolen> {
    let path = folder.join(database);
    // Both would be made anew where they are missing.
    if !path.is_file() || !folder.join("identity.sealed").is_file() {
        return None;
    }
    let keys = Arc::new(open_keys(folder, vault.as_ref(), party).ok()?);
    let keeper = VaultedKeeper::new(PartyStore::open(&path).ok()?, vault, party.clone()).ok()?;
    let key = keeper.open(&keeper.kept(charter.terms.account).ok()?).ok()?;
    let (index, card) = charter.terms.party_by_identity(&keys.identity())?;
    let (party, share) = (card.party.clone(), Arc::clone(&key.share));
    Some(Stolen { index, party, keys, share, key: Some(key), how: how.into() })
}

/// A party with a share and nothing else.
fn bare(charter: &Charter, opened: Opened, how: &str) -> Option<Stolen> {
    let Opened { keys, share, .. } = opened;
    let (index, card) = charter.terms.party_by_identity(&keys.identity())?;
    let party = card.party.clone();
    Some(Stolen { index, party, keys: Arc::new(keys), share: Arc::new(share), key: None, how: how.into() })
}

impl Stolen {
    pub(crate) fn local(&self) -> Local {
        Local { index: self.index, keys: Arc::clone(&self.keys), share: Arc::clone(&self.share) }
    }
}
