//! What the user sees: results on standard output, everything else on standard error.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use cohold_server::ServeError;
use cohold_store::StoreError;
use serde::Serialize;
use serde_json::json;

/// How a command ended, other than done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Refused or failed.
    Failed,
    /// The words of the command make no sense.
    Usage,
    /// Others must act first.
    Waiting,
    /// An account of a fleet crossed the red line, or has a class that was forbidden.
    Crossed,
    /// A case is its finder's word, and proved to nobody.
    Accused,
}

impl Exit {
    fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Waiting => 3,
            Self::Crossed => 4,
            Self::Accused => 5,
        }
    }
}

/// An error with a stable code for programs. Any other error counts as [`Exit::Failed`].
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) code: String,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn error(exit: Exit, code: &str, message: impl Into<String>) -> anyhow::Error {
        Self { exit, code: code.into(), message: message.into() }.into()
    }
}

/// The command failed, and its result said so already.
#[derive(Debug, thiserror::Error)]
#[error("failed, as said above")]
pub(crate) struct Told(pub(crate) Exit);

/// The code of an error from a library.
fn foreign_code(error: &anyhow::Error) -> &'static str {
    let store = error.downcast_ref::<StoreError>().or_else(|| match error.downcast_ref::<ServeError>() {
        Some(ServeError::Store(error)) => Some(error),
        _ => None,
    });
    match store {
        Some(StoreError::Damaged { .. } | StoreError::Row { .. }) => "database-damaged",
        Some(StoreError::Full(_)) => "disk-full",
        Some(StoreError::Busy(_)) => "database-busy",
        Some(StoreError::Newer { .. }) => "database-newer",
        Some(StoreError::Older { .. }) => "database-older",
        Some(StoreError::Sqlite { .. } | StoreError::File { .. }) => "database",
        None if error.is::<cohold_node::config::ConfigError>() => "config",
        None if error.is::<cohold_server::ConfigError>() => "config",
        None => "failed",
    }
}

/// Where results and progress go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    pub(crate) json: bool,
}

impl Output {
    /// Prints a result: as one JSON value, or as words.
    pub(crate) fn result(self, value: &impl Serialize, words: impl FnOnce() -> String) -> anyhow::Result<()> {
        let text = if self.json { serde_json::to_string_pretty(value)? } else { words() };
        let mut out = std::io::stdout().lock();
        // A closed pipe (`| head`) is the reader's choice, not an error.
        match writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush()) {
            Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(e.into()),
            _ => Ok(()),
        }
    }

    /// Says what is being done.
    pub(crate) fn progress(self, words: &str) {
        eprintln!("{words}");
    }

    /// Prints what the parser of the command line says: help, version, or what is wrong. Without a
    /// parsed line, `--json` is looked for among the words.
    pub(crate) fn usage(error: &clap::Error) -> ExitCode {
        let _ = error.print();
        if error.use_stderr() && std::env::args_os().any(|word| word == "--json") {
            let text = error.to_string();
            let said = text.split("\n\n").next().unwrap_or_default();
            let message = said.trim_start_matches("error: ").split_whitespace().collect::<Vec<_>>().join(" ");
            println!("{}", json!({"ok": false, "error": {"code": "usage", "message": message}}));
        }
        ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
    }

    /// Prints an error and tells the exit code.
    pub(crate) fn error(self, error: &anyhow::Error) -> ExitCode {
        if let Some(Told(exit)) = error.downcast_ref::<Told>() {
            return ExitCode::from(exit.code());
        }
        let failure = error.downcast_ref::<Failure>();
        let exit = failure.map_or(Exit::Failed, |f| f.exit);
        let code = failure.map_or_else(|| foreign_code(error), |f| f.code.as_str());
        eprintln!("error: {error:#}");
        if self.json {
            println!("{}", json!({"ok": false, "error": {"code": code, "message": format!("{error:#}")}}));
        }
        ExitCode::from(exit.code())
    }
}

