//! Evaluation of a realistic account with 12, 16 and 20 atoms: quorums of shares over two epochs,
//! guardians behind a delay and a veto, a bounded path, doubts. Everything is included: minimal
//! coalitions, traces, freeze, blast radius. Targets: 12 atoms under 1 ms, 20 under 100 ms.

use std::hint::black_box;

use cohold_custody::{Atom, Evidence, Limit, Model, ModelBuilder, ModelError, Needs, Rule, evaluate};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

/// A model with `guardians` guardians and eleven other atoms.
fn model(guardians: usize) -> Result<Model, ModelError> {
    let guardian_names: Vec<String> = (1..=guardians).map(|index| format!("guardian-{index}")).collect();
    let mut builder = ModelBuilder::new("eip155:1:0x00")
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
    for name in &guardian_names {
        builder = builder.atom(name, Atom::party("bo"));
    }
    let quorum = (guardians / 2 + 1) as u64;
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
        Rule::new("recover", Needs::k(quorum, guardian_names)).after_seconds(172_800).cancel("veto"),
        Rule::new("rule", Needs::any(["recover", "appoint"])).after_seconds(86_400),
        Rule::new("appoint", Needs::all(["rule", "root"])),
    ];
    for rule in rules {
        builder = builder.rule(rule.because("of the benchmark").evidence(Evidence::Signed));
    }
    builder.build()
}

fn evaluation(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("evaluate");
    for atoms in [12_usize, 16, 20, 24] {
        let model = match model(atoms.saturating_sub(11)) {
            Ok(model) if model.atoms().len() == atoms => model,
            Ok(model) => panic!("{} atoms instead of {atoms}", model.atoms().len()),
            Err(error) => panic!("the model of the benchmark is wrong: {error}"),
        };
        group.bench_with_input(BenchmarkId::from_parameter(atoms), &model, |bencher, model| {
            bencher.iter(|| evaluate(black_box(model)));
        });
    }
    group.finish();
}

criterion_group!(benches, evaluation);
criterion_main!(benches);
