//! A hostile coordinator asks a node to run other rules.

use cohold_model::account::{PartyKind, Role};
use cohold_model::change::{Change, Consent, Proposer, RulesReport};
use cohold_model::{Document as _, Signed};
use cohold_party::Rules;
use cohold_party::gate::Assessment;
use cohold_party::refusal::Code;
use cohold_party::rules_change::assess;
use cohold_party::wire::{FromParty, RulesAnswer, ToParty};
use cohold_testkit::account::{COIN, MALLORY, RULES, Wish};
use cohold_testkit::cluster::eventually;
use cohold_testkit::party::{Seal, Spec};
use cohold_testkit::{Account, Cluster};

/// The co-signer's point.
const NODE: u8 = 2;

fn loose() -> String {
    let list = r#"receivers = ["0x70997970C51812dc3A010C7d01b50e0d17dc79C8", "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"]"#;
    assert!(RULES.contains(list));
    RULES.replace(list, "receivers = \"any\"").replace("per_day = \"3\"\n", "")
}

fn tight() -> String {
    RULES.replace("per_day = \"3\"", "per_day = \"1\"")
}

/// Device and a second party of the user's, with the provider's co-signer between them.
fn cluster() -> Cluster {
    let spec = |party: &str, entity: &str, role, kind| Spec {
        party: party.parse().unwrap(),
        entity: entity.parse().unwrap(),
        role,
        kind,
        rules: if party == "device" { loose() } else { RULES.into() },
        seal: Seal::KeyFile,
        primes: None,
    };
    Cluster::of(
        [
            spec("device", "ana", Role::User, PartyKind::Device),
            spec("cosigner", "acme", Role::Provider, PartyKind::Cosigner),
            spec("safe", "ana", Role::User, PartyKind::Guardian),
        ]
        .into_iter(),
    )
}

fn ask(cluster: &Cluster, words: &ToParty) -> RulesAnswer {
    ask_party(cluster, NODE, words)
}

fn ask_party(cluster: &Cluster, i: u8, words: &ToParty) -> RulesAnswer {
    let (mark, to) = (cluster.relay.mail().mark(), words.digest());
    cluster.say(i, words);
    let answer = cluster.hear(i, mark, |letter| match &letter.words {
        FromParty::Rules(answer) if answer.to == to => Some((**answer).clone()),
        _ => None,
    });
    answer.expect("a party answers")
}

fn propose(cluster: &Cluster, account: &Account, rules: &str) -> RulesAnswer {
    ask(cluster, &ToParty::RulesPropose { account: account.id(), rules: rules.into() })
}

fn consent(cluster: &Cluster, consent: &Signed<Consent>) -> RulesAnswer {
    ask(cluster, &ToParty::RulesConsent { consent: Box::new(consent.clone()) })
}

fn report(cluster: &Cluster, account: &Account) -> RulesReport {
    let answer = ask(cluster, &ToParty::Rules { account: account.id() });
    let signed = answer.report.expect("the account is known");
    let card = &cluster.party(NODE).card;
    assert!(signed.is_signed_by(&card.party, &card.identity));
    signed.document
}

fn code(answer: &RulesAnswer) -> Option<Code> {
    answer.refusal.as_ref().map(|refusal| refusal.code)
}

/// What a device computes from these texts.
fn weigh(account: &Account, revision: u64, before: &str, after: &str) -> Assessment {
    let (before, after) = (Rules::parse(before).unwrap(), Rules::parse(after).unwrap());
    assess(&account.charter.document, &"cosigner".parse().unwrap(), revision, &before, &after).unwrap()
}

/// The user's device signs what it computed.
fn signed(cluster: &Cluster, assessed: &Assessment) -> Signed<Consent> {
    let device = cluster.party(1);
    let consent = assessed.consent(device.spec.party.clone(), cohold_node::now());
    Signed::by(consent, device.spec.party.clone(), &device.keys.identity)
}

