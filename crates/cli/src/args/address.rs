//! The arguments of `cohold address`.

use clap::Args;
use cohold_model::{AccountId, KeyPath};

#[derive(Debug, Args)]
pub(crate) struct AddressArgs {
    /// The account.
    pub(crate) account: AccountId,
    /// Of a key below the account's: a BIP-32 path of at most five steps, none of them hardened.
    #[arg(long, default_value_t = KeyPath::ROOT)]
    pub(crate) path: KeyPath,
    /// So many addresses, counted on from the path's last step.
    #[arg(long, requires = "path", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) count: Option<u32>,
}
