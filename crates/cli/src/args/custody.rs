//! The command line of `cohold custody`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use cohold_model::AccountId;

use super::ChangeCommand;

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
    /// Compare two models or certificates of an account: who gains, who loses, whether the red line is crossed.
    #[command(after_help = "Exit codes: 0 equal or safer, 1 crosses the red line or incomparable (so not \
            without the user), or failed.\n\n\
            Examples:\n  cohold custody diff old.json new.json\n  cohold custody diff yesterday.cert.json \
            today.cert.json\n  \
            cohold custody show acc_… --json | jq .model | cohold custody diff old.json - --json")]
    Diff {
        /// The model file or certificate before; `-` reads standard input.
        old: PathBuf,
        /// The model file or certificate after; `-` reads standard input.
        new: PathBuf,
    },
    /// Other rules for an account at one of its nodes: what crosses the red line waits for the user.
    #[command(subcommand)]
    Change(ChangeCommand),
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
    pub(super) fn uses_accounts(&self) -> bool {
        match self {
            Self::Show { .. } | Self::Certificate { .. } | Self::Change(_) => true,
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
