//! An account from one epoch to the next, across processes: refreshed, recovered, given to other parties;
//! with a server that lies, and with kill -9 wherever something becomes durable.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::chain::{CENT, new_address};
use crate::liar::Liar;
use crate::process::{Cli, until};
use crate::world::{Account, World, new_request};

/// The recovery file that a command says it wrote.
fn recovery_of(done: &Value) -> PathBuf {
    done["recovery_files"][0].as_str().unwrap_or_else(|| panic!("{done}")).into()
}

fn refresh<'a>(world: &'a World, account: &'a Account) -> Cli {
    world.device(["account", "refresh", &account.id, "--yes"])
}

/// The sealed share of an epoch at a node, by its database.
fn sealed_share(world: &World, node: &str, account: &Account) -> Option<(u32, Vec<u8>)> {
    let database = rusqlite::Connection::open(world.path(&format!("{node}/node.sqlite"))).unwrap();
    let sql = "SELECT epoch, sealed FROM shares WHERE account = ?1";
    let mut query = database.prepare(sql).unwrap();
    let mut rows = query.query([&account.id]).unwrap();
    let row = rows.next().unwrap()?;
    let found = (row.get(0).unwrap(), row.get(1).unwrap());
    assert!(rows.next().unwrap().is_none(), "one share, of one epoch");
    Some(found)
}

/// Whether bytes are anywhere in a node's folder.
fn is_in_folder(folder: &Path, needle: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap_or_default();
        bytes.windows(needle.len()).any(|window| window == needle)
    })
}

#[test]
fn a_refreshed_account_pays_and_its_old_shares_are_gone() {
    let Some(world) = World::start_joining(0) else { return };
    let account = world.funded();
    world.assert_spendable(&account);
    let (_, old) = sealed_share(&world, "cosigner", &account).expect("the node holds a share");
    assert!(is_in_folder(&world.path("cosigner"), &old[..64]));

    let done = refresh(&world, &account).run().done();
    assert_eq!((&done["epoch"], &done["address"]), (&json!(2), &json!(account.address)));
    assert!(done["conditions"].to_string().contains("a new recovery share"), "{done}");
    for when in ["before", "after"] {
        assert_eq!(done["certificate"][when]["class"], "mpc self-custody", "{done}");
    }
    // Numbers go on over the epochs, and each certificate carries all charters.
    let certify = || world.device(["custody", "certificate", &account.id]).run().done();
    let certificate = certify();
    let charters = certificate["document"]["charters"].as_array().cloned().unwrap_or_default();
    assert_eq!(charters.len(), 2, "{certificate}");
    let (exit, said) = checked(&world, &certificate);
    assert_eq!((exit, &said["evaluation"]["class"]), (0, &json!("mpc self-custody")), "{said}");
    world.assert_spendable(&account);

    let (epoch, new) = sealed_share(&world, "cosigner", &account).expect("the node holds a share");
    assert!(epoch == 2 && new != old);
    until("the old share is nowhere in the node's folder", || {
        (!is_in_folder(&world.path("cosigner"), &old[..64])).then_some(())
    });
    let shown = world.device(["account", "show", &account.id]).run().done();
    assert_eq!((&shown["epoch"], &shown["past"][0]["epoch"]), (&json!(2), &json!(1)));

    // The new recovery file leaves without anybody; the one of the epoch before says what it is.
    let [before] = account.recovery.as_slice() else { panic!("{account:?}") };
    let after = recovery_of(&done);
    assert_ne!(*before, after);
    let leave = |file: &Path| {
        let to = new_address();
        let words =
            ["send", &account.id, "--to", &to, "--amount", "0.01", "--yes", "--rpc", &world.chain.url];
        world.device(words).arg("--recovery").arg(file).run()
    };
    let (code, message) = leave(before).failed(2);
    assert!(code == "wrong-recovery-file" && message.contains("epoch 1, which is past"), "{code}: {message}");
    leave(&after).done();
    let check = |file: &Path| world.device(["recovery", "check"]).arg(file).run().done();
    assert_eq!((&check(before)["past"], &check(&after)["past"]), (&json!(true), &json!(false)));

    // And again: the file of the second epoch deals where the co-signer shall not.
    let again = refresh(&world, &account).arg("--recovery").arg(&after).run().done();
    assert_eq!(again["epoch"], 3);
    world.assert_spendable(&account);
}

