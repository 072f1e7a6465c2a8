//! What a party counts before it signs: every request once, within its own limit, in one transaction
//! with the session that it uses up.

use cohold_model::ids::SessionId;
use cohold_model::intent::Asset;
use cohold_model::{AccountId, Amount, Digest, KeyPath, PresignatureIndex, PresignatureUse, RequestId};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::approve::approved_place;
use super::budget::{Bucket, Budget};
use super::{PartyStore, column, presign, session_claim};
use crate::crash_point;
use crate::database::{Fail, StoreError, seconds, to_text};

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
    /// From which address of the account.
    pub path: KeyPath,
    /// The transaction's nonce at that address.
    pub nonce: u64,
    /// What moves.
    pub asset: &'a Asset,
    /// How much, in base units.
    pub amount: Amount,
    /// The most in 24 hours; none counts without a bound.
    pub per_day: Option<Amount>,
    /// The most that its fee may come to, in the coin's base units.
    pub fee: Amount,
    /// The most that fees on the chain may come to in 24 hours; without a bound they are not counted.
    pub fees_per_day: Option<Amount>,
    /// The presignature that its session uses up, where it uses one.
    pub presignature: Option<&'a PresignatureUse>,
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
    /// The presignature was counted as used before, or one with a higher number was.
    #[error("presignature `{0}` was used before: sign without one")]
    Presignature(PresignatureIndex),
    /// The request was counted with another chain or nonce.
    #[error(
        "request `{request}` was planned with nonce {nonce} on chain {chain_id} before: it never gets a second one"
    )]
    Nonce {
        /// The request.
        request: RequestId,
        /// The chain of the first plan.
        chain_id: String,
        /// The nonce of the first plan, and of which address unless it is the account's own.
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
    /// The limit of the day on fees does not allow it.
    #[error("the limit of fees per day does not allow it: {used} of {limit} wei are used")]
    Fees {
        /// Counted in the window.
        used: Amount,
        /// The limit.
        limit: Amount,
    },
}

impl PartyStore {
    /// Counts a payment and uses up its session, and the presignature that it is to be signed by: all or
    /// nothing.
    pub fn reserve(&self, spending: &Spending<'_>, now: u64) -> Result<Reserved, ReserveError> {
        crash_point!("party.reserve.before");
        let reserved = self.database.write(|tx| {
            if !session_claim(tx, spending.session, spending.account, now)? {
                return Err(Fail::Refused(ReserveError::Session(spending.session)));
            }
            if let Some(used) = spending.presignature
                && !presign::count(tx, used)?
            {
                return Err(Fail::Refused(ReserveError::Presignature(used.index)));
            }
            check_approved(tx, spending)?;
            let reserved = count(tx, spending, &Entry::payment(spending)?, now)?;
            if let Some(limit) = spending.fees_per_day {
                count(tx, spending, &Entry::fee(spending, limit), now)?;
            }
            Ok(reserved)
        })?;
        crash_point!("party.reserve.after");
        Ok(reserved)
    }

    /// Makes sure that a request is never counted, and so never signed, from now on; `false` if it was
    /// counted before.
    pub fn request_void(&self, account: AccountId, request: RequestId, now: u64) -> Result<bool, StoreError> {
        crash_point!("party.void.before");
        let voided = self.database.write(|tx| {
            tx.execute(
                "INSERT INTO reservations (request, account, plan, chain_id, nonce, asset, amount, at)
                 VALUES (?1, ?2, '', ?3, ?3, ?3, '0', ?4) ON CONFLICT DO NOTHING",
                params![request.to_string(), account.to_string(), VOID, seconds(now)],
            )?;
            let sql = "SELECT chain_id = ?3 FROM reservations WHERE account = ?1 AND request = ?2";
            let key = params![account.to_string(), request.to_string(), VOID];
            Ok::<_, Fail<StoreError>>(tx.query_row(sql, key, |row| row.get(0))?)
        })?;
        crash_point!("party.void.after");
        Ok(voided)
    }
}

/// How the place of a payment among those of its account is kept: its nonce, and of which address unless it
/// is the account's own. Two addresses have the same nonces, and both payments could be mined.
pub(super) fn place(path: KeyPath, nonce: u64) -> String {
    if path.is_root() { nonce.to_string() } else { format!("{nonce} of {path}") }
}

/// Chain, nonce and asset of a request that is void: none that a payment has.
pub(super) const VOID: &str = "none";
/// What fees are counted as: the name of no asset.
const FEES: &str = "fees";

/// One line of a request in the book: its payment, or its fee.
struct Entry {
    request: String,
    bucket: Bucket,
    amount: Amount,
    limit: Option<Amount>,
}

impl Entry {
    fn payment(spending: &Spending<'_>) -> Result<Self, Fail<ReserveError>> {
        let asset = to_text("reservations", spending.asset)?;
        let request = spending.request.to_string();
        Ok(Self {
            request,
            bucket: bucket(spending, asset),
            amount: spending.amount,
            limit: spending.per_day,
        })
    }

