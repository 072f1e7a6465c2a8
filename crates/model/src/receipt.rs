//! How far a request has come, and the receipt at the end of the stair.

use serde::{Deserialize, Serialize};

use crate::canonical::{Digest, Document, HexBytes};
use crate::ids::{AccountId, PartyName, RequestId};

/// The life of a request. It only ever moves down this list, or ends early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Planned; an approval is missing.
    Pending,
    /// Approved; the parties are asked to sign.
    Approved,
    /// Signed, verified and stored; not yet seen by a chain endpoint.
    Signed,
    /// Handed to a chain endpoint.
    Submitted,
    /// In a block, and the block says that it succeeded.
    Mined,
    /// Mined, and deep enough not to be undone.
    Final,
    /// In a block, and the block says that it failed.
    Reverted,
    /// A party refused; nothing was signed.
    Refused,
    /// Nobody finished it in time; nothing was broadcast.
    Expired,
}

impl Status {
    /// Whether nothing more will happen.
    #[must_use]
    pub fn is_end(self) -> bool {
        matches!(self, Self::Final | Self::Reverted | Self::Refused | Self::Expired)
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Signed => "signed",
            Self::Submitted => "submitted",
            Self::Mined => "mined",
            Self::Final => "final",
            Self::Reverted => "reverted",
            Self::Refused => "refused",
            Self::Expired => "expired",
        })
    }
}

/// Who approved and signed what, and what became of it; a leaf of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// Position in the ledger, from 1.
    pub number: u64,
    /// Digest of the receipt before this one; zeros for the first.
    pub previous: Digest,
    /// The request.
    pub request: RequestId,
    /// The account.
    pub account: AccountId,
    /// Digest of the plan that was signed.
    pub plan: Digest,
    /// Who approved.
    pub approvers: Vec<PartyName>,
    /// Who signed together.
    pub signers: Vec<PartyName>,
    /// The signed transaction.
    pub transaction: HexBytes,
    /// The transaction's hash on the chain.
    pub transaction_hash: HexBytes,
    /// What became of it.
    pub status: Status,
    /// Number of the block that has it.
    pub block: Option<u64>,
}

impl Document for Receipt {
    const TAG: &'static str = "cohold/receipt/v1";
}
