//! An account comes to be: the proposal is checked, its parties make a key, and once every one of
//! them signed the same charter, it is stored and handed to all.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cohold_api::{AccountCreate, AccountView};
use cohold_model::account::{Card, PartyKind, Proposal};
use cohold_model::charter::Charter;
use cohold_model::{AccountId, Document as _, Epoch, IdentityKey, PartyName, Signature, Signed};
use cohold_party::wire::ToParty;
use cohold_store::crash_point;
use cohold_store::server::{AccountRow, AccountState};

use crate::coordinator::{Coordinator, HORIZON_SECONDS_MAX, lock};
use crate::error::Error;
use crate::view::account_view;

/// How long the parties have to make the key and sign the charter.
pub const CREATION_SECONDS_MAX: u64 = 120;
/// The longest reason that is kept of a party's words.
const REASON_LENGTH_MAX: usize = 300;

/// Signatures that came for charters which are not complete yet. A restart may lose them: parties
/// send theirs again whenever they come back.
#[derive(Debug, Default)]
pub(crate) struct Creations(Mutex<HashMap<AccountId, Collected>>);

#[derive(Debug)]
struct Collected {
    charter: Charter,
    signatures: BTreeMap<PartyName, Signature>,
}

/// What one more signature made of a charter.
enum Collection {
    Incomplete,
    Complete(Box<Signed<Charter>>),
    /// It is under another charter than those before.
    Differs,
}

impl Coordinator {
    /// Checks a proposal and has its parties make the account. Returns while they do.
    pub async fn account_create(self: &Arc<Self>, create: AccountCreate) -> Result<AccountView, Error> {
        let proposal = create.proposal;
        let account = proposal.document.terms.account;
        if let Some(row) = self.looked(|store| store.account_show(account))? {
            return same_or_mismatch(&row, &proposal);
        }
        self.check_proposal(&proposal)?;
        self.check_parties(&proposal.document).await?;
        let (now, stored) = (self.now(), proposal.clone());
        let row = self.stored(move |store| store.account_insert(&stored, now)).await?;
        crash_point!("server.account-stored");
        let view = same_or_mismatch(&row, &proposal)?;
        self.create_begin(proposal, row.created_at).await;
        Ok(view)
    }

    fn check_proposal(&self, proposal: &Signed<Proposal>) -> Result<(), Error> {
        let Proposal { terms, proposer, created_at, import } = &proposal.document;
        terms.check()?;
        if let Some(import) = import {
            import.check(terms)?;
        }
        let by = terms.party(proposer).filter(|(_, card)| proposal.is_signed_by(proposer, &card.identity));
        if by.is_none() {
            return Err(Error::Proposer(proposer.clone()));
        }
        match created_at.abs_diff(self.now()) {
            ..=HORIZON_SECONDS_MAX => Ok(()),
            _ => Err(Error::Horizon("the proposal's time")),
        }
    }

    /// Whether all who run by themselves are known by this very card and are there. The proposer's
    /// own process speaks for the proposer and for what sleeps in a file.
    async fn check_parties(&self, proposal: &Proposal) -> Result<(), Error> {
        let runs_alone = |card: &&Card| card.party != proposal.proposer && card.kind != PartyKind::Recovery;
        let (mut unknown, mut differ, mut offline) = (Vec::new(), Vec::new(), Vec::new());
        for card in proposal.terms.parties.iter().filter(runs_alone) {
            let identity = card.identity;
            match self.stored(move |store| store.party_show(&identity)).await? {
                None => unknown.push(card.party.clone()),
                Some(known) if known.document != *card => differ.push(card.party.clone()),
                Some(_) if !self.is_online(&identity) => offline.push(card.party.clone()),
                Some(_) => {}
            }
        }
        match (unknown.is_empty(), differ.is_empty(), offline.is_empty()) {
            (false, _, _) => Err(Error::PartiesUnknown(unknown)),
            (_, false, _) => Err(Error::PartiesDiffer(differ)),
            (_, _, false) => Err(Error::PartiesOffline(offline)),
            (true, true, true) => Ok(()),
        }
    }

    /// Asks all parties to make the key, and gives up in time. Asking twice does no harm.
    pub(crate) async fn create_begin(self: &Arc<Self>, proposal: Signed<Proposal>, created_at: u64) {
        let account = proposal.document.terms.account;
        let terms = proposal.document.terms.clone();
        self.tell_all(&terms, &ToParty::Keygen { proposal }).await;
        let patience = created_at.saturating_add(CREATION_SECONDS_MAX).saturating_sub(self.now());
        let this = Arc::clone(self);
        self.spawn(async move {
            tokio::time::sleep(Duration::from_secs(patience.min(CREATION_SECONDS_MAX))).await;
            let missing = this.creations.missing(account, &terms.parties);
            let reason = format!("no charter signature of `{}` came in time", missing.join("`, `"));
            if let Err(error) = this.account_fail(account, reason).await {
                tracing::error!(%account, %error, "an account that took too long cannot be failed");
            }
        });
    }

