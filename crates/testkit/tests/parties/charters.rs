//! A hostile coordinator while an account is made: every party holds the same charter, or there is none.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use cohold_model::account::{Proposal, Terms};
use cohold_model::{Document as _, SessionId, Signed};
use cohold_party::refusal::Code;
use cohold_party::wire::ToParty;
use cohold_testkit::account::{RULES, Wish};
use cohold_testkit::{Account, Cluster, Interceptor};

/// Nobody lists an account, and an honest attempt succeeds.
fn check_none_then_one(cluster: &Cluster) {
    for i in cluster.indices() {
        assert_eq!(cluster.listed(i), 0, "party {i}");
    }
    let account = cluster.account(2);
    let order = account.order(&Wish::new(), cluster.party(1), &[1, 2], 1);
    for answer in cluster.sign(&order).values() {
        account.assemble(&order.plan, answer.signature().unwrap()).unwrap();
    }
    for i in cluster.indices() {
        assert_eq!(cluster.listed(i), 1, "party {i}");
    }
}

fn abandon(cluster: &Cluster, terms: &Terms) {
    for i in cluster.indices() {
        cluster.say(i, &ToParty::Abandon { account: terms.account });
    }
}

/// Two proposals of one account, both signed by the proposer: the parties are in different sessions.
#[test]
fn parties_that_are_shown_different_proposals_make_no_key() {
    let cluster = Cluster::start(3);
    let mut terms = cluster.terms(2);
    let one = cluster.proposal(terms.clone());
    terms.threshold = 3;
    let other = cluster.proposal(terms.clone());
    let (seen, wait) = std::sync::mpsc::channel();
    for proposal in [&one, &other] {
        let seen = seen.clone();
        let watch: Interceptor = Box::new(move |passing| {
            let header = &passing.envelope;
            let _ = seen.send((header.session, header.from.get(), header.to.get(), header.round));
            vec![passing.into()]
        });
        cluster.relay.intercept(Cluster::keygen_session(proposal), watch);
    }
    for (i, proposal) in [(1, &one), (2, &one), (3, &other)] {
        cluster.say(i, &ToParty::Keygen { proposal: proposal.clone() });
    }
    // Until each says its first words again and again, as nobody answers: all are stuck in the first
    // round, each in the session that it was shown first, whatever it is shown then.
    let mut sent: BTreeMap<(SessionId, u8, u8, u16), usize> = BTreeMap::new();
    for times in [2, 3] {
        let often = |sent: &BTreeMap<(_, u8, _, _), usize>, i: u8| {
            sent.iter().any(|((_, from, ..), count)| *from == i && *count >= times)
        };
        while !(1..=3).all(|i| often(&sent, i)) {
            *sent.entry(wait.recv_timeout(cohold_testkit::PATIENCE).unwrap()).or_default() += 1;
        }
        for (i, proposal) in [(1, &other), (2, &other), (3, &one)] {
            cluster.say(i, &ToParty::Keygen { proposal: proposal.clone() });
        }
    }
    for (session, from, _, round) in sent.keys() {
        let shown = if *from == 3 { &other } else { &one };
        assert_eq!((*session, *round), (Cluster::keygen_session(shown), 1), "party {from}");
    }
    abandon_until_failed(&cluster, &terms);
    check_none_then_one(&cluster);
}

fn abandon_until_failed(cluster: &Cluster, terms: &Terms) {
    for i in cluster.indices() {
        // The word that gives up may overtake the one that begins.
        let failed = cohold_testkit::cluster::eventually(|| {
            abandon(cluster, terms);
            cluster.relay.mail().since(0).iter().any(|letter| {
                letter.from == cluster.identity(i)
                    && matches!(&letter.words, cohold_party::wire::FromParty::KeygenFailed { account, .. }
                        if *account == terms.account)
            })
        });
        assert!(failed, "party {i}");
        assert_eq!(cluster.party(i).keeper().store().account_pending().unwrap(), []);
    }
}

