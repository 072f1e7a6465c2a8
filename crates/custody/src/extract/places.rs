//! Where the shares lie: atoms, who opens which share, and the doubts.

use std::collections::BTreeMap;

use cohold_model::PartyName;
use cohold_model::account::{Card, PartyKind, Terms};
use cohold_model::statement::Sealing;

use super::names::Names;
use super::{APPROVE, ASK, ATOMS_MAX, use_of};
use crate::check::{MOVE, RECOVER, RULE};
use crate::model::{Atom, Evidence, Rule};
use crate::needs::Needs;
use crate::words;

/// How a share is sealed, and how that is known.
#[derive(Clone, Copy)]
pub(super) struct Sealed {
    pub(super) sealing: Sealing,
    pub(super) evidence: Evidence,
}

/// What is left out of the table, each step more than the one before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fold {
    Nothing,
    Disks,
    Pins,
    Passphrases,
}

/// All atoms, and the rules for `use:…`.
pub(super) struct Places {
    pub(super) atoms: BTreeMap<String, Atom>,
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
    /// With the machine and a PIN.
    Pin,
    /// With a file alone.
    BareFile,
    /// With a file and a passphrase.
    File,
}

impl Seal {
    fn of(kind: PartyKind, sealing: Option<Sealing>) -> Self {
        match (kind, sealing) {
            (PartyKind::Recovery, None) => Self::BareFile,
            (_, None) => Self::Machine,
            (_, Some(Sealing::KeyFile)) => Self::KeyFile,
            (PartyKind::Device | PartyKind::Recovery, Some(Sealing::DeviceAndPin)) => Self::Pin,
            (PartyKind::Recovery, Some(Sealing::SealedFile)) => Self::File,
            // Whatever it asks for at its start, a machine that runs has opened its share.
            (_, Some(Sealing::Passphrase | Sealing::DeviceAndPin | Sealing::SealedFile)) => Self::Passphrase,
        }
    }
}

impl Places {
    /// With as much told apart as fits.
    pub(super) fn fitting(terms: &Terms, seals: &BTreeMap<&PartyName, Sealed>, coordinator: &str) -> Self {
        let steps = [Fold::Nothing, Fold::Disks, Fold::Pins];
        let places = steps.into_iter().map(|fold| Self::folded(terms, seals, coordinator, fold));
        let mut fitting = places.filter(|places| places.atoms.len() <= ATOMS_MAX);
        fitting.next().unwrap_or_else(|| Self::folded(terms, seals, coordinator, Fold::Passphrases))
    }

    fn folded(terms: &Terms, seals: &BTreeMap<&PartyName, Sealed>, coordinator: &str, fold: Fold) -> Self {
        let mut draft = Draft::new(terms, fold);
        for card in &terms.parties {
            draft.party(card, seals.get(&card.party).copied());
        }
        let server = draft.names.next("server");
        draft.atoms.insert(server, Atom::party(coordinator));
        draft.doubts(terms, coordinator)
    }
}

/// Names of powers, which no atom may have.
const RESERVED: [&str; 5] = [MOVE, RULE, RECOVER, APPROVE, ASK];

/// A model in the making, as far as it is about places.
struct Draft {
    fold: Fold,
    names: Names,
    atoms: BTreeMap<String, Atom>,
    rules: Vec<Rule>,
    /// The devices' atoms, by party.
    devices: BTreeMap<String, String>,
    /// Whether there is one device, whose PIN needs no other name.
    one_device: bool,
    weak_secret: String,
    /// Whether any share opens by a guess.
    guesses: bool,
}

impl Draft {
    fn new(terms: &Terms, fold: Fold) -> Self {
        let parties = terms.parties.iter().map(|card| card.party.as_str());
        let mut names = Names::taken(RESERVED.into_iter().chain(parties));
        Self {
            fold,
            atoms: BTreeMap::new(),
            rules: Vec::new(),
            devices: BTreeMap::new(),
            one_device: terms.parties.iter().filter(|card| card.kind == PartyKind::Device).count() == 1,
            weak_secret: names.next("weak-secret"),
            guesses: false,
            names,
        }
    }

    /// The party's own atom, under its own name unless that is a power's.
    fn machine(&mut self, card: &Card) -> String {
        let party = card.party.as_str();
        let reserved = RESERVED.contains(&party);
        let name = if reserved { self.names.next(&format!("{party}-party")) } else { party.to_owned() };
        self.atoms.insert(name.clone(), Atom::party(card.entity.as_str()));
        name
    }

    fn object(&mut self, card: &Card, what: &str) -> String {
        let name = self.names.next(&format!("{}-{what}", card.party));
        self.atoms.insert(name.clone(), Atom::object(card.entity.as_str()));
        name
    }

    fn pin(&mut self, card: &Card) -> String {
        if !self.one_device || card.kind != PartyKind::Device {
            return self.object(card, "pin");
        }
        let name = self.names.next("pin");
        self.atoms.insert(name.clone(), Atom::object(card.entity.as_str()));
        name
    }

