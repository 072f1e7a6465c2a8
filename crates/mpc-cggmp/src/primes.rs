//! Safe primes: what a party makes ahead of a setup, alone, and uses for one setup.

use cggmp24::PregeneratedPrimes;
use cggmp24::backend::{Integer, IsPrime};
use cggmp24::security_level::SecurityLevel128;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::machine::engine_rng;

/// Length of each prime.
const PRIME_BITS: u32 = 1536;
const PRIME_BYTES: usize = 192;
/// Two for the Paillier modulus, two for the ring-Pedersen modulus.
const COUNT: usize = 4;

/// Four primes p with (p − 1)/2 prime, 1,536 bits each. Not `Clone`, not printable, wiped on drop, and used up
/// by the setup that they go into: who knows them reads what the other parties send in every signature.
pub struct SafePrimes([Zeroizing<Vec<u8>>; COUNT]);

/// Why bytes are not safe primes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PrimesError {
    /// Not 1,536 bits.
    #[error("safe prime {number} has `{bits}` bits and should have {PRIME_BITS}")]
    Size {
        /// Which of the four, from 1.
        number: usize,
        /// Bits found.
        bits: u64,
    },
    /// It, or half of it, is no prime.
    #[error("number {0} of the four is no safe prime")]
    Composite(usize),
    /// Two are the same.
    #[error("two of the four safe primes are the same")]
    Repeated,
}

impl SafePrimes {
    /// Makes them, which takes from ten seconds to minutes on one core. `made` is called after each and says
    /// whether to go on.
    pub fn generate(rng: &mut impl CryptoRng, mut made: impl FnMut(usize) -> bool) -> Option<Self> {
        let mut rng = engine_rng(rng);
        let mut primes = [const { Vec::new() }; COUNT].map(Zeroizing::new);
        for (number, prime) in primes.iter_mut().enumerate() {
            *prime = Zeroizing::new(Integer::generate_safe_prime(&mut rng, PRIME_BITS).to_bytes_msf());
            if !made(number + 1) {
                return None;
            }
        }
        Some(Self(primes))
    }

    /// Takes primes that were made elsewhere, big-endian, and checks each for being what it should be.
    pub fn from_secret_bytes(primes: [&[u8]; COUNT], rng: &mut impl CryptoRng) -> Result<Self, PrimesError> {
        let mut rng = engine_rng(rng);
        for (place, bytes) in primes.iter().enumerate() {
            let (number, prime) = (place + 1, Integer::from_bytes_msf(bytes));
            let bits = prime.significant_bits();
            if bits != u64::from(PRIME_BITS) || bytes.len() != PRIME_BYTES {
                return Err(PrimesError::Size { number, bits });
            }
            let half = (&prime - 1u8) / 2;
            if [&prime, &half].iter().any(|n| n.is_probably_prime(25, &mut rng) == IsPrime::No) {
                return Err(PrimesError::Composite(number));
            }
            if primes.iter().filter(|other| *other == bytes).count() > 1 {
                return Err(PrimesError::Repeated);
            }
        }
        Ok(Self(primes.map(|bytes| Zeroizing::new(bytes.to_vec()))))
    }

    /// In the engine's form, and the ring-Pedersen ones once more, as they serve after the setup too.
    pub(crate) fn into_engine(self) -> Option<(PregeneratedPrimes<SecurityLevel128>, [Integer; 2])> {
        let primes = self.0.each_ref().map(|bytes| Integer::from_bytes_msf(bytes));
        let [_, _, hat_p, hat_q] = primes.clone();
        Some((PregeneratedPrimes::try_from(primes).ok()?, [hat_p, hat_q]))
    }
}

impl std::fmt::Debug for SafePrimes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SafePrimes(..)")
    }
}
