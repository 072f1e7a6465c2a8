//! What follows if some things are in the wrong hands: what can move, to whom, how soon, and who can
//! still do something about it.

use serde::{Deserialize, Serialize};

use crate::evaluate::{EvaluateError, Lists};
use crate::model::{Evidence, Limit, Model};
use crate::oppose::{Attempt, Opposition};
use crate::reach::Reach;
use crate::trace::{Trace, Tracer};
use crate::who::{self, WhoError};
use crate::words::{self, Verb, numbered, wrap};

/// The power of an unlimited move.
const MOVE: usize = 0;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WhatIfError {
    /// A name that means nobody.
    #[error(transparent)]
    Who(#[from] WhoError),
    /// The model cannot be evaluated.
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
}

/// What follows from a theft.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhatIf {
    /// The account.
    pub account: String,
    /// What is stolen: parties, objects and doubts, by name.
    pub stolen: Vec<String>,
    /// What everybody has or can guess besides.
    pub guessable: Vec<String>,
    /// What the thief can do, and nobody else can stop: `move`, `rule`, `recover`, and the limits within
    /// which the thief moves sooner than everything. Limits add up.
    pub can: Vec<Can>,
    /// What the thief can do besides, or sooner, unless somebody stops it in time.
    pub unless_stopped: Vec<Attempt>,
    /// The least sets of the others with which the funds can be moved to safety, soonest first.
    pub rescue: Vec<Rescue>,
    /// The least sets of the others without which nobody can move the funds: as long as they refuse,
    /// nothing moves but what the thief can do anyway.
    pub freeze: Vec<Vec<String>>,
    /// All of it in one sentence each.
    pub sentences: Vec<String>,
}

/// Something that the thief can do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Can {
    /// The power.
    pub power: String,
    /// How soon.
    pub seconds: u64,
    /// How much and to whom; none for a power without bounds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    /// The weakest evidence that this rests on.
    pub evidence: Evidence,
    /// How, in sentences.
    pub trace: Vec<String>,
}

/// Others who can move the funds to safety.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rescue {
    /// Parties and objects, by name.
    pub who: Vec<String>,
    /// How soon.
    pub seconds: u64,
    /// Whether that is before the thief can move everything, if nobody stops the thief.
    pub in_time: bool,
}

/// Answers what whoever has the stolen things can do, for that very coalition, and what the others can
/// do about it. `stolen` names atoms, entities (all their parties and objects) or roles, the first that
/// fits; a doubt that is named has come true.
///
/// # Errors
/// An unknown name, and whatever [`evaluate`](crate::evaluate) refuses.
pub fn what_if(model: &Model, stolen: &[String]) -> Result<WhatIf, WhatIfError> {
    let program = model.program();
    let coalition = who::coalition(model, stolen)?;
    let reach = Reach::compute(program)?;
    let opposition = Opposition::new(model, &reach)?;
    let mut lists = Lists::new(program);

    let (mut can, mut unless_stopped) = (Vec::new(), Vec::new());
    for power in order(program.account_powers) {
        if let Some(bounded) = told(model, &reach, power, coalition) {
            can.push(bounded);
        }
        let attempt = opposition.attempt(power, coalition, &mut lists)?;
        unless_stopped.extend(attempt.filter(|attempt| {
            // What moving everything gives is said there.
            let all = unless_stopped.first().filter(|all: &&Attempt| power >= 3 && all.power == "move");
            all.is_none_or(|all| attempt.seconds < all.seconds)
        }));
    }
    let loss = opposition.unopposed_seconds(MOVE, coalition);
    let not_others = coalition | lists.doubts;
    let others = |set: &u32| set & not_others == 0;
    let moves: Vec<u32> = lists.minimal(&reach.ever(MOVE))?.into_iter().filter(others).collect();
    let rescue = moves.into_iter().filter_map(|set| {
        let seconds = reach.seconds(MOVE, set)?;
        Some(Rescue { who: lists.names(set), seconds, in_time: loss.is_none_or(|loss| seconds < loss) })
    });
    let mut rescue: Vec<_> = rescue.collect();
    rescue.sort_by_key(|rescue| rescue.seconds);
    let freezing = lists.minimal(&reach.ever(MOVE).reflect(program.solid).not())?;
    let freezing = freezing.into_iter().filter(|set| set & coalition == 0 && *set != 0);
    let freeze = freezing.map(|set| lists.names(set)).collect();

    let mut what_if = WhatIf {
        account: model.account().to_owned(),
        stolen: lists.names(coalition),
        guessable: program.guessable.clone(),
        can,
        unless_stopped,
        rescue,
        freeze,
        sentences: Vec::new(),
    };
    what_if.sentences = sentences(model, &what_if, &lists.names(coalition & lists.doubts));
    Ok(what_if)
}

