//! `cohold account`: make, list, show.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use cohold_api::{AccountCreate, AccountStatus, PartyView};
use cohold_chain_evm::Address;
use cohold_model::account::{Card, PartyKind, Proposal, Role, Template, Terms};
use cohold_model::charter::Charter;
use cohold_model::guardians::Guardians;
use cohold_model::{AccountId, Document as _, EntityName, Import, KeyPath, PartyName, Signed};
use cohold_mpc_ecdsa::ForeignShare;
use cohold_vault::Passphrase;
use serde_json::{Value, json};

use crate::args::{CreateArgs, GuardedArgs, TemplateArg};
use crate::client::{Client, Patience};
use crate::custody::word::hand_in;
use crate::home::{DEVICE, Device, Home, Online, start};
use crate::output::{Exit, Failure, Output, secret};
use crate::recovery::{PASSPHRASE_VARIABLE, RecoveryKeeper, file_path};

/// How long the making of an account may take.
const PATIENCE: Duration = Duration::from_secs(130);

/// A recovery party while its account is made.
type Sleeper = (Arc<RecoveryKeeper>, Card, Arc<cohold_mpc::PartyKeys>);

/// A party as the user asked for it.
pub(crate) struct Wanted {
    pub(crate) party: PartyName,
    pub(crate) entity: Option<EntityName>,
}

/// `cohold account create`.
pub(crate) async fn create(output: Output, home: &Home, args: &CreateArgs) -> anyhow::Result<()> {
    let charter = make(output, home, args).await?;
    let value = made(home, args.recovery_dir.as_deref(), &charter.document)?;
    output.result(&value, || made_words(&charter, &value))
}

/// What is told of an account that was made.
pub(crate) fn made(home: &Home, recovery_dir: Option<&Path>, charter: &Charter) -> anyhow::Result<Value> {
    Ok(json!({
        "account": charter.terms.account,
        "address": address(charter)?,
        "template": charter.terms.template,
        "threshold": charter.terms.threshold,
        "parties": charter.terms.parties.len(),
        "recovery_files": recovery_files(home, recovery_dir, charter),
        "packets": crate::guardians::packets(home, charter),
    }))
}

/// The same in words.
pub(crate) fn made_words(charter: &Signed<Charter>, made: &Value) -> String {
    let mut text = describe(charter);
    let files = made.get("recovery_files").and_then(Value::as_array);
    for file in files.into_iter().flatten().filter_map(Value::as_str) {
        text += &format!(
            "\nrecovery share: {file}\n  print it, move it away from this device, and test it with `cohold recovery check`"
        );
    }
    for (name, file) in made.get("packets").and_then(Value::as_object).into_iter().flatten() {
        text += &format!("\nguardian's piece: {}\n  hand it to {name}", file.as_str().unwrap_or_default());
    }
    text
}

/// Makes an account and returns its charter, in force on this device.
pub(crate) async fn make(output: Output, home: &Home, args: &CreateArgs) -> anyhow::Result<Signed<Charter>> {
    make_of(output, home, args, None).await
}

/// The same, of a key that this device brings along and deals.
pub(crate) async fn make_of(
    output: Output,
    home: &Home,
    args: &CreateArgs,
    brought: Option<(Import, ForeignShare)>,
) -> anyhow::Result<Signed<Charter>> {
    let client = home.client()?;
    let (template, threshold, wanted) = shape(args)?;
    let known = client.parties().await?;
    let needs_passphrase = wanted.iter().any(|w| is_recovery(&w.party));
    let device = home.unlock()?;
    let passphrase = needs_passphrase
        .then(|| recovery_passphrase(args.recovery_passphrase_file.as_deref()))
        .transpose()?;
    let folder = args.recovery_dir.clone().unwrap_or_else(|| home.path("recovery"));
    if needs_passphrase {
        crate::own_accounts::folder_note(home, &folder)?;
    }

    let mut cards: Vec<Card> = Vec::new();
    let mut sleepers = Vec::new();
    let own_entity = own_entity(&device, template, &known);
    let mut device_card = device.card.clone();
    for wanted in wanted {
        let party = wanted.party.clone();
        let entity_or_own = wanted.entity.clone().unwrap_or_else(|| own_entity.clone());
        if party.as_str() == DEVICE {
            device_card.entity = entity_or_own;
            cards.push(device_card.clone());
        } else if is_recovery(&party) {
            let text = passphrase.as_ref().context("a recovery party needs a passphrase")?;
            let passphrase = Passphrase::entered(String::clone(text))?;
            let (keeper, card, keys) =
                RecoveryKeeper::new(party, entity_or_own, passphrase, folder.clone(), None)?;
            cards.push(card.clone());
            sleepers.push((keeper, card, keys));
        } else {
            cards.push(chosen_node(home, &known, &wanted, template, &own_entity)?);
        }
    }
    let (import, share) = brought.unzip();
    let proposal = propose(&device, template, threshold, cards, import, Some(&args.guarded))?;
    let parties = proposal.document.terms.parties.len();
    match share {
        Some(share) => {
            device.keeper.foreign().bring(proposal.document.digest(), share);
            output.progress(&format!("dealing the key to {parties} parties …"));
        }
        None => {
            output.progress(&format!("making a key among {parties} parties; it never exists in one place …"))
        }
    }
    let charter = carry_out(output, home, &client, &device, device_card, &sleepers, proposal).await?;
    if let Some(passphrase) = &passphrase {
        crate::guardians::deal_new(output, home, &charter, &folder, passphrase);
    }
    Ok(charter)
}

