//! The door for bytes: canonical JSON (RFC 8785) and nothing else, with the place of what is not.
//!
//! Numbers are whole and at most 2^53 - 1 here: no document has others.

use std::fmt;

/// The deepest nesting; certificates have about forty levels at most.
const DEPTH_MAX: usize = 64;
/// The largest number that JSON carries exactly.
const NUMBER_MAX: u64 = (1 << 53) - 1;

/// What is not canonical JSON, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{form} at {place}, byte {byte}")]
pub struct FormError {
    /// What is wrong.
    pub form: Form,
    /// A JSON pointer (RFC 6901) to the value; `/` alone is the whole.
    pub place: Place,
    /// Bytes before it.
    pub byte: usize,
}

/// How bytes are not canonical JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Form {
    /// The bytes end too early.
    #[error("the text ends too early")]
    Truncated,
    /// Something stands where a value should.
    #[error("there is no value of canonical JSON (white space counts as none)")]
    Value,
    /// A comma, colon or bracket is missing, or something stands between.
    #[error("a comma, colon or bracket is expected (white space counts as none)")]
    Punctuation,
    /// Something stands after the end; one line feed may.
    #[error("something follows the end of the text")]
    Tail,
    /// A key stands twice.
    #[error("a key stands twice")]
    Duplicate,
    /// Keys are not in order.
    #[error("a key is not in the order of RFC 8785")]
    Order,
    /// A string that is not UTF-8 or not escaped as it must be.
    #[error("a string is not written as RFC 8785 does")]
    Text,
    /// A number that is not whole, too large, or written with leading zeros.
    #[error("a number is not a whole one of at most 2^53 - 1")]
    Number,
    /// Too deep.
    #[error("values are nested more than {DEPTH_MAX} deep")]
    Depth,
}

/// A JSON pointer (RFC 6901).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place(String);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "/" } else { &self.0 })
    }
}

impl Place {
    /// The place below this one.
    pub(crate) fn below(&self, segment: &str) -> Self {
        // What came from foreign bytes is shown on one line and not at any length.
        let plain: String = segment.chars().filter(|c| !c.is_control()).take(64).collect();
        Self(format!("{}/{}", self.0, plain.replace('~', "~0").replace('/', "~1")))
    }
}

/// Checks that the bytes are canonical JSON, but for one line feed at the end; returns them without it.
pub(crate) fn check(bytes: &[u8]) -> Result<&[u8], FormError> {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    Scanner::new(bytes, None).whole()?;
    Ok(bytes)
}

/// The innermost value of canonical JSON that the byte at `offset` belongs to.
pub(crate) fn place_of(bytes: &[u8], offset: usize) -> Place {
    let mut scanner = Scanner::new(bytes, Some(offset));
    // The bytes were checked before; if they were not, the whole is a good answer too.
    let _ = scanner.whole();
    scanner.found.unwrap_or_default()
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    watched: Option<usize>,
    found: Option<Place>,
}

impl<'a> Scanner<'a> {
    fn new(bytes: &'a [u8], watched: Option<usize>) -> Self {
        Self { bytes, at: 0, depth: 0, watched, found: None }
    }

    fn whole(&mut self) -> Result<(), FormError> {
        let root = Place::default();
        self.value(&root)?;
        if self.at < self.bytes.len() { Err(self.wrong(Form::Tail, &root)) } else { Ok(()) }
    }

    fn wrong(&self, form: Form, place: &Place) -> FormError {
        let form = if self.at >= self.bytes.len() { Form::Truncated } else { form };
        FormError { form, place: place.clone(), byte: self.at }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, wanted: u8, form: Form, place: &Place) -> Result<(), FormError> {
        if self.peek() != Some(wanted) {
            return Err(self.wrong(form, place));
        }
        self.at = self.at.saturating_add(1);
        Ok(())
    }

    fn value(&mut self, place: &Place) -> Result<(), FormError> {
        if self.depth >= DEPTH_MAX {
            return Err(self.wrong(Form::Depth, place));
        }
        let start = self.at;
        self.depth = self.depth.saturating_add(1);
        match self.peek() {
            Some(b'{') => self.object(place)?,
            Some(b'[') => self.array(place)?,
            Some(b'"') => drop(self.text(place)?),
            Some(b'0'..=b'9') => self.number(place)?,
            _ => self.word(place)?,
        }
        self.depth = self.depth.saturating_sub(1);
        if self.found.is_none() && self.watched.is_some_and(|watched| (start..self.at).contains(&watched)) {
            self.found = Some(place.clone());
        }
        Ok(())
    }

