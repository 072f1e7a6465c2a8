//! The words of `cohold account refresh`, `reshare` and `recover`.

use std::path::PathBuf;

use clap::Args;
use cohold_model::{AccountId, PartyName};

/// What every way to another epoch takes.
#[derive(Debug, Args)]
pub(crate) struct EpochArgs {
    /// Do not ask.
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Where the new recovery files are written; otherwise into the device's folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) recovery_dir: Option<PathBuf>,
    /// A file with the passphrase of the recovery files, old and new; otherwise
    /// `COHOLD_RECOVERY_PASSPHRASE` or a prompt.
    #[arg(long, value_name = "FILE")]
    pub(crate) recovery_passphrase_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct RefreshArgs {
    /// The account.
    pub(crate) account: AccountId,
    /// A recovery file of the account, to deal where a node is away or banned.
    #[arg(long, value_name = "FILE")]
    pub(crate) recovery: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) epoch: EpochArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ReshareArgs {
    /// The account.
    pub(crate) account: AccountId,
    /// How many parties sign together from then on; otherwise as many as before.
    #[arg(long)]
    pub(crate) threshold: Option<u8>,
    /// A party that comes in, and who controls it; `recovery…` are yours, others are nodes.
    #[arg(long, value_name = "ENTITY:PARTY")]
    pub(crate) party: Vec<String>,
    /// A party that is left out.
    #[arg(long, value_name = "PARTY")]
    pub(crate) without: Vec<PartyName>,
    /// A recovery file of the account, to deal where a node is away or banned.
    #[arg(long, value_name = "FILE")]
    pub(crate) recovery: Vec<PathBuf>,
    /// Have the parties give up the resharing that runs.
    #[arg(long, conflicts_with_all = ["threshold", "party", "without", "recovery"])]
    pub(crate) cancel: bool,
    #[command(flatten)]
    pub(crate) epoch: EpochArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RecoverArgs {
    /// A recovery file of the account, in its present epoch.
    #[arg(long, value_name = "FILE", required_unless_present = "guardians")]
    pub(crate) recovery: Vec<PathBuf>,
    /// The account, to be recovered by its guardians. Run the command again after each step.
    #[arg(long, value_name = "ACCOUNT")]
    pub(crate) guardians: Option<AccountId>,
    /// Why, in a few words for the guardians.
    #[arg(long, value_name = "TEXT", requires = "guardians")]
    pub(crate) reason: Option<String>,
    /// What a guardian sent: a confirmation, later a piece.
    #[arg(long, value_name = "FILE", requires = "guardians")]
    pub(crate) with: Vec<PathBuf>,
    /// Where the request goes, for the guardians; otherwise `ACCOUNT.request.json`.
    #[arg(long, value_name = "FILE", requires = "guardians")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) epoch: EpochArgs,
}
