//! An account goes to its next epoch: the resharing is checked, its parties deal, and once every party to
//! come has signed the same charter, that is stored and handed to all. Until then the old charter is in
//! force; which of the two is, no stop of the coordinator can change.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cohold_api::{ReshareCreate, ReshareStatus, ReshareView};
use cohold_model::account::{Card, PartyKind};
use cohold_model::charter::Charter;
use cohold_model::handover::{Dealt, Handover};
use cohold_model::reshare::Abandonment;
use cohold_model::{AccountId, Digest, Document as _, IdentityKey, PartyName, Resharing, Signature, Signed};
use cohold_party::reshare::{is_abandoned, seconds_max};
use cohold_party::wire::{ReshareOrder, ToParty};
use cohold_store::crash_point;
use cohold_store::server::{ReshareInsert, ReshareRow, ReshareState};

use crate::coordinator::{Coordinator, HORIZON_SECONDS_MAX, lock};
use crate::error::Error;

/// How long a party that has not signed has to say so, after it was asked to give a resharing up.
const GIVE_UP_SECONDS: u64 = 5;
/// The longest reason that is kept of a party's words.
const REASON_LENGTH_MAX: usize = 600;
/// The most words about earlier resharings of a charter that go along with an order.
const ABANDONED_MAX: usize = 32;

/// Signatures under charters that are not complete yet, by resharing. A restart may lose them: parties
/// send theirs again whenever they come back.
#[derive(Debug, Default)]
pub(crate) struct Successions {
    collected: Mutex<HashMap<Digest, Collected>>,
    /// How many primes each party has made.
    primes: Mutex<HashMap<Digest, BTreeMap<PartyName, u8>>>,
}

#[derive(Debug)]
struct Collected {
    charter: Charter,
    signatures: BTreeMap<PartyName, Signature>,
}

impl Coordinator {
    /// Checks a resharing and has its parties carry it out. Returns while they do.
    pub async fn reshare_create(
        self: &Arc<Self>,
        account: AccountId,
        create: ReshareCreate,
    ) -> Result<ReshareView, Error> {
        let ReshareCreate { resharing, consent } = create;
        if resharing.document.terms.account != account {
            return Err(Error::Resharing("it is for another account".into()));
        }
        let digest = resharing.document.digest();
        if let Some(row) = self.looked(|store| store.reshare_show(&digest))? {
            return self.reshare_view(row).await;
        }
        let charter = self.charter(account)?;
        resharing.check(&charter.document).map_err(|error| Error::Resharing(error.to_string()))?;
        if resharing.document.created_at.abs_diff(self.now()) > HORIZON_SECONDS_MAX {
            return Err(Error::Horizon("the resharing's time"));
        }
        self.check_seats(&charter.document, &resharing.document).await?;
        let (now, stored) = (self.now(), resharing.clone());
        let inserted = self.stored(move |store| store.reshare_insert(&stored, consent.as_ref(), now)).await?;
        crash_point!("server.reshare-stored");
        match inserted {
            ReshareInsert::New(row) => {
                self.reshare_begin(&row).await?;
                self.reshare_view(*row).await
            }
            ReshareInsert::Same(row) => self.reshare_view(*row).await,
            ReshareInsert::Running(row) => {
                let missing = self.successions.missing(&row.resharing.document);
                Err(Error::ReshareRunning { account, missing })
            }
            ReshareInsert::Stale => {
                Err(Error::Resharing("the account came to another epoch meanwhile".into()))
            }
        }
    }

    /// All resharings of an account, newest first.
    pub async fn reshare_list(&self, account: AccountId) -> Result<Vec<ReshareView>, Error> {
        let mut views = Vec::new();
        for row in self.stored(move |store| store.reshare_list(account)).await? {
            views.push(self.reshare_view(row).await?);
        }
        Ok(views)
    }

    /// Asks the parties to give up the resharing that runs. Where one of them may have signed, only the
    /// word of one that has not ends it.
    pub async fn reshare_cancel(self: &Arc<Self>, account: AccountId) -> Result<ReshareView, Error> {
        let row = self.reshare_running(account).await?.ok_or(Error::ReshareNone(account))?;
        self.reshare_give_up(&row, "whoever asked for it gave it up".into()).await?;
        self.reshare_view(row).await
    }

