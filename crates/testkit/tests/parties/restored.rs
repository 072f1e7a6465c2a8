//! Row 16: an old copy of a node's database, put back. Nothing notices it by itself; the procedure of
//! `docs/operations.md` (stay off for 25 hours) makes what was forgotten worthless.

use std::path::{Path, PathBuf};

use cohold_node::Keeper as _;
use cohold_party::refusal::Code;
use cohold_party::verify::{HORIZON_SECONDS_MAX, Reviewed, Standing, review};
use cohold_party::wire::SignOrder;
use cohold_party::{Refusal, Rules};
use cohold_testkit::account::{COIN, RULES, Wish};
use cohold_testkit::{Account, Cluster};

/// The files of a party's database.
fn database(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.file_name().unwrap().to_string_lossy().contains(".sqlite")).collect()
}

pub(crate) fn copy(from: &Path, to: &Path) {
    database(to).iter().for_each(|old| std::fs::remove_file(old).unwrap());
    for file in database(from) {
        std::fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
    }
}

/// What the co-signer finds when it looks at an order at a time.
fn reviewed(cluster: &Cluster, account: &Account, order: &SignOrder, at: u64) -> Result<Reviewed, Refusal> {
    let kept = cluster.party(2).keeper().kept(account.id()).unwrap();
    let me = &cluster.party(2).spec.party;
    let standing = Standing { charter: &kept.charter, me, banned: &kept.banned };
    review(order.clone(), standing, &Rules::parse(RULES).unwrap(), at)
}

#[test]
fn row_16_a_restored_node_that_stayed_off_long_enough_signs_nothing_twice() {
    let mut cluster = Cluster::start(2);
    let account = cluster.account(2);
    let backup = tempfile::tempdir().unwrap();
    cluster.stop(2);
    copy(cluster.party(2).folder(), backup.path());
    cluster.start_again(2);
    // The limit of the day is used up after the backup.
    let wishes: Vec<Wish> = (0..3).map(|nonce| Wish { amount: COIN, nonce, ..Wish::new() }).collect();
    let orders: Vec<SignOrder> =
        wishes.iter().map(|wish| account.order(wish, cluster.party(1), &[1, 2], 1)).collect();
    for order in &orders {
        assert!(cluster.sign(order).values().all(|answer| answer.signature().is_some()));
    }
    let ended = cohold_node::now();
    cluster.stop(2);
    copy(backup.path(), cluster.party(2).folder());
    cluster.start_again(2);

    // At once it would use the same session again, and count from nothing.
    let keeper = cluster.party(2).keeper();
    for order in &orders {
        let again = reviewed(&cluster, &account, order, ended).unwrap();
        assert!(keeper.reserve(&again.reservation(), ended).is_ok(), "an old copy has forgotten");
    }
    // Kept off for as long as any order can live, it takes none of the old ones, ...
    let later = ended + HORIZON_SECONDS_MAX;
    for order in &orders {
        let refused = reviewed(&cluster, &account, order, later).map(|_| ());
        assert_eq!(refused.unwrap_err().code, Code::Expired);
    }
    // ... and nothing of what it forgot to count would still count.
    const { assert!(HORIZON_SECONDS_MAX > 24 * 3600, "longer than the window of the day") };
    let mut longest = orders[0].clone();
    longest.intent.expires_at = ended + HORIZON_SECONDS_MAX + 1;
    let refused = reviewed(&cluster, &account, &longest, ended).map(|_| ());
    assert_eq!(refused.unwrap_err().code, Code::Expired, "no order reaches beyond the wait");
}
