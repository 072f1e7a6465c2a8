//! Presigning: exactly t parties do all of a signature but its last step, before it is known what is signed;
//! Figure 8 of CGGMP24.
//!
//! | round | broadcast | to each peer |
//! |---|---|---|
//! | 1 | by whom, with which data; the lowest number free here; K, G and their commitments | Π-enc-elg |
//! | 2 | echo of the ciphertexts | – |
//! | 3 | – | Γ, the multiplications, Π-aff-g, Π-elog |
//! | 4 | δ, S, Δ, Π-elog | – |
//! | 5 | confirmation that all saw the same broadcasts | – |
//!
//! The number of what comes out is the highest that any of them wants: whoever was put back to an old state
//! is taken along past all that the others know of.

use std::collections::{BTreeMap, BTreeSet};

use cggmp24::ExecutionId;
use cggmp24::key_share::KeyShare;
use cggmp24::round_based::Incoming;
use cggmp24::round_based::state_machine::wrap_protocol;
use cggmp24::signing::{Presignature as EnginePresignature, PresignaturePublicData};
use cggmp24::supported_curves::Secp256k1;
use cohold_model::canonical::{Digest, digest_parts};
use cohold_model::ids::{AccountId, Epoch, PartyIndex, PresignatureIndex, SessionId};
use cohold_mpc::{Evidence, Fault, Inbox, Outgoing, Protocol, Reason, SessionContext, Step};
use cohold_mpc_ecdsa::{Share, SigningError};
use rand_core::CryptoRng;

use crate::auxiliary::Auxiliary;
use crate::committee::{Committee, core_share};
use crate::exchange::{self, Kinds};
use crate::machine::{Machine, Turn, engine_rng};
use crate::proofs::Verifier;
use crate::signing::{EngineMessage, Kind};

type EngineKey = KeyShare<Secp256k1>;
pub(crate) type Secret = EnginePresignature<Secp256k1>;
pub(crate) type Public = PresignaturePublicData<Secp256k1>;
type Made = (Secret, Public);

/// All of a signature of one party but its last step, for one message, whichever that will be. **Two
/// messages by one presignature give the share away**: it has no bytes, no copy, and
/// [`OnlineSigning`](crate::OnlineSigning) takes it by value. Its secrets are wiped on drop.
///
/// It signs a message and no hash (CVE-2025-66017, ePrint 2021/1330), under the account's own key and none
/// that is derived from it: no function here takes a path.
///
/// ```compile_fail
/// fn twice(presignature: cohold_mpc_cggmp::Presignature) {
///     let copy = presignature.clone();
/// }
/// ```
pub struct Presignature {
    pub(crate) index: PresignatureIndex,
    pub(crate) account: AccountId,
    pub(crate) epoch: Epoch,
    pub(crate) signers: Committee,
    pub(crate) me: PartyIndex,
    pub(crate) public_key: [u8; 33],
    /// Names it: the same at all its parties, and different for any two.
    pub(crate) name: Digest,
    pub(crate) secret: Secret,
    pub(crate) public: Public,
}

impl Presignature {
    /// Its number among those of its signers in this epoch.
    #[must_use]
    pub fn index(&self) -> PresignatureIndex {
        self.index
    }

    /// The account that it signs for.
    #[must_use]
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// The parties that sign by it together, in order.
    pub fn signers(&self) -> impl Iterator<Item = PartyIndex> {
        self.signers.parties().iter().copied()
    }
}

impl std::fmt::Debug for Presignature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Presignature({} of {:?})", self.index, self.signers.parties())
    }
}

/// One run of presigning at one party.
pub struct Presigning {
    context: SessionContext,
    /// The lowest number that is free at this party; after round 1, at all of them.
    index: PresignatureIndex,
    public_key: [u8; 33],
    /// Names by whom it is made, with which shares and data.
    about: Digest,
    signers: Committee,
    /// The signers' numbers in the committee of the data.
    numbers: Vec<u16>,
    verifier: Verifier,
    me: u16,
    state: State,
}

