//! A local chain: anvil, and what the tests know of it without the program's help.

use std::path::{Path, PathBuf};

use cohold_chain_evm::Address;
use serde_json::{Value, json};

use crate::http::rpc;
use crate::process::{Service, until};

const ARTIFACT: &str = include_str!("../../../../contracts/TestToken.json");
/// One hundredth of a coin, in base units.
pub(crate) const CENT: u128 = 10_000_000_000_000_000;

pub(crate) struct Chain {
    pub(crate) url: String,
    pub(crate) token: String,
    _anvil: Service,
}

/// Where anvil is; none where it is missing, which only a developer's machine may lack.
pub(crate) fn anvil() -> Option<PathBuf> {
    let chosen = std::env::var_os("COHOLD_ANVIL").map(PathBuf::from);
    let npm = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/node_modules/.bin/anvil");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join("anvil"));
    let found = chosen.into_iter().chain([npm]).chain(on_path).find(|file| file.is_file());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "no anvil: run `cargo xtask test`");
        eprintln!("SKIPPED: no anvil; run `cargo xtask test`, or set COHOLD_ANVIL to its executable");
    }
    found
}

pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Chain {
    pub(crate) fn start(anvil: &Path, folder: &Path) -> Self {
        let port = free_port();
        let url = format!("http://127.0.0.1:{port}");
        let arguments = ["--host", "127.0.0.1", "--port", &port.to_string(), "--chain-id", "31337"];
        let service = Service::start(anvil, arguments, &[], &folder.join("chain.log"), false);
        until("the chain answers", || rpc(&url, "eth_chainId", json!([])));
        let mut chain = Self { url, token: String::new(), _anvil: service };
        chain.token = chain.deploy();
        chain
    }

    pub(crate) fn rpc(&self, method: &str, params: Value) -> Value {
        rpc(&self.url, method, params).unwrap_or_else(|| panic!("the chain does not answer {method}"))
    }

    /// The test token, all of it in the hands of the chain's first account.
    fn deploy(&self) -> String {
        let artifact: Value = serde_json::from_str(ARTIFACT).unwrap();
        let owner = self.rpc("eth_accounts", json!([]))[0].as_str().unwrap().to_owned();
        let word = |hex: &str| format!("{hex:0>64}");
        let text = |text: &str| word(&format!("{:x}", text.len())) + &format!("{:0<64}", hex::encode(text));
        // (string,string,uint8,uint256,address): heads, then the two strings.
        let arguments = [
            word("a0"),
            word("e0"),
            word("12"),
            word("33b2e3c9fd0803ce8000000"),
            word(owner.trim_start_matches("0x")),
            text("Test Token"),
            text("TST"),
        ];
        let data = artifact["bytecode"].as_str().unwrap().to_owned() + &arguments.concat();
        let hash = self.rpc("eth_sendTransaction", json!([{"from": owner, "data": data}]));
        let receipt = until("the token is deployed", || {
            let receipt = self.rpc("eth_getTransactionReceipt", json!([hash]));
            (!receipt.is_null()).then_some(receipt)
        });
        let contract: Address = receipt["contractAddress"].as_str().unwrap().parse().unwrap();
        contract.to_string()
    }

    /// How many transactions an address has sent, those not mined included.
    pub(crate) fn nonce(&self, address: &str) -> u64 {
        number(&self.rpc("eth_getTransactionCount", json!([address, "pending"]))) as u64
    }

    pub(crate) fn balance(&self, address: &str) -> u128 {
        number(&self.rpc("eth_getBalance", json!([address, "latest"])))
    }

    pub(crate) fn token_balance(&self, address: &str) -> u128 {
        let data = format!("0x70a08231{:0>64}", address.trim_start_matches("0x"));
        number(&self.rpc("eth_call", json!([{"to": self.token, "data": data}, "latest"])))
    }

    pub(crate) fn set_balance(&self, address: &str, amount: u128) {
        self.rpc("anvil_setBalance", json!([address, format!("{amount:#x}")]));
    }

    pub(crate) fn mine(&self) {
        self.rpc("anvil_mine", json!(["0x1"]));
    }

    /// Whether this transaction is in a block and succeeded.
    pub(crate) fn is_mined(&self, hash: &str) -> bool {
        self.rpc("eth_getTransactionReceipt", json!([hash]))["status"] == "0x1"
    }
}

fn number(value: &Value) -> u128 {
    u128::from_str_radix(value.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
}

/// An address that nobody has used before.
pub(crate) fn new_address() -> String {
    let mut bytes = [0; 20];
    getrandom::fill(&mut bytes).unwrap();
    Address::from(bytes).to_string()
}