/// What the second checker says to a certificate.
fn checked(world: &World, certificate: &Value) -> (i32, Value) {
    // What the command printed is canonical, and so is a value that was read from it.
    world.write("certificate.json", &certificate.to_string());
    crate::checker::check(&world.path("certificate.json"), &[])
}

/// A folder of a device that knows the server and the nodes, and no account.
fn new_phone(world: &World, name: &str) -> PathBuf {
    for file in ["config.toml", "rules.toml", "pins.toml"] {
        let text = std::fs::read_to_string(world.path("device").join(file)).unwrap();
        world.write(&format!("{name}/{file}"), &text);
    }
    world.path(name)
}

#[test]
fn an_account_comes_back_on_a_new_device() {
    let Some(world) = World::start_joining(0) else { return };
    let account = world.funded();
    world.assert_spendable(&account);
    let [file] = account.recovery.as_slice() else { panic!("{account:?}") };
    let phone = new_phone(&world, "phone");
    let recover = |file: &Path| {
        let words = ["account", "recover", "--yes"];
        world.device_at(&phone, words).arg("--recovery").arg(file).env("COHOLD_PIN", "another-pin-63").run()
    };
    let done = recover(file).done();
    assert_eq!((&done["epoch"], &done["address"]), (&json!(2), &json!(account.address)));
    let sentences = done["conditions"].to_string();
    assert!(sentences.contains("is left out") && sentences.contains("a new device"), "{sentences}");

    // The new device pays; the old one is out, and is told so.
    let (to, nonce) = (new_address(), world.chain.nonce(&account.address));
    let words = ["send", &account.id, "--to", &to, "--amount", "0.01", "--yes"];
    let paid = world.device_at(&phone, words).env("COHOLD_PIN", "another-pin-63").run().done();
    world.assert_paid_once(&account, &to, nonce, &paid);
    let old_device = world.device(["send", &account.id, "--to", &to, "--amount", "0.01", "--yes"]).run();
    let (code, message) = old_device.failed(1);
    assert!(code == "left-out" && message.contains("since epoch 2"), "{code}: {message}");
    let (code, _) = world.device(["account", "show", &account.id]).run().failed(1);
    assert_eq!(code, "left-out");
    assert_eq!(world.chain.nonce(&account.address), nonce + 1);

    // The file of the epoch before opens nothing any more.
    let another = new_phone(&world, "another");
    let words = ["account", "recover", "--yes"];
    let again = world
        .device_at(&another, words)
        .arg("--recovery")
        .arg(file)
        .env("COHOLD_PIN", "another-pin-63")
        .run();
    let (code, message) = again.failed(1);
    assert!(code == "wrong-recovery-file" && message.contains("epoch 1, which is past"), "{code}: {message}");
    let after = recovery_of(&done);
    let words = ["send", &account.id, "--to", &to, "--amount", "0.01", "--yes", "--rpc", &world.chain.url];
    let left = world.device_at(&phone, words).env("COHOLD_PIN", "another-pin-63");
    left.arg("--recovery").arg(&after).run().done();
    assert_eq!(world.chain.balance(&to), 2 * CENT);
}

