//! `cohold send`: from the wish to the receipt, as the device sees it. What is shown and approved is
//! decoded from the plan's bytes; the server's word for it is never taken.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use cohold_api::{ApprovalCreate, ChainView, RequestCreate, RequestView};
use cohold_chain_evm::{Address, TokenBook};
use cohold_model::charter::Charter;
use cohold_model::ids::PartyIndex;
use cohold_model::intent::{Action, Approval, Asset};
use cohold_model::receipt::Status;
use cohold_model::{AccountId, Amount, Document as _, Intent, PartyName, Plan, RequestId, Signed};
use cohold_party::Rules;
use cohold_party::rules::COIN_DECIMALS;
use serde_json::{Value, json};

use crate::args::{SendArgs, WaitArg};
pub(crate) use crate::checked::{check_plan, shown};
use crate::checked::{is_needed, own};
use crate::client::{Client, Patience};
use crate::home::{DEVICE, Device, Home};
use crate::output::{Exit, Failure, Output, confirm};

/// How long an intent and its approval are good for, in seconds.
const VALID_SECONDS: u64 = 600;
/// How long to wait for signing and mining.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often a payment is planned before others are let go first for good.
const PLANS_MAX: u32 = 5;
/// The code of a plan that another request of the account has outdated.
const OUTDATED: &str = "plan-outdated";
/// How long to pause when the server would not wait.
const PAUSE: Duration = Duration::from_millis(200);

/// `cohold send`.
pub(crate) async fn send(output: Output, home: &Home, args: &SendArgs) -> anyhow::Result<()> {
    let value = if args.recovery.is_empty() {
        with_server(output, home, args).await?
    } else {
        crate::leave::send(output, home, args).await?
    };
    output.result(&value, || words(&value))
}

/// Sends through the coordinator; returns the request as it stands at the end. A plan that another
/// request of the account has outdated is never signed, so that it may be asked for anew.
pub(crate) async fn with_server(output: Output, home: &Home, args: &SendArgs) -> anyhow::Result<Value> {
    for _ in 1..PLANS_MAX {
        match once(output, home, args).await {
            Err(error) if args.request.is_none() && is_outdated(&error) => {
                output.progress("another payment of this account came first; planning again …");
            }
            ended => return ended,
        }
    }
    once(output, home, args).await
}

fn is_outdated(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Failure>().is_some_and(|failure| failure.code == OUTDATED)
}

async fn once(output: Output, home: &Home, args: &SendArgs) -> anyhow::Result<Value> {
    let client = home.client()?;
    let charter = home.account(args.account)?.document;
    let patience = Patience::new(output);
    let (request, found) = match args.request {
        Some(request) => (request, client.request_find(request).await?),
        None => (RequestId::random(&mut cohold_node::rng()), None),
    };
    let chain = chain_id(&client, args.chain).await?;
    let wanted = intent(args, &home.rules()?, chain, request)?;
    let signers = signers(&charter, &args.with)?;
    let device = home.unlock()?;
    let book = device.rules.token_book();
    let view = match found {
        Some(view) => view,
        None => {
            output.progress(&format!("request {request}"));
            let body = RequestCreate { intent: wanted.clone() };
            patience.call(async || client.request_create(&body).await).await?
        }
    };
    let view = own(view, &wanted)?;
    if !matches!(view.status, Status::Pending | Status::Approved) {
        return finish(output, &client, &book, &patience, view, args.wait).await;
    }
    check_plan(&view.intent, &view.plan, &device.rules)?;
    let effects = shown(&view.plan, &book)?;
    let approved = view.status == Status::Approved;
    if !approved && !args.yes && !confirm(&format!("{effects}?"))? {
        // Its place in the account's order goes to whoever comes next.
        if let Err(error) = client.request_cancel(request).await {
            output.progress(&format!("the request could not be given up: {error:#}"));
        }
        return Err(Failure::error(
            Exit::Failed,
            "not-confirmed",
            "not confirmed; nothing was signed (`--yes` confirms in scripts)",
        ));
    }
    output.progress(&effects);
    let (runtime, _online) = device.online(&client, own_card(&device, &charter)?);
    anyhow::ensure!(runtime.ready(Duration::from_secs(10)).await, "the relay at the server does not answer");
    if approved {
        // This device approved these bytes before and was cut off; its share is still needed.
        return finish(output, &client, &book, &patience, view, args.wait).await;
    }
    let body = ApprovalCreate { approval: approve(&device, &charter, &view.plan)?, signers };
    let ended = async {
        let view = patience.call(async || client.approve(request, &body).await).await?;
        finish(output, &client, &book, &patience, view, args.wait).await
    };
    match ended.await {
        Err(error) if args.request.is_none() && is_outdated(&error) => {
            Err(let_go(&device, &charter, request)?.unwrap_or(error))
        }
        ended => ended,
    }
}

