//! The root challenge: given root on server and co-signer (files, databases, keys, processes), an
//! adversary tries what it can for a bounded time, while the user does ordinary things. The account's
//! funds stay, the device takes part in nothing that it was not asked for, and the way out stays open.
//!
//! `COHOLD_ROOT_SECONDS` (60) is how long, `COHOLD_ROOT_SEED` which course it takes.

mod rules;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cohold_api::ApprovalCreate;
use cohold_chain_evm::signing_digest;
use cohold_custody::certificate::Certificate;
use cohold_model::account::Proposal;
use cohold_model::canonical::Document as _;
use cohold_model::charter::Charter;
use cohold_model::statement::Statement;
use cohold_model::{AccountId, IdentityKey, IdentitySecret, Intent, Plan, Signed};
use cohold_party::wire::{FromParty, SignOrder, ToParty};
use serde_json::{Value, json};

use crate::chain::{CENT, new_address};
use crate::liar::{Answer, Call, Liar};
use crate::process::Cli;
use crate::root_relay::Coordinator;
use crate::world::{Account, NODES, World, new_request};

const APPROVALS: (&str, &str) = ("/v1/requests/req_", "/approvals");
/// How long a party may think about words that it must answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long the user waits for a command.
const COMMAND: Duration = Duration::from_secs(15);

/// What was tried: how often, and how often it verifiably got to where it was aimed.
#[derive(Debug, Default, Clone)]
struct Tally(Arc<Mutex<BTreeMap<String, (u32, u32)>>>);

impl Tally {
    fn note(&self, kind: &str, reached: bool) {
        let mut counts = self.0.lock().unwrap();
        let count = counts.entry(kind.to_owned()).or_default();
        count.0 += 1;
        count.1 += u32::from(reached);
    }
}

/// xorshift64*: the same seed takes the same course.
#[derive(Debug, Clone)]
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % sides.max(1)
    }
}

/// Everything of one challenge.
struct Challenge {
    world: World,
    account: Account,
    charter: Signed<Charter>,
    liar: Liar,
    thief: String,
    /// To whom the user paid one hundredth, or tried to.
    paid: Vec<String>,
    tally: Tally,
    dice: Dice,
}

fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).ok().map_or(usual, |text| text.parse().unwrap())
}

#[test]
fn root_on_server_and_cosigner_moves_nothing() {
    let Some(world) = World::start() else { return };
    let account = world.funded();
    world.wait_for_statements(&account);
    let shown = world.device(["account", "show", &account.id]).run().done();
    let charter: Signed<Charter> = serde_json::from_value(shown["charter"].clone()).unwrap();
    let liar = Liar::before(&world.url());
    let seconds = number("COHOLD_ROOT_SECONDS", 60);
    let mut challenge = Challenge {
        thief: new_address(),
        dice: Dice(number("COHOLD_ROOT_SEED", 20_261_121).max(1)),
        tally: Tally::default(),
        paid: Vec::new(),
        world,
        account,
        charter,
        liar,
    };
    let began = challenge.world.chain.balance(&challenge.account.address);
    challenge.certificates();
    challenge.answers(Duration::from_secs(seconds / 3));
    challenge.processes(Duration::from_secs(seconds / 3));
    challenge.words(Duration::from_secs(seconds / 3));
    challenge.check(began);
    challenge.leave();
    let counts = challenge.tally.0.lock().unwrap();
    for (kind, (tried, reached)) in counts.iter() {
        println!("{tried:6} tried {reached:6} reached  {kind}");
    }
    let kinds = [
        "answer GET accounts",
        "answer GET requests",
        "answer POST requests",
        "certificate forged",
        "certificate answer",
        "co-signer begins a session again",
        "co-signer repeats itself among noise",
        "co-signer signs other bytes",
        "change rejected",
        "consent forged",
        "consent of another revision",
        "consent of the co-signer itself",
        "consent that lasts",
        "consent to milder sentences",
        "consent transplanted",
        "database of the server",
        "database of the co-signer",
        "junk to the device",
        "order changed",
        "order of the thief",
        "process killed: cosigner",
        "process killed: server",
        "rules opened",
        "word abandon",
        "word charter",
        "word consent of the co-signer",
        "word consent of the thief",
        "word consent transplanted",
        "word keygen",
        "word reject",
        "word rules",
        "word statement",
    ];
    for kind in kinds {
        assert!(
            counts.get(kind).is_some_and(|(_, reached)| *reached > 0),
            "{kind} never got there: {counts:?}"
        );
    }
}

