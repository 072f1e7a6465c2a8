//! Drives one protocol run: envelopes in, envelopes out, again when nothing comes, until it is over.

use std::time::Duration;

use cohold_model::{Engine, HexBytes};
use cohold_mpc::{Envelope, Fault};
use cohold_mpc_cggmp::Presignature;
use cohold_party::create::{Made, Making};
use cohold_party::engine::{Auxiliary, SettingUp};
use cohold_party::import::{Imported, Importing};
use cohold_party::presign::PresignRun;
use cohold_party::reshare::{Dealing, Reshared};
use cohold_party::sign::SigningRun;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

use crate::inbox::Inbox;
use crate::runtime::Post;

/// How long to wait before sending the last rounds again; doubles each time.
const RESEND_AFTER: Duration = Duration::from_millis(700);
/// The least time between two answers to peers that are behind.
const RESEND_PAUSE: Duration = Duration::from_millis(200);

/// How a run's rounds are worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// A round takes a millisecond or two, less than it costs to have another thread do it.
    Quick,
    /// On a thread of its own, which gives way a little: seconds of arithmetic that somebody waits for.
    Apart,
    /// On a thread of its own, which gives way to all others: payments that go on beside it are not slowed.
    Heavy,
    /// The same, one round at a time in this process: nobody waits for it.
    Spare,
}

/// The nice value of threads that give way (0 is usual, 19 the highest).
const GIVES_WAY: i32 = 19;
/// The same for threads that have as much to do as the others have to pay: a quarter of what those get.
const GIVES_WAY_A_LITTLE: i32 = 5;

/// Rounds that spare the others.
static SPARING: Semaphore = Semaphore::const_new(1);

/// A run of the party stair.
pub(crate) trait Run: Send + 'static {
    type Output: Send + 'static;
    fn pace(&self) -> Pace;
    fn receive(&mut self, envelope: &Envelope) -> Result<Vec<Envelope>, Fault>;
    fn resend(&self) -> Vec<Envelope>;
    fn output(&mut self) -> Option<Self::Output>;
}

impl Run for Making {
    type Output = Made;
    fn pace(&self) -> Pace {
        Pace::Heavy
    }
    fn receive(&mut self, envelope: &Envelope) -> Result<Vec<Envelope>, Fault> {
        self.receive(envelope, &mut crate::rng())
    }
    fn resend(&self) -> Vec<Envelope> {
        self.resend()
    }
    fn output(&mut self) -> Option<Made> {
        self.made()
    }
}

impl Run for Importing {
    type Output = Imported;
    fn pace(&self) -> Pace {
        Pace::Heavy
    }
    fn receive(&mut self, envelope: &Envelope) -> Result<Vec<Envelope>, Fault> {
        self.receive(envelope, &mut crate::rng())
    }
    fn resend(&self) -> Vec<Envelope> {
        self.resend()
    }
    fn output(&mut self) -> Option<Imported> {
        self.imported()
    }
}

impl Run for Dealing {
    type Output = Reshared;
    fn pace(&self) -> Pace {
        Pace::Spare
    }
    fn receive(&mut self, envelope: &Envelope) -> Result<Vec<Envelope>, Fault> {
        self.receive(envelope, &mut crate::rng())
    }
    fn resend(&self) -> Vec<Envelope> {
        self.resend()
    }
    fn output(&mut self) -> Option<Reshared> {
        self.reshared()
    }
}

impl Run for PresignRun {
    type Output = Presignature;
    fn pace(&self) -> Pace {
        Pace::Spare
    }
    fn receive(&mut self, envelope: &Envelope) -> Result<Vec<Envelope>, Fault> {
        self.receive(envelope, &mut crate::rng())
    }
    fn resend(&self) -> Vec<Envelope> {
        self.resend()
    }
    fn output(&mut self) -> Option<Presignature> {
        self.presignature()
    }
}

impl Run for SettingUp {
    type Output = Auxiliary;
    fn pace(&self) -> Pace {
        setup_pace(self.engine())
    }
    fn receive(&mut self, envelope: &Envelope) -> Result<Vec<Envelope>, Fault> {
        self.receive(envelope, &mut crate::rng())
    }
    fn resend(&self) -> Vec<Envelope> {
        self.resend()
    }
    fn output(&mut self) -> Option<Auxiliary> {
        self.auxiliary()
    }
}

