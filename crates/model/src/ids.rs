//! Ids, names and indices. Ids carry their kind as a prefix (`acc_…`, `req_…`), names are short and
//! plain, so that both may stand in URLs, file names and logs.

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use crate::canonical::Digest;

/// Why an id, name or index was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Wrong prefix, length or alphabet.
    #[error("`{input}` is not an id of the form `{prefix}` and 32 hexadecimal digits")]
    Id {
        /// The offending text, shortened.
        input: String,
        /// The prefix that was expected.
        prefix: &'static str,
    },
    /// Not a name.
    #[error("`{input}` is not a name: use 1 to 32 of a-z, 0-9 and `-`, starting with a letter")]
    Name {
        /// The offending text, shortened.
        input: String,
    },
    /// Not a number of a presignature.
    #[error("`{input}` is not the number of a presignature: they count from 1 to {max}", max = PresignatureIndex::MAX)]
    Presignature {
        /// The offending number.
        input: u64,
    },
    /// Not an index of a party.
    #[error("`{input}` is not a party index: use 1 to {max}", max = PartyIndex::MAX)]
    Index {
        /// The offending number.
        input: u64,
    },
}

/// At most 48 characters of foreign text, fit for an error message.
#[must_use]
pub fn excerpt(input: &str) -> String {
    let mut short: String = input.chars().filter(|c| !c.is_control()).take(48).collect();
    if short.len() < input.len() {
        short.push('…');
    }
    short
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name([u8; 16]);

        impl $name {
            /// A new random id.
            pub fn random(rng: &mut impl CryptoRng) -> Self {
                let mut bytes = [0; 16];
                rng.fill_bytes(&mut bytes);
                Self(bytes)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                let mut bytes = [0; 16];
                text.strip_prefix($prefix)
                    .filter(|digits| !digits.bytes().any(|b| b.is_ascii_uppercase()))
                    .and_then(|digits| hex::decode_to_slice(digits, &mut bytes).ok())
                    .map(|()| Self(bytes))
                    .ok_or_else(|| IdError::Id { input: excerpt(text), prefix: $prefix })
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}{}", $prefix, hex::encode(self.0))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{self}")
            }
        }
    };
}

id!(
    /// One account: a key that no single place holds, and the charter it is under.
    AccountId,
    "acc_"
);
id!(
    /// One request: an intent on its way to a receipt. The requester chooses it, so it is also the
    /// idempotency key of the whole stair.
    RequestId,
    "req_"
);
id!(
    /// One change of what an account is under: named by its content, never chosen.
    ChangeId,
    "chg_"
);

impl ChangeId {
    /// The first half of a digest of everything that the change is.
    pub(crate) fn of(digest: &Digest) -> Self {
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(digest.0).for_each(|(byte, of_digest)| *byte = of_digest);
        Self(bytes)
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
                let fits = (1..=32).contains(&text.len())
                    && text.bytes().all(plain)
                    && text.starts_with(|c: char| c.is_ascii_lowercase());
                if fits { Ok(Self(text.into())) } else { Err(IdError::Name { input: excerpt(text) }) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// The name of a party within an account: `device`, `cosigner`.
    PartyName
);
name!(
    /// The name of an entity, the legal or organisational actor that controls parties.
    EntityName
);

/// A party's Shamir point, from 1; zero does not exist. In a resharing it also numbers the seats, where
/// old and new parties sit together, so it goes twice as far as an account has parties.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct PartyIndex(u8);

impl PartyIndex {
    /// The highest index: nine parties and nine that leave.
    pub const MAX: u8 = 18;

    /// The index as a number, 1 to [`PartyIndex::MAX`].
    #[must_use]
    pub fn get(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for PartyIndex {
    type Error = IdError;
    fn try_from(index: u8) -> Result<Self, IdError> {
        if (1..=Self::MAX).contains(&index) {
            Ok(Self(index))
        } else {
            Err(IdError::Index { input: index.into() })
        }
    }
}

impl From<PartyIndex> for u8 {
    fn from(index: PartyIndex) -> u8 {
        index.0
    }
}

impl std::fmt::Display for PartyIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A generation of shares; the first is 1. Shares of different epochs never mix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u32);

impl Epoch {
    /// The epoch that key generation makes.
    pub const FIRST: Self = Self(1);
}

impl std::fmt::Display for Epoch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Numbers the presignatures that a signing set makes in an epoch, upwards from 1; gaps mean nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct PresignatureIndex(u64);

impl PresignatureIndex {
    /// The number of the first one.
    pub const FIRST: Self = Self(1);
    /// The highest number.
    pub const MAX: u64 = (1 << 53) - 1;

    /// As a number.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }

    /// The one after; none after the highest.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        Self::try_from(self.0.checked_add(1)?).ok()
    }
}

impl TryFrom<u64> for PresignatureIndex {
    type Error = IdError;
    fn try_from(index: u64) -> Result<Self, IdError> {
        if (1..=Self::MAX).contains(&index) {
            Ok(Self(index))
        } else {
            Err(IdError::Presignature { input: index })
        }
    }
}

impl From<PresignatureIndex> for u64 {
    fn from(index: PresignatureIndex) -> u64 {
        index.0
    }
}

impl std::fmt::Display for PresignatureIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// One run of a protocol. Always the digest of what the run is for, never a free choice of the
/// coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub Digest);

impl std::fmt::Display for SessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_back_and_strangers_refused() {
        let text = "acc_000102030405060708090a0b0c0d0e0f";
        assert_eq!(text.parse::<AccountId>().map(|id| id.to_string()), Ok(text.into()));
        for bad in
            ["", "acc_", "req_000102030405060708090a0b0c0d0e0f", "acc_000102030405060708090A0b0c0d0e0f"]
        {
            assert!(bad.parse::<AccountId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn names_are_plain() {
        for (text, good) in
            [("device", true), ("a-1", true), ("", false), ("Ä", false), ("1a", false), ("a/b", false)]
        {
            assert_eq!(text.parse::<PartyName>().is_ok(), good, "{text}");
        }
    }

    #[test]
    fn index_zero_and_nineteen_do_not_exist() {
        assert!(PartyIndex::try_from(0).is_err());
        assert!(PartyIndex::try_from(19).is_err());
        assert!(PartyIndex::try_from(18).is_ok());
    }

    #[test]
    fn presignatures_count_from_one_and_end() {
        let index = |n: u64| PresignatureIndex::try_from(n).ok();
        assert_eq!((index(0), index(1)), (None, Some(PresignatureIndex::FIRST)));
        assert_eq!(index(1).and_then(PresignatureIndex::next), index(2));
        let last = index(PresignatureIndex::MAX);
        assert!(last.is_some() && last.and_then(PresignatureIndex::next).is_none());
        assert_eq!(index(PresignatureIndex::MAX + 1), None);
    }
}
