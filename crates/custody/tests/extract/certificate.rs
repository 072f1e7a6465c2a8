//! Certificates: issued, read, chained; and every way in which one does not hold.

use cohold_custody::certificate::{
    BYTES_MAX, Certificate, Draft, Expect, Form, Link, ParseError, VALID_SECONDS, VerifyError, parse, verify,
};
use cohold_custody::declared::{Declared, Operator};
use cohold_custody::{Class, evaluate};
use cohold_model::charter::Charter;
use cohold_model::statement::Sealing;
use cohold_model::{Document as _, IdentitySecret, Lineage, Signed};

use crate::account::{Account, NOW, enterprise, ether, golden, moved, personal, recovered};

fn server() -> IdentitySecret {
    IdentitySecret::from_seed(&mut [99; 32])
}

fn issue(account: &Account, after: Option<Link>, at: u64) -> (Signed<Certificate>, Vec<u8>) {
    let declared = account.own.declared.clone();
    let lineage = account.lineage();
    let draft = Draft::new(&lineage, account.statements(), declared, server().public(), at).expect("a draft");
    draft.issue(after, &server()).expect("a certificate")
}

/// The bytes of a certificate that a hostile server changed and signed again.
fn resigned(account: &Account, change: impl FnOnce(&mut Certificate)) -> Vec<u8> {
    let (Signed { mut document, .. }, _) = issue(account, None, NOW);
    change(&mut document);
    let signed = Signed::by(document, "issuer".parse().expect("a name"), &server());
    serde_json_canonicalizer::to_vec(&signed).expect("plain")
}

fn now() -> Expect<'static> {
    Expect { at: NOW + 60, ..Expect::default() }
}

#[track_caller]
fn refused(bytes: &[u8], expect: &Expect<'_>, part: &str) {
    let error = verify(bytes, expect).map(|verified| verified.link).expect_err(part);
    let sentences = error.sentences();
    assert!(
        sentences.iter().any(|sentence| sentence.contains(part)),
        "`{part}` is not what {sentences:?} says"
    );
}

#[test]
fn what_was_issued_holds() {
    let (signed, bytes) = issue(&personal(), None, NOW);
    let verified = verify(&bytes, &now()).expect("it holds");
    assert_eq!(verified.certificate, signed.document);
    assert_eq!(verified.link, Link { number: 1, digest: signed.document.digest() });
    assert_eq!(verified.certificate.evaluation.class, Class::MpcSelfCustody);
    assert!(verified.certificate.missing.is_empty(), "all of these fixtures speak, the recovery share too");
    // one line feed may follow, as in any file; two may not
    assert!(verify(&[&bytes[..], b"\n"].concat(), &now()).is_ok());
    refused(&[&bytes[..], b"\n\n"].concat(), &now(), "something follows the end");
    // by key or by fingerprint
    for issuer in [server().public().to_string(), server().public().fingerprint()] {
        assert!(verify(&bytes, &Expect { issuer: Some(&issuer), ..now() }).is_ok());
    }
    let other = IdentitySecret::from_seed(&mut [98; 32]).public().fingerprint();
    refused(&bytes, &Expect { issuer: Some(&other), ..now() }, &other);
}

/// Written by `COHOLD_BLESS=1 cargo test -p cohold-custody --test extract`, read for ever.
#[test]
fn the_format_is_pinned() {
    let mut account = personal();
    account.parties[1].sealing = None;
    account.own.declared.coordinator = Some(Operator { entity: "relay-co".parse().expect("a name") });
    let (first, _) = issue(&account, None, NOW - 30);
    let (_, bytes) = issue(&account, Some(Link::of(&first.document)), NOW);
    let text = String::from_utf8(bytes).expect("text") + "\n";
    golden("personal.certificate.json", text.clone());
    let verified = verify(text.as_bytes(), &now()).expect("it holds");
    assert_eq!(verified.certificate.missing, ["recovery".parse().expect("a name")]);
}

/// As above, of an account that lost its device and its recovery file, and then changed its provider: the
/// second checker reads this one as well.
#[test]
fn the_format_with_a_past_is_pinned() {
    let (_, bytes) = issue(&moved(&recovered(&personal())), None, NOW);
    let text = String::from_utf8(bytes).expect("text") + "\n";
    golden("reshared.certificate.json", text.clone());
    let Certificate { charters, model, .. } = verify(text.as_bytes(), &now()).expect("it holds").certificate;
    assert_eq!(charters.len(), 3);
    for (atom, entity) in
        [("acme-left", "acme"), ("ana-left", "ana"), ("cosigner-2", "beta"), ("device-2", "ana")]
    {
        assert_eq!(model.atoms()[atom].entity.as_deref(), Some(entity), "{atom}");
    }
}

