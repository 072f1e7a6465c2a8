//! Key generation, t-of-n: DKLs23's Protocol 9.1 of <https://eprint.iacr.org/2023/602>, with the pairs'
//! oblivious-transfer setup and the chain code alongside.
//!
//! | round | broadcast | to each peer |
//! |---|---|---|
//! | 1 | threshold and number of parties | pᵢ(j), the fragment of its share (steps 1, 2) |
//! | 2 | commitment to all of round 3's broadcast | commitment to the common seed (step 3) |
//! | 3 | P(i) = p(i)·G with its proof, chain code part (step 4) | seed, oblivious-transfer setup |
//! | 4 | echo only: confirms that all saw the same | |
//!
//! The order matters: nobody shows P(i) before everybody is committed to theirs, or the last one would
//! choose the key. The engine makes commitment and proof in one step and leaves it to its caller to
//! send them in this order; its commitments do not name their sender either, so that one party could
//! repeat another's. Round 2 therefore carries a commitment of ours over the whole opening, which binds
//! session and sender; the engine's own two stay inside it and are checked as well.

use std::collections::BTreeMap;

use cohold_model::canonical::{Digest, digest_parts};
use cohold_model::ids::{PartyIndex, SessionId};
use cohold_mpc::{Evidence, Fault, Inbox, Outgoing, Protocol, Reason, SessionContext, Step};
use dkls23_secp256k1::protocols::dkg::{
    BroadcastDerivationPhase2to4, BroadcastDerivationPhase3to4, ProofCommitment, TransmitInitMulPhase3to4,
    TransmitInitZeroSharePhase2to4, TransmitInitZeroSharePhase3to4,
};
use dkls23_secp256k1::protocols::{Abort, Parameters, PartiesMessage, PublicKeyPackage};
use dkls23_secp256k1::utilities::hashes::HashOutput;
use dkls23_secp256k1::utilities::ot::base::Seed as TransferSeed;
use dkls23_secp256k1::utilities::proofs::{DLogProof, EncProof};
use dkls23_secp256k1::{DkgSession, Party};
use k256::elliptic_curve::PrimeField as _;
use k256::{AffinePoint, Scalar, Secp256k1};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

use crate::auxiliary::Auxiliary;
use crate::engine::{self, EngineIndex, Stage, engine_index};
use crate::key::AccountKey;
use crate::share::{Share, scalar};
use crate::wire::{self, Room};

/// What a party has after key generation.
#[derive(Debug)]
pub struct GeneratedKey {
    /// The asset. Its [`Share::key`] is what goes into the charter.
    pub share: Share,
    /// The engine's data with all peers, to be stored apart.
    pub auxiliary: Auxiliary,
}

/// Why a key generation was not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParametersError {
    /// Threshold out of range.
    #[error("threshold {threshold} of {parties} parties: use 2 to {parties}")]
    Threshold {
        /// What was asked for.
        threshold: u8,
        /// How many parties there are.
        parties: usize,
    },
    /// Parties are numbered from 1 without gaps.
    #[error("the parties of a key generation are numbered 1 to {parties} without gaps")]
    Indices {
        /// How many parties there are.
        parties: usize,
    },
}

/// One run of key generation at one party.
pub struct KeyGeneration {
    me: PartyIndex,
    session: SessionId,
    parameters: Parameters,
    peers: Vec<PartyIndex>,
    state: State,
}

/// Wipes itself on drop.
type Engine = DkgSession<Secp256k1>;

enum State {
    Fresh(Engine),
    Dealt { engine: Engine, fragment: Zeroizing<Scalar> },
    Committed { engine: Engine, own: Published, unsent: Outgoing },
    Opened { engine: Engine, own: Published, seen: BTreeMap<PartyIndex, (Commitment, HashOutput)> },
    Over,
}

/// Our own part of what is published: committed to in round 2, opened in round 3.
struct Published {
    proof: ProofCommitment<Secp256k1>,
    chain_code_commitment: BroadcastDerivationPhase2to4,
    chain_code: BroadcastDerivationPhase3to4,
}

/// A broadcast of round 2.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Commitment {
    /// Ours, over the whole opening.
    opening: [u8; 32],
    /// The engine's, over the proof.
    proof: HashOutput,
    /// The engine's, over the chain code part.
    chain_code: HashOutput,
}

