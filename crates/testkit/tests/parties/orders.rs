//! A hostile coordinator asks for signatures. The parties' own rules decide, whatever it says.

use cohold_model::intent::{Action, Asset};
use cohold_model::{Digest, HexBytes, PartyIndex, Signed};
use cohold_party::refusal::Code;
use cohold_party::wire::SignOrder;
use cohold_testkit::account::{BOB, COIN, MALLORY, TOKEN, Wish};
use cohold_testkit::cluster::{Answer, points};
use cohold_testkit::{Account, Cluster};

/// A cluster, an account, and the orders that its coordinator tries on.
struct Stage {
    cluster: Cluster,
    account: Account,
}

impl Stage {
    fn set(parties: u8) -> Self {
        let cluster = Cluster::start(parties);
        let account = cluster.account(2);
        Self { cluster, account }
    }

    fn order(&self, wish: &Wish) -> SignOrder {
        self.account.order(wish, self.cluster.party(1), &[1, 2], 1)
    }

    fn good(&self) -> SignOrder {
        self.order(&Wish::new())
    }

    /// Approves whatever the plan is: the device was deceived.
    fn approved(&self, mut order: SignOrder) -> SignOrder {
        let expires_at = order.intent.expires_at;
        order.approvals = vec![self.account.approval(&order.plan, self.cluster.party(1), expires_at)];
        order
    }

    /// The bytes of one wish under the intent of another.
    fn disguised(&self, shown: &Wish, done: &Wish) -> SignOrder {
        let mut order = self.order(shown);
        order.plan.payload = self.account.plan(done).payload;
        order
    }

    /// Each of `parties` refuses for this reason.
    fn refused_by(&self, parties: &[u8], order: &SignOrder, code: Code, what: &str) {
        for &i in parties {
            let mark = self.cluster.order(i, order);
            match self.cluster.answer(i, mark, order.session()) {
                Answer::Refused(refusal) => {
                    assert_eq!(refusal.code, code, "{what}, party {i}: {refusal}");
                }
                other => panic!("{what}, party {i}: {other:?}"),
            }
        }
    }

    fn refused(&self, order: &SignOrder, code: Code, what: &str) {
        self.refused_by(&[1, 2], order, code, what);
    }

    /// After all that: no signature exists, nothing was counted, and an honest order is signed.
    fn curtain(&self) {
        assert_eq!(self.cluster.signatures(), []);
        // The whole limit of the day is free.
        let wishes = (0..3).map(|nonce| Wish { amount: COIN, nonce, ..Wish::new() });
        for wish in wishes {
            let order = self.order(&wish);
            for (i, answer) in self.cluster.sign(&order) {
                let signature = answer.signature();
                let signature = signature.unwrap_or_else(|| panic!("party {i}: {answer:?}"));
                self.account.assemble(&order.plan, signature).unwrap();
            }
        }
        self.refused(
            &self.order(&Wish { amount: 1, nonce: 3, ..Wish::new() }),
            Code::Limit,
            "the day's limit",
        );
        for i in self.cluster.indices() {
            assert_eq!(self.cluster.banned(i, self.account.id()), []);
        }
    }
}

/// The bytes are changed after the approval, or under a deceived approver. What is signed is what the
/// parties decode themselves, and it must be what the intent says.
#[test]
fn row_25_bytes_that_differ_from_the_intent_are_refused() {
    let stage = Stage::set(2);
    let shown = Wish::new();
    let token = Asset::Token(TOKEN.into());
    let others = [
        ("another receiver", Wish { to: BOB.into(), ..shown.clone() }),
        ("a foreign receiver", Wish { to: MALLORY.into(), ..shown.clone() }),
        ("another amount", Wish { amount: shown.amount + 1, ..shown.clone() }),
        ("less", Wish { amount: shown.amount - 1, ..shown.clone() }),
        ("a token instead of the coin", Wish { asset: token.clone(), ..shown.clone() }),
        ("another chain", Wish { chain_id: 1, ..shown.clone() }),
    ];
    for (what, done) in &others {
        let order = stage.disguised(&shown, done);
        stage.refused(&order, Code::Approval, what);
        stage.refused(&stage.approved(order), Code::Mismatch, what);
        // The plan is honest about the bytes, and so belongs to another intent.
        let other = SignOrder { plan: stage.account.plan(done), ..stage.good() };
        stage.refused(&stage.approved(other), Code::Mismatch, what);
    }
    let shown_token = Wish { asset: token, ..shown.clone() };
    let order = stage.approved(stage.disguised(&shown_token, &shown));
    stage.refused(&order, Code::Mismatch, "the coin instead of a token");
    // The intent is changed to fit the bytes, and no longer is what was approved.
    let mut order = stage.order(&Wish { to: BOB.into(), ..shown.clone() });
    order.approvals = stage.order(&shown).approvals;
    stage.refused(&order, Code::Approval, "approval of another plan");
    let mut order = stage.order(&shown);
    let Action::Transfer { to, .. } = &mut order.intent.action;
    *to = BOB.into();
    stage.refused(&order, Code::Mismatch, "an intent that is not the plan's");
    // Bytes that are no transfer at all.
    let good = stage.good();
    let bytes = &good.plan.payload.0;
    let payloads = [
        Vec::new(),
        vec![0x02],
        [bytes.as_slice(), &[0]].concat(),
        bytes.get(..bytes.len() - 1).unwrap().to_vec(),
        bytes.get(1..).unwrap().to_vec(),
        vec![0x02; 4096],
        [&[0x01], &bytes[1..]].concat(),
    ];
    for payload in payloads {
        let mut order = stage.good();
        order.plan.payload = HexBytes(payload);
        stage.refused(&stage.approved(order), Code::Payload, "bytes that are no transfer");
    }
    stage.curtain();
}

