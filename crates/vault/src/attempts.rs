//! Wrong PINs are counted, durably and before they are tried, so that a killed process has spent its
//! try. Nothing is ever wiped: the waiting time grows, and the right PIN always opens in the end.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::file::{FileError, private_read, private_replace};

/// Seconds to wait after so many failures in a row; the last one holds for all further failures.
const WAIT_SECONDS: [u64; 8] = [0, 0, 0, 5, 30, 300, 1800, 3600];
const FILE_BYTES_MAX: u64 = 256;
/// What a lost or damaged counter is taken for.
const FAILURES_WHEN_LOST: u32 = 3;

/// Counts tries. Whoever implements it makes both calls durable before they return.
pub trait Attempts {
    /// Counts a try as failed before it is made, or says how long to wait.
    fn begin(&self, now: u64) -> Result<(), AttemptError>;

    /// The try succeeded: forget the failures.
    fn succeeded(&self) -> Result<(), AttemptError>;
}

/// Why a PIN was not even tried.
#[derive(Debug, thiserror::Error)]
pub enum AttemptError {
    /// Too many wrong ones before.
    #[error("too many wrong tries: wait {seconds} seconds and try again")]
    Wait {
        /// Seconds until the next try.
        seconds: u64,
    },
    /// The counter cannot be kept, so nothing is tried.
    #[error("tries cannot be counted, so none is made: {0}")]
    File(#[from] FileError),
    /// Another process is trying.
    #[error("`{}` cannot be locked: {error}", path.display())]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
}

/// Seconds to wait after `failures` wrong tries in a row.
#[must_use]
pub fn wait_seconds_after(failures: u32) -> u64 {
    let last = WAIT_SECONDS.len().saturating_sub(1);
    let step = usize::try_from(failures).unwrap_or(last).min(last);
    WAIT_SECONDS.get(step).copied().unwrap_or_default()
}

/// A counter in a small file beside the vault.
#[derive(Debug, Clone)]
pub struct AttemptFile {
    path: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Counter {
    failures: u32,
    last: u64,
}

impl AttemptFile {
    /// The counter at this path; it comes to be with [`AttemptFile::create`].
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Starts counting from zero.
    pub fn create(&self) -> Result<(), AttemptError> {
        self.write(Counter { failures: 0, last: 0 })
    }

    fn write(&self, counter: Counter) -> Result<(), AttemptError> {
        let bytes = serde_json::to_vec(&counter).unwrap_or_default();
        Ok(private_replace(&self.path, &bytes)?)
    }

    /// What is counted so far; a lost or damaged counter is none.
    fn read(&self) -> Result<Option<Counter>, AttemptError> {
        match private_read(&self.path, FILE_BYTES_MAX) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
            Err(FileError::Missing { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// One process at a time counts.
    fn lock(&self) -> Result<File, AttemptError> {
        let path = with_suffix(&self.path, ".lock");
        let failed = |error| AttemptError::Lock { path: path.clone(), error };
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path).map_err(failed)?;
        file.lock().map_err(failed)?;
        Ok(file)
    }
}

impl Attempts for AttemptFile {
    fn begin(&self, now: u64) -> Result<(), AttemptError> {
        let _lock = self.lock()?;
        let Some(counter) = self.read()? else {
            self.write(Counter { failures: FAILURES_WHEN_LOST, last: now })?;
            return Err(AttemptError::Wait { seconds: wait_seconds_after(FAILURES_WHEN_LOST) });
        };
        let wait = wait_seconds_after(counter.failures);
        if now < counter.last && wait > 0 {
            // The clock went back: the wait starts anew now, or it might never end.
            self.write(Counter { last: now, ..counter })?;
            return Err(AttemptError::Wait { seconds: wait });
        }
        let seconds = counter.last.saturating_add(wait).saturating_sub(now);
        if wait > 0 && seconds > 0 {
            return Err(AttemptError::Wait { seconds });
        }
        self.write(Counter { failures: counter.failures.saturating_add(1), last: now })
    }

    fn succeeded(&self) -> Result<(), AttemptError> {
        let _lock = self.lock()?;
        self.write(Counter { failures: 0, last: 0 })
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

    fn wait(attempts: &AttemptFile, now: u64) -> Option<u64> {
        match attempts.begin(now) {
            Err(AttemptError::Wait { seconds }) => Some(seconds),
            Ok(()) => None,
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn waits_grow_and_success_forgets() -> Result {
        let folder = tempfile::tempdir()?;
        let attempts = AttemptFile::at(folder.path().join("attempts"));
        attempts.create()?;
        let mut now = 1_000;
        for expected in [0, 0, 0, 5, 30, 300, 1800, 3600, 3600] {
            if expected > 0 {
                assert_eq!(wait(&attempts, now), Some(expected));
                assert_eq!(wait(&attempts, now + expected - 1), Some(1));
                now += expected;
            }
            // A new handle reads what the killed one wrote.
            assert_eq!(wait(&AttemptFile::at(folder.path().join("attempts")), now), None);
        }
        attempts.succeeded()?;
        assert_eq!(wait(&attempts, now), None);
        Ok(())
    }

    #[test]
    fn a_lost_counter_and_a_clock_that_goes_back_neither_help_nor_lock_out() -> Result {
        let folder = tempfile::tempdir()?;
        let attempts = AttemptFile::at(folder.path().join("attempts"));
        assert_eq!(wait(&attempts, 5_000), Some(5), "a lost counter counts as three failures");
        assert_eq!(wait(&attempts, 5_005), None);
        assert_eq!(wait(&attempts, 100), Some(30));
        assert_eq!(wait(&attempts, 130), None);
        std::fs::write(folder.path().join("attempts"), b"{")?;
        assert_eq!(wait(&attempts, 131), Some(5));
        Ok(())
    }
}
