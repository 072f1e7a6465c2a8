//! Differences as they are told, one story each.

use cohold_custody::diff::render;
use cohold_custody::{
    Atom, Difference, DifferenceError, Evidence, Limit, Model, ModelBuilder, Needs, Rule, Verdict, difference,
};

/// Two of phone, paper and co-signer move; the co-signer joins the phone within a limit.
fn base(amount: &str, receivers: &[&str]) -> ModelBuilder {
    let limit = Limit {
        asset: Some("USDC".to_owned()),
        amount: Some(amount.to_owned()),
        window_seconds: Some(86_400),
        receivers: receivers.iter().map(|to| (*to).to_owned()).collect(),
    };
    ModelBuilder::new("eip155:1:0x00")
        .entity("ana", "user")
        .entity("acme", "provider")
        .entity("bo", "guardian")
        .atom("phone", Atom::party("ana"))
        .atom("paper", Atom::object("ana"))
        .atom("cosigner", Atom::party("acme"))
        .atom("bo-node", Atom::party("bo"))
        .limit("pay", limit)
        .rule(Rule::new("move", Needs::k(2, ["phone", "paper", "cosigner"])).evidence(Evidence::Signed))
        .rule(Rule::new("move", "phone").limit("pay"))
}

fn model(builder: ModelBuilder) -> Model {
    builder.build().expect("a good model")
}

fn compared(old: ModelBuilder, new: ModelBuilder) -> Difference {
    difference(&model(old), &model(new)).expect("small models are compared")
}

/// The verdict, and the sentences of the crossing and of what else is gained and lost.
fn check(old: ModelBuilder, new: ModelBuilder, verdict: Verdict, sentences: &[&str]) -> Difference {
    let difference = compared(old, new);
    let all = (difference.gained.iter().map(|change| &change.sentence))
        .chain(difference.user.iter().map(|change| &change.sentence))
        .chain(difference.freeze_gained.iter().map(|freeze| &freeze.sentence))
        .chain(difference.lost.iter().map(|change| &change.sentence))
        .chain(difference.freeze_lost.iter().map(|freeze| &freeze.sentence));
    assert_eq!(all.collect::<Vec<_>>(), sentences);
    assert_eq!(difference.verdict, verdict);
    difference
}

#[test]
fn nothing_changes() {
    check(base("500", &[]), base("500.0", &[]), Verdict::Equal, &[]);
}

#[test]
fn a_loosened_cosigner_lets_outsiders_move() {
    let new = base("500", &[]).rule(Rule::new("move", "bo-node").limit("pay").after_seconds(60));
    let difference = check(
        base("500", &[]),
        new,
        Verdict::CrossesTheRedLine,
        &[
            "bo's bo-node can move within `pay` (at most 500 USDC in 1 day, to ANYBODY) after 1 minute; before, never.",
        ],
    );
    assert_eq!(difference.crossings(), [&difference.gained[0].sentence]);
    assert!(render(&difference).contains("THE RED LINE IS CROSSED, BECAUSE\n  - bo's bo-node can move"));
}

#[test]
fn a_larger_limit_is_the_users_to_weigh() {
    check(
        base("500", &["merchants"]),
        base("501", &["merchants"]),
        Verdict::Incomparable,
        &[
            "ana's phone can move within `pay` (at most 501 USDC in 1 day, only to merchants) at once; before, only \
             within `pay` (at most 500 USDC in 1 day, only to merchants) at once.",
        ],
    );
    check(
        base("501", &[]),
        base("500", &[]),
        Verdict::Safer,
        &[
            "ana's phone could move within `pay` (at most 501 USDC in 1 day, to ANYBODY) at once; from now on, only \
             within `pay` (at most 500 USDC in 1 day, to ANYBODY) at once.",
        ],
    );
}

#[test]
fn a_shorter_delay_and_a_lost_veto_cross() {
    let recover = |after| Rule::new("recover", "bo-node").after_seconds(after).cancel("phone");
    let with = |rule: Rule| base("1", &[]).rule(rule);
    check(
        with(recover(172_800)),
        with(recover(60)),
        Verdict::Incomparable,
        &[
            "ana's phone together with bo's bo-node can move the funds after 1 minute; before, only after 2 days.",
            "ana's phone together with bo's bo-node can recover control after 1 minute; before, only after 2 days.",
        ],
    );
    let unopposed = Rule { cancel: None, ..recover(172_800) };
    let difference = compared(with(recover(172_800)), with(unopposed));
    assert_eq!(difference.verdict, Verdict::CrossesTheRedLine);
    assert_eq!(difference.crossings()[0], "bo's bo-node can move the funds after 2 days; before, never.");
}

