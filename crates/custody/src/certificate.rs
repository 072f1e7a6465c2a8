//! The certificate: facts, the model that follows from them, and its result, signed.
//!
//! Each party signed its own facts; the server signs the whole, numbers it, and binds it to the one
//! before. Whoever reads it trusts neither: [`verify`] draws the model and the result from the facts
//! again and accepts nothing else.
//!
//! The file is the canonical JSON (RFC 8785) of [`Signed<Certificate>`], at most [`BYTES_MAX`] bytes;
//! one line feed may follow.

mod fault;
mod strict;
mod verify;

use cohold_model::charter::Charter;
use cohold_model::ids::excerpt;
use cohold_model::lineage::Lineage;
use cohold_model::statement::Statement;
use cohold_model::{AccountId, Digest, Document, IdentityKey, IdentitySecret, PartyName, Signed};
use serde::{Deserialize, Serialize};

use crate::declared::Declared;
use crate::evaluate::{EvaluateError, evaluate};
use crate::evaluation::Evaluation;
use crate::extract::{ExtractError, Own, extract, unheard};
use crate::model::Model;

pub use fault::{Fault, StatementFault, VerifyError};
pub use strict::{Form, FormError, Place};
pub use verify::{Expect, Verified, verify};

/// The largest certificate.
pub const BYTES_MAX: usize = 1 << 20;
/// How long a certificate is current, in seconds: as long as the words in it.
pub const VALID_SECONDS: u64 = cohold_model::statement::VALID_SECONDS;
/// How far clocks may be apart, in seconds.
pub const CLOCK_SECONDS_MAX: u64 = 3600;

/// The version of certificates. It stands for the rules by which the model is drawn as well: others are
/// another version.
pub const VERSION: u32 = 2;

/// Under which name the server signs.
const ISSUER: &str = "issuer";

/// Who can do what with one account, as of one moment, with everything that it follows from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// [`VERSION`].
    pub version: u32,
    /// The account.
    pub account: AccountId,
    /// Counts the certificates of the account from 1.
    pub number: u64,
    /// Digest of the one before; none for the first.
    pub previous: Option<Digest>,
    /// Seconds since 1970; the moment that model and result are of.
    pub issued_at: u64,
    /// The server's identity key.
    pub issuer: IdentityKey,
    /// All charters, the oldest first, each signed by all its parties: who ever held a share. The last one is
    /// in force.
    pub charters: Vec<Signed<Charter>>,
    /// What the parties said of themselves, by party, one each.
    pub statements: Vec<Signed<Statement>>,
    /// What the deployment declared.
    pub declared: Declared,
    /// Parties without a current word of their own. Recovery shares never have one.
    pub missing: Vec<PartyName>,
    /// What follows from charter, statements and declaration.
    pub model: Model,
    /// What follows from the model.
    pub evaluation: Evaluation,
}

impl Document for Certificate {
    const TAG: &'static str = "cohold/certificate/v1";
}

/// The place of a certificate in its account's chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Its number.
    pub number: u64,
    /// Its digest.
    pub digest: Digest,
}

impl Link {
    /// Of this certificate.
    #[must_use]
    pub fn of(certificate: &Certificate) -> Self {
        Self { number: certificate.number, digest: certificate.digest() }
    }

    /// Whether this certificate is the next one.
    #[must_use]
    pub fn is_before(&self, next: &Certificate) -> bool {
        self.number.checked_add(1) == Some(next.number) && next.previous == Some(self.digest)
    }
}

/// Why no certificate can be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DraftError {
    /// There is no model.
    #[error(transparent)]
    Extract(#[from] ExtractError),
    /// There is no result.
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    /// More than anybody reads.
    #[error(
        "the certificate would have {0} bytes, more than {BYTES_MAX}: shorten the lists of receivers in the nodes' rules"
    )]
    Size(usize),
    /// What cannot be written.
    #[error("the certificate cannot be written: {0}")]
    Json(#[from] serde_json::Error),
}

/// A certificate without number and signature.
#[derive(Debug, Clone)]
pub struct Draft(Certificate);

