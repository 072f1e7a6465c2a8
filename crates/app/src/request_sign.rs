//! An approved request is signed: one session after the other, each counted durably before its order
//! leaves, until there is a signature, a refusal, or no time left.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cohold_api::RequestView;
use cohold_model::receipt::Status;
use cohold_model::{Engine, IdentityKey, PartyIndex, PartyName, RequestId, SessionId};
use cohold_party::Refusal;
use cohold_party::refusal::Code;
use cohold_party::wire::{SignOrder, ToParty};
use cohold_store::crash_point;
use cohold_store::server::{RequestRow, Turn};
use tokio::sync::{broadcast, mpsc};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::charters::InForce;
use crate::coordinator::{Coordinator, lock};
use crate::error::Error;
use crate::signers::{Hindrances, choose, possible};

/// The most sessions for one request.
pub const ATTEMPTS_MAX: u32 = 5;
/// How long one session may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);
/// The same by the second engine.
const ATTEMPT_TIMEOUT_HEAVY: Duration = Duration::from_secs(70);
/// The pause after the first session that broke off; it doubles each time.
const BACKOFF_FIRST: Duration = Duration::from_millis(250);
/// How long to wait for an earlier request that may be approved yet.
const TURN_PAUSE: Duration = Duration::from_millis(100);
/// How often to look for missing signers when none says hello.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// The most words that wait for one request.
const WORDS_WAITING_MAX: usize = 64;
/// The longest reason that is kept of a party's words.
const REASON_LENGTH_MAX: usize = 400;

/// Requests that are being signed, and where their parties' words go.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<HashMap<RequestId, Talk>>);

#[derive(Debug)]
struct Talk {
    words: mpsc::Sender<Word>,
    /// Whoever holds this looks at a signature.
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// What a party says about a session, or that a signature came.
#[derive(Debug)]
pub(crate) enum Word {
    /// A signature was stored: nothing is left to ask for.
    Signed,
    Refused {
        by: IdentityKey,
        session: SessionId,
        refusal: Refusal,
    },
    Broken {
        by: IdentityKey,
        session: SessionId,
        reason: String,
        banned: Vec<PartyIndex>,
    },
}

/// How a session ended.
enum Ended {
    /// With a signature, which is stored.
    Signed,
    /// A party will never sign this.
    Refused(String),
    /// Without either; another session may do better.
    Broken(String),
}

/// One request on its way to a signature.
struct Signing {
    coordinator: Arc<Coordinator>,
    charter: Arc<InForce>,
    words: mpsc::Receiver<Word>,
    hindrances: Hindrances,
    /// Parties that said they do not know the charter, and were sent it.
    reminded: BTreeSet<PartyIndex>,
    backoff: Duration,
}

impl Coordinator {
    /// Has an approved request signed in the background, unless that is under way. `approved` is its row,
    /// from whoever has just approved it.
    pub(crate) fn sign_begin(self: &Arc<Self>, request: RequestId, approved: Option<RequestRow>) {
        let Some(words) = self.sessions.open(request) else { return };
        let this = Arc::clone(self);
        self.spawn(async move {
            if let Err(error) = this.sign(request, words, approved).await {
                let detail = error.internal();
                tracing::error!(%request, %error, detail, "signing was cut off; a restart takes it up");
            }
            this.sessions.close(request);
        });
    }