/// A server that has only keys of its own cannot show another past, nor the past as the present.
#[test]
fn the_past_cannot_be_hidden() {
    let first = personal();
    let second = recovered(&first);
    let third = moved(&second);
    let own = third.sign(third.charter());
    let device = Expect { charter: Some(&own), ..now() };
    let hidden = |change: &dyn Fn(&mut Vec<Signed<Charter>>), part: &str| {
        // Model and result are those that what is left would give.
        let bytes = resigned(&third, |it| change(&mut it.charters));
        refused(&bytes, &device, part);
        refused(&bytes, &now(), part);
    };
    hidden(&Vec::clear, "an account has a charter");
    hidden(&|all| drop(all.remove(0)), "the first charter that was given has version 2 and epoch 2");
    hidden(&|all| drop(all.drain(..2)), "the first charter that was given has version 3 and epoch 3");
    hidden(&|all| drop(all.remove(1)), "its version is another");
    hidden(&|all| all.swap(0, 1), "the first charter that was given has version 2");
    hidden(&|all| all.swap(1, 2), "its version is another");
    hidden(&|all| all.insert(1, all[0].clone()), "its version is another");
    hidden(&|all| all[0] = first.forged(), "its predecessor is another");
    hidden(&|all| all[1] = second.forged(), "its predecessor is another");
    hidden(&|all| all[1].document.terms.threshold = 3, "has not signed this charter");
    hidden(&|all| all[0].signatures = all[1].signatures.clone(), "has not signed this charter");
    let unrelated = enterprise();
    hidden(&|all| all[0] = unrelated.sign(unrelated.charter()), "its predecessor is another");
    // Handed over to parties of the server's, who signed it all: what follows is not what this device keeps,
    // and what is put in its place is not what the parties spoke under.
    let next = third.clone().after(&third);
    hidden(&|all| all.push(next.forged()), "is about another account, charter or epoch");
    hidden(&|all| all[2] = third.forged(), "is about another account, charter or epoch");
    hidden(&|all| drop(all.pop()), "is about another account, charter or epoch");
    // The same with what it would give, without anybody's word.
    let (of_old, of_new) = (issue(&second, None, NOW).1, forged_account(&next));
    for bytes in [of_old, of_new] {
        refused(&bytes, &device, "not the one that this device keeps");
    }
    // The true one, shown again under a number that was.
    let (one, _) = issue(&third, None, NOW - 60);
    let (two, bytes) = issue(&third, Some(Link::of(&one.document)), NOW);
    let known = Expect { previous: Some(Link::of(&two.document)), ..device.clone() };
    refused(&bytes, &known, "number 2 and does not follow number 2");
    let old = resigned(&third, |it| (it.number, it.previous) = (1, None));
    refused(&old, &known, "number 1 and does not follow number 2");
}

/// Everything as it would be if the server's own parties had come after those of the account.
fn forged_account(account: &Account) -> Vec<u8> {
    let charters = account.before.iter().cloned().chain([account.forged()]).collect();
    let lineage = Lineage::new(charters).expect("well formed");
    let draft =
        Draft::new(&lineage, Vec::new(), Declared::default(), server().public(), NOW).expect("a draft");
    draft.issue(None, &server()).expect("a certificate").1
}

#[test]
fn certificates_follow_one_another() {
    let account = personal();
    let (first, _) = issue(&account, None, NOW);
    let known = Link::of(&first.document);
    let (second, bytes) = issue(&account, Some(known), NOW + 10);
    assert_eq!((second.document.number, second.document.previous), (2, Some(known.digest)));
    assert!(verify(&bytes, &Expect { previous: Some(known), ..now() }).is_ok());
    // the same number with another content, a number left out, a number that goes back
    let (other, _) = issue(&account, None, NOW + 1);
    refused(
        &bytes,
        &Expect { previous: Some(Link::of(&other.document)), ..now() },
        "does not follow number 1",
    );
    let (_, third) = issue(&account, Some(Link::of(&second.document)), NOW + 20);
    refused(&third, &Expect { previous: Some(known), ..now() }, "number 3 and does not follow number 1");
    let (_, again) = issue(&account, None, NOW + 20);
    let second = Some(Link::of(&second.document));
    refused(&again, &Expect { previous: second, ..now() }, "number 1 and does not follow number 2");
    for (number, previous) in [(0, None), (1, Some(known.digest)), (2, None)] {
        let bytes = resigned(&account, |it| (it.number, it.previous) = (number, previous));
        refused(&bytes, &now(), "does not fit what it says of the one before");
    }
}