impl Challenge {
    /// A command of the user's, through the liar.
    fn user(&self, words: &[&str]) -> Cli {
        self.world.device(words.iter().copied()).env("COHOLD_SERVER", &self.liar.url)
    }

    fn pay(&mut self) -> Cli {
        let to = new_address();
        self.paid.push(to.clone());
        self.world.pay(&self.account, &to, &new_request()).env("COHOLD_SERVER", &self.liar.url)
    }

    /// The server signs what it likes, with its real key: whoever reads draws the result again.
    fn certificates(&mut self) {
        let asked = self.world.device(["custody", "certificate", &self.account.id]).run();
        asked.assert(asked.status.success(), "a certificate is issued");
        let seed = std::fs::read_to_string(self.world.path("server/issuer.key")).unwrap();
        let mut seed: [u8; 32] = hex::decode(seed.trim()).unwrap().try_into().unwrap();
        let key = IdentitySecret::from_seed(&mut seed);
        let honest: Value = serde_json::from_str(&asked.stdout).unwrap();
        let verify = |document: &Value| {
            let document: Certificate = serde_json::from_value(document.clone()).ok()?;
            let signed = Signed::by(document, "issuer".parse().unwrap(), &key);
            // Sorted keys and no fractions: the canonical form.
            let text = serde_json::to_string(&serde_json::to_value(&signed).unwrap()).unwrap();
            self.world.write("nobody/forged.json", &text);
            let cli = Cli::new(["custody", "verify", "--json"]).arg(self.world.path("nobody/forged.json"));
            Some(cli.run())
        };
        let control = verify(&honest["document"]).unwrap();
        control.assert(control.status.success(), "what is signed again unchanged holds");
        let paths: Vec<String> = leaves(&honest["document"])
            .into_iter()
            .filter(|path| {
                // Number, time and chain are the issuer's own word.
                !["/number", "/issued_at", "/previous", "/issuer"].contains(&path.as_str())
            })
            .collect();
        for _ in 0..12 {
            let mut document = honest["document"].clone();
            let path = &paths[self.dice.roll(paths.len())];
            twist(document.pointer_mut(path).unwrap(), &mut self.dice, &self.thief);
            if document == honest["document"] {
                continue;
            }
            let Some(ran) = verify(&document) else { continue };
            ran.assert(ran.status.code() == Some(1), &format!("a certificate changed at {path} is refused"));
            self.tally.note("certificate forged", true);
        }
        // And to the device itself.
        let (tally, thief, mut dice) = (self.tally.clone(), self.thief.clone(), self.dice.clone());
        self.liar.tell(move |call, honest| {
            let (status, mut value) = honest(call);
            if call.is("POST", ("/v1/accounts/acc_", "/certificates")) {
                let evaluation = value.pointer_mut("/document/evaluation/class").unwrap();
                twist(evaluation, &mut dice, &thief);
                tally.note("certificate answer", true);
            }
            Answer::Json(status, value)
        });
        let account = self.account.id.clone();
        self.user(&["custody", "certificate", &account]).run().failed(1);
    }

