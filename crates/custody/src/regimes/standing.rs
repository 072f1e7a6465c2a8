//! How an outside entity stands: what it reaches alone, where its part is needed, who needs it.

use super::{Finding, Regime, Verdict};
use crate::evaluate::{EvaluateError, Lists};
use crate::model::{Limit, Model};
use crate::reach::Reach;
use crate::table::Table;
use crate::words::{self, Verb};

/// The power to move everything; `rule` and `recover` imply it.
pub(super) const MOVE: usize = 0;
/// The first of the bounded powers.
const BOUNDED: usize = 3;

/// A model evaluated, and who owns what in it.
pub(super) struct World<'a> {
    pub(super) model: &'a Model,
    pub(super) reach: Reach,
    pub(super) lists: Lists<'a>,
    /// All parties and objects.
    pub(super) solid: u32,
    /// Those of the user.
    user: u32,
    /// Those of each person who has any: the user first, then the outside entities by name.
    persons: Vec<u32>,
    /// The least groups without doubts that move everything, then those that move within each limit.
    groups: Vec<Vec<u32>>,
    /// Likewise those that set the conditions, then those that recover control.
    ruling: Vec<Vec<u32>>,
    /// The least sets of persons that move everything.
    moving_persons: Vec<u32>,
}

impl<'a> World<'a> {
    pub(super) fn new(model: &'a Model) -> Result<Self, EvaluateError> {
        let program = model.program();
        let reach = Reach::compute(program)?;
        let solid = ((1_u64 << program.solid) - 1) as u32;
        let outside = model.entities().iter().filter(|(_, entity)| !entity.is_user());
        let mut persons: Vec<u32> = outside.map(|(name, _)| own(model, name)).collect();
        let user = solid & !persons.iter().fold(0, |all, own| all | own);
        persons.insert(0, user);
        persons.retain(|own| *own != 0);
        let mut world = Self {
            model,
            reach,
            lists: Lists::new(program),
            solid,
            user,
            persons,
            groups: Vec::new(),
            ruling: Vec::new(),
            moving_persons: Vec::new(),
        };
        world.groups = world.paying().map(|power| world.least(power)).collect::<Result<_, _>>()?;
        world.ruling = (MOVE + 1..BOUNDED).map(|power| world.least(power)).collect::<Result<_, _>>()?;
        world.moving_persons = world.least_persons()?;
        Ok(world)
    }

    /// Whether a coalition can move everything at any finite time.
    pub(super) fn moves(&self, coalition: u32) -> bool {
        self.reach.seconds(MOVE, coalition).is_some()
    }

    /// A power with which a coalition moves at any finite time: everything, or else within a limit.
    fn pays(&self, coalition: u32) -> Option<(usize, u64)> {
        self.paying().find_map(|power| Some((power, self.reach.seconds(power, coalition)?)))
    }

    /// Likewise everything, or any amount of an asset to anybody.
    fn pays_all(&self, coalition: u32) -> Option<(usize, u64)> {
        let unbounded = |limit: &Limit| limit.amount.is_none() && limit.receivers.is_empty();
        let powers =
            self.paying().filter(|power| *power == MOVE || self.limit(*power).is_some_and(unbounded));
        powers.into_iter().find_map(|power| Some((power, self.reach.seconds(power, coalition)?)))
    }

    /// The powers to move: everything, then within each limit.
    fn paying(&self) -> impl Iterator<Item = usize> + use<> {
        [MOVE].into_iter().chain(BOUNDED..self.model.program().account_powers)
    }

