//! The custody of many accounts: `cohold custody fleet` as a process of its own, over files of models
//! that are all alike, or all different.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use cohold_custody::specimen;

use super::machine;
use crate::output::Output;

pub(super) const SECONDS_MAX: f64 = 60.0;
pub(super) const MEGABYTES_MAX: f64 = 300.0;
/// How a fleet ends in which an account crossed the red line: it has done its work.
const CROSSED: i32 = 4;
/// How often memory is looked at; the kernel remembers the peak, so only the last moments are missed.
const LOOK: Duration = Duration::from_millis(20);

/// What a run took.
pub(super) struct Run {
    pub(super) what: &'static str,
    pub(super) seconds: f64,
    pub(super) cpu_seconds: f64,
    pub(super) megabytes: f64,
}

/// A first run over models that are alike, one over models that differ, the same the day after, and a day on
/// which every one of them has changed.
pub(super) async fn runs(output: Output, folder: &Path, accounts: u32) -> anyhow::Result<Vec<Run>> {
    let [alike, differing, changed] =
        ["alike", "differing", "changed"].map(|name| folder.join(name).with_extension("jsonl"));
    output.progress(&format!("{accounts} models of each kind …"));
    write(&alike, accounts, |_| 0)?;
    write(&differing, accounts, |index| index)?;
    write(&changed, accounts, |index| index ^ 1)?;
    let mut runs = Vec::new();
    for (what, models, before) in [
        ("all alike, first run", &alike, &alike),
        ("all different, first run", &differing, &differing),
        ("all different, unchanged since the last run", &differing, &differing),
        ("all different, every one changed since the last run", &changed, &differing),
    ] {
        output.progress(&format!("a fleet: {what} …"));
        runs.push(run(what, models, &before.with_extension("state")).await?);
    }
    Ok(runs)
}

fn write(path: &Path, accounts: u32, shape: impl Fn(u32) -> u32) -> anyhow::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for index in 0..accounts {
        let model = specimen::shaped(&format!("eip155:1:0x{index:040x}"), shape(index))?;
        serde_json::to_writer(&mut file, &model)?;
        file.write_all(b"\n")?;
    }
    Ok(file.flush()?)
}

async fn run(what: &'static str, models: &Path, state: &Path) -> anyhow::Result<Run> {
    let mut command = tokio::process::Command::new(std::env::current_exe()?);
    command.args(["custody", "fleet", "--json", "--models"]).arg(models);
    command.arg("--state").arg(state);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true);
    let began = Instant::now();
    let mut child = command.spawn()?;
    let pid = child.id().context("it has just begun")?;
    let mut run = Run { what, seconds: 0.0, cpu_seconds: 0.0, megabytes: 0.0 };
    loop {
        if let Some(status) = child.try_wait()? {
            run.seconds = began.elapsed().as_secs_f64();
            let crosses = status.code() == Some(CROSSED);
            anyhow::ensure!(status.success() || crosses, "the fleet ended with {status}");
            return Ok(run);
        }
        // The process may end between two looks.
        run.megabytes = machine::peak_megabytes(pid).unwrap_or(run.megabytes);
        run.cpu_seconds = machine::cpu_seconds(pid).unwrap_or(run.cpu_seconds);
        tokio::time::sleep(LOOK).await;
    }
}
