//! `cohold account refresh`, `reshare` and `recover`: other shares of the same key, at the same address.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use cohold_api::PartyView;
use cohold_model::account::{Card, PartyKind, Role, Template, Terms};
use cohold_model::charter::Charter;
use cohold_model::guardians::Guardians;
use cohold_model::{AccountId, Document as _, EntityName, PartyName, Signed};
use cohold_node::Keeper as _;
use cohold_party::gate::Assessment;
use cohold_vault::RecoveryPublic;
use serde_json::{Value, json};

use crate::account::{address, guard, is_recovery, node_card, recovery_passphrase};
use crate::args::{EpochArgs, RecoverArgs, RefreshArgs, ReshareArgs, SetArgs};
use crate::client::Client;
use crate::custody::word::hand_in;
use crate::custody::{Standing as Custody, standing};
use crate::home::{Device, Home};
use crate::output::{Exit, Failure, Output, confirm};
use crate::recovery::{file_path, read_public};
use crate::revive;
use crate::sleeper::Sleeper;
use crate::succession::{NewFiles, Standing, Succession, catch_up, device_name, finish_earlier, out};

/// What is to come, as the user asked for it.
struct Wanted {
    threshold: u8,
    joins: Vec<(EntityName, PartyName)>,
    without: BTreeSet<PartyName>,
    guarding: Guarding,
}

impl Wanted {
    /// Other shares for the same parties.
    fn refresh(old: &Terms) -> Self {
        Self {
            threshold: old.threshold,
            joins: Vec::new(),
            without: BTreeSet::new(),
            guarding: Guarding::Same,
        }
    }
}

/// What becomes of the guardians.
enum Guarding {
    /// They stay who they are.
    Same,
    /// These from now on, or none.
    Changed(Option<Guardians>),
}

/// `cohold account refresh`.
pub(crate) async fn refresh(output: Output, home: &Home, args: &RefreshArgs) -> anyhow::Result<()> {
    let (client, device) = (home.client()?, home.unlock()?);
    let ceremony = Ceremony { output, home, client: &client, device: &device, args: &args.epoch };
    let Some(old) = ceremony.standing(args.account).await? else { return Ok(()) };
    let (wanted, sleepers) = (Wanted::refresh(&old.document.terms), ceremony.wake(&old, &args.recovery)?);
    ceremony.run(old, sleepers, &wanted).await
}

/// `cohold account reshare`.
pub(crate) async fn reshare(output: Output, home: &Home, args: &ReshareArgs) -> anyhow::Result<()> {
    let client = home.client()?;
    if args.cancel {
        return cancel(output, home, &client, args).await;
    }
    let device = home.unlock()?;
    let ceremony = Ceremony { output, home, client: &client, device: &device, args: &args.epoch };
    let Some(old) = ceremony.standing(args.account).await? else { return Ok(()) };
    let (wanted, sleepers) = (wanted(args, &old.document.terms)?, ceremony.wake(&old, &args.recovery)?);
    ceremony.run(old, sleepers, &wanted).await
}

/// `cohold account guardians set`.
pub(crate) async fn guardians_set(output: Output, home: &Home, args: &SetArgs) -> anyhow::Result<()> {
    let usage = |message: &str| Failure::error(Exit::Usage, "usage", message);
    if !args.none && args.guarded.guardian.is_empty() {
        return Err(usage("say who: --guardian for each and --guardians-needed, or --none"));
    }
    let (client, device) = (home.client()?, home.unlock()?);
    let ceremony = Ceremony { output, home, client: &client, device: &device, args: &args.epoch };
    let Some(old) = ceremony.standing(args.account).await? else { return Ok(()) };
    let guarding = Guarding::Changed(crate::guardians::wanted(&args.guarded, &old.document.terms)?);
    let wanted = Wanted { guarding, ..Wanted::refresh(&old.document.terms) };
    let sleepers = ceremony.wake(&old, &args.recovery)?;
    ceremony.run(old, sleepers, &wanted).await
}

