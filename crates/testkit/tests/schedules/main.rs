//! Random schedules of the simulated cluster: crashes, loss, reordering, repetition, partitions, restored
//! disks and liars, through key generation, payments, refresh, resharing and recovery.
//!
//! `COHOLD_SCHEDULES=100000` plays more of them, `COHOLD_SEED=17` plays one and prints it. A seed that
//! fails is written to `regressions.txt` beside this file and played first from then on.

mod bugs;
mod many;

use std::sync::OnceLock;

use cohold_testkit::sim::Stock;

/// Accounts, made once for all tests of this process.
fn stock() -> &'static Stock {
    static STOCK: OnceLock<Stock> = OnceLock::new();
    STOCK.get_or_init(Stock::make)
}
