//! What must hold after every step, on the wire and on the disks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cohold_model::canonical::digest_parts;
use cohold_model::charter::Charter;
use cohold_model::{
    AccountId, Digest, Document as _, HexBytes, IdentityKey, PartyIndex, Resharing, SessionId,
};
use cohold_mpc::Envelope;
use cohold_party::wire::FromParty;
use cohold_store::PartyStore;
use cohold_store::party::ReshareState;

use super::host::{Effect, Host};

/// Encapsulated key and salt, which every envelope begins with and no two sealers share.
const SEALER_BYTES: usize = 64;
type Sealer = [u8; SEALER_BYTES];

/// What is never to be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// Every charter that is said or in force has the account's one public key.
    OnePublicKey,
    /// No session is taken up twice from one disk; no sealing key serves two sessions; no key and nonce
    /// seal two messages; no two signatures share their `r`.
    NoNonceTwice,
    /// A party has shares of the epoch of its charter and no other, and signs under no other.
    NoMixedEpochs,
    /// A charter has one successor.
    OneSuccessor,
    /// A threshold of parties holds shares of one charter that is in force or can come into force.
    LiveQuorum,
    /// Who was banned stays banned, and gets no message of a signature any more.
    BannedStaysBanned,
    /// A party that has only its own disk's history never says two things that exclude each other.
    NoContradiction,
    /// When all is calm again, those who hold the shares sign.
    SignsInTheEnd,
}

/// What was broken, where.
#[derive(Debug, Clone)]
pub struct Violation {
    /// What.
    pub invariant: Invariant,
    /// How.
    pub detail: String,
}

fn broken(invariant: Invariant, detail: impl Into<String>) -> Result<(), Violation> {
    Err(Violation { invariant, detail: detail.into() })
}

/// What was on a host's disk when it was looked at last.
#[derive(Debug, Clone, Default)]
pub(super) struct View {
    pub(super) in_force: Option<Arc<Charter>>,
    pub(super) digest: Option<Digest>,
    pub(super) banned: BTreeSet<usize>,
    prepared: Option<Digest>,
}

/// The watch over one account.
#[derive(Debug, Default)]
pub struct Watch {
    account: Option<AccountId>,
    public_key: Option<HexBytes>,
    pub(super) views: Vec<View>,
    names: Vec<String>,
    identities: Vec<IdentityKey>,
    /// How often an old copy was put back on a host's disk.
    pub(super) lives: Vec<u32>,
    /// Hosts that are gone for good.
    pub(super) lost: BTreeSet<usize>,
    charters: BTreeMap<String, Arc<Charter>>,
    complete: BTreeSet<Digest>,
    successors: BTreeMap<u32, Digest>,
    signing: BTreeSet<SessionId>,
    seen: BTreeMap<(SessionId, usize, usize), BTreeMap<Sealer, u32>>,
    ends: BTreeMap<Sealer, (SessionId, usize, usize)>,
    sealed: BTreeMap<(Sealer, u16), Digest>,
    nonces: BTreeMap<[u8; 32], Vec<u8>>,
    /// Who banned whom, with the life in which they were seen on the disk.
    bans: BTreeMap<(usize, usize), u32>,
    said: BTreeMap<(usize, Digest), Word>,
    resharings: Vec<Resharing>,
    /// Whether there has been a quorum.
    begun: bool,
    /// Whether a host whose disk was put back has contradicted itself: what follows is its doing.
    pub(super) excused: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Signs,
    NeverSigns,
}

impl Watch {
    /// Over these hosts.
    #[must_use]
    pub fn over(hosts: &[Host], account: AccountId) -> Self {
        Self {
            account: Some(account),
            views: vec![View::default(); hosts.len()],
            names: hosts.iter().map(|host| host.card.party.to_string()).collect(),
            identities: hosts.iter().map(|host| host.card.identity).collect(),
            lives: vec![0; hosts.len()],
            ..Self::default()
        }
    }

    /// A charter that all its parties signed.
    pub fn complete(&mut self, charter: &Charter) -> Result<(), Violation> {
        self.complete.insert(charter.digest());
        self.one_key(charter)
    }

    /// A session in which something is signed.
    pub fn signing(&mut self, session: SessionId) {
        self.signing.insert(session);
    }

    /// What a host sends, before anybody bends it.
    pub fn sent(&mut self, i: usize, effect: &Effect) -> Result<(), Violation> {
        match effect {
            Effect::Post(to, envelope) => match self.place(to) {
                Some(to) => self.posted(i, to, envelope),
                None => Ok(()),
            },
            Effect::Say(words) => self.spoken(i, words),
        }
    }

