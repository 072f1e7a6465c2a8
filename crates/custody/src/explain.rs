//! Whether a coalition has a power, and why; or what it lacks.

use serde::{Deserialize, Serialize};

use crate::evaluate::{EvaluateError, Lists};
use crate::model::{Evidence, Model};
use crate::oppose::{Attempt, Opposition};
use crate::reach::Reach;
use crate::table::Table;
use crate::trace::{Trace, Tracer};
use crate::who::{self, WhoError};
use crate::words::{self, Verb, numbered, wrap};

/// The name under which freezing can be asked for, where no power of the model has it.
pub const FREEZE: &str = "freeze";

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExplainError {
    /// A power that the model does not have.
    #[error("`{power}` is no power of the model; there are {known}")]
    Power {
        /// The power, escaped.
        power: String,
        /// The powers that there are.
        known: String,
    },
    /// A name that means nobody.
    #[error(transparent)]
    Who(#[from] WhoError),
    /// The model cannot be evaluated.
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
}

/// A question with its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The account.
    pub account: String,
    /// The power that was asked for.
    pub power: String,
    /// The coalition that was asked about: names of parties, objects and doubts.
    pub by: Vec<String>,
    /// Whether it has the power.
    #[serde(flatten)]
    pub answer: Answer,
    /// The answer in words.
    pub sentence: String,
}

/// Whether a coalition has a power.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "lowercase")]
pub enum Answer {
    /// It has.
    Yes {
        /// When it has; none for freezing, which has no time.
        seconds: Option<u64>,
        /// The weakest evidence that the proof rests on; none for freezing, which rests on there
        /// being no other way.
        evidence: Option<Evidence>,
        /// The proof in sentences, each after those that it rests on.
        trace: Vec<String>,
    },
    /// It has not.
    No {
        /// The least sets that would complete it, by size and name; none if nothing would.
        missing: Vec<Missing>,
        /// How it would have the power if nobody stopped it, and who can.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        attempt: Option<Box<Attempt>>,
    },
}

/// What would complete a coalition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Missing {
    /// Parties, objects and doubts, by name.
    pub atoms: Vec<String>,
    /// Those of them that are doubts.
    pub doubts: Vec<String>,
    /// When the completed coalition has the power; none for freezing, which has no time.
    pub seconds: Option<u64>,
    /// The set in words.
    pub sentence: String,
}

/// Answers whether those named have a power, by the truth table: with the proof, or with the least
/// sets that would complete them. What they lack may also be something with which others stop them.
///
/// `power` is any power of the model, `move[limit]` and its own names included, or [`FREEZE`]. `by`
/// names atoms, entities (all their parties and objects) or roles, the first that fits.
///
/// # Errors
/// An unknown power or name, and whatever [`evaluate`](crate::evaluate) refuses.
pub fn explain(model: &Model, power: &str, by: &[String]) -> Result<Explanation, ExplainError> {
    let program = model.program();
    let index = program.powers.iter().position(|name| name == power);
    if index.is_none() && power != FREEZE {
        let known = who::listed(program.powers.iter().chain([&FREEZE.to_owned()]));
        return Err(ExplainError::Power { power: who::shown(power), known });
    }
    let coalition = who::coalition(model, by)?;
    let reach = Reach::compute(program)?;
    let mut asked = Asked { model, reach: &reach, lists: Lists::new(program), coalition };
    let answer = match index {
        Some(index) => asked.power(index)?,
        None => asked.freeze()?,
    };
    let by = asked.lists.names(coalition);
    let verb = match index {
        Some(_) => Verb::of(model, power).phrase(),
        None => "freeze the funds".to_owned(),
    };
    let sentence = sentence(&asked.who(coalition), &verb, &answer);
    Ok(Explanation { account: model.account().to_owned(), power: power.to_owned(), by, answer, sentence })
}

fn sentence(who: &str, verb: &str, answer: &Answer) -> String {
    match answer {
        Answer::Yes { seconds: Some(seconds), .. } => {
            format!("Yes: {who} can {verb} {}.", words::when(*seconds))
        }
        Answer::Yes { seconds: None, .. } => {
            format!("Yes: {who} can {verb}: nobody else can then move them.")
        }
        Answer::No { .. } => format!("No: {who} cannot {verb}."),
    }
}

struct Asked<'a> {
    model: &'a Model,
    reach: &'a Reach,
    lists: Lists<'a>,
    coalition: u32,
}

