//! Where each atom of a model lies in a development set-up, and how exactly that is carried off.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use cohold_custody::extract::Called;
use cohold_model::PartyName;
use cohold_model::account::PartyKind;
use cohold_model::charter::Charter;
use cohold_node::config::{NodeConfig, TokenSettings, VaultChoice};
use cohold_vault::file::{private_create, private_folder};
use serde::Deserialize;

use super::loot::{GUESSES, OPEN, SECRET, TOKEN};
use crate::home::Home;
use crate::output::{Exit, Failure, secret};
use crate::recovery::{self, PASSPHRASE_VARIABLE};
use crate::services::{TOKEN_PIN_VARIABLE, VAULT_PASSPHRASE_VARIABLE};

/// The largest file of places.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// Wrong guesses before the right ones.
const WRONG_GUESSES: [&str; 2] = ["123456", "correct horse battery staple"];

/// What an atom is, materially.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// The device's folder, without what lies in it for other atoms.
    Device,
    Pin,
    RecoveryFile(PartyName),
    RecoveryPassphrase,
    /// A node's machine: its folder and, where it was opened with a passphrase, what it holds in memory.
    Node(PartyName),
    /// A node's folder only, and the PIN of its token where that lies in a file.
    Disk(PartyName),
    NodePassphrase(PartyName),
    /// A node's hardware token: it can be asked, and nothing of it can be carried off.
    Token(PartyName),
    TokenPin(PartyName),
    Server,
    /// Doubts, as far as they can come true.
    HostileProgram,
    RecoveryCopy(Vec<PartyName>),
    WeakSecret,
    /// A doubt that cannot be made true here.
    Assumption,
}

/// A file that says where atoms lie that lie elsewhere than in a development set-up.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlacesFile {
    /// Atom → file or folder; of a PIN or passphrase, a file that holds it.
    #[serde(default)]
    places: BTreeMap<String, PathBuf>,
}

/// A deployment's places.
pub(crate) struct Places {
    pub(crate) dev: PathBuf,
    pub(crate) home: Home,
    named: BTreeMap<String, PathBuf>,
    recovery_passphrase_file: Option<PathBuf>,
    /// What the model calls the parties.
    called: Called,
}

impl Places {
    pub(crate) fn new(
        dev: PathBuf,
        home: Home,
        file: Option<&Path>,
        recovery_passphrase_file: Option<PathBuf>,
        called: Called,
    ) -> anyhow::Result<Self> {
        let named = match file {
            Some(path) => read(path)?.places,
            None => BTreeMap::new(),
        };
        Ok(Self { dev, home, named, recovery_passphrase_file, called })
    }

    /// What an atom is, by its name in the model of this account.
    pub(crate) fn place(&self, charter: &Charter, atom: &str) -> anyhow::Result<Place> {
        for card in &charter.terms.parties {
            let party = self.called.party(&card.party);
            let of = |what: &str| atom == format!("{party}-{what}");
            let machine = atom == party || of("party");
            let place = match card.kind {
                PartyKind::Device if machine => Some(Place::Device),
                PartyKind::Device if of("pin") => Some(Place::Pin),
                PartyKind::Recovery if of("file") => Some(Place::RecoveryFile(card.party.clone())),
                PartyKind::Recovery if of("passphrase") => Some(Place::RecoveryPassphrase),
                PartyKind::Cosigner | PartyKind::Guardian if machine => Some(Place::Node(card.party.clone())),
                PartyKind::Cosigner | PartyKind::Guardian if of("disk") => {
                    Some(Place::Disk(card.party.clone()))
                }
                PartyKind::Cosigner | PartyKind::Guardian if of("token") => {
                    Some(Place::Token(card.party.clone()))
                }
                PartyKind::Cosigner | PartyKind::Guardian if of("pin") => {
                    Some(Place::TokenPin(card.party.clone()))
                }
                PartyKind::Cosigner | PartyKind::Guardian if of("passphrase") => {
                    Some(Place::NodePassphrase(card.party.clone()))
                }
                _ => None,
            };
            if let Some(place) = place {
                return Ok(place);
            }
        }
        let recoveries = charter.terms.parties.iter().filter(|card| card.kind == PartyKind::Recovery);
        match atom {
            "pin" => Ok(Place::Pin),
            "server" => Ok(Place::Server),
            "hostile-program" => Ok(Place::HostileProgram),
            "recovery-copy" => Ok(Place::RecoveryCopy(recoveries.map(|card| card.party.clone()).collect())),
            "weak-secret" => Ok(Place::WeakSecret),
            "engine-leak" | "exported-key" | "imported-key" | "broken-token" => Ok(Place::Assumption),
            _ if self.is_past(atom) => Ok(Place::Assumption),
            _ => Err(Failure::error(
                Exit::Usage,
                "no-place",
                format!("where `{atom}` lies is not known: a development set-up has no such place"),
            )),
        }
    }

