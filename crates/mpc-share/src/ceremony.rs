//! What all who take part in a resharing know before it begins, and must agree on.

use std::collections::{BTreeMap, BTreeSet};

use cohold_model::account::PARTIES_MAX;
use cohold_model::canonical::{Digest, digest_parts};
use cohold_model::identity::IdentityKey;
use cohold_model::ids::PartyIndex;

use crate::curve::{self, Curve, scalar_bytes};
use crate::polynomial::weights;

/// One of the old holders that deal.
#[derive(Debug, Clone)]
pub struct Dealer<G: Curve> {
    /// Its Shamir point: any scalar but zero.
    pub point: G::Scalar,
    /// Its old share times the generator.
    pub public_share: G,
    /// Signs what it deals.
    pub identity: IdentityKey,
}

/// A resharing as all know it, by seats: dealers at their old points, holders at their new ones. A seat
/// may be both.
///
/// Invariant: the dealers' points are distinct and not zero, and their public shares make the public
/// key; the holders' points are 1..n; 2 ≤ t ≤ n ≤ 9; no point of the group is the identity.
#[derive(Debug, Clone)]
pub struct Ceremony<G: Curve> {
    threshold: u8,
    public_key: G,
    dealers: BTreeMap<PartyIndex, Seated<G>>,
    holders: BTreeMap<PartyIndex, u8>,
    digest: Digest,
}

/// A dealer with what follows from its place among the others.
#[derive(Debug, Clone)]
pub(crate) struct Seated<G: Curve> {
    pub(crate) identity: IdentityKey,
    pub(crate) public_share: G,
    pub(crate) weight: G::Scalar,
    /// λᵢ·Xᵢ: what it must commit to.
    pub(crate) constant: G,
}

/// Why public values do not make a resharing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CeremonyError {
    /// The new threshold is out of range.
    #[error("threshold {threshold} of {holders} new holders is out of range: use 2 of 2 to 9 of 9")]
    Threshold {
        /// What was asked for.
        threshold: u8,
        /// How many will hold a share.
        holders: usize,
    },
    /// The new holders are not numbered from 1 without gaps.
    #[error("{holders} new holders do not have the points 1 to {holders}")]
    Points {
        /// How many will hold a share.
        holders: usize,
    },
    /// Nobody deals, or too many.
    #[error("{0} parties deal: as many as the old threshold must, and nine at most")]
    Dealers(usize),
    /// A dealer's point is zero, or another's too.
    #[error("the dealers' points are not distinct, or one is zero")]
    DealerPoints,
    /// A public value is the identity.
    #[error("a public share or the public key is the point at infinity")]
    Identity,
    /// The dealers hold other shares, or are too few.
    #[error("the dealers' public shares do not make the public key: these are not shares of it, or too few")]
    Key,
}

impl<G: Curve> Ceremony<G> {
    /// The resharing of the secret behind `public_key` from `dealers`, as many as its old threshold, to
    /// `holders` (the new point of each seat that will hold a share), `threshold` of whom will be needed.
    pub fn new(
        public_key: G,
        dealers: &BTreeMap<PartyIndex, Dealer<G>>,
        holders: BTreeMap<PartyIndex, PartyIndex>,
        threshold: u8,
    ) -> Result<Self, CeremonyError> {
        let holders: BTreeMap<PartyIndex, u8> =
            holders.into_iter().map(|(seat, point)| (seat, point.get())).collect();
        let count = holders.len();
        let fits = (2..=usize::from(PARTIES_MAX)).contains(&count);
        if !fits || !(2..=count).contains(&usize::from(threshold)) {
            return Err(CeremonyError::Threshold { threshold, holders: count });
        }
        let points: BTreeSet<u8> = holders.values().copied().collect();
        if points.len() != count || points.last().is_none_or(|last| usize::from(*last) != count) {
            return Err(CeremonyError::Points { holders: count });
        }
        if !(1..=usize::from(PARTIES_MAX)).contains(&dealers.len()) {
            return Err(CeremonyError::Dealers(dealers.len()));
        }
        let shares = dealers.values().map(|dealer| &dealer.public_share);
        if shares.chain([&public_key]).any(|point| point.is_identity().into()) {
            return Err(CeremonyError::Identity);
        }
        let dealers = seated(dealers)?;
        if dealers.values().map(|dealer| dealer.constant).sum::<G>() != public_key {
            return Err(CeremonyError::Key);
        }
        let digest = Digest([0; 32]);
        let unnamed = Self { threshold, public_key, dealers, holders, digest };
        Ok(Self { digest: unnamed.name(), ..unnamed })
    }

    /// The same resharing with something else that all must agree on, though the protocol does not use it.
    #[must_use]
    pub fn bound_to(self, what: Digest) -> Self {
        Self { digest: digest_parts("cohold/reshare/bound/v1", &[&self.digest.0, &what.0]), ..self }
    }

    /// Names the resharing with all of its public values.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The public key, which stays.
    #[must_use]
    pub fn public_key(&self) -> &G {
        &self.public_key
    }

    /// How many of the new holders will be needed.
    #[must_use]
    pub fn threshold(&self) -> u8 {
        self.threshold
    }

    /// The new point of each seat that will hold a share.
    pub fn holders(&self) -> impl Iterator<Item = (PartyIndex, u8)> {
        self.holders.iter().map(|(seat, point)| (*seat, *point))
    }

    /// The seats that deal.
    pub fn dealers(&self) -> impl Iterator<Item = PartyIndex> {
        self.dealers.keys().copied()
    }

    /// All seats.
    #[must_use]
    pub fn seats(&self) -> BTreeSet<PartyIndex> {
        self.dealers.keys().chain(self.holders.keys()).copied().collect()
    }

    pub(crate) fn dealer(&self, seat: PartyIndex) -> Option<&Seated<G>> {
        self.dealers.get(&seat)
    }

    pub(crate) fn new_point(&self, seat: PartyIndex) -> Option<u8> {
        self.holders.get(&seat).copied()
    }

    fn name(&self) -> Digest {
        let mut parts =
            vec![G::NAME.as_bytes().to_vec(), vec![self.threshold], curve::bytes(&self.public_key)];
        for (seat, dealer) in &self.dealers {
            parts.push(vec![seat.get()]);
            parts.push(curve::bytes(&dealer.public_share));
            parts.push(scalar_bytes::<G>(&dealer.weight).to_vec());
            parts.push(dealer.identity.to_bytes().to_vec());
        }
        for (seat, point) in &self.holders {
            parts.push(vec![seat.get(), *point]);
        }
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        digest_parts("cohold/reshare/ceremony/v1", &parts)
    }
}

fn seated<G: Curve>(
    dealers: &BTreeMap<PartyIndex, Dealer<G>>,
) -> Result<BTreeMap<PartyIndex, Seated<G>>, CeremonyError> {
    let points: Vec<G::Scalar> = dealers.values().map(|dealer| dealer.point).collect();
    let weights = weights::<G>(&points).ok_or(CeremonyError::DealerPoints)?;
    let seat = |((seat, dealer), weight): ((&PartyIndex, &Dealer<G>), G::Scalar)| {
        let Dealer { public_share, identity, .. } = *dealer;
        (*seat, Seated { identity, public_share, weight, constant: public_share * weight })
    };
    Ok(dealers.iter().zip(weights).map(seat).collect())
}
