//! Accounts that were made once, by the real key generation, and are cloned for every schedule: a schedule
//! begins with copies of their disks.

use std::sync::Arc;

use cohold_model::account::{Card, PartyKind};
use cohold_model::charter::Charter;
use cohold_model::{AccountId, Signed};
use cohold_mpc::PartyKeys;
use cohold_party::Rules;
use cohold_party::wire::ReshareOrder;
use cohold_vault::{SoftwareVault, Vault};
use tempfile::TempDir;

use super::coordinator::{Coordinator, Reshare};
use super::dice::Dice;
use super::disk::Disk;
use super::host::{Host, Person};
use super::operations::{Change, terms_of};
use super::world::{Flying, World};
use crate::account::{JOINS, RULES};

/// Who takes part: name, entity, kind. Those beyond the members wait outside.
type Cast = &'static [(&'static str, &'static str, PartyKind)];

const OUTSIDE: [(&str, &str, PartyKind); 2] =
    [("device-b", "ana", PartyKind::Device), ("guardian-b", "eve", PartyKind::Guardian)];
const TWO: Cast = &[("device", "ana", PartyKind::Device), ("cosigner", "acme", PartyKind::Cosigner)];
const THREE: Cast = &[
    ("device", "ana", PartyKind::Device),
    ("recovery", "ana", PartyKind::Recovery),
    ("cosigner", "acme", PartyKind::Cosigner),
];
const FIVE: Cast = &[
    ("device", "ana", PartyKind::Device),
    ("recovery", "ana", PartyKind::Recovery),
    ("cosigner", "acme", PartyKind::Cosigner),
    ("guardian", "bo", PartyKind::Guardian),
    ("guardian-c", "cy", PartyKind::Guardian),
];

/// Accounts of 2 of 2, 2 of 3 and 3 of 5.
pub struct Stock {
    templates: Vec<Template>,
    _vault: TempDir,
}

/// One account: as it was made, and in the middle of a resharing.
struct Template {
    members: usize,
    threshold: u8,
    people: Vec<Person>,
    account: AccountId,
    charter: Signed<Charter>,
    fresh: Vec<Disk>,
    midway: Option<Midway>,
}

/// A resharing of an account that went as far as it goes before anybody said so.
struct Midway {
    order: ReshareOrder,
    /// After the resharing was noted, and before its first message left.
    running: Vec<Disk>,
    /// After the new share was kept, and before the charter's signature left.
    prepared: Vec<Disk>,
}

impl Stock {
    /// Makes the accounts.
    #[must_use]
    pub fn make() -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let vault = SoftwareVault::key_file_create(&folder.path().join("vault.key"));
        let vault: Arc<dyn Vault> = Arc::new(vault.expect("a new key file"));
        let casts = [(TWO, 2), (THREE, 2), (FIVE, 3)];
        let templates = std::thread::scope(|scope| {
            let making = casts.map(|(cast, threshold)| {
                let vault = &vault;
                scope.spawn(move || Template::make(cast, threshold, vault))
            });
            making.map(|made| made.join().expect("an account is made")).into()
        });
        Self { templates, _vault: folder }
    }

    /// A world that begins with an account in force at all its parties.
    pub(super) fn in_force(&self, dice: &mut Dice, seed: u64) -> World {
        let template = self.any(dice);
        let coordinator = Coordinator::of(template.charter.clone());
        template.world(template.copies(&template.fresh), coordinator, seed)
    }

    /// A world that begins in the middle of a resharing, with everybody down: somebody's share for it may be
    /// kept already, and nobody has said so.
    pub(super) fn in_between(&self, dice: &mut Dice, seed: u64) -> World {
        let midways = self.templates.iter().filter_map(|it| Some((it, it.midway.as_ref()?)));
        let midways: Vec<(&Template, &Midway)> = midways.collect();
        let (template, midway) = dice.pick(&midways).expect("there are two");
        let mut coordinator = Coordinator::of(template.charter.clone());
        coordinator.reshares.push(Reshare::new(midway.order.clone()));
        // Nobody keeps a share before all have begun.
        let (early, late, of_late) = match dice.chance(800) {
            true => (&midway.running, &midway.prepared, 900),
            false => (&template.fresh, &midway.running, 500),
        };
        let disks = early.iter().zip(late);
        let disks = disks.map(|(early, late)| if dice.chance(of_late) { late } else { early });
        let disks = disks.map(Disk::copy).collect();
        let mut world = template.world(disks, coordinator, seed);
        world.watch.resharing(&midway.order.resharing.document);
        world
    }

    /// A world in which an account is about to be made: few parties, as that is what costs.
    pub(super) fn unmade(&self, seed: u64) -> World {
        let template = self.templates.first().expect("there are three");
        let disks = template.people.iter().map(|_| Disk::new()).collect();
        let mut world = template.world(disks, Coordinator::default(), seed);
        let members: Vec<usize> = (0..template.members).collect();
        world.create(&members, template.threshold);
        world
    }

    fn any(&self, dice: &mut Dice) -> &Template {
        // The largest is the dearest.
        let place = match dice.below(10) {
            0..=3 => 0,
            4..=8 => 1,
            _ => 2,
        };
        self.templates.get(place).expect("there are three")
    }
}

