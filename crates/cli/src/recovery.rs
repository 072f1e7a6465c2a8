//! Recovery shares: the party that sleeps in a printable file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use cohold_chain_evm::Address;
use cohold_model::account::{Card, PartyKind, Proposal};
use cohold_model::charter::Charter;
use cohold_model::handover::Handover;
use cohold_model::ids::PartyIndex;
use cohold_model::reshare::Abandonment;
use cohold_model::statement::Sealing;
use cohold_model::{AccountId, Digest, Document as _, EntityName, Epoch, PartyName, SessionId, Signed};
use cohold_mpc::PartyKeys;
use cohold_mpc_ecdsa::Share;
use cohold_node::epochs::{Companions, Epochs, Said};
use cohold_node::keeper::{KeepError, Keeper, Kept, OpenedKey};
use cohold_party::Refusal;
use cohold_party::create::{self, Made};
use cohold_party::refusal::Code;
use cohold_party::reshare::{Accepted, Prepared};
use cohold_party::verify::Reservation;
use cohold_party::wire::ReshareOrder;
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
    /// Who keeps its signature beside its own, where it comes into an account that exists.
    companions: Option<Arc<Companions>>,
    /// Whether it said that it will never sign. Held while the file is written: one or the other.
    refused: std::sync::Mutex<bool>,
}

/// A recovery file, opened.
pub(crate) struct Opened {
    pub(crate) keys: PartyKeys,
    pub(crate) share: Share,
    pub(crate) seed: Zeroizing<[u8; 32]>,
}

impl RecoveryKeeper {
    /// A new recovery party of `entity`, whose file goes into `folder`.
    pub(crate) fn new(
        party: PartyName,
        entity: EntityName,
        passphrase: Passphrase,
        folder: PathBuf,
        companions: Option<Arc<Companions>>,
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
        let (kept, refused) = Default::default();
        Ok((
            Arc::new(Self { party, seed, passphrase, folder, kept, companions, refused }),
            card,
            Arc::new(keys),
        ))
    }

