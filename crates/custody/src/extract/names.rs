//! Names that stand once.

use std::collections::BTreeSet;

/// The names that are taken.
#[derive(Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    pub(super) fn taken<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Self {
        Self(names.into_iter().map(Into::into).collect())
    }

    /// Takes the name, if nothing else has it.
    pub(super) fn take(&mut self, wanted: &str) -> bool {
        self.0.insert(wanted.to_owned())
    }

    /// `wanted` if nothing else has it, else `wanted-2`, `wanted-3`, …
    pub(super) fn next(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        let mut number = 2_u32;
        while !self.0.insert(name.clone()) {
            name = format!("{wanted}-{number}");
            number = number.saturating_add(1);
        }
        name
    }
}
