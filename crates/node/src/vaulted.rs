//! The keeper of nodes and devices: a party store whose secrets are sealed by a vault.

use std::sync::Arc;
use std::time::Instant;

use cohold_model::account::Proposal;
use cohold_model::charter::Charter;
use cohold_model::ids::PartyIndex;
use cohold_model::statement::Sealing;
use cohold_model::{
    AccountId, Digest, Epoch, IdentityKey, PartyName, PresignatureIndex, SessionId, Signed, SigningSet, Token,
};
use cohold_mpc_ecdsa::{ForeignShare, Share};
use cohold_party::create::{self, Made};
use cohold_party::engine::Auxiliary;
use cohold_party::refusal::Code;
use cohold_party::verify::Reservation;
use cohold_party::{Refusal, Rules};
use cohold_store::party::{
    AccountError, CaseRow, NewCase, PresignError, ReserveError, Reserved, SealedKey, Spending,
};
use cohold_store::{PartyStore, StoreError};
use cohold_vault::{Purpose, SealContext, Sealed, Vault, VaultError};

use crate::cases::Cases;
use crate::charters::Charters;
use crate::config::Proposals;
use crate::epochs::{Companions, Epochs};
use crate::foreign::ForeignShares;
use crate::keeper::{KeepError, Keeper, Kept, OpenedKey};
use crate::notify::Notify;
use crate::opened::OpenedKeys;
use crate::presignatures::Presignatures;
use crate::primes::PrimePool;
use crate::rulebook::Rulebook;

/// A store and the vault that seals what is in it.
pub struct VaultedKeeper {
    store: Arc<PartyStore>,
    vault: Arc<dyn Vault>,
    party: PartyName,
    abandoned: Vec<AccountId>,
    opened: OpenedKeys,
    charters: Charters,
    rulebook: Option<Rulebook>,
    companions: Option<Arc<Companions>>,
    foreign: ForeignShares,
    primes: Option<Arc<PrimePool>>,
    presignatures: Option<Arc<Presignatures>>,
}

impl VaultedKeeper {
    /// The keeper of `party`. Key generations that a crash cut off before a share was kept are
    /// forgotten here.
    pub fn new(store: PartyStore, vault: Arc<dyn Vault>, party: PartyName) -> Result<Self, StoreError> {
        let abandoned = store.account_drop_unfinished()?;
        if !abandoned.is_empty() {
            tracing::info!(accounts = abandoned.len(), "unfinished key generations were abandoned");
        }
        let refused = store.reshare_refuse_unfinished()?;
        if refused > 0 {
            tracing::info!(resharings = refused, "unfinished resharings were given up");
        }
        // Another process may be reading; the log is emptied at the next start then.
        drop(store.scrub());
        let store = Arc::new(store);
        let (opened, charters, rulebook, companions, foreign, primes, presignatures) = Default::default();
        Ok(Self {
            store,
            vault,
            party,
            abandoned,
            opened,
            charters,
            rulebook,
            companions,
            foreign,
            primes,
            presignatures,
        })
    }

    /// The same, where parties that sleep in files travel with this one.
    #[must_use]
    pub fn with_companions(self: &Arc<Self>, companions: Arc<Companions>) -> Arc<Self> {
        Arc::new(Self {
            store: Arc::clone(&self.store),
            vault: Arc::clone(&self.vault),
            party: self.party.clone(),
            abandoned: Vec::new(),
            opened: OpenedKeys::default(),
            charters: Charters::default(),
            rulebook: None,
            companions: Some(companions),
            foreign: ForeignShares::default(),
            primes: self.primes.clone(),
            presignatures: None,
        })
    }

    /// The same, where each account is under rules of its own: a node's. `rules` are its rules file, which
    /// new accounts begin with, and those that have none yet.
    pub fn under(mut self, rules: Rules, proposals: Proposals) -> Result<Self, StoreError> {
        self.rulebook = Some(Rulebook::open(Arc::clone(&self.store), rules, proposals)?);
        Ok(self)
    }

    /// The same, telling a program of the operator's when somebody asks for other parties in an account.
    #[must_use]
    pub fn notifying(mut self, words: &[String]) -> Self {
        self.rulebook = self.rulebook.map(|book| book.notifying(Notify::new(words)));
        self
    }

    /// The same, where shares of keys that were made elsewhere may lie sealed in a folder: a node's.
    #[must_use]
    pub fn importing_from(mut self, folder: std::path::PathBuf) -> Self {
        self.foreign = ForeignShares::in_folder(folder);
        self
    }

    /// The same, where the party makes data of the second engine, from primes of this pool.
    #[must_use]
    pub fn with_primes(mut self, primes: Arc<PrimePool>) -> Self {
        self.primes = Some(primes);
        self
    }

    /// The same, where presignatures of the second engine wait in memory.
    #[must_use]
    pub fn with_presignatures(mut self, presignatures: Arc<Presignatures>) -> Self {
        self.presignatures = Some(presignatures);
        self
    }

