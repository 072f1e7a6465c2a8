//! The laws of the house that the compiler does not know; `ARCHITECTURE.md` gives their reasons.

pub(crate) mod floors;
mod manifests;
mod sources;

use std::path::Path;

use anyhow::{Result, bail};

use crate::metadata;

/// Prints every breach; one is enough to fail.
pub(crate) fn tidy(root: &Path) -> Result<()> {
    let breaches = breaches(root)?;
    for breach in &breaches {
        eprintln!("xtask: tidy: {breach}");
    }
    if !breaches.is_empty() {
        bail!("{} against the laws of the house", breaches.len());
    }
    Ok(())
}

fn breaches(root: &Path) -> Result<Vec<String>> {
    let members = metadata::members(root)?;
    let mut breaches = floors::breaches(&members);
    breaches.extend(manifests::breaches(root, &members)?);
    breaches.extend(sources::breaches(root, &members)?);
    Ok(breaches)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_house_is_tidy() {
        let breaches = super::breaches(&crate::shell::root()).expect("the workspace can be read");
        assert!(breaches.is_empty(), "{breaches:#?}");
    }
}
