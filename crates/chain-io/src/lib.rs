//! EVM chains over JSON-RPC: the facts that a plan needs, broadcast, receipts, tokens.
//!
//! An endpoint is not trusted: it can withhold and it can lie about nonces, fees, balances and
//! receipts, which costs a transfer's success but never its meaning, because every party decodes the
//! bytes itself. What an endpoint sends is bounded in size and time, and nothing shown to a person
//! contains the credentials of its URL.

pub mod broadcast;
pub mod chain;
pub mod endpoint;
pub mod erc20;
pub mod facts;
mod quantity;
pub mod rpc;

pub use broadcast::{Broadcast, Rejection, RejectionKind};
pub use chain::{Block, BlockTag, Chain, Inclusion, Known};
pub use endpoint::{Endpoint, EndpointError};
pub use erc20::TokenError;
pub use facts::FactsError;
pub use rpc::{Rpc, RpcError};