impl Draft {
    /// Draws model and result from the facts, as of `issued_at`.
    ///
    /// # Errors
    /// Where [`extract`] or [`evaluate`] refuse.
    pub fn new(
        lineage: &Lineage,
        mut statements: Vec<Signed<Statement>>,
        declared: Declared,
        issuer: IdentityKey,
        issued_at: u64,
    ) -> Result<Self, DraftError> {
        statements.sort_by(|one, other| one.document.party.cmp(&other.document.party));
        let own = Own { declared, ..Own::default() };
        let model = extract(lineage, &statements, &own, issued_at)?;
        let evaluation = evaluate(&model)?;
        let charter = &lineage.current().document;
        Ok(Self(Certificate {
            version: VERSION,
            account: charter.terms.account,
            number: 1,
            previous: None,
            issued_at,
            issuer,
            missing: unheard(charter, &statements, issued_at),
            charters: lineage.charters().cloned().collect(),
            statements,
            declared: own.declared,
            model,
            evaluation,
        }))
    }

    /// Puts it after the last one of its account and signs it; with its bytes.
    ///
    /// # Errors
    /// If it is larger than [`BYTES_MAX`].
    pub fn issue(
        self,
        after: Option<Link>,
        secret: &IdentitySecret,
    ) -> Result<(Signed<Certificate>, Vec<u8>), DraftError> {
        let number = after.map_or(1, |link| link.number.saturating_add(1));
        let certificate = Certificate {
            number,
            previous: after.map(|link| link.digest),
            issuer: secret.public(),
            ..self.0
        };
        let signed = Signed::by(certificate, issuer_name(), secret);
        let bytes = serde_json_canonicalizer::to_vec(&signed)?;
        if bytes.len() > BYTES_MAX { Err(DraftError::Size(bytes.len())) } else { Ok((signed, bytes)) }
    }
}

/// Why bytes are no certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// Too large.
    #[error("the file has {0} bytes, more than the {BYTES_MAX} of any certificate")]
    Size(usize),
    /// Not canonical JSON.
    #[error("the file is not canonical JSON: {0}")]
    Form(#[from] FormError),
    /// Not of the shape of a certificate.
    #[error("the file is no certificate: {reason} at {place}")]
    Shape {
        /// What is wrong.
        reason: String,
        /// Where.
        place: Place,
    },
    /// Readable, and not as it would be written.
    #[error("the value at {place} is not written as certificates write it")]
    Writing {
        /// Where.
        place: Place,
    },
}

/// Reads a certificate, of which nothing is believed yet.
///
/// # Errors
/// Whatever is not, byte for byte, what issuing it writes (and one line feed after it).
pub fn parse(bytes: &[u8]) -> Result<Signed<Certificate>, ParseError> {
    if bytes.len() > BYTES_MAX.saturating_add(1) {
        return Err(ParseError::Size(bytes.len()));
    }
    let bytes = strict::check(bytes)?;
    let signed: Signed<Certificate> = serde_json::from_slice(bytes).map_err(|error| shape(bytes, &error))?;
    let again = serde_json_canonicalizer::to_vec(&signed).map_err(|error| shape(bytes, &error))?;
    match bytes.iter().zip(&again).position(|(read, written)| read != written) {
        None if bytes.len() == again.len() => Ok(signed),
        differs => {
            let place = strict::place_of(bytes, differs.unwrap_or(again.len()));
            Err(ParseError::Writing { place })
        }
    }
}

fn shape(bytes: &[u8], error: &serde_json::Error) -> ParseError {
    // Canonical JSON is one line; the parser's column counts bytes from 1 and lies at the end of what
    // it did not like.
    let place = strict::place_of(bytes, error.column().saturating_sub(1));
    let said = error.to_string();
    let said = said.rsplit_once(" at line ").map_or(said.as_str(), |(said, _)| said);
    let long = said.chars().count() > 300;
    let reason = if long { excerpt(said) } else { said.chars().filter(|c| !c.is_control()).collect() };
    ParseError::Shape { reason, place }
}

#[expect(clippy::expect_used, reason = "a literal of the right form")]
fn issuer_name() -> PartyName {
    ISSUER.parse().expect("a name")
}
