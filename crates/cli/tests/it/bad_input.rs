//! Everything that people and programs get wrong: a clear error each, nothing lost, nothing signed.

use std::path::PathBuf;

use serde_json::json;

use crate::chain::{CENT, new_address};
use crate::http::ask;
use crate::process::{Cli, PROGRAM, until};
use crate::world::{Account, PIN, World, intent, new_request};

/// A command fails with this exit code, error code, and words.
fn check(cli: Cli, exit: i32, code: &str, says: &str) {
    let (found, message) = cli.run().failed(exit);
    assert!(
        found == code && message.contains(says),
        "`{found}` is not `{code}`, or `{says}` lacks: {message}"
    );
}

#[test]
fn bad_input_is_named_and_signs_nothing() {
    let Some(mut world) = World::start() else { return };
    let account = world.funded();
    let nonce = world.chain.nonce(&account.address);
    payments(&world, &account);
    settings(&world, &account);
    accounts(&world);
    programs(&world, &account);
    files(&mut world, &account);
    away(&mut world, &account);
    pins(&world, &account);
    assert_eq!(world.chain.nonce(&account.address), nonce, "nothing was signed");
    world.assert_spendable(&account);
}

fn payments(world: &World, account: &Account) {
    let good = new_address();
    let contract = world.chain.token.clone();
    let send = |to: &str, amount: &str, more: &[&str]| {
        let words = ["send", &account.id, "--to", to, "--amount", amount, "--yes"];
        more.iter().fold(world.device(words), |cli, word| cli.arg(word))
    };
    let amount = |text: &str, code: &str, says: &str| check(send(&good, text, &[]), 2, code, says);
    amount("0", "zero-amount", "more than nothing");
    amount("0.000", "zero-amount", "more than nothing");
    amount("-1", "bad-amount", "`-1` is not an amount");
    amount("1e18", "bad-amount", "`1e18` is not an amount");
    amount("1,5", "bad-amount", "as in `1.5`");
    amount("", "bad-amount", "not an amount");
    amount("0.0000000000000000001", "bad-amount", "has 19 decimals");
    amount(&"9".repeat(80), "bad-amount", "256-bit");
    check(send(&good, &"9".repeat(60), &[]), 2, "bad-amount", "256-bit");
    let fund = format!("fund {} with 0.1 ", account.address);
    check(send(&good, "10.1", &[]), 1, "insufficient-balance", "has 10 ETH and was to send 10.1 ETH");
    check(send(&good, "10.1", &[]), 1, "insufficient-balance", &format!("{fund}ETH or more"));
    check(send(&good, "10", &[]), 1, "insufficient-balance", "too little for 10 ETH and the fees");
    let token = &["--token", "TST"];
    check(send(&good, "1000.1", token), 1, "insufficient-balance", "has 1000 TST and was to send 1000.1 TST");
    check(send(&good, "1000.1", token), 1, "insufficient-balance", &format!("{fund}TST or more"));
    world.chain.set_balance(&account.address, 1);
    check(send(&good, "1", token), 1, "insufficient-balance", "fees, which are paid in ETH");
    world.chain.set_balance(&account.address, 1000 * CENT);
    check(send(&good, "1", &["--token", "XYZ"]), 2, "unknown-token", "`XYZ`");
    check(send(&good, "1", &["--token", &new_address()]), 2, "unknown-token", "rules file");
    check(send(&good, "1", &["--token", "0x12"]), 2, "bad-address", "`0x12` is not an address");
    check(send(&good, "1", &["--chain", "1"]), 2, "unknown-chain", "31337 (local)");
    check(send(&good, "1", &["--with", "nobody"]), 2, "unknown-party", "`nobody`");
    check(send(&good, "1", &["--with", "recovery"]), 2, "party-asleep", "--recovery");
    for (file, code) in [("/dev/zero", "failed"), (PROGRAM, "readable-secret")] {
        check(world.device(["recovery", "check", file]), 1, "failed", "cannot be read");
        check(send(&good, "1", &["--pin-file", file]), 1, code, file);
    }
    let nowhere = ["account", "create", "--recovery-dir", "/proc/nowhere"];
    check(world.device(nowhere), 1, "failed", "recovery files cannot be kept there");
    check(send(&contract, "1", &["--token", "TST"]), 1, "bad-address", "token's own contract");

    let swap = |c: char| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
    let (at, letter) = good.char_indices().skip(2).find(|(_, c)| c.is_ascii_alphabetic()).unwrap();
    let typo = format!("{}{}{}", &good[..at], swap(letter), &good[at + 1..]);
    check(send(&typo, "1", &[]), 2, "bad-address", "EIP-55 checksum");
    check(send(&good[..41], "1", &[]), 2, "bad-address", "40 hexadecimal digits");
    check(send("ana", "1", &[]), 2, "bad-address", "`ana`");
    check(send(&format!("0x{}", "0".repeat(40)), "1", &[]), 2, "bad-address", "zero address");

    let stranger = "acc_00000000000000000000000000000000";
    for verb in [&["balance"][..], &["address"], &["account", "show"], &["custody", "show"], &["faucet"]] {
        let words = verb.iter().copied().chain([stranger]);
        check(world.device(words), 1, "unknown-account", "cohold account list");
    }
    let words = ["send", stranger, "--to", &good, "--amount", "1"];
    check(world.device(words), 1, "unknown-account", stranger);
    check(world.device(["request", "show", &new_request()]), 1, "not-found", "list the requests");
}

