//! `cohold custody`: the model of an account or of a file, evaluated, compared, asked.

pub(crate) mod certificate;
pub(crate) mod draw;
pub(crate) mod fleet;
pub(crate) mod issuer;
pub(crate) mod verify;
pub(crate) mod word;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use cohold_api::Statements;
use cohold_custody::declared::Declared;
use cohold_custody::extract::{Dates, Own, Told as Word, extract};
use cohold_custody::{Evaluation, Model, diff, difference, evaluate, explain, regimes, sheet, what_if};
use cohold_model::account::{Card, PartyKind};
use cohold_model::charter::Charter;
use cohold_model::statement::{Sealing, Statement};
use cohold_model::{AccountId, Lineage, PartyName, Signed};
use serde::Serialize;
use serde_json::{Value, json};

use crate::args::{Global, ModelArgs};
use crate::exit::noted::{self, Exits};
use crate::home::{DEVICE, Home};
use crate::output::{Exit, Failure, Output, Told};

/// The largest model file that is read.
pub(crate) const MODEL_BYTES_MAX: u64 = 1024 * 1024;
/// How a certificate begins, in its one form, and no model does.
const CERTIFICATE_BEGINS: &[u8] = b"{\"document\":";

/// `cohold custody show`.
pub(crate) async fn show(output: Output, home: &Home, account: AccountId) -> anyhow::Result<()> {
    let (value, text) = certificate(output, home, account).await?;
    output.result(&value, || text)
}

/// The certificate of an account, from this device's charter and its nodes' signed word.
pub(crate) async fn certificate(
    output: Output,
    home: &Home,
    account: AccountId,
) -> anyhow::Result<(Value, String)> {
    let Drawn { model, lineage, statements, missing } = drawn(output, home, account).await?;
    let evaluation = evaluate(&model)?;
    let dates = dates(home, &lineage, &statements)?;
    let mut text = sheet::render(&model, &evaluation);
    text += &format!("\n{}", dates.render());
    if !missing.is_empty() {
        text += &format!("\nnot heard, so assumed against you: {}\n", missing.join(", "));
    }
    let regimes = regimes(&model)?;
    let value = json!({
        "account": account, "model": model, "evaluation": evaluation, "regimes": regimes, "dates": dates,
        "missing": missing,
    });
    Ok((value, text))
}

/// When things happened, by what the parties say, and by what this device has noted since it last spoke.
fn dates(home: &Home, lineage: &Lineage, statements: &[Signed<Statement>]) -> anyhow::Result<Dates> {
    let mut dates = Dates::new(lineage, statements, cohold_node::now());
    let Exits { drilled_at, exported_at } = noted::show(home, lineage.current().document.terms.account)?;
    let by: PartyName = DEVICE.parse()?;
    let noted = |told: Option<Word>, at: Option<u64>| {
        let own = at.map(|at| Word { at, by: by.clone() });
        told.into_iter().chain(own).max_by_key(|told| told.at)
    };
    dates.drilled = noted(dates.drilled, drilled_at);
    dates.exported = noted(dates.exported, exported_at);
    Ok(dates)
}

/// What is known of an account.
pub(crate) struct Drawn {
    pub(crate) model: Model,
    /// All its charters.
    pub(crate) lineage: Lineage,
    /// What its parties say.
    pub(crate) statements: Vec<Signed<Statement>>,
    /// The nodes that were not heard.
    missing: Vec<String>,
}

/// The model of an account, and what it is drawn from.
pub(crate) async fn drawn(output: Output, home: &Home, account: AccountId) -> anyhow::Result<Drawn> {
    let charter = home.account(account)?;
    let Heard { statements, declared, missing } = gather(output, home, account).await;
    let own = Own { declared, seals: own_seals(&charter.document) };
    let lineage = lineage(home, &charter).await?;
    let model = extract(&lineage, &statements, &own, cohold_node::now())
        .map_err(|error| Failure::error(Exit::Failed, "model", error.to_string()))?;
    Ok(Drawn { model, lineage, statements, missing })
}

