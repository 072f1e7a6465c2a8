//! What unsigned bytes do, from the bytes alone. There is one way to write each transaction, and
//! whatever is written otherwise is refused.

use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_primitives::{TxKind, U256};
use alloy_rlp::Decodable;
use cohold_model::Amount;

use crate::effect::{CallError, Effect};

/// The type byte of an EIP-1559 transaction (EIP-2718).
const TYPE_EIP_1559: u8 = 0x02;

/// The most bytes that a transfer takes: every field at its widest comes to 191.
pub const PAYLOAD_BYTES_MAX: usize = 256;

/// The most gas that any transaction may ask for (EIP-7825); a transfer needs far less.
pub const GAS_LIMIT_MAX: u64 = 1 << 24;

/// An unsigned transaction, read from its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Decoded {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// How many transactions the account sent before.
    pub nonce: u64,
    /// The most gas that may be used.
    pub gas_limit: u64,
    /// The most that a unit of gas may cost, in wei, tip included.
    pub max_fee_per_gas: u128,
    /// The most that goes to the block's proposer per unit of gas, in wei.
    pub max_priority_fee_per_gas: u128,
    /// What it does.
    pub effect: Effect,
}

/// Why bytes were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// More bytes than a transfer takes.
    #[error("the payload has {0} bytes, a transfer has at most {PAYLOAD_BYTES_MAX}")]
    TooLong(usize),
    /// Not an EIP-1559 transaction.
    #[error("the payload is not of type `0x02` (EIP-1559): plan the transaction again")]
    Type,
    /// Not the nine fields of EIP-1559 in RLP.
    #[error("the payload is not an EIP-1559 transaction: {0}")]
    Rlp(alloy_rlp::Error),
    /// Bytes after the end of the transaction.
    #[error("the payload has {0} more bytes after the transaction's end")]
    Trailing(usize),
    /// Another encoding of a transaction that has a shorter one.
    #[error("the payload is not the canonical encoding of its transaction")]
    NotCanonical,
    /// No chain has the id zero; it would mean any chain.
    #[error("the payload names chain `0`, which is no chain")]
    ZeroChain,
    /// A list of storage to warm up.
    #[error("the payload has an access list, which a transfer does not need")]
    AccessList,
    /// More gas than any transaction may ask for.
    #[error("the payload asks for {0} gas, more than the {GAS_LIMIT_MAX} that any transaction may")]
    GasLimit(u64),
    /// A tip above the whole fee is invalid on every chain (EIP-1559).
    #[error("the payload's tip of {tip} wei per gas is above its whole fee of {fee} wei per gas")]
    TipAboveFee {
        /// `max_priority_fee_per_gas`.
        tip: u128,
        /// `max_fee_per_gas`.
        fee: u128,
    },
    /// The call is no transfer.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// Reads an unsigned transaction `0x02 ‖ RLP([chain id, nonce, tip, fee, gas, to, value, data, access
/// list])` (EIP-1559), strictly.
pub fn decode(payload: &[u8]) -> Result<Decoded, DecodeError> {
    if payload.len() > PAYLOAD_BYTES_MAX {
        return Err(DecodeError::TooLong(payload.len()));
    }
    let mut rest = payload.strip_prefix(&[TYPE_EIP_1559]).ok_or(DecodeError::Type)?;
    let transaction = TxEip1559::decode(&mut rest).map_err(DecodeError::Rlp)?;
    if !rest.is_empty() {
        return Err(DecodeError::Trailing(rest.len()));
    }
    if transaction.encoded_for_signing() != payload {
        return Err(DecodeError::NotCanonical);
    }
    Decoded::of(&transaction)
}

impl Decoded {
    /// The most that the transaction's gas may cost, in wei. A few rollups charge for data on top
    /// ([`charges_for_data`](crate::words::charges_for_data)).
    #[must_use]
    pub fn max_fee_total(&self) -> Amount {
        // 64 bits times 128 bits fit 256.
        Amount(U256::from(self.gas_limit).wrapping_mul(U256::from(self.max_fee_per_gas)))
    }

    /// The unsigned transaction with this meaning. Whether it is one that parties sign, [`decode()`] says.
    #[must_use]
    pub fn payload(&self) -> Vec<u8> {
        self.transaction().encoded_for_signing()
    }

    /// The transaction with this meaning; the inverse of [`Decoded::of`].
    pub(crate) fn transaction(&self) -> TxEip1559 {
        let call = self.effect.call();
        TxEip1559 {
            chain_id: self.chain_id,
            nonce: self.nonce,
            gas_limit: self.gas_limit,
            max_fee_per_gas: self.max_fee_per_gas,
            max_priority_fee_per_gas: self.max_priority_fee_per_gas,
            to: TxKind::Call(call.to.into()),
            value: call.value.0,
            access_list: Default::default(),
            input: call.data.into(),
        }
    }

    pub(crate) fn of(transaction: &TxEip1559) -> Result<Self, DecodeError> {
        let (fee, tip) = (transaction.max_fee_per_gas, transaction.max_priority_fee_per_gas);
        if transaction.chain_id == 0 {
            return Err(DecodeError::ZeroChain);
        }
        if !transaction.access_list.is_empty() {
            return Err(DecodeError::AccessList);
        }
        if transaction.gas_limit > GAS_LIMIT_MAX {
            return Err(DecodeError::GasLimit(transaction.gas_limit));
        }
        if tip > fee {
            return Err(DecodeError::TipAboveFee { tip, fee });
        }
        Ok(Self {
            chain_id: transaction.chain_id,
            nonce: transaction.nonce,
            gas_limit: transaction.gas_limit,
            max_fee_per_gas: fee,
            max_priority_fee_per_gas: tip,
            effect: Effect::read(transaction.to, transaction.value, &transaction.input)?,
        })
    }
}
