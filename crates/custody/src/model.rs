//! The model file as types: entities, atoms, limits, rules.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::check::ModelError;
use crate::needs::Needs;
use crate::parse::{objects, unique, word};
use crate::program::Program;

/// The role that makes an entity the user; every other role is an outsider's.
pub(crate) const ROLE_USER: &str = "user";

/// A legal or organisational actor. Two parties of one entity count as one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entity {
    /// `user`, or any other word of `[a-z-]+` for an outsider: `provider`, `guardian`, `mail-host`.
    pub role: String,
}

impl Entity {
    /// Whether this entity is the user.
    pub fn is_user(&self) -> bool {
        self.role == ROLE_USER
    }
}

/// What an atom is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A place where secrets live and decisions are taken.
    Party,
    /// Something that can be stolen or guessed.
    Object,
    /// An assumption that may fail.
    Doubt,
}

/// The smallest thing that an adversary has or has not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Atom {
    /// Whose it is; for a doubt, who would profit (it may have none).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity: Option<String>,
    /// Party, object or doubt.
    #[serde(deserialize_with = "word")]
    pub kind: Kind,
    /// Whether everybody has it, attackers and defenders alike.
    #[serde(default, skip_serializing_if = "is_false")]
    pub guessable: bool,
    /// The doubt as a clause: "a copy of share 1 of epoch 1 was kept".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub says: Option<String>,
}

impl Atom {
    /// A place of `entity` where secrets live.
    pub fn party(entity: impl Into<String>) -> Self {
        Self { entity: Some(entity.into()), kind: Kind::Party, guessable: false, says: None }
    }

    /// A thing of `entity` that can be stolen or guessed.
    pub fn object(entity: impl Into<String>) -> Self {
        Self { kind: Kind::Object, ..Self::party(entity) }
    }

    /// An assumption that may fail, as a clause.
    pub fn doubt(says: impl Into<String>) -> Self {
        Self { entity: None, kind: Kind::Doubt, guessable: false, says: Some(says.into()) }
    }

    /// The same doubt, with the entity that would profit.
    #[must_use]
    pub fn profits(self, entity: impl Into<String>) -> Self {
        Self { entity: Some(entity.into()), ..self }
    }

    /// The same atom, known or guessable by everybody.
    #[must_use]
    pub fn guessable(self) -> Self {
        Self { guessable: true, ..self }
    }
}

/// What a bounded `move` lets through.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// The asset by its symbol or id; none means any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asset: Option<String>,
    /// The greatest amount, a decimal number in units of the asset; none means any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<String>,
    /// The window in which the amount is counted; none means once and for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_seconds: Option<u64>,
    /// Receivers agreed in advance; empty means anybody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub receivers: Vec<String>,
}

/// How a rule is known, strongest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Evidence {
    /// By chain state.
    Proved,
    /// By attested hardware.
    Attested,
    /// By a party's identity key.
    Signed,
    /// By somebody's word.
    Asserted,
    /// Not at all.
    #[default]
    Unknown,
}

impl Evidence {
    /// All of them, strongest first.
    pub(crate) const ALL: [Self; 5] =
        [Self::Proved, Self::Attested, Self::Signed, Self::Asserted, Self::Unknown];

    /// The word of the file format.
    pub fn word(self) -> &'static str {
        match self {
            Self::Proved => "proved",
            Self::Attested => "attested",
            Self::Signed => "signed",
            Self::Asserted => "asserted",
            Self::Unknown => "unknown",
        }
    }
}

/// `power` is reached by whoever meets `needs`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What is reached: `move`, `rule`, `recover` or a name of the model's own.
    pub power: String,
    /// For `move` only: the limit within which this rule holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// What must be had.
    pub needs: Needs,
    /// The delay that this rule adds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub after_seconds: u64,
    /// The atom or power with which those outside the coalition can still stop it within the delay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel: Option<String>,
    /// Why this holds, as a clause.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub because: String,
    /// How this is known.
    #[serde(default, deserialize_with = "word")]
    pub evidence: Evidence,
}

impl Rule {
    /// A rule at once, without limit, cancellation, reason or evidence.
    pub fn new(power: impl Into<String>, needs: impl Into<Needs>) -> Self {
        Self {
            power: power.into(),
            limit: None,
            needs: needs.into(),
            after_seconds: 0,
            cancel: None,
            because: String::new(),
            evidence: Evidence::Unknown,
        }
    }

    /// The same rule, only within this limit.
    #[must_use]
    pub fn limit(self, limit: impl Into<String>) -> Self {
        Self { limit: Some(limit.into()), ..self }
    }

