//! From charters and statements to models, and from models to verdicts.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use cohold_custody::extract::{ATOMS_MAX, ExtractError, Own, STATEMENTS_MAX, extract};
use cohold_custody::{Class, Evaluation, Evidence, Model, evaluate, sheet};
use cohold_model::account::{Card, PartyKind, Role, Template, Terms};
use cohold_model::charter::{Charter, KeyBinding};
use cohold_model::intent::Asset;
use cohold_model::statement::{Allowance, Receivers, Sealing, Statement};
use cohold_model::{Amount, Digest, Document as _, Epoch, HexBytes, IdentitySecret, Signed};

const CREATED_AT: u64 = 1_800_000_000;
const NOW: u64 = CREATED_AT + 3600;
const TOKEN: &str = "0x5FbDB2315678afecb367f032d93F642f64180aa3";
const RECEIVER: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

/// An account in the making: entities, parties with what they state, threshold.
#[derive(Clone)]
struct Account {
    threshold: u8,
    entities: Vec<(&'static str, Role)>,
    parties: Vec<Party>,
    approvers: Vec<&'static str>,
    own: Own,
}

#[derive(Clone)]
struct Party {
    name: &'static str,
    entity: &'static str,
    kind: PartyKind,
    sealing: Option<Sealing>,
    allowances: Vec<Allowance>,
    requires_approval: bool,
}

fn party(name: &'static str, entity: &'static str, kind: PartyKind, sealing: Sealing) -> Party {
    Party { name, entity, kind, sealing: Some(sealing), allowances: Vec::new(), requires_approval: true }
}

fn device(entity: &'static str) -> Party {
    party("device", entity, PartyKind::Device, Sealing::DeviceAndPin)
}

fn recovery(entity: &'static str) -> Party {
    party("recovery", entity, PartyKind::Recovery, Sealing::SealedFile)
}

fn node(name: &'static str, entity: &'static str, allowances: Vec<Allowance>) -> Party {
    let kind = if name == "guardian" { PartyKind::Guardian } else { PartyKind::Cosigner };
    Party { allowances, ..party(name, entity, kind, Sealing::KeyFile) }
}

fn ether(per_day: Option<u128>) -> Allowance {
    Allowance {
        chain_id: 31_337,
        asset: Asset::Native,
        symbol: "ETH".into(),
        decimals: 18,
        per_transaction: Some(Amount::from(10_u128.pow(18))),
        per_day: per_day.map(|ether| Amount::from(ether * 10_u128.pow(18))),
        receivers: Receivers::Any,
    }
}

fn tokens_to_one() -> Allowance {
    Allowance {
        asset: Asset::Token(TOKEN.into()),
        symbol: "TST".into(),
        decimals: 6,
        per_transaction: None,
        per_day: Some(Amount::from(1_500_000)),
        receivers: Receivers::Only(vec![RECEIVER.into()]),
        ..ether(None)
    }
}

fn personal() -> Account {
    Account {
        threshold: 2,
        entities: vec![("ana", Role::User), ("acme", Role::Provider)],
        parties: vec![
            device("ana"),
            recovery("ana"),
            node("cosigner", "acme", vec![ether(Some(5)), tokens_to_one()]),
        ],
        approvers: vec!["device", "recovery"],
        own: Own::default(),
    }
}

fn shared() -> Account {
    Account {
        parties: vec![device("ana"), node("cosigner", "acme", vec![ether(Some(5))])],
        approvers: vec!["device"],
        ..personal()
    }
}

fn enterprise() -> Account {
    Account {
        threshold: 2,
        entities: vec![("corp", Role::User)],
        parties: vec![
            device("corp"),
            node("cosigner", "corp", vec![ether(Some(5))]),
            node("guardian", "corp", vec![ether(Some(20))]),
        ],
        approvers: vec!["device"],
        own: Own::default(),
    }
}

impl Account {
    fn secret(&self, position: usize) -> IdentitySecret {
        IdentitySecret::from_seed(&mut [u8::try_from(position).expect("few") + 1; 32])
    }

