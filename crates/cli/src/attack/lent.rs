//! Using what honest nodes let through: the thief comes online as the party that it robbed, at the real
//! server, and has the real node sign along.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use cohold_api::{ApprovalCreate, RequestCreate};
use cohold_chain_evm::Address;
use cohold_model::account::Proposal;
use cohold_model::charter::Charter;
use cohold_model::ids::PartyIndex;
use cohold_model::intent::Asset;
use cohold_model::receipt::Status;
use cohold_model::statement::{Allowance, Receivers, Sealing};
use cohold_model::{AccountId, Amount, Hashed, PartyName, SessionId, Signed};
use cohold_node::OpenedKey;
use cohold_node::keeper::{KeepError, Keeper, Kept};
use cohold_party::create::Made;
use cohold_party::verify::Reservation;
use cohold_party::{Refusal, Rules};

use super::loot::{Goal, Known, Reach, Spoils, Taken, Tried};
use super::orders::{VALID_SECONDS, Wish, approval, intent};
use super::plunder::Stolen;
use super::strategy::Strategy;
use crate::client::Client;
use crate::home::{Online, start};
use crate::output::Failure;

/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(90);
/// How often a payment is planned anew.
const PLANS_MAX: u32 = 10;
/// Which part of a day's limit is taken.
const DAYS_PART: u128 = 20;

/// The keeper of a thief: it counts nothing, bans nobody, forgets nothing.
struct Unruly {
    charter: Charter,
    key: Arc<OpenedKey>,
}

/// A thief at the real server.
pub(crate) struct Customer<'a> {
    known: &'a Known,
    reach: &'a Reach,
    client: Client,
    stolen: &'a BTreeMap<PartyIndex, Stolen>,
    _online: Vec<Online>,
}

/// What became of a request.
enum Came {
    Mined(String),
    Refused(String),
}

impl<'a> Customer<'a> {
    /// Puts every stolen party that can sign with others on the relay.
    pub(crate) async fn come(
        known: &'a Known,
        reach: &'a Reach,
        stolen: &'a BTreeMap<PartyIndex, Stolen>,
    ) -> anyhow::Result<Self> {
        let client = Client::new(&reach.url, &reach.token)?;
        let charter = &known.charter.document;
        let mut online = Vec::new();
        for party in stolen.values() {
            let Some(key) = party.key.clone() else { continue };
            let (_, card) = charter.terms.party(&party.party).context("a party of another account")?;
            let keeper = Arc::new(Unruly { charter: charter.clone(), key });
            let rules = lax(reach, known.chain_id)?;
            let (runtime, stop) = start(&client, card.clone(), Arc::clone(&party.keys), rules, keeper);
            anyhow::ensure!(runtime.ready(Duration::from_secs(20)).await, "the relay does not answer");
            online.push(stop);
        }
        Ok(Self { known, reach, client, stolen, _online: online })
    }

    /// Takes within a limit, after it was refused more.
    pub(crate) async fn within(&self, goal: &Goal, to: Address, spoils: &mut Spoils) -> anyhow::Result<()> {
        let Some(lender) = goal.lender() else { return Ok(()) };
        let signers = match self.signers(lender) {
            Ok(signers) => signers,
            Err(why) => {
                spoils.unplayable.push((goal.power().into(), why));
                return Ok(());
            }
        };
        let wish = match goal {
            Goal::Within { allowance, .. } => {
                if let Some(tried) = self.over(allowance, to, &signers).await? {
                    spoils.tried.push(tried.against(lender));
                }
                let to = match &allowance.receivers {
                    Receivers::Only(list) => list.first().context("nobody may receive")?.parse()?,
                    Receivers::Any => to,
                };
                Wish { asset: allowance.asset.clone(), to, amount: part_of(allowance) }
            }
            // The least that can be moved: its fee is what is lost.
            Goal::Move | Goal::Reshare { .. } | Goal::Burn { .. } => {
                Wish { asset: Asset::Native, to, amount: Amount::from(1) }
            }
        };
        let power = goal.power().to_owned();
        match self.ask(&wish, &signers).await? {
            Came::Mined(hash) => spoils.taken.push(Taken {
                power,
                hash,
                asset: wish.asset,
                amount: wish.amount,
                to: wish.to.to_string(),
            }),
            Came::Refused(why) => spoils.failed.push((power, why)),
        }
        Ok(())
    }

