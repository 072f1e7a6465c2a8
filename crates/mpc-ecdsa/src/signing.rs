//! Signing: exactly t parties sign one digest, by Protocol 3.6 of DKLs23 in three rounds.
//!
//! | round | broadcast | to each peer |
//! |---|---|---|
//! | 1 | – | commitment to the instance point, oblivious-transfer extension (steps 4 to 6) |
//! | 2 | – | opening, multiplication (step 7) |
//! | 3 | parts of numerator and denominator (steps 8, 9) | – |
//!
//! Step 10 is a quotient of two sums, and is done here: the engine would verify the result and compute R
//! from it again, which takes longer than our own check. The output is verified under the account's key
//! before anybody sees it, by other code than the engine's, so no confirmation is needed. What is kept
//! between rounds is consumed by value: no round runs twice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cohold_model::ids::{PartyIndex, SessionId};
use cohold_model::{Digest, KeyPath};
use cohold_mpc::{Evidence, Fault, Inbox, Outgoing, Protocol, Reason, SessionContext, Step};
use dkls23_secp256k1::Party;
use dkls23_secp256k1::protocols::signing::{
    Broadcast3to4, KeepPhase1to2, KeepPhase2to3, SignData, TransmitPhase1to2, TransmitPhase2to3,
    UniqueKeep1to2, UniqueKeep2to3,
};
use dkls23_secp256k1::protocols::{Abort, PartiesMessage};
use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
use k256::elliptic_curve::point::AffineCoordinates as _;
use k256::elliptic_curve::scalar::IsHigh as _;
use k256::{ProjectivePoint, Scalar, Secp256k1};
use rand_core::CryptoRng;

use crate::auxiliary::Auxiliary;
use crate::engine::{self, EngineIndex, Stage, engine_index};
use crate::key::compressed;
use crate::share::Share;
use crate::wire::{self, Room};

/// The 32 bytes to sign: the output of the chain's own hash over bytes that the signer decoded
/// itself, never something that a coordinator sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SigningDigest(pub [u8; 32]);

/// An ECDSA signature in low-s form, with what recovers the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecoverableSignature {
    /// r, big-endian.
    pub r: [u8; 32],
    /// s, big-endian, at most half the group order.
    pub s: [u8; 32],
    /// Bit 0: R.y is odd. Bit 1: R.x was reduced.
    pub recovery_id: u8,
}

/// Why a signing was not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SigningError {
    /// A signer is banned.
    #[error("party `{0}` is banned from this key: sign with others")]
    Banned(PartyIndex),
    /// Too few or too many signers.
    #[error("{found} signers, but exactly {threshold} sign")]
    Quorum {
        /// Signers, ourselves included.
        found: usize,
        /// Signers needed.
        threshold: u8,
    },
    /// The share is another party's.
    #[error("the share is party `{share}`'s, the session is party `{session}`'s")]
    Index {
        /// Whose share was given.
        share: PartyIndex,
        /// Who takes part.
        session: PartyIndex,
    },
    /// The auxiliary data was made for another share.
    #[error("the auxiliary data belongs to another share: set the pairs up again")]
    Foreign,
    /// No auxiliary data for a signer.
    #[error("nothing is set up with party `{0}`: set the pair up first")]
    Unpaired(PartyIndex),
    /// No key at the path, or the run has begun.
    #[error("the run cannot be of the key at `{0}`: take another path")]
    Path(KeyPath),
}

/// One run of signing at one party.
pub struct Signing {
    party: Arc<Party>,
    data: SignData,
    session: SessionId,
    state: State,
}

type First = (UniqueKeep1to2<Secp256k1>, BTreeMap<EngineIndex, KeepPhase1to2<Secp256k1>>);
type Second = (UniqueKeep2to3<Secp256k1>, BTreeMap<EngineIndex, KeepPhase2to3<Secp256k1>>);

enum State {
    Fresh,
    First(First),
    Second(Second),
    Third { r: String, is_y_odd: bool, own: Broadcast3to4<Secp256k1> },
    Over,
}

