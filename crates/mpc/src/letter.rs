//! A letter: one message from one party to another outside of any run, confidential and authenticated by
//! its sender. HPKE in auth mode (RFC 9180 §6.1), once, with the place that it belongs to as `info`: moved
//! anywhere else, it does not open.

use cohold_model::canonical::Digest;
use cohold_model::identity::SealKey;
use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable as _, Kem, OpModeR, OpModeS, Serializable as _};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::channel::SealError;
use crate::keys::SealSecret;

/// The longest message of a letter.
pub const LETTER_BYTES_MAX: usize = 4096;
const ENCAPSULATED_BYTES: usize = 32;

/// Seals a message to `receiver`: the encapsulated key (32 bytes), then the ciphertext.
pub fn seal(
    sender: &SealSecret,
    receiver: &SealKey,
    place: &Digest,
    message: &[u8],
    rng: &mut impl CryptoRng,
) -> Result<Vec<u8>, SealError> {
    if message.len() > LETTER_BYTES_MAX {
        return Err(SealError::Cipher);
    }
    let unusable = |_| SealError::Key(*receiver);
    let to = <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(&receiver.0).map_err(unusable)?;
    let mode = OpModeS::Auth(sender.pair());
    let (encapsulated, sealed) = hpke::single_shot_seal_with_rng::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
        &mode,
        &to,
        &place.0,
        message,
        &[],
        rng,
    )
    .map_err(unusable)?;
    let mut letter = encapsulated.to_bytes().to_vec();
    letter.extend_from_slice(&sealed);
    Ok(letter)
}

/// The message inside, or nothing if `sender` did not seal this to `receiver` for this very place.
#[must_use]
pub fn open(
    receiver: &SealSecret,
    sender: &SealKey,
    place: &Digest,
    letter: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    if letter.len() > LETTER_BYTES_MAX.saturating_mul(2) {
        return None;
    }
    let (encapsulated, sealed) = letter.split_first_chunk::<ENCAPSULATED_BYTES>()?;
    let from = <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(&sender.0).ok()?;
    let encapsulated = <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(encapsulated).ok()?;
    let (secret, _) = receiver.pair();
    let message = hpke::single_shot_open::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Auth(from),
        &secret,
        &encapsulated,
        &place.0,
        sealed,
        &[],
    );
    message.ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use cohold_model::canonical::digest_parts;

    use super::*;
    use crate::keys::PartyKeys;

    #[test]
    fn a_letter_opens_at_its_place_from_its_sender_to_its_receiver_only() {
        let [a, b, c] = [1, 2, 3].map(|seed| PartyKeys::from_seed(&[seed; 32]));
        let place = |text: &[u8]| digest_parts("t", &[text]);
        let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
        let letter = seal(&a.seal, &b.seal_key(), &place(b"x"), b"a piece", &mut rng).unwrap();
        let opened = |to: &PartyKeys, from: &PartyKeys, at: &[u8], letter: &[u8]| {
            open(&to.seal, &from.seal_key(), &place(at), letter).map(|message| message.to_vec())
        };
        assert_eq!(opened(&b, &a, b"x", &letter).as_deref(), Some(b"a piece".as_slice()));
        assert_eq!(opened(&c, &a, b"x", &letter), None);
        assert_eq!(opened(&b, &c, b"x", &letter), None);
        assert_eq!(opened(&b, &a, b"y", &letter), None);
        for i in 0..letter.len() {
            let mut bent = letter.clone();
            bent[i] ^= 1;
            assert_eq!(opened(&b, &a, b"x", &bent), None, "byte {i}");
            assert_eq!(opened(&b, &a, b"x", &letter[..i]), None, "cut at {i}");
        }
        let long = vec![0; LETTER_BYTES_MAX + 1];
        assert!(seal(&a.seal, &b.seal_key(), &place(b"x"), &long, &mut rng).is_err());
        assert!(seal(&a.seal, &Digest([0; 32]), &place(b"x"), b"", &mut rng).is_err());
    }
}
