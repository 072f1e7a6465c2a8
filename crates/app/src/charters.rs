//! Charters in force, kept in memory: every step of every payment looks at one, and an account comes to
//! another one rarely. The database stays the truth; what is forgotten here is read again.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use cohold_model::charter::Charter;
use cohold_model::{AccountId, Hashed, PartyName, Signature, Signed};
use cohold_store::server::AccountState;

use crate::coordinator::{Coordinator, lock};
use crate::error::Error;
use crate::view::status_word;

/// The most that are kept, some kilobytes each; when they are too many, all are forgotten.
const KEPT_MAX: usize = 4096;

/// Charters that were looked at.
#[derive(Debug, Default)]
pub(crate) struct Charters(Mutex<HashMap<AccountId, Arc<InForce>>>);

/// A charter, hashed once, and who signed it.
#[derive(Debug)]
pub(crate) struct InForce {
    pub(crate) document: Hashed<Charter>,
    signatures: BTreeMap<PartyName, Signature>,
}

impl InForce {
    /// As its parties know it.
    pub(crate) fn signed(&self) -> Signed<Charter> {
        Signed { document: Charter::clone(&self.document), signatures: self.signatures.clone() }
    }
}

impl Coordinator {
    /// The charter of an active account.
    pub(crate) fn charter(&self, account: AccountId) -> Result<Arc<InForce>, Error> {
        // Held while the row is read: whoever forgets a charter that was replaced does so after this.
        let mut kept = lock(&self.charters.0);
        if let Some(charter) = kept.get(&account) {
            return Ok(Arc::clone(charter));
        }
        let row = self.looked(|store| store.account_show(account))?;
        let charter = match row.ok_or(Error::AccountUnknown(account))?.state {
            AccountState::Active(charter) => {
                let Signed { document, signatures } = *charter;
                Arc::new(InForce { document: Hashed::new(document), signatures })
            }
            other => return Err(Error::AccountInactive { account, status: status_word(&other) }),
        };
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(account, Arc::clone(&charter));
        Ok(charter)
    }

    /// All charters of an account, the oldest first, the one in force last.
    pub async fn charter_list(&self, account: AccountId) -> Result<Vec<Signed<Charter>>, Error> {
        let current = self.charter(account)?;
        let mut charters = self.stored(move |store| store.charter_list_past(account)).await?;
        // What came into force meanwhile is not in this list yet.
        charters.retain(|past| past.document.version < current.document.version);
        charters.push(current.signed());
        Ok(charters)
    }

    /// Another charter is in force: the next look reads it.
    pub(crate) fn charter_forget(&self, account: AccountId) {
        lock(&self.charters.0).remove(&account);
    }
}
