//! The command line: nouns, verbs, examples.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use cohold_model::{AccountId, RequestId};

/// Keys that nobody holds alone, and the proof of who can move what.
#[derive(Debug, Parser)]
#[command(name = "cohold", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = "Exit codes: 0 done, 1 refused or failed, 2 usage, 3 waiting for others; \
    `custody fleet` also 4: an account crossed the red line.\n\
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
    #[command(after_help = "Examples:\n  cohold doctor\n  cohold --home ./cohold-dev/device doctor --json")]
    Doctor,
    /// The whole story on a chain of its own: create, fund, send, leave the provider.
    #[command(after_help = "Examples:\n  cohold demo\n  cohold demo --json > story.json")]
    Demo(DemoArgs),
    /// Make and look at accounts.
    #[command(subcommand)]
    Account(AccountCommand),
    /// Print an account's address.
    #[command(after_help = "Example:\n  cohold address acc_…")]
    Address {
        /// The account.
        account: AccountId,
    },
    /// Print an account's balance.
    #[command(after_help = "Examples:\n  cohold balance acc_…\n  cohold balance acc_… --token TST")]
    Balance(BalanceArgs),
    /// Pay from an account.
    #[command(after_help = "Examples:\n  cohold send acc_… --to 0x… --amount 0.1\n  \
        cohold send acc_… --to 0x… --amount 25 --token TST --yes --wait final\n  \
        cohold send acc_… --to 0x… --amount 1 --recovery recovery.txt --rpc http://127.0.0.1:8545")]
    Send(SendArgs),
    /// Look at requests.
    #[command(subcommand)]
    Request(RequestCommand),
    /// Who can move, rule, recover and freeze.
    #[command(subcommand)]
    Custody(CustodyCommand),
    /// Test recovery files.
    #[command(subcommand)]
    Recovery(RecoveryCommand),
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
            Self::Address { .. } | Self::Balance(_) | Self::Send(_) | Self::Faucet(_) => true,
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
    /// List the accounts of this device.
    #[command(after_help = "Examples:\n  cohold account list\n  cohold account list --all")]
    List {
        /// Also those that are not in force, as their making was cut off.
        #[arg(long)]
        all: bool,
    },
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
    /// Which parties sign, by name; otherwise this device and whoever is connected.
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
pub(crate) enum CustodyCommand {
    /// Build the model of an account from its charter and its parties' signed word, and print the certificate.
    #[command(
        after_help = "Examples:\n  cohold custody show acc_…\n  cohold custody show acc_… --json > certificate.json"
    )]
    Show {
        /// The account.
        account: AccountId,
    },
    /// Ask the server for a certificate, verify it here, and print it: a file that anybody can check.
    #[command(
        after_help = "The file is printed only if it holds; the device remembers its place in the chain.\n\n\
        Examples:\n  cohold custody certificate acc_… > cert.json\n  \
        cohold custody certificate acc_… --list\n  cohold custody certificate acc_… --number 1 > first.json"
    )]
    Certificate {
        /// The account.
        account: AccountId,
        /// An earlier one, by its number.
        #[arg(long, value_name = "N", conflicts_with = "list")]
        number: Option<u64>,
        /// List those that were issued.
        #[arg(long)]
        list: bool,
    },
    /// Check a certificate with nothing but the file: signatures, times, chain; model and result are drawn again.
    #[command(after_help = "Exit codes: 0 it holds, 1 it does not, and each reason is a line.\n\n\
        Examples:\n  cohold custody verify cert.json\n  \
        cohold custody verify cert.json --previous old.json --issuer 33446880284e552f33446880284e552f\n  \
        cohold custody verify old.json --at issued --json")]
    Verify(VerifyArgs),
    /// Show whose certificates this device believes, or pin another key.
    #[command(after_help = "Examples:\n  cohold custody issuer\n  \
        cohold custody issuer 33446880284e552f33446880284e552f")]
    Issuer {
        /// The fingerprint to pin, as `cohold server` prints it.
        fingerprint: Option<String>,
    },
    /// Evaluate a model file.
    #[command(
        after_help = "Examples:\n  cohold custody evaluate model.json --json\n  cohold custody evaluate - < model.json"
    )]
    Evaluate {
        /// The model file; `-` reads standard input.
        file: PathBuf,
    },
    /// Compare two models of an account: who gains, who loses, whether the red line is crossed.
    #[command(after_help = "Exit codes: 0 equal or safer, 1 crosses the red line or incomparable (so not \
            without the user), or failed.\n\n\
            Examples:\n  cohold custody diff old.json new.json\n  \
            cohold custody show acc_… --json | jq .model | cohold custody diff old.json - --json")]
    Diff {
        /// The model file before; `-` reads standard input.
        old: PathBuf,
        /// The model file after; `-` reads standard input.
        new: PathBuf,
    },
    /// Say whether somebody has a power, with the proof, or with what is missing.
    #[command(after_help = "Examples:\n  cohold custody explain acc_… --power move --by provider\n  \
            cohold custody explain --model model.json --power 'move[pay]' --by phone --by pin --json\n  \
            cohold custody explain --model model.json --power freeze --by acme")]
    Explain {
        #[command(flatten)]
        of: ModelArgs,
        /// `move`, `move[LIMIT]`, `rule`, `recover`, `freeze`, or a power of the model's own.
        #[arg(long)]
        power: String,
        /// Who: a party, object or doubt; or an entity or a role, for all its parties and objects.
        #[arg(long, required = true, value_name = "NAME")]
        by: Vec<String>,
    },
    /// Say what somebody with stolen things can move, to whom, how soon, and who can stop it and how.
    #[command(after_help = "Examples:\n  cohold custody what-if acc_… --stolen phone --stolen pin\n  \
            cohold custody what-if --model model.json --stolen acme --json")]
    WhatIf {
        #[command(flatten)]
        of: ModelArgs,
        /// What is stolen: a party, object or doubt; or an entity or a role, for all it has.
        #[arg(long, required = true, value_name = "NAME")]
        stolen: Vec<String>,
    },
    /// Say what regimes of several countries ask about control, computed for each outsider; no legal advice.
    #[command(after_help = "Criteria and sources: docs/regimes.md\n\n\
            Examples:\n  cohold custody regimes acc_…\n  cohold custody regimes model.json --json")]
    Regimes {
        #[command(flatten)]
        of: SubjectArgs,
    },
    /// Evaluate all accounts of a server, or many model files: by class, and what changed since the last run.
    #[command(
        after_help = "Exit codes: 0 nothing crossed the red line, 1 something could not be evaluated, 2 usage, \
            4 an account crossed the red line or has a forbidden class.\n\
            An account that crossed is told again by every run until one has `--accept`.\n\n\
            Examples:\n  cohold custody fleet --config server.toml\n  \
            cohold custody fleet --models models/ --since yesterday.jsonl --json\n  \
            cohold custody fleet --models fleet.jsonl --forbid custodial --forbid collusive"
    )]
    Fleet(FleetArgs),
    /// Draw who can do what: an SVG of parties, objects and doubts by powers.
    #[command(after_help = "Examples:\n  cohold custody draw acc_… > account.svg\n  \
            cohold custody draw model.json --out account.svg")]
    Draw {
        #[command(flatten)]
        of: SubjectArgs,
        /// Write the drawing here instead of standard output.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Build the counter-example and run it, on a local chain, with what a coalition's places really hold.
    #[command(
        after_help = "The coalition gets a folder of its own with exactly what lies at its places; a separate \
            process attacks with that folder and nothing else, and the chain is asked what came of it. It takes \
            the account's play money. Attempts that fail are tests, not proofs.\n\n\
            Exit codes: 0 it went as the model says, 1 it contradicts the model, or failed.\n\n\
            Examples:\n  cohold custody attack acc_… --dev cohold-dev --coalition device,pin,cosigner-disk\n  \
            cohold custody attack acc_… --dev cohold-dev --coalition device,pin --rpc http://127.0.0.1:8545 --json\n  \
            cohold custody attack acc_… --dev cohold-dev --all"
    )]
    Attack(AttackArgs),
}

