//! What somebody wants, the exact bytes that would do it, and who approved those bytes.

use serde::{Deserialize, Serialize};

use crate::amount::Amount;
use crate::canonical::{Digest, Document, HexBytes};
use crate::ids::{AccountId, PartyName, RequestId};
use crate::path::KeyPath;

/// What is moved.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asset {
    /// The chain's own coin.
    Native,
    /// A token, by its contract's address in the chain's own form (EIP-55 on EVM chains).
    Token(String),
}

/// What somebody wants. Typed, never a bare hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Action {
    /// Pay `amount` of `asset` to `to`.
    Transfer {
        /// What is moved.
        asset: Asset,
        /// The receiver in the chain's own form.
        to: String,
        /// How much, in base units.
        amount: Amount,
    },
}

/// A wish, in the name of a party, on an account and a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intent {
    /// Chosen by the requester; one request is signed for one transaction at most.
    pub request: RequestId,
    /// The account that pays.
    pub account: AccountId,
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// What to do.
    pub action: Action,
    /// Who wants it.
    pub requester: PartyName,
    /// Seconds since 1970 after which no party signs it any more.
    pub expires_at: u64,
    /// From which address of the account: the root's where it says nothing. Bytes to sign name no sender, so
    /// this is the only word for it, and everything that is signed hangs on it.
    #[serde(default, skip_serializing_if = "KeyPath::is_root")]
    pub path: KeyPath,
}

impl Document for Intent {
    const TAG: &'static str = "cohold/intent/v1";
}

/// The exact bytes to sign for an intent. What they do is decoded from them by whoever looks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Digest of the intent that this plan carries out.
    pub intent: Digest,
    /// The unsigned transaction: on EVM chains `0x02 ‖ RLP(…)` (EIP-1559).
    pub payload: HexBytes,
}

impl Document for Plan {
    const TAG: &'static str = "cohold/plan/v1";
}

/// A party's word that a plan may be signed, bound to the very bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// The account.
    pub account: AccountId,
    /// Digest of the charter under which it is given.
    pub charter: Digest,
    /// Digest of the plan.
    pub plan: Digest,
    /// Who approves.
    pub approver: PartyName,
    /// Seconds since 1970 after which it counts no more.
    pub expires_at: u64,
}

impl Document for Approval {
    const TAG: &'static str = "cohold/approval/v1";
}
