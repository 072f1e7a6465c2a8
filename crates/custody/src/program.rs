//! A checked model with its names turned into numbers, ready to be evaluated.

use std::collections::{BTreeMap, HashMap};

use crate::check::{MOVE, ModelError, RECOVER, RULE};
use crate::graph;
use crate::model::{Evidence, Kind, Source};
use crate::needs::Needs;

/// A condition over variables and powers.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    /// Met by everybody: the guessable atom with this index.
    Always(usize),
    /// The atom with this variable.
    Variable(u32),
    /// The power with this index.
    Power(usize),
    /// At least `k` of these.
    Of(usize, Vec<Node>),
}

/// A rule over numbers. `text` is its index in the file; rules that the format implies have none.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) power: usize,
    pub(crate) needs: Node,
    pub(crate) after_seconds: u64,
    pub(crate) cancel: Option<Node>,
    pub(crate) evidence: Evidence,
    pub(crate) text: Option<usize>,
}

/// An atom that is not guessable.
#[derive(Clone, Debug)]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) doubt: bool,
}

/// Powers that depend on each other, or one alone.
#[derive(Clone, Debug)]
pub(crate) struct Component {
    /// Indices of powers.
    pub(crate) members: Vec<usize>,
    /// Indices of the steps that reach a member, in the order of the file.
    pub(crate) steps: Vec<usize>,
}

/// The whole model over numbers.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// Parties and objects first, then doubts, each by name: bit `i` of a coalition is variable `i`.
    pub(crate) variables: Vec<Variable>,
    /// Names of guessable atoms.
    pub(crate) guessable: Vec<String>,
    /// How many variables are parties or objects.
    pub(crate) solid: u32,
    /// Names of powers: `move`, `rule`, `recover`, each `move[limit]`, then the model's own.
    pub(crate) powers: Vec<String>,
    /// How many of them are powers of the account, which the result lists.
    pub(crate) account_powers: usize,
    /// The rules of the file in its order, then those that the format implies.
    pub(crate) steps: Vec<Step>,
    /// In an order in which each depends on earlier ones only.
    pub(crate) components: Vec<Component>,
}

impl Program {
    /// Resolves every name and refuses cycles through `cancel`.
    pub(crate) fn compile(source: &Source) -> Result<Self, ModelError> {
        let variables = variables(source);
        let solid = variables.iter().filter(|variable| !variable.doubt).count();
        let account_powers = 3 + source.limits.len();
        let powers = powers(source);
        let guessable = guessable(source);
        let names = Names::new(source, &variables, &guessable, &powers);

        let mut steps = Vec::new();
        for (index, rule) in source.rules.iter().enumerate() {
            let head = rule.limit.as_ref().map_or_else(|| rule.power.clone(), |limit| bounded(limit));
            let place = format!("rules[{index}]");
            let cancel = rule.cancel.as_ref();
            steps.push(Step {
                power: names.power(&head, &place)?,
                needs: names.needs(&rule.needs, &format!("{place}.needs"))?,
                after_seconds: rule.after_seconds,
                cancel: cancel.map(|name| names.node(name, &format!("{place}.cancel"))).transpose()?,
                evidence: rule.evidence,
                text: Some(index),
            });
        }
        steps.extend(implied(account_powers));

        let components = components(&steps, powers.len());
        cancel_check(&components, &steps, source)?;
        let solid = u32::try_from(solid).unwrap_or(u32::MAX);
        Ok(Self { variables, guessable, solid, powers, account_powers, steps, components })
    }
}

/// The name of the power that a rule for `move` with this limit derives.
pub(crate) fn bounded(limit: &str) -> String {
    format!("{MOVE}[{limit}]")
}

fn variables(source: &Source) -> Vec<Variable> {
    let mut variables: Vec<_> = source
        .atoms
        .iter()
        .filter(|(_, atom)| !atom.guessable)
        .map(|(name, atom)| Variable { name: name.clone(), doubt: atom.kind == Kind::Doubt })
        .collect();
    variables.sort_by_key(|variable| variable.doubt);
    variables
}

fn guessable(source: &Source) -> Vec<String> {
    let guessable = source.atoms.iter().filter(|(_, atom)| atom.guessable);
    guessable.map(|(name, _)| name.clone()).collect()
}

fn powers(source: &Source) -> Vec<String> {
    let mut powers = vec![MOVE.to_owned(), RULE.to_owned(), RECOVER.to_owned()];
    powers.extend(source.limits.keys().map(|limit| bounded(limit)));
    let mut own: Vec<_> = source.rules.iter().map(|rule| rule.power.clone()).collect();
    own.retain(|power| ![MOVE, RULE, RECOVER].contains(&power.as_str()));
    own.sort_unstable();
    own.dedup();
    powers.extend(own);
    powers
}

