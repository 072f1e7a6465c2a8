//! Who held shares of earlier epochs, and what they have of them.
//!
//! Resharing leaves the public key as it is, so a quorum of an earlier epoch still signs. That its
//! members deleted their shares is their word at best, and a doubt for ever.

use std::collections::{BTreeMap, BTreeSet};

use cohold_model::account::{Card, PartyKind, Role, Terms};
use cohold_model::lineage::Lineage;
use cohold_model::{Engine, PartyName};

use super::labels::Labels;
use super::said::Said;
use crate::check::MOVE;
use crate::model::{Evidence, Rule};
use crate::needs::Needs;
use crate::words;

/// Everybody who ever held a share of an earlier epoch, and how many of them signed together.
#[derive(Default)]
pub(super) struct Past<'a> {
    pub(super) holders: Vec<Holder<'a>>,
    quorums: Vec<Quorum>,
    /// By which protocols its parties signed, ever.
    engines: BTreeSet<Engine>,
    /// The one device of the first charter, if there was one: its PIN needs no other name.
    pub(super) first_device: Option<String>,
    /// Whose shares of earlier epochs guardians held pieces of, by their labels.
    pub(super) guarded: BTreeSet<String>,
    /// What the parties of the charter in force are called there, by their labels.
    names: BTreeMap<String, String>,
}

/// One identity that held shares of earlier epochs.
pub(super) struct Holder<'a> {
    /// What it is called here.
    pub(super) label: String,
    pub(super) card: &'a Card,
    /// What its entity was to the account when it held a share first.
    pub(super) role: Role,
    /// Whether it is a party of the charter in force.
    pub(super) stays: bool,
    /// The earlier epochs that it was in.
    epochs: BTreeSet<u32>,
    /// How its word is known that it deleted all of these shares; none where it did not say so.
    deleted: Option<Evidence>,
}

/// So many of these signed together, in these epochs.
struct Quorum {
    threshold: u8,
    labels: BTreeSet<String>,
    epochs: Vec<u32>,
}

impl<'a> Past<'a> {
    pub(super) fn new(lineage: &'a Lineage, labels: &Labels, said: &BTreeMap<&PartyName, Said<'_>>) -> Self {
        let current = &lineage.current().document.terms;
        let mut past = Self::none(lineage.charters().next().map_or(current, |first| &first.document.terms));
        past.engines = lineage.charters().map(|signed| signed.document.engine).collect();
        past.names = current
            .parties
            .iter()
            .map(|card| (labels.of_card(card).to_owned(), card.party.to_string()))
            .collect();
        // Shares that another engine took over unchanged are of the present, not of the past.
        let in_force = lineage.current().document.epoch;
        for signed in lineage.past().iter().filter(|signed| signed.document.epoch != in_force) {
            let (terms, epoch) = (&signed.document.terms, signed.document.epoch.0);
            for card in &terms.parties {
                let label = labels.of_card(card);
                match past.holders.iter_mut().find(|holder| holder.label == label) {
                    Some(holder) => drop(holder.epochs.insert(epoch)),
                    None => past.holders.push(Holder {
                        label: label.to_owned(),
                        card,
                        role: terms.entities.get(&card.entity).copied().unwrap_or(Role::Provider),
                        stays: current.party_by_identity(&card.identity).is_some(),
                        epochs: BTreeSet::from([epoch]),
                        deleted: None,
                    }),
                }
            }
            let held = terms.parties.iter().map(|card| labels.of_card(card).to_owned()).collect();
            past.quorum(terms.threshold, held, epoch);
            let guarded = terms.guardians.as_ref().and_then(|guardians| terms.party(&guardians.party));
            past.guarded.extend(guarded.map(|(_, card)| labels.of_card(card).to_owned()));
        }
        for holder in past.holders.iter_mut().filter(|holder| holder.stays) {
            let current = current.party_by_identity(&holder.card.identity);
            let word = current.and_then(|(_, card)| said.get(&card.party));
            holder.deleted = word.filter(|word| holder.deleted_all(word)).map(|word| word.evidence);
        }
        past
    }

