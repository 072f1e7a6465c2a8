//! What a result repeats a hundred thousand times, without a copy each time: sets of names, and sentences.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A set of names, in the order of the names. In JSON a list of them.
///
/// ```
/// # use cohold_custody::Names;
/// let names = Names::new(["paper", "phone"]).unwrap();
/// assert!(names.contains("phone") && names == ["paper", "phone"]);
/// assert_eq!(names.join(" with "), "paper with phone");
/// ```
#[derive(Clone)]
pub struct Names {
    set: u32,
    /// All names of a model in their order, each with its bit in `set`.
    table: Arc<[(u32, String)]>,
}

impl Names {
    /// These names, in the order in which they are given; `None` for more than 32.
    pub fn new<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Option<Self> {
        let table: Arc<[_]> = (0_u32..).zip(names.into_iter().map(Into::into)).collect();
        let unused = u32::BITS.checked_sub(u32::try_from(table.len()).ok()?)?;
        Some(Self { set: u32::MAX.checked_shr(unused).unwrap_or(0), table })
    }

    pub(crate) fn of(table: &Arc<[(u32, String)]>, set: u32) -> Self {
        Self { set, table: Arc::clone(table) }
    }

    /// Each name.
    pub fn iter(&self) -> impl Iterator<Item = &str> + Clone {
        self.table.iter().filter(|(bit, _)| self.set >> bit & 1 == 1).map(|(_, name)| name.as_str())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.set.count_ones() as usize
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.set == 0
    }

    /// Whether this is one of them.
    pub fn contains(&self, name: &str) -> bool {
        self.iter().any(|own| own == name)
    }

    /// All in one text.
    pub fn join(&self, between: &str) -> String {
        self.iter().collect::<Vec<_>>().join(between)
    }

    /// A list of its own.
    pub fn to_vec(&self) -> Vec<String> {
        self.iter().map(str::to_owned).collect()
    }
}

impl PartialEq for Names {
    fn eq(&self, other: &Self) -> bool {
        match Arc::ptr_eq(&self.table, &other.table) {
            true => self.set == other.set,
            false => self.iter().eq(other.iter()),
        }
    }
}

impl Eq for Names {}

impl<T: AsRef<str>, const N: usize> PartialEq<[T; N]> for Names {
    fn eq(&self, other: &[T; N]) -> bool {
        self.iter().eq(other.iter().map(AsRef::as_ref))
    }
}

impl<T: AsRef<str>> PartialEq<Vec<T>> for Names {
    fn eq(&self, other: &Vec<T>) -> bool {
        self.iter().eq(other.iter().map(AsRef::as_ref))
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.iter()).finish()
    }
}

impl Serialize for Names {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(Vec::<String>::deserialize(deserializer)?)
            .ok_or_else(|| D::Error::custom("a coalition has more than 32 names"))
    }
}

/// Sentences that many ways have in common. In JSON a list of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentences(Arc<[String]>);

impl From<Vec<String>> for Sentences {
    fn from(sentences: Vec<String>) -> Self {
        Self(sentences.into())
    }
}

impl Deref for Sentences {
    type Target = [String];

    fn deref(&self) -> &[String] {
        &self.0
    }
}

impl Serialize for Sentences {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Sentences {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::deserialize(deserializer)?.into())
    }
}