    fn object(&mut self, place: &Place) -> Result<(), FormError> {
        self.take(b'{', Form::Value, place)?;
        let mut last: Option<String> = None;
        if self.peek() == Some(b'}') {
            return self.take(b'}', Form::Punctuation, place);
        }
        loop {
            let start = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.wrong(Form::Punctuation, place));
            }
            let key = self.text(place)?;
            let below = place.below(&key);
            if let Some(last) = &last {
                let form = match last.encode_utf16().cmp(key.encode_utf16()) {
                    std::cmp::Ordering::Less => None,
                    std::cmp::Ordering::Equal => Some(Form::Duplicate),
                    std::cmp::Ordering::Greater => Some(Form::Order),
                };
                if let Some(form) = form {
                    return Err(FormError { form, place: below, byte: start });
                }
            }
            self.take(b':', Form::Punctuation, &below)?;
            self.value(&below)?;
            last = Some(key);
            match self.peek() {
                Some(b',') => self.take(b',', Form::Punctuation, place)?,
                _ => return self.take(b'}', Form::Punctuation, place),
            }
        }
    }

    fn array(&mut self, place: &Place) -> Result<(), FormError> {
        self.take(b'[', Form::Value, place)?;
        if self.peek() == Some(b']') {
            return self.take(b']', Form::Punctuation, place);
        }
        let mut index = 0_usize;
        loop {
            self.value(&place.below(&index.to_string()))?;
            index = index.saturating_add(1);
            match self.peek() {
                Some(b',') => self.take(b',', Form::Punctuation, place)?,
                _ => return self.take(b']', Form::Punctuation, place),
            }
        }
    }

    /// A string; what it says.
    fn text(&mut self, place: &Place) -> Result<String, FormError> {
        let start = self.at;
        self.take(b'"', Form::Value, place)?;
        loop {
            match self.peek() {
                Some(b'"') => break,
                // Escaped or not, the next byte is no end.
                Some(b'\\') => self.at = self.at.saturating_add(2),
                Some(_) => self.at = self.at.saturating_add(1),
                None => return Err(self.wrong(Form::Truncated, place)),
            }
        }
        self.at = self.at.saturating_add(1);
        let written = self.bytes.get(start..self.at).unwrap_or_default();
        let read = serde_json::from_slice::<String>(written).ok();
        let canonical = |text: &String| serde_json::to_vec(text).is_ok_and(|again| again == written);
        let bad = || FormError { form: Form::Text, place: place.clone(), byte: start };
        read.filter(canonical).ok_or_else(bad)
    }

    fn number(&mut self, place: &Place) -> Result<(), FormError> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')) {
            self.at = self.at.saturating_add(1);
        }
        let digits = self.bytes.get(start..self.at).and_then(|digits| std::str::from_utf8(digits).ok());
        let number = digits.and_then(|digits| digits.parse::<u64>().ok().filter(|n| n.to_string() == digits));
        match number {
            Some(number) if number <= NUMBER_MAX => Ok(()),
            _ => Err(FormError { form: Form::Number, place: place.clone(), byte: start }),
        }
    }

    fn word(&mut self, place: &Place) -> Result<(), FormError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let words = ["true", "false", "null"];
        let Some(word) = words.into_iter().find(|word| rest.starts_with(word.as_bytes())) else {
            let cut = words.into_iter().any(|word| word.as_bytes().starts_with(rest));
            let form = if cut { Form::Truncated } else { Form::Value };
            return Err(self.wrong(form, place));
        };
        self.at = self.at.saturating_add(word.len());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_canonical_is_named_with_its_place() {
        let check = |text: &str, form: Form, place: &str| {
            let error = check(text.as_bytes()).expect_err(text);
            assert_eq!((error.form, error.place.to_string().as_str()), (form, place), "{text}");
        };
        check("", Form::Truncated, "/");
        check("{", Form::Truncated, "/");
        check(r#"{"a":{"b":[1,2"#, Form::Truncated, "/a/b");
        check(r#"{"a":"x"#, Form::Truncated, "/a");
        check(r#"{"a" :1}"#, Form::Punctuation, "/a");
        check(r#"{"a":1 }"#, Form::Punctuation, "/");
        check(r#" {"a":1}"#, Form::Value, "/");
        check("{}\n\n", Form::Tail, "/");
        check("{}x", Form::Tail, "/");
        check(r#"{"a":{"b":1,"b":1}}"#, Form::Duplicate, "/a/b");
        check(r#"{"a":{"c":1,"b":1}}"#, Form::Order, "/a/b");
        check("{\"\u{e000}\":1,\"\u{10437}\":1}", Form::Order, "/\u{10437}");
        check(r#"{"a":["\u0041"]}"#, Form::Text, "/a/0");
        check(r#"{"a":["\/"]}"#, Form::Text, "/a/0");
        check("{\"a\":\"\u{1}\"}", Form::Text, "/a");
        check(r#"{"a":-1}"#, Form::Value, "/a");
        check(r#"{"a":1.0}"#, Form::Number, "/a");
        check(r#"{"a":01}"#, Form::Number, "/a");
        check(r#"{"a":1e3}"#, Form::Number, "/a");
        check(r#"{"a":9007199254740992}"#, Form::Number, "/a");
        check(r#"{"a":NaN}"#, Form::Value, "/a");
        check(r#"{"a":tru"#, Form::Truncated, "/a");
        check(r#"{"a~/b":tru}"#, Form::Value, "/a~0~1b");
        let deep = "[".repeat(100_000);
        let error = super::check(deep.as_bytes()).expect_err("too deep");
        assert_eq!((error.form, error.byte), (Form::Depth, DEPTH_MAX));
    }

    #[test]
    fn whatever_the_canonicalizer_writes_is_taken() {
        let value = serde_json::json!({
            "b": [1, 0, null, true, {"": "", "\u{7f}\u{80}": "\n\t\u{8}\u{c}\r\"\\/\u{1f}"}], "a": "ä€𐐷\u{2028}",
            "c": {}, "d": [], "e": 9_007_199_254_740_991_u64,
        });
        let bytes = serde_json_canonicalizer::to_vec(&value).expect("plain");
        assert_eq!(check(&bytes), Ok(bytes.as_slice()));
        let place = |part: &str| {
            let text = std::str::from_utf8(&bytes).expect("utf-8");
            place_of(&bytes, text.find(part).expect("there")).to_string()
        };
        assert_eq!((place("true"), place("[1"), place("{\"\"")), ("/b/3".into(), "/b".into(), "/b/4".into()));
    }
}
