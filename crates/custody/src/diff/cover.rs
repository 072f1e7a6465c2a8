//! Which limit lets through everything that another does, and which limits do so together.

use std::cmp::Ordering;

use crate::model::Limit;

/// Whether `wide` lets through whatever `tight` does.
///
/// The asset is the same or any, the receivers are among those of `wide` or anybody. An amount that
/// is not given is unbounded. Amounts count in sliding windows: within a window of `wide`, `tight`
/// lets through its own amount as often as its own window begins there. No window is once and for all.
pub(crate) fn covers(wide: &Limit, tight: &Limit) -> bool {
    if is_nothing(tight) {
        return true;
    }
    let asset = wide.asset.is_none() || wide.asset == tight.asset;
    let receivers = wide.receivers.is_empty()
        || !tight.receivers.is_empty() && tight.receivers.iter().all(|to| wide.receivers.contains(to));
    asset && receivers && covers_amount(wide, tight)
}

/// A limit of zero lets nothing through.
pub(crate) fn is_nothing(limit: &Limit) -> bool {
    limit.amount.as_deref().is_some_and(|amount| Decimal::new(amount).is_zero())
}

fn covers_amount(wide: &Limit, tight: &Limit) -> bool {
    let Some(most) = &wide.amount else { return true };
    let Some(amount) = &tight.amount else { return false };
    let times = match (wide.window_seconds, tight.window_seconds) {
        (_, None) => 1,
        (None, Some(_)) => return false,
        (Some(wide), Some(tight)) => wide.div_ceil(tight.max(1)),
    };
    Decimal::new(amount).times(times).compare(&Decimal::new(most)) != Ordering::Greater
}

/// A decimal number of any length, exact: no amount on any chain is too large for it.
struct Decimal {
    /// Digits before the point, the first not zero.
    whole: Vec<u8>,
    /// Digits behind it, the last not zero.
    fraction: Vec<u8>,
}

impl Decimal {
    /// What is no digit was refused when the model was read.
    fn new(text: &str) -> Self {
        let digits = |part: &str| part.bytes().map(|byte| byte.saturating_sub(b'0')).collect();
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        Self { whole: digits(whole), fraction: digits(fraction) }.trimmed()
    }

    fn trimmed(mut self) -> Self {
        let zeros = self.whole.iter().take_while(|digit| **digit == 0).count();
        self.whole.drain(..zeros);
        while self.fraction.last() == Some(&0) {
            self.fraction.pop();
        }
        self
    }

    fn is_zero(&self) -> bool {
        self.whole.is_empty() && self.fraction.is_empty()
    }

    fn times(&self, factor: u64) -> Self {
        let mut carry = 0_u128;
        let mut digits = Vec::new();
        for digit in self.whole.iter().chain(&self.fraction).rev() {
            carry += u128::from(*digit) * u128::from(factor);
            digits.push((carry % 10) as u8);
            carry /= 10;
        }
        while carry > 0 {
            digits.push((carry % 10) as u8);
            carry /= 10;
        }
        let whole = digits.split_off(self.fraction.len());
        digits.reverse();
        Self { whole: whole.into_iter().rev().collect(), fraction: digits }.trimmed()
    }

    fn compare(&self, other: &Self) -> Ordering {
        let length = self.whole.len().cmp(&other.whole.len());
        length.then_with(|| self.whole.cmp(&other.whole)).then_with(|| self.fraction.cmp(&other.fraction))
    }
}

/// For each limit of one model, the limits of another that cover it; bit `i` is limit `i`, by name.
pub(crate) struct Covers {
    rows: Vec<u64>,
    /// Limits of the one that let nothing through.
    nothing: u64,
    /// Limits of the other that let any amount through, as often as one likes.
    unbounded: u64,
}

