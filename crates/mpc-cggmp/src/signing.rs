//! Signing: exactly t parties sign one digest, by Figures 8 and 10 of CGGMP24 in one run.
//!
//! | round | broadcast | to each peer |
//! |---|---|---|
//! | 1 | what is signed, by whom, with which data; K, G and their commitments | Π-enc-elg |
//! | 2 | echo of the ciphertexts | – |
//! | 3 | – | Γ, the multiplications, Π-aff-g, Π-elog |
//! | 4 | δ, S, Δ, Π-elog | – |
//! | 5 | part of the signature | – |
//!
//! The output is verified under the account's key before anybody sees it, so no confirmation is needed. What
//! is kept between rounds lies in the run's own thread and is gone with it: no round runs twice.

use std::collections::{BTreeMap, BTreeSet};

use cggmp24::generic_ec::Scalar;
use cggmp24::key_share::KeyShare;
use cggmp24::round_based::Incoming;
use cggmp24::round_based::state_machine::wrap_protocol;
use cggmp24::signing::msg::Msg;
use cggmp24::supported_curves::Secp256k1;
use cggmp24::{ExecutionId, PrehashedDataToSign, Signature as EngineSignature};
use cohold_model::KeyPath;
use cohold_model::canonical::{Digest, digest_parts};
use cohold_model::ids::{PartyIndex, SessionId};
use cohold_mpc::{Evidence, Fault, Inbox, Outgoing, Protocol, Reason, SessionContext, Step};
use cohold_mpc_ecdsa::{RecoverableSignature, Share, SigningDigest, SigningError};
use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
use rand_core::CryptoRng;
use sha2_engine::Sha256;

use crate::auxiliary::Auxiliary;
use crate::committee::{Committee, core_share};
use crate::exchange::{self, Kinded, Kinds};
use crate::machine::{Machine, Turn, engine_rng};
use crate::proofs::Verifier;

pub(crate) type EngineMessage = Msg<Secp256k1, Sha256>;
type EngineKey = KeyShare<Secp256k1>;

/// One run of signing at one party.
pub struct Signing {
    digest: SigningDigest,
    public_key: [u8; 33],
    session: SessionId,
    /// Below the account's key.
    path: KeyPath,
    /// Names what is signed, by whom, under which key, with which shares and data.
    about: Digest,
    signers: Committee,
    /// The signers' numbers in the committee of the data.
    numbers: Vec<u16>,
    verifier: Verifier,
    me: u16,
    state: State,
}

enum State {
    Fresh(Box<EngineKey>),
    Running(Running),
    Over,
}

struct Running {
    machine: Machine<EngineMessage, EngineSignature<Secp256k1>>,
    round: u16,
    /// Digests of what came, by round, for evidence.
    seen: BTreeMap<(u16, PartyIndex), Digest>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Ciphertexts,
    CiphertextProofs,
    Echo,
    Multiplication,
    Inversion,
    Part,
}

impl Kinded for EngineMessage {
    type Kind = Kind;

    fn kind(&self) -> Kind {
        match self {
            Self::Round1a(_) => Kind::Ciphertexts,
            Self::Round1b(_) => Kind::CiphertextProofs,
            Self::ReliabilityCheck(_) => Kind::Echo,
            Self::Round2(_) => Kind::Multiplication,
            Self::Round3(_) => Kind::Inversion,
            Self::Round4(_) => Kind::Part,
        }
    }
}

