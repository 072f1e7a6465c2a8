//! The charter in force with its parties under their labels, and what is known of them.

use std::collections::{BTreeMap, BTreeSet};

use cohold_model::PartyName;
use cohold_model::account::Terms;
use cohold_model::charter::Charter;

use super::labels::Labels;
use super::places::Sealed;
use super::said::{Said, holding_pieces};
use super::{Own, seals};
use crate::declared::Declared;

/// What the model is drawn from; every party goes by its label.
pub(super) struct View {
    pub(super) terms: Terms,
    pub(super) declared: Declared,
    pub(super) seals: BTreeMap<PartyName, Sealed>,
    /// Guardians that say that they hold their pieces.
    pub(super) pieces: BTreeSet<PartyName>,
    labels: BTreeMap<PartyName, PartyName>,
}

impl View {
    pub(super) fn new(
        charter: &Charter,
        labels: &Labels,
        said: &BTreeMap<&PartyName, Said<'_>>,
        own: &Own,
    ) -> Self {
        let mut terms = charter.terms.clone();
        // A label is always a name; see `Labels`.
        let label = |card| labels.of_card(card).parse().ok();
        let labels: BTreeMap<_, PartyName> = charter
            .terms
            .parties
            .iter()
            .map(|card| (card.party.clone(), label(card).unwrap_or_else(|| card.party.clone())))
            .collect();
        let relabel = |name: &mut PartyName| {
            if let Some(label) = labels.get(name) {
                label.clone_into(name);
            }
        };
        let seals = seals(&terms, said, own).into_iter().map(|(name, sealed)| {
            let mut name = name.clone();
            relabel(&mut name);
            (name, sealed)
        });
        let seals = seals.collect();
        terms.parties.iter_mut().for_each(|card| relabel(&mut card.party));
        terms.approvers = terms
            .approvers
            .into_iter()
            .map(|mut name| {
                relabel(&mut name);
                name
            })
            .collect();
        if let Some(guardians) = &mut terms.guardians {
            relabel(&mut guardians.party);
        }
        let pieces = holding_pieces(charter, said);
        let mut declared = own.declared.clone();
        declared.machine.iter_mut().for_each(|entry| relabel(&mut entry.party));
        declared.backup.iter_mut().for_each(|entry| relabel(&mut entry.party));
        declared.factor.iter_mut().for_each(|entry| relabel(&mut entry.party));
        declared.hsm.iter_mut().for_each(|entry| relabel(&mut entry.party));
        Self { terms, declared, seals, pieces, labels }
    }

    /// What the parties said, by their labels.
    pub(super) fn said<'a, 'b: 'a>(
        &'b self,
        said: &BTreeMap<&'a PartyName, Said<'a>>,
    ) -> BTreeMap<&'a PartyName, Said<'a>> {
        said.iter().map(|(name, said)| (self.labels.get(*name).unwrap_or(name), *said)).collect()
    }
}