    /// Whether an atom is about old shares: who may have kept one, or a place that is no party's any more.
    fn is_past(&self, atom: &str) -> bool {
        let mut before = self.called.before.iter();
        let everybody = self.called.now.values().chain(self.called.before.keys());
        let mut kept = everybody.map(|label| format!("kept-{label}"));
        let of_former = |label: &str| {
            atom.strip_prefix(label).is_some_and(|rest| matches!(rest, "" | "-file" | "-party"))
        };
        atom == "kept"
            || atom.starts_with("kept-by-")
            || kept.any(|doubt| doubt == atom)
            || before.any(|(label, entity)| of_former(label) || atom == format!("{entity}-left"))
    }

    /// Carries off exactly what lies at the places of a coalition, each into a folder of its own.
    pub(crate) fn carry_off(
        &self,
        charter: &Charter,
        coalition: &[String],
        into: &Path,
    ) -> anyhow::Result<()> {
        let places: Vec<(&String, Place)> = coalition
            .iter()
            .map(|atom| Ok((atom, self.place(charter, atom)?)))
            .collect::<anyhow::Result<_>>()?;
        let on_device = places.iter().any(|(_, p)| matches!(p, Place::Device | Place::HostileProgram));
        for (atom, place) in &places {
            // A kept copy lies on the device: without that, there is nothing to carry off.
            if matches!(place, Place::RecoveryCopy(_)) && !on_device {
                continue;
            }
            let folder = into.join(atom);
            private_folder(&folder)?;
            self.carry(charter, atom, place, &folder).with_context(|| format!("carrying off `{atom}`"))?;
        }
        Ok(())
    }

    fn carry(&self, charter: &Charter, atom: &str, place: &Place, into: &Path) -> anyhow::Result<()> {
        let named = self.named.get(atom);
        let folder = |usual: &str| named.cloned().unwrap_or_else(|| self.dev.join(usual));
        match place {
            Place::Device => self.device(named, into),
            Place::Pin => keep(into, SECRET, &self.pin()?),
            Place::RecoveryFile(party) => {
                let path = named.cloned().unwrap_or_else(|| self.recovery_file(charter, party));
                copy_file(&path, &into.join("recovery.txt"))
            }
            Place::RecoveryPassphrase => keep(into, SECRET, &self.recovery_passphrase()?),
            Place::Disk(party) => {
                let folder = folder(party.as_str());
                copy_folder(&folder, into, &[])?;
                match vault(&folder)? {
                    VaultChoice::Pkcs11(TokenSettings { pin_file: Some(file), .. }) => {
                        keep(into, SECRET, &text(&folder.join(file))?)
                    }
                    _ => Ok(()),
                }
            }
            Place::Node(party) => {
                let folder = folder(party.as_str());
                copy_folder(&folder, into, &[])?;
                match vault(&folder)? {
                    VaultChoice::KeyFile => Ok(()),
                    VaultChoice::Passphrase => keep(into, SECRET, &self.node_passphrase(party)?),
                    VaultChoice::Pkcs11(settings) => {
                        keep(into, TOKEN, party.as_str())?;
                        keep(into, SECRET, &self.token_pin(party, &folder, &settings)?)
                    }
                }
            }
            Place::NodePassphrase(party) => keep(into, SECRET, &self.node_passphrase(party)?),
            Place::Token(party) => keep(into, TOKEN, party.as_str()),
            Place::TokenPin(party) => match vault(&folder(party.as_str()))? {
                VaultChoice::Pkcs11(settings) => {
                    keep(into, SECRET, &self.token_pin(party, &self.dev.join(party.as_str()), &settings)?)
                }
                _ => anyhow::bail!("`{party}` has no token"),
            },
            Place::Server => copy_folder(&folder("server"), into, &[]),
            Place::HostileProgram => {
                let device = into.join("device");
                private_folder(&device)?;
                self.device(named, &device)?;
                keep(into, SECRET, &self.pin()?)
            }
            Place::RecoveryCopy(parties) => parties.iter().try_for_each(|party| {
                let path = named.cloned().unwrap_or_else(|| self.recovery_file(charter, party));
                let text = std::fs::read_to_string(&path)
                    .with_context(|| format!("`{}` cannot be read", path.display()))?;
                let file = cohold_vault::RecoveryFile::parse(&text)?;
                let passphrase = cohold_vault::Passphrase::entered(self.recovery_passphrase()?)?;
                let folder = into.join(party.as_str());
                private_folder(&folder)?;
                let open = file.open(&passphrase)?;
                Ok(private_create(&folder.join(OPEN), &open)?)
            }),
            Place::WeakSecret => {
                let mut guesses = WRONG_GUESSES.map(str::to_owned).to_vec();
                guesses.push(self.pin()?);
                if charter.terms.parties.iter().any(|card| card.kind == PartyKind::Recovery) {
                    guesses.push(self.recovery_passphrase()?);
                }
                for card in charter.terms.parties.iter().filter(|card| card.kind.is_node()) {
                    let folder = self.dev.join(card.party.as_str());
                    match vault(&folder)? {
                        VaultChoice::KeyFile => {}
                        VaultChoice::Passphrase => guesses.push(self.node_passphrase(&card.party)?),
                        VaultChoice::Pkcs11(settings) => {
                            guesses.push(self.token_pin(&card.party, &folder, &settings)?);
                        }
                    }
                }
                keep(into, GUESSES, &guesses.join("\n"))
            }
            Place::Assumption => Ok(()),
        }
    }

