//! The evaluator against a brute force of its own: every coalition by itself, plain sets of names,
//! the definition of the format word for word, nothing shared but the file format.

use std::collections::{BTreeMap, BTreeSet};

use cohold_custody::{Atom, Evidence, Kind, Limit, Model, ModelBuilder, Needs, Rule, evaluate};
use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_assert_eq, prop_oneof, proptest};
use proptest::sample::{Index, select, subsequence};
use serde_json::{Value, json};

type Set = BTreeSet<String>;

/// A model under the naive definition.
struct Brute<'a> {
    model: &'a Model,
    guessable: Set,
    solid: Set,
}

impl<'a> Brute<'a> {
    fn new(model: &'a Model) -> Self {
        let pick = |test: fn(&Atom) -> bool| {
            model.atoms().iter().filter(|(_, atom)| test(atom)).map(|(name, _)| name.clone()).collect()
        };
        Self {
            model,
            guessable: pick(|atom| atom.guessable),
            solid: pick(|atom| atom.kind != Kind::Doubt && !atom.guessable),
        }
    }

    /// T of every power for one coalition, by repeating all rules until nothing changes.
    fn times(&self, coalition: &Set) -> BTreeMap<String, u64> {
        self.times_by(coalition, &self.model.rules().iter().collect::<Vec<_>>())
    }

    /// The same by some of the rules. Cancels do not lead back to the power that they cancel, so of
    /// the defenders only the rules below the cancel are asked.
    fn times_by(&self, coalition: &Set, rules: &[&Rule]) -> BTreeMap<String, u64> {
        let defenders: Set = self.solid.difference(coalition).cloned().collect();
        let counting: Vec<&Rule> = rules
            .iter()
            .copied()
            .filter(|rule| match &rule.cancel {
                None => true,
                Some(cancel) => {
                    let times = self.times_by(&defenders, &self.below(cancel));
                    let needs = Needs::Name(cancel.clone());
                    self.time(&needs, &defenders, &times).is_none_or(|seconds| seconds > rule.after_seconds)
                }
            })
            .collect();

        let mut times: BTreeMap<String, u64> = BTreeMap::new();
        loop {
            let before = times.clone();
            for rule in &counting {
                let head = head(rule);
                if let Some(seconds) = self.time(&rule.needs, coalition, &times) {
                    lower(&mut times, &head, seconds + rule.after_seconds);
                }
            }
            for from in ["rule", "recover"] {
                if let Some(seconds) = times.get(from).copied() {
                    lower(&mut times, "move", seconds);
                }
            }
            if let Some(seconds) = times.get("move").copied() {
                for limit in self.model.limits().keys() {
                    lower(&mut times, &format!("move[{limit}]"), seconds);
                }
            }
            if times == before {
                return times;
            }
        }
    }

