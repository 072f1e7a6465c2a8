//! `cohold bench`: what Cohold costs, in the same run as the raw engine and plain signatures. It starts
//! a chain, a server and two nodes as processes of their own in a temporary folder.

mod crowd;
mod custody;
mod fleet;
mod machine;
mod pay;
mod raw;
mod sizes;
mod table;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use cohold_model::Amount;
use serde_json::json;

use self::pay::{Latencies, Payer, Throughput};
use self::raw::RawKey;
use self::table::{Figure, Target};
use crate::args::BenchArgs;
use crate::dev::{Dev, Options};
use crate::output::Output;
use crate::{account, chain, demo};

/// Keys that are made to measure how long that takes; the middle one counts.
const KEYS: usize = 3;
/// Parties of a key that pays, and which of them sign.
const PARTIES: u8 = 3;
const RAW_SIGNERS: [usize; 2] = [0, 1];
/// Payments before measuring begins.
const WARM_UP: usize = 20;
const RAW_SIGNATURES: u32 = 100;
/// How often the chain makes a block. A block for each transaction is what a local chain does by itself;
/// no other chain does, and it has the server look at the chain once for each payment.
const BLOCK_SECONDS: u64 = 1;
/// The first processes of [`spent`] sign, with the client's work in one of them.
const SIGNERS: usize = 2;
/// The one that is not Cohold's.
const CHAIN: &str = "chain";
const KEYGEN_RATIO_MAX: f64 = 1.5;
const NODE_START_SECONDS_MAX: f64 = 1.0;
const NODE_IDLE_MEGABYTES_MAX: f64 = 60.0;
/// Payments at a time that are many.
const CROWD: usize = 100;
const NODE_PEAK_MEGABYTES_MAX: f64 = 300.0;

/// Figures, and what else is worth telling.
#[derive(Default)]
struct Report {
    figures: Vec<Figure>,
    notes: Vec<String>,
}

/// What the raw crates do on this machine.
struct Peers {
    key: RawKey,
    /// Of three parties side by side: until the last was done, and the processor time of the slowest.
    keygen: Duration,
    keygen_cpu: Duration,
    sign: Duration,
}

/// `cohold bench`.
pub(crate) async fn run(output: Output, args: &BenchArgs) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new().prefix("cohold-bench-").tempdir()?;
    let mut report = Report::default();
    if cfg!(debug_assertions) {
        report.note("this is a debug build: its figures mean nothing; use `cargo xtask bench`");
    }
    report.note(machine::describe());
    if !args.only_fleet && !args.only_sizes {
        output.progress("the raw engine and plain signatures …");
        let (measured, peers) = tokio::task::spawn_blocking(move || peers(report)).await??;
        report = measured;
        let peers = Arc::new(peers);
        processes(output, args, folder.path(), &peers, &mut report).await?;
    }
    if !args.only_sizes {
        evaluations(output, args, folder.path(), &mut report).await?;
    }
    if !args.only_fleet {
        output.progress("keys of other sizes …");
        let seed = args.seed;
        let rows = tokio::task::spawn_blocking(move || sizes::rows(seed)).await??;
        report.figures.extend(rows);
        report.note(format!("who signs and deals among the parties of each size is drawn from seed {seed}"));
    }
    tell(output, &report)
}

/// What certificates cost.
async fn evaluations(
    output: Output,
    args: &BenchArgs,
    place: &Path,
    report: &mut Report,
) -> anyhow::Result<()> {
    for (atoms, target) in [(12, Some(1.0)), (16, None), (20, Some(100.0))] {
        let took = milliseconds(custody::realistic(atoms)?);
        report.value(
            format!("custody evaluation, {atoms} atoms"),
            "ms",
            took,
            target.map_or(Target::None, Target::AtMost),
        );
    }
    let took = milliseconds(custody::quorum(20)?);
    report.value("custody evaluation, 10 of 20 atoms", "ms", took, Target::AtMost(100.0));
    for run in fleet::runs(output, place, args.fleet).await? {
        let name = format!("fleet of {} accounts of 12 atoms, {}", args.fleet, run.what);
        report.value(&name, "s", run.seconds, Target::AtMost(fleet::SECONDS_MAX));
        report.value(format!("{name}: memory"), "MB", run.megabytes, Target::AtMost(fleet::MEGABYTES_MAX));
        report.note(format!("{name}: {:.1} s of CPU", run.cpu_seconds));
    }
    Ok(())
}