impl Signing {
    /// A run among the holder of `share` and all peers of `context`, who together must be exactly the
    /// threshold and of the committee of `auxiliary`, none of them `banned`.
    pub fn new(
        context: &SessionContext,
        share: &Share,
        auxiliary: &Auxiliary,
        banned: &BTreeSet<PartyIndex>,
        digest: SigningDigest,
    ) -> Result<Self, SigningError> {
        let signers = Committee::new(context.peers.keys().copied().chain([context.me]));
        if let Some(party) = signers.parties().iter().find(|party| banned.contains(party)) {
            return Err(SigningError::Banned(*party));
        }
        if share.index() != context.me {
            return Err(SigningError::Index { share: share.index(), session: context.me });
        }
        let (found, threshold) = (signers.parties().len(), share.key().threshold());
        if found != usize::from(threshold) {
            return Err(SigningError::Quorum { found, threshold });
        }
        if !auxiliary.belongs_to(share) {
            return Err(SigningError::Foreign);
        }
        let number =
            |party: &PartyIndex| auxiliary.members().number(*party).ok_or(SigningError::Unpaired(*party));
        let numbers = signers.parties().iter().map(number).collect::<Result<Vec<_>, _>>()?;
        let core = core_share(share, auxiliary.members()).ok_or(SigningError::Foreign)?;
        let key = EngineKey::from_parts((core, auxiliary.info().clone()));
        let key = key.map_err(|_| SigningError::Foreign)?;
        let me = signers.number(context.me).ok_or(SigningError::Foreign)?;
        let parts: [&[u8]; 3] = [&auxiliary.digest().0, &signers.points(), &digest.0];
        let about = digest_parts("cohold/cggmp24/signing/about/v1", &parts);
        let (public_key, session) = (share.key().public_key(), context.session);
        let id = digest_parts("cohold/cggmp24/signing/v1", &[&about.0, &session.0.0]);
        let verifier = Verifier::new(id, auxiliary, context.me, &signers).ok_or(SigningError::Foreign)?;
        let (path, state) = (KeyPath::ROOT, State::Fresh(Box::new(key)));
        Ok(Self { digest, public_key, session, path, about, signers, numbers, verifier, me, state })
    }

    /// The same run under the key at `path` below the account's, at no cost for the root. The engine derives
    /// for itself; what comes out must verify under the key that BIP-32 gives below the charter's.
    pub fn below(self, path: &KeyPath) -> Result<Self, SigningError> {
        if path.is_root() {
            return Ok(self);
        }
        let refused = || SigningError::Path(*path);
        let State::Fresh(key) = &self.state else { return Err(refused()) };
        let chain_code = Digest(key.core.key_info.chain_code.ok_or_else(refused)?);
        let public_key = cohold_model::child::public_key(&self.public_key, &chain_code, path);
        let public_key = public_key.map_err(|_| refused())?;
        let about =
            digest_parts("cohold/cggmp24/signing/child/v1", &[&self.about.0, path.to_string().as_bytes()]);
        let id = digest_parts("cohold/cggmp24/signing/v1", &[&about.0, &self.session.0.0]);
        let verifier = self.verifier.named(id);
        Ok(Self { public_key, path: *path, about, verifier, ..self })
    }

    fn begin(&mut self, key: EngineKey, rng: &mut impl CryptoRng) -> Result<Outgoing, Fault> {
        let id = self.verifier.id();
        let data = Scalar::<Secp256k1>::from_be_bytes_mod_order(self.digest.0);
        let (me, numbers, mut rng) = (self.me, self.numbers.clone(), engine_rng(rng));
        let path = self.path;
        let machine = Machine::start(move || {
            wrap_protocol(move |party| async move {
                // Safe for a digest from elsewhere, as it is fixed before the first message (ePrint 2021/1330).
                let data = PrehashedDataToSign::from_scalar(data);
                let mut run = cggmp24::signing(ExecutionId::new(&id.0), me, &numbers, &key);
                if !path.is_root() {
                    run = run.set_derivation_path(path.steps().iter().copied()).map_err(failed)?;
                }
                run.sign(&mut rng, party, &data).await.map_err(failed)
            })
        })?;
        match machine.first()? {
            Turn::Send(messages) => {
                self.state = State::Running(Running { machine, round: 1, seen: BTreeMap::new() });
                exchange::outgoing(messages, &self.signers, &self.about.0)
            }
            Turn::Done(_) | Turn::Failed(_) => Err(Fault::freeze(Reason::Engine)),
        }
    }

