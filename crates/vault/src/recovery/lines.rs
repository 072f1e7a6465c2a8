//! Bytes as lines of Bech32m. Each line has its number, the number of lines and 40 bytes, in at most 90
//! characters, where four wrong characters are always noticed and one is even located.

use std::collections::BTreeMap;

use bech32::primitives::decode::CheckedHrpstring;
use bech32::{Bech32m, Fe32, Hrp};

const PREFIX: &str = "cohold";
const BEGIN: &str = "-----BEGIN COHOLD RECOVERY-----";
const END: &str = "-----END COHOLD RECOVERY-----";
const CHUNK_BYTES: usize = 40;
const LINE_CHARACTERS_MAX: usize = 90;

/// What is wrong with the lines below the mark.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Not a recovery file.
    #[error("no line reads `{BEGIN}`: this is not a recovery file, or that line is mistyped")]
    Begin,
    /// Cut short.
    #[error("no line reads `{END}`: the file is cut short, or that line is mistyped")]
    End,
    /// A typing error.
    #[error("line {line} has a typing error{}: compare it with the original", place(.character))]
    Typo {
        /// The line's number in the text, from 1.
        line: usize,
        /// Which character is probably wrong, from 1, where that can be told.
        character: Option<usize>,
    },
    /// Some line is not there.
    #[error("sealed line {number} of {total} is missing: add it")]
    Missing {
        /// The missing line, from 1.
        number: u16,
        /// How many there should be.
        total: u16,
    },
    /// Two different lines claim one place.
    #[error("line {line} belongs to another file: use the lines of one file only")]
    Foreign {
        /// The line's number in the text, from 1.
        line: usize,
    },
}

fn place(character: &Option<usize>) -> String {
    character.map(|at| format!(", probably at character {at}")).unwrap_or_default()
}

/// Appends the lines, marks included.
pub(crate) fn write(payload: &[u8], text: &mut String) {
    let total = u16::try_from(payload.len().div_ceil(CHUNK_BYTES)).unwrap_or(u16::MAX);
    text.push_str(BEGIN);
    text.push('\n');
    for (number, chunk) in (1..=total).zip(payload.chunks(CHUNK_BYTES)) {
        let mut bytes = Vec::with_capacity(CHUNK_BYTES.saturating_add(4));
        bytes.extend_from_slice(&number.to_be_bytes());
        bytes.extend_from_slice(&total.to_be_bytes());
        bytes.extend_from_slice(chunk);
        // 44 bytes are far within the code's length: encoding cannot fail.
        text.push_str(&bech32::encode::<Bech32m>(Hrp::parse_unchecked(PREFIX), &bytes).unwrap_or_default());
        text.push('\n');
    }
    text.push_str(END);
    text.push('\n');
}

/// Reads the lines between the marks, in any order; spaces within a line and its case do not matter.
pub(crate) fn parse(text: &str) -> Result<Vec<u8>, LineError> {
    let mut numbered = (1..).zip(text.lines());
    numbered.by_ref().find(|(_, line)| line.trim() == BEGIN).ok_or(LineError::Begin)?;
    let mut chunks: BTreeMap<u16, Vec<u8>> = BTreeMap::new();
    let mut total = None;
    for (line, content) in numbered {
        let content: String = content.split_whitespace().collect();
        match content.as_str() {
            "" => continue,
            marked if marked == END.replace(' ', "") => return join(chunks, total.unwrap_or(1)),
            sealed => {
                let (number, of, chunk) = line_parse(sealed, line)?;
                let twin = chunks.insert(number, chunk.clone()).is_some_and(|other| other != chunk);
                if twin || *total.get_or_insert(of) != of {
                    return Err(LineError::Foreign { line });
                }
            }
        }
    }
    Err(LineError::End)
}

fn line_parse(sealed: &str, line: usize) -> Result<(u16, u16, Vec<u8>), LineError> {
    let decoded = CheckedHrpstring::new::<Bech32m>(sealed)
        .map_err(|_| LineError::Typo { line, character: wrong_character(sealed) })?;
    let typo = LineError::Typo { line, character: None };
    if decoded.hrp().to_lowercase() != PREFIX {
        return Err(typo);
    }
    let bytes: Vec<u8> = decoded.byte_iter().collect();
    let parts = bytes.split_first_chunk::<4>().filter(|(_, chunk)| chunk.len() <= CHUNK_BYTES);
    let (&[n0, n1, t0, t1], chunk) = parts.ok_or(typo.clone())?;
    let (number, total) = (u16::from_be_bytes([n0, n1]), u16::from_be_bytes([t0, t1]));
    if (1..=total).contains(&number) { Ok((number, total, chunk.to_vec())) } else { Err(typo) }
}