impl Asked<'_> {
    fn power(&mut self, power: usize) -> Result<Answer, ExplainError> {
        if let Some(seconds) = self.reach.seconds(power, self.coalition) {
            let Trace { evidence, sentences: trace } =
                Tracer::new(self.model, self.reach, power).tell(self.coalition);
            return Ok(Answer::Yes { seconds: Some(seconds), evidence: Some(evidence), trace });
        }
        let table = self.reach.ever(power);
        let missing = self.missing(|set| table.has(set))?;
        let seconds = |set| self.reach.seconds(power, self.coalition | set);
        let missing = missing.into_iter().filter_map(|set| Some((set, seconds(set)?)));
        let missing = missing.map(|(set, seconds)| self.completes(set, Some(seconds))).collect();
        let attempt =
            Opposition::new(self.model, self.reach)?.attempt(power, self.coalition, &mut self.lists)?;
        Ok(Answer::No { missing, attempt: attempt.map(Box::new) })
    }

    fn freeze(&mut self) -> Result<Answer, ExplainError> {
        let program = self.model.program();
        let solid = ((1_u64 << program.solid) - 1) as u32;
        let moves = self.reach.ever(0);
        if !moves.has(solid & !self.coalition) {
            let doubts = self.lists.doubts;
            let without = |set: &u32| set & doubts == 0;
            let ways: Vec<u32> = self.lists.minimal(&moves)?.into_iter().filter(without).collect();
            let needs = |way: u32| {
                let (way, held) = (self.who(way), self.who(way & self.coalition));
                format!("{way}: cannot move without {held}")
            };
            let mut trace: Vec<_> = ways.into_iter().map(needs).collect();
            if trace.is_empty() {
                trace.push("nobody at all can move, unless a doubt comes true".to_owned());
            }
            return Ok(Answer::Yes { seconds: None, evidence: None, trace });
        }
        let sets = self.missing(|set| !moves.has(solid & !set))?;
        let missing = sets.into_iter().filter(|set| set & self.lists.doubts == 0);
        Ok(Answer::No { missing: missing.map(|set| self.completes(set, None)).collect(), attempt: None })
    }

    /// The least sets that have the property together with the coalition.
    fn missing(&mut self, has: impl Fn(u32) -> bool) -> Result<Vec<u32>, EvaluateError> {
        let atoms = u32::try_from(self.model.program().variables.len()).unwrap_or(u32::MAX);
        let all = ((1_u64 << atoms) - 1) as u32;
        self.lists.minimal(&Table::from_fn(atoms, |set| has(set & all | self.coalition)))
    }

    fn completes(&self, set: u32, seconds: Option<u64>) -> Missing {
        let (atoms, doubts) = (self.lists.names(set), self.lists.names(set & self.lists.doubts));
        let when = seconds.map_or_else(String::new, |seconds| format!(": {}", words::when(seconds)));
        let sentence = if atoms.len() == doubts.len() {
            let says: Vec<_> = doubts.iter().map(|name| words::doubt(self.model, name)).collect();
            format!("if {}{when}", words::list(&says))
        } else {
            format!("with {}{when}", self.who(set))
        };
        Missing { atoms, doubts, seconds, sentence }
    }

    fn who(&self, set: u32) -> String {
        words::coalition(self.model, &self.lists.names(set), &self.lists.names(set & self.lists.doubts))
    }
}

/// Renders an explanation. Lines end with `\n` and have at most 100 characters.
pub fn render(explanation: &Explanation) -> String {
    let mut page = wrap("", &explanation.sentence);
    match &explanation.answer {
        Answer::Yes { evidence, trace, .. } => {
            page.push_str("\nWHY\n");
            for (number, line) in (1..).zip(trace) {
                page.push_str(&wrap(&format!("{number:>4}. "), line));
            }
            if let Some(evidence) = evidence {
                page.push_str(&format!("\nWeakest evidence: {}.\n", evidence.word()));
            }
        }
        Answer::No { missing, attempt } => {
            if let Some(attempt) = attempt {
                page.push_str("\nIT IS STOPPED\n");
                page.push_str(&attempt.page());
            }
            page.push_str("\nWHAT WOULD COMPLETE IT\n");
            match missing.as_slice() {
                [] => page.push_str("  nothing\n"),
                missing => page.push_str(&numbered(missing.iter().map(|missing| missing.sentence.clone()))),
            }
        }
    }
    page
}
