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
/// What decides; the rest only shows.
const DECIDES: [&str; 5] = ["json.ts", "shape.ts", "model.ts", "evaluate.ts", "certificate.ts"];
/// Lines of code that it may have: small enough to be read in one sitting. Comments and blank lines do not count.
const LINES_MAX: usize = 375;

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

/// Its format and its types.
pub(crate) fn check(root: &Path) -> Result<String> {
    install::from_npm(root, FOLDER)?;
    let read = |name: &str| fs::read_to_string(root.join(FOLDER).join("src").join(name));
    let texts =
        DECIDES.iter().map(|name| read(name)).collect::<Result<Vec<_>, _>>().context("a part is missing")?;
    let lines: usize = texts.iter().map(|text| lines_of_code(text)).sum();
    if lines > LINES_MAX {
        bail!(
            "what decides in checker/src has {lines} lines of code, more than {LINES_MAX}: it is no longer one sitting"
        );
    }
    shell::run(&mut shell::program("npm", &root.join(FOLDER), &["run", "--silent", "check"]))?;
    Ok(format!("{lines} lines of code"))
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

fn lines_of_code(text: &str) -> usize {
    let is_code = |line: &&str| !line.is_empty() && !line.starts_with("//") && !line.starts_with("/**");
    text.lines().map(str::trim).filter(is_code).count()
}

#[cfg(test)]
mod tests {
    use super::lines_of_code;

    #[test]
    fn comments_and_blank_lines_are_no_code() {
        assert_eq!(lines_of_code("/** What. */\nimport a; // why\n\n  // so\nb();\n"), 2);
    }
}
