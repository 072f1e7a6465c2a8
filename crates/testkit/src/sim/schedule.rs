//! A schedule: what is tried, in which order, in which weather; all from one seed.

use cohold_model::{Document as _, PartyIndex, Signed};

use super::dice::Dice;
use super::host::Bug;
use super::operations::Change;
use super::stock::Stock;
use super::watch::{Invariant, Violation};
use super::world::{Fate, Flying, World};

/// Where a schedule begins and how far it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// An account in force; resharings go no further than their sub-shares.
    Payments,
    /// The middle of a resharing, with shares for it kept or not.
    Between,
    /// An account in force; resharings go all the way.
    Whole,
    /// No account yet.
    Creation,
}

/// How many things happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Steps.
    pub steps: u64,
    /// Signatures that reached the coordinator.
    pub signatures: u64,
    /// Charters after the first that all signed.
    pub charters: u64,
    /// Resharings that were given up.
    pub abandoned: u64,
    /// Hosts that went down.
    pub cuts: u64,
    /// Old copies that were put back.
    pub restores: u64,
    /// Hosts that were lost for good.
    pub losses: u64,
    /// Bans on disks in the end.
    pub bans: u64,
    /// Schedules in which those who held the shares signed in the end.
    pub signed_in_the_end: u64,
}

impl Counts {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            steps: self.steps + other.steps,
            signatures: self.signatures + other.signatures,
            charters: self.charters + other.charters,
            abandoned: self.abandoned + other.abandoned,
            cuts: self.cuts + other.cuts,
            restores: self.restores + other.restores,
            losses: self.losses + other.losses,
            bans: self.bans + other.bans,
            signed_in_the_end: self.signed_in_the_end + other.signed_in_the_end,
        }
    }
}

/// What came of a schedule.
#[derive(Debug)]
pub struct Report {
    /// The steps, in words.
    pub log: Vec<String>,
    /// How many things happened.
    pub counts: Counts,
    /// What was broken, if anything was.
    pub violation: Option<Violation>,
}

/// How bad it is, in thousandths.
struct Weather {
    loss: u16,
    repeat: u16,
    cut: u16,
    reorder: u16,
}

/// Plays one schedule; `depth` and `bug` where a test says so.
#[must_use]
pub fn run(stock: &Stock, seed: u64, depth: Option<Depth>, bug: Option<Bug>) -> Report {
    let mut dice = Dice::new(seed ^ 0x5c4e_d01e);
    let depth = depth.unwrap_or_else(|| any_depth(&mut dice));
    let mut world = match depth {
        Depth::Payments | Depth::Whole => stock.in_force(&mut dice, seed),
        Depth::Between => stock.in_between(&mut dice, seed),
        Depth::Creation => stock.unmade(seed),
    };
    for host in &mut world.hosts {
        host.bug = bug;
        host.shallow = depth != Depth::Whole;
    }
    world.note(format!("seed {seed}, {depth:?}"));
    let weather = Weather {
        loss: [0, 30, 150].map(|most| dice.below(most + 1)).map(thousandths)[dice.below(3)],
        repeat: thousandths(dice.below(151)),
        cut: [0, 8, 25].map(thousandths)[dice.below(3)],
        reorder: [0, 300, 900].map(thousandths)[dice.below(3)],
    };
    let steps = if depth == Depth::Whole { 150 + dice.below(250) } else { 60 + dice.below(140) };
    let violation = world.play(steps, &weather).err();
    Report { counts: world.counts(), log: world.log, violation }
}

fn thousandths(number: usize) -> u16 {
    u16::try_from(number).expect("below a thousand")
}

/// What is dear is rare: a resharing to the end costs as much as a key generation.
fn any_depth(dice: &mut Dice) -> Depth {
    match dice.below(100) {
        0..=2 => Depth::Whole,
        3 => Depth::Creation,
        4..=45 => Depth::Between,
        _ => Depth::Payments,
    }
}

impl World {
    fn play(&mut self, steps: usize, weather: &Weather) -> Result<(), Violation> {
        for i in 0..self.hosts.len() {
            self.start(i)?;
        }
        if self.coordinator.charter.is_some() {
            self.watch.begin()?;
        }
        for _ in 0..steps {
            if self.dice.chance(750) && !self.flying.is_empty() {
                self.carry(weather)?;
            } else {
                self.happen()?;
            }
        }
        self.settle()?;
        self.sign_in_the_end()
    }

