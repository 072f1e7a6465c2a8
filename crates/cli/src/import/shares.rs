//! A share set that tss-lib saved: looked at, proposed with its holders, and dealt, each holder's file at
//! its own machine.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use cohold_chain_evm::Address;
use cohold_import::tss::{Finding, SaveData, Severity};
use cohold_model::account::{Card, Proposal};
use cohold_model::ids::PartyIndex;
use cohold_model::{Document as _, Import, Origin, PartyName, Signed};
use cohold_mpc_ecdsa::ForeignKey;
use cohold_vault::file::private_create;
use serde_json::json;

use crate::account;
use crate::args::{DealArgs, InspectArgs, ProposeArgs};
use crate::home::{DEVICE, Home};
use crate::output::{Exit, Failure, Output, confirm, read_text, secret_from};

/// Reads a holder's file and examines the moduli of all holders; a key that is broken goes nowhere.
pub(super) fn read(output: Output, file: &Path) -> anyhow::Result<SaveData> {
    let data = parse(file)?;
    output.progress("examining the moduli of all holders …");
    let findings = data.findings();
    let broken: Vec<String> = findings.iter().filter(is_broken).map(ToString::to_string).collect();
    if !broken.is_empty() {
        let message = format!(
            "this key is not imported: {}. Whoever made that may have the others' shares by now: move the \
             funds with the software that has the key",
            broken.join("; ")
        );
        return Err(Failure::error(Exit::Failed, "weak-key", message));
    }
    for finding in findings {
        output.progress(&format!("suspect: {finding}"));
    }
    Ok(data)
}

fn is_broken(finding: &&Finding) -> bool {
    finding.severity == Severity::Broken
}

fn parse(file: &Path) -> anyhow::Result<SaveData> {
    let text = secret_from(Some(file), "the share file", "--share-file")?;
    let refused = |error| Failure::error(Exit::Usage, "share-file", format!("`{}`: {error}", file.display()));
    SaveData::parse(text.as_bytes()).map_err(refused)
}

/// `cohold account import inspect`.
pub(super) fn inspect(output: Output, args: &InspectArgs) -> anyhow::Result<()> {
    let data = parse(&args.share_file)?;
    output.progress("examining the moduli of all holders …");
    let findings = data.findings();
    let (key, holder) = (data.key(), data.share().party());
    let found = Address::of_public_key(&key.public_key())?;
    let advice = Origin::TssLib.advice();
    let importable = !findings.iter().any(|finding| is_broken(&finding));
    let told = |finding: &Finding| {
        let severity = if is_broken(&finding) { "broken" } else { "suspect" };
        json!({"severity": severity, "holder": finding.party, "text": finding.to_string()})
    };
    let value = json!({
        "address": found,
        "holder": holder,
        "holders": key.parties(),
        "threshold": key.threshold(),
        "importable": importable,
        "findings": findings.iter().map(told).collect::<Vec<_>>(),
        "advice": advice,
    });
    output.result(&value, || {
        let mut text = format!(
            "address    {found}\nholder     {holder} of {}; {} of them make the key",
            key.parties(),
            key.threshold()
        );
        for finding in &findings {
            text += &format!("\nfinding    {finding}");
        }
        let verdict = if importable { "can be imported" } else { "is refused: move the funds" };
        text + &format!("\nverdict    {verdict}\nadvice     {advice}")
    })
}

/// `cohold account import propose`.
pub(super) async fn propose(output: Output, home: &Home, args: &ProposeArgs) -> anyhow::Result<()> {
    let data = read(output, &args.share_file)?;
    let key = data.key();
    let found = Address::of_public_key(&key.public_key())?;
    super::check_address(home, found, args.address.as_deref())?;
    let client = home.client()?;
    let (template, threshold, wanted) = account::shape(&args.create)?;
    let usage = |message: String| Failure::error(Exit::Usage, "usage", message);
    if let Some(recovery) = wanted.iter().find(|wanted| account::is_recovery(&wanted.party)) {
        return Err(usage(format!(
            "`{}` is made within one command and cannot wait for other holders: choose other parties now, and \
             add it by `cohold account reshare` when the account is in force",
            recovery.party
        )));
    }
    let known = client.parties().await?;
    let device = home.unlock()?;
    let own = account::own_entity(&device, template, &known);
    let mut cards: Vec<Card> = Vec::new();
    for wanted in wanted {
        if wanted.party.as_str() == DEVICE {
            cards.push(Card { entity: wanted.entity.unwrap_or_else(|| own.clone()), ..device.card.clone() });
            continue;
        }
        cards.push(account::chosen_node(home, &known, &wanted, template, &own)?);
    }
    let dealers = dealers(key, data.share().party(), &args.holder)?;
    let import = key.import(Origin::TssLib, dealers);
    let proposal = account::propose(&device, template, threshold, cards, Some(import.clone()), None)?;
    import.check(&proposal.document.terms).map_err(|error| usage(error.to_string()))?;
    let text = serde_json::to_vec_pretty(&proposal)?;
    private_create(&args.out, &text).map_err(|error| usage(format!("{error}")))?;
    let digest = proposal.document.digest();
    let value = json!({
        "proposal": args.out,
        "digest": digest,
        "account": proposal.document.terms.account,
        "address": found,
        "threshold": threshold,
        "dealers": import.dealers,
        "advice": Origin::TssLib.advice(),
    });
    output.result(&value, || {
        format!(
            "{}\n{}\nnext, within a day:\n  each operator  cohold node --config node.toml import --proposal {file} --share-file …\n  \
             then you       cohold account import start --proposal {file} --share-file …",
            describe(&proposal),
            Origin::TssLib.advice(),
            file = args.out.display(),
        )
    })
}

