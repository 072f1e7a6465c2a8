//! What the planner must know, gathered from one endpoint.

use cohold_chain_evm::effect::IntentError;
use cohold_chain_evm::plan::{Funds, FundsError, check_funds};
use cohold_chain_evm::{Address, Effect, Facts};
use cohold_model::{Amount, Intent};

use crate::chain::{BlockTag, Chain};
use crate::erc20::TokenError;
use crate::rpc::RpcError;

/// Why a transfer cannot be planned at this endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FactsError {
    /// The intent cannot be carried out.
    #[error(transparent)]
    Intent(#[from] IntentError),
    /// The endpoint serves another chain.
    #[error(
        "`{endpoint}` serves chain {found}, the request is for chain {wanted}: configure the endpoint of chain {wanted}"
    )]
    Chain {
        /// The endpoint.
        endpoint: crate::Endpoint,
        /// At the endpoint.
        found: u64,
        /// In the intent.
        wanted: u64,
    },
    /// The chain has no base fee.
    #[error("chain {0} has no base fee (EIP-1559), which transfers here need: use another chain")]
    NoBaseFee(u64),
    /// Too little in the account.
    #[error(transparent)]
    Funds(#[from] FundsError),
    /// The chain would undo the transfer.
    #[error("the transfer would fail on the chain: {0}")]
    WouldFail(String),
    /// The token could not be read.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The endpoint gave no answer.
    #[error(transparent)]
    Rpc(#[from] RpcError),
}

impl Chain {
    /// Asks for everything that [`cohold_chain_evm::plan()`] needs to carry out `intent` from the
    /// account `from`. Refuses at once what cannot succeed: the wrong chain, missing funds, a transfer
    /// that the token itself refuses. Fees come on top and are checked by the planner.
    pub async fn gather_facts(&self, from: Address, intent: &Intent) -> Result<Facts, FactsError> {
        let effect = Effect::wanted(intent)?;
        let chain_id = self.chain_id().await?;
        if chain_id != intent.chain_id {
            let endpoint = self.rpc.endpoint().clone();
            return Err(FactsError::Chain { endpoint, found: chain_id, wanted: intent.chain_id });
        }
        let (nonce, block, max_priority_fee_per_gas, native) = tokio::try_join!(
            self.nonce_pending(from),
            self.block(BlockTag::Latest),
            self.priority_fee(),
            self.balance(from),
        )?;
        let base_fee_per_gas =
            block.and_then(|block| block.base_fee_per_gas).ok_or(FactsError::NoBaseFee(chain_id))?;
        let token = match effect.token() {
            Some(token) => self.token_balance(token, from).await?,
            None => Amount::ZERO,
        };
        let funds = Funds { native, token };
        check_funds(&effect, &funds, Amount::ZERO)?;
        let gas_estimate = match self.gas_estimate(from, &effect.call()).await {
            Err(RpcError::Refused { reason, .. }) => return Err(FactsError::WouldFail(reason)),
            answer => answer?,
        };
        Ok(Facts { chain_id, nonce, base_fee_per_gas, max_priority_fee_per_gas, gas_estimate, funds })
    }
}