/// The coordinator owns relay, database and console, has an approver who approves everything, and
/// still gets nothing that the parties' rules refuse.
#[test]
fn row_26_a_hostile_coordinator_gets_no_signature_against_the_rules() {
    let stage = Stage::set(2);
    let wish = Wish::new();
    let unknown = Asset::Token(MALLORY.into());
    let against = [
        ("a foreign receiver", Code::Rules, Wish { to: MALLORY.into(), ..wish.clone() }),
        ("an unknown token", Code::Rules, Wish { asset: unknown, ..wish.clone() }),
        ("an unknown chain", Code::Rules, Wish { chain_id: 1, ..wish.clone() }),
        ("fees above the bound", Code::Rules, Wish { base_fee_per_gas: 300_000_000_000, ..wish.clone() }),
        ("too much at once", Code::Limit, Wish { amount: COIN + 1, ..wish.clone() }),
        ("too much a day", Code::Limit, {
            let asset = Asset::Token(TOKEN.into());
            Wish { asset, amount: 1_000_000_001, ..wish.clone() }
        }),
        ("a token's receiver", Code::Rules, {
            Wish { asset: Asset::Token(TOKEN.into()), to: BOB.into(), ..wish.clone() }
        }),
    ];
    for (what, code, wish) in &against {
        stage.refused(&stage.order(wish), *code, what);
    }
    stage.curtain();
}

/// Approvals that are no approvals.
#[test]
fn claimed_approvals_do_not_count() {
    let stage = Stage::set(2);
    let Stage { cluster, account } = &stage;
    let (good, expires_at) = (stage.good(), Wish::new().expires_at);
    let device = cluster.party(1);
    let with = |approvals: Vec<_>| SignOrder { approvals, ..good.clone() };
    let genuine = good.approvals[0].clone();
    let resigned = |change: &dyn Fn(&mut cohold_model::Approval)| {
        let mut approval = genuine.document.clone();
        change(&mut approval);
        Signed::by(approval, device.spec.party.clone(), &device.keys.identity)
    };
    stage.refused(&with(Vec::new()), Code::Approval, "none");
    let mut unsigned = genuine.clone();
    unsigned.signatures.clear();
    stage.refused(&with(vec![unsigned]), Code::Approval, "claimed");
    let forged =
        Signed::by(genuine.document.clone(), device.spec.party.clone(), &cluster.party(2).keys.identity);
    stage.refused(&with(vec![forged]), Code::Approval, "under the device's name, by another key");
    let own = account.approval(&good.plan, cluster.party(2), expires_at);
    stage.refused(&with(vec![own]), Code::Approval, "by a party that is no approver");
    let mut renamed = genuine.clone();
    renamed.document.approver = cluster.party(2).spec.party.clone();
    stage.refused(&with(vec![renamed]), Code::Approval, "renamed");
    let other_plan = account.plan(&Wish { to: BOB.into(), ..Wish::new() });
    let other = account.approval(&other_plan, device, expires_at);
    stage.refused(&with(vec![other]), Code::Approval, "of another plan");
    let foreign = "acc_ffffffffffffffffffffffffffffffff".parse().unwrap();
    stage.refused(&with(vec![resigned(&|a| a.account = foreign)]), Code::Approval, "of another account");
    let under = resigned(&|a| a.charter = Digest([7; 32]));
    stage.refused(&with(vec![under]), Code::Approval, "under another charter");
    let mut stretched = genuine.clone();
    stretched.document.expires_at += 1;
    stage.refused(&with(vec![stretched]), Code::Approval, "made to last longer");
    // A coordinator cannot make parties check signatures without end.
    let mut unsigned = genuine.clone();
    unsigned.signatures.clear();
    let many = [vec![unsigned; 200], vec![genuine.clone()]].concat();
    stage.refused(&with(many), Code::Approval, "behind two hundred others");
    stage.curtain();
}

