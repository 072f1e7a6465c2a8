//! A host's disk: a folder in memory that outlives it, is copied, and is put back.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cohold_store::PartyStore;
use tempfile::TempDir;

/// Where memory is a file system; elsewhere the usual folder does.
const MEMORY: &str = "/dev/shm";

/// One host's database file. Copies are other disks.
#[derive(Debug, Clone)]
pub struct Disk {
    folder: Arc<TempDir>,
}

impl Disk {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        let memory = Path::new(MEMORY);
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        Self { folder: Arc::new(folder.expect("a folder can be made")) }
    }

    /// Another disk with what is on this one: the file and its write-ahead log, while nobody writes.
    #[must_use]
    pub fn copy(&self) -> Self {
        let other = Self::new();
        for entry in std::fs::read_dir(self.folder.path()).expect("the folder is read") {
            let from = entry.expect("the folder is read").path();
            let name = from.file_name().expect("an entry has a name");
            if name.to_string_lossy().ends_with("-shm") {
                continue;
            }
            std::fs::copy(&from, other.folder.path().join(name)).expect("a file can be copied");
        }
        other
    }

    /// Opens the database as a node does.
    #[must_use]
    pub fn open(&self) -> PartyStore {
        PartyStore::open(&self.database()).expect("the database opens")
    }

    fn database(&self) -> PathBuf {
        self.folder.path().join("node.sqlite")
    }
}

impl Default for Disk {
    fn default() -> Self {
        Self::new()
    }
}
