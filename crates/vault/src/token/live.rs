//! A session with a token: logged in, with the key found and checked.

use cryptoki::context::Pkcs11;
use cryptoki::error::{Error, RvError};
use cryptoki::object::ObjectHandle;
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::AuthPin;

use super::TokenPlace;
use super::error::{PinTries, TokenError};
use super::key;
use super::module::Module;
use super::record::{CHECKED, Record};

/// A session in which the key was found and checked.
pub(super) struct Live {
    pub(super) session: Session,
    pub(super) key: ObjectHandle,
    /// Of the module, when the session began.
    pub(super) generation: u64,
}

/// Logs in. Login is for the whole process: whoever else did so before has done it for this session too.
pub(super) fn login(
    context: &Pkcs11,
    slot: Slot,
    session: &Session,
    pin: &AuthPin,
) -> Result<(), TokenError> {
    match session.login(UserType::User, Some(pin)) {
        Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
        Err(Error::Pkcs11(RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange, _)) => {
            let tries = context.get_token_info(slot).map_or(PinTries::Untold, |token| tries(&token));
            Err(TokenError::Pin(tries))
        }
        Err(Error::Pkcs11(RvError::PinLocked, _)) => Err(TokenError::Pin(PinTries::Locked)),
        Err(Error::Pkcs11(RvError::UserPinNotInitialized, _)) => Err(TokenError::PinUnset),
        Err(error) => Err(away(&error)),
    }
}

pub(super) fn tries(token: &TokenInfo) -> PinTries {
    match token {
        _ if token.user_pin_locked() => PinTries::Locked,
        _ if token.user_pin_final_try() => PinTries::Last,
        _ if token.user_pin_count_low() => PinTries::Low,
        _ => PinTries::Untold,
    }
}

pub(super) fn away(error: &Error) -> TokenError {
    TokenError::Away { error: error.to_string() }
}

impl Live {
    /// Finds the recorded key in a new session, and makes sure that it is that very key, and a good one.
    pub(super) fn begin(
        module: &Module,
        place: &TokenPlace,
        pin: &AuthPin,
        record: &Record,
    ) -> Result<Self, TokenError> {
        let context = module.context();
        let (slot, _) = module.token(&place.token)?;
        // Not closed on drop: after a restart of the module its number may be another session's.
        let session = context.open_ro_session_no_drop(slot).map_err(|error| away(&error))?;
        let begun = login(context, slot, &session, pin).and_then(|()| found(&session, place, record));
        match begun {
            Ok(key) => Ok(Self { session, key, generation: module.generation() }),
            Err(error) => {
                drop(session.close());
                Err(error)
            }
        }
    }

    /// Whether the token still does what it must: open the check.
    pub(super) fn answers(&self, record: &Record) -> bool {
        checked(&self.session, self.key, record).is_ok_and(|good| good)
    }

    /// Ends the session, if it is still one.
    pub(super) fn end(self, module: &Module) {
        if self.generation == module.generation() {
            drop(self.session.close());
        }
    }
}

/// The recorded key.
fn found(session: &Session, place: &TokenPlace, record: &Record) -> Result<ObjectHandle, TokenError> {
    let label = || place.key.clone();
    let keys = key::find(session, &place.key, Some(&record.id)).map_err(|error| away(&error))?;
    let key = match *keys {
        [] => return Err(TokenError::KeyMissing { label: label(), id: hex::encode(&record.id) }),
        [key] => key,
        _ => return Err(TokenError::KeyAmbiguous { label: label(), count: keys.len() }),
    };
    fit(session, key, place)?;
    match checked(session, key, record) {
        Ok(true) => Ok(key),
        Ok(false) => Err(TokenError::KeyOther { label: label() }),
        Err(error) => Err(away(&error)),
    }
}

/// Refuses a key that could leave the token, or once could.
pub(super) fn fit(session: &Session, key: ObjectHandle, place: &TokenPlace) -> Result<(), TokenError> {
    match key::flaw(session, key).map_err(|error| away(&error))? {
        Some(flaw) => Err(TokenError::KeyUnfit { label: place.key.clone(), flaw }),
        None => Ok(()),
    }
}

/// Whether the key opens the check. A tag that does not fit is told by different errors.
fn checked(session: &Session, key: ObjectHandle, record: &Record) -> Result<bool, Error> {
    let aad = Record::additional_data(&record.id);
    match key::decrypt(session, key, &record.nonce, &aad.0, &record.check) {
        Ok(opened) => Ok(opened == CHECKED),
        Err(Error::Pkcs11(
            RvError::EncryptedDataInvalid
            | RvError::EncryptedDataLenRange
            | RvError::DataInvalid
            | RvError::SignatureInvalid
            | RvError::GeneralError
            | RvError::FunctionFailed,
            _,
        )) => Ok(false),
        Err(error) => Err(error),
    }
}
