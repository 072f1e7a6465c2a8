//! Social recovery across processes, each guardian a person with a home of their own: two of three bring an
//! account back on a new device; one alone, and two without the co-signer, bring nothing; whoever starts it
//! without being the user is stopped by the user's device.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::chain::{CENT, new_address};
use crate::process::{Cli, until};
use crate::world::{Account, World};

const NAMES: [&str; 3] = ["bo", "cy", "di"];
const NEW_PIN: &str = "another-pin-63";

/// A guardian's command, in their own home: they have no server and no token.
fn guardian(world: &World, name: &str, words: &[&str]) -> Cli {
    let home = world.path(name);
    Cli::new(["guardian"].iter().chain(words))
        .arg("--json")
        .arg("--home")
        .arg(home)
        .env("COHOLD_PIN", format!("{name}-has-a-pin-5"))
}

fn file(world: &World, name: &str) -> PathBuf {
    world.path(name)
}

/// A file of the test's folder, as a word.
fn named(world: &World, name: &str) -> String {
    file(world, name).display().to_string()
}

/// What a command says of the guardians that an account shall have.
fn guarded_by(world: &World, names: &[&str], delay: &str) -> Vec<String> {
    let mut words =
        vec!["--guardians-needed".to_owned(), "2".into(), "--guardian-delay".into(), delay.into()];
    for name in names {
        let out = named(world, &format!("{name}.card.json"));
        let made = guardian(world, name, &["card", "--name", name, "--out", &out]).run().done();
        words.push("--guardian".into());
        words.push(format!("{out}={}", made["fingerprint"].as_str().unwrap()));
    }
    words
}

/// An account with bo, cy and di as guardians, of whom two are needed; all have their pieces.
fn guarded(world: &World, delay: &str) -> (Account, Value) {
    let words = guarded_by(world, &NAMES, delay);
    let made = world.device(["account", "create"]).args(&words).run().done();
    let account = Account::of(&made);
    accept_all(world, &account, &made);
    (account, made)
}

/// Every guardian takes its piece, and the device their receipts.
fn accept_all(world: &World, account: &Account, made: &Value) {
    let mut receipt = world.device(["account", "guardians", "receipt", &account.id]);
    for name in NAMES {
        let packet = made["packets"][name].as_str().unwrap_or_else(|| panic!("{made}"));
        let out = named(world, &format!("{name}.receipt.json"));
        let accepted = guardian(world, name, &["accept", packet, "--out", &out]).run().done();
        assert_eq!(
            (&accepted["account"], &accepted["address"]),
            (&json!(account.id), &json!(account.address))
        );
        receipt = receipt.arg(out);
    }
    receipt.run().done();
}

/// A home on a new device that knows the server and the nodes.
fn new_phone(world: &World, name: &str) -> PathBuf {
    for file in ["config.toml", "rules.toml", "pins.toml"] {
        let text = std::fs::read_to_string(world.path("device").join(file)).unwrap();
        world.write(&format!("{name}/{file}"), &text);
    }
    world.path(name)
}

/// `account recover --guardians` on a new device, with what guardians sent.
fn recover(world: &World, phone: &str, account: &Account, with: &[&str]) -> Cli {
    let words =
        ["account", "recover", "--yes", "--guardians", &account.id, "--reason", "the phone was stolen"];
    let mut cli = world.device_at(&new_phone(world, phone), words).env("COHOLD_PIN", NEW_PIN);
    cli = cli.arg("--out").arg(file(world, &format!("{phone}.request.json")));
    for name in with {
        cli = cli.arg("--with").arg(file(world, name));
    }
    cli
}

/// What a step says that waits for others.
fn waits(cli: Cli) -> Value {
    let ran = cli.run();
    ran.assert(ran.status.code() == Some(3), "should wait");
    ran.json()
}