    fn charter(&self) -> Charter {
        let cards = self.parties.iter().enumerate().map(|(position, party)| Card {
            party: party.name.parse().expect("a name"),
            entity: party.entity.parse().expect("a name"),
            kind: party.kind,
            identity: self.secret(position).public(),
            seal: Digest([u8::try_from(position).expect("few") + 1; 32]),
        });
        let terms = Terms {
            account: "acc_000102030405060708090a0b0c0d0e0f".parse().expect("an id"),
            template: Template::Free,
            entities: self
                .entities
                .iter()
                .map(|(name, role)| (name.parse().expect("a name"), *role))
                .collect(),
            parties: cards.collect(),
            threshold: self.threshold,
            approvers: self
                .approvers
                .iter()
                .map(|name| name.parse().expect("a name"))
                .collect::<BTreeSet<_>>(),
        };
        let key = KeyBinding {
            public_key: HexBytes(vec![2; 33]),
            public_shares: vec![HexBytes(vec![2; 33]); self.parties.len()],
            chain_code: Digest([7; 32]),
            transcript: Digest([8; 32]),
        };
        Charter { version: 1, terms, epoch: Epoch::FIRST, key, created_at: CREATED_AT }
    }

    fn sign(&self, charter: Charter) -> Signed<Charter> {
        let digest = charter.digest();
        let sign = |(position, party): (usize, &Party)| {
            (party.name.parse().expect("a name"), self.secret(position).sign(&digest))
        };
        let signatures: BTreeMap<_, _> = self.parties.iter().enumerate().map(sign).collect();
        Signed { document: charter, signatures }
    }

    /// What a party states, before it is signed.
    fn statement(&self, position: usize) -> Option<Statement> {
        let party = &self.parties[position];
        let charter = self.charter();
        Some(Statement {
            account: charter.terms.account,
            party: party.name.parse().expect("a name"),
            charter: charter.digest(),
            epoch: charter.epoch,
            sealing: party.sealing?,
            held_since: CREATED_AT + 10,
            requires_approval: party.requires_approval,
            allowances: party.allowances.clone(),
            rules: Digest([9; 32]),
            issued_at: NOW - 60,
            expires_at: NOW - 60 + 24 * 3600,
        })
    }

    fn statements(&self) -> Vec<Signed<Statement>> {
        let statements = (0..self.parties.len()).filter_map(|position| {
            let statement = self.statement(position)?;
            Some(Signed::by(statement.clone(), statement.party, &self.secret(position)))
        });
        statements.collect()
    }

    fn model(&self) -> Model {
        self.model_of(&self.statements())
    }

    fn model_of(&self, statements: &[Signed<Statement>]) -> Model {
        extract(&self.sign(self.charter()), statements, &self.own, NOW).expect("a model")
    }

    /// The model after one party's statement was changed and signed again.
    fn restated(&self, position: usize, change: impl FnOnce(&mut Statement)) -> Model {
        let mut statements = self.statements();
        change(&mut statements[position].document);
        let Signed { document, .. } = statements[position].clone();
        statements[position] = Signed::by(document.clone(), document.party, &self.secret(position));
        self.model_of(&statements)
    }
}

fn verdict(model: &Model) -> Evaluation {
    evaluate(model).expect("an evaluation")
}

/// The coalitions without doubts that reach a power, as text.
fn solid(evaluation: &Evaluation, power: &str) -> Vec<String> {
    let ways = evaluation.powers.get(power).unwrap_or_else(|| panic!("no {power}"));
    ways.iter().filter(|way| way.doubts.is_empty()).map(|way| way.coalition.join(" ")).collect()
}

fn doubted(evaluation: &Evaluation, power: &str) -> Vec<String> {
    let ways = &evaluation.powers[power];
    ways.iter().filter(|way| !way.doubts.is_empty()).map(|way| way.coalition.join(" ")).collect()
}

fn blast<'a>(evaluation: &'a Evaluation, atom: &str) -> Vec<&'a str> {
    let found = evaluation.blast.iter().find(|blast| blast.atom == atom);
    found.unwrap_or_else(|| panic!("no {atom}")).reaches.keys().map(String::as_str).collect()
}

