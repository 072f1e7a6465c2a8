//! One party without a process: words and envelopes in, writes through the keeper, effects out.

mod creating;
mod resharing;
mod runs;
mod signing;

use std::collections::VecDeque;
use std::sync::Arc;

use cohold_model::account::{Card, PartyKind};
use cohold_model::{AccountId, IdentityKey, SessionId};
use cohold_mpc::{Envelope, PartyKeys};
use cohold_node::config::Proposals;
use cohold_node::vaulted::VaultedKeeper;
use cohold_node::{Keeper as _, epochs::Said};
use cohold_party::Rules;
use cohold_party::reshare;
use cohold_party::verify::Reservation;
use cohold_party::wire::{FromParty, ToParty};
use cohold_store::PartyStore;
use cohold_vault::Vault;

use super::dice::Dice;
use super::disk::Disk;
use runs::{OldEpoch, Running};

/// The most envelopes that wait for a session whose order has not come.
const STRAYS_MAX: usize = 64;

/// The most runs that are over and still sent again.
const LINGERING_MAX: usize = 3;

/// What is bent at a host, to see that the watch finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// A signing session is counted after its first messages have left.
    CountsLate,
    /// A resharing is given up although its charter may have been signed.
    GivesUpLate,
    /// Orders under an earlier charter are served with the old share, which is kept.
    ServesOldEpochs,
    /// Bans are forgotten at each start.
    ForgetsBans,
    /// A new charter is taken into force on this party's signature alone.
    TakesEarly,
    /// Each session begins with the same random bytes.
    RepeatsBytes,
    /// The charter that it signs has another public key.
    ChangesKey,
}

/// What a host wants sent.
#[derive(Debug, Clone)]
pub enum Effect {
    /// To another party.
    Post(IdentityKey, Box<Envelope>),
    /// To the coordinator.
    Say(Box<FromParty>),
}

/// Who a party is, whatever its disk holds.
#[derive(Clone)]
pub struct Person {
    /// The card that it hands out.
    pub card: Card,
    /// Its keys: the test may be anybody.
    pub keys: Arc<PartyKeys>,
    /// Its rules file.
    pub rules: Rules,
    /// What seals its shares.
    pub vault: Arc<dyn Vault>,
}

/// One party: who it is, its disk, and what runs while it is up.
pub struct Host {
    /// The card that it hands out.
    pub card: Card,
    /// Its keys: the test may be anybody.
    pub keys: Arc<PartyKeys>,
    /// What is on its disk, whether it is up or not.
    pub disk: Disk,
    /// What is bent.
    pub bug: Option<Bug>,
    /// Whether it gives resharings up before the engine's data, which is nearly all of their cost.
    pub shallow: bool,
    rules: Rules,
    vault: Arc<dyn Vault>,
    up: Option<Up>,
}

/// What is lost when a host goes down.
struct Up {
    keeper: VaultedKeeper,
    runs: Vec<Running>,
    strays: VecDeque<Envelope>,
    /// What a bent host counts only at its next event.
    late: Vec<Reservation>,
    old: Vec<OldEpoch>,
}

impl Host {
    /// A party with this disk, down.
    #[must_use]
    pub fn new(person: Person, disk: Disk) -> Self {
        let Person { card, keys, rules, vault } = person;
        Self { card, keys, disk, bug: None, shallow: false, rules, vault, up: None }
    }

