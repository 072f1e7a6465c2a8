//! Crash points that no command passes on its own account: another process of this very test passes them,
//! is ended there as by `kill -9`, and the file is opened again.

use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use cohold_model::account::keygen_session;

use super::tests::{Result, account, charter, proposal, signed, spending};
use super::*;

/// Where the other process finds its database; without it a test speaks for itself.
const DATABASE: &str = "COHOLD_TEST_DATABASE";
const ABORTED: i32 = 6;
const RULES: RulesText<'static> = RulesText { digest: Digest([7; 32]), text: "accept = \"any\"\n" };

/// A database with an account in force.
pub(super) fn database(folder: &Path) -> Result<PathBuf> {
    let path = folder.join("party.sqlite");
    let (store, proposal) = (PartyStore::open(&path)?, proposal(account(1)?)?);
    let charter = charter(&proposal);
    store.account_begin(&proposal, keygen_session(&proposal), 1)?;
    let key = SealedKey { share: vec![1], auxiliary: vec![2] };
    store.account_keep(&charter, "dkls23", &key, None, 5)?;
    store.account_activate(&signed(&charter)?)?;
    Ok(path)
}

/// Has `step` done by another process, which ends at `point`.
pub(super) fn crash(test: &str, point: &str, path: &Path) -> Result {
    let name = match test.split_once("::") {
        Some(_) => format!("party::{test}"),
        None => format!("party::crash_tests::{test}"),
    };
    let mut other = Command::new(std::env::current_exe()?);
    let ended = other
        .args(["--exact", &name, "--nocapture"])
        .env(DATABASE, path)
        .env("COHOLD_CRASH_AT", point)
        .output()?;
    assert_eq!(ended.status.signal(), Some(ABORTED), "it crashes at {point}: {ended:?}");
    Ok(())
}

/// The store of the other process, in the other process.
pub(super) fn here() -> Result<Option<PartyStore>> {
    let path = std::env::var_os(DATABASE).map(PathBuf::from);
    Ok(path.map(|path| PartyStore::open(&path)).transpose()?)
}

pub(super) fn banned(store: &PartyStore) -> Result<Vec<u8>> {
    let active = store.account_show(account(1)?)?.ok_or("in force")?;
    Ok(active.banned.iter().map(|party| party.get()).collect())
}

#[test]
fn a_ban_is_there_or_not_and_can_be_given_again() -> Result {
    let party = PartyIndex::try_from(2)?;
    let ban =
        |store: &PartyStore, evidence| -> Result { Ok(store.ban_insert(account(1)?, party, evidence, 9)?) };
    if let Some(store) = here()? {
        return ban(&store, "first");
    }
    for (point, there) in [("party.ban.before", false), ("party.ban.after", true)] {
        let folder = tempfile::tempdir()?;
        let path = database(folder.path())?;
        crash("a_ban_is_there_or_not_and_can_be_given_again", point, &path)?;
        let store = PartyStore::open(&path)?;
        assert_eq!(banned(&store)?, if there { vec![2] } else { vec![] }, "{point}");
        ban(&store, "second")?;
        assert_eq!(banned(&store)?, [2]);
        let evidence: String = store.database.look(|tx| {
            Ok::<_, Fail<StoreError>>(tx.query_row("SELECT evidence FROM bans", [], |row| row.get(0))?)
        })?;
        assert_eq!(evidence, if there { "first" } else { "second" }, "the first evidence stays");
    }
    Ok(())
}

#[test]
fn a_request_is_void_or_may_still_be_counted() -> Result {
    if let Some(store) = here()? {
        assert!(store.request_void(account(1)?, spending(1, 1, 5, 100)?.request, 9)?);
        return Ok(());
    }
    for (point, void) in [("party.void.before", false), ("party.void.after", true)] {
        let folder = tempfile::tempdir()?;
        let path = database(folder.path())?;
        crash("a_request_is_void_or_may_still_be_counted", point, &path)?;
        let store = PartyStore::open(&path)?;
        let counted = store.reserve(&spending(1, 1, 5, 100)?, 10);
        assert_eq!(counted.is_err(), void, "{point}: {counted:?}");
        // Who counts first has the last word.
        assert_eq!(store.request_void(account(1)?, spending(1, 1, 5, 100)?.request, 11)?, void);
    }
    Ok(())
}

/// Row 15: whichever side of the commit it dies on, the number is counted with the payment or neither is.
#[test]
fn row_15_a_presignature_is_counted_with_its_payment_or_not_at_all() -> Result {
    const NAME: &str = "row_15_a_presignature_is_counted_with_its_payment_or_not_at_all";
    let by = super::presign_tests::used(4)?;
    let wanted = |n| {
        Ok::<_, Box<dyn std::error::Error>>(Spending { presignature: Some(&by), ..spending(n, n, 5, 8)? })
    };
    if let Some(store) = here()? {
        drop(store.reserve(&wanted(1)?, 9));
        return Ok(());
    }
    for (point, counted) in [("party.reserve.before", false), ("party.reserve.after", true)] {
        let folder = tempfile::tempdir()?;
        let path = database(folder.path())?;
        crash(NAME, point, &path)?;
        let store = PartyStore::open(&path)?;
        let free = store.presign_begin(&by.set, spending(9, 9, 0, 0)?.session, 9)?;
        assert_eq!(free.get(), if counted { 5 } else { 1 }, "{point}");
        // Another payment by the same number: it has it, or finds number and budget used.
        assert_eq!(store.reserve(&wanted(2)?, 9).is_ok(), !counted, "{point}");
        assert!(store.reserve(&spending(3, 3, 4, 8)?, 9).is_err(), "five of eight are used either way");
    }
    Ok(())
}

#[test]
fn accounts_come_under_rules_at_this_start_or_the_next() -> Result {
    if let Some(store) = here()? {
        assert_eq!(store.rules_begin(&RULES, 9)?, 1);
        return Ok(());
    }
    for (point, begun) in [("party.rules-begin.before", false), ("party.rules-begin.after", true)] {
        let folder = tempfile::tempdir()?;
        let path = database(folder.path())?;
        crash("accounts_come_under_rules_at_this_start_or_the_next", point, &path)?;
        let store = PartyStore::open(&path)?;
        assert_eq!(store.rules_in_force(account(1)?)?.is_some(), begun, "{point}");
        assert_eq!(store.rules_begin(&RULES, 10)?, usize::from(!begun), "{point}");
        let in_force = store.rules_in_force(account(1)?)?.ok_or("under rules")?;
        assert_eq!((in_force.revision, in_force.digest), (1, RULES.digest));
        assert_eq!(store.rules_text(&RULES.digest)?.as_deref(), Some(RULES.text));
    }
    Ok(())
}
