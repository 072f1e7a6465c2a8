//! `cohold address`: the account's own address and those below it, from the charter that this device keeps.

use cohold_chain_evm::Address;
use cohold_model::KeyPath;
use cohold_model::charter::Charter;
use serde_json::{Value, json};

use crate::args::AddressArgs;
use crate::home::Home;
use crate::output::{Exit, Failure, Output};

/// The address of the key at a path below a charter's.
pub(crate) fn address_at(charter: &Charter, path: &KeyPath) -> anyhow::Result<Address> {
    let key = charter.key.child(path).map_err(|e| Failure::error(Exit::Failed, "bad-path", e.to_string()))?;
    Ok(Address::of_public_key(&key.0)?)
}

/// `cohold address`.
pub(crate) fn show(output: Output, home: &Home, args: &AddressArgs) -> anyhow::Result<()> {
    let (account, charter) = (args.account, home.account(args.account)?.document);
    let Some(count) = args.count else {
        let address = address_at(&charter, &args.path)?;
        let mut value = json!({"account": account, "address": address});
        if let (false, Some(object)) = (args.path.is_root(), value.as_object_mut()) {
            object.insert("path".into(), json!(args.path));
        }
        return output.result(&value, || address.to_string());
    };
    let mut addresses = Vec::new();
    for further in 0..count {
        let path = args.path.sibling(further).ok_or_else(|| past(&args.path, count))?;
        addresses.push((path, address_at(&charter, &path)?));
    }
    let shown: Vec<Value> =
        addresses.iter().map(|(path, address)| json!({"path": path, "address": address})).collect();
    output.result(&json!({"account": account, "addresses": shown}), || {
        let lines = addresses.iter().map(|(path, address)| format!("{address}  {path}"));
        lines.collect::<Vec<_>>().join("\n")
    })
}

fn past(path: &KeyPath, count: u32) -> anyhow::Error {
    let message = format!(
        "there are no {count} addresses from `{path}` on: give --path with a last step to count from, like `m/0`"
    );
    Failure::error(Exit::Usage, "bad-path", message)
}
