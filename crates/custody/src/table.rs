//! Truth tables: one bit per coalition, 64 coalitions to a machine word, 4096 to a block.
//!
//! Bit `c` of a table belongs to the coalition whose members are the set bits of `c`. A table has
//! room for at least twelve variables, so that every table is whole blocks; where the model has
//! fewer, nothing depends on the others and the table repeats itself.

/// Variables whose bit lies within a word.
const WORD_VARIABLES: u32 = 6;
/// Variables whose bit lies within a block.
const BLOCK_VARIABLES: u32 = 12;
const BLOCK_WORDS: usize = 1 << (BLOCK_VARIABLES - WORD_VARIABLES);

/// For each variable within a word, the coalitions that it belongs to.
const MEMBERS: [u64; WORD_VARIABLES as usize] = [
    0xaaaa_aaaa_aaaa_aaaa,
    0xcccc_cccc_cccc_cccc,
    0xf0f0_f0f0_f0f0_f0f0,
    0xff00_ff00_ff00_ff00,
    0xffff_0000_ffff_0000,
    0xffff_ffff_0000_0000,
];

/// 4096 coalitions.
pub(crate) type Block = [u64; BLOCK_WORDS];

/// No coalition of a block.
pub(crate) const NONE: Block = [0; BLOCK_WORDS];
/// Every coalition of a block.
pub(crate) const EVERY: Block = [u64::MAX; BLOCK_WORDS];

/// How many blocks hold all coalitions of so many variables.
pub(crate) fn blocks(variables: u32) -> usize {
    1 << variables.saturating_sub(BLOCK_VARIABLES)
}

/// The coalitions of block `index` that have this variable.
pub(crate) fn members(variable: u32, index: usize) -> Block {
    if let Some(word) = MEMBERS.get(variable as usize) {
        return [*word; BLOCK_WORDS];
    }
    if variable < BLOCK_VARIABLES {
        return std::array::from_fn(|word| repeat(word >> (variable - WORD_VARIABLES) & 1 == 1));
    }
    if index >> (variable - BLOCK_VARIABLES) & 1 == 1 { EVERY } else { NONE }
}

fn repeat(bit: bool) -> u64 {
    if bit { u64::MAX } else { 0 }
}

/// Adds the coalitions of `other`; whether there were new ones.
pub(crate) fn or(block: &mut Block, other: &Block) -> bool {
    let mut news = 0;
    for (word, other) in block.iter_mut().zip(other) {
        news |= other & !*word;
        *word |= other;
    }
    news != 0
}

/// Keeps the coalitions of `other`.
pub(crate) fn and(block: &mut Block, other: &Block) {
    block.iter_mut().zip(other).for_each(|(word, other)| *word &= other);
}

/// Drops the coalitions of `other`.
pub(crate) fn and_not(block: &mut Block, other: &Block) {
    block.iter_mut().zip(other).for_each(|(word, other)| *word &= !other);
}

/// A set of coalitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    words: Vec<u64>,
}

impl Table {
    pub(crate) fn from_blocks(blocks: impl IntoIterator<Item = Block>) -> Self {
        Self { words: blocks.into_iter().flatten().collect() }
    }

    /// The coalitions of so many variables that hold.
    pub(crate) fn from_fn(variables: u32, holds: impl Fn(u32) -> bool) -> Self {
        let word = |index: usize| {
            let first = (index as u32) << WORD_VARIABLES;
            (0..u64::BITS).fold(0, |word, bit| word | u64::from(holds(first | bit)) << bit)
        };
        Self { words: (0..blocks(variables) * BLOCK_WORDS).map(word).collect() }
    }

