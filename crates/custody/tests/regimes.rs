//! The vector of regimes: which criterion catches whom, and that the regimes differ.

use std::fs;
use std::path::Path;

use cohold_custody::regimes::{NOTICE, Verdict, render};
use cohold_custody::{Atom, Model, ModelBuilder, Needs, Regime, Regimes, Rule, regimes};

fn vector(name: &str) -> Regimes {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/{name}.json"));
    let model = Model::parse(&fs::read(path).expect("the file is there")).expect("a good file");
    regimes(&model).expect("a small model")
}

/// The titles of the criteria that an entity meets.
fn met(regimes: &Regimes, entity: &str) -> Vec<&'static str> {
    let entity = regimes.entities.iter().find(|found| found.entity == entity).expect("an outside entity");
    assert!(entity.findings.iter().map(|finding| finding.regime).eq(Regime::ALL));
    let met = entity.findings.iter().filter(|finding| finding.verdict == Verdict::Met);
    met.map(|finding| finding.regime.title()).collect()
}

fn ccss(regimes: &Regimes) -> Vec<(&str, bool)> {
    let computed = regimes.ccss.iter().filter(|aspect| aspect.verdict != Verdict::NotComputed);
    computed.map(|aspect| (aspect.aspect.as_str(), aspect.verdict == Verdict::Met)).collect()
}

const ALL: [&str; 7] = ["FinCEN 2019", "FATF 2021", "MiCA", "Swiss AMLO", "Swiss DEBA", "UCC 12-105", "BRCA"];
/// Whoever is needed and can do nothing alone.
const NEEDED: [&str; 4] = ["FATF 2021", "MiCA", "Swiss AMLO", "UCC 12-105"];
/// Whoever moves alone while the user can leave at once.
const BESIDE_THE_USER: [&str; 6] = ["FinCEN 2019", "FATF 2021", "MiCA", "Swiss AMLO", "UCC 12-105", "BRCA"];
/// Whoever moves within a limit only.
const BOUNDED: [&str; 4] = ["FATF 2021", "MiCA", "Swiss AMLO", "BRCA"];

#[test]
fn each_pattern_is_caught_by_these() {
    let check = |fixture: &str, entity: &str, expected: &[&str]| {
        assert_eq!(met(&vector(&format!("fixtures/{fixture}")), entity), expected, "{fixture}: {entity}");
    };
    check("01-key-made-by-the-server", "acme", &[]);
    check("02-operator-meets-the-threshold", "acme", &ALL);
    check("03-two-parties-one-cloud-account", "acme", &ALL);
    check("03-two-parties-one-cloud-account", "northwind", &["FATF 2021", "Swiss AMLO", "UCC 12-105"]);
    check("04-one-of-two", "acme", &BESIDE_THE_USER);
    check("09-provider-issues-the-tokens", "northwind", &[]);
    check("10-reset-of-the-factor", "acme", &NEEDED);
    check("10-reset-of-the-factor", "telco", &["FATF 2021"]);
    check("12-served-code-takes-the-share", "acme", &["FATF 2021", "Swiss AMLO"]);
    check("15-guard", "acme", &NEEDED);
    check("17-relayer-with-signing-rights", "acme", &BOUNDED);
    check("17-paymaster-or-own-gas", "acme", &[]);
    check("18-session-key", "acme", &BOUNDED);
    check("18-unlimited-allowance", "acme", &BESIDE_THE_USER);
    check("20-compliance-node-blocks", "acme", &NEEDED);
    check("20-compliance-node-moves", "acme", &ALL);
    check("21-guardians-appointed-by-the-provider", "acme", &BESIDE_THE_USER);
    check("22-own-node-warns", "acme", &["FATF 2021", "Swiss AMLO"]);
    check("22-somebody-else-warns", "acme", &["FATF 2021", "UCC 12-105"]);
    check("25-backups-wrapped-by-somebody-else", "cloudco", &["FATF 2021", "UCC 12-105"]);
    check("28-only-view-of-the-chain", "acme", &NEEDED);
}