/// Whether a payment to a stranger is signed, by the co-signer's answer to an order; the device would.
fn pays_strangers(cluster: &Cluster, account: &Account, nonce: u64) -> bool {
    let wish = Wish { to: MALLORY.into(), nonce, ..Wish::new() };
    let order = account.order(&wish, cluster.party(1), &[1, 2], 1);
    let mark = cluster.order(1, &order);
    cluster.order(NODE, &order);
    let answer = cluster.answer(NODE, mark, order.session());
    match (answer.signature(), answer.refusal().map(|refusal| refusal.code)) {
        (Some(signature), _) => account.assemble(&order.plan, signature).is_ok(),
        (None, Some(Code::Rules)) => false,
        _ => panic!("{answer:?}"),
    }
}

/// The stair: refused with the sentences, consented, in force; and durable.
#[test]
fn looser_rules_wait_for_the_user_and_tighter_ones_do_not() {
    let mut cluster = cluster();
    let account = cluster.account(2);
    assert!(!pays_strangers(&cluster, &account, 0));

    let asked = propose(&cluster, &account, &loose());
    assert_eq!(code(&asked), Some(Code::RedLine));
    let message = asked.refusal.unwrap().message;
    assert!(message.contains("ANYBODY") && message.contains("hostile"), "{message}");
    let waits = report(&cluster, &account);
    assert_eq!((waits.revision, waits.in_force.as_str()), (1, RULES));
    let proposed = waits.proposed.unwrap();
    assert_eq!((proposed.rules, proposed.by), (loose(), Proposer::Coordinator));
    assert!(!pays_strangers(&cluster, &account, 1), "what waits is not in force");

    // A restart changes nothing: neither what is in force nor what waits.
    cluster.stop(NODE);
    cluster.start_again(NODE);
    assert_eq!(report(&cluster, &account).proposed.unwrap().rules, loose());
    assert!(!pays_strangers(&cluster, &account, 2));

    let assessed = weigh(&account, 1, RULES, &loose());
    assert_eq!(code(&consent(&cluster, &signed(&cluster, &assessed))), None);
    let now = report(&cluster, &account);
    assert_eq!((now.revision, now.in_force, now.proposed), (2, loose(), None));
    assert!(pays_strangers(&cluster, &account, 3));
    // What the node says of itself is what it runs.
    let mark = cluster.relay.mail().mark();
    cluster.say(NODE, &ToParty::Statement { account: account.id() });
    let stated = cluster.hear(NODE, mark, |letter| match &letter.words {
        FromParty::Statement(said) => Some(said.document.rules),
        _ => None,
    });
    assert_eq!(stated, Some(Rules::parse(&loose()).unwrap().digest()));

    // Its file is still the old one, and takes nothing back.
    cluster.stop(NODE);
    cluster.start_again(NODE);
    assert_eq!(report(&cluster, &account).revision, 2);
    assert!(pays_strangers(&cluster, &account, 4));

    // Tighter rules need nobody. Then the way back needs the user again.
    assert_eq!(code(&propose(&cluster, &account, &tight())), None);
    let now = report(&cluster, &account);
    assert_eq!((now.revision, now.in_force), (3, tight()));
    assert!(!pays_strangers(&cluster, &account, 5));
    assert_eq!(code(&propose(&cluster, &account, RULES)), Some(Code::RedLine));
    // A new account begins with the file.
    let other = cluster.account(2);
    let fresh = report(&cluster, &other);
    assert_eq!((fresh.revision, fresh.in_force.as_str(), fresh.proposed), (1, RULES, None));
}

