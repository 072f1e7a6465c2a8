//! What tokens are called. A token says of itself whatever it likes; a book says what we hold for true.

use std::collections::BTreeMap;

use cohold_model::ids::excerpt;
use serde::{Deserialize, Serialize};

use crate::address::Address;

/// How an asset is called: 1 to 16 printable ASCII characters, so that no look-alike of another
/// alphabet and no control character reaches a screen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Symbol(String);

/// Why a text is no symbol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a symbol: use 1 to 16 letters, digits and `.-_$+`")]
pub struct SymbolError(String);

impl Symbol {
    /// The most characters.
    pub const LENGTH_MAX: usize = 16;

    /// The symbol as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is left of a foreign text when everything else is dropped; none if nothing is.
    #[must_use]
    pub fn sanitised(text: &str) -> Option<Self> {
        let kept: String = text.chars().filter(|c| allowed(*c)).take(Self::LENGTH_MAX).collect();
        kept.parse().ok()
    }
}

fn allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || ".-_$+".contains(c)
}

impl std::str::FromStr for Symbol {
    type Err = SymbolError;
    fn from_str(text: &str) -> Result<Self, SymbolError> {
        let fits = (1..=Self::LENGTH_MAX).contains(&text.len()) && text.chars().all(allowed);
        if fits { Ok(Self(text.into())) } else { Err(SymbolError(excerpt(text))) }
    }
}

impl TryFrom<String> for Symbol {
    type Error = SymbolError;
    fn try_from(text: String) -> Result<Self, SymbolError> {
        text.parse()
    }
}

impl From<Symbol> for String {
    fn from(symbol: Symbol) -> String {
        symbol.0
    }
}

impl std::fmt::Display for Symbol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A token that is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// How it is called.
    pub symbol: Symbol,
    /// How many decimals it has.
    pub decimals: u8,
}

/// The tokens that the reader knows, by chain and contract.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TokenBook(BTreeMap<(u64, Address), Token>);

impl TokenBook {
    /// Enters a token and returns the one that stood there before.
    pub fn insert(&mut self, chain_id: u64, contract: Address, token: Token) -> Option<Token> {
        self.0.insert((chain_id, contract), token)
    }

    /// The token at a contract.
    #[must_use]
    pub fn find(&self, chain_id: u64, contract: Address) -> Option<&Token> {
        self.0.get(&(chain_id, contract))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_are_plain() {
        for good in ["USDC", "stETH", "USD+", "a.b-c_d", "0123456789abcdef"] {
            assert!(good.parse::<Symbol>().is_ok(), "{good}");
        }
        for bad in ["", "USDС", "US DC", "0123456789abcdefg", "a\n", "\u{202e}CDSU"] {
            assert!(bad.parse::<Symbol>().is_err(), "{bad}");
        }
    }

    #[test]
    fn foreign_symbols_are_cut_down() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(Symbol::sanitised(text).map(String::from).as_deref(), expected);
        };
        check("US\u{202e}DC\0\0", Some("USDC"));
        check("https://claim.example/now", Some("httpsclaim.examp"));
        check("Σ", None);
        check("", None);
    }
}
