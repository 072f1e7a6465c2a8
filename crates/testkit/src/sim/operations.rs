//! What the coordinator sets going: payments, key generations, resharings of every kind.

use std::collections::{BTreeMap, BTreeSet};

use cohold_model::account::{Card, PartyKind, Proposal, Role, Template, Terms};
use cohold_model::canonical::Document as _;
use cohold_model::charter::Charter;
use cohold_model::{EntityName, PartyIndex, PartyName, Resharing, Signed};
use cohold_party::charter_change::assess;
use cohold_party::wire::{FromParty, ReshareOrder, SignOrder, ToParty};

use super::coordinator::{Asked, Making, Reshare};
use super::watch::{Invariant, Violation};
use super::world::World;
use crate::account::{Account, Wish};

/// How long intents and approvals live.
const EXPIRES_SECONDS: u64 = 3600;

/// What a resharing is to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Other shares for the same parties.
    Refresh,
    /// One party goes, another comes: a lost one first.
    Replace,
    /// One party goes.
    Drop,
    /// One party comes.
    Join,
    /// Another threshold.
    Threshold,
}

impl World {
    /// Proposes an account of these hosts, the first of which proposes it.
    pub(super) fn create(&mut self, hosts: &[usize], threshold: u8) {
        let cards: Vec<Card> =
            hosts.iter().filter_map(|i| self.hosts.get(*i)).map(|h| h.card.clone()).collect();
        let terms = terms_of(self.account, cards, threshold);
        let Some(first) = hosts.first().and_then(|i| self.hosts.get(*i)) else { return };
        let proposer = first.card.party.clone();
        let proposal = Proposal { terms, proposer: proposer.clone(), created_at: self.now, import: None };
        let proposal = Signed::by(proposal, proposer, &first.keys.identity);
        self.coordinator.making = Some(Making { proposal: proposal.clone(), signed: Vec::new() });
        self.note(format!("an account of {} parties, {threshold} sign", hosts.len()));
        for i in hosts {
            self.say(*i, ToParty::Keygen { proposal: proposal.clone() });
        }
    }

    /// Asks some parties to sign a payment under the newest charter.
    pub(super) fn pay(&mut self, charter: &Signed<Charter>, signers: &[PartyIndex]) {
        self.payments += 1;
        let wish = Wish {
            request: cohold_model::RequestId::random(&mut self.dice),
            nonce: self.payments,
            expires_at: self.now + EXPIRES_SECONDS,
            amount: 1_000_000_000,
            ..Wish::new()
        };
        let account = Account { charter: charter.clone() };
        let plan = account.plan(&wish);
        let order = SignOrder {
            charter: charter.document.digest(),
            intent: account.intent(&wish),
            approvals: Vec::new(),
            plan,
            signers: signers.to_vec(),
            attempt: 1,
            presignature: None,
        };
        self.order(charter.clone(), order);
    }

    /// Asks for a payment once more, in another session.
    pub(super) fn pay_again(&mut self) {
        let places: Vec<usize> = (0..self.coordinator.asked.len()).collect();
        let Some(asked) = self.dice.pick(&places).and_then(|i| self.coordinator.asked.get(i)).cloned() else {
            return;
        };
        let mut order = asked.order;
        order.attempt += 1;
        self.order(asked.charter, order);
    }

    fn order(&mut self, charter: Signed<Charter>, mut order: SignOrder) {
        let account = Account { charter: charter.clone() };
        let approvers = charter.document.terms.approvers.iter();
        let hosts = approvers.filter_map(|name| {
            let (_, card) = charter.document.terms.party(name)?;
            let place = self.place(&card.identity).filter(|i| !self.watch.lost.contains(i))?;
            self.hosts.get(place)
        });
        let expires_at = self.now + EXPIRES_SECONDS;
        order.approvals = hosts
            .map(|host| account.approved(&order.plan, host.card.party.clone(), &host.keys, expires_at))
            .collect();
        let session = order.session();
        self.watch.signing(session);
        let signers: Vec<usize> = order
            .signers
            .iter()
            .filter_map(|index| charter.document.terms.party_at(*index))
            .filter_map(|card| self.place(&card.identity))
            .collect();
        let names: Vec<String> = signers.iter().map(|i| self.name(*i)).collect();
        let version = charter.document.version;
        let number = self.coordinator.asked.len() + 1;
        self.note(format!("order {number} under version {version} to {}", names.join(", ")));
        self.coordinator.asked.push(Asked { order: order.clone(), session, charter, signature: None });
        for i in signers {
            self.say(i, ToParty::Sign(Box::new(order.clone())));
        }
    }