    /// One base unit above what the node lets through at once.
    async fn over(
        &self,
        allowance: &Allowance,
        to: Address,
        signers: &[PartyIndex],
    ) -> anyhow::Result<Option<Tried>> {
        let Some(amount) = above(allowance) else { return Ok(None) };
        let wish = Wish { asset: allowance.asset.clone(), to, amount };
        let said = match self.ask(&wish, signers).await {
            Ok(Came::Refused(why)) => why,
            Ok(Came::Mined(hash)) => {
                let outcome = format!("mined above the limit: {hash}");
                let tried = Tried::stopped(Strategy::OverLimit, 1, outcome);
                return Ok(Some(Tried { stopped: false, ..tried }));
            }
            Err(error) => match error.downcast_ref::<Failure>() {
                Some(failure) => format!("not even asked: {}", failure.message),
                None => return Err(error),
            },
        };
        Ok(Some(Tried::stopped(Strategy::OverLimit, 1, said)))
    }

    /// A forged approval, where the thief has no better: the server looks at it first.
    pub(crate) async fn forge(known: &Known, reach: &Reach, to: Address) -> anyhow::Result<Tried> {
        let client = Client::new(&reach.url, &reach.token)?;
        let charter = &known.charter.document;
        let forger = cohold_model::IdentitySecret::random(&mut cohold_node::rng());
        let requester = charter.terms.approvers.first().context("nobody approves")?;
        let wish = Wish { asset: Asset::Native, to, amount: Amount::from(1) };
        let intent = intent(charter, known.chain_id, requester, &wish);
        let view = client.request_create(&RequestCreate { intent }).await?;
        let until = cohold_node::now() + VALID_SECONDS;
        let approval = approval(charter, &view.plan, requester, &forger, until);
        let answer = client.approve(view.request, &ApprovalCreate { approval, signers: None }).await;
        // Its place in the account's order goes to whoever comes next.
        drop(client.request_cancel(view.request).await);
        let tried = Tried::stopped(Strategy::ForgedAtServer, 1, "");
        Ok(match answer {
            Err(error) => Tried { outcome: format!("{error:#}"), ..tried },
            Ok(view) => Tried { stopped: false, outcome: format!("the request is {}", view.status), ..tried },
        })
    }

    /// The lender, and the thief's own parties; other nodes where that is not enough.
    fn signers(&self, lender: &PartyName) -> Result<Vec<PartyIndex>, String> {
        let terms = &self.known.charter.document.terms;
        let threshold = usize::from(terms.threshold);
        let (lender, _) = terms.party(lender).ok_or("the lender is no party of the account")?;
        let able = self.stolen.values().filter(|party| party.key.is_some() && party.index != lender);
        let mut signers = vec![lender];
        signers.extend(able.map(|party| party.index).take(threshold.saturating_sub(1)));
        let nodes = terms.indexed().filter(|(_, card)| {
            let lends = self.reach.allowances.iter().any(|(party, _)| *party == card.party);
            lends && card.kind.is_node()
        });
        let others = nodes.map(|(index, _)| index);
        for other in others {
            if signers.len() < threshold && !signers.contains(&other) {
                signers.push(other);
            }
        }
        signers.sort_unstable();
        if signers.len() == threshold {
            return Ok(signers);
        }
        Err("the engine's data for the pair lies at neither of these places, and no order has a node make \
             it anew"
            .into())
    }

    /// Asks for a payment until it is mined or refused.
    async fn ask(&self, wish: &Wish, signers: &[PartyIndex]) -> anyhow::Result<Came> {
        for _ in 0..PLANS_MAX {
            match self.ask_once(wish, signers).await {
                Ok(Some(came)) => return Ok(came),
                Err(error) if !is_outdated(&error) => return Err(error),
                Ok(None) | Err(_) => {}
            }
        }
        anyhow::bail!("other payments of the account always come first")
    }