impl Signing {
    /// A run among the holder of `share` and all peers of `context`, who together must be exactly the
    /// threshold, none of them `banned`.
    pub fn new(
        context: &SessionContext,
        share: &Share,
        auxiliary: &Auxiliary,
        banned: &BTreeSet<PartyIndex>,
        digest: SigningDigest,
    ) -> Result<Self, SigningError> {
        let peers = || context.peers.keys().copied();
        if let Some(party) = peers().chain([context.me]).find(|party| banned.contains(party)) {
            return Err(SigningError::Banned(party));
        }
        if share.index() != context.me {
            return Err(SigningError::Index { share: share.index(), session: context.me });
        }
        let (found, threshold) = (peers().count() + 1, share.key().threshold());
        if found != usize::from(threshold) {
            return Err(SigningError::Quorum { found, threshold });
        }
        let party = auxiliary.party(share).map_err(|_| SigningError::Foreign)?;
        if let Some(peer) = peers().find(|peer| auxiliary.pair(*peer).is_none()) {
            return Err(SigningError::Unpaired(peer));
        }
        let counterparties: Result<_, _> = peers().map(engine_index).collect();
        let data = SignData {
            sign_id: context.session.0.0.to_vec(),
            counterparties: counterparties.map_err(|_| SigningError::Foreign)?,
            message_hash: digest.0,
        };
        Ok(Self { party, data, session: context.session, state: State::Fresh })
    }

    /// The same run under the key at `path` below the account's, at no cost for the root. The engine's own
    /// derivation adds the public sum of the path to the share; the key that it comes to must be the one that
    /// BIP-32 gives below the charter's. Pairs serve all children, as they know of no key.
    pub fn below(self, path: &KeyPath) -> Result<Self, SigningError> {
        if path.is_root() {
            return Ok(self);
        }
        let refused = || SigningError::Path(*path);
        let State::Fresh = self.state else { return Err(refused()) };
        let child =
            self.party.derive_from_path(&path.to_string(), |_| String::new()).map_err(|_| refused())?;
        let root = &self.party.derivation_data;
        let root = (compressed(&root.pk), Digest(root.chain_code));
        if cohold_model::child::public_key(&root.0, &root.1, path) != Ok(compressed(&child.pk)) {
            return Err(refused());
        }
        Ok(Self { party: Arc::new(child), ..self })
    }

    /// Steps 4 to 6.
    fn first(&mut self) -> Result<Outgoing, Fault> {
        let nobody = Inbox::default();
        let (unique, kept, messages) =
            self.party.sign_phase1(&self.data).map_err(|abort| self.fault(&abort, 0, &nobody))?;
        self.state = State::First((unique, kept));
        addressed(&messages, |message| &message.parties)
    }

    /// Step 7.
    fn second(&mut self, (unique, kept): First, inbox: &Inbox) -> Result<Outgoing, Fault> {
        let received = self.received(inbox, |message: &TransmitPhase1to2| &message.parties)?;
        let (unique, kept, messages) = self
            .party
            .sign_phase2(&self.data, unique, kept, &received)
            .map_err(|abort| self.fault(&abort, 1, inbox))?;
        self.state = State::Second((unique, kept));
        addressed(&messages, |message| &message.parties)
    }

    /// Steps 8 and 9.
    fn third(&mut self, (unique, kept): Second, inbox: &Inbox) -> Result<Outgoing, Fault> {
        let received = self.received(inbox, |message: &TransmitPhase2to3<Secp256k1>| &message.parties)?;
        let points = received.iter().map(|message| message.instance_point);
        let point = points.fold(ProjectivePoint::from(unique.instance_point), |sum, point| sum + point);
        let is_y_odd = point.to_affine().y_is_odd().into();
        let (r, own) = self
            .party
            .sign_phase3(&self.data, unique, kept, &received)
            .map_err(|abort| self.fault(&abort, 2, inbox))?;
        let broadcast = wire::encode(&own, Room::Small)?.to_vec();
        self.state = State::Third { r, is_y_odd, own };
        Ok(Outgoing { broadcast: Some(broadcast), direct: BTreeMap::new() })
    }

