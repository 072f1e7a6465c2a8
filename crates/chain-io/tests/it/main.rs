//! Against a real local chain, and against endpoints that misbehave.

mod anvil;
mod hostile;
mod local;
mod transfers;
