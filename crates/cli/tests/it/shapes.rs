//! Every shape of account is made, pays, and has the certificate that its shape promises.

use serde_json::Value;

use crate::world::{Account, World};

fn class_of(world: &World, account: &Account) -> String {
    let shown = world.device(["custody", "show", &account.id]).run().done();
    assert_eq!(shown["missing"], Value::Array(Vec::new()), "{}", shown["missing"]);
    shown["evaluation"]["class"].as_str().unwrap().to_owned()
}

#[test]
fn templates_have_their_class() {
    let Some(world) = World::start() else { return };
    let check = |words: &[&str], class: &str, files: usize| {
        let account = world.create(words);
        assert_eq!(account.recovery.len(), files, "{words:?}");
        world.assert_spendable(&account);
        assert_eq!(class_of(&world, &account), class, "{words:?}");
        let text = world.path("device").display().to_string();
        let sheet = crate::process::Cli::new(["custody", "show", &account.id, "--home", &text]).run();
        assert!(sheet.status.success() && sheet.stdout.contains(&class.to_uppercase()), "{}", sheet.stdout);
    };
    check(&["--template", "personal"], "mpc self-custody", 1);
    check(&["--template", "enterprise"], "mpc self-custody", 0);
    check(&["--template", "shared"], "hostage", 0);
    let free: Vec<&str> = ["me:device", "me:recovery", "me:recovery-2", "acme:cosigner", "acme:guardian"]
        .iter()
        .flat_map(|party| ["--party", *party])
        .collect();
    check(&[&["--threshold", "3"], free.as_slice()].concat(), "mpc self-custody", 2);
}

#[test]
fn six_parties_share_a_key() {
    let Some(world) = World::start() else { return };
    let mut words = vec!["--threshold", "4", "--party", "me:device", "--party", "acme:cosigner"];
    for party in ["me:recovery", "me:recovery-2", "me:recovery-3", "me:recovery-4"] {
        words.extend(["--party", party]);
    }
    let account = world.create(&words);
    assert_eq!(account.recovery.len(), 4);
    assert_eq!(class_of(&world, &account), "mpc self-custody");
    world.chain.set_balance(&account.address, 100 * crate::chain::CENT);
    // Two nodes are too few of four; three files make the rest.
    let to = crate::chain::new_address();
    let mut leave = vec!["send", &account.id, "--to", &to, "--amount", "0.01", "--yes"];
    let files: Vec<String> = account.recovery.iter().map(|file| file.display().to_string()).collect();
    leave.extend(["--rpc", &world.chain.url]);
    for file in files.iter().take(3) {
        leave.extend(["--recovery", file]);
    }
    let paid = world.device(leave).run().done();
    world.assert_paid_once(&account, &to, 0, &paid);
}