#[test]
fn a_hostile_issuer_is_caught() {
    let account = personal();
    let check = |change: &dyn Fn(&mut Certificate), part: &str| {
        refused(&resigned(&account, |it| change(it)), &now(), part);
    };
    check(&|it| it.version = 1, "version 1 of certificates is not understood");
    check(&|it| it.account = "acc_ff0102030405060708090a0b0c0d0e0f".parse().expect("an id"), "account");
    // a better class, a coalition less, another proof
    check(&|it| it.evaluation.class = Class::NonCustodial, "/document/evaluation/class");
    check(
        &|it| it.evaluation.powers.get_mut("move").map_or((), |ways| drop(ways.remove(0))),
        "/document/evaluation/powers/move/0",
    );
    check(&|it| it.evaluation.blast.clear(), "/document/evaluation");
    // the model of a kinder account, with its true result
    let kinder = |it: &mut Certificate| {
        let mut kinder = personal();
        kinder.parties[2].allowances = vec![ether(Some(1))];
        it.model = kinder.model();
        it.evaluation = evaluate(&it.model).expect("a result");
    };
    check(&kinder, "/document/model/limits");
    // the declaration is part of the facts
    let operator = |name: &str| Some(Operator { entity: name.parse().expect("a name") });
    check(
        &|it| it.declared = Declared { coordinator: operator("bo"), ..Declared::default() },
        "/document/model",
    );
    // words: held back, put in somebody's mouth, old ones, of another charter, twice, in disorder
    check(&|it| drop(it.statements.remove(2)), "not heard");
    check(&|it| it.missing.push("cosigner".parse().expect("a name")), "not heard");
    check(&|it| it.statements[2].document.sealing = Sealing::Passphrase, "`recovery` is not signed");
    check(&|it| it.statements[0].document.requires_approval = false, "`cosigner` is not signed");
    let twice = |it: &mut Certificate| it.statements.insert(0, it.statements[0].clone());
    check(&twice, "in the order of their names, at `cosigner`");
    check(&|it| it.statements.swap(0, 1), "in the order of their names");
    check(&|it| it.statements[0].signatures.clear(), "`cosigner` is not signed");
    // the charter
    let unsigned = |it: &mut Certificate| drop(it.charters[0].signatures.pop_first());
    check(&unsigned, "`cosigner` has not signed this charter");
    let foreign = |it: &mut Certificate| {
        let own = it.charters[0].signatures.values().next().copied().expect("signed");
        it.charters[0].signatures.insert("stranger".parse().expect("a name"), own);
    };
    check(&foreign, "somebody who is no party");
    // not the issuer's own signature
    let (mut signed, _) = issue(&account, None, NOW);
    let own = signed.signatures.values().next().copied().expect("signed");
    let bytes = |signed: &Signed<Certificate>| serde_json_canonicalizer::to_vec(signed).expect("plain");
    signed.signatures.insert("witness".parse().expect("a name"), own);
    refused(&bytes(&signed), &now(), "not signed by its issuer alone");
    signed.signatures.clear();
    refused(&bytes(&signed), &now(), "not signed by its issuer alone");
    signed.signatures.insert("witness".parse().expect("a name"), own);
    refused(&bytes(&signed), &now(), "not signed by its issuer alone");
}

#[test]
fn a_device_sees_its_own_account_and_its_own_word() {
    let account = personal();
    let (_, bytes) = issue(&account, None, NOW);
    let (charter, words) = (account.sign(account.charter()), account.statements());
    let own = Expect { charter: Some(&charter), statement: Some(&words[0]), ..now() };
    assert!(verify(&bytes, &Expect { account: Some(charter.document.terms.account), ..own.clone() }).is_ok());
    let mut newer = account.statement(0).expect("it states");
    newer.issued_at += 1;
    let newer = Signed::by(newer, "device".parse().expect("a name"), &account.secret(0));
    refused(&bytes, &Expect { statement: Some(&newer), ..own.clone() }, "`device` is not in it");
    let other = enterprise();
    let other = other.sign(other.charter());
    refused(&bytes, &Expect { charter: Some(&other), ..own.clone() }, "not the one that this device keeps");
    let elsewhere = "acc_ff0102030405060708090a0b0c0d0e0f".parse().expect("an id");
    refused(&bytes, &Expect { account: Some(elsewhere), ..own }, "not about `acc_ff");
}

#[test]
fn certificates_and_words_expire() {
    let account = personal();
    let (_, bytes) = issue(&account, None, NOW);
    let at = |at: u64| Expect { at, ..Expect::default() };
    assert!(verify(&bytes, &at(NOW - 3600)).is_ok(), "clocks may be an hour apart");
    refused(&bytes, &at(NOW - 3601), "issued 3601 s after now");
    assert!(verify(&bytes, &at(NOW + VALID_SECONDS - 1)).is_ok());
    refused(&bytes, &at(NOW + VALID_SECONDS + 5), "expired 5 s ago");
    // of words that had expired when it was issued, it says so
    let (signed, bytes) = issue(&account, None, NOW + VALID_SECONDS);
    assert_eq!(signed.document.missing.len(), 3);
    let held = verify(&bytes, &at(NOW + VALID_SECONDS)).expect("it holds").certificate.evaluation;
    let evidence = held.powers["move"].iter().map(|way| way.evidence.word()).collect::<Vec<_>>();
    assert!(evidence.iter().all(|evidence| *evidence == "asserted"), "{evidence:?}");
    // and words of after it was issued cannot be in it
    let late = resigned(&account, |it| it.issued_at = NOW - 2 * 3600);
    let error = verify(&late, &at(NOW)).expect_err("impossible").to_string();
    assert!(error.contains("`cosigner` was made after the certificate was issued"), "{error}");
}