/// `move`, each limit, `rule`, `recover`.
fn order(powers: usize) -> impl Iterator<Item = usize> {
    [MOVE].into_iter().chain(3..powers).chain([1, 2])
}

/// A power that the coalition has; no limit within what it moves as soon without.
fn told(model: &Model, reach: &Reach, power: usize, coalition: u32) -> Option<Can> {
    let seconds = reach.seconds(power, coalition)?;
    let limit = power.checked_sub(3).and_then(|limit| model.limits().values().nth(limit)).cloned();
    if limit.is_some() && reach.seconds(MOVE, coalition).is_some_and(|all| all <= seconds) {
        return None;
    }
    let Trace { evidence, sentences: trace } = Tracer::new(model, reach, power).tell(coalition);
    let power = model.program().powers.get(power).cloned().unwrap_or_default();
    Some(Can { power, seconds, limit, evidence, trace })
}

fn sentences(model: &Model, what_if: &WhatIf, doubts: &[String]) -> Vec<String> {
    let thief = if what_if.stolen.is_empty() {
        "anybody at all".to_owned()
    } else if what_if.stolen.len() == doubts.len() {
        format!("anybody{},", words::supposing(model, doubts))
    } else {
        let comma = if doubts.is_empty() { "" } else { "," };
        format!("whoever has {}{comma}", words::coalition(model, &what_if.stolen, doubts))
    };
    let mut sentences: Vec<String> = Vec::new();
    for Can { power, seconds, .. } in &what_if.can {
        let verb = Verb::of(model, power).phrase();
        sentences.push(format!("{thief} can {verb} {}.", words::when(*seconds)));
    }
    if what_if.can.iter().filter(|can| can.limit.is_some()).count() > 1 {
        sentences.push("These limits add up.".to_owned());
    }
    if sentences.is_empty() {
        sentences.push(format!("{thief} can move nothing that the others cannot stop."));
    }
    sentences.extend(what_if.unless_stopped.iter().map(|attempt| attempt.sentence.clone()));
    sentences
}

/// Renders the answer. Lines end with `\n` and have at most 100 characters.
pub fn render(model: &Model, what_if: &WhatIf) -> String {
    let mut page = String::new();
    for sentence in
        what_if.sentences.iter().take(what_if.sentences.len().saturating_sub(what_if.unless_stopped.len()))
    {
        page.push_str(&wrap("", sentence));
    }
    if !what_if.guessable.is_empty() {
        let guessable: Vec<_> = what_if.guessable.iter().map(|name| words::atom(model, name)).collect();
        page.push_str(&wrap("Everybody has or can guess: ", &format!("{}.", words::list(&guessable))));
    }
    for can in &what_if.can {
        page.push('\n');
        page.push_str(&wrap("", &format!("HOW TO {}", Verb::of(model, &can.power).title())));
        for line in &can.trace {
            page.push_str(&wrap("  - ", line));
        }
        page.push_str(&format!("  Weakest evidence: {}.\n", can.evidence.word()));
    }
    if !what_if.unless_stopped.is_empty() {
        page.push_str("\nWHAT CAN STILL BE STOPPED\n");
        what_if.unless_stopped.iter().for_each(|attempt| page.push_str(&attempt.page()));
    }
    page.push_str("\nWHO ELSE CAN MOVE THE FUNDS TO SAFETY\n");
    let rescue = what_if.rescue.iter().map(|rescue| {
        let late = if rescue.in_time { "" } else { ", which may be too late" };
        let who = words::coalition(model, &rescue.who, &[]);
        format!("{who}: {}{late}", words::when(rescue.seconds))
    });
    page.push_str(&numbered(rescue));
    page.push_str("\nWHO ELSE CAN HOLD THE FUNDS STILL (but for what is said above)\n");
    page.push_str(&numbered(what_if.freeze.iter().map(|set| words::coalition(model, set, &[]))));
    page
}