    fn limit(&self, power: usize) -> Option<&'a Limit> {
        power.checked_sub(BOUNDED).and_then(|index| self.model.limits().values().nth(index))
    }

    /// The least sets of parties and objects that reach a power.
    fn least(&mut self, power: usize) -> Result<Vec<u32>, EvaluateError> {
        let reaches = |set: u32| self.reach.seconds(power, set & self.solid).is_some();
        let table = Table::from_fn(self.model.program().solid, reaches);
        self.lists.minimal(&table)
    }

    /// The least sets of persons that move everything; bit `i` is person `i`.
    fn least_persons(&mut self) -> Result<Vec<u32>, EvaluateError> {
        let count = u32::try_from(self.persons.len()).unwrap_or(u32::MAX);
        let things = |set: u32| {
            let of = (0..).zip(&self.persons).filter(|(bit, _)| set >> bit & 1 == 1);
            of.fold(0, |things, (_, own): (u32, &u32)| things | own)
        };
        let table = Table::from_fn(count, |set| self.moves(things(set)));
        self.lists.minimal(&table)
    }

    /// "acme's cosigner together with ana's phone".
    pub(super) fn group(&self, things: u32) -> String {
        words::coalition(self.model, &self.lists.names(things), &[])
    }

    /// Whether an entity alone is enough; for the account's own questions.
    pub(super) fn entity_that_moves(&self) -> Option<&'a str> {
        let alone = |name: &&String| self.moves(own(self.model, name));
        self.model.entities().keys().find(alone).map(String::as_str)
    }

    pub(super) fn standing(&mut self, name: &'a str) -> Result<Standing<'_>, EvaluateError> {
        let own = own(self.model, name);
        let assuming_all = self.doubts_with(|world, set| world.pays_all(own | set).is_some())?;
        let assuming_any = self.doubts_with(|world, set| world.pays(own | set).is_some())?;
        Ok(Standing { world: self, name, own, assuming_all, assuming_any })
    }

    /// The least sets of doubts that have a property; none if it needs none.
    fn doubts_with(&mut self, has: impl Fn(&Self, u32) -> bool) -> Result<Vec<Vec<String>>, EvaluateError> {
        let program = self.model.program();
        let doubts = u32::try_from(program.variables.len()).unwrap_or(u32::MAX) - program.solid;
        if has(self, 0) {
            return Ok(Vec::new());
        }
        let shift = |set: u32| ((u64::from(set) & ((1 << doubts) - 1)) << program.solid) as u32;
        let table = Table::from_fn(doubts, |set| has(self, shift(set)));
        let mut sets: Vec<u32> = self.lists.minimal(&table)?.into_iter().map(shift).collect();
        self.lists.sort(&mut sets);
        Ok(sets.into_iter().map(|set| self.lists.names(set)).collect())
    }
}

/// All parties and objects of an entity that are not known to everybody.
fn own(model: &Model, entity: &str) -> u32 {
    let owns = |name: &str| words::entity(model, name) == Some(entity);
    let variables = (0_u32..).zip(&model.program().variables);
    let solid = variables.filter(|(_, variable)| !variable.doubt && owns(&variable.name));
    solid.fold(0, |set, (bit, _)| set | 1 << bit)
}

/// One outside entity.
pub(super) struct Standing<'a> {
    world: &'a World<'a>,
    name: &'a str,
    own: u32,
    /// The least sets of doubts with which it moves everything, or all of an asset, alone.
    assuming_all: Vec<Vec<String>>,
    /// Likewise with which it moves at all.
    assuming_any: Vec<Vec<String>>,
}

