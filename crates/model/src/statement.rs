//! What a party says of itself under its own signature: what it holds, how it is sealed, since when,
//! and which rules it runs. The custody model is built from these.

use serde::{Deserialize, Serialize};

use crate::amount::Amount;
use crate::canonical::{Digest, Document};
use crate::ids::{AccountId, Epoch, PartyName};
use crate::intent::Asset;

/// How a share lies at rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sealing {
    /// Under a key in a file beside it: whoever has the disk has the share.
    KeyFile,
    /// Under a passphrase that the operator types at start.
    Passphrase,
    /// Under a device secret and a PIN, neither of which opens it alone.
    DeviceAndPin,
    /// In a file under a passphrase, away from every machine.
    SealedFile,
}

/// To whom a party lets money go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Receivers {
    /// To anybody.
    Any,
    /// To these addresses only.
    Only(Vec<String>),
}

/// What a party's rules let through by themselves on one chain, for one asset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allowance {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// What may move.
    pub asset: Asset,
    /// How it is called.
    pub symbol: String,
    /// How many decimals it has.
    pub decimals: u8,
    /// The most in one transaction; none means no bound.
    pub per_transaction: Option<Amount>,
    /// The most in 24 hours; none means no bound.
    pub per_day: Option<Amount>,
    /// To whom.
    pub receivers: Receivers,
}

/// A party's word about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// The account that it speaks of.
    pub account: AccountId,
    /// Who speaks.
    pub party: PartyName,
    /// Digest of the charter that it keeps.
    pub charter: Digest,
    /// The epoch of the share that it holds.
    pub epoch: Epoch,
    /// How that share is sealed.
    pub sealing: Sealing,
    /// Seconds since 1970 when the share was stored.
    pub held_since: u64,
    /// Whether it signs only what an approver of the charter approved.
    pub requires_approval: bool,
    /// What its rules let through.
    pub allowances: Vec<Allowance>,
    /// Digest of the rules file.
    pub rules: Digest,
    /// Seconds since 1970 when this was said.
    pub issued_at: u64,
    /// Seconds since 1970 after which it is only asserted.
    pub expires_at: u64,
}

impl Document for Statement {
    const TAG: &'static str = "cohold/statement/v1";
}
