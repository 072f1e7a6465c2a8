//! What a party tells its peers about bans, and hears from them. A ban is as durable as the database that
//! it is in; so its notice lies with every peer as well, and comes back from there.

use std::sync::Arc;
use std::time::Duration;

use cohold_model::account::Card;
use cohold_model::case::Sentence;
use cohold_model::{AccountId, Case, Digest, Document as _, IdentityKey};
use cohold_mpc::Envelope;
use cohold_party::case::{Standing, weigh};
use cohold_party::peer::{self, Between, CASES_MAX, PeerWord};
use cohold_party::wire::{FromParty, Message};
use cohold_relay::Address;
use cohold_store::party::NewCase;
use tokio::time::timeout;

use crate::keeper::{KeepError, Kept};
use crate::runtime::{Runtime, blocking};

/// How long the first signature of an account waits for its peers' answers, once in a process.
const PATIENCE: Duration = Duration::from_millis(1500);
/// The most cases in one word, which must fit in an envelope.
const TOLD_MAX: usize = CASES_MAX / 2;

impl Runtime {
    /// Reads the cases that the store has.
    pub(crate) async fn cases_load(&self) {
        let keeper = Arc::clone(&self.keeper);
        let open = move || keeper.cases().map_or(Ok(Vec::new()), |cases| cases.cases_open());
        match blocking::<_, KeepError>(open).await {
            Ok(rows) => self.casebook.load(rows),
            Err(error) => tracing::error!(%error, "the cases cannot be read"),
        }
    }

    /// Asks the peers of an account, once in the life of this process, which cases they have of this party: it
    /// may have been restored from a copy that is older than its bans. Returns when all nodes among them have
    /// answered, or after a while. What comes later counts all the same.
    pub(crate) async fn peers_asked(self: &Arc<Self>, account: AccountId) {
        if self.keeper.cases().is_none() {
            return;
        }
        let asked = self.casebook.asked(account);
        if asked.initialized() {
            return;
        }
        let known = asked.get_or_try_init(|| self.peers_ask(account)).await;
        if let Err(error) = known {
            tracing::debug!(%account, %error, "nobody can be asked about this account");
            self.casebook.not_asked(account);
        }
    }

    async fn peers_ask(self: &Arc<Self>, account: AccountId) -> Result<(), KeepError> {
        let keeper = Arc::clone(&self.keeper);
        let kept = blocking(move || keeper.kept(account)).await?;
        let question = peer::random(&mut crate::rng());
        let me = self.card.identity;
        let peers = kept.charter.terms.parties.iter().filter(|card| card.identity != me);
        let nodes = peers.clone().filter(|card| card.kind.is_node()).map(|card| card.identity);
        let all = self.casebook.question(question, nodes);
        for card in peers {
            self.say_to_peer(&kept, card, PeerWord::Ask { question }).await;
        }
        let Some(all) = all else { return Ok(()) };
        if timeout(PATIENCE, all).await.is_err() {
            let missing = self.casebook.give_up(&question);
            tracing::info!(%account, missing, "peers did not say which bans of this party they know");
        }
        Ok(())
    }

    /// Tells every peer what this party found and they have not said to keep: of one account, or of all.
    pub(crate) async fn cases_tell(self: Arc<Self>, account: Option<AccountId>) {
        let accounts = account.map_or_else(|| self.casebook.own_accounts(), |account| vec![account]);
        for account in accounts {
            let keeper = Arc::clone(&self.keeper);
            let Ok(kept) = blocking(move || keeper.kept(account)).await else { continue };
            let me = self.card.identity;
            for card in kept.charter.terms.parties.iter().filter(|card| card.identity != me) {
                self.cases_tell_peer(&kept, card).await;
            }
        }
    }

    async fn cases_tell_peer(&self, kept: &Kept, peer: &Card) {
        let due = self.casebook.due(kept.charter.terms.account, &peer.identity);
        for cases in due.chunks(TOLD_MAX) {
            self.say_to_peer(kept, peer, PeerWord::Mine { cases: cases.to_vec() }).await;
        }
    }

