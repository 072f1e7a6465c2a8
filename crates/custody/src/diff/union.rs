//! Two models over the same atoms, so that a coalition means the same in both.

use std::collections::BTreeMap;

use super::DifferenceError;
use crate::model::{Kind, Model};
use crate::program::{Node, Program, Step, Variable};
use crate::reach::Reach;
use crate::table::Table;

/// The most atoms of two models together, as of one.
const ATOMS_MAX: usize = 24;

/// What makes an atom the same in both models. Solid atoms come first, then all by name, as in a
/// [`Program`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Identity {
    /// A party or object is its name and its owner: in other hands it is another.
    Solid { name: String, entity: String, user: bool },
    /// A doubt is its name and what it supposes: about something else it is another.
    Doubt { name: String, says: Option<String> },
}

impl Identity {
    fn of(model: &Model, name: &str) -> Option<Self> {
        let atom = model.atoms().get(name)?;
        let name = name.to_owned();
        if atom.kind == Kind::Doubt {
            return Some(Self::Doubt { name, says: atom.says.clone() });
        }
        let entity = atom.entity.clone().unwrap_or_default();
        let user = model.entities().get(&entity).is_some_and(crate::model::Entity::is_user);
        Some(Self::Solid { name, entity, user })
    }

    fn name(&self) -> &str {
        match self {
            Self::Solid { name, .. } | Self::Doubt { name, .. } => name,
        }
    }
}

/// The atoms that are not guessable in one of two models at least.
pub(super) struct Union {
    identities: Vec<Identity>,
}

impl Union {
    pub(super) fn new(one: &Model, other: &Model) -> Result<Self, DifferenceError> {
        let of = |model: &'_ Model| -> Vec<_> {
            let variables = model.program().variables.iter();
            variables.filter_map(|variable| Identity::of(model, &variable.name)).collect()
        };
        let mut identities = of(one);
        identities.extend(of(other));
        identities.sort_unstable();
        identities.dedup();
        if identities.len() > ATOMS_MAX {
            return Err(DifferenceError::Atoms { count: identities.len(), max: ATOMS_MAX });
        }
        Ok(Self { identities })
    }

    /// All parties and objects of the user's, in either model.
    pub(super) fn user(&self) -> u32 {
        let users = |identity: &Identity| matches!(identity, Identity::Solid { user: true, .. });
        (0..).zip(&self.identities).fold(0, |set, (bit, identity)| set | u32::from(users(identity)) << bit)
    }

    /// The program of a model with its atoms numbered as here. What the model does not have, nothing
    /// in it depends on.
    fn program(&self, model: &Model) -> Program {
        let numbers: BTreeMap<&Identity, u32> = self.identities.iter().zip(0..).collect();
        let own = model.program();
        let number = |variable: &Variable| numbers.get(&Identity::of(model, &variable.name)?).copied();
        let numbers: Vec<Option<u32>> = own.variables.iter().map(number).collect();
        let doubt = |identity: &Identity| matches!(identity, Identity::Doubt { .. });
        let variable =
            |identity: &Identity| Variable { name: identity.name().to_owned(), doubt: doubt(identity) };
        let solid = (0..).zip(&self.identities).filter(|(_, identity)| !doubt(identity)).count();
        let step = |step: &Step| Step {
            needs: renumbered(&step.needs, &numbers),
            cancel: step.cancel.as_ref().map(|node| renumbered(node, &numbers)),
            ..step.clone()
        };
        Program {
            variables: self.identities.iter().map(variable).collect(),
            solid: u32::try_from(solid).unwrap_or(u32::MAX),
            steps: own.steps.iter().map(step).collect(),
            ..own.clone()
        }
    }
}

fn renumbered(node: &Node, numbers: &[Option<u32>]) -> Node {
    match node {
        Node::Always(_) | Node::Power(_) => node.clone(),
        // Every variable of the model is in the union; none at all is never met.
        Node::Variable(variable) => match numbers.get(*variable as usize).copied().flatten() {
            Some(number) => Node::Variable(number),
            None => Node::Of(1, Vec::new()),
        },
        Node::Of(k, nodes) => Node::Of(*k, nodes.iter().map(|node| renumbered(node, numbers)).collect()),
    }
}

/// One of the two models, evaluated for every coalition of the union.
pub(super) struct Side<'a> {
    pub(super) model: &'a Model,
    pub(super) program: Program,
    pub(super) reach: Reach,
    /// The sets of parties and objects without which nobody moves.
    pub(super) freeze: Table,
}

impl<'a> Side<'a> {
    pub(super) fn new(model: &'a Model, union: &Union) -> Result<Self, DifferenceError> {
        let program = union.program(model);
        let reach = Reach::compute(&program)?;
        let freeze = reach.ever(0).reflect(program.solid).not();
        Ok(Self { model, program, reach, freeze })
    }

    /// How many limits there are; limit `i` is power `3 + i`.
    pub(super) fn limits(&self) -> usize {
        self.model.limits().len()
    }
}
