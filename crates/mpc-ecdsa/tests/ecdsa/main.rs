//! Threshold ECDSA through the public interface: honest runs, stored forms, and attacks.

#[path = "../../../mpc/tests/support/corrupt.rs"]
mod corrupt;
mod export;
mod honest;
mod malicious;
mod network;
mod resharing;
mod stored;
#[path = "../../../mpc/tests/support/network.rs"]
mod support;
mod wycheproof;
