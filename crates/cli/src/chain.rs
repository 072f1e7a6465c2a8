//! A local chain: anvil as a child process, its money, and a test token.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use cohold_chain_evm::Address;
use cohold_chain_io::rpc::Repeat;
use cohold_chain_io::{Chain, Endpoint};
use cohold_model::{Amount, HexBytes};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::recovery::PASSPHRASE_VARIABLE;

/// The chain id of local chains.
pub(crate) const LOCAL_CHAIN_ID: u64 = 31_337;
/// The test token's supply, in whole tokens.
const TOKEN_SUPPLY: &str = "1000000000";
pub(crate) const TOKEN_SYMBOL: &str = "TST";
pub(crate) const TOKEN_DECIMALS: u8 = 18;
const ARTIFACT: &str = include_str!("../../../contracts/TestToken.json");

/// A running local chain.
pub(crate) struct LocalChain {
    pub(crate) url: String,
    pub(crate) chain: Chain,
    pub(crate) child: Child,
}

/// Where anvil is: `COHOLD_ANVIL`, the project's npm tools, the path.
pub(crate) fn anvil() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("COHOLD_ANVIL").map(PathBuf::from) {
        return path.is_file().then_some(path);
    }
    let local = Path::new("tools/node_modules/.bin/anvil");
    let on_path = || {
        let folders = std::env::var_os("PATH")?;
        std::env::split_paths(&folders).map(|folder| folder.join("anvil")).find(|file| file.is_file())
    };
    if local.is_file() { local.canonicalize().ok() } else { on_path() }
}

impl LocalChain {
    /// Starts anvil on loopback; `state` is read at the start and written at the end.
    pub(crate) async fn start(port: u16, state: &Path, log: &Path) -> anyhow::Result<Self> {
        let program = anvil().context(
            "anvil is not found: `cargo xtask install` gets it from npm, or set COHOLD_ANVIL to its path",
        )?;
        let log = std::fs::File::create(log).context("the chain's log cannot be written")?;
        let mut command = child(&program);
        command
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .args(["--chain-id", &LOCAL_CHAIN_ID.to_string(), "--state-interval", "5", "--state"])
            .arg(state)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let mut child = command.kill_on_drop(true).spawn().context("anvil cannot be started")?;
        let url = format!("http://127.0.0.1:{port}");
        let chain = Chain::new(url.parse::<Endpoint>()?)?;
        for _ in 0..200 {
            if chain.chain_id().await.is_ok_and(|id| id == LOCAL_CHAIN_ID) {
                return Ok(Self { url, chain, child });
            }
            if let Some(status) = child.try_wait()? {
                anyhow::bail!(
                    "anvil ended with {status}: is port {port} taken? give another with --chain-port"
                );
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        anyhow::bail!("anvil does not answer on port {port}")
    }
}

/// A command for a child process that ends with this one, even if this one is killed.
pub(crate) fn child(program: &Path) -> Command {
    let mut command = match std::env::current_exe() {
        Ok(own) => {
            let mut command = Command::new(own);
            command.arg("child").arg(program);
            command
        }
        Err(_) => Command::new(program),
    };
    // The user's secrets are no business of nodes, servers and foreign programs.
    for variable in DEVICE_SECRETS {
        command.env_remove(variable);
    }
    command
}

/// Where a device's own commands may find its secrets.
const DEVICE_SECRETS: [&str; 3] = ["COHOLD_PIN", PASSPHRASE_VARIABLE, "COHOLD_TOKEN"];

/// Becomes another program that the system ends when this one's parent ends.
pub(crate) fn become_child(program: &Path, arguments: &[std::ffi::OsString]) -> anyhow::Result<()> {
    use std::os::unix::process::CommandExt as _;
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))?;
    Err(std::process::Command::new(program).args(arguments).exec())
        .with_context(|| format!("`{}` cannot be started", program.display()))
}