/// One consent, one change: no return to looser rules by an old word of the user's.
#[test]
fn a_consent_is_used_once() {
    let mut cluster = cluster();
    let account = cluster.account(2);
    propose(&cluster, &account, &loose());
    let (first, withheld) = {
        let assessed = weigh(&account, 1, RULES, &loose());
        let first = signed(&cluster, &assessed);
        // The device signs a second time, as when it heard no answer; the coordinator keeps that one.
        let mut again = first.document.clone();
        again.issued_at += 1;
        let device = cluster.party(1);
        (first, Signed::by(again, device.spec.party.clone(), &device.keys.identity))
    };
    assert_eq!(code(&consent(&cluster, &first)), None);
    for replayed in [&first, &withheld] {
        assert_eq!(code(&consent(&cluster, replayed)), Some(Code::Consent));
    }
    // Back to where the consent once fitted: same texts, same sentences, another revision.
    assert_eq!(code(&propose(&cluster, &account, RULES)), None);
    assert_eq!(code(&propose(&cluster, &account, &loose())), Some(Code::RedLine));
    for restarted in [false, true] {
        if restarted {
            cluster.stop(NODE);
            cluster.start_again(NODE);
        }
        for replayed in [&first, &withheld] {
            assert_eq!(code(&consent(&cluster, replayed)), Some(Code::Consent), "{restarted}");
        }
    }
    assert_eq!(report(&cluster, &account).in_force, RULES);
}

/// Of the same consent a hundred times at once, one counts.
#[test]
fn consents_that_race_count_once() {
    let cluster = cluster();
    let account = cluster.account(2);
    propose(&cluster, &account, &loose());
    let consent = signed(&cluster, &weigh(&account, 1, RULES, &loose()));
    let words = ToParty::RulesConsent { consent: Box::new(consent) };
    let mark = cluster.relay.mail().mark();
    for _ in 0..100 {
        cluster.say(NODE, &words);
    }
    let answers = || {
        let letters = cluster.relay.mail().since(mark).into_iter();
        let answers = letters.filter_map(|letter| match letter.words {
            FromParty::Rules(answer) if answer.to == words.digest() => Some(code(&answer)),
            _ => None,
        });
        answers.collect::<Vec<_>>()
    };
    assert!(eventually(|| answers().len() == 100));
    assert_eq!(answers().iter().filter(|code| code.is_none()).count(), 1);
    assert_eq!(report(&cluster, &account).revision, 2);
}

/// While one change waits, no other takes its place under the user's eyes; taking tighter rules meanwhile
/// makes the user look again.
#[test]
fn one_change_waits_at_a_time() {
    let cluster = cluster();
    let account = cluster.account(2);
    let words = |rules: &str| ToParty::RulesPropose { account: account.id(), rules: rules.into() };
    assert_eq!(code(&propose(&cluster, &account, &loose())), Some(Code::RedLine));
    let other = loose().replace("\"1000\"", "\"2000\"");
    assert_eq!(code(&propose(&cluster, &account, &other)), Some(Code::Change));
    assert_eq!(report(&cluster, &account).proposed.unwrap().rules, loose());
    // The same again is no other change.
    assert_eq!(code(&propose(&cluster, &account, &loose())), Some(Code::RedLine));

    let first = signed(&cluster, &weigh(&account, 1, RULES, &loose()));
    assert_eq!(code(&ask(&cluster, &words(&tight()))), None);
    assert_eq!(code(&consent(&cluster, &first)), Some(Code::Consent), "it was for the rules before");
    let again = signed(&cluster, &weigh(&account, 2, &tight(), &loose()));
    assert_eq!(code(&consent(&cluster, &again)), None);

    // Once rejected, another may wait, and a consent to the first comes too late.
    assert_eq!(code(&propose(&cluster, &account, RULES)), None);
    assert_eq!(code(&propose(&cluster, &account, &loose())), Some(Code::RedLine));
    let revision = report(&cluster, &account).revision;
    let assessed = weigh(&account, revision, RULES, &loose());
    let reject = |change| ask(&cluster, &ToParty::RulesReject { account: account.id(), change });
    let elsewhere = weigh(&account, revision + 1, RULES, &loose());
    assert_eq!(code(&reject(elsewhere.id())), Some(Code::Change));
    assert_eq!(code(&reject(assessed.id())), None);
    assert_eq!(report(&cluster, &account).proposed, None);
    assert_eq!(code(&propose(&cluster, &account, &other)), Some(Code::RedLine));
    assert_eq!(code(&consent(&cluster, &signed(&cluster, &assessed))), Some(Code::Consent));
    assert_eq!(report(&cluster, &account).in_force, RULES);
}

