//! Taking everything by way of a resharing: what the thief robbed speaks for the user, and asks real nodes
//! to give the key to parties of the thief's own. It waits as long as they do.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use cohold_chain_evm::Address;
use cohold_chain_io::Chain;
use cohold_model::account::{Card, PartyKind, Template, Terms};
use cohold_model::charter::Charter;
use cohold_model::ids::PartyIndex;
use cohold_model::{PartyName, Signed};
use cohold_node::Keeper as _;
use cohold_vault::file::{private_create, private_folder};

use super::loot::{Known, Mirror, Taken, Tried};
use super::plunder::{Container, Stolen};
use super::strategy::Strategy;
use super::take;
use crate::args::Global;
use crate::client::Client;
use crate::home::{Device, DeviceConfig, Home};
use crate::output::{Failure, Output};
use crate::recovery::file_path;
use crate::sleeper::Sleeper;
use crate::succession::{NewFiles, Succession};

/// What the thief's own device and recovery file open with.
const OWN_SECRET: &str = "a-thief-has-one-7";
/// How long nodes may take beyond their wait.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often they are asked.
const PAUSE: Duration = Duration::from_millis(500);

/// A thief that speaks for the user, at the copies of server and nodes.
pub(crate) struct Heir<'a> {
    pub(crate) output: Output,
    pub(crate) known: &'a Known,
    pub(crate) mirror: &'a Mirror,
    /// Where its own parties live.
    pub(crate) folder: &'a Path,
    pub(crate) stolen: &'a BTreeMap<PartyIndex, Stolen>,
}

/// The thief's own parties, with shares of the key.
struct Estate {
    charter: Signed<Charter>,
    shares: Vec<Stolen>,
}