    /// The device's folder, without the recovery files that begin their life there: those are an atom of
    /// their own.
    fn device(&self, named: Option<&PathBuf>, into: &Path) -> anyhow::Result<()> {
        copy_folder(named.unwrap_or(&self.home.folder), into, &["recovery"])
    }

    pub(crate) fn recovery_file(&self, charter: &Charter, party: &PartyName) -> PathBuf {
        recovery::file_path(&self.home.path("recovery"), charter, party)
    }

    pub(crate) fn pin(&self) -> anyhow::Result<String> {
        match self.named.get("pin") {
            Some(path) => text(path),
            None => self.home.pin_text("PIN of this device, which the coalition is given"),
        }
    }

    pub(crate) fn recovery_passphrase(&self) -> anyhow::Result<String> {
        let file = self.recovery_passphrase_file.as_deref();
        let prompt = "recovery passphrase, which the coalition is given";
        match self.named.get("recovery-passphrase") {
            Some(path) => text(path),
            None => Ok(String::clone(&*secret(file, PASSPHRASE_VARIABLE, prompt)?)),
        }
    }

    fn token_pin(
        &self,
        party: &PartyName,
        folder: &Path,
        settings: &TokenSettings,
    ) -> anyhow::Result<String> {
        match (self.named.get(&format!("{party}-pin")), &settings.pin_file) {
            (Some(path), _) => text(path),
            (None, Some(file)) => text(&folder.join(file)),
            (None, None) => {
                let prompt = format!("PIN of the token of `{party}`, which the coalition is given");
                Ok(String::clone(&*secret(None, TOKEN_PIN_VARIABLE, &prompt)?))
            }
        }
    }

    pub(crate) fn node_passphrase(&self, party: &PartyName) -> anyhow::Result<String> {
        match self.named.get(&format!("{party}-passphrase")) {
            Some(path) => text(path),
            None => {
                let prompt = format!("vault passphrase of `{party}`, which the coalition is given");
                Ok(String::clone(&*secret(None, VAULT_PASSPHRASE_VARIABLE, &prompt)?))
            }
        }
    }
}

/// How a node's folder is sealed.
fn vault(folder: &Path) -> anyhow::Result<VaultChoice> {
    let path = folder.join("node.toml");
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("`{}` cannot be read", path.display()))?;
    Ok(toml::from_str::<NodeConfig>(&text)?.vault)
}

fn read(path: &Path) -> anyhow::Result<PlacesFile> {
    let wrong =
        |message: String| Failure::error(Exit::Usage, "places", format!("`{}`: {message}", path.display()));
    let size = std::fs::metadata(path).map_err(|e| wrong(e.to_string()))?.len();
    if size > FILE_BYTES_MAX {
        return Err(wrong(format!("{size} bytes are more than any file of places has")));
    }
    let text = std::fs::read_to_string(path).map_err(|e| wrong(e.to_string()))?;
    toml::from_str(&text).map_err(|e| wrong(format!("{e}: write `[places]` and `ATOM = \"PATH\"` lines")))
}

fn text(path: &Path) -> anyhow::Result<String> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("`{}` cannot be read", path.display()))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn keep(folder: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    Ok(private_create(&folder.join(name), text.as_bytes())?)
}

/// Copies a folder's files, and those of folders within, but `without`; databases as they lie.
pub(crate) fn copy_folder(from: &Path, into: &Path, without: &[&str]) -> anyhow::Result<()> {
    private_folder(into)?;
    let entries = std::fs::read_dir(from).with_context(|| format!("`{}` cannot be read", from.display()))?;
    for entry in entries {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        let shown = name.to_string_lossy().into_owned();
        // A shared-memory index is of the processes that run, not of the disk.
        if without.contains(&shown.as_str()) || shown.ends_with(".sqlite-shm") {
            continue;
        }
        let to = into.join(&name);
        if path.is_dir() {
            copy_folder(&path, &to, without)?;
        } else if shown.ends_with(".sqlite") {
            copy_database(&path, &to)?;
        } else if path.is_file() && !shown.ends_with(".sqlite-wal") {
            copy_file(&path, &to)?;
        }
    }
    Ok(())
}

/// A database and its write-ahead log, byte by byte, while a reader of ours keeps the log from being
/// begun anew: what was deleted and not yet overwritten comes along, as it would with a stolen disk.
fn copy_database(from: &Path, to: &Path) -> anyhow::Result<()> {
    let mut connection = rusqlite::Connection::open(from)?;
    let reader = connection.transaction()?;
    let _: i64 = reader.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    copy_file(from, to)?;
    let log = |path: &Path| {
        let mut name = path.as_os_str().to_owned();
        name.push("-wal");
        PathBuf::from(name)
    };
    if log(from).is_file() {
        copy_file(&log(from), &log(to))?;
    }
    Ok(reader.finish()?)
}

fn copy_file(from: &Path, to: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::copy(from, to).with_context(|| format!("`{}` cannot be read", from.display()))?;
    Ok(std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o600))?)
}