    /// Whether all who take part are there, and the nodes among them by the very cards that they handed
    /// out.
    async fn check_seats(&self, old: &Charter, resharing: &Resharing) -> Result<(), Error> {
        let (mut unknown, mut differ, mut offline) = (Vec::new(), Vec::new(), Vec::new());
        for card in resharing.seats(old).into_values().map(|seat| seat.card) {
            let identity = card.identity;
            let is_node = matches!(card.kind, PartyKind::Cosigner | PartyKind::Guardian);
            match self.stored(move |store| store.party_show(&identity)).await? {
                None if is_node => unknown.push(card.party.clone()),
                Some(known) if is_node && known.document != card => differ.push(card.party.clone()),
                _ if !self.is_online(&identity) => offline.push(card.party.clone()),
                _ => {}
            }
        }
        match (unknown.is_empty(), differ.is_empty(), offline.is_empty()) {
            (false, _, _) => Err(Error::PartiesUnknown(unknown)),
            (_, false, _) => Err(Error::PartiesDiffer(differ)),
            (_, _, false) => Err(Error::PartiesOffline(offline)),
            (true, true, true) => Ok(()),
        }
    }

    /// Asks all who take part, and gives up in time. Asking twice does no harm.
    pub(crate) async fn reshare_begin(self: &Arc<Self>, row: &ReshareRow) -> Result<(), Error> {
        let order = self.reshare_order(row).await?;
        self.tell_seats(&order, &ToParty::Reshare(Box::new(order.clone()))).await;
        let seconds_max = seconds_max(row.resharing.document.engine);
        let patience = row.created_at.saturating_add(seconds_max).saturating_sub(self.now());
        let (this, digest) = (Arc::clone(self), row.resharing.document.digest());
        self.spawn(async move {
            tokio::time::sleep(Duration::from_secs(patience.min(seconds_max))).await;
            if let Err(error) = this.reshare_too_late(digest).await {
                tracing::error!(%error, detail = error.internal(), "a resharing that took too long cannot be given up");
            }
        });
        Ok(())
    }

    async fn reshare_too_late(self: &Arc<Self>, digest: Digest) -> Result<(), Error> {
        let Some(row) = self.looked(|store| store.reshare_show(&digest))? else { return Ok(()) };
        if row.state != ReshareState::Running {
            return Ok(());
        }
        let missing = self.successions.missing(&row.resharing.document);
        let names: Vec<&str> = missing.iter().map(PartyName::as_str).collect();
        let reason = format!(
            "no signature of `{}` came in time: it is away, or of a version that knows no resharing",
            names.join("`, `")
        );
        self.reshare_give_up(&row, reason).await
    }

    /// Asks everybody who has not signed to say that they never will.
    async fn reshare_give_up(self: &Arc<Self>, row: &ReshareRow, reason: String) -> Result<(), Error> {
        let (now, digest) = (self.now(), row.resharing.document.digest());
        tracing::warn!(account = %row.resharing.document.terms.account, reason, "a resharing is being given up");
        let kept = reason.clone();
        self.stored(move |store| store.reshare_note(&digest, &kept, now)).await?;
        let order = self.reshare_order(row).await?;
        self.tell_seats(&order, &ToParty::ReshareCancel(Box::new(order.clone()))).await;
        let this = Arc::clone(self);
        self.spawn(async move {
            tokio::time::sleep(Duration::from_secs(GIVE_UP_SECONDS)).await;
            if this.successions.is_begun(&digest) {
                return;
            }
            // Nobody has signed, as far as is known here; whoever has will say so, and stays bound.
            let now = this.now();
            let failed = this.stored(move |store| store.reshare_fail(digest, None, &reason, now)).await;
            if let Err(error) = failed {
                tracing::error!(%error, detail = error.internal(), "a resharing cannot be given up");
            }
        });
        Ok(())
    }

    /// A party keeps its new share and signed the charter as it computed it.
    pub(crate) async fn reshare_signed(
        self: &Arc<Self>,
        sender: IdentityKey,
        charter: Charter,
        signatures: BTreeMap<PartyName, Signature>,
    ) -> Result<(), Error> {
        let account = charter.terms.account;
        let rows = self.stored(move |store| store.reshare_list(account)).await?;
        let of = |row: &&ReshareRow| {
            Some(row.resharing.document.charter) == charter.previous
                && row.resharing.document.terms == charter.terms
                && row.resharing.document.created_at == charter.created_at
                && row.resharing.document.engine == charter.engine
        };
        let Some(row) = rows.iter().find(of) else {
            tracing::warn!(%account, party = sender.fingerprint(), "a charter that nobody proposed was ignored");
            return Ok(());
        };
        match &row.state {
            ReshareState::Done(signed) if signed.document == charter => {
                self.tell(&sender, &reshared(row, signed)).await;
                Ok(())
            }
            ReshareState::Done(_) => {
                tracing::warn!(%account, "a party signs another charter than the one in force");
                Ok(())
            }
            ReshareState::Failed(Some(word)) => {
                let abandonment = word.clone();
                self.tell(&sender, &ToParty::ReshareAbandon { abandonment }).await;
                Ok(())
            }
            ReshareState::Running | ReshareState::Failed(None) => {
                if cohold_chain_evm::Address::of_public_key(&charter.key.public_key.0).is_err() {
                    return Ok(());
                }
                let digest = row.resharing.document.digest();
                match self.successions.add(digest, charter, signatures) {
                    Some(signed) => self.reshare_commit(digest, *signed).await,
                    None => Ok(()),
                }
            }
        }
    }

