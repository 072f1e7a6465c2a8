//! `cohold custody evaluate` gives what the fixtures of the evaluator expect.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::process::Cli;

fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../custody/tests/fixtures");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| !path.to_str().unwrap().ends_with(".expected.json")).collect()
}

#[test]
fn fixtures_have_their_class() {
    let fixtures = fixtures();
    assert!(fixtures.len() > 30);
    for (i, path) in fixtures.iter().enumerate() {
        let expected = std::fs::read(path.with_extension("expected.json")).unwrap();
        let expected: Value = serde_json::from_slice(&expected).unwrap();
        let cli = Cli::new(["custody", "evaluate", "--json"]);
        // Every other one comes through standard input.
        let cli = if i % 2 == 0 { cli.arg(path) } else { cli.arg("-").input(path) };
        let found = cli.run().done();
        for name in ["class", "exit_seconds", "assuming"] {
            assert_eq!(found[name], expected[name], "{name} of {}", path.display());
        }
        assert_eq!(found["freeze"], expected["freeze"], "{}", path.display());
    }
}

#[test]
fn the_sheet_is_for_people() {
    let path = fixtures().remove(0);
    let ran = Cli::new(["custody", "evaluate"]).arg(&path).run();
    assert!(ran.status.success() && ran.stdout.contains("WHO CAN MOVE THE FUNDS"), "{}", ran.stdout);
}

#[test]
fn bad_models_name_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let check = |text: &str, code: &str, says: &str| {
        let path = folder.path().join("model.json");
        std::fs::write(&path, text).unwrap();
        let (found, message) = Cli::new(["custody", "evaluate", "--json"]).arg(&path).run().failed(1);
        assert!(found == code && message.contains(says), "{found}: {message}");
    };
    check("{", "model", "line 1");
    check("", "model", "model.json");
    check(r#"{"version": 1}"#, "model", "missing field `account`");
    let rule = r#"{"power": "move", "needs": "nobody", "because": "x", "evidence": "signed"}"#;
    let model = format!(
        r#"{{"version":1,"account":"a","entities":{{"ana":{{"role":"user"}}}},
            "atoms":{{"phone":{{"entity":"ana","kind":"party"}}}},"limits":{{}},"rules":[{rule}]}}"#
    );
    check(&model, "model", "`nobody`");
    check(&model.replace(r#""version":1"#, r#""version":2"#), "model", "version");
    check(&" ".repeat(2 << 20), "model", "larger");
    let missing = Cli::new(["custody", "evaluate", "--json", "/nowhere/model.json"]).run().failed(1);
    assert!(missing.1.contains("/nowhere/model.json"), "{missing:?}");
}

#[test]
fn regimes_of_a_file_differ_for_a_cosigner_that_is_needed() {
    let path = fixtures().into_iter().find(|path| path.ends_with("20-compliance-node-blocks.json")).unwrap();
    let found = Cli::new(["custody", "regimes", "--json"]).arg(&path).run().done();
    assert!(found["notice"].as_str().unwrap().contains("not legal advice"));
    let findings = found["entities"][0]["findings"].as_array().unwrap();
    let verdict = |regime: &str| findings.iter().find(|f| f["regime"] == regime).unwrap()["verdict"].clone();
    assert_eq!((verdict("fincen-2019"), verdict("mica")), ("not met".into(), "met".into()));
    let ran = Cli::new(["custody", "regimes", "--model"]).arg(&path).run();
    assert!(ran.status.success() && ran.stdout.contains("ACME (provider)"), "{}", ran.stdout);
    // The format of an evaluation has no room for it.
    let evaluated = Cli::new(["custody", "evaluate", "--json"]).arg(&path).run().done();
    assert!(evaluated.get("regimes").is_none());
}

#[test]
fn a_drawing_goes_to_a_file_or_to_standard_output() {
    let path = fixtures().into_iter().find(|path| path.ends_with("04-one-of-two.json")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("account.svg");
    let told = Cli::new(["custody", "draw", "--json", "--out"]).arg(&out).arg(&path).run().done();
    assert_eq!((&told["class"], &told["file"]), (&"custodial".into(), &out.to_str().unwrap().into()));
    let written = std::fs::read_to_string(&out).unwrap();
    let printed = Cli::new(["custody", "draw", "--model"]).arg(&path).run();
    assert!(printed.status.success() && printed.stdout == written && written.starts_with("<svg "));
    let nowhere = folder.path().join("missing/account.svg");
    let (_, message) =
        Cli::new(["custody", "draw", "--json", "--out"]).arg(&nowhere).arg(&path).run().failed(1);
    assert!(message.contains("missing/account.svg"), "{message}");
}
