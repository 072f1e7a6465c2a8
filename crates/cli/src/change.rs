//! `cohold custody change`: other rules at a node, as the user sees them. What a change means is computed
//! here, from this device's charter and the node's signed word; the server's and the node's sentences are
//! never taken.

mod veto;

use std::io::{IsTerminal as _, Read as _};
use std::path::Path;

use anyhow::Context as _;
use cohold_api::{ChangeAnswer, ChangePropose, ConsentCreate};
use cohold_custody::diff;
use cohold_model::change::RulesReport;
use cohold_model::charter::Charter;
use cohold_model::{AccountId, ChangeId, Document as _, PartyName, Signed};
use cohold_party::gate::Assessment;
use cohold_party::rules::RULES_BYTES_MAX;
use cohold_party::{Rules, rules_change};
use serde_json::{Value, json};

use crate::args::ChangeCommand;
use crate::client::Client;
use crate::home::{DEVICE, Home};
use crate::output::{Exit, Failure, Output, Told};

/// The most accounts whose nodes are asked at each command, and how long.
const WARNED_MAX: usize = 8;
const WARN_PATIENCE: std::time::Duration = std::time::Duration::from_secs(3);
/// What the user types to consent.
const WORD: &str = "accept";

/// `cohold custody change …`.
pub(crate) async fn run(output: Output, home: &Home, command: &ChangeCommand) -> anyhow::Result<()> {
    match command {
        ChangeCommand::Propose { account, party, rules } => {
            propose(output, home, *account, party, rules).await
        }
        ChangeCommand::List { account } => list(output, home, *account).await,
        ChangeCommand::Accept { account, change, yes } => accept(output, home, *account, *change, *yes).await,
        ChangeCommand::Veto { account, recovery, recovery_passphrase_file } => {
            let file = recovery.as_deref().map(|file| (file, recovery_passphrase_file.as_deref()));
            veto::run(output, home, *account, file).await
        }
        ChangeCommand::Reject { account, change } => reject(output, home, *account, *change).await,
    }
}

/// How an account stands at one node, as this device understands it.
struct Standing {
    report: RulesReport,
    in_force: Rules,
    /// The change that waits there.
    waits: Option<Assessment>,
}

impl Standing {
    /// Reads a node's word; refuses what the node did not sign for this account.
    fn read(charter: &Charter, signed: &Signed<RulesReport>) -> anyhow::Result<Self> {
        let report = &signed.document;
        let party = &report.party;
        let foreign = |what: &str| {
            let message = format!("what the server hands out as the word of `{party}` is refused: {what}");
            Failure::error(Exit::Failed, "report-refused", message)
        };
        let card = charter.terms.party(party).map(|(_, card)| card);
        let by_party = card.is_some_and(|card| signed.is_signed_by(party, &card.identity));
        if !by_party || report.account != charter.terms.account || report.charter != charter.digest() {
            return Err(foreign("it is not signed by that party for this account"));
        }
        let read = |text: &str| Rules::parse(text).map_err(|_| foreign("its rules are not understood"));
        let in_force = read(&report.in_force)?;
        let waits = report.proposed.as_ref().map(|proposed| {
            let after = read(&proposed.rules)?;
            let assessed = rules_change::assess(charter, party, report.revision, &in_force, &after);
            assessed.map_err(|error| foreign(&error.to_string()))
        });
        Ok(Self { in_force, waits: waits.transpose()?, report: report.clone() })
    }

    fn value(&self) -> Value {
        json!({
            "party": self.report.party,
            "revision": self.report.revision,
            "rules": self.in_force.digest(),
            "asked": self.report.asked,
            "waiting": self.waits.as_ref().map(|assessed| change_value(assessed, self.report.proposed.as_ref())),
        })
    }
}

fn change_value(assessed: &Assessment, proposed: Option<&cohold_model::change::ProposedRules>) -> Value {
    json!({
        "change": assessed.id(),
        "by": proposed.map(|proposed| proposed.by),
        "since": proposed.map(|proposed| proposed.since),
        "rules": proposed.map(|proposed| &proposed.rules),
        "conditions": assessed.conditions,
        "difference": assessed.difference,
    })
}

/// What the user reads before consenting: what changes, then who gains and who loses by it.
pub(crate) fn page(title: &str, assessed: &Assessment) -> String {
    format!("{title}\n{}\n{}", what_changes(assessed), diff::render(&assessed.difference))
}

/// What changes, in sentences; nothing where there are none.
pub(crate) fn what_changes(assessed: &Assessment) -> String {
    if assessed.conditions.is_empty() {
        return String::new();
    }
    let lines = assessed.conditions.iter().map(|condition| format!("  - {condition}\n"));
    format!("\nWHAT CHANGES\n{}", lines.collect::<String>())
}