/// The one character that, if changed, would make the line right: the checksum tells any two lines apart
/// that differ in up to four, so there is one at most. All are tried, as the corrector of the library
/// panics on lines that are wrong in many places.
fn wrong_character(sealed: &str) -> Option<usize> {
    if sealed.len() > LINE_CHARACTERS_MAX {
        return None;
    }
    let data = PREFIX.len().saturating_add(1)..sealed.len();
    let shouted = sealed.starts_with(|first: char| first.is_ascii_uppercase());
    let is_right = |line: &str| CheckedHrpstring::new::<Bech32m>(line).is_ok();
    let could_be = |place: &usize| {
        let (before, rest) = sealed.split_at_checked(*place).unwrap_or_default();
        let mut after = rest.chars();
        after.next();
        let fits = |fe: Fe32| {
            let right = if shouted { fe.to_char().to_ascii_uppercase() } else { fe.to_char() };
            is_right(&format!("{before}{right}{}", after.as_str()))
        };
        Fe32::iter_alpha().any(fits)
    };
    data.into_iter().find(could_be).map(|place| place.saturating_add(1))
}

fn join(chunks: BTreeMap<u16, Vec<u8>>, total: u16) -> Result<Vec<u8>, LineError> {
    match (1..=total).find(|number| !chunks.contains_key(number)) {
        Some(number) => Err(LineError::Missing { number, total }),
        None => Ok(chunks.into_values().flatten().collect()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn written(payload: &[u8]) -> String {
        let mut text = String::from("for people\n\n");
        write(payload, &mut text);
        text
    }

    #[test]
    fn a_wrong_character_is_located_and_many_are_not() {
        let text = written(&[9; 60]);
        let line = text.lines().find(|line| line.starts_with(PREFIX)).unwrap();
        for place in PREFIX.len() + 1..line.len() {
            let wrong = if line.as_bytes()[place] == b'q' { "p" } else { "q" };
            let typed = format!("{}{wrong}{}", &line[..place], &line[place + 1..]);
            assert_eq!(wrong_character(&typed), Some(place + 1));
            assert_eq!(wrong_character(&typed.to_uppercase()), Some(place + 1));
        }
        for wrong in 5..60 {
            let typed = format!("{}{}{}", &line[..10], "q".repeat(wrong), &line[10 + wrong..]);
            assert_eq!(wrong_character(&typed), None, "{wrong}");
        }
        assert_eq!(wrong_character(&"é".repeat(40)), None);
    }

    #[test]
    fn lines_may_be_spaced_out_shouted_and_shuffled() {
        let text = written(&[9; 100]);
        assert!(text.lines().all(|line| line.len() <= 90));
        assert_eq!(parse(&text), Ok(vec![9; 100]));
        let mut lines: Vec<String> = text.lines().map(|line| format!(" {line}\t ")).collect();
        lines.swap(3, 5);
        let relaxed = lines.join("\r\n\n").replace("cohold1", "COHOLD1");
        assert!(parse(&relaxed).is_err(), "mixed case is a typing error");
        let shouted = lines
            .iter()
            .map(|line| if line.contains("cohold1") { line.to_uppercase() } else { line.clone() })
            .collect::<Vec<_>>()
            .join("\r\n\n");
        assert_eq!(parse(&shouted), Ok(vec![9; 100]));
    }

    #[test]
    fn missing_and_foreign_lines_are_named() {
        let text = written(&[9; 100]);
        let without = |skip: usize| {
            text.lines().enumerate().filter(|(i, _)| *i != skip).map(|(_, l)| l).collect::<Vec<_>>()
        };
        assert_eq!(parse(&without(4).join("\n")), Err(LineError::Missing { number: 2, total: 3 }));
        assert_eq!(parse(&without(2).join("\n")), Err(LineError::Begin));
        assert_eq!(parse(&without(6).join("\n")), Err(LineError::End));
        let other = written(&[8; 100]);
        let stranger = other.lines().nth(4).unwrap_or_default().to_owned();
        let mut mixed = without(0);
        mixed.insert(4, &stranger);
        assert_eq!(parse(&mixed.join("\n")), Err(LineError::Foreign { line: 5 }));
    }

    proptest! {
        #[test]
        fn one_wrong_character_is_located(
            payload in proptest::collection::vec(any::<u8>(), 1..200), at in any::<usize>(), by in 1usize..31,
        ) {
            const ALPHABET: &[u8] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
            let text = written(&payload);
            let lines: Vec<&str> = text.lines().collect();
            let sealed: Vec<usize> =
                (0..lines.len()).filter(|i| lines.get(*i).is_some_and(|l| l.starts_with("cohold1"))).collect();
            let row = sealed[at % sealed.len()];
            let mut line = lines[row].as_bytes().to_vec();
            let column = 7 + at % (line.len() - 7);
            let old = ALPHABET.iter().position(|b| *b == line[column]).unwrap_or_default();
            line[column] = ALPHABET[(old + by) % ALPHABET.len()];
            let line = String::from_utf8(line).unwrap_or_default();
            let wrong: Vec<&str> =
                lines.iter().enumerate().map(|(i, l)| if i == row { line.as_str() } else { l }).collect();
            prop_assert_eq!(
                parse(&wrong.join("\n")),
                Err(LineError::Typo { line: row + 1, character: Some(column + 1) })
            );
            prop_assert!(parse(&text).is_ok_and(|found| found == payload));
        }

        #[test]
        fn any_text_is_read_without_harm(text in "\\PC{0,400}") {
            let _ = parse(&format!("{BEGIN}\n{text}\n{END}\n"));
        }
    }
}
