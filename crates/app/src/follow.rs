//! What becomes of a transaction: handed over, mined, deep enough, or undone again.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cohold_chain_evm::Address;
use cohold_chain_io::Inclusion;
use cohold_model::receipt::Status;
use cohold_model::{PartyName, RequestId};
use cohold_store::crash_point;
use cohold_store::server::{Found, RequestRow, Settlement};
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
    /// Signed requests that are being handed over right now.
    on_the_way: Mutex<HashSet<RequestId>>,
    /// By chain: something was handed over.
    handed_over: BTreeMap<u64, Notify>,
}

/// Keeps the follower from handing over what is on its way already.
pub(crate) struct OnTheWay {
    app: Arc<Coordinator>,
    request: RequestId,
}

impl Follower {
    pub(crate) fn new(chains: impl Iterator<Item = u64>) -> Self {
        let handed_over = chains.map(|chain_id| (chain_id, Notify::new())).collect();
        Self { gone: Mutex::default(), on_the_way: Mutex::default(), handed_over }
    }
}

impl Drop for OnTheWay {
    fn drop(&mut self) {
        lock(&self.app.follower.on_the_way).remove(&self.request);
    }
}

impl Coordinator {
    /// Follows one chain for ever.
    pub(crate) async fn follow(self: Arc<Self>, chain_id: u64) {
        let period = if chain_id == DEVELOPMENT_CHAIN { PERIOD_DEVELOPMENT } else { PERIOD };
        let Some(handed_over) = self.follower.handed_over.get(&chain_id) else { return };
        let (mut pause, mut looked, mut at_once) = (period, HashMap::new(), true);
        loop {
            let nudge = async || if at_once { handed_over.notified().await } else { pending().await };
            let nudged = timeout(pause, nudge()).await.is_ok();
            if nudged {
                tokio::time::sleep(TOGETHER).await;
            }
            pause = match self.follow_turn(chain_id, &mut looked).await {
                Ok(found) => {
                    // Where blocks come in their own time, there is no use in looking before.
                    at_once = found || !nudged;
                    period
                }
                Err(error) => {
                    let detail = error.internal();
                    tracing::warn!(chain_id, %error, detail, "the chain cannot be followed now");
                    pause.saturating_mul(2).min(PERIOD_MAX)
                }
            };
        }
    }

    /// Looks at all that is not settled, once for each head of the chain: `looked` is the head at which
    /// each was looked at last. Returns false if something waits and no block has any of it.
    async fn follow_turn(&self, chain_id: u64, looked: &mut HashMap<RequestId, u64>) -> Result<bool, Error> {
        let entry = self.chain(chain_id)?;
        let rows = self.stored(move |store| store.request_list_settling(chain_id, TURN_MAX)).await?;
        if rows.is_empty() {
            looked.clear();
            return Ok(true);
        }
        let head = entry.chain.block_number().await;
        let head = head.map_err(|error| Error::ChainUnreachable(chain_id, error))?;
        let is_news = |row: &RequestRow| {
            let request = row.intent.request;
            row.status == Status::Signed
                || looked.get(&request) != Some(&head)
                || lock(&self.follower.gone).contains_key(&request)
        };
        let (news, known): (Vec<_>, Vec<_>) = rows.into_iter().partition(is_news);
        let (signed, waiting): (Vec<_>, Vec<_>) =
            news.into_iter().partition(|row| row.status == Status::Signed);
        self.hand_over_again(signed).await;
        let (seen, found) = self.look(entry, head, waiting).await?;
        let known = known.into_iter().map(|row| row.intent.request);
        *looked = known.chain(seen).map(|request| (request, head)).collect();
        Ok(found)
    }

    /// Has the follower of a development chain look soon, as that one may make a block for each
    /// transaction.
    pub(crate) fn follow_soon(&self, chain_id: u64) {
        if chain_id == DEVELOPMENT_CHAIN
            && let Some(handed_over) = self.follower.handed_over.get(&chain_id)
        {
            handed_over.notify_one();
        }
    }

    /// Has the follower leave a signed request alone while somebody hands it over.
    pub(crate) fn on_the_way(self: &Arc<Self>, request: RequestId) -> OnTheWay {
        lock(&self.follower.on_the_way).insert(request);
        OnTheWay { app: Arc::clone(self), request }
    }

    /// Hands over what was signed and reached no chain: a stop or an endpoint came between.
    async fn hand_over_again(&self, signed: Vec<RequestRow>) {
        let left = |row: &RequestRow| !lock(&self.follower.on_the_way).contains(&row.intent.request);
        let left: Vec<_> = signed.into_iter().filter(left).collect();
        let sent = futures_util::stream::iter(left).map(|row| async move {
            if let Err(error) = self.request_broadcast(&row).await {
                not_followed(row.intent.request, &error);
            }
        });
        sent.buffer_unordered(AT_A_TIME).collect::<()>().await;
    }

