//! Random models from a number: every form of needs, delays and ties, cancels, limits, doubts, guesses.

use cohold_custody::Model;
use serde_json::{Map, Value, json};

/// SplitMix64 (Steele, Lea, Flood 2014): small, and the same numbers on every machine.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0xc0_4014)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).expect("small")).expect("small")
    }

    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

/// Some of these names mean something to languages; none of them means anything to a model.
const ENTITIES: [(&str, &str); 7] = [
    ("ana", "user"),
    ("acme", "provider"),
    ("bo", "guardian"),
    ("eve", "user"),
    ("mail", "mail-host"),
    ("__proto__", "cloud"),
    ("constructor", "provider"),
];
const ATOMS: [&str; 16] = [
    "x0",
    "B1",
    "m2",
    "toString",
    "a-4",
    "__proto__",
    "Z",
    "0",
    "10",
    "9",
    "k:7",
    "length",
    "~",
    "A",
    "a",
    "hasOwnProperty",
];
const POWERS: [&str; 12] =
    ["move", "move", "move", "move", "rule", "recover", "use:a", "use:b", "sign", "veto", "veto", "valueOf"];
const LIMITS: [&str; 3] = ["gift", "pay", "__proto__"];
const DELAYS: [u64; 8] = [1, 1, 2, 3, 5, 10, 86_400, 1 << 42];
const EVIDENCE: [&str; 5] = ["proved", "attested", "signed", "asserted", "unknown"];

/// A model that is good unless its number says otherwise: every 20th may have a power that cancels itself.
pub(crate) fn model(random: &mut Random, number: u64) -> Value {
    let atom_count = match number {
        number if number % 500 == 250 => 16,
        number if number % 20 == 11 => 9 + random.below(4),
        _ => 1 + random.below(8),
    };
    let entity_count = 1 + random.below(ENTITIES.len());
    let entities = &ENTITIES[..entity_count];
    let atoms: Map<String, Value> =
        ATOMS[..atom_count].iter().map(|name| ((*name).to_owned(), atom(random, entities))).collect();
    let limits = &LIMITS[..random.below(LIMITS.len() + 1)];
    let mut file = json!({
        "version": 1,
        "account": "eip155:1:0x00",
        "entities": entities.iter().map(|(name, role)| ((*name).to_owned(), json!({"role": role}))).collect::<Map<_, _>>(),
        "atoms": atoms,
        "limits": limits.iter().map(|name| ((*name).to_owned(), limit(random))).collect::<Map<_, _>>(),
    });
    let heads: Vec<&str> = (0..=random.below(atom_count + 4)).map(|_| *random.pick(&POWERS)).collect();
    let mut names: Vec<String> = ATOMS[..atom_count].iter().map(|name| (*name).to_owned()).collect();
    names.extend(heads.iter().chain(&["move", "rule", "recover"]).map(|head| (*head).to_owned()));
    names.extend(limits.iter().map(|limit| format!("move[{limit}]")));

    let cancels_are_free = number % 20 == 7;
    let mut rules: Vec<Value> = heads.iter().map(|head| rule(random, head, limits, &names)).collect();
    for index in 0..rules.len() {
        if !random.chance(35) {
            continue;
        }
        rules[index]["cancel"] = json!(random.pick(&names));
        file["rules"] = json!(rules);
        if !cancels_are_free && Model::parse(file.to_string().as_bytes()).is_err() {
            rules[index].as_object_mut().expect("a rule").remove("cancel");
        }
    }
    file["rules"] = json!(rules);
    file
}

fn atom(random: &mut Random, entities: &[(&str, &str)]) -> Value {
    let kind = *random.pick(&["party", "party", "object", "doubt"]);
    let mut atom = json!({"kind": kind});
    if kind != "doubt" || random.chance(50) {
        atom["entity"] = json!(random.pick(entities).0);
    }
    if random.chance(10) {
        atom["guessable"] = json!(random.chance(80));
    }
    if random.chance(30) {
        atom["says"] = json!("a copy “über” all was kept 🙂");
    }
    atom
}

fn limit(random: &mut Random) -> Value {
    let mut limit = json!({});
    if random.chance(50) {
        limit["receivers"] = json!((0..random.below(3)).map(|_| "merchants").collect::<Vec<_>>());
    }
    if random.chance(30) {
        limit["amount"] = json!("0.5");
    }
    limit
}

fn rule(random: &mut Random, head: &str, limits: &[&str], names: &[String]) -> Value {
    let mut rule = json!({"power": head, "needs": needs(random, names, 3)});
    if head == "move" && !limits.is_empty() && random.chance(45) {
        rule["limit"] = json!(random.pick(limits));
    }
    if random.chance(35) {
        rule["after_seconds"] = json!(random.pick(&DELAYS));
    }
    if random.chance(85) {
        rule["evidence"] = json!(random.pick(&EVIDENCE));
    }
    rule
}

fn needs(random: &mut Random, names: &[String], depth: usize) -> Value {
    if depth == 0 || random.chance(45) {
        return json!(random.pick(names));
    }
    let of: Vec<Value> = (0..=random.below(4)).map(|_| needs(random, names, depth - 1)).collect();
    match random.below(3) {
        0 => json!({"all": of}),
        1 => json!({"any": of}),
        _ => json!({"k": 1 + random.below(of.len()), "of": of}),
    }
}

/// As an account with everything has it: five shares in three places each, recovery, veto, lending.
pub(crate) fn sixteen() -> Value {
    let atoms: Map<String, Value> = (0..16)
        .map(|index| {
            let kind = ["party", "object", "party", "doubt"][index % 4];
            (format!("a{index:02}"), json!({"kind": kind, "entity": ENTITIES[index % 5].0}))
        })
        .collect();
    let name = |index: usize| format!("a{:02}", index % 16);
    let mut rules = Vec::new();
    for share in 0..5 {
        for way in 0..4 {
            let needs =
                json!({"k": 2, "of": [name(share * 3 + way), name(share + way * 5), name(share * 7 + way)]});
            rules.push(json!({"power": format!("use:{share}"), "needs": needs, "after_seconds": way, "evidence": "signed"}));
        }
    }
    let uses: Vec<String> = (0..5).map(|share| format!("use:{share}")).collect();
    rules.push(json!({"power": "move", "needs": {"k": 3, "of": uses}, "evidence": "signed"}));
    rules.push(json!({"power": "move", "limit": "pay", "needs": {"any": uses}, "evidence": "signed"}));
    rules.push(json!({"power": "veto", "needs": {"any": [name(0), name(5), name(9)]}, "evidence": "proved"}));
    rules.push(json!({"power": "recover", "needs": {"k": 2, "of": [name(1), name(6), name(11)]}, "after_seconds": 172_800, "cancel": "veto"}));
    rules.push(json!({"power": "rule", "needs": "recover", "evidence": "proved"}));
    json!({
        "version": 1,
        "account": "eip155:1:0x00",
        "entities": ENTITIES.iter().map(|(name, role)| ((*name).to_owned(), json!({"role": role}))).collect::<Map<_, _>>(),
        "atoms": atoms,
        "limits": {"pay": {"receivers": ["merchants"]}},
        "rules": rules,
    })
}