enum State {
    Fresh(Box<EngineKey>),
    Running(Running),
    Over,
}

struct Running {
    machine: Machine<EngineMessage, Made>,
    round: u16,
    /// Digests of what came, by round, for evidence.
    seen: BTreeMap<(u16, PartyIndex), Digest>,
}

impl Presigning {
    /// A run among the holder of `share` and all peers of `context`, who together must be exactly the
    /// threshold and of the committee of `auxiliary`, none of them `banned`. `free` is the lowest number that
    /// this party never used nor saw used among these signers.
    pub fn new(
        context: &SessionContext,
        share: &Share,
        auxiliary: &Auxiliary,
        banned: &BTreeSet<PartyIndex>,
        free: PresignatureIndex,
    ) -> Result<Self, SigningError> {
        let signers = Committee::new(context.peers.keys().copied().chain([context.me]));
        if let Some(party) = signers.parties().iter().find(|party| banned.contains(party)) {
            return Err(SigningError::Banned(*party));
        }
        if share.index() != context.me {
            return Err(SigningError::Index { share: share.index(), session: context.me });
        }
        let (found, threshold) = (signers.parties().len(), share.key().threshold());
        if found != usize::from(threshold) {
            return Err(SigningError::Quorum { found, threshold });
        }
        if !auxiliary.belongs_to(share) {
            return Err(SigningError::Foreign);
        }
        let number =
            |party: &PartyIndex| auxiliary.members().number(*party).ok_or(SigningError::Unpaired(*party));
        let numbers = signers.parties().iter().map(number).collect::<Result<Vec<_>, _>>()?;
        let core = core_share(share, auxiliary.members()).ok_or(SigningError::Foreign)?;
        let key = EngineKey::from_parts((core, auxiliary.info().clone()));
        let key = key.map_err(|_| SigningError::Foreign)?;
        let me = signers.number(context.me).ok_or(SigningError::Foreign)?;
        let parts: [&[u8]; 2] = [&auxiliary.digest().0, &signers.points()];
        let about = digest_parts("cohold/cggmp24/presigning/about/v1", &parts);
        let id = digest_parts("cohold/cggmp24/presigning/v1", &[&about.0, &context.session.0.0]);
        let verifier = Verifier::new(id, auxiliary, context.me, &signers).ok_or(SigningError::Foreign)?;
        let (context, public_key) = (context.clone(), share.key().public_key());
        let state = State::Fresh(Box::new(key));
        Ok(Self { context, index: free, public_key, about, signers, numbers, verifier, me, state })
    }

    fn begin(&mut self, key: EngineKey, rng: &mut impl CryptoRng) -> Result<Outgoing, Fault> {
        let id = self.verifier.id();
        let (me, numbers, mut rng) = (self.me, self.numbers.clone(), engine_rng(rng));
        let machine = Machine::start(move || {
            wrap_protocol(move |party| async move {
                let run = cggmp24::signing(ExecutionId::new(&id.0), me, &numbers, &key);
                run.generate_presignature(&mut rng, party).await
            })
        })?;
        match machine.first()? {
            Turn::Send(messages) => {
                self.state = State::Running(Running { machine, round: 1, seen: BTreeMap::new() });
                let prefix = [&self.about.0[..], &self.index.get().to_be_bytes()].concat();
                exchange::outgoing(messages, &self.signers, &prefix)
            }
            Turn::Done(_) | Turn::Failed(_) => Err(Fault::freeze(Reason::Engine)),
        }
    }

