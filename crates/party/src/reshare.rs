//! How an account goes from one epoch to the next, as one party does it: the resharing that it checks, a
//! run among old and new parties, engine data among the new ones, and the charter that every new party
//! computes for itself and signs. Where only the engine changes, no share moves and the epoch stays: the
//! parties that the new engine serves make its data, and all sign.
//!
//! The order is what makes it safe against a crash anywhere. The new share is durable before this party's
//! signature under the new charter leaves it; the old one stays until all new parties have signed; and a
//! party that will not sign notes so before it says so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cohold_model::account::Card;
use cohold_model::charter::Charter;
use cohold_model::handover::Dealt;
use cohold_model::ids::PartyIndex;
use cohold_model::reshare::{Abandonment, Seat, reshare_session, reshare_setup_session};
use cohold_model::{Digest, Document as _, Engine, PartyName, Resharing, SessionId, Signed};
use cohold_mpc::{Envelope, Fault, Outcome, PartyKeys, Session, SessionContext};
use cohold_mpc_ecdsa::{AccountKey, DealtFrom, KeyResharing, ReshareOutcome, Share};
use rand_core::CryptoRng;

use crate::charter_change::admit;
use crate::engine::{Auxiliary, Ready, SettingUp};
use crate::refusal::{Code, Refusal};
use crate::rules::Rules;
use crate::verify::{HORIZON_SECONDS_MAX, Standing};
use crate::wire::ReshareOrder;

/// A resharing that this party takes part in.
#[derive(Debug, Clone)]
pub struct Accepted {
    order: ReshareOrder,
    seats: BTreeMap<PartyIndex, Seat>,
    me: PartyIndex,
    seat: Seat,
    consenter: Option<PartyName>,
}

/// Sub-shares on their way.
pub struct Dealing {
    run: Session<KeyResharing>,
    accepted: Accepted,
}

/// What the sub-shares made.
pub struct Reshared {
    /// The charter to come, as this party computed it.
    pub charter: Charter,
    /// This party's new share, if it holds one.
    pub share: Option<Share>,
}

/// What a party that holds a share keeps before it signs the charter.
pub struct Prepared {
    /// Digest of the resharing.
    pub resharing: Digest,
    /// The charter to come.
    pub charter: Charter,
    /// The new share, or the same where only the engine changes.
    pub share: Arc<Share>,
    /// Its engine data; none at a party that the engine does not serve.
    pub auxiliary: Option<Auxiliary>,
}

/// How many seconds the parties have until all have signed, the making of primes for the engine included.
#[must_use]
pub fn seconds_max(engine: Engine) -> u64 {
    match engine {
        Engine::Dkls23 => 130,
        Engine::Cggmp24 => 900,
    }
}

/// Checks a resharing: as a party in `standing` under the charter in force, or as one that comes in.
pub fn review(
    order: ReshareOrder,
    me: &Card,
    standing: Option<Standing<'_>>,
    rules: &Rules,
    now: u64,
) -> Result<Accepted, Refusal> {
    let consenter = match standing {
        Some(standing) => review_inside(&order, standing, now)?,
        None => review_coming(&order, rules, now).map(|()| None)?,
    };
    let ReshareOrder { charter, resharing, .. } = &order;
    let seats = resharing.document.seats(&charter.document);
    let own = seats.iter().find(|(_, seat)| seat.card.identity == me.identity);
    let Some((&number, seat)) = own else {
        return Err(Refusal::new(Code::Order, "this party has no part in the resharing"));
    };
    if seat.card != *me {
        let message =
            format!("the resharing does not show `{}` as it is: use the card that it handed out", me.party);
        return Err(Refusal::new(Code::Order, message));
    }
    if seat.deals.is_some() && standing.is_none() {
        return Err(Refusal::new(Code::Charter, "this party holds no share that it could deal"));
    }
    let seat = seat.clone();
    Ok(Accepted { me: number, seat, seats, order, consenter })
}

