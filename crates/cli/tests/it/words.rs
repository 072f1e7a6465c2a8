//! Help, completions, and what the program says where nothing is set up.

use crate::process::Cli;

/// The subcommands that a help text lists.
fn subcommands(help: &str) -> Vec<String> {
    let listed = help.split_once("\nCommands:\n").map_or("", |(_, rest)| rest);
    let listed = listed.split("\n\n").next().unwrap_or_default();
    let names = listed.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next()).map(str::to_owned);
    names.filter(|name| name != "help").collect()
}

fn walk(words: Vec<String>, leaves: &mut Vec<String>) {
    let ran = Cli::new(&words).arg("--help").run();
    ran.assert(ran.status.success() && ran.stderr.is_empty(), "help works");
    let below = subcommands(&ran.stdout);
    if below.is_empty() {
        let name = words.join(" ");
        ran.assert(ran.stdout.contains("Example"), &format!("`{name}` shows an example"));
        ran.assert(ran.stdout.contains(&format!("cohold {name}")), "the example is of this command");
        ran.assert(!ran.stdout.contains("[env: COHOLD_PIN"), "secrets are no options");
        leaves.push(name);
    }
    for name in below {
        walk(words.iter().cloned().chain([name]).collect(), leaves);
    }
}

#[test]
fn every_command_has_help_with_an_example() {
    let mut leaves = Vec::new();
    walk(Vec::new(), &mut leaves);
    for name in ["dev", "demo", "account create", "send", "custody evaluate", "recovery check", "node import"]
    {
        assert!(leaves.iter().any(|leaf| leaf == name), "{leaves:?}");
    }
    assert!(!leaves.iter().any(|leaf| leaf == "child"), "what is hidden stays hidden");
    let node = Cli::new(["node", "--help"]).run();
    node.assert(node.stdout.contains("cohold node --config"), "a node is served by itself too");
}

#[test]
fn shells_are_completed() {
    for shell in ["bash", "zsh", "fish"] {
        let ran = Cli::new(["completions", shell]).run();
        ran.assert(ran.status.success() && ran.stdout.contains("recovery"), shell);
        ran.assert(ran.stderr.is_empty(), "nothing else is said");
    }
}

#[test]
fn usage_errors_are_json_where_asked_for() {
    let check = |words: &[&str], says: &str| {
        let (code, message) = Cli::new(words).arg("--json").run().failed(2);
        assert!(code == "usage" && message.contains(says), "{code}: {message}");
        let ran = Cli::new(words).run();
        assert_eq!((ran.status.code(), ran.stdout.as_str()), (Some(2), ""));
    };
    check(&["frobnicate"], "frobnicate");
    check(&["account", "frobnicate"], "frobnicate");
    check(&["send"], "--to");
    check(&["address", "acc_12"], "is not an id of the form `acc_`");
    check(&["account", "create", "--template", "generous"], "generous");
    check(&["account", "create", "--template", "shared", "--threshold", "2"], "--threshold");
    check(
        &["send", "acc_00000000000000000000000000000000", "--to", "x", "--amount", "1", "--rpc", "x"],
        "--recovery",
    );
}

#[test]
fn an_empty_machine_is_told_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let bare = |words: &[&str]| {
        // No tools in the folder, on the path or in the environment.
        Cli::new(words).arg("--json").folder(folder.path()).env("PATH", "").env("HOME", folder.path())
    };
    let value = bare(&["doctor"]).run().done();
    let finding = |what: &str| {
        let findings = value["findings"].as_array().unwrap();
        findings.iter().find(|f| f["what"] == what).unwrap_or_else(|| panic!("{value}")).clone()
    };
    assert_eq!(value["ok"], true, "nothing is needed that cannot be made: {value}");
    assert!(finding("local chain")["detail"].as_str().unwrap().contains("cargo xtask install"), "{value}");
    for (what, help) in [("device", "cohold dev"), ("server", "cohold dev")] {
        let found = finding(what);
        assert!(found["ok"] == false && found["detail"].as_str().unwrap().contains(help), "{found}");
    }
    assert_eq!(bare(&["account", "list"]).run().done(), serde_json::json!([]));
    for words in [&["demo"][..], &["dev", "--chain"]] {
        let (_, message) = bare(words).run().failed(1);
        assert!(message.contains("cargo xtask install"), "{message}");
    }

    // A folder that others can read is a fault, and the only value that is printed says so.
    use std::os::unix::fs::PermissionsExt as _;
    let home = folder.path().join(".cohold");
    std::fs::create_dir(&home).unwrap();
    std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o755)).unwrap();
    let ran = bare(&["doctor"]).run();
    assert_eq!((ran.status.code(), ran.json()["ok"].as_bool()), (Some(1), Some(false)));
    assert!(ran.stdout.contains("chmod 700"), "{}", ran.stdout);
}