fn confirm(world: &World, name: &str, phone: &str) -> Cli {
    let (request, out) = (named(world, &format!("{phone}.request.json")), format!("{name}-{phone}.ok.json"));
    guardian(world, name, &["confirm", &request, "--yes", "--out", &named(world, &out)])
}

fn release(world: &World, name: &str, phone: &str) -> Cli {
    let (request, out) =
        (named(world, &format!("{phone}.request.json")), format!("{name}-{phone}.piece.json"));
    guardian(world, name, &["release", &request, "--out", &named(world, &out)])
}

/// Up to the wait: two guardians have confirmed, and the co-signer knows.
fn asked(world: &World, phone: &str, account: &Account) -> Value {
    let began = waits(recover(world, phone, account, &[]));
    assert_eq!((&began["status"], &began["confirmed"]), (&json!("asked"), &json!(0)), "{began}");
    for name in ["bo", "cy"] {
        let said = confirm(world, name, phone).run().done();
        assert_eq!(said["device"], began["device"]);
    }
    let with = ["bo", "cy"].map(|name| format!("{name}-{phone}.ok.json"));
    waits(recover(world, phone, account, &with.each_ref().map(String::as_str)))
}

fn change_list(world: &World, account: &Account) -> Value {
    let list = world.device(["custody", "change", "list", &account.id]).run().done();
    let node = list["parties"].as_array().unwrap().iter().find(|party| party["party"] == "cosigner");
    node.unwrap_or_else(|| panic!("{list}"))["asked"].clone()
}

#[test]
fn two_of_three_guardians_bring_an_account_back() {
    let Some(world) = World::start_joining(0) else { return };
    let (account, _) = guarded(&world, "1s");
    world.fund(&account);
    world.assert_spendable(&account);

    // The certificate says who they are, and a second checker agrees.
    let shown = world.device(["account", "guardians", "show", &account.id]).run().done();
    assert_eq!((&shown["needed"], &shown["delay_seconds"]), (&json!(2), &json!(1)));
    assert!(shown["guardians"].as_array().unwrap().iter().all(|row| row["receipt_at"].is_u64()), "{shown}");
    let certificate = world.device(["custody", "certificate", &account.id]).run().done();
    let model = certificate["document"]["model"].to_string();
    for name in NAMES {
        assert!(model.contains(&format!("the guardian `{name}` says that its piece")), "{model}");
    }
    world.write("certificate.json", &certificate.to_string());
    let (exit, said) = crate::checker::check(&world.path("certificate.json"), &[]);
    assert_eq!((exit, &said["evaluation"]["class"]), (0, &json!("collusive")), "{said}");

    // The phone is gone, with its folder and the recovery file.
    std::fs::rename(world.path("device"), world.path("lost")).unwrap();
    new_phone_of_lost(&world);
    let began = asked(&world, "phone", &account);
    assert!(["waiting", "waited"].contains(&began["status"].as_str().unwrap()), "{began}");
    // After the wait the command writes what the guardians need to see.
    until("the wait is over", || {
        let said = waits(recover(&world, "phone", &account, &[]));
        (said["status"] == "waited").then_some(())
    });
    // One piece is nothing.
    until("bo lets go", || release(&world, "bo", "phone").run().status.success().then_some(()));
    let one = waits(recover(&world, "phone", &account, &["bo-phone.piece.json"]));
    assert_eq!(one["released"], 1, "{one}");
    until("cy lets go", || release(&world, "cy", "phone").run().status.success().then_some(()));
    let done = recover(&world, "phone", &account, &["cy-phone.piece.json"]).run().done();
    assert_eq!((&done["epoch"], &done["address"]), (&json!(2), &json!(account.address)), "{done}");
    for when in ["before", "after"] {
        assert_eq!(done["certificate"][when]["class"], "collusive", "{done}");
    }

    // The new device pays, the lost one does not, and the old pieces are of a past epoch.
    let (to, nonce) = (new_address(), world.chain.nonce(&account.address));
    let words = ["send", &account.id, "--to", &to, "--amount", "0.01", "--yes"];
    let paid = world.device_at(&world.path("phone"), words).env("COHOLD_PIN", NEW_PIN).run().done();
    world.assert_paid_once(&account, &to, nonce, &paid);
    let (code, _) = world.device_at(&world.path("lost"), words).run().failed(1);
    assert_eq!(code, "left-out");
    assert_eq!(world.chain.balance(&to), CENT);
    let (code, message) = recover(&world, "again", &account, &[]).run().pipe(|ran| {
        ran.assert(ran.status.code() == Some(3), "asks anew");
        confirm(&world, "bo", "again").run().failed(1)
    });
    assert!(code == "other-epoch" && message.contains("epoch 2"), "{code}: {message}");
    // The new epoch has pieces of its own for the same guardians.
    let packets = done["packets"].as_object().unwrap();
    assert_eq!(packets.keys().map(String::as_str).collect::<Vec<_>>(), NAMES);
}

