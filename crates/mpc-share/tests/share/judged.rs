//! Judgement: stays readable, convicts no honest dealer whatever is done to its words.

use cohold_mpc_share::{Acquittal, Curve, Ed25519, Evidence, Secp256k1, Verdict, judge};
use proptest::prelude::{any, prop, proptest};

use crate::malicious::Forged;
use crate::support::{index, session_id};
use crate::world::{Held, SESSION, World};

fn verdict<G: Curve>(world: &World<G>, bytes: &[u8]) -> Option<Verdict> {
    let evidence = Evidence::from_bytes(bytes).ok()?;
    Some(judge(&evidence, &world.ceremony(), session_id(SESSION)))
}

/// Shares 7 + 5x at 1 and 2, as fixed as a test can be.
fn fixed() -> World<Secp256k1> {
    let mut world = World::small();
    world.secret = 7_u64.into();
    let held = |x: u64| Held { point: x.into(), share: (7 + 5 * x).into() };
    world.dealers = [(2, held(1)), (4, held(2))].into();
    world
}

#[test]
fn version_one_of_evidence_stays_readable() {
    let world = fixed();
    assert_eq!(
        world.ceremony().digest().to_string(),
        "07a93d095ae5d415e0c0f3d7354e9560107494d24aaa62e6b4a0dad42841166d"
    );
    let mut forged = Forged::dealt(&world, 4, &[world.constant(4), 11_u64.into()]);
    forged.sub_shares.insert(3, ([9; 32], vec![1; 32]));
    forged.hash();
    let bytes = hex::decode(include_str!("evidence-v1.hex").trim()).unwrap();
    assert_eq!(hex::encode(forged.evidence(3)), hex::encode(&bytes));
    assert_eq!(verdict(&world, &bytes), Some(Verdict::Guilty(index(4))));
    let evidence = Evidence::from_bytes(&bytes).unwrap();
    assert_eq!(evidence.to_bytes(), bytes);
    assert_eq!(evidence.dealer(), index(4));
}

#[test]
fn evidence_that_shows_nothing_acquits() {
    let world = World::<Secp256k1>::small();
    let honest = Forged::new(&world, 4);
    let acquitted = |bytes: &[u8]| match verdict(&world, bytes) {
        Some(Verdict::Acquitted(why)) => why,
        other => panic!("{other:?}"),
    };
    assert_eq!(acquitted(&honest.evidence(3)), Acquittal::Regular);
    let mut other = honest.clone();
    other.sub_shares.insert(3, ([3; 32], vec![1; 32]));
    assert_eq!(acquitted(&other.evidence(3)), Acquittal::Opening, "a value that was never sent");
    other.hash();
    assert_eq!(verdict(&world, &other.evidence(3)), Some(Verdict::Guilty(index(4))), "and signed");
    let mut bytes = honest.evidence(3);
    bytes[1] = 3;
    assert_eq!(acquitted(&bytes), Acquittal::Seats, "not a dealer");
    bytes[1] = 2;
    assert_eq!(acquitted(&bytes), Acquittal::Signature, "another dealer");
    let foreign = Forged::new(&World::<Secp256k1>::small(), 4);
    assert_eq!(acquitted(&foreign.evidence(3)), Acquittal::Signature, "of another resharing");
    for bad in [Vec::new(), vec![2], vec![1], vec![1; 2000], [honest.evidence(3), vec![0]].concat()] {
        assert!(Evidence::from_bytes(&bad).is_err());
    }
}

proptest! {
    #[test]
    fn no_change_to_its_words_convicts_an_honest_dealer(at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        fn check<G: Curve>(at: &prop::sample::Index, bit: u8) {
            let world = World::<G>::small();
            let mut bytes = Forged::new(&world, 4).evidence(3);
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            assert!(!matches!(verdict(&world, &bytes), Some(Verdict::Guilty(_))));
        }
        check::<Secp256k1>(&at, bit);
        check::<Ed25519>(&at, bit);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let world = fixed();
        for input in [bytes.clone(), [&[1, 4], bytes.as_slice()].concat()] {
            assert!(!matches!(verdict(&world, &input), Some(Verdict::Guilty(_))));
        }
    }
}
