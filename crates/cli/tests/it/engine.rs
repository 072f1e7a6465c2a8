//! One account under both engines, across processes: the same shares and the same address, with kill -9
//! wherever the switch becomes durable. The safe primes are a fixed set, as making them takes minutes.

use std::time::Duration;

use serde_json::{Value, json};

use crate::chain::{CENT, new_address};
use crate::process::{Cli, Ran, until};
use crate::world::{Account, World};

/// A setup of the second engine is half a minute of one core, where nothing else runs.
const PATIENCE: Duration = Duration::from_secs(600);

fn set(world: &World, account: &Account, engine: &str) -> Cli {
    let set = world.device(["account", "engine", "set", &account.id, engine, "--yes"]);
    account.recovery.iter().fold(set, |set, file| set.arg("--recovery").arg(file))
}

fn shown(world: &World, account: &Account) -> Value {
    world.device(["account", "show", &account.id]).run().done()
}

/// Epoch and engine of the data that a node keeps of an account: of one engine, once the switch is over.
fn kept(world: &World, node: &str, account: &Account) -> Vec<(u32, String)> {
    let database = rusqlite::Connection::open(world.path(&format!("{node}/node.sqlite"))).unwrap();
    let sql =
        "SELECT a.epoch, a.engine FROM auxiliaries a JOIN shares USING (account, epoch) WHERE account = ?1";
    let mut query = database.prepare(sql).unwrap();
    let rows = query.query_map([&account.id], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

/// A node comes to this epoch and engine, and the account pays.
fn assert_signs_by(world: &World, account: &Account, epoch: u32, engine: &str) {
    until(&format!("the co-signer is in epoch {epoch} under {engine}"), || {
        (kept(world, "cosigner", account) == [(epoch, engine.to_owned())]).then_some(())
    });
    let shown = shown(world, account);
    assert_eq!((&shown["engine"], &shown["epoch"]), (&json!(engine), &json!(epoch)), "{shown}");
    assert_eq!(shown["address"], json!(account.address));
    world.assert_spendable(account);
    assert_child_signs(world, account);
}

/// An address below the account's pays as well, the same one under either engine.
fn assert_child_signs(world: &World, account: &Account) {
    let child = world.device(["address", &account.id, "--path", "m/0/5"]).run().done();
    let child = child["address"].as_str().unwrap();
    world.chain.set_balance(child, 100 * CENT);
    let (to, nonce) = (new_address(), world.chain.nonce(child));
    let send = ["send", &account.id, "--from-path", "m/0/5", "--to", &to, "--amount", "0.01", "--yes"];
    let paid = world.device(send).run().done();
    assert!(world.chain.is_mined(paid["transaction_hash"].as_str().unwrap()), "{paid}");
    assert_eq!((world.chain.balance(&to), world.chain.nonce(child)), (CENT, nonce + 1), "{paid}");
}

#[test]
fn an_account_signs_by_either_engine_at_one_address() {
    let Some(world) = World::start_with_engines(0) else { return };
    let mut account = world.funded();
    assert_signs_by(&world, &account, 1, "dkls23");
    let shares = shown(&world, &account)["charter"]["document"]["key"].clone();

    // A recovery share signs the charter; its file stays as it is, and still leaves alone.
    let bare = Account { recovery: Vec::new(), ..account.clone() };
    let (code, message) = set(&world, &bare, "cggmp24").run().failed(2);
    assert!(code == "recovery-file-missing" && message.contains("`recovery`"), "{code}: {message}");
    let done = set(&world, &account, "cggmp24").begin().end_within(PATIENCE).done();
    let found = (&done["engine"], &done["epoch"], &done["version"], &done["address"]);
    assert_eq!(found, (&json!("cggmp24"), &json!(1), &json!(2), &json!(account.address)), "{done}");
    assert!(done["conditions"].to_string().contains("is an alpha"), "{done}");
    assert_eq!(shown(&world, &account)["charter"]["document"]["key"], shares, "no share moved");
    assert_signs_by(&world, &account, 1, "cggmp24");
    let again = set(&world, &account, "cggmp24").run().done();
    assert_eq!((&again["changed"], &again["version"]), (&json!(false), &json!(2)));
    let (to, rpc) = (new_address(), world.chain.url.clone());
    let leave = ["send", &account.id, "--to", &to, "--amount", "0.01", "--yes", "--rpc", &rpc];
    world.device(leave).arg("--recovery").arg(&account.recovery[0]).run().done();
    world.device(["recovery", "check"]).arg(&account.recovery[0]).run().done();

    // A refresh makes the data of the engine in force for the epoch to come.
    let refreshed = world.device(["account", "refresh", &account.id, "--yes"]);
    let refreshed = refreshed.begin().end_within(PATIENCE).done();
    assert_eq!(refreshed["epoch"], 2, "{refreshed}");
    account.recovery = vec![refreshed["recovery_files"][0].as_str().unwrap().into()];
    assert_signs_by(&world, &account, 2, "cggmp24");

    // And back; the certificate carries all four charters, and both checkers hold it for good.
    let done = set(&world, &account, "dkls23").run().done();
    assert_eq!((&done["epoch"], &done["version"]), (&json!(2), &json!(4)), "{done}");
    assert_signs_by(&world, &account, 2, "dkls23");
    let certificate = world.device(["custody", "certificate", &account.id]).run().done();
    let charters = certificate["document"]["charters"].as_array().cloned().unwrap_or_default();
    let engines: Vec<_> = charters.iter().map(|charter| charter["document"]["engine"].clone()).collect();
    assert_eq!(engines, [Value::Null, json!("cggmp24"), json!("cggmp24"), Value::Null]);
    world.write("certificate.json", &certificate.to_string());
    let (exit, said) = crate::checker::check(&world.path("certificate.json"), &[]);
    assert_eq!((exit, &said["evaluation"]["class"]), (0, &json!("mpc self-custody")), "{said}");
}

/// The old engine or the new one, never neither; the same command brings it to an end.
#[test]
fn a_switch_is_cut_off_anywhere() {
    let Some(mut world) = World::start_with_engines(0) else { return };
    let account = world.funded();
    // Where the co-signer ends: what it had not noted it takes up again, what it had noted it refuses.
    node_crashes(&mut world, &account, "party.reshare-begin.before", "cggmp24").done();
    assert_signs_by(&world, &account, 1, "cggmp24");
    let (code, message) = node_crashes(&mut world, &account, "party.reshare-keep.before", "dkls23").failed(1);
    assert_eq!(code, "resharing-failed", "{message}");
    assert_signs_by(&world, &account, 1, "cggmp24");
    device_crashes(&world, &account, "party.reshare-keep.before", "dkls23");
    assert_signs_by(&world, &account, 1, "cggmp24");
    node_crashes(&mut world, &account, "party.reshare-keep.after", "dkls23").done();
    assert_signs_by(&world, &account, 1, "dkls23");
    node_crashes(&mut world, &account, "party.reshare-commit.before", "cggmp24").done();
    assert_signs_by(&world, &account, 1, "cggmp24");
    // Once the device has signed, it says so again, and the switch may be over before it is asked for.
    device_crashes(&world, &account, "party.reshare-keep.after", "dkls23");
    set(&world, &account, "dkls23").run().done();
    assert_signs_by(&world, &account, 1, "dkls23");
}

fn node_crashes(world: &mut World, account: &Account, point: &str, engine: &str) -> Ran {
    world.node_restart("cosigner", Some(point));
    let setting = set(world, account, engine).begin();
    world.node_crashed("cosigner", point);
    world.node_start("cosigner", None);
    let ran = setting.end_within(PATIENCE);
    world.wait_for_nodes();
    ran
}

fn device_crashes(world: &World, account: &Account, point: &str, engine: &str) {
    set(world, account, engine).env("COHOLD_CRASH_AT", point).run().crashed(point);
}
