//! Files as tss-lib writes them, made here: a key that is known, moduli that are good.

use cohold_import::tss::{FILE_BYTES_MAX, SaveData, SaveDataError};
use cohold_mpc_ecdsa::ForeignKeyError;
use k256::elliptic_curve::PrimeField as _;
use k256::elliptic_curve::sec1::ToSec1Point as _;
use k256::{ProjectivePoint, Scalar};
use num_bigint::BigUint;
use proptest::prelude::{any, prop, proptest};

/// Paillier and ring-Pedersen moduli of three parties, hexadecimal.
pub(crate) fn moduli() -> Vec<BigUint> {
    let lines = include_str!("moduli.txt").lines();
    lines.map(|line| BigUint::parse_bytes(line.as_bytes(), 16).unwrap()).collect()
}

/// A file of one party before it is written; every number as its digits.
#[derive(Clone)]
pub(crate) struct Written {
    pub(crate) xi: String,
    pub(crate) share_id: String,
    pub(crate) ks: Vec<String>,
    pub(crate) shares: Vec<(String, String)>,
    pub(crate) key: (String, String),
    pub(crate) curve: &'static str,
    pub(crate) own: [String; 4],
    pub(crate) paillier: Vec<String>,
    pub(crate) n_tilde: Vec<String>,
    pub(crate) h1: Vec<String>,
    pub(crate) h2: Vec<String>,
}

pub(crate) fn decimal(bytes: &[u8]) -> String {
    BigUint::from_bytes_be(bytes).to_string()
}

fn coordinates(secret: Scalar) -> (String, String) {
    let point = (ProjectivePoint::GENERATOR * secret).to_affine().to_sec1_point(false);
    (decimal(&point.as_bytes()[1..33]), decimal(&point.as_bytes()[33..]))
}

impl Written {
    /// 2-of-3 of a secret of 7, at large points, party `me` (from 0).
    pub(crate) fn new(me: usize) -> Self {
        let points: Vec<Scalar> = (1..=3).map(|i| -Scalar::from(1_000_u64 * i)).collect();
        let share = |point: &Scalar| Scalar::from(7_u64) + *point * Scalar::from(0xdead_beef_u64);
        let ks: Vec<String> = points.iter().map(|point| decimal(&point.to_repr())).collect();
        let moduli = moduli();
        let text = |n: &BigUint| n.to_string();
        let squared = |base: u32| {
            let square = |n: &BigUint| text(&BigUint::from(base).modpow(&(n >> 3_u32), n));
            moduli.iter().skip(1).step_by(2).map(square).collect::<Vec<_>>()
        };
        let (paillier, n_tilde): (Vec<_>, Vec<_>) =
            moduli.chunks(2).map(|pair| (text(&pair[0]), text(&pair[1]))).unzip();
        let (h1, h2) = (squared(2), squared(3));
        Self {
            xi: decimal(&share(&points[me]).to_repr()),
            share_id: ks[me].clone(),
            ks,
            shares: points.iter().map(|point| coordinates(share(point))).collect(),
            key: coordinates(Scalar::from(7_u64)),
            curve: "secp256k1",
            own: [&paillier[me], &n_tilde[me], &h1[me], &h2[me]].map(Clone::clone),
            paillier,
            n_tilde,
            h1,
            h2,
        }
    }

    /// Both in the lists and as the party's own.
    pub(crate) fn set(&mut self, paillier: &BigUint) {
        self.paillier[0] = paillier.to_string();
        self.own[0] = paillier.to_string();
    }

