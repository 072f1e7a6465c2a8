//! The review of an order, without any party around it: what every word of an order is bound to.

use std::collections::{BTreeMap, BTreeSet};

use cohold_chain_evm::plan::Funds;
use cohold_chain_evm::{Facts, plan, signing_digest};
use cohold_model::account::{Card, PartyKind, Role, Template, Terms};
use cohold_model::charter::Charter;
use cohold_model::intent::{Action, Approval, Asset};
use cohold_model::{
    Amount, Digest, Document as _, Engine, Hashed, IdentitySecret, Intent, PartyIndex, PartyName,
    PresignatureIndex, Signed,
};
use cohold_party::refusal::Code;
use cohold_party::verify::{ATTEMPTS_MAX, HORIZON_SECONDS_MAX, Reviewed, Standing, review};
use cohold_party::wire::SignOrder;
use cohold_party::{Refusal, Rules};

const NOW: u64 = 1_800_000_000;
const EXPIRES: u64 = NOW + 3600;
const RULES: &str = r#"
accept = "any"
[[chain]]
id = 31337
coin = "ETH"
fee_max = "0.01"
[[chain.asset]]
per_day = "5"
receivers = ["0x70997970C51812dc3A010C7d01b50e0d17dc79C8"]
"#;

fn secret(i: u8) -> IdentitySecret {
    IdentitySecret::from_seed(&mut [i; 32])
}

fn name(i: u8) -> PartyName {
    format!("party-{i}").parse().unwrap()
}

fn index(i: u8) -> PartyIndex {
    PartyIndex::try_from(i).unwrap()
}

/// A charter of 2-of-3 in which party 1 approves. Its key is not looked at here.
fn charter() -> Charter {
    let card = |i: u8| Card {
        party: name(i),
        entity: "ana".parse().unwrap(),
        kind: PartyKind::Cosigner,
        identity: secret(i).public(),
        seal: Digest([i; 32]),
    };
    let terms = Terms {
        guardians: None,
        account: "acc_00000000000000000000000000000001".parse().unwrap(),
        template: Template::Free,
        entities: BTreeMap::from([("ana".parse().unwrap(), Role::User)]),
        parties: (1..=3).map(card).collect(),
        threshold: 2,
        approvers: BTreeSet::from([name(1)]),
    };
    Charter { created_at: NOW, ..crate::charters::charter(terms) }
}

fn order() -> SignOrder {
    order_under(&charter(), "m/0/5")
}

fn order_under(charter: &Charter, path: &str) -> SignOrder {
    let intent = Intent {
        request: "req_00000000000000000000000000000001".parse().unwrap(),
        account: charter.terms.account,
        chain_id: 31_337,
        action: Action::Transfer {
            asset: Asset::Native,
            to: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8".into(),
            amount: 7_u128.into(),
        },
        requester: name(3),
        expires_at: EXPIRES,
        path: path.parse().unwrap(),
    };
    let facts = Facts {
        chain_id: 31_337,
        nonce: 11,
        base_fee_per_gas: 1_000_000_000,
        max_priority_fee_per_gas: 1,
        gas_estimate: 21_000,
        funds: Funds { native: Amount::MAX, token: Amount::MAX },
    };
    let plan = plan(&intent, &facts).unwrap();
    let approval = Approval {
        account: charter.terms.account,
        charter: charter.digest(),
        plan: plan.digest(),
        approver: name(1),
        expires_at: EXPIRES,
    };
    let approvals = vec![Signed::by(approval, name(1), &secret(1))];
    SignOrder {
        charter: charter.digest(),
        intent,
        plan,
        approvals,
        signers: vec![index(1), index(2)],
        attempt: 1,
        presignature: None,
    }
}

fn reviewed_at(order: SignOrder, me: u8, banned: &[u8], now: u64) -> Result<Reviewed, Refusal> {
    reviewed_under(charter(), order, me, banned, now)
}

fn reviewed_under(
    charter: Charter,
    order: SignOrder,
    me: u8,
    banned: &[u8],
    now: u64,
) -> Result<Reviewed, Refusal> {
    let (charter, me) = (Hashed::new(charter), name(me));
    let banned = banned.iter().map(|i| index(*i)).collect();
    let standing = Standing { charter: &charter, me: &me, banned: &banned };
    review(order, standing, &Rules::parse(RULES).unwrap(), now)
}

fn code(order: SignOrder, me: u8, banned: &[u8], now: u64) -> Option<Code> {
    reviewed_at(order, me, banned, now).err().map(|refusal| refusal.code)
}