/// Who deals for which holder: this device for its own, and exactly as many as make the key.
fn dealers(
    key: &ForeignKey,
    own: PartyIndex,
    others: &[String],
) -> anyhow::Result<BTreeMap<PartyName, PartyIndex>> {
    let usage = |message: String| Failure::error(Exit::Usage, "usage", message);
    let mut dealers: BTreeMap<PartyName, PartyIndex> = [(DEVICE.parse()?, own)].into();
    for text in others {
        let form = || usage(format!("`{text}` is not of the form PARTY=NUMBER: an example is `cosigner=2`"));
        let (party, number) = text.split_once('=').ok_or_else(form)?;
        let party: PartyName = party.parse().map_err(|_| form())?;
        let number = number.parse::<u8>().ok().and_then(|number| PartyIndex::try_from(number).ok());
        if dealers.insert(party.clone(), number.ok_or_else(form)?).is_some() {
            return Err(usage(format!("`{party}` deals for one holder: name it once")));
        }
    }
    let (found, threshold) = (dealers.len(), usize::from(key.threshold()));
    if found != threshold {
        return Err(usage(format!(
            "{threshold} of the {} holders make this key and {found} deal, this device among them: name {} \
             others by `--holder PARTY=NUMBER` (`cohold account import inspect` tells each its number)",
            key.parties(),
            threshold.saturating_sub(1)
        )));
    }
    Ok(dealers)
}

/// Reads a proposal that brings a key along.
pub(super) fn read_proposal(file: &Path) -> anyhow::Result<(Signed<Proposal>, Import)> {
    let refused = |why: String| {
        Failure::error(
            Exit::Usage,
            "proposal",
            format!("`{}` is no proposal of an import: {why}", file.display()),
        )
    };
    let text = read_text(file).with_context(|| format!("`{}` cannot be read", file.display()))?;
    let proposal: Signed<Proposal> =
        serde_json::from_str(&text).map_err(|error| refused(error.to_string()))?;
    let import = proposal.document.import.clone().ok_or_else(|| refused("it brings no key along".into()))?;
    Ok((proposal, import))
}

/// That a share is the one that a party shall deal by this proposal.
pub(super) fn check_share(data: &SaveData, import: &Import, party: &PartyName) -> anyhow::Result<()> {
    let refused = |message: String| Failure::error(Exit::Failed, "other-share", message);
    if data.key().digest() != ForeignKey::of_import(import)?.digest() {
        return Err(refused("the share file is of another key or share set than the proposal".into()));
    }
    let own = data.share().party();
    match import.dealers.get(party) {
        Some(number) if *number == own => Ok(()),
        Some(number) => {
            let message = format!(
                "the proposal has `{party}` deal for holder {number}, and this is the share of holder {own}"
            );
            Err(refused(message))
        }
        None => Err(refused(format!("`{party}` deals no share in this proposal"))),
    }
}

/// A proposal in words.
pub(super) fn describe(proposal: &Signed<Proposal>) -> String {
    let Proposal { terms, proposer, import, .. } = &proposal.document;
    let key = import.as_ref().map(|import| import.public_key.0.as_slice()).unwrap_or_default();
    let found = Address::of_public_key(key).map(|address| address.to_string()).unwrap_or_default();
    let mut text = format!(
        "account   {}\naddress   {found}\nkey       {} of {} parties sign together\nproposed by `{proposer}`, parties",
        terms.account,
        terms.threshold,
        terms.parties.len()
    );
    for (index, card) in terms.indexed() {
        let deals = import.as_ref().and_then(|import| import.dealers.get(&card.party));
        let deals = deals.map_or(String::new(), |number| format!(", deals for holder {number}"));
        let kind = card.kind.words();
        text += &format!(
            "\n  {index}  {} of {} ({kind}{deals})  {}",
            card.party,
            card.entity,
            card.identity.fingerprint()
        );
    }
    text
}

/// `cohold account import start`.
pub(super) async fn start(output: Output, home: &Home, args: &DealArgs) -> anyhow::Result<()> {
    let (proposal, import) = read_proposal(&args.proposal)?;
    let me: PartyName = DEVICE.parse()?;
    let data = read(output, &args.share_file)?;
    check_share(&data, &import, &me)?;
    let found = Address::of_public_key(&data.key().public_key())?;
    super::check_address(home, found, None)?;
    let client = home.client()?;
    let device = home.unlock()?;
    let own = proposal.document.terms.party(&me).map(|(_, card)| card.clone());
    let own = own.filter(|card| {
        card.identity == device.card.identity && proposal.is_signed_by(&me, &device.card.identity)
    });
    let Some(card) = own else {
        let message = "the proposal is not this device's: start it where it was made";
        return Err(Failure::error(Exit::Failed, "other-device", message));
    };
    output.progress(&format!("{}\n{}", describe(&proposal), Origin::TssLib.advice()));
    if !args.yes && !confirm("deal this device's share to these parties?")? {
        let message = "nothing was imported: confirm on a terminal, or give --yes";
        return Err(Failure::error(Exit::Failed, "not-confirmed", message));
    }
    device.keeper.foreign().bring(proposal.document.digest(), data.into_share());
    let charter = account::carry_out(output, home, &client, &device, card, &[], proposal).await?;
    super::told(output, home, None, &charter)
}
