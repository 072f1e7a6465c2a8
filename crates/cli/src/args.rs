//! The command line: nouns, verbs, examples.

mod address;
mod change;
mod custody;
mod engine;
mod evidence;
mod exit;
mod guardians;
mod import;
mod reshare;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use cohold_model::{AccountId, KeyPath, RequestId};

pub(crate) use address::AddressArgs;
pub(crate) use change::ChangeCommand;
pub(crate) use custody::{AtArg, AttackArgs, ClassArg, CustodyCommand, FleetArgs, ModelArgs, VerifyArgs};
pub(crate) use engine::{EngineCommand, EngineSetArgs};
pub(crate) use evidence::{EvidenceCommand, OfNode};
pub(crate) use exit::{ExitCommand, ExitSignArgs, ExportArgs, KeyFormat, SharesArgs};
pub(crate) use guardians::{GuardedArgs, GuardianCommand, GuardiansCommand, SetArgs};
pub(crate) use import::{
    BringArgs, DealArgs, ImportCommand, InspectArgs, KeyArgs, MnemonicArgs, NodeCommand, ProposeArgs,
};
pub(crate) use reshare::{EpochArgs, RecoverArgs, RefreshArgs, ReshareArgs};

/// Keys that nobody holds alone, and the proof of who can move what.
#[derive(Debug, Parser)]
#[command(name = "cohold", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = "Exit codes: 0 done, 1 refused or failed, 2 usage, 3 waiting for others; \
    `custody fleet` also 4: an account crossed the red line; `evidence check` also 5: accused, not convicted.\n\
    Start with `cohold demo`, then `cohold dev --chain`.")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Print one JSON value on standard output; progress and errors go to standard error.
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub(crate) json: bool,
    /// The device's folder: its share, its rules, its settings.
    #[arg(long, global = true, help_heading = "Everywhere", value_name = "DIR", env = "COHOLD_HOME")]
    pub(crate) home: Option<PathBuf>,
    /// The coordinator's URL; otherwise from the device's `config.toml`.
    #[arg(long, global = true, help_heading = "Everywhere", value_name = "URL", env = "COHOLD_SERVER")]
    pub(crate) server: Option<String>,
    /// A file with the PIN; otherwise `COHOLD_PIN` or a prompt.
    #[arg(long, global = true, help_heading = "Everywhere", value_name = "FILE")]
    pub(crate) pin_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a server and two nodes on loopback, each with a folder of its own.
    #[command(after_help = "Examples:\n  cohold dev --chain\n  cohold dev --dir ./cohold-dev --chain")]
    Dev(DevArgs),
    /// Say what is missing on this machine and how to get it.
    #[command(
        after_help = "Examples:\n  cohold doctor\n  cohold --home ./cohold-dev/device doctor --json\n  \
        cohold doctor --node node.toml"
    )]
    Doctor {
        /// A node's settings: look at its vault too, without opening it.
        #[arg(long, value_name = "FILE")]
        node: Option<PathBuf>,
    },
    /// The whole story on a chain of its own: create, fund, send, leave the provider.
    #[command(after_help = "Examples:\n  cohold demo\n  cohold demo --json > story.json")]
    Demo(DemoArgs),
    /// Make and look at accounts.
    #[command(subcommand)]
    Account(AccountCommand),
    /// Print an account's address, or those below it.
    #[command(after_help = "Examples:\n  cohold address acc_…\n  cohold address acc_… --path m/0/5\n  \
        cohold address acc_… --path m/0/0 --count 20 --json")]
    Address(AddressArgs),
    /// Print an account's balance.
    #[command(after_help = "Examples:\n  cohold balance acc_…\n  cohold balance acc_… --token TST\n  \
        cohold balance acc_… --path m/0/5")]
    Balance(BalanceArgs),
    /// Pay from an account.
    #[command(after_help = "Examples:\n  cohold send acc_… --to 0x… --amount 0.1\n  \
        cohold send acc_… --to 0x… --amount 25 --token TST --yes --wait final\n  \
        cohold send acc_… --from-path m/0/5 --to 0x… --amount 0.1\n  \
        cohold send acc_… --to 0x… --amount 1 --recovery recovery.txt --rpc http://127.0.0.1:8545")]
    Send(SendArgs),
    /// Look at requests.
    #[command(subcommand)]
    Request(RequestCommand),
    /// Who can move, rule, recover and freeze.
    #[command(subcommand)]
    Custody(CustodyCommand),
    /// Parties that cheated: who found it, and what a stranger can make of it.
    #[command(subcommand)]
    Evidence(EvidenceCommand),
    /// Test recovery files.
    #[command(subcommand)]
    Recovery(RecoveryCommand),
    /// Guard a piece of somebody else's recovery share.
    #[command(subcommand)]
    Guardian(GuardianCommand),
    /// The way out with your own shares and no network: rehearse, sign, export the key.
    #[command(subcommand)]
    Exit(ExitCommand),
    /// The parties that the server knows, and which of them this device trusts.
    #[command(subcommand)]
    Party(PartyCommand),
    /// Give an account play money on a local chain.
    #[command(
        after_help = "Examples:\n  cohold faucet acc_… --amount 10\n  cohold faucet acc_… --amount 100 --token TST"
    )]
    Faucet(FaucetArgs),
    /// Run the coordinator.
    #[command(after_help = "Example:\n  cohold server --config server.toml")]
    Server(ServerArgs),
    /// Run a party: co-signer or guardian.
    #[command(after_help = "Example:\n  cohold node --config node.toml")]
    Node(NodeArgs),
    /// Measure against the raw crates in the same run.
    #[command(
        after_help = "Examples:\n  cargo xtask bench\n  cohold bench --seconds 10 --json > figures.json"
    )]
    Bench(BenchArgs),
    /// Attack with what lies in a folder, and nothing else.
    #[command(hide = true)]
    Attacker {
        /// The folder.
        folder: PathBuf,
    },
    /// Run a program that ends with its parent.
    #[command(hide = true)]
    Child {
        /// The program.
        program: PathBuf,
        /// Its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<std::ffi::OsString>,
    },
    /// Print shell completions.
    #[command(after_help = "Example:\n  cohold completions bash > /etc/bash_completion.d/cohold")]
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

