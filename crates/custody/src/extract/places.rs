//! Where the shares lie: atoms, who opens which share, and the doubts.

mod doubts;
mod guardians;
mod locks;
mod others;
mod past;

use std::collections::{BTreeMap, BTreeSet};

use cohold_model::account::{Card, PartyKind, Terms};
use cohold_model::statement::{Sealing, Statement};
use cohold_model::token::PinSource;
use cohold_model::{EntityName, PartyName};

use super::holders::Holders;
use super::joining::{CONSENT, VETO};
use super::names::Names;
use super::past::Past;
use super::{APPROVE, ASK, ATOMS_MAX, use_of};
use crate::check::{MOVE, RECOVER, RULE};
use crate::declared::Declared;
use crate::model::{Atom, Evidence, Rule};
use crate::needs::Needs;
use locks::{Lock, pin_of};

/// How a share is sealed, and how that is known.
#[derive(Clone, Copy)]
pub(super) struct Sealed {
    sealing: Sealing,
    /// Of a hardware token whose key never left it: where its PIN is.
    pin: Option<PinSource>,
    evidence: Evidence,
}

impl Sealed {
    /// As a party says of itself.
    pub(super) fn stated(statement: &Statement, evidence: Evidence) -> Self {
        Self { sealing: statement.sealing, pin: pin_of(statement.token.as_ref()), evidence }
    }

    /// As another says of it.
    pub(super) fn vouched(sealing: Sealing, evidence: Evidence) -> Self {
        Self { sealing, pin: None, evidence }
    }
}

/// What is left out of the table, each step more than the one before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fold {
    Nothing,
    Holdings,
    Disks,
    Pins,
    Passphrases,
}

/// How finely those who kept old shares are told apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Grain {
    Holders,
    Entities,
    Nothing,
}

/// What is told apart less and less, until it fits; the last always does.
const STEPS: [(Fold, Grain); 6] = [
    (Fold::Nothing, Grain::Holders),
    (Fold::Nothing, Grain::Entities),
    (Fold::Holdings, Grain::Entities),
    (Fold::Disks, Grain::Entities),
    (Fold::Disks, Grain::Nothing),
    (Fold::Pins, Grain::Nothing),
];
const LAST_STEP: (Fold, Grain) = (Fold::Passphrases, Grain::Nothing);

/// All atoms, and the rules for `use:…`.
pub(super) struct Places {
    pub(super) atoms: BTreeMap<String, Atom>,
    /// Entities that are in no charter, with their roles.
    pub(super) strangers: BTreeMap<String, &'static str>,
    pub(super) rules: Vec<Rule>,
    /// The atom of the doubt in the engine.
    pub(super) engine_leak: String,
}

/// How a share opens, as far as is known.
enum Seal {
    /// With the machine alone.
    Machine,
    /// With the machine, or its disk.
    KeyFile,
    /// With the machine while it runs, or its disk and a passphrase.
    Passphrase,
    /// With the machine while it runs, or its disk, a hardware token and the token's PIN.
    Token(PinSource),
    /// With the machine and a PIN.
    Pin,
    /// With a file alone.
    BareFile,
    /// With a file and a passphrase.
    File,
}

impl Seal {
    fn of(kind: PartyKind, sealed: Option<Sealed>) -> Self {
        match (kind, sealed.map(|sealed| sealed.sealing)) {
            (PartyKind::Recovery, None) => Self::BareFile,
            (_, None) => Self::Machine,
            (_, Some(Sealing::KeyFile)) => Self::KeyFile,
            (_, Some(Sealing::Hardware)) => match sealed.and_then(|sealed| sealed.pin) {
                Some(pin) if kind.is_node() => Self::Token(pin),
                // A key that could leave its token, or of which nothing is said, may lie anywhere.
                _ => Self::KeyFile,
            },
            (PartyKind::Device | PartyKind::Recovery, Some(Sealing::DeviceAndPin)) => Self::Pin,
            (PartyKind::Recovery, Some(Sealing::SealedFile)) => Self::File,
            // Whatever it asks for at its start, a machine that runs has opened its share.
            (_, Some(Sealing::Passphrase | Sealing::DeviceAndPin | Sealing::SealedFile)) => Self::Passphrase,
        }
    }
}