fn title(assessed: &Assessment) -> String {
    let of = assessed.change.party().map(|party| format!(" of the rules of `{party}`"));
    format!("CHANGE {}{}", assessed.id(), of.unwrap_or_default())
}

/// `cohold custody change propose`.
async fn propose(
    output: Output,
    home: &Home,
    account: AccountId,
    party: &PartyName,
    path: &Path,
) -> anyhow::Result<()> {
    let charter = home.account(account)?.document;
    let rules = read(path)?;
    let digest = Rules::parse(&rules)
        .map_err(|error| Failure::error(Exit::Failed, "rules", format!("`{}`: {error}", path.display())))?
        .digest();
    output.progress(&format!("`{party}` weighs the rules …"));
    let body = ChangePropose { party: party.clone(), rules };
    let ChangeAnswer { report, refusal } = home.client()?.change_propose(account, &body).await?;
    let standing = Standing::read(&charter, &report)?;
    if standing.in_force.digest() == digest {
        let value = json!({"account": account, "status": "in-force", "standing": standing.value()});
        let revision = standing.report.revision;
        return output.result(&value, || format!("in force at `{party}` as revision {revision}"));
    }
    let is_it = |assessed: &&Assessment| matches!(&assessed.change, cohold_model::Change::Rules { after, .. } if *after == digest);
    let waits = standing.waits.as_ref().filter(is_it);
    let Some(assessed) = waits else {
        let why = refusal.map_or_else(|| "it gives no reason".to_owned(), |refusal| refusal.message);
        let message = format!("`{party}` keeps its rules: {}", printable(&why));
        return Err(Failure::error(Exit::Failed, "change-refused", message));
    };
    let value = json!({"account": account, "status": "waiting", "standing": standing.value()});
    output.result(&value, || {
        format!(
            "{}\n`{party}` keeps its rules until the user consents:\n  cohold custody change accept {account} {}",
            page(&title(assessed), assessed),
            assessed.id()
        )
    })?;
    Err(Told(Exit::Waiting).into())
}

/// `cohold custody change list`.
async fn list(output: Output, home: &Home, account: AccountId) -> anyhow::Result<()> {
    let charter = home.account(account)?.document;
    let (standings, missing) = standings(&home.client()?, &charter).await?;
    let value = json!({
        "account": account,
        "parties": standings.iter().map(Standing::value).collect::<Vec<_>>(),
        "missing": missing,
    });
    output.result(&value, || {
        let mut text = String::new();
        for standing in &standings {
            let RulesReport { party, revision, .. } = &standing.report;
            let rules = standing.in_force.digest();
            text.push_str(&format!("`{party}`: revision {revision} of its rules, {rules}\n"));
            match &standing.waits {
                Some(assessed) => text.push_str(&format!("\n{}\n", page(&title(assessed), assessed))),
                None => text.push_str("  no change waits\n"),
            }
            for asked in &standing.report.asked {
                text.push_str(&format!("  {}\n", veto::sentence(asked)));
            }
        }
        for party in &missing {
            text.push_str(&format!("`{party}` did not answer\n"));
        }
        text
    })
}

/// `cohold custody change accept`.
async fn accept(
    output: Output,
    home: &Home,
    account: AccountId,
    change: ChangeId,
    yes: bool,
) -> anyhow::Result<()> {
    let charter = home.account(account)?.document;
    let client = home.client()?;
    let (_, assessed) = waiting(&client, &charter, change).await?;
    output.progress(&page(&title(&assessed), &assessed));
    if !yes && !confirmed()? {
        return Err(Failure::error(Exit::Failed, "not-confirmed", "nothing was signed"));
    }
    let device = home.unlock()?;
    let me =
        assessed.consenters.iter().find(|card| card.identity == device.keys.identity()).ok_or_else(|| {
            let message = "this device may not consent for the account: use a device of its user";
            Failure::error(Exit::Failed, "not-a-consenter", message)
        })?;
    let consent = assessed.consent(me.party.clone(), cohold_node::now());
    let consent = Signed::by(consent, me.party.clone(), &device.keys.identity);
    let answer = client.consent(account, &ConsentCreate { consent }).await?;
    let standing = Standing::read(&charter, &answer.report)?;
    let in_force = standing.in_force.digest();
    let party = &standing.report.party;
    let is_made = matches!(
        &assessed.change,
        cohold_model::Change::Rules { party: of, after, .. } if of == party && *after == in_force
    );
    if !is_made {
        let why = answer.refusal.map_or_else(|| "it gives no reason".to_owned(), |refusal| refusal.message);
        let message = format!("`{party}` keeps its rules: {}", printable(&why));
        return Err(Failure::error(Exit::Failed, "consent-refused", message));
    }
    let revision = standing.report.revision;
    let value =
        json!({"account": account, "change": change, "status": "in-force", "standing": standing.value()});
    output.result(&value, || format!("in force at `{party}` as revision {revision}"))
}

