//! An account on its way to another epoch, as the device that proposes it sees it: everybody who lives in
//! this process is put to work, the server carries the words, and what comes of it is checked here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use cohold_api::{ReshareCreate, ReshareStatus, ReshareView};
use cohold_model::account::{Card, Terms};
use cohold_model::charter::Charter;
use cohold_model::handover::Handover;
use cohold_model::{AccountId, Digest, Document as _, Engine, PartyName, Resharing, Signed};
use cohold_mpc::PartyKeys;
use cohold_node::Keeper as _;
use cohold_node::epochs::{Companions, Epochs as _};
use cohold_node::primes::PRIMES;
use cohold_party::charter_change::assess;
use cohold_party::gate::Assessment;
use cohold_party::reshare::seconds_max;
use cohold_store::party::ReshareState;
use cohold_vault::Passphrase;

use crate::client::{Client, Patience};
use crate::home::{DEVICE, Device, Online, start};
use crate::output::{Exit, Failure, Output};
use crate::recovery::RecoveryKeeper;
use crate::sleeper::Sleeper;

/// How much longer than the server this device waits for a resharing.
const PATIENCE_BEYOND: Duration = Duration::from_secs(20);
/// How long an earlier resharing that was cut off may take to be given up.
const EARLIER_PATIENCE: Duration = Duration::from_secs(60);
/// How long parties are waited for that may be on their way back to a server that was restarted.
const OFFLINE_GRACE: Duration = Duration::from_secs(10);
/// How long the parties that stay or leave have to take what all have signed.
const TAKE_PATIENCE: Duration = Duration::from_secs(10);

/// A party of this process.
struct Local {
    card: Card,
    keys: Arc<PartyKeys>,
    keeper: Arc<dyn cohold_node::Keeper>,
}

/// A resharing that this device proposes.
pub(crate) struct Succession<'a> {
    pub(crate) output: Output,
    pub(crate) client: &'a Client,
    pub(crate) device: &'a Device,
    /// The charter in force.
    pub(crate) old: Signed<Charter>,
    /// Recovery shares that deal.
    pub(crate) sleepers: Vec<Arc<Sleeper>>,
    /// Recovery shares that come in.
    newcomers: Vec<(Arc<RecoveryKeeper>, Card, Arc<PartyKeys>)>,
    companions: Arc<Companions>,
}

impl<'a> Succession<'a> {
    /// Makes the recovery parties that are to come anew: their files are written once they have a share.
    pub(crate) fn new(
        output: Output,
        client: &'a Client,
        device: &'a Device,
        old: Signed<Charter>,
        sleepers: Vec<Arc<Sleeper>>,
        new: &NewFiles<'_>,
    ) -> anyhow::Result<Self> {
        let companions = Companions::new(new.parties.iter().map(|(party, _)| party.clone()));
        let mut newcomers = Vec::new();
        for (party, entity) in &new.parties {
            let passphrase = Passphrase::entered(new.passphrase.to_owned())?;
            newcomers.push(RecoveryKeeper::new(
                party.clone(),
                entity.clone(),
                passphrase,
                new.folder.to_owned(),
                Some(Arc::clone(&companions)),
            )?);
        }
        Ok(Self { output, client, device, old, sleepers, newcomers, companions })
    }

    /// Where every share stays as it is: recovery shares sign, with this device.
    pub(crate) fn keeping(
        output: Output,
        client: &'a Client,
        device: &'a Device,
        old: Signed<Charter>,
        sleepers: Vec<Arc<Sleeper>>,
    ) -> Self {
        let companions = Companions::new(sleepers.iter().map(|sleeper| sleeper.card.party.clone()));
        sleepers.iter().for_each(|sleeper| sleeper.travels_with(&companions));
        Self { output, client, device, old, sleepers, newcomers: Vec::new(), companions }
    }

    /// Another engine for the same parties and shares, signed by this device.
    pub(crate) fn propose_engine(&self, engine: Engine) -> anyhow::Result<(Signed<Resharing>, Assessment)> {
        self.propose_by(engine, self.old.document.terms.clone(), BTreeSet::new())
    }

