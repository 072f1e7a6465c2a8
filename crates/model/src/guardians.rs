//! Guardians: people who hold the share of a recovery party together, so many of them. Who they are, how
//! many it takes and how long everybody waits is in the charter; what they are handed, what they say of
//! it, and what somebody with a new device asks of them are signed documents beside it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::account::{Card, PartyKind, Terms};
use crate::canonical::{Digest, Document, HexBytes, Signed};
use crate::charter::Charter;
use crate::identity::{IdentityKey, SealKey};
use crate::ids::{AccountId, EntityName, Epoch, PartyIndex, PartyName};

/// The most guardians of an account.
pub const GUARDIANS_MAX: u8 = 5;
/// The longest wait: 90 days.
pub const DELAY_SECONDS_MAX: u64 = 90 * 24 * 3600;
/// The longest reason that somebody gives who asks.
pub const REASON_BYTES_MAX: usize = 400;

/// A guardian as an account knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardianCard {
    /// The guardian's name within the account.
    pub name: PartyName,
    /// Who it is to the outside: two guardians of one entity count as one.
    pub entity: EntityName,
    /// Signs its words.
    pub identity: IdentityKey,
    /// Its piece is sealed to this key.
    pub seal: SealKey,
}

impl Document for GuardianCard {
    const TAG: &'static str = "cohold/guardian-card/v1";
}

/// The guardians of an account and on which terms they help.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guardians {
    /// The recovery party whose share they hold together. It proposes resharings and consents to them as
    /// any recovery party, and approves no payment: that would take no wait.
    pub party: PartyName,
    /// How many of them it takes.
    pub needed: u8,
    /// How long guardians and nodes wait, in seconds. A node may wait longer, by its own rules.
    pub delay_seconds: u64,
    /// Who they are; the one at position i has the point i + 1.
    pub people: Vec<GuardianCard>,
}

/// Why guardians were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GuardiansError {
    /// Too few or too many.
    #[error("an account has 2 to {max} guardians, not {0}", max = GUARDIANS_MAX)]
    Count(usize),
    /// One alone, or more than there are.
    #[error("{needed} of {count} guardians: it takes 2 to {count} of them")]
    Needed {
        /// How many were said to be needed.
        needed: u8,
        /// How many there are.
        count: usize,
    },
    /// No wait, or one that never ends.
    #[error("guardians wait 1 second to {max} days, not {0} seconds", max = DELAY_SECONDS_MAX / 86_400)]
    Delay(u64),
    /// They hold nothing.
    #[error("`{0}` is no recovery share of the user's: guardians hold the share of one")]
    Party(PartyName),
    /// It could pay, past the wait.
    #[error(
        "`{0}` approves payments: a share that guardians hold brings other parties in, after the wait, and nothing else"
    )]
    Approves(PartyName),
    /// Two of one name or key, or one that is a party.
    #[error("guardian `{0}` appears twice, by name or by key: give each guardian and party its own")]
    Duplicate(PartyName),
    /// An entity that is not named.
    #[error("entity `{0}` of a guardian is not named among the entities")]
    Entity(EntityName),
}

impl Guardians {
    /// Checks them against the rest of the terms.
    pub fn check(&self, terms: &Terms) -> Result<(), GuardiansError> {
        let count = self.people.len();
        if !(2..=usize::from(GUARDIANS_MAX)).contains(&count) {
            return Err(GuardiansError::Count(count));
        }
        if self.needed < 2 || usize::from(self.needed) > count {
            return Err(GuardiansError::Needed { needed: self.needed, count });
        }
        if !(1..=DELAY_SECONDS_MAX).contains(&self.delay_seconds) {
            return Err(GuardiansError::Delay(self.delay_seconds));
        }
        let held = terms.party(&self.party).map(|(_, card)| card);
        if !held.is_some_and(|card| card.kind == PartyKind::Recovery && terms.is_of_user(card)) {
            return Err(GuardiansError::Party(self.party.clone()));
        }
        if terms.approvers.contains(&self.party) {
            return Err(GuardiansError::Approves(self.party.clone()));
        }
        for (position, person) in self.people.iter().enumerate() {
            let twin = |other: &GuardianCard| {
                other.name == person.name || other.identity == person.identity || other.seal == person.seal
            };
            let party = |card: &Card| {
                card.party == person.name || card.identity == person.identity || card.seal == person.seal
            };
            if self.people.iter().take(position).any(twin) || terms.parties.iter().any(party) {
                return Err(GuardiansError::Duplicate(person.name.clone()));
            }
            if !terms.entities.contains_key(&person.entity) {
                return Err(GuardiansError::Entity(person.entity.clone()));
            }
        }
        Ok(())
    }

