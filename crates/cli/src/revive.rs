//! `cohold account recover --guardians`: from a new device, by the guardians' pieces. One command, run again
//! after each step: it asks, tells the nodes once enough guardians know who asks, and after the wait puts the
//! recovery share together for one resharing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use cohold_api::RecoveryCreate;
use cohold_model::change::RulesReport;
use cohold_model::charter::Charter;
use cohold_model::civil::utc;
use cohold_model::guardians::{Confirmation, Guardians, RecoveryAsk, RecoveryRequest, Release};
use cohold_model::{AccountId, Document as _, PartyName, Signed};
use cohold_party::guard::{self, ReviveError, Revived};
use cohold_store::crash_point;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::args::RecoverArgs;
use crate::client::Client;
use crate::guardians::{file_read, file_write};
use crate::home::{Device, Home};
use crate::output::{Exit, Failure, Output, Told};
use crate::sleeper::Sleeper;

/// What goes to the guardians as a file: the request, and what the nodes say of their wait.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    pub(crate) request: Signed<RecoveryRequest>,
    #[serde(default)]
    pub(crate) reports: Vec<Signed<RulesReport>>,
}

/// What the new device remembers between its steps. Nothing in it is secret: released pieces are sealed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Progress {
    asked: Asked,
    confirmations: BTreeMap<PartyName, Signed<Confirmation>>,
    releases: BTreeMap<PartyName, Release>,
}

/// A file that a guardian sent.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Sent {
    Confirmation(Signed<Confirmation>),
    Release(Release),
}

/// Goes as far as the guardians' files allow: the recovery party, woken, once there are enough pieces.
pub(crate) async fn wake(
    output: Output,
    home: &Home,
    (client, device): (&Client, &Device),
    old: &Signed<Charter>,
    args: &RecoverArgs,
) -> anyhow::Result<Arc<Sleeper>> {
    let charter = &old.document;
    let guardians = charter.terms.guardians.as_ref().ok_or_else(|| {
        let message = "the account has no guardians: recover it with its recovery file";
        Failure::error(Exit::Failed, "no-guardians", message)
    })?;
    let account = charter.terms.account;
    let path = home.path(&format!("recovery-{account}.json"));
    let mut progress = begun(&path, device, charter, args.reason.as_deref())?;
    for file in &args.with {
        take(&mut progress, guardians, file)?;
    }
    crash_point!("revive.note.before");
    file_write(&path, &progress)?;
    crash_point!("revive.note.after");
    if progress.releases.len() >= usize::from(guardians.needed) {
        return revived(charter, &mut progress, device, &path);
    }
    let ask = RecoveryAsk {
        request: progress.asked.request.clone(),
        confirmations: progress.confirmations.values().cloned().collect(),
    };
    let confirmed = ask.check(charter).is_ok();
    if confirmed {
        output.progress("enough guardians know who asks; telling the account's nodes …");
        progress.asked.reports = tell(client, charter, &ask).await?;
        file_write(&path, &progress)?;
    }
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("{account}.request.json")));
    file_write(&out, &progress.asked)?;
    waits(output, charter, guardians, &progress, &out)?;
    Err(Told(Exit::Waiting).into())
}

/// The request as this device began it, for this charter; a new one where there is none.
fn begun(path: &Path, device: &Device, charter: &Charter, reason: Option<&str>) -> anyhow::Result<Progress> {
    if path.exists() {
        let progress: Progress = file_read(path, "what this device noted of its recovery")?;
        let request = &progress.asked.request;
        let same = reason.is_none_or(|reason| reason == request.document.reason);
        let own = request.document.device.identity == device.card.identity;
        if same && own && RecoveryRequest::check(request, charter).is_ok() {
            return Ok(progress);
        }
    }
    let reason = reason.ok_or_else(|| {
        let message = "say why in a few words for the guardians: --reason \"my phone was stolen\"";
        Failure::error(Exit::Usage, "usage", message)
    })?;
    let request = RecoveryRequest {
        account: charter.terms.account,
        charter: charter.digest(),
        epoch: charter.epoch,
        device: device.card.clone(),
        reason: reason.to_owned(),
        created_at: cohold_node::now(),
    };
    let request = Signed::by(request, device.card.party.clone(), &device.keys.identity);
    RecoveryRequest::check(&request, charter)
        .map_err(|error| Failure::error(Exit::Usage, "request-refused", error.to_string()))?;
    let asked = Asked { request, reports: Vec::new() };
    Ok(Progress { asked, confirmations: BTreeMap::new(), releases: BTreeMap::new() })
}

/// Takes in what a guardian sent.
fn take(progress: &mut Progress, guardians: &Guardians, file: &Path) -> anyhow::Result<()> {
    let digest = progress.asked.request.document.digest();
    let refused = |what: &str| {
        let message = format!("`{}` {what}", file.display());
        Failure::error(Exit::Failed, "file-refused", message)
    };
    let sent: Sent = file_read(file, "a guardian's confirmation or piece")?;
    let (guardian, request) = match &sent {
        Sent::Confirmation(word) => (word.document.guardian.clone(), word.document.request),
        Sent::Release(release) => (release.guardian.clone(), release.request),
    };
    if request != digest {
        return Err(refused("is for another request than this device's"));
    }
    let person = guardians.named(&guardian).ok_or_else(|| refused("is of nobody who guards this account"))?;
    match sent {
        Sent::Confirmation(word) => {
            if !word.is_signed_by(&guardian, &person.1.identity) {
                return Err(refused("is not signed by the guardian that it names"));
            }
            progress.confirmations.insert(guardian, word);
        }
        Sent::Release(release) => drop(progress.releases.insert(guardian, release)),
    }
    Ok(())
}