/// Puts the user's parties on the relay and has all parties make the account.
pub(crate) async fn carry_out(
    output: Output,
    home: &Home,
    client: &Client,
    device: &Device,
    device_card: Card,
    sleepers: &[Sleeper],
    proposal: Signed<Proposal>,
) -> anyhow::Result<Signed<Charter>> {
    let account = proposal.document.terms.account;
    let mut online: Vec<Online> = Vec::new();
    let (runtime, stop) = device.online(client, device_card);
    online.push(stop);
    for (keeper, card, keys) in sleepers {
        let keeper = Arc::clone(keeper) as Arc<dyn cohold_node::Keeper>;
        online.push(start(client, card.clone(), Arc::clone(keys), device.rules.clone(), keeper).1);
    }
    anyhow::ensure!(runtime.ready(Duration::from_secs(10)).await, "the relay at the server does not answer");
    let patience = Patience::new(output);
    let body = AccountCreate { proposal };
    patience.call(async || client.account_create(&body).await).await?;
    let charter = wait(output, client, &patience, device, account, sleepers).await?;
    hand_in(output, home, client, device, &charter.document).await;
    Ok(charter)
}

async fn wait(
    output: Output,
    client: &Client,
    patience: &Patience,
    device: &Device,
    account: AccountId,
    sleepers: &[Sleeper],
) -> anyhow::Result<Signed<Charter>> {
    let began = Instant::now();
    let mut said = Instant::now();
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let view = patience.call(async || client.account(account).await).await?;
        if view.status == AccountStatus::Failed {
            let why = view.reason.unwrap_or_else(|| "no reason was given".into());
            return Err(Failure::error(
                Exit::Failed,
                "account-failed",
                format!("no account was made: {why}"),
            ));
        }
        let ours = device.keeper.store().account_show(account)?;
        if let Some(active) = ours
            && sleepers.iter().all(|(keeper, ..)| keeper.is_active())
        {
            return Ok(active.charter);
        }
        if said.elapsed() > Duration::from_secs(5) {
            output.progress(&format!(
                "still making the key ({} s; a few seconds are usual, half a minute with nine parties) …",
                began.elapsed().as_secs()
            ));
            said = Instant::now();
        }
        if began.elapsed() > PATIENCE {
            return Err(Failure::error(
                Exit::Waiting,
                "timeout",
                "the account is not in force yet: a party is away; `cohold account list` shows it once it is",
            ));
        }
    }
}

