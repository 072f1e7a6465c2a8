//! The two threshold engines behind one face: what a party keeps for either, how it is made among parties
//! that hold shares, and a signature by it. Which one is in force, the charter says; data of another one
//! begins nothing.

use std::collections::BTreeSet;

use cohold_model::ids::PartyIndex;
use cohold_model::{Engine, KeyPath};
use cohold_mpc::{Envelope, Fault, PartyKeys, Protocol, Session, SessionContext};
use cohold_mpc_cggmp::{OnlineSigning, Presignature, SafePrimes};
use cohold_mpc_ecdsa::{AuxiliarySetup, RecoverableSignature, Share, Signing, SigningDigest};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::refusal::{Code, Refusal};

/// What an engine needs beside a share. Secret, and no asset: shares alone make it again.
#[derive(Debug)]
pub enum Auxiliary {
    /// Oblivious transfers with each other party.
    Dkls23(cohold_mpc_ecdsa::Auxiliary),
    /// Paillier and ring-Pedersen parameters of a committee. Boxed, as it is rarer.
    Cggmp24(Box<cohold_mpc_cggmp::Auxiliary>),
}

/// Why sealed data of an engine is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum AuxiliaryError {
    /// Of the first engine.
    #[error(transparent)]
    Dkls23(#[from] cohold_mpc_ecdsa::AuxiliaryError),
    /// Of the second.
    #[error(transparent)]
    Cggmp24(#[from] cohold_mpc_cggmp::AuxiliaryError),
}

impl Auxiliary {
    /// The engine that it is of.
    #[must_use]
    pub fn engine(&self) -> Engine {
        match self {
            Self::Dkls23(_) => Engine::Dkls23,
            Self::Cggmp24(_) => Engine::Cggmp24,
        }
    }

    /// As bytes, to be sealed apart from the share.
    #[must_use]
    pub fn to_secret_bytes(&self) -> Zeroizing<Vec<u8>> {
        match self {
            Self::Dkls23(auxiliary) => auxiliary.to_secret_bytes(),
            Self::Cggmp24(auxiliary) => auxiliary.to_secret_bytes(),
        }
    }

    /// Reads what [`Auxiliary::to_secret_bytes`] wrote for this engine.
    pub fn from_secret_bytes(engine: Engine, bytes: &[u8]) -> Result<Self, AuxiliaryError> {
        Ok(match engine {
            Engine::Dkls23 => Self::Dkls23(cohold_mpc_ecdsa::Auxiliary::from_secret_bytes(bytes)?),
            Engine::Cggmp24 => {
                Self::Cggmp24(Box::new(cohold_mpc_cggmp::Auxiliary::from_secret_bytes(bytes)?))
            }
        })
    }
}

/// What a setup of an engine takes.
pub enum Ready {
    /// Nothing.
    Dkls23,
    /// Primes that this party made ahead, used up by the setup.
    Cggmp24(SafePrimes),
}

/// A run in which parties that hold shares make an engine's data.
pub struct SettingUp(Setup);

enum Setup {
    Dkls23(Box<Session<AuxiliarySetup>>),
    Cggmp24(Box<Session<cohold_mpc_cggmp::AuxiliarySetup>>),
}

impl SettingUp {
    /// Starts the run at the seat of `context`, with all its peers.
    pub fn begin(
        context: SessionContext,
        share: &Share,
        ready: Ready,
        keys: &PartyKeys,
        rng: &mut impl CryptoRng,
    ) -> Result<(Self, Vec<Envelope>), Refusal> {
        match ready {
            Ready::Dkls23 => {
                let protocol = AuxiliarySetup::new(&context, share).map_err(refuse)?;
                let (run, first) = started(context, protocol, keys, rng)?;
                Ok((Self(Setup::Dkls23(run)), first))
            }
            Ready::Cggmp24(primes) => {
                let protocol = cohold_mpc_cggmp::AuxiliarySetup::new(&context, share, primes);
                let (run, first) = started(context, protocol.map_err(refuse)?, keys, rng)?;
                Ok((Self(Setup::Cggmp24(run)), first))
            }
        }
    }

    /// Whose data it makes.
    #[must_use]
    pub fn engine(&self) -> Engine {
        match &self.0 {
            Setup::Dkls23(_) => Engine::Dkls23,
            Setup::Cggmp24(_) => Engine::Cggmp24,
        }
    }

    /// Takes in one envelope and returns what to send.
    pub fn receive(&mut self, envelope: &Envelope, rng: &mut impl CryptoRng) -> Result<Vec<Envelope>, Fault> {
        match &mut self.0 {
            Setup::Dkls23(run) => run.receive(envelope, rng),
            Setup::Cggmp24(run) => run.receive(envelope, rng),
        }
    }

    /// What to send again when nothing comes.
    #[must_use]
    pub fn resend(&self) -> Vec<Envelope> {
        match &self.0 {
            Setup::Dkls23(run) => run.resend(),
            Setup::Cggmp24(run) => run.resend(),
        }
    }

    /// The data, once.
    pub fn auxiliary(&mut self) -> Option<Auxiliary> {
        match &mut self.0 {
            Setup::Dkls23(run) => run.outcome().map(|outcome| Auxiliary::Dkls23(outcome.output)),
            Setup::Cggmp24(run) => run.outcome().map(|outcome| Auxiliary::Cggmp24(Box::new(outcome.output))),
        }
    }
}

fn started<P: Protocol>(
    context: SessionContext,
    protocol: P,
    keys: &PartyKeys,
    rng: &mut impl CryptoRng,
) -> Result<(Box<Session<P>>, Vec<Envelope>), Refusal> {
    let mut run = Session::new(context, &keys.seal, protocol, rng).map_err(refuse)?;
    let first = run.start(rng).map_err(refuse)?;
    Ok((Box::new(run), first))
}

fn refuse(error: impl std::fmt::Display) -> Refusal {
    Refusal::new(Code::Order, error.to_string())
}

/// A signature on its way, by one engine or the other.
pub struct SigningSession(Signature);

enum Signature {
    Dkls23(Box<Session<Signing>>),
    Cggmp24(Box<Session<cohold_mpc_cggmp::Signing>>),
    /// The last step of the second engine, by a presignature.
    Online(Box<Session<OnlineSigning>>),
}

impl SigningSession {
    /// A run by a presignature of the second engine, over the bytes themselves.
    pub(crate) fn online(
        context: SessionContext,
        presignature: Presignature,
        banned: &BTreeSet<PartyIndex>,
        message: &[u8],
        (keys, rng): (&PartyKeys, &mut impl CryptoRng),
    ) -> Result<Self, Refusal> {
        let refuse = |e: &dyn std::fmt::Display| Refusal::new(Code::Presignature, e.to_string());
        let protocol = OnlineSigning::new(&context, presignature, banned, message);
        let protocol = protocol.map_err(|e| refuse(&e))?;
        let run = Session::new(context, &keys.seal, protocol, rng).map_err(|e| refuse(&e))?;
        Ok(Self(Signature::Online(Box::new(run))))
    }

    /// A run by `engine`, which the charter in force names; data of another one begins nothing. It signs the
    /// digest under the key at the path below the account's.
    pub fn new(
        engine: Engine,
        context: SessionContext,
        (share, auxiliary): (&Share, &Auxiliary),
        banned: &BTreeSet<PartyIndex>,
        (digest, path): (SigningDigest, &KeyPath),
        (keys, rng): (&PartyKeys, &mut impl CryptoRng),
    ) -> Result<Self, Refusal> {
        let unavailable = |e: &dyn std::fmt::Display| Refusal::new(Code::Unavailable, e.to_string());
        let run = match (engine, auxiliary) {
            (Engine::Dkls23, Auxiliary::Dkls23(auxiliary)) => {
                let protocol = Signing::new(&context, share, auxiliary, banned, digest);
                let protocol = protocol.and_then(|protocol| protocol.below(path));
                let protocol = protocol.map_err(|e| unavailable(&e))?;
                let run = Session::new(context, &keys.seal, protocol, rng).map_err(|e| unavailable(&e))?;
                Signature::Dkls23(Box::new(run))
            }
            (Engine::Cggmp24, Auxiliary::Cggmp24(auxiliary)) => {
                let protocol = cohold_mpc_cggmp::Signing::new(&context, share, auxiliary, banned, digest);
                let protocol = protocol.and_then(|protocol| protocol.below(path));
                let protocol = protocol.map_err(|e| unavailable(&e))?;
                let run = Session::new(context, &keys.seal, protocol, rng).map_err(|e| unavailable(&e))?;
                Signature::Cggmp24(Box::new(run))
            }
            (engine, auxiliary) => {
                let found = auxiliary.engine();
                let message =
                    format!("the account signs by `{engine}`, and this party opened data of `{found}`");
                return Err(Refusal::new(Code::Unavailable, message));
            }
        };
        Ok(Self(run))
    }

    /// What to send first.
    pub fn start(&mut self, rng: &mut impl CryptoRng) -> Result<Vec<Envelope>, Fault> {
        match &mut self.0 {
            Signature::Dkls23(run) => run.start(rng),
            Signature::Cggmp24(run) => run.start(rng),
            Signature::Online(run) => run.start(rng),
        }
    }

    /// By which protocol.
    #[must_use]
    pub fn engine(&self) -> Engine {
        match &self.0 {
            Signature::Dkls23(_) => Engine::Dkls23,
            Signature::Cggmp24(_) | Signature::Online(_) => Engine::Cggmp24,
        }
    }

    /// Whether its rounds are a matter of milliseconds.
    #[must_use]
    pub fn is_quick(&self) -> bool {
        match &self.0 {
            Signature::Dkls23(_) | Signature::Online(_) => true,
            Signature::Cggmp24(_) => false,
        }
    }

    /// Among whom.
    #[must_use]
    pub fn context(&self) -> &SessionContext {
        match &self.0 {
            Signature::Dkls23(run) => run.context(),
            Signature::Cggmp24(run) => run.context(),
            Signature::Online(run) => run.context(),
        }
    }

    /// Takes in one envelope and returns what to send.
    pub fn receive(&mut self, envelope: &Envelope, rng: &mut impl CryptoRng) -> Result<Vec<Envelope>, Fault> {
        match &mut self.0 {
            Signature::Dkls23(run) => run.receive(envelope, rng),
            Signature::Cggmp24(run) => run.receive(envelope, rng),
            Signature::Online(run) => run.receive(envelope, rng),
        }
    }

    /// What to send again when nothing comes.
    #[must_use]
    pub fn resend(&self) -> Vec<Envelope> {
        match &self.0 {
            Signature::Dkls23(run) => run.resend(),
            Signature::Cggmp24(run) => run.resend(),
            Signature::Online(run) => run.resend(),
        }
    }

    /// The signature, once, verified under the key that it is by.
    pub fn signature(&mut self) -> Option<RecoverableSignature> {
        match &mut self.0 {
            Signature::Dkls23(run) => run.outcome().map(|outcome| outcome.output),
            Signature::Cggmp24(run) => run.outcome().map(|outcome| outcome.output),
            Signature::Online(run) => run.outcome().map(|outcome| outcome.output),
        }
    }
}