/// Under the very charter in force, by an approver, with the user's consent where it takes one; whose it is.
fn review_inside(
    order: &ReshareOrder,
    standing: Standing<'_>,
    now: u64,
) -> Result<Option<PartyName>, Refusal> {
    if order.charter.document.digest() != standing.charter.digest() {
        let message = format!(
            "the resharing is for another charter than version {} that this party keeps: look at the account again",
            standing.charter.version
        );
        return Err(Refusal::new(Code::Charter, message));
    }
    let assessment = admit(standing.charter, &order.resharing, order.consent.as_ref(), now)?;
    let consent = order.consent.as_ref().filter(|_| assessment.needs_consent());
    let resharing = &order.resharing.document;
    if resharing.sets_engine(standing.charter)
        && let Some(banned) = standing.banned.iter().next()
    {
        let message = format!("party {banned} is banned for this key: reshare the account without it first");
        return Err(Refusal::new(Code::Banned, message));
    }
    let dealers = resharing.dealers.iter();
    let points: BTreeSet<PartyIndex> =
        dealers.filter_map(|name| standing.charter.terms.party(name)).map(|(index, _)| index).collect();
    match points.intersection(standing.banned).next() {
        None => Ok(consent.map(|consent| consent.document.consenter.clone())),
        Some(banned) => Err(Refusal::new(
            Code::Banned,
            format!(
                "party {banned} is banned for this key and cannot deal: let others deal, and leave it out"
            ),
        )),
    }
}

/// By an approver of an account that exists, whom this party opens accounts with.
fn review_coming(order: &ReshareOrder, rules: &Rules, now: u64) -> Result<(), Refusal> {
    let refuse = |message: String| Refusal::new(Code::Order, message);
    let (old, Resharing { proposer, created_at, .. }) = (&order.charter, &order.resharing.document);
    old.check().map_err(|error| refuse(error.to_string()))?;
    order.resharing.check(&old.document).map_err(|error| refuse(error.to_string()))?;
    if created_at.abs_diff(now) > HORIZON_SECONDS_MAX {
        return Err(Refusal::new(
            Code::Expired,
            format!(
                "the resharing was made at {created_at}, this party's clock says {now}: propose again, or set the clock"
            ),
        ));
    }
    match old.document.terms.party(proposer) {
        Some((_, card)) => rules.check_proposer(&card.identity),
        None => Err(refuse(format!("proposer `{proposer}` is no party of the account"))),
    }
}

impl Accepted {
    /// What was asked for.
    #[must_use]
    pub fn order(&self) -> &ReshareOrder {
        &self.order
    }

