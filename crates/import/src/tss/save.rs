//! The file: what is read of it, and that it does not contradict itself.

use cohold_model::ids::PartyIndex;
use cohold_mpc_ecdsa::{ForeignKey, ForeignKeyError, ForeignParty, ForeignShare};
use k256::elliptic_curve::sec1::ToSec1Point as _;
use num_bigint::BigUint;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::findings::{Finding, Moduli};
use super::number::{fixed, public, secret};

/// The largest file that is read: eighteen parties take a third of this.
pub const FILE_BYTES_MAX: usize = 256 * 1024;

/// The order of secp256k1's group, SEC 2 §2.4.1.
const ORDER: &[u8] = b"fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";

/// One party's part of a key: its share, checked, the public key with all public shares, and the moduli
/// of all parties for examination.
#[derive(Debug)]
pub struct SaveData {
    key: ForeignKey,
    share: ForeignShare,
    moduli: Vec<Moduli>,
}

/// Why a file was refused. No message holds anything of the file's secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SaveDataError {
    /// Longer than any real one.
    #[error("the file has {0} bytes: key data of tss-lib has {FILE_BYTES_MAX} at most")]
    Size(usize),
    /// Not the JSON that tss-lib writes. The parser's own words may hold digits of a secret: none are kept.
    #[error("this is not the JSON of tss-lib's key data: the trouble is at line {line}, column {column}")]
    Json {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// A value that is no number, or out of its range.
    #[error("`{0}` is not a number that can be there")]
    Number(&'static str),
    /// Another curve.
    #[error("`{0}` is not on secp256k1, the only curve that ECDSA keys are imported for")]
    Curve(&'static str),
    /// Lists that should be of one length are not.
    #[error("`{0}` has not one entry for each party")]
    Lengths(&'static str),
    /// The party's own id is not in the list, or more than once.
    #[error("`ShareID` is not exactly once among `Ks`")]
    Own,
    /// What the party has of its own is not what the lists say of it.
    #[error("the party's own `{0}` is not the one that the lists have for it: the file was put together")]
    Inconsistent(&'static str),
    /// Shares and key do not belong together.
    #[error("the share set is refused: {0}")]
    Key(#[from] ForeignKeyError),
}

/// As in tss-lib's `ecdsa/keygen/save_data.go`, but for the secrets that are not needed.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct File<'a> {
    #[serde(borrow, rename = "PaillierSK")]
    paillier_own: Modulus<'a>,
    #[serde(borrow, rename = "NTildei")]
    n_tilde_own: &'a RawValue,
    #[serde(borrow, rename = "H1i")]
    h1_own: &'a RawValue,
    #[serde(borrow, rename = "H2i")]
    h2_own: &'a RawValue,
    #[serde(borrow)]
    xi: &'a RawValue,
    #[serde(borrow, rename = "ShareID")]
    share_id: &'a RawValue,
    #[serde(borrow)]
    ks: Vec<&'a RawValue>,
    #[serde(borrow, rename = "NTildej")]
    n_tilde: Vec<&'a RawValue>,
    #[serde(borrow, rename = "H1j")]
    h1: Vec<&'a RawValue>,
    #[serde(borrow, rename = "H2j")]
    h2: Vec<&'a RawValue>,
    #[serde(borrow, rename = "BigXj")]
    public_shares: Vec<Point<'a>>,
    #[serde(borrow, rename = "PaillierPKs")]
    paillier: Vec<Modulus<'a>>,
    #[serde(borrow, rename = "ECDSAPub")]
    public_key: Point<'a>,
}

#[derive(Deserialize)]
struct Modulus<'a> {
    #[serde(borrow, rename = "N")]
    n: &'a RawValue,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Point<'a> {
    #[serde(default)]
    curve: Option<String>,
    #[serde(borrow)]
    coords: [&'a RawValue; 2],
}

impl SaveData {
    /// Reads a file and checks all that one party can check of the key: the points, that the public shares
    /// make the public key, that the party's own share belongs to its public share. The moduli are only
    /// read; [`SaveData::findings`] examines them. The caller wipes `bytes`.
    pub fn parse(bytes: &[u8]) -> Result<Self, SaveDataError> {
        if bytes.len() > FILE_BYTES_MAX {
            return Err(SaveDataError::Size(bytes.len()));
        }
        let file: File<'_> = serde_json::from_slice(bytes)
            .map_err(|error| SaveDataError::Json { line: error.line(), column: error.column() })?;
        let count = file.ks.len();
        let lengths = [
            ("BigXj", file.public_shares.len()),
            ("PaillierPKs", file.paillier.len()),
            ("NTildej", file.n_tilde.len()),
            ("H1j", file.h1.len()),
            ("H2j", file.h2.len()),
        ];
        if let Some((what, _)) = lengths.into_iter().find(|(_, length)| *length != count) {
            return Err(SaveDataError::Lengths(what));
        }
        let (own, ids) = ids(&file)?;
        let parties = ids.iter().zip(&file.public_shares).map(|(id, share)| {
            let point = fixed(id).ok_or(SaveDataError::Number("Ks"))?;
            Ok(ForeignParty { point, public_share: share.compressed("BigXj")? })
        });
        let parties: Vec<ForeignParty> = parties.collect::<Result<_, SaveDataError>>()?;
        let public_key = file.public_key.compressed("ECDSAPub")?;
        let key = ForeignKey::shared(&public_key, &parties, None)?;
        let moduli = moduli(&file, own)?;
        let party = u8::try_from(own + 1).ok().and_then(|number| PartyIndex::try_from(number).ok());
        let mut secret = secret(file.xi).ok_or(SaveDataError::Number("Xi"))?;
        let share = key.share(party.ok_or(SaveDataError::Own)?, &mut secret)?;
        Ok(Self { key, share, moduli })
    }

    /// The key with its holders, numbered in the order of the file: the same in the files of all parties.
    #[must_use]
    pub fn key(&self) -> &ForeignKey {
        &self.key
    }

    /// This party's share.
    #[must_use]
    pub fn share(&self) -> &ForeignShare {
        &self.share
    }

    /// This party's share, to be dealt.
    #[must_use]
    pub fn into_share(self) -> ForeignShare {
        self.share
    }

    /// What is wrong with the moduli of all parties, gravest first. An empty list does not clear the key:
    /// [`Origin::advice`](crate::Origin::advice) holds all the same. Takes some tenths of a second.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        super::findings::examine(&self.moduli)
    }
}

/// Our place among the ids, and all of them modulo the group order, as tss-lib computes with them. Two that
/// are equal then are found by [`ForeignKey::shared`].
fn ids(file: &File<'_>) -> Result<(usize, Vec<BigUint>), SaveDataError> {
    let order = BigUint::parse_bytes(ORDER, 16).ok_or(SaveDataError::Number("Ks"))?;
    let read = |raw, name| public(raw).map(|id| id % &order).ok_or(SaveDataError::Number(name));
    let own = read(file.share_id, "ShareID")?;
    let ids: Vec<BigUint> = file.ks.iter().map(|raw| read(raw, "Ks")).collect::<Result<_, _>>()?;
    let mut places = ids.iter().enumerate().filter(|(_, id)| **id == own).map(|(place, _)| place);
    match (places.next(), places.next()) {
        (Some(place), None) => Ok((place, ids)),
        _ => Err(SaveDataError::Own),
    }
}

/// Every party's moduli, and that the party's own are those that the lists have for it.
fn moduli(file: &File<'_>, own: usize) -> Result<Vec<Moduli>, SaveDataError> {
    let read = |raw: &RawValue, name| public(raw).ok_or(SaveDataError::Number(name));
    let auxiliary = file.n_tilde.iter().zip(&file.h1).zip(&file.h2);
    let each = file.paillier.iter().zip(auxiliary).map(|(paillier, ((n_tilde, h1), h2))| {
        Ok(Moduli {
            paillier: read(paillier.n, "PaillierPKs")?,
            n_tilde: read(n_tilde, "NTildej")?,
            h1: read(h1, "H1j")?,
            h2: read(h2, "H2j")?,
        })
    });
    let all: Vec<Moduli> = each.collect::<Result<_, SaveDataError>>()?;
    let listed = all.get(own).ok_or(SaveDataError::Own)?;
    let pairs = [
        ("PaillierSK", file.paillier_own.n, &listed.paillier),
        ("NTildei", file.n_tilde_own, &listed.n_tilde),
        ("H1i", file.h1_own, &listed.h1),
        ("H2i", file.h2_own, &listed.h2),
    ];
    for (name, raw, listed) in pairs {
        if read(raw, name)? != *listed {
            return Err(SaveDataError::Inconsistent(name));
        }
    }
    Ok(all)
}

impl Point<'_> {
    /// Compressed SEC 1, if it is a point of the curve.
    fn compressed(&self, name: &'static str) -> Result<[u8; 33], SaveDataError> {
        if self.curve.as_deref().is_some_and(|curve| curve != "secp256k1") {
            return Err(SaveDataError::Curve(name));
        }
        let mut bytes = [4; 65];
        for (half, raw) in bytes.get_mut(1..).unwrap_or_default().chunks_mut(32).zip(self.coords) {
            let number = public(raw).and_then(|number| fixed(&number));
            half.copy_from_slice(&number.ok_or(SaveDataError::Number(name))?);
        }
        let point = k256::PublicKey::from_sec1_bytes(&bytes).map_err(|_| SaveDataError::Curve(name))?;
        point.to_sec1_point(true).as_bytes().try_into().map_err(|_| SaveDataError::Curve(name))
    }
}
