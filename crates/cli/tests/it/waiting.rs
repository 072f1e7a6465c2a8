//! What a node's wait before a resharing is worth: whoever stole what speaks for the user gets nothing
//! before it is over, and nothing at all where a party of the user's objects.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::process::{Cli, until};
use crate::world::{Account, World};

const THIEF_PIN: &str = "a-thief-has-one-7";

/// A device that somebody made who has the recovery file, its passphrase, and access to the server.
fn elsewhere(world: &World, name: &str) -> PathBuf {
    for file in ["config.toml", "rules.toml", "pins.toml"] {
        let text = std::fs::read_to_string(world.path("device").join(file)).unwrap();
        world.write(&format!("{name}/{file}"), &text);
    }
    world.path(name)
}

fn recover(world: &World, home: &Path, account: &Account) -> Cli {
    let words = ["account", "recover", "--yes"];
    world.device_at(home, words).arg("--recovery").arg(&account.recovery[0]).env("COHOLD_PIN", THIEF_PIN)
}

fn asked(world: &World, account: &Account) -> Value {
    let list = world.device(["custody", "change", "list", &account.id]).run().done();
    let node = list["parties"].as_array().unwrap().iter().find(|party| party["party"] == "cosigner");
    node.unwrap_or_else(|| panic!("{list}"))["asked"].clone()
}

fn epoch(world: &World, account: &Account) -> Value {
    world.device(["account", "show", &account.id]).run().done()["epoch"].clone()
}

#[test]
fn a_stolen_recovery_file_waits_and_the_user_objects() {
    let Some(mut world) = World::start_joining(3600) else { return };
    let account = world.funded();
    let thief = elsewhere(&world, "thief");
    assert_eq!(asked(&world, &account), json!([]));
    let (code, _) = world.device(["custody", "change", "veto", &account.id]).run().failed(1);
    assert_eq!(code, "nothing-asked");

    let (_, message) = recover(&world, &thief, &account).run().failed(1);
    assert!(message.contains("joins at") && message.contains("objects"), "{message}");
    let first = asked(&world, &account);
    assert_eq!((&first[0]["by"], &first[0]["vetoed_by"]), (&json!("recovery"), &Value::Null));
    let waits = |asked: &Value| asked[0]["joins_at"].as_u64().unwrap() - asked[0]["since"].as_u64().unwrap();
    assert_eq!(waits(&first), 3600);

    // Asking again, also after the node was restarted, makes it no later and no sooner.
    world.node_restart("cosigner", None);
    recover(&world, &thief, &account).run().failed(1);
    assert_eq!(asked(&world, &account), first);
    assert_eq!(epoch(&world, &account), 1);

    let shown = world.device(["custody", "change", "veto", &account.id]).run().done();
    assert_eq!(shown["parties"][0]["asked"][0]["vetoed_by"], "device");
    let (_, message) = recover(&world, &thief, &account).run().failed(1);
    assert!(message.contains("`device` objected"), "{message}");
    assert_eq!(epoch(&world, &account), 1);
    world.assert_spendable(&account);

    // With the file at hand, the user's own shares deal, and the node is not asked for any.
    let words = ["account", "refresh", &account.id, "--yes"];
    let done = world.device(words).arg("--recovery").arg(&account.recovery[0]).run().done();
    assert_eq!(done["epoch"], 2);
    world.assert_spendable(&account);
}

/// The device and its PIN are stolen; what the user has left is the recovery file, which objects as well.
#[test]
fn a_stolen_device_asks_and_the_recovery_file_objects() {
    let Some(world) = World::start_joining(3600) else { return };
    let account = world.create(&[]);
    let (_, message) = world.device(["account", "refresh", &account.id, "--yes"]).run().failed(1);
    assert!(message.contains("joins at"), "{message}");
    assert_eq!(asked(&world, &account)[0]["by"], "device");
    let home = elsewhere(&world, "home");
    let veto = |file: &Path| {
        let words = ["custody", "change", "veto", &account.id];
        world.device_at(&home, words).arg("--recovery").arg(file).env("COHOLD_PIN", THIEF_PIN).run()
    };
    world.write("no-file.txt", "no recovery file");
    veto(&world.path("no-file.txt")).failed(1);
    let done = veto(&account.recovery[0]).done();
    assert_eq!(done["parties"][0]["asked"][0]["vetoed_by"], "recovery");
    let (_, message) = world.device(["account", "refresh", &account.id, "--yes"]).run().failed(1);
    assert!(message.contains("`recovery` objected"), "{message}");
    assert_eq!(veto(&account.recovery[0]).failed(1).0, "nothing-asked");
}

#[test]
fn after_the_wait_a_lost_device_is_replaced() {
    let Some(world) = World::start_joining(2) else { return };
    let account = world.funded();
    let phone = elsewhere(&world, "phone");
    recover(&world, &phone, &account).run().failed(1);
    let done = until("the wait is over", || {
        let ran = recover(&world, &phone, &account).run();
        ran.status.success().then(|| ran.done())
    });
    assert_eq!((&done["epoch"], &done["address"]), (&json!(2), &json!(account.address)));
}

#[test]
fn a_node_without_the_section_joins_in_nothing() {
    let Some(world) = World::start() else { return };
    let account = world.funded();
    let thief = elsewhere(&world, "thief");
    let (_, message) = recover(&world, &thief, &account).run().failed(1);
    assert!(message.contains("joins in no resharing"), "{message}");
    // The phone alone gets no further than that: past the node's limits there is no way.
    let (_, message) = world.device(["account", "refresh", &account.id, "--yes"]).run().failed(1);
    assert!(message.contains("joins in no resharing"), "{message}");
    assert_eq!(asked(&world, &account), json!([]));
    world.assert_spendable(&account);
}

#[test]
fn the_sheet_tells_what_a_stolen_file_is_worth() {
    let Some(world) = World::start_joining(0) else { return };
    let account = world.create(&[]);
    let shown = world.device(["custody", "show", &account.id]).run().done();
    let ways = shown["evaluation"]["powers"]["move[cosigner:resharing]"].as_array().unwrap();
    let file = ways.iter().find(|way| way["coalition"] == json!(["recovery-file", "recovery-passphrase"]));
    assert_eq!(file.unwrap_or_else(|| panic!("{ways:?}"))["seconds"], 0);
    // Longer waits are the user's to have at once; shorter ones take the user's word.
    let rules = std::fs::read_to_string(world.path("cosigner/rules.toml")).unwrap();
    let propose = |delay: u64| {
        let text = rules.replace("delay_seconds = 0", &format!("delay_seconds = {delay}"));
        world.write("asked.toml", &text);
        let file = world.path("asked.toml").display().to_string();
        let words = ["custody", "change", "propose", &account.id, "--party", "cosigner"];
        world.device(words).arg("--rules").arg(file).run()
    };
    assert_eq!(propose(3600).done()["status"], "in-force");
    let ran = propose(60);
    let said = ran.stdout.clone();
    assert_eq!(ran.status.code(), Some(3), "{said}");
    assert!(said.contains("after 60 seconds from now on, after 3600 seconds before"), "{said}");
}
