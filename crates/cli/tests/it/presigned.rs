//! Two nodes that sign by what they made ahead, across processes; and without, where one of them lost it.

use std::time::Duration;

use serde_json::Value;

use crate::chain::new_address;
use crate::process::until_within;
use crate::world::{Account, NODES, World, new_request};

/// A setup of the second engine is half a minute of one core, where nothing else runs.
const PATIENCE: Duration = Duration::from_secs(600);

const PAUSE: Duration = Duration::from_secs(3);

/// Pays with the two nodes' shares; the device approves.
fn pay(world: &World, account: &Account) {
    let (to, nonce) = (new_address(), world.chain.nonce(&account.address));
    let paid = world
        .pay(account, &to, &new_request())
        .arg("--with")
        .arg("cosigner")
        .arg("--with")
        .arg("guardian")
        .run()
        .done();
    world.assert_paid_once(account, &to, nonce, &paid);
}

/// Up to which number a node counted presignatures as used.
fn counted(world: &World, node: &str) -> u64 {
    let database = rusqlite::Connection::open(world.path(&format!("{node}/node.sqlite"))).unwrap();
    let sql = "SELECT coalesce(max(counted), 0) FROM presignatures";
    database.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap().try_into().unwrap()
}

/// Pays until a presignature was used: by both nodes, and no other one than before.
fn pay_by_presignature(world: &World, account: &Account) -> u64 {
    let before = NODES.map(|node| counted(world, node)).into_iter().max().unwrap();
    until_within(PATIENCE, "a payment is signed by a presignature", || {
        // Presigning gives way to payments: it is given room between them.
        std::thread::sleep(PAUSE);
        pay(world, account);
        let after = NODES.map(|node| counted(world, node));
        (after[0] == after[1] && after[0] > before).then_some(after[0])
    })
}

#[test]
fn nodes_pay_by_presignatures_and_without() {
    let Some(mut world) = World::start_with_engines(0) else { return };
    for node in NODES {
        let settings = format!("{node}/node.toml");
        let text = std::fs::read_to_string(world.path(&settings)).unwrap();
        world.write(&settings, &format!("{text}presignatures = 2\n"));
        world.node_restart(node, None);
    }
    let account = world.create(&["--template", "enterprise"]);
    world.fund(&account);
    pay(&world, &account);
    assert_eq!(NODES.map(|node| counted(&world, node)), [0, 0], "the first engine has none");
    let set = world.device(["account", "engine", "set", &account.id, "cggmp24", "--yes"]);
    let done: Value = set.begin().end_within(PATIENCE).done();
    assert_eq!(done["engine"], "cggmp24", "{done}");
    let first = pay_by_presignature(&world, &account);
    assert!(pay_by_presignature(&world, &account) > first);

    // A node that starts again has none; what the server still counts on is signed without, at once.
    world.node_restart("guardian", None);
    pay(&world, &account);
    let before = counted(&world, "guardian");
    assert!(pay_by_presignature(&world, &account) > before);

    // A server that starts again is told by the nodes what they have.
    world.server_restart(None);
    pay_by_presignature(&world, &account);

    // Under the first engine again there are none, and nothing is asked for.
    let set = world.device(["account", "engine", "set", &account.id, "dkls23", "--yes"]);
    set.begin().end_within(PATIENCE).done();
    let last = NODES.map(|node| counted(&world, node));
    pay(&world, &account);
    assert_eq!(NODES.map(|node| counted(&world, node)), last);
}
