//! Shares of keys that were made elsewhere, until they are dealt. Each is for one proposal, whose terms its
//! holder saw, and is given out once: who asks for it under another proposal gets nothing.

use std::sync::{Mutex, PoisonError};

use cohold_model::account::Proposal;
use cohold_model::{Digest, Document as _, Signed};
use cohold_mpc_ecdsa::ForeignShare;

/// What a party may deal.
#[derive(Debug, Default)]
pub struct ForeignShares {
    brought: Mutex<Option<(Digest, ForeignShare)>>,
}

impl ForeignShares {
    /// A share that this process was given, to be dealt for the proposal with this digest. It takes the
    /// place of one that was given before.
    pub fn bring(&self, proposal: Digest, share: ForeignShare) {
        *self.brought.lock().unwrap_or_else(PoisonError::into_inner) = Some((proposal, share));
    }

    /// The share for this proposal, once.
    pub(crate) fn take(&self, proposal: &Signed<Proposal>) -> Option<ForeignShare> {
        let mut brought = self.brought.lock().unwrap_or_else(PoisonError::into_inner);
        let digest = proposal.document.digest();
        brought.take_if(|(named, _)| *named == digest).map(|(_, share)| share)
    }
}
