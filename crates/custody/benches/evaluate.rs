//! Evaluation of a realistic account with 12, 16, 20 and 24 atoms, and of quorums, with everything in the
//! result: minimal coalitions, traces, freeze, blast radius. Targets: 12 atoms under 1 ms, 20 under 100 ms.

use std::hint::black_box;

use cohold_custody::{Model, ModelError, evaluate, specimen};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

fn measure(
    criterion: &mut Criterion,
    group: &str,
    atoms: &[usize],
    model: fn(usize) -> Result<Model, ModelError>,
) {
    let mut group = criterion.benchmark_group(group);
    for atoms in atoms {
        let model = match model(*atoms) {
            Ok(model) if model.atoms().len() == *atoms => model,
            Ok(model) => panic!("{} atoms instead of {atoms}", model.atoms().len()),
            Err(error) => panic!("the model of the benchmark is wrong: {error}"),
        };
        group.bench_with_input(BenchmarkId::from_parameter(atoms), &model, |bencher, model| {
            bencher.iter(|| evaluate(black_box(model)));
        });
    }
    group.finish();
}

fn evaluation(criterion: &mut Criterion) {
    measure(criterion, "realistic", &[12, 16, 20, 24], |atoms| {
        specimen::realistic(atoms.saturating_sub(specimen::ATOMS))
    });
    measure(criterion, "half of all", &[12, 16, 20], |atoms| specimen::quorum(atoms, atoms as u64 / 2));
}

criterion_group!(benches, evaluation);
criterion_main!(benches);