    /// Whether the charter came into force for this party too.
    pub(crate) fn is_active(&self) -> bool {
        self.lock().as_ref().is_some_and(|(_, active)| *active)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(Charter, bool)>> {
        self.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn refused(&self) -> std::sync::MutexGuard<'_, bool> {
        self.refused.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn write(&self, charter: &Charter, share: &Share, now: u64) -> anyhow::Result<()> {
        let account = charter.terms.account;
        let address = Address::of_public_key(&charter.key.public_key.0)?;
        let public = RecoveryPublic {
            account,
            address: Some(address.to_string()),
            epoch: charter.epoch,
            party: self.party.clone(),
            charter: charter.digest(),
            created_at: now,
        };
        let share = share.to_secret_bytes();
        let mut secret = Zeroizing::new(Vec::with_capacity(33 + share.len()));
        secret.push(SECRET_VERSION);
        secret.extend_from_slice(self.seed.as_ref());
        secret.extend_from_slice(&share);
        let file = RecoveryFile::seal(public, &secret, &self.passphrase, StretchCost::default())?;
        cohold_vault::file::private_folder(&self.folder)?;
        Ok(file.save(&unfinished_path(&self.folder, charter, &self.party))?)
    }

    /// Gives the file its final name once its charter is in force.
    fn in_force(&self, charter: &Signed<Charter>) -> Result<(), KeepError> {
        let account = charter.document.terms.account;
        let mut kept = self.lock();
        let (own, active) = kept.as_mut().ok_or(KeepError::Unknown(account))?;
        create::check_activation(charter, own, &self.party).map_err(|e| KeepError::Failed(e.to_string()))?;
        crash_point!("recovery.activate.before");
        finish(&self.folder, own, &self.party).map_err(|e| KeepError::Failed(e.to_string()))?;
        crash_point!("recovery.activate.after");
        *active = true;
        Ok(())
    }
}

impl Keeper for RecoveryKeeper {
    fn keygen_begin(&self, _: &Signed<Proposal>, session: SessionId, _now: u64) -> Result<(), KeepError> {
        // This party exists for one account; a second key for it would orphan the first.
        if self.lock().is_some() { Err(KeepError::Used(session.to_string())) } else { Ok(()) }
    }

    fn keygen_keep(&self, made: &Made, now: u64) -> Result<(), KeepError> {
        crash_point!("recovery.keep.before");
        self.write(&made.charter, &made.share, now)
            .map_err(|error| KeepError::Failed(format!("{error:#}")))?;
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
        self.in_force(charter)
    }

    fn kept(&self, account: AccountId) -> Result<Kept, KeepError> {
        Err(KeepError::Unknown(account))
    }

    fn sealing(&self) -> Sealing {
        Sealing::SealedFile
    }

    fn reserve(&self, _: &Reservation, _now: u64) -> Result<(), Refusal> {
        Err(asleep())
    }

    fn open(&self, kept: &Kept) -> Result<Arc<OpenedKey>, KeepError> {
        Err(KeepError::Unknown(kept.charter.terms.account))
    }

    fn epochs(&self) -> Option<&dyn Epochs> {
        self.companions.is_some().then_some(self)
    }

    fn ban(&self, account: AccountId, _: PartyIndex, _: &str, _now: u64) -> Result<(), KeepError> {
        Err(KeepError::Unknown(account))
    }
}

/// A recovery party that comes into an account: it receives, writes its file, signs, and sleeps.
impl Epochs for RecoveryKeeper {
    fn share(&self, kept: &Kept) -> Result<Arc<Share>, KeepError> {
        Err(KeepError::Unknown(kept.charter.terms.account))
    }

    fn begin(&self, accepted: &Accepted, _now: u64) -> Result<(), KeepError> {
        if self.lock().is_some() { Err(KeepError::Used(accepted.digest().to_string())) } else { Ok(()) }
    }

    fn keep(&self, prepared: &Prepared, now: u64) -> Result<(), KeepError> {
        let Prepared { charter, share, .. } = prepared;
        let refused = self.refused();
        if *refused {
            return Err(KeepError::Resharing("this resharing was given up".into()));
        }
        crash_point!("recovery.keep.before");
        self.write(charter, share, now).map_err(|error| KeepError::Failed(format!("{error:#}")))?;
        crash_point!("recovery.keep.after");
        *self.lock() = Some((charter.clone(), false));
        if let Some(companions) = &self.companions {
            let signature = Made::sign(charter, &PartyKeys::from_seed(&self.seed));
            companions.put(self.party.clone(), charter.digest(), signature);
        }
        Ok(())
    }

    fn dealt(&self, _: &Digest, charter: &Charter) -> Result<(), KeepError> {
        Err(KeepError::Unknown(charter.terms.account))
    }

    /// It may have signed once its file is written. What it says before that holds although nothing is
    /// written: its keys are in this process only.
    fn refuse(&self, _: &ReshareOrder, _holds: bool, _now: u64) -> Result<bool, KeepError> {
        let mut refused = self.refused();
        if self.lock().is_some() {
            return Ok(false);
        }
        *refused = true;
        if let Some(companions) = &self.companions {
            companions.refuse(self.party.clone());
        }
        Ok(true)
    }

    fn abandon(&self, _: &Signed<Abandonment>) -> Result<bool, KeepError> {
        Ok(false)
    }

    fn take(&self, handover: &Handover, _now: u64) -> Result<(), KeepError> {
        self.in_force(&handover.charter)
    }

    fn said(&self, _: Option<&Digest>) -> Result<Vec<Said>, KeepError> {
        let kept = self.lock();
        let waiting = kept.iter().filter(|(_, active)| !active);
        Ok(waiting.map(|(charter, _)| Said::Signed(charter.clone(), Default::default())).collect())
    }
}

/// Where the recovery file of a party lies: later epochs do not overwrite earlier ones.
pub(crate) fn file_path(folder: &Path, charter: &Charter, party: &PartyName) -> PathBuf {
    let (account, epoch) = (charter.terms.account, charter.epoch);
    match epoch {
        Epoch::FIRST => folder.join(format!("{account}-{party}.txt")),
        later => folder.join(format!("{account}-{party}-epoch-{later}.txt")),
    }
}

/// Where it lies before its charter is in force. A later epoch may take several tries, each with a file of
/// its own: one that may bear a signature is never overwritten.
fn unfinished_path(folder: &Path, charter: &Charter, party: &PartyName) -> PathBuf {
    let mut path = file_path(folder, charter, party).into_os_string();
    if charter.epoch != Epoch::FIRST {
        let digest = charter.digest().to_string();
        path.push(format!(".{}", digest.get(..TRY_DIGITS).unwrap_or(&digest)));
    }
    path.push(UNFINISHED);
    path.into()
}

/// Digits of a charter's digest that tell tries apart.
const TRY_DIGITS: usize = 16;

/// How the names of files end whose charter is not in force yet.
const UNFINISHED: &str = ".unfinished";

/// Gives a file its final name; saying it again changes nothing.
fn finish(folder: &Path, charter: &Charter, party: &PartyName) -> std::io::Result<()> {
    let (from, to) = (unfinished_path(folder, charter, party), file_path(folder, charter, party));
    if from.exists() { std::fs::rename(from, to) } else { Ok(()) }
}

/// Whether there are files whose charter is not known to be in force.
pub(crate) fn has_unfinished(folder: &Path) -> bool {
    unfinished(folder).next().is_some()
}

fn unfinished(folder: &Path) -> impl Iterator<Item = String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name.ends_with(UNFINISHED))
}

