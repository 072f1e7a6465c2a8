//! What can be wrong with a certificate, in sentences.

use std::fmt;

use cohold_model::lineage::LineageError;
use cohold_model::{AccountId, PartyName};

use super::ParseError;
use super::strict::Place;
use crate::evaluate::EvaluateError;
use crate::extract::ExtractError;

/// Why a certificate does not hold.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// It cannot be read.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// It can be read, and these things in it are wrong.
    #[error("the certificate does not hold: {}", Sentences(.0))]
    Faults(Vec<Fault>),
}

impl VerifyError {
    /// Each thing that is wrong, as a sentence.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        match self {
            Self::Parse(error) => vec![error.to_string()],
            Self::Faults(faults) => faults.iter().map(Fault::to_string).collect(),
        }
    }
}

struct Sentences<'a>(&'a [Fault]);

impl fmt::Display for Sentences<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, fault) in self.0.iter().enumerate() {
            write!(f, "{}{fault}", if position == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

/// One thing that is wrong with a certificate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Another version.
    #[error("version {0} of certificates is not understood: use a newer release")]
    Version(u32),
    /// Of another account.
    #[error("it is about account `{found}`, not about `{wanted}`")]
    Account {
        /// Whose it is.
        found: AccountId,
        /// Whose it should be.
        wanted: AccountId,
    },
    /// By another issuer.
    #[error("its issuer has the fingerprint `{found}`, not that of `{wanted}`")]
    Issuer {
        /// The fingerprint of who issued it.
        found: String,
        /// Key or fingerprint that was expected.
        wanted: String,
    },
    /// Not signed by who issued it, or by others as well.
    #[error("it is not signed by its issuer alone: something in it was changed, or it was never issued")]
    IssuerSignature,
    /// Its charter is not the account's.
    #[error("its charter is that of account `{0}`")]
    CharterAccount(AccountId),
    /// A charter is not signed by all, contradicts itself, or does not follow the one before.
    #[error("its charters do not hold: {0}")]
    Charters(#[from] LineageError),
    /// Signatures of others under a charter.
    #[error("a charter in it bears a signature by somebody who is no party")]
    CharterSignatures,
    /// Another charter than the reader's.
    #[error("its charter is not the one that this device keeps: somebody was shown another account")]
    CharterForeign,
    /// Not sorted, or a party twice.
    #[error("its statements are not one for a party, in the order of their names, at `{0}`")]
    StatementOrder(PartyName),
    /// A statement that cannot be there.
    #[error("the statement of `{party}` {fault}")]
    Statement {
        /// Who is said to speak.
        party: PartyName,
        /// What is wrong.
        fault: StatementFault,
    },
    /// The reader's own word is not in it.
    #[error(
        "the word that this device gave as `{0}` is not in it, or an older one is: its server held it back"
    )]
    OwnWord(PartyName),
    /// The list of silent parties is wrong.
    #[error("its list of parties that were not heard is not what its statements show")]
    Missing,
    /// Of the future.
    #[error("it was issued {0} s after now: set the clock, or do not trust it")]
    Future(u64),
    /// Too old.
    #[error(
        "it expired {0} s ago, as the words in it hold for 24 hours: ask for a new one, or say with `--at` which moment is meant"
    )]
    Expired(u64),
    /// Its number and what it says of the one before do not fit.
    #[error("its number is {number}, which does not fit what it says of the one before")]
    Number {
        /// Its number.
        number: u64,
    },
    /// It does not follow the one that is known.
    #[error(
        "it is number {number} and does not follow number {known}, which is known: one of the two was never shown to somebody"
    )]
    Chain {
        /// Its number.
        number: u64,
        /// The number of the one that is known.
        known: u64,
    },
    /// The facts give no model.
    #[error("its facts give no model: {0}")]
    Extract(#[from] ExtractError),
    /// The model is not what the facts give.
    #[error("its model is not what its facts give, at {0}")]
    Model(Place),
    /// The model gives no result.
    #[error("its model gives no result: {0}")]
    Evaluate(#[from] EvaluateError),
    /// The result is not what the model gives.
    #[error("its result is not what its model gives, at {0}")]
    Evaluation(Place),
}

/// What is wrong with a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StatementFault {
    /// By nobody of the charter.
    #[error("is by nobody of the charter")]
    Party,
    /// About something else.
    #[error("is about another account, charter or epoch")]
    Subject,
    /// Not signed.
    #[error("is not signed by that party alone")]
    Signature,
    /// Said after the certificate was issued.
    #[error("was made after the certificate was issued")]
    Future,
}
