//! Who else, beside a party's own entity, can come to what it runs on, to copies of it and to its secret:
//! as declared, or as assumed where nothing is.

use std::collections::BTreeMap;

use cohold_model::account::{Card, Role, Terms};
use cohold_model::{EntityName, PartyName};

use super::names::Names;
use crate::declared::Declared;
use crate::model::Atom;

/// What an outsider is declared to have.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Holding {
    /// The administration of its machine.
    Machines,
    /// Copies of its disk or file.
    Backups,
    /// A way to its PIN or passphrase.
    Factors,
    /// The administration of its hardware token.
    Tokens,
    /// API tokens.
    ApiTokens,
}

impl Holding {
    /// The end of an atom's name, and the role of an entity that is in no charter.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Machines => ("machines", "cloud"),
            Self::Backups => ("backups", "backup-holder"),
            Self::Factors => ("resets", "identity-provider"),
            Self::Tokens => ("hsms", "hsm-administrator"),
            Self::ApiTokens => ("tokens", "identity-provider"),
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

    /// The atoms of those who have such a thing of a party.
    pub(super) fn of_party(
        &mut self,
        holding: Holding,
        card: &Card,
        names: &mut Names,
        atoms: &mut BTreeMap<String, Atom>,
    ) -> Vec<String> {
        let entities = self.declared_for(holding, &card.party).unwrap_or_default();
        self.held(holding, entities, Some(&card.entity), names, atoms)
    }

    /// Whether nobody has said who has such a thing of a node.
    pub(super) fn is_open(&self, holding: Holding, card: &Card) -> bool {
        card.kind.is_node() && self.declared_for(holding, &card.party).is_none()
    }

    /// Who is declared to have such a thing of a party; none: nothing is declared.
    fn declared_for(&self, holding: Holding, party: &PartyName) -> Option<&'a [EntityName]> {
        let Declared { machine, backup, factor, hsm, .. } = self.declared;
        match holding {
            Holding::Machines => {
                machine.iter().find(|entry| entry.party == *party).map(|entry| &*entry.administrators)
            }
            Holding::Backups => {
                backup.iter().find(|entry| entry.party == *party).map(|entry| &*entry.holders)
            }
            Holding::Factors => {
                factor.iter().find(|entry| entry.party == *party).map(|entry| &*entry.holders)
            }
            Holding::Tokens => {
                hsm.iter().find(|entry| entry.party == *party).map(|entry| &*entry.administrators)
            }
            // They are of the whole deployment.
            Holding::ApiTokens => None,
        }
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
            self.held(Holding::ApiTokens, std::slice::from_ref(entity), None, names, atoms);
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

    /// Whether what is known of a node rests on a declaration: silence would have been held against it.
    pub(super) fn rests_on_word(&self, card: &Card) -> bool {
        let is_provider = self.terms.entities.get(&card.entity) == Some(&Role::Provider);
        let mut entities = self.terms.entities.iter();
        let others = entities.any(|(name, role)| *role != Role::User && *name != card.entity);
        card.kind.is_node()
            && !(self.is_open(Holding::Machines, card) && self.is_open(Holding::Backups, card))
            && (!is_provider || others)
    }
}
