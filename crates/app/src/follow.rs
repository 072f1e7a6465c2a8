//! What becomes of a transaction: handed over, mined, deep enough, or undone again.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cohold_chain_evm::Address;
use cohold_chain_io::Inclusion;
use cohold_model::receipt::Status;
use cohold_model::{PartyName, RequestId};
use cohold_store::crash_point;
use cohold_store::server::{RequestRow, Settlement};
use futures_util::StreamExt as _;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::coordinator::{ChainEntry, Coordinator, lock};
use crate::error::Error;

/// Chain id of local development chains, whose blocks come at once.
const DEVELOPMENT_CHAIN: u64 = 31337;
const PERIOD_DEVELOPMENT: Duration = Duration::from_millis(500);
const PERIOD: Duration = Duration::from_secs(4);
/// The longest pause after failures.
const PERIOD_MAX: Duration = Duration::from_secs(60);
/// The most requests that are read, and looked at, at a time.
const TURN_MAX: u32 = 500;
const AT_A_TIME: usize = 16;
/// How often another transaction must be seen in the place of one before that one is given up.
const GONE_SEEN_MIN: u32 = 5;

/// After a transaction was handed over, how long others may come to be looked at with it.
const TOGETHER: Duration = Duration::from_millis(10);

/// What the followers of all chains know.
#[derive(Debug)]
pub(crate) struct Follower {
    /// How often each request's nonce was seen used by another transaction. Lost in a restart, counted
    /// again.
    gone: Mutex<HashMap<RequestId, u32>>,
    /// By chain: something was handed over.
    handed_over: BTreeMap<u64, Notify>,
}

impl Follower {
    pub(crate) fn new(chains: impl Iterator<Item = u64>) -> Self {
        let handed_over = chains.map(|chain_id| (chain_id, Notify::new())).collect();
        Self { gone: Mutex::default(), handed_over }
    }
}

impl Coordinator {
    /// Follows one chain for ever.
    pub(crate) async fn follow(self: Arc<Self>, chain_id: u64) {
        let period = if chain_id == DEVELOPMENT_CHAIN { PERIOD_DEVELOPMENT } else { PERIOD };
        let Some(handed_over) = self.follower.handed_over.get(&chain_id) else { return };
        let (mut pause, mut looked) = (period, HashMap::new());
        loop {
            if timeout(pause, handed_over.notified()).await.is_ok() {
                tokio::time::sleep(TOGETHER).await;
            }
            pause = match self.follow_turn(chain_id, &mut looked).await {
                Ok(()) => period,
                Err(error) => {
                    let detail = error.internal();
                    tracing::warn!(chain_id, %error, detail, "the chain cannot be followed now");
                    pause.saturating_mul(2).min(PERIOD_MAX)
                }
            };
        }
    }

    /// Looks at all that is not settled, once for each head of the chain: `looked` is the head at which
    /// each was looked at last.
    async fn follow_turn(&self, chain_id: u64, looked: &mut HashMap<RequestId, u64>) -> Result<(), Error> {
        let entry = self.chain(chain_id)?;
        let rows = self.stored(move |store| store.request_list_settling(chain_id, TURN_MAX)).await?;
        if rows.is_empty() {
            looked.clear();
            return Ok(());
        }
        let head = entry.chain.block_number().await;
        let head = head.map_err(|error| Error::ChainUnreachable(entry.view.chain_id, error))?;
        let is_news = |row: &RequestRow| {
            let request = row.intent.request;
            row.status == Status::Signed
                || looked.get(&request) != Some(&head)
                || lock(&self.follower.gone).contains_key(&request)
        };
        let (news, known): (Vec<_>, Vec<_>) = rows.into_iter().partition(is_news);
        let known = known.into_iter().map(|row| row.intent.request);
        let looks = futures_util::stream::iter(news).map(|row| async move {
            let (request, was_signed) = (row.intent.request, row.status == Status::Signed);
            match self.look(entry, head, row).await {
                Ok(()) => (!was_signed).then_some(request),
                Err(error) => {
                    let detail = error.internal();
                    tracing::warn!(%request, %error, detail, "a transaction cannot be followed now");
                    None
                }
            }
        });
        let seen: Vec<_> = looks.buffer_unordered(AT_A_TIME).collect().await;
        *looked = known.chain(seen.into_iter().flatten()).map(|request| (request, head)).collect();
        Ok(())
    }

