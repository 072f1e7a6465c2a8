//! Choices and bytes from a seed.

use std::convert::Infallible;

use cohold_model::canonical::digest_parts;
use rand_core::{TryCryptoRng, TryRng};

/// The same seed gives the same throws for ever.
#[derive(Debug, Clone)]
pub struct Dice {
    seed: u64,
    thrown: u64,
}

impl Dice {
    /// From a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, thrown: 0 }
    }

    /// A number below `end`; 0 where `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        let [a, b, c, d, ..] = self.throw();
        let number = usize::try_from(u32::from_be_bytes([a, b, c, d])).expect("32 bits fit");
        if end == 0 { 0 } else { number % end }
    }

    /// Yes, so many times in a thousand.
    pub fn chance(&mut self, in_thousand: u16) -> bool {
        self.below(1000) < usize::from(in_thousand)
    }

    /// One of these, if there is any.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        let i = self.below(of.len());
        of.get(i).copied()
    }

    /// So many of these, in their order.
    pub fn some<T: Clone>(&mut self, of: &[T], count: usize) -> Vec<T> {
        let mut places: Vec<usize> = (0..of.len()).collect();
        while places.len() > count {
            let out = self.below(places.len());
            places.remove(out);
        }
        places.into_iter().filter_map(|i| of.get(i).cloned()).collect()
    }

    fn throw(&mut self) -> [u8; 32] {
        self.thrown += 1;
        digest_parts("cohold/testkit/dice/v1", &[&self.seed.to_be_bytes(), &self.thrown.to_be_bytes()]).0
    }
}

impl TryRng for Dice {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let [a, b, c, d, ..] = self.throw();
        Ok(u32::from_be_bytes([a, b, c, d]))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let [a, b, c, d, e, f, g, h, ..] = self.throw();
        Ok(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for part in bytes.chunks_mut(32) {
            part.copy_from_slice(self.throw().get(..part.len()).expect("a chunk has 32 bytes at most"));
        }
        Ok(())
    }
}

impl TryCryptoRng for Dice {}