/// `rule` and `recover` imply `move`, and `move` implies each `move[limit]`.
fn implied(account_powers: usize) -> impl Iterator<Item = Step> {
    let step = |power, from| Step {
        power,
        needs: Node::Power(from),
        after_seconds: 0,
        cancel: None,
        evidence: Evidence::Proved,
        text: None,
    };
    [step(0, 1), step(0, 2)].into_iter().chain((3..account_powers).map(move |limit| step(limit, 0)))
}

struct Names<'a> {
    source: &'a Source,
    nodes: HashMap<&'a str, Node>,
}

impl<'a> Names<'a> {
    fn new(
        source: &'a Source,
        variables: &'a [Variable],
        guessable: &'a [String],
        powers: &'a [String],
    ) -> Self {
        let mut nodes = HashMap::new();
        nodes.extend(guessable.iter().enumerate().map(|(index, name)| (name.as_str(), Node::Always(index))));
        nodes.extend(
            (0..).zip(variables).map(|(index, variable)| (variable.name.as_str(), Node::Variable(index))),
        );
        nodes.extend(powers.iter().enumerate().map(|(index, power)| (power.as_str(), Node::Power(index))));
        Self { source, nodes }
    }

    fn node(&self, name: &str, place: &str) -> Result<Node, ModelError> {
        self.nodes.get(name).cloned().ok_or_else(|| {
            let hint = if self.source.entities.contains_key(name) {
                "; it is an entity, so name one of its atoms"
            } else {
                "; add the atom or the rule"
            };
            ModelError::Unknown { place: place.to_owned(), name: name.escape_debug().to_string(), hint }
        })
    }

    fn power(&self, name: &str, place: &str) -> Result<usize, ModelError> {
        match self.node(name, place)? {
            Node::Power(index) => Ok(index),
            _ => Err(ModelError::Clash { name: name.to_owned(), place: format!("{place}.power") }),
        }
    }

    fn needs(&self, needs: &Needs, place: &str) -> Result<Node, ModelError> {
        let (list, k, inner) = match needs {
            Needs::Name(name) => return self.node(name, place),
            Needs::All { all } => ("all", all.len(), all),
            Needs::Any { any } => ("any", 1, any),
            Needs::K { k, of } => ("of", usize::try_from(*k).unwrap_or(usize::MAX), of),
        };
        let nodes = inner
            .iter()
            .enumerate()
            .map(|(index, needs)| self.needs(needs, &format!("{place}.{list}[{index}]")));
        Ok(Node::Of(k, nodes.collect::<Result<_, _>>()?))
    }
}

impl Node {
    /// Calls `visit` with each power that is named here.
    pub(crate) fn powers(&self, visit: &mut impl FnMut(usize)) {
        match self {
            Self::Always(_) | Self::Variable(_) => {}
            Self::Power(power) => visit(*power),
            Self::Of(_, nodes) => nodes.iter().for_each(|node| node.powers(visit)),
        }
    }
}

impl Step {
    /// Calls `visit` with each power that this step depends on.
    fn depends(&self, visit: &mut impl FnMut(usize)) {
        self.needs.powers(visit);
        if let Some(cancel) = &self.cancel {
            cancel.powers(visit);
        }
    }
}

fn components(steps: &[Step], powers: usize) -> Vec<Component> {
    let mut edges = vec![Vec::new(); powers];
    let mut steps_of: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, step) in steps.iter().enumerate() {
        if let Some(edges) = edges.get_mut(step.power) {
            step.depends(&mut |power| edges.push(power));
        }
        steps_of.entry(step.power).or_default().push(index);
    }
    let component = |members: Vec<usize>| {
        let mut steps: Vec<usize> =
            members.iter().filter_map(|power| steps_of.get(power)).flatten().copied().collect();
        steps.sort_unstable();
        Component { members, steps }
    };
    graph::components(&edges).into_iter().map(component).collect()
}

/// A cancelled power and what cancels it must not depend on each other.
fn cancel_check(components: &[Component], steps: &[Step], source: &Source) -> Result<(), ModelError> {
    let mut component_of = HashMap::new();
    for (index, component) in components.iter().enumerate() {
        component_of.extend(component.members.iter().map(|member| (*member, index)));
    }
    for step in steps {
        let (Some(Node::Power(cancel)), Some(index)) = (&step.cancel, step.text) else { continue };
        if component_of.get(cancel) == component_of.get(&step.power)
            && let Some(rule) = source.rules.get(index)
        {
            return Err(ModelError::CancelCycle {
                place: format!("rules[{index}].cancel"),
                power: rule.limit.as_ref().map_or_else(|| rule.power.clone(), |limit| bounded(limit)),
                cancel: rule.cancel.clone().unwrap_or_default(),
            });
        }
    }
    Ok(())
}
