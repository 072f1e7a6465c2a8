//! The parties that a coalition does not have: their real programs, on copies of their folders, so that
//! nothing of this reaches the set-up that runs.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use cohold_model::PartyName;
use cohold_model::account::PartyKind;
use cohold_model::charter::Charter;
use cohold_node::Runtime;
use cohold_node::config::NodeConfig;
use tokio::process::Child;

use super::places::{Places, copy_folder};
use crate::approve::own_card;
use crate::client::Client;
use crate::dev::spawn;
use crate::home::Online;

/// Honest parties at work; they end when dropped.
pub(crate) struct Honest {
    _nodes: Vec<Child>,
    _device: Option<(Arc<Runtime>, Online)>,
}

impl Honest {
    /// Starts copies of `parties`, as customers of a coordinator at `address`.
    pub(crate) async fn start(
        places: &Places,
        charter: &Charter,
        parties: &[PartyName],
        address: &str,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let (mut nodes, mut device) = (Vec::new(), None);
        for party in parties {
            let (_, card) = charter.terms.party(party).context("a party of another account")?;
            let copy = folder.join(party.as_str());
            if card.kind == PartyKind::Device {
                copy_folder(&places.home.folder, &copy, &["recovery"])?;
                let opened = places.home.moved(copy).unlock()?;
                let card = own_card(&opened, charter)?;
                device = Some(opened.online(&Client::new(&format!("http://{address}"), "")?, card));
            } else {
                copy_folder(&places.dev.join(party.as_str()), &copy, &[])?;
                let path = copy.join("node.toml");
                let mut config: NodeConfig = toml::from_str(&std::fs::read_to_string(&path)?)?;
                config.relay = format!("ws://{address}{}", cohold_api::route::RELAY);
                std::fs::write(&path, toml::to_string(&config)?)?;
                let (child, _) = spawn(&["node", "--json", "--config"], &path, &copy.join("log")).await?;
                nodes.push(child);
            }
        }
        Ok(Self { _nodes: nodes, _device: device })
    }
}