/// Of an account that came to this device with a past, as the recovery file and the server tell it: the device
/// takes no other past than the one that its own charter names.
#[test]
fn a_server_cannot_hide_the_past() {
    let Some(world) = World::start_joining(0) else { return };
    let account = world.create(&[]);
    refresh(&world, &account).run().done();
    let done = refresh(&world, &account).run().done();
    let phone = new_phone(&world, "phone");
    let words = ["account", "recover", "--yes"];
    let recover = world.device_at(&phone, words).arg("--recovery").arg(recovery_of(&done));
    assert_eq!(recover.env("COHOLD_PIN", "another-pin-63").run().done()["epoch"], 4);

    let liar = Liar::before(&world.url());
    let ask = |command: &str| {
        let cli =
            world.device_at(&phone, ["custody", command, &account.id]).env("COHOLD_PIN", "another-pin-63");
        cli.env("COHOLD_SERVER", &liar.url).run()
    };
    let honest = ask("show").done();
    let certificate = ask("certificate").done();
    assert_eq!(honest["model"]["atoms"], certificate["document"]["model"]["atoms"]);
    assert_eq!(certificate["document"]["charters"].as_array().unwrap().len(), 4);
    assert_eq!(checked(&world, &certificate).0, 0);

    type Twist = fn(&mut Vec<Value>);
    let twists: [(Twist, &str); 6] = [
        (|all| all.truncate(0), "epoch 4: give all of them"),
        (|all| drop(all.remove(0)), "epoch 2: give all of them"),
        (|all| drop(all.remove(1)), "its version is another"),
        (|all| all.swap(0, 1), "epoch 2: give all of them"),
        (|all| all[1] = all[0].clone(), "its version is another"),
        (|all| all[1]["document"]["terms"]["threshold"] = json!(3), "has not signed this charter"),
    ];
    for (twist, says) in twists {
        liar.twist("GET", ("/v1/accounts", "/charters"), move |all| twist(all.as_array_mut().unwrap()));
        let (code, message) = ask("show").failed(1);
        assert!(code == "charters" && message.contains(says), "{code}: {message}");
        liar.twist("POST", ("/v1/accounts", "/certificates"), move |it| {
            twist(it["document"]["charters"].as_array_mut().unwrap());
        });
        let (code, message) = ask("certificate").failed(1);
        assert!(
            code == "certificate-refused" && message.contains("charters do not hold"),
            "{code}: {message}"
        );
    }
}

#[test]
fn a_node_that_is_left_out_keeps_nothing() {
    let Some(world) = World::start_joining(0) else { return };
    let account = world.funded();
    world.assert_spendable(&account);
    let (_, old) = sealed_share(&world, "cosigner", &account).expect("the node holds a share");
    let words =
        ["account", "reshare", &account.id, "--yes", "--without", "cosigner", "--party", "acme:guardian"];
    let done = world.device(words).run().done();
    assert_eq!((&done["epoch"], &done["threshold"]), (&json!(2), &json!(2)));
    until("the co-signer lets go", || sealed_share(&world, "cosigner", &account).is_none().then_some(()));
    until("the old share is nowhere in the node's folder", || {
        (!is_in_folder(&world.path("cosigner"), &old[..64])).then_some(())
    });
    let (to, nonce) = (new_address(), world.chain.nonce(&account.address));
    let paid = world.pay(&account, &to, &new_request()).arg("--with").arg("device,guardian").run().done();
    world.assert_paid_once(&account, &to, nonce, &paid);
    // Back again, with another party besides, two of four.
    let words = ["account", "reshare", &account.id, "--yes", "--party", "acme:cosigner"];
    let done = world.device(words).run().done();
    assert_eq!((&done["epoch"], &done["parties"]), (&json!(3), &json!(4)));
    for with in ["device,cosigner", "device,guardian"] {
        let (to, nonce) = (new_address(), world.chain.nonce(&account.address));
        let paid = world.pay(&account, &to, &new_request()).arg("--with").arg(with).run().done();
        world.assert_paid_once(&account, &to, nonce, &paid);
    }
}

