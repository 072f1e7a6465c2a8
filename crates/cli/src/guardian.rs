//! `cohold guardian`: what somebody does who guards a piece of another's recovery share. All of it works
//! without the server: pieces, requests and confirmations are files.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use cohold_chain_evm::Address;
use cohold_model::civil::utc;
use cohold_model::guardians::{GuardianCard, GuardianReceipt, Packet, RecoveryRequest};
use cohold_model::{AccountId, Digest, Document as _, EntityName, PartyName, Signed};
use cohold_mpc::PartyKeys;
use cohold_party::guard::{self, GuardError, Remembered};
use cohold_store::crash_point;
use cohold_vault::file::private_folder;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::args::GuardianCommand;
use crate::guardians::{file_read, file_write};
use crate::home::Home;
use crate::output::{Exit, Failure, Output, confirm};
use crate::revive::Asked;

/// The most pieces that one guardian keeps.
const PIECES_MAX: usize = 256;

/// A piece, and what became of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    packet: Packet,
    receipt: Signed<GuardianReceipt>,
    /// The request that was confirmed, and when.
    #[serde(default)]
    confirmed: Option<(Signed<RecoveryRequest>, u64)>,
    /// Who objected, as a node of the account said.
    #[serde(default)]
    vetoed_by: Option<PartyName>,
    /// The request that the piece was released for.
    #[serde(default)]
    released: Option<Digest>,
}

impl Kept {
    fn account(&self) -> AccountId {
        self.packet.charter.document.terms.account
    }

    fn remembered(&self) -> Remembered {
        let confirmed = self.confirmed.as_ref().map(|(request, at)| (request.document.digest(), *at));
        Remembered { confirmed, vetoed_by: self.vetoed_by.clone() }
    }

    fn address(&self) -> String {
        let key = &self.packet.charter.document.key.public_key.0;
        Address::of_public_key(key).map(|address| address.to_string()).unwrap_or_default()
    }
}

/// `cohold guardian …`.
pub(crate) fn run(output: Output, home: &Home, command: &GuardianCommand) -> anyhow::Result<()> {
    match command {
        GuardianCommand::Card { name, entity, out } => card(output, home, name, entity.as_ref(), out),
        GuardianCommand::Accept { file, out } => accept(output, home, file, out),
        GuardianCommand::List => list(output, home),
        GuardianCommand::Check { account } => check(output, home, *account),
        GuardianCommand::Confirm { file, out, yes } => confirmed(output, home, file, out, *yes),
        GuardianCommand::Release { file, out } => release(output, home, file, out),
        GuardianCommand::Withdraw { account } => withdraw(output, home, *account),
    }
}

fn card(
    output: Output,
    home: &Home,
    name: &PartyName,
    entity: Option<&EntityName>,
    out: &Path,
) -> anyhow::Result<()> {
    let keys = home.guardian_keys()?;
    let entity = match entity {
        Some(entity) => entity.clone(),
        None => name.as_str().parse().with_context(|| format!("`{name}` is no entity: give --entity"))?,
    };
    let card = GuardianCard { name: name.clone(), entity, identity: keys.identity(), seal: keys.seal_key() };
    let fingerprint = card.identity.fingerprint();
    file_write(out, &Signed::by(card, name.clone(), &keys.identity))?;
    let value = json!({"name": name, "fingerprint": fingerprint, "card": out});
    output.result(&value, || {
        format!("{}: hand it over, and tell this fingerprint yourself:\n  {fingerprint}", out.display())
    })
}

fn accept(output: Output, home: &Home, file: &Path, out: &Path) -> anyhow::Result<()> {
    let packet: Packet = file_read(file, "a guardian's packet")?;
    let keys = home.guardian_keys()?;
    let refused = |error: &dyn std::fmt::Display| {
        Failure::error(Exit::Failed, "packet-refused", format!("`{}`: {error}", file.display()))
    };
    let receipt = guard::accept(&packet, &keys, cohold_node::now()).map_err(|error| refused(&error))?;
    let path = path(home, &packet);
    let mut kept = Kept { packet, receipt, confirmed: None, vetoed_by: None, released: None };
    if path.exists() {
        let before = read(&path)?;
        let given = |kept: &Kept| {
            let entrusted = &kept.packet.entrusted.document;
            (entrusted.created_at, entrusted.digest())
        };
        if given(&before).0 > given(&kept).0 {
            return Err(refused(&"a piece that was given later is kept already"));
        }
        let Kept { confirmed, vetoed_by, released, .. } = before;
        kept = Kept { confirmed, vetoed_by, released, ..kept };
    } else if all(home)?.len() >= PIECES_MAX {
        return Err(refused(&format!("{PIECES_MAX} pieces are kept already: use another --home")));
    }
    crash_point!("guardian.accept.before");
    file_write(&path, &kept)?;
    crash_point!("guardian.accept.after");
    file_write(out, &kept.receipt)?;
    let value = json!({
        "account": kept.account(), "address": kept.address(), "guardian": kept.packet.guardian,
        "epoch": kept.packet.charter.document.epoch, "receipt": out,
    });
    output.result(&value, || {
        format!(
            "the piece fits account {} at {} and is kept; send {} back",
            kept.account(),
            kept.address(),
            out.display()
        )
    })
}

