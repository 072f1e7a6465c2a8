//! A private key as people keep it: 64 hexadecimal digits, or wallet import format.

use cohold_model::import::Origin;
use zeroize::{Zeroize as _, Zeroizing};

use crate::origin::WholeKey;

/// More than any form of a private key has.
const TEXT_BYTES_MAX: usize = 128;

/// Why a text is no private key. The text is not repeated: it may be one, mistyped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RawKeyError {
    /// Neither of the two forms.
    #[error("this is no private key: give 64 hexadecimal digits, or the wallet import format")]
    Form,
    /// Wallet import format with a typing error.
    #[error("the checksum of the wallet import format is wrong: look for a typing error")]
    Checksum,
    /// Zero, or not below the group order.
    #[error("the number is no private key of secp256k1")]
    Range,
}

/// Reads a private key: hexadecimal with or without `0x`, or wallet import format (version 0x80 or 0xef,
/// with or without the mark of a compressed public key).
pub fn parse(text: &str) -> Result<WholeKey, RawKeyError> {
    let text = text.trim();
    if text.len() > TEXT_BYTES_MAX {
        return Err(RawKeyError::Form);
    }
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let mut secret = Zeroizing::new([0; 32]);
    if digits.len() == 64 {
        hex::decode_to_slice(digits, secret.as_mut_slice()).map_err(|_| RawKeyError::Form)?;
    } else {
        import_format(text, &mut secret)?;
    }
    match k256::SecretKey::from_slice(secret.as_slice()) {
        Ok(_) => Ok(WholeKey::new(secret, None, Origin::Raw)),
        Err(_) => Err(RawKeyError::Range),
    }
}

/// Version, key, and perhaps 0x01, in Base58Check.
fn import_format(text: &str, secret: &mut [u8; 32]) -> Result<(), RawKeyError> {
    let mut bytes = Zeroizing::new([0; 64]);
    let length = bs58::decode(text).with_check(None).onto(bytes.as_mut_slice());
    let length = length.map_err(|error| match error {
        bs58::decode::Error::InvalidChecksum { .. } => RawKeyError::Checksum,
        _ => RawKeyError::Form,
    })?;
    match bytes.get(..length) {
        Some([0x80 | 0xef, key @ ..]) => {
            let key = match key.split_last() {
                Some((1, key)) if key.len() == 32 => key,
                _ => key,
            };
            let key: &[u8; 32] = key.try_into().map_err(|_| RawKeyError::Form)?;
            secret.copy_from_slice(key);
            bytes.zeroize();
            Ok(())
        }
        _ => Err(RawKeyError::Form),
    }
}
