//! Certificates end to end: asked for, verified by the device before they are printed, checked by a
//! stranger with the file alone; and every server that lies, forgets or is another one.

use serde_json::{Value, json};

use crate::liar::{Answer, Liar};
use crate::process::{Cli, Ran};
use crate::world::{Account, World};

#[test]
fn certificates_are_issued_followed_and_refused() {
    let Some(mut world) = World::start() else { return };
    let account = world.create(&[]);
    let first = ask(&world, &account).stdout;
    a_stranger_checks_the_file(&world, &first);
    let second = certificates_follow(&world, &account, &first);
    a_declaration_stands_in_the_certificate(&mut world, &account);
    a_lying_server_is_refused(&world, &account);
    a_crash_leaves_the_chain_whole(&mut world, &account, &second);
    a_server_that_forgot_is_refused(&mut world, &account);
    another_server_is_refused(&mut world, &account);
}

fn ask(world: &World, account: &Account) -> Ran {
    let ran = world.device(["custody", "certificate", &account.id]).run();
    ran.assert(ran.status.success(), "the certificate holds");
    ran
}

/// Somebody without a device, a server or an account.
fn stranger(world: &World, file: &str, words: &[&str]) -> Cli {
    let nowhere = world.path("nobody");
    let cli = Cli::new(["custody", "verify", "--json", "--home"]).arg(nowhere).arg(world.path(file));
    words.iter().fold(cli, |cli, word| cli.arg(word))
}

fn a_stranger_checks_the_file(world: &World, file: &str) {
    let value: Value = serde_json::from_str(file).unwrap();
    let (document, issuer) = (&value["document"], value["document"]["issuer"].as_str().unwrap());
    assert_eq!((&document["number"], &document["previous"]), (&json!(1), &Value::Null));
    // The device speaks for itself and for the recovery share that was made on it.
    assert_eq!(document["missing"], json!(["recovery"]));
    let said = document["statements"].as_array().unwrap();
    let parties: Vec<_> = said.iter().map(|said| said["document"]["party"].as_str().unwrap()).collect();
    assert_eq!(parties, ["cosigner", "device"]);
    assert_eq!(said[1]["document"]["vouches"][0]["sealing"], "sealed-file");
    let alone = &document["evaluation"]["powers"]["move"];
    let alone = alone
        .as_array()
        .unwrap()
        .iter()
        .find(|way| way["doubts"] == json!([]) && way["coalition"][0] == "device");
    assert_eq!(alone.unwrap()["evidence"], "signed", "{alone:?}");

    world.write("nobody/first.json", file);
    let held = stranger(world, "nobody/first.json", &["--issuer", issuer]).run().done();
    assert_eq!((&held["class"], &held["issuer_checked"]), (&json!("mpc self-custody"), &json!(true)));
    let (exit, said) = crate::checker::check(&world.path("nobody/first.json"), &["--issuer", issuer]);
    assert_eq!(
        (exit, &said["evaluation"]["class"]),
        (0, &held["class"]),
        "the second checker agrees: {said}"
    );
    let words = Cli::new(["custody", "verify"]).arg(world.path("nobody/first.json")).run();
    assert!(
        words.stdout.contains("the certificate holds") && words.stdout.contains("WHO CAN MOVE THE FUNDS")
    );

    let refused = |file: &str, words: &[&str], part: &str| {
        let ran = stranger(world, file, words).run();
        let faults = ran.json()["faults"].to_string();
        assert!(faults.contains(part), "`{part}` is not in {faults}");
        assert_eq!(ran.failed(1).0, "certificate-refused");
    };
    refused("nobody/first.json", &["--issuer", &"0".repeat(32)], "its issuer has the fingerprint");
    refused("nobody/first.json", &["--at", "2000000000"], "it expired");
    stranger(world, "nobody/first.json", &["--at", "issued"]).run().done();
    world.write("nobody/changed.json", &file.replacen("mpc self-custody", "non-custodial", 1));
    refused("nobody/changed.json", &[], "not signed by its issuer alone");
    world.write("nobody/cut.json", &file[..file.len() / 2]);
    refused("nobody/cut.json", &[], "ends too early");
    world.write("nobody/spaced.json", &file.replacen("\"number\":1", "\"number\": 1", 1));
    refused("nobody/spaced.json", &[], "/document/number");
    let (code, message) = stranger(world, "nobody/none.json", &[]).run().failed(1);
    assert!(message.contains("none.json"), "{code}: {message}");
    stranger(world, "nobody/first.json", &["--at", "yesterday"]).run().failed(2);
}

