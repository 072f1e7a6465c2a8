//! A party's part in a change of rules: weigh it, and take it into force or let it wait for the user.

use std::sync::Arc;
use std::time::Instant;

use cohold_model::change::{Asked, Change, Consent, ProposedRules, Proposer, RulesReport};
use cohold_model::charter::Charter;
use cohold_model::guardians::{RecoveryAsk, RecoveryError, RecoveryRequest};
use cohold_model::reshare::Veto;
use cohold_model::{AccountId, ChangeId, Signed};
use cohold_party::refusal::Code;
use cohold_party::wait::Notice;
use cohold_party::wire::{FromParty, RulesAnswer, ToParty};
use cohold_party::{Refusal, Rules, gate, rules_change, wait};
use cohold_store::party::RulesError;

use crate::keeper::KeepError;
use crate::rulebook::{AccountRules, Rulebook};
use crate::runtime::{Runtime, blocking};

/// Accounts that are looked up at a time when the rules file is weighed.
const PAGE: u32 = 200;
/// How often the log says how far the weighing of the rules file is, in seconds.
const SAID_EVERY_SECONDS: u64 = 5;

impl Runtime {
    /// The rules that an account is under at this party.
    pub(crate) fn rules_of(&self, account: AccountId) -> Result<Arc<Rules>, KeepError> {
        match self.keeper.rulebook() {
            Some(book) => book.in_force(account),
            None => Ok(Arc::clone(&self.rules)),
        }
    }

    /// Does what is asked about the rules of an account, and answers.
    pub(crate) async fn on_rules(self: Arc<Self>, words: ToParty) {
        let (to, account) = (words.digest(), account_of(&words));
        let Some(account) = account else { return };
        let party = Arc::clone(&self);
        // Looking waits for nobody; the semaphore is never closed.
        let turn = match &words {
            ToParty::Rules { .. } => None,
            _ => Arc::clone(&self.weighing).acquire_owned().await.ok(),
        };
        let asked = move || -> Result<_, KeepError> {
            let refusal = party.follow(words).err();
            if let Some(refusal) = &refusal {
                tracing::info!(%account, code = ?refusal.code, %refusal, "rules stay as they are");
            }
            Ok(RulesAnswer { to, report: party.report(account).ok(), refusal })
        };
        let answer = blocking(asked).await;
        drop(turn);
        if let Ok(answer) = answer {
            self.tell(FromParty::Rules(Box::new(answer))).await;
        }
    }

    fn follow(&self, words: ToParty) -> Result<(), Refusal> {
        let book = self.keeper.rulebook().ok_or_else(|| {
            Refusal::new(Code::Change, "this party takes rules from its own user only: edit its rules file")
        })?;
        match words {
            ToParty::RulesPropose { account, rules } => {
                if !book.takes_proposals() {
                    return Err(Refusal::new(
                        Code::Change,
                        "this node takes proposals from its own rules file only: have its operator change that, \
                         or set `proposals = \"coordinator\"` in node.toml",
                    ));
                }
                let rules =
                    Rules::parse(&rules).map_err(|error| Refusal::new(Code::Change, error.to_string()))?;
                self.propose(book, account, &rules, Proposer::Coordinator)
            }
            ToParty::RulesConsent { consent } => self.consented(book, &consent),
            ToParty::RulesReject { account, change } => self.reject(book, account, change),
            ToParty::Veto { veto } => self.vetoed(book, &veto),
            ToParty::Recovery { ask } => self.guardians_asked(book, &ask),
            _ => Ok(()),
        }
    }

    /// Takes rules into force if nobody gains and the user loses nothing; else they wait for the user.
    fn propose(
        &self,
        book: &Rulebook,
        account: AccountId,
        rules: &Rules,
        by: Proposer,
    ) -> Result<(), Refusal> {
        let AccountRules { in_force, rules: before, .. } = book.show(account)?;
        if in_force.digest == rules.digest() {
            return Ok(());
        }
        let charter = self.keeper.kept(account)?.charter;
        let assessed = rules_change::assess(&charter, &self.card.party, in_force.revision, &before, rules)?;
        let now = crate::now();
        if assessed.needs_consent() {
            book.propose(account, rules, by, now).map_err(refused)?;
            return Err(assessed.refusal());
        }
        let revision = book.adopt(account, in_force, rules, None, now).map_err(refused)?;
        tracing::info!(%account, revision, verdict = assessed.difference.verdict.words(), "rules in force");
        Ok(())
    }

