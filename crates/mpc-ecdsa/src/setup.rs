//! Pair setup: fresh auxiliary data among parties that hold shares already, with no change to any
//! share. So a share that was printed or recovered, which carries no auxiliary data, can sign.
//!
//! | round | broadcast | to each peer |
//! |---|---|---|
//! | 1 | digest of the key and its shares | commitment to our half of the common seed |
//! | 2 | – | the half, and the base oblivious transfers of both directions |
//!
//! These are Functionalities 3.4 (zero shares, by commitment) and 3.5 (initialisation of the two-party
//! multiplication, with the public gadget) of DKLs23, from the engine's own building blocks. A party
//! with a wrong share gets through, harmlessly: what it signs does not verify.

use std::collections::BTreeMap;

use cohold_model::canonical::{Digest, digest_parts};
use cohold_model::ids::{PartyIndex, SessionId};
use cohold_mpc::{Fault, Inbox, Outgoing, Protocol, Reason, SessionContext, Step};
use dkls23_secp256k1::utilities::hashes::HashOutput;
use dkls23_secp256k1::utilities::multiplication::{MulReceiver, MulSender};
use dkls23_secp256k1::utilities::ot::base::{OTReceiver, OTSender, Seed as TransferSeed};
use dkls23_secp256k1::utilities::proofs::{DLogProof, EncProof};
use dkls23_secp256k1::utilities::zero_shares::{Seed, ZeroShare};
use k256::{Scalar, Secp256k1};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

use crate::auxiliary::{Auxiliary, Pair};
use crate::engine::engine_index;
use crate::share::Share;
use crate::wire::{self, Room};

/// Why a pair setup was not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// The share is another party's.
    #[error("the share is party `{share}`'s, the session is party `{session}`'s")]
    Index {
        /// Whose share was given.
        share: PartyIndex,
        /// Who takes part.
        session: PartyIndex,
    },
    /// A peer that the key does not know.
    #[error("party `{0}` holds no share of this key")]
    Stranger(PartyIndex),
}

/// One run of the pair setup at one party, with all peers of its session.
pub struct AuxiliarySetup {
    me: PartyIndex,
    /// Names the key and its shares.
    key: Digest,
    session: SessionId,
    peers: Vec<PartyIndex>,
    state: State,
}

enum State {
    Fresh,
    Committed(BTreeMap<PartyIndex, Half>),
    Opened { halves: BTreeMap<PartyIndex, Half>, seen: BTreeMap<PartyIndex, HashOutput> },
    Over,
}

/// What we keep of the setup with one peer until it is done; wiped on drop.
struct Half {
    seed: Seed,
    salt: Vec<u8>,
    /// As receiver of the multiplication, we are sender of the base transfers.
    transfers_out: OTSender<Secp256k1>,
    proof: Option<DLogProof<Secp256k1>>,
    nonce: Scalar,
    /// As sender of the multiplication, we are receiver of the base transfers.
    transfers_in: OTReceiver,
    choices: Vec<bool>,
    blinds: Vec<Scalar>,
    encryptions: Vec<EncProof<Secp256k1>>,
}

impl Drop for Half {
    fn drop(&mut self) {
        self.seed.zeroize();
        self.salt.zeroize();
        self.transfers_out.s.zeroize();
        self.transfers_in.seed.zeroize();
        self.choices.zeroize();
        self.blinds.zeroize();
    }
}

/// A direct message of round 2.
#[derive(Serialize, Deserialize)]
struct PairOpening {
    seed: Seed,
    salt: Vec<u8>,
    proof: DLogProof<Secp256k1>,
    nonce: Scalar,
    #[serde(with = "crate::encryptions")]
    encryptions: Vec<EncProof<Secp256k1>>,
    transfer_seed: TransferSeed,
}

impl Drop for PairOpening {
    fn drop(&mut self) {
        self.seed.zeroize();
        self.salt.zeroize();
    }
}

impl AuxiliarySetup {
    /// A run between the holder of `share` and all peers of `context`.
    pub fn new(context: &SessionContext, share: &Share) -> Result<Self, SetupError> {
        if share.index() != context.me {
            return Err(SetupError::Index { share: share.index(), session: context.me });
        }
        let peers: Vec<PartyIndex> = context.peers.keys().copied().collect();
        match peers.iter().find(|peer| share.key().share_point(**peer).is_none()) {
            Some(stranger) => Err(SetupError::Stranger(*stranger)),
            None => Ok(Self {
                me: share.index(),
                key: share.key().digest(),
                session: context.session,
                peers,
                state: State::Fresh,
            }),
        }
    }

    fn commit(&mut self) -> Result<Outgoing, Fault> {
        let (mut halves, mut direct) = (BTreeMap::new(), BTreeMap::new());
        for &peer in &self.peers {
            let context = self.seed_context(self.me, peer)?;
            let (seed, commitment, salt) = ZeroShare::generate_seed_with_bound_commitment(&context);
            let (transfers_out, proof, nonce) = MulReceiver::init_phase1(&self.transfer_id(self.me, peer));
            let (transfers_in, choices, blinds, encryptions) =
                MulSender::<Secp256k1>::init_phase1(&self.transfer_id(peer, self.me));
            direct.insert(peer, Zeroizing::new(commitment.to_vec()));
            let proof = Some(proof);
            let half =
                Half { seed, salt, transfers_out, proof, nonce, transfers_in, choices, blinds, encryptions };
            halves.insert(peer, half);
        }
        self.state = State::Committed(halves);
        Ok(Outgoing { broadcast: Some(self.key.0.to_vec()), direct })
    }