    /// One thing that is under way arrives, or is lost, or arrives and stays under way.
    fn carry(&mut self, weather: &Weather) -> Result<(), Violation> {
        let any = self.dice.chance(weather.reorder);
        let place = if any { self.dice.below(self.flying.len()) } else { 0 };
        let what = self.flying.remove(place);
        if !self.passes(&what) || self.dice.chance(weather.loss) {
            return Ok(());
        }
        if self.dice.chance(weather.repeat) {
            self.flying.push(what.clone());
        }
        let cut = self.dice.chance(weather.cut) && !matches!(what, Flying::Answer { .. });
        let fate = if cut { Fate::CutAfter(self.dice.below(3)) } else { Fate::Leaves };
        self.deliver(what, fate)
    }

    /// Something that nobody sent.
    fn happen(&mut self) -> Result<(), Violation> {
        let i = self.dice.below(self.hosts.len());
        let down: Vec<usize> = (0..self.hosts.len())
            .filter(|i| self.hosts.get(*i).is_some_and(|host| !host.is_up()))
            .filter(|i| !self.watch.lost.contains(i))
            .collect();
        match self.dice.below(100) {
            0..=11 => self.pay_somehow(),
            12..=16 => self.pay_again(),
            24..=26 => self.reshare_somehow(),
            27..=28 => self.cancel(self.coordinator.reshares.len().saturating_sub(1)),
            29..=34 => self.repeat(),
            35..=38 => self.hand_out(),
            39..=40 => self.show_abandoned(),
            41..=44 => self.back_up(i),
            45..=47 => return self.restore(),
            48 => self.lose(i),
            49..=50 => self.part(),
            51..=54 => {
                self.pay_somehow();
                self.lie();
            }
            55..=57 => self.cut(i),
            58..=70 => {
                if let Some(i) = self.dice.pick(&down) {
                    return self.start(i);
                }
            }
            17..=23 | 71..=90 => return self.act(i, Fate::Leaves, |host, _, _| host.resend()),
            91..=93 => {
                let open = self.hosts.get(i).map(super::host::Host::open_runs).unwrap_or_default();
                if let Some(session) = self.dice.pick(&open) {
                    self.note(format!("{} waits no longer for a session", self.name(i)));
                    return self.act(i, Fate::Leaves, |host, now, _| host.time_out(session, now));
                }
            }
            94..=95 => return self.act(i, Fate::Leaves, |host, _, _| host.hello()),
            _ => self.now += u64::try_from(self.dice.below(600)).expect("small"),
        }
        Ok(())
    }

    fn pay_somehow(&mut self) {
        let Some(charter) = self.coordinator.charter.clone() else { return };
        // Now and then under a charter that is gone.
        let past: Vec<_> = self.coordinator.reshares.iter().map(|it| it.order.charter.clone()).collect();
        let place = self.dice.below(past.len());
        let charter = match past.get(place) {
            Some(past) if self.dice.chance(250) => past.clone(),
            _ => charter,
        };
        let all: Vec<PartyIndex> = charter.document.terms.indexed().map(|(index, _)| index).collect();
        let signers = self.dice.some(&all, usize::from(charter.document.terms.threshold));
        self.pay(&charter, &signers);
    }

    fn reshare_somehow(&mut self) {
        let lost = self.coordinator.charter.as_ref().is_some_and(|charter| {
            self.places(&charter.document).iter().any(|i| self.watch.lost.contains(i))
        });
        let change = match self.dice.below(10) {
            _ if lost => Change::Replace,
            0..=3 => Change::Refresh,
            4..=6 => Change::Replace,
            7 => Change::Drop,
            8 => Change::Join,
            _ => Change::Threshold,
        };
        self.reshare(change);
    }

    /// The coordinator says again what it once said, to whom it said it.
    fn repeat(&mut self) {
        let place = self.dice.below(self.said.len());
        let Some((to, words)) = self.said.get(place).cloned() else { return };
        if let Some(to) = self.place(&to) {
            self.flying.push(Flying::Order { to, words: Box::new(words) });
        }
    }

    /// Delivers whatever is under way and wanted, in order, until nothing is; the rest is lost.
    pub(super) fn calm(&mut self, wanted: impl Fn(&Flying) -> bool) {
        self.try_calm(wanted).expect("nothing is broken while all is calm");
    }

    fn try_calm(&mut self, wanted: impl Fn(&Flying) -> bool) -> Result<(), Violation> {
        while let Some(place) = self.flying.iter().position(&wanted) {
            let what = self.flying.remove(place);
            self.deliver(what, Fate::Leaves)?;
        }
        Ok(())
    }

    /// The weather clears: everybody is up, everything arrives, what cannot end is given up.
    fn settle(&mut self) -> Result<(), Violation> {
        self.note("the weather clears".into());
        self.sides.fill(0);
        for round in 0..4 {
            for i in 0..self.hosts.len() {
                self.start(i)?;
                self.act(i, Fate::Leaves, |host, _, _| host.hello())?;
                self.act(i, Fate::Leaves, |host, _, _| host.resend())?;
            }
            self.try_calm(|_| true)?;
            self.hand_out();
            self.show_abandoned();
            self.try_calm(|_| true)?;
            if round > 0 {
                self.end_what_is_open()?;
            }
        }
        Ok(())
    }

