//! A share among guardians: how a recovery party gives it away, what a guardian checks before it says that
//! it has its piece, knows who asks, or lets the piece go, and how a new device makes the share again.
//!
//! A piece goes from the recovery party to its guardian and from there to the new device, each time sealed
//! to the receiver by the sender ([`cohold_mpc::letter`]). What a guardian believes, it computes: that its
//! piece lies on the polynomial whose first commitment is the charter's public share, that a node of the
//! charter has waited, and that nobody objected.

use std::collections::BTreeSet;

use cohold_model::account::Card;
use cohold_model::canonical::{Digest, HexBytes, digest_parts};
use cohold_model::change::RulesReport;
use cohold_model::charter::Charter;
use cohold_model::guardians::{
    Confirmation, Entrusted, GuardianCard, GuardianReceipt, Guardians, Packet, RecoveryError,
    RecoveryRequest, Release,
};
use cohold_model::ids::PartyIndex;
use cohold_model::{Document as _, PartyName, Signed};
use cohold_mpc::{PartyKeys, letter};
use cohold_mpc_ecdsa::{AccountKey, CombineError, Commitments, RestoreError, Share};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// How old the word of a node may be by which a guardian lets its piece go, in seconds, and how far the
/// clocks of two parties may be apart.
pub const REPORT_SECONDS_MAX: u64 = 25 * 3600;
const CLOCK_SECONDS_MAX: u64 = 3600;

/// Why a share was not given to guardians.
#[derive(Debug, thiserror::Error)]
pub enum EntrustError {
    /// The charter names no guardians of it.
    #[error("the charter names no guardians of this share")]
    NoGuardians,
    /// A guardian's key.
    #[error("the piece of `{guardian}` cannot be sealed: {source}")]
    Seal {
        /// Whose.
        guardian: PartyName,
        /// Why.
        source: cohold_mpc::channel::SealError,
    },
}

/// Why a packet is refused.
#[derive(Debug, thiserror::Error)]
pub enum PacketError {
    /// The charter does not hold.
    #[error("the charter in it is refused: {0}")]
    Charter(#[from] cohold_model::charter::CharterError),
    /// Not for this guardian.
    #[error("the charter in it names no guardian with this key: ask for a packet that is made for you")]
    NotMine,
    /// Not what the recovery party gave.
    #[error("it is not signed by the recovery share of this charter, or is of another epoch")]
    Entrusted,
    /// The commitments do not fit the account.
    #[error("the commitments are not to the account's own public share: {0}")]
    Commitments(String),
    /// The letter does not open, or what is inside is no piece.
    #[error(
        "the piece inside is not the one that the commitments promise: do not keep it, and tell its sender"
    )]
    Piece,
}

/// Why a guardian does not help.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// The packet itself.
    #[error(transparent)]
    Packet(#[from] PacketError),
    /// The request does not fit the account.
    #[error(transparent)]
    Request(#[from] RecoveryError),
    /// It helps somebody else already.
    #[error("this guardian has confirmed another request for this account (`{0}`): withdraw that first")]
    Another(Digest),
    /// It has not confirmed this.
    #[error("this guardian has not confirmed this request: confirm it first, once you know who asks")]
    Unconfirmed,
    /// Too early by its own clock.
    #[error("this guardian waits {0} seconds more: the charter's wait counts from its own confirmation")]
    Early(u64),
    /// No node's word that its wait is over.
    #[error(
        "no node of the account says that its wait is over: run the recovery command again on the new device, and take the file that it writes"
    )]
    NoReport,
    /// Somebody objected.
    #[error("`{0}` objected to this recovery: nothing is given away under this charter")]
    Vetoed(PartyName),
    /// The new device's key.
    #[error("the piece cannot be sealed to the new device: {0}")]
    Seal(#[from] cohold_mpc::channel::SealError),
}

/// Why pieces did not bring the recovery share back.
#[derive(Debug, thiserror::Error)]
pub enum ReviveError {
    /// The request.
    #[error(transparent)]
    Request(#[from] RecoveryError),
    /// A release of something else.
    #[error(
        "what `{0}` released is for another request, or was given at another time than the others' pieces"
    )]
    Elsewhere(PartyName),
    /// A letter that does not open.
    #[error("what `{0}` released does not open: it was not sealed to this device by that guardian")]
    Letter(PartyName),
    /// Cheaters.
    #[error("the piece of {} is wrong: recover with the pieces of others", names(.0))]
    Wrong(Vec<PartyName>),
    /// Not enough.
    #[error("{found} pieces, and it takes {needed}")]
    Few {
        /// Pieces at hand.
        found: usize,
        /// How many it takes.
        needed: u8,
    },
    /// What is public contradicts itself.
    #[error("the share that the guardians were given is refused: {0}")]
    Entrusted(String),
}

