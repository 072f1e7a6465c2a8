//! Under which rules each account of a node is: durably, and changed only through the gate.
//!
//! The rules file is where accounts begin. After that it is a proposal like any other, made when the node
//! starts with another file than the last time; what is in force is in the database.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cohold_model::change::{Consent, Proposer};
use cohold_model::charter::Charter;
use cohold_model::reshare::Veto;
use cohold_model::{AccountId, Digest, Document as _, PartyName, Signed};
use cohold_party::Rules;
use cohold_party::wait::Notice;
use cohold_store::party::{InForce, NoticeRow, RulesError, RulesText};
use cohold_store::{PartyStore, StoreError};

use crate::config::Proposals;
use crate::keeper::KeepError;
use crate::notify::Notify;

/// The most rules that are kept parsed; when they are too many, all are forgotten.
const PARSED_MAX: usize = 64;

/// The rules of a node's accounts.
pub struct Rulebook {
    store: Arc<PartyStore>,
    file: Arc<Rules>,
    proposals: Proposals,
    /// Who else is told when somebody asks for other parties in an account.
    notify: Notify,
    parsed: Mutex<HashMap<Digest, Arc<Rules>>>,
}

/// The rules of one account.
#[derive(Debug, Clone)]
pub struct AccountRules {
    /// Which are in force.
    pub in_force: InForce,
    /// These, read.
    pub rules: Arc<Rules>,
    /// Those that wait for the user, by whom and since when.
    pub waiting: Option<(Arc<Rules>, Proposer, u64)>,
}

impl Rulebook {
    /// Opens the rulebook; accounts that are in none yet begin under `file`.
    pub(crate) fn open(
        store: Arc<PartyStore>,
        file: Rules,
        proposals: Proposals,
    ) -> Result<Self, StoreError> {
        let begun = store.rules_begin(&text_of(&file), crate::now())?;
        if begun > 0 {
            tracing::info!(accounts = begun, "accounts are under the rules file from now on");
        }
        if store.rules_file_show()?.is_none() {
            store.rules_file_put(&file.digest())?;
        }
        Ok(Self {
            store,
            file: Arc::new(file),
            proposals,
            notify: Notify::default(),
            parsed: Mutex::default(),
        })
    }

    /// The same, telling a program of the operator's as well.
    pub(crate) fn notifying(self, notify: Notify) -> Self {
        Self { notify, ..self }
    }

