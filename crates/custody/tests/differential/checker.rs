//! The second checker as a process (`lines.mjs`): a file on a line in, its answer on a line out.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

pub(crate) struct Checker {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Checker {
    pub(crate) fn start() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert!(
            root.join("../../checker/dist/check.js").is_file(),
            "the second checker is not built: run `cargo xtask install`, then the test again"
        );
        let mut process = Command::new("node")
            .arg(root.join("tests/differential/lines.mjs"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("`node` starts (18 or later, a requirement of the tests: run `cargo xtask install`)");
        let input = process.stdin.take();
        let output = BufReader::new(process.stdout.take().expect("standard output is piped"));
        Self { process, input, output }
    }

    /// The processor's time that it has taken so far (proc(5): fields 14 and 15 of `stat`, in hundredths).
    pub(crate) fn busy(&self) -> Duration {
        let path = format!("/proc/{}/stat", self.process.id());
        let stat = std::fs::read_to_string(path).expect("a Linux process that runs");
        let (_, fields) = stat.rsplit_once(") ").expect("a name in brackets");
        let ticks = fields.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().expect("a number"));
        Duration::from_millis(ticks.sum::<u64>() * 10)
    }

    /// What it says to one line.
    pub(crate) fn ask(&mut self, file: &str) -> Value {
        assert!(!file.contains(['\n', '\r']), "a file is one line here");
        let input = self.input.as_mut().expect("open until the end");
        writeln!(input, "{file}").expect("the checker reads");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the checker answers");
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON: `{line}`"))
    }

    /// The checker's result of a model; none: it refuses. Anything else that it says is a bug in it.
    pub(crate) fn answer(&mut self, file: &str) -> Option<Value> {
        let mut answer = self.ask(file);
        if answer["ok"] == false {
            assert_eq!(answer["error"]["code"], "refused", "{answer}");
            return None;
        }
        assert_eq!(answer["kind"], "model", "{answer}");
        Some(answer["evaluation"].take())
    }
}

impl Drop for Checker {
    fn drop(&mut self) {
        drop(self.input.take());
        // It ends with its input; what it returned is no matter when the test is over.
        let _ = self.process.wait();
    }
}
