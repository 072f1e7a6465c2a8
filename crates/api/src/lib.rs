//! REST types and routes of the coordinator, shared by server and clients.
//!
//! All bodies are JSON. Errors are problems as in RFC 9457. Every route but [`route::HEALTH`] and
//! [`route::RELAY`] wants `Authorization: Bearer cohold_…`; the relay authenticates parties by their
//! identity keys instead.

use std::collections::BTreeMap;

use cohold_model::account::{Card, Proposal};
use cohold_model::canonical::Signed;
use cohold_model::change::{Consent, RulesReport};
use cohold_model::charter::Charter;
use cohold_model::guardians::RecoveryAsk;
use cohold_model::handover::Dealt;
use cohold_model::ids::PartyIndex;
use cohold_model::intent::{Approval, Asset, Intent, Plan};
use cohold_model::receipt::Status;
use cohold_model::reshare::{Resharing, Veto};
use cohold_model::statement::Statement;
use cohold_model::{AccountId, Amount, Digest, HexBytes, IdentityKey, KeyPath, PartyName, RequestId};
use serde::{Deserialize, Serialize};

/// Paths, relative to the server's URL.
pub mod route {
    /// `GET`: [`super::Health`].
    pub const HEALTH: &str = "/healthz";
    /// `GET`, WebSocket: the relay between parties.
    pub const RELAY: &str = "/v1/relay";
    /// `GET`: all [`super::PartyView`] that said hello.
    pub const PARTIES: &str = "/v1/parties";
    /// `GET`: all [`super::ChainView`].
    pub const CHAINS: &str = "/v1/chains";
    /// `POST` [`super::AccountCreate`], `GET` a [`super::Page`] of [`super::AccountView`] (active ones).
    pub const ACCOUNTS: &str = "/v1/accounts";
    /// `GET`: [`super::AccountView`], whatever its state.
    pub const ACCOUNT: &str = "/v1/accounts/{account}";
    /// `GET`: [`super::Statements`] of the account's parties, fresh ones of its connected nodes. `POST`
    /// [`super::StatementCreate`]: a party's word about itself; answers with the same.
    pub const STATEMENTS: &str = "/v1/accounts/{account}/statements";
    /// `GET`: [`super::IssuerView`], who issues certificates here.
    pub const ISSUER: &str = "/v1/issuer";
    /// `POST`: asks the parties and issues the account's next certificate, answered as the file itself,
    /// byte for byte. `GET` with [`super::PageQuery`] a [`super::Page`] of [`super::CertificateView`],
    /// oldest first.
    pub const CERTIFICATES: &str = "/v1/accounts/{account}/certificates";
    /// `GET`: an earlier certificate, byte for byte.
    pub const CERTIFICATE: &str = "/v1/accounts/{account}/certificates/{number}";
    /// `GET`: [`super::Changes`] of the account's connected nodes. `POST` [`super::ChangePropose`]:
    /// [`super::ChangeAnswer`].
    pub const CHANGES: &str = "/v1/accounts/{account}/changes";
    /// `DELETE`: a node forgets the change that waits; [`super::ChangeAnswer`].
    pub const CHANGE: &str = "/v1/accounts/{account}/changes/{party}/{change}";
    /// `POST` [`super::ConsentCreate`]: [`super::ChangeAnswer`].
    pub const CONSENTS: &str = "/v1/accounts/{account}/consents";
    /// `GET`: all charters of the account, the oldest first, the one in force last.
    pub const CHARTERS: &str = "/v1/accounts/{account}/charters";
    /// `POST` [`super::VetoCreate`]: [`super::ChangeAnswer`].
    pub const VETOES: &str = "/v1/accounts/{account}/vetoes";
    /// `POST` [`super::RecoveryCreate`]: [`super::ChangeAnswer`].
    pub const RECOVERIES: &str = "/v1/accounts/{account}/recoveries";
    /// `GET`: all [`super::ReshareView`] of the account, newest first. `POST` [`super::ReshareCreate`]:
    /// [`super::ReshareView`]. `DELETE`: asks the parties to give up the one that runs; the same.
    pub const RESHARES: &str = "/v1/accounts/{account}/reshares";
    /// `GET` with [`super::BalanceQuery`]: [`super::BalanceView`].
    pub const BALANCE: &str = "/v1/accounts/{account}/balance";
    /// `POST` [`super::RequestCreate`], `GET` with [`super::PageQuery`] a [`super::Page`] of [`super::RequestView`].
    pub const REQUESTS: &str = "/v1/requests";
    /// `GET` with [`super::RequestQuery`]: [`super::RequestView`]. `DELETE`: gives up a request that
    /// nobody approved yet, so that its place in the account's order is free at once.
    pub const REQUEST: &str = "/v1/requests/{request}";
    /// `POST` [`super::ApprovalCreate`] with [`super::RequestQuery`]: [`super::RequestView`].
    pub const APPROVALS: &str = "/v1/requests/{request}/approvals";
    /// `GET` with [`super::PageQuery`] a [`super::Page`] of receipts, oldest first.
    pub const RECEIPTS: &str = "/v1/receipts";
}

