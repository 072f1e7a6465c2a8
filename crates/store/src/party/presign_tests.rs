//! Presignatures are counted upwards only, with the payment that they sign.

use cohold_model::{Epoch, PartyIndex, PresignatureIndex, PresignatureUse, SigningSet};

use super::tests::{Result, account, spending};
use super::*;

pub(super) fn used(index: u64) -> Result<PresignatureUse> {
    let signers = [1, 2].map(PartyIndex::try_from).into_iter().collect::<Result<_, _>>()?;
    let set = SigningSet { account: account(1)?, epoch: Epoch::FIRST, signers };
    Ok(PresignatureUse { set, index: PresignatureIndex::try_from(index)? })
}

fn session(n: u32) -> Result<SessionId> {
    Ok(spending(0, n, 0, 0)?.session)
}

/// Row 15: of two that want one, one has it; an error burns nothing else; lower ones are gone as well.
#[test]
fn row_15_one_presignature_is_used_once() -> Result {
    let folder = tempfile::tempdir()?;
    let store = PartyStore::open(&folder.path().join("party.sqlite"))?;
    let spend = |n: u32, by: &PresignatureUse| {
        let wanted = Spending { presignature: Some(by), ..spending(n, n, 1, 1000)? };
        Ok::<_, Box<dyn std::error::Error>>(store.reserve(&wanted, 10))
    };
    let (five, nine) = (used(5)?, used(9)?);
    let winners = std::thread::scope(|scope| {
        let each: Vec<_> = (1..=8)
            .map(|n| {
                let (store, five) = (&store, &five);
                scope.spawn(move || {
                    let wanted = Spending { presignature: Some(five), ..spending(n, n, 1, 1000).ok()? };
                    Some(store.reserve(&wanted, 10).is_ok())
                })
            })
            .collect();
        each.into_iter().filter_map(|one| one.join().ok().flatten()).filter(|won| *won).count()
    });
    assert_eq!(winners, 1, "of eight");
    assert!(matches!(spend(20, &five)?, Err(ReserveError::Presignature(index)) if index == five.index));
    assert!(spend(21, &nine)?.is_ok());
    assert!(spend(22, &used(8)?)?.is_err(), "whoever counts to nine counted eight");
    // What was refused for it counted no payment and used no session up.
    assert_eq!(store.reserve(&spending(22, 22, 998, 1000)?, 10)?, Reserved::New);
    // A payment that is refused otherwise leaves the presignature, and its session, alone.
    let ten = used(10)?;
    let dear = Spending { presignature: Some(&ten), ..spending(23, 23, 5000, 1000)? };
    assert!(matches!(store.reserve(&dear, 10), Err(ReserveError::Limit { .. })));
    assert_eq!(store.presign_begin(&ten.set, session(30)?, 10)?, ten.index);
    Ok(())
}

/// Row 16: an old copy has forgotten; a peer's count has not, and takes the old copy along.
#[test]
fn row_16_each_set_and_epoch_counts_for_itself() -> Result {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("party.sqlite");
    let store = PartyStore::open(&path)?;
    let seven = used(7)?;
    store.reserve(&Spending { presignature: Some(&seven), ..spending(1, 1, 1, 1000)? }, 10)?;
    drop(store);
    let store = PartyStore::open(&path)?;
    let free = |set: &SigningSet, n: u32| {
        Ok::<_, Box<dyn std::error::Error>>(store.presign_begin(set, session(n)?, 9)?.get())
    };
    assert_eq!(free(&seven.set, 2)?, 8);
    let three = PartyIndex::try_from(3)?;
    let others = [
        SigningSet { epoch: Epoch(2), ..seven.set.clone() },
        SigningSet { account: account(2)?, ..seven.set.clone() },
        SigningSet { signers: [&seven.set.signers[..1], &[three]].concat(), ..seven.set.clone() },
        SigningSet { signers: [&seven.set.signers[..], &[three]].concat(), ..seven.set.clone() },
    ];
    for (n, other) in (3..).zip(&others) {
        assert_eq!(free(other, n)?, 1, "{other:?}");
    }
    assert!(matches!(store.presign_begin(&seven.set, session(2)?, 9), Err(PresignError::Session(_))));
    let last = used(PresignatureIndex::MAX)?;
    store.reserve(&Spending { presignature: Some(&last), ..spending(8, 8, 1, 1000)? }, 10)?;
    assert!(matches!(store.presign_begin(&last.set, session(9)?, 9), Err(PresignError::Numbers)));
    Ok(())
}
