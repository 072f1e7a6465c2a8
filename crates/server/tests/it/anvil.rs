//! A real local chain: anvil on a free port of the loopback interface, ended with the test.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use cohold_chain_evm::Address;
use cohold_chain_io::Chain;
use cohold_chain_io::rpc::Repeat;
use cohold_model::Amount;
use serde_json::json;

const FROM_NPM: &str = "../../tools/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil";

pub(crate) struct Anvil {
    child: Child,
    pub(crate) url: String,
}

impl Anvil {
    /// Starts it; none where there is no anvil, which only a developer's machine may lack.
    pub(crate) fn start(extra: &[&str]) -> Option<Self> {
        let Some(program) = program() else {
            assert!(std::env::var_os("CI").is_none(), "no anvil: run `cargo xtask test`");
            eprintln!("SKIPPED: no anvil; run `cargo xtask test`, or set COHOLD_ANVIL to its executable");
            return None;
        };
        let mut child = Command::new(program)
            .args(["--host", "127.0.0.1", "--port", "0"])
            .args(extra)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("anvil starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let port = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("Listening on 127.0.0.1:").map(str::to_owned))
            .expect("anvil says where it listens");
        // Its further words are read, lest it waits for a reader.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Some(Self { child, url: format!("http://127.0.0.1:{port}") })
    }

    pub(crate) fn chain(&self) -> Chain {
        Chain::new(self.url.parse().unwrap()).unwrap()
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program() -> Option<PathBuf> {
    if let Some(chosen) = std::env::var_os("COHOLD_ANVIL") {
        return Some(chosen.into());
    }
    let from_npm = Path::new(env!("CARGO_MANIFEST_DIR")).join(FROM_NPM);
    let on_path = std::env::var_os("PATH")
        .into_iter()
        .flat_map(|path| std::env::split_paths(&path).map(|folder| folder.join("anvil")).collect::<Vec<_>>());
    std::iter::once(from_npm).chain(on_path).find(|program| program.is_file())
}

/// Gives an account ether out of nothing.
pub(crate) async fn fund(chain: &Chain, account: Address, amount: Amount) {
    let params = json!([account, format!("{:#x}", amount.0)]);
    chain.rpc().request::<serde_json::Value>("anvil_setBalance", params, Repeat::Never).await.unwrap();
}

/// Mines blocks; with the first, whatever waits. Anvil by itself mines a moment after it answers.
pub(crate) async fn mine(chain: &Chain, blocks: u64) {
    let params = json!([format!("{blocks:#x}")]);
    chain.rpc().request::<serde_json::Value>("anvil_mine", params, Repeat::Never).await.unwrap();
}
