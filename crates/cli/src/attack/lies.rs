//! A coalition that has the server is the coordinator: what it may say to the honest parties, and what
//! they answer. Stolen parties take their seats in the sessions.

mod usurp;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use anyhow::Context as _;
use cohold_chain_evm::assemble::RawSignature;
use cohold_chain_evm::{Address, Facts, assemble, plan, signing_digest};
use cohold_chain_io::{Broadcast, Chain};
use cohold_model::account::{Card, PartyKind, Proposal};
use cohold_model::charter::Charter;
use cohold_model::ids::PartyIndex;
use cohold_model::intent::Asset;
use cohold_model::statement::{Allowance, FeeBound, Statement};
use cohold_model::{Amount, Document as _, HexBytes, IdentityKey, Signed};
use cohold_mpc::{Envelope, PartyKeys, SessionContext};
use cohold_mpc_ecdsa::SigningDigest;
use cohold_party::engine::SigningSession;
use cohold_party::wire::{FromParty, Message, SignOrder, ToParty};
use cohold_relay::{Address as Mail, Link};
use tokio::sync::mpsc;

use super::lent::above;
use super::loot::{Coordinator, Tried};
use super::orders::{Approved, Theft, VALID_SECONDS, Wish, approval, forged};
use super::plunder::Stolen;
use super::strategy::Strategy;
use crate::hostile::{Answer, Hostile};

/// The most payments that are asked for to find the end of a day's limit.
const DAY_PAYMENTS_MAX: u64 = 64;
/// Envelopes that wait for the thief's own seats.
const INBOX: usize = 256;

