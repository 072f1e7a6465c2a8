//! What one run leaves for the next: lines of JSON, so that it is written and read as a stream. Each
//! model stands once; accounts name it by its fingerprint. Lines may come in any order after the first.
//!
//! ```text
//! {"cohold_fleet":1,"at":1790000000}
//! {"fingerprint":"…","model":{…}}
//! {"account":"acc_…","fingerprint":"…","class":"mpc self-custody","exit_seconds":0}
//! ```

use serde::de::Error as _;
use serde::{Deserialize, Serialize};

use super::{Fingerprint, Standing};
use crate::evaluation::Class;
use crate::model::Model;

/// The version that is written, and the only one that is read.
const VERSION: u32 = 1;
/// The longest line that is read: a model, and what is around it.
pub const LINE_BYTES_MAX: usize = (1 << 20) + 4096;

/// The first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    cohold_fleet: u32,
    /// When the run was, in seconds since 1970.
    pub at: u64,
}

impl Head {
    /// The head of a state of now.
    pub fn new(at: u64) -> Self {
        Self { cohold_fleet: VERSION, at }
    }
}

/// A model, once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelLine {
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
    /// The model, of the first account that had it.
    pub model: Model,
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AccountLine {
    /// Its name.
    pub account: String,
    /// Its model.
    pub fingerprint: Fingerprint,
    /// What was found then.
    #[serde(flatten)]
    pub standing: Standing,
}

/// Where a line belongs, without reading a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A model with this fingerprint; read it with [`model`] when it is needed.
    Model(Fingerprint),
    /// An account.
    Account(AccountLine),
}

/// Why a state was not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// Not the first line of a state.
    #[error("it does not begin as the state of a fleet; name another file, or remove it to begin anew")]
    Head,
    /// Of a version that is not known here.
    #[error("it is of version {0}, and this release reads {VERSION}: use a newer release")]
    Version(u32),
    /// A line that is neither a model nor an account.
    #[error("a line is damaged: {0}; restore it, or remove it to begin anew")]
    Line(#[from] serde_json::Error),
    /// A model that is not the one that its fingerprint names.
    #[error("the model `{0:?}` was changed; restore the state, or remove it to begin anew")]
    Model(Fingerprint),
}

/// Reads the first line.
///
/// # Errors
/// Whatever is no head of this version.
pub fn head(line: &[u8]) -> Result<Head, StateError> {
    let head: Head = serde_json::from_slice(line).map_err(|_| StateError::Head)?;
    if head.cohold_fleet == VERSION { Ok(head) } else { Err(StateError::Version(head.cohold_fleet)) }
}

/// Reads any other line; of a model only its fingerprint.
///
/// # Errors
/// What is neither.
pub fn line(line: &[u8]) -> Result<Line, StateError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Any {
        fingerprint: Fingerprint,
        model: Option<serde::de::IgnoredAny>,
        account: Option<String>,
        class: Option<Class>,
        exit_seconds: Option<u64>,
    }
    match serde_json::from_slice(line)? {
        Any { fingerprint, model: Some(_), account: None, class: None, exit_seconds: None } => {
            Ok(Line::Model(fingerprint))
        }
        Any { fingerprint, model: None, account: Some(account), class: Some(class), exit_seconds } => {
            let standing = Standing { class, exit_seconds };
            Ok(Line::Account(AccountLine { account, fingerprint, standing }))
        }
        _ => Err(serde_json::Error::custom("neither a model nor an account").into()),
    }
}

/// Reads the line of a model, checks that it is this one, and gives it to an account.
///
/// # Errors
/// A damaged line, or another model.
pub fn model(line: &[u8], fingerprint: Fingerprint, account: &str) -> Result<Model, StateError> {
    let read: ModelLine = serde_json::from_slice(line)?;
    if read.fingerprint != fingerprint || Fingerprint::of(&read.model) != fingerprint {
        return Err(StateError::Model(fingerprint));
    }
    read.model.of_account(account).map_err(|_| StateError::Model(fingerprint))
}
