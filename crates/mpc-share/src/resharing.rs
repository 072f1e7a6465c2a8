//! The run of a resharing at one seat.

use std::collections::{BTreeMap, BTreeSet};

use cohold_model::canonical::{Digest, digest_parts};
use cohold_model::identity::IdentitySecret;
use cohold_model::ids::{PartyIndex, SessionId};
use cohold_mpc::{Fault, Inbox, Outgoing, Protocol, Reason, SessionContext, Step};
use k256::elliptic_curve::Field as _;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use crate::ceremony::Ceremony;
use crate::curve::{self, Curve, Secret};
use crate::deal::{Deal, Dealt, SignedDeal, SubShare};
use crate::evidence::Evidence;
use crate::findings::{Finding, Word, weigh};
use crate::polynomial::committed_at;

/// What a seat that deals brings along.
pub struct Dealing<'a, G: Curve> {
    /// Its old share.
    pub share: &'a Secret<G>,
    /// Signs what it deals.
    pub identity: &'a IdentitySecret,
}

/// What a resharing leaves at one seat.
#[derive(Debug)]
pub struct Reshared<G: Curve> {
    /// The public key, as before.
    pub public_key: G,
    /// The new public shares, of the points 1..n in order.
    pub public_shares: Vec<G>,
    /// Our new point and share, if we hold one from now on.
    pub share: Option<(u8, Secret<G>)>,
}

/// Why a resharing was not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResharingError {
    /// The session's parties are not the seats.
    #[error("the session's parties are not the seats of the resharing")]
    Seats,
    /// Our seat deals and we have no share, or we have one and our seat does not deal.
    #[error("seat `{0}` must bring its old share if it deals, and only then")]
    Share(PartyIndex),
    /// The share is not the one that belongs to our seat.
    #[error(
        "the share is not the one that the resharing knows seat `{0}` by: it is of another epoch, or damaged"
    )]
    Secret(PartyIndex),
    /// The identity is not the one that belongs to our seat.
    #[error("the identity is not the one that the resharing knows seat `{0}` by")]
    Identity(PartyIndex),
}

/// One run at one seat.
pub struct Resharing<G: Curve> {
    me: PartyIndex,
    session: SessionId,
    ceremony: Ceremony<G>,
    state: State<G>,
}

enum State<G: Curve> {
    Fresh(Option<Dealt<G>>),
    Dealt(Option<Own<G>>),
    Said { own: Result<Digest, Finding>, reshared: Option<Reshared<G>> },
    Over,
}

/// What we keep of our own deal.
struct Own<G: Curve> {
    deal: Deal<G>,
    /// For our own seat, if it holds.
    sub_share: Option<SubShare>,
}

/// A broadcast of round 1.
#[derive(Serialize, Deserialize)]
struct Announcement {
    ceremony: [u8; 32],
    deal: Option<SignedDeal>,
}

impl<G: Curve> Resharing<G> {
    /// A run at the seat of `context`. A seat that deals brings its old share along; all that it will
    /// send is made here, and nothing is kept of the share.
    pub fn new(
        context: &SessionContext,
        ceremony: Ceremony<G>,
        dealing: Option<Dealing<'_, G>>,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, ResharingError> {
        let me = context.me;
        let participants: BTreeSet<PartyIndex> = context.peers.keys().chain([&me]).copied().collect();
        if participants != ceremony.seats() {
            return Err(ResharingError::Seats);
        }
        let dealt = match (ceremony.dealer(me), dealing) {
            (None, None) => None,
            (Some(seat), Some(dealing)) => {
                if dealing.share.public() != seat.public_share {
                    return Err(ResharingError::Secret(me));
                }
                if dealing.identity.public() != seat.identity {
                    return Err(ResharingError::Identity(me));
                }
                let mut constant = seat.weight * dealing.share.expose();
                let constant = Secret::take(&mut constant);
                Some(Dealt::new(&ceremony, context.session, me, &constant, dealing.identity, rng))
            }
            (Some(_), None) | (None, Some(_)) => return Err(ResharingError::Share(me)),
        };
        Ok(Self { me, session: context.session, ceremony, state: State::Fresh(dealt) })
    }