    fn posted(&mut self, i: usize, to: usize, envelope: &Envelope) -> Result<(), Violation> {
        let (name, life) = (self.name(i), self.life(i));
        let Some(end) = envelope.sealed.first_chunk::<SEALER_BYTES>().copied() else { return Ok(()) };
        let place = (envelope.session, i, to);
        let known = self.seen.entry(place).or_default();
        let new = known.is_empty();
        match known.get(&end) {
            None if known.values().any(|in_life| *in_life == life) => {
                return broken(
                    Invariant::NoNonceTwice,
                    format!("{name} took up one session twice, from one disk"),
                );
            }
            None => drop(known.insert(end, life)),
            Some(_) => {}
        }
        if self.ends.insert(end, place).is_some_and(|known| known != place) {
            return broken(Invariant::NoNonceTwice, format!("{name} seals two sessions under one key"));
        }
        let digest = digest_parts("cohold/testkit/sealed/v1", &[&envelope.sealed]);
        if self.sealed.insert((end, envelope.round), digest).is_some_and(|known| known != digest) {
            return broken(Invariant::NoNonceTwice, format!("{name} seals two messages under one nonce"));
        }
        if !new || !self.signing.contains(&envelope.session) {
            return Ok(());
        }
        let view = self.views.get(i).expect("a view of each host");
        if view.in_force.as_ref().map(|charter| charter.epoch) != Some(envelope.epoch) {
            return broken(
                Invariant::NoMixedEpochs,
                format!("{name} signs in epoch {}, which is not in force there", envelope.epoch),
            );
        }
        if self.bans.get(&(i, to)).is_some_and(|in_life| *in_life == life) {
            return broken(
                Invariant::BannedStaysBanned,
                format!("{name} signs with {}, whom it banned", self.name(to)),
            );
        }
        Ok(())
    }

    fn spoken(&mut self, i: usize, words: &FromParty) -> Result<(), Violation> {
        match words {
            FromParty::CharterSigned { charter, .. } => self.one_key(charter),
            FromParty::ReshareSigned { charter, .. } => {
                self.one_key(charter)?;
                match self.resharing_of(charter) {
                    Some(resharing) => self.says(i, resharing, Word::Signs),
                    None => Ok(()),
                }
            }
            FromParty::ReshareAbandoned { abandonment, .. } => {
                self.says(i, abandonment.document.resharing, Word::NeverSigns)
            }
            FromParty::Signature { signature, .. } => self.one_nonce(signature),
            _ => Ok(()),
        }
    }

    fn one_key(&mut self, charter: &Charter) -> Result<(), Violation> {
        let key = &charter.key.public_key;
        if self.public_key.get_or_insert_with(|| key.clone()) == key {
            return Ok(());
        }
        broken(Invariant::OnePublicKey, format!("charter version {} has another key", charter.version))
    }

    fn one_nonce(&mut self, signature: &HexBytes) -> Result<(), Violation> {
        let (Some(r), Some(s)) = (signature.0.first_chunk::<32>(), signature.0.get(32..64)) else {
            return broken(Invariant::NoNonceTwice, "a signature has no 64 bytes");
        };
        if self.nonces.insert(*r, s.to_vec()).is_some_and(|known| known != s) {
            return broken(Invariant::NoNonceTwice, "two signatures have the same `r`");
        }
        Ok(())
    }