/// Files of accounts whose making was cut off: those of accounts in force get their final name; the
/// others stay, marked, until their account is known to be given up.
pub(crate) fn finish_all(folder: &Path, active: &[Charter]) {
    for name in unfinished(folder) {
        let Ok(file) = read(&folder.join(&name)) else { continue };
        let (of, party) = (file.public().charter, &file.public().party);
        // Of several tries at an epoch, one at most is in force; the file says of which it is.
        if let Some(charter) = active.iter().find(|charter| charter.digest() == of)
            && let Err(error) = finish(folder, charter, party)
        {
            tracing::warn!(%error, "a recovery file keeps its unfinished name");
        }
    }
}

/// Why a recovery party takes no orders.
pub(crate) fn asleep() -> Refusal {
    Refusal::new(Code::Unavailable, "a recovery share is asleep: use its file with `cohold send --recovery`")
}

/// What to say of a file that was not made under the charter in force.
pub(crate) fn of_another_epoch(place: &str, public: &RecoveryPublic, charter: &Charter) -> String {
    let (found, epoch) = (public.epoch, charter.epoch);
    if found < epoch {
        return format!(
            "`{place}` is of epoch {found}, which is past: the account is in epoch {epoch}, use the file that was made for it"
        );
    }
    format!("`{place}` was made under another charter of this account than the one in force (epoch {epoch})")
}

/// Reads and opens a recovery file.
pub(crate) fn open(path: &Path, passphrase_file: Option<&Path>) -> anyhow::Result<(RecoveryPublic, Opened)> {
    let file = read(path)?;
    let text = secret(passphrase_file, PASSPHRASE_VARIABLE, "recovery passphrase")?;
    let passphrase = Passphrase::entered(String::clone(&text))?;
    let opened = open_with(&file, &passphrase)?;
    Ok((file.public().clone(), opened))
}

/// The same with a passphrase that is at hand.
pub(crate) fn open_file(path: &Path, passphrase: &str) -> anyhow::Result<Opened> {
    open_with(&read(path)?, &Passphrase::entered(passphrase.to_owned())?)
}

/// Reads and opens a file that is to sign or to deal under this charter, and tells which party it is.
pub(crate) fn open_under(
    path: &Path,
    passphrase_file: Option<&Path>,
    signed: &Signed<Charter>,
) -> anyhow::Result<(PartyIndex, Card, Opened)> {
    let (public, opened) = open(path, passphrase_file)?;
    let charter = &signed.document;
    let place = path.display();
    let wrong = |message| Failure::error(Exit::Usage, "wrong-recovery-file", message);
    if public.account != charter.terms.account {
        return Err(wrong(format!("`{place}` belongs to account {}", public.account)));
    }
    // Where another engine was set since, the share in the file signed that charter too.
    let went_on =
        public.epoch == charter.epoch && signed.is_signed_by(&public.party, &opened.keys.identity());
    if public.charter != charter.digest() && !went_on {
        return Err(wrong(of_another_epoch(&place.to_string(), &public, charter)));
    }
    let named =
        charter.terms.party(&public.party).filter(|(_, card)| card.identity == opened.keys.identity());
    match named {
        Some((index, card)) => Ok((index, card.clone(), opened)),
        None => Err(wrong(format!("`{place}` is not the share that the charter names"))),
    }
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
    Ok(Opened { keys: PartyKeys::from_seed(seed), share, seed: Zeroizing::new(*seed) })
}

/// What a recovery file says openly.
pub(crate) fn read_public(path: &Path) -> anyhow::Result<RecoveryPublic> {
    read(path).map(|file| file.public().clone())
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
        let of_today = |home: &&Home| {
            let current = home.account(public.account).ok().map(|charter| charter.document);
            let current = current.filter(|charter| charter.epoch == public.epoch);
            let earlier = home.past(public.account).unwrap_or_default();
            let made_under = |charter: &Charter| charter.digest() == public.charter;
            current.as_ref().is_some_and(|charter| {
                made_under(charter) || earlier.iter().any(|past| made_under(&past.document))
            })
        };
        if let Some(home) = home.filter(of_today) {
            recovery_opened(home, public.account, &public.party);
        }
    }
    let known = home.and_then(|home| home.account(public.account).ok());
    let past = known.as_ref().is_some_and(|charter| charter.document.epoch > public.epoch);
    let value = json!({
        "ok": true,
        "account": public.account,
        "address": address,
        "party": public.party,
        "epoch": public.epoch,
        "opened": !checksum_only,
        "past": past,
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
        ) + if past {
            "\n  PAST: the account is in a later epoch, and this share is worth nothing there; destroy the file"
        } else {
            ""
        }
    })
}
