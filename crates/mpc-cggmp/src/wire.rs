//! Engine messages as bytes: JSON, which is looked through before the engine reads it.
//!
//! The engine writes a big integer with its radix and digits. It would read any length, signs and
//! underscores, and an absurd radix makes its big integers panic. None of that gets past [`decode`].

use cohold_model::ids::PartyIndex;
use cohold_mpc::{Fault, Reason};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The most bytes that one engine message may have; the largest, those with the proofs of a
/// setup, have some 210 kB.
const MESSAGE_BYTES_MAX: usize = 320 * 1024;

/// The most hexadecimal digits of an integer: 8,192 bits. The longest honest one, in the proof that a
/// modulus has no small factor, has about 7,000.
const DIGITS_MAX: usize = 2048;

const RADIX: u64 = 16;

pub(crate) fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, Fault> {
    serde_json::to_vec(message).map_err(|_| Fault::retry(Reason::LocalState))
}

pub(crate) fn decode<T: DeserializeOwned>(from: PartyIndex, bytes: &[u8]) -> Result<T, Fault> {
    read(bytes).ok_or_else(|| Fault::retry(Reason::Malformed { from }))
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    if bytes.len() > MESSAGE_BYTES_MAX {
        return None;
    }
    // `serde_json` bounds the depth.
    let value: Value = serde_json::from_slice(bytes).ok()?;
    if is_plain(&value) { serde_json::from_value(value).ok() } else { None }
}

/// Whether every integer in it has the one honest form, and nothing else can be read as an integer.
fn is_plain(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
        // A struct is read from a list of its fields too: a list of bytes or of structs is all there is.
        Value::Array(items) => {
            items.iter().all(Value::is_u64) || items.iter().all(|item| item.is_object() && is_plain(item))
        }
        Value::Object(fields) if fields.contains_key("radix") || fields.contains_key("value") => {
            is_integer(fields)
        }
        Value::Object(fields) => fields.values().all(is_plain),
    }
}

fn is_integer(fields: &Map<String, Value>) -> bool {
    let radix = fields.get("radix").and_then(Value::as_u64);
    let value = fields.get("value").and_then(Value::as_str).unwrap_or_default();
    let digits = value.strip_prefix('-').unwrap_or(value);
    let plain = digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    fields.len() == 2 && radix == Some(RADIX) && (1..=DIGITS_MAX).contains(&digits.len()) && plain
}

#[cfg(test)]
mod tests {
    use cggmp24::backend::Integer;
    use serde::Deserialize;

    use super::{DIGITS_MAX, read};

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only whether it is read matters")]
    struct Message {
        n: Integer,
        bytes: Option<Vec<u8>>,
        more: Option<Vec<Integer>>,
    }

    fn check(text: &str, expected: bool) {
        assert_eq!(read::<Message>(text.as_bytes()).is_some(), expected, "{text}");
    }

    #[test]
    fn only_plain_integers_reach_the_engine() {
        check(r#"{"n":{"radix":16,"value":"1f"}}"#, true);
        check(r#"{"n":{"radix":16,"value":"-1f"},"bytes":[1,2],"more":[{"radix":16,"value":"0"}]}"#, true);
        let long = |digits| format!(r#"{{"n":{{"radix":16,"value":"{}"}}}}"#, "f".repeat(digits));
        check(&long(DIGITS_MAX), true);
        check(&long(DIGITS_MAX + 1), false);
        for radix in ["0", "1", "10", "37", "65535", "\"16\""] {
            check(&format!(r#"{{"n":{{"radix":{radix},"value":"1"}}}}"#), false);
        }
        for value in ["", "-", "--1", "+1", "1_0", "1F", "0x1", " 1"] {
            check(&format!(r#"{{"n":{{"radix":16,"value":"{value}"}}}}"#), false);
        }
        check(r#"{"n":[0,"1"]}"#, false);
        check(r#"{"n":{"radix":16,"value":"1"},"more":[[37,"1"]]}"#, false);
        check(r#"{"n":{"radix":16,"value":"1","radixx":1}}"#, false);
        check("[]", false);
    }
}
