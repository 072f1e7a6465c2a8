//! What a change of a node's rules means, and whose word it takes.

use std::collections::{BTreeMap, BTreeSet};

use cohold_custody::diff::Verdict;
use cohold_model::account::{Card, PartyKind, Role, Template, Terms};
use cohold_model::change::{Change, Consent};
use cohold_model::charter::Charter;
use cohold_model::{Digest, Document as _, IdentitySecret, PartyName, Signed};
use cohold_party::Rules;
use cohold_party::gate::{Assessment, CONSENT_SECONDS, check_consent};
use cohold_party::refusal::Code;
use cohold_party::rules_change::assess;

const NOW: u64 = 1_800_000_000;
const ALICE: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
const BOB: &str = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC";
const TOKEN: &str = "0x5FbDB2315678afecb367f032d93F642f64180aa3";

fn secret(party: &str) -> IdentitySecret {
    let mut seed = [0; 32];
    seed.iter_mut().zip(party.bytes().cycle()).for_each(|(byte, letter)| *byte = letter);
    IdentitySecret::from_seed(&mut seed)
}

fn name(party: &str) -> PartyName {
    party.parse().unwrap()
}

/// `user` parties are ana's, the others each their own entity's; the first may approve.
fn charter(threshold: u8, parties: &[(&str, PartyKind, &str)]) -> Charter {
    let card = |(party, kind, entity): &(&str, PartyKind, &str)| Card {
        party: name(party),
        entity: entity.parse().unwrap(),
        kind: *kind,
        identity: secret(party).public(),
        seal: Digest(secret(party).public().to_bytes()),
    };
    let role = |entity: &str| match entity {
        "ana" => Role::User,
        "acme" => Role::Provider,
        _ => Role::Guardian,
    };
    let terms = Terms {
        guardians: None,
        account: "acc_00000000000000000000000000000001".parse().unwrap(),
        template: Template::Free,
        entities: parties
            .iter()
            .map(|(_, _, of)| (of.parse().unwrap(), role(of)))
            .collect::<BTreeMap<_, _>>(),
        parties: parties.iter().map(card).collect(),
        threshold,
        approvers: BTreeSet::from([name(parties[0].0)]),
    };
    Charter { created_at: NOW, ..crate::charters::charter(terms) }
}

const DEVICE: (&str, PartyKind, &str) = ("device", PartyKind::Device, "ana");
const RECOVERY: (&str, PartyKind, &str) = ("recovery", PartyKind::Recovery, "ana");
const COSIGNER: (&str, PartyKind, &str) = ("cosigner", PartyKind::Cosigner, "acme");
const GUARDIAN: (&str, PartyKind, &str) = ("guardian", PartyKind::Guardian, "bo");

fn personal() -> Charter {
    charter(2, &[DEVICE, RECOVERY, COSIGNER])
}

fn shared() -> Charter {
    charter(2, &[DEVICE, COSIGNER])
}

/// Rules with one chain: settings of the chain, then assets.
fn rules(chain: &str, assets: &[&str]) -> Rules {
    let assets: String = assets.iter().map(|asset| format!("[[chain.asset]]\n{asset}\n")).collect();
    Rules::parse(&format!("accept = \"any\"\n[[chain]]\nid = 1\ncoin = \"ETH\"\n{chain}\n{assets}")).unwrap()
}

const FEES: &str = "fee_max = \"0.01\"\nfees_per_day = \"0.1\"";

fn coin(per_day: &str, receivers: &str) -> Rules {
    rules(FEES, &[&format!("per_day = \"{per_day}\"\nreceivers = {receivers}")])
}

fn weigh(charter: &Charter, before: &Rules, after: &Rules) -> Assessment {
    assess(charter, &name("cosigner"), 7, before, after).unwrap()
}

fn needs(charter: &Charter, before: &Rules, after: &Rules) -> bool {
    weigh(charter, before, after).needs_consent()
}

