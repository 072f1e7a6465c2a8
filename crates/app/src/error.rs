//! Why the coordinator says no: a stable code for programs, words for people, and a detail for the
//! log that no client sees. It knows nothing of HTTP.

use cohold_chain_evm::address::AddressError;
use cohold_chain_evm::effect::IntentError;
use cohold_chain_evm::plan::{FundsError, PlanError};
use cohold_chain_io::{FactsError, RpcError, TokenError};
use cohold_custody::certificate::DraftError;
use cohold_model::account::TermsError;
use cohold_model::child::ChildError;
use cohold_model::import::ImportError;
use cohold_model::receipt::Status;
use cohold_model::{AccountId, PartyName, RequestId};
use cohold_store::StoreError;

/// Everything that an operation of the coordinator may fail with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such account.
    #[error("there is no account `{0}`: list the accounts to find the right one")]
    AccountUnknown(AccountId),
    /// No such request.
    #[error("there is no request `{0}`: list the requests to find the right one")]
    RequestUnknown(RequestId),
    /// No address at a path.
    #[error(transparent)]
    Path(ChildError),
    /// A cursor that no page gave.
    #[error("the cursor is none that an earlier page gave: start again without one")]
    Cursor,
    /// A page larger than pages may be.
    #[error("a page holds 1 to {max} items, not {0}", max = cohold_api::PAGE_LIMIT_MAX)]
    Limit(u32),
    /// The same id with another body.
    #[error("`{0}` was used before with another body: repeat the first body, or choose a new id")]
    IdempotencyMismatch(String),
    /// The header and the intent disagree.
    #[error("the header `Idempotency-Key` is not the intent's request id `{0}`: send the same, or no header")]
    IdempotencyKey(RequestId),
    /// Terms that contradict themselves.
    #[error("the proposal is refused: {0}")]
    Terms(#[from] TermsError),
    /// A key that cannot be brought along like this.
    #[error("the proposal is refused: {0}")]
    Import(#[from] ImportError),
    /// The proposal is not its proposer's.
    #[error(
        "the proposal is not signed by `{0}` as a party of the account: sign it with that party's identity"
    )]
    Proposer(PartyName),
    /// Parties that never said hello.
    #[error("nobody knows {}: start them with this server's URL, then propose again", names(.0))]
    PartiesUnknown(Vec<PartyName>),
    /// Parties whose card is another one.
    #[error("{} handed out another card than the proposal shows: fetch the parties again", names(.0))]
    PartiesDiffer(Vec<PartyName>),
    /// Parties that are away.
    #[error("{} must take part and cannot be reached: start them, then try again", names(.0))]
    PartiesOffline(Vec<PartyName>),
    /// A party that runs no rules for others.
    #[error("`{0}` is no node of this account: name its co-signer or guardian")]
    NotANode(PartyName),
    /// A consent to what no single party takes into force.
    #[error("the consent is to a resharing, not to the rules of one node: send it with the resharing")]
    ConsentElsewhere,
    /// A party that says nothing.
    #[error("`{0}` did not answer in time: try again, the same words do no harm")]
    PartySilent(PartyName),
    /// What a party does not know.
    #[error("`{party}` does not speak for this account: {reason}")]
    PartyUnaware {
        /// Who.
        party: PartyName,
        /// Its words.
        reason: String,
    },
    /// An account without a key.
    #[error("account `{account}` is {status}: only an active account can be used")]
    AccountInactive {
        /// The account.
        account: AccountId,
        /// What it is instead.
        status: &'static str,
    },
    /// A resharing that does not fit, or is not its proposer's.
    #[error("the resharing is refused: {0}")]
    Resharing(String),
    /// One resharing at a time.
    #[error(
        "another resharing of account `{account}` runs: wait for it{}, or give it up",
        missing_of(.missing)
    )]
    ReshareRunning {
        /// The account.
        account: AccountId,
        /// Parties to come that have not signed, as far as is known.
        missing: Vec<PartyName>,
    },
    /// None runs.
    #[error("no resharing of account `{0}` runs")]
    ReshareNone(AccountId),
    /// Too late.
    #[error("{what} expired {late_seconds} s ago by the coordinator's clock: ask again, or set the clock")]
    Expired {
        /// What expired.
        what: &'static str,
        /// For how long.
        late_seconds: u64,
    },
    /// Too far away in time.
    #[error("{0} reaches more than 25 hours from the coordinator's clock: set the clock, or ask for less")]
    Horizon(&'static str),
    /// A chain without an endpoint.
    #[error("chain {wanted} is unknown here: use one of {known}, or configure its endpoint")]
    ChainUnknown {
        /// In the intent.
        wanted: u64,
        /// What is configured.
        known: String,
    },
    /// The requester is nobody.
    #[error("requester `{0}` is no party of the account: ask in the name of one")]
    Requester(PartyName),
    /// The intent cannot be carried out on its chain.
    #[error(transparent)]
    Intent(#[from] IntentError),
    /// Too little money.
    #[error(transparent)]
    Funds(#[from] FundsError),
    /// The contract is no token.
    #[error("there is no ERC-20 token at `{0}` on this chain: check the address and the chain")]
    TokenUnknown(String),
    /// The chain would undo the transfer.
    #[error("the transfer would fail on the chain: {0}")]
    WouldFail(String),
    /// The chain's facts allow no plan.
    #[error("no transaction can be planned: {0}")]
    Plan(PlanError),
    /// The endpoint of a chain is another chain's, or has no base fee.
    #[error("the configured endpoint does not serve chain {0} as EIP-1559 needs it: configure the right one")]
    ChainMismatch(u64, #[source] FactsError),
    /// The endpoint gives no answer.
    #[error("the endpoint of chain {0} gives no answer: try again, or have its configuration checked")]
    ChainUnreachable(u64, #[source] RpcError),
    /// The approval is not one of these bytes by an approver.
    #[error("the approval is refused, {0}: approve the plan that the request shows")]
    Approval(ApprovalFault),
    /// The statement is not a party's word about this account.
    #[error("the statement is refused, {0}")]
    Statement(StatementFault),
    /// Signers that cannot sign.
    #[error("the signers are refused: name exactly {threshold} different parties of the account")]
    Signers {
        /// How many must sign.
        threshold: u8,
    },
    /// Too few are there to sign.
    #[error("{threshold} parties must sign, of whom {} cannot be reached: start them, then approve again", names(.missing))]
    SignersOffline {
        /// How many must sign.
        threshold: u8,
        /// Who is away.
        missing: Vec<PartyName>,
    },
    /// The request is past approving.
    #[error("request `{request}` is {status}: nothing is left to approve")]
    RequestNotPending {
        /// The request.
        request: RequestId,
        /// How far it has come.
        status: Status,
    },
    /// Another request took the transaction's number.
    #[error(
        "another request of the account was approved first and took the nonce: nothing was signed, ask for a new request"
    )]
    PlanOutdated,
    /// No certificate can be made.
    #[error("no certificate can be made: {0}")]
    Certificate(#[from] DraftError),
    /// No such certificate.
    #[error("account `{account}` has no certificate {number}: list them to find the right one")]
    CertificateUnknown {
        /// The account.
        account: AccountId,
        /// The number that was asked for.
        number: u64,
    },
    /// Certificates are kept for ever.
    #[error("the account has got too many certificates today: take the last one")]
    CertificatesTooMany,
    /// More waits than the coordinator keeps.
    #[error("the account has too many open requests: settle some of them first")]
    Busy,
    /// The database failed.
    #[error("the coordinator cannot use its database: have its log and its disk checked")]
    Store(#[from] StoreError),
    /// A task of the coordinator was stopped.
    #[error("the coordinator is stopping: try again once it is up")]
    Stopping,
    /// What the database holds contradicts itself.
    #[error("the coordinator cannot read what it stored: have its log checked")]
    Corrupt(&'static str),
}

/// What is wrong with an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ApprovalFault {
    /// Of another account.
    #[error("it is for another account")]
    Account,
    /// Under another charter.
    #[error("it is under another charter")]
    Charter,
    /// Of other bytes.
    #[error("it is for another plan")]
    Plan,
    /// By somebody who may not.
    #[error("its approver is none of the charter's approvers")]
    Approver,
    /// Not signed by its approver.
    #[error("it is not signed by its approver")]
    Signature,
}

/// What is wrong with a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StatementFault {
    /// Of another account.
    #[error("it is of another account: hand it in at its own")]
    Account,
    /// Under another charter.
    #[error("it is under another charter: state what is held under this one")]
    Charter,
    /// By a stranger.
    #[error("it is by no party of the account: parties speak for themselves")]
    Party,
    /// Not signed, or not by its party alone.
    #[error("it is not signed by its party alone: sign it with that party's identity")]
    Signature,
    /// Expired, or of the future.
    #[error("it has expired, or is of the future: set the clock, then state again")]
    Time,
}

/// What kind of no it is, so that a shell can choose its own code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The caller's words make no sense.
    Invalid,
    /// No such thing.
    NotFound,
    /// At odds with what is.
    Conflict,
    /// Understood, and not possible.
    Impossible,
    /// Possible later.
    Unavailable,
    /// Our own fault.
    Internal,
}

impl Error {
    /// Stable, for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::AccountUnknown(_) | Self::RequestUnknown(_) | Self::CertificateUnknown { .. } => {
                "not-found"
            }
            Self::Cursor => "invalid-cursor",
            Self::Limit(_) => "invalid-limit",
            Self::IdempotencyMismatch(_) | Self::IdempotencyKey(_) => "idempotency-mismatch",
            Self::Terms(_) | Self::Import(_) => "invalid-terms",
            Self::Proposer(_) => "invalid-proposal",
            Self::PartiesUnknown(_) => "party-unknown",
            Self::PartiesDiffer(_) => "party-differs",
            Self::PartiesOffline(_) => "party-offline",
            Self::NotANode(_) => "not-a-node",
            Self::ConsentElsewhere => "consent-elsewhere",
            Self::PartySilent(_) => "party-silent",
            Self::PartyUnaware { .. } => "party-unaware",
            Self::AccountInactive { .. } => "account-inactive",
            Self::Resharing(_) => "resharing-refused",
            Self::ReshareRunning { .. } => "resharing-runs",
            Self::ReshareNone(_) => "no-resharing",
            Self::Expired { .. } => "expired",
            Self::Horizon(_) => "expires-too-late",
            Self::ChainUnknown { .. } => "unknown-chain",
            Self::Requester(_) => "unknown-requester",
            Self::Intent(IntentError::ZeroAmount) => "zero-amount",
            Self::Intent(_) => "bad-address",
            Self::Path(_) => "bad-path",
            Self::Funds(_) => "insufficient-balance",
            Self::TokenUnknown(_) => "unknown-token",
            Self::WouldFail(_) => "transfer-would-fail",
            Self::Plan(_) => "plan-impossible",
            Self::ChainMismatch(..) => "chain-mismatch",
            Self::ChainUnreachable(..) => "chain-unreachable",
            Self::Approval(_) => "approval-refused",
            Self::Statement(_) => "statement-refused",
            Self::Signers { .. } => "invalid-signers",
            Self::SignersOffline { .. } => "signers-offline",
            Self::RequestNotPending { .. } => "request-not-pending",
            Self::PlanOutdated => "plan-outdated",
            Self::Certificate(_) => "certificate-impossible",
            Self::Busy | Self::CertificatesTooMany => "busy",
            Self::Stopping => "stopping",
            Self::Store(_) | Self::Corrupt(_) => "internal",
        }
    }

    /// What kind of no it is.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::AccountUnknown(_) | Self::RequestUnknown(_) | Self::CertificateUnknown { .. } => {
                Class::NotFound
            }
            Self::Cursor
            | Self::Limit(_)
            | Self::IdempotencyKey(_)
            | Self::Terms(_)
            | Self::Import(_)
            | Self::Proposer(_)
            | Self::NotANode(_)
            | Self::ConsentElsewhere
            | Self::Horizon(_)
            | Self::ChainUnknown { .. }
            | Self::Requester(_)
            | Self::Intent(_)
            | Self::Path(_)
            | Self::Approval(_)
            | Self::Statement(_)
            | Self::Signers { .. } => Class::Invalid,
            Self::IdempotencyMismatch(_)
            | Self::PartiesUnknown(_)
            | Self::PartiesDiffer(_)
            | Self::PartiesOffline(_)
            | Self::PartyUnaware { .. }
            | Self::AccountInactive { .. }
            | Self::Resharing(_)
            | Self::ReshareRunning { .. }
            | Self::ReshareNone(_)
            | Self::SignersOffline { .. }
            | Self::RequestNotPending { .. }
            | Self::PlanOutdated => Class::Conflict,
            Self::Expired { .. }
            | Self::Funds(_)
            | Self::TokenUnknown(_)
            | Self::WouldFail(_)
            | Self::Certificate(_)
            | Self::Plan(_) => Class::Impossible,
            Self::ChainMismatch(..)
            | Self::ChainUnreachable(..)
            | Self::Busy
            | Self::CertificatesTooMany
            | Self::PartySilent(_)
            | Self::Stopping => Class::Unavailable,
            Self::Store(_) | Self::Corrupt(_) => Class::Internal,
        }
    }

    /// For the log only: what lies behind the words.
    #[must_use]
    pub fn internal(&self) -> Option<String> {
        match self {
            Self::ChainMismatch(_, cause) => Some(cause.to_string()),
            Self::ChainUnreachable(_, cause) => Some(cause.to_string()),
            Self::Store(cause) => Some(cause.to_string()),
            Self::Corrupt(what) => Some((*what).into()),
            _ => None,
        }
    }

    /// A token's address cannot be one.
    pub(crate) fn token_address(error: AddressError) -> Self {
        Self::Intent(IntentError::Token(error))
    }

    /// The facts of chain `chain_id` could not be gathered.
    pub(crate) fn facts(chain_id: u64, error: FactsError) -> Self {
        match error {
            FactsError::Intent(error) => Self::Intent(error),
            FactsError::Funds(error) => Self::Funds(error),
            FactsError::WouldFail(reason) => Self::WouldFail(reason),
            FactsError::Token(error) => Self::token(chain_id, error),
            FactsError::Rpc(error) => Self::ChainUnreachable(chain_id, error),
            FactsError::Chain { .. } | FactsError::NoBaseFee(_) => Self::ChainMismatch(chain_id, error),
        }
    }

    /// A token of chain `chain_id` could not be read.
    pub(crate) fn token(chain_id: u64, error: TokenError) -> Self {
        match error {
            TokenError::NoToken { token, .. } => Self::TokenUnknown(token.to_string()),
            TokenError::Rpc(error) => Self::ChainUnreachable(chain_id, error),
        }
    }
}

impl From<PlanError> for Error {
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::Intent(error) => Self::Intent(error),
            PlanError::Funds(error) => Self::Funds(error),
            other => Self::Plan(other),
        }
    }
}

/// For whom a resharing waits, where that is known.
fn missing_of(parties: &[PartyName]) -> String {
    if parties.is_empty() { String::new() } else { format!(" (it waits for {})", names(parties)) }
}

/// Names for people: `a`, `b` and `c`.
fn names(parties: &[PartyName]) -> String {
    let quoted: Vec<String> = parties.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => "nobody".into(),
    }
}
