//! Auxiliary data: a party's secret primes, and everybody's Paillier and ring-Pedersen parameters. Secret,
//! but no asset: it can be made again from shares alone.

use cggmp24::backend::Integer;
use cggmp24::key_share::{AuxInfo, DirtyAuxInfo, PedersenParams, Validate as _};
use cggmp24::paillier_zk::fast_paillier::utils::CrtExp;
use cohold_model::canonical::{Digest, digest_parts};
use cohold_model::ids::PartyIndex;
use cohold_mpc_ecdsa::{AccountKey, Share};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use zeroize::{Zeroize as _, Zeroizing};

use crate::committee::Committee;
use crate::parameters;

/// The version that [`Auxiliary::to_secret_bytes`] writes. Older ones stay readable for ever.
const VERSION: u8 = 1;

/// More than what one party's parameters and the primes take, so that the buffer never moves and leaves no
/// copy behind.
const MEMBER_BYTES_MAX: usize = 2 * 1024;

/// The engine's data for one party of one key, among a committee of its parties. Not `Clone`, not printable.
/// Its big integers are the engine's, which does not wipe them.
pub struct Auxiliary {
    index: PartyIndex,
    /// Names the key and its shares.
    key: Digest,
    committee: Committee,
    info: AuxInfo,
    /// The factors of our ring-Pedersen modulus, which make its powers cheap.
    hat_primes: [Integer; 2],
}

/// At rest. Integers are big-endian and positive.
#[derive(Serialize, Deserialize)]
struct Stored {
    index: PartyIndex,
    key: [u8; 32],
    primes: [ByteBuf; 4],
    members: Vec<(PartyIndex, [ByteBuf; 4])>,
}

impl Drop for Stored {
    fn drop(&mut self) {
        for prime in &mut self.primes {
            prime.as_mut().zeroize();
        }
    }
}

/// Why bytes are not auxiliary data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuxiliaryError {
    /// A version that this build does not read.
    #[error("auxiliary data version `{found}` is not known: update this party")]
    Version {
        /// Version found.
        found: u8,
    },
    /// Not auxiliary data, or it contradicts itself.
    #[error("the bytes are not auxiliary data of CGGMP24: set the engine again")]
    Malformed,
}

impl Auxiliary {
    /// From what a setup gave; nothing where it contradicts itself.
    pub(crate) fn new(
        index: PartyIndex,
        key: Digest,
        committee: Committee,
        info: AuxInfo,
        hat_primes: [Integer; 2],
    ) -> Option<Self> {
        let auxiliary = Self { index, key, committee, info, hat_primes };
        auxiliary.is_sound().then_some(auxiliary)
    }

    /// The parties that can sign with one another by this data, ourselves included, in order.
    pub fn committee(&self) -> impl Iterator<Item = PartyIndex> {
        self.committee.parties().iter().copied()
    }

    /// Whether it was made for this very share.
    #[must_use]
    pub fn belongs_to(&self, share: &Share) -> bool {
        (self.index, self.key) == (share.index(), share.key().digest())
    }

    /// Whether it was made for these very shares, and for this party of them.
    #[must_use]
    pub fn belongs_to_key(&self, index: PartyIndex, key: &AccountKey) -> bool {
        (self.index, self.key) == (index, key.digest())
    }

    pub(crate) fn members(&self) -> &Committee {
        &self.committee
    }

    pub(crate) fn info(&self) -> &AuxInfo {
        &self.info
    }

