//! One SQLite file: how it is opened, migrated, and what its errors mean.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::ffi::SQLITE_IOERR_SHMSIZE;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use crate::group::Group;

/// How long to wait for another process that has the file.
const BUSY: Duration = Duration::from_secs(10);
/// The most statements that a connection keeps compiled: more than there are.
const STATEMENTS_MAX: usize = 64;
/// Files up to this size are checked as a whole when they are opened.
const WHOLE_CHECK_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Why a database call failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file is not a sound database.
    #[error(
        "the database `{path}` is damaged ({detail}): stop, keep a copy of it, and restore the last backup"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        detail: String,
    },
    /// No room.
    #[error("the disk that holds `{0}` is full: free some space and try again; nothing was lost")]
    Full(PathBuf),
    /// Another process has it.
    #[error("the database `{0}` is in use by another process: stop that one first")]
    Busy(PathBuf),
    /// Made by a later version.
    #[error(
        "the database `{path}` is of schema version {found}, this program knows {known}: use a newer program"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema version.
        found: u32,
        /// The latest that is known here.
        known: u32,
    },
    /// Made by an earlier version, and opened for reading only.
    #[error(
        "the database `{path}` is of schema version {found}, this program knows {known}: start its own program once, which brings it up to date"
    )]
    Older {
        /// The file.
        path: PathBuf,
        /// Its schema version.
        found: u32,
        /// The latest that is known here.
        known: u32,
    },
    /// A stored document cannot be read.
    #[error("a row of `{table}` cannot be read: {detail}")]
    Row {
        /// The table.
        table: &'static str,
        /// What is wrong.
        detail: String,
    },
    /// Anything else that SQLite says.
    #[error("the database `{path}` cannot be used: {source}")]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// The file cannot be made or protected.
    #[error("the database `{path}` cannot be opened: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// One database file.
#[derive(Debug)]
pub struct Database {
    path: PathBuf,
    group: Group,
    /// For single rows.
    looking: Mutex<Connection>,
    /// For whatever takes longer.
    listing: Mutex<Connection>,
}

impl Database {
    /// Opens or makes the file (mode 0600), checks it, and brings it to the latest schema.
    /// `migrations` are SQL scripts, one per schema version, never changed once released.
    pub fn open(path: &Path, migrations: &[&str]) -> Result<Self, StoreError> {
        create_private(path).map_err(|source| match source.kind() {
            std::io::ErrorKind::StorageFull => StoreError::Full(path.into()),
            _ => StoreError::File { path: path.into(), source },
        })?;
        let told = |error| explain(path, error);
        let mut connection = Connection::open(path).map_err(told)?;
        connection.busy_timeout(BUSY).map_err(told)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
                 PRAGMA secure_delete = ON; PRAGMA trusted_schema = OFF; PRAGMA cache_size = -8000;",
            )
            .map_err(told)?;
        check_whole(path, &connection)?;
        migrate(&mut connection, path, migrations)?;
        let reader = || open_reader(path).map(Mutex::new).map_err(told);
        let (looking, listing) = (reader()?, reader()?);
        Ok(Self { path: path.into(), group: Group::new(connection), looking, listing })
    }

    /// Opens a file that is there for reading only, beside whoever else has it: nothing is made, changed
    /// or migrated, and whatever writes fails.
    pub fn open_reading(path: &Path, migrations: &[&str]) -> Result<Self, StoreError> {
        let told = |error| explain(path, error);
        let reader = || {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let reader = Connection::open_with_flags(path, flags)?;
            reader.busy_timeout(BUSY)?;
            reader.execute_batch("PRAGMA query_only = ON; PRAGMA trusted_schema = OFF;")?;
            Ok(reader)
        };
        let connection = reader().map_err(told)?;
        let found: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(told)?;
        let known = u32::try_from(migrations.len()).unwrap_or(u32::MAX);
        match found.cmp(&known) {
            Ordering::Less => return Err(StoreError::Older { path: path.into(), found, known }),
            Ordering::Greater => return Err(StoreError::Newer { path: path.into(), found, known }),
            Ordering::Equal => {}
        }
        let reading = || reader().map(Mutex::new).map_err(told);
        let (looking, listing) = (reading()?, reading()?);
        Ok(Self { path: path.into(), group: Group::new(connection), looking, listing })
    }

    /// Reads a row or two, as of the last write that returned. It waits for no writer.
    pub fn look<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Fail<E>>,
    ) -> Result<T, E> {
        self.run(&self.looking, work)
    }

    /// Reads, in one consistent view, as of the last write that returned.
    pub fn read<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Fail<E>>,
    ) -> Result<T, E> {
        self.run(&self.listing, work)
    }

    /// Writes: all or nothing, on the disk when this returns.
    pub fn write<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Fail<E>>,
    ) -> Result<T, E> {
        self.group.write(work).map_err(|fail| self.told(fail))
    }

    /// Moves the write-ahead log into the file and empties it. Pages that were deleted are overwritten there
    /// already (`secure_delete`); afterwards the log holds no copy of them either.
    pub fn checkpoint(&self) -> Result<(), StoreError> {
        let connection = self.listing.lock().unwrap_or_else(PoisonError::into_inner);
        let told = |error| explain(&self.path, error);
        let busy: i64 =
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).map_err(told)?;
        if busy == 0 { Ok(()) } else { Err(StoreError::Busy(self.path.clone())) }
    }

    fn run<T, E: From<StoreError>>(
        &self,
        connection: &Mutex<Connection>,
        work: impl FnOnce(&Connection) -> Result<T, Fail<E>>,
    ) -> Result<T, E> {
        // A panic elsewhere ended its transaction; the connection is sound.
        let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
        let view = View::begin(&connection).map_err(|error| self.told(Fail::Sqlite(error)))?;
        work(view.0).map_err(|fail| self.told(fail))
    }

    fn told<E: From<StoreError>>(&self, fail: Fail<E>) -> E {
        match fail {
            Fail::Sqlite(error) => explain(&self.path, error).into(),
            Fail::Refused(error) => error,
        }
    }
}

