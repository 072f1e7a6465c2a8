//! What nodes let through by themselves.

use cohold_custody::{Class, Limit};
use cohold_model::Amount;
use cohold_model::account::Role;
use cohold_model::intent::Asset;
use cohold_model::statement::{Allowance, Receivers};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{ProptestConfig, Strategy, prop_assert, proptest};
use proptest::sample::{select, subsequence};

use crate::account::{
    RECEIVER, TOKEN, blast, enterprise, ether, node, personal, shared, solid, tokens_to_one, verdict,
};

#[test]
fn personal_limits_are_those_of_the_rules() {
    let model = personal().model();
    let limits = serde_json::to_value(model.limits()).expect("json");
    let expected = serde_json::json!({
        "cosigner-eth": {"asset": "ETH on chain 31337", "amount": "5", "window_seconds": 86_400},
        "cosigner-tst": {
            "asset": format!("TST ({TOKEN}) on chain 31337"),
            "amount": "1.5",
            "window_seconds": 86_400,
            "receivers": [RECEIVER],
        },
    });
    assert_eq!(limits, expected);
}

#[test]
fn lending_without_bound_is_no_exit() {
    let mut account = shared();
    account.parties[1].allowances = vec![ether(None)];
    let model = account.model();
    let limit = &model.limits()["cosigner-eth"];
    assert_eq!((limit.amount.as_deref(), limit.window_seconds), (None, None));
    let evaluation = verdict(&model);
    assert_eq!((evaluation.class, evaluation.exit_seconds), (Class::Hostage, None));
    assert_eq!(solid(&evaluation, "move[cosigner-eth]"), ["device pin"]);
}

#[test]
fn a_node_that_wants_no_approval_lends_to_whoever_asks() {
    let mut account = enterprise();
    for node in &mut account.parties[1..] {
        node.requires_approval = false;
    }
    let evaluation = verdict(&account.model());
    assert_eq!(evaluation.class, Class::Custodial);
    // both must lend, so the tighter of the two holds
    assert_eq!(blast(&evaluation, "server"), ["move[cosigner-eth]"]);
    assert_eq!(blast(&evaluation, "device"), ["move[cosigner-eth]"]);
    // within the looser, a share of another must be had
    assert_eq!(solid(&evaluation, "move[guardian-eth]"), ["cosigner", "cosigner-disk", "device pin"]);
}

#[test]
fn of_bounds_that_hold_at_once_the_tighter_counts() {
    let both = |one: Allowance, other: Allowance| {
        let mut account = enterprise();
        account.threshold = 3;
        account.parties[1].allowances = vec![one];
        account.parties[2].allowances = vec![other];
        let evaluation = verdict(&account.model());
        let ways = evaluation.powers.iter().filter(|(power, _)| power.starts_with("move["));
        let lent = ways.map(|(_, ways)| ways.iter().any(|way| way.coalition == ["device", "pin"]));
        <[bool; 2]>::try_from(lent.collect::<Vec<_>>()).expect("two limits")
    };
    let to_one = |per_day| Allowance { receivers: Receivers::Only(vec![RECEIVER.into()]), ..ether(per_day) };
    assert_eq!(both(ether(Some(5)), ether(Some(20))), [true, false]);
    assert_eq!(both(ether(None), ether(Some(20))), [false, true]);
    assert_eq!(both(ether(Some(5)), ether(Some(5))), [true, true]);
    assert_eq!(both(ether(Some(5)), to_one(Some(5))), [false, true]);
    // neither is tighter: each is listed, both hold
    assert_eq!(both(ether(Some(5)), to_one(Some(20))), [true, true]);
    // no asset that both let through: nothing
    assert_eq!(both(ether(Some(5)), Allowance { chain_id: 1, ..ether(Some(5)) }), [false, false]);
}

#[test]
fn what_lets_nothing_through_is_no_limit() {
    let nobody = Allowance { receivers: Receivers::Only(vec![]), ..ether(Some(5)) };
    for allowances in [vec![], vec![ether(Some(0))], vec![nobody]] {
        let mut account = personal();
        account.parties[2].allowances = allowances;
        assert!(account.model().limits().is_empty());
    }
}

#[test]
fn chains_are_told_apart_by_name() {
    let mut account = personal();
    let mut other = tokens_to_one();
    other.asset = Asset::Token(RECEIVER.into());
    account.parties[2].allowances =
        vec![ether(Some(5)), Allowance { chain_id: 1, ..ether(Some(1)) }, tokens_to_one(), other];
    let names: Vec<_> = account.model().limits().keys().cloned().collect();
    assert_eq!(names, ["cosigner-eth-1", "cosigner-eth-31337", "cosigner-tst-31337", "cosigner-tst-31337-2"]);
}

