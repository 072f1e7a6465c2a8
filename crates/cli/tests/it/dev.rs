//! `cohold dev`: stops cleanly, starts again as it was, leaves no orphans.

use std::path::Path;

use rustix::process::Signal;
use serde_json::Value;

use crate::chain::{CENT, anvil, new_address};
use crate::process::{Cli, PROGRAM, Service, until};
use crate::world::{Account, PASSPHRASE, PIN, new_request};

/// Processes whose command line names the folder.
fn running_in(folder: &Path) -> Vec<String> {
    let name = folder.display().to_string();
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| line.contains(&name)).collect()
}

struct Dev {
    service: Service,
    home: String,
    chain: String,
}

impl Dev {
    fn start(anvil: &Path, folder: &Path) -> Self {
        let folder_text = folder.display().to_string();
        let words = ["dev", "--json", "--dir", &folder_text, "--port", "0", "--chain-port", "0", "--chain"];
        let envs = [("COHOLD_ANVIL", anvil.to_str().unwrap())];
        let log = folder.with_extension("log");
        let service = Service::start(PROGRAM.as_ref(), words, &envs, &log, true);
        let said = service.said.clone().unwrap_or_else(|| panic!("{:?}", std::fs::read_to_string(&log)));
        let text = |name: &str| said[name].as_str().unwrap_or_else(|| panic!("{said}")).to_owned();
        assert!(text("server").starts_with("http://127.0.0.1:"));
        assert!(text("token").starts_with("cohold_"));
        Self { service, home: text("home"), chain: text("chain") }
    }

    fn cli<'a>(&'a self, words: impl IntoIterator<Item = &'a str>) -> Value {
        let cli = Cli::new(words).arg("--json").arg("--home").arg(&self.home);
        cli.env("COHOLD_PIN", PIN).env("COHOLD_RECOVERY_PASSPHRASE", PASSPHRASE).run().done()
    }

    fn pay(&self, account: &Account) -> Value {
        let (to, request) = (new_address(), new_request());
        self.cli(["send", &account.id, "--to", &to, "--amount", "0.01", "--yes", "--request", &request])
    }

    /// What a second start must find again.
    fn state(&self, account: &Account) -> [Value; 4] {
        let balance = |words: &[&str]| {
            let words = [&["balance", account.id.as_str()], words].concat();
            self.cli(words)["amount_base_units"].clone()
        };
        [
            self.cli(["account", "list"]),
            self.cli(["request", "list"]),
            balance(&[]),
            balance(&["--token", "TST"]),
        ]
    }
}

#[test]
fn a_second_start_finds_everything_and_no_stop_leaves_orphans() {
    let Some(anvil) = anvil() else { return };
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("dev");

    let mut dev = Dev::start(&anvil, &folder);
    assert_eq!(running_in(&folder).len(), 5, "dev, chain, server, two nodes: {:?}", running_in(&folder));
    let account = Account::of(&dev.cli(["account", "create"]));
    dev.cli(["faucet", &account.id, "--rpc", &dev.chain]);
    dev.cli(["faucet", &account.id, "--token", "TST", "--amount", "7.5", "--rpc", &dev.chain]);
    dev.pay(&account);
    let before = dev.state(&account);
    assert_eq!(before[3], (750 * CENT).to_string());

    dev.service.signal(Signal::INT);
    let status = dev.service.wait("dev");
    assert!(status.success(), "{status}");
    assert_eq!(running_in(&folder), Vec::<String>::new());

    let dev = Dev::start(&anvil, &folder);
    assert_eq!(dev.state(&account), before);
    dev.pay(&account);
    let before = dev.state(&account);

    dev.service.signal(Signal::KILL);
    until("nobody is left", || running_in(&folder).is_empty().then_some(()));
    let dev = Dev::start(&anvil, &folder);
    assert_eq!(dev.state(&account), before, "after kill -9");
    dev.pay(&account);
}

#[test]
fn a_taken_port_is_named() {
    let Some(anvil) = anvil() else { return };
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for words in [["--port", &port, "--chain-port", "0"], ["--port", "0", "--chain-port", &port]] {
        let cli = Cli::new(["dev", "--json", "--chain", "--dir"]).arg(folder.path().join("dev"));
        let cli = words.iter().fold(cli, |cli, word| cli.arg(word)).env("COHOLD_ANVIL", &anvil);
        let (_, message) = cli.run().failed(1);
        assert!(message.contains(&port), "{message}");
    }
    assert_eq!(running_in(folder.path()), Vec::<String>::new());
}