    /// Every party to come signed: stored first, then handed to all.
    async fn reshare_commit(self: &Arc<Self>, digest: Digest, signed: Signed<Charter>) -> Result<(), Error> {
        let account = signed.document.terms.account;
        if let Err(error) = signed.check() {
            tracing::warn!(%account, %error, "a charter is refused");
            return Ok(());
        }
        let (now, stored) = (self.now(), signed.clone());
        let old = self.charter(account)?;
        let committed = self.stored(move |store| store.reshare_commit(&digest, &stored, now)).await?;
        crash_point!("server.reshare-committed");
        let Some((row, reopened)) = committed else { return Ok(()) };
        self.charter_forget(account);
        self.successions.forget(&digest);
        tracing::info!(%account, epoch = %signed.document.epoch, "the account is in its next epoch");
        for request in reopened {
            self.bells.ring(request);
        }
        self.bells.ring(account);
        let words = reshared(&row, &signed);
        for card in parties(&old.document, &signed.document) {
            self.tell(&card.identity, &words).await;
        }
        Ok(())
    }

    /// A dealer's word.
    pub(crate) async fn reshare_dealt(&self, word: Signed<Dealt>) -> Result<(), Error> {
        let Dealt { account, charter, party } = &word.document;
        let (account, charter, party) = (*account, *charter, party.clone());
        let rows = self.stored(move |store| store.reshare_list(account)).await?;
        for row in rows.iter().filter(|row| row.resharing.document.dealers.contains(&party)) {
            let digest = row.resharing.document.digest();
            let known = match &row.state {
                ReshareState::Done(signed) => signed.document.digest() == charter,
                ReshareState::Running => true,
                ReshareState::Failed(_) => false,
            };
            let old = self.charter_by_digest(account, row.resharing.document.charter).await?;
            let by = old.as_ref().and_then(|old| old.document.terms.party(&party));
            if known && by.is_some_and(|(_, card)| word.is_signed_by(&party, &card.identity)) {
                let kept = word.clone();
                self.stored(move |store| store.reshare_dealt(&digest, &kept)).await?;
                if let ReshareState::Done(signed) = &row.state
                    && let Some((_, card)) = by
                {
                    self.tell(&card.identity, &reshared(row, signed)).await;
                    self.reshare_tell_leavers(digest).await?;
                }
                return Ok(());
            }
        }
        Ok(())
    }

    /// Hands out a handover that has become complete to those who needed all of it.
    async fn reshare_tell_leavers(&self, digest: Digest) -> Result<(), Error> {
        let Some(row) = self.looked(|store| store.reshare_show(&digest))? else { return Ok(()) };
        let ReshareState::Done(signed) = &row.state else { return Ok(()) };
        let account = signed.document.terms.account;
        let old = self.charter_by_digest(account, row.resharing.document.charter).await?;
        for card in old.iter().flat_map(|old| &old.document.terms.parties) {
            if signed.document.terms.party_by_identity(&card.identity).is_none() {
                self.tell(&card.identity, &reshared(&row, signed)).await;
            }
        }
        Ok(())
    }

    /// A party says how far it is with its primes.
    pub(crate) async fn reshare_primes(
        &self,
        sender: IdentityKey,
        digest: Digest,
        made: u8,
    ) -> Result<(), Error> {
        let Some(row) = self.looked(|store| store.reshare_show(&digest))? else { return Ok(()) };
        let by = row.resharing.document.terms.party_by_identity(&sender);
        if let Some((_, card)) = by
            && row.state == ReshareState::Running
        {
            lock(&self.successions.primes).entry(digest).or_default().insert(card.party.clone(), made);
        }
        Ok(())
    }