impl Heir<'_> {
    /// Has the key given to parties of its own, and takes all that the account has.
    pub(crate) async fn take(
        &self,
        power: &str,
        joiner: &PartyName,
        delay_seconds: u64,
        (chain, to): (&Chain, Address),
    ) -> anyhow::Result<Taken> {
        let deadline = Duration::from_secs(delay_seconds) + PATIENCE;
        let Estate { charter, shares } = self.inherit(Some(joiner), deadline).await?;
        let held: Vec<&Stolen> = shares.iter().collect();
        let taken = take::everything(&charter.document, chain, &held, to).await?;
        Ok(Taken { power: power.into(), ..taken })
    }

    /// The same where it should come to nothing.
    pub(crate) async fn try_all(&self, chain: &Chain, to: Address) -> anyhow::Result<Tried> {
        let tried = Tried::stopped(Strategy::Resharing, 1, "");
        match self.inherit(None, PATIENCE).await {
            Ok(Estate { charter, shares }) => {
                let held: Vec<&Stolen> = shares.iter().collect();
                let taken = take::everything(&charter.document, chain, &held, to).await?;
                let outcome = format!("new shares, and with them `{}`", taken.hash);
                Ok(Tried { stopped: false, outcome, ..tried })
            }
            Err(error) => Ok(Tried { outcome: format!("{error:#}"), ..tried }),
        }
    }

    async fn inherit(&self, joiner: Option<&PartyName>, deadline: Duration) -> anyhow::Result<Estate> {
        let began = Instant::now();
        let device = self.device()?;
        let client = Client::new(&self.mirror.url, &self.mirror.token)?;
        loop {
            match self.ask(&device, &client, joiner).await {
                Err(error) if waits(&error) && began.elapsed() < deadline => tokio::time::sleep(PAUSE).await,
                answer => return answer,
            }
        }
    }

    /// Proposes the resharing, consents to it, and has it carried out.
    async fn ask(
        &self,
        device: &Device,
        client: &Client,
        joiner: Option<&PartyName>,
    ) -> anyhow::Result<Estate> {
        let old = &self.known.charter;
        let speaker = self.speaker().context("no party that speaks for the user is open")?;
        let sleepers = self.stolen.values().filter_map(|party| {
            let (_, card) = old.document.terms.party(&party.party)?;
            let (keys, share) = (Arc::clone(&party.keys), Arc::clone(&party.share));
            Some(Sleeper::of(&old.document, card.clone(), keys, share))
        });
        let recovery: PartyName = "recovery".parse()?;
        let files = self.folder.join("recovery");
        private_folder(&files)?;
        let parties = vec![(recovery.clone(), speaker.entity.clone())];
        let new = NewFiles { parties, passphrase: OWN_SECRET, folder: &files };
        // Who speaks comes first: it proposes.
        let mut sleepers: Vec<_> = sleepers.collect();
        sleepers.sort_by_key(|sleeper| sleeper.card.party != speaker.party);
        let succession = Succession::new(self.output, client, device, old.clone(), sleepers, &new)?;
        let newcomer = succession.newcomer(&recovery).context("the new file has no card")?;
        let own = Card { entity: speaker.entity.clone(), ..device.card.clone() };
        let terms = self.terms(&speaker, [own, newcomer]);
        let (resharing, assessed) = succession.propose(terms, self.dealers(joiner)?)?;
        let charter = succession.run(resharing, &assessed).await?;
        self.estate(device, charter, &recovery)
    }

    /// Two parties, both the thief's.
    fn terms(&self, speaker: &Card, parties: [Card; 2]) -> Terms {
        let old = &self.known.charter.document.terms;
        Terms {
            guardians: None,
            account: old.account,
            template: Template::Free,
            entities: old.entities.clone().into_iter().filter(|(name, _)| *name == speaker.entity).collect(),
            approvers: parties.iter().map(|card| card.party.clone()).collect(),
            parties: parties.into(),
            threshold: 2,
        }
    }

    /// Whose consent nodes take: a device of the user's, or a recovery share where no device stays.
    fn speaker(&self) -> Option<Card> {
        let terms = &self.known.charter.document.terms;
        let open = |card: &&Card| self.stolen.values().any(|party| party.party == card.party);
        let mut own: Vec<&Card> = terms.parties.iter().filter(open).collect();
        own.retain(|card| terms.is_of_user(card) && terms.approvers.contains(&card.party));
        own.sort_by_key(|card| (card.kind != PartyKind::Device, card.kind != PartyKind::Recovery));
        own.first().map(|card| (*card).clone())
    }

    /// As many as must deal: the robbed ones, the node that is to join, then the others.
    fn dealers(&self, joiner: Option<&PartyName>) -> anyhow::Result<BTreeSet<PartyName>> {
        let threshold = usize::from(self.known.charter.document.terms.threshold);
        let robbed = self.stolen.values().map(|party| &party.party);
        let nodes = joiner.into_iter().chain(&self.mirror.nodes);
        let mut dealers = BTreeSet::new();
        for party in joiner.into_iter().chain(robbed).chain(nodes) {
            if dealers.len() < threshold {
                dealers.insert(party.clone());
            }
        }
        anyhow::ensure!(dealers.len() == threshold, "only {} parties could deal", dealers.len());
        Ok(dealers)
    }

    /// What the thief's own parties hold now.
    fn estate(
        &self,
        device: &Device,
        charter: Signed<Charter>,
        recovery: &PartyName,
    ) -> anyhow::Result<Estate> {
        let new = &charter.document;
        let key = device.keeper.open(&device.keeper.kept(new.terms.account)?)?;
        let (index, card) = new.terms.party_by_identity(&device.card.identity).context("no share came")?;
        let own = Stolen {
            index,
            party: card.party.clone(),
            keys: Arc::clone(&device.keys),
            share: Arc::clone(&key.share),
            key: Some(key),
            how: "it was dealt".into(),
        };
        let path = file_path(&self.folder.join("recovery"), new, recovery);
        let file = Container::Recovery(path).open(new, &[OWN_SECRET.into()]);
        let shares = vec![own, file.context("the new recovery file does not open")?];
        Ok(Estate { charter, shares })
    }

    /// A device of the thief's own, made anew.
    fn device(&self) -> anyhow::Result<Device> {
        private_folder(self.folder)?;
        let pin = self.folder.join("pin");
        if !pin.is_file() {
            private_create(&pin, OWN_SECRET.as_bytes())?;
            private_create(&self.folder.join("rules.toml"), b"accept = []\n")?;
        }
        let (server, token) = (self.mirror.url.clone(), self.mirror.token.clone());
        let global = Global { json: true, home: Some(self.folder.into()), server: None, pin_file: Some(pin) };
        let home = Home::locate(&global)?;
        home.config_write(&DeviceConfig { server, token, entity: "me".parse()? })?;
        home.unlock()
    }
}

/// Whether a node only wants to be asked again later.
fn waits(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Failure>().is_some_and(|failure| failure.message.contains("this party joins at "))
}
