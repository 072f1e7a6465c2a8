//! What another charter means, and whose word it takes.

mod property;

use std::fmt::Write as _;

use cohold_custody::diff::Verdict;
use cohold_model::account::PartyKind::{Cosigner, Device, Guardian, Recovery};
use cohold_model::change::{Change, Consent};
use cohold_model::charter::Charter;
use cohold_model::lineage::CHARTERS_MAX;
use cohold_model::{Digest, Document as _, Resharing, Signed};
use cohold_party::charter_change::{admit, assess};
use cohold_party::gate::{AssessError, Assessment};
use cohold_party::refusal::Code;

use crate::charters::{Party, charter, name, resharing, secret, terms};

const NOW: u64 = 1_800_000_000;

const DEVICE: Party = Party("device", Device, "ana", 1);
const RECOVERY: Party = Party("recovery", Recovery, "ana", 2);
const COSIGNER: Party = Party("cosigner", Cosigner, "acme", 3);
const GUARDIAN: Party = Party("guardian", Guardian, "bo", 4);
const DEVICE_2: Party = Party("device", Device, "ana", 11);
const RECOVERY_2: Party = Party("recovery", Recovery, "ana", 12);

fn personal() -> Charter {
    charter(terms(2, &[DEVICE, RECOVERY, COSIGNER]))
}

fn weigh(old: &Charter, threshold: u8, parties: &[Party]) -> Assessment {
    assess(old, &resharing(old, terms(threshold, parties))).unwrap()
}

/// Verdict and sentences of one change after another, as the user reads them: pinned.
#[test]
fn the_sentences_are_pinned() {
    let shared = charter(terms(2, &[DEVICE, COSIGNER]));
    let with_guardian = charter(terms(2, &[DEVICE, RECOVERY, COSIGNER, GUARDIAN]));
    let high = charter(terms(3, &[DEVICE, RECOVERY, COSIGNER]));
    let beta = Party("cosigner", Cosigner, "beta", 13);
    let laptop = Party("laptop", Device, "ana", 14);
    let second = Party("second", Guardian, "acme", 15);
    let cases: [(&str, &Charter, u8, &[Party]); 11] = [
        ("refresh", &personal(), 2, &[DEVICE, RECOVERY, COSIGNER]),
        ("the device is lost", &personal(), 2, &[DEVICE_2, RECOVERY_2, COSIGNER]),
        ("another provider", &personal(), 2, &[DEVICE, RECOVERY, beta]),
        ("3 of 5", &personal(), 3, &[DEVICE, RECOVERY, COSIGNER, GUARDIAN, laptop]),
        ("an outsider is left out", &with_guardian, 2, &[DEVICE, RECOVERY, COSIGNER]),
        ("the user is left out", &with_guardian, 2, &[COSIGNER, GUARDIAN]),
        ("a device is left out", &shared, 2, &[COSIGNER, GUARDIAN]),
        ("the threshold is lowered", &high, 2, &[DEVICE, RECOVERY, COSIGNER]),
        ("the threshold is raised", &personal(), 3, &[DEVICE, RECOVERY, COSIGNER]),
        ("a second share for the provider", &personal(), 2, &[DEVICE, RECOVERY, COSIGNER, second]),
        (
            "somebody else is called the user",
            &personal(),
            2,
            &[DEVICE, COSIGNER, Party("phone", Device, "mallory-user", 16)],
        ),
    ];
    let mut page = String::new();
    for (what, old, threshold, parties) in cases {
        let assessed = weigh(old, threshold, parties);
        let asked = if assessed.needs_consent() { "the user is asked" } else { "an approver proposes it" };
        writeln!(page, "# {what}: {}, {asked}", assessed.difference.verdict.words()).unwrap();
        for sentence in assessed.sentences() {
            writeln!(page, "- {sentence}").unwrap();
        }
    }
    if std::env::var_os("COHOLD_BLESS").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/charter_change/sentences.txt"), &page)
            .unwrap();
    }
    assert_eq!(page, include_str!("charter_change/sentences.txt"), "{page}");
}

#[test]
fn only_other_shares_and_fewer_outsiders_are_free() {
    let old = charter(terms(2, &[DEVICE, RECOVERY, COSIGNER, GUARDIAN]));
    for (parties, verdict) in [
        (&[DEVICE, RECOVERY, COSIGNER, GUARDIAN][..], Verdict::Equal),
        (&[DEVICE, RECOVERY, COSIGNER][..], Verdict::Safer),
        (&[DEVICE, RECOVERY][..], Verdict::Safer),
    ] {
        let assessed = weigh(&old, 2, parties);
        assert_eq!(assessed.difference.verdict, verdict);
        assert!(!assessed.needs_consent(), "{:?}", assessed.sentences());
        let proposed = resharing(&old, terms(2, parties));
        let signed = Signed::by(proposed.clone(), name("device"), &secret(1));
        assert!(admit(&old, &signed, None, NOW).is_ok());
    }
    // Whoever comes is told, even as the user's own, even where the models see no gain.
    let laptop = Party("laptop", Device, "ana", 14);
    for parties in
        [&[DEVICE, RECOVERY, COSIGNER, GUARDIAN, laptop][..], &[laptop, RECOVERY, COSIGNER, GUARDIAN]]
    {
        let assessed = weigh(&old, 2, parties);
        assert!(assessed.needs_consent());
        let fingerprint = laptop.identity().fingerprint();
        assert!(
            assessed.conditions.iter().any(|said| said.contains(&fingerprint)),
            "{:?}",
            assessed.conditions
        );
    }
    // A party of the user's that is left out, though enough of them stay.
    let many = charter(terms(2, &[DEVICE, RECOVERY, laptop, COSIGNER]));
    let assessed = weigh(&many, 2, &[DEVICE, RECOVERY, COSIGNER]);
    assert_eq!(assessed.difference.verdict, Verdict::Safer);
    assert!(assessed.needs_consent());
    // Approvers.
    let mut more = terms(2, &[DEVICE, RECOVERY, COSIGNER, GUARDIAN]);
    more.approvers.insert(name("guardian"));
    assert!(assess(&old, &resharing(&old, more.clone())).unwrap().needs_consent());
    let fewer = assess(&charter(more.clone()), &resharing(&charter(more), old.terms.clone())).unwrap();
    assert!(fewer.needs_consent());
}

