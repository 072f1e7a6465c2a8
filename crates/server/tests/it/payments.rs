//! Payments on a real local chain, with parties that misbehave and a server that restarts.

use cohold_chain_io::rpc::Repeat;
use cohold_model::Intent;
use cohold_model::intent::{Action, Asset};
use cohold_party::refusal::Code;
use cohold_party::wire::ToParty;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::anvil::{Anvil, fund, mine};
use crate::cluster::{Family, Manner, Party, Server, now};

const ETHER: u128 = 1_000_000_000_000_000_000;

/// An active account with one ether and its connected parties.
struct Scene {
    server: Server,
    family: Family,
    device: Party,
    cosigner: Party,
    charter: Value,
    anvil: Anvil,
    _recovery: Party,
    _folder: TempDir,
}

impl Scene {
    async fn set(base: u8) -> Option<Self> {
        Self::set_with(base, 0).await
    }

    async fn set_with(base: u8, confirmations: u32) -> Option<Self> {
        let anvil = Anvil::start(&[])?;
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start_with(folder.path(), Some(&anvil.url), confirmations).await;
        let family = Family::new(base);
        fund(&anvil.chain(), family.address(), ETHER.into()).await;
        let device = family.join(&server, 0, Manner::Honest).await;
        let recovery = family.join(&server, 1, Manner::Honest).await;
        let cosigner = family.join(&server, 2, Manner::Honest).await;
        server.until("/v1/parties", |found| found.as_array().is_some_and(|all| all.len() == 1)).await;
        server.post("/v1/accounts", &json!({ "proposal": family.proposal() })).await;
        let path = format!("/v1/accounts/{}", family.account());
        let charter = server.until(&path, |view| view["status"] == "active").await["charter"].clone();
        Some(Self { server, family, device, cosigner, charter, anvil, _recovery: recovery, _folder: folder })
    }

    async fn plan(&self, intent: &Intent) -> (u16, Value) {
        self.server.post("/v1/requests", &json!({ "intent": intent })).await
    }

    async fn approve(&self, view: &Value) -> (u16, Value) {
        let approval = self.family.approval_under(view, &self.charter);
        let path = format!("/v1/requests/{}/approvals", view["request"].as_str().unwrap());
        self.server.post(&path, &json!({ "approval": approval })).await
    }

    async fn until(&self, view: &Value, status: &str) -> Value {
        let path = format!("/v1/requests/{}", view["request"].as_str().unwrap());
        self.server.until(&path, |view| view["status"] == status).await
    }

    /// Plans, approves, and waits.
    async fn pay(&self, request: u8, expected: &str) -> Value {
        let (status, view) = self.plan(&self.family.intent(request, 1000)).await;
        assert_eq!(status, 201, "{view}");
        let (status, view) = self.approve(&view).await;
        assert_eq!((status, view["status"].as_str()), (200, Some("approved")), "{view}");
        self.until(&view, expected).await
    }

    async fn rpc(&self, method: &'static str, params: Value) -> Value {
        self.anvil.chain().rpc().request(method, params, Repeat::Never).await.unwrap()
    }

    async fn nonce(&self) -> u64 {
        self.anvil.chain().nonce_latest(self.family.address()).await.unwrap()
    }
}

#[tokio::test]
async fn a_payment_walks_down_the_stair() {
    let Some(scene) = Scene::set(60).await else { return };
    let intent = scene.family.intent(1, 1000);
    let (_, view) = scene.plan(&intent).await;
    assert_eq!(view["status"], "pending");

    // Asked again it is the same; the id with another wish is refused.
    assert_eq!(scene.plan(&intent).await.1, view);
    let (status, problem) = scene.plan(&scene.family.intent(1, 1001)).await;
    assert_eq!((status, problem["code"].as_str()), (409, Some("idempotency-mismatch")));

    // An approval of something else is none.
    let foreign = scene.family.approval(&view);
    let path = format!("/v1/requests/{}/approvals", view["request"].as_str().unwrap());
    let (status, problem) = scene.server.post(&path, &json!({ "approval": foreign })).await;
    assert_eq!((status, problem["code"].as_str()), (400, Some("approval-refused")));

    let (status, approved) = scene.approve(&view).await;
    assert_eq!((status, approved["signers"].clone()), (200, json!([1, 3])));
    let done = scene.until(&view, "final").await;
    assert_eq!((done["attempt"].clone(), scene.nonce().await), (json!(1), 1));
    // The approval once more changes nothing; another one comes too late.
    assert_eq!(
        scene.server.post(&path, &json!({ "approval": done["approvals"][0] })).await,
        (200, done.clone())
    );
    let mut late = scene.family.approval_under(&view, &scene.charter).document;
    late.expires_at += 60;
    let late = scene.family.sign(late);
    let (status, problem) = scene.server.post(&path, &json!({ "approval": late })).await;
    assert_eq!((status, problem["code"].as_str()), (409, Some("request-not-pending")));

    let (_, page) = scene.server.get("/v1/receipts").await;
    let receipts = page["items"].as_array().unwrap();
    let last = receipts.last().unwrap();
    assert_eq!(
        (last["status"].clone(), last["signers"].clone()),
        (json!("final"), json!(["device", "cosigner"]))
    );
    assert_eq!(last["transaction_hash"], done["transaction_hash"]);
    let balance = format!("/v1/accounts/{}/balance?chain_id=31337", scene.family.account());
    let (_, balance) = scene.server.get(&balance).await;
    assert_eq!((balance["symbol"].clone(), balance["decimals"].clone()), (json!("ETH"), json!(18)));
}

