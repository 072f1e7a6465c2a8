//! What a party states of the hardware token that seals its share (PKCS#11).

use serde::{Deserialize, Serialize};

/// The most bytes of one text: PKCS#11 has none longer.
const TEXT_BYTES_MAX: usize = 32;

/// A text that a token gives of itself: at most 32 bytes, no control characters, no space at its ends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenText(String);

/// Why a text is none of a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenTextError {
    /// Too long.
    #[error("{0} bytes are more than the {TEXT_BYTES_MAX} of a token's text")]
    Length(usize),
    /// It cannot be shown as it is.
    #[error("a token's text has no control characters and no space at its ends")]
    Characters,
}

impl TokenText {
    /// Takes what a token says, cut and cleaned where it is no such text.
    #[must_use]
    pub fn cleaned(text: &str) -> Self {
        let mut clean: String = text.chars().filter(|c| !c.is_control()).collect();
        let mut end = clean.len().min(TEXT_BYTES_MAX);
        while !clean.is_char_boundary(end) {
            end = end.saturating_sub(1);
        }
        clean.truncate(end);
        Self(clean.trim().to_owned())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for TokenText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for TokenText {
    type Error = TokenTextError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(TokenTextError::Length(text.len()));
        }
        if text.chars().any(char::is_control) || text.trim() != text {
            return Err(TokenTextError::Characters);
        }
        Ok(Self(text))
    }
}

impl From<TokenText> for String {
    fn from(text: TokenText) -> Self {
        text.0
    }
}

/// Where a party has its token's PIN from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PinSource {
    /// A file on its disk: whoever has the disk has the PIN.
    File,
    /// An operator enters it at each start.
    Entered,
}

/// A hardware token, as the party that uses it reads it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Who made it.
    pub manufacturer: TokenText,
    /// Which model it is.
    pub model: TokenText,
    /// Its serial number.
    pub serial: TokenText,
    /// Whether its attributes say that the key was made in the token and has never been readable or
    /// extractable.
    pub key_never_left: bool,
    /// Where the PIN comes from.
    pub pin: PinSource,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_short_and_can_be_shown() {
        let check = |text: &str, good: bool| {
            assert_eq!(TokenText::try_from(text.to_owned()).is_ok(), good, "{text:?}");
        };
        check("SoftHSM v2", true);
        check("", true);
        check(&"é".repeat(16), true);
        check(&"é".repeat(17), false);
        check(" padded", false);
        check("two\nlines", false);
        check("\u{7f}", false);
    }

    #[test]
    fn what_a_token_says_is_cut_to_such_a_text() {
        for said in ["SoftHSM v2   ", "a\0b\n", &"é".repeat(40), &format!("{}é", "x".repeat(31)), "  "] {
            let text = TokenText::cleaned(said);
            assert_eq!(TokenText::try_from(text.as_str().to_owned()), Ok(text), "{said:?}");
        }
        assert_eq!(TokenText::cleaned("a\0b\n").as_str(), "ab");
    }
}
