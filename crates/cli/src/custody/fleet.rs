//! `cohold custody fleet`: all accounts at once, by class, and what changed since the last run.
//!
//! One thread reads, several evaluate, this one collects: it writes the state for the next run as the
//! accounts come and puts it in place at the end, if nothing failed.

mod past;
mod source;
mod work;

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use cohold_custody::Class;
use cohold_custody::declared::Declared;
use cohold_custody::fleet::state::Head;
use cohold_custody::fleet::{Report, render};
use cohold_server::Config;
use cohold_store::server::ServerStore;
use serde_json::json;

use self::past::Past;
use self::source::{Item, Source};
use self::work::{Found, Outcome, Since, Work};
use crate::args::{ClassArg, FleetArgs};
use crate::output::{Exit, Output, Told};

/// Accounts that wait between threads.
const WAITING_MAX: usize = 256;
/// How often progress is told.
const PROGRESS: Duration = Duration::from_secs(2);

/// Evaluates everything, prints the report, and fails on a crossing or a forbidden class.
pub(crate) async fn run(output: Output, args: &FleetArgs) -> anyhow::Result<()> {
    let owned = args.clone();
    let (report, state, kept) = tokio::task::spawn_blocking(move || fleet(output, &owned)).await??;
    let forbidden: Vec<Class> = args.forbid.iter().map(|class| class.class()).collect();
    let forbidden = report.of_class(&forbidden);
    let crossed = report.crossed();
    let mut value = serde_json::to_value(&report)?;
    value["crossed"] = json!(crossed);
    value["forbidden"] = json!(forbidden);
    value["state"] = json!(state.as_ref().filter(|_| kept));
    output.result(&value, || {
        let mut page = render(&report);
        if forbidden > 0 {
            page += &format!("\n{forbidden} of a forbidden class.\n");
        }
        match (&state, kept) {
            (Some(path), true) => page += &format!("\nkept for the next run: {}\n", path.display()),
            (Some(path), false) => {
                page += &format!("\n{} is as it was, as something failed\n", path.display())
            }
            (None, _) => {}
        }
        page
    })?;
    match (crossed + forbidden, report.failed.count) {
        (0, 0) => Ok(()),
        (0, _) => Err(Told(Exit::Failed).into()),
        (_, _) => Err(Told(Exit::Crossed).into()),
    }
}

impl ClassArg {
    fn class(self) -> Class {
        match self {
            Self::Custodial => Class::Custodial,
            Self::RestrictedCustody => Class::RestrictedCustody,
            Self::Collusive => Class::Collusive,
            Self::Hostage => Class::Hostage,
            Self::SemiCustodial => Class::SemiCustodial,
            Self::NonCustodial => Class::NonCustodial,
            Self::MpcSelfCustody => Class::MpcSelfCustody,
        }
    }
}

/// The report, where the state is kept, and whether it was.
fn fleet(output: Output, args: &FleetArgs) -> anyhow::Result<(Report, Option<PathBuf>, bool)> {
    let (source, beside, declared) = match &args.models {
        Some(path) => (Source::models(path), None, Declared::default()),
        None => {
            let config = Config::load(&args.config)?;
            let beside = config.database.with_extension("fleet.jsonl");
            let store = ServerStore::open_reading(&config.database)?;
            (Source::Server(Box::new(store)), Some(beside), config.declared)
        }
    };
    // Another run to compare with, and no place to keep this one, leave everything as it is.
    let state = args.state.clone().or(beside.filter(|_| args.since.is_none()));
    let past = match &args.since {
        Some(path) => Some(Past::read(path)?.with_context(|| format!("there is no `{}`", path.display()))?),
        None => state.as_deref().map(Past::read).transpose()?.flatten(),
    };
    let now = cohold_node::now();
    let mut next = state.as_deref().map(|path| Next::begin(path, now)).transpose()?;
    let mut report = Report::new(now, past.as_ref().map(|past| past.at));
    let work = Work::new(past.as_ref(), now, args.accept, declared);
    let mut collector = Collector {
        output,
        told: Instant::now(),
        report: &mut report,
        next: next.as_mut(),
        seen: HashSet::new(),
    };
    drive(&source, &work, threads(args), |outcome| collector.take(outcome))?;
    let seen = collector.seen;
    for account in past.iter().flat_map(Past::accounts).filter(|account| !seen.contains(*account)) {
        report.is_gone(account);
    }
    report.models = work.models();
    let kept = next.is_some() && report.failed.count == 0;
    match next {
        Some(next) if kept => next.finish()?,
        Some(next) => next.abandon(),
        None => {}
    }
    Ok((report, state, kept))
}