/// The most items on a page.
pub const PAGE_LIMIT_MAX: u32 = 200;
/// The longest that an answer waits for a request to come further, in seconds.
pub const WAIT_SECONDS_MAX: u32 = 20;
/// The largest request body in bytes.
pub const BODY_BYTES_MAX: usize = 256 * 1024;

/// An error as the API gives it (RFC 9457, `application/problem+json`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// A URN that names the kind: `urn:cohold:problem:` and [`Problem::code`].
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened, and what to do.
    pub detail: String,
    /// Stable, for programs: `not-found`, `insufficient-balance`, ….
    pub code: String,
    /// To find this in the server's log.
    pub trace: String,
}

/// Whether the server is up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Always true in an answer.
    pub ok: bool,
    /// The server's version.
    pub version: String,
    /// Seconds since 1970, by the server's clock.
    #[serde(default)]
    pub now: u64,
}

/// Part of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Give this as `cursor` to go on; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Which part of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// From an earlier page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// At most this many, up to [`PAGE_LIMIT_MAX`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Of this account only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
}

/// A party that the coordinator has heard of. Its key is the coordinator's claim until it is pinned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartyView {
    /// The card, signed by the party itself.
    pub card: Signed<Card>,
    /// Whether it is connected now.
    pub online: bool,
}

/// A chain that the coordinator can reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainView {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// A name for people.
    pub name: String,
    /// The chain's own coin.
    pub coin: String,
    /// Blocks on top after which a transaction counts as final.
    pub confirmations: u32,
}

/// Make an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountCreate {
    /// The proposal, signed by its proposer.
    pub proposal: Signed<Proposal>,
}

/// How far an account has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccountStatus {
    /// The parties are making the key.
    Creating,
    /// Every party signed the charter.
    Active,
    /// It will not come to be.
    Failed,
}

/// An account as the coordinator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountView {
    /// The account.
    pub account: AccountId,
    /// How far it has come.
    pub status: AccountStatus,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The charter, signed by every party, once active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charter: Option<Signed<Charter>>,
    /// The EVM address (EIP-55), once active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// A party says what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatementCreate {
    /// Signed by the party.
    pub statement: Signed<Statement>,
}

/// What the parties of an account say they hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statements {
    /// The last word of each, signed by it; check them against the charter.
    pub statements: Vec<Signed<Statement>>,
    /// Nodes that did not answer in time; what stands here of them may be old.
    pub missing: Vec<String>,
}

/// Who issues certificates. The key is the server's claim until it is pinned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuerView {
    /// Its Ed25519 key.
    pub identity: IdentityKey,
    /// To compare by eye and to pin.
    pub fingerprint: String,
    /// What the deployment declares about who runs what (`custody.toml`), as it stands in certificates;
    /// `{}` where it declares nothing.
    pub declared: serde_json::Value,
}

/// Where a certificate stands in its account's chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateView {
    /// Counts from 1.
    pub number: u64,
    /// Its digest, which the next one names.
    pub digest: Digest,
    /// Seconds since 1970.
    pub issued_at: u64,
}

/// Ask a node to run other rules for an account. It weighs them itself; what crosses the red line waits for
/// the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangePropose {
    /// The node.
    pub party: PartyName,
    /// The rules file, as text.
    pub rules: String,
}

/// Hand a node the user's consent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsentCreate {
    /// The consent, signed by a device of the user.
    pub consent: Signed<Consent>,
}

/// Hand a node the objection of a party of the user's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VetoCreate {
    /// The node.
    pub party: PartyName,
    /// The objection, signed by whoever objects.
    pub veto: Signed<Veto>,
}