    /// The rules that new accounts begin with.
    pub(crate) fn beginning(&self) -> RulesText<'_> {
        text_of(&self.file)
    }

    /// The rules file, if accounts have not all been asked to be under it.
    pub(crate) fn file_to_weigh(&self) -> Result<Option<Arc<Rules>>, KeepError> {
        let weighed = self.store.rules_file_show()? == Some(self.file.digest());
        Ok((!weighed).then(|| Arc::clone(&self.file)))
    }

    /// Notes that all accounts were asked to be under the rules file.
    pub(crate) fn file_weighed(&self) -> Result<(), KeepError> {
        Ok(self.store.rules_file_put(&self.file.digest())?)
    }

    /// Accounts that are under other rules than the file's, after `after`.
    pub(crate) fn others(&self, after: Option<AccountId>, limit: u32) -> Result<Vec<AccountId>, KeepError> {
        Ok(self.store.rules_list_others(&self.file.digest(), after, limit)?)
    }

    /// Whether the coordinator may propose rules.
    pub(crate) fn takes_proposals(&self) -> bool {
        match self.proposals {
            Proposals::File => false,
            Proposals::Coordinator => true,
        }
    }

    /// The rules that an account is under.
    pub fn in_force(&self, account: AccountId) -> Result<Arc<Rules>, KeepError> {
        let InForce { digest, .. } =
            self.store.rules_in_force(account)?.ok_or(KeepError::Unknown(account))?;
        if let Some(rules) = self.parsed().get(&digest) {
            return Ok(Arc::clone(rules));
        }
        let text = self.store.rules_text(&digest)?.ok_or(KeepError::Unknown(account))?;
        self.parse(&digest, &text)
    }

    /// The rules of an account, and those that wait.
    pub fn show(&self, account: AccountId) -> Result<AccountRules, KeepError> {
        let row = self.store.rules_show(account)?.ok_or(KeepError::Unknown(account))?;
        let rules = self.parse(&row.in_force.digest, &row.text)?;
        let waiting = row.waiting.map(|waiting| {
            self.parse(&waiting.digest, &waiting.text).map(|rules| (rules, waiting.by, waiting.since))
        });
        Ok(AccountRules { in_force: row.in_force, rules, waiting: waiting.transpose()? })
    }

    pub(crate) fn propose(
        &self,
        account: AccountId,
        rules: &Rules,
        by: Proposer,
        now: u64,
    ) -> Result<(), RulesError> {
        self.store.rules_propose(account, &text_of(rules), by, now)
    }

    pub(crate) fn adopt(
        &self,
        account: AccountId,
        replaced: InForce,
        rules: &Rules,
        consent: Option<&Signed<Consent>>,
        now: u64,
    ) -> Result<u64, RulesError> {
        self.store.rules_adopt(account, replaced, &text_of(rules), consent, now)
    }

    pub(crate) fn reject(&self, account: AccountId, rules: &Rules) -> Result<bool, KeepError> {
        Ok(self.store.rules_reject(account, &rules.digest())?)
    }

    /// Notes that somebody asks this node to join in a resharing, and says since when it does.
    pub(crate) fn asked(&self, charter: &Charter, by: &PartyName, now: u64) -> Result<Notice, KeepError> {
        let (row, is_new) = self.store.notice_see(charter.terms.account, &charter.digest(), by, now)?;
        let notice = notice(row);
        if is_new {
            let account = charter.terms.account;
            tracing::warn!(%account, %by, "other parties are asked for in the account: this node waits first");
            self.notify.tell("resharing-asked", account, by, notice.since);
        }
        Ok(notice)
    }

    /// Who asked under a charter.
    pub(crate) fn notices(&self, charter: &Charter) -> Result<Vec<Notice>, KeepError> {
        let rows = self.store.notice_list(charter.terms.account, &charter.digest())?;
        Ok(rows.into_iter().map(notice).collect())
    }

    /// Notes an objection; the caller has checked whose it is.
    pub(crate) fn veto(&self, veto: &Veto, now: u64) -> Result<(), KeepError> {
        let Veto { account, charter, asked_by, party, .. } = veto;
        self.store.notice_veto(*account, charter, asked_by, party, now)?;
        self.notify.tell("resharing-vetoed", *account, party, now);
        Ok(())
    }

    /// What is stored was parsed before; it is compared with its name all the same.
    fn parse(&self, digest: &Digest, text: &str) -> Result<Arc<Rules>, KeepError> {
        let failed = |detail: String| KeepError::Failed(format!("rules `{digest}` are damaged: {detail}"));
        let rules = Rules::parse(text).map_err(|error| failed(error.to_string()))?;
        if rules.digest() != *digest {
            return Err(failed("they have another digest".into()));
        }
        let rules = Arc::new(rules);
        let mut parsed = self.parsed();
        if parsed.len() >= PARSED_MAX {
            parsed.clear();
        }
        parsed.insert(*digest, Arc::clone(&rules));
        Ok(rules)
    }

    fn parsed(&self) -> MutexGuard<'_, HashMap<Digest, Arc<Rules>>> {
        // No code panics while it holds this lock; if it did, the map would still be whole.
        self.parsed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn notice(row: NoticeRow) -> Notice {
    let NoticeRow { asked_by: by, since, vetoed_by } = row;
    Notice { by, since, vetoed_by }
}

fn text_of(rules: &Rules) -> RulesText<'_> {
    RulesText { digest: rules.digest(), text: rules.text() }
}