/// Template, threshold and parties as asked for.
pub(crate) fn shape(args: &CreateArgs) -> anyhow::Result<(Template, u8, Vec<Wanted>)> {
    let usage = |message: String| Failure::error(Exit::Usage, "usage", message);
    if let Some(threshold) = args.threshold {
        let wanted: anyhow::Result<Vec<Wanted>> = args
            .party
            .iter()
            .map(|text| {
                let (entity, party) = text
                    .split_once(':')
                    .ok_or_else(|| usage(format!("`{text}` is not of the form ENTITY:PARTY")))?;
                let entity = Some(entity.parse().map_err(|e| usage(format!("{e}")))?);
                Ok(Wanted { party: party.parse().map_err(|e| usage(format!("{e}")))?, entity })
            })
            .collect();
        let wanted = wanted?;
        if !wanted.iter().any(|w| w.party.as_str() == DEVICE) {
            return Err(usage("the account needs this device: add `--party ENTITY:device`".into()));
        }
        return Ok((Template::Free, threshold, wanted));
    }
    let (template, names): (_, &[&str]) = match args.template.unwrap_or(TemplateArg::Personal) {
        TemplateArg::Personal => (Template::Personal, &[DEVICE, "recovery", "cosigner"]),
        TemplateArg::Enterprise => (Template::Enterprise, &[DEVICE, "cosigner", "guardian"]),
        TemplateArg::Shared => (Template::Shared, &[DEVICE, "cosigner"]),
    };
    let wanted: Result<Vec<Wanted>, _> =
        names.iter().map(|name| name.parse().map(|party| Wanted { party, entity: None })).collect();
    Ok((template, 2, wanted?))
}

pub(crate) fn is_recovery(party: &PartyName) -> bool {
    party.as_str() == "recovery" || party.as_str().starts_with("recovery-")
}

/// Whose device this is within the account: an enterprise's own, where the template says so.
pub(crate) fn own_entity(device: &Device, template: Template, known: &[PartyView]) -> EntityName {
    let cosigner = known.iter().map(|view| &view.card.document).find(|card| card.kind == PartyKind::Cosigner);
    match (template, cosigner) {
        (Template::Enterprise, Some(card)) => card.entity.clone(),
        _ => device.card.entity.clone(),
    }
}

/// The card of a node, if the user pinned exactly this key. Anybody may say hello under any name, so
/// the pinned key decides among several.
pub(crate) fn node_card(
    home: &Home,
    known: &[PartyView],
    party: &PartyName,
    entity: Option<&EntityName>,
) -> anyhow::Result<Card> {
    let refuse = |exit, code: &str, message: String| Err(Failure::error(exit, code, message));
    let genuine = |view: &&PartyView| {
        let card = &view.card.document;
        card.party == *party && view.card.is_signed_by(party, &card.identity)
    };
    let shown: Vec<&PartyView> = known.iter().filter(genuine).collect();
    let fingerprint = |view: &PartyView| view.card.document.identity.fingerprint();
    let Some(first) = shown.first() else {
        let names: Vec<&str> = known.iter().map(|v| v.card.document.party.as_str()).collect();
        let names = names.join(", ");
        return refuse(
            Exit::Failed,
            "unknown-party",
            format!("the server knows no party `{party}`, only: {names}"),
        );
    };
    let Some(pinned) = home.pins()?.remove(party) else {
        let found = fingerprint(first);
        return refuse(
            Exit::Failed,
            "not-pinned",
            format!(
                "`{party}` is not trusted yet: compare `{found}` with what its operator says, then run `cohold party pin {party} {found}`"
            ),
        );
    };
    let Some(view) = shown.iter().find(|view| fingerprint(view) == pinned) else {
        let found = fingerprint(first);
        return refuse(
            Exit::Failed,
            "pin-mismatch",
            format!(
                "the server shows `{party}` with the key `{found}`, but you pinned `{pinned}`: do not go on before its operator explains it"
            ),
        );
    };
    let card = &view.card.document;
    check_node(card)?;
    if !view.online {
        return refuse(
            Exit::Waiting,
            "party-away",
            format!("`{party}` is not connected: start it and try again"),
        );
    }
    match entity {
        Some(entity) if *entity != card.entity => {
            refuse(Exit::Usage, "entity", format!("`{party}` is run by `{}`, not by `{entity}`", card.entity))
        }
        _ => Ok(card.clone()),
    }
}

/// A node's card is its own word: one that calls itself a device or a recovery share would come to
/// approve payments, and to be vouched for in certificates.
fn check_node(card: &Card) -> anyhow::Result<()> {
    match card.kind {
        PartyKind::Cosigner | PartyKind::Guardian => Ok(()),
        PartyKind::Device | PartyKind::Recovery => Err(Failure::error(
            Exit::Failed,
            "not-a-node",
            format!("`{}` says that it is no node but one of your own parties: do not use it", card.party),
        )),
    }
}

/// The card of a node that the user chose for a new account.
pub(crate) fn chosen_node(
    home: &Home,
    known: &[PartyView],
    wanted: &Wanted,
    template: Template,
    own: &EntityName,
) -> anyhow::Result<Card> {
    let card = node_card(home, known, &wanted.party, wanted.entity.as_ref())?;
    if template != Template::Enterprise && wanted.entity.is_none() {
        check_foreign(&card, own)?;
    }
    Ok(card)
}

