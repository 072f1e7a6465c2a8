//! A quorum of shares in this process: recovery files first, then this device's own.

use std::sync::Arc;

use cohold_chain_evm::Address;
use cohold_model::ids::PartyIndex;
use cohold_model::{AccountId, Epoch, KeyPath, RequestId, SessionId};
use cohold_mpc_ecdsa::{AccountKey, RecoverableSignature, SigningDigest};
use cohold_node::Keeper as _;

use crate::args::SharesArgs;
use crate::custody::word::recovery_opened;
use crate::home::{DEVICE, Home};
use crate::output::{Exit, Failure, Output};
use crate::quorum::{self, Local};
use crate::recovery::{self, Opened};

/// Exactly threshold many shares of one account and epoch.
pub(crate) struct Quorum {
    pub(crate) account: AccountId,
    pub(crate) epoch: Epoch,
    pub(crate) key: AccountKey,
    pub(crate) address: Address,
    pub(crate) locals: Vec<Local>,
}

/// What a share was found to belong to.
struct Found {
    account: AccountId,
    epoch: Epoch,
    local: Local,
    place: String,
}

impl Quorum {
    /// Opens the files, and this device where they are too few.
    pub(crate) fn gather(output: Output, home: &Home, args: &SharesArgs) -> anyhow::Result<Self> {
        let mut found: Vec<Found> = Vec::new();
        for path in &args.recovery {
            let place = format!("`{}`", path.display());
            output.progress(&format!("opening {place} …"));
            let (public, Opened { keys, share, .. }) =
                recovery::open(path, args.recovery_passphrase_file.as_deref())?;
            recovery_opened(home, public.account, &public.party);
            let local = Local { index: share.index(), keys: Arc::new(keys), share: Arc::new(share) };
            add(&mut found, Found { account: public.account, epoch: public.epoch, local, place })?;
        }
        let account = args.account.or_else(|| found.first().map(|first| first.account));
        let account = account.ok_or_else(|| usage("which account? name it, or give its recovery files"))?;
        let missing = |found: &[Found]| match found.first() {
            Some(first) => found.len() < usize::from(first.local.share.key().threshold()),
            None => true,
        };
        if missing(&found)
            && let Some(own) = own_share(output, home, account)?
        {
            add(&mut found, own)?;
        }
        Self::of(account, found)
    }

    fn of(account: AccountId, mut found: Vec<Found>) -> anyhow::Result<Self> {
        let Some(first) = found.first() else {
            return Err(quorum_error(format!(
                "no share of account `{account}` is here: give its recovery files, or --home with the device's folder"
            )));
        };
        if first.account != account {
            return Err(wrong(format!(
                "{} belongs to account {}, not {account}",
                first.place, first.account
            )));
        }
        let (epoch, key) = (first.epoch, first.local.share.key().clone());
        let threshold = usize::from(key.threshold());
        if found.len() < threshold {
            let places: Vec<_> = found.iter().map(|one| one.place.as_str()).collect();
            return Err(quorum_error(format!(
                "{} of {threshold} shares are here ({}): give more recovery files of this account",
                found.len(),
                places.join(", ")
            )));
        }
        found.sort_by_key(|one| one.local.index);
        found.truncate(threshold);
        let address = Address::of_public_key(&key.public_key())?;
        let locals = found.into_iter().map(|one| one.local).collect();
        Ok(Self { account, epoch, key, address, locals })
    }

    /// The parties' points, for what is shown.
    pub(crate) fn indices(&self) -> Vec<PartyIndex> {
        self.locals.iter().map(|local| local.index).collect()
    }

    /// A signature by these shares under the key at a path, without putting the key together.
    pub(crate) async fn sign(
        self,
        digest: SigningDigest,
        path: KeyPath,
    ) -> anyhow::Result<RecoverableSignature> {
        let once = RequestId::random(&mut cohold_node::rng());
        let session = cohold_model::canonical::digest("cohold/session/exit/v1", &(self.account, once));
        let Self { account, epoch, locals, .. } = self;
        let signing = move || quorum::sign(account, epoch, &locals, SessionId(session), (digest, path));
        tokio::task::spawn_blocking(signing).await?
    }
}

/// Takes a share in, if it fits those that are there.
fn add(found: &mut Vec<Found>, new: Found) -> anyhow::Result<()> {
    if let Some(first) = found.first() {
        let (here, there) = (&new.place, &first.place);
        if new.account != first.account {
            return Err(wrong(format!(
                "{here} belongs to account {}, {there} to account {}",
                new.account, first.account
            )));
        }
        if new.epoch != first.epoch || new.local.share.key() != first.local.share.key() {
            return Err(wrong(format!(
                "{here} is of epoch {}, {there} of epoch {}: shares of different epochs never work together",
                new.epoch, first.epoch
            )));
        }
    }
    if let Some(twin) = found.iter().find(|one| one.local.index == new.local.index) {
        return Err(wrong(format!("{} holds the same share as {}", new.place, twin.place)));
    }
    found.push(new);
    Ok(())
}

/// This device's share, where it has one of this account.
fn own_share(output: Output, home: &Home, account: AccountId) -> anyhow::Result<Option<Found>> {
    let Ok(charter) = home.account(account) else { return Ok(None) };
    let charter = charter.document;
    let Some((index, _)) = charter.terms.party(&DEVICE.parse()?) else { return Ok(None) };
    let place = format!("the device in `{}`", home.folder.display());
    output.progress(&format!("opening {place} …"));
    let device = home.unlock()?;
    let kept = device.keeper.kept(account).map_err(|e| anyhow::anyhow!("{e}"))?;
    let key = device.keeper.open(&kept).map_err(|e| anyhow::anyhow!("{e}"))?;
    let local = Local { index, keys: Arc::clone(&device.keys), share: Arc::clone(&key.share) };
    Ok(Some(Found { account, epoch: charter.epoch, local, place }))
}

fn usage(message: &str) -> anyhow::Error {
    Failure::error(Exit::Usage, "usage", message)
}

fn quorum_error(message: String) -> anyhow::Error {
    Failure::error(Exit::Usage, "quorum", message)
}

fn wrong(message: String) -> anyhow::Error {
    Failure::error(Exit::Usage, "wrong-recovery-file", message)
}
