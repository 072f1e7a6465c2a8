//! The rules by which an account goes from one charter to the next, as a model in which every order of
//! events is tried: whatever was durably said may reach anybody at any time, again, or never, which is
//! all that a hostile coordinator and any crash between "persist" and "send" can do.
//!
//! The model is of the rules, not of the code; `docs/adr/` names the code that keeps each of them.

use stateright::{Checker as _, Model, Property};

/// A, B, C hold the old shares, two of three; D and E are new.
const PARTIES: usize = 5;
const OLD: [usize; 3] = [0, 1, 2];
const THRESHOLD: usize = 2;

/// A resharing: who deals, and who holds a share afterwards. Both at two of three.
struct Resharing {
    dealers: [usize; 2],
    holders: [usize; 3],
}

/// What is bent to see that the check finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rules {
    /// As they are.
    Kept,
    /// A party signs or deals for a second successor without an abandonment of the first.
    SignsTwice,
    /// A party says that it abandons, without noting that it never signs.
    ForgetsRefusal,
    /// A party takes a charter into force once a quorum of its holders, not all, has signed.
    CommitsEarly,
    /// The old share is deleted when the new one is prepared.
    DeletesEarly,
}

struct Commit {
    rules: Rules,
    resharings: Vec<Resharing>,
    /// Whether one party may be lost for ever, at any time.
    loses_one: bool,
}

/// What each party has durably; bits are resharings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
struct Party {
    has_old: bool,
    dealt: u8,
    prepared: u8,
    signed: u8,
    refused: u8,
    in_force: Option<u8>,
    lost: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    parties: [Party; PARTIES],
    /// Abandonments that were said; with the rules kept, the refusals.
    abandoned: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Deal(usize, u8),
    Prepare(usize, u8),
    Sign(usize, u8),
    Refuse(usize, u8),
    TakeIntoForce(usize, u8),
    Lose(usize),
}

const fn bit(resharing: u8) -> u8 {
    1 << resharing
}

impl Commit {
    fn numbered(&self) -> impl Iterator<Item = (u8, &Resharing)> {
        (0_u8..).zip(&self.resharings)
    }

    /// Whether nothing that a party said binds it to another successor.
    fn is_free(&self, state: &State, party: &Party, resharing: u8) -> bool {
        let bound = (party.dealt | party.signed) & !bit(resharing);
        self.rules == Rules::SignsTwice || bound & !state.abandoned == 0
    }

    fn is_complete(&self, state: &State, resharing: u8, holders: &[usize]) -> bool {
        let signed = holders.iter().filter(|p| state.parties[**p].signed & bit(resharing) != 0).count();
        let needed = if self.rules == Rules::CommitsEarly { THRESHOLD } else { holders.len() };
        signed >= needed
    }
}