impl CustodyCommand {
    fn uses_accounts(&self) -> bool {
        match self {
            Self::Show { .. } | Self::Certificate { .. } => true,
            // An attack names its device's folder in its own way.
            Self::Evaluate { .. } | Self::Diff { .. } | Self::Fleet(_) | Self::Attack(_) => false,
            Self::Verify(_) | Self::Issuer { .. } => false,
            Self::Explain { of, .. } | Self::WhatIf { of, .. } => of.account.is_some(),
            Self::Regimes { of } | Self::Draw { of, .. } => of.model_args().account.is_some(),
        }
    }
}

#[derive(Debug, Clone, Args)]
pub(crate) struct FleetArgs {
    /// The server's settings; its database is read, never written.
    #[arg(long, value_name = "FILE", default_value = "server.toml", conflicts_with = "models")]
    pub(crate) config: PathBuf,
    /// Model files instead: a folder of `*.json`, or a file with one model a line (`-` reads standard input).
    #[arg(long, value_name = "DIR|FILE")]
    pub(crate) models: Option<PathBuf>,
    /// Compare with this run, and leave it as it is.
    #[arg(long, value_name = "FILE")]
    pub(crate) since: Option<PathBuf>,
    /// Where a run is kept for the next one; beside the server's database if nothing is said.
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    /// Take accounts that crossed the red line as they are now, for the next run.
    #[arg(long)]
    pub(crate) accept: bool,
    /// Fail if any account is of this class.
    #[arg(long, value_enum, value_name = "CLASS")]
    pub(crate) forbid: Vec<ClassArg>,
    /// How many threads evaluate; as many as there are cores if nothing is said.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) threads: Option<u16>,
}

