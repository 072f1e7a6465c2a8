//! The one binary, end to end: real processes, a real local chain, kill -9.

mod chain;
mod crash;
mod http;
mod process;
mod world;