    /// Digest of the resharing.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.order.resharing.document.digest()
    }

    /// The sessions that it takes: of the sub-shares, and of the engine data.
    #[must_use]
    pub fn sessions(&self) -> [SessionId; 2] {
        [reshare_session(&self.order.resharing), reshare_setup_session(&self.order.resharing)]
    }

    /// Who takes part.
    #[must_use]
    pub fn seats(&self) -> &BTreeMap<PartyIndex, Seat> {
        &self.seats
    }

    /// This party's name in the charter in force, if it deals.
    #[must_use]
    pub fn name_before(&self) -> Option<&PartyName> {
        let before = self.order.charter.document.terms.party_at(self.seat.deals?);
        before.map(|card| &card.party)
    }

    /// Whose consent the resharing takes, if it takes one.
    #[must_use]
    pub fn consenter(&self) -> Option<&PartyName> {
        self.consenter.as_ref()
    }

    /// Whether this party gives sub-shares of what it holds.
    #[must_use]
    pub fn deals(&self) -> bool {
        self.seat.deals.is_some()
    }

    /// Whether the engine alone changes: no share moves, and the epoch stays.
    #[must_use]
    pub fn sets_engine(&self) -> bool {
        self.order.resharing.document.sets_engine(&self.order.charter.document)
    }

    /// This party's point in the charter to come, if it holds a share then.
    #[must_use]
    pub fn point(&self) -> Option<PartyIndex> {
        self.seat.holds
    }

    /// The engine whose data this party is to make; none where it holds no share then, or is not served.
    #[must_use]
    pub fn engine(&self) -> Option<Engine> {
        let engine = self.order.resharing.document.engine;
        (self.holds() && engine.serves(self.seat.card.kind)).then_some(engine)
    }

    /// The charter that another engine makes of the one in force, with everything else as it is.
    #[must_use]
    pub fn engine_charter(&self) -> Option<Charter> {
        let (old, resharing) = (&self.order.charter.document, &self.order.resharing.document);
        Some(Charter {
            version: old.version.checked_add(1)?,
            created_at: resharing.created_at,
            previous: Some(resharing.charter),
            engine: resharing.engine,
            ..old.clone()
        })
    }

    /// Starts the run of the engine data among those whom the engine of `charter` serves.
    pub fn set_up(
        &self,
        charter: &Charter,
        share: &Share,
        ready: Ready,
        keys: &PartyKeys,
        rng: &mut impl CryptoRng,
    ) -> Result<(SettingUp, Vec<Envelope>), Refusal> {
        let me = share.index();
        let [_, session] = self.sessions();
        let peers = charter.terms.indexed().filter(|(index, _)| *index != me);
        let peers = peers.filter(|(_, card)| charter.engine.serves(card.kind));
        let peers = peers.map(|(index, card)| (index, card.seal)).collect();
        let context =
            SessionContext { account: charter.terms.account, epoch: charter.epoch, session, me, peers };
        SettingUp::begin(context, share, ready, keys, rng)
    }

    /// Whether this party holds a share afterwards.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.seat.holds.is_some()
    }

    /// Starts the run of the sub-shares; who deals brings its share.
    pub fn begin(
        self,
        share: Option<&Share>,
        keys: &PartyKeys,
        rng: &mut impl CryptoRng,
    ) -> Result<(Dealing, Vec<Envelope>), Refusal> {
        let refuse = |e: &dyn std::fmt::Display| Refusal::new(Code::Order, e.to_string());
        let (old, resharing) = (&self.order.charter.document, &self.order.resharing.document);
        let [session, _] = self.sessions();
        let peers = self.seats.iter().filter(|(number, _)| **number != self.me);
        let peers = peers.map(|(number, seat)| (*number, seat.card.seal)).collect();
        let epoch = resharing.epoch(old).map_err(|e| refuse(&e))?;
        let context = SessionContext { account: old.terms.account, epoch, session, me: self.me, peers };
        let key = AccountKey::from_binding(&old.key, old.terms.threshold).map_err(|e| refuse(&e))?;
        let own = share.map(|share| DealtFrom { share, identity: &keys.identity });
        let own = own.filter(|_| self.deals());
        let threshold = resharing.terms.threshold;
        let protocol =
            KeyResharing::new(&context, &key, &self.seats, threshold, own, rng).map_err(|e| refuse(&e))?;
        let mut run = Session::new(context, &keys.seal, protocol, rng).map_err(|e| refuse(&e))?;
        let envelopes = run.start(rng).map_err(|e| refuse(&e))?;
        Ok((Dealing { accepted: self, run }, envelopes))
    }
}

impl Dealing {
    /// What it is a run of.
    #[must_use]
    pub fn accepted(&self) -> &Accepted {
        &self.accepted
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

    /// The result, once.
    pub fn reshared(&mut self) -> Option<Reshared> {
        let Outcome { output: ReshareOutcome { key, share }, transcript } = self.run.outcome()?;
        let (old, resharing) =
            (&self.accepted.order.charter.document, &self.accepted.order.resharing.document);
        let charter = Charter {
            version: old.version.checked_add(1)?,
            terms: resharing.terms.clone(),
            epoch: resharing.epoch(old).ok()?,
            key: key.binding(transcript),
            created_at: resharing.created_at,
            previous: Some(resharing.charter),
            origin: old.origin,
            engine: resharing.engine,
        };
        Some(Reshared { charter, share })
    }
}

/// A dealer's word that it dealt for this charter.
#[must_use]
pub fn dealt(charter: &Charter, party: &PartyName, keys: &PartyKeys) -> Signed<Dealt> {
    let word = Dealt { account: charter.terms.account, charter: charter.digest(), party: party.clone() };
    Signed::by(word, party.clone(), &keys.identity)
}

/// A party's word that it never signs the charter of a resharing. Only after it has noted that, durably.
#[must_use]
pub fn abandonment(
    resharing: &Resharing,
    party: &PartyName,
    keys: &PartyKeys,
    now: u64,
) -> Signed<Abandonment> {
    let word = Abandonment {
        account: resharing.terms.account,
        resharing: resharing.digest(),
        party: party.clone(),
        issued_at: now,
    };
    Signed::by(word, party.clone(), &keys.identity)
}

/// Whether this is the word of a party to come that it never signs the charter of this resharing.
#[must_use]
pub fn is_abandoned(resharing: &Resharing, said: &Signed<Abandonment>) -> bool {
    let Abandonment { account, resharing: named, party, .. } = &said.document;
    *account == resharing.terms.account
        && *named == resharing.digest()
        && resharing.terms.party(party).is_some_and(|(_, card)| said.is_signed_by(party, &card.identity))
}
