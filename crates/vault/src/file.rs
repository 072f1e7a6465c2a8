//! Private files: mode 0600, written whole or not at all, refused where others may read them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Why a private file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// There is no such file.
    #[error("`{}` does not exist", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// There is such a file already.
    #[error("`{}` exists already and is not overwritten: move it away if you mean it", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Others may read or write it.
    #[error("`{0}` has mode {mode:03o}, so others may read it: run `chmod 600 {0}`", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Larger than any such file.
    #[error("`{}` has more than {max} bytes: that is not the file that was meant", path.display())]
    Length {
        /// The file.
        path: PathBuf,
        /// The most bytes that were expected.
        max: u64,
    },
    /// The system says no.
    #[error("`{}` cannot be read: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The system says no.
    #[error("`{}` cannot be written: {error}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// Reads a private file of at most `max` bytes. Refuses what others may read or write.
pub fn private_read(path: &Path, max: u64) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => FileError::Missing { path: path.into() },
        _ => FileError::Read { path: path.into(), error },
    };
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(FileError::Exposed { path: path.into(), mode });
    }
    // Room for all of it at once: growing would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(capacity(metadata.len(), max)));
    file.take(max.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > max {
        return Err(FileError::Length { path: path.into(), max });
    }
    Ok(bytes)
}

/// Writes a new private file; an existing one is never overwritten, not even in a race.
pub fn private_create(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write_through(path, bytes, |draft| {
        fs::hard_link(draft, path)?;
        fs::remove_file(draft)
    })
    .map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => FileError::Exists { path: path.into() },
        _ => FileError::Write { path: path.into(), error },
    })
}

/// Writes a private file, replacing it as a whole where it exists.
pub fn private_replace(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write_through(path, bytes, |draft| fs::rename(draft, path))
        .map_err(|error| FileError::Write { path: path.into(), error })
}

/// Makes a folder that only its owner may enter, unless it exists.
pub fn private_folder(path: &Path) -> Result<(), FileError> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| FileError::Write { path: path.into(), error })
}

/// Draft, fsync, put in place, fsync of the folder: after a crash the old or the new file is there whole.
fn write_through(path: &Path, bytes: &[u8], place: impl Fn(&Path) -> io::Result<()>) -> io::Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut suffix = [0; 8];
    getrandom::fill(&mut suffix).map_err(|error| io::Error::other(error.to_string()))?;
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    let draft = folder.join(format!(".{name}.{}", hex::encode(suffix)));
    let written = draft_write(&draft, bytes).and_then(|()| place(&draft));
    if written.is_err() {
        // Best effort: the draft is of no use, and the error to report is the first one.
        let _ = fs::remove_file(&draft);
    }
    written.and_then(|()| File::open(folder)?.sync_all())
}

fn draft_write(draft: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn capacity(length: u64, max: u64) -> usize {
    usize::try_from(length.min(max)).unwrap_or(0).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

    #[test]
    fn files_are_private_whole_and_never_overwritten_by_chance() -> Result {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("key");
        assert!(matches!(private_read(&path, 9), Err(FileError::Missing { .. })));
        private_create(&path, b"one")?;
        assert!(matches!(private_create(&path, b"two"), Err(FileError::Exists { .. })));
        assert_eq!(private_read(&path, 9)?.as_slice(), b"one");
        assert_eq!(fs::metadata(&path)?.permissions().mode() & 0o777, 0o600);
        private_replace(&path, b"three")?;
        assert_eq!(private_read(&path, 9)?.as_slice(), b"three");
        assert!(matches!(private_read(&path, 4), Err(FileError::Length { .. })));
        assert_eq!(fs::read_dir(folder.path())?.count(), 1, "no draft is left");
        Ok(())
    }

    #[test]
    fn what_others_may_read_is_refused_with_the_remedy() -> Result {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("key");
        private_create(&path, b"one")?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640))?;
        let message = private_read(&path, 9).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(message.contains("has mode 640") && message.contains("chmod 600"), "{message}");
        Ok(())
    }
}
