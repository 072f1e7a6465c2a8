//! What a dealer publishes and signs, and what it gives to each holder.

use cohold_model::canonical::{Digest, digest_parts};
use cohold_model::identity::{IdentitySecret, Signature};
use cohold_model::ids::{PartyIndex, SessionId};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

use crate::ceremony::Ceremony;
use crate::curve::{self, Curve, Secret, point, scalar_bytes};
use crate::polynomial::{Polynomial, committed_at};

/// Bytes of a salt.
const SALT: usize = 32;
/// More than any deal has: nine commitments, nine hashes, lengths.
pub(crate) const DEAL_BYTES_MAX: usize = 1024;

/// A dealer's broadcast: the exact bytes that it signed, and its signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SignedDeal {
    #[serde(with = "serde_bytes")]
    pub(crate) body: Vec<u8>,
    #[serde(with = "serde_bytes")]
    signature: Vec<u8>,
}

/// What is in the bytes.
#[derive(Serialize, Deserialize)]
struct Body {
    /// One for each coefficient, the constant first.
    commitments: Vec<Vec<u8>>,
    /// One for each holder, in the order of seats.
    hashes: Vec<[u8; 32]>,
}

/// A deal that keeps to the rules as far as everybody can see.
#[derive(Debug, Clone)]
pub(crate) struct Deal<G: Curve> {
    pub(crate) commitments: Vec<G>,
    hashes: Vec<(PartyIndex, Digest)>,
}

/// Why a signed deal breaks the rules on its face.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Irregular;

/// A sub-share as it travels: salt and value, 64 bytes. Whether the value is a scalar is not said.
pub(crate) struct SubShare {
    pub(crate) salt: [u8; SALT],
    pub(crate) value: Zeroizing<Vec<u8>>,
}

/// What one dealer sends: its broadcast, and a sub-share to each holder.
pub(crate) struct Dealt<G: Curve> {
    pub(crate) signed: SignedDeal,
    pub(crate) deal: Deal<G>,
    pub(crate) sub_shares: Vec<(PartyIndex, SubShare)>,
}

impl<G: Curve> Dealt<G> {
    /// Shares `constant`, which is λᵢxᵢ of the dealer at `seat`.
    pub(crate) fn new(
        ceremony: &Ceremony<G>,
        session: SessionId,
        seat: PartyIndex,
        constant: &Secret<G>,
        identity: &IdentitySecret,
        rng: &mut impl CryptoRng,
    ) -> Self {
        let polynomial = Polynomial::<G>::random(constant.expose(), ceremony.threshold(), rng);
        let commitments = polynomial.commitments();
        let (mut hashes, mut sub_shares) = (Vec::new(), Vec::new());
        for (holder, x) in ceremony.holders() {
            let mut salt = [0; SALT];
            rng.fill_bytes(&mut salt);
            let value = scalar_bytes::<G>(polynomial.at(x).expose());
            let sub_share = SubShare { salt, value };
            hashes.push((holder, sub_share.hash(ceremony.digest(), session, seat, holder)));
            sub_shares.push((holder, sub_share));
        }
        let deal = Deal { commitments, hashes };
        let body = deal.encode();
        let signature = identity.sign(&signed_digest(ceremony.digest(), session, seat, &body));
        let signed = SignedDeal { body, signature: signature.0.to_vec() };
        Self { signed, deal, sub_shares }
    }
}

impl SignedDeal {
    /// Whether the dealer at `seat` signed this for this session.
    pub(crate) fn is_genuine<G: Curve>(
        &self,
        ceremony: &Ceremony<G>,
        session: SessionId,
        seat: PartyIndex,
    ) -> bool {
        let Ok(signature) = <[u8; 64]>::try_from(self.signature.as_slice()) else { return false };
        let digest = signed_digest(ceremony.digest(), session, seat, &self.body);
        ceremony.dealer(seat).is_some_and(|dealer| dealer.identity.verify(&digest, &Signature(signature)))
    }

    /// Reads the bytes, and checks all that everybody can check: exactly t commitments, each a point of
    /// the group and not the identity, the first to λᵢ·Xᵢ, and one hash for each holder.
    pub(crate) fn open<G: Curve>(
        &self,
        ceremony: &Ceremony<G>,
        seat: PartyIndex,
    ) -> Result<Deal<G>, Irregular> {
        if self.body.len() > DEAL_BYTES_MAX {
            return Err(Irregular);
        }
        let body = match postcard::take_from_bytes::<Body>(&self.body) {
            Ok((body, [])) => body,
            Ok(_) | Err(_) => return Err(Irregular),
        };
        let commitments: Vec<G> =
            body.commitments.iter().map(|bytes| point(bytes)).collect::<Option<_>>().ok_or(Irregular)?;
        let constant = ceremony.dealer(seat).map(|dealer| dealer.constant);
        if commitments.len() != usize::from(ceremony.threshold()) || commitments.first().copied() != constant
        {
            return Err(Irregular);
        }
        if body.hashes.len() != ceremony.holders().count() {
            return Err(Irregular);
        }
        let hashes = ceremony.holders().zip(body.hashes).map(|((seat, _), hash)| (seat, Digest(hash)));
        Ok(Deal { commitments, hashes: hashes.collect() })
    }
}

impl<G: Curve> Deal<G> {
    fn encode(&self) -> Vec<u8> {
        let commitments = self.commitments.iter().map(curve::bytes).collect();
        let hashes = self.hashes.iter().map(|(_, hash)| hash.0).collect();
        // Plain data into memory: nothing can fail, and an empty body would be refused by everybody.
        postcard::to_extend(&Body { commitments, hashes }, Vec::new()).unwrap_or_default()
    }

    /// Whether `sub_share` is what the dealer said that it would give to `holder`.
    pub(crate) fn is_opened_by(&self, hash: Digest, holder: PartyIndex) -> bool {
        self.hashes.iter().any(|(seat, expected)| *seat == holder && *expected == hash)
    }

    /// The share behind the bytes, if it lies on the polynomial that the dealer committed to.
    pub(crate) fn share_at(&self, x: u8, value: &[u8]) -> Option<Secret<G>> {
        Secret::from_bytes(value).filter(|share| share.public() == committed_at(&self.commitments, x))
    }
}

impl SubShare {
    pub(crate) fn hash(
        &self,
        ceremony: Digest,
        session: SessionId,
        dealer: PartyIndex,
        holder: PartyIndex,
    ) -> Digest {
        let seats = [dealer.get(), holder.get()];
        let parts: [&[u8]; 5] = [&ceremony.0, &session.0.0, &seats, &self.salt, &self.value];
        digest_parts("cohold/reshare/sub-share/v1", &parts)
    }

    pub(crate) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(SALT + self.value.len()));
        bytes.extend_from_slice(&self.salt);
        bytes.extend_from_slice(&self.value);
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (salt, value) = bytes.split_first_chunk::<SALT>()?;
        (value.len() == SALT).then(|| Self { salt: *salt, value: Zeroizing::new(value.to_vec()) })
    }
}

impl Drop for SubShare {
    fn drop(&mut self) {
        self.salt.zeroize();
    }
}

fn signed_digest(ceremony: Digest, session: SessionId, dealer: PartyIndex, body: &[u8]) -> Digest {
    digest_parts("cohold/reshare/deal/v1", &[&ceremony.0, &session.0.0, &[dealer.get()], body])
}