/// Two files compared by somebody who has nothing else.
fn compare(world: &World, old: &str, new: &str) -> Cli {
    Cli::new(["custody", "diff", "--json"]).arg(world.path(old)).arg(world.path(new))
}

fn certificates_follow(world: &World, account: &Account, first: &str) -> String {
    // The recovery file was opened meanwhile, and the device says so.
    let file = account.recovery[0].display().to_string();
    world.device(["recovery", "check", &file]).run().done();
    let second = ask(world, account).stdout;
    let value: Value = serde_json::from_str(&second).unwrap();
    assert!(value["document"]["statements"][1]["document"]["vouches"][0]["opened_at"].as_u64().is_some());
    world.write("nobody/second.json", &second);
    let previous = world.path("nobody/first.json").display().to_string();
    let held = stranger(world, "nobody/second.json", &["--previous", &previous]).run().done();
    assert_eq!((&held["number"], &held["previous_checked"]), (&json!(2), &json!(true)));
    let itself = world.path("nobody/second.json").display().to_string();
    stranger(world, "nobody/second.json", &["--previous", &itself]).run().failed(1);
    let path = world.path("nobody/second.json");
    assert_eq!(crate::checker::check(&path, &["--previous", &previous]).0, 0, "the second checker agrees");
    assert_eq!(crate::checker::check(&path, &["--previous", &itself]).0, 1);

    let alike = compare(world, "nobody/first.json", "nobody/second.json").run().done();
    assert_eq!(alike["verdict"], "equal");
    // What the certificate says is compared only where it is the issuer's word.
    world.write("nobody/forged.json", &second.replacen("\"number\":2", "\"number\":3", 1));
    let (code, _) = compare(world, "nobody/first.json", "nobody/forged.json").run().failed(1);
    assert_eq!(code, "certificate-refused");

    let listed = world.device(["custody", "certificate", &account.id, "--list"]).run().done();
    let numbers: Vec<_> = listed.as_array().unwrap().iter().map(|row| row["number"].clone()).collect();
    assert_eq!(numbers, [1, 2]);
    let again = world.device(["custody", "certificate", &account.id, "--number", "1"]).run();
    assert_eq!(again.stdout, first, "byte for byte");
    let (code, _) = world.device(["custody", "certificate", &account.id, "--number", "9"]).run().failed(1);
    assert_eq!(code, "not-found");
    second
}

fn a_declaration_stands_in_the_certificate(world: &mut World, account: &Account) {
    let before = std::fs::read_to_string(world.path("server/custody.toml")).unwrap();
    let cloud = before.replacen("administrators = []", "administrators = [\"bigcloud\"]", 1);
    world.write("server/custody.toml", &cloud);
    world.server_restart(None);
    let file = ask(world, account).stdout;
    let value: Value = serde_json::from_str(&file).unwrap();
    let model = &value["document"]["model"];
    assert_eq!(value["document"]["declared"]["machine"][0]["administrators"], json!(["bigcloud"]));
    assert_eq!(model["atoms"]["bigcloud-machines"]["entity"], "bigcloud", "{model:#}");
    let shown = world.device(["custody", "show", &account.id]).run().done();
    assert_eq!(shown["model"], *model, "the sheet takes the same path");
    world.write("nobody/cloud.json", &file);
    let told = compare(world, "nobody/second.json", "nobody/cloud.json").run().json();
    let same = compare(world, "nobody/cloud.json", "nobody/cloud.json").run().done();
    assert!(told["verdict"] != "equal" && same["verdict"] == "equal", "{told}");
    // Another declaration under the same signature holds for nobody.
    world.write("nobody/declared.json", &file.replacen("[\"bigcloud\"]", "[]", 1));
    stranger(world, "nobody/declared.json", &[]).run().failed(1);
    let told = world.device(["doctor"]).run();
    let found = told.json()["findings"]
        .as_array()
        .unwrap()
        .iter()
        .any(|f| f["what"] == "declaration" && f["ok"] == true);
    assert!(found, "{}", told.stdout);

    world.server_stop();
    world.write("server/custody.toml", &format!("{before}\n[[machine]]\nparty = 5\n"));
    let config = world.path("server/server.toml");
    let (code, message) = Cli::new(["server", "--json", "--config"]).arg(config).run().failed(1);
    assert!(
        code == "config" && message.contains("custody.toml") && message.contains("line "),
        "{code}: {message}"
    );
    world.write("server/custody.toml", &before);
    world.server_restart(None);
}

