//! What strangers and clumsy clients send: a clear problem each, nothing lost.

use serde_json::{Value, json};

use crate::cluster::{Family, Manner, Server};

fn check(answer: (u16, Value), status: u16, code: &str, says: &str) {
    let (found, problem) = answer;
    assert_eq!((found, problem["code"].as_str()), (status, Some(code)), "{problem}");
    assert_eq!(problem["type"], format!("urn:cohold:problem:{code}"));
    assert_eq!(problem["status"], status);
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains(says), "`{detail}` lacks `{says}`");
    assert!(problem["trace"].as_str().unwrap().starts_with("trc_"));
}

#[tokio::test]
async fn requests_are_refused_by_name_and_place() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), None).await;

    let health = server.request("GET", "/healthz").send().await.unwrap();
    assert_eq!(health.status(), 200);
    assert!(health.headers().contains_key("x-request-id"));

    for token in
        [None, Some(""), Some("cohold_"), Some("wrong"), Some(&server.token[..server.token.len() - 1])]
    {
        for (method, path) in [("GET", "/v1/parties"), ("POST", "/v1/requests"), ("GET", "/v1/nowhere")] {
            let request = server.request(method, path);
            let request = match token {
                Some(token) => request.bearer_auth(token),
                None => request,
            };
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), 401, "{token:?} {method} {path}");
            assert_eq!(response.headers()["content-type"], "application/problem+json");
            assert_eq!(response.headers()["www-authenticate"], "Bearer");
        }
    }
    check(server.get("/v1/nowhere").await, 404, "not-found", "no such route");
    check(server.answer(server.request("DELETE", "/v1/parties")).await, 405, "method-not-allowed", "method");
    check(server.get("/v1/relay").await, 400, "not-a-websocket", "WebSocket");

    let post = |body: String| server.answer(server.request("POST", "/v1/requests").body(body));
    check(post("{".into()).await, 400, "invalid-body", "line 1 column 1");
    check(post(String::new()).await, 400, "invalid-body", "EOF");
    check(post("{\"intent\": 7}".into()).await, 400, "invalid-body", "intent: invalid type: integer");
    let intent = serde_json::to_value(Family::new(10).intent(1, 5)).unwrap();
    for (field, value, says) in [
        ("account", json!("acc_1"), "intent.account: `acc_1` is not an id"),
        ("expires_at", json!(-1), "intent.expires_at"),
        ("surprise", json!(1), "unknown field `surprise`"),
        ("chain_id", json!("1"), "intent.chain_id"),
    ] {
        let mut changed = json!({ "intent": intent });
        changed["intent"][field] = value;
        check(server.post("/v1/requests", &changed).await, 400, "invalid-body", says);
    }
    let mut amount = json!({ "intent": intent });
    amount["intent"]["action"]["amount"] = format!("{}0", "9".repeat(78)).into();
    check(server.post("/v1/requests", &amount).await, 400, "invalid-body", "256-bit");

    check(server.get("/v1/accounts/acc_xyz").await, 400, "invalid-path", "`acc_xyz` is not an id");
    check(server.get("/v1/accounts?limit=0").await, 400, "invalid-limit", "1 to 200");
    check(server.get("/v1/accounts?limit=201").await, 400, "invalid-limit", "1 to 200");
    check(server.get("/v1/accounts?limit=many").await, 400, "invalid-query", "limit");
    check(server.get("/v1/accounts?page=1").await, 400, "invalid-query", "page");
    check(server.get("/v1/requests?cursor=x").await, 400, "invalid-cursor", "cursor");
    let account = Family::new(10).account();
    check(server.get(&format!("/v1/accounts/{account}")).await, 404, "not-found", &account.to_string());
    check(
        server.get(&format!("/v1/accounts/{account}/balance?chain_id=1")).await,
        404,
        "not-found",
        "account",
    );
    check(server.post("/v1/requests", &json!({ "intent": intent })).await, 404, "not-found", "account");
    let key = server.request("POST", "/v1/requests").header("idempotency-key", "other");
    check(server.answer(key.json(&json!({ "intent": intent }))).await, 400, "idempotency-mismatch", "header");
}

#[tokio::test]
async fn ten_megabytes_are_refused_and_the_server_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), None).await;
    let large = vec![b' '; 10 * 1024 * 1024];
    for _ in 0..3 {
        let request = server.request("POST", "/v1/requests").body(large.clone());
        check(server.answer(request).await, 413, "body-too-large", "262144");
    }
    let just = vec![b' '; cohold_api::BODY_BYTES_MAX + 1];
    check(
        server.answer(server.request("POST", "/v1/accounts").body(just)).await,
        413,
        "body-too-large",
        "262144",
    );
    assert_eq!(server.get("/v1/parties").await, (200, json!([])));
}

#[tokio::test]
async fn junk_on_the_relay_harms_nobody() {
    use cohold_relay::frame::login;
    use cohold_relay::{Address, RelayClient};

    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), None).await;
    let family = Family::new(20);
    let secret = family.secret(0);
    let url = format!("{}/v1/relay", server.url.replacen("http", "ws", 1));
    let answer = move |challenge: &[u8; 32]| login(challenge, &secret);
    let client = RelayClient::connect(url, "device".parse().unwrap(), std::sync::Arc::new(answer));
    for junk in [&[][..], &[0], b"\0{}", b"\0{\"type\":\"hello\"}", &[1, 2, 3], &[9; 1000]] {
        client.link().send(Address::Coordinator, junk.to_vec()).await.unwrap();
    }
    // Somebody else's card is not taken from this connection.
    let other = cohold_model::Signed::by(family.card(2), family.card(2).party, &family.secret(2));
    let hello = cohold_party::wire::FromParty::Hello { card: other };
    let body = cohold_party::wire::Message::encode_plain(&hello).unwrap();
    client.link().send(Address::Coordinator, body).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(server.get("/v1/parties").await, (200, json!([])));
    let _cosigner = family.join(&server, 2, Manner::Honest).await;
    let parties =
        server.until("/v1/parties", |found| found.as_array().is_some_and(|all| !all.is_empty())).await;
    assert_eq!(parties[0]["card"]["document"]["party"], "cosigner");
}
