//! Words for people: durations, lists, names with their owners, lines that fit.

use std::collections::BTreeMap;

use crate::model::{Kind, Limit, Model};

/// The widest line that is printed.
pub(crate) const COLUMNS: usize = 100;
/// Lines that are printed of one list; the rest is in the JSON.
const SETS_SHOWN: usize = 12;

/// "at once", "after 2 days", "after 1 hour 30 minutes".
pub(crate) fn when(seconds: u64) -> String {
    if seconds == 0 { "at once".to_owned() } else { format!("after {}", duration(seconds)) }
}

/// The exact time in the units that are not zero.
pub(crate) fn duration(seconds: u64) -> String {
    let units = [
        (seconds / 86_400, "day"),
        (seconds / 3_600 % 24, "hour"),
        (seconds / 60 % 60, "minute"),
        (seconds % 60, "second"),
    ];
    let parts = units.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| plural(*count, unit));
    let parts: Vec<_> = parts.collect();
    if parts.is_empty() { plural(0, "second") } else { parts.join(" ") }
}

fn plural(count: u64, unit: &str) -> String {
    if count == 1 { format!("1 {unit}") } else { format!("{count} {unit}s") }
}

/// "a", "a and b", "a, b and c".
pub(crate) fn list(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [word] => word.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// A limit as a clause: "at most 500 USDC in 1 day, only to merchants". What knows no bounds is shouted.
pub(crate) fn limit(limit: &Limit) -> String {
    let mut clause = match (&limit.amount, &limit.asset) {
        (Some(amount), Some(asset)) => format!("at most {amount} {asset}"),
        (Some(amount), None) => format!("at most {amount} of any asset"),
        (None, Some(asset)) => format!("ANY AMOUNT of {asset}"),
        (None, None) => "ANY AMOUNT of any asset".to_owned(),
    };
    if let Some(window_seconds) = limit.window_seconds {
        clause.push_str(&format!(" in {}", duration(window_seconds)));
    }
    match limit.receivers.as_slice() {
        [] => clause.push_str(", to ANYBODY"),
        receivers => clause.push_str(&format!(", only to {}", list(receivers))),
    }
    clause
}

/// The user by name: "ana", "ana and eve".
pub(crate) fn users(model: &Model) -> String {
    let users = model.entities().iter().filter(|(_, entity)| entity.is_user());
    let users: Vec<_> = users.map(|(name, _)| name.clone()).collect();
    if users.is_empty() { "the user".to_owned() } else { list(&users) }
}

/// The entity of an atom.
pub(crate) fn entity<'a>(model: &'a Model, atom: &str) -> Option<&'a str> {
    model.atoms().get(atom).and_then(|atom| atom.entity.as_deref())
}

/// "ana's phone"; for a doubt what it says.
pub(crate) fn atom(model: &Model, name: &str) -> String {
    match model.atoms().get(name) {
        Some(atom) if atom.kind == Kind::Doubt => doubt(model, name),
        _ => entity(model, name).map_or(name.to_owned(), |entity| format!("{entity}'s {name}")),
    }
}

/// What a doubt says.
pub(crate) fn doubt(model: &Model, name: &str) -> String {
    let says = model.atoms().get(name).and_then(|atom| atom.says.clone());
    says.unwrap_or_else(|| format!("`{name}` holds"))
}

