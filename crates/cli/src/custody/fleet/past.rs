//! An earlier run: an index of its accounts in memory, its models where they lie in the file.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use cohold_custody::Model;
use cohold_custody::fleet::state::{self, Head, LINE_BYTES_MAX, Line};
use cohold_custody::fleet::{Fingerprint, Standing};

/// What an earlier run left.
pub(super) struct Past {
    pub(super) at: u64,
    accounts: HashMap<String, (Fingerprint, Standing)>,
    /// By fingerprint: where the line begins and how long it is.
    models: HashMap<Fingerprint, (u64, usize)>,
    file: File,
}

impl Past {
    /// Reads the index; none if there is no such file.
    pub(super) fn read(path: &Path) -> anyhow::Result<Option<Self>> {
        match File::open(path) {
            Ok(file) => {
                let read = Self::index(file).with_context(|| format!("the state `{}`", path.display()));
                read.map(Some)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read the state `{}`", path.display())),
        }
    }

    fn index(file: File) -> anyhow::Result<Self> {
        let mut input = BufReader::with_capacity(1 << 16, file.try_clone()?);
        let mut line = Vec::new();
        let mut next = |line: &mut Vec<u8>| {
            line.clear();
            let read = (&mut input).take(LINE_BYTES_MAX as u64 + 1).read_until(b'\n', line)?;
            if read > LINE_BYTES_MAX {
                bail!("a line is longer than any model");
            }
            Ok(read)
        };
        let mut offset = next(&mut line)? as u64;
        let Head { at, .. } = state::head(&line)?;
        let mut past = Self { at, accounts: HashMap::new(), models: HashMap::new(), file };
        loop {
            let read = next(&mut line)?;
            if read == 0 {
                return Ok(past);
            }
            match state::line(&line)? {
                Line::Model(fingerprint) => drop(past.models.insert(fingerprint, (offset, read))),
                Line::Account(found) => {
                    past.accounts.insert(found.account, (found.fingerprint, found.standing));
                }
            }
            offset += read as u64;
        }
    }

    /// What an account had then.
    pub(super) fn account(&self, account: &str) -> Option<(Fingerprint, Standing)> {
        self.accounts.get(account).copied()
    }

    pub(super) fn accounts(&self) -> impl Iterator<Item = &str> {
        self.accounts.keys().map(String::as_str)
    }

    /// The line of a model as it stands in the file.
    pub(super) fn line(&self, fingerprint: Fingerprint) -> anyhow::Result<Vec<u8>> {
        let place = self.models.get(&fingerprint);
        let (offset, length) = *place.context("the state names a model that it does not hold")?;
        let mut line = vec![0; length];
        self.file.read_exact_at(&mut line, offset)?;
        Ok(line)
    }

    /// A model, for an account that had it.
    pub(super) fn model(&self, fingerprint: Fingerprint, account: &str) -> anyhow::Result<Model> {
        Ok(state::model(&self.line(fingerprint)?, fingerprint, account)?)
    }
}
