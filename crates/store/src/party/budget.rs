//! The running sum of what one account reserved of one asset on one chain, over a window that slides
//! with the clock. Each reservation enters and leaves the sum once, so that ten thousand a day slow
//! nothing down.
//!
//! The window's clock never runs backwards: what is reserved while the node's clock is set back counts
//! from the latest time seen, and frees nothing when the clock is right again.

use cohold_model::Amount;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::reserve::{ReserveError, amount_of};
use crate::database::{Fail, StoreError, seconds};

/// The window of the daily limit in seconds.
pub(super) const WINDOW_SECONDS: u64 = 24 * 3600;

/// What is counted together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bucket {
    pub(super) account: String,
    pub(super) chain_id: String,
    pub(super) asset: String,
}

/// A bucket's sum, `carry · 2²⁵⁶ + low`: unlimited amounts may go beyond 256 bits together.
#[derive(Debug)]
pub(super) struct Budget {
    bucket: Bucket,
    /// What was reserved later than this is in the sum.
    horizon: i64,
    /// The latest time seen.
    latest: i64,
    low: Amount,
    carry: i64,
}

impl Budget {
    /// The sum at `now`, without what has left the window.
    pub(super) fn at(tx: &Connection, bucket: Bucket, now: u64) -> Result<Self, Fail<ReserveError>> {
        let mut budget = Self::load(tx, bucket)?;
        budget.latest = budget.latest.max(seconds(now));
        let horizon = budget.latest.saturating_sub(seconds(WINDOW_SECONDS));
        if horizon > budget.horizon {
            for amount in budget.reserved(tx, horizon)? {
                budget.remove(amount);
            }
            budget.horizon = horizon;
        }
        Ok(budget)
    }

    /// Whether something that was reserved then is in the sum.
    pub(super) fn counts(&self, reserved_at: i64) -> bool {
        reserved_at > self.horizon
    }

    pub(super) fn add(&mut self, amount: Amount) {
        let (low, over) = self.low.0.overflowing_add(amount.0);
        self.low = Amount(low);
        self.carry = self.carry.saturating_add(i64::from(over));
    }

    pub(super) fn remove(&mut self, amount: Amount) {
        let (low, under) = self.low.0.overflowing_sub(amount.0);
        self.low = Amount(low);
        self.carry = self.carry.saturating_sub(i64::from(under));
    }

    /// The sum; beyond 256 bits it is as large as can be, and every limit is exceeded.
    pub(super) fn used(&self) -> Amount {
        if self.carry == 0 { self.low } else { Amount::MAX }
    }

    /// The time that counts: `now`, or the latest seen.
    pub(super) fn time(&self) -> i64 {
        self.latest
    }

    pub(super) fn save(&self, tx: &Connection) -> Result<(), Fail<ReserveError>> {
        tx.prepare_cached(
            "INSERT INTO budgets (account, chain_id, asset, horizon, latest, low, carry)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT DO UPDATE SET horizon = excluded.horizon, latest = excluded.latest,
                                       low = excluded.low, carry = excluded.carry",
        )?
        .execute(params![
            self.bucket.account,
            self.bucket.chain_id,
            self.bucket.asset,
            self.horizon,
            self.latest,
            self.low.to_string(),
            self.carry,
        ])?;
        Ok(())
    }

    fn load(tx: &Connection, bucket: Bucket) -> Result<Self, Fail<ReserveError>> {
        let Bucket { account, chain_id, asset } = &bucket;
        let row = tx
            .prepare_cached(
                "SELECT horizon, latest, low, carry FROM budgets
                 WHERE account = ?1 AND chain_id = ?2 AND asset = ?3",
            )?
            .query_row(params![account, chain_id, asset], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?, row.get(3)?))
            });
        let Some((horizon, latest, low, carry)) = row.optional()? else {
            let start = i64::MIN;
            return Ok(Self { bucket, horizon: start, latest: start, low: Amount::ZERO, carry: 0 });
        };
        Ok(Self { bucket, horizon, latest, low: amount_of(&low)?, carry })
    }

    /// Amounts in the sum that were reserved at `until` or before.
    fn reserved(&self, tx: &Connection, until: i64) -> Result<Vec<Amount>, Fail<ReserveError>> {
        let Bucket { account, chain_id, asset } = &self.bucket;
        let mut query = tx.prepare_cached(
            "SELECT amount FROM reservations
             WHERE account = ?1 AND chain_id = ?2 AND asset = ?3 AND at > ?4 AND at <= ?5",
        )?;
        let rows = query.query_map(params![account, chain_id, asset, self.horizon, until], |row| {
            row.get::<_, String>(0)
        })?;
        rows.map(|amount| amount_of(&amount?)).collect()
    }
}

impl From<StoreError> for Fail<ReserveError> {
    fn from(error: StoreError) -> Self {
        Self::Refused(error.into())
    }
}
