//! The digest that the parties sign, and the signed transaction that comes of it.

use alloy_consensus::transaction::{RlpEcdsaDecodableTx, RlpEcdsaEncodableTx};
use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_primitives::{B256, Signature, keccak256};
use k256::ecdsa::signature::hazmat::PrehashVerifier;
use k256::ecdsa::{RecoveryId, VerifyingKey};

use crate::address::{Address, AddressError, verifying_key};
use crate::decode::{DecodeError, Decoded, PAYLOAD_BYTES_MAX, decode};

/// A transaction that is ready to be broadcast.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The signed transaction as it is sent to a chain (EIP-2718).
    pub raw: Vec<u8>,
    /// Its hash, by which the chain knows it.
    pub hash: [u8; 32],
    /// The account that pays.
    pub from: Address,
    /// What it does.
    pub decoded: Decoded,
}

/// A signature as the signing protocol yields it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawSignature {
    /// r, big-endian.
    pub r: [u8; 32],
    /// s, big-endian, at most half the group's order.
    pub s: [u8; 32],
    /// 0 or 1: whether the nonce point's y is odd.
    pub recovery_id: u8,
}

/// Why a signature was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AssembleError {
    /// The payload is no transfer.
    #[error(transparent)]
    Payload(#[from] DecodeError),
    /// The public key is none.
    #[error(transparent)]
    PublicKey(#[from] AddressError),
    /// r or s is zero or not below the group's order.
    #[error("the signature's numbers are out of range")]
    Range,
    /// Every signature has a twin with a high s; chains refuse it (EIP-2).
    #[error("the signature has a high s, which chains refuse (EIP-2)")]
    HighS,
    /// Not 0 or 1.
    #[error("the recovery id is {0}, but a transaction can only carry 0 or 1")]
    RecoveryId(u8),
    /// Not a signature of this payload under this key.
    #[error("the signature is not one of this transaction under the account's key")]
    Invalid,
    /// Right under the key, but the recovery id leads to another account.
    #[error("the signature's recovery id leads to another account than `{0}`")]
    OtherAccount(Address),
}

/// The 32 bytes to sign: Keccak-256 of the whole payload (EIP-1559).
#[must_use]
pub fn signing_digest(payload: &[u8]) -> [u8; 32] {
    keccak256(payload).0
}

/// Joins payload and signature, after checking that the signature is the account's own.
/// `public_key` is compressed SEC 1, 33 bytes.
pub fn assemble(
    payload: &[u8],
    signature: &RawSignature,
    public_key: &[u8],
) -> Result<Signed, AssembleError> {
    let decoded = decode(payload)?;
    let key = verifying_key(public_key)?;
    let from = Address::of_verifying_key(&key);
    let (digest, scalars) = (signing_digest(payload), scalars(signature)?);
    // A signature verifies under the key that it leads to (SEC 1 §4.1.6); another than the account's
    // means that it is wrong, or its recovery id.
    if recover(digest, signature, &scalars).ok() != Some(key) {
        key.verify_prehash(&digest, &scalars).map_err(|_| AssembleError::Invalid)?;
        return Err(AssembleError::OtherAccount(from));
    }
    let mut raw = Vec::new();
    decoded.transaction().eip2718_encode(&in_transaction(signature), &mut raw);
    Ok(Signed { hash: keccak256(&raw).0, raw, from, decoded })
}

/// Why a signed transaction was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// More bytes than a signed transfer takes.
    #[error("the signed transaction has {0} bytes, a transfer has at most {RAW_BYTES_MAX}")]
    TooLong(usize),
    /// Not a signed EIP-1559 transaction.
    #[error("the bytes are not a signed EIP-1559 transaction in canonical form")]
    Form,
    /// The transaction is no transfer.
    #[error(transparent)]
    Payload(#[from] DecodeError),
    /// The signature is none.
    #[error(transparent)]
    Signature(#[from] AssembleError),
}

/// Two numbers of 33 bytes each, a bit, and a longer list header.
const RAW_BYTES_MAX: usize = PAYLOAD_BYTES_MAX + 72;

/// Reads a signed transaction back: who pays and what it does, from the bytes alone.
pub fn open(raw: &[u8]) -> Result<Signed, OpenError> {
    if raw.len() > RAW_BYTES_MAX {
        return Err(OpenError::TooLong(raw.len()));
    }
    let mut rest = raw.strip_prefix(&[0x02]).ok_or(OpenError::Form)?;
    let (transaction, signature) =
        TxEip1559::rlp_decode_with_signature(&mut rest).map_err(|_| OpenError::Form)?;
    let mut canonical = Vec::new();
    transaction.eip2718_encode(&signature, &mut canonical);
    if canonical != raw {
        return Err(OpenError::Form);
    }
    let decoded = Decoded::of(&transaction)?;
    let digest = signing_digest(&transaction.encoded_for_signing());
    let signature = RawSignature {
        r: signature.r().to_be_bytes(),
        s: signature.s().to_be_bytes(),
        recovery_id: signature.v().into(),
    };
    let from = Address::of_verifying_key(&recover(digest, &signature, &scalars(&signature)?)?);
    Ok(Signed { raw: raw.to_vec(), hash: keccak256(raw).0, from, decoded })
}

/// The signature's numbers, in range and with a low s.
pub(crate) fn scalars(signature: &RawSignature) -> Result<k256::ecdsa::Signature, AssembleError> {
    if signature.recovery_id > 1 {
        return Err(AssembleError::RecoveryId(signature.recovery_id));
    }
    let scalars =
        k256::ecdsa::Signature::from_scalars(signature.r, signature.s).map_err(|_| AssembleError::Range)?;
    if scalars.normalize_s() == scalars { Ok(scalars) } else { Err(AssembleError::HighS) }
}

/// The key that a signature leads to.
pub(crate) fn recover(
    digest: [u8; 32],
    signature: &RawSignature,
    scalars: &k256::ecdsa::Signature,
) -> Result<VerifyingKey, AssembleError> {
    let recovery_id = RecoveryId::new(signature.recovery_id == 1, false);
    VerifyingKey::recover_from_prehash(&digest, scalars, recovery_id).map_err(|_| AssembleError::Invalid)
}

fn in_transaction(signature: &RawSignature) -> Signature {
    Signature::from_scalars_and_parity(
        B256::from(signature.r),
        B256::from(signature.s),
        signature.recovery_id == 1,
    )
}
