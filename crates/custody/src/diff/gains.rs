//! What coalitions have in one model and have not, or not as soon or as much, in the other.

use std::collections::HashMap;

use super::DifferenceError;
use super::cover::{Covers, bits};
use super::union::Side;
use crate::evaluate::Lists;
use crate::table::{self, Table};

/// Indices of powers that always stand first in a program.
const MOVE: usize = 0;
const LIMITS: usize = 3;
/// The most words of tables that are read to add up limits, some seconds of one core.
const WORK_MAX: usize = 1 << 30;

/// A coalition that gains.
pub(super) struct Gain {
    /// The power; or the limits that are each no more than before, but are together.
    pub(super) powers: Vec<usize>,
    pub(super) coalition: u32,
    pub(super) seconds: u64,
    /// When the other model gives it as much; never.
    pub(super) other_seconds: Option<u64>,
}

/// All that coalitions have in `one` and not in `other`, by the least coalitions and times.
///
/// A pair of coalition and time is least if no part of the coalition has the power by then, and the
/// coalition not before. These pairs are the whole of a power: whoever has it by some time contains
/// one. So nobody gains if none of them does, and each that does is listed. Limits that are too much
/// only together are listed for the least coalitions.
pub(super) fn gains(
    one: &Side<'_>,
    other: &Side<'_>,
    lists: &mut Lists<'_>,
) -> Result<Vec<Gain>, DifferenceError> {
    let versus = Versus::new(one, other);
    let mut gains = Vec::new();
    for power in order(one.limits()) {
        let mut earlier: Option<&Table> = None;
        for (seconds, table) in one.reach.layers_of(power) {
            for coalition in lists.minimal(table)? {
                let known = earlier.is_some_and(|earlier| earlier.has(coalition));
                if !known && versus.is_gain(power, coalition, seconds) {
                    let other_seconds = versus.other_seconds(power, coalition);
                    gains.push(Gain { powers: vec![power], coalition, seconds, other_seconds });
                }
            }
            earlier = Some(table);
        }
    }
    versus.sums(lists, &mut gains)?;
    Ok(gains)
}

/// `move`, each limit, `rule`, `recover`.
pub(super) fn order(limits: usize) -> impl Iterator<Item = usize> {
    [MOVE].into_iter().chain(LIMITS..LIMITS + limits).chain([1, 2])
}

/// One model as seen from the other.
pub(super) struct Versus<'a> {
    one: &'a Side<'a>,
    other: &'a Side<'a>,
    covers: Covers,
}

impl<'a> Versus<'a> {
    pub(super) fn new(one: &'a Side<'a>, other: &'a Side<'a>) -> Self {
        let covers = Covers::new(one.model.limits().values(), other.model.limits().values());
        Self { one, other, covers }
    }

    /// When the coalition has in the other model at least what this power is in the one: for a limit,
    /// `move` or a limit that covers it.
    pub(super) fn other_seconds(&self, power: usize, coalition: u32) -> Option<u64> {
        let reach = &self.other.reach;
        let Some(limit) = power.checked_sub(LIMITS) else { return reach.seconds(power, coalition) };
        if self.covers.is_nothing(limit) {
            return Some(0);
        }
        let covering = bits(self.covers.of(limit)).map(|limit| LIMITS + limit);
        [MOVE].into_iter().chain(covering).filter_map(|power| reach.seconds(power, coalition)).min()
    }

    /// Whether the other model gives this later or never. What `move` gives is told there alone.
    pub(super) fn is_gain(&self, power: usize, coalition: u32, seconds: u64) -> bool {
        let by = |at: Option<u64>| at.is_some_and(|at| at <= seconds);
        let told = power >= LIMITS && by(self.one.reach.seconds(MOVE, coalition));
        !told && !by(self.other_seconds(power, coalition))
    }

