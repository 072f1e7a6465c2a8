//! The processor time of custody evaluations. All results are computed: minimal coalitions, traces, freeze,
//! blast radius.

use std::hint::black_box;
use std::time::Duration;

use anyhow::Context as _;
use cohold_custody::{Model, evaluate, specimen};

use super::machine::timed;

/// About how long one measurement takes.
const TIME: Duration = Duration::from_millis(300);

/// Of a realistic account with so many atoms.
pub(super) fn realistic(atoms: usize) -> anyhow::Result<Duration> {
    took(&specimen::realistic(atoms.checked_sub(specimen::ATOMS).context("too few atoms")?)?)
}

/// Of an account that half of so many parties move.
pub(super) fn quorum(parties: usize) -> anyhow::Result<Duration> {
    took(&specimen::quorum(parties, u64::try_from(parties / 2)?)?)
}

fn took(model: &Model) -> anyhow::Result<Duration> {
    let (first, took) = timed(|| evaluate(model))?;
    first?;
    let rounds = u32::try_from(TIME.as_micros() / took.as_micros().max(1)).unwrap_or(1).clamp(1, 1_000);
    let ((), took) = timed(|| (0..rounds).for_each(|_| drop(black_box(evaluate(black_box(model))))))?;
    Ok(took / rounds)
}
