//! A key that exists whole, until it is dealt.

use cohold_model::canonical::Digest;
use cohold_model::import::Origin;
use cohold_mpc_ecdsa::{ForeignKey, ForeignKeyError, ForeignShare};
use zeroize::Zeroizing;

/// A private key that exists whole. Not `Clone`, not printable, wiped on drop.
pub struct WholeKey {
    secret: Zeroizing<[u8; 32]>,
    chain_code: Option<Digest>,
    origin: Origin,
}

impl WholeKey {
    pub(crate) fn new(secret: Zeroizing<[u8; 32]>, chain_code: Option<Digest>, origin: Origin) -> Self {
        Self { secret, chain_code, origin }
    }

    /// Where it comes from.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// The key as a sharing among one, to be dealt to the parties of an account.
    pub fn into_shared(mut self) -> Result<(ForeignKey, ForeignShare), ForeignKeyError> {
        ForeignKey::whole(&mut self.secret, self.chain_code)
    }
}

impl std::fmt::Debug for WholeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WholeKey({:?})", self.origin)
    }
}
