//! The rules by which presignatures may be used, as a model in which every order of events is tried: parties
//! crash, an old copy of one party's disk is put back at any time, and whatever was once said may arrive
//! again, late, or never.
//!
//! A presignature whose party releases its part for two messages gives that party's share of the key away.
//! So a party takes one out of its pool by value, and has its peer count it, durably, before its part leaves:
//!
//! 1. it takes number i out of its pool, for message m;
//! 2. its peer, whom a coordinator may tell any i and m, counts up to i + 1, never down, durably, and says
//!    *granted, i for m*;
//! 3. it releases its part for m, by the grant that names i and m.
//!
//! One party takes and the other counts. In the code each does both, by one order and in one transaction
//! (`crates/store/src/party/presign.rs`, `crates/mpc-cggmp/src/online.rs`), and neither of the two concerns the
//! other. The pool there is in memory only. Here an old copy brings it back all the same, as the snapshot of a
//! whole machine would: what stands in its way is the peer's count alone.

use stateright::{Checker as _, Model, Property};

const PARTIES: usize = 2;
/// The party that takes presignatures; the other one counts.
const TAKES: usize = 0;
const PRESIGNATURES: u8 = 2;
const MESSAGES: u8 = 2;

/// What is bent to see that the check finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rules {
    /// As they are.
    Kept,
    /// The presignature is deleted after its part was released.
    DeletesAfterUse,
    /// The peer grants whatever is asked, without counting.
    CountsNothing,
    /// The peer's count is only in its memory.
    CountsInMemory,
    /// The peer grants first and counts later.
    CountsLate,
    /// A grant names the presignature and no message.
    GrantsAnyMessage,
}

struct Pool {
    rules: Rules,
    /// How many of the parties may have an old copy put back, each as often as it likes.
    restored_max: usize,
}

/// What lies on a party's disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Disk {
    /// Bits: the presignatures that are left.
    pool: u8,
    /// From which number on the peer's are granted.
    counted: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Party {
    disk: Disk,
    copy: Option<Disk>,
    /// In memory: what it asked for and has not released yet.
    waits: Option<(u8, u8)>,
    /// In memory: what it is still to delete, where it deletes late.
    deletes: u8,
    /// In memory: what it is still to count, where it counts late.
    counts: u8,
    restored: bool,
    /// Bits of messages, by presignature: for which its part was ever released.
    released: [u8; PRESIGNATURES as usize],
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    parties: [Party; PARTIES],
    /// What was ever said, by whom it was said to; bits of pairs of presignature and message.
    granted: [u8; PARTIES],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Take(usize, u8, u8),
    Grant(usize, u8, u8),
    Count(usize),
    Release(usize),
    Delete(usize),
    Crash(usize),
    Copy(usize),
    PutBack(usize),
}

const fn pair(presignature: u8, message: u8) -> u8 {
    1 << (presignature * MESSAGES + message)
}

fn pairs() -> impl Iterator<Item = (u8, u8)> {
    (0..PRESIGNATURES).flat_map(|presignature| (0..MESSAGES).map(move |message| (presignature, message)))
}

impl Party {
    fn new(presignatures: u8) -> Self {
        let disk = Disk { pool: (1 << presignatures) - 1, counted: 0 };
        let (copy, waits, deletes, counts, restored, released) = Default::default();
        Self { disk, copy, waits, deletes, counts, restored, released }
    }

    /// What is only in memory is gone.
    fn crash(&mut self, rules: Rules) {
        (self.waits, self.deletes, self.counts) = Default::default();
        if rules == Rules::CountsInMemory {
            self.disk.counted = 0;
        }
    }
}

impl Pool {
    fn is_granted(&self, state: &State, party: usize, presignature: u8, message: u8) -> bool {
        let any = self.rules == Rules::GrantsAnyMessage;
        let fits =
            |said: u8| (any || said == message) && state.granted[party] & pair(presignature, said) != 0;
        (0..MESSAGES).any(fits)
    }
}

