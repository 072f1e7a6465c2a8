//! Accounts over several charters: what the past leaves behind, and what a change of charter means.

use std::fmt::Write as _;

use cohold_custody::diff::Verdict;
use cohold_custody::extract::{ATOMS_MAX, Dates, Seen};
use cohold_custody::{Class, Evidence, difference, sheet};
use cohold_model::account::Role;
use cohold_model::statement::{Sealing, Statement, Vouch};
use cohold_model::{Engine, Epoch, Origin, Signed};

use crate::account::{
    Account, CREATED_AT, NOW, device, ether, golden, moved, node, party, personal, recovered, recovery,
    solid, verdict,
};

fn guarded() -> Account {
    let mut account = personal();
    account.entities.push(("bo", Role::Guardian));
    account.parties.push(node("guardian", "bo", vec![]));
    account
}

fn laptop() -> crate::account::Party {
    device("ana").named("laptop").seed(14)
}

/// Each change of a charter with its verdict, in certificates' facts, as the user reads it: pinned.
#[test]
fn changes_of_charter_have_their_verdicts() {
    let own = Account::declared_own;
    let mut page = String::new();
    let mut tell = |what: &str, old: &Account, new: Account, expected: Verdict| {
        let (old, new) = (old.model(), new.model());
        let difference = difference(&old, &new).expect("a difference");
        let class = verdict(&new);
        writeln!(page, "# {what}: {}; {}", difference.verdict.words(), class.class).expect("text");
        writeln!(page, "assuming {:?}", class.assuming).expect("text");
        difference.crossings().iter().for_each(|said| writeln!(page, "- {said}").expect("text"));
        assert_eq!(difference.verdict, expected, "{what}\n{page}");
    };
    let (old, guarded) = (own(personal()), own(guarded()));
    tell("refresh", &old, old.clone().after(&old), Verdict::Equal);
    tell("device lost", &old, recovered(&old), Verdict::Incomparable);
    tell("another provider", &old, own(moved(&old)), Verdict::CrossesTheRedLine);
    let mut five = guarded.clone().after(&old);
    five.threshold = 3;
    five.parties.push(laptop());
    five.approvers.push("laptop");
    tell("3 of 5", &old, five, Verdict::CrossesTheRedLine);
    tell("guardian compromised", &guarded, old.clone().after(&guarded), Verdict::Safer);
    let mut dropped = guarded.clone().after(&guarded);
    dropped.parties.drain(..2);
    dropped.parties[0].seed = Some(3);
    dropped.parties[1].seed = Some(4);
    dropped.entities.remove(0);
    dropped.approvers = vec!["cosigner"];
    tell("user left out", &guarded, own(dropped), Verdict::CrossesTheRedLine);
    let high = Account { threshold: 3, ..old.clone() };
    tell("threshold lowered", &high, old.clone().after(&high), Verdict::CrossesTheRedLine);
    let mut second = old.clone().after(&old);
    second.parties.push(node("second", "acme", vec![]).seed(15));
    tell("a second share for the provider", &old, own(second), Verdict::CrossesTheRedLine);
    golden("history.txt", page);
}

/// Row 26 of the list of silent patterns, from charters: two outsiders who were a quorum stay one, if
/// they kept their shares, whatever the charter in force says.
#[test]
fn a_past_quorum_signs_for_ever() {
    let mut old = personal();
    old.entities.push(("bo", Role::Guardian));
    old.parties[1] = node("guardian", "bo", vec![]);
    old.approvers = vec!["device"];
    let old = old.declared_own();
    assert_eq!(verdict(&old.model()).class, Class::Collusive);
    let mut new = personal().after(&old);
    new.parties = vec![device("ana"), recovery("ana").seed(12)];
    new.entities.truncate(1);
    let model = new.model();
    let evaluation = verdict(&model);
    assert_eq!(evaluation.class, Class::MpcSelfCustody);
    assert!(evaluation.assuming.contains(&vec!["kept-cosigner".into(), "kept-guardian".into()]));
    let way = evaluation.powers["move"]
        .iter()
        .find(|way| way.coalition == ["cosigner", "guardian", "kept-cosigner", "kept-guardian"])
        .expect("the old quorum");
    assert_eq!(way.evidence, Evidence::Unknown, "nobody said that it deleted anything");
    let page = sheet::render(&model, &evaluation).split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "an old share of `cosigner` was kept and an old share of `guardian` was kept",
        "never said that it deleted it: whoever has it may have that share",
        "2 of the 3 shares of epoch 1 still sign, until the funds are moved to a new account",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    // A device that left without a word has its share; a later resharing does not change that.
    let third = Account { parties: new.parties.clone(), ..personal() }.after(&new);
    let third = Account { entities: vec![("ana", Role::User)], approvers: vec!["device"], ..third };
    assert!(verdict(&third.model()).assuming.contains(&vec!["kept-cosigner".into(), "kept-guardian".into()]));
    assert_eq!(difference(&new.model(), &third.model()).expect("one").verdict, Verdict::Equal);
}

