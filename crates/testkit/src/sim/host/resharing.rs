//! A host's part in taking an account to its next epoch.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cohold_model::charter::Charter;
use cohold_model::handover::Handover;
use cohold_model::{Document as _, HexBytes, PartyIndex, Resharing, Signed};
use cohold_node::Keeper as _;
use cohold_node::keeper::{KeepError, Kept};
use cohold_party::create::Made;
use cohold_party::engine::{Auxiliary, Ready};
use cohold_party::reshare::{self, Accepted, Prepared, Reshared};
use cohold_party::verify::Standing;
use cohold_party::wire::{FromParty, ReshareOrder};
use cohold_party::{Refusal, wait};
use cohold_store::party::ReshareState;

use super::runs::{Running, Setup, Work, receivers};
use super::{Bug, Effect, Host, say};
use crate::sim::dice::Dice;

impl Host {
    pub(super) fn reshare(&mut self, order: ReshareOrder, now: u64, dice: &mut Dice) -> Vec<Effect> {
        let (account, digest) = (order.charter.document.terms.account, order.resharing.document.digest());
        let session = cohold_model::reshare::reshare_session(&order.resharing);
        if self.has_run(session) {
            return Vec::new();
        }
        let refused =
            |reason: String| vec![say(FromParty::ReshareFailed { account, resharing: digest, reason })];
        let (accepted, kept) = match self.review(order.clone(), now) {
            Ok(reviewed) => reviewed,
            Err(refusal) => return refused(refusal.message),
        };
        let places = kept.as_ref().map(|kept| places(&accepted, &kept.charter)).unwrap_or_default();
        let epochs = self.epochs();
        let share = kept.filter(|_| accepted.deals()).map(|kept| epochs.share(&kept)).transpose();
        let share = match share {
            Ok(share) => share,
            Err(error) => return refused(error.to_string()),
        };
        match epochs.begin(&accepted, now) {
            Ok(()) => {}
            Err(KeepError::Used(_)) => {
                let said = epochs.said(Some(&digest)).expect("the database is read");
                return said.into_iter().map(|said| say(self.say_again(said, now))).collect();
            }
            Err(error) => return refused(error.to_string()),
        }
        match accepted.begin(share.as_deref(), &self.keys, dice) {
            Ok((dealing, first)) => {
                let seats = dealing.accepted().seats().iter();
                let receivers = seats.map(|(number, seat)| (number.get(), seat.card.identity)).collect();
                let work = Work::Dealing(Box::new(dealing), places);
                self.seat(Running { session, account, receivers, work, over: false }, first, now, dice)
            }
            Err(refusal) => self.give_up(order, refusal.message, now),
        }
    }

    fn review(&mut self, order: ReshareOrder, now: u64) -> Result<(Accepted, Option<Kept>), Refusal> {
        let account = order.charter.document.terms.account;
        let kept = match self.up().keeper.kept(account) {
            Ok(kept) => Some(kept),
            Err(KeepError::Unknown(_)) => None,
            Err(error) => return Err(error.into()),
        };
        let forgets = self.bug == Some(Bug::ForgetsBans);
        let banned = kept.as_ref().filter(|_| !forgets).map(|kept| kept.banned.clone()).unwrap_or_default();
        let standing = kept.as_ref().map(|kept| Standing {
            charter: &kept.charter,
            me: &self.card.party,
            banned: &banned,
        });
        let accepted = reshare::review(order, &self.card, standing, &self.rules, now)?;
        if kept.is_some() && accepted.deals() && accepted.consenter().is_some() && self.card.kind.is_node() {
            let rules = self.rules_of(account)?;
            let charter = kept.as_ref().map(|kept| Arc::clone(&kept.charter));
            charter.map(|charter| wait::check_joins(&rules, &charter)).transpose()?;
        }
        Ok((accepted, kept))
    }

    /// The sub-shares made what they make: who leaves notes it, who holds goes on to the engine's data.
    pub(super) fn dealt(
        &mut self,
        place: usize,
        reshared: Reshared,
        now: u64,
        dice: &mut Dice,
    ) -> Vec<Effect> {
        let Reshared { charter, share } = reshared;
        let (up, keys) = (self.up.as_mut().expect("it is up"), &self.keys);
        let Some(Running { work: Work::Dealing(dealing, _), account, .. }) = up.runs.get(place) else {
            return Vec::new();
        };
        let (resharing, account) = (dealing.accepted().digest(), *account);
        let Some(share) = share else {
            let epochs = up.keeper.epochs().expect("it reshares");
            return match epochs.dealt(&resharing, &charter) {
                Ok(()) => {
                    vec![say(FromParty::ReshareDealt(reshare::dealt(&charter, &self.card.party, keys)))]
                }
                Err(_) => Vec::new(),
            };
        };
        let [_, session] = dealing.accepted().sessions();
        let (order, deals) = (dealing.accepted().order().clone(), dealing.accepted().deals());
        if self.shallow {
            return self.give_up(order, "stopped before the engine's data".into(), now);
        }
        match dealing.accepted().set_up(&charter, &share, Ready::Dkls23, keys, dice) {
            Ok((run, first)) => {
                let receivers = receivers(&charter.terms);
                let share = Some(share);
                let setup = Setup { run, order, resharing, charter, share, deals };
                let work = Work::SettingUp(Box::new(setup));
                self.seat(Running { session, account, receivers, work, over: false }, first, now, dice)
            }
            Err(refusal) => self.give_up(order, refusal.message, now),
        }
    }

