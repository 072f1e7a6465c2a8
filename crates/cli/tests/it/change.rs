//! The red line, end to end: the server asks for looser rules, the co-signer refuses, the user signs the
//! sentences, the co-signer accepts; and kill -9 wherever that makes something durable.

use serde_json::Value;

use crate::chain::{CENT, new_address};
use crate::process::Ran;
use crate::world::{Account, World, new_request};

/// A receiver of the tight rules.
const LISTED: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

fn rules(per_day: Option<&str>, receivers: &str) -> String {
    let per_day = per_day.map(|most| format!("per_day = \"{most}\"\n")).unwrap_or_default();
    format!(
        "accept = \"any\"\n\n[[chain]]\nid = 31337\ncoin = \"ETH\"\nfee_max = \"0.01\"\nfees_per_day = \"0.1\"\n\
         [[chain.asset]]\n{per_day}receivers = {receivers}\n"
    )
}

fn tight() -> String {
    rules(Some("1"), &format!("[\"{LISTED}\"]"))
}

fn loose() -> String {
    rules(None, "\"any\"")
}

struct Change<'a> {
    world: &'a World,
    account: &'a Account,
}

impl Change<'_> {
    fn propose(&self, rules: &str) -> Ran {
        self.world.write("proposed/rules.toml", rules);
        let file = self.world.path("proposed/rules.toml").display().to_string();
        let words =
            ["custody", "change", "propose", &self.account.id, "--party", "cosigner", "--rules", &file];
        self.world.device(words).run()
    }

    fn list(&self) -> Value {
        self.world.device(["custody", "change", "list", &self.account.id]).run().done()
    }

    /// What waits at the co-signer.
    fn waiting(&self) -> Value {
        self.of_cosigner()["waiting"].clone()
    }

    fn revision(&self) -> u64 {
        self.of_cosigner()["revision"].as_u64().unwrap()
    }

    fn of_cosigner(&self) -> Value {
        let list = self.list();
        let parties = list["parties"].as_array().unwrap();
        parties.iter().find(|party| party["party"] == "cosigner").unwrap().clone()
    }

    fn say(&self, verb: &str, change: &str) -> Ran {
        let mut words = vec!["custody", "change", verb, &self.account.id, change];
        if verb == "accept" {
            words.push("--yes");
        }
        self.world.device(words).run()
    }

    /// Class and the amount and receivers of what the co-signer lets through, by the certificate.
    fn certified(&self) -> (String, Value, Value) {
        let shown = self.world.device(["custody", "show", &self.account.id]).run().done();
        let limit = &shown["model"]["limits"]["cosigner-eth"];
        let class = shown["evaluation"]["class"].as_str().unwrap().to_owned();
        (class, limit["amount"].clone(), limit["receivers"].clone())
    }

    fn pay(&self, to: &str, device: bool) -> Ran {
        let request = new_request();
        let with = if device { "device,cosigner" } else { "cosigner,device" };
        self.world.pay(self.account, to, &request).arg("--with").arg(with).run()
    }
}

fn name(waiting: &Value) -> String {
    waiting["change"].as_str().unwrap_or_else(|| panic!("{waiting}")).to_owned()
}

#[test]
fn looser_rules_of_the_cosigner_need_the_users_signature() {
    let Some(mut world) = World::start() else { return };
    world.write("cosigner/rules.toml", &tight());
    world.node_restart("cosigner", None);
    let account = world.funded();
    let change = Change { world: &world, account: &account };
    let (class, amount, receivers) = change.certified();
    assert_eq!((amount, receivers), ("1".into(), serde_json::json!([LISTED])));
    let stranger = new_address();
    let (_, message) = change.pay(&stranger, true).failed(1);
    assert!(message.contains("is not in this party's rules file"), "{message}");

    // The server asks, the node refuses, with the sentences.
    let asked = change.propose(&loose());
    asked.assert(asked.status.code() == Some(3), "it waits for the user");
    let told = asked.json();
    assert_eq!(told["status"], "waiting");
    let waiting = change.waiting();
    let id = name(&waiting);
    assert_eq!(name(&told["standing"]["waiting"]), id);
    assert_eq!(waiting["difference"]["verdict"], "crosses the red line");
    let conditions = waiting["conditions"].to_string();
    assert!(conditions.contains("ANY AMOUNT") && conditions.contains("ANYBODY"), "{conditions}");
    let gained = waiting["difference"]["gained"].as_array().unwrap();
    assert!(gained.iter().any(|gain| gain["without_user"] == true), "{gained:?}");
    assert!(!change.pay(&stranger, true).status.success(), "what waits is not in force");
    assert_eq!(change.certified().0, class);

    // Without a word from the user nothing is signed; there is no terminal here to ask at.
    let unasked = world.device(["custody", "change", "accept", &account.id, &id]).run();
    assert_eq!(unasked.failed(2).0, "no-terminal");
    let other = "chg_00000000000000000000000000000000";
    assert_eq!(change.say("accept", other).failed(1).0, "no-such-change");

    // The user signs the sentences, the node accepts.
    let accepted = change.say("accept", &id);
    accepted.assert(accepted.stderr.contains("THE RED LINE IS CROSSED"), "the sentences are shown");
    assert_eq!(accepted.done()["status"], "in-force");
    let (_, amount, receivers) = change.certified();
    assert_eq!((amount, receivers), (Value::Null, Value::Null));
    let paid = change.pay(&stranger, true).done();
    assert!(world.chain.is_mined(paid["transaction_hash"].as_str().unwrap()));
    assert_eq!(world.chain.balance(&stranger), CENT);
    // The same word is good once.
    assert_eq!(change.say("accept", &id).failed(1).0, "no-such-change");

    // Tighter rules need no signature, and the way back needs another one.
    let done = change.propose(&tight()).done();
    assert_eq!((&done["status"], done["standing"]["revision"].as_u64()), (&"in-force".into(), Some(3)));
    assert_eq!(change.certified().1, "1");
    assert!(!change.pay(&new_address(), true).status.success());
    assert_eq!(change.propose(&loose()).status.code(), Some(3));
    let again = name(&change.waiting());
    assert_ne!(again, id, "another revision, another change");
    assert_eq!(change.say("reject", &again).done()["status"], "rejected");
    assert_eq!((change.waiting(), change.revision()), (Value::Null, 3));

    bad_proposals(&world, &account);
    another_file(&mut world, &account);
}

