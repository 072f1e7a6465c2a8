//! What a rule needs: a name, or so many of several needs.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// The condition of a rule: an atom, a power, or `all`, `any`, `k` + `of`, nested.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Needs {
    /// An atom or a power, by name.
    Name(String),
    /// Every one of them.
    All {
        /// The needs that must all be met.
        all: Vec<Needs>,
    },
    /// At least one of them.
    Any {
        /// The needs of which one must be met.
        any: Vec<Needs>,
    },
    /// At least `k` of them.
    K {
        /// How many must be met: 1 to the length of `of`.
        k: u64,
        /// The needs of which `k` must be met; one that stands here twice counts twice.
        of: Vec<Needs>,
    },
}

impl Needs {
    /// Every one of these.
    pub fn all<N: Into<Self>>(needs: impl IntoIterator<Item = N>) -> Self {
        Self::All { all: needs.into_iter().map(Into::into).collect() }
    }

    /// At least one of these.
    pub fn any<N: Into<Self>>(needs: impl IntoIterator<Item = N>) -> Self {
        Self::Any { any: needs.into_iter().map(Into::into).collect() }
    }

    /// At least `k` of these.
    pub fn k<N: Into<Self>>(k: u64, needs: impl IntoIterator<Item = N>) -> Self {
        Self::K { k, of: needs.into_iter().map(Into::into).collect() }
    }
}

impl From<&str> for Needs {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

impl From<String> for Needs {
    fn from(name: String) -> Self {
        Self::Name(name)
    }
}

impl<'de> Deserialize<'de> for Needs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NeedsVisitor)
    }
}

struct NeedsVisitor;

/// The object form; which fields stand together is decided after reading.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NeedsObject {
    all: Option<Vec<Needs>>,
    any: Option<Vec<Needs>>,
    k: Option<u64>,
    of: Option<Vec<Needs>>,
}

impl<'de> Visitor<'de> for NeedsVisitor {
    type Value = Needs;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name, or an object with `all`, with `any`, or with `k` and `of`")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Needs, E> {
        Ok(Needs::from(name))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Needs, A::Error> {
        match NeedsObject::deserialize(MapAccessDeserializer::new(map))? {
            NeedsObject { all: Some(all), any: None, k: None, of: None } => Ok(Needs::All { all }),
            NeedsObject { all: None, any: Some(any), k: None, of: None } => Ok(Needs::Any { any }),
            NeedsObject { all: None, any: None, k: Some(k), of: Some(of) } => Ok(Needs::K { k, of }),
            _ => Err(A::Error::custom(
                "`needs` takes exactly one of: a name, `all`, `any`, or `k` together with `of`",
            )),
        }
    }
}
