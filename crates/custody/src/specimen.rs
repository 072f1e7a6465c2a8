//! Accounts to measure with: a realistic one, many that differ, and the widest quorum.

use crate::check::ModelError;
use crate::model::{Atom, Evidence, Limit, Model, ModelBuilder, Rule};
use crate::needs::Needs;

/// Atoms of a realistic account beside its guardians.
pub const ATOMS: usize = 11;
/// How many rules [`shaped`] may add.
const SHAPE_BITS: usize = 17;
const BECAUSE: &str = "of the benchmark";

/// Quorums of shares over two epochs, guardians behind a delay and a veto, a bounded path, doubts.
///
/// # Errors
/// With more guardians than atoms that a model may have.
pub fn realistic(guardians: usize) -> Result<Model, ModelError> {
    builder("eip155:1:0x00", guardians).build()
}

/// An account of its own with 12 atoms. `shape` adds rules, a different set for each number below 2^17.
///
/// # Errors
/// If the account's name is no name.
pub fn shaped(account: &str, shape: u32) -> Result<Model, ModelError> {
    let atoms = ["phone", "laptop", "pin", "paper", "cosigner", "backup", "root", "mailbox", "firmware"];
    let mut model = builder(account, 1);
    for bit in (0..SHAPE_BITS).filter(|bit| shape >> bit & 1 == 1) {
        let of = |step: usize| atoms.get((bit * step + step) % atoms.len()).copied().unwrap_or("phone");
        let needs = Needs::all([of(1), of(2), of(4), if bit < 9 { "old-1" } else { "old-2" }]);
        model = model.rule(Rule::new("move", needs).because(BECAUSE).evidence(Evidence::Asserted));
    }
    model.build()
}

/// Any `needed` of so many parties of a user's move: half of 20 make the most minimal coalitions.
///
/// # Errors
/// If so many cannot be needed of so many, or these are too many.
pub fn quorum(parties: usize, needed: u64) -> Result<Model, ModelError> {
    let names: Vec<String> = (1..=parties).map(|index| format!("party-{index:02}")).collect();
    let mut builder = ModelBuilder::new("eip155:1:0x00").entity("ana", "user").entity("acme", "provider");
    for (index, name) in names.iter().enumerate() {
        builder = builder.atom(name, Atom::party(if index % 4 == 3 { "acme" } else { "ana" }));
    }
    let rule = Rule::new("move", Needs::k(needed, names)).because(BECAUSE).evidence(Evidence::Signed);
    builder.rule(rule).build()
}

fn builder(account: &str, guardians: usize) -> ModelBuilder {
    let names: Vec<String> = (1..=guardians).map(|index| format!("guardian-{index}")).collect();
    let mut builder = ModelBuilder::new(account)
        .entity("ana", "user")
        .entity("acme", "provider")
        .entity("mail", "mail-host")
        .entity("bo", "guardian")
        .atom("phone", Atom::party("ana"))
        .atom("laptop", Atom::party("ana"))
        .atom("pin", Atom::object("ana"))
        .atom("paper", Atom::object("ana"))
        .atom("cosigner", Atom::party("acme"))
        .atom("backup", Atom::party("acme"))
        .atom("root", Atom::party("acme"))
        .atom("mailbox", Atom::party("mail"))
        .atom("old-1", Atom::doubt("a copy of share 1 of epoch 1 was kept").profits("acme"))
        .atom("old-2", Atom::doubt("a copy of share 2 of epoch 1 was kept").profits("acme"))
        .atom("firmware", Atom::doubt("the firmware of the module is broken"))
        .limit("pay", Limit { receivers: vec!["merchants".to_owned()], ..Limit::default() });
    for name in &names {
        builder = builder.atom(name, Atom::party("bo"));
    }
    let majority = guardians as u64 / 2 + 1;
    let rules = [
        Rule::new("use:s1", Needs::all(["phone", "pin"])),
        Rule::new("use:s1", Needs::all(["laptop", "pin", "mailbox"])).after_seconds(3_600),
        Rule::new("use:s2", Needs::any([Needs::from("cosigner"), Needs::all(["root", "firmware"])])),
        Rule::new("use:s3", "paper"),
        Rule::new("use:s3", Needs::all(["backup", "root"])),
        Rule::new("move", Needs::k(2, ["use:s1", "use:s2", "use:s3"])),
        Rule::new("move", Needs::k(2, ["old-1", "old-2", "use:s3"])),
        Rule::new("move", "use:s1").limit("pay"),
        Rule::new("veto", Needs::any(["phone", "laptop"])),
        Rule::new("recover", Needs::k(majority, names)).after_seconds(172_800).cancel("veto"),
        Rule::new("rule", Needs::any(["recover", "appoint"])).after_seconds(86_400),
        Rule::new("appoint", Needs::all(["rule", "root"])),
    ];
    for rule in rules {
        builder = builder.rule(rule.because(BECAUSE).evidence(Evidence::Signed));
    }
    builder
}