fn names(names: &[PartyName]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(" and ")
}

/// A share in pieces, for the guardians of a charter.
pub struct Given {
    /// What all of them get.
    pub entrusted: Signed<Entrusted>,
    /// The piece of each, sealed.
    pub letters: Vec<(PartyName, HexBytes)>,
}

/// Gives the share of a recovery party, with the seed of its keys, to the guardians of the charter.
pub fn entrust(
    charter: &Charter,
    share: &Share,
    seed: &[u8; 32],
    now: u64,
    rng: &mut impl CryptoRng,
) -> Result<Given, EntrustError> {
    let keys = PartyKeys::from_seed(seed);
    let by = charter.terms.party_by_identity(&keys.identity()).map(|(_, card)| card);
    let card = by.ok_or(EntrustError::NoGuardians)?;
    let guardians = charter.terms.guardians.as_ref().filter(|guardians| guardians.party == card.party);
    let guardians = guardians.ok_or(EntrustError::NoGuardians)?;
    let count = u8::try_from(guardians.people.len()).map_err(|_| EntrustError::NoGuardians)?;
    let made = share.entrust(guardians.needed, count, rng).ok_or(EntrustError::NoGuardians)?;
    let sealing = |guardian: &PartyName| {
        let guardian = guardian.clone();
        move |source| EntrustError::Seal { guardian, source }
    };
    let digest = charter.digest();
    let lock = seed_keys(share).seal_key();
    let seed =
        letter::seal(&keys.seal, &lock, &seed_place(&digest), seed, rng).map_err(sealing(&card.party))?;
    let entrusted = Entrusted {
        account: charter.terms.account,
        charter: digest,
        epoch: charter.epoch,
        party: card.party.clone(),
        commitments: made.commitments,
        seed: HexBytes(seed),
        created_at: now,
    };
    let given = entrusted.digest();
    let mut letters = Vec::new();
    for ((index, person), piece) in guardians.indexed().zip(&made.pieces) {
        let letter = letter::seal(&keys.seal, &person.seal, &piece_place(&given, index), piece.as_ref(), rng)
            .map_err(sealing(&person.name))?;
        letters.push((person.name.clone(), HexBytes(letter)));
    }
    Ok(Given { entrusted: Signed::by(entrusted, card.party.clone(), &keys.identity), letters })
}

/// A guardian's piece, opened and checked.
struct Opened<'a> {
    guardians: &'a Guardians,
    index: PartyIndex,
    me: &'a GuardianCard,
    piece: Zeroizing<Vec<u8>>,
}

/// Checks all that can be checked of a packet; the piece inside is the one that the commitments promise.
fn open<'a>(packet: &'a Packet, keys: &PartyKeys) -> Result<Opened<'a>, PacketError> {
    packet.charter.check()?;
    let charter = &packet.charter.document;
    let guardians = charter.terms.guardians.as_ref().ok_or(PacketError::NotMine)?;
    let mine = guardians.by_identity(&keys.identity());
    let (index, me) = mine.filter(|(_, me)| me.name == packet.guardian).ok_or(PacketError::NotMine)?;
    let (commitments, giver) = commitments(charter, guardians, &packet.entrusted)?;
    let place = piece_place(&packet.entrusted.document.digest(), index);
    let piece = letter::open(&keys.seal, &giver.seal, &place, &packet.letter.0).ok_or(PacketError::Piece)?;
    match commitments.is_piece(index, &piece) {
        true => Ok(Opened { guardians, index, me, piece }),
        false => Err(PacketError::Piece),
    }
}

/// The commitments, if they are the recovery party's own, to its public share of this charter.
fn commitments<'a>(
    charter: &'a Charter,
    guardians: &Guardians,
    entrusted: &Signed<Entrusted>,
) -> Result<(Commitments, &'a Card), PacketError> {
    let given = &entrusted.document;
    let party = charter.terms.party(&guardians.party);
    let (point, giver) = party.ok_or(PacketError::Entrusted)?;
    let fits = given.account == charter.terms.account
        && given.charter == charter.digest()
        && given.epoch == charter.epoch
        && given.party == guardians.party
        && entrusted.is_signed_by(&giver.party, &giver.identity);
    if !fits {
        return Err(PacketError::Entrusted);
    }
    let refused = |error: &dyn std::fmt::Display| PacketError::Commitments(error.to_string());
    let key = AccountKey::from_binding(&charter.key, charter.terms.threshold).map_err(|e| refused(&e))?;
    let read = Commitments::read(&key, point, guardians.needed, &given.commitments);
    Ok((read.map_err(|e| refused(&e))?, giver))
}

