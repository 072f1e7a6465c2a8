//! `cohold demo --attack`: an account of each template, and every coalition of it that can, or cannot.

use std::sync::Arc;

use anyhow::Context as _;
use cohold_model::{AccountId, Amount};
use serde_json::Value;

use super::{PASSPHRASE_FILE, order, pay, receiver};
use crate::args::{CreateArgs, TemplateArg};
use crate::attack::report::{self, Attack, Outcome};
use crate::attack::{self, Setup};
use crate::chain;
use crate::dev::Dev;
use crate::home::Home;
use crate::output::Output;

const TEMPLATES: [TemplateArg; 3] = [TemplateArg::Personal, TemplateArg::Enterprise, TemplateArg::Shared];

/// Makes the accounts, lets each pay once, and attacks them side by side.
pub(super) async fn run(
    output: Output,
    place: &std::path::Path,
    home: &Home,
    dev: &Dev,
) -> anyhow::Result<Value> {
    let local = dev.chain.as_ref().context("the demo has a chain")?;
    let mut accounts: Vec<AccountId> = Vec::new();
    let receiver = receiver(&local.chain).await?;
    for template in TEMPLATES {
        let args = CreateArgs {
            guarded: Default::default(),
            template: Some(template),
            threshold: None,
            party: Vec::new(),
            recovery_dir: None,
            recovery_passphrase_file: Some(place.join(PASSPHRASE_FILE)),
        };
        let charter = crate::account::make(output, home, &args).await?;
        let account = charter.document.terms.account;
        let address = crate::account::address(&charter.document)?;
        chain::fund(&local.chain, address, Amount::parse("10", 18)?).await?;
        // What an attacker may find, and use again: a payment that the user approved.
        pay(output, home, &order(account, receiver, "0.01", None)).await?;
        accounts.push(account);
    }
    let passphrase_file = place.join(PASSPHRASE_FILE);
    let setup = Setup {
        dev: place,
        home,
        rpc: Some(&local.url),
        places: None,
        recovery_passphrase_file: Some(&passphrase_file),
        turns: Arc::default(),
    };
    let of = |index: usize| accounts.get(index).copied().context("an account is missing");
    let all = |account| attack::all(output, &setup, account);
    let (personal, enterprise, shared) = tokio::try_join!(all(of(0)?), all(of(1)?), all(of(2)?))?;
    let attacks: Vec<Attack> = [personal, enterprise, shared].concat();
    let page = report::page(&attacks);
    output.progress(&page);
    if let Some(wrong) = attacks.iter().find(|attack| attack.outcome == Outcome::Contradiction) {
        anyhow::bail!("an attack contradicts the model: {}", wrong.line().trim());
    }
    Ok(serde_json::to_value(&attacks)?)
}
