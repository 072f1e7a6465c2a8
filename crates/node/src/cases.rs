//! The cases that a party knows, in memory: whatever a payment asks of them costs no look at the disk. Where
//! there are none, which is the usual, there is nothing to look at.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cohold_model::account::Terms;
use cohold_model::case::Sentence;
use cohold_model::charter::Charter;
use cohold_model::{AccountId, Case, Digest, IdentityKey, PartyIndex, Signed};
use cohold_party::Refusal;
use cohold_party::refusal::Code;
use cohold_store::party::{CaseRow, NewCase};
use tokio::sync::{OnceCell, oneshot};

use crate::keeper::KeepError;

/// For how long nobody waits for a peer that did not answer.
const SILENT: Duration = Duration::from_secs(60);
/// The most questions that wait for answers.
const QUESTIONS_MAX: usize = 4096;

/// Where a party keeps cases. All calls block until what they say is durable.
pub trait Cases: Send + Sync {
    /// The account's charter in force, as all signed it.
    fn charter(&self, account: AccountId) -> Result<Signed<Charter>, KeepError>;
    /// Bans a party from a key, for ever, and keeps the case for it, in one step.
    fn ban_with(
        &self,
        account: AccountId,
        party: PartyIndex,
        evidence: &str,
        case: Option<NewCase<'_>>,
        now: u64,
    ) -> Result<(), KeepError>;
    /// Keeps a case that bans nobody here.
    fn case_add(&self, case: NewCase<'_>, now: u64) -> Result<(), KeepError>;
    /// Notes that a peer keeps a case of this party's.
    fn case_kept(&self, notice: &Digest, peer: &IdentityKey, now: u64) -> Result<(), KeepError>;
    /// All cases that still speak of parties of today.
    fn cases_open(&self) -> Result<Vec<CaseRow>, KeepError>;
}

/// A case, and who else has it.
#[derive(Debug, Clone)]
struct Known {
    notice: Digest,
    case: Arc<Case>,
    finder: IdentityKey,
    offender: IdentityKey,
    kept_by: HashSet<IdentityKey>,
}

impl Known {
    fn of(row: CaseRow) -> Option<Self> {
        let (finder, offender) = (row.case.finder()?.identity, row.case.offender()?.identity);
        let (kept_by, case) = (row.kept_by.into_iter().collect(), Arc::new(row.case));
        Some(Self { notice: row.notice, case, finder, offender, kept_by })
    }
}

/// A question to all peers of an account, and whose answers are still waited for.
struct Question {
    awaited: HashSet<IdentityKey>,
    answered: oneshot::Sender<()>,
}

/// What a party knows of cases, and asks about them.
pub(crate) struct Casebook {
    me: IdentityKey,
    known: Mutex<HashMap<AccountId, Vec<Known>>>,
    asked: Mutex<HashMap<AccountId, Arc<OnceCell<()>>>>,
    questions: Mutex<HashMap<Digest, Question>>,
    silent: Mutex<HashMap<IdentityKey, Instant>>,
}

impl Casebook {
    /// An empty one, of the party with this identity.
    pub(crate) fn new(me: IdentityKey) -> Self {
        let (known, asked, questions, silent) = Default::default();
        Self { me, known, asked, questions, silent }
    }

    /// Takes in what the store has, in place of what was known.
    pub(crate) fn load(&self, rows: Vec<CaseRow>) {
        let mut all: HashMap<AccountId, Vec<Known>> = HashMap::new();
        for row in rows {
            let account = row.case.notice.document.account;
            if let Some(known) = Known::of(row) {
                all.entry(account).or_default().push(known);
            }
        }
        *lock(&self.known) = all;
    }

    /// Whether a notice is known.
    pub(crate) fn knows(&self, account: AccountId, notice: &Digest) -> bool {
        lock(&self.known).get(&account).is_some_and(|known| known.iter().any(|it| it.notice == *notice))
    }

