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
