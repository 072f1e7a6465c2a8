//! Where envelopes wait: in the inbox of the session they are for, or among the strays until its order has
//! come. All of it is bounded, by number and by bytes, whatever a relay sends.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cohold_model::{AccountId, SessionId};
use cohold_mpc::Envelope;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// The most sessions at once; more are refused, and may be asked for again.
const SESSIONS_MAX: usize = 512;
/// The most envelopes that wait for one session.
const WAITING_MAX: usize = 64;
/// The most kilobytes that wait for all sessions together: several rounds of each.
const KILOBYTES_MAX: usize = 128 * 1024;
/// The most envelopes, and the most bytes, that wait for sessions whose order has not come yet.
const STRAYS_MAX: usize = 256;
const STRAY_BYTES_MAX: usize = 32 * 1024 * 1024;
const STRAY_AGE_MAX: Duration = Duration::from_secs(30);

/// The inboxes of all sessions.
pub(crate) struct Inboxes {
    sessions: Arc<Sessions>,
    strays: Mutex<Strays>,
    /// A permit for each kilobyte that may wait.
    room: Arc<Semaphore>,
}

type Sessions = Mutex<HashMap<SessionId, Seat>>;

/// What came for one session, which ends when this is dropped.
pub(crate) struct Inbox {
    session: SessionId,
    waiting: mpsc::Receiver<Waiting>,
    sessions: Arc<Sessions>,
}

struct Seat {
    account: AccountId,
    inbox: mpsc::Sender<Waiting>,
}

/// An envelope, and the room that it takes until it is read.
struct Waiting {
    envelope: Envelope,
    _room: OwnedSemaphorePermit,
}

#[derive(Default)]
struct Strays {
    waiting: VecDeque<(Instant, Envelope)>,
    bytes: usize,
}

impl Default for Inboxes {
    fn default() -> Self {
        let (sessions, strays) = Default::default();
        Self { sessions, strays, room: Arc::new(Semaphore::new(KILOBYTES_MAX)) }
    }
}

impl Inboxes {
    /// Takes a seat in a session; envelopes that came early are waiting in it. None if the session is running
    /// already or too many are.
    pub(crate) fn seat(&self, session: SessionId, account: AccountId) -> Option<Inbox> {
        let mut sessions = lock(&self.sessions);
        if sessions.contains_key(&session) || sessions.len() >= SESSIONS_MAX {
            return None;
        }
        let (inbox, receiver) = mpsc::channel(WAITING_MAX);
        let seat = Seat { account, inbox };
        for envelope in lock(&self.strays).take(session) {
            self.put(&seat, envelope);
        }
        sessions.insert(session, seat);
        Some(Inbox { session, waiting: receiver, sessions: Arc::clone(&self.sessions) })
    }

    /// Ends a session: its inbox closes.
    pub(crate) fn cancel(&self, session: SessionId) {
        lock(&self.sessions).remove(&session);
    }

    /// Ends all sessions of an account: their inboxes close.
    pub(crate) fn cancel_account(&self, account: AccountId) {
        lock(&self.sessions).retain(|_, seat| seat.account != account);
    }

    /// Brings an envelope to where it waits.
    pub(crate) fn route(&self, envelope: Envelope) {
        let sessions = lock(&self.sessions);
        match sessions.get(&envelope.session) {
            Some(seat) => self.put(seat, envelope),
            None => lock(&self.strays).keep(envelope),
        }
    }

    /// A full inbox loses the envelope; its sender sends it again.
    fn put(&self, seat: &Seat, envelope: Envelope) {
        let kilobytes = u32::try_from(envelope.sealed.len() / 1024).unwrap_or(u32::MAX).saturating_add(1);
        match Arc::clone(&self.room).try_acquire_many_owned(kilobytes) {
            Ok(room) => drop(seat.inbox.try_send(Waiting { envelope, _room: room })),
            Err(_) => tracing::warn!("all inboxes together are full: an envelope was dropped"),
        }
    }
}

impl Inbox {
    /// The next envelope; none once the session is cancelled and all that came before is read.
    pub(crate) async fn recv(&mut self) -> Option<Envelope> {
        self.waiting.recv().await.map(|waiting| waiting.envelope)
    }

    /// Whether the session was cancelled.
    pub(crate) fn is_closed(&self) -> bool {
        self.waiting.is_closed()
    }

