//! `cohold demo`: the whole story in a temporary folder, on free ports and a chain of its own.

use std::path::Path;

use anyhow::Context as _;
use cohold_chain_evm::Address;
use cohold_chain_io::Chain;
use cohold_model::charter::Charter;
use cohold_model::{AccountId, Amount, KeyPath, Signed};
use cohold_vault::file::private_create;
use serde_json::{Value, json};

use crate::args::{CreateArgs, DemoArgs, Global, SendArgs, TemplateArg, WaitArg};
use crate::chain::{self, TOKEN_DECIMALS, TOKEN_SYMBOL};
use crate::dev::{Dev, Options};
use crate::home::Home;
use crate::output::{Failure, Output};
use crate::{account, alone, custody, leave, send};

mod attack;

/// Where the demo's recovery passphrase lies.
const PASSPHRASE_FILE: &str = "passphrase";
const PIN: &str = "271828";
const PASSPHRASE: &str = "a sheet of paper in a drawer";

/// Runs the story; it succeeds only if every step did what it should.
pub(crate) async fn run(output: Output, args: &DemoArgs) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new().prefix("cohold-demo-").tempdir()?;
    let place = folder.path().to_path_buf();
    let told = tell(output, &place, args.attack).await;
    if args.keep || told.is_err() {
        let kept = folder.keep();
        output.progress(&format!("everything is kept in {}", kept.display()));
    }
    let (value, sheet) = told?;
    output.result(&value, || {
        format!("{sheet}\nEverything held. Next: `cohold dev --chain` starts the same for you to play with.")
    })
}

async fn tell(output: Output, place: &Path, with_attacks: bool) -> anyhow::Result<(Value, String)> {
    let home = prepare(place)?;
    step(output, 1, "a chain, a server, a co-signer and a guardian, each a process with a folder of its own");
    let options = Options { folder: place.to_path_buf(), device: home.clone(), port: 0, chain_port: Some(0) };
    let mut dev = Dev::start(output, options).await?;
    let local = dev.chain.as_ref().context("the demo has a chain")?;
    let (rpc, chain) = (local.url.clone(), local.chain.clone());
    let contract = dev.token_contract.context("the demo has a token")?;
    output.progress(&format!("  server {}  chain {rpc}  test token {contract}", dev.url));

    step(output, 2, "an account: 2 of 3 (this device, a recovery file, the provider's co-signer)");
    let charter = account::make(output, &home, &create(place)).await?;
    let (id, address) = (charter.document.terms.account, account::address(&charter.document)?);
    output.progress(&format!("  account {id}\n  address {address}"));

    step(output, 3, "money: 10 ETH and 1000 TST");
    chain::fund(&chain, address, Amount::parse("10", 18)?).await?;
    chain::fund_token(&chain, contract, address, Amount::parse("1000", TOKEN_DECIMALS)?).await?;
    let receiver = receiver(&chain).await?;

    step(output, 4, "payments, signed by the device and the co-signer");
    let ether = pay(output, &home, &order(id, receiver, "1.5", None)).await?;
    let token = pay(output, &home, &order(id, receiver, "25", Some(TOKEN_SYMBOL))).await?;

    step(output, 5, "what the co-signer's own rules refuse, it does not sign");
    let refused = too_much(output, &home, &order(id, receiver, "6", None)).await?;

    step(output, 6, "the certificate: who could have moved the money");
    let (certificate, sheet) = custody::certificate(output, &home, id).await?;
    let evaluation = certificate.get("evaluation").cloned().context("the certificate has no evaluation")?;
    if output.json {
        output.progress(&sheet);
    }

    let attacks = match with_attacks {
        true => {
            output.progress("\nbeside the story: accounts of three templates are attacked by every coalition that can, and every one that cannot");
            Some(attack::run(output, place, &home, &dev).await?)
        }
        false => None,
    };

    step(output, 7, "the provider vanishes: the device and the recovery file spend alone");
    let approved = alone::last_approved(&home, ether.get("request")).await?;
    dev.stop_server().await;
    dev.stop_node("cosigner").await;
    dev.stop_node("guardian").await;
    let exit = exit(output, &home, place, &charter, receiver, &rpc).await?;

    step(output, 8, "the provider alone, hostile, with everything that it has: it gets no signature");
    let attempts = alone::provider_tries(output, &mut dev, &charter.document, approved, &chain).await?;
    dev.stop().await;

    let mut value = json!({
        "ok": true,
        "account": id,
        "address": address,
        "transactions": [summary(&ether, "native"), summary(&token, "erc20")],
        "refused": refused,
        "exit_transaction": summary(&exit, "native"),
        "provider_alone": attempts,
        "certificate": {
            "class": evaluation.get("class"),
            "exit_seconds": evaluation.get("exit_seconds"),
            "assuming": evaluation.get("assuming"),
        },
    });
    if let (Some(attacks), Some(object)) = (attacks, value.as_object_mut()) {
        object.insert("attacks".into(), attacks);
    }
    Ok((value, sheet))
}