/// All charters of an account up to this one, from which each one before is known by its digest: this
/// device's own, or where it came later the server's.
async fn lineage(home: &Home, charter: &Signed<Charter>) -> anyhow::Result<Lineage> {
    let account = charter.document.terms.account;
    let mut charters = home.past(account)?;
    charters.retain(|past| past.document.version < charter.document.version);
    if charters.first().is_none_or(|first| first.document.version != 1) && charter.document.version != 1 {
        charters = home.client()?.charters(account).await?;
        charters.retain(|past| past.document.version < charter.document.version);
    }
    charters.push(charter.clone());
    Lineage::new(charters).map_err(|error| Failure::error(Exit::Failed, "charters", error.to_string()))
}

/// An account's class under a charter, and the coalitions that move its funds.
#[derive(Debug, Serialize)]
pub(crate) struct Standing {
    class: cohold_custody::Class,
    moves: Vec<Vec<String>>,
}

impl std::fmt::Display for Standing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let coalitions: Vec<String> = self.moves.iter().map(|coalition| coalition.join(" + ")).collect();
        write!(f, "{}; the funds move by: {}", self.class, coalitions.join(", or "))
    }
}

/// How an account stands under a charter that this device checked, by what its nodes say now.
pub(crate) async fn standing(
    output: Output,
    home: &Home,
    charter: &Signed<Charter>,
) -> anyhow::Result<Standing> {
    let Heard { statements, declared, .. } = gather(output, home, charter.document.terms.account).await;
    let own = Own { declared, seals: own_seals(&charter.document) };
    let lineage = lineage(home, charter).await?;
    let evaluation = evaluate(&extract(&lineage, &statements, &own, cohold_node::now())?)?;
    let ways = evaluation.powers.get("move").into_iter().flatten();
    let moves = ways
        .filter(|way| way.doubts.is_empty())
        .map(|way| way.coalition.iter().map(str::to_owned).collect())
        .collect();
    Ok(Standing { class: evaluation.class, moves })
}

/// How this device sealed what it made itself: its own share, and the recovery shares beside it.
fn own_seals(charter: &Charter) -> BTreeMap<PartyName, Sealing> {
    let sealed = |card: &Card| match card.kind {
        PartyKind::Device => Some((card.party.clone(), Sealing::DeviceAndPin)),
        PartyKind::Recovery => Some((card.party.clone(), Sealing::SealedFile)),
        PartyKind::Cosigner | PartyKind::Guardian => None,
    };
    charter.terms.parties.iter().filter_map(sealed).collect()
}

/// What a server knows of an account.
struct Heard {
    statements: Vec<Signed<Statement>>,
    declared: Declared,
    missing: Vec<String>,
}

/// What the parties say; a server that is away leaves everything unknown.
async fn gather(output: Output, home: &Home, account: AccountId) -> Heard {
    let asked = async {
        let client = home.client()?;
        let Statements { statements, missing } = client.statements(account).await?;
        let declared = serde_json::from_value(client.issuer().await?.declared);
        let declared = declared.context("the server's declaration is not understood")?;
        anyhow::Ok(Heard { statements, declared, missing })
    };
    asked.await.unwrap_or_else(|error| {
        output.progress(&format!("the nodes were not heard: {error:#}"));
        Heard { statements: Vec::new(), declared: Declared::default(), missing: vec!["server".into()] }
    })
}

/// `cohold custody evaluate`. The JSON is exactly the result format of the model file.
pub(crate) fn evaluate_file(output: Output, path: &Path) -> anyhow::Result<()> {
    let model = parse(path)?;
    let evaluation: Evaluation = evaluate(&model)
        .map_err(|error| Failure::error(Exit::Failed, "model", format!("`{}`: {error}", path.display())))?;
    output.result(&evaluation, || sheet::render(&model, &evaluation))
}

