//! The engine behind: `dkls23-core` 0.6.2. Its indices, its assembled party, and what its aborts mean.

use std::collections::BTreeMap;

use cohold_model::ids::PartyIndex;
use cohold_mpc::{Evidence, Fault, Reason};
use dkls23_secp256k1::Party;
use dkls23_secp256k1::protocols::derivation::DerivData;
use dkls23_secp256k1::protocols::{Abort, AbortKind, AbortReason, Parameters};
use dkls23_secp256k1::utilities::zero_shares::ZeroShare;
use zeroize::Zeroizing;

use crate::auxiliary::Pair;
use crate::share::Share;

/// The engine's own index type.
pub(crate) type EngineIndex = dkls23_secp256k1::protocols::PartyIndex;

/// An index of ours is 1 to 9 and so always one of the engine's.
pub(crate) fn engine_index(party: PartyIndex) -> Result<EngineIndex, Fault> {
    EngineIndex::new(party.get()).map_err(|_| Fault::freeze(Reason::Engine))
}

/// The engine's party from the share and the pairs with its peers. Its session id names the key and its
/// shares, so that all parties get the same whenever their pairs were set up.
pub(crate) fn assemble(share: &Share, pairs: &BTreeMap<PartyIndex, Pair>) -> Result<Party, Fault> {
    let local = || Fault::retry(Reason::LocalState);
    let key = share.key();
    let parameters = Parameters::new(key.threshold(), key.parties()).map_err(|_| local())?;
    let (mut seeds, mut senders, mut receivers) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
    for (&peer, Pair { seed, sender, receiver }) in pairs {
        seeds.push(seed.clone());
        senders.insert(engine_index(peer)?, sender.clone());
        receivers.insert(engine_index(peer)?, receiver.clone());
    }
    let secret = Zeroizing::new(*share.secret());
    Ok(Party {
        parameters,
        party_index: engine_index(share.index())?,
        session_id: key.digest().0.to_vec(),
        poly_point: *secret,
        pk: *key.public_key_point(),
        zero_share: ZeroShare::initialize(seeds),
        mul_senders: senders,
        mul_receivers: receivers,
        derivation_data: DerivData {
            depth: 0,
            child_number: 0,
            parent_fingerprint: [0; 4],
            poly_point: *secret,
            pk: *key.public_key_point(),
            chain_code: key.chain_code().0,
        },
        address: String::new(),
    })
}

/// Where an abort happened: a failed oblivious-transfer check costs nothing while a pair is being set
/// up, since what it touched is thrown away, and is fatal once that setup signs.
#[derive(Clone, Copy)]
pub(crate) enum Stage {
    Setup,
    Signing,
}

/// What an abort of the engine means. `evidence` makes the evidence against a party.
///
/// A ban that the engine demands is never softened. Of the engine's recoverable reasons, one that
/// names a failed oblivious-transfer check while signing is hardened to a ban (DKLs23 §5: the check
/// leaks a bit of long-lived state per failure). A reason that this version does not know freezes the key.
pub(crate) fn fault(abort: &Abort, stage: Stage, evidence: impl Fn(PartyIndex, Reason) -> Evidence) -> Fault {
    let reason = match reason(&abort.reason) {
        Some(reason) => reason,
        None => Reason::Engine,
    };
    match (&abort.kind, stage, reason) {
        (AbortKind::BanCounterparty(party), _, _) => match party_index(*party) {
            Some(party) => Fault::ban(party, evidence(party, Reason::ObliviousTransfer { from: party })),
            None => Fault::freeze(Reason::Engine),
        },
        (AbortKind::Recoverable, Stage::Signing, Reason::ObliviousTransfer { from }) => {
            Fault::ban(from, evidence(from, reason))
        }
        (AbortKind::Recoverable, _, Reason::Engine) => Fault::freeze(Reason::Engine),
        (AbortKind::Recoverable, _, reason) => Fault::retry(reason),
    }
}

fn party_index(index: EngineIndex) -> Option<PartyIndex> {
    PartyIndex::try_from(index.as_u8()).ok()
}

/// Our name for each of the engine's reasons; nothing for one that is not known.
fn reason(reason: &AbortReason) -> Option<Reason> {
    use AbortReason as A;
    let of = |index: &EngineIndex, make: fn(PartyIndex) -> Reason| party_index(*index).map(make);
    match reason {
        A::InvalidPartyIndex { .. }
        | A::WrongCounterpartyCount { .. }
        | A::DuplicateCounterparty { .. }
        | A::SelfInCounterparties
        | A::MissingMulState { .. }
        | A::InvalidLocalState { .. } => Some(Reason::LocalState),
        A::MisroutedMessage { .. }
        | A::WrongMessageCount { .. }
        | A::MissingMessageFromParty { .. }
        | A::PhaseCalledOutOfOrder { .. } => Some(Reason::OutOfOrder),
        A::UnexpectedSender { sender } | A::DuplicateSender { sender } => {
            of(sender, |from| Reason::Malformed { from })
        }
        A::SessionBindingMismatch { counterparty } => of(counterparty, |from| Reason::Disagreement { from }),
        A::ProofVerificationFailed { counterparty } => of(counterparty, |from| Reason::Proof { from }),
        A::CommitmentMismatch { counterparty } | A::ZeroShareDecommitFailed { counterparty } => {
            of(counterparty, |from| Reason::Commitment { from })
        }
        A::ChainCodeCommitmentFailed { party } => of(party, |from| Reason::Commitment { from }),
        A::PolynomialInconsistency | A::MissingCommittedPoint { .. } => Some(Reason::Polynomial),
        A::TrivialInstancePoint { counterparty } => of(counterparty, |from| Reason::TrivialPoint { from }),
        A::TrivialPublicKey | A::TrivialKeyShare | A::ZeroDenominator => Some(Reason::Degenerate),
        A::OtConsistencyCheckFailed { counterparty }
        | A::MultiplicationVerificationFailed { counterparty, .. }
        | A::GammaUInconsistency { counterparty } => {
            of(counterparty, |from| Reason::ObliviousTransfer { from })
        }
        A::SignatureVerificationFailed => Some(Reason::Signature),
        A::LagrangeCoefficientFailed | A::InvalidXCoordinateHex | A::InvalidHex { .. } => None,
        // `AbortReason` is non-exhaustive: what a later engine may add is not understood here.
        _ => None,
    }
}