/// A command needs the folder of the lost device for its settings only.
fn new_phone_of_lost(world: &World) {
    for file in ["config.toml", "rules.toml", "pins.toml"] {
        let text = std::fs::read_to_string(world.path("lost").join(file)).unwrap();
        world.write(&format!("device/{file}"), &text);
    }
}

trait Pipe: Sized {
    fn pipe<T>(self, then: impl FnOnce(Self) -> T) -> T {
        then(self)
    }
}

impl Pipe for crate::process::Ran {}

/// A thief talked two guardians into it. The nodes tell, the device objects, and nobody gives anything.
#[test]
fn a_thief_who_starts_it_is_stopped_by_the_device() {
    let Some(mut world) = World::start_joining(0) else { return };
    let bell = bell(&mut world);
    let (account, _) = guarded(&world, "1h");
    let began = asked(&world, "thief", &account);
    until("the operator's program is told", || bell_rang(&bell, "resharing-asked", &account).then_some(()));
    assert_eq!(began["status"], "waiting", "{began}");
    let first = change_list(&world, &account);
    assert_eq!((&first[0]["by"], &first[0]["vetoed_by"]), (&json!("recovery"), &Value::Null));
    let wait = first[0]["joins_at"].as_u64().unwrap() - first[0]["since"].as_u64().unwrap();
    assert_eq!(wait, 3600, "the charter's wait, though the node's own is none");
    // Too early for the guardians as well, whatever else they are shown.
    let (code, _) = release(&world, "bo", "thief").run().failed(3);
    assert_eq!(code, "too-early");
    // Any command of the device says it aloud.
    let list = world.device(["account", "list"]).run();
    assert!(list.stderr.contains("SOMEBODY ASKS FOR OTHER PARTIES"), "{}", list.stderr);

    world.device(["custody", "change", "veto", &account.id]).run().done();
    until("and of the objection", || bell_rang(&bell, "resharing-vetoed", &account).then_some(()));
    let said = waits(recover(&world, "thief", &account, &[]));
    assert_eq!((&said["status"], &said["vetoed_by"]), (&json!("vetoed"), &json!("device")));
    // The guardian is shown the objection, and remembers it whatever it is shown later.
    let (code, message) = release(&world, "bo", "thief").run().failed(1);
    assert!(code == "vetoed" && message.contains("`device` objected"), "{code}: {message}");
    let request = std::fs::read_to_string(file(&world, "thief.request.json")).unwrap();
    let mut request: Value = serde_json::from_str(&request).unwrap();
    request["reports"] = json!([]);
    world.write("thief.request.json", &request.to_string());
    let (code, _) = release(&world, "bo", "thief").run().failed(1);
    assert_eq!(code, "vetoed");
    world.fund(&account);
    world.assert_spendable(&account);
}

