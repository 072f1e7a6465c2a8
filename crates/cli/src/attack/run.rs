//! One attack: its folder, its process, and what the chain says afterwards.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use cohold_chain_evm::Address;
use cohold_chain_io::Chain;
use cohold_custody::extract::Called;
use cohold_custody::{Answer, Model, explain};
use cohold_model::account::PartyKind;
use cohold_model::charter::Charter;
use cohold_model::intent::Asset;
use cohold_model::statement::Statement;
use cohold_model::{Amount, PartyName, Signed};
use cohold_vault::file::private_folder;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::coalition::Play;
use super::honest::Honest;
use super::loot::{Coordinator, Goal, Known, Reach, Spoils, Taken};
use super::mirror::{self, Mirrored};
use super::places::{Place, Places};
use super::plunder::Loot;
use super::report::{Attack, Outcome};
use crate::chain::{child, fund, fund_token};
use crate::dev::free_port;

/// How long one attacker may take.
const PATIENCE: Duration = Duration::from_secs(300);
/// What an account has at least before it is attacked, in whole coins.
const COINS: &str = "10";
const COIN_DECIMALS: u8 = 18;
/// The most of an attacker's words that a failure repeats.
const SAID_BYTES_MAX: usize = 2000;

/// Where attacks take place.
pub(crate) struct Field {
    pub(crate) places: Places,
    pub(crate) chain: Chain,
    pub(crate) chain_id: u64,
    pub(crate) rpc: String,
    pub(crate) server: Option<Reach>,
    pub(crate) turns: Arc<Turns>,
}

/// What attacks that are run side by side must not do at once.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    /// Come as the same party: the relay knows one login of each.
    relay: Mutex<()>,
    /// Spend the local chain's own money: its transactions are numbered.
    treasury: Mutex<()>,
}

/// Whom they are aimed at.
pub(crate) struct Target {
    pub(crate) charter: Signed<Charter>,
    pub(crate) model: Model,
    /// What the model calls its parties.
    pub(crate) called: Called,
    /// What its parties have said of themselves.
    pub(crate) said: Vec<Statement>,
}

/// What the account has, and how many transactions it has sent.
#[derive(PartialEq, Eq)]
struct Purse {
    nonce: u64,
    coins: Amount,
}

/// Plays one coalition and judges by the chain.
pub(crate) async fn attack(field: &Field, target: &Target, play: &Play) -> anyhow::Result<Attack> {
    let began = Instant::now();
    let mut report = Attack::of(target, play);
    if let Some(why) = &play.unplayable {
        report.why = Some(why.clone());
        return Ok(report);
    }
    let folder = tempfile::Builder::new().prefix("cohold-attack-").tempdir()?;
    let account = crate::account::address(&target.charter.document)?;
    provide(field, account, play).await?;
    let before = Purse::of(&field.chain, account).await?;
    let spoils = rob(field, target, play, folder.path()).await?;
    let after = Purse::of(&field.chain, account).await?;
    let contradiction = judge(field, target, play, &spoils, &before, &after).await?;
    report.tell(play, spoils, contradiction);
    report.seconds = began.elapsed().as_secs_f64();
    Ok(report)
}

/// Carries off what the coalition has, and lets the attacker loose on it.
async fn rob(field: &Field, target: &Target, play: &Play, folder: &Path) -> anyhow::Result<Spoils> {
    let (charter, loot) = (&target.charter.document, folder.join("loot"));
    private_folder(&loot)?;
    field.places.carry_off(charter, &play.coalition, &loot)?;
    let coordinator = coordinator(field, target, play)?;
    let mirrored = match &field.server {
        Some(reach) if mirror::is_wanted(target, play)? => {
            Some(Mirrored::start(field, reach, target, play, &folder.join("mirror")).await?)
        }
        _ => None,
    };
    let known = Known {
        charter: target.charter.clone(),
        chain_id: field.chain_id,
        rpc: field.rpc.clone(),
        goals: play.goals.clone(),
        beyond: play.beyond,
        server: field.server.clone(),
        coordinator: coordinator.clone(),
        mirror: mirrored.as_ref().map(|mirrored| mirrored.mirror.clone()),
    };
    known.write(&loot)?;
    let lends = play.goals.iter().any(|goal| goal.lender().is_some());
    let _turn = if lends { Some(field.turns.relay.lock().await) } else { None };
    let honest = async {
        match &coordinator {
            None => Ok(None),
            Some(Coordinator { address, honest }) => {
                let others = folder.join("others");
                private_folder(&others)?;
                Honest::start(&field.places, charter, honest, address, &others).await.map(Some)
            }
        }
    };
    let log = folder.join("log");
    let (spoils, honest) = tokio::join!(attacker(&loot, &log), honest);
    drop(honest?);
    spoils
}

