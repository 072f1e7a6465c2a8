//! The key-encryption key within a token: made there, and refused if it could ever leave.

use cryptoki::context::Function;
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;

use super::error::TokenError;

const KEY_BYTES: u64 = 32;
const TAG_BITS: u64 = 128;
/// How long the id of a key is that is made here.
pub(super) const ID_BYTES: usize = 16;

/// Makes an AES-256 key that never leaves the token.
pub(super) fn make(session: &Session, label: &str, id: &[u8]) -> Result<(), TokenError> {
    let unable = |error: Error| TokenError::Unable { error: error.to_string() };
    let template = [
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::AES),
        Attribute::ValueLen(KEY_BYTES.into()),
        Attribute::Label(label.as_bytes().to_vec()),
        Attribute::Id(id.to_vec()),
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Encrypt(true),
        Attribute::Decrypt(true),
        Attribute::Wrap(false),
        Attribute::Unwrap(false),
        Attribute::Sign(false),
        Attribute::Verify(false),
    ];
    session.generate_key(&Mechanism::AesKeyGen, &template).map(|_| ()).map_err(unable)
}

/// The keys of this label, and of this id if one is given.
pub(super) fn find(session: &Session, label: &str, id: Option<&[u8]>) -> Result<Vec<ObjectHandle>, Error> {
    let mut template =
        vec![Attribute::Class(ObjectClass::SECRET_KEY), Attribute::Label(label.as_bytes().to_vec())];
    template.extend(id.map(|id| Attribute::Id(id.to_vec())));
    session.find_objects(&template)
}

/// The id of a key.
pub(super) fn id(session: &Session, key: ObjectHandle) -> Result<Vec<u8>, Error> {
    let read = session.get_attributes(key, &[AttributeType::Id])?;
    Ok(read
        .into_iter()
        .find_map(|one| if let Attribute::Id(id) = one { Some(id) } else { None })
        .unwrap_or_default())
}

/// What every key must say of itself, and what is wrong with one that says otherwise or nothing.
const MUST: [(Attribute, &str); 9] = [
    (Attribute::KeyType(KeyType::AES), "it is no AES key"),
    (Attribute::Token(true), "it is lost when the session ends"),
    (Attribute::Sensitive(true), "it can be read out of the token"),
    (Attribute::Extractable(false), "it can be taken out of the token wrapped"),
    (Attribute::AlwaysSensitive(true), "it could once be read out of the token"),
    (Attribute::NeverExtractable(true), "it could once be taken out of the token"),
    (Attribute::Local(true), "it was not made in the token"),
    (Attribute::Encrypt(true), "it does not encrypt"),
    (Attribute::Decrypt(true), "it does not decrypt"),
];

/// What is wrong with a key, by its own attributes.
pub(super) fn flaw(session: &Session, key: ObjectHandle) -> Result<Option<&'static str>, Error> {
    let wanted = [
        AttributeType::KeyType,
        AttributeType::Token,
        AttributeType::Sensitive,
        AttributeType::Extractable,
        AttributeType::AlwaysSensitive,
        AttributeType::NeverExtractable,
        AttributeType::Local,
        AttributeType::Encrypt,
        AttributeType::Decrypt,
        AttributeType::ValueLen,
    ];
    let read = session.get_attributes(key, &wanted)?;
    if let Some((_, flaw)) = MUST.iter().find(|(must, _)| !read.contains(must)) {
        return Ok(Some(flaw));
    }
    let length = Attribute::ValueLen(KEY_BYTES.into());
    Ok((!read.contains(&length)).then_some("it has not 256 bits"))
}

/// AES-256-GCM within the token; the 16 bytes of the tag come last.
pub(super) fn encrypt(
    session: &Session,
    key: ObjectHandle,
    nonce: &[u8; 12],
    aad: &[u8],
    plaintext: &[u8],
) -> Result<Vec<u8>, Error> {
    let mut nonce = *nonce;
    let sent = nonce;
    let sealed = {
        let params = GcmParams::new(&mut nonce, aad, TAG_BITS.into())?;
        session.encrypt(&Mechanism::AesGcm(params), key, plaintext)?
    };
    // Some tokens choose a nonce of their own and write it back: what was sealed would not open.
    if nonce == sent {
        Ok(sealed)
    } else {
        Err(Error::Pkcs11(RvError::MechanismParamInvalid, Function::Encrypt))
    }
}

/// The other way round.
pub(super) fn decrypt(
    session: &Session,
    key: ObjectHandle,
    nonce: &[u8; 12],
    aad: &[u8],
    ciphertext: &[u8],
) -> Result<Vec<u8>, Error> {
    let mut nonce = *nonce;
    let params = GcmParams::new(&mut nonce, aad, TAG_BITS.into())?;
    session.decrypt(&Mechanism::AesGcm(params), key, ciphertext)
}
