//! What nodes sign along by themselves: bounds, and the limits that they make.

use std::collections::{BTreeMap, BTreeSet};

use cohold_model::account::{Card, Terms};
use cohold_model::intent::Asset;
use cohold_model::statement::{Allowance, Receivers, Sealing, Statement};
use cohold_model::{Amount, PartyName};

use super::names::Names;
use super::said::{Said, asset_folded};
use super::{APPROVE, ASK, is_node, use_of};
use crate::model::{Evidence, Limit, Rule};
use crate::needs::Needs;

/// The window in which nodes count.
const WINDOW_SECONDS: u64 = 24 * 3600;
/// Above so many limits, each node's are taken together as one without bounds.
const LIMITS_MAX: usize = 32;
/// Above so many receivers, anybody is taken to be one.
const RECEIVERS_MAX: usize = 256;

/// All nodes that sign along.
pub(super) struct Lending<'a> {
    lenders: Vec<Lender<'a>>,
}

struct Lender<'a> {
    party: &'a str,
    /// `approve` or `ask`.
    needs: &'static str,
    because: String,
    evidence: Evidence,
    bounds: Vec<Bound>,
}

/// What a node lets through, under the name of a limit.
#[derive(Default)]
struct Bound {
    name: String,
    /// Chain and contract, none for its coin; none at all: any asset.
    asset: Option<(u64, Option<String>)>,
    amount: Option<Amount>,
    receivers: Option<BTreeSet<String>>,
    limit: Limit,
}

impl<'a> Lending<'a> {
    pub(super) fn new(terms: &'a Terms, said: &BTreeMap<&PartyName, Said<'_>>) -> Self {
        let lender = |card: &'a Card| Lender::new(card, said.get(&card.party).copied());
        let mut lenders: Vec<_> = terms.parties.iter().filter_map(lender).collect();
        if lenders.iter().map(|lender| lender.bounds.len()).sum::<usize>() > LIMITS_MAX {
            lenders.iter_mut().for_each(|lender| lender.bounds = vec![Bound::default()]);
        }
        let mut lending = Self { lenders };
        lending.name_all();
        lending
    }

    fn name_all(&mut self) {
        let bounds = || self.lenders.iter().flat_map(|lender| &lender.bounds);
        let chains: BTreeSet<_> = bounds().filter_map(|bound| Some(bound.asset.as_ref()?.0)).collect();
        let mut names = Names::default();
        for lender in &mut self.lenders {
            for bound in &mut lender.bounds {
                let wanted = match (&bound.asset, bound.name.as_str()) {
                    (None, _) => format!("{}-anything", lender.party),
                    (Some((chain, _)), symbol) if chains.len() > 1 => {
                        format!("{}-{symbol}-{chain}", lender.party)
                    }
                    (Some(_), symbol) => format!("{}-{symbol}", lender.party),
                };
                bound.name = names.next(&wanted);
            }
        }
    }

    /// Whether a node lends for this power.
    pub(super) fn needs(&self, power: &str) -> bool {
        self.lenders.iter().any(|lender| lender.needs == power)
    }

    pub(super) fn limits(&self) -> impl Iterator<Item = (String, Limit)> {
        let bounds = self.lenders.iter().flat_map(|lender| &lender.bounds);
        bounds.map(|bound| (bound.name.clone(), bound.limit.clone()))
    }

    /// `lend:<node>`, and `move` within each limit.
    pub(super) fn rules(&self, terms: &Terms) -> Vec<Rule> {
        let mut rules = Vec::new();
        for lender in &self.lenders {
            let lend = Rule::new(lend_of(lender.party), lender.needs);
            rules.push(lend.because(lender.because.clone()).evidence(lender.evidence));
        }
        for lender in &self.lenders {
            rules.extend(lender.bounds.iter().map(|bound| self.bounded(terms, lender, bound)));
        }
        rules
    }

    /// This node signs along within this bound, so one share less is needed.
    fn bounded(&self, terms: &Terms, lender: &Lender<'_>, bound: &Bound) -> Rule {
        let others = terms.parties.iter().filter(|card| card.party.as_str() != lender.party);
        let others = others.map(|card| self.share(card.party.as_str(), bound));
        let more = terms.threshold.saturating_sub(1);
        let needs = Needs::all([lend_of(lender.party).into(), Needs::k(more.into(), others)]);
        let mut because =
            format!("with `{}` signing along within `{}`, {more} more must sign", lender.party, bound.name);
        let others = self.lenders.iter().filter(|other| other.party != lender.party);
        if others.flat_map(|other| &other.bounds).any(|other| other.overlaps(bound)) {
            because.push_str("; what another node lets through is counted apart and adds to it");
        }
        Rule::new("move", needs).limit(&bound.name).because(because).evidence(Evidence::Signed)
    }

