//! A certificate made here, signed with keys of this test: the checker takes it, and none that was changed.

use cohold_custody::{Model, evaluate};
use cohold_model::canonical::digest;
use cohold_model::{Digest, IdentitySecret};
use serde_json::{Value, json};

use crate::account::{Account, NOW, enterprise, moved, personal, recovered, shared};
use crate::checker::Checker;

const TAG: &str = "cohold/certificate/v1";

fn issuer() -> IdentitySecret {
    IdentitySecret::from_seed(&mut [77; 32])
}

/// The document as the format says, of facts that parties signed.
fn document(account: &Account) -> Value {
    let model = account.model();
    let mut statements = account.statements();
    statements.sort_by(|one, next| one.document.party.cmp(&next.document.party));
    let mut evaluation = serde_json::to_value(evaluate(&model).expect("a small model")).expect("JSON");
    evaluation["powers"]["move"][0]["trace"] = json!(["another sentence: traces are for people"]);
    json!({
        "version": 2,
        "account": account.charter().terms.account,
        "number": 1,
        "previous": null,
        "issued_at": NOW,
        "issuer": issuer().public(),
        "charters": account.lineage().charters().collect::<Vec<_>>(),
        "statements": statements,
        "declared": {},
        "missing": [],
        "model": model,
        "evaluation": evaluation,
    })
}

fn result(model: &Value) -> Value {
    let model = Model::parse(model.to_string().as_bytes()).expect("a model");
    serde_json::to_value(evaluate(&model).expect("a small model")).expect("JSON")
}

/// Signed by the issuer, whatever it says.
fn signed(document: &Value) -> String {
    let signature = issuer().sign(&digest(TAG, document));
    let certificate = json!({"document": document, "signatures": {"issuer": signature}});
    serde_json_canonicalizer::to_string(&certificate).expect("JSON")
}

#[track_caller]
fn refused(checker: &mut Checker, file: &str, says: &str) {
    let answer = checker.ask(file);
    let message = answer["error"]["message"].as_str().unwrap_or_else(|| panic!("taken, not refused: {says}"));
    assert!(message.contains(says), "`{message}` instead of `{says}`");
}

#[test]
fn certificates_hold() {
    let mut checker = Checker::start();
    let past = recovered(&personal());
    for account in [personal(), shared(), enterprise(), past.clone(), moved(&past), crowded()] {
        let document = document(&account);
        let answer = checker.ask(&signed(&document));
        assert_eq!((&answer["ok"], &answer["kind"]), (&json!(true), &json!("certificate")), "{answer}");
        assert_eq!(answer["evaluation"]["class"], document["evaluation"]["class"]);
        assert_eq!(answer["issuer"], document["issuer"]);
        assert_eq!(answer["fingerprint"], issuer().public().fingerprint());
        assert_eq!(answer["digest"], digest(TAG, &document).to_string());
        let second = json!({"number": 2, "previous": digest(TAG, &document)});
        assert_eq!(checker.ask(&signed(&changed(&document, &second)))["ok"], true);
    }
}

/// Names that are taken twice and three times, too long for a number, or those of numbered ones.
fn crowded() -> Account {
    let mut first = personal();
    for (party, name) in first.parties.iter_mut().zip(["a-party-with-a-name-of-32-letters", "twin", "twin-2"])
    {
        party.name = name.get(..32).unwrap_or(name);
    }
    first.approvers = vec![first.parties[0].name];
    let mut second = first.clone().after(&first);
    let mut third = second.clone();
    for (account, seed) in [(&mut second, 30), (&mut third, 40)] {
        for (seed, party) in (seed..).zip(&mut account.parties) {
            party.seed = Some(seed);
        }
    }
    third.entities[1] = ("beta", cohold_model::account::Role::Provider);
    third.parties[2].entity = "beta";
    third.after(&second)
}

