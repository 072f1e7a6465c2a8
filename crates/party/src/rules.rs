//! A party's rules file: default deny. What is not listed is refused.
//!
//! ```toml
//! # who may open accounts with this party: "any", or a list of identity fingerprints
//! accept = "any"
//!
//! [[chain]]
//! id = 31337            # EIP-155 chain id
//! coin = "ETH"          # the chain's own coin, 18 decimals
//! fee_max = "0.01"      # most that one transaction may cost in fees, in the coin
//! fees_per_day = "0.1"  # most that fees may cost in 24 hours, counted like `per_day`
//!
//! [[chain.asset]]       # without `token`: the coin itself
//! per_transaction = "1"
//! per_day = "5"         # counted by the party itself, over 24 hours
//! receivers = "any"     # or a list of addresses
//!
//! [[chain.asset]]
//! token = "0x…"
//! symbol = "TST"
//! decimals = 18
//! per_day = "1000"
//! receivers = ["0x…"]
//!
//! [resharing]           # without it: no resharing that takes the user's consent
//! delay_seconds = 172800
//! ```

use std::collections::BTreeSet;

use cohold_chain_evm::{Address, Decoded, Symbol, Token, TokenBook};
use cohold_model::canonical::digest;
use cohold_model::intent::Asset;
use cohold_model::statement::{Allowance, FeeBound, Receivers};
use cohold_model::{Amount, Digest, IdentityKey};
use serde::Deserialize;

use crate::refusal::{Code, Refusal};

mod beyond;

pub(crate) use beyond::{Beyond, beyond};

/// The longest rules file in bytes: it travels within one message, beside another one.
pub const RULES_BYTES_MAX: usize = 48 * 1024;
/// The largest chain id: canonical JSON (RFC 8785 §3.2.2.3) writes numbers as doubles, which are exact
/// up to here.
pub const CHAIN_ID_MAX: u64 = (1 << 53) - 1;
/// The longest wait before a resharing: a year.
pub const DELAY_SECONDS_MAX: u64 = 366 * 24 * 3600;
/// Decimals of every EVM chain's own coin.
pub const COIN_DECIMALS: u8 = 18;