    /// Takes the rules that wait into force, by the user's consent to this very change.
    fn consented(&self, book: &Rulebook, consent: &Signed<Consent>) -> Result<(), Refusal> {
        let account = consent.document.account;
        let AccountRules { in_force, rules: before, waiting } = book.show(account)?;
        let named = |rules: &Rules| matches!(&consent.document.change, Change::Rules { after, .. } if rules.digest() == *after);
        let Some((rules, ..)) = waiting.filter(|(rules, ..)| named(rules)) else {
            return Err(Refusal::new(
                Code::Consent,
                "the consent is for a change that does not wait here, or was made before: look again",
            ));
        };
        let charter = self.keeper.kept(account)?.charter;
        let assessed = rules_change::assess(&charter, &self.card.party, in_force.revision, &before, &rules)?;
        let now = crate::now();
        gate::check_consent(&assessed, consent, now)?;
        let revision = book.adopt(account, in_force, &rules, Some(consent), now).map_err(refused)?;
        let by = &consent.document.consenter;
        tracing::info!(%account, revision, %by, "rules in force by the user's consent");
        Ok(())
    }

    fn reject(&self, book: &Rulebook, account: AccountId, change: ChangeId) -> Result<(), Refusal> {
        let AccountRules { in_force, waiting, .. } = book.show(account)?;
        let charter = self.keeper.kept(account)?.charter.digest();
        let named = |rules: &Rules| {
            let (before, after) = (in_force.digest, rules.digest());
            let party = self.card.party.clone();
            let waits = Change::Rules { party, revision: in_force.revision, before, after };
            waits.id(account, &charter) == change
        };
        match waiting.filter(|(rules, ..)| named(rules)) {
            Some((rules, ..)) => Ok(book.reject(account, &rules).map(|_| ())?),
            None => Err(Refusal::new(Code::Change, format!("no change `{change}` waits here: look again"))),
        }
    }

    /// Begins to wait, as enough guardians know who asks for the account on a new device.
    fn guardians_asked(&self, book: &Rulebook, ask: &RecoveryAsk) -> Result<(), Refusal> {
        let RecoveryRequest { account, device, .. } = &ask.request.document;
        let charter = self.keeper.kept(*account)?.charter;
        let refused = |error: RecoveryError| Refusal::new(Code::Change, error.to_string());
        let who = ask.check(&charter).map_err(refused)?;
        let guardians =
            charter.terms.guardians.as_ref().ok_or_else(|| refused(RecoveryError::NoGuardians))?;
        wait::check_joins(&*book.in_force(*account)?, &charter)?;
        book.asked(&charter, &guardians.party, crate::now())?;
        let device = device.identity.fingerprint();
        tracing::warn!(%account, ?who, device, "guardians ask for the account on a new device");
        Ok(())
    }

    /// Notes that a party of the user's objects to what another one has asked for.
    fn vetoed(&self, book: &Rulebook, veto: &Signed<Veto>) -> Result<(), Refusal> {
        let Veto { account, asked_by, party, .. } = &veto.document;
        let charter = self.keeper.kept(*account)?.charter;
        wait::check_veto(&charter, veto)?;
        book.veto(&veto.document, crate::now())?;
        tracing::info!(%account, %asked_by, by = %party, "objected to");
        Ok(())
    }

    /// Who has asked for a resharing that this party waits to join in.
    fn asked(book: &Rulebook, charter: &Charter, rules: &Rules) -> Result<Vec<Asked>, KeepError> {
        let notices = book.notices(charter)?;
        let asked = |notice: Notice| {
            let joins_at = wait::joins_at(rules, charter, &notice);
            Asked { by: notice.by, since: notice.since, joins_at, vetoed_by: notice.vetoed_by }
        };
        Ok(notices.into_iter().map(asked).collect())
    }

