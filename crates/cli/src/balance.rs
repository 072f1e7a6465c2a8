//! `cohold balance`.

use cohold_chain_evm::{Address, words};
use cohold_model::intent::Asset;
use serde_json::json;

use crate::account::address;
use crate::args::BalanceArgs;
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
    let token = match &asset {
        Asset::Native => None,
        Asset::Token(contract) => Some(contract.clone()),
    };
    let query = cohold_api::BalanceQuery { chain_id, token };
    let view = client.balance(args.account, &query).await?;
    let address = address(&charter)?;
    let is_of = view.address.parse::<Address>().is_ok_and(|of| of == address);
    if !is_of || view.chain_id != chain_id || view.asset != asset {
        return Err(Failure::error(
            Exit::Failed,
            "bad-answer",
            "the server's answer is not believed: it is the balance of something else; ask whoever runs the server",
        ));
    }
    // Decimals and name come from this device's own file; the endpoint tells the number only.
    let symbol = match &asset {
        Asset::Native => words::coin_symbol(chain_id).to_owned(),
        Asset::Token(_) => {
            let of_asset =
                rules.allowances().into_iter().find(|a| a.asset == asset && a.chain_id == chain_id);
            of_asset.map(|a| a.symbol).unwrap_or_default()
        }
    };
    let value = json!({
        "account": args.account,
        "address": address,
        "chain_id": chain_id,
        "asset": asset,
        "symbol": symbol,
        "decimals": decimals,
        "amount_base_units": view.amount,
        "amount": view.amount.format(decimals),
    });
    output.result(&value, || format!("{} {symbol}", view.amount.format(decimals)))
}
