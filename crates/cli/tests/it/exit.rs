//! The exit kit: server and provider gone, no network; shares, program and page are enough.

use cohold_chain_evm::{Address, signing_digest};
use k256::SecretKey;
use k256::elliptic_curve::sec1::ToSec1Point as _;
use serde_json::{Value, json};

use crate::chain::{CENT, new_address};
use crate::process::Cli;
use crate::world::{Account, World};

#[test]
fn the_way_out_needs_nobody() {
    let Some(mut world) = World::start() else { return };
    let account = world.funded();
    let file = account.recovery[0].display().to_string();
    world.end("cosigner");

    let dates = || world.device(["custody", "show", &account.id]).run().done()["dates"].clone();
    let before = dates();
    assert_eq!((&before["drilled"], &before["epochs"][0]["epoch"]), (&Value::Null, &json!(1)), "{before}");
    let drill = exit(&world, &["drill", &account.id, "--recovery", &file]).run().done();
    assert_eq!(dates()["drilled"], json!({"at": drill["drilled_at"], "by": "device"}));
    assert_eq!((&drill["address"], &drill["signers"]), (&json!(account.address), &json!([1, 2])));
    assert!(drill["seconds"].as_f64().unwrap() > 0.0);
    assert_eq!(signer(&drill), account.address, "{drill}");

    pays_coins_and_tokens(&world, &account, &file);
    exports_the_key(&world, &account, &file);
    refuses_what_is_no_quorum(&world, &account, &file);
}

/// Two recovery files, on a machine that never had a device.
#[test]
fn files_alone_are_enough() {
    let Some(mut world) = World::start() else { return };
    let parties = ["me:device", "me:recovery", "me:recovery-2", "acme:cosigner"];
    let words: Vec<&str> = parties.iter().flat_map(|party| ["--party", *party]).collect();
    let account = world.create(&[&["--threshold", "2"], words.as_slice()].concat());
    world.server_stop();
    let files: Vec<String> = account.recovery.iter().map(|file| file.display().to_string()).collect();
    let nowhere = world.path("nowhere").display().to_string();
    let drill =
        ["exit", "drill", "--json", "--home", &nowhere, "--recovery", &files[0], "--recovery", &files[1]];
    let drill = Cli::offline(drill).env("COHOLD_RECOVERY_PASSPHRASE", crate::world::PASSPHRASE).run().done();
    assert_eq!(drill["address"], account.address);
    assert_eq!(signer(&drill), account.address);
    assert!(!world.path("nowhere").exists(), "a drill leaves nothing behind");
    let words = ["exit", "drill", "--json", "--home", &nowhere, "--recovery", &files[0]];
    let (code, message) =
        Cli::offline(words).env("COHOLD_RECOVERY_PASSPHRASE", crate::world::PASSPHRASE).run().failed(2);
    assert!(code == "quorum" && message.contains("1 of 2 shares"), "{code}: {message}");
}

fn exit(world: &World, words: &[&str]) -> Cli {
    let device = world.path("device").display().to_string();
    Cli::offline(["exit"].iter().chain(words).copied().chain(["--json", "--home", &device]))
        .env("COHOLD_PIN", crate::world::PIN)
        .env("COHOLD_RECOVERY_PASSPHRASE", crate::world::PASSPHRASE)
}

fn pays_coins_and_tokens(world: &World, account: &Account, file: &str) {
    let to = new_address();
    let given = ["--recovery", file, "--chain", "31337", "--max-fee", "30", "--tip", "1.5", "--yes"];
    let coin = ["sign", &account.id, "--to", &to, "--amount", "0.01", "--nonce", "0"];
    let signed = exit(world, &[&coin[..], &given].concat()).run().done();
    mine(world, &signed);
    assert_eq!(world.chain.balance(&to), CENT);
    let token = world.chain.token.clone();
    let tokens = [
        "sign",
        &account.id,
        "--to",
        &to,
        "--amount",
        "2.5",
        "--token",
        &token,
        "--decimals",
        "18",
        "--nonce",
        "1",
    ];
    let signed = exit(world, &[&tokens[..], &given].concat()).run().done();
    assert!(signed["effects"].as_str().unwrap().contains(&token), "{}", signed["effects"]);
    mine(world, &signed);
    assert_eq!(world.chain.token_balance(&to), 250 * CENT);

    let refused = |words: &[&str], code: &str| {
        let (found, message) = exit(world, &[words, &given].concat()).run().failed(2);
        assert_eq!(found, code, "{message}");
    };
    refused(&["sign", &account.id, "--to", "0x12", "--amount", "1", "--nonce", "2"], "bad-address");
    refused(&["sign", &account.id, "--to", &to, "--amount", "0", "--nonce", "2"], "zero-amount");
    refused(&["sign", &account.id, "--to", &to, "--amount", "1e3", "--nonce", "2"], "bad-amount");
    refused(
        &[
            "sign",
            &account.id,
            "--to",
            &token,
            "--amount",
            "1",
            "--token",
            &token,
            "--decimals",
            "18",
            "--nonce",
            "2",
        ],
        "bad-address",
    );
    let tip =
        ["sign", &account.id, "--to", &to, "--amount", "1", "--nonce", "2", "--chain", "1", "--max-fee", "1"];
    let (code, _) =
        exit(world, &[&tip[..], &["--tip", "2", "--yes", "--recovery", file]].concat()).run().failed(2);
    assert_eq!(code, "bad-payment");
    let words =
        ["sign", &account.id, "--to", &to, "--amount", "1", "--nonce", "2", "--chain", "1", "--max-fee", "1"];
    let (code, _) = exit(world, &[&words[..], &["--recovery", file]].concat()).run().failed(1);
    assert_eq!(code, "not-confirmed");
}