impl Command {
    /// Whether it looks at accounts that this device has.
    pub(crate) fn uses_accounts(&self) -> bool {
        match self {
            Self::Account(command) => !matches!(command, AccountCommand::Create(_)),
            Self::Custody(command) => command.uses_accounts(),
            Self::Address(_) | Self::Balance(_) | Self::Send(_) | Self::Faucet(_) => true,
            _ => false,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct DevArgs {
    /// Where everything is kept; a second start finds it as it was.
    #[arg(long, value_name = "DIR", default_value = "cohold-dev")]
    pub(crate) dir: PathBuf,
    /// Also start a local chain (anvil).
    #[arg(long)]
    pub(crate) chain: bool,
    /// The server's port; 0 takes a free one.
    #[arg(long, default_value_t = 7645)]
    pub(crate) port: u16,
    /// The chain's port; 0 takes a free one.
    #[arg(long, default_value_t = 8545)]
    pub(crate) chain_port: u16,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Keep the folder instead of removing it.
    #[arg(long)]
    pub(crate) keep: bool,
    /// Also attack an account of each template, with every coalition that can and every one that cannot.
    #[arg(long)]
    pub(crate) attack: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Make an account: a key that never exists in one place.
    #[command(after_help = "Examples:\n  cohold account create\n  \
        cohold account create --template enterprise\n  \
        cohold account create --threshold 2 --party me:device --party me:recovery --party me:recovery-2 --party acme:cosigner")]
    Create(CreateArgs),
    /// Make an account of a key that was made elsewhere, at the same address.
    #[command(subcommand)]
    Import(ImportCommand),
    /// List the accounts of this device.
    #[command(after_help = "Examples:\n  cohold account list\n  cohold account list --all")]
    List {
        /// Also those that are not in force, as their making was cut off.
        #[arg(long)]
        all: bool,
    },
    /// Give the same parties other shares of the key: a copy of an old share is worth nothing then.
    #[command(after_help = "The address stays. Payments go on meanwhile, in the epoch before.\n\n\
        Exit codes: 0 in the next epoch, 1 refused, 2 usage, 3 parties are away.\n\n\
        Examples:\n  cohold account refresh acc_…\n  cohold account refresh acc_… --yes --json")]
    Refresh(RefreshArgs),
    /// Give the key to other parties, at another threshold or without one of them.
    #[command(after_help = "The address stays. Who is left out keeps nothing of worth.\n\n\
        Exit codes: 0 in the next epoch, 1 refused, 2 usage, 3 parties are away.\n\n\
        Examples:\n  cohold account reshare acc_… --without cosigner --party beta:cosigner-b\n  \
        cohold account reshare acc_… --threshold 3 --party me:recovery-2\n  \
        cohold account reshare acc_… --cancel")]
    Reshare(ReshareArgs),
    /// Get an account back on a new device: with a recovery file or guardians, and the nodes.
    #[command(
        after_help = "Run it in a new --home that knows the server (`config.toml`, `rules.toml`) and has pinned the nodes.\n\n\
        Exit codes: 0 in the next epoch, 1 refused, 2 usage, 3 parties are away.\n\n\
        Examples:\n  cohold --home ./new-phone account recover --recovery recovery.txt\n  \
        cohold --home ./new-phone account recover --guardians acc_… --reason \"my phone was stolen\"\n  \
        cohold --home ./new-phone account recover --guardians acc_… --with bo.confirmation.json --with cy.confirmation.json\n  \
        cohold --home ./new-phone account recover --guardians acc_… --with bo.piece.json --with cy.piece.json"
    )]
    Recover(RecoverArgs),
    /// By which protocol an account's parties sign.
    #[command(subcommand)]
    Engine(EngineCommand),
    /// Who holds the recovery share together: people of whom so many bring the account back.
    #[command(subcommand)]
    Guardians(GuardiansCommand),
    /// Show an account: its charter in words.
    #[command(after_help = "Example:\n  cohold account show acc_…")]
    Show {
        /// The account.
        account: AccountId,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TemplateArg {
    /// 2-of-3: your device, your recovery file, the provider's co-signer.
    Personal,
    /// 2-of-3: your device, a co-signer node, a guardian node, all of one enterprise.
    Enterprise,
    /// 2-of-2: your device and the provider's co-signer.
    Shared,
}

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// The shape of the account.
    #[arg(long, value_enum, conflicts_with_all = ["threshold", "party"])]
    pub(crate) template: Option<TemplateArg>,
    /// How many parties sign together (with `--party`).
    #[arg(long, requires = "party")]
    pub(crate) threshold: Option<u8>,
    /// A party and who controls it; `device` and `recovery…` are yours, others are nodes.
    #[arg(long, value_name = "ENTITY:PARTY", requires = "threshold")]
    pub(crate) party: Vec<String>,
    /// Where recovery files are written; otherwise into the device's folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) recovery_dir: Option<PathBuf>,
    /// A file with the recovery passphrase; otherwise `COHOLD_RECOVERY_PASSPHRASE` or a prompt.
    #[arg(long, value_name = "FILE")]
    pub(crate) recovery_passphrase_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) guarded: GuardedArgs,
}

#[derive(Debug, Args)]
pub(crate) struct BalanceArgs {
    /// The account.
    pub(crate) account: AccountId,
    /// A token, by symbol (from your rules file) or address.
    #[arg(long)]
    pub(crate) token: Option<String>,
    /// EIP-155 chain id; not needed where the server knows one chain only.
    #[arg(long, value_name = "ID")]
    pub(crate) chain: Option<u64>,
    /// Of which address of the account: a path, as of `cohold address --path`.
    #[arg(long, default_value_t = KeyPath::ROOT)]
    pub(crate) path: KeyPath,
}

#[derive(Debug, Args)]
pub(crate) struct FaucetArgs {
    /// The account.
    pub(crate) account: AccountId,
    /// How much, with decimals.
    #[arg(long, default_value = "10", allow_negative_numbers = true)]
    pub(crate) amount: String,
    /// A token, by symbol (from your rules file) or address; otherwise the chain's coin.
    #[arg(long)]
    pub(crate) token: Option<String>,
    /// The local chain's endpoint.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8545")]
    pub(crate) rpc: String,
    /// To which address of the account: a path, as of `cohold address --path`.
    #[arg(long, default_value_t = KeyPath::ROOT)]
    pub(crate) path: KeyPath,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum WaitArg {
    /// Until it is handed to the chain.
    Submitted,
    /// Until it is in a block.
    Mined,
    /// Until it cannot be undone.
    Final,
}

#[derive(Debug, Args)]
pub(crate) struct SendArgs {
    /// The account that pays.
    pub(crate) account: AccountId,
    /// The receiver (EIP-55 checksum form).
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) to: String,
    /// How much, with decimals: `0.1`.
    #[arg(long, allow_negative_numbers = true)]
    pub(crate) amount: String,
    /// A token, by symbol (from your rules file) or address; otherwise the chain's coin.
    #[arg(long)]
    pub(crate) token: Option<String>,
    /// EIP-155 chain id; not needed where the server knows one chain only.
    #[arg(long, value_name = "ID")]
    pub(crate) chain: Option<u64>,
    /// Do not ask.
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// The payment's own id, printed by an earlier try or chosen by you: whatever happens, one id pays once.
    #[arg(long, value_name = "REQUEST", conflicts_with = "recovery")]
    pub(crate) request: Option<RequestId>,
    /// Which parties sign, by name, with this device where they are too few; otherwise this device and whoever
    /// is connected.
    #[arg(long, value_name = "PARTY", value_delimiter = ',')]
    pub(crate) with: Vec<cohold_model::PartyName>,
    /// How long to wait.
    #[arg(long, value_enum, default_value_t = WaitArg::Mined)]
    pub(crate) wait: WaitArg,
    /// Leave the provider out: sign with this device and a recovery file alone.
    #[arg(long, value_name = "FILE", requires = "rpc")]
    pub(crate) recovery: Vec<PathBuf>,
    /// A file with the recovery passphrase; otherwise `COHOLD_RECOVERY_PASSPHRASE` or a prompt.
    #[arg(long, value_name = "FILE")]
    pub(crate) recovery_passphrase_file: Option<PathBuf>,
    /// The chain's endpoint, with `--recovery`.
    #[arg(long, value_name = "URL", requires = "recovery")]
    pub(crate) rpc: Option<String>,
    /// From which address of the account: a path, as of `cohold address --path`.
    #[arg(long, value_name = "PATH", default_value_t = KeyPath::ROOT)]
    pub(crate) from_path: KeyPath,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RequestCommand {
    /// List requests, newest first.
    #[command(after_help = "Examples:\n  cohold request list\n  cohold request list --account acc_…")]
    List {
        /// Of this account only.
        #[arg(long)]
        account: Option<AccountId>,
    },
    /// Show a request: what it does, who approved, how far it is.
    #[command(after_help = "Example:\n  cohold request show req_…")]
    Show {
        /// The request.
        request: RequestId,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum RecoveryCommand {
    /// Check a recovery file: its checksum, and with the passphrase what it holds.
    #[command(
        after_help = "Examples:\n  cohold recovery check recovery.txt\n  cohold recovery check recovery.txt --checksum-only"
    )]
    Check {
        /// The recovery file.
        file: PathBuf,
        /// Do not ask for the passphrase: check the printed form only.
        #[arg(long)]
        checksum_only: bool,
        /// A file with the recovery passphrase; otherwise `COHOLD_RECOVERY_PASSPHRASE` or a prompt.
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum PartyCommand {
    /// List the parties that the server knows.
    #[command(after_help = "Example:\n  cohold party list")]
    List,
    /// Trust a party by the fingerprint that its operator gave you.
    #[command(after_help = "Example:\n  cohold party pin cosigner 0123456789abcdef0123456789abcdef")]
    Pin {
        /// The party's name.
        party: cohold_model::PartyName,
        /// Thirty-two hexadecimal digits, printed by `cohold node` at its start.
        fingerprint: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ServerArgs {
    /// The server's settings.
    #[arg(long, value_name = "FILE", default_value = "server.toml")]
    pub(crate) config: PathBuf,
    /// Make an API token, print it once, and stop.
    #[arg(long)]
    pub(crate) create_token: bool,
}

#[derive(Debug, Args)]
pub(crate) struct NodeArgs {
    /// The node's settings.
    #[arg(long, value_name = "FILE", default_value = "node.toml")]
    pub(crate) config: PathBuf,
    #[command(subcommand)]
    pub(crate) command: Option<NodeCommand>,
}

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// Seconds for each throughput figure.
    #[arg(long, default_value_t = 5)]
    pub(crate) seconds: u64,
    /// Payments one after the other for each latency figure.
    #[arg(long, default_value_t = 200)]
    pub(crate) payments: usize,
    /// Payments side by side for the throughput figure.
    #[arg(long, default_value_t = 16)]
    pub(crate) width: usize,
    /// Accounts in the co-signer's database for the figure of a full one.
    #[arg(long, default_value_t = 100_000)]
    pub(crate) accounts: u32,
    /// Accounts of a fleet whose custody is evaluated.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=131_072))]
    pub(crate) fleet: u32,
    /// Draws who signs and who deals among the parties of keys of each size.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Measure the fleet only.
    #[arg(long)]
    pub(crate) only_fleet: bool,
    /// Measure keys of each size only, 2-of-2 to 5-of-9.
    #[arg(long, conflicts_with = "only_fleet")]
    pub(crate) only_sizes: bool,
}