/// One consistent view, until it is dropped.
struct View<'a>(&'a Connection);

impl<'a> View<'a> {
    fn begin(connection: &'a Connection) -> rusqlite::Result<Self> {
        say(connection, "BEGIN")?;
        Ok(Self(connection))
    }
}

impl Drop for View<'_> {
    fn drop(&mut self) {
        // If this fails, the next BEGIN does, and says why.
        let _ = say(self.0, "ROLLBACK");
    }
}

/// Runs a statement that takes nothing, gives nothing and comes again and again.
pub(crate) fn say(connection: &Connection, statement: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(statement)?.execute([]).map(|_| ())
}

/// How work within a transaction fails; it is rolled back either way.
#[derive(Debug)]
pub enum Fail<E> {
    /// SQLite said no.
    Sqlite(rusqlite::Error),
    /// The work itself said no.
    Refused(E),
}

impl<E> From<rusqlite::Error> for Fail<E> {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// Writes a document as canonical as it was hashed; reading it back must give the same digest.
pub(crate) fn to_text<T: serde::Serialize, E: From<StoreError>>(
    table: &'static str,
    value: &T,
) -> Result<String, Fail<E>> {
    serde_json::to_string(value)
        .map_err(|e| Fail::Refused(StoreError::Row { table, detail: e.to_string() }.into()))
}

/// Reads a stored document.
pub(crate) fn from_text<T: serde::de::DeserializeOwned, E: From<StoreError>>(
    table: &'static str,
    text: &str,
) -> Result<T, Fail<E>> {
    serde_json::from_str(text)
        .map_err(|e| Fail::Refused(StoreError::Row { table, detail: e.to_string() }.into()))
}

/// Parses a stored value such as an id.
pub(crate) fn parse<T: std::str::FromStr, E: From<StoreError>>(
    table: &'static str,
    text: &str,
) -> Result<T, Fail<E>>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|e: T::Err| Fail::Refused(StoreError::Row { table, detail: e.to_string() }.into()))
}

/// Seconds as SQLite keeps them; beyond the year 292 billion they saturate.
pub(crate) fn seconds(time: u64) -> i64 {
    i64::try_from(time).unwrap_or(i64::MAX)
}

fn explain(path: &Path, error: rusqlite::Error) -> StoreError {
    let path = path.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            StoreError::Damaged { path, detail: error.to_string() }
        }
        Some(ErrorCode::DiskFull) => StoreError::Full(path),
        // The index of the write-ahead log has no room.
        _ if error.sqlite_error().is_some_and(|e| e.extended_code == SQLITE_IOERR_SHMSIZE) => {
            StoreError::Full(path)
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy(path),
        _ => StoreError::Sqlite { path, source: error },
    }
}

fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let reader = Connection::open(path)?;
    reader.busy_timeout(BUSY)?;
    reader.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    reader.execute_batch("PRAGMA query_only = ON; PRAGMA trusted_schema = OFF;")?;
    Ok(reader)
}

/// Checks the whole file where that is quick. A large one must start as fast: its damage is found where
/// it is read, SQLite says so, and sealed secrets are authenticated.
fn check_whole(path: &Path, connection: &Connection) -> Result<(), StoreError> {
    let told = |error| explain(path, error);
    let bytes = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    let check = if bytes > WHOLE_CHECK_BYTES_MAX {
        "SELECT iif(count(*) < 0, '', 'ok') FROM sqlite_schema"
    } else {
        "PRAGMA quick_check(1)"
    };
    let verdict: String = connection.query_row(check, [], |row| row.get(0)).map_err(told)?;
    if verdict == "ok" { Ok(()) } else { Err(StoreError::Damaged { path: path.into(), detail: verdict }) }
}

fn create_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match made {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn migrate(connection: &mut Connection, path: &Path, migrations: &[&str]) -> Result<(), StoreError> {
    let told = |error| explain(path, error);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(told)?;
    let found: u32 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(told)?;
    let known = u32::try_from(migrations.len()).unwrap_or(u32::MAX);
    if found > known {
        return Err(StoreError::Newer { path: path.into(), found, known });
    }
    for script in migrations.iter().skip(usize::try_from(found).unwrap_or(usize::MAX)) {
        transaction.execute_batch(script).map_err(told)?;
    }
    transaction.pragma_update(None, "user_version", known).map_err(told)?;
    transaction.commit().map_err(told)
}
