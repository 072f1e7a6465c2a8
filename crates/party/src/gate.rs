//! The gate that every change of what an account is under must pass, in each party that it concerns.
//!
//! The party computes for itself what the change means, never taking anybody's word for it. What leaves
//! everybody with at most what they had, and the user with all that they have, passes. Everything else
//! crosses the red line or may: it waits for the user's [`Consent`], signed by a device of the user that
//! computed the very same sentences, and used once.

use cohold_custody::Difference;
use cohold_model::account::{Card, PartyKind, Terms};
use cohold_model::change::{Change, Consent};
use cohold_model::charter::Charter;
use cohold_model::{AccountId, ChangeId, Digest, Document as _, PartyName, Signed};

use crate::refusal::{Code, Refusal};
use crate::verify::HORIZON_SECONDS_MAX;

/// How long a consent is good for where nothing else is asked, in seconds: an hour.
pub const CONSENT_SECONDS: u64 = 3600;
/// The longest difference that is signed, in bytes of canonical JSON: it travels in one message.
pub const DIFFERENCE_BYTES_MAX: usize = 96 * 1024;
/// How far the clocks of device and node may be apart, in seconds.
const CLOCK_SECONDS_MAX: u64 = 3600;
/// The most sentences of a refusal; whoever asked computes the rest.
const SENTENCES_TOLD_MAX: usize = 12;

/// What a change means for one account, as one party computed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessment {
    /// The account.
    pub account: AccountId,
    /// Digest of its charter.
    pub charter: Digest,
    /// What changes.
    pub change: Change,
    /// What becomes looser or is lost, in sentences, at the letter of what changes.
    pub conditions: Vec<String>,
    /// Who gains and who loses by it.
    pub difference: Difference,
    /// Whose word allows it, by their cards in the charter in force: one of them suffices.
    pub consenters: Vec<Card>,
    canonical: String,
}

/// Why a change cannot be assessed, and so is refused.
#[derive(Debug, thiserror::Error)]
pub enum AssessError {
    /// Not a resharing of this charter.
    #[error(transparent)]
    Resharing(#[from] cohold_model::reshare::ResharingError),
    /// More charters than a certificate carries.
    #[error(
        "the account has had {0} charters, as many as a certificate carries: move the funds to a new account"
    )]
    Charters(u32),
    /// No such party.
    #[error("`{0}` is no node of this account: name one that is")]
    Party(PartyName),
    /// No model of the terms.
    #[error("the change cannot be weighed: {0}")]
    Terms(cohold_custody::ModelError),
    /// No custody model.
    #[error("the change cannot be weighed: {0}")]
    Model(#[from] cohold_custody::extract::ExtractError),
    /// No difference.
    #[error("the change cannot be weighed: {0}")]
    Difference(#[from] cohold_custody::DifferenceError),
    /// A difference that cannot be written.
    #[error("the difference cannot be written: {0}")]
    Json(#[from] serde_json::Error),
    /// More than fits a message.
    #[error(
        "the difference has {0} bytes, more than the {DIFFERENCE_BYTES_MAX} that can be signed: go in smaller steps"
    )]
    Size(usize),
}

impl From<AssessError> for Refusal {
    fn from(error: AssessError) -> Self {
        Self::new(Code::Change, error.to_string())
    }
}

impl Assessment {
    pub(crate) fn new(
        charter: &Charter,
        change: Change,
        conditions: Vec<String>,
        difference: Difference,
        consenters: Vec<Card>,
    ) -> Result<Self, AssessError> {
        let canonical = difference.to_canonical_json()?;
        if canonical.len() > DIFFERENCE_BYTES_MAX {
            return Err(AssessError::Size(canonical.len()));
        }
        // Canonical JSON is UTF-8 (RFC 8785 §3.2.4).
        let canonical = String::from_utf8_lossy(&canonical).into_owned();
        let (account, charter) = (charter.terms.account, charter.digest());
        Ok(Self { account, charter, change, conditions, difference, consenters, canonical })
    }

