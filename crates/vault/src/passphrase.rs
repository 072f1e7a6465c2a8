//! Texts that people remember. Chosen ones obey rules; entered ones are only bounded.

use zeroize::{Zeroize as _, Zeroizing};

/// The longest PIN or passphrase in bytes.
pub const TEXT_BYTES_MAX: usize = 1024;

/// Why a PIN or passphrase was not accepted. The text itself is never repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Too few characters.
    #[error("{given} characters are too few: use at least {least}")]
    Short {
        /// How many were given.
        given: usize,
        /// How many are needed.
        least: usize,
    },
    /// Too many bytes.
    #[error("more than {max} bytes are too many", max = TEXT_BYTES_MAX)]
    Long,
    /// `000000`.
    #[error("the same character over and over is the first thing that a thief tries: choose another")]
    Repeated,
    /// `123456`, `fedcba`.
    #[error("a plain sequence is the first thing that a thief tries: choose another")]
    Sequence,
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $least:literal) => {
        $(#[$doc])*
        pub struct $name(Zeroizing<String>);

        impl $name {
            /// Fewest characters of a chosen one.
            pub const CHARACTERS_MIN: usize = $least;

            /// A newly chosen one; the source is wiped.
            pub fn chosen(text: String) -> Result<Self, TextError> {
                let text = Self::entered(text)?;
                check_rules(&text.0, $least)?;
                Ok(text)
            }

            /// One that was entered to open something; the source is wiped.
            pub fn entered(mut text: String) -> Result<Self, TextError> {
                if text.len() > TEXT_BYTES_MAX {
                    text.zeroize();
                    return Err(TextError::Long);
                }
                Ok(Self(Zeroizing::new(text)))
            }

            pub(crate) fn expose(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    };
}

text!(
    /// A PIN or passphrase that opens a device together with the device's secret.
    Pin,
    6
);
text!(
    /// A passphrase that opens something by itself.
    Passphrase,
    8
);

fn check_rules(text: &str, least: usize) -> Result<(), TextError> {
    let given = text.chars().count();
    if given < least {
        return Err(TextError::Short { given, least });
    }
    let steps = || text.chars().zip(text.chars().skip(1));
    if steps().all(|(a, b)| a == b) {
        return Err(TextError::Repeated);
    }
    if steps().all(|(a, b)| follows(a, b)) || steps().all(|(a, b)| follows(b, a)) {
        return Err(TextError::Sequence);
    }
    Ok(())
}

/// Whether `b` comes right after `a`; 0 comes after 9.
fn follows(a: char, b: char) -> bool {
    u32::from(a).checked_add(1) == Some(u32::from(b)) || (a, b) == ('9', '0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_pins_are_refused_by_name() {
        let check = |text: &str, expected: Result<(), TextError>| {
            assert_eq!(Pin::chosen(text.into()).map(|_| ()), expected, "{text}");
        };
        check("271828", Ok(()));
        check("27182", Err(TextError::Short { given: 5, least: 6 }));
        check("", Err(TextError::Short { given: 0, least: 6 }));
        check("000000", Err(TextError::Repeated));
        check("123456", Err(TextError::Sequence));
        check("890123", Err(TextError::Sequence));
        check("987654", Err(TextError::Sequence));
        check("210987", Err(TextError::Sequence));
        check("abcdef", Err(TextError::Sequence));
        check("123457", Ok(()));
        check(&"x1".repeat(600), Err(TextError::Long));
    }

    #[test]
    fn entered_texts_are_taken_as_they_are_and_never_shown() {
        assert_eq!(Pin::entered("1".into()).map(|pin| format!("{pin:?}")).as_deref(), Ok("Pin(…)"));
    }
}
