//! Fleets: which models count as one, what a state holds, what a report lists.

use cohold_custody::fleet::state::{AccountLine, Head, Line, ModelLine, StateError, head, line, model};
use cohold_custody::fleet::{Change, Fingerprint, Report, Standing, compare, render};
use cohold_custody::{Atom, Class, Evidence, Model, ModelBuilder, Needs, Rule, Verdict, evaluate};

fn builder(account: &str) -> ModelBuilder {
    ModelBuilder::new(account)
        .entity("ana", "user")
        .entity("acme", "provider")
        .atom("phone", Atom::party("ana"))
        .atom("paper", Atom::party("ana"))
        .atom("cosigner", Atom::party("acme"))
}

fn of(account: &str, needs: Needs) -> Model {
    builder(account).rule(Rule::new("move", needs)).build().expect("a good model")
}

fn two_of_three(account: &str) -> Model {
    of(account, Needs::k(2, ["phone", "paper", "cosigner"]))
}

#[test]
fn names_of_accounts_and_order_are_aside() {
    let print = |needs: Needs| Fingerprint::of(&of("one", needs));
    let one = print(Needs::k(2, ["phone", "paper", "cosigner"]));
    assert_eq!(one, Fingerprint::of(&two_of_three("another")));
    assert_eq!(one, print(Needs::k(2, ["cosigner", "phone", "paper"])));
    assert_eq!(print(Needs::all(["phone", "paper"])), print(Needs::k(2, ["paper", "phone"])));
    assert_eq!(print(Needs::any(["phone", "paper"])), print(Needs::k(1, ["paper", "phone"])));
    let rules = [Rule::new("move", "phone"), Rule::new("rule", "cosigner")];
    let forth = rules.iter().cloned().fold(builder("a"), ModelBuilder::rule).build().expect("good");
    let back = rules.iter().rev().cloned().fold(builder("b"), ModelBuilder::rule).build().expect("good");
    assert_eq!(Fingerprint::of(&forth), Fingerprint::of(&back));
}

/// Whatever may change a verdict or a sentence is another model.
#[test]
fn everything_else_counts() {
    let base = || builder("a").rule(Rule::new("move", Needs::k(2, ["phone", "paper", "cosigner"])));
    let rule = || Rule::new("rule", "cosigner");
    let all = [
        base(),
        base().atom("old", Atom::doubt("a copy was kept")),
        base().atom("old", Atom::doubt("two copies were kept")),
        base().atom("pin", Atom::object("ana")),
        base().atom("pin", Atom::object("ana").guessable()),
        base().atom("pin", Atom::object("acme")),
        base().entity("bo", "guardian"),
        base().entity("bo", "user"),
        base().rule(rule()),
        base().rule(rule().after_seconds(60)),
        base().rule(rule().after_seconds(60).cancel("phone")),
        base().rule(rule().because("so it is")),
        base().rule(rule().evidence(Evidence::Proved)),
        base().rule(rule()).rule(rule()),
        builder("a").rule(Rule::new("move", Needs::k(3, ["phone", "paper", "cosigner"]))),
        builder("a").rule(Rule::new("move", Needs::k(2, ["phone", "paper"]))),
    ];
    let mut prints: Vec<_> =
        all.into_iter().map(|one| Fingerprint::of(&one.build().expect("good"))).collect();
    let count = prints.len();
    prints.sort();
    prints.dedup();
    assert_eq!(prints.len(), count);
}

#[test]
fn a_standing_is_what_the_evaluation_says() {
    for needs in [Needs::from("cosigner"), Needs::all(["phone", "cosigner"]), Needs::any(["phone", "paper"])]
    {
        let model = of("a", needs);
        let evaluation = evaluate(&model).expect("a small model");
        let standing = Standing::of(&model).expect("a small model");
        assert_eq!((standing.class, standing.exit_seconds), (evaluation.class, evaluation.exit_seconds));
    }
}