/// `cohold account recover`.
pub(crate) async fn recover(output: Output, home: &Home, args: &RecoverArgs) -> anyhow::Result<()> {
    let client = home.client()?;
    let public = args.recovery.first().map(|first| read_public(first)).transpose()?;
    let account = public.as_ref().map(|public| public.account).or(args.guardians);
    let account = account.context("--recovery or --guardians is missing")?;
    let device = home.unlock()?;
    let ceremony = Ceremony { output, home, client: &client, device: &device, args: &args.epoch };
    if ceremony.finish(account).await? {
        return Ok(());
    }
    if home.account(account).is_ok() {
        let message = format!(
            "this device is in account `{account}` already: use `cohold account refresh {account}`, or another --home"
        );
        return Err(Failure::error(Exit::Usage, "not-lost", message));
    }
    let old = revive::charter(&client, account).await?;
    // A file is of the first charter of its epoch; another engine may have been set since, which it signed.
    let fits = |public: &RecoveryPublic| {
        old.document.digest() == public.charter || old.document.epoch == public.epoch
    };
    if let (Some(public), Some(first)) = (&public, args.recovery.first())
        && !fits(public)
    {
        let place = first.display().to_string();
        let message = crate::recovery::of_another_epoch(&place, public, &old.document);
        return Err(Failure::error(Exit::Failed, "wrong-recovery-file", message));
    }
    let mut sleepers = ceremony.wake(&old, &args.recovery)?;
    if args.guardians.is_some() {
        sleepers.push(revive::wake(output, home, (&client, &device), &old, args).await?);
    }
    let wanted = Wanted::refresh(&old.document.terms);
    ceremony.run(old, sleepers, &wanted).await
}

async fn cancel(output: Output, home: &Home, client: &Client, args: &ReshareArgs) -> anyhow::Result<()> {
    let account = args.account;
    let device = home.unlock()?;
    let charter = home.account(account)?.document;
    // This device's own word that it never signs is given as soon as it is back.
    let (runtime, _online) = device.online(client, crate::approve::own_card(&device, &charter)?);
    anyhow::ensure!(runtime.ready(std::time::Duration::from_secs(10)).await, "the relay does not answer");
    let view = client.reshare_cancel(account).await?;
    let value = json!({"account": account, "status": view.status, "reason": view.reason});
    output.result(&value, || {
        "the parties were asked to give it up; the account stays in its epoch unless all of them have signed".into()
    })
}

/// The charter in force, after what this device may have missed.
pub(crate) async fn current(
    home: &Home,
    client: &Client,
    device: &Device,
    account: AccountId,
) -> anyhow::Result<Signed<Charter>> {
    home.account(account)?;
    match catch_up(client, device, account).await? {
        Standing::Same | Standing::Ahead => home.account(account),
        Standing::Out(charter) => Err(out(&charter.document)),
    }
}

fn wanted(args: &ReshareArgs, old: &Terms) -> anyhow::Result<Wanted> {
    let usage = |message: String| Failure::error(Exit::Usage, "usage", message);
    if args.threshold.is_none() && args.party.is_empty() && args.without.is_empty() {
        return Err(usage(
            "say what changes: --threshold, --party or --without; the same parties get other shares by `cohold account refresh`".into(),
        ));
    }
    let mut joins: Vec<(EntityName, PartyName)> = Vec::new();
    for text in &args.party {
        let (entity, party) =
            text.split_once(':').ok_or_else(|| usage(format!("`{text}` is not of the form ENTITY:PARTY")))?;
        let entity = entity.parse().map_err(|e| usage(format!("{e}")))?;
        let party: PartyName = party.parse().map_err(|e| usage(format!("{e}")))?;
        let stays = old.party(&party).is_some() && !args.without.contains(&party);
        if stays || joins.iter().any(|(_, joined)| *joined == party) {
            return Err(usage(format!(
                "`{party}` is in the account already, or given twice: leave it out first"
            )));
        }
        joins.push((entity, party));
    }
    let device = device_name()?;
    for party in &args.without {
        if old.party(party).is_none() {
            return Err(usage(format!("`{party}` is no party of the account: see `cohold account show`")));
        }
        if *party == device {
            return Err(usage(
                "this device stays: recover the account on another device, which leaves this one out".into(),
            ));
        }
    }
    let threshold = args.threshold.unwrap_or(old.threshold);
    let without = args.without.iter().cloned().collect();
    Ok(Wanted { threshold, joins, without, guarding: Guarding::Same })
}