    fn step(&mut self, mut running: Running, inbox: &Inbox) -> Result<Step<RecoverableSignature>, Fault> {
        running.seen.extend(inbox.peers().map(|from| ((running.round, from), inbox.digest(from))));
        let messages = self.messages(running.round, inbox)?;
        let evidence = |from, round, reason| {
            let message = running.seen.get(&(round, from)).copied();
            let message = message.unwrap_or_else(|| inbox.digest(from));
            Evidence { session: self.session, round, message, reason }
        };
        if let Some(abort) = self.verifier.check(&messages) {
            return Err(abort.fault(&self.signers, evidence));
        }
        match running.machine.next(messages)? {
            Turn::Send(messages) => {
                running.round += 1;
                self.state = State::Running(running);
                exchange::outgoing(messages, &self.signers, &[]).map(Step::Send)
            }
            Turn::Done(signature) => self.checked(&signature).map(Step::Done),
            Turn::Failed(abort) => Err(abort.fault(&self.signers, evidence)),
        }
    }

    /// The messages of a round, looked through.
    fn messages(&self, round: u16, inbox: &Inbox) -> Result<Vec<Incoming<EngineMessage>>, Fault> {
        let (broadcast, direct) = match round {
            1 => (Some(Kind::Ciphertexts), Some(Kind::CiphertextProofs)),
            2 => (Some(Kind::Echo), None),
            3 => (None, Some(Kind::Multiplication)),
            4 => (Some(Kind::Inversion), None),
            _ => (Some(Kind::Part), None),
        };
        let broadcasts = match round {
            1 => exchange::broadcasts_behind(inbox, &self.about.0)?,
            _ => exchange::broadcasts(inbox),
        };
        exchange::incoming(inbox, &broadcasts, &self.signers, &Kinds { broadcast, direct })
    }

    /// A check of the result by other code than the engine's: low-s, and the recovery id leads back to the
    /// account's key, or the child that signs.
    fn checked(&self, signature: &EngineSignature<Secp256k1>) -> Result<RecoverableSignature, Fault> {
        let freeze = || Fault::freeze(Reason::Signature);
        let mut bytes = [0; 64];
        signature.write_to_slice(&mut bytes);
        let parsed = Signature::from_slice(&bytes).map_err(|_| freeze())?;
        let key = VerifyingKey::from_sec1_bytes(&self.public_key).map_err(|_| freeze())?;
        let id = RecoveryId::trial_recovery_from_prehash(&key, &self.digest.0, &parsed);
        let id = id.map_err(|_| freeze())?;
        if parsed.normalize_s() != parsed {
            return Err(freeze());
        }
        let (r, s) = parsed.split_bytes();
        Ok(RecoverableSignature { r: r.into(), s: s.into(), recovery_id: id.to_byte() })
    }
}

/// An error of the engine, of which only the debug text is read.
fn failed(error: impl std::fmt::Debug + 'static) -> Box<dyn std::fmt::Debug> {
    Box::new(error)
}

impl Protocol for Signing {
    type Output = RecoverableSignature;
    const CONFIRMED: bool = false;

    fn start(&mut self, rng: &mut impl CryptoRng) -> Result<Step<RecoverableSignature>, Fault> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Fresh(key) => self.begin(*key, rng).map(Step::Send),
            State::Running(_) | State::Over => Err(Fault::retry(Reason::OutOfOrder)),
        }
    }

    fn round(&mut self, inbox: Inbox, _: &mut impl CryptoRng) -> Result<Step<RecoverableSignature>, Fault> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Running(running) => self.step(running, &inbox),
            State::Fresh(_) | State::Over => Err(Fault::retry(Reason::OutOfOrder)),
        }
    }
}
