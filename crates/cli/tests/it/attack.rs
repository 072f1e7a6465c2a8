//! `cohold custody attack`: the model's counter-examples, run with what the places really hold.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::chain::{Chain, anvil};
use crate::process::{Cli, Ran};
use crate::world::{Account, PIN, World};

fn attack(world: &World, account: &Account, words: &[&str]) -> Ran {
    let dev = world.path("");
    let words = ["custody", "attack", &account.id].into_iter().chain(words.iter().copied());
    world.device(words).arg("--dev").arg(dev).run()
}

fn one(value: &Value) -> &Value {
    assert_eq!(value["attacks"].as_array().unwrap().len(), 1, "{value}");
    &value["attacks"][0]
}

fn hashes(attack: &Value) -> Vec<String> {
    let list = attack["transactions"].as_array().unwrap().iter();
    list.map(|taken| taken["hash"].as_str().unwrap().to_owned()).collect()
}

fn assert_mined(chain: &Chain, attack: &Value) {
    for hash in hashes(attack) {
        assert!(chain.is_mined(&hash), "{attack}");
    }
}

#[test]
fn a_coalition_takes_what_the_model_says_and_nothing_else() {
    let Some(world) = World::start() else { return };
    let account = world.funded();
    world.wait_for_statements(&account);
    world.assert_spendable(&account);

    let value = attack(&world, &account, &["--coalition", "device,pin,cosigner-disk"]).done();
    let moved = one(&value);
    assert_eq!(moved["outcome"], "moved", "{moved}");
    assert_mined(&world.chain, moved);
    assert_eq!(hashes(moved).len(), 1);
    let opened: Vec<_> =
        moved["opened"].as_array().unwrap().iter().map(|o| o["party"].as_str().unwrap()).collect();
    assert_eq!(opened, ["device", "cosigner"]);
    // What is left would not pay for another transfer's fee bound.
    assert!(world.chain.balance(&account.address) < crate::chain::CENT, "{moved}");

    let value = attack(&world, &account, &["--coalition", "me", "--coalition", "server"]).done();
    assert_eq!(one(&value)["outcome"], "moved", "an entity stands for all it has: {value}");

    let value = attack(&world, &account, &["--coalition", "device,pin"]).done();
    let within = one(&value);
    assert_eq!(within["outcome"], "moved-within", "{within}");
    assert_mined(&world.chain, within);
    let refusals: Vec<_> = within["tried"].as_array().unwrap().iter().collect();
    let over: Vec<_> = refusals.iter().filter(|tried| tried["strategy"] == "over-limit").collect();
    assert!(over[0]["outcome"].as_str().unwrap().contains("limit of 5 ETH"), "{within}");
    assert_eq!(over.len(), 2, "{within}");

    // The set-up is as it was: nothing of the attacks reached device, nodes or server.
    world.assert_spendable(&account);
}

fn tried<'a>(attack: &'a Value, strategy: &str) -> &'a Value {
    let mut tried = attack["tried"].as_array().unwrap().iter();
    tried.find(|tried| tried["strategy"] == strategy).unwrap_or_else(|| panic!("{attack}"))
}

const FILE: &str = "recovery-file,recovery-passphrase";

/// The thief speaks for the user, and a real node gives it new shares: everything is gone, on a copy.
#[test]
fn a_node_that_joins_at_once_gives_a_thief_everything() {
    let Some(world) = World::start_joining(0) else { return };
    let account = world.funded();
    world.wait_for_statements(&account);
    for coalition in [FILE, "device,pin"] {
        let value = attack(&world, &account, &["--coalition", coalition]).done();
        let moved = one(&value);
        assert_eq!(moved["outcome"], "moved", "{moved}");
        assert_mined(&world.chain, moved);
        let last = moved["transactions"].as_array().unwrap().last().unwrap();
        assert_eq!(last["power"], "move[cosigner:resharing]", "{moved}");
        assert!(world.chain.balance(&account.address) < crate::chain::CENT, "{moved}");
    }
    // Nothing of it reached the set-up that runs.
    assert_eq!(world.device(["account", "show", &account.id]).run().done()["epoch"], 1);
    world.fund(&account);
    world.assert_spendable(&account);

    // In the next epoch the places have other names, and what was deleted is an assumption.
    world.device(["account", "refresh", &account.id, "--yes"]).run().done();
    world.wait_for_statements(&account);
    for (coalition, outcome) in [
        ("recovery-2-file,recovery-2-passphrase,cosigner", "moved"),
        ("kept-cosigner,cosigner,kept-device,device,pin", "assumption"),
    ] {
        let value = attack(&world, &account, &["--coalition", coalition]).done();
        assert_eq!(one(&value)["outcome"], outcome, "{value}");
    }
}

