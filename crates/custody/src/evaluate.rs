//! The evaluation: every coalition tried, then the questions of the format asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::evaluation::{Blast, Class, Evaluation, Way};
use crate::model::Model;
use crate::names::Names;
use crate::program::Program;
use crate::reach::Reach;
use crate::table::Table;
use crate::trace::Teller;

/// The most sets in all lists of a result together.
const SETS_MAX: usize = 1 << 19;

/// Indices of powers that always stand first in a program.
const MOVE: usize = 0;

/// Why a model was not evaluated. There is no partial result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluateError {
    /// Delays add up to too many different times.
    #[error(
        "the delays of rules that depend on each other add up to more than {times_max} different times; round them or break the cycle"
    )]
    Times {
        /// How many are followed.
        times_max: usize,
    },
    /// Too many tables.
    #[error(
        "the evaluation needs more than half a GiB of tables; leave out atoms that change nothing, or merge powers"
    )]
    Memory,
    /// Too many operations.
    #[error(
        "the evaluation needs more steps than are allowed; leave out atoms that change nothing, or merge rules"
    )]
    Work,
    /// Too many minimal coalitions.
    #[error("there are more than {sets_max} minimal coalitions; merge atoms that are always together")]
    Sets {
        /// How many are listed.
        sets_max: usize,
    },
}

/// Evaluates a model by the full truth table of its atoms.
///
/// # Errors
/// Where a bound on memory, work or the size of the result does not suffice; never a wrong answer.
pub fn evaluate(model: &Model) -> Result<Evaluation, EvaluateError> {
    let program = model.program();
    let reach = Reach::compute(program)?;
    let mut lists = Lists::new(program);
    let powers = powers(model, &reach, &mut lists)?;
    let freeze = lists.sets(&reach.ever(MOVE).reflect(program.solid).not())?;

    let sides = Sides::new(model);
    let class = class(model, &reach, &sides);
    let assuming = match class {
        Class::Custodial | Class::RestrictedCustody | Class::Collusive => Vec::new(),
        _ => assuming(program, &reach, &sides, &mut lists)?,
    };
    let exit_seconds = reach.seconds(MOVE, sides.user);
    Ok(Evaluation { class, exit_seconds, assuming, powers, freeze, blast: blast(program, &reach) })
}

/// The class and the exit alone, without any list.
pub(crate) fn class_and_exit(model: &Model) -> Result<(Class, Option<u64>), EvaluateError> {
    let reach = Reach::compute(model.program())?;
    let sides = Sides::new(model);
    Ok((class(model, &reach, &sides), reach.seconds(MOVE, sides.user)))
}

fn powers(
    model: &Model,
    reach: &Reach,
    lists: &mut Lists<'_>,
) -> Result<BTreeMap<String, Vec<Way>>, EvaluateError> {
    let program = model.program();
    let mut powers = BTreeMap::new();
    for (power, name) in program.powers.iter().enumerate().take(program.account_powers) {
        let mut teller = Teller::new(model, reach, power);
        let minimal = lists.minimal(&reach.ever(power))?;
        let mut ways = Vec::with_capacity(minimal.len());
        for coalition in minimal {
            let Some(seconds) = reach.seconds(power, coalition) else { continue };
            let (evidence, trace) = teller.tell(coalition);
            let doubts = lists.shared(coalition & lists.doubts);
            ways.push(Way { coalition: lists.shared(coalition), seconds, doubts, evidence, trace });
        }
        powers.insert(name.clone(), ways);
    }
    Ok(powers)
}

/// The sets of atoms that the class asks about, without doubts.
struct Sides {
    /// All parties and objects of the user.
    user: u32,
    /// Those of each outside entity, entities without any included.
    outsiders: Vec<u32>,
}

impl Sides {
    fn new(model: &Model) -> Self {
        let mut sides = Self { user: 0, outsiders: Vec::new() };
        for (entity, description) in model.entities() {
            let owns =
                |name: &str| model.atoms().get(name).is_some_and(|atom| atom.entity.as_ref() == Some(entity));
            let solid = (0_u32..).zip(&model.program().variables).filter(|(_, variable)| !variable.doubt);
            let own =
                solid.filter(|(_, variable)| owns(&variable.name)).fold(0, |set, (bit, _)| set | 1 << bit);
            if description.is_user() {
                sides.user |= own;
            } else {
                sides.outsiders.push(own);
            }
        }
        sides
    }

    fn outsiders_all(&self) -> u32 {
        self.outsiders.iter().fold(0, |all, set| all | set)
    }
}

fn class(model: &Model, reach: &Reach, sides: &Sides) -> Class {
    let program = model.program();
    let reaches = |power: usize, coalition: u32| reach.seconds(power, coalition).is_some();
    let bounded = |coalition: u32, to_anybody: bool| {
        (3..)
            .zip(model.limits().values())
            .any(|(power, limit)| limit.receivers.is_empty() == to_anybody && reaches(power, coalition))
    };
    let full = |coalition: u32| (MOVE..3).any(|power| reaches(power, coalition));

    if sides.outsiders.iter().any(|entity| full(*entity) || bounded(*entity, true)) {
        return Class::Custodial;
    }
    if sides.outsiders.iter().any(|entity| bounded(*entity, false)) {
        return Class::RestrictedCustody;
    }
    let together = sides.outsiders_all();
    if (MOVE..program.account_powers).any(|power| reaches(power, together)) {
        return Class::Collusive;
    }
    match reach.seconds(MOVE, sides.user) {
        None => Class::Hostage,
        Some(0) if singles(sides.user).any(|single| reaches(MOVE, single)) => Class::NonCustodial,
        Some(0) => Class::MpcSelfCustody,
        Some(_) => Class::SemiCustodial,
    }
}

