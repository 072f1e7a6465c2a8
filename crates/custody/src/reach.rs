//! When each coalition reaches each power: the least fixpoint, with time, for all coalitions at once.
//!
//! `T(power, C)` takes few distinct values: sums of delays. So a power is a short list of layers
//! `(seconds, table)`, where the table holds the coalitions that reach the power by then. Powers that
//! depend on each other (a component) are swept together through ascending times; each time at which
//! a table grew puts the times of the rules that wait for it into the queue. What cancels a rule lies
//! in an earlier component and is complete by then.

use std::collections::BTreeSet;

use crate::evaluate::EvaluateError;
use crate::program::{Component, Node, Program, Step};
use crate::table::{self, Block, Table};

/// The most points in time in one component.
const TIMES_MAX: usize = 4_096;
/// The most memory for tables: half a GiB.
const TABLE_WORDS_MAX: usize = 1 << 26;
/// The most block operations, some seconds of one core.
const WORK_MAX: usize = 1 << 28;

/// From `seconds` on, until the next layer.
#[derive(Clone, Debug)]
struct Layer {
    seconds: u64,
    table: Table,
}

/// The fixpoint.
#[derive(Debug)]
pub(crate) struct Reach {
    solid: u32,
    blocks: usize,
    /// For each power, by ascending seconds.
    layers: Vec<Vec<Layer>>,
    /// For each step, the coalitions for which the others cancel it.
    blocked: Vec<Option<Table>>,
    tables_left: usize,
    work_left: usize,
}

impl Reach {
    pub(crate) fn compute(program: &Program) -> Result<Self, EvaluateError> {
        let blocks = table::blocks(u32::try_from(program.variables.len()).unwrap_or(u32::MAX));
        let mut reach = Self {
            solid: program.solid,
            blocks,
            layers: vec![Vec::new(); program.powers.len()],
            blocked: vec![None; program.steps.len()],
            tables_left: TABLE_WORDS_MAX / (blocks * table::NONE.len()),
            work_left: WORK_MAX,
        };
        for component in &program.components {
            reach.sweep(component, &Sweep::new(program, component))?;
        }
        Ok(reach)
    }

    /// `T(power, coalition)`; `None` is never.
    pub(crate) fn seconds(&self, power: usize, coalition: u32) -> Option<u64> {
        self.layers(power).iter().find(|layer| layer.table.has(coalition)).map(|layer| layer.seconds)
    }

    /// The coalitions that reach the power at any finite time.
    pub(crate) fn ever(&self, power: usize) -> Table {
        match self.layers(power).last() {
            Some(layer) => layer.table.clone(),
            None => Table::from_blocks((0..self.blocks).map(|_| table::NONE)),
        }
    }

    /// From when on which coalitions reach the power, by ascending seconds.
    pub(crate) fn layers_of(&self, power: usize) -> impl Iterator<Item = (u64, &Table)> {
        self.layers(power).iter().map(|layer| (layer.seconds, &layer.table))
    }

    /// When a coalition meets a condition; `None` is never.
    pub(crate) fn node_seconds(&self, node: &Node, coalition: u32) -> Option<u64> {
        match node {
            Node::Always(_) => Some(0),
            Node::Variable(variable) => (coalition >> variable & 1 == 1).then_some(0),
            Node::Power(power) => self.seconds(*power, coalition),
            Node::Of(k, nodes) => {
                let mut seconds: Vec<u64> =
                    nodes.iter().filter_map(|node| self.node_seconds(node, coalition)).collect();
                seconds.sort_unstable();
                seconds.get(k.checked_sub(1)?).copied()
            }
        }
    }

    /// Whether those outside the coalition cancel the step.
    pub(crate) fn is_blocked(&self, step: usize, coalition: u32) -> bool {
        self.blocked(step).is_some_and(|blocked| blocked.has(coalition))
    }

    fn layers(&self, power: usize) -> &[Layer] {
        self.layers.get(power).map_or(&[], Vec::as_slice)
    }

    fn blocked(&self, step: usize) -> Option<&Table> {
        self.blocked.get(step).and_then(Option::as_ref)
    }

