//! The exit kit's command line.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use cohold_model::{AccountId, KeyPath};

#[derive(Debug, Subcommand)]
pub(crate) enum ExitCommand {
    /// Rehearse the way out: open your shares, sign with them, and tell how long it took.
    #[command(after_help = "Examples:\n  cohold exit drill acc_… --recovery recovery.txt\n  \
        cohold exit drill --recovery one.txt --recovery two.txt")]
    Drill(SharesArgs),
    /// Sign a payment with no network at all; hand the bytes to any node of the chain.
    #[command(
        after_help = "Example:\n  cohold exit sign acc_… --recovery recovery.txt --chain 1 --nonce 7 \\\n    \
        --to 0x… --amount 0.5 --max-fee 30 --tip 1"
    )]
    Sign(ExitSignArgs),
    /// Put the private key together and write it to a file. This cannot be undone.
    #[command(after_help = "Examples:\n  cohold exit export acc_… --recovery recovery.txt --out key.txt\n  \
        cohold exit export acc_… --recovery recovery.txt --format wif --out key.txt --confirm 0x…")]
    Export(ExportArgs),
}

#[derive(Debug, Args)]
pub(crate) struct SharesArgs {
    /// The account; not needed where the recovery files are enough.
    pub(crate) account: Option<AccountId>,
    /// A recovery file of yours. This device's own share joins where the files are too few.
    #[arg(long, value_name = "FILE")]
    pub(crate) recovery: Vec<PathBuf>,
    /// A file with the recovery passphrase; otherwise `COHOLD_RECOVERY_PASSPHRASE` or a prompt.
    #[arg(long, value_name = "FILE")]
    pub(crate) recovery_passphrase_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ExitSignArgs {
    #[command(flatten)]
    pub(crate) shares: SharesArgs,
    /// The receiver (EIP-55 checksum form).
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) to: String,
    /// How much, with decimals: `0.1`.
    #[arg(long, allow_negative_numbers = true)]
    pub(crate) amount: String,
    /// A token's contract; otherwise the chain's coin.
    #[arg(long, value_name = "ADDRESS", requires = "decimals")]
    pub(crate) token: Option<String>,
    /// How many decimals that token has: a block explorer tells.
    #[arg(long, requires = "token")]
    pub(crate) decimals: Option<u8>,
    /// From which address of the account: a path, as of `cohold address --path`.
    #[arg(long, default_value_t = KeyPath::ROOT)]
    pub(crate) path: KeyPath,
    /// EIP-155 chain id.
    #[arg(long, value_name = "ID")]
    pub(crate) chain: u64,
    /// How many transactions that address has sent: a block explorer tells.
    #[arg(long)]
    pub(crate) nonce: u64,
    /// The most that a unit of gas may cost, tip included, in gwei.
    #[arg(long, value_name = "GWEI")]
    pub(crate) max_fee: String,
    /// What goes to the block's proposer per unit of gas, in gwei.
    #[arg(long, value_name = "GWEI", default_value = "1")]
    pub(crate) tip: String,
    /// The most gas; otherwise 21,000 for the coin and 100,000 for a token.
    #[arg(long)]
    pub(crate) gas_limit: Option<u64>,
    /// Do not ask.
    #[arg(long, short)]
    pub(crate) yes: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyFormat {
    /// `0x` and 64 hexadecimal digits: EVM wallets.
    Hex,
    /// Wallet import format, for a compressed key on Bitcoin's main network.
    Wif,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    pub(crate) shares: SharesArgs,
    /// The new file that the key is written to, readable by you only.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// How the key is written.
    #[arg(long, value_enum, default_value_t = KeyFormat::Hex)]
    pub(crate) format: KeyFormat,
    /// The account's address, typed, as the confirmation; otherwise a prompt.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) confirm: Option<String>,
}
