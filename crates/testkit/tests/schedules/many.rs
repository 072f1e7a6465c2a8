//! Many seeds, every invariant after every step.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use cohold_testkit::sim::{Counts, Depth, Report, run};

use crate::stock;

/// How many schedules are played where nothing else is asked for.
const SCHEDULES: u64 = 1_000;
/// The most of a schedule's steps that a failure prints.
const STEPS_SHOWN_MAX: usize = 400;

fn regressions() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/schedules/regressions.txt")
}

/// Seeds that failed once.
fn failed_before() -> Vec<u64> {
    let text = std::fs::read_to_string(regressions()).unwrap_or_default();
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    lines
        .filter(|line| !line.is_empty())
        .map(|line| line.parse().expect("a line begins with a seed"))
        .collect()
}

fn asked(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("`{variable}` is a number")))
}

/// What a failure prints: the steps, then what was broken.
fn told(seed: u64, report: &Report) -> String {
    let broken = report.violation.as_ref().map(|it| format!("{:?}: {}", it.invariant, it.detail));
    let first = report.log.len().saturating_sub(STEPS_SHOWN_MAX);
    let steps: Vec<String> =
        report.log.iter().enumerate().skip(first).map(|(i, step)| format!("{i:4} {step}")).collect();
    format!(
        "{}\n     {}\nplay it again with COHOLD_SEED={seed}",
        steps.join("\n"),
        broken.unwrap_or_else(|| "nothing was broken".into())
    )
}

#[test]
fn every_schedule_keeps_every_invariant() {
    if let Some(seed) = asked("COHOLD_SEED") {
        let report = run(stock(), seed, None, None);
        println!("{}", told(seed, &report));
        assert!(report.violation.is_none(), "seed {seed} broke something");
        return;
    }
    let before = failed_before();
    let count = asked("COHOLD_SCHEDULES").unwrap_or(SCHEDULES);
    let seeds: Vec<u64> = before.iter().copied().chain(0..count).collect();
    let next = AtomicU64::new(0);
    let outcome = Mutex::new((Counts::default(), Vec::new()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let stock = stock();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let place = usize::try_from(next.fetch_add(1, Ordering::SeqCst)).unwrap();
                    let Some(seed) = seeds.get(place).copied() else { return };
                    let report = run(stock, seed, None, None);
                    let mut outcome = outcome.lock().unwrap();
                    outcome.0 = outcome.0.plus(report.counts);
                    if report.violation.is_some() {
                        outcome.1.push((seed, told(seed, &report)));
                    }
                }
            });
        }
    });
    let (counts, failed) = outcome.into_inner().unwrap();
    println!("{} schedules: {counts:?}", seeds.len());
    if let Some((seed, told)) = failed.iter().min_by_key(|(_, told)| told.len()) {
        keep(&failed.iter().map(|(seed, _)| *seed).filter(|it| !before.contains(it)).collect::<Vec<_>>());
        panic!(
            "{} of {} schedules broke something; the shortest, {seed}:\n{told}",
            failed.len(),
            seeds.len()
        );
    }
    // A simulator in which nothing happens finds nothing.
    let Counts { signatures, charters, abandoned, cuts, restores, losses, bans, signed_in_the_end, .. } =
        counts;
    let least = count / 20;
    for (what, happened) in [
        ("signatures", signatures),
        ("charters", charters),
        ("abandoned", abandoned),
        ("cuts", cuts),
        ("restores", restores),
        ("losses", losses),
        ("bans", bans),
        ("signed in the end", signed_in_the_end),
    ] {
        assert!(happened >= least, "only {happened} {what} in {count} schedules");
    }
}

/// Writes the first failing seeds down, so that they are played first from now on.
fn keep(seeds: &[u64]) {
    let file = std::fs::OpenOptions::new().append(true).create(true).open(regressions());
    let Ok(mut file) = file else { return };
    for seed in seeds.iter().take(8) {
        let _ = writeln!(file, "{seed}");
    }
}

#[test]
fn a_seed_gives_one_schedule() {
    for (seed, depth) in [(11, Depth::Payments), (12, Depth::Between), (13, Depth::Whole)] {
        let first = run(stock(), seed, Some(depth), None);
        let again = run(stock(), seed, Some(depth), None);
        assert_eq!(first.log, again.log);
        let other = run(stock(), seed + 1000, Some(depth), None);
        assert_ne!(first.log, other.log);
    }
}