#[test]
fn bytes_that_are_not_canonical_are_refused_with_the_place() {
    let (_, bytes) = issue(&personal(), None, NOW);
    let text = String::from_utf8(bytes).expect("text");
    let check = |from: &str, to: &str, part: &str| {
        assert!(text.contains(from), "{from}");
        refused(text.replacen(from, to, 1).as_bytes(), &now(), part);
    };
    check("\"number\":1", "\"number\": 1", "/document/number, byte");
    check("\"number\":1", "\"number\":1,\"number\":1", "a key stands twice at /document/number");
    check("\"number\":1", "\"number\":1.0", "whole one");
    check("\"number\":1", "\"number\":\"1\"", "at /document/number");
    check("\"number\":1", "\"nonsense\":0,\"number\":1", "unknown field `nonsense`");
    check("\"number\":1,", "", "missing field `number`");
    check("\"evaluation\":{", "\"evaluation\":{\"aaa\":1,", "unknown field `aaa`");
    check("\"class\":\"mpc", "\"class\":\"mpc\u{0}", "/document/evaluation/class");
    check("\"class\":\"mpc self-custody\"", "\"class\":\"none\"", "at /document/evaluation/class");
    check("{\"document\":{\"account\":", "{\"documents\":{\"account\":", "unknown field `documents`");
    // readable, and yet not what issuing writes
    check(
        "\"entity\":\"ana\",\"kind\"",
        "\"entity\":\"ana\",\"guessable\":false,\"kind\"",
        "not written as certificates write it",
    );
    let issuer = server().public().to_string();
    check(&issuer, &issuer.to_uppercase(), "at /document/issuer is not written");
    // whole structures in another order
    let value: serde_json::Value = serde_json::from_str(&text).expect("json");
    let signatures = value["signatures"].to_string();
    let reordered = format!("{{\"signatures\":{signatures},\"document\":{}}}", value["document"]);
    refused(reordered.as_bytes(), &now(), "not in the order of RFC 8785 at /document");
    // deep, large, empty
    let deep = text.replacen("\"declared\":{}", &format!("\"declared\":{}", "[".repeat(5000)), 1);
    refused(deep.as_bytes(), &now(), "nested more than 64 deep at /document/declared/0");
    let large = vec![b' '; BYTES_MAX + 2];
    refused(&large, &now(), "more than the 1048576 of any certificate");
    refused(b"", &now(), "ends too early");
}

#[test]
fn no_part_of_a_certificate_is_one() {
    let (_, bytes) = issue(&personal(), None, NOW);
    for length in (0..bytes.len()).step_by(41).chain([bytes.len() - 1]) {
        let error = parse(&bytes[..length]).expect_err("cut short");
        assert!(
            matches!(&error, ParseError::Form(error) if error.form == Form::Truncated),
            "{length}: {error}"
        );
    }
}

/// Whatever byte is changed, nothing that is read is believed.
#[test]
fn no_changed_byte_goes_unseen() {
    let (_, bytes) = issue(&personal(), None, NOW);
    for (position, byte) in bytes.iter().enumerate().step_by(97) {
        let mut changed = bytes.clone();
        changed[position] = if byte.is_ascii_digit() { b'0' + (byte - b'0' + 1) % 10 } else { byte ^ 1 };
        let error = verify(&changed, &now()).expect_err("changed");
        assert!(!error.to_string().is_empty() && !error.to_string().ends_with('.'), "{error}");
    }
}

#[test]
fn a_model_of_twenty_five_atoms_is_no_model() {
    let (_, bytes) = issue(&personal(), None, NOW);
    let text = String::from_utf8(bytes).expect("text");
    let atoms: String =
        (10..26).map(|n| format!("\"a{n}\":{{\"entity\":\"ana\",\"kind\":\"object\"}},")).collect();
    let many = text.replacen("\"atoms\":{", &format!("\"atoms\":{{{atoms}"), 1);
    refused(many.as_bytes(), &now(), "more than 24");
    let error = verify(many.as_bytes(), &now()).expect_err("too many");
    assert!(
        matches!(&error, VerifyError::Parse(ParseError::Shape { place, .. }) if place.to_string().starts_with("/document/model")),
        "{error}"
    );
}
