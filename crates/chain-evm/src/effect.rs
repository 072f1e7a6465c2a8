//! What a transaction does: a transfer of the chain's coin or of an ERC-20 token, as a value, as an
//! intent's wish, and as the call that carries it out.

use alloy_primitives::{Bytes, TxKind, U256};
use cohold_model::intent::{Action, Asset};
use cohold_model::{Amount, Intent};

use crate::address::{Address, AddressError};

/// What a transaction does. Zero amounts and zero receivers do not occur.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Pays the chain's own coin.
    NativeTransfer {
        /// Who receives it.
        to: Address,
        /// How much, in wei.
        amount: Amount,
    },
    /// Calls `transfer(address,uint256)` of a token (ERC-20).
    TokenTransfer {
        /// The token's contract.
        token: Address,
        /// Who receives it.
        to: Address,
        /// How much, in the token's base units.
        amount: Amount,
    },
}

/// Why an intent asks for nothing that could be done on an EVM chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IntentError {
    /// The receiver's address.
    #[error("the receiver is refused: {0}")]
    Receiver(AddressError),
    /// The token's address.
    #[error("the token is refused: {0}")]
    Token(AddressError),
    /// A transfer of nothing.
    #[error("the amount is zero: send more than nothing")]
    ZeroAmount,
    /// A token sent to its own contract is lost.
    #[error("the receiver `{0}` is the token's own contract, where it would be lost: name another receiver")]
    TokenToItself(Address),
}

/// Why a call is none of the effects that parties sign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// No receiver.
    #[error("the transaction creates a contract; only transfers are signed")]
    ContractCreation,
    /// Some other call.
    #[error("the transaction calls `{selector}` with {length} bytes of data, which is no ERC-20 transfer")]
    UnknownCall {
        /// The first four bytes of the calldata, `0x…`.
        selector: String,
        /// The length of the whole calldata.
        length: usize,
    },
    /// Coins sent along with a token transfer would be lost in the contract.
    #[error("the transaction sends {0} wei of the chain's coin along with a token transfer")]
    ValueOnTokenCall(Amount),
    /// The twelve bytes above the receiver's address are not zero.
    #[error("the receiver in the token transfer has extra bytes above its address")]
    DirtyReceiver,
    /// Nobody has the key of the zero address.
    #[error("the transaction pays to the zero address, from which nothing ever returns")]
    ZeroReceiver,
    /// There is no token at the zero address.
    #[error("the transaction calls a token at the zero address, where there is none")]
    ZeroToken,
    /// A transfer of nothing.
    #[error("the transaction moves nothing")]
    ZeroAmount,
}

/// A call as it stands in a transaction: receiver, value in wei, calldata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The account or contract that is called.
    pub to: Address,
    /// Wei sent along.
    pub value: Amount,
    /// The calldata.
    pub data: Vec<u8>,
}

/// The first four bytes of Keccak-256 of `transfer(address,uint256)`.
const TRANSFER: [u8; 4] = [0xa9, 0x05, 0x9c, 0xbb];

impl Effect {
    /// What an intent wants.
    pub fn wanted(intent: &Intent) -> Result<Self, IntentError> {
        let Action::Transfer { asset, to, amount } = &intent.action;
        let (to, amount) = (Address::parse_receiver(to).map_err(IntentError::Receiver)?, *amount);
        if amount.is_zero() {
            return Err(IntentError::ZeroAmount);
        }
        let token = match asset {
            Asset::Native => return Ok(Self::NativeTransfer { to, amount }),
            Asset::Token(token) => token.parse::<Address>().map_err(IntentError::Token)?,
        };
        if token == to {
            return Err(IntentError::TokenToItself(token));
        }
        if token.is_zero() {
            return Err(IntentError::Token(AddressError::Form(token.to_string())));
        }
        Ok(Self::TokenTransfer { token, to, amount })
    }

    /// The call that has this effect.
    #[must_use]
    pub fn call(&self) -> Call {
        match *self {
            Self::NativeTransfer { to, amount } => Call { to, value: amount, data: Vec::new() },
            Self::TokenTransfer { token, to, amount } => {
                let receiver = alloy_primitives::Address::from(to).into_word();
                let data = [&TRANSFER[..], receiver.as_slice(), &amount.0.to_be_bytes::<32>()].concat();
                Call { to: token, value: Amount::ZERO, data }
            }
        }
    }

    /// Who receives.
    #[must_use]
    pub fn receiver(&self) -> Address {
        match *self {
            Self::NativeTransfer { to, .. } | Self::TokenTransfer { to, .. } => to,
        }
    }

    /// How much, in base units of the asset.
    #[must_use]
    pub fn amount(&self) -> Amount {
        match *self {
            Self::NativeTransfer { amount, .. } | Self::TokenTransfer { amount, .. } => amount,
        }
    }

    /// The token that moves, or none for the chain's coin.
    #[must_use]
    pub fn token(&self) -> Option<Address> {
        match *self {
            Self::NativeTransfer { .. } => None,
            Self::TokenTransfer { token, .. } => Some(token),
        }
    }

    /// Reads the effect from a transaction's fields.
    pub(crate) fn read(to: TxKind, value: U256, data: &Bytes) -> Result<Self, CallError> {
        let TxKind::Call(called) = to else { return Err(CallError::ContractCreation) };
        let (called, value) = (Address::from(called), Amount(value));
        let effect = if data.is_empty() {
            Self::NativeTransfer { to: called, amount: value }
        } else {
            let (to, amount) = read_transfer(data)?;
            if !value.is_zero() {
                return Err(CallError::ValueOnTokenCall(value));
            }
            if called.is_zero() {
                return Err(CallError::ZeroToken);
            }
            Self::TokenTransfer { token: called, to, amount }
        };
        if effect.receiver().is_zero() {
            return Err(CallError::ZeroReceiver);
        }
        if effect.amount().is_zero() {
            return Err(CallError::ZeroAmount);
        }
        Ok(effect)
    }
}

/// Reads `transfer(address,uint256)`: the selector and two words, nothing after them.
fn read_transfer(data: &[u8]) -> Result<(Address, Amount), CallError> {
    let unknown = || CallError::UnknownCall {
        selector: alloy_primitives::hex::encode_prefixed(data.get(..4).unwrap_or(data)),
        length: data.len(),
    };
    let arguments = data.strip_prefix(&TRANSFER).ok_or_else(unknown)?;
    let (above, rest) = arguments.split_first_chunk::<12>().ok_or_else(unknown)?;
    let (to, amount) = rest.split_first_chunk::<20>().ok_or_else(unknown)?;
    let amount = <[u8; 32]>::try_from(amount).map_err(|_| unknown())?;
    if *above != [0; 12] {
        return Err(CallError::DirtyReceiver);
    }
    Ok((Address::from(*to), Amount(U256::from_be_bytes(amount))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_selector_is_what_the_signature_hashes_to() {
        let hash = alloy_primitives::keccak256("transfer(address,uint256)");
        assert_eq!(hash.get(..4), Some(&TRANSFER[..]));
    }
}
