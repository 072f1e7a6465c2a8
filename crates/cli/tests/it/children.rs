//! Addresses below an account's: shown, funded, paid from by everybody together, and by the user alone.

use serde_json::{Value, json};

use crate::chain::{CENT, new_address};
use crate::world::{Account, World, new_request};

/// Far above what the fee of a transfer comes to on a test chain.
const FEES: u128 = CENT;

#[test]
fn children_are_funded_and_pay() {
    let Some(mut world) = World::start() else { return };
    let account = world.create(&[]);
    let (one, two) = addresses(&world, &account);
    what_cannot_be_derived_is_refused(&world, &account);

    // The account itself has nothing: all of it is paid by the child, with nonces of its own.
    world.chain.set_balance(&one, 100 * CENT);
    let rpc = world.chain.url.clone();
    let token = ["faucet", &account.id, "--path", "m/0/5", "--amount", "7", "--token", "TST", "--rpc", &rpc];
    assert_eq!(world.device(token).run().done()["to"], one);
    let to = new_address();
    let paid = pays(&world, &account, "m/0/5", &to, &[]);
    assert_eq!(paid["intent"]["path"], "m/0/5", "{paid}");
    let effects = paid["effects"].as_str().unwrap();
    assert!(effects.contains("from m/0/5"), "{effects}");
    assert_eq!(world.chain.balance(&to), CENT);
    assert_eq!((world.chain.nonce(&one), world.chain.nonce(&account.address)), (1, 0));
    pays(&world, &account, "0/5", &to, &["--token", "TST"]);
    assert_eq!((world.chain.token_balance(&to), world.chain.nonce(&one)), (CENT, 2));
    balances_are_of_one_address(&world, &account, &one);

    // Its brother and the account begin at nonce zero, and one id is one address's.
    for address in [&two, &account.address] {
        world.chain.set_balance(address, 100 * CENT);
    }
    let request = new_request();
    pays(&world, &account, "m/0/6", &to, &["--request", &request]);
    pays(&world, &account, "m", &to, &[]);
    assert_eq!([&one, &two, &account.address].map(|address| world.chain.nonce(address)), [2, 1, 1]);
    let elsewhere = words(&account, "m/0/5", &to, &["--request", &request]);
    let (code, _) = world.device(elsewhere.iter().map(String::as_str)).run().failed(1);
    assert_eq!(code, "idempotency-mismatch");
    assert_eq!(world.chain.nonce(&one), 2);

    without_the_provider(&mut world, &account, &one);
}

/// The addresses at `m/0/5` and `m/0/6`.
fn addresses(world: &World, account: &Account) -> (String, String) {
    let at =
        |words: &[&str]| world.device(["address", &account.id].iter().chain(words).copied()).run().done();
    assert_eq!(at(&[]), json!({"account": account.id, "address": account.address}));
    assert_eq!(at(&["--path", "m"])["address"], account.address);
    let one = at(&["--path", "m/0/5"]);
    assert_eq!(at(&["--path", "0/5"]), one);
    let listed = at(&["--path", "m/0/4", "--count", "3"]);
    let listed = listed["addresses"].as_array().unwrap();
    assert_eq!(listed.len(), 3);
    assert_eq!((&listed[1]["path"], &listed[1]["address"]), (&json!("m/0/5"), &one["address"]));
    let text = |value: &Value| value["address"].as_str().unwrap().to_owned();
    let all = [account.address.clone(), text(&listed[0]), text(&listed[1]), text(&listed[2])];
    for (i, address) in all.iter().enumerate() {
        assert!(!all[..i].contains(address), "{all:?}");
    }
    (text(&one), text(&listed[2]))
}