fn a_lying_server_is_refused(world: &World, account: &Account) {
    let liar = Liar::before(&world.url());
    let asked = || {
        let cli = world.device(["custody", "certificate", &account.id]).env("COHOLD_SERVER", &liar.url);
        let ran = cli.run();
        ran.assert(!ran.stdout.contains("\"document\""), "nothing of it is printed");
        ran.failed(1)
    };
    type Twist = fn(&mut Value);
    let twists: [(Twist, &str); 4] = [
        (|it| it["document"]["evaluation"]["class"] = json!("non-custodial"), "signed by its issuer alone"),
        (|it| it["document"]["issued_at"] = json!(1), "expired"),
        (|it| it["document"]["charters"][0]["document"]["terms"]["threshold"] = json!(3), "device keeps"),
        (|it| it["document"]["statements"] = json!([]), "word that this device gave"),
    ];
    for (twist, part) in twists {
        liar.twist("POST", ("/v1/accounts", "/certificates"), twist);
        let (code, message) = asked();
        assert!(code == "certificate-refused" && message.contains(part), "{code}: {message}");
    }
    // An old one in place of a new one: everything in it is true, but not of now.
    let id = account.id.clone();
    liar.tell(move |call, honest| {
        let mut call = call.clone();
        if call.is("POST", ("/v1/accounts", "/certificates")) {
            (call.method, call.path) = ("GET".into(), format!("/v1/accounts/{id}/certificates/1"));
        }
        let (status, value) = honest(&call);
        Answer::Json(status, value)
    });
    let (code, message) = asked();
    assert!(code == "certificate-refused" && message.contains("held it back"), "{code}: {message}");
    liar.twist("POST", ("/v1/accounts", "/certificates"), |it| *it = json!({"ok": true}));
    assert_eq!(asked().0, "certificate-refused");
    liar.tell(|_, _| Answer::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n\xff\xfe{}".to_vec()));
    asked();
}

fn a_crash_leaves_the_chain_whole(world: &mut World, account: &Account, second: &str) {
    let number =
        |text: &str| serde_json::from_str::<Value>(text).unwrap()["document"]["number"].as_u64().unwrap();
    let mut last = number(second);
    for (point, issued) in [
        ("server.statement-put.before", 0),
        ("server.statement-put.after", 0),
        ("server.certificate-append.before", 0),
        ("server.certificate-append.after", 1),
    ] {
        world.server_restart(Some(point));
        let begun = world.device(["custody", "certificate", &account.id]).begin();
        world.server_crashed(point);
        begun.end().failed(1);
        world.server_restart(None);
        // The device follows the chain over what it never saw.
        let next = number(&ask(world, account).stdout);
        assert!(next > last + issued, "{point}: {next} after {last}");
        last = next;
    }
}

fn a_server_that_forgot_is_refused(world: &mut World, account: &Account) {
    let databases = ["server.sqlite", "server.sqlite-wal", "server.sqlite-shm"];
    world.server_stop();
    let saved: Vec<_> =
        databases.iter().map(|name| std::fs::read(world.path(&format!("server/{name}"))).ok()).collect();
    world.server_restart(None);
    ask(world, account);
    world.server_stop();
    for (name, bytes) in databases.iter().zip(saved) {
        let path = world.path(&format!("server/{name}"));
        let _ = std::fs::remove_file(&path);
        if let Some(bytes) = bytes {
            std::fs::write(&path, bytes).unwrap();
        }
    }
    world.server_restart(None);
    // The same facts signed again in the same second would be the same certificate, byte for byte.
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    let (code, message) = world.device(["custody", "certificate", &account.id]).run().failed(1);
    assert!(code == "certificate-refused" && message.contains("has forgotten"), "{code}: {message}");
    // Once it has come past that number, what it shows differs from what the device saw.
    let (code, message) = world.device(["custody", "certificate", &account.id]).run().failed(1);
    assert!(code == "certificate-refused" && message.contains("does not follow"), "{code}: {message}");
}

fn another_server_is_refused(world: &mut World, account: &Account) {
    world.server_stop();
    std::fs::remove_file(world.path("server/issuer.key")).unwrap();
    world.server_restart(None);
    let (code, message) = world.device(["custody", "certificate", &account.id]).run().failed(1);
    assert!(code == "issuer-changed" && message.contains("cohold custody issuer"), "{code}: {message}");
    let shown = world.device(["custody", "issuer"]).run().done();
    assert_eq!(shown["same"], false);
    let found = shown["fingerprint"].as_str().unwrap().to_owned();
    world.device(["custody", "issuer", "nonsense"]).run().failed(2);
    world.device(["custody", "issuer", &found]).run().done();
    assert_eq!(world.device(["custody", "issuer"]).run().done()["same"], true);
}
