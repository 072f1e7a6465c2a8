//! Which vault seals a node's secrets: what `node.toml` says, and how it is opened.
//!
//! | `vault` | beside `node.toml` lies |
//! |---|---|
//! | `"key-file"` | `node.key`, which opens everything |
//! | `"passphrase"` | `node.key.json`, which the passphrase unwraps |
//! | `kind = "pkcs11"` | `node.token.json`, which says which key of the token it is |
//!
//! One of them lies there, made at the first start. Where secrets are sealed already, no other key is ever
//! made: what they are sealed under must come back.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cohold_model::token::PinSource;
use cohold_vault::file::private_read;
use cohold_vault::passphrase::TextError;
use cohold_vault::software::{KeyFileError, PassphraseError};
use cohold_vault::token::KeyFound;
use cohold_vault::{
    Passphrase, SoftwareVault, StretchCost, TokenError, TokenName, TokenPin, TokenPlace, TokenVault, Vault,
};
use serde::de::value::MapAccessDeserializer;
use serde::{Deserialize, Deserializer, Serialize};
use zeroize::Zeroizing;

/// The sealed seed of a party's identity.
pub(crate) const IDENTITY: &str = "identity.sealed";
const KEY_FILE: &str = "node.key";
const WRAPPED_FILE: &str = "node.key.json";
/// The file that says which key of a token seals a folder.
pub const TOKEN_FILE: &str = "node.token.json";
/// The longest file with a PIN.
const PIN_FILE_BYTES_MAX: u64 = 512;

/// How a node seals its secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum VaultChoice {
    /// A key in a file of mode 0600.
    KeyFile,
    /// A key wrapped under a passphrase, which is asked for at every start.
    Passphrase,
    /// A key within a hardware token.
    Pkcs11(TokenSettings),
}

/// A hardware token and the key in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenSettings {
    /// The library that speaks to the token, as its maker calls it.
    pub module: PathBuf,
    /// The token's label; or else its serial number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The token's serial number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// The label of the key within the token.
    pub key: String,
    /// A file of mode 0600 with the PIN. Without it the PIN is asked for at every start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin_file: Option<PathBuf>,
}

