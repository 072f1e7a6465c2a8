//! What the planner must know, gathered from one endpoint.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cohold_chain_evm::effect::{Call, IntentError};
use cohold_chain_evm::plan::{Funds, FundsError, check_funds};
use cohold_chain_evm::{Address, Effect, Facts};
use cohold_model::{Amount, Intent};
use serde_json::json;

use crate::chain::{BlockTag, Chain, call_object};
use crate::erc20::TokenError;
use crate::quantity::Quantity;
use crate::rpc::{Read, RpcError};

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
        let State { chain_id, base_fee_per_gas, max_priority_fee_per_gas } = self.state().await?;
        if chain_id != intent.chain_id {
            let endpoint = self.rpc.endpoint().clone();
            return Err(FactsError::Chain { endpoint, found: chain_id, wanted: intent.chain_id });
        }
        let base_fee_per_gas = base_fee_per_gas.ok_or(FactsError::NoBaseFee(chain_id))?;
        let token = match effect.token() {
            Some(token) => self.token_balance(token, from).await?,
            None => Amount::ZERO,
        };
        let standing = self.standing(from, &effect.call()).await?;
        let (nonce, funds) = (standing.nonce, Funds { native: standing.balance, token });
        // Before the estimate is looked at: what is missing says more than that a transfer would fail.
        check_funds(&effect, &funds, Amount::ZERO)?;
        let gas_estimate = match standing.gas_estimate {
            Err(RpcError::Refused { reason, .. }) => return Err(FactsError::WouldFail(reason)),
            answer => answer?,
        };
        Ok(Facts { chain_id, nonce, base_fee_per_gas, max_priority_fee_per_gas, gas_estimate, funds })
    }

    /// What concerns the account alone, asked together.
    async fn standing(&self, from: Address, call: &Call) -> Result<Standing, RpcError> {
        let reads = [
            Read { method: COUNT, params: json!([from, "pending"]) },
            Read { method: BALANCE, params: json!([from, "latest"]) },
            Read { method: ESTIMATE, params: json!([call_object(Some(from), call)]) },
        ];
        let answers = self.rpc.read_all(&reads).await?;
        let [count, balance, estimate] = answers.try_into().map_err(|_| self.malformed(COUNT))?;
        Ok(Standing {
            nonce: self.typed::<Quantity<_>>(COUNT, count)?.0,
            balance: Amount(self.typed::<Quantity<_>>(BALANCE, balance)?.0),
            gas_estimate: self.typed::<Quantity<_>>(ESTIMATE, estimate).map(|gas| gas.0),
        })
    }

    /// What is the same for all accounts, a moment old at most.
    async fn state(&self) -> Result<State, RpcError> {
        if let Some(state) = self.recent.known() {
            return Ok(state);
        }
        let (chain_id, block, max_priority_fee_per_gas) =
            tokio::try_join!(self.chain_id(), self.block(BlockTag::Latest), self.priority_fee())?;
        let base_fee_per_gas = block.and_then(|block| block.base_fee_per_gas);
        let state = State { chain_id, base_fee_per_gas, max_priority_fee_per_gas };
        self.recent.keep(state);
        Ok(state)
    }
}

const COUNT: &str = "eth_getTransactionCount";
const BALANCE: &str = "eth_getBalance";
const ESTIMATE: &str = "eth_estimateGas";

/// How an account stands.
struct Standing {
    nonce: u64,
    balance: Amount,
    /// What the call would use now, or why it would fail.
    gas_estimate: Result<u64, RpcError>,
}

/// How long the chain's fees are taken for current. Blocks come more slowly on most chains, and plans
/// leave room for some that follow.
const RECENT: Duration = Duration::from_secs(1);

/// What an endpoint says of its chain.
#[derive(Debug, Clone, Copy)]
struct State {
    chain_id: u64,
    base_fee_per_gas: Option<u128>,
    max_priority_fee_per_gas: u128,
}

/// What the endpoint said last, so that many plans at a time do not ask for the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recent(Arc<Mutex<Option<(Instant, State)>>>);

impl Recent {
    fn known(&self) -> Option<State> {
        let kept = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.filter(|(at, _)| at.elapsed() < RECENT).map(|(_, state)| state)
    }

    fn keep(&self, state: State) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), state));
    }
}
