//! Hosts, the coordinator and the network between them, one step at a time.

use std::collections::BTreeSet;

use cohold_model::charter::Charter;
use cohold_model::{AccountId, IdentityKey, SessionId, Signed};
use cohold_mpc::Envelope;
use cohold_party::wire::{FromParty, ToParty};

use super::coordinator::Coordinator;
use super::dice::Dice;
use super::disk::Disk;
use super::host::{Effect, Host};
use super::watch::{Violation, Watch};
use crate::reseal::TwoFaced;

/// The most that is under way at once; what is oldest is lost beyond it.
const FLYING_MAX: usize = 600;
/// When the world begins, in seconds since 1970.
const BEGINNING: u64 = 1_800_000_000;

/// A cluster in one thread.
pub struct World {
    /// The parties.
    pub hosts: Vec<Host>,
    /// The coordinator: hostile as it likes.
    pub coordinator: Coordinator,
    /// The watch over all.
    pub watch: Watch,
    /// Where all chance comes from.
    pub dice: Dice,
    /// The parties' randomness: how much of it they use changes no chance.
    bytes: Dice,
    /// What happened.
    pub log: Vec<String>,
    pub(super) account: AccountId,
    pub(super) now: u64,
    pub(super) flying: Vec<Flying>,
    /// The side of each host while the network is cut in two; the coordinator is on side 0.
    pub(super) sides: Vec<u8>,
    pub(super) liars: Vec<Liar>,
    pub(super) backups: Vec<(usize, Disk)>,
    /// Hosts whose disk is older than what they have said.
    pub(super) behind: BTreeSet<usize>,
    pub(super) said: Vec<(IdentityKey, ToParty)>,
    pub(super) payments: u64,
}

/// Something under way.
#[derive(Clone)]
pub(super) enum Flying {
    Envelope { from: usize, to: usize, envelope: Box<Envelope> },
    Order { to: usize, words: Box<ToParty> },
    Answer { from: usize, words: Box<FromParty> },
}

/// A party that lies in a session, with its own keys.
pub(super) struct Liar {
    pub(super) session: SessionId,
    pub(super) from: usize,
    pub(super) face: TwoFaced,
}

/// What becomes of what a host wants sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It leaves.
    Leaves,
    /// The host goes down after so many messages have left; all that was to be written is.
    CutAfter(usize),
}

impl World {
    /// These hosts, down, with what the coordinator knows.
    #[must_use]
    pub fn new(hosts: Vec<Host>, account: AccountId, coordinator: Coordinator, seed: u64) -> Self {
        let watch = Watch::over(&hosts, account);
        let sides = vec![0; hosts.len()];
        let (log, flying, liars, backups, behind, said) = Default::default();
        let (dice, bytes, now) = (Dice::new(seed), Dice::new(!seed), BEGINNING);
        Self {
            hosts,
            coordinator,
            watch,
            dice,
            bytes,
            log,
            account,
            now,
            flying,
            sides,
            liars,
            backups,
            behind,
            said,
            payments: 0,
        }
    }

    /// Writes down what happens.
    pub(super) fn note(&mut self, what: String) {
        self.log.push(what);
    }

    pub(super) fn name(&self, i: usize) -> String {
        self.hosts.get(i).map(|host| host.card.party.to_string()).unwrap_or_default()
    }

    pub(super) fn place(&self, identity: &IdentityKey) -> Option<usize> {
        self.hosts.iter().position(|host| host.card.identity == *identity)
    }

    /// The places of the parties of a charter, in its order.
    pub(super) fn places(&self, charter: &Charter) -> Vec<usize> {
        charter.terms.parties.iter().filter_map(|card| self.place(&card.identity)).collect()
    }

    /// Something happens at a host: it writes, it wants things sent, and fate decides on those.
    pub(super) fn act(
        &mut self,
        i: usize,
        fate: Fate,
        what: impl FnOnce(&mut Host, u64, &mut Dice) -> Vec<Effect>,
    ) -> Result<(), Violation> {
        let Some(host) = self.hosts.get_mut(i) else { return Ok(()) };
        let mut effects = what(host, self.now, &mut self.bytes);
        // In the order in which it happens at a host: what leaves a session leaves before its ban is known.
        effects.iter().try_for_each(|effect| self.watch.sent(i, effect))?;
        if let Some(store) = host.store() {
            self.watch.look(i, store)?;
        }
        if let Fate::CutAfter(count) = fate {
            effects.truncate(count);
            host.cut();
            self.log.push(format!("{} goes down after {} messages", host.card.party, effects.len()));
        }
        effects.into_iter().for_each(|effect| self.send(i, effect));
        Ok(())
    }