    fn fee(spending: &Spending<'_>, limit: Amount) -> Self {
        let request = format!("{}/{FEES}", spending.request);
        Self { request, bucket: bucket(spending, FEES.into()), amount: spending.fee, limit: Some(limit) }
    }

    fn above(&self, used: Amount, limit: Amount) -> ReserveError {
        match self.bucket.asset.as_str() {
            FEES => ReserveError::Fees { used, limit },
            _ => ReserveError::Limit { used, limit },
        }
    }
}

fn bucket(spending: &Spending<'_>, asset: String) -> Bucket {
    Bucket { account: spending.account.to_string(), chain_id: spending.chain_id.to_string(), asset }
}

struct Earlier {
    chain_id: String,
    nonce: String,
    asset: String,
    amount: Amount,
    at: i64,
}

fn earlier(tx: &Connection, entry: &Entry) -> Result<Option<Earlier>, Fail<ReserveError>> {
    let sql = "SELECT chain_id, nonce, asset, amount, at FROM reservations
         WHERE account = ?1 AND request = ?2";
    let key = params![entry.bucket.account, entry.request];
    let row = tx.prepare_cached(sql)?.query_row(key, |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get::<_, String>(3)?, row.get(4)?))
    });
    let Some((chain_id, nonce, asset, amount, at)) = row.optional()? else { return Ok(None) };
    Ok(Some(Earlier { chain_id, nonce, asset, amount: amount_of(&amount)?, at }))
}

/// What this party approved itself, it signs with no other nonce, whoever else approved that.
fn check_approved(tx: &Connection, spending: &Spending<'_>) -> Result<(), Fail<ReserveError>> {
    let Some((chain_id, nonce)) = approved_place(tx, spending.account, spending.request)? else {
        return Ok(());
    };
    if chain_id == spending.chain_id.to_string() && nonce == place(spending.path, spending.nonce) {
        return Ok(());
    }
    Err(Fail::Refused(ReserveError::Nonce { request: spending.request, chain_id, nonce }))
}

/// The same request again must be for the same nonce and asset, as when fees are raised.
fn check_same(spending: &Spending<'_>, bucket: &Bucket, earlier: &Earlier) -> Result<(), Fail<ReserveError>> {
    let same = earlier.chain_id == bucket.chain_id
        && earlier.nonce == place(spending.path, spending.nonce)
        && earlier.asset == bucket.asset;
    if same {
        return Ok(());
    }
    Err(Fail::Refused(ReserveError::Nonce {
        request: spending.request,
        chain_id: earlier.chain_id.clone(),
        nonce: earlier.nonce.clone(),
    }))
}

/// Counts a request once, with the largest amount of its plans, from the last time that this party is to
/// sign it: what was reserved yesterday and is signed today counts today.
fn count(
    tx: &Connection,
    spending: &Spending<'_>,
    entry: &Entry,
    now: u64,
) -> Result<Reserved, Fail<ReserveError>> {
    let mut budget = Budget::at(tx, entry.bucket.clone(), now)?;
    let earlier = earlier(tx, entry)?;
    let mut amount = entry.amount;
    if let Some(earlier) = &earlier {
        check_same(spending, &entry.bucket, earlier)?;
        amount = amount.max(earlier.amount);
        if budget.counts(earlier.at) {
            budget.remove(earlier.amount);
        }
    }
    let used = budget.used();
    if let Some(limit) = entry.limit {
        let fits = used.checked_add(amount).is_some_and(|total| total <= limit);
        if !fits {
            return Err(Fail::Refused(entry.above(used, limit)));
        }
    }
    budget.add(amount);
    budget.save(tx)?;
    put(tx, spending, entry, amount, budget.time())?;
    Ok(if earlier.is_some() { Reserved::Again } else { Reserved::New })
}

fn put(
    tx: &Connection,
    spending: &Spending<'_>,
    entry: &Entry,
    amount: Amount,
    at: i64,
) -> Result<(), Fail<ReserveError>> {
    tx.prepare_cached(
        "INSERT INTO reservations (request, account, plan, chain_id, nonce, asset, amount, at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT DO UPDATE SET plan = excluded.plan, amount = excluded.amount, at = excluded.at",
    )?
    .execute(params![
        entry.request,
        entry.bucket.account,
        column(&spending.plan),
        entry.bucket.chain_id,
        place(spending.path, spending.nonce),
        entry.bucket.asset,
        amount.to_string(),
        at,
    ])?;
    Ok(())
}

pub(super) fn amount_of(text: &str) -> Result<Amount, Fail<ReserveError>> {
    Amount::parse(text, 0)
        .map_err(|e| Fail::Refused(StoreError::Row { table: "reservations", detail: e.to_string() }.into()))
}
