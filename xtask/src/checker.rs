//! The second checker under `checker/`: fetched, compiled, and kept small.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::{install, shell};

pub(crate) const FOLDER: &str = "checker";
/// What its build is made from; beside these, everything in `checker/src`.
const SOURCES: [&str; 4] = ["build.mjs", "package-lock.json", "page.html", "tsconfig.json"];
/// A copy of all of it.
const STAMP: &str = "checker/dist/.built-from";
/// Lines that all of `checker/src` may have, comments and blank lines included: it is read in one sitting.
const LINES_MAX: usize = 300;
/// Characters that a line may have.
const COLUMNS_MAX: usize = 110;

/// Compiles it, unless that was done from these very sources.
pub(crate) fn build(root: &Path) -> Result<()> {
    install::from_npm(root, FOLDER)?;
    let sources = sources(root)?.concat();
    if fs::read_to_string(root.join(STAMP)).is_ok_and(|stamp| stamp == sources) {
        return Ok(());
    }
    eprintln!("xtask: compiling checker/ into checker/dist");
    shell::run(&mut shell::program("npm", &root.join(FOLDER), &["run", "--silent", "build"]))?;
    fs::write(root.join(STAMP), sources).with_context(|| format!("cannot write `{STAMP}`"))
}

/// Its size and its types.
pub(crate) fn check(root: &Path) -> Result<String> {
    install::from_npm(root, FOLDER)?;
    let lines = size(&source_files(root)?)?;
    shell::run(&mut shell::program("npm", &root.join(FOLDER), &["run", "--silent", "check"]))?;
    Ok(format!("{lines} lines"))
}

fn size(texts: &[String]) -> Result<usize> {
    let lines = texts.iter().map(|text| text.lines().count()).sum();
    if lines > LINES_MAX {
        bail!("checker/src has {lines} lines, more than {LINES_MAX}: it is no longer one sitting");
    }
    let wide = texts.iter().flat_map(|text| text.lines()).find(|line| line.chars().count() > COLUMNS_MAX);
    match wide {
        Some(line) => bail!("a line in checker/src is wider than {COLUMNS_MAX} characters: `{line}`"),
        None => Ok(lines),
    }
}

fn sources(root: &Path) -> Result<Vec<String>> {
    let mut texts = source_files(root)?;
    for name in SOURCES {
        let path = root.join(FOLDER).join(name);
        texts.push(fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?);
    }
    Ok(texts)
}

fn source_files(root: &Path) -> Result<Vec<String>> {
    let folder = root.join(FOLDER).join("src");
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot read `{}`", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    let read = |path: std::path::PathBuf| {
        fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))
    };
    paths.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn every_line_counts() {
        let text = |lines: usize| "// so\n".repeat(lines);
        assert_eq!(size(&[text(100), format!("{}é\n", "é".repeat(109)), text(199)]).unwrap(), 300);
        assert!(size(&[text(100), text(201)]).is_err());
        assert!(size(&["x".repeat(111)]).is_err());
    }
}