    /// Whether it is up.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.up.is_some()
    }

    /// Its store, while it is up.
    #[must_use]
    pub fn store(&self) -> Option<&PartyStore> {
        self.up.as_ref().map(|up| up.keeper.store())
    }

    /// Cuts it off: nothing that was only in memory is left.
    pub fn cut(&mut self) {
        self.up = None;
    }

    /// Starts it from its disk, as a node starts, and says what it says on a new connection.
    pub fn start(&mut self) -> Vec<Effect> {
        let keeper = VaultedKeeper::new(self.disk.open(), Arc::clone(&self.vault), self.card.party.clone());
        let keeper = keeper.expect("the database is whole");
        let keeper = match self.card.kind {
            PartyKind::Device | PartyKind::Recovery => keeper,
            PartyKind::Cosigner | PartyKind::Guardian => {
                keeper.under(self.rules.clone(), Proposals::Coordinator).expect("the database is whole")
            }
        };
        let (runs, strays, late, old) = Default::default();
        self.up = Some(Up { keeper, runs, strays, late, old });
        if self.bug == Some(Bug::TakesEarly) {
            self.take_early();
        }
        self.hello()
    }

    /// What it says on every new connection.
    pub fn hello(&mut self) -> Vec<Effect> {
        let Some(up) = &self.up else { return Vec::new() };
        let abandoned = up.keeper.abandoned().into_iter().map(|account| FromParty::KeygenFailed {
            account,
            reason: "this party stopped before it kept its share".into(),
        });
        let pending = up.keeper.pending().expect("the database is read");
        let signed = pending.into_iter().map(|charter| self.sign_made(charter));
        let again = up.keeper.epochs().expect("it reshares").said(None).expect("the database is read");
        let again = again.into_iter().map(|said| self.say_again(said, 0));
        abandoned.chain(signed).chain(again).map(say).collect()
    }

    /// Takes in the coordinator's words.
    pub fn hear(&mut self, words: ToParty, now: u64, dice: &mut Dice) -> Vec<Effect> {
        self.write_late(now);
        match words {
            _ if self.up.is_none() => Vec::new(),
            ToParty::Keygen { proposal } => self.create(proposal, now, dice),
            ToParty::Charter { charter } => {
                // A charter that is refused changes nothing.
                drop(self.up().keeper.activate(&charter, now));
                Vec::new()
            }
            ToParty::Abandon { account } => {
                self.up().runs.retain(|run| run.account != account);
                drop(self.up().keeper.keygen_drop(account));
                Vec::new()
            }
            ToParty::Sign(order) => self.sign(*order, now, dice),
            ToParty::Reshare(order) => self.reshare(*order, now, dice),
            ToParty::ReshareCancel(order) => self.reshare_cancel(*order, now),
            ToParty::ReshareAbandon { abandonment } => {
                drop(self.epochs().abandon(&abandonment));
                Vec::new()
            }
            ToParty::Reshared(handover) => self.take(&handover, now),
            ToParty::Presign(_)
            | ToParty::Statement { .. }
            | ToParty::Rules { .. }
            | ToParty::RulesPropose { .. }
            | ToParty::RulesConsent { .. }
            | ToParty::RulesReject { .. }
            | ToParty::Recovery { .. }
            | ToParty::Veto { .. } => Vec::new(),
        }
    }

    /// The sessions of runs that are not over.
    #[must_use]
    pub fn open_runs(&self) -> Vec<SessionId> {
        let runs = self.up.iter().flat_map(|up| &up.runs);
        runs.filter(|run| run.is_open()).map(|run| run.session).collect()
    }

    /// What it sends again when nothing comes; of runs that are over, the last ones, for peers that are behind.
    #[must_use]
    pub fn resend(&self) -> Vec<Effect> {
        let runs = || self.up.iter().flat_map(|up| up.runs.iter().rev());
        let (open, over) = (runs().filter(|run| run.is_open()), runs().filter(|run| !run.is_open()));
        open.chain(over.take(LINGERING_MAX)).flat_map(Running::resend).collect()
    }

    fn up(&mut self) -> &mut Up {
        self.up.as_mut().expect("it is up: looked at the door")
    }

    fn epochs(&mut self) -> &dyn cohold_node::epochs::Epochs {
        self.up().keeper.epochs().expect("the keeper of nodes and devices reshares")
    }

    /// What it says of a resharing, again.
    fn say_again(&self, said: Said, now: u64) -> FromParty {
        match said {
            Said::Signed(charter, _) => self.sign_reshared(charter),
            Said::Dealt(charter) => {
                FromParty::ReshareDealt(reshare::dealt(&charter, &self.card.party, &self.keys))
            }
            Said::Refused(resharing) => FromParty::ReshareAbandoned {
                abandonment: Box::new(reshare::abandonment(&resharing, &self.card.party, &self.keys, now)),
                reason: "this party's run of it was cut off".into(),
            },
        }
    }

    /// Bans, and ends all sessions of the account; first the ban is on the disk.
    fn ban(&mut self, account: AccountId, culprit: cohold_model::PartyIndex, evidence: &str, now: u64) {
        let up = self.up();
        up.keeper.ban(account, culprit, evidence, now).expect("a ban is stored");
        up.runs.retain(|run| run.account != account);
    }
}

fn say(words: FromParty) -> Effect {
    Effect::Say(Box::new(words))
}