fn threads(args: &FleetArgs) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    args.threads.map_or_else(cores, usize::from)
}

/// Reads, evaluates and hands over what was found, in no particular order.
fn drive(
    source: &Source,
    work: &Work<'_>,
    threads: usize,
    mut collect: impl FnMut(Outcome) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let (items_in, items) = sync_channel::<Item>(WAITING_MAX);
    let (outcomes_in, outcomes) = sync_channel::<Outcome>(WAITING_MAX);
    let items = Mutex::new(items);
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || source.read(|item| items_in.send(item).is_ok()));
        for _ in 0..threads {
            let (items, outcomes_in) = (&items, outcomes_in.clone());
            scope.spawn(move || evaluate_all(work, items, &outcomes_in));
        }
        drop(outcomes_in);
        let collected = outcomes.iter().try_for_each(&mut collect);
        // Nobody takes outcomes any more, so the threads end, whatever is left to read.
        drop(outcomes);
        for_nobody(&items);
        let read = reader.join().map_err(|_| anyhow::anyhow!("the reading thread failed"))?;
        collected.and(read)
    })
}

fn evaluate_all(work: &Work<'_>, items: &Mutex<Receiver<Item>>, outcomes: &SyncSender<Outcome>) {
    loop {
        let item = items.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(item) = item else { return };
        if outcomes.send(work.take(item)).is_err() {
            return;
        }
    }
}

/// Drains what is still read after the collector gave up.
fn for_nobody(items: &Mutex<Receiver<Item>>) {
    let items = items.lock().unwrap_or_else(PoisonError::into_inner);
    while items.recv().is_ok() {}
}

/// Where outcomes come together.
struct Collector<'a> {
    output: Output,
    /// When progress was told last.
    told: Instant,
    report: &'a mut Report,
    next: Option<&'a mut Next>,
    seen: HashSet<String>,
}

impl Collector<'_> {
    fn take(&mut self, outcome: Outcome) -> anyhow::Result<()> {
        match outcome {
            Outcome::Failed { place, error } => self.report.is_failed(place, error),
            Outcome::Found(found) => self.found(*found)?,
        }
        if self.told.elapsed() >= PROGRESS {
            self.told = Instant::now();
            self.output.progress(&format!("{} accounts …", self.seen.len()));
        }
        Ok(())
    }

    fn found(&mut self, found: Found) -> anyhow::Result<()> {
        let Found { account, standing, since, kept, line } = found;
        if self.seen.contains(&account) {
            self.report.is_failed(account, "the account stands there twice; remove one of both".to_owned());
            return Ok(());
        }
        if let Some(next) = &mut self.next {
            if let Some(line) = line {
                next.file.write_all(&line)?;
            }
            serde_json::to_writer(&mut next.file, &kept)?;
            next.file.write_all(b"\n")?;
        }
        self.report.found(&account, standing);
        match since {
            Since::New => self.report.is_new(&account),
            Since::Unchanged => self.report.unchanged += 1,
            Since::Changed(change) => self.report.is_changed(change),
        }
        self.seen.insert(account);
        Ok(())
    }
}

/// The state of this run, until it replaces the one before.
struct Next {
    place: PathBuf,
    draft: PathBuf,
    file: BufWriter<File>,
}

impl Next {
    fn begin(place: &Path, now: u64) -> anyhow::Result<Self> {
        let mut draft = place.as_os_str().to_owned();
        draft.push(".new");
        let draft = PathBuf::from(draft);
        let cannot = || format!("cannot write `{}`", draft.display());
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(&draft);
        let mut file = BufWriter::new(file.with_context(cannot)?);
        serde_json::to_writer(&mut file, &Head::new(now)).with_context(cannot)?;
        file.write_all(b"\n").with_context(cannot)?;
        Ok(Self { place: place.into(), draft, file })
    }

    fn finish(self) -> anyhow::Result<()> {
        let cannot = || format!("cannot write `{}`", self.place.display());
        let file =
            self.file.into_inner().map_err(std::io::IntoInnerError::into_error).with_context(cannot)?;
        file.sync_all().with_context(cannot)?;
        std::fs::rename(&self.draft, &self.place).with_context(cannot)
    }

    fn abandon(self) {
        // What stays is overwritten by the next run.
        let _ = std::fs::remove_file(&self.draft);
    }
}
