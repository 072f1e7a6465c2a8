//! The human sheet: an evaluation as a page for a terminal, readable in black and white.

use crate::evaluation::{Class, Evaluation, Way};
use crate::model::{Evidence, Kind, Model};
use crate::names::Names;
use crate::regimes;
use crate::words::{self, Verb, numbered, wrap};

/// The width of the first column of tables.
const FIRST_COLUMN_MAX: usize = 40;

/// Renders the sheet: class, exit, who can move, set the conditions, recover and freeze, what each
/// single compromise reaches, the doubts that matter, evidence, and a counter-example for each power.
/// Lines end with `\n` and have at most 100 characters.
pub fn render(model: &Model, evaluation: &Evaluation) -> String {
    let mut page = wrap("", &format!("CUSTODY OF {}", model.account()));
    page.push('\n');
    page.push_str(&head(model, evaluation));
    for (power, ways) in in_order(model, evaluation) {
        page.push('\n');
        page.push_str(&wrap("", &format!("WHO CAN {}", Verb::of(model, &power).title())));
        page.push_str(&ways_listed(model, ways));
    }
    page.push_str("\nWHO CAN FREEZE (nobody else can then move)\n");
    page.push_str(&freeze(model, evaluation));
    page.push_str("\nIF ONE THING ALONE IS IN THE WRONG HANDS\n");
    page.push_str(&blast(model, evaluation));
    page.push_str("\nDOUBTS\n");
    page.push_str(&doubts(model, evaluation));
    page.push_str("\nEVIDENCE (proved > attested > signed > asserted > unknown)\n");
    page.push_str(&evidence(model));
    page.push_str("\nWITHOUT THE USER\n");
    for sentence in counter_examples(model, evaluation) {
        page.push_str(&wrap("  - ", &sentence));
    }
    page.push_str("\nREGIMES\n");
    page.push_str(&regimes::section(model));
    page
}

fn head(model: &Model, evaluation: &Evaluation) -> String {
    let mut head = wrap("  ", &evaluation.class.words().to_uppercase());
    head.push_str(&wrap("  ", meaning(evaluation.class)));
    let user = words::users(model);
    let exit = match evaluation.exit_seconds {
        None => format!("{user} alone can never move the funds"),
        Some(seconds) => format!("{user} alone can move the funds {}", words::when(seconds)),
    };
    head.push_str(&wrap("  Exit: ", &format!("{exit}.")));
    let guessable = model.atoms().iter().filter(|(_, atom)| atom.guessable);
    let guessable: Vec<_> = guessable.map(|(name, _)| words::atom(model, name)).collect();
    if !guessable.is_empty() {
        head.push_str(&wrap("  Everybody has or can guess: ", &format!("{}.", words::list(&guessable))));
    }
    head
}

pub(crate) fn meaning(class: Class) -> &'static str {
    match class {
        Class::Custodial => {
            "One outside entity by itself can move funds to anybody, set the conditions or recover control, \
             without the user."
        }
        Class::RestrictedCustody => {
            "One outside entity by itself can move funds without the user, though only to receivers agreed in \
             advance."
        }
        Class::Collusive => "No outside entity alone, but several of them together can act without the user.",
        Class::NonCustodial => {
            "Outsiders cannot move, set conditions or recover, even together; the user alone can move at once, \
             and one of the user's parties or objects suffices."
        }
        Class::MpcSelfCustody => {
            "Outsiders cannot move, set conditions or recover, even together; the user alone can move at once, \
             and no single party or object suffices."
        }
        Class::SemiCustodial => {
            "Outsiders cannot act without the user; the user needs them to move at once, but can do without \
             them after a finite time."
        }
        Class::Hostage => "Outsiders cannot act without the user, and the user can never move without them.",
    }
}

/// The powers of the account: `move`, each limit, `rule`, `recover`.
fn in_order<'a>(model: &Model, evaluation: &'a Evaluation) -> Vec<(String, &'a [Way])> {
    let limits = model.limits().keys().map(|limit| crate::program::bounded(limit));
    let names =
        ["move".to_owned()].into_iter().chain(limits).chain(["rule".to_owned(), "recover".to_owned()]);
    let ways = |name: &String| evaluation.powers.get(name).map_or(&[] as &[Way], Vec::as_slice);
    names.map(|name| (name.clone(), ways(&name))).collect()
}

/// Those that rest on no doubt first.
fn ways_listed(model: &Model, ways: &[Way]) -> String {
    let mut ways: Vec<_> = ways.iter().collect();
    ways.sort_by_key(|way| way.doubts.len());
    let lines = ways.into_iter().map(|way| {
        let who = words::coalition(model, &way.coalition.to_vec(), &way.doubts.to_vec());
        format!("{who}: {} ({})", words::when(way.seconds), way.evidence.word())
    });
    numbered(lines)
}

fn freeze(model: &Model, evaluation: &Evaluation) -> String {
    if evaluation.freeze.iter().any(Names::is_empty) {
        return "  nobody can move as it is\n".to_owned();
    }
    numbered(evaluation.freeze.iter().map(|set| words::coalition(model, &set.to_vec(), &[])))
}

fn blast(model: &Model, evaluation: &Evaluation) -> String {
    let rows = evaluation.blast.iter().map(|blast| {
        let reached = in_order(model, evaluation).into_iter().filter_map(|(power, _)| {
            let seconds = blast.reaches.get(&power)?;
            Some(format!("{power} {}", words::when(*seconds)))
        });
        let reached: Vec<_> = reached.collect();
        (
            words::atom(model, &blast.atom),
            if reached.is_empty() { "nothing".to_owned() } else { reached.join(", ") },
        )
    });
    table(rows.collect())
}

