//! Endpoints that fail, refuse, lie and flood.

use cohold_chain_evm::Signed;
use cohold_chain_evm::open;
use cohold_chain_io::rpc::ANSWER_BYTES_MAX;
use cohold_chain_io::{Broadcast, Chain, RejectionKind, RpcError};

use crate::local::{Local, http, refusal, result};

fn chain(url: &str) -> Chain {
    Chain::new(url.parse().unwrap()).unwrap()
}

/// A payment signed by go-ethereum (end-to-end tests of web3.js).
fn payment() -> Signed {
    let raw = hex::decode(
        "02f86e82053980841dcd65008459682f0082520894962f9a9c2a6c092474d24def35eccb3d9363265e82271080c0\
         01a02661e510e0a64d65694808278f11dacbee33f3d8bcb589d37a168e911ba5f97f\
         a0488b98a76e25487e28d393757b25d22f7272e0a0b39da4c1b8c8cd45e3173819",
    )
    .unwrap();
    open(&raw).unwrap()
}

async fn chain_id(answer: Vec<u8>) -> Result<u64, RpcError> {
    let local = Local::start(vec![answer]).await;
    let found = chain(&local.url).chain_id().await;
    if let Err(error) = &found {
        for shown in [error.to_string(), format!("{error:?}")] {
            assert!(!shown.contains("s3cr3tk3y"), "{shown}");
        }
    }
    found
}

#[tokio::test]
async fn answers_that_are_none_are_refused() {
    assert_eq!(chain_id(result("\"0x7a69\"")).await, Ok(31_337));
    for bad in ["null", "1", "\"0x\"", "\"7a69\"", "\"0x10000000000000000\"", "{}", "[]"] {
        let found = chain_id(result(bad)).await;
        assert!(matches!(found, Err(RpcError::Malformed { .. })), "{bad}: {found:?}");
    }
    for bad in ["", "{}", "<html>", "[1]", "{\"error\":\"no\"}"] {
        let found = chain_id(http("200 OK", "", bad)).await;
        assert!(matches!(found, Err(RpcError::Malformed { .. })), "{bad}: {found:?}");
    }
}