/// What one regime calls control another does not.
#[test]
fn a_cosigner_of_two_passes_one_and_is_caught_by_another() {
    let model = ModelBuilder::new("eip155:1:0x00")
        .entity("ana", "user")
        .entity("acme", "provider")
        .atom("phone", Atom::party("ana"))
        .atom("cosigner", Atom::party("acme"))
        .rule(Rule::new("move", Needs::all(["phone", "cosigner"])))
        .build()
        .expect("a good model");
    let found = regimes(&model).expect("a small model");
    assert_eq!(met(&found, "acme"), NEEDED);
    let acme = &found.entities[0].findings;
    let said = |regime: Regime| {
        let finding = acme.iter().find(|finding| finding.regime == regime).expect("each is there");
        (finding.verdict, finding.because.as_str())
    };
    let alone = "acme alone cannot move, set the conditions or recover control";
    assert_eq!(said(Regime::Fincen2019), (Verdict::NotMet, alone));
    assert_eq!(said(Regime::Mica), (Verdict::Met, "nobody can move the funds without acme"));
    let together = "acme can move the funds together with ana, who cannot without it";
    assert_eq!(said(Regime::Ucc12105), (Verdict::Met, together));
    assert_eq!(ccss(&found), [("1.02.1", true), ("1.02.2", false), ("1.02.4", true)]);
}

/// No two regimes are the same question: some fixture tells each two apart.
#[test]
fn no_two_regimes_agree_everywhere() {
    let fixtures = [
        "fixtures/04-one-of-two",
        "fixtures/12-served-code-takes-the-share",
        "fixtures/15-guard",
        "fixtures/18-session-key",
        "fixtures/22-somebody-else-warns",
    ];
    let sets = fixtures.map(|name| met(&vector(name), "acme"));
    for one in ALL {
        for other in ALL.into_iter().filter(|other| *other != one) {
            let differ = sets.iter().any(|met| met.contains(&one) != met.contains(&other));
            assert!(differ, "{one} and {other}");
        }
    }
}

#[test]
fn doubts_that_would_change_the_answer_stand_beside_it() {
    let found = vector("extract/personal");
    assert_eq!(met(&found, "acme"), ["FATF 2021", "Swiss AMLO"]);
    for finding in &found.entities[0].findings {
        let changes = match finding.regime {
            Regime::Fincen2019 | Regime::Mica | Regime::Ucc12105 | Regime::Brca => {
                vec![["engine-leak".to_owned()], ["hostile-program".to_owned()]]
            }
            // Met already, or the user is out before the estate is opened.
            Regime::Fatf2021 | Regime::SwissAmlo | Regime::SwissDeba => Vec::new(),
        };
        assert_eq!(finding.assuming, changes, "{:?}", finding.regime);
    }
    assert_eq!(ccss(&found), [("1.02.1", true), ("1.02.2", true), ("1.02.4", false)]);
}

#[test]
fn what_is_not_in_the_model_is_not_computed() {
    let found = vector("extract/personal");
    let unknown = found.ccss.iter().filter(|aspect| aspect.verdict == Verdict::NotComputed);
    let unknown: Vec<&str> = unknown.map(|aspect| aspect.aspect.as_str()).collect();
    assert_eq!(unknown, ["1.01", "1.02.3", "1.03", "1.04", "1.05", "1.06"]);
}

#[test]
fn it_is_written_to_json_and_read_back() {
    let found = vector("fixtures/18-session-key");
    let written = serde_json::to_value(&found).expect("it is JSON");
    assert_eq!(written["notice"], NOTICE);
    assert_eq!(written["regimes"][0]["regime"], "fincen-2019");
    assert!(written["regimes"][2]["source"].as_str().is_some_and(|source| source.contains("2023/1114")));
    assert_eq!(written["entities"][0]["findings"][0]["verdict"], "not met");
    assert_eq!(written["ccss"][0]["verdict"], "not computed");
    assert_eq!(serde_json::from_value::<Regimes>(written).expect("read back"), found);
}

#[test]
fn every_page_says_that_it_is_no_legal_advice() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/extract/personal.json");
    let model = Model::parse(&fs::read(path).expect("the file is there")).expect("a good file");
    let found = regimes(&model).expect("a small model");
    let evaluation = cohold_custody::evaluate(&model).expect("a small model");
    for page in [render(&model, &found), cohold_custody::sheet::render(&model, &evaluation)] {
        let flat = page.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains("not legal advice"), "{page}");
        assert!(page.lines().all(|line| line.chars().count() <= 100), "{page}");
    }
}

/// Without any outsider there is nobody to judge.
#[test]
fn nobody_outside_is_no_error() {
    let model = ModelBuilder::new("eip155:1:0x00")
        .entity("ana", "user")
        .atom("phone", Atom::party("ana"))
        .rule(Rule::new("move", "phone"))
        .build()
        .expect("a good model");
    let found = regimes(&model).expect("a small model");
    assert!(found.entities.is_empty() && render(&model, &found).contains("no outside entity"));
}