/// A broadcast of round 3.
#[derive(Serialize, Deserialize)]
struct Opening {
    salt: [u8; 32],
    proof: DLogProof<Secp256k1>,
    chain_code: [u8; 32],
    chain_code_salt: Vec<u8>,
}

/// A direct message of round 3.
#[derive(Serialize, Deserialize)]
struct PairOpening {
    seed: TransmitInitZeroSharePhase3to4,
    transfer: Transfer,
}

/// The engine's [`TransmitInitMulPhase3to4`].
#[derive(Serialize, Deserialize)]
struct Transfer {
    parties: PartiesMessage,
    proof: DLogProof<Secp256k1>,
    nonce: Scalar,
    #[serde(with = "crate::encryptions")]
    encryptions: Vec<EncProof<Secp256k1>>,
    seed: TransferSeed,
}

impl From<TransmitInitMulPhase3to4<Secp256k1>> for Transfer {
    fn from(message: TransmitInitMulPhase3to4<Secp256k1>) -> Self {
        let TransmitInitMulPhase3to4 { parties, dlog_proof, nonce, enc_proofs, seed } = message;
        Self { parties, proof: dlog_proof, nonce, encryptions: enc_proofs, seed }
    }
}

impl From<Transfer> for TransmitInitMulPhase3to4<Secp256k1> {
    fn from(transfer: Transfer) -> Self {
        let Transfer { parties, proof, nonce, encryptions, seed } = transfer;
        Self { parties, dlog_proof: proof, nonce, enc_proofs: encryptions, seed }
    }
}

impl KeyGeneration {
    /// A run among the parties of `context`, who are numbered from 1 without gaps, at `threshold`.
    pub fn new(context: &SessionContext, threshold: u8) -> Result<Self, ParametersError> {
        let peers: Vec<PartyIndex> = context.peers.keys().copied().collect();
        let parties = peers.len() + 1;
        if !peers.iter().chain([&context.me]).all(|index| usize::from(index.get()) <= parties) {
            return Err(ParametersError::Indices { parties });
        }
        let refused = ParametersError::Threshold { threshold, parties };
        let count = u8::try_from(parties).map_err(|_| refused)?;
        let parameters = Parameters::new(threshold, count).map_err(|_| refused)?;
        let index = EngineIndex::new(context.me.get()).map_err(|_| refused)?;
        let engine = Engine::new(parameters.clone(), index, context.session.0.0.to_vec());
        let (me, session, state) = (context.me, context.session, State::Fresh(engine));
        Ok(Self { me, session, parameters, peers, state })
    }

    /// Round 1, steps 1 and 2: a random polynomial, and its value at each party's point.
    fn deal(&mut self, engine: Engine) -> Result<Outgoing, Fault> {
        let fragments = Zeroizing::new(engine.phase1());
        let at = |party: PartyIndex| {
            let position = usize::from(party.get()).checked_sub(1);
            position.and_then(|i| fragments.get(i)).ok_or_else(|| Fault::freeze(Reason::Engine))
        };
        let fragment = Zeroizing::new(*at(self.me)?);
        let direct: Result<_, Fault> =
            self.peers.iter().map(|&to| Ok((to, Zeroizing::new(at(to)?.to_repr().to_vec())))).collect();
        self.state = State::Dealt { engine, fragment };
        Ok(Outgoing { broadcast: Some(self.announcement().to_vec()), direct: direct? })
    }

    fn announcement(&self) -> [u8; 2] {
        [self.parameters.threshold, self.parameters.share_count]
    }

