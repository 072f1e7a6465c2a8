//! The coordinator over real sockets: bad input, accounts, and payments on a real local chain. Its
//! parties here hold one whole key between them, since the coordinator cannot tell.

mod accounts;
mod anvil;
mod bad_input;
mod cluster;
mod payments;