#[test]
fn what_lets_more_through_needs_the_user_and_what_lets_less_through_does_not() {
    let charter = personal();
    let alice = format!("[\"{ALICE}\"]");
    let both = format!("[\"{ALICE}\", \"{BOB}\"]");
    let token = |decimals: u8, symbol: &str| {
        format!(
            "token = \"{TOKEN}\"\nsymbol = \"{symbol}\"\ndecimals = {decimals}\nper_day = \"1000\"\nreceivers = {alice}"
        )
    };
    let tokens = |decimals, symbol: &str| rules(FEES, &[&token(decimals, symbol)]);
    let old = coin("5", &alice);
    let each = |bound: &str| {
        rules(FEES, &[&format!("per_transaction = \"{bound}\"\nper_day = \"5\"\nreceivers = {alice}")])
    };
    let looser = [
        (&old, coin("6", &alice)),
        (&old, coin("5", &both)),
        (&old, coin("5", "\"any\"")),
        (&old, rules(FEES, &[&format!("receivers = {alice}")])),
        (&old, rules(FEES, &[&format!("per_day = \"5\"\nreceivers = {alice}"), &token(6, "TST")])),
        // What no limit of a custody model counts.
        (
            &old,
            rules(
                "fee_max = \"0.02\"\nfees_per_day = \"0.1\"",
                &[&format!("per_day = \"5\"\nreceivers = {alice}")],
            ),
        ),
        (&old, rules("fee_max = \"0.01\"", &[&format!("per_day = \"5\"\nreceivers = {alice}")])),
        (&each("1"), old.clone()),
        (&each("1"), each("2")),
        // The same digits of another unit are a million million times as much.
        (&tokens(6, "TST"), tokens(18, "TST")),
        (&tokens(18, "TST"), tokens(6, "TST")),
        (&tokens(6, "TST"), tokens(6, "USDC")),
    ];
    for (before, after) in &looser {
        let assessed = weigh(&charter, before, after);
        assert!(assessed.needs_consent(), "{}\n{}", before.text(), after.text());
        assert!(!assessed.conditions.is_empty(), "the letter says so too: {}", after.text());
        assert!(assessed.refusal().message.contains(assessed.sentences()[0]));
    }
    for (before, after) in looser.iter().filter(|(before, after)| {
        // Another unit is neither more nor less, but another thing.
        !before.text().contains("token") && !after.text().contains("decimals")
    }) {
        assert!(!needs(&charter, after, before), "the way back: {}\n{}", after.text(), before.text());
    }
    // What does not matter.
    let commented = Rules::parse(&format!("# a comment\n{}", old.text())).unwrap();
    let assessed = weigh(&charter, &old, &commented);
    assert!(!assessed.needs_consent() && assessed.difference.verdict == Verdict::Equal);
    assert!(!needs(&charter, &each("5"), &each("6")), "no day lets so much through at once");
}

#[test]
fn a_model_at_its_bounds_hides_nothing() {
    let charter = personal();
    let address = |i: usize| Address::numbered(i);
    // More receivers than a model tells apart are anybody to it, before and after.
    let list = |n: usize| {
        let all: Vec<String> = (0..n).map(|i| format!("\"{}\"", address(i))).collect();
        coin("5", &format!("[{}]", all.join(", ")))
    };
    let (many, more) = (list(300), list(301));
    let assessed = weigh(&charter, &many, &more);
    assert_eq!(assessed.difference.verdict, Verdict::Equal, "the model cannot see it");
    assert!(assessed.needs_consent(), "the letter does");
    assert!(!needs(&charter, &more, &many));
    // More assets than a model counts are anything to it.
    let assets = |n: usize, per_day: &str| {
        let all: Vec<String> = (0..n)
            .map(|i| {
                let token = address(i);
                format!("token = \"{token}\"\nsymbol = \"T{i}\"\ndecimals = 6\nper_day = \"{per_day}\"\nreceivers = \"any\"")
            })
            .collect();
        rules(FEES, &all.iter().map(String::as_str).collect::<Vec<_>>())
    };
    assert!(needs(&charter, &assets(40, "5"), &assets(40, "6")));
    assert!(needs(&charter, &assets(70, "5"), &assets(71, "5")));
    assert!(!needs(&charter, &assets(40, "6"), &assets(40, "5")));
}

/// Addresses in checksum form.
struct Address;

impl Address {
    fn numbered(i: usize) -> String {
        let mut key = [2; 33];
        key[1..9].copy_from_slice(&(i as u64 + 1).to_be_bytes());
        (0..=255_u8)
            .find_map(|byte| {
                key[32] = byte;
                cohold_chain_evm::Address::of_public_key(&key).ok()
            })
            .unwrap()
            .to_string()
    }
}

#[test]
fn the_user_is_asked_before_the_only_way_gets_narrower() {
    let (wide, narrow) = (coin("5", "\"any\""), coin("1", "\"any\""));
    let fees =
        rules("fee_max = \"0.00001\"\nfees_per_day = \"0.1\"", &["per_day = \"5\"\nreceivers = \"any\""]);
    for (charter, asked) in [
        (personal(), false),
        (shared(), true),
        // The user needs both nodes: what one of them no longer signs, nobody signs.
        (charter(3, &[DEVICE, COSIGNER, GUARDIAN]), true),
        (charter(2, &[DEVICE, COSIGNER, GUARDIAN]), true),
        (
            charter(
                2,
                &[DEVICE, ("cosigner", PartyKind::Cosigner, "ana"), ("guardian", PartyKind::Guardian, "ana")],
            ),
            false,
        ),
    ] {
        for narrow in [&narrow, &fees] {
            let assessed = weigh(&charter, &wide, narrow);
            assert_eq!(assessed.needs_consent(), asked, "{:?}", assessed.sentences());
        }
        assert!(needs(&charter, &narrow, &wide));
        assert!(needs(&charter, &fees, &wide));
    }
}

