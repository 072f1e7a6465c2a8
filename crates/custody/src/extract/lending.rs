//! What nodes sign along by themselves: bounds, and the limits that they make.

use std::collections::{BTreeMap, BTreeSet};

use cohold_model::account::{Card, Terms};
use cohold_model::intent::Asset;
use cohold_model::statement::{Allowance, Receivers, Sealing, Statement};
use cohold_model::{Amount, PartyName};

use super::joining::Joining;
use super::names::Names;
use super::said::{Said, asset_folded};
use super::{APPROVE, ASK, use_of};
use crate::model::{Evidence, Limit, Rule};
use crate::needs::Needs;

/// The window in which nodes count.
const WINDOW_SECONDS: u64 = 24 * 3600;
/// Above so many limits, each node's are taken together as one without bounds.
const LIMITS_MAX: usize = 32;
/// Above so many receivers, anybody is taken to be one.
const RECEIVERS_MAX: usize = 256;

/// All nodes that sign along, or join in resharings.
pub(super) struct Lending<'a> {
    lenders: Vec<Lender<'a>>,
    joining: Joining<'a>,
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
    thing: Thing,
    amount: Option<Amount>,
    receivers: Option<BTreeSet<String>>,
    limit: Limit,
    /// What there is to say beside that the node signs along.
    note: Option<String>,
}

/// What a bound is about.
#[derive(Default, Clone, PartialEq, Eq)]
enum Thing {
    /// Whatever there is.
    #[default]
    Anything,
    /// The asset of this contract, none for the chain's coin.
    Asset(u64, Option<String>),
    /// The coin, as far as it goes in fees.
    Fees(u64),
}

impl Thing {
    fn chain(&self) -> Option<u64> {
        match self {
            Self::Anything => None,
            Self::Asset(chain, _) | Self::Fees(chain) => Some(*chain),
        }
    }
}

impl<'a> Lending<'a> {
    pub(super) fn new(terms: &'a Terms, said: &BTreeMap<&PartyName, Said<'_>>) -> Self {
        let lender = |card: &'a Card| Lender::new(card, said.get(&card.party).copied());
        Self::of(terms.parties.iter().filter_map(lender).collect(), Joining::new(terms, said))
    }

    /// One node alone signs along.
    pub(super) fn of_one(card: &'a Card, said: Option<Said<'_>>) -> Self {
        Self::of(Lender::new(card, said).into_iter().collect(), Joining::of_one(card, said))
    }

    /// Nobody signs along.
    pub(super) fn none() -> Self {
        Self::of(Vec::new(), Joining::none())
    }

    fn of(mut lenders: Vec<Lender<'a>>, joining: Joining<'a>) -> Self {
        if lenders.iter().map(|lender| lender.bounds.len()).sum::<usize>() > LIMITS_MAX {
            lenders.iter_mut().for_each(|lender| lender.bounds = vec![Bound::default()]);
        }
        let mut lending = Self { lenders, joining };
        lending.name_all();
        lending
    }

