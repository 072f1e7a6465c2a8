//! What a party says of itself, signed.

use std::collections::BTreeSet;

use cohold_model::charter::Charter;
use cohold_model::guardians::GuardianReceipt;
use cohold_model::import::Origin;
use cohold_model::statement::{Sealing, Statement, VALID_SECONDS, Vouch};
use cohold_model::{Document as _, Epoch, IdentitySecret, PartyName, Signed, Token};

use crate::rules::Rules;

/// How a party holds its share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// How it lies at rest.
    pub sealing: Sealing,
    /// The hardware token that seals it, where one does.
    pub token: Option<Token>,
    /// Seconds since 1970 when it was stored.
    pub since: u64,
}

/// States what `me` holds of the account under `charter`.
#[must_use]
pub fn state(
    charter: &Charter,
    me: &PartyName,
    held: Held,
    rules: &Rules,
    identity: &IdentitySecret,
    now: u64,
) -> Signed<Statement> {
    Signed::by(describe(charter, me, held, rules, now), me.clone(), identity)
}

/// What there is to state of the rules that `me` runs; unsigned.
pub(crate) fn describe(charter: &Charter, me: &PartyName, held: Held, rules: &Rules, now: u64) -> Statement {
    let Held { sealing, token, since: held_since } = held;
    Statement {
        account: charter.terms.account,
        party: me.clone(),
        charter: charter.digest(),
        epoch: charter.epoch,
        sealing,
        token,
        held_since,
        // No rule of any party can waive the approval: `verify::review` has no such branch.
        requires_approval: true,
        allowances: rules.allowances(),
        fees: rules.fee_bounds(),
        vouches: Vec::new(),
        receipts: Vec::new(),
        deleted: Vec::new(),
        exported_at: None,
        imported: charter.origin.is_some_and(Origin::was_whole),
        drilled_at: None,
        resharing_delay: rules.resharing_delay(),
        rules: rules.digest(),
        issued_at: now,
        expires_at: now.saturating_add(VALID_SECONDS),
    }
}

/// What a party remembers of an account beside the share that it holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    /// Earlier epochs of which it deleted its share.
    pub deleted: BTreeSet<Epoch>,
    /// When the whole key was exported here, in seconds since 1970.
    pub exported_at: Option<u64>,
    /// When the way out was last rehearsed here, in seconds since 1970.
    pub drilled_at: Option<u64>,
}

/// The same statement with what the party remembers.
#[must_use]
pub fn remembering(said: Signed<Statement>, memory: Memory, identity: &IdentitySecret) -> Signed<Statement> {
    let Memory { deleted, exported_at, drilled_at } = memory;
    let deleted = deleted.into_iter().collect();
    let statement = Statement { deleted, exported_at, drilled_at, ..said.document };
    let party = statement.party.clone();
    Signed::by(statement, party, identity)
}

/// The same statement of a device, which speaks for the recovery shares that were made on it as well, and
/// passes on what guardians told it.
#[must_use]
pub fn vouching(
    said: Signed<Statement>,
    vouches: Vec<Vouch>,
    receipts: Vec<Signed<GuardianReceipt>>,
    identity: &IdentitySecret,
) -> Signed<Statement> {
    let statement = Statement { vouches, receipts, ..said.document };
    let party = statement.party.clone();
    Signed::by(statement, party, identity)
}
