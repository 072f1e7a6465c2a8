//! The evaluator against the second checker: thousands of models, good and bad, through both, without a
//! difference. The checker runs as one Node process that answers a line for a line.
//!
//! The models come from one seed, so a number names a model for ever. A difference is shrunk until
//! nothing more can be taken away, and printed.

#[path = "../extract/account.rs"]
#[expect(dead_code, reason = "shared with the tests of the extraction, which use all of it")]
mod account;
mod certificate;
mod checker;
mod generate;
mod shrink;
mod spoil;

use std::time::Duration;

use cohold_custody::{Model, evaluate};
use serde_json::Value;

use checker::Checker;
use generate::Random;

const MODELS: u64 = 10_000;
/// How many of them must have been good, so that a generator that fails says so.
const GOOD_MIN: u64 = 7_000;
const BAD_MIN: u64 = 1_000;

/// The evaluator's answer; none: it refuses.
fn evaluator(file: &str) -> Option<Value> {
    let model = Model::parse(file.as_bytes()).ok()?;
    let evaluation = evaluate(&model).expect("small models are within the bounds of an evaluation");
    let mut value = serde_json::to_value(evaluation).expect("a result is JSON");
    for ways in value["powers"].as_object_mut().expect("an object").values_mut() {
        for way in ways.as_array_mut().expect("a list") {
            way.as_object_mut().expect("an object").remove("trace").expect("each way has a trace");
        }
    }
    Some(value)
}

/// Shrinks and prints what the two do not agree on.
fn report(checker: &mut Checker, number: u64, file: &str) -> ! {
    let differs = |file: &str, checker: &mut Checker| evaluator(file) != checker.answer(file);
    let least = shrink::shrink(file, |file| differs(file, checker));
    let shown =
        |answer: Option<Value>| answer.map_or_else(|| "refused".to_owned(), |value| value.to_string());
    panic!(
        "the two differ on model {number}, shrunk to:\n{least}\nevaluator: {}\nchecker:   {}",
        shown(evaluator(&least)),
        shown(checker.answer(&least)),
    );
}

#[test]
fn both_say_the_same() {
    let mut checker = Checker::start();
    let (mut good, mut bad) = (0_u64, 0_u64);
    for number in 0..MODELS {
        let mut random = Random::new(number);
        let model = generate::model(&mut random, number);
        let file = if number % 5 == 4 { spoil::spoil(&mut random, &model) } else { model.to_string() };
        let (ours, theirs) = (evaluator(&file), checker.answer(&file));
        *(if ours.is_some() { &mut good } else { &mut bad }) += 1;
        if ours != theirs {
            report(&mut checker, number, &file);
        }
    }
    assert!(good >= GOOD_MIN && bad >= BAD_MIN, "{good} good models and {bad} bad ones");
}

/// What the checker promises for a certificate, of the hardest 16 atoms that we know, in time of the
/// processor: the clock on the wall also counts what else the machine does.
#[test]
fn sixteen_atoms_take_less_than_a_second() {
    let mut checker = Checker::start();
    let file = generate::sixteen().to_string();
    let expected = evaluator(&file);
    assert!(expected.is_some());
    let mut least = Duration::MAX;
    for _ in 0..3 {
        let before = checker.busy();
        assert_eq!(checker.answer(&file), expected);
        least = least.min(checker.busy().saturating_sub(before));
    }
    assert!(least < Duration::from_secs(1), "{least:?}");
}
