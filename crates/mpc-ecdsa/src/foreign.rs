//! A key that was not made here: shared by other software at points of its own choice, or held whole by
//! one person. What is needed to reshare it to an account's parties, and nothing else.

use std::collections::BTreeMap;

use cohold_model::account::PARTIES_MAX;
use cohold_model::canonical::{Digest, HexBytes, digest_parts};
use cohold_model::ids::{PartyIndex, PartyName};
use cohold_model::import::{Holder, Import, Origin};
use cohold_mpc_share::{Secp256k1, Secret, point as group_point, scalar as group_scalar, weights};
use k256::Scalar;
use k256::elliptic_curve::PrimeField as _;
use k256::elliptic_curve::group::GroupEncoding as _;
use zeroize::{Zeroize as _, Zeroizing};

/// What all know of one holder of a foreign key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignParty {
    /// Its Shamir point, big-endian, below the group order and not zero.
    pub point: [u8; 32],
    /// Its public share, compressed SEC 1.
    pub public_share: [u8; 33],
}

/// The public side of a foreign key. Its holders are numbered from 1 in the order they were given.
///
/// Invariant: the points are distinct and not zero; the public shares lie on one polynomial in the
/// exponent, of degree t − 1 and no lower, whose value at zero is the public key; 1 ≤ t ≤ 9.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKey {
    threshold: u8,
    public_key: Secp256k1,
    parties: Vec<(Scalar, Secp256k1)>,
    chain_code: Digest,
}

/// One holder's share of a foreign key. Not `Clone`, not printable, wiped on drop.
#[derive(Debug)]
pub struct ForeignShare {
    party: PartyIndex,
    secret: Secret<Secp256k1>,
    key: Digest,
}

/// Why values do not make a foreign key or a share of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ForeignKeyError {
    /// Nobody, or more than can be numbered.
    #[error("{0} holders: 1 to {max} can be read", max = PartyIndex::MAX)]
    Parties(usize),
    /// Not a point of the curve, or the point at infinity.
    #[error("a public value is not a point of secp256k1 in compressed form")]
    Point,
    /// A Shamir point is zero, not below the group order, or another's too.
    #[error("the holders' Shamir points are not distinct numbers between zero and the group order")]
    Points,
    /// No number of shares up to nine makes the public key.
    #[error("the public shares do not make the public key at any threshold from 1 to {PARTIES_MAX}")]
    Polynomial,
    /// A party that the key does not know.
    #[error("party `{0}` holds no share of this key")]
    Stranger(PartyIndex),
    /// Not a secret key, or not the one that belongs to the public share.
    #[error("the secret does not belong to the public share of party `{0}`: the copy is damaged")]
    Secret(PartyIndex),
}

impl ForeignKey {
    /// The key behind `parties`. How many of them it takes is found out, not believed: share sets mostly
    /// do not say. Without a chain code of its own the key gets [`ForeignKey::made_up_chain_code`].
    pub fn shared(
        public_key: &[u8; 33],
        parties: &[ForeignParty],
        chain_code: Option<Digest>,
    ) -> Result<Self, ForeignKeyError> {
        if !(1..=usize::from(PartyIndex::MAX)).contains(&parties.len()) {
            return Err(ForeignKeyError::Parties(parties.len()));
        }
        let key = group_point::<Secp256k1>(public_key).ok_or(ForeignKeyError::Point)?;
        let read = |party: &ForeignParty| {
            let share = group_point(&party.public_share).ok_or(ForeignKeyError::Point)?;
            Ok((group_scalar::<Secp256k1>(&party.point).ok_or(ForeignKeyError::Points)?, share))
        };
        let parties: Vec<(Scalar, Secp256k1)> = parties.iter().map(read).collect::<Result<_, _>>()?;
        let points: Vec<Scalar> = parties.iter().map(|(point, _)| *point).collect();
        weights::<Secp256k1>(&points).ok_or(ForeignKeyError::Points)?;
        let threshold = (1..=PARTIES_MAX).find(|t| makes(&key, &parties, usize::from(*t)));
        let threshold = threshold.ok_or(ForeignKeyError::Polynomial)?;
        let chain_code = chain_code.unwrap_or_else(|| Self::made_up_chain_code(public_key));
        Ok(Self { threshold, public_key: key, parties, chain_code })
    }

    /// The key that a proposal brings along.
    pub fn of_import(import: &Import) -> Result<Self, ForeignKeyError> {
        let bytes = |bytes: &HexBytes| bytes.0.as_slice().try_into().map_err(|_| ForeignKeyError::Point);
        let holder = |holder: &Holder| {
            let point = holder.point.0.as_slice().try_into().map_err(|_| ForeignKeyError::Points)?;
            Ok(ForeignParty { point, public_share: bytes(&holder.public_share)? })
        };
        let parties: Vec<ForeignParty> = import.holders.iter().map(holder).collect::<Result<_, _>>()?;
        Self::shared(&bytes(&import.public_key)?, &parties, Some(import.chain_code))
    }

