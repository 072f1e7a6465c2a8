//! The README's commands: `demo`, `test` and `bench`.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::install::{self, ANVIL_VARIABLE};
use crate::{metadata, shell};

/// Installs, builds, then becomes `cohold demo`: signals, exit code and standard output are its own.
pub(crate) fn demo(root: &Path, args: &[&str]) -> Result<ExitCode> {
    become_cohold(root, "debug", &[], &[&["demo"], args.strip_prefix(&["--"]).unwrap_or(args)].concat())
}

/// Installs, builds with optimisation, then becomes `cohold bench`.
pub(crate) fn bench(root: &Path, args: &[&str]) -> Result<ExitCode> {
    let args = [&["bench"], args.strip_prefix(&["--"]).unwrap_or(args)].concat();
    become_cohold(root, "release", &["--release"], &args)
}

/// Draws the picture that a test of `cohold-custody` compares with the code.
pub(crate) fn picture(root: &Path) -> Result<()> {
    let cohold = ["run", "--locked", "--quiet", "--package", "cohold", "--"];
    let draw = ["custody", "draw", "crates/custody/tests/extract/personal.json"];
    let out = ["--out", "docs/images/personal.svg"];
    shell::run(shell::cargo(root, &[&cohold[..], &draw, &out].concat()).current_dir(root))
}

fn become_cohold(root: &Path, folder: &str, profile: &[&str], args: &[&str]) -> Result<ExitCode> {
    let anvil = install::install(root)?;
    let build = ["build", "--locked", "--package", "cohold", "--bin", "cohold"];
    shell::run(&mut shell::cargo(root, &[&build, profile].concat()))?;
    let binary = metadata::target_folder(root)?.join(folder).join("cohold");
    let error = Command::new(&binary).args(args).env(ANVIL_VARIABLE, anvil).exec();
    Err(error).with_context(|| format!("cannot start `{}`", binary.display()))
}

/// Installs, builds, runs every test; or `cargo test ARGS`.
pub(crate) fn test(root: &Path, args: &[&str]) -> Result<ExitCode> {
    let anvil = install::install_for_tests(root)?;
    let which = if args.is_empty() { &["--workspace"] } else { args };
    let mut command = shell::cargo(root, &[&["test", "--locked", "--no-fail-fast"], which].concat());
    let status = command.env(ANVIL_VARIABLE, anvil).status().context("cannot start cargo")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
