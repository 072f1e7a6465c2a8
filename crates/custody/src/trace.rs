//! Why a coalition reaches a power: one derivation, told in sentences.
//!
//! Among all derivations, the one told reaches every power at its earliest time, then rests on the
//! strongest evidence (the weakest rule used is as strong as can be), then has the fewest steps on
//! its longest path, then takes rules and needs in the order of the file.

use std::collections::{BTreeSet, HashMap};

use crate::model::{Evidence, Model};
use crate::names::Sentences;
use crate::program::{Node, Program, Step};
use crate::reach::Reach;
use crate::words;

/// Tells derivations of one power.
pub(crate) struct Tracer<'a> {
    model: &'a Model,
    reach: &'a Reach,
    goal: usize,
    /// The powers that the goal can rest on.
    powers: BTreeSet<usize>,
    /// The steps that reach them, in the order of the file.
    steps: Vec<(usize, &'a Step)>,
    sentences: Vec<String>,
    /// By step: how many of which variables meet its needs, where these are nothing else. A quorum of twenty
    /// parties is told a hundred thousand times.
    quorums: Vec<Option<(u32, u32)>>,
    /// What is said of each variable that is a doubt.
    doubts: Vec<(u32, String)>,
    /// These variables.
    doubts_set: u32,
    /// The evidence that there is, the strongest first.
    grades: BTreeSet<Evidence>,
}

/// A derivation told.
pub(crate) struct Trace {
    pub(crate) evidence: Evidence,
    pub(crate) sentences: Vec<String>,
}

/// How a power was derived: in which round and by which step.
#[derive(Clone, Copy)]
struct Derived {
    round: usize,
    step: usize,
}

/// One coalition's derivation in progress; its room serves the next coalition again.
#[derive(Default)]
struct Search {
    coalition: u32,
    /// By power: when the coalition reaches it.
    seconds: Vec<Option<u64>>,
    /// By power: how, once that is found.
    derived: Vec<Option<Derived>>,
    /// Powers derived in this round, with their steps.
    news: Vec<(usize, usize)>,
    told: Told,
}

/// Tells derivations of many coalitions: what they have in common is said once.
pub(crate) struct Teller<'a> {
    tracer: Tracer<'a>,
    search: Search,
    key: Vec<usize>,
    said: HashMap<Vec<usize>, (Evidence, Sentences)>,
}

impl<'a> Teller<'a> {
    pub(crate) fn new(model: &'a Model, reach: &'a Reach, goal: usize) -> Self {
        let tracer = Tracer::new(model, reach, goal);
        Self { tracer, search: Search::default(), key: Vec::new(), said: HashMap::new() }
    }

    /// Tells how this coalition reaches the goal, which it does.
    pub(crate) fn tell(&mut self, coalition: u32) -> (Evidence, Sentences) {
        self.tracer.search(&mut self.search, coalition);
        self.search.told.key(coalition & self.tracer.doubts_set, &mut self.key);
        if let Some(said) = self.said.get(self.key.as_slice()) {
            return said.clone();
        }
        let Trace { evidence, sentences } = self.tracer.trace(coalition, &self.search.told);
        let said = (evidence, Sentences::from(sentences));
        self.said.insert(self.key.clone(), said.clone());
        said
    }
}

impl<'a> Tracer<'a> {
    pub(crate) fn new(model: &'a Model, reach: &'a Reach, goal: usize) -> Self {
        Self::opposed(model, reach, goal, true)
    }

    /// Tells derivations that somebody may still stop, from a `reach` in which nobody does.
    pub(crate) fn unopposed(model: &'a Model, reach: &'a Reach, goal: usize) -> Self {
        Self::opposed(model, reach, goal, false)
    }

    fn opposed(model: &'a Model, reach: &'a Reach, goal: usize, opposed: bool) -> Self {
        let program = model.program();
        let powers = support(program, goal);
        let steps = program.steps.iter().enumerate().filter(|(_, step)| powers.contains(&step.power));
        let sentences = program.steps.iter().map(|step| sentence(model, step, opposed)).collect();
        let quorums = program.steps.iter().map(|step| quorum(&step.needs)).collect();
        let doubts = (0..).zip(&program.variables).filter(|(_, variable)| variable.doubt);
        let doubts: Vec<_> =
            doubts.map(|(bit, variable)| (bit, supposition(model, &variable.name))).collect();
        let doubts_set = doubts.iter().fold(0, |set, (bit, _): &(u32, _)| set | 1 << bit);
        let steps: Vec<_> = steps.collect();
        let grades = steps.iter().map(|(_, step)| step.evidence).collect();
        Self { model, reach, goal, steps, powers, sentences, quorums, doubts, doubts_set, grades }
    }

