//! Nodes that join in resharings: what that is worth to somebody who has what speaks for the user.

use cohold_custody::{Class, Model};

use crate::account::{Account, blast, enterprise, node, personal, recovery, shared, solid, verdict};

const DAYS_2: u64 = 2 * 24 * 3600;

fn joining(account: &Account, position: usize, delay: u64) -> Model {
    account.restated(position, |statement| statement.resharing_delay = Some(delay))
}

/// When a coalition gets everything by a resharing, if ever.
fn seconds(model: &Model, limit: &str, coalition: &str) -> Option<u64> {
    let evaluation = verdict(model);
    let ways = &evaluation.powers[limit];
    ways.iter().find(|way| way.coalition.join(" ") == coalition).map(|way| way.seconds)
}

#[test]
fn a_stolen_recovery_file_is_worth_everything_where_a_node_joins_at_once() {
    let (limit, file) = ("move[cosigner:resharing]", "recovery-file recovery-passphrase");
    let at_once = joining(&personal(), 2, 0);
    assert_eq!(seconds(&at_once, limit, file), Some(0));
    assert_eq!(seconds(&at_once, limit, "device pin"), Some(0));
    // Nothing of that is the provider's.
    assert_eq!(verdict(&at_once).class, verdict(&personal().model()).class);
    // After a wait, somebody who is robbed of the file objects with the device, and the other way round;
    // who has something of both has no use for the node.
    let later = joining(&personal(), 2, DAYS_2);
    assert_eq!(seconds(&later, limit, file), None);
    assert_eq!(seconds(&later, limit, "device pin"), None);
    assert!(solid(&verdict(&later), "move").contains(&"device pin recovery-file recovery-passphrase".into()));
}

#[test]
fn joining_is_no_way_out_and_hinders_nobody_from_freezing() {
    for delay in [0, DAYS_2] {
        let (before, after) = (verdict(&shared().model()), verdict(&joining(&shared(), 1, delay)));
        assert_eq!((after.class, after.exit_seconds), (Class::Hostage, None));
        assert_eq!(before.powers["move"], after.powers["move"]);
        assert_eq!(before.freeze, after.freeze);
    }
}

/// A device that is lost with nobody to object: the wait is all there is.
#[test]
fn who_cannot_object_only_has_the_wait() {
    let mut account = shared();
    account.approvers = vec!["device"];
    let model = joining(&account, 1, DAYS_2);
    assert_eq!(seconds(&model, "move[cosigner:resharing]", "device pin"), Some(DAYS_2));
    assert_eq!(blast(&verdict(&model), "device"), Vec::<&str>::new());
}

#[test]
fn two_nodes_that_join_need_one_consent() {
    let account = enterprise();
    let mut statements = account.statements();
    for (position, delay) in [(1, 60), (2, 3600)] {
        let mut document = statements[position].document.clone();
        document.resharing_delay = Some(delay);
        let party = document.party.clone();
        statements[position] = cohold_model::Signed::by(document, party, &account.secret(position));
    }
    let model = account.model_of(&statements);
    let evaluation = verdict(&model);
    // The enterprise's other node objects.
    assert!(solid(&evaluation, "move[cosigner:resharing]").iter().all(|way| way != "device pin"));
    assert_eq!(model.limits()["cosigner:resharing"], model.limits()["guardian:resharing"]);
}

/// A party that is called like a power of these gets another name for its place.
#[test]
fn names_of_powers_stay_theirs() {
    let mut account = personal();
    account.parties[1] = recovery("ana").named("veto");
    account.parties[2] = node("consent", "acme", account.parties[2].allowances.clone());
    account.approvers = vec!["device", "veto"];
    let evaluation = verdict(&joining(&account, 2, DAYS_2));
    assert!(evaluation.powers.contains_key("move[consent:resharing]"));
}
