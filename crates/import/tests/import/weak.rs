//! Rows 1 and 3: moduli and bases that no honest software makes, each found, named and graded.

use cohold_import::tss::{Finding, Severity, Subject, Weakness};
use num_bigint::BigUint;

use crate::saved::{Written, moduli};

/// A product of two primes that are neighbours; a prime.
fn weak() -> Vec<BigUint> {
    let lines = include_str!("weak.txt").lines();
    lines.map(|line| BigUint::parse_bytes(line.as_bytes(), 16).unwrap()).collect()
}

fn check(bend: impl FnOnce(&mut Written), subject: Subject, expected: &[Weakness]) {
    let mut written = Written::new(0);
    bend(&mut written);
    let found = written.read().unwrap().findings();
    let mut expected: Vec<Finding> = expected
        .iter()
        .map(|&weakness| Finding { severity: weakness.severity(), party: 1, subject, weakness })
        .collect();
    expected.sort();
    assert_eq!(found, expected);
}

/// A number of 2,048 bits with `factor` in it and no smaller one.
fn with_factor(factor: u32) -> BigUint {
    let good = &moduli()[0];
    let rest = good >> (factor.ilog2() + 1);
    let mut product = (&rest - (&rest % 2_u8) + 1_u8) * factor;
    while (3..factor).any(|small| &product % small == BigUint::from(0_u8)) {
        product += 2 * factor;
    }
    product
}

#[test]
fn row_01_small_factors_are_found() {
    for factor in [3, 65_521, 65_537, 1_048_573] {
        let n = with_factor(factor);
        assert!(n.bits() >= 2047, "{}", n.bits());
        check(|w| w.set(&n), Subject::Paillier, &[Weakness::SmallFactor(factor)]);
    }
}

#[test]
fn row_01_other_bad_moduli_are_found() {
    let good = &moduli()[0];
    let [close, prime] = <[BigUint; 2]>::try_from(weak()).unwrap();
    let root = prime.sqrt() | BigUint::from(1_u8);
    let even = good + 1_u8;
    check(|w| w.set(&even), Subject::Paillier, &[Weakness::Even]);
    check(|w| w.set(&close), Subject::Paillier, &[Weakness::CloseFactors]);
    check(|w| w.set(&prime), Subject::Paillier, &[Weakness::Prime]);
    let mut written = Written::new(0);
    written.set(&(&root * &root));
    let found = written.read().unwrap().findings();
    assert!(found.iter().any(|f| f.weakness == Weakness::Power && f.party == 1), "{found:?}");
    let half: BigUint = with_factor(65_537) >> 1024_u32 | BigUint::from(1_u8);
    written.set(&half);
    let found = written.read().unwrap().findings();
    assert!(found.iter().any(|f| f.weakness == Weakness::Short(half.bits())), "{found:?}");
    written.set(&(&moduli()[0] * &moduli()[5]));
    let found = written.read().unwrap().findings();
    assert!(found.iter().any(|f| matches!(f.weakness, Weakness::Long(bits) if bits > 4000)), "{found:?}");
    assert!(found.iter().any(|f| f.severity == Severity::Suspect) && found[0].severity == Severity::Broken);
    for tiny in [0_u8, 1, 2, 3, 9] {
        written.set(&tiny.into());
        assert!(!written.read().unwrap().findings().is_empty(), "{tiny}");
    }
}

#[test]
fn moduli_of_two_parties_have_nothing_in_common() {
    let mut written = Written::new(0);
    written.paillier[2] = written.paillier[1].clone();
    written.n_tilde[2] = written.paillier[0].clone();
    let found = written.read().unwrap().findings();
    let shared = |party, subject, other| Finding {
        severity: Severity::Broken,
        party,
        subject,
        weakness: Weakness::Shared { party: other, subject: Subject::Paillier },
    };
    for expected in [shared(3, Subject::Paillier, 2), shared(3, Subject::RingPedersen, 1)] {
        assert!(found.contains(&expected), "{found:?}");
    }
    let words = found.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let sentence =
        "the Paillier modulus of party 3 has a factor in common with the Paillier modulus of party 2";
    assert!(words.contains(sentence), "{words}");
}

#[test]
fn row_03_trivial_and_equal_bases_are_found() {
    fn set(w: &mut Written, h1: &str, h2: &str) {
        (w.h1[0], w.own[2]) = (h1.into(), h1.into());
        (w.h2[0], w.own[3]) = (h2.into(), h2.into());
    }
    use Weakness::{EqualBases, ForeignBase, TrivialBase};
    let subject = Subject::RingPedersen;
    let good = Written::new(0);
    let (n, h1, h2) = (&moduli()[1], good.h1[0].as_str(), good.h2[0].as_str());
    let minus_one = (n - 1_u8).to_string();
    for trivial in ["0", "1", &minus_one] {
        check(|w| set(w, trivial, h2), subject, &[TrivialBase]);
        check(|w| set(w, h1, trivial), subject, &[TrivialBase]);
    }
    check(|w| set(w, "1", "1"), subject, &[TrivialBase, EqualBases]);
    check(|w| set(w, h1, h1), subject, &[EqualBases]);
    let beyond = (n + 5_u8).to_string();
    check(|w| set(w, &beyond, h2), subject, &[ForeignBase]);
    check(|w| set(w, h1, &n.to_string()), subject, &[ForeignBase]);
}