/// With a wait the user objects, whose device or whose recovery file was not stolen; where neither can, the
/// thief waits it out.
#[test]
fn a_thief_waits_and_the_user_objects() {
    let Some(world) = World::start_joining(3600) else { return };
    let account = world.funded();
    world.wait_for_statements(&account);
    world.assert_spendable(&account);
    for (coalition, by) in [(FILE, "`device` objected"), ("device,pin", "`recovery` objected")] {
        let value = attack(&world, &account, &["--coalition", coalition]).done();
        let said = tried(one(&value), "resharing");
        assert!(said["stopped"] == true && said["outcome"].as_str().unwrap().contains(by), "{value}");
    }
    let both = format!("{FILE},device");
    let value = attack(&world, &account, &["--coalition", &both]).done();
    assert_eq!(one(&value)["outcome"], "not-waited", "{value}");
    assert!(one(&value)["why"].as_str().unwrap().contains("3600 seconds"), "{value}");

    let rules = std::fs::read_to_string(world.path("cosigner/rules.toml")).unwrap();
    world.write("asked.toml", &rules.replace("delay_seconds = 3600", "delay_seconds = 3"));
    let file = world.path("asked.toml").display().to_string();
    let words = ["custody", "change", "propose", &account.id, "--party", "cosigner", "--rules", &file];
    let proposed = world.device(words).run();
    assert_eq!(proposed.status.code(), Some(3), "{}", proposed.stdout);
    let list = world.device(["custody", "change", "list", &account.id]).run().done();
    let mut nodes = list["parties"].as_array().unwrap().iter();
    let waiting = &nodes.find(|node| node["party"] == "cosigner").unwrap()["waiting"];
    let change = waiting["change"].as_str().unwrap().to_owned();
    world.device(["custody", "change", "accept", &account.id, &change, "--yes"]).run().done();
    let value = attack(&world, &account, &["--coalition", &both]).done();
    assert_eq!(one(&value)["outcome"], "moved", "{value}");
    assert_mined(&world.chain, one(&value));
}

/// A node whose rules say nothing of resharings is asked, and gives nothing.
#[test]
fn a_node_that_joins_in_nothing_is_asked_in_vain() {
    let Some(world) = World::start() else { return };
    let account = world.funded();
    world.wait_for_statements(&account);
    world.assert_spendable(&account);
    let value = attack(&world, &account, &["--coalition", FILE]).done();
    let said = tried(one(&value), "resharing");
    assert!(said["outcome"].as_str().unwrap().contains("joins in no resharing"), "{value}");
    assert_eq!(one(&value)["outcome"], "not-offered", "{value}");
    world.assert_spendable(&account);
}

/// A report that could only agree with the model would be worth nothing.
#[test]
fn what_contradicts_the_model_is_told() {
    let Some(world) = World::start() else { return };
    let account = world.funded();
    world.wait_for_statements(&account);
    world.assert_spendable(&account);
    let places = world.path("places.toml").display().to_string();

    // The PIN that is carried off is not the device's: what the model says does not happen.
    world.write("wrong-pin", "000-not-the-pin");
    let wrong = format!("[places]\npin = \"{}\"\n", world.path("wrong-pin").display());
    world.write("places.toml", &wrong);
    let ran = attack(&world, &account, &["--coalition", "device,pin,cosigner", "--places", &places]);
    assert_eq!(ran.status.code(), Some(1));
    let value = ran.json();
    assert_eq!(
        (one(&value)["outcome"].as_str(), value["ok"].as_bool()),
        (Some("contradiction"), Some(false))
    );

    // The server's folder holds a device and its PIN: the coalition has more than the model knows.
    let hoard = world.path("hoard");
    std::fs::create_dir_all(hoard.join("device")).unwrap();
    for entry in std::fs::read_dir(world.path("device")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, hoard.join("device").join(path.file_name().unwrap())).unwrap();
        }
    }
    std::fs::write(hoard.join("secret"), PIN).unwrap();
    world.write("places.toml", &format!("[places]\nserver = \"{}\"\n", hoard.display()));
    let nonce = world.chain.nonce(&account.address);
    let ran = attack(&world, &account, &["--coalition", "cosigner,server", "--places", &places]);
    assert_eq!(ran.status.code(), Some(1));
    let value = ran.json();
    assert_eq!(one(&value)["outcome"], "contradiction", "{value}");
    assert!(one(&value)["why"].as_str().unwrap().contains("too few shares made the whole key"), "{value}");
    assert_eq!(world.chain.nonce(&account.address), nonce, "what it found out it did not use");
}

