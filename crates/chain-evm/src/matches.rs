//! Whether bytes do what was wanted, and nothing else.

use cohold_model::{Amount, Intent};

use crate::address::Address;
use crate::decode::Decoded;
use crate::effect::{Effect, IntentError};

/// How bytes differ from what was wanted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// The intent itself cannot be carried out.
    #[error("the request is refused: {0}")]
    Intent(#[from] IntentError),
    /// Another chain.
    #[error("the transaction is for chain {found}, the request is for chain {wanted}: refuse it")]
    Chain {
        /// In the bytes.
        found: u64,
        /// In the intent.
        wanted: u64,
    },
    /// Another asset; none is the chain's own coin.
    #[error("the transaction moves {}, the request is for {}: refuse it", asset(.found), asset(.wanted))]
    Asset {
        /// In the bytes.
        found: Option<Address>,
        /// In the intent.
        wanted: Option<Address>,
    },
    /// Another receiver.
    #[error("the transaction pays `{found}`, the request is to pay `{wanted}`: refuse it")]
    Receiver {
        /// In the bytes.
        found: Address,
        /// In the intent.
        wanted: Address,
    },
    /// Another amount.
    #[error("the transaction moves {found} base units, the request is for {wanted}: refuse it")]
    Amount {
        /// In the bytes.
        found: Amount,
        /// In the intent.
        wanted: Amount,
    },
}

/// Checks that decoded bytes carry out the intent: chain, asset, receiver and amount. Nonce, gas and
/// fees are no part of an intent; their bounds are a matter of each party's rules.
pub fn matches(decoded: &Decoded, intent: &Intent) -> Result<(), Mismatch> {
    let wanted = Effect::wanted(intent)?;
    let found = decoded.effect;
    if decoded.chain_id != intent.chain_id {
        return Err(Mismatch::Chain { found: decoded.chain_id, wanted: intent.chain_id });
    }
    if found.token() != wanted.token() {
        return Err(Mismatch::Asset { found: found.token(), wanted: wanted.token() });
    }
    if found.receiver() != wanted.receiver() {
        return Err(Mismatch::Receiver { found: found.receiver(), wanted: wanted.receiver() });
    }
    if found.amount() != wanted.amount() {
        return Err(Mismatch::Amount { found: found.amount(), wanted: wanted.amount() });
    }
    Ok(())
}

fn asset(token: &Option<Address>) -> String {
    token.map_or_else(|| "the chain's own coin".into(), |address| format!("token `{address}`"))
}
