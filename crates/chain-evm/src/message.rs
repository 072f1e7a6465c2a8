//! Messages that an account signs as a person would: never a transaction, by their first byte.

use alloy_primitives::eip191_hash_message;

use crate::address::Address;
use crate::assemble::{AssembleError, RawSignature, recover, scalars};

/// What is signed for a message (EIP-191, version `E`: `personal_sign`).
#[must_use]
pub fn message_digest(message: &str) -> [u8; 32] {
    eip191_hash_message(message).0
}

/// Whose signature of a message this is.
pub fn message_signer(message: &str, signature: &RawSignature) -> Result<Address, AssembleError> {
    let key = recover(message_digest(message), signature, &scalars(signature)?)?;
    Ok(Address::of_verifying_key(&key))
}

/// The signature as wallets pass it around: r, s, and 27 or 28.
#[must_use]
pub fn message_signature(signature: &RawSignature) -> [u8; 65] {
    let mut bytes = [0; 65];
    let (r, rest) = bytes.split_at_mut(32);
    r.copy_from_slice(&signature.r);
    let (s, v) = rest.split_at_mut(32);
    s.copy_from_slice(&signature.s);
    v.fill(27_u8.saturating_add(signature.recovery_id));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The digest of a message in the documentation of ethers (`hashMessage("hello world")`).
    #[test]
    fn digests_are_those_of_other_wallets() {
        let expected = "d9eba16ed0ecae432b71fe008c98cc872bb4cc214d3220a36f365326cf807d68";
        assert_eq!(hex::encode(message_digest("hello world")), expected);
    }
}