/// Checks a packet, and says that its piece is at hand.
pub fn accept(packet: &Packet, keys: &PartyKeys, now: u64) -> Result<Signed<GuardianReceipt>, PacketError> {
    let Opened { me, .. } = open(packet, keys)?;
    let charter = &packet.charter.document;
    let receipt = GuardianReceipt {
        account: charter.terms.account,
        charter: charter.digest(),
        entrusted: packet.entrusted.document.digest(),
        guardian: me.name.clone(),
        issued_at: now,
    };
    Ok(Signed::by(receipt, me.name.clone(), &keys.identity))
}

/// What a guardian remembers of the requests for an account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Remembered {
    /// The request that it confirmed, and when, in seconds since 1970.
    pub confirmed: Option<(Digest, u64)>,
    /// Who objected, as a node said.
    pub vetoed_by: Option<PartyName>,
}

/// Confirms a request. The caller has asked its person, and notes the confirmation before it leaves.
pub fn confirm(
    packet: &Packet,
    remembered: &Remembered,
    request: &Signed<RecoveryRequest>,
    keys: &PartyKeys,
    now: u64,
) -> Result<Signed<Confirmation>, GuardError> {
    let Opened { me, .. } = open(packet, keys)?;
    let digest = check_request(packet, remembered, request)?;
    let word = Confirmation {
        account: request.document.account,
        charter: request.document.charter,
        request: digest,
        guardian: me.name.clone(),
        issued_at: now,
    };
    Ok(Signed::by(word, me.name.clone(), &keys.identity))
}

fn check_request(
    packet: &Packet,
    remembered: &Remembered,
    request: &Signed<RecoveryRequest>,
) -> Result<Digest, GuardError> {
    RecoveryRequest::check(request, &packet.charter.document)?;
    if let Some(objector) = &remembered.vetoed_by {
        return Err(GuardError::Vetoed(objector.clone()));
    }
    let digest = request.document.digest();
    match remembered.confirmed {
        Some((other, _)) if other != digest => Err(GuardError::Another(other)),
        _ => Ok(digest),
    }
}

/// Who objected to what the guardians' party asked for, by the words of the account's nodes.
#[must_use]
pub fn objector(packet: &Packet, reports: &[Signed<RulesReport>]) -> Option<PartyName> {
    let charter = &packet.charter.document;
    let guardians = charter.terms.guardians.as_ref()?;
    let genuine = reports.iter().filter(|report| is_of_node(charter, report));
    let mut asked = genuine.flat_map(|report| &report.document.asked);
    asked.find(|asked| asked.by == guardians.party && asked.vetoed_by.is_some())?.vetoed_by.clone()
}

/// Seals the piece to the device of a request: confirmed, after the wait by this guardian's own clock and
/// by the word of each node that speaks, at least one, if nobody objected.
pub fn release(
    packet: &Packet,
    remembered: &Remembered,
    request: &Signed<RecoveryRequest>,
    reports: &[Signed<RulesReport>],
    keys: &PartyKeys,
    now: u64,
    rng: &mut impl CryptoRng,
) -> Result<Release, GuardError> {
    let Opened { guardians, index, me, piece } = open(packet, keys)?;
    let digest = check_request(packet, remembered, request)?;
    let (_, since) = remembered.confirmed.ok_or(GuardError::Unconfirmed)?;
    if let Some(objector) = objector(packet, reports) {
        return Err(GuardError::Vetoed(objector));
    }
    let left = since.saturating_add(guardians.delay_seconds).saturating_sub(now);
    if left > 0 {
        return Err(GuardError::Early(left));
    }
    let charter = &packet.charter.document;
    let has_nodes = charter.terms.parties.iter().any(|card| card.kind.is_node());
    if has_nodes && !reports.iter().any(|report| has_waited(charter, guardians, report, now)) {
        return Err(GuardError::NoReport);
    }
    let place = release_place(&digest, &packet.entrusted.document.digest(), index);
    let letter = letter::seal(&keys.seal, &request.document.device.seal, &place, &piece, rng)?;
    Ok(Release {
        request: digest,
        entrusted: packet.entrusted.clone(),
        guardian: me.name.clone(),
        letter: HexBytes(letter),
    })
}

/// Whether a node of the charter said this, under this charter.
fn is_of_node(charter: &Charter, report: &Signed<RulesReport>) -> bool {
    let said = &report.document;
    let card = charter.terms.party(&said.party).map(|(_, card)| card);
    said.account == charter.terms.account
        && said.charter == charter.digest()
        && card.is_some_and(|card| card.kind.is_node() && report.is_signed_by(&said.party, &card.identity))
}