    /// Round 2, step 3: adds up the fragments, proves P(i), and commits to what round 3 will open.
    fn commit(
        &mut self,
        mut engine: Engine,
        own: &Scalar,
        inbox: &Inbox,
        rng: &mut impl CryptoRng,
    ) -> Result<Outgoing, Fault> {
        for announcement in inbox.broadcasts() {
            let (from, bytes) = announcement?;
            if bytes != self.announcement() {
                return Err(Fault::retry(Reason::Disagreement { from }));
            }
        }
        let mut fragments = Zeroizing::new(Vec::with_capacity(self.peers.len() + 1));
        fragments.push(*own);
        for message in inbox.directs() {
            let (from, bytes) = message?;
            let fragment = <&[u8; 32]>::try_from(bytes).ok().and_then(scalar);
            fragments.push(fragment.ok_or_else(|| Fault::retry(Reason::Malformed { from }))?);
        }
        // What the engine calls phase 3 takes no messages in, so it is made here and sent next round.
        let (proof, seed_commitments, chain_code_commitment) =
            engine.phase2(&fragments).map_err(|abort| self.fault(&abort, 1, inbox))?;
        let (seeds, transfers, chain_code) = engine.phase3().map_err(|abort| self.fault(&abort, 1, inbox))?;

        let mut salt = [0; 32];
        rng.fill_bytes(&mut salt);
        let opening = wire::encode(
            &Opening {
                salt,
                proof: proof.proof.clone(),
                chain_code: chain_code.aux_chain_code,
                chain_code_salt: chain_code.cc_salt.clone(),
            },
            Room::Small,
        )?;
        let commitment = Commitment {
            opening: self.commitment(self.me, &opening).0,
            proof: proof.commitment,
            chain_code: chain_code_commitment.cc_commitment,
        };
        let mut unsent = Outgoing { broadcast: Some(opening.to_vec()), direct: BTreeMap::new() };
        for (seed, transfer) in seeds.into_iter().zip(transfers) {
            let to = receiver(&seed.parties).filter(|to| Some(*to) == receiver(&transfer.parties));
            let to = to.ok_or_else(|| Fault::freeze(Reason::Engine))?;
            unsent
                .direct
                .insert(to, wire::encode(&PairOpening { seed, transfer: transfer.into() }, Room::Setup)?);
        }
        let direct: Result<_, Fault> = seed_commitments
            .iter()
            .map(|message| {
                let to = receiver(&message.parties).ok_or_else(|| Fault::freeze(Reason::Engine))?;
                Ok((to, Zeroizing::new(message.commitment.to_vec())))
            })
            .collect();
        let outgoing =
            Outgoing { broadcast: Some(wire::encode(&commitment, Room::Small)?.to_vec()), direct: direct? };
        let own = Published { proof, chain_code_commitment, chain_code };
        self.state = State::Committed { engine, own, unsent };
        Ok(outgoing)
    }

    /// Round 3, step 4: everybody is committed, so we open.
    fn open(
        &mut self,
        engine: Engine,
        own: Published,
        unsent: Outgoing,
        inbox: &Inbox,
    ) -> Result<Outgoing, Fault> {
        let commitments: BTreeMap<PartyIndex, Commitment> = wire::broadcasts(inbox)?;
        let seeds: BTreeMap<PartyIndex, HashOutput> = wire::directs(inbox)?;
        let seen = commitments.into_iter().zip(seeds.into_values());
        let seen = seen.map(|((from, commitment), seed)| (from, (commitment, seed))).collect();
        self.state = State::Opened { engine, own, seen };
        Ok(unsent)
    }

