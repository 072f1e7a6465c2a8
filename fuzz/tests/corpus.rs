//! The corpus goes through its parsers in every run of the tests; good seeds are still good.

use std::path::Path;

use cohold_custody::{Model, certificate};
use cohold_fuzz::TARGETS;
use cohold_model::Case;
use cohold_mpc::Envelope;
use cohold_party::Rules;
use cohold_party::case::{Standing, weigh};
use cohold_relay::Parcel;
use cohold_vault::RecoveryFile;

fn corpus() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

fn seed(path: &str) -> Vec<u8> {
    std::fs::read(corpus().join(path)).expect("a seed")
}

#[test]
fn nothing_in_the_corpus_breaks_its_parser() {
    let mut folders: Vec<_> = std::fs::read_dir(corpus())
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
        .collect();
    folders.sort();
    assert_eq!(folders, TARGETS.map(|(name, _)| name));
    for (name, parser) in TARGETS {
        let seeds: Vec<_> = std::fs::read_dir(corpus().join(name)).expect("a folder").collect();
        assert!(!seeds.is_empty(), "{name} begins from nothing");
        for seed in seeds {
            let bytes = std::fs::read(seed.expect("an entry").path()).expect("a seed");
            for cut in [bytes.len(), bytes.len() / 2, 1, 0] {
                parser(&bytes[..cut.min(bytes.len())]);
            }
        }
    }
}

/// A seed that is refused at the door teaches the fuzzer nothing.
#[test]
fn good_seeds_are_taken() {
    for (name, standing) in [("accused", Standing::Accused), ("convicted", Standing::Convicted)] {
        let case = Case::parse(&seed(&format!("case/{name}.json"))).expect("a case");
        assert_eq!(weigh(&case).expect("it shows something"), standing);
    }
    certificate::parse(&seed("certificate/personal.json")).expect("a certificate");
    Envelope::decode(&seed("envelope/version-2.bin")).expect("an envelope");
    Parcel::decode(&seed("frame/coordinator.bin")).expect("a frame");
    Parcel::decode(&seed("frame/party.bin")).expect("a frame");
    Model::parse(&seed("model/format.json")).expect("a model");
    RecoveryFile::parse(str::from_utf8(&seed("recovery/v1.txt")).expect("text")).expect("a recovery file");
    cohold_import::tss::SaveData::parse(&seed("share_set/tss-lib.json")).expect("a share set");
    cohold_mpc_share::Evidence::from_bytes(&seed("share_set/evidence-v1.bin")).expect("evidence");
    Rules::parse(str::from_utf8(&seed("rules/example.toml")).expect("text")).expect("rules");
    cohold_chain_evm::decode(&seed("transaction/coin.bin")).expect("a payment");
    cohold_chain_evm::decode(&seed("transaction/token.bin")).expect("a payment");
}
