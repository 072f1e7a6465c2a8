//! Parties and the relay between them; the test speaks as the coordinator.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use cohold_model::account::{PartyKind, Proposal, Role, Template, Terms, keygen_session};
use cohold_model::charter::Charter;
use cohold_model::{AccountId, HexBytes, IdentityKey, PartyIndex, SessionId, Signed};
use cohold_mpc::PartyKeys;
use cohold_party::Refusal;
use cohold_party::wire::{FromParty, SignOrder, ToParty};
use tempfile::TempDir;

use crate::PATIENCE;
use crate::account::{Account, JOINS, RULES, index};
use crate::mail::Letter;
use crate::party::{Party, Seal, Spec};
use crate::relay::Relay;

/// Parties, in the order in which accounts name them: `device`, `cosigner`, `guardian`, `node-4`, …
pub struct Cluster {
    /// The parties.
    pub parties: Vec<Party>,
    /// The relay.
    pub relay: Relay,
    _folder: TempDir,
}

/// What a party says to an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It signed.
    Signature(HexBytes),
    /// It does not sign.
    Refused(Refusal),
    /// The session broke off.
    Broken {
        /// Why.
        reason: String,
        /// Whom it banned.
        banned: Vec<PartyIndex>,
    },
}

impl Answer {
    /// The signature.
    #[must_use]
    pub fn signature(&self) -> Option<&HexBytes> {
        match self {
            Self::Signature(signature) => Some(signature),
            Self::Refused(_) | Self::Broken { .. } => None,
        }
    }

    /// The refusal.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            Self::Signature(_) | Self::Broken { .. } => None,
        }
    }
}

impl Cluster {
    /// `size` parties under [`RULES`], all running.
    #[must_use]
    pub fn start(size: u8) -> Self {
        Self::start_under(size, RULES)
    }

    /// The same, with parties that join in resharings at once.
    #[must_use]
    pub fn start_joining(size: u8) -> Self {
        Self::start_under(size, &format!("{RULES}{JOINS}"))
    }

    /// `size` parties under these rules, all running.
    #[must_use]
    pub fn start_under(size: u8, rules: &str) -> Self {
        Self::of((1..=size).map(|i| spec(i, rules)))
    }

    /// `size` parties that join in resharings at once, sign by the second engine, and keep presignatures.
    #[must_use]
    pub fn start_presigning(size: u8) -> Self {
        let rules = format!("{RULES}{JOINS}");
        Self::of((1..=size).map(|i| Spec { primes: Some(i), ..spec(i, &rules) }))
    }

    /// `size` parties that seal what they keep as in earnest, all running.
    #[must_use]
    pub fn start_sealed(size: u8) -> Self {
        Self::of((1..=size).map(|i| Spec { seal: Seal::Memorised, ..spec(i, RULES) }))
    }