struct Ceremony<'a> {
    output: Output,
    home: &'a Home,
    client: &'a Client,
    device: &'a Device,
    args: &'a EpochArgs,
}

impl Ceremony<'_> {
    async fn run(
        &self,
        old: Signed<Charter>,
        sleepers: Vec<Arc<Sleeper>>,
        wanted: &Wanted,
    ) -> anyhow::Result<()> {
        let known = self.client.parties().await?;
        let entity = own_entity(&old.document.terms)?;
        let folder = self.args.recovery_dir.clone().unwrap_or_else(|| self.home.path("recovery"));
        let new_files = new_files(&old.document.terms, wanted, &entity);
        let passphrase = if new_files.is_empty() {
            zeroize::Zeroizing::default()
        } else {
            crate::own_accounts::folder_note(self.home, &folder)?;
            recovery_passphrase(self.args.recovery_passphrase_file.as_deref())?
        };
        let new = NewFiles { parties: new_files, passphrase: &passphrase, folder: &folder };
        let Self { output, client, device, .. } = *self;
        let succession = Succession::new(output, client, device, old.clone(), sleepers, &new)?;
        let terms = self.terms(&succession, wanted, &known, &entity)?;
        let dealers = self.dealers(&succession, &known)?;
        let (resharing, assessed) = succession.propose(terms, dealers)?;

        let before = standing(output, self.home, &old).await;
        output.progress(&page(&old.document, &assessed));
        if !self.args.yes && !confirm("give these parties new shares of the key?")? {
            return Err(Failure::error(
                Exit::Failed,
                "not-confirmed",
                "not confirmed; nothing was signed (`--yes` confirms in scripts)",
            ));
        }
        output.progress("dealing new shares; the old ones pay until all have theirs …");
        let charter = succession.run(resharing, &assessed).await?;
        crate::guardians::deal_new(output, self.home, &charter, &folder, &passphrase);
        hand_in(output, self.home, client, device, &charter.document).await;
        let after = standing(output, self.home, &charter).await;
        self.report(&charter, &assessed, &folder, before.ok(), after.ok())
    }

    /// The charter in force. None where an earlier command was cut off: that is finished then, and nothing
    /// else begun.
    async fn standing(&self, account: AccountId) -> anyhow::Result<Option<Signed<Charter>>> {
        self.home.account(account)?;
        if self.finish(account).await? {
            return Ok(None);
        }
        Ok(Some(current(self.home, self.client, self.device, account).await?))
    }

    /// Finishes what an earlier command began; whether there was such a thing, and it came to its end.
    async fn finish(&self, account: AccountId) -> anyhow::Result<bool> {
        let Self { output, client, device, .. } = *self;
        let Some(charter) = finish_earlier(output, client, device, account).await? else { return Ok(false) };
        crate::own_accounts::finish_files(self.home)?;
        hand_in(output, self.home, client, device, &charter.document).await;
        if charter.document.terms.guardians.is_some() {
            output.progress(&format!(
                "the guardians have no pieces of this epoch yet: `cohold account guardians deal {account} --recovery FILE`"
            ));
        }
        let Charter { epoch, version, .. } = &charter.document;
        let value = json!({
            "account": account,
            "address": address(&charter.document)?,
            "epoch": epoch,
            "version": version,
            "finished_earlier": true,
        });
        output.result(&value, || {
            format!("the resharing that was cut off is finished: account {account} is in epoch {epoch}")
        })?;
        Ok(true)
    }

    fn wake(&self, old: &Signed<Charter>, files: &[PathBuf]) -> anyhow::Result<Vec<Arc<Sleeper>>> {
        let passphrase_file = self.args.recovery_passphrase_file.as_deref();
        let mut sleepers: Vec<Arc<Sleeper>> = Vec::new();
        for path in files {
            let sleeper = Sleeper::wake(path, passphrase_file, old)?;
            if sleepers.iter().any(|other| other.card.party == sleeper.card.party) {
                let message = format!("`{}` holds a share that is given already", path.display());
                return Err(Failure::error(Exit::Usage, "wrong-recovery-file", message));
            }
            sleepers.push(sleeper);
        }
        Ok(sleepers)
    }

    /// The account from then on: who stays, this device in the place of one that is lost, recovery shares
    /// made anew, and who joins.
    fn terms(
        &self,
        succession: &Succession<'_>,
        wanted: &Wanted,
        known: &[PartyView],
        own: &EntityName,
    ) -> anyhow::Result<Terms> {
        let old = &succession.old.document.terms;
        let name = device_name()?;
        let mut cards = Vec::new();
        for card in old.parties.iter().filter(|card| !wanted.without.contains(&card.party)) {
            let fresh = if card.party == name {
                Some(Card { entity: card.entity.clone(), ..self.device.card.clone() })
            } else {
                succession.newcomer(&card.party)
            };
            cards.push(fresh.unwrap_or_else(|| card.clone()));
        }
        for (entity, party) in &wanted.joins {
            cards.push(match succession.newcomer(party) {
                Some(card) => card,
                None => node_card(self.home, known, party, Some(entity))?,
            });
        }
        let comes_or_stays = |party: &PartyName| cards.iter().any(|card| card.party == *party);
        let mut approvers: BTreeSet<PartyName> =
            old.approvers.iter().filter(|party| comes_or_stays(party)).cloned().collect();
        approvers
            .extend(wanted.joins.iter().map(|(_, party)| party).filter(|party| is_recovery(party)).cloned());
        // Whose share guardians hold no longer approves like any other recovery party.
        let guarded = old.guardians.as_ref().map(|guardians| guardians.party.clone());
        approvers.extend(guarded.filter(|party| comes_or_stays(party)));
        let role = |entity: &EntityName| {
            let known = old.entities.get(entity).copied();
            known.unwrap_or(if entity == own { Role::User } else { Role::Provider })
        };
        let entities: BTreeMap<EntityName, Role> =
            cards.iter().map(|card| (card.entity.clone(), role(&card.entity))).collect();
        let guardians = match &wanted.guarding {
            Guarding::Same => old.guardians.clone(),
            Guarding::Changed(guardians) => guardians.clone(),
        };
        let same_shape =
            wanted.joins.is_empty() && wanted.without.is_empty() && wanted.threshold == old.threshold;
        let mut terms = Terms {
            account: old.account,
            template: if same_shape { old.template } else { Template::Free },
            entities,
            parties: cards,
            threshold: wanted.threshold,
            approvers,
            guardians: None,
        };
        let left_out = |guardians: &Guardians| terms.party(&guardians.party).is_none();
        if guardians.as_ref().is_some_and(left_out) {
            let message = "guardians hold the share of a recovery party that is left out: first `cohold account guardians set --none`, or other ones";
            return Err(Failure::error(Exit::Usage, "guardians", message));
        }
        guard(&mut terms, guardians);
        terms.check().map_err(|error| Failure::error(Exit::Usage, "terms", error.to_string()))?;
        Ok(terms)
    }

    /// Exactly as many as must: this device if it holds a share, recovery shares that were given, then
    /// nodes that are there.
    fn dealers(
        &self,
        succession: &Succession<'_>,
        known: &[PartyView],
    ) -> anyhow::Result<BTreeSet<PartyName>> {
        let old = &succession.old.document.terms;
        let kept = self.device.keeper.kept(old.account).ok();
        let banned = kept.as_ref().map(|kept| kept.banned.clone()).unwrap_or_default();
        let online = |card: &Card| {
            known.iter().any(|view| view.online && view.card.document.identity == card.identity)
        };
        let may = |card: &Card| match card.kind {
            PartyKind::Cosigner | PartyKind::Guardian => online(card),
            PartyKind::Device => card.identity == self.device.card.identity && kept.is_some(),
            PartyKind::Recovery => {
                succession.sleepers.iter().any(|sleeper| sleeper.card.identity == card.identity)
            }
        };
        let order = |card: &Card| match card.kind {
            PartyKind::Device => 0,
            PartyKind::Recovery => 1,
            PartyKind::Cosigner => 2,
            PartyKind::Guardian => 3,
        };
        let threshold = usize::from(old.threshold);
        let mut dealers: Vec<(u8, &Card)> = old
            .indexed()
            .filter(|(index, card)| !banned.contains(index) && may(card))
            .map(|(_, card)| (order(card), card))
            .collect();
        dealers.sort_by_key(|(place, _)| *place);
        if dealers.len() < threshold {
            let names: Vec<&str> = dealers.iter().map(|(_, card)| card.party.as_str()).collect();
            let message = format!(
                "{threshold} parties of the account must deal, and only these are there and not banned: `{}`; start a node, or give a recovery file with --recovery",
                names.join("`, `")
            );
            return Err(Failure::error(Exit::Waiting, "no-quorum", message));
        }
        Ok(dealers.into_iter().take(threshold).map(|(_, card)| card.party.clone()).collect())
    }

    fn report(
        &self,
        charter: &Signed<Charter>,
        assessed: &Assessment,
        folder: &Path,
        before: Option<Custody>,
        after: Option<Custody>,
    ) -> anyhow::Result<()> {
        let new = &charter.document;
        let sleeping = new.terms.parties.iter().filter(|card| card.kind == PartyKind::Recovery);
        let files: Vec<String> =
            sleeping.map(|card| file_path(folder, new, &card.party).display().to_string()).collect();
        let value = json!({
            "account": new.terms.account,
            "address": address(new)?,
            "epoch": new.epoch,
            "version": new.version,
            "threshold": new.terms.threshold,
            "parties": new.terms.parties.len(),
            "recovery_files": files,
            "packets": crate::guardians::packets(self.home, new),
            "change": assessed.id(),
            "conditions": assessed.conditions,
            "difference": assessed.difference,
            "certificate": {"before": before, "after": after},
        });
        self.output.result(&value, || {
            let mut text = format!(
                "account {} is in epoch {}, at the same address",
                new.terms.account, new.epoch
            );
            for (when, class) in [("before", &before), ("after", &after)] {
                if let Some(class) = class {
                    text += &format!("\n{when:<7} {class}");
                }
            }
            for file in &files {
                text += &format!(
                    "\nnew recovery share: {file}\n  print it, move it away from this device, and destroy the file of the epoch before"
                );
            }
            let packets = crate::guardians::packets(self.home, new);
            if !packets.is_empty() {
                text += &format!("\nnew pieces for the guardians\n{}", crate::guardians::told(&packets));
            }
            text
        })
    }
}

