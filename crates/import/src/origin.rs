//! Where a key comes from, and what that means for ever.

use cohold_model::canonical::Digest;
use cohold_mpc_ecdsa::{ForeignKey, ForeignKeyError, ForeignShare};
use zeroize::Zeroizing;

/// How a key existed before it was imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Whole, as the child of a mnemonic, which makes other keys too.
    Mnemonic,
    /// Whole.
    Raw,
    /// In shares, of which one may have leaked: GG18 and GG20 as released were attacked in several ways
    /// (CVE-2023-33241, CVE-2022-47930, CVE-2022-47931, TSSHOCK).
    TssLib,
}

impl Origin {
    /// What the user must be told, in one sentence.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::Mnemonic => {
                "whoever ever saw the mnemonic has the key for ever, whatever is done with the shares: \
                 move the funds to an account whose key never existed whole"
            }
            Self::Raw => {
                "whoever ever saw the key has it for ever, whatever is done with the shares: move the \
                 funds to an account whose key never existed whole"
            }
            Self::TssLib => {
                "what leaked while the old software made this key or signed with it is not undone by new \
                 shares: a suspect key must be moved, not refreshed"
            }
        }
    }
}

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
