//! Auxiliary setup: the protocol of CGGMP24, Figure 7, without its refresh of the shares, among parties that
//! hold shares already.
//!
//! | round | broadcast | to each peer |
//! |---|---|---|
//! | 1 | digest of key and committee; commitment | – |
//! | 2 | echo of the commitments | – |
//! | 3 | N, n̂, s, t with Π-prm, opening | – |
//! | 4 | – | Π-mod and Π-fac |
//! | 5 | – | confirmation, by the session |
//!
//! A failure in it costs nothing: primes and parameters are thrown away, and nobody is banned. What comes out
//! is used only if all have confirmed that every proof held.

use std::collections::BTreeMap;

use cggmp24::ExecutionId;
use cggmp24::backend::Integer;
use cggmp24::key_refresh::msg::Msg;
use cggmp24::key_share::AuxInfo;
use cggmp24::round_based::Incoming;
use cggmp24::round_based::state_machine::wrap_protocol;
use cggmp24::security_level::SecurityLevel128;
use cohold_model::canonical::{Digest, digest_parts};
use cohold_model::ids::{PartyIndex, SessionId};
use cohold_mpc::{Evidence, Fault, Inbox, Outgoing, Protocol, Reason, SessionContext, Step};
use cohold_mpc_ecdsa::Share;
use rand_core::CryptoRng;
use sha2_engine::Sha256;

use crate::auxiliary::Auxiliary;
use crate::committee::{Committee, core_share};
use crate::exchange::{self, Kinded, Kinds};
use crate::machine::{Machine, Turn, engine_rng};
use crate::parameters;
use crate::primes::SafePrimes;

type EngineMessage = Msg<Sha256, SecurityLevel128>;

/// Why a setup was not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// The share is another party's.
    #[error("the share is party `{share}`'s, the session is party `{session}`'s")]
    Index {
        /// Whose share was given.
        share: PartyIndex,
        /// Who takes part.
        session: PartyIndex,
    },
    /// A peer that the key does not know.
    #[error("party `{0}` holds no share of this key")]
    Stranger(PartyIndex),
    /// Too few to sign anything with one another.
    #[error("`{found}` parties, but `{threshold}` sign together: set the engine up among at least as many")]
    Quorum {
        /// Parties, ourselves included.
        found: usize,
        /// Signers needed.
        threshold: u8,
    },
}

/// One run of the setup at one party, with all peers of its session: the committee.
pub struct AuxiliarySetup {
    me: PartyIndex,
    key: Digest,
    session: SessionId,
    committee: Committee,
    state: State,
}

enum State {
    Fresh(SafePrimes),
    Running(Running),
    Over,
}

struct Running {
    machine: Machine<EngineMessage, AuxInfo>,
    hat_primes: [Integer; 2],
    round: u16,
    /// N of each peer, once it has opened.
    moduli: BTreeMap<u16, Integer>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Commitment,
    Echo,
    Parameters,
    Proofs,
}

impl Kinded for EngineMessage {
    type Kind = Kind;

    fn kind(&self) -> Kind {
        match self {
            Self::Round1(_) => Kind::Commitment,
            Self::ReliabilityCheck(_) => Kind::Echo,
            Self::Round2(_) => Kind::Parameters,
            Self::Round3(_) => Kind::Proofs,
        }
    }
}

impl AuxiliarySetup {
    /// A run between the holder of `share` and all peers of `context`. The primes are used up.
    pub fn new(context: &SessionContext, share: &Share, primes: SafePrimes) -> Result<Self, SetupError> {
        if share.index() != context.me {
            return Err(SetupError::Index { share: share.index(), session: context.me });
        }
        let key = share.key();
        if let Some(stranger) = context.peers.keys().find(|peer| key.public_share(**peer).is_none()) {
            return Err(SetupError::Stranger(*stranger));
        }
        let (found, threshold) = (context.peers.len() + 1, key.threshold());
        let committee = Committee::new(context.peers.keys().copied().chain([context.me]));
        if found < usize::from(threshold) || core_share(share, &committee).is_none() {
            return Err(SetupError::Quorum { found, threshold });
        }
        let (me, session) = (context.me, context.session);
        Ok(Self { me, key: key.digest(), session, committee, state: State::Fresh(primes) })
    }

    /// Names the key, its shares and the committee: whoever means another one is told apart at once.
    fn about(&self) -> Digest {
        digest_parts("cohold/cggmp24/setup/about/v1", &[&self.key.0, &self.committee.points()])
    }

