//! The switch in the middle: one mailbox per party, bounded, in memory. What a party does not fetch
//! within a minute is gone.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cohold_model::IdentityKey;
use tokio::sync::{Notify, mpsc};

use crate::frame::{Address, Parcel};

/// The most parcels that wait for one party.
pub const WAITING_MAX: usize = 1024;
/// The most bytes that wait for one party.
pub const WAITING_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The most bytes that wait for all parties together.
pub const WAITING_BYTES_MAX_ALL: usize = 512 * 1024 * 1024;
/// The most parties with a mailbox.
pub const MAILBOXES_MAX: usize = 10_000;
/// How long a parcel waits for a party that is away.
pub const WAITING_AGE_MAX: Duration = Duration::from_secs(60);

/// The switch.
#[derive(Debug)]
pub struct Hub {
    boxes: Mutex<HashMap<IdentityKey, Arc<Slot>>>,
    coordinator: mpsc::Sender<Parcel>,
    bytes_all: Arc<AtomicUsize>,
    bytes_all_max: usize,
}

#[derive(Debug)]
struct Slot {
    queue: Mutex<Queue>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<(Instant, Parcel)>,
    bytes: usize,
    /// What waits in all queues together.
    bytes_all: Arc<AtomicUsize>,
    /// Counts connections; only the newest one reads.
    generation: u64,
    online: bool,
}

/// A party's end of the hub. The newest mailbox of an identity displaces the one before.
#[derive(Debug)]
pub struct Mailbox {
    slot: Arc<Slot>,
    generation: u64,
}

impl Hub {
    /// A hub, and the coordinator's own mail.
    #[must_use]
    pub fn new() -> (Arc<Self>, mpsc::Receiver<Parcel>) {
        Self::bounded(WAITING_BYTES_MAX_ALL)
    }

    fn bounded(bytes_all_max: usize) -> (Arc<Self>, mpsc::Receiver<Parcel>) {
        let (coordinator, mail) = mpsc::channel(WAITING_MAX);
        let (boxes, bytes_all) = Default::default();
        (Arc::new(Self { boxes, coordinator, bytes_all, bytes_all_max }), mail)
    }

    /// Opens the mailbox of an identity that has proved itself.
    #[must_use]
    pub fn connect(&self, identity: IdentityKey) -> Mailbox {
        let slot = self.slot(identity);
        let mut queue = lock(&slot.queue);
        queue.generation = queue.generation.wrapping_add(1);
        queue.online = true;
        let generation = queue.generation;
        drop(queue);
        slot.arrived.notify_waiters();
        Mailbox { slot, generation }
    }

    /// Whether the identity is connected.
    #[must_use]
    pub fn is_online(&self, identity: &IdentityKey) -> bool {
        lock(&self.boxes).get(identity).is_some_and(|slot| lock(&slot.queue).online)
    }

    /// Passes a body on; for a full mailbox the oldest parcels are dropped, and from one party to another
    /// that never connected it is dropped at once.
    pub async fn post(&self, from: Address, to: Address, body: Vec<u8>) {
        let parcel = Parcel { address: from, body };
        match to {
            // The coordinator is slower than its parties only for moments; they wait for it.
            Address::Coordinator => drop(self.coordinator.send(parcel).await),
            // A party may only write to whom it may know to be there: invented receivers cost nothing.
            Address::Party(identity) if from == Address::Coordinator || self.is_known(&identity) => {
                if self.has_room(parcel.body.len()) {
                    self.slot(identity).push(parcel);
                } else {
                    tracing::warn!("all mailboxes together are full: a parcel was dropped");
                }
            }
            Address::Party(_) => tracing::debug!("a parcel to nobody"),
        }
    }

    /// Whether so many bytes more may wait; parcels that nobody fetched in time make room.
    fn has_room(&self, bytes: usize) -> bool {
        let fits = || self.bytes_all.load(Ordering::Relaxed).saturating_add(bytes) <= self.bytes_all_max;
        if !fits() {
            for slot in lock(&self.boxes).values() {
                lock(&slot.queue).pop_old();
            }
        }
        fits()
    }

    fn is_known(&self, identity: &IdentityKey) -> bool {
        lock(&self.boxes).contains_key(identity)
    }

    fn slot(&self, identity: IdentityKey) -> Arc<Slot> {
        let mut boxes = lock(&self.boxes);
        if boxes.len() >= MAILBOXES_MAX && !boxes.contains_key(&identity) {
            boxes.retain(|_, slot| lock(&slot.queue).online);
        }
        let slot = || {
            let mut queue = Queue::default();
            queue.bytes_all = Arc::clone(&self.bytes_all);
            Arc::new(Slot { queue: Mutex::new(queue), arrived: Notify::new() })
        };
        Arc::clone(boxes.entry(identity).or_insert_with(slot))
    }
}