    pub(crate) fn json(&self) -> String {
        let list = |all: &[String]| all.join(",");
        let point = |(x, y): &(String, String)| format!(r#"{{"Curve":"{}","Coords":[{x},{y}]}}"#, self.curve);
        let shares: Vec<String> = self.shares.iter().map(point).collect();
        let keys: Vec<String> = self.paillier.iter().map(|n| format!(r#"{{"N":{n}}}"#)).collect();
        let [paillier, n_tilde, h1, h2] = &self.own;
        format!(
            r#"{{"PaillierSK":{{"N":{paillier},"LambdaN":1,"PhiN":1,"P":1,"Q":1}},"NTildei":{n_tilde},
            "H1i":{h1},"H2i":{h2},"Alpha":1,"Beta":1,"P":1,"Q":1,"Xi":{},"ShareID":{},"Ks":[{}],
            "NTildej":[{}],"H1j":[{}],"H2j":[{}],"BigXj":[{}],"PaillierPKs":[{}],"ECDSAPub":{}}}"#,
            self.xi,
            self.share_id,
            list(&self.ks),
            list(&self.n_tilde),
            list(&self.h1),
            list(&self.h2),
            list(&shares),
            list(&keys),
            point(&self.key),
        )
    }

    pub(crate) fn read(&self) -> Result<SaveData, SaveDataError> {
        SaveData::parse(self.json().as_bytes())
    }
}

#[test]
fn every_party_reads_its_own_file_of_one_key() {
    let read: Vec<SaveData> = (0..3).map(|me| Written::new(me).read().unwrap()).collect();
    for (me, data) in (1..).zip(&read) {
        assert_eq!(data.key(), read[0].key());
        assert_eq!((data.key().threshold(), data.key().parties()), (2, 3));
        assert_eq!(data.share().party().get(), me);
        assert_eq!(data.findings(), Vec::new());
    }
    let printed = format!("{:?}", read[0]);
    assert!(!printed.contains(&Written::new(0).xi), "no secret is printed");
}

type Bend = fn(&mut Written);

fn refused(bend: Bend) -> SaveDataError {
    let mut written = Written::new(1);
    bend(&mut written);
    written.read().unwrap_err()
}

/// Row 27: what contradicts itself. Row 12: ids of zero, twice, or equal modulo the order.
#[test]
fn files_that_contradict_themselves_are_refused() {
    fn plus_order(id: &str) -> String {
        let order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
        let order = BigUint::parse_bytes(order.as_bytes(), 16).unwrap();
        (BigUint::parse_bytes(id.as_bytes(), 10).unwrap() + order).to_string()
    }
    let points = SaveDataError::Key(ForeignKeyError::Points);
    let cases: Vec<(Bend, SaveDataError)> = vec![
        (|w| w.xi.push('0'), SaveDataError::Number("Xi")),
        (|w| w.xi = "8".into(), SaveDataError::Key(ForeignKeyError::Secret(2.try_into().unwrap()))),
        (|w| w.xi = "0".into(), SaveDataError::Key(ForeignKeyError::Secret(2.try_into().unwrap()))),
        (|w| w.ks[0] = "0".into(), points.clone()),
        (|w| w.ks[0] = plus_order("0"), points.clone()),
        (|w| w.ks[0] = w.ks[2].clone(), points.clone()),
        (|w| w.ks[0] = plus_order(&w.ks[2]), points),
        (|w| w.ks[0] = plus_order(&w.ks[1]), SaveDataError::Own),
        (|w| w.share_id = "5".into(), SaveDataError::Own),
        (|w| w.ks[0] = "5".into(), SaveDataError::Key(ForeignKeyError::Polynomial)),
        (|w| w.shares.swap(0, 2), SaveDataError::Key(ForeignKeyError::Polynomial)),
        (|w| w.key = w.shares[0].clone(), SaveDataError::Key(ForeignKeyError::Polynomial)),
        (|w| w.key.0 = "5".into(), SaveDataError::Curve("ECDSAPub")),
        (|w| w.shares[2].1 = "5".into(), SaveDataError::Curve("BigXj")),
        (|w| w.shares[2].1.push('0'), SaveDataError::Number("BigXj")),
        (|w| w.curve = "ed25519", SaveDataError::Curve("BigXj")),
        (|w| drop(w.shares.pop()), SaveDataError::Lengths("BigXj")),
        (|w| w.h1.clear(), SaveDataError::Lengths("H1j")),
        (|w| w.ks.push("9".into()), SaveDataError::Lengths("BigXj")),
        (|w| w.own[0] = w.paillier[0].clone(), SaveDataError::Inconsistent("PaillierSK")),
        (|w| w.own[1] = "9".into(), SaveDataError::Inconsistent("NTildei")),
        (|w| w.own[2] = "9".into(), SaveDataError::Inconsistent("H1i")),
        (|w| w.own[3] = "9".into(), SaveDataError::Inconsistent("H2i")),
        (|w| w.paillier[0] = "-9".into(), SaveDataError::Number("PaillierPKs")),
        (|w| w.n_tilde[0] = "1.5".into(), SaveDataError::Number("NTildej")),
        (|w| w.h2[2] = "9".repeat(1_235), SaveDataError::Number("H2j")),
        (|w| w.ks[0] = "null".into(), SaveDataError::Number("Ks")),
    ];
    for (number, (bend, expected)) in cases.into_iter().enumerate() {
        assert_eq!(refused(bend), expected, "case {number}");
    }
}

#[test]
fn what_is_no_such_file_is_refused_without_its_words() {
    let good = Written::new(0).json();
    let long = vec![b' '; FILE_BYTES_MAX + 1];
    assert_eq!(SaveData::parse(&long).unwrap_err(), SaveDataError::Size(long.len()));
    let renamed = good.replace("\"Xi\"", "\"Xj\"");
    let quoted = good.replace("\"Xi\":", "\"Xi\":{\"secret\":");
    let twice = good.replace("\"Xi\":", "\"Xi\":1,\"Xi\":");
    for bad in ["", "{}", "[]", "null", &renamed, &quoted, &twice, &good[1..], &good[..good.len() - 1]] {
        let error = SaveData::parse(bad.as_bytes()).unwrap_err();
        let said = error.to_string();
        assert!(matches!(error, SaveDataError::Json { .. }), "{said}");
        assert!(!said.contains("Xi") && !said.contains("secret"), "{said}");
    }
}

proptest! {
    #[test]
    fn any_changed_byte_is_read_or_refused(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = Written::new(2).json().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(read) = SaveData::parse(&bytes) {
            assert_eq!(read.share().party().get(), 3);
        }
    }
}