    fn begin(&mut self, primes: SafePrimes, rng: &mut impl CryptoRng) -> Result<Outgoing, Fault> {
        let local = || Fault::retry(Reason::LocalState);
        let (pregenerated, hat_primes) = primes.into_engine().ok_or_else(local)?;
        let number = self.committee.number(self.me).ok_or_else(local)?;
        let parties = self.committee.len();
        let parts: [&[u8]; 2] = [&self.about().0, &self.session.0.0];
        let id = digest_parts("cohold/cggmp24/setup/v1", &parts);
        let mut rng = engine_rng(rng);
        let machine = Machine::start(move || {
            wrap_protocol(move |party| async move {
                let id = ExecutionId::new(&id.0);
                let run = cggmp24::aux_info_gen::<SecurityLevel128>(id, number, parties, pregenerated);
                run.start(&mut rng, party).await
            })
        })?;
        match machine.first()? {
            Turn::Send(messages) => {
                self.state =
                    State::Running(Running { machine, hat_primes, round: 1, moduli: BTreeMap::new() });
                exchange::outgoing(messages, &self.committee, &self.about().0)
            }
            Turn::Done(_) | Turn::Failed(_) => Err(Fault::freeze(Reason::Engine)),
        }
    }

    fn step(&mut self, mut running: Running, inbox: &Inbox) -> Result<Step<Auxiliary>, Fault> {
        let messages = self.messages(&mut running, inbox)?;
        match running.machine.next(messages)? {
            Turn::Send(messages) => {
                let round = running.round + 1;
                self.state = State::Running(Running { round, ..running });
                exchange::outgoing(messages, &self.committee, &[]).map(Step::Send)
            }
            Turn::Done(info) => {
                let committee = self.committee.clone();
                let auxiliary = Auxiliary::new(self.me, self.key, committee, info, running.hat_primes);
                auxiliary.map(Step::Done).ok_or_else(|| Fault::freeze(Reason::Engine))
            }
            Turn::Failed(abort) => {
                let evidence = |from, round, reason| {
                    let (session, message) = (self.session, inbox.digest(from));
                    Evidence { session, round, message, reason }
                };
                Err(abort.fault(&self.committee, evidence))
            }
        }
    }

    /// The messages of a round, looked through.
    fn messages(&self, running: &mut Running, inbox: &Inbox) -> Result<Vec<Incoming<EngineMessage>>, Fault> {
        let (broadcast, direct) = match running.round {
            1 => (Some(Kind::Commitment), None),
            2 => (Some(Kind::Echo), None),
            3 => (Some(Kind::Parameters), None),
            _ => (None, Some(Kind::Proofs)),
        };
        let broadcasts = match running.round {
            1 => exchange::broadcasts_behind(inbox, &self.about().0)?,
            _ => exchange::broadcasts(inbox),
        };
        let kinds = Kinds { broadcast, direct };
        let messages = exchange::incoming::<EngineMessage>(inbox, &broadcasts, &self.committee, &kinds)?;
        for message in &messages {
            if !running.is_sound(message) {
                let from = self.committee.party(message.sender);
                let from = from.ok_or_else(|| Fault::freeze(Reason::Engine))?;
                return Err(Fault::retry(Reason::Parameters { from }));
            }
        }
        Ok(messages)
    }
}

impl Running {
    /// What we check of another's parameters and proofs before the engine does.
    fn is_sound(&mut self, message: &Incoming<EngineMessage>) -> bool {
        match &message.msg {
            Msg::Round2(opening) => {
                self.moduli.insert(message.sender, opening.N.clone());
                [&opening.N, &opening.hat_N].iter().all(|n| parameters::is_modulus(n))
                    && opening.N != opening.hat_N
                    && parameters::are_bases(&opening.hat_N, &opening.s, &opening.t)
            }
            Msg::Round3(proofs) => {
                let n = self.moduli.get(&message.sender);
                n.is_some_and(|n| parameters::is_non_residue(&proofs.mod_proof.commitment.w, n))
            }
            Msg::Round1(_) | Msg::ReliabilityCheck(_) => true,
        }
    }
}

impl Protocol for AuxiliarySetup {
    type Output = Auxiliary;
    /// A party whose proofs did not convince somebody is told so, and nobody keeps anything.
    const CONFIRMED: bool = true;

    fn start(&mut self, rng: &mut impl CryptoRng) -> Result<Step<Auxiliary>, Fault> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Fresh(primes) => self.begin(primes, rng).map(Step::Send),
            State::Running(_) | State::Over => Err(Fault::retry(Reason::OutOfOrder)),
        }
    }

    fn round(&mut self, inbox: Inbox, _: &mut impl CryptoRng) -> Result<Step<Auxiliary>, Fault> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Running(running) => self.step(running, &inbox),
            State::Fresh(_) | State::Over => Err(Fault::retry(Reason::OutOfOrder)),
        }
    }
}
