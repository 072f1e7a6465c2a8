//! Everything that the engine knows to try, in words.

use serde::{Deserialize, Serialize};

/// A way to try what a coalition should not be able to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Strategy {
    TooFewShares,
    Guesses,
    ForeignKeys,
    OpenSecrets,
    OtherEpochs,
    NoApproval,
    ForgedApproval,
    OldApproval,
    OldPapers,
    OwnApproval,
    Replay,
    OtherChain,
    LongExpired,
    ForgedCharter,
    SecondKey,
    Abandon,
    LooseRules,
    OrderedResharing,
    InventedConsent,
    ForgedCertificate,
    ForgedAbandonment,
    InventedVeto,
    AnotherApprover,
    OverLimit,
    DayLimit,
    OverFees,
    ForgedAtServer,
    Resharing,
}

impl Strategy {
    /// All of them, as they are tried.
    pub(crate) const ALL: [Self; 28] = [
        Self::TooFewShares,
        Self::Guesses,
        Self::ForeignKeys,
        Self::OpenSecrets,
        Self::OtherEpochs,
        Self::NoApproval,
        Self::ForgedApproval,
        Self::OldApproval,
        Self::OldPapers,
        Self::OwnApproval,
        Self::Replay,
        Self::OtherChain,
        Self::LongExpired,
        Self::ForgedCharter,
        Self::SecondKey,
        Self::Abandon,
        Self::LooseRules,
        Self::OrderedResharing,
        Self::InventedConsent,
        Self::ForgedCertificate,
        Self::ForgedAbandonment,
        Self::InventedVeto,
        Self::AnotherApprover,
        Self::OverLimit,
        Self::DayLimit,
        Self::OverFees,
        Self::ForgedAtServer,
        Self::Resharing,
    ];

    /// What is tried.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::TooFewShares => "sign with fewer shares than it takes",
            Self::Guesses => {
                "open what is sealed with no secret, common ones, and every other secret at hand"
            }
            Self::ForeignKeys => "open what is sealed with every key file at hand",
            Self::OpenSecrets => "look for open shares in every file, logs and write-ahead logs included",
            Self::OtherEpochs => "use shares of another epoch, from databases and backups",
            Self::NoApproval => "no approval at all",
            Self::ForgedApproval => "an approval that the thief signed in the approver's name",
            Self::OldApproval => "the user's approval of an earlier payment",
            Self::OldPapers => "an earlier payment's papers around other bytes",
            Self::OwnApproval => "an approval by a party that may not approve",
            Self::Replay => "an old order once more, in its old session",
            Self::OtherChain => "the theft on another chain",
            Self::LongExpired => "an approval and an intent that expired",
            Self::ForgedCharter => "a charter of the thief's own, with the thief as approver",
            Self::SecondKey => "a second key for the same account",
            Self::Abandon => "to have the account forgotten",
            Self::LooseRules => "rules without limits, proposed by the coordinator",
            Self::OrderedResharing => {
                "a resharing to the thief's own parties, ordered by the coordinator without a consent"
            }
            Self::InventedConsent => "the same with a consent that the user never gave",
            Self::ForgedCertificate => {
                "a next charter that the thief's parties signed, with dealers' words that nobody said"
            }
            Self::ForgedAbandonment => "a word in the user's name that a resharing is given up",
            Self::InventedVeto => "an objection in the user's name against the user's own resharing",
            Self::AnotherApprover => "another approver's true approval, to a device that did not approve",
            Self::OverLimit => "more than the rules let through at once, truly approved",
            Self::DayLimit => "as much as the rules let through, again and again, truly approved",
            Self::OverFees => "a fee above what the rules let go, truly approved",
            Self::ForgedAtServer => "a forged approval at the server that runs",
            Self::Resharing => "a resharing to the thief's own parties, asked for by those it robbed",
        }
    }
}