    /// Asks for a payment, approves it with a stolen key, and waits for what becomes of it. None if
    /// another request of the account came first: asked again, it gets another place.
    async fn ask_once(&self, wish: &Wish, signers: &[PartyIndex]) -> anyhow::Result<Option<Came>> {
        let charter = &self.known.charter.document;
        let approver = self.stolen.values().find(|party| charter.terms.approvers.contains(&party.party));
        let by = approver.or(self.stolen.values().next()).context("no share is open")?;
        let intent = intent(charter, self.known.chain_id, &by.party, wish);
        let view = self.client.request_create(&RequestCreate { intent }).await?;
        let until = cohold_node::now() + VALID_SECONDS;
        let approval = approval(charter, &view.plan, &by.party, &by.keys.identity, until);
        let body = ApprovalCreate { approval, signers: Some(signers.to_vec()) };
        let mut view = self.client.approve(view.request, &body).await?;
        let began = Instant::now();
        loop {
            match view.status {
                Status::Expired => return Ok(None),
                Status::Refused | Status::Reverted => {
                    let why = view.reason.unwrap_or_else(|| view.status.to_string());
                    return Ok(Some(Came::Refused(why)));
                }
                Status::Mined | Status::Final => {
                    let hash = view.transaction_hash.context("a mined request has no transaction")?;
                    return Ok(Some(Came::Mined(hash.to_string())));
                }
                Status::Pending | Status::Approved | Status::Signed | Status::Submitted => {}
            }
            anyhow::ensure!(began.elapsed() < PATIENCE, "the request is still {}", view.status);
            view = self.client.request_wait(view.request, Status::Mined).await?;
        }
    }
}

fn is_outdated(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Failure>().is_some_and(|failure| failure.code == "plan-outdated")
}

/// One base unit above what is let through at once, or in a day.
pub(crate) fn above(allowance: &Allowance) -> Option<Amount> {
    let bound = allowance.per_transaction.or(allowance.per_day)?;
    bound.checked_add(Amount::from(1))
}

/// A small part of what is let through in a day.
fn part_of(allowance: &Allowance) -> Amount {
    let part = allowance.per_day.map(|day| Amount(day.0 / Amount::from(DAYS_PART).0));
    let part = part.filter(|part| !part.is_zero());
    let once = allowance.per_transaction;
    match (part, once) {
        (Some(part), Some(once)) => part.min(once),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => Amount::from(1),
    }
}

/// Rules of a thief: everything that the nodes know, without limits.
fn lax(reach: &Reach, chain_id: u64) -> anyhow::Result<Rules> {
    let mut text = format!(
        "accept = []\n[[chain]]\nid = {chain_id}\ncoin = \"ETH\"\nfee_max = \"1000000\"\n\
         [[chain.asset]]\nreceivers = \"any\"\n"
    );
    let mut tokens = BTreeMap::new();
    for (_, allowance) in reach.allowances.iter().filter(|(_, allowance)| allowance.chain_id == chain_id) {
        if let Asset::Token(contract) = &allowance.asset {
            tokens.insert(contract, (&allowance.symbol, allowance.decimals));
        }
    }
    for (contract, (symbol, decimals)) in tokens {
        text += &format!(
            "[[chain.asset]]\ntoken = \"{contract}\"\nsymbol = \"{symbol}\"\ndecimals = {decimals}\nreceivers = \"any\"\n"
        );
    }
    Ok(Rules::parse(&text)?)
}

impl Keeper for Unruly {
    fn keygen_begin(&self, _: &Signed<Proposal>, session: SessionId, _: u64) -> Result<(), KeepError> {
        Err(KeepError::Used(session.to_string()))
    }

    fn keygen_keep(&self, made: &Made, _: u64) -> Result<(), KeepError> {
        Err(KeepError::Unknown(made.charter.terms.account))
    }

    fn keygen_drop(&self, _: AccountId) -> Result<(), KeepError> {
        Ok(())
    }

    fn pending(&self) -> Result<Vec<Charter>, KeepError> {
        Ok(Vec::new())
    }

    fn activate(&self, _: &Signed<Charter>, _: u64) -> Result<(), KeepError> {
        Ok(())
    }

    fn kept(&self, account: AccountId) -> Result<Kept, KeepError> {
        if account != self.charter.terms.account {
            return Err(KeepError::Unknown(account));
        }
        Ok(Kept {
            charter: Arc::new(Hashed::new(self.charter.clone())),
            banned: Default::default(),
            held_since: 0,
        })
    }

    fn sealing(&self) -> Sealing {
        Sealing::KeyFile
    }

    fn reserve(&self, _: &Reservation, _: u64) -> Result<(), Refusal> {
        Ok(())
    }

    fn open(&self, _: &Kept) -> Result<Arc<OpenedKey>, KeepError> {
        Ok(Arc::clone(&self.key))
    }

    fn ban(&self, _: AccountId, _: PartyIndex, _: &str, _: u64) -> Result<(), KeepError> {
        Ok(())
    }
}