#[test]
fn personal_is_self_custody() {
    let evaluation = verdict(&personal().model());
    assert_eq!((evaluation.class, evaluation.exit_seconds), (Class::MpcSelfCustody, Some(0)));
    assert_eq!(evaluation.assuming, [["engine-leak"], ["hostile-program"]]);
    assert_eq!(
        solid(&evaluation, "move"),
        [
            "cosigner device pin",
            "cosigner recovery-file recovery-passphrase",
            "cosigner-disk device pin",
            "cosigner-disk recovery-file recovery-passphrase",
            "device pin recovery-file recovery-passphrase",
        ]
    );
    for limit in ["move[cosigner-eth]", "move[cosigner-tst]"] {
        assert_eq!(solid(&evaluation, limit), ["device pin", "recovery-file recovery-passphrase"]);
    }
    for none in ["rule", "recover"] {
        assert!(evaluation.powers[none].is_empty());
    }
    assert_eq!(
        doubted(&evaluation, "move"),
        [
            "cosigner engine-leak",
            "cosigner hostile-program",
            "cosigner-disk engine-leak",
            "cosigner-disk hostile-program",
            "engine-leak hostile-program",
            "hostile-program recovery-copy",
            "cosigner device recovery-copy",
            "cosigner device weak-secret",
            "cosigner recovery-file weak-secret",
            "cosigner-disk device recovery-copy",
            "cosigner-disk device weak-secret",
            "cosigner-disk recovery-file weak-secret",
            "device engine-leak pin",
            "device engine-leak recovery-copy",
            "device engine-leak weak-secret",
            "device pin recovery-copy",
            "device recovery-copy weak-secret",
            "device recovery-file weak-secret",
            "engine-leak recovery-file recovery-passphrase",
            "engine-leak recovery-file weak-secret",
            "hostile-program recovery-file recovery-passphrase",
            "hostile-program recovery-file weak-secret",
        ]
    );
}

#[test]
fn one_thing_alone_moves_nothing() {
    let evaluation = verdict(&personal().model());
    for atom in
        ["server", "device", "pin", "cosigner", "cosigner-disk", "recovery-file", "recovery-passphrase"]
    {
        assert!(blast(&evaluation, atom).is_empty(), "{atom}");
    }
    assert_eq!(blast(&evaluation, "hostile-program"), ["move[cosigner-eth]", "move[cosigner-tst]"]);
    assert!(blast(&evaluation, "engine-leak").is_empty());
}

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

/// Written by `COHOLD_BLESS=1 cargo test -p cohold-custody --test extract`, read by people.
#[test]
fn personal_model_and_sheet_are_pinned() {
    let model = personal().model();
    let golden = |name: &str, found: String| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/extract").join(name);
        if std::env::var_os("COHOLD_BLESS").is_some() {
            fs::write(&path, &found).expect("writable");
        }
        assert_eq!(fs::read_to_string(&path).unwrap_or_default(), found, "{name}");
    };
    golden("personal.json", serde_json::to_string_pretty(&model).expect("json") + "\n");
    golden("personal.sheet.txt", sheet::render(&model, &verdict(&model)));
    let bytes = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/extract/personal.json"));
    assert_eq!(Model::parse(&bytes.expect("there")).expect("the format"), model);
}

#[test]
fn enterprise_is_self_custody_and_its_coordinator_has_nothing() {
    let evaluation = verdict(&enterprise().model());
    assert_eq!((evaluation.class, evaluation.exit_seconds), (Class::MpcSelfCustody, Some(0)));
    assert!(blast(&evaluation, "server").is_empty());
    let model = enterprise().model();
    assert_eq!(model.atoms()["server"].entity.as_deref(), Some("provider"));
    assert_eq!(model.entities()["provider"].role, "provider");
}

#[test]
fn the_coordinator_is_whom_the_device_names() {
    let entity = |account: Account, name: &str| {
        let own = Own { coordinator: Some(name.parse().expect("a name")), ..Own::default() };
        let model = Account { own, ..account }.model();
        let entity = model.atoms()["server"].entity.clone().expect("an entity");
        (model.entities()[&entity].role.clone(), entity)
    };
    assert_eq!(entity(enterprise(), "corp"), ("user".into(), "corp".into()));
    assert_eq!(entity(enterprise(), "relay-co"), ("provider".into(), "relay-co".into()));
    assert_eq!(entity(personal(), "acme"), ("provider".into(), "acme".into()));
}