#[tokio::test]
async fn statuses_say_what_to_do() {
    for (status, part) in [
        ("401 Unauthorized", "check the key"),
        ("404 Not Found", "check the path"),
        ("429 Too Many Requests", "too often"),
        ("500 Internal Server Error", "another endpoint"),
    ] {
        let found = chain_id(http(status, "", "sorry")).await.unwrap_err().to_string();
        assert!(found.contains(part), "{found}");
    }
    let found = chain_id(http("400 Bad Request", "", r#"{"error":{"code":-32600,"message":"odd"}}"#)).await;
    assert!(matches!(found, Err(RpcError::Refused { code: -32600, .. })), "{found:?}");
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let other = Local::start(vec![result("\"0x1\"")]).await;
    let found = chain_id(http("307 Temporary Redirect", &format!("location: {}\r\n", other.url), "")).await;
    assert!(matches!(found, Err(RpcError::Status { status: 307, .. })), "{found:?}");
    assert_eq!(other.served(), 0);
}

#[tokio::test]
async fn floods_are_cut_off() {
    let flood = format!("\"{}\"", "0".repeat(ANSWER_BYTES_MAX));
    let found = chain_id(result(&flood)).await;
    assert!(matches!(found, Err(RpcError::TooLarge { .. })), "{found:?}");
}

#[tokio::test]
async fn the_words_of_an_endpoint_are_cleaned() {
    let long = format!("key s3cr3tk3y \\u001b[31mis over its limit {}", "x".repeat(1000));
    let found = chain_id(refusal(&long)).await.unwrap_err();
    let RpcError::Refused { reason, .. } = found else { panic!("{found:?}") };
    assert!(reason.starts_with("key … [31mis over its limit"), "{reason}");
    assert_eq!(reason.chars().count(), 200);
}

#[tokio::test]
async fn reads_are_tried_again_twice_and_sends_never() {
    let closed = Vec::new();
    let local = Local::start(vec![closed.clone(), closed.clone(), result("\"0x1\"")]).await;
    assert_eq!(chain(&local.url).chain_id().await, Ok(1));
    assert_eq!(local.served(), 3);

    let local = Local::start(vec![closed.clone()]).await;
    let found = chain(&local.url).chain_id().await;
    assert!(matches!(found, Err(RpcError::Unreachable { .. })), "{found:?}");
    assert_eq!(local.served(), 3);

    let local = Local::start(vec![closed]).await;
    let found = chain(&local.url).broadcast(&payment()).await;
    assert!(matches!(found, Err(RpcError::Unreachable { .. })), "{found:?}");
    assert_eq!(local.served(), 1);
}

#[tokio::test]
async fn nobody_there_is_said() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let found =
        chain(&format!("http://127.0.0.1:{port}/s3cr3tk3y")).chain_id().await.unwrap_err().to_string();
    let expected = format!("cannot reach `http://127.0.0.1:{port}`: connection refused");
    assert!(found.starts_with(&expected), "{found}");
}

#[tokio::test]
async fn an_endpoint_without_tls_is_not_asked_in_the_clear() {
    let local = Local::start(vec![result("\"0x1\"")]).await;
    let endpoint = local.url.replace("http://", "https://").parse().unwrap();
    // A machine without certificate authorities cannot even begin.
    let found = match Chain::new(endpoint) {
        Ok(chain) => chain.chain_id().await.unwrap_err(),
        Err(error) => error,
    };
    assert!(matches!(found, RpcError::Unreachable { .. } | RpcError::Tls { .. }), "{found:?}");
    assert!(!found.to_string().contains("s3cr3tk3y"), "{found}");
    assert!(found.to_string().contains("TLS"), "{found}");
}

#[tokio::test]
async fn another_hash_is_no_acceptance() {
    let local = Local::start(vec![result(&format!("\"0x{}\"", "11".repeat(32)))]).await;
    let found = chain(&local.url).broadcast(&payment()).await;
    assert!(matches!(found, Err(RpcError::Malformed { .. })), "{found:?}");
}

#[tokio::test]
async fn a_used_nonce_is_ours_or_another_ones() {
    let signed = payment();
    let mine = format!(
        r#"{{"hash":"0x{}","from":"{}","nonce":"0x0","blockNumber":"0x5"}}"#,
        hex::encode(signed.hash),
        signed.from
    );
    let send = async |answers| {
        let local = Local::start(answers).await;
        chain(&local.url).broadcast(&signed).await
    };
    let low = refusal("nonce too low");
    assert_eq!(send(vec![low.clone(), result(&mine)]).await, Ok(Broadcast::AlreadyKnown));
    match send(vec![low.clone(), result("null")]).await {
        Ok(Broadcast::Rejected(rejection)) => assert_eq!(rejection.kind, RejectionKind::NonceUsed),
        other => panic!("{other:?}"),
    }
    let other = mine.replace(&hex::encode(signed.hash), &"22".repeat(32));
    let found = send(vec![low, result(&other)]).await;
    assert!(matches!(found, Err(RpcError::Malformed { .. })), "{found:?}");
}

fn body(body: &str) -> Vec<u8> {
    http("200 OK", "", body)
}

#[tokio::test]
async fn answers_of_a_batch_are_told_apart_by_their_numbers() {
    let refused = r#"{"id":1,"error":{"code":-32000,"message":"no"}}"#;
    let local =
        Local::start(vec![body(&format!(r#"[{{"id":2,"result":null}},{refused},{{"id":0,"result":7}}]"#))])
            .await;
    let found = chain(&local.url).inclusions(&[[1; 32], [2; 32], [3; 32]]).await.unwrap();
    assert_eq!(local.served(), 1);
    let [Err(RpcError::Malformed { .. }), Err(RpcError::Refused { .. }), Ok(None)] = found.as_slice() else {
        panic!("{found:?}")
    };
}

#[tokio::test]
async fn an_endpoint_without_batches_is_asked_one_by_one_ever_after() {
    for no in [
        refusal("batches are not supported"),
        http("400 Bad Request", "", "what?"),
        body(r#"[{"id":0,"result":null}]"#),
        body(r#"[{"id":0,"result":null},{"id":0,"result":null}]"#),
        body("[]"),
    ] {
        let local = Local::start(vec![no, result("null")]).await;
        let chain = chain(&local.url);
        for served in [3, 5] {
            assert_eq!(chain.inclusions(&[[1; 32], [2; 32]]).await, Ok(vec![Ok(None), Ok(None)]));
            assert_eq!(local.served(), served);
        }
    }
}

#[tokio::test]
async fn an_endpoint_that_is_busy_is_not_asked_more_often() {
    let local = Local::start(vec![http("429 Too Many Requests", "", "sorry")]).await;
    let found = chain(&local.url).inclusions(&[[1; 32], [2; 32]]).await;
    assert!(matches!(found, Err(RpcError::Status { status: 429, .. })), "{found:?}");
    assert_eq!(local.served(), 1);
}

#[tokio::test]
async fn a_receipt_of_another_transaction_is_refused() {
    let receipt = |hash: &str, status: &str| {
        let block = "33".repeat(32);
        result(&format!(
            r#"{{"transactionHash":"0x{hash}","status":"{status}","blockNumber":"0x5","blockHash":"0x{block}",
                 "gasUsed":"0x5208","effectiveGasPrice":"0x3b9aca00","contractAddress":null}}"#
        ))
    };
    let (mine, other) = ("11".repeat(32), "22".repeat(32));
    let ask = async |answer| {
        let local = Local::start(vec![answer]).await;
        chain(&local.url).inclusion(&[0x11; 32]).await
    };
    assert!(ask(receipt(&mine, "0x1")).await.unwrap().unwrap().succeeded);
    assert!(!ask(receipt(&mine, "0x0")).await.unwrap().unwrap().succeeded);
    assert!(matches!(ask(receipt(&mine, "0x2")).await, Err(RpcError::Malformed { .. })));
    assert!(matches!(ask(receipt(&other, "0x1")).await, Err(RpcError::Malformed { .. })));
    assert_eq!(ask(result("null")).await, Ok(None));
}