/// What PKCS#11 modules find their tokens by.
const TOKEN_VARIABLES: [&str; 3] = ["SOFTHSM2_CONF", "YUBIHSM_PKCS11_CONF", "ChrystokiConfigurationPath"];

/// Starts the attacker: its folder is all that it is given, its environment is empty but for the way to a
/// hardware token that the coalition has.
async fn attacker(loot: &Path, log: &Path) -> anyhow::Result<Spoils> {
    let own = std::env::current_exe()?;
    let mut command = child(&own);
    command.args(["attacker", "--json"]).arg(loot).env_clear().current_dir(loot);
    if !Loot::survey(loot)?.tokens.is_empty() {
        command.envs(TOKEN_VARIABLES.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    }
    let errors = std::fs::File::create(log)?;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors).kill_on_drop(true);
    let ended = timeout(PATIENCE, command.spawn()?.wait_with_output()).await;
    let ended = ended.context("the attacker does not come to an end")??;
    if ended.status.success() {
        return serde_json::from_slice(&ended.stdout).context("the attacker's report is not understood");
    }
    let said = std::fs::read_to_string(log).unwrap_or_default();
    let from = said.char_indices().rev().nth(SAID_BYTES_MAX).map_or(0, |(at, _)| at);
    anyhow::bail!("the attacker broke down: {}", said.get(from..).unwrap_or_default().trim())
}

/// Whoever has the server is the coordinator of everybody whom the coalition does not have.
fn coordinator(field: &Field, target: &Target, play: &Play) -> anyhow::Result<Option<Coordinator>> {
    let charter = &target.charter.document;
    let mut has_server = false;
    for atom in &play.coalition {
        has_server |= field.places.place(charter, atom)? == Place::Server;
    }
    if !play.beyond || !has_server {
        return Ok(None);
    }
    let mut honest: Vec<PartyName> = Vec::new();
    for card in charter.terms.parties.iter().filter(|card| card.kind != PartyKind::Recovery) {
        let power = format!("use:{}", target.called.party(&card.party));
        let answer = explain(&target.model, &power, &play.coalition)?.answer;
        if matches!(answer, Answer::No { .. }) {
            honest.push(card.party.clone());
        }
    }
    Ok(Some(Coordinator { address: format!("127.0.0.1:{}", free_port()?), honest }))
}

/// Gives the account play money, so that there is something to take, and to be refused.
async fn provide(field: &Field, account: Address, play: &Play) -> anyhow::Result<()> {
    let _turn = field.turns.treasury.lock().await;
    let coins = Amount::parse(COINS, COIN_DECIMALS)?;
    if field.chain.balance(account).await? < coins {
        fund(&field.chain, account, coins).await?;
    }
    let lent = play.goals.iter().filter_map(|goal| match goal {
        Goal::Within { allowance, .. } => Some(allowance.as_ref()),
        Goal::Move | Goal::Reshare { .. } | Goal::Burn { .. } => None,
    });
    let said = field.server.iter().flat_map(|server| &server.allowances).map(|(_, allowance)| allowance);
    let wanted: Vec<_> = if play.beyond { lent.chain(said).collect() } else { lent.collect() };
    for allowance in wanted {
        let (Asset::Token(contract), Some(amount)) = (&allowance.asset, super::lent::above(allowance)) else {
            continue;
        };
        let token: Address = contract.parse()?;
        // Several nodes lend one after the other, and each must have something to refuse.
        let amount = Amount(amount.0.saturating_mul(Amount::from(4).0));
        if field.chain.token_balance(token, account).await? < amount {
            fund_token(&field.chain, token, account, amount).await?;
        }
    }
    Ok(())
}

