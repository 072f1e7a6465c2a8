//! The custody of many accounts: `cohold custody fleet` as a process of its own, over files of models
//! that are all alike, or all different.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::{custody, machine};
use crate::output::Output;

pub(super) const SECONDS_MAX: f64 = 60.0;
pub(super) const MEGABYTES_MAX: f64 = 300.0;
/// How often memory is looked at; the kernel remembers the peak, so only the last moments are missed.
const LOOK: Duration = Duration::from_millis(20);

/// What a run took.
pub(super) struct Run {
    pub(super) what: &'static str,
    pub(super) seconds: f64,
    pub(super) cpu_seconds: f64,
    pub(super) megabytes: f64,
}

/// A first run over models that are alike, one over models that differ, and the same the day after.
pub(super) async fn runs(output: Output, folder: &Path, accounts: u32) -> anyhow::Result<Vec<Run>> {
    let (alike, differing) = (folder.join("alike.jsonl"), folder.join("differing.jsonl"));
    output.progress(&format!("{accounts} models of each kind …"));
    write(&alike, accounts, |_| 0)?;
    write(&differing, accounts, |index| index)?;
    let mut runs = Vec::new();
    for (what, models) in [
        ("all alike, first run", &alike),
        ("all different, first run", &differing),
        ("all different, unchanged since the last run", &differing),
    ] {
        output.progress(&format!("a fleet: {what} …"));
        runs.push(run(what, models).await?);
    }
    Ok(runs)
}

fn write(path: &Path, accounts: u32, shape: impl Fn(u32) -> u32) -> anyhow::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for index in 0..accounts {
        let model = custody::account(&format!("eip155:1:0x{index:040x}"), shape(index))?;
        serde_json::to_writer(&mut file, &model)?;
        file.write_all(b"\n")?;
    }
    Ok(file.flush()?)
}

async fn run(what: &'static str, models: &Path) -> anyhow::Result<Run> {
    let mut command = tokio::process::Command::new(std::env::current_exe()?);
    command.args(["custody", "fleet", "--json", "--models"]).arg(models);
    command.arg("--state").arg(models.with_extension("state"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true);
    let began = Instant::now();
    let mut child = command.spawn()?;
    let pid = child.id().context("it has just begun")?;
    let mut run = Run { what, seconds: 0.0, cpu_seconds: 0.0, megabytes: 0.0 };
    loop {
        if let Some(status) = child.try_wait()? {
            run.seconds = began.elapsed().as_secs_f64();
            anyhow::ensure!(status.success(), "the fleet ended with {status}");
            return Ok(run);
        }
        // The process may end between two looks.
        run.megabytes = machine::peak_megabytes(pid).unwrap_or(run.megabytes);
        run.cpu_seconds = machine::cpu_seconds(pid).unwrap_or(run.cpu_seconds);
        tokio::time::sleep(LOOK).await;
    }
}