/// The thief as coordinator.
pub(crate) struct Liar<'a> {
    charter: &'a Charter,
    /// The same, signed by all its parties.
    in_force: &'a Signed<Charter>,
    chain: &'a Chain,
    to: Address,
    approved: Option<Approved>,
    stolen: &'a BTreeMap<PartyIndex, Stolen>,
    hostile: Hostile,
    honest: Vec<Card>,
    seats: BTreeMap<PartyIndex, Link>,
    inbox: mpsc::Receiver<(PartyIndex, Envelope)>,
    _tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl<'a> Liar<'a> {
    /// Takes the coordinator's address, waits for the honest parties, and takes the thief's seats.
    pub(crate) async fn sit(
        in_force: &'a Signed<Charter>,
        chain: &'a Chain,
        at: &Coordinator,
        stolen: &'a BTreeMap<PartyIndex, Stolen>,
        approved: Option<Approved>,
        to: Address,
    ) -> anyhow::Result<Self> {
        let mut hostile = Hostile::listen(&at.address).await?;
        let charter = &in_force.document;
        let terms = &charter.terms;
        let honest: Vec<Card> =
            at.honest.iter().filter_map(|party| Some(terms.party(party)?.1.clone())).collect();
        let mut awaited: HashSet<IdentityKey> = honest.iter().map(|card| card.identity).collect();
        while !awaited.is_empty() {
            if let (from, FromParty::Hello { .. }) = hostile.hear().await? {
                awaited.remove(&from);
            }
        }
        let (envelopes, inbox) = mpsc::channel(INBOX);
        let (mut seats, mut tasks) = (BTreeMap::new(), Vec::new());
        for (index, party) in stolen.iter().filter(|(_, party)| party.key.is_some()) {
            let (_, card) = terms.party(&party.party).context("a party of another account")?;
            let url = format!("ws://{}{}", at.address, cohold_api::route::RELAY);
            let mut relay = cohold_node::service::connect(url, card, &party.keys);
            seats.insert(*index, relay.link());
            let (index, envelopes) = (*index, envelopes.clone());
            tasks.push(tokio::spawn(async move {
                while let Some(parcel) = relay.recv().await {
                    if let Ok(Message::<ToParty>::Sealed(envelope)) = Message::decode(&parcel.body)
                        && envelopes.send((index, *envelope)).await.is_err()
                    {
                        return;
                    }
                }
            }));
        }
        let _tasks = tasks;
        Ok(Self { charter, in_force, chain, to, approved, stolen, hostile, honest, seats, inbox, _tasks })
    }

    /// Every lie, to every honest party.
    pub(crate) async fn tell_all(&mut self) -> anyhow::Result<Vec<Tried>> {
        let mut tried = Vec::new();
        for card in self.honest.clone() {
            let told = self.tell(&card).await.with_context(|| format!("lying to `{}`", card.party))?;
            tried.extend(told.into_iter().map(|tried| tried.against(&card.party)));
        }
        Ok(tried)
    }

    async fn tell(&mut self, to: &Card) -> anyhow::Result<Vec<Tried>> {
        let signers = self.signers(to);
        let theft = self.theft(Amount::from(1), &Asset::Native, 0).await?;
        let mut orders = forged(self.charter, &theft, self.approved.as_ref(), &signers)?;
        orders.extend(self.dressed(&theft, &signers).await?);
        let mut tried = Vec::new();
        for (strategy, order) in orders {
            let payload = order.plan.payload.clone();
            tried.push(match (strategy, self.put(order, to).await?) {
                (Strategy::Replay, Answer::Signed(signature)) => self.replayed(&payload, &signature).await?,
                (_, answer) => judged(strategy, &answer),
            });
        }
        let said = self.statement(to).await?;
        tried.push(self.forge_charter(to, &theft, &signers, &said).await?);
        tried.push(self.second_key(to, &said).await?);
        tried.push(self.abandon(to, &said).await?);
        tried.push(self.loosen(to).await?);
        tried.extend(self.usurp(to, &said).await?);
        if to.kind == PartyKind::Device && self.approver().is_some() {
            let answer = self.put(self.truly_approved(&theft, &signers)?, to).await?;
            tried.push(judged(Strategy::AnotherApprover, &answer));
        } else if self.approver().is_some() {
            for allowance in said.allowances {
                tried.extend(self.over(to, &signers, &allowance).await?);
                tried.extend(self.all_day(to, &signers, &allowance).await?);
            }
            for fees in said.fees {
                tried.push(self.over_fees(to, &signers, &fees).await?);
            }
        }
        Ok(tried)
    }

    /// Orders with the best papers that the coalition has, and something wrong with them.
    async fn dressed(
        &self,
        theft: &Theft,
        signers: &[PartyIndex],
    ) -> anyhow::Result<Vec<(Strategy, SignOrder)>> {
        let (charter, until) = (self.charter, cohold_node::now() + VALID_SECONDS);
        let mut orders = Vec::new();
        let approvers = &charter.terms.approvers;
        for party in self.stolen.values().filter(|party| !approvers.contains(&party.party)) {
            let own = approval(charter, &theft.plan, &party.party, &party.keys.identity, until);
            orders.push((Strategy::OwnApproval, theft.order(charter, vec![own], signers)));
        }
        // Without an approver's key these two fail for that reason first.
        let Some(approver) = self.approver() else { return Ok(orders) };
        let signed =
            |plan: &_, until| vec![approval(charter, plan, &approver.party, &approver.keys.identity, until)];
        let mut elsewhere = theft.clone();
        elsewhere.intent.chain_id = 1;
        let from = Address::of_public_key(&charter.key.public_key.0)?;
        let facts = self.chain.gather_facts(from, &theft.intent).await?;
        elsewhere.plan = plan(&elsewhere.intent, &Facts { chain_id: 1, ..facts })?;
        let approvals = signed(&elsewhere.plan, until);
        orders.push((Strategy::OtherChain, elsewhere.order(charter, approvals, signers)));
        let mut late = theft.clone();
        late.intent.expires_at = cohold_node::now().saturating_sub(1000);
        late.plan.intent = late.intent.digest();
        let approvals = signed(&late.plan, late.intent.expires_at);
        orders.push((Strategy::LongExpired, late.order(charter, approvals, signers)));
        Ok(orders)
    }

    /// Signed once more are the same bytes: the chain has taken them, and takes them no second time.
    async fn replayed(&self, payload: &HexBytes, signature: &HexBytes) -> anyhow::Result<Tried> {
        let (r, rest) = signature.0.split_first_chunk().context("a signature is cut")?;
        let (s, id) = rest.split_first_chunk().context("a signature is cut")?;
        let recovery_id = id.first().copied().context("a signature is cut")?;
        let signature = RawSignature { r: *r, s: *s, recovery_id };
        let signed = assemble(&payload.0, &signature, &self.charter.key.public_key.0)?;
        let tried = Tried::stopped(Strategy::Replay, 1, "");
        Ok(match self.chain.broadcast(&signed).await? {
            Broadcast::Rejected(rejection) => {
                let outcome = format!("it signed the same bytes again; the chain: {}", rejection.reason);
                Tried { outcome, ..tried }
            }
            Broadcast::AlreadyKnown => {
                Tried { outcome: "it gave the same transaction again".into(), ..tried }
            }
            Broadcast::Accepted => {
                Tried { stopped: false, outcome: "the chain took the same payment again".into(), ..tried }
            }
        })
    }

    /// A charter in which the thief approves, signed by the thief in everybody's name.
    async fn forge_charter(
        &mut self,
        to: &Card,
        theft: &Theft,
        signers: &[PartyIndex],
        before: &Statement,
    ) -> anyhow::Result<Tried> {
        let thief = new_keys()?;
        let mut charter = self.charter.clone();
        let approver = charter.terms.approvers.first().context("nobody approves")?.clone();
        for card in charter.terms.parties.iter_mut().filter(|card| card.party == approver) {
            (card.identity, card.seal) = (thief.identity(), thief.seal_key());
        }
        let names: Vec<_> = charter.terms.parties.iter().map(|card| card.party.clone()).collect();
        let signature = thief.identity.sign(&charter.digest());
        let mut signed = Signed::by(charter.clone(), approver.clone(), &thief.identity);
        signed.signatures.extend(names.into_iter().map(|name| (name, signature)));
        for party in self.stolen.values() {
            let own = party.keys.identity.sign(&charter.digest());
            signed.signatures.insert(party.party.clone(), own);
        }
        self.hostile.say(to.identity, &ToParty::Charter { charter: signed }).await?;
        let until = cohold_node::now() + VALID_SECONDS;
        let own = approval(&charter, &theft.plan, &approver, &thief.identity, until);
        let answer = self.put(theft.order(&charter, vec![own], signers), to).await?;
        let tried = judged(Strategy::ForgedCharter, &answer);
        self.unmoved(to, before, tried).await
    }

    async fn second_key(&mut self, to: &Card, before: &Statement) -> anyhow::Result<Tried> {
        let thief = new_keys()?;
        let mut terms = self.charter.terms.clone();
        let own = terms.parties.iter().position(|card| card.party != to.party).unwrap_or_default();
        let name = terms.parties.get(own).map(|card| card.party.clone()).context("no other party")?;
        for card in terms.parties.iter_mut().filter(|card| card.party == name) {
            (card.identity, card.seal) = (thief.identity(), thief.seal_key());
        }
        let proposal =
            Proposal { terms, proposer: name.clone(), created_at: cohold_node::now(), import: None };
        let proposal = Signed::by(proposal, name, &thief.identity);
        self.hostile.say(to.identity, &ToParty::Keygen { proposal }).await?;
        let tried = Tried::stopped(Strategy::SecondKey, 1, "it keeps its key and its charter");
        self.unmoved(to, before, tried).await
    }

    async fn abandon(&mut self, to: &Card, before: &Statement) -> anyhow::Result<Tried> {
        let account = self.charter.terms.account;
        self.hostile.say(to.identity, &ToParty::Abandon { account }).await?;
        let tried = Tried::stopped(Strategy::Abandon, 1, "it keeps the account");
        self.unmoved(to, before, tried).await
    }

    /// Other rules, which outsiders would gain by: without the user's consent they never come into force.
    async fn loosen(&mut self, to: &Card) -> anyhow::Result<Tried> {
        let rules = format!(
            "accept = \"any\"\n[[chain]]\nid = {}\ncoin = \"ETH\"\nfee_max = \"1000\"\n\
             [[chain.asset]]\nreceivers = \"any\"\n",
            self.chain.chain_id().await?
        );
        let words = ToParty::RulesPropose { account: self.charter.terms.account, rules };
        self.refused(to, &words, Strategy::LooseRules, "it took them").await
    }

    /// Says what a party should refuse; `taken` is what came of it where it does not.
    async fn refused(
        &mut self,
        to: &Card,
        words: &ToParty,
        strategy: Strategy,
        taken: &str,
    ) -> anyhow::Result<Tried> {
        self.hostile.say(to.identity, words).await?;
        loop {
            if let (from, FromParty::Rules(answer)) = self.hostile.hear().await?
                && from == to.identity
                && answer.to == words.digest()
            {
                let tried = Tried::stopped(strategy, 1, "");
                return Ok(match answer.refusal {
                    Some(refusal) => Tried { outcome: refusal.message, ..tried },
                    None => Tried { stopped: false, outcome: taken.into(), ..tried },
                });
            }
        }
    }

    /// Whether a party still holds what it held, under the charter that it kept.
    async fn unmoved(&mut self, to: &Card, before: &Statement, tried: Tried) -> anyhow::Result<Tried> {
        let now = self.statement(to).await?;
        let same =
            (now.charter, now.epoch, now.held_since) == (before.charter, before.epoch, before.held_since);
        if same {
            return Ok(tried);
        }
        Ok(Tried { stopped: false, outcome: "it holds something else now".into(), ..tried })
    }

    /// One base unit above what is let through at once.
    async fn over(
        &mut self,
        to: &Card,
        signers: &[PartyIndex],
        allowance: &Allowance,
    ) -> anyhow::Result<Option<Tried>> {
        let Some(amount) = above(allowance) else { return Ok(None) };
        let Ok(theft) = self.theft(amount, &allowance.asset, 0).await else { return Ok(None) };
        let answer = self.put(self.truly_approved(&theft, signers)?, to).await?;
        Ok(Some(judged(Strategy::OverLimit, &answer)))
    }

    /// As much as is let through at once, until the day's limit is reached. What is signed stays with
    /// the thief: taking it is what the model says that it can.
    async fn all_day(
        &mut self,
        to: &Card,
        signers: &[PartyIndex],
        allowance: &Allowance,
    ) -> anyhow::Result<Option<Tried>> {
        let (Some(day), Some(once)) = (allowance.per_day, allowance.per_transaction) else { return Ok(None) };
        let (index, _) = self.charter.terms.party(&to.party).context("a party of another account")?;
        if !signers.iter().all(|signer| *signer == index || self.seats.contains_key(signer)) {
            return Ok(None);
        }
        let mut sum = Amount::ZERO;
        for count in 0..DAY_PAYMENTS_MAX {
            let Ok(theft) = self.theft(once, &allowance.asset, count).await else { return Ok(None) };
            let answer = self.put(self.truly_approved(&theft, signers)?, to).await?;
            match answer {
                Answer::Signed(_) => sum = sum.checked_add(once).context("too much")?,
                Answer::Refused(refusal) => {
                    let most = day.format(allowance.decimals);
                    let outcome = format!(
                        "{} {symbol} in {count} payments of at most {most} {symbol} a day, then: {refusal}",
                        sum.format(allowance.decimals),
                        symbol = allowance.symbol,
                    );
                    let tries = u32::try_from(count + 1).unwrap_or(u32::MAX);
                    let tried = Tried::stopped(Strategy::DayLimit, tries, outcome);
                    return Ok(Some(Tried { stopped: sum <= day, ..tried }));
                }
                Answer::Broken(why) => anyhow::bail!("an honest session broke off: {why}"),
            }
        }
        Ok(Some(Tried {
            stopped: false,
            ..Tried::stopped(Strategy::DayLimit, u32::MAX, "no end of the day's limit was found")
        }))
    }

    fn truly_approved(&self, theft: &Theft, signers: &[PartyIndex]) -> anyhow::Result<SignOrder> {
        let approver = self.approver().context("no approver's key")?;
        let until = cohold_node::now() + VALID_SECONDS;
        let own = approval(self.charter, &theft.plan, &approver.party, &approver.keys.identity, until);
        Ok(theft.order(self.charter, vec![own], signers))
    }

    fn approver(&self) -> Option<&'a Stolen> {
        self.stolen.values().find(|party| self.charter.terms.approvers.contains(&party.party))
    }

    /// This party, those whose seats the thief can take, and then the other honest ones.
    fn signers(&self, to: &Card) -> Vec<PartyIndex> {
        let terms = &self.charter.terms;
        let index = |card: &Card| terms.party(&card.party).map(|(index, _)| index);
        let first = index(to).into_iter().chain(self.seats.keys().copied());
        let all = first.chain(self.honest.iter().filter_map(index)).chain(terms.indexed().map(|(i, _)| i));
        let mut signers: Vec<PartyIndex> = Vec::new();
        for index in all {
            if signers.len() < usize::from(terms.threshold) && !signers.contains(&index) {
                signers.push(index);
            }
        }
        signers.sort_unstable();
        signers
    }

    async fn theft(&self, amount: Amount, asset: &Asset, later: u64) -> anyhow::Result<Theft> {
        let requester = self.charter.terms.approvers.first().context("nobody approves")?;
        let wish = Wish { asset: asset.clone(), to: self.to, amount };
        let change = |facts: &mut Facts| facts.nonce = facts.nonce.saturating_add(later);
        Theft::plan_with(self.charter, self.chain, requester, &wish, change).await
    }

    /// A payment of next to nothing whose fee is above what a party lets go.
    async fn over_fees(
        &mut self,
        to: &Card,
        signers: &[PartyIndex],
        fees: &FeeBound,
    ) -> anyhow::Result<Tried> {
        let requester = self.charter.terms.approvers.first().context("nobody approves")?;
        let wish = Wish { asset: Asset::Native, to: self.to, amount: Amount::from(1) };
        let change = |facts: &mut Facts| {
            let gas = u128::from(facts.gas_estimate.max(1));
            let most = u128::try_from(fees.per_transaction.0).unwrap_or(u128::MAX);
            facts.max_priority_fee_per_gas = (most / gas).saturating_add(1);
        };
        let theft = Theft::plan_with(self.charter, self.chain, requester, &wish, change).await?;
        let answer = self.put(self.truly_approved(&theft, signers)?, to).await?;
        Ok(judged(Strategy::OverFees, &answer))
    }

    /// What a party says that it holds.
    async fn statement(&mut self, of: &Card) -> anyhow::Result<Statement> {
        let account = self.charter.terms.account;
        self.hostile.say(of.identity, &ToParty::Statement { account }).await?;
        loop {
            if let (from, FromParty::Statement(said)) = self.hostile.hear().await?
                && from == of.identity
            {
                return Ok(said.document);
            }
        }
    }

    /// Gives an order to all honest signers, plays the thief's own seats, and returns what `to` says.
    async fn put(&mut self, order: SignOrder, to: &Card) -> anyhow::Result<Answer> {
        let session = order.session();
        let honest: Vec<IdentityKey> = self.honest_signers(&order).collect();
        let mut runs = self.seated(&order);
        for party in honest.into_iter().filter(|party| *party != to.identity).chain([to.identity]) {
            self.hostile.say(party, &ToParty::Sign(Box::new(order.clone()))).await?;
        }
        for (index, run) in &mut runs {
            if let Ok(first) = run.start(&mut cohold_node::rng()) {
                send(self.charter, self.seats.get(index), first).await;
            }
        }
        loop {
            tokio::select! {
                heard = self.hostile.hear() => match heard? {
                    (from, _) if from != to.identity => {}
                    (_, FromParty::Refused { session: of, refusal, .. }) if of == session => {
                        return Ok(Answer::Refused(refusal));
                    }
                    (_, FromParty::Broken { session: of, reason, .. }) if of == session => {
                        return Ok(Answer::Broken(reason));
                    }
                    (_, FromParty::Signature { session: of, signature, .. }) if of == session => {
                        return Ok(Answer::Signed(signature));
                    }
                    _ => {}
                },
                Some((index, envelope)) = self.inbox.recv() => {
                    if let Some(run) = runs.get_mut(&index)
                        && let Ok(answer) = run.receive(&envelope, &mut cohold_node::rng())
                    {
                        send(self.charter, self.seats.get(&index), answer).await;
                    }
                }
            }
        }
    }

    fn honest_signers(&self, order: &SignOrder) -> impl Iterator<Item = IdentityKey> {
        let cards = order.signers.iter().filter_map(|index| self.charter.terms.party_at(*index));
        cards.filter(|card| self.honest.contains(card)).map(|card| card.identity)
    }

    /// The thief's own part in a session, for every seat that it has.
    fn seated(&self, order: &SignOrder) -> BTreeMap<PartyIndex, SigningSession> {
        let mut runs = BTreeMap::new();
        for index in order.signers.iter().filter(|index| self.seats.contains_key(index)) {
            let Some(Stolen { key: Some(key), keys, .. }) = self.stolen.get(index) else { continue };
            let peers = order.signers.iter().filter(|peer| *peer != index);
            let peers = peers.filter_map(|peer| Some((*peer, self.charter.terms.party_at(*peer)?.seal)));
            let context = SessionContext {
                account: self.charter.terms.account,
                epoch: self.charter.epoch,
                session: order.session(),
                me: *index,
                peers: peers.collect(),
            };
            let digest = SigningDigest(signing_digest(&order.plan.payload.0));
            let wanted = (digest, &order.intent.path);
            // What cannot even be begun is not played; the order is given all the same.
            let (engine, mut rng, nobody) = (self.charter.engine, cohold_node::rng(), BTreeSet::new());
            let (own, draw) = ((&*key.share, &key.auxiliary), (&**keys, &mut rng));
            if let Ok(run) = SigningSession::new(engine, context, own, &nobody, wanted, draw) {
                runs.insert(*index, run);
            }
        }
        runs
    }
}

async fn send(charter: &Charter, seat: Option<&Link>, envelopes: Vec<Envelope>) {
    let Some(seat) = seat else { return };
    for envelope in envelopes {
        let Some(card) = charter.terms.party_at(envelope.to) else { continue };
        if let Ok(body) = Message::<FromParty>::encode_sealed(&envelope) {
            drop(seat.send(Mail::Party(card.identity), body).await);
        }
    }
}

/// A signature is a theft; a broken session is a party that took part.
fn judged(strategy: Strategy, answer: &Answer) -> Tried {
    match answer {
        Answer::Refused(refusal) => Tried::stopped(strategy, 1, refusal.message.clone()),
        Answer::Broken(why) => {
            let outcome = format!("it took part, and the session broke off: {why}");
            Tried { stopped: false, ..Tried::stopped(strategy, 1, outcome) }
        }
        Answer::Signed(HexBytes(bytes)) => {
            let outcome = format!("it signed: {} bytes", bytes.len());
            Tried { stopped: false, ..Tried::stopped(strategy, 1, outcome) }
        }
    }
}

fn new_keys() -> anyhow::Result<PartyKeys> {
    let mut seed = zeroize::Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut())?;
    Ok(PartyKeys::from_seed(&seed))
}