/// `cohold custody change reject`.
async fn reject(output: Output, home: &Home, account: AccountId, change: ChangeId) -> anyhow::Result<()> {
    let charter = home.account(account)?.document;
    let client = home.client()?;
    let (party, _) = waiting(&client, &charter, change).await?;
    let answer = client.change_reject(account, &party, change).await?;
    let standing = Standing::read(&charter, &answer.report)?;
    if let Some(refusal) = answer.refusal {
        let message = format!("`{party}` keeps the change: {}", printable(&refusal.message));
        return Err(Failure::error(Exit::Failed, "change-refused", message));
    }
    let value =
        json!({"account": account, "change": change, "status": "rejected", "standing": standing.value()});
    output.result(&value, || format!("`{party}` has forgotten the change"))
}

/// Says aloud, at each command that looks at accounts, that somebody else asks for one that has guardians:
/// whoever has this device can object while the nodes wait. A server that is away hinders nothing.
pub(crate) async fn warn(output: Output, home: &Home) {
    let guarded = |charter: &Signed<Charter>| charter.document.terms.guardians.is_some();
    let accounts = home.accounts().unwrap_or_default();
    let Ok(client) = home.client() else { return };
    for charter in accounts.into_iter().filter(guarded).take(WARNED_MAX) {
        let charter = charter.document;
        let heard = tokio::time::timeout(WARN_PATIENCE, standings(&client, &charter)).await;
        let Ok(Ok((standings, _))) = heard else { continue };
        for asked in standings.iter().flat_map(|standing| &standing.report.asked) {
            if asked.vetoed_by.is_none() && asked.by.as_str() != DEVICE {
                let account = charter.terms.account;
                output.progress(&format!(
                    "\n!!! SOMEBODY ASKS FOR OTHER PARTIES IN YOUR ACCOUNT {account}\n!!! {} {account}\n",
                    veto::sentence(asked)
                ));
            }
        }
    }
}

/// How an account stands at its nodes, and which did not answer.
async fn standings(client: &Client, charter: &Charter) -> anyhow::Result<(Vec<Standing>, Vec<PartyName>)> {
    let heard = client.changes(charter.terms.account).await?;
    let standings = heard.reports.iter().map(|report| Standing::read(charter, report));
    Ok((standings.collect::<anyhow::Result<_>>()?, heard.missing))
}

/// The change of this name, as this device computes it, and where it waits.
async fn waiting(
    client: &Client,
    charter: &Charter,
    change: ChangeId,
) -> anyhow::Result<(PartyName, Assessment)> {
    let (standings, missing) = standings(client, charter).await?;
    let waits = standings.into_iter().find_map(|standing| {
        let assessed = standing.waits.filter(|assessed| assessed.id() == change)?;
        Some((standing.report.party, assessed))
    });
    waits.ok_or_else(|| {
        let account = charter.terms.account;
        let mut message = format!("no change `{change}` waits: see `cohold custody change list {account}`");
        if !missing.is_empty() {
            let names: Vec<_> = missing.iter().map(PartyName::as_str).collect();
            message.push_str(&format!("; not heard: {}", names.join(", ")));
        }
        Failure::error(Exit::Failed, "no-such-change", message)
    })
}

/// Asks for the word; a plain yes comes too easily.
fn confirmed() -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        let message = "no terminal to ask at: read the sentences, then use --yes";
        return Err(Failure::error(Exit::Usage, "no-terminal", message));
    }
    eprint!("Type `{WORD}` to sign these sentences: ");
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(answer.trim() == WORD)
}

/// Foreign words without control characters.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

fn read(path: &Path) -> anyhow::Result<String> {
    let source: Box<dyn std::io::Read> = if path == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        let file = std::fs::File::open(path);
        Box::new(file.with_context(|| format!("`{}` cannot be read", path.display()))?)
    };
    let mut text = String::new();
    let most = u64::try_from(RULES_BYTES_MAX)?.saturating_add(1);
    source
        .take(most)
        .read_to_string(&mut text)
        .with_context(|| format!("`{}` cannot be read", path.display()))?;
    Ok(text)
}
