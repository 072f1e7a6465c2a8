//! This device's own word: how it sealed its share and the recovery shares that were made on it, and
//! when it last saw those open. The server keeps it for certificates.

use std::collections::BTreeMap;

use anyhow::Context as _;
use cohold_model::account::{Card, PartyKind};
use cohold_model::statement::{Sealing, Statement, Vouch};
use cohold_model::{AccountId, Charter, PartyName, Signed};
use cohold_node::Keeper as _;
use cohold_node::epochs::Epochs as _;
use cohold_party::statement::{self, Held, Memory};
use cohold_vault::file::private_replace;

use crate::client::Client;
use crate::exit::noted::{self, Exits};
use crate::home::{Device, Home};
use crate::output::Output;

/// When each recovery file was last seen open, by account and party.
type Openings = BTreeMap<AccountId, BTreeMap<PartyName, u64>>;

/// States what this device holds of an account, and signs it.
pub(crate) fn own_word(home: &Home, device: &Device, charter: &Charter) -> anyhow::Result<Signed<Statement>> {
    let account = charter.terms.account;
    let kept = device.keeper.kept(account)?;
    let held = Held { sealing: device.keeper.sealing(), token: None, since: kept.held_since };
    let me = &device.card.party;
    let identity = &device.keys.identity;
    let said = statement::state(charter, me, held, &device.rules, identity, cohold_node::now());
    let openings = openings(home)?.remove(&account).unwrap_or_default();
    let own = charter.terms.party(me).map(|(_, card)| card.entity.clone());
    let made_here = |card: &&Card| card.kind == PartyKind::Recovery && Some(&card.entity) == own.as_ref();
    let vouch = |card: &Card| Vouch {
        party: card.party.clone(),
        sealing: Sealing::SealedFile,
        held_since: kept.held_since,
        // An earlier epoch's file may have had the same name.
        opened_at: openings.get(&card.party).copied().filter(|at| *at >= kept.held_since),
    };
    let vouches = charter.terms.parties.iter().filter(made_here).map(vouch).collect();
    let Exits { drilled_at, exported_at } = noted::show(home, account)?;
    let deleted = device.keeper.deleted(account)?;
    let memory = Memory { deleted, exported_at, drilled_at };
    let receipts = crate::guardians::receipts(home, charter);
    Ok(statement::remembering(statement::vouching(said, vouches, receipts, identity), memory, identity))
}

/// Hands this device's word in. Without it a certificate is only less well known, so nothing fails.
pub(crate) async fn hand_in(
    output: Output,
    home: &Home,
    client: &Client,
    device: &Device,
    charter: &Charter,
) {
    let handed = async {
        let said = own_word(home, device, charter)?;
        client.statement_create(charter.terms.account, said).await
    };
    if let Err(error) = handed.await {
        output.progress(&format!("this device's own word was not handed in: {error:#}"));
    }
}

/// Notes that a recovery file was seen to open. What cannot be noted is not needed either.
pub(crate) fn recovery_opened(home: &Home, account: AccountId, party: &PartyName) {
    let noted = || {
        let mut all = openings(home)?;
        all.entry(account).or_default().insert(party.clone(), cohold_node::now());
        Ok::<_, anyhow::Error>(private_replace(&path(home), &serde_json::to_vec(&all)?)?)
    };
    // Of accounts of other devices, or without a device, nothing is kept.
    if home.account(account).is_ok()
        && let Err(error) = noted()
    {
        tracing::warn!(%error, "the check of a recovery file was not noted");
    }
}

fn openings(home: &Home) -> anyhow::Result<Openings> {
    let path = path(home);
    match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .with_context(|| format!("`{}` is damaged: remove it", path.display())),
        Err(_) => Ok(Openings::new()),
    }
}

fn path(home: &Home) -> std::path::PathBuf {
    home.path("recovery-checks.json")
}
