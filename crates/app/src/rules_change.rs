//! Other rules for an account at one of its nodes: the coordinator carries proposals, consents and answers
//! to and fro. The node decides, and the user's device; nothing is kept here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cohold_api::{ChangeAnswer, ChangePropose, ChangeRefusal, Changes};
use cohold_model::account::Card;
use cohold_model::change::{Consent, RulesReport};
use cohold_model::charter::Charter;
use cohold_model::guardians::RecoveryAsk;
use cohold_model::reshare::Veto;
use cohold_model::{AccountId, ChangeId, Document as _, IdentityKey, PartyName, Signed};
use cohold_party::wire::{RulesAnswer, ToParty};
use tokio::sync::broadcast;
use tokio::time::{Instant, timeout_at};

use crate::coordinator::Coordinator;
use crate::error::Error;

/// How long nodes have to say under which rules an account is.
const LOOK: Duration = Duration::from_secs(3);
/// How long a node has to weigh a change; it weighs one after the other.
const WEIGH: Duration = Duration::from_secs(20);
/// The most answers that wait to be heard.
const WAITING_MAX: usize = 256;

/// Answers of nodes as they come.
#[derive(Debug)]
pub(crate) struct RulesAnswers(broadcast::Sender<(IdentityKey, Arc<RulesAnswer>)>);

type Arriving = broadcast::Receiver<(IdentityKey, Arc<RulesAnswer>)>;

impl Default for RulesAnswers {
    fn default() -> Self {
        Self(broadcast::Sender::new(WAITING_MAX))
    }
}

impl RulesAnswers {
    /// An answer came; whoever asked checks it.
    pub(crate) fn take(&self, sender: IdentityKey, answer: RulesAnswer) {
        // Nobody may be listening any more.
        let _ = self.0.send((sender, Arc::new(answer)));
    }
}

impl Coordinator {
    /// Under which rules an account is at its nodes, asked now.
    pub async fn change_list(&self, account: AccountId) -> Result<Changes, Error> {
        let charter = self.charter(account)?;
        let charter = &charter.document;
        let nodes = || charter.terms.parties.iter().filter(|card| card.kind.is_node());
        let words = ToParty::Rules { account };
        let mut arriving = self.rules.0.subscribe();
        let mut awaited: BTreeMap<&PartyName, &Card> = BTreeMap::new();
        for card in nodes().filter(|card| self.is_online(&card.identity)) {
            awaited.insert(&card.party, card);
            self.tell(&card.identity, &words).await;
        }
        let deadline = Instant::now() + LOOK;
        let (mut reports, to) = (Vec::new(), words.digest());
        while !awaited.is_empty()
            && let Some((sender, answer)) = heard(&mut arriving, deadline).await
        {
            let by = awaited.values().copied().find(|card| card.identity == sender && answer.to == to);
            if let Some(card) = by
                && let Some(report) = answer.report.as_ref().filter(|said| is_of(said, charter, card))
            {
                awaited.remove(&card.party);
                reports.push(report.clone());
            }
        }
        reports.sort_by(|one, other| one.document.party.cmp(&other.document.party));
        let heard = |card: &&Card| !reports.iter().any(|said| said.document.party == card.party);
        let missing = nodes().filter(heard).map(|card| card.party.clone()).collect();
        Ok(Changes { reports, missing })
    }

    /// Asks a node to run other rules for an account.
    pub async fn change_propose(
        &self,
        account: AccountId,
        propose: ChangePropose,
    ) -> Result<ChangeAnswer, Error> {
        let ChangePropose { party, rules } = propose;
        self.node_ask(account, &party, ToParty::RulesPropose { account, rules }).await
    }

    /// Hands a node the user's consent.
    pub async fn consent_add(
        &self,
        account: AccountId,
        consent: Signed<Consent>,
    ) -> Result<ChangeAnswer, Error> {
        let party = consent.document.change.party().cloned().ok_or(Error::ConsentElsewhere)?;
        self.node_ask(account, &party, ToParty::RulesConsent { consent: Box::new(consent) }).await
    }

    /// Has a node forget the change that waits there.
    pub async fn change_reject(
        &self,
        account: AccountId,
        party: PartyName,
        change: ChangeId,
    ) -> Result<ChangeAnswer, Error> {
        self.node_ask(account, &party, ToParty::RulesReject { account, change }).await
    }

    /// Hands a node the objection of a party of the user's.
    pub async fn veto_add(
        &self,
        account: AccountId,
        party: PartyName,
        veto: Signed<Veto>,
    ) -> Result<ChangeAnswer, Error> {
        self.node_ask(account, &party, ToParty::Veto { veto: Box::new(veto) }).await
    }

    /// Hands a node a request for the account that guardians confirmed.
    pub async fn recovery_add(
        &self,
        account: AccountId,
        party: PartyName,
        ask: RecoveryAsk,
    ) -> Result<ChangeAnswer, Error> {
        self.node_ask(account, &party, ToParty::Recovery { ask: Box::new(ask) }).await
    }

    async fn node_ask(
        &self,
        account: AccountId,
        party: &PartyName,
        words: ToParty,
    ) -> Result<ChangeAnswer, Error> {
        let charter = self.charter(account)?;
        let charter = &charter.document;
        let card = charter.terms.party(party).map(|(_, card)| card).filter(|card| card.kind.is_node());
        let card = card.ok_or_else(|| Error::NotANode(party.clone()))?;
        if !self.is_online(&card.identity) {
            return Err(Error::PartiesOffline(vec![party.clone()]));
        }
        let mut arriving = self.rules.0.subscribe();
        self.tell(&card.identity, &words).await;
        let (deadline, to) = (Instant::now() + WEIGH, words.digest());
        while let Some((sender, answer)) = heard(&mut arriving, deadline).await {
            if sender != card.identity || answer.to != to {
                continue;
            }
            let refusal = answer.refusal.as_ref();
            let Some(report) = answer.report.as_ref().filter(|said| is_of(said, charter, card)) else {
                let reason = refusal.map_or("it gives no reason", |refusal| refusal.message.as_str());
                return Err(Error::PartyUnaware { party: party.clone(), reason: reason.to_owned() });
            };
            let refusal = refusal.map(|refusal| ChangeRefusal {
                code: refusal.code.word().to_owned(),
                message: refusal.message.clone(),
            });
            return Ok(ChangeAnswer { report: report.clone(), refusal });
        }
        Err(Error::PartySilent(party.clone()))
    }
}

/// The next answer, if there is one in time.
async fn heard(arriving: &mut Arriving, deadline: Instant) -> Option<(IdentityKey, Arc<RulesAnswer>)> {
    loop {
        match timeout_at(deadline, arriving.recv()).await {
            Ok(Ok(answer)) => return Some(answer),
            // Many came at once; the one that is awaited may yet come.
            Ok(Err(broadcast::error::RecvError::Lagged(_))) => {}
            Ok(Err(broadcast::error::RecvError::Closed)) | Err(_) => return None,
        }
    }
}

/// Whether this is the party's own word about this account.
fn is_of(said: &Signed<RulesReport>, charter: &Charter, card: &Card) -> bool {
    said.document.account == charter.terms.account
        && said.document.party == card.party
        && said.document.charter == charter.digest()
        && said.is_signed_by(&card.party, &card.identity)
}