/// Proposals that a party does not agree to, each for its own reason.
#[test]
fn proposals_are_refused() {
    let rules = RULES.replace("accept = \"any\"", "accept = []");
    let strict = Cluster::start_under(2, &rules);
    let proposal = strict.proposal(strict.terms(2));
    strict.keygen(&proposal);
    let account = proposal.document.terms.account;
    for i in [1, 2] {
        let reason = strict.made(i, 0, account).unwrap_err();
        assert!(reason.contains("opens no accounts with"), "{reason}");
    }

    let cluster = Cluster::start(3);
    let good = cluster.proposal(cluster.terms(2));
    let signed_by = |i: u8, change: &dyn Fn(&mut Proposal)| {
        let mut document = Proposal { terms: cluster.terms(2), ..good.document.clone() };
        change(&mut document);
        let proposer = document.proposer.clone();
        Signed::by(document, proposer, &cluster.party(i).keys.identity)
    };
    let changed = |change: &dyn Fn(&mut Proposal)| {
        let mut proposal = cluster.proposal(cluster.terms(2));
        change(&mut proposal.document);
        proposal
    };
    let hour = 3600;
    let (guardian, stranger) = (cluster.party(3).card.clone(), "stranger".parse().unwrap());
    let foreign = cluster.party(2).card.seal;
    let check = |what: &str, part: &str, proposal: Signed<Proposal>| {
        cluster.say(3, &ToParty::Keygen { proposal: proposal.clone() });
        let reason = cluster.made(3, 0, proposal.document.terms.account).unwrap_err();
        assert!(reason.contains(part), "{what}: {reason}");
    };
    check("threshold lowered", "is not signed by", changed(&|p| p.terms.threshold = 3));
    check(
        "approvers changed",
        "is not signed by",
        changed(&|p| {
            p.terms.approvers = [guardian.party.clone()].into();
        }),
    );
    check("signed by another", "is not signed by", signed_by(2, &|_| {}));
    let mut unsigned = changed(&|_| {});
    unsigned.signatures.clear();
    check("unsigned", "is not signed by", unsigned);
    check("by a stranger", "is no party", signed_by(1, &|p| p.proposer = "stranger".parse().unwrap()));
    check(
        "another seal key",
        "does not show",
        signed_by(1, &|p| {
            p.terms.parties[1].seal = guardian.seal;
            p.terms.parties[2].seal = foreign;
        }),
    );
    check(
        "another entity",
        "does not show",
        signed_by(1, &|p| {
            p.terms.parties[2].entity = p.terms.parties[1].entity.clone();
            p.terms.entities.remove(&guardian.entity);
        }),
    );
    check(
        "without the party",
        "does not show",
        signed_by(1, &|p| {
            p.terms.parties.pop();
            p.terms.entities.remove(&guardian.entity);
        }),
    );
    check(
        "one key twice",
        "appears twice",
        signed_by(1, &|p| {
            p.terms.parties[1].identity = p.terms.parties[2].identity;
        }),
    );
    check("threshold of one", "threshold 1", signed_by(1, &|p| p.terms.threshold = 1));
    check("threshold of four", "threshold 4", signed_by(1, &|p| p.terms.threshold = 4));
    check("no approver", "approvers must be", signed_by(1, &|p| p.terms.approvers.clear()));
    check(
        "a foreign approver",
        "approvers must be",
        signed_by(1, &|p| {
            p.terms.approvers.insert(cohold_model::PartyName::clone(&stranger));
        }),
    );
    check("a day and more ago", "propose again", signed_by(1, &|p| p.created_at -= 25 * hour + 60));
    check("a day and more ahead", "propose again", signed_by(1, &|p| p.created_at += 25 * hour + 60));
    // An hour off is no reason.
    let proposal = signed_by(1, &|p| p.created_at -= hour);
    cluster.keygen(&proposal);
    cluster.activate(&cluster.charter(&proposal));
    assert_eq!(cluster.listed(3), 1);
}