    /// The card of a recovery party that comes in.
    pub(crate) fn newcomer(&self, party: &PartyName) -> Option<Card> {
        self.newcomers.iter().map(|(_, card, _)| card).find(|card| card.party == *party).cloned()
    }

    /// The resharing, signed by its proposer: this device, or a recovery share where the device is new.
    pub(crate) fn propose(
        &self,
        terms: Terms,
        dealers: BTreeSet<PartyName>,
    ) -> anyhow::Result<(Signed<Resharing>, Assessment)> {
        self.propose_by(self.old.document.engine, terms, dealers)
    }

    fn propose_by(
        &self,
        engine: Engine,
        terms: Terms,
        dealers: BTreeSet<PartyName>,
    ) -> anyhow::Result<(Signed<Resharing>, Assessment)> {
        let (proposer, keys) = self.proposer()?;
        let resharing = Resharing {
            charter: self.old.document.digest(),
            terms,
            dealers,
            proposer: proposer.party.clone(),
            created_at: cohold_node::now(),
            engine,
        };
        let assessed = assess(&self.old.document, &resharing)
            .map_err(|error| Failure::error(Exit::Usage, "resharing", error.to_string()))?;
        Ok((Signed::by(resharing, proposer.party, &keys.identity), assessed))
    }

    /// Who speaks for the user under the charter in force.
    fn proposer(&self) -> anyhow::Result<(Card, Arc<PartyKeys>)> {
        let terms = &self.old.document.terms;
        let own = terms.party_by_identity(&self.device.card.identity).map(|(_, card)| card);
        if let Some(card) = own {
            return Ok((card.clone(), Arc::clone(&self.device.keys)));
        }
        let guarded = terms.guardians.as_ref().map(|guardians| &guardians.party);
        let speaks = |party: &PartyName| terms.approvers.contains(party) || guarded == Some(party);
        let sleeper = self.sleepers.iter().find(|sleeper| speaks(&sleeper.card.party));
        let sleeper = sleeper.context("neither this device nor a recovery file approves for the account")?;
        Ok((sleeper.card.clone(), Arc::clone(&sleeper.keys)))
    }

    /// Has the parties carry it out, and returns the new charter once it is in force on this device.
    pub(crate) async fn run(
        &self,
        resharing: Signed<Resharing>,
        assessed: &Assessment,
    ) -> anyhow::Result<Signed<Charter>> {
        let (proposer, keys) = self.proposer()?;
        let consent = assessed.needs_consent().then(|| {
            let consent = assessed.consent(proposer.party.clone(), cohold_node::now());
            Signed::by(consent, proposer.party.clone(), &keys.identity)
        });
        let account = self.old.document.terms.account;
        let (digest, engine) = (resharing.document.digest(), resharing.document.engine);
        let _online = self.go_online(&resharing.document, &proposer).await?;
        let patience = Patience::new(self.output).with_grace(OFFLINE_GRACE);
        let body = ReshareCreate { resharing, consent };
        let began = Instant::now();
        loop {
            match patience.call(async || self.client.reshare_create(account, &body).await).await {
                Ok(_) => break,
                // One that was cut off on this device is given up as soon as this device is back.
                Err(error) if is_running(&error) && began.elapsed() < EARLIER_PATIENCE => {
                    tokio::time::sleep(Duration::from_millis(300)).await;
                }
                Err(error) => return Err(error),
            }
        }
        let charter = self.wait(&patience, account, digest, engine).await?;
        self.wait_for_others(&patience, account, digest).await;
        Ok(charter)
    }

