//! What a token says of itself and of its holders (ERC-20). Any contract can answer anything.

use alloy_primitives::U256;
use cohold_chain_evm::effect::Call;
use cohold_chain_evm::{Address, Symbol, Token};
use cohold_model::Amount;

use crate::chain::Chain;
use crate::rpc::RpcError;

/// More decimals than this leave no whole token within 256 bits.
const DECIMALS_MAX: u8 = 77;

/// The first four bytes of Keccak-256 of each signature.
const BALANCE_OF: [u8; 4] = [0x70, 0xa0, 0x82, 0x31];
const DECIMALS: [u8; 4] = [0x31, 0x3c, 0xe5, 0x67];
const SYMBOL: [u8; 4] = [0x95, 0xd8, 0x9b, 0x41];

/// Why a token could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The contract is none, or not a token.
    #[error(
        "there is no ERC-20 token at `{token}`, `{asked}` has no answer: check the address and the chain"
    )]
    NoToken {
        /// The address that was asked.
        token: Address,
        /// The function that was called.
        asked: &'static str,
    },
    /// The endpoint gave no answer.
    #[error(transparent)]
    Rpc(#[from] RpcError),
}

impl Chain {
    /// What an account has of a token, in base units.
    pub async fn token_balance(&self, token: Address, account: Address) -> Result<Amount, TokenError> {
        let data = [&BALANCE_OF[..], &[0; 12], account.as_bytes()].concat();
        let answer = self.token_call(token, "balanceOf", data).await?;
        read_number(&answer).map(Amount).ok_or(TokenError::NoToken { token, asked: "balanceOf" })
    }

    /// What a token calls itself. Its word only: whoever shows it says so, or asks a person first.
    pub async fn token(&self, token: Address) -> Result<Token, TokenError> {
        let answer = self.token_call(token, "decimals", DECIMALS.to_vec()).await?;
        let decimals = read_number(&answer)
            .and_then(|number| u8::try_from(number).ok())
            .filter(|decimals| *decimals <= DECIMALS_MAX)
            .ok_or(TokenError::NoToken { token, asked: "decimals" })?;
        let answer = self.token_call(token, "symbol", SYMBOL.to_vec()).await?;
        let symbol = read_text(&answer)
            .and_then(|text| Symbol::sanitised(&text))
            .ok_or(TokenError::NoToken { token, asked: "symbol" })?;
        Ok(Token { symbol, decimals })
    }

    async fn token_call(
        &self,
        token: Address,
        asked: &'static str,
        data: Vec<u8>,
    ) -> Result<Vec<u8>, TokenError> {
        match self.call(&Call { to: token, value: Amount::ZERO, data }).await {
            // Reverted; an endpoint has no more exact word for it that all endpoints share.
            Err(RpcError::Refused { .. }) => Err(TokenError::NoToken { token, asked }),
            answer => Ok(answer?),
        }
    }
}

/// One word; what follows it is ignored, as Solidity does.
fn read_number(answer: &[u8]) -> Option<U256> {
    answer.first_chunk::<32>().map(|word| U256::from_be_bytes(*word))
}

/// A `string`, or a `bytes32` padded with zeros as the oldest tokens have it.
fn read_text(answer: &[u8]) -> Option<String> {
    let bytes = if answer.len() == 32 {
        answer.split(|byte| *byte == 0).next()?
    } else {
        let offset = usize::try_from(read_number(answer)?).ok()?;
        let (length, text) = answer.get(offset..)?.split_first_chunk::<32>()?;
        text.get(..usize::try_from(U256::from_be_bytes(*length)).ok()?)?
    };
    Some(String::from_utf8_lossy(bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(number: u64) -> [u8; 32] {
        U256::from(number).to_be_bytes()
    }

    #[test]
    fn selectors_are_what_the_signatures_hash_to() {
        for (signature, selector) in
            [("balanceOf(address)", BALANCE_OF), ("decimals()", DECIMALS), ("symbol()", SYMBOL)]
        {
            assert_eq!(alloy_primitives::keccak256(signature)[..4], selector, "{signature}");
        }
    }

    #[test]
    fn texts_of_every_kind_are_read_or_refused() {
        let check = |answer: &[u8], expected: Option<&str>| {
            assert_eq!(read_text(answer).as_deref(), expected, "{answer:02x?}");
        };
        let mut padded = [0; 32];
        padded[..3].copy_from_slice(b"MKR");
        check(&padded, Some("MKR"));
        let mut text = [0; 32];
        text[..4].copy_from_slice(b"USDC");
        check(&[word(32), word(4), text].concat(), Some("USDC"));
        check(&[word(32), word(0)].concat(), Some(""));
        check(&[word(32), word(33), text].concat(), None);
        check(&[word(64), word(4), text].concat(), None);
        check(&[word(u64::MAX), word(4), text].concat(), None);
        check(&[[0xff; 32], word(4), text].concat(), None);
        check(&[word(32), [0xff; 32], text].concat(), None);
        check(&[], None);
        check(&[1; 31], None);
    }
}
