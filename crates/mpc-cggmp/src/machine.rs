//! One run of the engine, a step at a time.
//!
//! The engine's protocols are futures that cannot move between threads: the progress tracer that they carry
//! is not `Send`, whether it is used or not. So each run has a thread of its own. It does nothing that its
//! owner does not wait for, and ends when its owner is dropped: seen from outside, a step is a function of
//! what went in.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::Builder;

use cggmp24::round_based::state_machine::{ProceedResult, StateMachine};
use cggmp24::round_based::{Incoming, Outgoing};
use cohold_mpc::{Fault, Reason};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::abort::Abort;

/// Room for the engine's futures, which are large where they are not optimised.
const STACK_BYTES: usize = 8 * 1024 * 1024;

/// A run of the engine that exchanges `M` and gives `O`.
pub(crate) struct Machine<M, O> {
    received: Sender<Vec<Incoming<M>>>,
    turns: Receiver<Turn<M, O>>,
}

/// Where the engine stands.
pub(crate) enum Turn<M, O> {
    /// It sends these, and waits for the same round of all others.
    Send(Vec<Outgoing<M>>),
    Done(O),
    Failed(Abort),
}

impl<M: Send + 'static, O: Send + 'static> Machine<M, O> {
    /// Begins a run on its own thread.
    pub(crate) fn start<S, E>(make: impl FnOnce() -> S + Send + 'static) -> Result<Self, Fault>
    where
        S: StateMachine<Msg = M, Output = Result<O, E>>,
        E: Debug,
    {
        let (received, inbox) = channel();
        let (outbox, turns) = channel();
        let run = move || drive(make(), &inbox, &outbox);
        let thread = Builder::new().name("cggmp24".into()).stack_size(STACK_BYTES).spawn(run);
        thread.map(|_| Self { received, turns }).map_err(|_| Fault::retry(Reason::LocalState))
    }

    /// What the engine does first.
    pub(crate) fn first(&self) -> Result<Turn<M, O>, Fault> {
        // The thread ends without a word only where the engine panicked.
        self.turns.recv().map_err(|_| Fault::freeze(Reason::Engine))
    }

    /// What it does once it has all messages of a round.
    pub(crate) fn next(&self, round: Vec<Incoming<M>>) -> Result<Turn<M, O>, Fault> {
        self.received.send(round).map_err(|_| Fault::freeze(Reason::Engine))?;
        self.first()
    }
}

/// Until the run or its owner ends.
fn drive<M, O, E: Debug>(
    mut engine: impl StateMachine<Msg = M, Output = Result<O, E>>,
    inbox: &Receiver<Vec<Incoming<M>>>,
    outbox: &Sender<Turn<M, O>>,
) {
    let (mut sent, mut waiting) = (Vec::new(), VecDeque::new());
    let last = loop {
        match engine.proceed() {
            ProceedResult::SendMsg(message) => sent.push(message),
            ProceedResult::Yielded => {}
            ProceedResult::NeedsOneMoreMessage => {
                if waiting.is_empty() {
                    // It asks for more than a round holds.
                    if sent.is_empty() {
                        break Turn::Failed(Abort::Unknown);
                    }
                    let turn = Turn::Send(std::mem::take(&mut sent));
                    let (Ok(()), Ok(round)) = (outbox.send(turn), inbox.recv()) else { return };
                    waiting.extend(round);
                }
                let Some(message) = waiting.pop_front() else { break Turn::Failed(Abort::Unknown) };
                if engine.received_msg(message).is_err() {
                    break Turn::Failed(Abort::Unknown);
                }
            }
            ProceedResult::Output(Ok(output)) => break Turn::Done(output),
            ProceedResult::Output(Err(error)) => break Turn::Failed(Abort::read(&error)),
            ProceedResult::Error(_) => break Turn::Failed(Abort::Unknown),
        }
    };
    // Nobody waits for it any more where this fails.
    drop(outbox.send(last));
}

/// The engine's source of randomness, from a seed that ours gives: its crates stand on another generation of
/// the traits, and a run outlives the loan of ours.
pub(crate) fn engine_rng(rng: &mut impl CryptoRng) -> ChaCha20Rng {
    let mut seed = Zeroizing::new([0; 32]);
    rng.fill_bytes(seed.as_mut_slice());
    ChaCha20Rng::from_seed(*seed)
}