    /// A party takes no part, or its run broke off and it stays bound.
    pub(crate) async fn reshare_failed(
        self: &Arc<Self>,
        sender: IdentityKey,
        digest: Digest,
        reason: String,
    ) -> Result<(), Error> {
        let Some(row) = self.looked(|store| store.reshare_show(&digest))? else { return Ok(()) };
        let account = row.resharing.document.terms.account;
        let old = self.charter(account)?;
        let seats = row.resharing.document.seats(&old.document);
        let seat = seats.values().find(|seat| seat.card.identity == sender);
        if let Some(seat) = seat
            && row.state == ReshareState::Running
        {
            let reason = format!("`{}`: {}", seat.card.party, said(&reason));
            self.reshare_give_up(&row, reason).await?;
        }
        Ok(())
    }

    /// A party never signs: the resharing is over, and all who prepared may drop it.
    pub(crate) async fn reshare_abandoned(
        &self,
        word: Signed<Abandonment>,
        reason: String,
    ) -> Result<(), Error> {
        let digest = word.document.resharing;
        let Some(row) = self.looked(|store| store.reshare_show(&digest))? else { return Ok(()) };
        if !is_abandoned(&row.resharing.document, &word) {
            tracing::warn!("a word that a resharing is given up was not its party's: ignored");
            return Ok(());
        }
        let reason = format!("`{}`: {}", word.document.party, said(&reason));
        let (now, kept) = (self.now(), word.clone());
        let failed = self.stored(move |store| store.reshare_fail(digest, Some(&kept), &reason, now)).await?;
        crash_point!("server.reshare-failed");
        self.successions.forget(&digest);
        if let Some(row) = failed {
            let words = ToParty::ReshareAbandon { abandonment: Box::new(word) };
            let order = self.reshare_order(&row).await?;
            self.tell_seats(&order, &words).await;
        }
        Ok(())
    }

    /// A party is under a charter, or out by it.
    pub(crate) async fn reshare_taken(
        &self,
        sender: IdentityKey,
        account: AccountId,
        charter: Digest,
    ) -> Result<(), Error> {
        self.stored(move |store| store.reshare_told(&sender, &charter)).await?;
        self.bells.ring(account);
        Ok(())
    }

    /// What a party that came back may have missed.
    pub(crate) async fn reshare_greet(self: &Arc<Self>, sender: IdentityKey) -> Result<(), Error> {
        for row in self.stored(move |store| store.reshare_list_untold(&sender)).await? {
            if let ReshareState::Done(signed) = &row.state {
                self.tell(&sender, &reshared(&row, signed)).await;
            }
        }
        for row in self.stored(|store| store.reshare_list_running()).await? {
            let order = self.reshare_order(&row).await?;
            let seats = row.resharing.document.seats(&order.charter.document);
            if seats.values().any(|seat| seat.card.identity == sender) {
                let seconds_max = seconds_max(row.resharing.document.engine);
                let late = row.created_at.saturating_add(seconds_max) <= self.now();
                let order = Box::new(order);
                let words = if late { ToParty::ReshareCancel(order) } else { ToParty::Reshare(order) };
                self.tell(&sender, &words).await;
            }
        }
        Ok(())
    }

    /// The handover that brought an account to the charter in force, if one did.
    pub(crate) async fn reshare_last(&self, charter: &Charter) -> Result<Option<ToParty>, Error> {
        let (account, wanted) = (charter.terms.account, charter.digest());
        let rows = self.stored(move |store| store.reshare_list(account)).await?;
        Ok(rows.iter().find_map(|row| match &row.state {
            ReshareState::Done(signed) if signed.document.digest() == wanted => Some(reshared(row, signed)),
            _ => None,
        }))
    }

    async fn reshare_running(&self, account: AccountId) -> Result<Option<ReshareRow>, Error> {
        let rows = self.stored(move |store| store.reshare_list(account)).await?;
        Ok(rows.into_iter().find(|row| row.state == ReshareState::Running))
    }

    async fn reshare_order(&self, row: &ReshareRow) -> Result<ReshareOrder, Error> {
        let (account, previous) = (row.resharing.document.terms.account, row.resharing.document.charter);
        let charter = self.charter_by_digest(account, previous).await?;
        let charter = charter.ok_or(Error::Corrupt("a resharing of a charter that is not there"))?;
        let rows = self.stored(move |store| store.reshare_list(account)).await?;
        let earlier = rows.into_iter().filter(|other| other.resharing.document.charter == previous);
        let word = |row: ReshareRow| match row.state {
            ReshareState::Failed(word) => word.map(|word| *word),
            ReshareState::Running | ReshareState::Done(_) => None,
        };
        Ok(ReshareOrder {
            charter,
            resharing: row.resharing.clone(),
            consent: row.consent.clone(),
            abandoned: earlier.filter_map(word).take(ABANDONED_MAX).collect(),
        })
    }

