//! The server's settings, from a TOML file. Endpoint URLs are secrets and never shown.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use cohold_chain_io::Endpoint;
use cohold_custody::declared::Declared;
use serde::Deserialize;

use crate::declaration::{self, DeclarationError};

/// The largest settings file.
pub(crate) const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// The most chains.
const CHAINS_MAX: usize = 64;

/// The server's settings.
///
/// ```toml
/// listen = "127.0.0.1:8080"
/// database = "server.db"
///
/// [[chain]]
/// id = 31337
/// name = "local"
/// coin = "ETH"
/// rpc_url = "http://127.0.0.1:8545"
/// confirmations = 0
/// ```
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The database file; within a settings file, relative to that file's folder.
    pub database: PathBuf,
    /// The chains that can be reached.
    pub chains: Vec<ChainConfig>,
    /// What the deployment declares about itself: `custody.toml` beside the settings file, if there is
    /// one.
    pub declared: Declared,
}

/// One chain.
#[derive(Debug, Clone)]
pub struct ChainConfig {
    /// EIP-155 chain id.
    pub id: u64,
    /// A name for people.
    pub name: String,
    /// The chain's own coin.
    pub coin: String,
    /// Where it is asked; shown without its credentials.
    pub endpoint: Endpoint,
    /// Blocks on top after which a transaction counts as final.
    pub confirmations: u32,
}

/// Why settings were refused. Names the place, never the text: it may hold a key.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read `{path}`: {source}; name the settings with --config FILE")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// More than any settings need.
    #[error("the settings in `{0}` are longer than {FILE_BYTES_MAX} bytes")]
    TooLong(String),
    /// Not the TOML that is expected.
    #[error("line {line} of the settings is refused: {reason}")]
    Form {
        /// The line, from 1.
        line: usize,
        /// What is wrong, without the line's text.
        reason: String,
    },
    /// A chain's endpoint.
    #[error("the `rpc_url` of chain {chain} is refused: {source}")]
    Endpoint {
        /// The chain.
        chain: u64,
        /// Why.
        source: cohold_chain_io::EndpointError,
    },
    /// Chains that cannot be.
    #[error(
        "chain {0} is refused: give each chain its own id from 1 to 2^53 - 1, a name and a coin of 1 to 32 characters"
    )]
    Chain(u64),
    /// The declaration beside the settings.
    #[error(transparent)]
    Declaration(#[from] DeclarationError),
    /// Too many chains.
    #[error("{0} chains are more than the {CHAINS_MAX} that a server takes")]
    Chains(usize),
    /// An address that others reach.
    #[error(
        "`{0}` can be reached from outside this machine: listen on 127.0.0.1, or set `public = true` behind a TLS proxy"
    )]
    Public(SocketAddr),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    listen: SocketAddr,
    #[serde(default)]
    public: bool,
    database: PathBuf,
    #[serde(default, rename = "chain")]
    chains: Vec<FileChain>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileChain {
    id: u64,
    name: String,
    coin: String,
    rpc_url: String,
    confirmations: u32,
}

impl Config {
    /// Reads a settings file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let shown = || path.display().to_string();
        let read = |source| ConfigError::Read { path: shown(), source };
        if std::fs::metadata(path).map_err(read)?.len() > FILE_BYTES_MAX {
            return Err(ConfigError::TooLong(shown()));
        }
        let text = std::fs::read_to_string(path).map_err(read)?;
        let mut config = Self::parse(&text)?;
        if let Some(folder) = path.parent() {
            config.database = folder.join(config.database);
            config.declared = declaration::read(&folder.join("custody.toml"))?;
        }
        Ok(config)
    }

    /// Reads settings.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let file: File = toml::from_str(text).map_err(|e| ConfigError::Form {
            line: line_of(text, e.span().map_or(0, |span| span.start)),
            reason: reason_of(&e),
        })?;
        if !file.public && !file.listen.ip().is_loopback() {
            return Err(ConfigError::Public(file.listen));
        }
        if file.chains.len() > CHAINS_MAX {
            return Err(ConfigError::Chains(file.chains.len()));
        }
        let mut chains: Vec<ChainConfig> = Vec::with_capacity(file.chains.len());
        for chain in file.chains {
            let word =
                |text: &str| (1..=32).contains(&text.chars().count()) && !text.chars().any(char::is_control);
            let known = chains.iter().any(|other| other.id == chain.id);
            if known
                || chain.id == 0
                || chain.id > cohold_party::rules::CHAIN_ID_MAX
                || !word(&chain.name)
                || !word(&chain.coin)
            {
                return Err(ConfigError::Chain(chain.id));
            }
            let endpoint =
                chain.rpc_url.parse().map_err(|source| ConfigError::Endpoint { chain: chain.id, source })?;
            let FileChain { id, name, coin, confirmations, .. } = chain;
            chains.push(ChainConfig { id, name, coin, endpoint, confirmations });
        }
        Ok(Self { listen: file.listen, database: file.database, chains, declared: Declared::default() })
    }
}

/// The parser's own words, unless they could repeat a value from the file.
fn reason_of(error: &toml::de::Error) -> String {
    let message = error.message();
    let plain = ["missing field", "unknown field", "duplicate key", "duplicate field"];
    if plain.iter().any(|words| message.starts_with(words)) {
        return message.lines().next().unwrap_or_default().to_owned();
    }
    "it is not what this setting takes, see the example in `cohold server --help`".into()
}

pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|b| *b == b'\n').count().saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "listen = \"127.0.0.1:0\"\ndatabase = \"server.db\"\n\n[[chain]]\nid = 31337\nname = \"local\"\ncoin = \"ETH\"\nrpc_url = \"http://127.0.0.1:8545/s3cr3tk3y\"\nconfirmations = 0\n";

    #[test]
    fn settings_are_read_or_refused_by_their_place_and_without_keys() {
        assert_eq!(Config::parse(GOOD).unwrap().chains[0].id, 31337);
        let check = |from: &str, to: &str, expected: &str| {
            let error = Config::parse(&GOOD.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains("s3cr3tk3y"), "{error}");
        };
        check("127.0.0.1:0", "0.0.0.0:0", "public = true");
        check("127.0.0.1:0", "nowhere", "line 1");
        check("id = 31337", "id = 0", "chain 0");
        check("coin = \"ETH\"\n", "", "missing field");
        check("http://", "ftp://", "chain 31337");
        check("rpc_url = \"", "rpc_url = 5 # \"", "line 8");
        check("rpc_url", "rpc_uri", "line 8");
        check("confirmations = 0", "confirmations = \"s3cr3tk3y\"", "line 9");
    }

    #[test]
    fn public_addresses_need_a_word() {
        let text = GOOD.replace("127.0.0.1:0", "0.0.0.0:80");
        assert!(Config::parse(&format!("public = true\n{text}")).is_ok());
    }

    #[test]
    fn endpoints_are_shown_without_their_keys() {
        assert!(!format!("{:?}", Config::parse(GOOD).unwrap()).contains("s3cr3tk3y"));
    }
}
