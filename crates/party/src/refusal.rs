//! Why a party refuses. A refusal is final for the plan: nothing was signed, nothing was reserved
//! unless it says so.

use serde::{Deserialize, Serialize};

/// A reason with a stable code, and words for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// Stable, for programs.
    pub code: Code,
    /// For people: what happened, why, what to do.
    pub message: String,
}

impl Refusal {
    /// A refusal.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// The kinds of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// Not an account of this party, or not under the charter that it keeps.
    Charter,
    /// The order names signers or attempts that cannot be.
    Order,
    /// No valid approval by an approver.
    Approval,
    /// Too late, or a clock is wrong.
    Expired,
    /// The bytes are not a transaction that this party understands.
    Payload,
    /// The bytes do something else than the intent says.
    Mismatch,
    /// The party's rules do not allow it.
    Rules,
    /// The party's own count of what was moved does not allow it.
    Limit,
    /// The request was planned with another nonce before.
    Nonce,
    /// A signer is banned for this key.
    Banned,
    /// Only the user can allow the change: somebody gains, or the user loses.
    RedLine,
    /// The consent does not fit: another change, another account, too late, not by the user.
    Consent,
    /// No such change waits, or another one does.
    Change,
    /// The party does not have the presignature, or it is used up.
    Presignature,
    /// The party could not reach or open its own share.
    Unavailable,
}

impl Code {
    /// The code's word on the wire.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Charter => "charter",
            Self::Order => "order",
            Self::Approval => "approval",
            Self::Expired => "expired",
            Self::Payload => "payload",
            Self::Mismatch => "mismatch",
            Self::Rules => "rules",
            Self::Limit => "limit",
            Self::Nonce => "nonce",
            Self::Banned => "banned",
            Self::RedLine => "red-line",
            Self::Consent => "consent",
            Self::Change => "change",
            Self::Presignature => "presignature",
            Self::Unavailable => "unavailable",
        }
    }

    /// Whether the same order may succeed later.
    #[must_use]
    pub fn is_passing(self) -> bool {
        matches!(self, Self::Presignature | Self::Unavailable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_wire() -> Result<(), serde_json::Error> {
        let words =
            ["charter", "order", "approval", "expired", "payload", "mismatch", "rules", "limit", "nonce"];
        for word in words.into_iter().chain([
            "banned",
            "red-line",
            "consent",
            "change",
            "presignature",
            "unavailable",
        ]) {
            let code: Code = serde_json::from_str(&format!("\"{word}\""))?;
            assert_eq!(code.word(), word);
        }
        Ok(())
    }
}
