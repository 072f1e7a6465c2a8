//! Presignatures between two parties: made ahead, used once, never an error.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cohold_model::{Document as _, Engine, PresignatureIndex, Resharing, Signed};
use cohold_node::Keeper as _;
use cohold_party::refusal::Code;
use cohold_party::wire::{FromParty, PresignOrder, SignOrder, ToParty};
use cohold_testkit::account::Wish;
use cohold_testkit::cluster::points;
use cohold_testkit::party::PRESIGNATURES;
use cohold_testkit::{Account, Cluster, Letter};

const BOTH: [u8; 2] = [1, 2];

/// Two parties with an account that signs by the second engine.
fn presigning() -> (Cluster, Account) {
    let cluster = Cluster::start_presigning(2);
    let account = cluster.account(2);
    let terms = account.charter.document.terms.clone();
    let by = cluster.party(1);
    let plain = cluster.resharing(&account, terms, &[]).document;
    let resharing = Resharing { engine: Engine::Cggmp24, ..plain };
    let resharing = Signed::by(resharing, by.spec.party.clone(), &by.keys.identity);
    let order = cluster.reshare_order(&account, &resharing);
    let handover = cluster.reshare(&order, &BOTH, &BOTH, &[]);
    let mark = cluster.relay.mail().mark();
    let account = cluster.hand_over(&handover, &BOTH);
    // What a party had opened or made ahead is gone by the time that it says so, and not after.
    let taken = |letter: &Letter| matches!(letter.words, FromParty::ReshareTaken { .. }).then_some(());
    for i in BOTH {
        cluster.hear(i, mark, taken).expect("the second engine comes into force");
    }
    (cluster, account)
}

fn presign_order(account: &Account, run: u64) -> PresignOrder {
    let charter = account.charter.document.digest();
    PresignOrder { account: account.id(), charter, signers: points(&BOTH), run }
}

/// What a party says to an order to presign.
fn presigned(cluster: &Cluster, i: u8, mark: usize, order: &PresignOrder) -> Result<u64, String> {
    let said = |letter: &Letter| match &letter.words {
        FromParty::Presigned { charter, index, .. } if *charter == order.charter => Some(Ok(index.get())),
        FromParty::PresignFailed { session, reason, .. } if *session == order.session() => {
            Some(Err(reason.clone()))
        }
        _ => None,
    };
    cluster.hear(i, mark, said).unwrap_or_else(|| Err("no word in time".into()))
}

/// Has both make one; its number.
fn presign(cluster: &Cluster, account: &Account, run: u64) -> u64 {
    let (order, mark) = (presign_order(account, run), cluster.relay.mail().mark());
    BOTH.iter().for_each(|i| cluster.say(*i, &ToParty::Presign(order.clone())));
    let [one, other] = BOTH.map(|i| presigned(cluster, i, mark, &order).expect("a presignature"));
    assert_eq!(one, other, "they agree on its number");
    one
}

fn order(cluster: &Cluster, account: &Account, nonce: u64, by: Option<u64>) -> SignOrder {
    let wish = Wish { nonce, ..Wish::new() };
    let presignature = by.map(|index| PresignatureIndex::try_from(index).expect("a number"));
    SignOrder { presignature, ..account.order(&wish, cluster.party(1), &BOTH, 1) }
}

/// Both sign; how many envelopes it took.
fn check_signs(cluster: &Cluster, account: &Account, nonce: u64, by: Option<u64>) -> usize {
    let order = order(cluster, account, nonce, by);
    let passed = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&passed);
    let count = move |passing: cohold_testkit::Passing| {
        counting.fetch_add(1, Ordering::SeqCst);
        vec![passing.into()]
    };
    cluster.relay.intercept(order.session(), Box::new(count));
    for (i, answer) in cluster.sign(&order) {
        let signature = answer.signature().unwrap_or_else(|| panic!("party {i}: {answer:?}"));
        account.assemble(&order.plan, signature).expect("it is the account's signature");
    }
    passed.load(Ordering::SeqCst)
}

/// Both say at once that they cannot, and sign without one when they are asked again.
fn check_gone(cluster: &Cluster, account: &Account, by: u64) {
    let order = order(cluster, account, 9, Some(by));
    for (i, answer) in cluster.sign(&order) {
        let refused = answer.refusal().map(|refusal| refusal.code);
        assert_eq!(refused, Some(Code::Presignature), "party {i}: {answer:?}");
    }
}

fn ready(cluster: &Cluster, i: u8) -> String {
    format!("{:?}", cluster.party(i).keeper().presignatures().expect("it keeps some"))
}

