//! The share: a party's Shamir share of the account's key. The asset.

use cohold_model::canonical::Digest;
use cohold_model::ids::PartyIndex;
use k256::elliptic_curve::PrimeField as _;
use k256::{ProjectivePoint, Scalar};
use zeroize::{Zeroize as _, Zeroizing};

use crate::key::{AccountKey, AccountKeyError, compressed, point};

/// The version that [`Share::to_secret_bytes`] writes. Older ones stay readable for ever.
const VERSION: u8 = 1;

/// A party's share with everything public that is needed to check and to use it. Not `Clone`, not
/// printable, wiped on drop.
pub struct Share {
    index: PartyIndex,
    secret: Scalar,
    key: AccountKey,
}

/// Why bytes are not a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ShareError {
    /// A version that this build does not read.
    #[error("share version `{found}` is not known: update this party")]
    Version {
        /// Version found.
        found: u8,
    },
    /// Wrong length or an index out of range.
    #[error("the bytes are not a share")]
    Malformed,
    /// The public values contradict one another.
    #[error("the share's public values are refused: {0}")]
    Key(#[from] AccountKeyError),
    /// The secret is not the one that the account knows this party by.
    #[error("the secret does not belong to the public share of party `{0}`: the copy is damaged")]
    Secret(PartyIndex),
}

impl Share {
    pub(crate) fn new(index: PartyIndex, secret: Scalar, key: AccountKey) -> Result<Self, ShareError> {
        let share = Self { index, secret, key };
        let public = (ProjectivePoint::GENERATOR * share.secret).to_affine();
        match share.key.share_point(index) {
            None => Err(ShareError::Malformed),
            Some(expected) if *expected == public => Ok(share),
            Some(_) => Err(ShareError::Secret(index)),
        }
    }

    /// Whose share it is.
    #[must_use]
    pub fn index(&self) -> PartyIndex {
        self.index
    }

    /// The key that it is a share of.
    #[must_use]
    pub fn key(&self) -> &AccountKey {
        &self.key
    }

    pub(crate) fn secret(&self) -> &Scalar {
        &self.secret
    }

    /// The secret alone, 32 bytes, for another engine on the same share and nothing else.
    #[must_use]
    pub fn danger_secret_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.secret.to_repr().into())
    }

    /// The share as bytes, to be sealed and nothing else: version, index, threshold, number of
    /// parties (one byte each), secret (32), public key (33), chain code (32), public shares (33 each).
    #[must_use]
    pub fn to_secret_bytes(&self) -> Zeroizing<Vec<u8>> {
        let shares = self.key.share_points();
        let mut bytes = Zeroizing::new(Vec::with_capacity(length(shares.len())));
        let mut secret = self.secret.to_repr();
        bytes.extend_from_slice(&[VERSION, self.index.get(), self.key.threshold(), self.key.parties()]);
        bytes.extend_from_slice(&secret);
        secret.as_mut_slice().zeroize();
        bytes.extend_from_slice(&self.key.public_key());
        bytes.extend_from_slice(&self.key.chain_code().0);
        for share in shares {
            bytes.extend_from_slice(&compressed(share));
        }
        bytes
    }

    /// Reads what [`Share::to_secret_bytes`] wrote, and checks that secret, public shares and public
    /// key belong together: a flipped bit anywhere but in the chain code does not pass.
    pub fn from_secret_bytes(bytes: &[u8]) -> Result<Self, ShareError> {
        let (&[version, index, threshold, parties], rest) =
            bytes.split_first_chunk().ok_or(ShareError::Malformed)?;
        if version != VERSION {
            return Err(ShareError::Version { found: version });
        }
        if bytes.len() != length(parties.into()) {
            return Err(ShareError::Malformed);
        }
        let (secret, rest) = rest.split_first_chunk::<32>().ok_or(ShareError::Malformed)?;
        let (public_key, rest) = rest.split_first_chunk::<33>().ok_or(ShareError::Malformed)?;
        let (chain_code, rest) = rest.split_first_chunk::<32>().ok_or(ShareError::Malformed)?;
        let index = PartyIndex::try_from(index).map_err(|_| ShareError::Malformed)?;
        let shares: Result<_, _> = rest.chunks(33).map(point).collect();
        let key = AccountKey::new(threshold, point(public_key)?, shares?, Digest(*chain_code))?;
        let secret = scalar(secret).ok_or(ShareError::Secret(index))?;
        Self::new(index, secret, key)
    }
}

fn length(parties: usize) -> usize {
    4 + 32 + 33 + 32 + 33 * parties
}

/// Parses a scalar; anything not below the group order is refused.
pub(crate) fn scalar(bytes: &[u8; 32]) -> Option<Scalar> {
    Scalar::from_repr((*bytes).into()).into_option()
}

impl Drop for Share {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

impl std::fmt::Debug for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { index, key, .. } = self;
        write!(f, "Share({index} of {}, threshold {})", key.parties(), key.threshold())
    }
}
