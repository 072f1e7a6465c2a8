//! What the format allows: every bound and every name, with the place in the message.

use crate::model::{Atom, Entity, Kind, Limit, Rule, Source};
use crate::needs::Needs;

/// The most atoms that a full truth table is made for.
const ATOMS_MAX: usize = 24;
const ENTITIES_MAX: usize = 256;
const LIMITS_MAX: usize = 64;
const RULES_MAX: usize = 1024;
/// The most names and lists in the `needs` of all rules together.
const NEEDS_MAX: usize = 16_384;
const NEEDS_DEPTH_MAX: usize = 16;
const RECEIVERS_MAX: usize = 256;
const NAME_CHARACTERS_MAX: usize = 128;
const TEXT_CHARACTERS_MAX: usize = 1_000;
const AMOUNT_CHARACTERS_MAX: usize = 100;
/// With [`RULES_MAX`] rules on a path, times stay within the 2^53 that JSON can carry exactly.
const SECONDS_MAX: u64 = 1 << 42;

/// Names that always mean a power of the account.
pub(crate) const MOVE: &str = "move";
pub(crate) const RULE: &str = "rule";
pub(crate) const RECOVER: &str = "recover";

/// Why a model file was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The file is too large to be read.
    #[error("the model file has {bytes} bytes, more than the {bytes_max} that are read; split the account")]
    Size {
        /// Its length.
        bytes: usize,
        /// The greatest length.
        bytes_max: usize,
    },
    /// Not JSON, or not of this shape.
    #[error("the model file does not have the format: {0}")]
    Json(#[from] serde_json::Error),
    /// A format of another version.
    #[error("version `{version}` of the model file is not known; write `1`")]
    Version {
        /// The version as written.
        version: u64,
    },
    /// A name with other characters, empty or too long.
    #[error(
        "`{name}` in {place} is not a name: use 1 to {NAME_CHARACTERS_MAX} printable ASCII characters \
         without space, comma, quotes, backslash, brackets and braces"
    )]
    Name {
        /// Where it stands.
        place: String,
        /// The name, escaped.
        name: String,
    },
    /// A sentence, asset, receiver or account that is empty, too long or not printable.
    #[error("{place} must be 1 to {TEXT_CHARACTERS_MAX} printable characters on one line")]
    Text {
        /// Where it stands.
        place: String,
    },
    /// A role that is not a word.
    #[error("role `{role}` of entities.{entity} is not a word of a-z and `-`; write `user`, `provider`, …")]
    Role {
        /// The entity.
        entity: String,
        /// The role, escaped.
        role: String,
    },
    /// The same name given twice to a builder.
    #[error("duplicate name `{name}` in {place}; each name stands once")]
    Duplicate {
        /// `entities`, `atoms` or `limits`.
        place: &'static str,
        /// The name.
        name: String,
    },
    /// More things than a model may have.
    #[error("the model has {count} {what}, more than {max}; leave out what changes nothing, or split it")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many there may be.
        max: usize,
    },
    /// A party or object without an entity.
    #[error("atoms.{atom} has no entity; only a doubt may have none, so name who controls it")]
    AtomEntityMissing {
        /// The atom.
        atom: String,
    },
    /// An atom of an entity that is not there.
    #[error("atoms.{atom} belongs to the unknown entity `{entity}`; add it to `entities`")]
    AtomEntityUnknown {
        /// The atom.
        atom: String,
        /// The entity as written.
        entity: String,
    },
    /// An atom with the name of a power.
    #[error("`{name}` is both an atom and a power ({place}); rename one of them")]
    Clash {
        /// The name.
        name: String,
        /// Where the power stands.
        place: String,
    },
    /// An amount that is not a decimal number.
    #[error("amount `{amount}` of limits.{limit} is not a decimal number; write for example `500` or `0.25`")]
    Amount {
        /// The limit.
        limit: String,
        /// The amount, escaped.
        amount: String,
    },
    /// A time that is out of range.
    #[error("{place} is {seconds}, which is not between {seconds_min} and {SECONDS_MAX}")]
    Seconds {
        /// Where it stands.
        place: String,
        /// The time as written.
        seconds: u64,
        /// The least time.
        seconds_min: u64,
    },
    /// A rule with a limit that is not there.
    #[error("{place} names the unknown limit `{limit}`; add it to `limits`")]
    LimitUnknown {
        /// Where it stands.
        place: String,
        /// The limit as written.
        limit: String,
    },
    /// A limit on a power other than `move`.
    #[error("{place} limits the power `{power}`; only `move` takes a limit")]
    LimitPower {
        /// Where it stands.
        place: String,
        /// The power of the rule.
        power: String,
    },
    /// A name that is neither an atom nor the head of a rule.
    #[error("{place} names `{name}`, which is neither an atom nor the power of a rule{hint}")]
    Unknown {
        /// Where it stands.
        place: String,
        /// The name.
        name: String,
        /// What may have been meant.
        hint: &'static str,
    },
    /// `k` of a list with fewer entries, or zero.
    #[error("{place}.k is {k}, which is not between 1 and the {length} entries of `of`")]
    Count {
        /// Where it stands.
        place: String,
        /// As written.
        k: u64,
        /// The length of `of`.
        length: usize,
    },
    /// `all` or `any` of nothing.
    #[error("{place} is empty; name at least one atom or power")]
    Empty {
        /// Where it stands.
        place: String,
    },
    /// Needs in needs in needs.
    #[error("{place} is nested more than {NEEDS_DEPTH_MAX} deep; give the inner part a power of its own")]
    Depth {
        /// Where it stands.
        place: String,
    },
    /// A power that could cancel itself.
    #[error(
        "{place} closes a cycle: `{cancel}` cancels `{power}` and itself depends on `{power}`; \
         let it need something that stands apart"
    )]
    CancelCycle {
        /// Where it stands.
        place: String,
        /// The power that is cancelled.
        power: String,
        /// What cancels it.
        cancel: String,
    },
}