fn row(kept: &Kept) -> Value {
    let Kept { packet, confirmed, vetoed_by, released, .. } = kept;
    let charter = &packet.charter.document;
    let guardians = charter.terms.guardians.as_ref();
    json!({
        "account": kept.account(),
        "address": kept.address(),
        "epoch": charter.epoch,
        "guardian": packet.guardian,
        "needed": guardians.map(|guardians| guardians.needed),
        "delay_seconds": guardians.map(|guardians| guardians.delay_seconds),
        "confirmed": confirmed.as_ref().map(|(request, at)| json!({
            "device": request.document.device.identity.fingerprint(), "at": at,
        })),
        "vetoed_by": vetoed_by,
        "released": released.is_some(),
    })
}

fn list(output: Output, home: &Home) -> anyhow::Result<()> {
    let all = all(home)?;
    let rows: Vec<Value> = all.iter().map(row).collect();
    output.result(&rows, || {
        let line = |kept: &Kept| {
            let epoch = kept.packet.charter.document.epoch;
            let state = match (&kept.vetoed_by, &kept.released, &kept.confirmed) {
                (Some(by), ..) => format!("`{by}` objected: it stays here"),
                (None, Some(_), _) => "released to a new device".into(),
                (None, None, Some((_, at))) => format!("a request was confirmed {}", utc(*at)),
                (None, None, None) => "at rest".into(),
            };
            format!("{}  {}  epoch {epoch}  {state}", kept.account(), kept.address())
        };
        match all.is_empty() {
            true => "no pieces yet".into(),
            false => all.iter().map(line).collect::<Vec<_>>().join("\n"),
        }
    })
}

fn check(output: Output, home: &Home, account: Option<AccountId>) -> anyhow::Result<()> {
    let keys = home.guardian_keys()?;
    let mut checked = all(home)?;
    checked.retain(|kept| account.is_none_or(|account| kept.account() == account));
    if checked.is_empty() {
        return Err(none_of(account));
    }
    for kept in &checked {
        guard::accept(&kept.packet, &keys, cohold_node::now()).map_err(|error| {
            let message = format!("the piece of account `{}`: {error}", kept.account());
            Failure::error(Exit::Failed, "piece-damaged", message)
        })?;
    }
    let rows: Vec<Value> = checked.iter().map(row).collect();
    output.result(&rows, || format!("{} pieces open and fit their accounts", checked.len()))
}

fn confirmed(output: Output, home: &Home, file: &Path, out: &Path, yes: bool) -> anyhow::Result<()> {
    let asked: Asked = file_read(file, "a request of a new device")?;
    let (keys, mut kept, path) = answering(home, &asked)?;
    let request = &asked.request;
    let now = cohold_node::now();
    let word = guard::confirm(&kept.packet, &kept.remembered(), request, &keys, now)
        .map_err(|error| refused(&error))?;
    let device = request.document.device.identity.fingerprint();
    output.progress(&format!(
        "SOMEBODY ASKS FOR ACCOUNT {}\n  address  {}\n  asked    {}\n  says     {}\n  device   {device}\n\n\
         Call the person whose account this is, on a number that you know. Have them read the device's fingerprint\n\
         to you from its screen. Whoever gets the pieces of enough guardians gets the account.\n",
        kept.account(),
        kept.address(),
        utc(request.document.created_at),
        request.document.reason,
    ));
    if !yes && !confirm("is it them, and is the fingerprint the same?")? {
        let message = "not confirmed; nothing was signed (`--yes` confirms in scripts)";
        return Err(Failure::error(Exit::Failed, "not-confirmed", message));
    }
    // The first confirmation begins this guardian's own wait; saying it again makes that no later.
    if kept.confirmed.is_none() {
        kept.confirmed = Some((request.clone(), now));
        crash_point!("guardian.confirm.before");
        file_write(&path, &kept)?;
    }
    crash_point!("guardian.confirm.after");
    file_write(out, &word)?;
    let value = json!({"account": kept.account(), "device": device, "confirmation": out});
    output.result(&value, || format!("confirmed; send {} back to the new device", out.display()))
}