#[test]
fn a_state_is_read_back_line_by_line() {
    let two = two_of_three("first");
    let fingerprint = Fingerprint::of(&two);
    let standing = Standing::of(&two).expect("a small model");
    let json = |value: serde_json::Result<String>| value.expect("plain data").into_bytes();
    assert_eq!(head(&json(serde_json::to_string(&Head::new(7)))).expect("a head").at, 7);
    let written = json(serde_json::to_string(&ModelLine { fingerprint, model: two }));
    assert_eq!(line(&written).expect("a model"), Line::Model(fingerprint));
    // The model stands there under the first account's name and is read for another.
    assert_eq!(model(&written, fingerprint, "second").expect("the same"), two_of_three("second"));
    let account = AccountLine { account: "second".to_owned(), fingerprint, standing };
    let line_of_account = json(serde_json::to_string(&account));
    assert_eq!(line(&line_of_account).expect("an account"), Line::Account(account));
    let pinned = r#"{"account":"second","fingerprint":""#;
    assert!(line_of_account.starts_with(pinned.as_bytes()));
    assert!(line_of_account.ends_with(br#"","class":"mpc self-custody","exit_seconds":0}"#));

    let changed = String::from_utf8(written).expect("text").replace("\"k\":2", "\"k\":1");
    assert!(matches!(model(changed.as_bytes(), fingerprint, "second"), Err(StateError::Model(_))));
    for bad in ["", "{}", "[]", "{\"version\":1}", "nothing"] {
        assert!(matches!(head(bad.as_bytes()), Err(StateError::Head)), "{bad}");
        assert!(matches!(line(bad.as_bytes()), Err(StateError::Line(_))), "{bad}");
    }
    assert!(matches!(head(br#"{"cohold_fleet":2,"at":0}"#), Err(StateError::Version(2))));
}

#[test]
fn what_cannot_be_compared_counts_as_crossing() {
    let many = |prefix: &str| {
        let mut builder = ModelBuilder::new("a").entity("ana", "user");
        for index in 0..20 {
            builder = builder.atom(format!("{prefix}{index}"), Atom::party("ana"));
        }
        builder.build().expect("a good model")
    };
    let comparison = compare(&many("a"), &many("b"));
    assert_eq!(comparison.verdict, Verdict::CrossesTheRedLine);
    assert!(comparison.sentences[0].contains("cannot be compared"), "{comparison:?}");
    assert_eq!(compare(&many("a"), &many("a")).verdict, Verdict::Equal);
}

#[test]
fn crossings_come_first_and_lists_end() {
    let (safe, open) = (two_of_three("a"), of("a", Needs::any(["phone", "cosigner"])));
    let standing = |model: &Model| Standing::of(model).expect("a small model");
    let mut report = Report::new(2, Some(1));
    for index in (0..1_500).rev() {
        let account = format!("acc-{index:04}");
        report.found(&account, standing(if index == 700 { &open } else { &safe }));
        report.is_new(&account);
        let comparison = if index == 700 { compare(&safe, &open) } else { compare(&open, &safe) };
        let class = (Class::Custodial, Class::MpcSelfCustody);
        report.is_changed(Change { account, class, comparison });
    }
    assert_eq!((report.accounts, report.new.count, report.new.accounts.len()), (1_500, 1_500, 1_000));
    assert_eq!(report.classes[0].class, Class::Custodial);
    assert_eq!(report.classes[1].examples, ["acc-0000", "acc-0001", "acc-0002"]);
    assert_eq!((report.crossed(), report.of_class(&[Class::Custodial])), (1, 1));
    assert_eq!(report.changes.len(), 1_000);
    assert_eq!(report.changes[0].account, "acc-0700");
    assert_eq!(report.changes[1].account, "acc-0000");
    let page = render(&report);
    assert!(page.contains("acc-0700: CROSSES THE RED LINE") && page.contains("and 1480 more"), "{page}");
    assert!(page.lines().all(|line| line.chars().count() <= 100), "{page}");
}
