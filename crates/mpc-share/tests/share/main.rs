//! Resharing through the public interface, over every curve: honest runs, stored forms, and attacks.

mod bound;
#[path = "../../../mpc/tests/support/corrupt.rs"]
mod corrupt;
mod entrust;
mod honest;
mod judged;
mod malicious;
mod points;
#[path = "../../../mpc/tests/support/network.rs"]
mod support;
mod world;
