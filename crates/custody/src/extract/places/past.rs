//! Old shares among the places: who may have kept them, and where.

use std::collections::BTreeMap;

use cohold_model::account::{PartyKind, Role};

use super::{Draft, Grain};
use crate::extract::past::{Holder, Past};
use crate::extract::{use_of, word};
use crate::model::Atom;
use crate::needs::Needs;

impl Draft<'_> {
    /// `old:<party>` for everybody who ever held a share of an earlier epoch.
    ///
    /// A doubt covers all epochs of its holder. Where the table would be too large, one doubt covers all
    /// holders of an entity and one atom all of its parties that are gone; then one doubt covers
    /// everybody, and gives what the gone ones have to anybody. Each step only makes coalitions smaller.
    pub(super) fn past(&mut self, past: &Past<'_>, hostile: Option<&str>) {
        let mut doubts = BTreeMap::new();
        for holder in &past.holders {
            let kept = self.kept(holder, &mut doubts);
            let needs = match (holder.stays, self.gone.get(&holder.label)) {
                (true, _) => Needs::all([kept, use_of(&holder.label)]),
                (false, None) => Needs::from(kept),
                (false, Some(place)) => {
                    let seen = hostile.filter(|_| holder.card.kind == PartyKind::Device);
                    let places = Needs::any([place.as_str()].into_iter().chain(seen));
                    Needs::all([Needs::from(kept), places])
                }
            };
            self.rules.push(holder.rule(needs));
        }
        self.past_pieces(past);
    }

    /// The doubt that a holder kept its old shares.
    fn kept(&mut self, holder: &Holder<'_>, doubts: &mut BTreeMap<String, String>) -> String {
        let Holder { label, card, .. } = holder;
        let entity = card.entity.as_str();
        let (wanted, says, profits) = match self.grain {
            Grain::Holders => {
                (format!("kept-{label}"), format!("an old share of `{label}` was kept"), Some(entity))
            }
            Grain::Entities => (
                format!("kept-by-{entity}"),
                format!("old shares of the parties of {entity} were kept (not told apart)"),
                Some(entity),
            ),
            Grain::Nothing => ("kept".to_owned(), "old shares were kept (not told apart)".to_owned(), None),
        };
        if let Some(name) = doubts.get(&wanted) {
            return name.clone();
        }
        let name = self.names.next(&wanted);
        let doubt = Atom::doubt(says);
        self.atoms.insert(name.clone(), profits.map_or(doubt.clone(), |entity| doubt.profits(entity)));
        doubts.insert(wanted, name.clone());
        name
    }

    /// The places of those who are parties no longer, by their labels.
    pub(super) fn gone(&mut self, past: &Past<'_>) {
        let mut of_entity: BTreeMap<&str, String> = BTreeMap::new();
        for Holder { label, card, role, .. } in past.gone() {
            let entity = card.entity.as_str();
            let place = match (self.grain, of_entity.get(entity)) {
                (Grain::Nothing, _) => continue,
                (Grain::Entities, Some(place)) => place.clone(),
                (Grain::Entities, None) => self.names.next(&format!("{entity}-left")),
                (Grain::Holders, _) if card.kind == PartyKind::Recovery => {
                    self.names.next(&format!("{label}-file"))
                }
                (Grain::Holders, _) => self.own_name(label),
            };
            of_entity.insert(entity, place.clone());
            let is_file = card.kind == PartyKind::Recovery && self.grain == Grain::Holders;
            let atom = if is_file { Atom::object(entity) } else { Atom::party(entity) };
            self.atoms.insert(place.clone(), atom);
            self.gone.insert(label.clone(), place);
            self.holders.strangers.entry(entity.to_owned()).or_insert(former(*role));
        }
    }
}

/// The role of who was in a charter and may be in none any more; whoever was the user is an outsider then.
fn former(role: Role) -> &'static str {
    match role {
        Role::User => "former-user",
        Role::Provider | Role::Guardian => word(role),
    }
}
