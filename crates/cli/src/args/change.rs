//! The words of `cohold custody change`.

use std::path::PathBuf;

use clap::Subcommand;
use cohold_model::{AccountId, ChangeId, PartyName};

#[derive(Debug, Subcommand)]
pub(crate) enum ChangeCommand {
    /// Ask a node to run other rules for an account. It takes at once what is equal or safer.
    #[command(
        after_help = "Exit codes: 0 in force, 3 it waits for the user (the sentences are printed), 1 refused.\n\n\
            Example:\n  cohold custody change propose acc_… --party cosigner --rules rules.toml"
    )]
    Propose {
        /// The account.
        account: AccountId,
        /// The node.
        #[arg(long)]
        party: PartyName,
        /// The rules file; `-` reads standard input.
        #[arg(long, value_name = "FILE")]
        rules: PathBuf,
    },
    /// List the changes that wait at an account's nodes, each with its sentences.
    #[command(after_help = "Examples:\n  cohold custody change list acc_…\n  \
            cohold custody change list acc_… --json")]
    List {
        /// The account.
        account: AccountId,
    },
    /// Consent to a change: this device computes the sentences itself, shows them, and signs them.
    #[command(after_help = "Exit codes: 0 in force, 1 refused or not confirmed.\n\n\
            Examples:\n  cohold custody change accept acc_… chg_…\n  \
            cohold custody change accept acc_… chg_… --yes --json")]
    Accept {
        /// The account.
        account: AccountId,
        /// The change, as `cohold custody change list` names it.
        change: ChangeId,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
    /// Object to what another party of the account has asked its nodes to join in, while they wait.
    #[command(after_help = "Exit codes: 0 no node joins in it, 1 refused, or nobody has asked.\n\n\
            Examples:\n  cohold custody change veto acc_…\n  \
            cohold custody change veto acc_… --recovery recovery.txt")]
    Veto {
        /// The account.
        account: AccountId,
        /// Object with a recovery file, where the device was stolen.
        #[arg(long, value_name = "FILE")]
        recovery: Option<PathBuf>,
        /// A file with the recovery passphrase; otherwise `COHOLD_RECOVERY_PASSPHRASE` or a prompt.
        #[arg(long, value_name = "FILE", requires = "recovery")]
        recovery_passphrase_file: Option<PathBuf>,
    },
    /// Have a node forget a change that waits.
    #[command(after_help = "Example:\n  cohold custody change reject acc_… chg_…")]
    Reject {
        /// The account.
        account: AccountId,
        /// The change, as `cohold custody change list` names it.
        change: ChangeId,
    },
}
