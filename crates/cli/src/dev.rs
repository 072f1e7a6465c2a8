//! `cohold dev`: a server and two nodes as child processes, each with a folder of its own, and a chain
//! where asked. A second start finds everything as it was.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use cohold_chain_evm::Address;
use cohold_chain_io::Chain;
use cohold_model::Amount;
use cohold_model::intent::Asset;
use cohold_vault::file::private_folder;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::args::{DevArgs, FaucetArgs, Global};
use crate::chain::{self, LOCAL_CHAIN_ID, LocalChain, TOKEN_DECIMALS, TOKEN_SYMBOL};
use crate::client::Client;
use crate::home::{DeviceConfig, Home};
use crate::output::{Exit, Failure, Output};
use crate::services::told_to_stop;

/// The first line of files that `dev` keeps up to date.
const MARK: &str = "# written by `cohold dev`; remove this line to keep your own changes";
/// The nodes of a development set-up: name and kind.
const NODES: [(&str, &str); 2] = [("cosigner", "cosigner"), ("guardian", "guardian")];
/// Who runs the server and the nodes of a development set-up.
const PROVIDER: &str = "acme";
const START_PATIENCE: Duration = Duration::from_secs(30);
const STOP_PATIENCE: Duration = Duration::from_secs(8);

/// What to start, and where.
pub(crate) struct Options {
    pub(crate) folder: PathBuf,
    pub(crate) device: Home,
    pub(crate) port: u16,
    pub(crate) chain_port: Option<u16>,
}

/// A running development set-up. Its processes end when it is dropped.
pub(crate) struct Dev {
    pub(crate) url: String,
    pub(crate) token: String,
    pub(crate) chain: Option<LocalChain>,
    pub(crate) token_contract: Option<Address>,
    options: Options,
    server: Child,
    nodes: Vec<(&'static str, Child)>,
}

/// `cohold dev`.
pub(crate) async fn run(output: Output, global: &Global, args: &DevArgs) -> anyhow::Result<()> {
    let folder = std::path::absolute(&args.dir)?;
    let global =
        Global { home: Some(global.home.clone().unwrap_or_else(|| folder.join("device"))), ..global.clone() };
    let device = Home::locate(&global)?;
    let chain_port = args.chain.then_some(args.chain_port);
    let dev = Dev::start(output, Options { folder, device, port: args.port, chain_port }).await?;
    let home = dev.options.device.folder.display().to_string();
    let rpc = dev.chain.as_ref().map(|chain| chain.url.clone());
    let commands = [
        format!("cohold --home {home} account create"),
        match &rpc {
            Some(rpc) => format!("cohold --home {home} faucet ACCOUNT --rpc {rpc}"),
            None => format!("cohold --home {home} account list"),
        },
        format!("cohold --home {home} custody show ACCOUNT"),
    ];
    let value = json!({"server": dev.url, "chain": rpc, "token": dev.token, "home": home, "next": commands});
    output.result(&value, || {
        let rpc = rpc.as_ref().map(|rpc| format!("\nchain    {rpc}  (chain id {LOCAL_CHAIN_ID})")).unwrap_or_default();
        let next: Vec<String> = commands.iter().map(|command| format!("  {command}")).collect();
        format!(
            "server   {}{rpc}\ntoken    {}\ndevice   {home}\nnext, in another terminal:\n{}\nCtrl-C stops everything",
            dev.url,
            dev.token,
            next.join("\n")
        )
    })?;
    dev.watch(output).await
}

impl Dev {
    /// Starts everything and waits until it serves.
    pub(crate) async fn start(output: Output, options: Options) -> anyhow::Result<Self> {
        private_folder(&options.folder)?;
        let (chain, token_contract) = match options.chain_port {
            Some(port) => {
                output.progress("starting a local chain …");
                let (chain, contract) = start_chain(&options.folder, port).await?;
                (Some(chain), Some(contract))
            }
            None => (None, None),
        };
        output.progress("starting the server …");
        let port = if options.port == 0 { free_port()? } else { options.port };
        let url = format!("http://127.0.0.1:{port}");
        write_settings(&options, port, chain.as_ref(), token_contract)?;
        let server = spawn_server(&options.folder).await?;
        let token = device_token(&options, &url).await?;
        let mut dev = Self { url, token, chain, token_contract, options, server, nodes: Vec::new() };
        for (name, _) in NODES {
            output.progress(&format!("starting the {name} …"));
            dev.start_node(name).await?;
        }
        dev.wait_for_nodes().await?;
        Ok(dev)
    }