    fn send(&mut self, from: usize, effect: Effect) {
        match effect {
            Effect::Post(to, envelope) => {
                let Some(to) = self.place(&to) else { return };
                let liar =
                    self.liars.iter_mut().find(|liar| liar.session == envelope.session && liar.from == from);
                let bent = liar.and_then(|liar| liar.face.retell(&envelope, &mut bend));
                let envelope = bent.map_or(envelope, Box::new);
                self.fly(Flying::Envelope { from, to, envelope });
            }
            Effect::Say(words) => self.fly(Flying::Answer { from, words }),
        }
    }

    fn fly(&mut self, what: Flying) {
        self.flying.push(what);
        if self.flying.len() > FLYING_MAX {
            self.flying.remove(0);
        }
    }

    /// The coordinator says something, and may say it again whenever it likes.
    pub(super) fn say(&mut self, to: usize, words: ToParty) {
        let Some(host) = self.hosts.get(to) else { return };
        self.said.push((host.card.identity, words.clone()));
        self.fly(Flying::Order { to, words: Box::new(words) });
    }

    /// Whether something reaches where it is to go.
    pub(super) fn passes(&self, what: &Flying) -> bool {
        let side = |i: usize| self.sides.get(i).copied().unwrap_or_default();
        match what {
            Flying::Envelope { from, to, .. } => side(*from) == side(*to),
            Flying::Order { to, .. } => side(*to) == 0,
            Flying::Answer { from, .. } => side(*from) == 0,
        }
    }

    /// Brings something to its receiver.
    pub(super) fn deliver(&mut self, what: Flying, fate: Fate) -> Result<(), Violation> {
        match what {
            Flying::Envelope { to, envelope, .. } => {
                self.act(to, fate, |host, now, dice| host.receive(*envelope, now, dice))
            }
            Flying::Order { to, words } => {
                if let ToParty::Reshared(handover) = &*words {
                    self.follows(to, &handover.charter);
                }
                self.act(to, fate, |host, now, dice| host.hear(*words, now, dice))
            }
            Flying::Answer { from, words } => self.heard(from, &words),
        }
    }

    /// The coordinator hears; what is complete it hands out at once.
    fn heard(&mut self, from: usize, words: &FromParty) -> Result<(), Violation> {
        let Some(host) = self.hosts.get(from) else { return Ok(()) };
        let name = host.card.party.clone();
        self.note(format!("coordinator hears {name}: {}", summary(words)));
        self.check_signature(words)?;
        if !self.coordinator.hear(words, &name) {
            return Ok(());
        }
        let Some(charter) = self.coordinator.charter.clone() else { return Ok(()) };
        self.watch.complete(&charter.document)?;
        self.note(format!("charter version {} is complete", charter.document.version));
        self.hand_out();
        Ok(())
    }

    /// A host that takes the newest charter is not behind any more.
    fn follows(&mut self, i: usize, charter: &Signed<Charter>) {
        let host = self.hosts.get(i);
        let prepared = host.and_then(Host::store).is_some_and(|store| {
            let previous = charter.document.previous;
            let open = previous.and_then(|digest| store.reshare_open(self.account, &digest).ok().flatten());
            open.is_some_and(|row| row.charter.as_ref() == Some(&charter.document))
        });
        if prepared {
            self.behind.remove(&i);
        }
    }
}

/// The bulk of a signer's first message is the matrix of the oblivious-transfer extension.
fn bend(words: &mut crate::reseal::Words) {
    if let (1, Some(direct)) = (words.round, &mut words.direct) {
        let middle = direct.len() / 2;
        if let Some(byte) = direct.get_mut(middle) {
            *byte ^= 1;
        }
    }
}

fn summary(words: &FromParty) -> String {
    match words {
        FromParty::Hello { .. } => "hello".into(),
        FromParty::CharterSigned { .. } => "signs the first charter".into(),
        FromParty::KeygenFailed { reason, .. } => format!("no key: {reason}"),
        FromParty::Signature { .. } => "a signature".into(),
        FromParty::Refused { refusal, .. } => format!("refuses: {:?}", refusal.code),
        FromParty::Broken { banned, .. } => format!("session broke off, bans {}", banned.len()),
        FromParty::ReshareSigned { charter, .. } => format!("signs charter version {}", charter.version),
        FromParty::ReshareDealt(_) => "dealt".into(),
        FromParty::ReshareFailed { reason, .. } => {
            format!("resharing failed: {}", reason.split('`').next().unwrap_or_default())
        }
        FromParty::ReshareAbandoned { .. } => "never signs the resharing".into(),
        FromParty::ReshareTaken { .. } => "is under the new charter".into(),
        _ => "words".into(),
    }
}
