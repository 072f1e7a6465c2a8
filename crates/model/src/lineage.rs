//! All charters of an account, from the first to the one in force.

use crate::canonical::{Digest, Document as _, Signed};
use crate::charter::{Charter, CharterError};
use crate::ids::Epoch;

/// The most charters of an account. Each is carried by every certificate, so that a stranger sees who
/// ever held a share; whoever needs more moves the funds to a new account, which also clears the past.
pub const CHARTERS_MAX: usize = 64;

/// All charters of an account, the oldest first: each is signed by all its parties and follows the one
/// before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lineage {
    past: Vec<Signed<Charter>>,
    current: Signed<Charter>,
}

/// Why charters are no lineage.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineageError {
    /// None at all.
    #[error("an account has a charter; none was given")]
    Empty,
    /// More than an account may have.
    #[error("{0} charters are more than the {CHARTERS_MAX} that an account may have")]
    Long(usize),
    /// Not the first one.
    #[error(
        "the first charter that was given has version {version} and epoch {epoch}: give all of them, from version 1 and epoch 1"
    )]
    First {
        /// Its version.
        version: u32,
        /// Its epoch.
        epoch: Epoch,
    },
    /// One of them does not hold.
    #[error("charter version {version} does not hold: {error}")]
    Charter {
        /// Its version.
        version: u32,
        /// What is wrong.
        error: CharterError,
    },
}

impl Lineage {
    /// Checks the whole line.
    ///
    /// # Errors
    /// Where the first is not version 1, one is not signed by all its parties, or does not follow.
    pub fn new(charters: Vec<Signed<Charter>>) -> Result<Self, LineageError> {
        let mut past = charters;
        if past.len() > CHARTERS_MAX {
            return Err(LineageError::Long(past.len()));
        }
        let mut before: Option<&Charter> = None;
        for signed in &past {
            let charter = &signed.document;
            let version = charter.version;
            let held = |error| LineageError::Charter { version, error };
            signed.check().map_err(held)?;
            match before {
                None if (version, charter.epoch) == (1, Epoch::FIRST) => {}
                None => return Err(LineageError::First { version, epoch: charter.epoch }),
                Some(old) => charter.follows(old).map_err(held)?,
            }
            before = Some(charter);
        }
        let current = past.pop().ok_or(LineageError::Empty)?;
        Ok(Self { past, current })
    }

    /// Adds the charter that follows the one in force.
    ///
    /// # Errors
    /// Where it does not follow, or is not signed by all its parties.
    pub fn followed_by(self, next: Signed<Charter>) -> Result<Self, LineageError> {
        Self::new(self.charters().cloned().chain([next]).collect())
    }

    /// The charter in force.
    #[must_use]
    pub fn current(&self) -> &Signed<Charter> {
        &self.current
    }

    /// Those before it, the oldest first.
    #[must_use]
    pub fn past(&self) -> &[Signed<Charter>] {
        &self.past
    }

    /// All of them, the oldest first.
    pub fn charters(&self) -> impl Iterator<Item = &Signed<Charter>> {
        self.past.iter().chain([&self.current])
    }

    /// Their digests, the oldest first.
    #[must_use]
    pub fn digests(&self) -> Vec<Digest> {
        self.charters().map(|signed| signed.document.digest()).collect()
    }
}
