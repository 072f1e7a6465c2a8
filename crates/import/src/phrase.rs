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
    // Before the words are stretched, which takes a moment.
    let path = parse(path)?;
    below(Zeroizing::new(mnemonic.to_seed(passphrase)).as_slice(), &path)
}

fn parse(path: &str) -> Result<DerivationPath, PhraseError> {
    let path: DerivationPath = path.parse().map_err(|_| PhraseError::Path)?;
    if path.len() > DEPTH_MAX { Err(PhraseError::Path) } else { Ok(path) }
}

/// The key at a path below a seed (BIP-32; SLIP-10 for secp256k1 is the same).
fn below(seed: &[u8], path: &DerivationPath) -> Result<WholeKey, PhraseError> {
    let child = XPrv::derive_from_path(seed, path).map_err(|_| PhraseError::Derivation)?;
    let mut secret = child.to_bytes();
    let chain_code = Digest(child.attrs().chain_code);
    let key = WholeKey::new(Zeroizing::new(secret), Some(chain_code), Origin::Mnemonic);
    secret.zeroize();
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SLIP-10, test vector 1 for secp256k1, which is BIP-32's first: path, chain code, private key.
    const VECTORS: [(&str, &str, &str); 6] = [
        (
            "m",
            "873dff81c02f525623fd1fe5167eac3a55a049de3d314bb42ee227ffed37d508",
            "e8f32e723decf4051aefac8e2c93c9c5b214313817cdb01a1494b917c8436b35",
        ),
        (
            "m/0'",
            "47fdacbd0f1097043b78c63c20c34ef4ed9a111d980047ad16282c7ae6236141",
            "edb2e14f9ee77d26dd93b4ecede8d16ed408ce149b6cd80b0715a2d911a0afea",
        ),
        (
            "m/0'/1",
            "2a7857631386ba23dacac34180dd1983734e444fdbf774041578e9b6adb37c19",
            "3c6cb8d0f6a264c91ea8b5030fadaa8e538b020f0a387421a12de9319dc93368",
        ),
        (
            "m/0'/1/2'",
            "04466b9cc8e161e966409ca52986c584f07e9dc81f735db683c3ff6ec7b1503f",
            "cbce0d719ecf7431d88e6a89fa1483e02e35092af60c042b1df2ff59fa424dca",
        ),
        (
            "m/0'/1/2'/2",
            "cfb71883f01676f587d023cc53a35bc7f88f724b1f8c2892ac1275ac822a3edd",
            "0f479245fb19a38a1954c5c7c0ebab2f9bdfd96a17563ef28a6a4b1a2a764ef4",
        ),
        (
            "m/0'/1/2'/2/1000000000",
            "c783e67b921d2beb8f6b389cc646d7263b4145701dadd2161548a8b078e65e9e",
            "471b76e389e528d6de6d816857e012c5455051cad6660850e58372a6c3e6e7c8",
        ),
    ];

    #[test]
    fn the_vectors_of_slip_10_hold_at_every_path() {
        let seed: Vec<u8> = (0..16).collect();
        for (path, chain_code, private) in VECTORS {
            let key = below(&seed, &parse(path).expect("a path")).expect("a key");
            let (foreign, share) = key.into_shared().expect("a key");
            assert_eq!(hex::encode(share.to_secret_bytes().as_slice()), private, "{path}");
            assert_eq!(foreign.chain_code().to_string(), chain_code, "{path}");
        }
    }
}