    fn open(&mut self, mut halves: BTreeMap<PartyIndex, Half>, inbox: &Inbox) -> Result<Outgoing, Fault> {
        for broadcast in inbox.broadcasts() {
            let (from, key) = broadcast?;
            if key != self.key.0 {
                return Err(Fault::retry(Reason::Disagreement { from }));
            }
        }
        let seen = wire::directs(inbox)?;
        let mut direct = BTreeMap::new();
        for (&peer, half) in &mut halves {
            let opening = PairOpening {
                seed: half.seed,
                salt: half.salt.clone(),
                proof: half.proof.take().ok_or_else(|| Fault::retry(Reason::OutOfOrder))?,
                nonce: half.nonce,
                encryptions: std::mem::take(&mut half.encryptions),
                transfer_seed: half.transfers_in.seed,
            };
            direct.insert(peer, wire::encode(&opening, Room::Setup)?);
        }
        self.state = State::Opened { halves, seen };
        Ok(Outgoing { broadcast: None, direct })
    }

    fn finish(
        &self,
        mut halves: BTreeMap<PartyIndex, Half>,
        seen: &BTreeMap<PartyIndex, HashOutput>,
        inbox: &Inbox,
    ) -> Result<Auxiliary, Fault> {
        let openings: BTreeMap<PartyIndex, PairOpening> = wire::directs(inbox)?;
        let mut pairs = BTreeMap::new();
        for (from, opening) in openings {
            let half = halves.remove(&from).ok_or_else(|| Fault::retry(Reason::OutOfOrder))?;
            let commitment = seen.get(&from).ok_or_else(|| Fault::retry(Reason::OutOfOrder))?;
            pairs.insert(from, self.pair(from, half, commitment, &opening)?);
        }
        Ok(Auxiliary::new(self.me, self.key, pairs))
    }

    /// Both directions with one peer. A failed check here leaks nothing that lasts: all of it is
    /// dropped, so nobody is banned.
    fn pair(
        &self,
        from: PartyIndex,
        mut half: Half,
        commitment: &HashOutput,
        opening: &PairOpening,
    ) -> Result<Pair, Fault> {
        let me = self.me;
        let context = self.seed_context(from, me)?;
        if !ZeroShare::verify_bound_seed(&opening.seed, &context, commitment, &opening.salt) {
            return Err(Fault::retry(Reason::Commitment { from }));
        }
        let seed =
            ZeroShare::generate_seed_pair(engine_index(me)?, engine_index(from)?, &half.seed, &opening.seed);
        let refused = |_| Fault::retry(Reason::ObliviousTransfer { from });
        let receiver = MulReceiver::init_phase2(
            &half.transfers_out,
            &self.transfer_id(me, from),
            &opening.transfer_seed,
            &opening.encryptions,
            &half.nonce,
        )
        .map_err(refused)?;
        let sender = MulSender::init_phase2(
            &half.transfers_in,
            &self.transfer_id(from, me),
            std::mem::take(&mut half.choices),
            &half.blinds,
            &opening.proof,
            &opening.nonce,
        )
        .map_err(refused)?;
        let pair = Pair { seed, sender, receiver };
        if pair.is_sound(me, from) { Ok(pair) } else { Err(Fault::retry(Reason::Malformed { from })) }
    }

    fn seed_context(&self, from: PartyIndex, to: PartyIndex) -> Result<HashOutput, Fault> {
        let ids: [&[u8]; 2] = [&self.key.0, &self.session.0.0];
        Ok(ZeroShare::seed_context(b"cohold/pair-setup/v1", &ids, engine_index(from)?, engine_index(to)?))
    }

    /// The session of the base transfers in which `receiver` will be receiver of the multiplication.
    fn transfer_id(&self, receiver: PartyIndex, sender: PartyIndex) -> [u8; 32] {
        let parties = [receiver.get(), sender.get()];
        let parts: [&[u8]; 3] = [&self.key.0, &self.session.0.0, &parties];
        digest_parts("cohold/ecdsa/pair-setup/transfer/v1", &parts).0
    }
}

impl Protocol for AuxiliarySetup {
    type Output = Auxiliary;
    /// The one broadcast is compared with our own, and pairs that differ are told apart when signing.
    const CONFIRMED: bool = false;

    fn start(&mut self, _: &mut impl CryptoRng) -> Result<Step<Auxiliary>, Fault> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Fresh => self.commit().map(Step::Send),
            _ => Err(Fault::retry(Reason::OutOfOrder)),
        }
    }

    fn round(&mut self, inbox: Inbox, _: &mut impl CryptoRng) -> Result<Step<Auxiliary>, Fault> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Committed(halves) => self.open(halves, &inbox).map(Step::Send),
            State::Opened { halves, seen } => self.finish(halves, &seen, &inbox).map(Step::Done),
            State::Fresh | State::Over => Err(Fault::retry(Reason::OutOfOrder)),
        }
    }
}