    /// Has the follower of a development chain look soon, as that one makes a block for each transaction.
    pub(crate) fn follow_soon(&self, chain_id: u64) {
        if chain_id == DEVELOPMENT_CHAIN
            && let Some(handed_over) = self.follower.handed_over.get(&chain_id)
        {
            handed_over.notify_one();
        }
    }

    async fn look(&self, entry: &ChainEntry, head: u64, row: RequestRow) -> Result<(), Error> {
        if row.status == Status::Signed {
            return self.request_broadcast(&row).await;
        }
        let hash: [u8; 32] = row
            .transaction_hash
            .as_ref()
            .and_then(|hash| hash.0.as_slice().try_into().ok())
            .ok_or(Error::Corrupt("a submitted request without its hash"))?;
        let unreachable = |error| Error::ChainUnreachable(entry.view.chain_id, error);
        match entry.chain.inclusion(&hash).await.map_err(unreachable)? {
            Some(inclusion) => self.included(entry, head, &row, &inclusion).await,
            None => self.not_included(entry, hash, &row).await,
        }
    }

    async fn included(
        &self,
        entry: &ChainEntry,
        head: u64,
        row: &RequestRow,
        inclusion: &Inclusion,
    ) -> Result<(), Error> {
        let (request, block, now) = (row.intent.request, inclusion.block_number, self.now());
        lock(&self.follower.gone).remove(&request);
        let deep = head.saturating_sub(block) >= u64::from(entry.view.confirmations);
        let settlement = match (inclusion.succeeded, deep) {
            (true, false) => {
                if self.stored(move |store| store.request_mined(request, block, now)).await? {
                    self.bells.ring(request);
                    tracing::info!(%request, block, "mined");
                }
                crash_point!("server.mined");
                return Ok(());
            }
            // A failure ends the request, so it must be past undoing.
            (false, false) => return Ok(()),
            (true, true) => (Status::Final, None),
            (false, true) => (
                Status::Reverted,
                Some(format!("the chain undid it in block {block}; only the fee was paid")),
            ),
        };
        let (status, reason) = settlement;
        let settlement = Settlement { status, block, reason, signers: self.signer_names(row).await? };
        if self.stored(move |store| store.request_settle(request, &settlement, now)).await? {
            self.bells.ring(request);
            tracing::info!(%request, %status, block, "settled");
        }
        crash_point!("server.settled");
        Ok(())
    }

    /// Who signed together, for the receipt.
    async fn signer_names(&self, row: &RequestRow) -> Result<Vec<PartyName>, Error> {
        let charter = self.charter(row.intent.account)?;
        let parties = row.signers.iter().filter_map(|index| charter.document.terms.party_at(*index));
        Ok(parties.map(|card| card.party.clone()).collect())
    }

    /// Not in a block, or not any more: the same bytes are handed over again if nobody knows them.
    async fn not_included(&self, entry: &ChainEntry, hash: [u8; 32], row: &RequestRow) -> Result<(), Error> {
        let (request, now) = (row.intent.request, self.now());
        if row.status == Status::Mined {
            tracing::warn!(%request, "the block of a transaction was undone");
            self.stored(move |store| store.request_unmined(request, now)).await?;
            self.bells.ring(request);
        }
        let unreachable = |error| Error::ChainUnreachable(entry.view.chain_id, error);
        match entry.chain.transaction(&hash).await.map_err(unreachable)? {
            Some(_) => Ok(()),
            None => self.request_broadcast(row).await,
        }
    }

    /// The chain says that the nonce is used and does not know the transaction. Endpoints contradict
    /// themselves for moments, so it must be seen again and again before the request is given up.
    pub(crate) async fn request_gone(
        &self,
        row: &RequestRow,
        from: Address,
        nonce: u64,
    ) -> Result<(), Error> {
        let (request, chain_id) = (row.intent.request, row.intent.chain_id);
        let chain = &self.chain(chain_id)?.chain;
        let unreachable = |error| Error::ChainUnreachable(chain_id, error);
        if chain.nonce_latest(from).await.map_err(unreachable)? <= nonce {
            lock(&self.follower.gone).remove(&request);
            return Ok(());
        }
        let seen = {
            let mut gone = lock(&self.follower.gone);
            let seen = gone.entry(request).or_insert(0);
            *seen = seen.saturating_add(1);
            *seen
        };
        if seen < GONE_SEEN_MIN {
            return Ok(());
        }
        lock(&self.follower.gone).remove(&request);
        let reason = format!(
            "another transaction of the account used nonce {nonce}, so this one is void and paid nothing"
        );
        self.request_end(request, Status::Refused, reason).await
    }
}
