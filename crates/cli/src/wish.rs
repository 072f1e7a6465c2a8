//! What the arguments of a command mean: receiver, asset, amount and chain. Decimals come from this
//! device's own rules file only.

use cohold_api::ChainView;
use cohold_chain_evm::Address;
use cohold_model::intent::{Action, Asset};
use cohold_model::{Amount, Intent, RequestId};
use cohold_party::Rules;
use cohold_party::rules::COIN_DECIMALS;

use crate::args::SendArgs;
use crate::client::Client;
use crate::home::DEVICE;
use crate::output::{Exit, Failure};

/// How long an intent and its approval are good for, in seconds.
pub(crate) const VALID_SECONDS: u64 = 600;

/// The intent that the arguments describe.
pub(crate) fn intent(
    args: &SendArgs,
    rules: &Rules,
    chain_id: u64,
    request: RequestId,
) -> anyhow::Result<Intent> {
    let usage = |code: &str, message: String| Failure::error(Exit::Usage, code, message);
    let to = Address::parse_receiver(&args.to).map_err(|e| usage("bad-address", e.to_string()))?;
    let (asset, decimals) = asset(args.token.as_deref(), rules, chain_id)?;
    let amount = Amount::parse(&args.amount, decimals).map_err(|e| usage("bad-amount", e.to_string()))?;
    if amount.is_zero() {
        return Err(usage("zero-amount", cohold_model::amount::AmountError::Zero.to_string()));
    }
    Ok(Intent {
        request,
        account: args.account,
        chain_id,
        action: Action::Transfer { asset, to: to.to_string(), amount },
        requester: DEVICE.parse()?,
        expires_at: cohold_node::now() + VALID_SECONDS,
        path: args.from_path,
    })
}

/// The asset by symbol or address, with its decimals: from this device's own rules file only.
pub(crate) fn asset(token: Option<&str>, rules: &Rules, chain_id: u64) -> anyhow::Result<(Asset, u8)> {
    let Some(token) = token else { return Ok((Asset::Native, COIN_DECIMALS)) };
    let by_address = token.parse::<Address>().map(|address| address.to_string());
    let known = rules.allowances().into_iter().find(|allowance| {
        let named = match (&allowance.asset, &by_address) {
            (Asset::Token(contract), Ok(address)) => contract == address,
            (Asset::Token(_), Err(_)) => allowance.symbol == token,
            (Asset::Native, _) => false,
        };
        allowance.chain_id == chain_id && named
    });
    match (known, by_address) {
        (Some(allowance), _) => Ok((allowance.asset, allowance.decimals)),
        (None, Err(e)) if token.starts_with("0x") => {
            Err(Failure::error(Exit::Usage, "bad-address", e.to_string()))
        }
        (None, _) => Err(Failure::error(
            Exit::Usage,
            "unknown-token",
            format!(
                "`{}` is not in this device's rules file for chain {chain_id}: add the token with its contract, symbol and decimals to rules.toml",
                cohold_model::ids::excerpt(token)
            ),
        )),
    }
}

/// The chain that is meant: as given, or the only one that the server knows.
pub(crate) async fn chain_id(client: &Client, given: Option<u64>) -> anyhow::Result<u64> {
    let chains = client.chains().await?;
    let listed =
        || chains.iter().map(|c| format!("{} ({})", c.chain_id, c.name)).collect::<Vec<_>>().join(", ");
    let usage = |message: String| Failure::error(Exit::Usage, "unknown-chain", message);
    match (given, chains.as_slice()) {
        (Some(id), all) if all.iter().any(|chain| chain.chain_id == id) => Ok(id),
        (Some(id), _) => Err(usage(format!("the server knows no chain {id}, only: {}", listed()))),
        (None, [ChainView { chain_id, .. }]) => Ok(*chain_id),
        (None, []) => Err(usage(
            "the server knows no chain: start `cohold dev --chain`, or list one in server.toml".into(),
        )),
        (None, _) => Err(usage(format!("which chain? give --chain with one of: {}", listed()))),
    }
}