    /// Steps 5 and 6: checks every opening, and that all P(j) lie on one polynomial of degree t − 1.
    fn finish(
        &mut self,
        engine: Engine,
        own: Published,
        seen: &BTreeMap<PartyIndex, (Commitment, HashOutput)>,
        inbox: &Inbox,
    ) -> Result<GeneratedKey, Fault> {
        for opening in inbox.broadcasts() {
            let (from, bytes) = opening?;
            let expected = seen.get(&from).map(|(commitment, _)| commitment.opening);
            if expected != Some(self.commitment(from, bytes).0) {
                return Err(Fault::retry(Reason::Commitment { from }));
            }
        }
        let openings: BTreeMap<PartyIndex, Opening> = wire::broadcasts(inbox)?;
        let pairs: BTreeMap<PartyIndex, PairOpening> = wire::directs(inbox)?;
        let me = engine_index(self.me)?;
        let mut proofs = vec![own.proof];
        let mut codes_committed = BTreeMap::from([(me, own.chain_code_commitment)]);
        let mut codes = BTreeMap::from([(me, own.chain_code)]);
        let (mut seed_commitments, mut seeds, mut transfers) = (Vec::new(), Vec::new(), Vec::new());
        for ((from, opening), pair) in openings.into_iter().zip(pairs.into_values()) {
            if opening.proof.point == AffinePoint::IDENTITY {
                return Err(Fault::retry(Reason::TrivialPoint { from }));
            }
            let (commitment, seed_commitment) =
                seen.get(&from).ok_or_else(|| Fault::freeze(Reason::Engine))?;
            let index = engine_index(from)?;
            let inward = PartiesMessage { sender: index, receiver: me };
            for parties in [&pair.seed.parties, &pair.transfer.parties] {
                if (parties.sender, parties.receiver) != (index, me) {
                    return Err(Fault::retry(Reason::InnerSender { from }));
                }
            }
            proofs.push(ProofCommitment { index, proof: opening.proof, commitment: commitment.proof });
            let committed =
                BroadcastDerivationPhase2to4 { sender_index: index, cc_commitment: commitment.chain_code };
            codes_committed.insert(index, committed);
            codes.insert(
                index,
                BroadcastDerivationPhase3to4 {
                    sender_index: index,
                    aux_chain_code: opening.chain_code,
                    cc_salt: opening.chain_code_salt,
                },
            );
            let seed_commitment =
                TransmitInitZeroSharePhase2to4 { parties: inward, commitment: *seed_commitment };
            seed_commitments.push(seed_commitment);
            seeds.push(pair.seed);
            transfers.push(pair.transfer.into());
        }
        let made =
            engine.phase4(&proofs, &seed_commitments, &seeds, &transfers, &codes_committed, &codes, |_| {
                String::new()
            });
        for seed in &mut seeds {
            seed.seed.zeroize();
            seed.salt.zeroize();
        }
        let (party, package) = made.map_err(|abort| self.fault(&abort, 3, inbox))?;
        self.key(&party, &package)
    }

    /// Our own form of what the engine made, checked once more by our own means.
    fn key(&self, party: &Party, package: &PublicKeyPackage<Secp256k1>) -> Result<GeneratedKey, Fault> {
        let contradiction = || Fault::freeze(Reason::Engine);
        let shares = (1..=self.parameters.share_count).map(|i| {
            let index = EngineIndex::new(i).ok()?;
            package.verifying_share(index).copied()
        });
        let shares: Vec<AffinePoint> = shares.collect::<Option<_>>().ok_or_else(contradiction)?;
        let chain_code = Digest(party.derivation_data.chain_code);
        let key = AccountKey::new(self.parameters.threshold, party.pk, shares, chain_code)
            .map_err(|_| Fault::retry(Reason::Polynomial))?;
        let secret = Zeroizing::new(party.poly_point);
        let share = Share::new(self.me, *secret, key).map_err(|_| contradiction())?;
        let auxiliary = Auxiliary::from_party(&share, party).ok_or_else(contradiction)?;
        Ok(GeneratedKey { share, auxiliary })
    }

    fn commitment(&self, from: PartyIndex, opening: &[u8]) -> Digest {
        digest_parts("cohold/ecdsa/keygen/opening/v1", &[&self.session.0.0, &[from.get()], opening])
    }

    fn fault(&self, abort: &Abort, round: u16, inbox: &Inbox) -> Fault {
        let session = self.session;
        let evidence = |from, reason| Evidence { session, round, message: inbox.digest(from), reason };
        engine::fault(abort, Stage::Setup, evidence)
    }
}

fn receiver(parties: &PartiesMessage) -> Option<PartyIndex> {
    PartyIndex::try_from(parties.receiver.as_u8()).ok()
}

impl Protocol for KeyGeneration {
    type Output = GeneratedKey;
    /// P(j) and the chain code are public values that every party must have seen alike.
    const CONFIRMED: bool = true;

    fn start(&mut self, _: &mut impl CryptoRng) -> Result<Step<GeneratedKey>, Fault> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Fresh(engine) => self.deal(engine).map(Step::Send),
            _ => Err(Fault::retry(Reason::OutOfOrder)),
        }
    }

    fn round(&mut self, inbox: Inbox, rng: &mut impl CryptoRng) -> Result<Step<GeneratedKey>, Fault> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Dealt { engine, fragment } => self.commit(engine, &fragment, &inbox, rng).map(Step::Send),
            State::Committed { engine, own, unsent } => {
                self.open(engine, own, unsent, &inbox).map(Step::Send)
            }
            State::Opened { engine, own, seen } => self.finish(engine, own, &seen, &inbox).map(Step::Done),
            State::Fresh(_) | State::Over => Err(Fault::retry(Reason::OutOfOrder)),
        }
    }
}