    /// A charter of an account, in force or past.
    async fn charter_by_digest(
        &self,
        account: AccountId,
        digest: Digest,
    ) -> Result<Option<Signed<Charter>>, Error> {
        let current = self.charter(account)?;
        if current.document.digest() == digest {
            return Ok(Some(current.signed()));
        }
        let past = self.stored(move |store| store.charter_list_past(account)).await?;
        Ok(past.into_iter().find(|charter| charter.document.digest() == digest))
    }

    async fn tell_seats(&self, order: &ReshareOrder, words: &ToParty) {
        for seat in order.resharing.document.seats(&order.charter.document).into_values() {
            self.tell(&seat.card.identity, words).await;
        }
    }

    async fn reshare_view(&self, row: ReshareRow) -> Result<ReshareView, Error> {
        let digest = row.resharing.document.digest();
        let (account, previous) = (row.resharing.document.terms.account, row.resharing.document.charter);
        let (status, charter) = match row.state {
            ReshareState::Running => (ReshareStatus::Running, None),
            ReshareState::Done(charter) => (ReshareStatus::Done, Some(*charter)),
            ReshareState::Failed(_) => (ReshareStatus::Failed, None),
        };
        let mut untold = Vec::new();
        if let Some(new) = &charter {
            let waiting = self.stored(move |store| store.reshare_untold(&digest)).await?;
            let old = self.charter_by_digest(account, previous).await?;
            let all = old.iter().flat_map(|old| parties(&old.document, &new.document));
            let is_waiting = |card: &&Card| waiting.contains(&card.identity.to_string());
            untold = all.filter(is_waiting).map(|card| card.party.clone()).collect();
        }
        Ok(ReshareView {
            resharing: row.resharing,
            status,
            reason: row.reason,
            charter,
            dealt: row.dealt,
            untold,
            primes: self.successions.primes(&digest),
            created_at: row.created_at,
        })
    }
}

impl Successions {
    /// Adds signatures that hold; the charter, once all have signed it.
    fn add(
        &self,
        resharing: Digest,
        charter: Charter,
        signatures: BTreeMap<PartyName, Signature>,
    ) -> Option<Box<Signed<Charter>>> {
        let digest = charter.digest();
        let genuine = signatures.into_iter().filter(|(party, signature)| {
            charter.terms.party(party).is_some_and(|(_, card)| card.identity.verify(&digest, signature))
        });
        let genuine: Vec<_> = genuine.collect();
        if genuine.is_empty() {
            return None;
        }
        let mut all = lock(&self.collected);
        let collected = all
            .entry(resharing)
            .or_insert_with(|| Collected { charter: charter.clone(), signatures: BTreeMap::new() });
        if collected.charter != charter {
            tracing::error!("the parties of a resharing computed different charters");
            return None;
        }
        collected.signatures.extend(genuine);
        if collected.signatures.len() < charter.terms.parties.len() {
            return None;
        }
        Some(Box::new(Signed { document: charter, signatures: collected.signatures.clone() }))
    }

    /// How many primes each party has made.
    fn primes(&self, resharing: &Digest) -> BTreeMap<PartyName, u8> {
        lock(&self.primes).get(resharing).cloned().unwrap_or_default()
    }

    /// Parties to come that have not signed.
    fn missing(&self, resharing: &Resharing) -> Vec<PartyName> {
        let all = lock(&self.collected);
        let collected = all.get(&resharing.digest());
        let signed = |party: &PartyName| collected.is_some_and(|them| them.signatures.contains_key(party));
        let names = resharing.terms.parties.iter().map(|card| card.party.clone());
        names.filter(|party| !signed(party)).collect()
    }

    /// Whether anybody signed.
    fn is_begun(&self, resharing: &Digest) -> bool {
        lock(&self.collected).contains_key(resharing)
    }

    fn forget(&self, resharing: &Digest) {
        lock(&self.primes).remove(resharing);
        lock(&self.collected).remove(resharing);
    }
}

/// Everybody who is in one of the charters, each once.
fn parties<'a>(old: &'a Charter, new: &'a Charter) -> impl Iterator<Item = &'a Card> {
    let comes = |card: &&Card| old.terms.party_by_identity(&card.identity).is_none();
    old.terms.parties.iter().chain(new.terms.parties.iter().filter(comes))
}

fn reshared(row: &ReshareRow, charter: &Signed<Charter>) -> ToParty {
    ToParty::Reshared(Box::new(Handover {
        resharing: row.resharing.clone(),
        charter: charter.clone(),
        dealt: row.dealt.clone(),
    }))
}

/// A party's words, as they are kept and shown.
fn said(reason: &str) -> String {
    reason.chars().filter(|c| !c.is_control()).take(REASON_LENGTH_MAX).collect()
}
