//! `cohold custody fleet`: many accounts by class, and what changed since the last run.

use std::path::Path;

use serde_json::{Value, json};

use crate::process::Cli;
use crate::world::World;

/// A model whose `move` needs this.
fn model(account: &str, needs: &Value) -> String {
    let atoms = json!({
        "phone": {"entity": "ana", "kind": "party"}, "paper": {"entity": "ana", "kind": "party"},
        "cosigner": {"entity": "acme", "kind": "party"},
    });
    let rules =
        json!([{"power": "move", "needs": needs, "because": "so many shares sign", "evidence": "signed"}]);
    let entities = json!({"ana": {"role": "user"}, "acme": {"role": "provider"}});
    json!({"version": 1, "account": account, "entities": entities, "atoms": atoms, "rules": rules})
        .to_string()
}

fn two_of_three() -> Value {
    json!({"k": 2, "of": ["phone", "paper", "cosigner"]})
}

/// Runs a fleet with `--json`: the exit code, and the report.
fn fleet(words: &[&str], paths: &[&Path]) -> (Option<i32>, Value) {
    let mut cli = Cli::new(["custody", "fleet", "--json"]);
    for word in words {
        cli = match word.strip_prefix('$') {
            Some(index) => cli.arg(paths[index.parse::<usize>().unwrap()]),
            None => cli.arg(word),
        };
    }
    let ran = cli.run();
    (ran.status.code(), serde_json::from_str(&ran.stdout).unwrap())
}

#[test]
fn a_crossing_is_told_until_it_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let (models, state) = (folder.path().join("models"), folder.path().join("state.jsonl"));
    std::fs::create_dir(&models).unwrap();
    let put = |account: &str, needs: &Value| {
        std::fs::write(models.join(format!("{account}.json")), model(account, needs)).unwrap();
    };
    let run =
        |words: &[&str]| fleet(&[&["--models", "$0", "--state", "$1"], words].concat(), &[&models, &state]);
    for account in ["one", "two", "three"] {
        put(account, &two_of_three());
    }
    let (code, first) = run(&[]);
    assert_eq!((code, &first["since"], &first["models"]), (Some(0), &Value::Null, &json!(1)));
    assert_eq!(
        first["classes"],
        json!([{"class": "mpc self-custody", "accounts": 3, "examples": ["one", "three", "two"]}])
    );
    assert_eq!(first["state"], json!(state));

    // Order is aside.
    put("one", &json!({"k": 2, "of": ["cosigner", "paper", "phone"]}));
    let (code, same) = run(&[]);
    assert_eq!((code, &same["unchanged"], &same["changes"]), (Some(0), &json!(3), &json!([])));
    assert_eq!(same["since"], first["at"]);

    put("two", &json!({"any": ["phone", "cosigner"]}));
    put("three", &json!({"all": ["phone", "paper"]}));
    put("four", &two_of_three());
    std::fs::remove_file(models.join("one.json")).unwrap();
    for _ in 0..2 {
        let (code, crossed) = run(&[]);
        assert_eq!((code, &crossed["crossed"]), (Some(4), &json!(1)), "{crossed}");
        let change = &crossed["changes"][0];
        assert_eq!((&change["account"], &change["verdict"]), (&json!("two"), &json!("crosses the red line")));
        assert_eq!(change["class"], json!(["mpc self-custody", "custodial"]));
        assert!(change["sentences"][0].as_str().unwrap().contains("acme's cosigner"), "{change}");
    }
    let (code, accepted) = run(&["--accept"]);
    assert_eq!((code, &accepted["crossed"]), (Some(4), &json!(1)), "it is told when it is accepted, too");
    let (code, after) = run(&[]);
    assert_eq!((code, &after["unchanged"]), (Some(0), &json!(3)), "{after}");
}

#[test]
fn what_is_new_gone_and_safer_crosses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (lines, state) = (folder.path().join("fleet.jsonl"), folder.path().join("state.jsonl"));
    let write = |models: &[String]| std::fs::write(&lines, models.join("\n") + "\n\n").unwrap();
    let paths: [&Path; 2] = [&lines, &state];
    write(&[model("one", &two_of_three()), model("two", &json!({"any": ["phone", "paper"]}))]);
    assert_eq!(fleet(&["--models", "$0", "--state", "$1"], &paths).0, Some(0));
    write(&[model("two", &json!({"all": ["phone", "paper"]})), model("three", &two_of_three())]);
    let before = std::fs::read(&state).unwrap();
    let (code, found) = fleet(&["--models", "$0", "--since", "$1"], &paths);
    assert_eq!(std::fs::read(&state).unwrap(), before, "a run that is compared with stays as it is");
    assert_eq!((code, &found["state"]), (Some(0), &Value::Null));
    assert_eq!((&found["new"]["accounts"], &found["gone"]["accounts"]), (&json!(["three"]), &json!(["one"])));
    assert_eq!(found["verdicts"], json!({"safer": 1}));
    let (code, forbidden) = fleet(&["--models", "$0", "--forbid", "mpc-self-custody"], &paths);
    assert_eq!((code, &forbidden["forbidden"]), (Some(4), &json!(2)));
    let text = Cli::new(["custody", "fleet", "--models"]).arg(&lines).run();
    assert!(text.status.success() && text.stdout.contains("MPC SELF-CUSTODY"), "{}", text.stdout);
}