    async fn say_to_peer(&self, kept: &Kept, receiver: &Card, word: PeerWord) {
        let terms = &kept.charter.terms;
        let own = terms.party_by_identity(&self.card.identity);
        let Some(((from, _), (to, _))) = own.zip(terms.party_by_identity(&receiver.identity)) else { return };
        let between = Between { account: terms.account, epoch: kept.charter.epoch, from, to, receiver };
        let sealed = peer::seal(&word, between, &self.keys, &mut crate::rng());
        let envelope = match sealed {
            Ok(envelope) => envelope,
            Err(error) => return tracing::warn!(%error, peer = %receiver.party, "a peer is not told"),
        };
        let Ok(body) = Message::<FromParty>::encode_peer(&envelope) else { return };
        if let Err(error) = self.link.send(Address::Party(receiver.identity), body).await {
            tracing::debug!(%error, "a word for a peer was not sent");
        }
    }

    /// A word from whom the relay says. It opens only if that is true.
    pub(crate) async fn on_peer(self: Arc<Self>, from: IdentityKey, envelope: Envelope) {
        let (keeper, account) = (Arc::clone(&self.keeper), envelope.account);
        if keeper.cases().is_none() {
            return;
        }
        let Ok(kept) = blocking(move || keeper.kept(account)).await else { return };
        let Some((_, sender)) = kept.charter.terms.party_by_identity(&from) else { return };
        let Some(word) = peer::open(&envelope, sender, &self.keys) else {
            return tracing::debug!(peer = %sender.party, "a peer's word was not understood");
        };
        match word {
            PeerWord::Ask { question } => {
                let cases = self.casebook.of(account, &from);
                let mut parts = cases.chunks(TOLD_MAX).map(<[Case]>::to_vec).collect::<Vec<_>>();
                // The last part answers the question; the parts before are of no question.
                let last = parts.pop().unwrap_or_default();
                for cases in parts {
                    let none = Digest([0; 32]);
                    self.say_to_peer(&kept, sender, PeerWord::Yours { question: none, cases }).await;
                }
                self.say_to_peer(&kept, sender, PeerWord::Yours { question, cases: last }).await;
                self.cases_tell_peer(&kept, sender).await;
            }
            PeerWord::Yours { question, cases } => {
                self.cases_back(&kept, &from, cases).await;
                self.casebook.answer(&question, &from);
            }
            PeerWord::Mine { cases } => {
                let notices = self.cases_hear(&kept, sender, cases).await;
                if !notices.is_empty() {
                    self.say_to_peer(&kept, sender, PeerWord::Kept { notices }).await;
                }
            }
            PeerWord::Kept { notices } => self.cases_kept(account, from, notices).await,
        }
    }

    /// This party's own cases come back. Whichever it has forgotten, it takes up again: what it signed once,
    /// it stands by.
    async fn cases_back(self: &Arc<Self>, kept: &Kept, from: &IdentityKey, cases: Vec<Case>) {
        let terms = &kept.charter.terms;
        let mut forgotten = false;
        for case in cases {
            let notice = case.notice.document.digest();
            if self.casebook.knows(terms.account, &notice) {
                continue;
            }
            let of_me = case.finder().is_some_and(|card| card.identity == self.card.identity);
            let standing = weigh(&case);
            let proved = matches!(standing, Ok(Standing::Convicted));
            if let Err(error) = standing {
                tracing::warn!(%error, "a peer gives back a case that is none");
                continue;
            }
            if !of_me || case.notice.document.account != terms.account {
                continue;
            }
            self.inboxes.cancel_account(terms.account);
            if self.case_keep(kept, case, proved, true).await {
                forgotten = true;
                tracing::error!(account = %terms.account, %notice,
                    "a peer gave back a ban of this party's that its database does not have: was an old copy restored?");
                let (keeper, from) = (Arc::clone(&self.keeper), *from);
                let noted = move || match keeper.cases() {
                    Some(cases) => cases.case_kept(&notice, &from, crate::now()),
                    None => Ok(()),
                };
                drop(blocking::<_, KeepError>(noted).await);
            }
        }
        if forgotten {
            self.cases_load().await;
            self.inboxes.cancel_account(terms.account);
        }
    }

