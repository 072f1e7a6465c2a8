//! A host's part in making an account.

use cohold_model::Signed;
use cohold_model::account::Proposal;
use cohold_model::charter::Charter;
use cohold_node::Keeper as _;
use cohold_party::create::{self, Made};
use cohold_party::wire::FromParty;

use super::runs::{Running, Work, receivers};
use super::{Effect, Host, say};
use crate::sim::dice::Dice;

impl Host {
    pub(super) fn create(&mut self, proposal: Signed<Proposal>, now: u64, dice: &mut Dice) -> Vec<Effect> {
        let account = proposal.document.terms.account;
        let failed = |reason: String| vec![say(FromParty::KeygenFailed { account, reason })];
        let accepted = match create::review(proposal, &self.card, &self.rules, now) {
            Ok(accepted) => accepted,
            Err(refusal) => return failed(refusal.message),
        };
        let (session, proposal) = (accepted.session(), accepted.proposal().clone());
        if self.has_run(session) || self.up().keeper.keygen_begin(&proposal, session, now).is_err() {
            // The coordinator repeats itself: whatever became of the first run stands.
            return Vec::new();
        }
        match accepted.begin(&self.keys, dice) {
            Ok((making, first)) => {
                let work = Work::Making(Box::new(making));
                let receivers = receivers(&proposal.document.terms);
                self.seat(Running { session, account, receivers, work, over: false }, first, now, dice)
            }
            Err(refusal) => failed(refusal.message),
        }
    }

    pub(super) fn made(&mut self, made: &Made, now: u64) -> Vec<Effect> {
        let account = made.charter.terms.account;
        match self.up().keeper.keygen_keep(made, now) {
            Ok(()) => vec![say(self.sign_made(made.charter.clone()))],
            Err(error) => vec![say(FromParty::KeygenFailed { account, reason: error.to_string() })],
        }
    }

    pub(super) fn sign_made(&self, charter: Charter) -> FromParty {
        let signature = Made::sign(&charter, &self.keys);
        FromParty::CharterSigned { charter, signature }
    }
}