#[tokio::test]
async fn what_cannot_be_paid_is_refused_by_name() {
    let Some(scene) = Scene::set(70).await else { return };
    let check = async |change: &dyn Fn(&mut Intent), status: u16, code: &str| {
        let mut intent = scene.family.intent(9, 1000);
        change(&mut intent);
        let (found, problem) = scene.plan(&intent).await;
        assert_eq!((found, problem["code"].as_str()), (status, Some(code)), "{problem}");
        assert!(!problem["detail"].as_str().unwrap().contains("127.0.0.1"), "{problem}");
    };
    let pays = |asset: Asset, to: &str, amount: u128| {
        let to = to.to_owned();
        move |intent: &mut Intent| {
            let (asset, to) = (asset.clone(), to.clone());
            intent.action = Action::Transfer { asset, to, amount: amount.into() };
        }
    };
    let receiver = crate::cluster::RECEIVER;
    check(&pays(Asset::Native, receiver, ETHER), 422, "insufficient-balance").await;
    check(&pays(Asset::Native, receiver, 0), 400, "zero-amount").await;
    check(&pays(Asset::Native, &receiver.replace("5aA", "5AA"), 1), 400, "bad-address").await;
    check(&pays(Asset::Native, "0x00", 1), 400, "bad-address").await;
    check(&pays(Asset::Token(scene.family.address().to_string()), receiver, 1), 422, "unknown-token").await;
    check(&|intent| intent.chain_id = 5, 400, "unknown-chain").await;
    check(&|intent| intent.requester = "nobody".parse().unwrap(), 400, "unknown-requester").await;
    check(&|intent| intent.expires_at = now() - 1, 422, "expired").await;
    check(&|intent| intent.expires_at = now() + 26 * 3600, 400, "expires-too-late").await;
    check(&|intent| intent.account = Family::new(1).account(), 404, "not-found").await;
}

#[tokio::test]
async fn broken_sessions_are_tried_again_and_refusals_free_the_nonce() {
    let Some(scene) = Scene::set(80).await else { return };
    scene.device.sets(Manner::Silent);
    scene.cosigner.sets(Manner::Breaks(2));
    assert_eq!(scene.pay(1, "final").await["attempt"], 3);

    scene.cosigner.sets(Manner::Refuses(Code::Rules));
    let refused = scene.pay(2, "refused").await;
    assert_eq!(refused["reason"], "`cosigner`: not by these rules");
    assert_eq!(refused.get("transaction_hash"), None);

    scene.cosigner.sets(Manner::Forges);
    scene.pay(3, "final").await;
    assert_eq!(scene.nonce().await, 2);

    scene.cosigner.sets(Manner::Breaks(99));
    let given_up = scene.pay(4, "refused").await;
    assert_eq!((given_up["attempt"].clone(), scene.nonce().await), (json!(5), 2));
}

#[tokio::test]
async fn one_nonce_for_two_approvals_goes_to_the_first() {
    let Some(scene) = Scene::set(90).await else { return };
    let (_, abandoned) = scene.plan(&scene.family.intent(1, 1000)).await;
    tokio::time::sleep(std::time::Duration::from_secs(7)).await;
    scene.pay(2, "final").await;
    let (status, problem) = scene.approve(&abandoned).await;
    assert_eq!((status, problem["code"].as_str()), (409, Some("plan-outdated")));
    scene.until(&abandoned, "expired").await;
    assert_eq!(scene.nonce().await, 1);
}

