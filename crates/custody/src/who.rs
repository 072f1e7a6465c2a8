//! Whom somebody means: names of atoms, entities or roles, as a coalition.

use crate::model::{Kind, Model};

/// The most names that a message lists.
const NAMES_SHOWN: usize = 40;

/// A name that means nobody.
#[derive(Debug, thiserror::Error)]
#[error("`{name}` is no atom, entity or role of the model; there are {known}")]
pub struct WhoError {
    /// The name, escaped.
    pub name: String,
    /// The names that there are.
    pub known: String,
}

/// The coalition of all that is named. A name is that of an atom; if there is none, of an entity,
/// which stands for all its parties and objects; if there is none, of a role, for all its entities.
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
        return Err(unknown(model, name));
    }
    let solid = model.atoms().iter().filter(|(_, atom)| atom.kind != Kind::Doubt);
    let own = solid.filter(|(_, atom)| atom.entity.as_deref().is_some_and(means));
    Ok(own.fold(0, |set, (name, _)| set | bit(name)))
}

fn unknown(model: &Model, name: &str) -> WhoError {
    let known = model.atoms().keys().chain(model.entities().keys());
    WhoError { name: shown(name), known: listed(known) }
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
