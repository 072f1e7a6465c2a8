//! What the kernel knows: processor time and memory of threads and processes.

use std::time::Duration;

use anyhow::Context as _;

/// Ticks of processor time in a second, as `/proc` counts them on every Linux.
const TICKS: f64 = 100.0;

/// Runs work on this thread and tells the processor time that it took, whatever else runs meanwhile.
pub(super) fn timed<T>(work: impl FnOnce() -> T) -> anyhow::Result<(T, Duration)> {
    let before = of_this_thread()?;
    let value = work();
    Ok((value, of_this_thread()?.saturating_sub(before)))
}

fn of_this_thread() -> anyhow::Result<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").context("this needs Linux")?;
    let nanoseconds = text.split_whitespace().next().and_then(|word| word.parse().ok());
    Ok(Duration::from_nanos(nanoseconds.context("the kernel does not count processor time")?))
}

/// Processor time that a process has used, in seconds.
pub(super) fn cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // After the name in parentheses, which may hold anything, come the fields from the third on.
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |field: usize| fields.get(field).and_then(|word| word.parse::<f64>().ok());
    let (user, system) = ticks(11).zip(ticks(12)).context("the kernel's statistics are not understood")?;
    Ok((user + system) / TICKS)
}

/// Memory of a process that is resident, in megabytes.
pub(super) fn resident_megabytes(pid: u32) -> anyhow::Result<f64> {
    memory_megabytes(pid, "VmRSS:")
}

/// The most memory of a process that was ever resident, in megabytes.
pub(super) fn peak_megabytes(pid: u32) -> anyhow::Result<f64> {
    memory_megabytes(pid, "VmHWM:")
}

fn memory_megabytes(pid: u32, name: &str) -> anyhow::Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
    Ok(kilobytes.context("the kernel's statistics are not understood")? / 1024.0)
}

/// How many processors there are.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The processor and how busy the machine was just now, in words.
pub(super) fn describe() -> String {
    let name = std::fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().next().unwrap_or("unknown").to_owned();
    let name = name.unwrap_or_else(|| "unknown processor".into());
    format!("{} × {name}, load at the start {load}", cores())
}
