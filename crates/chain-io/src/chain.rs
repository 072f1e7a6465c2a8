//! A chain, asked in its own terms.

use alloy_primitives::U256;
use cohold_chain_evm::Address;
use cohold_chain_evm::effect::Call;
use cohold_model::{Amount, HexBytes};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::endpoint::Endpoint;
use crate::facts::Recent;
use crate::quantity::{Fixed, Quantity, quantity};
use crate::rpc::{Read, Repeat, Rpc, RpcError};

/// The tip where an endpoint suggests none: 1 gwei per gas.
const PRIORITY_FEE_FALLBACK: u128 = 1_000_000_000;

const RECEIPT: &str = "eth_getTransactionReceipt";

/// A chain behind one endpoint.
#[derive(Debug, Clone)]
pub struct Chain {
    pub(crate) rpc: Rpc,
    pub(crate) recent: Recent,
}

/// Which block is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockTag {
    /// The newest.
    Latest,
    /// The newest that cannot be undone (proof of stake).
    Finalized,
    /// The one with this number.
    Number(u64),
}

/// The head of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: [u8; 32],
    /// Seconds since 1970.
    pub timestamp: u64,
    /// Base fee in wei per gas; none before EIP-1559.
    pub base_fee_per_gas: Option<u128>,
}

/// How a transaction stands in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inclusion {
    /// Whether it did what it was meant to, or failed and only paid its fee.
    pub succeeded: bool,
    /// The block's number.
    pub block_number: u64,
    /// The block's hash; after a reorganisation another one.
    pub block_hash: [u8; 32],
    /// Gas used.
    pub gas_used: u64,
    /// What a unit of gas cost, in wei.
    pub effective_gas_price: u128,
    /// The contract that it created.
    pub contract: Option<Address>,
}

impl Inclusion {
    /// The fee that was paid, in wei.
    #[must_use]
    pub fn fee(&self) -> Amount {
        // 64 bits times 128 bits fit 256.
        Amount(U256::from(self.gas_used).wrapping_mul(U256::from(self.effective_gas_price)))
    }
}

