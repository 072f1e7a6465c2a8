//! The signing session of an authorized order.

use std::collections::{BTreeMap, BTreeSet};

use cohold_model::charter::Charter;
use cohold_model::ids::PartyIndex;
use cohold_model::{Engine, HexBytes, RequestId, SessionId};
use cohold_mpc::{Envelope, Fault, PartyKeys, SessionContext};
use cohold_mpc_ecdsa::{Share, SigningDigest};
use rand_core::CryptoRng;

use crate::engine::{Auxiliary, SigningSession};
use crate::refusal::{Code, Refusal};
use crate::verify::Authorized;

/// A signature in the making.
pub struct SigningRun {
    request: RequestId,
    run: SigningSession,
}

impl Authorized {
    /// Starts the session with this party's opened share, by the engine of the charter in force.
    pub fn begin(
        self,
        charter: &Charter,
        banned: &BTreeSet<PartyIndex>,
        share: &Share,
        auxiliary: &Auxiliary,
        keys: &PartyKeys,
        rng: &mut impl CryptoRng,
    ) -> Result<(SigningRun, Vec<Envelope>), Refusal> {
        let context = context(charter, self.session, self.me, &self.order.signers);
        let digest = SigningDigest(self.signing_digest);
        let key = (share, auxiliary);
        let mut run = SigningSession::new(charter.engine, context, key, banned, digest, (keys, rng))?;
        let unavailable = |fault: Fault| Refusal::new(Code::Unavailable, fault.to_string());
        let envelopes = run.start(rng).map_err(unavailable)?;
        Ok((SigningRun { request: self.order.intent.request, run }, envelopes))
    }
}

/// A session of these signers.
pub(crate) fn context(
    charter: &Charter,
    session: SessionId,
    me: PartyIndex,
    signers: &[PartyIndex],
) -> SessionContext {
    let others = signers.iter().filter(|i| **i != me);
    let peers: BTreeMap<_, _> =
        others.filter_map(|i| charter.terms.party_at(*i).map(|card| (*i, card.seal))).collect();
    SessionContext { account: charter.terms.account, epoch: charter.epoch, session, me, peers }
}

impl SigningRun {
    pub(crate) fn new(request: RequestId, run: SigningSession) -> Self {
        Self { request, run }
    }

    /// The session.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.run.context().session
    }

    /// The request.
    #[must_use]
    pub fn request(&self) -> RequestId {
        self.request
    }

    /// By which protocol it is made.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.run.engine()
    }

    /// Whether its rounds are a matter of milliseconds.
    #[must_use]
    pub fn is_quick(&self) -> bool {
        self.run.is_quick()
    }

    /// Takes in one envelope and returns what to send.
    pub fn receive(&mut self, envelope: &Envelope, rng: &mut impl CryptoRng) -> Result<Vec<Envelope>, Fault> {
        self.run.receive(envelope, rng)
    }

    /// What to send again when nothing comes.
    #[must_use]
    pub fn resend(&self) -> Vec<Envelope> {
        self.run.resend()
    }

    /// The signature, once: r ‖ s ‖ recovery id, 65 bytes, verified under the account's key.
    pub fn signature(&mut self) -> Option<HexBytes> {
        let signature = self.run.signature()?;
        let mut bytes = Vec::with_capacity(65);
        bytes.extend_from_slice(&signature.r);
        bytes.extend_from_slice(&signature.s);
        bytes.push(signature.recovery_id);
        Some(HexBytes(bytes))
    }
}
