//! The one binary, end to end: real processes, a real local chain, kill -9.

mod attack;
mod bad_input;
mod certificate;
mod chain;
mod change;
mod checker;
mod crash;
mod custody;
mod demo;
mod dev;
mod exit;
mod fleet;
mod full_disk;
mod hostile_payments;
mod hostile_server;
mod http;
mod liar;
mod paying;
mod process;
mod reshare;
mod root;
mod root_relay;
mod secrets;
mod shapes;
mod words;
mod world;
