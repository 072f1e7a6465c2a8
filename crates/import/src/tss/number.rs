//! Numbers as Go writes them: decimal digits of any length, unquoted.

use num_bigint::BigUint;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

/// The most digits that a number may have: 4,096 bits.
const DIGITS_MAX: usize = 1234;

/// The digits of a JSON number that is an unsigned integer in its shortest form.
fn digits(raw: &RawValue) -> Option<&[u8]> {
    let digits = raw.get().as_bytes();
    let plain = (1..=DIGITS_MAX).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    (plain && (digits.len() == 1 || digits.first() != Some(&b'0'))).then_some(digits)
}

/// A public number.
pub(super) fn public(raw: &RawValue) -> Option<BigUint> {
    BigUint::parse_bytes(digits(raw)?, 10)
}

/// A number of up to 256 bits, big-endian. Nothing is left of it anywhere else.
pub(super) fn secret(raw: &RawValue) -> Option<Zeroizing<[u8; 32]>> {
    let mut value = Zeroizing::new([0_u8; 32]);
    for digit in digits(raw)? {
        let mut carry = u16::from(digit - b'0');
        for byte in value.iter_mut().rev() {
            let next = u16::from(*byte) * 10 + carry;
            let [high, low] = next.to_be_bytes();
            *byte = low;
            carry = u16::from(high);
        }
        if carry != 0 {
            return None;
        }
    }
    Some(value)
}

/// A public number of up to 256 bits, big-endian.
pub(super) fn fixed(number: &BigUint) -> Option<[u8; 32]> {
    let bytes = number.to_bytes_be();
    let mut fixed = [0; 32];
    let start = fixed.len().checked_sub(bytes.len())?;
    fixed.get_mut(start..)?.copy_from_slice(&bytes);
    Some(fixed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Box<RawValue>> {
        serde_json::from_str(text).ok()
    }

    #[test]
    fn both_ways_to_read_a_number_agree() {
        let largest = (BigUint::from(1_u8) << 256_u32) - 1_u8;
        for number in ["0", "1", "255", "256", "65537", &largest.to_string()] {
            let raw = read(number).expect("a number");
            let public = fixed(&public(&raw).expect("digits"));
            assert_eq!(public, secret(&raw).map(|secret| *secret), "{number}");
        }
        let beyond = read(&(largest + 1_u8).to_string()).expect("a number");
        assert!(secret(&beyond).is_none() && fixed(&public(&beyond).expect("digits")).is_none());
    }

    #[test]
    fn what_is_no_plain_number_is_refused() {
        for text in ["-1", "1.0", "1e5", "\"1\"", "null", "[]", &"9".repeat(DIGITS_MAX + 1)] {
            let raw = read(text).expect("it is JSON");
            assert!(public(&raw).is_none() && secret(&raw).is_none(), "{text}");
        }
    }
}