    /// Round 1: what we deal, if we do.
    fn deal(&mut self, dealt: Option<Dealt<G>>) -> Result<Outgoing, Fault> {
        let mut outgoing = Outgoing::default();
        let mut announcement = Announcement { ceremony: self.ceremony.digest().0, deal: None };
        let own = dealt.map(|Dealt { signed, deal, sub_shares }| {
            announcement.deal = Some(signed);
            let mut own = Own { deal, sub_share: None };
            for (holder, sub_share) in sub_shares {
                if holder == self.me {
                    own.sub_share = Some(sub_share);
                } else {
                    outgoing.direct.insert(holder, sub_share.encode());
                }
            }
            own
        });
        outgoing.broadcast = Some(encode(&announcement)?);
        self.state = State::Dealt(own);
        Ok(outgoing)
    }

    /// Round 2: checks what was dealt, and says what came of it.
    fn say(&mut self, own: Option<Own<G>>, inbox: &Inbox) -> Result<Outgoing, Fault> {
        let (own, reshared) = match self.take_in(own, inbox) {
            Ok((deals, share)) => {
                let reshared = self.reshare(&deals, share)?;
                (Ok(self.result(&reshared.public_shares)), Some(reshared))
            }
            Err(finding) => (Err(finding), None),
        };
        let word = match &own {
            Ok(digest) => Word::Agreed(digest.0),
            Err(finding) => Word::of(finding),
        };
        let broadcast = Some(encode(&word)?);
        self.state = State::Said { own, reshared };
        Ok(Outgoing { broadcast, direct: BTreeMap::new() })
    }

    /// Every deal with our sub-share of it, or the gravest thing that was found: what can be proved goes
    /// before what cannot.
    #[expect(clippy::type_complexity, reason = "the two halves part at once, in `say`")]
    fn take_in(
        &self,
        own: Option<Own<G>>,
        inbox: &Inbox,
    ) -> Result<(Vec<Deal<G>>, Option<Secret<G>>), Finding> {
        let point = self.ceremony.new_point(self.me);
        let mut deals = Vec::new();
        let mut sum = G::Scalar::ZERO;
        if let Some(Own { deal, sub_share }) = own {
            let share = point.zip(sub_share).and_then(|(x, sub_share)| deal.share_at(x, &sub_share.value));
            if let Some(share) = share {
                sum += share.expose();
            }
            deals.push(deal);
        }
        let mut unusable = None;
        for from in inbox.peers() {
            match self.examine(from, point, inbox) {
                Ok(Some((deal, share))) => {
                    if let Some(share) = share {
                        sum += share.expose();
                    }
                    deals.push(deal);
                }
                Ok(None) => {}
                Err(Finding::Cheated(evidence)) => return Err(Finding::Cheated(evidence)),
                Err(finding @ Finding::Unusable(..)) => unusable = unusable.or(Some(finding)),
            }
        }
        let share = Secret::take(&mut sum);
        match unusable {
            Some(finding) => Err(finding),
            None => Ok((deals, point.map(|_| share))),
        }
    }

    /// What one peer sent: its deal, if its seat deals, with our sub-share, if ours holds.
    #[expect(clippy::type_complexity, reason = "the two halves part at once, in `take_in`")]
    fn examine(
        &self,
        from: PartyIndex,
        point: Option<u8>,
        inbox: &Inbox,
    ) -> Result<Option<(Deal<G>, Option<Secret<G>>)>, Finding> {
        let malformed = || Finding::unusable(from, |from| Reason::Malformed { from });
        let (broadcast, direct) =
            inbox.message(from).map(|m| (&m.broadcast, &m.direct)).ok_or_else(malformed)?;
        let announcement: Announcement = broadcast.as_deref().and_then(decode).ok_or_else(malformed)?;
        if announcement.ceremony != self.ceremony.digest().0 {
            return Err(Finding::unusable(from, |from| Reason::Disagreement { from }));
        }
        let deals = self.ceremony.dealer(from).is_some();
        let signed = match (deals, announcement.deal, point, direct) {
            (false, None, _, None) => return Ok(None),
            (true, Some(signed), Some(_), Some(_)) | (true, Some(signed), None, None) => signed,
            _ => return Err(malformed()),
        };
        if !signed.is_genuine(&self.ceremony, self.session, from) {
            return Err(Finding::unusable(from, |from| Reason::Proof { from }));
        }
        let Ok(deal) = signed.open(&self.ceremony, from) else {
            return Err(Finding::Cheated(Box::new(Evidence::of_deal(from, signed))));
        };
        let Some((x, direct)) = point.zip(direct.as_ref()) else { return Ok(Some((deal, None))) };
        let sub_share = SubShare::decode(direct).ok_or_else(malformed)?;
        let hash = sub_share.hash(self.ceremony.digest(), self.session, from, self.me);
        if !deal.is_opened_by(hash, self.me) {
            return Err(Finding::unusable(from, |from| Reason::Commitment { from }));
        }
        match deal.share_at(x, &sub_share.value) {
            Some(share) => Ok(Some((deal, Some(share)))),
            None => {
                let evidence = Evidence::of_sub_share(from, signed, self.me, &sub_share);
                Err(evidence.map_or_else(malformed, |evidence| Finding::Cheated(Box::new(evidence))))
            }
        }
    }