    /// These parties, all running.
    #[must_use]
    pub fn of(specs: impl Iterator<Item = Spec>) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let relay = Relay::open();
        let mut parties: Vec<Party> =
            specs.map(|spec| Party::new(folder.path().join(spec.party.as_str()), spec)).collect();
        parties.iter_mut().for_each(|party| party.start(relay.url()));
        Self { parties, relay, _folder: folder }
    }

    /// The party at a point, from 1.
    #[must_use]
    pub fn party(&self, i: u8) -> &Party {
        self.parties.get(usize::from(i) - 1).expect("the party exists")
    }

    /// Cuts a party off.
    pub fn stop(&mut self, i: u8) {
        self.parties.get_mut(usize::from(i) - 1).expect("the party exists").stop();
    }

    /// Starts a party from its folder, and returns once it has said hello.
    pub fn start_again(&mut self, i: u8) {
        let mark = self.relay.mail().mark();
        self.parties.get_mut(usize::from(i) - 1).expect("the party exists").start(self.relay.url());
        let hello = |letter: &Letter| matches!(letter.words, FromParty::Hello { .. }).then_some(());
        self.hear(i, mark, hello).expect("a party that starts says hello");
    }

    /// The keys of all parties, in order.
    #[must_use]
    pub fn keys(&self) -> Vec<&PartyKeys> {
        self.parties.iter().map(|party| party.keys.as_ref()).collect()
    }

    /// Says something to a party as the coordinator.
    pub fn say(&self, i: u8, words: &ToParty) {
        self.relay.say(self.identity(i), words);
    }

    /// What party `i` says since `mark` in which `find` finds something.
    pub fn hear<T>(&self, i: u8, mark: usize, mut find: impl FnMut(&Letter) -> Option<T>) -> Option<T> {
        let identity = self.identity(i);
        let of_party = |letter: &Letter| if letter.from == identity { find(letter) } else { None };
        self.relay.mail().wait(mark, PATIENCE, of_party)
    }

    /// The terms of a new account of all parties.
    #[must_use]
    pub fn terms(&self, threshold: u8) -> Terms {
        let specs = self.parties.iter().map(|party| &party.spec);
        Terms {
            guardians: None,
            account: AccountId::random(&mut cohold_node::rng()),
            template: Template::Free,
            entities: specs.map(|spec| (spec.entity.clone(), spec.role)).collect(),
            parties: self.parties.iter().map(|party| party.card.clone()).collect(),
            threshold,
            approvers: BTreeSet::from([self.party(1).spec.party.clone()]),
        }
    }

    /// The first party's proposal of an account on these terms.
    #[must_use]
    pub fn proposal(&self, terms: Terms) -> Signed<Proposal> {
        let proposer = self.party(1);
        let name = proposer.spec.party.clone();
        let created_at = cohold_node::now();
        let proposal = Proposal { terms, proposer: name.clone(), created_at, import: None };
        Signed::by(proposal, name, &proposer.keys.identity)
    }

    /// Asks all parties to make a key.
    pub fn keygen(&self, proposal: &Signed<Proposal>) {
        for i in self.indices() {
            self.say(i, &ToParty::Keygen { proposal: proposal.clone() });
        }
    }

    /// Waits until all parties have signed the charter of a proposal, and puts it together.
    #[must_use]
    pub fn charter(&self, proposal: &Signed<Proposal>) -> Signed<Charter> {
        let account = proposal.document.terms.account;
        let mut together: Option<Signed<Charter>> = None;
        for i in self.indices() {
            let (charter, signature) = match self.made(i, 0, account) {
                Ok(signed) => signed,
                Err(reason) => panic!("party {i} made no key: {reason}"),
            };
            let name = self.party(i).spec.party.clone();
            let signed = together
                .get_or_insert_with(|| Signed { document: charter.clone(), signatures: BTreeMap::new() });
            assert_eq!(signed.document, charter, "all parties compute one charter");
            signed.signatures.insert(name, signature);
        }
        let together = together.expect("a cluster has parties");
        together.check().expect("all signed");
        together
    }

    /// What came of a key generation at one party since `mark`: charter and signature, or why not.
    pub fn made(
        &self,
        i: u8,
        mark: usize,
        account: AccountId,
    ) -> Result<(Charter, cohold_model::Signature), String> {
        let of_account = |letter: &Letter| match &letter.words {
            FromParty::CharterSigned { charter, signature } if charter.terms.account == account => {
                Some(Ok((charter.clone(), *signature)))
            }
            FromParty::KeygenFailed { account: failed, reason } if *failed == account => {
                Some(Err(reason.clone()))
            }
            _ => None,
        };
        self.hear(i, mark, of_account).unwrap_or_else(|| Err("no word in time".into()))
    }

    /// Hands the charter to all parties, and returns once it is in force everywhere.
    pub fn activate(&self, charter: &Signed<Charter>) {
        let account = charter.document.terms.account;
        for i in self.indices() {
            self.say(i, &ToParty::Charter { charter: charter.clone() });
        }
        for i in self.indices() {
            let in_force = || self.is_in_force(i, account);
            assert!(eventually(in_force), "the charter comes into force at party {i}");
        }
    }

    /// Whether the account is in force at a party, by its database.
    #[must_use]
    pub fn is_in_force(&self, i: u8, account: AccountId) -> bool {
        self.party(i).keeper().store().account_show(account).expect("the database is read").is_some()
    }

    /// How many accounts a party lists.
    #[must_use]
    pub fn listed(&self, i: u8) -> usize {
        self.party(i).keeper().store().account_list(None, 1000).expect("the database is read").len()
    }

    /// A new account of all parties, in force everywhere.
    #[must_use]
    pub fn account(&self, threshold: u8) -> Account {
        let proposal = self.proposal(self.terms(threshold));
        self.keygen(&proposal);
        let charter = self.charter(&proposal);
        self.activate(&charter);
        Account { charter }
    }

    /// The session in which the key of a proposal is made.
    #[must_use]
    pub fn keygen_session(proposal: &Signed<Proposal>) -> SessionId {
        keygen_session(proposal)
    }

    /// Gives an order to all its signers that exist, and waits for their answers.
    #[must_use]
    pub fn sign(&self, order: &SignOrder) -> BTreeMap<u8, Answer> {
        let signers: BTreeSet<u8> = order.signers.iter().map(|i| i.get()).collect();
        let marks: Vec<_> = signers.iter().map(|i| (*i, self.order(*i, order))).collect();
        marks.into_iter().map(|(i, mark)| (i, self.answer(i, mark, order.session()))).collect()
    }

    /// Gives an order to one party; the mark from which its answer is heard.
    pub fn order(&self, i: u8, order: &SignOrder) -> usize {
        let mark = self.relay.mail().mark();
        self.say(i, &ToParty::Sign(Box::new(order.clone())));
        mark
    }

    /// What a party says in a session since `mark`.
    #[must_use]
    pub fn answer(&self, i: u8, mark: usize, session: SessionId) -> Answer {
        let heard = self.hear(i, mark, |letter| answer_in(letter, session));
        heard.unwrap_or_else(|| panic!("party {i} says nothing in session {session}"))
    }

    /// Every signature that any party ever sent.
    #[must_use]
    pub fn signatures(&self) -> Vec<(SessionId, HexBytes)> {
        let letters = self.relay.mail().since(0).into_iter();
        let signature = |letter: Letter| match letter.words {
            FromParty::Signature { session, signature, .. } => Some((session, signature)),
            _ => None,
        };
        letters.filter_map(signature).collect()
    }

    /// The points of all parties.
    pub fn indices(&self) -> impl Iterator<Item = u8> + use<> {
        1..=u8::try_from(self.parties.len()).expect("accounts have at most nine parties")
    }

    /// A party's identity.
    #[must_use]
    pub fn identity(&self, i: u8) -> IdentityKey {
        self.party(i).card.identity
    }

    /// Whom a party has banned from an account, by its database.
    #[must_use]
    pub fn banned(&self, i: u8, account: AccountId) -> Vec<PartyIndex> {
        let shown = self.party(i).store().account_show(account).expect("the database is read");
        shown.expect("the account is in force").banned
    }
}

