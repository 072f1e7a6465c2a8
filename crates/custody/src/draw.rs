//! A drawing of an evaluation: parties, objects and doubts as columns, smallest groups as lines of
//! joined dots, one block for each power. SVG, readable in black and white and by screen readers.
//!
//! - The user's things are discs, outsiders' squares, doubts dashed rings: a line without a disc is a
//!   group without the user.
//! - Text is text, every line says in words what it shows, and the whole has a title and a description.
//! - Equal models give equal bytes. Foreign names are escaped, cut to their room, and never markup.
//! - Long lists end in "and so many more"; powers with the same groups share a block.

mod grid;
mod groups;
mod legend;
mod svg;

use crate::evaluation::Evaluation;
use crate::model::Model;
use grid::Grid;
use groups::{Block, blocks};
use svg::{Svg, Tone};

/// The width of the picture; its height follows from what there is to say.
const WIDTH: u32 = 880;
const MARGIN: u32 = 28;
/// The height of a line of dots.
const ROW: u32 = 24;
/// The height of a line of text in headings and notes.
const LINE: u32 = 19;

/// Draws an evaluation of this model as an SVG document, ended by `\n`.
pub fn draw(model: &Model, evaluation: &Evaluation) -> String {
    let grid = Grid::new(model);
    let blocks = blocks(model, evaluation);
    let mut svg = Svg::new(WIDTH, &title(model), &description(model, evaluation, &blocks.shown));
    let mut y = legend::head(&mut svg, model, evaluation);
    y = grid.columns(&mut svg, y);
    for block in &blocks.shown {
        y = block_drawn(&mut svg, &grid, block, y + 10);
    }
    if blocks.powers_left > 0 {
        let more = format!("… and {} more powers, all of them in the JSON", blocks.powers_left);
        y += LINE;
        svg.text(MARGIN, y, 13, Tone::Soft, &more);
    }
    y = legend::notes(&mut svg, model, y + 14);
    svg.finish(y + MARGIN - 8)
}

fn title(model: &Model) -> String {
    format!("Custody of {}", model.account())
}

fn description(model: &Model, evaluation: &Evaluation, blocks: &[Block]) -> String {
    let mut sentences =
        vec![format!("Class: {}.", evaluation.class.words()), legend::exit(model, evaluation)];
    for block in blocks {
        sentences.push(format!("{}: {}", block.heading.join("; "), block.summary()));
    }
    sentences.join(" ")
}

/// A heading, then a line of dots for each group; where the next block may begin.
fn block_drawn(svg: &mut Svg, grid: &Grid<'_>, block: &Block, mut y: u32) -> u32 {
    svg.rule(MARGIN, WIDTH - MARGIN, y);
    y += 4;
    for heading in &block.heading {
        for line in svg::lines(heading, 14, WIDTH - 2 * MARGIN) {
            y += LINE;
            svg.bold(MARGIN, y, 14, Tone::Ink, &line);
        }
    }
    y += 8;
    for group in &block.groups {
        grid.group(svg, group, y + ROW / 2);
        y += ROW;
    }
    if let Some(rest) = block.rest() {
        svg.text(MARGIN, y + 14, 13, Tone::Soft, &rest);
        y += LINE;
    }
    y + 4
}
