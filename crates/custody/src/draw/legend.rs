//! What stands above and below the dots: the verdict, how to read it, the doubts in words.

use super::svg::{self, Svg, Tone};
use super::{LINE, MARGIN, WIDTH};
use crate::evaluation::Evaluation;
use crate::model::{Kind, Model};
use crate::sheet;
use crate::words;

const ROOM: u32 = WIDTH - 2 * MARGIN;

/// The account, its class and exit, and how to read a line; returns where the columns may begin.
pub(super) fn head(svg: &mut Svg, model: &Model, evaluation: &Evaluation) -> u32 {
    let mut y = MARGIN + 14;
    svg.bold(
        MARGIN,
        y,
        20,
        Tone::Ink,
        &svg::cut(&format!("Who can do what with {}", model.account()), 20, ROOM),
    );
    y += 16;
    let class = evaluation.class.words().to_uppercase();
    let wide = svg::width(&class, 14) + 26;
    svg.frame(MARGIN, y, wide, 28);
    svg.bold(MARGIN + 12, y + 19, 14, Tone::Ink, &class);
    svg.text(
        MARGIN + wide + 12,
        y + 19,
        14,
        Tone::Ink,
        &svg::cut(&exit(model, evaluation), 14, ROOM - wide - 12),
    );
    y += 34;
    y = paragraph(svg, sheet::meaning(evaluation.class), y);
    y += 24;
    key(svg, model, y);
    y + 8
}

/// "Exit: ana alone can move the funds at once."
pub(super) fn exit(model: &Model, evaluation: &Evaluation) -> String {
    let user = words::users(model);
    match evaluation.exit_seconds {
        None => format!("Exit: {user} alone can never move the funds."),
        Some(seconds) => format!("Exit: {user} alone can move the funds {}.", words::when(seconds)),
    }
}

/// The shapes and what they mean.
fn key(svg: &mut Svg, model: &Model, y: u32) {
    let mut x = MARGIN + 7;
    let user = svg::cut(&words::users(model), 12, 120);
    let middle = y - 4;
    svg.disc(x, middle);
    x = label(svg, x, y, &format!("{user}’s"));
    svg.square(x, middle);
    x = label(svg, x, y, "an outsider’s");
    svg.ring(x, middle);
    x = label(svg, x, y, "a doubt that came true");
    svg.join(x.saturating_sub(6), x + 22, middle, false);
    x = label(svg, x + 16, y, "all of them together");
    svg.shade(x.saturating_sub(6), middle - 8, 28, 16);
    label(svg, x + 16, y, &format!("without {user}"));
}

fn label(svg: &mut Svg, x: u32, y: u32, text: &str) -> u32 {
    svg.text(x + 13, y, 12, Tone::Ink, text);
    x + 13 + svg::width(text, 12) + 24
}

/// The doubts in words, what everybody has, and how a line is read; returns where they end.
pub(super) fn notes(svg: &mut Svg, model: &Model, mut y: u32) -> u32 {
    svg.rule(MARGIN, WIDTH - MARGIN, y);
    y += 4;
    for (name, atom) in model.atoms().iter().filter(|(_, atom)| atom.kind == Kind::Doubt) {
        let known = if atom.guessable { " (taken to be true)" } else { "" };
        y = paragraph(svg, &format!("if {name}{known}: {}", words::doubt(model, name)), y);
    }
    let guessable = model.atoms().iter().filter(|(_, atom)| atom.guessable && atom.kind != Kind::Doubt);
    let guessable: Vec<_> = guessable.map(|(name, _)| words::atom(model, name)).collect();
    if !guessable.is_empty() {
        y = paragraph(svg, &format!("Everybody has or can guess: {}.", words::list(&guessable)), y);
    }
    paragraph(
        svg,
        "Each line of dots is one smallest group: without any one of them it cannot. It says what is possible, not what is likely.",
        y,
    )
}

fn paragraph(svg: &mut Svg, text: &str, mut y: u32) -> u32 {
    for line in svg::lines(text, 13, ROOM) {
        y += LINE;
        svg.text(MARGIN, y, 13, Tone::Soft, &line);
    }
    y
}
