//! What the parties of an account say of themselves: nodes are asked now, devices hand it in. The last
//! word of each is kept durably.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cohold_api::Statements;
use cohold_model::account::Card;
use cohold_model::charter::Charter;
use cohold_model::statement::Statement;
use cohold_model::{AccountId, Document as _, IdentityKey, PartyName, Signed};
use cohold_party::wire::ToParty;
use tokio::sync::broadcast;
use tokio::time::{Instant, timeout_at};

use crate::coordinator::Coordinator;
use crate::error::{Error, StatementFault};

/// How long nodes have to answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// The most statements that wait to be heard.
const WAITING_MAX: usize = 256;
/// How far ahead a party's clock may be, in seconds.
const CLOCK_SECONDS_MAX: u64 = 3600;

/// Statements of nodes as they come.
#[derive(Debug)]
pub(crate) struct StatementBook {
    arriving: broadcast::Sender<(IdentityKey, Arc<Signed<Statement>>)>,
}

impl Default for StatementBook {
    fn default() -> Self {
        Self { arriving: broadcast::Sender::new(WAITING_MAX) }
    }
}

impl StatementBook {
    /// A statement came; whoever asked for it checks it.
    pub(crate) fn take(&self, sender: IdentityKey, statement: Signed<Statement>) {
        // Nobody may be listening any more.
        let _ = self.arriving.send((sender, Arc::new(statement)));
    }
}

impl Coordinator {
    /// Asks the account's connected nodes what they hold. For those that do not answer their last word
    /// stands in, however old, and they are named as missing; so does the last word of devices.
    pub async fn statement_list(&self, account: AccountId) -> Result<Statements, Error> {
        let charter = self.charter(account)?;
        let charter = &charter.document;
        let fresh = self.ask_nodes(charter).await;
        let nodes = charter.terms.parties.iter().filter(|card| card.kind.is_node()).map(|card| &card.party);
        let silent = nodes.filter(|party| !fresh.iter().any(|said| said.document.party == **party));
        let missing = silent.map(PartyName::to_string).collect();
        let statements = self
            .stored(move |store| {
                store.statement_put(&fresh)?;
                store.statement_list(account)
            })
            .await?;
        Ok(Statements { statements, missing })
    }

    /// Keeps what a party of the account says of itself.
    pub async fn statement_take(&self, account: AccountId, said: Signed<Statement>) -> Result<(), Error> {
        let charter = self.charter(account)?;
        self.statement_check(&charter.document, &said).map_err(Error::Statement)?;
        self.stored(move |store| store.statement_put(&[said])).await
    }

    fn statement_check(&self, charter: &Charter, said: &Signed<Statement>) -> Result<(), StatementFault> {
        let Statement { account, party, charter: under, issued_at, expires_at, .. } = &said.document;
        if *account != charter.terms.account {
            return Err(StatementFault::Account);
        }
        if *under != charter.digest() {
            return Err(StatementFault::Charter);
        }
        let (_, card) = charter.terms.party(party).ok_or(StatementFault::Party)?;
        if said.signatures.len() != 1 || !said.is_signed_by(party, &card.identity) {
            return Err(StatementFault::Signature);
        }
        let now = self.now();
        if *issued_at > now.saturating_add(CLOCK_SECONDS_MAX) || *expires_at <= now {
            return Err(StatementFault::Time);
        }
        Ok(())
    }

    async fn ask_nodes(&self, charter: &Charter) -> Vec<Signed<Statement>> {
        let mut arriving = self.statements.arriving.subscribe();
        let mut awaited: BTreeMap<&PartyName, &Card> = BTreeMap::new();
        let nodes = charter.terms.parties.iter().filter(|card| card.kind.is_node());
        for card in nodes.filter(|card| self.is_online(&card.identity)) {
            awaited.insert(&card.party, card);
            self.tell(&card.identity, &ToParty::Statement { account: charter.terms.account }).await;
        }
        let deadline = Instant::now() + PATIENCE;
        let mut fresh = Vec::new();
        while !awaited.is_empty() {
            match timeout_at(deadline, arriving.recv()).await {
                Ok(Ok((sender, said))) => {
                    let by = awaited.get(&said.document.party).is_some_and(|card| card.identity == sender);
                    if by && self.statement_check(charter, &said).is_ok() {
                        awaited.remove(&said.document.party);
                        fresh.push((*said).clone());
                    }
                }
                // Many came at once; those still awaited may yet come.
                Ok(Err(broadcast::error::RecvError::Lagged(_))) => {}
                Ok(Err(broadcast::error::RecvError::Closed)) | Err(_) => break,
            }
        }
        fresh
    }
}
