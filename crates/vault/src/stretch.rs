//! Passphrases and PINs become keys through Argon2id (RFC 9106), whose cost is written beside the salt.

use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// What one guess costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StretchCost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

/// Salt bytes.
pub(crate) const SALT_BYTES: usize = 32;

/// Why no key came out.
#[derive(Debug, thiserror::Error)]
pub enum StretchError {
    /// Cheaper than anything that this project ever wrote.
    #[error(
        "the file asks for {memory_kib} KiB and {passes} passes of Argon2id, less than {floor}: somebody weakened it",
        memory_kib = .0.memory_kib, passes = .0.passes, floor = "19456 KiB and 2 passes"
    )]
    Weak(StretchCost),
    /// A file that would eat the machine.
    #[error(
        "the file asks for {memory_kib} KiB, {passes} passes and {lanes} lanes of Argon2id, more than is ever needed: it is damaged or hostile",
        memory_kib = .0.memory_kib, passes = .0.passes, lanes = .0.lanes
    )]
    Excessive(StretchCost),
    /// The machine has not enough memory.
    #[error("{memory_kib} KiB of memory for the passphrase are not free: close something and try again", memory_kib = .0.memory_kib)]
    Memory(StretchCost),
}

impl StretchCost {
    /// Least memory accepted from a file, in KiB.
    pub const MEMORY_KIB_MIN: u32 = 19 * 1024;
    /// Most memory accepted from a file, in KiB.
    pub const MEMORY_KIB_MAX: u32 = 1024 * 1024;
    /// Fewest passes accepted from a file.
    pub const PASSES_MIN: u32 = 2;
    /// Most passes accepted from a file.
    pub const PASSES_MAX: u32 = 16;
    /// Most lanes accepted from a file.
    pub const LANES_MAX: u32 = 4;
    /// The cheapest cost that is accepted, for tests and small machines.
    pub const FLOOR: Self = Self { memory_kib: Self::MEMORY_KIB_MIN, passes: Self::PASSES_MIN, lanes: 1 };

    /// Refuses what is too cheap to protect anything, and what would eat the machine.
    pub fn check(self) -> Result<(), StretchError> {
        if self.memory_kib < Self::MEMORY_KIB_MIN || self.passes < Self::PASSES_MIN || self.lanes == 0 {
            return Err(StretchError::Weak(self));
        }
        let too_much = self.memory_kib > Self::MEMORY_KIB_MAX
            || self.passes > Self::PASSES_MAX
            || self.lanes > Self::LANES_MAX;
        if too_much { Err(StretchError::Excessive(self)) } else { Ok(()) }
    }

    /// Argon2id of a text: 32 bytes.
    pub(crate) fn stretch(
        self,
        text: &str,
        salt: &[u8; SALT_BYTES],
    ) -> Result<Zeroizing<[u8; 32]>, StretchError> {
        self.check()?;
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(32))
            .map_err(|_| StretchError::Excessive(self))?;
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(text.as_bytes(), salt, key.as_mut())
            .map_err(|_| StretchError::Memory(self))?;
        Ok(key)
    }
}

impl Default for StretchCost {
    /// 64 MiB, three passes, one lane (RFC 9106 §4, second recommendation, on one lane).
    fn default() -> Self {
        Self { memory_kib: 64 * 1024, passes: 3, lanes: 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_bounded_on_both_sides() {
        let check = |memory_kib, passes, lanes, good: bool| {
            assert_eq!(StretchCost { memory_kib, passes, lanes }.check().is_ok(), good);
        };
        check(64 * 1024, 3, 1, true);
        check(19 * 1024, 2, 1, true);
        check(19 * 1024 - 1, 2, 1, false);
        check(64 * 1024, 1, 1, false);
        check(64 * 1024, 3, 0, false);
        check(100 * 1024 * 1024, 3, 1, false);
        check(64 * 1024, u32::MAX, 1, false);
        check(64 * 1024, 3, 5, false);
    }

    #[test]
    fn text_salt_and_cost_all_matter() -> Result<(), StretchError> {
        let dear = StretchCost { passes: 3, ..StretchCost::FLOOR };
        let key = StretchCost::FLOOR.stretch("correct horse", &[1; 32])?;
        assert_eq!(key, StretchCost::FLOOR.stretch("correct horse", &[1; 32])?);
        assert_ne!(key, StretchCost::FLOOR.stretch("correct horsf", &[1; 32])?);
        assert_ne!(key, StretchCost::FLOOR.stretch("correct horse", &[2; 32])?);
        assert_ne!(key, dear.stretch("correct horse", &[1; 32])?);
        Ok(())
    }
}
