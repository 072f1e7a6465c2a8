//! A whole cluster in one thread, from one seed: parties, disks, coordinator, network, clock.
//!
//! The parties are the real ones: the stair of `cohold-party`, the engine, the keeper of nodes and devices
//! over its SQLite file and its vault. What stands in for a process is [`Host`]: it takes one word or one
//! envelope, writes through the keeper what must be durable, and returns what is to be sent. The
//! [`World`] decides what becomes of that: it loses, repeats, reorders, cuts the network in two, ends a
//! host between its write and its sending, puts old copies of a disk back, has parties lie. After each
//! step the [`Watch`] looks at the wire and at the disks.
//!
//! What happens follows from the seed alone. The engine's randomness does not ([`cohold_mpc_ecdsa`] draws it
//! from the operating system), so keys and digests differ from run to run, and no choice depends on them.
//!
//! [`Bug`] bends a host, never the product, so that a test sees each invariant catch something.

mod coordinator;
mod dice;
mod disk;
mod faults;
mod host;
mod operations;
mod schedule;
mod stock;
mod watch;
mod world;

pub use coordinator::Coordinator;
pub use dice::Dice;
pub use disk::Disk;
pub use host::{Bug, Host};
pub use schedule::{Counts, Depth, Report, run};
pub use stock::Stock;
pub use watch::{Invariant, Violation, Watch};
pub use world::World;