    /// The guardians with their points.
    pub fn indexed(&self) -> impl Iterator<Item = (PartyIndex, &GuardianCard)> {
        (1..=GUARDIANS_MAX).filter_map(|i| PartyIndex::try_from(i).ok()).zip(&self.people)
    }

    /// The guardian with this name.
    #[must_use]
    pub fn named(&self, name: &PartyName) -> Option<(PartyIndex, &GuardianCard)> {
        self.indexed().find(|(_, person)| person.name == *name)
    }

    /// The guardian with this identity.
    #[must_use]
    pub fn by_identity(&self, identity: &IdentityKey) -> Option<(PartyIndex, &GuardianCard)> {
        self.indexed().find(|(_, person)| person.identity == *identity)
    }
}

/// A share given to guardians: public, signed by the recovery party whose share it is. With the charter it
/// lets anybody check any piece.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entrusted {
    /// The account.
    pub account: AccountId,
    /// Digest of its charter.
    pub charter: Digest,
    /// The generation of shares.
    pub epoch: Epoch,
    /// Whose share it is.
    pub party: PartyName,
    /// Feldman's commitments to the polynomial that the pieces lie on, compressed SEC 1: as many as
    /// guardians are needed, the first the party's public share of the charter.
    pub commitments: Vec<HexBytes>,
    /// The party's seed, sealed to a key that only its share makes.
    pub seed: HexBytes,
    /// Seconds since 1970 when it was given.
    pub created_at: u64,
}

impl Document for Entrusted {
    const TAG: &'static str = "cohold/entrusted/v1";
}

/// What one guardian is handed, as a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Packet {
    /// The charter that names the guardian.
    pub charter: Signed<Charter>,
    /// What all guardians were given.
    pub entrusted: Signed<Entrusted>,
    /// Which guardian this is for.
    pub guardian: PartyName,
    /// Its piece, sealed to it by the recovery party.
    pub letter: HexBytes,
}

/// A guardian's word that its piece is at hand and fits the commitments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardianReceipt {
    /// The account.
    pub account: AccountId,
    /// Digest of its charter.
    pub charter: Digest,
    /// Digest of the [`Entrusted`].
    pub entrusted: Digest,
    /// Who has its piece.
    pub guardian: PartyName,
    /// Seconds since 1970 when it was checked.
    pub issued_at: u64,
}

impl Document for GuardianReceipt {
    const TAG: &'static str = "cohold/guardian-receipt/v1";
}

/// Somebody with a new device asks the guardians for an account; signed by that device as `device`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoveryRequest {
    /// The account.
    pub account: AccountId,
    /// Digest of its charter.
    pub charter: Digest,
    /// Its epoch.
    pub epoch: Epoch,
    /// The new device: pieces are released to its key only.
    pub device: Card,
    /// Why, in the words of whoever asks.
    pub reason: String,
    /// Seconds since 1970 when this was asked.
    pub created_at: u64,
}

impl Document for RecoveryRequest {
    const TAG: &'static str = "cohold/recovery-request/v1";
}

/// A guardian's word that it knows who asks. It gives nothing away; enough of them start the nodes' wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confirmation {
    /// The account.
    pub account: AccountId,
    /// Digest of its charter.
    pub charter: Digest,
    /// Digest of the [`RecoveryRequest`].
    pub request: Digest,
    /// Who confirms.
    pub guardian: PartyName,
    /// Seconds since 1970 when it did.
    pub issued_at: u64,
}

impl Document for Confirmation {
    const TAG: &'static str = "cohold/recovery-confirmation/v1";
}

/// A request with the guardians' confirmations, as nodes are asked to wait for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoveryAsk {
    /// What is asked for.
    pub request: Signed<RecoveryRequest>,
    /// Which guardians know who asks.
    pub confirmations: Vec<Signed<Confirmation>>,
}

