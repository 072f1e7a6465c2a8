//! The vector for people: a page of its own, and a short section for the sheet.

use super::{NOTICE, Regimes, Verdict, regimes};
use crate::model::Model;
use crate::words::{self, wrap};

/// Sets of doubts that are told of one finding; the rest is in the JSON.
const SETS_SHOWN: usize = 3;

/// Renders the whole vector, each finding with its reason. Lines end with `\n` and have at most 100
/// characters.
pub fn render(model: &Model, regimes: &Regimes) -> String {
    let mut page = wrap("", &format!("REGIMES FOR {}", regimes.account));
    page.push_str(&wrap("  ", &format!("{}.", capital(NOTICE))));
    for entity in &regimes.entities {
        page.push('\n');
        page.push_str(&wrap("", &format!("{} ({})", entity.entity.to_uppercase(), entity.role)));
        for finding in &entity.findings {
            let first = format!("  {:<13}{:<9}", finding.regime.title(), finding.verdict.words());
            let but = but_for(model, &finding.assuming);
            page.push_str(&wrap(&first, &format!("{}{but}", finding.because)));
        }
    }
    if regimes.entities.is_empty() {
        page.push_str("\nThere is no outside entity.\n");
    }
    page.push_str("\nCCSS 9.0, OF THE ACCOUNT\n");
    for aspect in &regimes.ccss {
        let first = format!("  {:<8}{:<14}", aspect.aspect, aspect.verdict.words());
        page.push_str(&wrap(&first, &format!("{}: {}", aspect.title, aspect.because)));
    }
    page.push_str("\nWHAT IS ASKED\n");
    for described in &regimes.regimes {
        let first = format!("  {:<13}", described.title);
        page.push_str(&wrap(&first, &format!("{}.", capital(&described.criterion))));
        page.push_str(&wrap(&" ".repeat(15), &format!("{}.", described.source)));
    }
    page
}

/// The section of the sheet: for each outside entity, which criteria it meets.
pub(crate) fn section(model: &Model) -> String {
    let regimes = match regimes(model) {
        Ok(regimes) => regimes,
        Err(error) => return wrap("  ", &format!("not computed: {error}")),
    };
    let mut text = String::new();
    for entity in &regimes.entities {
        let with = |verdict: Verdict| {
            let findings = entity.findings.iter().filter(|finding| finding.verdict == verdict);
            let titles: Vec<_> = findings.map(|finding| finding.regime.title().to_owned()).collect();
            if titles.is_empty() { "none".to_owned() } else { titles.join(", ") }
        };
        let (met, not_met) = (with(Verdict::Met), with(Verdict::NotMet));
        text.push_str(&wrap("  ", &format!("{}: met: {met}; not met: {not_met}", entity.entity)));
    }
    if regimes.entities.is_empty() {
        text.push_str("  no outside entity\n");
    }
    text.push_str(&wrap(
        "  ",
        &format!("{}; `cohold custody regimes` gives criteria and sources.", capital(NOTICE)),
    ));
    text
}

/// Which doubts would change the answer.
fn but_for(model: &Model, assuming: &[Vec<String>]) -> String {
    let told = |set: &Vec<String>| {
        let says: Vec<_> = set.iter().map(|name| words::doubt(model, name)).collect();
        says.join(" and ")
    };
    let sets: Vec<_> = assuming.iter().take(SETS_SHOWN).map(told).collect();
    let rest = if assuming.len() > SETS_SHOWN { ", or more" } else { "" };
    if sets.is_empty() { String::new() } else { format!("; met if {}{rest}", sets.join(", or if ")) }
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(characters).collect()
}
