//! Public keys below an account's key (BIP-32, "Public parent key → public child key"), from what its charter
//! says and nothing else: whoever keeps the charter can compute all of them.

use bip32::{ChildNumber, ExtendedKeyAttrs, PublicKey as _, XPub};

use crate::canonical::{Digest, HexBytes};
use crate::charter::KeyBinding;
use crate::path::KeyPath;

/// Why there is no key at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChildError {
    /// The root is none.
    #[error("the account's public key is not a point of secp256k1 in compressed form")]
    Root,
    /// A step gives no key (one in 2^127).
    #[error("there is no key at `{0}`: take another path")]
    Step(KeyPath),
}

/// The public key at `path` below `root`, both compressed SEC 1, by the chain code of the root.
pub fn public_key(root: &[u8], chain_code: &Digest, path: &KeyPath) -> Result<[u8; 33], ChildError> {
    let root = root.try_into().map_err(|_| ChildError::Root)?;
    if path.is_root() {
        return Ok(root);
    }
    let key = bip32::secp256k1::ecdsa::VerifyingKey::from_bytes(root).map_err(|_| ChildError::Root)?;
    // What names the place of the root does not enter the keys below it.
    let attrs = ExtendedKeyAttrs {
        depth: 0,
        parent_fingerprint: [0; 4],
        child_number: ChildNumber::default(),
        chain_code: chain_code.0,
    };
    let mut child = XPub::new(key, attrs);
    for step in path.steps() {
        child = child.derive_child(ChildNumber(*step)).map_err(|_| ChildError::Step(*path))?;
    }
    Ok(child.to_bytes())
}

impl KeyBinding {
    /// The public key at `path` below the account's, compressed SEC 1; the account's own for the root, at no
    /// cost.
    pub fn child(&self, path: &KeyPath) -> Result<HexBytes, ChildError> {
        if path.is_root() {
            return Ok(self.public_key.clone());
        }
        public_key(&self.public_key.0, &self.chain_code, path).map(|key| HexBytes(key.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// BIP-32, test vectors 1 and 2: an extended public key, steps that are not hardened, the one below.
    const VECTORS: [(&str, &str, &str); 5] = [
        (
            "xpub68Gmy5EdvgibQVfPdqkBBCHxA5htiqg55crXYuXoQRKfDBFA1WEjWgP6LHhwBZeNK1VTsfTFUHCdrfp1bgwQ9xv5ski8PX9rL2dZXvgGDnw",
            "m/1",
            "xpub6ASuArnXKPbfEwhqN6e3mwBcDTgzisQN1wXN9BJcM47sSikHjJf3UFHKkNAWbWMiGj7Wf5uMash7SyYq527Hqck2AxYysAA7xmALppuCkwQ",
        ),
        (
            "xpub6D4BDPcP2GT577Vvch3R8wDkScZWzQzMMUm3PWbmWvVJrZwQY4VUNgqFJPMM3No2dFDFGTsxxpG5uJh7n7epu4trkrX7x7DogT5Uv6fcLW5",
            "m/2",
            "xpub6FHa3pjLCk84BayeJxFW2SP4XRrFd1JYnxeLeU8EqN3vDfZmbqBqaGJAyiLjTAwm6ZLRQUMv1ZACTj37sR62cfN7fe5JnJ7dh8zL4fiyLHV",
        ),
        (
            "xpub6D4BDPcP2GT577Vvch3R8wDkScZWzQzMMUm3PWbmWvVJrZwQY4VUNgqFJPMM3No2dFDFGTsxxpG5uJh7n7epu4trkrX7x7DogT5Uv6fcLW5",
            "m/2/1000000000",
            "xpub6H1LXWLaKsWFhvm6RVpEL9P4KfRZSW7abD2ttkWP3SSQvnyA8FSVqNTEcYFgJS2UaFcxupHiYkro49S8yGasTvXEYBVPamhGW6cFJodrTHy",
        ),
        (
            "xpub661MyMwAqRbcFW31YEwpkMuc5THy2PSt5bDMsktWQcFF8syAmRUapSCGu8ED9W6oDMSgv6Zz8idoc4a6mr8BDzTJY47LJhkJ8UB7WEGuduB",
            "m/0",
            "xpub69H7F5d8KSRgmmdJg2KhpAK8SR3DjMwAdkxj3ZuxV27CprR9LgpeyGmXUbC6wb7ERfvrnKZjXoUmmDznezpbZb7ap6r1D3tgFxHmwMkQTPH",
        ),
        (
            "xpub6ERApfZwUNrhLCkDtcHTcxd75RbzS1ed54G1LkBUHQVHQKqhMkhgbmJbZRkrgZw4koxb5JaHWkY4ALHY2grBGRjaDMzQLcgJvLJuZZvRcEL",
            "m/2",
            "xpub6FnCn6nSzZAw5Tw7cgR9bi15UV96gLZhjDstkXXxvCLsUXBGXPdSnLFbdpq8p9HmGsApME5hQTZ3emM2rnY5agb9rXpVGyy3bdW6EEgAtqt",
        ),
    ];

    #[test]
    fn the_vectors_of_bip_32_hold_below_public_keys() {
        for (root, path, below) in VECTORS {
            let (root, below) = (root.parse::<XPub>().unwrap(), below.parse::<XPub>().unwrap());
            let chain_code = Digest(root.attrs().chain_code);
            let path: KeyPath = path.parse().unwrap();
            assert_eq!(public_key(&root.to_bytes(), &chain_code, &path), Ok(below.to_bytes()), "{path}");
        }
    }

    #[test]
    fn the_root_is_itself_and_what_is_no_key_has_no_children() {
        let (code, path) = (Digest([7; 32]), "m/1".parse().unwrap());
        assert_eq!(public_key(&[9; 33], &code, &KeyPath::ROOT), Ok([9; 33]));
        for root in [&[][..], &[2; 32], &[4; 65], &[0; 33], &[[2].as_slice(), &[0xff; 32]].concat()] {
            assert_eq!(public_key(root, &code, &path), Err(ChildError::Root), "{root:?}");
        }
    }
}
