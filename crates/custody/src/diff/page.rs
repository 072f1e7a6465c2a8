//! A difference as a page for a terminal.

use super::{Change, Difference, Verdict};
use crate::words::wrap;

/// Sentences that are printed of one list; the rest is in the JSON.
const SENTENCES_SHOWN: usize = 24;

/// Renders the page: the verdict and why, then who gains and who loses. Lines end with `\n` and have
/// at most 100 characters.
pub fn render(difference: &Difference) -> String {
    let mut page = wrap("", &format!("CHANGE OF {}", difference.account));
    page.push('\n');
    page.push_str(&wrap("  ", &difference.verdict.words().to_uppercase()));
    page.push_str(&wrap("  ", meaning(difference.verdict)));
    let (before, after) = difference.class;
    let class = if before == after {
        format!("{before}, as before.")
    } else {
        format!("{before} before, {after} from now on.")
    };
    page.push_str(&wrap("  Class: ", &class));

    // Nothing that the user is to sign is left out.
    let crossings = difference.crossings().into_iter();
    page.push_str(&section("THE RED LINE IS CROSSED, BECAUSE", crossings, usize::MAX));
    let with = difference.gained.iter().filter(|change| !change.without_user);
    page.push_str(&section(
        "WHO GAINS WITH SOMETHING OF THE USER'S (OR BY STEALING IT)",
        with.map(sentence),
        SENTENCES_SHOWN,
    ));
    let grown = difference.user.iter().filter(|change| !change.shrinks);
    page.push_str(&section("THE USER GAINS", grown.map(|change| change.sentence.as_str()), SENTENCES_SHOWN));
    let (without, with): (Vec<_>, Vec<_>) =
        difference.lost.iter().partition(|change: &&Change| change.without_user);
    page.push_str(&section("WHO LOSES WITHOUT THE USER", without.into_iter().map(sentence), SENTENCES_SHOWN));
    let unfrozen = difference.freeze_lost.iter().map(|freeze| freeze.sentence.as_str());
    page.push_str(&section("WHO CAN NO LONGER FREEZE", unfrozen, SENTENCES_SHOWN));
    page.push_str(&section(
        "WHO LOSES WITH SOMETHING OF THE USER'S",
        with.into_iter().map(sentence),
        SENTENCES_SHOWN,
    ));
    page
}

fn meaning(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Equal => "Everybody can do exactly what they could before.",
        Verdict::Safer => "Some can do less, nobody can do more, and the user keeps what the user has.",
        Verdict::CrossesTheRedLine => {
            "Somebody gains without the user, or the user's own powers shrink. Only the user can allow that, by \
             signing these sentences."
        }
        Verdict::Incomparable => {
            "Nobody gains without the user, but with something of the user's more can be done than before: by the \
             user, or by whoever steals it. The user weighs that."
        }
    }
}

fn sentence(change: &Change) -> &str {
    &change.sentence
}

fn section<'a>(title: &str, sentences: impl Iterator<Item = &'a str>, shown: usize) -> String {
    let sentences: Vec<_> = sentences.collect();
    if sentences.is_empty() {
        return String::new();
    }
    let mut text = format!("\n{title}\n");
    for sentence in sentences.iter().take(shown) {
        text.push_str(&wrap("  - ", sentence));
    }
    if let Some(rest) = sentences.len().checked_sub(shown).filter(|rest| *rest > 0) {
        text.push_str(&format!("    and {rest} more, all of them in the JSON\n"));
    }
    text
}
