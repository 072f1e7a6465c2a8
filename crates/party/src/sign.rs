//! The signing session of an authorized order.

use std::collections::{BTreeMap, BTreeSet};

use cohold_model::charter::Charter;
use cohold_model::child::ChildError;
use cohold_model::ids::PartyIndex;
use cohold_model::{Engine, HexBytes, KeyPath, RequestId, SessionId};
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
    /// Starts the session with this party's opened share, by the engine of the charter in force, under the
    /// key at the intent's path.
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
        let path = &self.order.intent.path;
        check_child(charter, share, path)?;
        let (key, wanted) = ((share, auxiliary), (SigningDigest(self.signing_digest), path));
        let mut run = SigningSession::new(charter.engine, context, key, banned, wanted, (keys, rng))?;
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

/// The share derives by the chain code that lies beside it, the world by that of the charter.
fn check_child(charter: &Charter, share: &Share, path: &KeyPath) -> Result<(), Refusal> {
    if path.is_root() {
        return Ok(());
    }
    let unavailable = |e: ChildError| Refusal::new(Code::Unavailable, e.to_string());
    let wanted = charter.key.child(path).map_err(unavailable)?;
    if share.key().child(path).map_err(unavailable)?.as_slice() == wanted.0.as_slice() {
        return Ok(());
    }
    let message =
        format!("this party's share derives another key at `{path}` than the charter: its copy is damaged");
    Err(Refusal::new(Code::Unavailable, message))
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

    /// The signature, once: r ‖ s ‖ recovery id, 65 bytes, verified under the key that it is by.
    pub fn signature(&mut self) -> Option<HexBytes> {
        let signature = self.run.signature()?;
        let mut bytes = Vec::with_capacity(65);
        bytes.extend_from_slice(&signature.r);
        bytes.extend_from_slice(&signature.s);
        bytes.push(signature.recovery_id);
        Some(HexBytes(bytes))
    }
}
