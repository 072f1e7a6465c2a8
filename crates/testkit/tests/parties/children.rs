//! Addresses below an account's: signed for only as approved, counted with all others of the account.

use cohold_chain_evm::Address;
use cohold_model::intent::Approval;
use cohold_model::{Document as _, KeyPath};
use cohold_party::refusal::Code;
use cohold_party::wire::SignOrder;
use cohold_testkit::account::{COIN, Wish};
use cohold_testkit::{Account, Cluster};

fn at(path: &str) -> KeyPath {
    path.parse().unwrap()
}

fn order(cluster: &Cluster, account: &Account, wish: &Wish) -> SignOrder {
    account.order(wish, cluster.party(1), &[1, 2], 1)
}

/// Both sign for the address at this path, and for no other.
fn assert_signed(cluster: &Cluster, account: &Account, order: &SignOrder) {
    let path = order.intent.path;
    let key = account.charter.document.key.child(&path).unwrap();
    for (i, answer) in cluster.sign(order) {
        let signature = answer.signature().unwrap_or_else(|| panic!("{path}, party {i}: {answer:?}"));
        let signed = account.assemble_at(&order.plan, signature, &path).unwrap();
        assert_eq!(signed.from, Address::of_public_key(&key.0).unwrap(), "{path}");
        let other = if path.is_root() { at("m/0") } else { KeyPath::ROOT };
        assert!(account.assemble_at(&order.plan, signature, &other).is_err(), "{path}");
    }
}

fn assert_refused(cluster: &Cluster, order: &SignOrder, code: Code, what: &str) {
    for (i, answer) in cluster.sign(order) {
        let found = answer.refusal().map(|refusal| refusal.code);
        assert_eq!(found, Some(code), "{what}, party {i}: {answer:?}");
    }
}

/// Three coins a day, from wherever they are paid.
#[test]
fn a_child_is_no_way_around_a_limit() {
    let cluster = Cluster::start(2);
    let account = cluster.account(2);
    for path in ["m", "m/0/5", "m/1/2/3/4/2147483647"].map(at) {
        // The first of each address: nonces are no one's but its own.
        assert_signed(
            &cluster,
            &account,
            &order(&cluster, &account, &Wish { amount: COIN, path, ..Wish::new() }),
        );
    }
    for path in ["m", "m/0/5", "m/7"].map(at) {
        let more = Wish { amount: 1, nonce: 9, path, ..Wish::new() };
        assert_refused(&cluster, &order(&cluster, &account, &more), Code::Limit, "above the day's limit");
    }
}

/// The coordinator asks for the very bytes that were approved, from another address. Bytes name no sender,
/// so it could pay from there.
#[test]
fn row_26_another_path_than_the_approved_one_is_refused() {
    let cluster = Cluster::start(2);
    let account = cluster.account(2);
    let wish = Wish { path: at("m/0/5"), ..Wish::new() };
    let good = order(&cluster, &account, &wish);
    for path in ["m", "m/0", "m/0/6", "m/5/0", "m/0/5/0"].map(at) {
        let mut moved = good.clone();
        moved.intent.path = path;
        assert_refused(&cluster, &moved, Code::Mismatch, "an intent that is not the plan's");
        moved.plan.intent = moved.intent.digest();
        assert_refused(&cluster, &moved, Code::Approval, "a plan that nobody approved");
        // The approver's words about another plan, bent to this one.
        let bent = Approval { plan: moved.plan.digest(), ..moved.approvals[0].document.clone() };
        moved.approvals[0].document = bent;
        assert_refused(&cluster, &moved, Code::Approval, "a forged approval");
    }
    assert_eq!(cluster.signatures(), []);
    assert_signed(&cluster, &account, &good);
    // Approved for two addresses under one id, by a device that was deceived: paid once.
    let again = order(&cluster, &account, &Wish { path: at("m/0/6"), ..wish });
    assert_refused(&cluster, &again, Code::Nonce, "the same request from another address");
    for i in [1, 2] {
        assert_eq!(cluster.banned(i, account.id()), []);
    }
}