/// Other nodes that lend without bounds would hide what this one lends.
#[test]
fn other_nodes_do_not_hide_a_change() {
    let (old, new) = (coin("5", &format!("[\"{ALICE}\"]")), coin("5", "\"any\""));
    for threshold in [2, 3] {
        let charter = charter(threshold, &[DEVICE, COSIGNER, GUARDIAN]);
        let assessed = weigh(&charter, &old, &new);
        assert_eq!(assessed.difference.verdict, Verdict::CrossesTheRedLine, "{threshold}");
    }
}

#[test]
fn every_word_of_a_consent_is_bound() {
    let charter = personal();
    let (old, new) = (coin("5", &format!("[\"{ALICE}\"]")), coin("5", "\"any\""));
    let assessed = weigh(&charter, &old, &new);
    let consent = assessed.consent(name("device"), NOW);
    let signed = |consent: &Consent, by: &str| Signed::by(consent.clone(), name(by), &secret(by));
    let check = |signed: &Signed<Consent>, now: u64| check_consent(&assessed, signed, now);
    assert_eq!(check(&signed(&consent, "device"), NOW), Ok(()));
    assert_eq!(check(&signed(&consent, "device"), NOW + CONSENT_SECONDS - 1), Ok(()));

    let refused = |consent: &Consent, by: &str, now: u64| {
        let refusal = check(&signed(consent, by), now).unwrap_err();
        assert_eq!(refusal.code, Code::Consent, "{refusal}");
    };
    // Too late, too early, too long.
    refused(&consent, "device", NOW + CONSENT_SECONDS);
    refused(&consent, "device", NOW - 2 * 3600);
    refused(&Consent { expires_at: u64::MAX, ..consent.clone() }, "device", NOW);
    // Not the user.
    for by in ["recovery", "cosigner"] {
        refused(&consent, by, NOW);
        refused(&Consent { consenter: name(by), ..consent.clone() }, by, NOW);
    }
    let mut forged = signed(&consent, "device");
    forged.document.issued_at += 1;
    assert!(check(&forged, NOW).is_err());
    // For something else.
    let mut other = charter.clone();
    other.created_at += 1;
    let account = "acc_00000000000000000000000000000002".parse().unwrap();
    let Change::Rules { party, revision, before, after } = consent.change.clone() else { unreachable!() };
    let change = |party: &PartyName, revision, before, after| Consent {
        change: Change::Rules { party: party.clone(), revision, before, after },
        ..consent.clone()
    };
    for other in [
        Consent { account, ..consent.clone() },
        Consent { charter: other.digest(), ..consent.clone() },
        change(&name("guardian"), revision, before, after),
        change(&party, revision + 1, before, after),
        change(&party, revision, after, before),
        change(&party, revision, before, before),
        Consent { change: Change::Resharing { resharing: after }, ..consent.clone() },
        Consent { conditions: Vec::new(), ..consent.clone() },
        Consent {
            difference: weigh(&charter, &old, &old).consent(party.clone(), NOW).difference,
            ..consent.clone()
        },
    ] {
        refused(&other, "device", NOW);
    }
}

#[test]
fn the_approvers_stand_in_where_the_user_has_no_device() {
    let names = |charter: &Charter, party: &str| -> Vec<String> {
        let (old, new) = (coin("5", "\"any\""), coin("6", "\"any\""));
        let assessed = assess(charter, &name(party), 1, &old, &new).unwrap();
        assessed.consenters.iter().map(|card| card.party.to_string()).collect()
    };
    assert_eq!(names(&personal(), "cosigner"), ["device"]);
    let two = charter(2, &[DEVICE, ("phone", PartyKind::Device, "ana"), COSIGNER]);
    assert_eq!(names(&two, "cosigner"), ["device", "phone"]);
    // A device of the provider is none of the user's.
    let foreign = charter(
        2,
        &[("guardian", PartyKind::Guardian, "ana"), ("console", PartyKind::Device, "acme"), COSIGNER],
    );
    assert_eq!(names(&foreign, "cosigner"), ["guardian"]);
    // Nobody consents to a change of its own rules.
    assert!(names(&foreign, "guardian").is_empty());
}

#[test]
fn a_device_runs_no_rules_for_others() {
    let (old, new) = (coin("5", "\"any\""), coin("6", "\"any\""));
    for party in ["device", "recovery", "nobody"] {
        assert!(assess(&personal(), &name(party), 1, &old, &new).is_err(), "{party}");
    }
}

/// The sentences that a user signs, and the consent's digest: pinned.
#[test]
fn the_sentences_are_pinned() {
    let (old, new) = (coin("5", &format!("[\"{ALICE}\"]")), rules(FEES, &["receivers = \"any\""]));
    let assessed = weigh(&personal(), &old, &new);
    let text = assessed.sentences().join("\n");
    assert_eq!(text, include_str!("rules_change.txt").trim_end(), "{text}");
}