fn bad_proposals(world: &World, account: &Account) {
    let change = Change { world, account };
    let check = |rules: &str, code: &str, says: &str| {
        let (found, message) = change.propose(rules).failed(1);
        assert!(found == code && message.contains(says), "{found}: {message}");
    };
    check("", "rules", "accept");
    check(&loose().replace("0.01", "much"), "rules", "fee_max");
    check(&format!("{}{}", loose(), "#".repeat(50_000)), "rules", "bytes");
    for (party, code) in [("device", "not-a-node"), ("nobody", "not-a-node")] {
        let file = world.path("cosigner/rules.toml").display().to_string();
        let words = ["custody", "change", "propose", &account.id, "--party", party, "--rules", &file];
        assert_eq!(world.device(words).run().failed(1).0, code);
    }
    // The API takes no consent that is not for this change.
    let (status, _) = world.api("POST", &format!("/v1/accounts/{}/consents", account.id), None).unwrap();
    assert_eq!(status, 400);
}

/// The operator's own file, changed between two starts, is weighed as any other proposal.
fn another_file(world: &mut World, account: &Account) {
    world.write("cosigner/rules.toml", &loose());
    world.node_restart("cosigner", None);
    let change = Change { world, account };
    crate::process::until("the file is weighed", || (change.waiting() != Value::Null).then_some(()));
    let waiting = change.waiting();
    assert_eq!((waiting["by"].as_str(), change.revision()), (Some("file"), 3));
    assert!(!change.pay(&new_address(), true).status.success());
    assert_eq!(change.say("accept", &name(&waiting)).done()["standing"]["revision"], 4);
    assert!(change.pay(&new_address(), false).status.success());
}

/// kill -9 of the co-signer before and after each step: afterwards either nothing has happened, and the
/// same words do it, or all has; never looser rules without the consent, and never twice.
#[test]
fn the_cosigner_crashes_while_its_rules_change() {
    let Some(mut world) = World::start() else { return };
    let first = std::fs::read_to_string(world.path("cosigner/rules.toml")).unwrap();
    let wide = first.replace("per_transaction = \"5\"\nper_day = \"20\"\n", "");
    assert_ne!(wide, first);
    let account = world.funded();
    let crash = |world: &mut World, point: &str, verb: &str, rules: &str| {
        world.node_restart("cosigner", Some(point));
        let change = Change { world, account: &account };
        match verb {
            "propose" => drop(change.propose(rules)),
            verb => drop(change.say(verb, &name(&change.waiting()))),
        }
        world.node_crashed("cosigner", point);
        world.node_start("cosigner", None);
        world.wait_for_nodes();
    };
    for (round, place) in ["before", "after"].into_iter().enumerate() {
        let revision = 1 + 2 * round as u64;
        let happened = place == "after";
        let state = |world: &World| {
            let change = Change { world, account: &account };
            (change.revision(), change.waiting() != Value::Null)
        };
        crash(&mut world, &format!("party.rules-propose.{place}"), "propose", &wide);
        assert_eq!(state(&world), (revision, happened), "{place}");
        assert_eq!(Change { world: &world, account: &account }.propose(&wide).status.code(), Some(3));
        crash(&mut world, &format!("party.rules-reject.{place}"), "reject", "");
        assert_eq!(state(&world), (revision, !happened), "{place}");
        assert_eq!(Change { world: &world, account: &account }.propose(&wide).status.code(), Some(3));
        crash(&mut world, &format!("party.rules-adopt.{place}"), "accept", "");
        assert_eq!(state(&world), (revision + u64::from(happened), !happened), "{place}");
        let change = Change { world: &world, account: &account };
        if !happened {
            change.say("accept", &name(&change.waiting())).done();
        }
        assert_eq!(state(&world), (revision + 1, false));
        change.propose(&first).done();
        world.assert_spendable(&account);
    }
    // The file is weighed anew until that it was is noted; then it takes back nothing.
    for place in ["before", "after"] {
        let point = format!("party.rules-file.{place}");
        let other = first.replace(
            "per_day = \"20\"",
            if place == "before" { "per_day = \"1\"" } else { "per_day = \"2\"" },
        );
        world.node_stop("cosigner");
        world.write("cosigner/rules.toml", &other);
        world.node_start("cosigner", Some(&point));
        world.node_crashed("cosigner", &point);
        world.node_start("cosigner", None);
        world.wait_for_nodes();
    }
    let change = Change { world: &world, account: &account };
    crate::process::until("the file is weighed", || (change.waiting() != Value::Null).then_some(()));
    assert_eq!(change.certified().1, "1", "the tight file was taken, the one after it waits");
}