    /// Share and engine data are there: first on the disk, then the charter is signed.
    pub(super) fn prepared(&mut self, place: usize, auxiliary: Auxiliary, now: u64) -> Vec<Effect> {
        let up = self.up();
        let Some(Running { work: Work::SettingUp(setup), .. }) = up.runs.get_mut(place) else {
            return Vec::new();
        };
        let Some(share) = setup.share.take() else { return Vec::new() };
        let (resharing, charter) = (setup.resharing, setup.charter.clone());
        let (order, deals) = (setup.order.clone(), setup.deals);
        let prepared = Prepared {
            resharing,
            charter: charter.clone(),
            share: Arc::new(share),
            auxiliary: Some(auxiliary),
        };
        if let Err(error) = up.keeper.epochs().expect("it reshares").keep(&prepared, now) {
            return self.give_up(order, error.to_string(), now);
        }
        let old = &order.charter.document.terms;
        let before = old.party_by_identity(&self.card.identity).filter(|_| deals);
        let dealt = before
            .map(|(_, card)| say(FromParty::ReshareDealt(reshare::dealt(&charter, &card.party, &self.keys))));
        dealt.into_iter().chain([say(self.sign_reshared(charter))]).collect()
    }

    /// Signs a charter whose share is kept durably.
    pub(super) fn sign_reshared(&self, mut charter: Charter) -> FromParty {
        if self.bug == Some(Bug::ChangesKey) {
            charter.key.public_key = HexBytes(charter.key.public_key.0.iter().rev().copied().collect());
        }
        let signature = Made::sign(&charter, &self.keys);
        let signatures = BTreeMap::from([(self.card.party.clone(), signature)]);
        FromParty::ReshareSigned { charter: Box::new(charter), signatures }
    }

    /// Makes sure that this party never signs, and says so; where it may have signed, it stays bound.
    pub(super) fn give_up(&mut self, order: ReshareOrder, reason: String, now: u64) -> Vec<Effect> {
        let resharing: Resharing = order.resharing.document.clone();
        let me = resharing.terms.party_by_identity(&self.card.identity);
        let holds = me.is_some_and(|(_, card)| *card == self.card);
        let refused = self.epochs().refuse(&order, holds, now).expect("a refusal is noted");
        let late = self.bug == Some(Bug::GivesUpLate) && holds;
        if late {
            drop(self.up().keeper.store().reshare_abandon(&resharing.digest()));
        }
        if refused || late {
            let word = reshare::abandonment(&resharing, &self.card.party, &self.keys, now);
            return vec![say(FromParty::ReshareAbandoned { abandonment: Box::new(word), reason })];
        }
        let (account, resharing) = (resharing.terms.account, resharing.digest());
        vec![say(FromParty::ReshareFailed { account, resharing, reason })]
    }

    /// What a bent host does with a share that it keeps for a charter to come: it waits for nobody.
    pub(super) fn take_early(&mut self) {
        let name = self.card.party.clone();
        let store = self.up.as_ref().expect("it is up").keeper.store();
        let rows = store.reshare_list_said().expect("the database is read").into_iter();
        for row in rows.filter(|row| row.state == ReshareState::Prepared) {
            let Some(charter) = row.charter else { continue };
            let alone = Signed::by(charter, name.clone(), &self.keys.identity);
            drop(store.reshare_commit(&row.resharing.document.digest(), &alone, None, 0));
        }
    }

    pub(super) fn reshare_cancel(&mut self, order: ReshareOrder, now: u64) -> Vec<Effect> {
        use cohold_model::reshare::{reshare_session, reshare_setup_session};
        let sessions =
            BTreeSet::from([reshare_session(&order.resharing), reshare_setup_session(&order.resharing)]);
        self.up().runs.retain(|run| !sessions.contains(&run.session));
        let digest = order.resharing.document.digest();
        let said = self.epochs().said(Some(&digest)).expect("the database is read");
        if said.is_empty() && self.review(order.clone(), now).is_err() {
            return Vec::new();
        }
        self.give_up(order, "the resharing was cancelled".into(), now)
    }

    pub(super) fn take(&mut self, handover: &Handover, now: u64) -> Vec<Effect> {
        let charter = &handover.charter.document;
        let (account, digest) = (charter.terms.account, charter.digest());
        match self.epochs().take(handover, now) {
            Ok(()) => vec![say(FromParty::ReshareTaken { account, charter: digest })],
            Err(_) => Vec::new(),
        }
    }
}

/// The points in the charter in force of those who sit in a run.
fn places(accepted: &Accepted, old: &Charter) -> BTreeMap<PartyIndex, PartyIndex> {
    let point = |card: &cohold_model::account::Card| {
        old.terms.party_by_identity(&card.identity).map(|(index, _)| index)
    };
    let seats = accepted.seats().iter();
    seats.filter_map(|(number, seat)| Some((*number, point(&seat.card)?))).collect()
}
