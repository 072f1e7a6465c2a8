//! The payload of a recovery file, as bytes.

use cohold_model::Digest;
use cohold_model::canonical::{digest, digest_parts};
use serde::de::DeserializeOwned;

use crate::recovery::RecoveryPublic;
use crate::seal::Sealed;
use crate::stretch::StretchCost;

const VERSION: u8 = 1;
const CHECK_BYTES: usize = 8;

/// What the lines carry beside the public part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Payload {
    pub(crate) cost: StretchCost,
    pub(crate) salt: [u8; 32],
    pub(crate) sealed: Sealed,
}

/// Why lines that are right one by one make no recovery file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// Lines of several files.
    #[error("each line is right, but they do not belong together: use the lines of one file only")]
    Mixed,
    /// From a later build.
    #[error("recovery files of version `{0}` are not known: use a newer build")]
    Version(u8),
    /// Made by something else.
    #[error("the file is whole, but not understood ({0}): use the build that wrote it")]
    Content(String),
}

impl Payload {
    pub(crate) fn encode(&self, public: &RecoveryPublic) -> Vec<u8> {
        let StretchCost { memory_kib, passes, lanes } = self.cost;
        let mut bytes = vec![VERSION];
        part_push(&mut bytes, &public_json(public));
        for number in [memory_kib, passes, lanes] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes.extend_from_slice(&self.salt);
        part_push(&mut bytes, self.sealed.as_bytes());
        let check = check(&bytes);
        bytes.extend_from_slice(&check);
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<(RecoveryPublic, Self), PayloadError> {
        let (body, found) = bytes.split_last_chunk::<CHECK_BYTES>().ok_or(PayloadError::Mixed)?;
        if *found != check(body) {
            return Err(PayloadError::Mixed);
        }
        match body.split_first() {
            Some((&VERSION, rest)) => decode_body(rest),
            Some((&version, _)) => Err(PayloadError::Version(version)),
            None => Err(PayloadError::Mixed),
        }
    }
}

/// Binds the sealed secret to everything that stands open beside it.
pub(crate) fn additional_data(public: &RecoveryPublic, cost: StretchCost) -> Digest {
    digest("cohold/recovery/v1", &(public, cost))
}

fn decode_body(mut rest: &[u8]) -> Result<(RecoveryPublic, Payload), PayloadError> {
    let short = || PayloadError::Content("it ends too early".into());
    let public: RecoveryPublic = json(part_take(&mut rest).ok_or_else(short)?)?;
    let mut number = || u32_take(&mut rest).ok_or_else(short);
    let cost = StretchCost { memory_kib: number()?, passes: number()?, lanes: number()? };
    cost.check().map_err(|error| PayloadError::Content(error.to_string()))?;
    let (salt, after) = rest.split_first_chunk::<32>().ok_or_else(short)?;
    rest = after;
    let sealed = part_take(&mut rest).ok_or_else(short)?;
    let sealed =
        Sealed::from_bytes(sealed.to_vec()).map_err(|error| PayloadError::Content(error.to_string()))?;
    if !rest.is_empty() {
        return Err(PayloadError::Content("something follows the end".into()));
    }
    Ok((public, Payload { cost, salt: *salt, sealed }))
}

fn public_json(public: &RecoveryPublic) -> Vec<u8> {
    // Plain data always serialises; an empty part would be refused on reading.
    serde_json::to_vec(public).unwrap_or_default()
}

fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, PayloadError> {
    serde_json::from_slice(bytes).map_err(|error| PayloadError::Content(error.to_string()))
}

fn part_push(bytes: &mut Vec<u8>, part: &[u8]) {
    // Parts are bounded far below 4 GiB; a longer one would be refused on reading.
    bytes.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend_from_slice(part);
}

fn part_take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(u32_take(rest)?).ok()?;
    let (part, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(part)
}

fn u32_take(rest: &mut &[u8]) -> Option<u32> {
    let (number, after) = rest.split_first_chunk::<4>()?;
    *rest = after;
    Some(u32::from_be_bytes(*number))
}

fn check(body: &[u8]) -> [u8; CHECK_BYTES] {
    let Digest(digest) = digest_parts("cohold/recovery-file/v1", &[body]);
    let mut check = [0; CHECK_BYTES];
    check.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    check
}