/// The user's recovery parties that are to be made: those that stay by name, and those that join.
fn new_files(old: &Terms, wanted: &Wanted, own: &EntityName) -> Vec<(PartyName, EntityName)> {
    let stay = old.parties.iter().filter(|card| card.kind == PartyKind::Recovery && card.entity == *own);
    let stay = stay.filter(|card| !wanted.without.contains(&card.party));
    let stay = stay.map(|card| (card.party.clone(), card.entity.clone()));
    let join = wanted.joins.iter().filter(|(_, party)| is_recovery(party));
    stay.chain(join.map(|(entity, party)| (party.clone(), entity.clone()))).collect()
}

/// Whose the account's device is.
fn own_entity(old: &Terms) -> anyhow::Result<EntityName> {
    let (_, card) = old.party(&device_name()?).context("the account has no party `device`")?;
    Ok(card.entity.clone())
}

/// What the user reads before other parties get shares.
fn page(old: &Charter, assessed: &Assessment) -> String {
    let title = format!("ACCOUNT {} GOES FROM EPOCH {} TO THE NEXT", old.terms.account, old.epoch);
    crate::change::page(&title, assessed)
}

/// The charters of an account that this device was under before.
pub(crate) fn past(home: &Home, account: AccountId) -> anyhow::Result<Vec<Value>> {
    let past = home.past(account)?;
    Ok(past
        .iter()
        .map(|charter| {
            let Charter { epoch, version, terms, engine, .. } = &charter.document;
            json!({
                "epoch": epoch,
                "engine": engine,
                "version": version,
                "threshold": terms.threshold,
                "parties": terms.parties.iter().map(|card| &card.party).collect::<Vec<_>>(),
                "charter_digest": charter.document.digest(),
            })
        })
        .collect())
}
