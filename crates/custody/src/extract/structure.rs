//! The models of an account under two sets of terms, party by party: to compare the terms with one
//! another.

use std::collections::BTreeMap;

use cohold_model::PartyName;
use cohold_model::account::{Card, PartyKind, Terms};
use cohold_model::guardians::GuardianCard;

use super::labels::Labels;
use super::{use_of, word};
use crate::check::{MOVE, ModelError, RECOVER, RULE};
use crate::model::{Atom, Evidence, Model, ModelBuilder, Rule};
use crate::needs::Needs;

/// The models of an account under old and new terms, from the terms alone: whoever compares the same
/// terms gets the same two models.
///
/// A party is one atom, and the same in both models if its identity key is; one that comes under a name
/// that another had is called otherwise. How shares are sealed, who administers what, which rules nodes
/// run is left out, since it is no part of the terms. Nothing is missed by it: a power is a monotone
/// function of the shares that a coalition can use, and sealing only says which coalition can use which.
/// So where no set of parties gains and the user's parties lose nothing, nobody gains and the user
/// loses nothing however the shares of the parties are sealed.
///
/// # Errors
/// Never for terms that hold; what the model file does not allow is passed on.
pub fn structures(old: &Terms, new: &Terms) -> Result<Structures, ModelError> {
    let labels = Labels::new(&RESERVED, [old, new]);
    let (before, after) = (structure(old, &labels)?, structure(new, &labels)?);
    let label = |card: &Card| (card.party.clone(), labels.of_card(card).to_owned());
    Ok(Structures { before, after, labels: new.parties.iter().map(label).collect() })
}

/// The models of an account under two sets of terms.
#[derive(Clone, Debug)]
pub struct Structures {
    /// Under the old terms.
    pub before: Model,
    /// Under the new ones.
    pub after: Model,
    /// What the parties of the new terms are called in both.
    pub labels: BTreeMap<PartyName, String>,
}

/// What no party is called here.
const RESERVED: [&str; 5] = [MOVE, RULE, RECOVER, HOSTILE, LEAK];
const HOSTILE: &str = "hostile-program";
const LEAK: &str = "engine-leak";

/// A guardian by its key, so that whoever comes under the name of another is somebody else.
fn piece_holder(person: &GuardianCard) -> String {
    let fingerprint = person.identity.fingerprint();
    format!("guardian-{}-{}", person.name, fingerprint.get(..8).unwrap_or(&fingerprint))
}

fn structure(terms: &Terms, labels: &Labels) -> Result<Model, ModelError> {
    let parties: Vec<_> = terms.parties.iter().map(|card| (card, labels.of_card(card))).collect();
    let mut model = ModelBuilder::new(terms.account.to_string())
        .atom(LEAK, Atom::doubt("the threshold engine leaks the other shares to a party"));
    for (entity, role) in &terms.entities {
        model = model.entity(entity.as_str(), word(*role));
    }
    if terms.parties.iter().any(|card| card.kind == PartyKind::Device) {
        model = model.atom(HOSTILE, Atom::doubt("the program run on the devices is hostile"));
    }
    for (card, label) in &parties {
        let because = format!("`{label}` has a share");
        model = model
            .atom(*label, Atom::party(card.entity.as_str()))
            .rule(Rule::new(use_of(label), *label).because(because).evidence(Evidence::Signed));
        if card.kind == PartyKind::Device {
            let because = format!("the program on `{label}` sees its share");
            let hostile = Rule::new(use_of(label), HOSTILE);
            model = model.rule(hostile.because(because).evidence(Evidence::Asserted));
        }
    }
    if let Some(guardians) = &terms.guardians
        && let Some((_, held)) = terms.party(&guardians.party)
    {
        let mut pieces = Vec::new();
        for person in &guardians.people {
            let label = piece_holder(person);
            model = model.atom(&label, Atom::party(person.entity.as_str()));
            pieces.push(label);
        }
        let (k, n, label) = (guardians.needed, pieces.len(), labels.of_card(held));
        let because = format!("{k} of the {n} guardians put the share of `{label}` together");
        let together = Rule::new(use_of(label), Needs::k(k.into(), pieces));
        model = model.rule(together.because(because).evidence(Evidence::Signed));
    }
    let uses = || parties.iter().map(|(_, label)| use_of(label));
    let (k, n) = (terms.threshold, parties.len());
    let leaks = "with the shares of the others learnt, one share is as good as all";
    model
        .rule(
            Rule::new(MOVE, Needs::k(k.into(), uses()))
                .because(format!("{k} of the {n} shares sign"))
                .evidence(Evidence::Signed),
        )
        .rule(
            Rule::new(MOVE, Needs::all([Needs::from(LEAK), Needs::any(uses())]))
                .because(leaks)
                .evidence(Evidence::Asserted),
        )
        .build()
}