impl Model for Pool {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State { parties: [Party::new(PRESIGNATURES), Party::new(0)], granted: [0; PARTIES] }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let restored = state.parties.iter().filter(|party| party.restored).count();
        for (name, party) in state.parties.iter().enumerate() {
            let peer = &state.parties[1 - name];
            for (presignature, message) in pairs() {
                if party.waits.is_none() && party.disk.pool & 1 << presignature != 0 {
                    actions.push(Action::Take(name, presignature, message));
                }
                let fresh = self.rules == Rules::CountsNothing || peer.disk.counted <= presignature;
                if fresh {
                    actions.push(Action::Grant(name, presignature, message));
                }
            }
            if let Some((presignature, message)) = party.waits
                && self.is_granted(state, name, presignature, message)
            {
                actions.push(Action::Release(name));
            }
            if party.deletes != 0 {
                actions.push(Action::Delete(name));
            }
            if party.counts > party.disk.counted {
                actions.push(Action::Count(name));
            }
            if party.waits.is_some() || party.deletes != 0 || self.rules == Rules::CountsInMemory {
                actions.push(Action::Crash(name));
            }
            if party.copy.is_none() {
                actions.push(Action::Copy(name));
            }
            if party.copy.is_some() && (party.restored || restored < self.restored_max) {
                actions.push(Action::PutBack(name));
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Take(name, presignature, message) => {
                let party = &mut state.parties[name];
                party.waits = Some((presignature, message));
                if self.rules != Rules::DeletesAfterUse {
                    party.disk.pool &= !(1 << presignature);
                }
            }
            Action::Grant(name, presignature, message) => {
                let peer = &mut state.parties[1 - name];
                match self.rules {
                    Rules::CountsLate => peer.counts = peer.counts.max(presignature + 1),
                    _ => peer.disk.counted = peer.disk.counted.max(presignature + 1),
                }
                state.granted[name] |= pair(presignature, message);
            }
            Action::Count(name) => {
                let party = &mut state.parties[name];
                party.disk.counted = party.disk.counted.max(party.counts);
            }
            Action::Release(name) => {
                let party = &mut state.parties[name];
                let (presignature, message) = party.waits.take()?;
                party.released[usize::from(presignature)] |= 1 << message;
                party.deletes |= party.disk.pool & 1 << presignature;
            }
            Action::Delete(name) => {
                let party = &mut state.parties[name];
                party.disk.pool &= !party.deletes;
                party.deletes = 0;
            }
            Action::Crash(name) => state.parties[name].crash(self.rules),
            Action::Copy(name) => state.parties[name].copy = Some(state.parties[name].disk),
            Action::PutBack(name) => {
                let party = &mut state.parties[name];
                party.crash(self.rules);
                party.disk = party.copy?;
                party.restored = true;
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONCE, |_, state: &State| {
                let once = |messages: &u8| messages.count_ones() < 2;
                state.parties.iter().all(|party| party.released.iter().all(once))
            }),
            Property::sometimes("all are used", |_, state: &State| {
                state.parties[TAKES].released.iter().all(|messages| *messages != 0)
            }),
            Property::sometimes("a restored party goes on with the next", |_, state: &State| {
                let party = &state.parties[TAKES];
                party.restored && party.released.iter().all(|messages| *messages != 0)
            }),
        ]
    }
}

const ONCE: &str = "no presignature is used for two messages";

fn check(rules: Rules, restored_max: usize) -> impl stateright::Checker<Pool> {
    Pool { rules, restored_max }.checker().threads(2).spawn_bfs().join()
}

/// Whichever of the two parties has an old disk, as often as it likes.
#[test]
fn no_presignature_is_used_for_two_messages() {
    let checked = check(Rules::Kept, 1);
    checked.assert_properties();
    println!("{} states", checked.unique_state_count());
    assert!(checked.unique_state_count() > 1_000, "{}", checked.unique_state_count());
}

#[test]
fn each_rule_is_needed() {
    for rules in [
        Rules::DeletesAfterUse,
        Rules::CountsNothing,
        Rules::CountsInMemory,
        Rules::CountsLate,
        Rules::GrantsAnyMessage,
    ] {
        assert!(check(rules, 1).discovery(ONCE).is_some(), "{rules:?} breaks nothing");
    }
}

/// The limit of the rules: where the whole signing set goes back to old disks, nobody is left who counted. Who
/// restores all of them must drop their presignatures.
#[test]
fn old_disks_at_all_parties_are_beyond_these_rules() {
    assert!(check(Rules::Kept, 2).discovery(ONCE).is_some());
}
