//! What a coalition would reach if nobody stopped it, who can stop it, and how.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::evaluate::{EvaluateError, Lists};
use crate::model::Model;
use crate::program::{Node, Program, Step, Variable};
use crate::reach::Reach;
use crate::table::Table;
use crate::trace::{Trace, Tracer, support};
use crate::words::{self, Verb, numbered, wrap};

/// The most ways to cancel that are told apart.
const CANCELS_MAX: usize = 64;
/// The most combinations of them that are worked out.
const PATTERNS_MAX: usize = 4_096;

/// What a coalition reaches sooner, or at all, if nobody stops it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attempt {
    /// The power.
    pub power: String,
    /// When the coalition has it if nobody stops it: the time to notice and to act.
    pub seconds: u64,
    /// When it has it all the same; `None` is never.
    pub opposed_seconds: Option<u64>,
    /// The attempt in sentences.
    pub trace: Vec<String>,
    /// The least sets of others that stop it as well as all others together.
    pub stops: Vec<Stop>,
    /// The attempt in words.
    pub sentence: String,
}

/// Who can stop an attempt, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    /// Parties and objects, by name; none if everybody can.
    pub who: Vec<String>,
    /// What they must reach, by when after the attempt began, and how they do, in sentences.
    pub how: Vec<String>,
    /// The same in words.
    pub sentence: String,
}

/// Both sides of every cancellation of a model.
pub(crate) struct Opposition<'a> {
    model: &'a Model,
    reach: &'a Reach,
    unopposed: Reach,
    cancels: Vec<Cancel<'a>>,
}

/// A way to stop rules: what must be reached, and by when.
struct Cancel<'a> {
    name: &'a str,
    node: &'a Node,
    within_seconds: u64,
    /// The steps that it stops.
    steps: BTreeSet<usize>,
}

impl<'a> Opposition<'a> {
    pub(crate) fn new(model: &'a Model, reach: &'a Reach) -> Result<Self, EvaluateError> {
        let program = model.program();
        let steps = program.steps.iter().map(|step| Step { cancel: None, ..step.clone() });
        let unopposed = Reach::compute(&Program { steps: steps.collect(), ..program.clone() })?;
        let mut cancels: Vec<Cancel<'_>> = Vec::new();
        for (index, step) in program.steps.iter().enumerate() {
            let rule = step.text.and_then(|text| model.rules().get(text));
            let (Some(node), Some(name)) = (&step.cancel, rule.and_then(|rule| rule.cancel.as_deref()))
            else {
                continue;
            };
            let within_seconds = step.after_seconds;
            let same =
                |cancel: &&mut Cancel<'_>| cancel.name == name && cancel.within_seconds == within_seconds;
            match cancels.iter_mut().find(same) {
                Some(cancel) => drop(cancel.steps.insert(index)),
                None => cancels.push(Cancel { name, node, within_seconds, steps: BTreeSet::from([index]) }),
            }
        }
        if cancels.len() > CANCELS_MAX {
            Err(EvaluateError::Work)
        } else {
            Ok(Self { model, reach, unopposed, cancels })
        }
    }

    /// When the coalition has the power if nobody stops it.
    pub(crate) fn unopposed_seconds(&self, power: usize, coalition: u32) -> Option<u64> {
        self.unopposed.seconds(power, coalition)
    }

    /// What the coalition would reach sooner if nobody stopped it; none if nobody can.
    pub(crate) fn attempt(
        &self,
        power: usize,
        coalition: u32,
        lists: &mut Lists<'_>,
    ) -> Result<Option<Attempt>, EvaluateError> {
        let Some(seconds) = self.unopposed.seconds(power, coalition) else { return Ok(None) };
        let opposed_seconds = self.reach.seconds(power, coalition);
        if opposed_seconds == Some(seconds) {
            return Ok(None);
        }
        let Trace { sentences: trace, .. } =
            Tracer::unopposed(self.model, &self.unopposed, power).tell(coalition);
        let stops = self.stops(power, coalition, opposed_seconds, lists)?;
        let stops = stops.into_iter().map(|set| self.stop(power, set, lists)).collect();
        let name = self.model.program().powers.get(power).map_or("", String::as_str);
        let doubts = lists.names(coalition & lists.doubts);
        let who = words::coalition(self.model, &lists.names(coalition), &doubts);
        let comma = if doubts.is_empty() { "" } else { "," };
        let verb = Verb::of(self.model, name).phrase();
        let otherwise = match opposed_seconds {
            Some(seconds) => format!("; stopped, only {}", words::when(seconds)),
            None => String::new(),
        };
        let sentence =
            format!("{who}{comma} can {verb} {}, unless somebody stops it{otherwise}.", words::when(seconds));
        Ok(Some(Attempt { power: name.to_owned(), seconds, opposed_seconds, trace, stops, sentence }))
    }