    /// Another party's share within this bound: its own, or lent where its own bound is no tighter.
    fn share(&self, party: &str, within: &Bound) -> Needs {
        let lender = self.lenders.iter().find(|lender| lender.party == party);
        let lends = lender.is_some_and(|lender| lender.bounds.iter().any(|bound| bound.joins(within)));
        if lends { Needs::any([use_of(party), lend_of(party)]) } else { use_of(party).into() }
    }
}

impl<'a> Lender<'a> {
    /// None for parties that sign nothing without their user, and for nodes that let nothing through.
    fn new(card: &'a Card, said: Option<Said<'_>>) -> Option<Self> {
        let party = card.party.as_str();
        let Some(Said { statement, evidence }) = said else {
            return is_node(card.kind).then(|| Self {
                party,
                needs: ASK,
                because: format!(
                    "`{party}` has stated nothing that counts, so it may sign whatever it is asked"
                ),
                evidence: Evidence::Unknown,
                bounds: vec![Bound::default()],
            });
        };
        let unattended = matches!(statement.sealing, Sealing::KeyFile | Sealing::Passphrase);
        let bounds: Vec<_> = statement.allowances.iter().filter_map(Bound::of).collect();
        if bounds.is_empty() || !(is_node(card.kind) || unattended) {
            return None;
        }
        let Statement { requires_approval, .. } = statement;
        let (needs, what) = match requires_approval {
            true => (APPROVE, "what an approver has approved"),
            false => (ASK, "what it is asked, without an approval"),
        };
        let because = format!("`{party}` signs along, within its own rules, {what}");
        Some(Self { party, needs, because, evidence, bounds })
    }
}

impl Bound {
    /// None where the allowance lets nothing through.
    fn of(allowance: &Allowance) -> Option<Self> {
        let Allowance { chain_id, asset, symbol, decimals, per_transaction, per_day, receivers } = allowance;
        if [per_transaction, per_day].into_iter().flatten().any(Amount::is_zero) {
            return None;
        }
        let listed = match receivers {
            Receivers::Only(list) if list.is_empty() => return None,
            Receivers::Only(list) if list.len() <= RECEIVERS_MAX => list.as_slice(),
            Receivers::Only(_) | Receivers::Any => &[],
        };
        let shown = match asset {
            Asset::Native => format!("{symbol} on chain {chain_id}"),
            Asset::Token(contract) => format!("{symbol} ({contract}) on chain {chain_id}"),
        };
        let limit = Limit {
            asset: Some(shown),
            amount: per_day.map(|amount| amount.format(*decimals)),
            window_seconds: per_day.map(|_| WINDOW_SECONDS),
            receivers: listed.to_vec(),
        };
        Some(Self {
            name: symbol.to_ascii_lowercase(),
            asset: Some((*chain_id, asset_folded(asset))),
            amount: *per_day,
            receivers: (!listed.is_empty())
                .then(|| listed.iter().map(|to| to.to_ascii_lowercase()).collect()),
            limit,
        })
    }

    /// Whether a lender with this bound stands under that of another: for the same asset, and not
    /// tighter. Where it is tighter, the two stand under this one.
    fn joins(&self, other: &Self) -> bool {
        self.overlaps(other) && (!self.is_within(other) || other.is_within(self))
    }

    /// Whether there is an asset for both.
    fn overlaps(&self, other: &Self) -> bool {
        match (&self.asset, &other.asset) {
            (Some(one), Some(another)) => one == another,
            _ => true,
        }
    }

    /// Whether everything that this lets through, `other` lets through as well.
    fn is_within(&self, other: &Self) -> bool {
        let asset = other.asset.is_none() || self.asset == other.asset;
        let amount = other.amount.is_none_or(|most| self.amount.is_some_and(|amount| amount <= most));
        let receivers = other.receivers.as_ref().is_none_or(|theirs| {
            self.receivers.as_ref().is_some_and(|receivers| receivers.is_subset(theirs))
        });
        asset && amount && receivers
    }
}

fn lend_of(party: &str) -> String {
    format!("lend:{party}")
}
