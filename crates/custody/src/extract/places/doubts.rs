//! What cannot be proved of the places where shares lie.

use cohold_model::account::{PartyKind, Terms};

use super::{Draft, Places};
use crate::declared::{Declared, Program};
use crate::extract::past::Past;
use crate::extract::use_of;
use crate::model::{Atom, Evidence, Rule};
use crate::needs::Needs;
use crate::words;

impl Draft<'_> {
    pub(super) fn doubts(
        mut self,
        terms: &Terms,
        declared: &Declared,
        coordinator: &str,
        past: &Past<'_>,
    ) -> Places {
        self.close(terms, coordinator);
        if self.guesses {
            let says = "a PIN or passphrase can be guessed";
            self.atoms.insert(self.weak_secret.clone(), Atom::doubt(says));
        }
        if self.tokens {
            let says = "a hardware token is broken: its maker or firmware gives its key away";
            self.atoms.insert(self.broken_token.clone(), Atom::doubt(says));
        }
        let hostile = self.hostile_program(terms, declared, coordinator, past);
        self.recovery_copy(terms, hostile.as_deref(), past);
        self.past(past, hostile.as_deref());
        let engine_leak = self.names.next("engine-leak");
        self.atoms.insert(engine_leak.clone(), Atom::doubt(past.engine_leak()));
        let strangers = self.holders.strangers;
        Places { atoms: self.atoms, strangers, rules: self.rules, engine_leak }
    }

    /// What runs on the devices sees everything that they open.
    fn hostile_program(
        &mut self,
        terms: &Terms,
        declared: &Declared,
        coordinator: &str,
        past: &Past<'_>,
    ) -> Option<String> {
        let devices: Vec<_> = self.devices.keys().cloned().collect();
        if devices.is_empty() {
            return None;
        }
        let hostile = self.names.next("hostile-program");
        // By their present names: it is the same program that runs on whatever takes a device's place.
        let on = words::list(&devices.iter().map(|label| past.called(label)).collect::<Vec<_>>());
        let (says, profits) = match &declared.program {
            None => (format!("the program run on {on} is hostile"), coordinator),
            Some(Program { entity, delivery }) => {
                if !terms.entities.contains_key(entity) && entity.as_str() != coordinator {
                    self.holders.strangers.entry(entity.to_string()).or_insert("developer");
                }
                let how = delivery.words();
                (format!("the program run on {on}, made by {entity} and {how}, is hostile"), entity.as_str())
            }
        };
        self.atoms.insert(hostile.clone(), Atom::doubt(says).profits(profits));
        for device in devices {
            let because =
                format!("the program on `{device}` sees its PIN and its share, and signs in its name");
            self.doubted(&device, hostile.as_str().into(), because);
        }
        Some(hostile)
    }

    /// The device that makes an account also makes its recovery share; so does one that was a party then.
    fn recovery_copy(&mut self, terms: &Terms, hostile: Option<&str>, past: &Past<'_>) {
        let recoveries = terms.parties.iter().filter(|card| card.kind == PartyKind::Recovery);
        let recoveries: Vec<_> = recoveries.map(|card| card.party.to_string()).collect();
        if recoveries.is_empty() {
            return;
        }
        let copy = self.names.next("recovery-copy");
        let called: Vec<_> = recoveries.iter().map(|label| past.called(label)).collect();
        let says = format!("a device kept a copy of what it made for {}", words::list(&called));
        self.atoms.insert(copy.clone(), Atom::doubt(says));
        let present = self.devices.values().cloned().chain(hostile.map(str::to_owned));
        let present: Vec<_> = present.collect();
        for recovery in recoveries {
            let before = past.devices_before(&recovery).map(|label| self.gone.get(label).cloned());
            let makers: Option<Vec<_>> = present.iter().cloned().map(Some).chain(before).collect();
            let needs = match makers.filter(|makers| !makers.is_empty()) {
                // Made on a machine that is no party, or is not told apart: whoever has that one.
                None => Needs::from(copy.as_str()),
                Some(makers) => Needs::all([Needs::from(copy.as_str()), Needs::any(makers)]),
            };
            let because = format!("share and key of `{recovery}` were made on a device");
            self.doubted(&recovery, needs, because);
        }
    }

    fn doubted(&mut self, party: &str, needs: Needs, because: String) {
        self.rules.push(Rule::new(use_of(party), needs).because(because).evidence(Evidence::Asserted));
    }
}