/// A class of custody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ClassArg {
    Custodial,
    RestrictedCustody,
    Collusive,
    Hostage,
    SemiCustodial,
    NonCustodial,
    MpcSelfCustody,
}

/// Of an account, or of a model file, told apart by `acc_`.
#[derive(Debug, Args)]
pub(crate) struct SubjectArgs {
    /// The account, or a model file; `-` reads standard input.
    #[arg(value_name = "ACCOUNT|FILE", required_unless_present = "model", conflicts_with = "model")]
    subject: Option<Subject>,
    /// A model file, whatever its name.
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
}

impl SubjectArgs {
    /// The same as two questions.
    pub(crate) fn model_args(&self) -> ModelArgs {
        match &self.subject {
            Some(Subject::Account(account)) => ModelArgs { account: Some(*account), model: None },
            Some(Subject::File(path)) => ModelArgs { account: None, model: Some(path.clone()) },
            None => ModelArgs { account: None, model: self.model.clone() },
        }
    }
}

#[derive(Debug, Clone)]
enum Subject {
    Account(AccountId),
    File(PathBuf),
}

impl std::str::FromStr for Subject {
    type Err = <AccountId as std::str::FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with("acc_") { text.parse().map(Self::Account) } else { Ok(Self::File(text.into())) }
    }
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The certificate; `-` reads standard input.
    pub(crate) file: PathBuf,
    /// The certificate before it, which it must follow.
    #[arg(long, value_name = "FILE")]
    pub(crate) previous: Option<PathBuf>,
    /// Who must have issued it: the key, or its fingerprint.
    #[arg(long, value_name = "KEY", value_parser = issuer_arg)]
    pub(crate) issuer: Option<String>,
    /// The moment of reading in seconds since 1970, or `issued`; otherwise now.
    #[arg(long, value_name = "TIME", value_parser = at_arg)]
    pub(crate) at: Option<AtArg>,
}

/// As of when a certificate is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AtArg {
    /// As of when it was issued.
    Issued,
    /// Seconds since 1970.
    Time(u64),
}

fn at_arg(text: &str) -> Result<AtArg, String> {
    match text {
        "issued" => Ok(AtArg::Issued),
        number => number.parse().map(AtArg::Time).map_err(|_| "write seconds since 1970, or `issued`".into()),
    }
}

fn issuer_arg(text: &str) -> Result<String, String> {
    let hexadecimal = text.bytes().all(|b| b.is_ascii_hexdigit());
    match text.len() {
        32 | 64 if hexadecimal => Ok(text.to_ascii_lowercase()),
        _ => Err("write a fingerprint of 32 hexadecimal digits, or a key of 64".into()),
    }
}

#[derive(Debug, Args)]
pub(crate) struct AttackArgs {
    /// The account.
    pub(crate) account: AccountId,
    /// Who attacks, separated by commas: parties, objects or doubts; an entity or a role for all it has.
    #[arg(long, value_delimiter = ',', value_name = "NAMES", required_unless_present = "all")]
    pub(crate) coalition: Vec<String>,
    /// Every minimal coalition that can, and every maximal one that cannot move.
    #[arg(long, conflicts_with = "coalition")]
    pub(crate) all: bool,
    /// The folder of `cohold dev`: it says where everything lies.
    #[arg(long, value_name = "DIR")]
    pub(crate) dev: PathBuf,
    /// The local chain's endpoint; otherwise that of the set-up.
    #[arg(long, value_name = "URL")]
    pub(crate) rpc: Option<String>,
    /// A file that says where atoms lie that lie elsewhere: `[places]`, then `ATOM = "PATH"`.
    #[arg(long, value_name = "FILE")]
    pub(crate) places: Option<PathBuf>,
    /// A file with the recovery passphrase; otherwise `COHOLD_RECOVERY_PASSPHRASE` or a prompt.
    #[arg(long, value_name = "FILE")]
    pub(crate) recovery_passphrase_file: Option<PathBuf>,
}

/// Of which model.
#[derive(Debug, Args)]
pub(crate) struct ModelArgs {
    /// The account.
    #[arg(required_unless_present = "model", conflicts_with = "model")]
    pub(crate) account: Option<AccountId>,
    /// A model file instead; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) model: Option<PathBuf>,
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
    /// Measure the fleet only.
    #[arg(long)]
    pub(crate) only_fleet: bool,
}
