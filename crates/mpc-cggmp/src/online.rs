//! The last step of a signature by a presignature: two rounds of a broadcast each, and a millisecond.
//!
//! | round | broadcast |
//! |---|---|
//! | 1 | the grant: a digest of the presignature, by name and number, and of the message |
//! | 2 | part of the signature (Figure 10) |
//!
//! A part leaves once every peer has granted this very presignature for this very message. A peer counts the
//! number durably before it grants, and grants no number twice: whoever was put back to an old state, with a
//! presignature that it had used, is granted nothing by anybody who is honest.
//!
//! Each part is checked against its sender's commitments, so who sends a wrong one is named; and the output
//! is verified under the account's key before anybody sees it.

use std::collections::{BTreeMap, BTreeSet};

use cggmp24::generic_ec::Scalar;
use cggmp24::generic_ec::coords::AlwaysHasAffineX as _;
use cggmp24::signing::{PartialSignature, PresignatureCommitment};
use cggmp24::supported_curves::Secp256k1;
use cggmp24::{DataToSign, Signature as EngineSignature};
use cohold_model::canonical::{Digest, digest_parts};
use cohold_model::ids::{PartyIndex, PresignatureIndex};
use cohold_mpc::{Fault, Inbox, Outgoing, Protocol, Reason, SessionContext, Step};
use cohold_mpc_ecdsa::RecoverableSignature;
use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
use rand_core::CryptoRng;
use sha3_engine::{Digest as _, Keccak256};

use crate::committee::Committee;
use crate::presign::{Presignature, Public, Secret};

type Part = PartialSignature<Secp256k1>;

/// One run of the last step at one party.
///
/// It takes the bytes that are signed and hashes them itself; a hash is no message:
///
/// ```compile_fail
/// # use std::collections::BTreeSet;
/// # use cohold_mpc_cggmp::{OnlineSigning, Presignature, SigningDigest};
/// fn by_hash(context: &cohold_mpc::SessionContext, by: Presignature, hash: SigningDigest) {
///     let _ = OnlineSigning::new(context, by, &BTreeSet::new(), hash);
/// }
/// ```
pub struct OnlineSigning {
    /// Names the presignature and the message.
    grant: Digest,
    message: DataToSign<Secp256k1>,
    hash: [u8; 32],
    public_key: [u8; 33],
    me: PartyIndex,
    public: Public,
    state: State,
}

enum State {
    Fresh(Secret),
    Granting(Secret),
    Signing(Part),
    Over,
}

/// Why a presignature signs nothing in a session. It is gone either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OnlineError {
    /// A signer is banned for this key.
    #[error("party `{0}` is banned for this key: sign with others")]
    Banned(PartyIndex),
    /// It was made for another account, epoch or party, or with other signers.
    #[error("presignature `{0}` was not made for this session: sign without one")]
    Foreign(PresignatureIndex),
}

impl OnlineSigning {
    /// Signs Keccak-256 of `message`, the bytes themselves, in the session of `context`, with those of whom
    /// the presignature is.
    pub fn new(
        context: &SessionContext,
        presignature: Presignature,
        banned: &BTreeSet<PartyIndex>,
        message: &[u8],
    ) -> Result<Self, OnlineError> {
        let Presignature { index, account, epoch, signers, me, public_key, name, secret, public } =
            presignature;
        let here = Committee::new(context.peers.keys().copied().chain([context.me]));
        if (account, epoch, me, &signers) != (context.account, context.epoch, context.me, &here) {
            return Err(OnlineError::Foreign(index));
        }
        if let Some(party) = signers.parties().iter().find(|party| banned.contains(party)) {
            return Err(OnlineError::Banned(*party));
        }
        let hash: [u8; 32] = Keccak256::digest(message).into();
        let parts: [&[u8]; 3] = [&name.0, &index.get().to_be_bytes(), message];
        let grant = digest_parts("cohold/cggmp24/grant/v1", &parts);
        let message = DataToSign::digest::<Keccak256>(message);
        let state = State::Fresh(secret);
        Ok(Self { grant, message, hash, public_key, me, public, state })
    }

