//! A client that sends whatever a test wants.

use std::sync::OnceLock;

use serde_json::{Value, json};

fn client() -> &'static (tokio::runtime::Runtime, reqwest::Client) {
    static CLIENT: OnceLock<(tokio::runtime::Runtime, reqwest::Client)> = OnceLock::new();
    CLIENT.get_or_init(|| {
        // Another test's call may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        (runtime.unwrap(), reqwest::Client::builder().no_proxy().build().unwrap())
    })
}

/// Sends a request; status, content type and JSON of the answer, or none if there was none.
pub(crate) fn ask(
    method: &str,
    url: &str,
    token: &str,
    headers: &[(&str, &str)],
    body: Option<Vec<u8>>,
) -> Option<(u16, String, Value)> {
    let (runtime, client) = client();
    let mut request = client.request(method.parse().unwrap(), url).bearer_auth(token);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body);
    }
    runtime.block_on(async {
        let response = request.send().await.ok()?;
        let status = response.status().as_u16();
        let kind = response.headers().get("content-type").and_then(|v| v.to_str().ok()).unwrap_or_default();
        let kind = kind.to_owned();
        Some((status, kind, response.json().await.ok()?))
    })
}

/// One call of JSON-RPC.
pub(crate) fn rpc(url: &str, method: &str, params: Value) -> Option<Value> {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let (_, _, answer) = ask("POST", url, "", &[], Some(body.to_string().into_bytes()))?;
    assert!(answer["error"].is_null(), "{method}: {answer}");
    Some(answer["result"].clone())
}
