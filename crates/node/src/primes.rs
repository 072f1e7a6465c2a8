//! Safe primes for CGGMP24, made ahead in the background: four go into a setup, and making them takes half
//! a minute to minutes of one core.
//!
//! They are in memory only. Who copied a file of them could read what the others send to this party, and
//! making them again costs only the time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use cohold_model::ids::PartyIndex;
use cohold_mpc_cggmp::SafePrimes;
use tokio::sync::Notify;

use crate::drive::give_way;

/// How many primes a setup takes.
pub const PRIMES: usize = 4;
/// The most setups that primes are made ahead for.
pub const AHEAD_MAX: usize = 8;

/// Primes for setups to come, in a bounded number. One thread makes them, which gives way to all others and
/// ends when there are enough, or when this is dropped.
#[derive(Default)]
pub struct PrimePool {
    state: Mutex<State>,
    news: Notify,
    /// For how many setups there shall be some, although nobody waits.
    ahead: usize,
}

#[derive(Default)]
struct State {
    ready: VecDeque<SafePrimes>,
    waiting: usize,
    working: bool,
    /// Of the four that are being made.
    made: usize,
}

/// Somebody who waits for primes, until dropped.
struct Waiting<'a>(&'a PrimePool);

impl PrimePool {
    /// A pool for this many setups to come, at most [`AHEAD_MAX`]; with none, primes are made when asked for.
    #[must_use]
    pub fn new(ahead: usize) -> Arc<Self> {
        let pool = Arc::new(Self { ahead: ahead.min(AHEAD_MAX), ..Self::default() });
        pool.work();
        pool
    }

    /// A pool that has these ready, made earlier, and makes more when asked for.
    #[must_use]
    pub fn of(ready: impl IntoIterator<Item = SafePrimes>) -> Arc<Self> {
        let state = State { ready: ready.into_iter().take(AHEAD_MAX).collect(), ..State::default() };
        Arc::new(Self { state: Mutex::new(state), ..Self::default() })
    }

    /// The primes for one setup, once they are made. `told` is called with how many of the four there are.
    pub(crate) async fn take(self: &Arc<Self>, me: PartyIndex, told: impl Fn(usize)) -> SafePrimes {
        if let Some(given) = given(me) {
            return given;
        }
        let _waiting = Waiting::new(self);
        loop {
            let mut news = std::pin::pin!(self.news.notified());
            news.as_mut().enable();
            let (ready, made) = {
                let mut state = self.lock();
                (state.ready.pop_front(), state.made)
            };
            self.work();
            match ready {
                Some(primes) => return primes,
                None => told(made),
            }
            news.await;
        }
    }

    /// Has a thread at work where primes are wanting.
    fn work(self: &Arc<Self>) {
        let mut state = self.lock();
        if state.working || !self.wants(&state) {
            return;
        }
        let pool = Arc::downgrade(self);
        let work = move || {
            give_way();
            while one_more(&pool) {}
        };
        match std::thread::Builder::new().name("primes".into()).spawn(work) {
            Ok(_) => state.working = true,
            Err(error) => tracing::error!(%error, "no thread can be started to make primes"),
        }
    }

    fn wants(&self, state: &State) -> bool {
        state.ready.len() < self.ahead.max(state.waiting)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds this lock; if it did, the state would still be whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes primes for one setup; whether more are wanting.
fn one_more(pool: &Weak<PrimePool>) -> bool {
    let made = |number: usize| {
        let Some(pool) = pool.upgrade() else { return false };
        pool.lock().made = number;
        pool.news.notify_waiters();
        true
    };
    let primes = SafePrimes::generate(&mut crate::rng(), made);
    let (Some(pool), Some(primes)) = (pool.upgrade(), primes) else { return false };
    let mut state = pool.lock();
    state.ready.push_back(primes);
    state.made = 0;
    state.working = pool.wants(&state);
    let more = state.working;
    drop(state);
    pool.news.notify_waiters();
    more
}

impl<'a> Waiting<'a> {
    fn new(pool: &'a PrimePool) -> Self {
        pool.lock().waiting += 1;
        Self(pool)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.waiting = state.waiting.saturating_sub(1);
    }
}

/// Where tests name a file of primes, those of this party in it: four to each of the first parties. In
/// release builds this is nothing.
#[cfg(debug_assertions)]
fn given(me: PartyIndex) -> Option<SafePrimes> {
    let text = std::fs::read_to_string(std::env::var_os("COHOLD_TEST_PRIMES")?).ok()?;
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let number = |line: &str| line.as_bytes().chunks(2).map(byte).collect::<Option<Vec<u8>>>();
    let first = usize::from(me.get()).saturating_sub(1).saturating_mul(PRIMES);
    let primes = text.lines().skip(first).take(PRIMES).map(number).collect::<Option<Vec<_>>>()?;
    let [p, q, hat_p, hat_q] = primes.as_slice() else { return None };
    SafePrimes::from_secret_bytes([p, q, hat_p, hat_q], &mut crate::rng()).ok()
}

#[cfg(not(debug_assertions))]
fn given(_: PartyIndex) -> Option<SafePrimes> {
    None
}

impl std::fmt::Debug for PrimePool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.lock();
        write!(f, "PrimePool({} ready, {} ahead)", state.ready.len(), self.ahead)
    }
}
