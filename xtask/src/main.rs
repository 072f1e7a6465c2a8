//! Automation, in Rust and in one place: CI and a laptop run the same commands. `cargo xtask help` lists them.

mod check;
mod checker;
mod contracts;
mod deny;
mod fuzz;
mod install;
mod metadata;
mod run;
mod shell;
mod tidy;

use std::path::Path;
use std::process::ExitCode;

const HELP: &str = "\
usage: cargo xtask COMMAND

  demo [ARGS]        install what is missing, build, run `cohold demo ARGS`
                     (`cargo xtask demo --json` prints one JSON object on standard output, nothing else)
  bench [ARGS]       install what is missing, build with optimisation, run `cohold bench ARGS`
  test [ARGS]        install what is missing, build, run every test; with ARGS, `cargo test ARGS`
  check [STEP…]      everything in CI beyond the tests: format, tidy, checker, contracts, clippy, wasm,
                     docs, deny, fuzz
  contracts          compile contracts/*.sol into their committed artifacts
  contracts --check  compile, compare with the committed artifacts, change nothing
  picture            draw the README's picture again, from the personal account of the tests
  tidy               the laws of the house: floors, purity, manifests, file sizes
  install            only install what `demo` and `test` need, and compile the second checker (checker/dist)

What is installed, and where, is said before it happens: compilers and, for tests, a browser from Debian (through
apt-get, when root or with sudo), a local chain and the Solidity compiler from npm (into tools/node_modules), the
second checker's packages from npm (into checker/node_modules), cargo-deny (into target/tools).";

fn main() -> ExitCode {
    if fuzz::is_wrapper() {
        return fuzz::compile().unwrap_or_else(|error| {
            eprintln!("xtask: error: {error:#}");
            ExitCode::FAILURE
        });
    }
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = match args.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("help", [].as_slice()),
    };
    let root = shell::root();
    match dispatch(&root, command, rest) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(root: &Path, command: &str, rest: &[String]) -> anyhow::Result<ExitCode> {
    let args: Vec<&str> = rest.iter().map(String::as_str).collect();
    match (command, args.as_slice()) {
        ("demo", args) => return run::demo(root, args),
        ("bench", args) => return run::bench(root, args),
        ("test", args) => return run::test(root, args),
        ("check", steps) => check::check(root, steps)?,
        ("contracts", []) => contracts::write(root)?,
        ("contracts", ["--check"]) => contracts::compare(root)?,
        ("picture", []) => run::picture(root)?,
        ("tidy", []) => tidy::tidy(root)?,
        ("install", []) => drop(install::install_for_tests(root)?),
        ("help" | "--help" | "-h", _) => println!("{HELP}"),
        _ => {
            eprintln!(
                "xtask: `{}` is not understood\n\n{HELP}",
                [&[command], args.as_slice()].concat().join(" ")
            );
            return Ok(ExitCode::from(2));
        }
    }
    Ok(ExitCode::SUCCESS)
}