    fn name_all(&mut self) {
        let bounds = || self.lenders.iter().flat_map(|lender| &lender.bounds);
        let chains: BTreeSet<_> = bounds().filter_map(|bound| bound.thing.chain()).collect();
        let mut names = Names::default();
        for lender in &mut self.lenders {
            for bound in &mut lender.bounds {
                let wanted = match (bound.thing.chain(), bound.name.as_str()) {
                    (None, _) => format!("{}-anything", lender.party),
                    (Some(chain), symbol) if chains.len() > 1 => {
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
        bounds.map(|bound| (bound.name.clone(), bound.limit.clone())).chain(self.joining.limits())
    }

    /// `lend:<node>`, `join:<node>`, and `move` within each limit.
    pub(super) fn rules(&self, terms: &Terms) -> Vec<Rule> {
        let mut rules = Vec::new();
        for lender in &self.lenders {
            let lend = Rule::new(lend_of(lender.party), lender.needs);
            rules.push(lend.because(lender.because.clone()).evidence(lender.evidence));
        }
        for lender in &self.lenders {
            rules.extend(lender.bounds.iter().map(|bound| self.bounded(terms, lender, bound)));
        }
        rules.extend(self.joining.rules(terms));
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
        if let Some(note) = &bound.note {
            because.push_str(&format!("; {note}"));
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
            return card.kind.is_node().then(|| Self {
                party,
                needs: ASK,
                because: format!(
                    "`{party}` has stated nothing that counts, so it may sign whatever it is asked"
                ),
                evidence: Evidence::Unknown,
                bounds: vec![Bound::default()],
            });
        };
        let unattended =
            matches!(statement.sealing, Sealing::KeyFile | Sealing::Passphrase | Sealing::Hardware);
        let bounds = Bound::all(statement);
        if bounds.is_empty() || !(card.kind.is_node() || unattended) {
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
    /// What a statement lets through, and what may go in fees wherever it lets something through.
    fn all(statement: &Statement) -> Vec<Self> {
        let mut bounds: Vec<_> = statement.allowances.iter().filter_map(Self::of).collect();
        let chains: BTreeSet<_> = bounds.iter().filter_map(|bound| bound.thing.chain()).collect();
        bounds.extend(chains.into_iter().map(|chain| Self::of_fees(statement, chain)));
        bounds
    }

    /// A payment, however little it moves, carries a fee; whoever makes the block keeps most of it.
    fn of_fees(statement: &Statement, chain: u64) -> Self {
        let stated = statement.fees.iter().find(|fees| fees.chain_id == chain);
        let own = |allowance: &&Allowance| allowance.chain_id == chain && allowance.asset == Asset::Native;
        let named = statement.allowances.iter().find(own).map(|allowance| allowance.symbol.as_str());
        let coin = stated.map(|fees| fees.coin.as_str()).or(named).unwrap_or("coin");
        let per_day = stated.and_then(|fees| fees.per_day.map(|most| (most, most.format(fees.decimals))));
        let each = stated.map(|fees| {
            format!("each payment may burn up to {} {coin}", fees.per_transaction.format(fees.decimals))
        });
        let each = each.unwrap_or_else(|| "nothing is stated of the fee of a payment".to_owned());
        let all = match &per_day {
            Some((_, most)) => format!("all payments together at most {most} {coin} in 24 hours"),
            None => "and no number of payments a day is too many, so ANY AMOUNT can be burnt".to_owned(),
        };
        Self {
            name: format!("{}-fees", coin.to_ascii_lowercase()),
            thing: Thing::Fees(chain),
            amount: per_day.as_ref().map(|(most, _)| *most),
            receivers: None,
            limit: Limit {
                asset: Some(format!("{coin} in fees on chain {chain}")),
                window_seconds: per_day.as_ref().map(|_| WINDOW_SECONDS),
                amount: per_day.map(|(_, most)| most),
                receivers: Vec::new(),
            },
            note: Some(format!(
                "fees come on top of what payments move: {each}, {all}; whoever makes the block keeps them"
            )),
        }
    }

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
            thing: Thing::Asset(*chain_id, asset_folded(asset)),
            amount: *per_day,
            receivers: (!listed.is_empty())
                .then(|| listed.iter().map(|to| to.to_ascii_lowercase()).collect()),
            limit,
            note: None,
        })
    }

    /// Whether a lender with this bound stands under that of another: for the same asset, and not
    /// tighter. Where it is tighter, the two stand under this one.
    fn joins(&self, other: &Self) -> bool {
        self.overlaps(other) && (!self.is_within(other) || other.is_within(self))
    }

    /// Whether there is something for both.
    fn overlaps(&self, other: &Self) -> bool {
        self.thing == other.thing || self.thing == Thing::Anything || other.thing == Thing::Anything
    }

    /// Whether everything that this lets through, `other` lets through as well.
    fn is_within(&self, other: &Self) -> bool {
        let asset = other.thing == Thing::Anything || self.thing == other.thing;
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
