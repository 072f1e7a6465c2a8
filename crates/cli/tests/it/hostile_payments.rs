//! `cohold send` against a server that lies: nothing is signed that was not shown, nothing is paid twice,
//! and what the server claims against what this device knows is not believed.

use std::sync::{Arc, Mutex};

use cohold_chain_evm::plan::{Facts, Funds};
use cohold_model::{Amount, Intent};
use serde_json::{Value, json};

use crate::chain::{CENT, new_address};
use crate::liar::{Answer, Liar};
use crate::process::Cli;
use crate::world::{Account, World, new_request};

const REQUESTS: (&str, &str) = ("/v1/requests", "");
const REQUEST: (&str, &str) = ("/v1/requests/req_", "");
const APPROVALS: (&str, &str) = ("/v1/requests/req_", "/approvals");

struct Stage {
    world: World,
    account: Account,
    liar: Liar,
}

impl Stage {
    fn set() -> Option<Self> {
        let world = World::start()?;
        let account = world.funded();
        let liar = Liar::before(&world.url());
        Some(Self { world, account, liar })
    }

    /// A payment through the liar.
    fn pay(&self, to: &str, request: &str) -> Cli {
        self.world.pay(&self.account, to, request).env("COHOLD_SERVER", &self.liar.url)
    }

    fn nonce(&self) -> u64 {
        self.world.chain.nonce(&self.account.address)
    }

    /// A payment fails with this code and these words, before anything was approved.
    fn refused(&self, what: &str, code: &str, says: &str) {
        let (to, nonce) = (new_address(), self.nonce());
        let (found, message) = self.pay(&to, &new_request()).run().failed(1);
        assert!(found == code && message.contains(says), "{what}: `{found}`: {message}");
        assert!(!self.has_approved(), "{what}: approved");
        assert_eq!((self.nonce(), self.world.chain.balance(&to)), (nonce, 0), "{what}");
    }

    /// What the server says of an earlier payment.
    fn old_answer(&self) -> Value {
        let to = new_address();
        let words = ["send", &self.account.id, "--to", &to, "--amount", "0.01", "--yes"];
        let paid = self.world.device(words).run().done();
        let path = format!("/v1/requests/{}", paid["request"].as_str().unwrap());
        self.world.api("GET", &path, None).unwrap().1
    }

    fn has_approved(&self) -> bool {
        self.liar.calls().iter().any(|call| call.is("POST", APPROVALS))
    }

    /// A payment that was approved fails with this code and these words; asked for again at the real
    /// server, it is paid once.
    fn paid_all_the_same(&self, what: &str, exit: i32, code: &str, says: &str) {
        let (to, request, nonce) = (new_address(), new_request(), self.nonce());
        let (found, message) = self.pay(&to, &request).run().failed(exit);
        assert!(found == code && message.contains(says), "{what}: `{found}`: {message}");
        assert!(self.has_approved(), "{what}: not approved");
        let paid = self.world.pay(&self.account, &to, &request).run().done();
        self.world.assert_paid_once(&self.account, &to, nonce, &paid);
    }
}

#[test]
fn nothing_is_approved_that_is_not_the_wish() {
    let Some(stage) = Stage::set() else { return };
    other_wishes(&stage);
    other_bytes(&stage);
    claims_before_the_approval(&stage);
    // Nothing is lost: the account pays.
    assert_eq!(stage.old_answer()["status"], "mined");
}