/// Has the co-signer run a program that notes its environment.
fn bell(world: &mut World) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let (program, heard) = (world.path("bell.sh"), world.path("bell.txt"));
    world.write("bell.sh", &format!("#!/bin/sh\nenv >> {}\n", heard.display()));
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
    let settings = std::fs::read_to_string(world.path("cosigner/node.toml")).unwrap();
    let notify = format!("notify = [\"{}\"]\n", program.display());
    world.write("cosigner/node.toml", &(notify + &settings));
    world.node_restart("cosigner", None);
    heard
}

fn bell_rang(heard: &std::path::Path, event: &str, account: &Account) -> bool {
    let text = std::fs::read_to_string(heard).unwrap_or_default();
    assert!(!text.contains("HOME=") && !text.contains("COHOLD_LOG"), "nothing of the node's own: {text}");
    text.contains(&format!("COHOLD_EVENT={event}\n")) && text.contains(&account.id)
}

/// kill -9 wherever a guardian or the new device makes something durable: the same command again goes on.
#[test]
fn each_step_can_be_cut_off() {
    let Some(world) = World::start_joining(0) else { return };
    let words = guarded_by(&world, &NAMES, "1s");
    let made = world.device(["account", "create"]).args(&words).run().done();
    let account = Account::of(&made);
    world.fund(&account);
    let twice = |step: &dyn Fn() -> Cli, points: [&str; 2]| {
        for point in points {
            step().env("COHOLD_CRASH_AT", point).run().crashed(point);
        }
    };
    let packet = made["packets"]["bo"].as_str().unwrap();
    let receipt = named(&world, "bo.receipt.json");
    let accept = || guardian(&world, "bo", &["accept", packet, "--out", &receipt]);
    twice(&accept, ["guardian.accept.before", "guardian.accept.after"]);
    accept_all(&world, &account, &made);
    let ask = || recover(&world, "phone", &account, &[]);
    twice(&ask, ["revive.note.before", "revive.note.after"]);
    let began = waits(ask());
    let say = || confirm(&world, "bo", "phone");
    twice(&say, ["guardian.confirm.before", "guardian.confirm.after"]);
    for name in ["bo", "cy"] {
        assert_eq!(confirm(&world, name, "phone").run().done()["device"], began["device"]);
    }
    let both = ["bo-phone.ok.json", "cy-phone.ok.json"];
    let tell = || recover(&world, "phone", &account, &both);
    twice(&tell, ["revive.note.before", "revive.note.after"]);
    until("the wait is over", || (waits(tell())["status"] == "waited").then_some(()));
    until("bo could let go", || release(&world, "bo", "phone").run().status.success().then_some(()));
    let let_go = || release(&world, "bo", "phone");
    twice(&let_go, ["guardian.release.before", "guardian.release.after"]);
    until("both let go", || {
        let mut gone =
            ["bo", "cy"].map(|name| release(&world, name, "phone").run().status.success()).into_iter();
        gone.all(|gone| gone).then_some(())
    });
    let pieces = ["bo-phone.piece.json", "cy-phone.piece.json"];
    let end = || recover(&world, "phone", &account, &pieces);
    twice(&end, ["party.reshare-keep.before", "party.reshare-keep.after"]);
    assert_eq!(end().run().done()["epoch"], 2);
    let phone = world.path("phone");
    let (to, nonce) = (new_address(), world.chain.nonce(&account.address));
    let words = ["send", &account.id, "--to", &to, "--amount", "0.01", "--yes"];
    let paid = world.device_at(&phone, words).env("COHOLD_PIN", NEW_PIN).run().done();
    world.assert_paid_once(&account, &to, nonce, &paid);
}

