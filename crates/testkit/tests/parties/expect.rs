//! What several tests expect of the parties.

use cohold_party::wire::{ReshareOrder, ToParty};
use cohold_testkit::{Account, Cluster, Wish};

/// A payment goes through under this charter.
pub(crate) fn assert_signs(cluster: &Cluster, account: &Account, signers: &[u8], nonce: u64) {
    let order = account.order(&Wish { nonce, ..Wish::new() }, cluster.party(1), signers, 1);
    for (i, answer) in cluster.sign(&order) {
        let signature = answer.signature().unwrap_or_else(|| panic!("party {i}: {answer:?}"));
        account.assemble(&order.plan, signature).expect("it is the account's signature");
    }
}

/// None of three parties joins in it.
pub(crate) fn assert_refused(cluster: &Cluster, order: &ReshareOrder, says: &str) {
    for i in [1, 2, 3] {
        let mark = cluster.relay.mail().mark();
        cluster.say(i, &ToParty::Reshare(Box::new(order.clone())));
        let reason = cluster.reshared(i, mark, &order.resharing).expect_err("it is refused");
        assert!(reason.contains(says), "party {i}: `{reason}` should say `{says}`");
    }
}