/// The coordinator shows the device other texts than it gives the node: whatever the device signs then
/// fits nothing.
#[test]
fn what_the_device_read_is_what_the_node_takes() {
    let cluster = cluster();
    let account = cluster.account(2);
    propose(&cluster, &account, &loose());
    let harmless = RULES.replace("\"1000\"", "\"1001\"");
    for (revision, before, after) in [
        // Another text to come, another text in force, so that little or nothing seems to change.
        (1, RULES, harmless.as_str()),
        (1, &loose(), &loose()),
        (1, &loose().replace("\"1000\"", "\"900\""), &loose()),
        (2, RULES, &loose()),
    ] {
        let consented = signed(&cluster, &weigh(&account, revision, before, after));
        assert_eq!(code(&consent(&cluster, &consented)), Some(Code::Consent));
    }
    // The right change with the sentences of a harmless one, which a device cannot have computed.
    let (right, lie) = (weigh(&account, 1, RULES, &loose()), weigh(&account, 1, RULES, &harmless));
    let device = cluster.party(1);
    let name = device.spec.party.clone();
    let told = lie.consent(name.clone(), cohold_node::now());
    let change = right.change.clone();
    for lied in [
        Consent { change: change.clone(), ..told.clone() },
        Consent { change, conditions: right.conditions.clone(), ..told },
    ] {
        let lied = Signed::by(lied, name.clone(), &device.keys.identity);
        assert_eq!(code(&consent(&cluster, &lied)), Some(Code::Consent));
    }
    assert_eq!(report(&cluster, &account).in_force, RULES);
    assert_eq!(code(&consent(&cluster, &signed(&cluster, &right))), None);
}

/// A consent for another account, party or charter, by somebody else, too late, or changed on its way.
#[test]
fn a_consent_fits_nothing_else() {
    let cluster = cluster();
    let (account, other) = (cluster.account(2), cluster.account(2));
    propose(&cluster, &account, &loose());
    propose(&cluster, &other, &loose());
    let assessed = weigh(&account, 1, RULES, &loose());
    let good = signed(&cluster, &assessed).document;
    let now = cohold_node::now();
    let by = |i: u8, consent: Consent| {
        let party = cluster.party(i);
        Signed::by(consent, party.spec.party.clone(), &party.keys.identity)
    };
    let Change::Rules { revision, before, after, .. } = good.change.clone() else { unreachable!() };
    let guardian = Change::Rules { party: "safe".parse().unwrap(), revision, before, after };
    let stolen = Signed { document: good.clone(), signatures: by(2, good.clone()).signatures };
    let mut renamed = by(2, good.clone());
    renamed.signatures = [("device".parse().unwrap(), *renamed.signatures.values().next().unwrap())].into();
    for refused in [
        by(1, Consent { account: other.id(), ..good.clone() }),
        by(1, Consent { charter: other.charter.document.digest(), ..good.clone() }),
        by(1, Consent { change: guardian, ..good.clone() }),
        by(1, Consent { issued_at: now - 7200, expires_at: now - 3600, ..good.clone() }),
        by(1, Consent { issued_at: now + 7200, expires_at: now + 7300, ..good.clone() }),
        by(1, Consent { expires_at: now + 30 * 3600, ..good.clone() }),
        // The node itself, and the user's other party, which is no device.
        by(2, Consent { consenter: "cosigner".parse().unwrap(), ..good.clone() }),
        by(3, Consent { consenter: "safe".parse().unwrap(), ..good.clone() }),
        stolen,
        renamed,
        Signed { document: good.clone(), signatures: Default::default() },
    ] {
        assert_eq!(code(&consent(&cluster, &refused)), Some(Code::Consent), "{refused:?}");
    }
    for account in [&account, &other] {
        assert_eq!(report(&cluster, account).in_force, RULES);
    }
    assert_eq!(code(&consent(&cluster, &by(1, good))), None);
    assert_eq!(report(&cluster, &other).in_force, RULES);
}

