//! Presignatures at a party: made with others before anybody knows what will be signed, and used up by one
//! order each.
//!
//! An order that names a presignature walks down the same stair as any other; its
//! [`Reservation`](crate::verify::Reservation) counts the presignature, so [`Authorized`] is proof that this
//! happened durably. Only then [`Authorized::begin_presigned`] takes it, by value, and signs the plan's own
//! bytes: nothing here takes a hash, or a key that is derived.

use std::collections::BTreeSet;

use cohold_model::charter::Charter;
use cohold_model::ids::PartyIndex;
use cohold_model::{Engine, PresignatureIndex, SessionId, SigningSet};
use cohold_mpc::{Envelope, Fault, PartyKeys, Session};
use cohold_mpc_cggmp::{Presignature, Presigning};
use cohold_mpc_ecdsa::Share;
use rand_core::CryptoRng;

use crate::engine::{Auxiliary, SigningSession};
use crate::refusal::{Code, Refusal};
use crate::sign::{SigningRun, context};
use crate::verify::{Authorized, Standing, check_signers};
use crate::wire::PresignOrder;

/// An order to presign that this party may follow.
#[derive(Debug)]
pub struct Presignable {
    set: SigningSet,
    session: SessionId,
    me: PartyIndex,
}

/// Checks an order to presign: charter, engine, signers, bans. Nothing is signed by it, so it needs no
/// approval.
pub fn review(order: &PresignOrder, standing: Standing<'_>) -> Result<Presignable, Refusal> {
    let charter = standing.charter;
    if order.account != charter.terms.account || order.charter != charter.digest() {
        return Err(Refusal::new(Code::Charter, "the order is not under the charter that this party keeps"));
    }
    if charter.engine != Engine::Cggmp24 {
        let message = format!("the account signs by `{}`, which has no presignatures", charter.engine);
        return Err(Refusal::new(Code::Presignature, message));
    }
    let me = check_signers(&order.signers, standing)?;
    let set = SigningSet { account: order.account, epoch: charter.epoch, signers: order.signers.clone() };
    Ok(Presignable { set, session: order.session(), me })
}

impl Presignable {
    /// Among whom.
    #[must_use]
    pub fn set(&self) -> &SigningSet {
        &self.set
    }

    /// In which session, used once for ever.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// Starts the session with this party's opened share. `free` is the lowest number that this party never
    /// counted nor holds.
    pub fn begin(
        self,
        charter: &Charter,
        banned: &BTreeSet<PartyIndex>,
        (share, auxiliary): (&Share, &Auxiliary),
        free: PresignatureIndex,
        (keys, rng): (&PartyKeys, &mut impl CryptoRng),
    ) -> Result<(PresignRun, Vec<Envelope>), Refusal> {
        let unavailable = |e: &dyn std::fmt::Display| Refusal::new(Code::Unavailable, e.to_string());
        let Auxiliary::Cggmp24(auxiliary) = auxiliary else {
            return Err(Refusal::new(Code::Unavailable, "this party opened data of another engine"));
        };
        let context = context(charter, self.session, self.me, &self.set.signers);
        let protocol = Presigning::new(&context, share, auxiliary, banned, free);
        let protocol = protocol.map_err(|e| unavailable(&e))?;
        let mut run = Session::new(context, &keys.seal, protocol, rng).map_err(|e| unavailable(&e))?;
        let envelopes = run.start(rng).map_err(|e| unavailable(&e))?;
        Ok((PresignRun(Box::new(run)), envelopes))
    }
}

/// A presignature in the making.
pub struct PresignRun(Box<Session<Presigning>>);

impl PresignRun {
    /// Takes in one envelope and returns what to send.
    pub fn receive(&mut self, envelope: &Envelope, rng: &mut impl CryptoRng) -> Result<Vec<Envelope>, Fault> {
        self.0.receive(envelope, rng)
    }

    /// What to send again when nothing comes.
    #[must_use]
    pub fn resend(&self) -> Vec<Envelope> {
        self.0.resend()
    }

    /// The presignature, once.
    pub fn presignature(&mut self) -> Option<Presignature> {
        self.0.outcome().map(|outcome| outcome.output)
    }
}

impl Authorized {
    /// Starts the session by the presignature that the order names, which is counted by now.
    pub fn begin_presigned(
        self,
        charter: &Charter,
        banned: &BTreeSet<PartyIndex>,
        presignature: Presignature,
        keys: &PartyKeys,
        rng: &mut impl CryptoRng,
    ) -> Result<(SigningRun, Vec<Envelope>), Refusal> {
        if self.order.presignature != Some(presignature.index()) {
            return Err(Refusal::new(Code::Presignature, "the order does not name this presignature"));
        }
        let context = context(charter, self.session, self.me, &self.order.signers);
        let bytes = &self.order.plan.payload.0;
        let mut run = SigningSession::online(context, presignature, banned, bytes, (keys, rng))?;
        let unavailable = |fault: Fault| Refusal::new(Code::Presignature, fault.to_string());
        let envelopes = run.start(rng).map_err(unavailable)?;
        Ok((SigningRun::new(self.order.intent.request, run), envelopes))
    }
}