/// The members of a set, each alone.
fn singles(set: u32) -> impl Iterator<Item = u32> {
    (0..u32::BITS).map(|bit| 1 << bit).filter(move |single| set & single != 0)
}

/// The minimal sets of doubts with which all outsiders together reach a power of the account.
fn assuming(
    program: &Program,
    reach: &Reach,
    sides: &Sides,
    lists: &mut Lists<'_>,
) -> Result<Vec<Vec<String>>, EvaluateError> {
    let together = sides.outsiders_all();
    let doubts = u32::try_from(program.variables.len()).unwrap_or(u32::MAX) - program.solid;
    let tables: Vec<_> = (MOVE..program.account_powers).map(|power| reach.ever(power)).collect();
    let table = Table::from_fn(doubts, |set| {
        // Where the table is wider than there are doubts, it repeats itself.
        let set = set & ((1 << doubts) - 1);
        tables.iter().any(|table| table.has(together | set << program.solid))
    });
    let sets = lists.minimal(&table)?;
    let mut sets: Vec<_> = sets.into_iter().map(|set| set << program.solid).collect();
    lists.sort(&mut sets);
    Ok(sets.into_iter().map(|set| lists.names(set)).collect())
}

fn blast(program: &Program, reach: &Reach) -> Vec<Blast> {
    let alone = |(bit, variable): (u32, &crate::program::Variable)| {
        let powers = program.powers.iter().enumerate().take(program.account_powers);
        let reached =
            powers.filter_map(|(power, name)| Some((name.clone(), reach.seconds(power, 1 << bit)?)));
        Blast { atom: variable.name.clone(), reaches: reached.collect() }
    };
    let mut blast: Vec<_> = (0..).zip(&program.variables).map(alone).collect();
    blast.sort_by(|one, other| one.atom.cmp(&other.atom));
    blast
}

/// Turns tables into sorted lists of names, and counts them.
pub(crate) struct Lists<'a> {
    /// Variables in the order of their names.
    by_name: Vec<(u32, &'a str)>,
    /// The same, for results to share.
    table: Arc<[(u32, String)]>,
    /// Variables that are doubts.
    pub(crate) doubts: u32,
    sets_left: usize,
}

impl<'a> Lists<'a> {
    pub(crate) fn new(program: &'a Program) -> Self {
        let names = (0..).zip(&program.variables).map(|(bit, variable)| (bit, variable.name.as_str()));
        let mut by_name: Vec<_> = names.collect();
        by_name.sort_by_key(|(_, name)| *name);
        let doubts = (0..).zip(&program.variables).filter(|(_, variable)| variable.doubt);
        let doubts = doubts.fold(0, |set, (bit, _): (u32, _)| set | 1 << bit);
        let table = by_name.iter().map(|(bit, name)| (*bit, (*name).to_owned())).collect();
        Self { by_name, table, doubts, sets_left: SETS_MAX }
    }

    fn sets(&mut self, table: &Table) -> Result<Vec<Names>, EvaluateError> {
        Ok(self.minimal(table)?.into_iter().map(|set| self.shared(set)).collect())
    }

    /// The minimal sets by size, then by name.
    pub(crate) fn minimal(&mut self, table: &Table) -> Result<Vec<u32>, EvaluateError> {
        let mut sets = table.minimal(self.sets_left + 1);
        self.sets_left =
            self.sets_left.checked_sub(sets.len()).ok_or(EvaluateError::Sets { sets_max: SETS_MAX })?;
        self.sort(&mut sets);
        Ok(sets)
    }

    /// Of two sets of one size, the first is the one with the first name in which they differ.
    pub(crate) fn sort(&self, sets: &mut [u32]) {
        let rank = |set: u32| self.by_name.iter().fold(0_u32, |rank, (bit, _)| rank << 1 | (set >> bit & 1));
        let set_of = |rank: u32| {
            let names = self.by_name.iter().rev();
            names.fold((0, rank), |(set, rank), (bit, _)| (set | (rank & 1) << bit, rank >> 1)).0
        };
        // Size and rank in one number: a hundred thousand of them are sorted in a few milliseconds.
        let key = |set: u32| u64::from(set.count_ones()) << u32::BITS | u64::from(!rank(set));
        let mut keys: Vec<u64> = sets.iter().map(|set| key(*set)).collect();
        keys.sort_unstable();
        sets.iter_mut().zip(keys).for_each(|(place, key)| *place = set_of(!(key as u32)));
    }

    /// Names of a result, without a copy of each.
    fn shared(&self, set: u32) -> Names {
        Names::of(&self.table, set)
    }

    pub(crate) fn names(&self, set: u32) -> Vec<String> {
        self.shared(set).to_vec()
    }
}