impl Places {
    /// With as much told apart as fits.
    pub(super) fn fitting(
        terms: &Terms,
        seals: &BTreeMap<&PartyName, Sealed>,
        pieces: &BTreeSet<PartyName>,
        declared: &Declared,
        coordinator: &str,
        past: &Past<'_>,
    ) -> Self {
        let folded = |step| Self::folded(terms, (seals, pieces), declared, coordinator, past, step);
        let mut fitting = STEPS.into_iter().map(folded).filter(|places| places.atoms.len() <= ATOMS_MAX);
        fitting.next().unwrap_or_else(|| folded(LAST_STEP))
    }

    fn folded(
        terms: &Terms,
        (seals, pieces): (&BTreeMap<&PartyName, Sealed>, &BTreeSet<PartyName>),
        declared: &Declared,
        coordinator: &str,
        past: &Past<'_>,
        step: (Fold, Grain),
    ) -> Self {
        let mut draft = Draft::new(terms, declared, past, step);
        for card in &terms.parties {
            draft.party(card, seals.get(&card.party).copied());
        }
        draft.guardians(terms, pieces);
        draft.gone(past);
        let server = draft.names.next("server");
        draft.atoms.insert(server, Atom::party(coordinator));
        draft.holders.tokens(coordinator, &mut draft.names, &mut draft.atoms);
        draft.doubts(terms, declared, coordinator, past)
    }
}

/// Names of powers, which no atom may have.
const RESERVED: [&str; 7] = [MOVE, RULE, RECOVER, APPROVE, ASK, CONSENT, VETO];

/// A model in the making, as far as it is about places.
struct Draft<'a> {
    fold: Fold,
    grain: Grain,
    names: Names,
    holders: Holders<'a>,
    /// What nobody has declared of the nodes of an entity.
    open: Vec<(&'a EntityName, Rule)>,
    atoms: BTreeMap<String, Atom>,
    rules: Vec<Rule>,
    /// The devices' atoms, by party.
    devices: BTreeMap<String, String>,
    /// The device whose PIN needs no other name.
    first_device: Option<String>,
    /// The places of former parties, by their labels.
    gone: BTreeMap<String, String>,
    weak_secret: String,
    broken_token: String,
    /// Whether any share lies behind a token.
    tokens: bool,
    /// Whether any share opens by a guess.
    guesses: bool,
}

impl<'a> Draft<'a> {
    fn new(terms: &'a Terms, declared: &'a Declared, past: &Past<'_>, (fold, grain): (Fold, Grain)) -> Self {
        let gone = past.gone().map(|holder| holder.label.as_str());
        let parties = terms.parties.iter().map(|card| card.party.as_str()).chain(gone);
        let mut names = Names::taken(RESERVED.into_iter().chain(parties));
        Self {
            fold,
            grain,
            holders: Holders::new(terms, declared, fold >= Fold::Holdings),
            open: Vec::new(),
            atoms: BTreeMap::new(),
            rules: Vec::new(),
            devices: BTreeMap::new(),
            first_device: past.first_device.clone(),
            gone: BTreeMap::new(),
            weak_secret: names.next("weak-secret"),
            broken_token: names.next("broken-token"),
            tokens: false,
            guesses: false,
            names,
        }
    }

    /// The party's own atom, under its own name unless that is a power's.
    fn machine(&mut self, card: &Card) -> String {
        let name = self.own_name(card.party.as_str());
        self.atoms.insert(name.clone(), Atom::party(card.entity.as_str()));
        name
    }

    fn own_name(&mut self, party: &str) -> String {
        let reserved = RESERVED.contains(&party);
        if reserved { self.names.next(&format!("{party}-party")) } else { party.to_owned() }
    }