    /// The limits that the coalition has by then, and that are too much only together.
    pub(super) fn sum(&self, coalition: u32, seconds: u64) -> Option<Vec<usize>> {
        let by =
            |side: &Side<'_>, power| side.reach.seconds(power, coalition).is_some_and(|at| at <= seconds);
        if by(self.one, MOVE) || by(self.other, MOVE) {
            return None;
        }
        let limits = |side: &Side<'_>| {
            (0..side.limits()).fold(0_u64, |set, limit| set | u64::from(by(side, LIMITS + limit)) << limit)
        };
        let too_many = self.covers.too_many(limits(self.one), limits(self.other))?;
        Some(bits(too_many).map(|limit| LIMITS + limit).collect())
    }

    /// The least coalitions that have limits which are too much only together, at each time at which
    /// a limit is reached anew.
    fn sums(&self, lists: &mut Lists<'_>, gains: &mut Vec<Gain>) -> Result<(), DifferenceError> {
        let mut listed: Vec<u32> = Vec::new();
        let blocks = table::blocks(u32::try_from(self.one.program.variables.len()).unwrap_or(u32::MAX));
        let times = self.times();
        let tables = 2 + self.one.limits() + self.other.limits();
        if times.len().saturating_mul(blocks * table::NONE.len()).saturating_mul(tables) > WORK_MAX {
            return Err(DifferenceError::Work);
        }
        for seconds in times {
            let mut known = HashMap::new();
            let words = (0..blocks).map(|index| self.too_much(seconds, index, &mut known));
            let mut table = Table::from_blocks(words);
            if table.is_empty() {
                continue;
            }
            table.close_upwards();
            for coalition in lists.minimal(&table)? {
                let within = |part: &u32| part & coalition == *part;
                let Some(powers) = self.sum(coalition, seconds) else { continue };
                if listed.iter().any(within) {
                    continue;
                }
                listed.push(coalition);
                gains.push(Gain { powers, coalition, seconds, other_seconds: None });
            }
        }
        Ok(())
    }

    /// When limits are reached, ascending; nothing where there are not two that could add up.
    fn times(&self) -> Vec<u64> {
        let counting = (0..self.one.limits()).filter(|limit| !self.covers.is_nothing(*limit));
        let counting: Vec<_> = counting.map(|limit| LIMITS + limit).collect();
        if counting.len() < 2 {
            return Vec::new();
        }
        let layers = counting.iter().flat_map(|power| self.one.reach.layers_of(*power));
        let mut times: Vec<u64> = layers.map(|(seconds, _)| seconds).collect();
        times.sort_unstable();
        times.dedup();
        times
    }

    /// The coalitions of a block for which limits are too much only together. Which limits they have
    /// in both models decides, so that is worked out once for each such pair.
    fn too_much(&self, seconds: u64, index: usize, known: &mut HashMap<(u64, u64), bool>) -> table::Block {
        let blocks = |side: &Side<'a>| -> Vec<table::Block> {
            (0..side.limits()).map(|limit| *side.reach.block(LIMITS + limit, seconds, index)).collect()
        };
        let (ours, theirs) = (blocks(self.one), blocks(self.other));
        let (our_move, their_move) =
            (self.one.reach.block(MOVE, seconds, index), self.other.reach.block(MOVE, seconds, index));
        let mut found = table::NONE;
        for (place, found) in found.iter_mut().enumerate() {
            let at = |block: &table::Block| block.get(place).copied().unwrap_or(0);
            let (mut some, mut several) = (0, 0);
            for block in &ours {
                several |= some & at(block);
                some |= at(block);
            }
            let open = several & !at(our_move) & !at(their_move);
            for bit in bits(open) {
                let has = |blocks: &[table::Block]| {
                    let flags = blocks.iter().map(|block| at(block) >> bit & 1);
                    flags.enumerate().fold(0_u64, |set, (limit, flag)| set | flag << limit)
                };
                let pair = (has(&ours), has(&theirs));
                let too_many =
                    *known.entry(pair).or_insert_with(|| self.covers.too_many(pair.0, pair.1).is_some());
                *found |= u64::from(too_many) << bit;
            }
        }
        found
    }
}
