//! What a party says of itself under its own signature: what it holds, how it is sealed, since when,
//! and which rules it runs. The custody model is built from these.

use serde::{Deserialize, Serialize};

use crate::amount::Amount;
use crate::canonical::{Digest, Document, Signed};
use crate::guardians::GuardianReceipt;
use crate::ids::{AccountId, Epoch, PartyName};
use crate::intent::Asset;
use crate::token::Token;

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
    /// Under a key within a hardware token, which [`Statement::token`] describes.
    Hardware,
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

/// What a party's rules let go in fees on one chain, on top of what its allowances let through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeeBound {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// What the chain's own coin, in which fees are paid, is called.
    pub coin: String,
    /// How many decimals it has.
    pub decimals: u8,
    /// The most in one transaction.
    pub per_transaction: Amount,
    /// The most in 24 hours; none means no bound: any number of payments, each with a fee of its own.
    pub per_day: Option<Amount>,
}

/// A device's word about a recovery share that was made on it: the file, away from every machine,
/// cannot speak for itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vouch {
    /// The recovery party.
    pub party: PartyName,
    /// How its share was sealed.
    pub sealing: Sealing,
    /// Seconds since 1970 when it was made.
    pub held_since: u64,
    /// Seconds since 1970 when the device last saw the file open: by a check, or by leaving with it.
    pub opened_at: Option<u64>,
}

/// How long a statement counts as signed word, in seconds: 24 hours. Later it is only asserted.
pub const VALID_SECONDS: u64 = 24 * 3600;

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
    /// The hardware token that it is sealed by; nodes only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Token>,
    /// Seconds since 1970 when the share was stored.
    pub held_since: u64,
    /// Whether it signs only what an approver of the charter approved.
    pub requires_approval: bool,
    /// What its rules let through.
    pub allowances: Vec<Allowance>,
    /// What its rules let go in fees, one entry for a chain. A chain that is missing has no bound; the
    /// whole list was missing from the first statements.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fees: Vec<FeeBound>,
    /// What it says of recovery shares that were made on it; devices only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vouches: Vec<Vouch>,
    /// What guardians say of the pieces that they hold; devices only. Each is signed by its guardian.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub receipts: Vec<Signed<GuardianReceipt>>,
    /// Earlier epochs of which it has deleted its share, in ascending order. Nobody can prove that;
    /// silence about an epoch that it was in says that it may have kept it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deleted: Vec<Epoch>,
    /// Seconds since 1970 when the whole key was exported here: from then on, for ever, it may be
    /// anywhere. Devices only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exported_at: Option<u64>,
    /// Whether the key existed whole before the account did: it was imported.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub imported: bool,
    /// Seconds since 1970 when the user last rehearsed the way out here. Devices only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drilled_at: Option<u64>,
    /// How long it waits before it joins in a resharing that the user consents to, in seconds; none if it
    /// joins in none. Nodes only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resharing_delay: Option<u64>,
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::canonical::digest;

    /// The first statements told nothing of fees: they are read, and their signatures hold.
    #[test]
    fn the_first_statements_keep_their_digest() {
        let zeros = "00".repeat(32);
        let mut old = json!({
            "account": "acc_000102030405060708090a0b0c0d0e0f", "party": "cosigner", "charter": zeros, "epoch": 1,
            "sealing": "key-file", "held_since": 1, "requires_approval": true, "allowances": [],
            "rules": zeros, "issued_at": 2, "expires_at": 3,
        });
        let read: Statement = serde_json::from_value(old.clone()).expect("the format");
        assert_eq!(read.digest(), digest(Statement::TAG, &old));
        assert!(read.fees.is_empty());
        let fees =
            json!([{"chain_id": 1, "coin": "ETH", "decimals": 18, "per_transaction": "5", "per_day": null}]);
        old["fees"] = fees;
        let read: Statement = serde_json::from_value(old.clone()).expect("the format");
        assert_eq!(read.digest(), digest(Statement::TAG, &old));
        assert_eq!(read.fees.first().map(|fees| fees.per_day), Some(None));
        let vouch =
            json!([{"party": "recovery", "sealing": "sealed-file", "held_since": 1, "opened_at": null}]);
        old["vouches"] = vouch;
        let read: Statement = serde_json::from_value(old.clone()).expect("the format");
        assert_eq!(read.digest(), digest(Statement::TAG, &old));
        assert!(read.deleted.is_empty() && !read.imported);
        for (field, value) in [
            ("deleted", json!([1, 2])),
            ("exported_at", json!(2)),
            ("imported", json!(true)),
            ("drilled_at", json!(3)),
            ("sealing", json!("hardware")),
            (
                "token",
                json!({"manufacturer": "SoftHSM project", "model": "SoftHSM v2", "serial": "ff00", "key_never_left": true, "pin": "entered"}),
            ),
        ] {
            old[field] = value;
            let read: Statement = serde_json::from_value(old.clone()).expect("the format");
            assert_eq!(read.digest(), digest(Statement::TAG, &old), "{field}");
        }
    }
}
