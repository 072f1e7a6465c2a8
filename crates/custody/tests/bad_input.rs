//! What a model file may not be: each is refused, and the message names the place.

use cohold_custody::{Atom, Model, ModelBuilder, Needs, Rule};

/// A file with these parts in the place of good ones.
struct Parts<'a> {
    entities: &'a str,
    atoms: &'a str,
    limits: &'a str,
    rules: &'a str,
}

const GOOD: Parts<'static> = Parts {
    entities: r#""ana": {"role": "user"}, "acme": {"role": "provider"}"#,
    atoms: r#""phone": {"entity": "ana", "kind": "party"}, "cosigner": {"entity": "acme", "kind": "party"}"#,
    limits: r#""pay": {"asset": "USDC", "amount": "500", "window_seconds": 86400}"#,
    rules: r#"{"power": "move", "needs": "phone", "because": "it signs", "evidence": "signed"}"#,
};

impl Parts<'_> {
    fn file(&self) -> String {
        let Self { entities, atoms, limits, rules } = self;
        format!(
            r#"{{"version": 1, "account": "eip155:1:0x00", "entities": {{{entities}}}, "atoms": {{{atoms}}}, "limits": {{{limits}}}, "rules": [{rules}]}}"#
        )
    }
}

/// The message begins so.
#[track_caller]
fn check(input: &str, expected: &str) {
    match Model::parse(input.as_bytes()) {
        Ok(_) => panic!("accepted, instead of `{expected}`: {input}"),
        Err(error) => {
            let message = error.to_string();
            assert!(message.starts_with(expected), "`{message}` instead of `{expected}`");
            assert!(!message.ends_with('.') && !message.contains('\n'), "{message}");
        }
    }
}

#[track_caller]
fn entities(entities: &str, expected: &str) {
    check(&Parts { entities, ..GOOD }.file(), expected);
}

#[track_caller]
fn atoms(atoms: &str, expected: &str) {
    check(&Parts { atoms, ..GOOD }.file(), expected);
}

#[track_caller]
fn limits(limits: &str, expected: &str) {
    check(&Parts { limits, ..GOOD }.file(), expected);
}

#[track_caller]
fn rules(rules: &str, expected: &str) {
    check(&Parts { rules, ..GOOD }.file(), expected);
}

const FORMAT: &str = "the model file does not have the format: ";

#[test]
fn the_good_file_is_read() {
    Model::parse(GOOD.file().as_bytes()).expect("the others differ from this one in one thing");
}

