//! `cohold account guardians`: who holds the recovery share together, their pieces, their receipts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use cohold_model::account::{PartyKind, Role, Terms};
use cohold_model::charter::Charter;
use cohold_model::guardians::{Entrusted, GuardianCard, GuardianReceipt, Guardians, Packet, receipt_counts};
use cohold_model::{AccountId, Document as _, PartyName, Signed};
use cohold_party::guard;
use cohold_vault::file::{private_folder, private_replace};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::args::{GuardedArgs, GuardiansCommand};
use crate::custody::word::hand_in;
use crate::home::Home;
use crate::output::{Exit, Failure, Output, read_text};
use crate::recovery::{self, Opened};

/// What this device knows of the pieces that it gave away.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Noted {
    entrusted: Signed<Entrusted>,
    receipts: BTreeMap<PartyName, Signed<GuardianReceipt>>,
}

/// `cohold account guardians …`.
pub(crate) async fn run(output: Output, home: &Home, command: &GuardiansCommand) -> anyhow::Result<()> {
    match command {
        GuardiansCommand::Set(args) => crate::reshare::guardians_set(output, home, args).await,
        GuardiansCommand::Deal { account, recovery, recovery_passphrase_file, out } => {
            let charter = home.account(*account)?;
            let passphrase_file = recovery_passphrase_file.as_deref();
            let (_, _, opened) = recovery::open_under(recovery, passphrase_file, &charter)?;
            let files = deal(home, &charter, &opened, out.as_deref())?;
            output.result(&json!({"account": account, "packets": files}), || told(&files))
        }
        GuardiansCommand::Receipt { account, files } => receipt(output, home, *account, files).await,
        GuardiansCommand::Show { account } => show(output, home, *account),
    }
}

/// The guardians that the words of a command name, for the account's one recovery share.
pub(crate) fn wanted(args: &GuardedArgs, terms: &Terms) -> anyhow::Result<Option<Guardians>> {
    let usage = |message: String| Failure::error(Exit::Usage, "guardians", message);
    let Some(needed) = args.guardians_needed else { return Ok(None) };
    let own = |kind| terms.parties.iter().filter(move |card| card.kind == kind && terms.is_of_user(card));
    let Some(held) = own(PartyKind::Recovery).next() else {
        return Err(usage("the account has no recovery share that guardians could hold: add one".into()));
    };
    let people = args.guardian.iter().map(|text| card(text)).collect::<anyhow::Result<Vec<_>>>()?;
    // It would count as the user's own in every certificate.
    let is_user = |person: &&GuardianCard| terms.entities.get(&person.entity) == Some(&Role::User);
    if let Some(person) = people.iter().find(is_user) {
        let message = format!(
            "`{}` says that it is `{}`, and that is you: have it make a card with an entity of its own (`--entity`)",
            person.name, person.entity
        );
        return Err(Failure::error(Exit::Failed, "entity", message));
    }
    let delay_seconds = seconds(&args.guardian_delay)
        .ok_or_else(|| usage(format!("`{}` is no time: write `48h` or `7d`", args.guardian_delay)))?;
    Ok(Some(Guardians { party: held.party.clone(), needed, delay_seconds, people }))
}

