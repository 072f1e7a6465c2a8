//! What can be seen of the moduli of a GG18 or GG20 key, from public values alone. A modulus that its owner
//! chose badly let it read the others' shares while they signed; nothing that is found here can be mended.

use num_bigint::BigUint;
use num_integer::Integer as _;

/// Primes below this are tried as factors. The published attack on moduli with small factors (BitForge,
/// CVE-2023-33241) uses factors of about sixteen bits: with larger ones it needs more signatures than it
/// has room for.
pub const SMALL_FACTOR_BELOW: u32 = 1 << 20;
/// What tss-lib makes.
const BITS: u64 = 2048;
/// A product of two primes of 1,024 bits may have one bit less.
const BITS_MIN: u64 = BITS - 1;
/// Steps of Fermat's method: it ends at once where two factors lie close together.
const FERMAT_STEPS: u32 = 100;

/// One party's public values in the proofs of GG18 and GG20.
#[derive(Debug)]
pub(super) struct Moduli {
    pub(super) paillier: BigUint,
    pub(super) n_tilde: BigUint,
    pub(super) h1: BigUint,
    pub(super) h2: BigUint,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// No honest software makes such a value: whoever made it may have the others' shares.
    Broken,
    /// Not as released software makes it.
    Suspect,
}

/// Which of a party's values a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// The Paillier modulus N.
    Paillier,
    /// The ring-Pedersen modulus Ñ.
    RingPedersen,
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Paillier => "Paillier modulus",
            Self::RingPedersen => "ring-Pedersen modulus",
        })
    }
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Weakness {
    /// Too short to be safe.
    #[error("has {0} bits and should have {BITS}")]
    Short(u64),
    /// Longer than any that tss-lib makes.
    #[error("has {0} bits where tss-lib makes {BITS}")]
    Long(u64),
    /// Divisible by two.
    #[error("is even")]
    Even,
    /// Divisible by a small prime.
    #[error("has the small factor {0}")]
    SmallFactor(u32),
    /// A square, a cube or a fifth power.
    #[error("is a power of one number")]
    Power,
    /// A prime, to all appearance.
    #[error("is a prime")]
    Prime,
    /// Its factors are found by Fermat's method.
    #[error("has two factors that lie so close together that anybody finds them")]
    CloseFactors,
    /// Another value of the same set has a common factor, or is the same.
    #[error("has a factor in common with the {subject} of party {party}")]
    Shared {
        /// Whose, numbered from 1.
        party: usize,
        /// Which.
        subject: Subject,
    },
    /// h1 or h2 is 0, 1 or −1.
    #[error("has a base of 0, 1 or -1")]
    TrivialBase,
    /// h1 and h2 are the same.
    #[error("has two bases that are the same")]
    EqualBases,
    /// h1 or h2 is not below the modulus, or has a factor in common with it.
    #[error("has a base that is no unit below it")]
    ForeignBase,
}

impl Weakness {
    /// How bad it is.
    #[must_use]
    pub fn severity(self) -> Severity {
        match self {
            Self::Short(_)
            | Self::Even
            | Self::SmallFactor(_)
            | Self::Power
            | Self::Prime
            | Self::CloseFactors
            | Self::Shared { .. }
            | Self::TrivialBase
            | Self::EqualBases
            | Self::ForeignBase => Severity::Broken,
            Self::Long(_) => Severity::Suspect,
        }
    }
}

/// One thing that is wrong with one party's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("the {subject} of party {party} {weakness}")]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Whose, numbered from 1 in the order of the file.
    pub party: usize,
    /// Which of its values.
    pub subject: Subject,
    /// What is wrong.
    pub weakness: Weakness,
}

