//! A short run of the fuzzer over every parser of foreign bytes.
//!
//! cargo-fuzz would build every dependency anew, with coverage: minutes, for code that is not ours. Here the compiler
//! is wrapped so that only the members of this workspace get coverage, and all else is the build that tests use.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::{metadata, shell};

/// For each parser; all of them together stay under three minutes, the build aside.
const SECONDS: u64 = 12;
const CORPUS: &str = "fuzz/corpus";
/// Set for the build: this program then stands before the compiler.
const WRAPS: &str = "COHOLD_FUZZ_WRAPS";
/// What cargo-fuzz gives the compiler on a stable toolchain (`--sanitizer none`).
const COVERAGE: [&str; 6] = [
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// Whether cargo asks this program to be the compiler of a member.
pub(crate) fn is_wrapper() -> bool {
    std::env::var_os(WRAPS).is_some()
}

/// Becomes the compiler, with coverage.
pub(crate) fn compile() -> Result<ExitCode> {
    let mut words = std::env::args_os().skip(1);
    let compiler = words.next().context("cargo names no compiler")?;
    Err(Command::new(&compiler).args(words).args(COVERAGE).exec()).context("cannot start the compiler")
}

/// Builds the fuzzer and runs it over each corpus. What breaks a parser is kept in `target/fuzz`.
pub(crate) fn check(root: &Path) -> Result<String> {
    let own = std::env::current_exe().context("this program has no path")?;
    let args = ["build", "--locked", "--package", "cohold-fuzz", "--features", "libfuzzer"];
    shell::run(shell::cargo(root, &args).env("RUSTC_WORKSPACE_WRAPPER", own).env(WRAPS, "1"))?;
    let target = metadata::target_folder(root)?;
    let mut names = Vec::new();
    for entry in fs::read_dir(root.join(CORPUS)).with_context(|| format!("cannot read `{CORPUS}`"))? {
        names.push(entry?.file_name().into_string().ok().context("a corpus has no name")?);
    }
    names.sort();
    for name in &names {
        run(root, &target, name)?;
    }
    Ok(format!("{} parsers for {SECONDS} s each", names.len()))
}

fn run(root: &Path, target: &Path, name: &str) -> Result<()> {
    let found = target.join("fuzz").join(name);
    fs::create_dir_all(&found).with_context(|| format!("cannot make `{}`", found.display()))?;
    let seeds = root.join(CORPUS).join(name).display().to_string();
    let (new, artifacts) = (found.display().to_string(), format!("-artifact_prefix={}/", found.display()));
    let seconds = format!("-max_total_time={SECONDS}");
    // New inputs go to the first folder; the second is only read.
    let args = [
        &new,
        &seeds,
        &artifacts,
        &seconds,
        "-timeout=5",
        "-rss_limit_mb=1024",
        "-max_len=65536",
        "-print_final_stats=1",
        "-verbosity=0",
        "-print_funcs=0",
    ];
    eprintln!("xtask: fuzz {name}");
    let mut command = shell::program(target.join("debug/cohold-fuzz"), root, &args);
    if shell::run(command.env("COHOLD_FUZZ", name)).is_err() {
        bail!(
            "`{name}` broke; the input lies in {new} as `crash-…`, `oom-…` or `timeout-…`, add it to {CORPUS}/{name} with the repair"
        );
    }
    Ok(())
}
