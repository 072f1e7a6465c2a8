//! What one party's rules let through that other rules do not, line by line. It takes rules at their
//! letter: base units, every bound, every receiver; also what no custody model counts.

use std::collections::BTreeSet;

use cohold_model::Amount;
use cohold_model::intent::Asset;
use cohold_model::statement::{Allowance, Receivers};

use super::{COIN_DECIMALS, ChainRules, Rules};

/// One line in which rules are wider than others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Beyond {
    what: String,
    wide: String,
    narrow: String,
}

impl Beyond {
    /// The line, where the wider rules take the place of the others.
    pub(crate) fn loosened(&self) -> String {
        format!("{}: {} from now on, {} before.", self.what, self.wide, self.narrow)
    }

    /// The line, where the others take the place of the wider rules.
    pub(crate) fn tightened(&self) -> String {
        format!("{}: {} from now on, {} before.", self.what, self.narrow, self.wide)
    }
}

/// Every line in which `wide` lets something through that `narrow` does not; none if all that passes the
/// one passes the other. What is named or counted differently is not compared, and so is beyond.
pub(crate) fn beyond(wide: &Rules, narrow: &Rules) -> Vec<Beyond> {
    let mut lines = Vec::new();
    resharing(&mut lines, wide.resharing_delay(), narrow.resharing_delay());
    for chain in &wide.chains {
        let other = narrow.chains.iter().find(|other| other.id == chain.id);
        if let Some(other) = other {
            fees(&mut lines, chain, other);
        }
        for allowance in &chain.allowances {
            let other = other.and_then(|chain| chain.allowances.iter().find(|a| a.asset == allowance.asset));
            match other {
                Some(other) => bounds(&mut lines, allowance, other),
                None => lines.push(Beyond {
                    what: name(allowance),
                    wide: words(allowance, chain),
                    narrow: "nothing".to_owned(),
                }),
            }
        }
    }
    lines
}

/// A shorter wait leaves less time to object.
fn resharing(lines: &mut Vec<Beyond>, wide: Option<u64>, narrow: Option<u64>) {
    let say = |delay: Option<u64>| match delay {
        None => "never".to_owned(),
        Some(0) => "AT ONCE".to_owned(),
        Some(seconds) => format!("after {seconds} seconds"),
    };
    let is_sooner = match (wide, narrow) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(wide), Some(narrow)) => wide < narrow,
    };
    if is_sooner {
        let what = "joins in a resharing that a party of the user asks for".to_owned();
        lines.push(Beyond { what, wide: say(wide), narrow: say(narrow) });
    }
}

fn fees(lines: &mut Vec<Beyond>, wide: &ChainRules, narrow: &ChainRules) {
    let (coin, id) = (&wide.coin, wide.id);
    if wide.coin != narrow.coin {
        lines.push(Beyond {
            what: format!("the coin of chain {id} is called"),
            wide: wide.coin.clone(),
            narrow: narrow.coin.clone(),
        });
    }
    let mut line = |what: &str, wide: Option<Amount>, narrow: Option<Amount>| {
        if is_more(wide, narrow) {
            let say = |amount| most(amount, COIN_DECIMALS, coin);
            let what = format!("fees {what} on chain {id}");
            lines.push(Beyond { what, wide: say(wide), narrow: say(narrow) });
        }
    };
    line("of one transaction", Some(wide.fee_max), Some(narrow.fee_max));
    line("in 24 hours", wide.fees_per_day, narrow.fees_per_day);
}

fn bounds(lines: &mut Vec<Beyond>, wide: &Allowance, narrow: &Allowance) {
    let counted =
        |allowance: &Allowance| format!("{} with {} decimals", allowance.symbol, allowance.decimals);
    if (&wide.symbol, wide.decimals) != (&narrow.symbol, narrow.decimals) {
        lines.push(Beyond {
            what: format!("{} is called and counted as", name(wide)),
            wide: counted(wide),
            narrow: counted(narrow),
        });
    }
    let say = |amount, of: &Allowance| most(amount, of.decimals, &of.symbol);
    let mut line = |what: &str, of: fn(&Allowance) -> Option<Amount>| {
        if is_more(of(wide), of(narrow)) {
            let what = format!("{} {what}", name(wide));
            lines.push(Beyond { what, wide: say(of(wide), wide), narrow: say(of(narrow), narrow) });
        }
    };
    // Without a bound of its own it is that of the day, of which the next line tells.
    if narrow.per_transaction.is_some() {
        line("in one transaction", per_transaction);
    }
    line("in 24 hours", |allowance| allowance.per_day);
    receivers(lines, wide, narrow);
}

fn receivers(lines: &mut Vec<Beyond>, wide: &Allowance, narrow: &Allowance) {
    let what = format!("receivers of {}", name(wide));
    match (&wide.receivers, &narrow.receivers) {
        (_, Receivers::Any) => {}
        (Receivers::Any, Receivers::Only(list)) => {
            let narrow = if list.is_empty() { "nobody".to_owned() } else { list.join(", ") };
            lines.push(Beyond { what, wide: "ANYBODY".to_owned(), narrow });
        }
        (Receivers::Only(wide), Receivers::Only(narrow)) => {
            let known: BTreeSet<_> = narrow.iter().collect();
            let more: Vec<_> = wide.iter().filter(|to| !known.contains(to)).cloned().collect();
            if !more.is_empty() {
                lines.push(Beyond { what, wide: more.join(", "), narrow: "none of these".to_owned() });
            }
        }
    }
}

/// The most in one transaction: no more than a day lets through.
fn per_transaction(allowance: &Allowance) -> Option<Amount> {
    let Allowance { per_transaction, per_day, .. } = allowance;
    per_transaction.iter().chain(per_day).min().copied()
}

/// Without a bound is more than any.
fn is_more(wide: Option<Amount>, narrow: Option<Amount>) -> bool {
    match (wide, narrow) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(wide), Some(narrow)) => wide > narrow,
    }
}

fn name(allowance: &Allowance) -> String {
    let Allowance { chain_id, asset, symbol, .. } = allowance;
    match asset {
        Asset::Native => format!("{symbol} on chain {chain_id}"),
        Asset::Token(contract) => format!("{symbol} ({contract}) on chain {chain_id}"),
    }
}

fn words(allowance: &Allowance, chain: &ChainRules) -> String {
    let Allowance { symbol, decimals, per_day, receivers, .. } = allowance;
    let day = most(*per_day, *decimals, symbol);
    let to = match receivers {
        Receivers::Any => "ANYBODY".to_owned(),
        Receivers::Only(list) if list.is_empty() => "nobody".to_owned(),
        Receivers::Only(list) => list.join(", "),
    };
    let fee = most(Some(chain.fee_max), COIN_DECIMALS, &chain.coin);
    format!("{day} in 24 hours, with fees of {fee} each, to {to}")
}

fn most(amount: Option<Amount>, decimals: u8, symbol: &str) -> String {
    match amount {
        Some(amount) => format!("up to {} {symbol}", amount.format(decimals)),
        None => "ANY AMOUNT".to_owned(),
    }
}
