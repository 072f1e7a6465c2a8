//! A sharing that somebody made, and resharings of it.

use std::collections::BTreeMap;

use cohold_model::ids::PartyIndex;
use cohold_mpc::Session;
use cohold_mpc_share::{Ceremony, Curve, Dealer, Dealing, Reshared, Resharing, Secret, weights};
use k256::elliptic_curve::Field as _;

use crate::support::{Ends, context, index, keys, rng, session};

/// The run that every attack is on.
pub(crate) const SESSION: u8 = 7;

/// What an old holder has.
#[derive(Clone, Copy)]
pub(crate) struct Held<G: Curve> {
    pub(crate) point: G::Scalar,
    pub(crate) share: G::Scalar,
}

/// A secret, its old holders, and who sits where.
pub(crate) struct World<G: Curve> {
    pub(crate) secret: G::Scalar,
    /// By seat.
    pub(crate) dealers: BTreeMap<u8, Held<G>>,
    pub(crate) holders: u8,
    pub(crate) threshold: u8,
}

/// The value at `x` of a polynomial, lowest coefficient first.
pub(crate) fn at<G: Curve>(coefficients: &[G::Scalar], x: G::Scalar) -> G::Scalar {
    coefficients.iter().rev().fold(G::Scalar::ZERO, |value, next| value * x + next)
}

impl<G: Curve> World<G> {
    /// A random secret shared at random points; the dealers sit at `seats`.
    pub(crate) fn new(seats: &[u8], holders: u8, threshold: u8) -> Self {
        let coefficients: Vec<G::Scalar> = seats.iter().map(|_| G::Scalar::random(&mut rng())).collect();
        let held = |_: &u8| {
            let point = G::Scalar::random(&mut rng());
            Held { point, share: at::<G>(&coefficients, point) }
        };
        let dealers = seats.iter().map(|seat| (*seat, held(seat))).collect();
        Self { secret: coefficients[0], dealers, holders, threshold }
    }

    /// 2-of-n at random points to 2-of-3: seats 2 and 4 deal, 4 leaves, 1 and 3 come.
    pub(crate) fn small() -> Self {
        Self::new(&[2, 4], 3, 2)
    }

    pub(crate) fn public_key(&self) -> G {
        G::mul_by_generator(&self.secret)
    }

    pub(crate) fn dealer_table(&self) -> BTreeMap<PartyIndex, Dealer<G>> {
        let dealer = |(&seat, held): (&u8, &Held<G>)| {
            let public_share = G::mul_by_generator(&held.share);
            let identity = keys(index(seat)).identity();
            (index(seat), Dealer { point: held.point, public_share, identity })
        };
        self.dealers.iter().map(dealer).collect()
    }

    pub(crate) fn holder_table(&self) -> BTreeMap<PartyIndex, PartyIndex> {
        (1..=self.holders).map(|i| (index(i), index(i))).collect()
    }

    pub(crate) fn ceremony(&self) -> Ceremony<G> {
        let table = self.dealer_table();
        Ceremony::new(self.public_key(), &table, self.holder_table(), self.threshold).unwrap()
    }

    pub(crate) fn seats(&self) -> Vec<u8> {
        self.ceremony().seats().into_iter().map(PartyIndex::get).collect()
    }

    /// λᵢ·xᵢ of a dealer.
    pub(crate) fn constant(&self, seat: u8) -> G::Scalar {
        let points: Vec<G::Scalar> = self.dealers.values().map(|held| held.point).collect();
        let weights = weights::<G>(&points).unwrap();
        let own = self.dealers.keys().position(|other| *other == seat).unwrap();
        weights[own] * self.dealers[&seat].share
    }

    pub(crate) fn session(&self, me: u8, id: u8) -> Session<Resharing<G>> {
        let context = context(me, &self.seats(), id);
        let share = self.dealers.get(&me).map(|held| Secret::take(&mut { held.share }));
        let identity = keys(index(me)).identity;
        let dealing = share.as_ref().map(|share| Dealing { share, identity: &identity });
        let protocol = Resharing::new(&context, self.ceremony(), dealing, &mut rng()).unwrap();
        session(context, protocol)
    }

    pub(crate) fn sessions(&self, id: u8) -> Vec<Session<Resharing<G>>> {
        self.seats().into_iter().map(|me| self.session(me, id)).collect()
    }

    /// Checks that all seats agree and that the new shares are a sharing of the secret at the new
    /// threshold; returns them.
    pub(crate) fn check(&self, ends: Ends<Reshared<G>>) -> Vec<G::Scalar> {
        let outcomes: Vec<_> = ends.into_values().map(|end| end.done()).collect();
        let public = outcomes[0].output.public_shares.clone();
        let mut shares = BTreeMap::new();
        for outcome in &outcomes {
            assert_eq!(outcome.output.public_shares, public);
            assert_eq!(outcome.output.public_key, self.public_key());
            assert_eq!(outcome.transcript, outcomes[0].transcript);
            if let Some((point, share)) = &outcome.output.share {
                assert_eq!(share.public(), public[usize::from(*point) - 1]);
                assert!(shares.insert(*point, *share.expose()).is_none());
            }
        }
        assert_eq!(shares.keys().copied().collect::<Vec<_>>(), (1..=self.holders).collect::<Vec<_>>());
        let (all, t) = (usize::from(self.holders), usize::from(self.threshold));
        let shares: Vec<G::Scalar> = shares.into_values().collect();
        assert_eq!(combine::<G>(&shares, all - t..all), self.secret, "the last t suffice");
        assert_eq!(combine::<G>(&shares, 0..t), self.secret, "and the first");
        assert_ne!(combine::<G>(&shares, 0..t - 1), self.secret, "fewer do not");
        shares
    }
}

/// What the shares of the points 1.. in a range interpolate to.
pub(crate) fn combine<G: Curve>(shares: &[G::Scalar], range: std::ops::Range<usize>) -> G::Scalar {
    let points: Vec<G::Scalar> = range.clone().map(|i| G::Scalar::from(i as u64 + 1)).collect();
    let weights = weights::<G>(&points).unwrap();
    weights.iter().zip(&shares[range]).fold(G::Scalar::ZERO, |sum, (weight, share)| sum + *weight * share)
}