fn what_cannot_be_derived_is_refused(world: &World, account: &Account) {
    let to = new_address();
    let send = ["send", &account.id, "--to", &to, "--amount", "0.01", "--yes", "--from-path"];
    for (path, says) in [
        ("m/44'/0", "never exists"),
        ("m/2147483648", "never exists"),
        ("m/1/2/3/4/5/6", "at most 5"),
        ("m/x", "no step of a path"),
        ("", "no step of a path"),
    ] {
        for words in [&["address", &account.id, "--path"][..], &["balance", &account.id, "--path"], &send] {
            let (_, message) = world.device(words.iter().copied().chain([path])).run().failed(2);
            assert!(message.contains(says), "{words:?} {path}: {message}");
        }
    }
    let past = ["address", &account.id, "--path", "m/2147483647", "--count", "2"];
    let (code, message) = world.device(past).run().failed(2);
    assert!(code == "bad-path" && message.contains("no 2 addresses"), "{code}: {message}");
    // An address that has nothing says so of itself.
    let short = words(account, "m/0/5", &to, &[]);
    let (code, message) = world.device(short.iter().map(String::as_str)).run().failed(1);
    assert!(code == "insufficient-balance" && message.contains("`m/0/5`"), "{code}: {message}");
}

fn words(account: &Account, path: &str, to: &str, more: &[&str]) -> Vec<String> {
    let words = ["send", &account.id, "--from-path", path, "--to", to, "--amount", "0.01", "--yes"];
    words.iter().chain(more).map(|word| (*word).to_owned()).collect()
}

fn pays(world: &World, account: &Account, path: &str, to: &str, more: &[&str]) -> Value {
    let words = words(account, path, to, more);
    let paid = world.device(words.iter().map(String::as_str)).run().done();
    assert!(world.chain.is_mined(paid["transaction_hash"].as_str().unwrap()), "{paid}");
    paid
}

fn balances_are_of_one_address(world: &World, account: &Account, one: &str) {
    let balance =
        |words: &[&str]| world.device(["balance", &account.id].iter().chain(words).copied()).run().done();
    let child = balance(&["--path", "m/0/5"]);
    assert_eq!((&child["address"], &child["path"]), (&json!(one), &json!("m/0/5")));
    assert_eq!(child["amount_base_units"], world.chain.balance(one).to_string());
    let left: u128 = child["amount_base_units"].as_str().unwrap().parse().unwrap();
    assert!((99 * CENT - FEES..99 * CENT).contains(&left), "{left}");
    assert_eq!(balance(&["--path", "m/0/5", "--token", "TST"])["amount"], "6.99");
    assert_eq!(balance(&[])["amount"], "0");
    assert_eq!(balance(&["--token", "TST"])["amount"], "0");
}

/// Server and co-signer end. Device and recovery file pay from the child over an endpoint, and sign for it
/// with no network.
fn without_the_provider(world: &mut World, account: &Account, one: &str) {
    world.end("cosigner");
    let file = account.recovery[0].display().to_string();
    let (to, rpc) = (new_address(), world.chain.url.clone());
    let alone = words(account, "m/0/5", &to, &["--recovery", &file, "--rpc", &rpc]);
    let left = world.device(alone.iter().map(String::as_str)).run().done();
    let effects = left["effects"].as_str().unwrap();
    assert!(effects.contains(one) && effects.contains("(m/0/5)"), "{effects}");
    assert_eq!((world.chain.balance(&to), world.chain.nonce(one)), (CENT, 3));
    let sign =
        ["exit", "sign", &account.id, "--path", "m/0/5", "--to", &to, "--amount", "0.01", "--nonce", "3"];
    let given = ["--recovery", &file, "--chain", "31337", "--max-fee", "30", "--tip", "1.5", "--yes"];
    let signed = world.device(sign.iter().chain(&given).copied()).run().done();
    assert_eq!((&signed["address"], &signed["path"]), (&json!(one), &json!("m/0/5")));
    let hash = world.chain.rpc("eth_sendRawTransaction", json!([signed["transaction"]]));
    world.chain.mine();
    assert!(world.chain.is_mined(hash.as_str().unwrap()));
    assert_eq!((world.chain.balance(&to), world.chain.nonce(one)), (2 * CENT, 4));
}
