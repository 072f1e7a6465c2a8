//! Figures, what they are held against, and the table of them, ratios first.

use serde::Serialize;
use serde_json::{Value, json};

/// One figure.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Figure {
    pub(super) name: String,
    /// What `ours` and `peer` count.
    pub(super) unit: &'static str,
    pub(super) ours: f64,
    /// What it is compared with, in words, and its own figure.
    pub(super) peer: Option<(String, f64)>,
    pub(super) target: Target,
}

/// What a figure must keep to.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Target {
    RatioAtMost(f64),
    RatioAtLeast(f64),
    AtMost(f64),
    /// It is told, no more.
    None,
}

impl Figure {
    fn ratio(&self) -> Option<f64> {
        self.peer.as_ref().filter(|(_, peer)| *peer > 0.0).map(|(_, peer)| self.ours / peer)
    }

    /// Whether the target is met; nothing where there is none.
    pub(super) fn is_met(&self) -> Option<bool> {
        match self.target {
            Target::RatioAtMost(most) => self.ratio().map(|ratio| ratio <= most),
            Target::RatioAtLeast(least) => self.ratio().map(|ratio| ratio >= least),
            Target::AtMost(most) => Some(self.ours <= most),
            Target::None => None,
        }
    }

    pub(super) fn value(&self) -> Value {
        json!({
            "name": self.name, "ratio": self.ratio(), "target": self.target, "met": self.is_met(),
            "ours": self.ours, "unit": self.unit,
            "peer": self.peer.as_ref().map(|(name, value)| json!({"name": name, "value": value})),
        })
    }

    fn row(&self) -> [String; 5] {
        let target = match self.target {
            Target::RatioAtMost(most) => format!("≤ {most} ×"),
            Target::RatioAtLeast(least) => format!("≥ {least} ×"),
            Target::AtMost(most) => format!("≤ {} {}", short(most), self.unit),
            Target::None => String::new(),
        };
        let missed = if self.is_met() == Some(false) { ", missed" } else { "" };
        [
            self.name.clone(),
            self.ratio().map(|ratio| format!("{ratio:.2} ×")).unwrap_or_default(),
            format!("{target}{missed}"),
            format!("{} {}", short(self.ours), self.unit),
            self.peer
                .as_ref()
                .map(|(name, v)| format!("{} {}, {name}", short(*v), self.unit))
                .unwrap_or_default(),
        ]
    }
}

/// The table, in Markdown.
pub(super) fn render(figures: &[Figure]) -> String {
    let head = ["figure", "ratio", "target", "Cohold", "against"].map(str::to_owned);
    let rows: Vec<[String; 5]> = std::iter::once(head).chain(figures.iter().map(Figure::row)).collect();
    let mut widths = [0; 5];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let line = |row: &[String; 5]| {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        format!("| {} |", cells.join(" | "))
    };
    let rule = format!("|{}|", widths.map(|width| "-".repeat(width + 2)).join("|"));
    let mut lines: Vec<String> = rows.iter().map(line).collect();
    lines.insert(1, rule);
    lines.join("\n")
}

/// Three digits that matter.
fn short(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_judged_by_ratio_or_value() {
        let check = |ours, peer: Option<f64>, target, expected| {
            let peer = peer.map(|value| ("raw".to_owned(), value));
            let figure = Figure { name: "x".into(), unit: "ms", ours, peer, target };
            assert_eq!(figure.is_met(), expected, "{figure:?}");
        };
        check(3.0, Some(2.0), Target::RatioAtMost(1.5), Some(true));
        check(3.1, Some(2.0), Target::RatioAtMost(1.5), Some(false));
        check(6.0, Some(10.0), Target::RatioAtLeast(0.6), Some(true));
        check(5.0, Some(10.0), Target::RatioAtLeast(0.6), Some(false));
        check(5.0, None, Target::RatioAtLeast(0.6), None);
        check(59.0, None, Target::AtMost(60.0), Some(true));
        check(59.0, None, Target::None, None);
    }

    #[test]
    fn the_table_is_aligned() {
        let figure = |name: &str, ours| Figure {
            name: name.into(),
            unit: "ms",
            ours,
            peer: Some(("raw".into(), 2.0)),
            target: Target::RatioAtMost(1.5),
        };
        let table = render(&[figure("a", 3.0), figure("longer", 1234.5)]);
        let widths: Vec<usize> = table.lines().map(|line| line.chars().count()).collect();
        assert!(widths.iter().all(|width| Some(width) == widths.first()), "{table}");
        assert!(table.contains("617.25 × | ≤ 1.5 ×, missed"), "{table}");
    }
}
