//! Import through the public interface: what is read, what is refused, what is found, and that the key
//! then signs.

mod real;
mod saved;
#[path = "../../../mpc/tests/support/network.rs"]
mod support;
mod weak;
mod whole;
