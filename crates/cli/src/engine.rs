//! `cohold account engine set`: the same shares sign by another protocol.

use std::sync::Arc;

use cohold_model::account::PartyKind;
use cohold_model::charter::Charter;
use cohold_model::{Document as _, Signed};
use cohold_party::gate::Assessment;
use serde_json::json;

use crate::account::address;
use crate::args::EngineSetArgs;
use crate::custody::word::{hand_in, recovery_opened};
use crate::home::Home;
use crate::output::{Exit, Failure, Output, confirm};
use crate::reshare::current;
use crate::sleeper::Sleeper;
use crate::succession::{Succession, finish_earlier};

/// `cohold account engine set`. Saying it again changes nothing, and finishes what was cut off.
pub(crate) async fn set(output: Output, home: &Home, args: &EngineSetArgs) -> anyhow::Result<()> {
    let (client, device) = (home.client()?, home.unlock()?);
    home.account(args.account)?;
    if finish_earlier(output, &client, &device, args.account).await?.is_some() {
        crate::own_accounts::finish_files(home)?;
    }
    let old = current(home, &client, &device, args.account).await?;
    if old.document.engine == args.engine {
        return report(output, &old, None);
    }
    let sleepers = wake(args, &old)?;
    let succession = Succession::keeping(output, &client, &device, old.clone(), sleepers);
    let (resharing, assessed) = succession.propose_engine(args.engine)?;
    output.progress(&page(&old.document, &assessed));
    if !args.yes && !confirm(&format!("sign by {} from now on?", args.engine))? {
        return Err(Failure::error(
            Exit::Failed,
            "not-confirmed",
            "not confirmed; nothing was signed (`--yes` confirms in scripts)",
        ));
    }
    output.progress(
        "the parties make what the engine needs; payments go on by the old one until all have it …",
    );
    let charter = succession.run(resharing, &assessed).await?;
    for sleeper in &succession.sleepers {
        recovery_opened(home, args.account, &sleeper.card.party);
    }
    hand_in(output, home, &client, &device, &charter.document).await;
    report(output, &charter, Some(&assessed))
}

/// The recovery shares, which sign the charter like everybody; nothing is written into their files.
fn wake(args: &EngineSetArgs, old: &Signed<Charter>) -> anyhow::Result<Vec<Arc<Sleeper>>> {
    let mut sleepers: Vec<Arc<Sleeper>> = Vec::new();
    for path in &args.recovery {
        sleepers.push(Sleeper::wake(path, args.recovery_passphrase_file.as_deref(), old)?);
    }
    let is_awake = |name| sleepers.iter().any(|sleeper| sleeper.card.party == name);
    let asleep = old.document.terms.parties.iter().filter(|card| card.kind == PartyKind::Recovery);
    match asleep.map(|card| &card.party).find(|party| !is_awake((*party).clone())) {
        None => Ok(sleepers),
        Some(party) => Err(Failure::error(
            Exit::Usage,
            "recovery-file-missing",
            format!(
                "every party signs the charter, and `{party}` sleeps in its file: give it with --recovery; the file stays as it is"
            ),
        )),
    }
}

/// What the user reads before it is signed.
fn page(old: &Charter, assessed: &Assessment) -> String {
    format!(
        "ACCOUNT {} SIGNS BY ANOTHER ENGINE\n{}",
        old.terms.account,
        crate::change::what_changes(assessed)
    )
}

fn report(output: Output, charter: &Signed<Charter>, assessed: Option<&Assessment>) -> anyhow::Result<()> {
    let Charter { terms, engine, epoch, version, .. } = &charter.document;
    let value = json!({
        "account": terms.account,
        "address": address(&charter.document)?,
        "engine": engine,
        "epoch": epoch,
        "version": version,
        "changed": assessed.is_some(),
        "change": assessed.map(Assessment::id),
        "conditions": assessed.map(|assessed| &assessed.conditions),
        "charter_digest": charter.document.digest(),
    });
    output.result(&value, || {
        let since = if assessed.is_some() { "from now on" } else { "as before" };
        format!(
            "account {} signs by {engine} {since}, with the same shares, at the same address",
            terms.account
        )
    })
}
