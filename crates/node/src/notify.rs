//! A program of the operator's that is told when somebody asks for other parties in an account: it sends a
//! message, rings a bell. The node neither waits for it nor depends on it.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cohold_model::{AccountId, PartyName};

/// How long the program may run.
const SECONDS_MAX: Duration = Duration::from_secs(30);
/// How many run at a time; more are left out, and the log says so.
const RUNNING_MAX: usize = 8;

/// The program and its arguments; none tells nobody.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notify {
    program: Option<PathBuf>,
    arguments: Vec<String>,
    running: Arc<AtomicUsize>,
}

impl Notify {
    /// By the words of `node.toml`: the program, then its arguments.
    pub(crate) fn new(words: &[String]) -> Self {
        let mut words = words.iter();
        let program = words.next().map(PathBuf::from);
        Self { program, arguments: words.cloned().collect(), running: Arc::default() }
    }

    /// Starts the program with what happened in its environment, and nothing else there. No shell reads
    /// any of it.
    pub(crate) fn tell(&self, event: &str, account: AccountId, by: &PartyName, at: u64) {
        let Some(program) = &self.program else { return };
        if self.running.fetch_add(1, Ordering::SeqCst) >= RUNNING_MAX {
            self.running.fetch_sub(1, Ordering::SeqCst);
            tracing::error!(%account, event, "too many notifications run at once: this one is left out");
            return;
        }
        let mut command = Command::new(program);
        command.args(&self.arguments).env_clear().stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(Stdio::null()).current_dir("/");
        let told = [
            ("COHOLD_EVENT", event.to_owned()),
            ("COHOLD_ACCOUNT", account.to_string()),
            ("COHOLD_BY", by.to_string()),
            ("COHOLD_AT", at.to_string()),
        ];
        command.envs(told);
        let running = Arc::clone(&self.running);
        std::thread::spawn(move || {
            if let Err(error) = run(command) {
                tracing::error!(%account, %error, "the program that is to be notified failed");
            }
            running.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

/// Runs it to its end, or ends it.
fn run(mut command: Command) -> std::io::Result<()> {
    let (mut child, began) = (command.spawn()?, Instant::now());
    loop {
        match child.try_wait()? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(std::io::Error::other(format!("it ended with {status}"))),
            None if began.elapsed() > SECONDS_MAX => {
                child.kill()?;
                child.wait()?;
                return Err(std::io::Error::other("it took too long and was ended"));
            }
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}
