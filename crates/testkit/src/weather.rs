//! A bad relay without malice: it loses, repeats and delays, and by delays reorders.

use std::collections::BTreeMap;
use std::time::Duration;

use cohold_model::canonical::digest_parts;

use crate::relay::{Delivery, Interceptor, Passing};

/// How bad.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    /// How many of a hundred envelopes are lost.
    pub loss_percent: u8,
    /// How many of a hundred arrive twice.
    pub repeat_percent: u8,
    /// The longest delay; each copy has its own.
    pub delay_ms_max: u16,
}

impl Weather {
    /// This weather from a seed. What happens to the n-th copy of an envelope follows from the seed
    /// alone, whatever the threads do.
    #[must_use]
    pub fn from_seed(self, seed: u64) -> Interceptor {
        let mut copies: BTreeMap<(u8, u8, u16), u8> = BTreeMap::new();
        Box::new(move |passing| {
            let header = &passing.envelope;
            let place = (header.from.get(), header.to.get(), header.round);
            let copy = copies.entry(place).or_default();
            *copy = copy.wrapping_add(1);
            let (from, to, round) = place;
            let chance = digest_parts(
                "cohold/testkit/weather/v1",
                &[&seed.to_be_bytes(), &[from, to, *copy], &round.to_be_bytes()],
            );
            self.strike(passing, &chance.0)
        })
    }

    fn strike(self, passing: Passing, chance: &[u8; 32]) -> Vec<Delivery> {
        let [loss, repeat, delays @ ..] = chance.map(u16::from);
        let percent = |byte: u16| byte * 100 / 256;
        let copies = match (percent(loss) < u16::from(self.loss_percent), percent(repeat)) {
            (true, _) => 0,
            (false, repeat) if repeat < u16::from(self.repeat_percent) => 2,
            (false, _) => 1,
        };
        let delays = delays.iter().take(copies);
        delays
            .map(|delay| Delivery {
                after: Duration::from_millis((u64::from(self.delay_ms_max) * u64::from(*delay)) >> 8),
                passing: passing.clone(),
            })
            .collect()
    }
}