    /// Every answer of the API rewritten, while the user pays and looks.
    fn answers(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            let account = self.account.id.clone();
            let looks: [&[&str]; 5] = [
                &["account", "list"],
                &["custody", "show", &account],
                &["request", "list"],
                &["balance", &account],
                &["party", "list"],
            ];
            let turn = self.dice.roll(2 * looks.len());
            let (tally, thief, mut dice) = (self.tally.clone(), self.thief.clone(), self.dice.clone());
            let command = match looks.get(turn) {
                Some(words) => self.user(words),
                None => self.pay(),
            };
            let receiver = self.paid.last().cloned().unwrap_or_default();
            self.liar.tell(move |call, honest| {
                let (status, value) = honest(call);
                let lie = rewritten(&value, &mut dice, &receiver, &thief);
                tally.note(&kind(call), lie != value);
                Answer::Json(status, lie)
            });
            drop(command.begin().end_or_kill(COMMAND));
        }
        self.liar.tell(|call, honest| {
            let (status, value) = honest(call);
            Answer::Json(status, value)
        });
    }

    /// Every kind of word to the device, while it is there to sign a payment that its user approved.
    fn words(&mut self, time: Duration) {
        let mut coordinator = Coordinator::start();
        self.liar.lead(Some(&coordinator.address));
        self.liar.tell(|call, honest| {
            // The approval stays with the thief; the server never hears of it.
            let asked = match call.is("POST", APPROVALS) {
                true => {
                    let path = call.path.split("/approvals").next().unwrap_or_default().to_owned();
                    Call { method: "GET".into(), path, body: Value::Null }
                }
                false => call.clone(),
            };
            let (status, value) = honest(&asked);
            Answer::Json(status, value)
        });
        let command = self.pay().begin();
        let (_, card) = self.charter.document.terms.party(&"device".parse().unwrap()).unwrap();
        let device = card.identity;
        let order = crate::process::until("the device approves", || self.approved());
        while !matches!(coordinator.hear(device, PATIENCE), Some(FromParty::Hello { .. })) {}
        let before = self.stated(&mut coordinator, device);
        let until = Instant::now() + time.min(Duration::from_secs(90));
        let mut turn = 0;
        while Instant::now() < until || turn < 8 {
            match turn % 8 {
                0 => self.make_a_key(&mut coordinator, device),
                1 => self.forge_a_charter(&coordinator, device),
                2 => {
                    let account = self.charter.document.terms.account;
                    coordinator.say(device, &ToParty::Abandon { account });
                }
                3 => self.junk(&coordinator, device, &order),
                5 => self.words_about_rules(&mut coordinator, device),
                4 => self.order_of_the_thief(&mut coordinator, device, &order),
                _ => self.order_changed(&mut coordinator, device, &order),
            }
            let kinds = ["", "word charter", "word abandon", "junk to the device"];
            if let Some(kind) = kinds.get(turn % 8).filter(|kind| !kind.is_empty()) {
                // It answers afterwards, and holds what it held.
                let now = self.stated(&mut coordinator, device);
                let same = (now.charter, now.epoch, now.held_since)
                    == (before.charter, before.epoch, before.held_since);
                assert!(same, "{kind}: the device holds something else");
                self.tally.note(kind, true);
                self.tally.note("word statement", true);
            }
            turn += 1;
        }
        self.cosigner_cheats(&mut coordinator, device, &order);
        command.kill();
        self.liar.lead(None);
    }

    /// The co-signer's share and identity under a program of the thief's.
    fn cosigner_cheats(&mut self, coordinator: &mut Coordinator, device: IdentityKey, order: &SignOrder) {
        let folder = self.world.path("cosigner");
        let mut seat = coordinator.seat(&self.charter.document, &folder, "cosigner");
        let mut order = order.clone();
        order.attempt = 900;
        // Noise and repetition stop nothing: the device signs what its user approved.
        let own = signing_digest(&order.plan.payload.0);
        let cheated = coordinator.cheat(&mut seat, device, &order, own);
        assert!(matches!(cheated.said, Some(FromParty::Signature { .. })), "{:?}", cheated.said);
        self.tally.note("co-signer repeats itself among noise", true);
        // Other bytes under the same papers: neither side gets a signature.
        order.attempt = 901;
        let to = self.paid.last().cloned().unwrap_or_default();
        let text = swapped(&serde_json::to_string(&order.plan).unwrap(), &to, &self.thief);
        let theft: Plan = serde_json::from_str(&text).unwrap();
        let cheated = coordinator.cheat(&mut seat, device, &order, signing_digest(&theft.payload.0));
        assert!(!cheated.signed, "the co-signer got a signature on its own bytes");
        assert!(matches!(cheated.said, Some(FromParty::Broken { .. })), "{:?}", cheated.said);
        self.tally.note("co-signer signs other bytes", true);
        // And the very session once more: it was used.
        let cheated = coordinator.cheat(&mut seat, device, &order, own);
        assert!(matches!(cheated.said, Some(FromParty::Refused { .. })), "{:?}", cheated.said);
        self.tally.note("co-signer begins a session again", true);
    }

    /// The order that the user's true approval allows, once it is there.
    fn approved(&self) -> Option<SignOrder> {
        let call = self.liar.calls().into_iter().find(|call| call.is("POST", APPROVALS))?;
        let ApprovalCreate { approval, .. } = serde_json::from_value(call.body.clone()).ok()?;
        let path = call.path.split("/approvals").next()?;
        let (_, view) = self.world.api("GET", path, None)?;
        let intent: Intent = serde_json::from_value(view["intent"].clone()).ok()?;
        let plan: Plan = serde_json::from_value(view["plan"].clone()).ok()?;
        let terms = &self.charter.document.terms;
        let mut signers: Vec<_> = ["device", "cosigner"]
            .into_iter()
            .filter_map(|name| terms.party(&name.parse().ok()?).map(|(index, _)| index))
            .collect();
        signers.sort_unstable();
        let charter = self.charter.document.digest();
        let approvals = vec![approval];
        Some(SignOrder { charter, intent, plan, approvals, signers, attempt: 1, presignature: None })
    }

    fn stated(&self, coordinator: &mut Coordinator, device: IdentityKey) -> Statement {
        let account = self.charter.document.terms.account;
        coordinator.say(device, &ToParty::Statement { account });
        loop {
            match coordinator.hear(device, PATIENCE).expect("the device is silent") {
                FromParty::Statement(said) => return said.document,
                other => assert!(!matches!(other, FromParty::Signature { .. }), "{other:?}"),
            }
        }
    }

    /// Accounts that the user did not propose.
    fn make_a_key(&mut self, coordinator: &mut Coordinator, device: IdentityKey) {
        let thief = IdentitySecret::from_seed(&mut [self.dice.roll(256) as u8; 32]);
        let mut terms = self.charter.document.terms.clone();
        let fresh = format!("acc_{:032x}", self.dice.roll(1 << 30));
        terms.account = fresh.parse::<AccountId>().unwrap();
        let proposer = "cosigner".parse().unwrap();
        for card in terms.parties.iter_mut().filter(|card| card.party == proposer) {
            card.identity = thief.public();
        }
        let account = terms.account;
        let proposal = Proposal { terms, proposer: proposer.clone(), created_at: now(), import: None };
        coordinator.say(device, &ToParty::Keygen { proposal: Signed::by(proposal, proposer, &thief) });
        let heard = coordinator.hear(device, PATIENCE);
        let failed = matches!(&heard, Some(FromParty::KeygenFailed { account: of, .. }) if *of == account);
        assert!(failed, "{heard:?}");
        self.tally.note("word keygen", true);
    }

    fn forge_a_charter(&mut self, coordinator: &Coordinator, device: IdentityKey) {
        let thief = IdentitySecret::from_seed(&mut [7; 32]);
        let mut charter = self.charter.document.clone();
        for card in charter.terms.parties.iter_mut().filter(|card| card.party.as_str() != "device") {
            card.identity = thief.public();
        }
        charter.created_at += 1;
        let mut forged = Signed::by(charter.clone(), "cosigner".parse().unwrap(), &thief);
        for card in &charter.terms.parties {
            forged.signatures.insert(card.party.clone(), thief.sign(&charter.digest()));
        }
        coordinator.say(device, &ToParty::Charter { charter: forged });
    }

    fn junk(&mut self, coordinator: &Coordinator, device: IdentityKey, order: &SignOrder) {
        let words = serde_json::to_vec(&ToParty::Sign(Box::new(order.clone()))).unwrap();
        let cut = words[..self.dice.roll(words.len())].to_vec();
        let noise: Vec<u8> = (0..self.dice.roll(5000)).map(|_| self.dice.roll(256) as u8).collect();
        let deep = [vec![0], vec![b'['; 50_000]].concat();
        for bytes in [Vec::new(), [vec![0], cut].concat(), [vec![1], noise.clone()].concat(), noise, deep] {
            coordinator.raw(device, bytes);
        }
    }

    /// The thief's own payment, under the papers that it has.
    fn order_of_the_thief(&mut self, coordinator: &mut Coordinator, device: IdentityKey, order: &SignOrder) {
        let to = self.paid.last().cloned().unwrap_or_default();
        let theirs = |text: String| swapped(&text, &to, &self.thief);
        let text = serde_json::to_string(order).unwrap();
        let mut theft: SignOrder = serde_json::from_str(&theirs(text)).unwrap();
        if self.dice.roll(2) == 0 {
            theft.plan.intent = theft.intent.digest();
        }
        if self.dice.roll(3) == 0 {
            theft.approvals.clear();
        }
        assert_ne!(theft.plan.payload, order.plan.payload);
        self.refused(coordinator, device, theft, order, "order of the thief");
    }

    /// The user's own order with one word changed.
    fn order_changed(&mut self, coordinator: &mut Coordinator, device: IdentityKey, order: &SignOrder) {
        let mut value = serde_json::to_value(order).unwrap();
        let paths = leaves(&value);
        let path = &paths[self.dice.roll(paths.len())];
        twist(value.pointer_mut(path).unwrap(), &mut self.dice, &self.thief);
        match serde_json::from_value::<SignOrder>(value) {
            // Another attempt at the very same bytes is the user's own payment.
            Ok(changed) if changed.plan == order.plan && changed.intent == order.intent => {}
            Ok(changed) => self.refused(coordinator, device, changed, order, "order changed"),
            Err(_) => self.tally.note("order changed", false),
        }
    }

    fn refused(
        &self,
        coordinator: &mut Coordinator,
        device: IdentityKey,
        wrong: SignOrder,
        right: &SignOrder,
        kind: &str,
    ) {
        let session = wrong.session();
        let shown = format!("{wrong:?}");
        coordinator.say(device, &ToParty::Sign(Box::new(wrong)));
        loop {
            match coordinator.hear(device, PATIENCE) {
                Some(FromParty::Refused { session: of, .. }) if of == session => break,
                Some(FromParty::Statement(_) | FromParty::KeygenFailed { .. } | FromParty::Hello { .. }) => {}
                other => panic!("{kind}: {other:?} to {shown}, where {right:?} was approved"),
            }
        }
        self.tally.note(kind, true);
    }

    /// Databases edited, rules opened, processes killed in the middle.
    fn processes(&mut self, time: Duration) {
        let until = Instant::now() + time;
        let rules = std::fs::read_to_string(self.world.path("cosigner/rules.toml")).unwrap();
        let open: String =
            rules.lines().filter(|line| !line.starts_with("per_")).map(|line| format!("{line}\n")).collect();
        assert_ne!(open, rules);
        self.world.write("cosigner/rules.toml", &open);
        self.world.node_start(NODES[0], None);
        self.world.wait_for_nodes();
        self.tally.note("rules opened", true);
        self.consents();
        self.edit_requests();
        let mut round = 0;
        while Instant::now() < until || round < 2 {
            let command = self.pay().begin();
            std::thread::sleep(Duration::from_millis(300 + self.dice.roll(1500) as u64));
            if round % 2 == 0 {
                self.world.node_start(NODES[0], None);
                self.tally.note("process killed: cosigner", true);
            } else {
                self.world.server_start(None);
                self.tally.note("process killed: server", true);
            }
            drop(command.end_or_kill(COMMAND));
            self.world.wait_for_nodes();
            round += 1;
        }
    }

    /// The server's database says that the user asked for something else; the co-signer's has forgotten.
    fn edit_requests(&mut self) {
        let (to, request) = (new_address(), new_request());
        self.paid.push(to.clone());
        let body = crate::world::intent(&self.account, &to, &request, &CENT.to_string());
        let (status, _) = self.world.api("POST", "/v1/requests", Some(body)).unwrap();
        assert_eq!(status, 201);
        self.world.end(NODES[0]);
        let database = rusqlite::Connection::open(self.world.path("server/server.sqlite")).unwrap();
        let row: (String, String) = database
            .query_row("SELECT intent, plan FROM requests WHERE request = ?1", [&request], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .unwrap();
        let edited = (swapped(&row.0, &to, &self.thief), swapped(&row.1, &to, &self.thief));
        let sql = "UPDATE requests SET intent = ?2, plan = ?3 WHERE request = ?1";
        let changed = database.execute(sql, rusqlite::params![request, edited.0, edited.1]).unwrap();
        self.tally.note("database of the server", changed == 1 && edited != row);
        drop(database);
        let database = rusqlite::Connection::open(self.world.path("cosigner/node.sqlite")).unwrap();
        for table in ["bans", "sessions", "reservations", "budgets"] {
            let gone = database.execute(&format!("DELETE FROM {table}"), []).unwrap();
            self.tally.note("database of the co-signer", gone > 0);
        }
        drop(database);
        self.world.server_start(None);
        self.world.node_start(NODES[0], None);
        self.world.wait_for_nodes();
        let pay = self.world.pay(&self.account, &to, &request).run();
        pay.assert(!pay.status.success(), "what the server's database was made to say is not paid");
    }

    /// Nothing moved but what the user paid.
    fn check(&self, began: u128) {
        let chain = &self.world.chain;
        let got: Vec<u128> = self.paid.iter().map(|to| chain.balance(to)).collect();
        assert!(got.iter().all(|amount| [0, CENT].contains(amount)), "{got:?}");
        let count = got.iter().filter(|amount| **amount > 0).count();
        assert_eq!(chain.balance(&self.thief), 0, "the thief got something");
        assert_eq!(chain.nonce(&self.account.address), count as u64, "a transaction of nobody's");
        let spent = began - chain.balance(&self.account.address) - count as u128 * CENT;
        assert!(spent <= count as u128 * CENT, "{spent} wei went elsewhere");
        assert_eq!(chain.token_balance(&self.account.address), 1000 * 100 * CENT);
        let shown = self.world.device(["account", "show", &self.account.id]).run().done();
        assert_eq!(shown["charter"], serde_json::to_value(&self.charter).unwrap());
        let listed = self.world.device(["account", "list"]).run().done();
        assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    }

    /// Device and recovery file alone.
    fn leave(&mut self) {
        self.world.node_stop(NODES[0]);
        self.world.server_stop();
        let (to, nonce) = (new_address(), self.world.chain.nonce(&self.account.address));
        let file = self.account.recovery[0].display().to_string();
        let (id, rpc) = (self.account.id.clone(), self.world.chain.url.clone());
        let words =
            ["send", &id, "--to", &to, "--amount", "0.01", "--yes", "--recovery", &file, "--rpc", &rpc];
        let paid = self.world.device(words).run().done();
        self.world.assert_paid_once(&self.account, &to, nonce, &paid);
    }
}