    /// The rules that a power can rest on, through needs (cancels are asked for anew).
    fn below(&self, power: &str) -> Vec<&'a Rule> {
        let mut names = Set::from([power.to_owned()]);
        loop {
            let before = names.len();
            for rule in self.model.rules() {
                if names.contains(&head(rule)) {
                    named(&rule.needs, &mut names);
                }
            }
            if names.iter().any(|name| name.starts_with("move[")) {
                names.insert("move".to_owned());
            }
            if names.contains("move") {
                names.extend(["rule".to_owned(), "recover".to_owned()]);
            }
            if names.len() == before {
                return self.model.rules().iter().filter(|rule| names.contains(&head(rule))).collect();
            }
        }
    }

    fn time(&self, needs: &Needs, coalition: &Set, times: &BTreeMap<String, u64>) -> Option<u64> {
        let (k, list) = match needs {
            Needs::Name(name) if coalition.contains(name) || self.guessable.contains(name) => return Some(0),
            Needs::Name(name) => return times.get(name).copied(),
            Needs::All { all } => (all.len(), all),
            Needs::Any { any } => (1, any),
            Needs::K { k, of } => (*k as usize, of),
        };
        let mut seconds: Vec<u64> =
            list.iter().filter_map(|needs| self.time(needs, coalition, times)).collect();
        seconds.sort_unstable();
        seconds.get(k - 1).copied()
    }

    fn evaluation(&self) -> Value {
        let model = self.model;
        let doubts: Set = names(model, |atom| atom.kind == Kind::Doubt && !atom.guessable);
        let everything: Set = self.solid.union(&doubts).cloned().collect();
        let all: BTreeMap<Set, BTreeMap<String, u64>> =
            subsets(&everything).into_iter().map(|set| (set.clone(), self.times(&set))).collect();

        let limits = model.limits();
        let mut account = vec!["move".to_owned(), "rule".to_owned(), "recover".to_owned()];
        account.extend(limits.keys().map(|limit| format!("move[{limit}]")));

        let mut powers = BTreeMap::new();
        for power in &account {
            let sets = minimal(all.iter().filter(|(_, times)| times.contains_key(power)).map(|(set, _)| set));
            let ways = sets.iter().map(|set| {
                let doubts: Vec<_> = set.iter().filter(|name| doubts.contains(*name)).collect();
                json!({"coalition": set, "seconds": all[set][power], "doubts": doubts})
            });
            powers.insert(power.clone(), ways.collect::<Vec<_>>());
        }

        let can_move = |set: &Set| all[set].contains_key("move");
        let freezing: Vec<Set> = subsets(&self.solid)
            .into_iter()
            .filter(|set| !can_move(&self.solid.difference(set).cloned().collect()))
            .collect();

        let of = |entity: &str| -> Set {
            let own = |name: &&String| model.atoms()[*name].entity.as_deref() == Some(entity);
            self.solid.iter().filter(own).cloned().collect()
        };
        let (mut user, mut outsiders) = (Set::new(), Vec::new());
        for (name, entity) in model.entities() {
            if entity.role == "user" { user.extend(of(name)) } else { outsiders.push(of(name)) }
        }
        let together: Set = outsiders.iter().flatten().cloned().collect();
        let reaches = |set: &Set, power: &str| all[set].contains_key(power);
        let full = |set: &Set| ["move", "rule", "recover"].iter().any(|power| reaches(set, power));
        let bounded = |set: &Set, anybody: bool| {
            limits.iter().any(|(name, limit)| {
                limit.receivers.is_empty() == anybody && reaches(set, &format!("move[{name}]"))
            })
        };
        let some = |set: &Set| account.iter().any(|power| reaches(set, power));
        let exit = all[&user].get("move").copied();
        let alone = user.iter().any(|name| can_move(&Set::from([name.clone()])));
        let class = if outsiders.iter().any(|set| full(set) || bounded(set, true)) {
            "custodial"
        } else if outsiders.iter().any(|set| bounded(set, false)) {
            "restricted custody"
        } else if some(&together) {
            "collusive"
        } else {
            match exit {
                Some(0) if alone => "non-custodial",
                Some(0) => "mpc self-custody",
                Some(_) => "semi-custodial",
                None => "hostage",
            }
        };
        let assuming = if ["custodial", "restricted custody", "collusive"].contains(&class) {
            Vec::new()
        } else {
            let sets: Vec<Set> = subsets(&doubts)
                .into_iter()
                .filter(|set| some(&together.union(set).cloned().collect()))
                .collect();
            minimal(sets.iter())
        };
        let blast = everything.iter().map(|atom| {
            let mut reaches = all[&Set::from([atom.clone()])].clone();
            reaches.retain(|power, _| account.contains(power));
            json!({"atom": atom, "reaches": reaches})
        });
        json!({
            "class": class,
            "exit_seconds": exit,
            "assuming": assuming,
            "powers": powers,
            "freeze": minimal(freezing.iter()),
            "blast": blast.collect::<Vec<_>>(),
        })
    }
}

fn head(rule: &Rule) -> String {
    rule.limit.as_ref().map_or_else(|| rule.power.clone(), |limit| format!("move[{limit}]"))
}

fn lower(times: &mut BTreeMap<String, u64>, power: &str, seconds: u64) {
    let least = times.get(power).map_or(seconds, |old| seconds.min(*old));
    times.insert(power.to_owned(), least);
}

fn named(needs: &Needs, names: &mut Set) {
    match needs {
        Needs::Name(name) => {
            names.insert(name.clone());
        }
        Needs::All { all: list } | Needs::Any { any: list } | Needs::K { of: list, .. } => {
            list.iter().for_each(|needs| named(needs, names));
        }
    }
}

fn names(model: &Model, test: impl Fn(&Atom) -> bool) -> Set {
    model.atoms().iter().filter(|(_, atom)| test(atom)).map(|(name, _)| name.clone()).collect()
}

fn subsets(set: &Set) -> Vec<Set> {
    let mut subsets = vec![Set::new()];
    for name in set {
        for mut subset in subsets.clone() {
            subset.insert(name.clone());
            subsets.push(subset);
        }
    }
    subsets
}

fn minimal<'a>(sets: impl Iterator<Item = &'a Set>) -> Vec<Set> {
    let mut sets: Vec<&Set> = sets.collect();
    sets.sort_by_key(|set| (set.len(), set.iter().collect::<Vec<_>>()));
    let mut minimal: Vec<Set> = Vec::new();
    for set in sets {
        if !minimal.iter().any(|part| part.is_subset(set)) {
            minimal.push(set.clone());
        }
    }
    minimal
}

const OWN_POWERS: [&str; 5] = ["use:a", "use:b", "sign", "veto", "z"];

/// Needs over names that are drawn later, by index.
fn needs_strategy() -> impl Strategy<Value = Shape> {
    let leaf = any::<Index>().prop_map(Shape::Name);
    leaf.prop_recursive(2, 10, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 1..4).prop_map(Shape::All),
            vec(inner.clone(), 1..4).prop_map(Shape::Any),
            (any::<Index>(), vec(inner, 1..5)).prop_map(|(k, of)| Shape::K(k, of)),
        ]
    })
}

#[derive(Clone, Debug)]
enum Shape {
    Name(Index),
    All(Vec<Shape>),
    Any(Vec<Shape>),
    K(Index, Vec<Shape>),
}