#[test]
fn json_of_another_shape() {
    check("", &format!("{FORMAT}EOF while parsing a value at line 1 column 0"));
    check("{} {}", &format!("{FORMAT}missing field `version`"));
    check(&(GOOD.file() + "x"), &format!("{FORMAT}trailing characters"));
    check(
        "[1, \"eip155:1:0x00\", {}, {}, {}, []]",
        &format!("{FORMAT}invalid type: sequence, expected an object"),
    );
    check(
        &GOOD.file().replace("\"version\": 1", "\"version\": 2"),
        "version `2` of the model file is not known",
    );
    check(
        &GOOD.file().replace("\"version\": 1", "\"version\": 1, \"version\": 1"),
        &format!("{FORMAT}duplicate field `version`"),
    );
    check(
        &GOOD.file().replace("\"version\": 1", "\"version\": 1, \"colour\": 1"),
        &format!("{FORMAT}unknown field `colour`"),
    );
    check(&GOOD.file().replace("eip155:1:0x00", ""), "account must be 1 to 1000 printable characters");
    check(&" ".repeat(1 << 21), "the model file has 2097152 bytes, more than the 1048576");
    check(
        &format!("{}1", "[".repeat(100_000)),
        &format!("{FORMAT}invalid type: sequence, expected an object"),
    );
    let deep = format!("{}\"phone\"{}", "{\"all\": [".repeat(5_000), "]}".repeat(5_000));
    rules(&format!(r#"{{"power": "move", "needs": {deep}}}"#), &format!("{FORMAT}recursion limit exceeded"));
}

#[test]
fn entities_that_are_not() {
    entities(
        r#""ana": {"role": "user"}, "ana": {"role": "provider"}"#,
        &format!("{FORMAT}duplicate name `ana`"),
    );
    entities(
        r#""ana": {"role": "User"}, "acme": {"role": "provider"}"#,
        "role `User` of entities.ana is not a word",
    );
    entities(r#""ana": {"role": ""}, "acme": {"role": "provider"}"#, "role `` of entities.ana is not a word");
    entities(r#""ana": {}, "acme": {"role": "provider"}"#, &format!("{FORMAT}missing field `role`"));
    entities(r#""ana": ["user"], "acme": {"role": "provider"}"#, &format!("{FORMAT}invalid type: sequence"));
    entities(r#""an a": {"role": "user"}"#, "`an a` in entities is not a name");
}

#[test]
fn atoms_that_are_not() {
    let duplicate =
        r#""phone": {"entity": "ana", "kind": "party"}, "phone": {"entity": "acme", "kind": "party"}"#;
    atoms(duplicate, &format!("{FORMAT}duplicate name `phone`"));
    atoms(r#""phone": {"kind": "party"}"#, "atoms.phone has no entity; only a doubt may have none");
    atoms(r#""phone": {"kind": "object", "guessable": true}"#, "atoms.phone has no entity");
    atoms(
        r#""phone": {"entity": "eve", "kind": "party"}"#,
        "atoms.phone belongs to the unknown entity `eve`",
    );
    atoms(r#""phone": {"entity": "ana", "kind": "place"}"#, &format!("{FORMAT}unknown variant `place`"));
    atoms(r#""phone": {"entity": "ana", "kind": {"party": null}}"#, &format!("{FORMAT}invalid type: map"));
    atoms(
        r#""phone": {"entity": "ana", "kind": "party", "owner": 1}"#,
        &format!("{FORMAT}unknown field `owner`"),
    );
    atoms(r#""phone": {"entity": "ana", "kind": "party", "guessable": 1}"#, &format!("{FORMAT}invalid type"));
    atoms(
        r#""move": {"entity": "ana", "kind": "party"}"#,
        "`move` is both an atom and a power (a reserved name)",
    );
    atoms(r#""rule": {"entity": "ana", "kind": "party"}"#, "`rule` is both an atom and a power");
    atoms(r#""move[pay]": {"entity": "ana", "kind": "party"}"#, "`move[pay]` in atoms is not a name");
    atoms(r#""ph\u001bone": {"entity": "ana", "kind": "party"}"#, "`ph\\u{1b}one` in atoms is not a name");
    atoms(r#""": {"entity": "ana", "kind": "party"}"#, "`` in atoms is not a name");
    atoms(r#""phone": {"kind": "doubt", "says": "a\nb"}"#, "atoms.phone.says must be 1 to 1000 printable");
    atoms(
        r#""phone": {"kind": "doubt", "says": "a\u202eb"}"#,
        "atoms.phone.says must be 1 to 1000 printable",
    );
    let many: Vec<_> = (0..25).map(|index| format!(r#""a{index}": {{"kind": "doubt"}}"#)).collect();
    atoms(&many.join(", "), "the model has 25 atoms, more than 24");
}

#[test]
fn limits_that_are_not() {
    limits(r#""pay": {}, "pay": {}"#, &format!("{FORMAT}duplicate name `pay`"));
    limits(r#""pay": {"amount": "1,5"}"#, "amount `1,5` of limits.pay is not a decimal number");
    limits(r#""pay": {"amount": "-1"}"#, "amount `-1` of limits.pay");
    limits(r#""pay": {"amount": "1."}"#, "amount `1.` of limits.pay");
    limits(r#""pay": {"amount": 500}"#, &format!("{FORMAT}invalid type: integer `500`, expected a string"));
    limits(r#""pay": {"window_seconds": 0}"#, "limits.pay.window_seconds is 0, which is not between 1 and");
    limits(r#""pay": {"receivers": [""]}"#, "limits.pay.receivers[0] must be");
    limits(r#""pay": {"cap": 1}"#, &format!("{FORMAT}unknown field `cap`"));
}

#[test]
fn rules_that_are_not() {
    rules(r#"["move", null, "phone"]"#, &format!("{FORMAT}invalid type: sequence, expected an object"));
    rules(r#"{"power": "move"}"#, &format!("{FORMAT}missing field `needs`"));
    rules(r#"{"power": "move", "needs": "phone", "need": 1}"#, &format!("{FORMAT}unknown field `need`"));
    rules(
        r#"{"power": "phone", "needs": "cosigner"}"#,
        "`phone` is both an atom and a power (rules[0].power)",
    );
    rules(r#"{"power": "move[pay]", "needs": "phone"}"#, "`move[pay]` in rules[0].power is not a name");
    rules(
        r#"{"power": "move", "limit": "gift", "needs": "phone"}"#,
        "rules[0].limit names the unknown limit `gift`",
    );
    rules(r#"{"power": "rule", "limit": "pay", "needs": "phone"}"#, "rules[0].limit limits the power `rule`");
    rules(
        r#"{"power": "move", "needs": "phone", "after_seconds": -1}"#,
        &format!("{FORMAT}invalid value: integer `-1`"),
    );
    rules(
        r#"{"power": "move", "needs": "phone", "after_seconds": 1.5}"#,
        &format!("{FORMAT}invalid type: floating"),
    );
    rules(
        r#"{"power": "move", "needs": "phone", "after_seconds": 9007199254740993}"#,
        "rules[0].after_seconds is 9007199254740993, which is not between 0 and",
    );
    rules(
        r#"{"power": "move", "needs": "phone", "evidence": "sworn"}"#,
        &format!("{FORMAT}unknown variant `sworn`"),
    );
    rules(r#"{"power": "move", "needs": "phone", "because": "a\u0007b"}"#, "rules[0].because must be");
    let many = vec![r#"{"power": "move", "needs": "phone"}"#; 1_025];
    rules(&many.join(", "), "the model has 1025 rules, more than 1024");
}

#[test]
fn needs_that_are_not() {
    let needs = |needs: &str, expected: &str| {
        let good = r#"{"power": "use:s1", "needs": "phone"}"#;
        rules(&format!(r#"{good}, {{"power": "move", "needs": {needs}}}"#), expected);
    };
    let forms = "`needs` takes exactly one of: a name, `all`, `any`, or `k` together with `of`";
    needs("7", &format!("{FORMAT}invalid type: integer `7`, expected a name, or an object"));
    needs("{}", &format!("{FORMAT}{forms}"));
    needs(r#"{"all": ["phone"], "any": ["phone"]}"#, &format!("{FORMAT}{forms}"));
    needs(r#"{"k": 1}"#, &format!("{FORMAT}{forms}"));
    needs(r#"{"of": ["phone"]}"#, &format!("{FORMAT}{forms}"));
    needs(r#"{"all": ["phone"], "all": ["phone"]}"#, &format!("{FORMAT}duplicate field `all`"));
    needs(r#"{"every": ["phone"]}"#, &format!("{FORMAT}unknown field `every`"));
    needs(r#"{"all": []}"#, "rules[1].needs.all is empty");
    needs(r#"{"any": [{"any": []}]}"#, "rules[1].needs.any[0].any is empty");
    needs(r#"{"k": 0, "of": ["phone"]}"#, "rules[1].needs.k is 0, which is not between 1 and the 1 entries");
    needs(
        r#"{"all": [{"k": 3, "of": ["phone", "use:s1"]}]}"#,
        "rules[1].needs.all[0].k is 3, which is not between",
    );
    needs(r#"{"k": 18446744073709551615, "of": ["phone"]}"#, "rules[1].needs.k is 18446744073709551615");
    needs(
        r#""use:s3""#,
        "rules[1].needs names `use:s3`, which is neither an atom nor the power of a rule; add",
    );
    needs(r#"{"k": 1, "of": ["phone", "tablet"]}"#, "rules[1].needs.of[1] names `tablet`");
    needs(
        r#""acme""#,
        "rules[1].needs names `acme`, which is neither an atom nor the power of a rule; it is an entity",
    );
    needs(r#""pho ne""#, "`pho ne` in rules[1].needs is not a name");
    let deep = format!("{}\"phone\"{}", "{\"all\": [".repeat(17), "]}".repeat(17));
    needs(&deep, &format!("rules[1].needs{} is nested more than 16 deep", ".all[0]".repeat(16)));
}

#[test]
fn cancels_that_are_not() {
    let cancel = |power: &str, rest: &str, expected: &str| {
        rules(&format!(r#"{{"power": "{power}", "needs": "phone", "cancel": "veto"}}, {rest}"#), expected);
    };
    cancel(
        "recover",
        r#"{"power": "move", "needs": "phone"}"#,
        "rules[0].cancel names `veto`, which is neither",
    );
    cancel(
        "recover",
        r#"{"power": "veto", "needs": "recover"}"#,
        "rules[0].cancel closes a cycle: `veto` cancels `recover`",
    );
    cancel(
        "recover",
        r#"{"power": "veto", "needs": "alarm"}, {"power": "alarm", "needs": "phone", "cancel": "move"}"#,
        "rules[0].cancel closes a cycle: `veto` cancels `recover` and itself depends on `recover`",
    );
    // whoever recovers moves, so that `move` depends on `recover` though no rule says so
    cancel("recover", r#"{"power": "veto", "needs": "move"}"#, "rules[0].cancel closes a cycle");
    cancel(
        "veto",
        r#"{"power": "move", "needs": "phone"}"#,
        "rules[0].cancel closes a cycle: `veto` cancels `veto`",
    );
}

#[test]
fn builders_are_checked_alike() {
    let builder =
        || ModelBuilder::new("eip155:1:0x00").entity("ana", "user").atom("phone", Atom::party("ana"));
    let check = |builder: ModelBuilder, expected: &str| {
        let error = builder.build().expect_err(expected).to_string();
        assert!(error.starts_with(expected), "{error}");
    };
    check(builder().atom("phone", Atom::object("ana")), "duplicate name `phone` in atoms");
    check(builder().entity("ana", "provider"), "duplicate name `ana` in entities");
    check(builder().rule(Rule::new("move", Needs::k(2, ["phone"]))), "rules[0].needs.k is 2");
    check(builder().rule(Rule::new("move", "pin")), "rules[0].needs names `pin`");
}
