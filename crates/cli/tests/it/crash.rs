//! kill -9 of every process at every point where it makes something durable: afterwards the work is
//! taken up or cleanly abandoned, one request pays once, and no half account is listed.

use serde_json::Value;

use crate::chain::new_address;
use crate::process::until;
use crate::world::{Account, World, new_request};

/// Every account that one side lists, the other lists too; each pays, and its recovery file opens.
fn assert_whole(world: &World, point: &str) {
    let (device, server) = world.listed();
    assert_eq!(device, server, "{point}");
    for id in device {
        let shown = world.device(["account", "show", &id]).run().done();
        let address = shown["address"].as_str().unwrap().to_owned();
        let file = world.path(&format!("device/recovery/{id}-recovery.txt"));
        let recovery = file.display().to_string();
        world.device(["recovery", "check", &recovery]).run().done();
        world.assert_spendable(&Account { id, address, recovery: vec![file] });
    }
}

#[test]
fn the_server_crashes_while_an_account_is_made() {
    let Some(mut world) = World::start() else { return };
    let points = [
        "server.account-insert.before",
        "server.account-insert.after",
        "server.account-stored",
        "server.account-activate.before",
        "server.account-activate.after",
        "server.charter-stored",
    ];
    for point in points {
        world.server_restart(Some(point));
        let create = world.begin_create();
        world.server_crashed(point);
        world.server_start(None);
        // The command carries on by itself once the server is back.
        let account = Account::of(&create.end().done());
        assert!(world.listed().0.contains(&account.id), "{point}");
    }
    assert_whole(&world, "all");
    assert_eq!(world.listed().0.len(), points.len());
}

#[test]
fn the_server_crashes_while_an_account_is_given_up() {
    let Some(mut world) = World::start() else { return };
    let rules = std::fs::read_to_string(world.path("cosigner/rules.toml")).unwrap();
    world.write("cosigner/rules.toml", &rules.replace("\"any\"\n\n", "[]\n\n"));
    world.node_restart("cosigner", None);
    for point in ["server.account-fail.before", "server.account-fail.after", "server.account-failed"] {
        world.server_restart(Some(point));
        let create = world.begin_create();
        world.server_crashed(point);
        // Whether the failure was kept or not, the account never comes to be.
        world.server_start(None);
        let ran = create.end();
        ran.assert(!ran.status.success(), point);
        let (code, message) = ran.failed(1);
        assert_eq!(code, "account-failed", "{message}");
        assert_eq!(world.listed(), (Vec::new(), Vec::new()), "{point}");
    }
    world.write("cosigner/rules.toml", &rules);
    world.node_restart("cosigner", None);
    world.server_restart(None);
    world.create(&[]);
    assert_whole(&world, "afterwards");
}

#[test]
fn the_server_crashes_while_it_pays() {
    let Some(mut world) = World::start() else { return };
    let account = world.funded();
    let points = [
        "server.request-insert.before",
        "server.request-insert.after",
        "server.request-stored",
        "server.request-approve.before",
        "server.request-approve.after",
        "server.approved",
        "server.request-signed.before",
        "server.request-signed.after",
        "server.signed",
        "server.broadcast",
        "server.request-submitted.before",
        "server.request-submitted.after",
        "server.submitted",
        "server.request-mined.before",
        "server.request-mined.after",
        "server.mined",
    ];
    for point in points {
        let (to, request, nonce) = (new_address(), new_request(), world.chain.nonce(&account.address));
        world.server_restart(Some(point));
        let pay = world.pay(&account, &to, &request).begin();
        world.server_crashed(point);
        world.server_start(None);
        let paid = pay.end().done();
        world.assert_paid_once(&account, &to, nonce, &paid);
        assert_same(&world, &account, &to, &request, &paid);
        world.assert_paid_once(&account, &to, nonce, &paid);
    }
}

