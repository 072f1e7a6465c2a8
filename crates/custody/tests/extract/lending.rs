//! What nodes let through by themselves.

use cohold_custody::{Class, Limit, Model};
use cohold_model::Amount;
use cohold_model::account::Role;
use cohold_model::intent::Asset;
use cohold_model::statement::{Allowance, FeeBound, Receivers};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{ProptestConfig, Strategy, prop_assert, proptest};
use proptest::sample::{select, subsequence};

use crate::account::{
    RECEIVER, TOKEN, blast, enterprise, ether, fees, node, personal, shared, solid, tokens_to_one, verdict,
};

#[test]
fn personal_limits_are_those_of_the_rules() {
    let model = personal().model();
    let limits = serde_json::to_value(model.limits()).expect("json");
    let expected = serde_json::json!({
        "cosigner-eth": {"asset": "ETH on chain 31337", "amount": "5", "window_seconds": 86_400},
        "cosigner-eth-fees": {"asset": "ETH in fees on chain 31337", "amount": "0.1", "window_seconds": 86_400},
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
    let reached = ["move[cosigner-eth-fees]", "move[cosigner-eth]", "move[guardian-eth-fees]"];
    assert_eq!(blast(&evaluation, "server"), reached);
    assert_eq!(blast(&evaluation, "device"), reached);
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
        let ways = ways.filter(|(power, _)| !power.contains("-fees"));
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
    let expected = [
        "cosigner-eth-1",
        "cosigner-eth-31337",
        "cosigner-eth-fees-1",
        "cosigner-eth-fees-31337",
        "cosigner-tst-31337",
        "cosigner-tst-31337-2",
    ];
    assert_eq!(names, expected);
}

#[test]
fn fees_are_a_limit_of_their_own_and_to_anybody() {
    let stated = |stated: Vec<FeeBound>, allowances: Vec<Allowance>| {
        let mut account = shared();
        account.parties[1].fees = stated;
        account.parties[1].allowances = allowances;
        account.model()
    };
    let told = |model: &Model| {
        let (name, limit) = model.limits().iter().find(|(name, _)| name.contains("fees")).expect("a limit");
        let rules = model.rules().iter();
        let because = rules.filter(|rule| rule.limit.as_ref() == Some(name)).map(|rule| rule.because.clone());
        (name.clone(), limit.clone(), because.collect::<String>())
    };
    let model = stated(vec![fees(Some(100))], vec![tokens_to_one()]);
    let (name, limit, because) = told(&model);
    assert_eq!(name, "cosigner-eth-fees");
    assert_eq!((limit.amount.as_deref(), limit.window_seconds), (Some("0.1"), Some(86_400)));
    assert!(limit.receivers.is_empty());
    assert!(because.contains("each payment may burn up to 0.01 ETH, all payments together at most 0.1 ETH"));
    assert_eq!(solid(&verdict(&model), "move[cosigner-eth-fees]"), ["device pin"]);
    // no bound a day: the fee of one payment bounds nothing
    let (_, limit, because) = told(&stated(vec![fees(None)], vec![tokens_to_one()]));
    assert_eq!((limit.amount, limit.window_seconds), (None, None));
    assert!(because.contains("up to 0.01 ETH") && because.contains("ANY AMOUNT"), "{because}");
    // nothing stated, as in the first statements, or of another chain
    for silent in [vec![], vec![FeeBound { chain_id: 1, ..fees(Some(100)) }]] {
        let (name, limit, because) = told(&stated(silent, vec![tokens_to_one()]));
        assert_eq!((name.as_str(), limit.amount), ("cosigner-coin-fees", None));
        assert!(because.contains("nothing is stated") && because.contains("ANY AMOUNT"), "{because}");
    }
    // nothing moves on the chain: nothing is burnt there
    assert!(stated(vec![fees(Some(100))], vec![]).limits().is_empty());
    assert!(stated(vec![fees(Some(100))], vec![ether(Some(0))]).limits().is_empty());
}

#[test]
fn what_an_outsider_can_burn_is_moved_to_anybody() {
    let mut account = enterprise();
    account.entities.push(("acme", Role::Provider));
    for node in &mut account.parties[1..] {
        (node.entity, node.requires_approval) = ("acme", false);
        node.allowances = vec![tokens_to_one()];
    }
    // two of three: tokens to one receiver would be restricted, the fees of it are not
    account.parties[2].entity = "corp";
    let evaluation = verdict(&account.model());
    assert_eq!(evaluation.class, Class::Custodial);
    assert!(blast(&evaluation, "cosigner").contains(&"move[guardian-eth-fees]"));
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
    account = account.declared_own();
    assert_eq!(verdict(&account.model()).class, Class::Collusive);
    account.approvers = vec!["device", "cosigner"];
    let evaluation = verdict(&account.model());
    assert_eq!(evaluation.class, Class::Custodial);
    let fees = ["move[cosigner-eth-fees]", "move[guardian-eth-fees]"];
    assert_eq!(blast(&evaluation, "cosigner"), [fees[0], fees[1], "move[guardian-eth]"]);
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
    let asset = limit.asset.as_deref().unwrap_or(symbol);
    if asset.contains(" in fees ") || !asset.starts_with(symbol) {
        return false;
    }
    let amount = limit.amount.as_ref().is_none_or(|most| units <= most.parse().expect("whole units"));
    amount && (limit.receivers.is_empty() || limit.receivers.iter().any(|receiver| receiver == to))
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