    /// Starts one node and pins the fingerprint that it prints.
    async fn start_node(&mut self, name: &'static str) -> anyhow::Result<()> {
        let folder = self.options.folder.join(name);
        let config = folder.join("node.toml");
        let (child, line) = spawn(&["node", "--json", "--config"], &config, &folder.join("log")).await?;
        let fingerprint =
            line.get("fingerprint").and_then(Value::as_str).context("the node gave no fingerprint")?;
        self.options.device.pin(&name.parse()?, fingerprint)?;
        self.nodes.push((name, child));
        Ok(())
    }

    /// Waits until the server sees all nodes.
    pub(crate) async fn wait_for_nodes(&self) -> anyhow::Result<()> {
        let client = Client::new(&self.url, &self.token)?;
        let all_here = async {
            loop {
                let online = client.parties().await.map(|all| all.iter().filter(|p| p.online).count());
                if online.is_ok_and(|count| count >= NODES.len()) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(START_PATIENCE, all_here).await.context("the nodes did not reach the server: see their logs")
    }

    /// Waits until told to stop, or until a process ends by itself.
    async fn watch(mut self, output: Output) -> anyhow::Result<()> {
        let ended = {
            let [first, second] = self.nodes.as_mut_slice() else { anyhow::bail!("two nodes are expected") };
            tokio::select! {
                () = told_to_stop() => None,
                _ = self.server.wait() => Some("server"),
                _ = first.1.wait() => Some(first.0),
                _ = second.1.wait() => Some(second.0),
            }
        };
        output.progress("stopping …");
        let folder = self.options.folder.clone();
        self.stop().await;
        match ended {
            None => Ok(()),
            Some(name) => Err(Failure::error(
                Exit::Failed,
                "child-ended",
                format!("the {name} ended by itself: see {}", folder.join(name).join("log").display()),
            )),
        }
    }

    /// The process of a node that runs.
    pub(crate) fn node_pid(&self, name: &str) -> anyhow::Result<u32> {
        let node = self.nodes.iter().find(|(node, _)| *node == name);
        node.and_then(|(_, child)| child.id()).with_context(|| format!("the {name} does not run"))
    }

    /// The process of the server.
    pub(crate) fn server_pid(&self) -> anyhow::Result<u32> {
        self.server.id().context("the server does not run")
    }

    /// Stops one node.
    pub(crate) async fn stop_node(&mut self, name: &str) {
        for (_, child) in self.nodes.iter_mut().filter(|(node, _)| *node == name) {
            end(child).await;
        }
    }

    /// Starts a node again from its folder.
    pub(crate) async fn restart_node(&mut self, name: &'static str) -> anyhow::Result<()> {
        self.stop_node(name).await;
        self.nodes.retain(|(node, _)| *node != name);
        self.start_node(name).await
    }

    /// Stops the server.
    pub(crate) async fn stop_server(&mut self) {
        end(&mut self.server).await;
    }

    /// Stops everything; the chain last, as it saves its state.
    pub(crate) async fn stop(mut self) {
        for (_, child) in &mut self.nodes {
            end(child).await;
        }
        end(&mut self.server).await;
        if let Some(chain) = &mut self.chain {
            end(&mut chain.child).await;
        }
    }
}

/// Asks a child to end; after a while it is killed.
async fn end(child: &mut Child) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        if timeout(STOP_PATIENCE, child.wait()).await.is_err() {
            let _ = child.kill().await;
        }
    }
}

/// Starts this program as a child and reads the one line that it prints when it serves.
pub(crate) async fn spawn(words: &[&str], config: &Path, log: &Path) -> anyhow::Result<(Child, Value)> {
    let own = std::env::current_exe()?;
    let log_file = std::fs::OpenOptions::new().create(true).append(true).open(log)?;
    let mut command: Command = chain::child(&own);
    command.args(words).arg(config).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log_file);
    let mut child = command.kill_on_drop(true).spawn()?;
    let stdout = child.stdout.take().context("no standard output")?;
    let mut reader = BufReader::new(stdout);
    let mut text = String::new();
    let whole = async {
        // The value may be printed over several lines.
        loop {
            if reader.read_line(&mut text).await? == 0 {
                anyhow::bail!("`cohold {}` ended at once: see {}", words.join(" "), log.display());
            }
            if let Ok(value) = serde_json::from_str::<Value>(&text) {
                return match value.pointer("/error/message").and_then(Value::as_str) {
                    Some(message) => Err(anyhow::anyhow!("`cohold {}`: {message}", words.join(" "))),
                    None => Ok(value),
                };
            }
        }
    };
    let value = timeout(START_PATIENCE, whole).await.with_context(|| format!("see {}", log.display()))??;
    Ok((child, value))
}

