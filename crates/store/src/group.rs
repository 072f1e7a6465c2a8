//! Writers that come at the same time share one commit, and so one wait for the disk.
//!
//! Each writer's work is a savepoint in the transaction that is open, or begins one. Who finishes while
//! others wait for their turn leaves the commit to them; the last one commits, and tells all. Nobody
//! returns before the commit that holds its work: what a writer was told is on the disk. Work that
//! fails is undone alone; if SQLite gives the transaction up, all who took part fail.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, ffi};

use crate::database::{Fail, say};

/// The most writers that share a commit.
const MEMBERS_MAX: usize = 64;

/// A connection whose writers share commits.
#[derive(Debug)]
pub(crate) struct Group {
    /// Writers that wait for their turn, or are about to.
    arriving: AtomicUsize,
    writer: Mutex<Writer>,
}

#[derive(Debug)]
struct Writer {
    connection: Connection,
    open: Option<Arc<Batch>>,
    /// Writers with work in the open batch.
    members: usize,
}

/// A transaction, and what became of it.
#[derive(Debug, Default)]
struct Batch {
    outcome: Mutex<Option<Result<(), Broken>>>,
    told: Condvar,
}

/// Why a transaction came to nothing, for each who took part.
#[derive(Debug, Clone)]
struct Broken {
    error: ffi::Error,
    message: Option<String>,
}

impl Group {
    pub(crate) fn new(connection: Connection) -> Self {
        let writer = Mutex::new(Writer { connection, open: None, members: 0 });
        Self { arriving: AtomicUsize::new(0), writer }
    }

    /// Does the work and returns when it is committed, or undone.
    pub(crate) fn write<T, E>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Fail<E>>,
    ) -> Result<T, Fail<E>> {
        self.arriving.fetch_add(1, Ordering::SeqCst);
        let mut writer = lock(&self.writer);
        self.arriving.fetch_sub(1, Ordering::SeqCst);
        let batch = writer.join()?;
        // A panic is passed on, but only after the others are served.
        let result = catch_unwind(AssertUnwindSafe(|| writer.step(work)));
        let outcome = if writer.connection.is_autocommit() {
            Some(writer.end(&batch, Err(Broken::given_up())))
        } else if self.arriving.load(Ordering::SeqCst) == 0 || writer.members >= MEMBERS_MAX {
            let committed = writer.commit();
            Some(writer.end(&batch, committed))
        } else {
            None
        };
        drop(writer);
        let result = result.unwrap_or_else(|panic| resume_unwind(panic));
        match (result, outcome) {
            // Undone whatever becomes of the others' work.
            (Err(fail), _) => Err(fail),
            (Ok(value), Some(outcome)) => outcome.map(|()| value).map_err(Broken::fail),
            (Ok(value), None) => batch.wait().map(|()| value).map_err(Broken::fail),
        }
    }
}

impl Writer {
    /// The open batch, or a new one.
    fn join(&mut self) -> rusqlite::Result<Arc<Batch>> {
        let batch = match &self.open {
            Some(batch) => Arc::clone(batch),
            None => {
                say(&self.connection, "BEGIN IMMEDIATE")?;
                self.members = 0;
                Arc::clone(self.open.insert(Arc::default()))
            }
        };
        self.members = self.members.saturating_add(1);
        Ok(batch)
    }

    fn step<T, E>(&mut self, work: impl FnOnce(&Connection) -> Result<T, Fail<E>>) -> Result<T, Fail<E>> {
        let member = Member::begin(&self.connection)?;
        let value = work(member.tx)?;
        member.keep()?;
        Ok(value)
    }

    fn commit(&mut self) -> Result<(), Broken> {
        let committed = say(&self.connection, "COMMIT").map_err(Broken::of);
        if committed.is_err() && !self.connection.is_autocommit() {
            // If this fails too, the next BEGIN does, and says why.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        committed
    }

    /// Closes the batch and tells all who took part.
    fn end(&mut self, batch: &Batch, outcome: Result<(), Broken>) -> Result<(), Broken> {
        self.open = None;
        *lock(&batch.outcome) = Some(outcome.clone());
        batch.told.notify_all();
        outcome
    }
}

/// One writer's work in the open transaction; undone when dropped before it is kept.
struct Member<'a> {
    tx: &'a Connection,
    kept: bool,
}

impl<'a> Member<'a> {
    fn begin(tx: &'a Connection) -> rusqlite::Result<Self> {
        say(tx, "SAVEPOINT member")?;
        Ok(Self { tx, kept: false })
    }

