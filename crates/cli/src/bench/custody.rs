//! The custody evaluation of a realistic account: quorums of shares over two epochs, guardians behind a
//! delay and a veto, a bounded path, doubts. All results are computed: minimal coalitions, traces,
//! freeze, blast radius.

use std::hint::black_box;
use std::time::Duration;

use anyhow::Context as _;
use cohold_custody::{Atom, Evidence, Limit, Model, ModelBuilder, Needs, Rule, evaluate};

use super::machine::timed;

/// Atoms of the model beside its guardians.
const ATOMS: usize = 11;
/// Rules that an account of a fleet may have beside the others.
const SHAPE_BITS: usize = 17;
/// About how long one measurement takes.
const TIME: Duration = Duration::from_millis(300);

/// Processor time of one evaluation of a model with so many atoms.
pub(super) fn evaluation(atoms: usize) -> anyhow::Result<Duration> {
    let model = model(atoms.checked_sub(ATOMS).context("too few atoms")?)?;
    anyhow::ensure!(model.atoms().len() == atoms, "the model has another number of atoms");
    let (first, took) = timed(|| evaluate(&model))?;
    first?;
    let rounds = u32::try_from(TIME.as_micros() / took.as_micros().max(1)).unwrap_or(1).clamp(1, 1_000);
    let ((), took) = timed(|| (0..rounds).for_each(|_| drop(black_box(evaluate(black_box(&model))))))?;
    Ok(took / rounds)
}

fn model(guardians: usize) -> anyhow::Result<Model> {
    Ok(builder("eip155:1:0x00", guardians)?.build()?)
}

/// An account of its own with 12 atoms. `shape` adds rules, a different set for each number below 2^17.
pub(super) fn account(account: &str, shape: u32) -> anyhow::Result<Model> {
    let mut model = builder(account, 1)?;
    let atoms = ["phone", "laptop", "pin", "paper", "cosigner", "backup", "root", "mailbox", "firmware"];
    for bit in (0..SHAPE_BITS).filter(|bit| shape >> bit & 1 == 1) {
        let of = |step: usize| atoms[(bit * step + step) % atoms.len()];
        let needs = Needs::all([of(1), of(2), of(4), if bit < 9 { "old-1" } else { "old-2" }]);
        model = model.rule(Rule::new("move", needs).because("of the benchmark").evidence(Evidence::Asserted));
    }
    Ok(model.build()?)
}

fn builder(account: &str, guardians: usize) -> anyhow::Result<ModelBuilder> {
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
    let quorum = u64::try_from(guardians / 2 + 1)?;
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
        Rule::new("recover", Needs::k(quorum, names)).after_seconds(172_800).cancel("veto"),
        Rule::new("rule", Needs::any(["recover", "appoint"])).after_seconds(86_400),
        Rule::new("appoint", Needs::all(["rule", "root"])),
    ];
    for rule in rules {
        builder = builder.rule(rule.because("of the benchmark").evidence(Evidence::Signed));
    }
    Ok(builder)
}