#[test]
fn other_hands_are_another_atom() {
    let other = ModelBuilder::new("eip155:1:0x00")
        .entity("ana", "user")
        .entity("bo", "guardian")
        .atom("phone", Atom::party("ana"))
        .atom("cosigner", Atom::party("bo"));
    let own = ModelBuilder::new("eip155:1:0x00")
        .entity("ana", "user")
        .entity("bo", "guardian")
        .atom("phone", Atom::party("ana"))
        .atom("cosigner", Atom::party("ana"));
    let rule = || Rule::new("move", "cosigner");
    check(
        own.clone().rule(rule()),
        other.clone().rule(rule()),
        Verdict::CrossesTheRedLine,
        &[
            "bo's cosigner can move the funds at once; before, never.",
            "ana alone could move the funds at once; from now on, never.",
            "bo's cosigner can freeze: without that, nobody can move the funds; before, others could.",
            "ana's cosigner could move the funds at once; from now on, never.",
        ],
    );
    let doubt = |says: &str| {
        let rules = own.clone().atom("kept", Atom::doubt(says)).rule(Rule::new("move", "kept"));
        rules.rule(rule())
    };
    check(
        doubt("a copy was kept"),
        doubt("the moon is made of cheese"),
        Verdict::CrossesTheRedLine,
        &[
            "anybody at all, if the moon is made of cheese, can move the funds at once; before, never.",
            "anybody at all, if a copy was kept, could move the funds at once; from now on, never.",
        ],
    );
}

#[test]
fn what_everybody_guesses_is_no_protection() {
    let with = |pin: Atom| {
        let builder = ModelBuilder::new("eip155:1:0x00").entity("ana", "user").entity("acme", "provider");
        let builder = builder.atom("pin", pin).atom("cosigner", Atom::party("acme"));
        builder.rule(Rule::new("move", Needs::all(["pin", "cosigner"])))
    };
    let difference = compared(with(Atom::object("ana")), with(Atom::object("ana").guessable()));
    assert_eq!(difference.verdict, Verdict::CrossesTheRedLine);
    assert_eq!(difference.crossings(), ["acme's cosigner can move the funds at once; before, never."]);
}

#[test]
fn limits_of_the_users_own_add_up() {
    let one = |name: &str, builder: ModelBuilder| {
        let limit = Limit { amount: Some("1".to_owned()), ..Limit::default() };
        builder.limit(name, limit).rule(Rule::new("move", "phone").limit(name))
    };
    let start = || ModelBuilder::new("eip155:1:0x00").entity("ana", "user").atom("phone", Atom::party("ana"));
    check(
        one("b", one("a", start())),
        one("c", start()),
        Verdict::CrossesTheRedLine,
        &[
            "ana alone could move within `a` (at most 1 of any asset, to ANYBODY) and move within `b` (at most 1 of any \
         asset, to ANYBODY), which add up, at once; from now on, only within `c` (at most 1 of any asset, to ANYBODY) \
         at once.",
            "ana's phone could move within `a` (at most 1 of any asset, to ANYBODY) and move within `b` (at most 1 of any \
         asset, to ANYBODY), which add up, at once; from now on, only within `c` (at most 1 of any asset, to ANYBODY) \
         at once.",
        ],
    );
}

#[test]
fn nobody_can_move_any_more() {
    let start = || {
        let builder = ModelBuilder::new("eip155:1:0x00").entity("ana", "user").entity("acme", "provider");
        builder.atom("phone", Atom::party("ana")).atom("cosigner", Atom::party("acme"))
    };
    let both = || start().rule(Rule::new("move", Needs::all(["phone", "cosigner"])));
    let difference = compared(both(), start());
    assert_eq!(difference.verdict, Verdict::CrossesTheRedLine);
    assert_eq!(difference.crossings(), ["nobody at all can move the funds any more."]);
    assert_eq!(compared(start(), both()).verdict, Verdict::Incomparable);
}

#[test]
fn what_cannot_be_compared() {
    let other = ModelBuilder::new("eip155:1:0x01");
    let error = difference(&model(base("1", &[])), &model(other)).expect_err("two accounts");
    assert!(matches!(error, DifferenceError::Account { .. }));

    let many = |entity: &str| {
        let start = ModelBuilder::new("eip155:1:0x00").entity(entity, "guardian");
        let names = (0..13).map(|index| format!("p{index}"));
        model(names.fold(start, |builder, name| builder.atom(name, Atom::party(entity))))
    };
    assert_eq!(difference(&many("bo"), &many("bo")).expect("the same atoms").verdict, Verdict::Equal);
    let error = difference(&many("bo"), &many("acme")).expect_err("26 atoms");
    assert!(matches!(error, DifferenceError::Atoms { count: 26, .. }));
}

#[test]
fn it_is_signed_and_read_back() {
    let difference = compared(base("1", &[]), base("2", &["a"]));
    let bytes = difference.to_canonical_json().expect("a difference is JSON");
    assert_eq!(serde_json::from_slice::<Difference>(&bytes).expect("its own JSON"), difference);
}
