//! `cohold demo --json`: one object on standard output, the story on standard error.

use crate::chain::anvil;
use crate::process::Cli;

#[test]
fn the_story_holds() {
    let Some(anvil) = anvil() else { return };
    let folder = tempfile::tempdir().unwrap();
    let ran = Cli::new(["demo", "--json"]).env("COHOLD_ANVIL", anvil).env("TMPDIR", folder.path()).run();
    ran.assert(ran.status.success(), "the demo succeeds");
    for said in ["a chain, a server", "the provider vanishes", "it gets no signature"] {
        ran.assert(ran.stderr.contains(said), said);
    }
    // Exactly one value: anything more would not parse.
    let value = ran.json();
    assert_eq!(value["ok"], true);
    assert!(value["account"].as_str().unwrap().starts_with("acc_"));
    assert!(value["address"].as_str().unwrap().starts_with("0x"));
    let transactions = value["transactions"].as_array().unwrap();
    let kinds: Vec<_> = transactions.iter().map(|t| t["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["native", "erc20"]);
    for transaction in transactions.iter().chain([&value["exit_transaction"]]) {
        assert_eq!(transaction["status"], "mined", "{value}");
        assert_eq!(transaction["hash"].as_str().unwrap().len(), 66);
    }
    assert_eq!(value["certificate"]["class"], "mpc self-custody");
    assert_eq!(value["provider_alone"]["moved"], false);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the demo leaves nothing behind");
}