#[test]
fn shared_is_a_hostage_with_bounded_moves() {
    let evaluation = verdict(&shared().model());
    assert_eq!((evaluation.class, evaluation.exit_seconds), (Class::Hostage, None));
    assert_eq!(solid(&evaluation, "move"), ["cosigner device pin", "cosigner-disk device pin"]);
    assert_eq!(solid(&evaluation, "move[cosigner-eth]"), ["device pin"]);
    assert!(evaluation.freeze.contains(&vec!["cosigner".into(), "cosigner-disk".into()]));
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
fn two_nodes_of_one_outsider_are_custody() {
    let two = |second: &'static str, role: Role| {
        let mut account = personal();
        account.parties[1] = node("guardian", second, vec![]);
        account.approvers = vec!["device"];
        if second != "acme" {
            account.entities.push((second, role));
        }
        verdict(&account.model())
    };
    assert_eq!(two("acme", Role::Provider).class, Class::Custodial);
    let collusive = two("bo", Role::Guardian);
    assert_eq!(collusive.class, Class::Collusive);
    assert!(solid(&collusive, "move").contains(&"cosigner guardian".into()));
}

#[test]
fn silence_is_held_against_the_account() {
    let silent = |mut account: Account, names: &[&str]| {
        for party in account.parties.iter_mut().filter(|party| names.contains(&party.name)) {
            party.sealing = None;
        }
        account.model()
    };
    // one silent node: whoever opens the device moves anything, the class stands
    let model = silent(personal(), &["cosigner"]);
    let evaluation = verdict(&model);
    assert_eq!(evaluation.class, Class::MpcSelfCustody);
    assert_eq!(
        solid(&evaluation, "move[cosigner-anything]"),
        ["device pin", "recovery-file recovery-passphrase"]
    );
    assert_eq!(model.limits()["cosigner-anything"], cohold_custody::Limit::default());
    assert_eq!(evaluation.powers["move[cosigner-anything]"][0].evidence, Evidence::Unknown);
    // two silent nodes make the threshold for whoever asks
    let evaluation = verdict(&silent(enterprise(), &["cosigner", "guardian"]));
    assert_eq!(evaluation.class, Class::Custodial);
    assert_eq!(blast(&evaluation, "server"), ["move[cosigner-anything]", "move[guardian-anything]"]);
    // no exit is read into silence
    let evaluation = verdict(&silent(shared(), &["cosigner"]));
    assert_eq!((evaluation.class, evaluation.exit_seconds), (Class::Hostage, None));
    assert!(evaluation.freeze.contains(&vec!["cosigner".into()]));
    // a device and a file whose seals are unknown open alone
    let evaluation = verdict(&silent(personal(), &["device", "recovery"]));
    assert!(solid(&evaluation, "move").contains(&"device recovery-file".into()));
}

