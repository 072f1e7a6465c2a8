//! Copies of the real server and nodes, for what cannot be undone: a resharing that succeeds changes the
//! account for good. They know no chain; what the new shares sign goes to the chain from the thief.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use cohold_custody::{Answer, Kind, explain};
use cohold_model::account::{Card, PartyKind};
use cohold_model::{AccountId, IdentityKey, PartyName};
use cohold_node::config::NodeConfig;
use cohold_vault::file::private_folder;
use tokio::process::Child;
use tokio::time::timeout;

use super::coalition::Play;
use super::loot::{Goal, Mirror, Reach};
use super::places::{Places, copy_folder};
use super::run::{Field, Target};
use crate::chain::child;
use crate::client::Client;
use crate::dev::{free_port, spawn};
use crate::home::DeviceConfig;
use crate::recovery::PASSPHRASE_VARIABLE;

/// How long the nodes may take to find the server.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often the user looks for something to object to.
const LOOK: Duration = Duration::from_millis(300);

/// Server and nodes at work on copies, and a user who watches; they end when dropped.
pub(crate) struct Mirrored {
    pub(crate) mirror: Mirror,
    _server: Child,
    _nodes: Vec<Child>,
    _user: Option<tokio::task::JoinSet<()>>,
}

/// Whether a play asks for a resharing: because it should succeed, or to see that it fails.
pub(crate) fn is_wanted(target: &Target, play: &Play) -> anyhow::Result<bool> {
    let inherits = play.goals.iter().any(|goal| matches!(goal, Goal::Reshare { .. }));
    let asks = play.named || target.said.iter().any(|said| said.resharing_delay.is_some());
    if inherits || !play.beyond || !asks {
        return Ok(inherits);
    }
    let terms = &target.charter.document.terms;
    let mut robbed = false;
    for card in terms.parties.iter().filter(|card| terms.is_of_user(card) && !card.kind.is_node()) {
        robbed |= reaches(target, card, &play.coalition)?;
    }
    Ok(robbed)
}

impl Mirrored {
    /// Starts them. The user objects in time where the model says that somebody can, and the play is not one
    /// that should succeed.
    pub(crate) async fn start(
        field: &Field,
        reach: &Reach,
        target: &Target,
        play: &Play,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let (places, charter) = (&field.places, &target.charter.document);
        private_folder(folder)?;
        let address = format!("127.0.0.1:{}", free_port()?);
        let server = start_server(places, &address, folder).await?;
        let (url, token) = (format!("http://{address}"), reach.token.clone());
        let mut nodes = Vec::new();
        let mut names = Vec::new();
        for card in charter.terms.parties.iter().filter(|card| card.kind.is_node()) {
            if !reaches(target, card, &play.coalition)? {
                nodes.push(start_node(places, &card.party, &address, folder).await?);
                names.push(card.party.clone());
            }
        }
        names.sort_by_key(|party| delay(target, party).is_none());
        wait_for(&Client::new(&url, &token)?, charter.terms.parties.iter(), &names).await?;
        let mirror = Mirror { url, token, nodes: names };
        let inherits = play.goals.iter().any(|goal| matches!(goal, Goal::Reshare { .. }));
        let user = if inherits { None } else { watch(places, &mirror, target, play, folder)? };
        Ok(Self { mirror, _server: server, _nodes: nodes, _user: user })
    }
}

/// Whether a coalition has a party's share, by the model.
fn reaches(target: &Target, card: &Card, coalition: &[String]) -> anyhow::Result<bool> {
    let power = format!("use:{}", target.called.party(&card.party));
    Ok(matches!(explain(&target.model, &power, coalition)?.answer, Answer::Yes { .. }))
}

/// How long a node waits before it joins, as it has said; none: it joins in nothing.
fn delay(target: &Target, party: &PartyName) -> Option<u64> {
    target.said.iter().find(|said| said.party == *party)?.resharing_delay
}

