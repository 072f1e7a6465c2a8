//! Handing a signed transaction to the chain. The same bytes may be handed over any number of times:
//! the chain takes them once.

use cohold_chain_evm::Signed;
use cohold_model::HexBytes;
use serde_json::json;

use crate::chain::Chain;
use crate::quantity::Fixed;
use crate::rpc::{Repeat, RpcError};

const METHOD: &str = "eth_sendRawTransaction";

/// What an endpoint made of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broadcast {
    /// It took it.
    Accepted,
    /// It has had this very transaction before, waiting or mined.
    AlreadyKnown,
    /// It does not take it, and does not know it either.
    Rejected(Rejection),
}

/// Why an endpoint does not take a transaction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the chain endpoint does not take the transaction, {kind}: {reason}")]
pub struct Rejection {
    /// As far as its words are understood.
    pub kind: RejectionKind,
    /// Its own words, shortened.
    pub reason: String,
}

/// Kinds of rejection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectionKind {
    /// Another transaction of the account with this nonce is mined: this one can never be.
    NonceUsed,
    /// Another transaction of the account with this nonce waits, and this one does not outbid it.
    NonceTaken,
    /// The account cannot pay amount and fee.
    Funds,
    /// The fee is below what the chain asks now; it may fall again.
    FeeTooLow,
    /// None of these.
    Unrecognised,
}

impl std::fmt::Display for RejectionKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NonceUsed => "its number is used up by another one",
            Self::NonceTaken => "another one with its number waits",
            Self::Funds => "the account has too little",
            Self::FeeTooLow => "its fee is too low now",
            Self::Unrecognised => "for a reason of its own",
        })
    }
}

impl Chain {
    /// Hands a signed transaction to the endpoint, once. An error leaves open what became of it: ask
    /// [`Chain::transaction`], then hand over the same bytes again, never others in their place.
    pub async fn broadcast(&self, signed: &Signed) -> Result<Broadcast, RpcError> {
        let params = json!([HexBytes(signed.raw.clone())]);
        let answer = self.rpc.request::<Fixed<32>>(METHOD, params, Repeat::Never).await;
        let reason = match answer {
            Ok(hash) if hash.0 == signed.hash => return Ok(Broadcast::Accepted),
            Ok(_) => return Err(self.malformed(METHOD)),
            Err(RpcError::Refused { reason, .. }) => reason,
            Err(error) => return Err(error),
        };
        // Endpoints refuse what they know in many words ("already known", "nonce too low" once it is
        // mined); whether they know it is the same question everywhere.
        if self.transaction(&signed.hash).await?.is_some() {
            return Ok(Broadcast::AlreadyKnown);
        }
        Ok(match kind(&reason) {
            None => Broadcast::AlreadyKnown,
            Some(kind) => Broadcast::Rejected(Rejection { kind, reason }),
        })
    }
}

/// What geth, Nethermind, Besu, Erigon, Reth and anvil mean; none where they know the transaction.
fn kind(reason: &str) -> Option<RejectionKind> {
    let words = reason.to_ascii_lowercase();
    let says = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
    if says(&["already known", "alreadyknown", "known transaction", "already imported", "already in pool"]) {
        return None;
    }
    Some(if says(&["replacement", "could not replace", "notallowedtoreplace"]) {
        RejectionKind::NonceTaken
    } else if says(&["nonce too low", "nonce is too low", "nonce below", "oldnonce", "invalid nonce"]) {
        RejectionKind::NonceUsed
    } else if says(&["insufficient funds", "insufficientfunds", "insufficient balance", "upfront cost"]) {
        RejectionKind::Funds
    } else if says(&["underpriced", "base fee", "basefee", "feetoolow", "fee too low", "gas price below"]) {
        RejectionKind::FeeTooLow
    } else {
        RejectionKind::Unrecognised
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_endpoints_are_understood() {
        let check = |reason: &str, expected| assert_eq!(kind(reason), expected, "{reason}");
        check("already known", None);
        check("AlreadyKnown", None);
        check("transaction already imported", None);
        check("nonce too low: next nonce 8, tx nonce 7", Some(RejectionKind::NonceUsed));
        check("replacement transaction underpriced", Some(RejectionKind::NonceTaken));
        check("insufficient funds for gas * price + value", Some(RejectionKind::Funds));
        check("Insufficient funds for gas * price + value", Some(RejectionKind::Funds));
        check("max fee per gas less than block base fee", Some(RejectionKind::FeeTooLow));
        check("transaction underpriced", Some(RejectionKind::FeeTooLow));
        check("the moon is full", Some(RejectionKind::Unrecognised));
    }
}
