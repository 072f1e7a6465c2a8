//! A vault whose key-encryption key lies in a hardware token and never leaves it (PKCS#11).
//!
//! The key is an AES-256 key that the token made, sensitive and not extractable; one that is anything less
//! is refused. Each blob has a data key of its own, which the token wraps (`token/envelope.rs` has the format).
//! Beside what is sealed lies a record of which key it was (`token/record.rs`): with it another key is
//! never made, and never taken by mistake.
//!
//! A token that was away is found again by itself: a new session first, then the module from its beginning.
//! A PIN that was refused is not tried a second time, since tokens lock.

mod envelope;
mod error;
mod key;
mod live;
mod module;
mod record;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use cohold_model::Digest;
use cohold_model::statement::Sealing;
use cohold_model::token::{PinSource, Token, TokenText};
use cryptoki::error::Error;
use cryptoki::session::Session;
use cryptoki::types::AuthPin;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

pub(crate) use envelope::Envelope;
use envelope::{DataKey, WRAPPED_BYTES};
pub use error::{PinTries, TokenError};
use live::{Live, away, fit, login};
use module::{Module, locked};
use record::{CHECKED, Record};

use crate::seal::{SealContext, Sealed, Vault, VaultError};

/// The longest PIN in bytes.
const PIN_BYTES_MAX: usize = 255;

/// Which token is meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenName {
    /// By the label that its administrator gave it.
    Token(String),
    /// By its serial number.
    Serial(String),
}

impl TokenName {
    fn is_of(&self, label: &str, serial: &str) -> bool {
        match self {
            Self::Token(wanted) => wanted == label,
            Self::Serial(wanted) => wanted == serial,
        }
    }
}

impl std::fmt::Display for TokenName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Token(label) => write!(f, "the label `{label}`"),
            Self::Serial(serial) => write!(f, "the serial number `{serial}`"),
        }
    }
}

/// Where the key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenPlace {
    /// The library that speaks to the token.
    pub module: PathBuf,
    /// The token.
    pub token: TokenName,
    /// The label of the key within it.
    pub key: String,
}

/// A token's PIN, wiped on drop, and where it came from.
pub struct TokenPin {
    pin: AuthPin,
    source: PinSource,
}

impl TokenPin {
    /// A PIN as it was entered or read; the source is wiped. An end of line is no part of it.
    pub fn new(mut text: String, source: PinSource) -> Result<Self, TokenError> {
        let pin = Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned());
        text.zeroize();
        match pin.len() {
            0 => Err(TokenError::PinText("the PIN of the token is empty: give it".into())),
            bytes if bytes > PIN_BYTES_MAX => {
                Err(TokenError::PinText(format!("a PIN of {bytes} bytes is longer than any token's")))
            }
            _ => Ok(Self { pin: AuthPin::from(pin.as_str()), source }),
        }
    }
}

impl std::fmt::Debug for TokenPin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenPin(…)")
    }
}

/// A vault whose key is in a hardware token.
pub struct TokenVault {
    place: TokenPlace,
    pin: TokenPin,
    record: Record,
    token: Token,
    module: Arc<Mutex<Module>>,
    /// Locked after the module, never before.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    live: Option<Live>,
    /// Whether the token refused the PIN: it is not tried again.
    barred: bool,
}

/// What can be seen of a token without its PIN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// Who made it, which model it is.
    pub made_by: String,
    /// Its serial number.
    pub serial: String,
    /// What it tells of wrong PINs.
    pub tries: PinTries,
}

/// Looks whether the module loads and the token is there, without logging in.
pub fn look(place: &TokenPlace) -> Result<Sight, TokenError> {
    let module = module::loaded(&place.module)?;
    let (_, info) = locked(&module).token(&place.token)?;
    let text = |text: &str| TokenText::cleaned(text).to_string();
    Ok(Sight {
        made_by: format!("{} {}", text(info.manufacturer_id()), text(info.model())),
        serial: text(info.serial_number()),
        tries: live::tries(&info),
    })
}

/// Whether the key was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFound {
    /// It was made just now.
    Made,
    /// One of this label was in the token already, and is fit.
    There,
}

impl TokenVault {
    /// Takes the key of this label in the token, or makes one where there is none, and records in a new
    /// file at `record` which it is.
    pub fn create(place: TokenPlace, pin: TokenPin, record: &Path) -> Result<(Self, KeyFound), TokenError> {
        let module = module::loaded(&place.module)?;
        let found = {
            let module = locked(&module);
            let (slot, _) = module.token(&place.token)?;
            let session = module.context().open_rw_session(slot).map_err(|error| away(&error))?;
            login(module.context(), slot, &session, &pin.pin)?;
            let (id, found) = choose(&session, &place)?;
            check_create(&session, &place, &id)?.create(record)?;
            found
        };
        Ok((Self::open(place, pin, record)?, found))
    }

    /// The key that the file at `record` names; none is ever made.
    pub fn open(place: TokenPlace, pin: TokenPin, record: &Path) -> Result<Self, TokenError> {
        let record = Record::read(record)?;
        let module = module::loaded(&place.module)?;
        let (live, info) = {
            let module = locked(&module);
            let (_, info) = module.token(&place.token)?;
            (Live::begin(&module, &place, &pin.pin, &record)?, info)
        };
        let token = Token {
            manufacturer: TokenText::cleaned(info.manufacturer_id()),
            model: TokenText::cleaned(info.model()),
            serial: TokenText::cleaned(info.serial_number()),
            // `Live::begin` refuses every other key.
            key_never_left: true,
            pin: pin.source,
        };
        let state = Mutex::new(State { live: Some(live), barred: false });
        Ok(Self { place, pin, record, token, module, state })
    }

