//! Every parser of foreign bytes, each as a function that panics only where something is wrong. The
//! corpus in `corpus/NAME` holds what each may begin from.

use cohold_custody::{Model, certificate};
use cohold_model::Signed;
use cohold_model::case::Case;
use cohold_model::charter::Charter;
use cohold_model::statement::Statement;
use cohold_mpc::Envelope;
use cohold_party::Rules;
use cohold_relay::Parcel;
use cohold_vault::RecoveryFile;

/// Takes any bytes.
pub type Parser = fn(&[u8]);

/// All of them, by the name of their corpus.
pub const TARGETS: [(&str, Parser); 10] = [
    ("case", case),
    ("certificate", certificate),
    ("documents", documents),
    ("envelope", envelope),
    ("frame", frame),
    ("model", model),
    ("recovery", recovery),
    ("rules", rules),
    ("share_set", share_set),
    ("transaction", transaction),
];

/// A case against a party: it is written so that it is read again, and looked into without a fall.
fn case(bytes: &[u8]) {
    if let Ok(read) = Case::parse(bytes) {
        // Signatures cannot be guessed; what is asked is that nothing breaks.
        let _ = cohold_party::case::weigh(&read);
        if let Ok(written) = read.to_text() {
            assert_eq!(Case::parse(written.as_bytes()).expect("its own text"), read);
        }
    }
}

/// A certificate: one encoding for one certificate.
fn certificate(bytes: &[u8]) {
    if let Ok(read) = certificate::parse(bytes) {
        let written = serde_json::to_value(&read).expect("a certificate is JSON");
        let given: serde_json::Value = serde_json::from_slice(bytes).expect("it was read");
        assert_eq!(written, given);
    }
}

/// Signed charters and statements, as servers and parties send them.
fn documents(bytes: &[u8]) {
    if let Ok(charter) = serde_json::from_slice::<Signed<Charter>>(bytes) {
        // Signatures cannot be guessed; what is asked is that nothing breaks.
        let _ = charter.check();
    }
    if let Ok(statement) = serde_json::from_slice::<Signed<Statement>>(bytes) {
        let written = serde_json::to_vec(&statement).expect("a document is JSON");
        let again: Signed<Statement> = serde_json::from_slice(&written).expect("its own form");
        assert_eq!(again, statement);
    }
}

/// Envelopes between parties: what was read is written, and read again as the same.
fn envelope(bytes: &[u8]) {
    if let Ok(read) = Envelope::decode(bytes) {
        let written = read.encode().expect("what was read has its size");
        let again = Envelope::decode(&written).expect("its own bytes");
        assert_eq!(again.encode().expect("the same size"), written);
    }
}

/// One party's part of a key that tss-lib made, and the proof that a dealer cheated.
fn share_set(bytes: &[u8]) {
    if let Ok(read) = cohold_import::tss::SaveData::parse(bytes) {
        assert!(read.share().party().get() <= 18 && read.key().threshold() <= 9);
    }
    if let Ok(evidence) = cohold_mpc_share::Evidence::from_bytes(bytes) {
        let again = cohold_mpc_share::Evidence::from_bytes(&evidence.to_bytes());
        assert_eq!(again, Ok(evidence));
    }
}

/// Frames of the relay: one encoding for one parcel.
fn frame(bytes: &[u8]) {
    if let Ok(parcel) = Parcel::decode(bytes) {
        assert_eq!(parcel.encode(), bytes);
    }
}

/// Model files: whatever is read is written so that it is read again as the same.
fn model(bytes: &[u8]) {
    if let Ok(read) = Model::parse(bytes) {
        let written = read.to_canonical_json().expect("a model is JSON");
        assert_eq!(Model::parse(&written).expect("its own file is read"), read);
    }
}

/// A recovery file, typed or scanned: it is written so that it is read again.
fn recovery(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(file) = RecoveryFile::parse(text)
    {
        assert!(RecoveryFile::parse(&file.write()).is_ok());
    }
}

/// A rules file, as an operator writes it.
fn rules(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = Rules::parse(text);
    }
}

/// Unsigned transactions: whatever is decoded, no byte of it goes unread.
fn transaction(bytes: &[u8]) {
    if cohold_chain_evm::decode(bytes).is_ok() {
        let longer = [bytes, &[0]].concat();
        assert!(cohold_chain_evm::decode(&longer).is_err());
    }
}