#[test]
fn what_makes_no_sense_changes_nothing() {
    let Some(mut world) = World::start_joining(0) else { return };
    let account = world.funded();
    let check = |world: &World, words: &[&str], exit: i32, code: &str, says: &str| {
        let reshare = ["account", "reshare", &account.id, "--yes"];
        let (found, message) = world.device(reshare.iter().chain(words).copied()).run().failed(exit);
        assert!(found == code && message.contains(says), "{words:?}: {found}: {message}");
    };
    check(&world, &[], 2, "usage", "say what changes");
    check(&world, &["--threshold", "1"], 2, "terms", "threshold 1 of 3");
    check(&world, &["--threshold", "4"], 2, "terms", "threshold 4 of 3");
    check(&world, &["--threshold", "0"], 2, "terms", "threshold 0 of 3");
    check(&world, &["--without", "cosigner", "--without", "recovery"], 2, "terms", "2 to 9 parties, not 1");
    check(&world, &["--without", "device"], 2, "usage", "this device stays");
    check(&world, &["--without", "nobody"], 2, "usage", "no party of the account");
    check(&world, &["--party", "acme:cosigner"], 2, "usage", "in the account already");
    check(&world, &["--party", "acme:guardian", "--party", "acme:guardian"], 2, "usage", "given twice");
    check(&world, &["--party", "guardian"], 2, "usage", "ENTITY:PARTY");
    check(&world, &["--party", "acme:nobody"], 1, "unknown-party", "nobody");
    check(&world, &["--cancel"], 1, "no-resharing", "no resharing");
    // Without a word from the user nothing is dealt.
    let (code, _) = world.device(["account", "refresh", &account.id]).run().failed(1);
    assert_eq!(code, "not-confirmed");
    // The co-signer is away: no quorum deals, or one that must hold is missing.
    world.node_stop("cosigner");
    let (code, message) = refresh(&world, &account).run().failed(3);
    assert!(code == "no-quorum" && message.contains("--recovery"), "{code}: {message}");
    let with_file = refresh(&world, &account).arg("--recovery").arg(&account.recovery[0]).run();
    let (code, message) = with_file.failed(1);
    assert!(code == "party-offline" && message.contains("cosigner"), "{code}: {message}");
    // It is left out then, by the user's own shares.
    let words = ["account", "reshare", &account.id, "--yes", "--without", "cosigner"];
    let done = world.device(words).arg("--recovery").arg(&account.recovery[0]).run().done();
    assert_eq!((&done["epoch"], &done["parties"]), (&json!(2), &json!(2)));
    world.node_start("cosigner", None);
    until("the co-signer is told when it is back", || {
        sealed_share(&world, "cosigner", &account).is_none().then_some(())
    });
}

/// Pays, and approves anew where the account came to its next epoch meanwhile, as the command says.
fn paid_at_last(world: &World, account: &Account, to: &str, request: &str) -> Value {
    until("it is paid", || {
        let ran = world.pay(account, to, request).run();
        if ran.status.code() != Some(3) {
            return Some(ran.done());
        }
        let (code, message) = ran.failed(3);
        assert_eq!(code, "next-epoch", "{message}");
        None
    })
}

/// An account is in one epoch: its device and its nodes say the same one, and sign in it.
fn assert_one_epoch(world: &mut World, account: &Account, point: &str) -> u64 {
    world.device(["account", "list"]).run().done();
    // Whatever was cut off is told to the nodes as they come back.
    world.wait_for_nodes();
    let shown = world.device(["account", "show", &account.id]).run().done();
    let epoch = shown["epoch"].as_u64().unwrap();
    until(&format!("the co-signer is in epoch {epoch} ({point})"), || {
        let (found, _) = sealed_share(world, "cosigner", account)?;
        (u64::from(found) == epoch).then_some(())
    });
    world.assert_spendable(account);
    epoch
}

#[test]
fn the_cosigner_crashes_while_shares_are_dealt() {
    let Some(mut world) = World::start_joining(0) else { return };
    let account = world.funded();
    let mut epoch = 1;
    let points = [
        // Nothing was noted, and the others still wait: it takes part after all.
        ("party.reshare-begin.before", true),
        ("party.reshare-begin.after", false),
        ("party.reshare-keep.before", false),
        ("party.reshare-keep.after", true),
        ("party.reshare-commit.before", true),
        ("party.reshare-commit.after", true),
    ];
    for (point, comes) in points {
        world.node_restart("cosigner", Some(point));
        let refresh = refresh(&world, &account).begin();
        world.node_crashed("cosigner", point);
        world.node_start("cosigner", None);
        let ran = refresh.end();
        if comes {
            ran.done();
            epoch += 1;
        } else {
            let (code, message) = ran.failed(1);
            assert_eq!(code, "resharing-failed", "{point}: {message}");
        }
        assert_eq!(assert_one_epoch(&mut world, &account, point), epoch, "{point}");
    }
    // After all that, it goes on as ever.
    assert_eq!(refresh(&world, &account).run().done()["epoch"], epoch + 1);
    world.assert_spendable(&account);
}

