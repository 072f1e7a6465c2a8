//! Accounts come to be, or clearly do not.

use cohold_model::Signed;
use cohold_model::statement::Statement;
use cohold_party::wire::ToParty;
use serde_json::{Value, json};

use crate::cluster::{Family, Manner, Server};

fn is(status: &'static str) -> impl Fn(&Value) -> bool {
    move |view| view["status"] == status
}

#[tokio::test]
async fn every_party_signs_and_gets_the_charter() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path(), None).await;
    let family = Family::new(30);
    let (device, recovery) =
        (family.join(&server, 0, Manner::Honest).await, family.join(&server, 1, Manner::Honest).await);
    let create = json!({ "proposal": family.proposal() });
    let path = format!("/v1/accounts/{}", family.account());

    let (status, problem) = server.post("/v1/accounts", &create).await;
    assert_eq!((status, problem["code"].as_str()), (409, Some("party-unknown")));
    assert!(problem["detail"].as_str().unwrap().contains("`cosigner`"));

    let cosigner = family.join(&server, 2, Manner::Honest).await;
    server.until("/v1/parties", |found| found.as_array().is_some_and(|all| all.len() == 1)).await;
    let (status, view) = server.post("/v1/accounts", &create).await;
    assert_eq!((status, view["status"].as_str()), (202, Some("creating")));
    let view = server.until(&path, is("active")).await;
    assert_eq!(view["address"], family.address().to_string());
    assert_eq!(view["charter"]["signatures"].as_object().unwrap().len(), 3);
    for party in [&device, &recovery, &cosigner] {
        party.hears(|words| matches!(words, ToParty::Charter { .. })).await;
    }

    // The same again is the same account; another body is none.
    let (status, same) = server.post("/v1/accounts", &create).await;
    assert_eq!((status, &same), (202, &view));
    let mut other = family.proposal().document;
    other.created_at -= 1;
    let other = cohold_model::Signed::by(other, "device".parse().unwrap(), &family.secret(0));
    let (status, problem) = server.post("/v1/accounts", &json!({ "proposal": other })).await;
    assert_eq!((status, problem["code"].as_str()), (409, Some("idempotency-mismatch")));

    // The nodes say what they hold; while one is silent its last word stands, and it is named.
    let statements = format!("{path}/statements");
    let (_, said) = server.get(&statements).await;
    assert_eq!(said["missing"], json!([]));
    assert_eq!(said["statements"][0]["document"]["party"], "cosigner");
    cosigner.sets(Manner::Silent);
    let (_, silent) = server.get(&statements).await;
    assert_eq!((&silent["missing"], &silent["statements"]), (&json!(["cosigner"]), &said["statements"]));

    // The device hands its word in; whatever is not its own word about this account is refused.
    let word = said["statements"][0]["document"].clone();
    let by = |party: &str, seed: u8, change: &dyn Fn(&mut Statement)| {
        let mut statement: Statement = serde_json::from_value(word.clone()).unwrap();
        statement.party = party.parse().unwrap();
        change(&mut statement);
        json!({ "statement": Signed::by(statement, party.parse().unwrap(), &family.secret(seed)) })
    };
    type Change = fn(&mut Statement);
    let refused: [(&str, u8, Change); 5] = [
        ("device", 1, |_| ()),
        ("nobody", 0, |_| ()),
        ("device", 0, |said| said.account = "acc_ff0102030405060708090a0b0c0d0e0f".parse().unwrap()),
        ("device", 0, |said| said.charter.0[0] ^= 1),
        ("device", 0, |said| said.issued_at += 7200),
    ];
    for (party, seed, change) in refused {
        let (status, problem) = server.post(&statements, &by(party, seed, &change)).await;
        assert_eq!((status, problem["code"].as_str()), (400, Some("statement-refused")), "{problem}");
    }
    let own = by("device", 0, &|_| ());
    assert_eq!(server.post(&statements, &own).await, (201, own.clone()));

    // It is there after a restart, and a party that missed the charter gets it when it signs again.
    server.restart().await;
    let (_, page) = server.get("/v1/accounts").await;
    assert_eq!(page["items"], json!([view]));
    let (_, kept) = server.get(&statements).await;
    assert_eq!(kept["missing"], json!(["cosigner"]));
    assert_eq!(kept["statements"], json!([said["statements"][0], own["statement"]]));
}

#[tokio::test]
async fn two_keys_make_no_account() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), None).await;
    let family = Family::new(40);
    let device = family.join(&server, 0, Manner::Honest).await;
    let _recovery = family.join(&server, 1, Manner::Honest).await;
    let _cosigner = family.join(&server, 2, Manner::OtherKey).await;
    server.until("/v1/parties", |found| found.as_array().is_some_and(|all| all.len() == 1)).await;
    server.post("/v1/accounts", &json!({ "proposal": family.proposal() })).await;
    let view = server.until(&format!("/v1/accounts/{}", family.account()), is("failed")).await;
    assert!(view["reason"].as_str().unwrap().contains("another key"));
    device.hears(|words| matches!(words, ToParty::Abandon { .. })).await;
    assert_eq!(server.get("/v1/accounts").await.1["items"], json!([]));
}

#[tokio::test]
async fn proposals_are_checked_before_anybody_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), None).await;
    let family = Family::new(50);
    let device = "device".parse::<cohold_model::PartyName>().unwrap();
    let check =
        async |change: &dyn Fn(&mut cohold_model::account::Proposal), signer: u8, expected: (u16, &str)| {
            let mut proposal = family.proposal().document;
            change(&mut proposal);
            let signed = cohold_model::Signed::by(proposal, device.clone(), &family.secret(signer));
            let (status, problem) = server.post("/v1/accounts", &json!({ "proposal": signed })).await;
            assert_eq!((status, problem["code"].as_str().unwrap()), expected, "{problem}");
        };
    check(&|p| p.terms.threshold = 1, 0, (400, "invalid-terms")).await;
    check(&|p| p.terms.approvers.clear(), 0, (400, "invalid-terms")).await;
    check(&|p| p.created_at -= 26 * 3600, 0, (400, "expires-too-late")).await;
    check(&|_| {}, 1, (400, "invalid-proposal")).await;
    check(&|p| p.proposer = "nobody".parse().unwrap(), 0, (400, "invalid-proposal")).await;
    check(&|_| {}, 0, (409, "party-unknown")).await;

    let cosigner = family.join(&server, 2, Manner::Silent).await;
    server.until("/v1/parties", |found| found.as_array().is_some_and(|all| all.len() == 1)).await;
    check(&|p| p.terms.parties[2].seal.0[0] ^= 1, 0, (409, "party-differs")).await;
    drop(cosigner);
    server.until("/v1/parties", |found| found[0]["online"] == false).await;
    check(&|_| {}, 0, (409, "party-offline")).await;
}
