//! What the parties of several charters are called, so that one name means one identity for ever.

use std::collections::BTreeMap;

use cohold_model::account::{Card, Terms};
use cohold_model::{EntityName, IdentityKey, Lineage, PartyName};

use super::names::Names;

/// A label for each identity.
///
/// Who comes first under a name keeps it. Whoever comes under it later gets a number: `device-2`. A
/// label rests on what came before alone, so that it stays what it is whatever comes after.
pub(super) struct Labels(Vec<(IdentityKey, String)>);

impl Labels {
    /// Over these terms, the oldest first. Nobody is called by a reserved name.
    pub(super) fn new<'a>(reserved: &[&str], terms: impl IntoIterator<Item = &'a Terms>) -> Self {
        let mut labels = Self(Vec::new());
        let mut names = Names::taken(reserved.iter().copied());
        for terms in terms {
            for Card { party, identity, .. } in &terms.parties {
                if labels.of(identity).is_none() {
                    let own = names.take(party.as_str()).then(|| party.to_string());
                    let label = own.unwrap_or_else(|| names.next(&short(party.as_str())));
                    labels.0.push((*identity, label));
                }
            }
        }
        labels
    }

    /// The label of an identity; none where it is in none of the terms.
    pub(super) fn of(&self, identity: &IdentityKey) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == identity).map(|(_, label)| label.as_str())
    }

    /// The label of a party; its own name where it is in none of the terms.
    pub(super) fn of_card<'a>(&'a self, card: &'a Card) -> &'a str {
        self.of(&card.identity).unwrap_or(card.party.as_str())
    }
}

/// What the parties of an account are called in its model: a name that somebody else had before has a number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Called {
    /// Those of the charter in force.
    pub now: BTreeMap<PartyName, String>,
    /// Those that are parties no longer, with their entities.
    pub before: BTreeMap<String, EntityName>,
}

impl Called {
    /// By all charters of the account.
    #[must_use]
    pub fn new(lineage: &Lineage) -> Self {
        let labels = Labels::new(&[], lineage.charters().map(|signed| &signed.document.terms));
        let current = &lineage.current().document.terms;
        let called = |card: &Card| labels.of_card(card).to_owned();
        let past = lineage.past().iter().flat_map(|signed| &signed.document.terms.parties);
        let gone = past.filter(|card| current.party_by_identity(&card.identity).is_none());
        Self {
            now: current.parties.iter().map(|card| (card.party.clone(), called(card))).collect(),
            before: gone.map(|card| (called(card), card.entity.clone())).collect(),
        }
    }

    /// One of the charter in force.
    #[must_use]
    pub fn party<'a>(&'a self, party: &'a PartyName) -> &'a str {
        self.now.get(party).map_or(party.as_str(), String::as_str)
    }
}

/// Short enough for a number behind it: a label is a name of a party as well.
fn short(name: &str) -> String {
    name.chars().take(LETTERS_MAX).collect()
}

/// A name has 32 letters; the number behind it, up to nine parties of each of so many charters, four.
const LETTERS_MAX: usize = 28;
