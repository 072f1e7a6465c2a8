//! `cohold evidence`: who was banned by whom, on what ground, and what a stranger can make of it.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use cohold_model::case::{CASE_BYTES_MAX, Sentence};
use cohold_model::civil::utc;
use cohold_model::{AccountId, Case};
use cohold_party::case::{CaseRefused, Standing, weigh};
use cohold_store::PartyStore;
use cohold_store::party::CaseRow;
use serde_json::{Value, json};

use crate::account::address;
use crate::args::{EvidenceCommand, OfNode};
use crate::custody::read_at_most;
use crate::home::Home;
use crate::output::{Exit, Failure, Output, Told};

/// The fewest digits that name a case.
const DIGITS_MIN: usize = 8;

/// Runs one of the commands.
pub(crate) fn run(
    output: Output,
    home: impl FnOnce() -> anyhow::Result<Home>,
    command: &EvidenceCommand,
) -> anyhow::Result<()> {
    match command {
        EvidenceCommand::Check { file } => check(output, file),
        EvidenceCommand::List { account, of } => list(output, home, *account, of),
        EvidenceCommand::Export { case, out, of } => export(output, home, case, out.as_deref(), of),
    }
}

/// Judges a case by itself. The exit code tells the verdict.
fn check(output: Output, file: &Path) -> anyhow::Result<()> {
    let bytes = read_at_most(file, CASE_BYTES_MAX as u64, "case")?;
    let case = Case::parse(&bytes).map_err(CaseRefused::from);
    match case.and_then(|case| weigh(&case).map(|standing| (case, standing))) {
        Ok((case, standing)) => {
            let mut value = describe(&case, standing);
            value["ok"] = json!(true);
            output.result(&value, || words(&case, standing))?;
            match standing {
                Standing::Convicted => Ok(()),
                Standing::Accused => Err(Told(Exit::Accused).into()),
            }
        }
        Err(error) => {
            let message = format!("`{}` shows nothing: {error}", file.display());
            let error = json!({"code": "evidence-invalid", "message": message});
            output.result(&json!({"ok": false, "verdict": "invalid", "error": error}), || message.clone())?;
            Err(Told(Exit::Failed).into())
        }
    }
}

fn describe(case: &Case, standing: Standing) -> Value {
    let (notice, charter) = (&case.notice.document, &case.charter.document);
    let fingerprint =
        |card: Option<&cohold_model::account::Card>| card.map(|card| card.identity.fingerprint());
    let offender = match &notice.sentence {
        Sentence::Ban(offender) => json!({"party": offender, "fingerprint": fingerprint(case.offender())}),
        Sentence::Freeze => Value::Null,
    };
    json!({
        "verdict": standing.word(),
        "account": notice.account,
        "address": address(charter).map(|address| address.to_string()).ok(),
        "version": notice.version,
        "epoch": notice.epoch,
        "finder": {"party": notice.finder, "fingerprint": fingerprint(case.finder())},
        "offender": offender,
        "frozen": notice.sentence == Sentence::Freeze,
        "kind": notice.kind,
        "session": notice.session,
        "found_at": notice.found_at,
    })
}

fn words(case: &Case, standing: Standing) -> String {
    let (notice, charter) = (&case.notice.document, &case.charter.document);
    let verdict = match standing {
        Standing::Convicted => "convicted: the offender signed what shows that it cheated",
        Standing::Accused => "accused: this is the finder's word, and binds nobody but the finder",
    };
    let print = |card: Option<&cohold_model::account::Card>| {
        card.map(|card| format!("{} (fingerprint {})", card.party, card.identity.fingerprint()))
    };
    let against = match notice.sentence {
        Sentence::Ban(_) => print(case.offender()).unwrap_or_default(),
        Sentence::Freeze => "nobody: the finder froze its own key".into(),
    };
    let address = address(charter).map(|address| address.to_string()).unwrap_or_default();
    format!(
        "{verdict}\n  account  {} at {address}, charter version {}, epoch {}\n  against  {against}\n  \
         found by {}\n  found    {}: {}\n  session  {}\n\
         the documents are signed by all parties that they name; compare a fingerprint, or the address, with \
         what you know of the account",
        notice.account,
        notice.version,
        notice.epoch,
        print(case.finder()).unwrap_or_default(),
        utc(notice.found_at),
        notice.kind.words(),
        notice.session,
    )
}