    /// Puts the parties of this process to work on the relay, those who deal and those who receive.
    async fn go_online(&self, resharing: &Resharing, proposer: &Card) -> anyhow::Result<Vec<Online>> {
        let seats = resharing.seats(&self.old.document);
        let sits = |identity| seats.values().any(|seat| seat.card.identity == identity);
        let me = self.device.card.identity;
        let own = seats.values().find(|seat| seat.card.identity == me).map(|seat| seat.card.clone());
        let device = own.map(|card| Local {
            card,
            keys: Arc::clone(&self.device.keys),
            keeper: self.device.keeper.with_companions(Arc::clone(&self.companions)),
        });
        let sleepers = self.sleepers.iter().filter(|sleeper| sits(sleeper.card.identity));
        let sleepers = sleepers.map(|sleeper| Local {
            card: sleeper.card.clone(),
            keys: Arc::clone(&sleeper.keys),
            keeper: Arc::clone(sleeper) as Arc<dyn cohold_node::Keeper>,
        });
        let newcomers = self.newcomers.iter().map(|(keeper, card, keys)| Local {
            card: card.clone(),
            keys: Arc::clone(keys),
            keeper: Arc::clone(keeper) as Arc<dyn cohold_node::Keeper>,
        });
        let rules = self.device.rules.clone().accepting(&proposer.identity);
        let mut online = Vec::new();
        for Local { card, keys, keeper } in device.into_iter().chain(sleepers).chain(newcomers) {
            let (runtime, stop) = start(self.client, card, keys, rules.clone(), keeper);
            online.push(stop);
            let there = runtime.ready(Duration::from_secs(10)).await;
            anyhow::ensure!(there, "the relay at the server does not answer");
        }
        Ok(online)
    }

