//! Explanations and thefts as they are told.

use cohold_custody::explain::render as explained;
use cohold_custody::what_if::render as stolen;
use cohold_custody::{
    Answer, ExplainError, Explanation, Model, WhatIf, WhatIfError, WhoError, explain, what_if,
};

const MODEL: &str = include_str!("format/model.json");

fn model() -> Model {
    Model::parse(MODEL.as_bytes()).expect("a good file")
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn check_explained(power: &str, by: &[&str], expected: &str) {
    let explanation = explain(&model(), power, &names(by)).expect("a power and names of the model");
    assert_eq!(explained(&explanation), expected);
    let json = serde_json::to_string(&explanation).expect("an explanation is JSON");
    assert_eq!(serde_json::from_str::<Explanation>(&json).expect("its own JSON"), explanation);
}

fn check_stolen(things: &[&str], expected: &str) {
    let model = model();
    let answer = what_if(&model, &names(things)).expect("names of the model");
    assert_eq!(stolen(&model, &answer), expected);
    let json = serde_json::to_string(&answer).expect("an answer is JSON");
    assert_eq!(serde_json::from_str::<WhatIf>(&json).expect("its own JSON"), answer);
}

#[test]
fn yes_with_its_proof() {
    check_explained("move", &["ana"], include_str!("questions/ana-moves.txt"));
    check_explained("use:s1", &["phone"], include_str!("questions/phone-opens.txt"));
    check_explained("freeze", &["phone", "acme"], include_str!("questions/phone-and-acme-freeze.txt"));
}

#[test]
fn no_with_what_is_missing() {
    check_explained("move", &["provider"], include_str!("questions/provider-moves.txt"));
    check_explained("recover", &["bo"], include_str!("questions/bo-recovers.txt"));
    check_explained("freeze", &["provider"], include_str!("questions/provider-freezes.txt"));
}

#[test]
fn thefts() {
    check_stolen(&["phone", "pin"], include_str!("questions/stolen-phone.txt"));
    check_stolen(&["bo"], include_str!("questions/stolen-guardian.txt"));
    check_stolen(&["cosigner", "old-copy"], include_str!("questions/stolen-past.txt"));
}

#[test]
fn a_veto_that_is_stolen_too_stops_nothing() {
    let answer = what_if(&model(), &names(&["bo", "phone", "cosigner"])).expect("names of the model");
    assert!(answer.unless_stopped.is_empty());
    let powers: Vec<_> = answer.can.iter().map(|can| (can.power.as_str(), can.seconds)).collect();
    assert_eq!(powers, [("move", 0), ("rule", 172_800), ("recover", 172_800)]);
    assert!(answer.rescue.is_empty() && answer.freeze.is_empty());
}

#[test]
fn a_rescue_may_come_too_late() {
    let slow = MODEL.replace(r#""power": "use:s3", "#, r#""power": "use:s3", "after_seconds": 172800, "#);
    let model = Model::parse(slow.as_bytes()).expect("a good file");
    let answer = what_if(&model, &names(&["bo", "cosigner"])).expect("names of the model");
    let rescue: Vec<_> = answer.rescue.iter().map(|rescue| (rescue.seconds, rescue.in_time)).collect();
    assert_eq!(rescue, [(172_800, false)]);
}

#[test]
fn names_that_mean_nobody() {
    let error = explain(&model(), "mov\u{1b}", &names(&["ana"])).expect_err("no such power");
    assert!(matches!(&error, ExplainError::Power { power, .. } if power == "mov\\u{1b}"), "{error}");
    let error = explain(&model(), "move", &names(&["ana", "zoe"])).expect_err("no such name");
    let is_zoe = |error: &WhoError| matches!(error, WhoError::Unknown { name, .. } if name == "zoe");
    assert!(matches!(&error, ExplainError::Who(error) if is_zoe(error)), "{error}");
    let error = what_if(&model(), &names(&[""])).expect_err("no such name");
    assert!(matches!(error, WhatIfError::Who(_)));
    let nobody = explain(&model(), "move", &[]).expect("nobody is a coalition too");
    assert!(matches!(nobody.answer, Answer::No { .. }));
}

#[test]
fn things_are_known_by_what_people_call_them() {
    let renamed = |pairs: &[(&str, &str)]| {
        let quoted = |name: &str| format!("\"{name}\"");
        let rename = |text: String, (old, new): &(&str, &str)| text.replace(&quoted(old), &quoted(new));
        Model::parse(pairs.iter().fold(MODEL.to_owned(), rename).as_bytes()).expect("a good file")
    };
    let later = renamed(&[("phone", "device-2"), ("pin", "device-2-pin"), ("bo-node", "bo-pin")]);
    let asked = |name: &str| explain(&later, "move", &names(&[name])).map(|answer| answer.by);
    assert_eq!(asked("phone").expect("the device"), ["device-2"]);
    assert_eq!(asked("paper").expect("as it is named"), ["paper"]);
    let error = asked("pin").expect_err("one of two");
    assert!(error.to_string().contains("`bo-pin`, `device-2-pin`"), "{error}");
}