/// Names by their entities.
pub(crate) fn by_entity<'a>(model: &'a Model, atoms: &[&'a str]) -> BTreeMap<&'a str, Vec<String>> {
    let mut groups: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for name in atoms {
        groups.entry(entity(model, name).unwrap_or("nobody")).or_default().push((*name).to_owned());
    }
    groups
}

/// "acme's cosigner and backup together with ana's phone, if a copy of share 1 was kept".
pub(crate) fn coalition(model: &Model, coalition: &[String], doubts: &[String]) -> String {
    let solid: Vec<&str> =
        coalition.iter().filter(|name| !doubts.contains(name)).map(String::as_str).collect();
    let groups = by_entity(model, &solid);
    let groups: Vec<_> = groups.iter().map(|(entity, names)| format!("{entity}'s {}", list(names))).collect();
    let who = if groups.is_empty() { "anybody at all".to_owned() } else { groups.join(" together with ") };
    format!("{who}{}", supposing(model, doubts))
}

/// ", if a copy was kept and the firmware is broken"; nothing without doubts.
pub(crate) fn supposing(model: &Model, doubts: &[String]) -> String {
    if doubts.is_empty() {
        return String::new();
    }
    let doubts: Vec<_> = doubts.iter().map(|name| doubt(model, name)).collect();
    format!(", if {}", list(&doubts))
}

/// A power as something that somebody does.
pub(crate) enum Verb {
    Move,
    Rule,
    Recover,
    Within(String, String),
    /// A power of the model's own.
    Own(String),
}

impl Verb {
    pub(crate) fn of(model: &Model, power: &str) -> Self {
        let bounded = model.limits().iter().find(|(name, _)| crate::program::bounded(name) == power);
        match (power, bounded) {
            (_, Some((name, limit))) => Self::Within(name.clone(), self::limit(limit)),
            ("rule", None) => Self::Rule,
            ("recover", None) => Self::Recover,
            ("move", None) => Self::Move,
            (own, None) => Self::Own(own.to_owned()),
        }
    }

    pub(crate) fn title(&self) -> String {
        match self {
            Self::Move => "MOVE THE FUNDS".to_owned(),
            Self::Rule => "SET THE CONDITIONS".to_owned(),
            Self::Recover => "RECOVER CONTROL".to_owned(),
            Self::Within(name, limit) => format!("MOVE WITHIN `{name}` ({limit})"),
            Self::Own(name) => format!("REACH `{name}`"),
        }
    }

    pub(crate) fn phrase(&self) -> String {
        match self {
            Self::Move => "move the funds".to_owned(),
            Self::Rule => "set the conditions".to_owned(),
            Self::Recover => "recover control".to_owned(),
            Self::Within(name, limit) => format!("move within `{name}` ({limit})"),
            Self::Own(name) => format!("reach `{name}`"),
        }
    }
}

/// A list with numbers; "nobody" if it is empty, and its end left out if it is long.
pub(crate) fn numbered(lines: impl Iterator<Item = String>) -> String {
    let lines: Vec<_> = lines.collect();
    if lines.is_empty() {
        return "  nobody\n".to_owned();
    }
    let shown =
        (1..).zip(&lines).take(SETS_SHOWN).map(|(number, line)| wrap(&format!("{number:>4}. "), line));
    let mut text: String = shown.collect();
    if let Some(rest) = lines.len().checked_sub(SETS_SHOWN).filter(|rest| *rest > 0) {
        text.push_str(&format!("      and {rest} more, all of them in the JSON\n"));
    }
    text
}

/// Breaks a text into lines of at most [`COLUMNS`]; the first begins with `first`, the others are
/// indented as far as it is wide.
pub(crate) fn wrap(first: &str, text: &str) -> String {
    let indent = first.chars().count();
    let room = COLUMNS.saturating_sub(indent).max(20);
    let mut lines = vec![String::new()];
    for word in text.split_whitespace().flat_map(|word| pieces(word, room)) {
        let Some(line) = lines.last_mut() else { break };
        let space = usize::from(!line.is_empty());
        if line.chars().count() + space + word.chars().count() > room {
            lines.push(word);
        } else {
            line.push_str(if space == 1 { " " } else { "" });
            line.push_str(&word);
        }
    }
    let gap = " ".repeat(indent);
    let lines = lines
        .iter()
        .enumerate()
        .map(|(index, line)| format!("{}{line}\n", if index == 0 { first } else { &gap }));
    lines.collect()
}

/// A word too long for a line, in parts.
fn pieces(word: &str, room: usize) -> Vec<String> {
    let characters: Vec<char> = word.chars().collect();
    characters.chunks(room).map(|piece| piece.iter().collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::{COLUMNS, duration, list, when, wrap};

    #[test]
    fn durations_are_exact() {
        assert_eq!(when(0), "at once");
        assert_eq!(when(172_800), "after 2 days");
        assert_eq!(duration(90_061), "1 day 1 hour 1 minute 1 second");
        assert_eq!(duration(0), "0 seconds");
    }

    #[test]
    fn lists_read_like_sentences() {
        let words = ["a", "b", "c"].map(str::to_owned);
        assert_eq!(list(&words), "a, b and c");
        assert_eq!(list(words.get(..2).unwrap_or_default()), "a and b");
    }

    #[test]
    fn lines_fit_whatever_is_printed() {
        let page = wrap("  1. ", &format!("{} {}", "word ".repeat(60), "x".repeat(300)));
        assert!(page.lines().all(|line| line.chars().count() <= COLUMNS));
        assert!(page.lines().skip(1).all(|line| line.starts_with("     ")));
    }
}