/// Puts the recovery share together, in memory. Pieces that are found to be wrong are forgotten, so that
/// those of other guardians can take their place.
fn revived(
    charter: &Charter,
    progress: &mut Progress,
    device: &Device,
    path: &Path,
) -> anyhow::Result<Arc<Sleeper>> {
    let releases: Vec<Release> = progress.releases.values().cloned().collect();
    match guard::revive(charter, &progress.asked.request, &releases, &device.keys) {
        Ok(Revived { share, keys, card }) => Ok(Sleeper::of(charter, card, Arc::new(keys), Arc::new(share))),
        Err(error) => {
            let wrong = match &error {
                ReviveError::Elsewhere(name) | ReviveError::Letter(name) => std::slice::from_ref(name),
                ReviveError::Wrong(names) => names,
                ReviveError::Request(_) | ReviveError::Few { .. } | ReviveError::Entrusted(_) => &[],
            };
            progress.releases.retain(|name, _| !wrong.contains(name));
            file_write(path, progress)?;
            Err(Failure::error(Exit::Failed, "wrong-piece", error.to_string()))
        }
    }
}

/// Tells every node of the account: their signed words.
async fn tell(
    client: &Client,
    charter: &Charter,
    ask: &RecoveryAsk,
) -> anyhow::Result<Vec<Signed<RulesReport>>> {
    let (mut reports, mut why) = (Vec::new(), Vec::new());
    for card in charter.terms.parties.iter().filter(|card| card.kind.is_node()) {
        let body = RecoveryCreate { party: card.party.clone(), ask: ask.clone() };
        match client.recovery(charter.terms.account, &body).await {
            Ok(answer) if answer.refusal.is_none() => reports.push(answer.report),
            Ok(answer) => {
                let refusal = answer.refusal.map(|refusal| refusal.message).unwrap_or_default();
                let plain: String = refusal.chars().filter(|c| !c.is_control()).collect();
                why.push(format!("`{}`: {plain}", card.party));
            }
            Err(error) => why.push(format!("`{}`: {error:#}", card.party)),
        }
    }
    if reports.is_empty() && !why.is_empty() {
        let message = format!("no node of the account waits: {}", why.join("; "));
        return Err(Failure::error(Exit::Failed, "nodes-refused", message));
    }
    Ok(reports)
}

/// Says how far it is, and what comes next.
fn waits(
    output: Output,
    charter: &Charter,
    guardians: &Guardians,
    progress: &Progress,
    out: &Path,
) -> anyhow::Result<()> {
    let account: AccountId = charter.terms.account;
    let asked = |report: &Signed<RulesReport>| {
        report.document.asked.iter().find(|asked| asked.by == guardians.party).cloned()
    };
    let asked: Vec<_> = progress.asked.reports.iter().filter_map(asked).collect();
    // By the node's own word: one from before the end of the wait is worth nothing to the guardians.
    let has_waited = |report: &Signed<RulesReport>| {
        let of = |asked: &&cohold_model::change::Asked| asked.by == guardians.party;
        let joins = report.document.asked.iter().find(of).and_then(|asked| asked.joins_at);
        joins.is_some_and(|at| at <= report.document.issued_at)
    };
    let waited = progress.asked.reports.iter().any(has_waited);
    let vetoed_by = asked.iter().find_map(|asked| asked.vetoed_by.clone());
    let joins_at = asked.iter().filter_map(|asked| asked.joins_at).max();
    let (confirmed, released) = (progress.confirmations.len(), progress.releases.len());
    let status = match (&vetoed_by, joins_at) {
        (Some(_), _) => "vetoed",
        (None, Some(_)) if waited => "waited",
        (None, Some(_)) => "waiting",
        (None, None) => "asked",
    };
    let request = &progress.asked.request.document;
    let fingerprint = request.device.identity.fingerprint();
    let value = json!({
        "account": account, "status": status, "device": fingerprint, "request": out,
        "needed": guardians.needed, "confirmed": confirmed, "released": released,
        "joins_at": joins_at, "vetoed_by": vetoed_by,
    });
    let names: Vec<&str> = guardians.people.iter().map(|person| person.name.as_str()).collect();
    let names = names.join(", ");
    let (needed, out) = (guardians.needed, out.display());
    output.result(&value, || match (status, vetoed_by, joins_at) {
        ("vetoed", Some(by), _) => format!(
            "`{by}` objected: under this charter nobody joins in it"
        ),
        ("waited", ..) => format!(
            "the wait is over: send {out} to the guardians who confirmed; each runs `cohold guardian release` and sends a piece back ({released} of {needed} are here)"
        ),
        ("waiting", _, Some(at)) => format!(
            "the nodes wait until {}, and whoever has a device of the account can object; then run this again, which writes {out} anew for the guardians",
            utc(at)
        ),
        _ => format!(
            "this device has the fingerprint\n  {fingerprint}\nsend {out} to {needed} of your guardians ({names}), and call them: each compares the fingerprint,\nruns `cohold guardian confirm`, and sends a confirmation back ({confirmed} of {needed} are here). Then run this again with\n  --with FILE for each"
        ),
    })
}

/// The charter of the account, as the server hands it out. The guardians' pieces prove it: they fit no other.
pub(crate) async fn charter(client: &Client, account: AccountId) -> anyhow::Result<Signed<Charter>> {
    let view = client.account(account).await?;
    let charter = view.charter.context("the server has no charter of the account")?;
    charter.check().context("the server's charter of the account is refused")?;
    anyhow::ensure!(
        charter.document.terms.account == account,
        "the server hands out another account's charter"
    );
    Ok(charter)
}