impl Standing<'_> {
    pub(super) fn finding(&self, regime: Regime) -> Finding {
        let met = match regime {
            Regime::Fincen2019 => self.alone(true),
            Regime::Brca => self.alone(false),
            Regime::Mica => self.alone(false).or_else(|| self.needed()),
            Regime::Fatf2021 => {
                let part = || self.part(u32::MAX).or_else(|| self.part_in_ruling());
                self.alone(false).or_else(|| self.needed()).or_else(part)
            }
            Regime::SwissAmlo => {
                let beside_the_user = self.world.user | self.own;
                self.alone(false).or_else(|| self.needed()).or_else(|| self.part(beside_the_user))
            }
            Regime::SwissDeba => self.estate(),
            Regime::Ucc12105 => self.alone(true).or_else(|| self.shared()),
        };
        let verdict = Verdict::of(met.is_some());
        let assuming = match (verdict, regime) {
            (Verdict::Met | Verdict::NotComputed, _) => &[],
            (_, Regime::Fincen2019 | Regime::Ucc12105) => self.assuming_all.as_slice(),
            // Where the user can leave at once, no doubt brings the assets into the estate.
            (_, Regime::SwissDeba) if self.user_leaves_at_once() => &[],
            (_, _) => self.assuming_any.as_slice(),
        };
        let because = met.unwrap_or_else(|| self.not_met(regime));
        Finding { regime, verdict, because, assuming: assuming.to_vec() }
    }

    /// It moves alone: everything, or even within a limit.
    fn alone(&self, everything: bool) -> Option<String> {
        let world = self.world;
        let (power, seconds) = if everything { world.pays_all(self.own) } else { world.pays(self.own) }?;
        let program = self.world.model.program();
        // To set the conditions or to recover is why it moves, where that is as soon.
        let same = |other: &usize| self.world.reach.seconds(*other, self.own).is_some_and(|at| at <= seconds);
        let power = if power == MOVE { [1, 2].into_iter().find(same).unwrap_or(power) } else { power };
        let verb = Verb::of(self.world.model, program.powers.get(power)?).phrase();
        let adds = if power == 1 || power == 2 { ", and so move the funds," } else { "" };
        Some(format!("{} alone can {verb}{adds} {}", self.name, words::when(seconds)))
    }

    /// Nobody moves without it.
    fn needed(&self) -> Option<String> {
        let needed = self.world.moves(self.world.solid) && !self.world.moves(self.world.solid & !self.own);
        needed.then(|| format!("nobody can move the funds without {}", self.name))
    }

    /// Its part is needed by a least group within `among` that moves, even within a limit.
    fn part(&self, among: u32) -> Option<String> {
        let mut groups = self.world.groups.iter().flatten();
        let group = *groups.find(|group| **group & self.own != 0 && **group & !among == 0)?;
        Some(format!("its part is needed by one of the groups that can move: {}", self.world.group(group)))
    }

    /// Its part is needed by a least group that sets the conditions or recovers control.
    fn part_in_ruling(&self) -> Option<String> {
        let group = *self.world.ruling.iter().flatten().find(|group| **group & self.own != 0)?;
        let who = self.world.group(group);
        Some(format!(
            "its part is needed by one of the groups that can set the conditions or recover control: {who}"
        ))
    }

    /// It disposes alone, and the user cannot take the funds at once.
    fn estate(&self) -> Option<String> {
        let alone = self.alone(false).filter(|_| !self.user_leaves_at_once())?;
        let user = words::users(self.world.model);
        Some(format!("{alone}, and {user} alone cannot move at once"))
    }

    fn user_leaves_at_once(&self) -> bool {
        self.world.reach.seconds(MOVE, self.world.user) == Some(0)
    }

    /// It moves together with persons of whom none moves without it (section 12-105(c)(2)(A)).
    fn shared(&self) -> Option<String> {
        let persons = &self.world.persons;
        let me = 1_u32 << persons.iter().position(|own| *own == self.own)?;
        let sets = &self.world.moving_persons;
        let can_without_me = |person: u32| sets.iter().any(|set| set & person != 0 && set & me == 0);
        let others = |set: u32| (0..u32::BITS).map(|bit| 1 << bit).filter(move |bit| set & !me & bit != 0);
        let set = sets.iter().find(|set| *set & me != 0 && !others(**set).any(can_without_me))?;
        let things = (0..).zip(persons).filter(|(bit, _)| set >> bit & 1 == 1 && 1 << bit != me);
        let things = things.fold(0, |things, (_, own): (u32, &u32)| things | own);
        let who = self.entities(things);
        Some(format!("{} can move the funds together with {who}, who cannot without it", self.name))
    }

    /// The entities of these things, as a list.
    fn entities(&self, things: u32) -> String {
        let names = self.world.lists.names(things);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let entities = words::by_entity(self.world.model, &names);
        words::list(&entities.keys().map(|name| (*name).to_owned()).collect::<Vec<_>>())
    }

    fn not_met(&self, regime: Regime) -> String {
        let name = self.name;
        match regime {
            Regime::Fincen2019 => match self.world.pays(self.own) {
                Some((power, _)) => {
                    format!("{name} alone can move within a limit only{}", self.within(power))
                }
                None => format!("{name} alone cannot move, set the conditions or recover control"),
            },
            Regime::Brca => format!("{name} alone can move nothing, not even within a limit"),
            Regime::Mica => format!("{name} alone can move nothing, and the funds can move without it"),
            Regime::Fatf2021 => {
                format!("no group that can move, set the conditions or recover needs a part of {name}'s")
            }
            Regime::SwissAmlo => {
                format!("{name} completes no group of the user's things, and can move nothing alone")
            }
            Regime::SwissDeba => match self.world.pays(self.own) {
                Some(_) => format!("{} alone can move the funds at once", words::users(self.world.model)),
                None => format!("{name} alone can move nothing"),
            },
            Regime::Ucc12105
                if self.world.groups.first().into_iter().flatten().any(|set| set & self.own != 0) =>
            {
                format!("{name} can move everything only together with others who can without it")
            }
            Regime::Ucc12105 => format!("{name} has no part in moving everything"),
        }
    }

    fn within(&self, power: usize) -> String {
        self.world.limit(power).map_or_else(String::new, |limit| format!(": {}", words::limit(limit)))
    }
}