    /// Gives our part away, as all peers granted it.
    fn release(&mut self, secret: Secret, inbox: &Inbox) -> Result<Outgoing, Fault> {
        for (from, granted) in broadcasts(inbox)? {
            if granted != self.grant.0 {
                return Err(Fault::retry(Reason::Disagreement { from }));
            }
        }
        let part = secret.issue_partial_signature(self.message);
        self.state = State::Signing(part);
        Ok(broadcast(part.sigma.to_be_bytes().to_vec()))
    }

    fn collect(&self, own: Part, inbox: &Inbox) -> Result<RecoverableSignature, Fault> {
        let mut parts = BTreeMap::from([(self.me, own)]);
        for (from, bytes) in broadcasts(inbox)? {
            let sigma = Scalar::from_be_bytes(bytes).map_err(|_| Fault::retry(Reason::Malformed { from }))?;
            parts.insert(from, Part { sigma });
        }
        for ((from, part), commitment) in parts.iter().zip(&self.public.commitments) {
            if !self.fits(part, commitment) {
                return Err(Fault::retry(Reason::Proof { from: *from }));
            }
        }
        // In the order of the points, as the signers are numbered.
        let parts: Vec<Part> = parts.into_values().collect();
        let joined = Part::combine(&parts, &self.public, self.message);
        self.checked(&joined.ok_or_else(|| Fault::freeze(Reason::Engine))?)
    }

    /// Figure 10, round 2: σ·Γ = m·Δ̃ + r·S̃.
    fn fits(&self, part: &Part, commitment: &PresignatureCommitment<Secp256k1>) -> bool {
        let Public { Gamma: gamma, .. } = &self.public;
        let (r, m) = (gamma.x().to_scalar(), self.message.to_scalar());
        part.sigma * gamma == m * commitment.tilde_Delta + r * commitment.tilde_S
    }

    /// A check of the result by other code than the engine's: low-s, and the recovery id leads back to the
    /// account's key.
    fn checked(&self, signature: &EngineSignature<Secp256k1>) -> Result<RecoverableSignature, Fault> {
        let freeze = || Fault::freeze(Reason::Signature);
        let mut bytes = [0; 64];
        signature.write_to_slice(&mut bytes);
        let parsed = Signature::from_slice(&bytes).map_err(|_| freeze())?;
        let key = VerifyingKey::from_sec1_bytes(&self.public_key).map_err(|_| freeze())?;
        let id = RecoveryId::trial_recovery_from_prehash(&key, &self.hash, &parsed);
        let id = id.map_err(|_| freeze())?;
        if parsed.normalize_s() != parsed {
            return Err(freeze());
        }
        let (r, s) = parsed.split_bytes();
        Ok(RecoverableSignature { r: r.into(), s: s.into(), recovery_id: id.to_byte() })
    }
}

fn broadcast(bytes: Vec<u8>) -> Outgoing {
    Outgoing { broadcast: Some(bytes), direct: BTreeMap::new() }
}

/// The broadcast of each peer, who sent nothing else.
fn broadcasts(inbox: &Inbox) -> Result<Vec<(PartyIndex, &[u8])>, Fault> {
    let each = inbox.peers().map(|from| {
        let message = inbox.message(from).filter(|message| message.direct.is_none());
        let broadcast = message.and_then(|message| message.broadcast.as_deref());
        broadcast.map(|bytes| (from, bytes)).ok_or_else(|| Fault::retry(Reason::Malformed { from }))
    });
    each.collect()
}

impl Protocol for OnlineSigning {
    type Output = RecoverableSignature;
    const CONFIRMED: bool = false;

    fn start(&mut self, _: &mut impl CryptoRng) -> Result<Step<RecoverableSignature>, Fault> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Fresh(secret) => {
                self.state = State::Granting(secret);
                Ok(Step::Send(broadcast(self.grant.0.to_vec())))
            }
            State::Granting(_) | State::Signing(_) | State::Over => Err(Fault::retry(Reason::OutOfOrder)),
        }
    }

    fn round(&mut self, inbox: Inbox, _: &mut impl CryptoRng) -> Result<Step<RecoverableSignature>, Fault> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Granting(secret) => self.release(secret, &inbox).map(Step::Send),
            State::Signing(own) => self.collect(own, &inbox).map(Step::Done),
            State::Fresh(_) | State::Over => Err(Fault::retry(Reason::OutOfOrder)),
        }
    }
}