    async fn sign(
        self: &Arc<Self>,
        request: RequestId,
        words: mpsc::Receiver<Word>,
        approved: Option<RequestRow>,
    ) -> Result<(), Error> {
        let begun = approved.as_ref().is_some_and(|row| row.attempt > 0);
        let row = match approved {
            Some(row) => row,
            None => match self.looked(|store| store.request_show(request))? {
                Some(row) => row,
                None => return Ok(()),
            },
        };
        let charter = self.charter(row.intent.account)?;
        let mut signing = Signing {
            coordinator: Arc::clone(self),
            charter,
            words,
            hindrances: Hindrances::default(),
            reminded: BTreeSet::new(),
            backoff: BACKOFF_FIRST,
        };
        // The session that was counted with the approval; no other can have been meanwhile.
        if begun && !signing.attempt(row).await? {
            return Ok(());
        }
        while let Some(row) = self.looked(|store| store.request_show(request))? {
            if row.status != Status::Approved || !signing.step(row).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Gives up a request that nobody approved; its nonce is free at once.
    pub async fn request_cancel(&self, request: RequestId) -> Result<RequestView, Error> {
        let row = self.looked(|store| store.request_show(request))?;
        let row = row.ok_or(Error::RequestUnknown(request))?;
        if row.status != Status::Pending {
            return Err(Error::RequestNotPending { request, status: row.status });
        }
        self.request_end(request, Status::Refused, "given up by whoever asked for it".into()).await?;
        self.request_show(request).await
    }

    /// Ends a request that was not signed; its nonce is free again.
    pub(crate) async fn request_end(
        &self,
        request: RequestId,
        status: Status,
        reason: String,
    ) -> Result<(), Error> {
        let now = self.now();
        tracing::info!(%request, %status, reason, "request ended");
        self.stored(move |store| store.request_end(request, status, &reason, now)).await?;
        self.bells.ring(request);
        if let Some(row) = self.looked(|store| store.request_show(request))? {
            self.bells.ring(row.intent.account);
        }
        crash_point!("server.request-ended");
        Ok(())
    }
}

impl Signing {
    /// One session, or the end. Whether to go on.
    async fn step(&mut self, mut row: RequestRow) -> Result<bool, Error> {
        let (app, request) = (Arc::clone(&self.coordinator), row.intent.request);
        let charter = app.charter(row.intent.account)?;
        if charter.document.digest() != self.charter.document.digest() {
            // The account came to its next epoch, and the request was approved anew: other points, other
            // parties, nothing is known of them yet.
            (self.charter, self.hindrances) = (charter, Hindrances::default());
            self.reminded.clear();
        }
        if row.intent.expires_at <= app.now() {
            let why = row.reason.as_deref().unwrap_or("the signers did not come together in time");
            app.request_end(request, Status::Expired, why.into()).await?;
            return Ok(false);
        }
        if row.attempt >= ATTEMPTS_MAX {
            let last = row.reason.as_deref().unwrap_or("no answer");
            let reason = format!("{ATTEMPTS_MAX} signing sessions broke off, the last: {last}");
            app.request_end(request, Status::Refused, reason).await?;
            return Ok(false);
        }
        if row.attempt == 0 {
            let (now, account) = (app.now(), row.intent.account);
            // Heard from here on, so that no approval between the look and the wait is missed.
            let bell = app.bells.hear(account);
            match app.looked(|store| store.request_turn(request, now))? {
                Turn::Now => {}
                Turn::Later => {
                    // Whether it rang or the time is over, the next look decides.
                    let _ = timeout(TURN_PAUSE, bell).await;
                    return Ok(true);
                }
                Turn::Lost => {
                    let reason = "an earlier request gave up its place in the account's order: ask again";
                    app.request_end(request, Status::Expired, reason.into()).await?;
                    return Ok(false);
                }
            }
        }
        let Some(signers) = self.signers(&row).await? else { return Ok(false) };
        let Some(signers) = signers else { return Ok(true) };
        let attempt = row.attempt.saturating_add(1);
        let (now, noted) = (app.now(), signers.clone());
        let counted = app.stored(move |store| store.request_attempt(request, attempt, &noted, now)).await?;
        crash_point!("server.attempt");
        if !counted {
            return Ok(false);
        }
        (row.attempt, row.signers) = (attempt, signers);
        self.attempt(row).await
    }

    /// The session that the row counts. Whether to go on.
    async fn attempt(&mut self, row: RequestRow) -> Result<bool, Error> {
        let (app, request, attempt) = (Arc::clone(&self.coordinator), row.intent.request, row.attempt);
        // Only the first session: where it does not help, the next goes without. Never under a derived key.
        let fits = attempt == 1 && row.intent.path.is_root();
        let presignature =
            if fits { app.presignature_take(&self.charter.document, &row.signers) } else { None };
        let (account, signers) = (row.intent.account, row.signers.clone());
        let order = SignOrder {
            charter: self.charter.document.digest(),
            intent: row.intent,
            plan: row.plan,
            approvals: row.approvals,
            signers: row.signers,
            attempt,
            presignature,
        };
        match self.session(order).await {
            Ended::Signed => {
                app.presign_more(&self.charter.document, &signers).await;
                Ok(false)
            }
            Ended::Refused(_) if self.is_past()? => Ok(true),
            Ended::Refused(reason) => {
                app.request_end(request, Status::Refused, reason).await?;
                Ok(false)
            }
            Ended::Broken(reason) if presignature.is_some() => {
                tracing::info!(%request, reason, "not signed by a presignature");
                app.presignatures_forget(account, &signers);
                Ok(true)
            }
            Ended::Broken(reason) => {
                tracing::info!(%request, attempt, reason, "signing session broke off");
                let now = app.now();
                app.stored(move |store| store.request_note(request, &reason, now)).await?;
                if attempt < ATTEMPTS_MAX {
                    sleep(self.backoff).await;
                    self.backoff = self.backoff.saturating_mul(2);
                }
                Ok(true)
            }
        }
    }

    /// Who signs next: those of before where nothing hinders them, or others who are there.
    /// Outer none: the request ended; inner none: some were waited for, look again.
    async fn signers(&mut self, row: &RequestRow) -> Result<Option<Option<Vec<PartyIndex>>>, Error> {
        let app = &self.coordinator;
        let terms = &self.charter.document.terms;
        let first = approver(row);
        if !possible(terms, first, &self.hindrances) {
            let last = row.reason.as_deref().unwrap_or("unknown");
            let reason = format!("no {} parties sign together any more: {last}", terms.threshold);
            app.request_end(row.intent.request, Status::Refused, reason).await?;
            return Ok(None);
        }
        let there: Vec<PartyIndex> =
            terms.indexed().map(|(index, _)| index).filter(|index| app.is_there(terms, *index)).collect();
        let before = &row.signers;
        if before.iter().all(|index| there.contains(index)) && self.hindrances.allow(before) {
            return Ok(Some(Some(before.clone())));
        }
        // Whoever named the signers meant these; others step in only where these cannot any more.
        let others = if self.hindrances.allow(before) && row.attempt == 0 {
            None
        } else {
            choose(terms, first, &self.hindrances, |index| there.contains(&index))
        };
        if others.is_none() {
            let mut hellos = app.hellos();
            // Either way the next look decides.
            let _ = tokio::time::timeout(LOOK_AGAIN, hellos.recv()).await;
        }
        Ok(Some(others))
    }

    /// One session: orders out, words in.
    async fn session(&mut self, order: SignOrder) -> Ended {
        let session = order.session();
        let timeout = match (self.charter.document.engine, order.presignature) {
            (Engine::Dkls23, _) | (Engine::Cggmp24, Some(_)) => ATTEMPT_TIMEOUT,
            (Engine::Cggmp24, None) => ATTEMPT_TIMEOUT_HEAVY,
        };
        let deadline = Instant::now() + timeout;
        let mut hellos = self.coordinator.hellos();
        for index in &order.signers {
            self.send(*index, &order).await;
        }
        loop {
            tokio::select! {
                word = timeout_at(deadline, self.words.recv()) => match word {
                    Ok(Some(Word::Signed)) => return Ended::Signed,
                    Ok(Some(word)) => if let Some(ended) = self.weigh(word, session, &order).await {
                        return ended;
                    },
                    Ok(None) => return Ended::Broken("the coordinator is stopping".into()),
                    Err(_) => return Ended::Broken("the signers did not answer in time".into()),
                },
                hello = hellos.recv() => self.send_again(hello, &order).await,
            }
        }
    }

    /// A signer that came back may have lost its session or never had it: it gets the order again,
    /// and either joins or says that the session is over.
    async fn send_again(&self, hello: Result<IdentityKey, broadcast::error::RecvError>, order: &SignOrder) {
        let Ok(identity) = hello else { return };
        if let Some((index, _)) = self.charter.document.terms.party_by_identity(&identity)
            && order.signers.contains(&index)
        {
            self.send(index, order).await;
        }
    }

    /// Whether the account came to its next epoch since.
    fn is_past(&self) -> Result<bool, Error> {
        let current = self.coordinator.charter(self.charter.document.terms.account)?;
        Ok(current.document.digest() != self.charter.document.digest())
    }

    /// Hands a party the charter in force, or all that brought the account to it.
    async fn remind(&self, party: &IdentityKey) {
        let last = self.coordinator.reshare_last(&self.charter.document).await;
        let words =
            last.ok().flatten().unwrap_or_else(|| ToParty::Charter { charter: self.charter.signed() });
        self.coordinator.tell(party, &words).await;
    }

    async fn send(&self, index: PartyIndex, order: &SignOrder) {
        if let Some(card) = self.charter.document.terms.party_at(index) {
            self.coordinator.tell(&card.identity, &ToParty::Sign(Box::new(order.clone()))).await;
        }
    }

    /// What a party's word means for this session; none if nothing.
    async fn weigh(&mut self, word: Word, session: SessionId, order: &SignOrder) -> Option<Ended> {
        let (by, of) = match &word {
            Word::Signed => return Some(Ended::Signed),
            Word::Refused { by, session, .. } | Word::Broken { by, session, .. } => (by, *session),
        };
        let (index, card) = self.charter.document.terms.party_by_identity(by)?;
        if of != session || !order.signers.contains(&index) {
            return None;
        }
        let name = card.party.clone();
        Some(match word {
            Word::Signed => Ended::Signed,
            Word::Broken { reason, banned, .. } => {
                self.hindrances.ban(index, banned);
                Ended::Broken(said(&name, &reason))
            }
            Word::Refused { by, refusal, .. } => {
                let why = said(&name, &refusal.message);
                match refusal.code {
                    Code::Banned => {
                        self.hindrances.rule_out(&order.signers);
                        Ended::Broken(why)
                    }
                    // The charter was on its way to a party that was away; it is sent once more.
                    Code::Charter if self.reminded.insert(index) => {
                        self.remind(&by).await;
                        Ended::Broken(why)
                    }
                    // A session that was used, or a party that is busy: another session may do.
                    Code::Order | Code::Unavailable | Code::Presignature => Ended::Broken(why),
                    Code::Charter
                    | Code::Approval
                    | Code::Expired
                    | Code::Payload
                    | Code::Mismatch
                    | Code::Rules
                    | Code::Limit
                    | Code::Nonce
                    | Code::RedLine
                    | Code::Consent
                    | Code::Change => Ended::Refused(why),
                }
            }
        })
    }
}

impl Sessions {
    /// Where words about this request come; none if somebody listens already.
    fn open(&self, request: RequestId) -> Option<mpsc::Receiver<Word>> {
        let mut sessions = lock(&self.0);
        if sessions.contains_key(&request) {
            return None;
        }
        let (words, receiver) = mpsc::channel(WORDS_WAITING_MAX);
        sessions.insert(request, Talk { words, turn: Arc::default() });
        Some(receiver)
    }

    fn close(&self, request: RequestId) {
        lock(&self.0).remove(&request);
    }

    /// Passes a word on. Words that nobody waits for, or that come in floods, are dropped.
    pub(crate) fn tell(&self, request: RequestId, word: Word) {
        if let Some(talk) = lock(&self.0).get(&request) {
            drop(talk.words.try_send(word));
        }
    }

    /// For whoever has a signature of this request to look at; none while it is not being signed.
    pub(crate) fn turn(&self, request: RequestId) -> Option<Arc<tokio::sync::Mutex<()>>> {
        lock(&self.0).get(&request).map(|talk| Arc::clone(&talk.turn))
    }
}

fn approver(row: &RequestRow) -> &PartyName {
    row.approvals.first().map_or(&row.intent.requester, |approval| &approval.document.approver)
}

fn said(name: &PartyName, reason: &str) -> String {
    let words: String = reason.chars().filter(|c| !c.is_control()).take(REASON_LENGTH_MAX).collect();
    format!("`{name}`: {words}")
}
