//! `cohold custody change veto`: a party of the user's objects to what another one has asked for.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use cohold_api::VetoCreate;
use cohold_model::change::Asked;
use cohold_model::charter::Charter;
use cohold_model::civil::utc;
use cohold_model::reshare::Veto;
use cohold_model::{AccountId, Document as _, PartyName, Signed};
use cohold_mpc::PartyKeys;
use serde_json::json;

use super::{Standing, printable, standings};
use crate::client::Client;
use crate::home::Home;
use crate::output::{Exit, Failure, Output};
use crate::sleeper::Sleeper;

/// What somebody asked for, and what became of it.
pub(super) fn sentence(asked: &Asked) -> String {
    let Asked { by, since, joins_at, vetoed_by } = asked;
    let what = format!("`{by}` asked for other parties in the account, {}", utc(*since));
    match (vetoed_by, joins_at) {
        (Some(vetoer), _) => format!("{what}; `{vetoer}` objected, and it does not join"),
        (None, None) => format!("{what}; it joins in none"),
        (None, Some(at)) => {
            format!("{what}; IT JOINS {}. If that is not your wish: cohold custody change veto", utc(*at))
        }
    }
}

/// Who objects: this device, or the recovery file at hand where the device is in somebody else's.
struct Objector {
    charter: Charter,
    party: PartyName,
    keys: Arc<PartyKeys>,
}

impl Objector {
    fn device(home: &Home, account: AccountId) -> anyhow::Result<Self> {
        let charter = home.account(account)?.document;
        let keys = home.unlock()?.keys;
        let me = charter.terms.party_by_identity(&keys.identity());
        let party = me.map(|(_, card)| card.party.clone()).ok_or_else(|| {
            let message = "this device is no party of the account";
            Failure::error(Exit::Failed, "not-a-party", message)
        })?;
        Ok(Self { charter, party, keys })
    }

    /// The server hands out the charter; the file knows which one is its own.
    async fn file(
        client: &Client,
        account: AccountId,
        (path, passphrase_file): (&Path, Option<&Path>),
    ) -> anyhow::Result<Self> {
        let charter = client.account(account).await?.charter;
        let charter = charter.context("the server has no charter of the account")?;
        charter.check().context("the server's charter of the account is refused")?;
        let sleeper = Sleeper::wake(path, passphrase_file, &charter)?;
        let (party, keys) = (sleeper.card.party.clone(), Arc::clone(&sleeper.keys));
        Ok(Self { charter: charter.document, party, keys })
    }
}

pub(super) async fn run(
    output: Output,
    home: &Home,
    account: AccountId,
    recovery: Option<(&Path, Option<&Path>)>,
) -> anyhow::Result<()> {
    let client = home.client()?;
    let objector = match recovery {
        None => Objector::device(home, account)?,
        Some(file) => Objector::file(&client, account, file).await?,
    };
    let Objector { charter, party: me, keys } = objector;
    let (found, _) = standings(&client, &charter).await?;
    let mut answers: Vec<Standing> = Vec::new();
    for standing in found {
        let open = |asked: &&Asked| asked.vetoed_by.is_none() && asked.by != me;
        for asked in standing.report.asked.iter().filter(open) {
            let node = &standing.report.party;
            let veto = Veto {
                account,
                charter: charter.digest(),
                asked_by: asked.by.clone(),
                party: me.clone(),
                issued_at: cohold_node::now(),
            };
            let veto = Signed::by(veto, me.clone(), &keys.identity);
            let answer = client.veto(account, &VetoCreate { party: node.clone(), veto }).await?;
            let after = Standing::read(&charter, &answer.report)?;
            let is_noted = |after: &Asked| after.by == asked.by && after.vetoed_by.is_some();
            if !after.report.asked.iter().any(is_noted) {
                let why =
                    answer.refusal.map_or_else(|| "it gives no reason".into(), |refusal| refusal.message);
                let message = format!("`{node}` does not take the objection: {}", printable(&why));
                return Err(Failure::error(Exit::Failed, "veto-refused", message));
            }
            answers.push(after);
        }
    }
    if answers.is_empty() {
        let message =
            "nobody else has asked the account's nodes for anything: see `cohold custody change list`";
        return Err(Failure::error(Exit::Failed, "nothing-asked", message));
    }
    let value =
        json!({"account": account, "parties": answers.iter().map(Standing::value).collect::<Vec<_>>()});
    output.result(&value, || {
        let line = |standing: &Standing| {
            let asked = standing.report.asked.iter().map(sentence).collect::<Vec<_>>().join("; ");
            format!("`{}`: {asked}", standing.report.party)
        };
        answers.iter().map(line).collect::<Vec<_>>().join("\n")
    })
}