fn list(
    output: Output,
    home: impl FnOnce() -> anyhow::Result<Home>,
    account: Option<AccountId>,
    of: &OfNode,
) -> anyhow::Result<()> {
    let rows = kept(home, of, account)?;
    let entries = rows.iter().map(|row| {
        let mut value = describe(&row.case, standing(row));
        value["case"] = json!(row.notice);
        value["kept_by"] = json!(row.kept_by.iter().map(|peer| peer.fingerprint()).collect::<Vec<_>>());
        value["closed"] = json!(row.closed);
        value
    });
    let value = json!({"cases": entries.collect::<Vec<_>>()});
    output.result(&value, || {
        if rows.is_empty() {
            return "nobody was found to have cheated".into();
        }
        let line = |row: &CaseRow| {
            let notice = &row.case.notice.document;
            let against = match &notice.sentence {
                Sentence::Ban(offender) => format!("bans {offender}"),
                Sentence::Freeze => "froze its key".into(),
            };
            let closed = if row.closed { ", closed" } else { "" };
            let short: String = row.notice.to_string().chars().take(DIGITS_MIN).collect();
            format!(
                "{short}  {}  {}  {} {against} ({}{closed}): {}",
                utc(notice.found_at),
                notice.account,
                notice.finder,
                standing(row).word(),
                notice.kind.words(),
            )
        };
        rows.iter().map(line).collect::<Vec<_>>().join("\n")
    })
}

fn standing(row: &CaseRow) -> Standing {
    if row.proved { Standing::Convicted } else { Standing::Accused }
}

fn export(
    output: Output,
    home: impl FnOnce() -> anyhow::Result<Home>,
    name: &str,
    out: Option<&Path>,
    of: &OfNode,
) -> anyhow::Result<()> {
    if name.len() < DIGITS_MIN || !name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let message = format!(
            "`{name}` names no case: give eight or more of its digits, as `evidence list` shows them"
        );
        return Err(Failure::error(Exit::Usage, "usage", message));
    }
    let name = name.to_ascii_lowercase();
    let rows = kept(home, of, None)?;
    let mut named = rows.iter().filter(|row| row.notice.to_string().starts_with(&name));
    let row = match (named.next(), named.next()) {
        (Some(row), None) => row,
        (None, _) => {
            let message = format!("no case begins with `{name}`: see `cohold evidence list`");
            return Err(Failure::error(Exit::Failed, "case-unknown", message));
        }
        (Some(_), Some(_)) => {
            let message = format!("more than one case begins with `{name}`: give more digits");
            return Err(Failure::error(Exit::Failed, "case-unknown", message));
        }
    };
    let text = row.case.to_text()?;
    match out {
        Some(path) => {
            std::fs::write(path, &text).with_context(|| format!("cannot write `{}`", path.display()))?;
            let value = json!({"case": row.notice, "file": path});
            output.result(&value, || format!("written to {}: anybody can check it", path.display()))
        }
        None => output.result(&serde_json::to_value(&row.case)?, || text),
    }
}

fn kept(
    home: impl FnOnce() -> anyhow::Result<Home>,
    of: &OfNode,
    account: Option<AccountId>,
) -> anyhow::Result<Vec<CaseRow>> {
    let database: PathBuf = match &of.node {
        Some(settings) => {
            let database = settings.parent().unwrap_or(Path::new("")).join("node.sqlite");
            if !database.exists() {
                let message = format!("`{}` is not there: name the node's settings", database.display());
                return Err(Failure::error(Exit::Failed, "config", message));
            }
            database
        }
        None => home()?.path("device.sqlite"),
    };
    if !database.exists() {
        return Ok(Vec::new());
    }
    Ok(PartyStore::open(&database)?.case_list(account)?)
}