/// The very files that the first implementation pins as its format.
#[test]
fn the_pinned_certificates_hold() {
    let mut checker = Checker::start();
    let files = [
        include_str!("../extract/personal.certificate.json"),
        include_str!("../extract/reshared.certificate.json"),
    ];
    for file in files.map(str::trim_end) {
        let answer = checker.ask(file);
        assert_eq!((&answer["ok"], &answer["kind"]), (&json!(true), &json!("certificate")), "{answer}");
        let certificate: Value = serde_json::from_str(file).expect("JSON");
        assert_eq!(answer["number"], certificate["document"]["number"]);
        assert_eq!(answer["silent"], certificate["document"]["missing"]);
    }
}

/// The past as a hostile server would like it: left out, in disorder, put in the place of the present, made up.
#[test]
fn the_past_cannot_be_hidden() {
    let mut checker = Checker::start();
    let first = personal();
    let second = recovered(&first);
    let third = moved(&second);
    let document = document(&third);
    let [one, two, three] = <[Value; 3]>::try_from(document["charters"].as_array().expect("a list").clone())
        .expect("three charters");
    let mut hidden = |charters: &[&Value], says: &str| {
        refused(&mut checker, &signed(&changed(&document, &json!({ "charters": charters }))), says);
    };
    let follows =
        |position: u8| format!("document.charters[{position}] is of another account or does not follow");
    hidden(&[], "document.charters is no list of 1-64");
    hidden(&[&two, &three], &follows(0));
    hidden(&[&three], &follows(0));
    hidden(&[&one, &three], &follows(1));
    hidden(&[&two, &one, &three], &follows(0));
    hidden(&[&one, &one, &two, &three], &follows(1));
    hidden(&[&json!(first.forged()), &two, &three], &follows(1));
    hidden(&[&one, &json!(second.forged()), &three], &follows(2));
    let mut bent = two.clone();
    bent["document"]["terms"]["threshold"] = json!(3);
    hidden(&[&one, &bent, &three], "has not signed this charter");
    let said = "is of another account, charter or epoch";
    let forged = json!(third.forged());
    hidden(&[&one, &two, &forged], "has not signed this statement");
    let next = third.clone().after(&third);
    hidden(&[&one, &two, &three, &json!(next.sign(next.charter()))], said);
    hidden(&[&one, &two], "`cosigner` has not signed this statement");
    // Whose the places are: those of the former provider, and of the one that has its name now.
    let account = moved(&first);
    for (atom, owner) in [("cosigner", "acme"), ("cosigner-2", "beta"), ("device", "ana")] {
        let mut document = self::document(&account);
        document["model"]["atoms"][atom]["entity"] = json!(if owner == "ana" { "acme" } else { "ana" });
        document["evaluation"] = result(&document["model"]);
        refused(&mut checker, &signed(&document), &format!("`{atom}` is not of `{owner}` in it"));
    }
}

/// The document with some fields replaced.
fn changed(document: &Value, fields: &Value) -> Value {
    let mut document = document.clone();
    for (key, value) in fields.as_object().expect("fields") {
        document[key] = value.clone();
    }
    document
}