impl Source {
    /// Checks everything but the names in `needs` and `cancel`, which are resolved afterwards.
    pub(crate) fn check(&self) -> Result<(), ModelError> {
        if self.version != 1 {
            return Err(ModelError::Version { version: self.version });
        }
        text("account", &self.account)?;
        bound("entities", self.entities.len(), ENTITIES_MAX)?;
        bound("atoms", self.atoms.len(), ATOMS_MAX)?;
        bound("limits", self.limits.len(), LIMITS_MAX)?;
        bound("rules", self.rules.len(), RULES_MAX)?;
        for (name, entity) in &self.entities {
            entity_check(name, entity)?;
        }
        for (name, atom) in &self.atoms {
            self.atom_check(name, atom)?;
        }
        for (name, limit) in &self.limits {
            limit_check(name, limit)?;
        }
        let mut needs_left = NEEDS_MAX;
        for (index, rule) in self.rules.iter().enumerate() {
            self.rule_check(&format!("rules[{index}]"), rule, &mut needs_left)?;
        }
        Ok(())
    }

    fn atom_check(&self, name: &str, atom: &Atom) -> Result<(), ModelError> {
        name_check("atoms", name)?;
        if [MOVE, RULE, RECOVER].contains(&name) {
            return Err(ModelError::Clash { name: name.to_owned(), place: "a reserved name".to_owned() });
        }
        if let Some(says) = &atom.says {
            text(&format!("atoms.{name}.says"), says)?;
        }
        match &atom.entity {
            None if atom.kind == Kind::Doubt => Ok(()),
            None => Err(ModelError::AtomEntityMissing { atom: name.to_owned() }),
            Some(entity) if self.entities.contains_key(entity) => Ok(()),
            Some(entity) => Err(ModelError::AtomEntityUnknown {
                atom: name.to_owned(),
                entity: entity.escape_debug().to_string(),
            }),
        }
    }

    fn rule_check(&self, place: &str, rule: &Rule, needs_left: &mut usize) -> Result<(), ModelError> {
        let Rule { power, limit, needs, after_seconds, cancel: _, because, evidence: _ } = rule;
        name_check(&format!("{place}.power"), power)?;
        if self.atoms.contains_key(power) {
            return Err(ModelError::Clash { name: power.clone(), place: format!("{place}.power") });
        }
        if let Some(limit) = limit {
            let place = format!("{place}.limit");
            if power != MOVE {
                return Err(ModelError::LimitPower { place, power: power.clone() });
            }
            if !self.limits.contains_key(limit) {
                return Err(ModelError::LimitUnknown { place, limit: limit.escape_debug().to_string() });
            }
        }
        if !because.is_empty() {
            text(&format!("{place}.because"), because)?;
        }
        seconds(&format!("{place}.after_seconds"), *after_seconds, 0)?;
        needs_check(&format!("{place}.needs"), needs, NEEDS_DEPTH_MAX, needs_left)
    }
}