fn now() -> u64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

/// What was asked, without its names.
fn kind(call: &Call) -> String {
    let path = call.path.split('?').next().unwrap_or_default();
    format!("answer {} {}", call.method, path.split('/').nth(2).unwrap_or_default())
}

/// The paths of all values that hold no others.
fn leaves(value: &Value) -> Vec<String> {
    let below = |name: &str, value: &Value| {
        let name = name.replace('~', "~0").replace('/', "~1");
        leaves(value).into_iter().map(move |path| format!("/{name}{path}")).collect::<Vec<_>>()
    };
    match value {
        Value::Object(map) if !map.is_empty() => map.iter().flat_map(|(name, v)| below(name, v)).collect(),
        Value::Array(list) if !list.is_empty() => {
            list.iter().enumerate().flat_map(|(at, v)| below(&at.to_string(), v)).collect()
        }
        _ => vec![String::new()],
    }
}

/// Another value of the same kind, or of another.
fn twist(value: &mut Value, dice: &mut Dice, thief: &str) {
    let old = value.clone();
    *value = match &old {
        Value::String(text) if text.starts_with("0x") && text.len() == 42 => json!(thief),
        Value::String(text) => match dice.roll(3) {
            0 => json!(text.chars().rev().collect::<String>()),
            1 => {
                let at = dice.roll(text.len());
                let flip = |(index, c): (usize, char)| match (index == at, c) {
                    (true, '0') => '1',
                    (true, c) if c.is_ascii_digit() => '0',
                    (true, 'a') => 'b',
                    (true, _) => 'a',
                    (false, c) => c,
                };
                json!(text.chars().enumerate().map(flip).collect::<String>())
            }
            _ => json!(format!("{text}0")),
        },
        Value::Number(number) => json!(number.as_u64().unwrap_or_default() + 1 + dice.roll(1000) as u64),
        Value::Bool(truth) => json!(!truth),
        Value::Null => json!(0),
        _ => json!([thief]),
    };
}

/// An answer with some words changed, or with the thief in the receiver's place throughout.
fn rewritten(value: &Value, dice: &mut Dice, receiver: &str, thief: &str) -> Value {
    if dice.roll(4) == 0 {
        return serde_json::from_str(&swapped(&value.to_string(), receiver, thief)).unwrap();
    }
    let mut lie = value.clone();
    let paths = leaves(&lie);
    for _ in 0..=dice.roll(2) {
        let path = &paths[dice.roll(paths.len())];
        if let Some(leaf) = lie.pointer_mut(path) {
            twist(leaf, dice, thief);
        }
    }
    lie
}

/// One address for another, as text and within bytes.
fn swapped(text: &str, from: &str, to: &str) -> String {
    if from.is_empty() {
        return text.to_owned();
    }
    let bare = |address: &str| address.trim_start_matches("0x").to_ascii_lowercase();
    text.replace(from, to).replace(&bare(from), &bare(to))
}
