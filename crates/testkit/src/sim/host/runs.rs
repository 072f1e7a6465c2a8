//! The runs of a host: what takes envelopes in, and what follows when one is over.

use std::collections::BTreeMap;
use std::sync::Arc;

use cohold_model::account::Terms;
use cohold_model::charter::Charter;
use cohold_model::{AccountId, Digest, IdentityKey, PartyIndex, RequestId, SessionId};
use cohold_mpc::{Consequence, Envelope, Fault};
use cohold_mpc_ecdsa::Share;
use cohold_node::Keeper as _;
use cohold_node::keeper::{Kept, OpenedKey};
use cohold_party::create::Making;
use cohold_party::engine::SettingUp;
use cohold_party::reshare::Dealing;
use cohold_party::sign::SigningRun;
use cohold_party::wire::{FromParty, ReshareOrder};

use super::{Effect, Host, STRAYS_MAX, say};
use crate::sim::dice::Dice;

/// A run, and where its envelopes go. It stays when it is over: peers may be a round behind.
pub(super) struct Running {
    pub(super) session: SessionId,
    pub(super) account: AccountId,
    pub(super) receivers: BTreeMap<u8, IdentityKey>,
    pub(super) work: Work,
    pub(super) over: bool,
}

pub(super) enum Work {
    Making(Box<Making>),
    Signing(Box<SigningRun>),
    Dealing(Box<Dealing>, BTreeMap<PartyIndex, PartyIndex>),
    SettingUp(Box<Setup>),
}

/// Engine data in the making, and what it is for.
pub(super) struct Setup {
    pub(super) run: SettingUp,
    pub(super) order: ReshareOrder,
    pub(super) resharing: Digest,
    pub(super) charter: Charter,
    /// Until it is kept.
    pub(super) share: Option<Share>,
    pub(super) deals: bool,
}

/// What a bent host still has of earlier epochs.
pub(super) struct OldEpoch {
    pub(super) kept: Kept,
    pub(super) key: Arc<OpenedKey>,
}

impl Running {
    pub(super) fn is_open(&self) -> bool {
        !self.over
    }

    pub(super) fn post(&self, envelopes: Vec<Envelope>) -> Vec<Effect> {
        let to = |envelope: Envelope| {
            let receiver = self.receivers.get(&envelope.to.get())?;
            Some(Effect::Post(*receiver, Box::new(envelope)))
        };
        envelopes.into_iter().filter_map(to).collect()
    }

    pub(super) fn resend(&self) -> Vec<Effect> {
        self.post(match &self.work {
            Work::Making(run) => run.resend(),
            Work::Signing(run) => run.resend(),
            Work::Dealing(run, _) => run.resend(),
            Work::SettingUp(setup) => setup.run.resend(),
        })
    }

    fn receive(&mut self, envelope: &Envelope, dice: &mut Dice) -> Result<Vec<Envelope>, Fault> {
        match &mut self.work {
            Work::Making(run) => run.receive(envelope, dice),
            Work::Signing(run) => run.receive(envelope, dice),
            Work::Dealing(run, _) => run.receive(envelope, dice),
            Work::SettingUp(setup) => setup.run.receive(envelope, dice),
        }
    }
}

/// Where the envelopes of a run among the parties of these terms go.
pub(super) fn receivers(terms: &Terms) -> BTreeMap<u8, IdentityKey> {
    terms.indexed().map(|(index, card)| (index.get(), card.identity)).collect()
}

impl Host {
    /// Whether a session is running here, or was since the last start.
    pub(super) fn has_run(&self, session: SessionId) -> bool {
        self.up.iter().flat_map(|up| &up.runs).any(|run| run.session == session)
    }

    /// Seats a run: its first envelopes leave, and those that came early are taken in.
    pub(super) fn seat(
        &mut self,
        run: Running,
        first: Vec<Envelope>,
        now: u64,
        dice: &mut Dice,
    ) -> Vec<Effect> {
        let session = run.session;
        let mut effects = run.post(first);
        let up = self.up();
        up.runs.push(run);
        let (early, rest): (Vec<Envelope>, Vec<Envelope>) =
            up.strays.drain(..).partition(|envelope| envelope.session == session);
        up.strays = rest.into();
        for envelope in early {
            effects.extend(self.receive(envelope, now, dice));
        }
        effects
    }

