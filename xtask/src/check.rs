//! Everything in CI beyond the tests. Every step runs, also after a failed one, and a summary closes.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::deny::Advisories;
use crate::tidy::floors;
use crate::{checker, contracts, deny, fuzz, install, metadata, shell, tidy};

/// What a step that passed has to add.
type Remark = Option<String>;
type Step = (&'static str, fn(&Path) -> Result<Remark>);

/// Quick ones first.
const STEPS: [Step; 9] = [
    ("format", format),
    ("tidy", |root| tidy::tidy(root).map(|()| None)),
    ("checker", |root| checker::check(root).map(Some)),
    ("contracts", |root| contracts::compare(root).map(|()| None)),
    ("clippy", clippy),
    ("wasm", wasm),
    ("docs", docs),
    ("deny", dependencies),
    ("fuzz", |root| fuzz::check(root).map(Some)),
];

/// Runs the named steps, or all.
pub(crate) fn check(root: &Path, names: &[&str]) -> Result<()> {
    if let Some(unknown) = names.iter().find(|name| STEPS.iter().all(|(step, _)| step != *name)) {
        bail!("`{unknown}` is no step; there are: {}", STEPS.map(|(name, _)| name).join(", "));
    }
    install::toolchain_parts(root)?;
    let mut summary = String::new();
    let mut failed = Vec::new();
    for (name, step) in STEPS.iter().filter(|(name, _)| names.is_empty() || names.contains(name)) {
        eprintln!("xtask: check {name}");
        let start = Instant::now();
        let result = step(root);
        if result.is_err() {
            failed.push(*name);
        }
        summary.push_str(&row(name, &result, start.elapsed()));
    }
    eprint!("{summary}");
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

fn row(name: &str, result: &Result<Remark>, took: Duration) -> String {
    let outcome = match result {
        Ok(None) => "ok".to_owned(),
        Ok(Some(remark)) => format!("ok, {remark}"),
        Err(error) => format!("FAILED: {error:#}"),
    };
    format!("xtask: {name:<10} {:>6.1} s  {outcome}\n", took.as_secs_f64())
}

fn format(root: &Path) -> Result<Remark> {
    shell::run(&mut shell::cargo(root, &["fmt", "--all", "--check"]))?;
    Ok(None)
}

fn clippy(root: &Path) -> Result<Remark> {
    let args = ["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"];
    shell::run(&mut shell::cargo(root, &args))?;
    Ok(None)
}

/// The browser will run the very code that the nodes run.
fn wasm(root: &Path) -> Result<Remark> {
    let members = metadata::members(root)?;
    let pure: Vec<&str> =
        members.iter().map(|member| member.name.as_str()).filter(|name| floors::is_pure(name)).collect();
    let mut args = vec!["check", "--locked", "--target", "wasm32-unknown-unknown"];
    args.extend(pure.iter().flat_map(|name| ["--package", name]));
    shell::run(&mut shell::cargo(root, &args))?;
    Ok(Some(pure.join(" ")))
}

fn docs(root: &Path) -> Result<Remark> {
    let args = ["doc", "--locked", "--workspace", "--no-deps"];
    shell::run(shell::cargo(root, &args).env("RUSTDOCFLAGS", "-D warnings"))?;
    Ok(None)
}

fn dependencies(root: &Path) -> Result<Remark> {
    Ok(match deny::check(root)? {
        Advisories::Checked => None,
        Advisories::Skipped { reason } => Some(format!("ADVISORIES SKIPPED: {reason}")),
    })
}
