//! The words of `cohold account engine`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use cohold_model::{AccountId, Engine};

#[derive(Debug, Subcommand)]
pub(crate) enum EngineCommand {
    /// Have the same shares sign by another protocol: nothing moves, the address stays.
    #[command(
        after_help = "`dkls23` is what an account begins with. `cggmp24` is an alpha, not constant-time and a \
        hundred times slower; it is the way out if the other falls. Every party signs the new charter, so recovery \
        files are asked for; nothing is written into them, and they leave by themselves as before.\n\
        Nodes take part in cggmp24 only where node.toml has a table `[cggmp24]`. Payments go on by the old engine \
        until all have what the new one needs, which for cggmp24 takes minutes: each party makes four primes.\n\n\
        Exit codes: 0 in force, 1 refused, 2 usage, 3 parties are away.\n\n\
        Examples:\n  cohold account engine set acc_… cggmp24 --recovery recovery.txt\n  \
        cohold account engine set acc_… dkls23 --recovery recovery.txt --yes --json"
    )]
    Set(EngineSetArgs),
}

#[derive(Debug, Args)]
pub(crate) struct EngineSetArgs {
    /// The account.
    pub(crate) account: AccountId,
    /// `dkls23` or `cggmp24`.
    pub(crate) engine: Engine,
    /// Each recovery file of the account, to sign the charter.
    #[arg(long, value_name = "FILE")]
    pub(crate) recovery: Vec<PathBuf>,
    /// A file with the passphrase of the recovery files; otherwise `COHOLD_RECOVERY_PASSPHRASE` or a prompt.
    #[arg(long, value_name = "FILE")]
    pub(crate) recovery_passphrase_file: Option<PathBuf>,
    /// Do not ask.
    #[arg(long, short)]
    pub(crate) yes: bool,
}
