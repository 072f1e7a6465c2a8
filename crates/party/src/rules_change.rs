//! Other rules for an account: what they mean, computed from charter and both texts alone, so that node
//! and device cannot come to different sentences.
//!
//! Two readings are joined. The custody models of before and after say who gains and who loses; they
//! count amounts per day and receivers. The letter of the rules says what else lets more through: fees,
//! amounts at once, decimals, and whatever exceeds a model's bounds. Only rules that are wider in neither
//! reading are taken without the user.
//!
//! Narrower rules are free where the user can move the funds without this node. Where they cannot, what
//! the node no longer signs, nobody else signs in its place: then the user is asked as well.

use cohold_custody::difference;
use cohold_custody::extract::suppose;
use cohold_model::PartyName;
use cohold_model::account::{Role, Terms};
use cohold_model::change::Change;
use cohold_model::charter::Charter;
use cohold_model::statement::Sealing;

use crate::gate::{AssessError, Assessment, consenters};
use crate::rules::{Beyond, Rules, beyond};
use crate::statement::{Held, describe};

/// What it means for an account that `party` runs the rules `after` instead of `before`, its `revision`.
pub fn assess(
    charter: &Charter,
    party: &PartyName,
    revision: u64,
    before: &Rules,
    after: &Rules,
) -> Result<Assessment, AssessError> {
    let card = charter.terms.party(party).map(|(_, card)| card);
    if !card.is_some_and(|card| card.kind.is_node()) {
        return Err(AssessError::Party(party.clone()));
    }
    // How the node's share is sealed is no part of the change, nor is the time.
    let held = || Held { sealing: Sealing::KeyFile, token: None, since: 0 };
    let model = |rules| suppose(charter, &describe(charter, party, held(), rules, 0));
    let difference = difference(&model(before)?, &model(after)?)?;
    let mut conditions: Vec<String> = beyond(after, before).iter().map(Beyond::loosened).collect();
    if !moves_without(&charter.terms, party) {
        conditions.extend(beyond(before, after).iter().map(Beyond::tightened));
    }
    let (before, after) = (before.digest(), after.digest());
    let change = Change::Rules { party: party.clone(), revision, before, after };
    Assessment::new(charter, change, conditions, difference, consenters(&charter.terms, party))
}

/// Whether the user has enough shares without this party's rules: its own ones bind nobody who has it.
fn moves_without(terms: &Terms, party: &PartyName) -> bool {
    let of_user = |entity| terms.entities.get(entity) == Some(&Role::User);
    let others = terms.parties.iter().filter(|card| card.party != *party && of_user(&card.entity));
    others.count() >= usize::from(terms.threshold)
}