async fn start_server(places: &Places, address: &str, folder: &Path) -> anyhow::Result<Child> {
    let copy = folder.join("server");
    copy_folder(&places.dev.join("server"), &copy, &[])?;
    let path = copy.join("server.toml");
    let mut settings: toml::Table = toml::from_str(&std::fs::read_to_string(&path)?)?;
    settings.remove("chain");
    settings.insert("listen".into(), address.into());
    std::fs::write(&path, toml::to_string(&settings)?)?;
    Ok(spawn(&["server", "--json", "--config"], &path, &copy.join("log")).await?.0)
}

async fn start_node(
    places: &Places,
    party: &PartyName,
    address: &str,
    folder: &Path,
) -> anyhow::Result<Child> {
    let copy = folder.join(party.as_str());
    copy_folder(&places.dev.join(party.as_str()), &copy, &[])?;
    let path = copy.join("node.toml");
    let mut config: NodeConfig = toml::from_str(&std::fs::read_to_string(&path)?)?;
    config.relay = format!("ws://{address}{}", cohold_api::route::RELAY);
    std::fs::write(&path, toml::to_string(&config)?)?;
    Ok(spawn(&["node", "--json", "--config"], &path, &copy.join("log")).await?.0)
}

async fn wait_for<'a>(
    client: &Client,
    cards: impl Iterator<Item = &'a Card>,
    names: &[PartyName],
) -> anyhow::Result<()> {
    let wanted: Vec<_> = cards.filter(|card| names.contains(&card.party)).map(|card| card.identity).collect();
    let all_here = async {
        loop {
            let known = client.parties().await.unwrap_or_default();
            let online = |identity: &IdentityKey| {
                known.iter().any(|v| v.online && v.card.document.identity == *identity)
            };
            if wanted.iter().all(online) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, all_here).await.context("the copies of the nodes did not reach the copy of the server")
}

/// A user with what the coalition lacks, who looks at what the nodes were asked, and objects.
fn watch(
    places: &Places,
    mirror: &Mirror,
    target: &Target,
    play: &Play,
    folder: &Path,
) -> anyhow::Result<Option<tokio::task::JoinSet<()>>> {
    if !mirror.nodes.iter().any(|party| delay(target, party).is_some_and(|seconds| seconds > 0)) {
        return Ok(None);
    }
    let charter = &target.charter.document;
    // Doubts never help who defends.
    let solid = target.model.atoms().iter().filter(|(_, atom)| atom.kind != Kind::Doubt);
    let left = solid.map(|(name, _)| name).filter(|name| !play.coalition.contains(*name));
    let left: Vec<String> = left.cloned().collect();
    for card in charter.terms.parties.iter().filter(|card| charter.terms.is_of_user(card)) {
        if !reaches(target, card, &left)? || card.kind.is_node() {
            continue;
        }
        let home = folder.join("user");
        let mut words: Vec<PathBuf> = Vec::new();
        let secret = match card.kind {
            PartyKind::Recovery => {
                words = vec!["--recovery".into(), places.recovery_file(charter, &card.party)];
                (PASSPHRASE_VARIABLE, places.recovery_passphrase()?)
            }
            _ => ("COHOLD_PIN", places.pin()?),
        };
        copy_folder(&places.home.folder, &home, &["recovery"])?;
        let config =
            DeviceConfig { server: mirror.url.clone(), token: mirror.token.clone(), ..places.home.config()? };
        places.home.moved(home.clone()).config_write(&config)?;
        let mut user = tokio::task::JoinSet::new();
        user.spawn(object(home, charter.terms.account, words, secret));
        return Ok(Some(user));
    }
    Ok(None)
}

/// The user's own command, until it found something to object to.
async fn object(home: PathBuf, account: AccountId, words: Vec<PathBuf>, (name, secret): (&str, String)) {
    let Ok(own) = std::env::current_exe() else { return };
    loop {
        let mut command = child(&own);
        command.args(["custody", "change", "veto", "--json", "--home"]).arg(&home).arg(account.to_string());
        command.args(&words).env_remove("COHOLD_SERVER").env_remove("COHOLD_TOKEN").env(name, &secret);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        if command.status().await.is_ok_and(|status| status.success()) {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}
