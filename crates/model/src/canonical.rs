//! One encoding for everything that is signed or hashed: canonical JSON (RFC 8785) under a tag that
//! names the document's kind and version. The tag and the body are length-delimited, so no two
//! documents share bytes.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use crate::identity::{IdentityKey, IdentitySecret, Signature};
use crate::ids::PartyName;

/// A document that can be signed: plain data without floating point numbers.
pub trait Document: Serialize + DeserializeOwned {
    /// Kind and version, as in `cohold/charter/v1`. Never reused for another meaning.
    const TAG: &'static str;

    /// SHA-256 over the tagged canonical encoding.
    fn digest(&self) -> Digest {
        digest(Self::TAG, self)
    }
}

/// A document and its digest, computed once: it cannot change any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hashed<T> {
    document: T,
    digest: Digest,
}

impl<T: Document> Hashed<T> {
    /// Computes the document's digest.
    pub fn new(document: T) -> Self {
        Self { digest: document.digest(), document }
    }
}

impl<T> Hashed<T> {
    /// The digest, as [`Document::digest`] gives it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

impl<T> std::ops::Deref for Hashed<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.document
    }
}

/// SHA-256 of `len(tag) ‖ tag ‖ len(body) ‖ body`, lengths as 64-bit big-endian numbers, body in
/// canonical JSON.
pub fn digest<T: Serialize>(tag: &str, value: &T) -> Digest {
    // Serialising plain data into memory fails only for non-string map keys or non-finite numbers,
    // which no document type has; an empty body then still yields a digest that matches nothing.
    let body = serde_json_canonicalizer::to_vec(value).unwrap_or_default();
    digest_parts(tag, &[&body])
}

/// SHA-256 of a tag and parts, each length-delimited.
#[must_use]
pub fn digest_parts(tag: &str, parts: &[&[u8]]) -> Digest {
    let mut hasher = sha2::Sha256::new();
    for part in std::iter::once(tag.as_bytes()).chain(parts.iter().copied()) {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    Digest(hasher.finalize().into())
}

/// A SHA-256 digest, or any other 32 public bytes; 64 hexadecimal digits in JSON.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(#[serde(with = "hex")] pub [u8; 32]);

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// Public bytes of any length, `0x…` in JSON.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HexBytes(pub Vec<u8>);

impl TryFrom<String> for HexBytes {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.strip_prefix("0x")
            .and_then(|digits| hex::decode(digits).ok())
            .map(Self)
            .ok_or_else(|| format!("`{}` is not `0x` and hexadecimal digits", crate::ids::excerpt(&text)))
    }
}

impl From<HexBytes> for String {
    fn from(bytes: HexBytes) -> String {
        bytes.to_string()
    }
}

impl std::fmt::Display for HexBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "0x{}", hex::encode(&self.0))
    }
}

impl std::fmt::Debug for HexBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// A document with signatures by named parties over its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed<T> {
    /// What is signed.
    pub document: T,
    /// Who signed it.
    pub signatures: BTreeMap<PartyName, Signature>,
}

impl<T: Document> Signed<T> {
    /// The document signed by one party.
    pub fn by(document: T, party: PartyName, secret: &IdentitySecret) -> Self {
        let signature = secret.sign(&document.digest());
        Self { document, signatures: BTreeMap::from([(party, signature)]) }
    }

    /// Whether `party` signed exactly this document with `key`.
    pub fn is_signed_by(&self, party: &PartyName, key: &IdentityKey) -> bool {
        self.signatures.get(party).is_some_and(|signature| key.verify(&self.document.digest(), signature))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distinct_tuples_give_distinct_digests() {
        let digests = [
            digest_parts("t", &[b"ab", b"c"]),
            digest_parts("t", &[b"a", b"bc"]),
            digest_parts("t", &[b"abc"]),
            digest_parts("ta", &[b"b", b"c"]),
            digest_parts("t", &[b"", b"abc"]),
        ];
        for (i, a) in digests.iter().enumerate() {
            assert!(!digests.iter().skip(i + 1).any(|b| a == b));
        }
    }

    #[test]
    fn golden_digest() {
        let value = serde_json::json!({"b": 1, "a": "ä"});
        assert_eq!(
            digest("cohold/test/v1", &value),
            digest_parts("cohold/test/v1", &["{\"a\":\"ä\",\"b\":1}".as_bytes()])
        );
    }
}
