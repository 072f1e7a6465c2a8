//! JSON-RPC 2.0 over HTTP, bounded in size, time and attempts.

use std::error::Error as _;
use std::time::Duration;

use reqwest::{Client, Response, StatusCode, redirect};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::endpoint::Endpoint;

mod batch;

pub use batch::{Answers, BATCH_MAX, Read};

/// The most bytes of an answer.
pub const ANSWER_BYTES_MAX: usize = 5 << 20;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const TOTAL_TIMEOUT: Duration = Duration::from_secs(20);
const REASON_LENGTH_MAX: usize = 200;

/// How long a read waits before each further attempt.
const RETRY_DELAYS: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(500)];

/// A client of one endpoint. Cheap to clone; clones share connections.
#[derive(Debug, Clone)]
pub struct Rpc {
    endpoint: Endpoint,
    client: Client,
    single: batch::Single,
}

/// Why an endpoint gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RpcError {
    /// No client could be made.
    #[error(
        "cannot speak TLS to `{endpoint}`: install this machine's certificate authorities (package `ca-certificates`)"
    )]
    Tls {
        /// The endpoint.
        endpoint: Endpoint,
    },
    /// No connection, or it broke.
    #[error("cannot reach `{endpoint}`: {reason}; check the endpoint's URL and the network")]
    Unreachable {
        /// The endpoint.
        endpoint: Endpoint,
        /// What went wrong.
        reason: String,
    },
    /// No answer in time.
    #[error("`{endpoint}` did not answer `{method}` in time: try again or use another endpoint")]
    Timeout {
        /// The endpoint.
        endpoint: Endpoint,
        /// What was asked.
        method: &'static str,
    },
    /// An HTTP error without a JSON-RPC answer.
    #[error("`{endpoint}` answered `{method}` with HTTP status {status}: {}", status_advice(*.status))]
    Status {
        /// The endpoint.
        endpoint: Endpoint,
        /// What was asked.
        method: &'static str,
        /// The status.
        status: u16,
    },
    /// More than [`ANSWER_BYTES_MAX`] bytes.
    #[error("`{endpoint}` answered `{method}` with more than {ANSWER_BYTES_MAX} bytes: use another endpoint")]
    TooLarge {
        /// The endpoint.
        endpoint: Endpoint,
        /// What was asked.
        method: &'static str,
    },
    /// Not the answer that the method has.
    #[error("`{endpoint}` answered `{method}` with something that is no valid answer: use another endpoint")]
    Malformed {
        /// The endpoint.
        endpoint: Endpoint,
        /// What was asked.
        method: &'static str,
    },
    /// The endpoint says no.
    #[error("`{endpoint}` refuses `{method}`: {reason} (code {code})")]
    Refused {
        /// The endpoint.
        endpoint: Endpoint,
        /// What was asked.
        method: &'static str,
        /// JSON-RPC error code.
        code: i64,
        /// The endpoint's own words, shortened.
        reason: String,
    },
}

/// Whether a request may be made again after the connection failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// A read: nothing changes if it arrives twice.
    Safe,
    /// A send: made once; what became of it must be asked for.
    Never,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default, deserialize_with = "present")]
    result: Option<Value>,
    #[serde(default)]
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    code: i64,
    #[serde(default)]
    message: String,
}