    /// A signature must be of the account, over the bytes of its order.
    pub(super) fn check_signature(&self, words: &FromParty) -> Result<(), Violation> {
        let FromParty::Signature { session, signature, .. } = words else { return Ok(()) };
        let asked = self.coordinator.asked.iter().find(|asked| asked.session == *session);
        let fits = asked.is_some_and(|asked| {
            let account = Account { charter: asked.charter.clone() };
            account.assemble(&asked.order.plan, signature).is_ok()
        });
        match fits {
            true => Ok(()),
            false => Err(Violation {
                invariant: Invariant::OnePublicKey,
                detail: "a signature is not the account's".into(),
            }),
        }
    }

    /// Proposes a resharing of the newest charter.
    pub(super) fn reshare(&mut self, change: Change) {
        let Some(charter) = self.coordinator.charter.clone() else { return };
        let Some(terms) = self.terms_after(&charter.document, change) else { return };
        self.reshare_to(&charter, terms, change);
    }

    pub(super) fn reshare_to(&mut self, charter: &Signed<Charter>, terms: Terms, change: Change) {
        let old = &charter.document;
        // Two resharings never have the same time, so that a charter tells of which one it is.
        self.now += 1;
        let there = |name: &PartyName| {
            let (_, card) = old.terms.party(name)?;
            self.place(&card.identity).filter(|i| !self.watch.lost.contains(i) && !self.behind.contains(i))
        };
        let named = old.terms.parties.iter().map(|card| card.party.clone());
        let dealers: Vec<PartyName> = named.filter(|name| there(name).is_some()).collect();
        let approvers = old.terms.approvers.iter().filter(|name| there(name).is_some());
        let Some(proposer) = approvers.into_iter().next().cloned() else { return };
        let Some(by) = there(&proposer).and_then(|i| self.hosts.get(i)) else { return };
        let keys = std::sync::Arc::clone(&by.keys);
        let dealers: BTreeSet<PartyName> =
            self.dice.some(&dealers, usize::from(old.terms.threshold)).into_iter().collect();
        let resharing = Resharing {
            charter: old.digest(),
            terms,
            dealers,
            proposer: proposer.clone(),
            created_at: self.now,
            engine: old.engine,
        };
        let Ok(assessed) = assess(old, &resharing) else { return };
        let consent = assessed.needs_consent().then(|| {
            let consent = assessed.consent(proposer.clone(), self.now);
            Signed::by(consent, proposer.clone(), &keys.identity)
        });
        let abandoned =
            self.coordinator.reshares.iter().flat_map(|reshare| reshare.abandoned.clone()).collect();
        let resharing = Signed::by(resharing, proposer, &keys.identity);
        let order = ReshareOrder { charter: charter.clone(), resharing, consent, abandoned };
        self.watch.resharing(&order.resharing.document);
        self.note(format!(
            "resharing {}, {change:?}: {} of {}",
            self.coordinator.reshares.len() + 1,
            order.resharing.document.terms.threshold,
            order.resharing.document.terms.parties.len()
        ));
        for i in self.seated(&order) {
            self.say(i, ToParty::Reshare(Box::new(order.clone())));
        }
        self.coordinator.reshares.push(Reshare::new(order));
    }

    /// Who has a part in a resharing.
    pub(super) fn seated(&self, order: &ReshareOrder) -> Vec<usize> {
        let seats = order.resharing.document.seats(&order.charter.document);
        seats.values().filter_map(|seat| self.place(&seat.card.identity)).collect()
    }