/// Another engine on the same shares leaves no old share behind, and is a doubt for ever.
#[test]
fn another_engine_is_no_past_and_a_doubt() {
    let old = personal().declared_own();
    let set = Account { engine: Engine::Cggmp24, ..old.clone() }.after(&old);
    let refreshed = set.clone().after(&set);
    let back = Account { engine: Engine::Dkls23, ..refreshed.clone() }.after(&refreshed);
    let past = |account: &Account| {
        let model = account.model();
        let old = |rule: &&cohold_custody::Rule| rule.power.starts_with("old:");
        let said = model.rules().iter().find(|rule| rule.because.contains("still sign"));
        let leak = format!("{:?}", model.atoms()["engine-leak"]);
        (model.rules().iter().filter(old).count(), said.map(|rule| rule.because.clone()), leak)
    };
    let (rules, said, leak) = past(&set);
    assert_eq!((rules, said), (0, None));
    assert!(leak.contains("DKLs23, unaudited; CGGMP24, an alpha"), "{leak}");
    // Another doubt is another way for outsiders, which is the user's to allow.
    let verdict = difference(&old.model(), &set.model()).expect("one").verdict;
    assert_eq!(verdict, Verdict::CrossesTheRedLine);
    for account in [&refreshed, &back] {
        let (rules, said, leak) = past(account);
        assert_eq!(rules, 3);
        assert!(said.expect("a quorum of the past").contains("2 of the 3 shares of epoch 1 still sign"));
        assert!(leak.contains("CGGMP24"), "{leak}");
    }
}

#[test]
fn a_word_of_deletion_is_evidence_and_no_proof() {
    let first = personal().declared_own();
    let second = first.clone().after(&first);
    let mut third = second.clone().after(&second);
    let evidence = |account: &Account| {
        let model = account.model();
        let rule = model.rules().iter().find(|rule| rule.power == "old:cosigner").expect("a rule");
        (rule.evidence, rule.because.clone(), verdict(&model).powers["move"].len())
    };
    let (silent, because, ways) = evidence(&third);
    assert_eq!(silent, Evidence::Unknown);
    assert!(because.contains("of the epochs 1 and 2 and has not said"), "{because}");
    third.parties[2].deleted = vec![1];
    assert_eq!(evidence(&third).0, Evidence::Unknown, "one of two epochs");
    third.parties[2].deleted = vec![1, 2];
    let (said, because, same) = evidence(&third);
    assert_eq!((said, same), (Evidence::Signed, ways));
    assert!(because.contains("says that it deleted it, which nobody can prove"), "{because}");
    // What cannot be is no word at all.
    for impossible in [vec![2, 1], vec![1, 1], vec![1, 2, 3]] {
        third.parties[2].deleted = impossible;
        assert_eq!(evidence(&third).0, Evidence::Unknown);
    }
}