impl Model for Commit {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut parties = [Party::default(); PARTIES];
        for party in OLD {
            parties[party].has_old = true;
        }
        vec![State { parties, abandoned: 0 }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (number, resharing) in self.numbered() {
            let dealt = resharing.dealers.iter().all(|d| state.parties[*d].dealt & bit(number) != 0);
            let complete = self.is_complete(state, number, &resharing.holders);
            for (name, party) in state.parties.iter().enumerate().filter(|(_, party)| !party.lost) {
                let (deals, holds) = (resharing.dealers.contains(&name), resharing.holders.contains(&name));
                let waits = party.in_force.is_none();
                let said = |bits: u8| bits & bit(number) != 0;
                if deals && waits && party.has_old && !said(party.dealt) && self.is_free(state, party, number)
                {
                    actions.push(Action::Deal(name, number));
                }
                if holds && waits && dealt && !said(party.prepared | party.refused) {
                    actions.push(Action::Prepare(name, number));
                }
                let may_sign = said(party.prepared) && !said(party.signed | party.refused);
                if may_sign && waits && self.is_free(state, party, number) {
                    actions.push(Action::Sign(name, number));
                }
                if holds && waits && !said(party.signed | party.refused) {
                    actions.push(Action::Refuse(name, number));
                }
                if waits && complete && dealt && (party.has_old || holds) {
                    actions.push(Action::TakeIntoForce(name, number));
                }
            }
        }
        if self.loses_one && state.parties.iter().all(|party| !party.lost) {
            actions.extend((0..PARTIES).map(Action::Lose));
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Deal(name, number) => state.parties[name].dealt |= bit(number),
            Action::Prepare(name, number) => {
                state.parties[name].prepared |= bit(number);
                if self.rules == Rules::DeletesEarly {
                    state.parties[name].has_old = false;
                }
            }
            Action::Sign(name, number) => state.parties[name].signed |= bit(number),
            Action::Refuse(name, number) => {
                let party = &mut state.parties[name];
                party.prepared &= !bit(number);
                if self.rules != Rules::ForgetsRefusal {
                    party.refused |= bit(number);
                }
                state.abandoned |= bit(number);
            }
            Action::TakeIntoForce(name, number) => {
                let party = &mut state.parties[name];
                (party.in_force, party.has_old) = (Some(number), false);
                party.prepared &= bit(number);
            }
            Action::Lose(name) => state.parties[name].lost = true,
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("one successor", |_, state: &State| {
                let mut taken: Vec<_> = state.parties.iter().filter_map(|party| party.in_force).collect();
                taken.dedup();
                taken.len() < 2
            }),
            Property::always("a quorum can sign, of one epoch", |model: &Self, state: &State| {
                let alive = |names: &[usize], has: &dyn Fn(&Party) -> bool| {
                    names.iter().map(|name| &state.parties[*name]).filter(|p| !p.lost && has(p)).count()
                };
                let old = alive(&OLD, &|party| party.has_old);
                let new = model.numbered().any(|(number, resharing)| {
                    let complete = model.is_complete(state, number, &resharing.holders);
                    complete
                        && alive(&resharing.holders, &|party| party.prepared & bit(number) != 0) >= THRESHOLD
                });
                old >= THRESHOLD || new
            }),
            Property::sometimes("the first comes into force everywhere", |model: &Self, state: &State| {
                model.resharings[0].holders.iter().all(|name| state.parties[*name].in_force == Some(0))
            }),
            Property::sometimes("the second, after the first was given up", |model: &Self, state: &State| {
                let first = state.abandoned & bit(0) != 0;
                let dealt = state.parties.iter().filter(|party| party.dealt & bit(0) != 0).count() == 2;
                let second = &model.resharings[1];
                first && dealt && second.holders.iter().all(|name| state.parties[*name].in_force == Some(1))
            }),
        ]
    }
}

/// Two resharings of one charter, by dealers that have one party in common, as any two quorums of two of
/// three have: to the same machines but one, and to others.
fn resharings() -> Vec<Resharing> {
    vec![Resharing { dealers: [0, 1], holders: [0, 1, 3] }, Resharing { dealers: [0, 2], holders: [2, 3, 4] }]
}

fn check(rules: Rules, loses_one: bool) -> impl stateright::Checker<Commit> {
    Commit { rules, resharings: resharings(), loses_one }.checker().threads(2).spawn_bfs().join()
}

#[test]
fn no_order_of_events_splits_an_account_or_loses_it() {
    for loses_one in [false, true] {
        let checked = check(Rules::Kept, loses_one);
        checked.assert_properties();
        println!("{} states", checked.unique_state_count());
        assert!(checked.unique_state_count() > 1_000, "{}", checked.unique_state_count());
    }
}

/// Dealers that nobody has in common, and new parties that nobody has in common: the dealers' own words
/// must keep the two apart.
#[test]
fn disjoint_successors_are_kept_apart_by_their_dealers() {
    let resharings = vec![
        Resharing { dealers: [0, 1], holders: [0, 1, 3] },
        Resharing { dealers: [1, 2], holders: [2, 4, 4] },
    ];
    let model = Commit { rules: Rules::Kept, resharings, loses_one: false };
    let checked = model.checker().threads(2).spawn_bfs().join();
    checked.assert_no_discovery("one successor");
}

#[test]
fn each_rule_is_needed() {
    let broken = [
        (Rules::SignsTwice, "one successor"),
        (Rules::ForgetsRefusal, "one successor"),
        (Rules::CommitsEarly, "a quorum can sign, of one epoch"),
        (Rules::DeletesEarly, "a quorum can sign, of one epoch"),
    ];
    for (rules, property) in broken {
        let found = check(rules, true).discovery(property);
        assert!(found.is_some(), "{rules:?} breaks nothing");
    }
}