/// A node that names the user as whoever runs it would count as the user's own.
fn check_foreign(card: &Card, own: &EntityName) -> anyhow::Result<()> {
    if card.entity != *own {
        return Ok(());
    }
    Err(Failure::error(
        Exit::Failed,
        "entity",
        format!(
            "`{}` says that `{own}` runs it, and that is you: if it is yours, say so with `--threshold 2 --party {own}:{}` and the other parties; if not, do not use it",
            card.party, card.party
        ),
    ))
}

/// The passphrase of new recovery files.
pub(crate) fn recovery_passphrase(
    file: Option<&std::path::Path>,
) -> anyhow::Result<zeroize::Zeroizing<String>> {
    let text = secret(file, PASSPHRASE_VARIABLE, "choose a passphrase for the recovery file")?;
    Passphrase::chosen(String::clone(&text))
        .map_err(|error| Failure::error(Exit::Usage, "passphrase", error.to_string()))?;
    Ok(text)
}

pub(crate) fn propose(
    device: &Device,
    template: Template,
    threshold: u8,
    cards: Vec<Card>,
    import: Option<Import>,
    guarded: Option<&GuardedArgs>,
) -> anyhow::Result<Signed<Proposal>> {
    let me: PartyName = DEVICE.parse()?;
    let own = cards.iter().find(|card| card.party == me).map(|card| card.entity.clone());
    let mut entities = BTreeMap::new();
    for card in &cards {
        let role = if Some(&card.entity) == own.as_ref() { Role::User } else { Role::Provider };
        entities.insert(card.entity.clone(), role);
    }
    let approves = |card: &&Card| matches!(card.kind, PartyKind::Device | PartyKind::Recovery);
    let approvers: BTreeSet<PartyName> =
        cards.iter().filter(approves).map(|card| card.party.clone()).collect();
    let account = AccountId::random(&mut cohold_node::rng());
    let mut terms =
        Terms { account, template, entities, parties: cards, threshold, approvers, guardians: None };
    if let Some(guarded) = guarded {
        let guardians = crate::guardians::wanted(guarded, &terms)?;
        guard(&mut terms, guardians);
    }
    terms.check().map_err(|error| Failure::error(Exit::Usage, "terms", error.to_string()))?;
    let proposal = Proposal { terms, proposer: me.clone(), created_at: cohold_node::now(), import };
    Ok(Signed::by(proposal, me, &device.keys.identity))
}

/// Puts guardians into terms, and their entities. The share that they hold approves no payments.
pub(crate) fn guard(terms: &mut Terms, guardians: Option<Guardians>) {
    if let Some(guardians) = &guardians {
        terms.approvers.remove(&guardians.party);
    }
    for person in guardians.iter().flat_map(|guardians| &guardians.people) {
        terms.entities.entry(person.entity.clone()).or_insert(Role::Guardian);
    }
    terms.guardians = guardians;
}

fn recovery_files(home: &Home, folder: Option<&Path>, charter: &Charter) -> Vec<String> {
    let folder = folder.map_or_else(|| home.path("recovery"), Path::to_path_buf);
    let sleeping = charter.terms.parties.iter().filter(|card| card.kind == PartyKind::Recovery);
    sleeping.map(|card| file_path(&folder, charter, &card.party).display().to_string()).collect()
}

/// The account's address.
pub(crate) fn address(charter: &Charter) -> anyhow::Result<Address> {
    crate::address::address_at(charter, &KeyPath::ROOT)
}

/// `cohold account show`.
pub(crate) fn show(output: Output, home: &Home, account: AccountId) -> anyhow::Result<()> {
    let charter = home.account(account)?;
    let past = crate::reshare::past(home, account)?;
    let value = json!({
        "account": account,
        "address": address(&charter.document)?,
        "charter_digest": charter.document.digest(),
        "epoch": charter.document.epoch,
        "engine": charter.document.engine,
        "past": past,
        "charter": charter,
    });
    output.result(&value, || {
        let mut text = describe(&charter);
        let epoch = u64::from(charter.document.epoch.0);
        let of_past = |past: &&serde_json::Value| past.get("epoch").and_then(serde_json::Value::as_u64) != Some(epoch);
        for past in past.iter().filter(of_past) {
            let number = |name: &str| past.get(name).and_then(serde_json::Value::as_u64).unwrap_or_default();
            text += &format!(
                "\npast      epoch {}: {} parties signed together; shares of it are worth nothing to those of today",
                number("epoch"),
                number("threshold")
            );
        }
        text
    })
}