/// What guardians refuse, and that too few of them, or all of them without the co-signer, are nothing.
#[test]
fn guardians_refuse_what_is_not_in_order() {
    let Some(mut world) = World::start_joining(0) else { return };
    let (account, made) = guarded(&world, "1s");
    let packet = made["packets"]["bo"].as_str().unwrap();
    // A packet for somebody else, bent, or kept already.
    let out = named(&world, "x.json");
    let (code, message) = guardian(&world, "cy", &["accept", packet, "--out", &out]).run().failed(1);
    assert!(code == "packet-refused" && message.contains("no guardian with this key"), "{code}: {message}");
    guardian(&world, "bo", &["accept", packet, "--out", &out]).run().done();
    let mut bent: Value = serde_json::from_str(&std::fs::read_to_string(packet).unwrap()).unwrap();
    bent["entrusted"]["document"]["commitments"][0] = bent["entrusted"]["document"]["commitments"][1].clone();
    world.write("bent.json", &bent.to_string());
    let bent = named(&world, "bent.json");
    let (code, _) = guardian(&world, "bo", &["accept", &bent, "--out", &out]).run().failed(1);
    assert_eq!(code, "packet-refused");
    let (code, _) = guardian(&world, "bo", &["accept", &out, "--out", &bent]).run().failed(1);
    assert_eq!(code, "bad-file");
    assert_eq!(guardian(&world, "bo", &["check", &account.id]).run().done()[0]["guardian"], "bo");

    // Without a confirmation nothing is released; one guardian helps one request at a time.
    waits(recover(&world, "one", &account, &[]));
    waits(recover(&world, "two", &account, &[]));
    assert_eq!(release(&world, "bo", "one").run().failed(1).0, "unconfirmed");
    confirm(&world, "bo", "one").run().done();
    confirm(&world, "bo", "one").run().done();
    let (code, message) = confirm(&world, "bo", "two").run().failed(1);
    assert!(code == "another-request" && message.contains("withdraw"), "{code}: {message}");
    // One confirmation of two does not start the nodes' wait, nor does the same one twice.
    let few = waits(recover(&world, "one", &account, &["bo-one.ok.json", "bo-one.ok.json"]));
    assert_eq!((&few["status"], &few["confirmed"]), (&json!("asked"), &json!(1)));
    assert_eq!(change_list(&world, &account), json!([]));
    // A confirmation for another device is refused, and a forged one.
    let (code, _) = recover(&world, "two", &account, &["bo-one.ok.json"]).run().failed(1);
    assert_eq!(code, "file-refused");
    let forged = std::fs::read_to_string(file(&world, "bo-one.ok.json")).unwrap().replace("\"bo\"", "\"cy\"");
    world.write("forged.json", &forged);
    let (code, _) = recover(&world, "one", &account, &["forged.json"]).run().failed(1);
    assert_eq!(code, "file-refused");

    // The co-signer is away: enough guardians, and still no wait, no word of its end, no piece.
    confirm(&world, "cy", "one").run().done();
    world.node_stop("cosigner");
    let (code, message) = recover(&world, "one", &account, &["cy-one.ok.json"]).run().failed(1);
    assert!(code == "nodes-refused" && message.contains("cosigner"), "{code}: {message}");
    until("bo's own clock is not what holds it", || {
        let (code, message) = release(&world, "bo", "one").run().failed(3);
        assert_eq!(code, "too-early");
        message.contains("no node of the account").then_some(())
    });
    world.node_start("cosigner", None);
    world.wait_for_nodes();
    until("the nodes have waited", || {
        let said = waits(recover(&world, "one", &account, &[]));
        (said["status"] == "waited").then_some(())
    });
    // Both let go; cy's piece is not the one it was given, and cy is named.
    for name in ["bo", "cy"] {
        release(&world, name, "one").run().done();
    }
    let piece = |name: &str| -> Value {
        serde_json::from_str(
            &std::fs::read_to_string(file(&world, &format!("{name}-one.piece.json"))).unwrap(),
        )
        .unwrap()
    };
    let mut lie = piece("cy");
    lie["letter"] = piece("bo")["letter"].clone();
    world.write("lie.json", &lie.to_string());
    let (code, message) =
        recover(&world, "one", &account, &["bo-one.piece.json", "lie.json"]).run().failed(1);
    assert!(code == "wrong-piece" && message.contains("`cy`"), "{code}: {message}");
    // Pieces that were sealed to one device are nothing to another, nor without the co-signer.
    let (code, _) = recover(&world, "two", &account, &["bo-one.piece.json"]).run().failed(1);
    assert_eq!(code, "file-refused");
    world.node_stop("cosigner");
    let (code, _) = recover(&world, "one", &account, &["cy-one.piece.json"]).run().failed(3);
    assert_eq!(code, "no-quorum");
    world.node_start("cosigner", None);
    world.wait_for_nodes();
    assert_eq!(recover(&world, "one", &account, &[]).run().done()["epoch"], 2);
}