/// Whether this is the word of a node that it was asked, waited, and heard of no objection until then: said
/// after the wait, since one from before it hides what came later.
fn has_waited(charter: &Charter, guardians: &Guardians, report: &Signed<RulesReport>, now: u64) -> bool {
    let said = &report.document;
    let asked = said.asked.iter().find(|asked| asked.by == guardians.party);
    let over = asked.is_some_and(|asked| {
        let least = asked.since.saturating_add(guardians.delay_seconds);
        let joins = asked.joins_at.is_some_and(|at| at >= least && at <= said.issued_at);
        asked.vetoed_by.is_none() && joins
    });
    let fresh = now.saturating_sub(said.issued_at) <= REPORT_SECONDS_MAX
        && said.issued_at.saturating_sub(now) <= CLOCK_SECONDS_MAX;
    over && fresh && is_of_node(charter, report)
}

/// A recovery party, back from its guardians' pieces.
pub struct Revived {
    /// Its share.
    pub share: Share,
    /// Its keys.
    pub keys: PartyKeys,
    /// Its card.
    pub card: Card,
}

/// Makes the share of the recovery party again from what the guardians released to this device. In memory:
/// it is there to deal once, and its caller keeps it nowhere.
pub fn revive(
    charter: &Charter,
    request: &Signed<RecoveryRequest>,
    releases: &[Release],
    keys: &PartyKeys,
) -> Result<Revived, ReviveError> {
    RecoveryRequest::check(request, charter)?;
    let guardians = charter.terms.guardians.as_ref().ok_or(RecoveryError::NoGuardians)?;
    let first = releases.first().ok_or(ReviveError::Few { found: 0, needed: guardians.needed })?;
    let (entrusted, digest) = (&first.entrusted, request.document.digest());
    let given = entrusted.document.digest();
    let refused = |error: &dyn std::fmt::Display| ReviveError::Entrusted(error.to_string());
    let (commitments, giver) = commitments(charter, guardians, entrusted).map_err(|e| refused(&e))?;
    let (mut pieces, mut seen) = (Vec::new(), BTreeSet::new());
    for release in releases {
        let name = &release.guardian;
        let person = guardians.named(name).filter(|_| release.request == digest);
        let known = person.filter(|_| release.entrusted.document.digest() == given);
        let (index, person) = known.ok_or_else(|| ReviveError::Elsewhere(name.clone()))?;
        let place = release_place(&digest, &given, index);
        let piece = letter::open(&keys.seal, &person.seal, &place, &release.letter.0)
            .ok_or_else(|| ReviveError::Letter(name.clone()))?;
        if seen.insert(index) {
            pieces.push((index, piece));
        }
    }
    let share = commitments.restore(&pieces).map_err(|error| unrestored(guardians, error))?;
    let seed = letter::open(
        &seed_keys(&share).seal,
        &giver.seal,
        &seed_place(&charter.digest()),
        &entrusted.document.seed.0,
    )
    .ok_or_else(|| refused(&"its sealed seed does not open"))?;
    let seed = <[u8; 32]>::try_from(seed.as_slice()).map(Zeroizing::new);
    let seed = seed.map_err(|_| refused(&"its sealed seed is none"))?;
    let keys = PartyKeys::from_seed(&seed);
    if keys.identity() != giver.identity || keys.seal_key() != giver.seal {
        return Err(refused(&"its seed is another's"));
    }
    Ok(Revived { share, keys, card: giver.clone() })
}

fn unrestored(guardians: &Guardians, error: RestoreError) -> ReviveError {
    let name = |at: u8| {
        let found = guardians.indexed().find(|(index, _)| index.get() == at);
        found.map(|(_, person)| person.name.clone())
    };
    match error {
        RestoreError::Piece(at) => ReviveError::Wrong(name(at.get()).into_iter().collect()),
        RestoreError::Combine(CombineError::Wrong(wrong)) => {
            ReviveError::Wrong(wrong.into_iter().filter_map(name).collect())
        }
        RestoreError::Combine(CombineError::Few { found, .. }) => {
            ReviveError::Few { found, needed: guardians.needed }
        }
        RestoreError::Combine(CombineError::Points) | RestoreError::Share(_) => {
            ReviveError::Entrusted(error.to_string())
        }
    }
}

/// The key pair that only the holder of a share can make: the seed beside it is sealed to that.
fn seed_keys(share: &Share) -> PartyKeys {
    let secret = share.danger_secret_bytes();
    PartyKeys::from_seed(&digest_parts("cohold/entrusted-seed-key/v1", &[secret.as_ref()]).0)
}

fn seed_place(charter: &Digest) -> Digest {
    digest_parts("cohold/entrusted-seed/v1", &[&charter.0])
}

fn piece_place(entrusted: &Digest, guardian: PartyIndex) -> Digest {
    digest_parts("cohold/guardian-piece/v1", &[&entrusted.0, &[guardian.get()]])
}

fn release_place(request: &Digest, entrusted: &Digest, guardian: PartyIndex) -> Digest {
    digest_parts("cohold/guardian-release/v1", &[&request.0, &entrusted.0, &[guardian.get()]])
}