/// Makes sure that a request whose approval has left this device is never signed, before its wish is
/// planned under another id: the server's word that it is outdated is not enough. Returns why it
/// might be signed all the same.
fn let_go(device: &Device, charter: &Charter, request: RequestId) -> anyhow::Result<Option<anyhow::Error>> {
    let store = device.keeper.store();
    if is_needed(charter, &device.card.party)
        && store.request_void(charter.terms.account, request, cohold_node::now())?
    {
        return Ok(None);
    }
    Ok(Some(Failure::error(
        Exit::Waiting,
        "maybe-signed",
        format!(
            "the server says that another payment came before request `{request}`, but it may have been signed: look at `cohold request show {request}` and at the account before you pay again"
        ),
    )))
}

/// The device's card as the account has it.
pub(crate) fn own_card(device: &Device, charter: &Charter) -> anyhow::Result<cohold_model::account::Card> {
    let (_, card) = charter.terms.party(&DEVICE.parse()?).context("this device is not in the account")?;
    anyhow::ensure!(card.identity == device.card.identity, "the account knows another device by this name");
    Ok(card.clone())
}

/// The device's approval of exactly these bytes.
pub(crate) fn approve(device: &Device, charter: &Charter, plan: &Plan) -> anyhow::Result<Signed<Approval>> {
    let me: PartyName = DEVICE.parse()?;
    let approval = Approval {
        account: charter.terms.account,
        charter: charter.digest(),
        plan: plan.digest(),
        approver: me.clone(),
        expires_at: cohold_node::now() + VALID_SECONDS,
    };
    Ok(Signed::by(approval, me, &device.keys.identity))
}

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

fn signers(charter: &Charter, names: &[PartyName]) -> anyhow::Result<Option<Vec<PartyIndex>>> {
    if names.is_empty() {
        return Ok(None);
    }
    let me: PartyName = DEVICE.parse()?;
    let mut signers = Vec::new();
    for name in names.iter().chain([&me]) {
        let (index, _) = charter.terms.party(name).ok_or_else(|| {
            Failure::error(Exit::Usage, "unknown-party", format!("`{name}` is no party of this account"))
        })?;
        signers.push(index);
    }
    signers.sort();
    signers.dedup();
    Ok(Some(signers))
}

