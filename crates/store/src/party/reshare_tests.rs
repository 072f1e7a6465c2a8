use std::collections::BTreeMap;

use cohold_model::account::keygen_session;
use cohold_model::reshare::{reshare_session, reshare_setup_session};
use cohold_model::{Engine, Epoch, Resharing};

use super::tests::{Result, account, charter, proposal, secret, signed};
use super::*;

/// An account in force, and a resharing of it to the same parties at this time.
fn begun(store: &PartyStore) -> Result<Signed<Charter>> {
    let proposal = proposal(account(1)?)?;
    let charter = charter(&proposal);
    store.account_begin(&proposal, keygen_session(&proposal), 1)?;
    let key = SealedKey { share: vec![1; 64], auxiliary: vec![2; 64] };
    store.account_keep(&charter, "dkls23", &key, None, 5)?;
    let signed = signed(&charter)?;
    store.account_activate(&signed)?;
    Ok(signed)
}

fn resharing(old: &Charter, created_at: u64) -> Result<Signed<Resharing>> {
    let resharing = Resharing {
        charter: old.digest(),
        terms: old.terms.clone(),
        dealers: old.terms.parties.iter().map(|card| card.party.clone()).collect(),
        proposer: "device".parse()?,
        created_at,
        engine: old.engine,
    };
    Ok(Signed::by(resharing, "device".parse()?, &secret(1)))
}

fn begin<'a>(
    old: &'a Signed<Charter>,
    resharing: &'a Signed<Resharing>,
    holds: bool,
    abandoned: &'a [Digest],
) -> ReshareBegin<'a> {
    let sessions = [reshare_session(resharing), reshare_setup_session(resharing)];
    ReshareBegin { old, resharing, holds, sessions, abandoned }
}

fn next(old: &Charter, created_at: u64) -> Charter {
    Charter {
        version: old.version + 1,
        epoch: Epoch(old.epoch.0 + 1),
        created_at,
        previous: Some(old.digest()),
        ..old.clone()
    }
}

/// Another engine takes the other one's data away with the charter, in one step; the epoch goes on, and its
/// share is held from then.
#[test]
fn another_engine_comes_into_force_at_once() -> Result {
    let folder = tempfile::tempdir()?;
    let store = PartyStore::open(&folder.path().join("party.sqlite"))?;
    let (old, id) = (begun(&store)?, account(1)?);
    store.ban_insert(id, PartyIndex::try_from(2)?, "why", 6)?;
    let engine = Engine::Cggmp24;
    let setting = Resharing { engine, dealers: Default::default(), ..resharing(&old.document, 7)?.document };
    let setting = Signed::by(setting, "device".parse()?, &secret(1));
    let digest = setting.document.digest();
    let new = Charter { engine, epoch: old.document.epoch, ..next(&old.document, 7) };
    let key = SealedKey { share: vec![3; 64], auxiliary: vec![4; 64] };
    let none = BTreeMap::new();
    store.reshare_begin(&begin(&old, &setting, true, &[]), 8)?;
    let prepared = Prepared { charter: &new, engine: "cggmp24", key: &key, companions: &none };
    store.reshare_keep(&digest, &prepared, 8)?;
    let kept = |engine| Ok::<_, StoreError>(store.key_show(id, 1, engine)?.map(|key| key.auxiliary));
    assert_eq!((kept("dkls23")?, kept("cggmp24")?), (Some(vec![2; 64]), None));
    store.reshare_commit(&digest, &signed(&new)?, None, 9)?;
    assert_eq!((kept("dkls23")?, kept("cggmp24")?), (None, Some(vec![4; 64])));
    let shown = store.account_show(id)?.ok_or("gone")?;
    assert_eq!((shown.charter.document, shown.banned.len()), (new, 1));
    assert_eq!(store.epoch_list(id)?, vec![old]);
    Ok(())
}

/// A database of the time when an epoch had one charter keeps those of the past.
#[test]
fn past_charters_of_an_older_database_stay() -> Result {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("party.sqlite");
    let past = signed(&charter(&proposal(account(1)?)?))?;
    let older = Database::open(&path, MIGRATIONS.get(..5).ok_or("five")?)?;
    older.write(|tx| {
        let text = to_text::<_, StoreError>("epochs", &past)?;
        tx.execute("INSERT INTO epochs VALUES (?1, 1, ?2, 9)", params![account_text(), text])?;
        Ok::<_, Fail<StoreError>>(())
    })?;
    drop(older);
    assert_eq!(PartyStore::open(&path)?.epoch_list(account(1)?)?, vec![past]);
    Ok(())
}

fn account_text() -> String {
    format!("acc_{:032x}", 1)
}

