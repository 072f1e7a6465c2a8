//! A difference in sentences: who can from now on, who could until now.

use super::gains::Gain;
use super::union::Side;
use super::{Change, Freeze, UserChange};
use crate::evaluate::Lists;
use crate::model::Model;
use crate::words::{self, Verb};

/// Both sides, in which a coalition and a power have their names.
pub(super) struct Told<'a> {
    pub(super) old: &'a Side<'a>,
    pub(super) new: &'a Side<'a>,
    pub(super) lists: &'a Lists<'a>,
    pub(super) user: u32,
}

impl Told<'_> {
    pub(super) fn gained(&self, gain: &Gain) -> Change {
        self.change(self.new, gain, |who, what| {
            let before = Self::instead(self.new, self.old, gain);
            format!("{who} can {what}; before, {before}.")
        })
    }

    pub(super) fn lost(&self, gain: &Gain) -> Change {
        self.change(self.old, gain, |who, what| {
            let after = Self::instead(self.old, self.new, gain);
            format!("{who} could {what}; from now on, {after}.")
        })
    }

    fn change(&self, side: &Side<'_>, gain: &Gain, say: impl FnOnce(&str, &str) -> String) -> Change {
        let coalition = self.lists.names(gain.coalition);
        let doubts = self.lists.names(gain.coalition & self.lists.doubts);
        let comma = if doubts.is_empty() { "" } else { "," };
        let who = format!("{}{comma}", words::coalition(side.model, &coalition, &doubts));
        Change {
            powers: names(side, &gain.powers),
            sentence: say(&who, &what(side, gain)),
            coalition,
            doubts,
            seconds: gain.seconds,
            other_seconds: gain.other_seconds,
            without_user: gain.coalition & self.user == 0,
        }
    }

    /// When, or how much less, the coalition has on the other side: "only after 2 days", "never".
    fn instead(one: &Side<'_>, other: &Side<'_>, gain: &Gain) -> String {
        match gain.other_seconds {
            Some(seconds) => format!("only {}", words::when(seconds)),
            None => less(one, other, gain).unwrap_or_else(|| "never".to_owned()),
        }
    }

    /// What becomes of the user's own powers: first what shrinks.
    pub(super) fn user_changes(&self, shrunk: &[Gain], grown: &[Gain]) -> Vec<UserChange> {
        let shrunk = shrunk.iter().map(|gain| {
            let who = alone(self.old.model);
            let after = Self::instead(self.old, self.new, gain);
            UserChange {
                powers: names(self.old, &gain.powers),
                shrinks: true,
                before: Some(gain.seconds),
                after: gain.other_seconds,
                sentence: format!("{who} could {}; from now on, {after}.", what(self.old, gain)),
            }
        });
        let grown = grown.iter().map(|gain| {
            let who = alone(self.new.model);
            let before = Self::instead(self.new, self.old, gain);
            UserChange {
                powers: names(self.new, &gain.powers),
                shrinks: false,
                before: gain.other_seconds,
                after: Some(gain.seconds),
                sentence: format!("{who} can {}; before, {before}.", what(self.new, gain)),
            }
        });
        shrunk.chain(grown).collect()
    }

    pub(super) fn freeze_gained(&self, set: u32) -> Freeze {
        let set = self.lists.names(set);
        let sentence = if set.is_empty() {
            "nobody at all can move the funds any more.".to_owned()
        } else {
            let who = words::coalition(self.new.model, &set, &[]);
            format!("{who} can freeze: without that, nobody can move the funds; before, others could.")
        };
        Freeze { set, sentence }
    }

    pub(super) fn freeze_lost(&self, set: u32) -> Freeze {
        let set = self.lists.names(set);
        let sentence = if set.is_empty() {
            "nobody at all could move the funds; from now on, somebody can.".to_owned()
        } else {
            let who = words::coalition(self.old.model, &set, &[]);
            format!("{who} could freeze; from now on, others can move the funds without that.")
        };
        Freeze { set, sentence }
    }
}

/// What the coalition has within limits on the other side, of the same asset where the power is a limit.
fn less(one: &Side<'_>, other: &Side<'_>, gain: &Gain) -> Option<String> {
    let power = *gain.powers.first()?;
    if power == 1 || power == 2 {
        return None;
    }
    let own = power.checked_sub(3).and_then(|limit| one.model.limits().iter().nth(limit));
    let reached = (3..).zip(other.model.limits()).filter_map(|(power, (name, limit))| {
        let seconds = other.reach.seconds(power, gain.coalition)?;
        let alike = own.is_none_or(|(_, own)| limit.asset == own.asset || limit.asset.is_none());
        alike.then_some((own.is_some_and(|(own, _)| own != name), name, limit, seconds))
    });
    let (_, name, limit, seconds) = reached.min_by_key(|(other, name, _, _)| (*other, *name))?;
    Some(format!("only within `{name}` ({}) {}", words::limit(limit), words::when(seconds)))
}

fn alone(model: &Model) -> String {
    format!("{} alone", words::users(model))
}

/// "move the funds after 2 days", "at once move within `a` and within `b`, together more than …".
fn what(side: &Side<'_>, gain: &Gain) -> String {
    let verbs: Vec<_> =
        names(side, &gain.powers).iter().map(|power| Verb::of(side.model, power).phrase()).collect();
    let together = if verbs.len() > 1 { ", which add up," } else { "" };
    format!("{}{together} {}", words::list(&verbs), words::when(gain.seconds))
}

fn names(side: &Side<'_>, powers: &[usize]) -> Vec<String> {
    powers.iter().filter_map(|power| side.program.powers.get(*power)).cloned().collect()
}
