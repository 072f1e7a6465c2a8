//! People with pieces of the recovery share: what enough of them can do, alone and with the co-signer.

use cohold_custody::{Class, Evidence, Model, difference, extract::structures, sheet};
use cohold_model::guardians::GuardianReceipt;
use cohold_model::{Digest, Document as _, Signed};

use crate::account::{
    Account, GUARDED, NOW, blast, doubted, golden, guarded, personal, recovered, solid, verdict,
};

/// The guardians of these positions say that they hold their pieces.
fn receipts(account: &Account, positions: &[u8], entrusted: u8) -> Vec<Signed<GuardianReceipt>> {
    let charter = account.charter();
    let receipt = |position: &u8| {
        let guardian = account.guardians[usize::from(*position)].0.parse().expect("a name");
        let word = GuardianReceipt {
            account: charter.terms.account,
            charter: charter.digest(),
            entrusted: Digest([entrusted; 32]),
            guardian,
            issued_at: NOW - 60 + u64::from(entrusted),
        };
        let name = word.guardian.clone();
        Signed::by(word, name, &Account::guardian(*position))
    };
    positions.iter().map(receipt).collect()
}

fn holding(positions: &[u8]) -> Model {
    let account = guarded();
    account.restated(0, |statement| statement.receipts = receipts(&account, positions, 1))
}

/// With nodes that join after an hour, by their own rules.
fn joining() -> Model {
    guarded().restated(2, |statement| statement.resharing_delay = Some(3600))
}

#[test]
fn so_many_guardians_are_one_share_and_one_alone_is_nothing() {
    let evaluation = verdict(&guarded().model());
    // With the co-signer, others than the user could move: that is what guardians are trusted not to do.
    assert_eq!((evaluation.class, evaluation.exit_seconds), (Class::Collusive, Some(0)));
    let moves = solid(&evaluation, "move");
    for pair in ["bo cosigner cy", "bo cosigner di", "cosigner cy di", "bo cy device pin"] {
        assert!(moves.contains(&pair.into()), "{pair}: {moves:?}");
    }
    for way in &moves {
        let guardians = ["bo", "cy", "di"].iter().filter(|name| way.split(' ').any(|atom| atom == **name));
        assert!([0, 2].contains(&guardians.count()), "{way}");
    }
    assert!(!moves.contains(&"bo cy".into()) && !moves.contains(&"bo cy di".into()));
    for name in ["bo", "cy", "di"] {
        assert_eq!(blast(&evaluation, name), Vec::<&str>::new(), "one guardian is nothing");
    }
    // Without the co-signer they have nothing: not even what it signs along for whoever approves.
    for power in evaluation.powers.keys() {
        assert!(solid(&evaluation, power).iter().all(|way| way != "bo cy"), "{power}");
    }
    // The user alone can do all that it could before.
    assert!(moves.contains(&"device pin recovery-file recovery-passphrase".into()));
}

/// The co-signer lends what its rules let through to whoever approves, and speaks to whoever consents:
/// the wait is the charter's, though the node's own is an hour, and the device objects.
#[test]
fn the_wait_is_the_charters_and_the_device_objects() {
    let evaluation = verdict(&joining());
    let limit = "move[cosigner:resharing]";
    let ways = &evaluation.powers[limit];
    assert!(!ways.iter().any(|way| way.coalition == ["bo", "cy"]), "the user objects: {ways:?}");
    // Somebody who has the device as well as what a PIN opens need not wait; whoever has taken everything
    // that could object, and two guardians, waits as long as the charter says.
    assert!(!ways.iter().any(|way| way.coalition == ["device", "pin"]), "the file objects: {ways:?}");
    let mut alone = guarded();
    alone.parties.remove(0);
    alone.approvers = vec!["cosigner"];
    let model = alone.restated(1, |statement| statement.resharing_delay = Some(3600));
    let ways = &verdict(&model).powers[limit];
    // Guardians with the recovery share could object to the file, and the file to them.
    assert!(!ways.iter().any(|way| way.coalition == ["recovery-file", "recovery-passphrase"]));
    let both = ways.iter().find(|way| way.coalition == ["bo", "cy", "recovery-file"]);
    assert_eq!(both.map(|way| way.seconds), Some(GUARDED), "{ways:?}");
}

#[test]
fn a_guardian_counts_as_known_only_with_its_receipt() {
    let weakest = |model: &Model| {
        let evaluation = verdict(model);
        let ways = &evaluation.powers["move"];
        ways.iter().find(|way| way.coalition == ["bo", "cosigner", "cy"]).expect("a way").evidence
    };
    let sealing = verdict(&guarded().model()).powers["move"]
        .iter()
        .find(|way| way.coalition == ["cosigner", "device", "pin"])
        .expect("a way")
        .evidence;
    assert_eq!(weakest(&guarded().model()), Evidence::Unknown);
    assert_eq!(weakest(&holding(&[0])), Evidence::Unknown);
    assert_eq!(weakest(&holding(&[0, 1])), sealing);
    // Neither a forged receipt nor those of two givings make a pair.
    let account = guarded();
    let mixed = [receipts(&account, &[0], 1), receipts(&account, &[1], 2)].concat();
    assert_eq!(weakest(&account.restated(0, |it| it.receipts = mixed)), Evidence::Unknown);
    let mut forged = receipts(&account, &[0, 1], 1);
    forged[1].document.issued_at += 1;
    assert_eq!(weakest(&account.restated(0, |it| it.receipts = forged)), Evidence::Unknown);
    // Said twice, it is not understood at all.
    let twice = [receipts(&account, &[0], 1), receipts(&account, &[0], 1)].concat();
    let model = account.restated(0, |it| it.receipts = twice);
    assert!(solid(&verdict(&model), "move").contains(&"cosigner device".into()), "as if it had said nothing");
}

#[test]
fn the_sheet_tells_of_guardians() {
    let model = holding(&[0, 1]);
    golden("guarded.json", serde_json::to_string_pretty(&model).expect("json") + "\n");
    golden("guarded.sheet.txt", sheet::render(&model, &verdict(&model)));
}

#[test]
fn pieces_of_an_earlier_epoch_are_a_doubt() {
    let before = guarded();
    let mut after = recovered(&before);
    let evaluation = verdict(&after.model());
    assert!(doubted(&evaluation, "move").iter().any(|way| way.contains("kept-pieces")), "{evaluation:?}");
    // They stay one where there are no guardians any more.
    after.guardians.clear();
    after.entities.truncate(2);
    assert!(doubted(&verdict(&after.model()), "move").iter().any(|way| way.contains("kept-pieces")));
    assert!(!format!("{:?}", personal().model()).contains("kept-pieces"));
}

/// Guardians are somebody who gains; the user's word is needed for them, and not for leaving them out.
#[test]
fn guardians_cross_the_red_line() {
    let (plain, with) = (personal().declared_own().charter().terms, guarded().charter().terms);
    let gains = |old, new| {
        let models = structures(old, new).expect("models");
        !difference(&models.before, &models.after).expect("a difference").gained.is_empty()
    };
    assert!(gains(&plain, &with));
    assert!(!gains(&with, &plain));
    assert!(!gains(&with, &with));
}

/// Somebody else under the name of a guardian is somebody else.
#[test]
fn another_key_under_the_same_name_gains() {
    let old = guarded().charter().terms;
    let mut new = old.clone();
    let people = &mut new.guardians.as_mut().expect("guardians").people;
    people[0].identity = Account::guardian(9).public();
    let models = structures(&old, &new).expect("models");
    assert!(!difference(&models.before, &models.after).expect("a difference").gained.is_empty());
}
