//! Resharing of an account's key: `cohold-mpc-share` over secp256k1, with the account's own types. The
//! public key and the chain code stay. The engine's data over the new shares is built afterwards, by
//! [`AuxiliarySetup`](crate::AuxiliarySetup) in a session of its own.

use std::collections::BTreeMap;

use cohold_model::canonical::Digest;
use cohold_model::identity::IdentitySecret;
use cohold_model::ids::{PartyIndex, SessionId};
use cohold_model::reshare::Seat;
use cohold_mpc::{Fault, Inbox, Protocol, Reason, SessionContext, Step};
use cohold_mpc_share::{
    Ceremony, CeremonyError, Dealer, Dealing, Evidence, EvidenceError, Reshared, Resharing, ResharingError,
    Secp256k1, Secret, Verdict, judge,
};
use k256::Scalar;
use rand_core::CryptoRng;

use crate::foreign::{ForeignKey, ForeignShare};
use crate::key::AccountKey;
use crate::share::Share;

/// What a dealing party brings along.
#[derive(Clone, Copy)]
pub struct DealtFrom<'a> {
    /// Its share of the key in force.
    pub share: &'a Share,
    /// The identity on its card: signs what it deals.
    pub identity: &'a IdentitySecret,
}

/// What a party that imports brings along.
#[derive(Clone, Copy)]
pub struct ImportedFrom<'a> {
    /// Its share of the key that was made elsewhere.
    pub share: &'a ForeignShare,
    /// The identity on its card: signs what it deals.
    pub identity: &'a IdentitySecret,
}

/// What a resharing leaves.
#[derive(Debug)]
pub struct ReshareOutcome {
    /// The same public key and chain code, with new public shares and the new threshold.
    pub key: AccountKey,
    /// Our new share, if our seat holds one.
    pub share: Option<Share>,
}

/// Why a resharing of a key was not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyResharingError {
    /// A dealer is not of the key in force.
    #[error("party `{0}` deals but holds no share of this key")]
    Stranger(PartyIndex),
    /// A quorum deals: not fewer, and not more.
    #[error("{found} parties deal, the key asks for exactly {threshold}")]
    Quorum {
        /// How many seats deal.
        found: usize,
        /// The threshold in force.
        threshold: u8,
    },
    /// The share is another party's.
    #[error("the share is party `{share}`'s, seat `{seat}` deals for another")]
    Index {
        /// Whose share was given.
        share: PartyIndex,
        /// Whose seat this is.
        seat: PartyIndex,
    },
    /// The share is of another key, or of another epoch of it.
    #[error("the share is not of the key in force: shares of different epochs do not mix")]
    Foreign,
    /// The public values do not make a resharing.
    #[error("the resharing is refused: {0}")]
    Ceremony(#[from] CeremonyError),
    /// What this seat brings does not fit.
    #[error("{0}")]
    Run(#[from] ResharingError),
}

/// One run at one seat. Parties in its faults are seats.
pub struct KeyResharing {
    chain_code: Digest,
    threshold: u8,
    run: Resharing<Secp256k1>,
}

/// The key that a resharing begins from, as everybody knows it.
#[derive(Debug, Clone, Copy)]
pub enum KeySource<'a> {
    /// An account's, in force.
    Account(&'a AccountKey),
    /// One that was made elsewhere: the resharing is its import.
    Foreign(&'a ForeignKey),
}

impl<'a> From<&'a AccountKey> for KeySource<'a> {
    fn from(key: &'a AccountKey) -> Self {
        Self::Account(key)
    }
}

impl<'a> From<&'a ForeignKey> for KeySource<'a> {
    fn from(key: &'a ForeignKey) -> Self {
        Self::Foreign(key)
    }
}

impl KeySource<'_> {
    fn threshold(self) -> u8 {
        match self {
            Self::Account(key) => key.threshold(),
            Self::Foreign(key) => key.threshold(),
        }
    }

    fn chain_code(self) -> Digest {
        match self {
            Self::Account(key) => key.chain_code(),
            Self::Foreign(key) => key.chain_code(),
        }
    }

    fn public_key(self) -> Secp256k1 {
        match self {
            Self::Account(key) => Secp256k1::from(*key.public_key_point()),
            Self::Foreign(key) => *key.public_key_point(),
        }
    }

    /// A holder's point and public share.
    fn party(self, index: PartyIndex) -> Option<(Scalar, Secp256k1)> {
        match self {
            Self::Account(key) => {
                let share = key.share_point(index)?;
                Some((Scalar::from(u64::from(index.get())), Secp256k1::from(*share)))
            }
            Self::Foreign(key) => key.party(index).copied(),
        }
    }
}

/// The resharing as everybody knows it from public documents: the key, the seats (see
/// [`cohold_model::reshare::Resharing::seats`]) and the new threshold.
fn ceremony(
    old: KeySource<'_>,
    seats: &BTreeMap<PartyIndex, Seat>,
    threshold: u8,
) -> Result<Ceremony<Secp256k1>, KeyResharingError> {
    let mut dealers = BTreeMap::new();
    for (&number, seat) in seats {
        let Some(index) = seat.deals else { continue };
        let (point, public_share) = old.party(index).ok_or(KeyResharingError::Stranger(index))?;
        dealers.insert(number, Dealer { point, public_share, identity: seat.card.identity });
    }
    let (found, quorum) = (dealers.len(), old.threshold());
    if found != usize::from(quorum) {
        return Err(KeyResharingError::Quorum { found, threshold: quorum });
    }
    let holders = seats.iter().filter_map(|(number, seat)| Some((*number, seat.holds?))).collect();
    let ceremony = Ceremony::new(old.public_key(), &dealers, holders, threshold)?;
    Ok(ceremony.bound_to(old.chain_code()))
}

