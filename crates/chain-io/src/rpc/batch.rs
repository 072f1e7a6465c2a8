//! Several reads in one request (JSON-RPC 2.0, section 6), which saves an endpoint and this process most
//! of what each would take alone. An endpoint that takes no batches is asked one after the other from
//! then on.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Repeat, Rpc, RpcError};

/// The most reads in one request; endpoints refuse batches of some hundred, or answer them cut short.
pub const BATCH_MAX: usize = 50;

/// One read.
#[derive(Debug, Clone, PartialEq)]
pub struct Read {
    /// The method.
    pub method: &'static str,
    /// Its parameters.
    pub params: Value,
}

/// What each read came to, in the order of the reads.
pub type Answers = Vec<Result<Value, RpcError>>;

/// Whether the endpoint is known to take no batches.
#[derive(Debug, Clone, Default)]
pub(super) struct Single(Arc<AtomicBool>);

#[derive(Deserialize)]
struct Numbered {
    id: usize,
    #[serde(flatten)]
    answer: Answer,
}

impl Rpc {
    /// Asks all of these. The error is one of the connection; what the endpoint refuses is in the answers.
    pub async fn read_all(&self, reads: &[Read]) -> Result<Answers, RpcError> {
        let mut answers = Vec::with_capacity(reads.len());
        for some in reads.chunks(BATCH_MAX) {
            match self.read_batch(some).await? {
                Some(found) => answers.extend(found),
                None => answers.extend(self.read_singly(some).await?),
            }
        }
        Ok(answers)
    }

    /// None where the endpoint does not take batches.
    async fn read_batch(&self, reads: &[Read]) -> Result<Option<Answers>, RpcError> {
        let [first, _, ..] = reads else { return Ok(None) };
        if self.single.0.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let body = reads.iter().enumerate().map(|(id, Read { method, params })| {
            json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
        });
        let (status, body) = self.post(first.method, &body.collect(), Repeat::Safe).await?;
        let busy = status.is_server_error() || matches!(status.as_u16(), 401 | 403 | 404 | 429);
        if busy {
            return Err(self.status(first.method, status));
        }
        let found = serde_json::from_slice::<Vec<Numbered>>(&body).unwrap_or_default();
        let mut found: HashMap<usize, Answer> = found.into_iter().map(|one| (one.id, one.answer)).collect();
        if (0..reads.len()).any(|id| !found.contains_key(&id)) {
            self.single.0.store(true, Ordering::Relaxed);
            return Ok(None);
        }
        let answer = |(id, read): (usize, &Read)| match found.remove(&id) {
            Some(answer) => self.answer(read.method, answer),
            None => Err(self.malformed(read.method)),
        };
        Ok(Some(reads.iter().enumerate().map(answer).collect()))
    }

    async fn read_singly(&self, reads: &[Read]) -> Result<Answers, RpcError> {
        let mut answers = Vec::with_capacity(reads.len());
        for Read { method, params } in reads {
            match self.request(method, params.clone(), Repeat::Safe).await {
                Ok(value) => answers.push(Ok(value)),
                Err(error @ RpcError::Refused { .. }) => answers.push(Err(error)),
                Err(error) => return Err(error),
            }
        }
        Ok(answers)
    }
}
