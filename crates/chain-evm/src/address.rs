//! Addresses: read with their checksum, written with it (EIP-55), computed from a public key.

use alloy_primitives::keccak256;
use cohold_model::ids::excerpt;
use k256::ecdsa::VerifyingKey;
use serde::{Deserialize, Serialize};

/// An account or contract on an EVM chain; in JSON and on screen `0x…` with the EIP-55 checksum.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address(alloy_primitives::Address);

/// Why something is not an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not `0x` and 40 hexadecimal digits.
    #[error("`{0}` is not an address: write `0x` and 40 hexadecimal digits")]
    Form(String),
    /// Mixed case that is not the checksum.
    #[error("address `{0}` fails its EIP-55 checksum, a character is wrong: copy it again from its source")]
    Checksum(String),
    /// Nobody has the key of the zero address.
    #[error("the receiver is the zero address, from which nothing ever returns: name another receiver")]
    ZeroReceiver,
    /// Not a point of secp256k1 in compressed SEC 1 form.
    #[error("`0x{0}` is not a compressed secp256k1 public key of 33 bytes")]
    PublicKey(String),
}

impl Address {
    /// Reads the address of a receiver: as [`str::parse`], and not zero.
    pub fn parse_receiver(text: &str) -> Result<Self, AddressError> {
        let address: Self = text.parse()?;
        if address.is_zero() { Err(AddressError::ZeroReceiver) } else { Ok(address) }
    }

    /// The address of an account: the last 20 bytes of the Keccak-256 of its uncompressed public key.
    /// `public_key` is compressed SEC 1, 33 bytes.
    pub fn of_public_key(public_key: &[u8]) -> Result<Self, AddressError> {
        verifying_key(public_key).map(|key| Self::of_verifying_key(&key))
    }

    /// The 20 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 20] {
        &self.0.0.0
    }

    /// Whether this is the zero address.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.0.is_zero()
    }

    pub(crate) fn of_verifying_key(key: &VerifyingKey) -> Self {
        let point = key.to_sec1_point(false);
        // SEC 1 §2.3.3: one byte 0x04 before both coordinates.
        let coordinates = point.as_bytes().get(1..).unwrap_or_default();
        Self(alloy_primitives::Address::from_word(keccak256(coordinates)))
    }
}

/// Reads a compressed public key of exactly 33 bytes.
pub(crate) fn verifying_key(public_key: &[u8]) -> Result<VerifyingKey, AddressError> {
    let refused = || AddressError::PublicKey(excerpt(&alloy_primitives::hex::encode(public_key)));
    if public_key.len() != 33 {
        return Err(refused());
    }
    VerifyingKey::from_sec1_bytes(public_key).map_err(|_| refused())
}

impl std::str::FromStr for Address {
    type Err = AddressError;

    /// As wallets do: digits of one case carry no checksum and pass, mixed case must be the checksum.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let form = || AddressError::Form(excerpt(text));
        let digits = text.strip_prefix("0x").ok_or_else(form)?;
        let mut bytes = [0; 20];
        alloy_primitives::hex::decode_to_slice(digits, &mut bytes)
            .ok()
            .filter(|()| digits.len() == 40)
            .ok_or_else(form)?;
        let address = Self::from(bytes);
        let one_case = !digits.contains(|c: char| c.is_ascii_lowercase())
            || !digits.contains(|c: char| c.is_ascii_uppercase());
        if one_case || address.to_string() == text {
            Ok(address)
        } else {
            Err(AddressError::Checksum(excerpt(text)))
        }
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;
    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> String {
        address.to_string()
    }
}

impl From<[u8; 20]> for Address {
    fn from(bytes: [u8; 20]) -> Self {
        Self(alloy_primitives::Address::from(bytes))
    }
}

impl From<alloy_primitives::Address> for Address {
    fn from(address: alloy_primitives::Address) -> Self {
        Self(address)
    }
}

impl From<Address> for alloy_primitives::Address {
    fn from(address: Address) -> Self {
        address.0
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.to_checksum_buffer(None).as_str())
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The addresses that EIP-55 lists.
    const EIP_55: [&str; 8] = [
        "0x52908400098527886E0F7030069857D2E4169EE7",
        "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
        "0xde709f2102306220921060314715629080e2fb77",
        "0x27b1fdb04752bbc536007a920d24acb045561c26",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ];

    #[test]
    fn the_vectors_of_eip_55_are_read_and_written() {
        for text in EIP_55 {
            let digits = text.trim_start_matches("0x");
            for form in [
                text.to_owned(),
                format!("0x{}", digits.to_lowercase()),
                format!("0x{}", digits.to_uppercase()),
            ] {
                assert_eq!(form.parse::<Address>().map(|a| a.to_string()), Ok(text.to_owned()), "{form}");
            }
        }
    }

    #[test]
    fn a_wrong_checksum_is_named() {
        let check = |text: &str, part: &str| {
            let found = text.parse::<Address>().map_err(|e| e.to_string());
            assert!(found.as_ref().is_err_and(|e| e.contains(part)), "{text}: {found:?}");
        };
        check("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1Beaed", "EIP-55 checksum");
        check("0x5AAEB6053F3E94C9b9A09f33669435E7Ef1BeAed", "EIP-55 checksum");
        for bad in [
            "",
            "0x",
            "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0X5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAe",
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAedd",
            "0x0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeA",
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeg",
            " 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAéd",
            "vitalik.eth",
        ] {
            check(bad, "is not an address");
        }
    }

    #[test]
    fn zero_is_an_address_but_no_receiver() {
        let zero = format!("0x{}", "0".repeat(40));
        assert!(zero.parse::<Address>().is_ok_and(|a| a.is_zero()));
        assert_eq!(Address::parse_receiver(&zero), Err(AddressError::ZeroReceiver));
    }

    #[test]
    fn an_account_follows_from_its_public_key() {
        // The secret key 1, whose public key is the generator.
        let generator = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
        let key = hex::decode(generator).unwrap();
        assert_eq!(
            Address::of_public_key(&key).map(|a| a.to_string()),
            Ok("0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf".into())
        );
    }

    #[test]
    fn other_forms_of_keys_are_refused() {
        let off_curve = [&[2][..], &[0xff; 32]].concat();
        let x_is_5 = [&[2][..], &[0; 31], &[5]].concat(); // no point of the curve has x = 5
        for bad in [&[][..], &[0], &[4; 65], &[2; 32], &off_curve, &x_is_5] {
            assert!(matches!(Address::of_public_key(bad), Err(AddressError::PublicKey(_))), "{bad:?}");
        }
    }
}