/// Row 15 between parties: one order has it, and whatever becomes of that order, no other does.
#[test]
fn row_15_a_presignature_signs_one_order() {
    let (mut cluster, account) = presigning();
    assert_eq!(presign(&cluster, &account, 1), 1);
    assert_eq!(presign(&cluster, &account, 2), 2);
    assert_eq!(check_signs(&cluster, &account, 0, Some(1)), 4, "a grant and a part from each");
    check_gone(&cluster, &account, 1);
    // A run that was asked for before is not repeated.
    let again = presign_order(&account, 2);
    let mark = cluster.relay.mail().mark();
    cluster.say(1, &ToParty::Presign(again.clone()));
    assert!(presigned(&cluster, 1, mark, &again).is_err(), "its session is used");
    assert_eq!(ready(&cluster, 1), "Presignatures(1 ready)");

    // Two orders want the same one; its envelopes are held, so that neither is signed by it.
    let two = [1, 2].map(|nonce| order(&cluster, &account, nonce, Some(2)));
    let marks = two.clone().map(|order| {
        cluster.relay.intercept(order.session(), Box::new(|_| Vec::new()));
        BOTH.map(|i| cluster.order(i, &order))
    });
    for i in [0, 1] {
        let refused = two.iter().zip(&marks).filter(|(order, marks)| {
            let answer = cluster.answer(BOTH[i], marks[i], order.session());
            assert!(answer.signature().is_none(), "{answer:?}");
            answer.refusal().is_some_and(|refusal| refusal.code == Code::Presignature)
        });
        assert_eq!(refused.count(), 1, "party {}: one of two has it", BOTH[i]);
    }
    check_gone(&cluster, &account, 2);

    // More than there is room for: the oldest go.
    let numbers: Vec<u64> = (3..6).map(|run| presign(&cluster, &account, run)).collect();
    assert_eq!(numbers, [3, 4, 5]);
    assert_eq!(presign(&cluster, &account, 6), 6);
    assert_eq!(ready(&cluster, 1), format!("Presignatures({PRESIGNATURES} ready)"));
    check_gone(&cluster, &account, 3);
    // Whoever used a later one has no earlier one.
    assert_eq!(check_signs(&cluster, &account, 3, Some(5)), 4);
    check_gone(&cluster, &account, 4);

    // A process that ends loses its own; all at once, without an error, is signed as before.
    cluster.stop(2);
    cluster.start_again(2);
    assert_eq!(ready(&cluster, 2), "Presignatures(0 ready)");
    let lost = order(&cluster, &account, 4, Some(6));
    let mark = cluster.order(2, &lost);
    let refused = cluster.answer(2, mark, lost.session());
    assert_eq!(refused.refusal().map(|refusal| refusal.code), Some(Code::Presignature), "{refused:?}");
    assert!(check_signs(&cluster, &account, 4, None) > 4);

    // A ban takes what was made ahead along.
    let keeper = cluster.party(1).keeper();
    keeper.ban(account.id(), points(&[2])[0], "a test", 0).expect("noted");
    assert_eq!(ready(&cluster, 1), "Presignatures(0 ready)");
    let order = presign_order(&account, 7);
    let mark = cluster.relay.mail().mark();
    cluster.say(1, &ToParty::Presign(order.clone()));
    assert!(presigned(&cluster, 1, mark, &order).expect_err("banned").contains("is banned"));
}

/// The files of a node's database.
fn database(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file").path());
    let named =
        |path: &PathBuf| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("node.sqlite"));
    entries.filter(named).collect()
}

fn copy(from: &Path, to: &Path) {
    database(to).iter().for_each(|old| std::fs::remove_file(old).expect("removed"));
    for file in database(from) {
        std::fs::copy(&file, to.join(file.file_name().expect("a name"))).expect("copied");
    }
}

/// Row 16: an old copy of a party's disk. Its peer's count takes it along past all that were used.
#[test]
fn row_16_a_restored_party_goes_on_above_what_its_peer_counted() {
    let (mut cluster, account) = presigning();
    let backup = tempfile::tempdir().expect("a folder");
    cluster.stop(2);
    copy(cluster.party(2).folder(), backup.path());
    cluster.start_again(2);
    for (run, nonce) in [(1, 0), (2, 1)] {
        let index = presign(&cluster, &account, run);
        assert_eq!(check_signs(&cluster, &account, nonce, Some(index)), 4);
    }
    cluster.stop(2);
    copy(backup.path(), cluster.party(2).folder());
    cluster.start_again(2);
    for used in [1, 2] {
        check_gone(&cluster, &account, used);
    }
    assert_eq!(presign(&cluster, &account, 3), 3, "the copy would begin with 1");
    assert_eq!(check_signs(&cluster, &account, 2, Some(3)), 4);
    assert_eq!(presign(&cluster, &account, 4), 4);
}