    /// Tells how this coalition reaches the goal, which it does.
    pub(crate) fn tell(&self, coalition: u32) -> Trace {
        let mut search = Search::default();
        self.search(&mut search, coalition);
        self.trace(coalition, &search.told)
    }

    /// Finds the derivation of a coalition.
    fn search(&self, search: &mut Search, coalition: u32) {
        let powers = self.model.program().powers.len();
        search.coalition = coalition;
        search.seconds.clear();
        search.seconds.resize(powers, None);
        search.derived.clear();
        search.derived.resize(powers, None);
        for power in &self.powers {
            if let Some(seconds) = search.seconds.get_mut(*power) {
                *seconds = self.reach.seconds(*power, coalition);
            }
        }
        self.derive(search);
        let mut told = std::mem::take(&mut search.told);
        told.steps.clear();
        told.guessed.clear();
        self.collect(search, self.goal, &mut told);
        search.told = told;
    }

    /// Derives powers with ever weaker evidence until the goal is among them.
    fn derive(&self, search: &mut Search) {
        let mut round = 0;
        for evidence in self.grades.iter().copied() {
            loop {
                if search.derived(self.goal).is_some() {
                    return;
                }
                self.round(search, evidence);
                if search.news.is_empty() {
                    break;
                }
                for (power, step) in &search.news {
                    if let Some(derived) = search.derived.get_mut(*power) {
                        derived.get_or_insert(Derived { round, step: *step });
                    }
                }
                round += 1;
            }
        }
    }

    fn round(&self, search: &mut Search, evidence: Evidence) {
        let mut found = std::mem::take(&mut search.news);
        found.clear();
        let news = self.steps.iter().filter(|(index, step)| {
            step.evidence <= evidence
                && search.derived(step.power).is_none()
                && search.due(step).is_some_and(|by| self.meets(search, *index, step, by))
                && !self.reach.is_blocked(*index, search.coalition)
        });
        found.extend(news.map(|(index, step)| (step.power, *index)));
        search.news = found;
    }

    fn meets(&self, search: &Search, index: usize, step: &Step, by: u64) -> bool {
        match self.quorum(index) {
            Some((k, variables)) => (search.coalition & variables).count_ones() >= k,
            None => search.meets(&step.needs, by, usize::MAX),
        }
    }

    fn quorum(&self, index: usize) -> Option<(u32, u32)> {
        self.quorums.get(index).copied().flatten()
    }

    /// Collects the steps below a power, each once and after those it rests on.
    fn collect(&self, search: &Search, power: usize, told: &mut Told) {
        let Some(Derived { round, step: index }) = search.derived(power) else { return };
        let Some(step) = self.model.program().steps.get(index) else { return };
        let Some(by) = search.due(step) else { return };
        if told.steps.contains(&index) {
            return;
        }
        let mut chosen = Chosen::default();
        // Variables rest on nothing.
        if self.quorum(index).is_none() {
            search.choose(&step.needs, by, round, &mut chosen);
        }
        told.guessed.extend(chosen.guessed);
        for power in chosen.powers {
            self.collect(search, power, told);
        }
        told.steps.push(index);
    }

    fn trace(&self, coalition: u32, told: &Told) -> Trace {
        let program = self.model.program();
        let used = || told.steps.iter().filter_map(|index| program.steps.get(*index));
        let evidence = used().map(|step| step.evidence).max().unwrap_or_default();
        let mut sentences = Vec::new();
        for name in told.guessed.iter().filter_map(|index| program.guessable.get(*index)) {
            sentences.push(format!("{name}: everybody has or can guess `{name}`"));
        }
        let supposed = self.doubts.iter().filter(|(bit, _)| coalition >> bit & 1 == 1);
        sentences.extend(supposed.map(|(_, sentence)| sentence.clone()));
        sentences.extend(told.steps.iter().filter_map(|index| self.sentences.get(*index)).cloned());
        Trace { evidence, sentences }
    }
}