/// A seat's own part must be that of whom it deals for.
fn check_index(
    share: PartyIndex,
    context: &SessionContext,
    seats: &BTreeMap<PartyIndex, Seat>,
) -> Result<(), KeyResharingError> {
    let deals = seats.get(&context.me).and_then(|seat| seat.deals);
    match deals {
        Some(index) if index != share => Err(KeyResharingError::Index { share, seat: context.me }),
        Some(_) | None => Ok(()),
    }
}

impl KeyResharing {
    /// A run at the seat of `context`, whose parties are all seats. A seat that deals brings `own`, and no
    /// other does. Nothing is kept of the old share.
    pub fn new(
        context: &SessionContext,
        old: &AccountKey,
        seats: &BTreeMap<PartyIndex, Seat>,
        threshold: u8,
        own: Option<DealtFrom<'_>>,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, KeyResharingError> {
        let ceremony = ceremony(old.into(), seats, threshold)?;
        if let Some(DealtFrom { share, .. }) = own {
            if share.key() != old {
                return Err(KeyResharingError::Foreign);
            }
            check_index(share.index(), context, seats)?;
        }
        let secret = own.map(|own| Secret::take(&mut { *own.share.secret() }));
        let dealing = own.zip(secret.as_ref());
        let dealing = dealing.map(|(own, share)| Dealing { share, identity: own.identity });
        let run = Resharing::new(context, ceremony, dealing, rng)?;
        Ok(Self { chain_code: old.chain_code(), threshold, run })
    }

    /// A run that imports a key: its holders deal, each with the share that it has of it, and the parties
    /// of an account to be get theirs. `Seat::deals` is a holder's number in [`ForeignKey`].
    pub fn import(
        context: &SessionContext,
        foreign: &ForeignKey,
        seats: &BTreeMap<PartyIndex, Seat>,
        threshold: u8,
        own: Option<ImportedFrom<'_>>,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, KeyResharingError> {
        let ceremony = ceremony(foreign.into(), seats, threshold)?;
        if let Some(ImportedFrom { share, .. }) = own {
            if !share.is_of(foreign) {
                return Err(KeyResharingError::Foreign);
            }
            check_index(share.party(), context, seats)?;
        }
        let dealing = own.map(|own| Dealing { share: own.share.secret(), identity: own.identity });
        let run = Resharing::new(context, ceremony, dealing, rng)?;
        Ok(Self { chain_code: foreign.chain_code(), threshold, run })
    }

    fn outcome(&self, reshared: Reshared<Secp256k1>) -> Result<ReshareOutcome, Fault> {
        let Reshared { public_key, public_shares, share } = reshared;
        let shares = public_shares.iter().map(Secp256k1::to_affine).collect();
        let key = AccountKey::new(self.threshold, public_key.to_affine(), shares, self.chain_code)
            .map_err(|_| Fault::retry(Reason::Polynomial))?;
        let share = share.map(|(point, secret)| {
            let index = PartyIndex::try_from(point).map_err(|_| Fault::freeze(Reason::Engine))?;
            Share::new(index, *secret.expose(), key.clone()).map_err(|_| Fault::freeze(Reason::Engine))
        });
        Ok(ReshareOutcome { share: share.transpose()?, key })
    }

    fn step(&self, step: Step<Reshared<Secp256k1>>) -> Result<Step<ReshareOutcome>, Fault> {
        match step {
            Step::Send(outgoing) => Ok(Step::Send(outgoing)),
            Step::Done(reshared) => self.outcome(reshared).map(Step::Done),
        }
    }
}

impl Protocol for KeyResharing {
    type Output = ReshareOutcome;
    const CONFIRMED: bool = Resharing::<Secp256k1>::CONFIRMED;

    fn start(&mut self, rng: &mut impl CryptoRng) -> Result<Step<ReshareOutcome>, Fault> {
        let step = self.run.start(rng)?;
        self.step(step)
    }

    fn round(&mut self, inbox: Inbox, rng: &mut impl CryptoRng) -> Result<Step<ReshareOutcome>, Fault> {
        let step = self.run.round(inbox, rng)?;
        self.step(step)
    }
}

/// Why the proof of a fault could not be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// Not evidence.
    #[error("{0}")]
    Evidence(#[from] EvidenceError),
    /// The documents do not make a resharing.
    #[error("{0}")]
    Resharing(#[from] KeyResharingError),
}

/// Judges the proof that came with a ban ([`Fault::proof`]) from public documents alone: the key that was
/// in force, the seats, the new threshold, and the session. The verdict names a seat.
pub fn judge_proof<'a>(
    proof: &[u8],
    old: impl Into<KeySource<'a>>,
    seats: &BTreeMap<PartyIndex, Seat>,
    threshold: u8,
    session: SessionId,
) -> Result<Verdict, ProofError> {
    let evidence = Evidence::from_bytes(proof)?;
    Ok(judge(&evidence, &ceremony(old.into(), seats, threshold)?, session))
}
