//! Licences, sources and advisories of every dependency, through cargo-deny (`deny.toml`).

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::{metadata, shell};

const VERSION: &str = "0.20.2";

/// Whether the RustSec database was at hand.
pub(crate) enum Advisories {
    Checked,
    Skipped { reason: &'static str },
}

/// Checks; where the database of advisories cannot be fetched, that part is skipped and said so.
pub(crate) fn check(root: &Path) -> Result<Advisories> {
    let deny = installed(root)?;
    let deny = |args: &[&str]| shell::run(&mut shell::program(&deny, root, args));
    deny(&["--locked", "check", "licenses", "bans", "sources"])?;
    if deny(&["--locked", "fetch", "db"]).is_err() {
        return Ok(Advisories::Skipped {
            reason: "git could not fetch the RustSec database, see above; licences and sources were checked",
        });
    }
    deny(&["--locked", "check", "advisories"])?;
    Ok(Advisories::Checked)
}

/// cargo-deny in `target/tools`, built there the first time.
fn installed(root: &Path) -> Result<PathBuf> {
    let folder = metadata::target_folder(root)?.join("tools");
    let binary = folder.join("bin/cargo-deny");
    let is_pinned = binary.is_file()
        && shell::read(&mut shell::program(&binary, root, &["--version"]))?.trim().ends_with(VERSION);
    if is_pinned {
        return Ok(binary);
    }
    eprintln!(
        "xtask: installing from crates.io into target/tools: cargo-deny {VERSION} (a minute or two, once)"
    );
    let folder = folder.display().to_string();
    // An unoptimised build takes a fraction of the time and the check is as quick.
    let args =
        ["install", "cargo-deny", "--locked", "--version", VERSION, "--debug", "--force", "--root", &folder];
    shell::run(shell::cargo(root, &args).env("CARGO_PROFILE_DEV_DEBUG", "0"))?;
    Ok(binary)
}
