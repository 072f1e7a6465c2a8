//! What goes wrong: hosts that go down, old copies of disks, a network in two, parties that lie.

use cohold_model::{PartyIndex, SessionId};

use super::disk::Disk;
use super::watch::Violation;
use super::world::{Fate, Liar, World};
use crate::reseal::TwoFaced;

impl World {
    /// Ends a host, wherever it is.
    pub(super) fn cut(&mut self, i: usize) {
        let name = self.name(i);
        if let Some(host) = self.hosts.get_mut(i).filter(|host| host.is_up()) {
            host.cut();
            self.note(format!("{name} goes down"));
        }
    }

    /// Starts a host from its disk.
    pub(super) fn start(&mut self, i: usize) -> Result<(), Violation> {
        let down = self.hosts.get(i).is_some_and(|host| !host.is_up());
        if !down || self.watch.lost.contains(&i) {
            return Ok(());
        }
        self.note(format!("{} starts", self.name(i)));
        self.act(i, Fate::Leaves, |host, _, _| host.start())
    }

    /// Copies a host's disk.
    pub(super) fn back_up(&mut self, i: usize) {
        if let Some(host) = self.hosts.get(i) {
            let copy = host.disk.copy();
            self.note(format!("{} is backed up", self.name(i)));
            self.backups.push((i, copy));
        }
    }

    /// Puts an old copy back on a host's disk, where the account can do without that host.
    pub(super) fn restore(&mut self) -> Result<(), Violation> {
        let places: Vec<usize> = (0..self.backups.len()).collect();
        let Some((i, copy)) = self.dice.pick(&places).and_then(|place| self.backups.get(place)).cloned()
        else {
            return Ok(());
        };
        if !self.is_dispensable(i) || self.watch.lost.contains(&i) {
            return Ok(());
        }
        self.cut(i);
        let again: Disk = copy.copy();
        let Some(host) = self.hosts.get_mut(i) else { return Ok(()) };
        host.disk = again;
        self.note(format!("an old copy is put back at {}", self.name(i)));
        if let Some(life) = self.watch.lives.get_mut(i) {
            *life += 1;
        }
        self.behind.insert(i);
        self.start(i)
    }

    /// A host is gone for good, where the account can do without it.
    pub(super) fn lose(&mut self, i: usize) {
        if self.is_dispensable(i) && !self.watch.lost.contains(&i) {
            self.cut(i);
            self.note(format!("{} is lost", self.name(i)));
            self.watch.lost.insert(i);
        }
    }

    /// Whether every charter that is in force or may come has a threshold of parties without this one, and
    /// without those that are gone or have an old disk.
    fn is_dispensable(&self, i: usize) -> bool {
        let remains = |terms: &cohold_model::account::Terms| {
            let sound = terms.parties.iter().filter_map(|card| self.place(&card.identity));
            let sound = sound.filter(|j| *j != i && !self.watch.lost.contains(j) && !self.behind.contains(j));
            sound.count() >= usize::from(terms.threshold)
        };
        let in_force = self.watch.views.iter().filter_map(|view| view.in_force.as_ref());
        let newest = self.coordinator.charter.iter().map(|charter| &charter.document.terms);
        let open = self.coordinator.reshares.iter().map(|reshare| &reshare.order.resharing.document.terms);
        in_force.map(|charter| &charter.terms).chain(newest).chain(open).all(remains)
    }

    /// Cuts the network in two, or joins it.
    pub(super) fn part(&mut self) {
        if self.sides.iter().any(|side| *side != 0) {
            self.sides.fill(0);
            return self.note("the network is whole".into());
        }
        let sides: Vec<u8> = self.hosts.iter().map(|_| u8::from(self.dice.chance(400))).collect();
        let cut_off: Vec<String> =
            sides.iter().enumerate().filter(|(_, side)| **side != 0).map(|(i, _)| self.name(i)).collect();
        self.sides = sides;
        self.note(format!("cut off from the others: {}", cut_off.join(", ")));
    }

    /// One signer of the newest order lies in it.
    pub(super) fn lie(&mut self) {
        let Some(asked) = self.coordinator.asked.last().cloned() else { return };
        let Some(liar) = self.dice.pick(&asked.order.signers) else { return };
        self.lie_in(asked.session, &asked.charter.document, liar);
    }

    pub(super) fn lie_in(&mut self, session: SessionId, charter: &cohold_model::Charter, liar: PartyIndex) {
        let places = self.places(charter);
        let Some(card) = charter.terms.party_at(liar) else { return };
        let Some(from) = self.place(&card.identity) else { return };
        // Once it has spoken truly, another tongue is only noise.
        if self.watch.has_sent(session, from) {
            return;
        }
        let keys: Vec<_> =
            places.iter().filter_map(|i| self.hosts.get(*i)).map(|h| h.keys.as_ref()).collect();
        let face = TwoFaced::at(&charter.terms, charter.epoch, session, liar, &keys);
        self.note(format!("{} is going to lie in order {}", self.name(from), self.coordinator.asked.len()));
        self.liars.push(Liar { session, from, face });
    }
}