impl Template {
    fn make(cast: Cast, threshold: u8, vault: &Arc<dyn Vault>) -> Self {
        let people: Vec<Person> =
            (1..).zip(cast.iter().chain(&OUTSIDE)).map(|(i, who)| person(i, who, vault)).collect();
        let seed = u64::from(threshold) + 10 * u64::try_from(cast.len()).expect("few");
        let account = AccountId::random(&mut Dice::new(seed));
        let hosts: Vec<Host> = people.iter().map(|who| Host::new(who.clone(), Disk::new())).collect();
        let mut world = World::new(hosts, account, Coordinator::default(), seed);
        let all: Vec<usize> = (0..world.hosts.len()).collect();
        let members: Vec<usize> = (0..cast.len()).collect();
        all.iter().for_each(|i| world.start(*i).expect("nothing is broken"));
        world.create(&members, threshold);
        world.calm(|_| true);
        let charter = world.coordinator.charter.clone().expect("all signed");
        let fresh = disks(&world);
        // Of five parties it would take longer than all the rest.
        let midway = (cast.len() < 5).then(|| Midway::make(&mut world, &charter, &people));
        let members = cast.len();
        Self { members, threshold, people, account, charter, fresh, midway }
    }

    fn copies(&self, disks: &[Disk]) -> Vec<Disk> {
        disks.iter().map(Disk::copy).collect()
    }

    fn world(&self, disks: Vec<Disk>, coordinator: Coordinator, seed: u64) -> World {
        let people = self.people.iter().cloned().zip(disks);
        let hosts = people.map(|(person, disk)| Host::new(person, disk)).collect();
        let begun = coordinator.charter.clone();
        let mut world = World::new(hosts, self.account, coordinator, seed);
        if let Some(charter) = begun {
            world.watch.complete(&charter.document).expect("it is the first");
        }
        world
    }
}

impl Midway {
    /// Two of two get other shares; of three, one goes and another comes.
    fn make(world: &mut World, charter: &Signed<Charter>, people: &[Person]) -> Self {
        let mut terms = charter.document.terms.clone();
        if terms.parties.len() > 2 {
            let outside = people.last().expect("two wait outside").card.clone();
            *terms.parties.last_mut().expect("members") = outside;
            terms = terms_of(terms.account, terms.parties, terms.threshold);
        }
        world.reshare_to(charter, terms, Change::Replace);
        world.calm(|flying| matches!(flying, Flying::Order { .. }));
        let running = disks(world);
        // What they say is not heard: it is as if all went down before they could.
        world.calm(|flying| !matches!(flying, Flying::Answer { .. }));
        let prepared = disks(world);
        let order = world.coordinator.reshares.last().expect("it was proposed").order.clone();
        Self { order, running, prepared }
    }
}

fn disks(world: &World) -> Vec<Disk> {
    world.hosts.iter().map(|host| host.disk.copy()).collect()
}

fn person(i: u8, who: &(&str, &str, PartyKind), vault: &Arc<dyn Vault>) -> Person {
    let (party, entity, kind) = who;
    let keys = Arc::new(PartyKeys::from_seed(&[i; 32]));
    let parse = "a plain name";
    let card = Card {
        party: party.parse().expect(parse),
        entity: entity.parse().expect(parse),
        kind: *kind,
        identity: keys.identity(),
        seal: keys.seal_key(),
    };
    let rules = Rules::parse(&format!("{RULES}{JOINS}")).expect("the rules are read");
    Person { card, keys, rules, vault: Arc::clone(vault) }
}
