//! One party's part of a key that tss-lib made by GG18 or GG20, as its `LocalPartySaveData` is written
//! to JSON. Signing by these protocols is not offered: their released code was broken more than once, and
//! the share serves DKLs23 as it is.
//!
//! The file holds the party's Paillier secret key too. It is not read: nothing here needs it.

mod findings;
mod number;
mod save;

pub use findings::{Finding, SMALL_FACTOR_BELOW, Severity, Subject, Weakness};
pub use save::{FILE_BYTES_MAX, SaveData, SaveDataError};