#[test]
fn a_device_vouches_for_its_own_seals_only() {
    let mut account = personal();
    let vouched = [
        ("device", Sealing::DeviceAndPin),
        ("recovery", Sealing::SealedFile),
        ("cosigner", Sealing::Passphrase),
    ];
    account.own.seals =
        vouched.map(|(name, sealing)| (name.parse().expect("a name"), sealing)).into_iter().collect();
    let cosigner = account.statements().remove(2);
    let evaluation = verdict(&account.model_of(&[cosigner]));
    assert_eq!(solid(&evaluation, "move[cosigner-eth]"), ["device pin", "recovery-file recovery-passphrase"]);
    assert_eq!(evaluation.powers["move"][0].evidence, Evidence::Asserted);
    // for a node it cannot
    let model = account.model_of(&[]);
    assert!(!model.atoms().contains_key("cosigner-passphrase"));
    assert!(model.limits().contains_key("cosigner-anything"));
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
fn what_has_expired_or_cannot_be_is_only_asserted() {
    let evidence = |change: fn(&mut Statement)| {
        let evaluation = verdict(&personal().restated(2, change));
        let ways = &evaluation.powers["move[cosigner-eth]"];
        ways.iter().find(|way| way.coalition == ["device", "pin"]).expect("listed").evidence
    };
    assert_eq!(evidence(|_| ()), Evidence::Signed);
    assert_eq!(evidence(|said| said.expires_at = NOW), Evidence::Asserted);
    assert_eq!(evidence(|said| said.issued_at = NOW + 7200), Evidence::Asserted);
    assert_eq!(evidence(|said| said.expires_at = NOW + 365 * 86_400), Evidence::Asserted);
    assert_eq!(evidence(|said| said.held_since = CREATED_AT - 86_400), Evidence::Asserted);
    assert_eq!(evidence(|said| said.held_since = NOW + 86_400), Evidence::Asserted);
}

#[test]
fn a_statement_counts_only_for_this_account_under_this_charter_by_its_party() {
    let says_nothing = |model: &Model| model.limits().contains_key("cosigner-anything");
    assert!(!says_nothing(&personal().model()));
    let changes: [fn(&mut Statement); 3] = [
        |said| said.account = "acc_ff0102030405060708090a0b0c0d0e0f".parse().expect("an id"),
        |said| said.charter = Digest([1; 32]),
        |said| said.epoch = Epoch(2),
    ];
    for change in changes {
        assert!(says_nothing(&personal().restated(2, change)));
    }
    // signed by another key, or by nobody
    let mut statements = personal().statements();
    let Signed { document, .. } = statements[2].clone();
    statements[2] = Signed::by(document.clone(), document.party.clone(), &personal().secret(0));
    assert!(says_nothing(&personal().model_of(&statements)));
    statements[2] = Signed { document, signatures: BTreeMap::new() };
    assert!(says_nothing(&personal().model_of(&statements)));
    // of a party that is not in the account
    let mut statements = personal().statements();
    statements[0].document.party = "stranger".parse().expect("a name");
    assert_eq!(personal().model_of(&statements), personal().model_of(&statements[1..]));
}

#[test]
fn a_statement_that_is_not_understood_counts_as_none() {
    let changes: [fn(&mut Statement); 6] = [
        |said| said.allowances.push(ether(Some(7))),
        |said| said.allowances[0].decimals = 30,
        |said| said.allowances[0].symbol = "ETH, never".into(),
        |said| said.allowances[1].decimals = 78,
        |said| said.allowances[1].receivers = Receivers::Only(vec!["\u{202e}".into()]),
        |said| {
            let twin = Asset::Token(TOKEN.to_ascii_lowercase());
            said.allowances.push(Allowance { asset: twin, ..said.allowances[1].clone() });
        },
    ];
    for change in changes {
        assert!(personal().restated(2, change).limits().contains_key("cosigner-anything"));
    }
}

#[test]
fn the_last_statement_counts() {
    let says = |issued_at: u64, per_day: u128| {
        let mut statement = personal().statement(2).expect("it states");
        statement.issued_at = issued_at;
        statement.allowances = vec![ether(Some(per_day))];
        Signed::by(statement.clone(), statement.party, &personal().secret(2))
    };
    let amount = |said: &[Signed<Statement>]| {
        let model = personal().model_of(said);
        model.limits().get("cosigner-eth").and_then(|limit| limit.amount.clone())
    };
    assert_eq!(amount(&[says(NOW - 50, 2), says(NOW - 60, 1)]).as_deref(), Some("2"));
    assert_eq!(amount(&[says(NOW - 60, 1), says(NOW - 50, 2)]).as_deref(), Some("2"));
    assert_eq!(amount(&[says(NOW - 60, 1), says(NOW - 60, 1)]).as_deref(), Some("1"));
    // two of the same second that differ cancel each other
    assert_eq!(amount(&[says(NOW - 60, 1), says(NOW - 60, 2)]), None);
    assert_eq!(amount(&[says(NOW - 60, 1), says(NOW - 60, 2), says(NOW - 50, 3)]).as_deref(), Some("3"));
    // one from the future does not displace one that can be
    assert_eq!(amount(&[says(NOW - 60, 1), says(NOW + 86_400, 9)]).as_deref(), Some("1"));
}

#[test]
fn a_passphrase_keeps_a_stolen_disk_shut() {
    let mut account = personal();
    account.parties[2].sealing = Some(Sealing::Passphrase);
    let evaluation = verdict(&account.model());
    let ways = solid(&evaluation, "move");
    assert!(ways.contains(&"cosigner device pin".into()));
    assert!(ways.contains(&"cosigner-disk cosigner-passphrase device pin".into()));
    assert!(!ways.contains(&"cosigner-disk device pin".into()));
}

#[test]
fn names_of_parties_take_no_power_and_clash_with_nothing() {
    let mut account = personal();
    for (party, name) in account.parties.iter_mut().zip(["move", "pin", "server"]) {
        party.name = name;
    }
    account.approvers = vec!["move"];
    account.entities[1].0 = "provider";
    account.parties[2].entity = "provider";
    let model = account.model();
    let names: Vec<_> = model.atoms().keys().map(String::as_str).collect();
    for name in ["move-party", "pin-2", "pin-file", "pin-passphrase", "server", "server-2", "server-disk"] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
    assert_eq!(verdict(&model).class, Class::MpcSelfCustody);
}

#[test]
fn nine_parties_of_any_kind_fit_the_table() {
    let names = ["p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9"];
    let kinds = [
        (PartyKind::Device, Sealing::DeviceAndPin),
        (PartyKind::Recovery, Sealing::SealedFile),
        (PartyKind::Cosigner, Sealing::Passphrase),
        (PartyKind::Guardian, Sealing::KeyFile),
    ];
    let check = |kinds: &[(PartyKind, Sealing)]| {
        let parties = names.iter().zip(kinds.iter().cycle());
        let parties = parties.map(|(name, (kind, sealing))| Party {
            allowances: vec![ether(Some(5)), tokens_to_one()],
            ..party(name, "ana", *kind, *sealing)
        });
        let account = Account {
            threshold: 5,
            entities: vec![("ana", Role::User)],
            parties: parties.collect(),
            approvers: vec!["p1"],
            own: Own::default(),
        };
        let model = account.model();
        assert!(model.atoms().len() <= ATOMS_MAX, "{:?}", model.atoms().keys());
        assert_eq!(verdict(&model).class, Class::MpcSelfCustody);
        model
    };
    for kind in &kinds {
        check(&[*kind]);
    }
    let model = check(&kinds);
    // disks and passphrases of nodes go first
    assert!(!model.atoms().contains_key("p3-disk") && !model.atoms().contains_key("p4-disk"));
}

#[test]
fn what_is_left_out_only_makes_coalitions_smaller() {
    // five devices with PINs beside four nodes do not fit
    let parties = ["p1", "p2", "p3", "p4", "p5", "p6", "p7"].map(|name| device("ana").named(name));
    let nodes = ["p8", "p9"].map(|name| node(name, "ana", vec![]));
    let account = Account {
        threshold: 2,
        entities: vec![("ana", Role::User)],
        parties: parties.into_iter().chain(nodes).collect(),
        approvers: vec!["p1"],
        own: Own::default(),
    };
    let model = account.model();
    assert!(!model.atoms().contains_key("p1-pin"));
    assert!(solid(&verdict(&model), "move").contains(&"p1 p2".into()));
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
fn charters_that_are_not_signed_or_not_understood_are_refused() {
    let account = personal();
    let refused = |charter: &Signed<Charter>| extract(charter, &[], &account.own, NOW).expect_err("refused");
    let mut unsigned = account.sign(account.charter());
    unsigned.signatures.pop_last();
    assert!(matches!(refused(&unsigned), ExtractError::Charter(_)));
    let second = account.sign(Charter { version: 2, ..account.charter() });
    assert!(matches!(refused(&second), ExtractError::Version { version: 2, .. }));
    let reshared = account.sign(Charter { epoch: Epoch(2), ..account.charter() });
    assert!(matches!(refused(&reshared), ExtractError::Version { epoch: Epoch(2), .. }));

    let many = vec![account.statements().remove(0); STATEMENTS_MAX + 1];
    let charter = account.sign(account.charter());
    let error = extract(&charter, &many, &account.own, NOW).expect_err("refused");
    assert!(matches!(error, ExtractError::Statements { .. }));
}

impl Party {
    fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }
}