impl<'de> Deserialize<'de> for VaultChoice {
    /// `"key-file"` and `"passphrase"` are words, and a table has a `kind`.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "kebab-case")]
        enum Word {
            KeyFile,
            Passphrase,
        }
        #[derive(Deserialize)]
        #[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
        enum Table {
            KeyFile,
            Passphrase,
            Pkcs11(TokenSettings),
        }
        struct Either;
        impl<'de> serde::de::Visitor<'de> for Either {
            type Value = VaultChoice;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("`\"key-file\"`, `\"passphrase\"` or a table `[vault]` with `kind = \"pkcs11\"`")
            }

            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<VaultChoice, E> {
                let word = Word::deserialize(serde::de::value::StrDeserializer::new(word))?;
                Ok(match word {
                    Word::KeyFile => VaultChoice::KeyFile,
                    Word::Passphrase => VaultChoice::Passphrase,
                })
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<VaultChoice, A::Error> {
                Ok(match Table::deserialize(MapAccessDeserializer::new(map))? {
                    Table::KeyFile => VaultChoice::KeyFile,
                    Table::Passphrase => VaultChoice::Passphrase,
                    Table::Pkcs11(settings) => VaultChoice::Pkcs11(settings),
                })
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// What an operator is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secret {
    /// The passphrase of the vault.
    Passphrase,
    /// The PIN of the token.
    TokenPin,
}

/// Why a vault does not open.
#[derive(Debug, thiserror::Error)]
pub enum VaultOpenError {
    /// The key file.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// The wrapped key.
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    /// No passphrase.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The file with the PIN.
    #[error(transparent)]
    PinFile(#[from] cohold_vault::file::FileError),
    /// It is no text.
    #[error("`{}` holds no text: write the PIN of the token into it", .0.display())]
    PinText(PathBuf),
    /// None or both ways to name a token.
    #[error("`[vault]` names the token by `token`, its label, or by `serial`: give one of them")]
    TokenName,
    /// It could not be asked for.
    #[error("{0}")]
    Asked(String),
    /// Secrets are sealed, and not by this vault.
    #[error(
        "`{}` exists and `{wanted}` does not: the secrets here are sealed by {by}, and no other key is made in its \
         place; {way}", sealed.display()
    )]
    Sealed {
        /// What is sealed.
        sealed: PathBuf,
        /// The file of the vault that is named.
        wanted: &'static str,
        /// What seals them, as far as the files tell.
        by: &'static str,
        /// What to do.
        way: &'static str,
    },
}

/// Opens the vault that `node.toml` names; makes its key where nothing is sealed yet.
pub(crate) fn open(
    folder: &Path,
    choice: &VaultChoice,
    ask: impl FnOnce(Secret) -> Result<String, String>,
) -> Result<Arc<dyn Vault>, VaultOpenError> {
    let file = choice.file();
    let path = folder.join(file);
    let known = path.exists();
    if !known {
        nothing_sealed(folder, file)?;
    }
    Ok(match choice {
        VaultChoice::KeyFile if known => Arc::new(SoftwareVault::key_file_open(&path)?),
        VaultChoice::KeyFile => Arc::new(SoftwareVault::key_file_create(&path)?),
        VaultChoice::Passphrase => {
            let text = ask(Secret::Passphrase).map_err(VaultOpenError::Asked)?;
            Arc::new(match known {
                true => SoftwareVault::passphrase_open(&path, &Passphrase::entered(text)?)?,
                false => {
                    let passphrase = Passphrase::chosen(text)?;
                    SoftwareVault::passphrase_create(&path, &passphrase, StretchCost::default())?
                }
            })
        }
        VaultChoice::Pkcs11(settings) => {
            let (place, pin) = (settings.place(folder)?, settings.pin(folder, ask)?);
            Arc::new(match known {
                true => TokenVault::open(place, pin, &path)?,
                false => {
                    let (vault, found) = TokenVault::create(place, pin, &path)?;
                    let key = &settings.key;
                    match found {
                        KeyFound::Made => {
                            tracing::info!(key, "a new key was made in the token; it never leaves it")
                        }
                        KeyFound::There => tracing::info!(key, "the key that the token has already is used"),
                    }
                    vault
                }
            })
        }
    })
}

impl VaultChoice {
    /// The file that lies beside what this vault seals.
    fn file(&self) -> &'static str {
        match self {
            Self::KeyFile => KEY_FILE,
            Self::Passphrase => WRAPPED_FILE,
            Self::Pkcs11(_) => TOKEN_FILE,
        }
    }
}

/// A key is made for an empty folder only.
fn nothing_sealed(folder: &Path, wanted: &'static str) -> Result<(), VaultOpenError> {
    let sealed = [IDENTITY, "node.sqlite"].map(|name| folder.join(name));
    let Some(sealed) = sealed.into_iter().find(|path| path.exists()) else { return Ok(()) };
    let there = |name: &str| folder.join(name).exists();
    let (by, way) = match () {
        () if there(TOKEN_FILE) => ("a hardware token", "name it again in node.toml"),
        () if there(WRAPPED_FILE) => ("a passphrase", "put `vault = \"passphrase\"` into node.toml again"),
        () if there(KEY_FILE) => ("a key file", "put `vault = \"key-file\"` into node.toml again"),
        () => ("a vault whose file is gone", "bring that file back from a backup"),
    };
    Err(VaultOpenError::Sealed { sealed, wanted, by, way })
}

impl TokenSettings {
    /// The key's place; paths are relative to the node's folder.
    pub fn place(&self, folder: &Path) -> Result<TokenPlace, VaultOpenError> {
        let token = match (&self.token, &self.serial) {
            (Some(label), None) => TokenName::Token(label.clone()),
            (None, Some(serial)) => TokenName::Serial(serial.clone()),
            _ => return Err(VaultOpenError::TokenName),
        };
        Ok(TokenPlace { module: folder.join(&self.module), token, key: self.key.clone() })
    }

