//! Servers that are no servers, and the other commands against one that lies.

use cohold_model::account::Card;
use cohold_model::{IdentitySecret, Signed};
use serde_json::{Value, json};

use crate::chain::new_address;
use crate::liar::{Answer, Liar};
use crate::process::Cli;
use crate::world::{Account, World, new_request};

/// A command through the liar fails with this code and these words.
fn check(liar: &Liar, cli: Cli, what: &str, exit: i32, code: &str, says: &str) {
    let (found, message) = cli.env("COHOLD_SERVER", &liar.url).run().failed(exit);
    assert!(found == code && message.contains(says), "{what}: `{found}`: {message}");
    assert!(!message.chars().any(char::is_control), "{what}: {message}");
}

fn raw(text: String) -> Answer {
    Answer::Raw(text.into_bytes())
}

fn body(status: &str, headers: &str, body: &str) -> Answer {
    raw(format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    ))
}

#[test]
fn what_is_no_answer_is_no_answer() {
    let Some(world) = World::start() else { return };
    let account = world.funded();
    let liar = Liar::before(&world.url());
    let answers: Vec<(&str, Answer, &str, &str)> = vec![
        ("not JSON", body("200 OK", "", "<html>hello</html>"), "bad-answer", "is not understood"),
        ("nothing", body("200 OK", "", ""), "bad-answer", "is not understood"),
        ("deep", body("200 OK", "", &"[".repeat(1 << 20)), "bad-answer", "is not understood"),
        (
            "deep and closed",
            body("200 OK", "", &("[".repeat(5000) + &"]".repeat(5000))),
            "bad-answer",
            "understood",
        ),
        ("another shape", body("200 OK", "", "{\"a\": [1, 2, {}]}"), "bad-answer", "is not understood"),
        ("too large", body("200 OK", "", &" ".repeat(17 << 20)), "bad-answer", "too large"),
        (
            "elsewhere",
            body("307 Temporary Redirect", "location: http://127.0.0.1:1/\r\n", ""),
            "bad-answer",
            "elsewhere",
        ),
        ("an error page", body("500 Oops", "", "<h1>Oops</h1>"), "server-error", "500"),
        (
            "a problem with a strange code",
            body("400 Bad", "", &problem("evil code\u{1b}[2J")),
            "server-error",
            "400",
        ),
        ("a gateway", body("502 Bad Gateway", "", ""), "server-error", "502"),
    ];
    let to = new_address();
    for (what, answer, code, says) in answers {
        liar.tell(move |_, _| answer.clone());
        check(&liar, world.pay(&account, &to, &new_request()), what, 1, code, says);
        check(&liar, world.device(["party", "list"]), what, 1, code, says);
        check(&liar, world.device(["balance", &account.id]), what, 1, code, says);
        check(&liar, world.device(["account", "create"]), what, 1, code, says);
    }
    // Cut off in the middle: as if the server were gone.
    liar.tell(|_, _| raw("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n[{".into()));
    check(&liar, world.device(["party", "list"]), "cut off", 1, "server-unreachable", "broke off");
    // One byte at a time, for ever.
    liar.tell(|_, _| Answer::Drip);
    check(&liar, world.device(["party", "list"]), "a drip", 1, "bad-answer", "does not come to an end");
    // What a server says obeys no terminal.
    liar.tell(|_, _| body("400 Bad", "", &problem("fine")));
    check(&liar, world.device(["party", "list"]), "colours", 1, "fine", "[31mred");

    assert_eq!((world.chain.nonce(&account.address), world.listed().0.len()), (0, 1));
    world.assert_spendable(&account);
}

fn problem(code: &str) -> String {
    json!({"type": "about:blank", "title": "t", "status": 400, "detail": "\u{1b}[31mred\u{202e}", "code": code, "trace": "x"})
        .to_string()
}

const PARTIES: (&str, &str) = ("/v1/parties", "");

