//! What a party keeps: the port between the runtime and the place where shares lie.

use std::collections::BTreeSet;
use std::sync::Arc;

use cohold_model::account::Proposal;
use cohold_model::charter::Charter;
use cohold_model::ids::PartyIndex;
use cohold_model::statement::Sealing;
use cohold_model::{AccountId, Hashed, PresignatureIndex, SessionId, Signed, SigningSet, Token};
use cohold_mpc_ecdsa::{ForeignShare, Share};
use cohold_party::create::Made;
use cohold_party::engine::Auxiliary;
use cohold_party::verify::Reservation;
use cohold_party::{Refusal, refusal::Code};

use crate::cases::Cases;
use crate::epochs::Epochs;
use crate::presignatures::Presignatures;
use crate::primes::PrimePool;
use crate::rulebook::Rulebook;

/// Why something could not be kept or found.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// The account is not here, or not in force.
    #[error("account `{0}` is not in force here")]
    Unknown(AccountId),
    /// The session or the account was used before.
    #[error("`{0}` was used before: it is never used twice")]
    Used(String),
    /// Another resharing may still come into force, or this one came before.
    #[error("{0}")]
    Resharing(String),
    /// Store, vault or file failed.
    #[error("{0}")]
    Failed(String),
}

impl From<KeepError> for Refusal {
    fn from(error: KeepError) -> Self {
        match error {
            KeepError::Unknown(_) => Self::new(Code::Charter, error.to_string()),
            KeepError::Used(_) | KeepError::Resharing(_) => Self::new(Code::Order, error.to_string()),
            // What exactly failed is the operator's business and is in the log.
            KeepError::Failed(_) => {
                Self::new(Code::Unavailable, "this party could not reach its own store or share: see its log")
            }
        }
    }
}

/// An account in force, as this party keeps it.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Its charter.
    pub charter: Arc<Hashed<Charter>>,
    /// Whom this party will never sign with again for this key.
    pub banned: BTreeSet<PartyIndex>,
    /// Seconds since 1970 when the share was stored.
    pub held_since: u64,
}

/// A share and the engine's data, opened. Both are wiped on drop.
#[derive(Debug)]
pub struct OpenedKey {
    /// The asset.
    pub share: Arc<Share>,
    /// What the engine needs with it.
    pub auxiliary: Auxiliary,
}

/// Where a party keeps its accounts. All calls block until what they say is durable.
pub trait Keeper: Send + Sync + 'static {
    /// Notes that a key is being made; refuses an account or session that was seen before.
    fn keygen_begin(
        &self,
        proposal: &Signed<Proposal>,
        session: SessionId,
        now: u64,
    ) -> Result<(), KeepError>;
    /// This party's share of a key that was made elsewhere, if it was given one to deal for this proposal.
    /// It is given out once.
    fn foreign_take(&self, _proposal: &Signed<Proposal>) -> Result<Option<ForeignShare>, KeepError> {
        Ok(None)
    }
    /// Keeps what was made, sealed. After this, and only after this, the charter may be signed.
    fn keygen_keep(&self, made: &Made, now: u64) -> Result<(), KeepError>;
    /// Forgets a key generation that failed before the charter was signed.
    fn keygen_drop(&self, account: AccountId) -> Result<(), KeepError>;
    /// Charters that this party signed and that are not in force yet.
    fn pending(&self) -> Result<Vec<Charter>, KeepError>;
    /// Accounts whose making the last stop cut off before a share was kept: the others wait in vain.
    fn abandoned(&self) -> Vec<AccountId> {
        Vec::new()
    }
    /// Takes a fully signed charter into force; saying it again changes nothing.
    fn activate(&self, charter: &Signed<Charter>, now: u64) -> Result<(), KeepError>;
    /// An account in force.
    fn kept(&self, account: AccountId) -> Result<Kept, KeepError>;
    /// How shares lie at rest here.
    fn sealing(&self) -> Sealing;
    /// The hardware token that seals them, where one does.
    fn token(&self) -> Option<Token> {
        None
    }
    /// Counts a payment and uses up its session, in one step; or says why not.
    fn reserve(&self, reservation: &Reservation, now: u64) -> Result<(), Refusal>;
    /// Opens the share and the engine's data.
    fn open(&self, kept: &Kept) -> Result<Arc<OpenedKey>, KeepError>;
    /// The accounts' own rules, at parties whose rules bind others than their user.
    fn rulebook(&self) -> Option<&Rulebook> {
        None
    }
    /// What this party prepares for other epochs; none where it takes no part in resharings.
    fn epochs(&self) -> Option<&dyn Epochs> {
        None
    }
    /// Primes for data of the second engine; none where this party makes no such data.
    fn primes(&self) -> Option<Arc<PrimePool>> {
        None
    }
    /// What this party and its peers found against each other; none where nothing of it is kept.
    fn cases(&self) -> Option<&dyn Cases> {
        None
    }
    /// Presignatures that wait in memory; none where this party makes no use of any.
    fn presignatures(&self) -> Option<&Arc<Presignatures>> {
        None
    }
    /// Uses up a session in which a presignature is made; the lowest number that this party never counted as
    /// used among these signers.
    fn presign_begin(
        &self,
        _set: &SigningSet,
        _session: SessionId,
        _now: u64,
    ) -> Result<PresignatureIndex, KeepError> {
        Err(KeepError::Failed("this party keeps no presignatures".into()))
    }
    /// Drops what was opened some time ago; called now and then.
    fn forget_idle(&self) {}
    /// Bans a party from a key, for ever; a party that bans itself has frozen the key.
    fn ban(&self, account: AccountId, party: PartyIndex, evidence: &str, now: u64) -> Result<(), KeepError>;
}