/// A copy of the device's folder, without its secrets where a new device is wanted.
fn copy(world: &World, name: &str, with_secrets: bool) -> PathBuf {
    let to = world.path(name);
    world.write(&format!("{name}/.new"), "");
    for entry in std::fs::read_dir(world.path("device")).unwrap() {
        let path = entry.unwrap().path();
        let is_setting = path.extension().is_some_and(|extension| extension == "toml");
        if path.is_file() && (with_secrets || is_setting) {
            std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
    to
}

fn settings(world: &World, account: &Account) {
    let empty = world.path("empty").display().to_string();
    let at_empty = |words: &[&str]| Cli::new(words).arg("--json").arg("--home").arg(&empty);
    check(at_empty(&["party", "list"]), 2, "no-config", "run `cohold dev`");
    check(at_empty(&["account", "create"]), 2, "no-config", "COHOLD_SERVER");

    let list = || world.device(["party", "list"]);
    check(list().env("COHOLD_TOKEN", "cohold_wrong"), 1, "unauthorized", "token");
    check(list().env("COHOLD_SERVER", "http://127.0.0.1:1"), 1, "server-unreachable", "is `cohold dev`");
    check(list().env("COHOLD_SERVER", "nonsense"), 1, "failed", "`nonsense` is not a URL");

    let home = copy(world, "broken", false);
    std::fs::write(home.join("config.toml"), "server = 7").unwrap();
    let words = ["party", "list", "--json", "--home"];
    check(Cli::new(words).arg(&home), 1, "failed", "config.toml`");
    std::fs::copy(world.path("device/config.toml"), home.join("config.toml")).unwrap();
    std::fs::write(home.join("rules.toml"), "accept = \"any\"\nsurprise = 1").unwrap();
    let pin = |cli: Cli| cli.env("COHOLD_PIN", PIN).env("COHOLD_RECOVERY_PASSPHRASE", PIN);
    let create = || pin(Cli::new(["account", "create", "--json", "--home"]).arg(&home));
    check(create(), 1, "failed", "surprise");
    std::fs::remove_file(home.join("rules.toml")).unwrap();
    check(create(), 1, "failed", "rules.toml` is missing");

    for (file, verb) in [("server/server.toml", "server"), ("cosigner/node.toml", "node")] {
        let text = std::fs::read_to_string(world.path(file)).unwrap();
        world.write("broken/service.toml", &format!("surprise = 1\n{text}"));
        let at = |path: PathBuf| Cli::new([verb, "--json", "--config"]).arg(path);
        check(at(home.join("service.toml")), 1, "config", "");
        check(at(home.join("missing.toml")), 1, "config", "missing.toml");
    }
    let words = ["party", "pin", "cosigner", "xyz"];
    check(world.device(words), 2, "fingerprint", "thirty-two hexadecimal digits");
    let _ = account;
}

fn accounts(world: &World) {
    let create = |words: &[&str]| world.device(["account", "create"].iter().chain(words).copied());
    let free = |threshold: &str, parties: &[&str]| {
        let cli = create(&["--threshold", threshold]);
        parties.iter().fold(cli, |cli, party| cli.arg("--party").arg(party))
    };
    check(free("2", &["device", "acme:cosigner"]), 2, "usage", "`device` is not of the form ENTITY:PARTY");
    check(free("2", &["me:recovery", "acme:cosigner"]), 2, "usage", "--party ENTITY:device");
    check(free("2", &["me:device", "Acme!:cosigner"]), 2, "usage", "`Acme!` is not a name");
    check(free("3", &["me:device", "acme:cosigner"]), 2, "terms", "");
    check(free("1", &["me:device", "acme:cosigner"]), 2, "terms", "");
    check(free("2", &["me:device", "me:device"]), 2, "terms", "");
    check(free("2", &["me:device", "acme:nobody"]), 1, "unknown-party", "only: ");
    check(free("2", &["me:device", "evil:cosigner"]), 2, "entity", "is run by `acme`");

    for (passphrase, says) in
        [("short", "at least 8"), ("aaaaaaaaaa", "over and over"), ("12345678", "sequence")]
    {
        let cli = create(&[]).env("COHOLD_RECOVERY_PASSPHRASE", passphrase);
        check(cli, 2, "passphrase", says);
    }
    let home = copy(world, "new", false);
    let at_new = || {
        let cli = Cli::new(["account", "create", "--json", "--home"]).arg(&home);
        cli.env("COHOLD_RECOVERY_PASSPHRASE", "good enough words")
    };
    for (pin, says) in [("12345", "at least 6"), ("000000", "over and over"), ("654321", "sequence")] {
        check(at_new().env("COHOLD_PIN", pin), 2, "pin", says);
    }
    check(at_new(), 2, "no-terminal", "COHOLD_PIN");
    check(at_new().arg("--pin-file").arg("/nowhere/pin"), 1, "failed", "`/nowhere/pin`");
    let pin = home.join("pin");
    std::fs::write(&pin, PIN).unwrap();
    std::fs::set_permissions(&pin, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
    check(at_new().arg("--pin-file").arg(&pin), 1, "readable-secret", "chmod 600");
    assert!(!home.join("device.json").exists(), "no device was made");

    let pins = std::fs::read_to_string(home.join("pins.toml")).unwrap();
    let with_pins = |text: &str| {
        std::fs::write(home.join("pins.toml"), text).unwrap();
        at_new().env("COHOLD_PIN", PIN)
    };
    check(with_pins(""), 1, "not-pinned", "cohold party pin cosigner");
    let wrong =
        pins.lines().map(|line| line.split(" = ").next().unwrap().to_owned() + " = \"0123456789abcdef\"\n");
    check(with_pins(&wrong.collect::<String>()), 1, "pin-mismatch", "you pinned `0123456789abcdef`");
}

/// What comes past the command line, straight to the API.
fn programs(world: &World, account: &Account) {
    let url = format!("{}/v1/requests", world.url());
    let problem = |token: &str, body: Vec<u8>| {
        let (status, kind, problem) = ask("POST", &url, token, &[], Some(body)).expect("an answer");
        assert_eq!(kind, "application/problem+json");
        (status, problem["code"].as_str().unwrap().to_owned())
    };
    assert_eq!(problem(&world.token, vec![b' '; 10 << 20]), (413, "body-too-large".into()));
    assert_eq!(problem("cohold_wrong", b"{}".to_vec()), (401, "unauthorized".into()));
    assert_eq!(problem(&world.token, b"{}".to_vec()), (400, "invalid-body".into()));
    let mut body = intent(account, &new_address(), &new_request(), &CENT.to_string());
    body["intent"]["expires_at"] = json!(1);
    assert_eq!(problem(&world.token, body.to_string().into_bytes()), (422, "expired".into()));
    // A clock that is off by a day and more; an hour is within what parties take, see the testkit.
    body["intent"]["expires_at"] = json!(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() + 26 * 3600);
    assert_eq!(problem(&world.token, body.to_string().into_bytes()), (400, "expires-too-late".into()));
}

/// Writes junk over a database that nobody has open, as a dying disk would.
fn damage(database: &std::path::Path) {
    assert!(!database.with_extension("sqlite-wal").exists());
    let mut bytes = std::fs::read(database).unwrap();
    let middle = bytes.len() / 4..bytes.len() / 2;
    bytes[middle].fill(0x5a);
    std::fs::write(database, bytes).unwrap();
}

fn files(world: &mut World, account: &Account) {
    let home = copy(world, "damaged", true);
    let at_damaged =
        |words: &[&str]| Cli::new(words).arg("--json").arg("--home").arg(&home).env("COHOLD_PIN", PIN);
    damage(&home.join("device.sqlite"));
    check(at_damaged(&["account", "list"]), 1, "database-damaged", "restore the last backup");
    let to = new_address();
    let words = ["send", &account.id, "--to", &to, "--amount", "0.01", "--yes"];
    check(at_damaged(&words), 1, "database-damaged", "device.sqlite");
    std::fs::write(home.join("device.sqlite"), "not a database at all, but long enough to look at").unwrap();
    check(at_damaged(&["account", "list"]), 1, "database-damaged", "");

    // A node and a server with a damaged database do not start.
    world.end("cosigner");
    for (folder, verb, settings) in [("cosigner", "node", "node.toml"), ("server", "server", "server.toml")] {
        let copy = world.path(&format!("damaged-{folder}"));
        world.write(&format!("damaged-{folder}/.new"), "");
        for entry in std::fs::read_dir(world.path(folder)).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, copy.join(path.file_name().unwrap())).unwrap();
        }
        damage(&copy.join(if folder == "server" { "server.sqlite" } else { "node.sqlite" }));
        let cli = Cli::new([verb, "--json", "--config"]).arg(copy.join(settings));
        check(cli, 1, "database-damaged", "restore the last backup");
    }
    world.server_start(None);
    world.node_start("cosigner", None);
    world.wait_for_nodes();
    let key = world.path("damaged-cosigner/node.key");
    std::fs::write(&key, "short").unwrap();
    let cli = || Cli::new(["node", "--json", "--config"]).arg(world.path("damaged-cosigner/node.toml"));
    check(cli(), 1, "config", "node.key");
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::copy(world.path("cosigner/node.key"), &key).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    check(cli(), 1, "config", "chmod 600");
}

/// Parties and servers that are not there are named.
fn away(world: &mut World, account: &Account) {
    world.node_stop("cosigner");
    check(world.pay(account, &new_address(), &new_request()), 1, "signers-offline", "`cosigner`");
    check(world.device(["account", "create"]), 3, "party-away", "`cosigner` is not connected");
    world.node_start("cosigner", None);
    world.server_stop();
    check(world.pay(account, &new_address(), &new_request()), 1, "server-unreachable", "cohold server");
    check(world.device(["balance", &account.id]), 1, "server-unreachable", "");
    world.server_restart(None);
}

/// The PIN and the device open the vault together; which half was wrong is never said.
fn pins(world: &World, account: &Account) {
    const WORDS: &str = "the device and this PIN do not open the vault together: check the PIN and try again";
    let stolen = copy(world, "stolen", true);
    let other = copy(world, "other", false);
    let pay = |home: &PathBuf, pin: &str| {
        let to = new_address();
        let words = ["send", &account.id, "--to", &to, "--amount", "0.01", "--yes", "--json", "--home"];
        Cli::new(words).arg(home).env("COHOLD_PIN", pin)
    };
    // The right PIN on another device says the same words.
    let made = Cli::new(["account", "create", "--json", "--template", "shared", "--home"]).arg(&other);
    made.env("COHOLD_PIN", PIN).run().done();
    std::fs::copy(other.join("device.key"), stolen.join("device.key")).unwrap();
    check(pay(&stolen, PIN), 1, "device-locked", WORDS);

    let home = world.path("device");
    for _ in 0..3 {
        check(pay(&home, "914-bright-kit"), 1, "device-locked", WORDS);
    }
    check(pay(&home, "914-bright-kit"), 1, "device-locked", "too many wrong tries: wait");
    check(pay(&home, PIN), 1, "device-locked", "too many wrong tries: wait");
    // The right PIN opens in the end; this payment is refused for another reason.
    until("the wait is over", || {
        let to = new_address();
        let words = ["send", &account.id, "--to", &to, "--amount", "0.01"];
        (world.device(words).run().failed(1).0 == "not-confirmed").then_some(())
    });
}
