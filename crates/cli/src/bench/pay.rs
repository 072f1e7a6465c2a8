//! Payments through the API, as a client of the coordinator makes them: ask for a plan, check and
//! approve its bytes, wait until it is signed. The device's party is online in this process, as a
//! company's own signing service would be; its PIN was asked for once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use cohold_api::{AccountCreate, ApprovalCreate, RequestCreate, RequestView, ReshareCreate};
use cohold_model::account::Template;
use cohold_model::charter::Charter;
use cohold_model::ids::PartyIndex;
use cohold_model::intent::{Action, Asset};
use cohold_model::receipt::Status;
use cohold_model::{
    AccountId, Amount, Document as _, Hashed, Intent, KeyPath, PartyName, RequestId, Resharing, Signed,
};
use cohold_node::Runtime;

use crate::account;
use crate::approve::approve;
use crate::chain::LOCAL_CHAIN_ID;
use crate::checked::check_plan;
use crate::client::Client;
use crate::home::{DEVICE, Device, Home, Online};
use crate::output::{Exit, Failure};

/// How long a payment may take to be signed.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often the device's own database is looked at while a key is made.
const LOOK: Duration = Duration::from_millis(2);
const KEYGEN_PATIENCE: Duration = Duration::from_secs(60);
/// What the server calls a plan that another request has outdated.
const OUTDATED: &str = "plan-outdated";
/// Who receives the payments of the benchmark.
const RECEIVER: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

/// An unlocked device at work, who pays from one account.
pub(super) struct Payer {
    client: Client,
    device: Device,
    charters: Vec<Hashed<Charter>>,
    _online: Online,
}

/// What came of payments one after the other.
pub(super) struct Latencies(Vec<Duration>);

/// What came of payments side by side.
pub(super) struct Throughput {
    signed: u64,
    /// Plans that another request outdated, and that had to be asked for again.
    pub(super) repeated: u64,
    pub(super) took: Duration,
}

impl Payer {
    /// Unlocks the device, brings it online, and makes `count` accounts, 2-of-3 among device, co-signer
    /// and guardian. Tells how long each took from the proposal until it was in force on the device.
    pub(super) async fn new(home: &Home, count: usize) -> anyhow::Result<(Self, Vec<Duration>)> {
        let client = home.client()?;
        let device = home.unlock()?;
        let known = client.parties().await?;
        let mut own = device.card.clone();
        own.entity = account::own_entity(&device, Template::Enterprise, &known);
        let mut cards = vec![own.clone()];
        for node in ["cosigner", "guardian"] {
            cards.push(account::node_card(home, &known, &node.parse()?, None)?);
        }
        let (runtime, online) = device.online(&client, own);
        ready(&runtime).await?;
        let (mut charters, mut times) = (Vec::new(), Vec::new());
        for _ in 0..count.max(1) {
            let proposal = account::propose(&device, Template::Enterprise, 2, cards.clone(), None, None)?;
            let account = proposal.document.terms.account;
            let began = Instant::now();
            client.account_create(&AccountCreate { proposal }).await?;
            charters.push(Hashed::new(in_force(&device, account, began, 1).await?.document));
            times.push(began.elapsed());
        }
        Ok((Self { client, device, charters, _online: online }, times))
    }