/// Asks for yes or no on the terminal; without a terminal the answer is no.
pub(crate) fn confirm(question: &str) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    eprint!("{question} [y/N] ");
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Asks for a line on the terminal; without a terminal the answer is empty.
pub(crate) fn typed(question: &str) -> anyhow::Result<String> {
    if !std::io::stdin().is_terminal() {
        return Ok(String::new());
    }
    eprint!("{question}");
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(answer.trim().to_owned())
}

/// The longest file that a person writes for a command.
const TEXT_BYTES_MAX: u64 = 1024 * 1024;

/// Reads a file of text, if it is no longer than people's files are. What is no text is none of theirs.
pub(crate) fn read_text(path: &std::path::Path) -> std::io::Result<String> {
    read_text_of(std::fs::File::open(path)?)
}

fn read_text_of(from: impl std::io::Read) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    from.take(TEXT_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > TEXT_BYTES_MAX {
        let long = format!("it is longer than {TEXT_BYTES_MAX} bytes");
        return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, long));
    }
    String::from_utf8(bytes).map_err(|error| {
        // The bytes may be a secret in another encoding.
        zeroize::Zeroize::zeroize(&mut error.into_bytes());
        std::io::Error::new(std::io::ErrorKind::InvalidData, "it is not text in UTF-8")
    })
}

/// Refuses a file with a secret that others on this machine can read, as ssh does with its keys. Pipes
/// and the like are whoever made them's.
fn check_private(file: &std::path::Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let Ok(metadata) = std::fs::metadata(file) else { return Ok(()) };
    if !metadata.is_file() || metadata.permissions().mode() & 0o077 == 0 {
        return Ok(());
    }
    let file = file.display();
    Err(Failure::error(
        Exit::Failed,
        "readable-secret",
        format!("`{file}` holds a secret and others can read it: chmod 600 {file}"),
    ))
}

/// Reads a secret that exists nowhere else from a file, from standard input where that is named `-`, else by
/// a prompt; never from the environment. `option` is how the file is named.
pub(crate) fn secret_from(
    file: Option<&std::path::Path>,
    what: &str,
    option: &str,
) -> anyhow::Result<zeroize::Zeroizing<String>> {
    use anyhow::Context as _;
    let text = match file {
        Some(file) if file.as_os_str() == "-" => read_text_of(std::io::stdin().lock())
            .map_err(|error| anyhow::anyhow!("{what} cannot be read from standard input: {error}"))?,
        Some(file) => {
            check_private(file)?;
            read_text(file).with_context(|| format!("cannot read `{}`", file.display()))?
        }
        None if std::io::stdin().is_terminal() => rpassword::prompt_password(format!("{what}: "))?,
        None => {
            let message = format!("no terminal to ask for {what}: give a file by {option}, or `{option} -`");
            return Err(Failure::error(Exit::Usage, "no-terminal", message));
        }
    };
    let text = zeroize::Zeroizing::new(text);
    Ok(zeroize::Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}

/// Reads a secret from a file, else from an environment variable, else by a prompt.
pub(crate) fn secret(
    file: Option<&std::path::Path>,
    variable: &str,
    prompt: &str,
) -> anyhow::Result<zeroize::Zeroizing<String>> {
    use anyhow::Context as _;
    if let Some(file) = file {
        check_private(file)?;
        let text = read_text(file).with_context(|| format!("cannot read `{}`", file.display()))?;
        return Ok(zeroize::Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()));
    }
    if let Ok(text) = std::env::var(variable) {
        return Ok(zeroize::Zeroizing::new(text));
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::error(
            Exit::Usage,
            "no-terminal",
            format!("no terminal to ask for the {prompt}: give a file, or set {variable}"),
        ));
    }
    Ok(zeroize::Zeroizing::new(rpassword::prompt_password(format!("{prompt}: "))?))
}
