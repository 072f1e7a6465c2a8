//! Who else, beside a party's own entity, can come to what it runs on, to copies of it and to its secret:
//! as declared, or as assumed where nothing is.

use std::collections::BTreeMap;

use cohold_model::account::{Card, Role, Terms};
use cohold_model::{EntityName, PartyName};

use super::is_node;
use super::names::Names;
use crate::declared::Declared;
use crate::model::Atom;

/// What an outsider is declared to have.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Holding {
    Machines,
    Backups,
    Factors,
    Tokens,
}

impl Holding {
    /// The end of an atom's name, and the role of an entity that is in no charter.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Machines => ("machines", "cloud"),
            Self::Backups => ("backups", "backup-holder"),
            Self::Factors => ("resets", "identity-provider"),
            Self::Tokens => ("tokens", "identity-provider"),
        }
    }
}

/// Declared entities and their atoms.
pub(super) struct Holders<'a> {
    terms: &'a Terms,
    declared: &'a Declared,
    /// Whether all that one entity holds is one atom.
    merged: bool,
    atoms: BTreeMap<(&'a EntityName, Option<Holding>), String>,
    /// Entities that are in no charter, with their roles.
    pub(super) strangers: BTreeMap<String, &'static str>,
}

impl<'a> Holders<'a> {
    pub(super) fn new(terms: &'a Terms, declared: &'a Declared, merged: bool) -> Self {
        Self { terms, declared, merged, atoms: BTreeMap::new(), strangers: BTreeMap::new() }
    }

    /// Who administers the machine of a party.
    pub(super) fn machine(
        &mut self,
        card: &Card,
        names: &mut Names,
        atoms: &mut BTreeMap<String, Atom>,
    ) -> Vec<String> {
        let entry = self.declared.machine.iter().find(|entry| entry.party == card.party);
        let entities = entry.map(|entry| entry.administrators.as_slice()).unwrap_or_default();
        self.held(Holding::Machines, entities, Some(&card.entity), names, atoms)
    }

    /// Who holds copies of its disk or file.
    pub(super) fn backup(
        &mut self,
        card: &Card,
        names: &mut Names,
        atoms: &mut BTreeMap<String, Atom>,
    ) -> Vec<String> {
        let entry = self.declared.backup.iter().find(|entry| entry.party == card.party);
        let entities = entry.map(|entry| entry.holders.as_slice()).unwrap_or_default();
        self.held(Holding::Backups, entities, Some(&card.entity), names, atoms)
    }

    /// Who can come to its PIN or passphrase.
    pub(super) fn factor(
        &mut self,
        card: &Card,
        names: &mut Names,
        atoms: &mut BTreeMap<String, Atom>,
    ) -> Vec<String> {
        let entry = self.declared.factor.iter().find(|entry| entry.party == card.party);
        let entities = entry.map(|entry| entry.holders.as_slice()).unwrap_or_default();
        self.held(Holding::Factors, entities, Some(&card.entity), names, atoms)
    }

    /// Who can come to API tokens, beside who runs the coordinator.
    pub(super) fn tokens(
        &mut self,
        coordinator: &str,
        names: &mut Names,
        atoms: &mut BTreeMap<String, Atom>,
    ) {
        let Some(tokens) = &self.declared.tokens else { return };
        let entities = tokens.reset.iter().chain([&tokens.issuer]);
        for entity in entities.filter(|entity| entity.as_str() != coordinator) {
            self.held(Holding::Tokens, std::slice::from_ref(entity), None, names, atoms);
        }
    }

    /// The atoms of these entities. A declaration gives nothing to the party's own entity, which has it
    /// all, and nothing to users: it is not theirs to speak of.
    fn held(
        &mut self,
        holding: Holding,
        entities: &'a [EntityName],
        own: Option<&EntityName>,
        names: &mut Names,
        atoms: &mut BTreeMap<String, Atom>,
    ) -> Vec<String> {
        let (what, role) = holding.words();
        let mut held = Vec::new();
        for entity in entities {
            let in_charter = self.terms.entities.get(entity);
            if Some(entity) == own || in_charter == Some(&Role::User) {
                continue;
            }
            if in_charter.is_none() {
                self.strangers.entry(entity.to_string()).or_insert(role);
            }
            let (which, what) = if self.merged { (None, "holdings") } else { (Some(holding), what) };
            let atom = self.atoms.entry((entity, which)).or_insert_with(|| {
                let name = names.next(&format!("{entity}-{what}"));
                atoms.insert(name.clone(), Atom::party(entity.as_str()));
                name
            });
            held.push(atom.clone());
        }
        held.sort();
        held.dedup();
        held
    }

    /// Whether nobody has said who administers the machine of a node.
    pub(super) fn machine_is_open(&self, card: &Card) -> bool {
        let named = |party: &PartyName| *party == card.party;
        is_node(card.kind) && !self.declared.machine.iter().any(|entry| named(&entry.party))
    }

    /// Whether nobody has said who keeps copies of a node's disk.
    pub(super) fn backup_is_open(&self, card: &Card) -> bool {
        let named = |party: &PartyName| *party == card.party;
        is_node(card.kind) && !self.declared.backup.iter().any(|entry| named(&entry.party))
    }

    /// Whether what is known of a node rests on a declaration: silence would have been held against it.
    pub(super) fn rests_on_word(&self, card: &Card) -> bool {
        let is_provider = self.terms.entities.get(&card.entity) == Some(&Role::Provider);
        let mut entities = self.terms.entities.iter();
        let others = entities.any(|(name, role)| *role != Role::User && *name != card.entity);
        is_node(card.kind)
            && !(self.machine_is_open(card) && self.backup_is_open(card))
            && (!is_provider || others)
    }
}
