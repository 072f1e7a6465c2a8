//! What a thread does with an account: model, fingerprint, class, and what changed. Threads share what
//! they have found, so that each different model is evaluated once and each different change compared
//! once.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use cohold_custody::Model;
use cohold_custody::Verdict;
use cohold_custody::declared::Declared;
use cohold_custody::extract::{Own, extract};
use cohold_custody::fleet::state::{AccountLine, ModelLine};
use cohold_custody::fleet::{Change, Comparison, Fingerprint, Standing, compare};
use cohold_model::Lineage;

use super::past::Past;
use super::source::Item;

/// Changes that are remembered; those beyond are compared again.
const COMPARED_MAX: usize = 10_000;

/// A result that is computed by one thread and awaited by the others.
type Once<T> = Arc<OnceLock<T>>;

/// What the threads of a run share.
pub(super) struct Work<'a> {
    past: Option<&'a Past>,
    now: u64,
    /// Whether crossings are taken as they are.
    accept: bool,
    /// What the deployment declares, for accounts of its server.
    own: Own,
    standings: Mutex<HashMap<Fingerprint, Once<Result<Standing, String>>>>,
    compared: Mutex<HashMap<(Fingerprint, Fingerprint), Once<Comparison>>>,
    /// Models whose line was handed out for the next state.
    written: Mutex<HashSet<Fingerprint>>,
}

/// What became of an item.
pub(super) enum Outcome {
    Found(Box<Found>),
    Failed { place: String, error: String },
}

/// An evaluated account.
pub(super) struct Found {
    pub(super) account: String,
    pub(super) standing: Standing,
    pub(super) since: Since,
    /// What the next state says of the account.
    pub(super) kept: AccountLine,
    /// The line of its model, if it was not handed out before.
    pub(super) line: Option<Vec<u8>>,
}

/// How an account stands to the earlier run.
pub(super) enum Since {
    New,
    Unchanged,
    Changed(Change),
}

impl<'a> Work<'a> {
    pub(super) fn new(past: Option<&'a Past>, now: u64, accept: bool, declared: Declared) -> Self {
        Self {
            past,
            now,
            accept,
            own: Own { declared, ..Own::default() },
            standings: Mutex::default(),
            compared: Mutex::default(),
            written: Mutex::default(),
        }
    }

    /// How many different models there were.
    pub(super) fn models(&self) -> u64 {
        self.standings.lock().unwrap_or_else(PoisonError::into_inner).len() as u64
    }

    pub(super) fn take(&self, item: Item) -> Outcome {
        let (place, model) = match item {
            Item::Failed { place, error } => return Outcome::Failed { place, error },
            Item::Bytes { place, bytes } => (place, Model::parse(&bytes).map_err(|error| error.to_string())),
            Item::Account { account, charters, statements } => {
                let account = account.to_string();
                let model = Lineage::new(charters).map_err(|error| error.to_string());
                let model = model.and_then(|lineage| {
                    extract(&lineage, &statements, &self.own, self.now).map_err(|error| error.to_string())
                });
                (account, model)
            }
        };
        match model.and_then(|model| self.evaluated(&model)) {
            Ok(found) => Outcome::Found(Box::new(found)),
            Err(error) => Outcome::Failed { place, error },
        }
    }

    fn evaluated(&self, model: &Model) -> Result<Found, String> {
        let account = model.account().to_owned();
        let fingerprint = Fingerprint::of(model);
        let once = once(&self.standings, fingerprint, usize::MAX);
        let standing = once.get_or_init(|| Standing::of(model).map_err(|error| error.to_string())).clone()?;

        let now = AccountLine { account: account.clone(), fingerprint, standing };
        let before = self.past.and_then(|past| Some((past, past.account(&account)?)));
        let (since, kept) = match before {
            None => (Since::New, now),
            Some((_, (then, _))) if then == fingerprint => (Since::Unchanged, now),
            Some((past, (then, stood))) => {
                let comparison = self.compared(past, then, model, fingerprint)?;
                let crossed = comparison.verdict == Verdict::CrossesTheRedLine;
                let class = (stood.class, standing.class);
                let before = AccountLine { account: account.clone(), fingerprint: then, standing: stood };
                let kept = if crossed && !self.accept { before } else { now };
                (Since::Changed(Change { account: account.clone(), class, comparison }), kept)
            }
        };
        let line = self.line(&kept, fingerprint, model)?;
        Ok(Found { account, standing, since, kept, line })
    }

    fn compared(
        &self,
        past: &Past,
        then: Fingerprint,
        model: &Model,
        now: Fingerprint,
    ) -> Result<Comparison, String> {
        let once = once(&self.compared, (then, now), COMPARED_MAX);
        if let Some(known) = once.get() {
            return Ok(known.clone());
        }
        let old = past.model(then, model.account()).map_err(|error| format!("{error:#}"))?;
        Ok(once.get_or_init(|| compare(&old, model)).clone())
    }

    /// The line of the kept model, for whoever asks first.
    fn line(
        &self,
        kept: &AccountLine,
        fingerprint: Fingerprint,
        model: &Model,
    ) -> Result<Option<Vec<u8>>, String> {
        if !self.written.lock().unwrap_or_else(PoisonError::into_inner).insert(kept.fingerprint) {
            return Ok(None);
        }
        if kept.fingerprint == fingerprint {
            let line = ModelLine { fingerprint, model: model.clone() };
            let mut bytes = serde_json::to_vec(&line).map_err(|error| error.to_string())?;
            bytes.push(b'\n');
            return Ok(Some(bytes));
        }
        let past = self.past.map(|past| past.line(kept.fingerprint)).transpose();
        past.map_err(|error| format!("{error:#}"))
    }
}

/// The place of a result; where too many are remembered, one of its own.
fn once<K: Eq + Hash, T>(places: &Mutex<HashMap<K, Once<T>>>, key: K, max: usize) -> Once<T> {
    let mut places = places.lock().unwrap_or_else(PoisonError::into_inner);
    if places.len() >= max && !places.contains_key(&key) {
        return Once::default();
    }
    Arc::clone(places.entry(key).or_default())
}
