//! Where the accounts come from, one by one: a server's database, a folder, a file of lines.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use cohold_model::statement::Statement;
use cohold_model::{AccountId, Charter, Signed};
use cohold_store::server::{AccountState, ServerStore};

use crate::custody::MODEL_BYTES_MAX;

/// Accounts that are read from the database at a time.
const PAGE: u32 = 500;

/// Where accounts come from.
pub(super) enum Source {
    /// A server's own database, read only.
    Server(Box<ServerStore>),
    /// Files with one model each.
    Folder(PathBuf),
    /// One model a line.
    Lines(PathBuf),
}

/// Something to evaluate.
pub(super) enum Item {
    /// A model file, and where it stands.
    Bytes { place: String, bytes: Vec<u8> },
    /// An account as the server knows it.
    Account { account: AccountId, charters: Vec<Signed<Charter>>, statements: Vec<Signed<Statement>> },
    /// Something that cannot be read.
    Failed { place: String, error: String },
}

impl Source {
    /// A folder or a file of lines.
    pub(super) fn models(path: &Path) -> Self {
        if path.is_dir() { Self::Folder(path.into()) } else { Self::Lines(path.into()) }
    }

    /// Hands out everything, until nobody takes it any more.
    pub(super) fn read(&self, mut take: impl FnMut(Item) -> bool) -> anyhow::Result<()> {
        match self {
            Self::Server(store) => accounts(store, &mut take),
            Self::Folder(path) => folder(path, &mut take),
            Self::Lines(path) if path == Path::new("-") => lines(path, std::io::stdin().lock(), &mut take),
            Self::Lines(path) => {
                let file = File::open(path).with_context(|| format!("cannot read `{}`", path.display()))?;
                lines(path, BufReader::with_capacity(1 << 16, file), &mut take)
            }
        }
    }
}

fn accounts(store: &ServerStore, take: &mut impl FnMut(Item) -> bool) -> anyhow::Result<()> {
    let mut after = None;
    loop {
        let page = store.account_list(after, PAGE)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.proposal.document.terms.account);
        for row in page {
            let AccountState::Active(charter) = row.state else { continue };
            let account = charter.document.terms.account;
            let statements = store.statement_list(account)?;
            let mut charters = store.charter_list_past(account)?;
            // What comes into force while this reads is not part of it.
            charters.retain(|past| past.document.version < charter.document.version);
            charters.push(*charter);
            if !take(Item::Account { account, charters, statements }) {
                return Ok(());
            }
        }
    }
}

fn folder(path: &Path, take: &mut impl FnMut(Item) -> bool) -> anyhow::Result<()> {
    let cannot = || format!("cannot read `{}`", path.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).with_context(cannot)? {
        let file = entry.with_context(cannot)?.path();
        if file.extension().is_some_and(|extension| extension == "json") {
            files.push(file);
        }
    }
    files.sort();
    for file in files {
        let place = file.display().to_string();
        let mut bytes = Vec::new();
        let read = File::open(&file).and_then(|file| file.take(MODEL_BYTES_MAX + 1).read_to_end(&mut bytes));
        let item = match read {
            Ok(_) => Item::Bytes { place, bytes },
            Err(error) => Item::Failed { place, error: error.to_string() },
        };
        if !take(item) {
            return Ok(());
        }
    }
    Ok(())
}

fn lines(path: &Path, mut input: impl BufRead, take: &mut impl FnMut(Item) -> bool) -> anyhow::Result<()> {
    for number in 1_u64.. {
        let mut bytes = Vec::new();
        let read = (&mut input).take(MODEL_BYTES_MAX + 2).read_until(b'\n', &mut bytes);
        if read.with_context(|| format!("cannot read `{}`", path.display()))? == 0 {
            break;
        }
        // A line that was cut is refused for its length, and what follows is no line.
        let cut = bytes.len() as u64 > MODEL_BYTES_MAX && bytes.last() != Some(&b'\n');
        let place = format!("{}:{number}", path.display());
        let blank = bytes.iter().all(u8::is_ascii_whitespace);
        if !blank && !take(Item::Bytes { place, bytes }) || cut {
            break;
        }
    }
    Ok(())
}
