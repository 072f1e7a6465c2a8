//! The model of an account if one node ran certain rules: to compare rules with one another.

use std::collections::{BTreeMap, BTreeSet};

use cohold_model::account::{Card, PartyKind};
use cohold_model::charter::Charter;
use cohold_model::statement::{Sealing, Statement};

use super::lending::Lending;
use super::past::Past;
use super::places::{Places, Sealed};
use super::said::{Said, is_understood};
use super::{ExtractError, Own, assemble, coordinator};
use crate::declared::Declared;
use crate::model::{Evidence, Model};

/// The model of an account if `statement` were what its node runs, and no other node signed anything by
/// itself. Nothing else goes into it than the charter: whoever supposes the same gets the same model.
///
/// Two such models tell apart what one node's rules let through, whatever the others do. Others that
/// lend would hide it: next to a node that may sign anything, looser rules make no difference. With the
/// others closed, a coalition that has one share less than the threshold and an approval reaches just
/// what this node lends, and no account has a coalition for which its rules bind more tightly.
///
/// Devices and recovery shares are taken to be sealed as this program seals them, nodes not at all. Every
/// node is taken to be its own entity's alone: held against the account, silence about one would give
/// outsiders what the rules are about, before as after. All of it is the same in every model of one
/// account that this gives.
///
/// Earlier charters have no part in it: what was kept of old shares no rules of a node bind.
///
/// # Errors
/// Never for a charter that holds. Who calls has checked its signatures.
pub fn suppose(charter: &Charter, statement: &Statement) -> Result<Model, ExtractError> {
    let terms = &charter.terms;
    let own = Own { declared: Declared::own_alone(terms), ..Own::default() };
    let coordinator = coordinator(terms, &own);
    let sealed = |card: &'_ Card| {
        let sealing = match card.kind {
            PartyKind::Device => Sealing::DeviceAndPin,
            PartyKind::Recovery => Sealing::SealedFile,
            PartyKind::Cosigner | PartyKind::Guardian => return None,
        };
        Some(Sealed::vouched(sealing, Evidence::Asserted))
    };
    let seals: BTreeMap<_, _> =
        terms.parties.iter().filter_map(|card| Some((&card.party, sealed(card)?))).collect();
    let places =
        Places::fitting(terms, &seals, &BTreeSet::new(), &own.declared, &coordinator, &Past::none(terms));
    let said = is_understood(statement).then_some(Said { statement, evidence: Evidence::Asserted });
    let lending = match terms.party(&statement.party) {
        Some((_, card)) => Lending::of_one(card, said),
        None => Lending::none(),
    };
    Ok(assemble(terms, &coordinator, places, &lending, &Past::none(terms), Vec::new())?)
}
