//! `cohold request`: how payments stand, by the server's word; what they do, by their bytes.

use cohold_api::{PAGE_LIMIT_MAX, PageQuery, RequestView};
use cohold_chain_evm::TokenBook;
use cohold_model::{AccountId, RequestId};
use serde_json::Value;

use crate::checked::shown;
use crate::home::Home;
use crate::output::{Exit, Failure, Output};

/// The most pages of a list that are asked for.
const PAGES_MAX: u32 = 5;

/// A request as one JSON value, with what its bytes do.
pub(crate) fn value(view: &RequestView, book: &TokenBook) -> anyhow::Result<Value> {
    let mut value = serde_json::to_value(view)?;
    if let (Some(object), Ok(effects)) = (value.as_object_mut(), shown(&view.intent, &view.plan, book, None))
    {
        object.insert("effects".into(), Value::String(effects));
    }
    Ok(value)
}

/// A request as lines for people.
pub(crate) fn words(value: &Value) -> String {
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
    let block = value.get("block").and_then(Value::as_u64).map_or(String::from("-"), |n| n.to_string());
    format!(
        "request      {}\nstatus       {}\ntransaction  {}\nblock        {block}",
        text("request"),
        text("status"),
        text("transaction_hash"),
    )
}

/// `cohold request list`.
pub(crate) async fn list(output: Output, home: &Home, account: Option<AccountId>) -> anyhow::Result<()> {
    let client = home.client()?;
    let book = home.rules().map(|rules| rules.token_book()).unwrap_or_default();
    let mut items = Vec::new();
    let mut query = PageQuery { account, limit: Some(PAGE_LIMIT_MAX), cursor: None };
    for _ in 0..PAGES_MAX {
        let page = client.requests(&query).await?;
        let others = |view: &RequestView| account.is_some_and(|account| view.account != account);
        if page.items.iter().any(others) {
            return Err(unlike("it lists requests of other accounts"));
        }
        items.extend(page.items);
        query.cursor = page.next_cursor;
        if query.cursor.is_none() {
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
    if view.request != request || view.intent.request != request || view.account != view.intent.account {
        return Err(unlike("it is about another request"));
    }
    let book = home.rules().map(|rules| rules.token_book()).unwrap_or_default();
    let effects = shown(&view.intent, &view.plan, &book, None)
        .unwrap_or_else(|e| format!("the bytes are not understood: {e}"));
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

fn unlike(what: &str) -> anyhow::Error {
    let message = format!("the server's answer is not believed: {what}; ask whoever runs the server");
    Failure::error(Exit::Failed, "bad-answer", message)
}