    /// The terms that a change makes of a charter's.
    fn terms_after(&mut self, old: &Charter, change: Change) -> Option<Terms> {
        let (mut cards, mut threshold) = (old.terms.parties.clone(), old.terms.threshold);
        let unfit = |world: &Self, card: &Card| {
            world.place(&card.identity).is_none_or(|i| {
                let banned = world.watch.views.iter().any(|view| view.banned.contains(&i));
                banned || world.watch.lost.contains(&i) || world.behind.contains(&i)
            })
        };
        let out = |world: &mut Self, cards: &[Card]| {
            let unfit: Vec<usize> =
                cards.iter().enumerate().filter(|(_, card)| unfit(world, card)).map(|(i, _)| i).collect();
            let all: Vec<usize> = (0..cards.len()).collect();
            let first = world.dice.pick(&unfit);
            first.or_else(|| world.dice.pick(&all))
        };
        match change {
            Change::Refresh => {}
            Change::Replace => {
                let place = out(self, &cards)?;
                let leaving = cards.get(place)?.clone();
                let spare = self.spare(old, leaving.kind)?;
                *cards.get_mut(place)? = spare;
            }
            Change::Drop if cards.len() > usize::from(threshold).max(2) => {
                let place = out(self, &cards)?;
                cards.remove(place);
            }
            Change::Drop => return None,
            Change::Join if cards.len() < 5 => cards.push(self.spare(old, PartyKind::Guardian)?),
            Change::Join => return None,
            Change::Threshold => {
                let most = u8::try_from(cards.len()).ok()?;
                let other: Vec<u8> = (2..=most).filter(|t| *t != threshold).collect();
                threshold = self.dice.pick(&other)?;
            }
        }
        let terms = terms_of(old.terms.account, cards, threshold);
        let approver = !terms.approvers.is_empty();
        (approver && terms.check().is_ok() && !terms.parties.iter().any(|card| self.is_lost(card)))
            .then_some(terms)
    }

    fn is_lost(&self, card: &Card) -> bool {
        self.place(&card.identity).is_none_or(|i| self.watch.lost.contains(&i))
    }

    /// A party of such a kind that is in no charter of the account.
    fn spare(&mut self, old: &Charter, kind: PartyKind) -> Option<Card> {
        let free = |host: &&super::host::Host| {
            let card = &host.card;
            let named = old.terms.parties.iter().any(|known| known.party == card.party);
            let same = card.kind.is_node() == kind.is_node();
            !named && same && !self.is_lost(card)
        };
        let free: Vec<Card> = self.hosts.iter().filter(free).map(|host| host.card.clone()).collect();
        let place = self.dice.below(free.len());
        free.get(place).cloned()
    }

    /// Gives a resharing up, as far as that is still possible.
    pub(super) fn cancel(&mut self, place: usize) {
        let Some(reshare) = self.coordinator.reshares.get(place).cloned() else { return };
        self.note(format!("resharing {} is cancelled", place + 1));
        for i in self.seated(&reshare.order) {
            self.say(i, ToParty::ReshareCancel(Box::new(reshare.order.clone())));
        }
    }

    /// Hands out whatever charters are complete, to all who are or were in them.
    pub(super) fn hand_out(&mut self) {
        let first = self.coordinator.charter.clone().filter(|charter| {
            let proposed = self.coordinator.making.as_ref().map(|making| &making.proposal.document.terms);
            charter.document.version == 1 && proposed == Some(&charter.document.terms)
        });
        if let Some(charter) = first {
            for i in self.places(&charter.document) {
                self.say(i, ToParty::Charter { charter: charter.clone() });
            }
        }
        for reshare in self.coordinator.reshares.clone() {
            let Some(handover) = self.coordinator.handover(&reshare) else { continue };
            let to: BTreeSet<usize> = self
                .places(&reshare.order.charter.document)
                .into_iter()
                .chain(self.places(&handover.charter.document))
                .collect();
            for i in to {
                self.say(i, ToParty::Reshared(Box::new(handover.clone())));
            }
        }
    }

    /// Shows everybody who has a part in a resharing the words that it is given up.
    pub(super) fn show_abandoned(&mut self) {
        for reshare in self.coordinator.reshares.clone() {
            for i in self.seated(&reshare.order) {
                for said in &reshare.abandoned {
                    self.say(i, ToParty::ReshareAbandon { abandonment: Box::new(said.clone()) });
                }
            }
        }
    }
}

/// Terms of these parties: the user's approve.
pub(super) fn terms_of(account: cohold_model::AccountId, parties: Vec<Card>, threshold: u8) -> Terms {
    let role = |card: &Card| match card.kind {
        PartyKind::Device | PartyKind::Recovery => Role::User,
        PartyKind::Cosigner => Role::Provider,
        PartyKind::Guardian => Role::Guardian,
    };
    let entities: BTreeMap<EntityName, Role> =
        parties.iter().map(|card| (card.entity.clone(), role(card))).collect();
    let users = parties.iter().filter(|card| role(card) == Role::User);
    let approvers = users.map(|card| card.party.clone()).collect();
    Terms { account, template: Template::Free, entities, parties, threshold, approvers, guardians: None }
}
