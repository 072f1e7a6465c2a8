//! What a party keeps on the way from one epoch to the next: the port, and the keeper of nodes and devices.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cohold_model::charter::Charter;
use cohold_model::handover::Handover;
use cohold_model::reshare::Abandonment;
use cohold_model::{AccountId, Digest, Document as _, Epoch, PartyName, Resharing, Signature, Signed};
use cohold_mpc_ecdsa::Share;
use cohold_party::reshare::{Accepted, Prepared, is_abandoned};
use cohold_party::wire::ReshareOrder;
use cohold_store::PartyStore;
use cohold_store::party::{
    Prepared as PreparedRow, ReshareBegin, ReshareError, ReshareRow, ReshareState, RulesText, SealedKey,
};
use cohold_vault::Purpose;

use crate::keeper::{KeepError, Keeper as _, Kept};
use crate::rulebook::Rulebook;
use crate::vaulted::{VaultedKeeper, failed};

/// How long a party waits for those that travel with it.
const COMPANIONS_PATIENCE: Duration = Duration::from_secs(60);

/// What a party says of a resharing, again whenever it comes back.
#[derive(Debug, Clone)]
pub enum Said {
    /// It keeps a share for this charter; those that travel with it signed too.
    Signed(Charter, BTreeMap<PartyName, Signature>),
    /// It dealt for this charter, and is to leave.
    Dealt(Charter),
    /// It never signs the charter of this resharing.
    Refused(Resharing),
}

/// Where a party keeps what it prepares. All calls block until what they say is durable.
pub trait Epochs: Send + Sync {
    /// The share of an account in force, to deal from.
    fn share(&self, kept: &Kept) -> Result<Arc<Share>, KeepError>;
    /// Notes that a resharing begins; refuses where another one of the charter may still come into force.
    fn begin(&self, accepted: &Accepted, now: u64) -> Result<(), KeepError>;
    /// Keeps the new share, sealed. After this, and only after this, the new charter may be signed.
    fn keep(&self, prepared: &Prepared, now: u64) -> Result<(), KeepError>;
    /// Notes that this party, which is to leave, dealt for a charter.
    fn dealt(&self, resharing: &Digest, charter: &Charter) -> Result<(), KeepError>;
    /// Makes sure that the charter of a resharing is never signed here; `false` where it may have been.
    fn refuse(&self, order: &ReshareOrder, holds: bool, now: u64) -> Result<bool, KeepError>;
    /// Drops what was prepared, on the word of a party that never signs; whether there was anything.
    fn abandon(&self, said: &Signed<Abandonment>) -> Result<bool, KeepError>;
    /// Takes a new charter into force, or lets go by it; saying it again changes nothing.
    fn take(&self, handover: &Handover, now: u64) -> Result<(), KeepError>;
    /// Earlier epochs of an account of which this party held a share, and deleted it.
    fn deleted(&self, _account: AccountId) -> Result<BTreeSet<Epoch>, KeepError> {
        Ok(BTreeSet::new())
    }
    /// What a coordinator may have missed: of all resharings, or of one.
    fn said(&self, only: Option<&Digest>) -> Result<Vec<Said>, KeepError>;
}

/// Parties that sleep in files and sign in the same process. Their signatures are kept with those of the
/// party that they travel with, so that a cut leaves nobody whose signature is lost for ever.
#[derive(Debug, Default)]
pub struct Companions {
    awaited: BTreeSet<PartyName>,
    /// None where one of them will never sign.
    signed: Mutex<BTreeMap<PartyName, Option<(Digest, Signature)>>>,
    arrived: Condvar,
}

impl Companions {
    /// These parties.
    #[must_use]
    pub fn new(awaited: impl IntoIterator<Item = PartyName>) -> Arc<Self> {
        Arc::new(Self { awaited: awaited.into_iter().collect(), ..Self::default() })
    }

    /// A party keeps its file and signs a charter.
    pub fn put(&self, party: PartyName, charter: Digest, signature: Signature) {
        self.lock().insert(party, Some((charter, signature)));
        self.arrived.notify_all();
    }

    /// A party will never sign: nobody waits for it.
    pub fn refuse(&self, party: PartyName) {
        self.lock().insert(party, None);
        self.arrived.notify_all();
    }