    /// Makes another account of the same parties and gives it new shares `count` times; how long each took
    /// from the proposal until the new charter was in force on the device.
    pub(super) async fn reshare(&self, count: usize) -> anyhow::Result<Vec<Duration>> {
        let cards = self.charters.first().context("there is an account")?.terms.parties.clone();
        let proposal = account::propose(&self.device, Template::Enterprise, 2, cards, None, None)?;
        let account = proposal.document.terms.account;
        self.client.account_create(&AccountCreate { proposal }).await?;
        let mut charter = in_force(&self.device, account, Instant::now(), 1).await?.document;
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            let me: PartyName = DEVICE.parse()?;
            let resharing = Resharing {
                charter: charter.digest(),
                terms: charter.terms.clone(),
                dealers: [me.clone(), "cosigner".parse()?].into(),
                proposer: me.clone(),
                created_at: cohold_node::now(),
                engine: charter.engine,
            };
            let resharing = Signed::by(resharing, me, &self.device.keys.identity);
            let began = Instant::now();
            self.client.reshare_create(account, &ReshareCreate { resharing, consent: None }).await?;
            charter = in_force(&self.device, account, began, charter.version + 1).await?.document;
            times.push(began.elapsed());
            // The next one needs all parties under this charter.
            while self.client.reshares(account).await?.first().is_some_and(|last| !last.untold.is_empty()) {
                tokio::time::sleep(LOOK).await;
            }
        }
        Ok(times)
    }

    /// The accounts that pay.
    pub(super) fn charters(&self) -> &[Hashed<Charter>] {
        &self.charters
    }

    /// Pays `count` times, one after the other, from one account.
    pub(super) async fn one_by_one(&self, count: usize) -> anyhow::Result<Latencies> {
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            let began = Instant::now();
            self.pay(0).await?;
            times.push(began.elapsed());
        }
        times.sort_unstable();
        Ok(Latencies(times))
    }

    /// Pays for some time, with `width` payments under way at any moment, from all accounts in turn;
    /// only those that were signed within the time count.
    pub(super) async fn side_by_side(
        self: &Arc<Self>,
        width: usize,
        time: Duration,
    ) -> anyhow::Result<Throughput> {
        let (began, signed, repeated) =
            (Instant::now(), Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let mut payers = tokio::task::JoinSet::new();
        for lane in 0..width {
            let (this, signed, repeated) = (Arc::clone(self), Arc::clone(&signed), Arc::clone(&repeated));
            payers.spawn(async move {
                while began.elapsed() < time {
                    match this.pay(lane).await {
                        Ok(()) if began.elapsed() <= time => drop(signed.fetch_add(1, Ordering::Relaxed)),
                        Ok(()) => {}
                        Err(error) if outdated(&error) => drop(repeated.fetch_add(1, Ordering::Relaxed)),
                        Err(error) => return Err(error),
                    }
                }
                Ok(())
            });
        }
        while let Some(ended) = payers.join_next().await {
            ended??;
        }
        let (signed, repeated) = (signed.load(Ordering::Relaxed), repeated.load(Ordering::Relaxed));
        Ok(Throughput { signed, repeated, took: time })
    }

    /// One payment, until its signature is known, from the account whose turn it is in this lane.
    async fn pay(&self, lane: usize) -> anyhow::Result<()> {
        let charter = self.charters.iter().cycle().nth(lane).context("no account was made")?;
        let request = RequestId::random(&mut cohold_node::rng());
        let intent = Intent {
            request,
            account: charter.terms.account,
            chain_id: LOCAL_CHAIN_ID,
            action: Action::Transfer {
                asset: Asset::Native,
                to: RECEIVER.into(),
                amount: Amount::parse("1", 0)?,
            },
            requester: DEVICE.parse()?,
            expires_at: cohold_node::now() + 600,
            path: KeyPath::ROOT,
        };
        let view = self.client.request_create(&RequestCreate { intent: intent.clone() }).await?;
        check_plan(&intent, &view.plan, &self.device.rules)?;
        let approval = approve(&self.device, charter, &intent, &view.plan)?;
        let body = ApprovalCreate { approval, signers: Some(signers(charter)?) };
        let mut view = self.client.approve(request, &body).await?;
        let began = Instant::now();
        while view.status < Status::Signed {
            anyhow::ensure!(began.elapsed() < PATIENCE, "a payment is not signed: {}", told(&view));
            view = self.client.request_wait(request, Status::Signed).await?;
        }
        if view.status == Status::Expired {
            return Err(Failure::error(Exit::Failed, OUTDATED, told(&view)));
        }
        let fine = !matches!(view.status, Status::Refused | Status::Reverted);
        anyhow::ensure!(fine, "a payment came to nothing: {}", told(&view));
        Ok(())
    }
}

/// The device and the co-signer.
fn signers(charter: &Charter) -> anyhow::Result<Vec<PartyIndex>> {
    let index = |name: &str| {
        let found = charter.terms.party(&name.parse()?).map(|(index, _)| index);
        found.with_context(|| format!("`{name}` is not in the account"))
    };
    let mut signers = vec![index(DEVICE)?, index("cosigner")?];
    signers.sort();
    Ok(signers)
}

impl Throughput {
    /// How many were signed.
    pub(super) fn signed(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a count of seconds' worth of signatures")]
        let signed = self.signed as f64;
        signed
    }
}

impl Latencies {
    /// The time within which this share of the payments was signed.
    pub(super) fn quantile(&self, share: f64) -> Duration {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a position in a list")]
        let position = (self.0.len().saturating_sub(1) as f64 * share).round() as usize;
        self.0.get(position).copied().unwrap_or_default()
    }
}

async fn ready(runtime: &Runtime) -> anyhow::Result<()> {
    anyhow::ensure!(runtime.ready(Duration::from_secs(10)).await, "the relay at the server does not answer");
    Ok(())
}

async fn in_force(
    device: &Device,
    account: AccountId,
    began: Instant,
    version: u32,
) -> anyhow::Result<Signed<Charter>> {
    loop {
        let active = device.keeper.store().account_show(account)?;
        if let Some(active) = active.filter(|active| active.charter.document.version == version) {
            return Ok(active.charter);
        }
        anyhow::ensure!(began.elapsed() < KEYGEN_PATIENCE, "no key was made in time");
        tokio::time::sleep(LOOK).await;
    }
}

fn outdated(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Failure>().is_some_and(|failure| failure.code == OUTDATED)
}

fn told(view: &RequestView) -> String {
    format!("{} {}", view.status, view.reason.as_deref().unwrap_or_default())
}
