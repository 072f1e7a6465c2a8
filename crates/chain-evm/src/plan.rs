//! From a wish and the chain's facts to the exact bytes to sign.

use cohold_model::{Amount, Document, HexBytes, Intent, Plan};

use crate::decode::{Decoded, GAS_LIMIT_MAX};
use crate::effect::{Effect, IntentError};

/// What a transfer of the chain's coin to an account without code costs (Yellow Paper, appendix G).
pub const GAS_TRANSFER: u64 = 21_000;

/// What a write costs more if the receiver's token balance has become zero since the estimate:
/// 20,000 for a new storage slot instead of 2,900 (EIP-2200 with EIP-2929).
const GAS_NEW_SLOT: u64 = 17_100;

/// What the planner must know of the chain and the paying account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// What the endpoint says its chain is.
    pub chain_id: u64,
    /// How many transactions the account has sent, pending ones included.
    pub nonce: u64,
    /// Base fee of the latest block, in wei per gas.
    pub base_fee_per_gas: u128,
    /// The tip that gets a transaction mined soon, in wei per gas.
    pub max_priority_fee_per_gas: u128,
    /// Gas that the call would use now.
    pub gas_estimate: u64,
    /// What the account has.
    pub funds: Funds,
}

/// What the paying account has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Funds {
    /// Of the chain's own coin, in wei.
    pub native: Amount,
    /// Of the token that moves, in base units; zero where no token moves.
    pub token: Amount,
}

/// Why no plan was made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The intent cannot be carried out.
    #[error(transparent)]
    Intent(#[from] IntentError),
    /// The facts are of another chain.
    #[error(
        "the endpoint serves chain {found}, the request is for chain {wanted}: configure the endpoint of chain {wanted}"
    )]
    Chain {
        /// At the endpoint.
        found: u64,
        /// In the intent.
        wanted: u64,
    },
    /// Too little in the account.
    #[error(transparent)]
    Funds(#[from] FundsError),
    /// The endpoint's fees are beyond any number that a transaction can carry.
    #[error("the endpoint's fees do not fit a transaction: ask another endpoint")]
    FeeOverflow,
    /// The estimate is beyond what any transaction may use.
    #[error(
        "the transfer would need {0} gas, more than the {GAS_LIMIT_MAX} that any transaction may: check the token"
    )]
    Gas(u64),
    /// The account has used up its nonces (EIP-2681).
    #[error("the endpoint's nonce {0} is beyond what an account can use: ask another endpoint")]
    Nonce(u64),
}

/// What the account lacks. Amounts are base units.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FundsError {
    /// Too little of the chain's coin.
    #[error(
        "the account has {} of the chain's coin, but needs {} to send and up to {} for fees: fund it or send less",
        available.format(18), amount.format(18), fee_max.format(18)
    )]
    Native {
        /// What it has, in wei.
        available: Amount,
        /// What it sends, in wei.
        amount: Amount,
        /// What the fee may come to, in wei.
        fee_max: Amount,
    },
    /// Too little of the token.
    #[error("the account has {available} base units of token `{token}`, but would send {amount}: send less")]
    Token {
        /// The token.
        token: crate::Address,
        /// What it has, in base units.
        available: Amount,
        /// What it would send, in base units.
        amount: Amount,
    },
}

/// Makes the plan: an EIP-1559 transaction with
/// - `max_fee_per_gas` = 2 × base fee + tip: the base fee grows by at most an eighth per block
///   (EIP-1559), so the transaction stays includable for five full blocks in a row;
/// - gas as estimated for a plain payment, and with room for a new storage slot for anything else.
pub fn plan(intent: &Intent, facts: &Facts) -> Result<Plan, PlanError> {
    let effect = Effect::wanted(intent)?;
    if facts.chain_id != intent.chain_id {
        return Err(PlanError::Chain { found: facts.chain_id, wanted: intent.chain_id });
    }
    if facts.nonce == u64::MAX {
        return Err(PlanError::Nonce(facts.nonce));
    }
    let max_fee_per_gas = facts
        .base_fee_per_gas
        .checked_mul(2)
        .and_then(|doubled| doubled.checked_add(facts.max_priority_fee_per_gas))
        .ok_or(PlanError::FeeOverflow)?;
    let decoded = Decoded {
        chain_id: intent.chain_id,
        nonce: facts.nonce,
        gas_limit: gas_limit(facts.gas_estimate)?,
        max_fee_per_gas,
        max_priority_fee_per_gas: facts.max_priority_fee_per_gas,
        effect,
    };
    check_funds(&effect, &facts.funds, decoded.max_fee_total())?;
    Ok(Plan { intent: intent.digest(), payload: HexBytes(decoded.payload()) })
}

/// Checks that the account has what it would send and a fee of `fee_max` wei.
pub fn check_funds(effect: &Effect, funds: &Funds, fee_max: Amount) -> Result<(), FundsError> {
    let amount = match *effect {
        Effect::NativeTransfer { amount, .. } => amount,
        Effect::TokenTransfer { token, amount, .. } if funds.token < amount => {
            return Err(FundsError::Token { token, available: funds.token, amount });
        }
        Effect::TokenTransfer { .. } => Amount::ZERO,
    };
    match amount.checked_add(fee_max) {
        Some(needed) if needed <= funds.native => Ok(()),
        _ => Err(FundsError::Native { available: funds.native, amount, fee_max }),
    }
}

fn gas_limit(estimate: u64) -> Result<u64, PlanError> {
    let limit = match estimate {
        ..=GAS_TRANSFER => GAS_TRANSFER,
        _ => estimate.saturating_add(estimate / 10).saturating_add(GAS_NEW_SLOT),
    };
    if limit > GAS_LIMIT_MAX { Err(PlanError::Gas(limit)) } else { Ok(limit) }
}
