//! The parties whose parameters are set up together, by their points and by the engine's numbers.

use cggmp24::IncompleteKeyShare;
use cggmp24::generic_ec::serde::CurveName;
use cggmp24::generic_ec::{NonZero, Point, Scalar, SecretScalar};
use cggmp24::key_share::{DirtyIncompleteKeyShare, DirtyKeyInfo, Validate as _, VssSetup};
use cggmp24::supported_curves::Secp256k1;
use cohold_model::ids::PartyIndex;
use cohold_mpc_ecdsa::Share;

/// Distinct parties in the order of their points; the engine numbers them from zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Committee(Vec<PartyIndex>);

impl Committee {
    pub(crate) fn new(parties: impl IntoIterator<Item = PartyIndex>) -> Self {
        let mut parties: Vec<PartyIndex> = parties.into_iter().collect();
        parties.sort_unstable();
        parties.dedup();
        Self(parties)
    }

    pub(crate) fn parties(&self) -> &[PartyIndex] {
        &self.0
    }

    pub(crate) fn points(&self) -> Vec<u8> {
        self.0.iter().map(|party| party.get()).collect()
    }

    /// At most nine, as there are points.
    pub(crate) fn len(&self) -> u16 {
        u16::try_from(self.0.len()).unwrap_or(u16::MAX)
    }

    pub(crate) fn number(&self, party: PartyIndex) -> Option<u16> {
        let place = self.0.iter().position(|member| *member == party)?;
        u16::try_from(place).ok()
    }

    pub(crate) fn party(&self, number: u16) -> Option<PartyIndex> {
        self.0.get(usize::from(number)).copied()
    }
}

/// The share in the engine's form, among the members of a committee alone: at least the threshold, on the
/// same polynomial. The engine checks that they make the public key.
pub(crate) fn core_share(share: &Share, committee: &Committee) -> Option<IncompleteKeyShare<Secp256k1>> {
    let key = share.key();
    let points = committee.parties().iter().map(|party| point(&key.public_share(*party)?));
    let at = committee
        .parties()
        .iter()
        .map(|party| NonZero::from_scalar(Scalar::<Secp256k1>::from(u64::from(party.get()))));
    let secret = SecretScalar::<Secp256k1>::from_be_bytes(share.danger_secret_bytes().as_slice()).ok()?;
    let core = DirtyIncompleteKeyShare {
        i: committee.number(share.index())?,
        key_info: DirtyKeyInfo {
            curve: CurveName::new(),
            shared_public_key: point(&key.public_key())?,
            public_shares: points.collect::<Option<_>>()?,
            chain_code: Some(key.chain_code().0),
            vss_setup: Some(VssSetup { min_signers: key.threshold().into(), I: at.collect::<Option<_>>()? }),
        },
        x: NonZero::from_secret_scalar(secret)?,
    };
    core.validate().ok()
}

fn point(bytes: &[u8; 33]) -> Option<NonZero<Point<Secp256k1>>> {
    NonZero::from_point(Point::from_bytes(bytes).ok()?)
}