    /// A host signs the charter of a resharing, or says that it never will: one of both, for ever.
    fn says(&mut self, i: usize, resharing: Digest, word: Word) -> Result<(), Violation> {
        match self.said.insert((i, resharing), word) {
            Some(known) if known != word => {
                let name = self.name(i);
                if self.life(i) == 0 {
                    let detail = format!("{name} signs a charter, and says that it never does");
                    return broken(Invariant::NoContradiction, detail);
                }
                // Two signed documents convict it; what a liar of two faces can do is another matter.
                self.excused = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A resharing that somebody may sign the charter of.
    pub fn resharing(&mut self, resharing: &Resharing) {
        self.resharings.push(resharing.clone());
    }

    fn resharing_of(&self, charter: &Charter) -> Option<Digest> {
        let made_of = |resharing: &&Resharing| {
            Some(resharing.charter) == charter.previous
                && resharing.created_at == charter.created_at
                && resharing.terms == charter.terms
        };
        self.resharings.iter().find(made_of).map(Resharing::digest)
    }

    /// Looks at a host's disk.
    pub fn look(&mut self, i: usize, store: &PartyStore) -> Result<(), Violation> {
        let account = self.account.expect("the watch is over an account");
        let name = self.name(i);
        let standing = store.account_standing(account).expect("the database is read");
        let Some(standing) = standing else {
            // Its bans went with its share.
            self.bans.retain(|(host, _), _| *host != i);
            // Who shall join holds a share before any account of its own.
            let prepared =
                self.resharings.iter().find_map(|resharing| prepared(store, account, &resharing.charter));
            *self.views.get_mut(i).expect("a view of each host") = View { prepared, ..View::default() };
            return self.live_quorum();
        };
        let charter = self.charter(account, &standing.charter, store);
        let (digest, epoch) = (charter.digest(), charter.epoch.0);
        self.one_key(&charter)?;
        if !self.excused && *self.successors.entry(charter.version).or_insert(digest) != digest {
            let detail = format!("{name} has another charter of version {} than others", charter.version);
            return broken(Invariant::OneSuccessor, detail);
        }
        for other in epoch.saturating_sub(2)..=epoch + 1 {
            let has = store
                .key_show(account, other, charter.engine.name())
                .expect("the database is read")
                .is_some();
            if has != (other == epoch) {
                let detail =
                    format!("{name} is in epoch {epoch}, and of epoch {other} it has a share: {has}");
                return broken(Invariant::NoMixedEpochs, detail);
            }
        }
        let prepared = prepared(store, account, &digest);
        let place =
            |index: &PartyIndex| charter.terms.party_at(*index).and_then(|card| self.place(&card.identity));
        let banned: BTreeSet<_> = standing.banned.iter().filter_map(place).collect();
        self.bans_stay(i, &charter, &banned)?;
        let view = View { in_force: Some(charter), digest: Some(digest), banned, prepared };
        *self.views.get_mut(i).expect("a view of each host") = view;
        self.live_quorum()
    }

    fn charter(&mut self, account: AccountId, digest: &str, store: &PartyStore) -> Arc<Charter> {
        let shown = || {
            let active = store.account_show(account).expect("the database is read");
            Arc::new(active.expect("the account is in force").charter.document)
        };
        Arc::clone(self.charters.entry(digest.into()).or_insert_with(shown))
    }

    fn bans_stay(&mut self, i: usize, charter: &Charter, banned: &BTreeSet<usize>) -> Result<(), Violation> {
        let life = self.life(i);
        // Who left the account is nobody's matter any more.
        let identities = &self.identities;
        let is_party = |who: &usize| {
            identities.get(*who).is_some_and(|identity| charter.terms.party_by_identity(identity).is_some())
        };
        self.bans.retain(|(host, who), _| *host != i || is_party(who));
        let known = self.bans.iter().filter(|((host, _), in_life)| *host == i && **in_life == life);
        if let Some(((_, who), _)) = known.clone().find(|((_, who), _)| !banned.contains(who)) {
            let detail = format!("{} has forgotten that it banned {}", self.name(i), self.name(*who));
            return broken(Invariant::BannedStaysBanned, detail);
        }
        self.bans.extend(banned.iter().map(|who| ((i, *who), life)));
        Ok(())
    }

    /// How many parties hold a share of each charter that is in force or can come into force.
    fn holders(&self) -> BTreeMap<Digest, Vec<usize>> {
        let mut holders: BTreeMap<Digest, Vec<usize>> = BTreeMap::new();
        for (i, view) in self.views.iter().enumerate().filter(|(i, _)| !self.lost.contains(i)) {
            let prepared = view.prepared.filter(|digest| self.complete.contains(digest));
            for digest in view.digest.into_iter().chain(prepared) {
                holders.entry(digest).or_default().push(i);
            }
        }
        holders
    }

    /// The charter of which a threshold of parties holds shares, and who they are; of several, the newest.
    pub(super) fn quorum(&self) -> Option<(Arc<Charter>, Vec<usize>)> {
        let known = |digest: &Digest| self.charters.get(&digest.to_string()).cloned();
        let holders = self.holders().into_iter();
        let quorums = holders.filter_map(|(digest, holders)| {
            let charter = known(&digest)?;
            (holders.len() >= usize::from(charter.terms.threshold)).then_some((charter, holders))
        });
        quorums.max_by_key(|(charter, _)| charter.version)
    }

    /// From now on there is a quorum: all hosts of an account in force were looked at.
    pub(super) fn begin(&mut self) -> Result<(), Violation> {
        self.begun = true;
        self.live_quorum()
    }

    /// Once there was a quorum, there always is one.
    fn live_quorum(&mut self) -> Result<(), Violation> {
        if self.quorum().is_some() {
            self.begun = true;
            return Ok(());
        }
        if !self.begun || self.excused {
            return Ok(());
        }
        broken(Invariant::LiveQuorum, format!("holders of shares: {:?}", self.named_holders()))
    }

    fn named_holders(&self) -> Vec<Vec<String>> {
        let names = |holders: Vec<usize>| holders.into_iter().map(|i| self.name(i)).collect();
        self.holders().into_values().map(names).collect()
    }

    /// Whether a host has sent anything in a session.
    pub(super) fn has_sent(&self, session: SessionId, i: usize) -> bool {
        self.seen.keys().any(|(known, from, _)| *known == session && *from == i)
    }

    fn name(&self, i: usize) -> String {
        self.names.get(i).cloned().unwrap_or_default()
    }

    fn place(&self, identity: &IdentityKey) -> Option<usize> {
        self.identities.iter().position(|known| known == identity)
    }

    fn life(&self, i: usize) -> u32 {
        self.lives.get(i).copied().unwrap_or_default()
    }
}

/// The charter of the share that a host keeps for the epoch after this charter's.
fn prepared(store: &PartyStore, account: AccountId, charter: &Digest) -> Option<Digest> {
    let row = store.reshare_open(account, charter).expect("the database is read");
    let row = row.filter(|row| row.state == ReshareState::Prepared && row.holds)?;
    row.charter.map(|charter| charter.digest())
}