    /// Looks where these are. Returns those that need no other look before the next block, and whether a
    /// block has any.
    async fn look(
        &self,
        entry: &ChainEntry,
        head: u64,
        waiting: Vec<RequestRow>,
    ) -> Result<(Vec<RequestId>, bool), Error> {
        let hashes: Vec<[u8; 32]> = waiting.iter().map(hash_of).collect::<Result<_, _>>()?;
        let unreachable = |error| Error::ChainUnreachable(entry.view.chain_id, error);
        let inclusions = entry.chain.inclusions(&hashes).await.map_err(unreachable)?;
        let (mut found, mut missing, mut looked) = (Vec::new(), Vec::new(), Vec::new());
        for (row, inclusion) in waiting.into_iter().zip(inclusions) {
            let request = row.intent.request;
            match inclusion {
                Ok(Some(inclusion)) => {
                    lock(&self.follower.gone).remove(&request);
                    found.extend(self.found(entry, head, &row, &inclusion)?.map(|found| (request, found)));
                    looked.push(request);
                }
                Ok(None) => missing.push(row),
                Err(error) => not_followed(request, &unreachable(error)),
            }
        }
        let any = !looked.is_empty();
        self.note(found).await?;
        let searched = futures_util::stream::iter(missing).map(|row| async move {
            let request = row.intent.request;
            let missed = self.not_included(entry, &row).await;
            missed.map_err(|error| not_followed(request, &error)).ok().map(|()| request)
        });
        looked.extend(
            searched.buffer_unordered(AT_A_TIME).filter_map(async |one| one).collect::<Vec<_>>().await,
        );
        Ok((looked, any))
    }

    /// Notes what was found, all in one write, and tells whoever waits for it.
    async fn note(&self, found: Vec<(RequestId, Found)>) -> Result<(), Error> {
        if found.is_empty() {
            return Ok(());
        }
        let now = self.now();
        for (request, found) in self.stored(move |store| store.request_found(found, now)).await? {
            self.bells.ring(request);
            match found {
                Found::Mined { block, .. } => {
                    tracing::info!(%request, block, "mined");
                    crash_point!("server.mined");
                }
                Found::Settled(Settlement { status, block, .. }) => {
                    tracing::info!(%request, %status, block, "settled");
                    crash_point!("server.settled");
                }
            }
        }
        Ok(())
    }

    /// What a block that has the transaction means for its request; nothing while that may change.
    fn found(
        &self,
        entry: &ChainEntry,
        head: u64,
        row: &RequestRow,
        inclusion: &Inclusion,
    ) -> Result<Option<Found>, Error> {
        let block = inclusion.block_number;
        let deep = head.saturating_sub(block) >= u64::from(entry.view.confirmations);
        let settled = |status, reason| {
            let signers = self.signer_names(row)?;
            Ok(Some(Found::Settled(Settlement { status, block, reason, signers })))
        };
        match (inclusion.succeeded, deep) {
            (true, false) if row.status == Status::Mined && row.block == Some(block) => Ok(None),
            (true, false) => Ok(Some(Found::Mined { block, signers: self.signer_names(row)? })),
            // A failure ends the request, so it must be past undoing.
            (false, false) => Ok(None),
            (true, true) => settled(Status::Final, None),
            (false, true) => {
                let reason = format!("the chain undid it in block {block}; only the fee was paid");
                settled(Status::Reverted, Some(reason))
            }
        }
    }

    /// Who signed together, for the receipt.
    pub(crate) fn signer_names(&self, row: &RequestRow) -> Result<Vec<PartyName>, Error> {
        let charter = self.charter(row.intent.account)?;
        let parties = row.signers.iter().filter_map(|index| charter.document.terms.party_at(*index));
        Ok(parties.map(|card| card.party.clone()).collect())
    }

    /// Not in a block, or not any more: the same bytes are handed over again if nobody knows them.
    async fn not_included(&self, entry: &ChainEntry, row: &RequestRow) -> Result<(), Error> {
        let (request, now, hash) = (row.intent.request, self.now(), hash_of(row)?);
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

fn hash_of(row: &RequestRow) -> Result<[u8; 32], Error> {
    let hash = row.transaction_hash.as_ref().and_then(|hash| hash.0.as_slice().try_into().ok());
    hash.ok_or(Error::Corrupt("a submitted request without its hash"))
}

fn not_followed(request: RequestId, error: &Error) {
    let detail = error.internal();
    tracing::warn!(%request, %error, detail, "a transaction cannot be followed now");
}