/// The first session is counted with the approval; only after a stop another one is.
#[test]
fn the_server_crashes_while_it_counts_another_session() {
    let Some(mut world) = World::start() else { return };
    let account = world.funded();
    for point in ["server.request-attempt.before", "server.request-attempt.after", "server.attempt"] {
        let (to, request, nonce) = (new_address(), new_request(), world.chain.nonce(&account.address));
        world.server_restart(Some("server.approved"));
        let pay = world.pay(&account, &to, &request).begin();
        world.server_crashed("server.approved");
        world.server_start(Some(point));
        world.server_crashed(point);
        world.server_start(None);
        let paid = pay.end().done();
        world.assert_paid_once(&account, &to, nonce, &paid);
        assert_same(&world, &account, &to, &request, &paid);
    }
}

/// The same request again is the same payment.
fn assert_same(world: &World, account: &Account, to: &str, request: &str, paid: &Value) {
    let again = world.pay(account, to, request).run().done();
    for name in ["request", "transaction_hash", "block"] {
        assert_eq!(again[name], paid[name]);
    }
}

#[test]
fn the_server_crashes_while_it_settles_ends_and_greets() {
    let Some(mut world) = World::start() else { return };
    let account = world.funded();
    for point in ["server.request-settle.before", "server.request-settle.after", "server.settled"] {
        let (to, request, nonce) = (new_address(), new_request(), world.chain.nonce(&account.address));
        world.server_restart(Some(point));
        let paid = world.pay(&account, &to, &request).run().done();
        world.chain.mine();
        world.server_crashed(point);
        world.server_restart(None);
        let settled = world.pay(&account, &to, &request).arg("--wait").arg("final").run().done();
        assert_eq!((&settled["status"], &settled["block"]), (&"final".into(), &paid["block"]), "{point}");
        world.assert_paid_once(&account, &to, nonce, &paid);
        let (_, receipts) = world.api("GET", "/v1/receipts?limit=200", None).unwrap();
        let of_this =
            |receipt: &&Value| receipt["request"] == request.as_str() && receipt["status"] == "final";
        assert_eq!(receipts["items"].as_array().unwrap().iter().filter(of_this).count(), 1, "{point}");
    }

    // More than the co-signer's rules let through: refused, whenever the server notes it.
    for point in ["server.request-end.before", "server.request-end.after", "server.request-ended"] {
        let (to, request, nonce) = (new_address(), new_request(), world.chain.nonce(&account.address));
        world.server_restart(Some(point));
        let words = ["send", &account.id, "--to", &to, "--amount", "6", "--yes", "--request", &request];
        let send = world.device(words).begin();
        world.server_crashed(point);
        world.server_start(None);
        let (code, message) = send.end().failed(1);
        assert!(code == "refused" && message.contains("cosigner"), "{point}: {code}, {message}");
        assert_eq!((world.chain.balance(&to), world.chain.nonce(&account.address)), (0, nonce));
    }

    for point in ["server.party-put.before", "server.party-put.after"] {
        world.server_start(Some(point));
        world.server_crashed(point);
    }
    world.server_restart(None);
    let config = world.path("server/server.toml").display().to_string();
    for point in ["server.token-insert.before", "server.token-insert.after"] {
        let make = ["server", "--create-token", "--config", &config];
        let ran = world.device(make).env("COHOLD_CRASH_AT", point).run().crashed(point);
        assert_eq!(ran.stdout, "", "a token that may not count is not shown");
    }
    world.assert_spendable(&account);
}

#[test]
fn the_cosigner_crashes() {
    let Some(mut world) = World::start() else { return };
    let points = ["party.keep.before", "party.keep.after", "party.activate.before", "party.activate.after"];
    for point in points {
        world.node_restart("cosigner", Some(point));
        let create = world.begin_create();
        world.node_crashed("cosigner", point);
        world.node_start("cosigner", None);
        let ran = create.end();
        if point == "party.keep.before" {
            // Nothing was kept, so nothing can be taken up: said at once, not after the last patience.
            let (code, message) = ran.failed(1);
            assert_eq!(code, "account-failed", "{message}");
            assert!(message.contains("`cosigner`"), "{message}");
        } else {
            // The co-signer may be the last to hear that all have signed, and must not hear it later.
            world.wait_for_statements(&Account::of(&ran.done()));
        }
    }
    assert_whole(&world, "all");
    assert_eq!(world.listed().0.len(), points.len() - 1);

    let account = world.funded();
    for point in ["party.reserve.before", "party.reserve.after"] {
        let (to, request, nonce) = (new_address(), new_request(), world.chain.nonce(&account.address));
        world.node_restart("cosigner", Some(point));
        let pay = world.pay(&account, &to, &request).begin();
        world.node_crashed("cosigner", point);
        world.node_start("cosigner", None);
        let paid = pay.end().done();
        world.assert_paid_once(&account, &to, nonce, &paid);
        assert_same(&world, &account, &to, &request, &paid);
    }
}