#[test]
fn accounts_are_made_with_pinned_nodes_on_ones_own_terms() {
    let Some(world) = World::start() else { return };
    let liar = Liar::before(&world.url());
    let create = || world.device(["account", "create"]);
    let set = |place: &'static str, value: Value| {
        liar.twist("GET", PARTIES, move |parties| {
            for party in parties.as_array_mut().unwrap() {
                *party.pointer_mut(place).unwrap() = value.clone();
            }
        });
    };
    // A card that is changed is not its party's word any more.
    for (place, value) in [
        ("/card/document/kind", json!("device")),
        ("/card/document/kind", json!("recovery")),
        ("/card/document/entity", json!("me")),
        ("/card/document/seal", json!("00".repeat(32))),
        ("/card/document/identity", json!(IdentitySecret::from_seed(&mut [9; 32]).public())),
    ] {
        set(place, value);
        check(&liar, create(), place, 1, "unknown-party", "`cosigner`");
    }
    // Another key under the same name, properly signed; then beside the right one.
    for keep in [false, true] {
        liar.twist("GET", PARTIES, move |parties| {
            let parties = parties.as_array_mut().unwrap();
            let impostors: Vec<Value> = parties.iter().map(impostor).collect();
            if keep {
                parties.splice(0..0, impostors);
            } else {
                *parties = impostors;
            }
        });
        if keep {
            Account::of(&create().env("COHOLD_SERVER", &liar.url).run().done());
        } else {
            check(&liar, create(), "an impostor", 1, "pin-mismatch", "do not go on");
        }
    }
    set("/online", json!(false));
    check(&liar, create(), "away", 3, "party-away", "`cosigner`");

    // Other terms than were proposed: the proposal is signed.
    type Change = fn(&mut Value);
    let changes: [(&str, Change); 4] = [
        ("another threshold", |terms| terms["threshold"] = json!(3)),
        ("an extra party", |terms| {
            let mut extra = terms["parties"][2].clone();
            extra["party"] = json!("extra");
            terms["parties"].as_array_mut().unwrap().push(extra);
        }),
        ("a party less", |terms| drop(terms["parties"].as_array_mut().unwrap().pop())),
        ("another approver", |terms| terms["approvers"] = json!(["cosigner"])),
    ];
    for (what, change) in changes {
        liar.tell(move |call, honest| {
            let mut call = call.clone();
            if call.is("POST", ("/v1/accounts", "")) {
                change(&mut call.body["proposal"]["document"]["terms"]);
            }
            let (status, value) = honest(&call);
            Answer::Json(status, value)
        });
        let ran = create().env("COHOLD_SERVER", &liar.url).run();
        ran.assert(ran.status.code() == Some(1), what);
    }

    // In force, it says, before it is; what the device keeps is what counts.
    let mut looks = 0;
    liar.twist("GET", ("/v1/accounts/acc_", ""), move |view| {
        looks += 1;
        if looks < 5 {
            view["status"] = json!("active");
            view["address"] = json!(new_address());
        }
    });
    let made = create().env("COHOLD_SERVER", &liar.url).run().done();
    let (_, view) =
        world.api("GET", &format!("/v1/accounts/{}", made["account"].as_str().unwrap()), None).unwrap();
    assert_eq!(view["address"], made["address"]);

    // It failed, it says, while the others finish it: the account is taken up, and not lost.
    liar.twist("GET", ("/v1/accounts/acc_", ""), |view| {
        view["status"] = json!("failed");
        view["reason"] = json!("because I say so");
        view.as_object_mut().unwrap().remove("charter");
    });
    check(&liar, create(), "failed", 1, "account-failed", "because I say so");
    let (device, mut server) = world.listed();
    server.retain(|id| device.contains(id));
    assert_eq!(device, server);
    for id in device {
        let shown = world.device(["account", "show", &id]).run().done();
        let address = shown["address"].as_str().unwrap().to_owned();
        world.assert_spendable(&Account { id, address, recovery: Vec::new() });
    }
}

/// The same party with a key of the server's own.
fn impostor(party: &Value) -> Value {
    let identity = IdentitySecret::from_seed(&mut [7; 32]);
    let mut card: Card = serde_json::from_value(party["card"]["document"].clone()).unwrap();
    card.identity = identity.public();
    let name = card.party.clone();
    json!({"card": Signed::by(card, name, &identity), "online": true})
}

#[test]
fn what_is_shown_is_what_was_asked_for() {
    let Some(world) = World::start() else { return };
    let (account, other) = (world.funded(), world.create(&[]));
    let liar = Liar::before(&world.url());
    let balance = || world.device(["balance", &account.id]);
    for (name, value) in [
        ("address", json!(other.address)),
        ("chain_id", json!(1)),
        ("asset", json!({"token": world.chain.token})),
    ] {
        liar.twist("GET", ("/v1/accounts/acc_", "/balance"), move |view| view[name] = value.clone());
        check(&liar, balance(), name, 1, "bad-answer", "is the balance of something else");
    }
    // Its symbol and decimals are not asked for.
    liar.twist("GET", ("/v1/accounts/acc_", "/balance"), |view| {
        view["symbol"] = json!("BTC");
        view["decimals"] = json!(2);
    });
    let shown = balance().env("COHOLD_SERVER", &liar.url).run().done();
    assert_eq!((&shown["amount"], &shown["symbol"]), (&json!("10"), &json!("ETH")));
    // An address is the charter's, whatever a server is there.
    let address =
        world.device(["address", &account.id]).env("COHOLD_SERVER", "http://127.0.0.1:1").run().done();
    assert_eq!(address["address"], json!(account.address));

    let (first, second) = (new_request(), new_request());
    for request in [&first, &second] {
        world.pay(&account, &new_address(), request).run().done();
    }
    let (_, answer) = world.api("GET", &format!("/v1/requests/{second}"), None).unwrap();
    liar.twist("GET", ("/v1/requests/req_", ""), move |view| *view = answer.clone());
    check(
        &liar,
        world.device(["request", "show", &first]),
        "another",
        1,
        "bad-answer",
        "about another request",
    );
    let list = world.device(["request", "list", "--account", &other.id]);
    liar.tell(|call, honest| {
        let mut call = call.clone();
        call.path = call.path.split('?').next().unwrap().to_owned();
        let (status, value) = honest(&call);
        Answer::Json(status, value)
    });
    check(&liar, list, "a list of others", 1, "bad-answer", "other accounts");
    // A list without an end.
    liar.twist("GET", ("/v1/requests", ""), |page| {
        page["items"] = json!([]);
        page["next_cursor"] = json!("1");
    });
    let listed = world.device(["request", "list"]).env("COHOLD_SERVER", &liar.url).run().done();
    assert_eq!(listed, json!([]));

    // Statements about another account vouch for nothing here.
    world.wait_for_statements(&account);
    world.wait_for_statements(&other);
    let of_other = other.id.clone();
    liar.tell(move |call, honest| {
        let mut call = call.clone();
        if call.path.ends_with("/statements") {
            call.path = format!("/v1/accounts/{of_other}/statements");
        }
        let (status, value) = honest(&call);
        Answer::Json(status, value)
    });
    let custody = || world.device(["custody", "show", &account.id]);
    let honest = custody().run().done();
    let shown = custody().env("COHOLD_SERVER", &liar.url).run().done();
    let nothing =
        |value: &Value| value["model"].to_string().contains("`cosigner` has stated nothing that counts");
    assert!(nothing(&shown) && !nothing(&honest), "{shown:#}");
}
