//! One thing wrong, or only strange: what a door must refuse, and what it must not.

use serde_json::{Value, json};

use crate::generate::Random;

/// Values that stand where others should.
fn stranger(random: &mut Random) -> Value {
    let strangers = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(1_u64 << 43),
        json!(u64::MAX),
        json!(""),
        json!("x0"),
        json!("acme"),
        json!("move[pay]"),
        json!("a b"),
        json!("tab\there"),
        json!("turn\u{202e}ed"),
        json!("soft\u{ad}hyphen \u{fffd}"),
        json!([]),
        json!({}),
        json!(["x0"]),
        json!({"all": ["x0"]}),
        json!({"k": 2, "of": ["x0"]}),
        json!({"all": ["x0"], "any": null}),
        json!("x".repeat(1_001)),
        json!("🙂".repeat(1_000)),
    ];
    random.pick(&strangers).clone()
}

/// The file with something done to it, as text.
pub(crate) fn spoil(random: &mut Random, model: &Value) -> String {
    let mut model = model.clone();
    match random.below(4) {
        0 | 1 => {
            for _ in 0..=random.below(2) {
                change(random, &mut model);
            }
            model.to_string()
        }
        2 => crowd(random, model),
        _ => scribble(random, &model.to_string()),
    }
}

/// Somewhere in the tree: an entry goes, comes, or is another.
fn change(random: &mut Random, value: &mut Value) {
    let goes_deeper = random.chance(75);
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let keys: Vec<String> = fields.keys().cloned().collect();
            let key = random.pick(&keys).clone();
            let inner = fields.get_mut(&key).expect("a key of its own");
            if goes_deeper && (inner.is_object() || inner.is_array()) {
                return change(random, inner);
            }
            let stranger = stranger(random);
            match random.below(4) {
                0 => drop(fields.remove(&key)),
                1 => drop(fields.insert(
                    (*random.pick(&["colour", "k", "any", "__proto__", "move", "é", ""])).to_owned(),
                    stranger,
                )),
                _ => *inner = stranger,
            }
        }
        Value::Array(items) if !items.is_empty() => {
            let index = random.below(items.len());
            if goes_deeper {
                return change(random, &mut items[index]);
            }
            match random.below(3) {
                0 => drop(items.remove(index)),
                1 => items.push(items[index].clone()),
                _ => items[index] = stranger(random),
            }
        }
        other => *other = stranger(random),
    }
}

/// At a bound or just beyond it.
fn crowd(random: &mut Random, mut model: Value) -> String {
    let entity =
        model["entities"].as_object().and_then(|all| all.keys().next().cloned()).expect("at least one");
    match random.below(5) {
        0 => {
            for index in 0..25 {
                model["atoms"][format!("crowd-{index}")] = json!({"kind": "party", "entity": entity});
            }
        }
        1 => {
            let depth = 15 + random.below(4);
            let deep = (0..depth).fold(json!("x0"), |needs, _| json!({"all": [needs]}));
            model["rules"].as_array_mut().expect("a list").push(json!({"power": "deep", "needs": deep}));
        }
        2 => {
            let many: Vec<&str> = vec!["x0"; 16_300 + random.below(150)];
            model["rules"]
                .as_array_mut()
                .expect("a list")
                .push(json!({"power": "wide", "needs": {"any": many}}));
        }
        3 => {
            let rule = json!({"power": "again", "needs": "x0"});
            let rules = model["rules"].as_array_mut().expect("a list");
            rules.resize(1_024 + random.below(2), rule);
        }
        _ => model["limits"]["long"] = json!({"receivers": vec!["r"; 256 + random.below(2)]}),
    }
    model.to_string()
}

/// In the text itself.
fn scribble(random: &mut Random, text: &str) -> String {
    let replaced = |from: &str, to: &str| text.replacen(from, to, 1);
    match random.below(16) {
        0 => text[..text.len() / 2].chars().collect(),
        1 => format!("{text}x"),
        2 => format!("{text} \t"),
        3 => format!("\u{feff}{text}"),
        4 => replaced("\"version\":1", "\"version\":1,\"version\":1"),
        5 => replaced("\"version\":1", "\"version\" : 1"),
        6 => replaced("\"version\":1", "\"version\":1.0"),
        7 => replaced("\"version\":1", "\"version\":1e0"),
        8 => replaced("\"version\":1", "\"versi\\u006fn\":1"),
        9 => replaced("\"version\":1", "\"version\":01"),
        10 => replaced("eip155", "\\ud83d"),
        11 => replaced("eip155", "\\ud83d\\ude42"),
        12 => replaced("{", "{,"),
        13 => replaced("}", ",}"),
        14 => replaced("\"kind\":\"party\"", "\"kind\":\"party\",\"\\u006bind\":\"party\""),
        _ => format!("{}{text}{}", "[".repeat(70), "]".repeat(70)),
    }
}