fn release(output: Output, home: &Home, file: &Path, out: &Path) -> anyhow::Result<()> {
    let asked: Asked = file_read(file, "a request of a new device")?;
    let (keys, mut kept, path) = answering(home, &asked)?;
    if kept.vetoed_by.is_none()
        && let Some(objector) = guard::objector(&kept.packet, &asked.reports)
    {
        kept.vetoed_by = Some(objector);
        file_write(&path, &kept)?;
    }
    let (now, mut rng) = (cohold_node::now(), cohold_node::rng());
    let (request, reports) = (&asked.request, &asked.reports);
    let released = guard::release(&kept.packet, &kept.remembered(), request, reports, &keys, now, &mut rng)
        .map_err(|error| refused(&error))?;
    kept.released = Some(released.request);
    crash_point!("guardian.release.before");
    file_write(&path, &kept)?;
    crash_point!("guardian.release.after");
    file_write(out, &released)?;
    let value = json!({"account": kept.account(), "piece": out});
    output.result(&value, || format!("sealed to the new device only; send {} to it", out.display()))
}

fn withdraw(output: Output, home: &Home, account: AccountId) -> anyhow::Result<()> {
    let mut found = all(home)?;
    found.retain(|kept| kept.account() == account);
    if found.is_empty() {
        return Err(none_of(Some(account)));
    }
    let mut withdrawn = 0_usize;
    for mut kept in found {
        if kept.confirmed.take().is_some() {
            withdrawn += 1;
            file_write(&path(home, &kept.packet), &kept)?;
        }
    }
    output.result(&json!({"account": account, "withdrawn": withdrawn}), || match withdrawn {
        0 => "nothing was confirmed".into(),
        _ => "withdrawn; what was released before stays with whoever has it".into(),
    })
}

/// The guardian's keys, and the piece that a request is about.
fn answering(home: &Home, asked: &Asked) -> anyhow::Result<(PartyKeys, Kept, PathBuf)> {
    let request = &asked.request.document;
    let mut of_account = all(home)?;
    of_account.retain(|kept| kept.account() == request.account);
    let Some(last) = of_account.iter().map(|kept| kept.packet.charter.document.epoch).max() else {
        return Err(none_of(Some(request.account)));
    };
    // A past epoch's piece is released to nobody: the account's nodes say nothing under a past charter.
    let under = |kept: &Kept| kept.packet.charter.document.digest() == request.charter;
    let Some(kept) = of_account.into_iter().find(under) else {
        let message = format!(
            "the request is for epoch {} under another charter than those of this guardian's pieces, the last of epoch {last}",
            request.epoch
        );
        return Err(Failure::error(Exit::Failed, "other-epoch", message));
    };
    let path = path(home, &kept.packet);
    Ok((home.guardian_keys()?, kept, path))
}

/// Why a guardian does not help, with the code that a program sees.
fn refused(error: &GuardError) -> anyhow::Error {
    let (exit, code) = match error {
        GuardError::Packet(_) => (Exit::Failed, "piece-damaged"),
        GuardError::Request(_) => (Exit::Failed, "request-refused"),
        GuardError::Another(_) => (Exit::Failed, "another-request"),
        GuardError::Unconfirmed => (Exit::Failed, "unconfirmed"),
        GuardError::Early(_) | GuardError::NoReport => (Exit::Waiting, "too-early"),
        GuardError::Vetoed(_) => (Exit::Failed, "vetoed"),
        GuardError::Seal(_) => (Exit::Failed, "bad-device"),
    };
    Failure::error(exit, code, error.to_string())
}

fn none_of(account: Option<AccountId>) -> anyhow::Error {
    let of = account.map(|account| format!(" of account `{account}`")).unwrap_or_default();
    Failure::error(
        Exit::Failed,
        "no-piece",
        format!("this guardian has no piece{of}: see `cohold guardian list`"),
    )
}

fn all(home: &Home) -> anyhow::Result<Vec<Kept>> {
    let entries = std::fs::read_dir(folder(home)).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.retain(|path| path.to_string_lossy().ends_with(KEPT));
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> anyhow::Result<Kept> {
    let bytes = std::fs::read(path).with_context(|| format!("`{}` cannot be read", path.display()))?;
    serde_json::from_slice(&bytes)
        .with_context(|| format!("`{}` is damaged: ask for a new piece, and remove it", path.display()))
}

/// How the names of files with pieces end.
const KEPT: &str = ".kept.json";

/// One file for each charter: a piece of one says nothing about another.
fn path(home: &Home, packet: &Packet) -> PathBuf {
    let charter = &packet.charter.document;
    let digest = charter.digest().to_string();
    let digits = digest.get(..16).unwrap_or(&digest);
    folder(home).join(format!("{}-{}-{digits}{KEPT}", charter.terms.account, charter.epoch))
}

fn folder(home: &Home) -> PathBuf {
    home.path("guardian")
}

impl Home {
    /// The keys of whoever guards with this home, opened by its PIN; made on the first call.
    pub(crate) fn guardian_keys(&self) -> anyhow::Result<PartyKeys> {
        private_folder(&self.folder)?;
        private_folder(&folder(self))?;
        let _lock = self.lock()?;
        let vault = self.vault()?;
        Ok(cohold_node::config::open_keys(&folder(self), &vault, &"guardian".parse()?)?)
    }
}
