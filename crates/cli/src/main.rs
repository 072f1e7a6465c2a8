//! The one binary: the device's command line, `dev` and `demo`, and the shells of server and node.

mod account;
mod address;
mod alone;
mod approve;
mod args;
mod attack;
mod balance;
mod bench;
mod chain;
mod change;
mod checked;
mod client;
mod custody;
mod demo;
mod dev;
mod doctor;
mod engine;
mod evidence;
mod exit;
mod guardian;
mod guardians;
mod home;
mod hostile;
mod import;
mod leave;
mod output;
mod own_accounts;
mod quorum;
mod recovery;
mod request;
mod reshare;
mod revive;
mod send;
mod services;
mod sleeper;
mod succession;
mod wish;

use std::process::ExitCode;

use args::{
    AccountCommand, Cli, Command, CustodyCommand, EngineCommand, PartyCommand, RecoveryCommand,
    RequestCommand,
};
use clap::{CommandFactory as _, Parser as _};
use home::Home;
use output::Output;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return Output::usage(&error),
    };
    let output = Output { json: cli.global.json };
    match run(cli, output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => output.error(&error),
    }
}

fn run(cli: Cli, output: Output) -> anyhow::Result<()> {
    if let Command::Child { program, arguments } = &cli.command {
        return chain::become_child(program, arguments);
    }
    if let Command::Completions { shell } = cli.command {
        clap_complete::generate(shell, &mut Cli::command(), "cohold", &mut std::io::stdout());
        return Ok(());
    }
    cohold_vault::harden_process()?;
    services::log(&cli.command);
    // A second call finds a provider installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(dispatch(cli, output))
}

async fn dispatch(cli: Cli, output: Output) -> anyhow::Result<()> {
    let home = || Home::locate(&cli.global);
    if cli.command.uses_accounts() {
        own_accounts::take_up(output, &home()?).await?;
        change::warn(output, &home()?).await;
    }
    match &cli.command {
        Command::Dev(args) => dev::run(output, &cli.global, args).await,
        Command::Doctor { node } => doctor::run(output, &home()?, node.as_deref()).await,
        Command::Demo(args) => demo::run(output, args).await,
        Command::Account(AccountCommand::Create(args)) => account::create(output, &home()?, args).await,
        Command::Account(AccountCommand::Import(command)) => import::run(output, &home()?, command).await,
        Command::Account(AccountCommand::List { all }) => own_accounts::list(output, &home()?, *all),
        Command::Account(AccountCommand::Refresh(args)) => reshare::refresh(output, &home()?, args).await,
        Command::Account(AccountCommand::Reshare(args)) => reshare::reshare(output, &home()?, args).await,
        Command::Account(AccountCommand::Recover(args)) => reshare::recover(output, &home()?, args).await,
        Command::Account(AccountCommand::Engine(EngineCommand::Set(args))) => {
            engine::set(output, &home()?, args).await
        }
        Command::Account(AccountCommand::Guardians(command)) => {
            guardians::run(output, &home()?, command).await
        }
        Command::Guardian(command) => guardian::run(output, &home()?, command),
        Command::Account(AccountCommand::Show { account }) => account::show(output, &home()?, *account),
        Command::Address(args) => address::show(output, &home()?, args),
        Command::Balance(args) => balance::balance(output, &home()?, args).await,
        Command::Send(args) => send::send(output, &home()?, args).await,
        Command::Request(RequestCommand::List { account }) => request::list(output, &home()?, *account).await,
        Command::Request(RequestCommand::Show { request }) => request::show(output, &home()?, *request).await,
        Command::Custody(CustodyCommand::Show { account }) => custody::show(output, &home()?, *account).await,
        Command::Custody(CustodyCommand::Certificate { account, number, list }) => match (number, list) {
            (Some(number), _) => custody::certificate::show(output, &home()?, *account, *number).await,
            (None, true) => custody::certificate::list(output, &home()?, *account).await,
            (None, false) => custody::certificate::issue(output, &home()?, *account).await,
        },
        Command::Custody(CustodyCommand::Verify(args)) => custody::verify::run(output, args),
        Command::Custody(CustodyCommand::Issuer { fingerprint }) => {
            custody::issuer::run(output, &home()?, fingerprint.as_deref()).await
        }
        Command::Custody(CustodyCommand::Evaluate { file }) => custody::evaluate_file(output, file),
        Command::Custody(CustodyCommand::Diff { old, new }) => custody::compare(output, old, new),
        Command::Custody(CustodyCommand::Explain { of, power, by }) => {
            custody::explain_power(output, &cli.global, of, power, by).await
        }
        Command::Custody(CustodyCommand::WhatIf { of, stolen }) => {
            custody::what_if_stolen(output, &cli.global, of, stolen).await
        }
        Command::Custody(CustodyCommand::Regimes { of }) => {
            custody::regimes_of(output, &cli.global, &of.model_args()).await
        }
        Command::Custody(CustodyCommand::Fleet(args)) => custody::fleet::run(output, args).await,
        Command::Custody(CustodyCommand::Draw { of, out }) => {
            custody::draw::run(output, &cli.global, &of.model_args(), out.as_deref()).await
        }
        Command::Custody(CustodyCommand::Attack(args)) => attack::run(output, &cli.global, args).await,
        Command::Attacker { folder } => attack::thief::run(output, folder).await,
        Command::Custody(CustodyCommand::Change(command)) => change::run(output, &home()?, command).await,
        Command::Recovery(RecoveryCommand::Check { file, checksum_only, passphrase_file }) => {
            recovery::check(output, home().ok().as_ref(), file, *checksum_only, passphrase_file.as_deref())
        }
        Command::Evidence(command) => evidence::run(output, home, command),
        Command::Exit(command) => exit::run(output, &home()?, command).await,
        Command::Party(PartyCommand::List) => services::party_list(output, &home()?).await,
        Command::Party(PartyCommand::Pin { party, fingerprint }) => {
            services::party_pin(output, &home()?, party, fingerprint)
        }
        Command::Faucet(args) => dev::faucet(output, &home()?, args).await,
        Command::Server(args) => services::server(output, args).await,
        Command::Node(args) => services::node(output, args).await,
        Command::Bench(args) => bench::run(output, args).await,
        Command::Child { .. } | Command::Completions { .. } => Ok(()),
    }
}