/// Guardians come later, are exchanged, and go, each by a charter of its own that the user consents to.
#[test]
fn guardians_come_and_go() {
    let Some(world) = World::start_joining(0) else { return };
    let account = world.create(&[]);
    let set = |words: &[String]| {
        let cli = world.device(["account", "guardians", "set", &account.id, "--yes"]);
        cli.arg("--recovery").arg(&account.recovery[0]).args(words)
    };
    let (code, message) = world.device(["account", "guardians", "show", &account.id]).run().failed(1);
    assert_eq!(code, "no-guardians", "{message}");
    for (change, says) in [
        (["--guardians-needed", "1"], "it takes 2 to 3"),
        (["--guardians-needed", "4"], "it takes 2 to 3"),
        (["--guardian-delay", "0s"], "wait 1 second"),
        (["--guardian-delay", "soon"], "is no time"),
    ] {
        let mut words = guarded_by(&world, &NAMES, "48h");
        let at = words.iter().position(|word| word == change[0]).unwrap();
        words[at + 1] = change[1].into();
        let (_, message) = set(&words).run().failed(2);
        assert!(message.contains(says), "{change:?}: {message}");
    }
    // One that says it is the user would count as the user's own.
    let out = named(&world, "me.card.json");
    let made =
        guardian(&world, "me", &["card", "--name", "eve", "--entity", "me", "--out", &out]).run().done();
    let mut words = guarded_by(&world, &NAMES, "48h");
    words.extend(["--guardian".into(), format!("{out}={}", made["fingerprint"].as_str().unwrap())]);
    let (code, message) = set(&words).run().failed(1);
    assert!(code == "entity" && message.contains("that is you"), "{code}: {message}");
    let mut words = guarded_by(&world, &NAMES, "48h");
    let last = words.last_mut().unwrap();
    last.replace_range(last.len() - 1.., if last.ends_with('0') { "1" } else { "0" });
    assert_eq!(set(&words).run().failed(1).0, "pin-mismatch");

    let done = set(&guarded_by(&world, &NAMES, "48h")).run().done();
    assert_eq!(done["epoch"], 2, "{done}");
    let said = done["conditions"].to_string();
    assert!(said.contains("2 of 3 guardians hold the share of `recovery` together"), "{said}");
    assert_eq!(done["certificate"]["after"]["class"], "collusive");
    accept_all(&world, &account, &done);
    // A second giving makes the first receipts worthless.
    let file = PathBuf::from(done["recovery_files"][0].as_str().unwrap());
    world.device(["account", "guardians", "deal", &account.id]).arg("--recovery").arg(&file).run().done();
    let words = ["account", "guardians", "receipt", &account.id];
    let (code, _) = world.device(words).arg(named(&world, "bo.receipt.json")).run().failed(1);
    assert_eq!(code, "receipt-refused");

    let words = ["account", "guardians", "set", &account.id, "--none", "--yes"];
    let done = world.device(words).arg("--recovery").arg(&file).run().done();
    assert_eq!(
        (&done["epoch"], &done["certificate"]["after"]["class"]),
        (&json!(3), &json!("mpc self-custody"))
    );
    assert!(done["conditions"].to_string().contains("Nobody is a guardian"), "{done}");
    world.assert_spendable(&account);
}
