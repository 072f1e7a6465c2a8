//! Threshold ECDSA through the public interface: honest runs, stored forms, and attacks.

mod honest;
mod malicious;
mod network;
mod resharing;
mod stored;