#[test]
fn the_device_crashes_while_shares_are_dealt() {
    let Some(mut world) = World::start_joining(0) else { return };
    let account = world.funded();
    let mut epoch = 1;
    let points = [
        "party.reshare-begin.before",
        "party.reshare-begin.after",
        "recovery.keep.before",
        "recovery.keep.after",
        "party.reshare-keep.before",
        "party.reshare-keep.after",
        "party.reshare-commit.before",
        "party.reshare-commit.after",
        "recovery.activate.before",
        "recovery.activate.after",
    ];
    for point in points {
        refresh(&world, &account).env("COHOLD_CRASH_AT", point).run().crashed(point);
        // The old epoch or the new one, and the same command brings it to an end.
        let (to, nonce) = (new_address(), world.chain.nonce(&account.address));
        let paid = paid_at_last(&world, &account, &to, &new_request());
        world.assert_paid_once(&account, &to, nonce, &paid);
        let done = refresh(&world, &account).run().done();
        let now = done["epoch"].as_u64().unwrap();
        assert!(now > epoch, "{point}: {done}");
        epoch = now;
        assert_eq!(assert_one_epoch(&mut world, &account, point), epoch, "{point}");
        let files: Vec<PathBuf> = std::fs::read_dir(world.path("device/recovery"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.display().to_string().ends_with(&format!("-epoch-{epoch}.txt")))
            .collect();
        let [file] = files.as_slice() else { panic!("{point}: {files:?}") };
        let checked = world.device(["recovery", "check"]).arg(file).run().done();
        assert_eq!((&checked["epoch"], &checked["past"]), (&json!(epoch), &json!(false)), "{point}");
    }
}

#[test]
fn the_server_crashes_while_shares_are_dealt() {
    let Some(mut world) = World::start_joining(0) else { return };
    let account = world.funded();
    let points = [
        "server.reshare-insert.before",
        "server.reshare-insert.after",
        "server.reshare-stored",
        "server.reshare-commit.before",
        "server.reshare-commit.after",
        "server.reshare-committed",
    ];
    for (before, point) in points.into_iter().enumerate() {
        world.server_restart(Some(point));
        let refresh = refresh(&world, &account).begin();
        world.server_crashed(point);
        world.server_start(None);
        // The command carries on by itself once the server is back.
        assert_eq!(refresh.end().done()["epoch"], before + 2, "{point}");
        assert_eq!(assert_one_epoch(&mut world, &account, point), before as u64 + 2, "{point}");
    }
    // The device is cut off and gives the resharing up when it is back, while the server crashes.
    let mut epoch = points.len() as u64 + 1;
    for point in ["server.reshare-fail.before", "server.reshare-fail.after", "server.reshare-failed"] {
        let cut = "party.reshare-keep.before";
        refresh(&world, &account).env("COHOLD_CRASH_AT", cut).run().crashed(cut);
        world.server_restart(Some(point));
        let refresh = refresh(&world, &account).begin();
        world.server_crashed(point);
        world.server_start(None);
        epoch += 1;
        assert_eq!(refresh.end().done()["epoch"], epoch, "{point}");
        assert_eq!(assert_one_epoch(&mut world, &account, point), epoch, "{point}");
    }
}

#[test]
fn a_payment_on_its_way_is_paid_once_whatever_epoch_it_meets() {
    let Some(mut world) = World::start_joining(0) else { return };
    let account = world.funded();
    for epoch in 2..=3 {
        let (to, request, nonce) = (new_address(), new_request(), world.chain.nonce(&account.address));
        world.node_restart("cosigner", Some("party.reserve.before"));
        let pay = world.pay(&account, &to, &request).begin();
        world.node_crashed("cosigner", "party.reserve.before");
        pay.kill();
        world.node_start("cosigner", None);
        world.wait_for_nodes();
        // It is approved, and not signed; the device is back for the resharing, and may sign it then.
        assert_eq!(refresh(&world, &account).run().done()["epoch"], epoch);
        let paid = paid_at_last(&world, &account, &to, &request);
        world.assert_paid_once(&account, &to, nonce, &paid);
        world.assert_spendable(&account);
    }
}