    /// What this party says of the rules of an account.
    fn report(&self, account: AccountId) -> Result<Signed<RulesReport>, KeepError> {
        let book = self.keeper.rulebook().ok_or(KeepError::Unknown(account))?;
        let AccountRules { in_force, rules, waiting } = book.show(account)?;
        let charter = self.keeper.kept(account)?.charter;
        let report = RulesReport {
            account,
            party: self.card.party.clone(),
            asked: Self::asked(book, &charter, &rules)?,
            charter: charter.digest(),
            revision: in_force.revision,
            in_force: rules.text().to_owned(),
            proposed: waiting.map(|(rules, by, since)| ProposedRules {
                rules: rules.text().to_owned(),
                by,
                since,
            }),
            issued_at: crate::now(),
        };
        Ok(Signed::by(report, self.card.party.clone(), &self.keys.identity))
    }

    /// After a start with another rules file than the last time: asks every account to be under it. Until
    /// all were asked it begins anew at each start; asking twice changes nothing.
    pub(crate) async fn weigh_file(self: Arc<Self>) {
        let Some(rules) = self.keeper.rulebook().and_then(|book| book.file_to_weigh().ok().flatten()) else {
            return;
        };
        tracing::info!("the rules file has changed: weighing it for every account");
        let (mut after, mut asked, mut waiting, mut said) = (None, 0_usize, 0_usize, Instant::now());
        loop {
            let (party, rules) = (Arc::clone(&self), Arc::clone(&rules));
            let Ok(turn) = Arc::clone(&self.weighing).acquire_owned().await else { return };
            let page = blocking(move || party.weigh_page(&rules, after)).await;
            drop(turn);
            match page {
                Ok((None, _, _)) => break,
                Ok((last, count, refused)) => {
                    after = last;
                    asked = asked.saturating_add(count);
                    waiting = waiting.saturating_add(refused);
                }
                Err(error) => return tracing::error!(%error, "the rules file cannot be weighed"),
            }
            if said.elapsed().as_secs() >= SAID_EVERY_SECONDS {
                tracing::info!(asked, waiting, "weighing the rules file");
                said = Instant::now();
            }
        }
        let party = Arc::clone(&self);
        let noted = move || party.keeper.rulebook().map_or(Ok(()), Rulebook::file_weighed);
        match blocking(noted).await {
            Ok(()) => tracing::info!(asked, waiting, "the rules file was weighed for every account"),
            Err(error) => tracing::error!(%error, "that the rules file was weighed cannot be noted"),
        }
    }

    /// The last account of the page, how many there were, and how many stay as they are.
    fn weigh_page(
        &self,
        rules: &Rules,
        after: Option<AccountId>,
    ) -> Result<(Option<AccountId>, usize, usize), KeepError> {
        let book = self.keeper.rulebook().ok_or_else(|| KeepError::Failed("no rulebook".into()))?;
        let accounts = book.others(after, PAGE)?;
        let mut refused = 0_usize;
        for account in &accounts {
            if let Err(refusal) = self.propose(book, *account, rules, Proposer::File) {
                if refusal.code == Code::Unavailable {
                    return Err(KeepError::Failed(refusal.message));
                }
                tracing::debug!(%account, %refusal, "rules stay as they are");
                refused = refused.saturating_add(1);
            }
        }
        Ok((accounts.last().copied(), accounts.len(), refused))
    }
}

fn account_of(words: &ToParty) -> Option<AccountId> {
    match words {
        ToParty::Rules { account }
        | ToParty::RulesPropose { account, .. }
        | ToParty::RulesReject { account, .. } => Some(*account),
        ToParty::RulesConsent { consent } => Some(consent.document.account),
        ToParty::Veto { veto } => Some(veto.document.account),
        ToParty::Recovery { ask } => Some(ask.request.document.account),
        _ => None,
    }
}

fn refused(error: RulesError) -> Refusal {
    match error {
        RulesError::Store(error) => {
            tracing::error!(%error, "a change of rules cannot be noted");
            KeepError::from(error).into()
        }
        RulesError::Unknown(account) => KeepError::Unknown(account).into(),
        RulesError::Overtaken | RulesError::Waits => Refusal::new(Code::Change, error.to_string()),
    }
}