/// A transaction that the endpoint knows, mined or waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Who pays.
    pub from: Address,
    /// Its number among the payer's transactions.
    pub nonce: u64,
    /// The block that has it; none while it waits.
    pub block_number: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockAnswer {
    number: Quantity<u64>,
    hash: Fixed<32>,
    timestamp: Quantity<u64>,
    base_fee_per_gas: Option<Quantity<u128>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReceiptAnswer {
    transaction_hash: Fixed<32>,
    status: Quantity<u64>,
    block_number: Quantity<u64>,
    block_hash: Fixed<32>,
    gas_used: Quantity<u64>,
    effective_gas_price: Quantity<u128>,
    contract_address: Option<Fixed<20>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TransactionAnswer {
    hash: Fixed<32>,
    from: Fixed<20>,
    nonce: Quantity<u64>,
    block_number: Option<Quantity<u64>>,
}

impl Chain {
    /// A chain behind an endpoint; nothing is sent yet.
    pub fn new(endpoint: Endpoint) -> Result<Self, RpcError> {
        Rpc::new(endpoint).map(|rpc| Self { rpc, recent: Recent::default() })
    }

    /// The client, for methods that are not listed here.
    #[must_use]
    pub fn rpc(&self) -> &Rpc {
        &self.rpc
    }

    /// EIP-155 chain id of the chain behind the endpoint.
    pub async fn chain_id(&self) -> Result<u64, RpcError> {
        self.number("eth_chainId", json!([])).await
    }

    /// Number of the newest block.
    pub async fn block_number(&self) -> Result<u64, RpcError> {
        self.number("eth_blockNumber", json!([])).await
    }

    /// A block's head, or none where the chain has no such block.
    pub async fn block(&self, tag: BlockTag) -> Result<Option<Block>, RpcError> {
        let tag = match tag {
            BlockTag::Latest => "latest".into(),
            BlockTag::Finalized => "finalized".into(),
            BlockTag::Number(number) => quantity(number),
        };
        let answer: Option<BlockAnswer> = self.read("eth_getBlockByNumber", json!([tag, false])).await?;
        Ok(answer.map(|block| Block {
            number: block.number.0,
            hash: block.hash.0,
            timestamp: block.timestamp.0,
            base_fee_per_gas: block.base_fee_per_gas.map(|fee| fee.0),
        }))
    }

    /// How many transactions an account has sent, as of the newest block.
    pub async fn nonce_latest(&self, account: Address) -> Result<u64, RpcError> {
        self.number("eth_getTransactionCount", json!([account, "latest"])).await
    }

    /// How many transactions an account has sent, those that wait included.
    pub async fn nonce_pending(&self, account: Address) -> Result<u64, RpcError> {
        self.number("eth_getTransactionCount", json!([account, "pending"])).await
    }

    /// What an account has of the chain's coin, in wei, as of the newest block.
    pub async fn balance(&self, account: Address) -> Result<Amount, RpcError> {
        self.number("eth_getBalance", json!([account, "latest"])).await.map(Amount)
    }

    /// The tip that gets a transaction mined soon, in wei per gas; 1 gwei where the endpoint suggests
    /// none.
    pub async fn priority_fee(&self) -> Result<u128, RpcError> {
        match self.number("eth_maxPriorityFeePerGas", json!([])).await {
            Err(RpcError::Refused { .. }) => Ok(PRIORITY_FEE_FALLBACK),
            answer => answer,
        }
    }

    /// What a call would return in the newest block; nothing is sent to the chain.
    pub async fn call(&self, call: &Call) -> Result<Vec<u8>, RpcError> {
        let answer: HexBytes = self.read("eth_call", json!([call_object(None, call), "latest"])).await?;
        Ok(answer.0)
    }

    /// How a transaction stands in a block, or none while it is in none.
    pub async fn inclusion(&self, hash: &[u8; 32]) -> Result<Option<Inclusion>, RpcError> {
        let read = receipt_read(hash);
        self.receipt(hash, self.read(read.method, read.params).await?)
    }

    /// The same for many transactions, in their order, asked together.
    pub async fn inclusions(
        &self,
        hashes: &[[u8; 32]],
    ) -> Result<Vec<Result<Option<Inclusion>, RpcError>>, RpcError> {
        let reads: Vec<Read> = hashes.iter().map(receipt_read).collect();
        let answers = self.rpc.read_all(&reads).await?;
        let receipt =
            |(hash, answer): (_, Result<Value, RpcError>)| self.receipt(hash, self.typed(RECEIPT, answer)?);
        Ok(hashes.iter().zip(answers).map(receipt).collect())
    }

    fn receipt(&self, hash: &[u8; 32], answer: Option<ReceiptAnswer>) -> Result<Option<Inclusion>, RpcError> {
        let method = RECEIPT;
        let Some(receipt) = answer else { return Ok(None) };
        let succeeded = match receipt.status.0 {
            0 => false,
            1 => true,
            _ => return Err(self.malformed(method)),
        };
        if receipt.transaction_hash.0 != *hash {
            return Err(self.malformed(method));
        }
        Ok(Some(Inclusion {
            succeeded,
            block_number: receipt.block_number.0,
            block_hash: receipt.block_hash.0,
            gas_used: receipt.gas_used.0,
            effective_gas_price: receipt.effective_gas_price.0,
            contract: receipt.contract_address.map(|address| address.0.into()),
        }))
    }

    /// A transaction that is mined or waits, or none where the endpoint does not know it.
    pub async fn transaction(&self, hash: &[u8; 32]) -> Result<Option<Known>, RpcError> {
        let method = "eth_getTransactionByHash";
        let answer: Option<TransactionAnswer> = self.read(method, json!([HexBytes(hash.to_vec())])).await?;
        match answer {
            Some(transaction) if transaction.hash.0 != *hash => Err(self.malformed(method)),
            answer => Ok(answer.map(|transaction| Known {
                from: transaction.from.0.into(),
                nonce: transaction.nonce.0,
                block_number: transaction.block_number.map(|number| number.0),
            })),
        }
    }

    async fn number<T: TryFrom<U256>>(&self, method: &'static str, params: Value) -> Result<T, RpcError> {
        self.read::<Quantity<T>>(method, params).await.map(|number| number.0)
    }

    /// One answer of several.
    pub(crate) fn typed<T: DeserializeOwned>(
        &self,
        method: &'static str,
        answer: Result<Value, RpcError>,
    ) -> Result<T, RpcError> {
        answer.and_then(|value| serde_json::from_value(value).map_err(|_| self.malformed(method)))
    }

    async fn read<T: DeserializeOwned>(&self, method: &'static str, params: Value) -> Result<T, RpcError> {
        self.rpc.request(method, params, Repeat::Safe).await
    }

    pub(crate) fn malformed(&self, method: &'static str) -> RpcError {
        self.rpc.malformed(method)
    }
}

fn receipt_read(hash: &[u8; 32]) -> Read {
    Read { method: RECEIPT, params: json!([HexBytes(hash.to_vec())]) }
}

pub(crate) fn call_object(from: Option<Address>, call: &Call) -> Value {
    let mut object = json!({
        "to": call.to,
        "value": quantity(call.value.0),
        "data": HexBytes(call.data.clone()),
    });
    if let (Some(from), Some(fields)) = (from, object.as_object_mut()) {
        fields.insert("from".into(), json!(from));
    }
    object
}