    /// The coalitions of a block that reach the power by `seconds`.
    pub(crate) fn block(&self, power: usize, seconds: u64, index: usize) -> &Block {
        let layers = self.layers(power);
        let later = layers.partition_point(|layer| layer.seconds <= seconds);
        let layer = later.checked_sub(1).and_then(|last| layers.get(last));
        layer.map_or(&table::NONE, |layer| layer.table.block(index))
    }

    fn sweep(&mut self, component: &Component, sweep: &Sweep<'_>) -> Result<(), EvaluateError> {
        for turn in &sweep.turns {
            self.cancel(turn)?;
        }
        let mut times = self.times_first(sweep);
        let mut times_left = TIMES_MAX;
        while let Some(seconds) = times.pop_first() {
            times_left = times_left.checked_sub(1).ok_or(EvaluateError::Times { times_max: TIMES_MAX })?;
            let tables = self.level(component, sweep, seconds)?;
            for (power, table) in component.members.iter().zip(tables) {
                if self.layer_push(*power, Layer { seconds, table })? {
                    let waiting = sweep.turns.iter().filter(|turn| turn.awaits(*power));
                    times.extend(waiting.map(|turn| seconds + turn.step.after_seconds));
                }
            }
        }
        Ok(())
    }

    /// Finds the coalitions against which the others can cancel this step in time.
    fn cancel(&mut self, turn: &Turn<'_>) -> Result<(), EvaluateError> {
        let Some(cancel) = &turn.step.cancel else { return Ok(()) };
        self.table_spend()?;
        let defended =
            (0..self.blocks).map(|index| self.needs(cancel, turn.step.after_seconds, index, &Now::default()));
        let blocked = Table::from_blocks(defended).reflect(self.solid);
        if let Some(place) = self.blocked.get_mut(turn.index) {
            *place = Some(blocked);
        }
        Ok(())
    }

    /// Each step alone, and each step after the layers of earlier components that it names.
    fn times_first(&self, sweep: &Sweep<'_>) -> BTreeSet<u64> {
        let mut times = BTreeSet::new();
        for Turn { step, .. } in &sweep.turns {
            times.insert(step.after_seconds);
            step.needs.powers(&mut |power| {
                times.extend(self.layers(power).iter().map(|layer| layer.seconds + step.after_seconds));
            });
        }
        times
    }

    /// The tables of all members at this time. Blocks are independent of each other.
    fn level(
        &mut self,
        component: &Component,
        sweep: &Sweep<'_>,
        seconds: u64,
    ) -> Result<Vec<Table>, EvaluateError> {
        self.work_spend(sweep.work * self.blocks)?;
        let mut tables = vec![Vec::with_capacity(self.blocks); component.members.len()];
        for index in 0..self.blocks {
            let start = |power: &usize| (*power, *self.block(*power, seconds, index));
            let mut now = Now(component.members.iter().map(start).collect());
            while self.round(sweep, seconds, index, &mut now) && sweep.cyclic {
                self.work_spend(sweep.work)?;
            }
            tables.iter_mut().zip(now.0).for_each(|(blocks, (_, block))| blocks.push(block));
        }
        Ok(tables.into_iter().map(Table::from_blocks).collect())
    }

    /// Applies each step once; whether a member grew.
    fn round(&self, sweep: &Sweep<'_>, seconds: u64, index: usize, now: &mut Now) -> bool {
        let mut grown = false;
        for Turn { index: step_index, step } in &sweep.turns {
            let Some(by) = seconds.checked_sub(step.after_seconds) else { continue };
            let none = Now::default();
            let current = if step.after_seconds == 0 { &*now } else { &none };
            let mut reached = self.needs(&step.needs, by, index, current);
            if let Some(blocked) = self.blocked(*step_index) {
                table::and_not(&mut reached, blocked.block(index));
            }
            if let Some(block) = now.get_mut(step.power) {
                grown |= table::or(block, &reached);
            }
        }
        grown
    }