/// Keeps `null` apart from absence: a `null` result is an answer.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl Rpc {
    /// Makes a client; nothing is sent yet. Proxies of the environment are not used and redirects not
    /// followed, so that a key in the URL goes nowhere else.
    pub fn new(endpoint: Endpoint) -> Result<Self, RpcError> {
        Self::with_timeout(endpoint, TOTAL_TIMEOUT)
    }

    fn with_timeout(endpoint: Endpoint, total: Duration) -> Result<Self, RpcError> {
        let tls = |_| RpcError::Tls { endpoint: endpoint.clone() };
        let builder = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(total)
            .redirect(redirect::Policy::none())
            .no_proxy();
        let builder = if endpoint.is_tls() {
            // Another part of the process may have installed a provider before; either serves.
            let _ = rustls::crypto::ring::default_provider().install_default();
            builder.https_only(true)
        } else {
            // Without TLS no certificate authorities are loaded: a machine may have none.
            builder.tls_backend_preconfigured(
                no_tls().map_err(|_| RpcError::Tls { endpoint: endpoint.clone() })?,
            )
        };
        let client = builder.build().map_err(tls)?;
        Ok(Self { endpoint, client, single: batch::Single::default() })
    }

    /// The endpoint that is asked.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Calls a method and reads its result.
    pub async fn request<T: DeserializeOwned>(
        &self,
        method: &'static str,
        params: Value,
        repeat: Repeat,
    ) -> Result<T, RpcError> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let (status, body) = self.post(method, &body, repeat).await?;
        let value = match serde_json::from_slice::<Answer>(&body) {
            Ok(Answer { error: None, .. }) if !status.is_success() => Err(self.status(method, status)),
            Ok(answer) => self.answer(method, answer),
            Err(_) if !status.is_success() => Err(self.status(method, status)),
            Err(_) => Err(self.malformed(method)),
        };
        serde_json::from_value(value?).map_err(|_| self.malformed(method))
    }

    async fn post(
        &self,
        method: &'static str,
        body: &Value,
        repeat: Repeat,
    ) -> Result<(StatusCode, Vec<u8>), RpcError> {
        let mut delays = RETRY_DELAYS.iter();
        let response = loop {
            let sent = self.client.post(self.endpoint.danger_url().clone()).json(body).send().await;
            match (sent, repeat, delays.as_slice().first()) {
                (Ok(response), _, _) => break response,
                (Err(error), Repeat::Safe, Some(delay)) if !error.is_timeout() || error.is_connect() => {
                    delays.next();
                    tokio::time::sleep(*delay).await;
                }
                (Err(error), _, _) => return Err(self.failure(method, &error)),
            }
        };
        Ok((response.status(), self.read(method, response).await?))
    }

    fn answer(&self, method: &'static str, answer: Answer) -> Result<Value, RpcError> {
        match answer {
            Answer { error: Some(refusal), .. } => Err(RpcError::Refused {
                endpoint: self.endpoint.clone(),
                method,
                code: refusal.code,
                reason: self.endpoint.redacted(&refusal.message, REASON_LENGTH_MAX),
            }),
            Answer { result: Some(result), .. } => Ok(result),
            Answer { result: None, .. } => Err(self.malformed(method)),
        }
    }

    fn status(&self, method: &'static str, status: StatusCode) -> RpcError {
        RpcError::Status { endpoint: self.endpoint.clone(), method, status: status.as_u16() }
    }

    pub(crate) fn malformed(&self, method: &'static str) -> RpcError {
        RpcError::Malformed { endpoint: self.endpoint.clone(), method }
    }

    async fn read(&self, method: &'static str, mut response: Response) -> Result<Vec<u8>, RpcError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.failure(method, &error))? {
            if body.len().saturating_add(chunk.len()) > ANSWER_BYTES_MAX {
                return Err(RpcError::TooLarge { endpoint: self.endpoint.clone(), method });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// In our own words: those of the libraries could repeat the URL.
    fn failure(&self, method: &'static str, error: &reqwest::Error) -> RpcError {
        if error.is_timeout() && !error.is_connect() {
            return RpcError::Timeout { endpoint: self.endpoint.clone(), method };
        }
        let mut causes = std::iter::successors(error.source(), |cause| beneath(*cause));
        let reason = match causes.find_map(reason) {
            _ if error.is_timeout() => "no connection in time".into(),
            Some(reason) => reason,
            None if error.is_connect() => "no connection".into(),
            None => "the connection broke".into(),
        };
        RpcError::Unreachable { endpoint: self.endpoint.clone(), reason }
    }
}

type Cause<'a> = &'a (dyn std::error::Error + 'static);

/// The cause of a cause. An I/O error that wraps another error passes over it in `source`.
fn beneath<'a>(cause: Cause<'a>) -> Option<Cause<'a>> {
    let wrapped = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    wrapped.map(|inner| inner as Cause<'a>).or_else(|| cause.source())
}

/// The causes that are worth telling: those of the system and of TLS.
fn reason(cause: Cause<'_>) -> Option<String> {
    if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
        return Some(format!("TLS failed, {tls}"));
    }
    let io = cause.downcast_ref::<std::io::Error>()?;
    match io.raw_os_error() {
        Some(_) => Some(io.kind().to_string()),
        None if io.to_string().starts_with("failed to lookup address") => Some("no such host".into()),
        None => None,
    }
}

fn status_advice(status: u16) -> &'static str {
    match status {
        401 | 403 => "check the key in the endpoint's URL",
        404 => "check the path in the endpoint's URL",
        429 => "it is asked too often, wait or use another endpoint",
        _ => "use another endpoint",
    }
}

fn no_tls() -> Result<rustls::ClientConfig, rustls::Error> {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    Ok(rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn silence_is_bounded() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint: Endpoint = format!("http://{}", silent.local_addr().unwrap()).parse().unwrap();
        let rpc = Rpc::with_timeout(endpoint, Duration::from_millis(50)).unwrap();
        let found = rpc.request::<Value>("eth_chainId", json!([]), Repeat::Safe).await;
        assert!(matches!(found, Err(RpcError::Timeout { method: "eth_chainId", .. })), "{found:?}");
    }
}
