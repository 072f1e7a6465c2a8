//! A BIP-39 mnemonic and the BIP-32 path of one key below it.

use bip32::{DerivationPath, XPrv};
use bip39::Mnemonic;
use cohold_model::canonical::Digest;
use cohold_model::import::Origin;
use zeroize::{Zeroize as _, Zeroizing};

use crate::origin::WholeKey;

/// Twenty-four words of up to eight letters take half of this.
const PHRASE_BYTES_MAX: usize = 512;
/// As deep as anybody's wallet goes, and then some.
const DEPTH_MAX: usize = 10;
/// Where Ethereum wallets have their first account.
pub const ETHEREUM_FIRST: &str = "m/44'/60'/0'/0/0";

/// Why a mnemonic gives no key. Words are not repeated: they may be a secret, mistyped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PhraseError {
    /// Not 12, 15, 18, 21 or 24 words.
    #[error("a mnemonic has 12, 15, 18, 21 or 24 words")]
    Length,
    /// A word that is not in the English list.
    #[error("word {0} is not in the English list of BIP-39: look for a typing error")]
    Word(usize),
    /// All words exist, but not together.
    #[error("the checksum of the mnemonic is wrong: a word is another, or two are exchanged")]
    Checksum,
    /// Not a path.
    #[error("the path is no BIP-32 path of up to ten steps: an example is `{ETHEREUM_FIRST}`")]
    Path,
    /// A step gives no key (one in 2^127).
    #[error("there is no key at this path: take another one")]
    Derivation,
}

/// The key at `path` below the mnemonic `words` with `passphrase` (mostly empty), with its chain code.
pub fn key(words: &str, passphrase: &str, path: &str) -> Result<WholeKey, PhraseError> {
    if words.len() > PHRASE_BYTES_MAX {
        return Err(PhraseError::Length);
    }
    let mnemonic = Mnemonic::parse(words).map_err(|error| match error {
        bip39::Error::BadWordCount(_) => PhraseError::Length,
        bip39::Error::UnknownWord(place) => PhraseError::Word(place + 1),
        _ => PhraseError::Checksum,
    })?;
    let path: DerivationPath = path.parse().map_err(|_| PhraseError::Path)?;
    if path.len() > DEPTH_MAX {
        return Err(PhraseError::Path);
    }
    let seed = Zeroizing::new(mnemonic.to_seed(passphrase));
    let child = XPrv::derive_from_path(seed.as_slice(), &path).map_err(|_| PhraseError::Derivation)?;
    let mut secret = child.to_bytes();
    let chain_code = Digest(child.attrs().chain_code);
    let key = WholeKey::new(Zeroizing::new(secret), Some(chain_code), Origin::Mnemonic);
    secret.zeroize();
    Ok(key)
}
