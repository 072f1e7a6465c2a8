//! Amounts: unsigned 256-bit numbers of base units, written with decimals only at the edge.

use alloy_primitives::U256;
use serde::{Deserialize, Serialize};

use crate::ids::excerpt;

/// An amount in base units (wei, a token's smallest unit); a decimal string in JSON.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Amount(pub U256);

/// Why a text is not an amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Not a decimal number.
    #[error("`{0}` is not an amount: write digits with at most one point, as in `1.5`")]
    Form(String),
    /// More decimals than the asset has.
    #[error("`{input}` has {given} decimals, but the asset has {decimals}: shorten it")]
    Decimals {
        /// The offending text, shortened.
        input: String,
        /// How many decimals were written.
        given: usize,
        /// How many decimals the asset has.
        decimals: u8,
    },
    /// Does not fit 256 bits.
    #[error("`{0}` is more than an unsigned 256-bit number can hold")]
    Overflow(String),
    /// Nothing to send.
    #[error("the amount is zero: send more than nothing")]
    Zero,
}

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(U256::ZERO);
    /// The most that there can be.
    pub const MAX: Self = Self(U256::MAX);

    /// Reads a text such as `1.5` with the asset's decimals.
    pub fn parse(text: &str, decimals: u8) -> Result<Self, AmountError> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty()
            || !digits(whole)
            || !digits(fraction)
            || (text.contains('.') && fraction.is_empty())
        {
            return Err(AmountError::Form(excerpt(text)));
        }
        let fraction = fraction.trim_end_matches('0');
        if fraction.len() > usize::from(decimals) {
            return Err(AmountError::Decimals { input: excerpt(text), given: fraction.len(), decimals });
        }
        let padded = format!("{whole}{fraction:0<width$}", width = usize::from(decimals));
        let significant = padded.trim_start_matches('0');
        if significant.is_empty() {
            return Ok(Self::ZERO);
        }
        U256::from_str_radix(significant, 10).map(Self).map_err(|_| AmountError::Overflow(excerpt(text)))
    }

    /// Writes the amount with the asset's decimals, without trailing zeros.
    #[must_use]
    pub fn format(&self, decimals: u8) -> String {
        let width = usize::from(decimals);
        let digits = format!("{:0>least$}", self.0.to_string(), least = width.saturating_add(1));
        let (whole, fraction) = digits.split_at(digits.len().saturating_sub(width));
        let fraction = fraction.trim_end_matches('0');
        if fraction.is_empty() { whole.into() } else { format!("{whole}.{fraction}") }
    }

    /// What is left, or `None` where it is too little.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// The sum, or `None` where it does not fit.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// Whether this is nothing.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.0.is_zero()
    }
}

impl TryFrom<String> for Amount {
    type Error = AmountError;
    fn try_from(text: String) -> Result<Self, AmountError> {
        let canonical = text == "0" || (!text.starts_with('0') && !text.contains('.'));
        if canonical { Self::parse(&text, 0) } else { Err(AmountError::Form(excerpt(&text))) }
    }
}

impl From<Amount> for String {
    fn from(amount: Amount) -> String {
        amount.to_string()
    }
}

impl From<u128> for Amount {
    fn from(base_units: u128) -> Self {
        Self(U256::from(base_units))
    }
}

impl std::fmt::Display for Amount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl std::fmt::Debug for Amount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn texts_become_base_units_or_a_clear_error() {
        let check = |text: &str, decimals, expected: Result<&str, &str>| {
            let found = Amount::parse(text, decimals).map(|a| a.to_string()).map_err(|e| e.to_string());
            match expected {
                Ok(units) => assert_eq!(found.as_deref(), Ok(units), "{text}"),
                Err(part) => assert!(found.as_ref().is_err_and(|e| e.contains(part)), "{text}: {found:?}"),
            }
        };
        check("1.5", 18, Ok("1500000000000000000"));
        check("0.000001", 6, Ok("1"));
        check("1.50", 1, Ok("15"));
        check("0", 18, Ok("0"));
        check("0.0000001", 6, Err("7 decimals"));
        for bad in ["", ".", "1.", ".5", "-1", "+1", "1e3", "1,5", "0x10", " 1", "1.2.3"] {
            check(bad, 18, Err("not an amount"));
        }
        let most = U256::MAX.to_string();
        check(&most, 0, Ok(&most));
        check(&format!("{most}0"), 0, Err("256-bit"));
        check(&most, 1, Err("256-bit"));
    }

    #[test]
    fn json_amounts_are_canonical() {
        for bad in ["\"01\"", "\"1.0\"", "1", "\"\"", "\"-1\""] {
            assert!(serde_json::from_str::<Amount>(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(base in any::<u128>(), decimals in 0u8..40) {
            let amount = Amount::from(base);
            prop_assert_eq!(Amount::parse(&amount.format(decimals), decimals), Ok(amount));
        }
    }
}
