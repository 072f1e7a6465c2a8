//! Which coalitions are played: each minimal one that can, and each maximal one that cannot.

use std::collections::BTreeMap;

use cohold_custody::extract::Called;
use cohold_custody::{Evaluation, Model};
use cohold_model::intent::Asset;
use cohold_model::statement::{Allowance, Statement};

use super::loot::Goal;

/// The most atoms whose sets are all looked through.
const ATOMS_MAX: usize = 20;

/// A coalition and what to play with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Play {
    pub(crate) coalition: Vec<String>,
    /// Powers that the model says it has.
    pub(crate) powers: Vec<String>,
    pub(crate) goals: Vec<Goal>,
    /// Whether to try what it should not be able to do.
    pub(crate) beyond: bool,
    /// Whether somebody named it: then even what every node's rules rule out is asked for.
    pub(crate) named: bool,
    /// Why it is not played.
    pub(crate) unplayable: Option<String>,
}

/// The minimal coalitions, each once, with the strongest power that it has.
pub(crate) fn minimal(
    evaluation: &Evaluation,
    limits: &BTreeMap<String, Goal>,
    is_assumption: impl Fn(&str) -> bool,
) -> Vec<Play> {
    let mut powers: BTreeMap<(usize, Vec<String>), Vec<String>> = BTreeMap::new();
    for (power, ways) in &evaluation.powers {
        for way in ways {
            let key = (way.coalition.len(), way.coalition.to_vec());
            powers.entry(key).or_default().push(power.clone());
        }
    }
    let plays = powers.into_iter().map(|((_, coalition), powers)| {
        let unplayable = coalition.iter().find(|atom| is_assumption(atom));
        let unplayable =
            unplayable.map(|atom| format!("`{atom}` is an assumption that cannot be made true here"));
        let goals = goals(&powers, limits);
        let none = || Some("no program here uses this power".to_owned());
        let unplayable = unplayable.or_else(|| goals.is_empty().then(none).flatten());
        Play { coalition, powers, goals, beyond: false, named: false, unplayable }
    });
    plays.collect()
}

/// What to do with these powers: everything, or within each limit.
pub(crate) fn goals(powers: &[String], limits: &BTreeMap<String, Goal>) -> Vec<Goal> {
    if powers.iter().any(|power| power == "move") {
        return vec![Goal::Move];
    }
    let (everything, within): (Vec<Goal>, Vec<Goal>) =
        powers.iter().filter_map(|power| limits.get(power).cloned()).partition(Goal::is_everything);
    // What takes everything leaves nothing for the others to show: it comes last, and once.
    within.into_iter().chain(everything.into_iter().take(1)).collect()
}

/// The largest sets of these atoms that do not move; none of `ways` is within them.
pub(crate) fn maximal(atoms: &[String], ways: &[Vec<String>]) -> anyhow::Result<Vec<Vec<String>>> {
    anyhow::ensure!(atoms.len() <= ATOMS_MAX, "{} atoms have too many sets to try", atoms.len());
    let bit = |atom: &String| atoms.iter().position(|other| other == atom).map(|at| 1_u32 << at);
    let ways: Vec<u32> =
        ways.iter().filter_map(|way| way.iter().try_fold(0, |set, atom| Some(set | bit(atom)?))).collect();
    let moves = |set: u32| ways.iter().any(|way| way & !set == 0);
    let all = (1_u32 << atoms.len()) - 1;
    let sets = (0..=all).filter(|set| !moves(*set));
    let maximal = sets
        .filter(|set| (0..atoms.len()).map(|at| 1_u32 << at).all(|one| set & one != 0 || moves(set | one)));
    let named = |set: u32| {
        let members = atoms.iter().enumerate().filter(|(at, _)| set & (1 << at) != 0);
        members.map(|(_, atom)| atom.clone()).collect()
    };
    Ok(maximal.map(named).collect())
}

/// The limits of a model, each with the node that lends within it and what that node has said.
pub(crate) fn limits(model: &Model, called: &Called, said: &[Statement]) -> BTreeMap<String, Goal> {
    let goal = |name: &String, asset: &str| {
        let mut lenders =
            said.iter().filter(|said| name.starts_with(&format!("{}-", called.party(&said.party))));
        let power = format!("move[{name}]");
        let goal = lenders.find_map(|said| {
            let (power, lender) = (power.clone(), said.party.clone());
            let allowance = said.allowances.iter().find(|allowance| shown(allowance) == asset);
            let fees = said
                .fees
                .iter()
                .find(|fees| format!("{} in fees on chain {}", fees.coin, fees.chain_id) == asset);
            match (allowance, fees) {
                (Some(allowance), _) => {
                    Some(Goal::Within { power, lender, allowance: Box::new(allowance.clone()) })
                }
                (None, Some(fees)) => Some(Goal::Burn { power, lender, fees: fees.clone() }),
                (None, None) => None,
            }
        });
        Some((power, goal?))
    };
    let joins = |name: &String| {
        let joiner = said.iter().find(|said| *name == format!("{}:resharing", called.party(&said.party)))?;
        let power = format!("move[{name}]");
        let delay_seconds = joiner.resharing_delay?;
        Some((power.clone(), Goal::Reshare { power, lender: joiner.party.clone(), delay_seconds }))
    };
    let limits = model.limits().iter();
    limits
        .filter_map(|(name, limit)| {
            limit.asset.as_deref().map_or_else(|| joins(name), |asset| goal(name, asset))
        })
        .collect()
}

/// An asset as limits name it.
fn shown(allowance: &Allowance) -> String {
    let Allowance { symbol, chain_id, asset, .. } = allowance;
    match asset {
        Asset::Native => format!("{symbol} on chain {chain_id}"),
        Asset::Token(contract) => format!("{symbol} ({contract}) on chain {chain_id}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        text.split(' ').filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }

    #[test]
    fn maximal_sets_are_those_that_nothing_can_join() -> anyhow::Result<()> {
        let check = |atoms: &str, ways: &[&str], expected: &[&str]| -> anyhow::Result<()> {
            let ways: Vec<_> = ways.iter().map(|way| names(way)).collect();
            let expected: Vec<_> = expected.iter().map(|set| names(set)).collect();
            assert_eq!(maximal(&names(atoms), &ways)?, expected);
            Ok(())
        };
        check("a b c", &["a b", "b c", "a c"], &["a", "b", "c"])?;
        check("a b c", &["a b"], &["a c", "b c"])?;
        check("a b", &[], &["a b"])?;
        // A way through an atom that is not there is no way.
        check("a b", &["a x"], &["a b"])?;
        check("a b", &["a", "b"], &[""])
    }
}
