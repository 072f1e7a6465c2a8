//! The second checker as people use it: its command beside ours, and its page in a browser.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::process::Cli;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../checker")
}

fn node(arguments: &[&str]) -> Output {
    let script = folder().join("dist/check.js");
    assert!(
        script.is_file(),
        "the second checker is not built: run `cargo xtask install`, then the test again"
    );
    Command::new("node").current_dir(folder()).args(arguments).output().expect("`node` starts")
}

/// Exit code, and the JSON that the checker printed.
pub(crate) fn check(path: &Path, more: &[&str]) -> (i32, Value) {
    let output = node(&[&["dist/check.js", path.to_str().unwrap()], more].concat());
    let value = serde_json::from_slice(&output.stdout).expect("one JSON value on standard output");
    (output.status.code().unwrap(), value)
}

fn fixtures() -> Vec<PathBuf> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../custody/tests/fixtures");
    let files = std::fs::read_dir(fixtures).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| !path.to_str().unwrap().ends_with(".expected.json")).collect()
}

#[test]
fn results_of_the_command_line_hold() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("result.json");
    let fixtures = fixtures();
    assert!(fixtures.len() > 30);
    for fixture in fixtures {
        let model: Value = serde_json::from_slice(&std::fs::read(&fixture).unwrap()).unwrap();
        let mut evaluation = Cli::new(["custody", "evaluate", "--json"]).arg(&fixture).run().done();
        let write = |evaluation: &Value| {
            let file = serde_json::json!({"model": model, "evaluation": evaluation});
            std::fs::write(&path, file.to_string()).unwrap();
            check(&path, &[])
        };
        let (exit, said) = write(&evaluation);
        assert_eq!((exit, &said["ok"]), (0, &Value::Bool(true)), "{}: {said}", fixture.display());
        assert_eq!(said["evaluation"]["class"], evaluation["class"]);

        evaluation["blast"].as_array_mut().unwrap().clear();
        let (exit, said) = write(&evaluation);
        assert_eq!((exit, &said["error"]["code"]), (1, &Value::from("refused")), "{said}");
        assert_eq!(said["error"]["message"], "evaluation.blast is not what the model gives");
    }
}

#[test]
fn exit_codes_are_those_of_the_command_line() {
    let code = |arguments: &[&str]| node(&[&["dist/check.js"], arguments].concat()).status.code();
    assert_eq!(code(&["--colour", "x.json"]), Some(2));
    assert_eq!(code(&["/nowhere/cert.json"]), Some(1));
    let (exit, said) = check(Path::new("/nowhere/cert.json"), &[]);
    assert_eq!((exit, &said["error"]["code"]), (1, &Value::from("ENOENT")));
}

/// The pinned certificate is of one moment: the command takes it then, and not a day later or before.
#[test]
fn a_certificate_holds_for_a_day() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../custody/tests/extract/personal.certificate.json");
    let certificate: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let issued = certificate["document"]["issued_at"].as_u64().unwrap();
    let at = |seconds: u64| check(&path, &["--at", &seconds.to_string()]);
    assert_eq!(at(issued + 60).0, 0);
    for wrong in [issued + 24 * 3600, issued - 3601] {
        let (exit, said) = at(wrong);
        let message = said["error"]["message"].as_str().unwrap();
        assert!(exit == 1 && message.contains("expired or of the future"), "{message}");
    }
    let (exit, said) = check(&path, &["--at", "yesterday"]);
    assert_eq!((exit, &said["ok"]), (1, &Value::Bool(false)));
    let (exit, said) = check(&path, &["--at", &issued.to_string(), "--previous", path.to_str().unwrap()]);
    assert_eq!((exit, &said["error"]["message"]), (1, &Value::from("document.previous is another one")));
}

/// `checker/test`: the page takes a dropped file in a headless browser, without a network.
#[test]
fn the_page_works_in_a_browser() {
    let browser = std::env::var_os("COHOLD_CHROMIUM").map_or("/usr/bin/chromium".into(), PathBuf::from);
    assert!(
        browser.is_file(),
        "no browser at `{}`: run `cargo xtask install`, or set COHOLD_CHROMIUM, then the test again",
        browser.display()
    );
    let output = node(&["--test", "test/"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
