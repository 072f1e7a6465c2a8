//! Project Wycheproof's ECDSA vectors for secp256k1, at the verification that every signature passes before
//! it leaves a party.

use k256::ecdsa::signature::Verifier as _;
use k256::ecdsa::{Signature, VerifyingKey};
use wycheproof::TestResult;
use wycheproof::ecdsa::{TestName, TestSet};

/// Whether each vector of a set holds exactly where it should; how many do and do not.
fn check(name: TestName, holds: impl Fn(&VerifyingKey, &[u8], &[u8]) -> bool) -> [usize; 2] {
    let mut counts = [0, 0];
    for group in TestSet::load(name).unwrap().test_groups {
        let key = VerifyingKey::from_sec1_bytes(&group.key.key).unwrap();
        for test in group.tests {
            let is_valid = match test.result {
                TestResult::Valid => true,
                TestResult::Invalid => false,
                TestResult::Acceptable => panic!("vector {} leaves it open", test.tc_id),
            };
            counts[usize::from(is_valid)] += 1;
            assert_eq!(
                holds(&key, &test.msg, &test.sig),
                is_valid,
                "{name:?} {}: {}",
                test.tc_id,
                test.comment
            );
        }
    }
    counts
}

/// r and s, 32 bytes each. One with a high s never holds as it stands (EIP-2); this set counts it by its twin.
#[test]
fn the_vectors_in_fixed_size_hold() {
    let holds = |key: &VerifyingKey, message: &[u8], signature: &[u8]| {
        let Ok(signature) = Signature::from_slice(signature) else { return false };
        let low = signature.normalize_s();
        if low != signature {
            assert!(key.verify(message, &signature).is_err(), "a high s is refused");
        }
        key.verify(message, &low).is_ok()
    };
    let [invalid, valid] = check(TestName::EcdsaSecp256k1Sha256P1363, holds);
    assert!(invalid > 50 && valid > 50, "{invalid} and {valid}");
}

/// As Bitcoin takes them: strict DER, low s (BIP-66, BIP-146).
#[test]
fn the_vectors_of_bitcoin_hold() {
    let holds = |key: &VerifyingKey, message: &[u8], signature: &[u8]| {
        Signature::from_der(signature).is_ok_and(|signature| key.verify(message, &signature).is_ok())
    };
    let [invalid, valid] = check(TestName::EcdsaSecp256k1Sha256Bitcoin, holds);
    assert!(invalid > 50 && valid > 50, "{invalid} and {valid}");
}