/// Two columns; a first cell that is too wide stands on lines of its own.
fn table(rows: Vec<(String, String)>) -> String {
    let wide = rows.iter().map(|(cell, _)| cell.chars().count()).max().unwrap_or(0).min(FIRST_COLUMN_MAX);
    let row = |(first, second): (String, String)| {
        if first.chars().count() > wide {
            let gap = " ".repeat(wide + 4);
            return format!("{}{}", wrap("  ", &first), wrap(&gap, &second));
        }
        wrap(&format!("  {first:<wide$}  "), &second)
    };
    rows.into_iter().map(row).collect()
}

fn doubts(model: &Model, evaluation: &Evaluation) -> String {
    let all: Vec<_> = model.atoms().iter().filter(|(_, atom)| atom.kind == Kind::Doubt).collect();
    if all.is_empty() {
        return "  none named\n".to_owned();
    }
    let mut text = String::new();
    if evaluation.assuming.is_empty() {
        text.push_str(&wrap("  ", "The class rests on none of them."));
    } else {
        text.push_str(&wrap(
            "  ",
            "The class holds unless one of these comes true; all outsiders together could then act without the user:",
        ));
        text.push_str(&numbered(evaluation.assuming.iter().map(|set| {
            let says: Vec<_> = set.iter().map(|name| words::doubt(model, name)).collect();
            words::list(&says)
        })));
    }
    text.push_str(&wrap("  ", "All that cannot be proved:"));
    for (name, atom) in all {
        let profits =
            atom.entity.as_ref().map_or(String::new(), |entity| format!(" (to the profit of {entity})"));
        text.push_str(&wrap("  - ", &format!("{name}: {}{profits}", words::doubt(model, name))));
    }
    text
}

fn evidence(model: &Model) -> String {
    let rows = Evidence::ALL.into_iter().filter_map(|evidence| {
        let rules = model.rules().iter().filter(|rule| rule.evidence == evidence);
        let reasons: Vec<_> = rules.map(|rule| reason(&rule.because).to_owned()).collect();
        (!reasons.is_empty()).then(|| (evidence.word().to_owned(), reasons.join("; ")))
    });
    table(rows.collect())
}

fn reason(because: &str) -> &str {
    if because.is_empty() { "no reason given" } else { because }
}

/// For each power of the account a sentence: how outsiders reach it without the user, or that they
/// cannot; and one for freezing.
fn counter_examples(model: &Model, evaluation: &Evaluation) -> Vec<String> {
    let mut sentences = Vec::new();
    for (power, ways) in in_order(model, evaluation) {
        let verb = Verb::of(model, &power).phrase();
        sentences.push(match shortest(model, ways) {
            Some(way) => counter_example(model, way, &verb),
            None => format!("without the user nobody can {verb}{}.", even_with_doubts(model)),
        });
    }
    let outside = |set: &&Names| set.iter().all(|name| !is_users(model, name));
    if let Some(set) = evaluation.freeze.iter().find(|set| !set.is_empty() && outside(set)) {
        let who = who(model, &set.to_vec(), &[]);
        sentences.push(format!("{who} can freeze: nobody else can then move the funds."));
    } else {
        sentences.push("without the user nobody can freeze the funds.".to_owned());
    }
    sentences
}

fn even_with_doubts(model: &Model) -> &'static str {
    let doubts = model.atoms().values().any(|atom| atom.kind == Kind::Doubt);
    if doubts { ", not even if every doubt comes true" } else { "" }
}

/// Of the ways without the user: fewest doubts, then fewest entities, then as listed.
fn shortest<'a>(model: &Model, ways: &'a [Way]) -> Option<&'a Way> {
    let solid = |way: &'a Way| way.coalition.iter().filter(|name| !way.doubts.contains(name));
    let outside = ways.iter().filter(|way| solid(way).all(|name| !is_users(model, name)));
    outside.min_by_key(|way| {
        let names: Vec<_> = solid(way).collect();
        (way.doubts.len(), words::by_entity(model, &names).len())
    })
}

fn is_users(model: &Model, atom: &str) -> bool {
    let entity = words::entity(model, atom).and_then(|entity| model.entities().get(entity));
    entity.is_some_and(crate::model::Entity::is_user)
}

/// "acme (cosigner) can move the funds at once, if a copy was kept: the co-signer holds share 2; …"
fn counter_example(model: &Model, way: &Way, verb: &str) -> String {
    let who = who(model, &way.coalition.to_vec(), &way.doubts.to_vec());
    let doubts = words::supposing(model, &way.doubts.to_vec());
    let told = way.trace.iter().filter_map(|line| line.split_once(": "));
    let reasons: Vec<_> = told.filter(|(name, _)| !way.doubts.contains(name)).collect();
    let reasons: Vec<_> = reasons.into_iter().map(|(_, reason)| reason.to_owned()).collect();
    format!("{who} can {verb} {}{doubts}: {}.", words::when(way.seconds), reasons.join("; "))
}

/// "acme (cosigner, backup) and mail (host) together"; with doubts alone, who profits from them.
fn who(model: &Model, coalition: &[String], doubts: &[String]) -> String {
    let solid: Vec<&str> =
        coalition.iter().filter(|name| !doubts.contains(name)).map(String::as_str).collect();
    let groups = words::by_entity(model, &solid);
    let named: Vec<_> =
        groups.iter().map(|(entity, names)| format!("{entity} ({})", names.join(", "))).collect();
    match named.len() {
        0 => {
            let profit = doubts.iter().find_map(|name| words::entity(model, name));
            profit.unwrap_or("anybody").to_owned()
        }
        1 => words::list(&named),
        _ => format!("{} together", words::list(&named)),
    }
}