impl Shape {
    fn needs(&self, names: &[String]) -> Needs {
        let each = |shapes: &[Shape]| shapes.iter().map(|shape| shape.needs(names)).collect::<Vec<_>>();
        match self {
            Self::Name(index) => Needs::Name(index.get(names).clone()),
            Self::All(shapes) => Needs::all(each(shapes)),
            Self::Any(shapes) => Needs::any(each(shapes)),
            Self::K(k, shapes) => Needs::k(k.index(shapes.len()) as u64 + 1, each(shapes)),
        }
    }
}

#[derive(Clone, Debug)]
struct RuleShape {
    power: &'static str,
    limit: Option<Index>,
    needs: Shape,
    after: u64,
    cancel: Option<Index>,
    evidence: Evidence,
}

fn rule_strategy() -> impl Strategy<Value = RuleShape> {
    let power = select(vec![
        "move", "move", "move", "rule", "recover", "recover", "use:a", "use:b", "sign", "veto", "veto", "z",
    ]);
    let after = prop_oneof![3 => Just(0_u64), 1 => select(vec![1, 2, 3, 5, 10])];
    let evidence = select(vec![Evidence::Proved, Evidence::Signed, Evidence::Unknown]);
    let maybe = |weight| proptest::option::weighted(weight, any::<Index>());
    (power, maybe(0.4), needs_strategy(), after, maybe(0.35), evidence).prop_map(
        |(power, limit, needs, after, cancel, evidence)| RuleShape {
            power,
            limit,
            needs,
            after,
            cancel,
            evidence,
        },
    )
}

type AtomShape = (Kind, Index, bool);

fn atom_strategy() -> impl Strategy<Value = AtomShape> {
    let kind = select(vec![Kind::Party, Kind::Party, Kind::Object, Kind::Doubt]);
    (kind, any::<Index>(), proptest::bool::weighted(0.1))
}

fn model_strategy() -> impl Strategy<Value = Model> {
    let entities = subsequence(
        vec![
            ("ana", "user"),
            ("eve", "user"),
            ("acme", "provider"),
            ("bo", "guardian"),
            ("mail", "mail-host"),
        ],
        1..=5,
    );
    let limits = subsequence(vec![("gift", false), ("pay", true)], 0..=2);
    (entities, vec(atom_strategy(), 1..=8), limits, vec(rule_strategy(), 1..10))
        .prop_filter_map("a power may not cancel itself", |(entities, atoms, limits, rules)| {
            assemble(&entities, &atoms, &limits, &rules)
        })
}

/// Builds the model; a rule whose `cancel` closes a cycle loses it.
fn assemble(
    entities: &[(&str, &str)],
    atoms: &[AtomShape],
    limits: &[(&str, bool)],
    rules: &[RuleShape],
) -> Option<Model> {
    // Names whose order is neither that of the kinds nor that of the bits.
    let atom_names: Vec<String> =
        (0..atoms.len()).map(|index| format!("{}{index}", ["x", "B", "m"][index % 3])).collect();
    let head = |rule: &RuleShape| match (rule.power, rule.limit) {
        ("move", Some(limit)) if !limits.is_empty() => ("move", Some(limit.get(limits).0)),
        (power, _) => (power, None),
    };
    let mut known = atom_names.clone();
    known.extend(["move".to_owned(), "rule".to_owned(), "recover".to_owned()]);
    known.extend(limits.iter().map(|(name, _)| format!("move[{name}]")));
    known.extend(
        OWN_POWERS
            .iter()
            .filter(|power| rules.iter().any(|rule| head(rule).0 == **power))
            .map(|p| (*p).to_owned()),
    );

    let mut base = ModelBuilder::new("eip155:1:0x00");
    for (name, role) in entities {
        base = base.entity(*name, *role);
    }
    for (name, (kind, entity, guessable)) in atom_names.iter().zip(atoms) {
        let entity = Some(entity.get(entities).0.to_owned());
        base = base.atom(name, Atom { entity, kind: *kind, guessable: *guessable, says: None });
    }
    for (name, receivers) in limits {
        let receivers = if *receivers { vec!["merchants".to_owned()] } else { Vec::new() };
        base = base.limit(*name, Limit { receivers, ..Limit::default() });
    }
    let rule = |shape: &RuleShape, cancel: bool| {
        let (power, limit) = head(shape);
        Rule {
            power: power.to_owned(),
            limit: limit.map(str::to_owned),
            needs: shape.needs.needs(&known),
            after_seconds: shape.after,
            cancel: shape.cancel.filter(|_| cancel).map(|index| index.get(&known).clone()),
            because: "of a test".to_owned(),
            evidence: shape.evidence,
        }
    };
    // First without any cancel, so that every head is known; then each cancel that is allowed.
    let mut cancels: Vec<bool> = vec![false; rules.len()];
    let build = |cancels: &[bool]| {
        let mut builder = base.clone();
        for (shape, cancel) in rules.iter().zip(cancels) {
            builder = builder.rule(rule(shape, *cancel));
        }
        builder.build()
    };
    for index in 0..rules.len() {
        cancels[index] = true;
        cancels[index] = build(&cancels).is_ok();
    }
    build(&cancels).ok()
}

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
