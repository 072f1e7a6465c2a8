//! The server's identity: a key in a private file beside the database, made at the first start. It signs
//! certificates and moves no money.

use std::path::{Path, PathBuf};

use cohold_model::IdentitySecret;
use cohold_vault::file::{FileError, private_create, private_read};
use zeroize::Zeroizing;

/// The longest identity file: a seed in hexadecimal digits and a line feed.
const FILE_BYTES_MAX: u64 = 80;

/// Why the server has no identity.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file holds something else.
    #[error(
        "`{}` is not the identity of a server: restore it from a backup, or move it away and tell every device the new fingerprint",
        .0.display()
    )]
    Damaged(PathBuf),
    /// No identity can be made.
    #[error("no identity can be made: the system gives no randomness")]
    Randomness,
}

/// Reads the identity beside `database`, or makes it.
pub(crate) fn open(database: &Path) -> Result<IdentitySecret, IssuerError> {
    let path = database.with_file_name("issuer.key");
    match read(&path) {
        Err(IssuerError::File(FileError::Missing { .. })) => {}
        found => return found,
    }
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut()).map_err(|_| IssuerError::Randomness)?;
    let text = Zeroizing::new(format!("{}\n", hex::encode(seed.as_ref())));
    match private_create(&path, text.as_bytes()) {
        // Another process was faster; its identity is as good.
        Ok(()) | Err(FileError::Exists { .. }) => read(&path),
        Err(error) => Err(error.into()),
    }
}

fn read(path: &Path) -> Result<IdentitySecret, IssuerError> {
    let bytes = private_read(path, FILE_BYTES_MAX)?;
    let mut seed = Zeroizing::new([0; 32]);
    hex::decode_to_slice(bytes.trim_ascii(), seed.as_mut()).map_err(|_| IssuerError::Damaged(path.into()))?;
    Ok(IdentitySecret::from_seed(&mut seed))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_identity_is_made_once_and_kept_private() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("server.db");
        let first = open(&database).unwrap().public();
        assert_eq!(open(&database).unwrap().public(), first);
        let path = folder.path().join("issuer.key");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(open(&database), Err(IssuerError::File(FileError::Exposed { .. }))));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, "no key").unwrap();
        let error = open(&database).unwrap_err().to_string();
        assert!(error.contains("issuer.key") && error.contains("restore"), "{error}");
    }
}