#[test]
fn the_old_share_stays_until_the_new_charter_is_in_force() -> Result {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("party.sqlite");
    let store = PartyStore::open(&path)?;
    let old = begun(&store)?;
    let id = account(1)?;
    store.ban_insert(id, PartyIndex::try_from(2)?, "why", 6)?;
    let resharing = resharing(&old.document, 7)?;
    let (digest, new) = (resharing.document.digest(), next(&old.document, 7));
    let key = SealedKey { share: vec![3; 64], auxiliary: vec![4; 64] };
    let none = BTreeMap::new();
    let prepared = Prepared { charter: &new, engine: "dkls23", key: &key, companions: &none };
    assert!(store.reshare_keep(&digest, &prepared, 8).is_err(), "nothing was begun");
    store.reshare_begin(&begin(&old, &resharing, true, &[]), 8)?;
    store.reshare_keep(&digest, &prepared, 8)?;
    assert!(!store.reshare_refuse(&begin(&old, &resharing, true, &[]), 9)?, "it may have signed");
    assert_eq!(store.reshare_refuse_unfinished()?, 0);
    drop(store);

    let store = PartyStore::open(&path)?;
    assert_eq!(store.account_show(id)?.map(|active| active.charter), Some(old.clone()));
    assert_eq!(store.key_show(id, 1, "dkls23")?.map(|key| key.share), Some(vec![1; 64]));
    let said = store.reshare_list_said()?;
    assert_eq!(said.iter().map(|row| row.charter.clone()).collect::<Vec<_>>(), vec![Some(new.clone())]);

    let signed = signed(&new)?;
    for _ in 0..2 {
        store.reshare_commit(&digest, &signed, None, 10)?;
        let active = store.account_show(id)?.ok_or("it is in force")?;
        assert_eq!((&active.charter, active.held_since), (&signed, 8));
        assert_eq!(active.banned, vec![PartyIndex::try_from(2)?], "who was banned stays banned");
        assert!(store.key_show(id, 1, "dkls23")?.is_none(), "the old share is gone");
        assert_eq!(store.key_show(id, 2, "dkls23")?.map(|key| key.share), Some(vec![3; 64]));
        assert_eq!(store.epoch_list(id)?, vec![old.clone()]);
    }
    assert!(store.reshare_list_said()?.is_empty());
    // Nowhere on the disk: the pages were overwritten, and the log is empty.
    for entry in std::fs::read_dir(folder.path())? {
        let bytes = std::fs::read(entry?.path())?;
        assert!(!bytes.windows(64).any(|window| window == [1; 64] || window == [2; 64]));
    }
    Ok(())
}

#[test]
fn a_charter_has_one_open_resharing_and_a_refusal_is_final() -> Result {
    let folder = tempfile::tempdir()?;
    let store = PartyStore::open(&folder.path().join("party.sqlite"))?;
    let old = begun(&store)?;
    let (first, second) = (resharing(&old.document, 7)?, resharing(&old.document, 8)?);
    let (one, two) = (begin(&old, &first, true, &[]), begin(&old, &second, true, &[]));
    store.reshare_begin(&one, 8)?;
    assert!(matches!(store.reshare_begin(&one, 8), Err(ReshareError::Used(_))));
    assert!(matches!(store.reshare_begin(&two, 8), Err(ReshareError::Open(_))));
    assert_eq!(store.reshare_refuse_unfinished()?, 1);
    assert!(matches!(store.reshare_begin(&one, 9), Err(ReshareError::Used(_))));
    let new = next(&old.document, 7);
    let key = SealedKey { share: vec![3], auxiliary: vec![4] };
    let none = BTreeMap::new();
    let prepared = Prepared { charter: &new, engine: "dkls23", key: &key, companions: &none };
    assert!(store.reshare_keep(&first.document.digest(), &prepared, 9).is_err(), "never signed");
    assert!(store.reshare_commit(&first.document.digest(), &signed(&new)?, None, 9).is_err());

    // One that was never heard of can be refused as well, and is then never begun.
    let third = resharing(&old.document, 9)?;
    assert!(store.reshare_refuse(&begin(&old, &third, true, &[]), 9)?);
    assert!(matches!(store.reshare_begin(&begin(&old, &third, true, &[]), 9), Err(ReshareError::Used(_))));
    // Who only gives is bound until another's word sets it free.
    let given = begin(&old, &second, false, &[]);
    store.reshare_begin(&given, 9)?;
    assert!(!store.reshare_refuse(&given, 9)?);
    assert_eq!(store.reshare_refuse_unfinished()?, 0);
    let fourth = resharing(&old.document, 10)?;
    let words = [second.document.digest()];
    store.reshare_begin(&begin(&old, &fourth, true, &words), 9)?;
    Ok(())
}

#[test]
fn who_leaves_keeps_the_charter_that_let_it_go_and_no_share() -> Result {
    let folder = tempfile::tempdir()?;
    let store = PartyStore::open(&folder.path().join("party.sqlite"))?;
    let old = begun(&store)?;
    let id = account(1)?;
    let resharing = resharing(&old.document, 7)?;
    let digest = resharing.document.digest();
    let new = signed(&next(&old.document, 7))?;
    store.reshare_begin(&begin(&old, &resharing, false, &[]), 8)?;
    store.reshare_dealt(&digest, &new.document)?;
    assert!(store.account_show(id)?.is_some(), "it pays until all have signed");
    store.reshare_commit(&digest, &new, None, 9)?;
    for _ in 0..2 {
        assert!(store.account_show(id)?.is_none() && store.account_list(None, 10)?.is_empty());
        assert!(store.key_show(id, 1, "dkls23")?.is_none());
        assert_eq!(store.account_left(id)?, Some(new.clone()));
        // Told again, also as one that took no part, it changes nothing.
        store.reshare_commit(&digest, &new, None, 9)?;
        store.account_leave(&new, 9)?;
    }
    let other = signed(&Charter { created_at: 99, ..new.document.clone() })?;
    assert!(matches!(store.account_leave(&other, 9), Err(ReshareError::Stale(_))));
    Ok(())
}
