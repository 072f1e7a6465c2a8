//! The running digest over all broadcasts of a run. It starts from what the run is about and who
//! takes part, so that the first echo already tells parties apart that mean different things.

use std::collections::BTreeMap;

use cohold_model::canonical::{Digest, digest_parts};
use cohold_model::identity::SealKey;
use cohold_model::ids::{AccountId, Epoch, PartyIndex, SessionId};

/// Chained over the rounds: `h₀` binds the context, `hᵣ` binds `hᵣ₋₁` and the broadcasts of round r.
#[derive(Clone, Copy)]
pub(crate) struct Transcript(Digest);

impl Transcript {
    pub(crate) fn new(
        account: AccountId,
        epoch: Epoch,
        session: SessionId,
        participants: &BTreeMap<PartyIndex, SealKey>,
    ) -> Self {
        let (account, epoch) = (account.to_string(), epoch.0.to_be_bytes());
        let indices: Vec<u8> = participants.keys().map(|index| index.get()).collect();
        let mut parts: Vec<&[u8]> = vec![account.as_bytes(), &epoch, &session.0.0, &indices];
        parts.extend(participants.values().map(|key| key.0.as_slice()));
        Self(digest_parts("cohold/mpc/transcript/v1", &parts))
    }

    /// Takes in the broadcasts of one round, in the order of the parties.
    pub(crate) fn absorb(&mut self, round: u16, broadcasts: &BTreeMap<PartyIndex, Option<Vec<u8>>>) {
        let leaves: Vec<Digest> =
            broadcasts.iter().map(|(from, body)| leaf(*from, body.as_deref())).collect();
        let round = round.to_be_bytes();
        let mut parts: Vec<&[u8]> = vec![&self.0.0, &round];
        parts.extend(leaves.iter().map(|leaf| leaf.0.as_slice()));
        self.0 = digest_parts("cohold/mpc/transcript/round/v1", &parts);
    }

    pub(crate) fn digest(&self) -> Digest {
        self.0
    }
}

fn leaf(from: PartyIndex, body: Option<&[u8]>) -> Digest {
    let tag = "cohold/mpc/transcript/broadcast/v1";
    match body {
        Some(body) => digest_parts(tag, &[&[from.get()], body]),
        None => digest_parts(tag, &[&[from.get()]]),
    }
}
