//! PKCS#11 modules that this process has loaded.
//!
//! Whether a module is initialised and who is logged in belongs to the process, not to a session. So
//! there is one [`Module`] for each file, behind one lock: all vaults over it take turns.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::slot::{Slot, TokenInfo};

use super::TokenName;
use super::error::TokenError;

/// The modules that were loaded; none is ever unloaded, as few like that.
static LOADED: Mutex<BTreeMap<PathBuf, Arc<Mutex<Module>>>> = Mutex::new(BTreeMap::new());

/// A module, initialised.
pub(super) struct Module {
    context: Pkcs11,
    /// Grows with each restart: sessions of an earlier one are void, and their numbers are given out again.
    generation: u64,
}

/// The module in this file, loaded once in a process.
pub(super) fn loaded(path: &Path) -> Result<Arc<Mutex<Module>>, TokenError> {
    let failed = |error: String| TokenError::Module { path: path.into(), error };
    let place = path.canonicalize().map_err(|error| failed(error.to_string()))?;
    let mut modules = locked(&LOADED);
    if let Some(module) = modules.get(&place) {
        return Ok(Arc::clone(module));
    }
    let context = Pkcs11::new(&place).map_err(|error| failed(error.to_string()))?;
    initialise(&context).map_err(|error| failed(error.to_string()))?;
    let module = Arc::new(Mutex::new(Module { context, generation: 0 }));
    modules.insert(place, Arc::clone(&module));
    Ok(module)
}

/// No code panics while it holds one of these locks; if it did, what is behind it would still be whole.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn initialise(context: &Pkcs11) -> Result<(), Error> {
    match context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(()),
        other => other,
    }
}

impl Module {
    pub(super) fn context(&self) -> &Pkcs11 {
        &self.context
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// Ends and begins it: many modules see a token that came back only so.
    pub(super) fn restart(&mut self) -> Result<(), Error> {
        self.generation = self.generation.saturating_add(1);
        // It may have ended by itself; what counts is that it begins.
        drop(self.context.clone().finalize());
        initialise(&self.context)
    }

    /// The one token of this name.
    pub(super) fn token(&self, name: &TokenName) -> Result<(Slot, TokenInfo), TokenError> {
        let away = |error: Error| TokenError::Away { error: error.to_string() };
        let slots = self.context.get_slots_with_token().map_err(away)?;
        let told = slots.into_iter().filter_map(|slot| Some((slot, self.context.get_token_info(slot).ok()?)));
        let (mut meant, others): (Vec<_>, Vec<_>) = told
            .filter(|(_, token)| token.token_initialized())
            .partition(|(_, token)| name.is_of(token.label(), token.serial_number()));
        let count = meant.len();
        match (meant.pop(), count) {
            (Some(token), 1) => Ok(token),
            (None, _) => {
                let others: Vec<_> = others.iter().map(|(_, token)| named(token)).collect();
                let found = match others.is_empty() {
                    true => "the module sees none".to_owned(),
                    false => format!("the module sees {}", others.join(", ")),
                };
                Err(TokenError::Missing { wanted: name.to_string(), found })
            }
            (Some(_), count) => Err(TokenError::Ambiguous { wanted: name.to_string(), count }),
        }
    }
}

fn named(token: &TokenInfo) -> String {
    format!("`{}` (serial `{}`)", token.label(), token.serial_number())
}
