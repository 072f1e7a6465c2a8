//! What is drawn: blocks of powers with the same groups, and the groups worth showing first.

use super::grid::who;
use crate::evaluation::{Evaluation, Way};
use crate::model::{Kind, Model};
use crate::names::Names;
use crate::program::bounded;
use crate::words::{self, Verb};

/// Groups that are drawn of one power; the sheet and the JSON have the rest.
const GROUPS_MAX: usize = 8;
/// Blocks that are drawn.
const BLOCKS_MAX: usize = 16;

/// One smallest group.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) members: Vec<String>,
    /// "at once", "after 2 days"; empty for freezing.
    pub(super) when: String,
    /// What stands beside the dots.
    pub(super) words: String,
    /// The whole as a sentence.
    pub(super) sentence: String,
    /// Whether nothing of the user's is among the members.
    pub(super) without_user: bool,
}

/// Powers with the same groups.
pub(super) struct Block {
    /// "Who can move the funds", one for each power.
    pub(super) heading: Vec<String>,
    pub(super) groups: Vec<Group>,
    /// How many groups are not drawn.
    left: usize,
    /// What is said where there are none.
    nobody: String,
}

impl Block {
    /// "and 19 more"; "nobody".
    pub(super) fn rest(&self) -> Option<String> {
        match (self.groups.is_empty(), self.left) {
            (true, _) => Some(self.nobody.clone()),
            (false, 0) => None,
            (false, left) => Some(format!("… and {left} more, all of them in the JSON")),
        }
    }

    /// The groups in words.
    pub(super) fn summary(&self) -> String {
        let told: Vec<_> = self.groups.iter().map(|group| group.sentence.as_str()).collect();
        let rest = self.rest().map(|rest| format!(" {rest}.")).unwrap_or_default();
        if told.is_empty() { rest.trim().to_owned() } else { format!("{}.{rest}", told.join("; ")) }
    }
}

/// The blocks that are drawn, and how many powers are left out.
pub(super) struct Blocks {
    pub(super) shown: Vec<Block>,
    pub(super) powers_left: usize,
}

/// `move`, each limit, `rule`, `recover`, then freezing.
pub(super) fn blocks(model: &Model, evaluation: &Evaluation) -> Blocks {
    let mut shown: Vec<Block> = Vec::new();
    let mut powers_left = 0;
    let limits = model.limits().keys().map(|limit| bounded(limit));
    let powers =
        ["move".to_owned()].into_iter().chain(limits).chain(["rule".to_owned(), "recover".to_owned()]);
    for power in powers {
        let ways = evaluation.powers.get(&power).map_or(&[] as &[Way], Vec::as_slice);
        let heading = format!("Who can {}", Verb::of(model, &power).phrase());
        let (groups, left) = first(ways.iter().map(|way| of_way(model, way)).collect(), ways);
        let full = shown.len() + 1 >= BLOCKS_MAX;
        let same = shown.iter_mut().find(|block| block.groups == groups && block.left == left);
        match same {
            Some(block) => block.heading.push(heading),
            None if full => powers_left += 1,
            None => shown.push(Block { heading: vec![heading], groups, left, nobody: nobody(model) }),
        }
    }
    shown.push(freeze(model, evaluation));
    Blocks { shown, powers_left }
}

/// Those first that rest on the fewest doubts, then those without the user, then as listed.
fn first(groups: Vec<Group>, ways: &[Way]) -> (Vec<Group>, usize) {
    let mut ranked: Vec<(usize, Group)> = ways.iter().map(|way| way.doubts.len()).zip(groups).collect();
    ranked.sort_by_key(|(doubts, group)| (*doubts, !group.without_user));
    let left = ranked.len().saturating_sub(GROUPS_MAX);
    (ranked.into_iter().take(GROUPS_MAX).map(|(_, group)| group).collect(), left)
}

fn nobody(model: &Model) -> String {
    let doubts = model.atoms().values().any(|atom| atom.kind == Kind::Doubt);
    if doubts { "nobody, not even if every doubt comes true".to_owned() } else { "nobody".to_owned() }
}

fn of_way(model: &Model, way: &Way) -> Group {
    let when = words::when(way.seconds);
    let (members, doubts) = (way.coalition.to_vec(), way.doubts.to_vec());
    let words = who(model, &members, &doubts);
    let sentence = format!("{}: {when}", words::coalition(model, &members, &doubts));
    let without_user = without_user(model, &members);
    Group { members, when, words, sentence, without_user }
}

fn freeze(model: &Model, evaluation: &Evaluation) -> Block {
    let all = &evaluation.freeze;
    let nobody_moves = all.first().is_some_and(Names::is_empty);
    let group = |set: &Names| {
        let members = set.to_vec();
        let words = who(model, &members, &[]);
        let without_user = without_user(model, &members);
        Group { members, when: String::new(), sentence: words.clone(), words, without_user }
    };
    let mut groups: Vec<Group> = all.iter().filter(|set| !set.is_empty()).map(group).collect();
    groups.sort_by_key(|group| !group.without_user);
    let left = groups.len().saturating_sub(GROUPS_MAX);
    groups.truncate(GROUPS_MAX);
    let nobody = if nobody_moves { "nobody can move as it is" } else { "nobody" };
    let heading = vec!["Who can freeze the funds (nobody else can then move them)".to_owned()];
    Block { heading, groups, left, nobody: nobody.to_owned() }
}

fn without_user(model: &Model, members: &[String]) -> bool {
    let users = |name: &String| {
        let atom = model.atoms().get(name).filter(|atom| atom.kind != Kind::Doubt);
        let entity = atom.and_then(|atom| atom.entity.as_ref()).and_then(|name| model.entities().get(name));
        entity.is_some_and(crate::model::Entity::is_user)
    };
    !members.iter().any(users)
}