    /// What this party may deal of keys that were made elsewhere.
    #[must_use]
    pub fn foreign(&self) -> &ForeignShares {
        &self.foreign
    }

    /// The store, for lists.
    #[must_use]
    pub fn store(&self) -> &PartyStore {
        &self.store
    }

    pub(crate) fn party(&self) -> &PartyName {
        &self.party
    }

    pub(crate) fn companions(&self) -> Option<&Arc<Companions>> {
        self.companions.as_ref()
    }

    /// Drops what was opened of an account, and what was made ahead for it.
    pub(crate) fn forget(&self, account: AccountId) {
        self.opened.forget(account);
        if let Some(presignatures) = &self.presignatures {
            presignatures.flush(account);
        }
    }

    pub(crate) fn seal(
        &self,
        account: AccountId,
        epoch: Epoch,
        purpose: Purpose,
        secret: &[u8],
    ) -> Result<Vec<u8>, VaultError> {
        self.vault.seal(&self.context(account, epoch, purpose), secret).map(Sealed::into_bytes)
    }

    fn context(&self, account: AccountId, epoch: Epoch, purpose: Purpose) -> SealContext {
        SealContext::of_account(account, epoch, self.party.clone(), purpose)
    }

    fn unseal(&self, place: &SealContext, bytes: Vec<u8>) -> Result<zeroize::Zeroizing<Vec<u8>>, VaultError> {
        self.vault.open(place, &Sealed::from_bytes(bytes)?)
    }
}

impl Keeper for VaultedKeeper {
    fn keygen_begin(
        &self,
        proposal: &Signed<Proposal>,
        session: SessionId,
        now: u64,
    ) -> Result<(), KeepError> {
        Ok(self.store.account_begin(proposal, session, now)?)
    }

    fn foreign_take(&self, proposal: &Signed<Proposal>) -> Result<Option<ForeignShare>, KeepError> {
        self.foreign.take(self.vault.as_ref(), &self.party, proposal).map_err(failed)
    }

    fn keygen_keep(&self, made: &Made, now: u64) -> Result<(), KeepError> {
        let (account, epoch) = (made.charter.terms.account, made.charter.epoch);
        let key = SealedKey {
            share: self.seal(account, epoch, Purpose::Share, &made.share.to_secret_bytes())?,
            auxiliary: self.seal(account, epoch, Purpose::Auxiliary, &made.auxiliary.to_secret_bytes())?,
        };
        let rules = self.rulebook.as_ref().map(Rulebook::beginning);
        Ok(self.store.account_keep(&made.charter, made.charter.engine.name(), &key, rules.as_ref(), now)?)
    }

    fn keygen_drop(&self, account: AccountId) -> Result<(), KeepError> {
        Ok(self.store.account_drop(account)?)
    }

    fn pending(&self) -> Result<Vec<Charter>, KeepError> {
        Ok(self.store.account_pending()?)
    }

    fn abandoned(&self) -> Vec<AccountId> {
        self.abandoned.clone()
    }

    fn activate(&self, charter: &Signed<Charter>, _now: u64) -> Result<(), KeepError> {
        let account = charter.document.terms.account;
        let own = match self.store.account_pending_show(account)? {
            Some(own) => own,
            None => self.store.account_show(account)?.ok_or(KeepError::Unknown(account))?.charter.document,
        };
        create::check_activation(charter, &own, &self.party).map_err(failed)?;
        Ok(self.store.account_activate(charter)?)
    }

    fn kept(&self, account: AccountId) -> Result<Kept, KeepError> {
        let standing = self.store.account_standing(account)?.ok_or(KeepError::Unknown(account))?;
        if let Some(charter) = self.charters.find(account, &standing.charter) {
            let banned = standing.banned.into_iter().collect();
            return Ok(Kept { charter, banned, held_since: standing.held_since });
        }
        // Bans are by the points of a charter: both from one look, in case the account went on since.
        let active = self.store.account_show(account)?.ok_or(KeepError::Unknown(account))?;
        let charter = self.charters.keep(active.charter.document);
        Ok(Kept { charter, banned: active.banned.into_iter().collect(), held_since: active.held_since })
    }

    fn sealing(&self) -> Sealing {
        self.vault.sealing()
    }

    fn token(&self) -> Option<Token> {
        self.vault.token().cloned()
    }

