//! Cases lie with their bans, or not at all, wherever the process ends; and are closed when who they speak of
//! has left.

use cohold_model::case::{FaultKind, Sentence};
use cohold_model::{BanNotice, Case};

use super::crash_tests::{banned, crash, database, here};
use super::tests::{Result, account, charter, proposal, secret, signed};
use super::*;

/// What `device` says of `other`.
fn case(found_at: u64) -> Result<Case> {
    let charter = charter(&proposal(account(1)?)?);
    let notice = BanNotice {
        account: account(1)?,
        charter: charter.digest(),
        version: 1,
        epoch: charter.epoch,
        finder: "device".parse()?,
        sentence: Sentence::Ban("other".parse()?),
        session: SessionId(Digest([1; 32])),
        kind: FaultKind::ObliviousTransfer,
        round: Some(2),
        message: Some(Digest([2; 32])),
        evidence: None,
        found_at,
    };
    let case = Case {
        notice: Signed::by(notice, "device".parse()?, &secret(1)),
        charter: signed(&charter)?,
        resharing: None,
    };
    case.check()?;
    Ok(case)
}

fn ban(store: &PartyStore, case: &Case) -> Result {
    let party = PartyIndex::try_from(2)?;
    let new = Some(NewCase { case, proved: false });
    Ok(store.ban_insert_with(account(1)?, party, "why", new, 9)?)
}

#[test]
fn a_ban_and_its_case_are_there_together_or_not_at_all() -> Result {
    if let Some(store) = here()? {
        return ban(&store, &case(1)?);
    }
    for (point, there) in [("party.ban.before", false), ("party.ban.after", true)] {
        let folder = tempfile::tempdir()?;
        let path = database(folder.path())?;
        let test = "case_tests::a_ban_and_its_case_are_there_together_or_not_at_all";
        crash(test, point, &path)?;
        let store = PartyStore::open(&path)?;
        assert_eq!(banned(&store)?.len(), usize::from(there), "{point}");
        assert_eq!(store.case_list(None)?.len(), usize::from(there), "{point}");
        // The first stays; what follows it takes no room.
        ban(&store, &case(2)?)?;
        let found_at = if there { 1 } else { 2 };
        let rows = store.case_list(Some(account(1)?))?;
        assert_eq!(rows.iter().map(|row| &row.case).collect::<Vec<_>>(), [&case(found_at)?]);
    }
    Ok(())
}

#[test]
fn what_peers_say_is_kept_or_said_again() -> Result {
    let peer = secret(2).public();
    if let Some(store) = here()? {
        store.case_insert(NewCase { case: &case(1)?, proved: false }, 9)?;
        store.case_kept(&case(1)?.notice.document.digest(), &peer, 9)?;
        return Ok(());
    }
    let test = "case_tests::what_peers_say_is_kept_or_said_again";
    for (point, cases, keepers) in [
        ("party.case.before", 0, 0),
        ("party.case.after", 1, 0),
        ("party.case-kept.before", 1, 0),
        ("party.case-kept.after", 1, 1),
    ] {
        let folder = tempfile::tempdir()?;
        let path = database(folder.path())?;
        crash(test, point, &path)?;
        let store = PartyStore::open(&path)?;
        let rows = store.case_list(None)?;
        assert_eq!(rows.len(), cases, "{point}");
        assert_eq!(rows.iter().map(|row| row.kept_by.len()).sum::<usize>(), keepers, "{point}");
        let new = store.case_insert(NewCase { case: &case(1)?, proved: false }, 9)?;
        assert_eq!(new, cases == 0, "{point}");
        for _ in 0..2 {
            store.case_kept(&case(1)?.notice.document.digest(), &peer, 9)?;
        }
        let row = store.case_show(&case(1)?.notice.document.digest())?.ok_or("kept")?;
        assert_eq!((row.kept_by, row.case), (vec![peer], case(1)?));
        assert!(banned(&store)?.is_empty(), "a word bans nobody");
    }
    // Of a case that is not here nothing is noted.
    let folder = tempfile::tempdir()?;
    let store = PartyStore::open(&database(folder.path())?)?;
    store.case_kept(&Digest([9; 32]), &peer, 9)?;
    assert!(store.case_show(&Digest([9; 32]))?.is_none());
    Ok(())
}

/// Who has left is nobody's matter any more, and who comes back is not banned by what was closed.
#[test]
fn a_case_is_closed_when_its_offender_has_left() -> Result {
    let folder = tempfile::tempdir()?;
    let store = PartyStore::open(&database(folder.path())?)?;
    ban(&store, &case(1)?)?;
    let mut terms = charter(&proposal(account(1)?)?).terms;
    let close = |terms: &cohold_model::account::Terms| {
        store.database.write(|tx| cases::close::<StoreError>(tx, terms))
    };
    close(&terms)?;
    assert!(store.case_list(None)?.iter().all(|row| !row.closed), "both are still there");
    terms.parties.truncate(1);
    close(&terms)?;
    assert!(store.case_list(None)?.iter().all(|row| row.closed));
    store.database.write(|tx| {
        tx.execute("DELETE FROM bans", [])?;
        Ok::<_, Fail<StoreError>>(())
    })?;
    ban(&store, &case(1)?)?;
    assert!(banned(&store)?.is_empty(), "told again, it bans nobody");
    ban(&store, &case(5)?)?;
    assert_eq!((banned(&store)?, store.case_list(None)?.len()), (vec![2], 2), "what it does since counts");
    Ok(())
}