async fn spawn_server(folder: &Path) -> anyhow::Result<Child> {
    let folder = folder.join("server");
    Ok(spawn(&["server", "--json", "--config"], &folder.join("server.toml"), &folder.join("log")).await?.0)
}

/// The device's token: the one that it has, if it still works; otherwise a new one.
async fn device_token(options: &Options, url: &str) -> anyhow::Result<String> {
    let device = &options.device;
    let mut token = device.config().map(|config| config.token).unwrap_or_default();
    if token.is_empty() || Client::new(url, &token)?.parties().await.is_err() {
        let path = options.folder.join("server/server.toml");
        token = cohold_server::token_create(&cohold_server::Config::load(&path)?)?;
    }
    let entity = device.config().map_or_else(|_| "me".parse(), |config| Ok(config.entity))?;
    device.config_write(&DeviceConfig { server: url.into(), token: token.clone(), entity })?;
    Ok(token)
}

async fn start_chain(folder: &Path, port: u16) -> anyhow::Result<(LocalChain, Address)> {
    let folder = folder.join("chain");
    private_folder(&folder)?;
    let port = if port == 0 { free_port()? } else { port };
    let local = LocalChain::start(port, &folder.join("state.json"), &folder.join("log")).await?;
    let noted = folder.join("token.txt");
    let known = std::fs::read_to_string(&noted).ok().and_then(|text| text.trim().parse::<Address>().ok());
    if let Some(contract) = known
        && local.chain.token(contract).await.is_ok()
    {
        return Ok((local, contract));
    }
    let contract = chain::deploy_token(&local.chain).await?;
    std::fs::write(&noted, contract.to_string())?;
    Ok((local, contract))
}

fn write_settings(
    options: &Options,
    port: u16,
    chain: Option<&LocalChain>,
    token: Option<Address>,
) -> anyhow::Result<()> {
    let server = options.folder.join("server");
    private_folder(&server)?;
    let mut text = format!("listen = \"127.0.0.1:{port}\"\ndatabase = \"server.sqlite\"\n");
    if let Some(chain) = chain {
        text += &format!(
            "\n[[chain]]\nid = {LOCAL_CHAIN_ID}\nname = \"local\"\ncoin = \"ETH\"\nrpc_url = \"{}\"\nconfirmations = 0\n",
            chain.url
        );
    }
    std::fs::write(server.join("server.toml"), text)?;
    write_marked(&server.join("custody.toml"), &declaration())?;
    for (name, kind) in NODES {
        let folder = options.folder.join(name);
        private_folder(&folder)?;
        let text = format!(
            "party = \"{name}\"\nentity = \"{PROVIDER}\"\nkind = \"{kind}\"\nrelay = \"ws://127.0.0.1:{port}/v1/relay\"\nvault = \"key-file\"\n\
             proposals = \"coordinator\"\n\n[cggmp24]\n"
        );
        std::fs::write(folder.join("node.toml"), text)?;
        write_rules(&folder, &node_rules(token))?;
    }
    private_folder(&options.device.folder)?;
    write_rules(&options.device.folder, &device_rules(token))
}