#[test]
fn the_device_crashes_while_an_account_is_made() {
    let Some(world) = World::start() else { return };
    let points = [
        "party.keep.before",
        "party.keep.after",
        "recovery.keep.before",
        "recovery.keep.after",
        "party.activate.before",
        "party.activate.after",
        "recovery.activate.before",
        "recovery.activate.after",
    ];
    for point in points {
        let create = world.device(["account", "create"]).env("COHOLD_CRASH_AT", point);
        create.run().crashed(point);
        let (device, server) = world.listed();
        assert_eq!(device, server, "{point}");
    }
    // A folder of the user's own is remembered: the file gets its final name there.
    let drawer = world.path("drawer");
    let create = world.device(["account", "create", "--recovery-dir", drawer.to_str().unwrap()]);
    create.env("COHOLD_CRASH_AT", "recovery.activate.before").run().crashed("recovery.activate.before");
    let (device, _) = world.listed();
    let named = device.iter().filter(|id| drawer.join(format!("{id}-recovery.txt")).exists()).count();
    assert_eq!(named, 1, "{device:?}");
    let id = device.iter().find(|id| drawer.join(format!("{id}-recovery.txt")).exists()).unwrap();
    let usual = world.path(&format!("device/recovery/{id}-recovery.txt"));
    std::fs::rename(drawer.join(usual.file_name().unwrap()), usual).unwrap();

    world.create(&[]);
    assert_whole(&world, "all");
    // What never came into force is listed where it is asked for, and marked.
    let all = world.device(["account", "list", "--all"]).run().done();
    let (in_force, rest): (Vec<&Value>, Vec<&Value>) =
        all.as_array().unwrap().iter().partition(|row| row["in_force"] == true);
    assert_eq!(in_force.len(), world.listed().0.len());
    assert!(!rest.is_empty() && rest.iter().all(|row| row["in_force"] == false), "{all}");
    // In four of the cases all parties had signed, and the account was taken up.
    assert!(world.listed().0.len() > 4, "{:?}", world.listed());
}

#[test]
fn the_device_crashes_while_it_pays() {
    let Some(world) = World::start() else { return };
    let account = world.funded();
    let points =
        ["party.approve.before", "party.approve.after", "party.reserve.before", "party.reserve.after"];
    for point in points {
        let (to, request, nonce) = (new_address(), new_request(), world.chain.nonce(&account.address));
        world.pay(&account, &to, &request).env("COHOLD_CRASH_AT", point).run().crashed(point);
        assert_eq!((world.chain.balance(&to), world.chain.nonce(&account.address)), (0, nonce), "{point}");
        let paid = world.pay(&account, &to, &request).run().done();
        world.assert_paid_once(&account, &to, nonce, &paid);
        assert_same(&world, &account, &to, &request, &paid);
    }
    killed_at_any_time(&world, &account);
}

/// Wherever the command is when it is killed, the request is paid once in the end.
fn killed_at_any_time(world: &World, account: &Account) {
    for milliseconds in [0, 150, 300, 450, 600, 750] {
        let (to, request, nonce) = (new_address(), new_request(), world.chain.nonce(&account.address));
        let pay = world.pay(account, &to, &request).begin();
        std::thread::sleep(std::time::Duration::from_millis(milliseconds));
        pay.kill();
        let paid = world.pay(account, &to, &request).run().done();
        until("it is mined", || world.chain.is_mined(paid["transaction_hash"].as_str()?).then_some(()));
        world.assert_paid_once(account, &to, nonce, &paid);
    }
}