/// Charters that are not, to the bit, what every party signed.
#[test]
fn charters_that_not_all_signed_do_not_come_into_force() {
    let cluster = Cluster::start(2);
    let proposal = cluster.proposal(cluster.terms(2));
    let second = cluster.proposal(cluster.terms(2));
    cluster.keygen(&proposal);
    cluster.keygen(&second);
    let (good, other) = (cluster.charter(&proposal), cluster.charter(&second));
    let account = Account { charter: good.clone() };
    let swapped = &other.document.key;
    let mut bad = Vec::new();
    for party in good.signatures.keys() {
        let mut few = good.clone();
        few.signatures.remove(party);
        bad.push(few);
        let mut wrong = good.clone();
        wrong.signatures.insert(party.clone(), other.signatures[party]);
        bad.push(wrong);
    }
    let mut change = |change: &dyn Fn(&mut cohold_model::Charter)| {
        let mut charter = good.clone();
        change(&mut charter.document);
        // The coordinator has the identity of one party, and not of the other.
        let party = cluster.party(1);
        let signature = party.keys.identity.sign(&charter.document.digest());
        charter.signatures.insert(party.spec.party.clone(), signature);
        bad.push(charter);
    };
    change(&|charter| charter.key = swapped.clone());
    change(&|charter| charter.key.public_key = swapped.public_key.clone());
    change(&|charter| charter.key.chain_code = swapped.chain_code);
    change(&|charter| charter.key.public_shares.reverse());
    change(&|charter| charter.terms.threshold = 3);
    change(&|charter| charter.terms.approvers = [cluster.party(2).spec.party.clone()].into());
    change(&|charter| charter.version = 2);
    change(&|charter| charter.epoch = cohold_model::Epoch(2));
    for charter in &bad {
        assert_ne!(charter, &good);
        for i in 1..=2 {
            cluster.say(i, &ToParty::Charter { charter: charter.clone() });
        }
    }
    // Before all have signed, the key is of no use.
    let order = account.order(&Wish::new(), cluster.party(1), &[1, 2], 1);
    for answer in cluster.sign(&order).values() {
        assert_eq!(answer.refusal().map(|refusal| refusal.code), Some(Code::Charter));
    }
    // The second account, said after all of those, comes into force; the first has not.
    cluster.activate(&other);
    for i in 1..=2 {
        assert!(!cluster.is_in_force(i, account.id()));
        assert_eq!(cluster.listed(i), 1);
    }
    cluster.activate(&good);
    // Nor is a charter in force replaced by anything.
    for charter in &bad {
        cluster.say(1, &ToParty::Charter { charter: charter.clone() });
    }
    for answer in cluster.sign(&account.order(&Wish::new(), cluster.party(1), &[1, 2], 1)).values() {
        assert!(answer.signature().is_some(), "{answer:?}");
    }
    let kept = cluster.party(1).store().account_show(account.id()).unwrap().unwrap();
    assert_eq!(kept.charter, good);
}

/// The last message of the key generation never reaches one party: the others hold shares of a key that
/// nobody uses, and no party lists half an account.
#[test]
fn a_dropped_last_message_leaves_no_account() {
    let cluster = Cluster::start(3);
    let rounds = Arc::new(Mutex::new(0));
    let honest = cluster.proposal(cluster.terms(2));
    let count: Interceptor = {
        let rounds = Arc::clone(&rounds);
        Box::new(move |passing| {
            let mut rounds = rounds.lock().unwrap();
            *rounds = passing.envelope.round.max(*rounds);
            vec![passing.into()]
        })
    };
    cluster.relay.intercept(Cluster::keygen_session(&honest), count);
    cluster.keygen(&honest);
    let second = cluster.charter(&honest);
    let last = *rounds.lock().unwrap();
    assert!(last > 2);

    let proposal = cluster.proposal(cluster.terms(2));
    let deaf: Interceptor = Box::new(move |passing| {
        let lost = passing.envelope.to.get() == 3 && passing.envelope.round == last;
        if lost { Vec::new() } else { vec![passing.into()] }
    });
    cluster.relay.intercept(Cluster::keygen_session(&proposal), deaf);
    let mark = cluster.relay.mail().mark();
    cluster.keygen(&proposal);
    let id = proposal.document.terms.account;
    let (charter, one) = cluster.made(1, mark, id).unwrap();
    let (_, two) = cluster.made(2, mark, id).unwrap();
    let names = [1, 2].map(|i| cluster.party(i).spec.party.clone());
    let partial = Signed { document: charter, signatures: names.into_iter().zip([one, two]).collect() };
    abandon(&cluster, &proposal.document.terms);
    assert!(cluster.made(3, mark, id).unwrap_err().contains("cancelled"));
    for i in 1..=3 {
        cluster.say(i, &ToParty::Charter { charter: partial.clone() });
    }
    let account = Account { charter: partial };
    let order = account.order(&Wish::new(), cluster.party(1), &[1, 2], 1);
    for answer in cluster.sign(&order).values() {
        assert_eq!(answer.refusal().map(|refusal| refusal.code), Some(Code::Charter));
    }
    let pending = |i| cluster.party(i).keeper().store().account_pending().unwrap().len();
    assert_eq!([pending(1), pending(2), pending(3)], [2, 2, 1]);
    cluster.activate(&second);
    assert_eq!([1, 2, 3].map(|i| cluster.listed(i)), [1; 3]);
}
