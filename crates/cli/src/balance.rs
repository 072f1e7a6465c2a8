//! `cohold balance`, and what a balance is too small for.

use cohold_api::BalanceQuery;
use cohold_chain_evm::{Address, words};
use cohold_model::charter::Charter;
use cohold_model::intent::{Action, Asset};
use cohold_model::{Amount, Intent, KeyPath};
use cohold_party::Rules;
use cohold_party::rules::COIN_DECIMALS;
use serde_json::json;

use crate::address::address_at;
use crate::args::BalanceArgs;
use crate::client::Client;
use crate::home::Home;
use crate::output::{Exit, Failure, Output};
use crate::wish::{asset, chain_id};

/// `cohold balance`.
pub(crate) async fn balance(output: Output, home: &Home, args: &BalanceArgs) -> anyhow::Result<()> {
    let client = home.client()?;
    let rules = home.rules()?;
    let charter = home.account(args.account)?.document;
    let chain_id = chain_id(&client, args.chain).await?;
    let (asset, decimals) = asset(args.token.as_deref(), &rules, chain_id)?;
    let amount = held(&client, &charter, (chain_id, &args.path), &asset).await?;
    let symbol = symbol(&rules, chain_id, &asset);
    let value = json!({
        "account": args.account,
        "address": address_at(&charter, &args.path)?,
        "path": args.path,
        "chain_id": chain_id,
        "asset": asset,
        "symbol": symbol,
        "decimals": decimals,
        "amount_base_units": amount,
        "amount": amount.format(decimals),
    });
    output.result(&value, || format!("{} {symbol}", amount.format(decimals)))
}

/// What an address of an account has of an asset, by the word of server and endpoint. Their names and decimals are not
/// asked for: those come from this device's own file.
async fn held(
    client: &Client,
    charter: &Charter,
    (chain_id, path): (u64, &KeyPath),
    asset: &Asset,
) -> anyhow::Result<Amount> {
    let token = match asset {
        Asset::Native => None,
        Asset::Token(contract) => Some(contract.clone()),
    };
    let view = client.balance(charter.terms.account, &BalanceQuery { chain_id, token, path: *path }).await?;
    let address = address_at(charter, path)?;
    let is_of = view.address.parse::<Address>().is_ok_and(|of| of == address);
    if is_of && view.chain_id == chain_id && view.asset == *asset {
        return Ok(view.amount);
    }
    Err(Failure::error(
        Exit::Failed,
        "bad-answer",
        "the server's answer is not believed: it is the balance of something else; ask whoever runs the server",
    ))
}

fn symbol(rules: &Rules, chain_id: u64, asset: &Asset) -> String {
    let listed = || rules.allowances().into_iter().find(|a| a.asset == *asset && a.chain_id == chain_id);
    match asset {
        Asset::Native => words::coin_symbol(chain_id).to_owned(),
        Asset::Token(_) => listed().map(|allowance| allowance.symbol).unwrap_or_default(),
    }
}

/// What an account lacks to pay, in the units that people use, and what to do about it.
pub(crate) async fn shortage(
    client: &Client,
    charter: &Charter,
    wanted: &Intent,
    rules: &Rules,
) -> anyhow::Result<String> {
    let Action::Transfer { asset, amount, .. } = &wanted.action;
    let (chain_id, path) = (wanted.chain_id, &wanted.path);
    let listed = || rules.allowances().into_iter().find(|a| a.asset == *asset && a.chain_id == chain_id);
    let decimals = match asset {
        Asset::Native => COIN_DECIMALS,
        Asset::Token(_) => listed().map_or(0, |allowance| allowance.decimals),
    };
    let (has, symbol) =
        (held(client, charter, (chain_id, path), asset).await?, symbol(rules, chain_id, asset));
    let (address, coin) = (address_at(charter, path)?, words::coin_symbol(chain_id));
    let who = if path.is_root() { "the account".into() } else { format!("`{path}` of the account") };
    let told = format!("{who} has {} {symbol}", has.format(decimals));
    Ok(match amount.checked_sub(has) {
        Some(lacks) if !lacks.is_zero() => {
            let (amount, lacks) = (amount.format(decimals), lacks.format(decimals));
            let fees = if *asset == Asset::Native { ", and fees come on top" } else { "" };
            format!(
                "{told} and was to send {amount} {symbol}{fees}: send less, or fund {address} with {lacks} {symbol} or more"
            )
        }
        _ if *asset == Asset::Native => {
            format!(
                "{told}, which is too little for {} {symbol} and the fees on top: send less, or fund {address}",
                amount.format(decimals)
            )
        }
        _ => {
            let coins = held(client, charter, (chain_id, path), &Asset::Native).await?.format(COIN_DECIMALS);
            format!(
                "{told}, but {coins} {coin} is too little for the fees, which are paid in {coin}: fund {address} with some {coin}"
            )
        }
    })
}