    async fn wait(
        &self,
        patience: &Patience,
        account: AccountId,
        digest: Digest,
        engine: Engine,
    ) -> anyhow::Result<Signed<Charter>> {
        let (began, mut said) = (Instant::now(), Instant::now());
        let longest = Duration::from_secs(seconds_max(engine)) + PATIENCE_BEYOND;
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let view = find(patience, self.client, account, digest).await?;
            if let Some(ReshareView { status: ReshareStatus::Failed, reason, .. }) = &view {
                let why = reason.clone().unwrap_or_else(|| "no reason was given".into());
                let message = format!("the account stays in its epoch: {why}");
                return Err(Failure::error(Exit::Failed, "resharing-failed", message));
            }
            let ours = self.device.keeper.store().account_show(account)?;
            let ours =
                ours.filter(|active| active.charter.document.previous == Some(self.old.document.digest()));
            if let Some(active) = ours
                && self.newcomers.iter().all(|(keeper, ..)| keeper.is_active())
            {
                return Ok(active.charter);
            }
            if said.elapsed() > Duration::from_secs(5) {
                let primes = view.as_ref().map(|view| in_the_making(&view.primes)).unwrap_or_default();
                let why = view.and_then(|view| view.reason).map(|why| format!("; {why}")).unwrap_or_default();
                self.output
                    .progress(&format!("still at it ({} s){primes}{why} …", began.elapsed().as_secs()));
                said = Instant::now();
            }
            if began.elapsed() > longest {
                return Err(Failure::error(
                    Exit::Waiting,
                    "timeout",
                    "not all parties have signed yet: the account stays in its epoch and pays as before; run the command again to finish or give up",
                ));
            }
        }
    }

    /// Waits a moment for the nodes, so that the next payment finds them in the new epoch.
    async fn wait_for_others(&self, patience: &Patience, account: AccountId, digest: Digest) {
        let began = Instant::now();
        while began.elapsed() < TAKE_PATIENCE {
            let view = find(patience, self.client, account, digest).await.ok().flatten();
            let nodes = |card: &Card| card.kind.is_node();
            let terms = view.as_ref().map(|view| &view.resharing.document.terms);
            let waits = |party: &PartyName| {
                terms.and_then(|terms| terms.party(party)).is_some_and(|(_, card)| nodes(card))
            };
            if !view.as_ref().is_some_and(|view| view.untold.iter().any(waits)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Recovery parties to be made.
pub(crate) struct NewFiles<'a> {
    /// Who they are, and whose.
    pub(crate) parties: Vec<(PartyName, cohold_model::EntityName)>,
    /// What seals them.
    pub(crate) passphrase: &'a str,
    /// Where their files go.
    pub(crate) folder: &'a std::path::Path,
}

/// "; cosigner: 2 of 4 primes, device: 3 of 4 primes".
fn in_the_making(primes: &BTreeMap<PartyName, u8>) -> String {
    let said: Vec<_> =
        primes.iter().map(|(party, made)| format!("{party}: {made} of {PRIMES} primes")).collect();
    if said.is_empty() { String::new() } else { format!("; {}", said.join(", ")) }
}

fn is_running(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Failure>().is_some_and(|failure| failure.code == "resharing-runs")
}

async fn find(
    patience: &Patience,
    client: &Client,
    account: AccountId,
    digest: Digest,
) -> anyhow::Result<Option<ReshareView>> {
    let views = patience.call(async || client.reshares(account).await).await?;
    Ok(views.into_iter().find(|view| view.resharing.document.digest() == digest))
}

/// Finishes a resharing that was cut off on this device after it had signed: says so again, and waits until
/// all have signed, or one never will. The charter, if it came into force.
pub(crate) async fn finish_earlier(
    output: Output,
    client: &Client,
    device: &Device,
    account: AccountId,
) -> anyhow::Result<Option<Signed<Charter>>> {
    let store = device.keeper.store();
    let prepared = store
        .reshare_list_said()?
        .into_iter()
        .find(|row| row.state == ReshareState::Prepared && row.resharing.document.terms.account == account);
    let Some(row) = prepared else { return Ok(None) };
    output.progress("an earlier resharing was cut off after this device had signed; finishing it …");
    let digest = row.resharing.document.digest();
    let terms = &row.resharing.document.terms;
    let (_, card) = terms.party_by_identity(&device.card.identity).context("it is of another device")?;
    let (runtime, _online) = device.online(client, card.clone());
    anyhow::ensure!(runtime.ready(Duration::from_secs(10)).await, "the relay at the server does not answer");
    let began = Instant::now();
    loop {
        match store.reshare_show(&digest)?.map(|row| row.state) {
            Some(ReshareState::Done) => return Ok(store.account_show(account)?.map(|active| active.charter)),
            Some(ReshareState::Prepared) if began.elapsed() > EARLIER_PATIENCE => {
                let message = "an earlier resharing waits for a party that has not signed: start it, and run the command again; the account pays as before";
                return Err(Failure::error(Exit::Waiting, "resharing-waits", message));
            }
            Some(ReshareState::Prepared) => tokio::time::sleep(Duration::from_millis(100)).await,
            _ => return Ok(None),
        }
    }
}

/// What the server has of the epochs after the one that this device is in.
pub(crate) enum Standing {
    /// The device is in the epoch in force, as far as the server says.
    Same,
    /// The device took the next charter; it is in it.
    Ahead,
    /// The device is out of the account, by this charter.
    Out(Box<Signed<Charter>>),
}

/// Takes what this device missed while it was away: charters that followed, each proved by all its
/// parties' signatures and, where this device had no part in it, by a quorum of the old ones.
pub(crate) async fn catch_up(
    client: &Client,
    device: &Device,
    account: AccountId,
) -> anyhow::Result<Standing> {
    let views = client.reshares(account).await?;
    let done = |charter: &Charter| {
        let current = charter.digest();
        let follows = |view: &&ReshareView| view.resharing.document.charter == current;
        views.iter().filter(|view| view.status == ReshareStatus::Done).find(follows)
    };
    let mut standing = Standing::Same;
    // Each turn goes one epoch further.
    for _ in 0..views.len() {
        let Ok(kept) = device.keeper.kept(account) else { break };
        let Some(ReshareView { resharing, charter: Some(charter), dealt, .. }) = done(&kept.charter) else {
            return Ok(standing);
        };
        let (resharing, dealt) = (resharing.clone(), dealt.clone());
        let handover = Handover { resharing, charter: charter.clone(), dealt };
        device.keeper.take(&handover, cohold_node::now()).map_err(|error| {
            let message =
                format!("the server's word that the account came to another epoch is refused: {error}");
            Failure::error(Exit::Failed, "handover-refused", message)
        })?;
        standing = Standing::Ahead;
    }
    match device.keeper.store().account_left(account)? {
        Some(charter) => Ok(Standing::Out(Box::new(charter))),
        None => Ok(standing),
    }
}

/// That this device is no party of the account any more.
pub(crate) fn out(charter: &Charter) -> anyhow::Error {
    let (account, epoch) = (charter.terms.account, charter.epoch);
    Failure::error(
        Exit::Failed,
        "left-out",
        format!("this device is out of account `{account}` since epoch {epoch}: its share was deleted"),
    )
}

/// The name of the device's party.
pub(crate) fn device_name() -> anyhow::Result<PartyName> {
    Ok(DEVICE.parse()?)
}