    /// Drops what waits.
    pub(crate) fn clear(&mut self) {
        while self.waiting.try_recv().is_ok() {}
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.waiting.close();
        let mut sessions = lock(&self.sessions);
        // Somebody may have taken the seat again since this one was cancelled; that inbox is open.
        if sessions.get(&self.session).is_some_and(|seat| seat.inbox.is_closed()) {
            sessions.remove(&self.session);
        }
    }
}

impl Strays {
    fn keep(&mut self, envelope: Envelope) {
        self.bytes = self.bytes.saturating_add(envelope.sealed.len());
        self.waiting.push_back((Instant::now(), envelope));
        while self.waiting.len() > STRAYS_MAX
            || self.bytes > STRAY_BYTES_MAX
            || self.waiting.front().is_some_and(|(since, _)| since.elapsed() > STRAY_AGE_MAX)
        {
            if let Some((_, dropped)) = self.waiting.pop_front() {
                self.bytes = self.bytes.saturating_sub(dropped.sealed.len());
            }
        }
    }

    fn take(&mut self, session: SessionId) -> Vec<Envelope> {
        let (found, rest) = self.waiting.drain(..).partition(|(_, envelope)| envelope.session == session);
        let found: VecDeque<(Instant, Envelope)> = found;
        self.waiting = rest;
        self.bytes = self.waiting.iter().map(|(_, envelope)| envelope.sealed.len()).sum();
        found.into_iter().map(|(_, envelope)| envelope).collect()
    }
}

/// No code panics while it holds these locks; if it did, the maps would still be whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use cohold_model::canonical::Digest;
    use cohold_model::{Epoch, PartyIndex};

    use super::*;

    const KILOBYTES: usize = 1024;

    fn session(seed: u8) -> SessionId {
        SessionId(Digest([seed; 32]))
    }

    fn account() -> AccountId {
        "acc_000102030405060708090a0b0c0d0e0f".parse().unwrap()
    }

    fn envelope(seed: u8, bytes: usize) -> Envelope {
        let (from, to) = (PartyIndex::try_from(1).unwrap(), PartyIndex::try_from(2).unwrap());
        let (account, epoch) = (account(), Epoch::FIRST);
        Envelope { account, epoch, session: session(seed), round: 1, from, to, sealed: vec![0; bytes] }
    }

    #[tokio::test]
    async fn a_flood_for_many_sessions_is_bounded_in_bytes() {
        let inboxes = Inboxes::default();
        let mut seats: Vec<Inbox> =
            (0..4).map(|seed| inboxes.seat(session(seed), account()).unwrap()).collect();
        let full = KILOBYTES_MAX / 2049;
        for round in 0..WAITING_MAX {
            for seed in 0..4 {
                inboxes.route(envelope(seed, 2048 * KILOBYTES + round));
            }
        }
        let waiting: usize = seats.iter().map(|seat| seat.waiting.len()).sum();
        assert_eq!(waiting, full, "of {} that came", 4 * WAITING_MAX);
        assert!(seats[0].recv().await.is_some());
        inboxes.route(envelope(1, 1000 * KILOBYTES));
        assert_eq!(
            seats.iter().map(|seat| seat.waiting.len()).sum::<usize>(),
            full,
            "room was made for another"
        );
        for seat in &mut seats {
            seat.clear();
        }
        assert_eq!(inboxes.room.available_permits(), KILOBYTES_MAX);
    }

    #[tokio::test]
    async fn what_came_early_waits_and_what_is_cancelled_closes() {
        let inboxes = Inboxes::default();
        inboxes.route(envelope(1, 10));
        inboxes.route(envelope(2, 11));
        let mut seat = inboxes.seat(session(1), account()).unwrap();
        assert!(inboxes.seat(session(1), account()).is_none(), "one seat in one session");
        assert_eq!(seat.recv().await.map(|envelope| envelope.sealed.len()), Some(10));
        inboxes.cancel_account(account());
        assert!(seat.is_closed());
        assert!(seat.recv().await.is_none());
    }

    #[test]
    fn a_session_ends_with_its_inbox() {
        let inboxes = Inboxes::default();
        let cancelled = inboxes.seat(session(1), account()).unwrap();
        inboxes.cancel(session(1));
        let next = inboxes.seat(session(1), account()).unwrap();
        drop(cancelled);
        assert!(!next.is_closed() && inboxes.seat(session(1), account()).is_none(), "the next one stays");
        drop(next);
        assert!(inboxes.seat(session(1), account()).is_some());
    }
}
