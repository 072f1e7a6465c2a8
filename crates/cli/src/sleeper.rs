//! A recovery share that is woken once, from its file, to give sub-shares to those that come after it.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use cohold_model::account::{Card, Proposal};
use cohold_model::charter::Charter;
use cohold_model::handover::Handover;
use cohold_model::ids::PartyIndex;
use cohold_model::reshare::Abandonment;
use cohold_model::statement::Sealing;
use cohold_model::{AccountId, Digest, Document as _, Hashed, SessionId, Signed};
use cohold_mpc::PartyKeys;
use cohold_mpc_ecdsa::Share;
use cohold_node::epochs::{Companions, Epochs, Said};
use cohold_node::keeper::{KeepError, Keeper, Kept, OpenedKey};
use cohold_party::Refusal;
use cohold_party::create::Made;
use cohold_party::reshare::{Accepted, Prepared};
use cohold_party::verify::Reservation;
use cohold_party::wire::ReshareOrder;

use crate::recovery::{self, Opened};

/// A recovery party that deals, and holds nothing afterwards, as its file is of a past epoch then; or one that
/// signs a charter which leaves its share as it is.
pub(crate) struct Sleeper {
    charter: Arc<Hashed<Charter>>,
    share: Arc<Share>,
    /// The charter that it signed, with the same share under another engine.
    signed: Mutex<Option<Charter>>,
    /// Who keeps its signature beside its own.
    companions: OnceLock<Arc<Companions>>,
    /// Its card, as the account has it.
    pub(crate) card: Card,
    pub(crate) keys: Arc<PartyKeys>,
}

impl Sleeper {
    /// Opens a recovery file of the account under this charter.
    pub(crate) fn wake(
        path: &Path,
        passphrase_file: Option<&Path>,
        charter: &Signed<Charter>,
    ) -> anyhow::Result<Arc<Self>> {
        let (_, card, Opened { keys, share, .. }) = recovery::open_under(path, passphrase_file, charter)?;
        Ok(Self::of(&charter.document, card, Arc::new(keys), Arc::new(share)))
    }

    /// A party whose share and keys are at hand.
    pub(crate) fn of(charter: &Charter, card: Card, keys: Arc<PartyKeys>, share: Arc<Share>) -> Arc<Self> {
        let (signed, companions) = Default::default();
        let charter = Arc::new(Hashed::new(charter.clone()));
        Arc::new(Self { charter, share, signed, companions, card, keys })
    }

    /// Has its signature kept with that of the party that it travels with.
    pub(crate) fn travels_with(&self, companions: &Arc<Companions>) {
        // It travels once, in the process that woke it.
        drop(self.companions.set(Arc::clone(companions)));
    }

    fn signed(&self) -> MutexGuard<'_, Option<Charter>> {
        self.signed.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Only a charter that leaves its share as it is: the file stays.
    fn keep(&self, prepared: &Prepared, _now: u64) -> Result<(), KeepError> {
        let charter = &prepared.charter;
        if charter.epoch != self.charter.epoch || charter.follows(&self.charter).is_err() {
            return Err(KeepError::Unknown(charter.terms.account));
        }
        if let Some(companions) = self.companions.get() {
            companions.put(self.card.party.clone(), charter.digest(), Made::sign(charter, &self.keys));
        }
        *self.signed() = Some(charter.clone());
        Ok(())
    }

    fn dealt(&self, _: &Digest, _: &Charter) -> Result<(), KeepError> {
        Ok(())
    }

    fn refuse(&self, _: &ReshareOrder, holds: bool, _now: u64) -> Result<bool, KeepError> {
        if let Some(companions) = self.companions.get().filter(|_| holds && self.signed().is_none()) {
            companions.refuse(self.card.party.clone());
        }
        Ok(false)
    }

    fn abandon(&self, _: &Signed<Abandonment>) -> Result<bool, KeepError> {
        Ok(false)
    }

    fn take(&self, _: &Handover, _now: u64) -> Result<(), KeepError> {
        Ok(())
    }

    fn said(&self, _: Option<&Digest>) -> Result<Vec<Said>, KeepError> {
        Ok(self.signed().iter().map(|charter| Said::Signed(charter.clone(), Default::default())).collect())
    }
}