#[test]
fn the_sheet_tells_when() {
    let first = personal();
    let second = recovered(&first);
    let of = |change: &dyn Fn(&mut Statement)| {
        let mut said = second.statement(0).expect("the device states");
        said.vouches.clear();
        change(&mut said);
        let said = Signed::by(said.clone(), said.party, &second.secret(0));
        Dates::new(&second.lineage(), &[said], NOW)
    };
    let silent = of(&|_| ());
    assert_eq!(silent.epochs.iter().map(|began| began.epoch.0).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(silent.drilled, None);
    assert_eq!(silent.recovery.values().collect::<Vec<_>>(), [&Seen::default()]);
    let page = silent.render();
    assert!(
        page.contains("epoch 2, in force: since 2027-01-15 08:00:00 UTC, 2 of 3: device, recovery and"),
        "{page}"
    );
    assert!(page.contains("NEVER REHEARSED") && page.contains("nobody says when it was last seen"), "{page}");

    let vouch = |opened_at| Vouch {
        party: "recovery".parse().expect("a name"),
        sealing: Sealing::SealedFile,
        held_since: CREATED_AT,
        opened_at,
    };
    let made = of(&|said| said.vouches = vec![vouch(None)]).render();
    assert!(made.contains("made 2027-01-15 08:00:00 UTC, NEVER SEEN TO OPEN SINCE"), "{made}");
    let told = of(&|said| {
        said.vouches = vec![vouch(Some(CREATED_AT + 61))];
        (said.drilled_at, said.exported_at) = (Some(CREATED_AT + 120), Some(CREATED_AT + 180));
    })
    .render();
    for line in [
        "recovery file of recovery: last seen to open 2027-01-15 08:01:01 UTC",
        "way out: last rehearsed 2027-01-15 08:02:00 UTC, says device",
        "the whole key was exported 2027-01-15 08:03:00 UTC, says device",
    ] {
        assert!(told.contains(line), "{told}");
    }
    // Whoever signs for the device without its key says nothing.
    let mut forged = second.statement(0).expect("the device states");
    forged.drilled_at = Some(CREATED_AT);
    let forged = Signed::by(forged.clone(), forged.party, &first.secret(0));
    assert_eq!(Dates::new(&second.lineage(), &[forged], NOW), Dates::new(&second.lineage(), &[], NOW));
}

/// Whoever took the place of another under its name is somebody else, now and later.
#[test]
fn names_stay_with_whom_they_were_given_to() {
    let old = personal().declared_own();
    let second = recovered(&old);
    let model = second.model();
    assert_eq!(
        solid(&verdict(&model), "move"),
        [
            "cosigner device-2 device-2-pin",
            "cosigner recovery-2-file recovery-2-passphrase",
            "cosigner-disk device-2 device-2-pin",
            "cosigner-disk recovery-2-file recovery-2-passphrase",
            "device-2 device-2-pin recovery-2-file recovery-2-passphrase",
        ]
    );
    for gone in ["device", "recovery-file", "kept-device", "kept-recovery"] {
        assert!(model.atoms().contains_key(gone), "{gone}");
    }
    // The lost phone still has its half of the old quorum, and the old recovery file the other one.
    let doubted = &verdict(&model).powers["move"];
    let lost = ["device", "kept-device", "kept-recovery", "recovery-file"];
    assert!(doubted.iter().any(|way| way.coalition == lost), "{doubted:?}");
    let third = recovered(&second);
    let third = Account {
        parties: vec![device("ana").seed(21), recovery("ana").seed(22), third.parties[2].clone()],
        ..third
    };
    let atoms = third.model().atoms().clone();
    assert!(atoms.contains_key("device-3") && atoms.len() <= ATOMS_MAX, "{atoms:?}");
    // Declarations and words are of the present parties, whatever they are called here.
    let evaluation = verdict(&third.model());
    assert!(!evaluation.powers["move[cosigner-eth]"].is_empty());
}

/// However long the past, the table stays small, and what is not told apart only makes more possible.
#[test]
fn a_long_past_fits() {
    let mut account = personal().declared_own();
    for generation in 0..12_u8 {
        let mut next = account.clone().after(&account);
        next.parties[0] = device("ana").seed(50 + 3 * generation);
        next.parties[1] = recovery("ana").seed(51 + 3 * generation);
        if generation % 2 == 0 {
            next.parties[2] = node("cosigner", "acme", vec![ether(Some(5))]).seed(52 + 3 * generation);
        }
        account = next.declared_own();
        assert!(account.model().atoms().len() <= ATOMS_MAX);
    }
    assert_eq!(account.charter().epoch, Epoch(13));
    let model = account.model();
    for merged in ["ana-left", "acme-left", "kept-by-ana", "kept-by-acme"] {
        assert!(model.atoms().contains_key(merged), "{:?}", model.atoms().keys());
    }
    let evaluation = verdict(&model);
    assert_eq!(evaluation.class, Class::MpcSelfCustody);
    let ways = &evaluation.powers["move"];
    // The phones and files that were lost over the years are a quorum by themselves.
    assert!(ways.iter().any(|way| way.coalition == ["ana-left", "kept-by-ana"]), "{ways:?}");
}

/// Nine parties that nine others replaced: one doubt is left of the old ones, and it gives everything.
#[test]
fn a_wide_past_is_held_against_the_account() {
    let names = ["p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9"];
    let parties =
        |seed: u8| (seed..).zip(names).map(|(seed, name)| device("ana").named(name).seed(seed)).collect();
    let old = Account {
        threshold: 5,
        entities: vec![("ana", Role::User)],
        parties: parties(20),
        approvers: vec!["p1"],
        ..personal()
    };
    let new = Account { parties: parties(40), ..old.clone() }.after(&old);
    let model = new.model();
    assert!(model.atoms().len() <= ATOMS_MAX, "{:?}", model.atoms().keys());
    let mut crowd = new.clone().after(&new);
    for (seed, (party, entity)) in
        (60..).zip(crowd.parties.iter_mut().zip(["a", "b", "c", "d", "e", "f", "g", "h", "i"]))
    {
        *party = device(entity).named(party.name).seed(seed);
        crowd.entities.push((entity, Role::User));
    }
    crowd.entities.remove(0);
    let last = crowd.clone().after(&crowd);
    let last = Account { parties: parties(80), entities: vec![("ana", Role::User)], ..last };
    let model = last.model();
    assert!(model.atoms().len() <= ATOMS_MAX, "{:?}", model.atoms().keys());
    assert!(verdict(&model).assuming.contains(&vec!["kept".to_owned()]), "{:?}", verdict(&model).assuming);
}

/// Whoever was the user once is an outsider who may have kept a share.
#[test]
fn a_former_user_is_an_outsider() {
    let old = personal().declared_own();
    let mut new = old.clone().after(&old);
    new.entities[0] = ("eve", Role::User);
    new.parties[0] = device("eve").seed(11);
    new.parties[1] = recovery("eve").seed(12);
    let model = new.model();
    assert_eq!(model.entities()["ana"].role, "former-user");
    let evaluation = verdict(&model);
    assert_eq!(evaluation.class, Class::MpcSelfCustody);
    assert!(evaluation.assuming.contains(&vec!["kept-device".into(), "kept-recovery".into()]));
}

#[test]
fn a_key_that_was_whole_is_a_doubt_for_ever() {
    let account = personal();
    let plain = account.model();
    for (atom, exported, imported) in [("exported-key", true, false), ("imported-key", false, true)] {
        let model = account.restated(0, |said| {
            said.exported_at = exported.then_some(said.issued_at);
            said.imported = imported;
        });
        let evaluation = verdict(&model);
        assert!(evaluation.assuming.contains(&vec![atom.to_owned()]), "{:?}", evaluation.assuming);
        assert_eq!(evaluation.class, Class::MpcSelfCustody);
        let crosses = difference(&plain, &model).expect("one").verdict;
        assert_eq!(crosses, Verdict::CrossesTheRedLine);
    }
    for origin in [Origin::Mnemonic, Origin::Raw, Origin::TssLib] {
        let mut brought = account.clone();
        brought.origin = Some(origin);
        let model = brought.model();
        assert!(verdict(&model).assuming.contains(&vec!["imported-key".to_owned()]), "{origin:?}");
        assert_eq!(difference(&plain, &model).expect("one").verdict, Verdict::CrossesTheRedLine);
        let rule = model.rules().iter().find(|rule| rule.because.contains(origin.advice()));
        assert_eq!(rule.map(|rule| rule.evidence), Some(Evidence::Signed), "{origin:?}");
        // A device that says so besides makes it no second doubt.
        let said = brought.restated(0, |said| said.imported = true);
        assert_eq!(said, model);
        // It is in every charter that follows.
        let mut later = brought.clone();
        later.before = vec![brought.sign(brought.charter())];
        assert!(verdict(&later.model()).assuming.contains(&vec!["imported-key".to_owned()]));
    }
    let drilled = account.restated(0, |said| said.drilled_at = Some(said.issued_at));
    assert_eq!(drilled, plain, "a rehearsal gives nobody anything");
    // A party may be called like a doubt.
    let mut odd = personal();
    odd.parties[0] = party(
        "exported-key",
        "ana",
        cohold_model::account::PartyKind::Device,
        cohold_model::statement::Sealing::DeviceAndPin,
    );
    odd.approvers = vec!["exported-key"];
    let model = odd.restated(0, |said| said.exported_at = Some(1));
    assert!(verdict(&model).assuming.contains(&vec!["exported-key-2".into()]));
}