/// `cohold custody diff`. Fails, after it was printed, where the user must be asked.
pub(crate) fn compare(output: Output, old: &Path, new: &Path) -> anyhow::Result<()> {
    if [old, new].iter().all(|path| *path == Path::new("-")) {
        return Err(Failure::error(Exit::Usage, "usage", "only one of both can be read from standard input"));
    }
    let difference = difference(&vouched(old)?, &vouched(new)?).map_err(|error| asked(&error))?;
    output.result(&difference, || diff::render(&difference))?;
    if difference.verdict.needs_no_signature() { Ok(()) } else { Err(Told(Exit::Failed).into()) }
}

/// `cohold custody explain`.
pub(crate) async fn explain_power(
    output: Output,
    global: &Global,
    of: &ModelArgs,
    power: &str,
    by: &[String],
) -> anyhow::Result<()> {
    let model = model(output, global, of).await?;
    let explanation = explain(&model, power, by).map_err(|error| asked(&error))?;
    output.result(&explanation, || explain::render(&explanation))
}

/// `cohold custody what-if`.
pub(crate) async fn what_if_stolen(
    output: Output,
    global: &Global,
    of: &ModelArgs,
    stolen: &[String],
) -> anyhow::Result<()> {
    let model = model(output, global, of).await?;
    let answer = what_if(&model, stolen).map_err(|error| asked(&error))?;
    output.result(&answer, || what_if::render(&model, &answer))
}

/// `cohold custody regimes`.
pub(crate) async fn regimes_of(output: Output, global: &Global, of: &ModelArgs) -> anyhow::Result<()> {
    let model = model(output, global, of).await?;
    let regimes = regimes(&model).map_err(|error| asked(&error))?;
    output.result(&regimes, || regimes::render(&model, &regimes))
}

fn asked(error: &impl ToString) -> anyhow::Error {
    Failure::error(Exit::Failed, "model", error.to_string())
}

/// The model that is asked about: of an account, or of a file.
async fn model(output: Output, global: &Global, of: &ModelArgs) -> anyhow::Result<Model> {
    if let Some(path) = &of.model {
        return parse(path);
    }
    let account = of.account.context("name an account, or a file with `--model`")?;
    let Drawn { model, missing, .. } = drawn(output, &Home::locate(global)?, account).await?;
    if !missing.is_empty() {
        output.progress(&format!("not heard, so assumed against you: {}", missing.join(", ")));
    }
    Ok(model)
}

fn parse(path: &Path) -> anyhow::Result<Model> {
    of_bytes(path, &read(path)?)
}

fn of_bytes(path: &Path, bytes: &[u8]) -> anyhow::Result<Model> {
    Model::parse(bytes)
        .map_err(|error| Failure::error(Exit::Failed, "model", format!("`{}`: {error}", path.display())))
}

/// The model in a model file, or in a certificate that holds as of when it was issued.
fn vouched(path: &Path) -> anyhow::Result<Model> {
    let bytes = read_at_most(path, MODEL_BYTES_MAX + 1, "model or certificate")?;
    if bytes.starts_with(CERTIFICATE_BEGINS) {
        let verified = verify::held(&format!("`{}`", path.display()), &bytes, None)?;
        return Ok(verified.certificate.model);
    }
    of_bytes(path, &bytes)
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    read_at_most(path, MODEL_BYTES_MAX, "model")
}

/// Reads a file, or standard input where it is called `-`.
pub(crate) fn read_at_most(path: &Path, bytes_max: u64, what: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin().take(bytes_max + 1).read_to_end(&mut bytes)?;
    } else {
        let file =
            std::fs::File::open(path).with_context(|| format!("`{}` cannot be read", path.display()))?;
        file.take(bytes_max + 1).read_to_end(&mut bytes)?;
    }
    if bytes.len() as u64 > bytes_max {
        let message = format!("`{}` is larger than any {what}", path.display());
        return Err(Failure::error(Exit::Failed, what, message));
    }
    Ok(bytes)
}