/// Everything that is wrong, gravest first.
pub(super) fn examine(parties: &[Moduli]) -> Vec<Finding> {
    let primes = primes();
    let mut found = Vec::new();
    let mut seen: Vec<(usize, Subject, &BigUint)> = Vec::new();
    for (party, moduli) in (1..).zip(parties) {
        let both = [(Subject::Paillier, &moduli.paillier), (Subject::RingPedersen, &moduli.n_tilde)];
        for (subject, n) in both {
            let mut note = |weakness: Weakness| {
                found.push(Finding { severity: weakness.severity(), party, subject, weakness })
            };
            modulus(n, &primes).into_iter().for_each(&mut note);
            for (other, its, value) in &seen {
                if value.gcd(n) != BigUint::from(1_u8) {
                    note(Weakness::Shared { party: *other, subject: *its });
                }
            }
            seen.push((party, subject, n));
            if subject == Subject::RingPedersen {
                bases(moduli).into_iter().for_each(note);
            }
        }
    }
    found.sort();
    found
}

fn modulus(n: &BigUint, primes: &[u32]) -> Vec<Weakness> {
    let mut found = Vec::new();
    match n.bits() {
        bits if bits < BITS_MIN => found.push(Weakness::Short(bits)),
        bits if bits > BITS => found.push(Weakness::Long(bits)),
        _ => {}
    }
    if n.is_even() {
        found.push(Weakness::Even);
        return found;
    }
    let zero = BigUint::from(0_u8);
    if let Some(prime) = primes.iter().find(|prime| n % **prime == zero) {
        found.push(Weakness::SmallFactor(*prime));
    }
    if [2, 3, 5].into_iter().any(|degree| n.nth_root(degree).pow(degree) == *n) {
        found.push(Weakness::Power);
    } else if is_prime(n) {
        found.push(Weakness::Prime);
    } else if factors_are_close(n) {
        found.push(Weakness::CloseFactors);
    }
    found
}

fn bases(moduli: &Moduli) -> Vec<Weakness> {
    let Moduli { n_tilde: n, h1, h2, .. } = moduli;
    let one = BigUint::from(1_u8);
    let mut found = Vec::new();
    let (mut trivial, mut foreign) = (false, false);
    for base in [h1, h2] {
        trivial |= *base <= one || base + &one == *n;
        foreign |= base >= n || (*base > one && base.gcd(n) != one);
    }
    if trivial {
        found.push(Weakness::TrivialBase);
    }
    if h1 == h2 {
        found.push(Weakness::EqualBases);
    }
    if foreign {
        found.push(Weakness::ForeignBase);
    }
    found
}

/// Fermat's test to base 2. A composite number that passes is rarer than any that is found by accident.
fn is_prime(n: &BigUint) -> bool {
    let one = BigUint::from(1_u8);
    *n > one && BigUint::from(2_u8).modpow(&(n - &one), n) == one
}

/// Whether n = a² − b² for an a close to its root. The number is odd and no square.
fn factors_are_close(n: &BigUint) -> bool {
    let root_of_n = n.sqrt();
    for step in 1..=FERMAT_STEPS {
        let a = &root_of_n + step;
        let rest = &a * &a - n;
        let root = rest.sqrt();
        if &root * &root == rest {
            return a - root > BigUint::from(1_u8);
        }
    }
    false
}

/// The odd primes below [`SMALL_FACTOR_BELOW`], by the sieve of Eratosthenes.
fn primes() -> Vec<u32> {
    let mut composite = vec![false; SMALL_FACTOR_BELOW as usize];
    let mut primes = Vec::new();
    for candidate in (3..SMALL_FACTOR_BELOW).step_by(2) {
        if composite.get(candidate as usize).is_none_or(|composite| *composite) {
            continue;
        }
        primes.push(candidate);
        let step = candidate as usize;
        let multiples = composite.iter_mut().skip(step.saturating_mul(step)).step_by(step);
        multiples.for_each(|composite| *composite = true);
    }
    primes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_small_primes_are_tried() {
        let primes = primes();
        assert_eq!(primes.len(), 82_024, "82,025 primes are below 2^20, and two is another case");
        assert_eq!((primes.first(), primes.last()), (Some(&3), Some(&1_048_573)));
    }
}
