//! Processes: the program itself as a command that ends, and services that do not.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_cohold");
/// How long anything may take before the test gives up.
const PATIENCE: Duration = Duration::from_secs(150);

/// A command without any setting of whoever runs the tests.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("COHOLD_") {
            command.env_remove(name);
        }
    }
    command
}

/// Looks again and again until there is something.
pub(crate) fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    until_within(PATIENCE, what, look)
}

pub(crate) fn until_within<T>(patience: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < patience, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A service; it ends with the test, or with the thread that started it.
pub(crate) struct Service {
    child: Child,
    /// What it printed once it served; none if it ended before.
    pub(crate) said: Option<Value>,
    _stdout: Option<std::process::ChildStdout>,
}

impl Service {
    /// Starts a program as a child that the system ends with this thread.
    pub(crate) fn start<S: AsRef<OsStr>>(
        program: &Path,
        arguments: impl IntoIterator<Item = S>,
        envs: &[(&str, &str)],
        log: &Path,
        says_json: bool,
    ) -> Self {
        let log = OpenOptions::new().create(true).append(true).open(log).unwrap();
        let mut command = command(PROGRAM);
        command.arg("child").arg(program).args(arguments).envs(envs.iter().copied());
        let stdout = if says_json { Stdio::piped() } else { log.try_clone().unwrap().into() };
        let mut child = command.stdin(Stdio::null()).stdout(stdout).stderr(log).spawn().unwrap();
        let mut stdout = child.stdout.take();
        let said = stdout.as_mut().and_then(|out| {
            let mut values = serde_json::Deserializer::from_reader(out).into_iter::<Value>();
            values.next().and_then(Result::ok)
        });
        Self { child, said, _stdout: stdout }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub(crate) fn wait(&mut self, what: &str) -> ExitStatus {
        until(&format!("{what} ends"), || self.child.try_wait().unwrap())
    }

    /// Waits until it ends as it does at a crash point.
    pub(crate) fn crashed(mut self, point: &str) {
        let status = self.wait(&format!("the process that crashes at {point}"));
        assert_eq!(status.signal(), Some(Signal::ABORT.as_raw()), "{point}: {status}");
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One command line of the program.
pub(crate) struct Cli {
    command: Command,
    words: Vec<OsString>,
    input: Option<PathBuf>,
}

impl Cli {
    pub(crate) fn new<S: AsRef<OsStr>>(words: impl IntoIterator<Item = S>) -> Self {
        let words: Vec<OsString> = words.into_iter().map(|w| w.as_ref().to_owned()).collect();
        let mut command = command(PROGRAM);
        command.args(&words);
        Self { command, words, input: None }
    }

    /// The same where there is no network at all, if this machine lets tests make such a place.
    pub(crate) fn offline<S: AsRef<OsStr>>(words: impl IntoIterator<Item = S>) -> Self {
        let alone = ["--net", "--map-root-user"];
        let works = Command::new("unshare").args(alone).arg("true").status();
        let mut cli = Self::new(words);
        if works.is_ok_and(|status| status.success()) {
            let mut command = command("unshare");
            command.args(alone).arg(PROGRAM).args(&cli.words);
            cli.command = command;
        } else {
            eprintln!("no network namespaces here: only the server is gone");
        }
        cli
    }

    pub(crate) fn arg(mut self, word: impl AsRef<OsStr>) -> Self {
        self.words.push(word.as_ref().to_owned());
        self.command.arg(word);
        self
    }

    pub(crate) fn args<S: AsRef<OsStr>>(self, words: impl IntoIterator<Item = S>) -> Self {
        words.into_iter().fold(self, Cli::arg)
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn input(mut self, file: &Path) -> Self {
        self.input = Some(file.into());
        self
    }

    pub(crate) fn folder(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    pub(crate) fn begin(mut self) -> Begun {
        let input = self.input.map_or_else(Stdio::null, |file| File::open(file).unwrap().into());
        let (stdout, stderr) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        let into = |file: &File| Stdio::from(file.try_clone().unwrap());
        let child = self.command.stdin(input).stdout(into(&stdout)).stderr(into(&stderr)).spawn();
        Begun { child: child.unwrap(), words: format!("{:?}", self.words), stdout, stderr }
    }

    pub(crate) fn run(self) -> Ran {
        self.begin().end()
    }
}

/// A command on its way.
pub(crate) struct Begun {
    child: Child,
    words: String,
    stdout: File,
    stderr: File,
}

impl Begun {
    /// kill -9.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for a while, and then ends it as its user would who has waited enough.
    pub(crate) fn end_or_kill(mut self, patience: Duration) -> Option<Ran> {
        let began = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            if began.elapsed() > patience {
                self.kill();
                return None;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(self.end())
    }

    pub(crate) fn end(self) -> Ran {
        self.end_within(PATIENCE)
    }

    /// Waits for a command that does more than one thing.
    pub(crate) fn end_within(mut self, patience: Duration) -> Ran {
        let ended = || self.child.try_wait().unwrap();
        let status = until_within(patience, &format!("{} ends", self.words), ended);
        let read = |mut file: &File| {
            let mut text = String::new();
            file.seek(SeekFrom::Start(0)).unwrap();
            file.read_to_string(&mut text).unwrap();
            text
        };
        let (stdout, stderr) = (read(&self.stdout), read(&self.stderr));
        Ran { words: self.words.clone(), status, stdout, stderr }
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        // Nothing where it has ended; a test that gave up leaves nothing behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a command ended.
pub(crate) struct Ran {
    words: String,
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// The one JSON value of a command that did what it should.
    pub(crate) fn done(self) -> Value {
        self.assert(self.status.success(), "should succeed");
        self.json()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {}", self.shown()))
    }

    /// Code and message of a command that failed with this exit code.
    pub(crate) fn failed(self, exit: i32) -> (String, String) {
        self.assert(self.status.code() == Some(exit), &format!("should end with {exit}"));
        let value = self.json();
        self.assert(value["ok"] == false, "should say that it failed");
        let text = |name: &str| value["error"][name].as_str().unwrap_or_default().to_owned();
        (text("code"), text("message"))
    }

    /// The command was killed at a crash point.
    pub(crate) fn crashed(self, point: &str) -> Self {
        self.assert(self.status.signal() == Some(Signal::ABORT.as_raw()), &format!("crashes at {point}"));
        self
    }

    pub(crate) fn assert(&self, holds: bool, what: &str) {
        assert!(holds, "{what}: {}", self.shown());
    }

    fn shown(&self) -> String {
        format!("{} ended with {}\nstdout: {}\nstderr: {}", self.words, self.status, self.stdout, self.stderr)
    }
}