fn entity_check(name: &str, entity: &Entity) -> Result<(), ModelError> {
    name_check("entities", name)?;
    let role = &entity.role;
    let word = |c: char| c.is_ascii_lowercase() || c == '-';
    if role.is_empty() || role.len() > NAME_CHARACTERS_MAX || !role.chars().all(word) {
        return Err(ModelError::Role { entity: name.to_owned(), role: shown(role) });
    }
    Ok(())
}

fn limit_check(name: &str, limit: &Limit) -> Result<(), ModelError> {
    name_check("limits", name)?;
    let place = format!("limits.{name}");
    if let Some(asset) = &limit.asset {
        text(&format!("{place}.asset"), asset)?;
    }
    if let Some(amount) = &limit.amount
        && !is_decimal(amount)
    {
        return Err(ModelError::Amount { limit: name.to_owned(), amount: shown(amount) });
    }
    if let Some(window_seconds) = limit.window_seconds {
        seconds(&format!("{place}.window_seconds"), window_seconds, 1)?;
    }
    bound("receivers in a limit", limit.receivers.len(), RECEIVERS_MAX)?;
    for (index, receiver) in limit.receivers.iter().enumerate() {
        text(&format!("{place}.receivers[{index}]"), receiver)?;
    }
    Ok(())
}

fn needs_check(place: &str, needs: &Needs, depth: usize, left: &mut usize) -> Result<(), ModelError> {
    let Some(less) = left.checked_sub(1) else {
        return Err(ModelError::TooMany { what: "names in needs", count: NEEDS_MAX + 1, max: NEEDS_MAX });
    };
    *left = less;
    let (list, inner) = match needs {
        // The derived `move[limit]` has brackets; whether there is such a power is asked when names are resolved.
        Needs::Name(name) if name.starts_with("move[") => return Ok(()),
        Needs::Name(name) => return name_check(place, name),
        Needs::All { all } => (format!("{place}.all"), all),
        Needs::Any { any } => (format!("{place}.any"), any),
        Needs::K { k, of } => {
            let length = of.len();
            if *k == 0 || usize::try_from(*k).is_ok_and(|k| k > length) || u32::try_from(*k).is_err() {
                return Err(ModelError::Count { place: place.to_owned(), k: *k, length });
            }
            (format!("{place}.of"), of)
        }
    };
    if inner.is_empty() {
        return Err(ModelError::Empty { place: list });
    }
    let Some(depth) = depth.checked_sub(1) else {
        return Err(ModelError::Depth { place: place.to_owned() });
    };
    for (index, needs) in inner.iter().enumerate() {
        needs_check(&format!("{list}[{index}]"), needs, depth, left)?;
    }
    Ok(())
}

fn bound(what: &'static str, count: usize, max: usize) -> Result<(), ModelError> {
    if count > max { Err(ModelError::TooMany { what, count, max }) } else { Ok(()) }
}

fn seconds(place: &str, seconds: u64, seconds_min: u64) -> Result<(), ModelError> {
    if (seconds_min..=SECONDS_MAX).contains(&seconds) {
        return Ok(());
    }
    Err(ModelError::Seconds { place: place.to_owned(), seconds, seconds_min })
}

/// Names take part in the derived name `move[limit]` and in printed lists: neither may be forged.
fn name_check(place: &str, name: &str) -> Result<(), ModelError> {
    let allowed = |c: char| c.is_ascii_graphic() && !"\"'`\\,[]{}".contains(c);
    if !name.is_empty() && name.len() <= NAME_CHARACTERS_MAX && name.chars().all(allowed) {
        return Ok(());
    }
    Err(ModelError::Name { place: place.to_owned(), name: shown(name) })
}

/// Sentences are printed on a terminal: no control characters and none that turn the line around.
fn text(place: &str, text: &str) -> Result<(), ModelError> {
    let forbidden =
        |c: char| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let length = text.chars().count();
    if length == 0 || length > TEXT_CHARACTERS_MAX || text.chars().any(forbidden) {
        return Err(ModelError::Text { place: place.to_owned() });
    }
    Ok(())
}

fn is_decimal(amount: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = amount.split_once('.').unwrap_or((amount, "0"));
    amount.len() <= AMOUNT_CHARACTERS_MAX && digits(whole) && digits(fraction)
}

/// Foreign text in a message: escaped and cut.
fn shown(text: &str) -> String {
    text.chars().take(NAME_CHARACTERS_MAX).flat_map(char::escape_debug).collect()
}