impl Run for SigningRun {
    type Output = HexBytes;
    /// A round of the second engine is half a second of arithmetic where nothing was made ahead.
    fn pace(&self) -> Pace {
        if self.is_quick() { Pace::Quick } else { Pace::Apart }
    }
    fn receive(&mut self, envelope: &Envelope) -> Result<Vec<Envelope>, Fault> {
        self.receive(envelope, &mut crate::rng())
    }
    fn resend(&self) -> Vec<Envelope> {
        self.resend()
    }
    fn output(&mut self) -> Option<HexBytes> {
        self.signature()
    }
}

/// How a setup is worked on: by the second engine it is half a minute of a core.
pub(crate) fn setup_pace(engine: Engine) -> Pace {
    match engine {
        Engine::Dkls23 => Pace::Spare,
        Engine::Cggmp24 => Pace::Apart,
    }
}

/// Why a run ended without output.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error("the other parties did not answer in time")]
    Timeout,
    #[error("the session was cancelled")]
    Cancelled,
}

/// Drives `run` to its output, for at most `patience`. Returns the run as well: peers that are a
/// round behind may still need it, see [`linger`].
pub(crate) async fn drive<R: Run>(
    mut run: R,
    first: Vec<Envelope>,
    inbox: &mut Inbox,
    post: &Post,
    patience: Duration,
) -> Result<(R::Output, R), Broken> {
    let deadline = Instant::now() + patience;
    let mut pause = RESEND_AFTER;
    // Cancelled before it began, as when a ban was found while the share was opened.
    if inbox.is_closed() {
        return Err(Broken::Cancelled);
    }
    post.envelopes(first).await;
    loop {
        if let Some(output) = run.output() {
            return Ok((output, run));
        }
        // What came before the session was cancelled is not looked at any more.
        if inbox.is_closed() {
            return Err(Broken::Cancelled);
        }
        if Instant::now() >= deadline {
            return Err(Broken::Timeout);
        }
        match timeout_at(deadline.min(Instant::now() + pause), inbox.recv()).await {
            Ok(Some(envelope)) => {
                let (back, answer) = turn(run, envelope).await?;
                run = back;
                let answer = answer?;
                // Nothing leaves a session that was cancelled meanwhile: whether its checks passed is
                // no business of a party that another session has just banned.
                if !answer.is_empty() && !inbox.is_closed() {
                    pause = RESEND_AFTER;
                    post.envelopes(answer).await;
                }
            }
            Ok(None) => return Err(Broken::Cancelled),
            Err(_) => {
                post.envelopes(run.resend()).await;
                pause = pause.saturating_mul(2);
            }
        }
    }
}

type Answer = Result<Vec<Envelope>, Fault>;

async fn turn<R: Run>(mut run: R, envelope: Envelope) -> Result<(R, Answer), Broken> {
    let pace = run.pace();
    let work = move || {
        let answer = run.receive(&envelope);
        (run, answer)
    };
    at_pace(pace, work).await
}

/// Works on a round, or on what comes before the first.
pub(crate) async fn at_pace<T: Send + 'static>(
    pace: Pace,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Broken> {
    // The semaphore is never closed.
    let (_turn, nice) = match pace {
        Pace::Quick => return Ok(work()),
        Pace::Apart => (None, GIVES_WAY_A_LITTLE),
        Pace::Heavy => (None, GIVES_WAY),
        Pace::Spare => (SPARING.acquire().await.ok(), GIVES_WAY),
    };
    let (done, finished) = oneshot::channel();
    let yielding = move || {
        be_nice(nice);
        drop(done.send(work()));
    };
    let spawned = std::thread::Builder::new().name("ceremony".into()).spawn(yielding);
    spawned.map_err(|_| Broken::Cancelled)?;
    finished.await.map_err(|_| Broken::Cancelled)
}

/// Has the calling thread give way to all others, and those that it starts. Of it alone, and for good: where
/// it is refused, all are equal.
pub(crate) fn give_way() {
    be_nice(GIVES_WAY);
}

fn be_nice(nice: i32) {
    let _ = rustix::process::setpriority_process(None, nice);
}

/// Answers peers that are still a round behind, for a while.
pub(crate) async fn linger<R: Run>(run: R, inbox: &mut Inbox, post: &Post, time: Duration) {
    let end = Instant::now() + time;
    while let Ok(Some(_)) = timeout_at(end, inbox.recv()).await {
        post.envelopes(run.resend()).await;
        // Whatever came meanwhile is answered by the same envelopes.
        let _ = timeout(RESEND_PAUSE, std::future::pending::<()>()).await;
        inbox.clear();
    }
}

/// The same in the background; the session ends with it.
pub(crate) fn linger_behind<R: Run>(run: R, mut inbox: Inbox, post: Post, time: Duration) {
    tokio::spawn(async move { linger(run, &mut inbox, &post, time).await });
}
