//! Recovery shares: the party that sleeps in a printable file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use cohold_chain_evm::Address;
use cohold_model::account::{Card, PartyKind, Proposal};
use cohold_model::charter::Charter;
use cohold_model::ids::PartyIndex;
use cohold_model::statement::Sealing;
use cohold_model::{AccountId, Document as _, EntityName, PartyName, SessionId, Signed};
use cohold_mpc::PartyKeys;
use cohold_mpc_ecdsa::Share;
use cohold_node::keeper::{KeepError, Keeper, Kept, OpenedKey};
use cohold_party::Refusal;
use cohold_party::create::{self, Made};
use cohold_party::refusal::Code;
use cohold_party::verify::Reservation;
use cohold_store::crash_point;
use cohold_vault::{Passphrase, RecoveryFile, RecoveryPublic, StretchCost};
use serde_json::json;
use zeroize::Zeroizing;

use crate::custody::word::recovery_opened;
use crate::home::Home;
use crate::output::{Exit, Failure, Output, read_text, secret};

/// Where the passphrase is taken from when no file is named.
pub(crate) const PASSPHRASE_VARIABLE: &str = "COHOLD_RECOVERY_PASSPHRASE";
const SECRET_VERSION: u8 = 1;

/// A recovery party while its account is being made: it writes its file, then sleeps.
pub(crate) struct RecoveryKeeper {
    party: PartyName,
    seed: Zeroizing<[u8; 32]>,
    passphrase: Passphrase,
    folder: PathBuf,
    kept: std::sync::Mutex<Option<(Charter, bool)>>,
}

/// A recovery file, opened.
pub(crate) struct Opened {
    pub(crate) keys: PartyKeys,
    pub(crate) share: Share,
}

impl RecoveryKeeper {
    /// A new recovery party of `entity`, whose file goes into `folder`.
    pub(crate) fn new(
        party: PartyName,
        entity: EntityName,
        passphrase: Passphrase,
        folder: PathBuf,
    ) -> anyhow::Result<(Arc<Self>, Card, Arc<PartyKeys>)> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut())?;
        let keys = PartyKeys::from_seed(&seed);
        let card = Card {
            party: party.clone(),
            entity,
            kind: PartyKind::Recovery,
            identity: keys.identity(),
            seal: keys.seal_key(),
        };
        let kept = std::sync::Mutex::new(None);
        Ok((Arc::new(Self { party, seed, passphrase, folder, kept }), card, Arc::new(keys)))
    }

    /// Whether the charter came into force for this party too.
    pub(crate) fn is_active(&self) -> bool {
        self.lock().as_ref().is_some_and(|(_, active)| *active)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(Charter, bool)>> {
        self.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn write(&self, made: &Made, now: u64) -> anyhow::Result<()> {
        let account = made.charter.terms.account;
        let address = Address::of_public_key(&made.charter.key.public_key.0)?;
        let public = RecoveryPublic {
            account,
            address: Some(address.to_string()),
            epoch: made.charter.epoch,
            party: self.party.clone(),
            charter: made.charter.digest(),
            created_at: now,
        };
        let share = made.share.to_secret_bytes();
        let mut secret = Zeroizing::new(Vec::with_capacity(33 + share.len()));
        secret.push(SECRET_VERSION);
        secret.extend_from_slice(self.seed.as_ref());
        secret.extend_from_slice(&share);
        let file = RecoveryFile::seal(public, &secret, &self.passphrase, StretchCost::default())?;
        cohold_vault::file::private_folder(&self.folder)?;
        Ok(file.save(&unfinished_path(&self.folder, account, &self.party))?)
    }
}

impl Keeper for RecoveryKeeper {
    fn keygen_begin(&self, _: &Signed<Proposal>, session: SessionId, _now: u64) -> Result<(), KeepError> {
        // This party exists for one account; a second key for it would orphan the first.
        if self.lock().is_some() { Err(KeepError::Used(session.to_string())) } else { Ok(()) }
    }

    fn keygen_keep(&self, made: &Made, now: u64) -> Result<(), KeepError> {
        crash_point!("recovery.keep.before");
        self.write(made, now).map_err(|error| KeepError::Failed(format!("{error:#}")))?;
        crash_point!("recovery.keep.after");
        *self.lock() = Some((made.charter.clone(), false));
        Ok(())
    }

    fn keygen_drop(&self, _account: AccountId) -> Result<(), KeepError> {
        Ok(())
    }

    fn pending(&self) -> Result<Vec<Charter>, KeepError> {
        let kept = self.lock();
        Ok(kept.iter().filter(|(_, active)| !active).map(|(charter, _)| charter.clone()).collect())
    }

    fn activate(&self, charter: &Signed<Charter>, _now: u64) -> Result<(), KeepError> {
        let account = charter.document.terms.account;
        let mut kept = self.lock();
        let (own, active) = kept.as_mut().ok_or(KeepError::Unknown(account))?;
        create::check_activation(charter, own, &self.party).map_err(|e| KeepError::Failed(e.to_string()))?;
        crash_point!("recovery.activate.before");
        finish(&self.folder, account, &self.party).map_err(|e| KeepError::Failed(e.to_string()))?;
        crash_point!("recovery.activate.after");
        *active = true;
        Ok(())
    }

    fn kept(&self, account: AccountId) -> Result<Kept, KeepError> {
        Err(KeepError::Unknown(account))
    }

    fn sealing(&self) -> Sealing {
        Sealing::SealedFile
    }

    fn reserve(&self, _: &Reservation, _now: u64) -> Result<(), Refusal> {
        Err(Refusal::new(
            Code::Unavailable,
            "a recovery share is asleep: use its file with `cohold send --recovery`",
        ))
    }

    fn open(&self, kept: &Kept) -> Result<Arc<OpenedKey>, KeepError> {
        Err(KeepError::Unknown(kept.charter.terms.account))
    }

    fn ban(&self, account: AccountId, _: PartyIndex, _: &str, _now: u64) -> Result<(), KeepError> {
        Err(KeepError::Unknown(account))
    }
}

pub(crate) fn file_path(folder: &Path, account: AccountId, party: &PartyName) -> PathBuf {
    folder.join(format!("{account}-{party}.txt"))
}

fn unfinished_path(folder: &Path, account: AccountId, party: &PartyName) -> PathBuf {
    folder.join(format!("{account}-{party}.txt.unfinished"))
}

/// Gives a file its final name; saying it again changes nothing.
fn finish(folder: &Path, account: AccountId, party: &PartyName) -> std::io::Result<()> {
    let (from, to) = (unfinished_path(folder, account, party), file_path(folder, account, party));
    if from.exists() { std::fs::rename(from, to) } else { Ok(()) }
}

/// Files of accounts whose making was cut off: those of accounts in force get their final name; the
/// others stay, marked, until their account is known to be given up.
pub(crate) fn finish_all(folder: &Path, active: &[AccountId]) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for name in entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
        let Some((account, party)) = name.strip_suffix(".txt.unfinished").and_then(|n| n.split_once('-'))
        else {
            continue;
        };
        if let (Ok(account), Ok(party)) = (account.parse(), party.parse())
            && active.contains(&account)
            && let Err(error) = finish(folder, account, &party)
        {
            tracing::warn!(%error, "a recovery file keeps its unfinished name");
        }
    }
}