impl Covers {
    pub(crate) fn new<'a>(
        tight: impl Iterator<Item = &'a Limit>,
        wide: impl Iterator<Item = &'a Limit> + Clone,
    ) -> Self {
        let tight: Vec<_> = tight.collect();
        let row = |tight: &&Limit| mask(wide.clone().map(|wide| covers(wide, tight)));
        Self {
            rows: tight.iter().map(row).collect(),
            nothing: mask(tight.iter().map(|limit| is_nothing(limit))),
            unbounded: mask(wide.clone().map(|limit| limit.amount.is_none())),
        }
    }

    /// The limits of the other that cover limit `limit`.
    pub(crate) fn of(&self, limit: usize) -> u64 {
        self.rows.get(limit).copied().unwrap_or(0)
    }

    /// Whether this limit lets nothing through.
    pub(crate) fn is_nothing(&self, limit: usize) -> bool {
        self.nothing >> limit & 1 == 1
    }

    /// Limits among `tight` that together let through more than those of `wide` do, though each of
    /// them alone does not: no two of them may stand under the same bound of the other. None if each
    /// finds one of its own (Hall 1935, by augmenting paths), or one alone finds none.
    pub(crate) fn too_many(&self, tight: u64, wide: u64) -> Option<u64> {
        let mut counted = bits(tight & !self.nothing);
        if counted.clone().any(|limit| self.of(limit) & wide == 0) {
            return None;
        }
        let mut owners: [Option<usize>; 64] = [None; 64];
        counted.find_map(|limit| {
            if self.of(limit) & wide & self.unbounded != 0 {
                return None;
            }
            let mut seen = 0;
            if self.assign(limit, wide & !self.unbounded, &mut seen, &mut owners) {
                return None;
            }
            let contested = bits(seen).filter_map(|bound| owners.get(bound).copied().flatten());
            Some(contested.fold(1 << limit, |set, owner| set | 1 << owner))
        })
    }

    fn assign(&self, limit: usize, wide: u64, seen: &mut u64, owners: &mut [Option<usize>; 64]) -> bool {
        for bound in bits(self.of(limit) & wide) {
            if *seen >> bound & 1 == 1 {
                continue;
            }
            *seen |= 1 << bound;
            let owner = owners.get(bound).copied().flatten();
            if owner.is_none_or(|owner| self.assign(owner, wide, seen, owners)) {
                if let Some(place) = owners.get_mut(bound) {
                    *place = Some(limit);
                }
                return true;
            }
        }
        false
    }
}

fn mask(flags: impl Iterator<Item = bool>) -> u64 {
    flags.take(64).enumerate().fold(0, |mask, (bit, flag)| mask | u64::from(flag) << bit)
}

/// The members of a mask.
pub(crate) fn bits(mask: u64) -> impl Iterator<Item = usize> + Clone {
    (0..64).filter(move |bit| mask >> bit & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::{Covers, covers};
    use crate::model::Limit;

    fn limit(amount: &str, window: u64, receivers: &[&str]) -> Limit {
        Limit {
            asset: Some("USDC".to_owned()),
            amount: (!amount.is_empty()).then(|| amount.to_owned()),
            window_seconds: (window > 0).then_some(window),
            receivers: receivers.iter().map(|to| (*to).to_owned()).collect(),
        }
    }

    #[test]
    fn amounts_windows_receivers() {
        let max = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
        let more = "115792089237316195423570985008687907853269984665640564039457584007913129639936";
        for (wide, tight, expected) in [
            (limit("500", 86_400, &[]), limit("0500.00", 86_400, &["a"]), true),
            (limit("500", 86_400, &[]), limit("500.000000000000000001", 86_400, &[]), false),
            (limit("9", 60, &[]), limit("10", 60, &[]), false),
            (limit("0.1", 60, &[]), limit("0.09", 60, &[]), true),
            (limit(max, 60, &[]), limit(max, 60, &[]), true),
            (limit(max, 60, &[]), limit(more, 60, &[]), false),
            (limit("", 60, &[]), limit(more, 1, &[]), true),
            (limit(max, 60, &[]), limit("", 60, &[]), false),
            (limit("24", 86_400, &[]), limit("1", 3_600, &[]), true),
            (limit("23", 86_400, &[]), limit("1", 3_600, &[]), false),
            (limit("24", 86_401, &[]), limit("1", 3_600, &[]), false),
            (limit("1", 3_600, &[]), limit("1", 86_400, &[]), true),
            (limit("1", 3_600, &[]), limit("1", 0, &[]), true),
            (limit("99", 0, &[]), limit("1", 86_400, &[]), false),
            (limit("99", 0, &[]), limit("99", 0, &[]), true),
            (limit("1", 60, &["a", "b"]), limit("1", 60, &["b"]), true),
            (limit("1", 60, &["a"]), limit("1", 60, &["a", "b"]), false),
            (limit("1", 60, &["a"]), limit("1", 60, &[]), false),
            (limit("0", 60, &["a"]), limit("0.0", 60, &[]), true),
        ] {
            assert_eq!(covers(&wide, &tight), expected, "{wide:?} covers {tight:?}");
        }
        let any = Limit { asset: None, ..limit("1", 60, &[]) };
        assert!(covers(&any, &limit("1", 60, &[])) && !covers(&limit("1", 60, &[]), &any));
    }

    #[test]
    fn two_limits_need_two() {
        let old = [limit("5", 60, &[]), limit("9", 60, &["a"])];
        let new = [limit("5", 60, &["a"]), limit("4", 60, &["a"]), limit("1", 60, &["a"])];
        let covers = Covers::new(new.iter(), old.iter());
        assert_eq!(covers.too_many(0b011, 0b11), None);
        assert_eq!(covers.too_many(0b011, 0b01), Some(0b011));
        assert_eq!(covers.too_many(0b111, 0b11), Some(0b111));
        assert_eq!(covers.too_many(0b111, 0b00), None, "each alone is too much already");
        let unbounded = [limit("", 60, &[])];
        assert_eq!(Covers::new(new.iter(), unbounded.iter()).too_many(0b111, 1), None);
    }
}
