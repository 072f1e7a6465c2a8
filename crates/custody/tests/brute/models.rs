//! Random models, and random changes of them.

use cohold_custody::{Atom, Evidence, Kind, Limit, Model, ModelBuilder, Needs, Rule};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::{Index, select, subsequence};

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

pub(crate) fn model_strategy() -> impl Strategy<Value = Model> {
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

/// One change of a model; the indices are taken modulo what there is.
#[derive(Clone, Debug)]
pub(crate) enum Mutation {
    DropRule(Index),
    DropCancel(Index),
    Delay(Index, u64),
    Needs(Index, Index),
    Owner(Index, Index),
    Guessable(Index),
    Says(Index),
    Amount(Index, Option<u8>),
    Window(Index, Option<u64>),
    Receivers(Index, usize),
    /// A second limit like this one, reached by the same rules.
    Twin(Index),
    NewName(Index),
}

pub(crate) fn mutation_strategy() -> impl Strategy<Value = Mutation> {
    let index = any::<Index>;
    let amount = proptest::option::weighted(0.8, 0_u8..6);
    let window = proptest::option::weighted(0.8, select(vec![1_u64, 2, 3, 6]));
    prop_oneof![
        1 => index().prop_map(Mutation::DropRule),
        1 => index().prop_map(Mutation::DropCancel),
        1 => (index(), 0_u64..6).prop_map(|(rule, delay)| Mutation::Delay(rule, delay)),
        1 => (index(), index()).prop_map(|(rule, from)| Mutation::Needs(rule, from)),
        1 => (index(), index()).prop_map(|(atom, entity)| Mutation::Owner(atom, entity)),
        1 => index().prop_map(Mutation::Guessable),
        1 => index().prop_map(Mutation::Says),
        3 => (index(), amount).prop_map(|(limit, amount)| Mutation::Amount(limit, amount)),
        2 => (index(), window).prop_map(|(limit, window)| Mutation::Window(limit, window)),
        1 => (index(), 0_usize..3).prop_map(|(limit, count)| Mutation::Receivers(limit, count)),
        2 => index().prop_map(Mutation::Twin),
        1 => index().prop_map(Mutation::NewName),
    ]
}

/// The model with these changes; one that the format does not allow is left out.
pub(crate) fn mutated(model: &Model, mutations: &[Mutation]) -> Model {
    mutations.iter().fold(model.clone(), |model, mutation| mutate(&model, mutation).unwrap_or(model))
}

fn mutate(model: &Model, mutation: &Mutation) -> Option<Model> {
    let mut atoms = model.atoms().clone();
    let mut limits = model.limits().clone();
    let mut rules = model.rules().to_vec();
    let nth = |index: &Index, length: usize| (length > 0).then(|| index.index(length));
    let atom = |index: &Index| Some(model.atoms().keys().nth(nth(index, model.atoms().len())?)?.clone());
    let limit = |index: &Index| Some(model.limits().keys().nth(nth(index, model.limits().len())?)?.clone());
    match mutation {
        Mutation::DropRule(index) => drop(rules.remove(nth(index, rules.len())?)),
        Mutation::DropCancel(index) => rules[nth(index, model.rules().len())?].cancel = None,
        Mutation::Delay(index, delay) => rules[nth(index, model.rules().len())?].after_seconds = *delay,
        Mutation::Needs(index, from) => {
            let needs = rules[nth(from, rules.len())?].needs.clone();
            rules[nth(index, model.rules().len())?].needs = needs;
        }
        Mutation::Owner(index, entity) => {
            let entity = model.entities().keys().nth(entity.index(model.entities().len()))?;
            atoms.get_mut(&atom(index)?)?.entity = Some(entity.clone());
        }
        Mutation::Guessable(index) => {
            let atom = atoms.get_mut(&atom(index)?)?;
            atom.guessable = !atom.guessable;
        }
        Mutation::Says(index) => atoms.get_mut(&atom(index)?)?.says = Some("another thing".to_owned()),
        Mutation::Amount(index, amount) => {
            limits.get_mut(&limit(index)?)?.amount = amount.map(|amount| amount.to_string());
        }
        Mutation::Window(index, window) => limits.get_mut(&limit(index)?)?.window_seconds = *window,
        Mutation::Receivers(index, count) => {
            let receivers = ["merchants", "friends"].iter().take(*count).map(|to| (*to).to_owned());
            limits.get_mut(&limit(index)?)?.receivers = receivers.collect();
        }
        Mutation::Twin(index) => {
            let (name, twin) = (limit(index)?, format!("{}-twin", limit(index)?));
            limits.insert(twin.clone(), limits[&name].clone());
            let like = rules.iter().filter(|rule| rule.limit.as_ref() == Some(&name)).cloned();
            let like: Vec<_> = like.map(|rule| rule.limit(&twin)).collect();
            rules.extend(like);
        }
        Mutation::NewName(index) => {
            let (name, new) = (limit(index)?, format!("{}-new", limit(index)?));
            let limit = limits.remove(&name)?;
            limits.insert(new.clone(), limit);
            for rule in rules.iter_mut().filter(|rule| rule.limit.as_ref() == Some(&name)) {
                rule.limit = Some(new.clone());
            }
        }
    }
    let mut builder = ModelBuilder::new(model.account());
    for (name, entity) in model.entities() {
        builder = builder.entity(name, &entity.role);
    }
    builder = atoms.into_iter().fold(builder, |builder, (name, atom)| builder.atom(name, atom));
    builder = limits.into_iter().fold(builder, |builder, (name, limit)| builder.limit(name, limit));
    rules.into_iter().fold(builder, ModelBuilder::rule).build().ok()
}

/// Two models of the same atoms in which most can be done within limits only.
pub(crate) fn limited_strategy() -> impl Strategy<Value = (Model, Model)> {
    let limit = (0_u64..5, select(vec![0_u64, 1, 2, 4]), 0_usize..4, 0_usize..3);
    let rule = (any::<Index>(), vec(any::<Index>(), 1..3), 0_u64..3);
    let one = (vec(limit, 1..5), vec(rule, 1..7), proptest::bool::weighted(0.3));
    let model = one.prop_map(|(limits, rules, recover)| {
        let mut builder = ModelBuilder::new("eip155:1:0x00").entity("ana", "user").entity("acme", "provider");
        builder = builder.atom("phone", Atom::party("ana")).atom("paper", Atom::object("ana"));
        builder = builder.atom("node", Atom::party("acme")).atom("kept", Atom::doubt("a copy was kept"));
        let names: Vec<String> = (0..limits.len()).map(|index| format!("l{index}")).collect();
        for (name, (amount, window, receivers, unbounded)) in names.iter().zip(limits) {
            let receivers = ["merchants", "friends"].iter().take(receivers % 3).map(|to| (*to).to_owned());
            builder = builder.limit(
                name,
                Limit {
                    asset: None,
                    amount: (unbounded > 0 || amount > 2).then(|| amount.to_string()),
                    window_seconds: (window > 0).then_some(window),
                    receivers: receivers.collect(),
                },
            );
        }
        for (limit, needs, after) in rules {
            let atoms = needs.iter().map(|index| *index.get(&["phone", "paper", "node", "kept"]));
            let rule = Rule::new("move", Needs::all(atoms)).limit(limit.get(&names).clone());
            builder = builder.rule(rule.after_seconds(after));
        }
        if recover {
            builder = builder.rule(Rule::new("recover", Needs::all(["phone", "node"])).after_seconds(1));
        }
        builder.build().expect("a good model")
    });
    let model = std::sync::Arc::new(model);
    (model.clone(), model)
}
