//! Presignatures that nodes have ready, by their own word. What is wrong here costs time and nothing else: a
//! party that does not have what an order names says so, and the next session goes without.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cohold_model::charter::Charter;
use cohold_model::{
    AccountId, Digest, Engine, Hashed, IdentityKey, PartyIndex, PresignatureIndex, SessionId,
};
use cohold_party::wire::{PresignOrder, ToParty};
use tokio::time::Instant;

use crate::coordinator::{Coordinator, lock};
use crate::error::Error;

/// The most that are remembered of a signing set, and the most signing sets.
const HELD_MAX: usize = 64;
const SETS_MAX: usize = 1024;
/// How long a run is waited for.
const RUN_TIMEOUT: Duration = Duration::from_secs(150);
/// How long nothing is asked of parties that made none.
const PAUSE: Duration = Duration::from_secs(60);

/// What is ready, by signing set.
#[derive(Debug, Default)]
pub(crate) struct Presigned(Mutex<HashMap<Place, Stock>>);

type Place = (AccountId, Vec<PartyIndex>);

#[derive(Debug)]
struct Stock {
    /// Under which charter.
    charter: Digest,
    /// Who says that it has which.
    held: BTreeMap<PresignatureIndex, BTreeSet<PartyIndex>>,
    /// For how many all of them have room.
    room: u8,
    /// The run that is under way.
    run: Option<SessionId>,
    /// When another run may be asked for, whatever became of that one.
    next: Instant,
}

impl Stock {
    fn new(charter: Digest) -> Self {
        Self { charter, held: BTreeMap::new(), room: u8::MAX, run: None, next: Instant::now() }
    }

    fn ready(&self, signers: usize) -> impl Iterator<Item = PresignatureIndex> {
        self.held.iter().filter(move |(_, by)| by.len() == signers).map(|(index, _)| *index)
    }
}

impl Coordinator {
    /// The presignature that these have ready, given out once; whatever was made before it is gone as well.
    pub(crate) fn presignature_take(
        &self,
        charter: &Hashed<Charter>,
        signers: &[PartyIndex],
    ) -> Option<PresignatureIndex> {
        let mut stocks = lock(&self.presigned.0);
        let stock = stocks.get_mut(&(charter.terms.account, signers.to_vec()))?;
        if stock.charter != charter.digest() {
            return None;
        }
        let index = stock.ready(signers.len()).next()?;
        stock.held.retain(|held, _| *held > index);
        Some(index)
    }

    /// Forgets what these have ready, as one of them does not.
    pub(crate) fn presignatures_forget(&self, account: AccountId, signers: &[PartyIndex]) {
        if let Some(stock) = lock(&self.presigned.0).get_mut(&(account, signers.to_vec())) {
            stock.held.clear();
        }
    }

    /// Asks these for one more, where they are nodes, are there and have too few.
    pub(crate) async fn presign_more(&self, charter: &Hashed<Charter>, signers: &[PartyIndex]) {
        let cards: Option<Vec<_>> = signers.iter().map(|index| charter.terms.party_at(*index)).collect();
        let Some(cards) = cards else { return };
        if charter.engine != Engine::Cggmp24
            || !cards.iter().all(|card| card.kind.is_node() && self.is_online(&card.identity))
        {
            return;
        }
        let Ok(run) = getrandom::u64() else { return };
        let (account, charter) = (charter.terms.account, charter.digest());
        let order = PresignOrder { account, charter, signers: signers.to_vec(), run };
        if !self.presigned.begin(&order) {
            return;
        }
        for card in cards {
            self.tell(&card.identity, &ToParty::Presign(order.clone())).await;
        }
    }

    /// A party has one ready. Once all have it, they are asked for the next.
    pub(crate) async fn presigned_take(
        self: &Arc<Self>,
        sender: IdentityKey,
        of: (AccountId, Digest),
        signers: Vec<PartyIndex>,
        (index, room): (PresignatureIndex, u8),
    ) -> Result<(), Error> {
        let charter = self.charter(of.0)?;
        let terms = &charter.document.terms;
        let by = terms.party_by_identity(&sender).map(|(by, _)| by).filter(|by| signers.contains(by));
        let Some(by) = by.filter(|_| charter.document.digest() == of.1) else { return Ok(()) };
        let named = signers.len() == usize::from(terms.threshold) && signers.is_sorted_by(|a, b| a < b);
        if named && self.presigned.add(&(of.0, signers.clone()), of.1, by, (index, room)) {
            self.presign_more(&charter.document, &signers).await;
        }
        Ok(())
    }

    /// A party made none: nothing is asked of its set for a while.
    pub(crate) fn presign_failed(&self, account: AccountId, session: SessionId, reason: &str) {
        let mut stocks = lock(&self.presigned.0);
        let of = |(place, stock): &(&Place, &mut Stock)| place.0 == account && stock.run == Some(session);
        if let Some((_, stock)) = stocks.iter_mut().find(of) {
            let reason: String = reason.chars().filter(|c| !c.is_control()).take(200).collect();
            tracing::debug!(%account, reason, "no presignature was made");
            (stock.run, stock.next) = (None, Instant::now() + PAUSE);
        }
    }
}

impl Presigned {
    /// Notes that a run begins; `false` where none should.
    fn begin(&self, order: &PresignOrder) -> bool {
        let (mut stocks, now) = (lock(&self.0), Instant::now());
        let place = (order.account, order.signers.clone());
        if stocks.len() >= SETS_MAX && !stocks.contains_key(&place) {
            stocks.clear();
        }
        let stock = stocks.entry(place).or_insert_with(|| Stock::new(order.charter));
        if stock.charter != order.charter {
            *stock = Stock::new(order.charter);
        }
        if stock.next > now || stock.ready(order.signers.len()).count() >= usize::from(stock.room) {
            return false;
        }
        (stock.run, stock.next) = (Some(order.session()), now + RUN_TIMEOUT);
        true
    }

    /// Notes who has one; whether all of its signers do by now.
    fn add(
        &self,
        place: &Place,
        charter: Digest,
        by: PartyIndex,
        (index, room): (PresignatureIndex, u8),
    ) -> bool {
        let mut stocks = lock(&self.0);
        if stocks.len() >= SETS_MAX && !stocks.contains_key(place) {
            stocks.clear();
        }
        let stock = stocks.entry(place.clone()).or_insert_with(|| Stock::new(charter));
        if stock.charter != charter {
            *stock = Stock::new(charter);
        }
        stock.room = stock.room.min(room);
        while stock.held.len() >= HELD_MAX && !stock.held.contains_key(&index) {
            stock.held.pop_first();
        }
        let holders = stock.held.entry(index).or_default();
        holders.insert(by);
        let complete = holders.len() == place.1.len();
        if complete {
            (stock.run, stock.next) = (None, Instant::now());
        }
        complete
    }
}