    fn object(&mut self, card: &Card, what: &str) -> String {
        let name = self.names.next(&format!("{}-{what}", card.party));
        self.atoms.insert(name.clone(), Atom::object(card.entity.as_str()));
        name
    }

    fn pin(&mut self, card: &Card) -> String {
        if self.first_device.as_deref() != Some(card.party.as_str()) {
            return self.object(card, "pin");
        }
        let name = self.names.next("pin");
        self.atoms.insert(name.clone(), Atom::object(card.entity.as_str()));
        name
    }

    fn party(&mut self, card: &'a Card, sealed: Option<Sealed>) {
        let party = card.party.as_str();
        let said = sealed.map_or(Evidence::Unknown, |sealed| sealed.evidence);
        let evidence = if self.holders.rests_on_word(card) { said.max(Evidence::Asserted) } else { said };
        let seal = Seal::of(card.kind, sealed);
        let machine = match seal {
            Seal::BareFile | Seal::File => self.object(card, "file"),
            _ => self.machine(card),
        };
        if card.kind == PartyKind::Device {
            self.devices.insert(party.to_owned(), machine.clone());
        }
        let opens = |draft: &mut Self, needs: Needs, because: String| {
            draft.rules.push(Rule::new(use_of(party), needs).because(because).evidence(evidence));
        };
        let alone = Needs::from(machine.as_str());
        let lock = match seal {
            Seal::Machine | Seal::BareFile => {
                let what = match seal {
                    Seal::BareFile => "its file alone may open",
                    _ => "whoever has it may have the share",
                };
                let because = format!("nothing that counts is stated about the share of `{party}`: {what}");
                opens(self, alone, because);
                None
            }
            Seal::KeyFile => {
                let folded = self.fold >= Fold::Disks;
                let (needs, note) = match folded {
                    true => (alone, " (not told apart)"),
                    false => (Needs::any([machine, self.object(card, "disk")]), ""),
                };
                let because = format!(
                    "the share of `{party}` lies under a key beside it: whoever has the machine, its disk or \
                     a backup{note} has it"
                );
                opens(self, needs, because);
                None
            }
            Seal::Passphrase => {
                let holds =
                    format!("`{party}` holds its share opened while it runs: whoever has the machine");
                if self.fold >= Fold::Disks {
                    let because = format!("{holds}, or its disk and passphrase (not told apart), has it");
                    opens(self, alone, because);
                    None
                } else {
                    opens(self, alone, format!("{holds} has it"));
                    let (disk, passphrase) = (self.object(card, "disk"), self.object(card, "passphrase"));
                    Some(Lock::new(disk, passphrase, ["the disk", "the operator's passphrase"]))
                }
            }
            Seal::Token(pin) => {
                let holds = format!("`{party}` may ask its token while it runs: whoever has the machine");
                if self.fold >= Fold::Disks {
                    opens(
                        self,
                        alone,
                        format!("{holds}, or its disk and token (not told apart), has its share"),
                    );
                    None
                } else {
                    opens(self, alone, format!("{holds} has its share"));
                    let (disk, token) = (self.object(card, "disk"), self.object(card, "token"));
                    let pin = (pin == PinSource::Entered).then(|| self.object(card, "pin"));
                    Some(Lock::token(disk, token, pin))
                }
            }
            Seal::Pin if self.fold >= Fold::Pins => {
                let because =
                    format!("the share of `{party}` opens with the device and the PIN (not told apart)");
                opens(self, alone, because);
                None
            }
            Seal::Pin => Some(Lock::new(machine, self.pin(card), ["the device", "the PIN"])),
            Seal::File if self.fold >= Fold::Passphrases => {
                let because =
                    format!("the share of `{party}` opens with the file and the passphrase (not told apart)");
                opens(self, alone, because);
                None
            }
            Seal::File => {
                let passphrase = self.object(card, "passphrase");
                Some(Lock::new(machine, passphrase, ["the file", "the passphrase"]))
            }
        };
        if let Some(lock) = &lock {
            self.lock(party, lock, evidence);
        }
        self.others(card, lock.as_ref());
    }
}
