//! The shells of server and node, their logs, and the parties that a device trusts.

use std::io::IsTerminal as _;

use cohold_model::PartyName;
use cohold_node::config::{NodeHome, Secret};
use cohold_server::Config;
use serde_json::json;
use tokio::sync::{oneshot, watch};
use tracing_subscriber::EnvFilter;

use crate::args::{Command, NodeArgs, NodeCommand, ServerArgs};
use crate::home::Home;
use crate::output::{Output, secret};

/// Where the operator's vault passphrase is taken from.
pub(crate) const VAULT_PASSPHRASE_VARIABLE: &str = "COHOLD_VAULT_PASSPHRASE";

/// Where the operator's PIN of a hardware token is taken from.
pub(crate) const TOKEN_PIN_VARIABLE: &str = "COHOLD_TOKEN_PIN";

/// Logs go to standard error; `COHOLD_LOG` says what is logged (`debug`, `cohold_node=trace`).
pub(crate) fn log(command: &Command) {
    let usual = match command {
        Command::Server(_) | Command::Node(_) => "info",
        _ => "error",
    };
    let filter = EnvFilter::try_from_env("COHOLD_LOG").unwrap_or_else(|_| EnvFilter::new(usual));
    let ansi = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(ansi).init();
}

/// `cohold server`.
pub(crate) async fn server(output: Output, args: &ServerArgs) -> anyhow::Result<()> {
    let config = Config::load(&args.config)?;
    if args.create_token {
        let token = cohold_server::token_create(&config)?;
        return output
            .result(&json!({"token": token}), || format!("{token}\nkeep it: it is shown this once"));
    }
    let (ready, address) = oneshot::channel();
    tokio::spawn(async move {
        if let Ok((address, fingerprint)) = address.await {
            let url = format!("http://{address}");
            // Whoever started this reads the line; if nobody does, the log has it as well.
            let _ = output.result(&json!({"url": url, "fingerprint": fingerprint}), || {
                format!("serving on {url}; certificates are signed by {fingerprint}")
            });
        }
    });
    Ok(cohold_server::serve(config, ready).await?)
}

/// `cohold node`.
pub(crate) async fn node(output: Output, args: &NodeArgs) -> anyhow::Result<()> {
    let home = NodeHome::open(&args.config, asked)?;
    if let Some(NodeCommand::Import(given)) = &args.command {
        return crate::import::node::run(output, &home, given);
    }
    let (stop, shutdown) = watch::channel(false);
    tokio::spawn(async move {
        told_to_stop().await;
        let _ = stop.send(true);
    });
    let party = home.config.party.clone();
    let served = cohold_node::service::serve(home, shutdown, |fingerprint| {
        let _ = output.result(&json!({"party": party, "fingerprint": fingerprint}), || {
            format!("{party} serves; its fingerprint is {fingerprint}")
        });
    });
    Ok(served.await?)
}

/// What opens a node's vault, from the environment or from the operator.
pub(crate) fn asked(what: Secret) -> Result<String, String> {
    let (variable, prompt) = match what {
        Secret::Passphrase => (VAULT_PASSPHRASE_VARIABLE, "vault passphrase"),
        Secret::TokenPin => (TOKEN_PIN_VARIABLE, "PIN of the token"),
    };
    secret(None, variable, prompt).map(|text| String::clone(&text)).map_err(|e| format!("{e:#}"))
}

/// Returns on SIGINT or SIGTERM.
pub(crate) async fn told_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

/// `cohold party list`.
pub(crate) async fn party_list(output: Output, home: &Home) -> anyhow::Result<()> {
    let pins = home.pins()?;
    let parties = home.client()?.parties().await?;
    let rows: Vec<_> = parties
        .iter()
        .map(|view| {
            let card = &view.card.document;
            let fingerprint = card.identity.fingerprint();
            let pin = pins.get(&card.party);
            let pinned = pin == Some(&fingerprint);
            json!({
                "party": card.party, "entity": card.entity, "kind": card.kind,
                "fingerprint": fingerprint, "pinned": pinned, "pinned_otherwise": pin.is_some() && !pinned, "online": view.online,
            })
        })
        .collect();
    output.result(&rows, || {
        let line = |row: &serde_json::Value| {
            let text =
                |name: &str| row.get(name).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
            let is = |name: &str| row.get(name).and_then(serde_json::Value::as_bool).unwrap_or_default();
            let trust = match (is("pinned"), is("pinned_otherwise")) {
                (true, _) => "pinned",
                (false, true) => "NOT THE KEY THAT YOU PINNED",
                (false, false) => "not pinned",
            };
            let here = if is("online") { "here" } else { "away" };
            format!("{:12} of {:12} {}  {trust}, {here}", text("party"), text("entity"), text("fingerprint"))
        };
        rows.iter().map(line).collect::<Vec<_>>().join("\n")
    })
}

/// `cohold party pin`.
pub(crate) fn party_pin(
    output: Output,
    home: &Home,
    party: &PartyName,
    fingerprint: &str,
) -> anyhow::Result<()> {
    home.pin(party, fingerprint)?;
    output.result(&json!({"party": party, "fingerprint": fingerprint}), || {
        format!("{party} is pinned to {fingerprint}")
    })
}