fn mine(world: &World, signed: &Value) {
    let hash = world.chain.rpc("eth_sendRawTransaction", json!([signed["transaction"]]));
    assert_eq!(hash, signed["transaction_hash"]);
    world.chain.mine();
    assert!(world.chain.is_mined(hash.as_str().unwrap()));
}

fn exports_the_key(world: &World, account: &Account, file: &str) {
    let (hex, wif) =
        (world.path("key.txt").display().to_string(), world.path("key.wif").display().to_string());
    let words = ["export", &account.id, "--recovery", file, "--out", &hex];
    let (code, _) = exit(world, &[&words[..], &["--confirm", "yes"]].concat()).run().failed(1);
    assert_eq!(code, "not-confirmed");
    let noted = || std::fs::read_to_string(world.path("device/exits.json")).unwrap();
    assert!(!world.path("key.txt").exists() && noted().contains("\"exported_at\":null"), "{}", noted());
    let said = exit(world, &[&words[..], &["--confirm", &account.address]].concat()).run();
    let key = std::fs::read_to_string(&hex).unwrap();
    assert!(!said.stdout.contains(key.trim()) && !said.stderr.contains(key.trim()), "a key is not shown");
    assert_eq!(said.done()["stated"], true);
    assert!(!noted().contains("\"exported_at\":null"), "{}", noted());
    let secret = hex::decode(key.trim().trim_start_matches("0x")).unwrap();
    assert_eq!(address(&secret), account.address);
    let again = exit(world, &[&words[..], &["--confirm", &account.address]].concat()).run().failed(2);
    assert_eq!(again.0, "file-exists");

    let words = ["export", &account.id, "--recovery", file, "--out", &wif, "--format", "wif"];
    exit(world, &[&words[..], &["--confirm", &account.address]].concat()).run().done();
    let text = std::fs::read_to_string(&wif).unwrap();
    let bytes = bs58::decode(text.trim()).with_check(Some(0x80)).into_vec().unwrap();
    assert_eq!((bytes.len(), bytes[33], &bytes[1..33]), (34, 1, secret.as_slice()));
}

fn refuses_what_is_no_quorum(world: &World, account: &Account, file: &str) {
    let refused = |words: &[&str]| exit(world, &[&["drill"], words].concat()).run().failed(2);
    let (code, message) = refused(&[&account.id]);
    assert!(code == "quorum" && message.contains("1 of 2"), "{message}");
    let (code, message) = refused(&[&account.id, "--recovery", file, "--recovery", file]);
    assert!(code == "wrong-recovery-file" && message.contains("same share"), "{message}");
    let other = "acc_000102030405060708090a0b0c0d0e0f";
    let (_, message) = refused(&[other, "--recovery", file]);
    assert!(message.contains("1 of 2") || message.contains("belongs to"), "{message}");
    assert_eq!(refused(&[]).0, "usage");
}

/// Who signed a drill's message, found without the program's help.
fn signer(drill: &Value) -> String {
    use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
    let message = drill["message"].as_str().unwrap();
    let bytes = hex::decode(drill["signature"].as_str().unwrap().trim_start_matches("0x")).unwrap();
    let digest =
        signing_digest(format!("\x19Ethereum Signed Message:\n{}{message}", message.len()).as_bytes());
    let signature = Signature::from_slice(&bytes[..64]).unwrap();
    let id = RecoveryId::from_byte(bytes[64] - 27).unwrap();
    let key = VerifyingKey::recover_from_prehash(&digest, &signature, id).unwrap();
    Address::of_public_key(key.to_sec1_point(true).as_bytes()).unwrap().to_string()
}

fn address(secret: &[u8]) -> String {
    let public = SecretKey::from_slice(secret).unwrap().public_key();
    Address::of_public_key(public.to_sec1_point(true).as_bytes()).unwrap().to_string()
}
