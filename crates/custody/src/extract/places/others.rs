//! What outsiders have of the places of others: by declaration, or because nobody declared.

use std::collections::BTreeSet;

use cohold_model::EntityName;
use cohold_model::account::{Card, PartyKind, Role, Terms};

use super::Draft;
use super::locks::{Lock, Openers};
use crate::extract::holders::Holding;
use crate::extract::names::Names;
use crate::extract::{PROVIDER, use_of};
use crate::model::{Atom, Evidence, Kind, Rule};
use crate::needs::Needs;
use crate::words;

impl<'a> Draft<'a> {
    /// What outsiders have by declaration, or for want of one.
    pub(super) fn others(&mut self, card: &'a Card, lock: Option<&Lock>) {
        let party = card.party.as_str();
        let (names, atoms) = (&mut self.names, &mut self.atoms);
        let mut machine = self.holders.of_party(Holding::Machines, card, names, atoms);
        let mut copies = self.holders.of_party(Holding::Backups, card, names, atoms);
        let factor = self.holders.of_party(Holding::Factors, card, names, atoms);
        let token = match lock {
            Some(lock) if lock.has_token() => self.holders.of_party(Holding::Tokens, card, names, atoms),
            _ => Vec::new(),
        };
        let known = copies.clone();
        if card.kind == PartyKind::Recovery {
            // A file has no machine: who administers where it lies has a copy of it.
            copies.append(&mut machine);
        }
        if !machine.is_empty() {
            let who = words::list(&machine);
            let because = format!(
                "{who} administers the machine of `{party}`, as declared: what runs there is open to it"
            );
            self.said(party, Needs::any(machine), because);
        }
        match lock {
            Some(lock) if !(copies.is_empty() && factor.is_empty() && token.is_empty()) => {
                let who: Vec<_> = copies.iter().chain(&factor).chain(&token).cloned().collect();
                let because = format!(
                    "what opens the share of `{party}` lies with {} too, as declared",
                    words::list(&who)
                );
                let things = Needs::any(copies.into_iter().chain([lock.thing.clone()]));
                let opened = self.opened_by(lock, Openers { secret: factor, token });
                self.said(party, Needs::all([things, opened]), because);
            }
            None if !copies.is_empty() => {
                let because = format!(
                    "copies of the share of `{party}` lie with {}, as declared",
                    words::list(&copies)
                );
                self.said(party, Needs::any(copies), because);
            }
            _ => {}
        }
        self.undeclared(card, lock, known);
    }

    fn said(&mut self, party: &str, needs: Needs, because: String) {
        self.rules.push(Rule::new(use_of(party), needs).because(because).evidence(Evidence::Asserted));
    }

    /// An unknown holder is an outsider, whichever would do most harm.
    fn undeclared(&mut self, card: &'a Card, lock: Option<&Lock>, declared_copies: Vec<String>) {
        let (party, other) = (card.party.as_str(), other_than(&card.entity));
        let (needs, what) = match lock {
            _ if self.holders.is_open(Holding::Machines, card) => {
                (Needs::from(other), "administers the machine")
            }
            None if self.holders.is_open(Holding::Backups, card) => {
                (Needs::from(other), "keeps copies of the disk")
            }
            Some(lock) => {
                let open = |holding| self.holders.is_open(holding, card);
                let (copies, token) = (open(Holding::Backups), lock.has_token() && open(Holding::Tokens));
                let token_of = |who: &String| if token { vec![who.clone()] } else { Vec::new() };
                let opened = self.opened_by(lock, Openers { secret: Vec::new(), token: token_of(&other) });
                match (copies, token) {
                    (true, true) => {
                        (Needs::from(other), "keeps copies of the disk and administers the token")
                    }
                    (true, false) => (Needs::all([other.into(), opened]), "keeps copies of the disk"),
                    (false, true) => {
                        let things = declared_copies.into_iter().chain([lock.thing.clone()]);
                        (Needs::all([Needs::any(things), other.into()]), "administers the token")
                    }
                    (false, false) => return,
                }
            }
            _ => return,
        };
        let because = format!("nobody has declared who {what} of `{party}`: any other outsider may");
        self.open.push((&card.entity, Rule::new(use_of(party), needs).because(because)));
    }

    /// Who the others are, now that everybody is there.
    pub(super) fn close(&mut self, terms: &Terms, coordinator: &str) {
        let open = std::mem::take(&mut self.open);
        let entities: BTreeSet<&EntityName> = open.iter().map(|(entity, _)| *entity).collect();
        for entity in entities {
            let is_other = |atom: &Atom| {
                let of = atom.entity.as_deref().filter(|of| *of != entity.as_str());
                let role = |of: &str| terms.entities.iter().find(|(name, _)| name.as_str() == of);
                atom.kind != Kind::Doubt
                    && of.is_some_and(|of| role(of).is_none_or(|(_, role)| *role != Role::User))
            };
            let others = self.atoms.iter().filter(|(_, atom)| is_other(atom));
            let mut others: Vec<String> = others.map(|(name, _)| name.clone()).collect();
            if others.is_empty() {
                if terms.entities.get(entity) == Some(&Role::Provider) {
                    continue;
                }
                others.push(self.unknown_holder(terms, coordinator));
            }
            self.rules.push(
                Rule::new(other_than(entity), Needs::any(others))
                    .because(format!("whoever is no user and not {entity} may be the unknown holder"))
                    .evidence(Evidence::Unknown),
            );
            let rules = open.iter().filter(|(of, _)| *of == entity).map(|(_, rule)| rule.clone());
            self.rules.extend(rules);
        }
    }

    /// Where nobody but users is known, the unknown holder is the provider.
    fn unknown_holder(&mut self, terms: &Terms, coordinator: &str) -> String {
        let provider = terms.entities.iter().find(|(_, role)| **role == Role::Provider);
        let provider = provider.map(|(name, _)| name.to_string()).unwrap_or_else(|| {
            let taken = terms.entities.keys().map(EntityName::as_str).chain([coordinator]);
            let strangers = self.holders.strangers.keys().map(String::as_str);
            Names::taken(taken.chain(strangers)).next("provider")
        });
        self.holders.strangers.entry(provider.clone()).or_insert(PROVIDER);
        let name = self.names.next("unknown-holder");
        self.atoms.insert(name.clone(), Atom::party(provider));
        name
    }
}

/// The power of outsiders other than this one.
fn other_than(entity: &EntityName) -> String {
    format!("other:{entity}")
}
