//! Another engine for an account: set under the charter in force, and no party signs by another one because
//! a coordinator says so.

use std::collections::BTreeMap;

use cohold_model::{Charter, Document as _, Engine, Resharing, Signed};
use cohold_party::wire::{ReshareOrder, ToParty};
use cohold_testkit::{Account, Cluster, Wish};

use crate::expect::{assert_refused, assert_signs};

/// The second engine for the same parties, by the party at this point.
fn setting(cluster: &Cluster, account: &Account, proposer: u8) -> Signed<Resharing> {
    let terms = account.charter.document.terms.clone();
    let by = cluster.party(proposer);
    let resharing = Resharing {
        engine: Engine::Cggmp24,
        proposer: by.spec.party.clone(),
        ..cluster.resharing(account, terms, &[]).document
    };
    Signed::by(resharing, by.spec.party.clone(), &by.keys.identity)
}

#[test]
fn a_party_signs_by_the_engine_of_the_charter_in_force() {
    let cluster = Cluster::start_joining(3);
    let account = cluster.account(2);
    let resharing = setting(&cluster, &account, 1);
    let order = cluster.reshare_order(&account, &resharing);
    assert!(order.consent.is_some(), "another engine is the user's to allow");
    assert_refused(&cluster, &ReshareOrder { consent: None, ..order.clone() }, "is an alpha");
    let beside =
        Resharing { dealers: [cluster.party(1).spec.party.clone()].into(), ..resharing.document.clone() };
    let by = cluster.party(1);
    let beside = Signed::by(beside, by.spec.party.clone(), &by.keys.identity);
    assert_refused(&cluster, &ReshareOrder { resharing: beside, ..order.clone() }, "is set alone");
    // Its operator allows it, or nobody.
    assert_refused(&cluster, &order, "does not sign by cggmp24");

    // The coordinator claims that all have switched: one signature is wanting, and one is another's.
    let old = &account.charter.document;
    let next = Charter {
        version: 2,
        created_at: resharing.document.created_at,
        previous: Some(old.digest()),
        engine: Engine::Cggmp24,
        ..old.clone()
    };
    let sign = |name: u8, signer: u8| {
        let signature = cluster.party(signer).keys.identity.sign(&next.digest());
        (cluster.party(name).spec.party.clone(), signature)
    };
    for signatures in [vec![sign(1, 1), sign(2, 2)], vec![sign(1, 1), sign(2, 2), sign(3, 2)]] {
        let charter = Signed { document: next.clone(), signatures: BTreeMap::from_iter(signatures) };
        let handover = cohold_model::Handover {
            resharing: resharing.clone(),
            charter: charter.clone(),
            dealt: Vec::new(),
        };
        for i in [1, 2, 3] {
            cluster.say(i, &ToParty::Reshared(Box::new(handover.clone())));
        }
        // Nobody is under it, so nobody takes an order under it; and all go on signing as before.
        let claimed = Account { charter };
        let order = claimed.order(&Wish::new(), cluster.party(1), &[2, 3], 1);
        for i in [2, 3] {
            let mark = cluster.order(i, &order);
            let answer = cluster.answer(i, mark, order.session());
            assert!(answer.refusal().is_some(), "party {i}: {answer:?}");
        }
    }
    for (signers, nonce) in [([1, 2], 0), ([2, 3], 1)] {
        assert_signs(&cluster, &account, &signers, nonce);
    }
    for i in [1, 2, 3] {
        let shown = cluster.party(i).store().account_show(account.id()).expect("read").expect("in force");
        assert_eq!(shown.charter, account.charter, "party {i}");
    }
}
