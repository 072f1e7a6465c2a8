//! What is sealed, tried without what it takes: guesses, foreign keys, open copies, other epochs.

use std::path::Path;

use cohold_model::charter::Charter;
use cohold_model::{Engine, Epoch};
use cohold_mpc_ecdsa::Share;
use cohold_store::PartyStore;
use cohold_vault::{Purpose, SealContext, Sealed, SoftwareVault, Vault as _};

use super::loot::{OPEN, Tried};
use super::plunder::{Container, Loot};
use super::strategy::Strategy;
use crate::home::DEVICE;

/// What people choose.
const COMMON: [&str; 3] = ["", "123456", "password"];
/// The largest file that is searched.
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// How far beyond the charter's epoch shares are looked for.
const EPOCHS_MAX: u32 = 16;

/// Everything that does not need another party.
pub(crate) fn try_all(loot: &Loot, shut: &[Container], charter: &Charter) -> Vec<Tried> {
    vec![
        guesses(loot, shut, charter),
        foreign_keys(loot, shut, charter),
        open_secrets(loot, charter),
        other_epochs(loot, charter),
    ]
}

/// The secrets at hand were tried already, when the loot was opened.
fn guesses(loot: &Loot, shut: &[Container], charter: &Charter) -> Tried {
    let common: Vec<String> = COMMON.iter().map(|guess| (*guess).to_owned()).collect();
    let tries = shut.len().saturating_mul(COMMON.len().saturating_add(loot.secrets.len()));
    let opened = shut.iter().find(|container| container.open(charter, &common).is_some());
    let tried = Tried::stopped(
        Strategy::Guesses,
        count(tries),
        match shut.first() {
            None => "nothing here is shut".to_owned(),
            Some(_) => format!("{} stayed shut", listed(shut)),
        },
    );
    match opened {
        Some(container) => {
            Tried { stopped: false, outcome: format!("{} opened", container.words()), ..tried }
        }
        None => tried,
    }
}

/// Every key file on every share that did not open: the device's own secret without its PIN as well.
fn foreign_keys(loot: &Loot, shut: &[Container], charter: &Charter) -> Tried {
    let is_key = |path: &&std::path::PathBuf| path.extension().is_some_and(|extension| extension == "key");
    let keys: Vec<_> =
        loot.files.iter().filter(is_key).filter_map(|path| SoftwareVault::key_file_open(path).ok()).collect();
    let account = charter.terms.account;
    let (mut tries, mut opened) = (0, None);
    for container in shut {
        let (folder, database, party) = match container {
            Container::Device(folder) => (folder, "device.sqlite", DEVICE.parse().ok()),
            Container::Node { folder, party, .. } | Container::WithToken { folder, party, .. } => {
                (folder, "node.sqlite", Some(party.clone()))
            }
            Container::Recovery(_) | Container::Open(_) => continue,
        };
        let (Some(party), Some(store)) = (party, database_open(&folder.join(database))) else { continue };
        let Ok(Some(sealed)) = store.key_show(account, charter.epoch.0, charter.engine.name()) else {
            continue;
        };
        let place = SealContext::of_account(account, charter.epoch, party, Purpose::Share);
        for key in &keys {
            tries += 1;
            let blob = Sealed::from_bytes(sealed.share.clone());
            if blob.is_ok_and(|blob| key.open(&place, &blob).is_ok()) {
                opened = Some(container.words());
            }
        }
    }
    let tried = Tried::stopped(
        Strategy::ForeignKeys,
        count(tries),
        format!("{} key files fit nowhere else", keys.len()),
    );
    match opened {
        Some(what) => Tried { stopped: false, outcome: format!("{what} opened with a foreign key"), ..tried },
        None => tried,
    }
}

/// Searches every byte for a share of this account's key, raw or in hexadecimal digits.
fn open_secrets(loot: &Loot, charter: &Charter) -> Tried {
    let (mut bytes, mut found) = (0_u64, Vec::new());
    for path in loot.files.iter().filter(|path| path.file_name().is_some_and(|name| name != OPEN)) {
        if path.metadata().is_ok_and(|meta| meta.len() > FILE_BYTES_MAX) {
            continue;
        }
        let Ok(content) = std::fs::read(path) else { continue };
        bytes = bytes.saturating_add(content.len() as u64);
        if holds_share(&content, &charter.key.public_key.0) {
            found.push(path.display().to_string());
        }
    }
    let searched = format!("none in {} kB of {} files", bytes / 1000, loot.files.len());
    let tried = Tried::stopped(Strategy::OpenSecrets, count(loot.files.len()), searched);
    match found.first() {
        Some(path) => Tried { stopped: false, outcome: format!("a share lies open in `{path}`"), ..tried },
        None => tried,
    }
}