/// Time: by the party's own clock, with a horizon that an hour's error does not break.
#[test]
fn what_is_late_or_too_early_is_refused() {
    let stage = Stage::set(2);
    let now = cohold_node::now();
    let hour = 3600;
    for (what, expires_at) in [
        ("just over", now),
        ("an hour ago", now - hour),
        ("for ever", u64::MAX),
        ("never", 0),
        // Made by a clock that is two hours ahead, for a day.
        ("beyond the horizon", now + 26 * hour + 60),
    ] {
        let wish = Wish { expires_at, ..Wish::new() };
        stage.refused(&stage.order(&wish), Code::Expired, what);
        let mut order = stage.good();
        let late = stage.account.approval(&order.plan, stage.cluster.party(1), expires_at);
        order.approvals = vec![late];
        stage.refused(&order, Code::Expired, what);
    }
    // One good approval beside a late one is enough, and a day's approval by a clock an hour ahead counts.
    let mut order = stage.good();
    let late = stage.account.approval(&order.plan, stage.cluster.party(1), now - hour);
    order.approvals.insert(0, late);
    order.intent.expires_at = now + 25 * hour - 60;
    order.plan.intent = cohold_model::Document::digest(&order.intent);
    let order = stage.approved(order);
    for answer in stage.cluster.sign(&order).values() {
        assert!(answer.signature().is_some(), "{answer:?}");
    }
}

/// Orders under another charter, for another account, with signers that cannot be.
#[test]
fn orders_that_cannot_be_are_refused() {
    let stage = Stage::set(3);
    let good = stage.good();
    let charter = SignOrder { charter: Digest([7; 32]), ..good.clone() };
    stage.refused(&charter, Code::Charter, "another charter");
    let mut foreign = good.clone();
    foreign.intent.account = "acc_ffffffffffffffffffffffffffffffff".parse().unwrap();
    stage.refused(&foreign, Code::Charter, "an account that is not here");
    let mut stranger = good.clone();
    stranger.intent.requester = "stranger".parse().unwrap();
    stranger.plan.intent = cohold_model::Document::digest(&stranger.intent);
    stage.refused(&stage.approved(stranger), Code::Charter, "a requester who is no party");
    for (parties, signers) in [
        (&[1, 2][..], &[1][..]),
        (&[1, 2], &[]),
        (&[1, 2, 3], &[1, 2, 3]),
        (&[1, 2], &[2, 1]),
        (&[1, 2], &[1, 1]),
        (&[2], &[2, 2]),
        (&[1], &[1, 4]),
        (&[1], &[1, 9]),
        (&[1], &[2, 3]),
        (&[3], &[1, 2]),
    ] {
        let order = SignOrder { signers: points(signers), ..good.clone() };
        stage.refused_by(parties, &order, Code::Order, &format!("signers {signers:?}"));
    }
    for attempt in [0, 1001, u32::MAX] {
        let order = SignOrder { attempt, ..good.clone() };
        stage.refused(&order, Code::Order, &format!("attempt {attempt}"));
    }
    stage.curtain();
}

/// Row 12 at the door: an index of zero, above nine, or no index at all does not even become an order.
#[test]
fn row_12_indices_that_do_not_exist_are_no_orders() {
    for bad in ["[0,1]", "[1,19]", "[1,257]", "[1,-1]", "[1,1.5]", "[1,\"2\"]", "[[1],2]", "null"] {
        assert!(serde_json::from_str::<Vec<PartyIndex>>(bad).is_err(), "{bad}");
    }
    let stage = Stage::set(2);
    let order = stage.good();
    let words = cohold_party::wire::ToParty::Sign(Box::new(order.clone()));
    let honest = serde_json::to_string(&words).unwrap();
    assert!(honest.contains("\"signers\":[1,2]"));
    for bad in ["[0,1]", "[1,19]", "[1,257]", "[1,-1]", "[1,1.5]", "[1,\"2\"]"] {
        let text = honest.replace("\"signers\":[1,2]", &format!("\"signers\":{bad}"));
        let body = [&[0], text.as_bytes()].concat();
        for i in [1, 2] {
            let to = stage.cluster.identity(i);
            stage.cluster.relay.post(cohold_relay::Address::Coordinator, to, body.clone());
        }
    }
    for answer in stage.cluster.sign(&order).values() {
        assert!(answer.signature().is_some(), "{answer:?}");
    }
    assert_eq!(stage.cluster.signatures().len(), 2);
    // Terms with an index twice, by name or by key, make no account.
    let mut terms = stage.cluster.terms(2);
    terms.parties[0] = terms.parties[1].clone();
    assert!(terms.check().is_err());
}
