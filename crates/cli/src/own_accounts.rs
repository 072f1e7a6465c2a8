//! The accounts that this device has a share of: those in force, and those whose making was cut off.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use cohold_api::ReshareView;
use cohold_model::Document as _;
use cohold_model::charter::Charter;
use cohold_model::handover::Handover;
use cohold_party::create::check_activation;
use cohold_store::PartyStore;
use cohold_store::party::ReshareState;
use cohold_vault::file::{private_folder, private_replace};
use serde_json::{Value, json};

use crate::account::address;
use crate::home::{DEVICE, Home};
use crate::output::{Failure, Output};
use crate::recovery::{finish_all, has_unfinished};

/// The most folders of recovery files that are remembered.
const FOLDERS_MAX: usize = 100;

/// Takes up accounts whose making was cut off after this device had signed: those that the others
/// finished come into force here as well. A server that is away leaves them as they are.
pub(crate) async fn take_up(output: Output, home: &Home) -> anyhow::Result<()> {
    let path = home.path("device.sqlite");
    if !path.exists() {
        return Ok(());
    }
    let store = PartyStore::open(&path)?;
    for own in store.account_pending()? {
        let account = own.terms.account;
        let Ok(client) = home.client() else { return Ok(()) };
        let charter = match client.account(account).await {
            Ok(view) => view.charter,
            Err(error) => {
                tracing::info!(%account, "an account that was cut off cannot be asked for: {error:#}");
                match error.downcast_ref::<Failure>() {
                    Some(failure) if failure.code == "server-unreachable" => return Ok(()),
                    _ => continue,
                }
            }
        };
        let Some(charter) = charter else { continue };
        // What a server says must not keep the device from its other accounts.
        if let Err(error) = check_activation(&charter, &own, &DEVICE.parse()?) {
            output.progress(&format!("account {account} is not taken into force: {error}"));
            continue;
        }
        store.account_activate(&charter)?;
        output.progress(&format!("account {account}, whose making was cut off, is in force"));
    }
    take_up_epochs(output, home, &store).await
}

/// Takes up resharings that were cut off after this device had signed: where all others signed as well, the
/// next epoch comes into force here.
async fn take_up_epochs(output: Output, home: &Home, store: &PartyStore) -> anyhow::Result<()> {
    let waiting = store.reshare_list_said()?.into_iter().filter(|row| row.state == ReshareState::Prepared);
    for row in waiting {
        let account = row.resharing.document.terms.account;
        let Ok(client) = home.client() else { return Ok(()) };
        let Ok(views) = client.reshares(account).await else { return Ok(()) };
        let digest = row.resharing.document.digest();
        let view = views.into_iter().find(|view| view.resharing.document.digest() == digest);
        let Some(ReshareView { resharing, charter: Some(charter), dealt, .. }) = view else { continue };
        let (party, handover) = (DEVICE.parse()?, Handover { resharing, charter, dealt });
        match cohold_node::epochs::take(store, &party, None, &handover, cohold_node::now()) {
            Ok(()) => output.progress(&format!("account {account} is in its next epoch")),
            // What a server says must not keep the device from its other accounts.
            Err(error) => output.progress(&format!("account {account} stays in its epoch here: {error}")),
        }
    }
    finish_files(home)
}

/// Gives recovery files whose charter is in force by now their final names.
pub(crate) fn finish_files(home: &Home) -> anyhow::Result<()> {
    let folders: Vec<_> = folders(home).into_iter().filter(|folder| has_unfinished(folder)).collect();
    if folders.is_empty() {
        return Ok(());
    }
    let accounts: Vec<Charter> = home.accounts()?.into_iter().map(|charter| charter.document).collect();
    folders.iter().for_each(|folder| finish_all(folder, &accounts));
    Ok(())
}

/// `cohold account list`. Accounts that are not in force have an address as well, which nobody should
/// send to: a party of theirs may have no share.
pub(crate) fn list(output: Output, home: &Home, all: bool) -> anyhow::Result<()> {
    finish_files(home)?;
    let accounts: Vec<Charter> = home.accounts()?.into_iter().map(|charter| charter.document).collect();
    let path = home.path("device.sqlite");
    let pending = if path.exists() { PartyStore::open(&path)?.account_pending()? } else { Vec::new() };
    if !all && !pending.is_empty() {
        let told = "not in force, as their making was cut off (`cohold account list --all`)";
        output.progress(&format!("accounts {told}: {}", pending.len()));
    }
    let listed = accounts.iter().map(|charter| (charter, true));
    let rest = pending.iter().filter(|_| all).map(|charter| (charter, false));
    let rows: Vec<Value> = listed
        .chain(rest)
        .map(|(charter, in_force)| row(charter, in_force))
        .collect::<anyhow::Result<_>>()?;
    output.result(&rows, || {
        if rows.is_empty() {
            return "no accounts yet: make one with `cohold account create`".into();
        }
        rows.iter().map(line).collect::<Vec<_>>().join("\n")
    })
}

fn row(charter: &Charter, in_force: bool) -> anyhow::Result<Value> {
    let terms = &charter.terms;
    Ok(json!({
        "account": terms.account,
        "address": address(charter)?,
        "template": terms.template,
        "threshold": terms.threshold,
        "parties": terms.parties.len(),
        "in_force": in_force,
    }))
}

fn line(row: &Value) -> String {
    let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let number = |name: &str| row.get(name).and_then(Value::as_u64).unwrap_or_default();
    let in_force = row.get("in_force").and_then(Value::as_bool).unwrap_or_default();
    let place = if in_force { text("address") } else { "not in force: send nothing to it".into() };
    format!("{}  {place}  {}-of-{}", text("account"), number("threshold"), number("parties"))
}

/// Remembers where recovery files are written, so that one whose account was cut off and comes into force
/// later gets its final name there too.
pub(crate) fn folder_note(home: &Home, folder: &Path) -> anyhow::Result<()> {
    let folder = std::path::absolute(folder).context("the folder of the recovery files has no name")?;
    // Found out now, and not once a key is made.
    private_folder(&folder).context("recovery files cannot be kept there")?;
    probe(&folder)?;
    let mut known = folders(home);
    let Some(text) = folder.to_str().filter(|text| !text.contains('\n') && !known.contains(&folder)) else {
        return Ok(());
    };
    known.push(text.into());
    let first = known.len().saturating_sub(FOLDERS_MAX);
    let lines: Vec<&str> = known.iter().skip(first).filter_map(|folder| folder.to_str()).collect();
    Ok(private_replace(&home.path(FOLDERS), (lines.join("\n") + "\n").as_bytes())?)
}

/// Writes and removes a file where recovery files shall lie.
fn probe(folder: &Path) -> anyhow::Result<()> {
    let path = folder.join(".cohold-probe");
    private_replace(&path, b"").context("recovery files cannot be kept there")?;
    Ok(std::fs::remove_file(path)?)
}

/// Where recovery files of this device were written; a folder that is gone does no harm.
fn folders(home: &Home) -> Vec<PathBuf> {
    let text = std::fs::read_to_string(home.path(FOLDERS)).unwrap_or_default();
    let noted = text.lines().map(PathBuf::from);
    let mut folders: Vec<PathBuf> =
        std::path::absolute(home.path("recovery")).into_iter().chain(noted).collect();
    folders.dedup();
    folders
}

const FOLDERS: &str = "recovery.folders";