#[test]
fn attacks_are_refused_anywhere_but_here() {
    let Some(world) = World::start() else { return };
    let account = world.funded();
    let refused = |words: &[&str]| attack(&world, &account, words).failed(2).0;
    let coalition = ["--coalition", "device"];
    let elsewhere = |rpc: &'static str| [coalition.as_slice(), &["--rpc", rpc]].concat();
    assert_eq!(refused(&elsewhere("https://example.org/v1")), "not-local");
    assert_eq!(refused(&elsewhere("http://10.0.0.1:8545")), "not-local");
    assert_eq!(refused(&["--coalition", "nobody"]), "coalition");
    assert_eq!(refused(&["--coalition", "device", "--all"]), "usage");
    world.write("places.toml", "[places]\ndevice = 7\n");
    let places = world.path("places.toml").display().to_string();
    assert_eq!(refused(&["--coalition", "device", "--places", &places]), "places");
    let nowhere = tempfile::tempdir().unwrap();
    let words = ["custody", "attack", &account.id, "--coalition", "device"];
    let ran = world.device(words).arg("--dev").arg(nowhere.path()).run();
    assert_eq!(ran.failed(2).0, "no-chain");
}

#[test]
fn every_coalition_of_every_template_does_what_its_model_says() {
    let Some(anvil) = anvil() else { return };
    let folder = tempfile::tempdir().unwrap();
    let demo = Cli::new(["demo", "--attack", "--json"]);
    let demo = demo.env("COHOLD_ANVIL", anvil).env("TMPDIR", folder.path()).begin();
    // A minute or two where nothing else runs.
    let ran = demo.end_within(std::time::Duration::from_secs(900));
    ran.assert(ran.status.success(), "every attack goes as the model says");
    ran.assert(ran.stderr.contains("tests, not proofs"), "what a failed attempt is worth is told");
    let value = ran.json();
    assert_eq!(value["ok"], true);
    let attacks = value["attacks"].as_array().unwrap();
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for attack in attacks {
        let key = (attack["template"].as_str().unwrap(), attack["outcome"].as_str().unwrap());
        *counts.entry(key).or_default() += 1;
        check(attack);
    }
    // By the models of the three templates; another count is another model, and needs another look.
    let expected = BTreeMap::from([
        (("personal", "moved"), 19),
        (("personal", "moved-within"), 3),
        (("personal", "not-offered"), 3),
        (("personal", "assumption"), 8),
        (("personal", "held"), 8),
        (("enterprise", "moved"), 16),
        (("enterprise", "moved-within"), 3),
        (("enterprise", "assumption"), 7),
        (("enterprise", "held"), 5),
        (("shared", "moved"), 6),
        (("shared", "moved-within"), 3),
        (("shared", "assumption"), 5),
        (("shared", "held"), 3),
    ]);
    assert_eq!(counts, expected);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
}

/// What an attack must show for its outcome.
fn check(attack: &Value) {
    let tried = attack["tried"].as_array().unwrap();
    let has = |strategy: &str| tried.iter().any(|tried| tried["strategy"] == strategy);
    match attack["outcome"].as_str().unwrap() {
        "moved" => assert_eq!(hashes(attack).len(), 1, "{attack}"),
        "moved-within" => {
            let powers = attack["powers"].as_array().unwrap().len();
            let is_over = |tried: &&Value| {
                tried["strategy"] == "over-limit" && tried["outcome"].as_str().unwrap().contains("limit")
            };
            let over = tried.iter().filter(is_over).count();
            let fees = attack["powers"].as_array().unwrap().iter().map(|power| power.as_str().unwrap());
            let fees = fees.filter(|power| power.ends_with("-fees]")).count();
            assert_eq!((hashes(attack).len(), over), (powers, powers - fees), "{attack}");
        }
        "held" => {
            assert!(hashes(attack).is_empty() && tried.iter().all(|t| t["stopped"] == true), "{attack}");
            for strategy in ["too-few-shares", "guesses", "open-secrets", "other-epochs", "no-approval"] {
                assert!(has(strategy), "{strategy}: {attack}");
            }
            for strategy in ["forged-approval", "old-approval", "old-papers", "replay", "loose-rules"] {
                assert!(has(strategy), "{strategy}: {attack}");
            }
            for strategy in ["ordered-resharing", "invented-consent", "forged-certificate"] {
                assert!(has(strategy), "{strategy}: {attack}");
            }
            assert!(has("forged-abandonment") && has("invented-veto"), "{attack}");
        }
        "assumption" | "not-offered" => assert!(attack["why"].is_string(), "{attack}"),
        other => panic!("{other}: {attack}"),
    }
}