    fn step(&mut self, mut running: Running, inbox: &Inbox) -> Result<Step<Presignature>, Fault> {
        running.seen.extend(inbox.peers().map(|from| ((running.round, from), inbox.digest(from))));
        let messages = self.messages(running.round, inbox)?;
        let evidence = |from, round, reason| {
            let message = running.seen.get(&(round, from)).copied();
            let message = message.unwrap_or_else(|| inbox.digest(from));
            Evidence { session: self.context.session, round, message, reason }
        };
        if let Some(abort) = self.verifier.check(&messages) {
            return Err(abort.fault(&self.signers, evidence));
        }
        match running.machine.next(messages)? {
            Turn::Send(messages) => {
                running.round += 1;
                self.state = State::Running(running);
                exchange::outgoing(messages, &self.signers, &[]).map(Step::Send)
            }
            Turn::Done((secret, public)) => self.made(secret, public).map(Step::Done),
            Turn::Failed(abort) => Err(abort.fault(&self.signers, evidence)),
        }
    }

    /// The messages of a round, looked through.
    fn messages(&mut self, round: u16, inbox: &Inbox) -> Result<Vec<Incoming<EngineMessage>>, Fault> {
        let (broadcast, direct) = match round {
            1 => (Some(Kind::Ciphertexts), Some(Kind::CiphertextProofs)),
            2 => (Some(Kind::Echo), None),
            3 => (None, Some(Kind::Multiplication)),
            _ => (Some(Kind::Inversion), None),
        };
        let broadcasts = match round {
            1 => self.agree(exchange::broadcasts_behind(inbox, &self.about.0)?)?,
            _ => exchange::broadcasts(inbox),
        };
        exchange::incoming(inbox, &broadcasts, &self.signers, &Kinds { broadcast, direct })
    }

    /// Takes the number that stands before each broadcast; the highest counts.
    fn agree<'a>(
        &mut self,
        broadcasts: BTreeMap<PartyIndex, &'a [u8]>,
    ) -> Result<BTreeMap<PartyIndex, &'a [u8]>, Fault> {
        let mut rest = BTreeMap::new();
        for (from, bytes) in broadcasts {
            let malformed = || Fault::retry(Reason::Malformed { from });
            let (free, message) = bytes.split_first_chunk().ok_or_else(malformed)?;
            let free = PresignatureIndex::try_from(u64::from_be_bytes(*free)).map_err(|_| malformed())?;
            self.index = self.index.max(free);
            rest.insert(from, message);
        }
        Ok(rest)
    }

    fn made(&self, secret: Secret, public: Public) -> Result<Presignature, Fault> {
        if public.commitments.len() != self.signers.parties().len() {
            return Err(Fault::freeze(Reason::Engine));
        }
        let SessionContext { account, epoch, session, me, .. } = self.context;
        Ok(Presignature {
            index: self.index,
            account,
            epoch,
            signers: self.signers.clone(),
            me,
            public_key: self.public_key,
            name: self.name(session, &public),
            secret,
            public,
        })
    }

    fn name(&self, session: SessionId, public: &Public) -> Digest {
        let index = self.index.get().to_be_bytes();
        let gamma = public.Gamma.to_bytes(true);
        let points = public.commitments.iter().flat_map(|of| [of.tilde_Delta, of.tilde_S]);
        let points: Vec<_> = points.map(|point| point.to_bytes(true)).collect();
        let mut parts: Vec<&[u8]> = vec![&self.about.0, &session.0.0, &index, &gamma];
        parts.extend(points.iter().map(|point| point.as_bytes()));
        digest_parts("cohold/cggmp24/presignature/v1", &parts)
    }
}

impl Protocol for Presigning {
    type Output = Presignature;
    /// The commitments of round 4 enter it, and later name whose part of a signature is wrong.
    const CONFIRMED: bool = true;

    fn start(&mut self, rng: &mut impl CryptoRng) -> Result<Step<Presignature>, Fault> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Fresh(key) => self.begin(*key, rng).map(Step::Send),
            State::Running(_) | State::Over => Err(Fault::retry(Reason::OutOfOrder)),
        }
    }

    fn round(&mut self, inbox: Inbox, _: &mut impl CryptoRng) -> Result<Step<Presignature>, Fault> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Running(running) => self.step(running, &inbox),
            State::Fresh(_) | State::Over => Err(Fault::retry(Reason::OutOfOrder)),
        }
    }
}
