//! A world of one's own: chain, server, co-signer, guardian and device, each process startable by
//! itself so that it can be told where to crash.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex};

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::chain::{CENT, Chain, anvil, free_port, new_address};
use crate::http;
use crate::process::{Begun, Cli, PROGRAM, Service, until};

pub(crate) const PIN: &str = "914-bright-kite";
pub(crate) const PASSPHRASE: &str = "seven paper cranes over a harbour";
/// Safe primes for the second engine, which debug builds take instead of making their own.
const PRIMES: (&str, &str) =
    ("COHOLD_TEST_PRIMES", concat!(env!("CARGO_MANIFEST_DIR"), "/../mpc-cggmp/tests/primes.hex"));
pub(crate) const NODES: [&str; 2] = ["cosigner", "guardian"];

pub(crate) struct World {
    pub(crate) chain: Chain,
    pub(crate) token: String,
    port: u16,
    server: Option<Service>,
    nodes: BTreeMap<&'static str, Service>,
    log: &'static str,
    /// What nodes and commands find in their environment beside their own.
    pub(crate) envs: Vec<(&'static str, String)>,
    // Dropped last: the folder, and the place among the worlds.
    folder: TempDir,
    _place: Place,
}

/// An account with its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) address: String,
    pub(crate) recovery: Vec<PathBuf>,
}

impl World {
    /// Starts everything; none where there is no anvil.
    pub(crate) fn start() -> Option<Self> {
        Self::start_logging("info")
    }

    /// The same, with nodes that join in resharings after a wait.
    pub(crate) fn start_joining(delay_seconds: u64) -> Option<Self> {
        let mut world = Self::start()?;
        for node in NODES {
            let rules = format!("{node}/rules.toml");
            let text = std::fs::read_to_string(world.path(&rules)).unwrap();
            world.write(&rules, &format!("{text}\n[resharing]\ndelay_seconds = {delay_seconds}\n"));
            world.node_restart(node, None);
        }
        Some(world)
    }

    /// The same, with nodes that take part in the second engine.
    pub(crate) fn start_with_engines(delay_seconds: u64) -> Option<Self> {
        let mut world = Self::start_joining(delay_seconds)?;
        for node in NODES {
            let settings = format!("{node}/node.toml");
            let text = std::fs::read_to_string(world.path(&settings)).unwrap();
            world.write(&settings, &format!("{text}\n[cggmp24]\n"));
            world.node_restart(node, None);
        }
        Some(world)
    }

    pub(crate) fn start_logging(log: &'static str) -> Option<Self> {
        Self::start_in(log, |_| true)
    }

    /// Starts everything in a folder that is prepared before; none if that cannot be.
    pub(crate) fn start_in(log: &'static str, prepare: impl FnOnce(&Path) -> bool) -> Option<Self> {
        let anvil = anvil()?;
        let place = Place::take();
        let folder = tempfile::Builder::new().prefix("cohold-test-").tempdir().unwrap();
        if !prepare(folder.path()) {
            return None;
        }
        let chain = Chain::start(&anvil, folder.path());
        let mut world = Self {
            chain,
            token: String::new(),
            port: free_port(),
            server: None,
            nodes: BTreeMap::new(),
            log,
            envs: Vec::new(),
            folder,
            _place: place,
        };
        world.write_settings();
        let config = world.path("server/server.toml");
        let made = Cli::new(["server", "--json", "--create-token", "--config"]).arg(config).run().done();
        world.token = made["token"].as_str().unwrap().to_owned();
        let settings = format!("server = \"{}\"\ntoken = \"{}\"\n", world.url(), world.token);
        std::fs::write(world.path("device/config.toml"), settings).unwrap();
        world.server_start(None);
        for node in NODES {
            world.node_start(node, None);
        }
        world.wait_for_nodes();
        Some(world)
    }

