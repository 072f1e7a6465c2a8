//! Patterns of silent custody that facts can express: not model files, but charter, statements, declaration.

use cohold_custody::declared::{Declared, Delivery, Program, Tokens};
use cohold_custody::{Class, sheet};

use crate::account::{Account, enterprise, node, personal, verdict};
use crate::declared::{backup, entities, factor, two_outsiders};

/// Rows of the list of silent patterns that facts can express: facts in; class, coalition and sentence out.
#[test]
fn patterns_in_facts_are_told_in_a_sentence() {
    let check =
        |row: &str, account: Account, class: Class, power: &str, coalition: &[&str], sentence: &str| {
            let model = account.model();
            let evaluation = verdict(&model);
            assert_eq!(evaluation.class, class, "{row}");
            let way = evaluation.powers[power].iter().find(|way| way.coalition == coalition.to_vec());
            assert!(way.is_some(), "{row}: {coalition:?} is not among {:?}", evaluation.powers[power]);
            let page = sheet::render(&model, &evaluation);
            let flat = page.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(flat.contains(sentence), "{row}: `{sentence}` is not on the sheet\n{page}");
        };
    let with = |account: Account, change: &dyn Fn(&mut Declared)| {
        let mut account = account.declared_own();
        change(&mut account.own.declared);
        account
    };
    let mut two_nodes = personal();
    two_nodes.parties[1] = node("guardian", "acme", vec![]);
    two_nodes.approvers = vec!["device"];
    check(
        "2 operator meets the threshold",
        two_nodes,
        Class::Custodial,
        "move",
        &["cosigner", "guardian"],
        "acme (cosigner, guardian) can move the funds at once",
    );
    let mut silent = enterprise();
    silent.own.declared = Declared::default();
    check(
        "3 an administrator that nobody declared",
        silent,
        Class::Custodial,
        "move",
        &["server"],
        "provider (server) can move the funds at once: whoever is no user and not corp may be the unknown holder",
    );
    check(
        "3 two parties on one cloud account",
        with(two_outsiders(), &|it| {
            it.machine.iter_mut().for_each(|entry| entry.administrators = entities(&["bigcloud"]))
        }),
        Class::Custodial,
        "move",
        &["bigcloud-machines"],
        "bigcloud (bigcloud-machines) can move the funds at once: bigcloud-machines administers the machine of `cosigner`, as declared",
    );
    check(
        "5 and 6 ciphertext and passphrase with the provider",
        with(personal(), &|it| {
            it.backup.push(backup("recovery", &["acme"]));
            it.factor.push(factor("recovery", &["acme"]));
        }),
        Class::Custodial,
        "move",
        &["acme-backups", "acme-resets", "cosigner"],
        "what opens the share of `recovery` lies with acme-backups and acme-resets too, as declared",
    );
    check(
        "7 the device synced to the provider",
        with(personal(), &|it| it.backup.push(backup("device", &["acme"]))),
        Class::MpcSelfCustody,
        "move",
        &["acme-backups", "cosigner", "weak-secret"],
        "what opens the share of `device` lies with acme-backups too, as declared",
    );
    check(
        "9 tokens where a node asks for no approval",
        with(
            {
                let mut account = enterprise();
                account.parties[1..].iter_mut().for_each(|node| node.requires_approval = false);
                account
            },
            &|it| it.tokens = Some(Tokens { issuer: "acme".parse().expect("a name"), reset: Vec::new() }),
        ),
        Class::Custodial,
        "move[cosigner-eth]",
        &["acme-tokens"],
        "whoever has anything of the account may come to ask a node",
    );
    check(
        "10 the mail host resets the factor",
        with(personal(), &|it| {
            it.backup.push(backup("recovery", &["acme"]));
            it.factor.push(factor("recovery", &["mailhost"]));
        }),
        Class::Collusive,
        "move",
        &["acme-backups", "cosigner", "mailhost-resets"],
        "acme (acme-backups, cosigner) and mailhost (mailhost-resets) together can move the funds at once",
    );
    check(
        "12 and 13 the provider serves what shows and signs",
        with(personal(), &|it| {
            let entity = "acme".parse().expect("a name");
            it.program = Some(Program { entity, delivery: Delivery::Served });
        }),
        Class::MpcSelfCustody,
        "move",
        &["cosigner", "hostile-program"],
        "the program run on device, made by acme and served at each use, is hostile (to the profit of acme)",
    );
    let mut kept = two_outsiders().declared_own();
    kept.own.declared.backup[1].holders = entities(&["acme"]);
    check(
        "25 a backup with the provider",
        kept,
        Class::Custodial,
        "move",
        &["acme-backups", "cosigner"],
        "copies of the share of `guardian` lie with acme-backups, as declared",
    );
}