/// The server plans something else, consistent in itself.
fn other_wishes(stage: &Stage) {
    let thief = new_address();
    let other = stage.world.create(&["--template", "shared"]);
    stage.world.fund(&other);
    type Wish = (&'static str, Box<dyn Fn(&mut Value) + Send>, &'static str);
    let set = |place: &'static str, value: Value| -> Box<dyn Fn(&mut Value) + Send> {
        Box::new(move |intent| *intent.pointer_mut(place).unwrap() = value.clone())
    };
    let wishes: Vec<Wish> = vec![
        ("another receiver", set("/action/to", json!(thief)), "idempotency-mismatch"),
        ("another amount", set("/action/amount", json!("20000000000000000")), "idempotency-mismatch"),
        (
            "another asset",
            set("/action/asset", json!({"token": stage.world.chain.token})),
            "idempotency-mismatch",
        ),
        ("another account", set("/account", json!(other.id)), "idempotency-mismatch"),
        ("another requester", set("/requester", json!("cosigner")), "idempotency-mismatch"),
        ("another request", set("/request", json!(new_request())), "plan-refused"),
        (
            "a longer life",
            Box::new(|intent| {
                let expires = intent["expires_at"].as_u64().unwrap();
                intent["expires_at"] = json!(expires + 3600);
            }),
            "plan-refused",
        ),
    ];
    for (what, change, code) in wishes {
        stage.liar.tell(move |call, honest| {
            let mut call = call.clone();
            if call.is("POST", REQUESTS) {
                change(&mut call.body["intent"]);
            }
            let (status, value) = honest(&call);
            Answer::Json(status, value)
        });
        stage.refused(what, code, "");
    }
    stage.liar.twist("GET", ("/v1/chains", ""), |chains| chains[0]["chain_id"] = json!(1));
    stage.refused("another chain", "unknown-chain", "");
}

/// The intent is right and the bytes are not.
fn other_bytes(stage: &Stage) {
    for (what, change) in
        [("to the thief", json!({"to": new_address()})), ("more", json!({"amount": "20000000000000000"}))]
    {
        for consistent in [false, true] {
            let change = change.clone();
            stage.liar.tell(move |call, honest| {
                let (status, mut value) = honest(call);
                if call.is("POST", REQUESTS) && status == 201 {
                    let mut intent: Value = value["intent"].clone();
                    for (name, to) in change.as_object().unwrap() {
                        intent["action"][name] = to.clone();
                    }
                    let plan = planned(&intent, 0);
                    // Under its own intent's digest, or under that of the wish.
                    value["plan"]["payload"] = plan["payload"].clone();
                    if consistent {
                        value["plan"]["intent"] = plan["intent"].clone();
                    }
                }
                Answer::Json(status, value)
            });
            stage.refused(what, "plan-refused", "the server's plan is refused");
        }
    }
    stage.liar.twist("POST", REQUESTS, |view| {
        let payload = view["plan"]["payload"].as_str().unwrap_or_default().to_owned();
        view["plan"]["payload"] = json!(payload + "00");
    });
    stage.refused("junk behind the bytes", "plan-refused", "");
}

/// A plan as the server would make it, with this nonce.
fn planned(intent: &Value, nonce: u64) -> Value {
    let intent: Intent = serde_json::from_value(intent.clone()).unwrap();
    let facts = Facts {
        chain_id: 31_337,
        nonce,
        base_fee_per_gas: 1_000_000_000,
        max_priority_fee_per_gas: 1_000_000_000,
        gas_estimate: 21_000,
        funds: Funds { native: Amount::from(u128::MAX), token: Amount::ZERO },
    };
    serde_json::to_value(cohold_chain_evm::plan(&intent, &facts).unwrap()).unwrap()
}

/// States that cannot be, as this device approved nothing; old answers of another payment included.
fn claims_before_the_approval(stage: &Stage) {
    let old = stage.old_answer();
    for status in ["approved", "signed", "submitted", "mined", "final", "reverted"] {
        let old = old.clone();
        stage.liar.twist("POST", REQUESTS, move |view| {
            view["status"] = json!(status);
            for name in ["transaction", "transaction_hash", "block", "approvals"] {
                view[name] = old[name].clone();
            }
        });
        stage.refused(status, "bad-answer", "which this device never approved");
    }
    let replayed = old.clone();
    stage.liar.twist("POST", REQUESTS, move |view| *view = replayed.clone());
    stage.refused("an old answer", "plan-refused", "the server answers with request");
    for (status, code) in [("refused", "refused"), ("expired", "plan-outdated")] {
        stage.liar.twist("POST", REQUESTS, move |view| {
            view["status"] = json!(status);
            view["reason"] = json!("because\u{1b}[2J I say so");
        });
        stage.refused(status, code, "because [2J I say so");
    }
}

