//! What this device remembers of the exits that were tried and taken, for its own statements.

use std::collections::BTreeMap;

use anyhow::Context as _;
use cohold_model::AccountId;
use cohold_vault::file::{private_folder, private_replace};
use serde::{Deserialize, Serialize};

use crate::home::Home;

/// When the way out was last rehearsed, and when it was taken, in seconds since 1970.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exits {
    /// The last drill.
    pub(crate) drilled_at: Option<u64>,
    /// The first export: from then on the key may be anywhere.
    pub(crate) exported_at: Option<u64>,
}

/// What is known of one account.
pub(crate) fn show(home: &Home, account: AccountId) -> anyhow::Result<Exits> {
    Ok(all(home)?.remove(&account).unwrap_or_default())
}

/// Notes that the way out was rehearsed.
pub(crate) fn drilled(home: &Home, account: AccountId, now: u64) -> anyhow::Result<()> {
    note(home, account, |exits| exits.drilled_at = Some(now))
}

/// Notes that the key was put together. Before it is, so that no crash hides it.
pub(crate) fn exported(home: &Home, account: AccountId, now: u64) -> anyhow::Result<()> {
    note(home, account, |exits| {
        exits.exported_at.get_or_insert(now);
    })
}

fn note(home: &Home, account: AccountId, change: impl FnOnce(&mut Exits)) -> anyhow::Result<()> {
    let mut all = all(home)?;
    change(all.entry(account).or_default());
    private_folder(&home.folder)?;
    Ok(private_replace(&path(home), &serde_json::to_vec(&all)?)?)
}

fn all(home: &Home) -> anyhow::Result<BTreeMap<AccountId, Exits>> {
    let path = path(home);
    match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .with_context(|| format!("`{}` is damaged: it tells which keys were exported", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(error).with_context(|| format!("`{}` cannot be read", path.display())),
    }
}

fn path(home: &Home) -> std::path::PathBuf {
    home.path("exits.json")
}
