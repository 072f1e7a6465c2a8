//! The columns: whose things there are, in which order, and where a group's dots stand.

use super::groups::Group;
use super::svg::{self, Svg, Tone};
use super::{MARGIN, ROW, WIDTH};
use crate::model::{Kind, Model};
use crate::words;

/// The widest a column may be, and the least room that is left for words beside the dots.
const PITCH_MAX: u32 = 30;
const PITCH_MIN: u32 = 22;
const WORDS_MIN: u32 = 190;
/// Between the things of two entities.
const GAP: u32 = 10;
/// The longest that a slanted name may be; what is longer is cut.
const NAME_LENGTH: u32 = 190;

/// What a column stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    User,
    Outsider,
    Doubt,
}

/// An atom's column.
struct Column<'a> {
    atom: &'a str,
    entity: Option<&'a str>,
    mark: Mark,
    x: u32,
}

/// All columns: the user's things, outsiders' by entity, then doubts.
pub(super) struct Grid<'a> {
    columns: Vec<Column<'a>>,
    pitch: u32,
    /// Where the words of a group begin.
    words_x: u32,
}

impl<'a> Grid<'a> {
    pub(super) fn new(model: &'a Model) -> Self {
        let mut columns: Vec<Column<'a>> = Vec::new();
        for (name, atom) in model.atoms().iter().filter(|(_, atom)| !atom.guessable) {
            let entity = atom.entity.as_deref();
            let is_user = entity.and_then(|name| model.entities().get(name)).is_some_and(|by| by.is_user());
            let mark = match atom.kind {
                Kind::Doubt => Mark::Doubt,
                Kind::Party | Kind::Object if is_user => Mark::User,
                Kind::Party | Kind::Object => Mark::Outsider,
            };
            let entity = if mark == Mark::Doubt { None } else { entity };
            columns.push(Column { atom: name, entity, mark, x: 0 });
        }
        columns.sort_by_key(|column| (column.mark as u8, column.entity, column.atom));
        let count = u32::try_from(columns.len()).unwrap_or(u32::MAX);
        let gaps = gaps(&columns);
        let room = WIDTH - 2 * MARGIN - WORDS_MIN - gaps * GAP;
        let pitch = (room / count.max(1)).clamp(PITCH_MIN, PITCH_MAX);

        let mut x = MARGIN + pitch / 2;
        let mut last: Option<(u8, Option<&str>)> = None;
        for column in &mut columns {
            let group = (column.mark as u8, column.entity);
            if last.is_some_and(|last| last != group) {
                x += GAP;
            }
            last = Some(group);
            column.x = x;
            x += pitch;
        }
        Self { columns, pitch, words_x: x + 8 }
    }

    /// The slanted names; returns where lines of dots may begin.
    pub(super) fn columns(&self, svg: &mut Svg, y: u32) -> u32 {
        let names: Vec<String> = self.columns.iter().map(Column::name).collect();
        let longest = names.iter().map(|name| svg::width(name, 12)).max().unwrap_or(0);
        // The sine of the slant (widths are estimated high), and the dot below.
        let bottom = y + longest * 74 / 100 + 34;
        for (column, name) in self.columns.iter().zip(&names) {
            let tone = match column.mark {
                Mark::User => Tone::User,
                Mark::Outsider => Tone::Outsider,
                Mark::Doubt => Tone::Ink,
            };
            svg.slanted(column.x + 3, bottom - 22, 12, tone, name);
            column.dot(svg, bottom - 10);
        }
        bottom + 6
    }

    /// A line of joined dots, and beside it the same in words.
    pub(super) fn group(&self, svg: &mut Svg, group: &Group, y: u32) {
        svg.group(&group.sentence, |svg| {
            if group.without_user {
                svg.shade(MARGIN - 8, y - ROW / 2 + 1, WIDTH - 2 * MARGIN + 16, ROW - 2);
            }
            let is_member = |column: &&Column<'_>| group.members.iter().any(|name| name == column.atom);
            let members: Vec<_> = self.columns.iter().filter(is_member).collect();
            let others = self.columns.iter().filter(|column| !is_member(column));
            others.for_each(|column| svg.speck(column.x, y));
            for pair in members.windows(2) {
                if let [from, to] = pair {
                    svg.join(from.x, to.x, y, to.mark == Mark::Doubt);
                }
            }
            members.iter().for_each(|column| column.dot(svg, y));
            self.words(svg, group, y + 4);
        });
    }

    /// When, and what is worth saying; who it is as far as there is room.
    fn words(&self, svg: &mut Svg, group: &Group, y: u32) {
        let room = (WIDTH - MARGIN).saturating_sub(self.words_x);
        let mut x = self.words_x;
        if !group.when.is_empty() {
            let when = svg::cut(&group.when, 12, room);
            svg.bold(x, y, 12, Tone::Ink, &when);
            x += svg::width(&when, 12) + 10;
        }
        let room = (WIDTH - MARGIN).saturating_sub(x);
        if room >= self.pitch {
            svg.text(x, y, 12, Tone::Soft, &svg::cut(&group.words, 12, room));
        }
    }
}

impl Column<'_> {
    /// "ana’s phone", "if old-copy", cut to its room.
    fn name(&self) -> String {
        let name = match self.entity {
            Some(entity) => format!("{entity}’s {}", self.atom),
            None => format!("if {}", self.atom),
        };
        svg::cut(&name, 12, NAME_LENGTH)
    }

    fn dot(&self, svg: &mut Svg, y: u32) {
        match self.mark {
            Mark::User => svg.disc(self.x, y),
            Mark::Outsider => svg.square(self.x, y),
            Mark::Doubt => svg.ring(self.x, y),
        }
    }
}

/// How often the entity changes from a column to the next.
fn gaps(columns: &[Column<'_>]) -> u32 {
    let differ = |pair: &&[Column<'_>]| match pair {
        [one, other] => (one.mark, one.entity) != (other.mark, other.entity),
        _ => false,
    };
    u32::try_from(columns.windows(2).filter(differ).count()).unwrap_or(u32::MAX)
}

/// "ana's phone with acme's cosigner" is what the dots say; in words it is said the same way.
pub(super) fn who(model: &Model, members: &[String], doubts: &[String]) -> String {
    let solid = members.iter().filter(|name| !doubts.contains(name)).cloned().collect::<Vec<_>>();
    let who = words::coalition(model, &solid, &[]);
    if doubts.is_empty() {
        return who;
    }
    format!("{who}, if {}", words::list(doubts))
}