    /// The least sets of others against which the coalition does no better than against all of them.
    fn stops(
        &self,
        power: usize,
        coalition: u32,
        opposed: Option<u64>,
        lists: &mut Lists<'_>,
    ) -> Result<Vec<u32>, EvaluateError> {
        let all = ((1_u64 << self.model.program().solid) - 1) as u32;
        let free = Scalar::new(self.model.program(), coalition);
        // Which rules are stopped decides, and few sets of rules can be.
        let mut patterns: HashMap<u64, bool> = HashMap::new();
        let mut ways: Vec<u64> = Vec::new();
        let pattern = |defenders: u32| {
            let stops = |cancel: &Cancel<'_>| {
                let seconds = self.reach.node_seconds(cancel.node, defenders);
                seconds.is_some_and(|seconds| seconds <= cancel.within_seconds)
            };
            (0..).zip(&self.cancels).fold(0, |set, (bit, cancel)| set | u64::from(stops(cancel)) << bit)
        };
        for set in 0..1_u64 << self.model.program().solid {
            let set = pattern(set as u32 & !coalition);
            if let std::collections::hash_map::Entry::Vacant(entry) = patterns.entry(set) {
                entry.insert(false);
                ways.push(set);
                if ways.len() > PATTERNS_MAX {
                    return Err(EvaluateError::Work);
                }
            }
        }
        for set in ways {
            let stopped = (0..).zip(&self.cancels).filter(|(bit, _)| set >> bit & 1 == 1);
            let stopped = stopped.flat_map(|(_, cancel)| &cancel.steps).copied().collect();
            let seconds = free.seconds(power, &stopped)?;
            let held = match (seconds, opposed) {
                (None, _) => true,
                (Some(seconds), Some(opposed)) => seconds >= opposed,
                (Some(_), None) => false,
            };
            patterns.insert(set, held);
        }
        let holds = |set: u32| patterns.get(&pattern(set & all & !coalition)).copied().unwrap_or(false);
        lists.minimal(&Table::from_fn(self.model.program().solid, holds))
    }

    fn stop(&self, power: usize, set: u32, lists: &Lists<'_>) -> Stop {
        let program = self.model.program();
        let below = support(program, power);
        let concerned = |cancel: &&Cancel<'_>| {
            let seconds = self.reach.node_seconds(cancel.node, set);
            let steps = cancel.steps.iter().filter_map(|step| program.steps.get(*step));
            seconds.is_some_and(|seconds| seconds <= cancel.within_seconds)
                && steps.into_iter().any(|step| below.contains(&step.power))
        };
        let (mut how, mut acts) = (Vec::new(), Vec::new());
        for cancel in self.cancels.iter().filter(concerned) {
            acts.push(format!("`{}` within {}", cancel.name, words::duration(cancel.within_seconds)));
            match cancel.node {
                Node::Power(power) => {
                    let told = Tracer::new(self.model, self.reach, *power).tell(set).sentences;
                    how.extend(told.into_iter().filter(|line| !how.contains(line)).collect::<Vec<_>>());
                }
                _ => how.push(format!("{}: they have it", cancel.name)),
            }
        }
        let who = lists.names(set);
        let reasons: Vec<_> = how
            .iter()
            .map(|line| line.split_once(": ").map_or(line.as_str(), |(_, reason)| reason))
            .collect();
        let sentence = format!(
            "{}, by {}: {}",
            words::coalition(self.model, &who, &[]),
            words::list(&acts),
            reasons.join("; ")
        );
        Stop { who, how, sentence }
    }
}

/// A model for one coalition only.
struct Scalar {
    program: Program,
}

impl Scalar {
    fn new(program: &Program, coalition: u32) -> Self {
        let step = |step: &Step| Step { needs: fixed(&step.needs, coalition), cancel: None, ..step.clone() };
        let steps = program.steps.iter().map(step).collect();
        Self { program: Program { variables: Vec::<Variable>::new(), solid: 0, steps, ..program.clone() } }
    }

    /// When the coalition reaches the power while these steps are stopped.
    fn seconds(&self, power: usize, stopped: &BTreeSet<usize>) -> Result<Option<u64>, EvaluateError> {
        let mut program = self.program.clone();
        for (_, step) in program.steps.iter_mut().enumerate().filter(|(index, _)| stopped.contains(index)) {
            step.needs = Node::Of(1, Vec::new());
        }
        Ok(Reach::compute(&program)?.seconds(power, 0))
    }
}

/// The condition with its atoms decided.
fn fixed(node: &Node, coalition: u32) -> Node {
    match node {
        Node::Always(_) | Node::Power(_) => node.clone(),
        Node::Variable(variable) if coalition >> variable & 1 == 1 => Node::Of(0, Vec::new()),
        Node::Variable(_) => Node::Of(1, Vec::new()),
        Node::Of(k, nodes) => Node::Of(*k, nodes.iter().map(|node| fixed(node, coalition)).collect()),
    }
}

impl Attempt {
    /// The attempt as part of a page.
    pub(crate) fn page(&self) -> String {
        let mut page = wrap("  ", &self.sentence);
        for line in &self.trace {
            page.push_str(&wrap("    - ", line));
        }
        page.push_str("  Who can stop it:\n");
        page.push_str(&numbered(self.stops.iter().map(|stop| stop.sentence.clone())));
        page
    }
}
