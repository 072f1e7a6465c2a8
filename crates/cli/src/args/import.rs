//! The words of `cohold account import`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use cohold_import::phrase::ETHEREUM_FIRST;

use super::CreateArgs;

#[derive(Debug, Subcommand)]
pub(crate) enum ImportCommand {
    /// The key at one path below a mnemonic (BIP-39, English).
    #[command(
        after_help = "The words come from a file, from standard input (`-`) or from a prompt; never from \
        the command line, which others on this machine can read.\n\n\
        Examples:\n  cohold account import mnemonic --address 0x…\n  \
        cohold account import mnemonic --mnemonic-file words.txt --path \"m/44'/60'/0'/0/1\" --template shared\n  \
        pass show wallet | cohold account import mnemonic --mnemonic-file - --yes --json"
    )]
    Mnemonic(MnemonicArgs),
    /// One key: 64 hexadecimal digits, or wallet import format.
    #[command(
        after_help = "The key comes from a file, from standard input (`-`) or from a prompt; never from \
        the command line, which others on this machine can read.\n\n\
        Examples:\n  cohold account import key --address 0x…\n  \
        cohold account import key --key-file key.txt --template enterprise"
    )]
    Key(KeyArgs),
    /// Look at one holder's file of a tss-lib share set (GG18, GG20): which key, which holder, which faults.
    #[command(after_help = "Nothing is stored or sent, and no device is needed.\n\n\
        Example:\n  cohold account import inspect --share-file keygen_data_0.json")]
    Inspect(InspectArgs),
    /// Write down who deals which share of a tss-lib share set to which parties. Nothing is dealt yet.
    #[command(
        after_help = "Each holder keeps its file on its own machine. Give the proposal to the operators, who answer \
        with `cohold node import`; then `cohold account import start`.\n\n\
        Example:\n  cohold account import propose --share-file keygen_data_0.json --template enterprise \\\n    \
        --holder cosigner=2 --holder guardian=3 --out import.json"
    )]
    Propose(ProposeArgs),
    /// Deal this device's share of a tss-lib share set, with the other holders, by a proposal.
    #[command(
        after_help = "Example:\n  cohold account import start --proposal import.json --share-file keygen_data_0.json"
    )]
    Start(DealArgs),
}

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// The holder's file, as tss-lib saved it.
    #[arg(long, value_name = "FILE")]
    pub(crate) share_file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ProposeArgs {
    /// This device's file, as tss-lib saved it.
    #[arg(long, value_name = "FILE")]
    pub(crate) share_file: PathBuf,
    /// Another party that deals, and the number of the holder whose file it has.
    #[arg(long, value_name = "PARTY=NUMBER")]
    pub(crate) holder: Vec<String>,
    /// Where the proposal is written.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// The address that the key must have; another one is refused.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) address: Option<String>,
    #[command(flatten)]
    pub(crate) create: CreateArgs,
}

/// What a holder of a share deals.
#[derive(Debug, Args)]
pub(crate) struct DealArgs {
    /// The proposal that `cohold account import propose` wrote, at the proposer's device.
    #[arg(long, value_name = "FILE")]
    pub(crate) proposal: PathBuf,
    /// This holder's file, as tss-lib saved it.
    #[arg(long, value_name = "FILE")]
    pub(crate) share_file: PathBuf,
    /// Do not ask.
    #[arg(long, short)]
    pub(crate) yes: bool,
}

/// What an operator does at a node.
#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// Give the node its share of a tss-lib share set, to be dealt once, for one proposal.
    #[command(
        after_help = "The node may go on running. Keep the share file until the account is in force.\n\n\
        Example:\n  cohold node --config node.toml import --proposal import.json --share-file keygen_data_1.json"
    )]
    Import(DealArgs),
}

/// What every import takes.
#[derive(Debug, Args)]
pub(crate) struct BringArgs {
    /// The address that the key must have; another one is refused.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) address: Option<String>,
    /// Do not ask.
    #[arg(long, short)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct MnemonicArgs {
    /// A file with the words, `-` for standard input; otherwise a prompt.
    #[arg(long, value_name = "FILE")]
    pub(crate) mnemonic_file: Option<PathBuf>,
    /// A file with the BIP-39 passphrase, where the mnemonic has one.
    #[arg(long, value_name = "FILE", conflicts_with = "ask_passphrase")]
    pub(crate) mnemonic_passphrase_file: Option<PathBuf>,
    /// Ask for the BIP-39 passphrase.
    #[arg(long)]
    pub(crate) ask_passphrase: bool,
    /// Which key below the mnemonic.
    #[arg(long, default_value = ETHEREUM_FIRST)]
    pub(crate) path: String,
    #[command(flatten)]
    pub(crate) bring: BringArgs,
    #[command(flatten)]
    pub(crate) create: CreateArgs,
}

#[derive(Debug, Args)]
pub(crate) struct KeyArgs {
    /// A file with the key, `-` for standard input; otherwise a prompt.
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) bring: BringArgs,
    #[command(flatten)]
    pub(crate) create: CreateArgs,
}