    fn keep(mut self) -> rusqlite::Result<()> {
        say(self.tx, "RELEASE member")?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Member<'_> {
    fn drop(&mut self) {
        // Where SQLite gave the transaction up, there is nothing left to undo.
        if !self.kept && !self.tx.is_autocommit() {
            let undone = say(self.tx, "ROLLBACK TO member").and_then(|()| say(self.tx, "RELEASE member"));
            if undone.is_err() {
                // None of the others' work may be committed with half of this.
                let _ = self.tx.execute_batch("ROLLBACK");
            }
        }
    }
}

impl Batch {
    fn wait(&self) -> Result<(), Broken> {
        let mut outcome = lock(&self.outcome);
        loop {
            if let Some(outcome) = outcome.as_ref() {
                return outcome.clone();
            }
            outcome = self.told.wait(outcome).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Broken {
    fn of(error: rusqlite::Error) -> Self {
        match error {
            rusqlite::Error::SqliteFailure(error, message) => Self { error, message },
            other => Self { error: ffi::Error::new(ffi::SQLITE_ERROR), message: Some(other.to_string()) },
        }
    }

    /// SQLite rolls back by itself where it cannot go on, mostly for want of room.
    fn given_up() -> Self {
        let message = Some("another write of the same moment could not be finished".into());
        Self { error: ffi::Error::new(ffi::SQLITE_FULL), message }
    }

    fn fail<E>(self) -> Fail<E> {
        Fail::Sqlite(rusqlite::Error::SqliteFailure(self.error, self.message))
    }
}

/// A panic elsewhere was caught before it could leave anything half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    type Fails = Fail<String>;

    fn group(folder: &std::path::Path) -> Group {
        let connection = Connection::open(folder.join("group.sqlite")).unwrap();
        connection.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (n INTEGER UNIQUE);").unwrap();
        Group::new(connection)
    }

    fn insert(group: &Group, number: u32) -> Result<(), Fails> {
        group.write(|tx| {
            tx.execute("INSERT INTO t VALUES (?1)", [number])?;
            if number.is_multiple_of(3) { Err(Fail::Refused("three".into())) } else { Ok(()) }
        })
    }

    fn numbers(folder: &std::path::Path) -> Vec<u32> {
        let connection = Connection::open(folder.join("group.sqlite")).unwrap();
        let mut query = connection.prepare("SELECT n FROM t ORDER BY n").unwrap();
        query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn each_returns_with_its_own_result_when_it_is_committed() {
        let folder = tempfile::tempdir().unwrap();
        let group = group(folder.path());
        std::thread::scope(|scope| {
            for number in 0..200 {
                let (group, folder) = (&group, folder.path());
                scope.spawn(move || match insert(group, number) {
                    Ok(()) => assert!(!number.is_multiple_of(3) && numbers(folder).contains(&number)),
                    Err(Fail::Refused(why)) => assert!(number.is_multiple_of(3) && why == "three"),
                    Err(Fail::Sqlite(error)) => panic!("{error}"),
                });
            }
        });
        assert_eq!(numbers(folder.path()), (0..200_u32).filter(|n| !n.is_multiple_of(3)).collect::<Vec<_>>());
    }

    #[test]
    fn who_waits_is_carried_by_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        let group = group(folder.path());
        let (started, began) = (std::sync::Barrier::new(2), Instant::now());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let first: Result<(), Fails> = group.write(|tx| {
                    started.wait();
                    // Ends only once another one waits for its turn.
                    while group.arriving.load(Ordering::SeqCst) == 0
                        && began.elapsed() < Duration::from_secs(10)
                    {
                        std::thread::yield_now();
                    }
                    tx.execute("INSERT INTO t VALUES (1)", [])?;
                    Ok(())
                });
                assert!(first.is_ok());
                assert_eq!(numbers(folder.path()), [1, 2], "one commit for both");
            });
            started.wait();
            assert!(insert(&group, 2).is_ok());
        });
    }

    #[test]
    fn a_panic_undoes_its_own_work_and_nobody_hangs() {
        let folder = tempfile::tempdir().unwrap();
        let group = group(folder.path());
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _: Result<(), Fails> = group.write(|tx| {
                tx.execute("INSERT INTO t VALUES (1)", [])?;
                panic!("in the middle")
            });
        }));
        assert!(panicked.is_err());
        assert!(insert(&group, 2).is_ok());
        assert_eq!(numbers(folder.path()), [2]);
    }

    #[test]
    fn a_transaction_that_sqlite_gives_up_fails_all_who_took_part() {
        let folder = tempfile::tempdir().unwrap();
        let group = group(folder.path());
        let started = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let first: Result<(), Fails> = group.write(|tx| {
                    started.wait();
                    while group.arriving.load(Ordering::SeqCst) == 0 {
                        std::thread::yield_now();
                    }
                    tx.execute("INSERT INTO t VALUES (1)", [])?;
                    Ok(())
                });
                assert!(matches!(first, Err(Fail::Sqlite(_))), "it was told what became of it");
            });
            started.wait();
            let second: Result<(), Fails> = group.write(|tx| {
                tx.execute_batch("ROLLBACK")?;
                Err(Fail::Refused("gone".into()))
            });
            assert!(matches!(second, Err(Fail::Refused(_))));
        });
        assert!(numbers(folder.path()).is_empty());
        assert!(insert(&group, 2).is_ok());
    }
}
