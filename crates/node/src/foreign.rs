//! Shares of keys that were made elsewhere, until they are dealt. Each is for one proposal, whose terms its
//! holder saw, and is given out once: who asks for it under another proposal gets nothing.
//!
//! A device brings its share within the process that deals it. The operator of a node gives it the share
//! while it runs, so that lies sealed in the node's folder until then.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use cohold_model::account::Proposal;
use cohold_model::{Digest, Document as _, Epoch, PartyName, Signed};
use cohold_mpc_ecdsa::{ForeignKey, ForeignKeyError, ForeignShare};
use cohold_vault::file::{private_folder, private_read, private_replace};
use cohold_vault::{Purpose, SealContext, Sealed, Vault, VaultError};
use zeroize::Zeroizing;

/// The longest sealed share.
const SEALED_BYTES_MAX: u64 = 256;

/// What a party may deal.
#[derive(Debug, Default)]
pub struct ForeignShares {
    brought: Mutex<Option<(Digest, ForeignShare)>>,
    folder: Option<PathBuf>,
}

/// Why a share cannot be kept or had.
#[derive(Debug, thiserror::Error)]
pub enum ForeignError {
    /// The folder or a file in it.
    #[error("`{path}`: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        error: String,
    },
    /// It cannot be sealed or opened.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The proposal brings no key along, or this party deals no share of it.
    #[error("the proposal has no share of a key for `{0}` to deal")]
    Nothing(PartyName),
    /// What was kept is not this party's share.
    #[error(transparent)]
    Share(#[from] ForeignKeyError),
}

impl ForeignShares {
    /// Shares that may also lie sealed in a folder.
    #[must_use]
    pub fn in_folder(folder: PathBuf) -> Self {
        Self { folder: Some(folder), ..Self::default() }
    }

    /// A share that this process was given, to be dealt for the proposal with this digest. It takes the
    /// place of one that was given before.
    pub fn bring(&self, proposal: Digest, share: ForeignShare) {
        *self.brought.lock().unwrap_or_else(PoisonError::into_inner) = Some((proposal, share));
    }

    /// The share for this proposal, once.
    pub(crate) fn take(
        &self,
        vault: &dyn Vault,
        party: &PartyName,
        proposal: &Signed<Proposal>,
    ) -> Result<Option<ForeignShare>, ForeignError> {
        let digest = proposal.document.digest();
        let mut brought = self.brought.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, share)) = brought.take_if(|(named, _)| *named == digest) {
            return Ok(Some(share));
        }
        let Some(path) = self.folder.as_deref().map(|folder| place(folder, &digest)) else { return Ok(None) };
        if !path.exists() {
            return Ok(None);
        }
        let share = unseal(&path, vault, party, proposal)?;
        std::fs::remove_file(&path).map_err(|error| file(&path, &error))?;
        Ok(Some(share))
    }
}

/// Seals a holder's share into a node's folder, for one proposal that its operator has looked at.
pub fn seal(
    folder: &Path,
    vault: &dyn Vault,
    party: &PartyName,
    proposal: &Signed<Proposal>,
    share: &ForeignShare,
) -> Result<(), ForeignError> {
    private_folder(folder).map_err(|error| file(folder, &error))?;
    let sealed = vault.seal(&context(party, proposal), share.to_secret_bytes().as_slice())?;
    let path = place(folder, &proposal.document.digest());
    private_replace(&path, sealed.as_bytes()).map_err(|error| file(&path, &error))
}

fn unseal(
    path: &Path,
    vault: &dyn Vault,
    party: &PartyName,
    proposal: &Signed<Proposal>,
) -> Result<ForeignShare, ForeignError> {
    let nothing = || ForeignError::Nothing(party.clone());
    let import = proposal.document.import.as_ref().ok_or_else(nothing)?;
    let number = *import.dealers.get(party).ok_or_else(nothing)?;
    let bytes = private_read(path, SEALED_BYTES_MAX).map_err(|error| file(path, &error))?;
    let opened = vault.open(&context(party, proposal), &Sealed::from_bytes(bytes.to_vec())?)?;
    let secret = <[u8; 32]>::try_from(opened.as_slice()).map_err(|_| ForeignKeyError::Secret(number))?;
    let mut secret = Zeroizing::new(secret);
    Ok(ForeignKey::of_import(import)?.share(number, &mut secret)?)
}

fn context(party: &PartyName, proposal: &Signed<Proposal>) -> SealContext {
    let account = proposal.document.terms.account;
    SealContext::of_account(account, Epoch::FIRST, party.clone(), Purpose::Foreign)
}

fn place(folder: &Path, proposal: &Digest) -> PathBuf {
    folder.join(format!("{proposal}.sealed"))
}

fn file(path: &Path, error: &dyn std::fmt::Display) -> ForeignError {
    ForeignError::File { path: path.into(), error: error.to_string() }
}