    fn reserve(&self, reservation: &Reservation, now: u64) -> Result<(), Refusal> {
        let spending = Spending {
            account: reservation.account,
            request: reservation.request,
            plan: reservation.plan,
            session: reservation.session,
            chain_id: reservation.chain_id,
            path: reservation.path,
            nonce: reservation.nonce,
            asset: &reservation.asset,
            amount: reservation.amount,
            per_day: reservation.per_day,
            fee: reservation.fee,
            fees_per_day: reservation.fees_per_day,
            presignature: reservation.presignature.as_ref(),
        };
        match self.store.reserve(&spending, now) {
            Ok(Reserved::New | Reserved::Again) => Ok(()),
            Err(error @ (ReserveError::Limit { .. } | ReserveError::Fees { .. })) => {
                Err(Refusal::new(Code::Limit, error.to_string()))
            }
            Err(error @ ReserveError::Presignature(_)) => {
                Err(Refusal::new(Code::Presignature, error.to_string()))
            }
            Err(error @ ReserveError::Nonce { .. }) => Err(Refusal::new(Code::Nonce, error.to_string())),
            Err(error @ ReserveError::Session(_)) => Err(Refusal::new(Code::Order, error.to_string())),
            Err(ReserveError::Store(error)) => {
                tracing::error!(%error, "a payment cannot be counted");
                Err(failed(error).into())
            }
        }
    }

    fn open(&self, kept: &Kept) -> Result<Arc<OpenedKey>, KeepError> {
        let Charter { terms, epoch, engine, .. } = &**kept.charter;
        let (account, epoch, engine, now) = (terms.account, *epoch, *engine, Instant::now());
        if let Some(key) = self.opened.find((account, epoch, engine), now) {
            return Ok(key);
        }
        let key = self.store.key_show(account, epoch.0, engine.name())?.ok_or(KeepError::Unknown(account))?;
        let share = self.unseal(&self.context(account, epoch, Purpose::Share), key.share)?;
        let auxiliary = self.unseal(&self.context(account, epoch, Purpose::Auxiliary), key.auxiliary)?;
        let share = Share::from_secret_bytes(&share).map_err(failed)?;
        let auxiliary = Auxiliary::from_secret_bytes(engine, &auxiliary).map_err(failed)?;
        let key = Arc::new(OpenedKey { share: Arc::new(share), auxiliary });
        self.opened.keep((account, epoch, engine), &key, now);
        Ok(key)
    }

    fn rulebook(&self) -> Option<&Rulebook> {
        self.rulebook.as_ref()
    }

    fn epochs(&self) -> Option<&dyn Epochs> {
        Some(self)
    }

    fn primes(&self) -> Option<Arc<PrimePool>> {
        self.primes.clone()
    }

    fn cases(&self) -> Option<&dyn Cases> {
        Some(self)
    }

    fn presignatures(&self) -> Option<&Arc<Presignatures>> {
        self.presignatures.as_ref()
    }

    fn presign_begin(
        &self,
        set: &SigningSet,
        session: SessionId,
        now: u64,
    ) -> Result<PresignatureIndex, KeepError> {
        Ok(self.store.presign_begin(set, session, now)?)
    }

    fn forget_idle(&self) {
        self.opened.forget_idle(Instant::now());
    }

    fn ban(&self, account: AccountId, party: PartyIndex, evidence: &str, now: u64) -> Result<(), KeepError> {
        self.forget(account);
        Ok(self.store.ban_insert(account, party, evidence, now)?)
    }
}

impl Cases for VaultedKeeper {
    fn charter(&self, account: AccountId) -> Result<Signed<Charter>, KeepError> {
        let active = self.store.account_show(account)?.ok_or(KeepError::Unknown(account))?;
        Ok(active.charter)
    }

    fn ban_with(
        &self,
        account: AccountId,
        party: PartyIndex,
        evidence: &str,
        case: Option<NewCase<'_>>,
        now: u64,
    ) -> Result<(), KeepError> {
        self.forget(account);
        Ok(self.store.ban_insert_with(account, party, evidence, case, now)?)
    }

    fn case_add(&self, case: NewCase<'_>, now: u64) -> Result<(), KeepError> {
        self.store.case_insert(case, now)?;
        Ok(())
    }

    fn case_kept(&self, notice: &Digest, peer: &IdentityKey, now: u64) -> Result<(), KeepError> {
        Ok(self.store.case_kept(notice, peer, now)?)
    }

    fn cases_open(&self) -> Result<Vec<CaseRow>, KeepError> {
        Ok(self.store.case_list(None)?.into_iter().filter(|row| !row.closed).collect())
    }
}

pub(crate) fn failed(error: impl std::fmt::Display) -> KeepError {
    KeepError::Failed(error.to_string())
}

impl From<StoreError> for KeepError {
    fn from(error: StoreError) -> Self {
        failed(error)
    }
}

impl From<VaultError> for KeepError {
    fn from(error: VaultError) -> Self {
        failed(error)
    }
}

impl From<PresignError> for KeepError {
    fn from(error: PresignError) -> Self {
        match error {
            PresignError::Session(session) => Self::Used(session.to_string()),
            PresignError::Numbers | PresignError::Store(_) => failed(error),
        }
    }
}

impl From<AccountError> for KeepError {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Used(account) => Self::Used(account.to_string()),
            AccountError::Unknown(account) => Self::Unknown(account),
            AccountError::Store(error) => failed(error),
        }
    }
}