    /// What is wrong where old messages of a protocol told somebody a share.
    pub(super) fn engine_leak(&self) -> &'static str {
        match (self.engines.contains(&Engine::Dkls23), self.engines.contains(&Engine::Cggmp24)) {
            (_, false) => "the threshold engine (DKLs23, unaudited) leaks the other shares to a party",
            (true, true) => {
                "a threshold engine (DKLs23, unaudited; CGGMP24, an alpha) leaks the other shares to a party"
            }
            (false, true) => "the threshold engine (CGGMP24, an alpha) leaks the other shares to a party",
        }
    }

    /// None before these terms.
    pub(super) fn none(terms: &Terms) -> Self {
        let devices = terms.parties.iter().filter(|card| card.kind == PartyKind::Device);
        let devices: Vec<_> = devices.map(|card| card.party.to_string()).collect();
        let first_device = <[String; 1]>::try_from(devices).ok().map(|[device]| device);
        Self { first_device, ..Self::default() }
    }

    /// What a party of the charter in force is called there.
    pub(super) fn called(&self, label: &str) -> String {
        self.names.get(label).map_or_else(|| label.to_owned(), Clone::clone)
    }

    /// The devices, parties no longer, that were parties together with this one.
    pub(super) fn devices_before<'b>(&'b self, label: &'b str) -> impl Iterator<Item = &'b str> {
        let epochs = self.holders.iter().find(|holder| holder.label == label).map(|holder| &holder.epochs);
        let device = |holder: &&Holder<'_>| holder.card.kind == PartyKind::Device;
        let together =
            move |holder: &&Holder<'_>| epochs.is_some_and(|epochs| !epochs.is_disjoint(&holder.epochs));
        self.gone().filter(device).filter(together).map(|holder| holder.label.as_str())
    }

    fn quorum(&mut self, threshold: u8, labels: BTreeSet<String>, epoch: u32) {
        let same = |quorum: &&mut Quorum| quorum.threshold == threshold && quorum.labels == labels;
        match self.quorums.iter_mut().find(same) {
            // Named once, whatever engines it had.
            Some(quorum) if quorum.epochs.last() == Some(&epoch) => {}
            Some(quorum) => quorum.epochs.push(epoch),
            None => self.quorums.push(Quorum { threshold, labels, epochs: vec![epoch] }),
        }
    }

    /// Those who are parties no longer.
    pub(super) fn gone(&self) -> impl Iterator<Item = &Holder<'a>> {
        self.holders.iter().filter(|holder| !holder.stays)
    }

    /// `move` by each quorum of the past, and by whoever learnt the shares of the others in it.
    pub(super) fn rules(&self, engine_leak: &str) -> Vec<Rule> {
        let mut rules: Vec<_> = self.quorums.iter().map(Quorum::rule).collect();
        if !self.holders.is_empty() {
            let old = self.holders.iter().map(|holder| old_of(&holder.label));
            let leaks = Rule::new(MOVE, Needs::all([Needs::from(engine_leak), Needs::any(old)]));
            let because = "with the old shares of the others learnt, one old share is as good as all";
            rules.push(leaks.because(because).evidence(Evidence::Asserted));
        }
        rules
    }
}

impl Holder<'_> {
    fn deleted_all(&self, word: &Said<'_>) -> bool {
        let deleted: BTreeSet<u32> = word.statement.deleted.iter().map(|epoch| epoch.0).collect();
        self.epochs.is_subset(&deleted)
    }

    /// That it has its old shares, for whoever meets `needs`.
    pub(super) fn rule(&self, needs: Needs) -> Rule {
        let (label, epochs) = (&self.label, in_epochs(&self.epochs.iter().copied().collect::<Vec<_>>()));
        let because = match (self.stays, self.deleted) {
            (true, Some(_)) => format!(
                "`{label}` held a share {epochs} and says that it deleted it, which nobody can prove: what \
                 opens its present share opens what it kept"
            ),
            (true, None) => format!(
                "`{label}` held a share {epochs} and has not said that it deleted it: what opens its present \
                 share opens what it kept"
            ),
            (false, _) => format!(
                "`{label}` held a share {epochs}, is no party any more, and never said that it deleted it: \
                 whoever has it may have that share"
            ),
        };
        Rule::new(old_of(label), needs).because(because).evidence(self.deleted.unwrap_or(Evidence::Unknown))
    }
}

impl Quorum {
    fn rule(&self) -> Rule {
        let (k, n, epochs) = (self.threshold, self.labels.len(), in_epochs(&self.epochs));
        let because = format!(
            "the public key is the same, so {k} of the {n} shares {epochs} still sign, until the funds are \
             moved to a new account"
        );
        let old = self.labels.iter().map(|label| old_of(label));
        Rule::new(MOVE, Needs::k(k.into(), old)).because(because).evidence(Evidence::Signed)
    }
}

/// The power to sign with the old shares of a party.
pub(super) fn old_of(label: &str) -> String {
    format!("old:{label}")
}

/// "of epoch 1", "of the epochs 1, 2 and 4".
fn in_epochs(epochs: &[u32]) -> String {
    match epochs {
        [epoch] => format!("of epoch {epoch}"),
        _ => {
            let epochs: Vec<_> = epochs.iter().map(u32::to_string).collect();
            format!("of the epochs {}", words::list(&epochs))
        }
    }
}
