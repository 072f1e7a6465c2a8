//! Every pattern of silent custody as a model file: `fixtures/NN-name.json`, where `NN` is the row of
//! the list of patterns, and beside it `NN-name.expected.json`, written by hand: the class, the exit, the
//! doubts it rests on, who can freeze, and the counter-example that the sheet must print.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cohold_custody::{Class, Evidence, Model, evaluate, sheet};
use serde::Deserialize;

/// Rows of the list of patterns.
const ROWS: u32 = 28;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    class: Class,
    exit_seconds: Option<u64>,
    assuming: Vec<Vec<String>>,
    freeze: Vec<Vec<String>>,
    counter_example: CounterExample,
}

/// Without a power, the sentence says that there is none.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CounterExample {
    power: Option<String>,
    coalition: Option<Vec<String>>,
    seconds: u64,
    doubts: Vec<String>,
    evidence: Evidence,
    sentence: String,
}

#[test]
fn every_pattern_is_found() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut rows = BTreeSet::new();
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the fixtures are there")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| !path.to_string_lossy().ends_with(".expected.json"))
        .collect();
    files.sort();
    for path in files {
        let name = path.file_stem().expect("a file").to_string_lossy().into_owned();
        rows.insert(name[..2].parse::<u32>().expect("the row comes first"));
        check(&name, &path);
    }
    assert_eq!(rows, (1..=ROWS).collect());
}

fn check(name: &str, path: &Path) {
    let model =
        Model::parse(&fs::read(path).expect("readable")).unwrap_or_else(|error| panic!("{name}: {error}"));
    let expected = fs::read(path.with_extension("expected.json")).expect("each model has its verdict");
    let expected: Expected =
        serde_json::from_slice(&expected).unwrap_or_else(|error| panic!("{name}: {error}"));

    let evaluation = evaluate(&model).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(evaluation.class, expected.class, "{name}: class");
    assert_eq!(evaluation.exit_seconds, expected.exit_seconds, "{name}: exit");
    assert_eq!(evaluation.assuming, expected.assuming, "{name}: assuming");
    assert_eq!(evaluation.freeze, expected.freeze, "{name}: freeze");

    let CounterExample { power, coalition, seconds, doubts, evidence, sentence } = expected.counter_example;
    if let (Some(power), Some(coalition)) = (power, coalition) {
        let ways = &evaluation.powers[&power];
        let way = ways.iter().find(|way| way.coalition == coalition);
        let way = way.unwrap_or_else(|| panic!("{name}: {coalition:?} is not among {ways:?}"));
        assert_eq!(
            (way.seconds, way.doubts.to_vec(), way.evidence),
            (seconds, doubts, evidence),
            "{name}: way"
        );
    }

    let page = sheet::render(&model, &evaluation);
    assert!(page.lines().all(|line| line.chars().count() <= 100), "{name}: too wide\n{page}");
    let flat = page.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains(&sentence), "{name}: `{sentence}` is not on the sheet\n{page}");
}