fn tell(output: Output, report: &Report) -> anyhow::Result<()> {
    let missed = report.figures.iter().filter(|figure| figure.is_met() == Some(false)).count();
    let value = json!({
        "figures": report.figures.iter().map(Figure::value).collect::<Vec<_>>(),
        "notes": report.notes,
        "missed": missed,
    });
    output.result(&value, || format!("{}\n\n{}", table::render(&report.figures), report.notes.join("\n")))
}

/// Measures the peers; they come last in the table.
fn peers(mut report: Report) -> anyhow::Result<(Report, Peers)> {
    let mut keys: Vec<RawKey> = (0..KEYS).map(|_| raw::keygen(2, PARTIES)).collect::<anyhow::Result<_>>()?;
    let keygen = middle(keys.iter().map(|key| key.together).collect());
    let keygen_cpu = middle(keys.iter().map(|key| key.slowest).collect());
    let key = keys.pop().context("no key was made")?;
    raw::sign_cpu(&key, &RAW_SIGNERS, RAW_SIGNATURES / 10)?;
    let sign = raw::sign_cpu(&key, &RAW_SIGNERS, RAW_SIGNATURES)?;
    let (c, rust) = (raw::libsecp256k1()?, raw::k256()?);
    report.note(format!(
        "plain signatures by one holder of the whole key: libsecp256k1 {:.4} ms, k256 {:.4} ms; the raw threshold engine takes {:.0} times the former",
        milliseconds(c),
        milliseconds(rust),
        sign.as_secs_f64() / c.as_secs_f64().max(f64::MIN_POSITIVE),
    ));
    Ok((report, Peers { key, keygen, keygen_cpu, sign }))
}

/// Measures the whole, over processes.
async fn processes(
    output: Output,
    args: &BenchArgs,
    place: &Path,
    peers: &Arc<Peers>,
    report: &mut Report,
) -> anyhow::Result<()> {
    let home = demo::prepare(place)?;
    let options = Options { folder: place.to_path_buf(), device: home.clone(), port: 0, chain_port: Some(0) };
    let mut dev = Dev::start(output, options).await?;
    let start = node_start(&mut dev).await?;
    let idle = machine::resident_megabytes(dev.node_pid("cosigner")?)?;

    output.progress("keys, 2-of-3, across processes …");
    let (payer, times) = Payer::new(&home, KEYS).await?;
    let payer = Arc::new(payer);
    let keygen = milliseconds(middle(times));
    // Three parties on fewer cores wait for each other whoever runs them; the raw crate's are then run as ours.
    let wanted = Target::RatioAtMost(KEYGEN_RATIO_MAX);
    let (together, alone) =
        if machine::cores() < usize::from(PARTIES) { (wanted, Target::None) } else { (Target::None, wanted) };
    report.add(Figure {
        name: "key generation 2-of-3, until in force".into(),
        unit: "ms",
        ours: keygen,
        peer: Some((
            "raw engine, three parties side by side, the slowest".into(),
            milliseconds(peers.keygen),
        )),
        target: together,
    });
    report.add(Figure {
        name: "key generation 2-of-3, the same".into(),
        unit: "ms",
        ours: keygen,
        peer: Some(("raw engine, CPU of its slowest party alone".into(), milliseconds(peers.keygen_cpu))),
        target: alone,
    });

    let local = dev.chain.as_ref().context("there is a chain")?.chain.clone();
    for charter in payer.charters() {
        chain::fund(&local, account::address(charter)?, Amount::parse("1000", 18)?).await?;
    }
    chain::mine_every(&local, BLOCK_SECONDS).await?;
    output.progress("payments, one after the other …");
    payer.one_by_one(WARM_UP).await?;
    let alone = payer.one_by_one(args.payments).await?;
    latency(report, &alone, peers);
    output.progress("other shares of a key, 2-of-3 to 2-of-3, across processes …");
    epochs(report, args, &payer, &alone, keygen).await?;

    output.progress("payments, side by side …");
    let time = Duration::from_secs(args.seconds);
    let raw_before = raw_per_second(peers, time).await?;
    let before = spent(&dev)?;
    let together = payer.side_by_side(args.width, time).await?;
    let after = spent(&dev)?;
    let raw_after = raw_per_second(peers, time).await?;
    let raw = f64::midpoint(raw_before, raw_after);
    throughput(report, args, &together, raw, raw * (1.0 - chain_share(&together, &before, &after)));
    cpu(report, &together, peers, &before, &after);

    output.progress("payments, a crowd of them …");
    payer.side_by_side(CROWD, time).await?;
    let peak = machine::peak_megabytes(dev.node_pid("cosigner")?)?;
    let name = format!("node, most memory, with {CROWD} payments at a time");
    report.value(name, "MB", peak, Target::AtMost(NODE_PEAK_MEGABYTES_MAX));

    report.value("node start, until the server sees it", "s", start, Target::AtMost(NODE_START_SECONDS_MAX));
    report.value("node, idle memory", "MB", idle, Target::AtMost(NODE_IDLE_MEGABYTES_MAX));
    output.progress(&format!("{} accounts in the co-signer's database …", args.accounts));
    crowded(args, place, &mut dev, &payer, report).await?;
    dev.stop().await;
    Ok(())
}