    /// The signatures of all under this charter.
    fn wait(&self, charter: Digest) -> Result<BTreeMap<PartyName, Signature>, KeepError> {
        let silent =
            |signed: &mut BTreeMap<_, _>| self.awaited.iter().any(|party| !signed.contains_key(party));
        let waited = self.arrived.wait_timeout_while(self.lock(), COMPANIONS_PATIENCE, silent);
        let (signed, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let signature = |party: &PartyName| {
            let (under, signature) = signed.get(party).copied().flatten()?;
            (under == charter).then(|| (party.clone(), signature))
        };
        let all: Option<BTreeMap<_, _>> = self.awaited.iter().map(signature).collect();
        all.ok_or_else(|| KeepError::Resharing("a recovery share of this device was not kept".into()))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<PartyName, Option<(Digest, Signature)>>> {
        // No code panics while it holds this lock; if it did, the map would still be whole.
        self.signed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Epochs for VaultedKeeper {
    fn share(&self, kept: &Kept) -> Result<Arc<Share>, KeepError> {
        self.open(kept).map(|key| Arc::clone(&key.share))
    }

    fn begin(&self, accepted: &Accepted, now: u64) -> Result<(), KeepError> {
        let ReshareOrder { charter, resharing, abandoned, .. } = accepted.order();
        let (account, previous) = (charter.document.terms.account, charter.document.digest());
        let open = self.store().reshare_open(account, &previous)?;
        let given_up = open.map(|row| row.resharing.document).filter(|open| {
            open.digest() != accepted.digest() && abandoned.iter().any(|said| is_abandoned(open, said))
        });
        let given_up: Vec<Digest> = given_up.iter().map(Resharing::digest).collect();
        let begin = ReshareBegin {
            old: charter,
            resharing,
            holds: accepted.holds(),
            sessions: accepted.sessions(),
            abandoned: &given_up,
        };
        Ok(self.store().reshare_begin(&begin, now)?)
    }

    fn keep(&self, prepared: &Prepared, now: u64) -> Result<(), KeepError> {
        let Prepared { resharing, charter, share, auxiliary } = prepared;
        let (account, epoch) = (charter.terms.account, charter.epoch);
        let seal = |purpose, secret: &[u8]| self.seal(account, epoch, purpose, secret);
        let auxiliary = auxiliary.as_ref().filter(|auxiliary| auxiliary.engine() == charter.engine);
        let auxiliary = auxiliary.ok_or_else(|| failed("there is no data of the engine to come"))?;
        let key = SealedKey {
            share: seal(Purpose::Share, &share.to_secret_bytes())?,
            auxiliary: seal(Purpose::Auxiliary, &auxiliary.to_secret_bytes())?,
        };
        let companions = match self.companions() {
            Some(companions) => companions.wait(charter.digest())?,
            None => BTreeMap::new(),
        };
        let row = PreparedRow { charter, engine: charter.engine.name(), key: &key, companions: &companions };
        Ok(self.store().reshare_keep(resharing, &row, now)?)
    }

    fn dealt(&self, resharing: &Digest, charter: &Charter) -> Result<(), KeepError> {
        Ok(self.store().reshare_dealt(resharing, charter)?)
    }

    fn refuse(&self, order: &ReshareOrder, holds: bool, now: u64) -> Result<bool, KeepError> {
        let ReshareOrder { charter, resharing, .. } = order;
        let sessions = [
            cohold_model::reshare::reshare_session(resharing),
            cohold_model::reshare::reshare_setup_session(resharing),
        ];
        let refused = ReshareBegin { old: charter, resharing, holds, sessions, abandoned: &[] };
        Ok(self.store().reshare_refuse(&refused, now)?)
    }

    fn abandon(&self, said: &Signed<Abandonment>) -> Result<bool, KeepError> {
        let digest = said.document.resharing;
        match self.store().reshare_show(&digest)? {
            Some(row) if is_abandoned(&row.resharing.document, said) => {
                Ok(self.store().reshare_abandon(&digest)?)
            }
            Some(_) => Err(failed("the word that a resharing is given up is not its party's")),
            None => Ok(false),
        }
    }

    fn take(&self, handover: &Handover, now: u64) -> Result<(), KeepError> {
        let rules = self.rulebook().map(Rulebook::beginning);
        let taken = take(self.store(), self.party(), rules.as_ref(), handover, now);
        self.forget(handover.charter.document.terms.account);
        taken
    }

    fn deleted(&self, account: AccountId) -> Result<BTreeSet<Epoch>, KeepError> {
        let Some(active) = self.store().account_show(account)? else { return Ok(BTreeSet::new()) };
        let me = active.charter.document.terms.party(self.party()).map(|(_, card)| card.identity);
        let past = self.store().epoch_list(account)?.into_iter().map(|charter| charter.document);
        let in_force = active.charter.document.epoch;
        let held = past.filter(|charter| charter.epoch < in_force).filter(|charter| {
            me.is_some_and(|identity| charter.terms.party_by_identity(&identity).is_some())
        });
        Ok(held.map(|charter| charter.epoch).collect())
    }

    fn said(&self, only: Option<&Digest>) -> Result<Vec<Said>, KeepError> {
        let rows = match only {
            Some(resharing) => self.store().reshare_show(resharing)?.into_iter().collect(),
            None => self.store().reshare_list_said()?,
        };
        let said = |row: ReshareRow| match (row.state, row.charter) {
            (ReshareState::Prepared, Some(charter)) => Some(Said::Signed(charter, row.companions)),
            (ReshareState::Dealt, Some(charter)) => Some(Said::Dealt(charter)),
            (ReshareState::Refused, _) => Some(Said::Refused(row.resharing.document)),
            _ => None,
        };
        Ok(rows.into_iter().filter_map(said).collect())
    }
}

/// Takes a new charter into force at `party`, or lets go by it. It needs no vault: what was prepared is
/// sealed already.
pub fn take(
    store: &PartyStore,
    party: &PartyName,
    rules: Option<&RulesText<'_>>,
    handover: &Handover,
    now: u64,
) -> Result<(), KeepError> {
    match store.reshare_show(&handover.resharing.document.digest())? {
        Some(row) => take_over(store, &row, rules, handover, now),
        None => let_go(store, party, handover, now),
    }
}

/// This party took part: the charter must be the one that it computed.
fn take_over(
    store: &PartyStore,
    row: &ReshareRow,
    rules: Option<&RulesText<'_>>,
    handover: &Handover,
    now: u64,
) -> Result<(), KeepError> {
    let new = &handover.charter;
    handover.check(&row.old.document).map_err(failed)?;
    if row.charter.as_ref().is_some_and(|own| *own != new.document) {
        return Err(failed("another charter than the one that this party computed"));
    }
    if row.state == ReshareState::Refused {
        return Err(failed(
            "a charter bears this party's signature, which it never gave: its identity key is out, look at once",
        ));
    }
    Ok(store.reshare_commit(&row.resharing.document.digest(), new, rules, now)?)
}

/// This party took no part: the charter before it is the one in force here, and a quorum dealt.
fn let_go(store: &PartyStore, party: &PartyName, handover: &Handover, now: u64) -> Result<(), KeepError> {
    let new = &handover.charter;
    let account = new.document.terms.account;
    let Some(active) = store.account_show(account)? else {
        let left = store.account_left(account)?.map(|charter| charter.document.digest());
        let known = left == Some(new.document.digest());
        return if known { Ok(()) } else { Err(KeepError::Unknown(account)) };
    };
    if active.charter.document.digest() == new.document.digest() {
        return Ok(());
    }
    let old = &active.charter.document;
    handover.check_dealt(old).map_err(failed)?;
    let me = old.terms.party(party).map(|(_, card)| card.identity);
    if me.is_some_and(|identity| new.document.terms.party_by_identity(&identity).is_some()) {
        return Err(failed(
            "the new charter counts on this party, which has no share for it: was its database restored from a backup? reshare the account anew",
        ));
    }
    Ok(store.account_leave(new, now)?)
}

impl From<ReshareError> for KeepError {
    fn from(error: ReshareError) -> Self {
        match error {
            ReshareError::Store(error) => error.into(),
            ReshareError::Used(digest) => Self::Used(digest.to_string()),
            ReshareError::Open(_) | ReshareError::Unknown(_) | ReshareError::Stale(_) => {
                Self::Resharing(error.to_string())
            }
        }
    }
}
