//! Before a node joins in a resharing that takes the user's consent: it waits as long as its rules say from
//! when it was first asked, so that the user's other parties can object. Somebody who has stolen what
//! speaks for the user would otherwise have the whole account at once, past every limit of the node.

use cohold_model::charter::Charter;
use cohold_model::civil::utc;
use cohold_model::reshare::Veto;
use cohold_model::{Document as _, PartyName, Signed};

use crate::refusal::{Code, Refusal};
use crate::rules::Rules;

/// What a party noted of somebody's asking under one charter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Who consented to a resharing.
    pub by: PartyName,
    /// Seconds since 1970 when it first asked.
    pub since: u64,
    /// Who objected.
    pub vetoed_by: Option<PartyName>,
}

/// How many seconds a node with these rules waits under a charter, if it joins at all. The charter's
/// guardians have a wait that no node's rules make shorter.
#[must_use]
pub fn delay(rules: &Rules, charter: &Charter) -> Option<u64> {
    let floor = charter.terms.guardians.as_ref().map_or(0, |guardians| guardians.delay_seconds);
    rules.resharing_delay().map(|delay| delay.max(floor))
}

/// The same before anything is noted; a refusal where its rules do not let it join in any.
pub fn check_joins(rules: &Rules, charter: &Charter) -> Result<u64, Refusal> {
    delay(rules, charter).ok_or_else(|| {
        Refusal::new(
            Code::Rules,
            "this party joins in no resharing that changes who is in the account: let others deal, or have its \
             operator add `[resharing]` to its rules and consent to that",
        )
    })
}

/// Whether the wait is over, and nobody objected.
pub fn check_waited(delay_seconds: u64, notice: &Notice, now: u64) -> Result<(), Refusal> {
    let Notice { by, since, vetoed_by } = notice;
    if let Some(objector) = vetoed_by {
        let message = format!(
            "`{objector}` objected to what `{by}` asked for: under this charter this party does not join in it"
        );
        return Err(Refusal::new(Code::Change, message));
    }
    let at = since.saturating_add(delay_seconds);
    if at <= now {
        return Ok(());
    }
    let left = at.saturating_sub(now);
    Err(Refusal::new(
        Code::Change,
        format!(
            "this party joins at {}, in {left} seconds, unless a party of the user's objects: ask again then",
            utc(at)
        ),
    ))
}

/// When a party joins, in seconds since 1970.
#[must_use]
pub fn joins_at(rules: &Rules, charter: &Charter, notice: &Notice) -> Option<u64> {
    delay(rules, charter).map(|delay| notice.since.saturating_add(delay))
}

/// Checks that an objection is that of a party of the user's, other than the one that asked, under the
/// charter in force.
pub fn check_veto(charter: &Charter, veto: &Signed<Veto>) -> Result<(), Refusal> {
    let refuse = |message: &str| Err(Refusal::new(Code::Change, message));
    let Veto { account, charter: under, asked_by, party, .. } = &veto.document;
    if *account != charter.terms.account || *under != charter.digest() {
        return refuse("the objection is for another account or charter");
    }
    if charter.terms.party(asked_by).is_none() {
        return refuse("the objection is to somebody who is no party of the account");
    }
    if asked_by == party {
        return refuse("nobody objects to themselves: give the resharing up instead");
    }
    let card = charter.terms.party(party).map(|(_, card)| card);
    let of_user = card.filter(|card| charter.terms.is_of_user(card));
    match of_user.is_some_and(|card| veto.is_signed_by(party, &card.identity)) {
        true => Ok(()),
        false => refuse("the objection is not signed by a party of the user's"),
    }
}
