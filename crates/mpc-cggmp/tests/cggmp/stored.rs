//! Stored forms: what is read is what was written, and nothing else is read.

use cohold_mpc_cggmp::{Auxiliary, AuxiliaryError, PrimesError, SafePrimes};

use crate::network::{check_signing, prime, rng, two_of_three};

#[test]
fn data_comes_back_and_signs() {
    let (shares, data) = two_of_three();
    assert_eq!(data[&1].digest(), data[&2].digest());
    let read = |auxiliary: &Auxiliary| Auxiliary::from_secret_bytes(&auxiliary.to_secret_bytes()).unwrap();
    let back = data.iter().map(|(i, auxiliary)| (*i, read(auxiliary))).collect();
    check_signing(shares, &back, &[1, 2], 3);
    let (one, bytes) = (&back[&1], data[&1].to_secret_bytes());
    assert!(one.belongs_to(&shares[&1]) && !one.belongs_to(&shares[&2]));
    assert_eq!(*one.to_secret_bytes(), *bytes);
    assert!(bytes.len() < 5_000, "{} bytes", bytes.len());
    assert_eq!(format!("{one:?}"), "Auxiliary(1 among [PartyIndex(1), PartyIndex(2)])");

    let check = |bytes: &[u8], expected: AuxiliaryError| {
        assert_eq!(Auxiliary::from_secret_bytes(bytes).unwrap_err(), expected);
    };
    check(&[], AuxiliaryError::Malformed);
    check(&[9], AuxiliaryError::Version { found: 9 });
    check(&bytes[..bytes.len() - 1], AuxiliaryError::Malformed);
    let mut longer = bytes.to_vec();
    longer.push(0);
    check(&longer, AuxiliaryError::Malformed);
    // Its own primes and moduli must belong together: one flipped bit in either is seen.
    for place in [60, 300, 500, 700, 900, 1_300] {
        let mut flipped = bytes.to_vec();
        flipped[place] ^= 1;
        check(&flipped, AuxiliaryError::Malformed);
    }
}

#[test]
fn only_safe_primes_are_taken() {
    let read = |four: [&[u8]; 4]| SafePrimes::from_secret_bytes(four, &mut rng()).err();
    let good: Vec<Vec<u8>> = (0..4).map(prime).collect();
    let [a, b, c, d] = [&good[0][..], &good[1], &good[2], &good[3]];
    assert_eq!(read([a, b, c, d]), None);
    assert_eq!(read([a, b, c, a]), Some(PrimesError::Repeated));
    assert_eq!(read([a, b, &c[1..], d]), Some(PrimesError::Size { number: 3, bits: 1528 }));
    let mut composite = b.to_vec();
    composite[191] ^= 2;
    assert_eq!(read([a, &composite, c, d]), Some(PrimesError::Composite(2)));
}
