//! What a party counts before it signs: every request once, within its own limit, in one transaction
//! with the session that it uses up.

use cohold_model::ids::SessionId;
use cohold_model::intent::Asset;
use cohold_model::{AccountId, Amount, Digest, RequestId};
use rusqlite::{OptionalExtension as _, Transaction, params};

use super::{PartyStore, column, session_claim};
use crate::crash_point;
use crate::database::{Fail, StoreError, seconds, to_text};

/// The window of the daily limit in seconds.
pub(super) const WINDOW_SECONDS: u64 = 24 * 3600;

/// A payment to be counted.
#[derive(Debug, Clone)]
pub struct Spending<'a> {
    /// The account.
    pub account: AccountId,
    /// The request: counted once.
    pub request: RequestId,
    /// The plan.
    pub plan: Digest,
    /// The session, used once.
    pub session: SessionId,
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The transaction's nonce.
    pub nonce: u64,
    /// What moves.
    pub asset: &'a Asset,
    /// How much, in base units.
    pub amount: Amount,
    /// The most in [`WINDOW_SECONDS`]; none counts without a bound.
    pub per_day: Option<Amount>,
}

/// Whether the payment was counted now or before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reserved {
    /// Counted now.
    New,
    /// The same plan was counted before; this is another session for it.
    Again,
}

/// Why a payment was not counted.
#[derive(Debug, thiserror::Error)]
pub enum ReserveError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The session was used before.
    #[error("session `{0}` was used before: ask for a new attempt")]
    Session(SessionId),
    /// The request was counted with another chain or nonce.
    #[error(
        "request `{request}` was planned with nonce {nonce} on chain {chain_id} before: it never gets a second one"
    )]
    Nonce {
        /// The request.
        request: RequestId,
        /// The chain of the first plan.
        chain_id: String,
        /// The nonce of the first plan.
        nonce: String,
    },
    /// The limit of the day does not allow it.
    #[error("the limit per day does not allow it: {used} of {limit} base units are used")]
    Limit {
        /// Counted in the window.
        used: Amount,
        /// The limit.
        limit: Amount,
    },
}

impl PartyStore {
    /// Counts a payment and uses up its session: both or nothing.
    pub fn reserve(&self, spending: &Spending<'_>, now: u64) -> Result<Reserved, ReserveError> {
        crash_point!("party.reserve.before");
        let reserved = self.database.write(|tx| {
            if !session_claim(tx, spending.session, spending.account, now)? {
                return Err(Fail::Refused(ReserveError::Session(spending.session)));
            }
            match earlier(tx, spending)? {
                Some(earlier) => repeat(tx, spending, earlier, now),
                None => count(tx, spending, Amount::ZERO, now).map(|()| Reserved::New),
            }
        })?;
        crash_point!("party.reserve.after");
        Ok(reserved)
    }
}

struct Earlier {
    plan: String,
    chain_id: String,
    nonce: String,
    asset: String,
    amount: Amount,
}

fn earlier(tx: &Transaction<'_>, spending: &Spending<'_>) -> Result<Option<Earlier>, Fail<ReserveError>> {
    let sql =
        "SELECT plan, chain_id, nonce, asset, amount FROM reservations WHERE account = ?1 AND request = ?2";
    let key = params![spending.account.to_string(), spending.request.to_string()];
    let row = tx.prepare_cached(sql)?.query_row(key, |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get::<_, String>(4)?))
    });
    let Some((plan, chain_id, nonce, asset, amount)) = row.optional()? else { return Ok(None) };
    Ok(Some(Earlier { plan, chain_id, nonce, asset, amount: amount_of(&amount)? }))
}

/// The same request again: the same plan is free; another plan must replace the same nonce and asset,
/// and counts what it moves beyond the first.
fn repeat(
    tx: &Transaction<'_>,
    spending: &Spending<'_>,
    earlier: Earlier,
    now: u64,
) -> Result<Reserved, Fail<ReserveError>> {
    if earlier.plan == column(&spending.plan) {
        return Ok(Reserved::Again);
    }
    let same = earlier.chain_id == spending.chain_id.to_string()
        && earlier.nonce == spending.nonce.to_string()
        && earlier.asset == to_text("reservations", spending.asset)?;
    if !same {
        return Err(Fail::Refused(ReserveError::Nonce {
            request: spending.request,
            chain_id: earlier.chain_id,
            nonce: earlier.nonce,
        }));
    }
    count(tx, spending, earlier.amount, now).map(|()| Reserved::Again)
}

/// Counts within the limit. `counted` is what this request holds already.
fn count(
    tx: &Transaction<'_>,
    spending: &Spending<'_>,
    counted: Amount,
    now: u64,
) -> Result<(), Fail<ReserveError>> {
    let asset = to_text("reservations", spending.asset)?;
    let amount = spending.amount.max(counted);
    if let Some(limit) = spending.per_day {
        let used = used(tx, spending, &asset, now)?;
        let fits = used.checked_add(amount).is_some_and(|total| total <= limit);
        if !fits {
            return Err(Fail::Refused(ReserveError::Limit { used, limit }));
        }
    }
    tx.prepare_cached(
        "INSERT INTO reservations (request, account, plan, chain_id, nonce, asset, amount, at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT DO UPDATE SET plan = excluded.plan, amount = excluded.amount, at = max(at, excluded.at)",
    )?
    .execute(params![
        spending.request.to_string(),
        spending.account.to_string(),
        column(&spending.plan),
        spending.chain_id.to_string(),
        spending.nonce.to_string(),
        asset,
        amount.to_string(),
        seconds(now),
    ])?;
    Ok(())
}

/// What other requests hold in the window. Times in the future count: a clock that was set back
/// frees nothing.
fn used(
    tx: &Transaction<'_>,
    spending: &Spending<'_>,
    asset: &str,
    now: u64,
) -> Result<Amount, Fail<ReserveError>> {
    let mut query = tx.prepare_cached(
        "SELECT amount FROM reservations
         WHERE account = ?1 AND chain_id = ?2 AND asset = ?3 AND at > ?4 AND request <> ?5",
    )?;
    let since = seconds(now.saturating_sub(WINDOW_SECONDS));
    let rows = query.query_map(
        params![
            spending.account.to_string(),
            spending.chain_id.to_string(),
            asset,
            since,
            spending.request.to_string()
        ],
        |row| row.get::<_, String>(0),
    )?;
    let mut used = Amount::ZERO;
    for amount in rows {
        // Beyond 256 bits every limit is exceeded.
        used = used.checked_add(amount_of(&amount?)?).unwrap_or(Amount::MAX);
    }
    Ok(used)
}

fn amount_of(text: &str) -> Result<Amount, Fail<ReserveError>> {
    Amount::parse(text, 0)
        .map_err(|e| Fail::Refused(StoreError::Row { table: "reservations", detail: e.to_string() }.into()))
}
