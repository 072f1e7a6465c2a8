//! Why a token is of no use, and what to do about it.

use std::path::PathBuf;

use crate::file::FileError;
use crate::seal::VaultError;

/// Why a token's key cannot be had or used.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The library that speaks to the token.
    #[error("`{}` is no PKCS#11 module that can be loaded: {error}; correct `module`", path.display())]
    Module {
        /// The file.
        path: PathBuf,
        /// What the loader says.
        error: String,
    },
    /// No such token.
    #[error("no token has {wanted}: plug it in, or correct node.toml; {found}")]
    Missing {
        /// What was looked for.
        wanted: String,
        /// What there is.
        found: String,
    },
    /// More than one such token.
    #[error("{count} tokens have {wanted}: name the one that is meant by its `serial`")]
    Ambiguous {
        /// What was looked for.
        wanted: String,
        /// How many there are.
        count: usize,
    },
    /// The PIN is wrong. It is not tried again.
    #[error("the token refuses the PIN: {0}")]
    Pin(PinTries),
    /// The PIN was refused before, in this process.
    #[error(
        "the token refused the PIN after it was away, and the PIN is not tried again: start again with the right one"
    )]
    PinBarred,
    /// The token has no PIN yet.
    #[error("the token has no user PIN yet: its administrator sets one")]
    PinUnset,
    /// It can be no PIN.
    #[error("{0}")]
    PinText(String),
    /// The key is not there, although something is sealed under it.
    #[error(
        "the token has no key `{label}` with the id `{id}` that this folder is sealed under: bring back the token or its \
         backup; no other key is made in its place"
    )]
    KeyMissing {
        /// The key's label.
        label: String,
        /// The key's id.
        id: String,
    },
    /// Several keys have the label, and nothing says which is meant.
    #[error(
        "the token has {count} keys `{label}`: choose another `key`, or remove those that nothing is sealed under"
    )]
    KeyAmbiguous {
        /// The label.
        label: String,
        /// How many there are.
        count: usize,
    },
    /// It could be read out, or once could.
    #[error("the key `{label}` is refused: {flaw}; let this program make the key, under another `key` name")]
    KeyUnfit {
        /// The label.
        label: String,
        /// What is wrong.
        flaw: &'static str,
    },
    /// The label and id are right, the key is not.
    #[error(
        "the key `{label}` of the token is not the one that this folder is sealed under: bring back the right token"
    )]
    KeyOther {
        /// The label.
        label: String,
    },
    /// The token cannot make such a key, or cannot encrypt with it.
    #[error("the token makes no AES-256 key that encrypts by AES-GCM: {error}; choose another token")]
    Unable {
        /// What it says.
        error: String,
    },
    /// It was there, and does not answer now.
    #[error("the token does not answer: {error}; nothing is lost, it is tried again when it is needed")]
    Away {
        /// What it says.
        error: String,
    },
    /// It answers, and does not do this.
    #[error("the token refuses to work with the key: {error}")]
    Refused {
        /// What it says.
        error: String,
    },
    /// The file that says which key is meant.
    #[error(transparent)]
    Record(#[from] FileError),
    /// The file that says which key is meant is damaged.
    #[error("`{}` is damaged: restore it from a backup", path.display())]
    RecordContent {
        /// The file.
        path: PathBuf,
    },
    /// The system gives no randomness.
    #[error("the system's source of randomness failed: {0}")]
    Randomness(#[from] getrandom::Error),
}

/// What a token tells of the tries that are left; PKCS#11 has no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PinTries {
    /// It tells nothing.
    Untold,
    /// Some wrong ones were entered, and it counts.
    Low,
    /// The next wrong one locks it.
    Last,
    /// It is locked.
    Locked,
}

impl std::fmt::Display for PinTries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Untold => "it does not say how many tries are left; check the PIN before you try again",
            Self::Low => "few tries are left, it says no number; check the PIN before you try again",
            Self::Last => "one try is left, then it locks; be sure of the PIN before you try again",
            Self::Locked => "it is locked; its administrator unlocks it",
        })
    }
}

impl From<TokenError> for VaultError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Randomness(error) => Self::Randomness(error),
            error => Self::Token(Box::new(error)),
        }
    }
}