    fn write_settings(&self) {
        let (port, rpc, token) = (self.port, &self.chain.url, &self.chain.token);
        let assets = |coin: &str, tokens: &str| {
            format!(
                "\n[[chain]]\nid = 31337\ncoin = \"ETH\"\nfee_max = \"0.01\"\n\
                 [[chain.asset]]\n{coin}receivers = \"any\"\n\
                 [[chain.asset]]\ntoken = \"{token}\"\nsymbol = \"TST\"\ndecimals = 18\n{tokens}receivers = \"any\"\n"
            )
        };
        self.write(
            "server/server.toml",
            &format!(
                "listen = \"127.0.0.1:{port}\"\ndatabase = \"server.sqlite\"\n\n[[chain]]\nid = 31337\n\
                 name = \"local\"\ncoin = \"ETH\"\nrpc_url = \"{rpc}\"\nconfirmations = 1\n"
            ),
        );
        let declared = NODES.map(|node| {
            format!("[[machine]]\nparty = \"{node}\"\nadministrators = []\n[[backup]]\nparty = \"{node}\"\nholders = []\n")
        });
        self.write("server/custody.toml", &declared.concat());
        for node in NODES {
            self.write(
                &format!("{node}/node.toml"),
                &format!(
                    "party = \"{node}\"\nentity = \"acme\"\nkind = \"{node}\"\n\
                     relay = \"ws://127.0.0.1:{port}/v1/relay\"\nvault = \"key-file\"\n\
                     proposals = \"coordinator\"\n"
                ),
            );
            let limits = assets("per_transaction = \"5\"\nper_day = \"20\"\n", "per_day = \"5000\"\n");
            self.write(&format!("{node}/rules.toml"), &format!("accept = \"any\"\n{limits}"));
        }
        self.write("device/rules.toml", &format!("accept = []\n{}", assets("", "")));
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.path(name);
        let folder = path.parent().unwrap();
        std::fs::create_dir_all(folder).unwrap();
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Starts the server, to crash at a point where one is named.
    pub(crate) fn server_start(&mut self, crash: Option<&str>) {
        self.server = None;
        let config = self.path("server/server.toml");
        self.server = Some(self.service("server", "server", &config, crash));
    }

    /// Starts the server and waits until its nodes are back.
    pub(crate) fn server_restart(&mut self, crash: Option<&str>) {
        self.server_start(crash);
        self.wait_for_nodes();
    }

    pub(crate) fn server_stop(&mut self) {
        self.server = None;
    }

    pub(crate) fn server_crashed(&mut self, point: &str) {
        self.server.take().unwrap().crashed(point);
    }

    pub(crate) fn node_start(&mut self, name: &'static str, crash: Option<&str>) {
        self.nodes.remove(name);
        let config = self.path(name).join("node.toml");
        let service = self.service("node", name, &config, crash);
        let said = service.said.clone().unwrap_or_else(|| panic!("{name} does not serve"));
        self.device(["party", "pin", name]).arg(said["fingerprint"].as_str().unwrap()).run().done();
        self.nodes.insert(name, service);
    }

    pub(crate) fn node_restart(&mut self, name: &'static str, crash: Option<&str>) {
        self.node_stop(name);
        self.node_start(name, crash);
        self.wait_for_nodes();
    }

    pub(crate) fn node_stop(&mut self, name: &'static str) {
        self.nodes.remove(name);
        until("the server notices", || {
            let parties = self.api("GET", "/v1/parties", None).map(|(_, parties)| parties);
            let is_away =
                |party: &Value| party["card"]["document"]["party"] == name && party["online"] == false;
            parties.is_none_or(|all| all.as_array().unwrap().iter().any(is_away)).then_some(())
        });
    }

    /// Ends a node and the server as their operators would: their databases are closed.
    pub(crate) fn end(&mut self, node: &'static str) {
        for mut service in [self.nodes.remove(node), self.server.take()].into_iter().flatten() {
            service.signal(Signal::TERM);
            assert!(service.wait("a service that is told to end").success());
        }
    }

    pub(crate) fn node_crashed(&mut self, name: &'static str, point: &str) {
        self.nodes.remove(name).unwrap().crashed(point);
    }

    fn service(&self, verb: &str, name: &str, config: &Path, crash: Option<&str>) -> Service {
        let mut envs = vec![("COHOLD_LOG", self.log), PRIMES];
        envs.extend(self.envs.iter().map(|(name, value)| (*name, value.as_str())));
        envs.extend(crash.map(|point| ("COHOLD_CRASH_AT", point)));
        let words = [verb.as_ref(), "--json".as_ref(), "--config".as_ref(), config.as_os_str()];
        Service::start(PROGRAM.as_ref(), words, &envs, &self.path(&format!("{name}.log")), true)
    }

    pub(crate) fn wait_for_nodes(&mut self) {
        let wanted = self.nodes.len();
        until("the nodes are back", || {
            let (_, parties) = self.api("GET", "/v1/parties", None)?;
            let online = parties.as_array()?.iter().filter(|party| party["online"] == true).count();
            (online >= wanted).then_some(())
        });
    }

    /// Waits until every node has an account in force.
    pub(crate) fn wait_for_statements(&self, account: &Account) {
        until("the nodes vouch for the account", || {
            let (_, said) = self.api("GET", &format!("/v1/accounts/{}/statements", account.id), None)?;
            said["missing"].as_array()?.is_empty().then_some(())
        });
    }

    /// Status and JSON of an answer of the server, if it answers.
    pub(crate) fn api(&self, method: &str, path: &str, body: Option<Value>) -> Option<(u16, Value)> {
        let body = body.map(|body| body.to_string().into_bytes());
        let answer = http::ask(method, &format!("{}{path}", self.url()), &self.token, &[], body);
        answer.map(|(status, _, value)| (status, value))
    }

    /// A command of this world's device.
    pub(crate) fn device<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Cli {
        self.device_at(&self.path("device"), words)
    }

    /// A command of a device with a folder of its own.
    pub(crate) fn device_at<'a>(&self, home: &Path, words: impl IntoIterator<Item = &'a str>) -> Cli {
        let cli = self.envs.iter().fold(Cli::new(words), |cli, (name, value)| cli.env(name, value));
        cli.arg("--json")
            .arg("--home")
            .arg(home)
            .env("COHOLD_PIN", PIN)
            .env("COHOLD_RECOVERY_PASSPHRASE", PASSPHRASE)
            .env("COHOLD_LOG", self.log)
            .env(PRIMES.0, PRIMES.1)
    }

