//! The door: bytes of a model file to a checked [`Model`].

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::check::ModelError;
use crate::model::{Model, ModelBuilder, Source};

/// The largest model file that is read.
const BYTES_MAX: usize = 1 << 20;

impl Model {
    /// Reads and checks a model file.
    ///
    /// # Errors
    /// Whatever is not exactly the format: bad JSON, a key that stands twice, an unknown field, and
    /// everything that [`ModelBuilder::build`] refuses. The message names the place.
    pub fn parse(bytes: &[u8]) -> Result<Self, ModelError> {
        if bytes.len() > BYTES_MAX {
            return Err(ModelError::Size { bytes: bytes.len(), bytes_max: BYTES_MAX });
        }
        let Object(source) = serde_json::from_slice::<Object<Source>>(bytes)?;
        ModelBuilder::from(source).build()
    }

    /// The model file in canonical JSON (RFC 8785), for hashing and signing.
    ///
    /// # Errors
    /// Never for a model that was built; the serialiser's error is passed on all the same.
    pub fn to_canonical_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json_canonicalizer::to_vec(self)
    }
}

impl Serialize for Model {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.source().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Model {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Object(source) = Object::<Source>::deserialize(deserializer)?;
        ModelBuilder::from(source).build().map_err(D::Error::custom)
    }
}

/// Reads a JSON object of named things and refuses a name that stands twice.
pub(crate) fn unique<'de, D, T>(deserializer: D) -> Result<BTreeMap<String, T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    deserializer.deserialize_map(UniqueVisitor(PhantomData))
}

/// Reads a list of JSON objects.
pub(crate) fn objects<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let objects = Vec::<Object<T>>::deserialize(deserializer)?;
    Ok(objects.into_iter().map(|Object(thing)| thing).collect())
}

/// Reads a word of an enumeration; serde alone would also take `{"word": null}`.
pub(crate) fn word<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(String::deserialize(deserializer)?.into_deserializer())
}

/// A struct read from a JSON object; serde alone would also take an array of its fields.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData)).map(Self)
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

struct UniqueVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for UniqueVisitor<T> {
    type Value = BTreeMap<String, T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object from names to descriptions")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut things = BTreeMap::new();
        while let Some(name) = map.next_key::<String>()? {
            if things.contains_key(&name) {
                return Err(A::Error::custom(format!("duplicate name `{name}`")));
            }
            let Object(thing) = map.next_value()?;
            things.insert(name, thing);
        }
        Ok(things)
    }
}
