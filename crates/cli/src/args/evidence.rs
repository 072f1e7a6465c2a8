//! The command line of bans and their evidence.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use cohold_model::AccountId;

#[derive(Debug, Subcommand)]
pub(crate) enum EvidenceCommand {
    /// Look into a case from a file: no device, no server, no network.
    #[command(
        after_help = "The verdict is `convicted` where the offender signed what shows that it cheated, \
        `accused` where there is the finder's word alone, `invalid` where the file shows nothing.\n\n\
        Exit codes: 0 convicted, 1 invalid, 2 usage, 5 accused.\n\n\
        Examples:\n  cohold evidence check case.json\n  cohold evidence check case.json --json | jq .verdict"
    )]
    Check {
        /// The case, `-` for standard input.
        file: PathBuf,
    },
    /// List what this device, or a node, found against other parties, and what those found.
    #[command(after_help = "Examples:\n  cohold evidence list\n  cohold evidence list acc_… --json\n  \
        cohold evidence list --node node.toml")]
    List {
        /// Of this account only.
        account: Option<AccountId>,
        #[command(flatten)]
        of: OfNode,
    },
    /// Write a case to a file, for anybody to look into.
    #[command(after_help = "Examples:\n  cohold evidence export 3f9a01c2 --out case.json\n  \
        cohold evidence export 3f9a01c2 --node node.toml --out case.json")]
    Export {
        /// The case as `evidence list` shows it, or the beginning of it: eight digits or more.
        case: String,
        /// Where to; otherwise to standard output.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[command(flatten)]
        of: OfNode,
    },
}

#[derive(Debug, Args)]
pub(crate) struct OfNode {
    /// A node's settings: its cases instead of this device's. The node may go on running.
    #[arg(long, value_name = "FILE")]
    pub(crate) node: Option<PathBuf>,
}
