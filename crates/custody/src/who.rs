//! Whom somebody means: names of atoms, entities or roles, as a coalition.

use crate::model::{Kind, Model};

/// The most names that a message lists.
const NAMES_SHOWN: usize = 40;

/// What people call things, and what the models of accounts call them.
const EVERYDAY: [(&str, &str); 5] = [
    ("phone", "device"),
    ("laptop", "device"),
    ("paper", "recovery-file"),
    ("passphrase", "recovery-passphrase"),
    ("hsm", "token"),
];

/// A name that means nobody, or one of several.
#[derive(Debug, thiserror::Error)]
pub enum WhoError {
    /// Nobody.
    #[error("`{name}` is no atom, entity or role of the model; there are {known}")]
    Unknown {
        /// The name, escaped.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// One of several.
    #[error("`{name}` may be {which}: name the one that is meant")]
    Several {
        /// The name, escaped.
        name: String,
        /// What it may be.
        which: String,
    },
}

/// The coalition of all that is named. A name is that of an atom; if there is none, of an entity,
/// which stands for all its parties and objects; if there is none, of a role, for all its entities; if there
/// is none, what people call one thing of the model: a phone, or the `pin` that is `device-2-pin` there.
pub(crate) fn coalition(model: &Model, names: &[String]) -> Result<u32, WhoError> {
    names.iter().try_fold(0, |set, name| Ok(set | named(model, name)?))
}

fn named(model: &Model, name: &str) -> Result<u32, WhoError> {
    let bit = |atom: &str| {
        let variables = (0..).zip(&model.program().variables);
        variables.filter(|(_, variable)| variable.name == atom).fold(0, |set, (bit, _)| set | 1_u32 << bit)
    };
    if model.atoms().contains_key(name) {
        return Ok(bit(name));
    }
    let means = |entity: &str| match model.entities().get(name) {
        Some(_) => entity == name,
        None => model.entities().get(entity).is_some_and(|entity| entity.role == name),
    };
    if !model.entities().keys().any(|entity| means(entity)) {
        return called(model, name).map(bit);
    }
    let solid = model.atoms().iter().filter(|(_, atom)| atom.kind != Kind::Doubt);
    let own = solid.filter(|(_, atom)| atom.entity.as_deref().is_some_and(means));
    Ok(own.fold(0, |set, (name, _)| set | bit(name)))
}

/// The one party or object that is called so.
fn called<'a>(model: &'a Model, name: &str) -> Result<&'a str, WhoError> {
    let wanted = EVERYDAY.iter().find(|(word, _)| *word == name).map_or(name, |(_, atom)| atom);
    let solid = model.atoms().iter().filter(|(_, atom)| atom.kind != Kind::Doubt).map(|(atom, _)| atom);
    let found: Vec<&String> = solid.filter(|atom| is_called(atom, wanted)).collect();
    match found.as_slice() {
        [one] => Ok(one),
        [] => {
            let known = model.atoms().keys().chain(model.entities().keys());
            Err(WhoError::Unknown { name: shown(name), known: listed(known) })
        }
        several => Err(WhoError::Several { name: shown(name), which: listed(several.iter().copied()) }),
    }
}

/// Whether an atom is this thing, of whichever epoch and party.
fn is_called(atom: &str, wanted: &str) -> bool {
    let is_epoch = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = atom.split('-').filter(|part| !is_epoch(part)).collect();
    let name = parts.join("-");
    !wanted.is_empty() && name.strip_suffix(wanted).is_some_and(|rest| rest.is_empty() || rest.ends_with('-'))
}

/// Foreign text in a message: escaped and cut.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(128).flat_map(char::escape_debug).collect()
}

/// "`a`, `b`, …".
pub(crate) fn listed<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
    let rest = if names.len() > NAMES_SHOWN { ", …" } else { "" };
    let shown: Vec<_> = names.into_iter().take(NAMES_SHOWN).collect();
    format!("{}{rest}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_are_known_by_what_people_call_them() {
        for (atom, wanted) in [
            ("device", "device"),
            ("device-2", "device"),
            ("device-2-pin", "pin"),
            ("pin", "pin"),
            ("recovery-2-file", "recovery-file"),
            ("cosigner-disk", "disk"),
        ] {
            assert!(is_called(atom, wanted), "{atom}: {wanted}");
        }
        for (atom, wanted) in [("device-pin", "device"), ("typing", "pin"), ("device", "de"), ("2", "device")]
        {
            assert!(!is_called(atom, wanted), "{atom}: {wanted}");
        }
    }
}