#[test]
fn a_good_order_is_counted_and_then_authorized() {
    let order = order();
    let (plan, session) = (order.plan.clone(), order.session());
    let reviewed = reviewed_at(order, 2, &[3], NOW).unwrap();
    let reservation = reviewed.reservation();
    assert_eq!((reservation.plan, reservation.session), (plan.digest(), session));
    assert_eq!((reservation.chain_id, reservation.nonce), (31_337, 11));
    assert_eq!((reservation.asset.clone(), reservation.amount), (Asset::Native, 7_u128.into()));
    assert_eq!(reservation.per_day, Some(5_000_000_000_000_000_000_u128.into()));
    let mut counted = None;
    let authorized = reviewed.authorize(|reservation| {
        counted = Some(reservation.clone());
        Ok::<_, Refusal>(())
    });
    let authorized = authorized.unwrap();
    assert_eq!(counted, Some(reservation));
    assert_eq!(authorized.me, index(2));
    assert_eq!(authorized.signing_digest, signing_digest(&plan.payload.0));
}

#[test]
fn what_is_not_counted_is_not_authorized() {
    let reviewed = reviewed_at(order(), 1, &[], NOW).unwrap();
    assert_eq!(reviewed.authorize(|_| Err("full")).err(), Some("full"));
}

/// Every single word of an order is bound: change it, and the order is refused. Two are the
/// coordinator's to choose: the attempt, and who else signs.
#[test]
fn every_word_of_an_order_is_bound() {
    let good = serde_json::to_value(order()).unwrap();
    let mut leaves = Vec::new();
    walk(&good, String::new(), &mut leaves);
    assert!(leaves.len() > 15, "{leaves:?}");
    let mut free = Vec::new();
    for place in leaves {
        for changed in changes(good.pointer(&place).unwrap()) {
            let mut order = good.clone();
            *order.pointer_mut(&place).unwrap() = changed;
            let read = serde_json::from_value::<SignOrder>(order);
            if read.is_ok_and(|order| reviewed_at(order, 1, &[], NOW).is_ok()) {
                free.push(place.clone());
            }
        }
    }
    assert_eq!(free, ["/attempt", "/signers/1"]);
}

fn walk(value: &serde_json::Value, place: String, leaves: &mut Vec<String>) {
    match value {
        serde_json::Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, item)| walk(item, format!("{place}/{i}"), leaves));
        }
        serde_json::Value::Object(fields) => {
            fields.iter().for_each(|(name, field)| walk(field, format!("{place}/{name}"), leaves));
        }
        _ => leaves.push(place),
    }
}

/// A leaf that is another, in ways that can still be read.
fn changes(leaf: &serde_json::Value) -> Vec<serde_json::Value> {
    let Some(text) = leaf.as_str() else { return vec![(leaf.as_u64().unwrap() + 1).into()] };
    let (head, last) = text.split_at(text.len() - 1);
    let other = if last == "1" { "2" } else { "1" };
    vec![format!("{head}{other}").into(), format!("{text}0").into()]
}

#[test]
fn signers_are_the_threshold_of_parties_in_order() {
    let check = |me: u8, banned: &[u8], signers: &[u8], expected: Option<Code>| {
        let order = SignOrder { signers: signers.iter().map(|i| index(*i)).collect(), ..order() };
        assert_eq!(code(order, me, banned, NOW), expected, "{signers:?} at {me}, banned {banned:?}");
    };
    check(1, &[], &[1, 2], None);
    check(3, &[], &[1, 3], None);
    check(1, &[2], &[1, 3], None);
    for signers in [&[][..], &[1], &[2, 1], &[1, 1], &[1, 2, 3], &[1, 4], &[2, 3], &[1, 2, 2]] {
        check(1, &[], signers, Some(Code::Order));
    }
    // Row 17: only the second engine has presignatures.
    let named = SignOrder { presignature: Some(PresignatureIndex::FIRST), ..order() };
    assert_eq!(code(named, 1, &[], NOW), Some(Code::Presignature));
    check(1, &[2], &[1, 2], Some(Code::Banned));
    check(1, &[2, 3], &[1, 3], Some(Code::Banned));
    // A party that banned itself has frozen the key.
    check(1, &[1], &[1, 2], Some(Code::Banned));
    check(4, &[], &[1, 2], Some(Code::Charter));
    for (attempt, expected) in
        [(0, Some(Code::Order)), (1, None), (ATTEMPTS_MAX, None), (ATTEMPTS_MAX + 1, Some(Code::Order))]
    {
        assert_eq!(code(SignOrder { attempt, ..order() }, 1, &[], NOW), expected, "attempt {attempt}");
    }
}