#[tokio::test]
async fn a_request_given_up_frees_its_place_at_once() {
    let Some(scene) = Scene::set(95).await else { return };
    let (_, declined) = scene.plan(&scene.family.intent(1, 1000)).await;
    let path = format!("/v1/requests/{}", declined["request"].as_str().unwrap());
    let (status, view) = scene.server.answer(scene.server.request("DELETE", &path)).await;
    assert_eq!((status, view["status"].as_str()), (200, Some("refused")));
    let (status, problem) = scene.approve(&declined).await;
    assert_eq!((status, problem["code"].as_str()), (409, Some("request-not-pending")));
    scene.pay(2, "final").await;
    assert_eq!(scene.nonce().await, 1);
    let (status, _) = scene.server.answer(scene.server.request("DELETE", &path)).await;
    assert_eq!(status, 409, "twice is once too often");
}

#[tokio::test]
async fn nothing_is_signed_before_its_turn() {
    let Some(scene) = Scene::set(97).await else { return };
    let (_, first) = scene.plan(&scene.family.intent(1, 1000)).await;
    let (_, second) = scene.plan(&scene.family.intent(2, 1000)).await;
    let (_, third) = scene.plan(&scene.family.intent(3, 1000)).await;
    scene.approve(&second).await;
    // The first is approved in time: the second goes after it.
    scene.approve(&first).await;
    scene.until(&second, "final").await;
    assert_eq!(scene.nonce().await, 2);
    // The third is never approved: a fourth does not wait on the chain for it.
    let (_, fourth) = scene.plan(&scene.family.intent(4, 1000)).await;
    scene.approve(&fourth).await;
    scene.until(&fourth, "expired").await;
    scene.pay(5, "final").await;
    let (status, problem) = scene.approve(&third).await;
    assert_eq!((status, problem["code"].as_str()), (409, Some("plan-outdated")));
    assert_eq!(scene.nonce().await, 3);
}

#[tokio::test]
async fn a_restart_takes_up_what_was_approved() {
    let Some(mut scene) = Scene::set(100).await else { return };
    scene.device.sets(Manner::Silent);
    scene.cosigner.sets(Manner::Silent);
    let (_, view) = scene.plan(&scene.family.intent(1, 1000)).await;
    let (_, view) = scene.approve(&view).await;
    scene.cosigner.hears(|words| matches!(words, ToParty::Sign(_))).await;
    scene.server.restart().await;
    scene.cosigner.sets(Manner::Honest);
    let done = scene.until(&view, "final").await;
    assert_eq!((done["attempt"].clone(), scene.nonce().await), (json!(2), 1));
}

#[tokio::test]
async fn a_party_that_comes_back_gets_its_order_again() {
    let Some(mut scene) = Scene::set(110).await else { return };
    scene.device.sets(Manner::Silent);
    scene.cosigner.sets(Manner::Silent);
    let (_, view) = scene.plan(&scene.family.intent(1, 1000)).await;
    scene.approve(&view).await;
    scene.cosigner.hears(|words| matches!(words, ToParty::Sign(_))).await;
    scene.cosigner = scene.family.join(&scene.server, 2, Manner::Honest).await;
    assert_eq!(scene.until(&view, "final").await["attempt"], 1);
}