#[test]
fn nothing_is_believed_after_the_approval_that_the_bytes_do_not_show() {
    let Some(stage) = Stage::set() else { return };
    let old = stage.old_answer();

    // Mined, it says, and has nothing to show for it, or somebody else's.
    stage.liar.twist("POST", APPROVALS, |view| {
        view["status"] = json!("mined");
        view.as_object_mut().unwrap().remove("transaction");
    });
    stage.paid_all_the_same("no transaction", 1, "bad-answer", "shows no signed transaction");
    stage.liar.twist("POST", APPROVALS, move |view| {
        view["status"] = json!("mined");
        view["transaction"] = old["transaction"].clone();
        view["transaction_hash"] = old["transaction_hash"].clone();
    });
    stage.paid_all_the_same(
        "an old transaction",
        1,
        "bad-answer",
        "not this account's signature of this plan",
    );
    stage.liar.twist("GET", REQUEST, |view| view["transaction_hash"] = json!("ab".repeat(32)));
    stage.paid_all_the_same("another hash", 1, "bad-answer", "");

    // Another plan of the same wish, shown once the first is approved.
    stage.liar.twist("POST", APPROVALS, |view| view["plan"] = planned(&view["intent"], 77));
    stage.paid_all_the_same("another plan", 1, "bad-answer", "another plan");

    // It ended, it says, while it is being paid.
    for (status, exit, code) in [("refused", 1, "refused"), ("expired", 3, "maybe-signed")] {
        stage.liar.twist("POST", APPROVALS, move |view| view["status"] = json!(status));
        stage.paid_all_the_same(status, exit, code, "before you pay again");
    }
    stage.liar.tell(|call, honest| {
        let (status, value) = honest(call);
        if call.is("POST", APPROVALS) {
            return problem(409, "plan-outdated");
        }
        Answer::Json(status, value)
    });
    stage.paid_all_the_same("outdated", 3, "maybe-signed", "before you pay again");
    stage.liar.tell(|call, honest| {
        let (status, value) = honest(call);
        if call.is("POST", APPROVALS) { Answer::Json(500, json!(null)) } else { Answer::Json(status, value) }
    });
    stage.paid_all_the_same("an error", 1, "server-error", "which pays once");
}

/// A request that is planned a second time, with another nonce, would be paid twice wherever two quorums
/// need not meet. The device approves one nonce, also after it was killed in between.
#[test]
fn a_request_that_is_asked_for_twice_gets_one_nonce() {
    let Some(stage) = Stage::set() else { return };
    let parties = ["me:device", "me:recovery", "acme:cosigner", "acme:guardian"];
    let words = ["--threshold", "2"].into_iter().chain(parties.iter().flat_map(|party| ["--party", party]));
    let account = stage.world.create(&words.collect::<Vec<_>>());
    stage.world.fund(&account);
    let stage = Stage { account, ..stage };
    let approvals: Arc<Mutex<Vec<Value>>> = Arc::default();
    // A server that forgets every request, plans with whatever nonce, and keeps approvals to itself.
    let hostile = |nonce: u64| {
        let approvals = Arc::clone(&approvals);
        approvals.lock().unwrap().clear();
        stage.liar.tell(move |call, honest| {
            if call.is("POST", APPROVALS) {
                approvals.lock().unwrap().push(call.body.clone());
                return problem(500, "internal");
            }
            if call.is("GET", REQUEST) {
                return problem(404, "not-found");
            }
            if call.is("POST", REQUESTS) {
                return Answer::Json(201, invented(&call.body["intent"], nonce));
            }
            let (status, value) = honest(call);
            Answer::Json(status, value)
        });
    };
    for crash in [None, Some("party.approve.after")] {
        let (to, request, nonce) = (new_address(), new_request(), stage.nonce());
        hostile(nonce);
        match crash {
            None => {
                let (code, message) = stage.pay(&to, &request).run().failed(1);
                assert!(code == "internal" && message.contains(&request), "{code}: {message}");
                assert_eq!(approvals.lock().unwrap().len(), 1);
            }
            Some(point) => {
                stage.pay(&to, &request).env("COHOLD_CRASH_AT", point).run().crashed(point);
                assert_eq!(approvals.lock().unwrap().len(), 0, "noted before it is given");
            }
        }
        hostile(nonce + 1);
        let (code, message) = stage.pay(&to, &request).run().failed(1);
        assert!(code == "second-nonce" && message.contains("paid twice"), "{code}: {message}");
        // Nor for another wish.
        hostile(nonce);
        let words =
            ["send", &stage.account.id, "--to", &to, "--amount", "0.02", "--yes", "--request", &request];
        let (code, _) = stage.world.device(words).env("COHOLD_SERVER", &stage.liar.url).run().failed(1);
        assert_eq!(code, "idempotency-mismatch");
        assert_eq!(*approvals.lock().unwrap(), Vec::<Value>::new(), "no second approval");
        // An honest server plans it with the nonce that is free, which is the one that it has.
        let paid = stage.world.pay(&stage.account, &to, &request).run().done();
        stage.world.assert_paid_once(&stage.account, &to, nonce, &paid);
    }
}