    /// The new public shares from the sum of all commitments, with our new share checked against ours.
    fn reshare(&self, deals: &[Deal<G>], share: Option<Secret<G>>) -> Result<Reshared<G>, Fault> {
        let mut commitments = vec![G::identity(); usize::from(self.ceremony.threshold())];
        for deal in deals {
            commitments.iter_mut().zip(&deal.commitments).for_each(|(sum, next)| *sum += next);
        }
        // Both follow from the checks of each deal.
        let complete = deals.len() == self.ceremony.dealers().count();
        if !complete || commitments.first() != Some(self.ceremony.public_key()) {
            return Err(Fault::freeze(Reason::Engine));
        }
        let count = u8::try_from(self.ceremony.holders().count()).unwrap_or(u8::MAX);
        let public_shares: Vec<G> = (1..=count).map(|x| committed_at(&commitments, x)).collect();
        // A lower degree is a lower threshold, and a share of zero is none.
        if commitments.iter().chain(&public_shares).any(|point| point.is_identity().into()) {
            return Err(Fault::retry(Reason::Degenerate));
        }
        let share = self.ceremony.new_point(self.me).zip(share);
        if let Some((x, share)) = &share {
            let expected = usize::from(*x).checked_sub(1).and_then(|i| public_shares.get(i));
            if expected != Some(&share.public()) {
                return Err(Fault::freeze(Reason::Engine));
            }
        }
        Ok(Reshared { public_key: *self.ceremony.public_key(), public_shares, share })
    }

    /// Names what came out.
    fn result(&self, public_shares: &[G]) -> Digest {
        let shares: Vec<Vec<u8>> = public_shares.iter().map(curve::bytes).collect();
        let ceremony = self.ceremony.digest();
        let parts: Vec<&[u8]> =
            [ceremony.0.as_slice()].into_iter().chain(shares.iter().map(Vec::as_slice)).collect();
        digest_parts("cohold/reshare/result/v1", &parts)
    }

    fn conclude(
        &self,
        own: Result<Digest, Finding>,
        reshared: Option<Reshared<G>>,
        inbox: &Inbox,
    ) -> Result<Reshared<G>, Fault> {
        let mut words = BTreeMap::new();
        for broadcast in inbox.broadcasts() {
            let (from, bytes) = broadcast?;
            words.insert(from, decode(bytes).ok_or_else(|| Fault::retry(Reason::Malformed { from }))?);
        }
        weigh(&self.ceremony, self.session, own, &words)?;
        reshared.ok_or_else(|| Fault::freeze(Reason::Engine))
    }
}

impl<G: Curve> Protocol for Resharing<G> {
    type Output = Reshared<G>;
    /// The new public shares come out of broadcasts: all must have seen the same.
    const CONFIRMED: bool = true;

    fn start(&mut self, _: &mut impl CryptoRng) -> Result<Step<Reshared<G>>, Fault> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Fresh(dealt) => self.deal(dealt).map(Step::Send),
            _ => Err(Fault::retry(Reason::OutOfOrder)),
        }
    }

    fn round(&mut self, inbox: Inbox, _: &mut impl CryptoRng) -> Result<Step<Reshared<G>>, Fault> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Dealt(own) => self.say(own, &inbox).map(Step::Send),
            State::Said { own, reshared } => self.conclude(own, reshared, &inbox).map(Step::Done),
            State::Fresh(_) | State::Over => Err(Fault::retry(Reason::OutOfOrder)),
        }
    }
}

/// Public messages only: the buffer is not wiped.
fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, Fault> {
    postcard::to_extend(message, Vec::new()).map_err(|_| Fault::retry(Reason::LocalState))
}

fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    match postcard::take_from_bytes(bytes) {
        Ok((message, [])) => Some(message),
        Ok(_) | Err(_) => None,
    }
}
