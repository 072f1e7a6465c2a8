//! The formats as they are written, byte for byte, and the bounds of an evaluation.

use cohold_custody::{Atom, EvaluateError, Model, ModelBuilder, Needs, Rule, evaluate, sheet};

const MODEL: &str = include_str!("format/model.json");
const EVALUATION: &str = include_str!("format/evaluation.json");
const SHEET: &str = include_str!("format/sheet.txt");

#[test]
fn the_model_file_is_written_as_it_is_read() {
    let model = Model::parse(MODEL.as_bytes()).expect("a good file");
    let file: serde_json::Value = serde_json::from_str(MODEL).expect("JSON");
    assert_eq!(serde_json::to_value(&model).expect("a model is JSON"), file);
    let canonical = model.to_canonical_json().expect("a model is JSON");
    let begin =
        br#"{"account":"eip155:1:0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed","atoms":{"bo-node":{"entity""#;
    assert!(canonical.starts_with(begin));
    assert_eq!(Model::parse(&canonical).expect("a good file"), model);
}

#[test]
fn the_result_is_written_so() {
    let model = Model::parse(MODEL.as_bytes()).expect("a good file");
    let evaluation = evaluate(&model).expect("a small model");
    let written = serde_json::to_string_pretty(&evaluation).expect("a result is JSON");
    assert_eq!(written + "\n", EVALUATION);
    assert_eq!(
        serde_json::from_str::<cohold_custody::Evaluation>(EVALUATION).expect("read back"),
        evaluation
    );
}

#[test]
fn the_sheet_is_written_so() {
    let model = Model::parse(MODEL.as_bytes()).expect("a good file");
    let evaluation = evaluate(&model).expect("a small model");
    assert_eq!(sheet::render(&model, &evaluation), SHEET);
}

fn parties(count: usize) -> (ModelBuilder, Vec<String>) {
    let names: Vec<String> = (0..count).map(|index| format!("p{index:02}")).collect();
    let builder = ModelBuilder::new("eip155:1:0x00").entity("ana", "user");
    (names.iter().fold(builder, |builder, name| builder.atom(name, Atom::party("ana"))), names)
}

/// Every missing party costs another power of two, so that each coalition has a time of its own.
fn all_times_differ(count: usize, parties_more: usize) -> Result<(), EvaluateError> {
    let (mut builder, names) = parties(count + parties_more);
    builder = builder.rule(Rule::new("step-0", Needs::any(names.clone())));
    for (index, name) in names.iter().enumerate().take(count) {
        let (from, to) = (format!("step-{index}"), format!("step-{}", index + 1));
        builder = builder.rule(Rule::new(&to, Needs::all([&*from, name])));
        builder = builder.rule(Rule::new(&to, from).after_seconds(1 << index));
    }
    evaluate(&builder.build().expect("a good model")).map(drop)
}

#[test]
fn what_is_too_much_is_an_error() {
    assert!(all_times_differ(7, 0).is_ok());
    assert!(matches!(all_times_differ(13, 0), Err(EvaluateError::Times { .. })));
    assert!(matches!(all_times_differ(9, 15), Err(EvaluateError::Memory)));

    let quorum = |k: u64, count: usize| {
        let (builder, names) = parties(count);
        evaluate(&builder.rule(Rule::new("move", Needs::k(k, names))).build().expect("a good model"))
    };
    assert_eq!(quorum(4, 16).expect("within the bounds").powers["move"].len(), 1_820);
    assert!(matches!(quorum(12, 24), Err(EvaluateError::Sets { .. })));

    let (builder, names) = parties(24);
    let many: Vec<_> = names.iter().cycle().take(16_000).map(String::as_str).collect();
    let model = builder.rule(Rule::new("move", Needs::k(8_000, many))).build().expect("a good model");
    assert!(matches!(evaluate(&model), Err(EvaluateError::Work)));
}