/// A guardian's piece on its way to the new device, as a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Digest of the [`RecoveryRequest`] that it answers.
    pub request: Digest,
    /// What all guardians were given.
    pub entrusted: Signed<Entrusted>,
    /// Whose piece it is.
    pub guardian: PartyName,
    /// The piece, sealed to the new device by the guardian.
    pub letter: HexBytes,
}

/// Why a word about a recovery does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecoveryError {
    /// The account has none.
    #[error("the account has no guardians: recover it with its recovery file")]
    NoGuardians,
    /// Another account or charter.
    #[error("it is for another account, or for another epoch of this one than the charter at hand")]
    Elsewhere,
    /// Not signed by the device that it names, or the device is no device.
    #[error("the request is not signed by the device that it names")]
    Unsigned,
    /// Too long, or with characters that a terminal obeys.
    #[error("the reason has more than {max} bytes or is no plain text", max = REASON_BYTES_MAX)]
    Reason,
    /// The device is in the account already.
    #[error("the device that asks is a party of the account already")]
    NotNew,
    /// Fewer guardians than are needed.
    #[error("{found} guardians have confirmed, and it takes {needed}")]
    Few {
        /// Confirmations that count.
        found: usize,
        /// How many are needed.
        needed: u8,
    },
}

impl RecoveryRequest {
    /// Checks a request against the charter in force.
    pub fn check(signed: &Signed<Self>, charter: &Charter) -> Result<(), RecoveryError> {
        let Self { account, charter: under, epoch, device, reason, .. } = &signed.document;
        if charter.terms.guardians.is_none() {
            return Err(RecoveryError::NoGuardians);
        }
        if *account != charter.terms.account || *under != charter.digest() || *epoch != charter.epoch {
            return Err(RecoveryError::Elsewhere);
        }
        if device.kind != PartyKind::Device || !signed.is_signed_by(&device.party, &device.identity) {
            return Err(RecoveryError::Unsigned);
        }
        if reason.len() > REASON_BYTES_MAX || !reason.chars().all(is_plain) {
            return Err(RecoveryError::Reason);
        }
        match charter.terms.party_by_identity(&device.identity) {
            Some(_) => Err(RecoveryError::NotNew),
            None => Ok(()),
        }
    }
}

impl RecoveryAsk {
    /// Checks the request, and that enough guardians confirmed it: who they are.
    pub fn check(&self, charter: &Charter) -> Result<BTreeSet<PartyName>, RecoveryError> {
        RecoveryRequest::check(&self.request, charter)?;
        let guardians = charter.terms.guardians.as_ref().ok_or(RecoveryError::NoGuardians)?;
        let request = self.request.document.digest();
        let counts = |signed: &&Signed<Confirmation>| {
            let word = &signed.document;
            let fits = word.account == charter.terms.account
                && word.charter == self.request.document.charter
                && word.request == request;
            let by = guardians.named(&word.guardian);
            fits && by.is_some_and(|(_, person)| signed.is_signed_by(&word.guardian, &person.identity))
        };
        let who: BTreeSet<PartyName> = self
            .confirmations
            .iter()
            .take(usize::from(GUARDIANS_MAX))
            .filter(counts)
            .map(|signed| signed.document.guardian.clone())
            .collect();
        match who.len() >= usize::from(guardians.needed) {
            true => Ok(who),
            false => Err(RecoveryError::Few { found: who.len(), needed: guardians.needed }),
        }
    }
}

/// Whether this is the word of a guardian of this charter that it has its piece.
#[must_use]
pub fn receipt_counts(charter: &Charter, signed: &Signed<GuardianReceipt>) -> bool {
    let word = &signed.document;
    let guardians = charter.terms.guardians.as_ref();
    let by = guardians.and_then(|guardians| guardians.named(&word.guardian));
    word.account == charter.terms.account
        && word.charter == charter.digest()
        && by.is_some_and(|(_, person)| signed.is_signed_by(&word.guardian, &person.identity))
}

/// Fit to be read on a terminal: nothing that moves a cursor or turns a line around.
fn is_plain(c: char) -> bool {
    let hides =
        matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    !c.is_control() && !hides
}
