//! Numbers and bytes as Ethereum's JSON-RPC writes them.

use alloy_primitives::U256;
use cohold_model::HexBytes;
use serde::Deserialize;

/// A number, written `0x…` without fixed width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String", bound = "T: TryFrom<U256>")]
pub(crate) struct Quantity<T>(pub(crate) T);

impl<T: TryFrom<U256>> TryFrom<String> for Quantity<T> {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.strip_prefix("0x")
            .filter(|digits| {
                (1..=64).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit())
            })
            .and_then(|digits| U256::from_str_radix(digits, 16).ok())
            .and_then(|number| T::try_from(number).ok())
            .map(Self)
            .ok_or("not a quantity in range")
    }
}

/// Exactly `N` bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "HexBytes")]
pub(crate) struct Fixed<const N: usize>(pub(crate) [u8; N]);

impl<const N: usize> TryFrom<HexBytes> for Fixed<N> {
    type Error = &'static str;
    fn try_from(bytes: HexBytes) -> Result<Self, Self::Error> {
        bytes.0.try_into().map(Self).map_err(|_| "wrong number of bytes")
    }
}

/// Writes a number.
pub(crate) fn quantity(number: impl std::fmt::LowerHex) -> String {
    format!("{number:#x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_within_their_range() {
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(Quantity::<u64>::try_from(text.to_owned()).ok().map(|q| q.0), expected, "{text}");
        };
        check("0x0", Some(0));
        check("0xFf", Some(255));
        check("0x00ff", Some(255));
        check("0xffffffffffffffff", Some(u64::MAX));
        for bad in ["", "0x", "1", "0x10000000000000000", "0x-1", "0x_1", "0xg"] {
            check(bad, None);
        }
        check(&format!("0x{}", "0".repeat(65)), None);
        assert_eq!(quantity(255_u64), "0xff");
        assert_eq!(quantity(U256::from(255)), "0xff");
        assert_eq!(quantity(U256::ZERO), "0x0");
    }
}
