//! What nodes join in beyond payments: a resharing that a party of the user asks for. Whoever asks gives
//! the key to parties of their choice; so to somebody who stole what speaks for the user, it is worth
//! everything, once the wait is over and nobody of the user has objected.
//!
//! Like what nodes sign along, it is lent: a limit with nothing in it, so that it counts as a move of
//! whoever reaches it and never as the user's own way out. The node can always refuse.

use std::collections::BTreeMap;

use cohold_model::PartyName;
use cohold_model::account::{Card, PartyKind, Terms};

use super::said::Said;
use super::use_of;
use crate::model::{Evidence, Limit, Rule};
use crate::needs::Needs;
use crate::words::duration;

/// Speaking for the user about who is in the account.
pub(super) const CONSENT: &str = "consent";
/// Objecting to what somebody else asked for.
pub(super) const VETO: &str = "veto";

/// The nodes that join, and after how many seconds.
pub(super) struct Joining<'a>(Vec<Joiner<'a>>);

struct Joiner<'a> {
    party: &'a str,
    delay_seconds: u64,
    evidence: Evidence,
}

impl<'a> Joining<'a> {
    pub(super) fn new(terms: &'a Terms, said: &BTreeMap<&PartyName, Said<'_>>) -> Self {
        // No node's rules make the wait shorter than the charter's own.
        let floor = terms.guardians.as_ref().map_or(0, |guardians| guardians.delay_seconds);
        let joiner = |card: &'a Card| {
            let joiner = Joiner::new(card, said.get(&card.party).copied())?;
            Some(Joiner { delay_seconds: joiner.delay_seconds.max(floor), ..joiner })
        };
        Self(terms.parties.iter().filter_map(joiner).collect())
    }

    /// One node alone joins.
    pub(super) fn of_one(card: &'a Card, said: Option<Said<'_>>) -> Self {
        Self(Joiner::new(card, said).into_iter().collect())
    }

    /// Nobody joins.
    pub(super) fn none() -> Self {
        Self(Vec::new())
    }

    /// One for each node: everything, to anybody.
    pub(super) fn limits(&self) -> impl Iterator<Item = (String, Limit)> {
        self.0.iter().map(|joiner| (limit_of(joiner.party), Limit::default()))
    }

    /// `consent`, `veto`, `join:<node>`, and `move` within each limit.
    pub(super) fn rules(&self, terms: &Terms) -> Vec<Rule> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let any = |parties: Vec<&Card>| Needs::any(parties.into_iter().map(|c| use_of(c.party.as_str())));
        let mut rules = vec![
            Rule::new(CONSENT, any(consenters(terms)))
                .because("the key that speaks for the user lies sealed beside the share of its party")
                .evidence(Evidence::Signed),
        ];
        if self.0.iter().any(|joiner| joiner.delay_seconds > 0) {
            let objects = "a party of the user's objects in time, and the nodes take no part";
            let veto = Rule::new(VETO, any(vetoers(terms)));
            rules.push(veto.because(objects).evidence(Evidence::Signed));
        }
        rules.extend(self.0.iter().map(Joiner::joins));
        rules.extend(self.0.iter().map(|joiner| self.moves(terms, joiner)));
        rules
    }

    /// This node gives sub-shares of its own, so one share less is needed.
    fn moves(&self, terms: &Terms, joiner: &Joiner<'_>) -> Rule {
        let joins = |party: &str| self.0.iter().any(|joiner| joiner.party == party);
        let share = |party: &str| match joins(party) {
            true => Needs::any([use_of(party), join_of(party)]),
            false => use_of(party).into(),
        };
        let others = terms.parties.iter().filter(|card| card.party.as_str() != joiner.party);
        let more = terms.threshold.saturating_sub(1);
        let others = Needs::k(more.into(), others.map(|card| share(card.party.as_str())));
        let because = format!(
            "with `{}` dealing, {more} more must deal to give the key to parties of their choice",
            joiner.party
        );
        Rule::new("move", Needs::all([join_of(joiner.party).into(), others]))
            .limit(limit_of(joiner.party))
            .because(because)
            .evidence(Evidence::Signed)
    }
}

impl<'a> Joiner<'a> {
    /// None for parties that are their user's, and for nodes that do not say that they join: one that says
    /// nothing at all is held against the account by its signing already.
    fn new(card: &'a Card, said: Option<Said<'_>>) -> Option<Self> {
        let Said { statement, evidence } = said.filter(|_| card.kind.is_node())?;
        let delay_seconds = statement.resharing_delay?;
        Some(Self { party: card.party.as_str(), delay_seconds, evidence })
    }

    fn joins(&self) -> Rule {
        let Self { party, delay_seconds, evidence } = *self;
        let when = match delay_seconds {
            0 => "at once".to_owned(),
            seconds => format!("after {}, unless a party of the user's objects", duration(seconds)),
        };
        let because = format!("`{party}` joins in a resharing that the user's parties consent to, {when}");
        let joins = Rule::new(join_of(party), CONSENT).because(because).evidence(evidence);
        match delay_seconds {
            0 => joins,
            seconds => joins.after_seconds(seconds).cancel(VETO),
        }
    }
}

/// Whose consent the parties take: as `cohold_party::charter_change`, where no device is to stay.
fn consenters(terms: &Terms) -> Vec<&Card> {
    let of_user = |card: &&Card| terms.is_of_user(card);
    let speaks = |card: &&Card| matches!(card.kind, PartyKind::Device | PartyKind::Recovery);
    let own: Vec<_> = terms.parties.iter().filter(of_user).filter(speaks).collect();
    if !own.is_empty() {
        return own;
    }
    terms.parties.iter().filter(|card| terms.approvers.contains(&card.party)).collect()
}

/// Who may object: every party of the user's.
fn vetoers(terms: &Terms) -> Vec<&Card> {
    terms.parties.iter().filter(|card| terms.is_of_user(card)).collect()
}

fn join_of(party: &str) -> String {
    format!("join:{party}")
}

/// No symbol of an asset has a colon, so no other limit is called that.
fn limit_of(party: &str) -> String {
    format!("{party}:resharing")
}
