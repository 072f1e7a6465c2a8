//! libFuzzer's entry: `COHOLD_FUZZ` names the parser. `cargo xtask check fuzz` builds it with coverage and runs it.
#![no_main]

use std::sync::OnceLock;

use cohold_fuzz::{Parser, TARGETS};

fn parser() -> Parser {
    static PARSER: OnceLock<Parser> = OnceLock::new();
    *PARSER.get_or_init(|| {
        let name = std::env::var("COHOLD_FUZZ").unwrap_or_default();
        let found = TARGETS.iter().find(|(known, _)| *known == name);
        found.unwrap_or_else(|| panic!("COHOLD_FUZZ is `{name}`, which names no parser")).1
    })
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| parser()(bytes));