/// One of the local chain's own rich accounts, which sign for whoever asks.
pub(crate) async fn treasurer(chain: &Chain) -> anyhow::Result<Address> {
    let accounts: Vec<Address> = chain.rpc().request("eth_accounts", json!([]), Repeat::Safe).await?;
    accounts.into_iter().next().context("the local chain has no accounts of its own")
}

/// Sends ether from the treasurer.
pub(crate) async fn fund(chain: &Chain, to: Address, amount: Amount) -> anyhow::Result<()> {
    let from = treasurer(chain).await?;
    send(chain, json!({"from": from, "to": to, "value": format!("{:#x}", amount.0)})).await?;
    Ok(())
}

/// Sends test tokens from the treasurer, who owns them all.
pub(crate) async fn fund_token(
    chain: &Chain,
    token: Address,
    to: Address,
    amount: Amount,
) -> anyhow::Result<()> {
    let from = treasurer(chain).await?;
    let call = cohold_chain_evm::Effect::TokenTransfer { token, to, amount }.call();
    send(chain, json!({"from": from, "to": token, "data": HexBytes(call.data)})).await?;
    Ok(())
}

/// Has the local chain make a block every so many seconds, as other chains do, instead of one for each
/// transaction.
pub(crate) async fn mine_every(chain: &Chain, seconds: u64) -> anyhow::Result<()> {
    let _: Value = chain.rpc().request("evm_setIntervalMining", json!([seconds]), Repeat::Never).await?;
    Ok(())
}

/// Deploys the test token; its whole supply goes to the treasurer.
pub(crate) async fn deploy_token(chain: &Chain) -> anyhow::Result<Address> {
    let artifact: Value = serde_json::from_str(ARTIFACT)?;
    let code: HexBytes =
        serde_json::from_value(artifact.get("bytecode").cloned().context("the artifact has no code")?)?;
    let owner = treasurer(chain).await?;
    let supply = Amount::parse(TOKEN_SUPPLY, TOKEN_DECIMALS)?;
    let data =
        HexBytes([code.0, constructor("Test Token", TOKEN_SYMBOL, TOKEN_DECIMALS, supply, owner)].concat());
    let inclusion = send(chain, json!({"from": owner, "data": data})).await?;
    inclusion.contract.context("the token was not deployed")
}

/// `(string,string,uint8,uint256,address)` in the contract ABI: heads, then the two strings, each of
/// at most 32 bytes.
fn constructor(name: &str, symbol: &str, decimals: u8, supply: Amount, owner: Address) -> Vec<u8> {
    let number = |n: u64| [[0; 24].as_slice(), &n.to_be_bytes()].concat();
    let text = |text: &str| {
        let mut padded = text.as_bytes().to_vec();
        padded.resize(32, 0);
        [number(text.len() as u64), padded].concat()
    };
    [
        number(5 * 32),
        number(7 * 32),
        number(decimals.into()),
        supply.0.to_be_bytes::<32>().to_vec(),
        [[0; 12].as_slice(), owner.as_bytes()].concat(),
        text(name),
        text(symbol),
    ]
    .concat()
}

async fn send(chain: &Chain, transaction: Value) -> anyhow::Result<cohold_chain_io::Inclusion> {
    let hash: HexBytes =
        chain.rpc().request("eth_sendTransaction", json!([transaction]), Repeat::Never).await?;
    let hash: [u8; 32] =
        hash.0.try_into().map_err(|_| anyhow::anyhow!("the chain gave no transaction hash"))?;
    for _ in 0..200 {
        if let Some(inclusion) = chain.inclusion(&hash).await? {
            anyhow::ensure!(inclusion.succeeded, "a transaction of the local chain's own accounts failed");
            return Ok(inclusion);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    anyhow::bail!("the local chain does not mine")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_are_given_none_of_the_devices_secrets() {
        let command = child(Path::new("/bin/true"));
        for variable in DEVICE_SECRETS {
            assert!(command.as_std().get_envs().any(|(name, value)| name == variable && value.is_none()));
        }
    }
}