fn latency(report: &mut Report, alone: &Latencies, peers: &Peers) {
    let sign = milliseconds(peers.sign);
    report.add(Figure {
        name: "signature 2-of-3 through the API, p50".into(),
        unit: "ms",
        ours: milliseconds(alone.quantile(0.5)),
        peer: Some(("raw engine, CPU of both signers".into(), sign)),
        target: Target::RatioAtMost(4.0),
    });
    report.add(Figure {
        name: "signature 2-of-3 through the API, p95".into(),
        unit: "ms",
        ours: milliseconds(alone.quantile(0.95)),
        peer: Some(("the same".into(), sign)),
        target: Target::None,
    });
}

/// What it takes to give an account other shares, and what that does to payments of others beside it.
async fn epochs(
    report: &mut Report,
    args: &BenchArgs,
    payer: &Payer,
    alone: &Latencies,
    keygen: f64,
) -> anyhow::Result<()> {
    report.add(Figure {
        name: "resharing 2-of-3 to 2-of-3, until in force".into(),
        unit: "ms",
        ours: milliseconds(middle(payer.reshare(KEYS).await?)),
        peer: Some(("key generation in the same run, until in force".into(), keygen)),
        target: Target::RatioAtMost(1.3),
    });
    let resharing = async {
        loop {
            payer.reshare(KEYS).await?;
        }
        #[expect(unreachable_code, reason = "tells the type")]
        anyhow::Ok(())
    };
    let beside = tokio::select! {
        paid = payer.one_by_one(args.payments) => paid?,
        ended = resharing => return ended,
    };
    report.add(Figure {
        name: "signature 2-of-3 through the API, p99, while shares are dealt".into(),
        unit: "ms",
        ours: milliseconds(beside.quantile(0.99)),
        peer: Some(("the same before".into(), milliseconds(alone.quantile(0.99)))),
        target: Target::RatioAtMost(1.5),
    });
    Ok(())
}

/// Signatures per second of the raw engine on all cores.
async fn raw_per_second(peers: &Arc<Peers>, time: Duration) -> anyhow::Result<f64> {
    let peers = Arc::clone(peers);
    tokio::task::spawn_blocking(move || {
        raw::sign_throughput(&peers.key, &RAW_SIGNERS, machine::cores(), time)
    })
    .await?
}

/// Which part of the cores the local chain took meanwhile. Elsewhere a chain has machines of its own.
fn chain_share(together: &Throughput, before: &[(&str, f64)], after: &[(&str, f64)]) -> f64 {
    let spent =
        |all: &[(&str, f64)]| all.iter().find(|(name, _)| *name == CHAIN).map_or(0.0, |(_, spent)| *spent);
    (spent(after) - spent(before)) / (together.took.as_secs_f64() * machine::cores() as f64)
}

fn throughput(report: &mut Report, args: &BenchArgs, together: &Throughput, raw: f64, beside_chain: f64) {
    let mut add = |name: String, whose: &str, raw, target| {
        report.add(Figure {
            name,
            unit: "/s",
            ours: together.signed() / together.took.as_secs_f64(),
            peer: Some((format!("raw engine, {whose}, before and after"), raw)),
            target,
        });
    };
    let name = format!("signatures through the API, {} at a time", args.width);
    add(name.clone(), "on what the local chain left of the cores", beside_chain, Target::RatioAtLeast(0.6));
    add(format!("{name}, the same"), "all cores", raw, Target::None);
}

