//! The evaluator and what rests on it against a brute force of its own: every coalition by itself,
//! plain sets of names, the definition of the format word for word, nothing shared but the file format.

mod diff;
mod models;
mod naive;
mod questions;
mod regimes;

use cohold_custody::{Atom, Model, ModelBuilder, evaluate};
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};
use proptest::sample::select;
use serde_json::Value;

use models::model_strategy;
use naive::Brute;

/// What the brute force does not compute.
fn stripped(mut evaluation: Value) -> Value {
    for ways in evaluation["powers"].as_object_mut().expect("an object").values_mut() {
        for way in ways.as_array_mut().expect("a list") {
            let way = way.as_object_mut().expect("an object");
            assert!(way.remove("evidence").is_some_and(|evidence| evidence.is_string()));
            assert!(way.remove("trace").is_some_and(|trace| !trace.as_array().expect("a list").is_empty()));
        }
    }
    evaluation
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn evaluator_agrees_with_brute_force(model in model_strategy()) {
        let evaluation = evaluate(&model).expect("small models are evaluated");
        let evaluation = serde_json::to_value(&evaluation).expect("a result is JSON");
        prop_assert_eq!(stripped(evaluation), Brute::new(&model).evaluation());
    }

    /// Atoms that no rule names change nothing, wherever their bits lie in words and blocks.
    #[test]
    fn idle_atoms_change_nothing(model in model_strategy(), idle in vec((select(vec!["A", "n", "z"]), any::<bool>()), 1..=9)) {
        let mut builder = ModelBuilder::new(model.account());
        for (name, entity) in model.entities() {
            builder = builder.entity(name, &entity.role);
        }
        for (name, atom) in model.atoms() {
            builder = builder.atom(name, atom.clone());
        }
        let owner = model.entities().keys().next().expect("at least one");
        for (index, (name, solid)) in idle.iter().enumerate() {
            let atom = if *solid { Atom::party(owner) } else { Atom::doubt("nothing follows") };
            builder = builder.atom(format!("{name}-idle-{index}"), atom);
        }
        for (name, limit) in model.limits() {
            builder = builder.limit(name, limit.clone());
        }
        for rule in model.rules() {
            builder = builder.rule(rule.clone());
        }
        let padded = builder.build().expect("only atoms were added");
        let mut evaluation = evaluate(&padded).expect("small models are evaluated");
        evaluation.blast.retain(|blast| {
            let idle = blast.atom.contains("-idle-");
            assert!(!idle || blast.reaches.keys().all(|power| evaluation.powers[power][0].coalition.is_empty()));
            !idle
        });
        prop_assert_eq!(evaluation, evaluate(&model).expect("small models are evaluated"));
    }

    #[test]
    fn files_read_back(model in model_strategy()) {
        let bytes = model.to_canonical_json().expect("a model is JSON");
        prop_assert_eq!(Model::parse(&bytes).expect("its own file is read"), model);
    }
}