fn write_rules(folder: &Path, text: &str) -> anyhow::Result<()> {
    write_marked(&folder.join("rules.toml"), text)
}

/// Writes a file, unless somebody made it their own.
fn write_marked(path: &Path, text: &str) -> anyhow::Result<()> {
    let ours = std::fs::read_to_string(path).map_or(true, |old| old.starts_with(MARK));
    if ours {
        std::fs::write(path, format!("{MARK}\n{text}"))?;
    }
    Ok(())
}

/// Everything runs on this machine, of which nobody else is told: as `custody.toml` says it.
fn declaration() -> String {
    let node = |(name, _): &(&str, &str)| {
        format!(
            "\n[[machine]]\nparty = \"{name}\"\nadministrators = []\n\n[[backup]]\nparty = \"{name}\"\nholders = []\n"
        )
    };
    let nodes: String = NODES.iter().map(node).collect();
    format!("[coordinator]\nentity = \"{PROVIDER}\"\n{nodes}")
}

fn node_rules(token: Option<Address>) -> String {
    let token = token.map(|contract| format!(
        "\n[[chain.asset]]\ntoken = \"{contract}\"\nsymbol = \"{TOKEN_SYMBOL}\"\ndecimals = {TOKEN_DECIMALS}\nper_transaction = \"1000\"\nper_day = \"5000\"\nreceivers = \"any\"\n"
    ));
    format!(
        "accept = \"any\"\n\n[[chain]]\nid = {LOCAL_CHAIN_ID}\ncoin = \"ETH\"\nfee_max = \"0.01\"\nfees_per_day = \"0.1\"\n\n\
         [[chain.asset]]\nper_transaction = \"5\"\nper_day = \"20\"\nreceivers = \"any\"\n{}\n\
         # To deal when a device is lost: how long the user's parties have to object first. A minute will do\n\
         # in a laboratory; with real money two days, 172800.\n# [resharing]\n# delay_seconds = 60\n",
        token.unwrap_or_default()
    )
}

fn device_rules(token: Option<Address>) -> String {
    let token = token.map(|contract| format!(
        "\n[[chain.asset]]\ntoken = \"{contract}\"\nsymbol = \"{TOKEN_SYMBOL}\"\ndecimals = {TOKEN_DECIMALS}\nreceivers = \"any\"\n"
    ));
    format!(
        "accept = []\n\n[[chain]]\nid = {LOCAL_CHAIN_ID}\ncoin = \"ETH\"\nfee_max = \"0.01\"\n\n\
         [[chain.asset]]\nreceivers = \"any\"\n{}",
        token.unwrap_or_default()
    )
}

pub(crate) fn free_port() -> anyhow::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// `cohold faucet`.
pub(crate) async fn faucet(output: Output, home: &Home, args: &FaucetArgs) -> anyhow::Result<()> {
    let to = crate::address::address_at(&home.account(args.account)?.document, &args.path)?;
    let chain = Chain::new(args.rpc.parse()?)?;
    let id = chain.chain_id().await?;
    if id != LOCAL_CHAIN_ID {
        return Err(Failure::error(
            Exit::Usage,
            "not-local",
            format!("the endpoint serves chain {id}: only a local chain gives money away"),
        ));
    }
    let (asset, decimals) = crate::wish::asset(args.token.as_deref(), &home.rules()?, id)?;
    let amount = Amount::parse(&args.amount, decimals)?;
    match asset {
        Asset::Native => chain::fund(&chain, to, amount).await?,
        Asset::Token(contract) => chain::fund_token(&chain, contract.parse()?, to, amount).await?,
    }
    let symbol = args.token.clone().unwrap_or_else(|| "ETH".into());
    output.result(&json!({"ok": true, "to": to, "amount": args.amount}), || {
        format!("{to} got {} {symbol}", args.amount)
    })
}