    fn party(&mut self, card: &Card, sealed: Option<Sealed>) {
        let party = card.party.as_str();
        let evidence = sealed.map_or(Evidence::Unknown, |sealed| sealed.evidence);
        let seal = Seal::of(card.kind, sealed.map(|sealed| sealed.sealing));
        let machine = match seal {
            Seal::BareFile | Seal::File => self.object(card, "file"),
            _ => self.machine(card),
        };
        if card.kind == PartyKind::Device {
            self.devices.insert(party.to_owned(), machine.clone());
        }
        let rule = |needs: Needs, because: String| {
            Rule::new(use_of(party), needs).because(because).evidence(evidence)
        };
        let alone = |because: String| vec![rule(machine.as_str().into(), because)];
        let weak = self.weak_secret.clone();
        let secured = |thing: &str, secret: String, [thing_said, secret_said]: [&str; 2]| {
            let opens = format!("the share of `{party}` opens with {thing_said} and {secret_said} together");
            let guess =
                format!("whoever has {thing_said} may try at leisure to guess {secret_said} of `{party}`");
            [
                rule(Needs::all([thing, secret.as_str()]), opens),
                rule(Needs::all([thing, weak.as_str()]), guess),
            ]
        };
        let rules = match seal {
            Seal::Machine => alone(format!(
                "nothing that counts is stated about the share of `{party}`: whoever has it may have the share"
            )),
            Seal::BareFile => alone(format!(
                "nothing that counts is stated about the share of `{party}`: its file alone may open"
            )),
            Seal::KeyFile if self.fold >= Fold::Disks => alone(format!(
                "the share of `{party}` lies under a key beside it: whoever has the machine, its disk or a \
                 backup (not told apart) has it"
            )),
            Seal::KeyFile => {
                let because = format!(
                    "the share of `{party}` lies under a key beside it: whoever has the machine, its disk or \
                     a backup has it"
                );
                let disk = self.object(card, "disk");
                vec![rule(Needs::any([machine, disk]), because)]
            }
            Seal::Passphrase if self.fold >= Fold::Disks => alone(format!(
                "`{party}` holds its share opened while it runs: whoever has the machine, or its disk and \
                 passphrase (not told apart), has it"
            )),
            Seal::Passphrase => {
                let mut rules = alone(format!(
                    "`{party}` holds its share opened while it runs: whoever has the machine has it"
                ));
                let (disk, passphrase) = (self.object(card, "disk"), self.object(card, "passphrase"));
                rules.extend(secured(&disk, passphrase, ["the disk", "the operator's passphrase"]));
                rules
            }
            Seal::Pin if self.fold >= Fold::Pins => {
                alone(format!("the share of `{party}` opens with the device and the PIN (not told apart)"))
            }
            Seal::Pin => {
                let pin = self.pin(card);
                secured(&machine, pin, ["the device", "the PIN"]).into()
            }
            Seal::File if self.fold >= Fold::Passphrases => alone(format!(
                "the share of `{party}` opens with the file and the passphrase (not told apart)"
            )),
            Seal::File => {
                let passphrase = self.object(card, "passphrase");
                secured(&machine, passphrase, ["the file", "the passphrase"]).into()
            }
        };
        // Alone a share has one rule; sealed it has one with the secret and one with a guess.
        self.guesses |= rules.len() > 1;
        self.rules.extend(rules);
    }

    fn doubts(mut self, terms: &Terms, coordinator: &str) -> Places {
        if self.guesses {
            let says = "a PIN or passphrase can be guessed";
            self.atoms.insert(self.weak_secret.clone(), Atom::doubt(says));
        }
        let hostile = self.hostile_program(coordinator);
        self.recovery_copy(terms, hostile);
        let engine_leak = self.names.next("engine-leak");
        let says = "the threshold engine (DKLs23, unaudited) leaks the other shares to a party";
        self.atoms.insert(engine_leak.clone(), Atom::doubt(says));
        Places { atoms: self.atoms, rules: self.rules, engine_leak }
    }

    /// What runs on the devices sees everything that they open.
    fn hostile_program(&mut self, coordinator: &str) -> Option<String> {
        let devices: Vec<_> = self.devices.keys().cloned().collect();
        if devices.is_empty() {
            return None;
        }
        let hostile = self.names.next("hostile-program");
        let says = format!("the program run on {} is hostile", words::list(&devices));
        self.atoms.insert(hostile.clone(), Atom::doubt(says).profits(coordinator));
        for device in devices {
            let because =
                format!("the program on `{device}` sees its PIN and its share, and signs in its name");
            self.doubted(&device, hostile.as_str().into(), because);
        }
        Some(hostile)
    }

    /// The device that makes an account also makes its recovery share.
    fn recovery_copy(&mut self, terms: &Terms, hostile: Option<String>) {
        let recoveries = terms.parties.iter().filter(|card| card.kind == PartyKind::Recovery);
        let recoveries: Vec<_> = recoveries.map(|card| card.party.to_string()).collect();
        if recoveries.is_empty() {
            return;
        }
        let copy = self.names.next("recovery-copy");
        let says = format!("a device kept a copy of what it made for {}", words::list(&recoveries));
        self.atoms.insert(copy.clone(), Atom::doubt(says));
        let makers: Vec<_> = self.devices.values().cloned().chain(hostile).collect();
        let needs = match makers.is_empty() {
            // Made on a machine that is no party: whoever has that one.
            true => Needs::from(copy),
            false => Needs::all([Needs::from(copy), Needs::any(makers)]),
        };
        for recovery in recoveries {
            let because = format!("share and key of `{recovery}` were made on a device");
            self.doubted(&recovery, needs.clone(), because);
        }
    }

    fn doubted(&mut self, party: &str, needs: Needs, because: String) {
        self.rules.push(Rule::new(use_of(party), needs).because(because).evidence(Evidence::Asserted));
    }
}