    /// A party holds its share and signed the charter as it computed it.
    pub(crate) async fn charter_signed(
        self: &Arc<Self>,
        sender: IdentityKey,
        charter: Charter,
        signature: Signature,
    ) -> Result<(), Error> {
        let account = charter.terms.account;
        let Some(row) = self.looked(|store| store.account_show(account))? else {
            tracing::warn!(%account, "a charter of an unknown account was ignored");
            return Ok(());
        };
        let Some((_, card)) = row.proposal.document.terms.party_by_identity(&sender) else {
            tracing::warn!(%account, party = sender.fingerprint(), "a charter signed by a stranger was ignored");
            return Ok(());
        };
        match &row.state {
            AccountState::Active(signed) if signed.document == charter => {
                self.tell(&sender, &ToParty::Charter { charter: (**signed).clone() }).await;
            }
            AccountState::Active(_) => {
                tracing::warn!(%account, party = %card.party, "a party signs another charter than the one in force");
            }
            AccountState::Failed(_) => self.tell(&sender, &ToParty::Abandon { account }).await,
            AccountState::Creating => {
                if let Err(reason) = check_charter(&row.proposal.document, card, &charter, &signature) {
                    return self.account_fail(account, reason).await;
                }
                match self.creations.add(charter, card.party.clone(), signature) {
                    Collection::Incomplete => {}
                    Collection::Complete(signed) => self.account_activate(*signed).await?,
                    Collection::Differs => {
                        let reason = format!("`{}` made another key or charter than the others", card.party);
                        self.account_fail(account, reason).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// A party says that no key came of it.
    pub(crate) async fn keygen_failed(
        &self,
        sender: IdentityKey,
        account: AccountId,
        reason: String,
    ) -> Result<(), Error> {
        let Some(row) = self.looked(|store| store.account_show(account))? else { return Ok(()) };
        match row.proposal.document.terms.party_by_identity(&sender) {
            Some((_, card)) => {
                let said: String =
                    reason.chars().filter(|c| !c.is_control()).take(REASON_LENGTH_MAX).collect();
                self.account_fail(account, format!("`{}` made no key: {said}", card.party)).await
            }
            None => Ok(()),
        }
    }

    async fn account_activate(&self, signed: Signed<Charter>) -> Result<(), Error> {
        let account = signed.document.terms.account;
        if let Err(error) = signed.check() {
            return self.account_fail(account, error.to_string()).await;
        }
        let (now, stored) = (self.now(), signed.clone());
        let activated = self.stored(move |store| store.account_activate(&stored, now)).await?;
        crash_point!("server.charter-stored");
        self.creations.forget(account);
        if activated {
            tracing::info!(%account, "every party signed the charter");
            let terms = signed.document.terms.clone();
            self.tell_all(&terms, &ToParty::Charter { charter: signed }).await;
        }
        Ok(())
    }

    /// Gives up an account that is not active, and tells its parties.
    pub(crate) async fn account_fail(&self, account: AccountId, reason: String) -> Result<(), Error> {
        let (now, kept) = (self.now(), reason.clone());
        let failed = self.stored(move |store| store.account_fail(account, &kept, now)).await?;
        crash_point!("server.account-failed");
        self.creations.forget(account);
        if let Some(row) = failed {
            tracing::warn!(%account, reason, "account given up");
            self.tell_all(&row.proposal.document.terms, &ToParty::Abandon { account }).await;
        }
        Ok(())
    }
}

impl Creations {
    fn add(&self, charter: Charter, party: PartyName, signature: Signature) -> Collection {
        let account = charter.terms.account;
        let mut creations = lock(&self.0);
        let collected = creations
            .entry(account)
            .or_insert_with(|| Collected { charter: charter.clone(), signatures: BTreeMap::new() });
        if collected.charter != charter {
            return Collection::Differs;
        }
        collected.signatures.insert(party, signature);
        if collected.signatures.len() < charter.terms.parties.len() {
            return Collection::Incomplete;
        }
        Collection::Complete(Box::new(Signed { document: charter, signatures: collected.signatures.clone() }))
    }

    fn missing(&self, account: AccountId, parties: &[Card]) -> Vec<String> {
        let creations = lock(&self.0);
        let signed = |card: &&Card| {
            creations.get(&account).is_some_and(|collected| collected.signatures.contains_key(&card.party))
        };
        parties.iter().filter(|card| !signed(card)).map(|card| card.party.to_string()).collect()
    }

    fn forget(&self, account: AccountId) {
        lock(&self.0).remove(&account);
    }
}

/// Whether a charter is of this proposal and signed by this party; otherwise why not.
fn check_charter(
    proposal: &Proposal,
    card: &Card,
    charter: &Charter,
    signature: &Signature,
) -> Result<(), String> {
    let party = &card.party;
    if charter.terms != proposal.terms
        || charter.version != 1
        || charter.epoch != Epoch::FIRST
        || charter.created_at != proposal.created_at
        || charter.origin != proposal.import.as_ref().map(|import| import.origin)
    {
        return Err(format!("`{party}` signed a charter on other terms than were proposed"));
    }
    if proposal.import.as_ref().is_some_and(|import| import.public_key != charter.key.public_key) {
        return Err(format!("`{party}` signed a charter of another key than was brought along"));
    }
    if cohold_chain_evm::Address::of_public_key(&charter.key.public_key.0).is_err() {
        return Err(format!("`{party}` signed a charter whose public key is none"));
    }
    if !card.identity.verify(&charter.digest(), signature) {
        return Err(format!("`{party}` sent a signature that is not one of its charter"));
    }
    Ok(())
}

fn same_or_mismatch(row: &AccountRow, proposal: &Signed<Proposal>) -> Result<AccountView, Error> {
    if row.proposal != *proposal {
        return Err(Error::IdempotencyMismatch(proposal.document.terms.account.to_string()));
    }
    account_view(row)
}
