//! An endpoint on the loopback interface that answers whatever a test makes it answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

pub(crate) struct Local {
    pub(crate) url: String,
    served: Arc<AtomicUsize>,
}

impl Local {
    /// Answers the nth connection with the nth bytes, and every later one with the last; empty bytes
    /// close the connection without a word.
    pub(crate) async fn start(answers: Vec<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v2/s3cr3tk3y", listener.local_addr().unwrap());
        let served = Arc::new(AtomicUsize::new(0));
        let counter = served.clone();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let turn = counter.fetch_add(1, Ordering::SeqCst);
                let mut request = [0; 4096];
                let _ = socket.read(&mut request).await;
                let _ = socket.write_all(&answers[turn.min(answers.len() - 1)]).await;
                let _ = socket.shutdown().await;
            }
        });
        Self { url, served }
    }

    pub(crate) fn served(&self) -> usize {
        self.served.load(Ordering::SeqCst)
    }
}

/// An HTTP answer that ends with its connection.
pub(crate) fn http(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nconnection: close\r\n{headers}\r\n{body}").into_bytes()
}

/// A JSON-RPC result.
pub(crate) fn result(result: &str) -> Vec<u8> {
    http("200 OK", "", &format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#))
}

/// A JSON-RPC error.
pub(crate) fn refusal(message: &str) -> Vec<u8> {
    http(
        "200 OK",
        "",
        &format!(r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":-32000,"message":"{message}"}}}}"#),
    )
}