    /// The PIN, from its file or from whoever is asked.
    fn pin(
        &self,
        folder: &Path,
        ask: impl FnOnce(Secret) -> Result<String, String>,
    ) -> Result<TokenPin, VaultOpenError> {
        let (text, source) = match &self.pin_file {
            Some(file) => {
                let path = folder.join(file);
                let bytes = private_read(&path, PIN_FILE_BYTES_MAX)?;
                let text = std::str::from_utf8(&bytes).map_err(|_| VaultOpenError::PinText(path))?;
                (Zeroizing::new(text.to_owned()), PinSource::File)
            }
            None => {
                (Zeroizing::new(ask(Secret::TokenPin).map_err(VaultOpenError::Asked)?), PinSource::Entered)
            }
        };
        Ok(TokenPin::new(String::clone(&text), source)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Told {
        vault: VaultChoice,
    }

    #[test]
    fn a_vault_is_a_word_or_a_table() {
        let check = |text: &str, says: &str| {
            let read = toml::from_str::<Told>(text);
            let shown = read.map_or_else(|error| error.to_string(), |told| format!("{:?}", told.vault));
            assert!(shown.contains(says), "{text}: {shown}");
        };
        check("vault = \"key-file\"", "KeyFile");
        check("vault = \"passphrase\"", "Passphrase");
        check("[vault]\nkind = \"passphrase\"", "Passphrase");
        check("[vault]\nkind = \"pkcs11\"\nmodule = \"/m.so\"\ntoken = \"t\"\nkey = \"k\"", "pin_file: None");
        check("vault = \"pkcs11\"", "expected `key-file` or `passphrase`");
        check("vault = 3", "kind = \"pkcs11\"");
        check("[vault]\nkind = \"pkcs11\"\nmodule = \"/m.so\"\ntoken = \"t\"", "missing field `key`");
        check(
            "[vault]\nkind = \"pkcs11\"\nmodule = \"/m.so\"\nkey = \"k\"\npin = \"1\"",
            "unknown field `pin`",
        );
    }

    #[test]
    fn a_token_has_one_name() {
        let named = |token: Option<&str>, serial: Option<&str>| {
            let settings = TokenSettings {
                module: "m.so".into(),
                token: token.map(str::to_owned),
                serial: serial.map(str::to_owned),
                key: "k".into(),
                pin_file: None,
            };
            settings.place(Path::new("/n"))
        };
        assert!(named(None, None).is_err() && named(Some("a"), Some("b")).is_err());
        let place = named(Some("a"), None).expect("one name");
        assert_eq!((place.module, place.token), ("/n/m.so".into(), TokenName::Token("a".into())));
        assert_eq!(named(None, Some("b")).expect("one name").token, TokenName::Serial("b".into()));
    }

    #[test]
    fn no_key_is_made_where_something_is_sealed() {
        let folder = tempfile::tempdir().expect("a folder");
        let none = |_| Err::<String, _>("nobody is asked".to_owned());
        open(folder.path(), &VaultChoice::KeyFile, none).expect("an empty folder");
        std::fs::write(folder.path().join(IDENTITY), "sealed").expect("written");
        let refused = open(folder.path(), &VaultChoice::Passphrase, none).map(|_| ()).expect_err("refused");
        assert!(refused.to_string().contains("sealed by a key file"), "{refused}");
        std::fs::remove_file(folder.path().join(KEY_FILE)).expect("removed");
        let refused = open(folder.path(), &VaultChoice::KeyFile, none).map(|_| ()).expect_err("refused");
        assert!(refused.to_string().contains("bring that file back"), "{refused}");
        assert!(!folder.path().join(KEY_FILE).exists());
    }
}