fn describe(charter: &Signed<Charter>) -> String {
    let terms = &charter.document.terms;
    let address = address(&charter.document).map(|a| a.to_string()).unwrap_or_default();
    let mut text = format!(
        "account   {}\naddress   {address}\nkey       {} of {} parties sign together by {}; epoch {}, charter version {}\nparties",
        terms.account,
        terms.threshold,
        terms.parties.len(),
        charter.document.engine,
        charter.document.epoch,
        charter.document.version,
    );
    for (index, card) in terms.indexed() {
        let role = terms.entities.get(&card.entity).map_or("", |role| match role {
            Role::User => "user",
            Role::Provider => "provider",
            Role::Guardian => "guardian",
        });
        let approves = if terms.approvers.contains(&card.party) { ", approves" } else { "" };
        text += &format!(
            "\n  {index}  {}  of {} ({role}{approves})  {}",
            card.party,
            card.entity,
            card.identity.fingerprint()
        );
    }
    if let Some(Guardians { party, needed, delay_seconds, people }) = &terms.guardians {
        let names: Vec<&str> = people.iter().map(|person| person.name.as_str()).collect();
        text += &format!(
            "\nguardians {needed} of {} hold the share of `{party}`: {}; they and the nodes wait {delay_seconds} seconds",
            people.len(),
            names.join(", ")
        );
    }
    if let Some(origin) = charter.document.origin {
        text += &format!("\nimported  {}", origin.advice());
    }
    text + &format!("\nnext      cohold custody show {}", terms.account)
}

#[cfg(test)]
mod tests {
    use cohold_mpc::PartyKeys;

    use super::*;

    fn card(kind: PartyKind, entity: &str) -> anyhow::Result<Card> {
        let keys = PartyKeys::from_seed(&[1; 32]);
        let (identity, seal) = (keys.identity(), keys.seal_key());
        Ok(Card { party: "cosigner".parse()?, entity: entity.parse()?, kind, identity, seal })
    }

    fn home(folder: &std::path::Path) -> anyhow::Result<Home> {
        use clap::Parser as _;
        let folder = folder.to_str().context("a path in UTF-8")?;
        Home::locate(&crate::args::Cli::try_parse_from(["cohold", "--home", folder, "doctor"])?.global)
    }

    #[test]
    fn only_a_pinned_node_that_says_it_is_one_gets_into_an_account() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let (home, party) = (home(folder.path())?, "cosigner".parse()?);
        let keys = PartyKeys::from_seed(&[1; 32]);
        let shown = |kind, online| -> anyhow::Result<Vec<PartyView>> {
            let card = Signed::by(card(kind, "acme")?, "cosigner".parse()?, &keys.identity);
            Ok(vec![PartyView { card, online }])
        };
        let code = |known: &[PartyView]| {
            let refused = node_card(&home, known, &party, None).err();
            refused.and_then(|error| Some(error.downcast_ref::<Failure>()?.code.clone()))
        };
        let known = shown(PartyKind::Cosigner, true)?;
        assert_eq!(code(&known).as_deref(), Some("not-pinned"));
        home.pin(&party, "00000000000000000000000000000000")?;
        assert_eq!(code(&known).as_deref(), Some("pin-mismatch"));
        home.pin(&party, &keys.identity().fingerprint())?;
        assert_eq!(code(&known), None);
        assert_eq!(code(&shown(PartyKind::Cosigner, false)?).as_deref(), Some("party-away"));
        for kind in [PartyKind::Device, PartyKind::Recovery] {
            assert_eq!(code(&shown(kind, true)?).as_deref(), Some("not-a-node"), "{kind:?}");
        }
        Ok(())
    }

    #[test]
    fn a_node_cannot_count_as_the_users_own_by_naming_the_user() -> anyhow::Result<()> {
        let own = "me".parse()?;
        assert!(check_foreign(&card(PartyKind::Cosigner, "acme")?, &own).is_ok());
        assert!(check_foreign(&card(PartyKind::Cosigner, "me")?, &own).is_err());
        Ok(())
    }
}