#[test]
fn nothing_that_was_changed_holds() {
    let mut checker = Checker::start();
    let account = personal();
    let document = document(&account);
    let good = signed(&document);
    let zeros = "0".repeat(128);
    let mut at = |place: &str, value: Value, says: &str| {
        let mut document = document.clone();
        let (parent, key) = place.rsplit_once('/').expect("a place");
        let parent = document.pointer_mut(parent).expect("a place");
        match key.parse::<usize>() {
            Ok(index) => parent[index] = value,
            Err(_) => parent[key] = value,
        }
        // The result of the changed model: what is refused then is the model, not a result that is not its own.
        if place.starts_with("/model/entities") || place.starts_with("/model/atoms") {
            document["evaluation"] = result(&document["model"]);
        }
        refused(&mut checker, &signed(&document), says);
    };
    at("/version", json!(1), "document.version is not like 2,2");
    at("/number", json!(2), "document.previous");
    at("/issuer", json!(account.secret(0).public()), "`issuer` has not signed");
    at(
        "/account",
        json!("acc_ffffffffffffffffffffffffffffffff"),
        "document.charters[0] is of another account",
    );
    at("/charters/0/signatures/cosigner", json!(zeros), "`cosigner` has not signed this charter");
    at("/charters/0/document/terms/threshold", json!(3), "has not signed this charter");
    at("/statements/1/signatures/device", json!(zeros), "`device` has not signed this statement");
    at("/statements/0/document/sealing", json!("passphrase"), "has not signed this statement");
    at("/statements/0/document/expires_at", json!(NOW * 2), "has not signed this statement");
    at("/statements", json!([]), "document.missing is not");
    let mut reordered = document["statements"].as_array().expect("a list").clone();
    reordered.swap(0, 1);
    at("/statements", json!(reordered), "document.statements[1] is out of order");
    at("/statements/1", document["statements"][0].clone(), "document.statements[1] is out of order");
    at("/issued_at", json!(NOW + 24 * 3600), "document.missing is not who gave");
    at("/issued_at", json!(NOW - 2 * 3600), "document.missing is not");
    at("/model/account", json!("acc_ffffffffffffffffffffffffffffffff"), "another account");
    at("/model/entities/acme/role", json!("user"), "`acme` changed role");
    at("/model/entities/zoe", json!({"role": "user"}), "`zoe` changed role");
    at("/model/atoms/cosigner/entity", json!("ana"), "`cosigner` is not of `acme` in it");
    at("/model/rules/0/after_seconds", json!(1), "is not what the model gives");
    at("/model/rules/0/colour", json!(1), "unknown field `colour`");
    at("/evaluation/class", json!("non-custodial"), "evaluation.class is not");
    at("/evaluation/exit_seconds", json!(null), "evaluation.exit_seconds is not");
    at("/evaluation/powers/rule", json!([{"coalition": []}]), "evaluation.powers is not");
    at("/evaluation/colour", json!("green"), "evaluation.colour is not");
    at("/colour", json!("green"), "unknown field `colour`");

    let mut as_text = |file: String, says: &str| refused(&mut checker, &file, says);
    as_text(good.replacen("\"number\":1", "\"number\": 1", 1), "not canonical");
    as_text(good.replacen("\"number\":1", "\"number\":1,\"number\":1", 1), "the key \"number\" stands twice");
    as_text(good.replacen("\"number\":1", "\"number\":1.0", 1), "1.0 is no whole number");
    as_text(format!("{good} "), "not canonical");
    as_text(good[..good.len() - 2].to_owned(), "JSON at position");
    as_text(good.replacen("acme", "acmf", 1), "`issuer` has not signed");
    as_text(format!("{}{good}{}", "[".repeat(100), "]".repeat(100)), "nested more than 64 deep");
    as_text(format!("{good}{}", " ".repeat(1 << 20)), "more than 1048576 bytes");
}

/// A statement of another party's key, of another charter, and a party that speaks for somebody else.
#[test]
fn statements_are_of_their_party_and_charter() {
    let mut checker = Checker::start();
    let account = personal();
    let document = document(&account);
    let mut stated = |change: &dyn Fn(&mut cohold_model::statement::Statement), key: usize, says: &str| {
        let mut statement = account.statement(0).expect("the device states");
        change(&mut statement);
        let signed_by = cohold_model::Signed::by(statement.clone(), statement.party, &account.secret(key));
        let mut document = document.clone();
        document["statements"][1] = json!(signed_by);
        refused(&mut checker, &signed(&document), says);
    };
    stated(&|_| (), 2, "`device` has not signed this statement");
    stated(
        &|said| said.charter = Digest([1; 32]),
        0,
        "document.statements[1] is of another account, charter or epoch",
    );
    stated(
        &|said| said.party = "stranger".parse().expect("a name"),
        0,
        "document.statements[1]: `stranger` is no party of the charter",
    );
    stated(&|said| said.expires_at = said.issued_at + 30 * 3600, 0, "document.missing is not");
    stated(&|said| said.held_since = 5, 0, "document.missing is not");
}
