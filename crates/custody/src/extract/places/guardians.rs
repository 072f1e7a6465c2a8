//! Guardians among the places: each holds a piece of a recovery party's share.

use std::collections::BTreeSet;

use cohold_model::PartyName;
use cohold_model::account::Terms;

use super::Draft;
use crate::extract::past::{Past, old_of};
use crate::extract::use_of;
use crate::model::{Atom, Evidence, Rule};
use crate::needs::Needs;

impl Draft<'_> {
    /// `piece:<guardian>` of each, and `use:<party>` by enough of them. Who has not said that its piece is
    /// at hand may have it all the same.
    pub(super) fn guardians(&mut self, terms: &Terms, pieces: &BTreeSet<PartyName>) {
        let Some(guardians) = &terms.guardians else { return };
        let (party, mut held) = (&guardians.party, Vec::new());
        for person in &guardians.people {
            let atom = self.names.next(person.name.as_str());
            self.atoms.insert(atom.clone(), Atom::party(person.entity.as_str()));
            let (because, evidence) = match pieces.contains(&person.name) {
                true => {
                    let says = "says that its piece of the share is at hand, and that it fits";
                    (format!("the guardian `{atom}` {says}"), Evidence::Signed)
                }
                false => {
                    let silent = "has not said that its piece of the share is at hand, and may have it";
                    (format!("the guardian `{atom}` {silent}"), Evidence::Unknown)
                }
            };
            let piece = format!("piece:{atom}");
            self.rules.push(Rule::new(piece.clone(), atom.as_str()).because(because).evidence(evidence));
            held.push(piece);
        }
        let (k, n) = (guardians.needed, held.len());
        let because = format!("{k} of the {n} guardians put the share of `{party}` together");
        let together = Rule::new(use_of(party.as_str()), Needs::k(k.into(), held));
        self.rules.push(together.because(because).evidence(Evidence::Signed));
    }

    /// Pieces of earlier epochs: who their guardians were is not told apart.
    pub(super) fn past_pieces(&mut self, past: &Past<'_>) {
        if past.guarded.is_empty() {
            return;
        }
        let kept = self.names.next("kept-pieces");
        self.atoms.insert(kept.clone(), Atom::doubt("guardians kept pieces of an earlier epoch"));
        for label in &past.guarded {
            let because = format!(
                "guardians held pieces of an old share of `{label}`, and nobody can prove that they deleted them"
            );
            self.rules
                .push(Rule::new(old_of(label), kept.as_str()).because(because).evidence(Evidence::Unknown));
        }
    }
}