/// Words that make no sense, or are meant for somebody else.
#[test]
fn senseless_proposals_change_nothing() {
    let cluster = cluster();
    let account = cluster.account(2);
    let too_long = format!("{RULES}\n{}", "#".repeat(64 * 1024));
    for senseless in
        ["", "accept", &RULES.replace("\"1\"", "\"one\""), &format!("{RULES}\nother = 1"), &too_long]
    {
        assert_eq!(code(&propose(&cluster, &account, senseless)), Some(Code::Change));
    }
    let unknown = "acc_00000000000000000000000000000009".parse().unwrap();
    let answer = ask(&cluster, &ToParty::RulesPropose { account: unknown, rules: loose() });
    assert!(answer.report.is_none() && code(&answer) == Some(Code::Charter), "{answer:?}");
    // A device runs no rules for others: its file is its user's.
    let words = ToParty::RulesPropose { account: account.id(), rules: loose() };
    let answer = ask_party(&cluster, 1, &words);
    assert!(answer.report.is_none() && code(&answer) == Some(Code::Change), "{answer:?}");
    assert_eq!(report(&cluster, &account).in_force, RULES);
}

/// Limits are counted on: other rules do not begin a new day.
#[test]
fn what_was_spent_counts_under_other_rules() {
    let cluster = cluster();
    let account = cluster.account(2);
    let pay = |nonce: u64, amount: u128| {
        let wish = Wish { nonce, amount, ..Wish::new() };
        let order = account.order(&wish, cluster.party(1), &[1, 2], 1);
        let mark = cluster.order(1, &order);
        cluster.order(NODE, &order);
        cluster.answer(NODE, mark, order.session()).refusal().map(|refusal| refusal.code)
    };
    assert_eq!(pay(0, COIN), None);
    assert_eq!(code(&propose(&cluster, &account, &tight())), None);
    assert_eq!(pay(1, COIN / 100), Some(Code::Limit));
}

/// The operator's way: another file at the next start. It too is weighed for each account, and the
/// coordinator's proposals are not, where it may make none.
#[test]
fn the_rules_file_is_a_proposal_like_any_other() {
    let mut cluster = cluster();
    let account = cluster.account(2);
    let folder = cluster.party(NODE).folder().to_owned();
    let restart = |cluster: &mut Cluster, rules: &str| {
        cluster.stop(NODE);
        std::fs::write(folder.join("rules.toml"), rules).unwrap();
        let node = std::fs::read_to_string(folder.join("node.toml")).unwrap();
        let node = node.replace("proposals = \"coordinator\"\n", "");
        std::fs::write(folder.join("node.toml"), node).unwrap();
        cluster.start_again(NODE);
    };
    restart(&mut cluster, &tight());
    assert!(eventually(|| report(&cluster, &account).in_force == tight()));

    restart(&mut cluster, &loose());
    assert!(eventually(|| report(&cluster, &account).proposed.is_some()));
    let waits = report(&cluster, &account);
    assert_eq!((waits.in_force, waits.proposed.unwrap().by), (tight(), Proposer::File));
    assert!(!pays_strangers(&cluster, &account, 0));
    // A new account begins with the file, as its statement then says.
    assert_eq!(report(&cluster, &cluster.account(2)).in_force, loose());
    // The coordinator may not propose, neither looser nor tighter.
    assert_eq!(code(&propose(&cluster, &account, RULES)), Some(Code::Change));
    assert_eq!(code(&propose(&cluster, &account, &tight().replace("\"1\"", "\"0.5\""))), Some(Code::Change));

    // The next file takes the place of the last; the file that was is nothing to wait for.
    restart(&mut cluster, RULES);
    assert!(eventually(|| report(&cluster, &account).proposed.is_some_and(|p| p.rules == RULES)));
    restart(&mut cluster, &tight());
    assert!(eventually(|| report(&cluster, &account).proposed.is_none()));
    restart(&mut cluster, &loose());
    assert!(eventually(|| report(&cluster, &account).proposed.is_some()));
    let assessed = weigh(&account, waits.revision, &tight(), &loose());
    assert_eq!(code(&consent(&cluster, &signed(&cluster, &assessed))), None);
    assert!(pays_strangers(&cluster, &account, 1));
}