fn step(output: Output, number: u8, words: &str) {
    output.progress(&format!("\n{number}. {words}"));
}

/// A device with a PIN of its own in a temporary folder.
pub(crate) fn prepare(place: &Path) -> anyhow::Result<Home> {
    let pin = place.join("pin");
    private_create(&pin, PIN.as_bytes())?;
    private_create(&place.join(PASSPHRASE_FILE), PASSPHRASE.as_bytes())?;
    Home::locate(&Global { json: true, home: Some(place.join("device")), server: None, pin_file: Some(pin) })
}

fn create(place: &Path) -> CreateArgs {
    CreateArgs {
        guarded: Default::default(),
        template: Some(TemplateArg::Personal),
        threshold: None,
        party: Vec::new(),
        recovery_dir: Some(place.join("drawer")),
        recovery_passphrase_file: Some(place.join(PASSPHRASE_FILE)),
    }
}

fn order(account: AccountId, to: Address, amount: &str, token: Option<&str>) -> SendArgs {
    SendArgs {
        account,
        to: to.to_string(),
        amount: amount.into(),
        token: token.map(str::to_owned),
        chain: None,
        yes: true,
        request: None,
        with: Vec::new(),
        wait: WaitArg::Mined,
        recovery: Vec::new(),
        recovery_passphrase_file: None,
        rpc: None,
        from_path: KeyPath::ROOT,
    }
}

async fn receiver(chain: &Chain) -> anyhow::Result<Address> {
    let accounts: Vec<Address> =
        chain.rpc().request("eth_accounts", json!([]), cohold_chain_io::rpc::Repeat::Safe).await?;
    accounts.into_iter().nth(1).context("the chain has no second account")
}

async fn pay(output: Output, home: &Home, args: &SendArgs) -> anyhow::Result<Value> {
    let value = send::with_server(output, home, args).await?;
    let hash = value.get("transaction_hash").and_then(Value::as_str).unwrap_or("-");
    output.progress(&format!("  mined {hash}"));
    Ok(value)
}

/// A payment above the co-signer's limit must be refused, by the co-signer.
async fn too_much(output: Output, home: &Home, args: &SendArgs) -> anyhow::Result<Value> {
    match send::with_server(output, home, args).await {
        Ok(_) => anyhow::bail!("the co-signer signed above its limit"),
        Err(error) => match error.downcast_ref::<Failure>() {
            Some(failure) if failure.code == "refused" => {
                output.progress(&format!("  {}", failure.message));
                Ok(json!({"amount": args.amount, "reason": failure.message}))
            }
            _ => Err(error.context("the co-signer should have refused")),
        },
    }
}

async fn exit(
    output: Output,
    home: &Home,
    place: &Path,
    charter: &Signed<Charter>,
    to: Address,
    rpc: &str,
) -> anyhow::Result<Value> {
    let id = charter.document.terms.account;
    let file = place.join("drawer").join(format!("{id}-recovery.txt"));
    let args = SendArgs {
        recovery: vec![file],
        recovery_passphrase_file: Some(place.join(PASSPHRASE_FILE)),
        rpc: Some(rpc.into()),
        ..order(id, to, "2", None)
    };
    let value = leave::send(output, home, &args).await?;
    let hash = value.get("transaction_hash").and_then(Value::as_str).unwrap_or("-");
    output.progress(&format!("  mined {hash}, with every server off"));
    Ok(value)
}

fn summary(value: &Value, kind: &str) -> Value {
    // `final` and `mined` both mean that it is in a block.
    let status = match value.get("status").and_then(Value::as_str) {
        Some("mined" | "final") => "mined",
        Some(other) => other,
        None => "unknown",
    };
    json!({"hash": value.get("transaction_hash"), "kind": kind, "status": status, "block": value.get("block")})
}