    /// Asks the token, over the session that there is; else over a new one; else over a module that begins
    /// anew.
    fn ask<T>(&self, question: impl Fn(&Live) -> Result<T, Error>) -> Result<T, TokenError> {
        let mut module = locked(&self.module);
        let mut state = locked(&self.state);
        let mut last = None;
        for way in [Way::AsIs, Way::Session, Way::Module] {
            match self.reach(way, &mut module, &mut state) {
                Ok(true) => {}
                Ok(false) => continue,
                Err(error @ TokenError::PinBarred) => return Err(error),
                Err(error @ (TokenError::Pin(_) | TokenError::PinUnset)) => {
                    state.barred = true;
                    return Err(error);
                }
                Err(error) => {
                    last = Some(error);
                    continue;
                }
            }
            let Some(live) = &state.live else { continue };
            match question(live) {
                Ok(answer) => return Ok(answer),
                Err(error) if live.answers(&self.record) => {
                    return Err(TokenError::Refused { error: error.to_string() });
                }
                Err(error) => last = Some(away(&error)),
            }
        }
        Err(match last {
            Some(error @ (TokenError::Missing { .. } | TokenError::Module { .. })) => {
                TokenError::Away { error: error.to_string() }
            }
            Some(error) => error,
            None => TokenError::Away { error: "it cannot be reached".into() },
        })
    }

    /// Whether there is a session now, by this way.
    fn reach(&self, way: Way, module: &mut Module, state: &mut State) -> Result<bool, TokenError> {
        if way == Way::AsIs {
            return Ok(state.live.as_ref().is_some_and(|live| live.generation == module.generation()));
        }
        if let Some(live) = state.live.take() {
            live.end(module);
        }
        if state.barred {
            return Err(TokenError::PinBarred);
        }
        if way == Way::Module {
            module.restart().map_err(|error| away(&error))?;
        }
        state.live = Some(Live::begin(module, &self.place, &self.pin.pin, &self.record)?);
        Ok(true)
    }
}

/// How a token is reached.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    AsIs,
    Session,
    Module,
}

/// The id of the one key of this label, which is made if there is none.
fn choose(session: &Session, place: &TokenPlace) -> Result<(Vec<u8>, KeyFound), TokenError> {
    let keys = key::find(session, &place.key, None).map_err(|error| away(&error))?;
    match *keys {
        [] => {
            let mut id = vec![0; key::ID_BYTES];
            getrandom::fill(&mut id)?;
            key::make(session, &place.key, &id)?;
            Ok((id, KeyFound::Made))
        }
        [found] => {
            let id = key::id(session, found).map_err(|error| away(&error))?;
            let flaw = "it has no id by which it is found again";
            match id.is_empty() {
                true => Err(TokenError::KeyUnfit { label: place.key.clone(), flaw }),
                false => Ok((id, KeyFound::There)),
            }
        }
        _ => Err(TokenError::KeyAmbiguous { label: place.key.clone(), count: keys.len() }),
    }
}

/// Records the key of this id, if it is fit and the token works with it.
fn check_create(session: &Session, place: &TokenPlace, id: &[u8]) -> Result<Record, TokenError> {
    let keys = key::find(session, &place.key, Some(id)).map_err(|error| away(&error))?;
    let [found] = *keys else {
        return Err(TokenError::KeyAmbiguous { label: place.key.clone(), count: keys.len() });
    };
    fit(session, found, place)?;
    let nonce = envelope::nonce()?;
    let aad = Record::additional_data(id);
    let check = key::encrypt(session, found, &nonce, &aad.0, CHECKED)
        .map_err(|error| TokenError::Unable { error: error.to_string() })?;
    Ok(Record { id: id.to_vec(), nonce, check })
}

impl Vault for TokenVault {
    fn seal(&self, context: &SealContext, plaintext: &[u8]) -> Result<Sealed, VaultError> {
        let aad = context.additional_data();
        let (key, nonce) = (envelope::data_key()?, envelope::nonce()?);
        let wrapped = self.ask(|live| key::encrypt(&live.session, live.key, &nonce, &aad.0, key.as_ref()))?;
        let wrapped = <[u8; WRAPPED_BYTES]>::try_from(wrapped).map_err(|wrapped| {
            let error = format!("{} bytes came back in the place of {WRAPPED_BYTES}", wrapped.len());
            TokenError::Refused { error }
        })?;
        envelope::seal(&key, (&nonce, &wrapped), &aad, plaintext)
    }

    fn open(&self, context: &SealContext, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let envelope = Envelope::of(sealed).ok_or(VaultError::OtherVault { by: "a vault in software" })?;
        let aad = context.additional_data();
        envelope.open(&self.unwrap(&envelope, &aad)?, &aad)
    }

    fn sealing(&self) -> Sealing {
        Sealing::Hardware
    }

    fn token(&self) -> Option<&Token> {
        Some(&self.token)
    }
}

impl TokenVault {
    fn unwrap(&self, envelope: &Envelope<'_>, aad: &Digest) -> Result<DataKey, VaultError> {
        let opened = self.ask(|live| {
            key::decrypt(&live.session, live.key, envelope.token_nonce, &aad.0, envelope.wrapped)
                .map(Zeroizing::new)
        });
        match opened {
            Ok(opened) => {
                <[u8; 32]>::try_from(opened.as_slice()).map(Zeroizing::new).map_err(|_| VaultError::Refused)
            }
            // It answers, so it is the blob.
            Err(TokenError::Refused { .. }) => Err(VaultError::Refused),
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for TokenVault {
    fn drop(&mut self) {
        let module = locked(&self.module);
        if let Some(live) = locked(&self.state).live.take() {
            live.end(&module);
        }
    }
}

impl std::fmt::Debug for TokenVault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenVault")
            .field("place", &self.place)
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}
