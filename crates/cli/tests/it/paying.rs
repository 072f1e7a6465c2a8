//! Payments: one id pays once, the recovery file is what it says, and the way out needs nobody.

use std::path::PathBuf;

use serde_json::json;

use crate::chain::{CENT, new_address};
use crate::world::{Account, PASSPHRASE, World, intent, new_request};

#[test]
fn payments_and_the_way_out() {
    let Some(mut world) = World::start() else { return };
    let account = world.funded();
    one_id_pays_once(&world, &account);
    tokens_are_paid(&world, &account);
    recovery_files_are_checked(&world, &account);
    the_way_out_needs_nobody(&mut world, &account);
}

fn one_id_pays_once(world: &World, account: &Account) {
    let (to, request) = (new_address(), new_request());
    let body = intent(account, &to, &request, &CENT.to_string());
    let post = |body: serde_json::Value| world.api("POST", "/v1/requests", Some(body)).unwrap();
    let (status, first) = post(body.clone());
    assert_eq!((status, &first["status"]), (201, &json!("pending")), "{first}");
    assert_eq!(post(body.clone()), (201, first.clone()), "the same body is the same request");
    let mut other = body.clone();
    other["intent"]["action"]["amount"] = json!("1");
    let (status, problem) = post(other);
    assert_eq!((status, &problem["code"]), (409, &json!("idempotency-mismatch")), "{problem}");
    let key = [("idempotency-key", new_request())];
    let key: Vec<(&str, &str)> = key.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let url = format!("{}/v1/requests", world.url());
    let answer = crate::http::ask("POST", &url, &world.token, &key, Some(body.to_string().into_bytes()));
    assert_eq!(
        answer.map(|(status, _, problem)| (status, problem["code"].clone())),
        Some((400, json!("idempotency-mismatch")))
    );

    // The device takes up what was asked for over the API, and only that.
    let nonce = world.chain.nonce(&account.address);
    let other = ["send", &account.id, "--to", &to, "--amount", "0.02", "--yes", "--request", &request];
    let (code, _) = world.device(other).run().failed(1);
    assert_eq!(code, "idempotency-mismatch");
    let paid = world.pay(account, &to, &request).run().done();
    world.assert_paid_once(account, &to, nonce, &paid);
    let again = world.pay(account, &to, &request).run().done();
    assert_eq!(again["transaction_hash"], paid["transaction_hash"]);
    world.assert_paid_once(account, &to, nonce, &paid);
    let shown = world.device(["request", "show", &request]).run().done();
    assert!(shown["effects"].as_str().unwrap().contains("0.01 ETH"), "{shown}");
    let listed = world.device(["request", "list", "--account", &account.id]).run().done();
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");

    // Without `--yes` and without a terminal, nothing is confirmed.
    let unconfirmed = ["send", &account.id, "--to", &to, "--amount", "0.01"];
    let (code, message) = world.device(unconfirmed).run().failed(1);
    assert!(code == "not-confirmed" && message.contains("--yes"), "{code}: {message}");
}

fn tokens_are_paid(world: &World, account: &Account) {
    let to = new_address();
    let by_symbol = ["send", &account.id, "--to", &to, "--amount", "2.5", "--token", "TST", "--yes"];
    let by_address =
        ["send", &account.id, "--to", &to, "--amount", "1", "--token", &world.chain.token, "--yes"];
    world.device(by_symbol).run().done();
    world.device(by_address).run().done();
    assert_eq!(world.chain.token_balance(&to), 350 * CENT);
    let balance = world.device(["balance", &account.id, "--token", "TST"]).run().done();
    assert_eq!((&balance["amount"], &balance["symbol"]), (&json!("996.5"), &json!("TST")));
}