/// What contradicts the model, by the chain's own word.
async fn judge(
    field: &Field,
    target: &Target,
    play: &Play,
    spoils: &Spoils,
    before: &Purse,
    after: &Purse,
) -> anyhow::Result<Option<String>> {
    let account = crate::account::address(&target.charter.document)?;
    for taken in &spoils.taken {
        let goal = play.goals.iter().find(|goal| goal.power() == taken.power);
        if let Some(what) = unlike(field, account, goal, taken, spoils).await? {
            return Ok(Some(what));
        }
    }
    let sent = u64::try_from(spoils.taken.len())?;
    if after.nonce != before.nonce.saturating_add(sent) {
        return Ok(Some(format!(
            "the account sent {} transactions",
            after.nonce.saturating_sub(before.nonce)
        )));
    }
    if spoils.taken.is_empty() && after != before {
        return Ok(Some("the account's money moved".into()));
    }
    if let Some((power, why)) = spoils.failed.first() {
        return Ok(Some(format!("the model says that it has `{power}`, and it failed: {why}")));
    }
    let reached = |goal: &Goal| {
        let power = goal.power();
        let left = spoils.unplayable.iter().chain(&spoils.waits);
        spoils.taken.iter().any(|taken| taken.power == power)
            || left.map(|(unplayable, _)| unplayable).any(|unplayable| unplayable == power)
    };
    if let Some(goal) = play.goals.iter().find(|goal| !reached(goal)) {
        return Ok(Some(format!("nothing was taken by `{}`", goal.power())));
    }
    let through = spoils.tried.iter().find(|tried| !tried.stopped);
    Ok(through.map(|tried| {
        let against = tried.against.as_ref().map(|party| format!(" against `{party}`")).unwrap_or_default();
        format!("{}{against}: {}", tried.strategy.words(), tried.outcome)
    }))
}

/// How a transaction differs from what the attacker says of it.
async fn unlike(
    field: &Field,
    account: Address,
    goal: Option<&Goal>,
    taken: &Taken,
    spoils: &Spoils,
) -> anyhow::Result<Option<String>> {
    let hash = cohold_model::HexBytes::try_from(taken.hash.clone()).map_err(|e| anyhow::anyhow!(e))?;
    let hash: [u8; 32] = hash.0.try_into().map_err(|_| anyhow::anyhow!("`{}` is no hash", taken.hash))?;
    let inclusion = field.chain.inclusion(&hash).await?;
    let mined = inclusion.is_some_and(|inclusion| inclusion.succeeded);
    let from = field.chain.transaction(&hash).await?.map(|known| known.from);
    if !mined || from != Some(account) {
        return Ok(Some(format!("`{}` is no mined transaction of the account", taken.hash)));
    }
    if let (Some(Goal::Burn { fees, .. }), Some(inclusion)) = (goal, inclusion)
        && (inclusion.fee().is_zero() || inclusion.fee() > fees.per_transaction)
    {
        return Ok(Some(format!("`{}` burnt {} wei", taken.hash, inclusion.fee())));
    }
    let to: Address = taken.to.parse()?;
    let has = match &taken.asset {
        Asset::Native => field.chain.balance(to).await?,
        Asset::Token(contract) => field.chain.token_balance(contract.parse()?, to).await?,
    };
    // Everything of this asset that went to the thief, whose address is new.
    let mut same = spoils.taken.iter().filter(|other| (&other.asset, &other.to) == (&taken.asset, &taken.to));
    let sum = same.try_fold(Amount::ZERO, |sum, other| sum.checked_add(other.amount));
    let enough = sum.is_some_and(|sum| has >= sum);
    Ok((!enough).then(|| format!("`{}` did not bring the thief {}", taken.hash, taken.amount)))
}

impl Purse {
    async fn of(chain: &Chain, account: Address) -> anyhow::Result<Self> {
        Ok(Self { nonce: chain.nonce_pending(account).await?, coins: chain.balance(account).await? })
    }
}

impl Outcome {
    /// What came of goals and attempts, where the chain does not contradict the model.
    pub(crate) fn of(play: &Play, spoils: &Spoils) -> Self {
        let whole = |taken: &Taken| play.goals.iter().any(|g| g.is_everything() && g.power() == taken.power);
        match spoils.taken.iter().any(whole) {
            true => Self::Moved,
            false if !spoils.taken.is_empty() => Self::MovedWithin,
            false if play.goals.is_empty() => Self::Held,
            false if !spoils.waits.is_empty() => Self::NotWaited,
            false => Self::NotOffered,
        }
    }
}