#[tokio::test]
async fn too_few_signers_are_named() {
    let Some(mut scene) = Scene::set(120).await else { return };
    let (_, view) = scene.plan(&scene.family.intent(1, 1000)).await;
    let approval = scene.family.approval_under(&view, &scene.charter);
    let path = format!("/v1/requests/{}/approvals", view["request"].as_str().unwrap());
    let check = async |scene: &Scene, signers: Value, status: u16, code: &str, says: &str| {
        let body = json!({ "approval": approval, "signers": signers });
        let (found, problem) = scene.server.post(&path, &body).await;
        assert_eq!((found, problem["code"].as_str()), (status, Some(code)), "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(says), "{problem}");
    };
    check(&scene, json!([1]), 400, "invalid-signers", "exactly 2").await;
    check(&scene, json!([1, 1]), 400, "invalid-signers", "exactly 2").await;
    check(&scene, json!([1, 4]), 400, "invalid-signers", "exactly 2").await;
    check(&scene, json!([0, 1]), 400, "invalid-body", "signers[0]").await;
    scene.cosigner = scene.family.join(&scene.server, 0, Manner::Honest).await;
    scene
        .server
        .until("/v1/parties", |all| all.as_array().unwrap().iter().any(|p| p["online"] == false))
        .await;
    check(&scene, json!([1, 3]), 409, "signers-offline", "`cosigner`").await;
    let (status, _) = scene.server.post(&path, &json!({ "approval": approval, "signers": [2, 1] })).await;
    assert_eq!(status, 200);
    assert_eq!(scene.until(&view, "final").await["signers"], json!([1, 2]));
}

#[tokio::test]
async fn a_transaction_outrun_by_another_is_given_up() {
    let Some(scene) = Scene::set(130).await else { return };
    let chain = scene.anvil.chain();
    scene.rpc("evm_setAutomine", json!([false])).await;
    let submitted = scene.pay(1, "submitted").await;
    scene.rpc("anvil_dropTransaction", json!([submitted["transaction_hash"]])).await;
    // The way out without the provider took the same nonce.
    scene.rpc("anvil_setNonce", json!([scene.family.address(), "0x1"])).await;
    mine(&chain, 1).await;
    let refused = scene.until(&submitted, "refused").await;
    assert!(refused["reason"].as_str().unwrap().contains("nonce 0"), "{refused}");
}

#[tokio::test]
async fn a_block_that_is_undone_is_waited_for_again() {
    let Some(scene) = Scene::set_with(150, 3).await else { return };
    let chain = scene.anvil.chain();
    let before = scene.rpc("evm_snapshot", json!([])).await;
    let mined = scene.pay(1, "mined").await;
    scene.rpc("evm_setAutomine", json!([false])).await;
    scene.rpc("evm_revert", json!([before])).await;
    scene.until(&mined, "submitted").await;
    mine(&chain, 1).await;
    let again = scene.until(&mined, "mined").await;
    assert_eq!(again["transaction_hash"], mined["transaction_hash"], "the same bytes");
    mine(&chain, 3).await;
    scene.until(&mined, "final").await;
    let (_, page) = scene.server.get("/v1/receipts").await;
    let receipts = page["items"].as_array().unwrap();
    assert_eq!(receipts.iter().filter(|receipt| receipt["status"] == "final").count(), 1);
}

#[tokio::test]
async fn a_transaction_that_fails_on_the_chain_is_reverted() {
    let Some(scene) = Scene::set(160).await else { return };
    let (_, view) = scene.plan(&scene.family.intent(1, 1000)).await;
    // The receiver becomes a contract that takes nothing: `PUSH1 0 PUSH1 0 REVERT`.
    scene.rpc("anvil_setCode", json!([crate::cluster::RECEIVER, "0x60006000fd"])).await;
    scene.approve(&view).await;
    let reverted = scene.until(&view, "reverted").await;
    assert!(reverted["reason"].as_str().unwrap().contains("only the fee"), "{reverted}");
    assert_eq!(scene.nonce().await, 1);
    // The next one goes on after it.
    scene.rpc("anvil_setCode", json!([crate::cluster::RECEIVER, "0x"])).await;
    scene.pay(2, "final").await;
}

#[tokio::test]
async fn payments_in_parallel_all_arrive_or_say_why() {
    let Some(scene) = Scene::set(170).await else { return };
    let pays = (1..=20).map(async |i| {
        let (_, view) = scene.plan(&scene.family.intent(i, 1000)).await;
        let (status, answer) = scene.approve(&view).await;
        match status {
            200 => scene.until(&view, "final").await["status"].clone(),
            _ => answer["code"].clone(),
        }
    });
    let ends = futures_util::future::join_all(pays).await;
    let paid = ends.iter().filter(|end| **end == "final").count() as u64;
    assert!(ends.iter().all(|end| *end == "final" || *end == "plan-outdated"), "{ends:?}");
    assert_eq!(scene.nonce().await, paid);
    assert!(paid >= 10, "{ends:?}");
}

#[tokio::test]
async fn an_endpoint_that_is_away_is_named_without_its_url() {
    let Some(mut scene) = Scene::set(140).await else { return };
    let url = scene.anvil.url.clone();
    scene.anvil = Anvil::start(&[]).unwrap();
    let (status, problem) = scene.plan(&scene.family.intent(1, 1000)).await;
    assert_eq!((status, problem["code"].as_str()), (503, Some("chain-unreachable")));
    let port = url.rsplit(':').next().unwrap();
    assert!(!problem.to_string().contains(port), "{problem}");
}