    /// What a proposal says of this key.
    #[must_use]
    pub fn import(&self, origin: Origin, dealers: BTreeMap<PartyName, PartyIndex>) -> Import {
        let holder = |(point, share): &(Scalar, Secp256k1)| Holder {
            point: HexBytes(point.to_repr().to_vec()),
            public_share: HexBytes(share.to_bytes().to_vec()),
        };
        Import {
            origin,
            public_key: HexBytes(self.public_key().to_vec()),
            chain_code: self.chain_code,
            holders: self.parties.iter().map(holder).collect(),
            dealers,
        }
    }

    /// A key that one person holds whole, and that person's share of it, which is the key. The source is
    /// wiped.
    pub fn whole(
        secret: &mut [u8; 32],
        chain_code: Option<Digest>,
    ) -> Result<(Self, ForeignShare), ForeignKeyError> {
        let only = PartyIndex::try_from(1).map_err(|_| ForeignKeyError::Points)?;
        let parsed = Secret::<Secp256k1>::from_bytes(secret.as_slice());
        let Some(parsed) = parsed.filter(|parsed| !bool::from(parsed.expose().is_zero())) else {
            secret.zeroize();
            return Err(ForeignKeyError::Secret(only));
        };
        let public_key: [u8; 33] = parsed.public().to_bytes().into();
        let party = ForeignParty { point: Scalar::ONE.to_repr().into(), public_share: public_key };
        let key = Self::shared(&public_key, &[party], chain_code)?;
        let share = key.share(only, secret)?;
        Ok((key, share))
    }

    /// The share of one of the holders, checked against its public share. The source is wiped.
    pub fn share(&self, party: PartyIndex, secret: &mut [u8; 32]) -> Result<ForeignShare, ForeignKeyError> {
        let parsed = Secret::<Secp256k1>::from_bytes(secret.as_slice());
        secret.zeroize();
        let (_, expected) = self.party(party).ok_or(ForeignKeyError::Stranger(party))?;
        let fits = parsed.filter(|parsed| parsed.public() == *expected);
        let secret = fits.ok_or(ForeignKeyError::Secret(party))?;
        Ok(ForeignShare { party, secret, key: self.digest() })
    }

    /// The chain code of a key that came without one: it follows from the public key, so that all holders
    /// have the same. A chain code is no secret against those who know the public key.
    #[must_use]
    pub fn made_up_chain_code(public_key: &[u8; 33]) -> Digest {
        digest_parts("cohold/import/chain-code/v1", &[public_key])
    }

    /// How many of the holders make the key: as many must deal.
    #[must_use]
    pub fn threshold(&self) -> u8 {
        self.threshold
    }

    /// How many holders there are.
    #[must_use]
    pub fn parties(&self) -> usize {
        self.parties.len()
    }

    /// The public key, compressed SEC 1.
    #[must_use]
    pub fn public_key(&self) -> [u8; 33] {
        self.public_key.to_bytes().into()
    }

    /// The BIP-32 chain code.
    #[must_use]
    pub fn chain_code(&self) -> Digest {
        self.chain_code
    }

    /// Names the key with its holders' points and public shares: what all who import must agree on.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut parts = vec![self.public_key().to_vec(), self.chain_code.0.to_vec()];
        for (point, share) in &self.parties {
            parts.push(point.to_repr().to_vec());
            parts.push(share.to_bytes().to_vec());
        }
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        digest_parts("cohold/ecdsa/foreign-key/v1", &parts)
    }

    pub(crate) fn party(&self, party: PartyIndex) -> Option<&(Scalar, Secp256k1)> {
        self.parties.get(usize::from(party.get()).checked_sub(1)?)
    }

    pub(crate) fn public_key_point(&self) -> &Secp256k1 {
        &self.public_key
    }
}

impl ForeignShare {
    /// Whose share it is.
    #[must_use]
    pub fn party(&self) -> PartyIndex {
        self.party
    }

    /// The secret, to be sealed: 32 bytes, big-endian. [`ForeignKey::share`] reads it again.
    #[must_use]
    pub fn to_secret_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.secret.expose().to_repr().into())
    }

    pub(crate) fn is_of(&self, key: &ForeignKey) -> bool {
        self.key == key.digest()
    }

    pub(crate) fn secret(&self) -> &Secret<Secp256k1> {
        &self.secret
    }
}

/// Whether any `threshold` neighbours make the key. Neighbouring windows have all but one share in common,
/// and zero, which is the key; so all shares are on one polynomial.
fn makes(key: &Secp256k1, parties: &[(Scalar, Secp256k1)], threshold: usize) -> bool {
    let window = |window: &[(Scalar, Secp256k1)]| {
        let points: Vec<Scalar> = window.iter().map(|(point, _)| *point).collect();
        let terms = weights::<Secp256k1>(&points)?.into_iter().zip(window);
        Some(terms.map(|(weight, (_, share))| *share * weight).sum::<Secp256k1>())
    };
    parties.len() >= threshold && parties.windows(threshold).all(|shares| window(shares) == Some(*key))
}