    /// A peer tells what it found. Evidence that anybody can judge bans here as well; a mere word is kept,
    /// binds who gave it, and bans nobody. Returns what is kept.
    async fn cases_hear(self: &Arc<Self>, kept: &Kept, sender: &Card, cases: Vec<Case>) -> Vec<Digest> {
        let (terms, key) = (&kept.charter.terms, &kept.charter.key.public_key);
        let (mut notices, mut new) = (Vec::new(), false);
        for case in cases {
            let notice = case.notice.document.digest();
            if self.casebook.knows(terms.account, &notice) {
                notices.push(notice);
                continue;
            }
            let of_sender = case.finder().is_some_and(|card| card.identity == sender.identity);
            let same = case.notice.document.account == terms.account
                && case.charter.document.key.public_key == *key
                && case.to_text().is_ok();
            let standing = match weigh(&case) {
                Ok(standing) if of_sender && same => standing,
                Ok(_) => continue,
                Err(error) => {
                    tracing::warn!(%error, peer = %sender.party, "a peer tells of a case that is none");
                    continue;
                }
            };
            let offender = case.offender().map(|card| card.party.to_string()).unwrap_or_default();
            let proved = standing == Standing::Convicted;
            let myself = case.offender().is_some_and(|card| card.identity == self.card.identity);
            if self.case_keep(kept, case, proved, proved && !myself).await {
                let (account, standing) = (terms.account, standing.word());
                tracing::warn!(%account, peer = %sender.party, %offender, standing, %notice, "a peer tells of a case");
                notices.push(notice);
                new = true;
            }
        }
        if new {
            self.cases_load().await;
        }
        notices
    }

    /// Keeps a case, and bans by it where it must and the offender is a party of today. Whether it is
    /// durable.
    async fn case_keep(self: &Arc<Self>, kept: &Kept, case: Case, proved: bool, bans: bool) -> bool {
        let terms = &kept.charter.terms;
        let account = terms.account;
        let offender = case.offender().and_then(|card| terms.party_by_identity(&card.identity));
        // Who is banned already needs no second ban, which would end sessions that have nothing to do with it.
        let offender = offender.map(|(index, _)| index);
        let offender = offender.filter(|index| bans && !kept.banned.contains(index));
        let keeper = Arc::clone(&self.keeper);
        let keep = move || {
            let Some(cases) = keeper.cases() else { return Ok(()) };
            let new = NewCase { case: &case, proved };
            match offender {
                Some(party) => cases.ban_with(account, party, &told(&case), Some(new), crate::now()),
                None => cases.case_add(new, crate::now()),
            }
        };
        if let Err(error) = blocking::<_, KeepError>(keep).await {
            tracing::error!(%error, "a case cannot be kept");
            return false;
        }
        if let Some(party) = offender {
            self.inboxes.cancel_account(account);
            tracing::error!(%account, %party, "banned for ever from this key");
        }
        true
    }

    async fn cases_kept(&self, account: AccountId, from: IdentityKey, notices: Vec<Digest>) {
        for notice in notices.into_iter().take(CASES_MAX) {
            if !self.casebook.kept(account, &notice, from) {
                continue;
            }
            let keeper = Arc::clone(&self.keeper);
            let noted = move || match keeper.cases() {
                Some(cases) => cases.case_kept(&notice, &from, crate::now()),
                None => Ok(()),
            };
            if let Err(error) = blocking::<_, KeepError>(noted).await {
                tracing::warn!(%error, "that a peer keeps a case is not noted: it is told again");
            }
        }
    }
}

/// What the table of bans says of a case.
fn told(case: &Case) -> String {
    let notice = &case.notice.document;
    let sentence = match &notice.sentence {
        Sentence::Ban(offender) => format!("ban of `{offender}`"),
        Sentence::Freeze => "freeze".into(),
    };
    format!("case {}: {sentence} by `{}`, {}", notice.digest(), notice.finder, notice.kind.words())
}