#[test]
fn very_many_allowances_are_taken_together() {
    let mut account = personal();
    account.parties[2].allowances =
        (1..=40).map(|chain_id| Allowance { chain_id, ..tokens_to_one() }).collect();
    let model = account.model();
    assert_eq!(model.limits().keys().collect::<Vec<_>>(), ["cosigner-anything"]);
    assert_eq!(verdict(&model).class, Class::MpcSelfCustody);
}

#[test]
fn very_many_receivers_are_anybody() {
    let mut account = personal();
    let receivers = (0..300).map(|number| format!("0x{number:040x}")).collect();
    account.parties[2].allowances =
        vec![Allowance { receivers: Receivers::Only(receivers), ..ether(Some(5)) }];
    assert!(account.model().limits()["cosigner-eth"].receivers.is_empty());
}

#[test]
fn a_node_that_may_approve_uses_what_others_lend() {
    let mut account = personal();
    account.parties[1] = node("guardian", "bo", vec![ether(Some(1))]);
    account.entities.push(("bo", Role::Guardian));
    account.approvers = vec!["device"];
    assert_eq!(verdict(&account.model()).class, Class::Collusive);
    account.approvers = vec!["device", "cosigner"];
    let evaluation = verdict(&account.model());
    assert_eq!(evaluation.class, Class::Custodial);
    assert_eq!(blast(&evaluation, "cosigner"), ["move[guardian-eth]"]);
}

/// A payment: symbol, whole units, receiver.
type Payment = (&'static str, u128, &'static str);

fn lets_through(allowance: &Allowance, (symbol, units, to): Payment) -> bool {
    let amount = Amount::from(units * 10_u128.pow(allowance.decimals.into()));
    let receivers = match &allowance.receivers {
        Receivers::Any => true,
        Receivers::Only(list) => list.iter().any(|receiver| receiver == to),
    };
    allowance.symbol == symbol && allowance.per_day.is_none_or(|most| amount <= most) && receivers
}

fn covers(limit: &Limit, (symbol, units, to): Payment) -> bool {
    let asset = limit.asset.as_ref().is_none_or(|asset| asset.starts_with(symbol));
    let amount = limit.amount.as_ref().is_none_or(|most| units <= most.parse().expect("whole units"));
    asset && amount && (limit.receivers.is_empty() || limit.receivers.iter().any(|receiver| receiver == to))
}

fn any_allowances() -> impl Strategy<Value = Vec<Allowance>> {
    let receivers = option::of(subsequence(vec![RECEIVER, TOKEN], 1..=2));
    let allowance = (option::of(select(vec![1_u128, 5, 20])), receivers);
    let of = |token: bool, (per_day, receivers): (Option<u128>, Option<Vec<&str>>)| {
        let base = if token { tokens_to_one() } else { ether(None) };
        Allowance {
            per_transaction: None,
            per_day: per_day.map(|units| Amount::from(units * 10_u128.pow(base.decimals.into()))),
            receivers: receivers.map_or(Receivers::Any, |list| {
                Receivers::Only(list.into_iter().map(str::to_owned).collect())
            }),
            ..base
        }
    };
    let coin = option::of(allowance.clone()).prop_map(move |bounds| bounds.map(|bounds| of(false, bounds)));
    let token = option::of(allowance).prop_map(move |bounds| bounds.map(|bounds| of(true, bounds)));
    (coin, token).prop_map(|(coin, token)| coin.into_iter().chain(token).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever enough nodes let through for who has device and PIN, a limit of theirs covers.
    #[test]
    fn no_payment_that_nodes_let_through_is_left_out(
        nodes in vec(any_allowances(), 3),
        threshold in 2_u8..=4,
    ) {
        let mut account = enterprise();
        account.threshold = threshold;
        account.parties.truncate(1);
        let names = ["n1", "n2", "n3"];
        account.parties.extend(names.into_iter().zip(&nodes).map(|(name, lets)| node(name, "corp", lets.clone())));
        let model = account.model();
        let evaluation = verdict(&model);
        let reached = |name: &str| {
            let ways = &evaluation.powers[&format!("move[{name}]")];
            ways.iter().any(|way| way.coalition == ["device", "pin"])
        };
        for symbol in ["ETH", "TST"] {
            for units in [1, 5, 20, 1000] {
                for to in [RECEIVER, TOKEN, "0x00"] {
                    let payment = (symbol, units, to);
                    let lent = nodes.iter().filter(|lets| lets.iter().any(|lets| lets_through(lets, payment)));
                    let listed = model.limits().iter().any(|(name, limit)| reached(name) && covers(limit, payment));
                    let signed = lent.count() + 1 >= usize::from(threshold);
                    prop_assert!(listed || !signed, "{payment:?}");
                    // with one node to lend, the limits say no more than the truth
                    prop_assert!(threshold > 2 || listed == signed, "{payment:?}");
                }
            }
        }
    }
}