    /// Takes in an envelope.
    pub fn receive(&mut self, envelope: Envelope, now: u64, dice: &mut Dice) -> Vec<Effect> {
        if self.up.is_none() {
            return Vec::new();
        }
        self.write_late(now);
        let up = self.up();
        let Some(place) = up.runs.iter().position(|run| run.session == envelope.session) else {
            up.strays.push_back(envelope);
            if up.strays.len() > STRAYS_MAX {
                up.strays.pop_front();
            }
            return Vec::new();
        };
        let run = up.runs.get_mut(place).expect("it was found there");
        if run.over {
            // Peers that are behind get it when this host sends again.
            return Vec::new();
        }
        match run.receive(&envelope, dice) {
            Ok(answer) => {
                let mut effects = run.post(answer);
                effects.extend(self.go_on(place, now, dice));
                effects
            }
            Err(fault) => {
                let run = up.runs.remove(place);
                self.broken(run, Some(&fault), now)
            }
        }
    }

    /// Gives a run up that waited too long.
    pub fn time_out(&mut self, session: SessionId, now: u64) -> Vec<Effect> {
        let Some(up) = self.up.as_mut() else { return Vec::new() };
        let Some(place) = up.runs.iter().position(|run| run.session == session && !run.over) else {
            return Vec::new();
        };
        let run = up.runs.remove(place);
        self.broken(run, None, now)
    }

    /// What follows when a run has its output.
    fn go_on(&mut self, place: usize, now: u64, dice: &mut Dice) -> Vec<Effect> {
        let run = self.up().runs.get_mut(place).expect("it was found there");
        match &mut run.work {
            Work::Making(making) => match making.made() {
                Some(made) => {
                    run.over = true;
                    self.made(&made, now)
                }
                None => Vec::new(),
            },
            Work::Signing(signing) => match signing.signature() {
                Some(signature) => {
                    let (session, request) = (signing.session(), signing.request());
                    run.over = true;
                    vec![say(FromParty::Signature { session, request, signature })]
                }
                None => Vec::new(),
            },
            Work::Dealing(dealing, _) => match dealing.reshared() {
                Some(reshared) => {
                    run.over = true;
                    self.dealt(place, reshared, now, dice)
                }
                None => Vec::new(),
            },
            Work::SettingUp(setup) => match setup.run.auxiliary() {
                Some(auxiliary) => {
                    run.over = true;
                    self.prepared(place, auxiliary, now)
                }
                None => Vec::new(),
            },
        }
    }

    /// A run broke off, by a fault or because nothing came: what a fault demands is done first.
    fn broken(&mut self, run: Running, fault: Option<&Fault>, now: u64) -> Vec<Effect> {
        let reason =
            fault.map_or_else(|| "the other parties did not answer in time".into(), Fault::to_string);
        let account = run.account;
        match run.work {
            Work::Making(_) => {
                drop(self.up().keeper.keygen_drop(account));
                vec![say(FromParty::KeygenFailed { account, reason })]
            }
            Work::Signing(signing) => {
                let banned = self.punish(account, fault, None, now).into_iter().collect();
                let (session, request): (_, RequestId) = (signing.session(), signing.request());
                vec![say(FromParty::Broken { session, request, reason, banned })]
            }
            Work::Dealing(dealing, places) => {
                self.punish(account, fault, Some(&places), now);
                self.give_up(dealing.accepted().order().clone(), reason, now)
            }
            Work::SettingUp(setup) => self.give_up(setup.order, reason, now),
        }
    }

    /// Does what a fault demands, durably. `places` are the points of those who sit in a run at seats of
    /// their own.
    fn punish(
        &mut self,
        account: AccountId,
        fault: Option<&Fault>,
        places: Option<&BTreeMap<PartyIndex, PartyIndex>>,
        now: u64,
    ) -> Option<PartyIndex> {
        let culprit = match &fault?.consequence {
            Consequence::Retry => return None,
            Consequence::Ban { party, .. } => match places {
                Some(places) => *places.get(party)?,
                None => *party,
            },
            Consequence::FreezeKey => {
                let kept = self.up().keeper.kept(account).ok()?;
                kept.charter.terms.party(&self.card.party)?.0
            }
        };
        let evidence = fault.map(Fault::to_string).unwrap_or_default();
        self.ban(account, culprit, &evidence, now);
        Some(culprit)
    }

    /// What a bent host has put off.
    pub(super) fn write_late(&mut self, now: u64) {
        let Some(up) = self.up.as_mut() else { return };
        for reservation in up.late.drain(..) {
            drop(up.keeper.reserve(&reservation, now));
        }
    }
}
