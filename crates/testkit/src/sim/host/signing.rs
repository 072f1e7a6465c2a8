//! A host's part in a signature.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;

use cohold_model::AccountId;
use cohold_node::Keeper as _;
use cohold_node::keeper::{Kept, OpenedKey};
use cohold_party::verify::{self, Standing};
use cohold_party::wire::{FromParty, SignOrder};
use cohold_party::{Refusal, Rules};

use super::runs::{OldEpoch, Running, Work, receivers};
use super::{Bug, Effect, Host, say};
use crate::sim::dice::Dice;

/// Where a bent host begins each session.
const SAME_BYTES: u64 = 7;

impl Host {
    pub(super) fn sign(&mut self, order: SignOrder, now: u64, dice: &mut Dice) -> Vec<Effect> {
        let (session, request) = (order.session(), order.intent.request);
        if self.has_run(session) {
            return Vec::new();
        }
        match self.sign_in(order, now, dice) {
            Ok(effects) => effects,
            Err(refusal) => vec![say(FromParty::Refused { session, request, refusal })],
        }
    }

    fn sign_in(&mut self, order: SignOrder, now: u64, dice: &mut Dice) -> Result<Vec<Effect>, Refusal> {
        let (account, session) = (order.intent.account, order.session());
        let (kept, key) = self.standing(&order)?;
        let banned = if self.bug == Some(Bug::ForgetsBans) { BTreeSet::new() } else { kept.banned.clone() };
        let rules = self.rules_of(account)?;
        let standing = Standing { charter: &kept.charter, me: &self.card.party, banned: &banned };
        let reviewed = verify::review(order, standing, &rules, now)?;
        let up = self.up.as_mut().expect("it is up: looked at the door");
        let authorized = if self.bug == Some(Bug::CountsLate) {
            up.late.push(reviewed.reservation());
            match reviewed.authorize(|_| Ok::<_, Infallible>(())) {
                Ok(authorized) => authorized,
                Err(never) => match never {},
            }
        } else {
            reviewed.authorize(|reservation| up.keeper.reserve(reservation, now))?
        };
        let mut same = Dice::new(SAME_BYTES);
        let bytes = if self.bug == Some(Bug::RepeatsBytes) { &mut same } else { &mut *dice };
        let begun =
            authorized.begin(&kept.charter, &banned, &key.share, &key.auxiliary, &self.keys, bytes)?;
        let (work, receivers) = (Work::Signing(Box::new(begun.0)), receivers(&kept.charter.terms));
        Ok(self.seat(Running { session, account, receivers, work, over: false }, begun.1, now, dice))
    }

    /// The account as it is kept here, with the opened key.
    fn standing(&mut self, order: &SignOrder) -> Result<(Kept, Arc<OpenedKey>), Refusal> {
        let serves_old = self.bug == Some(Bug::ServesOldEpochs);
        let up = self.up();
        let kept = up.keeper.kept(order.intent.account)?;
        let known = up.old.iter().find(|old| serves_old && old.kept.charter.digest() == order.charter);
        if let Some(OldEpoch { kept, key }) = known {
            return Ok((kept.clone(), Arc::clone(key)));
        }
        let key = up.keeper.open(&kept)?;
        if serves_old {
            up.old.push(OldEpoch { kept: kept.clone(), key: Arc::clone(&key) });
        }
        Ok((kept, key))
    }

    pub(super) fn rules_of(&mut self, account: AccountId) -> Result<Arc<Rules>, Refusal> {
        let rules = self.rules.clone();
        match self.up().keeper.rulebook() {
            Some(book) => Ok(book.in_force(account)?),
            None => Ok(Arc::new(rules)),
        }
    }
}