/// Where the processor time goes. It does not depend on what else the machine is doing.
fn cpu(
    report: &mut Report,
    together: &Throughput,
    peers: &Peers,
    before: &[(&'static str, f64)],
    after: &[(&'static str, f64)],
) {
    let each: Vec<(&str, f64)> = before
        .iter()
        .zip(after)
        .map(|((name, before), (_, after))| (*name, (after - before) * 1000.0 / together.signed().max(1.0)))
        .collect();
    let signers = each.iter().take(SIGNERS);
    let shares = [
        ("its two signers, client included", signers.clone().map(|(_, time)| time).sum()),
        ("all processes, the chain's too", each.iter().map(|(_, time)| time).sum()),
    ];
    for (whose, ours) in shares {
        report.add(Figure {
            name: format!("CPU of a signature, {whose}"),
            unit: "ms",
            ours,
            peer: Some(("raw engine, both signers".into(), milliseconds(peers.sign))),
            target: Target::None,
        });
    }
    let split: Vec<String> = each.iter().map(|(name, time)| format!("{name} {time:.1}")).collect();
    report.note(format!(
        "ms of CPU per signature, side by side: {} (the local chain shares the cores and makes a block every {BLOCK_SECONDS} s); {} plans were outdated by others and asked for again",
        split.join(", "),
        together.repeated,
    ));
}

/// The same payments once the co-signer's database is full.
async fn crowded(
    args: &BenchArgs,
    place: &Path,
    dev: &mut Dev,
    payer: &Payer,
    report: &mut Report,
) -> anyhow::Result<()> {
    payer.one_by_one(WARM_UP).await?;
    let few = payer.one_by_one(args.payments).await?;
    dev.stop_node("cosigner").await;
    let database = place.join("cosigner/node.sqlite");
    let (path, accounts) = (database.clone(), args.accounts);
    tokio::task::spawn_blocking(move || crowd::fill(&path, accounts)).await??;
    let began = Instant::now();
    dev.restart_node("cosigner").await?;
    dev.wait_for_nodes().await?;
    let start = began.elapsed();
    payer.one_by_one(WARM_UP).await?;
    let many = payer.one_by_one(args.payments).await?;
    report.add(Figure {
        name: format!("signature, p50, co-signer with {} accounts", args.accounts),
        unit: "ms",
        ours: milliseconds(many.quantile(0.5)),
        peer: Some(("the same with a few".into(), milliseconds(few.quantile(0.5)))),
        target: Target::RatioAtMost(1.1),
    });
    report.value(
        "node start with those accounts",
        "s",
        start.as_secs_f64(),
        Target::AtMost(NODE_START_SECONDS_MAX),
    );
    let resident = machine::resident_megabytes(dev.node_pid("cosigner")?)?;
    report.value("node, memory with those accounts", "MB", resident, Target::None);
    #[expect(clippy::cast_precision_loss, reason = "megabytes")]
    let size = std::fs::metadata(&database)?.len() as f64 / 1e6;
    report.note(format!(
        "the co-signer's database has {size:.0} MB: charters, shares and counters of true size; auxiliary data (105 kB each) cut to a hundredth for all but the accounts that pay"
    ));
    Ok(())
}

/// From the start of a process until the server sees the node.
async fn node_start(dev: &mut Dev) -> anyhow::Result<f64> {
    let mut times = Vec::new();
    for _ in 0..KEYS {
        dev.stop_node("guardian").await;
        let began = Instant::now();
        dev.restart_node("guardian").await?;
        dev.wait_for_nodes().await?;
        times.push(began.elapsed());
    }
    Ok(middle(times).as_secs_f64())
}

/// Processor time that each process has used so far, in seconds.
fn spent(dev: &Dev) -> anyhow::Result<Vec<(&'static str, f64)>> {
    let chain = dev.chain.as_ref().and_then(|chain| chain.child.id()).context("the chain has ended")?;
    Ok(vec![
        ("device and client", machine::cpu_seconds(std::process::id())?),
        ("co-signer", machine::cpu_seconds(dev.node_pid("cosigner")?)?),
        ("server", machine::cpu_seconds(dev.server_pid()?)?),
        (CHAIN, machine::cpu_seconds(chain)?),
    ])
}

impl Report {
    fn add(&mut self, figure: Figure) {
        self.figures.push(figure);
    }

    fn value(&mut self, name: impl Into<String>, unit: &'static str, ours: f64, target: Target) {
        self.add(Figure { name: name.into(), unit, ours, peer: None, target });
    }

    fn note(&mut self, words: impl Into<String>) {
        self.notes.push(words.into());
    }
}

fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
