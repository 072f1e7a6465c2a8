//! Crash points: places where tests end the process as `kill -9` would. They exist in debug builds
//! only.

/// Ends the process at once if `COHOLD_CRASH_AT` names this point (`name`, or `name:3` for its third
/// passing). In release builds this is nothing.
#[macro_export]
macro_rules! crash_point {
    ($name:literal) => {
        #[cfg(debug_assertions)]
        {
            static PASSED: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
            $crate::crash::pass($name, &PASSED);
        }
    };
}

/// Counts a passing and crashes where it is asked to.
#[cfg(debug_assertions)]
pub fn pass(name: &str, passed: &std::sync::atomic::AtomicU32) {
    let Ok(wanted) = std::env::var("COHOLD_CRASH_AT") else { return };
    let (wanted, nth) = wanted.split_once(':').unwrap_or((&wanted, "1"));
    if wanted == name {
        let passing = passed.fetch_add(1, std::sync::atomic::Ordering::SeqCst).saturating_add(1);
        if nth.parse() == Ok(passing) {
            std::process::abort();
        }
    }
}