#[test]
fn what_fails_is_named_and_keeps_the_state() {
    let folder = tempfile::tempdir().unwrap();
    let (lines, state) = (folder.path().join("fleet.jsonl"), folder.path().join("state.jsonl"));
    let paths: [&Path; 2] = [&lines, &state];
    let run = |models: &[String]| {
        std::fs::write(&lines, models.join("\n")).unwrap();
        fleet(&["--models", "$0", "--state", "$1", "--threads", "3"], &paths)
    };
    let one = || model("one", &two_of_three());
    assert_eq!(run(&[one()]).0, Some(0));
    let before = std::fs::read(&state).unwrap();
    let (code, found) = run(&[one(), "{\"version\": 1}".to_owned(), one()]);
    assert_eq!((code, &found["failed"]["count"]), (Some(1), &json!(2)), "{found}");
    let failed = found["failed"]["list"].as_array().unwrap();
    assert!(failed[0][0].as_str().unwrap().ends_with("fleet.jsonl:2"), "{failed:?}");
    assert!(failed[1][1].as_str().unwrap().contains("twice"), "{failed:?}");
    assert_eq!((std::fs::read(&state).unwrap(), &found["state"]), (before, &Value::Null));
    assert!(!folder.path().join("state.jsonl.new").exists());

    let long = format!("{{\"version\": 1, \"account\": \"{}\"}}", "x".repeat(1 << 20));
    let (code, found) = run(&[one(), long, one()]);
    assert_eq!((code, &found["failed"]["count"]), (Some(1), &json!(1)), "{found}");

    std::fs::write(&state, "{\"cohold_fleet\":1,\"at\":0}\n{\"damaged\"").unwrap();
    let (_, error) = run(&[one()]);
    assert!(error["error"]["message"].as_str().unwrap().contains("damaged"), "{error}");
    let (_, error) = fleet(&["--models", "$0", "--since", "missing.jsonl"], &paths);
    assert!(error["error"]["message"].as_str().unwrap().contains("missing.jsonl"), "{error}");
}

/// The operator's own database, while the server serves from it.
#[test]
fn a_servers_accounts_are_evaluated_beside_it() {
    let Some(mut world) = World::start() else { return };
    let config = world.path("server/server.toml");
    let paths: [&Path; 1] = [&config];
    let (code, none) = fleet(&["--config", "$0"], &paths);
    assert_eq!((code, &none["accounts"]), (Some(0), &json!(0)));

    let account = world.create(&["--template", "shared"]);
    world.create(&["--template", "personal"]);
    // The server keeps what the nodes said when somebody last asked.
    world.device(["custody", "show", &account.id]).run().done();
    let (code, found) = fleet(&["--config", "$0"], &paths);
    assert_eq!(
        (code, &found["accounts"], &found["new"]["count"]),
        (Some(0), &json!(2), &json!(2)),
        "{found}"
    );
    let group = |class: &str| {
        let groups = found["classes"].as_array().unwrap();
        groups.iter().find(|group| group["class"] == class).map(|group| group["accounts"].clone())
    };
    assert_eq!(group("hostage"), Some(json!(1)), "{found}");
    assert_eq!(found["state"], json!(world.path("server/server.fleet.jsonl")));

    // Nobody serves any more, and nothing is written to the database.
    world.end("guardian");
    let database = world.path("server/server.sqlite");
    let before = std::fs::read(&database).unwrap();
    let (code, again) = fleet(&["--config", "$0"], &paths);
    assert_eq!((code, &again["unchanged"]), (Some(0), &json!(2)), "{again}");
    assert_eq!(std::fs::read(&database).unwrap(), before);
    let nowhere = world.path("server/missing.toml");
    assert_eq!(fleet(&["--config", "$0"], &[&nowhere]).0, Some(1));
}