/// A party's rules, read and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    accept: Accept,
    chains: Vec<ChainRules>,
    resharing_delay: Option<u64>,
    text: String,
    digest: Digest,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Accept {
    Any,
    Only(BTreeSet<String>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct ChainRules {
    id: u64,
    coin: String,
    fee_max: Amount,
    fees_per_day: Option<Amount>,
    allowances: Vec<Allowance>,
}

/// What is wrong with a rules file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    /// Longer than any that is read.
    #[error("the rules file has {0} bytes, more than {RULES_BYTES_MAX}: list fewer receivers")]
    Size(usize),
    /// Not TOML of the right shape.
    #[error("the rules file is not understood: {0}")]
    Toml(String),
    /// A delay that nobody lives to see the end of.
    #[error("[resharing]: delay_seconds is at most {DELAY_SECONDS_MAX}, a year")]
    Delay,
    /// A value that cannot be.
    #[error("rules for chain {chain}: {what}")]
    Value {
        /// The chain.
        chain: u64,
        /// What is wrong with it.
        what: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RulesFile {
    accept: ListFile,
    #[serde(default)]
    chain: Vec<ChainFile>,
    resharing: Option<ResharingFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResharingFile {
    delay_seconds: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChainFile {
    id: u64,
    coin: String,
    fee_max: String,
    fees_per_day: Option<String>,
    #[serde(default)]
    asset: Vec<AssetFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AssetFile {
    token: Option<String>,
    symbol: Option<String>,
    decimals: Option<u8>,
    per_transaction: Option<String>,
    per_day: Option<String>,
    receivers: ListFile,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ListFile {
    Word(String),
    List(Vec<String>),
}

impl Rules {
    /// Reads a rules file.
    pub fn parse(text: &str) -> Result<Self, RulesError> {
        if text.len() > RULES_BYTES_MAX {
            return Err(RulesError::Size(text.len()));
        }
        let file: RulesFile = toml::from_str(text).map_err(|e| RulesError::Toml(e.to_string()))?;
        let accept = match file.accept {
            ListFile::Word(word) if word == "any" => Accept::Any,
            ListFile::Word(word) => {
                return Err(RulesError::Toml(format!(
                    "accept = `{word}`: write \"any\" or a list of fingerprints"
                )));
            }
            ListFile::List(list) => Accept::Only(list.into_iter().collect()),
        };
        let mut chains: Vec<ChainRules> = Vec::new();
        for chain in file.chain {
            if chain.id == 0 || chain.id > CHAIN_ID_MAX {
                let what = format!("chain ids are 1 to {CHAIN_ID_MAX}");
                return Err(RulesError::Value { chain: chain.id, what });
            }
            if chains.iter().any(|other| other.id == chain.id) {
                return Err(RulesError::Value { chain: chain.id, what: "the chain is listed twice".into() });
            }
            chains.push(chain.read()?);
        }
        let resharing_delay = file.resharing.map(|ResharingFile { delay_seconds }| delay_seconds);
        if resharing_delay.is_some_and(|seconds| seconds > DELAY_SECONDS_MAX) {
            return Err(RulesError::Delay);
        }
        let digest = digest("cohold/rules/v1", &text);
        Ok(Self { accept, chains, resharing_delay, text: text.to_owned(), digest })
    }

    /// The same rules, for a party that makes accounts with `proposer` only: a user's own.
    #[must_use]
    pub fn accepting(mut self, proposer: &IdentityKey) -> Self {
        self.accept = Accept::Only(BTreeSet::from([proposer.fingerprint()]));
        self
    }

    /// The file's text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Digest of the file's text.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Whether this party opens accounts with `proposer`.
    pub fn check_proposer(&self, proposer: &IdentityKey) -> Result<(), Refusal> {
        match &self.accept {
            Accept::Any => Ok(()),
            Accept::Only(known) if known.contains(&proposer.fingerprint()) => Ok(()),
            Accept::Only(_) => Err(Refusal::new(
                Code::Rules,
                format!("this party opens no accounts with `{}`: add it to `accept`", proposer.fingerprint()),
            )),
        }
    }

    /// Everything that these rules let through, for statements.
    #[must_use]
    pub fn allowances(&self) -> Vec<Allowance> {
        self.chains.iter().flat_map(|chain| chain.allowances.iter().cloned()).collect()
    }

    /// What may go in fees on each chain, for statements.
    #[must_use]
    pub fn fee_bounds(&self) -> Vec<FeeBound> {
        let bound = |chain: &ChainRules| FeeBound {
            chain_id: chain.id,
            coin: chain.coin.clone(),
            decimals: COIN_DECIMALS,
            per_transaction: chain.fee_max,
            per_day: chain.fees_per_day,
        };
        self.chains.iter().map(bound).collect()
    }

    /// How long this party waits before it joins in a resharing that takes the user's consent, in seconds;
    /// none if it joins in no such resharing.
    #[must_use]
    pub fn resharing_delay(&self) -> Option<u64> {
        self.resharing_delay
    }

    /// How tokens are called, by this party's own file.
    #[must_use]
    pub fn token_book(&self) -> TokenBook {
        let mut book = TokenBook::default();
        for allowance in self.chains.iter().flat_map(|chain| &chain.allowances) {
            if let Asset::Token(contract) = &allowance.asset
                && let (Ok(contract), Ok(symbol)) = (contract.parse(), allowance.symbol.parse::<Symbol>())
            {
                book.insert(allowance.chain_id, contract, Token { symbol, decimals: allowance.decimals });
            }
        }
        book
    }

    /// The most that fees on a chain may come to in 24 hours; none means no bound.
    #[must_use]
    pub fn fees_per_day(&self, chain_id: u64) -> Option<Amount> {
        self.chains.iter().find(|chain| chain.id == chain_id)?.fees_per_day
    }

    /// The chains that are listed.
    pub fn chain_ids(&self) -> impl Iterator<Item = u64> {
        self.chains.iter().map(|chain| chain.id)
    }

    /// Checks what the decoded bytes do against chain, fee bound, asset, receiver and the limit per
    /// transaction. The limit per day is the store's to count; it is in the allowance returned.
    pub fn check(&self, decoded: &Decoded) -> Result<&Allowance, Refusal> {
        let refuse = |message: String| Refusal::new(Code::Rules, message);
        let chain =
            self.chains.iter().find(|chain| chain.id == decoded.chain_id).ok_or_else(|| {
                refuse(format!("chain {} is not in this party's rules file", decoded.chain_id))
            })?;
        if decoded.max_fee_total() > chain.fee_max {
            return Err(refuse(format!(
                "fees of up to {} {coin} are above this party's bound of {} {coin}",
                decoded.max_fee_total().format(COIN_DECIMALS),
                chain.fee_max.format(COIN_DECIMALS),
                coin = chain.coin,
            )));
        }
        let (asset, to, amount) = (moved(decoded), decoded.effect.receiver(), decoded.effect.amount());
        let allowance = chain.allowances.iter().find(|a| a.asset == asset).ok_or_else(|| match &asset {
            Asset::Native => refuse(format!("{} may not move by this party's rules file", chain.coin)),
            Asset::Token(token) => refuse(format!("token {token} is not in this party's rules file")),
        })?;
        if let Receivers::Only(list) = &allowance.receivers
            && !list.contains(&to.to_string())
        {
            return Err(refuse(format!(
                "receiver {to} is not in this party's rules file for {}",
                allowance.symbol
            )));
        }
        match allowance.per_transaction {
            Some(limit) if amount > limit => Err(Refusal::new(
                Code::Limit,
                format!(
                    "{} {symbol} is above this party's limit of {} {symbol} per transaction",
                    amount.format(allowance.decimals),
                    limit.format(allowance.decimals),
                    symbol = allowance.symbol,
                ),
            )),
            _ => Ok(allowance),
        }
    }
}

/// The asset that decoded bytes move.
pub(crate) fn moved(decoded: &Decoded) -> Asset {
    decoded.effect.token().map_or(Asset::Native, |token| Asset::Token(token.to_string()))
}

impl ChainFile {
    fn read(self) -> Result<ChainRules, RulesError> {
        let chain = self.id;
        let wrong = |what: String| RulesError::Value { chain, what };
        let fee_max =
            Amount::parse(&self.fee_max, COIN_DECIMALS).map_err(|e| wrong(format!("fee_max: {e}")))?;
        let coin = self.coin.parse::<Symbol>().map_err(|e| wrong(format!("coin: {e}")))?.to_string();
        let fees_per_day = self.fees_per_day.map(|text| Amount::parse(&text, COIN_DECIMALS));
        let fees_per_day = fees_per_day.transpose().map_err(|e| wrong(format!("fees_per_day: {e}")))?;
        let mut allowances: Vec<Allowance> = Vec::new();
        for asset in self.asset {
            let allowance = asset.read(chain, &coin).map_err(&wrong)?;
            if allowances.iter().any(|other| other.asset == allowance.asset) {
                return Err(wrong(format!("`{}` is listed twice", allowance.symbol)));
            }
            allowances.push(allowance);
        }
        Ok(ChainRules { id: chain, coin, fee_max, fees_per_day, allowances })
    }
}

impl AssetFile {
    fn read(self, chain_id: u64, coin: &str) -> Result<Allowance, String> {
        let (asset, symbol, decimals) = match (self.token, self.symbol, self.decimals) {
            (None, None, None) => (Asset::Native, coin.to_owned(), COIN_DECIMALS),
            (Some(token), Some(symbol), Some(decimals)) => {
                let address = token.parse::<Address>().map_err(|e| e.to_string())?;
                let symbol = symbol.parse::<Symbol>().map_err(|e| e.to_string())?.to_string();
                (Asset::Token(address.to_string()), symbol, decimals)
            }
            _ => {
                return Err(
                    "a token needs `token`, `symbol` and `decimals`; the coin needs none of them".into()
                );
            }
        };
        let amount = |name: &str, text: Option<String>| {
            text.map(|text| Amount::parse(&text, decimals).map_err(|e| format!("{name} of `{symbol}`: {e}")))
                .transpose()
        };
        let per_transaction = amount("per_transaction", self.per_transaction)?;
        let per_day = amount("per_day", self.per_day)?;
        let receivers = match self.receivers {
            ListFile::Word(word) if word == "any" => Receivers::Any,
            ListFile::Word(word) => {
                return Err(format!("receivers = `{word}`: write \"any\" or a list of addresses"));
            }
            ListFile::List(list) => Receivers::Only(
                list.iter()
                    .map(|text| text.parse::<Address>().map(|a| a.to_string()).map_err(|e| e.to_string()))
                    .collect::<Result<_, _>>()?,
            ),
        };
        Ok(Allowance { chain_id, asset, symbol, decimals, per_transaction, per_day, receivers })
    }
}
