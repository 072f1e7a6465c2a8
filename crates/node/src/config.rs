//! A node's folder: `node.toml`, `rules.toml`, and beside them what the node makes itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cohold_model::account::{Card, PartyKind};
use cohold_model::{EntityName, PartyName};
use cohold_mpc::PartyKeys;
use cohold_party::Rules;
use cohold_vault::file::{private_create, private_folder, private_read};
use cohold_vault::{SealContext, Sealed, Vault};
use serde::{Deserialize, Serialize};

use crate::vaults;
pub use crate::vaults::{Secret, TokenSettings, VaultChoice, VaultOpenError};

/// `node.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// The party's name within accounts: `cosigner`.
    pub party: PartyName,
    /// Who runs it.
    pub entity: EntityName,
    /// `cosigner` or `guardian`.
    pub kind: PartyKind,
    /// The coordinator's relay: `ws://HOST:PORT/v1/relay`, or `wss://…`.
    pub relay: String,
    /// How shares are sealed.
    pub vault: VaultChoice,
    /// Who may propose other rules for an account.
    #[serde(default)]
    pub proposals: Proposals,
    /// A program with its arguments that is told when somebody asks for other parties in an account, or
    /// objects. An absolute path; no shell reads it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notify: Vec<String>,
    /// Whether this node takes part in the second engine; without the table, it makes no data of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cggmp24: Option<Cggmp24>,
}

/// What a node does for accounts that sign by CGGMP24.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cggmp24 {
    /// For how many setups it makes primes ahead, four each, in the background and in memory only; at most
    /// eight. Without any, each setup waits until they are made.
    #[serde(default)]
    pub setups_ahead: u8,
    /// How many presignatures each of its signing sets has ready, in memory only; at most 64. Without any,
    /// every signature is made at once. They are for nodes that sign with nodes, many times an hour.
    #[serde(default)]
    pub presignatures: u8,
}

/// Whose proposals of other rules a node weighs at all. Neither gets past the user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proposals {
    /// Only those of its operator, who changes `rules.toml` and starts the node again.
    #[default]
    File,
    /// Those of the coordinator, too.
    Coordinator,
}

/// Why a node's folder was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("`{path}` cannot be read: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// `node.toml` is wrong.
    #[error("`{path}` is not understood: {source}")]
    Toml {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: Box<toml::de::Error>,
    },
    /// `rules.toml` is wrong.
    #[error("`{path}`: {source}")]
    Rules {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: cohold_party::rules::RulesError,
    },
    /// A device or recovery share is no node.
    #[error("a node is a `cosigner` or a `guardian`: correct `kind` in node.toml")]
    Kind,
    /// The program to be notified is not named in full.
    #[error("`{0}` in `notify` is not an absolute path: name the program in full, its arguments after it")]
    Notify(String),
    /// Key, passphrase or seed do not open.
    #[error("{0}")]
    Vault(String),
    /// The vault that is named does not open.
    #[error(transparent)]
    Opening(#[from] VaultOpenError),
}

/// A node's folder, opened.
pub struct NodeHome {
    /// Its settings.
    pub config: NodeConfig,
    /// Its rules.
    pub rules: Rules,
    /// Its keys.
    pub keys: PartyKeys,
    /// What seals its shares.
    pub vault: Arc<dyn Vault>,
    /// Where its database lies.
    pub database: PathBuf,
    /// Where shares of keys that were made elsewhere lie until they are dealt.
    pub imports: PathBuf,
}

impl NodeHome {
    /// Opens the folder of a `node.toml`; makes key and identity on the first start. `ask` is
    /// asked only where the vault needs one.
    pub fn open(
        config: &Path,
        ask: impl FnOnce(Secret) -> Result<String, String>,
    ) -> Result<Self, ConfigError> {
        let folder = config.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let text = read(config)?;
        let parsed: NodeConfig = toml::from_str(&text)
            .map_err(|source| ConfigError::Toml { path: config.into(), source: Box::new(source) })?;
        if !parsed.kind.is_node() {
            return Err(ConfigError::Kind);
        }
        if let Some(program) = parsed.notify.first().filter(|program| !Path::new(program).is_absolute()) {
            return Err(ConfigError::Notify(program.clone()));
        }
        let path = folder.join("rules.toml");
        let rules = Rules::parse(&read(&path)?).map_err(|source| ConfigError::Rules { path, source })?;
        private_folder(folder).map_err(|e| ConfigError::Vault(e.to_string()))?;
        let vault = vaults::open(folder, &parsed.vault, ask)?;
        let keys = open_keys(folder, vault.as_ref(), &parsed.party)?;
        Ok(Self {
            config: parsed,
            rules,
            keys,
            vault,
            database: folder.join("node.sqlite"),
            imports: folder.join("imports"),
        })
    }

    /// The card that this node hands out.
    #[must_use]
    pub fn card(&self) -> Card {
        Card {
            party: self.config.party.clone(),
            entity: self.config.entity.clone(),
            kind: self.config.kind,
            identity: self.keys.identity(),
            seal: self.keys.seal_key(),
        }
    }
}

/// The longest sealed seed.
const SEED_FILE_BYTES_MAX: u64 = 256;

/// A party's keys from its sealed seed in `folder`, made on the first call.
pub fn open_keys(folder: &Path, vault: &dyn Vault, party: &PartyName) -> Result<PartyKeys, ConfigError> {
    let told = |e: &dyn std::fmt::Display| ConfigError::Vault(e.to_string());
    let path = folder.join(vaults::IDENTITY);
    let place = SealContext::of_party(party.clone());
    if !path.exists() {
        let mut seed = zeroize::Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut()).map_err(|e| told(&e))?;
        let sealed = vault.seal(&place, seed.as_ref()).map_err(|e| told(&e))?;
        private_create(&path, sealed.as_bytes()).map_err(|e| told(&e))?;
    }
    let bytes = private_read(&path, SEED_FILE_BYTES_MAX).map_err(|e| told(&e))?;
    let sealed = Sealed::from_bytes(bytes.to_vec()).map_err(|e| told(&e))?;
    let seed = vault.open(&place, &sealed).map_err(|e| told(&e))?;
    let seed: &[u8; 32] = seed.as_slice().try_into().map_err(|_| {
        ConfigError::Vault(format!("`{}` is damaged: restore it from a backup", path.display()))
    })?;
    Ok(PartyKeys::from_seed(seed))
}

fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.into(), source })
}