/// `30s`, `90m`, `48h`, `7d`.
fn seconds(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

/// A guardian's card, if its key has the fingerprint that the guardian told.
fn card(text: &str) -> anyhow::Result<GuardianCard> {
    let Some((file, told)) = text.rsplit_once('=') else {
        let message = format!("`{text}` is not of the form CARD=FINGERPRINT");
        return Err(Failure::error(Exit::Usage, "guardians", message));
    };
    let signed: Signed<GuardianCard> = file_read(Path::new(file), "a guardian's card")?;
    let card = &signed.document;
    let found = card.identity.fingerprint();
    if found != told.to_ascii_lowercase() {
        let message = format!(
            "`{file}` has the fingerprint `{found}`, not `{told}`: do not use it before `{}` explains that",
            card.name
        );
        return Err(Failure::error(Exit::Failed, "pin-mismatch", message));
    }
    if !signed.is_signed_by(&card.name, &card.identity) {
        let message = format!("the card in `{file}` is not signed by its own key: ask for it again");
        return Err(Failure::error(Exit::Failed, "bad-card", message));
    }
    Ok(signed.document)
}

/// Reads a file that somebody else wrote.
pub(crate) fn file_read<T: serde::de::DeserializeOwned>(path: &Path, what: &str) -> anyhow::Result<T> {
    let place = path.display();
    let text = read_text(path).with_context(|| format!("`{place}` cannot be read"))?;
    serde_json::from_str(&text)
        .map_err(|_| Failure::error(Exit::Failed, "bad-file", format!("`{place}` is not {what}")))
}

/// Writes a file for somebody else; saying the same again replaces it.
pub(crate) fn file_write(path: &Path, value: &impl Serialize) -> anyhow::Result<()> {
    Ok(private_replace(path, &serde_json::to_vec(value)?)?)
}

/// Gives the share of an opened recovery party to the guardians: a packet for each, as a file.
pub(crate) fn deal(
    home: &Home,
    charter: &Signed<Charter>,
    opened: &Opened,
    folder: Option<&Path>,
) -> anyhow::Result<BTreeMap<PartyName, PathBuf>> {
    let terms = &charter.document.terms;
    let (now, mut rng) = (cohold_node::now(), cohold_node::rng());
    let given = guard::entrust(&charter.document, &opened.share, &opened.seed, now, &mut rng);
    let given = given.map_err(|error| Failure::error(Exit::Failed, "guardians", error.to_string()))?;
    let folder = folder.map_or_else(|| home.path("guardians"), Path::to_path_buf);
    private_folder(&folder)?;
    let noted = Noted { entrusted: given.entrusted.clone(), receipts: BTreeMap::new() };
    private_folder(&home.path("guardians"))?;
    file_write(&noted_path(home, terms.account), &noted)?;
    let mut files = BTreeMap::new();
    for (guardian, letter) in given.letters {
        let (charter, entrusted) = (charter.clone(), given.entrusted.clone());
        let path = packet_path(&folder, &charter.document, &guardian);
        file_write(&path, &Packet { charter, entrusted, guardian: guardian.clone(), letter })?;
        files.insert(guardian, path);
    }
    Ok(files)
}

/// The packets of a charter's guardians that lie in the device's folder.
pub(crate) fn packets(home: &Home, charter: &Charter) -> BTreeMap<PartyName, PathBuf> {
    let people = charter.terms.guardians.iter().flat_map(|guardians| &guardians.people);
    let place = |person: &GuardianCard| {
        let path = packet_path(&home.path("guardians"), charter, &person.name);
        path.exists().then(|| (person.name.clone(), path))
    };
    people.filter_map(place).collect()
}

fn packet_path(folder: &Path, charter: &Charter, guardian: &PartyName) -> PathBuf {
    let (account, epoch) = (charter.terms.account, charter.epoch);
    folder.join(format!("{account}-epoch-{epoch}-{guardian}.packet.json"))
}

/// After an account came into force with guardians: gives them their pieces from the new recovery file.
pub(crate) fn deal_new(
    output: Output,
    home: &Home,
    charter: &Signed<Charter>,
    folder: &Path,
    passphrase: &str,
) -> BTreeMap<PartyName, PathBuf> {
    let Some(guardians) = &charter.document.terms.guardians else { return BTreeMap::new() };
    let file = recovery::file_path(folder, &charter.document, &guardians.party);
    let dealt = || {
        output.progress("making the guardians' pieces …");
        let opened = recovery::open_file(&file, passphrase)?;
        deal(home, charter, &opened, None)
    };
    dealt().unwrap_or_else(|error| {
        // The account is in force all the same.
        let account = charter.document.terms.account;
        output.progress(&format!(
            "the guardians have no pieces yet: {error:#}; run `cohold account guardians deal {account} --recovery {}`",
            file.display()
        ));
        BTreeMap::new()
    })
}

/// What to do with the packets.
pub(crate) fn told(files: &BTreeMap<PartyName, PathBuf>) -> String {
    let line = |(name, file): (&PartyName, &PathBuf)| format!("for {name}: {}", file.display());
    let mut lines: Vec<String> = files.iter().map(line).collect();
    lines
        .push("hand each to its guardian, who runs `cohold guardian accept` and sends a receipt back".into());
    lines.join("\n")
}

async fn receipt(output: Output, home: &Home, account: AccountId, files: &[PathBuf]) -> anyhow::Result<()> {
    let charter = home.account(account)?.document;
    let mut noted = noted(home, account)?.with_context(|| {
        format!("this device gave no pieces away: `cohold account guardians deal {account}` does")
    })?;
    let mut counted = Vec::new();
    for file in files {
        let signed: Signed<GuardianReceipt> = file_read(file, "a guardian's receipt")?;
        let word = &signed.document;
        if !receipt_counts(&charter, &signed) || word.entrusted != noted.entrusted.document.digest() {
            let message = format!(
                "`{}` is no receipt of a guardian for the pieces that were given last",
                file.display()
            );
            return Err(Failure::error(Exit::Failed, "receipt-refused", message));
        }
        counted.push(word.guardian.clone());
        noted.receipts.insert(word.guardian.clone(), signed);
    }
    file_write(&noted_path(home, account), &noted)?;
    let (client, device) = (home.client()?, home.unlock()?);
    hand_in(output, home, &client, &device, &charter).await;
    output.result(&json!({"account": account, "guardians": counted}), || {
        let names: Vec<&str> = counted.iter().map(PartyName::as_str).collect();
        format!("{}: the piece is at hand; the next certificate says so", names.join(", "))
    })
}

/// Guardians' receipts that count under a charter, for this device's own word.
pub(crate) fn receipts(home: &Home, charter: &Charter) -> Vec<Signed<GuardianReceipt>> {
    let noted = noted(home, charter.terms.account).ok().flatten();
    let receipts = noted.into_iter().flat_map(|noted| noted.receipts.into_values());
    receipts.filter(|receipt| receipt_counts(charter, receipt)).collect()
}

fn show(output: Output, home: &Home, account: AccountId) -> anyhow::Result<()> {
    let charter = home.account(account)?.document;
    let Some(guardians) = &charter.terms.guardians else {
        let message = "the account has no guardians: `cohold account guardians set` makes some";
        return Err(Failure::error(Exit::Failed, "no-guardians", message));
    };
    let said = receipts(home, &charter);
    let row = |person: &GuardianCard| {
        let receipt = said.iter().find(|receipt| receipt.document.guardian == person.name);
        json!({
            "name": person.name,
            "entity": person.entity,
            "fingerprint": person.identity.fingerprint(),
            "receipt_at": receipt.map(|receipt| receipt.document.issued_at),
        })
    };
    let rows: Vec<Value> = guardians.people.iter().map(row).collect();
    let Guardians { party, needed, delay_seconds, .. } = guardians;
    let value = json!({
        "account": account, "party": party, "needed": needed, "delay_seconds": delay_seconds, "guardians": rows,
    });
    output.result(&value, || {
        let mut text = format!(
            "{needed} of {} guardians hold the share of `{party}` together; they and the nodes wait {delay_seconds} seconds",
            rows.len()
        );
        for person in &guardians.people {
            let has = said.iter().any(|receipt| receipt.document.guardian == person.name);
            let has = if has { "has its piece" } else { "no receipt yet" };
            text += &format!("\n  {}  of {}  {}  {has}", person.name, person.entity, person.identity.fingerprint());
        }
        text
    })
}

fn noted(home: &Home, account: AccountId) -> anyhow::Result<Option<Noted>> {
    let path = noted_path(home, account);
    match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).with_context(|| {
            format!("`{}` is damaged: remove it, and give the pieces again", path.display())
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("`{}` cannot be read", path.display())),
    }
}

fn noted_path(home: &Home, account: AccountId) -> PathBuf {
    home.path("guardians").join(format!("{account}.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit_and_fit() {
        let check = |text: &str, expected| assert_eq!(seconds(text), expected, "{text}");
        check("2s", Some(2));
        check("90m", Some(5400));
        check("48h", Some(172_800));
        check("7d", Some(604_800));
        for bad in ["", "h", "48", "-1h", "1.5h", "é", "18446744073709551615d"] {
            check(bad, None);
        }
    }
}
