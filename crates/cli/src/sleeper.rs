//! A recovery share that is woken once, from its file, to give sub-shares to those that come after it.

use std::path::Path;
use std::sync::Arc;

use cohold_model::account::{Card, Proposal};
use cohold_model::charter::Charter;
use cohold_model::handover::Handover;
use cohold_model::ids::PartyIndex;
use cohold_model::reshare::Abandonment;
use cohold_model::statement::Sealing;
use cohold_model::{AccountId, Digest, Hashed, SessionId, Signed};
use cohold_mpc::PartyKeys;
use cohold_mpc_ecdsa::Share;
use cohold_node::epochs::{Epochs, Said};
use cohold_node::keeper::{KeepError, Keeper, Kept, OpenedKey};
use cohold_party::Refusal;
use cohold_party::create::Made;
use cohold_party::reshare::{Accepted, Prepared};
use cohold_party::verify::Reservation;
use cohold_party::wire::ReshareOrder;

use crate::recovery::{self, Opened};

/// A recovery party that deals. It holds nothing afterwards: its file is of a past epoch then.
pub(crate) struct Sleeper {
    charter: Arc<Hashed<Charter>>,
    share: Arc<Share>,
    /// Its card, as the account has it.
    pub(crate) card: Card,
    pub(crate) keys: Arc<PartyKeys>,
}

impl Sleeper {
    /// Opens a recovery file of the account under this charter.
    pub(crate) fn wake(
        path: &Path,
        passphrase_file: Option<&Path>,
        charter: &Charter,
    ) -> anyhow::Result<Arc<Self>> {
        let (_, card, Opened { keys, share }) = recovery::open_under(path, passphrase_file, charter)?;
        Ok(Self::of(charter, card, Arc::new(keys), Arc::new(share)))
    }

    /// A party whose share and keys are at hand.
    pub(crate) fn of(charter: &Charter, card: Card, keys: Arc<PartyKeys>, share: Arc<Share>) -> Arc<Self> {
        Arc::new(Self { charter: Arc::new(Hashed::new(charter.clone())), share, card, keys })
    }
}

impl Keeper for Sleeper {
    fn keygen_begin(&self, _: &Signed<Proposal>, session: SessionId, _now: u64) -> Result<(), KeepError> {
        Err(KeepError::Used(session.to_string()))
    }

    fn keygen_keep(&self, made: &Made, _now: u64) -> Result<(), KeepError> {
        Err(KeepError::Unknown(made.charter.terms.account))
    }

    fn keygen_drop(&self, account: AccountId) -> Result<(), KeepError> {
        Err(KeepError::Unknown(account))
    }

    fn pending(&self) -> Result<Vec<Charter>, KeepError> {
        Ok(Vec::new())
    }

    fn activate(&self, charter: &Signed<Charter>, _now: u64) -> Result<(), KeepError> {
        Err(KeepError::Unknown(charter.document.terms.account))
    }

    fn kept(&self, account: AccountId) -> Result<Kept, KeepError> {
        if account != self.charter.terms.account {
            return Err(KeepError::Unknown(account));
        }
        Ok(Kept { charter: Arc::clone(&self.charter), banned: Default::default(), held_since: 0 })
    }

    fn sealing(&self) -> Sealing {
        Sealing::SealedFile
    }

    fn reserve(&self, _: &Reservation, _now: u64) -> Result<(), Refusal> {
        Err(recovery::asleep())
    }

    fn open(&self, kept: &Kept) -> Result<Arc<OpenedKey>, KeepError> {
        Err(KeepError::Unknown(kept.charter.terms.account))
    }

    fn epochs(&self) -> Option<&dyn Epochs> {
        Some(self)
    }

    fn ban(&self, account: AccountId, _: PartyIndex, _: &str, _now: u64) -> Result<(), KeepError> {
        Err(KeepError::Unknown(account))
    }
}

/// Nothing is kept: the process that woke it is the one that proposed, and ends with it.
impl Epochs for Sleeper {
    fn share(&self, _: &Kept) -> Result<Arc<Share>, KeepError> {
        Ok(Arc::clone(&self.share))
    }

    fn begin(&self, _: &Accepted, _now: u64) -> Result<(), KeepError> {
        Ok(())
    }

    fn keep(&self, prepared: &Prepared, _now: u64) -> Result<(), KeepError> {
        Err(KeepError::Unknown(prepared.charter.terms.account))
    }

    fn dealt(&self, _: &Digest, _: &Charter) -> Result<(), KeepError> {
        Ok(())
    }

    fn refuse(&self, _: &ReshareOrder, _holds: bool, _now: u64) -> Result<bool, KeepError> {
        Ok(false)
    }

    fn abandon(&self, _: &Signed<Abandonment>) -> Result<bool, KeepError> {
        Ok(false)
    }

    fn take(&self, _: &Handover, _now: u64) -> Result<(), KeepError> {
        Ok(())
    }

    fn said(&self, _: Option<&Digest>) -> Result<Vec<Said>, KeepError> {
        Ok(Vec::new())
    }
}
