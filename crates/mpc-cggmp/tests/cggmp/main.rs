//! The second engine through the public interface: honest runs beside the first engine, stored forms, and
//! attacks.

mod children;
#[path = "../../../mpc/tests/support/corrupt.rs"]
mod corrupt;
mod honest;
mod malicious;
mod network;
mod presign;
mod stored;
#[path = "../../../mpc/tests/support/network.rs"]
mod support;