#[test]
fn the_gate_wants_the_proposer_the_charter_and_the_hour() {
    let old = personal();
    let fits = resharing(&old, terms(2, &[DEVICE, RECOVERY, COSIGNER]));
    let by =
        |document: &Resharing, who: &str, seed: u8| Signed::by(document.clone(), name(who), &secret(seed));
    assert!(admit(&old, &by(&fits, "device", 1), None, NOW).is_ok());
    let refused = |document: Resharing, who: &str, seed: u8, now: u64, code: Code| {
        let refusal = admit(&old, &by(&document, who, seed), None, now).unwrap_err();
        assert_eq!(refusal.code, code, "{refusal}");
    };
    refused(fits.clone(), "device", 3, NOW, Code::Change);
    refused(fits.clone(), "cosigner", 3, NOW, Code::Change);
    refused(Resharing { proposer: name("cosigner"), ..fits.clone() }, "cosigner", 3, NOW, Code::Change);
    refused(Resharing { charter: Digest([7; 32]), ..fits.clone() }, "device", 1, NOW, Code::Change);
    refused(fits.clone(), "device", 1, NOW + 26 * 3600, Code::Expired);
    refused(fits.clone(), "device", 1, NOW - 2 * 3600, Code::Expired);
    let mut one = fits.clone();
    one.terms.threshold = 1;
    refused(one, "device", 1, NOW, Code::Change);
    let late = Charter { version: CHARTERS_MAX as u32, ..old.clone() };
    let error = assess(&late, &resharing(&late, late.terms.clone())).unwrap_err();
    assert!(matches!(error, AssessError::Charters(64)), "{error}");
}

#[test]
fn the_user_consents_by_a_device_that_was_theirs_before() {
    let old = personal();
    let lost = resharing(&old, terms(2, &[DEVICE_2, RECOVERY_2, COSIGNER]));
    let signed = Signed::by(lost.clone(), name("device"), &secret(1));
    let assessed = assess(&old, &lost).unwrap();
    let refusal = admit(&old, &signed, None, NOW).unwrap_err();
    assert_eq!(refusal.code, Code::RedLine);
    assert!(refusal.message.contains(&DEVICE_2.identity().fingerprint()), "{refusal}");
    let consent =
        |who: &str, seed: u8| Signed::by(assessed.consent(name(who), NOW), name(who), &secret(seed));
    // The device that leaves, or where none stays the recovery share; never one that is to come.
    assert!(admit(&old, &signed, Some(&consent("device", 1)), NOW).is_ok());
    assert!(admit(&old, &signed, Some(&consent("recovery", 2)), NOW).is_ok());
    for (who, seed) in [("device", 11), ("recovery", 12), ("cosigner", 3)] {
        let refusal = admit(&old, &signed, Some(&consent(who, seed)), NOW).unwrap_err();
        assert_eq!(refusal.code, Code::Consent, "{who}");
    }
    // Where a device of the user's stays, it is asked, not the file.
    let stays = resharing(&old, terms(2, &[DEVICE, RECOVERY_2, COSIGNER]));
    let assessed = assess(&old, &stays).unwrap();
    let names: Vec<_> = assessed.consenters.iter().map(|card| card.party.to_string()).collect();
    assert_eq!(names, ["device"]);
}

#[test]
fn a_consent_fits_one_resharing_of_one_charter() {
    let old = personal();
    let beta = Party("cosigner", Cosigner, "beta", 13);
    let wanted = resharing(&old, terms(2, &[DEVICE, RECOVERY, beta]));
    let assessed = assess(&old, &wanted).unwrap();
    let good = assessed.consent(name("device"), NOW);
    let check = |document: Consent, resharing: &Resharing| {
        let signed = Signed::by(resharing.clone(), name("device"), &secret(1));
        let consent = Signed::by(document, name("device"), &secret(1));
        admit(&old, &signed, Some(&consent), NOW).map(|_| ()).map_err(|refusal| refusal.code)
    };
    assert_eq!(check(good.clone(), &wanted), Ok(()));
    // The same terms, proposed a second later, are another resharing.
    let again = Resharing { created_at: wanted.created_at + 1, ..wanted.clone() };
    assert_eq!(check(good.clone(), &again), Err(Code::Consent));
    let other = Charter { created_at: 5, ..old.clone() };
    for bent in [
        Consent { charter: other.digest(), ..good.clone() },
        Consent { conditions: Vec::new(), ..good.clone() },
        Consent { conditions: good.conditions.iter().rev().cloned().collect(), ..good.clone() },
        Consent { difference: good.difference.replace("beta", "acme"), ..good.clone() },
        Consent { change: Change::Resharing { resharing: Digest([1; 32]) }, ..good.clone() },
        Consent { expires_at: NOW, ..good.clone() },
    ] {
        assert_eq!(check(bent, &wanted), Err(Code::Consent));
    }
}