/// Reads and opens a recovery file.
pub(crate) fn open(path: &Path, passphrase_file: Option<&Path>) -> anyhow::Result<(RecoveryPublic, Opened)> {
    let file = read(path)?;
    let text = secret(passphrase_file, PASSPHRASE_VARIABLE, "recovery passphrase")?;
    let passphrase = Passphrase::entered(String::clone(&text))?;
    let opened = open_with(&file, &passphrase)?;
    Ok((file.public().clone(), opened))
}

/// Opens a recovery file with its passphrase.
pub(crate) fn open_with(file: &RecoveryFile, passphrase: &Passphrase) -> anyhow::Result<Opened> {
    let bytes = file
        .open(passphrase)
        .map_err(|error| Failure::error(Exit::Failed, "recovery-refused", error.to_string()))?;
    opened(&bytes)
}

/// What a recovery file seals: a seed and a share.
pub(crate) fn opened(bytes: &[u8]) -> anyhow::Result<Opened> {
    let (seed, share) = match bytes.split_first() {
        Some((&SECRET_VERSION, rest)) => {
            rest.split_first_chunk::<32>().context("the recovery file is cut short")?
        }
        _ => anyhow::bail!(
            "the recovery file is of another version: use the program that made it, or a newer one"
        ),
    };
    let share = Share::from_secret_bytes(share).context("the share in the recovery file is damaged")?;
    Ok(Opened { keys: PartyKeys::from_seed(seed), share })
}

fn read(path: &Path) -> anyhow::Result<RecoveryFile> {
    let text = read_text(path).with_context(|| format!("`{}` cannot be read", path.display()))?;
    RecoveryFile::parse(&text).map_err(|error| {
        Failure::error(Exit::Failed, "recovery-damaged", format!("`{}`: {error}", path.display()))
    })
}

/// `cohold recovery check`.
pub(crate) fn check(
    output: Output,
    home: Option<&Home>,
    path: &Path,
    checksum_only: bool,
    passphrase_file: Option<&Path>,
) -> anyhow::Result<()> {
    let file = read(path)?;
    let public = file.public().clone();
    let address = public.address.clone().unwrap_or_default();
    if !checksum_only {
        let (_, opened) = open(path, passphrase_file)?;
        let key = opened.share.key();
        let found = Address::of_public_key(&key.public_key())?.to_string();
        anyhow::ensure!(found == address, "the share in the file belongs to {found}, not to {address}");
        if let Some(home) = home {
            recovery_opened(home, public.account, &public.party);
        }
    }
    let value = json!({
        "ok": true,
        "account": public.account,
        "address": address,
        "party": public.party,
        "epoch": public.epoch,
        "opened": !checksum_only,
    });
    output.result(&value, || {
        let what = if checksum_only {
            "every line is whole; the passphrase was not tried"
        } else {
            "every line is whole, the passphrase opens it, and the share belongs to this address"
        };
        format!(
            "{}: {what}\n  account {}\n  address {address}\n  party   {} of epoch {}",
            path.display(),
            public.account,
            public.party,
            public.epoch
        )
    })
}