impl Slot {
    fn push(&self, parcel: Parcel) {
        let mut queue = lock(&self.queue);
        queue.bytes = queue.bytes.saturating_add(parcel.body.len());
        queue.bytes_all.fetch_add(parcel.body.len(), Ordering::Relaxed);
        queue.waiting.push_back((Instant::now(), parcel));
        while queue.waiting.len() > WAITING_MAX || queue.bytes > WAITING_BYTES_MAX {
            queue.pop();
            tracing::warn!("a full mailbox dropped its oldest parcel");
        }
        drop(queue);
        self.arrived.notify_one();
    }
}

impl Queue {
    fn pop(&mut self) -> Option<(Instant, Parcel)> {
        let popped = self.waiting.pop_front()?;
        self.bytes = self.bytes.saturating_sub(popped.1.body.len());
        self.bytes_all.fetch_sub(popped.1.body.len(), Ordering::Relaxed);
        Some(popped)
    }

    fn pop_old(&mut self) {
        while self.waiting.front().is_some_and(|(since, _)| since.elapsed() > WAITING_AGE_MAX) {
            self.pop();
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.bytes_all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Mailbox {
    /// The next parcel, or none once a newer connection has displaced this one.
    pub async fn recv(&self) -> Option<Parcel> {
        loop {
            let arrived = self.slot.arrived.notified();
            tokio::pin!(arrived);
            // Registered before the look, so that nothing that comes between is missed.
            arrived.as_mut().enable();
            {
                let mut queue = lock(&self.slot.queue);
                if queue.generation != self.generation {
                    drop(queue);
                    // The permit may have been the newer reader's.
                    self.slot.arrived.notify_one();
                    return None;
                }
                while let Some((since, parcel)) = queue.pop() {
                    if since.elapsed() <= WAITING_AGE_MAX {
                        return Some(parcel);
                    }
                }
            }
            arrived.await;
        }
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        let mut queue = lock(&self.slot.queue);
        if queue.generation == self.generation {
            queue.online = false;
        }
    }
}

/// No code panics while it holds these locks; if it did, the queues would still be whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use cohold_model::IdentitySecret;

    use super::*;

    fn key(seed: u8) -> IdentityKey {
        IdentitySecret::from_seed(&mut [seed; 32]).public()
    }

    #[tokio::test]
    async fn what_is_posted_arrives_even_before_the_party_connects() {
        let (hub, _mail) = Hub::new();
        hub.post(Address::Coordinator, Address::Party(key(1)), vec![1]).await;
        assert!(!hub.is_online(&key(1)));
        let mailbox = hub.connect(key(1));
        assert!(hub.is_online(&key(1)));
        assert_eq!(mailbox.recv().await.map(|p| p.body), Some(vec![1]));
        drop(mailbox);
        assert!(!hub.is_online(&key(1)));
    }

    #[tokio::test]
    async fn a_party_cannot_fill_the_mailboxes_of_nobody() {
        let (hub, _mail) = Hub::new();
        hub.post(Address::Party(key(2)), Address::Party(key(1)), vec![1]).await;
        let mailbox = hub.connect(key(1));
        hub.post(Address::Party(key(2)), Address::Party(key(1)), vec![2]).await;
        assert_eq!(mailbox.recv().await.map(|p| p.body), Some(vec![2]));
    }

    #[tokio::test]
    async fn the_newer_connection_wins() {
        let (hub, _mail) = Hub::new();
        let old = hub.connect(key(1));
        let waiting = tokio::spawn(async move { old.recv().await });
        tokio::task::yield_now().await;
        let new = hub.connect(key(1));
        hub.post(Address::Coordinator, Address::Party(key(1)), vec![2]).await;
        assert_eq!(waiting.await.ok(), Some(None));
        assert_eq!(new.recv().await.map(|p| p.body), Some(vec![2]));
        assert!(hub.is_online(&key(1)));
    }

    #[tokio::test]
    async fn many_mailboxes_together_are_bounded_as_well() {
        let (hub, _mail) = Hub::bounded(10);
        let to = |seed| hub.post(Address::Coordinator, Address::Party(key(seed)), vec![seed; 4]);
        for seed in 1..=3 {
            to(seed).await;
        }
        let third = hub.connect(key(3));
        let first = hub.connect(key(1));
        assert_eq!(first.recv().await.map(|p| p.body), Some(vec![1; 4]));
        to(4).await;
        to(3).await;
        assert_eq!(hub.connect(key(4)).recv().await.map(|p| p.body), Some(vec![4; 4]));
        to(3).await;
        assert_eq!(third.recv().await.map(|p| p.body), Some(vec![3; 4]));
        assert_eq!(hub.bytes_all.load(Ordering::Relaxed), 4, "only the second waits");
    }

    #[tokio::test]
    async fn a_full_mailbox_drops_its_oldest() {
        let (hub, _mail) = Hub::new();
        for i in 0..=WAITING_MAX {
            hub.post(Address::Coordinator, Address::Party(key(1)), i.to_be_bytes().to_vec()).await;
        }
        let mailbox = hub.connect(key(1));
        assert_eq!(mailbox.recv().await.map(|p| p.body), Some(1usize.to_be_bytes().to_vec()));
    }
}
