//! Evidence against a dealer, and the judgement that anybody can repeat.

use cohold_model::ids::{PartyIndex, SessionId};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::ceremony::Ceremony;
use crate::curve::Curve;
use crate::deal::{DEAL_BYTES_MAX, SignedDeal, SubShare};

/// The version that [`Evidence::to_bytes`] writes. Older ones stay readable for ever.
const VERSION: u8 = 1;
/// More than any evidence has.
pub const EVIDENCE_BYTES_MAX: usize = DEAL_BYTES_MAX + 256;

/// What a dealer signed, and what shows that it cheated: the deal itself, or one sub-share of it. Public
/// once it is shown; the sub-share in it is of a run that gave no share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    dealer: PartyIndex,
    deal: SignedDeal,
    sub_share: Option<Opened>,
}

/// A sub-share that is shown to everybody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Opened {
    holder: PartyIndex,
    salt: [u8; 32],
    value: [u8; 32],
}

/// The bytes are no evidence that this version reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are not evidence of a resharing that this version can read")]
pub struct EvidenceError;

/// What evidence shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The dealer at this seat cheated: an honest one never signs this.
    Guilty(PartyIndex),
    /// The evidence shows nothing against the dealer; whoever brought it is wrong or lies.
    Acquitted(Acquittal),
}

/// Why evidence shows nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Acquittal {
    /// Not a dealer and a holder of this resharing.
    #[error("the evidence names seats that do not deal or hold here")]
    Seats,
    /// Not signed by the dealer, for this session.
    #[error("the dealer did not sign this for this session")]
    Signature,
    /// Not what the dealer said that it would give.
    #[error("the sub-share does not open what the dealer signed")]
    Opening,
    /// All is as it should be.
    #[error("what the dealer signed is regular")]
    Regular,
}

impl Evidence {
    pub(crate) fn of_deal(dealer: PartyIndex, deal: SignedDeal) -> Self {
        Self { dealer, deal, sub_share: None }
    }

    pub(crate) fn of_sub_share(
        dealer: PartyIndex,
        deal: SignedDeal,
        holder: PartyIndex,
        sub_share: &SubShare,
    ) -> Option<Self> {
        let value = sub_share.value.as_slice().try_into().ok()?;
        Some(Self { dealer, deal, sub_share: Some(Opened { holder, salt: sub_share.salt, value }) })
    }

    /// The seat of the accused.
    #[must_use]
    pub fn dealer(&self) -> PartyIndex {
        self.dealer
    }

    /// As bytes, to be stored and shown.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        // Plain data into memory: nothing can fail.
        postcard::to_extend(self, vec![VERSION]).unwrap_or_default()
    }

    /// Reads what [`Evidence::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EvidenceError> {
        match bytes.split_first() {
            Some((&VERSION, rest)) if bytes.len() <= EVIDENCE_BYTES_MAX => {
                match postcard::take_from_bytes(rest) {
                    Ok((evidence, [])) => Ok(evidence),
                    Ok(_) | Err(_) => Err(EvidenceError),
                }
            }
            _ => Err(EvidenceError),
        }
    }
}

/// Judges evidence by public values alone: the resharing, which holds the dealer's identity and its old
/// public share, and the session. No honest dealer is ever convicted, as long as its identity is its own.
#[must_use]
pub fn judge<G: Curve>(evidence: &Evidence, ceremony: &Ceremony<G>, session: SessionId) -> Verdict {
    let Evidence { dealer, ref deal, ref sub_share } = *evidence;
    if ceremony.dealer(dealer).is_none() {
        return Verdict::Acquitted(Acquittal::Seats);
    }
    if !deal.is_genuine(ceremony, session, dealer) {
        return Verdict::Acquitted(Acquittal::Signature);
    }
    let Ok(opened) = deal.open(ceremony, dealer) else { return Verdict::Guilty(dealer) };
    let Some(Opened { holder, salt, value }) = *sub_share else {
        return Verdict::Acquitted(Acquittal::Regular);
    };
    let Some(point) = ceremony.new_point(holder) else { return Verdict::Acquitted(Acquittal::Seats) };
    let sub_share = SubShare { salt, value: Zeroizing::new(value.to_vec()) };
    if !opened.is_opened_by(sub_share.hash(ceremony.digest(), session, dealer, holder), holder) {
        return Verdict::Acquitted(Acquittal::Opening);
    }
    match opened.share_at(point, &sub_share.value) {
        Some(_) => Verdict::Acquitted(Acquittal::Regular),
        None => Verdict::Guilty(dealer),
    }
}