fn recovery_files_are_checked(world: &World, account: &Account) {
    let [file] = account.recovery.as_slice() else { panic!("{account:?}") };
    let check = |file: &PathBuf, words: &[&str]| {
        world.device(["recovery", "check"].iter().chain(words).copied()).arg(file)
    };
    let good = check(file, &[]).run().done();
    assert_eq!((&good["account"], &good["address"]), (&json!(account.id), &json!(account.address)));
    let printed = check(file, &["--checksum-only"]).env("COHOLD_RECOVERY_PASSPHRASE", "wrong").run().done();
    assert_eq!(printed["opened"], false);
    let (code, message) =
        check(file, &[]).env("COHOLD_RECOVERY_PASSPHRASE", "wrong words here").run().failed(1);
    assert!(code == "recovery-refused" && !message.contains("wrong words"), "{code}: {message}");

    let text = std::fs::read_to_string(file).unwrap();
    let copy = world.path("device/copy.txt");
    // The last sealed line, of which one character is typed wrongly.
    let (number, line) = text.lines().enumerate().filter(|(_, line)| line.len() > 30).last().unwrap();
    let typed: String = line
        .char_indices()
        .map(|(i, c)| if i == 20 { if c == 'q' { 'p' } else { 'q' } } else { c })
        .collect();
    for (bad, says) in [
        (text.replace(line, &typed), format!("line {} has a typing error", number + 1)),
        (text.replace(line, ""), "is missing".into()),
        (text.replace(&account.id, &account.id.replace("acc_", "acc_0")), "line ".into()),
        (text.split_once(line).unwrap().0.to_owned(), "cut short".into()),
        ("hello".into(), "not a recovery file".into()),
        (String::new(), "not a recovery file".into()),
    ] {
        std::fs::write(&copy, bad).unwrap();
        for words in [&[][..], &["--checksum-only"]] {
            let (code, message) = check(&copy, words).run().failed(1);
            assert!(code == "recovery-damaged" && message.contains(&says), "{code}: {message}");
        }
    }
    std::fs::remove_file(copy).unwrap();
    let (_, message) = check(&"/nowhere/file.txt".into(), &[]).run().failed(1);
    assert!(message.contains("`/nowhere/file.txt`"), "{message}");
}

fn the_way_out_needs_nobody(world: &mut World, account: &Account) {
    let other = world.create(&[]);
    world.server_stop();
    for node in crate::world::NODES {
        world.node_stop(node);
    }
    let (to, nonce) = (new_address(), world.chain.nonce(&account.address));
    let leave = |files: &[&PathBuf]| {
        let words =
            ["send", &account.id, "--to", &to, "--amount", "0.01", "--yes", "--rpc", &world.chain.url];
        files.iter().fold(world.device(words), |cli, file| cli.arg("--recovery").arg(file))
    };
    let ([file], [foreign]) = (account.recovery.as_slice(), other.recovery.as_slice()) else { panic!() };
    for (files, code) in [(&[foreign][..], "wrong-recovery-file"), (&[file, file], "wrong-recovery-file")] {
        assert_eq!(leave(files).run().failed(2).0, code);
    }
    let (code, message) = leave(&[file]).arg("--chain").arg("1").run().failed(2);
    assert!(code == "wrong-chain" && message.contains("31337"), "{message}");
    let (code, _) = leave(&[file]).env("COHOLD_RECOVERY_PASSPHRASE", "not this one").run().failed(1);
    assert_eq!(code, "recovery-refused");
    assert_eq!(world.chain.nonce(&account.address), nonce);

    let paid = leave(&[file]).env("COHOLD_RECOVERY_PASSPHRASE", PASSPHRASE).run().done();
    assert_eq!(paid["status"], "mined");
    world.assert_paid_once(account, &to, nonce, &paid);
    // The certificate can be had with everything off; what was not heard counts against the user.
    let shown = world.device(["custody", "show", &account.id]).run().done();
    assert_ne!(shown["missing"], json!([]), "{}", shown["missing"]);
}

#[test]
fn too_few_recovery_files_are_a_usage_error() {
    let Some(world) = World::start() else { return };
    let words =
        ["--threshold", "3", "--party", "me:device", "--party", "me:recovery", "--party", "me:recovery-2"];
    let account = world.create(&words);
    let file = account.recovery[0].display().to_string();
    let to = new_address();
    let words = ["send", &account.id, "--to", &to, "--amount", "0.01", "--yes", "--rpc", &world.chain.url];
    world.chain.set_balance(&account.address, 100 * CENT);
    let (code, message) = world.device(words).arg("--recovery").arg(&file).run().failed(2);
    assert!(code == "quorum" && message.contains("2 shares are here, the account needs 3"), "{message}");
    assert_eq!(world.chain.nonce(&account.address), 0);
}
