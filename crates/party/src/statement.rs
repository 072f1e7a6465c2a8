//! What a party says of itself, signed.

use cohold_model::charter::Charter;
use cohold_model::statement::{Sealing, Statement};
use cohold_model::{Document as _, IdentitySecret, PartyName, Signed};

use crate::rules::Rules;

/// How long a statement counts as signed word, in seconds: 24 hours.
pub const VALID_SECONDS: u64 = 24 * 3600;

/// States what `me` holds of the account under `charter`.
#[must_use]
pub fn state(
    charter: &Charter,
    me: &PartyName,
    held: (Sealing, u64),
    rules: &Rules,
    identity: &IdentitySecret,
    now: u64,
) -> Signed<Statement> {
    let (sealing, held_since) = held;
    let statement = Statement {
        account: charter.terms.account,
        party: me.clone(),
        charter: charter.digest(),
        epoch: charter.epoch,
        sealing,
        held_since,
        // No rule of any party can waive the approval: `verify::review` has no such branch.
        requires_approval: true,
        allowances: rules.allowances(),
        fees: rules.fee_bounds(),
        rules: rules.digest(),
        issued_at: now,
        expires_at: now.saturating_add(VALID_SECONDS),
    };
    Signed::by(statement, me.clone(), identity)
}