    /// Why these signers never sign together, by what one of them said itself; the usual is that nobody said
    /// anything. A finder's word binds the finder, so a false one stops nobody else.
    pub(crate) fn bars(&self, terms: &Terms, signers: &[PartyIndex]) -> Option<Refusal> {
        let known = lock(&self.known);
        let known = known.get(&terms.account)?;
        let signs = |key: &IdentityKey| {
            let (index, card) = terms.party_by_identity(key)?;
            signers.contains(&index).then_some(&card.party)
        };
        let barred = |it: &Known| {
            let (finder, offender) = (signs(&it.finder)?, signs(&it.offender)?);
            Some(match it.case.notice.document.sentence {
                Sentence::Ban(_) => format!(
                    "`{finder}` has banned `{offender}` for this key and signed that: sign with others and reshare it out"
                ),
                Sentence::Freeze => format!(
                    "`{finder}` has frozen its key and signed that: sign with others and reshare it out"
                ),
            })
        };
        known.iter().find_map(barred).map(|message| Refusal::new(Code::Banned, message))
    }

    /// What a peer once signed.
    pub(crate) fn of(&self, account: AccountId, finder: &IdentityKey) -> Vec<Case> {
        let known = lock(&self.known);
        let known = known.get(&account).into_iter().flatten();
        known.filter(|it| it.finder == *finder).map(|it| Case::clone(&it.case)).collect()
    }

    /// What this party signed and a peer has not said to keep.
    pub(crate) fn due(&self, account: AccountId, peer: &IdentityKey) -> Vec<Case> {
        let known = lock(&self.known);
        let known = known.get(&account).into_iter().flatten();
        let due = known.filter(|it| it.finder == self.me && !it.kept_by.contains(peer));
        due.map(|it| Case::clone(&it.case)).collect()
    }

    /// The accounts of which this party signed something.
    pub(crate) fn own_accounts(&self) -> Vec<AccountId> {
        let known = lock(&self.known);
        let own = known.iter().filter(|(_, known)| known.iter().any(|it| it.finder == self.me));
        own.map(|(account, _)| *account).collect()
    }

    /// Notes that a peer keeps a case; whether that is new.
    pub(crate) fn kept(&self, account: AccountId, notice: &Digest, peer: IdentityKey) -> bool {
        let mut known = lock(&self.known);
        let mut of_account = known.get_mut(&account).into_iter().flatten();
        of_account
            .find(|it| it.notice == *notice && it.finder == self.me)
            .is_some_and(|it| it.kept_by.insert(peer))
    }

    /// Where it is noted that the account's peers were asked since this process began.
    pub(crate) fn asked(&self, account: AccountId) -> Arc<OnceCell<()>> {
        Arc::clone(lock(&self.asked).entry(account).or_default())
    }

    /// Forgets that they were, as of an account that is not here.
    pub(crate) fn not_asked(&self, account: AccountId) {
        lock(&self.asked).remove(&account);
    }

    /// Notes a question to these peers. What is returned ends once all have answered from whom one may be
    /// expected.
    pub(crate) fn question(
        &self,
        question: Digest,
        peers: impl Iterator<Item = IdentityKey>,
    ) -> Option<oneshot::Receiver<()>> {
        let mut silent = lock(&self.silent);
        silent.retain(|_, since| since.elapsed() < SILENT);
        let awaited: HashSet<IdentityKey> = peers.filter(|peer| !silent.contains_key(peer)).collect();
        drop(silent);
        let mut questions = lock(&self.questions);
        if awaited.is_empty() || questions.len() >= QUESTIONS_MAX {
            return None;
        }
        let (answered, all) = oneshot::channel();
        questions.insert(question, Question { awaited, answered });
        Some(all)
    }

    /// A peer has answered.
    pub(crate) fn answer(&self, question: &Digest, peer: &IdentityKey) {
        lock(&self.silent).remove(peer);
        let mut questions = lock(&self.questions);
        let Some(open) = questions.get_mut(question) else { return };
        open.awaited.remove(peer);
        if open.awaited.is_empty()
            && let Some(Question { answered, .. }) = questions.remove(question)
        {
            let _ = answered.send(());
        }
    }

    /// Nobody waits any longer; who has not answered is not waited for in the next minute. How many those
    /// are.
    pub(crate) fn give_up(&self, question: &Digest) -> usize {
        let Some(Question { awaited, .. }) = lock(&self.questions).remove(question) else { return 0 };
        let (missing, now) = (awaited.len(), Instant::now());
        lock(&self.silent).extend(awaited.into_iter().map(|peer| (peer, now)));
        missing
    }
}

/// No code panics while it holds these locks; if it did, the maps would still be whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
