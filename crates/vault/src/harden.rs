//! A process that holds secrets leaves no memory image behind.

#[cfg(target_os = "linux")]
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::process::{Resource, Rlimit, setrlimit};

/// The system did not let the process protect itself.
#[derive(Debug, thiserror::Error)]
#[error("core dumps cannot be turned off: {0}")]
pub struct HardenError(#[from] std::io::Error);

/// Turns core dumps off for this process and its children (`RLIMIT_CORE` 0), and keeps other processes
/// of the same user from attaching to it or reading its memory (`PR_SET_DUMPABLE` 0, on Linux).
pub fn harden_process() -> Result<(), HardenError> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).map_err(std::io::Error::from)?;
    #[cfg(target_os = "linux")]
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(std::io::Error::from)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn core_dumps_are_off() -> Result<(), HardenError> {
        harden_process()?;
        assert_eq!(rustix::process::getrlimit(Resource::Core).current, Some(0));
        Ok(())
    }
}