    /// The same rule, after a delay.
    #[must_use]
    pub fn after_seconds(self, after_seconds: u64) -> Self {
        Self { after_seconds, ..self }
    }

    /// The same rule, stopped by those who reach this atom or power within the delay.
    #[must_use]
    pub fn cancel(self, cancel: impl Into<String>) -> Self {
        Self { cancel: Some(cancel.into()), ..self }
    }

    /// The same rule, with its reason.
    #[must_use]
    pub fn because(self, because: impl Into<String>) -> Self {
        Self { because: because.into(), ..self }
    }

    /// The same rule, with its evidence.
    #[must_use]
    pub fn evidence(self, evidence: Evidence) -> Self {
        Self { evidence, ..self }
    }
}

/// The file as it stands, before anything is checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Source {
    pub(crate) version: u64,
    pub(crate) account: String,
    #[serde(deserialize_with = "unique")]
    pub(crate) entities: BTreeMap<String, Entity>,
    #[serde(deserialize_with = "unique")]
    pub(crate) atoms: BTreeMap<String, Atom>,
    #[serde(default, deserialize_with = "unique")]
    pub(crate) limits: BTreeMap<String, Limit>,
    #[serde(deserialize_with = "objects")]
    pub(crate) rules: Vec<Rule>,
}

/// A model in the making; nothing is checked before [`build`](Self::build).
#[derive(Clone, Debug)]
pub struct ModelBuilder {
    source: Source,
    /// The list and the name of which there were two.
    duplicate: Option<(&'static str, String)>,
}

impl ModelBuilder {
    /// An empty model of this account (CAIP-10).
    pub fn new(account: impl Into<String>) -> Self {
        Self::from(Source {
            version: 1,
            account: account.into(),
            entities: BTreeMap::new(),
            atoms: BTreeMap::new(),
            limits: BTreeMap::new(),
            rules: Vec::new(),
        })
    }

    /// Adds an entity with its role.
    #[must_use]
    pub fn entity(mut self, name: impl Into<String>, role: impl Into<String>) -> Self {
        let name = name.into();
        if self.source.entities.insert(name.clone(), Entity { role: role.into() }).is_some() {
            self.duplicate = Some(("entities", name));
        }
        self
    }

    /// Adds an atom.
    #[must_use]
    pub fn atom(mut self, name: impl Into<String>, atom: Atom) -> Self {
        let name = name.into();
        if self.source.atoms.insert(name.clone(), atom).is_some() {
            self.duplicate = Some(("atoms", name));
        }
        self
    }

    /// Adds a limit.
    #[must_use]
    pub fn limit(mut self, name: impl Into<String>, limit: Limit) -> Self {
        let name = name.into();
        if self.source.limits.insert(name.clone(), limit).is_some() {
            self.duplicate = Some(("limits", name));
        }
        self
    }

    /// Adds a rule after those that stand there already.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.source.rules.push(rule);
        self
    }

    /// Checks everything and makes the model.
    ///
    /// # Errors
    /// The first thing that the format does not allow, with its place.
    pub fn build(self) -> Result<Model, ModelError> {
        if let Some((place, name)) = self.duplicate {
            return Err(ModelError::Duplicate { place, name: name.escape_debug().to_string() });
        }
        self.source.check()?;
        let program = Program::compile(&self.source)?;
        Ok(Model { source: self.source, program })
    }
}

impl From<Source> for ModelBuilder {
    fn from(source: Source) -> Self {
        Self { source, duplicate: None }
    }
}

/// A checked model: every name is known, every bound holds, no power cancels itself.
#[derive(Clone, Debug)]
pub struct Model {
    source: Source,
    program: Program,
}

impl Model {
    /// The account (CAIP-10).
    pub fn account(&self) -> &str {
        &self.source.account
    }

    /// The same model of another account.
    ///
    /// # Errors
    /// A name that is empty, too long or not printable.
    pub fn of_account(mut self, account: &str) -> Result<Self, ModelError> {
        account.clone_into(&mut self.source.account);
        self.source.check()?;
        Ok(self)
    }

    /// The entities by name.
    pub fn entities(&self) -> &BTreeMap<String, Entity> {
        &self.source.entities
    }

    /// The atoms by name.
    pub fn atoms(&self) -> &BTreeMap<String, Atom> {
        &self.source.atoms
    }

    /// The limits by name.
    pub fn limits(&self) -> &BTreeMap<String, Limit> {
        &self.source.limits
    }

    /// The rules in the order of the file.
    pub fn rules(&self) -> &[Rule] {
        &self.source.rules
    }

    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    pub(crate) fn program(&self) -> &Program {
        &self.program
    }
}

impl PartialEq for Model {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Model {}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn is_zero(seconds: &u64) -> bool {
    *seconds == 0
}