/// Another payment came first, says the server, and keeps the approval. The device makes the request void
/// before it pays under another id; the kept approval is worth nothing any more.
#[test]
fn what_is_planned_anew_is_never_signed_twice() {
    let Some(stage) = Stage::set() else { return };
    let kept: Arc<Mutex<Option<(String, Value)>>> = Arc::default();
    let keep = Arc::clone(&kept);
    stage.liar.tell(move |call, honest| {
        let mut kept = keep.lock().unwrap();
        if call.is("POST", APPROVALS) && kept.is_none() {
            *kept = Some((call.path.clone(), call.body.clone()));
            return problem(409, "plan-outdated");
        }
        let (status, value) = honest(call);
        Answer::Json(status, value)
    });
    let (to, nonce) = (new_address(), stage.nonce());
    let words = ["send", &stage.account.id, "--to", &to, "--amount", "0.01", "--yes"];
    let paid = stage.world.device(words).env("COHOLD_SERVER", &stage.liar.url).run().done();
    let (path, approval) = kept.lock().unwrap().take().unwrap();
    let first = path.split('/').nth(3).unwrap().to_owned();
    assert_ne!(paid["request"], json!(first));

    // The first approval is used after all, while the device is at the relay for something else.
    let (status, answer) = stage.world.api("POST", path.split('?').next().unwrap(), Some(approval)).unwrap();
    assert!(status == 200 || status == 409, "{status}: {answer}");
    stage.old_answer();
    let (code, message) = stage.world.pay(&stage.account, &to, &first).run().failed(1);
    assert!(["refused", "plan-outdated", "given-up"].contains(&code.as_str()), "{code}: {message}");
    assert_eq!((stage.world.chain.balance(&to), stage.nonce()), (CENT, nonce + 2));
    stage.liar.tell(move |call, honest| match call {
        _ if call.is("GET", REQUEST) => problem(404, "not-found"),
        _ if call.is("POST", REQUESTS) => Answer::Json(201, invented(&call.body["intent"], nonce)),
        _ => {
            let (status, value) = honest(call);
            Answer::Json(status, value)
        }
    });
    let (code, message) = stage.pay(&to, &first).run().failed(1);
    assert!(code == "given-up" && !stage.has_approved(), "{code}: {message}");
}

fn problem(status: u16, code: &str) -> Answer {
    let says = json!({
        "type": "about:blank", "title": "t", "status": status, "detail": "says the server", "code": code, "trace": "x"
    });
    Answer::Json(status, says)
}

/// A request as a server shows it that never stored it.
fn invented(intent: &Value, nonce: u64) -> Value {
    json!({
        "request": intent["request"], "account": intent["account"], "intent": intent,
        "plan": planned(intent, nonce), "approvals": [], "status": "pending", "attempt": 0, "signers": [],
        "created_at": 0, "updated_at": 0
    })
}
