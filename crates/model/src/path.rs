//! Where a key stands below its account's key: a path of BIP-32 without hardened steps.
//!
//! A hardened step is an HMAC over the private key. That key never exists whole here, so no such step can be
//! taken; all others are sums with public numbers, which every party adds for itself.

use serde::{Deserialize, Serialize};

use crate::ids::excerpt;

/// A path below an account's key, at most [`KeyPath::STEPS_MAX`] steps; empty for the account's own key.
///
/// Written `m/0/5`. Read from people with or without `m/`, from documents only as it is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyPath {
    count: usize,
    /// Zero beyond the count.
    steps: [u32; Self::STEPS_MAX],
}

/// Why text is not a path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyPathError {
    /// A step that takes the private key.
    #[error(
        "step `{0}` of the path is hardened, which takes the whole private key, and that never exists: use steps from 0 to 2147483647, like `m/0/5`"
    )]
    Hardened(String),
    /// Something that is no step.
    #[error("`{0}` is no step of a path: use whole numbers from 0 to 2147483647, like `m/0/5`")]
    Step(String),
    /// Too deep.
    #[error("the path has {0} steps, at most {max} are derived", max = KeyPath::STEPS_MAX)]
    Deep(usize),
    /// A document that does not write the path in its one form.
    #[error("the path `{0}` is not written in its one form, like `m/0/5`")]
    Form(String),
}

impl KeyPath {
    /// The account's own key.
    pub const ROOT: Self = Self { count: 0, steps: [0; Self::STEPS_MAX] };
    /// The most steps.
    pub const STEPS_MAX: usize = 5;
    /// The first number that BIP-32 keeps for hardened steps.
    const HARDENED: u32 = 1 << 31;

    /// Whether it is the account's own key.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.count == 0
    }

    /// The steps from the account's key downwards, each below 2³¹.
    #[must_use]
    pub fn steps(&self) -> &[u32] {
        self.steps.get(..self.count).unwrap_or_default()
    }

    /// The path whose last step is `further` numbers further on; none for the root, and past the last number.
    #[must_use]
    pub fn sibling(&self, further: u32) -> Option<Self> {
        let mut path = *self;
        let last = path.steps.get_mut(self.count.checked_sub(1)?)?;
        *last = last.checked_add(further).filter(|step| *step < Self::HARDENED)?;
        Some(path)
    }
}

fn step(text: &str) -> Result<u32, KeyPathError> {
    let plain = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if text.strip_suffix(['\'', 'h', 'H']).is_some_and(plain) {
        return Err(KeyPathError::Hardened(excerpt(text)));
    }
    let is_short = text == "0" || !text.starts_with('0');
    let number = text.parse::<u32>().ok().filter(|_| plain(text) && is_short);
    match number.ok_or_else(|| KeyPathError::Step(excerpt(text)))? {
        number if number < KeyPath::HARDENED => Ok(number),
        _ => Err(KeyPathError::Hardened(excerpt(text))),
    }
}

impl std::str::FromStr for KeyPath {
    type Err = KeyPathError;

    fn from_str(text: &str) -> Result<Self, KeyPathError> {
        if text == "m" {
            return Ok(Self::ROOT);
        }
        let steps = text.strip_prefix("m/").unwrap_or(text);
        let count = steps.split('/').count();
        if count > Self::STEPS_MAX {
            return Err(KeyPathError::Deep(count));
        }
        let mut path = Self { count, ..Self::ROOT };
        for (place, text) in path.steps.iter_mut().zip(steps.split('/')) {
            *place = step(text)?;
        }
        Ok(path)
    }
}

impl TryFrom<String> for KeyPath {
    type Error = KeyPathError;

    fn try_from(text: String) -> Result<Self, KeyPathError> {
        let path: Self = text.parse()?;
        if path.to_string() == text { Ok(path) } else { Err(KeyPathError::Form(excerpt(&text))) }
    }
}

impl From<KeyPath> for String {
    fn from(path: KeyPath) -> Self {
        path.to_string()
    }
}

impl std::fmt::Display for KeyPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("m")?;
        self.steps().iter().try_for_each(|step| write!(f, "/{step}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_at_the_door() {
        for (text, written) in [
            ("m", "m"),
            ("m/0", "m/0"),
            ("0/5", "m/0/5"),
            ("m/0/2147483647", "m/0/2147483647"),
            ("1/2/3/4/5", "m/1/2/3/4/5"),
        ] {
            assert_eq!(text.parse::<KeyPath>().map(|path| path.to_string()), Ok(written.into()), "{text}");
        }
    }

    #[test]
    fn hardened_steps_are_refused_with_the_reason() {
        for text in ["m/44'/0", "m/0h", "0H", "m/2147483648", "m/0/4294967295"] {
            let refused = text.parse::<KeyPath>();
            assert!(matches!(refused, Err(KeyPathError::Hardened(_))), "{text}: {refused:?}");
        }
        let told = "m/44'/0".parse::<KeyPath>().unwrap_err().to_string();
        assert!(told.contains("`44'`") && told.contains("never exists"), "{told}");
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in [
            "",
            "/",
            "m/",
            "M/0",
            "m/0/",
            "m//5",
            "m/+1",
            "m/05",
            "m/-1",
            "m/ 1",
            "m/'",
            "m/4294967296",
            "m/٣",
        ] {
            let refused = text.parse::<KeyPath>();
            assert!(matches!(refused, Err(KeyPathError::Step(_))), "{text}: {refused:?}");
        }
        assert_eq!("m/1/2/3/4/5/6".parse::<KeyPath>(), Err(KeyPathError::Deep(6)));
        let long = "1/".repeat(100_000);
        assert_eq!(long.parse::<KeyPath>(), Err(KeyPathError::Deep(100_001)));
    }

    #[test]
    fn documents_have_one_form() {
        assert!(serde_json::from_str::<KeyPath>("\"m/0/5\"").is_ok_and(|path| path.steps() == [0, 5]));
        assert!(serde_json::from_str::<KeyPath>("\"0/5\"").is_err());
        assert!(serde_json::from_str::<KeyPath>("[0,5]").is_err());
    }

    #[test]
    fn siblings_count_on_from_the_last_step() {
        let path: KeyPath = "m/7/2147483646".parse().unwrap();
        assert_eq!(path.sibling(1).map(|path| path.to_string()), Some("m/7/2147483647".into()));
        assert_eq!(path.sibling(2), None);
        assert_eq!(path.sibling(u32::MAX), None);
        assert_eq!(KeyPath::ROOT.sibling(0), None);
    }
}