/// What a letter answers in a session.
#[must_use]
pub fn answer_in(letter: &Letter, wanted: SessionId) -> Option<Answer> {
    match &letter.words {
        FromParty::Signature { session, signature, .. } if *session == wanted => {
            Some(Answer::Signature(signature.clone()))
        }
        FromParty::Refused { session, refusal, .. } if *session == wanted => {
            Some(Answer::Refused(refusal.clone()))
        }
        FromParty::Broken { session, reason, banned, .. } if *session == wanted => {
            Some(Answer::Broken { reason: reason.clone(), banned: banned.clone() })
        }
        _ => None,
    }
}

/// Whether something becomes true within the patience of a test.
pub fn eventually(mut holds: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if holds() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

fn spec(i: u8, rules: &str) -> Spec {
    let (party, entity, role, kind) = match i {
        1 => ("device".into(), "ana".into(), Role::User, PartyKind::Device),
        2 => ("cosigner".into(), "acme".into(), Role::Provider, PartyKind::Cosigner),
        3 => ("guardian".into(), "bo".into(), Role::Guardian, PartyKind::Guardian),
        _ => (format!("node-{i}"), format!("entity-{i}"), Role::Guardian, PartyKind::Guardian),
    };
    let parse = "a plain name";
    Spec {
        party: party.parse().expect(parse),
        entity: entity.parse().expect(parse),
        role,
        kind,
        rules: rules.into(),
        seal: Seal::KeyFile,
        primes: None,
    }
}

/// All points of a slice, for orders.
#[must_use]
pub fn points(signers: &[u8]) -> Vec<PartyIndex> {
    signers.iter().map(|i| index(*i)).collect()
}