    /// Makes an account, without money.
    pub(crate) fn create(&self, words: &[&str]) -> Account {
        Account::of(&self.device(["account", "create"].iter().chain(words).copied()).run().done())
    }

    /// Makes a personal account with ten coins and a thousand tokens.
    pub(crate) fn funded(&self) -> Account {
        let account = self.create(&[]);
        self.fund(&account);
        account
    }

    pub(crate) fn fund(&self, account: &Account) {
        self.chain.set_balance(&account.address, 1000 * CENT);
        let rpc = self.chain.url.clone();
        let words = ["faucet", &account.id, "--amount", "1000", "--token", "TST", "--rpc", &rpc];
        self.device(words).run().done();
    }

    /// Begins to pay one hundredth of a coin.
    pub(crate) fn pay(&self, account: &Account, to: &str, request: &str) -> Cli {
        self.device(["send", &account.id, "--to", to, "--amount", "0.01", "--yes", "--request", request])
    }

    /// Whether an account can still pay, exactly once.
    pub(crate) fn assert_spendable(&self, account: &Account) {
        if self.chain.balance(&account.address) == 0 {
            self.chain.set_balance(&account.address, 1000 * CENT);
        }
        let (to, request) = (new_address(), new_request());
        let nonce = self.chain.nonce(&account.address);
        let paid = self.pay(account, &to, &request).run().done();
        self.assert_paid_once(account, &to, nonce, &paid);
    }

    /// One transaction and one hundredth, not more.
    pub(crate) fn assert_paid_once(&self, account: &Account, to: &str, nonce: u64, paid: &Value) {
        assert!(self.chain.is_mined(paid["transaction_hash"].as_str().unwrap()), "{paid}");
        assert_eq!(self.chain.balance(to), CENT, "{paid}");
        assert_eq!(self.chain.nonce(&account.address), nonce + 1, "{paid}");
    }

    /// The accounts that the device lists, and that the server lists.
    pub(crate) fn listed(&self) -> (Vec<String>, Vec<String>) {
        let ids = |list: &Value| -> Vec<String> {
            let items = list.as_array().unwrap().iter();
            items.map(|item| item["account"].as_str().unwrap().to_owned()).collect()
        };
        let device = ids(&self.device(["account", "list"]).run().done());
        let (_, page) = self.api("GET", "/v1/accounts?limit=200", None).unwrap();
        let server = ids(&page["items"]);
        (device, server)
    }

    pub(crate) fn logs(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let files = entries.map(|entry| entry.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|e| e == "log")).collect()
    }

    pub(crate) fn begin_create(&self) -> Begun {
        self.device(["account", "create"]).begin()
    }
}

impl Account {
    pub(crate) fn of(value: &Value) -> Self {
        let text = |name: &str| value[name].as_str().unwrap_or_else(|| panic!("{value}")).to_owned();
        let files = value["recovery_files"].as_array().cloned().unwrap_or_default();
        let recovery = files.iter().map(|file| file.as_str().unwrap().into()).collect();
        Self { id: text("account"), address: text("address"), recovery }
    }
}

pub(crate) fn new_request() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).unwrap();
    format!("req_{}", hex::encode(bytes))
}

/// As many worlds at a time as the machine has processors, and no more than four.
struct Place;

static WORLDS: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

impl Place {
    fn take() -> Self {
        let most = std::thread::available_parallelism().map_or(1, |n| n.get().min(4));
        let mut worlds = WORLDS.0.lock().unwrap();
        while *worlds >= most {
            worlds = WORLDS.1.wait(worlds).unwrap();
        }
        *worlds += 1;
        Self
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *WORLDS.0.lock().unwrap() -= 1;
        WORLDS.1.notify_one();
    }
}

/// An intent as the API takes it.
pub(crate) fn intent(account: &Account, to: &str, request: &str, amount: &str) -> Value {
    json!({"intent": {
        "request": request,
        "account": account.id,
        "chain_id": 31337,
        "action": {"kind": "transfer", "asset": "native", "to": to, "amount": amount},
        "requester": "device",
        "expires_at": std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() + 600,
    }})
}
