//! The README's two commands: `demo` and `test`.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::install::{self, ANVIL_VARIABLE};
use crate::{metadata, shell};

/// Installs, builds, then becomes `cohold demo`: signals, exit code and standard output are its own.
pub(crate) fn demo(root: &Path, args: &[&str]) -> Result<ExitCode> {
    let anvil = install::install(root)?;
    shell::run(&mut shell::cargo(root, &["build", "--locked", "--package", "cohold", "--bin", "cohold"]))?;
    let binary = metadata::target_folder(root)?.join("debug/cohold");
    let args = args.strip_prefix(&["--"]).unwrap_or(args);
    let error = Command::new(&binary).arg("demo").args(args).env(ANVIL_VARIABLE, anvil).exec();
    Err(error).with_context(|| format!("cannot start `{}`", binary.display()))
}

/// Installs, builds, runs every test; or `cargo test ARGS`.
pub(crate) fn test(root: &Path, args: &[&str]) -> Result<ExitCode> {
    let anvil = install::install(root)?;
    let which = if args.is_empty() { &["--workspace"] } else { args };
    let mut command = shell::cargo(root, &[&["test", "--locked"], which].concat());
    let status = command.env(ANVIL_VARIABLE, anvil).status().context("cannot start cargo")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