    /// The coalitions of a block that meet the needs by `seconds`; `now` goes before the layers.
    fn needs(&self, node: &Node, seconds: u64, index: usize, now: &Now) -> Block {
        match node {
            Node::Always(_) => table::EVERY,
            Node::Variable(variable) => table::members(*variable, index),
            Node::Power(power) => *now.get(*power).unwrap_or_else(|| self.block(*power, seconds, index)),
            Node::Of(1, nodes) => nodes.iter().fold(table::NONE, |mut block, node| {
                table::or(&mut block, &self.needs(node, seconds, index, now));
                block
            }),
            Node::Of(k, nodes) if *k == nodes.len() => nodes.iter().fold(table::EVERY, |mut block, node| {
                table::and(&mut block, &self.needs(node, seconds, index, now));
                block
            }),
            Node::Of(k, nodes) => {
                // counts.get(j): at least j + 1 of the nodes so far
                let mut counts = vec![table::NONE; *k];
                for node in nodes {
                    let mut carry = self.needs(node, seconds, index, now);
                    for count in &mut counts {
                        let mut both = carry;
                        table::and(&mut both, count);
                        table::or(count, &carry);
                        carry = both;
                    }
                }
                counts.last().copied().unwrap_or(table::NONE)
            }
        }
    }

    /// Keeps a layer in which the power has grown.
    fn layer_push(&mut self, power: usize, layer: Layer) -> Result<bool, EvaluateError> {
        let same = match self.layers(power).last() {
            Some(last) => last.table == layer.table,
            None => layer.table.is_empty(),
        };
        if same {
            return Ok(false);
        }
        self.table_spend()?;
        if let Some(layers) = self.layers.get_mut(power) {
            layers.push(layer);
        }
        Ok(true)
    }

    fn work_spend(&mut self, work: usize) -> Result<(), EvaluateError> {
        self.work_left = self.work_left.checked_sub(work).ok_or(EvaluateError::Work)?;
        Ok(())
    }

    fn table_spend(&mut self) -> Result<(), EvaluateError> {
        self.tables_left = self.tables_left.checked_sub(1).ok_or(EvaluateError::Memory)?;
        Ok(())
    }
}

/// The members of a component while a block of theirs is being computed.
#[derive(Default)]
struct Now(Vec<(usize, Block)>);

impl Now {
    fn get(&self, power: usize) -> Option<&Block> {
        self.0.iter().find(|(member, _)| *member == power).map(|(_, block)| block)
    }

    fn get_mut(&mut self, power: usize) -> Option<&mut Block> {
        self.0.iter_mut().find(|(member, _)| *member == power).map(|(_, block)| block)
    }
}

struct Turn<'a> {
    index: usize,
    step: &'a Step,
}

impl Turn<'_> {
    /// Whether the step counts some time after this power.
    fn awaits(&self, power: usize) -> bool {
        let mut named = false;
        self.step.needs.powers(&mut |other| named |= other == power);
        named && self.step.after_seconds > 0
    }
}

/// What a sweep over a component repeats.
struct Sweep<'a> {
    turns: Vec<Turn<'a>>,
    /// Whether a member is named at once by a member, so that one round does not suffice.
    cyclic: bool,
    /// Block operations of a round.
    work: usize,
}

impl<'a> Sweep<'a> {
    fn new(program: &'a Program, component: &Component) -> Self {
        let turn = |index: &usize| program.steps.get(*index).map(|step| Turn { index: *index, step });
        let turns: Vec<_> = component.steps.iter().filter_map(turn).collect();
        let mut cyclic = false;
        for Turn { step, .. } in &turns {
            step.needs.powers(&mut |power| cyclic |= component.members.contains(&power));
        }
        let work = turns.iter().map(|turn| work(&turn.step.needs)).sum();
        Self { turns, cyclic, work }
    }
}

fn work(node: &Node) -> usize {
    match node {
        Node::Always(_) | Node::Variable(_) | Node::Power(_) => 1,
        Node::Of(k, nodes) => {
            let each = if *k == nodes.len() { 1 } else { *k };
            nodes.len() * each + nodes.iter().map(work).sum::<usize>()
        }
    }
}