    /// Digest of everything in it that all its parties must have alike.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let points = self.committee.points();
        let integers: Vec<Vec<u8>> = self.public().flatten().map(Integer::to_bytes_msf).collect();
        let mut parts: Vec<&[u8]> = vec![&self.key.0, &points];
        parts.extend(integers.iter().map(Vec::as_slice));
        digest_parts("cohold/cggmp24/auxiliary/v1", &parts)
    }

    /// N, n̂, s and t of each party.
    fn public(&self) -> impl Iterator<Item = [&Integer; 4]> {
        let pedersen = self.info.pedersen_params.iter();
        self.info.N.iter().zip(pedersen).map(|(n, p)| [n, &p.hat_N, &p.s, &p.t])
    }

    fn is_sound(&self) -> bool {
        let members = usize::from(self.committee.len());
        let own = self.committee.number(self.index).map(usize::from);
        let Some([n, hat_n, ..]) = own.and_then(|own| self.public().nth(own)) else { return false };
        let [hat_p, hat_q] = &self.hat_primes;
        let sized = (self.info.N.len(), self.info.pedersen_params.len()) == (members, members);
        let moduli =
            self.public().all(|[n, hat_n, s, t]| is_long(n) && is_long(hat_n) && s < hat_n && t < hat_n);
        sized && moduli && *n == &self.info.p * &self.info.q && *hat_n == hat_p * hat_q
    }

    /// The data as bytes, to be sealed apart from the share: a version byte, then postcard.
    #[must_use]
    pub fn to_secret_bytes(&self) -> Zeroizing<Vec<u8>> {
        let bytes = |n: &Integer| ByteBuf::from(n.to_bytes_msf());
        let [hat_p, hat_q] = &self.hat_primes;
        let stored = Stored {
            index: self.index,
            key: self.key.0,
            primes: [&self.info.p, &self.info.q, hat_p, hat_q].map(bytes),
            members: self.committee().zip(self.public().map(|public| public.map(bytes))).collect(),
        };
        let mut buffer = Vec::with_capacity((stored.members.len() + 1) * MEMBER_BYTES_MAX);
        buffer.push(VERSION);
        // Serialising plain data into memory does not fail; empty bytes would be refused on reading.
        Zeroizing::new(postcard::to_extend(&stored, buffer).unwrap_or_default())
    }

    /// Reads what [`Auxiliary::to_secret_bytes`] wrote: primes and moduli must belong together. Whether it
    /// serves a share, [`Auxiliary::belongs_to`] tells.
    pub fn from_secret_bytes(bytes: &[u8]) -> Result<Self, AuxiliaryError> {
        let stored: Stored = match bytes.split_first() {
            None => return Err(AuxiliaryError::Malformed),
            Some((&VERSION, body)) => match postcard::take_from_bytes(body) {
                Ok((stored, [])) => stored,
                Ok(_) | Err(_) => return Err(AuxiliaryError::Malformed),
            },
            Some((&found, _)) => return Err(AuxiliaryError::Version { found }),
        };
        stored.open().ok_or(AuxiliaryError::Malformed)
    }
}

impl Stored {
    fn open(&self) -> Option<Auxiliary> {
        let committee = Committee::new(self.members.iter().map(|(party, _)| *party));
        let own = usize::from(committee.number(self.index)?);
        let sorted = self.members.iter().map(|(party, _)| party).eq(committee.parties());
        let [p, q, hat_p, hat_q] = self.primes.each_ref().map(|bytes| Integer::from_bytes_msf(bytes));
        let (mut moduli, mut pedersen_params) = (Vec::new(), Vec::new());
        for (_, public) in &self.members {
            let [n, hat_n, s, t] = public.each_ref().map(|bytes| Integer::from_bytes_msf(bytes));
            moduli.push(n);
            pedersen_params.push(PedersenParams { hat_N: hat_n, s, t, multiexp: None, crt: None });
        }
        pedersen_params.get_mut(own)?.crt = Some(CrtExp::build_n(&hat_p, &hat_q)?);
        let dirty = DirtyAuxInfo { p, q, N: moduli, pedersen_params, security_level: Default::default() };
        let info = dirty.validate().ok()?;
        let made = Auxiliary::new(self.index, Digest(self.key), committee, info, [hat_p, hat_q]);
        made.filter(|_| sorted)
    }
}

fn is_long(n: &Integer) -> bool {
    (parameters::MODULUS_BITS_MIN..=parameters::MODULUS_BITS_MAX).contains(&n.significant_bits())
}

impl std::fmt::Debug for Auxiliary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Auxiliary({} among {:?})", self.index, self.committee.parties())
    }
}
