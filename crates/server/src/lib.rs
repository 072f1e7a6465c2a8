//! The coordinator as a process: settings, REST API, relay endpoint, shutdown. It holds no share and
//! decides nothing that a party does not check; what it does is in `cohold-app`.

pub mod config;
pub mod declaration;
mod http;
pub mod issuer;
mod problem;
pub mod serve;

pub use config::{ChainConfig, Config, ConfigError};
pub use serve::{Running, ServeError, serve, spawn, token_create};
