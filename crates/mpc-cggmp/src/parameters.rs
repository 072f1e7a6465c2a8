//! What is checked of another party's moduli before the engine sees them, beside the engine's own proofs.
//! The references are to the list of published attacks on threshold ECDSA.

use std::cmp::Ordering;

use cggmp24::backend::Integer;

/// Two primes of 1,536 bits make a product of 3,072 or one less.
pub(crate) const MODULUS_BITS_MIN: u64 = 3071;
pub(crate) const MODULUS_BITS_MAX: u64 = 3072;

/// Primes below this are tried as factors. The engine's own proof (Π-fac) excludes all below 2²⁵⁶; this one
/// does not rest on it (CVE-2023-33241 used sixteen bits).
const SMALL_FACTOR_BELOW: u32 = 1 << 16;

/// Whether a number can be a product of two large primes: of the right length, odd, no square, without a
/// small factor.
pub(crate) fn is_modulus(n: &Integer) -> bool {
    n.cmp0() == Ordering::Greater
        && (MODULUS_BITS_MIN..=MODULUS_BITS_MAX).contains(&n.significant_bits())
        && !n.is_even()
        && !is_square(n)
        && !has_small_factor(n)
}

/// Whether s and t can be ring-Pedersen parameters modulo n̂: units, neither ±1 nor equal, and squares as far
/// as their Jacobi symbol tells (TSSHOCK used 1, and bases of small order).
pub(crate) fn are_bases(hat_n: &Integer, s: &Integer, t: &Integer) -> bool {
    let last = hat_n - 1u8;
    let sound = |base: &Integer| {
        base.cmp0() == Ordering::Greater
            && !base.is_one()
            && *base < last
            && base.gcd_ref(hat_n).is_one()
            && base.jacobi(hat_n) == 1
    };
    s != t && sound(s) && sound(t)
}

/// Whether w can be the first message of the proof that n is a Paillier–Blum modulus: a unit with Jacobi
/// symbol −1 (CVE-2025-66016: with another w, moduli pass that are no such product).
pub(crate) fn is_non_residue(w: &Integer, n: &Integer) -> bool {
    w.cmp0() == Ordering::Greater && w < n && w.jacobi(n) == -1
}

fn is_square(n: &Integer) -> bool {
    n.sqrt_ref().is_some_and(|root| root.square_ref() == *n)
}

fn has_small_factor(n: &Integer) -> bool {
    // Composite divisors cost little and find nothing that their factors do not.
    (3..SMALL_FACTOR_BELOW).step_by(2).any(|divisor| n.mod_u(divisor) == 0)
}

#[cfg(test)]
mod tests {
    use cggmp24::backend::Integer;

    use super::{are_bases, is_modulus, is_non_residue};

    fn prime(number: usize) -> Integer {
        let digits = include_str!("../tests/primes.hex").lines().nth(number);
        Integer::from_str_radix(digits.unwrap_or_default(), 16).unwrap_or_else(Integer::zero)
    }

    /// Row 1: even, square, with a small factor, of the wrong size, negative.
    #[test]
    fn only_a_product_of_two_large_primes_passes() {
        let [p, q, r] = [0, 1, 2].map(prime);
        let n = &p * &q;
        assert!(is_modulus(&n));
        let three = Integer::from(3);
        let sixteen_bits = Integer::from(65_521);
        for (what, bad) in [
            ("even", &n - 1u8),
            ("square", p.square_ref()),
            ("small factor", (&n / 3u8) * &three),
            ("small factor of sixteen bits", (&n / 65_521u32) * &sixteen_bits),
            ("short", &p * &(&q >> 2u32)),
            ("long", &n * &Integer::from(5)),
            ("three primes", &n * &r),
            ("prime", p.clone()),
            ("negative", -n.clone()),
            ("zero", Integer::zero()),
            ("one", Integer::one()),
        ] {
            assert!(!is_modulus(&bad), "{what}");
        }
    }

    /// Row 3: 1, −1, 0, equal, not below n̂, not a unit, not a square.
    #[test]
    fn only_squares_that_are_units_pass_as_bases() {
        let [p, q] = [0, 1].map(prime);
        let n = &p * &q;
        let (s, t) = (Integer::from(4), Integer::from(9));
        assert!(are_bases(&n, &s, &t));
        let odd_one =
            (2..100u32).map(Integer::from).find(|w| w.jacobi(&n) == -1).unwrap_or_else(Integer::one);
        for bad in [
            Integer::one(),
            Integer::zero(),
            &n - 1u8,
            n.clone(),
            &n + &s,
            p.square_ref(),
            odd_one,
            -s.clone(),
        ] {
            assert!(!are_bases(&n, &bad, &t), "s = {bad:?}");
            assert!(!are_bases(&n, &s, &bad), "t = {bad:?}");
        }
        assert!(!are_bases(&n, &s, &s));
    }

    /// Row 2: w with a factor in common with n, or with another Jacobi symbol than −1.
    #[test]
    fn the_first_message_of_the_modulus_proof_is_a_non_residue() {
        let [p, q] = [0, 1].map(prime);
        let n = &p * &q;
        let good = (2..100u32).map(Integer::from).find(|w| w.jacobi(&n) == -1);
        assert!(good.as_ref().is_some_and(|w| is_non_residue(w, &n)));
        for bad in [
            Integer::zero(),
            Integer::one(),
            Integer::from(4),
            p,
            n.clone(),
            good.map_or(n.clone(), |w| w + &n),
        ] {
            assert!(!is_non_residue(&bad, &n), "{bad:?}");
        }
    }
}
