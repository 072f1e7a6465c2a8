//! A party as a process. The stair itself is in `cohold-party`; here it gets a relay, a store, a
//! vault and a clock. The device's command line drives the same runtime as a node.

pub mod cases;
mod change;
mod charters;
pub mod config;
mod drive;
pub mod epochs;
pub mod foreign;
mod importing;
mod inbox;
pub mod keeper;
mod making;
mod notify;
mod opened;
mod peers;
mod preparing;
pub mod presignatures;
mod presigning;
pub mod primes;
mod resharing;
pub mod rulebook;
pub mod runtime;
pub mod service;
mod signing;
pub mod vaulted;
pub mod vaults;

pub use keeper::{KeepError, Keeper, OpenedKey};
pub use runtime::{Runtime, Shutdown};

/// Seconds since 1970 by this machine's clock.
#[must_use]
pub fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |elapsed| elapsed.as_secs())
}

/// The system's randomness. It ends the process where the system has none, as no key may be made then.
#[must_use]
pub fn rng() -> rand_core::UnwrapErr<getrandom::SysRng> {
    rand_core::UnwrapErr(getrandom::SysRng)
}
