//! What the nodes of an account say of themselves, asked now.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cohold_api::Statements;
use cohold_model::account::{Card, PartyKind};
use cohold_model::charter::Charter;
use cohold_model::statement::Statement;
use cohold_model::{AccountId, Document as _, IdentityKey, PartyName, Signed};
use cohold_party::wire::ToParty;
use tokio::sync::broadcast;
use tokio::time::{Instant, timeout_at};

use crate::coordinator::{Coordinator, lock};
use crate::error::Error;

/// How long nodes have to answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// The most statements that are kept, and that wait to be heard.
const KEPT_MAX: usize = 10_000;
const WAITING_MAX: usize = 256;

/// Statements as they come, and the last good one of each party.
#[derive(Debug)]
pub(crate) struct StatementBook {
    arriving: broadcast::Sender<(IdentityKey, Arc<Signed<Statement>>)>,
    kept: Mutex<HashMap<(AccountId, PartyName), Signed<Statement>>>,
}

impl Default for StatementBook {
    fn default() -> Self {
        Self { arriving: broadcast::Sender::new(WAITING_MAX), kept: Mutex::default() }
    }
}

impl StatementBook {
    /// A statement came; whoever asked for it checks it.
    pub(crate) fn take(&self, sender: IdentityKey, statement: Signed<Statement>) {
        // Nobody may be listening any more.
        let _ = self.arriving.send((sender, Arc::new(statement)));
    }

    fn keep(&self, statement: &Signed<Statement>) {
        let mut kept = lock(&self.kept);
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        let Statement { account, party, .. } = &statement.document;
        kept.insert((*account, party.clone()), statement.clone());
    }

    fn last(&self, account: AccountId, party: &PartyName, now: u64) -> Option<Signed<Statement>> {
        let kept = lock(&self.kept);
        kept.get(&(account, party.clone())).filter(|said| said.document.expires_at > now).cloned()
    }
}

impl Coordinator {
    /// Asks the account's connected nodes what they hold. For those that do not answer, their last
    /// word stands in while it is valid, and they are named as missing.
    pub async fn statement_list(&self, account: AccountId) -> Result<Statements, Error> {
        let charter = self.charter(account)?;
        let charter = &charter.document;
        let nodes: Vec<&Card> = charter.terms.parties.iter().filter(|card| is_node(card.kind)).collect();
        let mut arriving = self.statements.arriving.subscribe();
        let mut awaited: BTreeMap<&PartyName, &Card> = BTreeMap::new();
        for card in nodes.iter().filter(|card| self.is_online(&card.identity)) {
            awaited.insert(&card.party, card);
            self.tell(&card.identity, &ToParty::Statement { account }).await;
        }
        let deadline = Instant::now() + PATIENCE;
        let mut fresh: BTreeMap<PartyName, Signed<Statement>> = BTreeMap::new();
        while !awaited.is_empty() {
            match timeout_at(deadline, arriving.recv()).await {
                Ok(Ok((sender, said))) => {
                    let by = awaited.values().find(|card| card.identity == sender);
                    if by.is_some_and(|card| is_of(&said, charter, card)) {
                        awaited.remove(&said.document.party);
                        self.statements.keep(&said);
                        fresh.insert(said.document.party.clone(), (*said).clone());
                    }
                }
                // Many came at once; those still awaited may yet come.
                Ok(Err(broadcast::error::RecvError::Lagged(_))) => {}
                Ok(Err(broadcast::error::RecvError::Closed)) | Err(_) => break,
            }
        }
        let silent = nodes.iter().map(|card| &card.party).filter(|party| !fresh.contains_key(*party));
        let silent: Vec<PartyName> = silent.cloned().collect();
        let now = self.now();
        let stale = silent.iter().filter_map(|party| self.statements.last(account, party, now));
        let statements = fresh.into_values().chain(stale).collect();
        Ok(Statements { statements, missing: silent.iter().map(PartyName::to_string).collect() })
    }
}

fn is_node(kind: PartyKind) -> bool {
    match kind {
        PartyKind::Cosigner | PartyKind::Guardian => true,
        PartyKind::Device | PartyKind::Recovery => false,
    }
}

/// Whether this is the party's own word about its share under this charter.
fn is_of(said: &Signed<Statement>, charter: &Charter, card: &Card) -> bool {
    said.document.account == charter.terms.account
        && said.document.party == card.party
        && said.document.charter == charter.digest()
        && said.is_signed_by(&card.party, &card.identity)
}