/// So many of these variables, each named once, if that is all that is needed.
fn quorum(needs: &Node) -> Option<(u32, u32)> {
    let Node::Of(k, nodes) = needs else { return None };
    let variables = nodes.iter().try_fold(0_u32, |set, node| match node {
        Node::Variable(variable) if set >> variable & 1 == 0 => Some(set | 1 << variable),
        _ => None,
    })?;
    Some((u32::try_from(*k).ok()?, variables))
}

/// What a derivation uses: steps, each after those it rests on, and guessable atoms.
#[derive(Default)]
struct Told {
    steps: Vec<usize>,
    guessed: BTreeSet<usize>,
}

impl Told {
    /// All that the sentences depend on.
    fn key(&self, doubts: u32, key: &mut Vec<usize>) {
        key.clear();
        key.push(doubts as usize);
        key.push(self.steps.len());
        key.extend(self.steps.iter().chain(&self.guessed));
    }
}

/// What the needs of one step rest on: powers and guessable atoms.
#[derive(Default)]
struct Chosen {
    powers: Vec<usize>,
    guessed: Vec<usize>,
}

impl Search {
    fn seconds(&self, power: usize) -> Option<u64> {
        self.seconds.get(power).copied().flatten()
    }

    fn derived(&self, power: usize) -> Option<Derived> {
        self.derived.get(power).copied().flatten()
    }

    /// By when the needs of a step must be met for its power to be reached at its earliest time.
    fn due(&self, step: &Step) -> Option<u64> {
        self.seconds(step.power)?.checked_sub(step.after_seconds)
    }

    /// Whether needs are met by `by` with what was derived before `round`.
    fn meets(&self, node: &Node, by: u64, round: usize) -> bool {
        match node {
            Node::Always(_) => true,
            Node::Variable(variable) => self.coalition >> variable & 1 == 1,
            Node::Power(power) => {
                self.derived(*power).is_some_and(|derived| derived.round < round)
                    && self.seconds(*power).is_some_and(|seconds| seconds <= by)
            }
            Node::Of(k, nodes) => {
                nodes.iter().filter(|node| self.meets(node, by, round)).take(*k).count() == *k
            }
        }
    }

    /// What needs rest on: of several that would do, the first as written.
    fn choose(&self, node: &Node, by: u64, round: usize, chosen: &mut Chosen) {
        match node {
            Node::Always(index) => chosen.guessed.push(*index),
            Node::Variable(_) => {}
            Node::Power(power) => chosen.powers.push(*power),
            Node::Of(k, nodes) => {
                for node in nodes.iter().filter(|node| self.meets(node, by, round)).take(*k) {
                    self.choose(node, by, round, chosen);
                }
            }
        }
    }
}

/// The powers on which `goal` can rest, itself included.
pub(crate) fn support(program: &Program, goal: usize) -> BTreeSet<usize> {
    let mut support = BTreeSet::from([goal]);
    let mut open = vec![goal];
    while let Some(power) = open.pop() {
        for step in program.steps.iter().filter(|step| step.power == power) {
            step.needs.powers(&mut |below| {
                if support.insert(below) {
                    open.push(below);
                }
            });
        }
    }
    support
}

/// A doubt as a sentence.
fn supposition(model: &Model, doubt: &str) -> String {
    let says = model.atoms().get(doubt).and_then(|atom| atom.says.as_deref());
    format!("{doubt}: supposing that {}", says.unwrap_or("it holds"))
}

/// A step as a sentence: the power, the reason, the delay, what did not stop it.
fn sentence(model: &Model, step: &Step, opposed: bool) -> String {
    let power = model.program().powers.get(step.power).map_or("", String::as_str);
    let Some(rule) = step.text.and_then(|index| model.rules().get(index)) else {
        return match &step.needs {
            Node::Power(0) => format!("{power}: whoever can move anything can move this"),
            _ => format!("{power}: whoever sets the conditions takes the funds"),
        };
    };
    let mut sentence =
        format!("{power}: {}", if rule.because.is_empty() { "no reason given" } else { &rule.because });
    if rule.after_seconds > 0 {
        sentence.push_str(&format!(" ({})", words::when(rule.after_seconds)));
    }
    if let Some(cancel) = &rule.cancel {
        sentence.push_str(&match opposed {
            true => format!(", and nobody else reaches `{cancel}` in time to stop it"),
            false => format!(", unless somebody else reaches `{cancel}` in time to stop it"),
        });
    }
    sentence
}