    fn end_what_is_open(&mut self) -> Result<(), Violation> {
        for i in 0..self.hosts.len() {
            for session in self.hosts.get(i).map(super::host::Host::open_runs).unwrap_or_default() {
                self.act(i, Fate::Leaves, |host, now, _| host.time_out(session, now))?;
            }
        }
        let open: Vec<usize> = self
            .coordinator
            .reshares
            .iter()
            .enumerate()
            .filter(|(_, reshare)| reshare.is_open())
            .map(|(place, _)| place)
            .collect();
        open.into_iter().for_each(|place| self.cancel(place));
        self.try_calm(|_| true)
    }

    /// Those who hold the shares sign, unless bans leave too few of them.
    fn sign_in_the_end(&mut self) -> Result<(), Violation> {
        let Some((charter, holders)) = self.watch.quorum() else { return Ok(()) };
        let digest = charter.digest();
        let reshares = &self.coordinator.reshares;
        let mut known = reshares.iter().map(|it| &it.order.charter).chain(&self.coordinator.charter);
        let Some(signed) = known.rfind(|known| known.document == *charter).cloned() else {
            return Ok(());
        };
        let able: Vec<usize> = holders
            .into_iter()
            .filter(|i| self.watch.views.get(*i).is_some_and(|view| view.digest == Some(digest)))
            .collect();
        let Some(signers) = self.friends(&signed, &able) else { return Ok(()) };
        if !self.is_approved(&signed) {
            return Ok(());
        }
        self.note("in the end".into());
        self.pay(&signed, &signers);
        self.try_calm(|_| true)?;
        match self.coordinator.asked.last().is_some_and(|asked| asked.signature.is_some()) {
            true => Ok(()),
            false => Err(Violation {
                invariant: Invariant::SignsInTheEnd,
                detail: format!("{} hold shares of version {}", able.len(), charter.version),
            }),
        }
    }

    /// A threshold of these none of whom has banned another.
    fn friends(&self, charter: &Signed<cohold_model::Charter>, able: &[usize]) -> Option<Vec<PartyIndex>> {
        let identity = |i: usize| self.hosts.get(i).map(|host| host.card.identity);
        let bans =
            |i: usize, other: usize| self.watch.views.get(i).is_some_and(|view| view.banned.contains(&other));
        let threshold = u32::from(charter.document.terms.threshold);
        let groups = (0_u32..1 << able.len()).filter(|group| group.count_ones() == threshold);
        let members = |group: u32| -> Vec<usize> {
            able.iter().enumerate().filter(|(place, _)| group >> place & 1 == 1).map(|(_, i)| *i).collect()
        };
        let peace = |members: &Vec<usize>| members.iter().all(|i| members.iter().all(|j| !bans(*i, *j)));
        let members = groups.map(members).find(peace)?;
        let point = |i: &usize| Some(charter.document.terms.party_by_identity(&identity(*i)?)?.0);
        let mut points: Vec<PartyIndex> = members.iter().filter_map(point).collect();
        points.sort();
        Some(points)
    }

    /// Whether anybody who may approve is left.
    fn is_approved(&self, charter: &Signed<cohold_model::Charter>) -> bool {
        let terms = &charter.document.terms;
        terms
            .approvers
            .iter()
            .filter_map(|name| terms.party(name))
            .any(|(_, card)| self.place(&card.identity).is_some_and(|i| !self.watch.lost.contains(&i)))
    }

    fn counts(&self) -> Counts {
        let logged = |what: &str| self.log.iter().filter(|line| line.contains(what)).count();
        let count = |number: usize| u64::try_from(number).expect("few");
        Counts {
            steps: count(self.log.len()),
            signatures: count(self.coordinator.asked.iter().filter(|it| it.signature.is_some()).count()),
            charters: count(self.coordinator.reshares.iter().filter(|it| it.complete.is_some()).count()),
            abandoned: count(self.coordinator.reshares.iter().filter(|it| !it.abandoned.is_empty()).count()),
            cuts: count(logged(" goes down")),
            restores: count(logged("is put back at")),
            losses: count(self.watch.lost.len()),
            bans: count(self.watch.views.iter().map(|view| view.banned.len()).sum()),
            signed_in_the_end: count(logged("in the end").min(usize::from(
                self.coordinator.asked.last().is_some_and(|asked| asked.signature.is_some()),
            ))),
        }
    }
}
