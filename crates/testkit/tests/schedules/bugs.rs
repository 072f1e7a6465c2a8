//! The watch sees what is bent: each planted bug breaks the invariant that it is about, within some seeds.

use cohold_testkit::sim::{Bug, Depth, Invariant, run};

use crate::stock;

/// The most seeds that a bug may hide from.
const SEEDS_MAX: u64 = 200;

#[test]
fn each_planted_bug_is_found() {
    let bugs: [(Bug, Depth, &[Invariant]); 7] = [
        (Bug::CountsLate, Depth::Payments, &[Invariant::NoNonceTwice]),
        (Bug::RepeatsBytes, Depth::Payments, &[Invariant::NoNonceTwice]),
        (Bug::ForgetsBans, Depth::Payments, &[Invariant::BannedStaysBanned]),
        (Bug::ServesOldEpochs, Depth::Between, &[Invariant::NoMixedEpochs]),
        (Bug::ChangesKey, Depth::Between, &[Invariant::OnePublicKey]),
        (Bug::GivesUpLate, Depth::Between, &[Invariant::NoContradiction]),
        (Bug::TakesEarly, Depth::Between, &[Invariant::LiveQuorum, Invariant::OneSuccessor]),
    ];
    for (bug, depth, expected) in bugs {
        // It may break something else on the way.
        let found = (0..SEEDS_MAX).find_map(|seed| {
            let violation = run(stock(), seed, Some(depth), Some(bug)).violation?;
            expected.contains(&violation.invariant).then_some((seed, violation))
        });
        let (seed, violation) = found.unwrap_or_else(|| panic!("{bug:?} breaks none of {expected:?}"));
        println!("{bug:?}: seed {seed}: {:?}: {}", violation.invariant, violation.detail);
    }
}