/// Whether a share with this public key stands anywhere in these bytes ([`Share::to_secret_bytes`]: the
/// secret comes right before the public key).
fn holds_share(content: &[u8], public_key: &[u8]) -> bool {
    let raw = ends_of(content, public_key).any(|end| {
        let from = content.get(end.saturating_sub(public_key.len() + HEAD_BYTES)..);
        from.is_some_and(begins_with_share)
    });
    let digits = hex::encode(public_key);
    raw || ends_of(content, digits.as_bytes()).any(|end| {
        let from = end.saturating_sub(digits.len() + 2 * HEAD_BYTES);
        let text = content.get(from..).unwrap_or_default();
        let run = text.iter().take_while(|byte| byte.is_ascii_hexdigit()).count() / 2 * 2;
        let bytes = text.get(..run).and_then(|text| hex::decode(text).ok());
        bytes.is_some_and(|bytes| begins_with_share(&bytes))
    })
}

/// Version, index, threshold, parties and the secret.
const HEAD_BYTES: usize = 4 + 32;

fn begins_with_share(bytes: &[u8]) -> bool {
    let parties = usize::from(bytes.get(3).copied().unwrap_or_default());
    let length = HEAD_BYTES + 33 + 32 + 33 * parties;
    bytes.get(..length).is_some_and(|bytes| Share::from_secret_bytes(bytes).is_ok())
}

fn ends_of<'a>(content: &'a [u8], wanted: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    let windows = content.windows(wanted.len().max(1)).enumerate();
    windows.filter(move |(_, window)| *window == wanted).map(move |(at, _)| at + wanted.len())
}

/// Sealed shares of any epoch but the charter's.
fn other_epochs(loot: &Loot, charter: &Charter) -> Tried {
    let (mut tries, mut found) = (0, Vec::new());
    let databases = loot.files.iter().filter(|path| path.extension().is_some_and(|e| e == "sqlite"));
    for path in databases {
        let Some(store) = database_open(path) else { continue };
        let epochs = (0..=charter.epoch.0.saturating_add(EPOCHS_MAX)).map(Epoch);
        for epoch in epochs.filter(|epoch| *epoch != charter.epoch) {
            tries += 1;
            let holds = |engine: Engine| {
                matches!(store.key_show(charter.terms.account, epoch.0, engine.name()), Ok(Some(_)))
            };
            if [Engine::Dkls23, Engine::Cggmp24].into_iter().any(holds) {
                found.push(epoch.to_string());
            }
        }
    }
    let tried = Tried::stopped(Strategy::OtherEpochs, tries, "no database holds a share of another epoch");
    match found.is_empty() {
        true => tried,
        false => Tried { stopped: false, outcome: format!("shares of epoch {}", found.join(", ")), ..tried },
    }
}

/// A party's database; never makes one.
fn database_open(path: &Path) -> Option<PartyStore> {
    let is_partys = path.file_name().is_some_and(|name| name == "device.sqlite" || name == "node.sqlite");
    if is_partys && path.is_file() { PartyStore::open(path).ok() } else { None }
}

fn listed(shut: &[Container]) -> String {
    shut.iter().map(Container::words).collect::<Vec<_>>().join(", ")
}

fn count(tries: usize) -> u32 {
    u32::try_from(tries).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use k256::elliptic_curve::group::GroupEncoding as _;
    use k256::{ProjectivePoint, Scalar};

    use super::*;

    /// The bytes of a 2-of-2 share, and its public key.
    fn share() -> (Vec<u8>, Vec<u8>) {
        let (zero, slope) = (Scalar::from(271_828_u64), Scalar::from(314_159_u64));
        let at = |x: u64| zero + slope * Scalar::from(x);
        let point = |scalar: Scalar| (ProjectivePoint::GENERATOR * scalar).to_affine().to_bytes().to_vec();
        let mut bytes = vec![1, 1, 2, 2];
        bytes.extend_from_slice(&at(1).to_bytes());
        bytes.extend(point(zero));
        bytes.extend([7; 32]);
        bytes.extend(point(at(1)));
        bytes.extend(point(at(2)));
        (bytes, point(zero))
    }

    #[test]
    fn an_open_share_is_found_wherever_it_lies() {
        let (share, key) = share();
        assert!(Share::from_secret_bytes(&share).is_ok());
        let around = |middle: &[u8]| [&[9; 1000], middle, &[3; 77]].concat();
        assert!(holds_share(&around(&share), &key));
        assert!(holds_share(&around(format!("share={};", hex::encode(&share)).as_bytes()), &key));
        let mut other = share.clone();
        if let Some(byte) = other.get_mut(20) {
            *byte ^= 1;
        }
        for none in
            [around(&other), around(&key), around(hex::encode(&key).as_bytes()), key.clone(), Vec::new()]
        {
            assert!(!holds_share(&none, &key));
        }
    }
}
