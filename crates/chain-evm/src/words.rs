//! A transaction in plain words, derived from its bytes.

use cohold_model::Amount;

use crate::decode::Decoded;
use crate::effect::Effect;
use crate::token::TokenBook;

/// What a transaction does, in sentences' parts. Together: *send 1.5 ETH to 0x… · on Ethereum (chain
/// 1) · for a fee of at most 0.0005 ETH*.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// What moves and to whom.
    pub effect: String,
    /// On which chain.
    pub network: String,
    /// What it may cost.
    pub fee: String,
    /// Where it stands among the account's transactions.
    pub order: String,
}

/// Tells what a transaction does. An unknown token is said to be unknown; its amount is then in base
/// units, for nobody vouches for its decimals.
#[must_use]
pub fn describe(decoded: &Decoded, tokens: &TokenBook) -> Words {
    let chain_id = decoded.chain_id;
    let effect = match decoded.effect {
        Effect::NativeTransfer { to, amount } => format!("send {} to {to}", coins(amount, chain_id)),
        Effect::TokenTransfer { token, to, amount } => match tokens.find(chain_id, token) {
            Some(known) => {
                format!("send {} {} (token {token}) to {to}", amount.format(known.decimals), known.symbol)
            }
            None => format!("send {amount} base units of the unknown token {token} to {to}"),
        },
    };
    let network = match chain_name(chain_id) {
        Some(name) => format!("on {name} (chain {chain_id})"),
        None => format!("on chain {chain_id}"),
    };
    let mut fee = format!("for a fee of at most {}", coins(decoded.max_fee_total(), chain_id));
    if charges_for_data(chain_id) {
        fee.push_str(" and what the rollup charges for data");
    }
    Words { effect, network, fee, order: format!("as number {} of the account", decoded.nonce) }
}

impl std::fmt::Display for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}, {}", self.effect, self.network, self.fee)
    }
}

/// Whether a chain takes a fee for data on top of the transaction's own maximum, which no field bounds
/// (the OP stack's L1 fee, Scroll's L1 data fee).
#[must_use]
pub fn charges_for_data(chain_id: u64) -> bool {
    matches!(chain_id, 10 | 8453 | 84_532 | 534_352 | 11_155_420)
}

/// An amount of wei in the chain's coin, with its symbol.
#[must_use]
pub fn coins(amount: Amount, chain_id: u64) -> String {
    format!("{} {}", amount.format(18), coin_symbol(chain_id))
}

/// How a chain's own coin is called; `coin` on chains that we do not know.
#[must_use]
pub fn coin_symbol(chain_id: u64) -> &'static str {
    match chain_id {
        1 | 10 | 324 | 8453 | 31_337 | 42_161 | 59_144 | 534_352 => "ETH",
        17_000 | 84_532 | 421_614 | 560_048 | 11_155_111 | 11_155_420 => "test ETH",
        56 => "BNB",
        100 => "xDAI",
        137 => "POL",
        43_114 => "AVAX",
        _ => "coin",
    }
}

/// The name of a chain that we know.
#[must_use]
pub fn chain_name(chain_id: u64) -> Option<&'static str> {
    Some(match chain_id {
        1 => "Ethereum",
        10 => "OP Mainnet",
        56 => "BNB Smart Chain",
        100 => "Gnosis",
        137 => "Polygon",
        324 => "ZKsync Era",
        8453 => "Base",
        17_000 => "Holesky",
        31_337 => "a local test chain",
        42_161 => "Arbitrum One",
        43_114 => "Avalanche",
        59_144 => "Linea",
        84_532 => "Base Sepolia",
        421_614 => "Arbitrum Sepolia",
        534_352 => "Scroll",
        560_048 => "Hoodi",
        11_155_111 => "Sepolia",
        11_155_420 => "OP Sepolia",
        _ => return None,
    })
}