/// Hand a node a request for the account that enough guardians confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoveryCreate {
    /// The node.
    pub party: PartyName,
    /// The request, with the guardians' confirmations.
    pub ask: RecoveryAsk,
}

/// How an account stands at a node after it was asked something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeAnswer {
    /// The node's own word, signed: which rules are in force, and which wait.
    pub report: Signed<RulesReport>,
    /// Why it did not do what it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<ChangeRefusal>,
}

/// Why a node did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeRefusal {
    /// Stable, for programs: `red-line` where it waits for the user, `consent`, `change`, ….
    pub code: String,
    /// For people, with the sentences that the user must allow.
    pub message: String,
}

/// Under which rules an account is at its nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// Signed by the nodes; check them against the charter.
    pub reports: Vec<Signed<RulesReport>>,
    /// Parties that did not answer in time.
    pub missing: Vec<PartyName>,
}

/// Have an account's parties give shares of its key to those that come after them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReshareCreate {
    /// What is to come, signed by its proposer.
    pub resharing: Signed<Resharing>,
    /// The user's consent, where the parties ask for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<Signed<Consent>>,
}

/// How far a resharing has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReshareStatus {
    /// Its parties are at it, or one of them is away: the old charter is in force.
    Running,
    /// All parties to come signed: the new charter is in force.
    Done,
    /// The old charter stays in force.
    Failed,
}

/// A resharing as the coordinator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReshareView {
    /// The resharing.
    pub resharing: Signed<Resharing>,
    /// How far it has come.
    pub status: ReshareStatus,
    /// Why it failed, or is about to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The new charter, signed by all its parties, once done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charter: Option<Signed<Charter>>,
    /// The dealers' words that they dealt for it.
    pub dealt: Vec<Signed<Dealt>>,
    /// Parties that are yet to take the new charter: of those that stay or come, and of those that leave.
    pub untold: Vec<PartyName>,
    /// How many of four primes each party has made that its engine needs to be set up.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub primes: BTreeMap<PartyName, u8>,
    /// Seconds since 1970.
    pub created_at: u64,
}

/// Which balance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BalanceQuery {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// A token's contract; absent for the chain's own coin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Of which address of the account; absent for its own.
    #[serde(default, skip_serializing_if = "KeyPath::is_root")]
    pub path: KeyPath,
}

/// A balance, as the chain endpoint tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalanceView {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Whose.
    pub address: String,
    /// Of what.
    pub asset: Asset,
    /// How much, in base units.
    pub amount: Amount,
    /// As the contract calls itself (a claim), or the chain's coin.
    pub symbol: String,
    /// As the contract says (a claim).
    pub decimals: u8,
}

/// Ask for a plan. Repeating it with the same body returns the first one; the request id within the
/// intent is the idempotency key (also accepted as `Idempotency-Key` header, which must then agree).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestCreate {
    /// What somebody wants.
    pub intent: Intent,
}

/// Whether to answer at once, or to wait until a request has come further.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestQuery {
    /// Answer as soon as the request has come to this status or beyond, or has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_status: Option<Status>,
    /// Answer after this many seconds at the latest, wherever the request stands then; absent or
    /// more than [`WAIT_SECONDS_MAX`] counts as that. A busy server may answer at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_seconds: Option<u32>,
}

/// A request as the coordinator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestView {
    /// The request.
    pub request: RequestId,
    /// The account.
    pub account: AccountId,
    /// What somebody wants.
    pub intent: Intent,
    /// The bytes that would do it: decode them yourself.
    pub plan: Plan,
    /// Who approved.
    pub approvals: Vec<Signed<Approval>>,
    /// How far it has come.
    pub status: Status,
    /// Signing sessions so far.
    pub attempt: u32,
    /// Who signs in the current session.
    pub signers: Vec<PartyIndex>,
    /// Why it was refused, expired or reverted, or why the last attempt broke off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The signed transaction as it is broadcast: check it against the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<HexBytes>,
    /// The signed transaction's hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction_hash: Option<HexBytes>,
    /// The block that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block: Option<u64>,
    /// Seconds since 1970.
    pub created_at: u64,
    /// Seconds since 1970.
    pub updated_at: u64,
}

/// Approve a request's plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalCreate {
    /// The approval, signed by its approver.
    pub approval: Signed<Approval>,
    /// Who shall sign, exactly threshold many; absent: the approver and connected others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signers: Option<Vec<PartyIndex>>,
}