    /// Step 10: s = Σw / Σu, in low-s form, and a check of the result by other code than the engine's.
    fn fourth(
        &self,
        r: &str,
        is_y_odd: bool,
        own: &Broadcast3to4<Secp256k1>,
        inbox: &Inbox,
    ) -> Result<RecoverableSignature, Fault> {
        let peers: BTreeMap<_, Broadcast3to4<Secp256k1>> = wire::broadcasts(inbox)?;
        let (w, u) = peers.values().fold((own.w, own.u), |(w, u), part| (w + part.w, u + part.u));
        let inverse = Option::<Scalar>::from(u.invert()).ok_or(Fault::retry(Reason::Degenerate))?;
        let s = w * inverse;
        // −s signs as well, for −R.
        let is_high = bool::from(s.is_high());
        let s = if is_high { -s } else { s };
        let recovery_id = RecoveryId::new(is_y_odd != is_high, false).to_byte();
        let signature = RecoverableSignature { r: half(r)?, s: s.to_bytes().into(), recovery_id };
        if self.verifies(&signature) { Ok(signature) } else { Err(Fault::retry(Reason::Signature)) }
    }

    /// Low-s, and the recovery id leads back to the account's key, or the child that signs.
    fn verifies(&self, signature: &RecoverableSignature) -> bool {
        let Ok(parsed) = Signature::from_scalars(signature.r, signature.s) else { return false };
        let Some(recovery_id) = RecoveryId::from_byte(signature.recovery_id) else { return false };
        let recovered = VerifyingKey::recover_from_prehash(&self.data.message_hash, &parsed, recovery_id);
        parsed.normalize_s() == parsed && recovered.is_ok_and(|key| *key.as_affine() == self.party.pk)
    }

    /// The direct message of each peer; the sender and receiver that it names inside must be the true ones.
    fn received<T: serde::de::DeserializeOwned>(
        &self,
        inbox: &Inbox,
        parties: impl Fn(&T) -> &PartiesMessage,
    ) -> Result<Vec<T>, Fault> {
        let messages: BTreeMap<PartyIndex, T> = wire::directs(inbox)?;
        for (&from, message) in &messages {
            let PartiesMessage { sender, receiver } = parties(message);
            if (*sender, *receiver) != (engine_index(from)?, self.party.party_index) {
                return Err(Fault::retry(Reason::InnerSender { from }));
            }
        }
        Ok(messages.into_values().collect())
    }

    fn fault(&self, abort: &Abort, round: u16, inbox: &Inbox) -> Fault {
        let session = self.session;
        let evidence = |from, reason| Evidence { session, round, message: inbox.digest(from), reason };
        engine::fault(abort, Stage::Signing, evidence)
    }
}

fn addressed<T: serde::Serialize>(
    messages: &[T],
    parties: impl Fn(&T) -> &PartiesMessage,
) -> Result<Outgoing, Fault> {
    let mut direct = BTreeMap::new();
    for message in messages {
        let to = PartyIndex::try_from(parties(message).receiver.as_u8());
        let to = to.map_err(|_| Fault::freeze(Reason::Engine))?;
        direct.insert(to, wire::encode(message, Room::Signing)?);
    }
    Ok(Outgoing { broadcast: None, direct })
}

/// The engine gives r and s as 64 hexadecimal digits.
fn half(digits: &str) -> Result<[u8; 32], Fault> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(digits, &mut bytes).map_err(|_| Fault::freeze(Reason::Engine))?;
    Ok(bytes)
}

impl Protocol for Signing {
    type Output = RecoverableSignature;
    const CONFIRMED: bool = false;

    fn start(&mut self, _: &mut impl CryptoRng) -> Result<Step<RecoverableSignature>, Fault> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Fresh => self.first().map(Step::Send),
            _ => Err(Fault::retry(Reason::OutOfOrder)),
        }
    }

    fn round(&mut self, inbox: Inbox, _: &mut impl CryptoRng) -> Result<Step<RecoverableSignature>, Fault> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::First(kept) => self.second(kept, &inbox).map(Step::Send),
            State::Second(kept) => self.third(kept, &inbox).map(Step::Send),
            State::Third { r, is_y_odd, own } => self.fourth(&r, is_y_odd, &own, &inbox).map(Step::Done),
            State::Fresh | State::Over => Err(Fault::retry(Reason::OutOfOrder)),
        }
    }
}