async fn finish(
    output: Output,
    client: &Client,
    book: &TokenBook,
    patience: &Patience,
    view: RequestView,
    wait: WaitArg,
) -> anyhow::Result<Value> {
    let request = view.request;
    let began = Instant::now();
    let (mut view, mut told) = (view, Status::Pending);
    loop {
        if view.status != told {
            told = view.status;
            output.progress(&format!("{request} is {told}"));
        }
        let enough = match wait {
            WaitArg::Submitted => view.status >= Status::Submitted,
            WaitArg::Mined => view.status >= Status::Mined,
            WaitArg::Final => view.status >= Status::Final,
        };
        match view.status {
            Status::Refused | Status::Expired | Status::Reverted => {
                let why = view.reason.clone().unwrap_or_else(|| "no reason was given".into());
                let early = view.status == Status::Expired && cohold_node::now() < view.intent.expires_at;
                return Err(Failure::error(
                    Exit::Failed,
                    if early { OUTDATED } else { status_code(view.status) },
                    format!("the request is {}: {why}", view.status),
                ));
            }
            _ if enough => return value(&view, book),
            _ if began.elapsed() > PATIENCE => {
                let why = view.reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
                return Err(Failure::error(
                    Exit::Waiting,
                    "waiting",
                    format!(
                        "the request is still {}{why}: look again with `cohold request show {request}`",
                        view.status
                    ),
                ));
            }
            _ => {}
        }
        let asked = Instant::now();
        view = patience.call(async || client.request_wait(request, next(view.status)).await).await?;
        if view.status == told && asked.elapsed() < PAUSE {
            // A busy server answers at once.
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn status_code(status: Status) -> &'static str {
    match status {
        Status::Refused => "refused",
        Status::Expired => "expired",
        _ => "reverted",
    }
}

/// What a request comes to next, if all goes well.
fn next(status: Status) -> Status {
    match status {
        Status::Pending => Status::Approved,
        Status::Approved => Status::Signed,
        Status::Signed => Status::Submitted,
        Status::Submitted => Status::Mined,
        _ => Status::Final,
    }
}

/// A request as one JSON value, with what its bytes do.
pub(crate) fn value(view: &RequestView, book: &TokenBook) -> anyhow::Result<Value> {
    let mut value = serde_json::to_value(view)?;
    if let (Some(object), Ok(effects)) = (value.as_object_mut(), shown(&view.plan, book)) {
        object.insert("effects".into(), Value::String(effects));
    }
    Ok(value)
}

fn words(value: &Value) -> String {
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
    let block = value.get("block").and_then(Value::as_u64).map_or(String::from("-"), |n| n.to_string());
    format!(
        "request      {}\nstatus       {}\ntransaction  {}\nblock        {block}",
        text("request"),
        text("status"),
        text("transaction_hash"),
    )
}

/// `cohold balance`.
pub(crate) async fn balance(
    output: Output,
    home: &Home,
    args: &crate::args::BalanceArgs,
) -> anyhow::Result<()> {
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
    // Decimals and name come from this device's own file; the endpoint tells the number only.
    let symbol = match &asset {
        Asset::Native => cohold_chain_evm::words::coin_symbol(chain_id).to_owned(),
        Asset::Token(_) => {
            let of_asset =
                rules.allowances().into_iter().find(|a| a.asset == asset && a.chain_id == chain_id);
            of_asset.map_or_else(|| view.symbol.clone(), |a| a.symbol)
        }
    };
    let value = json!({
        "account": args.account,
        "address": crate::account::address(&charter)?,
        "chain_id": chain_id,
        "asset": asset,
        "symbol": symbol,
        "decimals": decimals,
        "amount_base_units": view.amount,
        "amount": view.amount.format(decimals),
    });
    output.result(&value, || format!("{} {symbol}", view.amount.format(decimals)))
}

/// `cohold request list`.
pub(crate) async fn list(output: Output, home: &Home, account: Option<AccountId>) -> anyhow::Result<()> {
    let client = home.client()?;
    let book = home.rules().map(|rules| rules.token_book()).unwrap_or_default();
    let mut items = Vec::new();
    let mut query = cohold_api::PageQuery { account, limit: Some(cohold_api::PAGE_LIMIT_MAX), cursor: None };
    loop {
        let page = client.requests(&query).await?;
        items.extend(page.items);
        query.cursor = page.next_cursor;
        if query.cursor.is_none() || items.len() >= 1000 {
            break;
        }
    }
    let values: Vec<Value> = items.iter().map(|view| value(view, &book)).collect::<anyhow::Result<_>>()?;
    output.result(&values, || {
        let line = |v: &Value| {
            let text = |name: &str| v.get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
            format!("{}  {:9}  {}", text("request"), text("status"), text("effects"))
        };
        if values.is_empty() {
            "no requests yet".into()
        } else {
            values.iter().map(line).collect::<Vec<_>>().join("\n")
        }
    })
}

/// `cohold request show`.
pub(crate) async fn show(output: Output, home: &Home, request: RequestId) -> anyhow::Result<()> {
    let view = home.client()?.request(request).await?;
    let book = home.rules().map(|rules| rules.token_book()).unwrap_or_default();
    let effects = shown(&view.plan, &book).unwrap_or_else(|e| format!("the bytes are not understood: {e}"));
    let value = value(&view, &book)?;
    output.result(&value, || {
        let approvers: Vec<String> = view.approvals.iter().map(|a| a.document.approver.to_string()).collect();
        let approved = if approvers.is_empty() { "nobody yet".into() } else { approvers.join(", ") };
        let reason = view.reason.as_ref().map(|r| format!("\nreason       {r}")).unwrap_or_default();
        format!(
            "{}\neffects      {effects}\naccount      {}\napproved by  {approved}{reason}",
            words(&value),
            view.account
        )
    })
}