#[test]
fn row_17_no_presignature_signs_under_a_derived_key() {
    let charter = Charter { engine: Engine::Cggmp24, ..charter() };
    let named = |path: &str, presignature| {
        let order = SignOrder { presignature, ..order_under(&charter, path) };
        reviewed_under(charter.clone(), order, 1, &[], NOW)
    };
    let first = Some(PresignatureIndex::FIRST);
    assert_eq!(named("m", first).unwrap().presignature().map(|used| used.index), first);
    let refused = named("m/0/5", first).unwrap_err();
    assert_eq!(refused.code, Code::Presignature);
    assert!(refused.message.contains("`m/0/5`"), "{}", refused.message);
    assert!(named("m/0/5", None).unwrap().presignature().is_none());
}

#[test]
fn time_is_bounded_on_both_sides() {
    let check = |now: u64, expected: Option<Code>| assert_eq!(code(order(), 1, &[], now), expected, "{now}");
    check(EXPIRES - 1, None);
    check(EXPIRES, Some(Code::Expired));
    check(u64::MAX, Some(Code::Expired));
    check(EXPIRES - HORIZON_SECONDS_MAX, None);
    check(EXPIRES - HORIZON_SECONDS_MAX - 1, Some(Code::Expired));
    check(0, Some(Code::Expired));
}

/// Approvals beside the one that counts do no harm, up to the number that is looked at.
#[test]
fn one_good_approval_is_enough() {
    let genuine = order().approvals[0].clone();
    let mut late = genuine.document.clone();
    late.expires_at = NOW;
    let late = Signed::by(late, name(1), &secret(1));
    let mut unsigned = genuine.clone();
    unsigned.signatures.clear();
    let by = |i: u8| {
        let document = Approval { approver: name(i), ..genuine.document.clone() };
        Signed::by(document, name(i), &secret(i))
    };
    let check = |approvals: Vec<Signed<Approval>>, expected: Option<Code>| {
        assert_eq!(code(SignOrder { approvals, ..order() }, 1, &[], NOW), expected);
    };
    check(vec![unsigned.clone(), late.clone(), by(2), genuine.clone()], None);
    check([vec![unsigned.clone(); 8], vec![genuine.clone()]].concat(), None);
    check([vec![unsigned.clone(); 9], vec![genuine.clone()]].concat(), Some(Code::Approval));
    check(vec![], Some(Code::Approval));
    check(vec![unsigned], Some(Code::Approval));
    check(vec![late], Some(Code::Expired));
    check(vec![by(2), by(3)], Some(Code::Approval));
    // Signed by the right key, under the wrong name.
    let mut renamed = genuine.clone();
    let signature = renamed.signatures.remove(&name(1)).unwrap();
    renamed.signatures.insert(name(2), signature);
    check(vec![renamed], Some(Code::Approval));
}

#[test]
fn a_device_signs_only_what_was_approved_on_it() {
    let mut charter = charter();
    for (card, kind) in charter.terms.parties.iter_mut().zip([PartyKind::Recovery, PartyKind::Device]) {
        card.kind = kind;
    }
    charter.terms.approvers.insert(name(2));
    let by = |i: u8, order: &SignOrder| {
        let approval = Approval {
            account: charter.terms.account,
            charter: charter.digest(),
            plan: order.plan.digest(),
            approver: name(i),
            expires_at: EXPIRES,
        };
        Signed::by(approval, name(i), &secret(i))
    };
    let code = |me: u8, approvers: &[u8]| {
        let mut order = order();
        order.charter = charter.digest();
        order.signers = vec![index(2), index(3)];
        order.approvals = approvers.iter().map(|i| by(*i, &order)).collect();
        let (me, banned) = (name(me), BTreeSet::new());
        let charter = Hashed::new(charter.clone());
        let standing = Standing { charter: &charter, me: &me, banned: &banned };
        review(order, standing, &Rules::parse(RULES).unwrap(), NOW).err().map(|refusal| refusal.code)
    };
    assert_eq!(code(2, &[2]), None);
    assert_eq!(code(2, &[1, 2]), None);
    assert_eq!(code(2, &[1]), Some(Code::Approval), "the recovery share's word does not move the device");
    assert_eq!(code(3, &[1]), None, "a node heeds every approver");
}