    pub(crate) fn block(&self, index: usize) -> &Block {
        self.words.as_chunks().0.get(index).unwrap_or(&NONE)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    pub(crate) fn has(&self, coalition: u32) -> bool {
        self.word(coalition as usize >> WORD_VARIABLES) >> (coalition % u64::BITS) & 1 == 1
    }

    fn word(&self, index: usize) -> u64 {
        self.words.get(index).copied().unwrap_or(0)
    }

    /// The coalitions `c` for which this table has the first `solid` variables that are not in `c`
    /// and none of the others: what the defenders have, seen from the attackers.
    pub(crate) fn reflect(&self, solid: u32) -> Self {
        let narrow = solid < WORD_VARIABLES;
        let width = 1_u32 << solid.min(WORD_VARIABLES);
        let word_mask = (1_usize << solid.saturating_sub(WORD_VARIABLES)) - 1;
        let word = |index: usize| {
            let source = self.word(!index & word_mask);
            if !narrow {
                return source.reverse_bits();
            }
            let mut word = (source << (u64::BITS - width)).reverse_bits();
            let mut filled = width;
            while filled < u64::BITS {
                word |= word << filled;
                filled *= 2;
            }
            word
        };
        Self { words: (0..self.words.len()).map(word).collect() }
    }

    pub(crate) fn not(&self) -> Self {
        Self { words: self.words.iter().map(|word| !word).collect() }
    }

    /// Adds every coalition that contains one that is here.
    pub(crate) fn close_upwards(&mut self) {
        for word in &mut self.words {
            for (variable, members) in MEMBERS.iter().enumerate() {
                *word |= (*word & !members) << (1_u32 << variable);
            }
        }
        let mut member = 1;
        while member < self.words.len() {
            for index in (0..self.words.len()).filter(|index| index & member != 0) {
                let part = self.word(index ^ member);
                if let Some(word) = self.words.get_mut(index) {
                    *word |= part;
                }
            }
            member <<= 1;
        }
    }

    /// The coalitions of which no proper part is here, for a table with which every larger
    /// coalition is too (prime implicants of a monotone function). Stops after `max`.
    pub(crate) fn minimal(&self, max: usize) -> Vec<u32> {
        let mut found = Vec::new();
        for (index, word) in self.words.iter().enumerate() {
            let mut rest = *word & !self.covered(index, *word);
            while rest != 0 && found.len() < max {
                found.push((index as u32) << WORD_VARIABLES | rest.trailing_zeros());
                rest &= rest - 1;
            }
        }
        found
    }

    /// The coalitions of a word that stay here when one member leaves.
    fn covered(&self, index: usize, word: u64) -> u64 {
        let within = MEMBERS
            .iter()
            .enumerate()
            .fold(0, |covered, (variable, members)| covered | (word & !members) << (1_u32 << variable));
        if word & !within == 0 {
            return within;
        }
        let mut members = index;
        let mut covered = within;
        while members != 0 {
            let member = members & members.wrapping_neg();
            covered |= self.word(index ^ member);
            members ^= member;
        }
        covered
    }
}

#[cfg(test)]
mod tests {
    use super::{Table, blocks, members};

    #[test]
    fn bits_mean_membership() {
        for variables in [1, 7, 12, 14] {
            for variable in 0..variables {
                let table = Table::from_blocks((0..blocks(variables)).map(|index| members(variable, index)));
                assert!((0..1 << variables).all(|c: u32| table.has(c) == (c >> variable & 1 == 1)));
                assert_eq!(table.minimal(9), [1 << variable]);
            }
        }
    }

    #[test]
    fn reflection_complements_the_solid_and_drops_the_rest() {
        for (variables, solid) in [(1, 0), (3, 2), (8, 5), (9, 6), (13, 7), (14, 13), (14, 14)] {
            let odd = |c: u32| c.wrapping_mul(0x9e37_79b9) >> 7 & 1 == 1;
            let reflected = Table::from_fn(variables, odd).reflect(solid);
            assert!((0..1 << variables).all(|c: u32| reflected.has(c) == odd(!c & ((1 << solid) - 1))));
        }
    }

    #[test]
    fn closing_upwards_adds_what_contains() {
        let seeds = [0b1_0000_0000_0011_u32, 0b0_0001_0100_0000];
        let mut table = Table::from_fn(13, |c| seeds.contains(&c));
        table.close_upwards();
        assert_eq!(table, Table::from_fn(13, |c| seeds.iter().any(|seed| c & seed == *seed)));
    }

    #[test]
    fn minimal_sets_of_a_quorum() {
        let quorum = Table::from_fn(13, |c| (c & 0x1f0f).count_ones() >= 3);
        let found = quorum.minimal(usize::MAX);
        assert_eq!(found.len(), 9 * 8 * 7 / 6);
        assert!(found.iter().all(|c| c.count_ones() == 3 && c & !0x1f0f == 0));
        assert_eq!(quorum.not().minimal(2), [0]);
    }
}
