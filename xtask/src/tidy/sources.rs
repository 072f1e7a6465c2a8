//! Source files: one idea each, and in pure crates no reach for the world outside.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::floors;
use crate::metadata::Member;

const LINES_MAX: usize = 600;

/// What sans-IO code never says outside of its tests.
const IMPURE: [&str; 15] = [
    "std::env",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "Instant::now",
    "SystemTime",
    "OsRng",
    "SysRng",
    "thread_rng",
    "async fn",
    "println!",
    "eprintln!",
    "dbg!",
    "rand::rng",
];

/// Where a thread is allowed all the same: a run of an engine whose futures cannot move, and whose owner waits
/// for it (docs/adr/0015-cggmp24.md).
const THREAD: (&str, &str) = ("crates/mpc-cggmp/src/machine.rs", "std::thread");

/// Every file that does not keep to the rules, in a sentence.
pub(super) fn breaches(root: &Path, members: &[Member]) -> Result<Vec<String>> {
    let mut breaches = Vec::new();
    for member in members {
        for path in rust_files(&member.folder.join("src"))? {
            let text =
                fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
            let shown = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            breaches.extend(too_long(&shown, &text));
            if floors::is_pure(&member.name) && path.file_name().is_some_and(|name| name != "tests.rs") {
                breaches.extend(impure(&shown, &text));
            }
        }
    }
    Ok(breaches)
}

fn rust_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot read `{}`", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

fn too_long(shown: &str, text: &str) -> Option<String> {
    let lines = text.lines().count();
    (lines > LINES_MAX)
        .then(|| format!("{shown} has {lines} lines, and {LINES_MAX} are the most: split it by ideas"))
}

/// Tests come last in a file, so what stands above them is the crate's own code.
fn impure(shown: &str, text: &str) -> Vec<String> {
    let own = text.lines().enumerate().take_while(|(_, line)| line.trim() != "#[cfg(test)]");
    own.filter_map(|(index, line)| {
        let code = line.split("//").next().unwrap_or_default();
        let word = IMPURE.iter().find(|word| code.contains(**word) && (shown, **word) != THREAD)?;
        Some(format!("{shown}:{} says `{word}`: floors 0 to 3 and `party` do no IO", index + 1))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::{impure, too_long};

    #[test]
    fn pure_code_says_nothing_impure() {
        let text = "// std::fs in a comment\nlet now = SystemTime::now();\n#[cfg(test)]\nmod tests { use std::fs; }\n";
        assert_eq!(impure("a.rs", text), ["a.rs:2 says `SystemTime`: floors 0 to 3 and `party` do no IO"]);
    }

    #[test]
    fn files_stay_short() {
        assert_eq!(too_long("a.rs", &"line\n".repeat(600)), None);
        assert!(too_long("a.rs", &"line\n".repeat(601)).is_some());
    }
}