    /// The name of the change.
    #[must_use]
    pub fn id(&self) -> ChangeId {
        self.change.id(self.account, &self.charter)
    }

    /// Whether only the user can allow it.
    #[must_use]
    pub fn needs_consent(&self) -> bool {
        !(self.difference.verdict.needs_no_signature() && self.conditions.is_empty())
    }

    /// For what the user is asked, in sentences: what changes, and who gains or loses by it.
    #[must_use]
    pub fn sentences(&self) -> Vec<&str> {
        let crossings = self.difference.crossings();
        let gained = self.difference.gained.iter().filter(|change| !change.without_user);
        let gained = gained.map(|change| change.sentence.as_str());
        self.conditions.iter().map(String::as_str).chain(crossings).chain(gained).collect()
    }

    /// The refusal of a change without consent: it carries the sentences.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        let sentences = self.sentences();
        let mut message = format!("only the user can allow change `{}`:", self.id());
        for sentence in sentences.iter().take(SENTENCES_TOLD_MAX) {
            message.push(' ');
            message.push_str(sentence);
        }
        if let Some(rest) = sentences.len().checked_sub(SENTENCES_TOLD_MAX).filter(|rest| *rest > 0) {
            message.push_str(&format!(" And {rest} more."));
        }
        Refusal::new(Code::RedLine, message)
    }

    /// What the user signs to allow it.
    #[must_use]
    pub fn consent(&self, consenter: PartyName, now: u64) -> Consent {
        Consent {
            account: self.account,
            charter: self.charter,
            change: self.change.clone(),
            conditions: self.conditions.clone(),
            difference: self.canonical.clone(),
            consenter,
            issued_at: now,
            expires_at: now.saturating_add(CONSENT_SECONDS),
        }
    }
}

/// Who may consent to a change at `party`: the devices of the user; the approvers where the account has
/// none. Never the party itself.
#[must_use]
pub(crate) fn consenters(terms: &Terms, party: &PartyName) -> Vec<Card> {
    let others = || terms.parties.iter().filter(|card| card.party != *party).cloned();
    let devices: Vec<_> = others().filter(|card| is_of_user(terms, card, PartyKind::Device)).collect();
    if !devices.is_empty() {
        return devices;
    }
    others().filter(|card| terms.approvers.contains(&card.party)).collect()
}

/// Whether a party is of this kind, and the user's.
pub(crate) fn is_of_user(terms: &Terms, card: &Card, kind: PartyKind) -> bool {
    card.kind == kind && terms.is_of_user(card)
}

/// Checks that a consent is the user's word for this very change, now.
///
/// That it is used once is the store's to see to: the change names the revision or the charter that it
/// replaces.
pub fn check_consent(assessment: &Assessment, consent: &Signed<Consent>, now: u64) -> Result<(), Refusal> {
    let refuse = |message: &str| Err(Refusal::new(Code::Consent, message));
    let Consent { account, charter: under, change, conditions, difference, consenter, issued_at, expires_at } =
        &consent.document;
    if *account != assessment.account || *under != assessment.charter {
        return refuse("the consent is for another account or charter");
    }
    if *change != assessment.change {
        return refuse("the consent is for another change, or for what is no longer in force: look again");
    }
    let by = assessment.consenters.iter().find(|card| card.party == *consenter);
    if !by.is_some_and(|card| consent.is_signed_by(consenter, &card.identity)) {
        return refuse("the consent is not signed by a party of the user that may consent");
    }
    if *conditions != assessment.conditions || *difference != assessment.canonical {
        return refuse("the consent is to other sentences than this party computes: use the same release");
    }
    if *expires_at <= now || *issued_at > now.saturating_add(CLOCK_SECONDS_MAX) {
        return refuse("the consent has expired, or a clock is wrong: consent again");
    }
    if expires_at.saturating_sub(now) > HORIZON_SECONDS_MAX {
        return refuse("the consent is valid for more than 25 hours: consent again");
    }
    Ok(())
}
