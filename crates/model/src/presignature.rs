//! Who presigns together, and the sessions in which presignatures are made and used.

use serde::{Deserialize, Serialize};

use crate::canonical::{Digest, digest};
use crate::ids::{AccountId, Epoch, PartyIndex, PresignatureIndex, SessionId};

/// Parties that sign together, within an epoch of an account. What they presign, no others use.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SigningSet {
    /// The account.
    pub account: AccountId,
    /// The generation of its shares.
    pub epoch: Epoch,
    /// The parties' points, ascending.
    pub signers: Vec<PartyIndex>,
}

/// One presignature of a signing set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresignatureUse {
    /// Whose it is.
    pub set: SigningSet,
    /// Its number.
    pub index: PresignatureIndex,
}

/// The session in which `signers` make a presignature; `run` tells their runs apart.
#[must_use]
pub fn presign_session(charter: &Digest, signers: &[PartyIndex], run: u64) -> SessionId {
    SessionId(digest("cohold/session/presign/v1", &(charter, signers, run)))
}

/// The session of [`sign_session`](crate::account::sign_session) where a presignature is to be used in it.
#[must_use]
pub fn presigned_session(session: SessionId, index: PresignatureIndex) -> SessionId {
    SessionId(digest("cohold/session/sign-presigned/v1", &(session, index)))
}
