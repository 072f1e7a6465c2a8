//! `custody.toml`: what a deployment declares about who runs, administers, backs up and delivers what.

use std::path::{Path, PathBuf};

use cohold_custody::declared::{Declared, DeclaredError};

use crate::config::{FILE_BYTES_MAX, line_of};

/// Why a declaration was refused.
#[derive(Debug, thiserror::Error)]
pub enum DeclarationError {
    /// The file cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// More than any declaration needs.
    #[error("`{}` is longer than {FILE_BYTES_MAX} bytes: that is not the file that was meant", .0.display())]
    TooLong(PathBuf),
    /// Not the TOML that is expected.
    #[error("line {line} of `{}` is refused: {reason}; docs/custody.md has an example", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// It contradicts itself.
    #[error("`{}` is refused: {source}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Why.
        source: DeclaredError,
    },
}

/// Reads a declaration; nothing is declared where there is no file.
pub(crate) fn read(path: &Path) -> Result<Declared, DeclarationError> {
    let failed = |source| DeclarationError::Read { path: path.into(), source };
    let bytes = match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Declared::default()),
        found => found.map_err(failed)?.len(),
    };
    if bytes > FILE_BYTES_MAX {
        return Err(DeclarationError::TooLong(path.into()));
    }
    parse(path, &std::fs::read_to_string(path).map_err(failed)?)
}

fn parse(path: &Path, text: &str) -> Result<Declared, DeclarationError> {
    let declared: Declared = toml::from_str(text).map_err(|error| DeclarationError::Form {
        path: path.into(),
        line: line_of(text, error.span().map_or(0, |span| span.start)),
        reason: error.message().lines().next().unwrap_or_default().to_owned(),
    })?;
    let content = |source| DeclarationError::Content { path: path.into(), source };
    declared.check().map_err(content)?;
    Ok(declared)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
[coordinator]
entity = "acme"

[program]
entity = "acme"
delivery = "store"

[tokens]
issuer = "acme"
reset = ["mailhost"]

[[machine]]
party = "cosigner"
administrators = ["bigcloud"]

[[backup]]
party = "cosigner"
holders = []

[[factor]]
party = "recovery"
holders = ["mailhost"]

[[hsm]]
party = "cosigner"
administrators = ["hsmco"]
"#;

    #[test]
    fn declarations_are_read_or_refused_by_their_place() {
        let path = Path::new("custody.toml");
        let declared = parse(path, GOOD).unwrap();
        assert_eq!(declared.machine[0].administrators[0].as_str(), "bigcloud");
        assert!(declared.backup[0].holders.is_empty());
        assert_eq!(declared.hsm[0].administrators[0].as_str(), "hsmco");
        assert!(parse(path, "").unwrap().is_empty());
        assert!(read(Path::new("/nowhere/custody.toml")).unwrap().is_empty());
        let check = |from: &str, to: &str, expected: &str| {
            assert!(GOOD.contains(from), "{from}");
            let error = parse(path, &GOOD.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains("`custody.toml`") && error.contains(expected), "{error}");
        };
        check("[coordinator]", "[cordinator]", "line 2");
        check("entity = \"acme\"", "entity = \"Acme Ltd\"", "line 3");
        check("\"store\"", "\"pigeon\"", "line 7");
        check("administrators = [\"bigcloud\"]", "", "missing field `administrators`");
        check("holders = []", "holders = \"nobody\"", "line 19");
        let twice = "[[backup]]\nparty = \"cosigner\"\nholders = []\n[[factor]]";
        check("[[factor]]", twice, "`backup` names party `cosigner` twice");
        let many: Vec<String> = (0..9).map(|n| format!("\"e{n}\"")).collect();
        check("[\"bigcloud\"]", &format!("[{}]", many.join(", ")), "more than 6");
    }
}
