//! The report for people.

use super::Report;
use crate::diff::Verdict;
use crate::words::wrap;

/// Entries of a list that are printed; the rest is in the JSON.
const SHOWN: usize = 20;

/// Renders a report. Lines end with `\n` and have at most 100 characters.
pub fn render(report: &Report) -> String {
    let mut page =
        format!("{} with {}\n\n", count(report.accounts, "account"), count(report.models, "model"));
    for group in &report.classes {
        let examples = group.examples.join(", ");
        let rest = if group.accounts > group.examples.len() as u64 { ", …" } else { "" };
        let first = format!("{:>9}  {:<19} ", group.accounts, group.class.words().to_uppercase());
        page.push_str(&wrap(&first, &format!("{examples}{rest}")));
    }
    match report.since {
        None => page.push_str("\nThere is no earlier run to compare with.\n"),
        Some(_) => page.push_str(&since(report)),
    }
    if report.failed.count > 0 {
        page.push_str(&format!("\nNOT EVALUATED: {}\n", report.failed.count));
        for (place, error) in report.failed.list.iter().take(SHOWN) {
            page.push_str(&wrap("  - ", &format!("{place}: {error}")));
        }
        page.push_str(&rest(report.failed.count, SHOWN));
    }
    page
}

fn since(report: &Report) -> String {
    let changed: u64 = report.verdicts.values().sum();
    let verdicts: Vec<_> =
        report.verdicts.iter().map(|(verdict, count)| format!("{count} {verdict}")).collect();
    let verdicts = if verdicts.is_empty() { String::new() } else { format!(" ({})", verdicts.join(", ")) };
    let summary = format!(
        "Since the last run: {} unchanged, {changed} changed{verdicts}, {} new, {} gone.",
        report.unchanged, report.new.count, report.gone.count
    );
    let mut text = format!("\n{}", wrap("", &summary));
    for change in report.changes.iter().take(SHOWN) {
        let (before, after) = change.class;
        let class = if before == after { after.words().to_owned() } else { format!("{before} → {after}") };
        let verdict = match change.comparison.verdict {
            Verdict::CrossesTheRedLine => "CROSSES THE RED LINE",
            other => other.words(),
        };
        text.push_str(&format!("\n{}", wrap("", &format!("{}: {verdict} ({class})", change.account))));
        for sentence in change.comparison.sentences.iter().take(SHOWN) {
            text.push_str(&wrap("  - ", sentence));
        }
    }
    text.push_str(&rest(changed, SHOWN));
    text
}

fn rest(count: u64, shown: usize) -> String {
    match count.saturating_sub(shown as u64) {
        0 => String::new(),
        rest => format!("  and {rest} more\n"),
    }
}

fn count(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
